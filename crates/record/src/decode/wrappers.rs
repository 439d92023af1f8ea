//! The forms in which records come wrapped: `{"Records":[…]}`, CloudWatch events, subscriptions, Insights rows,
//! lines of export tasks.
//!
//! In: the beginning of an object, a whole element of an array, or the beginning of a line. Out: what it is and
//! where the record in it stands. Always: an answer about a prefix never changes when more bytes come. Absent:
//! any judgement of the record itself.

use super::lex::{skip_blanks, string_end, value_end};

/// How far into an object its kind is looked for, in bytes. Wrappers have a few short members before their
/// array; a record begins with a key of its own.
const CLASSIFY_BYTES_MAX: usize = 64 * 1024;

/// Keys whose array holds records or events.
const WRAPPER_KEYS: [&[u8]; 4] = [b"Records", b"events", b"logEvents", b"results"];

/// Keys of a record that neither a wrapper nor an event has at its root.
const RECORD_KEYS: [&[u8]; 13] = [
    b"accountId",
    b"requestId",
    b"modelId",
    b"schemaType",
    b"schemaVersion",
    b"operation",
    b"input",
    b"output",
    b"identity",
    b"region",
    b"inferenceRegion",
    b"errorCode",
    b"requestMetadata",
];

/// Whether the array under this key holds records or events.
pub(super) fn is_wrapper_key(key: &[u8]) -> bool {
    WRAPPER_KEYS.contains(&key)
}

/// What an object at the top of the input is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    /// A key of a record comes first.
    Record,
    /// Neither kind of key is there.
    Unknown,
    /// A wrapper; the first element of its array comes after this many bytes.
    Wrapper { array_at: usize },
    /// A control message of a subscription, which holds no record.
    Control,
    /// More bytes are needed.
    Undecided,
}

/// Tells what the object is that `bytes` begin with. `is_all` says that no more bytes will come.
pub(super) fn classify(bytes: &[u8], is_all: bool) -> Class {
    let is_all = is_all || bytes.len() >= CLASSIFY_BYTES_MAX;
    let bytes = &bytes[..bytes.len().min(CLASSIFY_BYTES_MAX)];
    let mut members = Members::new(bytes);
    while let Some((key, value_at)) = members.key() {
        if key == b"timestamp" || RECORD_KEYS.contains(&key) {
            return Class::Record;
        }
        let value = &bytes[value_at..];
        if value.first() == Some(&b'[') && is_wrapper_key(key) {
            return Class::Wrapper { array_at: value_at + 1 };
        }
        if key == b"messageType" && value.starts_with(b"\"CONTROL_MESSAGE\"") {
            return Class::Control;
        }
        members.skip_value();
    }
    if members.ran_out && !is_all { Class::Undecided } else { Class::Unknown }
}

/// What an element of an array is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Element<'a> {
    /// A record, or nothing that is known.
    Record,
    /// A CloudWatch event or an Insights field; this JSON value, a string or an object, is the record.
    Message(&'a [u8]),
    /// A field of an Insights row that is not the message.
    OtherField,
}

/// Tells what a whole element is, which is an object.
pub(super) fn classify_element(bytes: &[u8]) -> Element<'_> {
    let mut members = Members::new(bytes);
    let (mut message, mut field, mut value) = (None, None, None);
    while let Some((key, value_at)) = members.key() {
        if RECORD_KEYS.contains(&key) {
            return Element::Record;
        }
        members.skip_value();
        let text = bytes.get(value_at..members.at).unwrap_or_default();
        match key {
            b"message" => message = message.or(Some(text)),
            b"field" => field = field.or(Some(text)),
            b"value" => value = value.or(Some(text)),
            _ => {}
        }
    }
    match (message, field, value) {
        (Some(message), ..) => Element::Message(message),
        (None, Some(b"\"@message\""), Some(value)) => Element::Message(value),
        (None, Some(_), Some(_)) => Element::OtherField,
        _ => Element::Record,
    }
}

/// Whether a line begins an object, perhaps after the time stamp of an export task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Opener {
    /// The object begins after this many bytes.
    At(usize),
    /// It does not.
    None,
    /// More bytes are needed.
    Undecided,
}

/// Looks for an object at the start of a line, indented by no more than `indent_max` blanks.
pub(super) fn opener(line: &[u8], indent_max: usize, is_all: bool) -> Opener {
    let indent = line.iter().take(indent_max + 1).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    if indent > indent_max {
        return Opener::None;
    }
    match line.get(indent) {
        Some(b'{') => Opener::At(indent),
        Some(b'0'..=b'9') => match export_prefix(&line[indent..], is_all) {
            Opener::At(length) => Opener::At(indent + length),
            other => other,
        },
        None if !is_all => Opener::Undecided,
        _ => Opener::None,
    }
}

/// The time stamp of an export task's line, `2025-08-15T17:44:31.000Z `, if an object follows it.
fn export_prefix(line: &[u8], is_all: bool) -> Opener {
    const DATE_AND_TIME: &[u8] = b"0000-00-00T00:00:00";
    // Longer than any fraction, offset and gap that occur.
    const PREFIX_BYTES_MAX: usize = 64;
    let fits = |(&byte, &pattern): (&u8, &u8)| {
        if pattern == b'0' { byte.is_ascii_digit() } else { byte == pattern }
    };
    if !line.iter().zip(DATE_AND_TIME).all(fits) {
        return Opener::None;
    }
    let mut gap_seen = false;
    for (index, &byte) in line.iter().enumerate().skip(DATE_AND_TIME.len()).take(PREFIX_BYTES_MAX) {
        match byte {
            b'{' if gap_seen => return Opener::At(index),
            b' ' | b'\t' => gap_seen = true,
            b'0'..=b'9' | b'.' | b':' | b'+' | b'-' | b'Z' if !gap_seen => {}
            _ => return Opener::None,
        }
    }
    let is_all = is_all || line.len() >= DATE_AND_TIME.len() + PREFIX_BYTES_MAX;
    if is_all { Opener::None } else { Opener::Undecided }
}

/// What Bedrock writes into a log group when logging is switched on: CloudWatch's counterpart of the object
/// `amazon-bedrock-logs-permission-check`, and no record either.
pub(super) const PERMISSION_NOTICE: &[u8] = b"Permissions are correctly set for Amazon Bedrock logs.";

/// A line with the notice and its time stamp is no longer than this, in bytes.
pub(super) const NOTICE_LINE_BYTES_MAX: usize = 128;

/// Whether this line of an export task is the notice.
pub(super) fn is_export_notice(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    line.len() <= NOTICE_LINE_BYTES_MAX
        && line.strip_suffix(PERMISSION_NOTICE).is_some_and(|stamp| stamp.ends_with(b" "))
}

/// The members of an object, as far as they can be told apart.
struct Members<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The bytes ended inside the object.
    ran_out: bool,
}

impl<'a> Members<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Members { bytes, at: 1, ran_out: false }
    }

    /// The next key as written, and the index of its value.
    fn key(&mut self) -> Option<(&'a [u8], usize)> {
        self.at = skip_blanks(self.bytes, self.at);
        if self.bytes.get(self.at) == Some(&b',') {
            self.at = skip_blanks(self.bytes, self.at + 1);
        }
        self.ran_out = true;
        if *self.bytes.get(self.at)? != b'"' {
            self.ran_out = false;
            return None;
        }
        let from = self.at + 1;
        let end = string_end(self.bytes, from)?;
        self.at = skip_blanks(self.bytes, end.after);
        if *self.bytes.get(self.at)? != b':' {
            self.ran_out = false;
            return None;
        }
        self.at = skip_blanks(self.bytes, self.at + 1);
        self.bytes.get(self.at)?;
        self.ran_out = false;
        Some((&self.bytes[from..end.after - 1], self.at))
    }

    /// Passes the value that the last key stands for.
    fn skip_value(&mut self) {
        match value_end(self.bytes, self.at) {
            Some(end) => self.at = end,
            // Nothing follows that could be told.
            None => self.at = self.bytes.len(),
        }
    }
}
