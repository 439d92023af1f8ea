//! Who uses a quota and how, and which quota it was that throttled.
//!
//! In: the attempts of one quota, who made them, what they are charged. Out: shares, reservations that were never
//! used, what caching saved, retries ([`Attribution`]); the likely cause of each throttle ([`Causes`]); and of all
//! quotas the three lines of a report ([`Findings`]). Always: sums are exact; what is inferred is called an
//! estimate or carries a confidence; the order of rows is by figures, then by text, whatever order callers came
//! in. Absent: rendering, and any request of which the log knows nothing.

mod cause;
mod findings;
mod groups;
mod held;
mod minutes;
mod reservations;
mod retries;

use std::cmp::Reverse;
use std::sync::Arc;

use borehole_record::Count;
use borehole_usage::figures::Ratio;
use borehole_usage::{Charge, Tokens};
use rustc_hash::FxHashMap;

use crate::attempt::{Attempt, Callers, Ending};
use crate::book::KeyAttempts;
pub use cause::{Cause, CauseSummary, Causes, Confidence, Doubt, Hours, KnownQuotas, MinuteCause};
pub use findings::{Behind, CacheHint, Findings, Fix, Why};
pub use groups::{Grouping, Who};
pub use minutes::{Load, WORST_MINUTES, WorstMinute};
pub use reservations::{CallerReservations, Cap, Reservations};
pub use retries::CallerRetries;

/// Who uses one quota, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attribution {
    /// What callers are told apart by.
    pub who: Who,
    /// What load is measured in, here.
    pub load: Load,
    /// Attempts.
    pub attempts: u64,
    /// Of these throttled.
    pub throttled: u64,
    /// Settled quota tokens of successful attempts; `None` where none is known.
    pub settled: Option<u128>,
    /// The load of all attempts, in units of `load`.
    pub load_sum: u128,
    /// The load of the worst minutes.
    pub load_in_worst: u128,
    /// The minutes with the largest load, at most [`WORST_MINUTES`], the worst first.
    pub worst_minutes: Vec<WorstMinute>,
    /// Each caller's part, the largest in the worst minutes first.
    pub shares: Vec<CallerShare>,
    /// What was reserved and never used.
    pub reservations: Reservations,
    /// What caching did.
    pub cache: CacheUse,
    /// Retries of each caller that was throttled, the most repeated throttles first: an estimate.
    pub retries: Vec<CallerRetries>,
}

/// One caller's part in a quota.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallerShare {
    /// Who; `None` for all whom the log does not name.
    pub who: Option<Arc<str>>,
    /// Attempts.
    pub attempts: u64,
    /// Of these throttled.
    pub throttled: u64,
    /// Settled quota tokens; `None` where none is known.
    pub settled: Option<u128>,
    /// Load in all.
    pub load: u128,
    /// Load in the worst minutes.
    pub load_in_worst: u128,
    /// Part of the load in all, 0 to 1; `None` where there is no load.
    pub share: Option<Ratio>,
    /// Part of the load of the worst minutes, 0 to 1; `None` where there is no load.
    pub share_in_worst: Option<Ratio>,
}

/// What caching did, over the successful attempts with known input.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CacheUse {
    /// Successful attempts with known input.
    pub requests: u64,
    /// Input tokens that were neither read from nor written to the cache.
    pub uncached: u128,
    /// Tokens read from the cache.
    pub cache_read: u128,
    /// Tokens written to it.
    pub cache_write: u128,
    /// Of the requests those whose settled quota tokens are known.
    pub settled_known: u64,
    /// What these settled at, in quota tokens.
    pub settled: u128,
    /// What they would have settled at with all of their prompt as plain input.
    pub settled_without_cache: u128,
}

impl CacheUse {
    /// Cache reads over the whole prompt; `None` where no prompt is known.
    #[must_use]
    pub fn hit_rate(&self) -> Option<Ratio> {
        Ratio::new(self.cache_read, self.uncached + self.cache_read + self.cache_write)
    }

    /// Quota tokens that caching saved; `None` where nothing settled is known.
    #[must_use]
    pub fn saved(&self) -> Option<u128> {
        (self.settled_known > 0).then(|| self.settled_without_cache.saturating_sub(self.settled))
    }

    fn add(&mut self, tokens: &Tokens, charge: &Charge) {
        let (Some(uncached), Some(prompt)) = (charge.uncached(tokens), charge.prompt(tokens)) else { return };
        self.requests += 1;
        self.uncached += u128::from(uncached);
        self.cache_read += u128::from(tokens.cache_read.get().unwrap_or(0));
        self.cache_write += u128::from(tokens.cache_write.get().unwrap_or(0));
        // The largest integer stands for an unknown count.
        let plain = Tokens {
            input: Count::known(prompt.min(u64::MAX - 1)),
            cache_read: Count::UNKNOWN,
            cache_write: Count::UNKNOWN,
            ..*tokens
        };
        if let (Some(settled), Some(without)) = (charge.settled(tokens), charge.settled(&plain)) {
            self.settled_known += 1;
            self.settled += u128::from(settled);
            self.settled_without_cache += u128::from(without);
        }
    }
}

/// What is summed up for one caller.
#[derive(Default)]
struct Tally {
    attempts: u64,
    throttled: u64,
    settled: Option<u128>,
    load: u128,
    load_in_worst: u128,
    answers: reservations::Answers,
    retries: retries::Watch,
}

impl Attribution {
    /// Attributes one quota's attempts to callers. To attribute many quotas of one run, make a [`Grouping`] once.
    #[must_use]
    pub fn of(attempts: &KeyAttempts, callers: &Callers, charge: &Charge, dimension: Who) -> Self {
        Self::by(&Grouping::new(callers, dimension), attempts, charge)
    }

    /// Attributes one quota's attempts to the callers of a grouping.
    #[must_use]
    pub fn by(grouping: &Grouping, attempts: &KeyAttempts, charge: &Charge) -> Self {
        let load = Load::for_attempts(attempts, charge);
        let worst_minutes = minutes::worst(attempts, charge, load);
        let mut tallies: FxHashMap<u32, Tally> = FxHashMap::default();
        let mut cache = CacheUse::default();
        for attempt in attempts.attempts() {
            let tally = tallies.entry(grouping.group(attempt.caller)).or_default();
            let is_in_worst = worst_minutes.iter().any(|worst| worst.minute == attempt.minute());
            tally.add(&attempt, charge, u128::from(load.of(&attempt, charge)), is_in_worst);
            if attempt.ending == Ending::Successful {
                cache.add(&attempt.tokens, charge);
            }
        }
        let sum = |part: fn(&Tally) -> u128| tallies.values().map(part).sum::<u128>();
        let (load_sum, load_in_worst) = (sum(|tally| tally.load), sum(|tally| tally.load_in_worst));
        let share = |(&group, tally): (&u32, &Tally)| CallerShare {
            who: grouping.name(group),
            attempts: tally.attempts,
            throttled: tally.throttled,
            settled: tally.settled,
            load: tally.load,
            load_in_worst: tally.load_in_worst,
            share: Ratio::new(tally.load, load_sum),
            share_in_worst: Ratio::new(tally.load_in_worst, load_in_worst),
        };
        let mut shares: Vec<CallerShare> = tallies.iter().map(share).collect();
        shares.sort_by(|a, b| {
            let figures =
                |row: &CallerShare| Reverse((row.load_in_worst, row.load, row.throttled, row.attempts));
            figures(a).cmp(&figures(b)).then_with(|| a.who.cmp(&b.who))
        });
        let settled = tallies.values().filter_map(|tally| tally.settled);
        let settled = settled.reduce(|sum, settled| sum + settled);
        let (mut answers, mut watches) = (Vec::new(), Vec::new());
        for (group, tally) in tallies {
            answers.push((grouping.name(group), tally.answers));
            watches.push((grouping.name(group), tally.retries));
        }
        Attribution {
            who: grouping.who(),
            load,
            attempts: shares.iter().map(|row| row.attempts).sum(),
            throttled: shares.iter().map(|row| row.throttled).sum(),
            settled,
            load_sum,
            load_in_worst,
            worst_minutes,
            shares,
            reservations: Reservations::of(answers, charge),
            cache,
            retries: retries::sorted(watches),
        }
    }
}

impl Tally {
    fn add(&mut self, attempt: &Attempt, charge: &Charge, load: u128, is_in_worst: bool) {
        self.attempts += 1;
        self.throttled += u64::from(attempt.ending == Ending::Throttled);
        self.load += load;
        if is_in_worst {
            self.load_in_worst += load;
        }
        if attempt.ending == Ending::Successful {
            if let Some(settled) = charge.settled(&attempt.tokens) {
                *self.settled.get_or_insert(0) += u128::from(settled);
            }
            self.answers.add(&attempt.tokens, charge);
        }
        self.retries.add(attempt.second, attempt.ending);
    }
}
