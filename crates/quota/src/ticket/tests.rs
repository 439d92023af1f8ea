//! Facts from hand-made studies: what is asked, what is blank, what is known.

use std::sync::Arc;

use borehole_record::{Call, Facets, Invocation, ProfileMap, RequestId, UtcHour};
use borehole_usage::figures::{MinuteFigures, TokenSums};

use super::*;
use crate::book::{AttemptBook, Keep};
use crate::demand::Estimate;
use crate::replay::Window;
use crate::rules::Ruled;
use crate::study::{NeedAnswer, Remedy};

const ACCOUNT: &str = "111122223333";
const REGION: &str = "us-east-1";
const MODEL: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";

fn key(scope: Scope) -> QuotaKey {
    QuotaKey { account: Some(ACCOUNT.into()), region: Some(REGION.into()), model: MODEL.into(), scope }
}

fn need(peak: u64, requested_peak: u64) -> Need {
    let answers = Estimate::ALL.into_iter().flat_map(|estimate| {
        Window::ALL.map(|window| NeedAnswer {
            estimate,
            window,
            quota: requested_peak,
            refused: 0,
            of: 10,
            offered: requested_peak,
        })
    });
    Need {
        answers: answers.collect(),
        peak,
        peak_minute: Some(UtcMinute(7)),
        steady: peak / 4,
        requested_peak,
        requested_steady: peak / 4,
    }
}

fn ruled<T>(value: T) -> Ruled<T> {
    let source = "a table".to_owned();
    Ruled { value, pattern: "anthropic.*".to_owned(), valid_from: None, source, note: None }
}

fn load(attempts: u64, throttled: u64, settled: u64) -> MinuteLoad {
    MinuteLoad { attempts, throttled, settled, reserved: settled * 2, raw: settled / 2 }
}

fn study() -> KeyStudy {
    KeyStudy {
        key: key(Scope::Geo),
        charge: Charge { burndown: Some(5), ..Charge::default() },
        rules: ModelRules { burndown: Some(ruled(5)), ..ModelRules::default() },
        attempted: 100,
        throttled: 3,
        knowledge: Knowledge { successful: 97, ..Knowledge::default() },
        tokens: Some(need(2_600_000, 7_700_000)),
        requests: Some(need(1_240, 1_500)),
        day_peak: None,
        rolling_day_peak: None,
        minutes: vec![
            (UtcMinute(1), load(10, 0, 900)),
            (UtcMinute(2), load(10, 1, 100)),
            (UtcMinute(3), load(10, 2, 50)),
            (UtcMinute(4), load(10, 1, 100)),
            (UtcMinute(5), load(10, 0, 800)),
            (UtcMinute(6), load(10, 0, 900)),
        ],
        remedies: Vec::new(),
        cut: 0,
        trials: Vec::new(),
        applied_tpm: None,
        applied_rpm: None,
        applied_tpd: None,
    }
}

fn applied(value: u64, adjustable: bool) -> AppliedQuota {
    AppliedQuota {
        account: ACCOUNT.into(),
        region: REGION.into(),
        code: "L-F4DDD3EB".to_owned(),
        name: "Cross-region tokens".to_owned(),
        value,
        adjustable,
    }
}

fn group() -> Group {
    let name = |dimension: &str, value: &str| (dimension.to_owned(), Some(value.to_owned()));
    Group {
        key: vec![
            name("account", ACCOUNT),
            name("region", REGION),
            name("model", MODEL),
            name("scope", "geo"),
        ],
        tokens: TokenSums {
            input: 2_480,
            prompt: 10_620,
            output: 290,
            input_known: 2,
            output_known: 2,
            ..TokenSums::default()
        },
        high_token: HighToken { known: 2, by_input: 1, by_prompt: 2, small: 0 },
        tokens_per_minute: Some(MinuteFigures {
            average: Ratio { numerator: 1, denominator: 1 },
            average_all: None,
            p50: 11,
            p90: 12,
            p99: 13,
            peak: 14,
            peak_minute: UtcMinute(9),
            peak_sliding_60s: 15,
            burst: None,
            data_points: None,
        }),
        ..Group::default()
    }
}

fn said() -> TicketInput {
    TicketInput {
        use_case: Some("Answers questions.".to_owned()),
        not_global_reason: Some("residency".to_owned()),
        input_modality: Some("text".to_owned()),
        output_modality: Some("text".to_owned()),
        ..TicketInput::default()
    }
}

fn facts_of(study: &KeyStudy, input: &TicketInput) -> TicketFacts {
    let coverage = vec![
        Coverage { hours: 9, hours_with_objects: 9, ..Coverage::default() },
        Coverage {
            account: Some(ACCOUNT.to_owned()),
            region: Some(REGION.to_owned()),
            hours: 336,
            hours_with_objects: 334,
            gaps: vec![(UtcHour(3), UtcHour(5))],
        },
    ];
    let mut health = Health { coverage, ..Health::default() };
    health.records.duplicate = 7;
    health.objects.failed.insert("gz_truncated", 2);
    health.counts_lost = 1;
    let figures = Figures { groups: vec![Group::default(), group()], ..Figures::default() };
    let aim = Aim { growth: Share::from_millionths(200_000), ..Aim::default() };
    let run = RunFacts {
        figures: &figures,
        health: &health,
        complete: false,
        aim: &aim,
        rules_at: Timestamp::from_seconds(86_400 * 3 + 5),
    };
    TicketFacts::new(study, &run, None, &[], input)
}

#[test]
fn figures_and_evidence_are_those_of_the_quota_itself() {
    let facts = facts_of(&study(), &said());
    assert_eq!(facts.averages.input, Ratio::new(2_480, 2));
    assert_eq!(facts.averages.prompt, Ratio::new(10_620, 2));
    assert_eq!(facts.averages.output, Ratio::new(290, 2));
    assert_eq!(facts.raw, Some(RawTokens { steady: 11, peak: 14, peak_minute: UtcMinute(9) }));
    let evidence = &facts.evidence;
    assert_eq!(evidence.coverage.as_ref().map(|coverage| coverage.hours), Some(336));
    assert_eq!((evidence.duplicates, evidence.unread, evidence.complete), (7, 3, false));
    assert_eq!(facts.assumptions.rules_at, UtcDay(3));
    let minutes: Vec<i64> = evidence.worst_minutes.iter().map(|(minute, _)| minute.0).collect();
    assert_eq!(minutes, [3, 2, 4, 1, 6], "throttles, then tokens, then the earliest");
}

#[test]
fn a_source_whose_keys_name_no_account_covers_every_quota() {
    let mut study = study();
    study.key.region = Some("eu-west-1".into());
    let facts = facts_of(&study, &said());
    assert_eq!(facts.evidence.coverage.map(|coverage| coverage.hours), Some(9));
    assert_eq!(facts.averages, Averages::default(), "another quota's averages are not taken");
}

#[test]
fn what_nobody_said_is_blank_and_a_contact_only_where_one_is_wanted() {
    let facts = facts_of(&study(), &said());
    assert_eq!(facts.blanks, []);
    let facts = facts_of(&study(), &TicketInput { contact: Some(" ".to_owned()), ..TicketInput::default() });
    let expected =
        [Blank::UseCase, Blank::Contact, Blank::NotGlobal, Blank::InputModality, Blank::OutputModality];
    assert_eq!(facts.blanks, expected);
    assert_eq!(facts.blanks_of(Form::Mission).collect::<Vec<_>>(), [Blank::UseCase, Blank::Contact]);
    assert!(facts.notices.contains(&Notice::Blank(expected.to_vec())));
}

#[test]
fn the_scope_answers_the_question_of_cross_region_inference_where_it_can() {
    let answer = |scope, said: TicketInput| {
        let facts = facts_of(&KeyStudy { key: key(scope), ..study() }, &said);
        (
            facts.cross_region,
            facts.blanks.contains(&Blank::CrossRegion),
            facts.blanks.contains(&Blank::NotGlobal),
        )
    };
    let silent = TicketInput::default();
    assert_eq!(answer(Scope::Geo, silent.clone()), (Some(CrossRegion::Geo), false, true));
    assert_eq!(answer(Scope::Global, silent.clone()), (Some(CrossRegion::Global), false, false));
    assert_eq!(answer(Scope::OnDemand, silent), (None, true, true));
    let open = TicketInput { cross_region: Some(CrossRegion::Global), ..TicketInput::default() };
    assert_eq!(answer(Scope::OnDemand, open), (Some(CrossRegion::Global), false, false));
}

#[test]
fn the_closest_statement_of_a_current_quota_wins_and_an_export_wins_over_all() {
    let stated = |region: Option<&str>, model: Option<&str>, tokens, requests| StatedQuota {
        region: region.map(str::to_owned),
        model: model.map(str::to_owned),
        tokens_per_minute: tokens,
        requests_per_minute: requests,
        ..StatedQuota::default()
    };
    let current = vec![
        stated(Some(REGION), Some(MODEL), Some(3), None),
        stated(None, None, Some(1), Some(10)),
        stated(Some(REGION), None, Some(2), None),
        stated(Some("eu-west-1"), Some(MODEL), Some(9), Some(9)),
    ];
    let input = TicketInput { current, ..said() };
    let facts = facts_of(&study(), &input);
    let value = |limit: &LimitFacts| limit.current.map(|current| (current.value, current.exported));
    assert_eq!((value(&facts.tokens), value(&facts.requests)), (Some((3, false)), Some((10, false))));
    let study = KeyStudy { applied_tpm: Some(applied(4_000_000, true)), ..study() };
    assert_eq!(value(&facts_of(&study, &input).tokens), Some((4_000_000, true)));
}

#[test]
fn a_low_use_is_told_against_the_current_quota() {
    let notices = |current| {
        let study = KeyStudy { applied_tpm: Some(applied(current, true)), ..study() };
        facts_of(&study, &said()).notices
    };
    let use_of =
        |current, is_low| Notice::Use { limit: Limit::TokensPerMinute, used: 2_600_000, current, is_low };
    assert!(notices(4_000_000).contains(&use_of(4_000_000, true)), "65 %");
    assert!(notices(3_250_000).contains(&use_of(3_250_000, false)), "80 %");
    assert!(notices(7_700_000).contains(&Notice::Fits(Limit::TokensPerMinute)));
    assert!(notices(1).contains(&Notice::CurrentUnknown(vec![Limit::RequestsPerMinute])));
}

#[test]
fn legacy_models_and_fixed_quotas_are_told() {
    let mut study = KeyStudy { applied_tpm: Some(applied(4_000_000, false)), ..study() };
    study.rules.lifecycle = Some(ruled(Lifecycle::Legacy));
    let facts = facts_of(&study, &said());
    assert!(facts.notices.contains(&Notice::NotAdjustable(Limit::TokensPerMinute)));
    let legacy = Notice::Lifecycle { is_over: false, source: "a table".to_owned() };
    assert!(facts.notices.contains(&legacy));
    study.rules.lifecycle = Some(ruled(Lifecycle::Active));
    assert!(!facts_of(&study, &said()).notices.contains(&legacy));
}

#[test]
fn the_mildest_cap_that_makes_the_ticket_needless_is_told() {
    let remedy = |max_tokens, tokens_per_minute, cut| Remedy {
        change: Change::CapMaxTokens(max_tokens),
        tokens_per_minute,
        unchanged: 6_400_000,
        cut,
        answers: 97,
    };
    let without = Remedy { change: Change::Without(crate::attempt::CallerId(0)), ..remedy(0, 1, 0) };
    let mut study = KeyStudy { applied_tpm: Some(applied(4_000_000, true)), ..study() };
    let told = |study: &KeyStudy| {
        let facts = facts_of(study, &said());
        facts.notices.into_iter().find(|notice| matches!(notice, Notice::Cap { .. }))
    };
    study.remedies = vec![without.clone()];
    assert_eq!(told(&study), None, "a caller cannot be wished away");
    study.remedies = vec![remedy(8_192, 3_900_000, 0), remedy(4_096, 3_000_000, 1), without];
    let cap = |max_tokens, enough, cut, avoids| {
        Some(Notice::Cap { max_tokens, enough, unchanged: 7_680_000, cut, answers: 97, avoids })
    };
    // 3,900,000 with 20 % growth is too much; 3,000,000 is not.
    assert_eq!(told(&study), cap(4_096, 3_600_000, 1, true));
    study.remedies.remove(1);
    assert_eq!(told(&study), cap(8_192, 4_680_000, 0, false));
    study.applied_tpm = Some(applied(9_000_000, true));
    assert_eq!(told(&study), None, "nothing is asked for");
}

#[test]
fn without_a_rate_or_traffic_there_are_no_figures() {
    let unruled = KeyStudy { tokens: None, charge: Charge::default(), ..study() };
    let facts = facts_of(&unruled, &said());
    assert_eq!(facts.tokens.need, Err(NoNeed::RateUnknown));
    assert!(facts.notices.contains(&Notice::RateUnknown));
    assert!(facts.requests.need.is_ok());
    let silent = KeyStudy { attempted: 0, throttled: 0, minutes: Vec::new(), ..study() };
    let facts = facts_of(&silent, &said());
    assert_eq!((facts.tokens.need, facts.requests.need), (Err(NoNeed::NoTraffic), Err(NoNeed::NoTraffic)));
    assert_eq!(facts.notices[0], Notice::NoTraffic);
    assert!(facts.commands.is_empty());
    let refused = KeyStudy { knowledge: Knowledge::default(), ..study() };
    assert_eq!(facts_of(&refused, &said()).tokens.need, Err(NoNeed::NothingServed));
    let uncounted =
        KeyStudy { knowledge: Knowledge { successful: 5, unknown: 5, ..Knowledge::default() }, ..study() };
    assert_eq!(facts_of(&uncounted, &said()).tokens.need, Err(NoNeed::CountsUnknown));
    let fixed = KeyStudy { requests: None, ..study() };
    assert_eq!(facts_of(&fixed, &said()).requests.need, Err(NoNeed::NoSuchQuota));
}

#[test]
fn an_increase_is_requested_by_code_and_what_is_unknown_is_fetched() {
    let study = KeyStudy { applied_tpm: Some(applied(4_000_000, true)), ..study() };
    let request = Command::Request {
        limit: Limit::TokensPerMinute,
        code: "L-F4DDD3EB".to_owned(),
        desired: 7_700_000,
        region: REGION.to_owned(),
    };
    let fetch = Command::Fetch { account: Some(ACCOUNT.to_owned()), region: REGION.to_owned() };
    assert_eq!(facts_of(&study, &said()).commands, [request.clone(), fetch]);
    let known = KeyStudy { applied_rpm: Some(applied(10_000, true)), ..study.clone() };
    assert_eq!(facts_of(&known, &said()).commands, [request], "the RPM quota is enough");
    let mut hostile = study;
    hostile.key.region = Some("us-east-1; rm -rf /".into());
    assert!(facts_of(&hostile, &said()).commands.is_empty());
}

#[test]
fn modality_comes_from_the_bodies_and_tools_are_text() {
    let mut book = AttemptBook::new(Keep::All, ProfileMap::default(), None);
    let call = Call {
        account: Some(ACCOUNT.into()),
        region: Some(REGION.into()),
        model_id: format!("us.{MODEL}").into(),
        ..Call::default()
    };
    let facets = Arc::new(Facets { call: call.into(), ..Facets::default() });
    let hour = UtcHour(475_000);
    let mut open = book.open(hour);
    for (id, input_kinds) in
        [ContentKinds::TOOL_RESULT, ContentKinds::IMAGE, ContentKinds::default()].into_iter().enumerate()
    {
        open.observe(&Invocation {
            timestamp: Timestamp::from_seconds(hour.start_seconds()),
            request_id: RequestId::Uuid((id as u128).to_be_bytes()),
            facets: Arc::clone(&facets),
            input_tokens: None.into(),
            output_tokens: None.into(),
            cache_read_tokens: None.into(),
            cache_write_tokens: None.into(),
            cache_write_5m_tokens: None.into(),
            cache_write_1h_tokens: None.into(),
            max_tokens: None.into(),
            latency_ms: None.into(),
            first_byte_ms: None.into(),
            input_bytes: None.into(),
            output_bytes: None.into(),
            input_kinds,
            output_kinds: ContentKinds::default(),
            images: 0,
            documents: 0,
            http_status: 0,
            input_large: false,
            output_large: false,
            payload_lost: false,
            object: 0,
            offset: 0,
        });
    }
    book.close(open);
    let attempts = book.get(&key(Scope::Geo)).expect("calls of this quota");
    assert_eq!(modality(&attempts.input_kinds()).as_deref(), Some("text+image"));
    assert_eq!(modality(&attempts.output_kinds()), None, "no body was seen");
}
