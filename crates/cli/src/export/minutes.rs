//! The series of a report as a table: one row a minute and group.
//!
//! In: a report with series by the minute. Out: the minutes of each group in which it has any figure, groups in the
//! report's order and minutes in that of time. Always: a figure that a group does not have is absent, not 0. Absent:
//! minutes in which nothing happened.

use std::collections::BTreeMap;

use borehole_report::Report;
use borehole_report::model::{Group, PerMinute};
use borehole_table::columns::Table;
use borehole_usage::Dimension;

use super::groups::{key_columns, moment};

type Series = fn(&Group) -> &Option<PerMinute>;

/// The figures of a minute, with where they come from.
const FIGURES: [(&str, Series); 4] = [
    ("requests", |group| &group.requests_per_minute),
    ("tokens", |group| &group.tokens_per_minute),
    ("quota_tokens", |group| &group.quota_tokens_per_minute),
    ("reserved_tokens", |group| &group.reserved_tokens_per_minute),
];

/// One row.
struct Row<'a> {
    group: &'a Group,
    minute: &'a str,
    figures: [Option<u64>; FIGURES.len()],
}

/// The table.
pub(crate) fn table(report: &Report, by: &[Dimension]) -> Table {
    let rows: Vec<Row<'_>> = report.groups.iter().flat_map(rows_of).collect();
    let mut table = Table::new(rows.len());
    let groups: Vec<&Group> = rows.iter().map(|row| row.group).collect();
    key_columns(&mut table, by, &groups);
    table.time("minute", rows.iter().map(|row| moment(row.minute)));
    for (index, (name, _)) in FIGURES.iter().enumerate() {
        table.natural(name, rows.iter().map(|row| row.figures[index]));
    }
    table
}

fn rows_of(group: &Group) -> impl Iterator<Item = Row<'_>> {
    // By the text of the minute: RFC 3339 sorts as the times do.
    let mut minutes: BTreeMap<&str, [Option<u64>; FIGURES.len()]> = BTreeMap::new();
    for (index, (_, series)) in FIGURES.iter().enumerate() {
        let points = series(group).iter().flat_map(|series| series.data_points.iter().flatten());
        for point in points {
            if let Some(minute) = &point.minute {
                minutes.entry(minute).or_default()[index] = point.tokens.or(point.requests);
            }
        }
    }
    minutes.into_iter().map(move |(minute, figures)| Row { group, minute, figures })
}
