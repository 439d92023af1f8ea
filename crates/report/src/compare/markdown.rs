//! A comparison as Markdown, for tickets and pull requests.
//!
//! In: a [`Comparison`]. Out: GitHub's Markdown, escaped as the report's is. Always: the first line says whether both
//! sides are complete; figures and words are those of the text. Absent: pictures, for which there is no room.

use super::words::{self, Words};
use super::{Comparison, GroupChange};
use crate::markdown::{items, lay_out};
use crate::text::numbers::{counted, thousands};
use crate::text::script::Script;
use crate::text::table;

/// Groups and values that a table shows.
const ROWS_MAX: usize = 30;

/// Renders the comparison; every line ends in `\n`.
#[must_use]
pub fn render(comparison: &Comparison) -> String {
    let words = Words::new(comparison, Script::Markdown);
    let mut blocks = head(comparison, &words);
    let figures = words.figures(&comparison.totals);
    if figures.is_empty() {
        blocks.push("No request was counted on either side.".to_owned());
    } else {
        let header = ["", "before", "after", "change"].map(str::to_owned);
        let rows = figures.into_iter().map(|figure| {
            let label = if figure.is_rate { "… per hour".to_owned() } else { figure.label };
            vec![label, figure.before, figure.after, figure.change]
        });
        blocks.push(lay_out(&header, 1, rows));
    }
    if comparison.groups.len() > 1 {
        blocks.push(groups(comparison, &words));
    }
    blocks.extend(rankings(comparison, &words));
    blocks.retain(|block| !block.is_empty());
    format!("{}\n", blocks.join("\n\n"))
}

fn head(comparison: &Comparison, words: &Words<'_>) -> Vec<String> {
    let mut blocks = Vec::new();
    if comparison.complete {
        blocks.push("**COMPLETE** both sides".to_owned());
    } else {
        let lost = words.sides().map(|(name, side)| (name, words.losses(side)));
        let lost = lost.iter().filter(|(_, losses)| !losses.is_empty());
        let lost: Vec<String> =
            lost.map(|(name, losses)| format!("Lost {name}: {}", items(losses))).collect();
        blocks.push(format!("**INCOMPLETE, the totals of a side are too low.** {}", lost.join(". ")));
    }
    let mut lines: Vec<String> = words
        .sides()
        .map(|(name, side)| {
            let mut texts = vec![words.sources(side)];
            texts.extend(words.period(side));
            texts.retain(|text| !text.is_empty());
            format!("- **{name}** {}", texts.join(" · "))
        })
        .into();
    lines.extend(words.cautions().into_iter().map(|caution| format!("- **note** {caution}")));
    blocks.push(lines.join("\n"));
    blocks
}

fn groups(comparison: &Comparison, words: &Words<'_>) -> String {
    let all = &comparison.groups;
    let shown = &all[..all.len().min(ROWS_MAX)];
    let mut header: Vec<String> =
        comparison.by.iter().map(|dimension| table::heading(dimension, Script::Markdown)).collect();
    let keys = header.len();
    let per_hour = if words.is_per_hour() { "/h" } else { "" };
    header.extend([
        format!("requests{per_hour}"),
        "change".to_owned(),
        "throttled".to_owned(),
        "change".to_owned(),
        "quota TPM peak".to_owned(),
        "change".to_owned(),
        format!("change of {}{per_hour}", words.measure()),
    ]);
    let row = |group: &GroupChange| {
        let figures = &group.figures;
        let peak = &figures.quota_tokens_per_minute.peak;
        let mut cells = words.key_cells(&group.key);
        cells.extend([
            words::rate_after(&figures.attempted),
            words::change_of(group, words::rate_change(&figures.attempted)),
            crate::text::words::share(figures.throttled_share.after),
            words::points_change(&figures.throttled_share),
            words::after(peak),
            words::count_change(peak),
            words::signed(group.load_change),
        ]);
        cells
    };
    let mut text = lay_out(&header, keys, shown.iter().map(row));
    if shown.len() < all.len() {
        let more = counted((all.len() - shown.len()) as u64, "more group");
        text.push_str(&format!("\n\n+{more} with less change; JSON has them all"));
    }
    text
}

fn rankings(comparison: &Comparison, words: &Words<'_>) -> Vec<String> {
    let per_hour = if words.is_per_hour() { "/h" } else { "" };
    let rankings = comparison.rankings.iter().filter(|ranking| !ranking.rows.is_empty());
    let texts = rankings.map(|ranking| {
        let shown = &ranking.rows[..ranking.rows.len().min(ROWS_MAX)];
        let header = [
            table::heading(&ranking.dimension, Script::Markdown),
            format!("requests{per_hour}"),
            "change".to_owned(),
            "of the load".to_owned(),
            "change".to_owned(),
            format!("change of {}{per_hour}", words.measure()),
        ];
        let rows = shown.iter().map(|row| {
            vec![
                words.ranked(ranking, row),
                words::rate_after(&row.attempted),
                words::presence(row.presence)
                    .map_or_else(|| words::rate_change(&row.attempted), str::to_owned),
                crate::text::words::share(row.share.after),
                words::points_change(&row.share),
                words::signed(row.load_change),
            ]
        });
        let mut text = lay_out(&header, 1, rows);
        if shown.len() < ranking.rows.len() {
            let more = thousands((ranking.rows.len() - shown.len()) as u128);
            text.push_str(&format!("\n\n+{more} more with less change; JSON has them all"));
        }
        text
    });
    texts.collect()
}
