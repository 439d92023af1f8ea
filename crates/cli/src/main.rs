//! `borehole`: argv in, a report on stdout (or in files), talk on stderr, an exit code that says what it means.

/// Writes a line to stderr. Talk that nobody can hear (a closed pipe, a full disk) is no error.
macro_rules! tell {
    ($($argument:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr().lock(), $($argument)*);
    }};
}

mod analyze;
mod args;
mod bodies;
mod cells;
mod columns;
mod command_line;
mod compare;
mod completions;
mod config;
mod dataset;
mod doctor;
mod download;
mod envelope;
mod estimate;
mod exit;
mod export;
mod fail_if;
mod find;
mod gather;
mod glimpse;
mod hints;
mod json_text;
mod kept;
mod logging;
mod ls;
mod man;
mod output;
mod places;
mod policy;
mod prices;
mod progress;
mod pull;
mod quota;
mod range;
mod rejects;
mod remembered;
mod render;
mod report;
mod restore;
mod rules;
mod serve_mcp;
mod studies;
mod synth;
mod ticket;

use crate::args::Command;
use crate::command_line::Refusal;
use crate::exit::Exit;

fn main() -> std::process::ExitCode {
    exit::silence_panics();
    let arguments = match command_line::read(std::env::args_os().collect()) {
        Ok(arguments) => arguments,
        Err(Refusal::Clap(error)) => return exit::refuse(&error),
        Err(Refusal::Ours(error)) => return exit::report(&error).into(),
    };
    // A check of our own that fails is exit code 1, and nothing is published; the hook has told where.
    let result = std::panic::catch_unwind(|| match &arguments.command {
        Command::Analyze(analyze) => analyze::run(analyze),
        Command::Report(report) => report::run(report),
        Command::Compare(compare) => compare::run(compare),
        Command::Ls(ls) => ls::run(ls),
        Command::Find(find) => find::run(find),
        Command::Export(export) => export::run(export),
        Command::Pull(pull) => pull::run(pull),
        Command::Quota(quota) => quota::run(quota),
        Command::Restore(restore) => restore::run(restore),
        Command::Rules(rules) => rules::run(rules),
        Command::Doctor(doctor) => doctor::run(doctor),
        Command::ServeMcp(serve) => serve_mcp::run(serve),
        Command::Dataset(dataset) => dataset::run(dataset),
        Command::Synth(synth) => synth::run(synth),
        Command::Ticket(ticket) => ticket::run(ticket),
        Command::Completions(completions) => completions::run(completions),
        Command::Man(man) => man::run(man),
    });
    match result {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(error)) => exit::report(&error).into(),
        Err(_) => Exit::Internal.into(),
    }
}

/// The moment the command started, by the wall clock; the only place where it is read.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn now() -> borehole_record::Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    borehole_record::Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: since.subsec_nanos(),
    }
}

/// What every exit path returns.
type Outcome = Result<Exit, anyhow::Error>;
