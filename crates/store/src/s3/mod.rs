//! S3 buckets as a [`Store`]: one client per profile, role and Region, everything that waits behind a
//! synchronous face.
//!
//! In: a bucket and how to reach it. Out: its objects and their bytes. Always: retries are our own and bounded,
//! a body that breaks off is continued where it broke off, and the stored bytes handed over are those of one
//! version of the object, of its listed length. Absent: writing, apart from [`restore`].
//!
//! `connect` knows credentials, endpoints and Regions, and does what helps all requests of a bucket; `transport`
//! is the wire below the SDK, where requests are counted and answers bounded; `failure` sorts what went wrong.
//! `list` and `fetch` are the two things that a run asks, with `limiter` between `fetch` and the network;
//! [`inspect`] and [`restore`] are for people.

mod connect;
mod failure;
mod fetch;
pub mod inspect;
mod limiter;
mod limits;
mod list;
pub mod restore;
mod runtime;
mod transport;

use std::sync::Arc;

pub use connect::{Connections, Counters};
pub use limits::{RANGE_BYTES, Tuning};

use crate::{Error, Listed, Object, ReadFailure, Ready, Receipt, Stop, Store};

/// How to reach a bucket. Two sources with the same options share a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct S3Options {
    /// A profile of the AWS configuration files; else `AWS_PROFILE` and the rest of the SDK's chain.
    pub profile: Option<String>,
    /// A role to assume with those credentials.
    pub role_arn: Option<String>,
    /// What the role's trust policy asks for.
    pub external_id: Option<String>,
    /// The bucket's Region; else it is asked for.
    pub region: Option<String>,
    /// Another server than AWS; else `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, the profile's.
    pub endpoint_url: Option<String>,
    /// Do not sign requests: public buckets.
    pub no_sign_request: bool,
    /// Agree to pay for a requester-pays bucket.
    pub requester_pays: bool,
}

/// `s3://bucket[/key]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The bucket's name, or an access point's alias or ARN.
    pub bucket: String,
    /// What stands after the first `/`; may be empty.
    pub key: String,
}

impl Location {
    /// Takes an `s3://` URL apart; `None` where it is no such, or names no bucket.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("s3://")?;
        // An access point's ARN has slashes of its own: `arn:aws:s3:us-west-2:111122223333:accesspoint/name[/key]`.
        let bucket_end = match rest.strip_prefix("arn:") {
            Some(_) => {
                let name = rest.find('/')? + 1;
                name + rest[name..].find('/').unwrap_or(rest.len() - name)
            }
            None => rest.find('/').unwrap_or(rest.len()),
        };
        let bucket = &rest[..bucket_end];
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '/');
        if bucket.is_empty() || bucket.len() > 2_048 || !bucket.chars().all(plain) {
            return None;
        }
        let key = rest[bucket_end..].strip_prefix('/').unwrap_or("");
        Some(Location { bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

/// An object, and when it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dated {
    /// The object.
    pub object: Object,
    /// In seconds since the epoch, as S3 tells it; `None` where it does not.
    pub modified_seconds: Option<i64>,
}

/// One bucket.
pub struct S3Store {
    pub(crate) shared: Arc<connect::Bucket>,
}

impl S3Store {
    /// The bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.shared.name
    }

    /// The Region its requests go to.
    #[must_use]
    pub fn region(&self) -> String {
        self.shared.region()
    }

    /// The server that it lies on, where that is not AWS: a bucket of that name may be there, too.
    #[must_use]
    pub fn foreign_endpoint(&self) -> Option<&str> {
        self.shared.foreign_endpoint()
    }

    /// Objects whose keys begin with `prefix`, a string as S3 takes it and no folder, and come after `after`: at most
    /// `most` in S3's own order, and whether there are more. What lies beyond is not asked for.
    ///
    /// # Errors
    /// As [`Store::list`].
    pub fn list_some(
        &self,
        prefix: &str,
        after: Option<&str>,
        most: usize,
    ) -> Result<(Vec<Dated>, bool), Error> {
        list::list_some(&self.shared, prefix.as_bytes(), after, most)
    }

    /// As [`Store::head`], with the time at which the object was written.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn look_up(&self, key: &[u8]) -> Result<Option<Dated>, ReadFailure> {
        fetch::head(&self.shared, key)
    }

    /// As [`Store::stopping`], still a bucket.
    #[must_use]
    pub fn stopping_bucket(&self, stop: &Stop) -> Arc<S3Store> {
        Arc::new(S3Store { shared: Arc::new(self.shared.stopping(stop)) })
    }

    /// How it is reached, as it was asked for.
    #[must_use]
    pub fn options(&self) -> &S3Options {
        &self.shared.options
    }
}

impl Store for S3Store {
    fn list(
        &self,
        prefix: &[u8],
        enter: &mut dyn FnMut(&[u8]) -> bool,
        found: &mut dyn FnMut(Listed),
    ) -> Result<(), Error> {
        list::list(&self.shared, prefix, enter, found)
    }

    fn list_flat(&self, folders: &[Vec<u8>], found: &mut dyn FnMut(Listed)) -> Result<(), Error> {
        list::list_flat(&self.shared, folders, found)
    }

    fn read(&self, object: &Object, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<Receipt, ReadFailure> {
        fetch::read(&self.shared, object, take)
    }

    fn head(&self, key: &[u8]) -> Result<Option<Object>, ReadFailure> {
        Ok(self.look_up(key)?.map(|found| found.object))
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn fetch(&self, object: &Object, ready: Ready) -> Result<(), Ready> {
        fetch::begin(&self.shared, object, ready);
        Ok(())
    }

    fn stopped(&self) -> Option<Error> {
        self.shared.stopped()
    }

    fn stopping(&self, stop: &Stop) -> Option<Arc<dyn Store>> {
        Some(self.stopping_bucket(stop))
    }
}
