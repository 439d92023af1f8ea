//! A store in memory, with faults on demand, and the books of a run laid open.
//!
//! Everything a scan is tested with: sources made of key and bytes, a sink that keeps what it is given, and the
//! balances that must hold after every run, whatever was in it.

#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use borehole_record::{DecodeOptions, Invocation, Timestamp, UtcDay, UtcHour};
use borehole_scan::KeepHour;
use borehole_scan::{
    Cell, CellSink, Error, Ledger, ListOptions, PayloadRoot, Plan, Progress, Range, Resolve, ScanOptions,
    Source, scan,
};
use borehole_store::{
    Body, Listed, Object, ReadFailure, Ready, Receipt, Restore, StorageClass, Store, Version,
};

pub(crate) mod world;

/// What goes wrong with one object.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Reading fails after so many bytes were handed over.
    Read { after: usize, reason: ReadFailure },
    /// The listing cannot look at it.
    List(ReadFailure),
    /// It is no regular file.
    Skip,
}

/// Objects in memory.
#[derive(Default)]
pub(crate) struct MemoryStore {
    pub(crate) objects: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) faults: BTreeMap<Vec<u8>, Fault>,
    /// Keys that are names of one and the same file, by group.
    pub(crate) identities: BTreeMap<Vec<u8>, u64>,
    /// Bytes handed over at a time; 0 for whole objects.
    pub(crate) chunk_bytes: usize,
    /// Turns the order of the listing about.
    pub(crate) listing_seed: u64,
    /// This read fails, counted from 1.
    pub(crate) failing_read: Option<u64>,
    /// Reading the first waits until the second has handed over what it hands over before it fails.
    pub(crate) gate: Option<(Vec<u8>, Vec<u8>)>,
    /// Like standard input: no size is known, and each object can be read once.
    pub(crate) read_once: bool,
    /// How often each object was read.
    pub(crate) reads: Mutex<BTreeMap<Vec<u8>, u64>>,
    /// Folders that were entered.
    pub(crate) entered: Mutex<BTreeSet<Vec<u8>>>,
    pub(crate) read_count: AtomicU64,
    pub(crate) gate_is_open: AtomicBool,
}

impl MemoryStore {
    pub(crate) fn with<'a>(objects: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> Self {
        let objects = objects.into_iter().map(|(key, bytes)| (key.as_bytes().to_vec(), bytes)).collect();
        MemoryStore { objects, ..MemoryStore::default() }
    }

    pub(crate) fn fault(mut self, key: &str, fault: Fault) -> Self {
        self.faults.insert(key.as_bytes().to_vec(), fault);
        self
    }

    pub(crate) fn reads_of(&self, key: &str) -> u64 {
        self.reads.lock().unwrap().get(key.as_bytes()).copied().unwrap_or(0)
    }

    fn object(&self, key: &[u8], bytes: &[u8]) -> Object {
        Object {
            key: key.into(),
            size: (!self.read_once).then_some(bytes.len() as u64),
            // As of every real store: other bytes under the same key are another version, whatever their number.
            version: Version::Digest(xxhash_rust::xxh3::xxh3_128(bytes).to_le_bytes()),
            identity: self.identities.get(key).map(|&group| (1, group)),
            class: StorageClass::Standard,
            restore: Restore::None,
        }
    }
}

/// A cheap bijection, so that an order depends on a seed.
fn scatter(number: u64, seed: u64) -> u64 {
    (number ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

impl Store for MemoryStore {
    fn list(
        &self,
        prefix: &[u8],
        enter: &mut dyn FnMut(&[u8]) -> bool,
        found: &mut dyn FnMut(Listed),
    ) -> Result<(), borehole_store::Error> {
        let prefix = prefix.strip_suffix(b"/").unwrap_or(prefix);
        let mut keys: Vec<&Vec<u8>> = self.objects.keys().collect();
        let mut numbers: BTreeMap<&[u8], u64> = BTreeMap::new();
        for (number, key) in keys.iter().enumerate() {
            numbers.insert(key, number as u64);
        }
        if self.listing_seed != 0 {
            keys.sort_by_key(|key| scatter(numbers[&***key], self.listing_seed));
        }
        let mut decisions: BTreeMap<Vec<u8>, bool> = BTreeMap::new();
        for key in keys {
            let below = prefix.is_empty() || key.starts_with(&[prefix, b"/"].concat()) || **key == *prefix;
            let slashes = key.iter().enumerate().filter(|(at, byte)| **byte == b'/' && *at > prefix.len());
            let mut entered = below;
            for (at, _) in slashes {
                let folder = &key[..at];
                entered = entered && *decisions.entry(folder.to_vec()).or_insert_with(|| enter(folder));
                if entered {
                    self.entered.lock().unwrap().insert(folder.to_vec());
                }
            }
            if !entered {
                continue;
            }
            found(match self.faults.get(key) {
                Some(Fault::List(reason)) => Listed::Failed { key: (&**key).into(), reason: *reason },
                Some(Fault::Skip) => Listed::Skipped { key: (&**key).into(), reason: "not_regular_file" },
                _ => Listed::Object(self.object(key, &self.objects[key])),
            });
        }
        Ok(())
    }

    fn read(&self, object: &Object, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<Receipt, ReadFailure> {
        let times = {
            let mut reads = self.reads.lock().unwrap();
            let times = reads.entry(object.key.to_vec()).or_default();
            *times += 1;
            *times
        };
        if self.read_once && times > 1 {
            return Err(ReadFailure::Vanished);
        }
        let number = self.read_count.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = self.objects.get(&*object.key).ok_or(ReadFailure::Vanished)?;
        let fault = match self.faults.get(&*object.key) {
            Some(&Fault::Read { after, reason }) => Some((after.min(bytes.len()), reason)),
            _ if self.failing_read == Some(number) => Some((bytes.len() / 2, ReadFailure::Io)),
            _ => None,
        };
        let (waits, opens) = match &self.gate {
            Some((waiting, opening)) => (**waiting == *object.key, **opening == *object.key),
            None => (false, false),
        };
        // Ten seconds are long enough for any machine, and end a test that would hang.
        for _ in (0..10_000).take_while(|_| waits && !self.gate_is_open.load(Ordering::SeqCst)) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let given = &bytes[..fault.map_or(bytes.len(), |(after, _)| after)];
        let chunk_bytes = if self.chunk_bytes == 0 { given.len().max(1) } else { self.chunk_bytes };
        let mut total = 0;
        for chunk in given.chunks(chunk_bytes) {
            total += chunk.len() as u64;
            if !take(chunk) {
                return Ok(Receipt { bytes: total, revised: false });
            }
        }
        if opens {
            self.gate_is_open.store(true, Ordering::SeqCst);
            // Time for the one that waited to end first.
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        fault.map_or(Ok(Receipt { bytes: total, revised: false }), |(_, reason)| Err(reason))
    }

    fn head(&self, key: &[u8]) -> Result<Option<Object>, ReadFailure> {
        if let Some(bytes) = self.objects.get(key) {
            return Ok(Some(self.object(key, bytes)));
        }
        let folder = [key, b"/"].concat();
        let is_folder =
            self.objects.range(folder.clone()..).next().is_some_and(|(key, _)| key.starts_with(&folder));
        if is_folder { Err(ReadFailure::NotRegularFile) } else { Ok(None) }
    }
}

/// A store as if over a network: bodies come late, in an order that depends on a seed, and each only once whole.
pub(crate) struct Remote {
    inner: Arc<dyn Store>,
    seed: u64,
}

/// The same sources over a network.
pub(crate) fn remote(sources: Vec<Source>, seed: u64) -> Vec<Source> {
    let over = |source: Source| Source { store: Arc::new(Remote { inner: source.store, seed }), ..source };
    sources.into_iter().map(over).collect()
}

/// A body: its chunks, and how it ended.
struct Arrived(Vec<Vec<u8>>, Result<Receipt, ReadFailure>);

impl Body for Arrived {
    fn read(self: Box<Self>, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<Receipt, ReadFailure> {
        let Arrived(chunks, end) = *self;
        let mut bytes = 0;
        for chunk in chunks {
            bytes += chunk.len() as u64;
            if !take(&chunk) {
                return Ok(Receipt { bytes, revised: false });
            }
        }
        end
    }
}

impl Store for Remote {
    fn list(
        &self,
        prefix: &[u8],
        enter: &mut dyn FnMut(&[u8]) -> bool,
        found: &mut dyn FnMut(Listed),
    ) -> Result<(), borehole_store::Error> {
        self.inner.list(prefix, enter, found)
    }

    fn read(&self, object: &Object, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<Receipt, ReadFailure> {
        self.inner.read(object, take)
    }

    fn head(&self, key: &[u8]) -> Result<Option<Object>, ReadFailure> {
        self.inner.head(key)
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn fetch(&self, object: &Object, ready: Ready) -> Result<(), Ready> {
        let mut chunks = Vec::new();
        let read = self.inner.read(object, &mut |chunk| {
            chunks.push(chunk.to_vec());
            true
        });
        let arrived = Arrived(chunks, read);
        let number = object.key.iter().fold(self.seed, |sum, &byte| scatter(sum, u64::from(byte)));
        let pause = std::time::Duration::from_micros(number % 3_000);
        std::thread::spawn(move || {
            std::thread::sleep(pause);
            ready(Box::new(arrived));
        });
        Ok(())
    }
}

/// A source over a store.
pub(crate) fn source(store: Arc<MemoryStore>) -> Source {
    Source {
        name: "memory".to_owned(),
        store,
        root: None,
        s3: None,
        prefix: Vec::new(),
        range: None,
        is_file: false,
    }
}

/// As [`source`], in a directory of this name: a payload root that stands for the bucket of that name.
pub(crate) fn bucket(name: &str, store: Arc<MemoryStore>) -> Source {
    Source { root: Some(format!("/nowhere/{name}").into()), ..source(store) }
}

pub(crate) fn options() -> ScanOptions {
    ScanOptions {
        threads: 2,
        memory_bytes: 1 << 20,
        temporary: std::env::temp_dir(),
        resolve: Resolve::Facts,
        payload_roots: Vec::<PayloadRoot>::new(),
        decode: DecodeOptions {
            facts: true,
            accept_epoch: false,
            lenient_numbers: false,
            allow_double_gzip: false,
            decoded_bytes_max: 1 << 30,
        },
        salvage: false,
        shuffle_seed: None,
        retired_bytes_max: borehole_scan::limits::RETIRED_BYTES_MAX,
        whole_bytes_max: borehole_scan::limits::WHOLE_STORED_BYTES_MAX,
    }
}

/// Keeps every cell it is given.
#[derive(Default)]
struct Cells {
    hours: BTreeMap<UtcHour, Vec<(Invocation, Option<u32>)>>,
    given: BTreeMap<UtcHour, u64>,
}

/// An hour that is being given.
struct Hour {
    hour: UtcHour,
    invocations: Vec<(Invocation, Option<u32>)>,
    is_sealed: bool,
}

impl Cell for Hour {
    fn invocation(&mut self, invocation: &Invocation, _stream: u32, coverage: Option<u32>) {
        assert_eq!(UtcHour::of(invocation.timestamp), self.hour, "an invocation belongs to its own hour");
        assert!(!self.is_sealed, "nothing comes after the end");
        self.invocations.push((invocation.clone(), coverage));
    }

    fn seal(&mut self) {
        assert!(!self.is_sealed, "an hour ends once");
        self.is_sealed = true;
    }
}

impl CellSink for Cells {
    type Cell = Hour;

    fn open(&self, hour: UtcHour) -> Hour {
        Hour { hour, invocations: Vec::new(), is_sealed: false }
    }

    fn close(&mut self, cell: Hour, _keep: Option<KeepHour>) {
        assert!(cell.is_sealed);
        *self.given.entry(cell.hour).or_default() += 1;
        assert!(
            self.hours.insert(cell.hour, cell.invocations).is_none(),
            "given twice, and never taken back"
        );
    }

    fn retract(&mut self, cell: Hour) {
        assert!(cell.is_sealed);
        let sorted = |mut given: Vec<(Invocation, Option<u32>)>| {
            given.sort_by_key(|(invocation, _)| (invocation.object, invocation.offset));
            given
        };
        let before = self.hours.remove(&cell.hour).expect("only what was given is taken back");
        assert_eq!(sorted(cell.invocations), sorted(before), "an hour is taken back as it was given");
    }
}

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) plan: Plan,
    pub(crate) ledger: Ledger,
    /// Hours that hold anything, in canonical order of place.
    pub(crate) hours: BTreeMap<UtcHour, Vec<(Invocation, Option<u32>)>>,
    /// How often each hour was given out.
    pub(crate) given: BTreeMap<UtcHour, u64>,
}

impl Outcome {
    /// Invocations that stay.
    pub(crate) fn counted(&self) -> u64 {
        self.hours.values().map(|hour| hour.len() as u64).sum()
    }

    pub(crate) fn invocations(&self) -> impl Iterator<Item = &Invocation> {
        self.hours.values().flatten().map(|(invocation, _)| invocation)
    }

    pub(crate) fn failed(&self) -> Vec<(&str, u64)> {
        self.ledger.objects_failed.iter().map(|(reason, count)| (*reason, *count)).collect()
    }

    pub(crate) fn skipped(&self) -> Vec<(&str, u64)> {
        self.ledger.objects_skipped.iter().map(|(reason, count)| (*reason, *count)).collect()
    }

    pub(crate) fn warnings(&self, code: &str) -> u64 {
        let decoder =
            self.ledger.tally.decoder_warnings.iter().filter(|(warning, _)| warning.as_str() == code);
        let decoder: u64 = decoder.map(|(_, count)| count).sum();
        decoder + self.ledger.tally.warnings.get(code).copied().unwrap_or(0)
    }

    /// Every balance of the books.
    pub(crate) fn assert_balanced(&self) {
        let sum = |reasons: &BTreeMap<&'static str, u64>| reasons.values().sum::<u64>();
        let ledger = &self.ledger;
        let tally = &ledger.tally;
        assert_eq!(
            ledger.objects_listed,
            ledger.objects_read + sum(&ledger.objects_skipped) + sum(&ledger.objects_failed),
            "objects: {ledger:?}"
        );
        assert_eq!(
            tally.documents_found,
            tally.documents_decoded + sum(&tally.documents_rejected),
            "documents: {tally:?}"
        );
        assert_eq!(
            tally.documents_decoded - tally.documents_joined,
            self.counted()
                + ledger.duplicates_total()
                + tally.other_schema
                + tally.out_of_range
                + sum(&tally.records_rejected),
            "records: {} counted, {ledger:?}",
            self.counted()
        );
        let references = &tally.references;
        assert_eq!(
            references.seen,
            references.resolved
                + references.not_needed
                + references.missing
                + references.archived
                + sum(&references.refused)
                + references.failed,
            "references: {references:?}"
        );
    }
}

/// Plans and scans, and holds the books to their balances.
pub(crate) fn run_with(sources: &[Source], range: Range, options: &ScanOptions) -> Result<Outcome, Error> {
    run_noting(sources, range, options, true)
}

/// As [`run_with`], with or without a line of every loss.
pub(crate) fn run_noting(
    sources: &[Source],
    range: Range,
    options: &ScanOptions,
    keep_lines: bool,
) -> Result<Outcome, Error> {
    let progress = Progress::default();
    let plan = Plan::list(
        sources,
        range,
        ListOptions { keep_lines, payloads: true, any_key: true, keep_listing: false },
        &progress,
    )?;
    let mut cells = Cells::default();
    let (plan, ledger) = scan(plan, sources, options, &mut cells, &progress)?;
    for hour in cells.hours.values_mut() {
        hour.sort_by_key(|(invocation, _)| (invocation.object, invocation.offset));
    }
    cells.hours.retain(|_, hour| !hour.is_empty());
    let outcome = Outcome { plan, ledger, hours: cells.hours, given: cells.given };
    outcome.assert_balanced();
    Ok(outcome)
}

pub(crate) fn run(store: MemoryStore) -> Outcome {
    run_with(&[source(Arc::new(store))], Range::default(), &options()).expect("the run goes through")
}

/// The hour 2024-03-11 `hour`, which may be more than 23.
pub(crate) fn hour(hour: i64) -> UtcHour {
    UtcHour(UtcDay::from_date(2024, 3, 11).expect("a day").0 * 24 + hour)
}

/// `2024/03/11/HH` of an hour as of [`hour`].
pub(crate) fn folder(number: i64) -> String {
    let text = stamp(number, 0, 0);
    text[..13].replace(['-', 'T'], "/")
}

/// An RFC 3339 time in an hour as of [`hour`].
pub(crate) fn stamp(number: i64, minute: i64, second: i64) -> String {
    // The tests stay in two months that lie side by side.
    let (mut month, mut day) = (3, 11 + number.div_euclid(24));
    if day > 31 {
        (month, day) = (4, day - 31);
    }
    assert!(day >= 1, "before March");
    format!("2024-{month:02}-{day:02}T{:02}:{minute:02}:{second:02}Z", number.rem_euclid(24))
}

pub(crate) fn moment(number: i64, minute: i64) -> Timestamp {
    Timestamp { seconds: hour(number).start_seconds() + minute * 60, nanos: 0 }
}

/// A request id by number, in the spelling of a UUID.
pub(crate) fn id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

/// A record: the fields every one has, and more as JSON members.
pub(crate) fn record(hour: i64, minute: i64, second: i64, number: u64, more: &str) -> String {
    format!(
        r#"{{"schemaType":"ModelInvocationLog","timestamp":"{}","accountId":"111122223333","region":"us-east-1","requestId":"{}","modelId":"m"{more}}}"#,
        stamp(hour, minute, second),
        id(number)
    )
}

/// Token counts, as members of a record.
pub(crate) fn tokens(input: u64, output: u64) -> String {
    format!(r#","input":{{"inputTokenCount":{input}}},"output":{{"outputTokenCount":{output}}}"#)
}

pub(crate) fn lines<S: AsRef<str>>(lines: impl IntoIterator<Item = S>) -> Vec<u8> {
    let mut text = Vec::new();
    for line in lines {
        text.extend_from_slice(line.as_ref().as_bytes());
        text.push(b'\n');
    }
    text
}

/// The key of a record object in the folder of an hour.
pub(crate) fn aws_key(hour: i64, name: &str) -> String {
    format!("AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1/{}/{name}", folder(hour))
}

/// One gzip member.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}
