//! Whether the bytes that came are the bytes that are stored.
//!
//! In: an answer's headers, and at the end the bytes. Out: sound or not. Always: gzip is left to its own checksums
//! (its reader checks every one), an answer with an `x-amz-checksum-…` to the SDK, which fails the body's end, and
//! only what has neither is compared with an ETag, and only one that is an MD5 (faults A13, B18). Absent: objects
//! that offer nothing of the kind: of them only the length is known.

use std::error::Error as StdError;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStreamError;
use aws_sdk_s3::types::ServerSideEncryption;
use md5::{Digest, Md5};

use super::piece::Chunk;
use super::target::version_of;
use crate::Version;
use crate::s3::connect::Bucket;
use crate::s3::limits::HASH_INLINE_BYTES;

/// What an answer offers to verify its object by.
#[derive(Clone, Copy, Default)]
pub(super) struct Seal {
    /// The SDK compares this answer's body with a checksum, if it is read from its beginning to its end.
    pub by_sdk: bool,
    /// The object's MD5.
    pub md5: Option<[u8; 16]>,
}

impl Seal {
    pub(super) fn of(answer: &GetObjectOutput, bucket: &Bucket) -> Self {
        let checksums = [
            answer.checksum_crc64_nvme(),
            answer.checksum_crc32_c(),
            answer.checksum_crc32(),
            answer.checksum_sha1(),
            answer.checksum_sha256(),
        ];
        // `…-3` is a checksum of the checksums of 3 parts, which nobody can compare with a body.
        let by_sdk = checksums.into_iter().flatten().any(|checksum| !checksum.contains('-'));
        Seal { by_sdk, md5: md5_of(answer, bucket) }
    }
}

/// The ETag, where it is the MD5 of the bytes: on AWS with SSE-S3 or none, elsewhere only where encryption is not
/// mentioned, for other servers have other rules.
fn md5_of(answer: &GetObjectOutput, bucket: &Bucket) -> Option<[u8; 16]> {
    let Version::Digest(digest) = version_of(answer.e_tag()?) else { return None };
    let is_plain = match answer.server_side_encryption() {
        None => true,
        Some(ServerSideEncryption::Aes256) => bucket.is_aws(),
        Some(_) => false,
    };
    (is_plain && answer.sse_customer_algorithm().is_none()).then_some(digest)
}

/// Whether a body begins like gzip.
pub(super) fn is_gzip(chunks: &[Chunk]) -> bool {
    let mut bytes = chunks.iter().flat_map(|chunk| chunk.as_ref().iter().take(2)).take(2);
    bytes.next() == Some(&0x1f) && bytes.next() == Some(&0x8b)
}

/// Whether the chunks have this MD5; gives them back. `None` where the runtime is going down.
pub(super) async fn has_md5(chunks: Vec<Chunk>, expected: [u8; 16]) -> Option<(Vec<Chunk>, bool)> {
    let bytes: usize = chunks.iter().map(|chunk| chunk.as_ref().len()).sum();
    let compare = move || {
        let mut md5 = Md5::new();
        for chunk in &chunks {
            md5.update(chunk.as_ref());
        }
        let same = md5.finalize().as_slice() == expected;
        (chunks, same)
    };
    if bytes <= HASH_INLINE_BYTES {
        return Some(compare());
    }
    tokio::task::spawn_blocking(compare).await.ok()
}

/// Whether a body's end failed because the SDK found another checksum.
pub(super) fn is_checksum_mismatch(error: &ByteStreamError) -> bool {
    // The error's type is in a crate that is not ours to name; a test holds us to its text.
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if error.to_string().starts_with("body checksum mismatch") {
            return true;
        }
        next = error.source();
    }
    false
}
