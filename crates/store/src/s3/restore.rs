//! Restoring archived objects: the only thing Borehole ever writes, and only when a person asks for it.

use super::S3Store;
use crate::{Object, ReadFailure, Restore, StorageClass};

/// How fast, at which price: S3's retrieval tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// The cheapest: 5 to 12 hours, from DEEP_ARCHIVE 48.
    Bulk,
    /// 3 to 5 hours, from DEEP_ARCHIVE 12.
    Standard,
    /// Minutes; not from DEEP_ARCHIVE.
    Expedited,
}

/// What S3 answered to a request for a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asked {
    /// 202: it has begun.
    Started,
    /// 409 RestoreAlreadyInProgress: somebody asked before.
    AlreadyInProgress,
    /// 200: a copy is there already; it is kept for the new number of days.
    AlreadyRestored,
}

/// Where a restore stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Where the object lies.
    pub class: StorageClass,
    /// Whether a copy is there.
    pub restore: Restore,
    /// Until when, as S3 puts it (an HTTP date).
    pub expiry: Option<String>,
}

impl S3Store {
    /// Asks S3 to restore objects for `days` days, many at once; `each` hears of every one, in any order.
    pub fn restore(
        &self,
        _objects: &[Object],
        _days: u32,
        _tier: Tier,
        _each: &mut dyn FnMut(&Object, Result<Asked, ReadFailure>),
    ) {
    }

    /// Asks where the restores of objects stand (one HEAD each), many at once.
    pub fn restore_status(
        &self,
        _objects: &[Object],
        _each: &mut dyn FnMut(&Object, Result<Status, ReadFailure>),
    ) {
    }
}
