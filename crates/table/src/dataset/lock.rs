//! One writer at a time: the kernel's lock on a file, and a text in it that says who.
//!
//! Always: the kernel's lock alone decides, and it ends with the process, however that ends; the text is for people,
//! so what a crash left in it never blocks anybody.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use super::DatasetError;

/// Differs after each start of the machine, and between machines.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Takes the lock of the dataset at `place`, for as long as the file lives.
pub(super) fn take(path: &Path, place: &Path) -> Result<File, DatasetError> {
    let failed = |operation| {
        move |cause| DatasetError::Io { place: path.to_owned(), operation, cause: Arc::new(cause) }
    };
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed("open"))?;
    let boot_id = std::fs::read_to_string(BOOT_ID).unwrap_or_default();
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let (process, written_boot_id) = owner(&mut file);
            let is_elsewhere =
                !written_boot_id.is_empty() && !boot_id.is_empty() && written_boot_id != boot_id.trim();
            return Err(DatasetError::Locked { place: place.to_owned(), process, is_elsewhere });
        }
        Err(TryLockError::Error(cause)) if cause.kind() == ErrorKind::Interrupted => {
            return Err(failed("lock")(cause));
        }
        Err(TryLockError::Error(cause)) => {
            return Err(DatasetError::NoLocks { place: place.to_owned(), cause: Arc::new(cause) });
        }
    }
    let text = format!("{}\n{}\n", std::process::id(), boot_id.trim());
    file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).map_err(failed("write"))?;
    Ok(file)
}

/// Who wrote the text: process and boot id, as far as they can be read.
fn owner(file: &mut File) -> (Option<u32>, String) {
    let mut text = String::new();
    // A text of ours has some 50 bytes.
    let _ = file.take(1_000).read_to_string(&mut text);
    let mut lines = text.lines();
    let process = lines.next().and_then(|line| line.parse().ok());
    (process, lines.next().unwrap_or_default().to_owned())
}
