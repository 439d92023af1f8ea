//! Frames as the row groups of one Parquet file, and back.
//!
//! In: frames with the same columns. Out: a file that is whole once it is finished. Always: zstd, statistics of every
//! page, a row group no larger than [`ROWS_PER_GROUP`] rows. Absent: any choice of encodings (polars makes it).

use std::fs::File;
use std::io::{self, BufWriter};

use polars::prelude::{
    BatchedWriter, Column, DataFrame, ParquetCompression, ParquetReader, ParquetWriter, SerReader as _,
    StatisticsOptions,
};

use super::failure;

/// Rows of a row group: what is held in memory until it is written (invocations take 1.4 KB each while they wait), and
/// what a reader that skips by statistics skips at once.
pub(crate) const ROWS_PER_GROUP: usize = 1 << 16;

/// A file that is being written.
pub(crate) struct ParquetFile {
    writer: BatchedWriter<BufWriter<File>>,
}

impl ParquetFile {
    /// Begins a file with such columns.
    pub(crate) fn new(columns: &DataFrame, file: File) -> io::Result<Self> {
        let statistics = StatisticsOptions::default();
        let writer = ParquetWriter::new(BufWriter::new(file))
            .with_compression(ParquetCompression::Zstd(None))
            .with_statistics(statistics)
            .batched(columns.schema())
            .map_err(failure)?;
        Ok(ParquetFile { writer })
    }

    /// Writes rows, at most [`ROWS_PER_GROUP`] a group.
    pub(crate) fn write(&mut self, frame: &DataFrame) -> io::Result<()> {
        for from in (0..frame.height()).step_by(ROWS_PER_GROUP) {
            let group = frame.slice(from as i64, ROWS_PER_GROUP);
            // One piece each: the columns of a group are cut at the same rows.
            let pieces = group.columns().iter().map(Column::rechunk).collect();
            let group = DataFrame::new(group.height(), pieces).map_err(failure)?;
            self.writer.write_batch(&group).map_err(failure)?;
        }
        Ok(())
    }

    /// Writes the footer. The file is then whole, but not yet safe from a power failure.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.writer.finish().map(drop).map_err(failure)
    }
}

/// Rows of a whole file.
pub(crate) fn read(file: &File, from: usize, rows: usize) -> io::Result<DataFrame> {
    let reader = ParquetReader::new(file.try_clone()?);
    reader.with_slice(Some((from, rows))).finish().map_err(failure)
}
