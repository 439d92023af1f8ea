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

/// What suffices to open files in a folder: no permission to list it is needed.
#[cfg(target_os = "linux")]
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);
#[cfg(not(target_os = "linux"))]
const FOLDER: OFlags = OFlags::DIRECTORY;

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
    /// Opened when a second file in it is asked for: in folders of one file it would only cost.
    opened: Option<OwnedFd>,
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
            kept.opened = None;
            recent.oldest = (recent.oldest + 1) % FOLDERS_KEPT;
            return None;
        };
        if kept.opened.is_none() {
            kept.opened = store.open_beneath(folder, FOLDER).ok();
        }
        kept.opened.as_ref().and_then(open_in)
    })
}
