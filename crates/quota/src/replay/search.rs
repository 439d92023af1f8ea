//! The search for the smallest quota.
//!
//! In: something that says of any quota how many it refuses. Out: [`Found`]. Always: the answer and every larger
//! quota tested meet the target; the integer below the answer was tested and does not, unless the answer is 0.
//! Absent: windows.
//!
//! Refusals are not monotone in the quota: of requests of 11, 5 and 5 in a minute a quota of 10 refuses one, a
//! quota of 11 two. So nothing may be bisected from afar. The search comes from where nobody can be refused, in
//! steps of 1 %, and stops at the first quota that fails.

/// What a search asks. Quotas are never negative.
pub(super) trait Candidates {
    /// The smallest quota under which nobody is over where everyone consumes; then nobody is refused either.
    fn none_over(&mut self) -> i64;

    /// The smallest quota under which at most so many are over where everyone consumes.
    fn smallest_offered(&mut self, allowed: usize) -> i64;

    /// How many a quota refuses, where the refused consume nothing; `None` if it is more than `allowed`.
    fn refused(&mut self, quota: i64, allowed: usize) -> Option<usize>;
}

/// What a search found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub(super) quota: i64,
    pub(super) refused: usize,
}

/// The next quota to test below one that holds, 1 % less and at least 1 less.
fn step_down(quota: i64) -> i64 {
    (i128::from(quota) * 99 / 100) as i64
}

/// The smallest quota, coming from above, that refuses at most `allowed`.
pub(super) fn smallest(candidates: &mut impl Candidates, allowed: usize) -> Found {
    let mut held = Found { quota: candidates.none_over(), refused: 0 };
    let mut failed = loop {
        if held.quota == 0 {
            return held;
        }
        let quota = step_down(held.quota);
        match candidates.refused(quota, allowed) {
            Some(refused) => held = Found { quota, refused },
            None => break quota,
        }
    };
    while held.quota - failed > 1 {
        let quota = failed + (held.quota - failed) / 2;
        match candidates.refused(quota, allowed) {
            Some(refused) => held = Found { quota, refused },
            None => failed = quota,
        }
    }
    held
}

/// The smallest quota that holds, of something monotone that holds from `high` on.
pub(super) fn bisect(high: i64, mut holds: impl FnMut(i64) -> bool) -> i64 {
    if holds(0) {
        return 0;
    }
    let (mut failed, mut held) = (0, high);
    while held - failed > 1 {
        let quota = failed + (held - failed) / 2;
        if holds(quota) {
            held = quota;
        } else {
            failed = quota;
        }
    }
    held
}
