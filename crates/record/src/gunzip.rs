//! gzip, incrementally: stored bytes in chunks of any size to decoded chunks of bounded size.
//!
//! In: the bytes of one gzip file (RFC 1952), every member of it. Out: the decoded bytes in order, and one
//! [`GzipSummary`] or one [`ObjectFailure`]. Always: every header rule, CRC-32 and length is checked; what is
//! delivered and how it ends do not depend on where the chunks were cut; each step consumes input, so any
//! input ends. Decoded bytes are handed out before their member's checksum is reached: whoever takes them
//! keeps them apart until [`Gunzip::finish`] succeeds, or up to [`Gunzip::verified_decoded_bytes`].
//! Absent: the names and comments of member headers, which are skipped unread; a clock; inflating itself,
//! which is flate2's, and libdeflate's where a file is in memory at once ([`WholeGunzip`]).

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::inflate::{Inflate, Inflated, crc32};
use crate::reject::ObjectFailure;

/// Size of the one output buffer, and so of the largest decoded chunk, in bytes. Inflate copies its 32 KiB
/// window aside after each full buffer: at twice the window that copy is lost in the noise, and the buffer
/// still lies in a core's second cache together with the state of whoever scans it.
const CHUNK_BYTES: usize = 64 * 1024;

/// Most bytes of FEXTRA, FNAME and FCOMMENT together in one member header, their length and final zeros
/// included. RFC 1952 sets no limit for the two names; a writer of logs has no use for more.
const OPTIONAL_FIELDS_BYTES_MAX: u32 = 128 * 1024;

/// Deflate spends at least two bits on a match, which is 258 bytes at most: 1,032 bytes out of one byte in.
const DEFLATE_RATIO_MAX: u64 = 1_032;

/// What the ratio rule forgives, so that no buffering can ever trip it, in bytes.
const DEFLATE_RATIO_SLACK_BYTES: u64 = 1024 * 1024;

/// Whether these first bytes of an object are gzip's.
#[must_use]
pub fn is_gzip(prefix: &[u8]) -> bool {
    prefix.starts_with(&[0x1f, 0x8b])
}

/// What a whole, verified gzip file amounted to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GzipSummary {
    /// Members, empty ones included; at least 1.
    pub members: u64,
    /// Decoded bytes of all members.
    pub decoded_bytes: u64,
    /// Bytes of the file, padding included.
    pub stored_bytes: u64,
    /// Zero bytes follow the last member ([`crate::Warning::GzZeroPadding`]).
    pub zero_padding: bool,
}

/// Reads one gzip file.
pub struct Gunzip {
    part: Part,
    header: MemberHeader,
    inflate: Decompress,
    /// Over the decoded bytes of the current member.
    crc: Crc,
    member_decoded_bytes: u64,
    trailer: Trailer,
    buffer: Box<[u8]>,
    decoded_bytes_max: u64,
    members: u64,
    stored_bytes: u64,
    decoded_bytes: u64,
    verified_decoded_bytes: u64,
    failure: Option<ObjectFailure>,
}

/// Takes the output buffer, with so many bytes at its beginning.
type Out<'o> = dyn FnMut(&mut Box<[u8]>, usize) -> Result<(), ObjectFailure> + 'o;

/// Which part of the file the next byte belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A member header. Between members, too, where its first byte has not been seen.
    Header,
    Data,
    Trailer,
    /// Zero bytes after the last member.
    Padding,
}

impl Gunzip {
    /// A reader that fails with [`ObjectFailure::DecodedLimit`] beyond this many decoded bytes.
    #[must_use]
    pub fn new(decoded_bytes_max: u64) -> Self {
        Self::with_pieces_of(CHUNK_BYTES, decoded_bytes_max)
    }

    /// As [`Gunzip::new`], with an output buffer of this many bytes.
    #[must_use]
    pub fn with_pieces_of(piece_bytes: usize, decoded_bytes_max: u64) -> Self {
        Gunzip {
            part: Part::Header,
            header: MemberHeader::default(),
            inflate: Decompress::new(false),
            crc: Crc::new(),
            member_decoded_bytes: 0,
            trailer: Trailer::default(),
            buffer: vec![0; piece_bytes.max(1)].into_boxed_slice(),
            decoded_bytes_max,
            members: 0,
            stored_bytes: 0,
            decoded_bytes: 0,
            verified_decoded_bytes: 0,
            failure: None,
        }
    }

    /// Takes the next stored bytes and hands the decoded ones to `out`, in chunks of at most 64 KiB and never
    /// empty. What `out` fails with ends the file, too. After a failure every further call returns that failure.
    pub fn push(
        &mut self,
        stored: &[u8],
        mut out: impl FnMut(&[u8]) -> Result<(), ObjectFailure>,
    ) -> Result<(), ObjectFailure> {
        self.push_pieces(stored, |buffer, length| out(&buffer[..length]))
    }

    /// As [`Gunzip::push`]; `out` is given the output buffer, with so many decoded bytes at its beginning, and may
    /// leave another one of the same size in its place.
    pub fn push_pieces(
        &mut self,
        stored: &[u8],
        mut out: impl FnMut(&mut Box<[u8]>, usize) -> Result<(), ObjectFailure>,
    ) -> Result<(), ObjectFailure> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let result = self.advance(stored, &mut out);
        self.failure = result.err();
        result
    }

    /// The file ended. One of no bytes at all is [`ObjectFailure::GzTruncated`]: an empty object is no gzip file.
    pub fn finish(&mut self) -> Result<GzipSummary, ObjectFailure> {
        if self.failure.is_none() {
            self.failure = self.failure_at_end();
        }
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(GzipSummary {
                members: self.members,
                decoded_bytes: self.decoded_bytes,
                stored_bytes: self.stored_bytes,
                zero_padding: self.part == Part::Padding,
            }),
        }
    }

    /// Decoded bytes of the members that were read to their end and whose checksum and length hold: the prefix
    /// of the output that may be salvaged. True after a failure, too.
    #[must_use]
    pub fn verified_decoded_bytes(&self) -> u64 {
        self.verified_decoded_bytes
    }

    fn failure_at_end(&self) -> Option<ObjectFailure> {
        match self.part {
            Part::Padding => None,
            Part::Header if self.members > 0 && self.header.bytes_read == 0 => None,
            // One byte 1f is no sign of a member yet.
            Part::Header if self.members > 0 && self.header.bytes_read == 1 => {
                Some(ObjectFailure::GzTrailingGarbage)
            }
            Part::Header | Part::Data | Part::Trailer => Some(ObjectFailure::GzTruncated),
        }
    }

    fn advance(&mut self, mut stored: &[u8], out: &mut Out<'_>) -> Result<(), ObjectFailure> {
        while let Some((&byte, after_byte)) = stored.split_first() {
            match self.part {
                Part::Header => {
                    stored = after_byte;
                    self.stored_bytes += 1;
                    self.take_header_byte(byte)?;
                }
                Part::Data => stored = self.take_data(stored, out)?,
                Part::Trailer => {
                    stored = after_byte;
                    self.stored_bytes += 1;
                    if let Some((crc, length)) = self.trailer.push(byte) {
                        self.end_member(crc, length)?;
                    }
                }
                Part::Padding => {
                    self.stored_bytes += stored.len() as u64;
                    if stored.iter().any(|&byte| byte != 0) {
                        return Err(ObjectFailure::GzTrailingGarbage);
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn take_header_byte(&mut self, byte: u8) -> Result<(), ObjectFailure> {
        match self.header.push(byte) {
            HeaderStep::Unfinished => {}
            HeaderStep::Finished => {
                if self.members > 0 {
                    self.inflate.reset(false);
                }
                self.crc.reset();
                self.member_decoded_bytes = 0;
                self.part = Part::Data;
            }
            HeaderStep::NotAMember if self.members == 0 => return Err(ObjectFailure::GzHeader),
            HeaderStep::NotAMember if self.header.bytes_read == 1 && byte == 0 => self.part = Part::Padding,
            HeaderStep::NotAMember => return Err(ObjectFailure::GzTrailingGarbage),
            HeaderStep::Invalid => return Err(ObjectFailure::GzHeader),
        }
        Ok(())
    }

    /// Inflates until the input is used up or the member's data ends; returns what is left of the input.
    fn take_data<'s>(&mut self, mut stored: &'s [u8], out: &mut Out<'_>) -> Result<&'s [u8], ObjectFailure> {
        loop {
            let total_in = self.inflate.total_in();
            let total_out = self.inflate.total_out();
            let status = self.inflate.decompress(stored, &mut self.buffer, FlushDecompress::None);
            let consumed = (self.inflate.total_in() - total_in) as usize;
            let produced = (self.inflate.total_out() - total_out) as usize;
            stored = &stored[consumed..];
            self.stored_bytes += consumed as u64;
            // Valid bytes that precede invalid data in this call are delivered, or the place where the output
            // stops (and whether the limit or the invalid data comes first) would depend on the chunks.
            self.deliver(produced, out)?;
            match status {
                Err(_) => return Err(ObjectFailure::GzCorrupt),
                Ok(Status::StreamEnd) => {
                    self.part = Part::Trailer;
                    return Ok(stored);
                }
                // A full buffer may have more behind it even when no input is left.
                Ok(Status::Ok | Status::BufError) if stored.is_empty() && produced < self.buffer.len() => {
                    return Ok(stored);
                }
                Ok(Status::Ok | Status::BufError) if consumed == 0 && produced == 0 => {
                    return Err(ObjectFailure::GzCorrupt);
                }
                Ok(Status::Ok | Status::BufError) => {}
            }
        }
    }

    fn deliver(&mut self, produced: usize, out: &mut Out<'_>) -> Result<(), ObjectFailure> {
        let room = self.decoded_bytes_max - self.decoded_bytes;
        let delivered = usize::try_from(room).map_or(produced, |room| room.min(produced));
        self.crc.update(&self.buffer[..delivered]);
        self.member_decoded_bytes += delivered as u64;
        self.decoded_bytes += delivered as u64;
        if delivered > 0 {
            out(&mut self.buffer, delivered)?;
        }
        if delivered < produced {
            return Err(ObjectFailure::DecodedLimit);
        }
        if is_impossible_ratio(self.decoded_bytes, self.stored_bytes) {
            return Err(ObjectFailure::GzCorrupt);
        }
        Ok(())
    }

    fn end_member(&mut self, crc: u32, length: u32) -> Result<(), ObjectFailure> {
        if crc != self.crc.sum() {
            return Err(ObjectFailure::GzCrc);
        }
        // The field holds the length modulo 2^32, so the cast that cuts is the rule itself.
        if length != self.member_decoded_bytes as u32 {
            return Err(ObjectFailure::GzIsize);
        }
        self.members += 1;
        self.verified_decoded_bytes = self.decoded_bytes;
        self.header = MemberHeader::default();
        self.trailer = Trailer::default();
        self.part = Part::Header;
        Ok(())
    }
}

/// Largest decoded file that [`WholeGunzip`] holds. Bedrock's own objects are some hundred kilobytes; beyond this,
/// one call at a time would hold much memory for little: inflating a long file in pieces costs a quarter more
/// processor time, and a piece can be read while the next is inflated.
pub const WHOLE_DECODED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Reads gzip files that are in memory whole, one after the other into the same room.
///
/// It knows sound files only, and is quicker with them than [`Gunzip`]; of all others it says nothing, so that
/// what is wrong with a file, and how much of it is sound, is told in one place.
#[derive(Default)]
pub struct WholeGunzip {
    inflate: Option<Inflate>,
    decoded: Vec<u8>,
}

impl WholeGunzip {
    /// Unpacks a file: every member, each with its checksum and length verified. `None` where the file is
    /// anything but sound members to its last byte (no padding either), or decodes to more than
    /// [`WHOLE_DECODED_BYTES_MAX`]: then [`Gunzip`] has the answer.
    pub fn unpack(&mut self, stored: &[u8]) -> Option<(&[u8], GzipSummary)> {
        let (mut members, mut length) = (0, 0);
        let mut rest = stored;
        // Of a file of one member the last four bytes are the length. If they are not, that only costs time.
        let promised = u32::from_le_bytes(*stored.last_chunk()?) as usize;
        if promised > WHOLE_DECODED_BYTES_MAX {
            return None;
        }
        self.make_room(promised);
        while !rest.is_empty() {
            rest = after_header(rest)?;
            let (read, written) = self.inflate_member(rest, length)?;
            let (trailer, after) = rest.get(read..)?.split_first_chunk::<8>()?;
            let [c0, c1, c2, c3, l0, l1, l2, l3] = *trailer;
            let content = &self.decoded[length..length + written];
            // Nothing here is as long as 2^32.
            if u32::from_le_bytes([l0, l1, l2, l3]) as usize != written
                || u32::from_le_bytes([c0, c1, c2, c3]) != crc32(content)
            {
                return None;
            }
            length += written;
            members += 1;
            rest = after;
        }
        let summary = GzipSummary {
            members,
            decoded_bytes: length as u64,
            stored_bytes: stored.len() as u64,
            zero_padding: false,
        };
        (members > 0).then_some((&self.decoded[..length], summary))
    }

    /// Inflates one member behind the `length` bytes that are there already: the bytes read and written.
    fn inflate_member(&mut self, stored: &[u8], length: usize) -> Option<(usize, usize)> {
        if self.inflate.is_none() {
            self.inflate = Inflate::new();
        }
        loop {
            match self.inflate.as_mut()?.inflate(stored, self.decoded.get_mut(length..)?) {
                Inflated::Whole { read, written } => return Some((read, written)),
                Inflated::NoRoom if self.decoded.len() < WHOLE_DECODED_BYTES_MAX => {
                    self.make_room(self.decoded.len() * 4);
                }
                Inflated::NoRoom | Inflated::Refused => return None,
            }
        }
    }

    fn make_room(&mut self, bytes: usize) {
        // Never less, so that the few growths of a thread are over soon.
        const ROOM_BYTES_MIN: usize = 256 * 1024;
        let bytes = bytes.next_power_of_two().clamp(ROOM_BYTES_MIN, WHOLE_DECODED_BYTES_MAX);
        if self.decoded.len() < bytes {
            self.decoded.resize(bytes, 0);
        }
    }
}

/// What follows a member's header, by the rules of [`Gunzip`].
fn after_header(stored: &[u8]) -> Option<&[u8]> {
    // Nearly every header is the ten fixed bytes alone.
    if let [0x1f, 0x8b, METHOD_DEFLATE, 0, _, _, _, _, _, _, rest @ ..] = stored {
        return Some(rest);
    }
    let mut header = MemberHeader::default();
    for (index, &byte) in stored.iter().enumerate() {
        match header.push(byte) {
            HeaderStep::Unfinished => {}
            HeaderStep::Finished => return Some(&stored[index + 1..]),
            HeaderStep::NotAMember | HeaderStep::Invalid => return None,
        }
    }
    None
}

/// Whether no valid deflate data can have given this much: the inflater itself would be at fault. It bounds
/// the work that a stored byte can cause, whatever the inflater does.
fn is_impossible_ratio(decoded_bytes: u64, stored_bytes: u64) -> bool {
    decoded_bytes > stored_bytes.saturating_mul(DEFLATE_RATIO_MAX).saturating_add(DEFLATE_RATIO_SLACK_BYTES)
}

/// The eight bytes after a member's data: CRC-32 and length modulo 2^32, little-endian.
#[derive(Default)]
struct Trailer {
    bits: u64,
    bytes_read: u32,
}

impl Trailer {
    /// Takes the next byte; (CRC-32, length) with the eighth.
    fn push(&mut self, byte: u8) -> Option<(u32, u32)> {
        self.bits |= u64::from(byte) << (8 * self.bytes_read);
        self.bytes_read += 1;
        (self.bytes_read == 8).then_some((self.bits as u32, (self.bits >> 32) as u32))
    }
}

const FLAG_HEADER_CRC: u8 = 1 << 1;
const FLAG_EXTRA: u8 = 1 << 2;
const FLAG_NAME: u8 = 1 << 3;
const FLAG_COMMENT: u8 = 1 << 4;
const FLAGS_RESERVED: u8 = 0b1110_0000;
const METHOD_DEFLATE: u8 = 8;
const FIXED_BYTES: u32 = 10;

/// A member header, byte by byte. Nothing of it is kept.
#[derive(Default)]
struct MemberHeader {
    field: HeaderField,
    bytes_read: u32,
    flags: u8,
    /// Bytes of the current field so far; of FEXTRA, bytes to come.
    field_bytes: u32,
    optional_bytes: u32,
    /// Over the header up to its own checksum.
    crc: Crc,
    logged_crc: u16,
}

/// The fields in their order in the file; all but the first are there only if their flag is set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum HeaderField {
    #[default]
    Fixed,
    ExtraLength,
    Extra,
    Name,
    Comment,
    Checksum,
    End,
}

enum HeaderStep {
    Unfinished,
    /// The next byte is the first of the data.
    Finished,
    /// The first two bytes are not gzip's.
    NotAMember,
    /// Against the rules of RFC 1952, or over the limit.
    Invalid,
}

impl MemberHeader {
    fn push(&mut self, byte: u8) -> HeaderStep {
        self.bytes_read += 1;
        if self.field != HeaderField::Checksum {
            self.crc.update(&[byte]);
        }
        match self.field {
            HeaderField::Fixed => match self.bytes_read {
                1 if byte != 0x1f => return HeaderStep::NotAMember,
                2 if byte != 0x8b => return HeaderStep::NotAMember,
                3 if byte != METHOD_DEFLATE => return HeaderStep::Invalid,
                4 if byte & FLAGS_RESERVED != 0 => return HeaderStep::Invalid,
                4 => self.flags = byte,
                // Modification time, extra flags and operating system mean nothing here.
                FIXED_BYTES => self.enter(HeaderField::ExtraLength),
                _ => {}
            },
            HeaderField::ExtraLength => {
                self.optional_bytes += 1;
                if self.optional_bytes == 1 {
                    self.field_bytes = u32::from(byte);
                } else {
                    self.field_bytes |= u32::from(byte) << 8;
                    self.field = HeaderField::Extra;
                    if self.field_bytes == 0 {
                        self.enter(HeaderField::Name);
                    }
                }
            }
            HeaderField::Extra => {
                self.optional_bytes += 1;
                self.field_bytes -= 1;
                if self.field_bytes == 0 {
                    self.enter(HeaderField::Name);
                }
            }
            HeaderField::Name | HeaderField::Comment => {
                self.optional_bytes += 1;
                if byte == 0 && self.field == HeaderField::Name {
                    self.enter(HeaderField::Comment);
                } else if byte == 0 {
                    self.enter(HeaderField::Checksum);
                }
            }
            HeaderField::Checksum => {
                self.logged_crc |= u16::from(byte) << (8 * self.field_bytes);
                self.field_bytes += 1;
                if self.field_bytes == 2 {
                    // The two low bytes of the CRC-32.
                    if self.logged_crc != self.crc.sum() as u16 {
                        return HeaderStep::Invalid;
                    }
                    self.field = HeaderField::End;
                }
            }
            HeaderField::End => {}
        }
        if self.optional_bytes > OPTIONAL_FIELDS_BYTES_MAX {
            return HeaderStep::Invalid;
        }
        if self.field == HeaderField::End { HeaderStep::Finished } else { HeaderStep::Unfinished }
    }

    /// Goes to the first field from this one on that the flags announce.
    fn enter(&mut self, first: HeaderField) {
        let announced = [
            (HeaderField::ExtraLength, FLAG_EXTRA),
            (HeaderField::Name, FLAG_NAME),
            (HeaderField::Comment, FLAG_COMMENT),
            (HeaderField::Checksum, FLAG_HEADER_CRC),
        ];
        self.field_bytes = 0;
        self.field = HeaderField::End;
        for (field, flag) in announced {
            if field >= first && self.flags & flag != 0 {
                self.field = field;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d15_no_deflate_data_gives_more_than_1032_to_1_and_a_mebibyte() {
        let at_the_edge = 7 * DEFLATE_RATIO_MAX + DEFLATE_RATIO_SLACK_BYTES;
        assert!(!is_impossible_ratio(at_the_edge, 7));
        assert!(is_impossible_ratio(at_the_edge + 1, 7));
        assert!(!is_impossible_ratio(u64::MAX, u64::MAX / DEFLATE_RATIO_MAX + 1));
    }
}
