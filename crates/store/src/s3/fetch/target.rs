//! What is asked for: a key, and what is known of the object under it.
//!
//! In: an [`Object`]. Out: what a request needs, and what a HEAD says is there now. Always: once an ETag is known,
//! listed or told by the first answer, every request asks for that version and no other; another one is accepted
//! at most once (faults A10). Absent: bodies.

use std::sync::Arc;

use aws_smithy_types::DateTime;

use super::effort::Effort;
use super::watch::{Silence, Watch};
use crate::s3::Dated;
use crate::s3::connect::Bucket;
use crate::s3::failure::{Trouble, classify, status};
use crate::s3::limiter::{Lane, Permit};
use crate::s3::restore;
use crate::{Object, ReadFailure, Restore, StorageClass, Version};

/// One object to be fetched.
#[derive(Clone)]
pub(super) struct Target {
    pub bucket: Arc<Bucket>,
    pub key: String,
    /// Listed, or told by the first answer.
    pub size: Option<u64>,
    /// The version, as S3 writes it: with quotes.
    pub etag: Option<String>,
    /// What is there is not what was listed.
    pub revised: bool,
    /// A listing has seen it, so it is there.
    listed: bool,
    /// A HEAD agreed with the listing after a GET had not.
    confirmed: bool,
}

impl Target {
    /// `None` where S3 can have no such key.
    pub(super) fn new(bucket: &Arc<Bucket>, object: &Object) -> Option<Self> {
        let key = String::from_utf8(object.key.to_vec()).ok()?;
        let etag = etag_of(&object.version);
        Some(Target {
            bucket: Arc::clone(bucket),
            key,
            size: object.size,
            listed: object.size.is_some() || etag.is_some(),
            etag,
            revised: false,
            confirmed: false,
        })
    }

    /// Who is going to read it.
    pub(super) fn lane(&self) -> Lane {
        if self.listed { Lane::Listed } else { Lane::Referred }
    }

    /// A 403 for a key that no listing has shown may hide that there is none (faults B20).
    pub(super) fn word(&self, failure: ReadFailure) -> ReadFailure {
        match failure {
            ReadFailure::AccessDenied if !self.listed => ReadFailure::AbsentOrDenied,
            _ => failure,
        }
    }

    /// Looks the key up after a GET found something else than was listed: another version, or a body of another
    /// length. `word` is what to call it when a HEAD says that the listing was right, and a GET that it was not.
    ///
    /// # Errors
    /// Where this is the second time, or nothing is there, or it cannot be looked up.
    pub(super) async fn look_again(
        &mut self,
        word: ReadFailure,
        permit: &mut Option<Permit>,
        effort: &mut Effort,
    ) -> Result<(), ReadFailure> {
        if self.revised {
            return Err(ReadFailure::Changed);
        }
        if self.confirmed {
            return Err(word);
        }
        let found = self.look_up(permit, effort).await?.ok_or(ReadFailure::Vanished)?.object;
        let etag = etag_of(&found.version);
        // Without a length, neither the budget nor the end of a body could be told.
        let size = found.size.ok_or(ReadFailure::ShortBody)?;
        if self.size == Some(size) && same_version(self.etag.as_deref(), etag.as_deref()) {
            self.confirmed = true;
        } else {
            self.revised = self.listed;
            self.confirmed = !self.listed;
            self.size = Some(size);
            self.etag = etag;
        }
        Ok(())
    }

    /// Asks what is under the key now (HeadObject).
    pub(super) async fn look_up(
        &self,
        permit: &mut Option<Permit>,
        effort: &mut Effort,
    ) -> Result<Option<Dated>, ReadFailure> {
        loop {
            let request = self
                .bucket
                .client()
                .head_object()
                .bucket(&self.bucket.name)
                .key(&self.key)
                .set_request_payer(self.bucket.request_payer());
            let trouble = match Watch::new(&self.bucket).wait(request.send()).await {
                Ok(Ok(answer)) => {
                    let modified_seconds = answer.last_modified().map(DateTime::secs);
                    let object = Object {
                        key: self.key.as_bytes().into(),
                        size: answer.content_length().and_then(|bytes| u64::try_from(bytes).ok()),
                        version: answer.e_tag().map_or(Version::Unknown, version_of),
                        identity: Some(self.bucket.identity(self.key.as_bytes())),
                        class: StorageClass::parse(answer.storage_class().map_or("", |class| class.as_str())),
                        restore: restore_of(answer.restore()),
                    };
                    return Ok(Some(Dated { object, modified_seconds }));
                }
                Ok(Err(error)) if status(&error) == Some(404) => return Ok(None),
                Ok(Err(error)) => classify(&error),
                Err(Silence::Stopped) => return Err(ReadFailure::Stopped),
                Err(Silence::Stalled) => Trouble::Transient(ReadFailure::Connection),
            };
            effort.again(&self.bucket, permit, &trouble).await.map_err(|failure| self.word(failure))?;
        }
    }
}

/// An ETag as a listing or an answer writes it, with or without quotes.
pub(crate) fn version_of(etag: &str) -> Version {
    let bare = etag.trim_matches('"');
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut digest = [0; 16];
    if bare.len() == 2 * digest.len() {
        let pairs = bare.as_bytes().chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?));
        if digest.iter_mut().zip(pairs).all(|(to, byte)| byte.map(|byte| *to = byte).is_some()) {
            return Version::Digest(digest);
        }
    }
    match bare {
        "" => Version::Unknown,
        _ if etag.len() == bare.len() => Version::Etag(format!("\"{etag}\"").into()),
        _ => Version::Etag(etag.into()),
    }
}

/// A version as `If-Match` wants it.
fn etag_of(version: &Version) -> Option<String> {
    match version {
        Version::Digest(digest) => {
            let mut etag = String::with_capacity(34);
            etag.push('"');
            for byte in digest {
                for digit in [byte >> 4, byte & 15] {
                    etag.push(char::from(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }));
                }
            }
            etag.push('"');
            Some(etag)
        }
        Version::Etag(etag) => Some(etag.to_string()),
        Version::Unknown | Version::Modified { .. } => None,
    }
}

/// Whether two ETags say the same; some servers leave out the quotes here and there.
pub(super) fn same_version(one: Option<&str>, other: Option<&str>) -> bool {
    one.map(|etag| etag.trim_matches('"')) == other.map(|etag| etag.trim_matches('"'))
}

/// `x-amz-restore`, without its date.
fn restore_of(header: Option<&str>) -> Restore {
    header.map_or(Restore::None, |header| restore::parse(header).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_survive_the_way_through_a_version() {
        for etag in
            ["\"0123456789abcdef0123456789abcdef\"", "\"0123456789abcdef0123456789abcdef-3\"", "\"x\""]
        {
            assert_eq!(etag_of(&version_of(etag)).as_deref(), Some(etag));
            assert_eq!(etag_of(&version_of(etag.trim_matches('"'))).as_deref(), Some(etag));
        }
        assert_eq!(version_of("\"\""), Version::Unknown);
    }

    #[test]
    fn b18_only_32_lower_case_digits_are_a_digest() {
        assert!(matches!(version_of("\"0123456789abcdef0123456789abcdef\""), Version::Digest(_)));
        for etag in [
            "\"0123456789abcdef0123456789abcdef-12\"",
            "\"0123456789ABCDEF0123456789ABCDEF\"",
            "\"0123456789abcdef0123456789abcde\"",
            "\"0123456789abcdef0123456789abcdeg\"",
        ] {
            assert!(matches!(version_of(etag), Version::Etag(_)), "{etag}");
        }
    }

    #[test]
    fn b09_state_of_a_restore_is_read_from_its_header() {
        assert_eq!(restore_of(None), Restore::None);
        assert_eq!(restore_of(Some("ongoing-request=\"true\"")), Restore::InProgress);
        let done = "ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2012 00:00:00 GMT\"";
        assert_eq!(restore_of(Some(done)), Restore::Restored);
    }
}
