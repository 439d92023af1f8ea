//! The reference reader: one byte after the other through a state machine that knows all of JSON's grammar.
//!
//! In: the bytes of one document, in pieces of any size. Out: its [`Fields`] and where its bodies are, or the
//! reason it is no JSON. Always: this reader is the authority on verdicts, the fast one defers to it; memory
//! is bounded by the limits of a field, whatever the length of the document. Absent: recursion, and any check
//! of a body beyond its strings and brackets. A body ends at the first comma or closing bracket that is
//! outside its own strings and brackets, so that what is no JSON in a body costs the record nothing; a colon
//! there means that a comma is missing in the envelope.

use super::fields::{BODY_FIELDS, FIELD_BYTES_MAX, Field, Fields, Section, Value};
use super::lex::{DEPTH_MAX, hex_digit, is_blank, pair, push_code_point, simple_escape};
use crate::reject::RejectReason;

/// Reads one document, piece by piece.
pub(super) struct StrictReader {
    state: State,
    /// Open brackets of the envelope.
    depth: u32,
    /// By depth: whether the open bracket is an object's.
    is_object: [bool; DEPTH_MAX as usize + 1],
    /// The section whose members stand at depth 2, while depth is 2 or more.
    section: Option<Section>,
    /// What the next value is for.
    target: Target,
    string: StringText,
    /// The name of a tag while its value is read.
    tag_key: Option<Vec<u8>>,
    body: BodyScan,
    bodies: [Option<FoundBody>; BODY_FIELDS.len()],
    /// Longest body that is kept in [`FoundBody::kept`]; `None` keeps none, not even a start.
    keep_bytes_max: Option<usize>,
    /// Bytes taken so far.
    position: u64,
    root_is_object: bool,
    error: Option<RejectReason>,
    fields: Fields,
}

/// Where a body is within its document.
#[derive(Clone, Default, Debug)]
pub(super) struct FoundBody {
    /// Offset of its first byte.
    pub(super) start: u64,
    /// Offset after its last byte.
    pub(super) end: u64,
    /// Its bytes, where they were asked for and are no more than asked for.
    pub(super) kept: Option<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Before a value.
    Value,
    /// After `[`: a value, or the end.
    FirstElement,
    /// After `{`: a key, or the end.
    FirstKey,
    /// After a comma in an object.
    Key,
    Colon,
    /// After a value inside of brackets.
    AfterValue,
    String,
    Number(NumberPart),
    /// Inside `true`, `false` or `null`: the text, and how many of its bytes were seen.
    Literal(&'static [u8], usize),
    Body,
    /// After the document's last byte.
    End,
}

/// What the last byte of a number was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NumberPart {
    Sign,
    /// A zero that no digit may follow.
    Zero,
    Whole,
    Point,
    Fraction,
    ExponentLetter,
    ExponentSign,
    Exponent,
}

impl NumberPart {
    /// The part that `byte` is, `None` where the number cannot go on with it.
    fn after(self, byte: u8) -> Option<NumberPart> {
        use NumberPart::*;
        Some(match (self, byte) {
            (Sign, b'0') => Zero,
            (Sign, b'1'..=b'9') | (Whole, b'0'..=b'9') => Whole,
            (Zero | Whole, b'.') => Point,
            (Point | Fraction, b'0'..=b'9') => Fraction,
            (Zero | Whole | Fraction, b'e' | b'E') => ExponentLetter,
            (ExponentLetter, b'+' | b'-') => ExponentSign,
            (ExponentLetter | ExponentSign | Exponent, b'0'..=b'9') => Exponent,
            _ => return None,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Target {
    /// A value of no interest.
    None,
    Field(Field),
    Tag,
    /// The string that is read is a key.
    Key,
}

/// A string (or number) while it is read.
#[derive(Default)]
struct StringText {
    text: Vec<u8>,
    /// It is longer than what is kept in `text`.
    is_too_long: bool,
    /// After a backslash; with `u`, how many hexadecimal digits are missing.
    escape: Escape,
    code_unit: u16,
    /// A high surrogate that waits for its other half.
    high: Option<u16>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    Backslash,
    Hex(u8),
}

#[derive(Default)]
struct BodyScan {
    index: usize,
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// Whether anything but blanks was seen.
    has_begun: bool,
}

impl StrictReader {
    /// A reader of one document. Bodies up to `keep_bytes_max` are kept.
    pub(super) fn new(fields: Fields, keep_bytes_max: Option<usize>) -> Self {
        StrictReader {
            state: State::Value,
            depth: 0,
            is_object: [false; DEPTH_MAX as usize + 1],
            section: None,
            target: Target::None,
            string: StringText::default(),
            tag_key: None,
            body: BodyScan::default(),
            bodies: Default::default(),
            keep_bytes_max,
            position: 0,
            root_is_object: false,
            error: None,
            fields,
        }
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() && self.error.is_none() {
            let plain = self.take_plain_body_text(&bytes[at..]);
            at += plain;
            self.position += plain as u64;
            if plain == 0 {
                self.error = self.take(bytes[at]).err();
                self.position += 1;
                at += 1;
            }
        }
    }

    /// The document ended.
    pub(super) fn finish(mut self) -> Result<(Fields, [Option<FoundBody>; BODY_FIELDS.len()]), RejectReason> {
        if let (State::Number(part), 0, None) = (self.state, self.depth, self.error) {
            // Only the end of the input ends a number that is the whole document.
            self.error = self.end_number(part).err();
        }
        match self.error {
            Some(reason) => Err(reason),
            None if self.state != State::End => Err(RejectReason::JsonSyntax),
            None if !self.root_is_object => Err(RejectReason::NotAnObject),
            None => Ok((self.fields, self.bodies)),
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), RejectReason> {
        match self.state {
            State::String => return self.take_in_string(byte),
            State::Body => return self.take_in_body(byte),
            State::Number(part) => {
                if let Some(next) = part.after(byte) {
                    self.string.push(byte, FIELD_BYTES_MAX);
                    self.state = State::Number(next);
                    return Ok(());
                }
                self.end_number(part)?;
            }
            State::Literal(text, seen) => {
                if text.get(seen) != Some(&byte) {
                    return Err(RejectReason::JsonSyntax);
                }
                self.state = State::Literal(text, seen + 1);
                if seen + 1 == text.len() {
                    self.value(if text == b"null" { LiteralOr::Null } else { LiteralOr::Bool });
                    self.end_value();
                }
                return Ok(());
            }
            _ => {}
        }
        if is_blank(byte) {
            return Ok(());
        }
        match (self.state, byte) {
            (State::FirstKey | State::AfterValue, b'}') if self.is_object[self.depth as usize] => {
                self.close();
                Ok(())
            }
            (State::FirstElement | State::AfterValue, b']') if !self.is_object[self.depth as usize] => {
                self.close();
                Ok(())
            }
            (State::FirstKey | State::Key, b'"') => {
                self.target = Target::Key;
                self.begin_string();
                Ok(())
            }
            (State::Colon, b':') => {
                self.state = State::Value;
                if let Target::Field(field) = self.target
                    && let Some(index) = field.body_index()
                {
                    self.body = BodyScan { index, ..BodyScan::default() };
                    let kept = self.keep_bytes_max.map(|_| Vec::new());
                    let at = self.position + 1;
                    self.bodies[index] = Some(FoundBody { start: at, end: at, kept });
                    self.state = State::Body;
                }
                Ok(())
            }
            (State::AfterValue, b',') => {
                self.state = if self.is_object[self.depth as usize] { State::Key } else { State::Value };
                self.target = Target::None;
                Ok(())
            }
            (State::Value | State::FirstElement, _) => self.begin_value(byte),
            _ => Err(RejectReason::JsonSyntax),
        }
    }

    fn begin_value(&mut self, byte: u8) -> Result<(), RejectReason> {
        match byte {
            b'"' => self.begin_string(),
            b'{' => self.open(true)?,
            b'[' => self.open(false)?,
            b'-' | b'0'..=b'9' => {
                self.string.clear();
                self.string.push(byte, FIELD_BYTES_MAX);
                self.state = State::Number(match byte {
                    b'-' => NumberPart::Sign,
                    b'0' => NumberPart::Zero,
                    _ => NumberPart::Whole,
                });
            }
            b't' => self.state = State::Literal(b"true", 1),
            b'f' => self.state = State::Literal(b"false", 1),
            b'n' => self.state = State::Literal(b"null", 1),
            _ => return Err(RejectReason::JsonSyntax),
        }
        Ok(())
    }

    fn open(&mut self, is_object: bool) -> Result<(), RejectReason> {
        self.value(if is_object { LiteralOr::Object } else { LiteralOr::Array });
        if self.depth == DEPTH_MAX {
            return Err(RejectReason::TooDeep);
        }
        if self.depth == 0 {
            self.root_is_object = is_object;
        }
        if self.depth == 1 {
            self.section = match self.target {
                Target::Field(field) if is_object => field.section(),
                _ => None,
            };
        }
        self.depth += 1;
        self.is_object[self.depth as usize] = is_object;
        self.state = if is_object { State::FirstKey } else { State::FirstElement };
        self.target = Target::None;
        Ok(())
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.end_value();
    }

    fn end_value(&mut self) {
        self.state = if self.depth == 0 { State::End } else { State::AfterValue };
        self.target = Target::None;
        if self.depth < 2 {
            self.section = None;
        }
    }

    fn end_number(&mut self, part: NumberPart) -> Result<(), RejectReason> {
        use NumberPart::{Exponent, Fraction, Whole, Zero};
        if !matches!(part, Zero | Whole | Fraction | Exponent) {
            return Err(RejectReason::JsonSyntax);
        }
        self.value(LiteralOr::Number);
        self.end_value();
        Ok(())
    }

    /// Gives a value to whoever it is for. The text of strings and numbers is in `self.string`.
    fn value(&mut self, value: LiteralOr) {
        let value = match value {
            LiteralOr::Null => Value::Null,
            LiteralOr::Bool => Value::Bool,
            LiteralOr::Object => Value::Object,
            LiteralOr::Array => Value::Array,
            _ if self.string.is_too_long => Value::TooLong,
            LiteralOr::Number => Value::Number(&self.string.text),
            LiteralOr::Text => Value::Text(&self.string.text),
        };
        match self.target {
            Target::Field(field) => self.fields.value(field, value),
            Target::Tag => self.fields.tag(self.tag_key.as_deref(), value),
            Target::None | Target::Key => {}
        }
    }

    fn begin_string(&mut self) {
        self.string.clear();
        self.state = State::String;
    }

    fn take_in_string(&mut self, byte: u8) -> Result<(), RejectReason> {
        let limit = match self.target {
            Target::None => 0,
            _ => FIELD_BYTES_MAX,
        };
        let string = &mut self.string;
        match string.escape {
            Escape::None => match byte {
                b'"' => {
                    string.flush_high(limit);
                    self.end_string();
                }
                b'\\' => string.escape = Escape::Backslash,
                0..0x20 => return Err(RejectReason::JsonSyntax),
                _ => {
                    string.flush_high(limit);
                    string.push(byte, limit);
                }
            },
            Escape::Backslash if byte == b'u' => {
                string.code_unit = 0;
                string.escape = Escape::Hex(4);
            }
            Escape::Backslash => {
                string.flush_high(limit);
                string.push(simple_escape(byte).ok_or(RejectReason::JsonSyntax)?, limit);
                string.escape = Escape::None;
            }
            Escape::Hex(missing) => {
                let digit = hex_digit(byte).ok_or(RejectReason::JsonSyntax)?;
                string.code_unit = string.code_unit << 4 | digit;
                string.escape = Escape::Hex(missing - 1);
                if missing == 1 {
                    string.escape = Escape::None;
                    string.push_code_unit(limit);
                }
            }
        }
        Ok(())
    }

    fn end_string(&mut self) {
        if self.target != Target::Key {
            self.value(LiteralOr::Text);
            self.end_value();
            return;
        }
        self.state = State::Colon;
        let section = match (self.depth, self.section) {
            (1, _) => Some(Section::Root),
            (2, section) => section,
            _ => None,
        };
        self.target = match section {
            Some(Section::Tags) => {
                self.tag_key = (!self.string.is_too_long).then(|| self.string.text.clone());
                Target::Tag
            }
            Some(section) if !self.string.is_too_long => {
                let field = Field::of(section, &self.string.text, self.fields.kind());
                if let Some(field) = field {
                    self.fields.key(field);
                }
                field.map_or(Target::None, Target::Field)
            }
            _ => Target::None,
        };
    }

    /// Takes text inside a string of a body up to where it may end; how many bytes that was.
    fn take_plain_body_text(&mut self, bytes: &[u8]) -> usize {
        if self.state != State::Body || !self.body.in_string || self.body.escaped {
            return 0;
        }
        let length = memchr::memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len());
        if let Some(body) = &mut self.bodies[self.body.index]
            && length > 0
        {
            body.end = self.position + length as u64;
            body.keep(&bytes[..length], self.keep_bytes_max);
        }
        length
    }

    fn take_in_body(&mut self, byte: u8) -> Result<(), RejectReason> {
        let scan = &mut self.body;
        if scan.in_string {
            match byte {
                _ if scan.escaped => scan.escaped = false,
                b'\\' => scan.escaped = true,
                b'"' => scan.in_string = false,
                _ => {}
            }
        } else {
            match byte {
                b',' | b'}' if scan.depth == 0 => {
                    self.end_value();
                    return self.take(byte);
                }
                b']' | b':' if scan.depth == 0 => return Err(RejectReason::JsonSyntax),
                b'"' => scan.in_string = true,
                b'{' | b'[' => {
                    scan.depth += 1;
                    if self.depth + scan.depth > DEPTH_MAX {
                        return Err(RejectReason::TooDeep);
                    }
                }
                b'}' | b']' => scan.depth -= 1,
                _ => {}
            }
        }
        let is_content = scan.in_string || !is_blank(byte);
        if !scan.has_begun && !is_content {
            return Ok(());
        }
        let Some(body) = &mut self.bodies[scan.index] else { return Ok(()) };
        if !scan.has_begun {
            scan.has_begun = true;
            body.start = self.position;
        }
        if is_content {
            body.end = self.position + 1;
        }
        body.keep(&[byte], self.keep_bytes_max);
        Ok(())
    }
}

impl FoundBody {
    /// Keeps more bytes of the body, up to the limit and while they are asked for. Blanks that may follow the
    /// body are kept, too.
    fn keep(&mut self, bytes: &[u8], limit: Option<usize>) {
        match (&mut self.kept, limit) {
            (Some(kept), Some(limit)) if kept.len() + bytes.len() <= limit => kept.extend_from_slice(bytes),
            _ => self.kept = None,
        }
    }
}

#[derive(Clone, Copy)]
enum LiteralOr {
    Null,
    Bool,
    Object,
    Array,
    Number,
    Text,
}

impl StringText {
    fn clear(&mut self) {
        self.text.clear();
        self.is_too_long = false;
        self.escape = Escape::None;
        self.high = None;
    }

    fn push(&mut self, byte: u8, limit: usize) {
        if self.text.len() < limit {
            self.text.push(byte);
        } else {
            self.is_too_long = true;
        }
    }

    fn push_code_point(&mut self, code_point: u32, limit: usize) {
        if self.text.len() < limit {
            // May be up to three bytes over the limit, which the check of the length finds.
            push_code_point(code_point, &mut self.text);
        } else {
            self.is_too_long = true;
        }
    }

    fn push_code_unit(&mut self, limit: usize) {
        let unit = self.code_unit;
        if let (Some(high), 0xDC00..0xE000) = (self.high, unit) {
            self.high = None;
            self.push_code_point(pair(high, unit), limit);
            return;
        }
        self.flush_high(limit);
        match unit {
            0xD800..0xDC00 => self.high = Some(unit),
            _ => self.push_code_point(u32::from(unit), limit),
        }
    }

    /// A high surrogate that found no other half stays alone.
    fn flush_high(&mut self, limit: usize) {
        if let Some(high) = self.high.take() {
            self.push_code_point(u32::from(high), limit);
        }
    }
}
