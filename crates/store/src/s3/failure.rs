//! What went wrong with a request, sorted by what to do about it.
//!
//! In: an error of the SDK. Out: a [`Trouble`]. Always: a server's text never gets further than this file; its
//! error code is compared with a list of known ones and then forgotten (faults A16, K1). Sources of the codes:
//! the S3 API reference, "Error responses"; the Glacier and KMS codes stand there and in the KMS API reference.

use std::time::Duration;

use crate::ReadFailure;

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
    /// The credentials are too old: get new ones, then try again.
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
    /// InvalidAccessKeyId, SignatureDoesNotMatch, InvalidToken and the like.
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
}
