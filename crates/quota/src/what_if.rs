//! Changes to what was logged, for replays: a cap, another model, no caching, without a caller.

use std::collections::BTreeSet;

use borehole_usage::Charge;

use crate::attempt::CallerId;

/// What is changed; they combine. The default changes nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WhatIf {
    /// Requests ask for at most so many output tokens, and longer answers are cut.
    pub cap_max_tokens: Option<u64>,
    /// The calls go to a model with these rates.
    pub charge: Option<Charge>,
    /// What was read from or written to the cache comes as plain input.
    pub no_cache: bool,
    /// Without the attempts of these callers.
    pub without: BTreeSet<CallerId>,
}
