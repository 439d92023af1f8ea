//! The counting rules: what the tables say, which row wins, and what is refused.
//!
//! The figures are those of AWS's page on how tokens are counted, in its four known texts.

use std::collections::BTreeSet;

use borehole_quota::QuotaKey;
use borehole_quota::applied::AppliedQuotas;
use borehole_quota::rules::{Burndown, Lifecycle, Limit, Origin, Rules};
use borehole_record::{Scope, Timestamp, UtcDay};
use borehole_usage::ChargeRules;

const SONNET_45: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";

fn day(year: u32, month: u32, day: u32) -> UtcDay {
    UtcDay::from_date(year, month, day).expect("a day")
}

fn now() -> UtcDay {
    day(2026, 11, 22)
}

fn overridden(rows: &str) -> Rules {
    let text = format!("schema = \"borehole.rules/1\"\n{rows}");
    Rules::builtin().with_overrides(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn refused(text: &str) -> String {
    Rules::builtin().with_overrides(text).expect_err(text).to_string()
}

#[test]
fn burndown_rates_are_those_of_the_newest_text() {
    let rules = Rules::builtin();
    for (model, expected) in [
        ("anthropic.claude-opus-4-8", Some(15)),
        ("anthropic.claude-sonnet-4-8-20260528-v1:0", Some(15)),
        ("anthropic.claude-opus-5", Some(10)),
        ("anthropic.claude-opus-5-5", Some(10)),
        ("anthropic.claude-sonnet-5", Some(10)),
        ("anthropic.claude-fable-5-1", Some(10)),
        ("anthropic.claude-opus-4-7", Some(5)),
        ("anthropic.claude-opus-4-6-v1", Some(5)),
        ("anthropic.claude-sonnet-4-6", Some(5)),
        ("anthropic.claude-opus-4-5-20251101-v1:0", Some(5)),
        (SONNET_45, Some(5)),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0:1m", Some(5)),
        ("anthropic.claude-haiku-4-5-20251001-v1:0", Some(5)),
        ("anthropic.claude-opus-4-1-20250805-v1:0", Some(5)),
        ("anthropic.claude-opus-4-20250514-v1:0", Some(5)),
        ("anthropic.claude-sonnet-4-20250514-v1:0", Some(5)),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", Some(5)),
        ("anthropic.claude-3-5-sonnet-20240620-v1:0", Some(1)),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", Some(1)),
        ("anthropic.claude-3-haiku-20240307-v1:0", Some(1)),
        ("openai.gpt-5.6-sol", Some(10)),
        ("openai.gpt-oss-120b-1:0", Some(1)),
        ("amazon.nova-pro-v1:0", Some(1)),
        ("meta.llama3-3-70b-instruct-v1:0", Some(1)),
        ("nobody.model-1", Some(1)),
        ("amazon.titan-embed-text-v2:0", Some(1)),
    ] {
        assert_eq!(rules.charge(model, now()).burndown, expected, "{model}");
    }
}

#[test]
fn burndown_rates_have_a_history() {
    let rules = Rules::builtin();
    let rate = |model, day| rules.charge(model, day).burndown;
    let (mid_2025, early_2026) = (day(2025, 6, 15), day(2026, 2, 1));
    for (model, then, later) in [
        ("anthropic.claude-opus-4-20250514-v1:0", 5, 5),
        ("anthropic.claude-sonnet-4-20250514-v1:0", 5, 5),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", 1, 5),
        ("anthropic.claude-3-5-haiku-20241022-v1:0", 1, 1),
        ("amazon.nova-lite-v1:0", 1, 1),
    ] {
        assert_eq!((rate(model, mid_2025), rate(model, early_2026)), (Some(then), Some(later)), "{model}");
    }
    let change = day(2025, 10, 1);
    let model = "anthropic.claude-3-7-sonnet-20250219-v1:0";
    assert_eq!(rate(model, UtcDay(change.0 - 1)), Some(1), "the day before");
    assert_eq!(rate(model, change), Some(5), "the day itself");
    // As a run asks: by a moment.
    let at = Timestamp::from_seconds(change.start_seconds() - 1);
    assert_eq!(ChargeRules::charge(&rules, model, at).burndown, Some(1));
}

#[test]
fn an_anthropic_model_that_no_row_names_is_a_named_unknown() {
    let rules = Rules::builtin();
    for model in [
        "anthropic.claude-sonnet-5-5",
        "anthropic.claude-haiku-5-5",
        "anthropic.claude-fable-5",
        "anthropic.claude-mythos-preview",
        "anthropic.claude-opus-6",
        "openai.gpt-6-sol",
        "application-inference-profile/a1b2c3d4e5f6",
        "provisioned-model/a1b2c3d4e5f6",
        "imported-model/a1b2c3d4e5f6",
        "arn:aws:bedrock:us-east-1:111122223333:prompt/A1B2C3D4E5:1",
    ] {
        assert_eq!(rules.charge(model, now()).burndown, None, "{model}");
        assert_eq!(rules.model(model, now()).burndown, None);
        let Burndown::Unknown(row) = rules.burndown(model, now()) else {
            panic!("{model} is a named unknown")
        };
        assert!(row.note.is_some(), "{model}: it says why");
    }
    assert_eq!(Rules::default().burndown(SONNET_45, now()), Burndown::Unruled);
}

#[test]
fn output_maxima_and_flags() {
    let rules = Rules::builtin();
    for (model, expected) in [
        ("anthropic.claude-opus-4-8", Some(128_000)),
        (SONNET_45, Some(64_000)),
        ("anthropic.claude-opus-4-1-20250805-v1:0", Some(32_000)),
        ("anthropic.claude-3-haiku-20240307-v1:0", Some(4_096)),
        ("openai.gpt-6.1-sol", Some(131_072)),
        ("amazon.titan-embed-text-v2:0", Some(0)),
        ("cohere.embed-english-v3", Some(0)),
        ("cohere.rerank-v3-5:0", Some(0)),
        ("stability.sd3-5-large-v1:0", Some(0)),
        ("nobody.model-1", None),
    ] {
        assert_eq!(rules.charge(model, now()).max_output_tokens, expected, "{model}");
    }
    assert!(rules.charge("openai.gpt-5.6-luna", now()).input_includes_cache);
    assert!(!rules.charge(SONNET_45, now()).input_includes_cache);
    let rpm = |model| rules.model(model, now()).rpm_applies.map(|row| row.value);
    assert_eq!(rpm("anthropic.claude-opus-4-7"), Some(false));
    assert_eq!(rpm("anthropic.claude-opus-4-8"), Some(false));
    assert_eq!(rpm(SONNET_45), None, "no row: Service Quotas knows");
    assert!(!rules.charge(SONNET_45, now()).reserves_cache_reads);
    assert!(rules.reserving_cache_reads(true).charge(SONNET_45, now()).reserves_cache_reads);
}

#[test]
fn a_model_ages() {
    let rules = Rules::builtin();
    let state = |model, day| rules.model(model, day).lifecycle.map(|row| row.value);
    assert_eq!(state(SONNET_45, day(2026, 10, 7)), None);
    assert_eq!(state(SONNET_45, day(2026, 10, 8)), Some(Lifecycle::Legacy));
    assert_eq!(state(SONNET_45, day(2027, 4, 8)), Some(Lifecycle::EndOfLife));
    assert_eq!(state("anthropic.claude-sonnet-4-5-20250929-v1:0:1m", now()), Some(Lifecycle::Legacy));
    assert_eq!(state("anthropic.claude-fable-5-1", now()), Some(Lifecycle::Active));
}

#[test]
fn every_row_has_a_source_and_a_lower_case_pattern() {
    let rows = Rules::builtin().rows();
    let tables: BTreeSet<&str> = rows.iter().map(|row| row.table).collect();
    assert_eq!(tables.len(), 6, "{tables:?}");
    for row in &rows {
        let place = format!("{} row {}", row.table, row.number);
        assert_eq!(row.origin, Origin::Builtin);
        let source = &row.ruled.source;
        assert!(
            source.contains("read") || source.contains("of 20"),
            "{place}: a source says when it was read"
        );
        let pattern = &row.ruled.pattern;
        assert_eq!(pattern.to_lowercase(), *pattern, "{place}");
        assert!(!pattern.starts_with("us.") && !pattern.contains(' '), "{place}: base models have no prefix");
    }
}

#[test]
fn no_two_rows_rule_the_same() {
    let mut seen = BTreeSet::new();
    for row in Rules::builtin().rows() {
        let limit = row.scope.map(|scope| (scope, row.ruled.value.get(..3).map(str::to_owned)));
        let rule = (row.table, row.ruled.pattern.clone(), row.ruled.valid_from, limit);
        assert!(seen.insert(rule), "{} {} twice", row.table, row.ruled.pattern);
    }
}

#[test]
fn quota_names_carry_codes() {
    let rules = Rules::builtin();
    let names = rules.quotas(SONNET_45, Scope::Geo);
    let limits: Vec<Limit> = names.iter().map(|name| name.limit).collect();
    assert_eq!(limits, Limit::ALL);
    assert_eq!(
        names[0].name,
        "Cross-region model inference tokens per minute for Anthropic Claude Sonnet 4.5 V1"
    );
    assert_eq!(names[0].code.as_deref(), Some("L-F4DDD3EB"));
    let long = rules.quotas("anthropic.claude-sonnet-4-5-20250929-v1:0:1m", Scope::Geo);
    assert_eq!(long[0].code.as_deref(), Some("L-8EA73537"));
    assert!(rules.quotas(SONNET_45, Scope::Provisioned).is_empty());
    assert!(rules.quotas("nobody.model-1", Scope::OnDemand).is_empty());
}

/// Names that say less, more or other than the model's id, so that only a row can tell.
const ONLY_BY_ROW: [&str; 37] = [
    "amazon.rerank-v1:0",
    "amazon.titan-embed-g1-text-02",
    "amazon.titan-embed-image-v1",
    "amazon.titan-embed-text-v1",
    "amazon.titan-embed-text-v2:0",
    "cohere.embed-english-v3",
    "cohere.embed-multilingual-v3",
    "cohere.rerank-v3-5:0",
    "google.gemma-3-12b-it",
    "google.gemma-3-27b-it",
    "google.gemma-3-4b-it",
    "meta.llama4-maverick-17b-instruct-v1:0",
    "meta.llama4-scout-17b-instruct-v1:0",
    "mistral.magistral-small-2509",
    "mistral.ministral-3-14b-instruct",
    "mistral.ministral-3-3b-instruct",
    "mistral.ministral-3-8b-instruct",
    "mistral.mistral-large-2402-v1:0",
    "mistral.mistral-large-3-675b-instruct",
    "mistral.mistral-small-2402-v1:0",
    "mistral.mixtral-8x7b-instruct-v0:1",
    "mistral.pixtral-large-2502-v1:0",
    "mistral.voxtral-mini-3b-2507",
    "mistral.voxtral-small-24b-2507",
    "nvidia.nemotron-nano-12b-v2",
    "nvidia.nemotron-nano-9b-v2",
    "nvidia.nemotron-super-3-120b",
    "stability.sd3-5-large-v1:0",
    "stability.stable-conservative-upscale-v1:0",
    "stability.stable-creative-upscale-v1:0",
    "stability.stable-fast-upscale-v1:0",
    "stability.stable-image-search-recolor-v1:0",
    "stability.stable-image-search-replace-v1:0",
    "stability.stable-outpaint-v1:0",
    "stability.stable-style-transfer-v1:0",
    "twelvelabs.marengo-embed-2-7-v1:0",
    "twelvelabs.pegasus-1-2-v1:0",
];

#[test]
fn a_names_words_are_its_models() {
    let rules = Rules::builtin();
    let mut quotas = AppliedQuotas::default();
    let mut expected = Vec::new();
    for row in rules.rows().into_iter().filter(|row| row.table == "quota") {
        let scope = row.scope.expect("a quota has a scope");
        for name in rules.quotas(&row.ruled.pattern, scope) {
            let Some(code) = name.code else { continue };
            let json = format!(
                r#"{{"Quotas":[{{"ServiceCode":"bedrock","QuotaCode":"{code}","QuotaName":"{}","Value":1.0,
                    "QuotaArn":"arn:aws:servicequotas:us-east-1:111122223333:bedrock/{code}","Adjustable":true}}]}}"#,
                name.name
            );
            quotas.read(json.as_bytes()).expect("one quota");
            expected.push((row.ruled.pattern.clone(), scope, name.limit, code, name.name));
        }
    }
    let nobody = Rules::default();
    let mut by_row_only = BTreeSet::new();
    for (model, scope, limit, code, name) in &expected {
        let key = QuotaKey { account: None, region: None, model: model.as_str().into(), scope: *scope };
        let by_row = quotas.find(&key, *limit, &rules).expect("its own code");
        assert_eq!(by_row.code, *code);
        match quotas.find(&key, *limit, &nobody) {
            Some(by_words) => assert_eq!(by_words.code, *code, "{model}: {name}, not {}", by_words.name),
            None => {
                by_row_only.insert(model.as_str());
            }
        }
    }
    assert_eq!(by_row_only, ONLY_BY_ROW.into_iter().collect());
}

#[test]
fn the_operators_rows_come_before_ours_then_the_more_specific_then_the_newer_then_the_later() {
    let row = |models: &str, rest: &str| {
        format!("[[burndown]]\nmodels = [\"{models}\"]\nsource = \"us\"\n{rest}\n")
    };
    let rate = |rows: &str, day| overridden(rows).charge(SONNET_45, day).burndown;
    assert_eq!(rate(&row("anthropic.*", "rate = 7"), now()), Some(7), "ours is more specific, theirs wins");
    assert_eq!(rate(&row("amazon.*", "rate = 7"), now()), Some(5), "another model");
    let specific = row("anthropic.claude-sonnet-*", "rate = 8") + &row("anthropic.*", "rate = 7");
    assert_eq!(rate(&specific, now()), Some(8));
    let dated = row("anthropic.*", "rate = 9\nvalid_from = 2026-11-22") + &row("anthropic.*", "rate = 7");
    assert_eq!(rate(&dated, now()), Some(9));
    assert_eq!(rate(&dated, UtcDay(now().0 - 1)), Some(7), "not in force yet");
    let later = row("anthropic.*", "rate = 7") + &row("anthropic.*", "rate = 8");
    assert_eq!(rate(&later, now()), Some(8));
    let future = row("anthropic.*", "rate = 9\nvalid_from = 2030-01-01");
    assert_eq!(rate(&future, now()), Some(5), "theirs is not in force, so ours is");
    assert_eq!(rate(&row("anthropic.*", "unknown = true"), now()), None, "a known rate can be taken back");
}

#[test]
fn a_second_file_comes_before_the_first() {
    let text = |rate| {
        format!(
            "schema = \"borehole.rules/1\"\n[[burndown]]\nmodels = [\"*\"]\nrate = {rate}\nsource = \"us\""
        )
    };
    let rules = Rules::builtin().with_overrides(&text(2)).and_then(|rules| rules.with_overrides(&text(3)));
    assert_eq!(rules.expect("two files").charge(SONNET_45, now()).burndown, Some(3));
}

#[test]
fn every_table_can_be_overridden() {
    let rules = overridden(
        r#"
        [[max_output_tokens]]
        models = ["anthropic.*", "nobody.*"]
        tokens = 1_000
        source = "contract"
        note = "capped by a gateway"
        [[input_includes_cache]]
        models = ["*"]
        includes = true
        source = "measured"
        [[rpm_applies]]
        models = ["*"]
        applies = true
        source = "measured"
        [[lifecycle]]
        models = ["*"]
        state = "end-of-life"
        source = "letter"
        [[quota]]
        models = ["nobody.*"]
        scope = "on-demand"
        limit = "tpm"
        name = "N"
        source = "console"
        "#,
    );
    let model = rules.model("nobody.model-1", now());
    let tokens = model.max_output_tokens.expect("a row");
    assert_eq!(
        (tokens.value, tokens.pattern.as_str(), tokens.source.as_str()),
        (1_000, "nobody.*", "contract")
    );
    assert_eq!(tokens.note.as_deref(), Some("capped by a gateway"));
    assert!(rules.charge("nobody.model-1", now()).input_includes_cache);
    assert_eq!(model.rpm_applies.map(|row| row.value), Some(true));
    assert_eq!(model.lifecycle.map(|row| row.value), Some(Lifecycle::EndOfLife));
    let quotas = rules.quotas("nobody.model-1", Scope::OnDemand);
    assert_eq!((quotas[0].name.as_str(), quotas[0].code.as_deref()), ("N", None));
    let theirs = rules.rows().into_iter().filter(|row| row.origin == Origin::Operator).count();
    assert_eq!(theirs, 6, "a row with two patterns is shown as two");
}

#[test]
fn errors_name_table_row_and_key_and_show_no_value() {
    const HEAD: &str = "schema = \"borehole.rules/1\"\n";
    let row = |table: &str, rest: &str| {
        format!("{HEAD}[[{table}]]\nmodels = [\"*\"]\nsource = \"s\"\nrate = 1\n[[{table}]]\n{rest}")
    };
    let good = "models = [\"*\"]\nsource = \"hunter2\"\n";
    let cases = [
        (String::new(), "schema: expected \"borehole.rules/1\""),
        ("schema = \"hunter2\"".to_owned(), "schema: expected \"borehole.rules/1\""),
        ("a = 1\nb = hunter2".to_owned(), "line 2: not valid TOML"),
        (format!("{HEAD}[[hunter2]]\n"), "unknown table; expected one of burndown, max_output_tokens, "),
        (format!("{HEAD}burndown = \"hunter2\""), "[[burndown]]: expected rows"),
        (format!("{HEAD}burndown = [\"hunter2\"]"), "[[burndown]]: expected rows"),
        (row("burndown", "source = \"hunter2\"\nrate = 1"), "[[burndown]] row 2: models is missing"),
        (
            row("burndown", "models = []\nsource = \"s\"\nrate = 1"),
            "[[burndown]] row 2: models: expected a list",
        ),
        (row("burndown", "models = \"hunter2\"\nsource = \"s\"\nrate = 1"), "row 2: models: expected a list"),
        (
            row("burndown", "models = [\"a\", \"\"]\nsource = \"s\"\nrate = 1"),
            "row 2: models: expected a list",
        ),
        (row("burndown", "models = [\"*\"]\nrate = 1"), "[[burndown]] row 2: source is missing"),
        (row("burndown", "models = [\"*\"]\nsource = \" \"\nrate = 1"), "row 2: source: expected a text"),
        (row("burndown", good), "[[burndown]] row 2: rate is missing"),
        (row("burndown", &format!("{good}rate = \"hunter2\"")), "row 2: rate: expected a whole number"),
        (row("burndown", &format!("{good}rate = -1")), "row 2: rate: expected a whole number"),
        (row("burndown", &format!("{good}rate = 1.5")), "row 2: rate: expected a whole number"),
        (row("burndown", &format!("{good}rate = 1\nunknown = true")), "row 2: rate: expected either"),
        (row("burndown", &format!("{good}unknown = false")), "row 2: unknown: expected true"),
        (row("burndown", &format!("{good}rate = 1\nrates = 2")), "[[burndown]] row 2: unknown key rates"),
        (row("burndown", &format!("{good}rate = 1\n\"hunter2 \" = 2")), "[[burndown]] row 2: unknown key"),
        (
            row("burndown", &format!("{good}rate = 1\nvalid_from = \"2026-01-01\"")),
            "row 2: valid_from: expected a date",
        ),
        (
            row("burndown", &format!("{good}rate = 1\nvalid_from = 2026-01-01T00:00:00Z")),
            "valid_from: expected a date",
        ),
        (row("burndown", &format!("{good}rate = 1\nnote = 7")), "row 2: note: expected a text"),
        (
            format!("{HEAD}[[max_output_tokens]]\n{good}tokens = -1"),
            "[[max_output_tokens]] row 1: tokens: expected",
        ),
        (
            format!("{HEAD}[[rpm_applies]]\n{good}applies = 1"),
            "[[rpm_applies]] row 1: applies: expected true or false",
        ),
        (
            format!("{HEAD}[[lifecycle]]\n{good}state = \"hunter2\""),
            "[[lifecycle]] row 1: state: expected \"active\"",
        ),
        (
            format!("{HEAD}[[quota]]\n{good}scope = \"hunter2\""),
            "[[quota]] row 1: scope: expected \"on-demand\"",
        ),
        (format!("{HEAD}[[quota]]\n{good}scope = \"geo\"\nlimit = \"hunter2\""), "limit: expected \"tpm\""),
        (
            format!("{HEAD}[[quota]]\n{good}scope = \"geo\"\nlimit = \"tpm\""),
            "[[quota]] row 1: name is missing",
        ),
        (
            format!(
                "{HEAD}[[quota]]\n{good}scope = \"geo\"\nlimit = \"tpm\"\nname = \"n\"\ncode = \"L-1;hunter2\""
            ),
            "[[quota]] row 1: code: expected L- and letters or digits",
        ),
    ];
    for (text, expected) in cases {
        let shown = refused(&text);
        assert!(shown.contains(expected), "{shown}\n{text}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
