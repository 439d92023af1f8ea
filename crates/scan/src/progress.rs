//! How far a run has come, for whoever wants to watch: plain counters, read at any time from any thread.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of a run. They say nothing that is part of the report.
#[derive(Debug, Default)]
pub struct Progress {
    listed: AtomicU64,
    objects_total: AtomicU64,
    bytes_total: AtomicU64,
    objects_done: AtomicU64,
    bytes_done: AtomicU64,
    bytes_fetched: AtomicU64,
    hours_closed: AtomicU64,
}

/// A reading of [`Progress`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Entries seen by the listing.
    pub listed: u64,
    /// Objects of the plan, those read a second time twice; 0 while listing.
    pub objects_total: u64,
    /// Their stored bytes, where known.
    pub bytes_total: u64,
    /// Objects done.
    pub objects_done: u64,
    /// Stored bytes of those.
    pub bytes_done: u64,
    /// Stored bytes read, payloads included.
    pub bytes_fetched: u64,
    /// Hours closed.
    pub hours_closed: u64,
}

impl Progress {
    /// All counters.
    #[must_use]
    pub fn read(&self) -> Reading {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Reading {
            listed: load(&self.listed),
            objects_total: load(&self.objects_total),
            bytes_total: load(&self.bytes_total),
            objects_done: load(&self.objects_done),
            bytes_done: load(&self.bytes_done),
            bytes_fetched: load(&self.bytes_fetched),
            hours_closed: load(&self.hours_closed),
        }
    }

    pub(crate) fn listed(&self) {
        self.listed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn planned(&self, objects: u64, bytes: u64) {
        self.objects_total.store(objects, Ordering::Relaxed);
        self.bytes_total.store(bytes, Ordering::Relaxed);
    }

    /// Objects that are read a second time.
    pub(crate) fn planned_again(&self, objects: u64, bytes: u64) {
        self.objects_total.fetch_add(objects, Ordering::Relaxed);
        self.bytes_total.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn object_done(&self, bytes: Option<u64>) {
        self.objects_done.fetch_add(1, Ordering::Relaxed);
        self.bytes_done.fetch_add(bytes.unwrap_or(0), Ordering::Relaxed);
    }

    pub(crate) fn fetched(&self, bytes: u64) {
        self.bytes_fetched.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn hour_closed(&self) {
        self.hours_closed.fetch_add(1, Ordering::Relaxed);
    }
}
