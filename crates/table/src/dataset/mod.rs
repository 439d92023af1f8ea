//! A directory (or one file) of closed hours that survives any crash.
//!
//! In: for each hour named byte sections, its state, and the Parquet files of its rows; sums of hours for one question,
//! which may be lost. Out: the same bytes, or [`Damaged`]. Always: what was complete stays readable whatever happens to
//! the process or the disk; an hour is found as it was before a write or as it was after, never in between; one writer
//! at a time, held by a lock of the kernel; nothing is written by whoever only reads. Absent: any knowledge of what
//! sections and rows mean, the clock, and retries.
//!
//! ```text
//! DIR/borehole-dataset.json                       what it belongs to
//! DIR/stream=NAME/date=2024-03-11/hour=07/invocations.parquet
//! DIR/_borehole/lock                              held while somebody writes
//! DIR/_borehole/hours/2024-03-11/07               the state of an hour; hours/none is what belongs to no hour
//! DIR/_borehole/answers/QUESTION/2024-03-11       sums of that day's hours for one question
//! DIR/_borehole/new/                              files that are still being written
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use borehole_record::UtcHour;

/// Raised whenever the same logs would give other states or other rows: hours written by another version are redone.
pub const ENGINE_VERSION: u32 = 1;

/// What a dataset belongs to: it is of use only to runs that read the same sources with the same options.
///
/// Both are compared as they stand, order included; versions are added by this module.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Identity {
    /// The sources, as the caller spells them.
    pub sources: Vec<String>,
    /// The options that change states or rows, by name.
    pub options: BTreeMap<String, String>,
}

/// Whose state it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Slot {
    /// What belongs to no hour. It has no rows.
    None,
    /// An hour, by the records' own time.
    Hour(UtcHour),
}

/// The Parquet file of one hour of one stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowsFile {
    /// Directory name after `stream=`.
    pub stream: String,
    /// Its length.
    pub bytes: u64,
    /// xxh3-128 of its bytes.
    pub hash: u128,
    /// How many rows the writer said it has.
    pub rows: u64,
}

/// The state of a slot, whole and checked.
#[derive(Clone, Debug)]
pub struct State {}

impl State {
    /// The bytes of a section; `None` if the writer gave none of that name.
    #[must_use]
    pub fn section(&self, _name: &str) -> Option<&[u8]> {
        todo!()
    }

    /// The files of the slot's rows, by stream.
    #[must_use]
    pub fn rows(&self) -> &[RowsFile] {
        todo!()
    }
}

/// Bytes on disk that are not what was written. Whoever meets it treats the thing as absent, and says so.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}: {what}", place.display())]
pub struct Damaged {
    /// Which file.
    pub place: PathBuf,
    /// What is wrong with it.
    pub what: String,
}

/// Why a dataset cannot be used, or not any more.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DatasetError {
    /// The operating system refused; nothing that was complete is lost.
    #[error("{}: {operation} failed: {cause}", place.display())]
    Io {
        /// Which file or directory.
        place: PathBuf,
        /// What was tried, as in `rename`.
        operation: &'static str,
        /// The operating system's word for it.
        cause: Arc<std::io::Error>,
    },
    /// Somebody else writes to it now.
    #[error("{}: in use by {}", place.display(), owner(*.process, *.is_elsewhere))]
    Locked {
        /// The dataset.
        place: PathBuf,
        /// Process id of who holds the lock, where the lock file tells.
        process: Option<u32>,
        /// Whether that process runs on another machine (or before a restart of this one).
        is_elsewhere: bool,
    },
    /// The file system has no locks.
    #[error("{}: this file system has no locks: {cause}", place.display())]
    NoLocks {
        /// The dataset.
        place: PathBuf,
        /// The operating system's word for it.
        cause: Arc<std::io::Error>,
    },
    /// It belongs to other sources or options.
    #[error("{}: belongs to other {what}: {found}, not {expected}", place.display())]
    Other {
        /// The dataset.
        place: PathBuf,
        /// `sources`, or which option.
        what: String,
        /// What its manifest says.
        found: String,
        /// What was asked for.
        expected: String,
    },
    /// It was written in another layout.
    #[error("{}: has the layout {found}, and this version reads {expected}", place.display())]
    Layout {
        /// The dataset.
        place: PathBuf,
        /// What it says of itself.
        found: String,
        /// What this module writes.
        expected: &'static str,
    },
    /// It is none, or cannot take what was asked.
    #[error("{}: {what}", place.display())]
    NotADataset {
        /// Where.
        place: PathBuf,
        /// Why not.
        what: &'static str,
    },
    /// What describes the dataset as a whole cannot be read back.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// Our own bug: the caller gave something that has no place in a dataset.
    #[error("internal error: {what}")]
    Internal {
        /// What it was.
        what: &'static str,
    },
}

/// Who holds a lock, in words.
fn owner(process: Option<u32>, is_elsewhere: bool) -> String {
    match (process, is_elsewhere) {
        (Some(process), false) => format!("process {process}"),
        (Some(process), true) => format!("process {process} of another machine"),
        (None, _) => "another process".to_owned(),
    }
}

impl DatasetError {
    /// What to do next, for people.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        todo!()
    }

    /// Whether the arguments are what is wrong (exit code 2), and not the machine (4).
    #[must_use]
    pub fn is_usage(&self) -> bool {
        todo!()
    }
}

/// What was written, when all of it is safe.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Written {
    /// Files: states and Parquet.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How bad something that [`Dataset::verify`] found is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// An hour is lost, or rows of it: it must be read again.
    Damage,
    /// Nothing is lost: something that may go, or that is made again when needed.
    Note,
}

/// What [`Dataset::verify`] found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Which file.
    pub place: PathBuf,
    /// What is wrong with it.
    pub what: String,
    /// How bad that is.
    pub severity: Severity,
}

/// What a dataset holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Info {
    /// Hours with a readable state.
    pub hours: u64,
    /// The first of them.
    pub first: Option<UtcHour>,
    /// The last of them.
    pub last: Option<UtcHour>,
    /// Rows that the states name.
    pub rows: u64,
    /// Bytes of Parquet that the states name.
    pub rows_bytes: u64,
    /// Bytes of the states.
    pub states_bytes: u64,
    /// Bytes of answers.
    pub answers_bytes: u64,
    /// Streams that the states name.
    pub streams: Vec<String>,
    /// Questions with answers.
    pub questions: u64,
    /// States that cannot be read.
    pub damaged: u64,
    /// States of another version of the engine.
    pub outdated: u64,
}

/// What [`Dataset::vacuum`] removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Removed {
    /// What it was.
    pub place: PathBuf,
    /// Bytes that are free now.
    pub bytes: u64,
    /// Why it could go.
    pub why: &'static str,
}

/// A dataset, open for reading, or for reading and writing.
#[derive(Debug)]
pub struct Dataset {}

impl Dataset {
    /// Opens a directory to read and write; makes it where there is none (mode 0700, files 0600).
    ///
    /// Takes the lock, completes or removes what a killed run left, and checks whose it is.
    ///
    /// # Errors
    /// Everything that [`DatasetError`] names.
    pub fn open(_directory: &Path, _identity: &Identity) -> Result<Dataset, DatasetError> {
        todo!()
    }

    /// The same without a lock, for file systems that have none: the caller answers for there being one writer.
    ///
    /// # Errors
    /// As [`Dataset::open`].
    pub fn open_without_lock(_directory: &Path, _identity: &Identity) -> Result<Dataset, DatasetError> {
        todo!()
    }

    /// Opens a dataset that is there, to read and write, whatever it belongs to.
    ///
    /// # Errors
    /// As [`Dataset::open`].
    pub fn open_existing(_directory: &Path) -> Result<Dataset, DatasetError> {
        todo!()
    }

    /// Opens a directory or a part file to read. No lock is needed and nothing is changed.
    ///
    /// # Errors
    /// Where it is no dataset, has another layout, or its manifest cannot be read.
    pub fn open_to_read(_path: &Path) -> Result<Dataset, DatasetError> {
        todo!()
    }

    /// Begins a part: the same content in one file, which appears whole with [`Dataset::finish`] or not at all.
    ///
    /// What is written can be read only after that, by [`Dataset::open_to_read`]; answers are not kept.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub fn create_part(_file: &Path, _identity: &Identity) -> Result<Dataset, DatasetError> {
        todo!()
    }

    /// Whether a path is a directory with a dataset.
    #[must_use]
    pub fn is_dataset(_path: &Path) -> bool {
        todo!()
    }

    /// Whether a path is a part file, of any layout.
    #[must_use]
    pub fn is_part(_path: &Path) -> bool {
        todo!()
    }

    /// What it belongs to.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        todo!()
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Path {
        todo!()
    }

    /// All states by slot: [`Slot::None`] always, hours where they lie in the half-open range.
    ///
    /// States of another version of the engine are left out of a dataset that was opened to write (they will be
    /// redone), and are damaged in one that was opened to read. What cannot be listed is damaged, never absent.
    #[must_use]
    pub fn states(&self, _range: Option<(UtcHour, UtcHour)>) -> Vec<(Slot, Result<State, Damaged>)> {
        todo!()
    }

    /// The bytes of a Parquet file, held against the length and checksum that its state names.
    ///
    /// # Errors
    /// Where they are others, or cannot be read.
    pub fn read_rows(&self, _slot: Slot, _file: &RowsFile) -> Result<Vec<u8>, Damaged> {
        todo!()
    }

    /// Whether the file is there with that length. Its bytes are not read.
    #[must_use]
    pub fn rows_are_there(&self, _slot: Slot, _file: &RowsFile) -> bool {
        todo!()
    }

    /// Replaces a slot: its sections by name, and its rows by stream, with their count, as Parquet.
    ///
    /// Returns at once, unless the queue is full. Streams that are not named have no rows in this slot any more. After
    /// an error nothing more is written.
    pub fn write(
        &self,
        _slot: Slot,
        _sections: Vec<(&'static str, Vec<u8>)>,
        _rows: Vec<(String, u64, Vec<u8>)>,
    ) {
        todo!()
    }

    /// Takes a slot and its rows away, behind the writes that were queued before.
    pub fn remove(&self, _slot: Slot) {
        todo!()
    }

    /// The first error of the queue, as soon as there is one: the run may stop.
    #[must_use]
    pub fn failed(&self) -> Option<DatasetError> {
        todo!()
    }

    /// Waits until all is written and safe.
    ///
    /// # Errors
    /// The first that any write met.
    pub fn finish(self) -> Result<Written, DatasetError> {
        todo!()
    }

    /// What is known of a question for the hours of a half-open range, by hour: what it was made from, and the bytes.
    ///
    /// What is lost or damaged is absent.
    #[must_use]
    pub fn answers(
        &self,
        _question: u128,
        _range: Option<(UtcHour, UtcHour)>,
    ) -> Vec<(UtcHour, u128, Vec<u8>)> {
        todo!()
    }

    /// Keeps answers to a question beside those that are there; the least recently used of many questions vanish.
    ///
    /// Answers may always be lost, so no error is told. Nothing happens in a dataset that was opened to read.
    pub fn write_answers(&self, _question: u128, _answers: Vec<(UtcHour, u128, Vec<u8>)>) {
        todo!()
    }

    /// Reads everything and says what is wrong, by file. Parquet files only by their lengths unless `rows`.
    #[must_use]
    pub fn verify(&self, _rows: bool) -> Vec<Finding> {
        todo!()
    }

    /// What it holds.
    #[must_use]
    pub fn info(&self) -> Info {
        todo!()
    }

    /// Removes what nobody needs: Parquet files that no state names, empty directories, old answers.
    ///
    /// # Errors
    /// Where it was opened to read, or something cannot be removed.
    pub fn vacuum(&self) -> Result<Vec<Removed>, DatasetError> {
        todo!()
    }
}
