//! The compact, typed form of one model invocation: what every total is made from.
//!
//! No bodies and no free text but the identifying strings of [`Facets`], which are shared between the
//! invocations that have the same ones. A value that was not logged is absent, never 0.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::time::Timestamp;

/// An optional unsigned quantity in eight bytes: absent is not zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Count(u64);

impl Count {
    /// The quantity was not logged.
    pub const UNKNOWN: Count = Count(u64::MAX);

    /// A known quantity.
    ///
    /// # Panics
    /// On `u64::MAX`, which no quantity that passed the decoder's range rule (2^40 for tokens, 2^53 for others) reaches.
    #[must_use]
    pub fn known(value: u64) -> Self {
        assert!(value != u64::MAX, "a count of u64::MAX cannot pass the decoder");
        Count(value)
    }

    /// The quantity, or `None` where it was not logged.
    #[must_use]
    pub fn get(self) -> Option<u64> {
        (self.0 != u64::MAX).then_some(self.0)
    }

    /// Whether the quantity was logged.
    #[must_use]
    pub fn is_known(self) -> bool {
        self.0 != u64::MAX
    }

    /// The quantity, or `other` where it was not logged.
    #[must_use]
    pub fn or(self, other: Count) -> Count {
        if self.is_known() { self } else { other }
    }
}

impl Default for Count {
    fn default() -> Self {
        Count::UNKNOWN
    }
}

impl From<Option<u64>> for Count {
    fn from(value: Option<u64>) -> Self {
        value.map_or(Count::UNKNOWN, Count::known)
    }
}

impl PartialOrd for Count {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Unknown sorts before every known quantity, as `None` does before `Some`.
impl Ord for Count {
    fn cmp(&self, other: &Self) -> Ordering {
        self.get().cmp(&other.get())
    }
}

impl fmt::Debug for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(value) => write!(f, "{value}"),
            None => f.write_str("?"),
        }
    }
}

/// The id of a request as logged; a canonical lower-case UUID takes 16 bytes, anything else its text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum RequestId {
    /// The record had no id, or an empty one: it is counted and never de-duplicated.
    Missing,
    /// `8-4-4-4-12` lower-case hexadecimal digits, the first two in the first byte: the order is that of the text.
    ///
    /// Bytes and not a `u128`, whose alignment would make every invocation larger.
    Uuid([u8; 16]),
    /// Any other spelling.
    Text(Box<str>),
}

impl RequestId {
    /// Reads an id; the empty string is [`RequestId::Missing`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.is_empty() {
            return RequestId::Missing;
        }
        match parse_uuid(text.as_bytes()) {
            Some(bits) => RequestId::Uuid(bits.to_be_bytes()),
            None => RequestId::Text(text.into()),
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestId::Missing => Ok(()),
            RequestId::Uuid(bytes) => {
                let hex = format!("{:032x}", u128::from_be_bytes(*bytes));
                write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
            }
            RequestId::Text(text) => f.write_str(text),
        }
    }
}

fn parse_uuid(text: &[u8]) -> Option<u128> {
    let text: &[u8; 36] = text.try_into().ok()?;
    if [text[8], text[13], text[18], text[23]] != *b"----" {
        return None;
    }
    let four = |at: usize| [text[at], text[at + 1], text[at + 2], text[at + 3]];
    let eight = |first: [u8; 4], last: [u8; 4]| {
        u64::from(u32::from_be_bytes(first)) << 32 | u64::from(u32::from_be_bytes(last))
    };
    let words = [
        eight(four(0), four(4)),
        eight(four(9), four(14)),
        eight(four(19), four(24)),
        eight(four(28), four(32)),
    ];
    let mut bits = 0;
    let mut others = 0;
    for word in words {
        let (number, other) = hexadecimal(word);
        bits = bits << 32 | u128::from(number);
        others |= other;
    }
    (others == 0).then_some(bits)
}

/// Eight lower-case hexadecimal digits, the first in the highest byte, as a number; and not 0 where any byte is none.
#[inline]
fn hexadecimal(word: u64) -> (u32, u64) {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = EACH << 7;
    // The high bit of each byte that is not less than `bound`, as long as all bytes are ASCII: nothing carries.
    let reaches = |bound: u8| (word & !HIGH) + EACH * u64::from(0x80 - bound);
    let digits = reaches(b'0') & !reaches(b'9' + 1);
    let letters = reaches(b'a') & !reaches(b'f' + 1);
    let others = (!(digits | letters) | word) & HIGH;
    let nibbles = (word & (EACH * 0x0F)) + ((letters & HIGH) >> 7) * 9;
    let pairs = (nibbles | nibbles >> 4) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs | pairs >> 8) & 0x0000_FFFF_0000_FFFF;
    ((fours | fours >> 16) as u32, others)
}

/// A set of content kinds that one body held, as seen in its content blocks.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ContentKinds(pub u16);

impl ContentKinds {
    /// The names of the kinds, by bit: the words of the report.
    pub const NAMES: [&'static str; 10] = [
        "text",
        "image",
        "document",
        "video",
        "audio",
        "tool_use",
        "tool_result",
        "reasoning",
        "embedding",
        "other",
    ];
    /// Plain text.
    pub const TEXT: ContentKinds = ContentKinds(1);
    /// An image, in a request or generated.
    pub const IMAGE: ContentKinds = ContentKinds(1 << 1);
    /// A document (PDF and the like).
    pub const DOCUMENT: ContentKinds = ContentKinds(1 << 2);
    /// A video.
    pub const VIDEO: ContentKinds = ContentKinds(1 << 3);
    /// Sound.
    pub const AUDIO: ContentKinds = ContentKinds(1 << 4);
    /// A tool call by the model.
    pub const TOOL_USE: ContentKinds = ContentKinds(1 << 5);
    /// A tool's result given to the model.
    pub const TOOL_RESULT: ContentKinds = ContentKinds(1 << 6);
    /// Reasoning or thinking blocks.
    pub const REASONING: ContentKinds = ContentKinds(1 << 7);
    /// An embedding vector.
    pub const EMBEDDING: ContentKinds = ContentKinds(1 << 8);
    /// A content block of a kind this version does not name.
    pub const OTHER: ContentKinds = ContentKinds(1 << 9);

    /// Adds the kinds of `other`.
    pub fn insert(&mut self, other: ContentKinds) {
        self.0 |= other.0;
    }

    /// Whether all kinds of `other` are in the set.
    #[must_use]
    pub fn contains(self, other: ContentKinds) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub fn union(self, other: ContentKinds) -> ContentKinds {
        ContentKinds(self.0 | other.0)
    }

    /// Whether no kind is known.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names of the kinds in the set, in bit order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().enumerate().filter(move |(bit, _)| self.0 >> bit & 1 == 1).map(|(_, name)| *name)
    }
}

/// One tag of `requestMetadata`: key and value as the caller gave them.
pub type Tag = (Box<str>, Box<str>);

/// What was called, from where, and how it ended: few different ones, shared by very many invocations.
///
/// All strings come from the log and are untrusted: whoever prints them escapes them.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Call {
    /// 12 digits; from the record, else from the object's key.
    pub account: Option<Arc<str>>,
    /// The Region that received the call (the source Region, where the quota lives); from the record, else the key.
    pub region: Option<Arc<str>>,
    /// `modelId` exactly as logged.
    pub model_id: Arc<str>,
    /// Converse, InvokeModel and so on; unknown values pass through.
    pub operation: Option<Arc<str>>,
    /// Only failed calls have one.
    pub error_code: Option<Arc<str>>,
    /// The Region that ran the call, where a cross-Region profile was used.
    pub inference_region: Option<Arc<str>>,
    /// Service tier, where a document or body names it.
    pub service_tier: Option<Arc<str>>,
}

impl Default for Call {
    fn default() -> Self {
        Call {
            account: None,
            region: None,
            model_id: Arc::from(""),
            operation: None,
            error_code: None,
            inference_region: None,
            service_tier: None,
        }
    }
}

/// The strings of an invocation: its [`Call`] (whose fields read as if they were here) and what varies more.
///
/// Equal sets, and equal strings in different sets, are shared. Untrusted like those of [`Call`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Facets {
    /// What was called.
    pub call: Arc<Call>,
    /// `identity.arn`.
    pub identity: Option<Arc<str>>,
    /// Why the model stopped (`end_turn`, `max_tokens`, …), from the output body.
    pub stop_reason: Option<Arc<str>>,
    /// `requestMetadata`, sorted by key.
    pub tags: Arc<[Tag]>,
}

impl Default for Facets {
    fn default() -> Self {
        Facets { call: Arc::default(), identity: None, stop_reason: None, tags: Arc::from([]) }
    }
}

impl Deref for Facets {
    type Target = Call;

    fn deref(&self) -> &Call {
        &self.call
    }
}

/// One counted attempt to call a model.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invocation {
    /// The record's own time.
    pub timestamp: Timestamp,
    /// The identity of the record, with account and Region.
    pub request_id: RequestId,
    /// The strings.
    pub facets: Arc<Facets>,
    /// `inputTokenCount` in tokens, without cache reads and writes; else what the body's usage says.
    pub input_tokens: Count,
    /// `outputTokenCount` in tokens; else what the body's usage says.
    pub output_tokens: Count,
    /// `cacheReadInputTokenCount` in tokens; absent counts as 0 in sums.
    pub cache_read_tokens: Count,
    /// `cacheWriteInputTokenCount` in tokens; absent counts as 0 in sums.
    pub cache_write_tokens: Count,
    /// Of the tokens written to the cache those that live there for 5 minutes, as the output body's usage says.
    /// It is not held against `cache_write_tokens`.
    pub cache_write_5m_tokens: Count,
    /// Likewise those that live there for 1 hour.
    pub cache_write_1h_tokens: Count,
    /// The request's max_tokens, in tokens.
    pub max_tokens: Count,
    /// Time of the whole call, in ms.
    pub latency_ms: Count,
    /// Time to the first byte, in ms; streams only.
    pub first_byte_ms: Count,
    /// Length of the input body's JSON text, in bytes.
    pub input_bytes: Count,
    /// Length of the output body's JSON text, in bytes.
    pub output_bytes: Count,
    /// Kinds of content in the input body; empty where unknown.
    pub input_kinds: ContentKinds,
    /// Kinds of content in the output body; empty where unknown.
    pub output_kinds: ContentKinds,
    /// Content blocks of the input body that are images, 65,535 standing for more; 0 where its kinds are unknown.
    pub images: u16,
    /// Likewise those that are documents.
    pub documents: u16,
    /// HTTP status of the response document; 0 where none was logged.
    pub http_status: u16,
    /// The input body was offloaded to the large-data bucket.
    pub input_large: bool,
    /// The output body was offloaded to the large-data bucket.
    pub output_large: bool,
    /// A payload that could have given an absent token count was missing, archived, refused or unreadable.
    pub payload_lost: bool,
    /// The object it came from, as an index into the run's objects in canonical (key) order.
    pub object: u32,
    /// Byte offset of the document in the decoded object.
    pub offset: u64,
}

impl Invocation {
    /// Input, cache reads and cache writes together, in tokens: how large the request really was.
    /// `None` where the input count is unknown; absent cache counts are 0.
    #[must_use]
    pub fn prompt_tokens(&self) -> Option<u64> {
        let input = self.input_tokens.get()?;
        Some(input + self.cache_read_tokens.get().unwrap_or(0) + self.cache_write_tokens.get().unwrap_or(0))
    }

    /// Whether the call did not fail: no error code.
    #[must_use]
    pub fn is_successful(&self) -> bool {
        self.facets.error_code.is_none()
    }

    /// Whether the call was refused for quota: errorCode `ThrottlingException`.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.facets.error_code.as_deref() == Some("ThrottlingException")
    }

    /// Compares two copies of one request; the greater is kept.
    ///
    /// A total order over what was decoded, so that arrival never matters: more token counts first, then more
    /// known fields, then the greater values, then the later timestamp. What says nothing about completeness (the
    /// split of cache writes, images and documents) is asked only of copies that are equal up to there; the final
    /// tie goes to the smaller (object, offset).
    #[must_use]
    pub fn cmp_completeness(&self, other: &Self) -> Ordering {
        let counts = |i: &Self| u8::from(i.input_tokens.is_known()) + u8::from(i.output_tokens.is_known());
        let known = |i: &Self| {
            let quantities = [
                i.input_tokens,
                i.output_tokens,
                i.cache_read_tokens,
                i.cache_write_tokens,
                i.latency_ms,
                i.first_byte_ms,
                i.max_tokens,
            ];
            quantities.iter().filter(|count| count.is_known()).count()
                + usize::from(i.facets.stop_reason.is_some())
                + usize::from(i.facets.inference_region.is_some())
                + usize::from(i.facets.identity.is_some())
                + usize::from(!i.facets.tags.is_empty())
        };
        let values = |i: &'_ Self| {
            (
                (i.input_tokens, i.output_tokens, i.cache_read_tokens, i.cache_write_tokens),
                (i.latency_ms, i.first_byte_ms, i.max_tokens),
            )
        };
        let details = |i: &Self| (i.cache_write_5m_tokens, i.cache_write_1h_tokens, i.images, i.documents);
        counts(self)
            .cmp(&counts(other))
            .then_with(|| known(self).cmp(&known(other)))
            .then_with(|| values(self).cmp(&values(other)))
            .then_with(|| self.facets.stop_reason.cmp(&other.facets.stop_reason))
            .then_with(|| self.facets.inference_region.cmp(&other.facets.inference_region))
            .then_with(|| self.facets.identity.cmp(&other.facets.identity))
            .then_with(|| self.facets.tags.cmp(&other.facets.tags))
            .then_with(|| self.timestamp.cmp(&other.timestamp))
            .then_with(|| details(self).cmp(&details(other)))
            .then_with(|| (other.object, other.offset).cmp(&(self.object, self.offset)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same, digit by digit.
    fn parse_uuid_slowly(text: &[u8]) -> Option<u128> {
        let hyphens = [8, 13, 18, 23];
        let is_uuid = text.len() == 36
            && text.iter().enumerate().all(|(index, byte)| match hyphens.contains(&index) {
                true => *byte == b'-',
                false => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            });
        let digits: String =
            text.iter().filter(|byte| **byte != b'-').map(|&byte| char::from(byte)).collect();
        is_uuid.then(|| u128::from_str_radix(&digits, 16).expect("hexadecimal digits"))
    }

    #[test]
    fn an_invocation_is_small() {
        // Hours of them are held in memory at once; 168 is what the fields need, rounded up to their alignment.
        assert!(size_of::<Invocation>() <= 168, "{} bytes", size_of::<Invocation>());
        assert_eq!(size_of::<RequestId>(), 24);
    }

    /// A copy of one request, found in this object.
    fn copy(object: u32) -> Invocation {
        Invocation {
            timestamp: Timestamp { seconds: 0, nanos: 0 },
            request_id: RequestId::Uuid([7; 16]),
            facets: Arc::default(),
            input_tokens: Count::known(1),
            output_tokens: Count::UNKNOWN,
            cache_read_tokens: Count::UNKNOWN,
            cache_write_tokens: Count::UNKNOWN,
            cache_write_5m_tokens: Count::UNKNOWN,
            cache_write_1h_tokens: Count::UNKNOWN,
            max_tokens: Count::UNKNOWN,
            latency_ms: Count::UNKNOWN,
            first_byte_ms: Count::UNKNOWN,
            input_bytes: Count::UNKNOWN,
            output_bytes: Count::UNKNOWN,
            input_kinds: ContentKinds::default(),
            output_kinds: ContentKinds::default(),
            images: 0,
            documents: 0,
            http_status: 0,
            input_large: false,
            output_large: false,
            payload_lost: false,
            object,
            offset: 0,
        }
    }

    #[test]
    fn the_split_of_cache_writes_and_the_blocks_decide_only_between_equal_copies() {
        let plain = copy(0);
        let known = Count::known(0);
        let more = [
            Invocation { cache_write_5m_tokens: known, ..copy(1) },
            Invocation { cache_write_1h_tokens: known, ..copy(1) },
            Invocation { images: 1, ..copy(1) },
            Invocation { documents: 1, ..copy(1) },
        ];
        for more in more {
            assert_eq!(more.cmp_completeness(&plain), Ordering::Greater, "else the smaller object wins");
            assert_eq!(plain.cmp_completeness(&more), Ordering::Less);
            let later = Invocation { timestamp: Timestamp { seconds: 1, nanos: 0 }, ..copy(0) };
            assert_eq!(later.cmp_completeness(&more), Ordering::Greater);
            let fuller = Invocation { latency_ms: known, ..copy(0) };
            assert_eq!(fuller.cmp_completeness(&more), Ordering::Greater);
        }
        assert_eq!(plain.cmp_completeness(&copy(1)), Ordering::Greater);
    }

    #[test]
    fn any_byte_at_any_place_of_an_id_is_judged_as_digit_by_digit() {
        let id = b"0123abcd-4567-89ef-fedc-ba9876543210";
        for place in 0..id.len() {
            for byte in 0..=u8::MAX {
                let mut text = *id;
                text[place] = byte;
                assert_eq!(parse_uuid(&text), parse_uuid_slowly(&text), "{byte:#04x} at {place}");
            }
        }
        assert_eq!(parse_uuid(&id[1..]), None);
    }

    proptest! {
        #[test]
        fn an_id_reads_back_as_it_prints(bits: u128) {
            let id = RequestId::Uuid(bits.to_be_bytes());
            prop_assert_eq!(RequestId::parse(&id.to_string()), id);
        }

        #[test]
        fn ids_are_in_the_order_of_their_texts(one: u128, other: u128, common in 0u32..128) {
            let other = one ^ other >> common;
            let [one, other] = [one, other].map(|bits| RequestId::Uuid(bits.to_be_bytes()));
            prop_assert_eq!(one.cmp(&other), one.to_string().cmp(&other.to_string()));
        }

        #[test]
        fn an_id_is_read_as_digit_by_digit(text in "[0-9a-g]{8}(-[0-9a-f]{4}){3}-[0-9a-fA]{12}") {
            prop_assert_eq!(parse_uuid(text.as_bytes()), parse_uuid_slowly(text.as_bytes()));
        }
    }
}
