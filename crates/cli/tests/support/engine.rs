//! The engine of report pages in a browser, and what its answers are held against.
//!
//! In: a source, and choices of hours and groups. Out: the answers of the engine, and the reports of fresh runs with
//! the same choices. Always: decimals are compared as texts; what is withheld is taken out of the fresh report, and
//! only where `docs/cube.md` says that it may be withheld. Absent: the page itself, what a reader sees of it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use borehole_testbed::Browser;
use serde_json::{Map, Value, json};

use crate::support::{Dump, analyze};

/// The engine, as it stands in a page.
const ENGINE: &str = include_str!("../../../report/src/html/engine.js");

/// One choice.
#[derive(Clone, Default, Debug)]
pub(crate) struct Choice {
    /// Hours since 1970.
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
    /// Values by dimension.
    pub(crate) filter: BTreeMap<String, Vec<Value>>,
}

impl Choice {
    /// As the engine takes it.
    fn json(&self) -> Value {
        json!({"from": self.from, "to": self.to, "filter": self.filter})
    }

    /// The options of a fresh run; none where there is no option for what is chosen.
    pub(crate) fn options(&self) -> Option<Vec<String>> {
        let mut options = Vec::new();
        for (option, hour) in [("--from", self.from), ("--to", self.to)] {
            options.extend(hour.iter().flat_map(|&hour| [option.to_owned(), hour_text(hour)]));
        }
        for (dimension, values) in &self.filter {
            if !["account", "region", "model"].contains(&dimension.as_str()) {
                return None;
            }
            for value in values {
                options.extend([format!("--{dimension}"), value.as_str()?.to_owned()]);
            }
        }
        Some(options)
    }

    /// Whether a slot of distributions may be cut by its hours.
    fn cuts_slots(&self, slot_hours: i64) -> bool {
        let cuts = |hour: i64| slot_hours == 0 || hour % slot_hours != 0;
        self.from.is_some_and(cuts) || self.to.is_some_and(cuts)
    }
}

/// The start of an hour, RFC 3339.
pub(crate) fn hour_text(hour: i64) -> String {
    // Days since 1970-01-01 to a date: Howard Hinnant's `civil_from_days`.
    let days = hour.div_euclid(24) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (400 * era, month + 3) } else { (400 * era + 1, month - 9) };
    format!("{:04}-{month:02}-{day:02}T{:02}:00:00Z", year + year_of_era, hour.rem_euclid(24))
}

/// A cube that is open in a browser, and what it was made from.
pub(crate) struct OpenCube<'a> {
    browser: &'a Browser,
    /// What the runs are asked besides the choice.
    arguments: Vec<String>,
    /// The report with the cube.
    pub(crate) report: Value,
    pub(crate) values: BTreeMap<String, Vec<Value>>,
    /// Of those with a minute.
    pub(crate) first_hour: i64,
    pub(crate) last_hour: i64,
    pub(crate) slot_hours: i64,
    _folder: Dump,
}

impl<'a> OpenCube<'a> {
    /// Makes the report of a source with its cube, and opens it in a page that has the engine and nothing else.
    pub(crate) fn open(browser: &'a Browser, arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let asked = arguments.iter().map(String::as_str).chain(["--cube", "--format", "json"]);
        let run = analyze(asked);
        assert!(matches!(run.code, Some(0 | 3)), "{}", run.err);
        let report = run.json();
        let data = report["cube"]["data"].as_str().unwrap_or_else(|| panic!("no cube: {}", run.err));
        let folder = Dump::new();
        let page = PathBuf::from(folder.at("engine.html"));
        folder.put(
            "engine.html",
            format!(
                "<!doctype html><meta charset=utf-8><title>engine</title>\
                 <script type=text/plain id=cube>{data}</script><script>{ENGINE}</script>"
            ),
        );
        browser.open(&page);
        let opened = browser.run(
            "window.cube = await Borehole.open(document.getElementById('cube').textContent);
             const {dimensions, values, activeHours, slotHours} = window.cube;
             return {dimensions, values: {...values}, activeHours, slotHours};",
            &[],
        );
        let hours = &opened["activeHours"];
        let hour = |name: &str| hours[name].as_i64().unwrap_or_else(|| panic!("no hours: {opened}"));
        OpenCube {
            browser,
            first_hour: hour("first"),
            last_hour: hour("last"),
            slot_hours: opened["slotHours"].as_i64().expect("a number"),
            values: serde_json::from_value(opened["values"].clone()).expect("lists by dimension"),
            report,
            arguments,
            _folder: folder,
        }
    }

    /// What the engine answers.
    pub(crate) fn select(&self, choice: &Choice) -> Value {
        let text = self.browser.run(
            "const answer = window.cube.select(args[0]);
             const plain = (name, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);
             return JSON.stringify(answer, plain);",
            &[choice.json()],
        );
        serde_json::from_str(text.as_str().expect("a text")).expect("JSON")
    }

    /// The JSON of a fresh run with these options more.
    pub(crate) fn fresh(&self, options: &[String]) -> Value {
        let run =
            analyze(self.arguments.iter().chain(options).map(String::as_str).chain(["--format", "json"]));
        // Nothing matching is an answer, too.
        assert!(matches!(run.code, Some(0 | 3 | 5)), "{options:?}: {:?} {}", run.code, run.err);
        run.json()
    }

    /// Holds the answer to a choice against a fresh run: the report field by field, the minutes against the series of
    /// `--series minute`, the hours against the totals.
    pub(crate) fn check(&self, choice: &Choice) {
        let options = choice.options().unwrap_or_else(|| panic!("no options for {choice:?}"));
        let answer = self.select(choice);
        let mut fresh = self.fresh(&[&options[..], &["--series".to_owned(), "minute".to_owned()]].concat());
        let with_series = fresh.clone();
        for group in groups_of(&mut fresh) {
            for (_, series) in group.iter_mut().filter(|(name, _)| name.ends_with("_per_minute")) {
                series.as_object_mut().expect("a series").remove("data_points");
            }
        }
        self.take_withheld(choice, &answer["withheld"], &mut fresh);
        let mut expected = Map::new();
        for part in ["range", "totals", "groups", "rankings"] {
            expected.extend(fresh.get(part).map(|value| (part.to_owned(), value.clone())));
        }
        let mut differences = String::new();
        compare("", &Value::Object(expected), &answer["report"], &mut differences);
        assert!(differences.is_empty(), "{:?} {choice:?}:\n{differences}", self.arguments);
        self.check_minutes(choice, &answer, &with_series);
        self.check_coverage(&answer["coverage"], &fresh["health"]["coverage"]);
        check_hours(&answer);
        check_spreads(&answer);
    }

    /// Removes from a fresh report what the engine says it cannot tell, if it may say so.
    fn take_withheld(&self, choice: &Choice, withheld: &Value, fresh: &mut Value) {
        let is = |name: &str| withheld[name].as_bool().unwrap_or_else(|| panic!("no {name}: {withheld}"));
        let may_cut = choice.cuts_slots(self.slot_hours);
        let is_apart =
            !choice.filter.is_empty() && fresh["groups"].as_array().is_some_and(|all| all.len() > 1);
        assert!(!is("distributions") || may_cut, "distributions are withheld: {choice:?}");
        assert!(!is("sliding") || is_apart, "sliding windows are withheld: {choice:?}");
        // What was cut off, and another kind of load, are no part of these tests' dumps.
        assert!(!is("rankings") || may_cut, "rankings are withheld: {choice:?}");
        assert!(!is("peakShares") || may_cut || is_apart, "shares are withheld: {choice:?}");
        if is("rankings") {
            fresh.as_object_mut().expect("a report").remove("rankings");
        }
        if is("peakShares") {
            for ranking in fresh.get_mut("rankings").and_then(Value::as_array_mut).into_iter().flatten() {
                for row in ranking["rows"].as_array_mut().expect("rows") {
                    row.as_object_mut().expect("a row").remove("share_in_peak");
                }
            }
        }
        if is("sliding") {
            let totals = fresh["totals"].as_object_mut().expect("totals");
            for (_, series) in totals.iter_mut().filter(|(name, _)| name.ends_with("_per_minute")) {
                let series = series.as_object_mut().expect("a series");
                series.remove("peak_sliding_60s");
                series.remove("burst");
            }
        }
        if is("distributions") {
            for group in groups_of(fresh) {
                group.remove("distributions");
                group.remove("cross_region");
            }
        }
    }

    /// The minutes are the series of the totals.
    fn check_minutes(&self, choice: &Choice, answer: &Value, fresh: &Value) {
        let minutes = &answer["minutes"];
        for (series, value, name) in [
            ("tokens_per_minute", "tokens", "tokens"),
            ("quota_tokens_per_minute", "tokens", "settled"),
            ("reserved_tokens_per_minute", "tokens", "reserved"),
            ("requests_per_minute", "requests", "attempts"),
        ] {
            let Some(points) = fresh["totals"][series]["data_points"].as_array() else { continue };
            let expected: Vec<&Value> = points.iter().map(|point| &point[value]).collect();
            let found: Vec<&Value> = minutes[name].as_array().expect("minutes").iter().collect();
            assert_eq!(found, expected, "{:?} {choice:?}: {series}", self.arguments);
            let times: Vec<String> = (minutes["time"].as_array().expect("times").iter())
                .map(|time| {
                    let seconds = time.as_i64().expect("whole seconds");
                    let hour = hour_text(seconds.div_euclid(3_600));
                    hour.replace(":00:00Z", &format!(":{:02}:00Z", seconds.rem_euclid(3_600) / 60))
                })
                .collect();
            let expected: Vec<&str> =
                points.iter().map(|point| point["minute"].as_str().expect("a time")).collect();
            assert_eq!(times, expected, "{choice:?}");
        }
        let throttled: u64 = numbers(&minutes["throttled"]).sum();
        let all = fresh["totals"]["requests"]["throttled"].as_u64().expect("a count");
        assert!(throttled <= all, "{throttled} of {all} throttles have a minute");
    }

    /// The fresh run lists what it needs: an entry without a folder in reach may be missing there.
    fn check_coverage(&self, found: &Value, fresh: &Value) {
        let names = self.report["health"]["coverage"].as_array().expect("coverage");
        let found = found.as_array().expect("coverage");
        assert_eq!(found.len(), names.len());
        for fresh in fresh.as_array().expect("coverage") {
            let same =
                |name: &Value| name["account"] == fresh["account"] && name["region"] == fresh["region"];
            let place = names.iter().position(same).expect("an entry of the whole run");
            for field in ["hours", "hours_with_objects", "gaps"] {
                assert_eq!(found[place][field], fresh[field], "{field} of entry {place}");
            }
        }
    }
}

/// The totals and all groups.
fn groups_of(report: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    let Some(Value::Object(report)) = Some(report) else { unreachable!() };
    let parts = report.iter_mut().filter(|(name, _)| ["totals", "groups"].contains(&name.as_str()));
    parts
        .flat_map(|(_, part)| match part {
            Value::Array(groups) => groups.iter_mut().collect(),
            totals => vec![totals],
        })
        .map(|group| group.as_object_mut().expect("a group"))
}

fn numbers(list: &Value) -> impl Iterator<Item = u64> {
    list.as_array().expect("a list").iter().map(|number| number.as_u64().expect("a count"))
}

/// The hours add up to the totals.
fn check_hours(answer: &Value) {
    let hours = answer["hours"].as_array().expect("hours");
    let totals = &answer["report"]["totals"];
    for (name, expected) in [
        ("attempted", &totals["requests"]["attempted"]),
        ("successful", &totals["requests"]["successful"]),
        ("throttled", &totals["requests"]["throttled"]),
        ("settled", &totals["tokens"]["settled"]),
        ("input", &totals["tokens"]["input"]),
        ("output", &totals["tokens"]["output"]),
        ("cacheRead", &totals["tokens"]["cache_read"]),
        ("prompt", &totals["tokens"]["prompt"]),
    ] {
        let sum: u64 = hours.iter().map(|hour| hour[name].as_u64().expect("a count")).sum();
        assert_eq!(&json!(sum), expected, "{name}");
    }
    let mut errors: BTreeMap<&str, u64> = BTreeMap::new();
    for hour in hours {
        let [tokens, input, output] =
            ["tokens", "input", "output"].map(|name| hour[name].as_u64().expect("a count"));
        assert_eq!(tokens, input + output);
        for (code, count) in hour["errors"].as_object().expect("counts") {
            *errors.entry(code).or_default() += count.as_u64().expect("a count");
        }
    }
    assert_eq!(json!(errors), totals["requests"]["errors"]);
    assert!(hours.is_sorted_by(|a, b| a["hour"].as_i64() < b["hour"].as_i64()));
}

/// The histograms have as many values as the distributions, between their least and their greatest one.
fn check_spreads(answer: &Value) {
    if answer["withheld"]["distributions"] == true {
        assert_eq!(answer.get("spreads"), None);
        return;
    }
    let distributions = answer["report"]["totals"]["distributions"].as_object().expect("distributions");
    let spreads = answer["spreads"].as_object().expect("spreads");
    assert_eq!(spreads.keys().collect::<Vec<_>>(), distributions.keys().collect::<Vec<_>>());
    for (name, spread) in spreads {
        let buckets: Vec<Vec<u64>> = spread["buckets"]
            .as_array()
            .expect("buckets")
            .iter()
            .map(|bucket| numbers(bucket).collect())
            .collect();
        let distribution = &distributions[name];
        let count: u64 = buckets.iter().map(|bucket| bucket[2]).sum();
        assert_eq!((json!(count), &spread["count"]), (distribution["count"].clone(), &distribution["count"]));
        let [min, max] = ["min", "max"].map(|end| distribution[end].as_u64().expect("a value"));
        let (first, last) = (&buckets[0], &buckets[buckets.len() - 1]);
        assert!(first[0] <= min && min <= first[1] && last[0] <= max, "{name}");
        assert!(buckets.is_sorted_by(|a, b| a[1] < b[0]), "{name}");
    }
}

/// Fields whose numbers are decimals, which the engine writes as texts.
const DECIMALS: [&str; 9] = [
    "average",
    "average_all",
    "mean",
    "share",
    "share_in_peak",
    "second_x60",
    "ten_seconds_x6",
    "average_input_tokens_per_request",
    "average_output_tokens_per_request",
];

/// Writes every difference between a report's JSON and the engine's, with its path.
pub(crate) fn compare(path: &str, expected: &Value, found: &Value, differences: &mut String) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let mut names: Vec<&String> = expected.keys().chain(found.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let path = format!("{path}/{name}");
                match (expected.get(name), found.get(name)) {
                    (Some(Value::Number(number)), Some(Value::String(text)))
                        if DECIMALS.contains(&name.as_str()) && *text == decimal_text(number) => {}
                    (Some(expected), Some(found)) => compare(&path, expected, found, differences),
                    (expected, found) => {
                        let _ = writeln!(differences, "{path}: expected {expected:?}, found {found:?}");
                    }
                }
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
                compare(&format!("{path}/{index}"), expected, found, differences);
            }
        }
        _ if expected == found => {}
        _ => {
            let _ = writeln!(differences, "{path}: expected {expected}, found {found}");
        }
    }
}

/// A number as the report writes it: the shortest text that reads back as it, without an exponent.
fn decimal_text(number: &serde_json::Number) -> String {
    number.as_u64().map_or_else(|| number.as_f64().expect("a number").to_string(), |whole| whole.to_string())
}
