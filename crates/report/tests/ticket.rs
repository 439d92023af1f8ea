//! Tickets in every form and format, compared with the files of `tests/tickets`; and hostile strings.
//!
//! `UPDATE_EXPECT=1 cargo test -p borehole-report` rewrites the files; a changed one is what AWS's support will
//! read.

mod support;

use std::path::PathBuf;

use borehole_quota::applied::AppliedQuota;
use borehole_quota::demand::Estimate;
use borehole_quota::replay::Window;
use borehole_quota::rules::{Lifecycle, Limit, ModelRules, QuotaName, Ruled};
use borehole_quota::study::{Aim, Change, KeyStudy, Knowledge, MinuteLoad, Need, NeedAnswer, Remedy};
use borehole_quota::ticket::{CrossRegion, Form, RunFacts, TicketFacts, TicketInput};
use borehole_quota::{QuotaKey, Share, ThrottledRequest};
use borehole_record::{RequestId, Scope, UtcDay, UtcMinute};
use borehole_report::ticket::{self, BLANK, TicketStyle};
use borehole_usage::Charge;
use borehole_usage::figures::{Figures, Health};
use proptest::prelude::*;
use support::at;
use unicode_width::UnicodeWidthStr;

const SOURCE: &str =
    "https://docs.aws.amazon.com/bedrock/latest/userguide/quotas-token-burndown.html (read 2026-11)";

fn minute(minutes: i64) -> UtcMinute {
    UtcMinute::of(at(10 * 86_400 + 9 * 3_600 + minutes * 60))
}

fn ruled<T>(value: T, pattern: &str) -> Ruled<T> {
    Ruled { value, pattern: pattern.to_owned(), valid_from: None, source: SOURCE.to_owned(), note: None }
}

/// The answers of the likely demand by window; less as logged, more at the high end.
fn need(likely: [u64; 3], peak: u64, steady: u64, requested: [u64; 2]) -> Need {
    let answers = Estimate::ALL.into_iter().flat_map(|estimate| {
        Window::ALL.into_iter().zip(likely).map(move |(window, quota)| {
            let quota = match estimate {
                Estimate::LoggedOnly => quota / 2,
                Estimate::Likely => quota,
                Estimate::High => quota + quota / 10,
            };
            NeedAnswer { estimate, window, quota, refused: 3_800, of: 3_895_000, offered: quota + 7 }
        })
    });
    Need {
        answers: answers.collect(),
        peak,
        peak_minute: Some(minute(1)),
        steady,
        requested_steady: requested[0],
        requested_peak: requested[1],
    }
}

/// A busy quota: half a million throttles short of enough.
fn study() -> KeyStudy {
    let load = |attempts, throttled, settled| MinuteLoad {
        attempts,
        throttled,
        settled,
        reserved: settled * 2,
        raw: settled / 3,
    };
    let minutes = [(1_240, 402, 2_600_000), (1_180, 388, 2_540_000), (1_102, 240, 2_310_000)];
    let minutes = minutes.into_iter().enumerate().map(|(number, (attempts, throttled, settled))| {
        (minute(number as i64 + 1), load(attempts, throttled, settled))
    });
    KeyStudy {
        key: QuotaKey {
            account: Some("111122223333".into()),
            region: Some("us-east-1".into()),
            model: "anthropic.claude-sonnet-4-5-20250929-v1:0".into(),
            scope: Scope::Geo,
        },
        charge: Charge { burndown: Some(5), max_output_tokens: Some(64_000), ..Charge::default() },
        rules: ModelRules {
            burndown: Some(Ruled {
                valid_from: UtcDay::from_date(2025, 10, 1),
                note: Some("also 3.7 Sonnet".to_owned()),
                ..ruled(5, "anthropic.claude-sonnet-4-5*")
            }),
            max_output_tokens: Some(ruled(64_000, "anthropic.claude-sonnet-4-5*")),
            lifecycle: Some(ruled(Lifecycle::Active, "anthropic.*")),
            ..ModelRules::default()
        },
        attempted: 3_910_244,
        throttled: 31_280,
        knowledge: Knowledge {
            successful: 3_878_964,
            unknown: 0,
            settled_only: 1_204,
            max_tokens_unset: 812_400,
            joined: 15_244,
            imputed: 16_000,
            not_imputed: 36,
        },
        tokens: Some(need([4_900_000, 5_600_000, 6_400_000], 2_600_000, 612_400, [740_000, 7_700_000])),
        requests: Some(need([1_190, 1_240, 1_250], 1_240, 310, [380, 1_500])),
        day_peak: None,
        rolling_day_peak: None,
        minutes: minutes.collect(),
        remedies: vec![Remedy {
            change: Change::CapMaxTokens(2_048),
            tokens_per_minute: 3_100_000,
            unchanged: 6_400_000,
            cut: 3_900,
            answers: 3_878_964,
        }],
        cut: 0,
        trials: Vec::new(),
        applied_tpm: Some(AppliedQuota {
            account: "111122223333".into(),
            region: "us-east-1".into(),
            code: "L-F4DDD3EB".to_owned(),
            name: "Cross-region model inference tokens per minute for Anthropic Claude Sonnet 4.5".to_owned(),
            value: 4_000_000,
            adjustable: true,
        }),
        applied_rpm: Some(AppliedQuota {
            account: "111122223333".into(),
            region: "us-east-1".into(),
            code: "L-4A6BFAB1".to_owned(),
            name: "Cross-region model inference requests per minute for Anthropic Claude Sonnet 4.5"
                .to_owned(),
            value: 10_000,
            adjustable: true,
        }),
        applied_tpd: None,
    }
}

fn said() -> TicketInput {
    TicketInput {
        use_case: Some(
            "Agents of a shop answer customers' questions about orders and returns.\n\nTraffic follows the \
             opening hours of our shops in the United States, with a daily peak at 09:00 UTC."
                .to_owned(),
        ),
        contact: Some("cloud-team@example.com".to_owned()),
        not_global_reason: Some("residency".to_owned()),
        input_modality: Some("text+image".to_owned()),
        output_modality: Some("text".to_owned()),
        ..TicketInput::default()
    }
}

fn facts_of(study: &KeyStudy, names: &[QuotaName], input: &TicketInput) -> TicketFacts {
    let (figures, health): (Figures, Health) = support::clean();
    let aim = Aim {
        target: Share::from_millionths(1_000),
        growth: Share::from_millionths(200_000),
        ..Aim::default()
    };
    let run =
        RunFacts { figures: &figures, health: &health, complete: true, aim: &aim, rules_at: at(14 * 86_400) };
    TicketFacts::new(study, &run, None, names, input)
}

/// Everything is known and said.
fn full() -> TicketFacts {
    let mut facts = facts_of(&study(), &[], &said());
    facts.evidence.throttled_requests = (0..3)
        .map(|number| ThrottledRequest {
            second: minute(1).start_seconds() + 7 * number,
            request_id: RequestId::Uuid(
                (0x5f3c_1a2b_0000_4000_8000_0000_0000_0000 + number as u128).to_be_bytes(),
            ),
        })
        .collect();
    facts
}

/// Nothing was said, and no rule names the model's rate.
fn bare() -> TicketFacts {
    let mut study = study();
    study.key.model = "anthropic.claude-3-5-haiku-20241022-v1:0".into();
    study.key.region = Some("eu-west-1".into());
    study.key.scope = Scope::OnDemand;
    study.charge = Charge::default();
    study.rules = ModelRules {
        rpm_applies: Some(ruled(true, "anthropic.*")),
        lifecycle: Some(ruled(Lifecycle::Legacy, "anthropic.claude-3-5-haiku*")),
        ..ModelRules::default()
    };
    study.tokens = None;
    study.remedies = Vec::new();
    (study.applied_tpm, study.applied_rpm) = (None, None);
    let name = QuotaName {
        limit: Limit::RequestsPerMinute,
        name: "On-demand model inference requests per minute for Anthropic Claude 3.5 Haiku".to_owned(),
        code: None,
        source: SOURCE.to_owned(),
    };
    facts_of(&study, &[name], &TicketInput { contact: Some(String::new()), ..TicketInput::default() })
}

fn style(form: Form) -> TicketStyle {
    TicketStyle { form, attachments: form == Form::Y2026 }
}

const FORMS: [(&str, Form); 3] = [("2025", Form::Y2025), ("2026", Form::Y2026), ("mission", Form::Mission)];

fn expect(name: &str, actual: &str) {
    support::expect(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tickets").join(name), actual);
}

#[test]
fn every_form_says_what_its_golden_says() {
    let tickets = [full(), bare()];
    for (name, form) in FORMS {
        expect(&format!("{name}.txt"), &ticket::text(&tickets, style(form)));
        expect(&format!("{name}.markdown.txt"), &ticket::markdown(&tickets, style(form)));
    }
    expect("facts.json", &ticket::json(&tickets, Form::Y2026));
    expect("evidence.txt", &ticket::evidence(&full()));
    expect("minutes.csv", &ticket::minutes_csv(&full()));
}

#[test]
fn text_is_80_columns_wide_but_for_addresses() {
    for (_, form) in FORMS {
        for line in ticket::text(&[full(), bare()], style(form)).lines() {
            assert!(line.width() <= 80 || line.contains("https://"), "{line}");
        }
    }
}

#[test]
fn what_is_blank_is_marked_where_the_form_asks_for_it_and_nowhere_else() {
    for (name, form) in FORMS {
        let marks = |facts: TicketFacts| {
            let text = ticket::text(&[facts], style(form));
            let form = text.split("---- the ticket").nth(1).expect("a ticket").to_owned();
            form.matches(BLANK).count()
        };
        assert_eq!(marks(full()), 0, "{name}");
        assert_eq!(marks(bare()), bare().blanks_of(form).count(), "{name}");
    }
}

#[test]
fn a_ticket_names_all_nine_items_and_the_tenth_in_every_form() {
    let input = TicketInput { cross_region: Some(CrossRegion::Geo), ..said() };
    let facts = facts_of(&study(), &[], &input);
    for (name, form) in FORMS {
        let text = ticket::text(std::slice::from_ref(&facts), style(form));
        for item in [
            "Agents of a shop",
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            "us-east-1",
            "TPM",
            "740,000",
            "7,700,000",
            "380",
            "1,500",
            "1,240",
            "145",
            "3.1 %",
            "11.1 %",
            "yes: geo, in use",
        ] {
            assert!(text.contains(item), "{name} lacks {item}:\n{text}");
        }
    }
}

#[test]
fn minutes_are_figures_and_times_only_and_an_unknown_is_empty() {
    for facts in [full(), bare()] {
        let csv = ticket::minutes_csv(&facts);
        for line in csv.lines().skip(1) {
            for cell in line.split(',') {
                let is_plain = |c: char| c.is_ascii_digit() || matches!(c, '-' | ':' | 'T' | 'Z');
                let begins_plain = cell.is_empty() || cell.starts_with(|c: char| c.is_ascii_digit());
                assert!(cell.chars().all(is_plain) && begins_plain, "{cell}");
            }
        }
    }
    assert!(ticket::minutes_csv(&bare()).lines().nth(1).is_some_and(|line| line.contains(",,")));
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        "[a-z0-9.:/-]{1,60}",
        Just("\u{1b}[31m".to_owned()),
        Just("\u{202e}\u{2066}".to_owned()),
        Just("\n\r\t".to_owned()),
        Just("| a | b |".to_owned()),
        Just("`code` <img src=x onerror=y> [x](http://evil.example) ![](//e)".to_owned()),
        Just("\n# heading\n- item\n1. item\n> quote\n---\n```\n".to_owned()),
        Just("=HYPERLINK(\"x\")".to_owned()),
        Just("\\".to_owned()),
        Just("東京".to_owned()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Characters that Markdown obeys where no backslash stands before them.
fn unescaped(text: &str, mark: char) -> usize {
    let mut before = ' ';
    let mut count = 0;
    for character in text.chars() {
        count += usize::from(character == mark && before != '\\');
        before = character;
    }
    count
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn i05_strings_from_logs_and_files_stay_inert(strings in prop::collection::vec(hostile(), 8)) {
        let mut study = study();
        study.key.account = Some(strings[0].as_str().into());
        study.key.region = Some(strings[1].as_str().into());
        study.key.model = strings[2].as_str().into();
        let name = QuotaName {
            limit: Limit::TokensPerMinute,
            name: strings[3].clone(),
            code: Some(strings[4].clone()),
            source: strings[5].clone(),
        };
        study.applied_tpm = None;
        let input = TicketInput {
            use_case: Some(strings[6].clone()),
            contact: Some(strings[7].clone()),
            not_global_reason: Some(strings[6].clone()),
            input_modality: Some(strings[7].clone()),
            ..said()
        };
        let mut facts = facts_of(&study, &[name], &input);
        facts.evidence.throttled_requests =
            vec![ThrottledRequest { second: 0, request_id: RequestId::parse(&strings[2]) }];
        for (_, form) in FORMS {
            let text = ticket::text(std::slice::from_ref(&facts), style(form));
            let is_obeyed = |c: char| c.is_control() || c == '\u{202e}';
            for line in text.lines() {
                prop_assert!(!line.contains(is_obeyed), "{line}");
                prop_assert!(line.width() <= 81 || line.contains("https://"), "{line}");
            }
            let markdown = ticket::markdown(std::slice::from_ref(&facts), style(form));
            prop_assert_eq!(markdown.matches("\n# ").count() + markdown.matches("\n## ").count(), 1);
            let mut cells = 0;
            for line in markdown.lines().filter(|line| !line.starts_with("```")) {
                prop_assert!(!line.replace("<br>", "").contains('<'), "{line}");
                prop_assert_eq!(unescaped(line, '`'), 0);
                prop_assert_eq!(unescaped(line, '['), 0, "{}", line);
                if line.starts_with('|') {
                    let columns = unescaped(line, '|');
                    prop_assert!(cells == 0 || columns == cells, "{line}");
                    cells = columns;
                } else {
                    cells = 0;
                }
            }
            let json = ticket::json(std::slice::from_ref(&facts), form);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
            prop_assert!(!json.replace('\n', "").contains(is_obeyed));
        }
    }
}
