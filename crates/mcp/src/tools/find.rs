//! `bedrock_find_request`: every object of one request.
//!
//! In: a request id, and where to look. Out: what `borehole find` says, without bodies. Always: strings from logs stand
//! under `untrusted` beside the facts they belong to.

use serde_json::Value;

use super::arguments::{Arguments, Kind, Parameter};
use super::content::Content;
use super::schema::{Field, boolean, document, integer, list, map, object, text};
use super::{Lane, Question, Tool, described};
use crate::engine::{Engine, Failure, Watch};
use crate::untrusted::{Origin, UNTRUSTED};

const PARAMETERS: [Parameter; 2] = [
    Parameter::required(
        "request_id",
        Kind::Text { characters: "A-Za-z0-9_.-", length_min: 1, length_max: 128 },
        "The id, in any case",
    ),
    Parameter::optional(
        "date",
        Kind::Text { characters: "0-9A-Za-z:/+. -", length_min: 4, length_max: 40 },
        "Where to look: a day (2026-11-18), a month, an hour's folder or a moment; all there is if absent, which takes \
         long on S3",
    ),
];

pub(super) const TOOL: Tool = Tool {
    name: "bedrock_find_request",
    title: "Every object of a request",
    description: described!(
        "Where one request is logged: its records and their copies, offloaded bodies, account, model, caller, tokens, \
         latency and error, and which copy a report counts. No text of prompts and answers. Give a date where it is \
         known. Next: s3_object_read for an object."
    ),
    parameters: &PARAMETERS,
    fields,
    read: |arguments| FindRequest::read(arguments).map(Question::FindRequest),
    lane: Lane::Reading,
    is_read_only: true,
};

/// What is asked.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct FindRequest {
    request_id: String,
    date: Option<String>,
}

/// Fields of the command's JSON with words of ours or of the operator, and keys, which are escaped.
const WORDS: [&str; 14] = [
    "schema",
    "request_id",
    "from",
    "to",
    "kind",
    "source",
    "key",
    "storage_class",
    "timestamp",
    "place",
    "outcome",
    "reason",
    "content",
    "stored_text_absent",
];

impl FindRequest {
    fn read(arguments: &Arguments) -> Result<Self, String> {
        Ok(FindRequest { request_id: arguments.text("request_id")?, date: arguments.text_given("date") })
    }

    pub(super) fn answer(&self, engine: &dyn Engine, watch: &Watch) -> Result<Content, Failure> {
        let found = engine.find(&self.request_id, self.date.as_deref(), watch)?;
        let found = Origin { ours: &WORDS, asked: None }.quarantine(found);
        let fields = match found {
            Value::Object(fields) => fields,
            _ => serde_json::Map::new(),
        };
        Ok(fields.into_iter().fold(Content::new(), |answer, (name, field)| answer.put(&name, field)))
    }
}

fn fields() -> Vec<Field> {
    let stored = || {
        let fields = [("stored_bytes", integer("")), ("storage_class", text("")), ("archived", boolean(""))];
        object("", fields)
    };
    let body = || {
        object(
            "",
            [
                ("place", text("absent, inline or reference")),
                ("bytes", integer("")),
                ("content", list("Kinds of content", text(""))),
                ("outcome", text("Of a reference: found, missing, refused, failed")),
                ("reason", text("")),
                ("object", stored()),
                (UNTRUSTED, object("", [("path", text(""))])),
            ],
        )
    };
    let names = [
        "account",
        "region",
        "model",
        "operation",
        "identity",
        "error",
        "inference_region",
        "stop_reason",
        "service_tier",
    ];
    let counts = [
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "max_tokens",
        "latency_ms",
        "first_byte_ms",
        "http_status",
    ];
    let facts = [
        ("timestamp", text("")),
        ("tags", integer("How many")),
        (UNTRUSTED, object("", names.map(|name| (name, text(""))))),
    ];
    let facts = facts.into_iter().chain(counts.map(|name| (name, integer(""))));
    let found = [
        ("kind", text("")),
        ("source", text("As the server was started with it")),
        ("key", text("From the bucket: not trusted")),
        ("offset", integer("Where it begins in the decoded object, in bytes")),
        ("bytes", integer("")),
        ("object", stored()),
        ("counted", boolean("Whether a report counts this copy; absent where that cannot be said")),
        ("other_schema", boolean("It is of a schema that is not counted")),
        ("facts", object("", facts)),
        ("input", body()),
        ("output", body()),
    ];
    let other = [
        ("kind", text("")),
        ("source", text("")),
        ("key", text("From the bucket: not trusted")),
        ("stored_bytes", integer("")),
        ("storage_class", text("")),
        ("archived", boolean("")),
    ];
    let searched = [
        ("objects_listed", integer("")),
        ("objects_read", integer("")),
        ("failed", map("Objects that could not be read, by reason", integer(""))),
    ];
    vec![
        ("schema", text("borehole.find/1")),
        ("complete", boolean("Whether all there is could be read")),
        ("request_id", text("As asked")),
        ("range", object("What was searched; half-open", [("from", text("")), ("to", text(""))])),
        ("documents", list("Documents of the request", object("", found))),
        ("documents_not_shown", integer("")),
        ("objects", list("Objects that are named after it", object("", other))),
        ("searched", object("", searched)),
        (UNTRUSTED, document("")),
    ]
}
