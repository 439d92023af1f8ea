//! The table by group: key columns at the left, seven numbers at the right.
//!
//! In: the groups and the totals. Out: lines of at most the asked width. Always: numbers are never cut while
//! there is room for them; key columns give way, longest first, and where even that does not help a key
//! stands above its numbers.

use super::cells::{Ink, Line, cut_middle, flow, width};
use super::names::ModelNames;
use super::numbers::{percent, short, short_beside, short_decimal};
use super::script::Script;
use crate::model::{Group, Key};

/// An absent value: there is nothing that could have one.
pub(crate) const ABSENT: &str = "–";
/// Quota tokens of requests of which none is known.
pub(super) const UNKNOWN: &str = "?";
/// Stands before quota tokens that are known of a part of the requests only: at least so many.
pub(crate) const AT_LEAST: &str = "≥";
/// Key columns shrink to this, so that both ends of a value still say something.
const KEY_CELLS_MIN: usize = 8;
/// Key columns that are useless when cut keep up to this: `ap-southeast-2`, `2024-03-11T07:00:00Z`.
const KEY_CELLS_WHOLE: usize = 20;
/// A value in a key that has lines of its own.
const STACKED_KEY_CELLS_MAX: usize = 60;
/// Lines of such a key.
const STACKED_LINES_MAX: usize = 3;

/// Number columns: the heading over them, their own, and whether they begin a new pair.
pub(crate) const NUMBERS: [(&str, &str); 7] = [
    ("requests", "total"),
    ("requests", "thrott."),
    ("quota TPM", "steady"),
    ("quota TPM", "peak"),
    ("RPM", "peak"),
    ("avg tokens", "in"),
    ("avg tokens", "out"),
];

/// One row of the table.
pub(crate) struct Row {
    ink: Ink,
    /// It is the totals; its keys are empty.
    pub(crate) is_total: bool,
    /// The key, a text for each dimension.
    pub(crate) keys: Vec<String>,
    /// A text for each of [`NUMBERS`].
    pub(crate) numbers: Vec<String>,
}

/// The table in words: headings of the key columns, and rows.
pub(crate) struct Rows<'a> {
    /// The dimensions of the key.
    dimensions: Vec<&'a str>,
    /// How they are called.
    pub(crate) headings: Vec<String>,
    /// The groups, then the totals where they are wanted.
    pub(crate) rows: Vec<Row>,
}

impl<'a> Rows<'a> {
    /// Rows of other numbers than those of a report, each a key and its texts; the totals come last.
    pub(crate) fn of_keys(
        dimensions: &'a [String],
        rows: impl Iterator<Item = (Option<&'a Key>, Vec<String>)>,
        names: &ModelNames,
        script: Script,
    ) -> Self {
        let row = |(key, numbers): (Option<&Key>, Vec<String>)| match key {
            Some(_) => Row {
                ink: Ink::Plain,
                is_total: false,
                keys: key_texts(key, dimensions.len(), names, script),
                numbers,
            },
            None => {
                let keys = vec![String::new(); dimensions.len()];
                Row { ink: Ink::Bold, is_total: true, keys, numbers }
            }
        };
        Rows {
            dimensions: dimensions.iter().map(String::as_str).collect(),
            headings: dimensions.iter().map(|dimension| heading(dimension, script)).collect(),
            rows: rows.map(row).collect(),
        }
    }

    /// `totals` gets the last row.
    pub(crate) fn new(
        groups: &'a [Group],
        totals: Option<&'a Group>,
        names: &ModelNames,
        script: Script,
    ) -> Self {
        let dimensions: Vec<&str> = groups
            .first()
            .and_then(|group| group.key.as_ref())
            .map(|key| key.0.iter().map(|(dimension, _)| dimension.as_str()).collect())
            .unwrap_or_default();
        let largest = Largest::of(groups.iter().chain(totals));
        let mut rows: Vec<Row> = groups
            .iter()
            .map(|group| Row {
                ink: Ink::Plain,
                is_total: false,
                keys: key_texts(group.key.as_ref(), dimensions.len(), names, script),
                numbers: number_texts(group, &largest),
            })
            .collect();
        if let Some(totals) = totals {
            let keys = vec![String::new(); dimensions.len()];
            rows.push(Row { ink: Ink::Bold, is_total: true, keys, numbers: number_texts(totals, &largest) });
        }
        let headings = dimensions.iter().map(|dimension| heading(dimension, script)).collect();
        Rows { dimensions, headings, rows }
    }
}

/// The table; `totals` gets the last row where there is more than one group.
pub(super) fn render(
    groups: &[Group],
    totals: Option<&Group>,
    names: &ModelNames,
    cells: usize,
) -> Vec<Line> {
    lay_out(Rows::new(groups, totals, names, Script::Terminal), &NUMBERS, cells)
}

/// Lines of at most so many cells; `numbers` are the headings of the number columns.
pub(crate) fn lay_out(table: Rows<'_>, numbers: &[(&str, &str)], cells: usize) -> Vec<Line> {
    let Rows { mut dimensions, mut headings, mut rows } = table;
    let numbers = NumberColumns::of(&rows, numbers);
    let room = cells.saturating_sub(numbers.width() + 2);
    let mut lines = Vec::new();
    if natural_widths(&rows, &headings).iter().sum::<usize>() + headings.len() > room + 1 {
        lines.extend(hoist_constants(&mut rows, &mut dimensions, &mut headings, cells));
    }
    if let Some(first) = rows.iter_mut().filter(|row| row.is_total).find_map(|row| row.keys.first_mut()) {
        "total".clone_into(first);
    }
    let natural = natural_widths(&rows, &headings);
    lines.extend(match shrunk(&natural, &least(&dimensions, &natural), room) {
        Some(widths) => side_by_side(&rows, &headings, &widths, &numbers),
        None => stacked(&rows, &headings, &numbers, cells),
    });
    lines
}

/// Takes out the dimensions in which all groups agree, and says so on a line of its own.
fn hoist_constants(
    rows: &mut [Row],
    dimensions: &mut Vec<&str>,
    headings: &mut Vec<String>,
    cells: usize,
) -> Vec<Line> {
    let groups = rows.iter().filter(|row| !row.is_total).count();
    let mut constants = Vec::new();
    for at in (0..headings.len()).rev() {
        let mut values = rows.iter().filter(|row| !row.is_total).map(|row| &row.keys[at]);
        let Some(first) = values.next().cloned() else { return Vec::new() };
        // One group agrees with itself; a table needs one column.
        if groups < 2 || headings.len() == 1 || !values.all(|value| *value == first) {
            continue;
        }
        let value = cut_middle(&first, STACKED_KEY_CELLS_MAX);
        constants.push(Line::plain(format!("{} {value}", headings[at])));
        dimensions.remove(at);
        headings.remove(at);
        for row in rows.iter_mut() {
            row.keys.remove(at);
        }
    }
    constants.reverse();
    if constants.is_empty() {
        return Vec::new();
    }
    flow(&Line::inked(Ink::Dim, "all groups"), "all groups  ".len(), &constants, cells, STACKED_LINES_MAX)
}

fn natural_widths(rows: &[Row], headings: &[String]) -> Vec<usize> {
    let widest = |(at, heading): (usize, &String)| {
        rows.iter().map(|row| width(&row.keys[at])).max().unwrap_or(0).max(width(heading))
    };
    headings.iter().enumerate().map(widest).collect()
}

fn side_by_side(
    rows: &[Row],
    headings: &[String],
    widths: &[usize],
    numbers: &NumberColumns<'_>,
) -> Vec<Line> {
    let keys_width = widths.iter().sum::<usize>() + widths.len().saturating_sub(1);
    let keys = |texts: &[String]| {
        let padded: Vec<String> = texts
            .iter()
            .zip(widths)
            .map(|(text, &column)| pad_end(&cut_middle(text, column), column))
            .collect();
        format!("{}  ", padded.join(" "))
    };
    let mut lines = vec![
        Line::inked(Ink::Dim, format!("{}  {}", " ".repeat(keys_width), numbers.upper())),
        Line::inked(Ink::Bold, format!("{}{}", keys(headings), numbers.lower())),
    ];
    for row in rows {
        lines.push(Line::inked(row.ink, keys(&row.keys)).and(row.ink, numbers.row(&row.numbers)));
    }
    lines
}

/// The key above the numbers: too many or too long dimensions for one.
fn stacked(rows: &[Row], headings: &[String], numbers: &NumberColumns<'_>, cells: usize) -> Vec<Line> {
    let indent = " ".repeat(cells.saturating_sub(numbers.width()));
    let joined = |ink: Ink, texts: &[String]| {
        let texts = texts.iter().filter(|text| !text.is_empty());
        let items: Vec<Line> =
            texts.map(|text| Line::inked(ink, cut_middle(text, STACKED_KEY_CELLS_MAX))).collect();
        flow(&Line::default(), 0, &items, cells, STACKED_LINES_MAX)
    };
    let mut lines = joined(Ink::Bold, headings);
    lines.push(Line::inked(Ink::Dim, format!("{indent}{}", numbers.upper())));
    lines.push(Line::inked(Ink::Bold, format!("{indent}{}", numbers.lower())));
    for row in rows {
        lines.extend(joined(row.ink, &row.keys));
        lines.push(Line::inked(row.ink, format!("{indent}{}", numbers.row(&row.numbers))));
    }
    lines
}

/// Widths of the number columns, and how they stand together.
struct NumberColumns<'a> {
    headings: &'a [(&'a str, &'a str)],
    widths: Vec<usize>,
}

impl<'a> NumberColumns<'a> {
    fn of(rows: &[Row], headings: &'a [(&'a str, &'a str)]) -> Self {
        let widest = |at: usize, own: &str| {
            rows.iter().map(|row| width(&row.numbers[at])).max().unwrap_or(0).max(width(own))
        };
        let mut widths: Vec<usize> =
            headings.iter().enumerate().map(|(at, (_, own))| widest(at, own)).collect();
        // A heading needs its own width, too, where the columns below it are narrow.
        for (at, (over, _)) in headings.iter().enumerate() {
            let below: Vec<usize> =
                (0..headings.len()).filter(|&column| headings[column].0 == *over).collect();
            let room = below.iter().map(|&column| widths[column]).sum::<usize>() + below.len() - 1;
            if below.first() == Some(&at) {
                widths[at] += width(over).saturating_sub(room);
            }
        }
        NumberColumns { headings, widths }
    }

    /// Spaces before a column: two where a new heading begins, one inside it.
    fn gap(&self, at: usize) -> usize {
        match at {
            0 => 0,
            _ if self.headings[at].0 == self.headings[at - 1].0 => 1,
            _ => 2,
        }
    }

    fn width(&self) -> usize {
        self.widths.iter().enumerate().map(|(at, column)| column + self.gap(at)).sum()
    }

    /// The headings over the columns, each at the right end of its columns.
    fn upper(&self) -> String {
        let mut line = String::new();
        let mut end = 0;
        for (at, (over, _)) in self.headings.iter().enumerate() {
            end += self.gap(at) + self.widths[at];
            let is_last = self.headings.get(at + 1).is_none_or(|(next, _)| next != over);
            if is_last {
                line.push_str(&pad_start(over, end.saturating_sub(width(&line))));
            }
        }
        line
    }

    fn lower(&self) -> String {
        self.row(&self.headings.iter().map(|(_, own)| (*own).to_owned()).collect::<Vec<String>>())
    }

    fn row(&self, texts: &[String]) -> String {
        let mut line = String::new();
        for (at, text) in texts.iter().enumerate() {
            line.push_str(&" ".repeat(self.gap(at)));
            line.push_str(&pad_start(text, self.widths[at]));
        }
        line
    }
}

/// The largest values of the columns that share a unit.
struct Largest {
    requests: u128,
    tokens_per_minute: u128,
}

impl Largest {
    fn of<'a>(groups: impl Iterator<Item = &'a Group>) -> Self {
        let mut largest = Largest { requests: 0, tokens_per_minute: 0 };
        for group in groups {
            largest.requests = largest.requests.max(u128::from(group.requests.attempted));
            let peak = group.quota_tokens_per_minute.as_ref().map_or(0, |series| series.peak);
            largest.tokens_per_minute = largest.tokens_per_minute.max(u128::from(peak));
        }
        largest
    }
}

fn number_texts(group: &Group, largest: &Largest) -> Vec<String> {
    let requests = &group.requests;
    let absent = || ABSENT.to_owned();
    let tokens = |value: u64| {
        let known = short_beside(u128::from(value), largest.tokens_per_minute);
        format!("{}{known}", if is_partly_known(group) { AT_LEAST } else { "" })
    };
    let per_minute = group.quota_tokens_per_minute.as_ref();
    let unknown = || if is_unknown(group) { UNKNOWN.to_owned() } else { absent() };
    let average = |value| Option::map_or_else(value, absent, short_decimal);
    vec![
        short_beside(u128::from(requests.attempted), largest.requests),
        percent(requests.throttled, requests.attempted),
        per_minute.map_or_else(unknown, |series| tokens(series.p50)),
        per_minute.map_or_else(unknown, |series| tokens(series.peak)),
        group.requests_per_minute.as_ref().map_or_else(absent, |series| short(u128::from(series.peak))),
        average(group.statistics.average_input_tokens_per_request),
        average(group.statistics.average_output_tokens_per_request),
    ]
}

/// Whether there are successful requests, and quota tokens are known of none of them.
pub(super) fn is_unknown(group: &Group) -> bool {
    group.tokens.settled_known == 0 && group.requests.successful > 0
}

/// Whether quota tokens are known of some successful requests and not of others.
pub(super) fn is_partly_known(group: &Group) -> bool {
    group.quota_tokens_per_minute.is_some() && group.tokens.settled_known < group.requests.successful
}

fn key_texts(key: Option<&Key>, dimensions: usize, names: &ModelNames, script: Script) -> Vec<String> {
    let mut texts: Vec<String> = key.map_or_else(Vec::new, |key| {
        let value = |(dimension, value): &(String, Option<String>)| {
            key_text(dimension, value.as_deref(), names, script, usize::MAX)
        };
        key.0.iter().map(value).collect()
    });
    // A report of another origin may have groups of different shapes.
    texts.resize(dimensions, ABSENT.to_owned());
    texts
}

/// One value of a key for people, in at most so many cells.
pub(crate) fn key_text(
    dimension: &str,
    value: Option<&str>,
    names: &ModelNames,
    script: Script,
    cells: usize,
) -> String {
    match value {
        None => ABSENT.to_owned(),
        Some(model) if dimension == "model" => script.name(names.short(model), cells),
        Some("application-profile") if dimension == "scope" => "app-profile".to_owned(),
        Some(value) => script.name(value, cells),
    }
}

/// `Region` is a proper name; the other dimensions are called as on the command line.
pub(crate) fn heading(dimension: &str, script: Script) -> String {
    match dimension {
        "region" => "Region".to_owned(),
        "inference-region" => "ran in".to_owned(),
        other => script.text(other),
    }
}

/// How far each key column may shrink.
fn least(dimensions: &[&str], natural: &[usize]) -> Vec<usize> {
    dimensions
        .iter()
        .zip(natural)
        .map(|(&dimension, &column)| match dimension {
            "account" | "region" | "inference-region" | "scope" | "hour" | "day" | "minute" => {
                column.min(KEY_CELLS_WHOLE)
            }
            _ => column.min(KEY_CELLS_MIN),
        })
        .collect()
}

/// Column widths that fit in `room` with one cell between columns, or `None` where even the least do not.
fn shrunk(natural: &[usize], least: &[usize], room: usize) -> Option<Vec<usize>> {
    let gaps = natural.len().saturating_sub(1);
    if least.iter().sum::<usize>() + gaps > room {
        return None;
    }
    let mut widths = natural.to_vec();
    let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(room);
    while excess > 0 {
        let widest = (0..widths.len()).filter(|&at| widths[at] > least[at]).max_by_key(|&at| widths[at])?;
        widths[widest] -= 1;
        excess -= 1;
    }
    Some(widths)
}

pub(crate) fn pad_end(text: &str, cells: usize) -> String {
    format!("{text}{}", " ".repeat(cells.saturating_sub(width(text))))
}

pub(crate) fn pad_start(text: &str, cells: usize) -> String {
    format!("{}{text}", " ".repeat(cells.saturating_sub(width(text))))
}
