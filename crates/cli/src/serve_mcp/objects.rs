//! Objects of the buckets and dumps that the server was started with.
//!
//! In: names that a client gives. Out: listings, objects, restores. Always: nothing outside of the sources.

use borehole_mcp::{Failure, FailureKind, Listing, Object, Restored, Watch};

use super::ServeMcp;

/// See [`borehole_mcp::Engine::list`].
pub(super) fn list(
    _args: &ServeMcp,
    _bucket: &str,
    _prefix: &str,
    _after: Option<&str>,
    _max: usize,
    _watch: &Watch,
) -> Result<Listing, Failure> {
    Err(Failure { kind: FailureKind::Internal, message: "not built yet".to_owned(), hint: None })
}

/// See [`borehole_mcp::Engine::read`].
pub(super) fn read(_args: &ServeMcp, _bucket: &str, _key: &str, _watch: &Watch) -> Result<Object, Failure> {
    Err(Failure { kind: FailureKind::Internal, message: "not built yet".to_owned(), hint: None })
}

/// See [`borehole_mcp::Engine::restore`].
pub(super) fn restore(
    _args: &ServeMcp,
    _bucket: &str,
    _key: &str,
    _days: u32,
    _watch: &Watch,
) -> Result<Restored, Failure> {
    Err(Failure { kind: FailureKind::Internal, message: "not built yet".to_owned(), hint: None })
}
