//! The load of an attempt, and the minutes that had most of it.

use std::cmp::Reverse;

use borehole_record::UtcMinute;
use borehole_usage::Charge;

use crate::attempt::{Attempt, Ending};
use crate::book::KeyAttempts;

/// Minutes that count as the worst; a ticket names as many.
pub const WORST_MINUTES: usize = 5;

/// What load is measured in. Shares compare callers, so one measure is taken for all of them: the one that comes
/// closest to what a quota feels and is known for enough attempts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Load {
    /// Reserved quota tokens, where at least 9 of 10 successful attempts have them; the others count as settled.
    Reserved,
    /// Settled quota tokens, where at least half of the successful attempts have them.
    Settled,
    /// Input and output tokens as logged, on the same terms: for models whose rate no rule names.
    Raw,
    /// Attempts, throttled ones too: nothing is known of tokens.
    Attempts,
}

impl Load {
    /// The name in a report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Load::Reserved => "reserved_tokens",
            Load::Settled => "settled_tokens",
            Load::Raw => "raw_tokens",
            Load::Attempts => "attempts",
        }
    }

    pub(super) fn for_attempts(attempts: &KeyAttempts, charge: &Charge) -> Load {
        let (mut successful, mut reserved, mut settled, mut raw) = (0u64, 0u64, 0u64, 0u64);
        for attempt in attempts.attempts().filter(|attempt| attempt.ending == Ending::Successful) {
            successful += 1;
            reserved += u64::from(charge.reserved(&attempt.tokens).is_some());
            settled += u64::from(charge.settled(&attempt.tokens).is_some());
            raw += u64::from(attempt.tokens.input.is_known());
        }
        // Without rate the quota's own measure is unknown: a reservation alone would hide what outputs cost.
        if successful > 0 && charge.burndown.is_some() && reserved * 10 >= successful * 9 {
            Load::Reserved
        } else if successful > 0 && settled * 2 >= successful {
            Load::Settled
        } else if successful > 0 && raw * 2 >= successful {
            Load::Raw
        } else {
            Load::Attempts
        }
    }

    /// The load of one attempt; 0 where it is unknown, and for a throttled one, which was given no tokens.
    pub(super) fn of(self, attempt: &Attempt, charge: &Charge) -> u64 {
        let tokens = &attempt.tokens;
        match self {
            Load::Attempts => 1,
            _ if attempt.ending == Ending::Throttled => 0,
            Load::Reserved => charge.reserved(tokens).or_else(|| charge.settled(tokens)).unwrap_or(0),
            Load::Settled => charge.settled(tokens).unwrap_or(0),
            Load::Raw => attempt.tokens.raw(),
        }
    }
}

/// One of the worst minutes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WorstMinute {
    /// Which.
    pub minute: UtcMinute,
    /// Attempts in it.
    pub attempts: u64,
    /// Of these throttled.
    pub throttled: u64,
    /// Its load.
    pub load: u128,
    /// The load of its busiest second: logs say nothing finer.
    pub busiest_second: u128,
}

/// The minutes with the largest load, the worst first: by load, throttles, attempts, then the earliest.
pub(super) fn worst(attempts: &KeyAttempts, charge: &Charge, load: Load) -> Vec<WorstMinute> {
    let mut worst = Vec::new();
    let mut open: Option<WorstMinute> = None;
    let (mut second, mut in_second) = (i64::MIN, 0u128);
    for attempt in attempts.attempts() {
        let minute = attempt.minute();
        let current = match &mut open {
            Some(current) if current.minute == minute => current,
            _ => {
                let fresh = WorstMinute { minute, attempts: 0, throttled: 0, load: 0, busiest_second: 0 };
                keep(&mut worst, open.replace(fresh));
                open.get_or_insert(fresh)
            }
        };
        let load = u128::from(load.of(&attempt, charge));
        in_second = if second == attempt.second { in_second + load } else { load };
        second = attempt.second;
        current.attempts += 1;
        current.throttled += u64::from(attempt.ending == Ending::Throttled);
        current.load += load;
        current.busiest_second = current.busiest_second.max(in_second);
    }
    keep(&mut worst, open);
    worst
}

fn keep(worst: &mut Vec<WorstMinute>, minute: Option<WorstMinute>) {
    worst.extend(minute.filter(|minute| minute.load > 0));
    worst.sort_by_key(|minute| (Reverse((minute.load, minute.throttled, minute.attempts)), minute.minute));
    worst.truncate(WORST_MINUTES);
}
