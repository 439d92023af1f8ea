//! Tests that run in a process of their own, because what they test reads the environment.
//!
//! In: a test's body and variables. Out: the same test, run by a child that has them. Always: nothing of the user's
//! own AWS configuration is left in it; the environment of this process is never written. Absent: anything else
//! that differs from a test that runs here.

use std::any::type_name;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

/// Set in the child; what the parent has to tell it.
const CHILD: &str = "BOREHOLE_TESTBED_CHILD";

/// What the parent told, in a child.
pub(crate) fn message() -> Option<String> {
    std::env::var(CHILD).ok()
}

/// Runs the calling test again in a child with these variables. `F` is the test's body, whose type bears the test's
/// name; the child runs it, since it has a [`message`].
pub(crate) fn run<F>(message: &str, variables: &[(&'static str, String)]) {
    let path = type_name::<F>();
    let path = path.split_once("::{{closure}}").map_or(path, |(path, _)| path);
    let test = path.split_once("::").map_or(path, |(_, test)| test);
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command.args(["--exact", test, "--include-ignored"]).env(CHILD, message);
    without_aws(&mut command).envs(variables.iter().map(|(name, value)| (name, value)));
    // What is told loudly stays loud.
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().expect("this program runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{test} in a child process:\n{said}");
}

/// Takes every `AWS_` variable of this process from a command.
pub(crate) fn without_aws(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command
}

/// A directory below another for what a command keeps: each has its own, which is not there yet, since what one keeps
/// of a bucket is of no use to another test with a bucket of that name.
pub(crate) fn own_cache(below: &Path) -> PathBuf {
    static CACHES: AtomicU64 = AtomicU64::new(0);
    let number = CACHES.fetch_add(1, Ordering::Relaxed);
    below.join(format!("cache-{}-{number}", std::process::id()))
}
