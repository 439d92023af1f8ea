//! The cells of a frame as plain values, whatever columns it has.
//!
//! In: a frame. Out: its columns, each of which gives its cells by row. Always: a cell is absent or one of few kinds;
//! categories are texts, every integer has 64 bits, every time is a [`Timestamp`]. Absent: kinds of columns that no
//! table here has: those are an error.

use std::io;

use borehole_record::Timestamp;
use polars::prelude::{
    BooleanChunked, Column, DataFrame, DataType, Float64Chunked, Int64Chunked, PolarsError, Series,
    StringChunked, TimeUnit, UInt64Chunked,
};

use super::failure;

/// One value.
pub(crate) enum Cell<'a> {
    Absent,
    Text(&'a str),
    Natural(u64),
    Integer(i64),
    Decimal(f64),
    Truth(bool),
    Time(Timestamp),
    /// Values without names.
    List(List<'a>),
    /// Values by name.
    Pairs(List<'a>),
}

/// The values of one list.
#[derive(Clone, Copy)]
pub(crate) struct List<'a> {
    keys: Option<&'a StringChunked>,
    values: &'a Values,
    from: usize,
    to: usize,
}

impl<'a> List<'a> {
    /// The values with their names; the empty name where they have none.
    pub(crate) fn iter(self) -> impl Iterator<Item = (&'a str, Cell<'a>)> {
        let List { keys, values, from, to } = self;
        (from..to).map(move |row| (keys.and_then(|keys| keys.get(row)).unwrap_or(""), values.cell(row)))
    }
}

/// A column whose cells can be asked for.
pub(crate) struct CellColumn {
    name: String,
    values: Values,
}

impl CellColumn {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn cell(&self, row: usize) -> Cell<'_> {
        self.values.cell(row)
    }
}

/// The columns of a frame.
pub(crate) fn columns(frame: &DataFrame) -> io::Result<Vec<CellColumn>> {
    let column = |column: &Column| {
        let values = Values::of(column.as_materialized_series()).map_err(failure)?;
        Ok(CellColumn { name: column.name().to_string(), values })
    };
    frame.columns().iter().map(column).collect()
}

enum Values {
    Text(StringChunked),
    Natural(UInt64Chunked),
    Integer(Int64Chunked),
    Decimal(Float64Chunked),
    Truth(BooleanChunked),
    Time { since_epoch: Int64Chunked, per_second: i64 },
    List { absent: BooleanChunked, ends: Vec<usize>, keys: Option<StringChunked>, values: Box<Values> },
}

impl Values {
    fn of(series: &Series) -> Result<Values, PolarsError> {
        // One piece, so that a row is found at once.
        let series = series.rechunk();
        Ok(match series.dtype() {
            DataType::String => Values::Text(series.str()?.clone()),
            DataType::Categorical(..) | DataType::Enum(..) => {
                Values::Text(series.cast(&DataType::String)?.str()?.clone())
            }
            DataType::Boolean => Values::Truth(series.bool()?.clone()),
            DataType::Float64 => Values::Decimal(series.f64()?.clone()),
            DataType::Datetime(unit, _) => {
                let per_second = match unit {
                    TimeUnit::Nanoseconds => 1_000_000_000,
                    TimeUnit::Microseconds => 1_000_000,
                    TimeUnit::Milliseconds => 1_000,
                };
                let since_epoch = series.to_physical_repr().i64()?.clone();
                Values::Time { since_epoch, per_second }
            }
            DataType::List(_) => Self::of_lists(&series)?,
            kind if kind.is_unsigned_integer() => {
                Values::Natural(series.cast(&DataType::UInt64)?.u64()?.clone())
            }
            kind if kind.is_signed_integer() => {
                Values::Integer(series.cast(&DataType::Int64)?.i64()?.clone())
            }
            _ => return Err(PolarsError::ComputeError("a kind of column that is not written".into())),
        })
    }

    fn of_lists(series: &Series) -> Result<Values, PolarsError> {
        let lists = series.list()?;
        let mut ends = Vec::with_capacity(series.len() + 1);
        for chunk in lists.downcast_iter() {
            // In one piece: there is one.
            ends.extend(chunk.offsets().iter().map(|&end| usize::try_from(end).unwrap_or(0)));
        }
        let inner = lists.get_inner();
        let (keys, values) = match inner.dtype() {
            DataType::Struct(_) => {
                let fields = inner.struct_()?.fields_as_series();
                let [keys, values] = &fields[..] else {
                    return Err(PolarsError::ComputeError("a list of more than names and values".into()));
                };
                let Values::Text(keys) = Values::of(keys)? else {
                    return Err(PolarsError::ComputeError("a list of names that are no texts".into()));
                };
                (Some(keys), Values::of(values)?)
            }
            _ => (None, Values::of(&inner)?),
        };
        Ok(Values::List { absent: lists.is_null(), ends, keys, values: Box::new(values) })
    }

    fn cell(&self, row: usize) -> Cell<'_> {
        match self {
            Values::Text(values) => values.get(row).map_or(Cell::Absent, Cell::Text),
            Values::Natural(values) => values.get(row).map_or(Cell::Absent, Cell::Natural),
            Values::Integer(values) => values.get(row).map_or(Cell::Absent, Cell::Integer),
            Values::Decimal(values) => values.get(row).map_or(Cell::Absent, Cell::Decimal),
            Values::Truth(values) => values.get(row).map_or(Cell::Absent, Cell::Truth),
            Values::Time { since_epoch, per_second } => since_epoch.get(row).map_or(Cell::Absent, |moment| {
                let part = moment.rem_euclid(*per_second) * (1_000_000_000 / per_second);
                // Less than a second: the cast cannot cut.
                Cell::Time(Timestamp { seconds: moment.div_euclid(*per_second), nanos: part as u32 })
            }),
            Values::List { absent, ends, keys, values } => {
                if absent.get(row).unwrap_or(true) {
                    return Cell::Absent;
                }
                let list = List { keys: keys.as_ref(), values, from: ends[row], to: ends[row + 1] };
                if keys.is_some() { Cell::Pairs(list) } else { Cell::List(list) }
            }
        }
    }
}
