//! A directory (or one file) as a store.
//!
//! Every name is resolved beneath the root by the kernel (`openat2` with `RESOLVE_BENEATH`), never by comparing
//! strings: a relative link that stays inside is followed, one that leaves (or is absolute) is refused, and there
//! is no moment between the check and the opening. Where the kernel has no `openat2` (Linux before 5.6, some
//! sandboxes, every other system), links are not followed at all.
//! Files are opened without blocking and must be regular; size and time of change are held to the listing
//! when the last byte is read, and where bytes are handed over on the way, also before the first.
//! Absent: writing.

mod recent;
mod walk;

use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::{
    Error, EscapedKey, Listed, Object, ReadFailure, Receipt, Restore, Stop, StorageClass, Store, Version,
    read_into,
};

/// Bytes read at a time: large enough that system calls do not show in a profile, small enough that a reader
/// per core costs nothing.
const CHUNK_BYTES: usize = 256 * 1024;

/// Longest name that the file systems of Linux and macOS can hold, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// How every file is opened: without waiting for a writer of a FIFO, and without becoming a terminal's process.
const READING: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Numbers of stores: 0 is none.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// What [`LocalStore::read`] reads into. Taken out while in use: reading an object may lead to reading another.
    static CHUNK: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A directory on this machine.
#[derive(Debug)]
pub struct LocalStore {
    root: Arc<OwnedFd>,
    path: PathBuf,
    beneath: bool,
    /// Tells stores apart: a descriptor's number would be given to another one day.
    number: u64,
    /// Whoever asked may want the end of it.
    stop: Option<Stop>,
}

impl LocalStore {
    /// Opens a directory as the root; the path itself may be a link, since the operator gave it.
    ///
    /// # Errors
    /// Where it does not exist, is not a directory or may not be read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let error = |errno: Errno| Error {
            place: EscapedKey(path.as_os_str().as_encoded_bytes()).to_string(),
            operation: "open",
            attempts: 1,
            cause: std::io::Error::from(errno).to_string(),
            hint: None,
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty()).map_err(error)?;
        // One harmless call tells whether this kernel (or this sandbox) has openat2.
        let beneath = open_resolved(&root, c".", flags).is_ok();
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Ok(LocalStore { root: Arc::new(root), path: path.to_path_buf(), beneath, number, stop: None })
    }

    /// As [`LocalStore::open`] on a kernel without `openat2`: no link below the root is followed. For tests.
    ///
    /// # Errors
    /// As [`LocalStore::open`].
    #[doc(hidden)]
    pub fn open_without_openat2(path: &Path) -> Result<Self, Error> {
        Ok(LocalStore { beneath: false, ..Self::open(path)? })
    }

    /// The directory, as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether somebody asked for the end of it.
    fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(Stop::is_asked)
    }

    /// Opens `key` beneath the root with all of these flags; the empty key is the root itself.
    fn open_beneath(&self, key: &[u8], flags: OFlags) -> Result<OwnedFd, ReadFailure> {
        // The kernel would allow `a/../b`, which stays inside; no key of a listing is spelled like that.
        if !key.is_empty() && key.split(|&byte| byte == b'/').any(|part| matches!(part, b"" | b"." | b"..")) {
            return Err(ReadFailure::Path);
        }
        let name = CString::new(if key.is_empty() { b"." } else { key }).map_err(|_| ReadFailure::Path)?;
        if self.beneath {
            // The kernel may ask for another try when a rename races with the resolution.
            for _ in 0..8 {
                match open_resolved(&self.root, &name, flags) {
                    Err(Errno::AGAIN) => {}
                    result => return result.map_err(failure),
                }
            }
            return Err(ReadFailure::Io);
        }
        // Without openat2: component by component, never through a link.
        let mut current: Option<OwnedFd> = None;
        let mut parts = key.split(|&byte| byte == b'/').filter(|part| !part.is_empty()).peekable();
        while let Some(part) = parts.next() {
            let name = CString::new(part).map_err(|_| ReadFailure::Path)?;
            let own = if parts.peek().is_some() { OFlags::DIRECTORY } else { OFlags::empty() };
            let parent = current.as_ref().map_or(self.root.as_fd(), |fd| fd.as_fd());
            let opened = rustix::fs::openat(parent, &name, flags | own | OFlags::NOFOLLOW, Mode::empty());
            let next = match opened {
                // Linux says so of a link on the way, too, where a folder was asked for.
                Err(Errno::NOTDIR) if is_link(parent, &name) => return Err(ReadFailure::Path),
                result => result.map_err(failure)?,
            };
            current = Some(next);
        }
        match current {
            Some(opened) => Ok(opened),
            None => rustix::fs::openat(&self.root, c".", flags, Mode::empty()).map_err(failure),
        }
    }

    /// Opens a file that is to be read: the quick way if there is one, else by its whole key. What is known of the
    /// object is held against what was opened, so both lead to the same bytes or to none.
    fn open_listed(&self, listed: &Object) -> Result<OwnedFd, ReadFailure> {
        let quick = if listed.version == Version::Unknown { None } else { recent::open(self, &listed.key) };
        quick.map_or_else(|| self.open_beneath(&listed.key, READING), Ok)
    }

    /// Whether a link leads out of the root. Only the kernel can tell; without its help, links are not followed
    /// and this is false.
    fn leads_out(&self, key: &[u8]) -> bool {
        let Ok(name) = CString::new(key) else { return false };
        self.beneath && open_resolved(&self.root, &name, READING).err() == Some(Errno::XDEV)
    }
}

impl Store for LocalStore {
    fn list(
        &self,
        prefix: &[u8],
        enter: &mut dyn FnMut(&[u8]) -> bool,
        found: &mut dyn FnMut(Listed),
    ) -> Result<(), Error> {
        let error = |reason: ReadFailure| {
            let mut place = EscapedKey(self.path.as_os_str().as_encoded_bytes()).to_string();
            if !prefix.is_empty() {
                place = format!("{place}/{}", EscapedKey(prefix));
            }
            Error {
                place,
                operation: "list",
                attempts: 1,
                cause: reason.as_str().replace('_', " "),
                hint: None,
            }
        };
        let mut key = prefix.to_vec();
        while key.last() == Some(&b'/') {
            key.pop();
        }
        let stat = self.open_beneath(&key, READING).and_then(|fd| stat_of(&fd)).map_err(error)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            found(Listed::Object(object(key.into(), &stat)));
            return Ok(());
        }
        walk::list(self, &key, enter, found).map_err(error)
    }

    fn read(&self, listed: &Object, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<Receipt, ReadFailure> {
        let file = self.open_listed(listed)?;
        hold_to_listing(&file, listed)?;
        let size = listed.size.unwrap_or(u64::MAX);
        // Small objects are the many: no more is asked for than they hold, and one byte to see that they grew.
        let wanted = CHUNK_BYTES.min(usize::try_from(size).unwrap_or(CHUNK_BYTES).saturating_add(1));
        let mut buffer = CHUNK.take();
        if buffer.len() < wanted {
            buffer.resize(wanted, 0);
        }
        let mut is_cut_off = false;
        let handed_over = hand_over(&file, size, &mut buffer[..wanted], &mut |bytes| {
            is_cut_off = self.is_stopped();
            !is_cut_off && take(bytes)
        });
        CHUNK.set(buffer);
        let Handed { total, stopped } = handed_over?;
        if is_cut_off {
            return Err(ReadFailure::Stopped);
        }
        if stopped {
            return Ok(receipt(total));
        }
        hold_to_listing(&file, listed)?;
        if listed.size.is_none() || total == size { Ok(receipt(total)) } else { Err(ReadFailure::Changed) }
    }

    fn read_whole(&self, listed: &Object, buffer: &mut Vec<u8>) -> Result<Receipt, ReadFailure> {
        let Some(size) = listed.size else { return read_into(self, listed, buffer) };
        if self.is_stopped() {
            return Err(ReadFailure::Stopped);
        }
        buffer.clear();
        // One byte more, to see that it grew.
        let wanted = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1);
        buffer.try_reserve(wanted).map_err(|_| ReadFailure::Io)?;
        let file = self.open_listed(listed)?;
        let filled = fill(&file, wanted, buffer);
        // Nobody has seen the bytes yet, so that one look afterwards is enough; and what the file has become says
        // more than why it could not be read.
        hold_to_listing(&file, listed)?;
        filled?;
        let total = buffer.len() as u64;
        if total == size { Ok(receipt(total)) } else { Err(ReadFailure::Changed) }
    }

    fn head(&self, key: &[u8]) -> Result<Option<Object>, ReadFailure> {
        match self.open_beneath(key, READING).and_then(|fd| stat_of(&fd)) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                Ok(Some(object(key.into(), &stat)))
            }
            Ok(_) => Err(ReadFailure::NotRegularFile),
            Err(ReadFailure::Vanished) => Ok(None),
            // A name that no file system can hold is a file that is not there, not one that leads elsewhere.
            Err(ReadFailure::Path)
                if key.split(|&byte| byte == b'/').any(|part| part.len() > NAME_BYTES_MAX) =>
            {
                Ok(None)
            }
            Err(reason) => Err(reason),
        }
    }

    fn stopped(&self) -> Option<Error> {
        let place = || EscapedKey(self.path.as_os_str().as_encoded_bytes()).to_string();
        self.is_stopped().then(|| Error::stopped(place(), "get"))
    }

    fn stopping(&self, stop: &Stop) -> Option<Arc<dyn Store>> {
        Some(Arc::new(LocalStore {
            root: Arc::clone(&self.root),
            path: self.path.clone(),
            beneath: self.beneath,
            number: self.number,
            stop: Some(stop.clone()),
        }))
    }
}

/// Opens a name with every link on its way held beneath `root`, by the kernel itself.
#[cfg(target_os = "linux")]
fn open_resolved(root: &OwnedFd, name: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    use rustix::fs::ResolveFlags;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, name, flags, Mode::empty(), resolve)
}

/// Only Linux can: elsewhere no link is followed.
#[cfg(not(target_os = "linux"))]
fn open_resolved(_root: &OwnedFd, _name: &CStr, _flags: OFlags) -> Result<OwnedFd, Errno> {
    Err(Errno::NOSYS)
}

fn is_link(folder: BorrowedFd<'_>, name: &CStr) -> bool {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

fn stat_of(file: &OwnedFd) -> Result<Stat, ReadFailure> {
    rustix::fs::fstat(file).map_err(failure)
}

/// Device and inode.
#[allow(clippy::unnecessary_cast, reason = "the width of a device number differs by system")]
fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}

#[allow(clippy::unnecessary_cast, reason = "the width and sign of a time's parts differ by system")]
fn version(stat: &Stat) -> Version {
    Version::Modified { seconds: stat.st_mtime as i64, nanos: stat.st_mtime_nsec as u64 }
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

fn object(key: Box<[u8]>, stat: &Stat) -> Object {
    Object {
        key,
        size: Some(size(stat)),
        version: version(stat),
        identity: Some(identity(stat)),
        class: StorageClass::Standard,
        restore: Restore::None,
    }
}

/// Whether an open file is, and still is, what the listing saw.
fn hold_to_listing(file: &OwnedFd, listed: &Object) -> Result<(), ReadFailure> {
    let stat = stat_of(file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(ReadFailure::NotRegularFile);
    }
    // Of an object that was never listed nothing is known that could have changed.
    let is_same = listed.version == Version::Unknown || version(&stat) == listed.version;
    let is_same = is_same && listed.size.is_none_or(|listed| size(&stat) == listed);
    if is_same { Ok(()) } else { Err(ReadFailure::Changed) }
}

/// How far the handing over of a file came.
struct Handed {
    /// Bytes handed over.
    total: u64,
    /// The taker had enough.
    stopped: bool,
}

/// Hands a file over until it ends, `size` bytes are handed over, or the taker has enough.
fn hand_over(
    file: &OwnedFd,
    size: u64,
    buffer: &mut [u8],
    take: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<Handed, ReadFailure> {
    let mut total = 0;
    loop {
        match rustix::io::read(file, &mut *buffer) {
            Ok(0) => break,
            Ok(count) => {
                total += count as u64;
                if total > size {
                    return Err(ReadFailure::Changed);
                }
                if !take(&buffer[..count]) {
                    return Ok(Handed { total, stopped: true });
                }
                // A file that has grown since shows its size afterwards: nothing need be read to see the end.
                if total == size {
                    break;
                }
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(failure(errno)),
        }
    }
    Ok(Handed { total, stopped: false })
}

/// Reads a file until it ends, or until one byte less than `wanted` is there: a file that has grown since shows its
/// size afterwards.
fn fill(file: &OwnedFd, wanted: usize, buffer: &mut Vec<u8>) -> Result<(), ReadFailure> {
    loop {
        match rustix::io::read(file, spare_capacity(buffer)) {
            Ok(0) => return Ok(()),
            Ok(_) if buffer.len().saturating_add(1) >= wanted => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(failure(errno)),
        }
    }
}

fn failure(errno: Errno) -> ReadFailure {
    match errno {
        Errno::ACCESS | Errno::PERM => ReadFailure::Permission,
        Errno::NOENT | Errno::NOTDIR => ReadFailure::Vanished,
        Errno::XDEV | Errno::LOOP | Errno::NAMETOOLONG => ReadFailure::Path,
        Errno::NXIO => ReadFailure::NotRegularFile,
        _ => ReadFailure::Io,
    }
}

fn receipt(bytes: u64) -> Receipt {
    Receipt { bytes, revised: false }
}
