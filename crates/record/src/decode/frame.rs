//! Decoded bytes to documents: where each begins and ends, and where to go on after a broken one.
//!
//! In: decoded text in pieces of any size. Out: documents and rejects to a [`Sink`], in their order. Always: no
//! decision depends on where the pieces were cut; every byte that is neither blank nor a separator nor a
//! wrapper's own belongs to exactly one span; memory holds one document up to a limit, and one line of
//! look-ahead. Absent: what the documents mean.
//!
//! A document ends where its brackets balance. One that does not balance at the end of its line may be
//! pretty-printed, may hold a raw newline in a body, or may be broken. It is broken if a following line, no
//! deeper indented than its own first, holds a whole record by itself: the record's neighbours must not be
//! lost with it.

use memchr::memchr;

use super::document_reader::{DocumentReader, Verdict};
use super::lex::{Balance, DEPTH_MAX, is_blank, skip_blanks, string_end};
use super::strict::StrictReader;
use super::wrappers::{
    Class, NOTICE_LINE_BYTES_MAX, Opener, classify, is_export_notice, is_wrapper_key, opener,
};
use super::{DecodeOptions, DecodeTuning, Sink};
use crate::document::{Document, DocumentKind};
use crate::reject::{ObjectFailure, Reject, RejectReason, Warnings};

/// Arrays in arrays that are entered: the rows of an Insights result. What lies deeper is one element.
const ARRAYS_MAX: usize = 2;

/// Lines of one broken span that are rejected each for itself. Beyond that the rest is one span; hostile input
/// must not fill memory with line numbers.
const BROKEN_LINES_MAX: usize = 4_096;

/// Longest key of a wrapper's member that is read, in bytes.
const WRAPPER_KEY_BYTES_MAX: usize = 64 * 1024;

/// Finds and reads the documents of one object.
pub(super) struct Framer {
    kind: DocumentKind,
    tuning: DecodeTuning,
    reader: DocumentReader,
    buffer: Vec<u8>,
    /// Index of the first byte that is still needed.
    at: usize,
    /// Offset in the object of the buffer's first byte.
    base: u64,
    /// There is no newline in the buffer between `at` and here.
    newline_searched: usize,
    state: State,
    contexts: Vec<Context>,
    /// Blanks since the start of the line, `None` after anything else.
    indent: Option<usize>,
    /// The last document had several lines and was broken; its indentation.
    broken_indent: Option<usize>,
    /// A top-level array without elements: only at the very end it is known to be the whole file.
    empty_array: Option<(u64, u64)>,
    /// A span was found outside of arrays and wrappers.
    has_top_span: bool,
    /// Whether the first byte of content began JSON.
    begins_json: Option<bool>,
    /// The last byte that was not blank.
    last_content: u8,
    found: FrameSummary,
}

/// What was found in an object.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct FrameSummary {
    pub(super) documents_found: u64,
    pub(super) documents_decoded: u64,
    pub(super) warnings: Warnings,
    pub(super) not_json: bool,
}

impl FrameSummary {
    /// Counts a decoded document.
    fn decoded(&mut self, warnings: &Warnings) {
        self.documents_found += 1;
        self.documents_decoded += 1;
        self.warnings.merge(warnings);
    }
}

/// What encloses the position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Context {
    /// Elements of an array, since this offset.
    Array { start: u64, has_elements: bool },
    /// Members of a wrapper, around its array.
    Wrapper,
}

enum State {
    Between,
    Document(Box<Span>),
    After(Pending),
    Broken(Broken),
    Token(Token),
    /// A run of zero bytes since this offset.
    Zeros(u64),
    /// A value of a wrapper's member that is of no interest.
    Skip(SkippedValue),
}

/// A document whose end is not found yet.
struct Span {
    start: u64,
    /// Deepest indentation of a line at which the next document may begin.
    indent: usize,
    holds_nothing: bool,
    is_array: bool,
    balance: Balance,
    /// Offset up to which `balance` has seen the input.
    walked: u64,
    has_newline: bool,
    /// A line begins at `walked`, and whether a document begins there has not been asked.
    is_at_line_start: bool,
    /// Lines that began with an object but were no record.
    broken_lines: Vec<u64>,
    candidate: Option<Candidate>,
    /// Reads the document piece by piece, once it is longer than what is held.
    piecewise: Option<Box<StrictReader>>,
}

/// A line that may be the next document while the one before it has not ended.
struct Candidate {
    line_start: u64,
    object_start: u64,
    balance: Balance,
    walked: u64,
    is_at_line_start: bool,
    is_balanced: bool,
}

enum Trial {
    Undecided,
    Accepted { is_top: bool },
    Refused,
}

/// A document that ended; what follows it on its line decides whether it counts.
struct Pending {
    start: u64,
    end: u64,
    indent: usize,
    has_newline: bool,
    has_comma: bool,
    verdict: Verdict,
}

/// A span that is rejected to the end of its line, or, if it had several lines, to the next line that begins a
/// document.
struct Broken {
    start: u64,
    indent: usize,
    has_newline: bool,
    is_at_line_start: bool,
    /// Tells the reason, where the span is one line.
    check: Option<Box<StrictReader>>,
}

/// Something in an array that is no object: rejected up to the next comma, end of the array or of the line.
struct Token {
    start: u64,
    depth: u64,
    in_string: bool,
    escaped: bool,
    check: Option<Box<StrictReader>>,
}

enum SkippedValue {
    Balanced(Balance),
    Scalar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Go,
    Wait,
}

impl Framer {
    /// A framer for text that begins at offset `base` of the object.
    pub(super) fn new(kind: DocumentKind, options: DecodeOptions, tuning: DecodeTuning, base: u64) -> Self {
        Framer {
            kind,
            tuning,
            reader: DocumentReader::new(kind, options, tuning),
            buffer: Vec::new(),
            at: 0,
            base,
            newline_searched: 0,
            state: State::Between,
            contexts: Vec::new(),
            indent: Some(0),
            broken_indent: None,
            empty_array: None,
            has_top_span: false,
            begins_json: None,
            last_content: 0,
            found: FrameSummary::default(),
        }
    }

    /// Forgets everything but its memory, for text of another object.
    pub(super) fn restart(&mut self, kind: DocumentKind, base: u64) {
        // One object with a long document must not have every thread hold as much for ever.
        const KEPT_BYTES_MAX: usize = 1024 * 1024;
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BYTES_MAX);
        self.contexts.clear();
        self.reader.restart(kind);
        self.kind = kind;
        self.at = 0;
        self.base = base;
        self.newline_searched = 0;
        self.state = State::Between;
        self.indent = Some(0);
        self.broken_indent = None;
        self.empty_array = None;
        self.has_top_span = false;
        self.begins_json = None;
        self.last_content = 0;
        self.found = FrameSummary::default();
    }

    /// Takes all text that is still to come, at once: plain lines are read where they lie, and only what needs
    /// a closer look goes through the buffer.
    pub(super) fn push_last(&mut self, text: &[u8], sink: &mut dyn Sink) -> Result<(), ObjectFailure> {
        let mut at = 0;
        while at < text.len() {
            if self.is_at_rest() {
                at += self.read_lines(&text[at..], sink);
            }
            let rest = &text[at..];
            let line_bytes = memchr(b'\n', rest).map_or(rest.len(), |length| length + 1);
            self.push(&rest[..line_bytes], sink)?;
            at += line_bytes;
        }
        Ok(())
    }

    /// Whether the next byte stands at the top of the text, and nothing before it is undecided.
    fn is_at_rest(&self) -> bool {
        matches!(self.state, State::Between)
            && self.at == self.buffer.len()
            && self.contexts.is_empty()
            && self.empty_array.is_none()
    }

    /// Reads documents of one line each, as [`Framer::open_object`] does, off the rest of the text; stops
    /// before the first line that is anything else. The bytes that were taken.
    fn read_lines(&mut self, text: &[u8], sink: &mut dyn Sink) -> usize {
        self.base += self.buffer.len() as u64;
        self.buffer.clear();
        self.at = 0;
        self.newline_searched = 0;
        let mut at = 0;
        loop {
            let blanks = text[at..].iter().take_while(|&&byte| matches!(byte, b'\n' | b'\r')).count();
            let line_start = at + blanks;
            let rest = &text[line_start..];
            let line = &rest[..memchr(b'\n', rest).unwrap_or(rest.len())];
            let is_plain = line.first() == Some(&b'{')
                && line.len() <= self.tuning.document_bytes_max
                && (self.kind != DocumentKind::Record
                    || matches!(classify(line, true), Class::Record | Class::Unknown));
            let offset = self.base + line_start as u64;
            if !is_plain {
                break;
            }
            let mut document = Document::default();
            let Some((warnings, length)) = self.reader.read_line(line, offset, &mut document) else { break };
            self.note_beginning(true);
            document.bytes = length as u64;
            self.has_top_span = true;
            self.broken_indent = None;
            self.found.decoded(&warnings);
            sink.document(document);
            self.last_content = b'}';
            at = line_start + line.len();
        }
        self.base += at as u64;
        at
    }

    /// Takes the next text.
    pub(super) fn push(&mut self, text: &[u8], sink: &mut dyn Sink) -> Result<(), ObjectFailure> {
        if let Some(&byte) = text.iter().rev().find(|&&byte| !is_blank(byte)) {
            self.last_content = byte;
        }
        self.buffer.drain(..self.at);
        self.base += self.at as u64;
        self.newline_searched = self.newline_searched.saturating_sub(self.at);
        self.at = 0;
        self.buffer.extend_from_slice(text);
        self.run(false, sink)
    }

    /// The text ended.
    pub(super) fn finish(&mut self, sink: &mut dyn Sink) -> Result<FrameSummary, ObjectFailure> {
        self.run(true, sink)?;
        self.found.not_json = self.begins_json == Some(false);
        Ok(self.found)
    }

    fn run(&mut self, is_end: bool, sink: &mut dyn Sink) -> Result<(), ObjectFailure> {
        loop {
            let step = match std::mem::replace(&mut self.state, State::Between) {
                State::Between => self.between(is_end, sink)?,
                State::Document(span) => self.walk(span, is_end, sink)?,
                State::After(pending) => self.after(pending, is_end, sink),
                State::Broken(broken) => self.pass_broken(broken, is_end, sink),
                State::Token(token) => self.pass_token(token, is_end, sink),
                State::Zeros(start) => self.pass_zeros(start, is_end, sink),
                State::Skip(value) => self.skip(value, is_end)?,
            };
            if step == Step::Wait {
                return Ok(());
            }
        }
    }

    fn offset(&self, index: usize) -> u64 {
        self.base + index as u64
    }

    fn index(&self, offset: u64) -> usize {
        (offset - self.base) as usize
    }

    // Between documents.

    fn between(&mut self, is_end: bool, sink: &mut dyn Sink) -> Result<Step, ObjectFailure> {
        let context = self.contexts.last().copied();
        while let Some(&byte) = self.buffer.get(self.at) {
            match byte {
                b'\n' => self.indent = Some(0),
                b' ' | b'\t' => self.indent = self.indent.map(|indent| indent + 1),
                b'\r' => {}
                b',' if context.is_some() => self.indent = None,
                _ => break,
            }
            self.at += 1;
        }
        let Some(&byte) = self.buffer.get(self.at) else {
            return if is_end && context.is_some() {
                Err(ObjectFailure::JsonTruncated)
            } else {
                Ok(Step::Wait)
            };
        };
        if let Some((start, end)) = self.empty_array.take() {
            self.reject(start, end, RejectReason::NotAnObject, sink);
        }
        if byte == 0 {
            self.note_beginning(false);
            self.state = State::Zeros(self.offset(self.at));
            return Ok(Step::Go);
        }
        match context {
            None => Ok(self.at_top(byte, is_end, sink)),
            Some(Context::Array { start, has_elements }) => {
                Ok(self.in_array(byte, start, has_elements, is_end, sink))
            }
            Some(Context::Wrapper) => self.in_wrapper(byte, is_end),
        }
    }

    fn note_beginning(&mut self, is_json: bool) {
        self.begins_json.get_or_insert(is_json);
    }

    fn at_top(&mut self, byte: u8, is_end: bool, sink: &mut dyn Sink) -> Step {
        match byte {
            b'{' => {
                self.note_beginning(true);
                return self.open_object(is_end, sink);
            }
            b'[' if self.kind == DocumentKind::Record && !self.has_top_span => {
                self.note_beginning(true);
                self.enter_array();
                return Step::Go;
            }
            b'0'..=b'9' if self.kind == DocumentKind::Record => {
                match opener(&self.buffer[self.at..], 0, is_end) {
                    Opener::Undecided => return Step::Wait,
                    Opener::At(length) => {
                        self.note_beginning(true);
                        self.at += length;
                        return Step::Go;
                    }
                    Opener::None => {}
                }
                match self.line_end(is_end) {
                    None if self.buffer.len() - self.at <= NOTICE_LINE_BYTES_MAX => return Step::Wait,
                    Some(end) if is_export_notice(&self.buffer[self.at..end]) => {
                        self.note_beginning(true);
                        self.at = end;
                        return Step::Go;
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        self.note_beginning(byte == b'[');
        self.begin_broken();
        Step::Go
    }

    /// Begins to reject what begins no document: its line, or, in the rest of a broken document of several
    /// lines, all up to the next document.
    fn begin_broken(&mut self) {
        let rest_of = self.broken_indent;
        self.state = State::Broken(Broken {
            start: self.offset(self.at),
            indent: rest_of.unwrap_or(0),
            has_newline: rest_of.is_some(),
            is_at_line_start: false,
            check: rest_of.is_none().then(|| Box::new(self.reader.begin_check())),
        });
    }

    fn enter_array(&mut self) {
        self.contexts.push(Context::Array { start: self.offset(self.at), has_elements: false });
        self.at += 1;
        self.indent = None;
    }

    fn in_array(
        &mut self,
        byte: u8,
        start: u64,
        has_elements: bool,
        is_end: bool,
        sink: &mut dyn Sink,
    ) -> Step {
        match byte {
            b']' => {
                self.at += 1;
                self.leave_array(start, has_elements, sink);
            }
            b'{' => return self.open_object(is_end, sink),
            b'[' => {
                let arrays =
                    self.contexts.iter().filter(|context| matches!(context, Context::Array { .. })).count();
                if arrays < ARRAYS_MAX {
                    self.enter_array();
                } else {
                    self.begin_document(false);
                }
            }
            _ if self.broken_indent.is_some() => self.begin_broken(),
            _ => {
                let start = self.offset(self.at);
                let check = Some(Box::new(self.reader.begin_check()));
                self.state = State::Token(Token { start, depth: 0, in_string: false, escaped: false, check });
            }
        }
        Step::Go
    }

    fn leave_array(&mut self, start: u64, has_elements: bool, sink: &mut dyn Sink) {
        self.contexts.pop();
        self.indent = None;
        let end = self.offset(self.at);
        match self.contexts.last() {
            None => {
                if !has_elements {
                    self.empty_array = Some((start, end));
                }
                self.state = State::After(Pending::nothing(end));
            }
            Some(Context::Array { .. }) => {
                if has_elements {
                    self.note_element();
                } else {
                    self.reject(start, end, RejectReason::NotAnObject, sink);
                }
            }
            Some(Context::Wrapper) => {}
        }
    }

    fn note_element(&mut self) {
        match self.contexts.last_mut() {
            Some(Context::Array { has_elements, .. }) => *has_elements = true,
            _ => self.has_top_span = true,
        }
    }

    /// Between the members of a wrapper, after its array.
    fn in_wrapper(&mut self, byte: u8, is_end: bool) -> Result<Step, ObjectFailure> {
        if byte == b'}' {
            self.at += 1;
            self.contexts.pop();
            self.state = State::After(Pending::nothing(self.offset(self.at)));
            return Ok(Step::Go);
        }
        let rest = &self.buffer[self.at..];
        let value_at = match member_value(rest) {
            Member::Value(value_at) => value_at,
            Member::Undecided if is_end => return Err(ObjectFailure::JsonTruncated),
            Member::Undecided if rest.len() < WRAPPER_KEY_BYTES_MAX => return Ok(Step::Wait),
            Member::Undecided | Member::None => {
                self.contexts.clear();
                self.begin_broken();
                return Ok(Step::Go);
            }
        };
        let key_length = memchr(b'"', &rest[1..]).unwrap_or(0);
        let holds_records = rest[value_at] == b'[' && is_wrapper_key(&rest[1..=key_length]);
        let is_scalar = !matches!(rest[value_at], b'"' | b'{' | b'[');
        self.at += value_at;
        if holds_records {
            self.enter_array();
        } else if is_scalar {
            self.state = State::Skip(SkippedValue::Scalar);
        } else {
            self.state = State::Skip(SkippedValue::Balanced(Balance::default()));
        }
        Ok(Step::Go)
    }

    fn skip(&mut self, mut value: SkippedValue, is_end: bool) -> Result<Step, ObjectFailure> {
        let rest = &self.buffer[self.at..];
        let length = match &mut value {
            SkippedValue::Balanced(balance) => balance.advance(rest),
            SkippedValue::Scalar => rest.iter().position(|byte| matches!(byte, b',' | b'}' | b'\n')),
        };
        if let Some(length) = length {
            self.at += length;
            return Ok(Step::Go);
        }
        self.at = self.buffer.len();
        self.state = State::Skip(value);
        if is_end { Err(ObjectFailure::JsonTruncated) } else { Ok(Step::Wait) }
    }

    // Documents.

    /// Begins the object at `at`: a wrapper, a line that is one document, or one that needs a closer look.
    fn open_object(&mut self, is_end: bool, sink: &mut dyn Sink) -> Step {
        if !self.contexts.is_empty() {
            self.begin_document(false);
            return Step::Go;
        }
        if self.kind == DocumentKind::Record {
            match classify(&self.buffer[self.at..], is_end) {
                Class::Undecided => return Step::Wait,
                Class::Wrapper { array_at } => {
                    self.contexts.push(Context::Wrapper);
                    self.at += array_at - 1;
                    self.enter_array();
                    return Step::Go;
                }
                Class::Control => {
                    self.begin_document(true);
                    return Step::Go;
                }
                Class::Record | Class::Unknown => {}
            }
        }
        let Some(line_end) = self.line_end(is_end) else {
            if self.buffer.len() - self.at <= self.tuning.document_bytes_max {
                return Step::Wait;
            }
            self.begin_document(false);
            return Step::Go;
        };
        let line = &self.buffer[self.at..line_end];
        let mut document = Document::default();
        if line.len() <= self.tuning.document_bytes_max
            && let Some((warnings, length)) =
                self.reader.read_line(line, self.base + self.at as u64, &mut document)
        {
            document.bytes = length as u64;
            self.has_top_span = true;
            self.broken_indent = None;
            self.found.decoded(&warnings);
            self.at = line_end;
            sink.document(document);
            return Step::Go;
        }
        self.begin_document(false);
        Step::Go
    }

    fn line_end(&mut self, is_end: bool) -> Option<usize> {
        let from = self.at.max(self.newline_searched);
        let newline = memchr(b'\n', &self.buffer[from..]).map(|length| from + length);
        self.newline_searched = newline.unwrap_or(self.buffer.len());
        newline.or_else(|| is_end.then_some(self.buffer.len()))
    }

    fn begin_document(&mut self, holds_nothing: bool) {
        let start = self.offset(self.at);
        self.state = State::Document(Box::new(Span {
            start,
            indent: self.indent.unwrap_or(0),
            holds_nothing,
            is_array: self.buffer.get(self.at) == Some(&b'['),
            balance: Balance::default(),
            walked: start,
            has_newline: false,
            is_at_line_start: false,
            broken_lines: Vec::new(),
            candidate: None,
            piecewise: None,
        }));
    }

    /// Follows a document line by line until it ends or is found to be broken.
    fn walk(
        &mut self,
        mut span: Box<Span>,
        is_end: bool,
        sink: &mut dyn Sink,
    ) -> Result<Step, ObjectFailure> {
        loop {
            match self.try_line(&mut span, is_end) {
                Trial::Undecided => {
                    self.state = State::Document(span);
                    return Ok(Step::Wait);
                }
                Trial::Accepted { is_top } => {
                    let end = span.walked;
                    self.reject_lines(&span, end - 1, RejectReason::JsonSyntax, sink);
                    self.broken_indent = None;
                    if is_top {
                        self.contexts.clear();
                    }
                    self.at = self.index(end);
                    self.indent = Some(0);
                    return Ok(Step::Go);
                }
                Trial::Refused => {}
            }
            let from = self.index(span.walked);
            let rest = &self.buffer[from..];
            if rest.is_empty() {
                if is_end {
                    return self.end_in_document(&span, sink).map(|()| Step::Go);
                }
                self.state = State::Document(span);
                return Ok(Step::Wait);
            }
            let newline = memchr(b'\n', rest);
            let piece = &rest[..newline.map_or(rest.len(), |at| at + 1)];
            let balanced = span.balance.advance(piece);
            let length = balanced.unwrap_or(piece.len());
            span.walked += length as u64;
            self.feed_piecewise(&mut span);
            if balanced.is_some() {
                self.end_document(*span);
                return Ok(Step::Go);
            }
            span.is_at_line_start = newline.is_some();
            span.has_newline |= newline.is_some();
        }
    }

    /// Hands a document that is longer than what is held to a reader of pieces, and lets go of the bytes.
    fn feed_piecewise(&mut self, span: &mut Span) {
        if span.walked - span.start <= self.tuning.document_bytes_max as u64 {
            return;
        }
        let end = self.index(span.walked);
        if !span.holds_nothing {
            let reader = span.piecewise.get_or_insert_with(|| Box::new(self.reader.begin()));
            reader.push(&self.buffer[self.at..end]);
        }
        self.at = end;
    }

    fn end_document(&mut self, span: Span) {
        let end = self.index(span.walked);
        let verdict = if span.holds_nothing {
            Verdict::Nothing
        } else if let Some(reader) = span.piecewise {
            DocumentReader::end(*reader, span.start)
        } else {
            let document = &self.buffer[self.at..end];
            if span.is_array || self.contexts.is_empty() || self.kind != DocumentKind::Record {
                self.reader.read(document, span.start)
            } else {
                self.reader.read_element(document, span.start)
            }
        };
        self.at = end;
        self.indent = None;
        self.state = State::After(Pending {
            start: span.start,
            end: span.walked,
            indent: span.indent,
            has_newline: span.has_newline,
            has_comma: false,
            verdict,
        });
    }

    /// Where a line begins inside a document: whether it begins the next one.
    fn try_line(&self, span: &mut Span, is_end: bool) -> Trial {
        if span.is_at_line_start {
            let line = &self.buffer[self.index(span.walked)..];
            let object_start = match opener(line, span.indent, is_end) {
                Opener::Undecided => return Trial::Undecided,
                Opener::None => {
                    span.is_at_line_start = false;
                    return Trial::Refused;
                }
                Opener::At(length) => span.walked + length as u64,
            };
            span.is_at_line_start = false;
            span.candidate = Some(Candidate {
                line_start: span.walked,
                object_start,
                balance: Balance::default(),
                walked: object_start,
                is_at_line_start: false,
                is_balanced: false,
            });
        }
        let Some(candidate) = &mut span.candidate else { return Trial::Refused };
        let trial = self.try_candidate(candidate, span.indent, is_end);
        if matches!(trial, Trial::Refused) {
            if span.broken_lines.len() < BROKEN_LINES_MAX {
                span.broken_lines.push(candidate.line_start);
            }
            span.candidate = None;
        }
        trial
    }

    fn try_candidate(&self, candidate: &mut Candidate, indent: usize, is_end: bool) -> Trial {
        let in_array = !self.contexts.is_empty();
        while !candidate.is_balanced {
            let rest = &self.buffer[self.index(candidate.walked)..];
            if candidate.is_at_line_start {
                match opener(rest, indent, is_end) {
                    Opener::Undecided => return Trial::Undecided,
                    // It should have ended before the next document begins.
                    Opener::At(_) => return Trial::Refused,
                    Opener::None => candidate.is_at_line_start = false,
                }
            }
            if rest.is_empty() {
                return if is_end { Trial::Refused } else { Trial::Undecided };
            }
            let newline = memchr(b'\n', rest);
            let piece = &rest[..newline.map_or(rest.len(), |at| at + 1)];
            let balanced = candidate.balance.advance(piece);
            candidate.walked += balanced.unwrap_or(piece.len()) as u64;
            if candidate.walked - candidate.object_start > self.tuning.document_bytes_max as u64 {
                return Trial::Refused;
            }
            candidate.is_balanced = balanced.is_some();
            candidate.is_at_line_start = newline.is_some();
        }
        let end = self.index(candidate.walked);
        match goes_on_around(&self.buffer[end..], in_array) {
            Some(false) => {}
            Some(true) => return Trial::Refused,
            None if is_end => {}
            None if self.buffer.len() - end > self.tuning.document_bytes_max => {}
            None => return Trial::Undecided,
        }
        match classify(&self.buffer[self.index(candidate.object_start)..end], true) {
            Class::Wrapper { .. } | Class::Control => Trial::Accepted { is_top: true },
            Class::Record => Trial::Accepted { is_top: false },
            _ if in_array => Trial::Accepted { is_top: false },
            _ => Trial::Refused,
        }
    }

    /// The input ended inside a document.
    fn end_in_document(&mut self, span: &Span, sink: &mut dyn Sink) -> Result<(), ObjectFailure> {
        self.at = self.buffer.len();
        let reason = if self.contexts.is_empty() {
            RejectReason::JsonTruncated
        } else if span.balance.depth_max > u64::from(DEPTH_MAX) {
            RejectReason::TooDeep
        } else if span.balance.in_string && self.last_content == b']' {
            // The array was closed: it is the quotes of this element that are broken, not the input.
            RejectReason::JsonSyntax
        } else {
            return Err(ObjectFailure::JsonTruncated);
        };
        self.contexts.clear();
        self.reject_lines(span, span.walked, reason, sink);
        Ok(())
    }

    /// Rejects a broken span up to `end`: each of its lines that began an object for itself, the last for
    /// `last_reason`.
    fn reject_lines(&mut self, span: &Span, end: u64, last_reason: RejectReason, sink: &mut dyn Sink) {
        let too_deep = span.balance.depth_max > u64::from(DEPTH_MAX);
        let of_span = |reason| if too_deep { RejectReason::TooDeep } else { reason };
        let mut start = span.start;
        for &line in &span.broken_lines {
            self.reject(start, line - 1, of_span(RejectReason::JsonSyntax), sink);
            start = line;
        }
        self.reject(start, end, of_span(last_reason), sink);
    }

    /// What follows a document on its line.
    fn after(&mut self, mut pending: Pending, is_end: bool, sink: &mut dyn Sink) -> Step {
        let in_array = !self.contexts.is_empty();
        loop {
            let Some(&byte) = self.buffer.get(self.at) else {
                if is_end {
                    self.settle(pending, sink);
                    return Step::Go;
                }
                self.state = State::After(pending);
                return Step::Wait;
            };
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\n' | b'{' | 0 => break,
                b',' | b']' | b'[' if in_array => break,
                b'[' if matches!(pending.verdict, Verdict::Nothing) => break,
                b',' if !pending.has_comma => {
                    pending.has_comma = true;
                    self.at += 1;
                }
                _ => {
                    let is_nothing = matches!(pending.verdict, Verdict::Nothing);
                    let start = if is_nothing { self.offset(self.at) } else { pending.start };
                    if let Some((start, end)) = self.empty_array.take() {
                        self.reject(start, end, RejectReason::NotAnObject, sink);
                    }
                    self.state = if in_array && !pending.has_newline {
                        State::Token(Token { start, depth: 0, in_string: false, escaped: false, check: None })
                    } else {
                        State::Broken(Broken {
                            start,
                            indent: pending.indent,
                            has_newline: pending.has_newline,
                            is_at_line_start: false,
                            check: None,
                        })
                    };
                    return Step::Go;
                }
            }
        }
        self.settle(pending, sink);
        Step::Go
    }

    fn settle(&mut self, pending: Pending, sink: &mut dyn Sink) {
        let is_broken = matches!(pending.verdict, Verdict::Reject(RejectReason::JsonSyntax));
        self.broken_indent = (is_broken && pending.has_newline).then_some(pending.indent);
        match pending.verdict {
            Verdict::Document(mut document, warnings) => {
                document.bytes = pending.end - pending.start;
                self.note_element();
                self.found.decoded(&warnings);
                sink.document(*document);
            }
            Verdict::Reject(reason) => self.reject(pending.start, pending.end, reason, sink),
            Verdict::Nothing => {
                if !self.contexts.is_empty() {
                    self.note_element();
                }
            }
        }
    }

    fn reject(&mut self, start: u64, end: u64, reason: RejectReason, sink: &mut dyn Sink) {
        self.note_element();
        self.found.documents_found += 1;
        sink.reject(Reject { offset: start, bytes: end - start, reason });
    }

    // What is no document.

    fn pass_broken(&mut self, mut broken: Broken, is_end: bool, sink: &mut dyn Sink) -> Step {
        loop {
            let rest = &self.buffer[self.at..];
            if broken.is_at_line_start {
                let opener = opener(rest, broken.indent, is_end);
                if opener == Opener::Undecided {
                    self.state = State::Broken(broken);
                    return Step::Wait;
                }
                let closes_array = !self.contexts.is_empty()
                    && rest.iter().take(broken.indent + 1).find(|&&byte| !is_blank(byte)) == Some(&b']');
                if closes_array || opener != Opener::None {
                    let end = self.offset(self.at) - 1;
                    self.reject(broken.start, end, RejectReason::JsonSyntax, sink);
                    self.indent = Some(0);
                    return Step::Go;
                }
                broken.is_at_line_start = false;
            }
            let newline = memchr(b'\n', rest);
            let length = newline.unwrap_or(rest.len());
            if let Some(check) = &mut broken.check {
                check.push(&rest[..length]);
            }
            self.at += length;
            if newline.is_none() && !is_end {
                self.state = State::Broken(broken);
                return Step::Wait;
            }
            if newline.is_some() && broken.has_newline {
                self.at += 1;
                broken.is_at_line_start = true;
                continue;
            }
            let end = self.offset(self.at);
            self.reject(broken.start, end, reason_of(broken.check), sink);
            return Step::Go;
        }
    }

    fn pass_token(&mut self, mut token: Token, is_end: bool, sink: &mut dyn Sink) -> Step {
        let rest = &self.buffer[self.at..];
        let length = rest.iter().position(|&byte| token.ends_before(byte));
        let token_length = length.unwrap_or(rest.len());
        if let Some(check) = &mut token.check {
            check.push(&rest[..token_length]);
        }
        self.at += token_length;
        if length.is_none() && !is_end {
            self.state = State::Token(token);
            return Step::Wait;
        }
        let end = self.offset(self.at);
        self.reject(token.start, end, reason_of(token.check), sink);
        Step::Go
    }

    fn pass_zeros(&mut self, start: u64, is_end: bool, sink: &mut dyn Sink) -> Step {
        let length = self.buffer[self.at..].iter().take_while(|&&byte| byte == 0).count();
        self.at += length;
        if self.at == self.buffer.len() && !is_end {
            self.state = State::Zeros(start);
            return Step::Wait;
        }
        let end = self.offset(self.at);
        self.reject(start, end, RejectReason::JsonSyntax, sink);
        self.indent = None;
        Step::Go
    }
}

impl Token {
    /// Takes the next byte of the token; whether it is none of it any more.
    fn ends_before(&mut self, byte: u8) -> bool {
        if byte == b'\n' {
            return true;
        }
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_string => self.escaped = true,
            b'"' => self.in_string = !self.in_string,
            _ if self.in_string => {}
            b',' | b']' if self.depth == 0 => return true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        false
    }
}

impl Pending {
    /// Something ended that holds no document of its own.
    fn nothing(end: u64) -> Self {
        Pending {
            start: end,
            end,
            indent: 0,
            has_newline: false,
            has_comma: false,
            verdict: Verdict::Nothing,
        }
    }
}

/// Whether what follows an object shows that the object lies inside of another: a further member, or the
/// other's end. `None` where only blanks follow, so far.
fn goes_on_around(rest: &[u8], in_array: bool) -> Option<bool> {
    let at = skip_blanks(rest, 0);
    Some(match rest.get(at)? {
        b',' => *rest.get(skip_blanks(rest, at + 1))? == b'"',
        b'}' => true,
        b']' => !in_array,
        _ => false,
    })
}

/// Why something that does not begin with `{` is no document.
fn reason_of(check: Option<Box<StrictReader>>) -> RejectReason {
    check.and_then(|check| check.finish().err()).unwrap_or(RejectReason::JsonSyntax)
}

enum Member {
    /// A key and a colon; the value begins at this index.
    Value(usize),
    /// No member begins here.
    None,
    Undecided,
}

/// The member that `bytes` begin with.
fn member_value(bytes: &[u8]) -> Member {
    if bytes.first() != Some(&b'"') {
        return Member::None;
    }
    let Some(key) = string_end(bytes, 1) else { return Member::Undecided };
    let colon = skip_blanks(bytes, key.after);
    match bytes.get(colon) {
        None => return Member::Undecided,
        Some(b':') => {}
        Some(_) => return Member::None,
    }
    let value = skip_blanks(bytes, colon + 1);
    if value < bytes.len() { Member::Value(value) } else { Member::Undecided }
}
