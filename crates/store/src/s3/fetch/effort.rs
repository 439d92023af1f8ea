//! How often and how long one thing is tried.
//!
//! In: what went wrong. Out: leave to try again, after a pause, with a permit; or the word for giving up. Always:
//! both the attempts and the time are bounded, and who pauses holds no permit, so that objects that are throttled
//! hold up no others. Absent: what is tried.
//!
//! One effort is for one piece: a small object, or one range of a large one. What a piece received before it broke
//! off does not lengthen its effort, for then a server that drips could be followed for ever. A large object has
//! one effort for every range, so that an occasional reset costs it nothing, and the sum is bounded still.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::ReadFailure;
use crate::s3::Tuning;
use crate::s3::connect::Bucket;
use crate::s3::failure::{Trouble, pause};
use crate::s3::limiter::Permit;
use crate::s3::limits::STOP_CHECK;

/// What is left of the attempts and the patience for one piece.
pub(super) struct Effort {
    attempts: u32,
    attempts_max: u32,
    patience: Duration,
    first_failure: Option<Instant>,
}

impl Effort {
    pub(super) fn new(tuning: &Tuning) -> Self {
        Effort {
            attempts: 0,
            attempts_max: tuning.attempts_max,
            patience: tuning.patience,
            first_failure: None,
        }
    }

    /// Does what can be done about `trouble`, pauses, and comes back with a permit.
    ///
    /// # Errors
    /// The word for giving up.
    pub(super) async fn again(
        &mut self,
        bucket: &Bucket,
        permit: &mut Option<Permit>,
        trouble: &Trouble,
    ) -> Result<(), ReadFailure> {
        let limiter = &bucket.connections.limiter;
        let word = match trouble {
            Trouble::Object(failure) => return Err(*failure),
            Trouble::Throttled { .. } => {
                limiter.throttled();
                ReadFailure::Throttled
            }
            Trouble::Transient(word) => *word,
            // What recovers a bucket stops it, too, where that is of no use; the word is for one that is told the
            // same again and again.
            Trouble::Expired | Trouble::Skewed | Trouble::Elsewhere(_) | Trouble::Fatal(_) => {
                ReadFailure::Refused
            }
        };
        drop(permit.take());
        self.attempts += 1;
        bucket.recover(trouble).await.map_err(|_| ReadFailure::Stopped)?;
        let first_failure = *self.first_failure.get_or_insert_with(Instant::now);
        let pause = pause(self.attempts, trouble);
        if self.attempts >= self.attempts_max || first_failure.elapsed() + pause > self.patience {
            return Err(word);
        }
        rest(bucket, pause).await?;
        *permit = Some(limiter.permit().await.ok_or(ReadFailure::Stopped)?);
        if bucket.stopped().is_some() {
            return Err(ReadFailure::Stopped);
        }
        bucket.connections.counters.retries.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Sleeps, unless the bucket is stopped meanwhile.
async fn rest(bucket: &Bucket, pause: Duration) -> Result<(), ReadFailure> {
    let until = Instant::now() + pause;
    loop {
        if bucket.stopped().is_some() {
            return Err(ReadFailure::Stopped);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        sleep(left.min(STOP_CHECK)).await;
    }
}
