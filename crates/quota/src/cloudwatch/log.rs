//! What the log counts, by the periods of an export.
//!
//! In: the attempts of the chosen quotas, and the rates of their models by day. Out: [`LogCounts`]. Always: every
//! attempt is counted twice, in the period in which it starts and in the one in which it ends, since CloudWatch
//! does not say which it counts by; tokens are those of successful calls, as everywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use borehole_record::{Scope, Timestamp, UtcDay, UtcHour};
use borehole_usage::Charge;

use super::Text;
use super::period::Period;
use crate::attempt::{Attempt, Ending};
use crate::key::QuotaKey;

/// Sums of one period.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Counts {
    pub(super) attempts: u128,
    pub(super) successful: u128,
    pub(super) throttled: u128,
    pub(super) failed: u128,
    pub(super) input: u128,
    pub(super) output: u128,
    pub(super) cache_read: u128,
    pub(super) cache_write: u128,
    pub(super) settled: u128,
    /// Uncached input and cache writes: what a settlement has beside the output.
    pub(super) charged_input: u128,
    /// Successful calls of which a count of tokens is unknown.
    pub(super) unknown: u128,
}

/// What the log counts, by the periods of one export.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogCounts {
    period: Period,
    range: Option<(i64, i64)>,
    gaps: Vec<(i64, i64)>,
    pub(super) models: BTreeSet<(Text, Scope)>,
    pub(super) regions: BTreeSet<Text>,
    /// By the first second of the period in which an attempt starts.
    pub(super) by_start: BTreeMap<i64, Counts>,
    /// The same by its end; an unknown latency is taken for none.
    pub(super) by_end: BTreeMap<i64, Counts>,
    /// Quota tokens per output token, of all models and days that were met.
    pub(super) rates: BTreeSet<Option<u32>>,
}

impl LogCounts {
    /// Nothing counted yet.
    pub(super) fn new(period: Period) -> Self {
        LogCounts {
            period,
            range: None,
            gaps: Vec::new(),
            models: BTreeSet::new(),
            regions: BTreeSet::new(),
            by_start: BTreeMap::new(),
            by_end: BTreeMap::new(),
            rates: BTreeSet::new(),
        }
    }

    /// The periods.
    #[must_use]
    pub fn period(&self) -> Period {
        self.period
    }

    /// Says which range was read, half-open: a minute without a record in it had no call. Without this the range
    /// is from the first record to the last.
    pub fn set_range(&mut self, from: Timestamp, to: Timestamp) {
        self.range = Some((from.seconds, to.seconds));
    }

    /// Says that the log has no objects for these hours, half-open.
    pub fn add_gap(&mut self, from: UtcHour, to: UtcHour) {
        self.gaps.push((from.start_seconds(), to.start_seconds()));
    }

    /// Adds the attempts of a chosen quota, in order of time. `charge` is asked once a day.
    pub fn add(
        &mut self,
        key: &QuotaKey,
        attempts: impl IntoIterator<Item = Attempt>,
        mut charge: impl FnMut(UtcDay) -> Charge,
    ) {
        self.models.insert((Arc::clone(&key.model), key.scope));
        self.regions.extend(key.region.clone());
        let mut today: Option<(UtcDay, Charge)> = None;
        for attempt in attempts {
            let day = UtcDay::of(Timestamp::from_seconds(attempt.second));
            let charge = match today {
                Some((of, charge)) if of == day => charge,
                _ => {
                    let charge = charge(day);
                    self.rates.insert(charge.burndown);
                    today = Some((day, charge));
                    charge
                }
            };
            let counts = counts_of(&attempt, &charge);
            let start = self.period.start_of(attempt.second);
            self.by_start.entry(start).or_default().add(&counts);
            let seconds = i64::try_from(attempt.latency_ms.get().unwrap_or(0) / 1_000).unwrap_or(i64::MAX);
            let end = self.period.start_of(attempt.second.saturating_add(seconds));
            self.by_end.entry(end).or_default().add(&counts);
        }
    }

    /// The whole periods of what was read; `None` where nothing is known of it.
    pub(super) fn range(&self) -> Option<(i64, i64)> {
        match self.range {
            Some((from, to)) => Some((self.period.next_start(from), self.period.start_of(to))),
            None => {
                let (first, _) = self.by_start.first_key_value()?;
                let (last, _) = self.by_start.last_key_value()?;
                Some((*first, last.saturating_add(self.period.seconds())))
            }
        }
    }

    /// Whether a period lies in hours without objects, in part or as a whole.
    pub(super) fn is_gap(&self, start: i64) -> bool {
        let end = start.saturating_add(self.period.seconds());
        self.gaps.iter().any(|&(from, to)| from < end && start < to)
    }
}

impl Counts {
    pub(super) fn add(&mut self, other: &Counts) {
        self.attempts += other.attempts;
        self.successful += other.successful;
        self.throttled += other.throttled;
        self.failed += other.failed;
        self.input += other.input;
        self.output += other.output;
        self.cache_read += other.cache_read;
        self.cache_write += other.cache_write;
        self.settled += other.settled;
        self.charged_input += other.charged_input;
        self.unknown += other.unknown;
    }
}

fn counts_of(attempt: &Attempt, charge: &Charge) -> Counts {
    let mut counts = Counts { attempts: 1, ..Counts::default() };
    match attempt.ending {
        Ending::Successful => counts.successful = 1,
        Ending::Throttled => counts.throttled = 1,
        Ending::Failed => counts.failed = 1,
    }
    if attempt.ending == Ending::Successful {
        let tokens = &attempt.tokens;
        let known = |count: Option<u64>| u128::from(count.unwrap_or(0));
        counts.input = known(tokens.input.get());
        counts.output = known(tokens.output.get());
        counts.cache_read = known(tokens.cache_read.get());
        counts.cache_write = known(tokens.cache_write.get());
        counts.settled = known(charge.settled(tokens));
        counts.charged_input = known(charge.uncached(tokens)) + counts.cache_write;
        // An embedding logs no output, and has none.
        let has_output = tokens.output.is_known() || charge.max_output_tokens == Some(0);
        counts.unknown = u128::from(!tokens.input.is_known() || !has_output);
    }
    counts
}
