//! Plain columns of any result to Parquet, CSV and NDJSON.
//!
//! In: columns of plain values ([`Table`]), or frames that others made. Out: a file in one of three formats, written a
//! frame at a time. Always: what is written can be read back without loss: absent is not empty, integers are exact,
//! texts are what they were (in CSV after one rule, see [`csv`]); no cell of a CSV file is a formula. Absent: any
//! knowledge of what the columns mean, and any cutting of long texts.

mod cells;
pub mod csv;
pub mod hourly;
mod ndjson;
mod parquet;

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use borehole_record::Timestamp;
use polars::prelude::{
    Column, DataFrame, DataType, Int64Chunked, IntoColumn, IntoSeries, ListBuilderTrait,
    ListPrimitiveChunkedBuilder, NamedFrom, PolarsError, Series, StructChunked, TimeUnit, TimeZone,
    UInt64Type,
};

pub use hourly::{HourlyTable, Piece};

/// The form of a table's file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Apache Parquet: zstd, dictionaries, statistics.
    Parquet,
    /// Comma-separated values by RFC 4180, with a header.
    Csv,
    /// One JSON object a line.
    Ndjson,
}

impl Format {
    /// The format that a file's extension says.
    #[must_use]
    pub fn of(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()? {
            "parquet" => Some(Format::Parquet),
            "csv" => Some(Format::Csv),
            "ndjson" | "jsonl" => Some(Format::Ndjson),
            _ => None,
        }
    }
}

/// Columns of equal length, by name, in the order in which they were added.
///
/// Text, naturals, decimals, times, truths, and lists of names with a number each. `None` is absent everywhere.
/// Decimals are doubles, since that is what every reader of Parquet takes: one with at most fifteen significant digits
/// comes back digit by digit.
#[derive(Default)]
pub struct Table {
    rows: usize,
    columns: Vec<Column>,
    wrong: Option<String>,
}

impl Table {
    /// No columns yet, of so many rows.
    #[must_use]
    pub fn new(rows: usize) -> Self {
        Table { rows, ..Table::default() }
    }

    /// Whether a column of this name was added.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name() == name)
    }

    /// Adds texts.
    pub fn text<'a>(&mut self, name: &str, values: impl IntoIterator<Item = Option<&'a str>>) {
        let values: Vec<Option<&str>> = values.into_iter().collect();
        self.columns.push(Column::new(name.into(), values));
    }

    /// Adds naturals.
    pub fn natural(&mut self, name: &str, values: impl IntoIterator<Item = Option<u64>>) {
        let values: Vec<Option<u64>> = values.into_iter().collect();
        self.columns.push(Column::new(name.into(), values));
    }

    /// Adds sums that may be beyond 64 bits: then [`Table::frame`] is an error, since no column of such numbers is
    /// read by everybody.
    pub fn sum(&mut self, name: &str, values: impl IntoIterator<Item = Option<u128>>) {
        let mut fits = true;
        let narrow = |value: Option<u128>| {
            let narrowed = value.and_then(|value| u64::try_from(value).ok());
            fits &= narrowed.is_some() == value.is_some();
            narrowed
        };
        let values: Vec<Option<u64>> = values.into_iter().map(narrow).collect();
        if !fits {
            self.wrong = Some(format!("{name}: a sum has more than 64 bits"));
        }
        self.natural(name, values);
    }

    /// Adds decimals.
    pub fn decimal(&mut self, name: &str, values: impl IntoIterator<Item = Option<f64>>) {
        let values: Vec<Option<f64>> = values.into_iter().collect();
        self.columns.push(Column::new(name.into(), values));
    }

    /// Adds truths.
    pub fn truth(&mut self, name: &str, values: impl IntoIterator<Item = Option<bool>>) {
        let values: Vec<Option<bool>> = values.into_iter().collect();
        self.columns.push(Column::new(name.into(), values));
    }

    /// Adds moments, to the microsecond.
    pub fn time(&mut self, name: &str, values: impl IntoIterator<Item = Option<Timestamp>>) {
        let micros = |time: Timestamp| {
            time.seconds.saturating_mul(1_000_000).saturating_add(i64::from(time.nanos / 1_000))
        };
        let values: Vec<Option<i64>> = values.into_iter().map(|value| value.map(micros)).collect();
        let times = Int64Chunked::new(name.into(), values);
        let times = times.into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
        self.columns.push(times.into_series().into_column());
    }

    /// Adds lists of names with a count each.
    pub fn counts<'a, I>(&mut self, name: &str, rows: impl IntoIterator<Item = I>)
    where
        I: IntoIterator<Item = (&'a str, u64)>,
    {
        self.pairs(name, rows, |values: Vec<u64>| Series::new("value".into(), values));
    }

    /// Adds lists of names with a decimal each.
    pub fn decimals<'a, I>(&mut self, name: &str, rows: impl IntoIterator<Item = I>)
    where
        I: IntoIterator<Item = (&'a str, f64)>,
    {
        self.pairs(name, rows, |values: Vec<f64>| Series::new("value".into(), values));
    }

    fn pairs<'a, V, I>(
        &mut self,
        name: &str,
        rows: impl IntoIterator<Item = I>,
        series: impl Fn(Vec<V>) -> Series,
    ) where
        I: IntoIterator<Item = (&'a str, V)>,
    {
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        // Only the lengths count: what lies in the lists is put in afterwards, for all rows at once.
        let mut lists = ListPrimitiveChunkedBuilder::<UInt64Type>::new(
            name.into(),
            self.rows,
            self.rows,
            DataType::UInt64,
        );
        let mut placeholders = Vec::new();
        for row in rows {
            let before = keys.len();
            for (key, value) in row {
                keys.push(key);
                values.push(value);
            }
            placeholders.resize(keys.len() - before, 0);
            lists.append_slice(&placeholders);
        }
        let fields = [Series::new("key".into(), keys), series(values)];
        match StructChunked::from_series(name.into(), fields[0].len(), fields.iter()) {
            Ok(pairs) => {
                let lists = lists.finish().with_inner_values(&pairs.into_series());
                self.columns.push(lists.into_series().into_column());
            }
            Err(_) => self.wrong = Some(format!("{name}: these are no pairs")),
        }
    }

    /// The table as a frame.
    ///
    /// # Errors
    /// Where a sum has more than 64 bits, or the columns are not of one length or name one thing twice.
    pub fn frame(self) -> io::Result<DataFrame> {
        match self.wrong {
            Some(wrong) => Err(io::Error::new(io::ErrorKind::InvalidData, wrong)),
            None => DataFrame::new(self.rows, self.columns).map_err(failure),
        }
    }
}

/// Writes a table to a file, a frame at a time.
pub struct TableWriter {
    inner: Inner,
}

enum Inner {
    Parquet(Box<parquet::ParquetFile>),
    Text { format: Format, out: BufWriter<File>, bytes: Vec<u8> },
}

impl TableWriter {
    /// Begins a file with columns such as those of `columns`, whose rows are not written.
    ///
    /// # Errors
    /// Where the file cannot be written, or columns of such values cannot be.
    pub fn new(format: Format, columns: &DataFrame, file: File) -> io::Result<Self> {
        let inner = match format {
            Format::Parquet => Inner::Parquet(Box::new(parquet::ParquetFile::new(columns, file)?)),
            Format::Csv | Format::Ndjson => {
                let mut out = BufWriter::new(file);
                out.write_all(&head(format, columns))?;
                Inner::Text { format, out, bytes: Vec::new() }
            }
        };
        Ok(TableWriter { inner })
    }

    /// Writes the rows of a frame with the columns that were said; in Parquet they are a row group.
    ///
    /// # Errors
    /// As [`TableWriter::new`].
    pub fn write(&mut self, frame: &DataFrame) -> io::Result<()> {
        match &mut self.inner {
            Inner::Parquet(file) => file.write(frame),
            Inner::Text { format, out, bytes } => {
                bytes.clear();
                encode(*format, frame, bytes)?;
                out.write_all(bytes)
            }
        }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// As [`TableWriter::new`].
    pub fn finish(self) -> io::Result<()> {
        match self.inner {
            Inner::Parquet(file) => file.finish(),
            Inner::Text { mut out, .. } => out.flush(),
        }
    }
}

/// What stands before the rows.
fn head(format: Format, columns: &DataFrame) -> Vec<u8> {
    let mut head = Vec::new();
    if format == Format::Csv {
        csv::header(columns, &mut head);
    }
    head
}

/// Rows as text.
fn encode(format: Format, frame: &DataFrame, out: &mut Vec<u8>) -> io::Result<()> {
    match format {
        Format::Csv => csv::rows(frame, out),
        Format::Ndjson => ndjson::rows(frame, out),
        Format::Parquet => Err(io::Error::other("Parquet is no text")),
    }
}

/// What polars says of a file is its system error; what it says of columns is never told: it may hold their values.
fn failure(error: PolarsError) -> io::Error {
    match error {
        PolarsError::IO { error, .. } => io::Error::new(error.kind(), error.to_string()),
        PolarsError::Duplicate(_) => io::Error::other("a table names one column twice"),
        PolarsError::ShapeMismatch(_) => io::Error::other("the columns of a table have different lengths"),
        PolarsError::SchemaMismatch(_) => io::Error::other("the parts of a table have different columns"),
        _ => io::Error::other("a table cannot be written"),
    }
}
