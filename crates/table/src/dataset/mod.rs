//! A directory (or one file) of closed hours that survives any crash.
//!
//! In: for each hour named byte sections, its state, and the Parquet files of its rows; sums of hours for one question,
//! which may be lost. Out: the same bytes, or [`Damaged`]. Always: what was complete stays readable whatever happens to
//! the process or the disk; an hour is found as it was before a write or as it was after, never in between; one writer
//! at a time, held by a lock of the kernel; nothing is written by whoever only reads. Absent: any knowledge of what
//! sections and rows mean, the clock, and retries.
//!
//! ```text
//! DIR/_borehole-dataset.json                      what it belongs to
//! DIR/stream=NAME/date=2024-03-11/hour=07/invocations.parquet
//! DIR/_borehole/lock                              held while somebody writes
//! DIR/_borehole/hours/2024-03-11/07               the state of an hour; hours/none is what belongs to no hour
//! DIR/_borehole/answers/QUESTION/2024-03-11       sums of that day's hours for one question
//! DIR/_borehole/new/                              files that are still being written
//! ```

mod answers;
mod directory;
mod disk;
mod encoding;
mod lock;
mod manifest;
mod part;
mod place;
mod queue;
mod state;
#[cfg(test)]
mod tests;
mod upkeep;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use borehole_record::UtcHour;

use self::directory::Directory;
use self::disk::Disk;
use self::part::{NewPart, Part};
use self::queue::{Job, Queue, WriteSlot};
pub use self::state::State;

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

impl Identity {
    /// A number that differs from that of any other identity.
    #[must_use]
    pub fn fingerprint(&self) -> u128 {
        manifest::fingerprint(self)
    }
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
        match self {
            DatasetError::Io { cause, operation, .. } => match cause.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some(
                    "free some space there, or keep the dataset elsewhere with --dataset DIR; run it again and it goes on",
                ),
                ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
                    Some("keep the dataset where you may write, with --dataset DIR")
                }
                _ if *operation == "fsync" => Some(
                    "the disk may be failing; what was complete before is still there, and the next run goes on from it",
                ),
                _ => None,
            },
            DatasetError::Locked { .. } => {
                Some("wait until it ends, or keep another dataset with --dataset DIR")
            }
            DatasetError::NoLocks { .. } => Some(
                "keep the dataset on a local disk; if nobody else writes to it, --dataset-without-lock goes on",
            ),
            DatasetError::Other { .. } => Some(
                "name another directory with --dataset, or remove this one to begin anew; to ask it as it is, give it as a SOURCE",
            ),
            DatasetError::Layout { .. } => Some("use the version that wrote it, or remove it to begin anew"),
            DatasetError::NotADataset { .. } => {
                Some("name a dataset, an empty directory, or one that does not exist")
            }
            DatasetError::Damaged(_) => {
                Some("remove it to begin anew; the Parquet files of a directory stay readable as they are")
            }
            DatasetError::Internal { .. } => None,
        }
    }

    /// Whether the arguments are what is wrong (exit code 2), and not the machine (4).
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            DatasetError::Other { .. } | DatasetError::Layout { .. } | DatasetError::NotADataset { .. }
        )
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
///
/// Whoever drops it without [`Dataset::finish`] leaves whole what is written, and writes nothing more.
#[derive(Debug)]
pub struct Dataset {
    place: PathBuf,
    identity: Identity,
    // Before the lock, so that nothing is under way when that goes.
    queue: Option<Queue>,
    kind: Kind,
    _lock: Option<File>,
}

#[derive(Debug)]
enum Kind {
    Directory(Arc<Directory>),
    Part(Part),
    NewPart(Arc<NewPart>),
}

impl Dataset {
    /// Opens a directory to read and write; makes it where there is none (mode 0700, files 0600).
    ///
    /// Takes the lock, completes or removes what a killed run left, and checks whose it is.
    ///
    /// # Errors
    /// Everything that [`DatasetError`] names.
    pub fn open(directory: &Path, identity: &Identity) -> Result<Dataset, DatasetError> {
        Dataset::open_on(Disk::default(), directory, Some(identity), true)
    }

    /// The same without a lock, for file systems that have none: the caller answers for there being one writer.
    ///
    /// # Errors
    /// As [`Dataset::open`].
    pub fn open_without_lock(directory: &Path, identity: &Identity) -> Result<Dataset, DatasetError> {
        Dataset::open_on(Disk::default(), directory, Some(identity), false)
    }

    /// Opens a dataset that is there, to read and write, whatever it belongs to.
    ///
    /// # Errors
    /// As [`Dataset::open`].
    pub fn open_existing(directory: &Path) -> Result<Dataset, DatasetError> {
        Dataset::open_on(Disk::default(), directory, None, true)
    }

    fn open_on(
        disk: Disk,
        directory: &Path,
        identity: Option<&Identity>,
        takes_lock: bool,
    ) -> Result<Dataset, DatasetError> {
        let (opened, identity, lock) = Directory::open(directory, identity, disk, takes_lock)?;
        let opened = Arc::new(opened);
        Ok(Dataset {
            place: directory.to_owned(),
            identity,
            queue: Some(Queue::new(Arc::clone(&opened) as Arc<dyn queue::Sink>, queue::THREADS)),
            kind: Kind::Directory(opened),
            _lock: lock,
        })
    }

    /// Opens a directory or a part file to read. No lock is needed and nothing is changed.
    ///
    /// # Errors
    /// Where it is no dataset, has another layout, or its manifest cannot be read.
    pub fn open_to_read(path: &Path) -> Result<Dataset, DatasetError> {
        let (kind, identity) = if Dataset::is_part(path) {
            Part::open(path).map(|(part, identity)| (Kind::Part(part), identity))?
        } else {
            let opened = Directory::open_to_read(path);
            opened.map(|(directory, identity)| (Kind::Directory(Arc::new(directory)), identity))?
        };
        Ok(Dataset { place: path.to_owned(), identity, queue: None, kind, _lock: None })
    }

    /// Begins a part: the same content in one file, which appears whole with [`Dataset::finish`] or not at all.
    ///
    /// A file that is there is replaced then. What is written can be read only after that, by
    /// [`Dataset::open_to_read`]; answers are not kept.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub fn create_part(file: &Path, identity: &Identity) -> Result<Dataset, DatasetError> {
        Dataset::create_part_on(Disk::default(), file, identity)
    }

    fn create_part_on(disk: Disk, file: &Path, identity: &Identity) -> Result<Dataset, DatasetError> {
        let part = Arc::new(NewPart::create(file, identity, disk)?);
        Ok(Dataset {
            place: file.to_owned(),
            identity: identity.clone(),
            // One thread: there is one file, and one end to write at.
            queue: Some(Queue::new(Arc::clone(&part) as Arc<dyn queue::Sink>, 1)),
            kind: Kind::NewPart(part),
            _lock: None,
        })
    }

    /// Whether a path is a directory with a dataset.
    #[must_use]
    pub fn is_dataset(path: &Path) -> bool {
        path.join(place::MANIFEST).is_file()
    }

    /// Whether a path is a part file, of any layout.
    #[must_use]
    pub fn is_part(path: &Path) -> bool {
        part::is_part(path)
    }

    /// What it belongs to.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// All states by slot: [`Slot::None`] always, hours where they lie in the half-open range.
    ///
    /// States of another version of the engine are left out of a dataset that was opened to write (they will be
    /// redone), and are damaged in one that was opened to read. What cannot be listed is damaged, never absent.
    #[must_use]
    pub fn states(&self, range: Option<(UtcHour, UtcHour)>) -> Vec<(Slot, Result<State, Damaged>)> {
        let (slots, unlisted) = match &self.kind {
            Kind::Directory(directory) => directory.slots(range),
            Kind::Part(part) => (part.slots(range), Vec::new()),
            Kind::NewPart(_) => (Vec::new(), Vec::new()),
        };
        let mut states: Vec<(Slot, Result<State, Damaged>)> =
            unlisted.into_iter().map(|(slot, damaged)| (slot, Err(damaged))).collect();
        states.extend(slots.into_iter().filter_map(|slot| Some((slot, self.state(slot)?))));
        states.sort_by_key(|(slot, _)| *slot);
        states
    }

    /// The state of one slot; `None` where there is none, as for [`Dataset::states`].
    #[must_use]
    pub fn state(&self, slot: Slot) -> Option<Result<State, Damaged>> {
        match &self.kind {
            Kind::Directory(directory) => directory.state(slot),
            Kind::Part(part) => part.state(slot),
            Kind::NewPart(_) => None,
        }
    }

    /// The bytes of a Parquet file, held against the length and checksum that its state names.
    ///
    /// # Errors
    /// Where they are others, or cannot be read.
    pub fn read_rows(&self, slot: Slot, file: &RowsFile) -> Result<Vec<u8>, Damaged> {
        match &self.kind {
            Kind::Directory(directory) => directory.read_rows(slot, file),
            Kind::Part(part) => part.read_rows(slot, file),
            Kind::NewPart(_) => Err(self.unfinished()),
        }
    }

    /// Whether the file is there with that length. Its bytes are not read.
    #[must_use]
    pub fn rows_are_there(&self, slot: Slot, file: &RowsFile) -> bool {
        match &self.kind {
            Kind::Directory(directory) => directory.rows_are_there(slot, file),
            Kind::Part(part) => part.rows_are_there(slot, file),
            Kind::NewPart(_) => false,
        }
    }

    /// Replaces sections of a slot by name (others stay), and its rows by stream, with their count, as Parquet.
    ///
    /// Returns at once, unless the queue is full. Streams that are not named have no rows in this slot any more. After
    /// an error nothing more is written. What is queued is not read yet: [`Dataset::states`] tells what is on disk.
    pub fn write(
        &self,
        slot: Slot,
        sections: Vec<(&'static str, Vec<u8>)>,
        rows: Vec<(String, u64, Vec<u8>)>,
    ) {
        self.push(Job::Write(WriteSlot { slot, sections, rows }));
    }

    /// Replaces sections of a slot by name; all others stay, and its rows. Returns as [`Dataset::write`] does.
    pub fn update(&self, slot: Slot, sections: Vec<(&'static str, Vec<u8>)>) {
        self.push(Job::Update(slot, sections));
    }

    /// Takes a slot and its rows away, behind the writes that were queued before.
    pub fn remove(&self, slot: Slot) {
        self.push(Job::Remove(slot));
    }

    /// Nothing happens in a dataset that was opened to read.
    fn push(&self, job: Job) {
        debug_assert!(self.queue.is_some(), "a dataset that was opened to read takes no writes");
        if let Some(queue) = &self.queue {
            queue.push(job, &self.place);
        }
    }

    /// The first error of the queue, as soon as there is one: the run may stop.
    #[must_use]
    pub fn failed(&self) -> Option<DatasetError> {
        self.queue.as_ref().and_then(Queue::failed)
    }

    /// Waits until all is written and safe.
    ///
    /// # Errors
    /// The first that any write met.
    pub fn finish(mut self) -> Result<Written, DatasetError> {
        let Some(queue) = self.queue.take() else { return Ok(Written::default()) };
        let written = queue.finish()?;
        if let Kind::NewPart(part) = &self.kind {
            part.publish()?;
        }
        Ok(written)
    }

    /// What is known of a question for the hours of a half-open range, by hour: what it was made from, and the bytes.
    ///
    /// What is lost or damaged is absent.
    #[must_use]
    pub fn answers(
        &self,
        question: u128,
        range: Option<(UtcHour, UtcHour)>,
    ) -> Vec<(UtcHour, u128, Vec<u8>)> {
        match &self.kind {
            Kind::Directory(directory) => directory.answers(question, range),
            Kind::Part(_) | Kind::NewPart(_) => Vec::new(),
        }
    }

    /// Keeps answers to a question beside those that are there; the least recently used of more than 32 questions
    /// vanish.
    ///
    /// Answers may always be lost, so no error is told. Nothing happens in a dataset that was opened to read, nor in a
    /// part.
    pub fn write_answers(&self, question: u128, answers: Vec<(UtcHour, u128, Vec<u8>)>) {
        if let (Some(queue), Kind::Directory(_)) = (&self.queue, &self.kind) {
            queue.push(Job::Answers { question, answers }, &self.place);
        }
    }

    /// Reads everything and says what is wrong, by file. Parquet files only by their lengths unless `rows`.
    #[must_use]
    pub fn verify(&self, rows: bool) -> Vec<Finding> {
        upkeep::verify(self, rows)
    }

    /// What it holds.
    #[must_use]
    pub fn info(&self) -> Info {
        upkeep::info(self)
    }

    /// Removes what nobody needs: Parquet files that no state names, empty directories, old answers.
    ///
    /// Hours whose state cannot be read keep their rows. Waits for what is queued.
    ///
    /// # Errors
    /// Where it was opened to read, or something cannot be removed.
    pub fn vacuum(&self) -> Result<Vec<Removed>, DatasetError> {
        match (&self.kind, &self.queue) {
            (Kind::Directory(directory), Some(queue)) => {
                queue.drain()?;
                upkeep::vacuum(directory)
            }
            _ => Err(DatasetError::NotADataset {
                place: self.place.clone(),
                what: "it is not a directory that was opened to write",
            }),
        }
    }

    fn unfinished(&self) -> Damaged {
        Damaged { place: self.place.clone(), what: "not finished".to_owned() }
    }
}
