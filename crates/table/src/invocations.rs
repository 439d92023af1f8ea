//! The rows of one hour of one stream as Parquet, and back.

use std::sync::Arc;

use borehole_record::{Invocation, ProfileMap};
use polars::prelude::DataFrame;

use crate::Error;

/// The version of the rows; files of another version are refused.
pub const ROW_VERSION: u32 = 1;

/// The rows of one hour of one stream, being collected.
pub struct InvocationRows {
    profiles: Arc<ProfileMap>,
    length: usize,
}

impl InvocationRows {
    /// No rows; `profiles` says what application profiles were copied from.
    #[must_use]
    pub fn new(profiles: Arc<ProfileMap>) -> Self {
        InvocationRows { profiles, length: 0 }
    }

    /// Adds a row.
    pub fn push(&mut self, _invocation: &Invocation) {
        self.length += 1;
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// The rows as a Parquet file, sorted; `object` names an [`Invocation::object`].
    ///
    /// # Errors
    /// Where a page would be larger than Parquet allows.
    pub fn finish(&mut self, _object: &dyn Fn(u32) -> String) -> Result<Vec<u8>, Error> {
        let _ = &self.profiles;
        Err(Error::Damaged("not built yet"))
    }

    /// The rows as a table for people.
    ///
    /// # Errors
    /// As [`InvocationRows::finish`].
    pub fn frame(&mut self, _object: &dyn Fn(u32) -> String) -> Result<DataFrame, Error> {
        Err(Error::Damaged("not built yet"))
    }
}

/// What a reading needs besides what every question asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The ids of the requests; without, those that have one have the same one.
    pub request_ids: bool,
    /// The objects and the places in them; without, both are 0.
    pub objects: bool,
}

/// Reads files of rows; equal strings of all files are shared.
#[derive(Default)]
pub struct InvocationReader {}

impl InvocationReader {
    /// Gives the rows of a file to `each`, in their order, and returns the names of the objects.
    ///
    /// # Errors
    /// Where the bytes are no such file or were changed; what was given out before is worth nothing then.
    pub fn read(
        &mut self,
        _bytes: &[u8],
        _wanted: Wanted,
        _each: &mut dyn FnMut(Invocation),
    ) -> Result<Vec<Box<str>>, Error> {
        Err(Error::Damaged("not built yet"))
    }
}
