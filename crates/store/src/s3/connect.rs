//! Clients, credentials, Regions: how a bucket is reached.
//!
//! In: [`S3Options`]. Out: a [`Bucket`], shared by everything that asks it for something. Always: one runtime, one
//! TLS stack and one connection pool per process, one client per (options, Region).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::limiter::Limiter;
use super::{S3Options, S3Store, Tuning};
use crate::Error;

/// Everything S3 of a process: the runtime, the clients, the limiter and the byte budget.
pub struct Connections {
    shared: Arc<Shared>,
}

/// What all buckets of a process share.
pub(crate) struct Shared {
    pub runtime: tokio::runtime::Runtime,
    pub tuning: Tuning,
    pub limiter: Limiter,
    pub counters: AtomicCounters,
}

/// What the run has asked of S3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// All requests sent, retries included.
    pub requests: u64,
    /// Of those, listings.
    pub list_requests: u64,
    /// Of those, GETs of objects and ranges.
    pub get_requests: u64,
    /// Requests that repeated another.
    pub retries: u64,
    /// Bytes of object bodies received, also of those received twice.
    pub bytes: u64,
}

/// [`Counters`], while they are counted.
#[derive(Default)]
pub(crate) struct AtomicCounters {
    pub requests: AtomicU64,
    pub list_requests: AtomicU64,
    pub get_requests: AtomicU64,
    pub retries: AtomicU64,
    pub bytes: AtomicU64,
}

impl Connections {
    /// Starts the runtime; no request is sent yet.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn new(tuning: Tuning) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("s3")
            .enable_all()
            .build()
            .map_err(|cause| Error {
                place: "s3".to_owned(),
                operation: "start",
                attempts: 1,
                cause: cause.kind().to_string(),
                hint: None,
            })?;
        let shared =
            Shared { runtime, tuning, limiter: Limiter::new(&tuning), counters: AtomicCounters::default() };
        Ok(Connections { shared: Arc::new(shared) })
    }

    /// Opens a bucket: finds its Region where that is not given, and the client for it.
    ///
    /// # Errors
    /// Where there is no such bucket, no credentials, no network. That nothing in it may be listed shows only
    /// when it is.
    pub fn open(&self, bucket: &str, options: &S3Options) -> Result<Arc<S3Store>, Error> {
        let _ = (&self.shared, bucket, options);
        Err(Error {
            place: format!("s3://{bucket}"),
            operation: "open",
            attempts: 1,
            cause: "not there yet".to_owned(),
            hint: None,
        })
    }

    /// What was asked of S3 so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.shared.counters;
        Counters {
            requests: load(&counters.requests),
            list_requests: load(&counters.list_requests),
            get_requests: load(&counters.get_requests),
            retries: load(&counters.retries),
            bytes: load(&counters.bytes),
        }
    }
}

/// A bucket and the client for it.
pub(crate) struct Bucket {
    pub connections: Arc<Shared>,
    pub name: String,
    pub options: S3Options,
}

impl Bucket {
    /// The Region its requests go to.
    pub(crate) fn region(&self) -> String {
        self.options.region.clone().unwrap_or_default()
    }

    /// The client to ask with now; another one after the credentials were renewed.
    pub(crate) fn client(&self) -> aws_sdk_s3::Client {
        unreachable!("the owner of this file writes it")
    }

    /// Why the run must stop.
    pub(crate) fn stopped(&self) -> Option<Error> {
        let _ = &self.connections;
        None
    }
}
