//! `s3_object_list`, `s3_object_read` and `s3_restore_object`: the objects that the server was started to read.
//!
//! In: a bucket or dump by its name, keys. Out: what is stored there, and what became of a restore. Always: keys as the
//! ledger escapes them, so that they can be given back.

use serde_json::Value;

use super::arguments::{Arguments, Kind, Parameter};
use super::content::Content;
use super::schema::{Field, boolean, document, integer, list, object, text, word};
use super::{Lane, Question, Tool, described};
use crate::engine::{Engine, Entry, Failure, Watch};
use crate::untrusted::{UNTRUSTED, cut_all, escape, escape_lines};

/// Characters of a bucket's name, or of the path of a dump: what the kernel takes.
const BUCKET_LENGTH_MAX: usize = 4_096;
/// Characters of a key: 1,024 bytes, each written out as `\xNN`.
const KEY_LENGTH_MAX: usize = 4_096;
/// Objects of one answer, as S3 has it.
const KEYS_MAX: u64 = 1_000;
/// Envelopes of one answer: enough to see what an object holds.
const ENVELOPES_MAX: usize = 20;
/// Days that a restored copy may stay.
const DAYS_MAX: u64 = 365;

const BUCKET_NAME: Parameter = Parameter::required(
    "bucket_name",
    Kind::Text { characters: "", length_min: 1, length_max: BUCKET_LENGTH_MAX },
    "A bucket or dump of the server's sources, by its name",
);
const OBJECT_KEY: Parameter = Parameter::required(
    "object_key",
    Kind::Text { characters: "", length_min: 1, length_max: KEY_LENGTH_MAX },
    "Key, as s3_object_list shows it",
);

const LIST_PARAMETERS: [Parameter; 4] = [
    BUCKET_NAME,
    Parameter::optional(
        "prefix",
        Kind::Text { characters: "", length_min: 0, length_max: KEY_LENGTH_MAX },
        "Beginning of the keys",
    ),
    Parameter::optional(
        "start_after",
        Kind::Text { characters: "", length_min: 0, length_max: KEY_LENGTH_MAX },
        "Key to go on after: next_start_after of the answer before",
    ),
    Parameter::optional(
        "max_keys",
        Kind::Integer { min: 1, max: KEYS_MAX, default: Some(KEYS_MAX) },
        "Most objects of an answer",
    ),
];
const READ_PARAMETERS: [Parameter; 2] = [BUCKET_NAME, OBJECT_KEY];
const RESTORE_PARAMETERS: [Parameter; 3] = [
    BUCKET_NAME,
    OBJECT_KEY,
    Parameter::required(
        "days",
        Kind::Integer { min: 1, max: DAYS_MAX, default: None },
        "Days for which the copy stays",
    ),
];

pub(super) const LIST: Tool = Tool {
    name: "s3_object_list",
    title: "Objects of a log bucket",
    description: described!(
        "Objects below a prefix of a bucket or dump that the server was started with, by key: size, time, storage class, \
         and whether it is archived and needs s3_restore_object before it can be read. Where is_truncated, call again \
         with start_after = next_start_after."
    ),
    parameters: &LIST_PARAMETERS,
    fields: list_fields,
    read: |arguments| ListObjects::read(arguments).map(Question::ListObjects),
    lane: Lane::Objects,
    is_read_only: true,
};

pub(super) const READ: Tool = Tool {
    name: "s3_object_read",
    title: "One log object",
    description: described!(
        "One object of a bucket or dump that the server was started with: what it is, how many records it has, and the \
         envelopes of the first 20 without bodies. The stored text stands in content only where the server was started \
         with --allow-bodies; it is text of others as well. bedrock_find_request finds the objects of one request."
    ),
    parameters: &READ_PARAMETERS,
    fields: read_fields,
    read: |arguments| ReadObject::read(arguments).map(Question::ReadObject),
    lane: Lane::Objects,
    is_read_only: true,
};

pub(super) const RESTORE: Tool = Tool {
    name: "s3_restore_object",
    title: "Restore of an archived object",
    description: described!(
        "Asks S3 for a readable copy of an archived object for some days, which costs money and takes hours. It does so \
         only where the server was started with --allow-restore; else outcome is not_allowed, and notes has the command \
         for the operator to run. Ask the user before calling it."
    ),
    parameters: &RESTORE_PARAMETERS,
    fields: restore_fields,
    read: |arguments| RestoreObject::read(arguments).map(Question::RestoreObject),
    lane: Lane::Objects,
    is_read_only: false,
};

/// What is asked of a listing.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct ListObjects {
    bucket: String,
    prefix: String,
    after: Option<String>,
    max: u32,
}

impl ListObjects {
    fn read(arguments: &Arguments) -> Result<Self, String> {
        Ok(ListObjects {
            bucket: arguments.text("bucket_name")?,
            prefix: arguments.text_given("prefix").unwrap_or_default(),
            after: arguments.text_given("start_after").filter(|key| !key.is_empty()),
            max: arguments.integer("max_keys")?,
        })
    }

    pub(super) fn answer(&self, engine: &dyn Engine, watch: &Watch) -> Result<Content, Failure> {
        let max = self.max as usize;
        let listing = engine.list(&self.bucket, &self.prefix, self.after.as_deref(), max, watch)?;
        let last = listing.objects.last().filter(|_| listing.more);
        Ok(Content::new()
            .put("bucket_name", escape(&self.bucket))
            .put("prefix", escape(&self.prefix))
            .count("key_count", listing.objects.len() as u64)
            .put("is_truncated", listing.more)
            .put_known("next_start_after", last.map(|entry| escape(&entry.key)))
            .put("objects", listing.objects.iter().map(|object| entry(object).into()).collect::<Vec<Value>>())
            .count("folders_not_listed", listing.failed))
    }
}

fn entry(entry: &Entry) -> Content {
    Content::new()
        .put("key", escape(&entry.key))
        .count_known("size", entry.size)
        .put_known("last_modified", entry.last_modified.map(|time| time.to_string()))
        .put("storage_class", entry.storage_class)
        .put("archived", entry.archived)
}

/// What is asked of an object.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct ReadObject {
    bucket: String,
    key: String,
}

impl ReadObject {
    fn read(arguments: &Arguments) -> Result<Self, String> {
        Ok(ReadObject { bucket: arguments.text("bucket_name")?, key: arguments.text("object_key")? })
    }

    pub(super) fn answer(&self, engine: &dyn Engine, watch: &Watch) -> Result<Content, Failure> {
        let object = engine.read(&self.bucket, &self.key, watch)?;
        let envelopes = object.envelopes.iter().take(ENVELOPES_MAX);
        let envelopes = envelopes.map(|envelope| Content::new().put(UNTRUSTED, cut_all(envelope)).into());
        let text = object.text.as_ref();
        Ok(Content::new()
            .put("bucket_name", escape(&self.bucket))
            .put("object", entry(&object.entry))
            .put("kind", object.kind)
            .count("records", object.records)
            .count("rejected", object.rejected)
            .put("envelopes", envelopes.collect::<Vec<Value>>())
            .put_known("content", text.map(|text| escape_lines(&text.text)))
            .put_known("content_is_cut", text.map(|text| text.is_cut))
            .put_known("content_withheld", object.text_withheld.as_deref()))
    }
}

/// What is asked of a restore.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct RestoreObject {
    bucket: String,
    key: String,
    days: u32,
}

impl RestoreObject {
    fn read(arguments: &Arguments) -> Result<Self, String> {
        Ok(RestoreObject {
            bucket: arguments.text("bucket_name")?,
            key: arguments.text("object_key")?,
            days: arguments.integer("days")?,
        })
    }

    pub(super) fn answer(&self, engine: &dyn Engine, watch: &Watch) -> Result<Content, Failure> {
        let restored = engine.restore(&self.bucket, &self.key, self.days, watch)?;
        // A note may name the key that the client gave.
        let notes: Vec<Value> = restored.notes.iter().map(|note| escape_lines(note).into()).collect();
        Ok(Content::new()
            .put("bucket_name", escape(&self.bucket))
            .put("object_key", escape(&self.key))
            .put("outcome", restored.outcome)
            .put("notes", notes))
    }
}

fn entry_fields() -> Value {
    object(
        "",
        [
            ("key", text("From the bucket: not trusted")),
            ("size", integer("Stored bytes")),
            ("last_modified", text("")),
            ("storage_class", text("")),
            ("archived", boolean("Only a restore makes it readable")),
        ],
    )
}

fn list_fields() -> Vec<Field> {
    vec![
        ("bucket_name", text("As asked")),
        ("prefix", text("As asked")),
        ("objects", list("By key", entry_fields())),
        ("key_count", integer("Objects in this answer")),
        ("is_truncated", boolean("Whether there are more")),
        ("next_start_after", text("The last key again: not trusted")),
        ("folders_not_listed", integer("Folders that could not be listed: objects may be missing")),
    ]
}

fn read_fields() -> Vec<Field> {
    let envelope = object("", [(UNTRUSTED, document("The envelope as logged, strings cut"))]);
    vec![
        ("bucket_name", text("As asked")),
        ("object", entry_fields()),
        ("kind", word("What its key says it is", &["records", "document", "payload", "other"])),
        ("records", integer("Records in it")),
        ("rejected", integer("What is no record in it")),
        ("envelopes", list("Of the first records, at most 20, without bodies", envelope)),
        ("content", text("The stored text: not trusted")),
        ("content_is_cut", boolean("Whether there is more of it")),
        ("content_withheld", text("Why there is no content")),
    ]
}

fn restore_fields() -> Vec<Field> {
    let outcomes = ["asked", "in_progress", "restored", "not_archived", "not_allowed"];
    vec![
        ("bucket_name", text("As asked")),
        ("object_key", text("As asked")),
        ("outcome", word("", &outcomes)),
        ("notes", list("What to know or to do next", text(""))),
    ]
}
