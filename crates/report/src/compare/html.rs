//! A comparison as one page that opens anywhere: nothing in it runs, nothing is fetched.
//!
//! In: a [`Comparison`]. Out: an HTML document with its style, tables, and a picture a row: a ring before, a dot after,
//! on one scale. Always: incomplete sides first; every string reaches the markup through [`escape`]; the policy allows
//! this page's own style, by hash, and nothing else. Absent: scripts, links, and figures computed here.

use super::words::{self, Figure, Words};
use super::{Comparison, Count, Presence, Signed};
use crate::html::{escape, hash_source};
use crate::text::cells::Line;
use crate::text::numbers::{counted, thousands};
use crate::text::script::Script;
use crate::text::table;

/// The style, as it stands in the page.
const STYLE: &str = include_str!("page.css");
/// Groups in the table and values in a ranking; what is beyond is counted.
const ROWS_MAX: usize = 200;
/// Groups whose every figure is on the page.
const DETAILS_MAX: usize = 50;
/// The scale of a picture, in its own units, and what is left free at its ends for the dots.
const SCALE: u128 = 1_480;
const MARGIN: u128 = 60;

/// Renders the comparison as a whole document.
#[must_use]
pub fn render(comparison: &Comparison) -> String {
    let page = Page { comparison, words: Words::new(comparison, Script::Terminal) };
    let policy = format!(
        "default-src 'none'; style-src {}; img-src data:; base-uri 'none'; form-action 'none'",
        hash_source(STYLE)
    );
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>What changed · Bedrock usage</title>\n<link rel=\"icon\" href=\"data:,\">\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n{}</main>\n</body>\n</html>\n",
        page.body()
    )
}

struct Page<'a> {
    comparison: &'a Comparison,
    words: Words<'a>,
}

impl Page<'_> {
    fn body(&self) -> String {
        let mut body = String::from(
            "<p class=\"eyebrow\">Borehole · Amazon Bedrock usage</p>\n<h1>What changed between two periods</h1>\n",
        );
        body.push_str(&self.head());
        let figures = self.words.figures(&self.comparison.totals);
        if figures.is_empty() {
            body.push_str(
                "<div class=\"banner amber\"><p>No request was counted on either side.</p></div>\n",
            );
            return body;
        }
        body.push_str("<h2>Everything</h2>\n");
        body.push_str(&figures_table(&figures));
        if self.comparison.groups.len() > 1 {
            body.push_str(&self.groups());
        }
        body.push_str(&self.rankings());
        body.push_str(
            "<footer>Percentages are of what was before; changes of shares are in points (pt). – is not known. \
             Times are UTC.</footer>\n",
        );
        body
    }

    fn head(&self) -> String {
        let mut head = String::new();
        if self.comparison.complete {
            head.push_str("<div class=\"banner green\"><p><b>Complete</b>, both sides</p></div>\n");
        } else {
            head.push_str(
                "<div class=\"banner red\" role=\"alert\"><p><b>Incomplete:</b> the totals of a side are too low; \
                 a change may be what it lacks.</p>",
            );
            for (name, side) in self.words.sides() {
                let losses: Vec<String> = self.words.losses(side).iter().map(Line::to_text).collect();
                if !losses.is_empty() {
                    head.push_str(&format!("<p>Lost {name}: {}</p>", escape(&losses.join(" · "))));
                }
            }
            head.push_str("</div>\n");
        }
        for caution in self.words.cautions() {
            head.push_str(&format!("<div class=\"banner amber\"><p>{}</p></div>\n", escape(&caution)));
        }
        head.push_str("<div class=\"sides\">\n");
        for (name, side) in self.words.sides() {
            let mut lines = vec![self.words.sources(side)];
            lines.extend(self.words.period(side));
            let lines: Vec<String> = lines.iter().map(|line| format!("<p>{}</p>", escape(line))).collect();
            head.push_str(&format!("<div class=\"card\"><h2>{name}</h2>{}</div>\n", lines.concat()));
        }
        head.push_str("</div>\n");
        head
    }

    fn groups(&self) -> String {
        let all = &self.comparison.groups;
        let shown = &all[..all.len().min(ROWS_MAX)];
        let per_hour = if self.words.is_per_hour() { " per hour" } else { "" };
        let measure = self.words.measure();
        let mut markup = String::from(
            "<h2>Groups, the largest change first</h2>\n<div class=\"scroll\"><table><thead><tr>",
        );
        for dimension in &self.comparison.by {
            markup.push_str(&heading("word", &table::heading(dimension, Script::Terminal)));
        }
        for text in [
            &format!("requests{per_hour}"),
            "change",
            "throttled",
            "change",
            "quota TPM peak",
            "change",
            &format!("change of {measure}{per_hour}"),
            &format!("{measure}{per_hour}: ○ before, ● after"),
        ] {
            markup.push_str(&heading("", text));
        }
        markup.push_str("</tr></thead><tbody>\n");
        let largest = largest_load(shown.iter().map(|group| &group.figures.load));
        for group in shown {
            let figures = &group.figures;
            let peak = &figures.quota_tokens_per_minute.peak;
            markup.push_str("<tr>");
            for cell in self.words.key_cells(&group.key) {
                markup.push_str(&format!("<td class=\"word\">{}</td>", escape(&cell)));
            }
            markup.push_str(&number(&words::rate_after(&figures.attempted)));
            markup.push_str(&change_cell(group.presence, &words::rate_change(&figures.attempted)));
            for text in [
                crate::text::words::share(figures.throttled_share.after),
                words::points_change(&figures.throttled_share),
                words::after(peak),
                words::count_change(peak),
                words::signed(group.load_change),
            ] {
                markup.push_str(&number(&text));
            }
            markup
                .push_str(&format!("<td>{}</td></tr>\n", picture(&figures.load, group.load_change, largest)));
        }
        markup.push_str("</tbody></table></div>\n");
        if shown.len() < all.len() {
            let more = counted((all.len() - shown.len()) as u64, "more group");
            markup
                .push_str(&format!("<p class=\"legend\">+{more} with less change; JSON has them all</p>\n"));
        }
        markup.push_str("<h2>Every figure of a group</h2>\n");
        for group in all.iter().take(DETAILS_MAX) {
            markup.push_str(&format!(
                "<details><summary>{}</summary>{}</details>\n",
                escape(&self.words.key(&group.key)),
                figures_table(&self.words.figures(&group.figures))
            ));
        }
        markup
    }

    fn rankings(&self) -> String {
        let per_hour = if self.words.is_per_hour() { " per hour" } else { "" };
        let measure = self.words.measure();
        let mut markup = String::new();
        for ranking in self.comparison.rankings.iter().filter(|ranking| !ranking.rows.is_empty()) {
            let dimension = escape(&table::heading(&ranking.dimension, Script::Terminal));
            markup.push_str(&format!(
                "<h2>By {dimension}</h2>\n<div class=\"scroll\"><table><thead><tr><th class=\"word\">{dimension}</th>"
            ));
            for text in [
                &format!("requests{per_hour}"),
                "change",
                "of the load",
                "change",
                &format!("change of {measure}{per_hour}"),
                &format!("{measure}{per_hour}: ○ before, ● after"),
            ] {
                markup.push_str(&heading("", text));
            }
            markup.push_str("</tr></thead><tbody>\n");
            let shown = &ranking.rows[..ranking.rows.len().min(ROWS_MAX)];
            let largest = largest_load(shown.iter().map(|row| &row.load));
            for row in shown {
                let value = escape(&self.words.ranked(ranking, row));
                markup.push_str(&format!("<tr><td class=\"word\">{value}</td>"));
                markup.push_str(&number(&words::rate_after(&row.attempted)));
                markup.push_str(&change_cell(row.presence, &words::rate_change(&row.attempted)));
                for text in [
                    crate::text::words::share(row.share.after),
                    words::points_change(&row.share),
                    words::signed(row.load_change),
                ] {
                    markup.push_str(&number(&text));
                }
                markup.push_str(&format!("<td>{}</td></tr>\n", picture(&row.load, row.load_change, largest)));
            }
            markup.push_str("</tbody></table></div>\n");
            let rest = ranking.rows.len() - shown.len();
            if rest > 0 {
                let rest = thousands(rest as u128);
                markup.push_str(&format!("<p class=\"legend\">+{rest} more with less change</p>\n"));
            }
        }
        markup
    }
}

fn heading(class: &str, text: &str) -> String {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    format!("<th scope=\"col\"{class}>{}</th>", escape(text))
}

fn number(text: &str) -> String {
    format!("<td>{}</td>", escape(text))
}

/// A change, or that one side does not have it.
fn change_cell(presence: Presence, change: &str) -> String {
    match words::presence(presence) {
        None => number(change),
        Some(word) => format!("<td><span class=\"tag\">{word}</span></td>"),
    }
}

fn figures_table(figures: &[Figure]) -> String {
    let mut markup =
        String::from("<div class=\"scroll\"><table class=\"fit\"><thead><tr><th class=\"word\"></th>");
    for text in ["before", "after", "change"] {
        markup.push_str(&heading("", text));
    }
    markup.push_str("</tr></thead><tbody>\n");
    for figure in figures {
        let class = if figure.is_rate { "word rate" } else { "word" };
        markup.push_str(&format!(
            "<tr><td class=\"{class}\">{}</td>{}{}{}</tr>\n",
            if figure.is_rate { "per hour".to_owned() } else { escape(&figure.label) },
            number(&figure.before),
            number(&figure.after),
            number(&figure.change)
        ));
    }
    markup.push_str("</tbody></table></div>\n");
    markup
}

/// Both sides of a load in one unit: per hour, in millionths, where the ranges differ in length.
fn loads(load: &Count) -> [Option<u128>; 2] {
    match &load.per_hour {
        Some(rate) => [rate.before, rate.after].map(|value| value.and_then(super::micros)),
        None => [load.before, load.after],
    }
}

fn largest_load<'a>(all: impl Iterator<Item = &'a Count>) -> u128 {
    all.flat_map(loads).flatten().max().unwrap_or(0)
}

/// A ring before and a dot after, on the scale that all rows share.
fn picture(load: &Count, change: Option<Signed>, largest: u128) -> String {
    let place = |value: u128| {
        let steps = match value.checked_mul(SCALE) {
            Some(scaled) => scaled / largest.max(1),
            None => value / (largest / SCALE).max(1),
        };
        steps.min(SCALE) + MARGIN
    };
    let [before, after] = loads(load).map(|value| value.map(place));
    let way = if change.is_some_and(|change| change.negative) { "less" } else { "more" };
    let words = escape(&words::signed(change));
    let mut marks = String::new();
    if let (Some(before), Some(after)) = (before, after) {
        marks
            .push_str(&format!("<line class=\"{way}\" x1=\"{before}\" y1=\"70\" x2=\"{after}\" y2=\"70\"/>"));
    }
    if let Some(before) = before {
        marks.push_str(&format!("<circle class=\"before {way}\" cx=\"{before}\" cy=\"70\" r=\"42\"/>"));
    }
    if let Some(after) = after {
        marks.push_str(&format!("<circle class=\"after {way}\" cx=\"{after}\" cy=\"70\" r=\"42\"/>"));
    }
    format!("<svg class=\"span\" viewBox=\"0 0 1600 140\" role=\"img\" aria-label=\"{words}\">{marks}</svg>")
}
