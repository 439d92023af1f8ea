//! Objects of the buckets and dumps that the server was started with.
//!
//! In: names that a client gives, keys as the ledger escapes them. Out: listings, objects, restores. Always: nothing is
//! looked at that the server was not started with, and within that nothing outside of what was named: of a SOURCE
//! `s3://bucket/prefix` only keys below the prefix, of a SOURCE with a date at its end only objects of that time, of a
//! directory nothing that a link leads to outside of it; what a client gives never becomes a path of this machine but
//! below such a root. A bucket is asked for no more than one listing shows. Absent: what a client sees of it; strings
//! from logs are raw here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use borehole_mcp::{Entry, Failure, FailureKind, Listing, Object, Restored, Text, Watch};
use borehole_record::{
    DecodeOptions, Document, DocumentKind, Key, ObjectDecoder, ObjectFailure, Reject, Sink, Timestamp,
};
use borehole_scan::{PayloadRoot, Range, Source};
use borehole_store::s3::restore::{Asked, Tier};
use borehole_store::s3::{Dated, Location};
use borehole_store::{EscapedKey, Listed, ReadFailure, Restore, StorageClass, Version};
use serde_json::Value;

use super::ServeMcp;
use super::failure::failure;
use super::stop::stoppable;
use crate::envelope::envelope;
use crate::exit::escaped;
use crate::kept::Shelf;
use crate::places::Places;
use crate::remembered::Part;
use crate::{bodies, prices, restore};

/// Envelopes of one object that are shown: enough to see what it is.
const ENVELOPES_MAX: usize = 20;

/// Most bytes that an object may decode to here: a client waits for it. Objects of logs hold less than a tenth.
const DECODED_BYTES_MAX: u64 = 64 << 20;

/// Most bytes of an object's text that are shown: what fits into an assistant's attention, and into a frame.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// Buckets and dumps that a refusal names.
const NAMES_SHOWN: usize = 12;

/// The buckets and dumps of the server. Opened when something is first asked of them; their connections then serve all
/// calls.
#[derive(Default)]
pub(super) struct Buckets {
    opened: Mutex<Option<Arc<Opened>>>,
}

/// Everything that the server was started with, open.
pub(super) struct Opened {
    roots: Vec<Root>,
    /// Where the logs are; none where they are a dataset.
    pub sources: Vec<Source>,
    /// Where offloaded payloads are.
    pub payload_sources: Vec<Source>,
    /// What references may lead to.
    pub payload_roots: Vec<PayloadRoot>,
}

impl Opened {
    fn open(args: &ServeMcp) -> anyhow::Result<Opened> {
        let args = &args.gather;
        let mut opened = Opened {
            roots: Vec::new(),
            sources: Vec::new(),
            payload_sources: Vec::new(),
            payload_roots: Vec::new(),
        };
        if Shelf::are_kept(&args.sources)? {
            return Ok(opened);
        }
        let mut places = Places::new(&args.s3)?;
        places.also_reads(&args.large_data);
        places.also_reads(&args.map);
        opened.sources = places.sources(&args.sources)?;
        for argument in &args.map {
            opened.payload_roots.push(PayloadRoot::map(argument)?);
            opened.roots.extend(Root::of_map(argument)?);
        }
        opened.payload_roots.extend(places.payload_roots(&args.large_data)?);
        opened.payload_sources = places.payload_sources(&args.large_data, true)?;
        // Standard input is where the client speaks.
        let sources = opened.sources.iter().filter(|source| source.s3.is_some() || source.root.is_some());
        opened.roots.extend(sources.chain(&opened.payload_sources).map(Root::of_source));
        Ok(opened)
    }

    /// The roots that a name stands for.
    fn named(&self, bucket: &str) -> Result<Vec<Root>, Failure> {
        let name = bucket.trim_end_matches('/');
        let exact: Vec<Root> = self.roots.iter().filter(|root| root.names.contains(name)).cloned().collect();
        if !exact.is_empty() {
            return Ok(exact);
        }
        let is_folder = |root: &&Root| root.folder.as_deref() == Some(name);
        let by_folder: Vec<Root> = self.roots.iter().filter(is_folder).cloned().collect();
        let inside: Vec<Root> = self.roots.iter().filter_map(|root| root.folder_inside(name)).collect();
        for found in [by_folder, inside] {
            let places: BTreeSet<_> = found.iter().map(|root| &root.source.root).collect();
            if places.len() == 1 {
                return Ok(found);
            }
        }
        let mut names: Vec<String> = self.roots.iter().map(|root| escaped(&root.shown)).collect();
        names.sort();
        names.dedup();
        let more = if names.len() > NAMES_SHOWN { ", …" } else { "" };
        names.truncate(NAMES_SHOWN);
        let message = format!("{}: not among what this server was started with", escaped(bucket));
        let hint = if names.is_empty() {
            "this server was started with a dataset, which has no objects; start it with the logs themselves"
                .to_owned()
        } else {
            format!("there are: {}{more}", names.join(", "))
        };
        Err(refused(FailureKind::NotAllowed, message, Some(hint)))
    }
}

/// A failure in our words.
pub(super) fn refused(kind: FailureKind, message: String, hint: Option<String>) -> Failure {
    Failure { kind, message, hint }
}

/// One place, under the names that clients may use for it.
#[derive(Clone)]
struct Root {
    /// Whole names.
    names: BTreeSet<String>,
    /// The last part of a directory's path: a name, too, where it is the only one.
    folder: Option<String>,
    /// The name that is told.
    shown: String,
    source: Source,
    /// What a client's keys begin with, and those of the place do not.
    stripped: Vec<u8>,
    /// What stands there instead.
    inside: Vec<u8>,
}

impl Root {
    fn of_source(source: &Source) -> Root {
        let mut names = BTreeSet::new();
        let shown = match &source.s3 {
            Some(store) => {
                names.insert(format!("s3://{}", store.bucket()));
                store.bucket().to_owned()
            }
            None => {
                let canonical = std::fs::canonicalize(&source.name).ok();
                let paths = [canonical.as_ref(), source.root.as_ref()];
                names.extend(paths.into_iter().flatten().filter_map(|path| path.to_str()).map(str::to_owned));
                source.name.clone()
            }
        };
        // `/` alone is all of this machine, and means it.
        let name = shown.trim_end_matches('/');
        names.insert(name.to_owned());
        let folder = source.root.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        let folder = folder.map(str::to_owned);
        Root { names, folder, shown, source: source.clone(), stripped: Vec::new(), inside: Vec::new() }
    }

    /// `s3://bucket[/prefix]=DIR`: the directory by its own names, and by the bucket's.
    fn of_map(argument: &str) -> anyhow::Result<[Root; 2]> {
        let wrong = || borehole_scan::Error::Map { argument: argument.to_owned() };
        let (url, directory) = argument.split_once('=').ok_or_else(wrong)?;
        let location = Location::parse(url).ok_or_else(wrong)?;
        let path = Path::new(directory);
        let root: PathBuf = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let store = borehole_store::LocalStore::open(path).map_err(borehole_scan::Error::from)?;
        let own = Root::of_source(&Source {
            name: directory.to_owned(),
            store: Arc::new(store),
            root: Some(root),
            s3: None,
            prefix: Vec::new(),
            range: None,
            is_file: false,
        });
        let prefix = location.key.trim_end_matches('/');
        let bucket = Root {
            names: BTreeSet::from([location.bucket.clone(), format!("s3://{}", location.bucket)]),
            folder: None,
            shown: location.bucket,
            source: own.source.clone(),
            stripped: if prefix.is_empty() { Vec::new() } else { format!("{prefix}/").into() },
            inside: Vec::new(),
        };
        Ok([own, bucket])
    }

    /// A folder directly in a dump, which holds a bucket of its name as `borehole pull` and `aws s3 sync` leave it.
    fn folder_inside(&self, name: &str) -> Option<Root> {
        let is_plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
        let is_whole = self.source.root.is_some() && self.source.prefix.is_empty() && self.inside.is_empty();
        let is_there = is_plain
            && is_whole
            && self.source.store.head(name.as_bytes()) == Err(ReadFailure::NotRegularFile);
        is_there.then(|| Root {
            shown: name.to_owned(),
            stripped: Vec::new(),
            inside: format!("{name}/").into(),
            ..self.clone()
        })
    }

    /// What all keys of the place begin with that may be named; a file is its own.
    fn below(&self) -> Vec<u8> {
        let mut below = self.source.prefix.clone();
        if !below.is_empty() && !self.source.is_file {
            below.push(b'/');
        }
        below
    }

    /// A client's key or prefix as the place's own; `None` where it has no such.
    fn own(&self, key: &[u8]) -> Option<Vec<u8>> {
        key.strip_prefix(&self.stripped[..]).map(|rest| [&self.inside[..], rest].concat())
    }

    /// A key of the place as clients know it.
    fn known(&self, own: &[u8]) -> Vec<u8> {
        [&self.stripped[..], own.strip_prefix(&self.inside[..]).unwrap_or(own)].concat()
    }

    /// The place's own key of an object that may be named.
    fn own_key(&self, key: &[u8]) -> Option<Vec<u8>> {
        let own = self.own(key)?;
        let is_below =
            if self.source.is_file { own == self.source.prefix } else { own.starts_with(&self.below()) };
        let range = self.source.range.map(|(from, to)| Range {
            from: Some(Timestamp::from_seconds(from.start_seconds())),
            to: Some(Timestamp::from_seconds(to.start_seconds())),
        });
        let is_of_its_time = range.is_none_or(|range| Part::of(&own, &range).is_some());
        (is_below && is_of_its_time).then_some(own)
    }

    /// What the place is asked for where a client asks for a prefix; `None` where nothing that may be named has it.
    fn own_prefix(&self, prefix: &[u8]) -> Option<Vec<u8>> {
        let own = match self.own(prefix) {
            Some(own) => own,
            None if self.stripped.starts_with(prefix) => self.inside.clone(),
            None => return None,
        };
        let below = self.below();
        if own.starts_with(&below) { Some(own) } else { below.starts_with(&own).then_some(below) }
    }

    /// Where a client's listing goes on in this place; `None` where nothing of it is left.
    fn own_after(&self, after: &[u8]) -> Option<Vec<u8>> {
        match self.own(after) {
            // Before all that is wanted.
            None if *after < *self.stripped => Some(Vec::new()),
            own => own,
        }
    }

    fn place(&self, key: &[u8]) -> String {
        format!("{}/{}", escaped(self.shown.trim_end_matches('/')), EscapedKey(key))
    }
}

/// Objects of one place by their own keys, with the times at which they were written.
#[derive(Default)]
struct Found {
    objects: BTreeMap<Box<[u8]>, (borehole_store::Object, Option<Timestamp>)>,
    more: bool,
    failed: u64,
}

impl Buckets {
    /// Everything that the server was started with.
    ///
    /// # Errors
    /// Where it cannot be opened; the next call tries anew.
    pub(super) fn opened(&self, args: &ServeMcp, watch: &Watch) -> Result<Arc<Opened>, Failure> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = &*opened {
            return Ok(Arc::clone(opened));
        }
        let all = Arc::new(Opened::open(args).map_err(|error| failure(&error, watch))?);
        Ok(Arc::clone(opened.insert(all)))
    }

    /// Opens everything anew the next time, where a place does not answer any more: credentials that have expired for
    /// good may have been renewed by then.
    pub(super) fn note(&self, sources: &[Source], watch: &Watch) {
        let is_lost = |source: &Source| source.s3.is_some() && source.store.stopped().is_some();
        if !watch.is_stopped() && sources.iter().any(is_lost) {
            *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// See [`borehole_mcp::Engine::list`].
    pub(super) fn list(
        &self,
        args: &ServeMcp,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        most: usize,
        watch: &Watch,
    ) -> Result<Listing, Failure> {
        let opened = self.opened(args, watch)?;
        let roots = opened.named(bucket)?;
        let wanted = unescaped(prefix)?;
        let after = after.map(unescaped).transpose()?;
        let mut objects: BTreeMap<Vec<u8>, Entry> = BTreeMap::new();
        let (mut more, mut failed, mut is_allowed) = (false, 0, false);
        for root in &roots {
            let Some(own) = root.own_prefix(&wanted) else { continue };
            is_allowed = true;
            let after = match after.as_deref().map(|after| root.own_after(after)) {
                Some(None) => continue,
                Some(after) => after,
                None => None,
            };
            let source = stoppable(root.source.clone(), watch);
            let found = list_some(&source, root, &own, after.as_deref(), most, watch);
            self.note(std::slice::from_ref(&source), watch);
            let found = found?;
            more |= found.more;
            failed += found.failed;
            for (own, (object, modified)) in found.objects {
                let key = root.known(&own);
                let entry = entry(&key, &object, modified);
                objects.entry(key).or_insert(entry);
            }
        }
        if !is_allowed {
            return Err(outside(&roots, prefix));
        }
        more |= objects.len() > most;
        Ok(Listing { objects: objects.into_values().take(most).collect(), more, failed })
    }

    /// See [`borehole_mcp::Engine::read`].
    pub(super) fn read(
        &self,
        args: &ServeMcp,
        bucket: &str,
        key: &str,
        watch: &Watch,
    ) -> Result<Object, Failure> {
        let opened = self.opened(args, watch)?;
        let one = self.find(&opened, bucket, key, watch)?;
        let read = one.read(args.allow_bodies, watch);
        self.note(std::slice::from_ref(&one.source), watch);
        read
    }

    /// See [`borehole_mcp::Engine::restore`].
    pub(super) fn restore(
        &self,
        args: &ServeMcp,
        bucket: &str,
        key: &str,
        days: u32,
        watch: &Watch,
    ) -> Result<Restored, Failure> {
        if !(1..=365).contains(&days) {
            let message = "days: expected 1 to 365".to_owned();
            return Err(refused(FailureKind::Arguments, message, None));
        }
        let opened = self.opened(args, watch)?;
        let one = self.find(&opened, bucket, key, watch)?;
        let restored = one.restore(args.allow_restore, days, watch);
        self.note(std::slice::from_ref(&one.source), watch);
        restored
    }
}

impl Buckets {
    /// The object that a client names: that of the first place that has it.
    fn find(&self, opened: &Opened, bucket: &str, asked: &str, watch: &Watch) -> Result<One, Failure> {
        let roots = opened.named(bucket)?;
        let key = unescaped(asked)?;
        if key.is_empty() {
            return Err(refused(FailureKind::Arguments, "object_key: expected a key".to_owned(), None));
        }
        let mut missing = None;
        let mut failed = None;
        for root in &roots {
            let Some(own) = root.own_key(&key) else { continue };
            let source = stoppable(root.source.clone(), watch);
            match look_up(&source, &own) {
                Ok(Some((object, modified))) => {
                    return Ok(One { root: root.clone(), source, key, object, modified });
                }
                Ok(None) => missing = Some(unread(root, &source, &own, ReadFailure::Vanished, watch)),
                Err(reason) => failed = Some(unread(root, &source, &own, reason, watch)),
            }
            self.note(std::slice::from_ref(&source), watch);
        }
        // Where a place did not answer, nobody can say that there is none.
        Err(failed.or(missing).unwrap_or_else(|| outside(&roots, asked)))
    }
}

/// The key that a client's text stands for.
fn unescaped(text: &str) -> Result<Vec<u8>, Failure> {
    let key = EscapedKey::unescape(text).filter(|key| !key.contains(&0));
    key.ok_or_else(|| {
        let message = format!("{}: not a key", escaped(text));
        let hint = "give keys as s3_object_list shows them: \\xNN is a byte, \\\\ a backslash".to_owned();
        refused(FailureKind::Arguments, message, Some(hint))
    })
}

/// The refusal of a key or prefix that is not below what was named.
fn outside(roots: &[Root], asked: &str) -> Failure {
    let mut below: Vec<String> =
        roots.iter().map(|root| EscapedKey(&root.known(&root.below())).to_string()).collect();
    below.sort();
    below.dedup();
    let dated = roots.iter().any(|root| root.source.range.is_some());
    let time = if dated { ", and of its SOURCE's own time" } else { "" };
    let message = format!("{}: not below what this server was started with", escaped(asked));
    let hint = format!("only keys below {} are open here{time}", below.join(", "));
    refused(FailureKind::NotAllowed, message, Some(hint))
}

fn stopped() -> Failure {
    refused(FailureKind::Stopped, "stopped".to_owned(), None)
}

/// Lists what begins with `prefix` and comes after `after`, by key: at most `most`.
fn list_some(
    source: &Source,
    root: &Root,
    prefix: &[u8],
    after: Option<&[u8]>,
    most: usize,
    watch: &Watch,
) -> Result<Found, Failure> {
    let failed = |error: borehole_store::Error| failure(&borehole_scan::Error::from(error).into(), watch);
    if source.is_file {
        let found =
            look_up(source, &source.prefix).map_err(|reason| unread(root, source, prefix, reason, watch))?;
        let is_wanted = |key: &[u8]| key.starts_with(prefix) && after.is_none_or(|after| after < key);
        let objects = found.into_iter().filter(|(object, _)| is_wanted(&object.key));
        return Ok(Found { objects: objects.map(by_key).collect(), ..Found::default() });
    }
    let Some(store) = &source.s3 else { return list_local(source, root, prefix, after, most, watch) };
    // No key of S3 is anything but UTF-8.
    let Ok(prefix) = std::str::from_utf8(prefix) else { return Ok(Found::default()) };
    let after = after.map(String::from_utf8_lossy);
    let (objects, more) = store.list_some(prefix, after.as_deref(), most).map_err(failed)?;
    let dated = |Dated { object, modified_seconds }| (object, modified_seconds.map(Timestamp::from_seconds));
    Ok(Found { objects: objects.into_iter().map(dated).map(by_key).collect(), more, failed: 0 })
}

fn by_key(
    (object, modified): (borehole_store::Object, Option<Timestamp>),
) -> (Box<[u8]>, (borehole_store::Object, Option<Timestamp>)) {
    (object.key.clone(), (object, modified))
}

/// As [`list_some`], of a directory. Only folders that may hold what is wanted are entered; a link to a folder is come
/// across where its own name stands, so that the end is known only when all of them are done.
fn list_local(
    source: &Source,
    root: &Root,
    prefix: &[u8],
    after: Option<&[u8]>,
    most: usize,
    watch: &Watch,
) -> Result<Found, Failure> {
    let folder = prefix.iter().rposition(|&byte| byte == b'/').map_or(&prefix[..0], |slash| &prefix[..slash]);
    if prefix.starts_with(b"/") {
        return Err(unread(root, source, prefix, ReadFailure::Path, watch));
    }
    if !folder.is_empty() {
        match source.store.head(folder) {
            Err(ReadFailure::NotRegularFile) => {}
            // A prefix that nothing begins with is no error, as on S3.
            Ok(_) => return Ok(Found::default()),
            Err(reason) => return Err(unread(root, source, prefix, reason, watch)),
        }
    }
    // One more than is wanted tells that there are more.
    let kept: Mutex<BTreeMap<Box<[u8]>, borehole_store::Object>> = Mutex::default();
    let lock = || kept.lock().unwrap_or_else(PoisonError::into_inner);
    let mut enter = |folder: &[u8]| {
        let path = [folder, b"/"].concat();
        let may_match = path.starts_with(prefix) || prefix.starts_with(&path);
        let is_done = after.is_some_and(|after| *path < *after && !after.starts_with(&path));
        let kept = lock();
        let is_beyond = kept.len() > most && kept.last_key_value().is_some_and(|(last, _)| *path > **last);
        may_match && !is_done && !is_beyond
    };
    let mut failed = 0;
    let mut found = |listed: Listed| match listed {
        Listed::Object(object) => {
            if object.key.starts_with(prefix) && after.is_none_or(|after| *after < *object.key) {
                let mut kept = lock();
                kept.insert(object.key.clone(), object);
                if kept.len() > most + 1 {
                    kept.pop_last();
                }
            }
        }
        Listed::Failed { key, .. } => {
            failed += u64::from(key.starts_with(prefix) || prefix.starts_with(&key));
        }
        Listed::Skipped { .. } => {}
    };
    let listed = source.store.list(folder, &mut enter, &mut found);
    listed.map_err(|error| failure(&borehole_scan::Error::from(error).into(), watch))?;
    let mut kept = kept.into_inner().unwrap_or_else(PoisonError::into_inner);
    let more = kept.len() > most;
    if more {
        kept.pop_last();
    }
    let dated = |(key, object): (Box<[u8]>, borehole_store::Object)| {
        let modified = modified(&object);
        (key, (object, modified))
    };
    Ok(Found { objects: kept.into_iter().map(dated).collect(), more, failed })
}

/// When a local file was written.
fn modified(object: &borehole_store::Object) -> Option<Timestamp> {
    match object.version {
        Version::Modified { seconds, .. } => Some(Timestamp::from_seconds(seconds)),
        Version::Unknown | Version::Digest(_) | Version::Etag(_) => None,
    }
}

fn look_up(
    source: &Source,
    key: &[u8],
) -> Result<Option<(borehole_store::Object, Option<Timestamp>)>, ReadFailure> {
    if let Some(store) = &source.s3 {
        let found = store.look_up(key)?;
        return Ok(found.map(|found| (found.object, found.modified_seconds.map(Timestamp::from_seconds))));
    }
    Ok(source.store.head(key)?.map(|object| {
        let modified = modified(&object);
        (object, modified)
    }))
}

fn entry(key: &[u8], object: &borehole_store::Object, modified: Option<Timestamp>) -> Entry {
    Entry {
        key: EscapedKey(key).to_string(),
        size: object.size,
        last_modified: modified,
        storage_class: object.class.as_str(),
        archived: object.is_archived(),
    }
}

/// Why something could not be read, for the client.
fn unread(root: &Root, source: &Source, key: &[u8], reason: ReadFailure, watch: &Watch) -> Failure {
    if watch.is_stopped() {
        return stopped();
    }
    // What stopped a bucket says more than that it is.
    if let Some(error) = source.store.stopped() {
        return failure(&borehole_scan::Error::from(error).into(), watch);
    }
    let place = root.place(&root.known(key));
    let (kind, why, hint) = match reason {
        ReadFailure::Vanished => (FailureKind::NotFound, "there is no such object", None),
        ReadFailure::Path => (FailureKind::NotFound, "leads out of what this server was started with", None),
        ReadFailure::NotRegularFile => (
            FailureKind::NotFound,
            "is a folder, and no object",
            Some("s3_object_list with this prefix shows what lies in it"),
        ),
        ReadFailure::Archived => (
            FailureKind::NoAnswer,
            "is archived: only a restore makes it readable",
            Some("s3_restore_object asks S3 for a copy"),
        ),
        ReadFailure::AccessDenied | ReadFailure::AbsentOrDenied => (
            FailureKind::NoAnswer,
            reason.as_str(),
            Some("borehole doctor SOURCE names the permission that is missing"),
        ),
        reason => (FailureKind::NoAnswer, reason.as_str(), None),
    };
    let colon = if why.contains(' ') { "" } else { ": get failed:" };
    refused(kind, format!("{place}{colon} {why}"), hint.map(str::to_owned))
}

/// One object that a client named.
struct One {
    root: Root,
    source: Source,
    /// As the client knows it.
    key: Vec<u8>,
    object: borehole_store::Object,
    modified: Option<Timestamp>,
}

impl One {
    fn place(&self) -> String {
        self.root.place(&self.key)
    }

    fn unread(&self, reason: ReadFailure, watch: &Watch) -> Failure {
        unread(&self.root, &self.source, &self.object.key, reason, watch)
    }

    fn read(&self, shows_text: bool, watch: &Watch) -> Result<Object, Failure> {
        if self.object.is_archived() {
            let mut failure = self.unread(ReadFailure::Archived, watch);
            if self.object.restore == Restore::InProgress {
                failure.hint = Some("a restore is under way; try again when it is done".to_owned());
            }
            return Err(failure);
        }
        let (kind, of) = match Key::parse(&self.object.key) {
            Key::AwsRecord { .. } => ("records", Some(DocumentKind::Record)),
            Key::SplitDocument { kind, .. } => ("document", Some(kind)),
            // A payload is never taken for records.
            Key::AwsPayload { .. } | Key::SplitPayload { .. } => ("payload", None),
            _ => ("other", Some(DocumentKind::Record)),
        };
        let envelopes = match of {
            Some(of) => self.envelopes(of, kind == "other", watch)?,
            None => Envelopes::new(self.object.key.clone(), DocumentKind::Record),
        };
        let (text, text_withheld) =
            if shows_text { self.text(watch)? } else { (None, Some(WITHHELD.to_owned())) };
        Ok(Object {
            entry: entry(&self.key, &self.object, self.modified),
            kind,
            envelopes: envelopes.shown,
            records: envelopes.records,
            rejected: envelopes.rejected,
            text,
            text_withheld,
        })
    }

    /// Decodes the object as documents of a kind. `is_loose`: it may as well hold none.
    fn envelopes(&self, kind: DocumentKind, is_loose: bool, watch: &Watch) -> Result<Envelopes, Failure> {
        let options = DecodeOptions {
            facts: true,
            accept_epoch: false,
            lenient_numbers: false,
            allow_double_gzip: false,
            decoded_bytes_max: DECODED_BYTES_MAX,
        };
        let mut envelopes = Envelopes::new(self.object.key.clone(), kind);
        let mut decoder = ObjectDecoder::new(kind, options);
        let mut failure = None;
        let read = self.source.store.read(&self.object, &mut |bytes| {
            failure = decoder.push(bytes, &mut envelopes).err();
            failure.is_none()
        });
        read.map_err(|reason| self.unread(reason, watch))?;
        let ended = match failure {
            Some(failure) => Err(failure),
            None => decoder.finish(&mut envelopes).map(drop),
        };
        match ended {
            Err(ObjectFailure::DecodedLimit) => {
                let message =
                    format!("{} is longer than 64 MiB, decoded: too long to be read here", self.place());
                let hint = "borehole find and borehole analyze read objects of any length".to_owned();
                Err(refused(FailureKind::NoAnswer, message, Some(hint)))
            }
            Err(failure) if !(is_loose && envelopes.records == 0) => {
                let message = format!("{} cannot be decoded: {}", self.place(), failure.as_str());
                Err(refused(FailureKind::NoAnswer, message, None))
            }
            // No log at all: a picture has neither records nor rejects.
            _ if is_loose && envelopes.records == 0 => Ok(Envelopes::new(envelopes.key, kind)),
            _ => Ok(envelopes),
        }
    }

    /// The stored text, or why there is none.
    fn text(&self, watch: &Watch) -> Result<(Option<Text>, Option<String>), Failure> {
        let most = TEXT_BYTES_MAX as u64 + 1;
        let span = bodies::read_span(&*self.source.store, &self.object, 0, Some(most));
        let mut bytes = match span {
            Ok(span) => span.bytes,
            Err(_) if watch.is_stopped() => return Err(stopped()),
            Err(reason) => return Ok((None, Some(format!("not readable: {reason}")))),
        };
        if let Some(magic) = bodies::magic(&bytes) {
            return Ok((None, Some(format!("no text: {magic}"))));
        }
        let is_cut = bytes.len() > TEXT_BYTES_MAX;
        bytes.truncate(TEXT_BYTES_MAX);
        if is_cut {
            // Not in the middle of a character.
            let whole = match std::str::from_utf8(&bytes) {
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                _ => bytes.len(),
            };
            bytes.truncate(whole);
        }
        Ok((Some(Text { text: String::from_utf8_lossy(&bytes).into_owned(), is_cut }), None))
    }

    fn restore(&self, is_allowed: bool, days: u32, watch: &Watch) -> Result<Restored, Failure> {
        let Some(store) = &self.source.s3 else {
            let message = format!("{}: only objects in S3 are archived", self.place());
            return Err(refused(FailureKind::Arguments, message, None));
        };
        let answer = |outcome, notes: &[String]| Ok(Restored { outcome, notes: notes.to_vec() });
        // Of the archive tiers of Intelligent-Tiering only S3 knows.
        let is_tiered = self.object.class == StorageClass::IntelligentTiering;
        if !is_tiered && !matches!(self.object.class, StorageClass::Glacier | StorageClass::DeepArchive) {
            let note =
                format!("its storage class is {}; it can be read as it is", self.object.class.as_str());
            return answer("not_archived", &[note]);
        }
        if self.object.restore == Restore::InProgress {
            return answer("in_progress", &["a restore was asked for before, and is under way".to_owned()]);
        }
        if !is_allowed {
            let by_hand = self.command(days);
            let notes = [
                "this server was started without --allow-restore; nothing was asked of S3".to_owned(),
                format!("by hand, this does it: {by_hand}"),
            ];
            return answer("not_allowed", &notes);
        }
        let mut asked = Err(ReadFailure::Stopped);
        store.restore(std::slice::from_ref(&self.object), days, Tier::Bulk, &mut |_, answer| asked = answer);
        match asked {
            Ok(Asked::Started) => {
                let takes = prices::restoring_takes(self.object.class, Tier::Bulk);
                let takes = takes.map(|takes| format!("tier Bulk, which takes {takes}"));
                let kept =
                    format!("the copy is kept for {days} days, and paid as STANDARD storage meanwhile");
                answer("asked", &takes.into_iter().chain([kept]).collect::<Vec<_>>())
            }
            Ok(Asked::AlreadyInProgress) => {
                answer("in_progress", &["a restore was asked for before, and is under way".to_owned()])
            }
            Ok(Asked::AlreadyRestored) => {
                answer("restored", &[format!("a copy is there; it is kept for {days} days from now on")])
            }
            Err(ReadFailure::Refused) if is_tiered => {
                answer("not_archived", &["it lies in no archive tier; it can be read as it is".to_owned()])
            }
            Err(ReadFailure::AccessDenied) => {
                let message = format!("{}: access denied", self.place());
                let hint =
                    "restoring needs s3:RestoreObject; borehole doctor prints the policy that gives it";
                Err(refused(FailureKind::NoAnswer, message, Some(hint.to_owned())))
            }
            Err(reason) => Err(self.unread(reason, watch)),
        }
    }

    /// The command that restores this object alone.
    fn command(&self, days: u32) -> String {
        let source =
            Source { prefix: self.object.key.to_vec(), is_file: true, range: None, ..self.source.clone() };
        let is_payload = matches!(Part::of(&self.object.key, &Range::default()), Some(Part::Payload(_)));
        let payloads = if is_payload { " --payloads" } else { "" };
        format!("{}{payloads} --yes", restore::command(&source, &Range::default(), days, None))
    }
}

/// Why there is no text where nobody allowed it.
const WITHHELD: &str = "this server was started without --allow-bodies";

/// What decoding an object finds.
struct Envelopes {
    key: Box<[u8]>,
    kind: DocumentKind,
    shown: Vec<Value>,
    records: u64,
    rejected: u64,
}

impl Envelopes {
    fn new(key: Box<[u8]>, kind: DocumentKind) -> Self {
        Envelopes { key, kind, shown: Vec::new(), records: 0, rejected: 0 }
    }
}

impl Sink for Envelopes {
    fn document(&mut self, document: Document<'_>) {
        self.records += 1;
        if self.shown.len() < ENVELOPES_MAX {
            self.shown.push(envelope(&self.key, self.kind, &document));
        }
    }

    fn reject(&mut self, _reject: Reject) {
        self.rejected += 1;
    }
}

#[cfg(test)]
mod tests;
