//! What the server has read, for as long as its listing holds.
//!
//! In: the sources and a subject. Out: figures of it.

use borehole_mcp::{Basis, Failure, FailureKind, Measured, Period, Subject, Watch};

use super::ServeMcp;

/// What was read.
#[derive(Default)]
pub(super) struct Snapshots {}

impl Snapshots {
    /// See [`borehole_mcp::Engine::measure`].
    pub(super) fn measure(
        &self,
        _args: &ServeMcp,
        _subject: &Subject,
        _period: &Period,
        _slots_max: usize,
        _watch: &Watch,
    ) -> Result<Measured, Failure> {
        Err(Failure { kind: FailureKind::Internal, message: "not built yet".to_owned(), hint: None })
    }

    /// What an answer about a subject and a period rests on.
    pub(super) fn basis(
        &self,
        _args: &ServeMcp,
        _subject: &Subject,
        _period: &Period,
        _watch: &Watch,
    ) -> Result<Basis, Failure> {
        Err(Failure { kind: FailureKind::Internal, message: "not built yet".to_owned(), hint: None })
    }
}
