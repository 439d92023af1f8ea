//! One payload object, an offloaded body, to its facts.
//!
//! In: stored bytes, gzip or plain, of JSON, media or text. Out: a [`Payload`]. Always: a payload that is no JSON
//! has a size; memory is bounded by [`PAYLOAD_BYTES_MAX`], and a payload beyond it has its size only. Absent:
//! records. A payload is never read as one.

use super::facts::{InputFacts, OutputFacts};
use super::lex::{has_lone_surrogate, is_blank, skip_blanks, string_end, value_end};
use crate::document::Payload;
use crate::gunzip::{Gunzip, WholeGunzip, is_gzip};
use crate::invocation::Count;
use crate::reject::{ObjectFailure, Warning, Warnings};

/// Longest payload whose facts are read, in decoded bytes. Bedrock takes requests of at most 25 MB; with its
/// base64 images a body stays below this.
const PAYLOAD_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Which body a payload object holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PayloadSide {
    /// The input body.
    Input,
    /// The output body.
    Output,
    /// `payload.json` of the split layout: an object with `input` and/or `output` and nothing else but
    /// `requestId`, or else a raw input body.
    InputOrBoth,
    /// Likewise, or else a raw output body.
    OutputOrBoth,
}

/// Decodes one payload object (raw body, or `{"input": …, "output": …}`).
pub struct PayloadDecoder {
    side: PayloadSide,
    decoded_bytes_max: u64,
    stored: Stored,
    text: Text,
}

/// What the stored bytes turned out to be.
enum Stored {
    /// Too few bytes to tell.
    Head(Vec<u8>),
    Plain,
    Gzip(Box<Gunzip>),
}

/// The decoded payload, as far as it is held.
#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    length: u64,
}

impl Text {
    fn push(&mut self, decoded: &[u8]) {
        self.length += decoded.len() as u64;
        if self.length <= PAYLOAD_BYTES_MAX as u64 {
            self.bytes.extend_from_slice(decoded);
        } else {
            self.bytes = Vec::new();
        }
    }
}

impl PayloadDecoder {
    /// A decoder for a payload of this side.
    #[must_use]
    pub fn new(side: PayloadSide, decoded_bytes_max: u64) -> Self {
        PayloadDecoder { side, decoded_bytes_max, stored: Stored::Head(Vec::new()), text: Text::default() }
    }

    /// Decodes a payload whose stored bytes are all at hand: what [`PayloadDecoder::push`] and then
    /// [`PayloadDecoder::finish`] give, quicker.
    pub fn decode_whole(
        mut self,
        stored: &[u8],
        gunzip: &mut WholeGunzip,
    ) -> Result<(Payload, Warnings), ObjectFailure> {
        let text = if is_gzip(stored) { gunzip.unpack(stored).map(|(text, _)| text) } else { Some(stored) };
        let bytes_max = self.decoded_bytes_max.min(PAYLOAD_BYTES_MAX as u64);
        match text {
            Some(text) if text.len() as u64 <= bytes_max => {
                let mut warnings = Warnings::default();
                let payload = read_text(self.side, text, text.len() as u64, &mut warnings);
                Ok((payload, warnings))
            }
            _ => {
                self.push(stored)?;
                self.finish()
            }
        }
    }

    /// Takes the next stored bytes.
    pub fn push(&mut self, stored: &[u8]) -> Result<(), ObjectFailure> {
        match &mut self.stored {
            Stored::Head(head) => {
                head.extend_from_slice(stored);
                // The magic number has two bytes.
                if head.len() < 2 {
                    return Ok(());
                }
                let head = std::mem::take(head);
                self.stored = if is_gzip(&head) {
                    Stored::Gzip(Box::new(Gunzip::new(self.decoded_bytes_max)))
                } else {
                    Stored::Plain
                };
                self.push(&head)
            }
            Stored::Plain => {
                self.text.push(stored);
                if self.text.length > self.decoded_bytes_max {
                    return Err(ObjectFailure::DecodedLimit);
                }
                Ok(())
            }
            Stored::Gzip(gunzip) => {
                let text = &mut self.text;
                gunzip.push(stored, &mut |decoded: &[u8]| {
                    text.push(decoded);
                    Ok(())
                })
            }
        }
    }

    /// The payload ended. A body that is not JSON (media, text) still has its size, and one of more than
    /// 32 MiB has nothing else.
    pub fn finish(mut self) -> Result<(Payload, Warnings), ObjectFailure> {
        let mut warnings = Warnings::default();
        match &mut self.stored {
            Stored::Head(head) => self.text.push(head),
            Stored::Plain => {}
            Stored::Gzip(gunzip) => {
                if gunzip.finish()?.zero_padding {
                    warnings.raise(Warning::GzZeroPadding);
                }
            }
        }
        let payload = read_text(self.side, &self.text.bytes, self.text.length, &mut warnings);
        Ok((payload, warnings))
    }
}

/// Reads a payload's text, which is empty where it was too long to be held, and `length` bytes long.
fn read_text(side: PayloadSide, text: &[u8], length: u64, warnings: &mut Warnings) -> Payload {
    let mut payload = Payload::default();
    let json = trim_blanks(text);
    let whole = Side { json, length };
    match side {
        PayloadSide::Input => whole.add_input(&mut payload, warnings),
        PayloadSide::Output => whole.add_output(&mut payload, warnings),
        PayloadSide::InputOrBoth | PayloadSide::OutputOrBoth => match both_sides(json) {
            None if side == PayloadSide::InputOrBoth => whole.add_input(&mut payload, warnings),
            None => whole.add_output(&mut payload, warnings),
            Some((input, output)) => {
                if let Some(json) = input {
                    Side { json, length: json.len() as u64 }.add_input(&mut payload, warnings);
                }
                if let Some(json) = output {
                    Side { json, length: json.len() as u64 }.add_output(&mut payload, warnings);
                }
            }
        },
    }
    payload
}

/// One side's body: its text, empty where it was too long to be held, and its length.
struct Side<'a> {
    json: &'a [u8],
    length: u64,
}

impl Side<'_> {
    fn is_json(&self) -> bool {
        value_end(self.json, 0) == Some(self.json.len()) && matches!(self.json[0], b'{' | b'[' | b'"')
    }

    fn warn(&self, warnings: &mut Warnings) {
        if simdutf8::basic::from_utf8(self.json).is_err()
            || memchr::memmem::find(self.json, b"\\u").is_some() && has_lone_surrogate(self.json)
        {
            warnings.raise(Warning::Utf8InBody);
        }
    }

    fn add_input(&self, payload: &mut Payload, warnings: &mut Warnings) {
        payload.input_bytes = Count::known(self.length);
        if !self.is_json() {
            return;
        }
        self.warn(warnings);
        let facts = InputFacts::of(self.json);
        payload.max_tokens = facts.max_tokens;
        payload.input_kinds = facts.blocks.kinds;
        payload.images = facts.blocks.images;
        payload.documents = facts.blocks.documents;
        payload.service_tier = facts.service_tier;
    }

    fn add_output(&self, payload: &mut Payload, warnings: &mut Warnings) {
        payload.output_bytes = Count::known(self.length);
        if !self.is_json() {
            return;
        }
        self.warn(warnings);
        let facts = OutputFacts::of(self.json);
        payload.input_tokens = facts.usage.input;
        payload.output_tokens = facts.usage.output;
        payload.cache_read_tokens = facts.usage.cache_read;
        payload.cache_write_tokens = facts.usage.cache_write;
        payload.cache_write_5m_tokens = facts.cache_writes.five_minutes;
        payload.cache_write_1h_tokens = facts.cache_writes.one_hour;
        payload.latency_ms = facts.latency_ms;
        payload.first_byte_ms = facts.first_byte_ms;
        payload.stop_reason = facts.stop_reason;
        payload.output_kinds = facts.kinds;
        payload.service_tier = payload.service_tier.take().or(facts.service_tier);
    }
}

fn trim_blanks(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|&byte| !is_blank(byte)).map_or(0, |last| last + 1);
    &text[skip_blanks(text, 0).min(end)..end]
}

/// The texts of the input and the output body.
type BothSides<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// The two bodies of `{"input": …, "output": …}`, null ones left out. `None` if this is a raw body: Converse's
/// own output has an `output`, too, but never alone.
fn both_sides(json: &[u8]) -> Option<BothSides<'_>> {
    if json.first() != Some(&b'{') {
        return None;
    }
    let (mut input, mut output) = (None, None);
    let mut at = 1;
    loop {
        at = skip_blanks(json, at);
        match json.get(at)? {
            b',' => {
                at += 1;
                continue;
            }
            b'}' => break,
            b'"' => {}
            _ => return None,
        }
        let key_end = string_end(json, at + 1)?.after;
        let key = &json[at + 1..key_end - 1];
        at = skip_blanks(json, key_end);
        if json.get(at) != Some(&b':') {
            return None;
        }
        let from = skip_blanks(json, at + 1);
        at = value_end(json, from)?;
        let value = &json[from..at];
        match key {
            b"input" => input = input.or(Some(value)),
            b"output" => output = output.or(Some(value)),
            b"requestId" => {}
            _ => return None,
        }
    }
    let not_null = |value: &[u8]| value != b"null";
    (input.is_some() || output.is_some())
        .then_some((input.filter(|v| not_null(v)), output.filter(|v| not_null(v))))
}
