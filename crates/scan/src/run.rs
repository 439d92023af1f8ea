//! The run: objects in hour order through the threads, hours closed behind them.
//!
//! One coordinating thread owns all state; the pool's threads only read objects and send what they found. An
//! hour closes when every folder that can touch it is done. Records that turn up for an hour already closed
//! (strays) open it again at the end: its folders are read once more and the hour is given out anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};

use borehole_record::{DecodeOptions, Invocation, UtcHour};
use borehole_store::EscapedKey;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::cells::{self, Fate, HourStore};
use crate::compact::Compactor;
use crate::join::{Fragment, JoinKey, Joined, Joiner};
use crate::kept::{Keeper, Kept, Section, Slot};
use crate::ledger::{LedgerLine, Loss, Tally};
use crate::limits::{
    ASKED_WHETHER_STOPPED, CHUNK_BYTES, CHUNK_OBJECTS, CHUNKS_IN_FLIGHT_PER_THREAD, CLOSING_HOURS,
    CLOSING_HOURS_SPLIT, HOURS_AHEAD, HOURS_AHEAD_REMOTE, MESSAGES_WAITING, OBJECTS_IN_FLIGHT_REMOTE,
    READ_HOURS_MEMORY_SHARE, RECORDS_WAITING_FOR_PAYLOADS, SLACK_HOURS,
};
use crate::plan::{Plan, Planned, Role};
use crate::read::{Batch, Message, Outcome, Reader, Report, Run, is_stray, note_place};
use crate::resolve::{PayloadRoot, Resolve, Resolver, Started};
use crate::{Error, Ledger, Progress, Source};

mod keeping;

use keeping::Keeping;

/// How to scan.
#[derive(Clone)]
pub struct ScanOptions {
    /// Threads that read and decode; at least 1.
    pub threads: usize,
    /// Bytes of invocations held in memory before they go to a temporary file.
    pub memory_bytes: usize,
    /// Where that file lies.
    pub temporary: PathBuf,
    /// Bytes of that file that closed hours may take, for strays that belong to them ([`crate::limits::RETIRED_BYTES_MAX`]); with
    /// 0 they are never kept, and their folders are read again where a stray needs them.
    pub retired_bytes_max: u64,
    /// Most stored bytes of one object that a thread holds, to decode it at once
    /// ([`crate::limits::WHOLE_STORED_BYTES_MAX`]).
    pub whole_bytes_max: usize,
    /// Which payloads are read.
    pub resolve: Resolve,
    /// Where payloads lie, beside the sources themselves.
    pub payload_roots: Vec<PayloadRoot>,
    /// How to decode.
    pub decode: DecodeOptions,
    /// Count the intact part of damaged objects.
    pub salvage: bool,
    /// Order in which objects of one folder hour are read: anything. For tests; the result must not depend on it.
    pub shuffle_seed: Option<u64>,
}

/// Takes closed hours.
///
/// Several hours may be open at once, each on a thread of its own; they are closed one after the other, ascending,
/// but for hours that are given anew, and for those that stand from earlier runs, which come last.
pub trait CellSink: Sync {
    /// An hour while it is given.
    type Cell: Cell;

    /// An hour begins.
    fn open(&self, hour: UtcHour) -> Self::Cell;
    /// The hour is complete. It is in no sum yet, or was taken out before. `keep` is what is kept of it beside its
    /// rows; without it the hour is not kept anew.
    fn close(&mut self, cell: Self::Cell, keep: Option<KeepHour>);
    /// Takes an hour out of all sums, because strays belong to it: this is what was given for it the first time.
    /// What it is now is closed next.
    fn retract(&mut self, cell: Self::Cell);
    /// Hours that stand from earlier runs, each with the hash of what it was made of. Those that are given back were
    /// not known here, and are opened and closed like others.
    fn standing(&mut self, hours: Vec<(UtcHour, u128)>) -> Vec<UtcHour> {
        hours.into_iter().map(|(hour, _)| hour).collect()
    }
    /// Whether there is no use in going on: the scan then ends with [`Error::Stopped`], soon, but not before what is
    /// being read or closed at the moment is done.
    fn is_stopped(&self) -> bool {
        false
    }
    /// An hour that is kept has no rows any more.
    fn empty(&mut self, _hour: UtcHour, _keep: Vec<Section>) {}
}

/// What is kept of an hour beside its rows.
#[derive(Clone, Debug)]
pub struct KeepHour {
    /// A hash of what the hour was made of, as far as is known yet: as in [`CellSink::standing`].
    pub closing: u128,
    /// The sections of its state.
    pub sections: Vec<Section>,
}

/// What earlier runs left, for a run to use.
#[derive(Clone, Copy)]
pub struct KeptRun<'a> {
    /// What is kept.
    pub kept: &'a Kept,
    /// Where it is kept.
    pub keeper: &'a dyn Keeper,
    /// Nothing is read: what is kept is all there is, and nothing is kept anew.
    pub stands: bool,
}

/// What a run comes to.
pub struct Scanned {
    /// The books.
    pub ledger: Ledger,
    /// What each hour was made of, as a hash; only where hours are kept.
    pub closings: BTreeMap<UtcHour, u128>,
    /// Hours that stood from earlier runs.
    pub standing: u64,
    /// Objects that were not read because what was made of them is kept.
    pub unchanged: u64,
}

/// An hour that is being given.
pub trait Cell: Send {
    /// An invocation of the hour that stays; in no promised order. `stream` is its entry in [`Plan::streams`],
    /// `coverage` the one in [`Plan::coverage`].
    fn invocation(&mut self, invocation: &Invocation, stream: u32, coverage: Option<u32>);
    /// That was all: what can be done without the others is done here.
    fn seal(&mut self) {}
}

/// Reads everything that is planned, and gives out every hour of the range that holds anything.
///
/// # Errors
/// Where the run cannot go on: the temporary file fails, or an object changed between two readings. What is
/// wrong with single objects is in the ledger instead.
pub fn scan<S: CellSink>(
    plan: Plan,
    sources: &[Source],
    options: &ScanOptions,
    sink: &mut S,
    progress: &Progress,
) -> Result<(Plan, Ledger), Error> {
    let scanned = scan_keeping(&plan, sources, options, None, sink, progress)?;
    Ok((plan, scanned.ledger))
}

/// As [`scan`], with what earlier runs kept: what has not changed since is not read again.
///
/// # Errors
/// As [`scan`], and where what is kept turns out to be damaged ([`Error::KeptDamaged`]: without that state the run
/// goes through), or to lack what the answer needs where nothing else can be read ([`Error::NotKept`]).
pub fn scan_keeping<S: CellSink>(
    plan: &Plan,
    sources: &[Source],
    options: &ScanOptions,
    kept: Option<KeptRun<'_>>,
    sink: &mut S,
    progress: &Progress,
) -> Result<Scanned, Error> {
    let ledger = plan.ledger.clone();
    let keeping = match kept {
        Some(run) => Some(Keeping::new(run, plan, sources, options, ledger.tally.warnings.clone())?),
        None => None,
    };
    let is_read = |planned: &&Planned| keeping.as_ref().is_none_or(|keeping| keeping.reads(planned));
    let (count, bytes) = plan
        .objects
        .iter()
        .filter(is_read)
        .fold((0, 0), |(count, bytes), planned| (count + 1, bytes + planned.object.size.unwrap_or(0)));
    progress.planned(count, bytes);
    let unchanged = plan.objects.len() as u64 - count;
    let pool = |threads: usize| {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1));
        builder.build().map_err(|_| Error::Threads { threads })
    };
    let readers = pool(options.threads)?;
    // Payloads of joined records are read by threads of their own: the coordinator waits for them, and must not
    // wait for threads that in turn wait for nothing but their next object.
    let resolvers = if plan.has_split() { Some(pool(options.threads)?) } else { None };
    let mut resolver = Resolver::new(
        options.resolve,
        &options.payload_roots,
        sources,
        plan,
        options.threads,
        options.decode.decoded_bytes_max,
        progress,
    )?;
    resolver.list_conventional(plan)?;
    let reader = Reader {
        plan,
        sources,
        resolver: &resolver,
        feed: Arc::default(),
        decode: options.decode,
        salvage: options.salvage,
        whole_bytes_max: options.whole_bytes_max,
        keep_lines: ledger.keep_lines,
        progress,
    };
    // The stores share the limit: what waits for its neighbours, what came without a folder, and strays.
    let store = |share: usize| HourStore::new(options.memory_bytes / share, options.temporary.clone());
    let mut run = Scanning {
        plan,
        sources,
        options,
        sink,
        progress,
        reader: &reader,
        readers: &readers,
        resolvers: resolvers.as_ref(),
        ledger,
        books: BTreeMap::new(),
        keeping,
        given: BTreeSet::new(),
        open: store(2),
        aside: store(4),
        strays: store(4),
        joiner: Joiner::default(),
        fragments: BTreeMap::new(),
        failed: FxHashSet::default(),
        skipped: FxHashSet::default(),
        read_through: UtcHour(i64::MIN / 2),
        closed_through: UtcHour(i64::MIN / 2),
        reopen: BTreeSet::new(),
        pass: Pass::First,
        in_flight: 0,
        // Where hours are kept, those that stand take no part in a second reading: closed ones must not be forgotten.
        retires: options.retired_bytes_max > 0 || kept.is_some(),
        compactor: Compactor::default(),
        panicked: false,
    };
    readers.in_place_scope(|scope| {
        let ended = run.run(scope);
        if ended.is_err() {
            // Else the scope would wait for objects that nobody wants any more.
            reader.feed.close();
        }
        ended
    })?;
    if let Some(error) = resolver.stopped() {
        return Err(error.into());
    }
    let Scanning { mut ledger, books, panicked, keeping, .. } = run;
    if panicked {
        return Err(Error::Internal { what: "a reader stopped in the middle of an object" });
    }
    let (mut closings, mut standing) = (BTreeMap::new(), 0);
    if let Some(keeping) = keeping {
        keeping.kept_books(&mut ledger);
        standing = keeping.reuse.standing.len() as u64;
        closings = keeping.closings;
    }
    books.into_values().for_each(|books| ledger.merge(books));
    ledger.settle(plan.range);
    ledger.bytes_fetched = progress.read().bytes_fetched;
    Ok(Scanned { ledger, closings, standing, unchanged })
}

/// Which reading of the folders this is.
enum Pass {
    First,
    /// Hours are opened again: only records of the `needed` hours are taken, and only from folders near them.
    Again {
        needed: BTreeSet<UtcHour>,
        /// Those of them that are still to be given anew.
        hours: BTreeSet<UtcHour>,
    },
}

struct Scanning<'a, S> {
    plan: &'a Plan,
    sources: &'a [Source],
    options: &'a ScanOptions,
    sink: &'a mut S,
    progress: &'a Progress,
    reader: &'a Reader<'a>,
    readers: &'a rayon::ThreadPool,
    resolvers: Option<&'a rayon::ThreadPool>,
    /// The books of the listing, and of hours.
    ledger: Ledger,
    /// The books of each folder that is read.
    books: BTreeMap<Slot, Ledger>,
    /// What earlier runs left, and what this one leaves.
    keeping: Option<Keeping<'a>>,
    /// Hours that were given out.
    given: BTreeSet<UtcHour>,
    /// Records that lie in or beside their own hour's folder.
    open: HourStore,
    /// Records of files whose key names no hour, and strays into hours that are still to come.
    aside: HourStore,
    /// Strays into hours that are closed already, or whose neighbours are: for the second reading.
    strays: HourStore,
    joiner: Joiner,
    /// Documents of split folders that are not complete yet.
    fragments: BTreeMap<UtcHour, FxHashMap<JoinKey, Vec<Fragment>>>,
    failed: FxHashSet<u32>,
    skipped: FxHashSet<u32>,
    /// All hours up to this one could be closed: all that can touch them is read.
    read_through: UtcHour,
    /// All hours up to this one are closed.
    closed_through: UtcHour,
    /// Hours that strays belong to, with their neighbours.
    reopen: BTreeSet<UtcHour>,
    pass: Pass,
    /// Admissions of the reader that are not done.
    in_flight: usize,
    /// Closed hours are kept, so that strays into them need no second reading.
    retires: bool,
    compactor: Compactor,
    panicked: bool,
}

impl<'a, S: CellSink> Scanning<'a, S> {
    fn run<'s>(&mut self, scope: &rayon::Scope<'s>) -> Result<(), Error>
    where
        'a: 's,
    {
        self.load_needed()?;
        // Files without hours come first: what is in them then simply waits for its hour.
        let loose: Vec<u32> = self.numbers(|role| role == Role::Loose);
        self.read_all(scope, &loose)?;
        let foldered: Vec<u32> = self.numbers(|role| role != Role::Loose);
        self.read_all(scope, &foldered)?;
        self.finish_joining()?;
        self.close_through(UtcHour(i64::MAX / 4))?;
        self.open_again(scope)?;
        self.give_standing()?;
        self.keep_the_rest();
        Ok(())
    }

    /// Objects by number, in reading order: by folder hour, then by key.
    fn numbers(&self, wanted: impl Fn(Role) -> bool) -> Vec<u32> {
        let is_read = |planned: &Planned| self.keeping.as_ref().is_none_or(|keeping| keeping.reads(planned));
        let all = self.plan.objects.iter().enumerate();
        let all = all.filter(|(_, planned)| wanted(planned.role) && is_read(planned));
        let mut numbers: Vec<u32> =
            all.map(|(number, _)| u32::try_from(number).unwrap_or(u32::MAX)).collect();
        let seed = self.options.shuffle_seed;
        numbers.sort_by_key(|&number| {
            let hour = self.plan.objects[number as usize].role.hour();
            // A test's shuffle: a cheap bijection of the number within the hour.
            (hour, seed.map(|seed| (u64::from(number) ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15)), number)
        });
        numbers
    }

    /// Reads objects in the given order and closes hours behind them.
    fn read_all<'s>(&mut self, scope: &rayon::Scope<'s>, numbers: &[u32]) -> Result<(), Error>
    where
        'a: 's,
    {
        let (send, receive): (SyncSender<Message>, Receiver<Message>) = sync_channel(MESSAGES_WAITING);
        let mut waiting = numbers;
        // Unfinished objects per folder hour, waiting or in flight.
        let mut unfinished: BTreeMap<Option<UtcHour>, u64> = BTreeMap::new();
        for &number in numbers {
            *unfinished.entry(self.hour_of(number)).or_default() += 1;
        }
        let is_remote = self.sources.iter().any(|source| source.store.is_remote());
        // Where payloads come over a network, one object may have to wait for them while others go on.
        let one_by_one = is_remote || self.reader.resolver.is_remote();
        let (in_flight_max, hours_ahead) = if is_remote {
            (OBJECTS_IN_FLIGHT_REMOTE, HOURS_AHEAD_REMOTE)
        } else {
            let threads = self.options.threads.max(1);
            (threads * CHUNKS_IN_FLIGHT_PER_THREAD, threads + HOURS_AHEAD)
        };
        loop {
            // The hours that reading may touch now; in order, so the oldest unfinished ones.
            let last_allowed = unfinished.keys().nth(hours_ahead).copied();
            while self.in_flight < in_flight_max
                && let Some(&number) = waiting.first()
                && last_allowed.is_none_or(|last| self.hour_of(number) <= last)
            {
                let count = if one_by_one { 1 } else { self.chunk(waiting) };
                let (chunk, rest) = waiting.split_at(count);
                waiting = rest;
                self.in_flight += 1;
                let reader = self.reader;
                if one_by_one {
                    let planned = &self.plan.objects[number as usize];
                    reader.feed.admit(number, &*self.sources[planned.source as usize].store, &planned.object);
                } else {
                    reader.feed.admit_local(chunk.to_vec());
                }
                let send = send.clone();
                scope.spawn(move |_| reader.work(&send));
            }
            if self.in_flight == 0 {
                return Ok(());
            }
            self.go_on()?;
            let message = match receive.recv_timeout(ASKED_WHETHER_STOPPED) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::Internal { what: "readers are gone" });
                }
            };
            let report = match message {
                Message::Invocations(batch) => {
                    self.take_batch(batch)?;
                    continue;
                }
                Message::Done(report) => *report,
            };
            self.in_flight -= 1;
            let (objects, hour) = (report.objects, report.batch.folder);
            self.settle(report)?;
            let left =
                unfinished.get_mut(&hour).ok_or(Error::Internal { what: "an unknown object ended" })?;
            *left -= objects;
            if *left == 0 {
                unfinished.remove(&hour);
                // Everything before the oldest unfinished folder is read.
                let frontier = match unfinished.keys().next() {
                    Some(Some(next)) => Some(UtcHour(next.0 - 1)),
                    Some(None) => None,
                    None => hour,
                };
                if let Some(frontier) = frontier {
                    self.folders_read(frontier)?;
                }
            }
        }
    }

    /// An error where there is no use in going on. Asked before each piece of work that takes a noticeable time.
    fn go_on(&self) -> Result<(), Error> {
        if self.sink.is_stopped() { Err(Error::Stopped) } else { Ok(()) }
    }

    fn hour_of(&self, number: u32) -> Option<UtcHour> {
        self.plan.objects[number as usize].role.hour()
    }

    /// How many of the first objects, which are of one folder hour, make one piece of work.
    fn chunk(&self, numbers: &[u32]) -> usize {
        let hour = numbers.first().and_then(|&number| self.hour_of(number));
        let mut bytes = 0;
        let fit = numbers.iter().take(CHUNK_OBJECTS).take_while(|&&number| {
            let is_next = self.hour_of(number) == hour && bytes < CHUNK_BYTES;
            bytes += self.plan.objects[number as usize].object.size.unwrap_or(CHUNK_BYTES);
            is_next
        });
        fit.count().max(1)
    }

    /// Takes what was found in objects to where it waits.
    fn take_batch(&mut self, batch: Batch) -> Result<(), Error> {
        let folder = batch.folder;
        for run in batch.runs {
            self.take(run, folder)?;
        }
        for stray in batch.late {
            if let Some(keeping) = &mut self.keeping {
                keeping.note_strays(folder, std::slice::from_ref(&stray));
            }
            self.take_late(Run::of(stray))?;
        }
        if let Some(hour) = folder
            && !batch.fragments.is_empty()
        {
            let documents = self.fragments.entry(hour).or_default();
            for (key, fragment) in batch.fragments {
                documents.entry(key).or_default().push(fragment);
            }
        }
        Ok(())
    }

    /// Takes invocations of one hour, found in one folder hour, to where they wait for theirs.
    fn take(&mut self, run: Run, folder: Option<UtcHour>) -> Result<(), Error> {
        let own = run.hour;
        let is_stray = folder.is_some_and(|folder| is_stray(own, folder));
        if is_stray && let Some(keeping) = &mut self.keeping {
            keeping.note_strays(folder, &run.invocations);
        }
        let stands = |hour: i64| self.keeping.as_ref().is_some_and(|keeping| keeping.stands(UtcHour(hour)));
        let store = match &self.pass {
            Pass::First => {
                // A record of an hour beside the range decides about duplicates in it; one further out, about nothing.
                let (from, to) = self.plan.range.hours();
                if own.0 < from.0 - 1 || own.0 > to.0 {
                    return Ok(());
                }
                let first_touched = UtcHour(own.0 - SLACK_HOURS);
                let touches_standing = || (own.0 - SLACK_HOURS..=own.0 + SLACK_HOURS).any(stands);
                if folder.is_none() || is_stray && first_touched > self.closed_through && !touches_standing()
                {
                    &mut self.aside
                } else if is_stray {
                    return self.take_late(run);
                } else {
                    &mut self.open
                }
            }
            // What was set aside the first time is still there.
            Pass::Again { needed, .. } if is_stray || !needed.contains(&own) => return Ok(()),
            Pass::Again { .. } => &mut self.open,
        };
        store.insert_all(own, run.invocations, run.bytes).map_err(|cause| self.spill_error(cause))
    }

    /// Sets strays of one hour aside for the second reading. All hours they touch are opened again, those that are
    /// still open, too: each sees all of a stray or nothing of it, so that it can be taken back as it was given.
    fn take_late(&mut self, run: Run) -> Result<(), Error> {
        if matches!(self.pass, Pass::Again { .. }) {
            return Ok(());
        }
        self.reopen.extend((run.hour.0 - SLACK_HOURS..=run.hour.0 + SLACK_HOURS).map(UtcHour));
        self.strays.insert_all(run.hour, run.invocations, run.bytes).map_err(|cause| self.spill_error(cause))
    }

    /// Books what became of objects, and takes what was in them.
    fn settle(&mut self, report: Report) -> Result<(), Error> {
        for (number, outcome) in report.others {
            self.settle_other(number, outcome)?;
        }
        let slot = report.batch.folder;
        if self.books_of(slot) {
            let books = self.books.entry(slot).or_default();
            books.objects_read += report.read;
            for (number, now) in report.revised {
                if let Some(listed) = self.plan.objects[number as usize].object.size {
                    books.bytes_relisted += now.cast_signed() - listed.cast_signed();
                }
            }
            self.book(slot, &report.tally, report.losses);
        }
        self.take_batch(report.batch)
    }

    /// Books an object that was not read as it should.
    fn settle_other(&mut self, number: u32, outcome: Outcome) -> Result<(), Error> {
        let planned = &self.plan.objects[number as usize];
        if let Outcome::Failed(..) = outcome
            && let Some(error) = self.sources[planned.source as usize].store.stopped()
        {
            return Err(error.into());
        }
        if let Pass::Again { .. } = self.pass {
            return match outcome {
                Outcome::Read(_) | Outcome::Skipped(_) | Outcome::Failed(_, Some(_)) => Ok(()),
                Outcome::Failed(_, None) if self.failed.contains(&number) => Ok(()),
                Outcome::Failed(_, None) => {
                    Err(Error::Changed { key: EscapedKey(&planned.object.key).to_string() })
                }
                Outcome::Panicked => {
                    self.panicked = true;
                    Ok(())
                }
            };
        }
        let slot = planned.role.hour();
        if !self.books_of(slot) {
            // Read only for its documents, and what failed has none.
            match outcome {
                Outcome::Failed(_, None) => drop(self.failed.insert(number)),
                Outcome::Panicked => self.panicked = true,
                _ => {}
            }
            return Ok(());
        }
        let keep_lines = self.keeps_lines();
        let books = self.books.entry(slot).or_default();
        books.keep_lines = keep_lines;
        match outcome {
            // The report has them.
            Outcome::Read(_) => {}
            Outcome::Skipped(reason) => {
                self.skipped.insert(number);
                books.skip(reason);
                if reason == "own_file" {
                    // Our own files are no input: their size is not part of the books either.
                    books.bytes_relisted -= planned.object.size.unwrap_or(0).cast_signed();
                }
            }
            Outcome::Failed(reason, intact) => {
                books.fail(reason);
                let line = LedgerLine {
                    class: "object_failed",
                    reason,
                    source: self.sources[planned.source as usize].name.clone(),
                    key: planned.object.key.clone(),
                    offset: None,
                    bytes: planned.object.size,
                };
                books.note(line);
                match intact {
                    Some(tally) => {
                        books.salvaged += 1;
                        self.book(slot, &tally, tally.losses_of(number));
                    }
                    None => drop(self.failed.insert(number)),
                }
            }
            Outcome::Panicked => self.panicked = true,
        }
        Ok(())
    }

    /// Whether what is found in a folder is booked: it is not in the second reading, nor where the folder is only read
    /// for documents that join with those of others.
    fn books_of(&self, slot: Slot) -> bool {
        matches!(self.pass, Pass::First) && self.counts(slot)
    }

    /// Whether records of a folder count: it is not only read for documents that join with those of others.
    fn counts(&self, slot: Slot) -> bool {
        slot.is_none_or(|hour| self.plan.range.counts_folder(hour))
            && self.keeping.as_ref().is_none_or(|keeping| keeping.reuse.read.contains(&slot))
    }

    /// Whether a line of every loss is kept.
    fn keeps_lines(&self) -> bool {
        self.ledger.keep_lines || self.keeping.is_some()
    }

    /// Books a tally and the losses that it counts, by object.
    fn book(&mut self, slot: Slot, tally: &Tally, losses: impl IntoIterator<Item = (u32, Loss)>) {
        let keep_lines = self.keeps_lines();
        let books = self.books.entry(slot).or_default();
        books.keep_lines = keep_lines;
        books.tally.merge(tally);
        if keep_lines {
            books.lines_dropped += tally.losses_dropped;
        }
        for (number, loss) in losses {
            let planned = &self.plan.objects[number as usize];
            books.note(LedgerLine {
                class: if loss.record { "record_rejected" } else { "document_rejected" },
                reason: loss.reason.as_str(),
                source: self.sources[planned.source as usize].name.clone(),
                key: planned.object.key.clone(),
                offset: Some(loss.offset),
                bytes: Some(loss.bytes),
            });
        }
    }

    /// Every folder up to `frontier` is read: joins what can be joined, closes what can be closed.
    fn folders_read(&mut self, frontier: UtcHour) -> Result<(), Error> {
        let mut joined = Vec::new();
        while let Some(entry) = self.fragments.first_entry()
            && *entry.key() <= frontier
        {
            let (hour, mut documents) = entry.remove_entry();
            self.disown_failed(&mut documents);
            self.joiner.complete(hour, documents, &mut joined);
        }
        self.joiner.advance(frontier, &mut joined);
        self.take_joined(joined)?;
        let slack = if self.resolvers.is_some() { CLOSING_HOURS_SPLIT } else { CLOSING_HOURS };
        self.read_through(UtcHour(frontier.0 - slack))
    }

    fn finish_joining(&mut self) -> Result<(), Error> {
        let mut joined = Vec::new();
        for (hour, mut documents) in std::mem::take(&mut self.fragments) {
            self.disown_failed(&mut documents);
            self.joiner.complete(hour, documents, &mut joined);
        }
        self.joiner.finish(&mut joined);
        debug_assert!(self.joiner.is_empty());
        self.take_joined(joined)
    }

    fn disown_failed(&self, documents: &mut FxHashMap<JoinKey, Vec<Fragment>>) {
        if !self.failed.is_empty() {
            documents.retain(|_, fragments| {
                fragments.retain(|fragment| !self.failed.contains(&fragment.object));
                !fragments.is_empty()
            });
        }
    }

    /// Resolves the payloads of joined records, makes them invocations and books them.
    fn take_joined(&mut self, joined: Vec<Joined>) -> Result<(), Error> {
        if joined.is_empty() {
            return Ok(());
        }
        self.go_on()?;
        let resolver = self.reader.resolver;
        let mut joined = joined;
        while joined.len() > RECORDS_WAITING_FOR_PAYLOADS && resolver.is_remote() {
            let rest = joined.split_off(RECORDS_WAITING_FOR_PAYLOADS);
            self.take_joined(std::mem::replace(&mut joined, rest))?;
        }
        // What lies in a bucket is asked for all at once, before anything waits for it.
        let joined: Vec<_> =
            joined.into_iter().map(|joined| (resolver.begin(&joined.document, true, None), joined)).collect();
        let resolve = |(started, mut joined): (Vec<Started>, Joined)| {
            let mut tally = Tally::default();
            let sides = resolver.resolve(&mut joined.document, true, &started, &mut tally);
            (joined, sides, tally)
        };
        let resolved: Vec<_> = match self.resolvers {
            // A handful is not worth waking threads for, and records without payloads cost nothing.
            Some(pool)
                if joined.len() > 16
                    && (resolver.has_conventional() || self.options.resolve > Resolve::Never) =>
            {
                pool.install(|| joined.into_par_iter().map(resolve).collect())
            }
            _ => joined.into_iter().map(resolve).collect(),
        };
        for (joined, sides, mut tally) in resolved {
            let Joined { folder, object, document, siblings, superseded, conflict } = joined;
            // Each document is booked in its own folder, whatever it became part of.
            for sibling in siblings {
                if self.books_of(Some(sibling)) {
                    self.books.entry(Some(sibling)).or_default().tally.documents_joined += 1;
                }
            }
            for _ in 0..superseded {
                tally.warn("document_superseded");
            }
            if conflict {
                tally.warn("document_conflict");
            }
            if !self.counts(Some(folder)) {
                continue;
            }
            let is_booked = self.books_of(Some(folder));
            let planned = &self.plan.objects[object as usize];
            let offset = document.offset;
            match self.compactor.compact(document, sides, object, None, None) {
                Ok(invocation) => {
                    note_place(&invocation, self.plan, planned, Some(folder), &mut tally);
                    self.take(Run::of(invocation), Some(folder))?;
                }
                Err(reason) => {
                    tally.lose(Loss { offset, bytes: 0, reason, record: true }, self.keeps_lines());
                }
            }
            if is_booked {
                self.book(Some(folder), &tally, tally.losses_of(object));
            }
        }
        Ok(())
    }

    /// Nothing more will be read that touches hours up to `last`. They are closed when their memory is needed, or
    /// else in the end, by all threads: until then a stray into one of them is no stray.
    fn read_through(&mut self, last: UtcHour) -> Result<(), Error> {
        self.read_through = self.read_through.max(last);
        if !self.retires || matches!(self.pass, Pass::Again { .. }) {
            return self.close_through(last);
        }
        let limit = self.memory_of_read_hours();
        while let Some(hour) = self.next_to_close()
            && self.open.bytes_through(last) + self.aside.bytes_through(last) > limit
        {
            self.close_through(hour)?;
        }
        Ok(())
    }

    /// Bytes that hours may take of which all is read, closed or not.
    fn memory_of_read_hours(&self) -> usize {
        self.options.memory_bytes / READ_HOURS_MEMORY_SHARE
    }

    /// The first hour that could be closed.
    fn next_to_close(&self) -> Option<UtcHour> {
        let (from, to) = self.plan.range.hours();
        let first = UtcHour(self.closed_through.0 + 1).max(from);
        let last = self.read_through.min(UtcHour(to.0 - 1));
        let held = self.open.hours().chain(self.aside.hours());
        held.filter(|&hour| first <= hour && hour <= last && !self.stands(hour)).min()
    }

    /// Closes every hour up to `last` that holds anything and is not closed yet.
    fn close_through(&mut self, last: UtcHour) -> Result<(), Error> {
        if last <= self.closed_through {
            return Ok(());
        }
        let closed_before = UtcHour(self.closed_through.0 + 1);
        self.closed_through = last;
        if let Pass::Again { hours, .. } = &mut self.pass {
            let later = hours.split_off(&UtcHour(last.0 + 1));
            for hour in std::mem::replace(hours, later) {
                self.go_on()?;
                self.close_again(hour)?;
                self.open.drop_before(hour);
            }
            return Ok(());
        }
        let (from, to) = self.plan.range.hours();
        let first = closed_before.max(from);
        let end = UtcHour(last.0 + 1).min(to);
        let held = self.open.hours().chain(self.aside.hours());
        let is_closing = |hour: &UtcHour| first <= *hour && *hour < end && !self.stands(*hour);
        let hours: BTreeSet<UtcHour> = held.filter(is_closing).collect();
        let hours: Vec<UtcHour> = hours.into_iter().collect();
        let is_last = self.in_flight == 0;
        // In groups, so that not all of what they are reduced to is held at once.
        for group in hours.chunks(if is_last { self.options.threads.max(1) * 2 } else { 1 }) {
            self.close_all(group)?;
            self.go_on()?;
            if let Some(&hour) = group.last() {
                self.leave_behind(hour)?;
            }
        }
        self.keep_folders(last);
        self.leave_behind(last)
    }

    /// Closes hours: those that lie in memory at once, by all threads, where there are several.
    fn close_all(&mut self, hours: &[UtcHour]) -> Result<(), Error> {
        let is_resident = |hour: &UtcHour| self.open.is_resident(*hour) && self.aside.is_resident(*hour);
        if hours.len() < 2 || !hours.iter().all(is_resident) {
            return hours.iter().try_for_each(|&hour| self.close(hour, false));
        }
        let Scanning { open, aside, failed, sink, plan, keeping, .. } = self;
        let (stores, sink, failed, plan) = ([&*open, &*aside], &**sink, &*failed, *plan);
        let keeps = keeping.as_ref().is_some_and(|keeping| !keeping.run.stands);
        let given: Vec<_> = self.readers.install(|| {
            let give = |&hour: &UtcHour| {
                let mut giving = Giving::new(hour, sink, plan, keeps);
                let duplicates = cells::close_resident(hour, &stores, failed, &mut |invocation, fate| {
                    giving.give(invocation, fate);
                });
                giving.end(duplicates)
            };
            hours.par_iter().map(give).collect()
        });
        for (&hour, given) in hours.iter().zip(given) {
            self.book_closed(hour, given);
        }
        Ok(())
    }

    fn book_closed(&mut self, hour: UtcHour, given: Option<Given<S::Cell>>) {
        if let Some(Given { cell, duplicates, dropped }) = given {
            let keep = self.closing_sections(hour, duplicates, &dropped);
            self.sink.close(cell, keep);
            self.ledger.duplicates.insert(hour, duplicates);
            self.given.insert(hour);
        }
        self.progress.hour_closed();
    }

    /// What lies before `hour` is not needed any more, unless strays turn up.
    fn leave_behind(&mut self, hour: UtcHour) -> Result<(), Error> {
        self.retires &= self.open.spilled_bytes() <= self.options.retired_bytes_max;
        if self.retires {
            // While there is more to read, they are kept in memory only as long as they are not closed.
            let memory = if self.in_flight == 0 { self.memory_of_read_hours() } else { 0 };
            self.open.retire_before(hour, memory).map_err(|cause| self.spill_error(cause))
        } else {
            self.open.drop_before(hour);
            Ok(())
        }
    }

    fn close(&mut self, hour: UtcHour, with_strays: bool) -> Result<(), Error> {
        let given = self.give(hour, with_strays)?;
        self.book_closed(hour, given);
        Ok(())
    }

    /// What stays of an hour, and how many copies do not. Of an hour in which there is nothing but what failed
    /// objects handed over, nobody hears.
    fn give(&mut self, hour: UtcHour, with_strays: bool) -> Result<Option<Given<S::Cell>>, Error> {
        let Scanning { open, aside, strays, failed, sink, plan, keeping, .. } = self;
        let mut stores = vec![open, aside];
        if with_strays {
            stores.push(strays);
        }
        let keeps = keeping.as_ref().is_some_and(|keeping| !keeping.run.stands);
        let mut giving = Giving::new(hour, &**sink, plan, keeps);
        let closed = cells::close(hour, &mut stores, failed, &mut |invocation, fate| {
            giving.give(invocation, fate);
        });
        let duplicates = closed.map_err(|cause| Error::Spill {
            directory: self.options.temporary.display().to_string(),
            cause,
        })?;
        Ok(giving.end(duplicates))
    }

    /// Opens again the hours that strays belong to.
    fn open_again<'s>(&mut self, scope: &rayon::Scope<'s>) -> Result<(), Error>
    where
        'a: 's,
    {
        let hours: BTreeSet<UtcHour> = std::mem::take(&mut self.reopen)
            .into_iter()
            .filter(|&hour| self.plan.range.holds_hour(hour))
            .collect();
        if hours.is_empty() {
            return Ok(());
        }
        let beside = |hours: &BTreeSet<UtcHour>, distance: i64| -> BTreeSet<UtcHour> {
            hours.iter().flat_map(|hour| (hour.0 - distance..=hour.0 + distance).map(UtcHour)).collect()
        };
        let needed = beside(&hours, SLACK_HOURS);
        self.load_standing(&hours, &needed)?;
        if self.retires {
            // Everything is still there.
            self.pass = Pass::Again { needed, hours };
            self.closed_through = UtcHour(i64::MIN / 2);
            return self.close_through(UtcHour(i64::MAX / 4));
        }
        let slack = if self.resolvers.is_some() { CLOSING_HOURS_SPLIT } else { SLACK_HOURS };
        let folders = beside(&needed, slack);
        let numbers: Vec<u32> = self
            .numbers(|role| role.hour().is_some_and(|hour| folders.contains(&hour)))
            .into_iter()
            .filter(|number| !self.failed.contains(number) && !self.skipped.contains(number))
            .collect();
        let bytes = numbers.iter().filter_map(|&number| self.plan.objects[number as usize].object.size).sum();
        self.progress.planned_again(numbers.len() as u64, bytes);
        self.open.clear();
        self.pass = Pass::Again { needed, hours };
        self.closed_through = UtcHour(i64::MIN / 2);
        self.read_all(scope, &numbers)?;
        self.finish_joining()?;
        self.close_through(UtcHour(i64::MAX / 4))
    }

    /// Takes back what was given for an hour, and gives it anew with its strays.
    fn close_again(&mut self, hour: UtcHour) -> Result<(), Error> {
        let was_given = self.given.contains(&hour);
        let stood =
            self.keeping.as_mut().is_some_and(|keeping| keeping.reuse.standing.remove(&hour).is_some());
        // A neighbour in which nothing lies was not given out before, and is not now.
        if !was_given && !stood && !self.strays.holds(hour) {
            return Ok(());
        }
        self.recall_around(hour)?;
        if was_given {
            if !self.is_touched(hour) {
                return Ok(());
            }
            if let Some(given) = self.give(hour, false)? {
                self.sink.retract(given.cell);
            }
        }
        self.close(hour, true)
    }

    /// Takes what decides about an hour back into memory, where it is not too much: it is wanted several times.
    fn recall_around(&mut self, hour: UtcHour) -> Result<(), Error> {
        // An invocation and its share of the strings, roughly.
        const INVOCATION_BYTES: u64 = 2 * size_of::<Invocation>() as u64;
        let count = cells::count_around(hour, &[&self.open, &self.aside]);
        if count * INVOCATION_BYTES > self.options.memory_bytes as u64 / 2 {
            return Ok(());
        }
        let mut recall = |hour| self.open.recall(hour).and_then(|()| self.aside.recall(hour));
        (hour.0 - SLACK_HOURS..=hour.0 + SLACK_HOURS)
            .map(UtcHour)
            .try_for_each(&mut recall)
            .map_err(|cause| self.spill_error(cause))
    }

    /// Whether a stray may change what was given for an hour: it lies in it, or may be a copy of something in it.
    fn is_touched(&self, hour: UtcHour) -> bool {
        if self.strays.holds(hour) {
            return true;
        }
        let Some(strays) = self.strays.fingerprints_around(hour) else { return true };
        [&self.open, &self.aside].iter().any(|store| store.may_hold(hour, &strays) != Some(false))
    }

    fn spill_error(&self, cause: std::io::Error) -> Error {
        Error::Spill { directory: self.options.temporary.display().to_string(), cause }
    }
}

/// An hour on its way to the sink.
struct Giving<'a, S: CellSink> {
    hour: UtcHour,
    sink: &'a S,
    plan: &'a Plan,
    keeps: bool,
    cell: Option<S::Cell>,
    dropped: Vec<Invocation>,
}

/// An hour for the sink.
struct Given<C> {
    cell: C,
    /// Copies that were dropped.
    duplicates: u64,
    /// The same, where they are kept.
    dropped: Vec<Invocation>,
}

impl<'a, S: CellSink> Giving<'a, S> {
    fn new(hour: UtcHour, sink: &'a S, plan: &'a Plan, keeps: bool) -> Self {
        Giving { hour, sink, plan, keeps, cell: None, dropped: Vec::new() }
    }

    fn give(&mut self, invocation: &Invocation, fate: Fate) {
        if fate == Fate::Dropped {
            if self.keeps {
                self.dropped.push(invocation.clone());
            }
            return;
        }
        let cell = self.cell.get_or_insert_with(|| self.sink.open(self.hour));
        let stream = self.plan.objects[invocation.object as usize].stream;
        cell.invocation(invocation, stream, self.plan.stream_coverage[stream as usize]);
    }

    /// The hour with its copies that were dropped; `None` if there is nothing to tell.
    fn end(self, duplicates: u64) -> Option<Given<S::Cell>> {
        let mut cell = match self.cell {
            None if duplicates == 0 => return None,
            None => self.sink.open(self.hour),
            Some(cell) => cell,
        };
        cell.seal();
        Some(Given { cell, duplicates, dropped: self.dropped })
    }
}
