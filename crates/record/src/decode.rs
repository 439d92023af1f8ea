//! Stored bytes of one object to documents: the room's front door.

use crate::document::{Document, DocumentKind, Payload};
use crate::reject::{ObjectFailure, Reject, Warnings};

/// How to read; the same for every object of a run.
#[derive(Clone, Copy, Debug)]
pub struct DecodeOptions {
    /// Read body facts (max_tokens, latency, usage, content kinds, stop reason) from inline bodies.
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

/// Takes what a decoder finds, in the order of the object's bytes.
pub trait Sink {
    /// A document was decoded.
    fn document(&mut self, document: Document);
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

/// Decodes one object of records or of one split document.
pub struct ObjectDecoder {
    _private: (),
}

impl ObjectDecoder {
    /// A decoder for an object of this kind.
    #[must_use]
    pub fn new(_kind: DocumentKind, _options: DecodeOptions) -> Self {
        unimplemented!()
    }

    /// Takes the next stored bytes. After a failure nothing more may be pushed.
    pub fn push(&mut self, _stored: &[u8], _sink: &mut dyn Sink) -> Result<(), ObjectFailure> {
        unimplemented!()
    }

    /// The object ended.
    pub fn finish(self, _sink: &mut dyn Sink) -> Result<ObjectSummary, ObjectFailure> {
        unimplemented!()
    }
}

/// Decodes one payload object (raw body, or `{"input": …, "output": …}`).
pub struct PayloadDecoder {
    _private: (),
}

/// Which body a payload object holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PayloadSide {
    /// The input body.
    Input,
    /// The output body.
    Output,
    /// `payload.json` of the split layout, where the record lacks these bodies: a raw body for the lacking
    /// side (input first), or an object with `input` and/or `output`.
    Either,
}

impl PayloadDecoder {
    /// A decoder for a payload of this side.
    #[must_use]
    pub fn new(_side: PayloadSide, _decoded_bytes_max: u64) -> Self {
        unimplemented!()
    }

    /// Takes the next stored bytes.
    pub fn push(&mut self, _stored: &[u8]) -> Result<(), ObjectFailure> {
        unimplemented!()
    }

    /// The payload ended. A body that is not JSON (media, text) still has its size.
    pub fn finish(self) -> Result<(Payload, Warnings), ObjectFailure> {
        unimplemented!()
    }
}
