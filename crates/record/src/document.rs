//! One decoded JSON document, before joining and resolving: everything in it is optional.
//!
//! A record of the `aws` layout is one document; a request of the `split` layout is up to four.

use crate::invocation::{ContentKinds, Count, RequestId, Tag};
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
pub enum BodyPlace {
    /// Neither a body (or a null one) nor a path was logged.
    #[default]
    Absent,
    /// In the record itself; its length in bytes is in [`Document::input_bytes`] or `output_bytes`.
    Inline,
    /// Offloaded: the value of `*BodyS3Path`, as logged and untrusted. Where a body stood beside it, the
    /// place is `Inline` and [`crate::Warning::RefAndInline`] is raised.
    Reference(Box<str>),
}

/// What one JSON document holds of an invocation.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Document {
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
    pub account: Option<Box<str>>,
    /// `region`.
    pub region: Option<Box<str>>,
    /// `modelId` as logged.
    pub model_id: Option<Box<str>>,
    /// `operation`.
    pub operation: Option<Box<str>>,
    /// `identity.arn`.
    pub identity: Option<Box<str>>,
    /// `errorCode`; an empty one is absent.
    pub error_code: Option<Box<str>>,
    /// `inferenceRegion`.
    pub inference_region: Option<Box<str>>,
    /// Stop reason of the output body.
    pub stop_reason: Option<Box<str>>,
    /// `serviceTier`, else the body's.
    pub service_tier: Option<Box<str>>,
    /// `requestMetadata`, sorted by key; values that are not strings are left out.
    pub tags: Vec<Tag>,
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
    /// Where the input body is.
    pub input_body: BodyPlace,
    /// Where the output body is.
    pub output_body: BodyPlace,
    /// `input` (or a request document's content) was present at all.
    pub has_input: bool,
    /// `output` (or a response document's content) was present at all.
    pub has_output: bool,
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
}
