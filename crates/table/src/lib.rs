//! Closed cells to datasets and back; any result as Parquet, CSV or NDJSON.
//!
//! In: the invocations of closed hours, the books of folders as bytes, plain columns. Out: Parquet files that other
//! engines read as they are, a directory that survives any crash, tables. Always: what is read back is what was
//! written, or it is called damaged; no reader sees half of a file. Absent: bodies, figures, threads that decide
//! anything, and any knowledge of what the books say.

pub mod columns;
pub mod dataset;
pub mod invocations;

/// Why a table could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Parquet's own reason, without any value of the table.
    #[error("parquet: {0}")]
    Parquet(String),
    /// The bytes are no such table, or were changed.
    #[error("damaged: {0}")]
    Damaged(&'static str),
}
