//! What a call is charged against a quota: this crate's own statement of the rules, for the models it makes.
//!
//! In: a base model of the catalogue and the counts of a call. Out: settled and reserved quota tokens, in
//! tokens. Always: stated anew from AWS's page "Token burndown and quotas" and the models' cards, so that it is
//! a second witness beside the dated tables of the program; an unknown count gives nothing. Absent: dates (all
//! models here have had one rate for as long as dumps are made of them), and what is known of models that a user
//! named: those count as "all others", at rate 1 and without a known maximum, or, of Anthropic, without a rate.

use crate::body::{CACHE_WRITE, INPUT, OUTPUT};
use crate::tally::Values;

/// The rate of a model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rate {
    /// Quota tokens for one output token; `None` where nobody can say.
    pub(crate) burndown: Option<u64>,
    /// Most output tokens; 0 for models that put none out.
    pub(crate) most_output: Option<u64>,
}

/// The rate of a base model.
pub(crate) fn rate(base_model: &str) -> Rate {
    let (burndown, most_output) = match base_model {
        // An opaque id says nothing of the model behind it.
        _ if base_model.contains('/') => (None, None),
        "anthropic.claude-sonnet-4-5-20250929-v1:0" | "anthropic.claude-haiku-4-5-20251001-v1:0" => {
            (Some(5), Some(64_000))
        }
        "anthropic.claude-opus-4-6-v1" => (Some(5), Some(128_000)),
        "anthropic.claude-3-haiku-20240307-v1:0" => (Some(1), Some(4_096)),
        // An Anthropic model that is not in the catalogue: never guessed.
        _ if base_model.starts_with("anthropic.") => (None, None),
        "amazon.nova-pro-v1:0" => (Some(1), Some(5_000)),
        "amazon.titan-text-express-v1" => (Some(1), Some(8_000)),
        "meta.llama3-1-70b-instruct-v1:0" => (Some(1), Some(4_096)),
        "openai.gpt-oss-120b-1:0" => (Some(1), Some(16_384)),
        "amazon.titan-embed-text-v2:0"
        | "cohere.embed-english-v3"
        | "cohere.rerank-v3-5:0"
        | "amazon.nova-canvas-v1:0"
        | "stability.sd3-5-large-v1:0" => (Some(1), Some(0)),
        _ => (Some(1), None),
    };
    Rate { burndown, most_output }
}

impl Rate {
    /// What the quota is charged: input, cache writes, and output times the rate.
    pub(crate) fn settled(self, values: &Values) -> Option<u64> {
        let output = match (values.counts[OUTPUT], self.most_output) {
            (None, Some(0)) => 0,
            (output, _) => output?,
        };
        Some(charged_input(values)? + output * self.burndown?)
    }

    /// What admission takes: input, cache writes, and the most that may come out.
    pub(crate) fn reserved(self, values: &Values) -> Option<u64> {
        let most = match (values.max_tokens, self.most_output) {
            (Some(named), _) => named,
            (None, Some(0)) => 0,
            // A body that was not seen may name anything.
            (None, most) => most.filter(|_| values.input_seen)?,
        };
        Some(charged_input(values)? + most)
    }
}

fn charged_input(values: &Values) -> Option<u64> {
    Some(values.counts[INPUT]? + values.counts[CACHE_WRITE].unwrap_or(0))
}
