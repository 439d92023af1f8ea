//! One whole document to its meaning: a fast reader where it can, the strict one where it must.
//!
//! In: the bytes of one document, or its pieces where it is too long to be held. Out: a [`Document`] with its
//! warnings, or a [`RejectReason`]. Absent: where documents begin and end, which is `frame`'s affair.

use super::fast::FastReader;
use super::fields::{Bodies, Body, Fields};
use super::lex::{is_blank, unescape};
use super::strict::{FoundBody, StrictReader};
use super::wrappers::{Element, PERMISSION_NOTICE, classify_element};
use super::{DecodeOptions, DecodeTuning};
use crate::document::{Document, DocumentKind};
use crate::reject::{RejectReason, Warnings};

/// What became of one span.
pub(super) enum Verdict {
    Document(Box<Document<'static>>, Warnings),
    Reject(RejectReason),
    /// The span holds no document by its nature.
    Nothing,
}

/// Reads documents of one kind.
pub(super) struct DocumentReader {
    kind: DocumentKind,
    options: DecodeOptions,
    tuning: DecodeTuning,
    fast: FastReader,
    /// The unescaped text of a message.
    message: Vec<u8>,
}

impl DocumentReader {
    pub(super) fn new(kind: DocumentKind, options: DecodeOptions, tuning: DecodeTuning) -> Self {
        DocumentReader { kind, options, tuning, fast: FastReader::new(kind, options), message: Vec::new() }
    }

    /// Goes on with documents of another kind.
    pub(super) fn restart(&mut self, kind: DocumentKind) {
        self.kind = kind;
        self.fast.restart(kind);
    }

    /// Reads a line that may be one document, blanks after it aside, into `document`, which must be a new one; the
    /// document's length, too. `None` leaves it to a closer look.
    pub(super) fn read_line<'a>(
        &mut self,
        line: &'a [u8],
        offset: u64,
        document: &mut Document<'a>,
    ) -> Option<(Warnings, usize)> {
        if !self.tuning.fast_reader {
            return None;
        }
        let (warnings, length) = self.fast.read(line, offset, document)?;
        line[length..].iter().all(|&byte| is_blank(byte)).then_some((warnings, length))
    }

    /// Reads one document.
    pub(super) fn read(&mut self, document: &[u8], offset: u64) -> Verdict {
        let mut found = Document::default();
        if let Some((warnings, _)) = self.read_line(document, offset, &mut found) {
            return Verdict::Document(Box::new(found.into_owned()), warnings);
        }
        let mut reader = StrictReader::new(self.fields(), None);
        reader.push(document);
        let (fields, found) = match reader.finish() {
            Ok(read) => read,
            Err(reason) => return Verdict::Reject(reason),
        };
        let bodies = found.each_ref().map(|body| {
            body.as_ref().map(|body| Body {
                start: body.start as usize,
                length: body.end - body.start,
                json: document.get(body.start as usize..body.end as usize),
                surrogates: true,
                beyond_ascii: true,
                facts: None,
            })
        });
        finish(fields, offset, bodies)
    }

    /// Reads an element of an array: a record, or an event whose message is one.
    pub(super) fn read_element(&mut self, element: &[u8], offset: u64) -> Verdict {
        match classify_element(element) {
            Element::Record => self.read(element, offset),
            Element::OtherField => Verdict::Nothing,
            Element::Message(message) => {
                let Some(content) = message.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""))
                else {
                    return self.read(message, offset);
                };
                let mut text = std::mem::take(&mut self.message);
                text.clear();
                let verdict = match unescape(content, &mut text) {
                    Ok(()) if text == PERMISSION_NOTICE => Verdict::Nothing,
                    Ok(()) => self.read(&text, offset),
                    Err(_) => Verdict::Reject(RejectReason::JsonSyntax),
                };
                self.message = text;
                verdict
            }
        }
    }

    /// Begins a document that comes in pieces.
    pub(super) fn begin(&self) -> StrictReader {
        StrictReader::new(self.fields(), Some(self.tuning.body_bytes_max))
    }

    /// Ends a document that came in pieces.
    pub(super) fn end(reader: StrictReader, offset: u64) -> Verdict {
        let (fields, mut found) = match reader.finish() {
            Ok(read) => read,
            Err(reason) => return Verdict::Reject(reason),
        };
        for body in found.iter_mut().flatten() {
            let length = (body.end - body.start) as usize;
            if let Some(kept) = &mut body.kept {
                kept.truncate(length);
            }
        }
        let bodies = found.each_ref().map(|body| body.as_ref().map(kept_body));
        finish(fields, offset, bodies)
    }

    /// A reader that tells what is wrong with something that is no object.
    pub(super) fn begin_check(&self) -> StrictReader {
        StrictReader::new(self.fields(), None)
    }

    fn fields(&self) -> Fields {
        Fields::new(self.kind, self.options)
    }
}

fn kept_body(body: &FoundBody) -> Body<'_> {
    Body {
        start: body.start as usize,
        length: body.end - body.start,
        json: body.kept.as_deref(),
        surrogates: true,
        beyond_ascii: true,
        facts: None,
    }
}

fn finish(fields: Fields, offset: u64, bodies: Bodies<'_>) -> Verdict {
    match fields.finish(offset, bodies) {
        Ok((document, warnings)) => Verdict::Document(Box::new(document), warnings),
        Err(reason) => Verdict::Reject(reason),
    }
}
