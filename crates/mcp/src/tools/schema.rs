//! What answers look like: JSON Schema, in words that read like the answer.
//!
//! In: names, types and descriptions. Out: schemas (draft 2020-12: `type`, `properties`, `items`, `enum`, `required`).
//! Always: only `status` is required, since an answer may be still to come, and an unknown is absent. Absent: limits of
//! what an answer may hold: those are the answer's own business.

use serde_json::{Map, Value, json};

/// A field of an object, with its schema.
pub(super) type Field = (&'static str, Value);

/// An object with these fields.
pub(super) fn object(description: &str, fields: impl IntoIterator<Item = Field>) -> Value {
    let fields: Map<String, Value> =
        fields.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    described(json!({"type": "object", "properties": fields}), description)
}

/// An object whose names are data, with values of one kind.
pub(super) fn map(description: &str, value: Value) -> Value {
    described(json!({"type": "object", "additionalProperties": value}), description)
}

/// A list of these.
pub(super) fn list(description: &str, item: Value) -> Value {
    described(json!({"type": "array", "items": item}), description)
}

/// A whole number; above 2^53 there is a sibling `<name>_text`.
pub(super) fn integer(description: &str) -> Value {
    described(json!({"type": "integer"}), description)
}

/// A number with at most six decimals.
pub(super) fn number(description: &str) -> Value {
    described(json!({"type": "number"}), description)
}

/// A text.
pub(super) fn text(description: &str) -> Value {
    described(json!({"type": "string"}), description)
}

/// Yes or no.
pub(super) fn boolean(description: &str) -> Value {
    described(json!({"type": "boolean"}), description)
}

/// One of these words.
pub(super) fn word(description: &str, words: &[&str]) -> Value {
    described(json!({"type": "string", "enum": words}), description)
}

/// An object in the shape of a command's JSON, which that command's page describes.
pub(super) fn document(description: &str) -> Value {
    described(json!({"type": "object"}), description)
}

fn described(mut schema: Value, description: &str) -> Value {
    if !description.is_empty() {
        schema["description"] = description.into();
    }
    schema
}

/// The schema of a tool's structured content: what it answers, and what it says while it is still reading.
pub(super) fn output_schema(fields: impl IntoIterator<Item = Field>) -> Map<String, Value> {
    let next = object(
        "The call to make next",
        [
            ("tool", text("Its tool")),
            ("arguments", document("Its arguments")),
            ("after_seconds", integer("When")),
        ],
    );
    let always = [
        ("status", word("complete: this is the answer; scanning: still reading", &["complete", "scanning"])),
        ("done", number("Scanning: which part is read, 0 to 1")),
        ("next", next),
        ("message", text("Scanning: what happens")),
    ];
    let properties: Map<String, Value> =
        always.into_iter().chain(fields).map(|(name, schema)| (name.to_owned(), schema)).collect();
    Map::from_iter([
        ("type".to_owned(), "object".into()),
        ("properties".to_owned(), properties.into()),
        ("required".to_owned(), json!(["status"])),
    ])
}
