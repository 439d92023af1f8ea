//! `borehole export`: what other programs read from its files is what was logged and what the report says.
//!
//! In: the fixtures, generated dumps, and one dump of texts that are made to do harm in a spreadsheet. Out: nothing.
//! Always: every table is written in all three formats and read by pyarrow, DuckDB and Python's own readers
//! (`fixtures/export_oracle.py`), which must agree with `fixtures/oracle.py` on records and with the report on figures.
//! Absent: how each format is encoded (see `borehole_table::columns`).

mod support;

use std::path::Path;
use std::process::Stdio;

use borehole_testbed::table_readers_or_skip;
use serde_json::{Value, json};
use support::{Dump, NOW, analyze, borehole, call, failed_call, files_below, report, repository, run};

const FORMATS: [&str; 3] = ["parquet", "csv", "ndjson"];

/// `borehole export ARGUMENTS --now NOW`.
fn export(arguments: &[&str]) -> support::Run {
    run(borehole().arg("export").args(arguments).args(["--now", NOW, "-q"]))
}

/// Writes a table in all formats, with the exit code that each of them must end with.
#[track_caller]
fn export_all(stem: &str, arguments: &[&str], code: i32) {
    for format in FORMATS {
        export(&[arguments, &["-o", &format!("{stem}.{format}")]].concat()).ends(code);
    }
}

/// Holds the three files of a table against what they must say; `false` where the readers cannot be had.
#[track_caller]
fn agrees(arguments: &[&str]) -> bool {
    let Some(mut python) = table_readers_or_skip() else { return false };
    let output = python
        .arg("fixtures/export_oracle.py")
        .args(arguments)
        .current_dir(repository())
        .output()
        .expect("python3 runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{arguments:?}\n{}{}", text(&output.stdout), text(&output.stderr));
    true
}

/// The rows of an NDJSON file.
fn rows(path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("the table is there");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is an object")).collect()
}

/// Invocations of a dump are those that the oracle counts, and their sums those of the report.
#[track_caller]
fn invocations_agree(dump: &str, code: i32) {
    let place = Dump::new();
    let (stem, by_model) = (place.at("rows"), place.at("by-model.json"));
    export_all(&stem, &[dump], code);
    analyze([dump, "--by", "model", "-o", &by_model, "-q"]).ends(code);
    agrees(&["invocations", &stem, dump, "--now", NOW, "--report", &by_model]);
}

#[test]
fn invocations_of_the_fixtures_are_what_was_logged_in_every_reader() {
    invocations_agree("fixtures/dumps/aws", 0);
    invocations_agree("fixtures/dumps/split", 0);
    invocations_agree("fixtures/dumps/cloudwatch", 0);
    invocations_agree("fixtures/faults", 3);
}

#[test]
fn invocations_of_generated_dumps_are_what_was_logged_in_every_reader() {
    for (layout, dirty, code) in [("aws", true, 3), ("split", false, 0)] {
        let place = Dump::new();
        let dump = place.at("dump");
        let mut synth = borehole();
        synth.args(["synth", &dump, "--layout", layout, "--requests", "1200", "--seed", "11", "-q"]);
        run(synth.args(dirty.then_some("--dirty"))).ends(0);
        invocations_agree(&dump, code);
    }
}

#[test]
fn groups_and_minutes_are_the_report_in_every_reader() {
    for (dump, by, code) in [
        ("fixtures/dumps/aws", "account,region,model,scope", 0),
        ("fixtures/dumps/aws", "identity,inference-region,error", 0),
        ("fixtures/dumps/aws", "tag:team,hour", 0),
        ("fixtures/dumps/split", "minute", 0),
        ("fixtures/faults", "content-kind,role,session", 3),
    ] {
        let place = Dump::new();
        let (groups, minutes) = (place.at("groups"), place.at("minutes"));
        export_all(&groups, &[dump, "--what", "groups", "--by", by], code);
        export_all(&minutes, &[dump, "--what", "minutes", "--by", by], code);
        let (plain, series) = (place.at("plain.json"), place.at("series.json"));
        analyze([dump, "--by", by, "-o", &plain, "-q"]).ends(code);
        analyze([dump, "--by", by, "--series", "minute", "-o", &series, "-q"]).ends(code);
        if !agrees(&["groups", &groups, "--report", &plain]) {
            return;
        }
        agrees(&["minutes", &minutes, "--report", &series]);
    }
}

#[test]
fn losses_are_those_of_the_list_of_rejects_in_every_reader() {
    let place = Dump::new();
    let (stem, listed) = (place.at("losses"), place.at("listed.ndjson"));
    export_all(&stem, &["fixtures/faults", "--what", "rejects"], 3);
    analyze(["fixtures/faults", "--rejects", &listed, "-o", &place.at("report.json"), "-q"]).ends(3);
    assert!(!rows(&listed).is_empty());
    agrees(&["rejects", &stem, "--report", &listed]);
}

/// What a spreadsheet would run, and what ends a cell, a line or a text too early.
const HOSTILE: [&str; 19] = [
    "=cmd|'/c calc'!A0",
    "-2+3",
    "+1",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\u{ff1d}1+1",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "'=1+1",
    "''",
    "a,=1+1",
    "a;=1+1",
    "a\r\n=1+1",
    "say \"=1+1\"",
    "\";=1+1",
    "a\0b",
    "\0=1",
    "\u{1b}[31mred\u{202e}",
    "line\nline\rline\\n, \\ and \u{e4}\u{1f30a}",
];

/// Every hostile text in every field that holds text.
fn hostile_dump() -> Dump {
    let dump = Dump::new();
    let mut records = Vec::new();
    for (number, text) in (0u32..).zip(HOSTILE) {
        let time = format!("2024-03-11T07:{number:02}:00Z");
        let mut record = call(number, &time, 10, 20);
        record["identity"]["arn"] = json!(format!("arn:aws:sts::111122223333:assumed-role/{text}/{text}"));
        record["requestMetadata"] = json!({(text): text, "team": text, "plain": ""});
        record["output"]["outputBodyJson"]["stopReason"] = json!(text);
        records.push(record);
        let mut record = failed_call(100 + number, &time, text);
        record["operation"] = json!(text);
        record["requestId"] = json!(text);
        record["modelId"] = json!(text);
        record["inferenceRegion"] = json!(text);
        record["identity"]["arn"] = json!(text);
        record["requestMetadata"] = json!({"team": ""});
        records.push(record);
    }
    dump.put_aws("2024/03/11/07", "hostile.json", &records);
    dump
}

#[test]
fn i2_hostile_texts_come_back_unchanged_and_begin_no_cell() {
    let dump = hostile_dump();
    invocations_agree(&dump.root(), 0);
    let place = Dump::new();
    for by in ["session,error,model", "tag:team", "identity,operation"] {
        let (stem, json) = (place.at(by), place.at(&format!("{by}.json")));
        export_all(&stem, &[&dump.root(), "--what", "groups", "--by", by], 0);
        analyze([&dump.root(), "--by", by, "-o", &json, "-q"]).ends(0);
        agrees(&["groups", &stem, "--report", &json]);
    }
    // Whichever separator a program cuts lines at, and whether it knows of quotes or not.
    export(&[&dump.root(), "-o", &place.at("rows.csv")]).ends(0);
    let text = std::fs::read_to_string(place.at("rows.csv")).expect("the table is there");
    for cell in text.split([',', ';', '|', '\t', '\r', '\n']) {
        let shown = cell.trim_start_matches(|c: char| c == '"' || c.is_whitespace() || c == '\0');
        assert!(!shown.starts_with(['=', '+', '-', '@', '\u{ff1d}']), "{cell:?}");
    }
}

#[test]
fn an_empty_text_is_not_an_absent_one() {
    let dump = Dump::new();
    let mut empty = call(1, "2024-03-11T07:00:00Z", 1, 1);
    empty["requestMetadata"] = json!({"team": ""});
    dump.put_aws("2024/03/11/07", "a.json", &[empty, call(2, "2024-03-11T07:00:00Z", 1, 1)]);
    let by = ["--what", "groups", "--by", "tag:team", "-o", "-"];
    let csv = export(&[&[&*dump.root(), "--format", "csv"], &by[..]].concat()).ends(0).out;
    let starts: Vec<&str> = csv.lines().map(|line| line.split(',').next().unwrap_or_default()).collect();
    assert_eq!(starts, ["\"key_tag:team\"", "", "\"\""]);
    let ndjson = export(&[&[&*dump.root(), "--format", "ndjson"], &by[..]].concat()).ends(0).out;
    let keys: Vec<Value> = ndjson
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("an object")["key_tag:team"].clone())
        .collect();
    assert_eq!(keys, [Value::Null, json!("")]);
}

#[test]
fn k4_no_text_of_a_body_is_in_any_table() {
    const WORD: &str = "Zaunkoenig7f3a";
    let dump = Dump::new();
    let mut record = call(1, "2024-03-11T07:00:00Z", 10, 20);
    record["input"]["inputBodyJson"]["messages"][0]["content"][0]["text"] = json!(WORD);
    record["output"]["outputBodyJson"]["output"]["message"]["content"][0]["text"] = json!(WORD);
    record["errorMessage"] = json!(WORD);
    let broken = format!("{{\"{WORD}\": {WORD}}}\n");
    dump.put_aws("2024/03/11/07", "a.json", &[record])
        .put(&support::aws_key("2024/03/11/07", "b.json"), broken);
    for what in ["invocations", "groups", "minutes", "rejects"] {
        for format in ["csv", "ndjson"] {
            let table = export(&[&dump.root(), "--what", what, "--format", format, "-o", "-"]).ends(3);
            assert!(!table.out.contains(WORD) && !table.err.contains(WORD), "{what}: {}", table.out);
            assert!(table.out.lines().count() > usize::from(format == "csv"), "{what}: nothing to search");
        }
    }
}

#[test]
fn threads_and_arrival_change_no_byte() {
    let place = Dump::new();
    let dump = place.at("dump");
    run(borehole().args(["synth", &dump, "--requests", "3000", "--seed", "3", "--dirty", "-q"])).ends(0);
    for format in FORMATS {
        let mut first = None;
        for (index, how) in [["1", "1"], ["2", "5"], ["8", "9"]].iter().enumerate() {
            let path = place.at(&format!("{index}.{format}"));
            export(&[&dump, "-o", &path, "--threads", how[0], "--shuffle", how[1]]).ends(3);
            let bytes = std::fs::read(path).expect("the table is there");
            assert!(*first.get_or_insert_with(|| bytes.clone()) == bytes, "{format}, {how:?}");
        }
    }
}

/// Hours that were given before strays turned up are given again; each row must be there once.
#[test]
fn records_far_from_their_folder_are_rows_of_their_hour_once() {
    let dump = Dump::new();
    for hour in 0..12 {
        let time = format!("2024-03-11T{hour:02}:30:00Z");
        let records: Vec<Value> = (0..200).map(|number| call(1_000 * hour + number, &time, 1, 1)).collect();
        dump.put_aws(&format!("2024/03/11/{hour:02}"), "a.json", &records);
    }
    let late = [
        call(90_001, "2024-03-11T02:00:00Z", 1, 1),
        call(90_002, "2024-03-11T05:45:00Z", 1, 1),
        call(3_001, "2024-03-11T03:30:00Z", 1, 1),
    ];
    dump.put_aws("2024/03/11/20", "late.json", &late);
    let place = Dump::new();
    for format in FORMATS {
        let whole = place.at(&format!("whole.{format}"));
        export(&[&dump.root(), "-o", &whole]).ends(0);
        // How much memory there is says which hours are closed before the late ones are read: at 1 MiB some are, and
        // the rows of others lie behind those of later hours when they come.
        for memory in ["1KiB", "512KiB", "1MiB", "2MiB"] {
            let path = place.at(&format!("{memory}.{format}"));
            export(&[&dump.root(), "-o", &path, "--memory", memory]).ends(0);
            let [whole, path] = [&whole, &path].map(|path| std::fs::read(path).expect("the table is there"));
            assert!(whole == path, "{memory} {format}");
        }
    }
    assert_eq!(rows(&place.at("1MiB.ndjson")).len(), 2_402);
    invocations_agree(&dump.root(), 0);
}

/// Sums that were kept are no rows: every hour is given by its records.
#[test]
fn rows_are_the_same_from_logs_beside_a_dataset_and_from_the_dataset() {
    let place = Dump::new();
    let dataset = place.at("dataset");
    let dump = "fixtures/dumps/aws";
    for format in FORMATS {
        let path = |name: &str| place.at(&format!("{name}.{format}"));
        export(&[dump, "-o", &path("logs")]).ends(0);
        // The first time it is made, then it is there.
        for name in ["first", "second"] {
            export(&[dump, "--dataset", &dataset, "-o", &path(name)]).ends(0);
            analyze([dump, "--dataset", &dataset, "-q", "-o", &place.at(&format!("{name}-{format}.json"))])
                .ends(0);
        }
        export(&[&dataset, "-o", &path("dataset")]).ends(0);
        let expected = std::fs::read(path("logs")).expect("the table is there");
        for name in ["first", "second", "dataset"] {
            assert!(std::fs::read(path(name)).expect("the table is there") == expected, "{name}.{format}");
        }
    }
}

#[test]
fn filters_and_ranges_hold_for_rows_as_for_the_report() {
    let range = ["--from", "2024-03-11T08:00:00Z", "--to", "2024-03-11T11:00:00Z"];
    let arguments = [&["fixtures/dumps/aws", "--operation", "Converse"], &range[..]].concat();
    let place = Dump::new();
    let path = place.at("rows.ndjson");
    export(&[&arguments[..], &["-o", &path]].concat()).ends(0);
    let counted = report(arguments, 0)["health"]["records"]["counted"].clone();
    let rows = rows(&path);
    assert!(!rows.is_empty());
    assert_eq!(counted, rows.len());
    assert!(rows.iter().all(|row| row["operation"] == "Converse"));
}

#[test]
fn the_report_gives_its_groups_as_a_table_too() {
    let place = Dump::new();
    let dump = "fixtures/dumps/aws";
    for format in FORMATS {
        let (from_report, exported) =
            (place.at(&format!("report.{format}")), place.at(&format!("groups.{format}")));
        analyze([dump, "--by", "model,tag:team", "-o", &from_report, "-q"]).ends(0);
        export(&[dump, "--what", "groups", "--by", "model,tag:team", "-o", &exported]).ends(0);
        assert!(std::fs::read(from_report).expect("a table") == std::fs::read(exported).expect("a table"));
    }
}

#[test]
fn a_file_appears_whole_or_not_at_all_and_replaces_none_unasked() {
    let place = Dump::new();
    let path = place.at("rows.csv");
    std::fs::write(&path, "mine").expect("a file");
    let refused = export(&["fixtures/dumps/aws", "-o", &path]).ends(2);
    assert!(refused.err.contains("--force"), "{}", refused.err);
    assert_eq!(std::fs::read_to_string(&path).expect("it is there"), "mine");
    export(&["fixtures/dumps/aws", "-o", &path, "--force"]).ends(0);
    assert_ne!(std::fs::read_to_string(&path).expect("it is there"), "mine");
    // Nothing is published of a run that has no answer.
    export(&["fixtures/no-such-place", "-o", &place.at("none.parquet")]).ends(4);
    export(&["fixtures/dumps/aws", "--plan", "-o", &place.at("plan.parquet")]).ends(0);
    assert_eq!(files_below(place.path()), [Path::new("rows.csv")].map(|name| place.path().join(name)));
}

#[test]
fn what_cannot_be_meant_is_refused_before_the_work() {
    for (arguments, said) in [
        (&["-o", "rows.xlsx"][..], "unknown format"),
        (&["-o", "-"], "--format"),
        (&["-o", "-", "--format", "parquet"], "stdout"),
        (&["-o", "rows.csv", "--by", "model"], "--by"),
        (&["-o", "no/such/folder/rows.csv"], "no such directory"),
    ] {
        let refused = export(&[&["fixtures/dumps/aws"], arguments].concat()).ends(2);
        assert!(refused.err.contains(said), "{arguments:?}: {}", refused.err);
    }
}

#[test]
fn a_table_of_nothing_has_its_columns_and_exit_code_5() {
    let place = Dump::new();
    let stem = place.at("nothing");
    for what in ["invocations", "groups", "minutes", "rejects"] {
        for format in FORMATS {
            let path = format!("{stem}-{what}.{format}");
            export(&["fixtures/dumps/aws", "--model", "no-such-model", "--what", what, "-o", &path]).ends(5);
            let bytes = std::fs::read(&path).expect("the table is there");
            match format {
                "csv" => assert_eq!(bytes.iter().filter(|&&byte| byte == b'\n').count(), 1),
                "ndjson" => assert!(bytes.is_empty()),
                _ => assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1")),
            }
        }
    }
}

#[test]
fn i12_a_reader_that_goes_away_is_a_quiet_success() {
    let place = Dump::new();
    let dump = place.at("dump");
    run(borehole().args(["synth", &dump, "--requests", "2000", "--seed", "4", "-q"])).ends(0);
    let mut command = borehole();
    command.args(["export", &dump, "--format", "csv", "-o", "-", "--now", NOW, "-q"]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the command ends");
    assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(0), ""));
}
