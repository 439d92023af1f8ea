//! The plain reader: one walk over a document whose envelope is written as AWS writes it.
//!
//! In: bytes that begin with a document. Out: its [`Document`], with texts borrowed from the bytes, and its length;
//! or nothing at all where the envelope holds anything but texts without escapes, short unsigned integers,
//! literals, and brackets around them: then `fast` reads it. Always: what this reader accepts, the strict one
//! accepts with the same result (property tests and the fuzz target hold it to that); no memory is asked for, but
//! for more tags than are usual. Absent: verdicts, and the rules that odd values need.
//!
//! The used values are noted by field on the way, as places in the bytes; the document is filled in at its end.
//! The UTF-8 of the envelope is checked then, by chunks: the stretches before, between and after the bodies.

use std::borrow::Cow;
use std::ops::Range;

use super::fast::skip_body;
use super::fields::{BODY_FIELDS, Bodies, FIELD_BYTES_MAX, FIELDS, Field, Section, TOKENS_MAX, complete};
use super::lex::skip_blanks;
use crate::document::{Document, DocumentKind, Tags};
use crate::invocation::{Count, RequestId};
use crate::reject::Warnings;
use crate::time::{TimestampNote, parse_timestamp};

/// Longest number that is read here, in digits: each is exact, and less than what any measure may be.
const DIGITS_MAX: usize = 15;

/// Most tags that are read here; AWS allows 16.
const TAGS_MAX: usize = 16;

/// Deepest nesting of a value of no interest (the headers of a response, say) that is read here: a bit each in a
/// `u32`, and far from the deepest that a document may have.
const NESTED_MAX: u32 = 32;

/// As many as bodies, and the one after them.
const CHUNKS: usize = BODY_FIELDS.len() + 1;

/// Fields that may be a text.
const TEXTS: u64 = set(&[
    Field::Timestamp,
    Field::AccountId,
    Field::IdentityArn,
    Field::Region,
    Field::InferenceRegion,
    Field::RequestId,
    Field::Operation,
    Field::ModelId,
    Field::ErrorCode,
    Field::SchemaType,
    Field::InputPath,
    Field::OutputPath,
    Field::TopInputPath,
    Field::TopOutputPath,
    Field::ServiceTier,
    Field::ServiceTierType,
]);

/// Fields that may be a number.
const NUMBERS: u64 = set(&[
    Field::InputTokens,
    Field::CacheReadTokens,
    Field::CacheWriteTokens,
    Field::OutputTokens,
    Field::TopInputTokens,
    Field::TopCacheReadTokens,
    Field::TopCacheWriteTokens,
    Field::TopOutputTokens,
    Field::LatencyMs,
    Field::FirstByteLatencyMs,
    Field::RequestBytes,
    Field::ResponseBytes,
    Field::Status,
]);

/// The set of these fields, by [`Field::bit`].
const fn set(fields: &[Field]) -> u64 {
    let mut bits = 0;
    let mut index = 0;
    while index < fields.len() {
        bits |= fields[index].bit();
        index += 1;
    }
    bits
}

/// Reads plain documents of one kind.
pub(super) struct PlainReader {
    kind: DocumentKind,
    facts: bool,
    /// By [`Field`]. Nothing is cleared between documents: [`Walk`] says which places are of this one.
    texts: [Place; FIELDS],
    /// By [`Field`], likewise.
    numbers: [u64; FIELDS],
    /// Keys and values of `requestMetadata`; a null is no value.
    tags: [(Place, Option<Place>); TAGS_MAX],
}

/// A text of the envelope without its quotes, by its chunk and where it lies in that.
#[derive(Clone, Copy, Default)]
struct Place {
    start: u32,
    length: u16,
    chunk: u16,
}

/// What was found in one document so far. Sets of fields are by [`Field::bit`].
#[derive(Default)]
struct Walk {
    seen: u64,
    texts: u64,
    numbers: u64,
    objects: u64,
    tags: usize,
    /// The stretches of the envelope; the one at `chunk` has no end yet.
    chunks: [Range<usize>; CHUNKS],
    chunk: usize,
}

impl Walk {
    fn place(&self, text: Range<usize>) -> Option<Place> {
        if text.len() > FIELD_BYTES_MAX {
            return None;
        }
        let start = text.start - self.chunks[self.chunk].start;
        Some(Place { start: start as u32, length: text.len() as u16, chunk: self.chunk as u16 })
    }
}

impl PlainReader {
    /// A reader of documents of this kind; `facts` as in [`super::DecodeOptions`].
    pub(super) fn new(kind: DocumentKind, facts: bool) -> Self {
        let tags = [(Place::default(), None); TAGS_MAX];
        PlainReader { kind, facts, texts: [Place::default(); FIELDS], numbers: [0; FIELDS], tags }
    }

    /// Goes on with documents of another kind.
    pub(super) fn restart(&mut self, kind: DocumentKind) {
        self.kind = kind;
    }

    /// Reads the document that `bytes` begin with into `document`, which must be a new one; the document's length,
    /// too. Where there is none, the bodies that were skipped are in `bodies`, which must be empty before.
    pub(super) fn read<'a>(
        &mut self,
        bytes: &'a [u8],
        bodies: &mut Bodies<'a>,
        document: &mut Document<'a>,
    ) -> Option<(Warnings, usize)> {
        let mut walk = Walk::default();
        let end = self.walk(bytes, &mut walk, bodies)?;
        let paths = self.fill(bytes, &walk, document)?;
        let mut warnings = Warnings::default();
        complete(document, &mut warnings, walk.seen, paths, bodies, self.facts);
        Some((warnings, end))
    }

    /// Notes what is used, and finds the end of the document.
    fn walk<'a>(&mut self, bytes: &'a [u8], walk: &mut Walk, bodies: &mut Bodies<'a>) -> Option<usize> {
        // A place has 32 bits for where it starts.
        if bytes.first() != Some(&b'{') || u32::try_from(bytes.len()).is_err() {
            return None;
        }
        // The section that was entered below the root.
        let mut section = Section::Root;
        let mut at = skip_blanks(bytes, 1);
        loop {
            let key = plain_text(bytes, at)?;
            at = skip_blanks(bytes, key.end + 1);
            if bytes.get(at) != Some(&b':') {
                return None;
            }
            at = skip_blanks(bytes, at + 1);
            if section == Section::Tags {
                at = self.tag(bytes, key, at, walk)?;
            } else if let Some(field) = Field::of(section, &bytes[key], self.kind) {
                if walk.seen & field.bit() != 0 {
                    return None;
                }
                walk.seen |= field.bit();
                if let Some(index) = field.body_index() {
                    let depth = if section == Section::Root { 1 } else { 2 };
                    let body = skip_body(bytes, at, index, depth, self.facts)?;
                    walk.chunks[walk.chunk].end = at;
                    at = body.end();
                    walk.chunk += 1;
                    walk.chunks[walk.chunk].start = at;
                    bodies[index] = Some(body);
                } else if bytes.get(at) == Some(&b'{') {
                    section = field.section()?;
                    walk.objects |= field.bit();
                    at = skip_blanks(bytes, at + 1);
                    if bytes.get(at) != Some(&b'}') {
                        continue;
                    }
                } else {
                    at = self.value(bytes, at, field, walk)?;
                }
            } else {
                at = nested_end(bytes, at)?;
            }
            // What follows a value: the next member, or the end of the section or of the document.
            loop {
                at = skip_blanks(bytes, at);
                match (bytes.get(at)?, section) {
                    (b',', _) => {
                        at = skip_blanks(bytes, at + 1);
                        break;
                    }
                    (b'}', Section::Root) => {
                        walk.chunks[walk.chunk].end = at + 1;
                        return Some(at + 1);
                    }
                    (b'}', _) => {
                        section = Section::Root;
                        at += 1;
                    }
                    _ => return None,
                }
            }
        }
    }

    /// Notes the value of a used field; the index after it.
    #[inline]
    fn value(&mut self, bytes: &[u8], at: usize, field: Field, walk: &mut Walk) -> Option<usize> {
        match bytes.get(at)? {
            b'"' => {
                let text = plain_text(bytes, at)?;
                let after = text.end + 1;
                self.texts[field as usize] = walk.place(text)?;
                walk.texts |= field.bit();
                Some(after)
            }
            b'0'..=b'9' => {
                let (number, after) = plain_number(bytes, at)?;
                self.numbers[field as usize] = number;
                walk.numbers |= field.bit();
                Some(after)
            }
            // A null is as good as no value. Another literal, or an array, is good for no used field.
            _ => literal_end(bytes, at, b"null"),
        }
    }

    /// Notes a tag whose value begins at `at`; the index after it.
    fn tag(&mut self, bytes: &[u8], key: Range<usize>, at: usize, walk: &mut Walk) -> Option<usize> {
        let (value, after) = if bytes.get(at) == Some(&b'"') {
            let text = plain_text(bytes, at)?;
            let after = text.end + 1;
            (Some(walk.place(text)?), after)
        } else {
            (None, literal_end(bytes, at, b"null")?)
        };
        *self.tags.get_mut(walk.tags)? = (walk.place(key)?, value);
        walk.tags += 1;
        Some(after)
    }

    /// Fills in a document; the paths of its input and output body.
    #[inline]
    fn fill<'a>(
        &self,
        bytes: &'a [u8],
        walk: &Walk,
        document: &mut Document<'a>,
    ) -> Option<[Option<Cow<'a, str>>; 2]> {
        let is_record = matches!(self.kind, DocumentKind::Record | DocumentKind::Invocation);
        if walk.texts & !TEXTS | walk.numbers & !NUMBERS != 0 || is_record && walk.seen == 0 {
            return None;
        }
        let mut chunks = [""; CHUNKS];
        for (chunk, range) in chunks.iter_mut().zip(&walk.chunks[..=walk.chunk]) {
            *chunk = simdutf8::basic::from_utf8(bytes.get(range.clone())?).ok()?;
        }
        let noted = Noted { reader: self, walk, chunks };

        if noted.text(Field::SchemaType)?.is_some_and(|schema| schema != "ModelInvocationLog") {
            return None;
        }
        if let Some(text) = noted.text(Field::Timestamp)? {
            let (timestamp, note) = parse_timestamp(text.as_bytes())?;
            if note != TimestampNote::default() {
                return None;
            }
            document.timestamp = Some(timestamp);
        }
        let id = noted.text(Field::RequestId)?.map(RequestId::parse);
        document.request_id = id.filter(|id| *id != RequestId::Missing);
        document.account = noted.borrowed(Field::AccountId)?;
        document.identity = noted.borrowed(Field::IdentityArn)?;
        document.region = noted.borrowed(Field::Region)?;
        document.inference_region = noted.borrowed(Field::InferenceRegion)?;
        document.operation = noted.borrowed(Field::Operation)?;
        document.model_id = noted.borrowed(Field::ModelId)?;
        document.error_code = noted.borrowed(Field::ErrorCode)?.filter(|code| !code.is_empty());
        document.has_input = walk.objects & Field::Input.bit() != 0;
        document.has_output = walk.objects & Field::Output.bit() != 0;
        document.input_tokens = noted.tokens(Field::InputTokens)?;
        document.output_tokens = noted.tokens(Field::OutputTokens)?;
        document.cache_read_tokens = noted.tokens(Field::CacheReadTokens)?;
        document.cache_write_tokens = noted.tokens(Field::CacheWriteTokens)?;
        let mut paths = [noted.borrowed(Field::InputPath)?, noted.borrowed(Field::OutputPath)?];
        if walk.tags > 0 {
            document.tags = noted.tags()?;
        }
        if self.kind != DocumentKind::Record {
            noted.fill_split(document, &mut paths)?;
        }
        Some(paths)
    }
}

/// What was noted of a document, to be taken by field. `None` is never expected where there is an `Option` more: it
/// stands for places that are not where a text can be, and leaves the document to the other readers.
struct Noted<'a, 'w> {
    reader: &'w PlainReader,
    walk: &'w Walk,
    chunks: [&'a str; CHUNKS],
}

impl<'a> Noted<'a, '_> {
    #[inline]
    fn at(&self, place: Place) -> Option<&'a str> {
        let start = place.start as usize;
        self.chunks.get(usize::from(place.chunk))?.get(start..start + usize::from(place.length))
    }

    #[inline]
    fn text(&self, field: Field) -> Option<Option<&'a str>> {
        if self.walk.texts & field.bit() == 0 {
            return Some(None);
        }
        self.at(self.reader.texts[field as usize]).map(Some)
    }

    #[inline]
    fn borrowed(&self, field: Field) -> Option<Option<Cow<'a, str>>> {
        Some(self.text(field)?.map(Cow::Borrowed))
    }

    #[inline]
    fn measure(&self, field: Field) -> Count {
        let is_known = self.walk.numbers & field.bit() != 0;
        is_known.then_some(self.reader.numbers[field as usize]).into()
    }

    /// `None` for more tokens than can be.
    #[inline]
    fn tokens(&self, field: Field) -> Option<Count> {
        let tokens = self.measure(field);
        tokens.get().is_none_or(|tokens| tokens <= TOKENS_MAX).then_some(tokens)
    }

    /// The tags by key; `None` where two are equal.
    fn tags(&self) -> Option<Tags<'a>> {
        let mut tags = [("", None); TAGS_MAX];
        let tags = &mut tags[..self.walk.tags];
        for (tag, &(key, value)) in tags.iter_mut().zip(&self.reader.tags) {
            let value = match value {
                Some(value) => Some(self.at(value)?),
                None => None,
            };
            *tag = (self.at(key)?, value);
        }
        tags.sort_unstable();
        if tags.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return None;
        }
        let tags = tags.iter().filter_map(|&(key, value)| Some((Cow::Borrowed(key), Cow::Borrowed(value?))));
        Some(tags.collect())
    }

    /// Adds the fields of a split document; `None` where one stands at the root and nested, too.
    fn fill_split(&self, document: &mut Document<'a>, paths: &mut [Option<Cow<'a, str>>; 2]) -> Option<()> {
        let pairs = [
            (Field::InputPath, Field::TopInputPath),
            (Field::OutputPath, Field::TopOutputPath),
            (Field::InputTokens, Field::TopInputTokens),
            (Field::OutputTokens, Field::TopOutputTokens),
            (Field::CacheReadTokens, Field::TopCacheReadTokens),
            (Field::CacheWriteTokens, Field::TopCacheWriteTokens),
        ];
        let seen = |field: Field| self.walk.seen & field.bit() != 0;
        if pairs.into_iter().any(|(nested, top)| seen(nested) && seen(top)) {
            return None;
        }
        let [input_path, output_path] = paths;
        *input_path = input_path.take().or(self.borrowed(Field::TopInputPath)?);
        *output_path = output_path.take().or(self.borrowed(Field::TopOutputPath)?);
        document.input_tokens = document.input_tokens.or(self.tokens(Field::TopInputTokens)?);
        document.output_tokens = document.output_tokens.or(self.tokens(Field::TopOutputTokens)?);
        document.cache_read_tokens = document.cache_read_tokens.or(self.tokens(Field::TopCacheReadTokens)?);
        document.cache_write_tokens =
            document.cache_write_tokens.or(self.tokens(Field::TopCacheWriteTokens)?);
        document.latency_ms = self.measure(Field::LatencyMs);
        document.first_byte_ms = self.measure(Field::FirstByteLatencyMs);
        document.input_bytes = self.measure(Field::RequestBytes);
        document.output_bytes = self.measure(Field::ResponseBytes);
        document.service_tier = match self.borrowed(Field::ServiceTier)? {
            None => self.borrowed(Field::ServiceTierType)?,
            tier => tier,
        };
        let status = self.measure(Field::Status).get().and_then(|status| u16::try_from(status).ok());
        document.http_status = status.filter(|status| (100..1000).contains(status));
        Some(())
    }
}

/// The text of the string that begins at `at`, without its quotes. `None` where it has escapes or control
/// characters, or is no string.
#[inline]
fn plain_text(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let start = at + 1;
    let mut end = start;
    while let Some(word) = bytes.get(end..end + 8) {
        let word = u64::from_le_bytes(word.try_into().ok()?);
        let stops = stops(word);
        if stops != 0 {
            end += stops.trailing_zeros() as usize / 8;
            return (bytes[end] == b'"').then_some(start..end);
        }
        end += 8;
    }
    let rest = bytes.get(end..)?;
    end += rest.iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
    (bytes[end] == b'"').then_some(start..end)
}

/// The high bit of each byte of `word` at which plain text stops: a quote, a backslash, a control character. Bits
/// above the lowest one set may be wrong, the lowest never is: a borrow only runs upwards from a true hit.
#[inline]
fn stops(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let less = |word: u64, bound: u64| word.wrapping_sub(EACH * bound) & !word;
    let quotes = less(word ^ (EACH * u64::from(b'"')), 1);
    let backslashes = less(word ^ (EACH * u64::from(b'\\')), 1);
    (quotes | backslashes | less(word, 0x20)) & (EACH << 7)
}

/// The unsigned integer at `at` and the index after it. What follows is the caller's affair: a point, an exponent or
/// a digit after a leading zero is neither a comma nor a bracket.
#[inline]
fn plain_number(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    if bytes[at] == b'0' {
        return Some((0, at + 1));
    }
    let mut number = 0;
    let mut end = at;
    while let Some(digit @ b'0'..=b'9') = bytes.get(end) {
        number = number * 10 + u64::from(digit - b'0');
        end += 1;
        if end - at > DIGITS_MAX {
            return None;
        }
    }
    Some((number, end))
}

fn literal_end(bytes: &[u8], at: usize, literal: &[u8]) -> Option<usize> {
    bytes.get(at..)?.starts_with(literal).then_some(at + literal.len())
}

/// The index after a value of no interest.
fn nested_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    // Bit by depth, the innermost lowest: whether the bracket is an object's.
    let mut objects = 0u32;
    let mut depth = 0;
    loop {
        // A value.
        let mut is_open = false;
        match bytes.get(at)? {
            b'"' => at = plain_text(bytes, at)?.end + 1,
            b'0'..=b'9' => at = plain_number(bytes, at)?.1,
            b't' => at = literal_end(bytes, at, b"true")?,
            b'f' => at = literal_end(bytes, at, b"false")?,
            b'n' => at = literal_end(bytes, at, b"null")?,
            &bracket @ (b'{' | b'[') => {
                if depth == NESTED_MAX {
                    return None;
                }
                depth += 1;
                objects = objects << 1 | u32::from(bracket == b'{');
                at = skip_blanks(bytes, at + 1);
                is_open = !matches!((bytes.get(at)?, bracket), (b'}', b'{') | (b']', b'['));
            }
            _ => return None,
        }
        // What follows it, up to the next value.
        while !is_open {
            if depth == 0 {
                return Some(at);
            }
            at = skip_blanks(bytes, at);
            match (bytes.get(at)?, objects & 1) {
                (b',', _) => is_open = true,
                (b'}', 1) | (b']', 0) => {
                    depth -= 1;
                    objects >>= 1;
                }
                _ => return None,
            }
            at += 1;
        }
        at = skip_blanks(bytes, at);
        if objects & 1 == 1 {
            at = skip_blanks(bytes, plain_text(bytes, at)?.end + 1);
            if bytes.get(at) != Some(&b':') {
                return None;
            }
            at = skip_blanks(bytes, at + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the plain reader reads the whole of a document.
    fn is_plain(kind: DocumentKind, document: &str) -> bool {
        let (mut bodies, mut found) = (Bodies::default(), Document::default());
        let read = PlainReader::new(kind, true).read(document.as_bytes(), &mut bodies, &mut found);
        read.is_some_and(|(_, length)| length == document.len())
    }

    #[test]
    fn records_as_aws_writes_them_are_plain() {
        let dump = include_str!("../../../../fixtures/records/ok/aws_ndjson.jsonl");
        let mut records = 0;
        for line in dump.lines().filter(|line| !line.trim().is_empty()) {
            records += 1;
            assert!(is_plain(DocumentKind::Record, line), "{line}");
        }
        assert!(records > 0);
    }

    #[test]
    fn every_usual_form_of_a_document_is_plain() {
        use DocumentKind::{Metadata, Record, Response};
        let cases = [
            (Record, r#"{"modelId":"m"}"#),
            (Record, "{ \"modelId\" : \"m\" ,\r\n\t\"region\" : null }"),
            (Record, r#"{"identity":{},"input":{"inputTokenCount":0},"output":null}"#),
            (Record, r#"{"errorCode":"ThrottlingException","input":{"inputBodyJson":"\"}"},"modelId":"m"}"#),
            (Record, r#"{"requestMetadata":{"b":"2","a":"1","c":null},"modelId":"Zürich"}"#),
            (Record, r#"{"modelId":"m","unknown":[{"a":[1,true,[]],"b":{}},"x",false,null,{"":0}],"n":12}"#),
            (Record, r#"{"output":{"outputBodyJson":[{"a":"\u00e9"}],"outputTokenCount":3},"modelId":"m"}"#),
            (
                Response,
                r#"{"status":200,"headers":{"a":["b"]},"outputBodyJson":{"usage":{}},"requestId":"r"}"#,
            ),
            (Metadata, r#"{"requestId":"r","latencyMs":12,"serviceTier":{"type":"flex"}}"#),
            (Metadata, r#"{"requestId":"r","firstByteLatencyMs":1,"serviceTier":"default"}"#),
        ];
        for (kind, document) in cases {
            assert!(is_plain(kind, document), "{document}");
        }
    }

    #[test]
    fn what_is_odd_or_wrong_is_left_to_the_other_readers() {
        let deep = format!(r#"{{"modelId":"m","x":{}{}}}"#, "[".repeat(33), "]".repeat(33));
        let long = format!(r#"{{"modelId":"{}"}}"#, "m".repeat(FIELD_BYTES_MAX + 1));
        let cases = [
            // Odd, and perhaps a record all the same.
            r#"{"modelId":"a\/b"}"#,
            r#"{"model\u0049d":"m"}"#,
            r#"{"modelId":"m","input":{"inputTokenCount":5.0}}"#,
            r#"{"modelId":"m","input":{"inputTokenCount":5e0}}"#,
            r#"{"modelId":"m","input":{"inputTokenCount":-0}}"#,
            r#"{"modelId":"m","x":1234567890123456}"#,
            r#"{"modelId":"m","schemaType":"Other"}"#,
            r#"{"modelId":"m","timestamp":"2024-03-11 07:00:00"}"#,
            r#"{"modelId":"m","requestMetadata":{"a":1}}"#,
            &deep,
            // Refused, for the reason that the strict reader finds.
            "{}",
            r#"{"modelId":1}"#,
            r#"{"modelId":"a","modelId":"b"}"#,
            r#"{"modelId":"m","requestMetadata":{"a":"1","a":null}}"#,
            r#"{"modelId":"m","input":{"inputTokenCount":1099511627777}}"#,
            r#"{"modelId":"m","input":[]}"#,
            r#"{"modelId":"m","timestamp":"soon"}"#,
            r#"{"unknown":1}"#,
            &long,
            // No JSON.
            r#"{"modelId":"m",}"#,
            r#"{"modelId":"m","x":[1,]}"#,
            r#"{"modelId":"m","x":[}]}"#,
            r#"{"modelId":"m","x":{"a"}}"#,
            r#"{"modelId":"m","x":01}"#,
            r#"{"modelId":"m","x":nulls}"#,
            r#"{"modelId":"m" "x":1}"#,
            "{\"modelId\":\"a\tb\"}",
            r#"{,"modelId":"m"}"#,
            r#"{"modelId":"m""#,
            r#"{"modelId":"m"#,
        ];
        for document in cases {
            assert!(!is_plain(DocumentKind::Record, document), "{document}");
        }
    }

    #[test]
    fn plain_text_ends_at_the_first_byte_that_is_not_plain_at_any_distance() {
        for length in 0..40 {
            let plain = "é".repeat(length / 2) + &"a".repeat(length % 2);
            for (stop, is_end) in [("\"", true), ("\\", false), ("\u{1f}", false), ("\n", false), ("", false)]
            {
                for tail in ["", "\"\\ and so on, and on, and on"] {
                    let text = format!("\"{plain}{stop}{tail}");
                    let expected = (is_end || stop.is_empty() && !tail.is_empty()).then_some(1..length + 1);
                    assert_eq!(plain_text(text.as_bytes(), 0), expected, "{text:?}");
                }
            }
        }
    }
}
