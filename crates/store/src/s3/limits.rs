//! Every bound of reading from S3, each with its reason.

use std::time::Duration;

/// The bounds that a run or a test may set otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// No byte for so long, headers included: the connection is given up and the rest is asked for anew.
    pub stall: Duration,
    /// Attempts for one object, or one page of a listing, whatever their cause.
    pub attempts_max: u32,
    /// Time for one object from its first failure on.
    pub patience: Duration,
    /// Where no request of the run has succeeded within this time, the run stops.
    pub first_success: Duration,
    /// Requests under way at once; the limiter finds its own figure below it.
    pub in_flight_max: usize,
    /// Stored bytes held in memory between the network and the decoders.
    pub buffered_bytes_max: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            stall: Duration::from_secs(10),
            attempts_max: 12,
            patience: Duration::from_secs(600),
            first_success: Duration::from_secs(60),
            in_flight_max: IN_FLIGHT_MAX,
            buffered_bytes_max: BUFFERED_BYTES_MAX,
        }
    }
}

/// Requests under way at once. S3 serves 5,500 GETs a second and prefix; at 30 ms each 256 connections ask for
/// more than that, and more of them only wait for each other.
pub(crate) const IN_FLIGHT_MAX: usize = 256;

/// Requests under way when a run begins; the limiter doubles from here while that helps.
pub(crate) const IN_FLIGHT_START: usize = 16;

/// Objects up to this size are held whole, so that a retry inside of them is nobody else's business. 8 MiB take
/// a tenth of a second on one connection.
pub(crate) const WHOLE_BYTES_MAX: u64 = 8 << 20;

/// Larger objects are asked for in ranges of this size.
pub const RANGE_BYTES: u64 = 8 << 20;

/// Ranges of one object under way at once: one being decoded, one coming.
pub(crate) const RANGES_IN_FLIGHT: usize = 2;

/// Stored bytes between the network and the decoders: four large objects, or hundreds of small ones.
pub(crate) const BUFFERED_BYTES_MAX: u64 = 64 << 20;

/// Listings under way at once: an hour's folder takes one to three pages.
pub(crate) const LISTINGS_IN_FLIGHT: usize = 32;

/// Bytes of an error answer that are read; its code lies in the first few hundred.
pub(crate) const ERROR_BYTES_MAX: usize = 64 << 10;

/// Bytes of one page of a listing; a real one of 1,000 keys of 1,024 bytes, each escaped, is under 4 MiB.
pub(crate) const PAGE_BYTES_MAX: usize = 8 << 20;

/// A connection is established within this time, or tried anew.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Who gives out credentials answers within this time, or is asked anew (faults A20).
pub(crate) const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(5);

/// How often it is asked before a run gives up that has not begun yet.
pub(crate) const CREDENTIALS_ATTEMPTS: u32 = 3;

/// Bytes reserved for an object whose size only its answer tells: most offloaded bodies are smaller than this.
/// A larger one takes more if that is free, else it is asked for again when it is. 64 of them fit into their share.
pub(crate) const UNLISTED_BYTES: u64 = 256 << 10;

/// An object counts as at least so many bytes: its key, its task and its place in the queue cost memory, too.
pub(crate) const OBJECT_BYTES_MIN: u64 = 4 << 10;

/// Bytes of a body are given back to the budget in steps of this, not chunk by chunk.
pub(crate) const RELEASE_BYTES: u64 = 1 << 20;

/// Smaller chunks are copied together: a chunk keeps the connection's whole read buffer alive, of up to 400 KiB.
pub(crate) const CHUNK_BYTES_SMALL: usize = 16 << 10;

/// Copied chunks grow up to this size.
pub(crate) const CHUNK_BYTES_MAX: usize = 64 << 10;

/// Bodies up to this size are hashed where they arrive, in half a millisecond; larger ones on another thread, so
/// that the network's threads are not kept.
pub(crate) const HASH_INLINE_BYTES: usize = 256 << 10;

/// Whoever waits for the network looks this often whether the bucket was stopped.
pub(crate) const STOP_CHECK: Duration = Duration::from_millis(250);

/// A body slower than this over [`DRIP_STALLS`] stall times is given up (faults A12).
pub(crate) const DRIP_BYTES_PER_SECOND: u64 = 1 << 10;

/// 60 s at the default of 10 s.
pub(crate) const DRIP_STALLS: u32 = 6;

/// Where more than half of so many first objects are refused, the run stops (faults B6).
pub(crate) const DENIALS_JUDGED: u64 = 1_000;

/// Questions about archived objects under way at once, restores among them: S3 allows 1,000 a second.
pub(crate) const RESTORES_IN_FLIGHT: usize = 32;
