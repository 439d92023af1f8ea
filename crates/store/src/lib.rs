//! Keys to bytes: the places Borehole reads from.
//!
//! In: a place (a directory, a file, standard input). Out: its objects as [`Object`]s, and their stored bytes.
//! Always: reading only, and nothing outside the place's root is ever opened. Absent: any knowledge of what
//! the bytes mean, and any retry of what a local disk refuses.

mod local;
mod stdin;

pub use local::LocalStore;
pub use stdin::StdinStore;

use std::fmt;

/// One object as the listing saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The key below the store's root, `/`-separated. Bytes: names need not be UTF-8.
    pub key: Box<[u8]>,
    /// Stored size in bytes; `None` where only reading tells (standard input).
    pub size: Option<u64>,
    /// Changes when the object changes; compared before and after reading.
    pub version: Version,
    /// The same for two names of one object (hard links, overlapping roots); `None` where unknown.
    pub identity: Option<(u64, u64)>,
}

/// What tells two states of an object apart: for local files the time of the last change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Version {
    /// Whole seconds since the epoch.
    pub seconds: i64,
    /// Nanoseconds within the second.
    pub nanos: u64,
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
    /// No permission.
    Permission,
    /// The disk or the file system failed.
    Io,
    /// Size or time of change differ from the listing, or changed while reading.
    Changed,
    /// Listed, but no longer there.
    Vanished,
    /// The name leads out of the root, through a link or `..`.
    Path,
    /// A directory, FIFO, socket or device.
    NotRegularFile,
    /// Nested deeper than the walk goes, or a loop.
    TooDeep,
}

impl ReadFailure {
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
        }
    }
}

/// A place that cannot be read at all: there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {operation} failed: {cause}")]
pub struct Error {
    /// The place, with control characters escaped.
    pub place: String,
    /// `open`, `list`.
    pub operation: &'static str,
    /// The operating system's word for it; never any content.
    pub cause: String,
}

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
    /// Only where the place itself cannot be listed. What fails below it is a [`Listed::Failed`].
    fn list(
        &self,
        prefix: &[u8],
        enter: &mut dyn FnMut(&[u8]) -> bool,
        found: &mut dyn FnMut(Listed),
    ) -> Result<(), Error>;

    /// Hands the stored bytes of `object` to `take`, in order, in chunks of a size that the store chooses.
    /// `take` says whether to go on. Returns the number of bytes handed over.
    ///
    /// # Errors
    /// Where the object cannot be read to its end, or is not the one that was listed.
    fn read(&self, object: &Object, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<u64, ReadFailure>;

    /// Looks one key up; `None` where there is no such object.
    ///
    /// # Errors
    /// Where the key leads out of the root, or is not a regular file, or may not be read.
    fn head(&self, key: &[u8]) -> Result<Option<Object>, ReadFailure>;
}

/// Shows a key: printable ASCII as it is, every other byte as `\xNN`.
pub struct EscapedKey<'a>(pub &'a [u8]);

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
