//! SeaweedFS and moto: installed where needed, started, filled, stopped.

use std::path::Path;

/// Why a test cannot run here; with `CI` set nobody gets to see it, the start panics instead.
#[derive(Debug)]
pub struct Skip(pub String);

/// A running SeaweedFS.
pub struct SeaweedFs {}

impl SeaweedFs {
    /// Starts a server with one identity that may do everything and one that may only read.
    ///
    /// # Errors
    /// Where it cannot be installed or started.
    pub fn start() -> Result<Self, Skip> {
        Err(Skip("not there yet".to_owned()))
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn endpoint(&self) -> String {
        String::new()
    }

    /// Variables for a process that reads: endpoint, Region, the read-only identity; and nothing of the user's own
    /// AWS configuration.
    #[must_use]
    pub fn reader_environment(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Makes a bucket.
    pub fn bucket(&self, name: &str) -> Bucket {
        Bucket { name: name.to_owned() }
    }
}

/// A bucket of a running server; written to as the identity that may.
pub struct Bucket {
    /// Its name.
    pub name: String,
}

impl Bucket {
    /// Stores one object.
    pub fn put(&self, _key: &str, _bytes: &[u8]) {}

    /// Stores every file below a directory under its relative path, many at once.
    pub fn put_directory(&self, _directory: &Path) {}
}

/// A running moto server, for Glacier.
pub struct Moto {}

impl Moto {
    /// Starts a server.
    ///
    /// # Errors
    /// Where it cannot be installed or started.
    pub fn start() -> Result<Self, Skip> {
        Err(Skip("not there yet".to_owned()))
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn endpoint(&self) -> String {
        String::new()
    }
}
