//! References to payload objects: followed only where the operator said, and never further than one step.
//!
//! In: a decoded document with `*BodyS3Path`, or a joined record of the split layout without bodies. Out: the
//! same with the facts of its payloads, and one outcome per reference in the tally. Always: a payload that
//! cannot be read costs a fact, never a request. A payload is never parsed as records.
//!
//! Payloads in a bucket are asked for ahead ([`Resolver::begin`]), many at once, and read by threads of their own,
//! which wait for nobody: whoever needs one may then wait for it without holding up another.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use borehole_record::decode::PayloadSide;
use borehole_record::gunzip::WholeGunzip;
use borehole_record::{BodyPlace, Document, Payload, PayloadDecoder, UtcDay};
use borehole_store::{Body, Listed, LocalStore, Object, ReadFailure, Receipt, S3Store, Stop, Store};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::ledger::Tally;
use crate::limits::{PAYLOAD_DAYS, PAYLOADS_CACHED, WHOLE_STORED_BYTES_MAX};
use crate::pending::{Claim, Entry, Pending, Promise};
use crate::plan::{Plan, Role, key_hash};
use crate::reference::{self, Reference};
use crate::source::Source;
use crate::{Error, Progress};

/// Which payloads are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resolve {
    /// None.
    Never,
    /// Those that can give a token count which the record lacks.
    Counts,
    /// All, for their facts: max_tokens, latency, content kinds, sizes.
    Facts,
    /// All, to see that each can be read.
    All,
}

impl Resolve {
    /// The word of `--resolve`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Resolve::Never => "never",
            Resolve::Counts => "counts",
            Resolve::Facts => "facts",
            Resolve::All => "all",
        }
    }
}

/// A directory's own name, and its path with a trailing `/`.
type Directory = (Box<[u8]>, Box<[u8]>);

/// A place where payloads may lie.
#[derive(Clone)]
pub struct PayloadRoot {
    store: Arc<dyn Store>,
    /// Reached over a network.
    is_remote: bool,
    /// The bucket it stands for, where that is known.
    bucket: Option<Vec<u8>>,
    /// The part of the bucket it holds: keys must start with it, and lose it.
    bucket_prefix: Vec<u8>,
    /// What is put before keys of the conventional form, where it holds any.
    conventional: BTreeSet<Box<[u8]>>,
    /// Directories on the way to a layout, by their own name: (name, path with a trailing `/`).
    directories: BTreeSet<Directory>,
}

impl PayloadRoot {
    /// A `--large-data` directory: it stands for the bucket of its own name, and directories directly in it
    /// for those of theirs.
    ///
    /// # Errors
    /// Where it cannot be listed.
    pub fn large_data(path: &Path) -> Result<Self, Error> {
        let store = LocalStore::open(path)?;
        let mut conventional = BTreeSet::new();
        let mut enter = |folder: &[u8]| {
            // Folders are looked at only down to the first year.
            let (before, last) = match folder.iter().rposition(|&byte| byte == b'/') {
                Some(slash) => (&folder[..=slash], &folder[slash + 1..]),
                None => (&folder[..0], folder),
            };
            let is_year = last.len() == 4 && last.iter().all(u8::is_ascii_digit);
            if is_year {
                conventional.insert(Box::from(before));
            }
            !is_year && folder.iter().filter(|&&byte| byte == b'/').count() < 2
        };
        store.list(b"", &mut enter, &mut |_| {})?;
        Ok(PayloadRoot {
            store: Arc::new(store),
            is_remote: false,
            bucket: bucket_of(path),
            bucket_prefix: Vec::new(),
            conventional,
            directories: BTreeSet::new(),
        })
    }

    /// A bucket: it stands for itself. Payloads under the conventional keys are looked for below `prefix`.
    #[must_use]
    pub fn bucket(store: Arc<S3Store>, prefix: &str) -> Self {
        let prefix = prefix.trim_matches('/');
        let conventional = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        PayloadRoot {
            bucket: Some(store.bucket().into()),
            store,
            is_remote: true,
            bucket_prefix: Vec::new(),
            conventional: BTreeSet::from([conventional.into_bytes().into()]),
            directories: BTreeSet::new(),
        }
    }

    /// A bucket that references may lead into, and nothing else is expected of: a run must neither ask it anything nor
    /// fail over it unless a record names it, so `store` should open it only then.
    #[must_use]
    pub fn referenced(bucket: &str, store: Arc<dyn Store>) -> Self {
        PayloadRoot {
            is_remote: store.is_remote(),
            store,
            bucket: Some(bucket.into()),
            bucket_prefix: Vec::new(),
            conventional: BTreeSet::new(),
            directories: BTreeSet::new(),
        }
    }

    /// The same for one run that somebody may end: see [`Store::stopping`].
    #[must_use]
    pub fn stopping(self, stop: &Stop) -> Self {
        PayloadRoot { store: self.store.stopping(stop).unwrap_or(self.store), ..self }
    }

    /// `--map s3://bucket[/prefix]=DIR`.
    ///
    /// # Errors
    /// Where the argument has another form, or the directory cannot be opened.
    pub fn map(argument: &str) -> Result<Self, Error> {
        let wrong = || Error::Map { argument: argument.to_owned() };
        let (from, directory) = argument.split_once('=').ok_or_else(wrong)?;
        let from = from.strip_prefix("s3://").ok_or_else(wrong)?;
        let (bucket, prefix) = from.split_once('/').unwrap_or((from, ""));
        if bucket.is_empty() || directory.is_empty() {
            return Err(wrong());
        }
        Ok(PayloadRoot {
            store: Arc::new(LocalStore::open(Path::new(directory))?),
            is_remote: false,
            bucket: Some(bucket.into()),
            bucket_prefix: prefix.trim_end_matches('/').into(),
            conventional: BTreeSet::new(),
            directories: BTreeSet::new(),
        })
    }
}

/// The directories of a key prefix, each with its own name.
fn directories(prefix: &[u8]) -> Vec<Directory> {
    let mut found = Vec::new();
    let mut start = 0;
    for (at, _) in prefix.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        found.push((prefix[start..at].into(), prefix[..=at].into()));
        start = at + 1;
    }
    found
}

fn bucket_of(path: &Path) -> Option<Vec<u8>> {
    let path: PathBuf = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    path.file_name().map(|name| name.as_encoded_bytes().to_vec())
}

/// Which body of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Input,
    Output,
}

/// What became of one payload; the same for every record that refers to it.
#[derive(Clone, Debug)]
pub(crate) enum Fetched {
    Payload(Arc<Payload>),
    Missing,
    Archived,
    RefusedPath,
    Failed,
}

/// What resolving did to a record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sides {
    /// The input body is an object of its own.
    pub input_large: bool,
    /// The output body is.
    pub output_large: bool,
    /// A payload that could have given an absent token count was not to be had.
    pub payload_lost: bool,
}

/// Root, key and side of a payload.
type PayloadKey = (usize, Box<[u8]>, u8);

/// A payload that was asked for ahead.
pub(crate) struct Started {
    key: PayloadKey,
    entry: Arc<Entry>,
}

/// Reads payloads, each at most once while it is remembered.
pub(crate) struct Resolver<'a> {
    mode: Resolve,
    roots: Vec<PayloadRoot>,
    /// By root: hashes of the conventional keys that a bucket's listing saw. Only buckets have one; of a directory
    /// each key is looked up.
    listed: Vec<Option<FxHashSet<u64>>>,
    decoded_bytes_max: u64,
    cache: Mutex<FxHashMap<PayloadKey, Arc<Entry>>>,
    /// Read payloads that come over a network.
    readers: Option<Arc<rayon::ThreadPool>>,
    /// A store has stopped for good.
    stopped: AtomicBool,
    progress: &'a Progress,
}

impl<'a> Resolver<'a> {
    /// Sources are payload roots, too: under their own directory's or bucket's name, and with the conventional
    /// payloads that their listing saw.
    ///
    /// # Errors
    /// Where no threads can be started.
    pub(crate) fn new(
        mode: Resolve,
        maps_and_large_data: &[PayloadRoot],
        sources: &[Source],
        plan: &Plan,
        threads: usize,
        decoded_bytes_max: u64,
        progress: &'a Progress,
    ) -> Result<Self, Error> {
        let mut roots = maps_and_large_data.to_vec();
        let mut listed: Vec<Option<FxHashSet<u64>>> = vec![None; roots.len()];
        for (index, source) in sources.iter().enumerate() {
            let of_source = |set: &'_ BTreeSet<(u32, Box<[u8]>)>| -> Vec<Box<[u8]>> {
                let own = set.iter().filter(|(of, _)| *of as usize == index);
                own.map(|(_, prefix)| prefix.clone()).collect()
            };
            let (bucket, directories) = match (&source.root, &source.s3) {
                (Some(root), _) => (bucket_of(root), of_source(&plan.layout_prefixes)),
                (None, Some(store)) => (Some(store.bucket().into()), Vec::new()),
                (None, None) => continue,
            };
            roots.push(PayloadRoot {
                store: Arc::clone(&source.store),
                is_remote: source.store.is_remote(),
                bucket,
                bucket_prefix: Vec::new(),
                conventional: of_source(&plan.payload_prefixes).into_iter().collect(),
                directories: directories.iter().flat_map(|prefix| self::directories(prefix)).collect(),
            });
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            listed.push(
                source.store.is_remote().then(|| plan.payload_keys.get(&index).cloned().unwrap_or_default()),
            );
        }
        let readers = if mode != Resolve::Never && roots.iter().any(|root| root.is_remote) {
            let builder = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1));
            Some(Arc::new(builder.build().map_err(|_| Error::Threads { threads })?))
        } else {
            None
        };
        let (cache, stopped) = (Mutex::default(), AtomicBool::new(false));
        Ok(Resolver { mode, roots, listed, decoded_bytes_max, cache, readers, stopped, progress })
    }

    /// Lists the conventional payloads of the buckets that nobody has listed yet, where the plan has records that may
    /// have such. Before that none of theirs is found.
    ///
    /// # Errors
    /// Where a bucket of payloads cannot be listed.
    pub(crate) fn list_conventional(&mut self, plan: &Plan) -> Result<(), Error> {
        if !plan.has_split() {
            return Ok(());
        }
        for (root, listed) in self.roots.iter().zip(&mut self.listed) {
            if root.is_remote && !root.conventional.is_empty() && listed.is_none() {
                *listed = Some(list_conventional(root, plan, self.progress)?);
            }
        }
        Ok(())
    }

    /// Why the run must stop, where a store of payloads says so.
    pub(crate) fn stopped(&self) -> Option<borehole_store::Error> {
        if !self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        self.roots.iter().find_map(|root| root.store.stopped())
    }

    /// Whether payloads may come over a network, so that asking for them ahead helps.
    pub(crate) fn is_remote(&self) -> bool {
        self.readers.is_some()
    }

    /// Whether any root holds payloads under conventional keys.
    pub(crate) fn has_conventional(&self) -> bool {
        self.roots.iter().any(|root| !root.conventional.is_empty())
    }

    /// Asks for the payloads in buckets that [`Resolver::resolve`] will need for this record, and returns at once.
    /// `pending` hears of each when it is here.
    pub(crate) fn begin(
        &self,
        document: &Document<'_>,
        split: bool,
        pending: Option<&Arc<Pending>>,
    ) -> Vec<Started> {
        let mut started = Vec::new();
        if !self.is_remote() {
            return started;
        }
        for side in [Side::Input, Side::Output] {
            let place = if side == Side::Input { &document.input_body } else { &document.output_body };
            let BodyPlace::Reference(path) = place else { continue };
            if self.is_wanted(side == Side::Output && lacks_count(document))
                && let Ok(found) = self.locate(path, document.account.as_deref())
                && let Some((root, key)) = found.into_iter().next()
            {
                self.begin_one(root, key.into(), side, pending, &mut started);
            }
        }
        if split && document.error_code.is_none() {
            let (candidates, side) = self.conventional_keys(document);
            if self.is_wanted(lacks_count(document))
                && let Some((root, key)) =
                    candidates.into_iter().find(|(root, key)| self.is_listed(*root, key))
            {
                self.begin_one(root, key.into(), side, pending, &mut started);
            }
        }
        started
    }

    fn begin_one(
        &self,
        root: usize,
        key: Box<[u8]>,
        side: Side,
        pending: Option<&Arc<Pending>>,
        started: &mut Vec<Started>,
    ) {
        if !self.roots[root].is_remote {
            return;
        }
        let key = (root, key, side as u8);
        let entry = self.entry(&key);
        if let Claim::Mine = entry.claim() {
            self.ask(&key, &entry, side);
        }
        if let Some(pending) = pending {
            entry.tell(pending);
        }
        started.push(Started { key, entry });
    }

    /// Whether a payload is to be read; `can_count` where it can give a count that the record lacks.
    fn is_wanted(&self, can_count: bool) -> bool {
        match self.mode {
            Resolve::Never => false,
            Resolve::Counts => can_count,
            Resolve::Facts | Resolve::All => true,
        }
    }

    /// Follows the references of one record. `split` records may also have a payload under the conventional key.
    /// `started` is what [`Resolver::begin`] returned for it.
    pub(crate) fn resolve(
        &self,
        document: &mut Document<'_>,
        split: bool,
        started: &[Started],
        tally: &mut Tally,
    ) -> Sides {
        let mut sides = Sides::default();
        let failed_call = document.error_code.is_some();
        let mut output_lost = false;
        for side in [Side::Input, Side::Output] {
            let place = if side == Side::Input { &document.input_body } else { &document.output_body };
            let BodyPlace::Reference(path) = place else { continue };
            let path = path.clone();
            match side {
                Side::Input => sides.input_large = true,
                Side::Output => sides.output_large = true,
            }
            tally.references.seen += 1;
            let can_count = side == Side::Output && lacks_count(document);
            let found = match self.locate(&path, document.account.as_deref()) {
                Ok(found) => found,
                Err((reason, bucket)) => {
                    *tally.references.refused.entry(reason).or_default() += 1;
                    if let Some(bucket) = bucket {
                        tally.references.note_unknown_bucket(bucket);
                    }
                    output_lost |= can_count;
                    continue;
                }
            };
            if !self.is_wanted(can_count) {
                tally.references.not_needed += 1;
                continue;
            }
            // A path that does not name the request may be another request's payload: its size is still a fact
            // about this reference, its content is not.
            let own = document.request_id.as_ref().is_none_or(|id| path.contains(&*id.to_string()));
            if !own {
                tally.warn("ref_mismatch");
            }
            let mut outcome = Fetched::Missing;
            for (root, key) in found {
                outcome = self.obtain(root, &key, side, started);
                if !matches!(outcome, Fetched::Missing) {
                    break;
                }
            }
            output_lost |= self.settle(document, &outcome, side, own, tally) && can_count;
        }
        if split && !failed_call {
            output_lost |= self.resolve_conventional(document, &mut sides, started, tally);
        }
        sides.payload_lost = output_lost && lacks_count(document);
        sides
    }

    /// Where `YYYY/MM/DD/<requestId>/payload.json` of a record without bodies may lie, the likeliest first, and which
    /// side it is read for.
    fn conventional_keys(&self, document: &Document<'_>) -> (Vec<(usize, Vec<u8>)>, Side) {
        let lacks_input = document.input_body == BodyPlace::Absent;
        let lacks_output = document.output_body == BodyPlace::Absent;
        let side = if lacks_input { Side::Input } else { Side::Output };
        let mut keys = Vec::new();
        let (Some(time), Some(id)) = (document.timestamp, document.request_id.as_ref()) else {
            return (keys, side);
        };
        let id = id.to_string();
        if !(lacks_input || lacks_output) || !reference::is_sound(id.as_bytes()) || id.contains('/') {
            return (keys, side);
        }
        let day = UtcDay::of(time);
        let days = std::iter::once(0).chain((1..=PAYLOAD_DAYS).flat_map(|distance| [-distance, distance]));
        for day in days.map(|distance| UtcDay(day.0 + distance)) {
            let Some(date) = day_folder(day) else { continue };
            for (root, prefix) in self.conventional() {
                for suffix in ["", ".gz"] {
                    let key = [prefix, format!("{date}/{id}/payload.json{suffix}").as_bytes()].concat();
                    keys.push((root, key));
                }
            }
        }
        (keys, side)
    }

    /// Whether there is an object under a conventional key, as far as can be told without asking a bucket.
    fn is_listed(&self, root: usize, key: &[u8]) -> bool {
        match &self.listed[root] {
            Some(listed) => listed.contains(&key_hash(key)),
            None if self.roots[root].is_remote => false,
            None => matches!(self.roots[root].store.head(key), Ok(Some(_))),
        }
    }

    /// Looks for the conventional payload. True where it could have given an absent count and did not.
    fn resolve_conventional(
        &self,
        document: &mut Document<'_>,
        sides: &mut Sides,
        started: &[Started],
        tally: &mut Tally,
    ) -> bool {
        let (candidates, side) = self.conventional_keys(document);
        let found = candidates.into_iter().find(|(root, key)| self.is_listed(*root, key));
        let Some((root, key)) = found else { return false };
        sides.input_large |= document.input_body == BodyPlace::Absent;
        sides.output_large |= document.output_body == BodyPlace::Absent;
        tally.references.seen += 1;
        if !self.is_wanted(lacks_count(document)) {
            tally.references.not_needed += 1;
            return false;
        }
        let outcome = self.obtain(root, &key, side, started);
        self.settle(document, &outcome, side, true, tally)
    }

    fn conventional(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let roots = self.roots.iter().enumerate();
        roots.flat_map(|(index, root)| root.conventional.iter().map(move |prefix| (index, &**prefix)))
    }

    /// Counts the outcome and takes over the facts; true where there are none.
    fn settle(
        &self,
        document: &mut Document<'_>,
        outcome: &Fetched,
        side: Side,
        own: bool,
        tally: &mut Tally,
    ) -> bool {
        match outcome {
            Fetched::Payload(payload) => {
                tally.references.resolved += 1;
                let size_only;
                let payload = if own {
                    &**payload
                } else {
                    size_only = Payload {
                        input_bytes: payload.input_bytes,
                        output_bytes: payload.output_bytes,
                        ..Payload::default()
                    };
                    &size_only
                };
                take_over(document, payload, side);
                false
            }
            Fetched::Missing => {
                tally.references.missing += 1;
                true
            }
            Fetched::Archived => {
                tally.references.archived += 1;
                true
            }
            Fetched::RefusedPath => {
                *tally.references.refused.entry("path").or_default() += 1;
                true
            }
            Fetched::Failed => {
                tally.references.failed += 1;
                true
            }
        }
    }

    /// The store of a place that [`Resolver::locate`] names.
    pub(crate) fn store(&self, root: usize) -> &Arc<dyn Store> {
        &self.roots[root].store
    }

    /// The places a path can mean, or why it is refused and, where its bucket is unknown, which.
    #[expect(clippy::type_complexity, reason = "a list of places, or a reason with a name")]
    pub(crate) fn locate(
        &self,
        path: &str,
        account: Option<&str>,
    ) -> Result<Vec<(usize, Vec<u8>)>, (&'static str, Option<String>)> {
        let reference = Reference::parse(path).ok_or(("scheme", None))?;
        let Reference { bucket, key } = reference;
        let mut places = Vec::new();
        let mut is_known = false;
        for (index, root) in self.roots.iter().enumerate() {
            if root.bucket.as_deref() == Some(bucket.as_bytes()) {
                is_known = true;
                if root.bucket_prefix.is_empty() {
                    places.push((index, key.as_bytes().to_vec()));
                } else if let Some(below) = key.as_bytes().strip_prefix(&*root.bucket_prefix)
                    && let Some(below) = below.strip_prefix(b"/")
                {
                    places.push((index, below.to_vec()));
                }
            }
            for (_, path) in root.directories.iter().filter(|(name, _)| &**name == bucket.as_bytes()) {
                is_known = true;
                places.push((index, [path, key.as_bytes()].concat()));
            }
            // A directory named like the bucket directly below the root. A bucket name is one plain segment.
            let plain = !bucket.is_empty() && !bucket.starts_with('.') && !bucket.contains('\0');
            if plain
                && !root.is_remote
                && root.store.head(bucket.as_bytes()) == Err(ReadFailure::NotRegularFile)
            {
                is_known = true;
                places.push((index, [bucket.as_bytes(), b"/", key.as_bytes()].concat()));
            }
        }
        if !is_known {
            return Err(("bucket", Some(reference.bucket_shown())));
        }
        if let Some(reason) = reference.refusal(account) {
            return Err((reason, None));
        }
        Ok(places)
    }

    fn entry(&self, key: &PayloadKey) -> Arc<Entry> {
        let mut cache = self.cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if cache.len() >= PAYLOADS_CACHED {
            // What is on its way has somebody who waits for it.
            cache.retain(|_, entry| entry.is_coming());
        }
        Arc::clone(cache.entry(key.clone()).or_default())
    }

    /// What became of one payload: reads it, or waits for whoever reads it, or remembers.
    fn obtain(&self, root: usize, key: &[u8], side: Side, started: &[Started]) -> Fetched {
        let key = (root, Box::from(key), side as u8);
        let entry = match started.iter().find(|started| started.key == key) {
            Some(started) => Arc::clone(&started.entry),
            None => self.entry(&key),
        };
        if let Claim::Mine = entry.claim() {
            self.ask(&key, &entry, side);
        }
        let (fetched, new_bytes) = entry.wait();
        self.progress.fetched(new_bytes);
        if matches!(fetched, Fetched::Failed) && self.roots[root].store.stopped().is_some() {
            self.stopped.store(true, Ordering::Relaxed);
        }
        fetched
    }

    /// Makes a claimed payload come: reads it at once, or has it fetched.
    fn ask(&self, (root, key, _): &PayloadKey, entry: &Arc<Entry>, side: Side) {
        let promise = Promise::new(Arc::clone(entry));
        let store = &self.roots[*root].store;
        let expected = expected_side(key, side);
        let decoded_bytes_max = self.decoded_bytes_max;
        if let Some(readers) = &self.readers
            && store.is_remote()
        {
            let readers = Arc::clone(readers);
            let ready = move |body: Box<dyn Body>| {
                readers.spawn(move || {
                    let (fetched, bytes) = read_payload(expected, decoded_bytes_max, |take| body.read(take));
                    promise.keep(fetched, bytes);
                });
            };
            // A refused `ready` breaks the promise it holds, and that is a failure.
            let _ = store.fetch(&Object::unlisted(key), Box::new(ready));
            return;
        }
        let (fetched, bytes) = match store.head(key) {
            Ok(Some(object)) => read_payload(expected, decoded_bytes_max, |take| store.read(&object, take)),
            Ok(None) => (Fetched::Missing, 0),
            Err(ReadFailure::Path | ReadFailure::NotRegularFile) => (Fetched::RefusedPath, 0),
            Err(_) => (Fetched::Failed, 0),
        };
        promise.keep(fetched, bytes);
    }
}

/// Which body a payload is expected to hold.
fn expected_side(key: &[u8], side: Side) -> PayloadSide {
    let is_split_payload = key.ends_with(b"/payload.json") || key.ends_with(b"/payload.json.gz");
    match (side, is_split_payload) {
        (Side::Input, false) => PayloadSide::Input,
        (Side::Input, true) => PayloadSide::InputOrBoth,
        (Side::Output, false) => PayloadSide::Output,
        (Side::Output, true) => PayloadSide::OutputOrBoth,
    }
}

thread_local! {
    /// The stored bytes of the payload at hand, and what unpacks them.
    static MEMORY: RefCell<(Vec<u8>, WholeGunzip)> = RefCell::default();
}

/// Reads a payload; also says how many stored bytes that were.
fn read_payload(
    expected: PayloadSide,
    decoded_bytes_max: u64,
    read: impl FnOnce(&mut dyn FnMut(&[u8]) -> bool) -> Result<Receipt, ReadFailure>,
) -> (Fetched, u64) {
    MEMORY.with_borrow_mut(|(held, gunzip)| {
        held.clear();
        let mut decoder = PayloadDecoder::new(expected, decoded_bytes_max);
        let (mut flows, mut failed) = (false, false);
        let read = read(&mut |bytes| {
            if !flows && held.len() + bytes.len() <= WHOLE_STORED_BYTES_MAX {
                held.extend_from_slice(bytes);
                return true;
            }
            if !std::mem::replace(&mut flows, true) {
                failed = decoder.push(held).is_err();
            }
            failed = failed || decoder.push(bytes).is_err();
            !failed
        });
        let receipt = match read {
            Ok(receipt) => receipt,
            Err(ReadFailure::Vanished) => return (Fetched::Missing, 0),
            Err(ReadFailure::Archived) => return (Fetched::Archived, 0),
            Err(_) => return (Fetched::Failed, 0),
        };
        if failed {
            return (Fetched::Failed, receipt.bytes);
        }
        let decoded = if flows { decoder.finish() } else { decoder.decode_whole(held, gunzip) };
        match decoded {
            Ok((payload, _)) => (Fetched::Payload(Arc::new(payload)), receipt.bytes),
            Err(_) => (Fetched::Failed, receipt.bytes),
        }
    })
}

/// Lists the conventional payloads of a bucket for the days that the plan's records can have.
fn list_conventional(root: &PayloadRoot, plan: &Plan, progress: &Progress) -> Result<FxHashSet<u64>, Error> {
    let hours = plan.objects.iter().filter(|planned| matches!(planned.role, Role::Split { .. }));
    let days: BTreeSet<i64> = hours
        .filter_map(|planned| planned.role.hour())
        .map(|hour| hour.0.div_euclid(24))
        .flat_map(|day| day - PAYLOAD_DAYS - 1..=day + PAYLOAD_DAYS + 1)
        .collect();
    let mut folders = Vec::new();
    for prefix in &root.conventional {
        let dates = days.iter().filter_map(|&day| day_folder(UtcDay(day)));
        folders.extend(dates.map(|date| [prefix, date.as_bytes(), b"/"].concat()));
    }
    let mut found = FxHashSet::default();
    root.store.list_flat(&folders, &mut |listed| {
        progress.listed();
        if let Listed::Object(object) = listed {
            found.insert(key_hash(&object.key));
        }
    })?;
    Ok(found)
}

/// `YYYY/MM/DD`
fn day_folder(day: UtcDay) -> Option<String> {
    day.to_string().get(..10).map(|date| date.replace('-', "/"))
}

/// Whether a successful call's record lacks a count that its payload may give.
fn lacks_count(document: &Document<'_>) -> bool {
    document.error_code.is_none() && !(document.input_tokens.is_known() && document.output_tokens.is_known())
}

/// Fills what the record lacks; the length of an offloaded body wins over the metadata document's figure.
fn take_over(document: &mut Document<'_>, payload: &Payload, side: Side) {
    let whole = payload.input_bytes.is_known() && payload.output_bytes.is_known();
    if side == Side::Input || whole {
        if document.input_body != BodyPlace::Inline {
            document.input_bytes = payload.input_bytes.or(document.input_bytes);
            if document.input_kinds.is_empty() {
                document.input_kinds = payload.input_kinds;
                document.images = payload.images;
                document.documents = payload.documents;
            }
        }
        document.max_tokens = document.max_tokens.or(payload.max_tokens);
    }
    if document.output_body != BodyPlace::Inline && payload.output_bytes.is_known() {
        document.output_bytes = payload.output_bytes;
        if document.output_kinds.is_empty() {
            document.output_kinds = payload.output_kinds;
        }
    }
    document.input_tokens = document.input_tokens.or(payload.input_tokens);
    document.output_tokens = document.output_tokens.or(payload.output_tokens);
    document.cache_read_tokens = document.cache_read_tokens.or(payload.cache_read_tokens);
    document.cache_write_tokens = document.cache_write_tokens.or(payload.cache_write_tokens);
    // Two halves of one statement: never one from here and one from there.
    if !(document.cache_write_5m_tokens.is_known() || document.cache_write_1h_tokens.is_known()) {
        document.cache_write_5m_tokens = payload.cache_write_5m_tokens;
        document.cache_write_1h_tokens = payload.cache_write_1h_tokens;
    }
    document.latency_ms = document.latency_ms.or(payload.latency_ms);
    document.first_byte_ms = document.first_byte_ms.or(payload.first_byte_ms);
    if document.stop_reason.is_none() {
        document.stop_reason = payload.stop_reason.as_deref().map(to_owned);
    }
    if document.service_tier.is_none() {
        document.service_tier = payload.service_tier.as_deref().map(to_owned);
    }
}

/// Remembered payloads may be forgotten before the document is.
fn to_owned(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}
