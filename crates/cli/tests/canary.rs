//! No text of a prompt, an answer, a header or a stack trace comes out of the command, whatever is asked of it.
//!
//! In: a dump in which every such text, sound or broken, holds a word that stands nowhere else. Out: nothing.
//! Always: stdout, stderr and every file that a run leaves are searched. The dump is checked to hold the word
//! in every object and to meet enough of the readers' refusals, and the search to find the word where a user
//! does ask for it. Absent: the fields that a report is meant to show (ids, callers, models, error codes, stop
//! reasons); those are escaped and cut, not hidden.

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::{
    ACCOUNT, Dump, REGION, Run, aws_key, borehole, call, failed_call, files_below, gzip, lines, repository,
    request_id, run, run_with,
};

const CANARY: &str = "Zaunkoenig7f3a";

/// A sound record whose texts, keys and unused fields all hold the word.
fn tainted(number: u32, timestamp: &str) -> Value {
    let mut record = call(number, timestamp, 30_000, 10);
    record["input"]["inputBodyJson"] = json!({
        "system": [{"text": CANARY}],
        "messages": [
            {"role": "user", "content": [{"text": CANARY}, {(CANARY): {"text": CANARY}}, {"type": CANARY}]},
            {"role": CANARY, "content": CANARY},
        ],
        "stop_reason": CANARY,
        "inputTokenCount": CANARY,
        "modelId": CANARY,
        (CANARY): [CANARY],
    });
    record["output"]["outputBodyJson"] = json!({
        "output": {"message": {"content": [{"text": CANARY}, {"toolUse": {"name": CANARY, "input": {(CANARY): CANARY}}}]}},
        "stopReason": {"text": CANARY},
        "usage": {"inputTokens": CANARY, "outputTokens": [CANARY]},
        "metrics": {"latencyMs": CANARY},
        "trace": {"guardrail": CANARY},
    });
    // A tag's value is shown where its key is asked for: this one is, in one test only.
    record["requestMetadata"] = json!({"note": CANARY, (CANARY): "value", "team": "shown"});
    record["input"]["inputContentType"] = json!(CANARY);
    record["errorMessage"] = json!(CANARY);
    record["stackTrace"] = json!([CANARY]);
    record[CANARY] = json!({(CANARY): CANARY});
    record
}

fn with(mut record: Value, path: &str, value: Value) -> Value {
    *record.pointer_mut(path).unwrap_or_else(|| panic!("a record has {path}")) = value;
    record
}

/// Lines of the `aws` layout that must be refused, each for something else, and all near the word.
fn refused_lines() -> Vec<u8> {
    let sound = || tainted(40, "2024-03-11T07:30:00Z");
    let text = sound().to_string();
    let long = CANARY.repeat(400);
    let deep = format!("{}\"{CANARY}\"{}", "[".repeat(600), "]".repeat(600));
    let mut lines: Vec<Vec<u8>> = vec![
        format!("{CANARY} is no JSON").into(),
        format!("{{\"{CANARY}\": {CANARY}}}").into(),
        format!("{text}{CANARY}").into(),
        format!("\"{CANARY}\"").into(),
        format!("{{\"{CANARY}\":\"{CANARY}\"}}").into(),
        text.replacen("\"timestamp\":", &format!("\"{CANARY}\":{deep},\"timestamp\":"), 1).into(),
        text.replacen("{", &format!("{{\"modelId\":\"{CANARY}\","), 1).into(),
        with(sound(), "/timestamp", json!(CANARY)).to_string().into(),
        with(sound(), "/timestamp", json!({(CANARY): CANARY})).to_string().into(),
        with(sound(), "/modelId", json!({(CANARY): CANARY})).to_string().into(),
        with(sound(), "/modelId", json!(long)).to_string().into(),
        with(sound(), "/accountId", json!([CANARY])).to_string().into(),
        with(sound(), "/identity/arn", json!({"arn": CANARY})).to_string().into(),
        with(sound(), "/requestId", json!(long)).to_string().into(),
        with(sound(), "/input/inputTokenCount", json!(CANARY)).to_string().into(),
        with(sound(), "/input/inputTokenCount", json!(-5)).to_string().into(),
        with(sound(), "/output", json!(CANARY)).to_string().into(),
        with(sound(), "/requestMetadata", json!([CANARY])).to_string().into(),
    ];
    // Broken text in a field that reports show, beside the word.
    let broken = with(sound(), "/region", json!(format!("{CANARY}?"))).to_string().into_bytes();
    let mark = format!("{CANARY}?").into_bytes();
    let at = broken.windows(mark.len()).position(|window| window == mark).expect("the region is there");
    let mut broken = broken;
    broken[at + mark.len() - 1] = 0xff;
    lines.push(broken);
    // The last line is cut in the middle of the body.
    let cut = text.find(CANARY).expect("the word is there") + CANARY.len();
    lines.push(text[..cut].into());
    lines.join(&b'\n')
}

fn offloaded(number: u32, timestamp: &str, path: &str) -> Value {
    let mut record = tainted(number, timestamp);
    let output = record["output"].as_object_mut().expect("an object");
    output.remove("outputBodyJson");
    output.remove("outputTokenCount");
    output.insert("outputBodyS3Path".to_owned(), json!(path));
    record
}

fn tainted_payload() -> String {
    tainted(0, "")["output"]["outputBodyJson"].to_string()
}

/// The dump, in both layouts and outside of them. `.0` of it is where it lies; `logs/` is the source.
fn dump() -> Dump {
    let dump = Dump::new();
    let aws = |hour: &str, name: &str| format!("logs/{}", aws_key(hour, name));
    let seven = "2024/03/11/07";
    let body_text = with(tainted(3, "2024-03-11T07:02:00Z"), "/input/inputBodyJson", json!(CANARY));
    let body_json = json!({"prompt": CANARY, "max_tokens": CANARY}).to_string();
    let body_json = with(tainted(4, "2024-03-11T07:03:00Z"), "/input/inputBodyJson", json!(body_json));
    let events = json!([{"type": CANARY, "delta": {"text": CANARY, "stop_reason": [CANARY]}}, CANARY, {(CANARY): CANARY}]);
    let events = with(tainted(5, "2024-03-11T07:04:00Z"), "/output/outputBodyJson", events);
    let mut error = failed_call(6, "2024-03-11T07:05:00Z", "ValidationException");
    error["errorMessage"] = json!(CANARY);
    let other_schema = with(tainted(7, "2024-03-11T07:06:00Z"), "/schemaType", json!("SomethingElse"));
    let stray = tainted(8, "2024-03-11T22:00:00Z");
    let sound = [
        tainted(1, "2024-03-11T07:00:00Z"),
        tainted(1, "2024-03-11T07:00:00Z"),
        body_text,
        body_json,
        events,
        error,
        other_schema,
        stray,
    ];
    let sound = lines(&sound);
    // A body that balances but is no JSON, and one that is no UTF-8.
    let odd = tainted(9, "2024-03-11T07:07:00Z").to_string();
    let odd = odd.replacen(&format!("\"{CANARY}\""), CANARY, 1);
    let mut bytes = tainted(10, "2024-03-11T07:08:00Z").to_string().into_bytes();
    let at = bytes
        .windows(CANARY.len())
        .position(|window| window == CANARY.as_bytes())
        .expect("the word is there");
    bytes.insert(at, 0xff);
    dump.put(&aws(seven, "sound.json.gz"), gzip(sound.as_bytes()))
        .put(&aws(seven, "odd.json"), odd)
        .put(&aws(seven, "bytes.json"), bytes)
        .put(&aws(seven, "refused.json"), refused_lines())
        .put(&aws(seven, "array.json"), format!("[{},", tainted(11, "2024-03-11T07:09:00Z")))
        .put(&aws(seven, "utf-16.json"), utf_16(&sound))
        .put(&aws(seven, "archive.json.gz"), [b"PK\x03\x04".as_slice(), CANARY.as_bytes()].concat())
        .put(&aws(seven, "twice.json.gz"), gzip(&gzip(sound.as_bytes())))
        .put(&aws(seven, "cut.json.gz"), cut(gzip(sound.as_bytes())))
        .put(&aws(seven, "crc.json.gz"), wrong_crc(gzip(sound.as_bytes())))
        .put(&aws(seven, "garbage.json.gz"), [gzip(sound.as_bytes()), CANARY.into()].concat());

    // References: found, of another request, corrupt, missing, refused.
    let place = |name: &str| aws_key(seven, &format!("data/{name}"));
    let found = place(&format!("{}_output.json.gz", request_id(20)));
    let broken = place(&format!("{}_output.json.gz", request_id(21)));
    dump.put(&format!("logs/{found}"), gzip(tainted_payload().as_bytes()))
        .put(&format!("logs/{broken}"), cut(gzip(tainted_payload().as_bytes())))
        .put(
            &aws(seven, "references.json"),
            lines(&[
                offloaded(20, "2024-03-11T07:20:00Z", &format!("s3://logs/{found}")),
                offloaded(21, "2024-03-11T07:21:00Z", &format!("s3://logs/{broken}")),
                offloaded(22, "2024-03-11T07:22:00Z", &format!("s3://logs/{found}")),
                offloaded(23, "2024-03-11T07:23:00Z", &format!("s3://logs/AWSLogs/{ACCOUNT}/{CANARY}")),
                offloaded(24, "2024-03-11T07:24:00Z", &format!("s3://logs/../{CANARY}")),
                offloaded(25, "2024-03-11T07:25:00Z", &format!("s3://elsewhere/{CANARY}")),
                offloaded(26, "2024-03-11T07:26:00Z", &format!("{CANARY}://user:{CANARY}@host/{CANARY}")),
            ]),
        );

    // The split layout: headers, messages, stack traces, a conventional payload.
    let split = |kind: &str, number: u32, ending: &str| {
        format!("logs/2024/03/11/08/{kind}/{}-{ending}.json", request_id(number))
    };
    let headers = json!({"authorization": CANARY, (CANARY): CANARY});
    let mut invocation = tainted(30, "2024-03-11T08:00:00Z");
    invocation.as_object_mut().expect("an object").remove("output");
    invocation.as_object_mut().expect("an object").remove("input");
    let response = json!({
        "status": 500, "headers": headers, "errorCode": "InternalServerException", "errorMessage": CANARY,
        "stackTrace": [CANARY, CANARY], "outputBodyJson": {(CANARY): CANARY},
    });
    let request = json!({"headers": headers, "inputBodyJson": {"prompt": CANARY}, (CANARY): CANARY});
    let metadata = json!({"latencyMs": 5, "requestMetadata": {"note": CANARY}, (CANARY): CANARY});
    dump.put(&split("model-invocations", 30, "invocation"), invocation.to_string())
        .put(&split("metadata", 30, "metadata"), metadata.to_string())
        .put(&split("requests", 30, "request"), request.to_string())
        .put(&split("responses", 30, "response"), response.to_string())
        .put(&split("requests", 31, "request"), json!({"headers": headers, "status": CANARY}).to_string())
        .put(&split("responses", 32, "response"), json!({"status": CANARY, "stackTrace": CANARY}).to_string())
        .put(
            &split("metadata", 33, "metadata"),
            json!({"latencyMs": CANARY, "serviceTier": [CANARY]}).to_string(),
        )
        .put(&split("model-invocations", 34, "invocation"), tainted(35, "2024-03-11T08:01:00Z").to_string())
        .put(&split("requests", 36, "request"), format!("{{\"headers\": {{\"{CANARY}"));
    let mut bodiless = tainted(37, "2024-03-11T08:02:00Z");
    for side in ["input", "output"] {
        bodiless.as_object_mut().expect("an object").remove(side);
    }
    let payload = json!({"input": {"prompt": CANARY}, "output": {(CANARY): CANARY}});
    dump.put(&split("model-invocations", 37, "invocation"), bodiless.to_string())
        .put(&format!("logs/2024/03/11/{}/payload.json", request_id(37)), payload.to_string());

    // What CloudWatch hands out, and what is no log at all.
    let events = json!({"events": [
        {"timestamp": 1_710_140_400_000_u64, "message": tainted(50, "2024-03-11T07:50:00Z").to_string(), "eventId": CANARY},
        {"message": CANARY},
        {"message": {(CANARY): CANARY}},
    ], "nextToken": CANARY, "searchedLogStreams": [CANARY]});
    dump.put("logs/export/events.json", events.to_string())
        .put(
            "logs/export/task.gz",
            gzip(
                format!(
                    "2024-03-11T07:51:00.000Z {}\n2024-03-11T07:52:00Z {CANARY}\n",
                    tainted(51, "2024-03-11T07:51:00Z")
                )
                .as_bytes(),
            ),
        )
        .put("logs/notes.txt", CANARY)
        .put("logs/table.csv", format!("prompt,answer\n{CANARY},{CANARY}\n"))
        .put("logs/package.json", json!({(CANARY): CANARY}).to_string())
        .put("logs/upload.tmp", CANARY);
    dump
}

fn utf_16(text: &str) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

fn cut(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - 12);
    bytes
}

fn wrong_crc(mut bytes: Vec<u8>) -> Vec<u8> {
    let at = bytes.len() - 8;
    bytes[at] ^= 1;
    bytes
}

/// Whether the word is in some text, in whatever case or however its letters were escaped one by one.
fn holds_canary(bytes: &[u8]) -> bool {
    let word = CANARY.to_lowercase();
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    // The ends alone would tell as much as the whole: a cut word is a leak, too.
    text.contains(&word[..10]) || text.contains(&word[word.len() - 8..])
}

const EVERY_BY: [&str; 15] = [
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
    "content-kind",
    "tag:team",
    "hour",
    "day",
    "minute",
];

/// Runs the command on the dump with everything turned on that makes programs talk.
fn analyze(dump: &Dump, arguments: &[&str]) -> Run {
    let fixed = ["analyze", "logs", "--now", "2024-04-01", "-vv"];
    talkative(dump, &[&fixed, arguments].concat())
}

fn talkative(dump: &Dump, arguments: &[&str]) -> Run {
    let mut command = borehole();
    command
        .current_dir(dump.path())
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "full")
        .env("RUST_LIB_BACKTRACE", "1");
    run(command.args(arguments))
}

#[track_caller]
fn assert_silent(run: &Run, what: &[&str]) {
    assert!(matches!(run.code, Some(0 | 3)), "{what:?}: {}", run.err);
    for (stream, text) in [("stdout", &run.out), ("stderr", &run.err)] {
        let line = text.lines().find(|line| holds_canary(line.as_bytes()));
        assert_eq!(line, None, "{what:?}: {stream} tells content");
    }
}

#[test]
fn the_dump_holds_the_word_everywhere_and_meets_many_refusals() {
    let dump = dump();
    // Texts in UTF-16 hold it with a zero after each letter.
    let wide = utf_16(CANARY)[2..].to_vec();
    for path in files_below(dump.path()) {
        let bytes = std::fs::read(&path).expect("an object can be read");
        let here = holds_canary(&bytes) || bytes.windows(wide.len()).any(|window| window == wide);
        assert!(here, "{} does not hold it", path.display());
    }
    let report = analyze(&dump, &["--format", "json"]).ends(3).json();
    let reasons = |pointer: &str| -> BTreeSet<String> {
        let map = report.pointer(pointer).and_then(Value::as_object).expect("a map of reasons");
        map.keys().cloned().collect()
    };
    let all = |words: &[&str]| -> BTreeSet<String> { words.iter().map(|&word| word.to_owned()).collect() };
    let rejected = reasons("/health/documents/rejected");
    let expected = all(&[
        "duplicate_key",
        "field_too_long",
        "field_type",
        "field_utf8",
        "json_syntax",
        "json_truncated",
        "not_a_record",
        "not_an_object",
        "request_id_mismatch",
        "timestamp",
        "token_count_range",
        "token_count_type",
        "too_deep",
    ]);
    assert_eq!(rejected, expected);
    let failed = reasons("/health/objects/failed");
    let expected = all(&[
        "encoding_utf16",
        "gz_crc",
        "gz_trailing_garbage",
        "gz_truncated",
        "json_truncated",
        "nested_compression",
        "unsupported_format",
    ]);
    assert_eq!(failed, expected);
    assert_eq!(reasons("/health/references/refused"), all(&["bucket", "key", "scheme"]));
    for outcome in ["resolved", "missing", "failed"] {
        assert!(report["health"]["references"][outcome].as_u64() > Some(0), "no reference is {outcome}");
    }
    assert!(report["health"]["records"]["duplicate"].as_u64() > Some(0));
    assert!(report["totals"]["requests"]["attempted"].as_u64() > Some(8));
}

#[test]
fn the_search_finds_the_word_where_a_user_asks_for_it() {
    let dump = dump();
    for format in ["text", "json"] {
        let asked = analyze(&dump, &["--by", "tag:note", "--format", format]).ends(3);
        assert!(holds_canary(asked.out.as_bytes()), "--by tag:note shows the tag's value");
        assert!(!holds_canary(asked.err.as_bytes()));
    }
}

#[test]
fn k04_no_report_tells_content() {
    let dump = dump();
    for format in ["text", "json"] {
        for by in EVERY_BY {
            let what = ["--by", by, "--format", format];
            assert_silent(&analyze(&dump, &what), &what);
        }
        for list in ["high-token", "errors", "large"] {
            let what = ["--list", list, "--list-max", "1000", "--series", "minute", "--format", format];
            assert_silent(&analyze(&dump, &what), &what);
        }
        for resolve in ["never", "counts", "facts", "all"] {
            let what = ["--resolve", resolve, "--strict", "--format", format];
            assert_silent(&analyze(&dump, &what), &what);
        }
        let lenient = [
            "--accept-epoch",
            "--lenient-numbers",
            "--allow-double-gzip",
            "--salvage",
            "--include-outliers",
            "--format",
            format,
        ];
        assert_silent(&analyze(&dump, &lenient), &lenient);
        for filter in [["--model", "anthropic"], ["--operation", "Converse"], ["--identity", "app"]] {
            let what = [filter[0], filter[1], "--allow-empty", "--format", format];
            assert_silent(&analyze(&dump, &what), &what);
        }
    }
}

/// The values of `outputBodyS3Path` in the dump that hold the word, as they are.
fn paths_with_the_word(dump: &Dump) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for file in files_below(dump.path()) {
        let bytes = std::fs::read(&file).expect("an object can be read");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let values = text.split("\"outputBodyS3Path\":\"").skip(1).filter_map(|rest| rest.split('"').next());
        paths.extend(values.filter(|path| holds_canary(path.as_bytes())).map(str::to_owned));
    }
    paths
}

#[test]
fn k04_no_other_command_tells_content() {
    let dump = dump();
    let report =
        analyze(&dump, &["--list", "high-token", "--list-max", "1000", "--format", "json"]).ends(3).json();
    let listed = report["requests"].as_array().expect("requests");
    let ids: BTreeSet<&str> = listed.iter().filter_map(|request| request["request_id"].as_str()).collect();
    assert!(!ids.is_empty(), "there is a request to look for: {report}");
    for format in ["text", "json"] {
        for id in &ids {
            let what = ["find", id, "logs", "--format", format];
            let mut found = talkative(&dump, &what);
            assert!(found.out.contains(id), "{}", found.err);
            // Where a body lies is what was asked, whatever the record calls that place.
            for path in paths_with_the_word(&dump) {
                found.out = found.out.replace(&path, "");
            }
            assert_silent(&found, &what);
        }
        for by in ["hour", "day", "stream"] {
            let what = ["ls", "logs", "--by", by, "--format", format];
            assert_silent(&talkative(&dump, &what), &what);
        }
        let what = ["doctor", "logs", "--format", format];
        assert_silent(&talkative(&dump, &what), &what);
    }
}

#[test]
fn k04_no_quota_and_no_ticket_tells_content() {
    let dump = dump();
    for format in ["text", "json"] {
        for more in [&["--tpm", "100", "--rpm", "1"][..], &["--by", "role"], &["--cap-max-tokens", "p50"]] {
            let what = [&["quota", "logs", "-vv", "--format", format], more].concat();
            let answer = talkative(&dump, &what);
            assert!(answer.out.contains("anthropic.claude"), "{}", answer.out);
            assert_silent(&answer, &what);
        }
    }
    dump.put("case.txt", "a use case of our own");
    for format in ["text", "markdown", "json"] {
        for form in ["2025", "2026", "mission"] {
            let what =
                ["ticket", "logs", "-vv", "--format", format, "--form", form, "--use-case", "case.txt"];
            let what = [&what[..], &["--not-global", "residency", "--cross-region", "geo"]].concat();
            let ticket = talkative(&dump, &what);
            // 2: what only the operator knows is left to fill in.
            assert!(matches!(ticket.code, Some(0 | 2 | 3)), "{what:?}: {}", ticket.err);
            assert!(ticket.out.contains("anthropic.claude"), "{}", ticket.out);
            assert!(!holds_canary(ticket.out.as_bytes()) && !holds_canary(ticket.err.as_bytes()), "{what:?}");
        }
    }
}

#[test]
fn k03_no_file_that_a_run_leaves_tells_content() {
    let (dump, out) = (dump(), Dump::new());
    let [data, text, losses] = ["report.json", "report.txt", "losses"].map(|name| out.at(name));
    let temporary = out.at("temporary");
    std::fs::create_dir(&temporary).expect("a folder");
    let what = [
        "-o",
        &data,
        "-o",
        &text,
        "--rejects",
        &losses,
        "--memory",
        "1",
        "--temp-dir",
        &temporary,
        "--salvage",
    ];
    assert_silent(&analyze(&dump, &what), &what);
    let left = files_below(out.path());
    assert_eq!(left.len(), 3, "the reports, the losses, and nothing temporary: {left:?}");
    for path in left {
        let bytes = std::fs::read(&path).expect("an output can be read");
        assert!(!bytes.is_empty());
        assert!(!holds_canary(&bytes), "{} tells content", path.display());
    }
}

#[test]
fn k04_no_object_alone_tells_content_by_path_or_by_standard_input() {
    let dump = dump();
    for path in files_below(dump.path()) {
        let name = path
            .strip_prefix(dump.path())
            .expect("below the dump")
            .to_str()
            .expect("a plain name")
            .to_owned();
        let bytes = std::fs::read(&path).expect("an object can be read");
        for (source, input) in [(name.as_str(), &b""[..]), ("-", &bytes)] {
            let mut command = borehole();
            command.current_dir(dump.path()).env("RUST_BACKTRACE", "full");
            command.args([
                "analyze",
                source,
                "--allow-empty",
                "-vv",
                "--list",
                "errors",
                "--now",
                "2024-04-01",
            ]);
            assert_silent(&run_with(&mut command, input), &[source, &name]);
        }
    }
}

#[test]
fn j14_a_panic_tells_its_place_and_nothing_else() {
    // No input is known that makes the program panic, so this holds the one place where a panic would speak.
    let source = repository().join("crates");
    let mut hooks = Vec::new();
    for path in files_below(&source).iter().filter(|path| path.to_string_lossy().contains("/src/")) {
        let text = std::fs::read_to_string(path).expect("sources are text");
        // The payload of a panic may quote what was being read, so nobody looks at it.
        assert!(!text.contains("payload_as_str") && !text.contains(".payload()"), "{}", path.display());
        if text.contains("panic::set_hook") {
            hooks.push(path.strip_prefix(&source).expect("below").to_string_lossy().into_owned());
        }
    }
    assert_eq!(hooks, ["cli/src/exit.rs"]);
    let main = std::fs::read_to_string(source.join("cli/src/main.rs")).expect("main.rs is there");
    let body = main.split("fn main()").nth(1).expect("there is a main");
    assert!(
        body.lines().nth(1).is_some_and(|line| line.trim() == "exit::silence_panics();"),
        "the hook comes first"
    );
}

#[test]
fn region_and_account_of_the_dump_are_told() {
    // The other side of silence: what a report is for is still in it.
    let run = analyze(&dump(), &[]);
    assert!(run.out.contains(ACCOUNT) && run.out.contains(REGION));
}
