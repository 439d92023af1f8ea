//! Numbers and lengths in files of a dataset: little endian, fixed width.
//!
//! Always: reading past the end is `None`, and nothing is allocated by a length that was only claimed.

use xxhash_rust::xxh3::xxh3_128;

/// Bytes of a checksum.
pub(super) const HASH_BYTES: usize = 16;

/// Appends the checksum of all that stands before it.
pub(super) fn seal(out: &mut Vec<u8>) {
    let hash = xxh3_128(out);
    out.extend_from_slice(&hash.to_le_bytes());
}

/// What stands before a checksum that fits, or `None`.
pub(super) fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    let (content, hash) = bytes.split_last_chunk::<HASH_BYTES>()?;
    (xxh3_128(content) == u128::from_le_bytes(*hash)).then_some(content)
}

/// What is still to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest<'a>(pub &'a [u8]);

impl<'a> Rest<'a> {
    /// The next `length` bytes.
    pub(super) fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(super) fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    /// A name behind its length, in UTF-8.
    pub(super) fn name(&mut self) -> Option<&'a str> {
        let length = self.u8()?;
        std::str::from_utf8(self.take(length.into())?).ok()
    }
}

/// Appends a name behind its length; `None` where it has more than 255 bytes.
pub(super) fn put_name(out: &mut Vec<u8>, name: &str) -> Option<()> {
    out.push(u8::try_from(name.len()).ok()?);
    out.extend_from_slice(name.as_bytes());
    Some(())
}
