//! Reading one object: stored bytes in, batches of invocations (or one split document) and a tally out.
//!
//! Runs on any thread. Always: an object counts whole or not at all — its tally is given only with the outcome,
//! and what was handed over before a failure is disowned by it. A panic below is caught here, named by its
//! object, and never shows what was being read.

use std::borrow::Cow;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use borehole_record::gunzip::Gunzip;
use borehole_record::{
    DecodeOptions, Document, DocumentKind, Invocation, Key, ObjectDecoder, ObjectFailure, ObjectSummary,
    Reject, RejectReason, RequestId, Sink, UtcHour,
};

use borehole_store::{Body, Receipt};

use crate::Progress;
use crate::compact::Compactor;
use crate::feed::{Feed, Work};
use crate::join::{Fragment, JoinKey};
use crate::ledger::{Loss, Tally};
use crate::limits::{BATCH_INVOCATIONS, FOREIGN_PROBE_BYTES, RECORDS_WAITING_FOR_PAYLOADS, SLACK_HOURS};
use crate::pending::Pending;
use crate::plan::{Plan, Planned, Role};
use crate::resolve::{Resolver, Started};
use crate::source::Source;

/// What a reading task sends.
pub(crate) enum Message {
    /// Some of an object's invocations.
    Invocations(Vec<Invocation>),
    /// The document of a split object.
    Fragment(UtcHour, JoinKey, Fragment),
    /// The object is done.
    Done(u32, Outcome),
}

/// What became of an object.
pub(crate) enum Outcome {
    /// Read to the end and verified.
    Read(Box<Tally>),
    /// Set aside by design.
    Skipped(&'static str),
    /// Not read. With `--salvage`, `Some` tally of its intact part, whose invocations stand.
    Failed(&'static str, Option<Box<Tally>>),
    /// Our own bug.
    Panicked,
}

/// An object that was read, and of which some records wait for payloads.
pub(crate) struct Parked {
    number: u32,
    tally: Tally,
    found: u64,
    waiting: Vec<Waiting>,
    end: End,
}

/// A record and the payloads that were asked for it.
struct Waiting {
    document: Document<'static>,
    started: Vec<Started>,
}

/// How the reading of an object ended.
enum End {
    Summary(Box<ObjectSummary>, Receipt),
    Failure(ObjectFailure, u64),
}

/// Everything a reading task needs; shared by all of them.
pub(crate) struct Reader<'a> {
    pub plan: &'a Plan,
    pub sources: &'a [Source],
    pub resolver: &'a Resolver<'a>,
    pub feed: Arc<Feed>,
    pub decode: DecodeOptions,
    pub salvage: bool,
    /// Whether the ledger keeps a line of every loss.
    pub keep_lines: bool,
    pub progress: &'a Progress,
}

thread_local! {
    static COMPACTOR: RefCell<Compactor> = RefCell::default();
}

impl Reader<'_> {
    /// Takes work from the feed until one object is done. A receiver that has gone away means that the run has
    /// stopped.
    pub(crate) fn work(&self, send: &SyncSender<Message>) {
        loop {
            let (number, step) = match self.feed.take() {
                Work::Read(number, body) => {
                    let read = || self.read_object(number, body, send);
                    (number, catch_unwind(AssertUnwindSafe(read)))
                }
                Work::Resume(parked) => {
                    let number = parked.number;
                    (number, catch_unwind(AssertUnwindSafe(|| Some(self.resume(*parked, send)))))
                }
            };
            let Some(outcome) = step.unwrap_or(Some(Outcome::Panicked)) else { continue };
            self.progress.object_done(self.plan.objects[number as usize].object.size);
            let _ = send.send(Message::Done(number, outcome));
            return;
        }
    }

    /// Reads an object; `None` where it is parked until its payloads are here.
    fn read_object(
        &self,
        number: u32,
        body: Option<Box<dyn Body>>,
        send: &SyncSender<Message>,
    ) -> Option<Outcome> {
        if !self.salvage {
            return self.read_once(number, body, None, Some(send));
        }
        let planned = &self.plan.objects[number as usize];
        if planned.object.size.is_none() {
            // Standard input can be read only once: of damaged gzip too much has been handed over by then.
            return match self.read_once(number, body, None, Some(send))? {
                Outcome::Failed(reason, Some(_)) if is_unverified(reason) => {
                    Some(Outcome::Failed(reason, None))
                }
                outcome => Some(outcome),
            };
        }
        // An object is read twice: first to learn how much of it is sound, then to count that much.
        match self.read_once(number, body, None, None)? {
            Outcome::Read(_) => self.read_once(number, None, None, Some(send)),
            Outcome::Failed(reason, Some(sound)) => {
                let verified = is_unverified(reason).then_some(sound.decoded_bytes);
                match self.read_once(number, None, verified, Some(send))? {
                    Outcome::Read(tally) | Outcome::Failed(_, Some(tally)) if tally.documents_found > 0 => {
                        Some(Outcome::Failed(reason, Some(tally)))
                    }
                    _ => Some(Outcome::Failed(reason, None)),
                }
            }
            outcome => Some(outcome),
        }
    }

    /// Finishes an object whose payloads are here.
    fn resume(&self, parked: Parked, send: &SyncSender<Message>) -> Outcome {
        let Parked { number, tally, found, waiting, end } = parked;
        let planned = &self.plan.objects[number as usize];
        let mut sink = ObjectSink { tally, found, ..ObjectSink::new(self, number, planned, Some(send)) };
        for waiting in waiting {
            sink.settle(waiting.document, &waiting.started);
        }
        sink.end(end)
    }

    /// Reads an object. With `verified`, it is damaged gzip, and its first so many decoded bytes, the members
    /// whose checksums hold, are read as if they were the whole object.
    fn read_once(
        &self,
        number: u32,
        body: Option<Box<dyn Body>>,
        verified: Option<u64>,
        send: Option<&SyncSender<Message>>,
    ) -> Option<Outcome> {
        let planned = &self.plan.objects[number as usize];
        let key = Key::parse(&planned.object.key);
        let kind = match planned.role {
            Role::Split { kind, .. } => kind,
            Role::Records { .. } | Role::Loose => DocumentKind::Record,
        };
        let request_id = match &key {
            Key::SplitDocument { request_id, .. } => Some(*request_id),
            _ => None,
        };
        let mut decoder = ObjectDecoder::new(kind, self.decode);
        let mut sink = ObjectSink { kind, request_id, ..ObjectSink::new(self, number, planned, send) };
        let mut failure = None;
        // Held back until enough is there to tell what the file is, however small the store's chunks are.
        let mut head = (planned.role == Role::Loose).then(Vec::new);
        let mut skipped = None;
        let mut members = verified.map(|bytes| (Gunzip::new(self.decode.decoded_bytes_max), bytes));
        let store = &self.sources[planned.source as usize].store;
        let mut push = |bytes: &[u8]| {
            let Some((gunzip, left)) = &mut members else {
                failure = decoder.push(bytes, &mut sink).err();
                return failure.is_none();
            };
            let unpacked = gunzip.push(bytes, |decoded| {
                let count = decoded.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= count as u64;
                let pushed = decoder.push(&decoded[..count], &mut sink);
                failure = pushed.err();
                pushed
            });
            // Where and how it fails is known already.
            unpacked.is_ok() && *left > 0
        };
        let mut take = |bytes: &[u8]| {
            let Some(held) = &mut head else { return push(bytes) };
            held.extend_from_slice(bytes);
            if held.len() < FOREIGN_PROBE_BYTES {
                return true;
            }
            skipped = foreign(held);
            skipped.is_none() && push(&head.take().unwrap_or_default())
        };
        let read = match body {
            Some(body) => body.read(&mut take),
            None => store.read(&planned.object, &mut take),
        };
        if let (Ok(_), Some(held), None) = (&read, head, skipped) {
            skipped = foreign(&held);
            if skipped.is_none() {
                push(&held);
            }
        }
        if let Some(reason) = skipped {
            return Some(Outcome::Skipped(reason));
        }
        let receipt = match read {
            Ok(receipt) => receipt,
            Err(reason) => return Some(Outcome::Failed(reason.as_str(), None)),
        };
        self.progress.fetched(receipt.bytes);
        let verified_bytes = decoder.verified_decoded_bytes();
        let summary = match failure {
            Some(failure) => Err(failure),
            None => decoder.finish(&mut sink),
        };
        let end = match summary {
            Ok(mut summary) => {
                summary.gzip |= verified.is_some();
                End::Summary(Box::new(summary), receipt)
            }
            Err(failure) => End::Failure(failure, verified_bytes),
        };
        sink.end_or_park(end)
    }
}

/// Whether an object that failed like this handed over bytes that no checksum stood for.
fn is_unverified(reason: &str) -> bool {
    let failures = [
        ObjectFailure::GzTruncated,
        ObjectFailure::GzCrc,
        ObjectFailure::GzIsize,
        ObjectFailure::GzHeader,
        ObjectFailure::GzTrailingGarbage,
        ObjectFailure::GzCorrupt,
        ObjectFailure::DecodedLimit,
    ];
    failures.iter().any(|failure| failure.as_str() == reason)
}

/// Looks at the first bytes of a file outside both layouts: our own files and plainly foreign ones are not read.
fn foreign(first: &[u8]) -> Option<&'static str> {
    let start = &first[..first.len().min(FOREIGN_PROBE_BYTES)];
    if borehole_record::gunzip::is_gzip(start) {
        return None;
    }
    let head = &start[..start.len().min(256)];
    let own = [&b"\"schema\": \"borehole."[..], b"\"schema\":\"borehole."];
    if own.iter().any(|mark| head.windows(mark.len()).any(|window| window == *mark)) {
        return Some("own_file");
    }
    // UTF-16 has a brace, too, and is a failure that must be seen.
    (!start.contains(&b'{') && !start.contains(&b'[')).then_some("foreign_file")
}

struct ObjectSink<'a> {
    reader: &'a Reader<'a>,
    number: u32,
    planned: &'a Planned,
    kind: DocumentKind,
    request_id: Option<&'a str>,
    send: Option<&'a SyncSender<Message>>,
    tally: Tally,
    batch: Vec<Invocation>,
    found: u64,
    /// Records whose payloads are on their way.
    waiting: Vec<Waiting>,
    pending: Option<Arc<Pending>>,
}

impl<'a> ObjectSink<'a> {
    fn new(
        reader: &'a Reader<'a>,
        number: u32,
        planned: &'a Planned,
        send: Option<&'a SyncSender<Message>>,
    ) -> Self {
        ObjectSink {
            reader,
            number,
            planned,
            kind: DocumentKind::Record,
            request_id: None,
            send,
            tally: Tally::default(),
            batch: Vec::new(),
            found: 0,
            waiting: Vec::new(),
            pending: None,
        }
    }

    fn record(&mut self, document: Document<'_>) {
        if document.other_schema {
            self.tally.other_schema += 1;
            return;
        }
        if self.send.is_none() {
            // Only how much of the object is sound is asked.
            return;
        }
        let reader = self.reader;
        let stream = &reader.plan.streams[self.planned.stream as usize];
        // Borrows from the plan as well as from the decoded bytes.
        let mut document = document;
        if document.account.is_none() {
            document.account = stream.account.as_deref().map(Cow::Borrowed);
        }
        if reader.resolver.is_remote() {
            let pending = self.pending.get_or_insert_with(|| Pending::new(Arc::clone(&reader.feed)));
            // A salvaged object is finished in one go, so nobody has to be told.
            let pending = (!reader.salvage).then_some(&*pending);
            let started = reader.resolver.begin(&document, false, pending);
            if !started.is_empty() {
                self.waiting.push(Waiting { document: document.into_owned(), started });
                if self.waiting.len() >= RECORDS_WAITING_FOR_PAYLOADS {
                    // Those that were asked for first; by now most of them are here.
                    for waiting in self.waiting.drain(..RECORDS_WAITING_FOR_PAYLOADS / 2).collect::<Vec<_>>()
                    {
                        self.settle(waiting.document, &waiting.started);
                    }
                }
                return;
            }
        }
        self.settle(document, &[]);
    }

    /// Makes an invocation of a record; waits for its payloads where they are not here.
    fn settle(&mut self, mut document: Document<'_>, started: &[Started]) {
        let stream = &self.reader.plan.streams[self.planned.stream as usize];
        let offset = document.offset;
        let sides = self.reader.resolver.resolve(&mut document, false, started, &mut self.tally);
        let invocation = COMPACTOR.with_borrow_mut(|compactor| {
            compactor.compact(
                document,
                sides,
                self.number,
                stream.account.as_deref(),
                stream.region.as_deref(),
            )
        });
        match invocation {
            Ok(invocation) => {
                note_place(
                    &invocation,
                    self.reader.plan,
                    self.planned,
                    self.planned.role.hour(),
                    &mut self.tally,
                );
                self.batch.push(invocation);
                if self.batch.len() >= BATCH_INVOCATIONS {
                    self.flush();
                }
            }
            Err(reason) => {
                let loss = Loss { offset, bytes: 0, reason, record: true };
                self.tally.lose(loss, self.reader.keep_lines);
            }
        }
    }

    fn fragment(&mut self, mut document: Document<'_>) {
        let Role::Split { hour, kind } = self.planned.role else { return };
        let Some(name) = self.request_id else { return };
        let id = RequestId::parse(name);
        if document.request_id.as_ref().is_some_and(|inside| *inside != id) {
            self.lose(document.offset, 0, RejectReason::RequestIdMismatch);
            return;
        }
        document.request_id = Some(id);
        self.tally.documents_decoded += 1;
        if let Some(send) = self.send {
            let fragment = Fragment { kind, object: self.number, document: Box::new(document.into_owned()) };
            let _ = send.send(Message::Fragment(hour, (self.planned.stream, name.into()), fragment));
        }
    }

    fn lose(&mut self, offset: u64, bytes: u64, reason: RejectReason) {
        self.tally.lose(Loss { offset, bytes, reason, record: false }, self.reader.keep_lines);
    }

    fn flush(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if let Some(send) = self.send
            && !batch.is_empty()
        {
            let _ = send.send(Message::Invocations(batch));
        }
    }

    /// Ends the object, or parks it where records wait for payloads.
    fn end_or_park(mut self, end: End) -> Option<Outcome> {
        let waiting = std::mem::take(&mut self.waiting);
        match self.pending.take() {
            Some(pending) if !waiting.is_empty() && !self.reader.salvage => {
                self.flush();
                let Self { number, tally, found, .. } = self;
                pending.park(Box::new(Parked { number, tally, found, waiting, end }));
                None
            }
            _ => {
                for waiting in waiting {
                    self.settle(waiting.document, &waiting.started);
                }
                Some(self.end(end))
            }
        }
    }

    fn end(self, end: End) -> Outcome {
        match end {
            End::Summary(summary, receipt) => self.finish(&summary, receipt),
            End::Failure(failure, verified_bytes) => self.fail(failure, verified_bytes),
        }
    }

    fn finish(mut self, summary: &ObjectSummary, receipt: Receipt) -> Outcome {
        let loose = self.planned.role == Role::Loose;
        if loose && self.tally.documents_decoded == 0 && (self.found > 0 || summary.not_json) {
            return Outcome::Skipped("foreign_file");
        }
        self.flush();
        let name = &self.planned.object.key;
        // Of an empty object the decoder warns; a name cannot contradict nothing.
        if receipt.bytes > 0 && name.ends_with(b".gz") != summary.gzip && &**name != b"-" {
            self.tally.warn("ext_mismatch");
        }
        if receipt.revised {
            self.tally.warn("manifest_revised");
            self.tally.revised_bytes = Some(receipt.bytes);
        }
        self.tally.decoded_bytes = summary.decoded_bytes;
        self.tally.documents_found = self.found;
        self.tally.decoder_warnings.merge(&summary.warnings);
        Outcome::Read(Box::new(self.tally))
    }

    fn fail(mut self, failure: ObjectFailure, verified_bytes: u64) -> Outcome {
        if self.planned.role == Role::Loose && self.tally.documents_decoded == 0 {
            match failure {
                // Archives and pictures beside the logs, and JSON that is no log, are nobody's loss.
                ObjectFailure::UnsupportedFormat => return Outcome::Skipped("foreign_file"),
                ObjectFailure::JsonTruncated if self.found > 0 => return Outcome::Skipped("foreign_file"),
                _ => {}
            }
        }
        if !self.reader.salvage {
            return Outcome::Failed(failure.as_str(), None);
        }
        self.flush();
        self.tally.documents_found = self.found;
        self.tally.decoded_bytes = verified_bytes;
        Outcome::Failed(failure.as_str(), Some(Box::new(self.tally)))
    }
}

impl Sink for ObjectSink<'_> {
    fn document(&mut self, document: Document<'_>) {
        self.found += 1;
        if self.kind == DocumentKind::Record {
            self.tally.documents_decoded += 1;
            self.record(document);
        } else if document.other_schema {
            self.tally.documents_decoded += 1;
            self.tally.other_schema += 1;
        } else {
            self.fragment(document);
        }
    }

    fn reject(&mut self, reject: Reject) {
        self.found += 1;
        self.lose(reject.offset, reject.bytes, reject.reason);
    }
}

/// Warns where a record lies far from its folder or says another account or Region than its key, and counts it
/// as filtered where its hour is wholly outside the range.
pub(crate) fn note_place(
    invocation: &Invocation,
    plan: &Plan,
    planned: &Planned,
    folder: Option<UtcHour>,
    tally: &mut Tally,
) {
    let own = UtcHour::of(invocation.timestamp);
    if folder.is_some_and(|folder| is_stray(own, folder)) {
        tally.warn("stray");
    }
    let stream = &plan.streams[planned.stream as usize];
    let differs = |named: &Option<Box<str>>, own: Option<&str>| named.is_some() && named.as_deref() != own;
    let facets = &invocation.facets;
    if differs(&stream.account, facets.account.as_deref())
        || differs(&stream.region, facets.region.as_deref())
    {
        tally.warn("key_mismatch");
    }
    if !plan.range.holds_hour(own) {
        tally.out_of_range += 1;
    }
}

/// Whether a record lies further from its folder than a folder's records may.
pub(crate) fn is_stray(own: UtcHour, folder: UtcHour) -> bool {
    own.0.abs_diff(folder.0) > SLACK_HOURS.unsigned_abs()
}
