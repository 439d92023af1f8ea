//! Seeded corpora for the benches, and checksums of what comes of them.
//!
//! In: a [`Shape`] and a [`Size`]. Out: a [`Corpus`], written by `borehole-synth` into a temporary directory that
//! goes with the value, with what its own `truth.json` says of it. Always: the same shape and size give the
//! same bytes, and a checksum depends on the result alone. Absent: any measuring, which is the benches' part.
//!
//! A corpus that cannot be made or read ends in a panic: there is nothing to measure then.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::path::Path;

use borehole_record::gunzip::{Gunzip, is_gzip};
use borehole_record::{DecodeOptions, Invocation, Key, UtcHour};
use borehole_scan::KeepHour;
use borehole_scan::limits::DECODED_BYTES_MAX;
use borehole_scan::{Cell, CellSink, ListOptions, Plan, Progress, Range, Resolve, ScanOptions, Source};
use borehole_store::{Listed, LocalStore, Object, Store};
use borehole_synth::{Layout, Options, Profile, TRUTH_FILE};
use serde_json::Value;
use tempfile::TempDir;

/// How much a bench works on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Size {
    /// So little that every bench runs with the tests, and cannot rot.
    Smoke,
    /// Enough that one iteration takes tens of milliseconds.
    Real,
}

impl Size {
    /// `Real` under `cargo bench`, which says so with `--bench`; else `Smoke`.
    #[must_use]
    pub fn of_this_run() -> Self {
        if std::env::args().any(|argument| argument == "--bench") { Size::Real } else { Size::Smoke }
    }

    /// The one of the two that belongs to this size.
    #[must_use]
    pub fn pick<T>(self, smoke: T, real: T) -> T {
        match self {
            Size::Smoke => smoke,
            Size::Real => real,
        }
    }
}

/// What a corpus is made of. Each has a day of records, of three accounts in two Regions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Records of about 5 KB, some tens in an object.
    Small,
    /// Records of 1 to 100 KB.
    Mixed,
    /// Small records, each in an object of its own: what quiet accounts get.
    Quiet,
    /// Small records of the split layout: four objects a request.
    Split,
}

impl Shape {
    /// The word in the names of the benches.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Shape::Small => "small",
            Shape::Mixed => "mixed",
            Shape::Quiet => "quiet",
            Shape::Split => "split",
        }
    }

    fn options(self, size: Size) -> Options {
        let requests = match self {
            Shape::Small | Shape::Quiet => size.pick(300, 10_000),
            Shape::Mixed => size.pick(100, 2_500),
            Shape::Split => size.pick(100, 3_000),
        };
        Options {
            layout: if self == Shape::Split { Layout::Split } else { Layout::Aws },
            profile: if self == Shape::Mixed { Profile::Mixed } else { Profile::Small },
            records_per_object: match self {
                Shape::Small | Shape::Mixed => Some(50),
                Shape::Quiet | Shape::Split => Some(1),
            },
            requests,
            seed: 20_240_311,
            ..Options::default()
        }
    }
}

/// A dump on disk, gone when dropped, and what a right reading finds in it.
pub struct Corpus {
    folder: TempDir,
    /// Record objects: what a run reads, payloads left out.
    pub objects: u64,
    /// Documents in them.
    pub documents: u64,
    /// Requests that are counted once copies are dropped.
    pub requests: u64,
    /// Decoded bytes of the record objects.
    pub decoded_bytes: u64,
}

impl Corpus {
    /// Writes a dump and reads its truth.
    #[must_use]
    pub fn new(shape: Shape, size: Size) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        borehole_synth::generate(folder.path(), &shape.options(size), &mut |_| {})
            .expect("the corpus can be written");
        let truth = std::fs::read(folder.path().join(TRUTH_FILE)).expect("the truth was written");
        let truth: Value = serde_json::from_slice(&truth).expect("the truth is JSON");
        let number = |pointer: &str| {
            truth
                .pointer(pointer)
                .and_then(Value::as_u64)
                .unwrap_or_else(|| panic!("no {pointer} in the truth"))
        };
        Corpus {
            folder,
            objects: number("/resolved/health/objects/read"),
            documents: number("/resolved/health/documents/decoded"),
            requests: number("/resolved/totals/requests/attempted"),
            decoded_bytes: number("/resolved/health/bytes/decompressed"),
        }
    }

    /// The directory of the dump.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The record objects of the `aws` layout as stored, in the order of their keys.
    #[must_use]
    pub fn stored_objects(&self) -> Vec<Vec<u8>> {
        let store = LocalStore::open(self.path()).expect("the corpus can be opened");
        let mut objects: Vec<Object> = Vec::new();
        let mut found = |listed: Listed| {
            if let Listed::Object(object) = listed
                && matches!(Key::parse(&object.key), Key::AwsRecord { .. })
            {
                objects.push(object);
            }
        };
        store.list(b"", &mut |_| true, &mut found).expect("the corpus can be listed");
        objects.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let read = |object: &Object| {
            let mut bytes = Vec::new();
            let mut take = |chunk: &[u8]| {
                bytes.extend_from_slice(chunk);
                true
            };
            store.read(object, &mut take).expect("an object can be read");
            bytes
        };
        objects.iter().map(read).collect()
    }

    /// Runs a scan over the dump as `analyze` does by default, except for the number of threads.
    pub fn scan<S: CellSink>(&self, threads: usize, sink: &mut S) {
        let name = self.path().to_str().expect("a temporary directory has a plain name");
        let sources = [Source::open(name).expect("the corpus can be opened")];
        let progress = Progress::default();
        let plan = Plan::list(
            &sources,
            Range::default(),
            ListOptions { payloads: true, ..ListOptions::default() },
            &progress,
        )
        .expect("the corpus can be listed");
        let options = ScanOptions {
            threads,
            memory_bytes: 256 << 20,
            temporary: std::env::temp_dir(),
            resolve: Resolve::Facts,
            payload_roots: Vec::new(),
            decode: decode_options(true),
            salvage: false,
            shuffle_seed: None,
            retired_bytes_max: borehole_scan::limits::RETIRED_BYTES_MAX,
            whole_bytes_max: borehole_scan::limits::WHOLE_STORED_BYTES_MAX,
        };
        borehole_scan::scan(plan, &sources, &options, sink, &progress).expect("the corpus can be scanned");
    }

    /// The invocations that stay, by their own hours, from a scan on so many threads.
    #[must_use]
    pub fn invocations(&self, threads: usize) -> BTreeMap<UtcHour, Vec<Invocation>> {
        let mut kept = Kept::default();
        self.scan(threads, &mut kept);
        kept.hours
    }
}

/// Keeps what a scan gives out.
#[derive(Default)]
struct Kept {
    hours: BTreeMap<UtcHour, Vec<Invocation>>,
}

/// An hour that is given out.
struct Hour {
    hour: UtcHour,
    invocations: Vec<Invocation>,
}

impl Cell for Hour {
    fn invocation(&mut self, invocation: &Invocation, _stream: u32, _coverage: Option<u32>) {
        self.invocations.push(invocation.clone());
    }
}

impl CellSink for Kept {
    type Cell = Hour;

    fn open(&self, hour: UtcHour) -> Hour {
        Hour { hour, invocations: Vec::new() }
    }

    fn close(&mut self, cell: Hour, _keep: Option<KeepHour>) {
        self.hours.insert(cell.hour, cell.invocations);
    }

    fn retract(&mut self, cell: Hour) {
        self.hours.remove(&cell.hour);
    }
}

/// How `analyze` decodes by default, with or without the facts of inline bodies.
#[must_use]
pub fn decode_options(facts: bool) -> DecodeOptions {
    DecodeOptions {
        facts,
        accept_epoch: false,
        lenient_numbers: false,
        allow_double_gzip: false,
        decoded_bytes_max: DECODED_BYTES_MAX,
    }
}

/// The decoded bytes of an object: some of a corpus are no gzip in spite of their names, or empty.
#[must_use]
pub fn decoded(stored: &[u8]) -> Vec<u8> {
    if !is_gzip(stored) {
        return stored.to_vec();
    }
    let mut gunzip = Gunzip::new(DECODED_BYTES_MAX);
    let mut bytes = Vec::new();
    let push = gunzip.push(stored, |chunk| {
        bytes.extend_from_slice(chunk);
        Ok(())
    });
    push.and_then(|()| gunzip.finish().map(|_| ())).expect("the corpus is sound gzip");
    bytes
}

/// A checksum of anything by its debug text (64-bit FNV-1a), which is the same on every machine.
#[must_use]
pub fn checksum(result: &impl Debug) -> u64 {
    struct Fnv(u64);
    impl Write for Fnv {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0 = text
                .bytes()
                .fold(self.0, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
            Ok(())
        }
    }
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    write!(hash, "{result:?}").expect("hashing does not fail");
    hash.0
}

/// Prints what was computed, beside the time that criterion prints for it.
#[expect(clippy::print_stdout, reason = "a bench's result is what it prints")]
pub fn tell(bench: &str, count: u64, what: &str, checksum: u64) {
    println!("{bench}: {count} {what}, checksum {checksum:016x}");
}
