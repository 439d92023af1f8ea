//! One piece of an object: GETs until all of its bytes are here.
//!
//! In: a [`Target`] and which part of it. Out: chunks, in order, as many bytes as the part has. Always: what came
//! before a connection broke is kept and not asked for again, if the object's version is known; bytes are taken
//! only from answers that say they are of that version, and from that place; a piece is verified before it is
//! done, if it is a whole object. Absent: handing anything over, so a piece may start over as it likes.

use std::sync::atomic::Ordering;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::types::ChecksumMode;

use super::Cut;
use super::effort::Effort;
use super::integrity::{Seal, has_md5, is_checksum_mismatch, is_gzip};
use super::target::{Target, same_version};
use super::watch::{Silence, Watch};
use crate::ReadFailure;
use crate::s3::failure::{Trouble, classify, status};
use crate::s3::limiter::{Permit, Reservation};
use crate::s3::limits::{CHUNK_BYTES_MAX, CHUNK_BYTES_SMALL};

/// Bytes as they came.
pub(super) enum Chunk {
    /// Copied together from small ones.
    Copied(Vec<u8>),
    /// The connection's own buffer (a `Bytes`, whose crate is not named here).
    Received(Box<dyn AsRef<[u8]> + Send + Sync>),
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        match self {
            Chunk::Copied(bytes) => bytes,
            Chunk::Received(bytes) => (**bytes).as_ref(),
        }
    }
}

/// Which part of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Span {
    /// All of it.
    Whole,
    /// From `start` to before `end`; not empty.
    Range {
        /// The first byte.
        start: u64,
        /// The first byte that is not wanted.
        end: u64,
    },
}

/// A part of an object on its way here.
pub(super) struct Piece {
    pub span: Span,
    pub seal: Seal,
    chunks: Vec<Chunk>,
    received: u64,
    /// All that is here came with one answer, from its first byte on.
    in_one: bool,
    wrong_ranges: u32,
    short_bodies: u32,
    wrong_checksums: u32,
}

/// Why a piece does not come.
#[derive(Debug)]
pub(super) enum End {
    Failed(ReadFailure),
    /// The object is not what it was taken for; the word is what to call it if it stays so.
    Differs(ReadFailure),
    /// Its size is known only now, and it is more than was reserved.
    NeedsRoom,
}

/// What one answer lacked.
enum Fault {
    /// It failed, or broke off: what came is good.
    Broken(Trouble),
    /// It is of another version, or of another size.
    Differs(ReadFailure),
    /// It is not of the range that was asked for.
    WrongRange,
    /// It ended before its time and said nothing of a length.
    Short,
    /// It goes on where the object should end.
    Long,
    /// Its bytes are not those that are stored.
    WrongChecksum,
    NeedsRoom,
    Stopped,
}

impl From<Silence> for Fault {
    fn from(silence: Silence) -> Self {
        match silence {
            Silence::Stalled => Fault::Broken(Trouble::Transient(ReadFailure::Connection)),
            Silence::Stopped => Fault::Stopped,
        }
    }
}

impl Piece {
    pub(super) fn new(span: Span) -> Self {
        Piece {
            span,
            seal: Seal::default(),
            chunks: Vec::new(),
            received: 0,
            in_one: true,
            wrong_ranges: 0,
            short_bodies: 0,
            wrong_checksums: 0,
        }
    }

    /// Bytes that are here.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    pub(super) fn into_chunks(self) -> Vec<Chunk> {
        self.chunks
    }

    pub(super) fn is_gzip(&self) -> bool {
        is_gzip(&self.chunks)
    }

    /// Asks until it is all here.
    pub(super) async fn fetch(
        &mut self,
        target: &mut Target,
        permit: &mut Option<Permit>,
        room: &mut Reservation,
        effort: &mut Effort,
    ) -> Result<(), End> {
        loop {
            let outcome = match self.attempt(target, room).await {
                Ok(()) => self.verify().await,
                Err(fault) => Err(fault),
            };
            let Err(fault) = outcome else { return Ok(()) };
            let second = |count: &mut u32, word| {
                *count += 1;
                if *count > 1 { Err(End::Failed(word)) } else { Ok(Trouble::Transient(word)) }
            };
            let trouble = match fault {
                Fault::Broken(trouble) => {
                    if !self.can_go_on(target) {
                        self.start_over();
                    }
                    trouble
                }
                Fault::Stopped => return Err(End::Failed(ReadFailure::Stopped)),
                Fault::Differs(word) => return Err(End::Differs(word)),
                Fault::NeedsRoom => return Err(End::NeedsRoom),
                Fault::Long => return Err(End::Failed(ReadFailure::LengthMismatch)),
                Fault::WrongRange => {
                    self.start_over();
                    second(&mut self.wrong_ranges, ReadFailure::RangeUnsupported)?
                }
                Fault::Short => {
                    self.start_over();
                    second(&mut self.short_bodies, ReadFailure::ShortBody)?
                }
                Fault::WrongChecksum => {
                    self.start_over();
                    second(&mut self.wrong_checksums, ReadFailure::Checksum)?
                }
            };
            effort
                .again(&target.bucket, permit, &trouble)
                .await
                .map_err(|failure| End::Failed(target.word(failure)))?;
        }
    }

    /// Whether the rest may be asked for: of an object whose version is known, and that can still be verified
    /// when it came in two parts.
    fn can_go_on(&self, target: &Target) -> bool {
        let verifiable = match self.span {
            Span::Whole => !self.seal.by_sdk || self.seal.md5.is_some() || self.is_gzip(),
            Span::Range { .. } => true,
        };
        // With every byte here there is no rest to ask for: only the end of the answer is missing.
        let has_rest = self.missing(target).is_some_and(|missing| missing > 0);
        self.received > 0 && target.etag.is_some() && verifiable && has_rest
    }

    fn start_over(&mut self) {
        self.chunks.clear();
        self.received = 0;
        self.in_one = true;
    }

    fn start(&self) -> u64 {
        match self.span {
            Span::Whole => 0,
            Span::Range { start, .. } => start,
        }
    }

    fn end(&self, target: &Target) -> Option<u64> {
        match self.span {
            Span::Whole => target.size,
            Span::Range { end, .. } => Some(end),
        }
    }

    fn missing(&self, target: &Target) -> Option<u64> {
        Some(self.end(target)?.saturating_sub(self.start() + self.received))
    }

    /// One GET.
    async fn attempt(&mut self, target: &mut Target, room: &mut Reservation) -> Result<(), Fault> {
        let bucket = std::sync::Arc::clone(&target.bucket);
        let from = self.start() + self.received;
        let range = match self.span {
            Span::Range { end, .. } => Some(format!("bytes={from}-{}", end - 1)),
            // Never for nothing: an empty object has no range (faults B17).
            Span::Whole if self.received > 0 => Some(format!("bytes={from}-")),
            Span::Whole => None,
        };
        let ranged = range.is_some();
        let request = bucket
            .client()
            .get_object()
            .bucket(&bucket.name)
            .key(&target.key)
            .set_if_match(target.etag.clone())
            .set_range(range)
            .set_request_payer(bucket.request_payer())
            // Of a part, some servers would give the checksum of the whole.
            .set_checksum_mode((!ranged).then_some(ChecksumMode::Enabled));
        bucket.connections.counters.get_requests.fetch_add(1, Ordering::Relaxed);
        let mut watch = Watch::new(&bucket);
        let answer = match watch.wait(request.send()).await? {
            Ok(answer) => answer,
            // Another version; or no such range, which is one of another size.
            Err(error) if matches!(status(&error), Some(412 | 416)) => {
                return Err(Fault::Differs(ReadFailure::Changed));
            }
            Err(error) => return Err(Fault::Broken(classify(&error))),
        };
        let skipped = self.accept(&answer, target, room, ranged)?;
        if self.received == 0 {
            self.seal = Seal::of(&answer, &bucket);
        } else {
            self.in_one = false;
        }
        self.receive(answer, target, &mut watch, skipped).await
    }

    /// Whether an answer is of the version and the place that were asked for. Says how many of its first bytes
    /// are here already: all, of one that ignores the range.
    fn accept(
        &mut self,
        answer: &GetObjectOutput,
        target: &mut Target,
        room: &mut Reservation,
        ranged: bool,
    ) -> Result<u64, Fault> {
        match (target.etag.as_deref(), answer.e_tag()) {
            (Some(expected), Some(told)) if !same_version(Some(expected), Some(told)) => {
                return Err(Fault::Differs(ReadFailure::Changed));
            }
            (None, Some(told)) => target.etag = Some(told.to_owned()),
            _ => {}
        }
        let length = answer.content_length().and_then(|bytes| u64::try_from(bytes).ok());
        let from = self.start() + self.received;
        match (ranged, answer.content_range()) {
            (true, Some(told)) => {
                let told = ContentRange::parse(told).ok_or(Fault::WrongRange)?;
                let end = self.end(target);
                if told.total.is_some_and(|total| target.size.is_some_and(|size| size != total)) {
                    return Err(Fault::Differs(ReadFailure::Changed));
                }
                let is_right = told.start == from
                    && Some(told.end) == end
                    && length.is_none_or(|length| length == told.end - told.start);
                if is_right { Ok(0) } else { Err(Fault::WrongRange) }
            }
            (true, None) => {
                // All of it, if it says so and which version that is; else nobody knows what it is.
                let is_all = answer.e_tag().is_some()
                    && length.is_none_or(|length| target.size.is_none_or(|size| size == length));
                let cut = Cut::of(&target.bucket.connections.tuning);
                if is_all && from <= cut.range_bytes { Ok(from) } else { Err(Fault::WrongRange) }
            }
            (false, None) => {
                match (target.size, length) {
                    (Some(size), Some(length)) if length > size => {
                        return Err(Fault::Differs(ReadFailure::LengthMismatch));
                    }
                    (Some(size), Some(length)) if length < size => {
                        return Err(Fault::Differs(ReadFailure::ShortBody));
                    }
                    (None, Some(length)) => {
                        target.size = Some(length);
                        let cut = Cut::of(&target.bucket.connections.tuning);
                        // This answer is good for the first range of a large object, too.
                        self.span = cut.first(target.size);
                        if !room.try_grow(cut.reservation(target.size)) {
                            return Err(Fault::NeedsRoom);
                        }
                    }
                    // Neither listed nor told: a HEAD may know.
                    (None, None) => return Err(Fault::Differs(ReadFailure::ShortBody)),
                    _ => {}
                }
                Ok(0)
            }
            (false, Some(_)) => Err(Fault::WrongRange),
        }
    }

    async fn receive(
        &mut self,
        mut answer: GetObjectOutput,
        target: &Target,
        watch: &mut Watch<'_>,
        mut skipped: u64,
    ) -> Result<(), Fault> {
        let has_length = answer.content_length().is_some();
        let is_full = answer.content_range().is_none();
        let counters = &target.bucket.connections.counters;
        while let Some(chunk) = watch.wait(answer.body.next()).await? {
            let mut chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) if is_checksum_mismatch(&error) => return Err(Fault::WrongChecksum),
                Err(_) => return Err(Fault::Broken(Trouble::Transient(ReadFailure::Connection))),
            };
            watch.moved(chunk.len() as u64);
            counters.bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            if skipped > 0 {
                let known = usize::try_from(skipped).map_or(chunk.len(), |skipped| skipped.min(chunk.len()));
                skipped -= known as u64;
                chunk = chunk.slice(known..);
            }
            let missing = self.missing(target).unwrap_or(0);
            if chunk.len() as u64 > missing {
                match self.span {
                    Span::Whole => return Err(Fault::Long),
                    // The answer is all of the object, and its first range is what is wanted.
                    Span::Range { .. } if is_full => chunk.truncate(missing as usize),
                    Span::Range { .. } => return Err(Fault::WrongRange),
                }
            }
            self.received += chunk.len() as u64;
            match self.chunks.last_mut() {
                _ if chunk.is_empty() => {}
                Some(Chunk::Copied(last))
                    if chunk.len() < CHUNK_BYTES_SMALL && last.len() + chunk.len() <= CHUNK_BYTES_MAX =>
                {
                    last.extend_from_slice(&chunk);
                }
                _ if chunk.len() < CHUNK_BYTES_SMALL => self.chunks.push(Chunk::Copied(chunk.to_vec())),
                _ => self.chunks.push(Chunk::Received(Box::new(chunk))),
            }
            if is_full && self.span != Span::Whole && self.missing(target) == Some(0) {
                return Ok(());
            }
        }
        match self.missing(target) {
            Some(0) => Ok(()),
            _ if has_length => Err(Fault::Broken(Trouble::Transient(ReadFailure::Connection))),
            _ => Err(Fault::Short),
        }
    }

    /// Whether a whole object is what is stored. Of a range nobody knows; the hand-over verifies their sum.
    async fn verify(&mut self) -> Result<(), Fault> {
        let Some(md5) = self.seal.md5 else { return Ok(()) };
        if self.span != Span::Whole || (self.seal.by_sdk && self.in_one) || self.is_gzip() {
            return Ok(());
        }
        let chunks = std::mem::take(&mut self.chunks);
        let (chunks, is_same) = has_md5(chunks, md5).await.ok_or(Fault::Stopped)?;
        self.chunks = chunks;
        if is_same { Ok(()) } else { Err(Fault::WrongChecksum) }
    }
}

/// `bytes START-LAST/TOTAL`.
#[derive(Debug, PartialEq, Eq)]
struct ContentRange {
    start: u64,
    /// The first byte behind it.
    end: u64,
    /// `None` for `*`.
    total: Option<u64>,
}

impl ContentRange {
    fn parse(header: &str) -> Option<Self> {
        let (range, total) = header.strip_prefix("bytes ")?.split_once('/')?;
        let (start, last) = range.split_once('-')?;
        let number =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
        let (start, last): (u64, u64) = (number(start)?, number(last)?);
        let total = if total == "*" { None } else { Some(number(total)?) };
        let end = last.checked_add(1)?;
        (start < end && total.is_none_or(|total| end <= total)).then_some(ContentRange { start, end, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a09_content_range_is_taken_apart_exactly() {
        let parsed = ContentRange::parse("bytes 5-9/10");
        assert_eq!(parsed, Some(ContentRange { start: 5, end: 10, total: Some(10) }));
        assert_eq!(ContentRange::parse("bytes 0-0/*").map(|range| range.total), Some(None));
        for wrong in [
            "",
            "bytes",
            "bytes */10",
            "5-9/10",
            "bytes 9-5/10",
            "bytes 5-10/10",
            "bytes +5-9/10",
            "bytes 5-18446744073709551615/*",
            "bytes 5-9",
            "bytes -9/10",
        ] {
            assert_eq!(ContentRange::parse(wrong), None, "{wrong}");
        }
    }
}
