//! What was asked of a quota: attempts to logical requests, with what throttling hid.

use borehole_usage::Charge;

use crate::attempt::{Attempt, CallerId};
use crate::what_if::WhatIf;

/// One logical request as a replay sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// When it comes, in UTC seconds.
    pub second: i64,
    /// What it reserves, in quota tokens.
    pub reserve: u64,
    /// What it settles at, in quota tokens.
    pub settle: u64,
    /// How long it runs, in ms; 0 where unknown, and then `reserve` is `settle`.
    pub latency_ms: u64,
    /// Who sent it.
    pub caller: CallerId,
}

/// What is taken for the demand. A throttled record holds no tokens, and who is throttled tries again or gives
/// up: the log shows less, and later, than was wanted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Estimate {
    /// What was served, when it was served; throttled attempts ask for no tokens.
    LoggedOnly,
    /// Retries joined to what they became; the rest with the caller's median request.
    Likely,
    /// The same, the rest with the caller's request at p90.
    High,
}

impl Estimate {
    /// From least to most.
    pub const ALL: [Estimate; 3] = [Estimate::LoggedOnly, Estimate::Likely, Estimate::High];
}

/// The logical requests of one quota, and how they were come by.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Demand {
    /// In the order of (second, request id of the attempt it is from).
    pub arrivals: Vec<Arrival>,
    /// Requests that were moved to the first of the throttled attempts before them.
    pub moved: u64,
    /// Throttled attempts that were joined to a later success.
    pub joined: u64,
    /// Throttled attempts with imputed tokens.
    pub imputed: u64,
    /// Throttled attempts for which nothing could be imputed: they ask for 0 tokens.
    pub not_imputed: u64,
    /// Successful requests whose tokens are unknown: they ask for 0.
    pub unknown: u64,
    /// Successful requests counted at what they settled alone, since `max_tokens` or latency is unknown.
    pub settled_only: u64,
    /// Answers that a cap would have cut.
    pub cut: u64,
}

impl Demand {
    /// The demand of one quota's attempts, in the order of (second, request id).
    #[must_use]
    pub fn of(attempts: &[Attempt], charge: &Charge, what_if: &WhatIf, estimate: Estimate) -> Self {
        let _ = (attempts, charge, what_if, estimate);
        Demand::default()
    }
}
