//! References to payload objects: followed only where the operator said, and never further than one step.
//!
//! In: a decoded document with `*BodyS3Path`, or a joined record of the split layout without bodies. Out: the
//! same with the facts of its payloads, and one outcome per reference in the tally. Always: a payload that
//! cannot be read costs a fact, never a request. A payload is never parsed as records.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use borehole_record::decode::PayloadSide;
use borehole_record::{BodyPlace, Document, Payload, PayloadDecoder, UtcDay};
use borehole_store::{LocalStore, Object, ReadFailure, S3Store, Store};
use rustc_hash::FxHashMap;

use crate::ledger::Tally;
use crate::limits::{PAYLOAD_DAYS, PAYLOADS_CACHED};
use crate::plan::Plan;
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

/// A directory's own name, and its path with a trailing `/`.
type Directory = (Box<[u8]>, Box<[u8]>);

/// A place where payloads may lie.
#[derive(Clone)]
pub struct PayloadRoot {
    store: Arc<dyn Store>,
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
            bucket: bucket_of(path),
            bucket_prefix: Vec::new(),
            conventional,
            directories: BTreeSet::new(),
        })
    }

    /// A bucket: it stands for itself. Keys of the conventional form are looked for below `prefix`.
    ///
    /// # Errors
    /// Where it cannot be listed.
    pub fn bucket(store: Arc<S3Store>, prefix: &str) -> Result<Self, Error> {
        let bucket = store.bucket().as_bytes().to_vec();
        let prefix = prefix.trim_matches('/');
        let conventional = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(PayloadRoot {
            store,
            bucket: Some(bucket),
            bucket_prefix: Vec::new(),
            conventional: BTreeSet::from([conventional.into_bytes().into()]),
            directories: BTreeSet::new(),
        })
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
enum Fetched {
    Payload(Arc<Payload>),
    Missing,
    RefusedPath,
    Failed,
}

/// What resolving did to a record.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sides {
    pub input_large: bool,
    pub output_large: bool,
    /// A payload that could have given an absent token count was not to be had.
    pub payload_lost: bool,
}

/// Root, key and side of a payload.
type PayloadKey = (usize, Box<[u8]>, u8);

/// Reads payloads, each at most once while it is remembered.
pub(crate) struct Resolver<'a> {
    mode: Resolve,
    roots: Vec<PayloadRoot>,
    decoded_bytes_max: u64,
    cache: Mutex<FxHashMap<PayloadKey, Arc<OnceLock<Fetched>>>>,
    progress: &'a Progress,
}

impl<'a> Resolver<'a> {
    /// Sources are payload roots, too: under their own directory's name, and with the conventional payloads
    /// that their listing saw.
    pub(crate) fn new(
        mode: Resolve,
        maps_and_large_data: &[PayloadRoot],
        sources: &[Source],
        plan: &Plan,
        decoded_bytes_max: u64,
        progress: &'a Progress,
    ) -> Self {
        let mut roots = maps_and_large_data.to_vec();
        for (index, source) in sources.iter().enumerate() {
            let Some(root) = &source.root else { continue };
            let of_source = |set: &'_ BTreeSet<(u32, Box<[u8]>)>| -> Vec<Box<[u8]>> {
                let own = set.iter().filter(|(of, _)| *of as usize == index);
                own.map(|(_, prefix)| prefix.clone()).collect()
            };
            roots.push(PayloadRoot {
                store: Arc::clone(&source.store),
                bucket: bucket_of(root),
                bucket_prefix: Vec::new(),
                conventional: of_source(&plan.payload_prefixes).into_iter().collect(),
                directories: of_source(&plan.layout_prefixes)
                    .iter()
                    .flat_map(|prefix| directories(prefix))
                    .collect(),
            });
        }
        Resolver { mode, roots, decoded_bytes_max, cache: Mutex::default(), progress }
    }

    /// Whether any root holds payloads under conventional keys.
    pub(crate) fn has_conventional(&self) -> bool {
        self.roots.iter().any(|root| !root.conventional.is_empty())
    }

    /// Follows the references of one record. `split` records may also have a payload under the conventional key.
    pub(crate) fn resolve(&self, document: &mut Document, split: bool, tally: &mut Tally) -> Sides {
        let mut sides = Sides::default();
        let failed_call = document.error_code.is_some();
        let lacks_count = |document: &Document| {
            !failed_call && (!document.input_tokens.is_known() || !document.output_tokens.is_known())
        };
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
            if self.mode == Resolve::Never || self.mode == Resolve::Counts && !can_count {
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
                outcome = self.fetch(root, &key, side);
                if !matches!(outcome, Fetched::Missing) {
                    break;
                }
            }
            output_lost |= self.settle(document, &outcome, side, own, tally) && can_count;
        }
        if split && !failed_call {
            output_lost |= self.resolve_conventional(document, &mut sides, tally);
        }
        sides.payload_lost = output_lost && lacks_count(document);
        sides
    }

    /// Looks for `YYYY/MM/DD/<requestId>/payload.json`. True where it could have given an absent count and did not.
    fn resolve_conventional(&self, document: &mut Document, sides: &mut Sides, tally: &mut Tally) -> bool {
        let lacks_input = document.input_body == BodyPlace::Absent;
        let lacks_output = document.output_body == BodyPlace::Absent;
        let (Some(time), Some(id)) = (document.timestamp, document.request_id.as_ref()) else { return false };
        if !(lacks_input || lacks_output) {
            return false;
        }
        let id = id.to_string();
        if !key_is_sound(id.as_bytes()) || id.contains('/') {
            return false;
        }
        let day = UtcDay::of(time);
        let days = std::iter::once(0).chain((1..=PAYLOAD_DAYS).flat_map(|distance| [-distance, distance]));
        for day in days.map(|distance| UtcDay(day.0 + distance)) {
            let Some(date) = day.to_string().get(..10).map(|date| date.replace('-', "/")) else { continue };
            for (root, prefix) in self.conventional() {
                for suffix in ["", ".gz"] {
                    let key = [prefix, format!("{date}/{id}/payload.json{suffix}").as_bytes()].concat();
                    if !matches!(self.roots[root].store.head(&key), Ok(Some(_))) {
                        continue;
                    }
                    sides.input_large |= lacks_input;
                    sides.output_large |= lacks_output;
                    tally.references.seen += 1;
                    let needed = !document.input_tokens.is_known() || !document.output_tokens.is_known();
                    if self.mode == Resolve::Never || self.mode == Resolve::Counts && !needed {
                        tally.references.not_needed += 1;
                        return false;
                    }
                    let side = if lacks_input { Side::Input } else { Side::Output };
                    let outcome = self.fetch(root, &key, side);
                    return self.settle(document, &outcome, side, true, tally);
                }
            }
        }
        false
    }

    fn conventional(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let roots = self.roots.iter().enumerate();
        roots.flat_map(|(index, root)| root.conventional.iter().map(move |prefix| (index, &**prefix)))
    }

    /// Counts the outcome and takes over the facts; true where there are none.
    fn settle(
        &self,
        document: &mut Document,
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

    /// The places a path can mean, or why it is refused and, where its bucket is unknown, which.
    #[expect(clippy::type_complexity, reason = "a list of places, or a reason with a name")]
    fn locate(
        &self,
        path: &str,
        account: Option<&str>,
    ) -> Result<Vec<(usize, Vec<u8>)>, (&'static str, Option<String>)> {
        let rest = path.strip_prefix("s3://").ok_or(("scheme", None))?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
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
            if plain && root.store.head(bucket.as_bytes()) == Err(ReadFailure::NotRegularFile) {
                is_known = true;
                places.push((index, [bucket.as_bytes(), b"/", key.as_bytes()].concat()));
            }
        }
        if !is_known {
            return Err(("bucket", Some(bucket.chars().take(63).collect())));
        }
        if !key_is_sound(key.as_bytes()) {
            return Err(("key", None));
        }
        let mut segments = key.split('/');
        if segments.any(|segment| segment == "AWSLogs")
            && let (Some(named), Some(account)) = (segments.next(), account)
            && named != account
        {
            return Err(("account", None));
        }
        Ok(places)
    }

    /// Reads one payload, or remembers what became of it.
    fn fetch(&self, root: usize, key: &[u8], side: Side) -> Fetched {
        let entry = {
            let mut cache = self.cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if cache.len() >= PAYLOADS_CACHED {
                cache.clear();
            }
            Arc::clone(cache.entry((root, key.into(), side as u8)).or_default())
        };
        entry.get_or_init(|| self.read(root, key, side)).clone()
    }

    fn read(&self, root: usize, key: &[u8], side: Side) -> Fetched {
        let store = &self.roots[root].store;
        let object: Object = match store.head(key) {
            Ok(Some(object)) => object,
            Ok(None) => return Fetched::Missing,
            Err(ReadFailure::Path | ReadFailure::NotRegularFile) => return Fetched::RefusedPath,
            Err(_) => return Fetched::Failed,
        };
        let is_split_payload = key.ends_with(b"/payload.json") || key.ends_with(b"/payload.json.gz");
        let expected = match (side, is_split_payload) {
            (Side::Input, false) => PayloadSide::Input,
            (Side::Input, true) => PayloadSide::InputOrBoth,
            (Side::Output, false) => PayloadSide::Output,
            (Side::Output, true) => PayloadSide::OutputOrBoth,
        };
        let mut decoder = PayloadDecoder::new(expected, self.decoded_bytes_max);
        let mut failed = false;
        let read = store.read(&object, &mut |bytes| {
            failed |= decoder.push(bytes).is_err();
            !failed
        });
        let Ok(receipt) = read else { return Fetched::Failed };
        self.progress.fetched(receipt.bytes);
        if failed {
            return Fetched::Failed;
        }
        match decoder.finish() {
            Ok((payload, _)) => Fetched::Payload(Arc::new(payload)),
            Err(_) => Fetched::Failed,
        }
    }
}

/// Keys as S3 would take them: 1…1,024 bytes, no empty, `.` or `..` segment, no NUL.
fn key_is_sound(key: &[u8]) -> bool {
    !key.is_empty()
        && key.len() <= 1_024
        && !key.contains(&0)
        && key.split(|&byte| byte == b'/').all(|segment| !matches!(segment, b"" | b"." | b".."))
}

/// Fills what the record lacks; the length of an offloaded body wins over the metadata document's figure.
fn take_over(document: &mut Document, payload: &Payload, side: Side) {
    let whole = payload.input_bytes.is_known() && payload.output_bytes.is_known();
    if side == Side::Input || whole {
        if document.input_body != BodyPlace::Inline {
            document.input_bytes = payload.input_bytes.or(document.input_bytes);
            if document.input_kinds.is_empty() {
                document.input_kinds = payload.input_kinds;
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
    document.latency_ms = document.latency_ms.or(payload.latency_ms);
    document.first_byte_ms = document.first_byte_ms.or(payload.first_byte_ms);
    if document.stop_reason.is_none() {
        document.stop_reason.clone_from(&payload.stop_reason);
    }
    if document.service_tier.is_none() {
        document.service_tier.clone_from(&payload.service_tier);
    }
}
