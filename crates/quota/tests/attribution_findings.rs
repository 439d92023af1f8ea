//! Why, who, what to do: each remedy on a log that asks for it.

mod logged;

use borehole_quota::attribution::{Cause, Doubt, Findings, Fix, Hours, KnownQuotas, Load, Who};
use borehole_quota::rules::Limit;
use borehole_quota::{AttemptBook, Keep, QuotaKey};
use borehole_record::{ProfileMap, Scope};
use borehole_usage::{Charge, MaxTokens};

use logged::{CHARGE, Call, book_of};

fn find(calls: &[Call]) -> Findings {
    find_with(calls, KnownQuotas::default())
}

fn find_with(calls: &[Call], known: KnownQuotas) -> Findings {
    let book = book_of(calls, Keep::Worst(3));
    Findings::with_known(&book, |_: &QuotaKey, _| CHARGE, |_| known)
}

fn words(findings: &Findings) -> Vec<&'static str> {
    findings.fixes.iter().map(Fix::as_str).collect()
}

/// Half an hour of ten calls a minute that reserve what they use, then two minutes of `peak` calls of which every
/// other is throttled. `call` makes one of them.
fn throttled_peak(peak: i64, call: impl Fn() -> Call) -> Vec<Call> {
    let mut calls = Vec::new();
    for minute in 0..30 {
        calls.extend((0..10).map(|n| call().at(minute * 60 + n * 6)));
    }
    for minute in 30..32 {
        for n in 0..peak {
            let call = call().at(minute * 60 + n * 60 / peak);
            calls.push(if n % 2 == 0 { call } else { call.throttled() });
        }
    }
    calls
}

const TPM_ONLY: KnownQuotas = KnownQuotas {
    tokens_per_minute: None,
    requests_per_minute: None,
    tokens_per_day: None,
    has_requests_per_minute: Some(false),
};

fn frugal() -> Call {
    Call::by("anna").tokens(400, 100).max_tokens(150)
}

#[test]
fn no_attempt_no_finding() {
    let book = AttemptBook::new(Keep::Worst(3), ProfileMap::default(), None);
    let found = Findings::of(&book, |_, _| CHARGE);
    assert_eq!(found, Findings { basis: Hours::Worst, key: None, why: None, who: None, fixes: Vec::new() });
}

#[test]
fn without_throttles_there_is_no_cause_and_nothing_to_mend() {
    let calls: Vec<Call> = (0..600).map(|second| frugal().at(second)).collect();
    let found = find(&calls);
    assert_eq!((found.basis, &found.why, &found.fixes[..]), (Hours::Worst, &None, &[][..]));
    let who = found.who.expect("somebody");
    assert_eq!((who.by, who.share.who.as_deref(), who.callers), (Who::Identity, Some("anna"), 1));
    assert_eq!((who.load, who.worst_minutes.len()), (Load::Reserved, 5));
    assert!(!who.is_noisy, "one caller has no neighbour");
    assert_eq!(who.retries, None);
}

#[test]
fn without_throttles_a_strong_waste_is_still_named() {
    let calls: Vec<Call> = (0..600).map(|second| frugal().unset().at(second)).collect();
    assert_eq!(words(&find(&calls)), ["set_max_tokens"]);
    // A cap at 256 would free 244 of 900: that is no strong waste.
    let calls: Vec<Call> = (0..600).map(|second| frugal().max_tokens(500).at(second)).collect();
    assert_eq!(words(&find(&calls)), Vec::<&str>::new());
}

#[test]
fn unset_max_tokens_are_to_be_set() {
    let found = find_with(&throttled_peak(80, || frugal().unset()), TPM_ONLY);
    let why = found.why.as_ref().expect("throttles");
    assert!(matches!(why.cause, Cause::Quota(Limit::TokensPerMinute, _)), "{:?}", why.cause);
    assert_eq!((why.throttled, why.explained, why.other_keys), (80, 80, 0));
    assert_eq!(words(&found), ["set_max_tokens", "increase", "global_scope"]);
    let Fix::SetMaxTokens(cap) = &found.fixes[0] else { panic!("{:?}", found.fixes) };
    assert_eq!((cap.max_tokens, cap.cuts, cap.requests, cap.unset), (256, 0, 380, 380));
    assert_eq!((cap.frees, cap.reserved), (380 * (64_000 - 256), 380 * 64_400));
    assert_eq!(found.fixes[1], Fix::Increase { limit: Some(Limit::TokensPerMinute) });
    assert!(found.fixes[2].is_suggestion() && !found.fixes[1].is_suggestion());
}

#[test]
fn oversized_max_tokens_are_to_be_capped() {
    let found = find_with(&throttled_peak(80, || frugal().max_tokens(8_000)), TPM_ONLY);
    assert_eq!(words(&found), ["cap_max_tokens", "increase", "global_scope"]);
}

#[test]
fn frugal_calls_are_left_an_increase() {
    let found = find_with(&throttled_peak(80, frugal), TPM_ONLY);
    assert_eq!(words(&found), ["increase", "global_scope"]);
    let who = found.who.expect("somebody");
    let retries = who.retries.expect("throttles");
    assert_eq!((retries.throttled, retries.throttled_again), (80, 79));
}

#[test]
fn a_quota_of_requests_is_not_helped_by_smaller_ones() {
    // One minute of few large requests shows that tokens are not what is short.
    let mut calls = throttled_peak(200, || frugal().unset());
    calls.extend((0..10).map(|n| Call::by("anna").at(33 * 60 + n).tokens(9_000_000, 10).max_tokens(100)));
    let found = find(&calls);
    let why = found.why.as_ref().expect("throttles");
    assert!(matches!(why.cause, Cause::Quota(Limit::RequestsPerMinute, _)), "{:?}", why.causes);
    assert_eq!(words(&found), ["increase", "global_scope"]);
    assert_eq!(found.fixes[0], Fix::Increase { limit: Some(Limit::RequestsPerMinute) });
}

#[test]
fn a_daily_quota_is_helped_by_caching_but_not_by_a_cap() {
    let call = || Call::by("anna").tokens(9_000, 10).unset();
    let mut calls: Vec<Call> = (0..1_080).map(|minute| call().at(minute * 60)).collect();
    calls.extend((0..30).map(|n| call().at(6_000 + n)));
    calls.extend((1_080..1_440).map(|minute| call().at(minute * 60).throttled()));
    let book = book_of(&calls, Keep::All);
    let found = Findings::of(&book, |_, _| CHARGE);
    assert_eq!(found.basis, Hours::All);
    let why = found.why.as_ref().expect("throttles");
    assert!(matches!(why.cause, Cause::Quota(Limit::TokensPerDay, _)), "{:?}", why.causes);
    assert_eq!(words(&found), ["cache_prompts", "increase", "global_scope"]);
    let Fix::Cache(hint) = &found.fixes[0] else { panic!("{:?}", found.fixes) };
    assert_eq!((hint.caller.as_deref(), hint.caller_requests, hint.requests), (Some("anna"), 1_110, 1_110));
    assert_eq!(hint.average_prompt.numerator / hint.average_prompt.denominator, 9_000);
    assert!(found.fixes[0].is_suggestion());
    // Whoever caches already knows.
    calls[0].cache_read = Some(1);
    let found = Findings::of(&book_of(&calls, Keep::All), |_, _| CHARGE);
    assert_eq!(words(&found), ["increase", "global_scope"]);
}

#[test]
fn bursts_are_to_be_spread() {
    let mut calls = throttled_peak(80, frugal);
    // All of the worst minute within one second.
    calls.extend((0..100).map(|_| frugal().at(40 * 60)));
    let found = find_with(&calls, TPM_ONLY);
    assert_eq!(words(&found), ["spread_bursts", "increase", "global_scope"]);
    let Fix::SpreadBursts(minute) = &found.fixes[0] else { panic!("{:?}", found.fixes) };
    assert_eq!((minute.busiest_second, minute.load, minute.attempts), (55_000, 55_000, 100));
}

#[test]
fn a_global_profile_that_is_used_without_throttles_comes_before_the_ticket() {
    let global = "global.anthropic.claude-sonnet-4-5-20250929-v1:0";
    let mut calls = throttled_peak(80, frugal);
    calls.push(frugal().model(global).at(1));
    let found = find_with(&calls, TPM_ONLY);
    assert_eq!(words(&found), ["global_scope", "increase"]);
    assert!(!found.fixes[0].is_suggestion());
    // Throttled itself, it is no way out; and it is another quota.
    calls.push(frugal().model(global).at(2).throttled());
    let found = find_with(&calls, TPM_ONLY);
    assert_eq!(words(&found), ["increase"]);
    let why = found.why.expect("throttles");
    assert_eq!((why.other_keys, why.other_throttled), (1, 1));
    assert_eq!(found.key.expect("a quota").scope, Scope::Geo);
}

#[test]
fn throttles_at_low_use_ask_for_the_applied_quota_first() {
    let mut calls: Vec<Call> = (0..40)
        .flat_map(|minute| {
            let busy = if minute == 5 { 60 } else { 10 };
            (0..busy).map(move |n| frugal().at(minute * 60 + n))
        })
        .collect();
    calls.push(frugal().at(30 * 60 + 2).throttled());
    let found = find(&calls);
    assert_eq!(found.why.as_ref().map(|why| why.cause), Some(Cause::Unknown(Doubt::LowUse)));
    assert_eq!(words(&found)[..2], ["compare_applied_quota", "increase"]);
    assert_eq!(found.fixes[1], Fix::Increase { limit: None });
}

#[test]
fn a_noisy_neighbour_has_much_more_of_the_peak_than_of_all() {
    let mut calls: Vec<Call> = (0..1_200).map(|second| frugal().at(second)).collect();
    calls.extend((0..50).map(|n| Call::by("batch").tokens(4_000, 100).max_tokens(150).at(605 + n % 55)));
    let who = find(&calls).who.expect("somebody");
    assert_eq!((who.share.who.as_deref(), who.callers, who.is_noisy), (Some("batch"), 2, true));
    let share = who.share.share.expect("load");
    assert!(share.numerator * 3 < share.denominator, "{share:?}");
    // Whoever sends evenly is not noisy, however much it is.
    let even: Vec<Call> = (0..1_200)
        .map(
            |second| {
                if second % 4 == 0 { frugal() } else { Call { identity: Some("bob".into()), ..frugal() } }
            },
        )
        .zip(0..)
        .map(|(call, second)| call.at(second))
        .collect();
    let who = find(&even).who.expect("somebody");
    assert_eq!((who.share.who.as_deref(), who.is_noisy), (Some("bob"), false));
}

#[test]
fn many_sessions_of_one_role_are_one_caller() {
    let session = |n: i64| format!("arn:aws:sts::111122223333:assumed-role/Batch/pod-{n}");
    let calls: Vec<Call> = (0..600)
        .map(|n| Call { identity: Some(session(n % 40)), ..frugal() }.at(n))
        .chain((0..10).map(|n| frugal().at(n * 60)))
        .collect();
    let who = find(&calls).who.expect("somebody");
    assert_eq!((who.by, who.share.who.as_deref()), (Who::Role, Some("Batch")));
    assert_eq!(who.callers, 2);
}

#[test]
fn without_any_tokens_attempts_are_what_counts() {
    let unknown = |call: Call| Call { input: None, output: None, max_tokens: MaxTokens::Unknown, ..call };
    let calls: Vec<Call> = throttled_peak(80, || unknown(Call::anonymous()));
    let found = find(&calls);
    assert_eq!(found.why.as_ref().map(|why| why.cause), Some(Cause::Unknown(Doubt::TokensUnknown)));
    let who = found.who.as_ref().expect("somebody");
    assert_eq!((who.load, who.share.who.as_deref()), (Load::Attempts, None));
    assert_eq!(words(&found), ["compare_applied_quota", "increase", "global_scope"]);
    // And where the model's rate is unknown.
    let book = book_of(&throttled_peak(80, || frugal().unset()), Keep::Worst(3));
    let found = Findings::of(&book, |_, _| Charge { burndown: None, ..CHARGE });
    assert_eq!(found.who.as_ref().map(|who| who.load), Some(Load::Raw));
    assert_eq!(words(&found), ["compare_applied_quota", "increase", "global_scope"]);
}

#[test]
fn nothing_depends_on_the_order_in_which_calls_and_callers_came() {
    let mut calls = throttled_peak(80, || frugal().unset());
    for (n, call) in calls.iter_mut().enumerate() {
        call.identity = Some(format!("arn:aws:sts::111122223333:assumed-role/R{}/s{}", n % 3, n % 7));
    }
    let expected = find_with(&calls, TPM_ONLY);
    calls.reverse();
    assert_eq!(find_with(&calls, TPM_ONLY), expected);
    let half = calls.len() / 2;
    calls.rotate_left(half);
    assert_eq!(find_with(&calls, TPM_ONLY), expected);
}

#[test]
fn the_worst_quota_is_the_one_with_most_throttles() {
    let nova = "amazon.nova-lite-v1:0";
    let mut calls: Vec<Call> = (0..600).map(|second| frugal().tokens(90_000, 9).at(second)).collect();
    calls.push(frugal().model(nova).at(7).throttled());
    let key = find(&calls).key.expect("a quota");
    assert_eq!((&*key.model, key.scope), (nova, Scope::OnDemand));
    calls.pop();
    calls.push(frugal().model(nova).at(7));
    assert_eq!(find(&calls).key.expect("a quota").scope, Scope::Geo);
}

#[test]
fn f29_the_largest_values_do_not_overflow() {
    let huge = u64::MAX / 4;
    let calls: Vec<Call> = (0..400)
        .map(|n| Call::by("anna").at(n * 2).tokens(huge, huge).max_tokens(huge))
        .map(|call| if call.second % 3 == 0 { call.throttled() } else { call })
        .collect();
    let book = book_of(&calls, Keep::All);
    let found = Findings::of(&book, |_, _| Charge { burndown: Some(u32::MAX), ..CHARGE });
    assert_eq!(found.why.map(|why| why.throttled), Some(134));
}
