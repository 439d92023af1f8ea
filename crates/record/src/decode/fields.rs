//! The fields of a document: which paths are used, what their values must be, and what they make together.
//!
//! In: the used keys and values of one document in their order, from `fast` or `strict`, and what was found out
//! about its bodies. Out: a [`Document`] or the first [`RejectReason`]. Always: AWS's wire spellings of the
//! envelope stand here and nowhere else; the meaning of a document does not depend on which reader read it. Absent:
//! lexing, and the inside of bodies. `plain`, which knows one form of each value only, fills in the document
//! itself, and has [`complete`] do the rest.

use std::borrow::Cow;

use super::DecodeOptions;
use super::facts::{InputFacts, OutputFacts};
use super::lex::{Integer, has_lone_surrogate, integer};
use crate::document::{BodyPlace, Document, DocumentKind};
use crate::invocation::{Count, RequestId};
use crate::reject::{RejectReason, Warning, Warnings};
use crate::time::{Timestamp, parse_timestamp};

/// Longest value of a used field, in bytes (faults.md E23).
pub(super) const FIELD_BYTES_MAX: usize = 4 * 1024;

/// Most bytes of the keys and values of `requestMetadata` together. AWS allows 16 tags of 256 bytes each side;
/// the bound only keeps hostile metadata from filling memory.
const TAGS_BYTES_MAX: usize = 1024 * 1024;

/// More tokens than this in one count are a broken record (faults.md F7).
pub(super) const TOKENS_MAX: u64 = 1 << 40;

/// Milliseconds and bytes beyond this are not exact in the producers' own number type.
pub(super) const MEASURE_MAX: u64 = 1 << 53;

/// The objects whose members may be used fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Section {
    Root,
    Identity,
    Input,
    Output,
    /// `requestMetadata`: every member is a tag.
    Tags,
    /// `serviceTier` of a metadata document, where it is an object.
    ServiceTier,
}

/// A used field, by its exact path. `Top…` are the fields of split documents that may stand at the root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Field {
    Timestamp,
    AccountId,
    Identity,
    IdentityArn,
    Region,
    InferenceRegion,
    RequestId,
    Operation,
    ModelId,
    ErrorCode,
    RequestMetadata,
    SchemaType,
    Input,
    Output,
    InputBody,
    OutputBody,
    InputPath,
    OutputPath,
    InputTokens,
    CacheReadTokens,
    CacheWriteTokens,
    OutputTokens,
    TopInputBody,
    TopOutputBody,
    TopInputPath,
    TopOutputPath,
    TopInputTokens,
    TopCacheReadTokens,
    TopCacheWriteTokens,
    TopOutputTokens,
    LatencyMs,
    FirstByteLatencyMs,
    ServiceTier,
    ServiceTierType,
    RequestBytes,
    ResponseBytes,
    Status,
}

/// How many fields there are.
pub(super) const FIELDS: usize = Field::Status as usize + 1;

/// The four places of a body. Where both the nested and the top one hold something, the nested one wins.
pub(super) const BODY_FIELDS: [Field; 4] =
    [Field::InputBody, Field::OutputBody, Field::TopInputBody, Field::TopOutputBody];

impl Field {
    /// The used field of this (unescaped) key, in a document of this kind.
    #[inline]
    pub(super) fn of(section: Section, key: &[u8], kind: DocumentKind) -> Option<Field> {
        match section {
            Section::Root => Some(match key {
                b"timestamp" => Field::Timestamp,
                b"accountId" => Field::AccountId,
                b"identity" => Field::Identity,
                b"region" => Field::Region,
                b"inferenceRegion" => Field::InferenceRegion,
                b"requestId" => Field::RequestId,
                b"operation" => Field::Operation,
                b"modelId" => Field::ModelId,
                b"errorCode" => Field::ErrorCode,
                b"requestMetadata" => Field::RequestMetadata,
                b"schemaType" => Field::SchemaType,
                b"input" => Field::Input,
                b"output" => Field::Output,
                _ if kind == DocumentKind::Record => return None,
                _ => return Field::of_split_root(key, kind),
            }),
            Section::Identity => (key == b"arn").then_some(Field::IdentityArn),
            Section::Input => Some(match key {
                b"inputBodyJson" => Field::InputBody,
                b"inputBodyS3Path" => Field::InputPath,
                b"inputTokenCount" => Field::InputTokens,
                b"cacheReadInputTokenCount" => Field::CacheReadTokens,
                b"cacheWriteInputTokenCount" => Field::CacheWriteTokens,
                _ => return None,
            }),
            Section::Output => Some(match key {
                b"outputBodyJson" => Field::OutputBody,
                b"outputBodyS3Path" => Field::OutputPath,
                b"outputTokenCount" => Field::OutputTokens,
                _ => return None,
            }),
            Section::ServiceTier => (key == b"type").then_some(Field::ServiceTierType),
            Section::Tags => None,
        }
    }

    fn of_split_root(key: &[u8], kind: DocumentKind) -> Option<Field> {
        Some(match (key, kind) {
            (b"inputBodyJson", _) => Field::TopInputBody,
            (b"outputBodyJson", _) => Field::TopOutputBody,
            (b"inputBodyS3Path", _) => Field::TopInputPath,
            (b"outputBodyS3Path", _) => Field::TopOutputPath,
            (b"inputTokenCount", _) => Field::TopInputTokens,
            (b"cacheReadInputTokenCount", _) => Field::TopCacheReadTokens,
            (b"cacheWriteInputTokenCount", _) => Field::TopCacheWriteTokens,
            (b"outputTokenCount", _) => Field::TopOutputTokens,
            (b"latencyMs", DocumentKind::Metadata) => Field::LatencyMs,
            (b"firstByteLatencyMs", DocumentKind::Metadata) => Field::FirstByteLatencyMs,
            (b"serviceTier", DocumentKind::Metadata) => Field::ServiceTier,
            (b"requestBytes", DocumentKind::Metadata) => Field::RequestBytes,
            (b"responseBytes", DocumentKind::Metadata) => Field::ResponseBytes,
            (b"status", DocumentKind::Response) => Field::Status,
            _ => return None,
        })
    }

    /// The section that an object as this field's value opens.
    #[inline]
    pub(super) fn section(self) -> Option<Section> {
        Some(match self {
            Field::Identity => Section::Identity,
            Field::Input => Section::Input,
            Field::Output => Section::Output,
            Field::RequestMetadata => Section::Tags,
            Field::ServiceTier => Section::ServiceTier,
            _ => return None,
        })
    }

    /// Which of [`BODY_FIELDS`] this is.
    #[inline]
    pub(super) fn body_index(self) -> Option<usize> {
        BODY_FIELDS.iter().position(|&body| body == self)
    }

    /// The bit that stands for this field in a set of them.
    #[inline]
    pub(super) const fn bit(self) -> u64 {
        1 << self as u32
    }
}

/// A value in the envelope, as far as a used field can care.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Null,
    Bool,
    /// A non-negative integer without point, exponent or sign.
    Unsigned(u64),
    /// Any number, as written.
    Number(&'a [u8]),
    /// An unescaped string; not UTF-8 if it held a lone surrogate.
    Text(&'a [u8]),
    /// A string or number of more than [`FIELD_BYTES_MAX`].
    TooLong,
    Array,
    Object,
}

/// By [`BODY_FIELDS`].
pub(super) type Bodies<'a> = [Option<Body<'a>>; BODY_FIELDS.len()];

/// One body of a document, outside the envelope.
pub(super) struct Body<'a> {
    /// Index of its first byte in the document.
    pub(super) start: usize,
    /// Length of its JSON value in bytes.
    pub(super) length: u64,
    /// Its JSON text; `None` where it was too long to be kept.
    pub(super) json: Option<&'a [u8]>,
    /// A `\ud…` escape may occur in it.
    pub(super) surrogates: bool,
    /// A byte beyond ASCII may occur in it.
    pub(super) beyond_ascii: bool,
    /// Its facts, where the reader came by them already.
    pub(super) facts: Option<BodyFacts>,
}

/// Facts of a body that were read while skipping it.
pub(super) enum BodyFacts {
    Input(InputFacts),
    Output(OutputFacts),
}

impl Body<'_> {
    /// The index after it.
    pub(super) fn end(&self) -> usize {
        self.start + self.length as usize
    }

    /// A null body, or nothing but blanks, is no body.
    fn is_absent(&self) -> bool {
        self.length == 0 || self.json == Some(b"null")
    }

    fn has_bad_text(&self) -> bool {
        self.json.is_some_and(|json| {
            self.beyond_ascii && simdutf8::basic::from_utf8(json).is_err()
                || self.surrogates && has_lone_surrogate(json)
        })
    }

    fn input_facts(&mut self) -> InputFacts {
        match (self.facts.take(), self.json) {
            (Some(BodyFacts::Input(facts)), _) => facts,
            (_, Some(json)) => InputFacts::of(json),
            _ => InputFacts::default(),
        }
    }

    fn output_facts(&mut self) -> OutputFacts {
        match (self.facts.take(), self.json) {
            (Some(BodyFacts::Output(facts)), _) => facts,
            (_, Some(json)) => OutputFacts::of(json),
            _ => OutputFacts::default(),
        }
    }
}

/// Collects the fields of one document.
pub(super) struct Fields {
    kind: DocumentKind,
    options: DecodeOptions,
    /// Bit by [`Field`]: the key occurred.
    seen: u64,
    /// There are two `schemaType`: neither of them says what the document is.
    schema_repeats: bool,
    error: Option<RejectReason>,
    document: Document<'static>,
    warnings: Warnings,
    input_path: Option<Cow<'static, str>>,
    output_path: Option<Cow<'static, str>>,
    /// Keys of `requestMetadata` with their values, `None` where the value is no string.
    tags: Vec<(Cow<'static, str>, Option<Cow<'static, str>>)>,
    tags_bytes: usize,
}

impl Fields {
    pub(super) fn new(kind: DocumentKind, options: DecodeOptions) -> Self {
        Fields {
            kind,
            options,
            seen: 0,
            schema_repeats: false,
            error: None,
            document: Document::default(),
            warnings: Warnings::default(),
            input_path: None,
            output_path: None,
            tags: Vec::new(),
            tags_bytes: 0,
        }
    }

    pub(super) fn kind(&self) -> DocumentKind {
        self.kind
    }

    /// The first reason for which the document will be refused, so far.
    pub(super) fn error(&self) -> Option<RejectReason> {
        self.error
    }

    fn refuse(&mut self, reason: RejectReason) {
        self.error.get_or_insert(reason);
    }

    /// A used key occurred.
    pub(super) fn key(&mut self, field: Field) {
        let bit = field.bit();
        if self.seen & bit != 0 {
            self.refuse(RejectReason::DuplicateKey);
            self.schema_repeats |= field == Field::SchemaType;
        }
        self.seen |= bit;
    }

    /// The value of a used field that is not a body. Where the value opens a section, the members follow.
    pub(super) fn value(&mut self, field: Field, value: Value<'_>) {
        match field {
            Field::Timestamp => self.document.timestamp = self.timestamp(value),
            Field::AccountId => self.document.account = self.text(value),
            Field::IdentityArn => self.document.identity = self.text(value),
            Field::Region => self.document.region = self.text(value),
            Field::InferenceRegion => self.document.inference_region = self.text(value),
            Field::RequestId => {
                let id = self.text(value).map_or(RequestId::Missing, |text| RequestId::parse(&text));
                self.document.request_id = (id != RequestId::Missing).then_some(id);
            }
            Field::Operation => self.document.operation = self.text(value),
            Field::ModelId => self.document.model_id = self.text(value),
            Field::ErrorCode => {
                self.document.error_code = self.text(value).filter(|code| !code.is_empty());
            }
            Field::SchemaType => {
                let schema = self.text(value);
                self.document.other_schema = schema.is_some_and(|schema| &*schema != "ModelInvocationLog");
            }
            Field::Identity | Field::Input | Field::Output | Field::RequestMetadata => match value {
                Value::Object | Value::Null => {
                    self.document.has_input |= field == Field::Input && matches!(value, Value::Object);
                    self.document.has_output |= field == Field::Output && matches!(value, Value::Object);
                }
                _ => self.refuse(RejectReason::FieldType),
            },
            Field::InputPath => self.input_path = self.text(value),
            Field::OutputPath => self.output_path = self.text(value),
            Field::TopInputPath => {
                let path = self.text(value);
                self.input_path = self.input_path.take().or(path);
            }
            Field::TopOutputPath => {
                let path = self.text(value);
                self.output_path = self.output_path.take().or(path);
            }
            Field::InputTokens => {
                self.document.input_tokens = self.tokens(value).or(self.document.input_tokens)
            }
            Field::CacheReadTokens => {
                self.document.cache_read_tokens = self.tokens(value).or(self.document.cache_read_tokens);
            }
            Field::CacheWriteTokens => {
                self.document.cache_write_tokens = self.tokens(value).or(self.document.cache_write_tokens);
            }
            Field::OutputTokens => {
                self.document.output_tokens = self.tokens(value).or(self.document.output_tokens);
            }
            Field::TopInputTokens => {
                let tokens = self.tokens(value);
                self.document.input_tokens = self.document.input_tokens.or(tokens);
            }
            Field::TopCacheReadTokens => {
                let tokens = self.tokens(value);
                self.document.cache_read_tokens = self.document.cache_read_tokens.or(tokens);
            }
            Field::TopCacheWriteTokens => {
                let tokens = self.tokens(value);
                self.document.cache_write_tokens = self.document.cache_write_tokens.or(tokens);
            }
            Field::TopOutputTokens => {
                let tokens = self.tokens(value);
                self.document.output_tokens = self.document.output_tokens.or(tokens);
            }
            Field::LatencyMs => self.document.latency_ms = measure(value),
            Field::FirstByteLatencyMs => self.document.first_byte_ms = measure(value),
            Field::RequestBytes => self.document.input_bytes = measure(value),
            Field::ResponseBytes => self.document.output_bytes = measure(value),
            Field::ServiceTier if matches!(value, Value::Object) => {}
            Field::ServiceTier | Field::ServiceTierType => self.document.service_tier = self.text(value),
            Field::Status => {
                let status = measure(value).get().and_then(|status| u16::try_from(status).ok());
                self.document.http_status = status.filter(|status| (100..1000).contains(status));
            }
            // The readers hand bodies to `finish`.
            Field::InputBody | Field::OutputBody | Field::TopInputBody | Field::TopOutputBody => {}
        }
    }

    /// A member of `requestMetadata`; `key` is unescaped, or `None` where it is too long to be one.
    pub(super) fn tag(&mut self, key: Option<&[u8]>, value: Value<'_>) {
        let Some(key) = self.text(key.map_or(Value::TooLong, Value::Text)) else { return };
        let text = match value {
            Value::Text(_) | Value::TooLong => self.text(value),
            Value::Null => None,
            _ => {
                self.warnings.raise(Warning::TagType);
                None
            }
        };
        self.tags_bytes += key.len() + text.as_ref().map_or(0, |text| text.len());
        if self.tags_bytes > TAGS_BYTES_MAX {
            self.refuse(RejectReason::FieldTooLong);
            return;
        }
        self.tags.push((key, text));
    }

    /// The document is complete and its JSON is sound. `bodies` are by [`BODY_FIELDS`].
    pub(super) fn finish(
        mut self,
        offset: u64,
        mut bodies: Bodies<'_>,
    ) -> Result<(Document<'static>, Warnings), RejectReason> {
        if self.document.other_schema && !self.schema_repeats {
            let document = Document { offset, other_schema: true, ..Document::default() };
            return Ok((document, Warnings::default()));
        }
        self.finish_tags();
        // The other documents of a request may hold no more than headers.
        if matches!(self.kind, DocumentKind::Record | DocumentKind::Invocation) && self.seen == 0 {
            self.refuse(RejectReason::NotARecord);
        }
        if let Some(reason) = self.error {
            return Err(reason);
        }
        let Fields { mut document, mut warnings, .. } = self;
        document.offset = offset;
        let paths = [self.input_path, self.output_path];
        complete(&mut document, &mut warnings, self.seen, paths, &mut bodies, self.options.facts);
        Ok((document, warnings))
    }

    fn finish_tags(&mut self) {
        self.tags.sort_unstable();
        if self.tags.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            self.refuse(RejectReason::DuplicateKey);
        }
        let tags = std::mem::take(&mut self.tags);
        self.document.tags = tags.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    }

    fn text(&mut self, value: Value<'_>) -> Option<Cow<'static, str>> {
        let reason = match value {
            Value::Null => return None,
            Value::Text(text) if text.len() > FIELD_BYTES_MAX => RejectReason::FieldTooLong,
            Value::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => return Some(Cow::Owned(text.to_owned())),
                Err(_) => RejectReason::FieldUtf8,
            },
            Value::TooLong => RejectReason::FieldTooLong,
            _ => RejectReason::FieldType,
        };
        self.refuse(reason);
        None
    }

    fn timestamp(&mut self, value: Value<'_>) -> Option<Timestamp> {
        match value {
            Value::Unsigned(_) | Value::Number(_) => {
                let epoch_ms = self.options.accept_epoch.then(|| whole(value)).flatten();
                let timestamp = epoch_ms.and_then(|ms| i64::try_from(ms).ok()).map(Timestamp::from_epoch_ms);
                if timestamp.is_none() {
                    self.refuse(RejectReason::Timestamp);
                }
                timestamp
            }
            _ => {
                let text = self.text(value)?;
                let Some((timestamp, note)) = parse_timestamp(text.as_bytes()) else {
                    self.refuse(RejectReason::Timestamp);
                    return None;
                };
                if note.no_offset {
                    self.warnings.raise(Warning::TimestampNoOffset);
                }
                if note.leap_second {
                    self.warnings.raise(Warning::LeapSecond);
                }
                Some(timestamp)
            }
        }
    }

    /// A token count by the rules F2 to F7 of faults.md.
    fn tokens(&mut self, value: Value<'_>) -> Count {
        let tokens = match value {
            Value::Null => return Count::UNKNOWN,
            Value::Unsigned(tokens) => Integer::Known(tokens),
            Value::Number(number) => {
                let tokens = integer(number);
                let plain = number.iter().all(u8::is_ascii_digit);
                if !plain && matches!(tokens, Integer::Known(_)) {
                    self.warnings.raise(Warning::IntAsFloat);
                }
                tokens
            }
            Value::Text(digits)
                if self.options.lenient_numbers
                    && !digits.is_empty()
                    && digits.iter().all(u8::is_ascii_digit) =>
            {
                self.warnings.raise(Warning::NumberAsString);
                integer(digits)
            }
            _ => Integer::Fraction,
        };
        match tokens {
            Integer::Known(tokens) if tokens <= TOKENS_MAX => return Count::known(tokens),
            Integer::Known(_) | Integer::Negative | Integer::Huge => {
                self.refuse(RejectReason::TokenCountRange)
            }
            Integer::Fraction => self.refuse(RejectReason::TokenCountType),
        }
        Count::UNKNOWN
    }
}

/// A number with a non-negative integer value.
pub(super) fn whole(value: Value<'_>) -> Option<u64> {
    match value {
        Value::Unsigned(value) => Some(value),
        Value::Number(number) => match integer(number) {
            Integer::Known(value) => Some(value),
            _ => None,
        },
        _ => None,
    }
}

/// Milliseconds or bytes: anything but a non-negative integer up to 2^53 is unknown, and no reason to refuse.
pub(super) fn measure(value: Value<'_>) -> Count {
    whole(value).filter(|&value| value <= MEASURE_MAX).into()
}

/// Adds to a document whose own fields are filled in what follows from its `bodies` (by [`BODY_FIELDS`]), from the
/// `paths` of the input and the output body, and from which fields were `seen`.
pub(super) fn complete<'a>(
    document: &mut Document<'a>,
    warnings: &mut Warnings,
    seen: u64,
    [input_path, output_path]: [Option<Cow<'a, str>>; 2],
    bodies: &mut Bodies<'_>,
    facts: bool,
) {
    // A split document may hold its content at the root.
    const TOP_INPUT: u64 =
        Field::TopInputBody.bit() | Field::TopInputPath.bit() | Field::TopInputTokens.bit();
    const TOP_OUTPUT: u64 =
        Field::TopOutputBody.bit() | Field::TopOutputPath.bit() | Field::TopOutputTokens.bit();
    document.has_input |= seen & TOP_INPUT != 0;
    document.has_output |= seen & TOP_OUTPUT != 0;

    let present = |body: &&mut Body<'_>| !body.is_absent();
    let [input, output, top_input, top_output] = bodies.each_mut().map(Option::as_mut);
    let input = input.filter(present).or_else(|| top_input.filter(present));
    let output = output.filter(present).or_else(|| top_output.filter(present));
    for body in [&input, &output].into_iter().flatten() {
        if body.has_bad_text() {
            warnings.raise(Warning::Utf8InBody);
        }
    }
    document.input_body = place(&input, input_path, warnings);
    document.output_body = place(&output, output_path, warnings);
    if let Some(body) = input {
        document.input_bytes = Count::known(body.length);
        if facts {
            add_input_facts(document, body.input_facts());
        }
    }
    if let Some(body) = output {
        document.output_bytes = Count::known(body.length);
        let counts_are_known = document.input_tokens.is_known()
            && document.output_tokens.is_known()
            && document.cache_read_tokens.is_known()
            && document.cache_write_tokens.is_known();
        if facts || !counts_are_known {
            add_output_facts(document, body.output_facts(), facts);
        }
    }
}

fn place<'a>(
    body: &Option<&mut Body<'_>>,
    path: Option<Cow<'a, str>>,
    warnings: &mut Warnings,
) -> BodyPlace<'a> {
    match (body, path) {
        (None, None) => BodyPlace::Absent,
        (None, Some(path)) => BodyPlace::Reference(path),
        (Some(_), None) => BodyPlace::Inline,
        (Some(_), Some(_)) => {
            warnings.raise(Warning::RefAndInline);
            BodyPlace::Inline
        }
    }
}

fn add_input_facts(document: &mut Document<'_>, facts: InputFacts) {
    document.max_tokens = facts.max_tokens;
    document.input_kinds = facts.blocks.kinds;
    document.images = facts.blocks.images;
    document.documents = facts.blocks.documents;
    add_tier(document, facts.service_tier);
}

/// With `facts` all of them, else only the usage.
fn add_output_facts(document: &mut Document<'_>, output: OutputFacts, facts: bool) {
    let counts = [
        (&mut document.input_tokens, output.usage.input),
        (&mut document.output_tokens, output.usage.output),
        (&mut document.cache_read_tokens, output.usage.cache_read),
        (&mut document.cache_write_tokens, output.usage.cache_write),
    ];
    for ((own, usage), from_usage) in counts.into_iter().zip(&mut document.from_usage) {
        *from_usage = !own.is_known() && usage.is_known();
        *own = own.or(usage);
    }
    if facts {
        document.cache_write_5m_tokens = output.cache_writes.five_minutes;
        document.cache_write_1h_tokens = output.cache_writes.one_hour;
        document.latency_ms = document.latency_ms.or(output.latency_ms);
        document.first_byte_ms = document.first_byte_ms.or(output.first_byte_ms);
        document.stop_reason = output.stop_reason.map(owned);
        document.output_kinds = output.kinds;
        add_tier(document, output.service_tier);
    }
}

/// The document's own service tier wins over a body's.
fn add_tier(document: &mut Document<'_>, tier: Option<Box<str>>) {
    if document.service_tier.is_none() {
        document.service_tier = tier.map(owned);
    }
}

fn owned(text: Box<str>) -> Cow<'static, str> {
    Cow::Owned(text.into())
}
