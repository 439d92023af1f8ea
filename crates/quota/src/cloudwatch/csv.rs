//! Exports as CSV: what the console downloads, and plain tables, long or wide.
//!
//! In: text. Out: series, given to [`CloudWatch::add`]. Always: a column is of one metric, or the table has a
//! column that names it; an empty cell is no data point; cells may be quoted. The console's file begins with
//! rows `Id`, `Full label`, `Label` (and others, which say nothing that is needed), then one row a period.

use std::collections::BTreeMap;

use super::label::{Label, Named};
use super::number::{parse_amount, parse_time};
use super::series::ReadSeries;
use super::{CloudWatch, CloudWatchError, Place};

/// Most columns: an answer has at most 500 series.
const COLUMNS_MAX: usize = 512;
/// Most distinct metric × model of a long table.
const SERIES_MAX: usize = 4_096;

/// Reads a file.
pub(super) fn read(text: &str, into: &mut CloudWatch) -> Result<(), CloudWatchError> {
    let mut rows = Rows { rest: text, line: 1 };
    let mut heads = Heads::default();
    let mut seen = BTreeMap::new();
    while let Some(row) = rows.next_row()? {
        let first = row.cells[0].trim();
        if heads.take(first, &row) {
            continue;
        }
        let table = match Table::of(&row) {
            Some(table) => table,
            None if heads.is_console() && parse_time(first).is_some() => {
                let mut columns = Columns::of_console(&heads);
                columns.row(&row, 0)?;
                Table::Wide { time: 0, columns }
            }
            None => return Err(CloudWatchError::NoHeader(row.place(0))),
        };
        for series in table.read(&mut rows)? {
            into.add(series, &mut seen)?;
        }
        into.close_file();
        return Ok(());
    }
    // The header rows of a graph without data.
    if heads.is_console() {
        for series in Columns::of_console(&heads).0 {
            into.add(series, &mut seen)?;
        }
        into.close_file();
        return Ok(());
    }
    Err(CloudWatchError::NoHeader(Place { line: 1, column: 1 }))
}

/// The console's rows before the data.
#[derive(Default)]
struct Heads {
    ids: Vec<String>,
    labels: Vec<String>,
    full_labels: Vec<String>,
    line: usize,
}

impl Heads {
    /// Keeps a header row; `false` for any other.
    fn take(&mut self, first: &str, row: &Row) -> bool {
        let cells = || row.cells.iter().skip(1).map(|cell| cell.trim().to_owned()).collect();
        let is = |name: &str| first.eq_ignore_ascii_case(name);
        // A long table may begin with a column of this name, but then a column of times follows.
        if Table::of(row).is_some() {
            return false;
        }
        if is("Id") {
            self.ids = cells();
        } else if is("Label") {
            self.labels = cells();
        } else if is("Full label") {
            self.full_labels = cells();
        } else if !["StatusCode", "Messages", "Region", "Period", "Statistic", "Unit", "Account"]
            .iter()
            .any(|name| is(name))
        {
            return false;
        }
        self.line = row.line;
        true
    }

    fn is_console(&self) -> bool {
        !self.labels.is_empty() || !self.full_labels.is_empty() || !self.ids.is_empty()
    }
}

/// Series by column; the column of the times is none of them.
struct Columns(Vec<ReadSeries>);

impl Columns {
    fn of_console(heads: &Heads) -> Self {
        let count = heads.ids.len().max(heads.labels.len()).max(heads.full_labels.len());
        let text = |texts: &[String], at: usize| texts.get(at).map_or("", |text| text).to_owned();
        let column = |at: usize| {
            let (full, label) = (text(&heads.full_labels, at), text(&heads.labels, at));
            let id = text(&heads.ids, at);
            let name = [&label, &full, &id].into_iter().find(|text| !text.is_empty()).cloned();
            let label = Label::read(&[&full, &label], Some(&id));
            empty_series(label, at, name.unwrap_or_default(), heads.line)
        };
        Columns((0..count).map(column).collect())
    }

    /// Adds a row whose cell `time` is its time.
    fn row(&mut self, row: &Row, time: usize) -> Result<(), CloudWatchError> {
        // The console ends some rows with a comma.
        let filled = row.cells.iter().rposition(|cell| !cell.trim().is_empty()).map_or(0, |last| last + 1);
        if filled > self.0.len() + 1 {
            return Err(CloudWatchError::RaggedRow(row.place(self.0.len() + 1)));
        }
        let moment = row.time(time)?;
        let cells = row.cells.iter().enumerate().filter(|(at, _)| *at != time);
        for ((at, cell), series) in cells.zip(&mut self.0) {
            add_point(series, moment, cell, row.place(at))?;
        }
        Ok(())
    }
}

/// What a header row says of a table.
enum Table {
    /// A column of times, the others one metric each.
    Wide { time: usize, columns: Columns },
    /// Columns of times, metrics and values, and perhaps of models.
    Long { time: usize, metric: usize, value: usize, model: Option<usize> },
}

impl Table {
    /// The table that a row is the header of.
    fn of(row: &Row) -> Option<Self> {
        let names: Vec<String> = row
            .cells
            .iter()
            .map(|cell| {
                cell.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
            })
            .collect();
        let column = |wanted: &[&str]| names.iter().position(|name| wanted.contains(&&**name));
        let time = column(&["timestamp", "timestamps", "time", "timeutc", "date", "datetime"])?;
        let metric = column(&["metric", "metricname", "label", "id"]);
        let value = column(&["value", "values", "sum"]);
        if let (Some(metric), Some(value)) = (metric, value) {
            let model = column(&["model", "modelid"]);
            return Some(Table::Long { time, metric, value, model });
        }
        let heads = row.cells.iter().map(|cell| cell.trim()).enumerate().filter(|(at, _)| *at != time);
        let series = heads
            .map(|(at, head)| empty_series(Label::read(&[head], Some(head)), at, head.to_owned(), row.line));
        let columns = Columns(series.collect());
        (!columns.0.is_empty()).then_some(Table::Wide { time, columns })
    }

    /// Reads the rows below the header.
    fn read(self, rows: &mut Rows<'_>) -> Result<Vec<ReadSeries>, CloudWatchError> {
        match self {
            Table::Wide { time, mut columns } => {
                while let Some(row) = rows.next_row()? {
                    columns.row(&row, time)?;
                }
                Ok(columns.0)
            }
            Table::Long { time, metric, value, model } => {
                let mut series: BTreeMap<(String, String), ReadSeries> = BTreeMap::new();
                while let Some(row) = rows.next_row()? {
                    let cell = |at: usize| row.cells.get(at).map_or("", |cell| cell.trim());
                    let (name, model) = (cell(metric), model.map_or("", cell));
                    let moment = row.time(time)?;
                    let key = (name.to_owned(), model.to_owned());
                    if series.len() == SERIES_MAX && !series.contains_key(&key) {
                        return Err(CloudWatchError::TooManyPoints);
                    }
                    let of_row = series.entry(key).or_insert_with(|| {
                        let spelled =
                            if model.is_empty() { String::new() } else { format!("ModelId {model}") };
                        let label = Label::read(&[name, &spelled], Some(name));
                        // Rows are told apart by what they say, so two of them are never alike by chance.
                        empty_series(label, 0, name.to_owned(), row.line)
                    });
                    add_point(of_row, moment, cell(value), row.place(value))?;
                }
                Ok(series.into_values().collect())
            }
        }
    }
}

fn empty_series(label: Label, column: usize, name: String, line: usize) -> ReadSeries {
    ReadSeries {
        label,
        id: Some(column.to_string()),
        name,
        points: Vec::new(),
        is_complete: true,
        rounded: 0,
        without_offset: 0,
        place: Place { line, column: column + 1 },
    }
}

fn add_point(
    series: &mut ReadSeries,
    (second, no_offset): (i64, bool),
    cell: &str,
    place: Place,
) -> Result<(), CloudWatchError> {
    let cell = cell.trim();
    // What is skipped may hold anything.
    if cell.is_empty() || !matches!(series.label.named, Named::Summed(_)) || series.label.other_statistic {
        return Ok(());
    }
    let amount = parse_amount(cell).map_err(|error| error.at(place))?;
    series.points.push((second, amount.value));
    series.rounded += u64::from(amount.is_rounded);
    series.without_offset += u64::from(no_offset);
    Ok(())
}

/// One row; never without a cell.
struct Row {
    cells: Vec<String>,
    line: usize,
}

impl Row {
    fn place(&self, cell: usize) -> Place {
        Place { line: self.line, column: cell + 1 }
    }

    fn time(&self, cell: usize) -> Result<(i64, bool), CloudWatchError> {
        let text = self.cells.get(cell).map_or("", |cell| cell.trim());
        parse_time(text).ok_or_else(|| CloudWatchError::BadTime(self.place(cell)))
    }
}

/// Cuts text into rows and cells (RFC 4180; rows end with `\n` or `\r\n`).
struct Rows<'t> {
    rest: &'t str,
    line: usize,
}

impl Rows<'_> {
    /// The next row that is not empty.
    fn next_row(&mut self) -> Result<Option<Row>, CloudWatchError> {
        while !self.rest.is_empty() {
            let row = self.row()?;
            if row.cells.iter().any(|cell| !cell.trim().is_empty()) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    fn row(&mut self) -> Result<Row, CloudWatchError> {
        let mut row = Row { cells: Vec::new(), line: self.line };
        loop {
            if row.cells.len() == COLUMNS_MAX {
                return Err(CloudWatchError::RaggedRow(row.place(COLUMNS_MAX)));
            }
            let cell = self.cell().ok_or_else(|| CloudWatchError::OpenQuote(row.place(row.cells.len())))?;
            row.cells.push(cell);
            if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest;
                continue;
            }
            self.rest = self.rest.strip_prefix('\n').unwrap_or(self.rest);
            self.line += 1;
            return Ok(row);
        }
    }

    /// The next cell, up to a comma or the end of the row; `None` where its quote does not end.
    fn cell(&mut self) -> Option<String> {
        let mut cell = String::new();
        if let Some(quoted) = self.rest.strip_prefix('"') {
            let mut inside = quoted;
            loop {
                let end = inside.find('"')?;
                cell.push_str(&inside[..end]);
                inside = &inside[end + 1..];
                match inside.strip_prefix('"') {
                    Some(after) => {
                        cell.push('"');
                        inside = after;
                    }
                    None => break,
                }
            }
            self.line += cell.bytes().filter(|&byte| byte == b'\n').count();
            self.rest = inside;
        }
        // What stands behind a closing quote belongs to the cell, as in every spreadsheet.
        let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
        cell.push_str(self.rest[..end].trim_end_matches('\r'));
        self.rest = &self.rest[end..];
        Some(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Result<Vec<Vec<String>>, CloudWatchError> {
        let mut rows = Rows { rest: text, line: 1 };
        let mut all = Vec::new();
        while let Some(row) = rows.next_row()? {
            all.push(row.cells);
        }
        Ok(all)
    }

    #[test]
    fn cells_are_quoted_or_not_and_rows_end_either_way() {
        let expected = vec![vec!["a", "b,\"c\"", ""], vec!["d", "e\nf", "g"]];
        assert_eq!(rows("a,\"b,\"\"c\"\"\",\r\n\n,,\nd,\"e\nf\",g").expect("rows"), expected);
        assert_eq!(rows(""), Ok(Vec::new()));
        let open = Place { line: 2, column: 2 };
        assert_eq!(rows("a\nb,\"c\n"), Err(CloudWatchError::OpenQuote(open)));
    }
}
