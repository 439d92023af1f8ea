//! Attempts to demand: what throttling hid, what stays unknown, and what changes would have made of it.

use borehole_quota::demand::{Arrival, Demand, Estimate};
use borehole_quota::what_if::{WhatIf, output_percentile};
use borehole_quota::{Attempt, CallerId, Ending, Share};
use borehole_record::Count;
use borehole_usage::{Charge, MaxTokens, Tokens};
use proptest::collection::vec;
use proptest::prelude::*;

const CHARGE: Charge = Charge {
    burndown: Some(5),
    max_output_tokens: Some(64_000),
    input_includes_cache: false,
    reserves_cache_reads: false,
};

const ANNA: CallerId = CallerId(7);
const BOB: CallerId = CallerId(3);

const NO_TOKENS: Tokens = Tokens {
    input: Count::UNKNOWN,
    output: Count::UNKNOWN,
    cache_read: Count::UNKNOWN,
    cache_write: Count::UNKNOWN,
    max_tokens: MaxTokens::Unknown,
};

/// 1,000 in, so much out, `max_tokens` 4,096, 2 s.
fn served(second: i64, caller: CallerId, output: u64) -> Attempt {
    let tokens = Tokens {
        input: Count::known(1_000),
        output: Count::known(output),
        max_tokens: MaxTokens::Set(4_096),
        ..NO_TOKENS
    };
    Attempt { second, ending: Ending::Successful, tokens, latency_ms: Count::known(2_000), caller }
}

fn throttled(second: i64, caller: CallerId) -> Attempt {
    Attempt { second, ending: Ending::Throttled, tokens: NO_TOKENS, latency_ms: Count::UNKNOWN, caller }
}

fn failed(second: i64, caller: CallerId) -> Attempt {
    Attempt { ending: Ending::Failed, ..throttled(second, caller) }
}

fn arrival(second: i64, caller: CallerId, reserve: u64, settle: u64, latency_ms: u64) -> Arrival {
    Arrival { second, reserve, settle, latency_ms, caller }
}

/// What [`served`] asks for.
fn asks(second: i64, caller: CallerId, output: u64) -> Arrival {
    arrival(second, caller, 5_096, 1_000 + 5 * output, 2_000)
}

fn nothing(second: i64, caller: CallerId) -> Arrival {
    arrival(second, caller, 0, 0, 0)
}

fn demand(attempts: &[Attempt], estimate: Estimate) -> Demand {
    Demand::of(attempts, &CHARGE, &WhatIf::default(), estimate)
}

fn changed(attempts: &[Attempt], charge: &Charge, what_if: &WhatIf) -> Demand {
    Demand::of(attempts, charge, what_if, Estimate::Likely)
}

#[test]
fn what_is_logged_only_stays_where_it_is() {
    let attempts = [throttled(0, ANNA), served(5, ANNA, 10), failed(6, ANNA), throttled(90, BOB)];
    let logged = demand(&attempts, Estimate::LoggedOnly);
    let expected = [nothing(0, ANNA), asks(5, ANNA, 10), nothing(6, ANNA), nothing(90, BOB)];
    assert_eq!(logged, Demand { arrivals: expected.into(), ..Demand::default() });
}

#[test]
fn retries_that_end_in_success_are_one_request_at_the_first() {
    let attempts = [
        throttled(0, ANNA),
        served(1, BOB, 1),
        throttled(2, ANNA),
        failed(3, ANNA),
        throttled(9, ANNA),
        served(12, ANNA, 10),
        served(13, ANNA, 20),
    ];
    for estimate in [Estimate::Likely, Estimate::High] {
        let expected = [asks(0, ANNA, 10), asks(1, BOB, 1), nothing(3, ANNA), asks(13, ANNA, 20)];
        let expected = Demand { arrivals: expected.into(), moved: 1, joined: 3, ..Demand::default() };
        assert_eq!(demand(&attempts, estimate), expected, "{estimate:?}");
    }
}

#[test]
fn a_chain_lasts_sixty_seconds_from_its_first_attempt() {
    let at = |second| {
        demand(&[throttled(0, ANNA), throttled(30, ANNA), served(second, ANNA, 10)], Estimate::Likely)
    };
    let in_time = at(60);
    assert_eq!(in_time.arrivals, [asks(0, ANNA, 10)]);
    assert_eq!((in_time.joined, in_time.moved, in_time.imputed), (2, 1, 0));
    let too_late = at(61);
    assert_eq!(too_late.arrivals, [asks(0, ANNA, 10), asks(30, ANNA, 10), asks(61, ANNA, 10)]);
    assert_eq!((too_late.joined, too_late.moved, too_late.imputed), (0, 0, 2));
}

#[test]
fn a_throttle_after_sixty_seconds_begins_a_chain_of_its_own() {
    let attempts = [throttled(0, ANNA), throttled(61, ANNA), served(62, ANNA, 10)];
    let likely = demand(&attempts, Estimate::Likely);
    assert_eq!(likely.arrivals, [asks(0, ANNA, 10), asks(61, ANNA, 10)]);
    assert_eq!((likely.joined, likely.moved, likely.imputed), (1, 1, 1));
}

#[test]
fn a_chain_ends_with_its_first_success() {
    let attempts = [throttled(0, ANNA), served(5, ANNA, 1), throttled(6, ANNA), served(50, ANNA, 2)];
    let likely = demand(&attempts, Estimate::Likely);
    assert_eq!(likely.arrivals, [asks(0, ANNA, 1), asks(6, ANNA, 2)]);
    assert_eq!((likely.joined, likely.moved), (2, 2));
}

#[test]
fn each_success_of_a_busy_caller_ends_one_chain() {
    // Three at once are refused, and two of them come through later; one more is new.
    let attempts = [
        throttled(0, ANNA),
        throttled(0, ANNA),
        throttled(0, ANNA),
        served(0, ANNA, 9),
        throttled(1, ANNA),
        served(1, ANNA, 1),
        served(2, ANNA, 2),
        throttled(2, ANNA),
    ];
    let likely = demand(&attempts, Estimate::Likely);
    // The first was refused again at 1 and served at 2, the second served at 1; the third, refused again at 2, is
    // imputed, both times.
    let vain = asks(0, ANNA, 2);
    let expected =
        [asks(0, ANNA, 2), asks(0, ANNA, 1), vain, asks(0, ANNA, 9), Arrival { second: 2, ..vain }];
    assert_eq!(likely.arrivals, expected);
    assert_eq!((likely.joined, likely.moved, likely.imputed), (3, 2, 2));
}

#[test]
fn a_success_in_the_same_second_is_no_retry() {
    let attempts = [throttled(0, ANNA), served(0, ANNA, 1), served(1, ANNA, 2)];
    let likely = demand(&attempts, Estimate::Likely);
    assert_eq!(likely.arrivals, [asks(0, ANNA, 2), asks(0, ANNA, 1)]);
}

#[test]
fn another_callers_success_ends_no_chain() {
    let likely = demand(&[throttled(0, ANNA), served(1, BOB, 10)], Estimate::Likely);
    assert_eq!(likely.arrivals, [asks(0, ANNA, 10), asks(1, BOB, 10)], "with everybody's median");
    assert_eq!((likely.joined, likely.imputed), (0, 1));
}

#[test]
fn vain_attempts_get_their_callers_median_or_ninetieth_percentile() {
    let mut attempts = vec![throttled(0, ANNA), throttled(1, BOB)];
    // Nearest ranks of ten: the fifth and the ninth, each value by itself.
    for place in 0..10_u64 {
        let tokens = Tokens { max_tokens: MaxTokens::Set(1_000 - place), ..served(0, ANNA, 0).tokens };
        let tokens = Tokens { output: Count::known(place * 10), ..tokens };
        let latency_ms = Count::known(place);
        attempts.push(Attempt { tokens, latency_ms, ..served(100, ANNA, 0) });
    }
    attempts.push(served(200, BOB, 400));
    let likely = demand(&attempts, Estimate::Likely);
    assert_eq!(likely.arrivals[..2], [arrival(0, ANNA, 1_995, 1_200, 4), asks(1, BOB, 400)]);
    let high = demand(&attempts, Estimate::High);
    assert_eq!(high.arrivals[..2], [arrival(0, ANNA, 1_999, 1_400, 8), asks(1, BOB, 400)]);
    assert_eq!((likely.imputed, high.imputed, high.not_imputed), (2, 2, 0));
}

#[test]
fn without_any_known_request_nothing_is_imputed() {
    let unknown = Attempt { tokens: NO_TOKENS, ..served(100, ANNA, 0) };
    let high = demand(&[throttled(0, ANNA), unknown], Estimate::High);
    assert_eq!(high.arrivals[0], nothing(0, ANNA));
    assert_eq!((high.imputed, high.not_imputed, high.unknown), (0, 1, 1));
    let no_rate = Charge { burndown: None, ..CHARGE };
    let demand =
        Demand::of(&[throttled(0, BOB), served(90, BOB, 1)], &no_rate, &WhatIf::default(), Estimate::Likely);
    assert_eq!(demand.arrivals, [nothing(0, BOB), arrival(90, BOB, 0, 0, 2_000)]);
    assert_eq!((demand.not_imputed, demand.unknown), (1, 1));
}

#[test]
fn without_max_tokens_or_latency_the_settlement_is_the_reservation() {
    let base = served(0, ANNA, 10);
    let no_latency = Attempt { latency_ms: Count::UNKNOWN, ..base };
    let with = |max_tokens| Attempt { tokens: Tokens { max_tokens, ..base.tokens }, ..base };
    let demand =
        demand(&[base, no_latency, with(MaxTokens::Unknown), with(MaxTokens::Unset)], Estimate::LoggedOnly);
    let expected = [
        asks(0, ANNA, 10),
        arrival(0, ANNA, 1_050, 1_050, 0),
        arrival(0, ANNA, 1_050, 1_050, 2_000),
        arrival(0, ANNA, 65_000, 1_050, 2_000),
    ];
    assert_eq!(demand.arrivals, expected);
    assert_eq!((demand.settled_only, demand.unknown), (2, 0));
}

#[test]
fn imputed_latency_is_of_the_requests_that_have_one() {
    let without = Attempt { latency_ms: Count::UNKNOWN, ..served(100, ANNA, 10) };
    let none = demand(&[throttled(0, ANNA), without, without], Estimate::Likely);
    assert_eq!(none.arrivals[0], arrival(0, ANNA, 1_050, 1_050, 0));
    let one = demand(&[throttled(0, ANNA), without, without, served(100, ANNA, 10)], Estimate::Likely);
    assert_eq!(one.arrivals[0], arrival(0, ANNA, 1_050, 1_050, 2_000));
}

#[test]
fn failed_attempts_ask_for_the_tokens_they_tell_of() {
    let tokens = Tokens { input: Count::known(300), ..NO_TOKENS };
    let attempts = [Attempt { tokens, ..failed(0, ANNA) }, failed(1, ANNA)];
    for estimate in Estimate::ALL {
        let demand = demand(&attempts, estimate);
        assert_eq!(demand.arrivals, [arrival(0, ANNA, 300, 300, 0), nothing(1, ANNA)]);
        assert_eq!((demand.unknown, demand.settled_only), (0, 0), "only successes are counted");
    }
}

#[test]
fn a_cap_bounds_what_is_asked_and_cuts_longer_answers() {
    let with = |max_tokens, output| {
        let attempt = served(0, ANNA, output);
        Attempt { tokens: Tokens { max_tokens, ..attempt.tokens }, ..attempt }
    };
    let attempts = [
        with(MaxTokens::Set(4_096), 501),
        with(MaxTokens::Set(100), 100),
        with(MaxTokens::Unset, 500),
        with(MaxTokens::Unknown, 9_000),
        Attempt { ending: Ending::Failed, ..with(MaxTokens::Set(4_096), 600) },
    ];
    let cap = WhatIf { cap_max_tokens: Some(500), ..WhatIf::default() };
    let demand = changed(&attempts, &CHARGE, &cap);
    let expected = [
        arrival(0, ANNA, 1_500, 3_500, 2_000),
        arrival(0, ANNA, 1_100, 1_500, 2_000),
        arrival(0, ANNA, 1_500, 3_500, 2_000),
        arrival(0, ANNA, 3_500, 3_500, 2_000),
        arrival(0, ANNA, 3_500, 3_500, 2_000),
    ];
    assert_eq!(demand.arrivals, expected);
    assert_eq!(demand.cut, 2);
    let above = WhatIf { cap_max_tokens: Some(u64::MAX), ..WhatIf::default() };
    let unchanged = changed(&attempts, &CHARGE, &WhatIf::default());
    assert_eq!(changed(&attempts, &CHARGE, &above), unchanged);
    let no_maximum = Charge { max_output_tokens: None, ..CHARGE };
    let bounded = changed(&attempts[2..3], &no_maximum, &cap);
    assert_eq!(bounded.arrivals, expected[2..3], "a cap is a bound where the model's is not known");
}

#[test]
fn without_a_cache_its_tokens_are_plain_input() {
    let attempt = served(0, ANNA, 10);
    let tokens = Tokens { cache_read: Count::known(4_000), cache_write: Count::known(500), ..attempt.tokens };
    let attempt = Attempt { tokens, ..attempt };
    let no_cache = WhatIf { no_cache: true, ..WhatIf::default() };
    let settles = |charge: &Charge, tokens, what_if: &WhatIf| {
        changed(&[Attempt { tokens, ..attempt }], charge, what_if).arrivals[0].settle
    };
    assert_eq!(settles(&CHARGE, tokens, &WhatIf::default()), 1_500 + 50);
    assert_eq!(settles(&CHARGE, tokens, &no_cache), 5_500 + 50);
    let includes = Charge { input_includes_cache: true, ..CHARGE };
    let whole = Tokens { input: Count::known(5_500), ..tokens };
    assert_eq!(settles(&includes, whole, &WhatIf::default()), 1_500 + 50);
    assert_eq!(settles(&includes, whole, &no_cache), 5_500 + 50);
    // As a model that counts otherwise: the same prompt, the same charge.
    for what_if in [WhatIf::default(), no_cache] {
        let other = WhatIf { charge: Some(includes), ..what_if.clone() };
        assert_eq!(settles(&CHARGE, tokens, &other), settles(&CHARGE, tokens, &what_if));
        let other = WhatIf { charge: Some(CHARGE), ..what_if.clone() };
        assert_eq!(settles(&includes, whole, &other), settles(&CHARGE, tokens, &what_if));
    }
}

#[test]
fn changes_combine() {
    let tokens = Tokens { cache_read: Count::known(4_000), ..served(0, ANNA, 600).tokens };
    let attempts = [throttled(0, ANNA), throttled(1, BOB), Attempt { tokens, ..served(90, ANNA, 0) }];
    let fifteenfold = Charge { burndown: Some(15), ..CHARGE };
    let what_if = WhatIf {
        cap_max_tokens: Some(500),
        charge: Some(fifteenfold),
        no_cache: true,
        without: [BOB].into(),
    };
    let demand = changed(&attempts, &CHARGE, &what_if);
    let asked = |second| arrival(second, ANNA, 5_500, 5_000 + 15 * 500, 2_000);
    assert_eq!(demand.arrivals, [asked(0), asked(90)], "imputed from what is changed, too");
    assert_eq!((demand.cut, demand.imputed, demand.not_imputed), (1, 1, 0));
}

#[test]
fn callers_that_are_left_out_leave_nothing_behind() {
    let attempts = [throttled(0, ANNA), served(1, BOB, 9), throttled(2, BOB), throttled(200, BOB)];
    let without = WhatIf { without: [BOB].into(), ..WhatIf::default() };
    let demand = changed(&attempts, &CHARGE, &without);
    assert_eq!(demand.arrivals, [nothing(0, ANNA)]);
    assert_eq!((demand.imputed, demand.not_imputed), (0, 1), "not even for a median");
}

#[test]
fn an_output_percentile_is_the_nearest_rank_over_answers() {
    let mut attempts: Vec<Attempt> = (1..=1_000).rev().map(|output| served(0, ANNA, output)).collect();
    attempts.push(Attempt { ending: Ending::Failed, ..served(0, ANNA, 1 << 30) });
    attempts.push(throttled(0, ANNA));
    let at = |millionths| output_percentile(&attempts, Share::from_millionths(millionths));
    for (millionths, output) in
        [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (500_000, 500), (999_000, 999), (999_001, 1_000)]
    {
        assert_eq!(at(millionths), Some(output), "{millionths}");
    }
    assert_eq!(at(1_000_000), Some(1_000));
    assert_eq!(at(2_000_000), Some(1_000));
    assert_eq!(output_percentile(&[throttled(0, ANNA)], Share::from_millionths(999_000)), None);
}

fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let attempt = (0..40_i64, 0..4_u32, 0..4_u8, 0..9_000_u64, any::<bool>());
    vec(attempt, 0..60).prop_map(|attempts| {
        let mut second = -300;
        let mut made = Vec::new();
        for (pause, caller, kind, output, is_known) in attempts {
            second += pause;
            let caller = CallerId(caller);
            let answer = served(second, caller, output);
            made.push(match kind {
                0 | 1 => throttled(second, caller),
                2 if is_known => failed(second, caller),
                _ if !is_known && output % 3 == 0 => Attempt { tokens: NO_TOKENS, ..answer },
                _ => answer,
            });
        }
        made
    })
}

proptest! {
    #[test]
    fn every_attempt_is_accounted_for(attempts in attempts()) {
        let logged = demand(&attempts, Estimate::LoggedOnly);
        prop_assert_eq!(logged.arrivals.len(), attempts.len());
        let throttles = attempts.iter().filter(|it| it.ending == Ending::Throttled).count() as u64;
        for estimate in [Estimate::Likely, Estimate::High] {
            let demand = demand(&attempts, estimate);
            prop_assert_eq!(demand.joined + demand.imputed + demand.not_imputed, throttles);
            prop_assert_eq!(demand.arrivals.len() as u64, attempts.len() as u64 - demand.joined);
            prop_assert!(demand.moved <= demand.joined);
            prop_assert!(demand.arrivals.is_sorted_by_key(|it| it.second));
            prop_assert_eq!((demand.unknown, demand.settled_only), (logged.unknown, logged.settled_only));
        }
    }

    // In sum only: what is moved or imputed may well need a smaller quota at another time.
    #[test]
    fn each_estimate_asks_for_no_less_in_all(attempts in attempts()) {
        let sums = Estimate::ALL.map(|estimate| {
            let arrivals = demand(&attempts, estimate).arrivals;
            let sum = |of: fn(&Arrival) -> u64| arrivals.iter().map(of).sum::<u64>();
            (sum(|it| it.reserve), sum(|it| it.settle))
        });
        prop_assert!(sums[0].0 <= sums[1].0 && sums[1].0 <= sums[2].0, "{:?}", sums);
        prop_assert!(sums[0].1 <= sums[1].1 && sums[1].1 <= sums[2].1, "{:?}", sums);
    }

    // Each by itself: a lower reservation with the same settlement takes more at the end, maybe in a worse minute.
    #[test]
    fn a_cap_never_asks_for_more(attempts in attempts(), cap in 0..10_000_u64) {
        let what_if = WhatIf { cap_max_tokens: Some(cap), ..WhatIf::default() };
        let (before, after) =
            (demand(&attempts, Estimate::High), Demand::of(&attempts, &CHARGE, &what_if, Estimate::High));
        for (before, after) in before.arrivals.iter().zip(&after.arrivals) {
            prop_assert!(after.reserve <= before.reserve && after.settle <= before.settle);
        }
    }
}
