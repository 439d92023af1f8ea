//! A report as Markdown, for tickets and pull requests.
//!
//! In: a [`Report`]. Out: GitHub's Markdown that also reads well as plain text: lists, tables, no headings, so that it
//! sits below whatever it is pasted under. Always: the first line says whether the report is complete, and what is
//! lost where it is not; figures and words are those of the text report; strings from the logs are escaped so that
//! none is markup, a link, a mention or the number of an issue. Absent: HTML, pictures, and any figure computed here.

use crate::model::{Rank, Ranking, Report, Request};
use crate::text::cells::Line;
use crate::text::listing;
use crate::text::numbers::{counted, percent, short_beside, thousands};
use crate::text::script::Script;
use crate::text::stamp;
use crate::text::table::{self, Row, Rows};
use crate::text::words::{self, Labelled, Words};

/// Groups and requests that a table shows: a comment on GitHub holds 65,536 characters.
const ROWS_MAX: usize = 50;
/// Values of a ranked dimension that its table shows.
const RANKS_MAX: usize = 10;
/// Cells of a caller beside its request.
const CALLER_CELLS_MAX: usize = 80;
/// Items behind one label; the rest is counted.
const ITEMS_MAX: usize = 12;

/// Renders the report; every line ends in `\n`.
#[must_use]
pub fn render(report: &Report) -> String {
    let page = Page { report, words: Words::new(report, Script::Markdown, true) };
    let mut blocks = page.head();
    if report.totals.requests.attempted == 0 {
        blocks.push(plain(&page.words.nothing_counted()));
        blocks.push(list(page.words.notes()));
    } else {
        blocks.push(page.table());
        blocks.push(page.words.legend(page.shown()));
        blocks.push(page.figures());
        blocks.extend(report.rankings.iter().map(|ranking| page.ranking(ranking)));
    }
    if let Some(requests) = &report.requests {
        blocks.push(page.requests(requests));
    }
    blocks.retain(|block| !block.is_empty());
    format!("{}\n", blocks.join("\n\n"))
}

struct Page<'a> {
    report: &'a Report,
    words: Words<'a>,
}

impl Page<'_> {
    /// Whether this is all, of what, and how far to trust it.
    fn head(&self) -> Vec<String> {
        let words = &self.words;
        let sources = format!("{} {}", words.sources(), words.range()).trim().to_owned();
        let read = items(&words.read());
        let mut trust: Vec<Labelled> = words.coverage();
        trust.extend(words.known());
        if self.report.complete {
            return vec![format!("**COMPLETE** {read}"), sources, list(trust)];
        }
        let losses = words.losses();
        let lost = if losses.is_empty() { String::new() } else { format!(" Lost: {}", items(&losses)) };
        let next = words.next_steps().into_iter().map(|step| format!("- **next** {step}"));
        vec![
            format!("**INCOMPLETE, the totals are too low.**{lost}"),
            read,
            next.collect::<Vec<String>>().join("\n"),
            sources,
            list(trust),
        ]
    }

    /// Groups that the table shows.
    fn shown(&self) -> usize {
        self.report.groups.len().min(ROWS_MAX)
    }

    fn table(&self) -> String {
        let report = self.report;
        let groups = report.groups.get(..self.shown()).unwrap_or_default();
        let omitted = report.groups_omitted.saturating_add((report.groups.len() - groups.len()) as u64);
        let totals = (report.groups.len() != 1 || omitted > 0).then_some(&report.totals);
        let Rows { headings, rows, .. } = Rows::new(groups, totals, &self.words.names, Script::Markdown);
        let mut head = headings.clone();
        // A table of the totals alone has no key; it still needs a first column for their name.
        if head.is_empty() {
            head.push(String::new());
        }
        let keys = head.len();
        head.extend(table::NUMBERS.iter().map(|(over, own)| match *own {
            "total" => (*over).to_owned(),
            "thrott." => "throttled".to_owned(),
            own => format!("{over} {own}"),
        }));
        let mut lines = lay_out(&head, keys, rows.into_iter().map(|row| cells_of(row, keys)));
        if omitted > 0 {
            lines.push_str(&format!(
                "\n\n+{} in the total; {}",
                counted(omitted, "more group"),
                words::where_more_groups_are(report)
            ));
        }
        lines
    }

    /// The figures over everything, what was found about them, and what to know.
    fn figures(&self) -> String {
        let mut lines = list(self.words.peaks());
        for peak in self.words.group_peaks() {
            lines.push_str(&format!(
                "\n  - {} at {}: {}",
                peak.load,
                peak.minute,
                self.words.key(peak.group)
            ));
        }
        let mut rest = self.words.figures();
        rest.extend(self.words.findings());
        rest.extend(self.words.notes());
        lines.push('\n');
        lines.push_str(&list(rest));
        lines.trim_start().to_owned()
    }

    /// Who and what the load comes from.
    fn ranking(&self, ranking: &Ranking) -> String {
        if ranking.rows.is_empty() {
            return String::new();
        }
        let dimension = table::heading(&ranking.dimension, Script::Markdown);
        let shown = &ranking.rows[..ranking.rows.len().min(RANKS_MAX)];
        let is_charged = self.report.totals.tokens.settled_known > 0;
        let mut head = vec![dimension.clone()];
        head.extend(["requests", "throttled", "input", "output"].map(str::to_owned));
        if is_charged {
            head.push("quota tokens".to_owned());
        }
        head.extend(["of the load", "of the peak minute"].map(str::to_owned));
        let columns: [fn(&Rank) -> u128; 4] =
            [|row| u128::from(row.attempted), |row| row.input, |row| row.output, |row| row.settled];
        let largest = columns.map(|value| shown.iter().map(value).max().unwrap_or(0));
        let rows = shown.iter().map(|row| {
            let [attempted, input, output, settled] =
                [0, 1, 2, 3].map(|at| short_beside(columns[at](row), largest[at]));
            let mut cells = vec![
                self.words.ranked(ranking, row),
                attempted,
                percent(row.throttled, row.attempted),
                input,
                output,
            ];
            if is_charged {
                cells.push(settled);
            }
            cells.extend([row.share, row.share_in_peak].map(words::share));
            cells
        });
        let mut text = format!("Most load by {dimension}:\n\n{}", lay_out(&head, 1, rows));
        let more = ranking.omitted.saturating_add((ranking.rows.len() - shown.len()) as u64);
        if more > 0 {
            text.push_str(&format!("\n\n+{} with less load", counted(more, "more value")));
        }
        text
    }

    fn requests(&self, requests: &[Request]) -> String {
        if requests.is_empty() {
            return "No request to list.".to_owned();
        }
        let shown = &requests[..requests.len().min(ROWS_MAX)];
        let mut head: Vec<String> =
            ["time (UTC)", "request id", "error", "account", "Region", "model", "operation", "caller"]
                .map(str::to_owned)
                .into();
        let keys = head.len();
        head.extend(["input", "prompt", "output", "took", "body in", "body out"].map(str::to_owned));
        let optional = |text: Option<&str>| {
            text.map_or_else(|| table::ABSENT.to_owned(), |text| Script::Markdown.text(text))
        };
        let rows = shown.iter().map(|request| {
            let account = request.account.as_deref();
            let caller = request.identity.as_deref().map(|identity| listing::caller(identity, account));
            let mut cells = vec![
                stamp::second(&request.timestamp, self.words.with_year, Script::Markdown),
                listing::id(request, Script::Markdown),
                request.error_code.as_deref().map(|code| Script::Markdown.text(code)).unwrap_or_default(),
                optional(account),
                optional(request.region.as_deref()),
                Script::Markdown.text(self.words.names.short(&request.model)),
                optional(request.operation.as_deref()),
                caller.map_or_else(
                    || table::ABSENT.to_owned(),
                    |caller| Script::Markdown.name(caller, CALLER_CELLS_MAX),
                ),
            ];
            cells.extend(listing::quantities_of(request));
            cells
        });
        let mut text = lay_out(&head, keys, rows);
        if shown.len() < requests.len() {
            let more = thousands((requests.len() - shown.len()) as u128);
            text.push_str(&format!("\n\n+{more} more requests in the JSON report"));
        }
        text
    }
}

/// The cells of a row of groups; the totals stand out.
fn cells_of(row: Row, keys: usize) -> Vec<String> {
    let Row { is_total, keys: mut cells, numbers, .. } = row;
    cells.resize(keys, String::new());
    if is_total {
        cells[0] = "**total**".to_owned();
        cells.extend(numbers.iter().map(|number| format!("**{number}**")));
    } else {
        cells.extend(numbers);
    }
    cells
}

/// A table whose first `words` columns are words; the others are numbers, at the right.
pub(crate) fn lay_out(head: &[String], words: usize, rows: impl Iterator<Item = Vec<String>>) -> String {
    let numbers = head.len().saturating_sub(words);
    let mut lines = vec![
        format!("| {} |", head.join(" | ")),
        format!("|{}{}", "---|".repeat(words), "---:|".repeat(numbers)),
    ];
    lines.extend(rows.map(|cells| format!("| {} |", cells.join(" | "))));
    lines.join("\n")
}

/// Each label with its items on a line; one without a label goes on with the line before.
fn list(all: impl IntoIterator<Item = Labelled>) -> String {
    let mut lines = String::new();
    for Labelled { label, items: behind } in all {
        if label.is_empty() && !lines.is_empty() {
            lines.push_str(" · ");
        } else {
            if !lines.is_empty() {
                lines.push('\n');
            }
            lines.push_str(&format!("- **{label}** "));
        }
        lines.push_str(&items(&behind));
    }
    lines
}

/// `item · item`; what is beyond the first few is counted.
pub(crate) fn items(items: &[Line]) -> String {
    let mut texts: Vec<String> = items.iter().take(ITEMS_MAX).map(plain).collect();
    if items.len() > ITEMS_MAX {
        texts.push(format!("+{} more", thousands((items.len() - ITEMS_MAX) as u128)));
    }
    texts.join(" · ")
}

fn plain(line: &Line) -> String {
    line.to_text()
}
