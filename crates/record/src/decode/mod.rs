//! Stored bytes of one object to documents: the room's front door.
//!
//! In: an object's bytes as stored, in chunks of any size. Out: [`Document`]s and [`Reject`]s to a [`Sink`], and one
//! [`ObjectSummary`] or [`ObjectFailure`]. Always: the outcome does not depend on where the chunks were cut,
//! nor on which of the readers read a document; memory is bounded whatever comes in. Absent: the caller's
//! choice what a failed object's documents are worth.
//!
//! The way of a byte: `sniff` tells what the object is, [`crate::gunzip`] unpacks it, `frame` finds the
//! documents, `document_reader` has one read by `plain`, else `fast`, else `strict`, which give the used `fields`;
//! `facts` looks into bodies.

mod blocks;
mod document_reader;
mod facts;
mod fast;
mod fields;
mod frame;
mod lex;
mod payload;
mod plain;
mod simd;
#[cfg(test)]
mod skip_laws;
mod sniff;
mod strict;
mod wrappers;

use crate::document::{Document, DocumentKind};
use crate::gunzip::{Gunzip, WholeGunzip, is_gzip};
use crate::reject::{ObjectFailure, Reject, Warning, Warnings};
use frame::{FrameSummary, Framer};
use sniff::{Content, sniff};

pub use payload::{PayloadDecoder, PayloadSide};

/// How to read; the same for every object of a run.
#[derive(Clone, Copy, Debug)]
pub struct DecodeOptions {
    /// Read body facts (max_tokens, latency, content kinds and counts, stop reason, the split of cache writes)
    /// from inline bodies. The token counts of an output body's usage are read in any case where the record lacks
    /// one.
    pub facts: bool,
    /// Take a number as a timestamp: epoch milliseconds.
    pub accept_epoch: bool,
    /// Take a string of digits as a token count.
    pub lenient_numbers: bool,
    /// Unpack one level of gzip inside gzip.
    pub allow_double_gzip: bool,
    /// Most bytes one object may decode to.
    pub decoded_bytes_max: u64,
}

/// What changes the memory and speed of decoding, and, but for the facts of bodies beyond `body_bytes_max`, never
/// its outcome. The default is right outside of tests.
#[derive(Clone, Copy, Debug)]
pub struct DecodeTuning {
    /// Longest document that is held as a whole, in bytes. A longer one is read piece by piece; it is not taken
    /// for the next good record while one before it is broken, and, as an event, its message is not opened (it
    /// is rejected).
    pub document_bytes_max: usize,
    /// Longest body that is held, of a document that is not, in bytes. Of a longer one the length is known, and
    /// no facts.
    pub body_bytes_max: usize,
    /// Whether the fast readers are tried before the strict one.
    pub fast_reader: bool,
}

impl Default for DecodeTuning {
    fn default() -> Self {
        // Inline bodies are at most 100 KB by AWS's word; eighty times that leaves room for other writers, and
        // a document and its look-ahead still take little of a run's memory.
        const HELD_BYTES_MAX: usize = 8 * 1024 * 1024;
        DecodeTuning { document_bytes_max: HELD_BYTES_MAX, body_bytes_max: HELD_BYTES_MAX, fast_reader: true }
    }
}

/// Takes what a decoder finds, in the order of the object's bytes.
pub trait Sink {
    /// A document was decoded. Its texts are borrowed from bytes that are gone when this returns.
    fn document(&mut self, document: Document<'_>);
    /// A span was refused.
    fn reject(&mut self, reject: Reject);
}

/// What a whole object amounted to.
#[derive(Clone, Debug, Default)]
pub struct ObjectSummary {
    /// Decoded bytes.
    pub decoded_bytes: u64,
    /// Spans that framing found: decoded plus rejected.
    pub documents_found: u64,
    /// Of those, decoded.
    pub documents_decoded: u64,
    /// Odd but counted.
    pub warnings: Warnings,
    /// Whether the stored bytes were gzip.
    pub gzip: bool,
    /// The first bytes do not look like JSON at all (nor gzip of it): for files outside both layouts.
    pub not_json: bool,
}

/// Decodes objects of records or of one split document, one after the other.
pub struct ObjectDecoder {
    setup: Setup,
    layer: Layer,
    stored_bytes: u64,
    /// The object was gzip, and is unpacked and verified already.
    is_unpacked: bool,
    whole_gunzip: WholeGunzip,
    /// Of the object before: its memory serves again.
    spare_framer: Option<Framer>,
}

impl ObjectDecoder {
    /// A decoder for an object of this kind.
    #[must_use]
    pub fn new(kind: DocumentKind, options: DecodeOptions) -> Self {
        Self::with_tuning(kind, options, DecodeTuning::default())
    }

    /// As [`ObjectDecoder::new`], with other bounds.
    #[must_use]
    pub fn with_tuning(kind: DocumentKind, options: DecodeOptions, tuning: DecodeTuning) -> Self {
        ObjectDecoder {
            setup: Setup { kind, options, tuning },
            layer: Layer::Unknown(Vec::new()),
            stored_bytes: 0,
            is_unpacked: false,
            whole_gunzip: WholeGunzip::default(),
            spare_framer: None,
        }
    }

    /// Forgets the object before, whatever became of it, and is ready for one of this kind. Only memory is
    /// kept: as if it were new.
    pub fn restart(&mut self, kind: DocumentKind) {
        self.setup.kind = kind;
        if let Layer::Text(layer) = std::mem::replace(&mut self.layer, Layer::Unknown(Vec::new())) {
            self.spare_framer = Some(layer.framer);
        }
        self.stored_bytes = 0;
        self.is_unpacked = false;
    }

    /// Takes the next stored bytes. After a failure nothing more may be pushed.
    pub fn push(&mut self, stored: &[u8], sink: &mut dyn Sink) -> Result<(), ObjectFailure> {
        // Long chunks are cut, so that what is held stays in the processor's cache.
        const PIECE_BYTES: usize = 128 * 1024;
        for piece in stored.chunks(PIECE_BYTES) {
            self.stored_bytes += piece.len() as u64;
            self.layer.push(piece, 0, &self.setup, sink)?;
        }
        Ok(())
    }

    /// Takes the next bytes of a gzip object that somebody else unpacks, and verifies to its end.
    pub fn push_unpacked(&mut self, unpacked: &[u8], sink: &mut dyn Sink) -> Result<(), ObjectFailure> {
        self.is_unpacked = true;
        self.stored_bytes += unpacked.len() as u64;
        self.layer.push(unpacked, 1, &self.setup, sink)
    }

    /// Takes all stored bytes of an object at once. The outcome is that of [`ObjectDecoder::push`]; it is
    /// quicker where the object is sound and no larger than [`crate::gunzip::WHOLE_DECODED_BYTES_MAX`].
    pub fn push_whole(&mut self, stored: &[u8], sink: &mut dyn Sink) -> Result<(), ObjectFailure> {
        // Taken out for as long as what it unpacked is read.
        let mut gunzip = std::mem::take(&mut self.whole_gunzip);
        let text = if is_gzip(stored) {
            let unpacked = gunzip.unpack(stored);
            self.is_unpacked = unpacked.is_some();
            unpacked.map(|(text, _)| text)
        } else {
            Some(stored)
        };
        let pushed = match text {
            Some(text) if text.len() as u64 <= self.setup.options.decoded_bytes_max => {
                self.push_whole_text(text, sink)
            }
            _ => None,
        };
        self.whole_gunzip = gunzip;
        match pushed {
            Some(result) => {
                self.stored_bytes += stored.len() as u64;
                result
            }
            None => {
                self.is_unpacked = false;
                self.push(stored, sink)
            }
        }
    }

    /// Reads what the object holds; `None` where that is no text.
    fn push_whole_text(&mut self, text: &[u8], sink: &mut dyn Sink) -> Option<Result<(), ObjectFailure>> {
        let Some(Content::Text { bom_bytes }) = sniff(text, true) else { return None };
        let base = bom_bytes as u64;
        let mut framer = match self.spare_framer.take() {
            Some(mut framer) => {
                framer.restart(self.setup.kind, base);
                framer
            }
            None => self.setup.framer(base),
        };
        let result = framer.push_last(&text[bom_bytes..], sink);
        self.layer = Layer::Text(Box::new(TextLayer { framer, bytes: text.len() as u64 }));
        Some(result)
    }

    /// The object ended. Nothing may be pushed any more.
    pub fn finish(&mut self, sink: &mut dyn Sink) -> Result<ObjectSummary, ObjectFailure> {
        let mut summary = ObjectSummary { gzip: self.is_unpacked, ..ObjectSummary::default() };
        self.layer.finish(u32::from(self.is_unpacked), &self.setup, sink, &mut summary)?;
        if self.stored_bytes == 0 && !self.is_unpacked {
            summary.warnings.raise(Warning::EmptyObject);
        }
        Ok(summary)
    }

    /// How many of the decoded bytes so far are verified by a checksum, or have none: after a failure, the
    /// documents that end before are the intact prefix that may be salvaged.
    #[must_use]
    pub fn verified_decoded_bytes(&self) -> u64 {
        self.layer.verified_decoded_bytes()
    }
}

/// What all layers of one object have in common.
struct Setup {
    kind: DocumentKind,
    options: DecodeOptions,
    tuning: DecodeTuning,
}

impl Setup {
    fn framer(&self, base: u64) -> Framer {
        Framer::new(self.kind, self.options, self.tuning, base)
    }
}

/// One way of looking at the bytes: stored, unpacked once, unpacked twice.
enum Layer {
    /// Too few bytes to tell what they are.
    Unknown(Vec<u8>),
    Gzip(Box<GzipLayer>),
    Text(Box<TextLayer>),
}

struct GzipLayer {
    gunzip: Gunzip,
    inside: Layer,
}

struct TextLayer {
    framer: Framer,
    bytes: u64,
}

impl Layer {
    /// Takes bytes that were unpacked `unpacked` times.
    fn push(
        &mut self,
        bytes: &[u8],
        unpacked: u32,
        setup: &Setup,
        sink: &mut dyn Sink,
    ) -> Result<(), ObjectFailure> {
        match self {
            Layer::Unknown(head) => {
                head.extend_from_slice(bytes);
                match sniff(head, false) {
                    Some(content) => self.begin(content, unpacked, setup, sink),
                    None => Ok(()),
                }
            }
            Layer::Gzip(layer) => {
                let GzipLayer { gunzip, inside } = &mut **layer;
                gunzip.push(bytes, |decoded| inside.push(decoded, unpacked + 1, setup, sink))
            }
            Layer::Text(layer) => {
                layer.bytes += bytes.len() as u64;
                if layer.bytes > setup.options.decoded_bytes_max {
                    return Err(ObjectFailure::DecodedLimit);
                }
                layer.framer.push(bytes, sink)
            }
        }
    }

    /// What the bytes are is known: goes on with those that were held back.
    fn begin(
        &mut self,
        content: Content,
        unpacked: u32,
        setup: &Setup,
        sink: &mut dyn Sink,
    ) -> Result<(), ObjectFailure> {
        let Layer::Unknown(head) = self else { return Ok(()) };
        let head = std::mem::take(head);
        let unpacked_max = if setup.options.allow_double_gzip { 2 } else { 1 };
        match content {
            Content::Foreign => Err(ObjectFailure::UnsupportedFormat),
            Content::Wide => Err(ObjectFailure::EncodingUtf16),
            Content::Gzip if unpacked >= unpacked_max => Err(ObjectFailure::NestedCompression),
            Content::Gzip => {
                let gunzip = Gunzip::new(setup.options.decoded_bytes_max);
                *self = Layer::Gzip(Box::new(GzipLayer { gunzip, inside: Layer::Unknown(Vec::new()) }));
                self.push(&head, unpacked, setup, sink)
            }
            Content::Text { bom_bytes } => {
                let bytes = bom_bytes as u64;
                let framer = setup.framer(bytes);
                *self = Layer::Text(Box::new(TextLayer { framer, bytes }));
                self.push(&head[bom_bytes..], unpacked, setup, sink)
            }
        }
    }

    fn finish(
        &mut self,
        unpacked: u32,
        setup: &Setup,
        sink: &mut dyn Sink,
        summary: &mut ObjectSummary,
    ) -> Result<(), ObjectFailure> {
        if let Layer::Unknown(head) = self {
            let content = sniff(head, true).unwrap_or(Content::Text { bom_bytes: 0 });
            self.begin(content, unpacked, setup, sink)?;
        }
        match self {
            // `begin` left this state.
            Layer::Unknown(_) => {}
            Layer::Gzip(layer) => {
                summary.gzip = true;
                let gzip = layer.gunzip.finish()?;
                layer.inside.finish(unpacked + 1, setup, sink, summary)?;
                if gzip.zero_padding {
                    summary.warnings.raise(Warning::GzZeroPadding);
                }
            }
            Layer::Text(layer) => {
                let FrameSummary { documents_found, documents_decoded, warnings, not_json } =
                    layer.framer.finish(sink)?;
                summary.decoded_bytes = layer.bytes;
                summary.documents_found = documents_found;
                summary.documents_decoded = documents_decoded;
                summary.warnings.merge(&warnings);
                summary.not_json = not_json;
            }
        }
        Ok(())
    }

    fn verified_decoded_bytes(&self) -> u64 {
        match self {
            Layer::Unknown(_) => 0,
            Layer::Text(layer) => layer.bytes,
            Layer::Gzip(layer) => match &layer.inside {
                // The inner checksums say as much about the text as the outer ones.
                Layer::Gzip(inner) => inner.gunzip.verified_decoded_bytes(),
                _ => layer.gunzip.verified_decoded_bytes(),
            },
        }
    }
}
