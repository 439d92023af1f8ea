//! A report for people: one screen of text.
//!
//! In: a [`Report`] and a style. Out: lines of at most `style.width` cells. Always: health stands before any
//! figure and is one line when nothing is wrong; strings from the logs are escaped; color, where it is on,
//! repeats what the words say. Absent: terminal detection and environment variables, which are the caller's.

mod advice;
pub(crate) mod cells;
mod explain;
pub(crate) mod listing;
pub(crate) mod names;
pub(crate) mod numbers;
pub(crate) mod script;
pub(crate) mod stamp;
pub(crate) mod table;
pub(crate) mod words;

use cells::{Ink, Line, cut_middle, flow, width};
pub use numbers::{bytes, counted, thousands};
use script::Script;
use words::{Labelled, Words};

use crate::model::Report;

/// Where the text of a labelled line begins.
const INDENT: usize = 10;
/// Lines that coverage, errors and the like may take before the rest is only counted.
const FLOW_LINES_MAX: usize = words::GAPPED_MAX;
/// Cells of the longest bar.
const BAR_CELLS: u64 = 16;

/// How to render.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TextStyle {
    /// Most cells of a line.
    pub width: usize,
    /// ANSI colors around our own words.
    pub color: bool,
    /// Bars of block characters; else of `#`.
    pub unicode_bars: bool,
    /// Most groups in the table; what is beyond is counted. The caller raises it where the user asked for more.
    pub rows: usize,
    /// The formulas of the figures after the report.
    pub explain: bool,
}

impl Default for TextStyle {
    fn default() -> Self {
        TextStyle { width: 100, color: false, unicode_bars: true, rows: 30, explain: false }
    }
}

/// Renders the report; every line ends in `\n`.
#[must_use]
pub fn render(report: &Report, style: &TextStyle) -> String {
    let page = Page { report, style, words: Words::new(report, Script::Terminal, style.unicode_bars) };
    let mut lines = page.source();
    lines.extend(page.health());
    lines.extend(page.all_labelled(page.words.coverage()));
    if report.totals.requests.attempted == 0 {
        lines.push(page.words.nothing_counted());
    } else {
        lines.extend(page.all_labelled(page.words.known()));
        lines.push(Line::default());
        lines.extend(page.table());
        lines.push(Line::default());
        lines.extend(page.figures());
        lines.extend(page.words.finding_lines(style.width));
    }
    lines.extend(page.notes());
    if let Some(requests) = &report.requests {
        lines.push(Line::default());
        lines.extend(listing::render(requests, &page.words.names, page.words.with_year, style.width));
    }
    if style.explain {
        lines.push(Line::default());
        lines.extend(explain::render(style.width));
    }

    let mut out = String::new();
    for line in lines {
        line.fitted(style.width).write(style.color, &mut out);
    }
    out
}

struct Page<'a> {
    report: &'a Report,
    style: &'a TextStyle,
    words: Words<'a>,
}

impl Page<'_> {
    fn labelled(&self, label: &str, items: &[Line]) -> Vec<Line> {
        let lines_max = match label {
            "PEAKS" => 2 * FLOW_LINES_MAX,
            "NOTES" => 4 * FLOW_LINES_MAX,
            _ => FLOW_LINES_MAX,
        };
        flow(&label_of(label), INDENT, items, self.style.width, lines_max)
    }

    fn all_labelled(&self, all: impl IntoIterator<Item = Labelled>) -> Vec<Line> {
        all.into_iter().flat_map(|labelled| self.labelled(labelled.label, &labelled.items)).collect()
    }

    /// The sources and the range; on two lines where they do not fit on one.
    fn source(&self) -> Vec<Line> {
        let (sources, range) = (self.words.sources(), self.words.range());
        if width(&sources) + 2 + width(&range) <= self.style.width {
            return vec![Line::inked(Ink::Bold, sources).and(Ink::Plain, format!("  {range}"))];
        }
        let mut lines = vec![Line::inked(Ink::Bold, cut_middle(&sources, self.style.width))];
        if !range.is_empty() {
            lines.push(Line::plain(range));
        }
        lines
    }

    fn health(&self) -> Vec<Line> {
        let items = self.words.read();
        if self.report.complete {
            return flow(
                &Line::inked(Ink::Bold, "COMPLETE  "),
                INDENT,
                &items,
                self.style.width,
                FLOW_LINES_MAX,
            );
        }
        let verdict = Line::inked(Ink::Red, "INCOMPLETE  ");
        let mut lines = flow(&verdict, INDENT + 2, &items, self.style.width, FLOW_LINES_MAX);
        lines.extend(self.labelled("lost", &self.words.losses()));
        for (at, step) in self.words.next_steps().into_iter().enumerate() {
            let label = if at == 0 { "next" } else { "" };
            lines.extend(self.labelled(label, &[Line::plain(step)]));
        }
        lines
    }

    fn table(&self) -> Vec<Line> {
        let report = self.report;
        let shown = report.groups.len().min(self.style.rows);
        let omitted = report.groups_omitted.saturating_add((report.groups.len() - shown) as u64);
        let totals = (report.groups.len() > 1 || omitted > 0).then_some(&report.totals);
        let mut lines = match report.groups.get(..shown) {
            Some([]) | None => table::render(&[], Some(&report.totals), &self.words.names, self.style.width),
            Some(groups) => table::render(groups, totals, &self.words.names, self.style.width),
        };
        if omitted > 0 {
            let hint = words::where_more_groups_are(report);
            lines.push(Line::inked(
                Ink::Dim,
                format!("+{} in the total; {hint}", counted(omitted, "more group")),
            ));
        }
        lines.extend(Line::inked(Ink::Dim, self.words.legend(shown)).wrapped(self.style.width));
        lines
    }

    /// The labelled lines under the table, about the totals.
    fn figures(&self) -> Vec<Line> {
        let mut lines = self.all_labelled(self.words.peaks());
        lines.extend(self.group_peaks());
        lines.extend(self.all_labelled(self.words.figures()));
        lines.extend(self.all_labelled(self.words.ranked_all()));
        lines
    }

    fn group_peaks(&self) -> Vec<Line> {
        let peaks = self.words.group_peaks();
        let lines = peaks.iter().map(|peak| {
            let (load, largest) = peak.of_largest;
            let bar = self.words.bar(u128::from(load), u128::from(largest), BAR_CELLS);
            Line::plain(" ".repeat(INDENT))
                .and(Ink::Plain, table::pad_start(&peak.load, 6))
                .and(Ink::Plain, format!("  {}  ", peak.minute))
                .and(Ink::Plain, table::pad_end(&bar, BAR_CELLS as usize))
                .and(Ink::Plain, format!("  {}", self.words.key(peak.group)))
        });
        lines.collect()
    }

    fn notes(&self) -> Vec<Line> {
        self.all_labelled(self.words.notes())
    }
}

/// Capitals say figures, small letters say how far to trust them.
fn label_of(label: &str) -> Line {
    let ink = match label {
        "lost" => Ink::Red,
        "next" => Ink::Yellow,
        _ if label.starts_with(char::is_uppercase) => Ink::Bold,
        _ => Ink::Dim,
    };
    Line::inked(ink, label)
}
