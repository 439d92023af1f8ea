//! Records that are searched for.
//!
//! In: a request id or a text. Out: what `borehole find` shows of it, or envelopes. Always: no body.

use borehole_mcp::{Events, Failure, FailureKind, Pattern, Period, Watch};
use serde_json::Value;

use super::ServeMcp;
use super::snapshot::Snapshots;

/// See [`borehole_mcp::Engine::find`].
pub(super) fn find(
    _args: &ServeMcp,
    _request_id: &str,
    _date: Option<&str>,
    _watch: &Watch,
) -> Result<Value, Failure> {
    Err(Failure { kind: FailureKind::Internal, message: "not built yet".to_owned(), hint: None })
}

/// See [`borehole_mcp::Engine::events`].
pub(super) fn events(
    _args: &ServeMcp,
    _snapshots: &Snapshots,
    _pattern: &Pattern,
    _period: &Period,
    _max: usize,
    _watch: &Watch,
) -> Result<Events, Failure> {
    Err(Failure { kind: FailureKind::Internal, message: "not built yet".to_owned(), hint: None })
}
