//! Tickets and quotas of a subject.
//!
//! In: a subject, a period, an aim. Out: the facts that `borehole ticket` and `borehole quota` have for it.

use borehole_mcp::{Asked, Basis, Failure, FailureKind, Period, Subject, Tickets, Watch};
use borehole_report::quota::QuotaReport;

use super::ServeMcp;
use super::snapshot::Snapshots;

/// See [`borehole_mcp::Engine::tickets`].
pub(super) fn tickets(
    _args: &ServeMcp,
    _snapshots: &Snapshots,
    _subject: &Subject,
    _period: &Period,
    _aim: &Asked,
    _watch: &Watch,
) -> Result<Tickets, Failure> {
    Err(Failure { kind: FailureKind::Internal, message: "not built yet".to_owned(), hint: None })
}

/// See [`borehole_mcp::Engine::quotas`].
pub(super) fn quotas(
    _args: &ServeMcp,
    _snapshots: &Snapshots,
    _subject: &Subject,
    _period: &Period,
    _aim: &Asked,
    _watch: &Watch,
) -> Result<(QuotaReport, Basis), Failure> {
    Err(Failure { kind: FailureKind::Internal, message: "not built yet".to_owned(), hint: None })
}
