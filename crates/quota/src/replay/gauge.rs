//! A quota's state while arrivals pass, kept in the plainest way that is still fast enough for one replay.
//!
//! In: charges in the order of arrival, each offered once. Out: whether a charge fits now. Always: settlements up
//! to and at a time come before arrivals of that time, those of one ms in the order of their arrivals. Absent:
//! who is refused, and what that means; shortcuts for searches (see `windowed.rs`, `bucket.rs`).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::Window;
use super::load::{Charged, MINUTE_MS, TIME_MS_MAX};

/// The state of one quota.
#[derive(Debug)]
pub(super) enum Gauge {
    /// Charges that count until they leave the window.
    Charges(ChargeWindow),
    /// A bucket that refills.
    Bucket(Bucket),
}

impl Gauge {
    /// Before the first arrival, nothing is taken. `quota` is what bounds it, never negative.
    pub(super) fn new(window: Window, quota: i64) -> Self {
        match window {
            Window::Bucket => Gauge::Bucket(Bucket::new(quota)),
            Window::ClockMinute => Gauge::Charges(ChargeWindow::new(Expiry::ClockMinute)),
            Window::Sliding => Gauge::Charges(ChargeWindow::new(Expiry::Sliding)),
        }
    }

    /// Lets time pass up to the start of the next arrival, in ms; time never goes back.
    pub(super) fn advance(&mut self, now: i64) {
        match self {
            Gauge::Charges(charges) => charges.advance(now),
            Gauge::Bucket(bucket) => bucket.advance(now),
        }
    }

    /// Whether a reservation fits the quota now.
    pub(super) fn fits(&self, reserve: i64, quota: i64) -> bool {
        match self {
            Gauge::Charges(charges) => charges.used() + reserve <= quota,
            Gauge::Bucket(bucket) => bucket.deficit + scaled(reserve) <= scaled(quota),
        }
    }

    /// Takes a charge now; `arrival` is its place in the order.
    pub(super) fn take(&mut self, charged: &Charged, arrival: usize) {
        match self {
            Gauge::Charges(charges) => charges.take(charged),
            Gauge::Bucket(bucket) => bucket.take(charged, arrival),
        }
    }
}

/// When a charge leaves its window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Expiry {
    /// When its clock-aligned minute ends.
    ClockMinute,
    /// 60 seconds after it was taken.
    Sliding,
}

impl Expiry {
    /// The first ms at which a charge of that time no longer counts.
    fn of(self, time: i64) -> i64 {
        match self {
            Expiry::ClockMinute => (time.div_euclid(MINUTE_MS) + 1) * MINUTE_MS,
            Expiry::Sliding => time + MINUTE_MS,
        }
    }
}

/// The charges inside a window. The two models differ in the moment of expiry alone: a reservation counts from
/// its start until it expires; a settlement before that lowers it; what a settlement takes beyond the
/// reservation is a charge of its own, taken at the end.
#[derive(Debug)]
pub(super) struct ChargeWindow {
    expiry: Expiry,
    used: i64,
    /// Expiries of reservations with what is left of them then; in order, since arrivals are.
    leaving: VecDeque<(i64, i64)>,
    /// Settlements, and expiries of what they took: time and change.
    changes: BinaryHeap<Reverse<(i64, i64)>>,
}

impl ChargeWindow {
    pub(super) fn new(expiry: Expiry) -> Self {
        ChargeWindow { expiry, used: 0, leaving: VecDeque::new(), changes: BinaryHeap::new() }
    }

    /// What counts now. A sum over the charges, none of which is ever negative.
    pub(super) fn used(&self) -> i64 {
        self.used
    }

    pub(super) fn advance(&mut self, now: i64) {
        while let Some(&(time, left)) = self.leaving.front()
            && time <= now
        {
            self.used -= left;
            self.leaving.pop_front();
        }
        while let Some(&Reverse((time, change))) = self.changes.peek()
            && time <= now
        {
            self.used += change;
            self.changes.pop();
        }
    }

    pub(super) fn take(&mut self, charged: &Charged) {
        let &Charged { start, end, reserve, settle } = charged;
        let expiry = self.expiry.of(start);
        let left = if end < expiry { reserve.min(settle) } else { reserve };
        self.used += reserve;
        self.leaving.push_back((expiry, left));
        if left < reserve {
            self.changes.push(Reverse((end, left - reserve)));
        }
        if settle > reserve {
            self.changes.push(Reverse((end, settle - reserve)));
            self.changes.push(Reverse((self.expiry.of(end), reserve - settle)));
        }
    }
}

/// Units of the measure in which a bucket is kept: with a minute's ms as denominator, a refill in 1 ms is a whole
/// number. An `i128` holds all charges together so scaled (2^79), and a refill over all of time (2^126).
pub(super) fn scaled(units: i64) -> i128 {
    i128::from(units) * i128::from(MINUTE_MS)
}

/// A bucket, by what is missing in it: nothing at the start, and never less than nothing.
#[derive(Debug)]
pub(super) struct Bucket {
    quota: i64,
    /// Scaled.
    deficit: i128,
    now: i64,
    /// Time, arrival, change.
    settlements: BinaryHeap<Reverse<(i64, usize, i64)>>,
}

impl Bucket {
    fn new(quota: i64) -> Self {
        Bucket { quota, deficit: 0, now: -TIME_MS_MAX, settlements: BinaryHeap::new() }
    }

    fn advance(&mut self, now: i64) {
        while let Some(&Reverse((time, _, change))) = self.settlements.peek()
            && time <= now
        {
            self.refill(time);
            // Given back to a full bucket, it is lost.
            self.deficit = (self.deficit + scaled(change)).max(0);
            self.settlements.pop();
        }
        self.refill(now);
    }

    fn refill(&mut self, now: i64) {
        let refilled = i128::from(self.quota) * i128::from(now - self.now);
        self.deficit = (self.deficit - refilled).max(0);
        self.now = now;
    }

    fn take(&mut self, charged: &Charged, arrival: usize) {
        self.deficit += scaled(charged.reserve);
        if charged.settle != charged.reserve {
            self.settlements.push(Reverse((charged.end, arrival, charged.settle - charged.reserve)));
        }
    }
}
