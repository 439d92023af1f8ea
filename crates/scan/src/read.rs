//! Reading objects: stored bytes in, invocations (or split documents) and books out.
//!
//! Runs on any thread. Always: an object counts whole or not at all — its tally is given only with the outcome,
//! and what was handed over before a failure is disowned by it. A panic below is caught here, named by its
//! object, and never shows what was being read. What a thread finds is handed over for several objects at once,
//! and its memory serves one object after the other.

use std::borrow::Cow;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use borehole_record::gunzip::Gunzip;
use borehole_record::{
    DecodeOptions, Document, DocumentKind, Invocation, ObjectDecoder, ObjectFailure, ObjectSummary, Reject,
    RejectReason, RequestId, Sink, UtcHour, key,
};
use borehole_store::{Body, ReadFailure, Receipt, Store};

use crate::Progress;
use crate::cells::footprint;
use crate::compact::Compactor;
use crate::feed::{Feed, Work};
use crate::join::{Fragment, JoinKey};
use crate::ledger::{Loss, Tally};
use crate::limits::{
    BATCH_INVOCATIONS, FOREIGN_PROBE_BYTES, RECORDS_WAITING_FOR_PAYLOADS, SLACK_HOURS, STRAYS_UNDECIDED,
};
use crate::overlap::{Ended, Piece, unpack_ahead};
use crate::pending::Pending;
use crate::plan::{Plan, Planned, Role};
use crate::resolve::{Resolver, Started};
use crate::source::Source;

/// What a reading task sends. All objects of one message lie in the same folder hour.
pub(crate) enum Message {
    /// Invocations of objects that are not done.
    Invocations(Batch),
    /// Objects are done.
    Done(Box<Report>),
}

/// Invocations, and documents of the split layout, of objects of one folder hour.
#[derive(Default)]
pub(crate) struct Batch {
    /// Their folder's hour.
    pub folder: Option<UtcHour>,
    /// Invocations by their own hour. Strays are among them only once their object is read.
    pub runs: Vec<Run>,
    /// Strays of objects that may yet fail.
    pub late: Vec<Invocation>,
    /// Documents of split objects.
    pub fragments: Vec<(JoinKey, Fragment)>,
    /// Invocations in `runs`.
    count: usize,
}

/// Invocations of one hour.
pub(crate) struct Run {
    /// Their own.
    pub hour: UtcHour,
    pub invocations: Vec<Invocation>,
    /// What they take in memory, in bytes.
    pub bytes: usize,
}

impl Run {
    /// One invocation alone.
    pub(crate) fn of(invocation: Invocation) -> Self {
        let bytes = footprint(&invocation);
        Run { hour: UtcHour::of(invocation.timestamp), invocations: vec![invocation], bytes }
    }
}

impl Batch {
    fn push(&mut self, invocation: Invocation) {
        let hour = UtcHour::of(invocation.timestamp);
        self.count += 1;
        // Nearly always one of two.
        match self.runs.iter_mut().rev().find(|run| run.hour == hour) {
            Some(run) => {
                run.bytes += footprint(&invocation);
                run.invocations.push(invocation);
            }
            None => self.runs.push(Run::of(invocation)),
        }
    }

    /// Gives back memory that is kept for more to come: of what waits for its hour to close there is much.
    fn fit(mut self) -> Self {
        for run in &mut self.runs {
            let unused = run.invocations.capacity() - run.invocations.len();
            if unused > run.invocations.len() / 8 {
                run.invocations.shrink_to_fit();
            }
        }
        self
    }
}

/// What reading some objects of one folder hour came to.
#[derive(Default)]
pub(crate) struct Report {
    /// Objects that are done.
    pub objects: u64,
    /// Of those, read to the end and verified.
    pub read: u64,
    /// What the read ones add to the books.
    pub tally: Tally,
    /// Their losses, by object.
    pub losses: Vec<(u32, Loss)>,
    /// The new size of those that were another object than listed, in stored bytes.
    pub revised: Vec<(u32, u64)>,
    /// The outcome of all others.
    pub others: Vec<(u32, Outcome)>,
    /// What was in them.
    pub batch: Batch,
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
    strays: Vec<Invocation>,
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
    pub whole_bytes_max: usize,
    /// Whether the ledger keeps a line of every loss.
    pub keep_lines: bool,
    pub progress: &'a Progress,
}

/// What one thread uses again for each object.
#[derive(Default)]
struct Memory {
    compactor: Compactor,
    decoder: Option<ObjectDecoder>,
    /// The stored bytes of the object at hand, where it is held whole.
    stored: Vec<u8>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

/// Where what is found goes.
struct Output<'a> {
    report: Report,
    send: &'a SyncSender<Message>,
}

impl<'a> Output<'a> {
    fn new(folder: Option<UtcHour>, send: &'a SyncSender<Message>) -> Self {
        let batch = Batch { folder, ..Batch::default() };
        Output { report: Report { batch, ..Report::default() }, send }
    }

    fn flush(&mut self) {
        let empty = Batch { folder: self.report.batch.folder, ..Batch::default() };
        let batch = std::mem::replace(&mut self.report.batch, empty);
        // A receiver that has gone away means that the run has stopped.
        let _ = self.send.send(Message::Invocations(batch.fit()));
    }

    /// Books an object that is done.
    fn book(&mut self, number: u32, outcome: Outcome) {
        let report = &mut self.report;
        report.objects += 1;
        match outcome {
            Outcome::Read(tally) => {
                report.read += 1;
                report.tally.merge(&tally);
                report.tally.losses_dropped += tally.losses_dropped;
                report.losses.extend(tally.losses_of(number));
                report.revised.extend(tally.revised_bytes.map(|bytes| (number, bytes)));
            }
            other => report.others.push((number, other)),
        }
    }

    fn done(mut self) {
        self.report.batch = std::mem::take(&mut self.report.batch).fit();
        let _ = self.send.send(Message::Done(Box::new(self.report)));
    }
}

impl Reader<'_> {
    /// Takes work from the feed until the objects of one admission are done, or the feed is closed.
    pub(crate) fn work(&self, send: &SyncSender<Message>) {
        MEMORY.with_borrow_mut(|memory| {
            while let Some(work) = self.feed.take() {
                let is_done = match work {
                    Work::Read(numbers, body) => self.read_objects(&numbers, body, memory, send),
                    Work::Resume(parked) => {
                        self.resume(*parked, memory, send);
                        true
                    }
                };
                if is_done {
                    return;
                }
            }
        });
    }

    /// Reads objects of one folder hour; whether they are done, or one of them is parked until its payloads are
    /// here. Where payloads come over a network, objects come one by one.
    fn read_objects(
        &self,
        numbers: &[u32],
        mut body: Option<Box<dyn Body>>,
        memory: &mut Memory,
        send: &SyncSender<Message>,
    ) -> bool {
        let folder = numbers.first().and_then(|&number| self.plan.objects[number as usize].role.hour());
        let mut output = Output::new(folder, send);
        for &number in numbers {
            if self.feed.is_closed() {
                return true;
            }
            let body = body.take();
            let read = || self.read_object(number, body, memory, &mut output);
            match catch_unwind(AssertUnwindSafe(read)).unwrap_or(Some(Outcome::Panicked)) {
                Some(outcome) => {
                    self.progress.object_done(self.plan.objects[number as usize].object.size);
                    output.book(number, outcome);
                }
                None => return false,
            }
        }
        output.done();
        true
    }

    /// Reads an object; `None` where it is parked until its payloads are here.
    fn read_object(
        &self,
        number: u32,
        body: Option<Box<dyn Body>>,
        memory: &mut Memory,
        output: &mut Output<'_>,
    ) -> Option<Outcome> {
        if !self.salvage {
            return self.read_once(number, body, None, memory, Some(output));
        }
        let planned = &self.plan.objects[number as usize];
        if planned.object.size.is_none() {
            // Standard input can be read only once: of damaged gzip too much has been handed over by then.
            return match self.read_once(number, body, None, memory, Some(output))? {
                Outcome::Failed(reason, Some(_)) if is_unverified(reason) => {
                    Some(Outcome::Failed(reason, None))
                }
                outcome => Some(outcome),
            };
        }
        // An object is read twice: first to learn how much of it is sound, then to count that much.
        match self.read_once(number, body, None, memory, None)? {
            Outcome::Read(_) => self.read_once(number, None, None, memory, Some(output)),
            Outcome::Failed(reason, Some(sound)) => {
                let verified = is_unverified(reason).then_some(sound.decoded_bytes);
                match self.read_once(number, None, verified, memory, Some(output))? {
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
    fn resume(&self, parked: Parked, memory: &mut Memory, send: &SyncSender<Message>) {
        let Parked { number, tally, found, waiting, strays, end } = parked;
        let planned = &self.plan.objects[number as usize];
        let mut output = Output::new(planned.role.hour(), send);
        let finish = || {
            let output = Some(&mut output);
            let sink = ObjectSink::new(self, number, planned, &mut memory.compactor, output);
            let mut sink = ObjectSink { tally, found, strays, ..sink };
            for Waiting { document, started } in waiting {
                sink.settle(document, &started);
            }
            sink.end(end)
        };
        let outcome = catch_unwind(AssertUnwindSafe(finish)).unwrap_or(Outcome::Panicked);
        self.progress.object_done(planned.object.size);
        output.book(number, outcome);
        output.done();
    }

    /// Reads an object. With `verified`, it is damaged gzip, and its first so many decoded bytes, the members
    /// whose checksums hold, are read as if they were the whole object.
    fn read_once(
        &self,
        number: u32,
        body: Option<Box<dyn Body>>,
        verified: Option<u64>,
        memory: &mut Memory,
        output: Option<&mut Output<'_>>,
    ) -> Option<Outcome> {
        let planned = &self.plan.objects[number as usize];
        let (kind, request_id) = match planned.role {
            Role::Split { kind, .. } => (kind, key::request_id(&planned.object.key, kind)),
            Role::Records { .. } | Role::Loose => (DocumentKind::Record, None),
        };
        let Memory { compactor, decoder, stored } = memory;
        let decoder = decoder.get_or_insert_with(|| ObjectDecoder::new(kind, self.decode));
        decoder.restart(kind);
        stored.clear();
        let sink = ObjectSink::new(self, number, planned, compactor, output);
        let is_whole =
            !self.salvage && planned.object.size.is_some_and(|size| size <= self.whole_bytes_max as u64);
        let mut intake = Intake {
            decoder,
            sink: ObjectSink { kind, request_id, ..sink },
            held: stored,
            held_max: if is_whole {
                self.whole_bytes_max
            } else if planned.role == Role::Loose {
                FOREIGN_PROBE_BYTES
            } else {
                0
            },
            is_whole,
            flows: false,
            members: verified.map(|bytes| (Gunzip::new(self.decode.decoded_bytes_max), bytes)),
            skipped: None,
            failure: None,
        };
        let store = &*self.sources[planned.source as usize].store;
        let is_long_gzip = !is_whole && !self.salvage && planned.object.key.ends_with(b".gz");
        let read = if is_long_gzip {
            self.read_ahead(planned, body, store, &mut intake)
        } else if is_whole && body.is_none() {
            store.read_whole(&planned.object, intake.held)
        } else {
            read_stored(planned, body, store, &mut |bytes| intake.take(bytes))
        };
        if read.is_ok() {
            intake.end();
        }
        let Intake { decoder, mut sink, skipped, failure, .. } = intake;
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

    /// Has a long gzip object read and unpacked by another thread while this one decodes it.
    fn read_ahead(
        &self,
        planned: &Planned,
        mut body: Option<Box<dyn Body>>,
        store: &dyn Store,
        intake: &mut Intake<'_, '_>,
    ) -> Result<Receipt, ReadFailure> {
        let read = |take: &mut dyn FnMut(&[u8]) -> bool| read_stored(planned, body.take(), store, take);
        let ended = unpack_ahead(self.decode.decoded_bytes_max, read, |piece| match piece {
            Piece::Stored(bytes) => intake.take(bytes),
            Piece::Unpacked(bytes) => intake.take_unpacked(bytes),
        });
        match ended {
            Ok(Ended::Whole(receipt)) => Ok(receipt),
            Ok(Ended::Unreadable(reason)) => Err(reason),
            // Why is noted already; how much was read by then matters to nobody.
            Ok(Ended::Enough) => Ok(Receipt::default()),
            Ok(Ended::Packed(failure)) => {
                intake.failure = Some(failure);
                Ok(Receipt::default())
            }
            // No thread: the object goes through this one.
            Err(_) => read_stored(planned, body, store, &mut |bytes| intake.take(bytes)),
        }
    }
}

/// Reads an object: from its body, where it was fetched, else from its store.
fn read_stored(
    planned: &Planned,
    body: Option<Box<dyn Body>>,
    store: &dyn Store,
    take: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<Receipt, ReadFailure> {
    match body {
        Some(body) => body.read(take),
        None => store.read(&planned.object, take),
    }
}

/// Takes an object's stored bytes: holds them until it is known what they are, or all of them where they are
/// few, and then has them decoded.
struct Intake<'a, 'o> {
    decoder: &'a mut ObjectDecoder,
    sink: ObjectSink<'a, 'o>,
    held: &'a mut Vec<u8>,
    /// More than this is not held.
    held_max: usize,
    /// What is held at the end is decoded at once.
    is_whole: bool,
    /// What was held is on its way; the rest follows at once.
    flows: bool,
    /// Only these members count: so many decoded bytes.
    members: Option<(Gunzip, u64)>,
    skipped: Option<&'static str>,
    failure: Option<ObjectFailure>,
}

impl Intake<'_, '_> {
    /// Takes the next bytes; whether more are wanted.
    fn take(&mut self, bytes: &[u8]) -> bool {
        if self.flows {
            return self.decode(bytes);
        }
        if self.held.len() + bytes.len() <= self.held_max {
            self.held.extend_from_slice(bytes);
            return true;
        }
        self.flows = true;
        if self.held.is_empty() && self.sink.planned.role != Role::Loose {
            return self.decode(bytes);
        }
        self.held.extend_from_slice(bytes);
        self.is_native() && {
            let held = std::mem::take(self.held);
            let goes_on = self.decode(&held);
            *self.held = held;
            goes_on
        }
    }

    /// Takes the next bytes of an object that was gzip.
    fn take_unpacked(&mut self, bytes: &[u8]) -> bool {
        self.flows = true;
        self.failure = self.decoder.push_unpacked(bytes, &mut self.sink).err();
        self.failure.is_none()
    }

    /// All bytes were taken.
    fn end(&mut self) {
        if self.flows || !self.is_native() {
            return;
        }
        let held = std::mem::take(self.held);
        if self.is_whole {
            self.failure = self.decoder.push_whole(&held, &mut self.sink).err();
        } else {
            self.decode(&held);
        }
        *self.held = held;
    }

    /// Looks at the first bytes of an object outside both layouts.
    fn is_native(&mut self) -> bool {
        if self.sink.planned.role == Role::Loose {
            self.skipped = foreign(self.held);
        }
        self.skipped.is_none()
    }

    fn decode(&mut self, bytes: &[u8]) -> bool {
        let Some((gunzip, left)) = &mut self.members else {
            self.failure = self.decoder.push(bytes, &mut self.sink).err();
            return self.failure.is_none();
        };
        let unpacked = gunzip.push(bytes, |decoded| {
            let count = decoded.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= count as u64;
            let pushed = self.decoder.push(&decoded[..count], &mut self.sink);
            self.failure = pushed.err();
            pushed
        });
        // Where and how it fails is known already.
        unpacked.is_ok() && *left > 0
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

struct ObjectSink<'a, 'o> {
    reader: &'a Reader<'a>,
    number: u32,
    planned: &'a Planned,
    kind: DocumentKind,
    request_id: Option<&'a str>,
    compactor: &'a mut Compactor,
    /// `None` where only how much of the object is sound is asked.
    output: Option<&'a mut Output<'o>>,
    tally: Tally,
    found: u64,
    /// Nobody sees them until it is known that the object counts.
    strays: Vec<Invocation>,
    /// Records whose payloads are on their way.
    waiting: Vec<Waiting>,
    pending: Option<Arc<Pending>>,
}

impl<'a, 'o> ObjectSink<'a, 'o> {
    fn new(
        reader: &'a Reader<'a>,
        number: u32,
        planned: &'a Planned,
        compactor: &'a mut Compactor,
        output: Option<&'a mut Output<'o>>,
    ) -> Self {
        ObjectSink {
            reader,
            number,
            planned,
            kind: DocumentKind::Record,
            request_id: None,
            compactor,
            output,
            tally: Tally::default(),
            found: 0,
            strays: Vec::new(),
            waiting: Vec::new(),
            pending: None,
        }
    }

    fn record(&mut self, document: Document<'_>) {
        if document.other_schema {
            self.tally.other_schema += 1;
            return;
        }
        if self.output.is_none() {
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
                    let first: Vec<_> = self.waiting.drain(..RECORDS_WAITING_FOR_PAYLOADS / 2).collect();
                    for Waiting { document, started } in first {
                        self.settle(document, &started);
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
        let (account, region) = (stream.account.as_deref(), stream.region.as_deref());
        match self.compactor.compact(document, sides, self.number, account, region) {
            Ok(invocation) => {
                let folder = self.planned.role.hour();
                note_place(&invocation, self.reader.plan, self.planned, folder, &mut self.tally);
                self.give(invocation, folder);
            }
            Err(reason) => {
                let loss = Loss { offset, bytes: 0, reason, record: true };
                self.tally.lose(loss, self.reader.keep_lines);
            }
        }
    }

    fn give(&mut self, invocation: Invocation, folder: Option<UtcHour>) {
        let Some(output) = &mut self.output else { return };
        let batch = &mut output.report.batch;
        if folder.is_some_and(|folder| is_stray(UtcHour::of(invocation.timestamp), folder)) {
            self.strays.push(invocation);
            if self.strays.len() < STRAYS_UNDECIDED {
                return;
            }
            // An object of nothing but strays: they need not be decided to be read a second time.
            batch.late.append(&mut self.strays);
        } else {
            batch.push(invocation);
            if batch.count < BATCH_INVOCATIONS {
                return;
            }
        }
        output.flush();
    }

    fn fragment(&mut self, mut document: Document<'_>) {
        let Role::Split { kind, .. } = self.planned.role else { return };
        let Some(name) = self.request_id else { return };
        let id = RequestId::parse(name);
        if document.request_id.as_ref().is_some_and(|inside| *inside != id) {
            self.lose(document.offset, 0, RejectReason::RequestIdMismatch);
            return;
        }
        document.request_id = Some(id.clone());
        self.tally.documents_decoded += 1;
        if let Some(output) = &mut self.output {
            let fragment = Fragment { kind, object: self.number, document: Box::new(document.into_owned()) };
            output.report.batch.fragments.push(((self.planned.stream, id), fragment));
        }
    }

    fn lose(&mut self, offset: u64, bytes: u64, reason: RejectReason) {
        self.tally.lose(Loss { offset, bytes, reason, record: false }, self.reader.keep_lines);
    }

    /// Ends the object, or parks it where records wait for payloads.
    fn end_or_park(mut self, end: End) -> Option<Outcome> {
        let waiting = std::mem::take(&mut self.waiting);
        match self.pending.take() {
            Some(pending) if !waiting.is_empty() && !self.reader.salvage => {
                if let Some(output) = &mut self.output {
                    output.flush();
                }
                let Self { number, tally, found, strays, .. } = self;
                pending.park(Box::new(Parked { number, tally, found, waiting, strays, end }));
                None
            }
            _ => {
                for Waiting { document, started } in waiting {
                    self.settle(document, &started);
                }
                Some(self.end(end))
            }
        }
    }

    /// The object counts, and its strays with it.
    fn release_strays(&mut self) {
        if let Some(output) = &mut self.output {
            for stray in self.strays.drain(..) {
                output.report.batch.push(stray);
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
        self.release_strays();
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
        self.release_strays();
        self.tally.documents_found = self.found;
        self.tally.decoded_bytes = verified_bytes;
        Outcome::Failed(failure.as_str(), Some(Box::new(self.tally)))
    }
}

impl Sink for ObjectSink<'_, '_> {
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
/// under its hour.
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
    *tally.own_hours.entry(own).or_default() += 1;
}

/// Whether a record lies further from its folder than a folder's records may.
pub(crate) fn is_stray(own: UtcHour, folder: UtcHour) -> bool {
    own.0.abs_diff(folder.0) > SLACK_HOURS.unsigned_abs()
}
