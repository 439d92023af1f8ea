//! The fast reader: skips the bodies, and reads the small envelope that is left, with `plain` where that can, else
//! with simd-json.
//!
//! In: bytes that begin with a document. Out: its [`Document`] and its length, or nothing at all where anything
//! is out of the ordinary: then `strict` reads it. Always: what this reader accepts, the strict one accepts
//! with the same result (property tests and the fuzz target hold it to that). Absent: verdicts; this reader
//! never refuses a document.

use simd_json::{Buffers, Node, StaticNode, Tape};

use super::DecodeOptions;
use super::facts::{InputFacts, OutputFacts};
use super::fields::{BODY_FIELDS, Bodies, Body, BodyFacts, Field, Fields, Section, Value};
use super::lex::{Balance, DEPTH_MAX, skip_blanks, string_end, value_end};
use super::plain::PlainReader;
use crate::document::{Document, DocumentKind};
use crate::reject::Warnings;

/// The fast reader with the memory that it uses again for each document.
pub(super) struct FastReader {
    kind: DocumentKind,
    options: DecodeOptions,
    plain: PlainReader,
    envelope: Vec<u8>,
    buffers: Buffers,
    tape: Tape<'static>,
}

impl FastReader {
    pub(super) fn new(kind: DocumentKind, options: DecodeOptions) -> Self {
        let plain = PlainReader::new(kind, options.facts);
        FastReader {
            kind,
            options,
            plain,
            envelope: Vec::new(),
            buffers: Buffers::default(),
            tape: Tape::null(),
        }
    }

    /// Goes on with documents of another kind.
    pub(super) fn restart(&mut self, kind: DocumentKind) {
        self.kind = kind;
        self.plain.restart(kind);
    }

    /// Reads the document that `bytes` begin with into `document`, which must be a new one; the document's length,
    /// too. `offset` is that of the document in its object.
    pub(super) fn read<'a>(
        &mut self,
        bytes: &'a [u8],
        offset: u64,
        document: &mut Document<'a>,
    ) -> Option<(Warnings, usize)> {
        let mut bodies = Bodies::default();
        let plain = self.plain.read(bytes, &mut bodies, document);
        document.offset = offset;
        if plain.is_some() {
            return plain;
        }
        let (odd, warnings, length) = self.read_envelope(bytes, offset, bodies)?;
        *document = odd;
        Some((warnings, length))
    }

    /// Reads a document whose envelope is not plain. Bodies that were skipped before are not skipped again.
    #[cold]
    fn read_envelope<'a>(
        &mut self,
        bytes: &'a [u8],
        offset: u64,
        mut skipped: Bodies<'a>,
    ) -> Option<(Document<'static>, Warnings, usize)> {
        let mut bodies = Bodies::default();
        let end = self.skip_document(bytes, &mut skipped, &mut bodies)?;
        // What a \u escape stands for is the strict reader's affair: lone surrogates are refused with a reason.
        if memchr::memmem::find(&self.envelope, b"\\u").is_some() {
            return None;
        }
        let mut fields = Fields::new(self.kind, self.options);
        let mut tape = std::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let parsed = simd_json::fill_tape(&mut self.envelope, &mut self.buffers, &mut tape);
        let extracted = parsed.ok().and_then(|()| extract(&tape.0, &mut fields));
        self.tape = tape.reset();
        extracted?;
        if fields.error().is_some() {
            return None;
        }
        let (document, warnings) = fields.finish(offset, bodies).ok()?;
        Some((document, warnings, end))
    }

    /// Copies the envelope, with a 0 for each body, and finds the bodies. The index after the document.
    fn skip_document<'a>(
        &mut self,
        bytes: &'a [u8],
        skipped: &mut Bodies<'a>,
        bodies: &mut Bodies<'a>,
    ) -> Option<usize> {
        self.envelope.clear();
        if bytes.first() != Some(&b'{') {
            return None;
        }
        let mut copied = 0;
        let mut at = 1;
        // The section that was entered below the root.
        let mut section = Section::Root;
        loop {
            at = skip_blanks(bytes, at);
            match bytes.get(at)? {
                b',' => {
                    at += 1;
                    continue;
                }
                b'}' => {
                    at += 1;
                    if section == Section::Root {
                        break;
                    }
                    section = Section::Root;
                    continue;
                }
                b'"' => {}
                _ => return None,
            }
            let key_end = string_end(bytes, at + 1)?;
            if key_end.escapes {
                return None;
            }
            let key = &bytes[at + 1..key_end.after - 1];
            at = skip_blanks(bytes, key_end.after);
            if bytes.get(at) != Some(&b':') {
                return None;
            }
            at = skip_blanks(bytes, at + 1);
            let field = Field::of(section, key, self.kind);
            match field {
                Some(Field::Input | Field::Output) if bytes.get(at) == Some(&b'{') => {
                    section = field.and_then(Field::section)?;
                    at += 1;
                }
                Some(field) if field.body_index().is_some() => {
                    let index = field.body_index()?;
                    let depth = if section == Section::Root { 1 } else { 2 };
                    let body = match skipped[index].take_if(|body| body.start == at) {
                        Some(body) => body,
                        None => skip_body(bytes, at, index, depth, self.options.facts)?,
                    };
                    // After a body only the end of its member may come; the strict reader knows what to
                    // make of anything else.
                    let next = skip_blanks(bytes, body.end());
                    if !matches!(bytes.get(next)?, b',' | b'}') {
                        return None;
                    }
                    self.envelope.extend_from_slice(&bytes[copied..at]);
                    self.envelope.push(b'0');
                    copied = body.end();
                    at = copied;
                    bodies[index] = Some(body);
                }
                _ => at = skip_envelope_value(bytes, at)?,
            }
        }
        self.envelope.extend_from_slice(&bytes[copied..at]);
        Some(at)
    }
}

/// Skips the body at `start`, which stands in an object at `depth`, with its facts on the way where they are asked
/// for; `index` is that of [`BODY_FIELDS`].
pub(super) fn skip_body(
    bytes: &[u8],
    start: usize,
    index: usize,
    depth: u32,
    facts: bool,
) -> Option<Body<'_>> {
    let body = |end: usize, surrogates: bool, beyond_ascii: bool, facts: Option<BodyFacts>| {
        let json = bytes.get(start..end)?;
        let length = json.len() as u64;
        Some(Body { start, length, json: Some(json), surrogates, beyond_ascii, facts })
    };
    let is_input = matches!(BODY_FIELDS[index], Field::InputBody | Field::TopInputBody);
    // The usage of an output body is nearly always asked for: a record without caching lacks two counts.
    if !is_input {
        let (facts, end) = OutputFacts::at(bytes, start, depth)?;
        return body(end.after, end.surrogates, end.beyond_ascii, Some(BodyFacts::Output(facts)));
    }
    if facts {
        let (facts, end) = InputFacts::at(bytes, start, depth)?;
        return body(end.after, end.surrogates, end.beyond_ascii, Some(BodyFacts::Input(facts)));
    }
    if !matches!(bytes.get(start)?, b'"' | b'{' | b'[') {
        return body(value_end(bytes, start)?, false, true, None);
    }
    let mut balance = Balance::default();
    let end = start + balance.advance(&bytes[start..])?;
    if balance.depth_max + u64::from(depth) > u64::from(DEPTH_MAX) {
        return None;
    }
    body(end, balance.surrogates, balance.beyond_ascii, None)
}

/// The index after a value of the envelope, which simd-json will check.
fn skip_envelope_value(bytes: &[u8], at: usize) -> Option<usize> {
    if !matches!(bytes.get(at)?, b'{' | b'[') {
        return value_end(bytes, at);
    }
    let mut balance = Balance::default();
    let end = at + balance.advance(&bytes[at..])?;
    // The value may stand in the root or in a section.
    (balance.depth_max + 2 <= u64::from(DEPTH_MAX)).then_some(end)
}

/// Gives the used fields on the tape to `fields`, in their order.
fn extract(tape: &[Node<'_>], fields: &mut Fields) -> Option<()> {
    extract_section(tape, Section::Root, fields)
}

/// Reads the object that `nodes` begin with.
fn extract_section(nodes: &[Node<'_>], section: Section, fields: &mut Fields) -> Option<()> {
    let &Node::Object { len, .. } = nodes.first()? else { return None };
    let mut at = 1;
    for _ in 0..len {
        let &Node::String(key) = nodes.get(at)? else { return None };
        let node = *nodes.get(at + 1)?;
        let size = match node {
            Node::Object { count, .. } | Node::Array { count, .. } => count + 1,
            _ => 1,
        };
        let value = match node {
            Node::String(text) => Value::Text(text.as_bytes()),
            Node::Object { .. } => Value::Object,
            Node::Array { .. } => Value::Array,
            Node::Static(StaticNode::Null) => Value::Null,
            Node::Static(StaticNode::Bool(_)) => Value::Bool,
            Node::Static(StaticNode::U64(number)) => Value::Unsigned(number),
            // As written it would be a `-0`, a `5.0` or out of range: where it matters, the text decides.
            Node::Static(_) => Value::Bool,
        };
        let inexact = matches!(node, Node::Static(StaticNode::I64(_) | StaticNode::F64(_)));
        if section == Section::Tags {
            fields.tag(Some(key.as_bytes()), value);
        } else if let Some(field) = Field::of(section, key.as_bytes(), fields.kind()) {
            if inexact {
                return None;
            }
            fields.key(field);
            fields.value(field, value);
            if let (Some(section), Value::Object) = (field.section(), value) {
                extract_section(nodes.get(at + 1..)?, section, fields)?;
            }
        }
        at += 1 + size;
    }
    Some(())
}
