//! A ticket as plain text: 80 columns, labels aligned, the ticket itself between two cut lines.

use super::{Block, Case, Field, Table};
use crate::text::cells::width;

/// What mail and forms of AWS show without wrapping.
const COLUMNS: usize = 80;

/// A label column beyond this leaves too little room beside it: long values go below their label.
const LABEL_COLUMNS_SHORT: usize = 16;

/// The whole ticket. `place` is its number among several.
pub(super) fn render(case: &Case, place: Option<(usize, usize)>) -> String {
    let mut out = String::new();
    if let Some((number, of)) = place {
        for line in wrapped(&format!("TICKET {number} OF {of}: {}", case.title), COLUMNS) {
            push_line(&line, &mut out);
        }
        out.push('\n');
    }
    sentences("BEFORE SENDING", &case.before_sending, &mut out);
    out.push('\n');
    cut_line("the ticket", &mut out);
    blocks(&case.form, &mut out);
    out.push_str("\nEVIDENCE\n");
    blocks(&case.evidence, &mut out);
    out.push('\n');
    sentences("ASSUMPTIONS", &case.assumptions, &mut out);
    cut_line("end of the ticket", &mut out);
    if !case.commands.is_empty() {
        out.push_str("\nCOMMANDS (borehole never runs them)\n");
        for line in case.commands.iter().flatten() {
            push_line(line, &mut out);
        }
    }
    out
}

/// The part that is attached.
pub(super) fn render_evidence(case: &Case) -> String {
    let mut out = String::new();
    for line in wrapped(&case.title, COLUMNS) {
        push_line(&line, &mut out);
    }
    out.push_str("\nEVIDENCE\n");
    blocks(&case.evidence, &mut out);
    out.push('\n');
    sentences("ASSUMPTIONS", &case.assumptions, &mut out);
    out
}

fn cut_line(word: &str, out: &mut String) {
    let line = format!("---- {word} ");
    out.push_str(&format!("{line:-<COLUMNS$}\n"));
}

fn sentences(heading: &str, sentences: &[String], out: &mut String) {
    push_line(heading, out);
    for sentence in sentences {
        for (at, line) in wrapped(sentence, COLUMNS - 2).into_iter().enumerate() {
            push_line(&format!("{}{line}", if at == 0 { "- " } else { "  " }), out);
        }
    }
}

fn blocks(blocks: &[Block], out: &mut String) {
    for block in blocks {
        match block {
            Block::Fields(fields) => lay_out_fields(fields, out),
            Block::Table(table) => lay_out_table(table, out),
            Block::List(label, lines) => {
                push_line(label, out);
                for line in lines.iter().flat_map(|line| wrapped(line, COLUMNS - 2)) {
                    push_line(&format!("  {line}"), out);
                }
            }
        }
    }
}

fn lay_out_fields(fields: &[Field], out: &mut String) {
    // One column for all blocks of a form with short labels, so that they stand below each other.
    let longest = fields.iter().map(|field| width(field.label)).max().unwrap_or(0);
    let column = if longest < LABEL_COLUMNS_SHORT - 1 { LABEL_COLUMNS_SHORT - 2 } else { longest + 2 };
    for Field { label, value } in fields {
        let beside: Vec<String> = value.iter().flat_map(|text| wrapped(text, COLUMNS - column)).collect();
        // Whoever copies an id must not get half of it.
        let breaks = value.iter().flat_map(|text| words(text)).any(|word| width(word) > COLUMNS - column);
        let goes_below = column > LABEL_COLUMNS_SHORT && (beside.len() > 2 || breaks);
        if goes_below {
            push_line(label, out);
            for line in value.iter().flat_map(|text| wrapped(text, COLUMNS - 4)) {
                push_line(&format!("    {line}"), out);
            }
            continue;
        }
        for (at, line) in beside.iter().enumerate() {
            let label = if at == 0 { *label } else { "" };
            push_line(&format!("{label:<column$}{line}"), out);
        }
    }
}

fn lay_out_table(table: &Table, out: &mut String) {
    let cells_in = |at: usize| {
        let rows = table.rows.iter().filter_map(|row| row.get(at)).map(|cell| width(cell));
        rows.chain([width(table.header[at])]).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..table.header.len()).map(cells_in).collect();
    // Numbers stand at the same place as the values of the fields around them, where there is room.
    widths[0] = widths[0].max(LABEL_COLUMNS_SHORT - 4);
    let mut line = |cells: &[&str]| {
        let mut text = String::new();
        for (at, (cell, wide)) in cells.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(wide.saturating_sub(width(cell)));
            if at == 0 {
                text.push_str(&format!("{cell}{padding}"));
            } else {
                text.push_str(&format!("  {padding}{cell}"));
            }
        }
        push_line(&text, out);
    };
    line(&table.header);
    for row in &table.rows {
        line(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

fn push_line(line: &str, out: &mut String) {
    out.push_str(line.trim_end());
    out.push('\n');
}

/// Lines of at most so many cells, broken between words. A longer word is broken where the line ends, but an
/// address of the web is left whole: half of one leads nowhere.
fn wrapped(text: &str, cells: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in words(text) {
        let is_address = word.starts_with("https://") || word.starts_with("(https://");
        let mut word = word;
        loop {
            let used = width(&line);
            let gap = usize::from(used > 0);
            if used + gap + width(word) <= cells || (used == 0 && is_address) {
                if gap > 0 {
                    line.push(' ');
                }
                line.push_str(word);
                break;
            }
            if used > 0 {
                lines.push(std::mem::take(&mut line));
                continue;
            }
            let head = head(word, cells);
            lines.push(head.to_owned());
            word = &word[head.len()..];
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// The words between spaces; a percent sign belongs to its number.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(' ') {
        if !text[at + 1..].starts_with('%') {
            words.push(&text[start..at]);
            start = at + 1;
        }
    }
    words.push(&text[start..]);
    words.retain(|word| !word.is_empty());
    words
}

/// As much of a word as fits, at least one character.
fn head(word: &str, cells: usize) -> &str {
    let mut end = 0;
    for (at, character) in word.char_indices() {
        let next = at + character.len_utf8();
        if at > 0 && width(&word[..next]) > cells {
            break;
        }
        end = next;
    }
    &word[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_broken_only_where_they_must_be() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("unbreakable", 4), ["unbr", "eaka", "ble"]);
        assert_eq!(
            wrapped("see https://example.com/long end", 8),
            ["see", "https://example.com/long", "end"]
        );
        assert_eq!(wrapped("", 8), [""]);
        assert_eq!(wrapped("that is  18 % of", 10), ["that is", "18 % of"]);
        // Each of these takes two cells.
        assert_eq!(wrapped("東京東京", 3), ["東", "京", "東", "京"]);
    }
}
