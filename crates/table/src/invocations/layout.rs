//! The columns of a row, as every reader of Parquet sees them.
//!
//! In: nothing. Out: names, types and order, and Parquet's schema of them. Always: one [`super::ROW_VERSION`] has
//! one layout; our own reader refuses files of another.

use polars_parquet_format::{
    ConvertedType, FieldRepetitionType, ListType, LogicalType, MicroSeconds, SchemaElement, StringType,
    TimeUnit, TimestampType, Type,
};

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// UTF-8.
    Text,
    /// 64 bits with a sign, which every engine knows.
    Integer,
    /// Yes or no.
    Boolean,
    /// Microseconds since the epoch, UTC.
    Timestamp,
}

/// A column of values; the tags are two, one of keys and one of values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// The path in the schema, with dots between its names.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    /// Whether a row may have no value.
    pub(super) is_optional: bool,
    /// Whether it lies in the list of tags.
    pub(super) is_tag: bool,
}

const fn column(path: &'static str, kind: Kind, is_optional: bool) -> Column {
    Column { path, kind, is_optional, is_tag: false }
}

const fn required(path: &'static str, kind: Kind) -> Column {
    column(path, kind, false)
}

const fn text(path: &'static str) -> Column {
    column(path, Kind::Text, true)
}

const fn integer(path: &'static str) -> Column {
    column(path, Kind::Integer, true)
}

const fn tag(path: &'static str) -> Column {
    Column { path, kind: Kind::Text, is_optional: false, is_tag: true }
}

/// Where the keys of the tags are.
pub(super) const TAG_KEYS: &str = "tags.list.element.key";
/// Where the values of the tags are.
pub(super) const TAG_VALUES: &str = "tags.list.element.value";

/// All columns, in their order in the file.
pub(super) const COLUMNS: [Column; 39] = [
    text("request_id"),
    required("timestamp", Kind::Timestamp),
    // Nanoseconds below the microsecond.
    required("timestamp_nanos", Kind::Integer),
    text("account"),
    text("region"),
    text("inference_region"),
    required("model", Kind::Text),
    required("model_id", Kind::Text),
    required("scope", Kind::Text),
    text("operation"),
    text("identity_arn"),
    text("role"),
    text("session"),
    tag(TAG_KEYS),
    tag(TAG_VALUES),
    text("error_code"),
    integer("status"),
    text("stop_reason"),
    text("service_tier"),
    integer("input_tokens"),
    integer("output_tokens"),
    integer("cache_read_tokens"),
    integer("cache_write_tokens"),
    integer("cache_write_5m_tokens"),
    integer("cache_write_1h_tokens"),
    integer("max_tokens"),
    integer("latency_ms"),
    integer("first_byte_ms"),
    integer("input_bytes"),
    integer("output_bytes"),
    required("image_count", Kind::Integer),
    required("document_count", Kind::Integer),
    text("input_kinds"),
    text("output_kinds"),
    required("input_location", Kind::Text),
    required("output_location", Kind::Text),
    required("payload_lost", Kind::Boolean),
    required("source_object", Kind::Text),
    required("source_offset", Kind::Integer),
];

/// The columns that are counts, by the names of the fields.
pub(super) const COUNTS: [&str; 11] = [
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "max_tokens",
    "latency_ms",
    "first_byte_ms",
    "input_bytes",
    "output_bytes",
];

/// Which column sorts the rows first of all: `timestamp`.
pub(super) const SORTED_BY: i32 = 1;

impl Column {
    /// How its values are stored.
    pub(super) fn physical(&self) -> Type {
        match self.kind {
            Kind::Text => Type::BYTE_ARRAY,
            Kind::Integer | Kind::Timestamp => Type::INT64,
            Kind::Boolean => Type::BOOLEAN,
        }
    }

    fn element(&self) -> SchemaElement {
        let (logical, converted) = match self.kind {
            Kind::Text => (Some(LogicalType::STRING(StringType {})), Some(ConvertedType::UTF8)),
            Kind::Timestamp => {
                let unit = TimeUnit::MICROS(MicroSeconds {});
                let utc = TimestampType { is_adjusted_to_u_t_c: true, unit };
                (Some(LogicalType::TIMESTAMP(utc)), Some(ConvertedType::TIMESTAMP_MICROS))
            }
            Kind::Integer | Kind::Boolean => (None, None),
        };
        let repetition = match self.is_optional {
            true => FieldRepetitionType::OPTIONAL,
            false => FieldRepetitionType::REQUIRED,
        };
        let name = self.path.rsplit('.').next().unwrap_or(self.path);
        SchemaElement {
            type_: Some(self.physical()),
            logical_type: logical,
            converted_type: converted,
            ..group(name, Some(repetition), None)
        }
    }
}

/// Parquet's schema of the columns: the tree, each node before those below it.
pub(super) fn schema() -> Vec<SchemaElement> {
    // The two columns of the tags are one field.
    let mut schema = vec![group("invocations", None, Some(COLUMNS.len() as i32 - 1))];
    for column in &COLUMNS {
        if column.path == TAG_KEYS {
            let list = (Some(LogicalType::LIST(ListType {})), Some(ConvertedType::LIST));
            schema.push(SchemaElement {
                logical_type: list.0,
                converted_type: list.1,
                ..group("tags", Some(FieldRepetitionType::REQUIRED), Some(1))
            });
            schema.push(group("list", Some(FieldRepetitionType::REPEATED), Some(1)));
            schema.push(group("element", Some(FieldRepetitionType::REQUIRED), Some(2)));
        }
        schema.push(column.element());
    }
    schema
}

fn group(
    name: &str,
    repetition_type: Option<FieldRepetitionType>,
    num_children: Option<i32>,
) -> SchemaElement {
    SchemaElement {
        type_: None,
        type_length: None,
        repetition_type,
        name: name.to_owned(),
        num_children,
        converted_type: None,
        scale: None,
        precision: None,
        field_id: None,
        logical_type: None,
    }
}
