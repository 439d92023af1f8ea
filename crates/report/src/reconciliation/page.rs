//! The sheet for people: ranges, sums, the periods that differ most, explanations, notes.

use borehole_quota::cloudwatch::{Attribution, Definition, MinuteRange, Reconciliation, Side};

use super::words::{self, moment};
use super::{Difference, is_right_reading, range};
use crate::text::cells::{Ink, Line, cut_middle, escape, flow, width};
use crate::text::numbers::{percent, short};
use crate::text::script::Script;
use crate::text::table::{pad_end, pad_start};
use crate::text::{TextStyle, counted, stamp, thousands};

/// Where the text of a labelled line begins.
const INDENT: usize = 12;
/// Lines that one label may take.
const LINES_MAX: usize = 8;
/// Numbers up to this are shown whole: four columns of them fit in 80 cells beside the longest metric.
const WHOLE_MAX: u128 = 9_999_999_999;
/// A label of the files takes at most this.
const NAME_CELLS_MAX: usize = 40;
/// Labels of the files that are named.
const NAMES_MAX: usize = 5;
/// An unknown or absent value.
const ABSENT: &str = "–";

/// Renders the sheet; every line ends in `\n`.
pub(super) fn render(sheet: &Reconciliation, style: &TextStyle) -> String {
    let page = Page { sheet, cells: style.width };
    let mut lines = page.head();
    lines.push(Line::default());
    lines.extend(page.sums());
    if !sheet.worst.is_empty() {
        lines.push(Line::default());
        lines.extend(page.worst());
    }
    if !sheet.explanations.is_empty() {
        lines.push(Line::default());
        lines.extend(page.explanations());
    }
    let notes = page.notes();
    if !notes.is_empty() {
        lines.push(Line::default());
        lines.extend(notes);
    }
    let mut out = String::new();
    for line in lines {
        line.fitted(style.width).write(style.color, &mut out);
    }
    out
}

struct Page<'a> {
    sheet: &'a Reconciliation,
    cells: usize,
}

impl Page<'_> {
    fn labelled(&self, label: &str, items: &[String]) -> Vec<Line> {
        let ink = if label.starts_with(char::is_uppercase) { Ink::Bold } else { Ink::Dim };
        let items: Vec<Line> = items.iter().map(Line::plain).collect();
        flow(&Line::inked(ink, label), INDENT, &items, self.cells, LINES_MAX)
    }

    fn head(&self) -> Vec<Line> {
        let sheet = self.sheet;
        let mut lines = match sheet.common {
            Some(common) => self.labelled("CLOUDWATCH", &[stamp::range(&range(common), Script::Terminal)]),
            None => self.labelled("CLOUDWATCH", &["no time in common with the log".to_owned()]),
        };
        let mut periods = vec![format!("{} in the files", sheet.file_period)];
        if sheet.sheet_period != sheet.file_period {
            periods.push(format!("{} in the sheet", sheet.sheet_period));
        }
        periods.push(match sheet.attribution {
            Attribution::Start => "calls counted by their start".to_owned(),
            Attribution::End => "calls counted by their end, which fits better".to_owned(),
        });
        lines.extend(self.labelled("periods", &periods));
        let outside: Vec<String> = sheet
            .outside
            .iter()
            .map(|outside| {
                let side = match outside.side {
                    Side::CloudWatch => "CloudWatch",
                    Side::Log => "log",
                };
                let calls =
                    outside.calls.map(|calls| format!(" ({} calls)", thousands(calls))).unwrap_or_default();
                format!("{side} {}{calls}", span(outside.range))
            })
            .collect();
        if !outside.is_empty() {
            lines.extend(self.labelled("not common", &outside));
        }
        lines
    }

    fn sums(&self) -> Vec<Line> {
        let heads = ["metric", "CloudWatch", "log", "difference", "equal"].map(str::to_owned);
        let mut rows = vec![(Ink::Bold, heads)];
        for sum in &self.sheet.sums {
            // What neither side has ever had says nothing.
            if sum.cloudwatch.is_none() && sum.log.unwrap_or(0) == 0 {
                continue;
            }
            let is_wrong_reading = sum.compared.name().starts_with("Invocations ")
                && self.sheet.definition.is_some()
                && !is_right_reading(sum.compared, self.sheet.definition);
            let equal = match (sum.cloudwatch, sum.log) {
                (Some(_), Some(_)) => percent(sum.equal, sum.active),
                _ => ABSENT.to_owned(),
            };
            let cells = [
                sum.compared.name().to_owned(),
                sum.cloudwatch.map_or_else(|| ABSENT.to_owned(), number),
                sum.log.map_or_else(|| ABSENT.to_owned(), number),
                difference(Difference::of(sum.cloudwatch, sum.log)),
                equal,
            ];
            rows.push((if is_wrong_reading { Ink::Dim } else { Ink::Plain }, cells));
        }
        let mut lines = table(&rows, 1);
        let reading = match self.sheet.definition {
            Some(Definition::Successful) => "; Invocations is read as successful calls",
            Some(Definition::Accepted) => "; Invocations is read as accepted calls",
            None => "",
        };
        let legend = format!("difference: CloudWatch less the log · equal: periods that agree{reading}");
        lines.extend(Line::inked(Ink::Dim, legend).wrapped(self.cells));
        lines
    }

    fn worst(&self) -> Vec<Line> {
        let heads = ["differs most", "metric", "CloudWatch", "log", "difference"].map(str::to_owned);
        let mut rows = vec![(Ink::Bold, heads)];
        for worst in &self.sheet.worst {
            let difference = difference(Difference::of(Some(worst.cloudwatch), Some(worst.log)));
            let cells = [
                moment(worst.start),
                worst.compared.name().to_owned(),
                number(worst.cloudwatch),
                number(worst.log),
                difference,
            ];
            rows.push((Ink::Plain, cells));
        }
        table(&rows, 2)
    }

    fn explanations(&self) -> Vec<Line> {
        let explained = self.sheet.explanations.iter().flat_map(|explanation| {
            let label = if explanation.is_likely() { "likely" } else { "fact" };
            self.labelled(label, &[words::sentence(explanation, self.sheet)])
        });
        explained.collect()
    }

    fn notes(&self) -> Vec<Line> {
        let (sheet, notes) = (self.sheet, &self.sheet.notes);
        let mut items = Vec::new();
        let mut note = |count: u64, noun: &str, what: &str| {
            if count > 0 {
                items.push(format!("{} {what}", counted(count, noun)));
            }
        };
        note(notes.without_offset, "time", "without an offset, read as UTC");
        note(notes.rounded, "value", "rounded to whole numbers");
        note(notes.repeated, "data point", "given again");
        note(notes.revised, "data point", "revised at the end of an export");
        if sheet.without_model && !sheet.other_models.is_empty() {
            items.push("some labels name no model: taken for the chosen quotas".to_owned());
        }
        if !notes.incomplete.is_empty() {
            let names: Vec<&str> = notes.incomplete.iter().copied().collect();
            items.push(format!("the export broke off: {}", names.join(", ")));
        }
        if !notes.not_summable.is_empty() {
            let names: Vec<&str> = notes.not_summable.iter().copied().collect();
            items.push(format!("skipped, since they do not sum up: {}", names.join(", ")));
        }
        if !notes.unknown.is_empty() {
            items.push(format!("skipped, unknown: {}", named(notes.unknown.iter(), notes.unknown_more)));
        }
        if !sheet.other_models.is_empty() {
            items.push(format!("not of the chosen quotas: {}", named(sheet.other_models.iter(), 0)));
        }
        let lines = items.iter().map(|item| self.labelled("note", std::slice::from_ref(item)));
        lines.flatten().collect()
    }
}

/// Labels of the files, escaped; the rest is counted.
fn named<'a>(names: impl ExactSizeIterator<Item = &'a String>, more: u64) -> String {
    let more = more + names.len().saturating_sub(NAMES_MAX) as u64;
    let mut shown: Vec<String> =
        names.take(NAMES_MAX).map(|name| cut_middle(&escape(name), NAME_CELLS_MAX)).collect();
    if more > 0 {
        shown.push(format!("+{} more", thousands(u128::from(more))));
    }
    shown.join(", ")
}

fn span(range: MinuteRange) -> String {
    format!("{} → {}", moment(range.from), moment(range.to))
}

fn number(value: u128) -> String {
    if value <= WHOLE_MAX { thousands(value) } else { short(value) }
}

fn difference(difference: Option<Difference>) -> String {
    match difference {
        None => ABSENT.to_owned(),
        Some(Difference { size: 0, .. }) => "0".to_owned(),
        Some(Difference { is_negative, size }) => {
            format!("{}{}", if is_negative { '-' } else { '+' }, number(size))
        }
    }
}

/// Columns, the first `left` of them flush left, the others flush right.
fn table<const N: usize>(rows: &[(Ink, [String; N])], left: usize) -> Vec<Line> {
    let widths: Vec<usize> =
        (0..N).map(|at| rows.iter().map(|(_, cells)| width(&cells[at])).max().unwrap_or(0)).collect();
    let line = |(ink, cells): &(Ink, [String; N])| {
        let padded = cells.iter().zip(&widths).enumerate().map(|(at, (cell, &column))| {
            if at < left { pad_end(cell, column) } else { pad_start(cell, column) }
        });
        Line::inked(*ink, padded.collect::<Vec<_>>().join("  "))
    };
    rows.iter().map(line).collect()
}
