//! How much is asked for at once: requests (adaptive), and bytes held in memory (fixed).
//!
//! Additive increase while it helps, halving on throttles, at most once a second (faults A1).

use super::Tuning;

/// Requests under way and bytes held, over all buckets of a process.
pub(crate) struct Limiter {}

impl Limiter {
    /// A limiter at its starting figure.
    pub(crate) fn new(_tuning: &Tuning) -> Self {
        Limiter {}
    }
}
