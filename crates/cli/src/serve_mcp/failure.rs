//! Errors of the commands as failures of the engine.
//!
//! In: any error of a run. Out: a [`Failure`] with the words that the command line would show. Always: escaped; a run
//! that was stopped is told as that, whatever error it ended with.

use borehole_mcp::{Failure, FailureKind, Watch};

use crate::exit::{Exit, classify, escaped, hints_of, unhinted};

/// The failure of a call.
pub(super) fn failure(error: &anyhow::Error, watch: &Watch) -> Failure {
    if watch.is_stopped() {
        return Failure { kind: FailureKind::Stopped, message: "stopped".to_owned(), hint: None };
    }
    let hints = hints_of(error);
    let error = unhinted(error);
    let (exit, hint) = classify(error);
    let kind = match exit {
        Exit::Usage => FailureKind::Arguments,
        Exit::Internal => FailureKind::Internal,
        _ => FailureKind::NoAnswer,
    };
    let hint = hints.first().map(|hint| escaped(hint)).or_else(|| hint.map(str::to_owned));
    Failure { kind, message: escaped(&format!("{error:#}")), hint }
}
