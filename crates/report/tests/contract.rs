//! The JSON contract: exact numbers, absence instead of null, order of keys, bounded and escaped strings.

mod support;

use borehole_report::{Report, RunInfo, json};
use borehole_usage::figures::{Figures, Group, Health, Ratio};
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
fn folded_models_are_a_warning() {
    let figures = Figures { models_folded: 7, ..Figures::default() };
    assert_eq!(value(&figures)["health"]["warnings"]["group_cardinality"], 7);
}
