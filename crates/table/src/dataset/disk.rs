//! Every system call that changes a dataset.
//!
//! In: paths and bytes. Out: files that are on the disk, or an error with place and operation. Always: an error of
//! fsync is final, since the kernel may have dropped the pages: nothing here tries again. Tests have any call fail, or
//! the world stop at it.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use super::DatasetError;

/// The disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    #[cfg(test)]
    pub(super) faults: Option<Arc<faults::Faults>>,
}

impl Disk {
    /// One system call; tests may have it fail.
    fn call<T>(
        &self,
        operation: &'static str,
        path: &Path,
        act: impl FnOnce() -> io::Result<T>,
    ) -> Result<T, DatasetError> {
        #[cfg(test)]
        if let Some(faults) = &self.faults {
            faults.admit(operation, path).map_err(|cause| error(path, operation, cause))?;
        }
        act().map_err(|cause| error(path, operation, cause))
    }

    /// Makes or replaces a file of mode 0600.
    pub(super) fn create(&self, path: &Path) -> Result<File, DatasetError> {
        self.call("create", path, || {
            File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
        })
    }

    /// Appends to a file.
    pub(super) fn append(&self, mut file: &File, path: &Path, bytes: &[u8]) -> Result<(), DatasetError> {
        let result = self.call("write", path, || file.write_all(bytes));
        #[cfg(test)]
        if result.is_err() && self.faults.is_some() {
            // As a real disk does: a part of it is there.
            let _ = file.write_all(&bytes[..bytes.len() / 2]);
        }
        result
    }

    /// Waits until a file is on the disk.
    pub(super) fn sync(&self, file: &File, path: &Path) -> Result<(), DatasetError> {
        self.call("fsync", path, || file.sync_all())
    }

    /// Writes a file that may be lost with the machine's power.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> Result<File, DatasetError> {
        let file = self.create(path)?;
        self.append(&file, path, bytes)?;
        Ok(file)
    }

    /// Writes a file, and has the disk begin with it, so that waiting for several takes hardly longer than for one.
    pub(super) fn write_behind(&self, path: &Path, bytes: &[u8]) -> Result<File, DatasetError> {
        let file = self.write(path, bytes)?;
        // To drop a file from memory Linux first begins to write it out. What is not written yet stays, and if none of
        // this happens, only time is lost.
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        Ok(file)
    }

    /// Writes a file and waits until it is on the disk.
    pub(super) fn write_and_sync(&self, path: &Path, bytes: &[u8]) -> Result<(), DatasetError> {
        let file = self.write(path, bytes)?;
        self.sync(&file, path)
    }

    /// Waits until the names in a directory are on the disk.
    pub(super) fn sync_folder(&self, path: &Path) -> Result<(), DatasetError> {
        self.call("fsync", path, || match File::open(path)?.sync_all() {
            // Some file systems know no fsync of directories; their names need none, or nothing can be done.
            Err(cause) if cause.kind() == ErrorKind::InvalidInput => Ok(()),
            result => result,
        })
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<(), DatasetError> {
        self.call("rename", to, || std::fs::rename(from, to))
    }

    /// Makes a directory of mode 0700, if it can.
    pub(super) fn make_folder(&self, path: &Path) -> Result<Making, DatasetError> {
        self.call("mkdir", path, || match std::fs::DirBuilder::new().mode(0o700).create(path) {
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Ok(Making::Old),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(Making::NoParent),
            result => result.map(|()| Making::New),
        })
    }

    /// Removes a file, and says whether there was one.
    pub(super) fn remove_file(&self, path: &Path) -> Result<bool, DatasetError> {
        self.call("remove", path, || match std::fs::remove_file(path) {
            Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
            result => result.map(|()| true),
        })
    }

    /// Removes a directory if nothing is in it, and says whether it did.
    pub(super) fn remove_empty_folder(&self, path: &Path) -> Result<bool, DatasetError> {
        self.call("remove", path, || match std::fs::remove_dir(path) {
            Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
                Ok(false)
            }
            result => result.map(|()| true),
        })
    }
}

/// How making a directory ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Making {
    /// It was not there.
    New,
    /// It is there already.
    Old,
    /// The directory that it would be in is missing.
    NoParent,
}

/// What the operating system said about a place.
pub(super) fn error(path: &Path, operation: &'static str, cause: io::Error) -> DatasetError {
    DatasetError::Io { place: path.to_owned(), operation, cause: Arc::new(cause) }
}

/// Calls that fail on purpose.
#[cfg(test)]
pub(super) mod faults {
    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::{Arc, Mutex};

    use rustix::io::Errno;

    use super::Disk;

    /// Which call fails, and how.
    #[derive(Debug)]
    pub(in super::super) struct Faults {
        /// All calls in their order; what was renamed stands under its new name.
        calls: Mutex<Vec<(&'static str, PathBuf)>>,
        /// The first call is 0.
        at: u64,
        errno: Errno,
        /// Whether all calls after it fail, too, as they do for a process that was killed there.
        stops: bool,
    }

    impl Faults {
        /// A disk on which the call fails once.
        pub(in super::super) fn once(at: u64, errno: Errno) -> Disk {
            Disk { faults: Some(Arc::new(Faults { calls: Mutex::default(), at, errno, stops: false })) }
        }

        /// A disk that takes nothing from that call on.
        pub(in super::super) fn stop(at: u64) -> Disk {
            let faults = Faults { calls: Mutex::default(), at, errno: Errno::IO, stops: true };
            Disk { faults: Some(Arc::new(faults)) }
        }

        /// How many calls there were.
        pub(in super::super) fn count(&self) -> u64 {
            self.calls().len() as u64
        }

        /// The calls, operation and place.
        pub(in super::super) fn calls(&self) -> Vec<(&'static str, PathBuf)> {
            self.calls.lock().expect("not poisoned").clone()
        }

        pub(super) fn admit(&self, operation: &'static str, path: &Path) -> io::Result<()> {
            let mut calls = self.calls.lock().expect("not poisoned");
            let call = calls.len() as u64;
            calls.push((operation, path.to_owned()));
            if call == self.at || self.stops && call > self.at { Err(self.errno.into()) } else { Ok(()) }
        }
    }
}
