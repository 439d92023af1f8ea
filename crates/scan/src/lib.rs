//! Store and record to closed cells and the ledger: the only room with threads and limits.
//!
//! In: sources, a range, options. Out: for every hour of the range the invocations that stay, given to a
//! [`CellSink`], and the run's [`Ledger`]. Always: the same cells and books for any number of threads, order of
//! listing, or cut of the input; an object counts whole or not at all. Absent: any figure about tokens.

mod cells;
pub mod compact;
mod feed;
mod join;
pub mod kept;
pub mod ledger;
pub mod limits;
mod lookup;
mod overlap;
mod pending;
pub mod plan;
mod progress;
mod read;
mod reference;
mod resolve;
mod run;
pub mod source;
mod spill;
mod survey;

pub use ledger::{Ledger, LedgerLine};
pub use lookup::{LookedUp, PayloadPlaces};
pub use plan::{ListOptions, Plan, Planned, Range, Remembered, Role};
pub use progress::Progress;
pub use reference::Reference;
pub use resolve::{PayloadRoot, Resolve};
pub use run::{Cell, CellSink, KeepHour, KeptRun, ScanOptions, Scanned, scan, scan_keeping};
pub use source::Source;
pub use survey::{Survey, SurveyOptions, survey};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A source cannot be read at all.
    #[error(transparent)]
    Store(#[from] borehole_store::Error),
    /// The temporary file failed.
    #[error("temporary file in {directory}: {cause}")]
    Spill {
        /// Where it lies.
        directory: String,
        /// The operating system's word for it.
        cause: std::io::Error,
    },
    /// An object that was read in the first pass cannot be read the same again.
    #[error("{key}: changed while the run was reading it")]
    Changed {
        /// The object's key, escaped.
        key: String,
    },
    /// Date-shaped tails that name ranges apart from each other.
    #[error("the date ranges of the sources do not adjoin; a run has one range")]
    Ranges,
    /// Something that is needed is not in the dataset, and nothing else can be read.
    #[error("the dataset does not hold what the answer needs{}", NamedSlot(*.slot))]
    NotKept {
        /// What it would be kept under.
        slot: kept::Slot,
    },
    /// Something that was kept is damaged or gone.
    #[error("the dataset is damaged{}", NamedSlot(*.slot))]
    KeptDamaged {
        /// What it is kept under.
        slot: kept::Slot,
    },
    /// Datasets or parts that do not go together.
    #[error(transparent)]
    Kept(#[from] kept::KeptError),
    /// No stream has this name.
    #[error("no stream is called {name}; there are {}", .known.join(", "))]
    UnknownStream {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// `--map` of another form.
    #[error("--map {argument}: expected s3://bucket[/prefix]=DIR")]
    Map {
        /// What was given.
        argument: String,
    },
    /// Not built yet.
    #[error("{what} are not supported in this version")]
    Unsupported {
        /// What was asked.
        what: &'static str,
        /// What to do instead.
        hint: &'static str,
    },
    /// Whoever takes the hours cannot go on.
    #[error("stopped")]
    Stopped,
    /// No thread could be started.
    #[error("cannot start {threads} threads")]
    Threads {
        /// How many were asked.
        threads: usize,
    },
    /// Our own bug, found by a check of the program itself.
    #[error("internal error: {what}")]
    Internal {
        /// Which check.
        what: &'static str,
    },
}

/// An hour that something is kept under, for people.
struct NamedSlot(kept::Slot);

impl std::fmt::Display for NamedSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(hour) => write!(f, " of {hour}"),
            None => f.write_str(" of files without an hour"),
        }
    }
}
