//! `borehole quota` as its users run it: against an independent oracle, against `analyze`, and by hand-made logs
//! whose answer is plain.

mod support;

use std::process::Command;

use serde_json::{Value, json};
use support::{Dump, Run, borehole, call, failed_call, has_python, repository, run};

/// The moment whose rules the tests count by.
const RULES: &str = "2026-11-22";

fn quota(arguments: &[&str]) -> Run {
    run(borehole().arg("quota").args(arguments).args(["--now", RULES]))
}

#[track_caller]
fn answer(arguments: &[&str]) -> Value {
    quota(&[arguments, &["--format", "json", "-q"]].concat()).ends(0).json()
}

/// A call that names `max_tokens` and took so long.
fn asking(number: u32, timestamp: &str, input: u64, output: u64, max_tokens: u64, latency_ms: u64) -> Value {
    let mut record = call(number, timestamp, input, output);
    record["input"]["inputBodyJson"]["inferenceConfig"] = json!({"maxTokens": max_tokens});
    record["output"]["outputBodyJson"]["metrics"]["latencyMs"] = json!(latency_ms);
    record
}

fn enough(quota: &Value, measure: &str, demand: &str) -> Vec<u64> {
    let answers = quota[measure]["enough"].as_array().expect("answers").iter();
    answers
        .filter(|answer| answer["demand"] == demand)
        .map(|answer| answer["quota"].as_u64().expect("a quota"))
        .collect()
}

#[test]
fn an_independent_replay_of_the_raw_logs_gives_the_same_quotas() {
    if !has_python() {
        return;
    }
    for (layout, requests, seed, target) in
        [("aws", "1500", "5", "0.1%"), ("aws", "600", "6", "5%"), ("split", "400", "7", "1%")]
    {
        let place = Dump::new();
        let dump = place.at("dump");
        let words = [
            "synth",
            &dump,
            "--layout",
            layout,
            "--requests",
            requests,
            "--seed",
            seed,
            "--accounts",
            "1",
            "-q",
        ];
        run(borehole().args(words).args(["--regions", "us-east-1"])).ends(0);
        let file = place.at("answer.json");
        quota(&[&dump, "--target", target, "-o", &file, "-q"]).ends(0);
        let share: f64 = target.trim_end_matches('%').parse().expect("a number");
        let output = Command::new("python3")
            .arg("fixtures/quota_oracle.py")
            .args([&dump, "--now", RULES, "--compare", &file, "--attempts-max", "150"])
            .args(["--target", &format!("{:.0}", share * 10_000.0)])
            .current_dir(repository())
            .output()
            .expect("python3 runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    }
}

#[test]
fn peak_and_steady_are_those_of_the_report() {
    let place = Dump::new();
    let dump = place.at("dump");
    run(borehole().args(["synth", &dump, "--requests", "800", "--seed", "9", "-q"])).ends(0);
    let found = answer(&[&dump]);
    let report = run(borehole()
        .args(["analyze", &dump, "--now", RULES, "--rules-at", RULES])
        .args(["--format", "json", "-q"]))
    .ends(0)
    .json();
    let groups = report["groups"].as_array().expect("groups");
    let quotas = found["quotas"].as_array().expect("quotas");
    assert_eq!(quotas.len(), groups.len());
    let mut compared = 0;
    // A call of an impossible time is a request of the report, but of no minute.
    let attempts = |entries: &[Value], part: fn(&Value) -> &Value| -> u64 {
        entries.iter().map(|entry| part(entry).as_u64().expect("attempts")).sum()
    };
    let outliers = report["health"]["warnings"]["time_outlier"].as_u64().expect("synth makes some");
    assert_eq!(
        attempts(groups, |group| &group["requests"]["attempted"]),
        attempts(quotas, |quota| &quota["attempted"]) + outliers
    );
    for quota in quotas {
        let group = groups.iter().find(|group| group["key"] == quota["key"]).expect("the group of a quota");
        for (ours, theirs) in
            [("tokens_per_minute", "quota_tokens_per_minute"), ("requests_per_minute", "requests_per_minute")]
        {
            if quota[ours].is_null() || group[theirs].is_null() {
                continue;
            }
            compared += 1;
            assert_eq!(quota[ours]["steady"], group[theirs]["p50"], "{}", quota["key"]);
            assert_eq!(quota[ours]["peak"], group[theirs]["peak"]);
            assert_eq!(quota[ours]["peak_minute"], group[theirs]["peak_minute"]);
        }
        let (day, group_day) = (&quota["tokens_per_day"], &group["quota_tokens_per_day"]);
        if !day.is_null() && !group_day.is_null() {
            assert_eq!((&day["peak"], &day["peak_day"]), (&group_day["peak"], &group_day["peak_day"]));
            assert_eq!(day["rolling_24h"], group_day["rolling_24h"]);
        }
    }
    assert!(compared > quotas.len(), "few figures were there to compare");
}

#[test]
fn reservations_not_answers_decide_what_is_enough() {
    let dump = Dump::new();
    // Each reserves 1,000 + 9,000 for 40 s and settles at 1,000 + 10: three run at once.
    let records: Vec<Value> = (0..3)
        .map(|number| asking(number, &format!("2024-03-11T07:00:0{number}Z"), 1_000, 10, 9_000, 40_000))
        .collect();
    dump.put_aws("2024/03/11/07", "a.json.gz", &records);
    let root = dump.root();
    let found = answer(&[&root, "--target", "0%"]);
    let quota = &found["quotas"][0];
    assert_eq!(quota["tokens_per_minute"]["peak"], 3 * 1_010);
    // A bucket refills by half a minute's worth in 30 s, here by 2/60 of it before the third call.
    assert_eq!(enough(quota, "tokens_per_minute", "likely"), [29_033, 30_000, 30_000]);
    assert_eq!(enough(quota, "requests_per_minute", "likely"), [3, 3, 3]);
    assert_eq!(quota["tokens_per_minute"]["requested_peak"], 30_000);

    let capped = answer(&[&root, "--target", "0%", "--cap-max-tokens", "100"]);
    assert_eq!(enough(&capped["quotas"][0], "tokens_per_minute", "likely")[1], 3_300);
    let asked = answer(&[&root, "--target", "0%", "--growth", "20%", "--margin", "10%"]);
    assert_eq!(asked["quotas"][0]["tokens_per_minute"]["requested_peak"], 40_000, "39,600 rounded up");
    assert_eq!(asked["growth"], json!(0.2));
}

#[test]
fn a_trial_tells_how_many_when_and_whom() {
    let dump = Dump::new();
    let mut records: Vec<Value> =
        (0..6).map(|number| asking(number, "2024-03-11T07:00:05Z", 100, 10, 100, 1_000)).collect();
    records.push(failed_call(9, "2024-03-11T07:30:00Z", "ThrottlingException"));
    dump.put_aws("2024/03/11/07", "a.json.gz", &records);
    let found = answer(&[&dump.root(), "--tpm", "800", "--rpm", "5"]);
    let trials = found["quotas"][0]["trials"].as_array().expect("trials");
    assert_eq!(trials.len(), 3);
    for trial in trials {
        assert_eq!((&trial["refused"], &trial["of"]), (&json!(2), &json!(7)), "{trial}");
        assert_eq!(trial["worst_minutes"], json!([{"minute": "2024-03-11T07:00:00Z", "requests": 2}]));
        assert_eq!(trial["callers"][0]["requests"], 2);
        assert_eq!(trial["minutes_also_logged"], 0);
    }
    let text = quota(&[&dump.root(), "--tpm", "800", "-q"]).ends(0).out;
    assert!(text.contains("TRIAL"), "{text}");
}

#[test]
fn what_is_missing_is_said_and_not_guessed() {
    let dump = Dump::new();
    let mut record = call(1, "2024-03-11T07:00:00Z", 10, 5);
    record["modelId"] = json!("anthropic.claude-nobody-9-20990101-v1:0");
    let mut profile = call(2, "2024-03-11T07:00:00Z", 10, 5);
    let arn = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123def456";
    profile["modelId"] = json!(arn);
    dump.put_aws("2024/03/11/07", "a.json.gz", &[record, profile]);
    let found = answer(&[&dump.root()]);
    for quota in found["quotas"].as_array().expect("quotas") {
        assert!(quota["tokens_per_minute"].is_null(), "{quota}");
        assert!(quota["charge"]["burndown"].is_null());
    }
    let text = quota(&[&dump.root(), "-q"]).ends(0).out;
    assert!(text.contains("unknown: no rule names this model"), "{text}");

    dump.put("profiles.json", json!({arn: "us.anthropic.claude-3-haiku-20240307-v1:0"}).to_string());
    let profiles = dump.at("profiles.json");
    let mapped = answer(&[&dump.at("AWSLogs"), "--inference-profiles", &profiles]);
    let keys: Vec<&Value> =
        mapped["quotas"].as_array().expect("quotas").iter().map(|quota| &quota["key"]["scope"]).collect();
    assert!(keys.contains(&&json!("geo")), "{keys:?}");
}

#[test]
fn strings_of_the_log_do_not_reach_the_terminal() {
    let dump = Dump::new();
    let evil = "evil\u{1b}]0;owned\u{7}\u{202e}model";
    let mut record = asking(1, "2024-03-11T07:00:00Z", 10, 5, 100, 400);
    record["modelId"] = json!(evil);
    record["identity"]["arn"] = json!(format!("arn:aws:iam::111122223333:user/{evil}"));
    dump.put_aws("2024/03/11/07", "a.json.gz", &[record, call(2, "2024-03-11T07:00:00Z", 1, 1)]);
    let text = quota(&[&dump.root(), "-q", "--tpm", "1"]).ends(0).out;
    let json = quota(&[&dump.root(), "-q", "--tpm", "1", "--format", "json"]).ends(0).out;
    for out in [text, json] {
        assert!(out.contains("evil"), "{out}");
        assert!(!out.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{out:?}");
    }
}

#[test]
fn wrong_what_ifs_and_files_are_usage_errors() {
    let dump = Dump::new();
    dump.put_aws("2024/03/11/07", "a.json.gz", &[call(1, "2024-03-11T07:00:00Z", 10, 5)]);
    dump.put("rules.toml", "schema = \"borehole.rules/1\"\n[[burndown]]\nmodels = [\"x\"]\nrat = 5\n");
    dump.put("quotas.json", "{}{");
    let (root, rules, quotas) = (dump.at("AWSLogs"), dump.at("rules.toml"), dump.at("quotas.json"));
    for arguments in [
        vec!["--without", "role=nobody"],
        vec!["--without", "nobody"],
        vec!["--cap-max-tokens", "p200"],
        vec!["--cap-max-tokens", "many"],
        vec!["--target", "-1%"],
        vec!["--tpm", "0"],
        vec!["--rules", &rules],
        vec!["--rules", "/nowhere"],
        vec!["--service-quotas", &quotas],
    ] {
        let ended = quota(&[&[root.as_str()], arguments.as_slice()].concat());
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.err);
        assert!(ended.out.is_empty());
    }
    let without = answer(&[&root, "--without", "role=app"]);
    assert_eq!(enough(&without["quotas"][0], "tokens_per_minute", "likely"), [0, 0, 0]);
}

#[test]
fn another_model_charges_by_its_own_rates() {
    let dump = Dump::new();
    dump.put_aws("2024/03/11/07", "a.json.gz", &[asking(1, "2024-03-11T07:00:00Z", 100, 1_000, 100, 1_000)]);
    let root = dump.root();
    let arguments =
        [root.as_str(), "--target", "0%", "--as-model", "anthropic.claude-sonnet-4-5-20250929-v1:0"];
    let needs = |found: &Value| {
        let need = &found["quotas"][0]["tokens_per_minute"];
        (need["steady"].clone(), need["requested_steady"].clone(), need["requested_peak"].clone())
    };
    // 1x settles at 100 + 1,000, 5x at 100 + 5,000; either reserves 200 only.
    assert_eq!(needs(&answer(&arguments[..3])), (json!(1_100), json!(1_100), json!(200)));
    assert_eq!(needs(&answer(&arguments)), (json!(1_100), json!(5_100), json!(200)));
}

#[test]
fn cloudwatch_is_held_against_the_log() {
    let dump = Dump::new();
    let records: Vec<Value> = (0..4)
        .map(|number| asking(number, &format!("2024-03-11T07:0{number}:00Z"), 100, 10, 100, 1_000))
        .collect();
    dump.put_aws("2024/03/11/07", "a.json.gz", &records);
    let times: Vec<String> = (0..4).map(|minute| format!("2024-03-11T07:0{minute}:00+00:00")).collect();
    let metrics = json!({"MetricDataResults": [
        {"Id": "m1", "Label": "Invocations", "Timestamps": times, "Values": [1.0, 1.0, 1.0, 1.0], "StatusCode": "Complete"},
        {"Id": "m2", "Label": "OutputTokenCount", "Timestamps": times, "Values": [10.0, 10.0, 12.0, 10.0], "StatusCode": "Complete"},
    ]});
    dump.put("metrics.json", metrics.to_string());
    dump.put("metrics.txt", "{");
    let (root, file) = (dump.at("AWSLogs"), dump.at("metrics.json"));
    let found = quota(&[&root, "--cloudwatch", &file, "--format", "json", "-q"]).ends(0).json();
    assert_eq!(found["schema"], "borehole.reconciliation/1");
    let csv = dump.at("sheet.csv");
    quota(&[&root, "--cloudwatch", &file, "--period", "day", "-o", &csv, "-q"]).ends(0);
    let sheet = std::fs::read_to_string(&csv).expect("the sheet");
    assert!(sheet.lines().any(|line| line.ends_with(",OutputTokenCount,42,40,2")), "{sheet}");
    let text = quota(&[&root, "--cloudwatch", &file, "-q"]).ends(0).out;
    assert!(text.contains("OutputTokenCount"), "{text}");
    let wrong = quota(&[&root, "--cloudwatch", &dump.at("metrics.txt")]).ends(2);
    assert!(wrong.err.contains("metrics.txt"), "{}", wrong.err);
}

#[test]
fn use_is_held_against_the_applied_quotas() {
    let dump = Dump::new();
    let mut record = asking(1, "2024-03-11T07:00:00Z", 1_000, 100, 1_000, 400);
    record["modelId"] = json!("us.anthropic.claude-sonnet-4-5-20250929-v1:0");
    dump.put_aws("2024/03/11/07", "a.json.gz", &[record]);
    let quota = |code: &str, name: &str, value: f64| {
        json!({"ServiceCode": "bedrock", "QuotaCode": code, "QuotaName": name, "Value": value, "Adjustable": true,
               "QuotaArn": format!("arn:aws:servicequotas:us-east-1:111122223333:bedrock/{code}")})
    };
    let model = "Anthropic Claude Sonnet 4.5 V1";
    let quotas = [
        quota("L-F4DDD3EB", &format!("Cross-region model inference tokens per minute for {model}"), 3_000.0),
        quota(
            "L-381AD9EE",
            &format!("Model invocation max tokens per day for {model} (doubled for cross-region calls)"),
            1_500.0,
        ),
    ];
    dump.put("quotas/us-east-1.json", json!({"Quotas": quotas}).to_string());
    let (root, quotas) = (dump.at("AWSLogs"), dump.at("quotas"));
    let found = answer(&[&root, "--service-quotas", &quotas, "--target", "0%"]);
    // 1,000 + 5 × 100 settled; 2,000 reserved.
    let applied = found["quotas"][0]["applied"].as_array().expect("applied quotas").clone();
    let brief: Vec<Value> = applied
        .iter()
        .map(|it| json!([it["limit"], it["value"], it["usable"], it["peak_use"], it["need"]]))
        .collect();
    assert_eq!(
        brief,
        [
            json!(["tokens_per_minute", 3_000, 3_000, 0.5, 0.666667]),
            json!(["tokens_per_day", 1_500, 3_000, 0.5, 0.5]),
        ]
    );
    let text = self::quota(&[&root, "--service-quotas", &quotas, "-q"]).ends(0).out;
    assert!(text.contains("3,000 TPM (L-F4DDD3EB): peak uses 50 %"), "{text}");
    assert!(text.contains("3,000 for geo calls"), "{text}");
}

#[test]
fn scopes_that_become_one_draw_on_one_quota() {
    let dump = Dump::new();
    let mut geo = asking(1, "2024-03-11T07:00:00Z", 100, 10, 100, 1_000);
    geo["modelId"] = json!("us.anthropic.claude-3-haiku-20240307-v1:0");
    let bare = asking(2, "2024-03-11T07:00:00Z", 100, 10, 100, 1_000);
    dump.put_aws("2024/03/11/07", "a.json.gz", &[geo, bare]);
    let apart = answer(&[&dump.root()]);
    assert_eq!(apart["quotas"].as_array().map(Vec::len), Some(2));
    let together = answer(&[&dump.root(), "--as-scope", "global"]);
    let quotas = together["quotas"].as_array().expect("quotas");
    assert_eq!(quotas.len(), 1);
    assert_eq!(quotas[0]["key"]["scope"], "global");
    assert_eq!(enough(&quotas[0], "tokens_per_minute", "likely"), [400, 400, 400]);
}

#[test]
fn threads_and_order_of_reading_change_nothing() {
    let place = Dump::new();
    let dump = place.at("dump");
    run(borehole().args(["synth", &dump, "--requests", "500", "--seed", "4", "-q"])).ends(0);
    let with = |more: &[&str]| {
        let out =
            quota(&[&[dump.as_str(), "--tpm", "50000", "--format", "json", "-q"], more].concat()).ends(0).out;
        support::without_run(&out)
    };
    let plain = with(&["--threads", "1"]);
    assert_eq!(with(&["--threads", "8", "--shuffle", "3"]), plain);
    assert_eq!(with(&["--threads", "3", "--shuffle", "11"]), plain);
}
