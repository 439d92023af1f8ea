//! Objects to files: many at once, whole or not at all, resumable.
//!
//! In: objects of buckets, and a directory. Out: `DIRECTORY/<bucket>/<key>` for each, or why not. Always: a file
//! appears under its name only when it is complete and on disk (a temporary file in `DIRECTORY/.borehole-pull`, fsync,
//! rename); a key is an untrusted path, and one that cannot be a path below the directory is refused; files are
//! readable by their owner alone, since they hold prompts; one run at a time writes to a directory. Absent: what to
//! download, and retries, which are the store's.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use borehole_store::{Body, EscapedKey, Object, ReadFailure, S3Store, Store, Version};
use indicatif::{HumanBytes, ProgressBar};
use md5::{Digest, Md5};
use serde_json::{Value, json};

/// The book of what is complete, in the directory: key, size and ETag of each file, one JSON object a line.
const MANIFEST: &str = ".borehole-pull.jsonl";

/// Where files grow, in the directory. What lies there was cut off, and is removed by the next run.
const PARTIAL: &str = ".borehole-pull";

/// Objects that are asked for and not yet written: more than a store has under way, so that it never waits for us.
const UNDER_WAY_MAX: usize = 512;

/// Threads that write. An fsync takes milliseconds, whatever the size of the file: they wait for disks, not for cores.
pub(crate) const WRITERS: usize = 16;

/// Bytes of a name that file systems take.
const NAME_BYTES_MAX: usize = 255;

/// One object that is to become a file.
#[derive(Clone)]
pub(crate) struct Wanted {
    /// Where it lies.
    pub store: Arc<S3Store>,
    /// As the listing saw it; of unknown size where only a reference names it.
    pub object: Object,
}

/// What became of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was there already, the same.
    Kept,
    /// It was downloaded; bytes.
    Written(u64),
    /// It cannot be a file; a word.
    Refused(&'static str),
    /// It could not be read.
    Failed(ReadFailure),
    /// It was left out: the limit of bytes was reached.
    OverLimit,
}

/// A directory that takes objects.
pub(crate) struct Target {
    directory: PathBuf,
    partial: PathBuf,
    manifest: Mutex<File>,
    known: HashMap<String, Known>,
}

/// What the manifest says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    size: u64,
    etag: Option<String>,
}

impl Target {
    /// Opens a directory, or makes it, and takes it for this run.
    ///
    /// # Errors
    /// Where it cannot be made or written to, or another run has it.
    pub(crate) fn open(directory: &Path) -> anyhow::Result<Self> {
        let shown = crate::exit::escaped(&directory.display().to_string());
        let failed = |what: &str| format!("{shown}: {what} failed");
        make_folders(directory).with_context(|| failed("making the directory"))?;
        let path = directory.join(MANIFEST);
        let manifest = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| failed("opening its manifest"))?;
        match manifest.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => anyhow::bail!("{shown}: another pull is writing to it"),
            Err(TryLockError::Error(cause)) => return Err(cause).with_context(|| failed("locking it")),
        }
        let known = read_manifest(&manifest).with_context(|| failed("reading its manifest"))?;
        let partial = directory.join(PARTIAL);
        match std::fs::remove_dir_all(&partial) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                return Err(cause).with_context(|| failed("removing what an earlier run left"));
            }
            _ => {}
        }
        make_folders(&partial).with_context(|| failed("making a directory in it"))?;
        let mut file = &manifest;
        // A line that was cut off must not swallow the next one.
        file.write_all(b"\n").with_context(|| failed("writing its manifest"))?;
        Ok(Target { directory: directory.to_path_buf(), partial, manifest: Mutex::new(manifest), known })
    }

    /// The directory of a bucket.
    pub(crate) fn of_bucket(&self, bucket: &str) -> PathBuf {
        self.directory.join(bucket_folder(bucket))
    }

    /// Whether the file of an object is there and the same.
    fn has(&self, wanted: &Wanted, path: &Path) -> bool {
        let Ok(found) = std::fs::symlink_metadata(path) else { return false };
        let object = &wanted.object;
        if !found.is_file() || object.size.is_some_and(|size| size != found.len()) {
            return false;
        }
        let name = name_of(wanted);
        let etag = etag_of(&object.version);
        if let Some(known) = self.known.get(&name)
            && known.size == found.len()
            && (known.etag == etag || object.version == Version::Unknown)
        {
            return true;
        }
        // Somebody else's download, or a run that was killed before it could write its line. The ETag of an object
        // that was encrypted with a KMS key, or uploaded in parts, is no digest: such a file never fits.
        let Version::Digest(expected) = object.version else { return false };
        let is_same = md5_of(path).is_ok_and(|digest| digest == expected);
        is_same && self.note(&name, found.len(), etag).is_ok()
    }

    /// Writes a line of the manifest, in one call: a run that is killed leaves no more than one part of a line.
    fn note(&self, name: &str, size: u64, etag: Option<String>) -> io::Result<()> {
        let line = format!("{}\n", json!({"object": name, "size": size, "etag": etag}));
        lock(&self.manifest).write_all(line.as_bytes())
    }

    /// Puts one object into its place.
    fn write(&self, wanted: &Wanted, body: Option<Box<dyn Body>>, path: &Path) -> io::Result<Fate> {
        let file = tempfile::Builder::new().prefix("object-").tempfile_in(&self.partial)?;
        let mut written = 0;
        let mut broken: Option<io::Error> = None;
        let mut out = file.as_file();
        let mut take = |bytes: &[u8]| {
            match out.write_all(bytes) {
                Ok(()) => written += bytes.len() as u64,
                Err(cause) => broken = Some(cause),
            }
            broken.is_none()
        };
        let read = match body {
            Some(body) => body.read(&mut take),
            None => wanted.store.read(&wanted.object, &mut take),
        };
        if let Some(cause) = broken {
            return Err(cause);
        }
        let receipt = match read {
            Ok(receipt) => receipt,
            Err(reason) => return Ok(Fate::Failed(reason)),
        };
        let expected = if receipt.revised { None } else { wanted.object.size };
        if receipt.bytes != written || expected.is_some_and(|size| size != written) {
            return Ok(Fate::Failed(ReadFailure::ShortBody));
        }
        file.as_file().sync_all()?;
        let folder = path.parent().unwrap_or(&self.directory);
        match make_folders(folder) {
            Ok(()) => {}
            // A file of an earlier run, or of somebody else, where a folder has to be.
            Err(cause) if is_in_the_way(&cause) => return Ok(Fate::Refused("file_and_folder")),
            Err(cause) => return Err(cause),
        }
        match file.persist(path) {
            Ok(_) => {}
            Err(error) if is_in_the_way(&error.error) => return Ok(Fate::Refused("file_and_folder")),
            Err(error) => return Err(error.error),
        }
        // An object that changed meanwhile has another ETag than the listing's.
        let etag = if receipt.revised { None } else { etag_of(&wanted.object.version) };
        self.note(&name_of(wanted), written, etag)?;
        Ok(Fate::Written(written))
    }

    /// Downloads what is not there yet. The fates are in the order of `wanted`.
    ///
    /// # Errors
    /// Where the directory cannot be written to, or a store cannot be asked any more.
    pub(crate) fn fetch(
        &self,
        wanted: &[Wanted],
        writers: usize,
        bytes_max: &AtomicU64,
        bar: &ProgressBar,
    ) -> anyhow::Result<Vec<Fate>> {
        let places = Places::of(wanted, &self.directory);
        let mut fates: Vec<Option<Fate>> = vec![None; wanted.len()];
        let mut missing = Vec::new();
        for (index, (object, place)) in wanted.iter().zip(&places.0).enumerate() {
            match place {
                Err(reason) => fates[index] = Some(Fate::Refused(reason)),
                Ok(path) if self.has(object, path) => fates[index] = Some(Fate::Kept),
                Ok(path) => missing.push((index, &**path)),
            }
        }
        bar.inc_length(missing.iter().filter_map(|&(index, _)| wanted[index].object.size).sum());
        let run = Run::new(self, wanted, &missing, bytes_max, bar);
        for (index, fate) in run.go(writers)? {
            fates[index] = Some(fate);
        }
        let folders: BTreeSet<&Path> = missing.iter().filter_map(|(_, path)| path.parent()).collect();
        for folder in folders {
            // A folder that was never made held nothing but failures.
            if let Ok(opened) = File::open(folder) {
                opened.sync_all().with_context(|| format!("{}: fsync failed", folder.display()))?;
            }
        }
        Ok(fates.into_iter().map(|fate| fate.unwrap_or(Fate::Failed(ReadFailure::Stopped))).collect())
    }

    /// What is there already, and what would be downloaded: (objects kept, objects to get, their bytes).
    pub(crate) fn look(directory: &Path, wanted: &[Wanted]) -> (u64, u64, u64) {
        let known = File::open(directory.join(MANIFEST)).ok().and_then(|file| read_manifest(&file).ok());
        let known = known.unwrap_or_default();
        let (mut kept, mut missing, mut bytes) = (0, 0, 0);
        for (object, place) in wanted.iter().zip(Places::of(wanted, directory).0) {
            let Ok(path) = place else { continue };
            let size = object.object.size.unwrap_or(0);
            let is_there =
                std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_file() && found.len() == size);
            let etag = etag_of(&object.object.version);
            if is_there && known.get(&name_of(object)) == Some(&Known { size, etag }) {
                kept += 1;
            } else {
                missing += 1;
                bytes += size;
            }
        }
        (kept, missing, bytes)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // Empty by now, but for what a failure left; the next run removes that.
        let _ = std::fs::remove_dir(&self.partial);
    }
}

/// The path of each object, or why it has none.
struct Places(Vec<Result<PathBuf, &'static str>>);

impl Places {
    fn of(wanted: &[Wanted], directory: &Path) -> Self {
        let keys: Vec<(String, &[u8])> =
            wanted.iter().map(|one| (bucket_folder(one.store.bucket()), &*one.object.key)).collect();
        let paths = paths_of(&keys);
        Places(paths.into_iter().map(|path| path.map(|path| directory.join(path))).collect())
    }
}

/// The paths of keys, each below its bucket's folder, or why there can be none.
///
/// Where one key is both a file and a folder on the way to another, the folder wins: it may hold any number of them.
fn paths_of(keys: &[(String, &[u8])]) -> Vec<Result<PathBuf, &'static str>> {
    let mut folders: HashSet<(&str, &[u8])> = HashSet::new();
    for (bucket, key) in keys {
        if !is_path(key) {
            continue;
        }
        let slashes = key.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        // From the longest on, until one is known: what is above it is known, too.
        for slash in slashes.collect::<Vec<_>>().into_iter().rev() {
            if !folders.insert((bucket, &key[..slash])) {
                break;
            }
        }
    }
    let path = |(bucket, key): &(String, &[u8])| {
        if key.ends_with(b"/") {
            Err("folder_marker")
        } else if !is_path(key) {
            Err("path")
        } else if folders.contains(&(&**bucket, *key)) {
            Err("file_and_folder")
        } else {
            Ok(Path::new(bucket).join(std::ffi::OsStr::from_bytes(key)))
        }
    };
    keys.iter().map(path).collect()
}

/// Whether a key is a path that stays where it is: no absolute one, no `..`, nothing that a file system reads otherwise.
fn is_path(key: &[u8]) -> bool {
    let is_name = |name: &[u8]| {
        !name.is_empty()
            && name != b"."
            && name != b".."
            && name.len() <= NAME_BYTES_MAX
            && !name.contains(&0)
    };
    key.split(|&byte| byte == b'/').all(is_name)
}

/// The folder of a bucket: its name; an access point's ARN has characters that are no part of a name.
pub(crate) fn bucket_folder(bucket: &str) -> String {
    let folder = bucket.replace(['/', ':'], "_");
    // No bucket is called so, and none of our own files either.
    if folder.starts_with('.') { format!("_{folder}") } else { folder }
}

/// One call of [`Target::fetch`].
struct Run<'a> {
    target: &'a Target,
    wanted: &'a [Wanted],
    /// Index into `wanted`, and the file.
    missing: &'a [(usize, &'a Path)],
    bytes_max: &'a AtomicU64,
    bar: &'a ProgressBar,
    under_way: Mutex<usize>,
    place_is_free: Condvar,
    stop: AtomicBool,
    broken: Mutex<Option<anyhow::Error>>,
    fates: Mutex<Vec<(usize, Fate)>>,
}

/// A body that came, for an index into [`Run::missing`]; `None` where the store forgot it.
type Arrival = (usize, Option<Box<dyn Body>>);

/// Sees to it that every object that was asked for arrives, even if the store drops its promise.
struct Ticket {
    number: usize,
    send: Sender<Arrival>,
    is_open: bool,
}

impl Ticket {
    fn arrive(mut self, body: Box<dyn Body>) {
        self.is_open = false;
        let _ = self.send.send((self.number, Some(body)));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.is_open {
            let _ = self.send.send((self.number, None));
        }
    }
}

impl<'a> Run<'a> {
    fn new(
        target: &'a Target,
        wanted: &'a [Wanted],
        missing: &'a [(usize, &'a Path)],
        bytes_max: &'a AtomicU64,
        bar: &'a ProgressBar,
    ) -> Self {
        Run {
            target,
            wanted,
            missing,
            bytes_max,
            bar,
            under_way: Mutex::new(0),
            place_is_free: Condvar::new(),
            stop: AtomicBool::new(false),
            broken: Mutex::new(None),
            fates: Mutex::new(Vec::with_capacity(missing.len())),
        }
    }

    fn go(self, writers: usize) -> anyhow::Result<Vec<(usize, Fate)>> {
        let (send, receive) = channel::<Arrival>();
        let receive = Mutex::new(receive);
        std::thread::scope(|scope| {
            for _ in 0..writers.max(1) {
                scope.spawn(|| self.work(&receive));
            }
            for (number, &(index, _)) in self.missing.iter().enumerate() {
                self.wait_for_a_place();
                if self.stop.load(Ordering::Relaxed) {
                    break;
                }
                let ticket = Ticket { number, send: send.clone(), is_open: true };
                let wanted = &self.wanted[index];
                // A store that gives the promise back is read as it is, by whoever gets the ticket.
                let _ = wanted.store.fetch(&wanted.object, Box::new(move |body| ticket.arrive(body)));
            }
            // The writers end when the last ticket is gone, too.
            drop(send);
        });
        match self.broken.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(self.fates.into_inner().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    fn wait_for_a_place(&self) {
        let mut under_way = lock(&self.under_way);
        while *under_way >= UNDER_WAY_MAX {
            under_way = self.place_is_free.wait(under_way).unwrap_or_else(PoisonError::into_inner);
        }
        *under_way += 1;
    }

    fn work(&self, receive: &Mutex<Receiver<Arrival>>) {
        loop {
            let arrival = lock(receive).recv();
            let Ok((number, body)) = arrival else { return };
            if !self.stop.load(Ordering::Relaxed)
                && catch_unwind(AssertUnwindSafe(|| self.settle(number, body))).is_err()
            {
                self.break_off(borehole_scan::Error::Internal { what: "a writer stopped" }.into());
            }
            *lock(&self.under_way) -= 1;
            self.place_is_free.notify_one();
        }
    }

    fn settle(&self, number: usize, body: Option<Box<dyn Body>>) {
        let (index, path) = self.missing[number];
        let wanted = &self.wanted[index];
        let size = wanted.object.size.unwrap_or(0);
        let fate = if self.has_room_for(size) {
            match self.target.write(wanted, body, path) {
                Ok(fate) => fate,
                Err(cause) => {
                    let shown = crate::exit::escaped(&path.display().to_string());
                    return self
                        .break_off(anyhow::Error::new(cause).context(format!("{shown}: write failed")));
                }
            }
        } else {
            Fate::OverLimit
        };
        if let Fate::Written(bytes) = fate {
            // What no listing told the size of counts from now on.
            if wanted.object.size.is_none() {
                let spend = |left: u64| Some(left.saturating_sub(bytes));
                let _ = self.bytes_max.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend);
                self.bar.inc_length(bytes);
            }
            self.bar.inc(bytes);
            self.bar.set_message(HumanBytes(self.bar.position()).to_string());
        }
        if matches!(fate, Fate::Failed(_))
            && let Some(error) = wanted.store.stopped()
        {
            return self.break_off(borehole_scan::Error::from(error).into());
        }
        lock(&self.fates).push((index, fate));
    }

    /// Takes bytes from what may still be downloaded.
    fn has_room_for(&self, bytes: u64) -> bool {
        let take = |left: u64| if left == 0 { None } else { left.checked_sub(bytes) };
        self.bytes_max.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    fn break_off(&self, error: anyhow::Error) {
        self.stop.store(true, Ordering::Relaxed);
        lock(&self.broken).get_or_insert(error);
    }
}

/// Fates by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Objects that were there already.
    pub kept: u64,
    /// Objects downloaded.
    pub written: u64,
    /// Their bytes.
    pub bytes: u64,
    /// By reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// By reason.
    pub failed: BTreeMap<&'static str, u64>,
    /// Left out for the limit of bytes.
    pub over_limit: u64,
}

impl Summary {
    /// Counts one more.
    pub(crate) fn add(&mut self, fate: Fate) {
        match fate {
            Fate::Kept => self.kept += 1,
            Fate::Written(bytes) => {
                self.written += 1;
                self.bytes += bytes;
            }
            Fate::Refused(reason) => *self.refused.entry(reason).or_default() += 1,
            Fate::Failed(reason) => *self.failed.entry(reason.as_str()).or_default() += 1,
            Fate::OverLimit => self.over_limit += 1,
        }
    }
}

/// Makes a directory and those above it, for its owner alone; what is there stays as it is.
fn make_folders(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn is_in_the_way(cause: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty, IsADirectory, NotADirectory};
    matches!(cause.kind(), AlreadyExists | DirectoryNotEmpty | IsADirectory | NotADirectory)
}

/// The object's name in the manifest.
fn name_of(wanted: &Wanted) -> String {
    format!("s3://{}/{}", wanted.store.bucket(), EscapedKey(&wanted.object.key))
}

fn etag_of(version: &Version) -> Option<String> {
    match version {
        Version::Digest(digest) => Some(digest.iter().map(|byte| format!("{byte:02x}")).collect()),
        Version::Etag(etag) => Some(etag.to_string()),
        Version::Unknown | Version::Modified { .. } => None,
    }
}

/// Reads the manifest: the last line of a name counts, a line that is none is left out.
fn read_manifest(file: &File) -> io::Result<HashMap<String, Known>> {
    let mut known = HashMap::new();
    let mut lines = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            return Ok(known);
        }
        let Ok(value) = serde_json::from_slice::<Value>(&line) else { continue };
        let (Some(object), Some(size)) =
            (value.get("object").and_then(Value::as_str), value.get("size").and_then(Value::as_u64))
        else {
            continue;
        };
        let etag = value.get("etag").and_then(Value::as_str).map(str::to_owned);
        known.insert(object.to_owned(), Known { size, etag });
    }
}

fn md5_of(path: &Path) -> io::Result<[u8; 16]> {
    let mut file = File::open(path)?;
    let mut digest = Md5::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(digest.finalize().into());
        }
        digest.update(&buffer[..read]);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(keys: &[&[u8]]) -> Vec<Result<String, &'static str>> {
        let keys: Vec<(String, &[u8])> = keys.iter().map(|key| ("b".to_owned(), *key)).collect();
        let shown = |path: PathBuf| path.to_string_lossy().into_owned();
        paths_of(&keys).into_iter().map(|path| path.map(shown)).collect()
    }

    #[test]
    fn g04_keys_that_lead_elsewhere_are_no_paths() {
        let long = [b'a'; 256];
        for key in [&b"../x"[..], b"a/../x", b"..", b"/etc/passwd", b"a//b", b"a/./b", b"", b"a\0b", &long] {
            assert_eq!(paths(&[key]), [Err("path")], "{}", EscapedKey(key));
        }
        assert_eq!(paths(&[b"a/b/"]), [Err("folder_marker")]);
        assert_eq!(paths(&[&long[..255]]).iter().filter(|path| path.is_ok()).count(), 1);
        assert_eq!(paths(&[b"a b/\x1b[1m/..c"]), [Ok("b/a b/\u{1b}[1m/..c".to_owned())]);
    }

    #[test]
    fn a_key_that_is_file_and_folder_is_refused_whatever_lies_between() {
        let expected = [Err("file_and_folder"), Ok("b/a/b-x".to_owned()), Ok("b/a/b/c/d".to_owned())];
        assert_eq!(paths(&[b"a/b", b"a/b-x", b"a/b/c/d"]), expected);
        let buckets: [(String, &[u8]); 2] = [("one".to_owned(), b"a"), ("two".to_owned(), b"a/b")];
        assert!(paths_of(&buckets).iter().all(Result::is_ok), "buckets are apart");
    }

    #[test]
    fn access_points_have_plain_folders() {
        assert_eq!(bucket_folder("logs"), "logs");
        assert_eq!(
            bucket_folder("arn:aws:s3:us-west-2:1:accesspoint/x"),
            "arn_aws_s3_us-west-2_1_accesspoint_x"
        );
    }

    #[test]
    fn j02_a_torn_line_of_the_manifest_costs_only_itself() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"{\"object\":\"a\",\"size\":1,\"etag\":\"x\"}\n{\"object\":\"b\",\"si\n{\"object\":\"a\",\"size\":2,\"etag\":null}\n")
            .expect("written");
        io::Seek::rewind(&mut file).expect("rewound");
        let known = read_manifest(&file).expect("read");
        assert_eq!(known, HashMap::from([("a".to_owned(), Known { size: 2, etag: None })]));
    }

    #[test]
    fn a_second_run_on_the_same_directory_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = Target::open(directory.path()).expect("free");
        let second = Target::open(directory.path()).map(drop).expect_err("taken");
        assert!(second.to_string().contains("another pull"), "{second}");
        drop(first);
        Target::open(directory.path()).expect("free again");
    }

    #[test]
    fn what_an_earlier_run_left_half_is_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let partial = directory.path().join(PARTIAL);
        make_folders(&partial).expect("made");
        std::fs::write(partial.join("object-x"), b"half").expect("written");
        drop(Target::open(directory.path()).expect("open"));
        assert!(!partial.exists());
    }
}
