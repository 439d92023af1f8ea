//! A directory (or one file) as a store.
//!
//! Every name is resolved beneath the root by the kernel (`openat2` with `RESOLVE_BENEATH`), never by comparing
//! strings: a relative link that stays inside is followed, one that leaves (or is absolute) is refused, and there
//! is no moment between the check and the opening. Where the kernel has no `openat2` (Linux before 5.6, some
//! sandboxes, every other system), links are not followed at all.
//! Files are opened without blocking and must be regular; size and time of change are held to the listing
//! before and after reading. Absent: writing.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::{Error, EscapedKey, Listed, Object, ReadFailure, Receipt, Restore, StorageClass, Store, Version};

/// Bytes read at a time: large enough that system calls do not show in a profile, small enough that a reader
/// per core costs nothing.
const CHUNK_BYTES: usize = 256 * 1024;

/// Folders within folders: bind-mount loops end here. The `aws` layout nests 9 deep below its prefix.
const DEPTH_MAX: usize = 32;

/// Longest name that the file systems of Linux and macOS can hold, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// A directory on this machine.
#[derive(Debug)]
pub struct LocalStore {
    root: OwnedFd,
    path: PathBuf,
    beneath: bool,
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
        Ok(LocalStore { root, path: path.to_path_buf(), beneath })
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

    /// Opens `key` beneath the root; the empty key is the root itself.
    fn open_beneath(&self, key: &[u8], flags: OFlags) -> Result<OwnedFd, ReadFailure> {
        // The kernel would allow `a/../b`, which stays inside; no key of a listing is spelled like that.
        if !key.is_empty() && key.split(|&byte| byte == b'/').any(|part| matches!(part, b"" | b"." | b"..")) {
            return Err(ReadFailure::Path);
        }
        let name = CString::new(if key.is_empty() { b"." } else { key }).map_err(|_| ReadFailure::Path)?;
        let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
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

    /// Whether a link leads out of the root. Only the kernel can tell; without its help, links are not followed
    /// and this is false.
    fn leads_out(&self, key: &[u8]) -> bool {
        let Ok(name) = CString::new(key) else { return false };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        self.beneath && open_resolved(&self.root, &name, flags).err() == Some(Errno::XDEV)
    }

    /// Walks one folder. `key` has no trailing `/`; `chain` holds the folders above, against link loops.
    fn walk(
        &self,
        key: &mut Vec<u8>,
        chain: &mut Vec<(u64, u64)>,
        enter: &mut dyn FnMut(&[u8]) -> bool,
        found: &mut dyn FnMut(Listed),
    ) -> Result<(), ReadFailure> {
        let folder = self.open_beneath(key, OFlags::DIRECTORY)?;
        let identity = identity(&stat_of(&folder)?);
        if chain.contains(&identity) {
            // A loop: what lies in it is listed under its first name.
            found(Listed::Skipped { key: (&**key).into(), reason: "not_regular_file" });
            return Ok(());
        }
        if chain.len() >= DEPTH_MAX {
            return Err(ReadFailure::TooDeep);
        }
        chain.push(identity);
        let length = key.len();
        let entries = Dir::read_from(&folder).map_err(failure)?;
        let mut outcome = Ok(());
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(errno) => {
                    outcome = Err(failure(errno));
                    break;
                }
            };
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            key.truncate(length);
            if length > 0 {
                key.push(b'/');
            }
            key.extend_from_slice(name.to_bytes());
            self.visit(&folder, name, entry.file_type(), key, chain, enter, found);
        }
        key.truncate(length);
        chain.pop();
        outcome
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the walk's own state, taken apart so that borrows stay short"
    )]
    fn visit(
        &self,
        folder: &OwnedFd,
        name: &CStr,
        kind: FileType,
        key: &mut Vec<u8>,
        chain: &mut Vec<(u64, u64)>,
        enter: &mut dyn FnMut(&[u8]) -> bool,
        found: &mut dyn FnMut(Listed),
    ) {
        let skipped = |key: &[u8]| Listed::Skipped { key: key.into(), reason: "not_regular_file" };
        let stat = match kind {
            FileType::Directory => None,
            FileType::RegularFile | FileType::Unknown => {
                match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => Some(stat),
                    Err(errno) => {
                        return found(Listed::Failed { key: (&**key).into(), reason: failure(errno) });
                    }
                }
            }
            // A link counts as what it leads to, as long as that lies beneath the root.
            FileType::Symlink => match self.open_beneath(key, OFlags::empty()).and_then(|fd| stat_of(&fd)) {
                Ok(stat) => Some(stat),
                Err(reason @ (ReadFailure::Permission | ReadFailure::Io)) => {
                    return found(Listed::Failed { key: (&**key).into(), reason });
                }
                // What lies behind a link out of the root is missing from the listing: that must be seen. A loop
                // or a dangling link hides nothing.
                Err(ReadFailure::Path) if self.leads_out(key) => {
                    return found(Listed::Failed { key: (&**key).into(), reason: ReadFailure::Path });
                }
                Err(_) => return found(skipped(key)),
            },
            _ => return found(skipped(key)),
        };
        let kind = stat.as_ref().map_or(FileType::Directory, |stat| FileType::from_raw_mode(stat.st_mode));
        match (kind, stat) {
            (FileType::Directory, _) => {
                if !enter(key) {
                    return;
                }
                if let Err(reason) = self.walk(key, chain, enter, found) {
                    found(Listed::Failed { key: (&**key).into(), reason });
                }
            }
            (FileType::RegularFile, Some(stat)) => found(Listed::Object(object(key, &stat))),
            _ => found(skipped(key)),
        }
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
        let stat = self.open_beneath(&key, OFlags::empty()).and_then(|fd| stat_of(&fd)).map_err(error)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            found(Listed::Object(object(&key, &stat)));
            return Ok(());
        }
        self.walk(&mut key, &mut Vec::new(), enter, found).map_err(error)
    }

    fn read(&self, listed: &Object, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<Receipt, ReadFailure> {
        let file = self.open_beneath(&listed.key, OFlags::empty())?;
        let unchanged = |file: &OwnedFd| -> Result<(), ReadFailure> {
            let stat = stat_of(file)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                return Err(ReadFailure::NotRegularFile);
            }
            let now = object(&listed.key, &stat);
            // Of an object that was never listed nothing is known that could have changed.
            let is_same = listed.version == Version::Unknown || now.version == listed.version;
            (is_same && listed.size.is_none_or(|size| now.size == Some(size)))
                .then_some(())
                .ok_or(ReadFailure::Changed)
        };
        unchanged(&file)?;
        let size = listed.size.unwrap_or(u64::MAX);
        // Small objects are the many: their buffer is no larger than they are, plus one byte to see the end.
        let mut buffer =
            vec![0; CHUNK_BYTES.min(usize::try_from(size).unwrap_or(CHUNK_BYTES).saturating_add(1))];
        let mut total = 0u64;
        loop {
            match rustix::io::read(&file, &mut buffer[..]) {
                Ok(0) => break,
                Ok(count) => {
                    total += count as u64;
                    if total > size {
                        return Err(ReadFailure::Changed);
                    }
                    if !take(&buffer[..count]) {
                        return Ok(receipt(total));
                    }
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(failure(errno)),
            }
        }
        unchanged(&file)?;
        if listed.size.is_none() || total == size { Ok(receipt(total)) } else { Err(ReadFailure::Changed) }
    }

    fn head(&self, key: &[u8]) -> Result<Option<Object>, ReadFailure> {
        match self.open_beneath(key, OFlags::empty()).and_then(|fd| stat_of(&fd)) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                Ok(Some(object(key, &stat)))
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
fn object(key: &[u8], stat: &Stat) -> Object {
    Object {
        key: key.into(),
        size: Some(u64::try_from(stat.st_size).unwrap_or(0)),
        version: Version::Modified { seconds: stat.st_mtime as i64, nanos: stat.st_mtime_nsec as u64 },
        identity: Some(identity(stat)),
        class: StorageClass::Standard,
        restore: Restore::None,
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
