//! Bad data as values: why a document, a record or an object was not counted, and what was odd but counted.
//!
//! Every name here is a word of the report's contract. No variant carries text from the input.

/// Why one document or record was refused. The rest of its object is read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RejectReason {
    /// The envelope is not valid JSON.
    JsonSyntax,
    /// The input ends inside the document.
    JsonTruncated,
    /// A key that is used stands twice at one level.
    DuplicateKey,
    /// A field that is used is not valid UTF-8, or holds a lone surrogate.
    FieldUtf8,
    /// A field that is used is longer than 4 KiB.
    FieldTooLong,
    /// Nested deeper than 512.
    TooDeep,
    /// JSON, but not an object.
    NotAnObject,
    /// An object with none of a record's fields.
    NotARecord,
    /// A token count that is not a number with an integer value.
    TokenCountType,
    /// A token count below 0 or above 2^40.
    TokenCountRange,
    /// A field that is used has another JSON type than the log's.
    FieldType,
    /// The timestamp is missing or not a time.
    Timestamp,
    /// No `modelId` in the record, nor in any document of the request.
    ModelId,
    /// The id inside a split document differs from its file name.
    RequestIdMismatch,
}

impl RejectReason {
    /// The word in the report and in `--rejects`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RejectReason::JsonSyntax => "json_syntax",
            RejectReason::JsonTruncated => "json_truncated",
            RejectReason::DuplicateKey => "duplicate_key",
            RejectReason::FieldUtf8 => "field_utf8",
            RejectReason::FieldTooLong => "field_too_long",
            RejectReason::TooDeep => "too_deep",
            RejectReason::NotAnObject => "not_an_object",
            RejectReason::NotARecord => "not_a_record",
            RejectReason::TokenCountType => "token_count_type",
            RejectReason::TokenCountRange => "token_count_range",
            RejectReason::FieldType => "field_type",
            RejectReason::Timestamp => "timestamp",
            RejectReason::ModelId => "model_id",
            RejectReason::RequestIdMismatch => "request_id_mismatch",
        }
    }
}

/// One refused span of an object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Reject {
    /// Byte offset of the span in the decoded object.
    pub offset: u64,
    /// Length of the span in bytes.
    pub bytes: u64,
    /// Why.
    pub reason: RejectReason,
}

/// Why an object as a whole was not counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ObjectFailure {
    /// The gzip data ends early, in a header, in deflate data or in the trailer.
    GzTruncated,
    /// A member's CRC-32 does not match.
    GzCrc,
    /// A member's length does not match modulo 2^32.
    GzIsize,
    /// A member header with reserved bits, another method, a wrong header CRC or over 128 KiB of optional fields.
    GzHeader,
    /// Bytes after the last member that are neither a member nor zero padding.
    GzTrailingGarbage,
    /// The deflate data is not valid.
    GzCorrupt,
    /// gzip inside gzip.
    NestedCompression,
    /// zstd, bzip2, xz, zip, Parquet or tar under a record key.
    UnsupportedFormat,
    /// More than the limit of decoded bytes.
    DecodedLimit,
    /// UTF-16 or UTF-32 text.
    EncodingUtf16,
    /// A top-level array or a wrapper that never closes.
    JsonTruncated,
}

impl ObjectFailure {
    /// The word in the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ObjectFailure::GzTruncated => "gz_truncated",
            ObjectFailure::GzCrc => "gz_crc",
            ObjectFailure::GzIsize => "gz_isize",
            ObjectFailure::GzHeader => "gz_header",
            ObjectFailure::GzTrailingGarbage => "gz_trailing_garbage",
            ObjectFailure::GzCorrupt => "gz_corrupt",
            ObjectFailure::NestedCompression => "nested_compression",
            ObjectFailure::UnsupportedFormat => "unsupported_format",
            ObjectFailure::DecodedLimit => "decoded_limit",
            ObjectFailure::EncodingUtf16 => "encoding_utf16",
            ObjectFailure::JsonTruncated => "json_truncated",
        }
    }
}

/// Something odd that changes nothing but is counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Warning {
    /// Invalid UTF-8 or a lone surrogate inside a body.
    Utf8InBody,
    /// A token count written as `5.0` or `5e0`, or `-0`.
    IntAsFloat,
    /// A token count written as a string of digits (with `--lenient-numbers`).
    NumberAsString,
    /// An object of 0 bytes.
    EmptyObject,
    /// The name says gzip and the bytes do not, or the other way round.
    ExtMismatch,
    /// Zero bytes after the last gzip member.
    GzZeroPadding,
    /// A timestamp in the space-separated form without an offset: read as UTC.
    TimestampNoOffset,
    /// Second 60 anywhere but at 23:59:60 UTC.
    LeapSecond,
    /// Both an inline body and a path.
    RefAndInline,
    /// A tag value that is not a string.
    TagType,
}

impl Warning {
    /// All warnings, in the order of the counters of [`Warnings`].
    pub const ALL: [Warning; 10] = [
        Warning::Utf8InBody,
        Warning::IntAsFloat,
        Warning::NumberAsString,
        Warning::EmptyObject,
        Warning::ExtMismatch,
        Warning::GzZeroPadding,
        Warning::TimestampNoOffset,
        Warning::LeapSecond,
        Warning::RefAndInline,
        Warning::TagType,
    ];

    /// The word in the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Warning::Utf8InBody => "utf8_in_body",
            Warning::IntAsFloat => "int_as_float",
            Warning::NumberAsString => "number_as_string",
            Warning::EmptyObject => "empty_object",
            Warning::ExtMismatch => "ext_mismatch",
            Warning::GzZeroPadding => "gz_zero_padding",
            Warning::TimestampNoOffset => "timestamp_no_offset",
            Warning::LeapSecond => "leap_second",
            Warning::RefAndInline => "ref_and_inline",
            Warning::TagType => "tag_type",
        }
    }
}

/// How often each [`Warning`] was raised.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Warnings([u64; Warning::ALL.len()]);

impl Warnings {
    /// Counts one.
    pub fn raise(&mut self, warning: Warning) {
        self.0[warning as usize] += 1;
    }

    /// Counts several.
    pub fn raise_by(&mut self, warning: Warning, count: u64) {
        self.0[warning as usize] += count;
    }

    /// Adds the counts of `other`.
    pub fn merge(&mut self, other: &Warnings) {
        for (own, more) in self.0.iter_mut().zip(other.0) {
            *own += more;
        }
    }

    /// The warnings that were raised, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Warning, u64)> + '_ {
        Warning::ALL
            .into_iter()
            .map(|warning| (warning, self.0[warning as usize]))
            .filter(|&(_, count)| count > 0)
    }
}
