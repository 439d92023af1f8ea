//! What `borehole doctor` asks: who reads, what they may, and what the bucket is about to do.
//!
//! In: a bucket. Out: [`Answer`]s, of which a refusal is one. Always: nothing is changed, and no word of an answer
//! is a server's own, but for names that the operator wrote (the caller's ARN, a rule's id and prefix). Absent:
//! what to make of it.

use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{
    ExpirationStatus, LifecycleRule as WireRule, LifecycleRuleFilter, TransitionStorageClass,
};
use aws_smithy_types::timeout::TimeoutConfig;

use super::S3Store;
use super::connect::Unanswered;
use super::failure::{Trouble, classify, has_code, status};
use super::limits::CONNECT_TIMEOUT;
use crate::ReadFailure;

/// All of a question to STS, its retries included: whoever asks waits for it.
const CALLER_TIMEOUT: Duration = Duration::from_secs(20);

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
    /// Objects are deleted so many days after they were written; 0 where the rule names a date instead.
    pub expires_after_days: Option<u32>,
    /// Objects are moved: (days, storage class); 0 days where the rule names a date instead.
    pub transitions: Vec<(u32, crate::StorageClass)>,
}

impl S3Store {
    /// Who asks. [`Answer::None`] where requests are not signed, [`Answer::Unsupported`] where another server than
    /// AWS is asked and no address of an STS is configured (`AWS_ENDPOINT_URL_STS`, `AWS_ENDPOINT_URL`).
    pub fn caller(&self) -> Answer<Caller> {
        if self.shared.options.no_sign_request {
            return Answer::None;
        }
        let config = self.shared.config();
        let has_address = || {
            config.endpoint_url().is_some()
                || std::env::var("AWS_ENDPOINT_URL_STS").is_ok_and(|url| !url.is_empty())
        };
        if !self.is_aws() && !has_address() {
            return Answer::Unsupported;
        }
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_timeout(CALLER_TIMEOUT)
            .build();
        let config = aws_sdk_sts::config::Builder::from(&config)
            .region(aws_sdk_sts::config::Region::new(self.shared.region()))
            .timeout_config(timeouts)
            .build();
        let client = aws_sdk_sts::Client::from_conf(config);
        let asked = self.shared.connections.runtime.block_on(client.get_caller_identity().send());
        match asked {
            Ok(caller) => match (caller.account(), caller.arn()) {
                (Some(account), Some(arn)) => {
                    Answer::Given(Caller { account: account.to_owned(), arn: arn.to_owned() })
                }
                _ => Answer::None,
            },
            Err(error) => refusal(&error, &classify(&error)),
        }
    }

    /// The enabled rules of the bucket (s3:GetLifecycleConfiguration) that delete or move current objects.
    pub fn lifecycle(&self) -> Answer<Vec<LifecycleRule>> {
        let asked =
            self.ask(|client| client.get_bucket_lifecycle_configuration().bucket(&self.shared.name).send());
        match asked {
            Ok(answer) => Answer::Given(answer.rules().iter().filter_map(rule).collect()),
            Err(refused) if has_code(&refused.error, "NoSuchLifecycleConfiguration") => Answer::None,
            Err(refused) => refusal(&refused.error, &refused.trouble),
        }
    }

    /// Whether the first byte of a key can be read (s3:GetObject, and kms:Decrypt where it is encrypted so: that is
    /// `Failed("kms")`).
    pub fn get_first_byte(&self, key: &[u8]) -> Answer<()> {
        // No key of S3 is anything but UTF-8.
        let Ok(key) = std::str::from_utf8(key) else { return Answer::None };
        let asked = self.ask(|client| {
            client
                .get_object()
                .bucket(&self.shared.name)
                .key(key)
                .range("bytes=0-0")
                .set_request_payer(self.shared.request_payer())
                .send()
        });
        match asked {
            Ok(_) => Answer::Given(()),
            // An empty object has no first byte, and only who may read it hears that.
            Err(refused) if status(&refused.error) == Some(416) => Answer::Given(()),
            Err(refused) if refused.trouble == Trouble::Object(ReadFailure::Vanished) => Answer::None,
            Err(refused) => refusal(&refused.error, &refused.trouble),
        }
    }

    /// Whether a prefix may be listed (s3:ListBucket): one page of at most one key.
    pub fn may_list(&self, prefix: &[u8]) -> Answer<()> {
        let Ok(prefix) = std::str::from_utf8(prefix) else { return Answer::None };
        let asked = self.ask(|client| {
            client
                .list_objects_v2()
                .bucket(&self.shared.name)
                .set_prefix((!prefix.is_empty()).then(|| prefix.to_owned()))
                .max_keys(1)
                .set_request_payer(self.shared.request_payer())
                .send()
        });
        match asked {
            Ok(_) => Answer::Given(()),
            Err(refused) => refusal(&refused.error, &refused.trouble),
        }
    }

    /// Whether the request goes to AWS itself, not to another server of the same protocol.
    #[must_use]
    pub fn is_aws(&self) -> bool {
        self.shared.is_aws()
    }

    fn ask<T, E, F>(&self, request: impl Fn(aws_sdk_s3::Client) -> F) -> Result<T, Unanswered<E>>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        self.shared.connections.runtime.block_on(self.shared.ask(request))
    }
}

fn refusal<T, E>(error: &SdkError<E, HttpResponse>, trouble: &Trouble) -> Answer<T> {
    match (trouble, status(error)) {
        (Trouble::Object(ReadFailure::AccessDenied), _) => Answer::Denied,
        (Trouble::Object(ReadFailure::Refused), Some(405 | 501)) => Answer::Unsupported,
        (Trouble::Fatal(fatal), _) => Answer::Failed(fatal.explain().0),
        (Trouble::Expired, _) => Answer::Failed("the credentials have expired"),
        (Trouble::Skewed, _) => Answer::Failed("this machine's clock is off"),
        (Trouble::Elsewhere(_), _) => Answer::Failed("the bucket is in another Region"),
        (trouble, _) => Answer::Failed(trouble.word().as_str()),
    }
}

fn rule(rule: &WireRule) -> Option<LifecycleRule> {
    if *rule.status() != ExpirationStatus::Enabled {
        return None;
    }
    let days = |days: Option<i32>| days.and_then(|days| u32::try_from(days).ok());
    let by_date = |has_date: bool| has_date.then_some(0);
    let expires_after_days = rule
        .expiration()
        .and_then(|expiration| days(expiration.days()).or(by_date(expiration.date().is_some())));
    let transitions: Vec<_> = rule
        .transitions()
        .iter()
        .filter_map(|transition| {
            let after = days(transition.days()).or(by_date(transition.date().is_some()))?;
            let class = transition.storage_class().map_or("", TransitionStorageClass::as_str);
            Some((after, crate::StorageClass::parse(class)))
        })
        .collect();
    if expires_after_days.is_none() && transitions.is_empty() {
        return None;
    }
    let filter = rule.filter();
    let both = filter.and_then(LifecycleRuleFilter::and);
    #[expect(deprecated, reason = "rules that were written before filters have their prefix here")]
    let old_prefix = rule.prefix();
    let prefix = filter
        .and_then(LifecycleRuleFilter::prefix)
        .or_else(|| both.and_then(|both| both.prefix()))
        .or(old_prefix)
        .unwrap_or("");
    let has_other_filters = filter.is_some_and(|filter| {
        filter.tag().is_some()
            || filter.object_size_greater_than().is_some()
            || filter.object_size_less_than().is_some()
    }) || both.is_some_and(|both| {
        !both.tags().is_empty()
            || both.object_size_greater_than().is_some()
            || both.object_size_less_than().is_some()
    });
    Some(LifecycleRule {
        id: rule.id().unwrap_or("").to_owned(),
        prefix: prefix.to_owned(),
        has_other_filters,
        expires_after_days,
        transitions,
    })
}

/// The Region this machine is in: `AWS_REGION`, then `AWS_DEFAULT_REGION`; `None` where it is not said.
#[must_use]
pub fn reader_region() -> Option<String> {
    ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .filter(|name| !name.is_empty())
}
