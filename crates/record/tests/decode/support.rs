//! What the decoder tests share: one call that decodes an object, and the readable form of its outcome.

use std::borrow::Cow;

use borehole_record::decode::DecodeTuning;
use borehole_record::{
    BodyPlace, ContentKinds, Count, DecodeOptions, Document, DocumentKind, ObjectDecoder, ObjectFailure,
    ObjectSummary, Reject, Sink, Warnings,
};
use serde_json::{Map, Value, json};

/// How one case is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) kind: DocumentKind,
    pub(crate) options: DecodeOptions,
    pub(crate) tuning: DecodeTuning,
    /// Length of the chunks that the object is pushed in.
    pub(crate) chunk_bytes: usize,
}

impl Default for Reading {
    fn default() -> Self {
        Reading {
            kind: DocumentKind::Record,
            options: DecodeOptions {
                facts: true,
                accept_epoch: false,
                lenient_numbers: false,
                allow_double_gzip: false,
                decoded_bytes_max: 1 << 30,
            },
            tuning: DecodeTuning::default(),
            chunk_bytes: usize::MAX,
        }
    }
}

/// All that came out of one object.
#[derive(Clone, Default, PartialEq, Debug)]
pub(crate) struct Outcome {
    pub(crate) documents: Vec<Document<'static>>,
    pub(crate) rejects: Vec<Reject>,
    /// True for a document, false for a reject, in the order in which they came.
    pub(crate) order: Vec<bool>,
    pub(crate) failure: Option<ObjectFailure>,
    pub(crate) warnings: Warnings,
    pub(crate) gzip: bool,
    pub(crate) not_json: bool,
}

impl Sink for Outcome {
    fn document(&mut self, document: Document<'_>) {
        self.documents.push(document.into_owned());
        self.order.push(true);
    }

    fn reject(&mut self, reject: Reject) {
        self.rejects.push(reject);
        self.order.push(false);
    }
}

impl Outcome {
    /// The reasons of the rejects, in their order.
    pub(crate) fn reasons(&self) -> Vec<&'static str> {
        self.rejects.iter().map(|reject| reject.reason.as_str()).collect()
    }

    /// The request ids of the documents, in their order.
    pub(crate) fn ids(&self) -> Vec<String> {
        let id =
            |document: &Document| document.request_id.as_ref().map_or(String::new(), ToString::to_string);
        self.documents.iter().map(id).collect()
    }
}

/// Decodes one object: in chunks, and at once by a decoder that has read another before, which must not differ.
pub(crate) fn decode(stored: &[u8], reading: Reading) -> Outcome {
    let outcome = decode_by(stored, reading, decode_in_chunks);
    assert!(outcome == decode_by(stored, reading, decode_at_once), "at once it is something else");
    outcome
}

type Decode = fn(&[u8], Reading, &mut Outcome) -> Result<ObjectSummary, ObjectFailure>;

fn decode_by(stored: &[u8], reading: Reading, decode: Decode) -> Outcome {
    let mut outcome = Outcome::default();
    match decode(stored, reading, &mut outcome) {
        Ok(summary) => {
            let counts = (summary.documents_decoded, summary.documents_found);
            let decoded = outcome.documents.len() as u64;
            assert_eq!(
                counts,
                (decoded, decoded + outcome.rejects.len() as u64),
                "found = decoded + rejected"
            );
            outcome.warnings = summary.warnings;
            outcome.gzip = summary.gzip;
            outcome.not_json = summary.not_json;
        }
        Err(failure) => outcome.failure = Some(failure),
    }
    let spans = outcome
        .documents
        .iter()
        .map(|document| (document.offset, document.bytes))
        .chain(outcome.rejects.iter().map(|reject| (reject.offset, reject.bytes)));
    let mut spans: Vec<(u64, u64)> = spans.collect();
    spans.sort_unstable();
    assert!(spans.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0), "spans overlap: {spans:?}");
    outcome
}

fn decode_at_once(
    stored: &[u8],
    reading: Reading,
    sink: &mut Outcome,
) -> Result<ObjectSummary, ObjectFailure> {
    let mut decoder = ObjectDecoder::with_tuning(DocumentKind::Response, reading.options, reading.tuning);
    // Something of every state: a document, one that is broken, an array that has not ended.
    let before = b"{\"status\":200}\n  {\"a\n{}}\n[{\"b\":[";
    let _ = decoder.push_whole(before, &mut Outcome::default());
    decoder.restart(reading.kind);
    decoder.push_whole(stored, sink)?;
    decoder.finish(sink)
}

fn decode_in_chunks(
    stored: &[u8],
    reading: Reading,
    sink: &mut Outcome,
) -> Result<ObjectSummary, ObjectFailure> {
    let mut decoder = ObjectDecoder::with_tuning(reading.kind, reading.options, reading.tuning);
    for chunk in stored.chunks(reading.chunk_bytes.min(stored.len().max(1))) {
        decoder.push(chunk, sink)?;
    }
    decoder.finish(sink)
}

/// Decodes one object as it is read by default.
pub(crate) fn decode_default(stored: impl AsRef<[u8]>) -> Outcome {
    decode(stored.as_ref(), Reading::default())
}

/// The outcome as fixtures write it down: absent is left out.
pub(crate) fn outcome_json(outcome: &Outcome) -> Value {
    let mut json = Map::new();
    if let Some(failure) = outcome.failure {
        json.insert("failure".into(), failure.as_str().into());
    }
    let documents: Vec<Value> = outcome.documents.iter().map(document_json).collect();
    json.insert("documents".into(), documents.into());
    let reject = |reject: &Reject| json!({"offset": reject.offset, "bytes": reject.bytes, "reason": reject.reason.as_str()});
    json.insert("rejects".into(), outcome.rejects.iter().map(reject).collect());
    let warnings: Map<String, Value> =
        outcome.warnings.iter().map(|(warning, count)| (warning.as_str().into(), count.into())).collect();
    if !warnings.is_empty() {
        json.insert("warnings".into(), warnings.into());
    }
    for (name, value) in [("gzip", outcome.gzip), ("not_json", outcome.not_json)] {
        if value {
            json.insert(name.into(), true.into());
        }
    }
    json.into()
}

fn document_json(document: &Document) -> Value {
    let mut json = Map::new();
    let mut insert = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            json.insert(name.into(), value);
        }
    };
    let text = |text: &Option<Cow<'_, str>>| text.as_deref().map(Value::from);
    let count = |count: Count| count.get().map(Value::from);
    let kinds = |kinds: ContentKinds| (!kinds.is_empty()).then(|| kinds.names().collect());
    let place = |place: &BodyPlace<'_>| match place {
        BodyPlace::Absent => None,
        BodyPlace::Inline => Some("inline".into()),
        BodyPlace::Reference(path) => Some(json!({"reference": path})),
    };
    let flag = |flag: bool| flag.then_some(Value::Bool(true));
    insert("offset", Some(document.offset.into()));
    insert("bytes", Some(document.bytes.into()));
    insert("other_schema", flag(document.other_schema));
    insert("timestamp", document.timestamp.map(|timestamp| timestamp.to_string().into()));
    insert("request_id", document.request_id.as_ref().map(|id| id.to_string().into()));
    insert("account", text(&document.account));
    insert("region", text(&document.region));
    insert("model_id", text(&document.model_id));
    insert("operation", text(&document.operation));
    insert("identity", text(&document.identity));
    insert("error_code", text(&document.error_code));
    insert("inference_region", text(&document.inference_region));
    insert("stop_reason", text(&document.stop_reason));
    insert("service_tier", text(&document.service_tier));
    let tags: Map<String, Value> =
        document.tags.iter().map(|(key, value)| (key.to_string(), value.to_string().into())).collect();
    insert("tags", (!tags.is_empty()).then(|| tags.into()));
    insert("http_status", document.http_status.map(Value::from));
    insert("input_tokens", count(document.input_tokens));
    insert("output_tokens", count(document.output_tokens));
    insert("cache_read_tokens", count(document.cache_read_tokens));
    insert("cache_write_tokens", count(document.cache_write_tokens));
    let names = ["input", "output", "cache_read", "cache_write"];
    let from_usage: Vec<&str> =
        names.into_iter().zip(document.from_usage).filter_map(|(name, is)| is.then_some(name)).collect();
    insert("from_usage", (!from_usage.is_empty()).then(|| from_usage.into()));
    insert("max_tokens", count(document.max_tokens));
    insert("latency_ms", count(document.latency_ms));
    insert("first_byte_ms", count(document.first_byte_ms));
    insert("input_bytes", count(document.input_bytes));
    insert("output_bytes", count(document.output_bytes));
    insert("input_kinds", kinds(document.input_kinds));
    insert("output_kinds", kinds(document.output_kinds));
    insert("input_body", place(&document.input_body));
    insert("output_body", place(&document.output_body));
    insert("has_input", flag(document.has_input));
    insert("has_output", flag(document.has_output));
    json.into()
}
