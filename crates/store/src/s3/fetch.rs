//! Getting bytes: small objects whole, large ones in ranges, and what breaks off is continued.

use std::sync::Arc;

use super::connect::Bucket;
use crate::{Object, ReadFailure, Ready, Receipt};

/// As [`crate::Store::read`].
pub(crate) fn read(
    _bucket: &Arc<Bucket>,
    _object: &Object,
    _take: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<Receipt, ReadFailure> {
    Err(ReadFailure::Stopped)
}

/// As [`crate::Store::head`].
pub(crate) fn head(_bucket: &Arc<Bucket>, _key: &[u8]) -> Result<Option<Object>, ReadFailure> {
    Err(ReadFailure::Stopped)
}

/// As [`crate::Store::fetch`].
pub(crate) fn begin(_bucket: &Arc<Bucket>, _object: &Object, _ready: Ready) {}
