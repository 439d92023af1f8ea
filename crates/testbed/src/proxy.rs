//! A proxy between a client and an S3 server that breaks answers on purpose, by key and attempt, never by chance.

/// What goes wrong, in thousandths of requests; decided by a hash of (seed, key, attempt).
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The same seed breaks the same requests.
    pub seed: u64,
}

/// A running proxy.
pub struct Proxy {}
