//! `max_tokens` left unset or set too high: what was reserved and never used, and what a cap would give back.
//!
//! In: the successful attempts whose reservation and output are known. Out: exact sums by caller, and the cap that
//! frees most. Percentiles are nearest ranks over all answers, exact.

use std::cmp::Reverse;
use std::sync::Arc;

use borehole_usage::{Charge, MaxTokens, Tokens};
use rustc_hash::FxHashMap;

use crate::study::round_cap;

/// `max_tokens` above so many times a caller's own p99 output is oversized: room for an answer four times as long
/// as all but 1 % of them is caution enough.
const OVERSIZED_FACTOR: u64 = 4;

/// Reservations of one quota.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reservations {
    /// Callers with something to mend, the most unused tokens first.
    pub callers: Vec<CallerReservations>,
    /// Successful attempts with known reservation and output.
    pub answers: u64,
    /// What they reserved, in quota tokens.
    pub reserved: u128,
    /// What of it they did not settle at, in quota tokens: the sum of reserved − settled where that is positive.
    pub unused: u128,
    /// The cap that frees most; `None` where none frees anything.
    pub cap: Option<Cap>,
}

/// How one caller sets `max_tokens`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallerReservations {
    /// Who; `None` for all whom the log does not name.
    pub who: Option<Arc<str>>,
    /// Successful attempts with known reservation and output.
    pub answers: u64,
    /// Of these without `max_tokens`: the model's maximum was reserved.
    pub unset: u64,
    /// Of these with `max_tokens` above 4 × `output_p99`.
    pub oversized: u64,
    /// The caller's 99th percentile of output, in tokens.
    pub output_p99: u64,
    /// What was reserved, in quota tokens.
    pub reserved: u128,
    /// What of it was not used.
    pub unused: u128,
}

/// What a cap on `max_tokens` would do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cap {
    /// The one caller that is to set it; `None`: every caller.
    pub only: Option<Arc<str>>,
    /// The cap in tokens: the 99.9th percentile of output, rounded up to a number that somebody would type.
    pub max_tokens: u64,
    /// Attempts that would reserve less.
    pub requests: u64,
    /// Of these without `max_tokens`.
    pub unset: u64,
    /// Quota tokens that it frees, of `reserved`.
    pub frees: u128,
    /// Of these on attempts without `max_tokens`.
    pub frees_unset: u128,
    /// What all callers of the quota reserved.
    pub reserved: u128,
    /// Answers that it would have cut, of `answers`.
    pub cuts: u64,
    /// Answers of the callers that are to set it.
    pub answers: u64,
}

/// The answers of one caller, by value: logs repeat few values many times.
#[derive(Default)]
pub(super) struct Answers {
    count: u64,
    outputs: FxHashMap<u64, u64>,
    /// By `max_tokens`, where set.
    limits: FxHashMap<u64, u64>,
    unset: u64,
    reserved: u128,
    unused: u128,
}

impl Answers {
    /// Adds a successful attempt.
    pub(super) fn add(&mut self, tokens: &Tokens, charge: &Charge) {
        // A model without output reserves nothing for it: there is nothing to cap.
        if charge.max_output_tokens == Some(0) {
            return;
        }
        let (Some(reserved), Some(settled)) = (charge.reserved(tokens), charge.settled(tokens)) else {
            return;
        };
        let Some(output) = tokens.output.get() else { return };
        self.count += 1;
        *self.outputs.entry(output).or_default() += 1;
        match tokens.max_tokens {
            MaxTokens::Set(max_tokens) => *self.limits.entry(max_tokens).or_default() += 1,
            MaxTokens::Unset | MaxTokens::Unknown => self.unset += 1,
        }
        self.reserved += u128::from(reserved);
        self.unused += u128::from(reserved.saturating_sub(settled));
    }

    fn merge(&mut self, other: &Answers) {
        self.count += other.count;
        other.outputs.iter().for_each(|(&value, count)| *self.outputs.entry(value).or_default() += count);
        other.limits.iter().for_each(|(&value, count)| *self.limits.entry(value).or_default() += count);
        self.unset += other.unset;
        self.reserved += other.reserved;
        self.unused += other.unused;
    }

    /// The output that so many of 1,000 answers stay within, by nearest rank; 0 of no answers.
    fn output_percentile(&self, permille: u64) -> u64 {
        let rank = (u128::from(self.count) * u128::from(permille)).div_ceil(1_000);
        let mut values: Vec<(u64, u64)> =
            self.outputs.iter().map(|(&value, &count)| (value, count)).collect();
        values.sort_unstable();
        let mut seen = 0u128;
        for &(value, count) in &values {
            seen += u128::from(count);
            if seen >= rank {
                return value;
            }
        }
        0
    }

    fn cap(&self, only: Option<Arc<str>>, reserved: u128, charge: &Charge) -> Option<Cap> {
        let max_tokens = round_cap(self.output_percentile(999));
        // What so many requests give back that each reserve so much for their output.
        let freed = |limit: u64, count: u64| u128::from(limit.saturating_sub(max_tokens)) * u128::from(count);
        let frees_unset = freed(charge.max_output_tokens.unwrap_or(0), self.unset);
        let unset = if frees_unset > 0 { self.unset } else { 0 };
        let over = || self.limits.iter().filter(|&(&limit, _)| limit > max_tokens);
        let frees = frees_unset + over().map(|(&limit, &count)| freed(limit, count)).sum::<u128>();
        (frees > 0).then(|| Cap {
            only,
            max_tokens,
            requests: unset + over().map(|(_, count)| count).sum::<u64>(),
            unset,
            frees,
            frees_unset,
            reserved,
            cuts: self
                .outputs
                .iter()
                .filter(|&(&output, _)| output > max_tokens)
                .map(|(_, count)| count)
                .sum(),
            answers: self.count,
        })
    }
}

impl Reservations {
    /// Puts together the answers of all callers, in whatever order.
    pub(super) fn of(callers: Vec<(Option<Arc<str>>, Answers)>, charge: &Charge) -> Self {
        let mut all = Answers::default();
        callers.iter().for_each(|(_, answers)| all.merge(answers));
        let everyone = all.cap(None, all.reserved, charge);
        // Somebody without a name cannot be asked; and one caller alone is everyone.
        let one = callers
            .iter()
            .filter(|(who, answers)| who.is_some() && answers.count < all.count)
            .filter_map(|(who, answers)| answers.cap(who.clone(), all.reserved, charge))
            .min_by(|a, b| (Reverse(a.frees), &a.only).cmp(&(Reverse(b.frees), &b.only)));
        let cap = match (everyone, one) {
            (Some(everyone), Some(one)) if one.frees > everyone.frees => Some(one),
            (everyone, one) => everyone.or(one),
        };
        let rows = callers.into_iter().map(|(who, answers)| row(who, &answers));
        let mut rows: Vec<CallerReservations> =
            rows.filter(|row| row.unset > 0 || row.oversized > 0 || row.unused > 0).collect();
        rows.sort_by(|a, b| {
            let figures = |row: &CallerReservations| Reverse((row.unused, row.unset, row.oversized));
            figures(a).cmp(&figures(b)).then_with(|| a.who.cmp(&b.who))
        });
        Reservations { callers: rows, answers: all.count, reserved: all.reserved, unused: all.unused, cap }
    }
}

fn row(who: Option<Arc<str>>, answers: &Answers) -> CallerReservations {
    let output_p99 = answers.output_percentile(990);
    let most = output_p99.saturating_mul(OVERSIZED_FACTOR);
    CallerReservations {
        who,
        answers: answers.count,
        unset: answers.unset,
        oversized: answers.limits.iter().filter(|&(&limit, _)| limit > most).map(|(_, count)| count).sum(),
        output_p99,
        reserved: answers.reserved,
        unused: answers.unused,
    }
}
