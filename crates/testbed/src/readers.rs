//! Python with pyarrow and DuckDB, which read what Borehole exports.
//!
//! In: nothing. Out: a command that runs Python with both. Always: they are of one version, and not the machine's own.

use std::process::Command;

use crate::install::{TABLE_READERS, install};
use crate::skip::{Skip, or_skip};

/// Python that finds pyarrow and DuckDB, still without a script.
///
/// # Errors
/// Where they cannot be installed.
///
/// # Panics
/// As that error, where `CI` is set.
pub fn table_readers() -> Result<Command, Skip> {
    let installed = install(&TABLE_READERS).map_err(|reason| Skip::new("pyarrow and DuckDB", reason))?;
    let (python, variables) = installed.python();
    let mut command = Command::new(python);
    command.envs(variables);
    Ok(command)
}

/// As [`table_readers`]; where they cannot be had, stderr says so and the test ends.
#[must_use]
pub fn table_readers_or_skip() -> Option<Command> {
    or_skip(table_readers())
}
