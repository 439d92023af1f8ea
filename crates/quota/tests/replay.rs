//! The replay against a simulator written as the definitions read, and the laws of its search.
//!
//! In: random small logs with everything that is special about them made likely: starts and ends that meet in one
//! ms, ends around the minute, settlements on both sides of the reservation, seconds before 1970. Always: the same
//! requests are refused by the same limits; the answer of a search is what its definition says. Larger logs hold
//! what a search counts against the plain replay of one quota.

use borehole_quota::demand::{Arrival, Demand};
use borehole_quota::replay::{Limits, Measure, Refusal, Replay, Smallest, Window, over, refusals, smallest};
use borehole_quota::{CallerId, Share};
use proptest::collection::vec;
use proptest::prelude::*;

const MINUTE: i128 = 60_000;

/// A request that has consumed: start, end, reserve, settle.
#[derive(Clone, Copy)]
struct Taken {
    start: i128,
    end: i128,
    reserve: i128,
    settle: i128,
}

impl Taken {
    fn of(arrival: &Arrival, measure: Measure) -> Self {
        let start = i128::from(arrival.second) * 1_000;
        let (reserve, settle) = match measure {
            Measure::Tokens => (i128::from(arrival.reserve), i128::from(arrival.settle)),
            Measure::Requests => (1, 1),
        };
        Taken { start, end: start + i128::from(arrival.latency_ms), reserve, settle }
    }
}

/// Whether a request fits when it starts, after those that have consumed.
fn fits(taken: &[Taken], next: Taken, window: Window, quota: i128) -> bool {
    let now = next.start;
    match window {
        Window::ClockMinute => {
            let minute = |time: i128| time.div_euclid(MINUTE);
            let used: i128 = taken
                .iter()
                .map(|it| {
                    let mut used = 0;
                    if minute(it.start) == minute(now) {
                        used += it.reserve;
                        if it.end <= now && it.settle < it.reserve {
                            used -= it.reserve - it.settle;
                        }
                    }
                    if it.end <= now && minute(it.end) == minute(now) && it.settle > it.reserve {
                        used += it.settle - it.reserve;
                    }
                    used
                })
                .sum();
            used + next.reserve <= quota
        }
        Window::Sliding => {
            let counts = |time: i128| now - MINUTE < time && time <= now;
            let load: i128 = taken
                .iter()
                .map(|it| {
                    let mut load = 0;
                    if counts(it.start) {
                        load += if it.end <= now { it.reserve.min(it.settle) } else { it.reserve };
                    }
                    if counts(it.end) && it.settle > it.reserve {
                        load += it.settle - it.reserve;
                    }
                    load
                })
                .sum();
            load + next.reserve <= quota
        }
        Window::Bucket => {
            let full = quota * MINUTE;
            let mut level = full;
            let mut before = taken.first().map_or(now, |it| it.start);
            for (time, change) in events(taken, now) {
                level = (level + quota * (time - before)).min(full);
                before = time;
                level = (level + change * MINUTE).min(full);
            }
            (level + quota * (now - before)).min(full) >= next.reserve * MINUTE
        }
    }
}

/// Starts and ends up to now, as they happen: time, and change of a bucket's level.
fn events(taken: &[Taken], now: i128) -> Vec<(i128, i128)> {
    let mut events = Vec::new();
    let mut settled = vec![false; taken.len()];
    let mut settle_until = |time: i128, before: usize, events: &mut Vec<(i128, i128)>| {
        while let Some((end, place)) = taken[..before]
            .iter()
            .enumerate()
            .filter(|&(place, it)| !settled[place] && it.end <= time)
            .map(|(place, it)| (it.end, place))
            .min()
        {
            settled[place] = true;
            events.push((end, taken[place].reserve - taken[place].settle));
        }
    };
    for (place, it) in taken.iter().enumerate() {
        settle_until(it.start, place, &mut events);
        events.push((it.start, -it.reserve));
    }
    settle_until(now, taken.len(), &mut events);
    events
}

/// The limits that a request does not fit, for every request that does not fit all; the refused consume if asked.
fn naive(demand: &Demand, window: Window, limits: Limits, refused_consume: bool) -> Vec<Refusal> {
    let limits: Vec<(Measure, i128)> =
        [(Measure::Tokens, limits.tokens_per_minute), (Measure::Requests, limits.requests_per_minute)]
            .into_iter()
            .filter_map(|(measure, quota)| Some((measure, i128::from(quota?))))
            .collect();
    let mut taken: Vec<Vec<Taken>> = vec![Vec::new(); limits.len()];
    let mut refusals = Vec::new();
    for (place, arrival) in demand.arrivals.iter().enumerate() {
        let full = limits
            .iter()
            .zip(&taken)
            .find(|&(&(measure, quota), taken)| !fits(taken, Taken::of(arrival, measure), window, quota));
        let by = full.map(|(&(measure, _), _)| measure);
        refusals.extend(by.map(|by| Refusal { arrival: place, by }));
        if by.is_none() || refused_consume {
            for (taken, (measure, _)) in taken.iter_mut().zip(&limits) {
                taken.push(Taken::of(arrival, *measure));
            }
        }
    }
    refusals
}

fn naive_count(demand: &Demand, window: Window, measure: Measure, quota: u64, refused_consume: bool) -> u64 {
    naive(demand, window, limit(measure, quota), refused_consume).len() as u64
}

fn limit(measure: Measure, quota: u64) -> Limits {
    match measure {
        Measure::Tokens => Limits { tokens_per_minute: Some(quota), requests_per_minute: None },
        Measure::Requests => Limits { tokens_per_minute: None, requests_per_minute: Some(quota) },
    }
}

fn demand_of(arrivals: impl IntoIterator<Item = Arrival>) -> Demand {
    Demand { arrivals: arrivals.into_iter().collect(), ..Demand::default() }
}

fn arrival(second: i64, reserve: u64, settle: u64, latency_ms: u64) -> Arrival {
    Arrival { second, reserve, settle, latency_ms, caller: CallerId(0) }
}

/// Latencies around everything that a window turns on.
fn latencies() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => (0..70_u64).prop_map(|seconds| seconds * 1_000),
        3 => 0..5_000_u64,
        3 => 0..200_000_u64,
        1 => prop_oneof![Just(59_999_u64), Just(60_000), Just(60_001), Just(1 << 40)],
    ]
}

/// A pause before a request (in seconds), and what it takes.
fn requests(count: usize, pause_seconds: i64) -> impl Strategy<Value = Demand> {
    let pauses = prop_oneof![2 => Just(0), 3 => 0..pause_seconds, 1 => Just(60_i64)];
    let tokens = || prop_oneof![1 => Just(0_u64), 8 => 0..30_u64, 1 => 0..100_u64];
    (-150..100_i64, vec((pauses, tokens(), tokens(), any::<bool>(), latencies()), 0..count)).prop_map(
        |(mut second, requests)| {
            demand_of(requests.into_iter().map(|(pause, reserve, settle, is_settled_only, latency_ms)| {
                second += pause;
                let reserve = if is_settled_only { settle } else { reserve };
                arrival(second, reserve, settle, latency_ms)
            }))
        },
    )
}

/// Longer logs in phases, a few hundred requests each: some with hardly anything, some with little, some with ten
/// times as much.
fn phases() -> impl Strategy<Value = Demand> {
    let phase = (prop_oneof![Just(1_u64), Just(10), Just(100)], 1..6_i64, 20..500_usize);
    (vec(phase, 2..7), any::<u64>()).prop_map(|(phases, seed)| {
        let mut random = seed;
        let mut below = |end: u64| {
            // Good enough for sizes: the high bits of a linear congruence.
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (random >> 33) % end
        };
        let mut second = -1_000;
        let mut arrivals = Vec::new();
        for (size, pause, count) in phases {
            for _ in 0..count {
                second += below(pause as u64 + 1) as i64;
                let (reserve, settle) = (below(size * 10 + 1), below(size * 5 + 1));
                let latency_ms = if below(10) == 0 { below(900_000) } else { below(20_000) };
                arrivals.push(arrival(second, reserve, settle, latency_ms));
            }
        }
        demand_of(arrivals)
    })
}

fn windows() -> impl Strategy<Value = Window> {
    prop_oneof![Just(Window::Bucket), Just(Window::ClockMinute), Just(Window::Sliding)]
}

fn measures() -> impl Strategy<Value = Measure> {
    prop_oneof![3 => Just(Measure::Tokens), 1 => Just(Measure::Requests)]
}

fn quotas() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..250_u64, 1 => 0..3_000_u64, 1 => Just(u64::MAX)]
}

/// The search as it is defined, on the naive simulator.
fn naive_smallest(demand: &Demand, window: Window, measure: Measure, allowed: u64) -> Smallest {
    let offered = |allowed: u64| {
        (0..).find(|&quota| naive_count(demand, window, measure, quota, true) <= allowed).expect("some quota")
    };
    let refused = |quota| naive_count(demand, window, measure, quota, false);
    let mut held = offered(0);
    let mut failed = None;
    while held > 0 && failed.is_none() {
        let next = held * 99 / 100;
        if refused(next) <= allowed { held = next } else { failed = Some(next) }
    }
    while let Some(low) = failed.filter(|&low| held - low > 1) {
        let next = low + (held - low) / 2;
        if refused(next) <= allowed { held = next } else { failed = Some(next) }
    }
    Smallest { quota: held, refused: refused(held), offered: offered(allowed) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_same_are_refused_as_by_the_naive_simulator(
        demand in requests(40, 12),
        window in windows(),
        tokens_per_minute in proptest::option::weighted(0.8, quotas()),
        requests_per_minute in proptest::option::weighted(0.4, 0..20_u64),
    ) {
        let limits = Limits { tokens_per_minute, requests_per_minute };
        prop_assert_eq!(refusals(&demand, window, limits), naive(&demand, window, limits, false));
    }

    #[test]
    fn the_same_are_over_as_by_the_naive_simulator(
        demand in requests(40, 12), window in windows(), measure in measures(), quota in quotas(),
    ) {
        prop_assert_eq!(
            over(&demand, window, measure, quota),
            naive_count(&demand, window, measure, quota, true)
        );
    }

    #[test]
    fn a_prepared_replay_refuses_as_many_at_any_quota_in_any_order(
        demand in requests(40, 12),
        window in windows(),
        measure in measures(),
        quotas in vec(quotas(), 1..6),
    ) {
        let mut replay = Replay::new(&demand, window, measure);
        for quota in quotas {
            let naive = naive_count(&demand, window, measure, quota, false);
            prop_assert_eq!(replay.refused(quota), naive, "quota {}", quota);
        }
    }

    #[test]
    fn the_offered_view_is_monotone(
        demand in requests(60, 12), window in windows(), measure in measures(), quotas in vec(quotas(), 2..8),
    ) {
        let mut quotas = quotas;
        quotas.sort_unstable();
        let over: Vec<u64> = quotas.iter().map(|&quota| over(&demand, window, measure, quota)).collect();
        prop_assert!(over.is_sorted_by(|a, b| a >= b), "{:?} at {:?}", over, quotas);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_search_finds_what_its_definition_says(
        demand in requests(25, 15), window in windows(), measure in measures(), percent in 0..40_u64,
    ) {
        let target = Share::from_millionths(percent * 10_000);
        let allowed = target.of(demand.arrivals.len() as u64);
        prop_assert_eq!(
            smallest(&demand, window, measure, target),
            naive_smallest(&demand, window, measure, allowed)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    // Several blocks of events, busy and idle ones, with refusals whose settlements lie in other blocks.
    #[test]
    fn what_a_search_skips_changes_nothing(
        demand in prop_oneof![1 => requests(1_500, 4), 3 => phases()],
        window in prop_oneof![2 => Just(Window::Bucket), 1 => windows()],
        measure in measures(),
        parts in vec(prop_oneof![0..1_100_u64, 600..1_000_u64], 1..12),
    ) {
        let mut replay = Replay::new(&demand, window, measure);
        let all = replay.smallest(Share::default());
        prop_assert_eq!(over(&demand, window, measure, all.offered), 0);
        if all.offered > 0 {
            prop_assert!(over(&demand, window, measure, all.offered - 1) > 0);
        }
        for part in parts {
            let quota = all.offered * part / 1_000;
            let plain = refusals(&demand, window, limit(measure, quota)).len() as u64;
            prop_assert_eq!(replay.refused(quota), plain, "quota {}", quota);
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_answer_and_every_larger_quota_tested_meet_the_target_and_one_less_does_not(
        demand in prop_oneof![requests(1_000, 4), phases()],
        window in windows(),
        measure in measures(),
        millionths in prop_oneof![Just(0_u64), Just(1_000), Just(10_000), 0..300_000_u64],
        picks in vec(any::<prop::sample::Index>(), 6),
    ) {
        let target = Share::from_millionths(millionths);
        let allowed = target.of(demand.arrivals.len() as u64);
        let refused = |quota| refusals(&demand, window, limit(measure, quota)).len() as u64;
        let found = smallest(&demand, window, measure, target);
        prop_assert_eq!(refused(found.quota), found.refused);
        prop_assert!(found.refused <= allowed);
        if found.quota > 0 {
            prop_assert!(refused(found.quota - 1) > allowed, "one less holds");
        }
        // Exact, and the quota under which all consume and none is over, from which the search comes down.
        let none_over = smallest(&demand, window, measure, Share::default()).offered;
        prop_assert!(over(&demand, window, measure, found.offered) <= allowed);
        if found.offered > 0 {
            prop_assert!(over(&demand, window, measure, found.offered - 1) > allowed);
        }
        prop_assert_eq!(refused(none_over), 0);
        let grid = std::iter::successors(Some(none_over), |&quota| Some(quota * 99 / 100));
        let larger: Vec<u64> = grid.take_while(|&quota| quota > found.quota).collect();
        for pick in picks.iter().filter(|_| !larger.is_empty()) {
            let quota = *pick.get(&larger);
            prop_assert!(refused(quota) <= allowed, "{} of the grid fails", quota);
        }
    }
}

#[test]
fn a_larger_quota_may_refuse_more() {
    // The example of the specification: 11, 5 and 5 in one minute.
    let demand = demand_of([11, 5, 5].map(|tokens| arrival(0, tokens, tokens, 100)));
    let refused = |window, quota| -> Vec<usize> {
        refusals(&demand, window, limit(Measure::Tokens, quota)).iter().map(|it| it.arrival).collect()
    };
    for window in Window::ALL {
        assert_eq!(refused(window, 10), [0], "{window:?}");
        assert_eq!(refused(window, 11), [1, 2], "{window:?}");
        let found = smallest(&demand, window, Measure::Tokens, Share::from_millionths(400_000));
        assert_eq!(found, Smallest { quota: 16, refused: 1, offered: 16 }, "10 would do, but 11 would not");
    }
}

#[test]
fn a_refused_request_gives_nothing_back_however_much_later() {
    // A thousand requests of nothing put hundreds of events between the refusal, the end that it does not have,
    // and the request for which that end would make room.
    let idle = (0..1_000).map(|place| arrival(place, 0, 0, 0));
    let mut arrivals: Vec<Arrival> = idle.collect();
    arrivals.insert(500, arrival(499, 90, 90, 0));
    arrivals[0] = arrival(0, 1_000, 0, 499_001);
    // Many in one second, so that the bucket does not refill meanwhile.
    arrivals.splice(502..502, (0..500).map(|_| arrival(500, 0, 0, 0)));
    arrivals.insert(1_002, arrival(500, 50, 50, 0));
    let demand = demand_of(arrivals);
    let refused = refusals(&demand, Window::Bucket, limit(Measure::Tokens, 100));
    assert_eq!(refused.iter().map(|it| it.arrival).collect::<Vec<_>>(), [0, 1_002]);
    assert_eq!(Replay::new(&demand, Window::Bucket, Measure::Tokens).refused(100), 2);
}

#[test]
fn a_reservation_counts_until_it_is_settled() {
    // 36,000 reserved, 9,000 settled after 30 s: the figures of the documentation.
    let first = arrival(0, 36_000, 9_000, 30_000);
    for window in Window::ALL {
        let refused = |second, quota| {
            let demand = demand_of([first, arrival(second, 36_000, 9_000, 0)]);
            !refusals(&demand, window, limit(Measure::Tokens, quota)).is_empty()
        };
        assert!(refused(0, 71_999), "{window:?}: both reservations must fit");
        assert!(!refused(0, 72_000), "{window:?}");
        assert!(!refused(30, 45_000), "{window:?}: settled in this very ms");
    }
}

#[test]
fn windows_end_where_they_are_said_to() {
    let refused = |window, second, latency_ms| {
        let demand = demand_of([arrival(10, 10, 4, latency_ms), arrival(second, 10, 10, 0)]);
        refusals(&demand, window, limit(Measure::Tokens, 10)).len()
    };
    // Never settled: the charge of second 10 leaves with its minute, or 60 s later.
    assert_eq!([59, 60].map(|second| refused(Window::ClockMinute, second, u64::MAX)), [1, 0]);
    assert_eq!([69, 70].map(|second| refused(Window::Sliding, second, u64::MAX)), [1, 0]);
    // A bucket of 10 a minute has 10 again 60 s later, or 24 s later if 6 come back.
    assert_eq!([69, 70].map(|second| refused(Window::Bucket, second, u64::MAX)), [1, 0]);
    assert_eq!([33, 34].map(|second| refused(Window::Bucket, second, 1_000)), [1, 0]);
}

#[test]
fn a_settlement_above_the_reservation_counts_when_it_happens() {
    // 5 reserved in minute 0, 15 settled in minute 1.
    let late = |second| demand_of([arrival(50, 5, 15, 20_000), arrival(second, 1, 1, 0)]);
    let refused = |window, second| {
        refusals(&late(second), window, limit(Measure::Tokens, 10)).iter().map(|it| it.arrival).max()
    };
    assert_eq!(refused(Window::ClockMinute, 69), None);
    assert_eq!(refused(Window::ClockMinute, 70), Some(1), "minute 1 has 10 of the first");
    assert_eq!(refused(Window::ClockMinute, 119), Some(1));
    assert_eq!(refused(Window::ClockMinute, 120), None);
    assert_eq!(refused(Window::Sliding, 70), Some(1));
    assert_eq!(refused(Window::Sliding, 129), Some(1), "the difference is younger than 60 s");
    assert_eq!(refused(Window::Sliding, 130), None);
    // Its level: 5, refilled to 8⅓ at second 70, then −1⅔.
    assert_eq!(refused(Window::Bucket, 70), Some(1));
    assert_eq!(refused(Window::Bucket, 85), Some(1));
    assert_eq!(refused(Window::Bucket, 86), None);
}

#[test]
fn both_limits_must_fit_and_a_refused_request_takes_of_neither() {
    let demand =
        demand_of([arrival(0, 9, 9, 0), arrival(1, 9, 9, 0), arrival(2, 1, 1, 0), arrival(3, 0, 0, 0)]);
    let limits = Limits { tokens_per_minute: Some(10), requests_per_minute: Some(2) };
    for window in [Window::ClockMinute, Window::Sliding] {
        let expected =
            [Refusal { arrival: 1, by: Measure::Tokens }, Refusal { arrival: 3, by: Measure::Requests }];
        assert_eq!(refusals(&demand, window, limits), expected, "{window:?}");
    }
    let both = Limits { tokens_per_minute: Some(0), requests_per_minute: Some(0) };
    let by: Vec<Measure> = refusals(&demand, Window::Bucket, both).iter().map(|it| it.by).collect();
    let (tokens, requests) = (Measure::Tokens, Measure::Requests);
    assert_eq!(by, [tokens, tokens, tokens, requests], "tokens are named where both refuse");
    assert!(refusals(&demand, Window::Sliding, Limits::default()).is_empty(), "no limit refuses nobody");
}

#[test]
fn requests_count_one_each() {
    let demand = demand_of((0..10).map(|second| arrival(second, 1_000, 5_000, 1_000)));
    for (window, quota) in [(Window::ClockMinute, 10), (Window::Sliding, 10), (Window::Bucket, 9)] {
        // Ten in nine seconds, of which a bucket of nine a minute refills one and a third.
        let found = smallest(&demand, window, Measure::Requests, Share::default());
        assert_eq!(found, Smallest { quota, refused: 0, offered: quota }, "{window:?}");
    }
}

#[test]
fn degenerate_demands_have_answers() {
    let none = Demand::default();
    let nothing = demand_of((0..5).map(|second| arrival(second, 0, 0, 1_000)));
    let some = demand_of((0..5).map(|second| arrival(second, 7, 3, 1_000)));
    for window in Window::ALL {
        for measure in [Measure::Tokens, Measure::Requests] {
            let zero = Smallest { quota: 0, refused: 0, offered: 0 };
            assert_eq!(smallest(&none, window, measure, Share::default()), zero);
            assert_eq!(over(&none, window, measure, 0), 0);
            assert!(refusals(&none, window, limit(measure, 0)).is_empty());
            for share in [1_000_000, 5_000_000] {
                let all = smallest(&some, window, measure, Share::from_millionths(share));
                assert_eq!(all, Smallest { quota: 0, refused: 5, offered: 0 }, "everyone may be refused");
            }
        }
        let zero = Smallest { quota: 0, refused: 0, offered: 0 };
        assert_eq!(smallest(&nothing, window, Measure::Tokens, Share::default()), zero);
    }
}

#[test]
fn absurd_figures_neither_panic_nor_pass_for_small() {
    let (least, most) = (i64::MIN, i64::MAX);
    let demand = demand_of([
        arrival(least, u64::MAX, u64::MAX, u64::MAX),
        arrival(least, u64::MAX, 0, 0),
        arrival(-1, 0, u64::MAX, u64::MAX),
        arrival(0, u64::MAX, 1, 1),
        arrival(0, 1, u64::MAX, 0),
        arrival(most, u64::MAX, u64::MAX, u64::MAX),
    ]);
    for window in Window::ALL {
        for measure in [Measure::Tokens, Measure::Requests] {
            let mut replay = Replay::new(&demand, window, measure);
            for quota in [0, 1, 1_000, 1 << 62, u64::MAX] {
                let plain = refusals(&demand, window, limit(measure, quota)).len() as u64;
                assert_eq!(replay.refused(quota), plain, "{window:?} {quota}");
            }
            assert_eq!(replay.refused(u64::MAX), 0, "{window:?}");
            let found = replay.smallest(Share::default());
            assert_eq!(found.refused, 0);
            if measure == Measure::Tokens {
                assert!(found.quota > 1 << 60, "{window:?}: {found:?}");
            }
        }
    }
}

#[test]
fn large_but_possible_figures_are_exact() {
    // The largest count that a decoder takes, at a rate of 15, many times in a minute.
    let tokens = 15 * (1_u64 << 40);
    let demand = demand_of((0..1_000).map(|number| arrival(number / 100, tokens, tokens, 500)));
    for window in [Window::ClockMinute, Window::Sliding] {
        assert_eq!(smallest(&demand, window, Measure::Tokens, Share::default()).quota, 1_000 * tokens);
    }
    // In 9 s a bucket refills 3/20 of itself: 1,000 requests need 20/23 of 1,000.
    let bucket = smallest(&demand, Window::Bucket, Measure::Tokens, Share::default()).quota;
    assert_eq!(bucket, (1_000 * tokens * 20).div_ceil(23));
}
