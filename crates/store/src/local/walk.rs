//! The listing of a directory: folders read by several threads, what they hold given out by one.
//!
//! In: a root and a prefix. Out: every name below it, to the caller's own thread, in the order of the keys but for
//! links to folders, which stand where a file of their name would. Each folder is one piece of work: its names are
//! read, then every file is looked at (size, time of change, identity), relative to the open folder. Small trees are
//! walked by the caller alone; threads start when a tree turns out to be large.
//! Always: one folder's outcome does not depend on when, or by which thread, it was read. Absent: reading of files,
//! and a bound on what waits for its turn, since a listing is kept whole by those who ask for one.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::ffi::CString;
use std::num::NonZero;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, Dir, FileType, OFlags};

use super::{LocalStore, READING, failure, identity, object, stat_of};
use crate::{Listed, ReadFailure};

/// Folders within folders: bind-mount loops end here. The `aws` layout nests 9 deep below its prefix.
const DEPTH_MAX: usize = 32;

/// Threads of one listing: more of them only wait for each other in the kernel.
const THREADS_MAX: usize = 8;

/// Names that the caller's own thread looks at before others are started: about a millisecond, some ten times what
/// starting a thread costs.
const NAMES_ALONE: usize = 512;

/// Lists what lies in the folder `key`, which has no trailing `/`.
///
/// # Errors
/// Where that very folder cannot be read, or the store is stopped; what fails below it is a [`Listed::Failed`].
pub(super) fn list(
    store: &LocalStore,
    key: &[u8],
    enter: &mut dyn FnMut(&[u8]) -> bool,
    found: &mut dyn FnMut(Listed),
) -> Result<(), ReadFailure> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
    list_with(store, key, threads, enter, found)
}

/// As [`list`], with so many threads beside the caller's own (none where there is one core).
pub(super) fn list_with(
    store: &LocalStore,
    key: &[u8],
    threads: usize,
    enter: &mut dyn FnMut(&[u8]) -> bool,
    found: &mut dyn FnMut(Listed),
) -> Result<(), ReadFailure> {
    let walk = Walk { store, state: Mutex::default(), more_jobs: Condvar::new(), more_done: Condvar::new() };
    std::thread::scope(|scope| {
        // However this ends, also in a panic of the caller's, the threads do.
        let _end = End(&walk);
        let mut lister = Lister { walk: &walk, enter, arrived: HashMap::new(), numbers: 0, names: 0 };
        lister.admit(key.into(), None);
        let mut is_shared = false;
        let mut open: Vec<Frame> = Vec::new();
        let mut wanted = Some(0);
        loop {
            if store.is_stopped() {
                return Err(ReadFailure::Stopped);
            }
            if let Some(number) = wanted.take() {
                let folder = lister.folder(number, &mut is_shared, &mut || {
                    if threads < 2 {
                        return false;
                    }
                    for _ in 0..threads {
                        scope.spawn(|| walk.work());
                    }
                    true
                });
                let Folder { key, entries, outcome, .. } = folder;
                open.push(Frame { key, entries: entries.into_iter(), outcome });
            }
            let Some(frame) = open.last_mut() else { return Ok(()) };
            match frame.entries.next() {
                Some(Entry::Found(listed)) => found(listed),
                Some(Entry::Folder { number, .. }) => wanted = Some(number),
                None => {
                    let Some(Frame { key, outcome, .. }) = open.pop() else { return Ok(()) };
                    match outcome {
                        Err(reason) if open.is_empty() => return Err(reason),
                        Err(reason) => found(Listed::Failed { key, reason }),
                        Ok(()) => {}
                    }
                }
            }
        }
    })
}

/// A folder that is being given out.
struct Frame {
    key: Box<[u8]>,
    entries: std::vec::IntoIter<Entry>,
    outcome: Result<(), ReadFailure>,
}

/// A folder that is to be read.
struct Job {
    number: u64,
    key: Box<[u8]>,
    above: Option<Arc<Above>>,
}

/// A folder that was read.
struct Folder {
    key: Box<[u8]>,
    /// Itself, as what the folders in it lie in.
    place: Option<Arc<Above>>,
    /// By key.
    entries: Vec<Entry>,
    outcome: Result<(), ReadFailure>,
}

/// One name in a folder.
enum Entry {
    Found(Listed),
    /// A folder, numbered once it is known that it is entered.
    Folder {
        key: Box<[u8]>,
        number: u64,
    },
}

/// A folder and those above it, against loops of links.
struct Above {
    identity: (u64, u64),
    depth: usize,
    above: Option<Arc<Above>>,
}

impl Above {
    fn holds(&self, identity: (u64, u64)) -> bool {
        let mut here = Some(self);
        while let Some(above) = here {
            if above.identity == identity {
                return true;
            }
            here = above.above.as_deref();
        }
        false
    }
}

/// The caller's side of a listing.
struct Lister<'a> {
    walk: &'a Walk<'a>,
    enter: &'a mut dyn FnMut(&[u8]) -> bool,
    /// Folders that were read before it was their turn, by number.
    arrived: HashMap<u64, Folder>,
    numbers: u64,
    /// How many names were looked at so far.
    names: usize,
}

impl Lister<'_> {
    /// Makes a folder one to be read, and gives its number.
    fn admit(&mut self, key: Box<[u8]>, above: Option<Arc<Above>>) -> u64 {
        let number = self.numbers;
        self.numbers += 1;
        // By key with its `/`: what is given out first is read first.
        let place = [&key, &b"/"[..]].concat();
        self.walk.lock().jobs.insert(place, Job { number, key, above });
        number
    }

    /// Asks which folders of one that was read are entered.
    fn arrive(&mut self, number: u64, mut folder: Folder) {
        self.names += folder.entries.len();
        let mut entries = std::mem::take(&mut folder.entries);
        entries.retain_mut(|entry| match entry {
            Entry::Found(_) => true,
            Entry::Folder { key, number } => {
                let enters = (self.enter)(key);
                if enters {
                    *number = self.admit(key.clone(), folder.place.clone());
                }
                enters
            }
        });
        folder.entries = entries;
        self.arrived.insert(number, folder);
    }

    /// The folder of this number; waits for it, or reads it. `share` starts other threads, if it can.
    fn folder(&mut self, number: u64, is_shared: &mut bool, share: &mut dyn FnMut() -> bool) -> Folder {
        loop {
            let mut state = self.walk.lock();
            let done = std::mem::take(&mut state.done);
            let is_idle = done.is_empty();
            state.wanted = number;
            if *is_shared && is_idle && !self.arrived.contains_key(&number) {
                // What was done meanwhile is seen on the way round.
                drop(self.walk.more_done.wait(state).unwrap_or_else(PoisonError::into_inner));
                continue;
            }
            drop(state);
            if !is_idle {
                for (number, folder) in done {
                    self.arrive(number, folder);
                }
                self.walk.more_jobs.notify_all();
            }
            if let Some(folder) = self.arrived.remove(&number) {
                return folder;
            }
            if *is_shared {
                continue;
            }
            if self.names >= NAMES_ALONE && share() {
                *is_shared = true;
                continue;
            }
            let job = self.walk.lock().jobs.pop_first();
            if let Some((_, job)) = job {
                let number = job.number;
                let folder = self.walk.look_into(job);
                self.arrive(number, folder);
            }
        }
    }
}

/// What all threads of a listing share.
struct Walk<'a> {
    store: &'a LocalStore,
    state: Mutex<State>,
    more_jobs: Condvar,
    more_done: Condvar,
}

#[derive(Default)]
struct State {
    jobs: BTreeMap<Vec<u8>, Job>,
    done: Vec<(u64, Folder)>,
    /// The folder that is given out next.
    wanted: u64,
    ended: bool,
}

impl Walk<'_> {
    /// Once a folder, not once a file: nobody waits here for long.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads folders until the listing ends.
    fn work(&self) {
        let mut state = self.lock();
        while !state.ended {
            let Some((_, job)) = state.jobs.pop_first() else {
                state = self.more_jobs.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            let unread = Folder::unread(job.key.clone(), ReadFailure::Io);
            let mut report = Report { walk: self, number: job.number, folder: Some(unread) };
            report.folder = Some(self.look_into(job));
            drop(report);
            state = self.lock();
        }
    }

    /// Reads one folder.
    fn look_into(&self, Job { key, above, .. }: Job) -> Folder {
        let opened = self.store.open_beneath(&key, READING.union(OFlags::DIRECTORY));
        let opened = opened.and_then(|folder| Ok((identity(&stat_of(&folder)?), folder)));
        let (identity, folder) = match opened {
            Ok(opened) => opened,
            Err(reason) => return Folder::unread(key, reason),
        };
        if above.as_deref().is_some_and(|above| above.holds(identity)) {
            // A loop: what lies in it is listed under its first name.
            let skipped = Listed::Skipped { key: key.clone(), reason: "not_regular_file" };
            return Folder { entries: vec![Entry::Found(skipped)], outcome: Ok(()), ..Folder::new(key) };
        }
        let depth = above.as_deref().map_or(0, |above| above.depth) + 1;
        if depth > DEPTH_MAX {
            return Folder::unread(key, ReadFailure::TooDeep);
        }
        let mut entries = match Dir::new(folder) {
            Ok(entries) => entries,
            Err(errno) => return Folder::unread(key, failure(errno)),
        };
        let (mut names, outcome) = names(&mut entries);
        names.sort_unstable_by(Name::order);
        let entries = names.into_iter().map(|name| self.look_at(&entries, &key, name)).collect();
        let place = Some(Arc::new(Above { identity, depth, above }));
        Folder { place, entries, outcome, ..Folder::new(key) }
    }

    /// Looks at one name.
    fn look_at(&self, entries: &Dir, folder: &[u8], name: Name) -> Entry {
        let key = below(folder, name.name.as_bytes());
        let skipped = |key| Entry::Found(Listed::Skipped { key, reason: "not_regular_file" });
        let failed = |key, reason| Entry::Found(Listed::Failed { key, reason });
        let stat = match name.kind {
            FileType::Directory => return Entry::Folder { key, number: 0 },
            FileType::RegularFile | FileType::Unknown => {
                let looked = entries.fd().and_then(|folder| {
                    rustix::fs::statat(folder, name.name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW)
                });
                match looked {
                    Ok(stat) => stat,
                    Err(errno) => return failed(key, failure(errno)),
                }
            }
            // A link counts as what it leads to, as long as that lies beneath the root.
            FileType::Symlink => {
                match self.store.open_beneath(&key, READING).and_then(|fd| stat_of(&fd)) {
                    Ok(stat) => stat,
                    Err(reason @ (ReadFailure::Permission | ReadFailure::Io)) => return failed(key, reason),
                    // What lies behind a link out of the root is missing from the listing: that must be seen. A
                    // loop or a dangling link hides nothing.
                    Err(ReadFailure::Path) if self.store.leads_out(&key) => {
                        return failed(key, ReadFailure::Path);
                    }
                    Err(_) => return skipped(key),
                }
            }
            _ => return skipped(key),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Entry::Folder { key, number: 0 },
            FileType::RegularFile => Entry::Found(Listed::Object(object(key, &stat))),
            _ => skipped(key),
        }
    }
}

impl Folder {
    fn new(key: Box<[u8]>) -> Self {
        Folder { key, place: None, entries: Vec::new(), outcome: Ok(()) }
    }

    fn unread(key: Box<[u8]>, reason: ReadFailure) -> Self {
        Folder { outcome: Err(reason), ..Folder::new(key) }
    }
}

/// Hands a folder over when it goes out of scope: a thread that stops in the middle of one must not leave the
/// caller waiting for it.
struct Report<'a> {
    walk: &'a Walk<'a>,
    number: u64,
    folder: Option<Folder>,
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        let Some(folder) = self.folder.take() else { return };
        let mut state = self.walk.lock();
        state.done.push((self.number, folder));
        // The caller need not wake for each folder: for the one it waits for, and where only it knows what is next.
        if state.wanted == self.number || state.jobs.is_empty() {
            self.walk.more_done.notify_one();
        }
    }
}

/// Ends the threads of a listing when it goes out of scope.
struct End<'a>(&'a Walk<'a>);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.more_jobs.notify_all();
    }
}

/// A name that a folder holds.
struct Name {
    /// The first bytes as a number, which decides most comparisons without a look at the name.
    head: u64,
    name: CString,
    kind: FileType,
}

impl Name {
    fn new(name: CString, kind: FileType) -> Self {
        let mut head = [0; 8];
        let bytes = name.as_bytes();
        let count = bytes.len().min(head.len());
        head[..count].copy_from_slice(&bytes[..count]);
        if kind == FileType::Directory && count < head.len() {
            head[count] = b'/';
        }
        Name { head: u64::from_be_bytes(head), name, kind }
    }

    /// The order of the keys: that of the bytes, with the `/` that follows a folder's name.
    fn order(&self, other: &Self) -> Ordering {
        let slash = |name: &Self| (name.kind == FileType::Directory).then_some(b'/');
        self.head.cmp(&other.head).then_with(|| {
            let (own, others) = (self.name.as_bytes(), other.name.as_bytes());
            match (slash(self), slash(other)) {
                (None, None) => own.cmp(others),
                (slash, slash_of_other) => {
                    let others = others.iter().copied().chain(slash_of_other);
                    own.iter().copied().chain(slash).cmp(others)
                }
            }
        })
    }
}

/// All names in an open folder; with a failure, those that came before it.
fn names(entries: &mut Dir) -> (Vec<Name>, Result<(), ReadFailure>) {
    let mut names = Vec::new();
    while let Some(entry) = entries.read() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(errno) => return (names, Err(failure(errno))),
        };
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push(Name::new(name.to_owned(), entry.file_type()));
        }
    }
    (names, Ok(()))
}

/// The key of a name in a folder.
fn below(folder: &[u8], name: &[u8]) -> Box<[u8]> {
    let mut key = Vec::with_capacity(folder.len() + 1 + name.len());
    if !folder.is_empty() {
        key.extend_from_slice(folder);
        key.push(b'/');
    }
    key.extend_from_slice(name);
    key.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use tempfile::TempDir;

    fn write(root: &Path, key: &str) {
        let path = root.join(key);
        std::fs::create_dir_all(path.parent().expect("below the root")).expect("folders");
        std::fs::write(path, b"x").expect("a file");
    }

    fn keys(store: &LocalStore, threads: usize) -> Vec<String> {
        let mut keys = Vec::new();
        let mut found = |listed| match listed {
            Listed::Object(object) => keys.push(String::from_utf8(object.key.into()).expect("text")),
            Listed::Skipped { key, .. } | Listed::Failed { key, .. } => panic!("{key:?}"),
        };
        list_with(store, b"", threads, &mut |_| true, &mut found).expect("a listing");
        keys
    }

    #[test]
    fn any_number_of_threads_gives_the_same_listing_by_key() {
        let root = TempDir::new().expect("a directory");
        for folder in 0..20 {
            for file in 0..15 {
                write(root.path(), &format!("a/{folder}/name-{file}"));
                write(root.path(), &format!("a/{folder}-{file}"));
                write(root.path(), &format!("a/{folder}/{file}/same-head/x"));
            }
        }
        let store = LocalStore::open(root.path()).expect("a directory");
        let mut expected = keys(&store, 1);
        for threads in [2, 3, 16] {
            assert_eq!(keys(&store, threads), expected, "{threads} threads");
        }
        assert_eq!(expected.len(), 3 * 20 * 15);
        let listed = expected.clone();
        expected.sort_unstable();
        assert_eq!(listed, expected);
    }

    #[test]
    fn a_folders_name_stands_where_its_keys_do() {
        let root = TempDir::new().expect("a directory");
        let all = ["a", "b-c", "b/x", "b0", "long-name-a", "long-name-b-c", "long-name-b/x", "long-name-b0"];
        for key in all {
            write(root.path(), key);
        }
        assert_eq!(keys(&LocalStore::open(root.path()).expect("a directory"), 2), all);
    }

    #[test]
    fn a_caller_that_panics_ends_the_threads() {
        let root = TempDir::new().expect("a directory");
        for number in 0..2 * NAMES_ALONE {
            write(root.path(), &format!("{}/{number}", number % 7));
        }
        let store = LocalStore::open(root.path()).expect("a directory");
        let listing = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut count = 0;
            let mut found = |_| {
                count += 1;
                assert!(count < NAMES_ALONE, "enough");
            };
            list_with(&store, b"", 4, &mut |_| true, &mut found)
        }));
        assert!(listing.is_err());
    }
}
