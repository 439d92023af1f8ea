//! A comparison for people: one screen of text.
//!
//! In: a [`Comparison`] and a style. Out: lines of at most `style.width` cells. Always: incomplete sides first, then
//! the periods, the figures over everything, the groups with the largest change of load first, beside each a picture
//! of it: left is less, right is more.

use super::words::{self, Figure, Words};
use super::{Comparison, GroupChange, Signed};
use crate::text::TextStyle;
use crate::text::cells::{Ink, Line, cut_middle, flow, width};
use crate::text::numbers::{counted, thousands};
use crate::text::script::Script;
use crate::text::table::{self, Rows, pad_end, pad_start};

/// Where the text of a labelled line begins.
const INDENT: usize = 10;
/// Lines that one label may take.
const LINES_MAX: usize = 3;
/// Cells of each half of the picture.
const HALF_CELLS: u128 = 4;
/// Groups of which it is said which figures changed.
const NOTABLE_GROUPS_MAX: usize = 3;
/// Figures that the table of groups shows of each.
const IN_TABLE: [&str; 6] = [
    "requests",
    "requests per hour",
    "throttled",
    "quota tokens",
    "quota tokens per hour",
    "quota TPM, peak",
];
/// Values of a ranked dimension that are shown.
const RANKS_MAX: usize = 8;
/// Cells of the numbers and the picture beside such a value.
const RANK_CELLS: usize = 61;
/// Cells of such a value where lines are too short for both.
const VALUE_CELLS_MIN: usize = 20;
/// Cells of a label of a figure.
const LABEL_CELLS_MAX: usize = 44;

/// Renders the comparison; every line ends in `\n`.
#[must_use]
pub fn render(comparison: &Comparison, style: &TextStyle) -> String {
    let page = Page { words: Words::new(comparison, Script::Terminal), comparison, style };
    let mut lines = page.head();
    lines.push(Line::default());
    lines.extend(page.totals());
    if comparison.groups.len() > 1 {
        lines.push(Line::default());
        lines.extend(page.groups());
    }
    lines.extend(page.rankings());
    let mut out = String::new();
    for line in lines {
        line.fitted(style.width).write(style.color, &mut out);
    }
    out
}

struct Page<'a> {
    comparison: &'a Comparison,
    words: Words<'a>,
    style: &'a TextStyle,
}

impl Page<'_> {
    fn labelled(&self, label: Line, items: &[Line]) -> Vec<Line> {
        flow(&label, INDENT, items, self.style.width, LINES_MAX)
    }

    /// Whether this is all, of what, and what to know before reading on.
    fn head(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        if self.comparison.complete {
            lines.push(Line::inked(Ink::Bold, "COMPLETE  ").and(Ink::Plain, "both sides"));
        } else {
            lines.push(
                Line::inked(Ink::Red, "INCOMPLETE  ")
                    .and(Ink::Plain, "the totals of a side are too low; a change may be what it lacks"),
            );
            for (name, side) in self.words.sides() {
                let losses = self.words.losses(side);
                if !losses.is_empty() {
                    lines.extend(self.labelled(Line::inked(Ink::Red, format!("lost {name}")), &losses));
                }
            }
        }
        for (name, side) in self.words.sides() {
            let mut items = vec![Line::inked(Ink::Bold, self.words.sources(side))];
            items.extend(self.words.period(side).into_iter().map(Line::plain));
            items.retain(|item| item.width() > 0);
            lines.extend(self.labelled(Line::inked(Ink::Dim, name), &items));
        }
        for caution in self.words.cautions() {
            lines.extend(self.labelled(Line::inked(Ink::Yellow, "note"), &[Line::plain(caution)]));
        }
        lines
    }

    fn totals(&self) -> Vec<Line> {
        let figures = self.words.figures(&self.comparison.totals);
        if figures.is_empty() {
            return vec![Line::inked(Ink::Bold, "No request was counted on either side.")];
        }
        let indented = |figure: &Figure| {
            if figure.is_rate { "  per hour".to_owned() } else { cut_middle(&figure.label, LABEL_CELLS_MAX) }
        };
        let labels: Vec<String> = figures.iter().map(indented).collect();
        let widest = |texts: &mut dyn Iterator<Item = &String>, least: &str| {
            texts.map(|text| width(text)).max().unwrap_or(0).max(width(least))
        };
        let columns = [
            widest(&mut labels.iter(), ""),
            widest(&mut figures.iter().map(|figure| &figure.before), "before"),
            widest(&mut figures.iter().map(|figure| &figure.after), "after"),
            widest(&mut figures.iter().map(|figure| &figure.change), "change"),
        ];
        let row = |label: &str, texts: [&str; 3]| {
            let mut line = pad_end(label, columns[0]);
            for (text, column) in texts.iter().zip(&columns[1..]) {
                line.push_str("  ");
                line.push_str(&pad_start(text, *column));
            }
            line
        };
        let mut lines = vec![Line::inked(Ink::Bold, row("", ["before", "after", "change"]))];
        lines.extend(
            figures.iter().zip(&labels).map(|(figure, label)| {
                Line::plain(row(label, [&figure.before, &figure.after, &figure.change]))
            }),
        );
        lines
    }

    fn groups(&self) -> Vec<Line> {
        let all = &self.comparison.groups;
        let shown = &all[..all.len().min(self.style.rows)];
        let largest = words::largest_change(all.iter().map(|group| group.load_change));
        let per_hour = self.words.is_per_hour();
        let requests = if per_hour { "requests/h" } else { "requests" };
        let load = format!("{}{}", self.words.measure(), if per_hour { "/h" } else { "" });
        let numbers = [
            (requests, "after"),
            (requests, "change"),
            ("thrott.", "change"),
            ("TPM peak", "change"),
            (load.as_str(), "change"),
            (load.as_str(), middle_heading(self.style.unicode_bars)),
        ];
        let row = |group: &GroupChange| {
            let figures = &group.figures;
            vec![
                words::rate_after(&figures.attempted),
                words::change_of(group, words::rate_change(&figures.attempted)),
                words::points_change(&figures.throttled_share),
                words::count_change(&figures.quota_tokens_per_minute.peak),
                words::signed(group.load_change),
                self.picture(group.load_change, largest),
            ]
        };
        let rows = shown.iter().map(|group| (Some(&group.key), row(group)));
        let rows = Rows::of_keys(&self.comparison.by, rows, self.words.names(), Script::Terminal);
        let mut lines = table::lay_out(rows, &numbers, self.style.width);
        if shown.len() < all.len() {
            let more = counted((all.len() - shown.len()) as u64, "more group");
            lines.push(Line::inked(Ink::Dim, format!("+{more} with less change; JSON has them all")));
        }
        for group in shown.iter().take(NOTABLE_GROUPS_MAX) {
            let notable: Vec<Line> = self
                .words
                .figures(&group.figures)
                .iter()
                .filter(|figure| figure.is_notable && !IN_TABLE.contains(&figure.label.as_str()))
                .map(|figure| {
                    let Figure { label, before, after, change, .. } = figure;
                    Line::plain(format!("{label} {before} → {after} ({change})"))
                })
                .collect();
            if !notable.is_empty() {
                let key = cut_middle(&self.words.key(&group.key), self.style.width);
                lines.push(Line::inked(Ink::Bold, key));
                lines.extend(flow(&Line::default(), 2, &notable, self.style.width, LINES_MAX));
            }
        }
        lines
    }

    /// `  ▇▇│    `: less reaches to the left, more to the right.
    fn picture(&self, change: Option<Signed>, largest: u128) -> String {
        let (block, middle) = if self.style.unicode_bars { ("▇", "│") } else { ("#", "|") };
        let (steps, negative) = change.map_or((0, false), |change| words::reach(change, largest, HALF_CELLS));
        let bar = block.repeat(usize::try_from(steps).unwrap_or(0));
        let half = usize::try_from(HALF_CELLS).unwrap_or(0);
        let (left, right) = if negative { (bar, String::new()) } else { (String::new(), bar) };
        format!("{}{middle}{}", pad_start(&left, half), pad_end(&right, half))
    }

    fn rankings(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for ranking in self.comparison.rankings.iter().filter(|ranking| !ranking.rows.is_empty()) {
            let shown = &ranking.rows[..ranking.rows.len().min(RANKS_MAX)];
            let largest = words::largest_change(ranking.rows.iter().map(|row| row.load_change));
            let value_cells_max = self.style.width.saturating_sub(RANK_CELLS).max(VALUE_CELLS_MIN);
            let values: Vec<String> = shown
                .iter()
                .map(|row| cut_middle(&self.words.ranked(ranking, row), value_cells_max))
                .collect();
            let heading = format!("by {}", table::heading(&ranking.dimension, Script::Terminal));
            let column = values.iter().map(|value| width(value)).max().unwrap_or(0).max(width(&heading));
            let row = |value: &str, texts: [&str; 5]| {
                let cells = [10, 10, 9, 9, 0];
                let mut line = pad_end(value, column);
                for (text, width) in texts.iter().zip(cells) {
                    line.push_str(&format!(" {}", pad_start(text, width)));
                }
                line
            };
            let per_hour = if self.words.is_per_hour() { "/h" } else { "" };
            lines.push(Line::default());
            lines.push(Line::inked(
                Ink::Bold,
                row(
                    &heading,
                    [
                        &format!("requests{per_hour}"),
                        "change",
                        "of load",
                        "change",
                        &format!("{}{per_hour}", self.words.measure()),
                    ],
                ),
            ));
            for (rank, value) in shown.iter().zip(&values) {
                let change = words::presence(rank.presence)
                    .map_or_else(|| words::rate_change(&rank.attempted), str::to_owned);
                let load = pad_start(&words::signed(rank.load_change), 7);
                let texts = [
                    words::rate_after(&rank.attempted),
                    change,
                    crate::text::words::share(rank.share.after),
                    words::points_change(&rank.share),
                    format!("{load} {}", self.picture(rank.load_change, largest)),
                ];
                lines.push(Line::plain(row(value, texts.each_ref().map(String::as_str))));
            }
            let rest = ranking.rows.len() - shown.len();
            if rest > 0 {
                let rest = thousands(rest as u128);
                lines
                    .push(Line::inked(Ink::Dim, format!("+{rest} more with less change; JSON has them all")));
            }
        }
        lines
    }
}

/// The heading of pictures: what the halves mean.
fn middle_heading(unicode_bars: bool) -> &'static str {
    if unicode_bars { "less│more" } else { "less|more" }
}
