//! Changes to what was logged, for replays: a cap, another model, no caching, without a caller.
//!
//! In: one attempt's token counts and the rates of its model. Out: what they would have been, and at which rates
//! they would have been charged. Always: the changes combine; the default changes nothing; what is unknown stays
//! unknown. Absent: arrivals (see [`crate::demand`]), growth and margin, which are applied to answers.

use std::collections::BTreeSet;

use borehole_record::Count;
use borehole_usage::{Charge, MaxTokens, Tokens};

use crate::attempt::{Attempt, CallerId, Ending};
use crate::share::Share;

/// A larger cap caps nothing: the decoder takes no count of tokens above it.
const CAP_TOKENS_MAX: u64 = 1 << 40;

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

impl WhatIf {
    /// The rates that calls are charged at, of those of the logged model.
    #[must_use]
    pub fn charge<'a>(&'a self, logged: &'a Charge) -> &'a Charge {
        self.charge.as_ref().unwrap_or(logged)
    }

    /// The token counts of a call as they would have been, for the rates of [`WhatIf::charge`].
    #[must_use]
    pub fn tokens(&self, tokens: &Tokens, logged: &Charge) -> Tokens {
        let mut changed = *tokens;
        let charge = self.charge(logged);
        self.change_input(&mut changed, logged, charge);
        if let Some(cap) = self.cap_max_tokens {
            let cap = cap.min(CAP_TOKENS_MAX);
            changed.output = tokens.output.get().map(|output| output.min(cap)).into();
            changed.max_tokens = match tokens.max_tokens {
                MaxTokens::Set(max_tokens) => MaxTokens::Set(max_tokens.min(cap)),
                MaxTokens::Unset => {
                    MaxTokens::Set(charge.max_output_tokens.map_or(cap, |most| most.min(cap)))
                }
                MaxTokens::Unknown => MaxTokens::Unknown,
            };
        }
        changed
    }

    /// Whether the cap would have cut this answer.
    #[must_use]
    pub fn is_cut(&self, attempt: &Attempt) -> bool {
        attempt.ending == Ending::Successful
            && self.cap_max_tokens.is_some_and(|cap| attempt.tokens.output.get().is_some_and(|it| it > cap))
    }

    /// Input without the cache, and as the other model would log it: some count cached tokens as input, others
    /// beside it.
    fn change_input(&self, tokens: &mut Tokens, logged: &Charge, charge: &Charge) {
        let Some(input) = tokens.input.get() else { return };
        let mut uncached = logged.uncached(tokens).unwrap_or(input);
        let mut cached = tokens.cache_read.get().unwrap_or(0) + tokens.cache_write.get().unwrap_or(0);
        if self.no_cache {
            uncached = if logged.input_includes_cache { input } else { uncached + cached };
            cached = 0;
            tokens.cache_read = Count::known(0);
            tokens.cache_write = Count::known(0);
        }
        if self.no_cache || logged.input_includes_cache != charge.input_includes_cache {
            tokens.input =
                Count::known(if charge.input_includes_cache { uncached + cached } else { uncached });
        }
    }
}

/// The nearest-rank percentile of the output tokens of successful attempts, for a cap such as p99.9 (a share of
/// 99.9 %); `None` if no such attempt's output is known. Exact.
#[must_use]
pub fn output_percentile(attempts: &[Attempt], rank: Share) -> Option<u64> {
    let successful = attempts.iter().filter(|attempt| attempt.ending == Ending::Successful);
    let mut outputs: Vec<u64> = successful.filter_map(|attempt| attempt.tokens.output.get()).collect();
    nearest_rank(&mut outputs, rank)
}

/// The smallest value that at least this share of the values does not exceed; reorders them. `None` of none.
pub(crate) fn nearest_rank(values: &mut [u64], rank: Share) -> Option<u64> {
    // As many may lie above as the rest of the whole allows, rounded down: the rank itself is rounded up.
    let rest = Share::from_millionths(1_000_000_u64.saturating_sub(rank.millionths()));
    let above = rest.of(values.len() as u64) as usize;
    let place = values.len().checked_sub(1)?.saturating_sub(above);
    let (_, &mut value, _) = values.select_nth_unstable(place);
    Some(value)
}
