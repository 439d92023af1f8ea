//! How much of a quota was taken when a call came, by what the log shows of the calls before it.
//!
//! In: the attempts that were admitted, in order of time. Out: the taken amount in three views, since AWS does not
//! document how a quota's minute moves: of the clock-aligned minute so far and of the last 60 seconds ([`Held`]),
//! and of a bucket of some size that refills ([`Bucket`]). Always: sums are exact. Whole seconds are enough for the
//! first two: calls come on whole seconds, and what a call gives back or takes at its end, whenever that is, counts
//! for those that come after.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Seconds of a minute, and slots of the ring.
const MINUTE_SECONDS: i64 = 60;
/// Milliseconds of a second.
const SECOND_MS: i64 = 1_000;

/// What is taken of one quota.
pub(super) struct Held {
    /// By second modulo 60: what the calls that started in it took and still take, and what calls that ended in it
    /// took beyond their reservation.
    seconds: [u128; MINUTE_SECONDS as usize],
    /// The second that all of this is for.
    now: i64,
    /// The sum over the ring.
    sliding: u128,
    /// What is taken of the clock-aligned minute of `now`.
    clock: u128,
    running: BinaryHeap<Reverse<Running>>,
}

/// A call that has yet to settle; ordered by its end.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Running {
    end_ms: i64,
    start: i64,
    reserve: u64,
    settle: u64,
}

impl Held {
    pub(super) fn new() -> Self {
        Held {
            seconds: [0; MINUTE_SECONDS as usize],
            now: i64::MIN,
            sliding: 0,
            clock: 0,
            running: BinaryHeap::new(),
        }
    }

    /// Moves on to a second, not before the last one. Whatever ended until then has settled.
    pub(super) fn advance(&mut self, second: i64) {
        if second.div_euclid(MINUTE_SECONDS) != self.now.div_euclid(MINUTE_SECONDS) {
            self.clock = 0;
        }
        if second.saturating_sub(self.now) >= MINUTE_SECONDS {
            self.seconds = [0; MINUTE_SECONDS as usize];
            self.sliding = 0;
        } else {
            for expired in self.now + 1..=second {
                self.sliding -= std::mem::take(&mut self.seconds[slot(expired)]);
            }
        }
        self.now = second;
        let now_ms = second.saturating_mul(SECOND_MS);
        while self.running.peek().is_some_and(|Reverse(next)| next.end_ms <= now_ms) {
            if let Some(Reverse(ended)) = self.running.pop() {
                self.settle(&ended);
            }
        }
    }

    fn settle(&mut self, call: &Running) {
        let minute = |second: i64| second.div_euclid(MINUTE_SECONDS);
        let ends_now = minute(call.end_ms.div_euclid(SECOND_MS)) == minute(self.now);
        let is_in_window = |second: i64| second > self.now.saturating_sub(MINUTE_SECONDS);
        if call.settle < call.reserve {
            let unused = u128::from(call.reserve - call.settle);
            if is_in_window(call.start) {
                self.seconds[slot(call.start)] -= unused;
                self.sliding -= unused;
            }
            if ends_now && minute(call.start) == minute(self.now) {
                self.clock -= unused;
            }
        } else {
            let excess = u128::from(call.settle - call.reserve);
            // Calls come on whole seconds, so the second in which it is first seen is the next whole one.
            let seen = call.end_ms.saturating_add(SECOND_MS - 1).div_euclid(SECOND_MS);
            if is_in_window(seen) {
                self.seconds[slot(seen)] += excess;
                self.sliding += excess;
            }
            if ends_now {
                self.clock += excess;
            }
        }
    }

    /// What is taken of the clock-aligned minute so far.
    pub(super) fn clock(&self) -> u128 {
        self.clock
    }

    /// What is taken of the last 60 seconds.
    pub(super) fn sliding(&self) -> u128 {
        self.sliding
    }

    /// A call starts at the second that was last advanced to.
    pub(super) fn admit(&mut self, reserve: u64, settle: u64, latency_ms: u64) {
        self.seconds[slot(self.now)] += u128::from(reserve);
        self.sliding += u128::from(reserve);
        self.clock += u128::from(reserve);
        if reserve != settle {
            let latency_ms = i64::try_from(latency_ms).unwrap_or(i64::MAX);
            let end_ms = self.now.saturating_mul(SECOND_MS).saturating_add(latency_ms);
            self.running.push(Reverse(Running { end_ms, start: self.now, reserve, settle }));
        }
    }
}

/// A bucket of so many tokens that refills as many in a minute.
pub(super) struct Bucket {
    /// Its size, in tokens.
    size: u128,
    /// What is in it, in tokens × [`MINUTE_MS`]; below 0 where calls took more than they had reserved.
    level: i128,
    now_ms: i64,
    running: BinaryHeap<Reverse<Running>>,
}

/// Levels are kept in units that refill whole in each millisecond.
const MINUTE_MS: i128 = 60_000;

impl Bucket {
    /// A full one.
    pub(super) fn new(size: u128) -> Self {
        let mut bucket = Bucket { size, level: 0, now_ms: i64::MIN, running: BinaryHeap::new() };
        bucket.level = bucket.full();
        bucket
    }

    fn full(&self) -> i128 {
        signed(self.size).saturating_mul(MINUTE_MS)
    }

    /// Moves on to a second, not before the last one. Whatever ended until then has settled.
    pub(super) fn advance(&mut self, second: i64) {
        let now_ms = second.saturating_mul(SECOND_MS);
        while self.running.peek().is_some_and(|Reverse(next)| next.end_ms <= now_ms) {
            if let Some(Reverse(ended)) = self.running.pop() {
                self.refill(ended.end_ms);
                let difference = i128::from(ended.reserve) - i128::from(ended.settle);
                self.level = (self.level + difference * MINUTE_MS).min(self.full());
            }
        }
        self.refill(now_ms);
    }

    fn refill(&mut self, now_ms: i64) {
        let elapsed_ms = i128::from(now_ms) - i128::from(self.now_ms);
        let refilled = signed(self.size).saturating_mul(elapsed_ms);
        self.level = self.level.saturating_add(refilled).min(self.full());
        self.now_ms = now_ms;
    }

    /// What is taken of its size, in tokens, rounded up.
    pub(super) fn taken(&self) -> u128 {
        let taken = (self.full() - self.level).max(0).unsigned_abs();
        taken.div_ceil(MINUTE_MS.unsigned_abs())
    }

    /// A call that asked for so much was let through, so as much was there: errors do not add up.
    pub(super) fn hold_at_least(&mut self, reserve: u64) {
        self.level = self.level.max(i128::from(reserve) * MINUTE_MS);
    }

    /// A call starts at the second that was last advanced to, whether or not there is enough for it.
    pub(super) fn admit(&mut self, reserve: u64, settle: u64, latency_ms: u64) {
        self.level -= i128::from(reserve) * MINUTE_MS;
        if reserve != settle {
            let latency_ms = i64::try_from(latency_ms).unwrap_or(i64::MAX);
            let end_ms = self.now_ms.saturating_add(latency_ms);
            // The order of equal ends does not matter: nothing happens between them.
            self.running.push(Reverse(Running { end_ms, start: 0, reserve, settle }));
        }
    }
}

fn signed(amount: u128) -> i128 {
    i128::try_from(amount).unwrap_or(i128::MAX)
}

fn slot(second: i64) -> usize {
    second.rem_euclid(MINUTE_SECONDS) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// (second, reserve, settle, latency in ms).
    type Call = (i64, u64, u64, u64);

    /// Both views when the call at `at` comes, from the calls before it, by the definitions.
    fn naive(calls: &[Call], at: usize) -> (u128, u128) {
        let second = calls[at].0;
        let now = second * 1_000;
        let minute = |ms: i64| ms.div_euclid(60_000);
        let (mut clock, mut sliding) = (0i128, 0i128);
        for &(start, reserve, settle, latency) in &calls[..at] {
            let (start, reserve, settle) = (start * 1_000, i128::from(reserve), i128::from(settle));
            let end = start + latency as i64;
            let is_over = end <= now;
            let charge = if is_over { reserve.min(settle) } else { reserve };
            let excess = if is_over { (settle - reserve).max(0) } else { 0 };
            if start > now - 60_000 {
                sliding += charge;
            }
            if end > now - 60_000 {
                sliding += excess;
            }
            if minute(start) == minute(now) {
                clock += if minute(end) == minute(start) { charge } else { reserve };
            }
            if minute(end) == minute(now) {
                clock += excess;
            }
        }
        (clock as u128, sliding as u128)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn both_views_are_what_their_definitions_say(
            mut calls in prop::collection::vec((0..400i64, 0..100u64, 0..100u64, 0..90_000u64), 1..40),
            from in -1_000..1_000i64,
        ) {
            calls.sort_by_key(|call| call.0);
            calls.iter_mut().for_each(|call| call.0 += from);
            let mut held = Held::new();
            for (at, &(second, reserve, settle, latency)) in calls.iter().enumerate() {
                held.advance(second);
                prop_assert_eq!((held.clock(), held.sliding()), naive(&calls, at));
                held.admit(reserve, settle, latency);
            }
        }
    }

    #[test]
    fn a_bucket_refills_its_size_in_a_minute_and_gives_back_what_was_not_used() {
        let mut bucket = Bucket::new(60);
        bucket.advance(100);
        assert_eq!(bucket.taken(), 0);
        bucket.admit(50, 20, 1_500);
        assert_eq!(bucket.taken(), 50);
        bucket.advance(101);
        assert_eq!(bucket.taken(), 49);
        bucket.advance(102);
        assert_eq!(bucket.taken(), 50 - 2 - 30);
        // More than it had: the level falls below 0, and comes back by a token a second.
        bucket.admit(10, 70, 1_000);
        bucket.advance(103);
        assert_eq!(bucket.taken(), 18 - 1 + 10 + 60);
        bucket.advance(103 + 60);
        assert_eq!(bucket.taken(), 27);
        bucket.advance(103 + 600);
        assert_eq!(bucket.taken(), 0);
    }

    #[test]
    fn f29_the_largest_values_neither_overflow_nor_underflow() {
        let mut held = Held::new();
        for (second, latency) in [(0, u64::MAX), (0, 0), (i64::MAX / 2_000, 1), (i64::MAX / 1_000, 5)] {
            held.advance(second);
            held.admit(u64::MAX, 0, latency);
            held.admit(0, u64::MAX, latency);
        }
        held.advance(i64::MAX / 1_000);
        assert_eq!(held.sliding(), u128::from(u64::MAX));
        let mut bucket = Bucket::new(u128::MAX);
        bucket.advance(i64::MAX / 1_000);
        (0..9).for_each(|_| bucket.admit(u64::MAX, 0, u64::MAX));
        assert_eq!(bucket.taken(), 9 * u128::from(u64::MAX));
    }
}
