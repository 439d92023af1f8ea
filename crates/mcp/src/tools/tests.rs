//! Answers of all tools over made-up records: their shape, their sums, and what they do not let through.

mod made_up;

use std::collections::BTreeSet;

use borehole_record::Timestamp;
use borehole_report::is_hazardous;
use borehole_usage::Grain;
use made_up::{HOSTILE, HOSTILE_WORDS, MODEL, MadeUp, REGION, START, failed, served, unknown};
use serde_json::{Map, Value, json};

use super::{Call, Definition, Lane, Unparsed, definitions};
use crate::engine::{Engine, Failure, Period, Watch};
use crate::untrusted::CHARACTERS_MAX;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

fn parse(tool: &str, arguments: Value) -> Result<Call, Unparsed> {
    Call::parse(tool, arguments.as_object().expect("an object"))
}

fn try_call(engine: &dyn Engine, tool: &str, arguments: Value) -> Result<Value, Failure> {
    let call = parse(tool, arguments).unwrap_or_else(|unparsed| panic!("{tool}: {unparsed:?}"));
    call.answer(engine, &Watch::new()).map(Value::from)
}

#[track_caller]
fn call(engine: &dyn Engine, tool: &str, arguments: Value) -> Value {
    try_call(engine, tool, arguments).unwrap_or_else(|failure| panic!("{tool}: {failure:?}"))
}

/// The arguments of a subject, and more.
fn about(more: Value) -> Value {
    let mut arguments = json!({"model_id": MODEL, "region": REGION});
    for (name, value) in more.as_object().expect("an object") {
        arguments[name] = value.clone();
    }
    arguments
}

/// A sound call of every tool.
fn every_call() -> [(&'static str, Value); 10] {
    [
        ("bedrock_get_model_stats", about(json!({}))),
        ("bedrock_analyze_requests", about(json!({}))),
        ("bedrock_get_token_metrics", about(json!({"period": 5}))),
        ("s3_object_list", json!({"bucket_name": "logs", "max_keys": 3})),
        ("s3_object_read", json!({"bucket_name": "logs", "object_key": "a"})),
        ("s3_restore_object", json!({"bucket_name": "logs", "object_key": "a", "days": 7})),
        (
            "cloudwatch_get_logs",
            json!({"log_group_name": "/aws/bedrock", "filter_pattern": "requestId: 5f3c"}),
        ),
        ("bedrock_ticket", about(json!({"target": "0.1%"}))),
        ("bedrock_quota", about(json!({"growth": "20%"}))),
        ("bedrock_find_request", json!({"request_id": "5f3c1a2b"})),
    ]
}

/// Two days of calls, one a minute in the day's first hours, some of them large, cached, throttled or failed.
fn two_days() -> Vec<borehole_record::Invocation> {
    use borehole_record::Count;
    let mut records = Vec::new();
    for minute in 0..600 {
        let second = (minute / 300) * DAY + (minute % 300) * 60;
        let mut record = served(second);
        if minute % 7 == 0 {
            record.input_tokens = Count::known(30_000);
            record.cache_read_tokens = Count::known(5_000);
        }
        if minute % 11 == 0 {
            record.first_byte_ms = Count::known(90);
        }
        if minute % 13 == 0 {
            record.input_tokens = Count::UNKNOWN;
        }
        records.push(record);
        if minute % 10 == 0 {
            records.push(failed(second + 1, "ThrottlingException"));
        }
    }
    records.push(failed(5, "ModelTimeoutException"));
    records
}

#[test]
fn the_tools_are_the_ten_that_are_promised() {
    let definitions = definitions();
    let names: Vec<&str> = definitions.iter().map(|definition| definition.name).collect();
    assert_eq!(names, every_call().map(|(name, _)| name));
    for Definition { name, title, description, input_schema, output_schema, is_read_only, is_idempotent } in
        definitions
    {
        assert!(
            !title.is_empty() && (100..900).contains(&description.len()),
            "{name}: {}",
            description.len()
        );
        assert_eq!(input_schema["additionalProperties"], false);
        assert_eq!(output_schema["required"], json!(["status"]));
        assert_eq!((is_read_only, is_idempotent), (name != "s3_restore_object", true), "{name}");
        let scanning = json!({"status": "scanning", "done": 0.38, "message": "reading",
            "next": {"tool": name, "arguments": {}, "after_seconds": 15}});
        check(&scanning, &output_schema.into(), name);
    }
}

#[test]
fn a_call_is_the_same_however_it_was_written_and_says_how_to_make_it_again() {
    for (tool, arguments) in every_call() {
        let call = parse(tool, arguments).expect("sound");
        assert_eq!(call.tool(), tool);
        let again = parse(tool, call.arguments().into()).expect("sound");
        assert_eq!((&again, again.arguments()), (&call, call.arguments()));
        let lane = if tool.starts_with("s3_") { Lane::Objects } else { Lane::Reading };
        assert_eq!(call.lane(), lane, "{tool}");
    }
    let with = |more: Value| parse("bedrock_get_token_metrics", about(more)).expect("sound");
    assert_eq!(with(json!({})), with(json!({"period": 60.0})));
    assert_eq!(
        with(json!({"start_time": "2026-11-08"})),
        with(json!({"start_time": "2026-11-08T01:00:00+01:00"}))
    );
    assert_ne!(with(json!({})), with(json!({"period": 61})));
}

#[test]
fn what_no_schema_allows_is_no_call() {
    assert_eq!(parse("bedrock_get_everything", json!({})), Err(Unparsed::UnknownTool));
    for (tool, arguments, expected) in [
        ("bedrock_get_model_stats", json!({"region": "us-east-1"}), "model_id is missing"),
        ("bedrock_get_model_stats", about(json!({"model_id": "a\"b"})), "model_id must match ^["),
        ("bedrock_get_model_stats", about(json!({"account_id": "1"})), "account_id must match ^[0-9]{12}$"),
        (
            "bedrock_get_model_stats",
            about(json!({"period": 5})),
            "bedrock_get_model_stats has no argument period",
        ),
        (
            "bedrock_get_model_stats",
            about(json!({"start_time": "2026-11-09", "end_time": "2026-11-08"})),
            "start_time 2026-11-09T00:00:00Z is not before end_time 2026-11-08T00:00:00Z",
        ),
        (
            "bedrock_ticket",
            about(json!({"start_time": "2026-11-08", "end_time": "2026-11-08"})),
            "start_time 2026-11-08T00:00:00Z is not before end_time",
        ),
        ("bedrock_analyze_requests", about(json!({"time_period_hours": 8785})), "time_period_hours must be"),
        ("bedrock_ticket", about(json!({"form": "2027"})), "form must be one of 2026, 2025, mission"),
        ("bedrock_quota", about(json!({"margin": "-1%"})), "margin must be a percentage"),
        ("s3_object_list", json!({"bucket_name": "b", "max_keys": 1001}), "max_keys must be"),
        ("s3_object_read", json!({"bucket_name": "b", "object_key": ""}), "object_key must have 1 to 4096"),
        (
            "s3_restore_object",
            json!({"bucket_name": "b", "object_key": "k", "days": 366}),
            "days must be a whole number from 1 to 365",
        ),
        ("bedrock_find_request", json!({"request_id": "a/b"}), "request_id must match"),
        (
            "cloudwatch_get_logs",
            json!({"log_group_name": "g", "filter_pattern": "ERROR"}),
            "filter_pattern has one of three forms: requestId: ID, or \"a quoted text\", or { $.requestId = \"ID\" }",
        ),
    ] {
        match parse(tool, arguments) {
            Err(Unparsed::Arguments(wrong)) => assert!(wrong.starts_with(expected), "{wrong}"),
            other => panic!("{tool}: {other:?}"),
        }
    }
}

#[test]
fn failures_of_the_engine_are_passed_on_as_they_are() {
    let engine = MadeUp::default();
    for tool in ["s3_object_list", "s3_object_read"] {
        let arguments = match tool {
            "s3_object_list" => json!({"bucket_name": "other"}),
            _ => json!({"bucket_name": "other", "object_key": "k"}),
        };
        assert_eq!(try_call(&engine, tool, arguments), Err(made_up::not_allowed()));
    }
}

// ---- Shape ----

/// Holds a value against its schema: types, words, and that every field is described.
fn check(value: &Value, schema: &Value, place: &str) {
    let fits = match schema["type"].as_str().expect("a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|it| it.fract() == 0.0),
        other => panic!("{place}: a type {other}"),
    };
    assert!(fits, "{place} is {value}, not of {schema}");
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{place} is {value}, not of {words:?}");
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(name.as_str().expect("a name")).is_some(), "{place} lacks {name}");
    }
    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
        check(item, &schema["items"], &format!("{place}[{at}]"));
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{name}");
        match (schema["properties"].as_object(), schema.get("additionalProperties")) {
            (Some(properties), _) if properties.contains_key(name) => check(field, &properties[name], &place),
            // The text of a large integer.
            (Some(properties), _) => {
                let of = name.strip_suffix("_text").filter(|of| properties.contains_key(*of));
                assert!(of.is_some() && field.is_string(), "{place} is not described");
            }
            (None, Some(additional)) => check(field, additional, &place),
            // A document of another page.
            (None, None) => {}
        }
    }
}

#[test]
fn every_answer_is_what_its_schema_says() {
    let huge = borehole_record::Count::known(1 << 40);
    let large = (0..9_000)
        .map(|second| borehole_record::Invocation { input_tokens: huge, ..served(second % HOUR) })
        .collect();
    let bare = (0..50).map(|minute| unknown(minute * 60)).collect();
    let throttled = (0..50).map(|minute| failed(minute * 60, "ThrottlingException")).collect();
    for (kind, records) in
        [("none", vec![]), ("busy", two_days()), ("bare", bare), ("throttled", throttled), ("large", large)]
    {
        for hostile in [false, true] {
            let engine = MadeUp { hostile, ..MadeUp::of(records.clone()) };
            for ((tool, arguments), definition) in every_call().into_iter().zip(definitions()) {
                let answer = call(&engine, tool, arguments);
                assert_eq!(answer["status"], "complete");
                check(&answer, &definition.output_schema.into(), &format!("{kind} {tool}"));
            }
        }
    }
}

// ---- Text of others ----

/// Fields that hold it; `next_start_after` is the last `key` again.
const FOR_TEXT: [&str; 6] = ["untrusted", "key", "message", "content", "text", "next_start_after"];

fn find_text(value: &Value, field: Option<&str>, found: &mut BTreeSet<String>, place: &str) {
    let is_hazard = |c: char| is_hazardous(c) && !(c == '\n' && matches!(field, Some("text" | "content")));
    let see = |text: &str, found: &mut BTreeSet<String>| {
        assert!(!text.contains(is_hazard), "{place}: {text:?}");
        if text.contains(HOSTILE_WORDS) {
            assert!(field.is_some(), "{place}: {text}");
            found.extend(field.map(str::to_owned));
        }
        if field == Some("untrusted") {
            assert!(text.chars().count() <= CHARACTERS_MAX, "{place}: {text}");
        }
    };
    match value {
        Value::String(text) => see(text, found),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                find_text(item, field, found, &format!("{place}[{at}]"));
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                see(name, found);
                let own = FOR_TEXT.into_iter().find(|own| own == name);
                // A key that is an object holds fields of its own.
                let own = own.filter(|own| *own == "untrusted" || value.is_string());
                find_text(value, own.or(field), found, &format!("{place}.{name}"));
            }
        }
        _ => {}
    }
}

#[test]
fn text_of_others_stands_in_the_fields_for_it_and_nowhere_else() {
    let mut records = two_days();
    records.push(failed(9, HOSTILE));
    let engine = MadeUp { hostile: true, ..MadeUp::of(records) };
    let mut all = BTreeSet::new();
    for (tool, arguments) in every_call() {
        let mut found = BTreeSet::new();
        find_text(&call(&engine, tool, arguments), None, &mut found, tool);
        // The one tool that shows nothing of a log.
        assert_eq!(found.is_empty(), tool == "s3_restore_object", "{tool}");
        all.extend(found);
    }
    // What is there instead of an unknown model.
    let mut found = BTreeSet::new();
    let other = call(&engine, "bedrock_get_model_stats", json!({"model_id": "x", "region": "y"}));
    find_text(&other["nothing_found"], None, &mut found, "nothing_found");
    assert_eq!(Vec::from_iter(found), ["untrusted"]);
    assert_eq!(all, FOR_TEXT.map(str::to_owned).into());
}

#[test]
fn callers_are_in_no_quota() {
    let engine = MadeUp::of(two_days());
    let answer = call(&engine, "bedrock_quota", about(json!({"target": "1%", "growth": "50%"})));
    assert!(!answer.to_string().contains("role/caller"), "{answer}");
    let quota = &answer["quotas"][0];
    assert_eq!(quota["key"]["untrusted"]["model"], MODEL);
    assert_eq!(quota["attribution"]["reservations"]["reserved_text"], (1_u128 << 70).to_string());
    assert_eq!(quota["attribution"]["cache"]["hit_rate"], 0.666667);
    assert_eq!(quota["attribution"]["callers"], 1);
    assert_eq!(
        (&answer["target"], &answer["growth"], &answer["margin"]),
        (&json!(0.01), &json!(0.5), &json!(0))
    );
    assert!(quota["tokens_per_minute"]["requested_peak"].as_u64().is_some_and(|peak| peak > 0), "{quota}");
}

#[test]
fn a_ticket_has_its_text_its_blanks_and_its_facts() {
    let engine = MadeUp::of(two_days());
    for (form, mark) in
        [("2026", "| Account ID |"), ("2025", "steady state (p50)"), ("mission", "| 1. Use case |")]
    {
        let answer = call(&engine, "bedrock_ticket", about(json!({"form": form})));
        let cases = answer["cases"].as_array().expect("cases");
        assert_eq!(cases.len(), 2);
        let (first, second) = (&cases[0], &cases[1]);
        assert_eq!((&first["scope"], &second["scope"]), (&json!("geo"), &json!("on-demand")));
        let text = first["text"].as_str().expect("a text");
        assert!(text.starts_with("# Quota increase") && text.contains(mark), "{form}: {text}");
        // One ticket, not both.
        assert_eq!(text.matches("### Ticket").count(), 1);
        assert_eq!(first["blanks"], first["facts"]["blank"]);
        assert!(first["blanks"].as_array().is_some_and(|blanks| blanks.contains(&json!("use_case"))));
        assert_eq!(first["untrusted"]["model"], MODEL);
        assert_eq!(first["facts"]["tokens_per_minute"]["asked"], true, "{first}");
        assert_eq!(first["facts"]["evidence"]["throttled"], 60);
        // Sentences stand in the text alone: there they are escaped, and not cut.
        let facts = &first["facts"];
        assert_eq!(
            (facts.get("before_sending"), facts.get("commands"), facts.get("untrusted")),
            (None, None, Some(&json!({ "model": MODEL })))
        );
        assert_eq!(facts["assumptions"].get("sentences"), None);
    }
}

// ---- Sums ----

fn numbers(points: &Value, name: &str) -> Vec<u64> {
    points.as_array().expect("points").iter().filter_map(|point| point[name].as_u64()).collect()
}

fn sum(points: &Value, name: &str) -> u64 {
    numbers(points, name).iter().sum()
}

#[test]
fn the_points_of_statistics_add_up_to_their_totals() {
    let engine = MadeUp::of(two_days());
    let answer = call(&engine, "bedrock_get_model_stats", about(json!({})));
    let metrics = &answer["metrics"];
    let invocations = &metrics["invocations"];
    assert_eq!(metrics["period_minutes"], 60);
    assert_eq!(invocations["attempted"], 661);
    assert_eq!(invocations["successful"], 600);
    assert_eq!(invocations["throttled"], 60);
    for name in ["attempted", "successful", "throttled"] {
        assert_eq!(sum(&invocations["data_points"], name), invocations[name].as_u64().expect("a count"));
    }
    assert_eq!(sum(&invocations["data_points"], "errors"), 61);
    assert_eq!(
        invocations["errors"],
        json!([{"untrusted": "ThrottlingException", "requests": 60},
            {"untrusted": "ModelTimeoutException", "requests": 1}])
    );
    assert_eq!(invocations["error_rate"], 0.092284);
    assert_eq!(invocations["throttle_rate"], 0.090772);
    for (name, known) in [("input_tokens", 553), ("output_tokens", 600)] {
        let tokens = &metrics[name];
        assert_eq!(sum(&tokens["data_points"], "tokens"), tokens["total"].as_u64().expect("a total"));
        assert_eq!(tokens["known_requests"], known);
    }
    let latency = &metrics["latency"];
    assert_eq!((&latency["count"], &latency["known_share"]), (&json!(600), &json!(1)));
    assert_eq!(sum(&latency["data_points"], "count"), 600);
    assert_eq!(latency["first_byte"]["p99"], 90);
    assert_eq!(latency["first_byte"]["count"], 55);

    // The same as a report of the same records.
    let moments = engine.moments(&Period::Between { from: None, to: None }).expect("records");
    let tokens = engine.figures(&moments, None).totals.tokens;
    assert_eq!(metrics["input_tokens"]["total"], json!(tokens.input as u64));
    assert_eq!(metrics["prompt_tokens"]["total"], json!(tokens.prompt as u64));
    assert_eq!(answer["time_range"], json!({"start": "2026-11-08T00:00:00Z", "end": "2026-11-09T05:00:00Z"}));
    assert_eq!(answer["now"], json!({"at": "2026-11-09T05:00:00Z", "is": "end_of_data"}));
    assert_eq!(answer["assumptions"], json!(["a sentence of the engine"]));
    assert_eq!(answer["listed_at"], "2026-11-08T00:00:00Z");
}

#[test]
fn now_is_said_only_where_nobody_gave_an_end() {
    let engine = MadeUp::of(two_days());
    let answer = call(&engine, "bedrock_get_model_stats", about(json!({"end_time": "2026-11-09"})));
    assert_eq!((answer.get("now"), &answer["time_range"]["end"]), (None, &json!("2026-11-09T00:00:00Z")));
    assert_eq!(answer["metrics"]["output_tokens"]["total"], 30_000);
}

#[test]
fn health_is_cut_with_a_count_of_what_is_left_out() {
    let health = call(&MadeUp::of(two_days()), "bedrock_quota", about(json!({})))["health"].clone();
    assert_eq!((&health["complete"], &health["omitted"]), (&json!(true), &json!(3)));
    assert_eq!(health["coverage"].as_array().map(Vec::len), Some(20));
    let entry = &health["coverage"][0];
    assert_eq!(entry["gaps"].as_array().map(Vec::len), Some(20));
    assert_eq!(
        (&entry["omitted"], &entry["account"], &entry["region"]),
        (&json!(16), &json!(made_up::ACCOUNT), &json!(REGION))
    );
    assert_eq!(health["warnings"], json!({"clock_skew": 3}));
}

#[test]
fn the_distribution_and_the_hours_of_the_day_add_up_to_the_statistics() {
    let engine = MadeUp::of(two_days());
    let answer = call(&engine, "bedrock_analyze_requests", about(json!({"time_period_hours": 48})));
    let statistics = &answer["statistics"];
    let points = &answer["distribution"]["data_points"];
    assert_eq!(answer["distribution"]["step_minutes"], 60);
    for (total, name) in [
        ("total_requests", "requests"),
        ("total_input_tokens", "input_tokens"),
        ("total_output_tokens", "output_tokens"),
    ] {
        assert_eq!(sum(points, name), statistics[total].as_u64().expect("a total"), "{name}");
    }
    let high = answer["high_token"]["by_input"]["requests"].as_u64().expect("a count");
    let pattern = &answer["high_token_pattern"];
    assert!(high > 0);
    assert_eq!((sum(points, "above_25000"), sum(&pattern["by_hour_of_day"], "above_25000")), (high, high));
    assert_eq!(pattern["input_bands"]["above_25000"], high);
    // Both days have their calls in the same hours.
    assert_eq!(numbers(&pattern["by_hour_of_day"], "hour"), [0, 1, 2, 3, 4]);
    assert_eq!(numbers(&pattern["by_hour_of_day"], "requests"), [120; 5]);
    assert_eq!(numbers(points, "requests"), [60; 10]);
    // As a report has them.
    let moments = engine.moments(&Period::Last { hours: 48 }).expect("records");
    let figures = engine.figures(&moments, None);
    assert_eq!(statistics["total_input_tokens"], json!(figures.totals.tokens.input as u64));
    assert_eq!(
        (&statistics["average_input_tokens_per_request"], &statistics["average_output_tokens_per_request"]),
        (&json!(5_142.857143), &json!(100))
    );
    assert_eq!(answer["requests"]["throttled"], 60);
    // A day before the end of the data.
    let day = call(&engine, "bedrock_analyze_requests", about(json!({})));
    assert_eq!(day["time_range"], json!({"start": "2026-11-08T05:00:00Z", "end": "2026-11-09T05:00:00Z"}));
    assert_eq!(day["statistics"]["total_requests"], 300);
}

#[test]
fn a_year_of_hours_is_at_most_1500_steps() {
    let engine = MadeUp::of((0..8_784).map(|hour| served(hour * HOUR)).collect());
    let answer = call(&engine, "bedrock_analyze_requests", about(json!({"time_period_hours": 8_784})));
    let points = &answer["distribution"]["data_points"];
    assert_eq!(answer["distribution"]["step_minutes"], 6 * 60);
    assert_eq!((numbers(points, "requests").len(), sum(points, "requests")), (1_464, 8_784));
    assert_eq!(points[1]["timestamp"], "2026-11-08T06:00:00Z");
    assert_eq!(numbers(&answer["high_token_pattern"]["by_hour_of_day"], "requests"), [366; 24]);
}

#[test]
fn the_points_of_a_series_add_up_to_its_minutes() {
    let engine = MadeUp::of(two_days());
    let moments = engine.moments(&Period::Between { from: None, to: None }).expect("records");
    let figures = engine.figures(&moments, Some(Grain::Minute)).totals;
    for (period, points) in [(2, 300), (7, 86), (60, 10), (1_000, 2), (1_440, 2)] {
        let answer = call(&engine, "bedrock_get_token_metrics", about(json!({ "period": period })));
        assert_eq!((&answer["period_minutes"], &answer["assumptions"][1]), (&json!(period), &Value::Null));
        for (name, series) in [
            ("tokens_per_minute", figures.tokens_per_minute.as_ref()),
            ("requests_per_minute", figures.requests_per_minute.as_ref()),
            ("quota_tokens_per_minute", figures.quota_tokens_per_minute.as_ref()),
            ("reserved_tokens_per_minute", figures.reserved_tokens_per_minute.as_ref()),
        ] {
            let series = series.expect("it is known");
            let shown = &answer[name];
            let minutes: u64 = series.data_points.iter().flatten().map(|(_, value)| value).sum();
            assert_eq!(numbers(&shown["data_points"], "sum").len(), points, "{name} {period}");
            assert_eq!(sum(&shown["data_points"], "sum"), minutes, "{name} {period}");
            assert_eq!(numbers(&shown["data_points"], "peak").into_iter().max(), Some(series.peak));
            assert_eq!(shown["peak"], series.peak);
            assert_eq!(shown["peak_minute"], series.peak_minute.to_string());
            assert_eq!(shown["p50"], series.p50);
        }
    }
    let answer = call(&engine, "bedrock_get_token_metrics", about(json!({})));
    let first = &answer["requests_per_minute"]["data_points"][0];
    assert_eq!(
        first,
        &json!({"timestamp": "2026-11-08T00:00:00Z", "sum": 67, "average": 1.116667, "peak": 3})
    );
    // Calls without input count are in no sum of what they were charged.
    assert_eq!(answer["quota_tokens_per_minute"]["known_requests"], 553);
    assert_eq!(answer["quota_tokens_unknown"], 47);
}

#[test]
fn too_many_points_are_put_together_and_it_is_said() {
    let engine = MadeUp::of((0..3_001).map(|minute| served(minute * 60)).collect());
    let answer = call(&engine, "bedrock_get_token_metrics", about(json!({"period": 1})));
    assert_eq!(answer["period_minutes"], 10);
    let points = &answer["tokens_per_minute"]["data_points"];
    // Of four series.
    assert_eq!((numbers(points, "sum").len(), sum(points, "sum")), (301, 3_001 * 1_100));
    assert_eq!(
        answer["assumptions"][1],
        "data points have 10 minutes instead of 1, so that there are no more than 1500"
    );
}

#[test]
fn a_period_in_the_middle_of_minutes_is_looked_at_as_it_is() {
    let engine = MadeUp::of((0..120).map(|minute| served(minute * 60)).collect());
    let arguments = about(json!({"start_time": "2026-11-08T00:30:00Z", "end_time": "2026-11-08T01:15:00Z"}));
    let answer = call(&engine, "bedrock_get_token_metrics", arguments);
    let points = &answer["requests_per_minute"]["data_points"];
    assert_eq!((numbers(points, "sum"), numbers(points, "average")), (vec![30, 15], vec![1, 1]));
}

// ---- What is not known ----

#[test]
fn a_subject_without_requests_has_an_answer() {
    let none = MadeUp::default();
    let stats = call(&none, "bedrock_get_model_stats", about(json!({})));
    assert_eq!(stats.get("time_range"), None);
    let metrics = &stats["metrics"];
    assert_eq!(
        metrics["invocations"],
        json!({"attempted": 0, "successful": 0, "throttled": 0, "errors": [], "data_points": []})
    );
    assert_eq!(metrics["input_tokens"], json!({"total": 0, "known_requests": 0, "data_points": []}));
    assert_eq!(metrics.get("latency"), None);
    assert_eq!(
        stats["nothing_found"]["untrusted"],
        json!({"models": [MODEL], "regions": [REGION], "accounts": [made_up::ACCOUNT], "meant": MODEL})
    );

    let requests = call(&none, "bedrock_analyze_requests", about(json!({})));
    assert_eq!(
        requests["statistics"],
        json!({"total_requests": 0, "total_input_tokens": 0, "total_output_tokens": 0})
    );
    assert_eq!(requests["distribution"]["data_points"], json!([]));
    let tokens = call(&none, "bedrock_get_token_metrics", about(json!({})));
    assert_eq!(tokens["tokens_per_minute"], json!({"peak": 0, "data_points": []}));
    assert_eq!(tokens.get("quota_tokens_per_minute"), None);
    for tool in ["bedrock_ticket", "bedrock_quota"] {
        let answer = call(&none, tool, about(json!({})));
        assert!(answer["nothing_found"]["message"].is_string(), "{answer}");
    }

    // Another model: the period is that of the data.
    let some = MadeUp::of(two_days());
    let stats = call(&some, "bedrock_get_model_stats", json!({"model_id": "other", "region": REGION}));
    assert_eq!(
        (&stats["model_id"], &stats["time_range"]["start"]),
        (&json!("other"), &json!("2026-11-08T00:00:00Z"))
    );
    assert!(stats["nothing_found"].is_object());
}

#[test]
fn counts_that_no_record_has_are_absent_and_never_0() {
    let engine = MadeUp::of((0..60).map(|minute| unknown(minute * 60)).collect());
    let metrics = call(&engine, "bedrock_get_model_stats", about(json!({})))["metrics"].clone();
    assert_eq!(metrics["invocations"]["successful"], 60);
    for name in ["input_tokens", "output_tokens"] {
        assert_eq!(metrics[name], json!({"known_requests": 0, "data_points": []}));
    }
    assert_eq!((&metrics["prompt_tokens"], metrics.get("latency")), (&json!({}), None));

    let requests = call(&engine, "bedrock_analyze_requests", about(json!({})));
    assert_eq!(requests["statistics"], json!({"total_requests": 60}));
    assert_eq!(
        requests["distribution"]["data_points"],
        json!([{"timestamp": "2026-11-08T00:00:00Z", "requests": 60}])
    );
    assert_eq!(requests["high_token_pattern"]["by_hour_of_day"], json!([{"hour": 0, "requests": 60}]));
    assert_eq!(requests["high_token"]["by_input"].get("share"), None);

    let tokens = call(&engine, "bedrock_get_token_metrics", about(json!({})));
    for name in ["tokens_per_minute", "quota_tokens_per_minute", "reserved_tokens_per_minute"] {
        assert_eq!(tokens.get(name), None, "{name}");
    }
    assert_eq!(tokens["requests_per_minute"]["peak"], 1);
}

#[test]
fn huge_sums_are_exact() {
    let huge = borehole_record::Count::known(1 << 40);
    let records: Vec<_> = (0..9_000)
        .map(|second| borehole_record::Invocation { input_tokens: huge, ..served(second % HOUR) })
        .collect();
    let engine = MadeUp::of(records);
    let answer = call(&engine, "bedrock_analyze_requests", about(json!({})));
    let expected = 9_000 * (1_u64 << 40);
    assert_eq!(answer["statistics"]["total_input_tokens"], expected);
    assert_eq!(answer["statistics"]["total_input_tokens_text"], expected.to_string());
    assert_eq!(answer["distribution"]["data_points"][0]["input_tokens_text"], expected.to_string());
    assert_eq!(answer["statistics"]["average_input_tokens_per_request"], 1_u64 << 40);
}

// ---- Objects and events ----

#[test]
fn a_listing_is_gone_through_page_by_page() {
    let engine = MadeUp::default();
    let mut keys = Vec::new();
    let mut arguments = json!({"bucket_name": "logs", "prefix": "p/", "max_keys": 3});
    loop {
        let answer = call(&engine, "s3_object_list", arguments.clone());
        let page = answer["objects"].as_array().expect("objects");
        assert_eq!(answer["key_count"], page.len());
        assert_eq!(answer["folders_not_listed"], 1);
        keys.extend(page.iter().filter_map(|object| object["key"].as_str().map(str::to_owned)));
        assert_eq!(answer["is_truncated"], answer.get("next_start_after").is_some());
        match answer.get("next_start_after") {
            Some(next) => arguments["start_after"] = next.clone(),
            None => break,
        }
    }
    assert_eq!(keys, ["p/a", "p/b", "p/c", "p/d"]);
}

#[test]
fn an_object_shows_envelopes_and_its_text_only_where_there_is_one() {
    let arguments = || json!({"bucket_name": "logs", "object_key": "a"});
    let withheld = call(&MadeUp::default(), "s3_object_read", arguments());
    assert_eq!(withheld.get("content"), None);
    assert!(withheld["content_withheld"].is_string());
    assert_eq!(
        (&withheld["records"], withheld["envelopes"].as_array().map(Vec::len)),
        (&json!(30), Some(20))
    );
    assert_eq!(withheld["envelopes"][0]["untrusted"]["input"]["inputTokenCount"], 12);
    let shown = call(&MadeUp { hostile: true, ..MadeUp::default() }, "s3_object_read", arguments());
    assert_eq!((&shown["content_is_cut"], shown.get("content_withheld")), (&json!(true), None));
    // Whole, unlike strings of envelopes, and with its lines.
    let content = shown["content"].as_str().expect("a text");
    assert!(content.len() > 2 * CHARACTERS_MAX && content.lines().count() == 2, "{content}");
}

#[test]
fn events_look_like_those_of_cloudwatch() {
    let engine = MadeUp::of(two_days());
    let arguments = json!({"log_group_name": "/aws/bedrock", "filter_pattern": "\"role/app\"", "limit": 2});
    let answer = call(&engine, "cloudwatch_get_logs", arguments);
    assert_eq!((&answer["log_group_name"], &answer["more"]), (&json!("/aws/bedrock"), &json!(true)));
    let event = &answer["events"][0];
    assert_eq!((&event["timestamp"], &event["key"]), (&json!(START * 1_000), &json!("s3://logs/x")));
    let envelope: Map<String, Value> =
        serde_json::from_str(event["message"].as_str().expect("a text")).expect("JSON");
    assert_eq!(envelope["modelId"], MODEL);
    assert_eq!(answer["searched"]["objects_read"], 5);
    assert_eq!(answer["searched"]["time_range"]["start"], Timestamp::from_seconds(START).to_string());
    assert_eq!(answer["assumptions"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_request_is_shown_as_find_shows_it_with_the_words_of_logs_set_apart() {
    let answer = call(&MadeUp::default(), "bedrock_find_request", json!({"request_id": "5F3C"}));
    assert_eq!((&answer["request_id"], &answer["schema"]), (&json!("5F3C"), &json!("borehole.find/1")));
    let document = &answer["documents"][0];
    assert_eq!(
        document["facts"],
        json!({"timestamp": "2026-11-08T00:00:00Z", "input_tokens": 3, "tags": 2, "http_status": 200,
            "untrusted": {"model": MODEL, "account": made_up::ACCOUNT, "identity": "arn"}})
    );
    assert_eq!(document["output"]["untrusted"], json!({"path": "s3://large/x"}));
    assert_eq!(document["input"]["content"], json!(["text"]));
    assert_eq!((document.get("counted"), &answer["range"]), (None, &json!({})));
    assert_eq!(answer["searched"]["failed"], json!({"gz_crc": 1}));
}
