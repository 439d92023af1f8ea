//! Replays demand against a quota under three models of its window, and searches the smallest that is enough.

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

/// Which requests these limits refuse, in order. A refused request consumes nothing.
#[must_use]
pub fn refusals(demand: &Demand, window: Window, limits: Limits) -> Vec<Refusal> {
    let _ = (demand, window, limits);
    Vec::new()
}

/// How many requests are over a quota where every one consumes, the refused too.
#[must_use]
pub fn over(demand: &Demand, window: Window, measure: Measure, quota: u64) -> u64 {
    let _ = (demand, window, measure, quota);
    0
}

/// The smallest quota that refuses at most the target's share of the requests.
#[must_use]
pub fn smallest(demand: &Demand, window: Window, measure: Measure, target: Share) -> Smallest {
    let _ = (demand, window, measure, target);
    Smallest { quota: 0, refused: 0, offered: 0 }
}
