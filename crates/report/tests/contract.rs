//! The JSON contract: exact numbers, absence instead of null, order of keys, bounded and escaped strings.

mod support;

use borehole_report::{Report, RunInfo, json};
use borehole_usage::figures::{Figures, Group, Health, Rank, Ranking, Ratio};
use serde_json::Value;

fn report(figures: &Figures) -> Report {
    Report::new(figures, &Health::default(), true, RunInfo::default())
}

fn value(figures: &Figures) -> Value {
    serde_json::from_str(&json::render(&report(figures))).expect("our own JSON parses")
}

fn figures_of(totals: Group) -> Figures {
    Figures { totals, ..Figures::default() }
}

#[test]
fn parsing_what_was_rendered_and_rendering_it_again_changes_nothing() {
    let built = [
        support::clean(),
        support::troubled(),
        support::many_dimensions(),
        support::nothing_listed(),
        support::all_filtered(),
    ];
    for (figures, health) in built {
        let report = Report::new(&figures, &health, health.is_complete(), support::run());
        let rendered = json::render(&report);
        let parsed = json::parse(&rendered).expect("our own JSON parses");
        assert_eq!(parsed, report);
        assert_eq!(json::render(&parsed), rendered);
    }
}

#[test]
fn another_schema_is_refused() {
    let rendered = json::render(&report(&Figures::default()));
    assert!(json::parse(&rendered).is_ok());
    assert!(json::parse(&rendered.replace("borehole.report/1", "borehole.report/2")).is_err());
}

#[test]
fn keys_stand_in_the_order_of_the_contract() {
    let (figures, health) = support::troubled();
    let rendered = json::render(&Report::new(&figures, &health, false, support::run()));
    let keys_at = |indent: usize| {
        let is_at = |line: &&str| {
            line.len() - line.trim_start().len() == indent && line.trim_start().starts_with('"')
        };
        let lines = rendered.lines().filter(is_at);
        lines
            .map(|line| line.trim_start().split('"').nth(1).unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        keys_at(2),
        [
            "schema",
            "complete",
            "range",
            "health",
            "totals",
            "groups",
            "groups_omitted",
            "unruled_models",
            "unresolved_profiles",
            "requests",
            "truncated_strings",
            "run"
        ]
    );
    let of_group = [
        "key",
        "requests",
        "statistics",
        "tokens",
        "tokens_on_errors",
        "high_token",
        "input_bands",
        "distributions",
        "tokens_per_minute",
        "quota_tokens_per_minute",
        "reserved_tokens_per_minute",
        "quota_tokens_per_day",
        "requests_per_minute",
        "responses",
        "payloads",
        "cross_region",
    ];
    let groups = rendered.split("\n  \"groups\": [").nth(1).expect("there are groups");
    let first = groups.split("\n    },").next().expect("there is a first group");
    let found: Vec<&str> = first
        .lines()
        .filter(|line| line.starts_with("      \""))
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    assert_eq!(found, of_group);
}

#[test]
fn an_unknown_is_absent_and_only_a_key_may_be_null() {
    let mut group = Group { attempted: 1, ..Group::default() };
    group.key = vec![("account".to_owned(), None)];
    let figures = Figures { groups: vec![group], ..Figures::default() };
    let rendered = json::render(&report(&figures));
    assert_eq!(rendered.matches("null").count(), 1);
    let value = value(&figures);
    assert_eq!(value["groups"][0]["key"]["account"], Value::Null);
    assert_eq!(value.get("range"), None);
    let totals = &value["totals"];
    assert_eq!(totals.get("key"), None);
    assert_eq!(totals["statistics"].get("average_input_tokens_per_request"), None);
    assert_eq!(totals["high_token"]["by_input"].get("share"), None);
    assert_eq!(totals["distributions"], serde_json::json!({}));
    assert_eq!(totals.get("tokens_per_minute"), None);
}

#[test]
fn rankings_have_a_row_for_records_without_a_value_and_shares_where_there_is_a_load() {
    let share = Ratio { numerator: 1, denominator: 3 };
    let long = "x".repeat(300);
    let rows = vec![
        Rank { attempted: 3, throttled: 1, input: 1 << 60, share: Some(share), ..Rank::default() },
        Rank { value: Some(long), attempted: 1, share_in_peak: Some(share), ..Rank::default() },
    ];
    let ranking = Ranking { dimension: "tag:team".to_owned(), rows, omitted: 7 };
    let figures = Figures { rankings: vec![ranking], ..Figures::default() };
    let found = value(&figures);
    let rankings = &found["rankings"][0];
    assert_eq!((&rankings["dimension"], &rankings["omitted"]), (&"tag:team".into(), &7.into()));
    let [first, second] = [&rankings["rows"][0], &rankings["rows"][1]];
    assert_eq!(first["value"], Value::Null);
    assert_eq!((first["share"].to_string(), first.get("share_in_peak")), ("0.333333".to_owned(), None));
    assert_eq!(second["value"].as_str().map(|value| value.chars().count()), Some(256 + 18));
    let rendered = json::render(&report(&figures));
    assert_eq!(json::render(&json::parse(&rendered).expect("our own JSON parses")), rendered);
    assert_eq!(value(&Figures::default()).get("rankings"), None);
    assert_eq!(value(&Figures::default()).get("cube"), None);
}

#[test]
fn i06_integers_above_2_to_the_53_are_also_texts() {
    let exact = 1u128 << 53;
    let mut totals = Group::default();
    totals.tokens.input = exact;
    totals.tokens.output = exact + 1;
    totals.tokens.prompt = u128::MAX;
    totals.tokens.output_known = 1;
    totals.attempted = u64::MAX;
    totals.errors = support::counts([("Odd\"\u{202e}", u64::MAX)]);
    let figures = figures_of(totals);
    let rendered = json::render(&report(&figures));

    assert!(rendered.contains("      \"input\": 9007199254740992,\n      \"output\": 9007199254740993,\n      \"output_text\": \"9007199254740993\",\n"));
    assert!(
        rendered.contains(&format!("\"prompt\": {max},\n      \"prompt_text\": \"{max}\"", max = u128::MAX))
    );
    assert!(rendered.contains("\"attempted_text\": \"18446744073709551615\""));
    // The sibling's name is escaped like the name itself, and reading it back skips it.
    assert!(rendered.contains("\"Odd\\\"\\u202e_text\": \"18446744073709551615\""));
    assert!(rendered.contains("\"average_output_tokens_per_request_text\": \"9007199254740993\""));
    let parsed = json::parse(&rendered).expect("our own JSON parses");
    assert_eq!(parsed, report(&figures));
    assert_eq!(json::render(&parsed), rendered);
}

#[test]
fn f29_decimals_are_exact_numbers_not_floats() {
    let mut series = support::series(1, 1, borehole_record::UtcMinute(0));
    series.average = Ratio { numerator: 2, denominator: 3 };
    series.average_all = Ratio::new(10u128.pow(22) + 1, 10);
    let rendered =
        json::render(&report(&figures_of(Group { tokens_per_minute: Some(series), ..Group::default() })));
    assert!(rendered.contains("\"average\": 0.666667,\n"));
    // A double would say 1e21.
    assert!(rendered.contains("\"average_all\": 1000000000000000000000.1,\n"));
}

#[test]
fn i05_json_shows_a_terminal_nothing_to_obey() {
    let hostile = "\u{1b}[2J\u{9b}31m\u{202e}\u{200b}\u{7f}\u{e0041}";
    let figures = figures_of(Group { errors: support::counts([(hostile, 1)]), ..Group::default() });
    let rendered = json::render(&report(&figures));
    assert!(rendered.contains("\\u001b[2J\\u009b31m\\u202e\\u200b\\u007f\\udb40\\udc41"));
    assert_eq!(value(&figures)["totals"]["requests"]["errors"][hostile], 1);
}

#[test]
fn i08_long_strings_are_cut_at_256_characters_with_a_hash_and_stay_apart() {
    let whole = "é".repeat(256);
    let (one, two) = (format!("{whole}1"), format!("{whole}2"));
    let errors = support::counts([(whole.clone(), 1), (one, 2), (two, 3)]);
    let value = value(&figures_of(Group { errors, ..Group::default() }));
    assert_eq!(value["truncated_strings"], 2);
    let errors = value["totals"]["requests"]["errors"].as_object().expect("an object");
    assert_eq!(errors.len(), 3);
    assert_eq!(errors[&whole], 1);
    for (name, count) in errors {
        let cut = name.strip_prefix(&whole).expect("every name begins alike");
        if count != 1 {
            assert_eq!(cut.chars().count(), "…#0123456789abcdef".chars().count(), "{cut}");
            assert!(cut.starts_with("…#"));
        }
    }
}

#[test]
fn models_without_a_rate_and_profiles_without_a_model_are_named_and_warned_of() {
    let figures = Figures {
        unruled_models: support::counts([("a", 3), ("b", 4)]),
        unresolved_profiles: support::counts([("application-inference-profile/p", 5)]),
        ..Figures::default()
    };
    let value = value(&figures);
    assert_eq!(value["health"]["warnings"]["burndown_unknown"], 7);
    assert_eq!(value["health"]["warnings"]["profile_unresolved"], 5);
    assert_eq!(value["unruled_models"], serde_json::json!({"a": 3, "b": 4}));
    assert_eq!(value["unresolved_profiles"], serde_json::json!({"application-inference-profile/p": 5}));
    let nothing = json::render(&report(&Figures::default()));
    assert!(!nothing.contains("unruled_models") && !nothing.contains("unresolved_profiles"));
}

#[test]
fn a_report_from_before_there_were_quota_tokens_is_still_read() {
    let (figures, health) = support::clean();
    let rendered = json::render(&Report::new(&figures, &health, true, support::run()));
    let mut old: Value = serde_json::from_str(&rendered).expect("our own JSON parses");
    let mut groups = vec![old["totals"].take()];
    groups.extend(old["groups"].as_array().cloned().unwrap_or_default());
    for group in &mut groups {
        let fields = group.as_object_mut().expect("a group is an object");
        fields.retain(|name, _| !name.starts_with("quota_") && !name.starts_with("reserved_"));
        fields["tokens"]
            .as_object_mut()
            .expect("an object")
            .retain(|name, _| !name.starts_with("settled") && !name.starts_with("reserved"));
        for series in ["tokens_per_minute", "requests_per_minute"] {
            fields[series].as_object_mut().expect("an object").remove("burst");
        }
    }
    old["totals"] = groups.remove(0);
    old["groups"] = groups.into();
    let parsed = json::parse(&old.to_string()).expect("an older report of the same contract parses");
    assert_eq!((parsed.totals.tokens.settled_known, parsed.totals.quota_tokens_per_minute), (0, None));
    assert_eq!(parsed.groups.len(), figures.groups.len());
}

#[test]
fn quota_tokens_have_the_shape_of_raw_tokens() {
    let (figures, _) = support::many_dimensions();
    let totals = value(&figures)["totals"].take();
    let names = |series: &Value| {
        let fields = series.as_object().expect("an object").keys();
        fields.filter(|name| *name != "data_points").cloned().collect::<Vec<_>>()
    };
    for series in ["quota_tokens_per_minute", "reserved_tokens_per_minute", "requests_per_minute"] {
        assert_eq!(names(&totals[series]), names(&totals["tokens_per_minute"]), "{series}");
    }
    assert_eq!(
        totals["tokens_per_minute"]["burst"],
        serde_json::json!({"second_x60": 3.25, "ten_seconds_x6": 1.4})
    );
    let days = &totals["quota_tokens_per_day"];
    assert_eq!(names(days), ["peak", "peak_day", "rolling_24h", "rolling_24h_end"]);
    assert_eq!(days["peak_day"], "2026-11-18T00:00:00Z");
}

#[test]
fn folded_models_are_a_warning() {
    let figures = Figures { models_folded: 7, ..Figures::default() };
    assert_eq!(value(&figures)["health"]["warnings"]["group_cardinality"], 7);
}
