//! Standard input as a store with one object, `-`, of a size that only reading tells.
//!
//! It can be read once. It has no hours in its key and claims no coverage.

use std::io::{ErrorKind, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, Listed, Object, ReadFailure, Receipt, Store};

/// Bytes read at a time: large enough that system calls do not show in a profile.
const CHUNK_BYTES: usize = 256 * 1024;

/// Standard input.
#[derive(Debug, Default)]
pub struct StdinStore {
    taken: AtomicBool,
}

impl StdinStore {
    /// The process's standard input.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for StdinStore {
    fn list(
        &self,
        _prefix: &[u8],
        _enter: &mut dyn FnMut(&[u8]) -> bool,
        found: &mut dyn FnMut(Listed),
    ) -> Result<(), Error> {
        found(Listed::Object(Object::unlisted(b"-")));
        Ok(())
    }

    fn read(&self, _object: &Object, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<Receipt, ReadFailure> {
        if self.taken.swap(true, Ordering::Relaxed) {
            return Err(ReadFailure::Vanished);
        }
        let mut input = std::io::stdin().lock();
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut total = 0;
        loop {
            match input.read(&mut buffer) {
                Ok(0) => return Ok(Receipt { bytes: total, revised: false }),
                Ok(count) => {
                    total += count as u64;
                    if !take(&buffer[..count]) {
                        return Ok(Receipt { bytes: total, revised: false });
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(ReadFailure::Io),
            }
        }
    }

    fn head(&self, _key: &[u8]) -> Result<Option<Object>, ReadFailure> {
        Ok(None)
    }
}
