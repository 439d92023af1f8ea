//! `ls`, `find` and the configuration, through the real command over local dumps.
//!
//! In: the fixtures, and dumps made here. Out: nothing. Always: no network; the user's own configuration is out of
//! reach. Absent: S3, but for one look at a real server where it can be started.

mod support;

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::{Dump, Run, aws_key, borehole, call, gzip, lines, request_id, run};

/// The command without any configuration of the user.
fn command() -> Command {
    let mut command = borehole();
    for name in ["BOREHOLE_CONFIG", "XDG_CONFIG_HOME", "HOME", "AWS_PROFILE"] {
        command.env_remove(name);
    }
    command
}

fn ls<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Run {
    run(command().arg("ls").args(arguments))
}

fn find<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Run {
    run(command().arg("find").args(arguments))
}

/// The rows of the one stream that has all of these: (kind, objects, bytes).
fn rows(report: &Value, wanted: &[(&str, &str)]) -> Vec<(String, u64, u64)> {
    let streams = report["streams"].as_array().expect("streams");
    let mut found = streams.iter().filter(|stream| wanted.iter().all(|(key, value)| stream[key] == *value));
    let stream = found.next().unwrap_or_else(|| panic!("no stream with {wanted:?}"));
    assert!(found.next().is_none(), "several streams with {wanted:?}");
    let row = |row: &Value| {
        let number = |name: &str| row[name].as_u64().expect("a number");
        (row["kind"].as_str().expect("a kind").to_owned(), number("objects"), number("bytes"))
    };
    stream["rows"].as_array().expect("rows").iter().map(row).collect()
}

/// Number and bytes of the files below a directory of the repository.
fn on_disk(directory: &str) -> (u64, u64) {
    let files = support::files_below(&support::repository().join(directory));
    let bytes = files.iter().map(|path| std::fs::metadata(path).expect("a file").len()).sum();
    (files.len() as u64, bytes)
}

#[test]
fn ls_counts_every_object_of_every_layout_once() {
    let report = ls(["fixtures/dumps", "--format", "json"]).ends(0).json();
    assert_eq!(report["schema"], "borehole.ls/1");
    let (files, bytes) = on_disk("fixtures/dumps");
    assert_eq!(
        (report["totals"]["objects"].as_u64(), report["totals"]["bytes"].as_u64()),
        (Some(files), Some(bytes))
    );
    let first = rows(&report, &[("account", "111122223333"), ("region", "us-east-1")]);
    assert_eq!(
        first.iter().map(|(kind, n, _)| (&**kind, *n)).collect::<Vec<_>>(),
        [("records", 8), ("payloads", 3)]
    );
    let split = rows(&report, &[("prefix", "split/bedrock-logs-mcp/")]);
    let kinds: Vec<_> = split.iter().map(|(kind, n, _)| (&**kind, *n)).collect();
    assert_eq!(kinds, [("invocations", 11), ("metadata", 4), ("requests", 5), ("responses", 6)]);
}

#[test]
fn ls_by_hour_day_and_stream_have_the_same_sums() {
    for by in ["hour", "day", "stream"] {
        let report = ls(["fixtures/dumps/split", "--by", by, "--format", "json"]).ends(0).json();
        let streams = report["streams"].as_array().expect("streams");
        let objects: u64 = streams
            .iter()
            .flat_map(|stream| stream["rows"].as_array().expect("rows"))
            .map(|row| row["objects"].as_u64().expect("a number"))
            .sum();
        assert_eq!(objects, on_disk("fixtures/dumps/split").0, "{by}");
    }
}

#[test]
fn ls_shows_the_gaps_that_analyze_shows() {
    let listed = ls(["fixtures/dumps/aws", "--format", "json"]).ends(0).json();
    let report = support::report(["fixtures/dumps/aws"], 0);
    let east = |coverage: &&Value| coverage["account"] == "111122223333";
    let known = report["health"]["coverage"].as_array().expect("coverage").iter().find(east).expect("east");
    let stream = listed["streams"].as_array().expect("streams").iter().find(east).expect("east");
    for key in ["hours", "hours_with_objects", "gaps"] {
        assert_eq!(stream["coverage"][key], known[key], "{key}");
    }
}

#[test]
fn ls_lists_the_hours_of_the_range_and_no_others() {
    let from_to = ["--from", "2024-03-11T08:00Z", "--to", "2024-03-11T11:00Z", "--format", "json"];
    let report = ls(["fixtures/dumps/aws"].iter().chain(&from_to)).ends(0).json();
    let records = rows(&report, &[("account", "111122223333")]);
    assert_eq!(records[0].1, 3, "hours 08 and 10, not 07 and 11");
    let tail = ls(["fixtures/dumps/split/bedrock-logs-mcp/2024/03/11/08", "--format", "json"]).ends(0).json();
    assert_eq!(tail["range"]["from"], "2024-03-11T08:00:00Z");
    assert_eq!(rows(&tail, &[("layout", "split")])[0].1, 6);
}

#[test]
fn ls_of_nothing_is_exit_5_with_a_hint() {
    let dump = Dump::new();
    let run = ls([dump.root()]).ends(5);
    assert!(run.out.is_empty() && run.err.contains("hint: "), "{}", run.err);
}

#[test]
fn c07_ls_escapes_prefixes_that_a_terminal_would_obey() {
    let dump = Dump::new();
    let key = aws_key("2024/03/11/07", "a.json");
    dump.put(&format!("a\u{1b}[2J\u{202e}/{key}"), lines(&[call(1, "2024-03-11T07:00:00Z", 1, 1)]));
    for format in ["text", "json"] {
        let run = ls([&*dump.root(), "--format", format]).ends(0);
        assert!(!run.out.contains(['\u{1b}', '\u{202e}']), "{:?}", run.out);
        assert!(run.out.contains("x1b[2J"), "{}", run.out);
    }
}

#[test]
fn h01_ls_says_when_a_folder_cannot_be_listed() {
    use std::os::unix::fs::PermissionsExt;
    let dump = Dump::new();
    dump.put_aws("2024/03/11/07", "a.json", &[call(1, "2024-03-11T07:00:00Z", 1, 1)]);
    dump.put("locked/x.json", "{}");
    let locked = dump.path().join("locked");
    let mode =
        |mode| std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(mode)).expect("a mode");
    mode(0o000);
    // Whoever runs this as root may look everywhere.
    let is_root = std::fs::read_dir(&locked).is_ok();
    let run = ls([dump.root()]);
    mode(0o700);
    if !is_root {
        let run = run.ends(3);
        assert!(run.err.contains("permission") && run.err.contains("incomplete"), "{}", run.err);
    }
}

#[test]
fn find_shows_a_record_with_its_place_and_both_payloads() {
    let id = "0000001d-5c1e-4d2a-9b7f-000000038113";
    let report = find([id, "fixtures/dumps", "--format", "json"]).ends(0).json();
    assert_eq!(report["schema"], "borehole.find/1");
    let documents = report["documents"].as_array().expect("documents");
    assert_eq!(documents.len(), 1);
    let record = &documents[0];
    assert!(record["key"].as_str().expect("a key").ends_with("_5555555555555555.json.gz"), "{record}");
    assert_eq!(record["facts"]["input_tokens"], 30_500);
    assert_eq!(record["facts"]["timestamp"], "2024-03-11T10:10:00Z");
    for side in ["input", "output"] {
        assert_eq!(record[side]["outcome"], "found", "{record}");
    }
    assert_eq!(report["objects"], json!([]), "what the record refers to is not told twice");
}

#[test]
fn find_shows_what_only_the_key_ties_to_the_request() {
    let report = find(["0000002e-5c1e-4d2a-9b7f-000000058ef2", "fixtures/dumps/aws", "--format", "json"])
        .ends(0)
        .json();
    let objects = report["objects"].as_array().expect("objects");
    assert_eq!(objects.len(), 1);
    assert_eq!(objects[0]["kind"], "payload");
    assert!(objects[0]["key"].as_str().expect("a key").ends_with("_input_media_00.pdf"));
}

#[test]
fn find_puts_the_split_documents_of_a_request_together_whatever_the_case_of_the_id() {
    let logs = "fixtures/dumps/split/bedrock-logs-mcp";
    let payloads = "fixtures/dumps/split/bedrock-large-data-mcp";
    let id = "0000006A-5C1E-4D2A-9B7F-0000000CCEF6";
    let run = find([id, logs, "--large-data", payloads, "--date", "2024-03-11"]).ends(0);
    assert!(run.out.contains("2 documents, 0 other objects"), "{}", run.out);
    assert!(run.out.contains("payload.json: found, 654 bytes"), "{}", run.out);
    let alone = find([id, logs]).ends(0);
    assert!(alone.out.contains("no source stands for that bucket"), "{}", alone.out);
}

#[test]
fn find_shows_the_conventional_payload_of_the_next_day() {
    let run = find(["00000070-5c1e-4d2a-9b7f-0000000d8890", "fixtures/dumps/split", "--date", "2024-03-11"])
        .ends(0);
    assert!(
        run.out.contains("payload fixtures/dumps/split/bedrock-large-data-mcp/2024/03/12/"),
        "{}",
        run.out
    );
}

#[test]
fn f16_find_says_which_of_two_copies_a_report_counts() {
    let dump = Dump::new();
    let mut poorer = call(1, "2024-03-11T07:10:00Z", 10, 5);
    poorer["output"].as_object_mut().expect("an object").remove("outputTokenCount");
    dump.put_aws("2024/03/11/07", "a.json", &[poorer]);
    dump.put_aws("2024/03/11/08", "b.json", &[call(1, "2024-03-11T07:10:00Z", 10, 5)]);
    let report = find([&*request_id(1), &dump.root(), "--format", "json"]).ends(0).json();
    let counted: Vec<&Value> = report["documents"]
        .as_array()
        .expect("documents")
        .iter()
        .map(|document| &document["counted"])
        .collect();
    assert_eq!(counted, [&json!(false), &json!(true)]);
}

#[test]
fn find_reads_gzip_and_offsets_count_decoded_bytes() {
    let dump = Dump::new();
    let records = [call(1, "2024-03-11T07:00:00Z", 1, 1), call(2, "2024-03-11T07:00:01Z", 2, 2)];
    let text = lines(&records);
    dump.put(&aws_key("2024/03/11/07", "a.json.gz"), gzip(text.as_bytes()));
    let run = find([&*request_id(2), &dump.root(), "--show-body", "--format", "json"]).ends(0);
    assert!(run.err.contains("warning: what follows holds the text of prompts"), "{}", run.err);
    let document = &run.json()["documents"][0];
    let offset = text.find('\n').expect("two lines") + 1;
    assert_eq!(document["offset"], offset);
    let stored: Value =
        serde_json::from_str(document["stored_text"].as_str().expect("a text")).expect("it is the record");
    assert_eq!(stored, records[1]);
}

#[test]
fn k04_find_shows_no_body_unless_asked() {
    let dump = Dump::new();
    let mut record = call(1, "2024-03-11T07:00:00Z", 1, 1);
    record["requestMetadata"] = json!({"team": "CANARY-tag"});
    record["input"]["inputBodyJson"] = json!({"messages": [{"content": [{"text": "CANARY-prompt"}]}]});
    record["output"]["outputBodyJson"]["output"]["message"]["content"] = json!([{"text": "CANARY-answer"}]);
    dump.put_aws("2024/03/11/07", "a.json", &[record]);
    let id = request_id(1);
    for format in ["text", "json"] {
        let run = find([&*id, &dump.root(), "--format", format]).ends(0);
        assert!(!run.out.contains("CANARY") && !run.err.contains("CANARY"), "{}{}", run.out, run.err);
        let shown = find([&*id, &dump.root(), "--format", format, "--show-body"]).ends(0);
        assert!(shown.out.contains("CANARY-prompt") && shown.out.contains("CANARY-answer"), "{}", shown.out);
        assert!(!shown.err.contains("CANARY"), "{}", shown.err);
    }
}

#[test]
fn g10_find_shows_of_a_binary_payload_its_size_and_kind_only() {
    let dump = Dump::new();
    let id = request_id(1);
    dump.put_aws("2024/03/11/07", "a.json", &[call(1, "2024-03-11T07:00:00Z", 1, 1)]);
    dump.put(
        &aws_key("2024/03/11/07", &format!("data/{id}_input_media_00.pdf")),
        b"%PDF-1.7 \x00\x01 CANARY",
    );
    let run = find([&*id, &dump.root(), "--show-body"]).ends(0);
    assert!(run.out.contains("(no text: PDF, 18 B)"), "{}", run.out);
    assert!(!run.out.contains("CANARY"), "{}", run.out);
}

#[test]
fn i05_find_escapes_what_records_say() {
    let dump = Dump::new();
    let mut record = call(1, "2024-03-11T07:00:00Z", 1, 1);
    record["modelId"] = "m\u{1b}[2J\u{9b}\u{202e}x".into();
    record["output"]["outputBodyJson"] = json!("a\u{9b}2J\u{202e}b");
    dump.put_aws("2024/03/11/07", "a.json", &[record]);
    for format in ["text", "json"] {
        let run = find([&*request_id(1), &dump.root(), "--format", format, "--show-body"]).ends(0);
        assert!(!run.out.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{:?}", run.out);
    }
}

#[test]
fn g01_find_refuses_a_reference_as_a_run_does() {
    let dump = Dump::new();
    let mut record = call(1, "2024-03-11T07:00:00Z", 1, 1);
    let input = record["input"].as_object_mut().expect("an object");
    input.remove("inputBodyJson");
    input.insert("inputBodyS3Path".to_owned(), "s3://elsewhere/x.json".into());
    let output = record["output"].as_object_mut().expect("an object");
    output.remove("outputBodyJson");
    output.insert("outputBodyS3Path".to_owned(), "https://169.254.169.254/latest".into());
    dump.put_aws("2024/03/11/07", "a.json", &[record]);
    let report = find([&*request_id(1), &dump.root(), "--format", "json"]).ends(0).json();
    let document = &report["documents"][0];
    assert_eq!(document["input"]["reason"], "bucket");
    assert_eq!(document["output"]["reason"], "scheme");
}

#[test]
fn find_of_nothing_says_what_was_searched() {
    let run = find(["no-such-id", "fixtures/dumps/aws"]).ends(5);
    assert!(run.out.is_empty());
    assert!(
        run.err.contains("no-such-id was not found in 13 objects (10 of them read), all times"),
        "{}",
        run.err
    );
}

#[test]
fn d04_find_in_a_damaged_dump_is_incomplete() {
    let dump = Dump::new();
    let mut cut = gzip(lines(&[call(1, "2024-03-11T07:00:00Z", 1, 1)]).as_bytes());
    cut.truncate(cut.len() - 4);
    dump.put(&aws_key("2024/03/11/07", "a.json.gz"), cut);
    let run = find([&*request_id(9), &dump.root()]).ends(3);
    assert!(run.err.contains("object_failed gz_truncated"), "{}", run.err);
}

#[test]
fn find_wants_the_id_first() {
    let run = find(["fixtures/dumps/aws", "0000001d-5c1e-4d2a-9b7f-000000038113"]).ends(2);
    assert!(
        run.err.contains("not a request id") && run.err.contains("hint: the id comes first"),
        "{}",
        run.err
    );
}

/// A directory with a `borehole.toml`, and a dump beside it.
fn configured(toml: &str) -> Dump {
    let dump = Dump::new();
    dump.put_aws("2024/03/11/07", "a.json", &[call(1, "2024-03-11T07:00:00Z", 1, 1)]);
    std::fs::create_dir(dump.path().join("logs")).expect("a folder");
    std::fs::rename(dump.path().join("AWSLogs"), dump.path().join("logs/AWSLogs")).expect("it can be moved");
    dump.put("borehole.toml", toml);
    dump
}

fn in_directory(directory: &Path, arguments: &[&str]) -> Run {
    run(command().current_dir(directory).args(arguments))
}

const MINE: &str = "[sources.mine]\nurl = \"logs\"\n[groups]\nall = [\"mine\"]\n";

#[test]
fn a_name_stands_for_its_directory_with_a_date_and_in_a_group() {
    let dump = configured(MINE);
    for name in ["mine", "mine/2024/03/11", "all"] {
        let run = in_directory(dump.path(), &["ls", name, "--format", "json"]).ends(0);
        assert_eq!(run.json()["totals"]["objects"], 1, "{name}");
    }
    in_directory(dump.path(), &["ls", "mine/2024/03/12"]).ends(5);
}

#[test]
fn the_configuration_is_found_by_option_variable_and_home() {
    let dump = configured(MINE);
    let away = Dump::new();
    let config = dump.at("borehole.toml");
    in_directory(away.path(), &["ls", "mine", "--config", &config]).ends(0);
    run(command().current_dir(away.path()).env("BOREHOLE_CONFIG", &config).args(["ls", "mine"])).ends(0);
    let text = MINE.replace("\"logs\"", &format!("{:?}", dump.at("logs")));
    away.put("config/borehole/borehole.toml", text);
    run(command().current_dir(away.path()).env("XDG_CONFIG_HOME", away.at("config")).args(["ls", "mine"]))
        .ends(0);
    in_directory(away.path(), &["ls", "mine"]).ends(4);
}

#[test]
fn g16_a_configuration_inside_of_what_is_analysed_is_not_read() {
    let dump = configured(MINE);
    let run = in_directory(dump.path(), &["ls", ".", "mine"]).ends(4);
    assert!(run.err.contains("warning: borehole.toml lies in what is being analysed"), "{}", run.err);
    assert!(run.err.contains("--config"), "{}", run.err);
    in_directory(dump.path(), &["ls", ".", "mine", "--config", "borehole.toml"]).ends(0);
    // As a payload directory it is somebody else's, too.
    let id = request_id(1);
    in_directory(dump.path(), &["find", &id, "mine", "--large-data", "."]).ends(4);
    // And a source of the file that is the file's own folder vouches for itself.
    let own = configured("[sources.mine]\nurl = \".\"\n");
    let run = in_directory(own.path(), &["ls", "mine"]).ends(2);
    assert!(run.err.contains("lies in what is being analysed"), "{}", run.err);
}

#[test]
fn an_unknown_name_lists_the_known_ones_and_the_nearest() {
    let dump = configured(MINE);
    let run = in_directory(dump.path(), &["ls", "mien"]).ends(2);
    assert!(run.err.contains("(mine, all); did you mean mine?"), "{}", run.err);
}

#[test]
fn a_path_wins_over_a_name_and_that_is_told() {
    let dump = configured("[sources.logs]\nurl = \"s3://never-asked\"\n");
    let run = in_directory(dump.path(), &["ls", "logs"]).ends(0);
    assert!(run.err.contains("note: logs is a path here"), "{}", run.err);
}

#[test]
fn a_local_run_asks_no_configured_bucket_anything() {
    let dump = configured("[sources.far]\nurl = \"s3://far\"\nendpoint_url = \"http://127.0.0.1:1\"\n");
    let mut record = call(2, "2024-03-11T07:00:00Z", 1, 1);
    let input = record["input"].as_object_mut().expect("an object");
    input.remove("inputBodyJson");
    input.insert("inputBodyS3Path".to_owned(), "s3://far/x.json".into());
    dump.put(&format!("logs/{}", aws_key("2024/03/11/08", "b.json")), lines(&[record]));
    let run = in_directory(dump.path(), &["find", &request_id(2), "logs", "--format", "json"]).ends(0);
    assert_eq!(run.json()["documents"][0]["input"]["reason"], "bucket");
}

#[test]
fn a_wrong_url_is_exit_2_and_leads_to_the_right_one() {
    for (typed, meant) in [
        ("s3:/logs/x", "did you mean s3://logs/x?"),
        ("S3://logs", "did you mean s3://logs?"),
        ("https://logs.s3.us-east-1.amazonaws.com/x?X-Amz-Signature=5ec2e7", "did you mean s3://logs/x?"),
        ("gs://logs", "not an S3 location"),
    ] {
        let run = ls([typed]).ends(2);
        assert!(run.err.contains(meant) && run.err.contains("hint: a bucket is s3://BUCKET"), "{}", run.err);
        assert!(!run.err.contains("5ec2e7"), "{}", run.err);
    }
}

#[test]
fn a_broken_configuration_is_exit_2_and_shows_no_value() {
    let dump = configured("[sources.mine]\nurl = \"logs\"\nprofle = \"CANARY\"\n");
    let run = in_directory(dump.path(), &["ls", "mine"]).ends(2);
    assert!(run.err.contains("borehole.toml line 3: sources.mine: unknown field `profle`"), "{}", run.err);
    assert!(!run.err.contains("CANARY"), "{}", run.err);
}

/// The fixtures' split layout in two buckets, through names of a configuration: the whole way to a real server.
#[test]
fn a_bucket_answers_like_its_dump() {
    use borehole_testbed::{Identity, SeaweedFs};
    let Some(server) = SeaweedFs::start_or_skip() else { return };
    let fixtures = support::repository().join("fixtures/dumps/split");
    for name in ["bedrock-logs-mcp", "bedrock-large-data-mcp"] {
        server.bucket(name).put_directory(&fixtures.join(name));
    }
    let folder = Dump::new();
    folder.put(
        "borehole.toml",
        "[sources.mcp]\nurl = \"s3://bedrock-logs-mcp\"\nlarge_data = \"s3://bedrock-large-data-mcp\"\n\
         [sources.gone]\nurl = \"s3://no-such-bucket\"\n",
    );
    let remote = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_borehole"));
        server.equip(&mut command, Identity::Reader, &server.endpoint());
        run(command.current_dir(folder.path()).args(arguments))
    };
    let sums = |report: &Value| report["totals"].clone();
    let local = ls(["fixtures/dumps/split/bedrock-logs-mcp", "--format", "json"]).ends(0).json();
    assert_eq!(sums(&remote(&["ls", "mcp", "--all", "--format", "json"]).ends(0).json()), sums(&local));
    let hour = remote(&["ls", "mcp/2024/03/11/08", "--format", "json"]).ends(0).json();
    assert_eq!(rows(&hour, &[("layout", "split")])[0].1, 6);
    let recent = remote(&["ls", "mcp"]).ends(5);
    assert!(recent.err.contains("on S3 that means the last 14 days"), "{}", recent.err);

    let id = "0000006a-5c1e-4d2a-9b7f-0000000ccef6";
    let found = remote(&["find", id, "mcp", "--date", "2024-03-11"]).ends(0);
    assert!(found.out.contains("2 documents, 0 other objects"), "{}", found.out);
    assert!(found.out.contains("payload.json: found, 654 bytes"), "{}", found.out);
    assert!(
        !found.err.contains("no-such-bucket"),
        "a bucket that nothing leads to is not opened: {}",
        found.err
    );
    let next_day = "00000070-5c1e-4d2a-9b7f-0000000d8890";
    let found = remote(&["find", next_day, "mcp", "--date", "2024-03-11", "--show-body"]).ends(0);
    assert!(found.out.contains("payload s3://bedrock-large-data-mcp/2024/03/12/"), "{}", found.out);
    remote(&["ls", "gone", "--all"]).ends(4);
}
