//! The run's books: what was found, what became of it, and where each loss was.
//!
//! Everything is counted in integers under the words of the report. Lines name keys and offsets, never content.

use std::collections::{BTreeMap, BTreeSet};

use borehole_record::{RejectReason, UtcHour, Warnings};

use crate::limits::{LEDGER_LINES_MAX, LEDGER_LINES_SHOWN};
use crate::plan::Range;

/// Counts by reason.
pub type Reasons = BTreeMap<&'static str, u64>;

/// What one object (or one batch of joined records) adds to the books.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Decoded bytes.
    pub decoded_bytes: u64,
    /// The object's stored bytes, where it was another one than listed.
    pub revised_bytes: Option<u64>,
    /// Spans that framing found.
    pub documents_found: u64,
    /// Of those, decoded.
    pub documents_decoded: u64,
    /// Documents that became part of another document's record.
    pub documents_joined: u64,
    /// Refused documents.
    pub documents_rejected: Reasons,
    /// Records with another schemaType.
    pub other_schema: u64,
    /// Records of hours wholly outside the asked range; known when the run is over.
    pub out_of_range: u64,
    /// Records by their own hour, copies included.
    pub own_hours: BTreeMap<UtcHour, u64>,
    /// Refused records.
    pub records_rejected: Reasons,
    /// References to payloads.
    pub references: References,
    /// The decoder's warnings.
    pub decoder_warnings: Warnings,
    /// The scan's own warnings.
    pub warnings: Reasons,
    /// Refused documents and records, in the object's order; all are counted above, and as many are kept here as
    /// the ledger can use.
    pub losses: Vec<Loss>,
    /// Those beyond that.
    pub losses_dropped: u64,
}

/// One refused span of an object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Loss {
    /// Byte offset in the decoded object.
    pub offset: u64,
    /// Length in bytes; 0 where it is a whole record that lacks something.
    pub bytes: u64,
    /// Why.
    pub reason: RejectReason,
    /// A record that was decoded, not a document.
    pub record: bool,
}

/// seen = resolved + not_needed + missing + archived + refused + failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// References of decoded records, one per side.
    pub seen: u64,
    /// Read.
    pub resolved: u64,
    /// Not needed by the run's `--resolve`.
    pub not_needed: u64,
    /// No such object.
    pub missing: u64,
    /// In an archive tier.
    pub archived: u64,
    /// By reason.
    pub refused: Reasons,
    /// Could not be read.
    pub failed: u64,
    /// Buckets that no source, large-data root or map stands for, each with its count; at most 16 names.
    pub unknown_buckets: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts one of the scan's own warnings.
    pub fn warn(&mut self, code: &'static str) {
        *self.warnings.entry(code).or_default() += 1;
    }

    /// Notes one loss, where `keep_all` or the count of its kind so far leave room for it: a file of nothing but
    /// bad lines must not fill the memory.
    pub(crate) fn lose(&mut self, loss: Loss, keep_all: bool) {
        let reasons = if loss.record { &mut self.records_rejected } else { &mut self.documents_rejected };
        let count = reasons.entry(loss.reason.as_str()).or_default();
        *count += 1;
        if *count <= LEDGER_LINES_SHOWN as u64 || keep_all && self.losses.len() < LEDGER_LINES_MAX {
            self.losses.push(loss);
        } else {
            self.losses_dropped += 1;
        }
    }

    /// The losses that are kept, each with its object.
    pub(crate) fn losses_of(&self, object: u32) -> impl Iterator<Item = (u32, Loss)> + '_ {
        self.losses.iter().map(move |&loss| (object, loss))
    }

    /// Adds all counts of `other`; its losses are taken by the ledger.
    pub fn merge(&mut self, other: &Tally) {
        self.decoded_bytes += other.decoded_bytes;
        self.documents_found += other.documents_found;
        self.documents_decoded += other.documents_decoded;
        self.documents_joined += other.documents_joined;
        add(&mut self.documents_rejected, &other.documents_rejected);
        self.other_schema += other.other_schema;
        self.out_of_range += other.out_of_range;
        for (&hour, count) in &other.own_hours {
            *self.own_hours.entry(hour).or_default() += count;
        }
        add(&mut self.records_rejected, &other.records_rejected);
        self.references.merge(&other.references);
        self.decoder_warnings.merge(&other.decoder_warnings);
        add(&mut self.warnings, &other.warnings);
    }
}

/// Bucket names remembered for the hint; a log can name any number of them.
const UNKNOWN_BUCKETS_MAX: usize = 16;

impl References {
    /// Remembers the name of a bucket that is none of the run's.
    pub(crate) fn note_unknown_bucket(&mut self, bucket: String) {
        *self.unknown_buckets.entry(bucket).or_default() += 1;
        if self.unknown_buckets.len() > UNKNOWN_BUCKETS_MAX {
            self.unknown_buckets.pop_last();
        }
    }

    fn merge(&mut self, other: &References) {
        self.seen += other.seen;
        self.resolved += other.resolved;
        self.not_needed += other.not_needed;
        self.missing += other.missing;
        self.archived += other.archived;
        add(&mut self.refused, &other.refused);
        self.failed += other.failed;
        for (bucket, count) in &other.unknown_buckets {
            *self.unknown_buckets.entry(bucket.clone()).or_default() += count;
        }
        while self.unknown_buckets.len() > UNKNOWN_BUCKETS_MAX {
            self.unknown_buckets.pop_last();
        }
    }
}

fn add(own: &mut Reasons, more: &Reasons) {
    for (reason, count) in more {
        *own.entry(reason).or_default() += count;
    }
}

/// One line of the ledger: something that is not in the totals, or an object that was not read.
///
/// Lines sort by key and offset: the order of the fields is the order of the list.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LedgerLine {
    /// The object's key, raw.
    pub key: Box<[u8]>,
    /// Byte offset in the decoded object; `None` for whole objects.
    pub offset: Option<u64>,
    /// The source's name as the operator gave it.
    pub source: String,
    /// `object_failed`, `document_rejected`, `record_rejected`.
    pub class: &'static str,
    /// The word of the report.
    pub reason: &'static str,
    /// Length of the span in bytes, or the object's stored size; `None` where unknown.
    pub bytes: Option<u64>,
}

/// The books of a run.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Objects seen by the listing.
    pub objects_listed: u64,
    /// Read to the end and verified.
    pub objects_read: u64,
    /// Set aside by design.
    pub objects_skipped: Reasons,
    /// Not read.
    pub objects_failed: Reasons,
    /// Stored bytes of all listed objects but our own files.
    pub bytes_listed: u64,
    /// What reading added to those bytes: objects that were others than listed, and our own files, which are no input.
    pub bytes_relisted: i64,
    /// Stored bytes that were read from sources, payloads included; varies by cache and cuts, so it is no part of the books.
    pub bytes_fetched: u64,
    /// Everything below the objects.
    pub tally: Tally,
    /// Dropped copies per closed hour.
    pub duplicates: BTreeMap<UtcHour, u64>,
    /// Failed objects of which `--salvage` counted the intact part.
    pub salvaged: u64,
    /// Ledger lines; kept only when asked for, at most [`LEDGER_LINES_MAX`].
    pub lines: Vec<LedgerLine>,
    /// Lines beyond that bound.
    pub lines_dropped: u64,
    /// The first lines of each class and reason, by key and offset.
    pub shown: BTreeMap<(&'static str, &'static str), BTreeSet<LedgerLine>>,
    /// Keep all lines.
    pub keep_lines: bool,
}

impl Ledger {
    /// Notes one line.
    pub fn note(&mut self, line: LedgerLine) {
        let shown = self.shown.entry((line.class, line.reason)).or_default();
        shown.insert(line.clone());
        if shown.len() > LEDGER_LINES_SHOWN {
            shown.pop_last();
        }
        if self.keep_lines {
            if self.lines.len() < LEDGER_LINES_MAX {
                self.lines.push(line);
            } else {
                self.lines_dropped += 1;
            }
        }
    }

    /// Counts a skipped object.
    pub fn skip(&mut self, reason: &'static str) {
        *self.objects_skipped.entry(reason).or_default() += 1;
    }

    /// Counts a failed object; its line is noted by the caller.
    pub fn fail(&mut self, reason: &'static str) {
        *self.objects_failed.entry(reason).or_default() += 1;
    }

    /// Adds the books of other folders. Lines are put in order by [`Ledger::sort`].
    pub(crate) fn merge(&mut self, other: Ledger) {
        self.objects_listed += other.objects_listed;
        self.objects_read += other.objects_read;
        add(&mut self.objects_skipped, &other.objects_skipped);
        add(&mut self.objects_failed, &other.objects_failed);
        self.bytes_listed += other.bytes_listed;
        self.bytes_relisted += other.bytes_relisted;
        self.bytes_fetched += other.bytes_fetched;
        self.tally.merge(&other.tally);
        self.duplicates.extend(other.duplicates);
        self.salvaged += other.salvaged;
        for (reason, lines) in other.shown {
            let shown = self.shown.entry(reason).or_default();
            shown.extend(lines);
            while shown.len() > LEDGER_LINES_SHOWN {
                shown.pop_last();
            }
        }
        if self.keep_lines {
            self.lines.extend(other.lines);
            self.lines_dropped += other.lines_dropped;
        }
    }

    /// Ends the books: what depends on the range, and the order of the lines, which came as objects were done.
    pub(crate) fn settle(&mut self, range: Range) {
        let own_hours = self.tally.own_hours.iter();
        self.tally.out_of_range =
            own_hours.filter(|(hour, _)| !range.holds_hour(**hour)).map(|(_, count)| count).sum();
        self.bytes_listed = self.bytes_listed.saturating_add_signed(self.bytes_relisted);
        self.bytes_relisted = 0;
        self.lines.sort_unstable();
        self.lines_dropped += self.lines.len().saturating_sub(LEDGER_LINES_MAX) as u64;
        self.lines.truncate(LEDGER_LINES_MAX);
    }

    /// Dropped copies over all hours.
    #[must_use]
    pub fn duplicates_total(&self) -> u64 {
        self.duplicates.values().sum()
    }
}
