//! Replays demand against a quota under three models of its window, and searches the smallest that is enough.
//!
//! In: a [`Demand`], in the order of its seconds. Out: who is refused by a quota, who would be over it if the
//! refused consumed as well, and the smallest quota that meets a target. Always: exact, integers only; the answer
//! and every larger quota tested meet the target. Absent: which of the windows AWS uses, which nobody outside
//! knows; estimates, which are the demand's part.
//!
//! What the windows have in common: a request is admitted if its reservation fits when it starts, and takes it
//! then. At its end, start + latency, it gives back or takes the difference to what it settles at. Whoever is
//! refused takes nothing. Arrivals of one second come in their order, and at one ms settlements come before
//! arrivals, in the order of their requests.
//!
//! - Clock minute: what is taken counts in the minute it is taken in. What is given back counts only in the
//!   minute of the start; what is taken at the end counts in the minute of the end.
//! - Sliding: what is taken counts for 60,000 ms, what is given back no longer.
//! - Bucket: starts full, refills by the quota every 60,000 ms, never holds more than the quota; what is given
//!   back to a full bucket is lost, and a settlement may take it below empty.

mod bucket;
mod gauge;
mod load;
mod search;
mod windowed;

use bucket::Buckets;
use gauge::{Expiry, Gauge};
use load::Load;
use search::Candidates;
use windowed::Windowed;

use crate::demand::Demand;
use crate::share::Share;

/// How a quota's minute moves. AWS does not document it: the three bracket what is plausible.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Window {
    /// A bucket of the quota's size that refills continuously.
    Bucket,
    /// Every clock-aligned minute anew.
    ClockMinute,
    /// Any 60 consecutive seconds.
    Sliding,
}

impl Window {
    /// All three.
    pub const ALL: [Window; 3] = [Window::Bucket, Window::ClockMinute, Window::Sliding];
}

/// What a quota counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Measure {
    /// Quota tokens: reserved at the start, settled at the end.
    Tokens,
    /// Requests: one each.
    Requests,
}

/// Quotas that hold together; `None` is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// Quota tokens per minute.
    pub tokens_per_minute: Option<u64>,
    /// Requests per minute.
    pub requests_per_minute: Option<u64>,
}

/// One request that a replay refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Which arrival.
    pub arrival: usize,
    /// The limit that refused it; tokens where both did.
    pub by: Measure,
}

/// The answer of a search.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Smallest {
    /// The smallest quota such that it and every larger one tried meets the target.
    pub quota: u64,
    /// Requests that it refuses.
    pub refused: u64,
    /// The smallest quota under the offered view: every attempt consumes, monotone and exact.
    pub offered: u64,
}

/// Which requests these limits refuse, in order. A refused request consumes nothing, of neither limit.
#[must_use]
pub fn refusals(demand: &Demand, window: Window, limits: Limits) -> Vec<Refusal> {
    let mut quotas: Vec<Quota<'_>> =
        [(Measure::Tokens, limits.tokens_per_minute), (Measure::Requests, limits.requests_per_minute)]
            .into_iter()
            .filter_map(|(measure, limit)| Some(Quota::new(demand, window, measure, limit?)))
            .collect();
    let mut refusals = Vec::new();
    for arrival in 0..demand.arrivals.len() {
        match quotas.iter_mut().find_map(|quota| (!quota.fits(arrival)).then_some(quota.measure)) {
            Some(by) => refusals.push(Refusal { arrival, by }),
            None => quotas.iter_mut().for_each(|quota| quota.take(arrival)),
        }
    }
    refusals
}

/// How many requests are over a quota where every one consumes, the refused too.
#[must_use]
pub fn over(demand: &Demand, window: Window, measure: Measure, quota: u64) -> u64 {
    let mut quota = Quota::new(demand, window, measure, quota);
    let mut over = 0;
    for arrival in 0..demand.arrivals.len() {
        over += u64::from(!quota.fits(arrival));
        quota.take(arrival);
    }
    over
}

/// The smallest quota that refuses at most the target's share of the requests. For several targets of one demand
/// see [`Replay`].
#[must_use]
pub fn smallest(demand: &Demand, window: Window, measure: Measure, target: Share) -> Smallest {
    Replay::new(demand, window, measure).smallest(target)
}

/// One limit while arrivals pass, each asked about once.
struct Quota<'a> {
    measure: Measure,
    load: Load<'a>,
    gauge: Gauge,
    quota: i64,
}

impl<'a> Quota<'a> {
    fn new(demand: &'a Demand, window: Window, measure: Measure, quota: u64) -> Self {
        let quota = quota_of(quota);
        Quota { measure, load: Load::new(demand, measure), gauge: Gauge::new(window, quota), quota }
    }

    fn fits(&mut self, arrival: usize) -> bool {
        let charged = self.load.get(arrival);
        self.gauge.advance(charged.start);
        self.gauge.fits(charged.reserve, self.quota)
    }

    fn take(&mut self, arrival: usize) {
        self.gauge.take(&self.load.get(arrival), arrival);
    }
}

/// A quota as a replay takes it: all charges together fit an `i64`, so a larger one refuses nobody either.
fn quota_of(quota: u64) -> i64 {
    i64::try_from(quota).unwrap_or(i64::MAX)
}

/// A demand made ready to be held against many quotas. Making it ready costs about as much as one replay; after
/// that a quota costs little more than the minutes in which it could refuse somebody.
#[derive(Debug)]
pub struct Replay<'a> {
    candidates: Ready<'a>,
    requests: usize,
}

#[derive(Debug)]
enum Ready<'a> {
    Windowed(Windowed<'a>),
    Buckets(Buckets),
}

impl<'a> Replay<'a> {
    /// Makes a demand ready for one window and measure.
    #[must_use]
    pub fn new(demand: &'a Demand, window: Window, measure: Measure) -> Self {
        let load = Load::new(demand, measure);
        let candidates = match window {
            Window::Bucket => Ready::Buckets(Buckets::new(load)),
            Window::ClockMinute => Ready::Windowed(Windowed::new(load, Expiry::ClockMinute)),
            Window::Sliding => Ready::Windowed(Windowed::new(load, Expiry::Sliding)),
        };
        Replay { candidates, requests: demand.arrivals.len() }
    }

    /// How many requests a quota refuses, by [`refusals`].
    pub fn refused(&mut self, quota: u64) -> u64 {
        let quota = quota_of(quota);
        let refused = match &mut self.candidates {
            Ready::Windowed(windowed) => windowed.refused(quota, usize::MAX),
            Ready::Buckets(buckets) => buckets.refused(quota, usize::MAX),
        };
        // No more can be refused than there are.
        refused.unwrap_or(self.requests) as u64
    }

    /// The smallest quota that refuses at most the target's share of the requests.
    pub fn smallest(&mut self, target: Share) -> Smallest {
        match &mut self.candidates {
            Ready::Windowed(windowed) => smallest_of(windowed, self.requests, target),
            Ready::Buckets(buckets) => smallest_of(buckets, self.requests, target),
        }
    }
}

fn smallest_of(candidates: &mut impl Candidates, requests: usize, target: Share) -> Smallest {
    let allowed = usize::try_from(target.of(requests as u64)).unwrap_or(usize::MAX);
    if allowed >= requests {
        // The search would come down to the same through every step of 1 %.
        let refused = candidates.refused(0, allowed).unwrap_or(requests);
        return Smallest { quota: 0, refused: refused as u64, offered: 0 };
    }
    let offered = candidates.smallest_offered(allowed);
    let found = search::smallest(candidates, allowed);
    Smallest {
        quota: found.quota.unsigned_abs(),
        refused: found.refused as u64,
        offered: offered.unsigned_abs(),
    }
}
