//! Retries after throttles: an estimate, since no log says which attempt repeats which.
//!
//! An attempt counts as a retry if its caller was throttled in one of the 60 seconds before its own. Attempts in
//! the very second of a throttle are no retries: at a log's resolution they cannot be told from parallel calls.
//! So a caller with much parallel traffic is overstated, and one that retries within the second understated.
//! The result does not depend on the order of attempts within a second.

use std::cmp::Reverse;
use std::sync::Arc;

use borehole_usage::figures::Ratio;

use crate::attempt::Ending;

/// Seconds after a throttle within which its caller is taken to retry, as for the joined requests of a replay.
const RETRY_SECONDS: i64 = 60;

/// One caller's retries: an estimate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallerRetries {
    /// Who; `None` for all whom the log does not name, taken together.
    pub who: Option<Arc<str>>,
    /// Throttled attempts.
    pub throttled: u64,
    /// Attempts within 60 s after a throttle of the same caller.
    pub retries: u64,
    /// Of these throttled again.
    pub throttled_again: u64,
    /// Most of these in a row, without a success between.
    pub longest_run: u64,
}

impl CallerRetries {
    /// Retries for each throttle.
    #[must_use]
    pub fn per_throttle(&self) -> Option<Ratio> {
        Ratio::new(u128::from(self.retries), u128::from(self.throttled))
    }
}

/// Watches the attempts of one caller in order of time.
#[derive(Default)]
pub(super) struct Watch {
    /// The second that is being filled, with its attempts.
    second: i64,
    attempts: u64,
    throttled: u64,
    is_served: bool,
    /// The last second before it that had a throttle.
    last_throttle: Option<i64>,
    run: u64,
    throttles: u64,
    retries: u64,
    throttled_again: u64,
    longest_run: u64,
}

impl Watch {
    pub(super) fn add(&mut self, second: i64, ending: Ending) {
        if self.attempts > 0 && self.second != second {
            self.end_second();
        }
        self.second = second;
        self.attempts += 1;
        self.throttled += u64::from(ending == Ending::Throttled);
        self.is_served |= ending == Ending::Successful;
    }

    fn end_second(&mut self) {
        let since = self.last_throttle.map(|throttle| self.second.saturating_sub(throttle));
        if since.is_some_and(|seconds| seconds <= RETRY_SECONDS) {
            self.retries += self.attempts;
            self.throttled_again += self.throttled;
            self.run += self.throttled;
            self.longest_run = self.longest_run.max(self.run);
        } else {
            self.run = 0;
        }
        if self.is_served {
            self.run = 0;
        }
        if self.throttled > 0 {
            self.last_throttle = Some(self.second);
        }
        self.throttles += self.throttled;
        (self.attempts, self.throttled, self.is_served) = (0, 0, false);
    }

    fn finish(mut self, who: Option<Arc<str>>) -> CallerRetries {
        self.end_second();
        CallerRetries {
            who,
            throttled: self.throttles,
            retries: self.retries,
            throttled_again: self.throttled_again,
            longest_run: self.longest_run,
        }
    }
}

/// The callers that were throttled, the most repeated throttles first.
pub(super) fn sorted(watches: Vec<(Option<Arc<str>>, Watch)>) -> Vec<CallerRetries> {
    let mut rows: Vec<CallerRetries> = watches.into_iter().map(|(who, watch)| watch.finish(who)).collect();
    rows.retain(|row| row.throttled > 0);
    rows.sort_by(|a, b| {
        let figures = |row: &CallerRetries| Reverse((row.throttled_again, row.throttled, row.retries));
        figures(a).cmp(&figures(b)).then_with(|| a.who.cmp(&b.who))
    });
    rows
}
