//! The key grammar: what an object is, by its key alone.

use crate::document::DocumentKind;
use crate::time::{UtcDay, UtcHour};

/// What a key names. `prefix` is everything before the layout's own part, `/` included (or empty).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Key<'a> {
    /// A record object of the `aws` layout.
    AwsRecord {
        /// Before `AWSLogs/`.
        prefix: &'a [u8],
        /// 12 digits.
        account: &'a str,
        /// Source Region.
        region: &'a str,
        /// The folder's hour.
        hour: UtcHour,
    },
    /// A payload object under `data/` of the `aws` layout (under a large-data prefix too).
    AwsPayload {
        /// The folder's hour.
        hour: UtcHour,
    },
    /// `amazon-bedrock-logs-permission-check` at any depth.
    PermissionMarker,
    /// Ends in `/`.
    FolderMarker,
    /// One of the four documents of the `split` layout.
    SplitDocument {
        /// Before `YYYY/`.
        prefix: &'a [u8],
        /// The folder's hour.
        hour: UtcHour,
        /// Which of the four.
        kind: DocumentKind,
        /// From the file name.
        request_id: &'a str,
    },
    /// `YYYY/MM/DD/<requestId>/payload.json` of the large-data bucket.
    SplitPayload {
        /// Before `YYYY/`.
        prefix: &'a [u8],
        /// The day in the key.
        day: UtcDay,
        /// From the key.
        request_id: &'a str,
    },
    /// `aws-logs-write-test` of a CloudWatch export.
    WriteTestMarker,
    /// Hidden, `.tmp`, or a partial download (`name.XXXXXXXX`).
    TempFile,
    /// Outside both layouts.
    Other,
}

impl<'a> Key<'a> {
    /// Reads a key. Never fails: what fits no layout is [`Key::Other`].
    #[must_use]
    pub fn parse(_key: &'a [u8]) -> Key<'a> {
        unimplemented!()
    }
}
