//! Keys to bytes: the places Borehole reads from.
//!
//! In: a place (a directory, a file, standard input, an S3 bucket). Out: its objects as [`Object`]s, and their
//! stored bytes. Always: reading only ([`s3::restore`] stands apart), and nothing outside the place's root is
//! ever opened. Its face is synchronous: what waits for a network waits inside of `s3`. Absent: any knowledge
//! of what the bytes mean, and any retry of what a local disk refuses.

mod local;
pub mod s3;
mod stdin;

pub use local::LocalStore;
pub use s3::S3Store;
pub use stdin::StdinStore;

use std::fmt;
use std::sync::Arc;

/// One object as the listing saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The key below the store's root, `/`-separated; on S3 the whole key. Bytes: names need not be UTF-8.
    pub key: Box<[u8]>,
    /// Stored size in bytes; `None` where only reading tells (standard input, a payload that was not listed).
    pub size: Option<u64>,
    /// Changes when the object changes; compared before and after reading.
    pub version: Version,
    /// The same for two names of one object (hard links, overlapping roots); `None` where unknown.
    pub identity: Option<(u64, u64)>,
    /// Where S3 keeps it; [`StorageClass::Standard`] for everything local.
    pub class: StorageClass,
    /// Whether a copy of an archived object is there to be read.
    pub restore: Restore,
}

impl Object {
    /// An object of which nothing but its key is known: reading takes it as it is.
    #[must_use]
    pub fn unlisted(key: &[u8]) -> Self {
        Object {
            key: key.into(),
            size: None,
            version: Version::Unknown,
            identity: None,
            class: StorageClass::Standard,
            restore: Restore::None,
        }
    }

    /// Whether only a restore makes it readable, as far as the listing tells. Intelligent-Tiering's archive
    /// tiers do not show there: those objects fail with [`ReadFailure::Archived`] when they are read.
    #[must_use]
    pub fn is_archived(&self) -> bool {
        matches!(self.class, StorageClass::Glacier | StorageClass::DeepArchive)
            && self.restore != Restore::Restored
    }
}

/// What tells two states of an object apart.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Version {
    /// Nothing is known of it.
    #[default]
    Unknown,
    /// A local file's time of the last change.
    Modified {
        /// Whole seconds since the epoch.
        seconds: i64,
        /// Nanoseconds within the second.
        nanos: u64,
    },
    /// An ETag that is 32 lower-case hexadecimal digits.
    Digest([u8; 16]),
    /// Any other ETag, with its quotes.
    Etag(Box<str>),
}

/// S3's storage classes, as far as they differ in how an object is read or paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum StorageClass {
    /// `STANDARD`, and everything that is not on S3.
    #[default]
    Standard,
    /// `STANDARD_IA`.
    StandardIa,
    /// `ONEZONE_IA`.
    OneZoneIa,
    /// `INTELLIGENT_TIERING`.
    IntelligentTiering,
    /// `GLACIER_IR`: read at once.
    GlacierInstantRetrieval,
    /// `GLACIER`: Flexible Retrieval, must be restored.
    Glacier,
    /// `DEEP_ARCHIVE`: must be restored.
    DeepArchive,
    /// `REDUCED_REDUNDANCY`.
    ReducedRedundancy,
    /// `EXPRESS_ONEZONE`.
    ExpressOneZone,
    /// A name this version does not know.
    Other,
}

impl StorageClass {
    /// S3's own spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            StorageClass::Standard => "STANDARD",
            StorageClass::StandardIa => "STANDARD_IA",
            StorageClass::OneZoneIa => "ONEZONE_IA",
            StorageClass::IntelligentTiering => "INTELLIGENT_TIERING",
            StorageClass::GlacierInstantRetrieval => "GLACIER_IR",
            StorageClass::Glacier => "GLACIER",
            StorageClass::DeepArchive => "DEEP_ARCHIVE",
            StorageClass::ReducedRedundancy => "REDUCED_REDUNDANCY",
            StorageClass::ExpressOneZone => "EXPRESS_ONEZONE",
            StorageClass::Other => "OTHER",
        }
    }

    /// From S3's spelling; an empty or absent one is `STANDARD`.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        match name {
            "" | "STANDARD" => StorageClass::Standard,
            "STANDARD_IA" => StorageClass::StandardIa,
            "ONEZONE_IA" => StorageClass::OneZoneIa,
            "INTELLIGENT_TIERING" => StorageClass::IntelligentTiering,
            "GLACIER_IR" => StorageClass::GlacierInstantRetrieval,
            "GLACIER" => StorageClass::Glacier,
            "DEEP_ARCHIVE" => StorageClass::DeepArchive,
            "REDUCED_REDUNDANCY" => StorageClass::ReducedRedundancy,
            "EXPRESS_ONEZONE" => StorageClass::ExpressOneZone,
            _ => StorageClass::Other,
        }
    }
}

/// The state of a restore of an archived object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Restore {
    /// None was asked, or the listing did not tell.
    #[default]
    None,
    /// Asked for, not done.
    InProgress,
    /// A copy is there.
    Restored,
}

/// What a listing finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// An object that can be read.
    Object(Object),
    /// Something that is no object, by design.
    Skipped {
        /// Its key.
        key: Box<[u8]>,
        /// A word of the report: `not_regular_file`.
        reason: &'static str,
    },
    /// Something that could not be looked at: whatever lies in it is missing from the listing.
    Failed {
        /// Its key.
        key: Box<[u8]>,
        /// Why.
        reason: ReadFailure,
    },
}

/// Why one object could not be read; each is a word of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReadFailure {
    /// No permission: the file system's word.
    Permission,
    /// The disk or the file system failed.
    Io,
    /// Size, ETag or time of change differ from the listing, or changed while reading.
    Changed,
    /// Listed, but no longer there.
    Vanished,
    /// The name leads out of the root, through a link or `..`.
    Path,
    /// A directory, FIFO, socket or device.
    NotRegularFile,
    /// Nested deeper than the walk goes, or a loop.
    TooDeep,
    /// S3: it lies in an archive tier and no restored copy is there.
    Archived,
    /// S3: 403 for this object (or, of a folder, for its listing).
    AccessDenied,
    /// S3: without permission to list, a missing key looks like a forbidden one.
    AbsentOrDenied,
    /// S3: its KMS key is disabled, gone, or not ours to use.
    Kms,
    /// S3: encrypted with a key that the operator holds (SSE-C).
    SseC,
    /// S3: the bucket's reader pays, and that was not agreed to.
    RequesterPays,
    /// S3: still throttled when the budget of attempts was spent.
    Throttled,
    /// S3: still failing on the server's side when the budget was spent.
    ServerError,
    /// S3: the connection kept failing, or stood still, until the budget was spent.
    Connection,
    /// S3: the body ended before its length, twice.
    ShortBody,
    /// S3: the body is longer than listed.
    LengthMismatch,
    /// S3: the server does not answer ranges as it should, twice.
    RangeUnsupported,
    /// S3: the bytes do not match the object's checksum, twice.
    Checksum,
    /// S3: another refusal, with a code that is not in the list of known ones.
    Refused,
    /// The run stopped: see [`Store::stopped`].
    Stopped,
}

impl ReadFailure {
    /// All of them.
    pub const ALL: [ReadFailure; 22] = [
        ReadFailure::Permission,
        ReadFailure::Io,
        ReadFailure::Changed,
        ReadFailure::Vanished,
        ReadFailure::Path,
        ReadFailure::NotRegularFile,
        ReadFailure::TooDeep,
        ReadFailure::Archived,
        ReadFailure::AccessDenied,
        ReadFailure::AbsentOrDenied,
        ReadFailure::Kms,
        ReadFailure::SseC,
        ReadFailure::RequesterPays,
        ReadFailure::Throttled,
        ReadFailure::ServerError,
        ReadFailure::Connection,
        ReadFailure::ShortBody,
        ReadFailure::LengthMismatch,
        ReadFailure::RangeUnsupported,
        ReadFailure::Checksum,
        ReadFailure::Refused,
        ReadFailure::Stopped,
    ];

    /// The word in the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ReadFailure::Permission => "permission",
            ReadFailure::Io => "io",
            ReadFailure::Changed => "changed",
            ReadFailure::Vanished => "vanished",
            ReadFailure::Path => "path",
            ReadFailure::NotRegularFile => "not_regular_file",
            ReadFailure::TooDeep => "too_deep",
            ReadFailure::Archived => "archived",
            ReadFailure::AccessDenied => "access_denied",
            ReadFailure::AbsentOrDenied => "absent_or_denied",
            ReadFailure::Kms => "kms",
            ReadFailure::SseC => "sse_c",
            ReadFailure::RequesterPays => "requester_pays",
            ReadFailure::Throttled => "throttled",
            ReadFailure::ServerError => "server_error",
            ReadFailure::Connection => "connection",
            ReadFailure::ShortBody => "short_body",
            ReadFailure::LengthMismatch => "length_mismatch",
            ReadFailure::RangeUnsupported => "range_unsupported",
            ReadFailure::Checksum => "checksum",
            ReadFailure::Refused => "refused",
            ReadFailure::Stopped => "stopped",
        }
    }
}

/// What a completed reading says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Receipt {
    /// Bytes handed over.
    pub bytes: u64,
    /// The object was another one than listed: it was looked up anew, and this is what is there now.
    pub revised: bool,
}

/// A place that cannot be read at all: there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{place}: {operation} failed{}: {cause}", Attempts(*.attempts))]
pub struct Error {
    /// The place, with control characters escaped.
    pub place: String,
    /// `open`, `list`, `get`.
    pub operation: &'static str,
    /// How often it was tried; 0 and 1 are not told.
    pub attempts: u32,
    /// The operating system's word for it, or one of our own; never any content, never a server's text.
    pub cause: String,
    /// What to do next.
    pub hint: Option<&'static str>,
}

impl Error {
    /// Somebody asked for the end of it.
    #[must_use]
    pub fn stopped(place: String, operation: &'static str) -> Self {
        Error { place, operation, attempts: 1, cause: "stopped".to_owned(), hint: None }
    }
}

struct Attempts(u32);

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 1 { write!(f, " after {} attempts", self.0) } else { Ok(()) }
    }
}

/// An object whose bytes are on their way: the first of them, or all, are here.
pub trait Body: Send {
    /// Hands the stored bytes to `take`, in order; `take` says whether to go on. Waits for what is not here yet.
    ///
    /// # Errors
    /// As [`Store::read`].
    fn read(self: Box<Self>, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<Receipt, ReadFailure>;
}

/// Says whether somebody asked for the end of what is under way. Asked often, from any thread.
#[derive(Clone)]
pub struct Stop(Arc<dyn Fn() -> bool + Send + Sync>);

impl Stop {
    /// `is_asked` answers at once, and never again with no once it said yes.
    pub fn new(is_asked: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Stop(Arc::new(is_asked))
    }

    /// Whether to end.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stop").field(&self.is_asked()).finish()
    }
}

/// Called once, from any thread, when a body can be read; it must not wait for anything.
pub type Ready = Box<dyn FnOnce(Box<dyn Body>) + Send>;

/// A place with objects.
///
/// All methods may be called from several threads at once.
pub trait Store: Send + Sync {
    /// Lists every object below `prefix` (`""` for all), in no promised order.
    ///
    /// `enter` is asked before a folder is entered, with its key and no trailing `/`; where it says no, nothing
    /// below is looked at and nothing is reported.
    ///
    /// # Errors
    /// Only where the place itself cannot be listed, or on S3 where any page of it cannot: half a listing is
    /// worse than none. A folder without permission, and what fails below a local root, is a [`Listed::Failed`].
    fn list(
        &self,
        prefix: &[u8],
        enter: &mut dyn FnMut(&[u8]) -> bool,
        found: &mut dyn FnMut(Listed),
    ) -> Result<(), Error>;

    /// Lists every object below `folders` (each with its trailing `/`), without asking which folders to enter.
    ///
    /// # Errors
    /// As [`Store::list`].
    fn list_flat(&self, folders: &[Vec<u8>], found: &mut dyn FnMut(Listed)) -> Result<(), Error> {
        for folder in folders {
            self.list(folder, &mut |_| true, found)?;
        }
        Ok(())
    }

    /// Hands the stored bytes of `object` to `take`, in order, in chunks of a size that the store chooses.
    /// `take` says whether to go on.
    ///
    /// # Errors
    /// Where the object cannot be read to its end, or is not the one that was listed.
    fn read(&self, object: &Object, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<Receipt, ReadFailure>;

    /// Reads all stored bytes of `object` into `buffer`, which is emptied first. For objects that the listing says are
    /// small: nothing bounds the buffer but the object's size. One buffer for many objects costs no allocation.
    ///
    /// # Errors
    /// As [`Store::read`]; what is in the buffer is then of no use.
    fn read_whole(&self, object: &Object, buffer: &mut Vec<u8>) -> Result<Receipt, ReadFailure> {
        read_into(self, object, buffer)
    }

    /// Looks one key up; `None` where there is no such object.
    ///
    /// # Errors
    /// Where the key leads out of the root, or is not a regular file, or may not be read.
    fn head(&self, key: &[u8]) -> Result<Option<Object>, ReadFailure>;

    /// Whether reading waits for a network, so that many objects should be asked for at once with
    /// [`Store::fetch`].
    fn is_remote(&self) -> bool {
        false
    }

    /// Begins to fetch an object, and calls `ready` when its reading will not have to wait for the first bytes
    /// (failures included: the body then says so). The store bounds how many are under way and how many bytes
    /// they hold, in the order of the calls.
    ///
    /// A store that is not remote gives `ready` back: it is read as it is.
    ///
    /// # Errors
    /// `ready`, unused, where [`Store::is_remote`] is false.
    fn fetch(&self, _object: &Object, ready: Ready) -> Result<(), Ready> {
        Err(ready)
    }

    /// Why the run must stop, once that is so: credentials that expired for good, an account that is closed, a
    /// [`Stop`]. Every reading fails from then on.
    fn stopped(&self) -> Option<Error> {
        None
    }

    /// The same place for one run that somebody may end: soon after `stop` says so its listings and readings fail,
    /// those that wait for a network included, and [`Store::stopped`] is an error. What stops it does not stop the
    /// place itself. `None` where that cannot be.
    fn stopping(&self, _stop: &Stop) -> Option<Arc<dyn Store>> {
        None
    }
}

/// Reads all of an object into a buffer, chunk by chunk.
fn read_into<S: Store + ?Sized>(
    store: &S,
    object: &Object,
    buffer: &mut Vec<u8>,
) -> Result<Receipt, ReadFailure> {
    buffer.clear();
    store.read(object, &mut |chunk| {
        buffer.extend_from_slice(chunk);
        true
    })
}

/// Shows a key: printable ASCII as it is, every other byte as `\xNN`.
pub struct EscapedKey<'a>(pub &'a [u8]);

impl EscapedKey<'_> {
    /// The key that an escaped text stands for; `None` where it is none.
    #[must_use]
    pub fn unescape(text: &str) -> Option<Vec<u8>> {
        let mut key = Vec::with_capacity(text.len());
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            key.push(match byte {
                b'\\' => match bytes.next()? {
                    b'\\' => b'\\',
                    b'x' => {
                        let digit = |byte: u8| char::from(byte).to_digit(16);
                        let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
                        (high * 16 + low) as u8
                    }
                    _ => return None,
                },
                byte => byte,
            });
        }
        Some(key)
    }
}

impl fmt::Display for EscapedKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0 {
            match byte {
                b'\\' => f.write_str("\\\\")?,
                0x20..=0x7e => write!(f, "{}", char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}
