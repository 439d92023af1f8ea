//! Tests that cannot run here, told loudly.

use std::fmt;
use std::io::Write;

/// Why a test cannot run here; with `CI` set nobody gets to see it, the start panics instead.
#[derive(Debug)]
pub struct Skip(pub String);

impl Skip {
    /// # Panics
    /// With `CI` set: a machine that is to test everything must be able to.
    pub(crate) fn new(server: &str, reason: String) -> Self {
        let skip = Skip(format!("{server}: {reason}"));
        assert!(!demands_everything(), "{skip}");
        skip
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether tests must not be skipped: `CI` is set, and not to nothing or `false`.
fn demands_everything() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false")
}

/// The server, or none and a line on stderr that the test framework does not swallow.
pub(crate) fn or_skip<T>(started: Result<T, Skip>) -> Option<T> {
    match started {
        Ok(server) => Some(server),
        Err(reason) => {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            let _ = writeln!(std::io::stderr(), "NOT TESTED: {test}: {reason}");
            None
        }
    }
}
