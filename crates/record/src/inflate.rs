//! One deflate stream that lies whole in memory, inflated in one call by libdeflate.
//!
//! In: bytes that begin with a deflate stream (RFC 1951), and room for what it holds. Out: how much was read and
//! written. Always: nothing outside of the two slices is touched, whatever the bytes are. Absent: gzip's
//! headers and checksums, and streams that are longer than memory may hold: [`crate::gunzip`] has both.
//!
//! With `decode::simd` the only place of unsafe code: libdeflate is C.

#![allow(unsafe_code)]

use std::ptr::NonNull;

use libdeflate_sys as sys;

/// What libdeflate needs to inflate: its tables, some 11 kB.
pub(crate) struct Inflate {
    decompressor: NonNull<sys::libdeflate_decompressor>,
}

/// How inflating ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Inflated {
    /// The stream ended after `read` bytes, and `written` bytes were in it.
    Whole { read: usize, written: usize },
    /// More is in it than there is room for.
    NoRoom,
    /// It is no deflate stream, or not all of one.
    Refused,
}

// SAFETY: a decompressor is plain memory of its own without any tie to a thread ("different threads can use
// different decompressors", libdeflate.h), and every use of it here takes `&mut self`.
unsafe impl Send for Inflate {}

impl Inflate {
    /// `None` where there is no memory for it.
    pub(crate) fn new() -> Option<Self> {
        // SAFETY: takes nothing; null says that there is no memory.
        let decompressor = NonNull::new(unsafe { sys::libdeflate_alloc_decompressor() })?;
        Some(Inflate { decompressor })
    }

    /// Inflates the stream that `stored` begins with into the beginning of `room`.
    pub(crate) fn inflate(&mut self, stored: &[u8], room: &mut [u8]) -> Inflated {
        let (mut read, mut written) = (0, 0);
        // SAFETY: the decompressor is alive and used by nobody else (`&mut self`); both slices are valid for
        // their lengths during the call, `room` for writing, and they cannot overlap; the two results are
        // valid places. libdeflate bounds every access by the lengths given.
        let result = unsafe {
            sys::libdeflate_deflate_decompress_ex(
                self.decompressor.as_ptr(),
                stored.as_ptr().cast(),
                stored.len(),
                room.as_mut_ptr().cast(),
                room.len(),
                &mut read,
                &mut written,
            )
        };
        match result {
            sys::libdeflate_result_LIBDEFLATE_SUCCESS if read <= stored.len() && written <= room.len() => {
                Inflated::Whole { read, written }
            }
            sys::libdeflate_result_LIBDEFLATE_INSUFFICIENT_SPACE => Inflated::NoRoom,
            _ => Inflated::Refused,
        }
    }
}

impl Drop for Inflate {
    fn drop(&mut self) {
        // SAFETY: it was allocated by `new` and is freed once.
        unsafe { sys::libdeflate_free_decompressor(self.decompressor.as_ptr()) }
    }
}

/// The CRC-32 of gzip (RFC 1952) of all of `bytes`.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    // SAFETY: the slice is valid for its length, and only read.
    unsafe { sys::libdeflate_crc32(0, bytes.as_ptr().cast(), bytes.len()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::DeflateEncoder};
    use proptest::prelude::*;

    use super::*;

    fn deflated(content: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_follows_the_stream_is_left_alone() {
        let stream = deflated(b"one two three");
        let mut stored = stream.clone();
        stored.extend_from_slice(&stream);
        let mut room = [7; 20];
        let ended = Inflate::new().unwrap().inflate(&stored, &mut room);
        assert_eq!(ended, Inflated::Whole { read: stream.len(), written: 13 });
        assert_eq!(&room[..13], b"one two three");
    }

    #[test]
    fn too_little_room_is_told_from_a_broken_stream() {
        let stream = deflated(&[b'a'; 1000]);
        let mut inflate = Inflate::new().unwrap();
        assert_eq!(inflate.inflate(&stream, &mut [0; 999]), Inflated::NoRoom);
        assert_eq!(inflate.inflate(&stream[..stream.len() - 1], &mut [0; 2000]), Inflated::Refused);
        assert_eq!(inflate.inflate(&[0xff; 100], &mut [0; 2000]), Inflated::Refused);
        assert_eq!(inflate.inflate(&[], &mut []), Inflated::Refused);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(stored: Vec<u8>, room in 0usize..3000) {
            let mut room = vec![0; room];
            if let Inflated::Whole { read, written } = Inflate::new().unwrap().inflate(&stored, &mut room) {
                prop_assert!(read <= stored.len() && written <= room.len());
            }
        }
    }
}
