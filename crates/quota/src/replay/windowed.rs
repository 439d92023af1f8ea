//! Searches under the clock minute and the sliding minute.
//!
//! In: the arrivals under one measure. Out: how many a quota refuses, and the offered view. Always: exact, and a
//! quota costs about as much as it has arrivals that might be refused. Absent: the bucket, which is otherwise.
//!
//! Why few arrivals need a look: a window's load is a sum over charges of which none is ever negative, so whoever
//! is refused only makes room. Let L be the load that an arrival would see, itself included, if nobody were
//! refused. Where L fits the quota, the arrival is admitted whoever else is refused. Where it does not, the load
//! is L less what the refused would have made of it, and that is the same sum over the refused alone.

use super::gauge::{ChargeWindow, Expiry};
use super::load::Load;
use super::search::Candidates;

/// Arrivals with one maximum: one cache line of loads or two.
const STRETCH: usize = 16;

/// The loads of all arrivals, ready to be held against quotas.
#[derive(Debug)]
pub(super) struct Windowed<'a> {
    load: Load<'a>,
    expiry: Expiry,
    /// What each arrival would bring its window to if nobody were refused.
    offered: Vec<i64>,
    /// The largest of each [`STRETCH`].
    peaks: Vec<i64>,
}

impl<'a> Windowed<'a> {
    pub(super) fn new(load: Load<'a>, expiry: Expiry) -> Self {
        let mut everyone = ChargeWindow::new(expiry);
        let mut offered = Vec::with_capacity(load.len());
        for charged in load.iter() {
            everyone.advance(charged.start);
            offered.push(everyone.used() + charged.reserve);
            everyone.take(&charged);
        }
        let peak = |stretch: &[i64]| stretch.iter().copied().max().unwrap_or(0);
        let peaks = offered.chunks(STRETCH).map(peak).collect();
        Windowed { load, expiry, offered, peaks }
    }
}

impl Candidates for Windowed<'_> {
    fn none_over(&mut self) -> i64 {
        self.peaks.iter().copied().max().unwrap_or(0)
    }

    fn smallest_offered(&mut self, allowed: usize) -> i64 {
        if allowed >= self.offered.len() {
            return 0;
        }
        // As many are over the quota as have a larger load, so it is the largest load but `allowed`.
        let mut loads = self.offered.clone();
        let (_, &mut quota, _) = loads.select_nth_unstable_by(allowed, |a, b| b.cmp(a));
        quota
    }

    fn refused(&mut self, quota: i64, allowed: usize) -> Option<usize> {
        let mut refused = ChargeWindow::new(self.expiry);
        let mut count = 0;
        for (stretch, _) in self.peaks.iter().enumerate().filter(|&(_, &peak)| peak > quota) {
            let first = stretch * STRETCH;
            let loads = self.offered[first..].iter().take(STRETCH);
            for (place, &offered) in loads.enumerate().filter(|&(_, &offered)| offered > quota) {
                let charged = self.load.get(first + place);
                refused.advance(charged.start);
                if offered - refused.used() > quota {
                    count += 1;
                    if count > allowed {
                        return None;
                    }
                    refused.take(&charged);
                }
            }
        }
        Some(count)
    }
}
