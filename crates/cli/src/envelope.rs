//! One document as its envelope: what a record says of its call, for whoever shows records one by one.
//!
//! In: a decoded document, and the key of its object. Out: JSON. Always: no text of a prompt or an
//! answer, no tag and no header; strings are raw from the log, for their reader to escape; what is unknown is absent.
//! Absent: where the document lies, and what its references lead to.

use borehole_record::{BodyPlace, ContentKinds, Count, Document, DocumentKind, Key};
use serde_json::{Map, Value, json};

/// The envelope of a document: `document` says which kind it is, `input` and `output` where its bodies lie. What the
/// document does not say of its account, Region and request, the key of its object may.
pub(crate) fn envelope(key: &[u8], kind: DocumentKind, document: &Document<'_>) -> Value {
    let (account, region, id) = match Key::parse(key) {
        Key::AwsRecord { account, region, .. } => (Some(account), Some(region), None),
        Key::SplitDocument { request_id, .. } => (None, None, Some(request_id)),
        _ => (None, None, None),
    };
    let account = document.account.as_deref().or(account);
    let region = document.region.as_deref().or(region);
    let mut fields = facts(document, account, region);
    fields.insert("document".to_owned(), kind_word(kind).into());
    if document.other_schema {
        fields.insert("other_schema".to_owned(), true.into());
    }
    let own_id = document.request_id.as_ref().map(ToString::to_string);
    if let Some(id) = own_id.or_else(|| id.map(str::to_owned)) {
        fields.insert("request_id".to_owned(), id.into());
    }
    let [input, output] = sides(document);
    fields.insert("input".to_owned(), input);
    fields.insert("output".to_owned(), output);
    fields.into()
}

/// What the call was and what became of it.
pub(crate) fn facts(
    document: &Document<'_>,
    account: Option<&str>,
    region: Option<&str>,
) -> Map<String, Value> {
    let texts = [
        ("account", account),
        ("region", region),
        ("model", document.model_id.as_deref()),
        ("operation", document.operation.as_deref()),
        ("identity", document.identity.as_deref()),
        ("error", document.error_code.as_deref()),
        ("inference_region", document.inference_region.as_deref()),
        ("stop_reason", document.stop_reason.as_deref()),
        ("service_tier", document.service_tier.as_deref()),
    ];
    let counts = [
        ("input_tokens", document.input_tokens),
        ("output_tokens", document.output_tokens),
        ("cache_read_tokens", document.cache_read_tokens),
        ("cache_write_tokens", document.cache_write_tokens),
        ("max_tokens", document.max_tokens),
        ("latency_ms", document.latency_ms),
        ("first_byte_ms", document.first_byte_ms),
    ];
    let mut facts = Map::new();
    if let Some(time) = document.timestamp {
        facts.insert("timestamp".to_owned(), time.to_string().into());
    }
    let texts = texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(text?))));
    let counts = counts.into_iter().filter_map(|(name, count)| Some((name.to_owned(), count.get()?.into())));
    facts.extend(texts.chain(counts));
    if let Some(status) = document.http_status {
        facts.insert("http_status".to_owned(), status.into());
    }
    facts
}

/// Where the input and the output body lie, and how large they are.
pub(crate) fn sides(document: &Document<'_>) -> [Value; 2] {
    let side = |body: &BodyPlace<'_>, bytes: Count, kinds: ContentKinds| {
        let mut side = match body {
            BodyPlace::Absent => json!({"place": "absent"}),
            BodyPlace::Inline => json!({"place": "inline"}),
            BodyPlace::Reference(path) => json!({"place": "reference", "path": path}),
        };
        if let Some(bytes) = bytes.get() {
            side["bytes"] = bytes.into();
        }
        if !kinds.is_empty() {
            side["content"] = kinds.names().collect::<Vec<_>>().into();
        }
        side
    };
    [
        side(&document.input_body, document.input_bytes, document.input_kinds),
        side(&document.output_body, document.output_bytes, document.output_kinds),
    ]
}

/// The word for a kind of document.
pub(crate) fn kind_word(kind: DocumentKind) -> &'static str {
    match kind {
        DocumentKind::Record => "record",
        DocumentKind::Invocation => "invocation",
        DocumentKind::Metadata => "metadata",
        DocumentKind::Request => "request",
        DocumentKind::Response => "response",
    }
}
