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
pub const IN_FLIGHT_MAX: usize = 256;

/// Requests under way when a run begins; the limiter doubles from here while that helps.
pub const IN_FLIGHT_START: usize = 16;

/// Objects up to this size are held whole, so that a retry inside of them is nobody else's business. 8 MiB take
/// a tenth of a second on one connection.
pub const WHOLE_BYTES_MAX: u64 = 8 << 20;

/// Larger objects are asked for in ranges of this size.
pub const RANGE_BYTES: u64 = 8 << 20;

/// Ranges of one object under way at once: one being decoded, one coming.
pub const RANGES_IN_FLIGHT: usize = 2;

/// Stored bytes between the network and the decoders: four large objects, or hundreds of small ones.
pub const BUFFERED_BYTES_MAX: u64 = 64 << 20;

/// Listings under way at once: an hour's folder takes one to three pages.
pub const LISTINGS_IN_FLIGHT: usize = 32;

/// Bytes of an error answer that are read; its code lies in the first few hundred.
pub const ERROR_BYTES_MAX: usize = 64 << 10;

/// Bytes of one page of a listing; a real one of 1,000 keys of 1,024 bytes, each escaped, is under 4 MiB.
pub const PAGE_BYTES_MAX: usize = 8 << 20;

/// A connection is established within this time, or tried anew.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
