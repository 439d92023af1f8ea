//! Which quota throttled: traffic is replayed against a known quota, and the cause is inferred from what is left.

mod logged;

use borehole_quota::attribution::{Cause, Causes, Confidence, Doubt, Hours, KnownQuotas};
use borehole_quota::demand::{Arrival, Demand};
use borehole_quota::replay::{self, Limits, Window};
use borehole_quota::rules::Limit;
use borehole_quota::{CallerId, Keep};
use borehole_usage::{Charge, MaxTokens};

use logged::{CHARGE, Call, attempts_of, book_of};

const DAY: i64 = 86_400;

/// Numbers that look random, the same on every machine (Knuth's MMIX constants).
struct Numbers(u64);

impl Numbers {
    /// From 0 to `below` − 1.
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// Four hours of calls, of few in a minute to `peak` in the busiest, each of its own size up to `size` tokens.
fn traffic(seed: u64, peak: u64, size: u64) -> Vec<Call> {
    let mut numbers = Numbers(seed);
    let mut calls = Vec::new();
    for minute in 0..240u64 {
        // Rises and falls twice.
        let phase = minute % 120;
        let level = peak * (10 + phase.min(120 - phase)) / 70;
        // Some minutes have long prompts, others short ones.
        let scale = 1 + numbers.below(4);
        for _ in 0..level {
            let second = (minute * 60 + numbers.below(60)) as i64;
            let input = 100 + numbers.below(size) * scale;
            let output = numbers.below(600);
            let call = Call::by("anna").at(second).tokens(input, output).max_tokens(2_000);
            calls.push(Call { latency_ms: Some(500 + output * 10), ..call });
        }
    }
    calls.sort_by_key(|call| call.second);
    calls
}

/// The calls as a quota would have left them in the log.
fn throttle(calls: &[Call], window: Window, limits: Limits) -> Vec<Call> {
    let arrivals = calls.iter().map(|call| {
        let (input, output) = (call.input.unwrap_or(0), call.output.unwrap_or(0));
        let MaxTokens::Set(max_tokens) = call.max_tokens else { panic!("unset") };
        Arrival {
            second: call.second,
            reserve: input + max_tokens,
            settle: input + output * 5,
            latency_ms: call.latency_ms.unwrap_or(0),
            caller: CallerId(0),
        }
    });
    let demand = Demand { arrivals: arrivals.collect(), ..Demand::default() };
    let mut left = calls.to_vec();
    for refusal in replay::refusals(&demand, window, limits) {
        left[refusal.arrival] = left[refusal.arrival].clone().throttled();
    }
    left
}

fn causes(calls: &[Call], known: &KnownQuotas) -> Causes {
    let book = book_of(calls, Keep::All);
    Causes::of(attempts_of(&book), &CHARGE, known, Hours::All)
}

/// Throttles by what explains them: TPM, RPM, TPD, unknown.
fn explained(causes: &Causes) -> [u64; 4] {
    let mut sums = [0; 4];
    for row in &causes.summary {
        let at = match row.cause {
            Cause::Quota(Limit::TokensPerMinute, _) => 0,
            Cause::Quota(Limit::RequestsPerMinute, _) => 1,
            Cause::Quota(Limit::TokensPerDay, _) => 2,
            Cause::Unknown(_) => 3,
        };
        sums[at] += row.throttled;
    }
    sums
}

const NOTHING_KNOWN: KnownQuotas = KnownQuotas {
    tokens_per_minute: None,
    requests_per_minute: None,
    tokens_per_day: None,
    has_requests_per_minute: None,
};

#[test]
fn throttles_of_a_token_quota_are_never_laid_on_requests_nor_the_other_way_round() {
    for window in Window::ALL {
        for seed in 1..4 {
            let calls = traffic(seed, 60, 4_000);
            let tokens = Limits { tokens_per_minute: Some(300_000), requests_per_minute: None };
            let requests = Limits { tokens_per_minute: None, requests_per_minute: Some(45) };
            for (limits, own) in [(tokens, 0), (requests, 1)] {
                let causes = causes(&throttle(&calls, window, limits), &NOTHING_KNOWN);
                let sums = explained(&causes);
                let all: u64 = sums.iter().sum();
                assert!(all > 50, "{window:?} {limits:?}: only {all} throttles");
                assert_eq!(all - sums[own] - sums[3], 0, "{window:?} {limits:?}: {:?}", causes.summary);
                assert!(sums[own] * 10 >= all * 9, "{window:?} {limits:?}: {:?}", causes.summary);
            }
        }
    }
}

#[test]
fn applied_quotas_decide_what_the_log_alone_leaves_open() {
    // Calls of one size: tokens and requests rise and fall together.
    let calls: Vec<Call> = (0..120)
        .flat_map(|minute| (0..30.min(minute)).map(move |n| (minute, n)))
        .map(|(minute, n)| Call::by("anna").at(minute * 60 + n).tokens(1_000, 100).max_tokens(500))
        .collect();
    let calls = throttle(
        &calls,
        Window::ClockMinute,
        Limits { tokens_per_minute: Some(30_500), requests_per_minute: None },
    );
    let alone = causes(&calls, &NOTHING_KNOWN);
    assert!(
        alone.summary.iter().all(|row| row.cause == Cause::Unknown(Doubt::EitherLimit)),
        "{:?}",
        alone.summary
    );
    let cause_with = |known: KnownQuotas| {
        let causes = causes(&calls, &known);
        assert_eq!(causes.summary.len(), 1, "{:?}", causes.summary);
        causes.summary[0].cause
    };
    let high_tpm = Cause::Quota(Limit::TokensPerMinute, Confidence::High);
    let both =
        KnownQuotas { tokens_per_minute: Some(30_500), requests_per_minute: Some(1_000), ..NOTHING_KNOWN };
    assert_eq!(cause_with(both), high_tpm);
    let tokens_only = KnownQuotas { tokens_per_minute: Some(30_500), ..NOTHING_KNOWN };
    assert_eq!(cause_with(tokens_only), Cause::Quota(Limit::TokensPerMinute, Confidence::Medium));
    let without_rpm = KnownQuotas { has_requests_per_minute: Some(false), ..NOTHING_KNOWN };
    assert_eq!(cause_with(without_rpm), high_tpm);
    let rpm =
        KnownQuotas { tokens_per_minute: Some(1_000_000), requests_per_minute: Some(20), ..NOTHING_KNOWN };
    assert_eq!(cause_with(rpm), Cause::Quota(Limit::RequestsPerMinute, Confidence::High));
    // Served use is more than twice this: the quota is of another time, and says nothing.
    let stale = KnownQuotas { tokens_per_minute: Some(5_000), ..NOTHING_KNOWN };
    assert_eq!(cause_with(stale), Cause::Unknown(Doubt::EitherLimit));
}

#[test]
fn throttles_at_low_use_are_laid_on_nobody() {
    let mut calls = Vec::new();
    for minute in 0..60 {
        let busy = if minute == 30 { 40 } else { 10 };
        calls
            .extend((0..busy).map(|n| Call::by("anna").at(minute * 60 + n).tokens(1_000, 10).max_tokens(50)));
    }
    calls.push(Call::by("anna").at(50 * 60 + 3).throttled());
    let causes = causes(&calls, &NOTHING_KNOWN);
    assert_eq!(causes.minutes.len(), 1);
    assert_eq!(causes.minutes[0].cause, Cause::Unknown(Doubt::LowUse));
    assert_eq!(causes.minutes_without, 59);
    assert_eq!(causes.requests_served, 40);
    assert_eq!((causes.minutes[0].throttled, causes.minutes[0].attempts), (1, 11));
}

#[test]
fn few_minutes_to_compare_with_lower_the_confidence() {
    let without_rpm = KnownQuotas { has_requests_per_minute: Some(false), ..NOTHING_KNOWN };
    for (minutes, expected) in [(9, Confidence::Medium), (10, Confidence::High)] {
        let mut calls: Vec<Call> = (0..minutes)
            .map(|minute| Call::by("anna").at(minute * 60).tokens(10, 1).max_tokens(10))
            .collect();
        calls.push(Call::by("anna").at(minutes * 60).tokens(900, 1).max_tokens(10));
        calls.push(Call::by("anna").at(minutes * 60 + 1).throttled());
        let found = causes(&calls, &without_rpm);
        assert_eq!(found.summary[0].cause, Cause::Quota(Limit::TokensPerMinute, expected));
    }
}

/// Days of a call a minute, of 1,000 settled tokens each; from the given hour of a day on all are refused.
fn days(count: i64, refused_from_hour: impl Fn(i64) -> i64) -> Vec<Call> {
    let mut calls = Vec::new();
    for day in 0..count {
        for minute in 0..1_440 {
            let call = Call::by("anna").at(day * DAY + minute * 60).tokens(990, 2).max_tokens(10);
            let is_refused = minute >= refused_from_hour(day) * 60;
            calls.push(if is_refused { call.throttled() } else { call });
            // A busier minute each morning: nothing of a minute is at its largest in the evening.
            if minute == 100 {
                calls.extend(
                    (0..9).map(|n| Call::by("anna").at(day * DAY + 6_001 + n).tokens(990, 2).max_tokens(10)),
                );
            }
        }
    }
    calls
}

fn only_cause(calls: &[Call], known: &KnownQuotas) -> Cause {
    let causes = causes(calls, known);
    assert_eq!(causes.summary.len(), 1, "{:?}", causes.summary);
    causes.summary[0].cause
}

#[test]
fn refusals_until_midnight_are_a_daily_quota() {
    let daily = |confidence| Cause::Quota(Limit::TokensPerDay, confidence);
    // The last day of the log: nobody knows what came after midnight.
    assert_eq!(only_cause(&days(1, |_| 20), &NOTHING_KNOWN), daily(Confidence::Low));
    // Served again after midnight, to the log's end an hour later.
    let mut calls = days(1, |_| 20);
    calls.extend((0..60).map(|n| Call::by("anna").at(DAY + n * 60).tokens(990, 2).max_tokens(10)));
    assert_eq!(only_cause(&calls, &NOTHING_KNOWN), daily(Confidence::Medium));
    // Twice at the same sum.
    let mut calls = days(2, |_| 20);
    calls.extend((0..60).map(|n| Call::by("anna").at(2 * DAY + n * 60).tokens(990, 2).max_tokens(10)));
    assert_eq!(only_cause(&calls, &NOTHING_KNOWN), daily(Confidence::High));
    let applied = |tokens| KnownQuotas { tokens_per_day: Some(tokens), ..NOTHING_KNOWN };
    assert_eq!(only_cause(&days(1, |_| 20), &applied(1_209_000)), daily(Confidence::High));
    assert_eq!(only_cause(&days(1, |_| 20), &applied(9_000_000)), Cause::Unknown(Doubt::LowUse));
}

#[test]
fn a_day_that_passed_the_level_speaks_against_a_daily_quota() {
    let calls = days(2, |day| if day == 0 { 12 } else { 24 });
    assert_eq!(only_cause(&calls, &NOTHING_KNOWN), Cause::Unknown(Doubt::LowUse));
}

#[test]
fn refusals_that_go_on_after_midnight_are_no_daily_quota() {
    let mut calls = days(1, |_| 20);
    calls.extend((0..120).map(|n| Call::by("anna").at(DAY + n * 60).throttled()));
    assert_eq!(only_cause(&calls, &NOTHING_KNOWN), Cause::Unknown(Doubt::LowUse));
}

#[test]
fn without_tokens_nothing_is_claimed_but_what_requests_prove() {
    let calls: Vec<Call> = (0..60)
        .map(|minute| Call::by("anna").at(minute * 60))
        .map(|call| Call { input: None, output: None, ..call })
        .chain([Call::by("anna").at(3_550).throttled()])
        .collect();
    let found = causes(&calls, &NOTHING_KNOWN);
    assert_eq!(found.tokens_served, None);
    assert_eq!(found.minutes[0].tokens, None);
    assert_eq!(found.summary[0].cause, Cause::Unknown(Doubt::TokensUnknown));
    let known = KnownQuotas { requests_per_minute: Some(1), ..NOTHING_KNOWN };
    let expected = Cause::Quota(Limit::RequestsPerMinute, Confidence::Medium);
    assert_eq!(causes(&calls, &known).summary[0].cause, expected);
    // The same where no rule names the model's rate.
    let book = book_of(&traffic(1, 10, 10), Keep::All);
    let unruled = Charge { burndown: None, ..CHARGE };
    assert_eq!(Causes::of(attempts_of(&book), &unruled, &known, Hours::All), Causes::default());
}

#[test]
fn f29_the_largest_values_do_not_overflow() {
    let huge = u64::MAX / 4;
    let calls: Vec<Call> = (0..100)
        .map(|n| Call::by("anna").at(n * 7).tokens(huge, huge).max_tokens(huge))
        .map(|call| if call.second % 3 == 0 { call.throttled() } else { call })
        .collect();
    let book = book_of(&calls, Keep::All);
    let charge = Charge { burndown: Some(u32::MAX), ..CHARGE };
    let known = KnownQuotas { tokens_per_day: Some(u64::MAX), tokens_per_minute: Some(0), ..NOTHING_KNOWN };
    let found = Causes::of(attempts_of(&book), &charge, &known, Hours::All);
    assert_eq!(found.summary.iter().map(|row| row.throttled).sum::<u64>(), 34);
}
