//! The rows of one hour of one stream as Parquet, and back.
//!
//! In: the invocations of a closed hour. Out: one Parquet file with a row for each, sorted by time, which DuckDB,
//! pyarrow, Spark and others read as it is; and from such a file the invocations again, as they were. Always: a
//! file depends on the set of its rows alone; what a row derives from others (base model, scope, role, session) is
//! written for people and never read back. Absent: bodies and text of prompts, paths, checksums.
//!
//! Names, types and order of the columns are in `layout`; what is in a column, in `encodings`; pages and
//! footer, in `file`.

mod encodings;
mod file;
mod kinds;
mod layout;
mod read;
mod rows;
#[cfg(test)]
mod tests;
mod write;

pub use read::{InvocationReader, Wanted};
pub use write::InvocationRows;

/// The version of the rows: what the columns are and mean. Files of another version are refused.
pub const ROW_VERSION: u32 = 1;

/// Where a body was, by whether it was offloaded to the large-data bucket.
const LOCATIONS: [&str; 2] = ["inline", "large"];

/// The word of the footer that tells the times that no `timestamp` can tell.
const FAR_KEY: &str = "borehole.far_timestamps";
