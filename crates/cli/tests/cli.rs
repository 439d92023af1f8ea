//! The command from outside: exit codes, outputs, sources, filters, and that nothing but the data matters.
//!
//! In: the fixtures, and small dumps made here. Out: nothing. Always: figures are compared with other runs, with
//! the records that a test wrote, or with the oracle (`fixtures/oracle.py`), never with numbers typed in.
//! Absent: what a report looks like in detail, which the goldens and the report's own tests hold.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::goldens::GOLDENS;
use support::{
    ACCOUNT, Dump, MODEL, NOW, REGION, Run, analyze, aws_key, borehole, call, failed_call, gzip, lines,
    report, repository, request_id, run, run_with, without_run,
};

/// The three records of `small`: two calls and a throttle, in two minutes.
fn small_records() -> [Value; 3] {
    [
        call(1, "2024-03-11T07:00:10Z", 30_000, 10),
        call(2, "2024-03-11T07:01:10Z", 200, 20),
        failed_call(3, "2024-03-11T07:01:20Z", "ThrottlingException"),
    ]
}

/// A dump of the `aws` layout with three records.
fn small() -> Dump {
    let dump = Dump::new();
    dump.put_aws("2024/03/11/07", "a.json", &small_records());
    dump
}

fn attempted(report: &Value) -> u64 {
    report["totals"]["requests"]["attempted"].as_u64().expect("a count")
}

/// The figures of a group or the totals that do not depend on the range.
fn figures(group: &Value) -> Value {
    let names = [
        "requests",
        "statistics",
        "tokens",
        "tokens_on_errors",
        "high_token",
        "distributions",
        "responses",
        "payloads",
        "cross_region",
    ];
    names.iter().map(|&name| (name.to_owned(), group[name].clone())).collect::<serde_json::Map<_, _>>().into()
}

/// A whole report but its `run` block.
fn whole(run: &Run) -> Value {
    let mut report = run.json();
    report.as_object_mut().expect("a report is an object").remove("run");
    report
}

// ---------------------------------------------------------------------------------------------------------------
// Exit codes

#[test]
fn a_complete_answer_is_exit_0() {
    let run = analyze(["fixtures/dumps"]).ends(0);
    assert!(run.out.lines().nth(1).is_some_and(|line| line.starts_with("COMPLETE")), "{}", run.out);
}

#[test]
fn wrong_arguments_are_exit_2_and_print_no_data() {
    let existing = small();
    existing.put("report.json", "old");
    let apart = [existing.at("2024/03/11"), existing.at("2024/03/13")];
    let cases: &[&[&str]] = &[
        &[],
        &["analyze"],
        &["drill", "fixtures/dumps"],
        &["analyze", "fixtures/dumps", "--nonsense"],
        &["analyze", "fixtures/dumps", "--from", "yesterday"],
        &["analyze", "fixtures/dumps", "--from", "2024-03-12", "--to", "2024-03-11"],
        &["analyze", "fixtures/dumps", "--last", "14"],
        &["analyze", "fixtures/dumps", "--last", "1d", "--from", "2024-03-11"],
        &["analyze", "fixtures/dumps", "--by", "colour"],
        &["analyze", "fixtures/dumps", "--by", "tag:"],
        &["analyze", "fixtures/dumps", "--series", "second"],
        &["analyze", "fixtures/dumps", "--list", "prompts"],
        &["analyze", "fixtures/dumps", "--threads", "0"],
        &["analyze", "fixtures/dumps", "--memory", "much"],
        &["analyze", "fixtures/dumps", "--map", "bucket=fixtures"],
        &["analyze", "fixtures/dumps", "-o", "report.xyz"],
        &["analyze", "fixtures/dumps", "-o", "no/such/folder/report.json"],
        &["analyze", "fixtures/dumps", "-o", &existing.at("report.json")],
        &["analyze", "fixtures/dumps", "--rejects", &existing.at("report.json")],
        &["analyze", "s3:/bucket/2024/03/11"],
        &["analyze", "https://bucket.s3.us-west-2.amazonaws.com/2024/03/11"],
        &["analyze", &apart[0], &apart[1]],
        &["synth", "/dev/null/dump", "--from", "2024-03-12", "--to", "2024-03-11"],
    ];
    for arguments in cases {
        let run = run(borehole().args(*arguments));
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.err);
        assert_eq!(run.out, "", "{arguments:?} printed data");
        assert!(!run.err.is_empty(), "{arguments:?} said nothing");
    }
}

#[test]
fn i15_an_incomplete_answer_is_exit_3_and_says_so_first() {
    let text = analyze(["fixtures/faults"]).ends(3);
    assert!(text.out.lines().nth(1).is_some_and(|line| line.starts_with("INCOMPLETE")), "{}", text.out);
    assert_eq!(report(["fixtures/faults"], 3)["complete"], json!(false));
}

#[test]
fn no_answer_is_exit_4_and_prints_no_data() {
    let missing = analyze(["no/such/dump"]).ends(4);
    assert_eq!(missing.out, "");
    assert!(missing.err.contains("no/such/dump") && missing.err.contains("hint: "), "{}", missing.err);

    // The temporary file is needed as soon as nothing may be held in memory.
    let no_place = analyze(["fixtures/dumps", "--memory", "1", "--temp-dir", "no/such/place"]).ends(4);
    assert_eq!(no_place.out, "");
    assert!(no_place.err.contains("no/such/place"), "{}", no_place.err);
}

#[test]
fn i11_an_output_that_cannot_be_written_is_exit_4() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a full device");
    let output = borehole()
        .args(["analyze", "fixtures/dumps", "--now", NOW])
        .stdout(full)
        .output()
        .expect("the command runs");
    assert_eq!(output.status.code(), Some(4), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn c16_nothing_matched_is_exit_5_unless_that_is_allowed() {
    let empty = Dump::new();
    let dump = small();
    let cases: [&[&str]; 3] = [
        &[&empty.root()],
        &[&dump.root(), "--region", "mars-north-1"],
        &[&dump.root(), "--from", "2024-03-20"],
    ];
    for arguments in cases {
        let run = analyze(arguments).ends(5);
        assert!(run.err.contains("nothing matched\nhint: "), "{}", run.err);
        analyze(arguments.iter().copied().chain(["--allow-empty"])).ends(0);
    }
}

#[test]
fn help_and_version_are_exit_0_on_stdout() {
    for arguments in [&["--help"][..], &["analyze", "--help"], &["synth", "--help"], &["--version"]] {
        let run = run(borehole().args(arguments)).ends(0);
        assert!(!run.out.is_empty() && run.err.is_empty());
    }
    let version = run(borehole().arg("--version"));
    assert_eq!(version.out, format!("borehole {}\n", env!("CARGO_PKG_VERSION")));
}

// ---------------------------------------------------------------------------------------------------------------
// Outputs

#[test]
fn output_files_are_what_stdout_would_be_and_stdout_is_then_silent() {
    let place = Dump::new();
    let [data, text] = ["report.json", "report.txt"].map(|name| place.at(name));
    let quiet = analyze(["fixtures/dumps", "-o", &data, "-o", &text]).ends(0);
    assert_eq!(quiet.out, "");
    let read = |path: &str| std::fs::read_to_string(path).expect("a report was written");
    let shown = analyze(["fixtures/dumps", "--format", "json"]).ends(0);
    assert_eq!(without_run(&read(&data)), without_run(&shown.out));
    assert_eq!(read(&text), analyze(["fixtures/dumps"]).ends(0).out);

    let both = analyze(["fixtures/dumps", "-o", &data, "--force", "--format", "text"]).ends(0);
    assert_eq!(both.out, read(&text), "a format asked for is printed beside the file");
}

#[test]
fn i10_an_existing_output_is_replaced_only_by_force_and_a_link_never() {
    let place = Dump::new();
    place.put("report.json", "old").put("other.json", "other");
    std::os::unix::fs::symlink(place.at("other.json"), place.at("link.json")).expect("a link");
    std::fs::create_dir(place.at("folder.json")).expect("a folder");
    let read = |name: &str| std::fs::read_to_string(place.at(name)).expect("the file is there");

    analyze(["fixtures/dumps", "-o", &place.at("report.json")]).ends(2);
    assert_eq!(read("report.json"), "old");
    analyze(["fixtures/dumps", "-o", &place.at("report.json"), "--force"]).ends(0);
    assert!(read("report.json").starts_with("{\n  \"schema\": \"borehole.report/1\""));
    for name in ["link.json", "folder.json"] {
        analyze(["fixtures/dumps", "-o", &place.at(name), "--force"]).ends(2);
    }
    assert_eq!(read("other.json"), "other");
}

#[test]
fn our_own_reports_beside_the_logs_are_not_read_as_logs() {
    let dump = small();
    let before = report([dump.root()], 0);
    analyze([dump.root(), "-o".to_owned(), dump.at("report.json")]).ends(0);
    let after = report([dump.root()], 0);
    assert_eq!(after["health"]["objects"]["skipped"]["own_file"], json!(1));
    assert_eq!(after["totals"], before["totals"]);
}

#[test]
fn i12_a_closed_stdout_is_a_quiet_success() {
    let mut child = borehole()
        .args(["analyze", "fixtures/dumps", "--format", "json", "--quiet", "--now", NOW])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the command ends");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn talk_that_nobody_can_hear_changes_neither_the_report_nor_its_exit_code() {
    for (source, code) in [("fixtures/dumps", 0), ("fixtures/faults", 3), ("no/such/dump", 4)] {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("a full device");
        let arguments = ["analyze", source, "-vv", "--now", NOW];
        let output = borehole().args(arguments).stderr(full).output().expect("the command runs");
        assert_eq!(output.status.code(), Some(code), "{source}: {}", output.status);
        assert_eq!(String::from_utf8_lossy(&output.stdout), run(borehole().args(arguments)).out, "{source}");
    }
}

#[test]
fn a_pipe_gets_no_terminal_codes_whatever_the_environment_says() {
    let arguments = ["analyze", "fixtures/faults", "--now", NOW];
    let plain = run(borehole().args(arguments)).ends(3);
    assert!(!plain.out.contains('\u{1b}') && !plain.err.contains('\u{1b}'));
    for (name, value) in
        [("TERM", "xterm-256color"), ("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1"), ("COLUMNS", "40")]
    {
        assert_eq!(run(borehole().args(arguments).env(name, value)).ends(3).out, plain.out, "{name}={value}");
    }
}

#[test]
fn quiet_leaves_stderr_empty_where_there_is_an_answer() {
    for (source, code) in [("fixtures/dumps", 0), ("fixtures/faults", 3)] {
        assert_eq!(analyze([source, "--quiet"]).ends(code).err, "");
    }
}

#[test]
fn the_list_of_losses_has_one_line_for_each_and_no_other_fields() {
    let place = Dump::new();
    let path = place.at("losses");
    let report = report(["fixtures/faults", "--rejects", &path], 3);
    let health = &report["health"];
    let sum = |reasons: &Value| -> u64 {
        reasons
            .as_object()
            .expect("a map of reasons")
            .values()
            .map(|count| count.as_u64().expect("a count"))
            .sum()
    };
    let expected = [
        ("object_failed", sum(&health["objects"]["failed"])),
        ("document_rejected", sum(&health["documents"]["rejected"])),
        ("record_rejected", sum(&health["records"]["rejected"])),
    ];
    let text = std::fs::read_to_string(path).expect("the list was written");
    let losses: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON a line")).collect();
    for (class, count) in expected {
        assert!(count > 0, "the fixture has lost its {class}");
        assert_eq!(losses.iter().filter(|loss| loss["class"] == class).count() as u64, count, "{class}");
    }
    assert_eq!(losses.len() as u64, expected.iter().map(|(_, count)| count).sum::<u64>());
    let known = ["class", "reason", "source", "key", "offset", "bytes"];
    for loss in &losses {
        assert!(
            loss.as_object().expect("an object").keys().all(|key| known.contains(&key.as_str())),
            "{loss}"
        );
        assert!(
            repository().join("fixtures/faults").join(loss["key"].as_str().expect("a key")).is_file(),
            "{loss}"
        );
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Sources

#[test]
fn a_date_at_the_end_of_a_path_is_that_range_of_time_in_both_layouts() {
    let ranges = [
        ("2024", "2024-01-01", "2025-01-01"),
        ("2024/03", "2024-03-01", "2024-04-01"),
        ("2024/03/11", "2024-03-11", "2024-03-12"),
        ("2024/03/11/07", "2024/03/11/07", "2024/03/11/08"),
        ("2024/03/11/08", "2024/03/11/08", "2024/03/11/09"),
    ];
    for root in ["fixtures/dumps/aws", "fixtures/dumps/split/bedrock-logs-mcp", "fixtures/dumps"] {
        for (tail, from, to) in ranges {
            let tailed = analyze([&format!("{root}/{tail}"), "--format", "json"]).ends(0);
            let ranged = analyze([root, "--from", from, "--to", to, "--format", "json"]).ends(0);
            assert_eq!(whole(&tailed), whole(&ranged), "{root}/{tail}");
        }
    }
}

#[test]
fn one_hour_asked_for_is_that_hour_of_the_whole() {
    for root in ["fixtures/dumps/aws", "fixtures/dumps/split"] {
        let all = report([root, "--by", "hour"], 0);
        for group in all["groups"].as_array().expect("groups") {
            let hour = group["key"]["hour"].as_str().expect("an hour");
            if hour.starts_with("2019") {
                continue; // The outlier's hour lies years from its folder: no range would look there.
            }
            let tail = hour[..13].replace(['-', 'T'], "/");
            let alone = report([format!("{root}/{tail}")], 0);
            // A stray's hour is known only to who reads its folder; those of the fixture lie 15 hours away.
            let stray = attempted(&alone) != group["requests"]["attempted"].as_u64().expect("a count");
            assert!(!stray || root.ends_with("aws"), "{root}/{tail}");
            if !stray {
                assert_eq!(figures(&alone["totals"]), figures(group), "{root}/{tail}");
            }
        }
    }
}

#[test]
fn a_date_below_one_account_and_region_is_that_part_of_the_dump() {
    let base =
        format!("fixtures/dumps/aws/acme-bedrock-logs/AWSLogs/{ACCOUNT}/BedrockModelInvocationLogs/{REGION}");
    let part = report([format!("{base}/2024/03/11")], 0);
    assert_eq!(part["range"], json!({"from": "2024-03-11T00:00:00Z", "to": "2024-03-12T00:00:00Z"}));
    let coverage = part["health"]["coverage"].as_array().expect("a list");
    assert_eq!(coverage.len(), 1);
    assert_eq!((&coverage[0]["account"], &coverage[0]["region"]), (&json!(ACCOUNT), &json!(REGION)));

    let all = report(["fixtures/dumps/aws/2024/03/11"], 0);
    let hours = |report: &Value| {
        let entries = report["health"]["coverage"].as_array().expect("a list").clone();
        entries.into_iter().find(|entry| entry["account"] == ACCOUNT && entry["region"] == REGION)
    };
    assert_eq!(hours(&part), hours(&all));
    let objects = |report: &Value| report["health"]["objects"]["read"].as_u64().expect("a count");
    assert!(objects(&part) < objects(&all));
    // References into the same bucket are still found, though the path points far below it.
    assert_eq!(part["health"]["references"]["refused"], json!({}));
}

#[test]
fn a_single_file_of_a_layout_is_read_as_what_its_key_says() {
    let dump = small();
    let file = report([dump.at(&aws_key("2024/03/11/07", "a.json"))], 0);
    let folder = report([dump.root()], 0);
    assert_eq!(file["totals"], folder["totals"]);
    assert_eq!(file["health"], folder["health"]);
    assert_eq!(file["health"]["coverage"][0]["account"], json!(ACCOUNT));
}

#[test]
fn a_named_file_is_read_whatever_its_name() {
    let dump = Dump::new();
    let text = lines(&small_records());
    for name in ["notes.txt", "upload.tmp", ".hidden", "2024", "archive.parquet"] {
        dump.put(name, &text);
        let report = report([dump.at(name)], 0);
        assert_eq!(attempted(&report), 3, "{name}");
        assert_eq!(report["health"]["coverage"], json!([]), "{name} names no hours, so it claims none");
    }
}

#[test]
fn h10_standard_input_is_one_object_gzip_or_not() {
    let text = lines(&small_records());
    let expected = report([small().root()], 0);
    for bytes in [text.as_bytes().to_vec(), gzip(text.as_bytes())] {
        let arguments = ["analyze", "-", "--format", "json", "--now", NOW];
        let report = run_with(borehole().args(arguments), &bytes).ends(0).json();
        assert_eq!(report["health"]["objects"], json!({"listed": 1, "read": 1, "skipped": {}, "failed": {}}));
        assert_eq!(report["totals"], expected["totals"]);
    }
}

#[test]
fn several_sources_are_one_run() {
    let (one, two) = (small(), Dump::new());
    two.put_aws("2024/03/11/08", "b.json", &[call(4, "2024-03-11T08:00:00Z", 5, 5)]);
    let together = report([one.root(), two.root()], 0);
    assert_eq!(
        attempted(&together),
        attempted(&report([one.root()], 0)) + attempted(&report([two.root()], 0))
    );
    assert_eq!(together["health"]["coverage"].as_array().map(Vec::len), Some(1), "one account and Region");
    let reversed = report([two.root(), one.root()], 0);
    assert_eq!(together["totals"], reversed["totals"]);
    assert_eq!(together["health"], reversed["health"]);
}

#[test]
fn h08_overlapping_roots_are_read_once() {
    let dump = small();
    let once = report([dump.root()], 0);
    let twice = report([dump.root(), dump.at("AWSLogs"), dump.at(&aws_key("2024/03/11/07", "a.json"))], 0);
    assert_eq!(twice["totals"], once["totals"]);
    assert_eq!(twice["health"]["objects"], once["health"]["objects"]);
    assert_eq!(twice["health"]["warnings"]["same_file"], json!(2));

    // Markers and payloads are objects, too: they are listed once.
    let whole = report(["fixtures/dumps"], 0);
    let overlapping = report(["fixtures/dumps", "fixtures/dumps/aws", "fixtures/dumps/split"], 0);
    assert_eq!(overlapping["health"]["objects"], whole["health"]["objects"]);
    assert_eq!(overlapping["health"]["bytes"], whole["health"]["bytes"]);
}

#[test]
fn copies_in_two_dumps_are_duplicates() {
    let (one, two) = (small(), small());
    let both = report([one.root(), two.root()], 0);
    assert_eq!(both["totals"], report([one.root()], 0)["totals"]);
    assert_eq!(both["health"]["records"]["duplicate"], json!(small_records().len()));
}

#[test]
fn last_counts_back_from_now() {
    let dump = small();
    let json = |arguments: &[&str]| {
        run(borehole().args(["analyze", &dump.root(), "--format", "json"]).args(arguments)).ends(0)
    };
    let last = json(&["--last", "60m", "--now", "2024-03-11T08:01:00Z"]);
    let range = json(&[
        "--from",
        "2024-03-11T07:01:00Z",
        "--to",
        "2024-03-11T08:01:00Z",
        "--now",
        "2024-03-11T08:01:00Z",
    ]);
    assert_eq!(whole(&last), whole(&range));
    assert_eq!(last.json()["health"]["records"]["filtered"], json!({"time_range": 1}));
}

// ---------------------------------------------------------------------------------------------------------------
// Questions

#[test]
fn f14_each_filter_keeps_what_matches_and_counts_the_rest_by_its_name() {
    let dump = Dump::new();
    let mut other = call(2, "2024-03-11T07:01:00Z", 20, 2);
    other["modelId"] = json!("us.anthropic.claude-3-5-sonnet-20240620-v1:0");
    other["region"] = json!("us-west-2");
    other["accountId"] = json!("444455556666");
    other["operation"] = json!("InvokeModel");
    other["identity"]["arn"] = json!("arn:aws:iam::444455556666:user/reader");
    dump.put("two.ndjson", lines(&[call(1, "2024-03-11T07:00:00Z", 10, 1), other]));
    let base = "anthropic.claude-3-5-sonnet-20240620-v1:0";
    let cases = [
        ("--model", base, "model"),
        ("--model", "us.anthropic.claude-3-5-sonnet-20240620-v1:0", "model"),
        ("--region", "us-west-2", "region"),
        ("--account", "444455556666", "account"),
        ("--operation", "InvokeModel", "operation"),
        ("--identity", "arn:aws:iam::444455556666:user/reader", "identity"),
        ("--identity", "reader", "identity"),
    ];
    for (flag, value, reason) in cases {
        let report = report([&dump.root(), flag, value], 0);
        assert_eq!(report["totals"]["tokens"]["input"], json!(20), "{flag} {value}");
        assert_eq!(report["health"]["records"]["filtered"], json!({reason: 1}), "{flag} {value}");
    }
    let both = report([&dump.root(), "--model", &format!("{base},{MODEL}")], 0);
    assert_eq!(attempted(&both), 2);
}

#[test]
fn groups_of_every_dimension_add_up_to_the_totals() {
    let dimensions = [
        "account",
        "region",
        "model",
        "scope",
        "identity",
        "role",
        "session",
        "operation",
        "error",
        "inference-region",
        "tag:team",
        "hour",
        "day",
        "minute",
    ];
    for by in dimensions {
        let report = report(["fixtures/dumps", "--by", by], 0);
        let groups = report["groups"].as_array().expect("groups");
        let sum: u64 =
            groups.iter().map(|group| group["requests"]["attempted"].as_u64().expect("a count")).sum();
        assert_eq!(sum, attempted(&report), "{by}");
        let keys: BTreeSet<String> = groups.iter().map(|group| group["key"].to_string()).collect();
        assert_eq!(keys.len(), groups.len(), "{by}: a key twice");
        assert!(groups.iter().all(|group| group["key"].as_object().is_some_and(|key| key.contains_key(by))));
    }
    // Several kinds in one record: at least the totals.
    let kinds = report(["fixtures/dumps", "--by", "content-kind"], 0);
    let groups = kinds["groups"].as_array().expect("groups");
    let sum: u64 = groups.iter().map(|group| group["requests"]["attempted"].as_u64().expect("a count")).sum();
    assert!(sum > attempted(&kinds));
}

#[test]
fn top_gives_the_largest_groups_and_says_how_many_it_left_out() {
    let all = report(["fixtures/dumps", "--by", "model"], 0);
    let groups = all["groups"].as_array().expect("groups");
    let top = report(["fixtures/dumps", "--by", "model", "--top", "2"], 0);
    assert_eq!(top["groups"].as_array().expect("groups")[..], groups[..2]);
    assert_eq!(top["groups_omitted"], json!(groups.len() - 2));
    assert_eq!(top["totals"], all["totals"]);
}

#[test]
fn series_of_every_grain_add_up_to_the_totals() {
    for grain in ["minute", "hour", "day"] {
        let report = report(["fixtures/dumps/split", "--series", grain], 0);
        for (series, unit, total) in [
            ("requests_per_minute", "requests", attempted(&report)),
            (
                "tokens_per_minute",
                "tokens",
                report["totals"]["tokens"]["input"].as_u64().expect("a count")
                    + report["totals"]["tokens"]["output"].as_u64().expect("a count"),
            ),
        ] {
            let points = report["totals"][series]["data_points"].as_array().expect("points");
            let sum: u64 = points.iter().map(|point| point[unit].as_u64().expect("a count")).sum();
            assert_eq!(sum, total, "{series} by {grain}");
            let times: Vec<&str> =
                points.iter().map(|point| point[grain].as_str().expect("a time")).collect();
            assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{series} by {grain} is not in order");
        }
    }
    assert_eq!(report(["fixtures/dumps/split"], 0)["totals"]["tokens_per_minute"].get("data_points"), None);
}

#[test]
fn lists_hold_the_requests_that_the_figures_count() {
    let listed = |kind: &str| {
        let report = report(["fixtures/dumps", "--list", kind, "--list-max", "1000"], 0);
        (report["requests"].as_array().expect("a list").clone(), report["totals"].clone())
    };
    let (errors, totals) = listed("errors");
    let requests = &totals["requests"];
    let failed =
        requests["attempted"].as_u64().expect("a count") - requests["successful"].as_u64().expect("a count");
    assert_eq!(errors.len() as u64, failed);
    assert!(errors.iter().all(|row| row["error_code"].is_string()));

    let (high, totals) = listed("high-token");
    assert_eq!(json!(high.len()), totals["high_token"]["by_prompt"]["requests"]);
    assert!(high.iter().all(|row| row["prompt_tokens"].as_u64().is_some_and(|prompt| prompt > 25_000)));

    let (large, totals) = listed("large");
    assert_eq!(json!(large.len()), totals["payloads"]["large"]["requests"]);

    let cut = report(["fixtures/dumps", "--list", "high-token", "--list-max", "2"], 0);
    assert_eq!(cut["requests"].as_array().expect("a list")[..], high[..2]);
}

#[test]
fn strict_asks_for_payloads_that_cost_only_facts() {
    let dump = Dump::new();
    let mut record = call(1, "2024-03-11T07:00:00Z", 10, 1);
    let key = aws_key("2024/03/11/07", &format!("data/{}_output.json.gz", request_id(1)));
    record["output"]["outputBodyS3Path"] = json!(format!("s3://logs/{key}"));
    record["output"].as_object_mut().expect("an object").remove("outputBodyJson");
    dump.put_aws("2024/03/11/07", "a.json", &[record.clone()]);
    let map = format!("s3://logs={}", dump.root());
    let arguments = [&dump.root(), "--map", &map];
    let lenient = report(arguments, 0);
    assert_eq!(lenient["health"]["references"]["missing"], json!(1));
    assert_eq!(report(arguments.iter().copied().chain(["--strict"]), 3)["complete"], json!(false));

    // Where the payload alone knows a count, its absence is a loss without being asked.
    record["output"].as_object_mut().expect("an object").remove("outputTokenCount");
    dump.put_aws("2024/03/11/07", "a.json", &[record]);
    assert_eq!(report(arguments, 3)["health"]["counts_lost"], json!(1));

    // With the payload in its place there is nothing to ask for.
    dump.put(&key, gzip(br#"{"usage":{"inputTokens":10,"outputTokens":7},"metrics":{"latencyMs":321}}"#));
    let whole = report(arguments.iter().copied().chain(["--strict"]), 0);
    assert_eq!(whole["totals"]["tokens"]["output"], json!(7));
    assert_eq!(whole["totals"]["distributions"]["latency_ms"]["max"], json!(321));
}

#[test]
fn g12_a_payload_of_another_request_gives_its_length_only() {
    let dump = Dump::new();
    let mut record = call(1, "2024-03-11T07:00:00Z", 10, 1);
    let key = aws_key("2024/03/11/07", &format!("data/{}_output.json.gz", request_id(2)));
    let body = br#"{"usage":{"inputTokens":10,"outputTokens":7},"metrics":{"latencyMs":321}}"#;
    let output = record["output"].as_object_mut().expect("an object");
    output.remove("outputBodyJson");
    output.remove("outputTokenCount");
    output.insert("outputBodyS3Path".to_owned(), json!(format!("s3://logs/{key}")));
    dump.put_aws("2024/03/11/07", "a.json", &[record]).put(&key, gzip(body));
    let report = report([&dump.root(), "--map", &format!("s3://logs={}", dump.root())], 0);
    assert_eq!(report["health"]["warnings"]["ref_mismatch"], json!(1));
    assert_eq!(report["totals"]["tokens"]["output_known"], json!(0));
    assert_eq!(report["totals"]["distributions"]["output_bytes"]["max"], json!(body.len()));
}

#[test]
fn d05_salvage_counts_the_intact_part_and_stays_incomplete() {
    let dump = Dump::new();
    let [first, second, third] = small_records();
    let mut cut = [gzip(lines(&[first, second]).as_bytes()), gzip(lines(&[third]).as_bytes())].concat();
    cut.truncate(cut.len() - 4);
    dump.put(&aws_key("2024/03/11/07", "cut.json.gz"), cut);
    dump.put_aws("2024/03/11/08", "whole.json", &[call(9, "2024-03-11T08:00:00Z", 1, 1)]);

    let strict = report([dump.root()], 3);
    assert_eq!(attempted(&strict), 1, "an object counts whole or not at all");
    assert_eq!(strict["health"]["objects"]["failed"], json!({"gz_truncated": 1}));
    let salvaged = report([&dump.root(), "--salvage"], 3);
    assert_eq!(attempted(&salvaged), 3, "the whole member counts, the cut one does not");
    assert_eq!(salvaged["health"]["objects"], strict["health"]["objects"]);
    assert_eq!(salvaged["health"]["salvaged"], json!(1));
}

#[test]
fn readings_that_are_off_by_default_can_be_asked_for() {
    let dump = Dump::new();
    let mut epoch = call(1, "", 10, 1);
    epoch["timestamp"] = json!(1_710_140_400_000_u64);
    let mut digits = call(2, "2024-03-11T07:00:01Z", 10, 1);
    digits["input"]["inputTokenCount"] = json!("10");
    dump.put(&aws_key("2024/03/11/07", "a.json.gz"), gzip(&gzip(lines(&[epoch, digits]).as_bytes())));
    analyze([dump.root()]).ends(3);
    let report = report([&dump.root(), "--accept-epoch", "--lenient-numbers", "--allow-double-gzip"], 0);
    assert_eq!(report["totals"]["tokens"]["input"], json!(20));
    assert_eq!(report["range"]["from"], json!("2024-03-11T07:00:00Z"));
}

// ---------------------------------------------------------------------------------------------------------------
// Nothing but the data matters

#[test]
fn threads_order_and_memory_change_no_byte() {
    let question = ["--by", "identity,hour", "--series", "minute", "--list", "high-token"];
    for (source, code) in [("fixtures/dumps", 0), ("fixtures/faults", 3)] {
        for format in ["json", "text"] {
            let say = |more: &[&str]| {
                let all = [source, "--format", format]
                    .iter()
                    .chain(&question)
                    .chain(more)
                    .copied()
                    .collect::<Vec<_>>();
                let out = analyze(all).ends(code).out;
                if format == "json" { without_run(&out) } else { out }
            };
            let expected = say(&["--threads", "1"]);
            for threads in ["1", "2", "8"] {
                for seed in ["1", "7", "1000003"] {
                    assert_eq!(
                        say(&["--threads", threads, "--shuffle", seed]),
                        expected,
                        "{threads} threads, order {seed}"
                    );
                }
                assert_eq!(
                    say(&["--threads", threads, "--memory", "1"]),
                    expected,
                    "{threads} threads, no memory"
                );
            }
        }
    }
}

#[test]
fn the_list_of_losses_does_not_depend_on_threads_or_order() {
    let place = Dump::new();
    let losses = |threads: &str, seed: &str| {
        let path = place.at("losses");
        let arguments =
            ["fixtures/faults", "--force", "--rejects", &path, "--threads", threads, "--shuffle", seed];
        let run = analyze(arguments).ends(3);
        (std::fs::read_to_string(&path).expect("the list was written"), run.err)
    };
    let expected = losses("1", "1");
    for (threads, seed) in [("2", "5"), ("8", "77")] {
        assert_eq!(losses(threads, seed), expected);
    }
}

#[test]
fn i16_locale_time_zone_and_environment_change_no_byte() {
    let arguments = ["analyze", "fixtures/dumps", "--now", NOW, "--by", "hour"];
    let plain = run(borehole().args(arguments)).ends(0);
    let environments = [
        ("LC_ALL", "de_DE.UTF-8"),
        ("LANG", "tr_TR.UTF-8"),
        ("TZ", "Asia/Kathmandu"),
        ("TZ", "America/St_Johns"),
        ("RUST_LOG", "trace"),
        ("AWS_REGION", "eu-west-1"),
        ("BOREHOLE_BY", "model"),
    ];
    for (name, value) in environments {
        let changed = run(borehole().args(arguments).env(name, value)).ends(0);
        assert_eq!((&changed.out, &changed.err), (&plain.out, &plain.err), "{name}={value}");
    }
}

#[test]
fn the_directory_one_stands_in_changes_no_figure() {
    let there = run(borehole()
        .args(["analyze", ".", "--format", "json", "--now", NOW])
        .current_dir(repository().join("fixtures/dumps")));
    let here = analyze(["fixtures/dumps", "--format", "json"]);
    assert_eq!(whole(&there), whole(&here));
}

// ---------------------------------------------------------------------------------------------------------------
// Untrusted names

/// What a terminal would obey or hide.
fn is_harmless(text: &str) -> bool {
    text.chars().all(|c| {
        c == '\n'
            || !c.is_control()
                && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

const HOSTILE: &str = "evil\u{1b}]0;title\u{7}\u{9b}31m\u{202e}\rname";

#[test]
fn i05_control_characters_in_names_of_objects_are_escaped_everywhere() {
    let dump = Dump::new();
    dump.put(&format!("{HOSTILE}/{HOSTILE}.json"), format!("{}not json\n", lines(&small_records())));
    dump.put(&aws_key("2024/03/11/07", &format!("{HOSTILE}.json.gz")), b"\x1f\x8b\x08");
    for more in [&[][..], &["-vv"], &["--format", "json"]] {
        let run =
            analyze([&dump.root()].map(String::as_str).iter().copied().chain(more.iter().copied())).ends(3);
        assert!(run.err.contains("\\x1b"), "the name is told, escaped: {}", run.err);
        assert!(is_harmless(&run.err), "{:?}", run.err);
        assert!(is_harmless(&run.out), "{:?}", run.out);
    }
    let losses = dump.at("losses.txt");
    analyze([&dump.root(), "--rejects", &losses]).ends(3);
    let text = std::fs::read_to_string(losses).expect("the list was written");
    assert!(text.contains("\\\\x1b") && is_harmless(&text), "{text:?}");
}

#[test]
fn i05_control_characters_in_arguments_are_escaped_on_both_streams() {
    let dump = small();
    let source = dump.at(HOSTILE);
    std::fs::rename(dump.at("AWSLogs"), &source).expect("a directory can be renamed");
    for format in ["text", "json"] {
        let found = analyze([&source, "--format", format]).ends(0);
        assert!(is_harmless(&found.out) && is_harmless(&found.err), "{:?} {:?}", found.out, found.err);
    }
    let missing = format!("{source}.missing");
    let cases: [&[&str]; 6] = [
        &[&missing],
        &["fixtures/dumps", "-o", HOSTILE],
        &["fixtures/dumps", "--map", HOSTILE],
        &["fixtures/dumps", "--from", HOSTILE],
        &["fixtures/dumps", "--by", HOSTILE],
        &["fixtures/dumps", "--nonsense", HOSTILE],
    ];
    for arguments in cases {
        let run = analyze(arguments);
        assert!(matches!(run.code, Some(2 | 4)), "{arguments:?}");
        assert!(!run.err.is_empty() && is_harmless(&run.err), "{arguments:?}: {:?}", run.err);
    }
    let flag = run(borehole().args(["analyze", "fixtures/dumps", &format!("--{HOSTILE}")])).ends(2);
    assert!(is_harmless(&flag.err), "{:?}", flag.err);
}

#[test]
fn i05_control_characters_in_records_are_escaped_in_every_report() {
    let dump = Dump::new();
    let mut record = call(1, "2024-03-11T07:00:00Z", 30_000, 1);
    for field in ["modelId", "region", "accountId", "operation", "errorCode", "inferenceRegion", "requestId"]
    {
        record[field] = json!(HOSTILE);
    }
    record["identity"]["arn"] = json!(format!("arn:aws:sts::1:assumed-role/{HOSTILE}/{HOSTILE}"));
    record["requestMetadata"] = json!({"team": HOSTILE});
    dump.put("hostile.ndjson", lines(&[record]));
    let by = "account,region,model,scope,identity,role,session,operation,error,inference-region,tag:team";
    for format in ["text", "json"] {
        let run = analyze([&dump.root(), "--by", by, "--list", "errors", "--format", format]).ends(0);
        assert!(run.out.contains("evil"), "{}", run.out);
        assert!(is_harmless(&run.out) && is_harmless(&run.err), "{:?} {:?}", run.out, run.err);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// The oracle and the goldens

/// Every difference that the oracle finds between its own reading and a report.
fn oracle_differences(arguments: &[&str], report: &Path) -> String {
    let output = Command::new("python3")
        .arg("fixtures/oracle.py")
        .args(arguments)
        .args(["--now", NOW, "--compare"])
        .arg(report)
        .current_dir(repository())
        .output()
        .expect("python3 runs");
    let differences = String::from_utf8_lossy(&output.stdout).into_owned();
    // A crash of the oracle is no agreement.
    assert!(
        output.status.success() || !differences.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    differences
}

#[test]
fn the_oracle_agrees_on_every_fixture() {
    if !support::has_python() {
        return;
    }
    let place = Dump::new();
    let sources = [
        ("fixtures/dumps/aws", 0),
        ("fixtures/dumps/split", 0),
        ("fixtures/dumps/cloudwatch", 0),
        ("fixtures/dumps", 0),
        ("fixtures/faults", 3),
    ];
    let groupings = [
        "account,region,model,scope",
        "identity,operation,error",
        "inference-region,content-kind",
        "tag:team,minute",
    ];
    for (source, code) in sources {
        for resolve in ["facts", "counts", "never"] {
            for by in groupings {
                let arguments = [source, "--resolve", resolve, "--by", by, "--series", "hour"];
                let json = analyze(arguments.iter().copied().chain(["--format", "json"])).ends(code).out;
                place.put("report.json", json);
                let differences = oracle_differences(&arguments, &place.path().join("report.json"));
                assert_eq!(differences, "", "{arguments:?}");
            }
        }
    }
}

#[test]
fn the_oracle_agrees_on_ranges() {
    if !support::has_python() {
        return;
    }
    let place = Dump::new();
    // Only ranges that cover all folders: the oracle lists everything, the program no folder that cannot matter.
    for (from, to) in
        [("2024-03-11T07:20:30Z", "2024-03-11T23:59:30Z"), ("2024-03-11T08:00:00Z", "2024-03-12T00:00:00Z")]
    {
        let arguments = ["fixtures/dumps", "--from", from, "--to", to];
        place.put("report.json", analyze(arguments.iter().copied().chain(["--format", "json"])).ends(0).out);
        assert_eq!(oracle_differences(&arguments, &place.path().join("report.json")), "", "{from} to {to}");
    }
}

#[test]
fn reports_of_the_fixtures_are_their_goldens_and_the_oracle_agrees_with_these() {
    let folder = repository().join("fixtures/golden");
    let with_oracle = support::has_python();
    for (name, arguments) in GOLDENS {
        let json = without_run(&analyze(arguments.iter().copied().chain(["--format", "json"])).out);
        expect_golden(&folder.join(format!("{name}.json")), &json);
        expect_golden(&folder.join(format!("{name}.txt")), &analyze(arguments).out);
        if with_oracle {
            assert_eq!(oracle_differences(arguments, &folder.join(format!("{name}.json"))), "", "{name}");
        }
    }
}

fn expect_golden(path: &Path, actual: &str) {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, actual).expect("a golden can be written");
        return;
    }
    let expected = std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("{}: {error}; UPDATE_EXPECT=1 writes it", path.display()));
    assert!(
        expected == actual,
        "{} differs; UPDATE_EXPECT=1 rewrites it. Now it is:\n{actual}",
        path.display()
    );
}
