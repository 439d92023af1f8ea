//! What went wrong with a request, sorted by what to do about it.
//!
//! In: an error of the SDK. Out: a [`Trouble`]. Always: a server's text never gets further than this file; its
//! error code is compared with a list of known ones and then forgotten (faults A16, K1). Sources of the codes:
//! the S3 API reference, "Error responses"; the Glacier and KMS codes stand there and in the KMS API reference.

use std::error::Error as StdError;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::ReadFailure;

/// The first pause before another attempt is up to this long; each further one up to twice as long.
const PAUSE_START: Duration = Duration::from_millis(100);

/// No pause is longer than this: S3's own advice for SlowDown, and 12 attempts then take about a minute.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// A server may ask for no longer wait than this; one that says "tomorrow" must not hold up a run.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// What to do about a failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Try again later, and ask for less at once (503 SlowDown, 429, Throttling…).
    Throttled {
        /// What the server asked us to wait (`x-amz-retry-after`, `Retry-After`).
        after: Option<Duration>,
    },
    /// Try again: 500, 502, 504, a broken or silent connection. The word is what to call it when it stays.
    Transient(ReadFailure),
    /// The credentials are too old, or could not be loaded: get new ones, then try again.
    Expired,
    /// The clock differs too much: take the server's, then try again once.
    Skewed,
    /// The bucket is in another Region (its name, checked): ask there.
    Elsewhere(Option<String>),
    /// Nothing will help for this object.
    Object(ReadFailure),
    /// Nothing will help for this run.
    Fatal(Fatal),
}

/// Why no request of this run can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fatal {
    /// NoSuchBucket.
    NoSuchBucket,
    /// InvalidAccessKeyId, SignatureDoesNotMatch and the like, or credentials that expired for good.
    Credentials,
    /// No credentials were found at all.
    NoCredentials,
    /// AccountProblem, AllAccessDisabled, NotSignedUp.
    Account,
    /// Wrong Region, and the server does not say which is right.
    Region,
    /// The clock is off, and signing with the server's time did not help.
    Clock,
    /// No connection was ever made.
    Network,
    /// AccessDenied where the run cannot go on without.
    AccessDenied,
    /// The requester pays, and that was not agreed to.
    RequesterPays,
    /// No address can be made of the bucket's name, the Region and the endpoint.
    Address,
}

impl Trouble {
    /// What to call it for one object, where it stays.
    pub(crate) fn word(&self) -> ReadFailure {
        match self {
            Trouble::Throttled { .. } => ReadFailure::Throttled,
            Trouble::Transient(word) | Trouble::Object(word) => *word,
            Trouble::Expired | Trouble::Skewed | Trouble::Elsewhere(_) | Trouble::Fatal(_) => {
                ReadFailure::Stopped
            }
        }
    }
}

impl Fatal {
    /// Our words for it, and what to do next.
    pub(crate) fn explain(self) -> (&'static str, &'static str) {
        match self {
            Fatal::NoSuchBucket => ("there is no such bucket", "check the bucket's name and --endpoint-url"),
            Fatal::Credentials => (
                "the credentials were not accepted, or could not be renewed",
                "log in again (`aws sso login`, a new session), or choose others with --profile",
            ),
            Fatal::NoCredentials => (
                "no credentials were found",
                "give --profile, set AWS_PROFILE or AWS_ACCESS_KEY_ID, or use --no-sign-request for a public bucket",
            ),
            Fatal::Account => (
                "the account or the bucket is disabled",
                "its owner must make it active again: see the account's billing page",
            ),
            Fatal::Region => {
                ("the bucket is in another Region", "give the bucket's own Region with --aws-region")
            }
            Fatal::Clock => ("this machine's clock is off", "set the clock (NTP), then try again"),
            Fatal::Network => (
                "no connection was ever made",
                "check the network, the name in --endpoint-url, and --aws-region",
            ),
            Fatal::AccessDenied => {
                ("access denied", "`borehole doctor` names the permission that is missing")
            }
            Fatal::RequesterPays => {
                ("the requester pays for this bucket", "agree to that with --requester-pays")
            }
            Fatal::Address => (
                "no address can be made of the bucket, the Region and the endpoint",
                "check the bucket's name, --aws-region and --endpoint-url",
            ),
        }
    }
}

/// Sorts an error. A HEAD has no body, hence no code: of it, only the status and the headers tell. 403 is then
/// [`ReadFailure::AccessDenied`] and 404 [`ReadFailure::Vanished`], whatever else they may hide.
pub(crate) fn classify<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Trouble {
    match error {
        SdkError::ServiceError(service) => {
            let metadata = service.err().meta();
            by_answer(service.raw(), metadata.code(), metadata.message().unwrap_or(""))
        }
        // An answer came, and could not be read to its end, or makes no sense.
        SdkError::ResponseError(response) => match response.raw().status() {
            status if status.is_success() => Trouble::Transient(ReadFailure::Connection),
            _ => by_answer(response.raw(), None, ""),
        },
        SdkError::TimeoutError(_) => Trouble::Transient(ReadFailure::Connection),
        // The transport never gives an error without a kind (see there), so this one was not its own: no
        // request could be made, for want of credentials or of an address.
        SdkError::DispatchFailure(failure) if failure.is_other() && failure.as_other().is_none() => {
            failure.as_connector_error().map_or(Trouble::Expired, |cause| before_sending(cause))
        }
        SdkError::DispatchFailure(failure) if failure.is_user() => Trouble::Fatal(Fatal::Address),
        SdkError::DispatchFailure(_) => Trouble::Transient(ReadFailure::Connection),
        _ => Trouble::Object(ReadFailure::Refused),
    }
}

/// The status of the answer, where there was one.
pub(crate) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Whether the answer's error code is this one.
pub(crate) fn has_code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>, code: &str) -> bool {
    matches!(error, SdkError::ServiceError(service) if service.err().code() == Some(code))
}

/// The Region that an answer says the bucket is in: the one header that is believed about that (faults B3).
pub(crate) fn region_told(response: &HttpResponse) -> Option<String> {
    response.headers().get("x-amz-bucket-region").filter(|name| is_region_name(name)).map(str::to_owned)
}

/// `^[a-z]{2}(-[a-z]+)+-\d$`: nothing else becomes a part of a host's name.
pub(crate) fn is_region_name(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let [partition, middle @ .., number] = parts.as_slice() else { return false };
    let lower = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    name.len() <= 64
        && partition.len() == 2
        && lower(partition)
        && !middle.is_empty()
        && middle.iter().all(|part| lower(part))
        && number.len() == 1
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// How long to wait before attempt `attempt` + 1 (the first is 1): full jitter over an exponential, and never
/// less than the server asked for.
pub(crate) fn pause(attempt: u32, trouble: &Trouble) -> Duration {
    let most = PAUSE_START.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(PAUSE_MAX);
    let jittered = most.mul_f64(random_share());
    match trouble {
        Trouble::Throttled { after: Some(after) } => jittered.max(*after),
        _ => jittered,
    }
}

/// A random number from 0 to 1. The standard library's hasher keys are random and cheap, and nothing here must
/// be unpredictable.
fn random_share() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11;
    bits as f64 / (1u64 << 53) as f64
}

/// The metadata service of an instance gave no token. It is asked last, after all else had nothing; outside of EC2 it
/// is a proxy that answers in its place.
const IMDS_REFUSAL: &str = " TokenError { kind: ";

fn before_sending(cause: &(dyn StdError + 'static)) -> Trouble {
    // The types of these errors cannot be named from here; their names can be looked for.
    let mut names = String::new();
    let mut next = cause.source();
    while let Some(error) = next {
        names.push_str(&format!("{error:?} "));
        next = error.source();
    }
    let has = |name: &str| names.contains(name);
    if has("ResolveEndpointError") || has("InvalidEndpoint") || has("MissingEndpoint") {
        Trouble::Fatal(Fatal::Address)
    } else if ["CredentialsNotLoaded", "InvalidConfiguration", "NoMatchingAuthScheme", IMDS_REFUSAL]
        .iter()
        .any(|name| has(name))
    {
        Trouble::Fatal(Fatal::NoCredentials)
    } else {
        Trouble::Expired
    }
}

fn by_answer(response: &HttpResponse, code: Option<&str>, message: &str) -> Trouble {
    use ReadFailure as Word;
    match code.unwrap_or("") {
        "SlowDown"
        | "ServiceUnavailable"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "TooManyRequests"
        | "TooManyRequestsException"
        | "KMS.ThrottlingException" => Trouble::Throttled { after: retry_after(response) },
        "InternalError"
        | "InternalFailure"
        | "InternalServerError"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "OperationAborted" => Trouble::Transient(Word::ServerError),
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "InvalidToken" => {
            Trouble::Expired
        }
        "RequestTimeTooSkewed" => Trouble::Skewed,
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "Redirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraint"
        | "IllegalLocationConstraintException" => Trouble::Elsewhere(region_told(response)),
        "NoSuchBucket" | "InvalidBucketName" | "NoSuchAccessPoint" | "InvalidAccessPoint" => {
            Trouble::Fatal(Fatal::NoSuchBucket)
        }
        "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSecurity"
        | "MissingSecurityHeader"
        | "MissingAuthenticationToken" => Trouble::Fatal(Fatal::Credentials),
        "AccountProblem" | "AllAccessDisabled" | "NotSignedUp" | "OptInRequired" => {
            Trouble::Fatal(Fatal::Account)
        }
        "AccessDenied" | "AccessDeniedException" => Trouble::Object(denied(message)),
        // There is no capacity for this tier now, and no use in waiting a minute for some.
        "GlacierExpeditedRetrievalNotAvailable" => Trouble::Object(Word::Throttled),
        "InvalidObjectState" => Trouble::Object(Word::Archived),
        "NoSuchKey" | "NoSuchVersion" | "NotFound" => Trouble::Object(Word::Vanished),
        "PreconditionFailed" | "InvalidRange" => Trouble::Object(Word::Changed),
        "KMSInvalidStateException" | "KMSDisabledException" | "KMSNotFoundException" => {
            Trouble::Object(Word::Kms)
        }
        name if name.starts_with("KMS.") => Trouble::Object(Word::Kms),
        "InvalidRequest" | "InvalidArgument" if mentions(message, "server side encryption") => {
            Trouble::Object(Word::SseC)
        }
        "InvalidRequest" if mentions_payer(message) => Trouble::Object(Word::RequesterPays),
        _ => by_status(response),
    }
}

fn by_status(response: &HttpResponse) -> Trouble {
    use ReadFailure as Word;
    match response.status().as_u16() {
        301 | 302 | 307 | 308 => Trouble::Elsewhere(region_told(response)),
        // A HEAD sent to the wrong Region: the only 400 that names one.
        400 => match region_told(response) {
            Some(region) => Trouble::Elsewhere(Some(region)),
            None => Trouble::Object(Word::Refused),
        },
        401 => Trouble::Fatal(Fatal::Credentials),
        403 => Trouble::Object(Word::AccessDenied),
        404 => Trouble::Object(Word::Vanished),
        408 => Trouble::Transient(Word::ServerError),
        412 | 416 => Trouble::Object(Word::Changed),
        429 | 503 => Trouble::Throttled { after: retry_after(response) },
        // Asked again, it will still not be implemented.
        501 => Trouble::Object(Word::Refused),
        500..=599 => Trouble::Transient(Word::ServerError),
        // An answer that is none: a proxy's page, an `<Error>` within a 200.
        200..=299 => Trouble::Transient(Word::ServerError),
        _ => Trouble::Object(Word::Refused),
    }
}

/// What an AccessDenied is about: S3 has one code for all, and says more only in its text.
fn denied(message: &str) -> ReadFailure {
    if mentions(message, "kms:") {
        ReadFailure::Kms
    } else if mentions_payer(message) {
        ReadFailure::RequesterPays
    } else {
        ReadFailure::AccessDenied
    }
}

fn mentions_payer(message: &str) -> bool {
    ["requester pays", "requester-pays", "request-payer"].iter().any(|word| mentions(message, word))
}

/// `word` is lower case.
fn mentions(message: &str, word: &str) -> bool {
    message.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

/// `x-amz-retry-after` is in milliseconds, `Retry-After` in seconds (its other form, a date, is not used by S3).
fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let number = |name: &str| response.headers().get(name)?.trim().parse::<u64>().ok();
    let asked = number("x-amz-retry-after")
        .map(Duration::from_millis)
        .or_else(|| number("retry-after").map(Duration::from_secs))?;
    Some(asked.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::error::ErrorMetadata;
    use aws_sdk_s3::operation::get_object::GetObjectError;
    use aws_sdk_s3::primitives::SdkBody;
    use aws_smithy_runtime_api::client::result::ConnectorError;

    use super::*;

    type Failed = SdkError<GetObjectError, HttpResponse>;

    fn answer(status: u16, code: Option<&str>, message: &str, headers: &[(&'static str, &str)]) -> Failed {
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
        for (name, value) in headers {
            response.headers_mut().insert(*name, (*value).to_owned());
        }
        let mut metadata = ErrorMetadata::builder().message(message);
        if let Some(code) = code {
            metadata = metadata.code(code);
        }
        SdkError::service_error(GetObjectError::generic(metadata.build()), response)
    }

    #[test]
    fn every_known_code_has_its_remedy() {
        use Fatal::{Account, Credentials, NoSuchBucket};
        use ReadFailure::{
            AccessDenied, Archived, Changed, Kms, Refused, RequesterPays, ServerError, SseC, Throttled,
            Vanished,
        };
        let throttled = Trouble::Throttled { after: None };
        let object = Trouble::Object;
        let payer = "Bucket is a Requester Pays bucket";
        let denied_kms =
            "User: arn:aws:sts::1:x is not authorized to perform: kms:Decrypt on resource: arn:x";
        let customer_key =
            "The object was stored using a form of Server Side Encryption. The correct parameters …";
        let table = [
            // A1, A2
            (503, "SlowDown", "", throttled.clone()),
            (503, "ServiceUnavailable", "", throttled.clone()),
            (400, "ThrottlingException", "", throttled.clone()),
            (503, "RequestLimitExceeded", "", throttled.clone()),
            (500, "InternalError", "", Trouble::Transient(ServerError)),
            (400, "RequestTimeout", "", Trouble::Transient(ServerError)),
            (500, "NewServerWord", "", Trouble::Transient(ServerError)),
            // B1 to B4
            (400, "ExpiredToken", "", Trouble::Expired),
            (400, "TokenRefreshRequired", "", Trouble::Expired),
            (400, "InvalidToken", "", Trouble::Expired),
            (403, "SignatureDoesNotMatch", "", Trouble::Fatal(Credentials)),
            (403, "InvalidAccessKeyId", "", Trouble::Fatal(Credentials)),
            (403, "AccountProblem", "", Trouble::Fatal(Account)),
            (403, "AllAccessDisabled", "", Trouble::Fatal(Account)),
            (404, "NoSuchBucket", "", Trouble::Fatal(NoSuchBucket)),
            (301, "PermanentRedirect", "", Trouble::Elsewhere(None)),
            (400, "AuthorizationHeaderMalformed", "", Trouble::Elsewhere(None)),
            (400, "IllegalLocationConstraintException", "", Trouble::Elsewhere(None)),
            (403, "RequestTimeTooSkewed", "", Trouble::Skewed),
            // B6, B7, B11, B12
            (403, "AccessDenied", "Access Denied", object(AccessDenied)),
            (403, "AccessDenied", denied_kms, object(Kms)),
            (403, "AccessDenied", payer, object(RequesterPays)),
            (400, "KMS.DisabledException", "", object(Kms)),
            (400, "KMS.NotFoundException", "", object(Kms)),
            (400, "KMS.KMSInvalidStateException", "", object(Kms)),
            (400, "KMS.ThrottlingException", "", throttled.clone()),
            (400, "InvalidRequest", customer_key, object(SseC)),
            (400, "InvalidRequest", "", object(Refused)),
            // B8, B10, A10, B17
            (403, "InvalidObjectState", "", object(Archived)),
            (404, "NoSuchKey", "", object(Vanished)),
            (412, "PreconditionFailed", "", object(Changed)),
            (416, "InvalidRange", "", object(Changed)),
            (503, "GlacierExpeditedRetrievalNotAvailable", "", object(Throttled)),
            (400, "NewClientWord", "", object(Refused)),
            (501, "NotImplemented", "", object(Refused)),
        ];
        for (status, code, message, expected) in table {
            let failed = answer(status, Some(code), message, &[]);
            assert_eq!(classify(&failed), expected, "{status} {code}");
            assert!(has_code(&failed, code) && !has_code(&failed, "Other"));
        }
    }

    #[test]
    fn an_answer_without_a_code_is_known_by_its_status() {
        let table = [
            (301, Trouble::Elsewhere(None)),
            (307, Trouble::Elsewhere(None)),
            (400, Trouble::Object(ReadFailure::Refused)),
            (401, Trouble::Fatal(Fatal::Credentials)),
            (403, Trouble::Object(ReadFailure::AccessDenied)),
            (404, Trouble::Object(ReadFailure::Vanished)),
            (412, Trouble::Object(ReadFailure::Changed)),
            (429, Trouble::Throttled { after: None }),
            (500, Trouble::Transient(ReadFailure::ServerError)),
            (502, Trouble::Transient(ReadFailure::ServerError)),
            (503, Trouble::Throttled { after: None }),
            (504, Trouble::Transient(ReadFailure::ServerError)),
        ];
        for (number, expected) in table {
            let failed = answer(number, None, "", &[]);
            assert_eq!(classify(&failed), expected, "{number}");
            assert_eq!(status(&failed), Some(number));
        }
    }

    #[test]
    fn a01_the_server_may_ask_for_a_pause_and_not_for_a_day() {
        let after = |name, value| match classify(&answer(503, Some("SlowDown"), "", &[(name, value)])) {
            Trouble::Throttled { after } => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after("x-amz-retry-after", "1500"), Some(Duration::from_millis(1_500)));
        assert_eq!(after("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(after("retry-after", "86400"), Some(RETRY_AFTER_MAX));
        assert_eq!(after("retry-after", "Fri, 21 Dec 2012 00:00:00 GMT"), None);
        let asked = Trouble::Throttled { after: Some(Duration::from_secs(3)) };
        assert!(pause(1, &asked) >= Duration::from_secs(3));
        for attempt in 1..40 {
            assert!(pause(attempt, &Trouble::Expired) <= PAUSE_MAX);
        }
    }

    #[test]
    fn a04_what_never_got_an_answer_is_a_connection() {
        let lost = || -> Box<dyn StdError + Send + Sync> { "reset".into() };
        for error in [
            Failed::timeout_error(lost()),
            Failed::dispatch_failure(ConnectorError::io(lost())),
            Failed::dispatch_failure(ConnectorError::timeout(lost())),
        ] {
            assert_eq!(classify(&error), Trouble::Transient(ReadFailure::Connection));
        }
        assert_eq!(
            classify(&Failed::dispatch_failure(ConnectorError::user(lost()))),
            Trouble::Fatal(Fatal::Address)
        );
    }

    #[test]
    fn b03_only_a_sound_region_is_believed() {
        for name in ["us-east-1", "us-gov-west-1", "eu-isoe-west-1", "ap-southeast-7"] {
            assert!(is_region_name(name), "{name}");
            let moved = answer(301, Some("PermanentRedirect"), "", &[("x-amz-bucket-region", name)]);
            assert_eq!(classify(&moved), Trouble::Elsewhere(Some(name.to_owned())));
            let head = answer(400, None, "", &[("x-amz-bucket-region", name)]);
            assert_eq!(classify(&head), Trouble::Elsewhere(Some(name.to_owned())));
        }
        for name in [
            "",
            "us",
            "us-1",
            "us-east-10",
            "us-east-x",
            "US-EAST-1",
            "us--1",
            "evil.example/-a-1",
            "eu-a.b-1",
        ] {
            assert!(!is_region_name(name), "{name}");
            let moved = answer(301, Some("PermanentRedirect"), "", &[("x-amz-bucket-region", name)]);
            assert_eq!(classify(&moved), Trouble::Elsewhere(None));
        }
    }
}
