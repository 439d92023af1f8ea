//! SeaweedFS: a real S3 server with real signatures, permissions and listings.
//!
//! In: nothing. Out: a running server of our own on loopback, and identities that may do different things in it.
//! Always: it is empty at the start and gone at the end. Absent: archives (it keeps a storage class as a word and
//! reads the object all the same; that is what [`crate::Moto`] is for).
//!
//! Where it differs from S3 (version 4.48): listings go folder by folder, so that `a/b` comes before `a b` though
//! its bytes are greater; a part of a key between two `/` has at most 255 bytes; `//` is stored as `/`, and `\` too;
//! `/../` is refused; an object whose key ends in `/` is a folder and has no bytes; HEAD of a bucket does not tell
//! its Region; there is no `RestoreStatus` in listings.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::bucket::{Bucket, REGION, client, wait_for};
use crate::child::{self, own_cache, without_aws};
use crate::install::{SEAWEEDFS, install};
use crate::leash::{Leash, free_ports};
use crate::skip::{Skip, or_skip};

/// Starting takes three seconds on an idle machine; this is for one that builds at the same time.
const START_TIME_MAX: Duration = Duration::from_secs(90);

/// Starts, until none of the ports is taken by somebody who was faster.
const STARTS_MAX: u32 = 5;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// May do everything.
    Admin,
    /// May list and read every bucket, and write nothing.
    Reader,
    /// May list and read the bucket [`Identity::LIMITED_BUCKET`] and nothing else.
    Limited,
    /// A reader with a secret that is not its own.
    WrongSecret,
    /// Nobody the server knows.
    Unknown,
}

impl Identity {
    /// The one bucket that [`Identity::Limited`] may read.
    pub const LIMITED_BUCKET: &'static str = "limited";

    const KNOWN: [(Identity, &'static str); 3] = [
        (Identity::Admin, r#""Admin", "Read", "Write", "List", "Tagging""#),
        (Identity::Reader, r#""Read", "List""#),
        (Identity::Limited, r#""Read:limited", "List:limited""#),
    ];

    /// The access key, which is the name of a profile in [`SeaweedFs::credentials_file`] too.
    #[must_use]
    pub fn access_key(self) -> &'static str {
        match self {
            Identity::Admin => "admin",
            Identity::Reader | Identity::WrongSecret => "reader",
            Identity::Limited => "limited",
            Identity::Unknown => "unknown",
        }
    }

    /// Its name as a profile in [`SeaweedFs::credentials_file`].
    #[must_use]
    pub fn profile(self) -> &'static str {
        if self == Identity::WrongSecret { "wrong-secret" } else { self.access_key() }
    }
}

/// A running SeaweedFS.
pub struct SeaweedFs {
    port: u16,
    /// Random, so that a test cannot talk to another test's server and not notice.
    secret: String,
    /// Configuration files that say nothing but what is needed here; in the server's own directory.
    configuration: PathBuf,
    buckets: AtomicU64,
    /// None where another process holds it: see [`SeaweedFs::with`].
    _leash: Option<Leash>,
}

impl SeaweedFs {
    /// Starts a server with the identities of [`Identity`].
    ///
    /// # Errors
    /// Where it cannot be installed or started.
    ///
    /// # Panics
    /// As that error, where `CI` is set.
    pub fn start() -> Result<Self, Skip> {
        Self::try_start().map_err(|reason| Skip::new("SeaweedFS", reason))
    }

    /// As [`SeaweedFs::start`]; where it cannot be had, stderr says so and the test ends.
    #[must_use]
    pub fn start_or_skip() -> Option<Self> {
        or_skip(Self::start())
    }

    /// The one server of this test binary, started by whoever asks first. Tests keep apart by a bucket each:
    /// [`SeaweedFs::own_bucket`].
    #[must_use]
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Result<SeaweedFs, String>> = OnceLock::new();
        let shared = SHARED.get_or_init(Self::try_start);
        or_skip(shared.as_ref().map_err(|reason| Skip::new("SeaweedFS", reason.clone())))
    }

    /// Runs the body of a test in a child process whose SDK finds a profile for every identity
    /// ([`Identity::profile`]), and nothing of the user's own AWS configuration. The server is [`SeaweedFs::shared`]
    /// by all tests of this binary. `body` has to be a closure written in the test's own function, and all that the
    /// test does.
    pub fn with<F: FnOnce(&SeaweedFs)>(body: F) {
        if let Some(message) = child::message() {
            return body(&Self::attached(&message));
        }
        let Some(server) = Self::shared() else { return };
        let message = format!("{} {} {}", server.port, server.secret, server.configuration.display());
        // No keys: those of the environment would come before a profile's.
        let mut variables = server.environment(Identity::Reader, &server.endpoint());
        variables.retain(|(name, _)| !name.contains("KEY"));
        child::run::<F>(&message, &variables);
    }

    /// The server that the parent holds.
    fn attached(message: &str) -> Self {
        let mut words = message.splitn(3, ' ');
        let mut word = || words.next().expect("three words").to_owned();
        let port = word().parse().expect("a port");
        let (secret, configuration) = (word(), word().into());
        SeaweedFs { port, secret, configuration, buckets: AtomicU64::new(0), _leash: None }
    }

    fn try_start() -> Result<Self, String> {
        let installed = install(&SEAWEEDFS)?;
        let mut words = String::new();
        for _ in 0..STARTS_MAX {
            match Self::start_once(&installed.program("weed")) {
                Ok(started) => return Ok(started),
                Err(why) => words = why,
            }
        }
        Err(format!("it does not start: {words}"))
    }

    fn start_once(program: &Path) -> Result<Self, String> {
        let directory = tempfile::Builder::new().prefix("borehole-seaweedfs-").tempdir();
        let directory = directory.map_err(|cause| cause.to_string())?;
        let place = directory.path().display().to_string();
        let [master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc] = free_ports::<8>();
        let secret = format!("{:032x}", u128::from(random()) << 64 | u128::from(random()));
        fs::write(directory.path().join("s3.json"), identities(&secret))
            .map_err(|cause| cause.to_string())?;
        let configuration = configuration(directory.path(), &secret).map_err(|cause| cause.to_string())?;
        let ports = [
            ("master.port", master),
            ("master.port.grpc", master_grpc),
            ("volume.port", volume),
            ("volume.port.grpc", volume_grpc),
            ("filer.port", filer),
            ("filer.port.grpc", filer_grpc),
            ("s3.port", s3),
            ("s3.port.grpc", s3_grpc),
            ("s3.port.iceberg", 0),
            ("s3.port.lance", 0),
        ];
        let mut arguments: Vec<String> = vec!["server".to_owned(), "-filer".to_owned(), "-s3".to_owned()];
        arguments.extend(ports.iter().map(|(name, port)| format!("-{name}={port}")));
        arguments.extend([
            format!("-dir={place}"),
            format!("-s3.config={place}/s3.json"),
            // Sockets lie in /tmp otherwise, and stay there.
            format!("-filer.localSocket={place}/filer.sock"),
            format!("-s3.localSocket={place}/s3.sock"),
            "-ip=127.0.0.1".to_owned(),
            "-ip.bind=127.0.0.1".to_owned(),
            // It reports to its makers otherwise; tests talk to this machine only.
            "-master.telemetry=false".to_owned(),
            "-master.volumeSizeLimitMB=1024".to_owned(),
            // Every bucket has volumes of its own, and a test binary has a bucket for every test.
            "-volume.max=500".to_owned(),
            // A disk that is nearly full makes every volume read-only otherwise.
            "-volume.minFreeSpace=100MiB".to_owned(),
        ]);
        // Else a new bucket begins with seven volumes, and the first write to it takes that long.
        let variables = [("WEED_MASTER_VOLUME_GROWTH_COPY_1", "1".to_owned())];
        // Sockets that no option moves.
        let sockets =
            [("master", master_grpc), ("volume", volume_grpc), ("filer", filer_grpc), ("s3", s3_grpc)]
                .map(|(name, port)| format!("/tmp/seaweedfs-{name}-grpc-{port}.sock"));
        let mut leash = Leash::start(directory, sockets.into(), program, &arguments, &variables)?;
        let endpoint = format!("http://127.0.0.1:{s3}");
        wait_until_it_stores(&endpoint, &secret, &mut leash)?;
        Ok(SeaweedFs { port: s3, secret, configuration, buckets: AtomicU64::new(0), _leash: Some(leash) })
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A profile for every identity, in the format of `~/.aws/credentials`.
    #[must_use]
    pub fn credentials_file(&self) -> PathBuf {
        self.configuration.join("credentials")
    }

    /// Variables for a process that reads: endpoint, Region, the read-only identity; and nothing of the user's own
    /// AWS configuration.
    #[must_use]
    pub fn reader_environment(&self) -> Vec<(&'static str, String)> {
        self.environment(Identity::Reader, &self.endpoint())
    }

    /// As [`SeaweedFs::reader_environment`], for another identity, or through a proxy.
    #[must_use]
    pub fn environment(&self, identity: Identity, endpoint: &str) -> Vec<(&'static str, String)> {
        let mut variables = environment(identity.access_key(), &self.secret_of(identity), endpoint);
        variables.push(("AWS_SHARED_CREDENTIALS_FILE", self.credentials_file().display().to_string()));
        variables.push(("AWS_CONFIG_FILE", self.configuration.join("config").display().to_string()));
        variables
    }

    /// Lets a command run as an identity, with nothing of the user's own AWS configuration, and a cache directory of
    /// its own that is removed with the server.
    pub fn equip<'a>(&self, command: &'a mut Command, identity: Identity, endpoint: &str) -> &'a mut Command {
        command.env("XDG_CACHE_HOME", own_cache(&self.configuration));
        without_aws(command).envs(self.environment(identity, endpoint))
    }

    /// The access key and the secret key of an identity.
    #[must_use]
    pub fn keys(&self, identity: Identity) -> (&'static str, String) {
        (identity.access_key(), self.secret_of(identity))
    }

    fn secret_of(&self, identity: Identity) -> String {
        secret_of(identity, &self.secret)
    }

    /// Makes a bucket.
    ///
    /// # Panics
    /// Where there is one of that name, or the server refuses the name.
    pub fn bucket(&self, name: &str) -> Bucket {
        let (access_key, secret_key) = self.keys(Identity::Admin);
        let client = client(&self.endpoint(), access_key, &secret_key);
        Bucket::make(client, name).unwrap_or_else(|cause| panic!("{cause}"))
    }

    /// Makes a bucket that no other test has, its name made of `stem` and two numbers.
    pub fn own_bucket(&self, stem: &str) -> Bucket {
        let number = self.buckets.fetch_add(1, Ordering::Relaxed) + 1;
        self.bucket(&format!("{stem}-{}-{number}", std::process::id()))
    }
}

/// Variables of the SDK's chain for fixed keys.
pub(crate) fn environment(access_key: &str, secret_key: &str, endpoint: &str) -> Vec<(&'static str, String)> {
    [
        ("AWS_ACCESS_KEY_ID", access_key),
        ("AWS_SECRET_ACCESS_KEY", secret_key),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", REGION),
        // Else a chain that finds nothing asks an address that is not there, and waits for it.
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

fn secret_of(identity: Identity, secret: &str) -> String {
    match identity {
        Identity::Admin => format!("admin-{secret}"),
        Identity::Reader => format!("reader-{secret}"),
        Identity::Limited => format!("limited-{secret}"),
        Identity::WrongSecret | Identity::Unknown => "not-the-secret".to_owned(),
    }
}

/// Who may do what, in SeaweedFS's words.
fn identities(secret: &str) -> String {
    let identities = Identity::KNOWN.map(|(identity, actions)| {
        format!(
            r#"{{"name": "{key}", "credentials": [{{"accessKey": "{key}", "secretKey": "{secret}"}}], "actions": [{actions}]}}"#,
            key = identity.access_key(),
            secret = secret_of(identity, secret),
        )
    });
    format!(r#"{{"identities": [{}]}}"#, identities.join(", "))
}

/// Files as the AWS CLI has them: keys by profile, and an empty configuration.
fn configuration(parent: &Path, secret: &str) -> std::io::Result<PathBuf> {
    let directory = parent.join("aws");
    fs::create_dir(&directory)?;
    let mut credentials = String::new();
    let all =
        [Identity::Admin, Identity::Reader, Identity::Limited, Identity::WrongSecret, Identity::Unknown];
    for identity in all {
        let (profile, key) = (identity.profile(), identity.access_key());
        let secret = secret_of(identity, secret);
        let _ = writeln!(
            credentials,
            "[{profile}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
        );
    }
    fs::write(directory.join("credentials"), credentials)?;
    fs::write(directory.join("config"), "")?;
    Ok(directory)
}

/// It answers before it can store anything: what is waited for is a stored object, in the bucket that every server
/// here has. It stays empty: the probe is deleted.
fn wait_until_it_stores(endpoint: &str, secret: &str, leash: &mut Leash) -> Result<(), String> {
    let start = Instant::now();
    let address = endpoint.trim_start_matches("http://");
    let mut why = "no connection".to_owned();
    let mut bucket = None;
    loop {
        if !leash.is_alive() {
            return Err(format!("it has ended\n{}", leash.last_words()));
        }
        if start.elapsed() > START_TIME_MAX {
            return Err(format!("not ready after {START_TIME_MAX:?}: {why}\n{}", leash.last_words()));
        }
        if std::net::TcpStream::connect(address).is_ok() {
            let client = client(endpoint, Identity::Admin.access_key(), &secret_of(Identity::Admin, secret));
            match bucket.take().map_or_else(|| Bucket::make(client, Identity::LIMITED_BUCKET), Ok) {
                Err(cause) => why = cause,
                Ok(made) => {
                    let probe = made.client().put_object().bucket(&made.name).key("probe").send();
                    match wait_for(probe) {
                        Ok(_) => {
                            made.delete("probe");
                            return Ok(());
                        }
                        Err(cause) => why = aws_sdk_s3::error::DisplayErrorContext(cause).to_string(),
                    }
                    bucket = Some(made);
                }
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
