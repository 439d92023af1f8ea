//! What the tools ask of whoever reads the logs.
//!
//! In: nothing; this file names things. Always: a call blocks until it is answered or stopped; what it says of logs is
//! plain data of the report's model, so that every tool shows what `borehole analyze` shows. Absent: how anything is
//! read, and what a client sees of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use borehole_quota::ticket::TicketFacts;
use borehole_record::Timestamp;
use borehole_report::Report;
use borehole_report::model::{Group, Health};
use borehole_report::quota::QuotaReport;
use serde_json::Value;

/// Reads logs, and answers.
///
/// All methods block, and may be called from several threads at once. Each ends soon (within a second) with
/// [`FailureKind::Stopped`] once [`Watch::stop`] was called.
pub trait Engine: Send + Sync + 'static {
    /// The figures of a subject over a period, and over slots of it: at most `slots_max`, of whole hours each.
    ///
    /// # Errors
    /// Where the logs cannot be read, or the period is empty.
    fn measure(
        &self,
        subject: &Subject,
        period: &Period,
        slots_max: usize,
        watch: &Watch,
    ) -> Result<Measured, Failure>;

    /// The facts of a ticket for every quota of the subject.
    ///
    /// # Errors
    /// As [`Engine::measure`].
    fn tickets(
        &self,
        subject: &Subject,
        period: &Period,
        aim: &Asked,
        watch: &Watch,
    ) -> Result<Tickets, Failure>;

    /// The smallest quotas that would have been enough for the subject.
    ///
    /// # Errors
    /// As [`Engine::measure`].
    fn quotas(
        &self,
        subject: &Subject,
        period: &Period,
        aim: &Asked,
        watch: &Watch,
    ) -> Result<(QuotaReport, Basis), Failure>;

    /// Every object of one request and its facts, in the shape of `borehole find --format json`, without bodies.
    /// `date` is a day, a month, an hour's folder or a moment, as `--date` takes it.
    ///
    /// # Errors
    /// Where the id or the date is none, or nothing can be read.
    fn find(&self, request_id: &str, date: Option<&str>, watch: &Watch) -> Result<Value, Failure>;

    /// Records whose envelope (bodies left out) has a text, or whose request id is one; oldest first, at most `max`.
    ///
    /// # Errors
    /// Where nothing can be read.
    fn events(
        &self,
        pattern: &Pattern,
        period: &Period,
        max: usize,
        watch: &Watch,
    ) -> Result<Events, Failure>;

    /// The objects below a prefix of a bucket or dump that the server was started with, by key, at most `max`,
    /// beginning after the key `after`.
    ///
    /// # Errors
    /// [`FailureKind::NotAllowed`] for any other bucket; where it cannot be listed.
    fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        max: usize,
        watch: &Watch,
    ) -> Result<Listing, Failure>;

    /// One object: its envelopes without bodies, and the stored text where the server was started to show it.
    ///
    /// # Errors
    /// [`FailureKind::NotAllowed`] for any other bucket, [`FailureKind::NotFound`] where there is none.
    fn read(&self, bucket: &str, key: &str, watch: &Watch) -> Result<Object, Failure>;

    /// Asks for a copy of an archived object, where the server was started to; else says how that is done by hand.
    ///
    /// # Errors
    /// As [`Engine::read`], and where S3 refuses.
    fn restore(&self, bucket: &str, key: &str, days: u32, watch: &Watch) -> Result<Restored, Failure>;
}

/// Whose figures.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Subject {
    /// A base model, or a spelling exactly as logged.
    pub model_id: String,
    /// The source Region.
    pub region: String,
    /// The account; every account where it is `None`.
    pub account_id: Option<String>,
}

/// When.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Period {
    /// From a moment (inclusive; else the beginning of the data) to a moment (exclusive; else the end of the data).
    Between {
        /// First moment.
        from: Option<Timestamp>,
        /// End.
        to: Option<Timestamp>,
    },
    /// The hours before the end of the data.
    Last {
        /// How many; at least 1.
        hours: u32,
    },
}

/// A period as it came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moments {
    /// First moment; inclusive.
    pub from: Timestamp,
    /// End; exclusive.
    pub to: Timestamp,
    /// Whether the end is the end of the data, since nobody gave one.
    pub to_is_end_of_data: bool,
    /// The end of the last hour of the data that has a record; `None` where there is none.
    pub end_of_data: Option<Timestamp>,
}

/// What an answer rests on.
#[derive(Clone, PartialEq, Debug)]
pub struct Basis {
    /// What was asked about; `None` where there is no data and nobody said a period.
    pub moments: Option<Moments>,
    /// Whether everything that the server reads could be read.
    pub complete: bool,
    /// The books of everything that the server reads, coverage of the subject's account and Region alone.
    pub health: Health,
    /// When the sources were listed.
    pub listed_at: Timestamp,
    /// What was taken for granted, in sentences of ours.
    pub assumptions: Vec<String>,
}

/// Figures of a subject.
#[derive(Clone, PartialEq, Debug)]
pub struct Measured {
    /// A report whose totals are those of the subject, with every minute in their series; its groups are by account,
    /// Region, model and scope.
    pub report: Report,
    /// The same totals over slots of hours that follow one another and cover the period; those without any record are
    /// left out.
    pub slots: Vec<Slot>,
    /// The length of a slot in hours. The first and the last may be cut by the period.
    pub slot_hours: u32,
    /// What it rests on.
    pub basis: Basis,
    /// Where the subject has no record: models, Regions and accounts that do, most used first, at most 20 of each.
    pub others: Option<Others>,
}

/// What there is instead.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Others {
    /// Base models.
    pub models: Vec<String>,
    /// Source Regions.
    pub regions: Vec<String>,
    /// Accounts.
    pub accounts: Vec<String>,
    /// A base model with records that the subject's spelling may mean.
    pub meant: Option<String>,
}

/// One slot of a period.
#[derive(Clone, PartialEq, Debug)]
pub struct Slot {
    /// First moment; inclusive.
    pub from: Timestamp,
    /// End; exclusive.
    pub to: Timestamp,
    /// The subject's totals, without series.
    pub totals: Group,
}

/// What a quota is to allow; `None` is the default of `borehole ticket`. Shares as that command takes them: `0.1%`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Asked {
    /// Most requests that may be throttled.
    pub target: Option<String>,
    /// Expected growth.
    pub growth: Option<String>,
    /// What is added for safety.
    pub margin: Option<String>,
}

/// The tickets of a subject.
#[derive(Clone, Debug)]
pub struct Tickets {
    /// One for each quota that was used.
    pub facts: Vec<TicketFacts>,
    /// What they rest on.
    pub basis: Basis,
}

/// What is searched for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Pattern {
    /// A request id.
    RequestId(String),
    /// A text in the envelope, exactly as written.
    Text(String),
}

/// Records that were found.
#[derive(Clone, PartialEq, Debug)]
pub struct Events {
    /// Oldest first.
    pub events: Vec<Event>,
    /// Whether there are more.
    pub more: bool,
    /// Objects that were read.
    pub objects_read: u64,
    /// Objects that could not be read.
    pub objects_failed: u64,
    /// What was searched.
    pub moments: Option<Moments>,
}

/// One record.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Its own time; `None` where it has none.
    pub timestamp: Option<Timestamp>,
    /// Source and key of its object, escaped.
    pub place: String,
    /// Where it begins in the decoded object, in bytes.
    pub offset: u64,
    /// The envelope as JSON, without bodies, tags and headers.
    pub envelope: Value,
}

/// Part of a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing {
    /// By key.
    pub objects: Vec<Entry>,
    /// Whether there are more after the last.
    pub more: bool,
    /// Entries that could not be looked at (folders without permission).
    pub failed: u64,
}

/// An object that was listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Escaped as the ledger escapes keys, so that it can be given back.
    pub key: String,
    /// Stored bytes, where known.
    pub size: Option<u64>,
    /// When it was written, where known.
    pub last_modified: Option<Timestamp>,
    /// As S3 names it.
    pub storage_class: &'static str,
    /// Whether only a restore makes it readable.
    pub archived: bool,
}

/// An object that was read.
#[derive(Clone, PartialEq, Debug)]
pub struct Object {
    /// What was listed of it.
    pub entry: Entry,
    /// What its key says it is: `records`, `document`, `payload`, `other`.
    pub kind: &'static str,
    /// Envelopes of the first records, as in [`Event::envelope`].
    pub envelopes: Vec<Value>,
    /// Records in it.
    pub records: u64,
    /// What is no record in it.
    pub rejected: u64,
    /// The stored text, decoded: only where the server was started to show bodies, and it is text.
    pub text: Option<Text>,
    /// Why there is no text, in words of ours.
    pub text_withheld: Option<String>,
}

/// Text of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text {
    /// From its beginning.
    pub text: String,
    /// Whether there is more.
    pub is_cut: bool,
}

/// What became of a restore.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restored {
    /// `asked`, `in_progress`, `restored`, `not_archived`, `not_allowed`.
    pub outcome: &'static str,
    /// What to know or to do next, in words of ours; the command to run by hand where it is not allowed here.
    pub notes: Vec<String>,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// What kind.
    pub kind: FailureKind,
    /// In words, escaped: what failed, where.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Kinds of failures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailureKind {
    /// The arguments do not make sense.
    Arguments,
    /// Not among what the server was started with.
    NotAllowed,
    /// There is no such thing.
    NotFound,
    /// Sources that cannot be read.
    NoAnswer,
    /// Somebody stopped it.
    Stopped,
    /// A bug of ours.
    Internal,
}

/// What a call and whoever waits for it know of each other: whether to stop, and how far it is. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Watch(Arc<Watched>);

#[derive(Debug, Default)]
struct Watched {
    stopped: AtomicBool,
    /// In millionths.
    done: AtomicU32,
}

impl Watch {
    /// Nothing done, nobody has stopped it.
    #[must_use]
    pub fn new() -> Self {
        Watch::default()
    }

    /// Asks the call to end.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Relaxed)
    }

    /// Says which part is done, in millionths; it never goes back.
    pub fn advance(&self, millionths: u32) {
        self.0.done.fetch_max(millionths.min(1_000_000), Ordering::Relaxed);
    }

    /// Which part is done, in millionths.
    #[must_use]
    pub fn done(&self) -> u32 {
        self.0.done.load(Ordering::Relaxed)
    }
}
