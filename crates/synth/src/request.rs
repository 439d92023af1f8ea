//! One request as the generator knows it, its forms on disk, and what a reader must make of each form.
//!
//! In: a [`Request`]. Out: the text of a record or of a split document, and a [`Sighting`] for the tally. It
//! is made from what was decided, never from the text.

use std::rc::Rc;

use crate::body::{Body, CACHE_READ, CACHE_WRITE, Counts, INPUT, OUTPUT, push, push_number};
use crate::calendar::Stamp;
use crate::catalogue::Spelling;
use crate::tally::{Sighting, Values};

/// A token count as it is spelled in the record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Logged {
    /// No such key.
    Absent,
    /// `null`: as absent.
    Null,
    /// `5`
    Integer(u64),
    /// `5.0`: five, with a warning.
    Float(u64),
    /// `5e0`: five, with a warning.
    Exponent(u64),
}

impl Logged {
    pub(crate) fn value(self) -> Option<u64> {
        match self {
            Logged::Absent | Logged::Null => None,
            Logged::Integer(value) | Logged::Float(value) | Logged::Exponent(value) => Some(value),
        }
    }

    fn text(self) -> Option<String> {
        match self {
            Logged::Absent => None,
            Logged::Null => Some("null".to_owned()),
            Logged::Integer(value) => Some(value.to_string()),
            Logged::Float(value) => Some(format!("{value}.0")),
            Logged::Exponent(value) => Some(format!("{value}e0")),
        }
    }
}

/// What becomes of a reference when it is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// The payload object is there.
    Resolved,
    /// No such object.
    Missing,
    /// Not followed, for this reason.
    Refused(&'static str),
}

/// Where a body is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// Nothing was logged.
    Absent,
    /// The body's key holds `null`.
    Null,
    /// In the record.
    Inline,
    /// In the record, and a path beside it: the body wins.
    InlineAndPath(String),
    /// In a payload object; the path is given when the layout has written it.
    Offloaded(Fate, String),
    /// Neither body nor path: the payload is found by the conventional key of the split layout.
    Conventional,
}

impl Place {
    /// Whether the side was offloaded.
    pub(crate) fn is_large(&self) -> bool {
        matches!(self, Place::Offloaded(..) | Place::Conventional)
    }
}

/// One side of a request: `input` or `output`.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) body: Body,
    pub(crate) place: Place,
}

impl Side {
    pub(crate) fn inline(body: Body) -> Self {
        Side { body, place: Place::Inline }
    }

    /// The body, where this way of reading gets at it.
    fn read(&self, follow_references: bool) -> Option<&Body> {
        match self.place {
            Place::Inline | Place::InlineAndPath(_) => Some(&self.body),
            Place::Offloaded(Fate::Resolved, _) | Place::Conventional if follow_references => {
                Some(&self.body)
            }
            _ => None,
        }
    }
}

/// The id of a request as logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Id {
    /// A lower-case UUID.
    Uuid(u128),
    /// The empty string.
    Empty,
    /// No such key.
    Absent,
}

/// The order of a record's fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// Schema and identity before the bodies, as until 2025.
    SchemaFirst,
    /// Identity, inference Region and schema after the bodies, as since 2026.
    SchemaLast,
    /// By name, as tools write that read and write JSON again; counts before content type.
    Alphabetical,
}

#[derive(Clone, Copy)]
enum Field {
    SchemaType,
    SchemaVersion,
    Timestamp,
    Account,
    Identity,
    Region,
    RequestId,
    Operation,
    ModelId,
    ErrorCode,
    InferenceRegion,
    Metadata,
    Input,
    Output,
    Future,
}

impl Order {
    fn fields(self) -> &'static [Field] {
        use Field::{
            Account, ErrorCode, Future, Identity, InferenceRegion, Input, Metadata, ModelId, Operation,
            Output, Region, RequestId, SchemaType, SchemaVersion, Timestamp,
        };
        match self {
            Order::SchemaFirst => &[
                SchemaType,
                SchemaVersion,
                Timestamp,
                Account,
                Identity,
                Region,
                RequestId,
                Operation,
                ModelId,
                ErrorCode,
                Future,
                Metadata,
                Input,
                Output,
                InferenceRegion,
            ],
            Order::SchemaLast => &[
                Timestamp,
                Account,
                Region,
                RequestId,
                Operation,
                ModelId,
                Metadata,
                Input,
                Output,
                Identity,
                ErrorCode,
                InferenceRegion,
                Future,
                SchemaType,
                SchemaVersion,
            ],
            Order::Alphabetical => &[
                Account,
                ErrorCode,
                Future,
                Identity,
                InferenceRegion,
                Input,
                ModelId,
                Operation,
                Output,
                Region,
                RequestId,
                Metadata,
                SchemaType,
                SchemaVersion,
                Timestamp,
            ],
        }
    }
}

/// What the metadata document of the split layout knows beyond the record.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Metadata {
    pub(crate) latency_ms: Option<u64>,
    pub(crate) first_byte_ms: Option<u64>,
    pub(crate) request_bytes: Option<u64>,
    pub(crate) response_bytes: Option<u64>,
}

/// One call, and every decision about how it is logged.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) seconds: i64,
    pub(crate) stamp: Stamp,
    pub(crate) schema: &'static str,
    pub(crate) account: Option<Rc<str>>,
    pub(crate) region: Option<Rc<str>>,
    pub(crate) id: Id,
    pub(crate) operation: Option<&'static str>,
    pub(crate) model: Spelling,
    pub(crate) identity: Option<Rc<str>>,
    /// As logged; the empty string means none.
    pub(crate) error: Option<&'static str>,
    pub(crate) inference_region: Option<Rc<str>>,
    /// Sorted by key.
    pub(crate) tags: Rc<Vec<(&'static str, &'static str)>>,
    /// Whether `requestMetadata` also holds a value that is not a string.
    pub(crate) odd_tag: bool,
    pub(crate) counts: [Logged; 4],
    pub(crate) input: Option<Side>,
    pub(crate) output: Option<Side>,
    pub(crate) metadata: Metadata,
    pub(crate) status: u16,
    pub(crate) order: Order,
    /// Some keys are spelled with escapes.
    pub(crate) escaped_keys: bool,
    /// An unknown field stands in the record, full of known names.
    pub(crate) future_field: bool,
}

/// Which documents of the split layout a form of the request includes. A whole record has all but metadata.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Parts {
    /// The invocation document, or the record.
    pub(crate) invocation: bool,
    /// The metadata document.
    pub(crate) metadata: bool,
    /// What the request document holds: the input body.
    pub(crate) request: bool,
    /// What the response document holds: the output body.
    pub(crate) response: bool,
    /// The HTTP status and the response's error code.
    pub(crate) status: bool,
    /// The tags: of the record, or of the metadata document.
    pub(crate) tags: bool,
}

impl Parts {
    /// A record of the `aws` layout.
    pub(crate) const RECORD: Parts =
        Parts { invocation: true, metadata: false, request: true, response: true, status: false, tags: true };
}

impl Request {
    /// The UUID, in its canonical form.
    pub(crate) fn id_text(&self) -> String {
        match self.id {
            Id::Uuid(bits) => {
                let hex = format!("{bits:032x}");
                format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
            }
            Id::Empty | Id::Absent => String::new(),
        }
    }

    /// What a reader must make of these parts; account and Region are the key's where the record has none.
    pub(crate) fn sighting(
        &self,
        parts: Parts,
        key_account: Option<&Rc<str>>,
        key_region: Option<&Rc<str>>,
    ) -> Sighting {
        let resolved = self.values(parts, true);
        let unresolved = self.values(parts, false);
        let is_large = |side: &Option<Side>, present: bool| {
            side.as_ref().is_some_and(|side| match side.place {
                // A payload under the conventional key is found whatever documents there are.
                Place::Conventional => true,
                _ => present && side.place.is_large(),
            })
        };
        Sighting {
            account: self.account.clone().or_else(|| key_account.cloned()),
            region: self.region.clone().or_else(|| key_region.cloned()),
            id: if let Id::Uuid(bits) = self.id { Some(bits) } else { None },
            seconds: self.seconds,
            nanos: self.stamp.text(self.seconds).1,
            model: self.model.base.clone(),
            scope: self.model.scope,
            identity: self.identity.clone(),
            error: self.error.filter(|code| !code.is_empty()),
            inference_region: self.inference_region.clone(),
            tags: if parts.tags { self.tags.clone() } else { Rc::default() },
            status: parts.status.then_some(self.status),
            input_large: is_large(&self.input, parts.request),
            output_large: is_large(&self.output, parts.response),
            unresolved: (unresolved != resolved).then(|| Box::new(unresolved)),
            resolved,
            entry: 0,
        }
    }

    fn values(&self, parts: Parts, follow_references: bool) -> Values {
        let input =
            self.input.as_ref().filter(|_| parts.request).and_then(|side| side.read(follow_references));
        let output =
            self.output.as_ref().filter(|_| parts.response).and_then(|side| side.read(follow_references));
        let usage: Counts = output.map_or([None; 4], |body| body.usage);
        let metadata = if parts.metadata { self.metadata } else { Metadata::default() };
        let length = |body: &Body| body.json.len() as u64;
        Values {
            counts: std::array::from_fn(|index| {
                let logged = if parts.invocation { self.counts[index].value() } else { None };
                logged.or(usage[index])
            }),
            max_tokens: input.and_then(|body| body.max_tokens),
            latency_ms: metadata.latency_ms.or(output.and_then(|body| body.latency_ms)),
            first_byte_ms: metadata.first_byte_ms.or(output.and_then(|body| body.first_byte_ms)),
            stop_reason: output.and_then(|body| body.stop_reason),
            input_bytes: input.map(length).or(metadata.request_bytes),
            output_bytes: output.map(length).or(metadata.response_bytes),
            kinds: input.map_or(0, |body| body.kinds) | output.map_or(0, |body| body.kinds),
            input_seen: input.is_some_and(|body| body.kinds != 0),
        }
    }

    /// Appends the record, without a line break at its end. `separator` stands between the fields.
    pub(crate) fn write_record(&self, out: &mut Vec<u8>, separator: &str) {
        self.write_fields(out, separator, true, true);
    }

    /// Appends the invocation document; the bodies and tags may be left to the other documents.
    pub(crate) fn write_invocation(&self, out: &mut Vec<u8>, bodies: bool, tags: bool) {
        self.write_fields(out, ",", bodies, tags);
    }

    fn write_fields(&self, out: &mut Vec<u8>, separator: &str, bodies: bool, tags: bool) {
        let mut object = Object::open(out, separator);
        for &field in self.order.fields() {
            match field {
                Field::SchemaType => object.text("schemaType", self.schema),
                Field::SchemaVersion => object.text("schemaVersion", "1.0"),
                Field::Timestamp => object.text("timestamp", &self.stamp.text(self.seconds).0),
                Field::Account => object.text_if("accountId", self.account.as_deref()),
                Field::Identity => {
                    if let Some(arn) = &self.identity {
                        object.raw("identity", &format!(r#"{{"arn":"{arn}"}}"#));
                    }
                }
                Field::Region => object.text_if("region", self.region.as_deref()),
                Field::RequestId => match self.id {
                    Id::Absent => {}
                    Id::Empty | Id::Uuid(_) => object.text("requestId", &self.id_text()),
                },
                Field::Operation => object.text_if("operation", self.operation),
                Field::ModelId => {
                    object.text(if self.escaped_keys { r"model\u0049d" } else { "modelId" }, &self.model.text)
                }
                Field::ErrorCode => object.text_if("errorCode", self.error),
                Field::InferenceRegion => object.text_if("inferenceRegion", self.inference_region.as_deref()),
                Field::Metadata if tags => {
                    if let Some(metadata) = self.tag_object() {
                        object.raw("requestMetadata", &metadata);
                    }
                }
                Field::Metadata => {}
                Field::Input => {
                    let side = self.input.as_ref().map(|side| (side, [INPUT, CACHE_READ, CACHE_WRITE].as_slice()));
                    self.write_side(&mut object, "input", side, bodies);
                }
                Field::Output => {
                    let side = self.output.as_ref().map(|side| (side, [OUTPUT].as_slice()));
                    self.write_side(&mut object, "output", side, bodies);
                }
                Field::Future if self.future_field => object.raw(
                    "futureField",
                    r#"{"inputTokenCount":-1,"requestId":7,"input":{"inputTokenCount":"x"},"list":[{"timestamp":null}]}"#,
                ),
                Field::Future => {}
            }
        }
        object.close();
    }

    fn write_side(&self, object: &mut Object<'_>, name: &str, side: Option<(&Side, &[usize])>, bodies: bool) {
        let Some((side, counts)) = side else { return };
        let out = object.key(name);
        let mut inner = Object::open(out, ",");
        let count_fields = |inner: &mut Object<'_>| {
            for &index in counts {
                let key = match index {
                    INPUT if self.escaped_keys => r"input\u0054okenCount",
                    INPUT => "inputTokenCount",
                    OUTPUT => "outputTokenCount",
                    CACHE_READ => "cacheReadInputTokenCount",
                    _ => "cacheWriteInputTokenCount",
                };
                if let Some(text) = self.counts[index].text() {
                    inner.raw(key, &text);
                }
            }
        };
        if self.order == Order::Alphabetical {
            count_fields(&mut inner);
        }
        if bodies {
            write_body(&mut inner, name, side);
        }
        if self.order != Order::Alphabetical {
            count_fields(&mut inner);
        }
        inner.close();
    }

    /// The object of `requestMetadata`; `None` where there is nothing in it.
    pub(crate) fn tag_object(&self) -> Option<String> {
        let mut tags: Vec<String> =
            self.tags.iter().map(|(key, value)| format!(r#""{key}":"{value}""#)).collect();
        if self.odd_tag {
            tags.push(r#""retries":3"#.to_owned());
        }
        (!tags.is_empty()).then(|| format!("{{{}}}", tags.join(",")))
    }
}

/// Appends content type and body or path of one side (`input` or `output`) to an open object.
pub(crate) fn write_body(object: &mut Object<'_>, name: &str, side: &Side) {
    match &side.place {
        Place::Absent | Place::Conventional => {}
        Place::Null => object.raw(&format!("{name}BodyJson"), "null"),
        Place::Inline => {
            object.text(&format!("{name}ContentType"), "application/json");
            object.key(&format!("{name}BodyJson")).extend_from_slice(&side.body.json);
        }
        Place::InlineAndPath(path) => {
            object.text(&format!("{name}BodyS3Path"), path);
            object.key(&format!("{name}BodyJson")).extend_from_slice(&side.body.json);
        }
        Place::Offloaded(_, path) => {
            object.text(&format!("{name}ContentType"), "application/json");
            object.text(&format!("{name}BodyS3Path"), path);
        }
    }
}

/// A JSON object being written. Keys and texts are trusted to need no escapes beyond those they bring along.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    separator: &'a str,
    is_empty: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn open(out: &'a mut Vec<u8>, separator: &'a str) -> Self {
        out.push(b'{');
        Object { out, separator, is_empty: true }
    }

    /// Writes a key; the caller writes the value to what is returned.
    pub(crate) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.is_empty {
            push(self.out, self.separator);
        }
        self.is_empty = false;
        self.out.push(b'"');
        push(self.out, key);
        push(self.out, "\":");
        self.out
    }

    pub(crate) fn raw(&mut self, key: &str, value: &str) {
        let out = self.key(key);
        push(out, value);
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        let out = self.key(key);
        out.push(b'"');
        push(out, value);
        out.push(b'"');
    }

    pub(crate) fn text_if(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    pub(crate) fn number_if(&mut self, key: &str, value: Option<u64>) {
        if let Some(value) = value {
            let out = self.key(key);
            push_number(out, value);
        }
    }

    pub(crate) fn close(self) {
        self.out.push(b'}');
    }
}
