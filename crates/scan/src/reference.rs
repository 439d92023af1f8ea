//! Payload references: what a record's `*BodyS3Path` names, and when nobody may look there.
//!
//! In: a path as logged, untrusted. Out: bucket and key, or the word of the report for refusing it (faults G2 to G5).
//! Always: whoever follows a reference, in a run or for a download, holds it to these rules. Absent: which buckets are
//! the run's; that is for the one who has them.

/// A bucket and a key in it, as a record spells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// Compared byte by byte with the operator's own buckets.
    pub bucket: &'a str,
    /// Not yet known to be sound: see [`Reference::refusal`].
    pub key: &'a str,
}

impl<'a> Reference<'a> {
    /// Takes a path apart; `None` where it is not `s3://…`, which is refused as `scheme`.
    #[must_use]
    pub fn parse(path: &'a str) -> Option<Self> {
        let rest = path.strip_prefix("s3://")?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        Some(Reference { bucket, key })
    }

    /// Why the key must not be asked for: `key`, or `account` where it lies under another account than the record's.
    #[must_use]
    pub fn refusal(&self, account: Option<&str>) -> Option<&'static str> {
        if !is_sound(self.key.as_bytes()) {
            return Some("key");
        }
        let mut segments = self.key.split('/');
        let other = segments.any(|segment| segment == "AWSLogs")
            && segments.next().zip(account).is_some_and(|(named, account)| named != account);
        other.then_some("account")
    }

    /// The bucket's name for people, no longer than such names are.
    #[must_use]
    pub fn bucket_shown(&self) -> String {
        self.bucket.chars().take(63).collect()
    }
}

/// Keys as S3 would take them: 1…1,024 bytes, no empty, `.` or `..` segment, no NUL.
pub(crate) fn is_sound(key: &[u8]) -> bool {
    !key.is_empty()
        && key.len() <= 1_024
        && !key.contains(&0)
        && key.split(|&byte| byte == b'/').all(|segment| !matches!(segment, b"" | b"." | b".."))
}
