//! What one call is charged against a quota: the formulas. Which rates apply is for dated tables elsewhere.
//!
//! In: the token counts of a call and a [`Charge`], the rates of its model at its time. Out: the four measures
//! (input, prompt, settled, reserved), in tokens. Always: an unknown count gives an unknown measure, never 0; no
//! sum overflows, it stays at the largest integer.
//! Absent: the rates themselves and the models' names.
//!
//! The formulas are AWS's, from "Token burndown and quotas" of the Bedrock user guide: at the start a call
//! reserves input + cache writes + `max_tokens`, at its end it settles at input + cache writes + output ×
//! burndown rate. `max_tokens` is not multiplied.

use std::fmt;
use std::sync::Arc;

use borehole_record::{Count, Invocation, Timestamp};

/// The `max_tokens` of a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MaxTokens {
    /// The request named it, in tokens.
    Set(u64),
    /// The request's body was seen and does not name it: the model's own maximum is reserved.
    Unset,
    /// The request's body was not seen.
    Unknown,
}

/// The token counts of one call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tokens {
    /// `inputTokenCount`.
    pub input: Count,
    /// `outputTokenCount`.
    pub output: Count,
    /// `cacheReadInputTokenCount`; absent counts as 0.
    pub cache_read: Count,
    /// `cacheWriteInputTokenCount`; absent counts as 0.
    pub cache_write: Count,
    /// `max_tokens` of the request.
    pub max_tokens: MaxTokens,
}

impl Tokens {
    /// The counts of an invocation. A body is taken as seen where its kinds of content are known.
    #[must_use]
    pub fn of(invocation: &Invocation) -> Self {
        let max_tokens = match invocation.max_tokens.get() {
            Some(tokens) => MaxTokens::Set(tokens),
            None if invocation.input_kinds.is_empty() => MaxTokens::Unknown,
            None => MaxTokens::Unset,
        };
        Tokens {
            input: invocation.input_tokens,
            output: invocation.output_tokens,
            cache_read: invocation.cache_read_tokens,
            cache_write: invocation.cache_write_tokens,
            max_tokens,
        }
    }

    /// Raw tokens: input and output as logged; an unknown count is 0.
    #[must_use]
    pub fn raw(&self) -> u64 {
        self.input.get().unwrap_or(0).saturating_add(self.output.get().unwrap_or(0))
    }
}

/// The rates of one model at one time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Charge {
    /// Quota tokens settled per output token; `None` where no rule names the model, which is never guessed.
    pub burndown: Option<u32>,
    /// Most tokens the model can put out, in tokens: reserved where a request names no `max_tokens`.
    pub max_output_tokens: Option<u64>,
    /// `inputTokenCount` of this model already holds what was read from and written to the cache.
    pub input_includes_cache: bool,
    /// Reservations hold cache reads, too: AWS's texts disagree, the default is no.
    pub reserves_cache_reads: bool,
}

impl Charge {
    /// Input that was neither read from nor written to the cache.
    #[must_use]
    pub fn uncached(&self, tokens: &Tokens) -> Option<u64> {
        let input = tokens.input.get()?;
        Some(if self.input_includes_cache { input.saturating_sub(cached(tokens)) } else { input })
    }

    /// How large the request really was: uncached input, cache reads and cache writes.
    #[must_use]
    pub fn prompt(&self, tokens: &Tokens) -> Option<u64> {
        let input = tokens.input.get()?;
        Some(if self.input_includes_cache {
            input.max(cached(tokens))
        } else {
            input.saturating_add(cached(tokens))
        })
    }

    /// What the quota is charged when the call ends (CloudWatch: EstimatedTPMQuotaUsage).
    #[must_use]
    pub fn settled(&self, tokens: &Tokens) -> Option<u64> {
        let burndown = u64::from(self.burndown?);
        Some(self.charged_input(tokens)?.saturating_add(self.output(tokens)?.saturating_mul(burndown)))
    }

    /// What admission takes when the call starts. Unknown where the body was not seen, and where the request
    /// named nothing and the model's maximum is not known.
    #[must_use]
    pub fn reserved(&self, tokens: &Tokens) -> Option<u64> {
        let output = match tokens.max_tokens {
            MaxTokens::Set(max_tokens) => max_tokens,
            MaxTokens::Unset => self.max_output_tokens?,
            // A model without output has nothing to reserve for it.
            MaxTokens::Unknown => self.max_output_tokens.filter(|&most| most == 0)?,
        };
        let cache_reads = if self.reserves_cache_reads { tokens.cache_read.get().unwrap_or(0) } else { 0 };
        Some(self.charged_input(tokens)?.saturating_add(cache_reads).saturating_add(output))
    }

    /// Input as a quota sees it: cache reads are free, cache writes are not.
    fn charged_input(&self, tokens: &Tokens) -> Option<u64> {
        Some(self.uncached(tokens)?.saturating_add(tokens.cache_write.get().unwrap_or(0)))
    }

    /// Output; a model without output (an embedding) logs no count of it.
    fn output(&self, tokens: &Tokens) -> Option<u64> {
        tokens.output.get().or((self.max_output_tokens == Some(0)).then_some(0))
    }
}

fn cached(tokens: &Tokens) -> u64 {
    tokens.cache_read.get().unwrap_or(0).saturating_add(tokens.cache_write.get().unwrap_or(0))
}

/// What one call amounts to by the rates of its model, in tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Measures {
    /// How large it was.
    pub(crate) prompt: Option<u64>,
    /// What the quota was charged.
    pub(crate) settled: Option<u64>,
    /// What admission took.
    pub(crate) reserved: Option<u64>,
}

impl Measures {
    /// Of one invocation.
    pub(crate) fn of(charge: &Charge, invocation: &Invocation) -> Self {
        let tokens = Tokens::of(invocation);
        Measures {
            prompt: charge.prompt(&tokens),
            settled: charge.settled(&tokens),
            reserved: charge.reserved(&tokens),
        }
    }
}

/// Whoever knows the rates.
pub trait ChargeRules: Send + Sync {
    /// The rates of a base model at a time; they hold from the start of a UTC day to its end.
    fn charge(&self, base_model: &str, at: Timestamp) -> Charge;

    /// A number that differs where the rates of any model differ at that time; the same in every run of the program.
    /// Rules that give the same rates may have different ones.
    fn fingerprint(&self, at: Timestamp) -> u128;
}

/// The rates that a run counts by, shared. By default none is known.
#[derive(Clone)]
pub struct Charges(Arc<dyn ChargeRules>);

impl Charges {
    /// Counts by these rules.
    #[must_use]
    pub fn new(rules: Arc<dyn ChargeRules>) -> Self {
        Charges(rules)
    }

    /// The rates of a base model at a time.
    #[must_use]
    pub fn charge(&self, base_model: &str, at: Timestamp) -> Charge {
        self.0.charge(base_model, at)
    }

    /// What tells the rates of all models at a time from others: see [`ChargeRules::fingerprint`].
    #[must_use]
    pub fn fingerprint(&self, at: Timestamp) -> u128 {
        self.0.fingerprint(at)
    }
}

impl Default for Charges {
    fn default() -> Self {
        struct NoRules;
        impl ChargeRules for NoRules {
            fn charge(&self, _base_model: &str, _at: Timestamp) -> Charge {
                Charge::default()
            }

            fn fingerprint(&self, _at: Timestamp) -> u128 {
                0
            }
        }
        Charges(Arc::new(NoRules))
    }
}

impl fmt::Debug for Charges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Charges")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(input: u64, cache_read: u64, cache_write: u64, output: u64, max_tokens: MaxTokens) -> Tokens {
        Tokens {
            input: Count::known(input),
            output: Count::known(output),
            cache_read: Count::known(cache_read),
            cache_write: Count::known(cache_write),
            max_tokens,
        }
    }

    const FIVEFOLD: Charge = Charge {
        burndown: Some(5),
        max_output_tokens: Some(64_000),
        input_includes_cache: false,
        reserves_cache_reads: false,
    };

    #[test]
    fn the_examples_of_the_documentation() {
        let call = tokens(3_000, 4_000, 1_000, 1_000, MaxTokens::Set(32_000));
        assert_eq!(FIVEFOLD.reserved(&call), Some(36_000));
        assert_eq!(FIVEFOLD.settled(&call), Some(9_000));
        let capped = Tokens { max_tokens: MaxTokens::Set(1_250), ..call };
        assert_eq!(FIVEFOLD.reserved(&capped), Some(5_250));
        assert_eq!(FIVEFOLD.settled(&capped), Some(9_000));
        assert_eq!(FIVEFOLD.settled(&tokens(1_000, 0, 0, 100, MaxTokens::Unset)), Some(1_500));
    }

    #[test]
    fn cache_reads_are_reserved_only_where_asked() {
        let call = tokens(3_000, 4_000, 1_000, 1_000, MaxTokens::Set(32_000));
        let charge = Charge { reserves_cache_reads: true, ..FIVEFOLD };
        assert_eq!(charge.reserved(&call), Some(40_000));
        assert_eq!(charge.settled(&call), Some(9_000));
    }

    #[test]
    fn without_max_tokens_the_models_maximum_is_reserved() {
        let call = tokens(10, 0, 0, 5, MaxTokens::Unset);
        assert_eq!(FIVEFOLD.reserved(&call), Some(64_010));
        assert_eq!(Charge { max_output_tokens: None, ..FIVEFOLD }.reserved(&call), None);
        let unseen = Tokens { max_tokens: MaxTokens::Unknown, ..call };
        assert_eq!(FIVEFOLD.reserved(&unseen), None, "nobody knows what was asked for");
    }

    #[test]
    fn input_that_holds_cached_tokens_is_not_counted_twice() {
        let call = tokens(9_000, 4_000, 1_000, 10, MaxTokens::Set(100));
        let charge = Charge { input_includes_cache: true, burndown: Some(10), ..FIVEFOLD };
        assert_eq!(charge.uncached(&call), Some(4_000));
        assert_eq!(charge.prompt(&call), Some(9_000));
        assert_eq!(charge.settled(&call), Some(4_000 + 1_000 + 100));
        assert_eq!(charge.reserved(&call), Some(4_000 + 1_000 + 100));
        assert_eq!(FIVEFOLD.prompt(&call), Some(14_000));
    }

    #[test]
    fn what_is_unknown_stays_unknown() {
        let call = tokens(10, 0, 0, 5, MaxTokens::Set(7));
        assert_eq!(Charge { burndown: None, ..FIVEFOLD }.settled(&call), None);
        let no_output = Tokens { output: Count::UNKNOWN, ..call };
        assert_eq!(FIVEFOLD.settled(&no_output), None);
        let embedding = Charge { burndown: Some(1), max_output_tokens: Some(0), ..Charge::default() };
        let embedded = Tokens { max_tokens: MaxTokens::Unknown, ..no_output };
        assert_eq!(embedding.settled(&embedded), Some(10));
        assert_eq!(embedding.reserved(&embedded), Some(10));
        let steep = Charge { burndown: Some(u32::MAX), ..FIVEFOLD };
        let long = Tokens { output: Count::known(1 << 53), ..call };
        assert_eq!(steep.settled(&long), Some(u64::MAX), "saturated, not wrapped");
        let no_input = Tokens { input: Count::UNKNOWN, ..call };
        assert_eq!((FIVEFOLD.settled(&no_input), FIVEFOLD.reserved(&no_input)), (None, None));
    }
}
