//! Arrivals as a window sees them: when each takes its reservation, when it settles, and how much.
//!
//! In: a demand and what a quota counts. Out: [`Charged`], in ms and units of the measure. Always: all charges
//! together fit an `i64`, and no time is so far out that a sum of two overflows, so nobody after this checks.
//! Absent: windows, quotas.

use super::Measure;
use crate::demand::{Arrival, Demand};

/// A minute in ms.
pub(super) const MINUTE_MS: i64 = 60_000;

/// No time is further from 1970 than this, in ms (73 million years): sums and differences of two fit an `i64`.
pub(super) const TIME_MS_MAX: i64 = i64::MAX / 4;

/// What one arrival takes and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Charged {
    /// When it is admitted or refused, in ms.
    pub(super) start: i64,
    /// When it settles, in ms; never before `start`.
    pub(super) end: i64,
    /// Taken at the start; never negative.
    pub(super) reserve: i64,
    /// What it has taken in all once it is settled; never negative.
    pub(super) settle: i64,
}

/// The arrivals of a demand under one measure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load<'a> {
    arrivals: &'a [Arrival],
    measure: Measure,
    charge_max: u64,
}

impl<'a> Load<'a> {
    pub(super) fn new(demand: &'a Demand, measure: Measure) -> Self {
        let arrivals = &*demand.arrivals;
        let total: u128 =
            arrivals.iter().map(|arrival| u128::from(arrival.reserve.max(arrival.settle))).sum();
        // Nine quintillion tokens are no traffic but garbage; then the largest charges are cut, so that sums stay
        // right for what they are sums of.
        let sums_max = i64::MAX.unsigned_abs();
        let charge_max =
            if total <= u128::from(sums_max) { sums_max } else { sums_max / arrivals.len() as u64 };
        Load { arrivals, measure, charge_max }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.arrivals.len()
    }

    /// All, in order.
    pub(super) fn iter(self) -> impl Iterator<Item = Charged> + 'a {
        (0..self.len()).map(move |arrival| self.get(arrival))
    }

    /// One by its number.
    pub(super) fn get(&self, arrival: usize) -> Charged {
        let arrival = &self.arrivals[arrival];
        let start = arrival.second.saturating_mul(1_000).clamp(-TIME_MS_MAX, TIME_MS_MAX);
        let latency_ms = i64::try_from(arrival.latency_ms).unwrap_or(i64::MAX);
        let end = start.saturating_add(latency_ms).min(TIME_MS_MAX);
        let (reserve, settle) = match self.measure {
            Measure::Tokens => (arrival.reserve.min(self.charge_max), arrival.settle.min(self.charge_max)),
            Measure::Requests => (1, 1),
        };
        Charged { start, end, reserve: reserve as i64, settle: settle as i64 }
    }
}
