//! One long gzip object on two threads: one reads and unpacks it, the other decodes what was unpacked.
//!
//! In: how to read the stored bytes. Out: the unpacked ones, in order, on the calling thread; how reading and
//! unpacking ended. Always: memory is bounded by a few pieces, which go around; what is taken, and how it ends,
//! is what one thread would have found. Absent: decoding, and whether it is worth it.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use borehole_record::ObjectFailure;
use borehole_record::gunzip::{Gunzip, is_gzip};
use borehole_store::{ReadFailure, Receipt};

/// Pieces on their way. With 256 KiB each, what is unpacked still lies in the processor's cache when it is decoded.
const PIECES: usize = 3;

/// The size of a piece, in bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// Some bytes of the object.
pub(crate) enum Piece<'a> {
    /// As stored: the object is no gzip, whatever its name says.
    Stored(&'a [u8]),
    Unpacked(&'a [u8]),
}

/// How it ended.
pub(crate) enum Ended {
    /// Whoever took the pieces wants no more.
    Enough,
    /// The bytes could not be read.
    Unreadable(ReadFailure),
    /// They could not be unpacked.
    Packed(ObjectFailure),
    /// All was taken.
    Whole(Receipt),
}

enum Owned {
    Stored(Vec<u8>),
    Unpacked(Box<[u8]>, usize),
}

/// Reads the stored bytes of one object on a thread of its own, and hands what is in them to `take`, which says
/// whether to go on.
///
/// # Errors
/// Where no thread can be had: nothing was read then.
pub(crate) fn unpack_ahead(
    decoded_bytes_max: u64,
    read: impl FnOnce(&mut dyn FnMut(&[u8]) -> bool) -> Result<Receipt, ReadFailure> + Send,
    mut take: impl FnMut(Piece<'_>) -> bool,
) -> std::io::Result<Ended> {
    let (send, receive) = sync_channel(PIECES);
    let (give_back, spare) = sync_channel(PIECES + 2);
    std::thread::scope(|scope| {
        let unpack = move || unpack(decoded_bytes_max, read, &send, &spare);
        let unpacking = std::thread::Builder::new().name("unpack".to_owned()).spawn_scoped(scope, unpack)?;
        let goes_on = take_all(&receive, &give_back, &mut take);
        // Whoever still sends must not wait for ever.
        drop(receive);
        let ended = match unpacking.join() {
            Ok(ended) => ended,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        Ok(if goes_on { ended } else { Ended::Enough })
    })
}

/// Whether all that came was taken.
fn take_all(
    receive: &Receiver<Owned>,
    give_back: &SyncSender<Box<[u8]>>,
    take: &mut dyn FnMut(Piece<'_>) -> bool,
) -> bool {
    receive.iter().all(|piece| match piece {
        Owned::Stored(bytes) => take(Piece::Stored(&bytes)),
        Owned::Unpacked(buffer, length) => {
            let goes_on = take(Piece::Unpacked(&buffer[..length]));
            if !buffer.is_empty() {
                let _ = give_back.try_send(buffer);
            }
            goes_on
        }
    })
}

fn unpack(
    decoded_bytes_max: u64,
    read: impl FnOnce(&mut dyn FnMut(&[u8]) -> bool) -> Result<Receipt, ReadFailure>,
    send: &SyncSender<Owned>,
    spare: &Receiver<Box<[u8]>>,
) -> Ended {
    let mut gunzip: Option<Gunzip> = None;
    let mut is_first = true;
    let mut failure = None;
    let mut is_wanted = true;
    let read = read(&mut |bytes| {
        if std::mem::take(&mut is_first) && is_gzip(bytes) {
            gunzip = Some(Gunzip::with_pieces_of(PIECE_BYTES, decoded_bytes_max));
            // That it is gzip is to be known even if nothing is in it.
            is_wanted = send.send(Owned::Unpacked(Box::default(), 0)).is_ok();
        }
        let Some(gunzip) = &mut gunzip else {
            is_wanted = send.send(Owned::Stored(bytes.to_vec())).is_ok();
            return is_wanted;
        };
        let pushed = gunzip.push_pieces(bytes, |buffer, length| {
            let next = spare.try_recv().unwrap_or_else(|_| vec![0; PIECE_BYTES].into_boxed_slice());
            let full = std::mem::replace(buffer, next);
            is_wanted = send.send(Owned::Unpacked(full, length)).is_ok();
            // Any reason will do: nobody is left to hear it.
            if is_wanted { Ok(()) } else { Err(ObjectFailure::DecodedLimit) }
        });
        failure = pushed.err();
        failure.is_none()
    });
    match (read, failure, gunzip) {
        _ if !is_wanted => Ended::Enough,
        (_, Some(failure), _) => Ended::Packed(failure),
        (Err(reason), ..) => Ended::Unreadable(reason),
        (Ok(receipt), None, Some(mut gunzip)) => match gunzip.finish() {
            Ok(_) => Ended::Whole(receipt),
            Err(failure) => Ended::Packed(failure),
        },
        (Ok(receipt), None, None) => Ended::Whole(receipt),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// What was taken, and how it ended.
    fn taken(stored: &[u8], chunk_bytes: usize, enough: usize) -> (Vec<u8>, bool, Ended) {
        let (mut all, mut is_packed) = (Vec::new(), false);
        let read = |take: &mut dyn FnMut(&[u8]) -> bool| {
            let _ = stored.chunks(chunk_bytes).all(&mut *take);
            Ok(Receipt { bytes: stored.len() as u64, revised: false })
        };
        let ended = unpack_ahead(u64::MAX, read, |piece| {
            let bytes = match piece {
                Piece::Stored(bytes) => bytes,
                Piece::Unpacked(bytes) => {
                    is_packed = true;
                    bytes
                }
            };
            all.extend_from_slice(bytes);
            all.len() < enough
        });
        (all, is_packed, ended.unwrap())
    }

    #[test]
    fn all_of_it_arrives_in_order() {
        let content: Vec<u8> = (0..3_000_000u32).map(|n| (n / 7 % 251) as u8).collect();
        for chunk_bytes in [7_919, 1 << 20] {
            let (all, is_packed, ended) = taken(&gzip(&content), chunk_bytes, usize::MAX);
            assert!(all == content && is_packed && matches!(ended, Ended::Whole(_)));
            let (all, is_packed, ended) = taken(&content, chunk_bytes, usize::MAX);
            assert!(all == content && !is_packed && matches!(ended, Ended::Whole(_)));
        }
        let (all, is_packed, ended) = taken(&gzip(b""), 100, usize::MAX);
        assert!(all.is_empty() && is_packed && matches!(ended, Ended::Whole(_)));
    }

    #[test]
    fn who_has_enough_is_not_waited_for() {
        let content = vec![b'x'; 20_000_000];
        for stored in [gzip(&content), content] {
            let (all, _, ended) = taken(&stored, 1_000, 1);
            assert!(all.len() <= PIECE_BYTES && matches!(ended, Ended::Enough));
        }
    }

    #[test]
    fn d03_d06_what_is_wrong_with_the_file_is_told_after_what_came_before() {
        let content = vec![b'x'; 1_000_000];
        let whole = gzip(&content);
        let (all, _, ended) = taken(&whole[..whole.len() - 9], 1_000, usize::MAX);
        assert!(!all.is_empty() && matches!(ended, Ended::Packed(ObjectFailure::GzTruncated)));
        let mut wrong = whole;
        let crc_at = wrong.len() - 8;
        wrong[crc_at] ^= 1;
        let (all, _, ended) = taken(&wrong, 1_000, usize::MAX);
        assert!(all == content && matches!(ended, Ended::Packed(ObjectFailure::GzCrc)));
    }
}
