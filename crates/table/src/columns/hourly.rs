//! Rows that come hour by hour to one file in the order of hours.
//!
//! In: the rows of hours, in any order of hours; an hour may be given again, and what was given for it before is then
//! nothing. Out: a file with the rows of every hour once, by hour. Always: memory holds one row group and what is being
//! given, however long the table gets. Absent: the order of rows within an hour, which is the giver's.
//!
//! Hours nearly always come in order and once: then the rows lie as they are to lie, and the file is finished where it
//! is. Otherwise it is read once more, and what counts of it is written to a second one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};

use polars::prelude::DataFrame;
use tempfile::NamedTempFile;

use super::parquet::{self, ParquetFile, ROWS_PER_GROUP};
use super::{Format, encode, failure, head};

/// The rows of an hour, ready to be written.
pub enum Piece {
    /// Rows that become part of a row group.
    Rows(DataFrame),
    /// Rows as text.
    Text(Vec<u8>),
}

impl Piece {
    /// Makes the rows ready, on whichever thread has them.
    ///
    /// # Errors
    /// Where columns of such values cannot be written.
    pub fn new(format: Format, frame: DataFrame) -> io::Result<Piece> {
        if format == Format::Parquet {
            return Ok(Piece::Rows(frame));
        }
        let mut bytes = Vec::new();
        encode(format, &frame, &mut bytes)?;
        Ok(Piece::Text(bytes))
    }
}

/// A part of the file: bytes of a text, rows of Parquet.
#[derive(Clone, Copy)]
struct Extent {
    from: u64,
    length: u64,
}

/// Makes an empty file in the directory where the table is to be.
type MakeFile = Box<dyn Fn() -> io::Result<NamedTempFile> + Send + Sync>;

/// A table that is being given by the hour.
pub struct HourlyTable {
    columns: DataFrame,
    make: MakeFile,
    file: NamedTempFile,
    out: Out,
    /// Bytes of text, or rows of Parquet, that were given.
    length: u64,
    hours: BTreeMap<i64, Extent>,
    is_in_order: bool,
}

enum Out {
    Text { format: Format, out: BufWriter<File> },
    Parquet(Box<(ParquetFile, Waiting)>),
}

/// Rows that are too few for a row group.
struct Waiting(DataFrame);

impl Waiting {
    /// Adds rows, and writes what makes whole row groups.
    fn add(&mut self, rows: &DataFrame, file: &mut ParquetFile) -> io::Result<()> {
        self.0.vstack_mut(rows).map_err(failure)?;
        let whole = self.0.height() / ROWS_PER_GROUP * ROWS_PER_GROUP;
        if whole > 0 {
            file.write(&self.0.slice(0, whole))?;
            self.0 = self.0.slice(whole as i64, usize::MAX);
        }
        Ok(())
    }
}

impl Out {
    fn new(format: Format, columns: &DataFrame, file: &File) -> io::Result<Self> {
        let file = file.try_clone()?;
        if format == Format::Parquet {
            let file = ParquetFile::new(columns, file)?;
            return Ok(Out::Parquet(Box::new((file, Waiting(columns.clear())))));
        }
        let mut out = BufWriter::new(file);
        out.write_all(&head(format, columns))?;
        Ok(Out::Text { format, out })
    }

    /// What lies before the first row.
    fn start(&self, columns: &DataFrame) -> u64 {
        match self {
            Out::Text { format, .. } => head(*format, columns).len() as u64,
            Out::Parquet(_) => 0,
        }
    }

    fn write(&mut self, piece: &Piece) -> io::Result<u64> {
        match (self, piece) {
            (Out::Text { out, .. }, Piece::Text(bytes)) => {
                out.write_all(bytes)?;
                Ok(bytes.len() as u64)
            }
            (Out::Parquet(parquet), Piece::Rows(rows)) => {
                let (file, waiting) = &mut **parquet;
                waiting.add(rows, file)?;
                Ok(rows.height() as u64)
            }
            _ => Err(io::Error::other("rows of another format")),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Out::Text { mut out, .. } => out.flush(),
            Out::Parquet(parquet) => {
                let (mut file, waiting) = *parquet;
                file.write(&waiting.0)?;
                file.finish()
            }
        }
    }
}

impl HourlyTable {
    /// Begins a table with columns such as those of `columns`, whose rows are not written. `make` makes an empty file
    /// where the table is to be; it is asked for a second one where hours come out of order.
    ///
    /// # Errors
    /// Where the file cannot be made or written.
    pub fn new(
        format: Format,
        columns: &DataFrame,
        make: impl Fn() -> io::Result<NamedTempFile> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let file = make()?;
        let columns = columns.clear();
        let out = Out::new(format, &columns, file.as_file())?;
        let length = out.start(&columns);
        let make = Box::new(make);
        Ok(HourlyTable { columns, make, file, out, length, hours: BTreeMap::new(), is_in_order: true })
    }

    /// Takes the rows of an hour, numbered as hours are; what it was given before for that hour is forgotten.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn put(&mut self, hour: i64, piece: &Piece) -> io::Result<()> {
        self.is_in_order &= self.hours.last_key_value().is_none_or(|(&last, _)| last < hour);
        let length = self.out.write(piece)?;
        self.hours.insert(hour, Extent { from: self.length, length });
        self.length += length;
        Ok(())
    }

    /// Forgets what an hour was given.
    pub fn forget(&mut self, hour: i64) {
        self.is_in_order &= self.hours.remove(&hour).is_none();
    }

    /// Forgets what all hours were given.
    pub fn forget_all(&mut self) {
        self.is_in_order &= self.hours.is_empty();
        self.hours.clear();
    }

    /// Ends the table. The file is whole then, but not yet safe from a power failure.
    ///
    /// # Errors
    /// Where a file cannot be made, written or read.
    pub fn finish(self) -> io::Result<NamedTempFile> {
        let HourlyTable { columns, make, file, out, hours, is_in_order, .. } = self;
        let format = match &out {
            Out::Text { format, .. } => *format,
            Out::Parquet(_) => Format::Parquet,
        };
        out.finish()?;
        if is_in_order {
            return Ok(file);
        }
        let second = make()?;
        let mut out = Out::new(format, &columns, second.as_file())?;
        for extent in joined(hours.into_values()) {
            copy(file.as_file(), extent, &mut out)?;
        }
        out.finish()?;
        Ok(second)
    }
}

/// Extents one after the other, where one begins as the one before ends as one.
fn joined(extents: impl Iterator<Item = Extent>) -> Vec<Extent> {
    let mut joined: Vec<Extent> = Vec::new();
    for extent in extents {
        match joined.last_mut() {
            Some(last) if last.from + last.length == extent.from => last.length += extent.length,
            _ => joined.push(extent),
        }
    }
    joined
}

fn copy(file: &File, extent: Extent, to: &mut Out) -> io::Result<()> {
    match to {
        Out::Text { out, .. } => {
            let mut file = file;
            file.seek(SeekFrom::Start(extent.from))?;
            let copied = io::copy(&mut file.take(extent.length), out)?;
            if copied != extent.length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Out::Parquet(parquet) => {
            let (second, waiting) = &mut **parquet;
            let end = extent.from + extent.length;
            for from in (extent.from..end).step_by(ROWS_PER_GROUP) {
                // At most a row group: it fits.
                let rows = (end - from).min(ROWS_PER_GROUP as u64) as usize;
                waiting.add(&parquet::read(file, from as usize, rows)?, second)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Table;
    use super::*;

    fn rows(numbers: &[u64]) -> DataFrame {
        let mut table = Table::new(numbers.len());
        table.natural("number", numbers.iter().map(|&number| Some(number)));
        table.counts(
            "counts",
            numbers.iter().map(|&number| (number % 3 > 0).then_some(("three, or \"less\"", number))),
        );
        table.frame().expect("two columns")
    }

    fn given(format: Format, hours: &[(i64, &[u64])]) -> Vec<u8> {
        let mut table =
            HourlyTable::new(format, &rows(&[]), || tempfile::Builder::new().tempfile()).expect("a file");
        for &(hour, numbers) in hours {
            table.put(hour, &Piece::new(format, rows(numbers)).expect("rows")).expect("it is written");
        }
        let mut bytes = Vec::new();
        let mut file = table.finish().expect("it ends").reopen().expect("it is there");
        file.read_to_end(&mut bytes).expect("it is read");
        bytes
    }

    #[test]
    fn hours_out_of_order_or_given_again_make_the_file_that_they_make_in_order() {
        for format in [Format::Parquet, Format::Csv, Format::Ndjson] {
            let expected = given(format, &[(1, &[1, 2]), (2, &[3]), (3, &[]), (4, &[4, 5])]);
            let mixed = given(
                format,
                &[(1, &[9]), (3, &[8]), (2, &[3]), (4, &[4, 5]), (1, &[1, 2]), (3, &[7, 7]), (3, &[])],
            );
            assert!(expected == mixed, "{format:?}");
        }
    }

    #[test]
    fn long_hours_are_cut_into_row_groups_and_short_ones_share_one() {
        let many: Vec<u64> = (0..ROWS_PER_GROUP as u64 + 5).collect();
        let bytes = given(Format::Parquet, &[(1, &[7, 7]), (2, &many), (3, &[8]), (1, &[9])]);
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&bytes).expect("it is written");
        let read = parquet::read(&file, 0, usize::MAX).expect("it is read");
        let expected: Vec<u64> = [9].into_iter().chain(many).chain([8]).collect();
        assert!(read.equals_missing(&rows(&expected)));
    }
}
