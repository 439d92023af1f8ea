//! The answers are those of the command line.
//!
//! In: synthetic dumps in both layouts, and the fixtures. Out: nothing. Always: a fresh run of another command is the
//! measure, and where a tool adds up by another unit than that command, the test adds up again by itself. Absent: the
//! command's own correctness, which its tests hold against truths and oracles.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::session::{Server, about, oracle};
use crate::support::datasets::{copy_directory, fixture, synth};
use crate::support::{Dump, MODEL, NOW, REGION, borehole, call, files_below, run};

const SONNET: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const ACCOUNT: &str = "111122223333";

/// A synthetic dump of thirty hours over two days, in either layout, without records far from their folders. Nothing
/// where there is no Python.
fn synthetic(layout: &str) -> Option<(Dump, String)> {
    let dump = Dump::new();
    let place = dump.at("dump");
    let (requests, profile) = if layout == "aws" { ("2500", "small") } else { ("600", "mixed") };
    let span = ["--from", "2024/03/11/06", "--to", "2024/03/12/12", "--seed", "41"];
    synth(&place, &[&["--layout", layout, "--requests", requests, "--profile", profile][..], &span].concat());
    let calmed = oracle("calm.py", &json!({"source": place}))?;
    assert!(calmed["taken"].as_u64() > Some(0), "there was something to take");
    Some((dump, place))
}

/// Whose figures, and when: `--from` and `--to` where they are given.
#[derive(Clone, Copy)]
struct Question<'a> {
    source: &'a str,
    model: &'a str,
    region: &'a str,
    account: Option<&'a str>,
    from: Option<&'a str>,
    to: Option<&'a str>,
}

impl<'a> Question<'a> {
    /// All of them over a dump: with and without an account, with all, one and no end of the period.
    fn all(source: &'a str) -> Vec<Question<'a>> {
        let whole =
            Question { source, model: SONNET, region: "us-east-1", account: None, from: None, to: None };
        let (from, to) = (Some("2024-03-11T10:30:00Z"), Some("2024-03-12T02:15:00Z"));
        vec![
            whole,
            Question { account: Some(ACCOUNT), ..whole },
            Question { from, to, ..whole },
            Question { account: Some(ACCOUNT), from, ..whole },
            Question { region: "eu-west-1", to, ..whole },
        ]
    }

    /// As a tool takes it.
    fn arguments(&self, more: Value) -> Value {
        let mut arguments = about(self.model, self.region, more);
        for (name, value) in [("account_id", self.account), ("start_time", self.from), ("end_time", self.to)]
        {
            if let Some(value) = value {
                arguments[name] = value.into();
            }
        }
        arguments
    }

    /// The same over the period that an answer says it is about, where one end of it was given. A run with an open end
    /// counts the hours of objects that hold nothing of the period, too.
    fn over(self, answer: &'a Value) -> Question<'a> {
        if self.from.is_none() && self.to.is_none() {
            return self;
        }
        let end = |name: &str| answer["time_range"][name].as_str();
        Question { from: end("start"), to: end("end"), ..self }
    }

    /// What a command says, as JSON.
    #[track_caller]
    fn said_by(&self, command: &str, more: &[&str]) -> Value {
        let mut words = vec![command, self.source, "--model", self.model, "--region", self.region];
        for (name, value) in [("--account", self.account), ("--from", self.from), ("--to", self.to)] {
            words.extend(value.iter().flat_map(|&value| [name, value]));
        }
        words.extend(["--now", NOW, "-q", "--format", "json"]);
        let empty = Dump::new();
        let run = run(borehole().current_dir(empty.path()).args(words).args(more));
        // A ticket ends with 2 where only its reader knows the rest; the fixtures are not complete.
        assert!(matches!(run.code, Some(0 | 2 | 3)), "{command}: {:?} {}", run.code, run.err);
        run.json()
    }
}

/// Fields of an object, those that it has.
fn only(value: &Value, names: &[&str]) -> Value {
    let fields = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    fields
        .iter()
        .filter(|(name, _)| names.contains(&name.as_str()))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect()
}

/// The same without fields.
fn without(value: &Value, names: &[&str]) -> Value {
    let fields = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    fields
        .iter()
        .filter(|(name, _)| !names.contains(&name.as_str()))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect()
}

/// A quotient as answers write it: at most six decimals.
#[track_caller]
fn assert_quotient(found: &Value, sum: u64, count: u64, what: &str) {
    let (found, expected) =
        (found.as_f64().unwrap_or_else(|| panic!("{what}: {found}")), sum as f64 / count as f64);
    assert!((found - expected).abs() <= 5.1e-7 * expected.max(1.0), "{what}: {found} for {sum} / {count}");
}

fn count(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("{name} of {value}"))
}

/// A list of errors by name, from a report's map.
fn errors_of(requests: &Value) -> BTreeSet<(String, u64)> {
    let errors = requests["errors"].as_object().expect("errors by name");
    errors.iter().map(|(name, count)| (name.clone(), count.as_u64().expect("a count"))).collect()
}

/// The same from an answer.
fn errors_in(requests: &Value) -> BTreeSet<(String, u64)> {
    let errors = requests["errors"].as_array().expect("a list of errors");
    let one =
        |error: &Value| (error["untrusted"].as_str().expect("a name").to_owned(), count(error, "requests"));
    errors.iter().map(one).collect()
}

/// Minutes of March 2024 from its first, which is where all of these dumps lie; and back.
fn minute_of(text: &str) -> u64 {
    let part = |range: std::ops::Range<usize>| text[range].parse::<u64>().expect("digits");
    assert!(text.starts_with("2024-03-") && text.ends_with(":00Z"), "{text}");
    (part(8..10) * 24 + part(11..13)) * 60 + part(14..16)
}

fn text_of(minute: u64) -> String {
    format!("2024-03-{:02}T{:02}:{:02}:00Z", minute / 1_440, minute / 60 % 24, minute % 60)
}

/// Groups by hour of a run.
fn hours_of(report: &Value) -> Vec<(&str, &Value)> {
    let groups = report["groups"].as_array().expect("groups");
    let mut hours: Vec<_> =
        groups.iter().filter_map(|group| Some((group["key"]["hour"].as_str()?, group))).collect();
    hours.sort_unstable_by_key(|(hour, _)| *hour);
    hours
}

/// Points of one figure, of those that have it.
fn points(of: &Value) -> &Vec<Value> {
    of["data_points"].as_array().unwrap_or_else(|| panic!("no points: {of}"))
}

/// What every answer that counts must say of what it rests on.
#[track_caller]
fn assert_basis(answer: &Value, report: &Value, question: &Question<'_>) {
    let (range, is_open) = (&answer["time_range"], question.to.is_none());
    for (name, given) in [("start", question.from), ("end", question.to)] {
        assert!(range[name].is_string(), "{range}");
        if let Some(given) = given {
            assert_eq!(range[name], given);
        }
    }
    assert_eq!(answer.get("now").is_some(), is_open, "{}", answer["now"]);
    if is_open {
        assert_eq!(answer["now"], json!({"at": range["end"], "is": "end_of_data"}));
    }
    let health = &answer["health"];
    assert_eq!(health["complete"], report["complete"]);
    // Without filters and ranges, since the books are of all that the server reads.
    for name in ["objects", "documents", "references", "bytes"] {
        assert!(health[name].is_object(), "{health}");
    }
    for pair in health["coverage"].as_array().expect("coverage") {
        // In the split layout an hour of a root is one of every account and Region.
        let is_of = |name: &str, asked: &str| pair.get(name).is_none_or(|value| value == asked);
        assert!(is_of("region", question.region), "{pair}");
        assert!(question.account.is_none_or(|account| is_of("account", account)), "{pair}");
    }
    assert!(answer["listed_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{}", answer["listed_at"]);
    assert!(answer["assumptions"].is_array());
}

#[test]
fn model_stats_are_those_of_analyze() {
    for layout in ["aws", "split"] {
        let Some((_dump, source)) = synthetic(layout) else { return };
        let questions = Question::all(&source);
        let calls: Vec<_> = questions
            .iter()
            .map(|question| ("bedrock_get_model_stats", question.arguments(json!({}))))
            .collect();
        let Some(answers) = Server::of(&[&source]).ask(&calls) else { return };
        for (question, answer) in questions.iter().zip(&answers) {
            let report = question.said_by("analyze", &[]);
            let by_hour = question.said_by("analyze", &["--by", "hour"]);
            assert_basis(answer, &report, question);
            assert_eq!(
                (&answer["model_id"], &answer["region"]),
                (&json!(question.model), &json!(question.region))
            );
            assert_eq!(answer.get("account_id").and_then(Value::as_str), question.account);
            let (metrics, totals) = (&answer["metrics"], &report["totals"]);
            assert_eq!(metrics["period_minutes"], 60, "thirty hours have room for a point each");
            let hours = hours_of(&by_hour);
            // The first hour begins where the period does.
            let start = answer["time_range"]["start"].as_str().expect("a time");
            let hours: Vec<(&str, &Value)> =
                hours.into_iter().map(|(hour, group)| (hour.max(start), group)).collect();

            let (invocations, requests) = (&metrics["invocations"], &totals["requests"]);
            let counts = ["attempted", "successful", "throttled"];
            assert_eq!(only(invocations, &counts), only(requests, &counts));
            assert_eq!(errors_in(invocations), errors_of(requests));
            let [attempted, successful, throttled] = counts.map(|name| count(requests, name));
            assert!(attempted > 20 && attempted > successful, "there is something to count");
            assert_quotient(&invocations["error_rate"], attempted - successful, attempted, "error_rate");
            assert_quotient(&invocations["throttle_rate"], throttled, attempted, "throttle_rate");
            let expected: Vec<Value> = hours
                .iter()
                .map(|(hour, group)| {
                    let mut point = only(&group["requests"], &counts);
                    point["timestamp"] = (*hour).into();
                    point["errors"] = (count(&group["requests"], "attempted")
                        - count(&group["requests"], "successful"))
                    .into();
                    point
                })
                .collect();
            assert_eq!(points(invocations), &expected);

            let (latency, distribution) = (&metrics["latency"], &totals["distributions"]["latency_ms"]);
            let percentiles = ["count", "p50", "p90", "p99"];
            let figures = [&percentiles[..], &["min", "max", "mean"]].concat();
            assert_eq!(latency["unit"], "ms");
            assert_eq!(only(latency, &figures), only(distribution, &figures));
            assert_quotient(&latency["known_share"], count(distribution, "count"), successful, "known_share");
            let first_byte = totals["distributions"].get("first_byte_ms");
            assert_eq!(
                latency.get("first_byte").cloned(),
                first_byte.map(|figures| only(figures, &percentiles))
            );
            let of_hours = |name: &str| {
                hours
                    .iter()
                    .filter_map(move |(hour, group)| Some((*hour, group["distributions"].get(name)?.clone())))
                    .collect::<Vec<_>>()
            };
            let expected: Vec<Value> = of_hours("latency_ms")
                .iter()
                .map(|(hour, figures)| {
                    let mut point = only(figures, &percentiles);
                    point["timestamp"] = (*hour).into();
                    point
                })
                .collect();
            assert_eq!(points(latency), &expected);

            for side in ["input", "output"] {
                let (tokens, statistics) = (&metrics[format!("{side}_tokens")], &totals["statistics"]);
                assert_eq!(tokens["total"], statistics[format!("total_{side}_tokens")]);
                let average = &statistics[format!("average_{side}_tokens_per_request")];
                assert_eq!(&tokens["average_per_request"], average);
                let figures = ["min", "max", "p50", "p90", "p99"];
                let distribution = &totals["distributions"][format!("{side}_tokens")];
                assert_eq!(only(tokens, &figures), only(distribution, &figures));
                let found: BTreeMap<&str, u64> = points(tokens)
                    .iter()
                    .map(|point| (point["timestamp"].as_str().expect("a time"), count(point, "tokens")))
                    .collect();
                assert_eq!(found.len(), points(tokens).len(), "one point for an hour");
                // An hour without a successful request may be left out, or be zero.
                for (hour, group) in &hours {
                    let expected = count(&group["statistics"], &format!("total_{side}_tokens"));
                    assert_eq!(found.get(hour).copied().unwrap_or(0), expected, "{side} tokens of {hour}");
                }
                assert_eq!(found.values().sum::<u64>(), count(statistics, &format!("total_{side}_tokens")));
            }
            let (prompt, distribution) =
                (&metrics["prompt_tokens"], &totals["distributions"]["prompt_tokens"]);
            assert_eq!(prompt["total"], totals["tokens"]["prompt"]);
            let figures = ["p50", "p90", "p99"];
            assert_eq!(only(prompt, &figures), only(distribution, &figures));
        }
    }
}

#[test]
fn analyzed_requests_are_those_of_analyze() {
    for layout in ["aws", "split"] {
        let Some((_dump, source)) = synthetic(layout) else { return };
        let hours = [1, 6, 24, 8_784];
        let asked = [(SONNET, "us-east-1", None), (SONNET, "eu-west-1", Some(ACCOUNT))];
        let mut calls = Vec::new();
        for (model, region, account) in asked {
            for hours in hours {
                let question = Question { source: &source, model, region, account, from: None, to: None };
                calls.push((
                    "bedrock_analyze_requests",
                    question.arguments(json!({"time_period_hours": hours})),
                ));
            }
            let question = Question { source: &source, model, region, account, from: None, to: None };
            calls.push(("bedrock_analyze_requests", question.arguments(json!({}))));
        }
        let Some(answers) = Server::of(&[&source]).ask(&calls) else { return };
        let end = end_of_data(&source);
        for ((_, arguments), answer) in calls.iter().zip(&answers) {
            let hours = arguments.get("time_period_hours").map_or(24, |hours| hours.as_u64().expect("hours"));
            let range = &answer["time_range"];
            assert_eq!(range["end"], end, "now is the end of the data");
            let first = range["start"].as_str().expect("a time");
            if hours < 1_000 {
                assert_eq!(first, text_of(minute_of(&end) - hours * 60));
            }
            let text = |name: &str| arguments[name].as_str();
            let question = Question {
                source: &source,
                model: SONNET,
                region: text("region").expect("a Region"),
                account: text("account_id"),
                from: None,
                to: None,
            };
            let range = &answer["time_range"];
            let period = Question { from: range["start"].as_str(), to: range["end"].as_str(), ..question };
            let report = period.said_by("analyze", &[]);
            let by_hour = period.said_by("analyze", &["--by", "hour"]);
            assert_basis(answer, &report, &question);
            let totals = &report["totals"];

            assert_eq!(answer["statistics"], totals["statistics"]);
            let counts = ["attempted", "successful", "throttled"];
            assert_eq!(only(&answer["requests"], &counts), only(&totals["requests"], &counts));
            assert_eq!(errors_in(&answer["requests"]), errors_of(&totals["requests"]));
            assert_eq!(answer["high_token"], totals["high_token"]);
            let pattern = &answer["high_token_pattern"];
            assert_eq!(pattern["input_bands"], totals["input_bands"]);
            for name in ["input_tokens", "prompt_tokens"] {
                let figures = ["min", "max", "mean", "p50", "p90", "p95", "p99", "p999"];
                let expected = totals["distributions"].get(name).map(|figures_of| only(figures_of, &figures));
                assert_eq!(pattern.get(name).map(|found| only(found, &figures)), expected, "{name}");
            }

            let found = points(&answer["distribution"]);
            assert_eq!(answer["distribution"]["step_minutes"], 60, "thirty hours have room for a point each");
            let by_hour = hours_of(&by_hour);
            let expected: Vec<Value> = by_hour
                .iter()
                .map(|(hour, group)| {
                    json!({
                        "timestamp": hour,
                        "requests": group["statistics"]["total_requests"],
                        "input_tokens": group["statistics"]["total_input_tokens"],
                        "output_tokens": group["statistics"]["total_output_tokens"],
                        "above_25000": group["high_token"]["by_input"]["requests"],
                    })
                })
                .collect();
            assert_eq!(found, &expected, "{hours} h");
            let mut of_day: BTreeMap<u64, [u64; 3]> = BTreeMap::new();
            for (hour, group) in &by_hour {
                let sums = of_day.entry(minute_of(hour) / 60 % 24).or_default();
                sums[0] += count(&group["statistics"], "total_requests");
                sums[1] += count(&group["high_token"]["by_input"], "requests");
                sums[2] += count(&group["tokens"], "input_known");
            }
            of_day.retain(|_, sums| sums[0] > 0);
            let found = pattern["by_hour_of_day"].as_array().expect("hours of a day");
            assert_eq!(found.len(), of_day.len());
            for (one, (hour, [requests, above, known])) in found.iter().zip(of_day) {
                let seen = ["hour", "requests", "above_25000"].map(|name| count(one, name));
                assert_eq!(seen, [hour, requests, above]);
                assert_quotient(&one["share"], above, known, "share");
            }
        }
    }
}

/// The end of the last hour of a source that has a request.
fn end_of_data(source: &str) -> String {
    let words = ["analyze", source, "--now", NOW, "-q", "--by", "hour", "--format", "json"];
    let report = run(borehole().args(words)).json();
    let (last, _) = *hours_of(&report).last().expect("an hour");
    text_of(minute_of(last) + 60)
}

/// Points of a series of minutes over periods of minutes that begin with each UTC day, as the tools give them.
fn rebinned(series: &Value, figure: &str, period: u64, from: u64, to: u64) -> Vec<(String, u64, u64, u64)> {
    let mut bins: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for point in points(series) {
        let minute = minute_of(point["minute"].as_str().expect("a minute"));
        let bin = minute / 1_440 * 1_440 + minute % 1_440 / period * period;
        let (sum, peak) = bins.entry(bin).or_default();
        let here = count(point, figure);
        (*sum, *peak) = (*sum + here, here.max(*peak));
    }
    let point = |(bin, (sum, peak)): (u64, (u64, u64))| {
        let day_end = bin / 1_440 * 1_440 + 1_440;
        let minutes = (bin + period).min(day_end).min(to) - bin.max(from);
        (text_of(bin), sum, peak, minutes)
    };
    bins.into_iter().map(point).collect()
}

#[test]
fn token_metrics_are_the_minutes_of_analyze() {
    for layout in ["aws", "split"] {
        let Some((_dump, source)) = synthetic(layout) else { return };
        let questions = Question::all(&source);
        let periods = [60, 1, 7, 15, 1_440];
        let mut calls = Vec::new();
        for question in &questions {
            for period in periods {
                calls.push(("bedrock_get_token_metrics", question.arguments(json!({"period": period}))));
            }
            calls.push(("bedrock_get_token_metrics", question.arguments(json!({}))));
        }
        let Some(answers) = Server::of(&[&source]).ask(&calls) else { return };
        for (question, answers) in questions.iter().zip(answers.chunks(periods.len() + 1)) {
            let report = question.said_by("analyze", &["--series", "minute"]);
            let totals = &report["totals"];
            for (answer, &period) in answers.iter().zip(periods.iter().chain([&60])) {
                assert_basis(answer, &report, question);
                let [from, to] = ["start", "end"]
                    .map(|name| minute_of(answer["time_range"][name].as_str().expect("a time")));
                let names = [
                    "tokens_per_minute",
                    "requests_per_minute",
                    "quota_tokens_per_minute",
                    "reserved_tokens_per_minute",
                ];
                let figure_of =
                    |name: &str| if name == "requests_per_minute" { "requests" } else { "tokens" };
                let binned = |name: &str, period| rebinned(&totals[name], figure_of(name), period, from, to);
                // Only where the four series would have more than 1,500 points is it another period.
                let asked: usize = names.iter().map(|name| binned(name, period).len()).sum();
                let given = answer["period_minutes"].as_u64().expect("minutes");
                assert_eq!(given > period, asked > 1_500, "{given} minutes, {period} asked");
                assert!(names.iter().map(|name| points(&answer[*name]).len()).sum::<usize>() <= 1_500);
                for name in names {
                    let (found, series) = (&answer[name], &totals[name]);
                    let figures = [
                        "average",
                        "average_all",
                        "p50",
                        "p90",
                        "p99",
                        "peak",
                        "peak_minute",
                        "peak_sliding_60s",
                    ];
                    assert_eq!(only(found, &figures), only(series, &figures), "{name}");
                    assert!(found["peak"].as_u64() > Some(0), "{name}: {found}");
                    let expected = binned(name, given);
                    assert_eq!(points(found).len(), expected.len(), "{name}, {given} minutes");
                    for (point, (timestamp, sum, peak, minutes)) in points(found).iter().zip(expected) {
                        let seen = only(point, &["timestamp", "sum", "peak"]);
                        assert_eq!(seen, json!({"timestamp": timestamp, "sum": sum, "peak": peak}), "{name}");
                        assert_quotient(&point["average"], sum, minutes, name);
                    }
                }
            }
        }
    }
}

#[test]
fn a_series_too_long_for_its_period_comes_in_the_next_that_fits() {
    let dump = Dump::new();
    // A request a minute: 40 hours of them.
    for hour in 0..40_u32 {
        let folder = format!("2024/03/{:02}/{:02}", 11 + hour / 24, hour % 24);
        let records: Vec<Value> = (0..60)
            .map(|minute| {
                let time = format!("2024-03-{:02}T{:02}:{minute:02}:30Z", 11 + hour / 24, hour % 24);
                call(hour * 60 + minute, &time, u64::from(minute), 1)
            })
            .collect();
        dump.put_aws(&folder, "minutes.json", &records);
    }
    let root = dump.root();
    let asked = [1, 2, 5, 60]
        .map(|period| ("bedrock_get_token_metrics", about(MODEL, REGION, json!({"period": period}))));
    let Some(answers) = Server::of(&[&root]).ask(&asked) else { return };
    for (answer, asked) in answers.iter().zip([1, 2, 5, 60]) {
        let all = ["tokens", "requests", "quota_tokens", "reserved_tokens"];
        let series = all.iter().filter(|name| answer[format!("{name}_per_minute")].is_object()).count();
        let fits = |period: &usize| *period >= asked && series * 2_400 / period <= 1_500;
        let given = [1, 2, 5, 10, 15, 60].into_iter().find(fits).expect("an hour fits");
        assert!(series > 2, "{answer}");
        assert_eq!(answer["period_minutes"], given);
        let is_told = answer["assumptions"].to_string().contains("no more than 1500");
        assert_eq!(is_told, asked != given, "{}", answer["assumptions"]);
        let found = points(&answer["requests_per_minute"]);
        assert_eq!(found.len(), 2_400 / given);
        assert!(
            found.iter().all(|point| point["sum"] == given && point["average"] == 1 && point["peak"] == 1)
        );
    }
}

/// A document as it was before strings from logs were set apart, and without what is null.
fn rejoined(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut joined = Map::new();
            for (name, field) in fields {
                match field {
                    Value::Null => {}
                    Value::Object(apart) if name == "untrusted" => {
                        joined.extend(apart.into_iter().map(|(name, field)| (name, rejoined(field))));
                    }
                    field => {
                        joined.insert(name, rejoined(field));
                    }
                }
            }
            joined.into()
        }
        Value::Array(items) => items.into_iter().map(rejoined).collect(),
        plain => plain,
    }
}

/// Whether there is a string of more than 128 characters, which an answer cuts.
fn is_long(value: &Value) -> bool {
    match value {
        Value::String(text) => text.chars().count() > 128,
        Value::Array(items) => items.iter().any(is_long),
        Value::Object(fields) => fields.values().any(is_long),
        _ => false,
    }
}

const AIMS: [(&str, &str, &str); 2] = [("0.1%", "0%", "0%"), ("1%", "20%", "10%")];

#[test]
fn tickets_are_those_of_ticket() {
    for layout in ["aws", "split"] {
        let Some((_dump, source)) = synthetic(layout) else { return };
        let questions = Question::all(&source);
        let mut calls = Vec::new();
        for question in &questions {
            for (target, growth, margin) in AIMS {
                let aim = json!({"target": target, "growth": growth, "margin": margin});
                calls.push(("bedrock_ticket", question.arguments(aim)));
            }
        }
        let forms = ["2026", "2025", "mission"];
        calls.extend(forms.map(|form| ("bedrock_ticket", questions[1].arguments(json!({"form": form})))));
        let Some(answers) = Server::of(&[&source]).ask(&calls) else { return };
        let (of_aims, of_forms) = answers.split_at(questions.len() * AIMS.len());
        for (question, answers) in questions.iter().zip(of_aims.chunks(AIMS.len())) {
            for (answer, (target, growth, margin)) in answers.iter().zip(AIMS) {
                let aim = ["--target", target, "--growth", growth, "--margin", margin];
                let report = question.over(answer).said_by("ticket", &aim);
                let expected = report["tickets"].as_array().expect("tickets");
                let cases = answer["cases"].as_array().expect("cases");
                assert!(!cases.is_empty() && cases.len() == expected.len(), "{} cases", cases.len());
                for (case, expected) in cases.iter().zip(expected) {
                    // Sentences for whoever sits at a terminal, commands first of all, are not for an assistant.
                    let ours = ["commands", "before_sending", "assumptions"];
                    let facts = without(&rejoined(case["facts"].clone()), &ours);
                    let expected = without(&rejoined(expected.clone()), &ours);
                    assert!(!is_long(&expected));
                    assert_eq!(facts, expected);
                    for name in ["account", "region", "scope"] {
                        assert_eq!(case[name], expected[name]);
                    }
                    assert_eq!(case["untrusted"], json!({"model": expected["model"]}));
                    assert_eq!(case["blanks"], expected["blank"]);
                }
            }
        }
        for (answer, form) in of_forms.iter().zip(forms) {
            for case in answer["cases"].as_array().expect("cases") {
                let scope = case["scope"].as_str().expect("a scope");
                let account = ["--account", ACCOUNT, "--scope", scope, "--now", NOW, "-q"];
                let words = ["ticket", &source, "--model", SONNET, "--region", "us-east-1"];
                let empty = Dump::new();
                let shown = run(borehole()
                    .current_dir(empty.path())
                    .args(words)
                    .args(account)
                    .args(["--format", "markdown", "--form", form]));
                let text = case["text"].as_str().expect("a text");
                // What the command says besides concerns what to do in a terminal.
                let ticket = |text: &str| {
                    text.lines().filter(|line| line.starts_with('|')).map(str::to_owned).collect::<Vec<_>>()
                };
                assert!(!ticket(text).is_empty() || form == "mission", "{text}");
                for line in ticket(text) {
                    assert!(shown.out.contains(&line), "{form}, {scope}: {line}\n{}", shown.out);
                }
            }
        }
    }
}

#[test]
fn quotas_are_those_of_quota() {
    for layout in ["aws", "split"] {
        let Some((_dump, source)) = synthetic(layout) else { return };
        let questions = Question::all(&source);
        let mut calls = Vec::new();
        for question in &questions {
            for (target, growth, margin) in AIMS {
                let aim = json!({"target": target, "growth": growth, "margin": margin});
                calls.push(("bedrock_quota", question.arguments(aim)));
            }
        }
        let Some(answers) = Server::of(&[&source]).ask(&calls) else { return };
        for (question, answers) in questions.iter().zip(answers.chunks(AIMS.len())) {
            for (answer, (target, growth, margin)) in answers.iter().zip(AIMS) {
                let report = question
                    .over(answer)
                    .said_by("quota", &["--target", target, "--growth", growth, "--margin", margin]);
                for name in ["target", "growth", "margin"] {
                    assert_eq!(answer[name], report[name], "{name}");
                }
                let found = answer["quotas"].as_array().expect("quotas");
                let expected = report["quotas"].as_array().expect("quotas");
                assert!(!found.is_empty() && found.len() == expected.len());
                for (found, expected) in found.iter().zip(expected) {
                    // Callers are nobody's business here.
                    let callers = ["attribution", "what_ifs", "unused"];
                    let found = without(&rejoined(found.clone()), &callers);
                    assert_eq!(found, without(&rejoined(expected.clone()), &callers));
                }
                let text = answer.to_string();
                assert!(!text.contains("assumed-role") && !text.contains("session-"), "a caller is named");
            }
        }
    }
}

#[test]
fn a_found_request_is_that_of_find() {
    for layout in ["aws", "split"] {
        let Some((_dump, source)) = synthetic(layout) else { return };
        let list = ["--list", "high-token", "--list-max", "3", "--format", "json", "-q", "--now", NOW];
        let report = run(borehole().args(["analyze", &source]).args(list)).json();
        let requests = report["requests"].as_array().expect("requests");
        let ids: Vec<&str> = requests.iter().filter_map(|request| request["request_id"].as_str()).collect();
        assert_eq!(ids.len(), 3);
        let mut calls: Vec<_> =
            ids.iter().map(|id| ("bedrock_find_request", json!({"request_id": id}))).collect();
        let day = requests[0]["timestamp"].as_str().expect("a time")[..10].to_owned();
        calls.push(("bedrock_find_request", json!({"request_id": ids[0], "date": day})));
        let Some(answers) = Server::of(&[&source]).ask(&calls) else { return };
        for ((_, arguments), answer) in calls.iter().zip(&answers) {
            let mut words =
                vec!["find", arguments["request_id"].as_str().expect("an id"), &source, "--format", "json"];
            words.extend(arguments["date"].as_str().iter().flat_map(|&day| ["--date", day]));
            let expected = run(borehole().args(words)).ends(0).json();
            let names = ["documents", "documents_not_shown", "objects", "request_id", "searched", "range"];
            let found = only(&rejoined(answer.clone()), &names);
            let expected = only(&rejoined(expected), &names);
            assert!(!is_long(&only(&expected, &["request_id"])));
            assert_eq!(
                found["documents"].as_array().map(Vec::len),
                expected["documents"].as_array().map(Vec::len)
            );
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn listed_objects_are_the_files_and_come_in_pages() {
    for layout in ["aws", "split"] {
        let Some((_dump, source)) = synthetic(layout) else { return };
        let folder = std::path::Path::new(&source);
        let sizes: BTreeMap<String, u64> = files_below(folder)
            .into_iter()
            .map(|path| {
                let key = path.strip_prefix(folder).expect("below").to_str().expect("plain").to_owned();
                (key, std::fs::metadata(&path).expect("a file").len())
            })
            .collect();
        let server = Server::of(&[&source]);
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        let mut after: Option<String> = None;
        let mut pages = 0;
        loop {
            // Each page is a session of its own: nothing has to be remembered between them.
            let mut arguments = json!({"bucket_name": source, "max_keys": 700});
            if let Some(after) = &after {
                arguments["start_after"] = after.as_str().into();
            }
            let Some(answers) = server.ask(&[("s3_object_list", arguments)]) else { return };
            let answer = &answers[0];
            let objects = answer["objects"].as_array().expect("objects");
            assert_eq!(answer["key_count"], objects.len());
            assert_eq!((&answer["bucket_name"], &answer["folders_not_listed"]), (&json!(source), &json!(0)));
            for object in objects {
                let key = object["key"].as_str().expect("a key").to_owned();
                assert!(seen.last_key_value().is_none_or(|(last, _)| *last < key), "by key, each once");
                assert_eq!(object["archived"], false);
                assert!(object["last_modified"].as_str().is_some_and(|at| at.ends_with('Z')));
                seen.insert(key, count(object, "size"));
            }
            pages += 1;
            match answer["next_start_after"].as_str() {
                Some(next) => {
                    assert_eq!((&answer["is_truncated"], objects.len()), (&json!(true), 700));
                    after = Some(next.to_owned());
                }
                None => {
                    assert_eq!(answer["is_truncated"], false);
                    break;
                }
            }
        }
        assert_eq!(seen, sizes);
        assert_eq!(pages, sizes.len().div_ceil(700));

        let key = sizes.keys().find(|key| key.contains("/07/")).expect("a key");
        let prefix = &key[..key.rfind('/').expect("a folder") + 1];
        let Some(answers) =
            server.ask(&[("s3_object_list", json!({"bucket_name": source, "prefix": prefix}))])
        else {
            return;
        };
        let listed: Vec<&str> = answers[0]["objects"]
            .as_array()
            .expect("objects")
            .iter()
            .filter_map(|o| o["key"].as_str())
            .collect();
        let expected: Vec<&String> = sizes.keys().filter(|key| key.starts_with(prefix)).collect();
        assert_eq!(listed, expected);
    }
}

#[test]
fn events_are_what_a_naive_scan_finds() {
    let (Some((_dump, aws)), Some((_other, split))) = (synthetic("aws"), synthetic("split")) else { return };
    let place = Dump::new();
    // What CloudWatch hands out and what the fixtures have of odd spellings is for the decoder's own tests.
    copy_directory(std::path::Path::new(&fixture("dumps/aws")), &place.path().join("logs"));
    for source in [aws, split, place.at("logs")] {
        let Some(known) = oracle("events.py", &json!({"source": source, "term": null})) else { return };
        // A caller of few requests, an error, a Region and a model; an id.
        let caller = known["rarest_caller"].as_str().expect("a caller").to_owned();
        let id = known["an_id"].as_str().expect("an id").to_owned();
        let half = json!({"start_time": known["median_time"]});
        let asked = [
            (format!("\"{caller}\""), caller.clone(), json!({})),
            (format!("\"{caller}\""), caller, half),
            ("\"InternalServerException\"".to_owned(), "InternalServerException".to_owned(), json!({})),
            ("\"nowhere-to-be-found\"".to_owned(), "nowhere-to-be-found".to_owned(), json!({})),
            (format!("requestId: {id}"), id.clone(), json!({})),
            (format!("requestId:{id}"), id.clone(), json!({})),
            (format!("{{ $.requestId = \"{id}\" }}"), id, json!({})),
        ];
        let calls: Vec<_> = asked
            .iter()
            .map(|(pattern, _, period)| {
                let mut arguments =
                    json!({"log_group_name": "/aws/bedrock/any", "filter_pattern": pattern, "limit": 200});
                arguments
                    .as_object_mut()
                    .expect("an object")
                    .extend(period.as_object().expect("an object").clone());
                ("cloudwatch_get_logs", arguments)
            })
            .collect();
        let Some(answers) = Server::of(&[&source]).ask(&calls) else { return };
        for ((pattern, term, period), answer) in asked.iter().zip(&answers) {
            let question = json!({"source": source, "term": term, "start": period["start_time"]});
            let Some(expected) = oracle("events.py", &question) else { return };
            let expected = expected["events"].as_array().expect("events");
            let events = answer["events"].as_array().expect("events");
            assert!(expected.len() <= 200, "{term} is too common for this test: {}", expected.len());
            let envelopes: Vec<(&Value, Value)> = events
                .iter()
                .map(|event| {
                    let message = event["message"].as_str().expect("a message");
                    assert!(!message.contains("BodyJson"), "a body: {message}");
                    // An id may stand in the object's key alone.
                    assert!(event.to_string().contains(term.as_str()), "{event}");
                    (event, serde_json::from_str(message).expect("the message is JSON"))
                })
                .collect();
            let mut found: Vec<(u64, &str)> = envelopes
                .iter()
                // In the split layout a request has three documents more, which may have no time.
                .filter(|(_, envelope)| {
                    ["record", "invocation"].iter().any(|kind| envelope["document"] == *kind)
                })
                .map(|(event, envelope)| {
                    (count(event, "timestamp"), envelope["request_id"].as_str().unwrap_or_default())
                })
                .collect();
            let mut named: Vec<(u64, &str)> = expected
                .iter()
                .map(|event| (count(event, "timestamp"), event["request_id"].as_str().unwrap_or_default()))
                .collect();
            assert!(found.is_sorted_by_key(|(time, _)| *time), "oldest first: {found:?}");
            found.sort_unstable();
            named.sort_unstable();
            assert_eq!(found, named, "{pattern}");
            assert_eq!(answer["more"], false);
            assert_eq!(answer["log_group_name"], "/aws/bedrock/any");
            assert_eq!(answer["searched"]["objects_failed"], 0);
            let told = answer["assumptions"].to_string();
            assert!(told.contains("log_group_name") && told.contains("odies"), "{told}");
        }
        let id_events = answers[4..].iter().map(|answer| &answer["events"]).collect::<Vec<_>>();
        assert!(id_events.windows(2).all(|pair| pair[0] == pair[1]), "three spellings of one question");
        assert!(!id_events[0].as_array().expect("events").is_empty());
    }
}
