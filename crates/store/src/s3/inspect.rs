//! What `borehole doctor` asks: who reads, what they may, and what the bucket is about to do.

use super::S3Store;

/// Who the credentials say we are (sts:GetCallerIdentity).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// 12 digits.
    pub account: String,
    /// The ARN.
    pub arn: String,
}

/// What became of asking for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// It was answered.
    Given(T),
    /// There is none: no lifecycle rules, no such object.
    None,
    /// 403.
    Denied,
    /// The server does not know the question.
    Unsupported,
    /// It failed otherwise; the word is our own.
    Failed(&'static str),
}

/// One rule of a bucket's lifecycle configuration, as far as it deletes or moves current objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleRule {
    /// Its name.
    pub id: String,
    /// Only keys that begin with this.
    pub prefix: String,
    /// It filters by more than a prefix (tags, sizes).
    pub has_other_filters: bool,
    /// Objects are deleted so many days after they were written.
    pub expires_after_days: Option<u32>,
    /// Objects are moved: (days, storage class).
    pub transitions: Vec<(u32, crate::StorageClass)>,
}

impl S3Store {
    /// Who asks.
    pub fn caller(&self) -> Answer<Caller> {
        Answer::Unsupported
    }

    /// The enabled rules of the bucket (s3:GetLifecycleConfiguration).
    pub fn lifecycle(&self) -> Answer<Vec<LifecycleRule>> {
        Answer::Unsupported
    }

    /// Whether the first byte of a key can be read (s3:GetObject, and kms:Decrypt where it is encrypted so).
    pub fn get_first_byte(&self, _key: &[u8]) -> Answer<()> {
        Answer::Unsupported
    }

    /// Whether a prefix may be listed (s3:ListBucket): one page of at most one key.
    pub fn may_list(&self, _prefix: &[u8]) -> Answer<()> {
        Answer::Unsupported
    }

    /// Whether the request goes to AWS itself, not to another server of the same protocol.
    #[must_use]
    pub fn is_aws(&self) -> bool {
        self.shared.options.endpoint_url.is_none()
    }
}

/// The Region this machine is in: `AWS_REGION`, then `AWS_DEFAULT_REGION`; `None` where it is not said.
#[must_use]
pub fn reader_region() -> Option<String> {
    ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .filter(|name| !name.is_empty())
}
