//! The folders that a thread opened files in last, kept open.
//!
//! In: the key of a file that was listed. Out: the open file, if the quick way leads there: from its folder's
//! descriptor, by its bare name, never through a link. Always: a folder was resolved beneath its root by the kernel
//! when it was opened, and whoever finds no quick way resolves the whole key; so a failure is never this file's word.
//! Absent: any lock, since every thread keeps its own, and any limit on how long: a descriptor stays until the thread
//! ends or has come to other folders.

use std::cell::RefCell;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};

use super::{LocalStore, READING};

/// Folders kept by a thread: files are read in the order of their keys, from two hours at a time and with their
/// payloads in between.
const FOLDERS_KEPT: usize = 4;

/// What suffices to open files in a folder: no permission to list it is needed. `openat2` takes no flag beside these.
#[cfg(target_os = "linux")]
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const FOLDER: OFlags = READING.union(OFlags::DIRECTORY);

thread_local! {
    static RECENT: RefCell<Recent> = RefCell::default();
}

#[derive(Default)]
struct Recent {
    kept: [Kept; FOLDERS_KEPT],
    /// The one that is replaced next.
    oldest: usize,
}

#[derive(Default)]
struct Kept {
    /// [`LocalStore::number`]; 0 is none.
    store: u64,
    folder: Vec<u8>,
    state: State,
}

#[derive(Default)]
enum State {
    /// One file was opened in it: in folders of one file, opening the folder would only cost.
    #[default]
    Seen,
    Open(OwnedFd),
    /// It cannot be opened, and need not be tried again for each of its files.
    Closed,
}

/// Opens a file in a folder that this thread has opened files in before.
pub(super) fn open(store: &LocalStore, key: &[u8]) -> Option<OwnedFd> {
    let slash = key.iter().rposition(|&byte| byte == b'/');
    let name = slash.map_or(key, |at| &key[at + 1..]);
    if matches!(name, b"" | b"." | b"..") {
        return None;
    }
    let open_in =
        |folder: &OwnedFd| rustix::fs::openat(folder, name, READING | OFlags::NOFOLLOW, Mode::empty()).ok();
    let Some(slash) = slash else { return open_in(&store.root) };
    RECENT.with_borrow_mut(|recent| {
        let folder = &key[..slash];
        let kept = recent.kept.iter_mut().find(|kept| kept.store == store.number && kept.folder == folder);
        let Some(kept) = kept else {
            let kept = &mut recent.kept[recent.oldest];
            kept.store = store.number;
            kept.folder.clear();
            kept.folder.extend_from_slice(folder);
            kept.state = State::Seen;
            recent.oldest = (recent.oldest + 1) % FOLDERS_KEPT;
            return None;
        };
        if let State::Seen = kept.state {
            kept.state = store.open_beneath(folder, FOLDER).map_or(State::Closed, State::Open);
        }
        match &kept.state {
            State::Open(folder) => open_in(folder),
            State::Seen | State::Closed => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn the_second_file_of_a_folder_is_opened_in_it() {
        let root = TempDir::new().expect("a directory");
        std::fs::create_dir_all(root.path().join("a/b")).expect("folders");
        for name in ["a/b/1", "a/b/2", "top"] {
            std::fs::write(root.path().join(name), name).expect("a file");
        }
        for store in [LocalStore::open(root.path()), LocalStore::open_without_openat2(root.path())] {
            let store = store.expect("a directory");
            let is_quick = |key: &str| open(&store, key.as_bytes()).is_some();
            assert_eq!(["a/b/1", "a/b/2", "a/b/1"].map(is_quick), [false, true, true]);
            assert!(is_quick("top"), "the root is always open");
            assert_eq!(["a/b/3", "a/b/..", "a/b/.", "a/b/", "a/b"].map(is_quick), [false; 5]);
        }
    }

    #[test]
    fn no_link_is_followed_and_no_other_store_is_taken_for_this_one() {
        let root = TempDir::new().expect("a directory");
        for folder in ["one/a", "other/a"] {
            std::fs::create_dir_all(root.path().join(folder)).expect("folders");
            std::fs::write(root.path().join(folder).join("file"), folder).expect("a file");
        }
        std::os::unix::fs::symlink("file", root.path().join("one/a/link")).expect("a link");
        let one = LocalStore::open(&root.path().join("one")).expect("a directory");
        let other = LocalStore::open(&root.path().join("other")).expect("a directory");
        assert!(open(&one, b"a/file").is_none() && open(&one, b"a/file").is_some());
        assert!(open(&one, b"a/link").is_none());
        assert!(open(&other, b"a/file").is_none(), "nothing of it was opened before");
    }
}
