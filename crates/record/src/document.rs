//! One decoded JSON document, before joining and resolving: everything in it is optional.
//!
//! A record of the `aws` layout is one document; a request of the `split` layout is up to four. Texts are borrowed
//! from the decoded bytes wherever they stand there as they are, so that a plain record costs no memory of its
//! own; what outlives the bytes is made independent of them with [`Document::into_owned`].

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::invocation::{ContentKinds, Count, RequestId};
use crate::time::Timestamp;

/// What a document is, by the key it came from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DocumentKind {
    /// A whole record (`aws` layout, exports, anything outside both layouts).
    Record,
    /// `model-invocations/<id>-invocation.json` of the split layout.
    Invocation,
    /// `metadata/<id>-metadata.json`.
    Metadata,
    /// `requests/<id>-request.json`.
    Request,
    /// `responses/<id>-response.json`.
    Response,
}

/// Where a body is.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub enum BodyPlace<'a> {
    /// Neither a body (or a null one) nor a path was logged.
    #[default]
    Absent,
    /// In the record itself; its length in bytes is in [`Document::input_bytes`] or `output_bytes`.
    Inline,
    /// Offloaded: the value of `*BodyS3Path`, as logged and untrusted. Where a body stood beside it, the
    /// place is `Inline` and [`crate::Warning::RefAndInline`] is raised.
    Reference(Cow<'a, str>),
}

impl BodyPlace<'_> {
    /// The same, independent of the decoded bytes.
    #[must_use]
    pub fn into_owned(self) -> BodyPlace<'static> {
        match self {
            BodyPlace::Absent => BodyPlace::Absent,
            BodyPlace::Inline => BodyPlace::Inline,
            BodyPlace::Reference(path) => BodyPlace::Reference(Cow::Owned(path.into_owned())),
        }
    }
}

/// One tag of a document: key and value as the caller gave them.
pub type TagText<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The tags of a document; reads as a slice of them.
#[derive(Clone, Default)]
pub struct Tags<'a> {
    /// The tags, as long as they fit here: a record must not cost an allocation for its two or three tags.
    few: [TagText<'a>; Tags::FEW],
    few_count: u8,
    /// All tags, where they do not fit.
    many: Vec<TagText<'a>>,
}

impl<'a> Tags<'a> {
    /// Callers that tag at all have two or three; each place makes every document 48 bytes larger.
    const FEW: usize = 3;

    /// Adds one at the end.
    pub fn push(&mut self, tag: TagText<'a>) {
        let count = usize::from(self.few_count);
        if !self.many.is_empty() {
            self.many.push(tag);
        } else if let Some(place) = self.few.get_mut(count) {
            *place = tag;
            self.few_count += 1;
        } else {
            self.many.extend(std::mem::take(&mut self.few));
            self.many.push(tag);
            self.few_count = 0;
        }
    }

    /// The same, independent of the decoded bytes.
    #[must_use]
    pub fn into_owned(self) -> Tags<'static> {
        let own = |(key, value): TagText<'a>| (Cow::Owned(key.into_owned()), Cow::Owned(value.into_owned()));
        let few = self.few.into_iter().take(usize::from(self.few_count));
        few.chain(self.many).map(own).collect()
    }
}

impl<'a> Deref for Tags<'a> {
    type Target = [TagText<'a>];

    fn deref(&self) -> &[TagText<'a>] {
        if self.many.is_empty() { &self.few[..usize::from(self.few_count)] } else { &self.many }
    }
}

impl DerefMut for Tags<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        if self.many.is_empty() { &mut self.few[..usize::from(self.few_count)] } else { &mut self.many }
    }
}

impl<'a> FromIterator<TagText<'a>> for Tags<'a> {
    fn from_iter<I: IntoIterator<Item = TagText<'a>>>(tags: I) -> Self {
        let mut all = Tags::default();
        tags.into_iter().for_each(|tag| all.push(tag));
        all
    }
}

impl PartialEq for Tags<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Tags<'_> {}

impl fmt::Debug for Tags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// What one JSON document holds of an invocation.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Document<'a> {
    /// Byte offset of the document's first byte in the decoded object.
    pub offset: u64,
    /// Length of the span in the decoded object, in bytes; of a wrapped record, that of its event.
    pub bytes: u64,
    /// `schemaType` is present and is not `ModelInvocationLog`: nothing else is filled in.
    pub other_schema: bool,
    /// `timestamp`.
    pub timestamp: Option<Timestamp>,
    /// `requestId`; [`RequestId::Missing`] is never stored here.
    pub request_id: Option<RequestId>,
    /// `accountId`.
    pub account: Option<Cow<'a, str>>,
    /// `region`.
    pub region: Option<Cow<'a, str>>,
    /// `modelId` as logged.
    pub model_id: Option<Cow<'a, str>>,
    /// `operation`.
    pub operation: Option<Cow<'a, str>>,
    /// `identity.arn`.
    pub identity: Option<Cow<'a, str>>,
    /// `errorCode`; an empty one is absent.
    pub error_code: Option<Cow<'a, str>>,
    /// `inferenceRegion`.
    pub inference_region: Option<Cow<'a, str>>,
    /// Stop reason of the output body.
    pub stop_reason: Option<Cow<'a, str>>,
    /// `serviceTier`, else the body's.
    pub service_tier: Option<Cow<'a, str>>,
    /// `requestMetadata`, sorted by key; values that are not strings are left out.
    pub tags: Tags<'a>,
    /// HTTP status of a response document (100…999).
    pub http_status: Option<u16>,
    /// The record's own count, in tokens, or the inline body's usage where the record has none.
    pub input_tokens: Count,
    /// As `input_tokens`.
    pub output_tokens: Count,
    /// As `input_tokens`.
    pub cache_read_tokens: Count,
    /// As `input_tokens`.
    pub cache_write_tokens: Count,
    /// Which of the four counts above, in their order, are the inline body's usage: another document's own
    /// count wins over them.
    pub from_usage: [bool; 4],
    /// Cache writes that live for 5 minutes, in tokens, by the inline output body's usage.
    pub cache_write_5m_tokens: Count,
    /// Likewise for 1 hour.
    pub cache_write_1h_tokens: Count,
    /// max_tokens of the inline input body, in tokens.
    pub max_tokens: Count,
    /// `latencyMs` of a metadata document, else the inline body's figure, in ms.
    pub latency_ms: Count,
    /// `firstByteLatencyMs` of a metadata document, else the inline body's figure, in ms.
    pub first_byte_ms: Count,
    /// Length of the inline input body, else `requestBytes` of a metadata document, in bytes.
    pub input_bytes: Count,
    /// Length of the inline output body, else `responseBytes` of a metadata document, in bytes.
    pub output_bytes: Count,
    /// Kinds in the inline input body.
    pub input_kinds: ContentKinds,
    /// Kinds in the inline output body.
    pub output_kinds: ContentKinds,
    /// Content blocks of the inline input body that are images, 65,535 standing for more.
    pub images: u16,
    /// Likewise those that are documents.
    pub documents: u16,
    /// Where the input body is.
    pub input_body: BodyPlace<'a>,
    /// Where the output body is.
    pub output_body: BodyPlace<'a>,
    /// `input` (or a request document's content) was present at all.
    pub has_input: bool,
    /// `output` (or a response document's content) was present at all.
    pub has_output: bool,
}

impl Document<'_> {
    /// The same, independent of the decoded bytes: for what has to wait for more than its own bytes.
    #[must_use]
    pub fn into_owned(self) -> Document<'static> {
        let own = |text: Option<Cow<'_, str>>| text.map(|text| Cow::Owned(text.into_owned()));
        Document {
            offset: self.offset,
            bytes: self.bytes,
            other_schema: self.other_schema,
            timestamp: self.timestamp,
            request_id: self.request_id,
            account: own(self.account),
            region: own(self.region),
            model_id: own(self.model_id),
            operation: own(self.operation),
            identity: own(self.identity),
            error_code: own(self.error_code),
            inference_region: own(self.inference_region),
            stop_reason: own(self.stop_reason),
            service_tier: own(self.service_tier),
            tags: self.tags.into_owned(),
            http_status: self.http_status,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            cache_read_tokens: self.cache_read_tokens,
            cache_write_tokens: self.cache_write_tokens,
            from_usage: self.from_usage,
            cache_write_5m_tokens: self.cache_write_5m_tokens,
            cache_write_1h_tokens: self.cache_write_1h_tokens,
            max_tokens: self.max_tokens,
            latency_ms: self.latency_ms,
            first_byte_ms: self.first_byte_ms,
            input_bytes: self.input_bytes,
            output_bytes: self.output_bytes,
            input_kinds: self.input_kinds,
            output_kinds: self.output_kinds,
            images: self.images,
            documents: self.documents,
            input_body: self.input_body.into_owned(),
            output_body: self.output_body.into_owned(),
            has_input: self.has_input,
            has_output: self.has_output,
        }
    }
}

/// The facts of one payload object: what an offloaded body says.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Payload {
    /// Facts of the input body; its length in bytes is `input_bytes`.
    pub input_bytes: Count,
    /// Length of the output body in bytes.
    pub output_bytes: Count,
    /// From the input body, in tokens.
    pub max_tokens: Count,
    /// From the output body's usage, in tokens.
    pub input_tokens: Count,
    /// From the output body's usage, in tokens.
    pub output_tokens: Count,
    /// From the output body's usage, in tokens.
    pub cache_read_tokens: Count,
    /// From the output body's usage, in tokens.
    pub cache_write_tokens: Count,
    /// From the output body's usage, in tokens: cache writes that live for 5 minutes.
    pub cache_write_5m_tokens: Count,
    /// Likewise for 1 hour.
    pub cache_write_1h_tokens: Count,
    /// From the output body, in ms.
    pub latency_ms: Count,
    /// From the output body, in ms.
    pub first_byte_ms: Count,
    /// From the output body.
    pub stop_reason: Option<Box<str>>,
    /// From either body.
    pub service_tier: Option<Box<str>>,
    /// Kinds in the input body.
    pub input_kinds: ContentKinds,
    /// Kinds in the output body.
    pub output_kinds: ContentKinds,
    /// Content blocks of the input body that are images, 65,535 standing for more.
    pub images: u16,
    /// Likewise those that are documents.
    pub documents: u16,
}
