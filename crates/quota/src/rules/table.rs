//! A table of dated rows, kept in the order in which they win.
//!
//! In: rows, one layer of them after the other (ours, then the operator's). Out: the row that holds for a model on a
//! day. Always: the first row that matches and is in force is the one that holds, so a look-up stops there. Absent:
//! what the values mean.

use std::cmp::Reverse;

use borehole_record::UtcDay;

use super::pattern::Pattern;
use super::{Origin, Ruled};

/// One row for one pattern; a row of the file with several patterns is several of these.
#[derive(Clone, Debug)]
pub(crate) struct Row<T> {
    pub(crate) pattern: Pattern,
    pub(crate) valid_from: Option<UtcDay>,
    pub(crate) value: T,
    pub(crate) source: String,
    pub(crate) note: Option<String>,
    /// Which file it is from: 0 is ours, each of the operator's has the next number.
    pub(crate) layer: u32,
    /// Its place in the table of that file, from 1.
    pub(crate) number: usize,
}

impl<T> Row<T> {
    pub(crate) fn holds_on(&self, day: UtcDay) -> bool {
        self.valid_from.is_none_or(|from| from <= day)
    }

    pub(crate) fn origin(&self) -> Origin {
        if self.layer == 0 { Origin::Builtin } else { Origin::Operator }
    }
}

impl<T: Clone> Row<T> {
    pub(crate) fn ruled<U>(&self, value: U) -> Ruled<U> {
        Ruled {
            value,
            pattern: self.pattern.as_str().to_owned(),
            valid_from: self.valid_from,
            source: self.source.clone(),
            note: self.note.clone(),
        }
    }
}

/// All rows of one table.
#[derive(Clone, Debug)]
pub(crate) struct Table<T> {
    rows: Vec<Row<T>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { rows: Vec::new() }
    }
}

impl<T> Table<T> {
    /// Adds the rows of a file. The operator's come before ours, then the more specific pattern, then the newer day,
    /// then the later row.
    pub(crate) fn extend(&mut self, rows: impl IntoIterator<Item = Row<T>>) {
        self.rows.extend(rows);
        self.rows.sort_by_key(|row| {
            Reverse((row.layer, row.pattern.literals(), row.valid_from.map(|day| day.0), row.number))
        });
    }

    /// The row that holds for a base model on a day.
    pub(crate) fn find(&self, model: &str, day: UtcDay) -> Option<&Row<T>> {
        self.rows.iter().find(|row| row.holds_on(day) && row.pattern.matches(model))
    }

    /// All rows, the ones that win first.
    pub(crate) fn rows(&self) -> &[Row<T>] {
        &self.rows
    }
}
