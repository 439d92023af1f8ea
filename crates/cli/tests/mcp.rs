//! `borehole serve-mcp` with clients that others wrote: the Python SDK of the Model Context Protocol, and its inspector.
//!
//! In: the fixtures, synthetic dumps, hostile strings. Out: nothing. Always: a client sees what the command line says,
//! and no more than it was allowed to. Absent: what frames look like, which is `borehole-mcp`'s own.

#[path = "mcp/answers.rs"]
mod answers;
#[path = "mcp/examples.rs"]
mod examples;
#[path = "support/hostile.rs"]
mod hostile;
#[path = "mcp/session.rs"]
mod session;
mod support;

use std::collections::BTreeSet;

use borehole_testbed::Moto;
use serde_json::{Value, json};
use session::{Seen, Server, TOOLS, about, call, complete, error_of, structured};
use support::datasets::{copy_directory, fixture, synth};
use support::{ACCOUNT, Dump, MODEL, REGION, borehole, call as record, failed_call, lines, repository, run};

/// The tool that changes something, and only where the server was started to let it.
const RESTORE: &str = "s3_restore_object";

fn names(tools: &Value) -> Vec<&str> {
    tools.as_array().expect("tools").iter().filter_map(|tool| tool["name"].as_str()).collect()
}

/// A call of each tool about a small dump whose bucket has this name; but of the one that asks S3.
fn each_tool(bucket: &str, key: &str, id: &str) -> Vec<(&'static str, Value)> {
    let subject = about(MODEL, REGION, json!({}));
    let arguments = [
        subject.clone(),
        subject.clone(),
        subject.clone(),
        json!({"bucket_name": bucket}),
        json!({"bucket_name": bucket, "object_key": key}),
        json!({"log_group_name": "/aws/bedrock", "filter_pattern": format!("requestId: {id}")}),
        subject.clone(),
        subject,
        json!({"request_id": id}),
    ];
    TOOLS.into_iter().filter(|&tool| tool != RESTORE).zip(arguments).collect()
}

#[test]
fn a_server_of_nothing_or_of_stdin_does_not_start() {
    let dump = fixture("dumps/aws");
    for (arguments, code, words) in [
        (vec![], 2, "no SOURCE"),
        (vec!["-"], 2, "standard input"),
        (vec!["/nonexistent/dump"], 4, "/nonexistent/dump"),
        (vec![dump.as_str(), "--plan"], 2, "--plan"),
    ] {
        let ended = run(borehole().arg("serve-mcp").args(&arguments));
        assert_eq!((ended.code, ended.out.as_str()), (Some(code), ""), "{arguments:?}");
        assert!(ended.err.contains(words), "{arguments:?}: {}", ended.err);
    }
    // A client that leaves at once is no error.
    let ended = run(borehole().args(["serve-mcp", &dump]));
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{}", ended.err);
}

#[test]
fn ten_tools_are_listed_with_schemas_and_words_that_no_log_can_change() {
    let step = || vec![json!({"do": "list"})];
    let dumps = fixture("dumps/aws");
    let Some(seen) = Server::of(&[&dumps]).session(step()) else { return };
    let tools = &seen.answers[0]["tools"];
    assert_eq!(names(tools), TOOLS);
    for tool in tools.as_array().expect("tools") {
        let name = &tool["name"];
        let long = |text: &Value| text.as_str().is_some_and(|text| text.len() >= 40);
        assert!(long(&tool["description"]) && tool["title"].is_string(), "{tool}");
        let (input, output) = (&tool["inputSchema"], &tool["outputSchema"]);
        assert_eq!(
            (&input["type"], &input["additionalProperties"]),
            (&json!("object"), &json!(false)),
            "{name}"
        );
        assert_eq!(output["type"], "object", "{name}");
        for (parameter, schema) in input["properties"].as_object().expect("parameters") {
            assert!(schema["description"].is_string(), "{name} {parameter}");
            let is_bounded = match schema["type"].as_str() {
                Some("string") => {
                    ["maxLength", "pattern", "enum"].iter().any(|bound| schema.get(bound).is_some())
                }
                Some("integer") => schema.get("minimum").is_some() && schema.get("maximum").is_some(),
                _ => false,
            };
            assert!(is_bounded, "{name} {parameter}: {schema}");
        }
        let hints = &tool["annotations"];
        assert_eq!(hints["readOnlyHint"], *name != RESTORE, "{name}");
        assert_eq!(hints["destructiveHint"], false, "{name}");
    }
    let required = |place: usize| tools[place]["inputSchema"]["required"].clone();
    assert_eq!(required(0), json!(["model_id", "region"]));
    assert_eq!(required(4), json!(["bucket_name", "object_key"]));
    assert_eq!(required(5), json!(["bucket_name", "object_key", "days"]));
    assert_eq!(required(6), json!(["log_group_name", "filter_pattern"]));

    // The same of other logs, other permissions, and for a client that speaks the newest revision.
    let hostile = Dump::new();
    let hostile = hostile::write(&hostile);
    let other = Server::of(&[&hostile]).with(&["--allow-bodies"]).discovered();
    let Some(other) = other.session(step()) else { return };
    assert_eq!(other.answers[0]["tools"], *tools);
    assert_eq!(seen.said["server"]["name"], "borehole");
    assert_eq!(other.said["server"], seen.said["server"]);
    assert_ne!(other.said["protocol"], seen.said["protocol"]);
    for said in [&seen.said, &other.said] {
        assert!(said["instructions"].as_str().is_some_and(|text| !text.is_empty()), "{said}");
        assert!(said["capabilities"]["tools"].is_object(), "{said}");
    }
}

/// One record of each layout's fixtures, as a bucket, a key and a request id.
fn small_dump() -> (Dump, String, String) {
    let dump = Dump::new();
    let records = [
        record(1, "2024-03-11T07:00:10Z", 30_000, 10),
        record(2, "2024-03-11T07:05:00Z", 1_000, 100),
        failed_call(3, "2024-03-11T08:01:20Z", "ThrottlingException"),
    ];
    dump.put_aws("2024/03/11/07", "first.json", &records[..2]).put_aws(
        "2024/03/11/08",
        "second.json",
        &records[2..],
    );
    let key = support::aws_key("2024/03/11/07", "first.json");
    (dump, key, support::request_id(1))
}

#[test]
fn each_tool_answers_to_either_kind_of_client() {
    let (dump, key, id) = small_dump();
    let root = dump.root();
    let calls = each_tool(&root, &key, &id);
    let Some(legacy) = Server::of(&[&root]).ask(&calls) else { return };
    let Some(discovered) = Server::of(&[&root]).discovered().ask(&calls) else { return };
    for (((tool, _), one), other) in calls.iter().zip(&legacy).zip(&discovered) {
        let timeless = |answer: &Value| {
            let mut answer = answer.clone();
            answer.as_object_mut().expect("an object").remove("listed_at");
            answer
        };
        assert_eq!(timeless(one), timeless(other), "{tool}");
    }
    assert_eq!(legacy[0]["metrics"]["invocations"]["attempted"], 3);
    assert_eq!(legacy[1]["statistics"]["total_input_tokens"], 31_000);
    assert_eq!(legacy[2]["tokens_per_minute"]["peak"], 30_010);
    assert_eq!(legacy[3]["key_count"], 2);
    let read = &legacy[4];
    assert_eq!(
        (&read["kind"], &read["records"], &read["rejected"]),
        (&json!("records"), &json!(2), &json!(0))
    );
    assert_eq!(read["object"]["key"], *key);
    assert_eq!(read["envelopes"].as_array().map(Vec::len), Some(2));
    assert!(read.get("content").is_none() && read["content_withheld"].is_string(), "{read}");
    for (place, list) in [(5, "events"), (6, "cases"), (7, "quotas"), (8, "documents")] {
        assert_eq!(legacy[place][list].as_array().map(Vec::len), Some(1), "{list}");
    }
}

#[test]
fn the_fixtures_are_answered_about_in_every_layout() {
    for name in ["dumps/aws", "dumps/split", "dumps/cloudwatch", "faults"] {
        let source = fixture(name);
        let listing = [("s3_object_list", json!({"bucket_name": source}))];
        let server = Server::of(&[&source]);
        let Some(listed) = server.ask(&listing) else { return };
        let keys: Vec<String> = listed[0]["objects"]
            .as_array()
            .expect("objects")
            .iter()
            .filter_map(|object| object["key"].as_str().map(str::to_owned))
            .collect();
        assert!(!keys.is_empty(), "{name}");
        let mut calls: Vec<_> = keys
            .iter()
            .map(|key| ("s3_object_read", json!({"bucket_name": source, "object_key": key})))
            .collect();
        calls.extend(each_tool(&source, &keys[0], "0000001d-5c1e-4d2a-9b7f-000000038113"));
        let steps = calls.iter().map(|(tool, arguments)| call(tool, arguments.clone())).collect();
        let Some(seen) = server.session(steps) else { return };
        let (read, each) = seen.answers.split_at(keys.len());
        let mut damaged = 0;
        for (key, answer) in keys.iter().zip(read) {
            if answer["is_error"] == true {
                assert!(error_of(answer).contains("cannot be decoded"), "{answer}");
                damaged += 1;
                continue;
            }
            let answer = complete(answer);
            assert_eq!(answer["object"]["key"], *key);
            assert!(answer.get("content").is_none(), "{answer}");
        }
        assert_eq!(damaged > 0, name == "faults", "{damaged} in {name}");
        let each: Vec<Value> = each.iter().map(complete).collect();
        let health = &each[0]["health"];
        // Damaged objects make an answer incomplete, not an error.
        assert_eq!(health["complete"], name != "faults", "{health}");
    }
}

#[test]
fn a_subject_without_a_request_is_a_complete_answer_that_names_what_there_is() {
    let (dump, ..) = small_dump();
    let root = dump.root();
    let calls = [
        ("bedrock_get_model_stats", about(MODEL, "eu-west-1", json!({}))),
        ("bedrock_analyze_requests", about("anthropic.claude-3-haiku", REGION, json!({}))),
        ("bedrock_get_token_metrics", about(MODEL, REGION, json!({"account_id": "999999999999"}))),
    ];
    let Some(answers) = Server::of(&[&root]).ask(&calls) else { return };
    for answer in &answers {
        let nothing = &answer["nothing_found"];
        assert!(nothing["message"].is_string(), "{answer}");
        let names = &nothing["untrusted"];
        let found = ["models", "regions", "accounts"].map(|name| names[name].clone());
        assert_eq!(found, [json!([MODEL]), json!([REGION]), json!([ACCOUNT])], "{answer}");
    }
    assert_eq!(answers[1]["nothing_found"]["untrusted"]["meant"], MODEL);
    assert_eq!(answers[0]["metrics"]["invocations"]["attempted"], 0);
    assert_eq!(answers[1]["statistics"]["total_requests"], 0);
}

#[test]
fn wrong_calls_are_errors_that_say_what_is_wrong_and_the_connection_goes_on() {
    let (dump, key, id) = small_dump();
    let root = dump.root();
    let outside = Dump::new();
    outside.put("secret.json", lines(&[record(9, "2024-03-11T07:00:10Z", 5, 5)]));
    let outside = outside.root();
    let subject = |more: Value| about(MODEL, REGION, more);
    // Arguments, and words that the error has.
    let wrong: Vec<(&str, Value, &[&str])> = vec![
        ("bedrock_get_model_stats", json!({"model_id": MODEL}), &["region"]),
        ("bedrock_get_model_stats", subject(json!({"regoin": "x"})), &["regoin"]),
        ("bedrock_get_model_stats", about("x\u{1b}[31m", REGION, json!({})), &["model_id"]),
        ("bedrock_get_model_stats", about(MODEL, "US EAST", json!({})), &["region"]),
        ("bedrock_get_model_stats", subject(json!({"account_id": "12"})), &["account_id"]),
        ("bedrock_get_model_stats", subject(json!({"start_time": "yesterday"})), &["start_time"]),
        (
            "bedrock_get_model_stats",
            subject(json!({"start_time": "2024-03-12", "end_time": "2024-03-11"})),
            &["time"],
        ),
        (
            "bedrock_analyze_requests",
            subject(json!({"time_period_hours": 0})),
            &["time_period_hours", "8784"],
        ),
        (
            "bedrock_analyze_requests",
            subject(json!({"time_period_hours": 1_000_000_000})),
            &["time_period_hours"],
        ),
        ("bedrock_get_token_metrics", subject(json!({"period": "60"})), &["period"]),
        ("s3_object_list", json!({"bucket_name": outside}), &["started with"]),
        ("s3_object_list", json!({"bucket_name": "/"}), &["started with"]),
        ("s3_object_list", json!({"bucket_name": "other-bucket"}), &["started with"]),
        ("s3_object_read", json!({"bucket_name": outside, "object_key": "secret.json"}), &["started with"]),
        (
            "s3_object_read",
            json!({"bucket_name": root, "object_key": format!("..{outside}/secret.json")}),
            &[],
        ),
        ("s3_object_read", json!({"bucket_name": root, "object_key": format!("{outside}/secret.json")}), &[]),
        ("s3_object_read", json!({"bucket_name": root, "object_key": format!("{key}.not")}), &[]),
        (
            "s3_restore_object",
            json!({"bucket_name": outside, "object_key": key, "days": 1}),
            &["started with"],
        ),
        ("s3_restore_object", json!({"bucket_name": root, "object_key": key, "days": 0}), &["days"]),
        (
            "s3_restore_object",
            json!({"bucket_name": root, "object_key": key, "days": 1}),
            &["only objects in S3"],
        ),
        (
            "cloudwatch_get_logs",
            json!({"log_group_name": "g", "filter_pattern": "{ $.status > 400 }"}),
            &["requestId: ", "$.requestId", "\""],
        ),
        ("bedrock_ticket", subject(json!({"form": "2099"})), &["form", "mission"]),
        ("bedrock_quota", subject(json!({"target": "lots"})), &["target"]),
        ("bedrock_find_request", json!({}), &["request_id"]),
    ];
    let mut steps: Vec<Value> =
        wrong.iter().map(|(tool, arguments, _)| call(tool, arguments.clone())).collect();
    steps.push(call("bedrock_get_everything", json!({})));
    steps.push(call("bedrock_find_request", json!({"request_id": id})));
    for server in [Server::of(&[&root]), Server::of(&[&root]).discovered()] {
        let Some(seen) = server.session(steps.clone()) else { return };
        for ((tool, arguments, words), answer) in wrong.iter().zip(&seen.answers) {
            let said = error_of(answer);
            assert!(words.iter().all(|word| said.contains(word)), "{tool} {arguments}: {said}");
            assert!(!said.contains('\u{1b}') && !said.contains("schemaType"), "{said}");
        }
        let [unknown, after] = &seen.answers[wrong.len()..] else { panic!("two answers more") };
        assert_eq!(unknown["protocol_error"]["code"], -32602, "{unknown}");
        assert_eq!(complete(after)["request_id"], id);
    }
}

/// A dump that takes a debug build some seconds to read.
fn long_reading() -> (Dump, String) {
    let dump = Dump::new();
    let place = dump.at("dump");
    synth(
        &place,
        &["--requests", "20000", "--profile", "mixed", "--accounts", "1", "--regions", "us-east-1"],
    );
    (dump, place)
}

const SONNET: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";

#[test]
fn a_long_reading_tells_of_its_progress_and_is_given_up_when_its_client_says_so() {
    let (_dump, source) = long_reading();
    let subject = about(SONNET, REGION, json!({}));
    let mut told = call(TOOLS[0], subject.clone());
    told["progress"] = true.into();
    let give_up = json!({"do": "abandon", "tool": TOOLS[0], "arguments": subject});
    let list = call("s3_object_list", json!({"bucket_name": source, "max_keys": 1}));
    for server in [Server::of(&[&source]), Server::of(&[&source]).discovered()] {
        let Some(seen) = server.session(vec![give_up.clone(), list.clone(), told.clone()]) else { return };
        let [given_up, listed, told] = &seen.answers[..] else { panic!("three answers") };
        // It comes to rest at once; a reading that went on would take as long as the one after it.
        let seconds = |answer: &Value, name: &str| answer[name].as_f64().expect("seconds");
        assert!(seconds(given_up, "seconds_to_rest") < seconds(told, "seconds") / 2.0, "{given_up} {told}");
        assert_eq!(complete(listed)["key_count"], 1);
        let answer = complete(told);
        assert!(answer["metrics"]["invocations"]["attempted"].as_u64() > Some(1_000));
        let progress = told["progress"].as_array().expect("progress");
        assert!(!progress.is_empty(), "nothing was told in {} s", told["seconds"]);
        let parts: Vec<f64> = progress.iter().filter_map(|one| one[0].as_f64()).collect();
        assert!(parts.is_sorted() && parts.iter().all(|part| (0.0..=1.0).contains(part)), "{parts:?}");
        for one in progress {
            assert_eq!(one[1].as_f64(), Some(1.0), "of one");
            assert!(one[2].as_str().is_some_and(|message| !message.contains(&source)), "{one}");
        }
    }
}

#[test]
fn a_call_that_would_take_too_long_is_answered_with_how_far_it_is_and_what_to_call_next() {
    let (_dump, source) = long_reading();
    let subject = about(SONNET, REGION, json!({"end_time": "2024-03-11T20:00:00Z"}));
    let follow = |tool: &str| json!({"do": "follow", "tool": tool, "arguments": subject});
    let mut waits =
        call("bedrock_find_request", json!({"request_id": "00000000-0000-4000-8000-000000000000"}));
    waits["do"] = "follow".into();
    let server = Server::of(&[&source]).with(&["--answer-within", "0"]);
    let Some(seen) = server.session(vec![follow(TOOLS[0]), follow(TOOLS[2]), waits]) else { return };
    let patient = [(TOOLS[0], subject.clone()), (TOOLS[2], subject.clone())];
    let Some(patient) = Server::of(&[&source]).ask(&patient) else { return };
    for (followed, patient) in seen.answers.iter().zip(patient) {
        let answers = followed["answers"].as_array().expect("answers");
        let (last, before) = answers.split_last().expect("an answer");
        let answer = complete(last);
        let names: BTreeSet<&String> = answer.as_object().expect("an object").keys().collect();
        for (name, value) in patient.as_object().expect("an object") {
            assert!(names.contains(name));
            assert!(name == "listed_at" || answer[name] == *value, "{name}");
        }
        assert!(!before.is_empty(), "it was there at once");
        let mut last = 0.0;
        for scanning in before {
            let scanning = structured(scanning);
            assert_eq!(scanning["status"], "scanning");
            let done = scanning["done"].as_f64().expect("how far");
            assert!(last <= done && done <= 1.0, "{done} after {last}");
            last = done;
            let next = &scanning["next"];
            assert!(TOOLS.contains(&next["tool"].as_str().expect("a tool")));
            assert_eq!(next["arguments"]["model_id"], SONNET);
            assert!(next["after_seconds"].is_u64() && scanning["message"].is_string(), "{scanning}");
        }
    }
    let found = seen.answers[2]["answers"].as_array().expect("answers").last().expect("an answer");
    assert_eq!(found["is_error"], false, "{found}");
}

#[test]
fn a_server_ends_with_its_client_even_in_the_midst_of_a_reading() {
    let (_dump, source) = long_reading();
    let subject = about(SONNET, REGION, json!({}));
    let leave = json!({"do": "leave", "tool": TOOLS[0], "arguments": subject});
    let Some(whole) = Server::of(&[&source]).session(vec![call(TOOLS[0], subject)]) else { return };
    let reading_seconds = whole.answers[0]["seconds"].as_f64().expect("seconds");
    for server in [Server::of(&[&source]), Server::of(&[&source]).discovered()] {
        let Some(seen) = server.session(vec![leave.clone()]) else { return };
        // It left after the first news of progress, with most of the reading to come.
        assert!(
            seen.seconds_to_end < reading_seconds / 2.0,
            "{} of {reading_seconds} s",
            seen.seconds_to_end
        );
    }
}

#[test]
fn many_calls_at_once_each_get_their_own_answer() {
    let (dump, key, id) = small_dump();
    let root = dump.root();
    let calls: Vec<Value> = (0..5)
        .flat_map(|_| each_tool(&root, &key, &id))
        .map(|(tool, arguments)| json!({"tool": tool, "arguments": arguments}))
        .collect();
    let together = json!({"do": "together", "calls": calls.clone()});
    let Some(seen) = Server::of(&[&root]).session(vec![together]) else { return };
    let answers = seen.answers[0]["answers"].as_array().expect("answers");
    assert_eq!(answers.len(), 45);
    for (place, answer) in answers.iter().enumerate() {
        let (answer, first) = (complete(answer), complete(&answers[place % 9]));
        assert_eq!(answer, first, "{}", calls[place]);
    }
}

#[test]
fn k10_talk_goes_to_stderr_and_tells_no_content() {
    let (dump, key, id) = small_dump();
    let root = dump.root();
    let server = Server::of(&[&root])
        .with(&["-v", "-v"])
        .variable("RUST_LOG", "trace")
        .variable("RUST_BACKTRACE", "full");
    let mut steps: Vec<Value> =
        each_tool(&root, &key, &id).into_iter().map(|(tool, arguments)| call(tool, arguments)).collect();
    steps.push(call("s3_object_list", json!({"bucket_name": "nowhere"})));
    // Every line of stdout is looked at in every session.
    let Some(seen) = server.session(steps) else { return };
    seen.answers[..9].iter().for_each(|answer| drop(complete(answer)));
    for text in ["Is the tide in?", "Not yet."] {
        assert!(!seen.talk.contains(text), "{}", seen.talk);
    }
}

/// A word that stands in bodies and nowhere else.
const CANARY: &str = "Zaunkoenig7f3a";

#[test]
fn k04_prompts_are_shown_only_where_the_server_was_started_to() {
    let dump = Dump::new();
    let mut tainted = record(1, "2024-03-11T07:00:10Z", 30_000, 10);
    tainted["input"]["inputBodyJson"]["messages"][0]["content"][0]["text"] = CANARY.into();
    tainted["output"]["outputBodyJson"]["output"]["message"]["content"][0]["text"] = CANARY.into();
    tainted["requestMetadata"] = json!({"note": CANARY, (CANARY): "tag"});
    tainted["output"]["headers"] = json!({"authorization": CANARY});
    dump.put_aws("2024/03/11/07", "first.json", &[tainted]);
    let (root, key) = (dump.root(), support::aws_key("2024/03/11/07", "first.json"));
    let mut calls = each_tool(&root, &key, &support::request_id(1));
    let search = format!("\"{CANARY}\"");
    calls.push(("cloudwatch_get_logs", json!({"log_group_name": "g", "filter_pattern": search})));
    let steps =
        |calls: &[(&str, Value)]| calls.iter().map(|(tool, one)| call(tool, one.clone())).collect::<Vec<_>>();

    let Some(seen) = Server::of(&[&root]).with(&["-vv"]).session(steps(&calls)) else { return };
    for (answer, (tool, _)) in seen.answers.iter().zip(&calls) {
        complete(answer);
        assert!(!answer.to_string().contains(CANARY), "{tool}: {answer}");
    }
    assert_eq!(complete(&seen.answers[9])["events"], json!([]), "bodies and tags are not searched");
    assert!(!seen.talk.contains(CANARY), "{}", seen.talk);

    let allowed = Server::of(&[&root]).with(&["-vv", "--allow-bodies"]);
    let Some(seen) = allowed.session(steps(&calls)) else { return };
    for (place, (answer, (tool, _))) in seen.answers.iter().zip(&calls).enumerate() {
        let mut answer = complete(answer);
        if place == 4 {
            let content = answer["content"].take();
            assert!(content.as_str().is_some_and(|text| text.contains(CANARY)), "{content}");
        }
        assert!(!answer.to_string().contains(CANARY), "{tool}: {answer}");
    }
    assert!(!seen.talk.contains(CANARY), "{}", seen.talk);
}

/// Fields that hold what others wrote; every other string is of ours, or was said by the client itself. The last is a
/// key once more, to be given back.
const THEIRS: [&str; 6] = ["untrusted", "key", "message", "content", "text", "next_start_after"];

/// Every string of an answer, names of fields included, with whether it stands where text of others may.
fn strings_of<'a>(value: &'a Value, is_theirs: bool, out: &mut Vec<(&'a str, bool)>) {
    match value {
        Value::String(text) => out.push((text, is_theirs)),
        Value::Array(items) => items.iter().for_each(|item| strings_of(item, is_theirs, out)),
        Value::Object(fields) => {
            for (name, field) in fields {
                out.push((name, is_theirs));
                strings_of(field, is_theirs || THEIRS.contains(&name.as_str()), out);
            }
        }
        _ => {}
    }
}

#[test]
fn k06_strings_from_logs_stand_in_named_fields_alone_escaped_and_cut() {
    let (_dump, source) = {
        let dump = Dump::new();
        let source = hostile::write(&dump);
        (dump, source)
    };
    let mut calls = Vec::new();
    let corpus = hostile::strings();
    let is_plain = |text: &str| {
        !text.is_empty()
            && text.len() <= 2_048
            && text.chars().all(|one| one.is_ascii_alphanumeric() || "._:/@=+$ -".contains(one))
    };
    // Subjects that a client may name, and models without any request.
    let mut models: Vec<String> = corpus.iter().filter(|text| is_plain(text)).cloned().collect();
    models.extend([MODEL.to_owned(), "nothing".to_owned()]);
    for model in &models {
        for tool in [TOOLS[0], TOOLS[1], TOOLS[2], TOOLS[7], TOOLS[8]] {
            calls.push((tool, about(model, REGION, json!({}))));
        }
    }
    calls.push(("s3_object_list", json!({"bucket_name": source})));
    calls.push(("s3_object_read", json!({"bucket_name": source, "object_key": "records.json"})));
    for term in ["pwned", "\\u202e", "lorem", "Converse"] {
        let pattern = format!("\"{term}\"");
        calls.push((
            "cloudwatch_get_logs",
            json!({"log_group_name": "g", "filter_pattern": pattern, "limit": 200}),
        ));
    }
    for text in &corpus {
        calls.push(("bedrock_find_request", json!({"request_id": text})));
    }
    let steps: Vec<Value> = calls.iter().map(|(tool, arguments)| call(tool, arguments.clone())).collect();
    let Some(seen) = Server::of(&[&source]).session(steps) else { return };
    // Short ones are words of ours, too: `undefined`, `a`; an answer may hold them by chance.
    let told: Vec<&String> = corpus.iter().filter(|text| text.len() >= 12).collect();
    let mut shown = 0;
    for ((tool, arguments), answer) in calls.iter().zip(&seen.answers) {
        if answer["is_error"] == true {
            let said = error_of(answer);
            assert!(!said.chars().any(|one| hostile::is_hazardous(one) && one != '\n'), "{tool}: {said:?}");
            continue;
        }
        let answer = complete(answer);
        let mut strings = Vec::new();
        strings_of(&answer, false, &mut strings);
        for (text, is_theirs) in strings {
            let is_said = arguments.as_object().expect("an object").values().any(|said| said == text);
            let is_harmless =
                !text.chars().any(|one| hostile::is_hazardous(one) && one != '\n' && one != '\t');
            assert!(is_harmless, "{tool} {arguments}: {text:?}");
            if !is_theirs && !is_said {
                let held = told.iter().find(|one| text.contains(one.as_str()));
                assert_eq!(held, None, "{tool} {arguments}: {text:?}");
                assert!(!text.contains(hostile::MARKER) || text.contains(&source), "{tool}: {text:?}");
            }
            shown += usize::from(is_theirs && text.contains(hostile::MARKER));
        }
        let mut lengths = Vec::new();
        lengths_in(&answer, "untrusted", &mut lengths);
        assert!(lengths.iter().all(|&length| length <= 128), "{tool} {arguments}: {lengths:?}");
    }
    assert!(shown > 20, "the strings are shown somewhere: {shown}");
}

/// The lengths of all strings in fields with a name.
fn lengths_in(value: &Value, name: &str, out: &mut Vec<usize>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| lengths_in(item, name, out)),
        Value::Object(fields) => {
            for (field, inner) in fields {
                if field == name {
                    let mut strings = Vec::new();
                    strings_of(inner, true, &mut strings);
                    out.extend(strings.iter().map(|(text, _)| text.chars().count()));
                } else {
                    lengths_in(inner, name, out);
                }
            }
        }
        _ => {}
    }
}

#[test]
fn a_bucket_is_answered_about_and_an_archive_restored_only_where_that_is_allowed() {
    let Some(moto) = Moto::start_or_skip() else { return };
    let (logs, other) = (moto.bucket("bedrock-logs"), moto.bucket("other-logs"));
    let key = support::aws_key("2024/03/11/07", "first.json");
    let archived = support::aws_key("2024/03/11/08", "second.json");
    let bytes = |number: u32| lines(&[record(number, "2024-03-11T07:00:10Z", 30_000, 10)]).into_bytes();
    logs.put(&key, &bytes(1));
    moto.archive(&logs, &archived, &bytes(2), "GLACIER");
    other.put(&key, &bytes(3));
    let server = |options: &[&str]| {
        let variables = moto.environment(&moto.endpoint());
        let server = Server::of(&["s3://bedrock-logs"]).with(&["--all"]).with(options);
        variables.iter().fold(server, |server, (name, value)| server.variable(name, value))
    };
    let object = |bucket: &str, key: &str| json!({"bucket_name": bucket, "object_key": key});
    let restore = |bucket: &str| json!({"bucket_name": bucket, "object_key": archived, "days": 2});
    let steps = vec![
        call(TOOLS[0], about(MODEL, REGION, json!({}))),
        call("s3_object_list", json!({"bucket_name": "bedrock-logs", "prefix": "AWSLogs/"})),
        call("s3_object_read", object("bedrock-logs", &key)),
        call("s3_object_read", object("bedrock-logs", &archived)),
        call(RESTORE, restore("bedrock-logs")),
        call("s3_object_list", json!({"bucket_name": "other-logs"})),
        call("s3_object_read", object("other-logs", &key)),
        call(RESTORE, restore("other-logs")),
    ];
    let Some(careful) = server(&[]).session(steps.clone()) else { return };
    let Some(allowed) = server(&["--allow-restore"]).session(steps) else { return };
    for seen in [&careful, &allowed] {
        assert_eq!(complete(&seen.answers[0])["metrics"]["invocations"]["attempted"], 1);
        let listed = complete(&seen.answers[1]);
        let archives: Vec<&Value> =
            listed["objects"].as_array().expect("objects").iter().map(|object| &object["archived"]).collect();
        assert_eq!(archives, [false, true]);
        assert_eq!(complete(&seen.answers[2])["records"], 1);
        let said = error_of(&seen.answers[3]);
        assert!(said.contains("archive") && said.contains(RESTORE), "{said}");
        for refused in &seen.answers[5..] {
            let said = error_of(refused);
            assert!(said.contains("started with") && said.contains("bedrock-logs"), "{said}");
        }
    }
    let outcome = |seen: &Seen| complete(&seen.answers[4])["outcome"].clone();
    assert_eq!((outcome(&careful), outcome(&allowed)), (json!("not_allowed"), json!("asked")));
    let notes = complete(&careful.answers[4])["notes"].to_string();
    assert!(notes.contains("--allow-restore") && notes.contains("borehole restore"), "{notes}");
}

#[test]
fn the_inspector_lists_calls_and_is_told_of_errors() {
    let (dump, key, id) = small_dump();
    let root = dump.root();
    for era in ["legacy", "modern"] {
        let server = Server::of(&[&root]);
        let Some(listed) = server.inspect(&["--method", "tools/list", "--strict", "--protocol-era", era])
        else {
            return;
        };
        let tools = &listed.ends(0).json()["result"]["tools"];
        assert_eq!(names(tools), TOOLS);
        for (tool, arguments) in each_tool(&root, &key, &id) {
            let arguments = arguments.to_string();
            let options = ["--method", "tools/call", "--tool-name", tool, "--tool-args-json", &arguments];
            let Some(called) = server.inspect(&[&options[..], &["--protocol-era", era]].concat()) else {
                return;
            };
            let result = &called.ends(0).json()["result"];
            assert_eq!(result["structuredContent"]["status"], "complete", "{tool}: {result}");
        }
    }
    let server = Server::of(&[&root]);
    let model = format!("model_id={MODEL}");
    let pairs = [&*model, "region=us-east-1", "time_period_hours=6"];
    let options = ["--method", "tools/call", "--tool-name", TOOLS[1], "--tool-arg"];
    let Some(called) = server.inspect(&[&options[..], &pairs].concat()) else { return };
    assert_eq!(called.ends(0).json()["result"]["structuredContent"]["statistics"]["total_requests"], 2);
    let wrong = [&*model, "region=us-east-1", "time_period_hours=0"];
    let Some(refused) = server.inspect(&[&options[..], &wrong].concat()) else { return };
    assert_eq!(refused.code, Some(5), "{}{}", refused.out, refused.err);
    assert!(refused.out.contains("time_period_hours"), "{}", refused.out);
}

#[test]
fn what_is_added_to_a_source_is_counted_by_a_later_server_over_the_same_dataset() {
    let (dump, ..) = small_dump();
    let root = dump.root();
    let server = Server::of(&[&root]);
    let asked = [("bedrock_get_model_stats", about(MODEL, REGION, json!({})))];
    let Some(before) = server.ask(&asked) else { return };
    let more = Dump::new();
    more.put_aws("2024/03/11/09", "third.json", &[record(4, "2024-03-11T09:10:00Z", 7, 7)]);
    copy_directory(more.path(), dump.path());
    let Some(after) = server.ask(&asked) else { return };
    let attempted = |answers: &[Value]| answers[0]["metrics"]["invocations"]["attempted"].clone();
    assert_eq!((attempted(&before), attempted(&after)), (json!(3), json!(4)));
    assert_eq!(after[0]["time_range"]["end"], "2024-03-11T10:00:00Z");
}

#[test]
fn the_documentation_names_every_tool_and_parameter() {
    let Some(seen) = Server::of(&[fixture("dumps/aws")]).session(vec![json!({"do": "list"})]) else { return };
    let text = std::fs::read_to_string(repository().join("docs/mcp.md")).expect("docs/mcp.md is there");
    for tool in seen.answers[0]["tools"].as_array().expect("tools") {
        let name = tool["name"].as_str().expect("a name");
        let section =
            text.split(&format!("### `{name}`")).nth(1).unwrap_or_else(|| panic!("no section on {name}"));
        let section = section.split("\n### ").next().expect("a section");
        for parameter in tool["inputSchema"]["properties"].as_object().expect("parameters").keys() {
            assert!(section.contains(&format!("`{parameter}`")), "docs/mcp.md: {name} has {parameter}");
        }
    }
}
