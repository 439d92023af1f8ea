//! moto: an S3 server with archives, and with nothing else that is real.
//!
//! In: nothing. Out: a running server of our own on loopback. Always: it is empty at the start, and again after
//! [`Moto::reset`]. Absent: signatures and permissions (it believes everybody).
//!
//! What it does about archives (version 5.2.1; found by trying, and in its source):
//! - A listing names `GLACIER` and `DEEP_ARCHIVE`, and never has a `RestoreStatus`, asked for or not.
//! - GET of such an object is 403 `InvalidObjectState` until it is restored; HEAD is 200 with
//!   `x-amz-storage-class`, and `x-amz-restore` once a restore was asked for. `GLACIER_IR` and
//!   `INTELLIGENT_TIERING` are read like others: there are no archive tiers in the latter.
//! - `RestoreObject` is 202 for the first time and 200 for every further time, also while the first is under way:
//!   409 `RestoreAlreadyInProgress` never comes ([`crate::Fault::Refusal`] can say it). Of an object that is not
//!   archived it is 403 `InvalidObjectState`. The tier is not looked at: Expedited is taken for `DEEP_ARCHIVE`.
//! - A restore has three states: asked for, in progress, done. It goes from one to the next when the object was
//!   looked at as often as [`Moto::restores_take`] says; every HEAD, GET and `RestoreObject` is a look, also those
//!   from before. While it is only asked for, `x-amz-restore` says already that it is done, though GET refuses:
//!   [`Moto::archive`] has the object looked at often enough for that state to be over at once.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::bucket::{Bucket, Extras, client, wait_for};
use crate::child::{self, own_cache, without_aws};
use crate::install::{MOTO, install};
use crate::leash::{Leash, free_ports};
use crate::seaweedfs::environment;
use crate::skip::{Skip, or_skip};

/// Starting takes a second on an idle machine; this is for one that builds at the same time.
const START_TIME_MAX: Duration = Duration::from_secs(90);

/// Starts, until the port is not taken by somebody who was faster.
const STARTS_MAX: u32 = 5;

/// How often an object is looked at before a restore goes on, unless a test says otherwise.
const LOOKS: u32 = 3;

/// A running moto server, for Glacier.
pub struct Moto {
    leash: Leash,
    port: u16,
}

impl Moto {
    /// Starts a server.
    ///
    /// # Errors
    /// Where it cannot be installed or started.
    ///
    /// # Panics
    /// As that error, where `CI` is set.
    pub fn start() -> Result<Self, Skip> {
        Self::try_start().map_err(|reason| Skip::new("moto", reason))
    }

    /// As [`Moto::start`]; where it cannot be had, stderr says so and the test ends.
    #[must_use]
    pub fn start_or_skip() -> Option<Self> {
        or_skip(Self::start())
    }

    /// Runs the body of a test in a child process, with a server of its own there, whose SDK finds some keys, and
    /// nothing of the user's own AWS configuration. `body` has to be a closure written in the test's own function,
    /// and all that the test does.
    pub fn with<F: FnOnce(&Moto)>(body: F) {
        if child::message().is_none() {
            // Which server is asked, the test has to say: it does not run yet.
            let mut variables = environment("moto", "moto", "");
            variables.retain(|(name, _)| *name != "AWS_ENDPOINT_URL");
            return child::run::<F>("moto", &variables);
        }
        if let Some(server) = Self::start_or_skip() {
            body(&server);
        }
    }

    fn try_start() -> Result<Self, String> {
        let installed = install(&MOTO)?;
        let (python, variables) = installed.python();
        let mut words = String::new();
        for _ in 0..STARTS_MAX {
            match Self::start_once(&python, &variables) {
                Ok(started) => return Ok(started),
                Err(why) => words = why,
            }
        }
        Err(format!("it does not start: {words}"))
    }

    fn start_once(python: &std::path::Path, variables: &[(&'static str, String)]) -> Result<Self, String> {
        let directory = tempfile::Builder::new().prefix("borehole-moto-").tempdir();
        let directory = directory.map_err(|cause| cause.to_string())?;
        let [port] = free_ports::<1>();
        let arguments = ["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned);
        let mut leash = Leash::start(directory, Vec::new(), python, &arguments, variables)?;
        let start = Instant::now();
        while ask(port, "POST", "/moto-api/reset", "").is_err() {
            if !leash.is_alive() {
                return Err(format!("it has ended\n{}", leash.last_words()));
            }
            if start.elapsed() > START_TIME_MAX {
                return Err(format!("not ready after {START_TIME_MAX:?}\n{}", leash.last_words()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // Whoever was faster with the port would have answered, too.
        if !leash.is_alive() {
            return Err(format!("it has ended\n{}", leash.last_words()));
        }
        let moto = Moto { leash, port };
        moto.restores_take(LOOKS);
        Ok(moto)
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Variables for a process that reads and restores: endpoint, Region, some keys; and nothing of the user's own
    /// AWS configuration.
    #[must_use]
    pub fn environment(&self, endpoint: &str) -> Vec<(&'static str, String)> {
        environment("moto", "moto", endpoint)
    }

    /// Lets a command use this server, with nothing of the user's own AWS configuration, and a cache directory of its
    /// own that is removed with the server.
    pub fn equip<'a>(&self, command: &'a mut Command, endpoint: &str) -> &'a mut Command {
        command.env("XDG_CACHE_HOME", own_cache(self.leash.directory()));
        without_aws(command).envs(self.environment(endpoint))
    }

    /// Makes a bucket.
    ///
    /// # Panics
    /// Where there is one of that name, or the server refuses the name (it has 3 letters at least).
    pub fn bucket(&self, name: &str) -> Bucket {
        Bucket::make(client(&self.endpoint(), "moto", "moto"), name).unwrap_or_else(|cause| panic!("{cause}"))
    }

    /// Stores an object in an archive (`GLACIER`, `DEEP_ARCHIVE`), so that a restore of it is in progress as soon as
    /// it was asked for, and done after as many looks as [`Moto::restores_take`] says.
    pub fn archive(&self, bucket: &Bucket, key: &str, bytes: &[u8], storage_class: &'static str) {
        bucket.put_with(key, bytes, Extras { storage_class: Some(storage_class), ..Extras::default() });
        for _ in 0..LOOKS {
            let look = bucket.client().head_object().bucket(&bucket.name).key(key).send();
            if let Err(cause) = wait_for(look) {
                panic!("{key}: {}", aws_sdk_s3::error::DisplayErrorContext(cause));
            }
        }
    }

    /// Says after how many looks at an object, 1 to 3, a restore goes to its next state.
    ///
    /// # Panics
    /// Where the server does not answer.
    pub fn restores_take(&self, looks: u32) {
        assert!((1..=LOOKS).contains(&looks), "an archived object was looked at {LOOKS} times");
        // It counts its own look-ups, of which every request makes two: for permission, and for itself.
        let times = 2 * looks;
        let transition = format!(
            r#"{{"model_name": "s3::keyrestore", "transition": {{"progression": "manual", "times": {times}}}}}"#
        );
        let answer = ask(self.port, "POST", "/moto-api/state-manager/set-transition", &transition);
        answer.unwrap_or_else(|cause| panic!("moto: {cause}"));
    }

    /// Empties the server.
    ///
    /// # Panics
    /// Where the server does not answer.
    pub fn reset(&self) {
        ask(self.port, "POST", "/moto-api/reset", "").unwrap_or_else(|cause| panic!("moto: {cause}"));
        self.restores_take(LOOKS);
    }
}

/// One request to moto's own interface; an answer other than 2xx is an error.
fn ask(port: u16, method: &str, path: &str, body: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let line =
        String::from_utf8_lossy(answer.split(|&byte| byte == b'\r').next().unwrap_or_default()).into_owned();
    match line.split(' ').nth(1) {
        Some(status) if status.starts_with('2') => Ok(()),
        _ => Err(std::io::Error::other(line)),
    }
}
