//! The sheet of a reconciliation in its three forms.

use borehole_quota::cloudwatch::{CloudWatch, Reconciliation, reconcile};
use borehole_quota::{Attempt, CallerId, Ending, QuotaKey};
use borehole_record::{Count, ProfileMap, Scope};
use borehole_report::reconciliation::{csv, text, to_json};
use borehole_report::text::TextStyle;
use borehole_usage::{Charge, MaxTokens, Tokens};
use unicode_width::UnicodeWidthStr;

/// 2024-03-11T07:00:00Z.
const START: i64 = 1_710_140_400;

fn attempt(second: i64, ending: Ending, tokens: u64) -> Attempt {
    let known = |count| if ending == Ending::Successful { Count::known(count) } else { Count::UNKNOWN };
    let tokens = Tokens {
        input: known(tokens),
        output: known(tokens / 10),
        cache_read: Count::UNKNOWN,
        cache_write: Count::UNKNOWN,
        max_tokens: MaxTokens::Unset,
    };
    Attempt { second: START + second, ending, tokens, latency_ms: Count::known(300), caller: CallerId(0) }
}

fn sheet(file: &str, attempts: &[Attempt]) -> Reconciliation {
    let mut cloudwatch = CloudWatch::default();
    cloudwatch.read(file.as_bytes()).expect("a fine file");
    let mut log = cloudwatch.log_counts().expect("a period");
    let key = QuotaKey {
        account: Some("111122223333".into()),
        region: Some("us-east-1".into()),
        model: "anthropic.claude-sonnet-4-5-20250929-v1:0".into(),
        scope: Scope::Geo,
    };
    let charge = Charge { burndown: Some(5), ..Charge::default() };
    log.add(&key, attempts.iter().copied(), |_| charge);
    reconcile(&cloudwatch, &log, &ProfileMap::default(), None).expect("a sheet")
}

/// Ten minutes: four calls a minute and now and then a failure or a throttle; the log lacks minute 6, and
/// CloudWatch has more throttles and charges 15 an output token.
fn sample() -> Reconciliation {
    let mut file =
        "timestamp,Invocations,InvocationThrottles,InputTokenCount,EstimatedTPMQuotaUsage,InvocationLatency,\
                    Weird\u{1b}[31mMetric\n"
            .to_owned();
    let mut attempts = Vec::new();
    for minute in 0..10 {
        let failed = i64::from(minute % 5 == 0);
        let throttled = i64::from(minute == 3) * 2;
        file.push_str(&format!(
            "2024-03-11T07:{minute:02}:00Z,{},{},4000,10000,31.5,1\n",
            4 + failed,
            throttled * 2
        ));
        let at = |n: i64| minute * 60 + n;
        if minute == 6 {
            continue;
        }
        attempts.extend((0..4).map(|n| attempt(at(n), Ending::Successful, 1_000)));
        attempts.extend((0..failed).map(|n| attempt(at(10 + n), Ending::Failed, 0)));
        attempts.extend((0..throttled).map(|n| attempt(at(20 + n), Ending::Throttled, 0)));
    }
    sheet(&file, &attempts)
}

fn narrow() -> TextStyle {
    TextStyle { width: 80, ..TextStyle::default() }
}

#[test]
fn the_text_fits_eighty_columns_and_says_what_is_likely() {
    let expected = "\
CLOUDWATCH  2024-03-11 07:00 → 07:10 UTC, end excluded (10 min)
periods     1 min in the files · calls counted by their start

metric                    CloudWatch     log  difference  equal
Invocations (successful)          42      36          +6   70 %
Invocations (accepted)            42      38          +4   90 %
InvocationThrottles                4       2          +2    0 %
InvocationErrors                   –       2           –      –
InputTokenCount               40,000  36,000      +4,000   90 %
OutputTokenCount                   –   3,600           –      –
EstimatedTPMQuotaUsage       100,000  54,000     +46,000    0 %
difference: CloudWatch less the log · equal: periods that agree; Invocations is
read as accepted calls

differs most      metric                  CloudWatch    log  difference
2024-03-11 07:03  InvocationThrottles              4      2          +2
2024-03-11 07:06  InputTokenCount              4,000      0      +4,000
2024-03-11 07:00  EstimatedTPMQuotaUsage      10,000  6,000      +4,000
2024-03-11 07:01  EstimatedTPMQuotaUsage      10,000  6,000      +4,000
2024-03-11 07:02  EstimatedTPMQuotaUsage      10,000  6,000      +4,000

likely      Invocations counts accepted calls, those that failed later with
            them: differences of 4 in all, 6 without the 2 failed calls of the
            log
likely      4 calls more in CloudWatch, in 1 period (2024-03-11 07:06): the log
            is silent there; logging was off, or these are calls of another
            account, Region or model
likely      2 of 4 throttles are not in the log: its throttles are a lower bound
likely      EstimatedTPMQuotaUsage fits 15 quota tokens per output token, not
            the rules' 5: differences of 0 in all instead of 36,000, over 9
            periods in which the calls agree; --rules FILE sets a rate

note        skipped, since they do not sum up: InvocationLatency
note        skipped, unknown: Weird\\x1b[31mMetric
";
    assert_eq!(text(&sample(), &narrow()), expected);
}

#[test]
fn i05_no_label_of_a_file_reaches_a_terminal_as_it_is() {
    for width in [20, 40, 80, 200] {
        let text = text(&sample(), &TextStyle { width, ..TextStyle::default() });
        assert!(!text.contains('\u{1b}'));
        assert!(text.lines().all(|line| line.width() <= width), "{width}:\n{text}");
    }
    assert!(!to_json(&sample()).contains('\u{1b}'));
}

#[test]
fn the_csv_holds_every_period_and_metric_of_the_files() {
    let csv = csv(&sample());
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "period,metric,cloudwatch,log,difference");
    assert_eq!(lines[1], "2024-03-11T07:00:00Z,Invocations (successful),5,4,1");
    assert!(lines.contains(&"2024-03-11T07:06:00Z,InputTokenCount,4000,0,4000"));
    assert!(lines.contains(&"2024-03-11T07:03:00Z,InvocationThrottles,4,2,2"));
    // Ten minutes of both readings, input and usage, one of throttles.
    assert_eq!(lines.len(), 1 + 4 * 10 + 1);
    assert!(lines.iter().all(|line| line.split(',').count() == 5));
}

#[test]
fn an_unknown_figure_is_empty_in_csv_absent_in_json_and_a_dash_in_text() {
    let file = "time,EstimatedTPMQuotaUsage\n2024-03-11T07:00:00Z,9\n2024-03-11T07:01:00Z,9\n";
    let mut cloudwatch = CloudWatch::default();
    cloudwatch.read(file.as_bytes()).expect("a fine file");
    let mut log = cloudwatch.log_counts().expect("a period");
    let key = QuotaKey { account: None, region: None, model: "x".into(), scope: Scope::OnDemand };
    log.add(&key, [attempt(0, Ending::Successful, 10)], |_| Charge::default());
    let sheet = reconcile(&cloudwatch, &log, &ProfileMap::default(), None).expect("a sheet");
    assert!(csv(&sheet).contains("2024-03-11T07:00:00Z,EstimatedTPMQuotaUsage,9,,\n"));
    let json: serde_json::Value = serde_json::from_str(&to_json(&sheet)).expect("JSON");
    let usage = &json["periods"][0]["metrics"]["EstimatedTPMQuotaUsage"];
    assert_eq!(usage, &serde_json::json!({"cloudwatch": 9}));
    let text = text(&sheet, &narrow());
    assert!(text.contains("EstimatedTPMQuotaUsage             9    –           –      –"), "{text}");
}

#[test]
fn the_json_says_all_that_the_text_says() {
    let json: serde_json::Value = serde_json::from_str(&to_json(&sample())).expect("JSON");
    assert_eq!(json["schema"], "borehole.reconciliation/1");
    assert_eq!(json["file_period_seconds"], 60);
    assert_eq!(json["common_range"]["to"], "2024-03-11T07:10:00Z");
    assert_eq!(json["invocations_definition"], "accepted");
    assert_eq!(json["calls_counted_by"], "start");
    let rules: Vec<&str> = json["explanations"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|explanation| explanation["rule"].as_str())
        .collect();
    assert_eq!(rules, ["definition", "not_logged_no_records", "throttles_not_logged", "burndown"]);
    assert_eq!(json["explanations"][1]["figures"]["count"], 4);
    assert_eq!(json["explanations"][3]["figures"]["fits"], 15);
    assert_eq!(json["metrics"][4]["difference"], 4_000);
    assert_eq!(json["files"]["not_summable"], serde_json::json!(["InvocationLatency"]));
    assert_eq!(json["periods"].as_array().map(Vec::len), Some(10));
}

#[test]
fn differences_beyond_a_double_have_their_text_with_their_sign() {
    let largest = u64::MAX;
    let file = format!("time,InputTokenCount\n{START},{largest}\n{},0\n", START + 60);
    let json = to_json(&sheet(&file, &[attempt(0, Ending::Successful, 10)]));
    assert!(json.contains(&format!("\"difference_text\": \"{}\"", largest - 10)), "{json}");
    let file = format!("time,InputTokenCount\n{START},0\n{},0\n", START + 60);
    let most: Vec<Attempt> = (0..10_000).map(|_| attempt(0, Ending::Successful, 1 << 40)).collect();
    let json = to_json(&sheet(&file, &most));
    assert!(json.contains(&format!("\"difference_text\": \"-{}\"", (1u64 << 40) * 10_000)), "{json}");
}
