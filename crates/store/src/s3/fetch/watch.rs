//! When a connection is given up.
//!
//! In: a future that waits for the network, and how many bytes came. Out: the future's value, or the reason why it
//! is waited for no longer. Always: a body that moves at more than [`DRIP_BYTES_PER_SECOND`] is never given up,
//! however slow it is. Absent: what is done about it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::s3::connect::Bucket;
use crate::s3::limits::{DRIP_BYTES_PER_SECOND, DRIP_STALLS, STOP_CHECK};

/// Why nothing is waited for any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Silence {
    /// No byte for the stall time, or hardly any for several times as long.
    Stalled,
    /// The bucket was stopped.
    Stopped,
}

/// Watches over one attempt. It has one timer, which is set anew when it fires, not with every chunk.
pub(super) struct Watch<'a> {
    bucket: &'a Bucket,
    stall: Duration,
    moved: Instant,
    drip_since: Instant,
    drip_bytes: u64,
    timer: Pin<Box<Sleep>>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(bucket: &'a Bucket) -> Self {
        let now = Instant::now();
        let stall = bucket.connections.tuning.stall;
        let timer = Box::pin(sleep_until(now + stall.min(STOP_CHECK)));
        Watch { bucket, stall, moved: now, drip_since: now, drip_bytes: 0, timer }
    }

    /// So many bytes came.
    pub(super) fn moved(&mut self, bytes: u64) {
        self.moved = Instant::now();
        self.drip_bytes += bytes;
    }

    /// Waits for `future` as long as it is worth it.
    pub(super) async fn wait<T>(&mut self, future: impl Future<Output = T>) -> Result<T, Silence> {
        let mut future = pin!(future);
        std::future::poll_fn(|context| {
            if let Poll::Ready(value) = future.as_mut().poll(context) {
                return Poll::Ready(Ok(value));
            }
            loop {
                ready!(self.timer.as_mut().poll(context));
                let now = Instant::now();
                if let Some(silence) = self.judge(now) {
                    return Poll::Ready(Err(silence));
                }
                let next = (self.moved + self.stall).min(now + STOP_CHECK);
                self.timer.as_mut().reset(next);
            }
        })
        .await
    }

    fn judge(&mut self, now: Instant) -> Option<Silence> {
        if self.bucket.stopped().is_some() {
            return Some(Silence::Stopped);
        }
        if now >= self.moved + self.stall {
            return Some(Silence::Stalled);
        }
        let elapsed = now.duration_since(self.drip_since);
        if elapsed >= self.stall * DRIP_STALLS {
            if self.drip_bytes < DRIP_BYTES_PER_SECOND * elapsed.as_secs().max(1) {
                return Some(Silence::Stalled);
            }
            self.drip_since = now;
            self.drip_bytes = 0;
        }
        None
    }
}
