//! Child processes that do not outlive the test that started them, and ports for them.
//!
//! In: a program. Out: it runs, until the [`Leash`] is dropped or this process ends, however it ends. Always: what
//! the program said is in a file, and its directory is removed with it. Absent: signals on a parent's death
//! (`PR_SET_PDEATHSIG`), which would come when the *thread* that started the child ends, and a test's thread ends
//! with the test, while a shared server has to stay.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Becomes the program, after it has left a watchdog behind that reads from a pipe whose other end only the test
/// process holds. The pipe ends with that process: then the program is killed, and `$1`, its directory, and `$2`,
/// files elsewhere, are removed. A line instead says that this was done already. Ctrl-C reaches the whole process group and must not end the
/// watchdog before its work is done.
const SCRIPT: &str = r#"
exec 3<&0
(
    trap '' HUP INT TERM
    read -r done <&3 && exit
    kill -9 "$$"
    for wait in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$$" 2>/dev/null || break; sleep 0.1; done
    rm -rf -- "$1" $2
) </dev/null >/dev/null 2>&1 &
exec 3<&- </dev/null
shift 2
exec "$@"
"#;

/// A running program.
pub(crate) struct Leash {
    child: Child,
    pipe: Option<ChildStdin>,
    directory: PathBuf,
    leftovers: Vec<String>,
}

impl Leash {
    /// Starts a program in a directory that is its own; its output goes into `log` there. `leftovers` are files
    /// elsewhere that it does not remove itself; there is no white space in their names.
    pub(crate) fn start(
        directory: tempfile::TempDir,
        leftovers: Vec<String>,
        program: &Path,
        arguments: &[String],
        variables: &[(&'static str, String)],
    ) -> Result<Self, String> {
        let log = File::create(directory.path().join("log")).and_then(|log| Ok((log.try_clone()?, log)));
        let (stdout, stderr) = log.map_err(|cause| format!("{}: {cause}", directory.path().display()))?;
        let mut command = Command::new("sh");
        command
            .args(["-c", SCRIPT, "sh"])
            .arg(directory.path())
            .arg(leftovers.join(" "))
            .arg(program)
            .args(arguments);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command.current_dir(directory.path()).stdin(Stdio::piped()).stdout(stdout).stderr(stderr);
        let mut child = command.spawn().map_err(|cause| format!("{}: {cause}", program.display()))?;
        let pipe = child.stdin.take();
        Ok(Leash { child, pipe, directory: directory.keep(), leftovers })
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The directory that is removed with it.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The last lines of what it said.
    pub(crate) fn last_words(&self) -> String {
        let said = fs::read(self.directory.join("log")).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(mut pipe) = self.pipe.take() {
            let _ = pipe.write_all(b"done\n");
        }
        let _ = fs::remove_dir_all(&self.directory);
        for file in &self.leftovers {
            let _ = fs::remove_file(file);
        }
    }
}

/// Ports below this are other services' by custom.
const PORT_MIN: u16 = 10_000;

/// Linux takes ports from 32,768 up for outgoing connections; one of those could sit on a port between the moment it
/// is found free and the moment the server wants it.
const PORT_MAX: u16 = 32_000;

/// Ports of loopback that are free now. Somebody else may be faster to take them: starting has to be repeated then.
pub(crate) fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    let mut next = RandomState::new().hash_one(std::process::id());
    // Held until all are found, so that none is found twice.
    let mut held = Vec::new();
    std::array::from_fn(|_| {
        loop {
            next = next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let port = PORT_MIN + ((next >> 33) % u64::from(PORT_MAX - PORT_MIN)) as u16;
            if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
                held.push(listener);
                return port;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::time::{Duration, Instant};

    const CHILD: &str = "BOREHOLE_TESTBED_LEASH_CHILD";

    fn sleeper() -> Leash {
        let directory = tempfile::tempdir().unwrap();
        Leash::start(directory, Vec::new(), Path::new("sleep"), &["600".to_owned()], &[]).unwrap()
    }

    /// Whether a process runs; one that has ended and was not yet asked after counts as gone.
    fn runs(id: u32) -> bool {
        let state = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        state.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
    }

    fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < Duration::from_secs(20), "{what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_dropped_leash_ends_the_program_and_removes_its_directory() {
        let leash = sleeper();
        let (id, directory) = (leash.child.id(), leash.directory.clone());
        assert!(runs(id) && directory.exists());
        drop(leash);
        assert!(!runs(id) && !directory.exists());
    }

    #[test]
    fn a_killed_test_process_takes_its_programs_with_it() {
        if std::env::var_os(CHILD).is_some() {
            // Started from a thread that ends at once, as tests are.
            let leash = std::thread::spawn(sleeper).join().unwrap();
            let _ = writeln!(std::io::stderr(), "{} {}", leash.child.id(), leash.directory.display());
            let _ = std::io::stdin().read(&mut [0]);
            return;
        }
        let mut test = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "leash::tests::a_killed_test_process_takes_its_programs_with_it",
                "--nocapture",
            ])
            .env(CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = Vec::new();
        let mut stderr = test.stderr.take().unwrap();
        while !said.ends_with(b"\n") {
            let mut byte = [0];
            stderr.read_exact(&mut byte).unwrap();
            said.push(byte[0]);
        }
        let said = String::from_utf8(said).unwrap();
        let (id, directory) = said.trim().split_once(' ').unwrap();
        let id: u32 = id.parse().unwrap();
        assert!(runs(id));
        test.kill().unwrap();
        test.wait().unwrap();
        wait_until("the program outlives its test", || !runs(id));
        wait_until("its directory stays", || !Path::new(directory).exists());
    }

    #[test]
    fn free_ports_are_free_and_differ() {
        let ports = free_ports::<64>();
        let different: std::collections::BTreeSet<u16> = ports.into_iter().collect();
        assert_eq!(different.len(), 64);
    }
}
