//! Terminal cells: escaping what a terminal would obey, measuring, cutting, and lines of inked spans.
//!
//! In: strings, of which some come from logs and may be hostile. Out: lines of at most so many cells. Always:
//! an escaped string holds no control, bidirectional, invisible or stacking character; color stands around
//! our own words only, never inside them.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::numbers::thousands;

/// Marks that may stack on one character before the rest is shown as escapes: scripts need one or two.
const MARKS_MAX: usize = 2;

/// Ranges that a terminal obeys, hides, or that reorder the digits beside them: format characters, fillers,
/// variation selectors, tags, line separators, and letters of right-to-left scripts.
const HAZARDS: [(u32, u32); 24] = [
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x0590, 0x08FF),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xD7B0, 0xD7FF),
    (0xFB1D, 0xFDFF),
    (0xFE00, 0xFE0F),
    (0xFE70, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB),
    (0x1_0800, 0x1_0FFF),
    (0x1_10BD, 0x1_10BD),
    (0x1_10CD, 0x1_10CD),
    (0x1_3430, 0x1_345F),
    (0x1_BCA0, 0x1_BCA3),
    (0x1_D173, 0x1_D17A),
    (0x1_E800, 0x1_EFFF),
    (0xE_0000, 0xE_0FFF),
];

/// Whether the character must not reach a terminal as it is (C0, DEL, C1, and the ranges above).
#[must_use]
pub fn is_hazardous(character: char) -> bool {
    let code = u32::from(character);
    character.is_control() || HAZARDS.iter().any(|&(first, last)| (first..=last).contains(&code))
}

/// The text with everything that a terminal would obey or hide written out: `\xNN` below U+0100, else
/// `\u{…}`. A backslash is written as `\x5c`, so that an escape always means what it says.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    // A mark at the start would sit on our own character before it.
    let mut marks = MARKS_MAX;
    for character in text.chars() {
        let is_mark = character.width() == Some(0);
        if is_hazardous(character) || character == '\\' || (is_mark && marks == MARKS_MAX) {
            let code = u32::from(character);
            // Writing to a string cannot fail.
            let _ = if code < 0x100 {
                write!(escaped, "\\x{code:02x}")
            } else {
                write!(escaped, "\\u{{{code:x}}}")
            };
            marks = if is_mark { MARKS_MAX } else { 0 };
            continue;
        }
        marks = if is_mark { marks + 1 } else { 0 };
        escaped.push(character);
    }
    escaped
}

/// Cells the text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text in at most `cells`, cut in its middle with an ellipsis: both ends of an id or ARN tell something.
pub(crate) fn cut_middle(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    match cells {
        0 => String::new(),
        _ => format!("{}…{}", head(text, cells / 2), tail(text, cells - 1 - cells / 2)),
    }
}

fn head(text: &str, cells: usize) -> &str {
    let mut used = 0;
    for (at, character) in text.char_indices() {
        used += character.width().unwrap_or(0);
        if used > cells {
            return &text[..at];
        }
    }
    text
}

fn tail(text: &str, cells: usize) -> &str {
    let mut used = 0;
    for (at, character) in text.char_indices().rev() {
        used += character.width().unwrap_or(0);
        if used > cells {
            return &text[at + character.len_utf8()..];
        }
    }
    text
}

/// How a span looks where color is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ink {
    /// As the terminal has it.
    Plain,
    /// Headings.
    Bold,
    /// What is there to be looked up, not read.
    Dim,
    /// Something was lost.
    Red,
    /// Something wants a look.
    Yellow,
}

impl Ink {
    fn ansi(self) -> Option<&'static str> {
        match self {
            Ink::Plain => None,
            Ink::Bold => Some("\x1b[1m"),
            Ink::Dim => Some("\x1b[2m"),
            Ink::Red => Some("\x1b[1;31m"),
            Ink::Yellow => Some("\x1b[33m"),
        }
    }
}

/// A line of spans; its texts are escaped already.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Line(Vec<(Ink, String)>);

impl Line {
    /// A line of plain text.
    pub(crate) fn plain(text: impl Into<String>) -> Line {
        Line::inked(Ink::Plain, text)
    }

    /// A line of one ink.
    pub(crate) fn inked(ink: Ink, text: impl Into<String>) -> Line {
        Line(vec![(ink, text.into())])
    }

    /// The line and more text.
    #[must_use]
    pub(crate) fn and(mut self, ink: Ink, text: impl Into<String>) -> Line {
        self.0.push((ink, text.into()));
        self
    }

    /// Puts the spans of `other` at the end.
    pub(crate) fn append(&mut self, other: Line) {
        self.0.extend(other.0);
    }

    /// Its spans, in order.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (Ink, &str)> {
        self.0.iter().map(|(ink, text)| (*ink, text.as_str()))
    }

    /// The text alone.
    pub(crate) fn to_text(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// Cells.
    pub(crate) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| width(text)).sum()
    }

    /// The line in at most `cells`, cut at its end with an ellipsis.
    #[must_use]
    pub(crate) fn fitted(self, cells: usize) -> Line {
        if self.width() <= cells {
            return self;
        }
        let mut room = cells.saturating_sub(1);
        let mut spans = Vec::new();
        for (ink, text) in self.0 {
            let kept = head(&text, room);
            room -= width(kept).min(room);
            let is_cut = kept.len() < text.len();
            spans.push((ink, kept.to_owned()));
            if is_cut {
                break;
            }
        }
        if cells > 0 {
            spans.push((Ink::Plain, "…".to_owned()));
        }
        Line(spans)
    }

    /// The line in pieces of at most `cells`, broken between words; a longer word is cut.
    #[must_use]
    pub(crate) fn wrapped(self, cells: usize) -> Vec<Line> {
        if self.width() <= cells {
            return vec![self];
        }
        let mut pieces = Vec::new();
        let mut piece = Line::default();
        let mut used = 0;
        for (ink, text) in self.0 {
            for word in text.split_inclusive(' ') {
                // The space behind a word may hang over the edge: it is trimmed there.
                if used > 0 && used + width(word.trim_end_matches(' ')) > cells {
                    pieces.push(std::mem::take(&mut piece).trimmed().fitted(cells));
                    used = 0;
                }
                used += width(word);
                match piece.0.last_mut() {
                    Some((last, text)) if *last == ink => text.push_str(word),
                    _ => piece.0.push((ink, word.to_owned())),
                }
            }
        }
        pieces.push(piece.trimmed().fitted(cells));
        pieces
    }

    fn trimmed(mut self) -> Line {
        if let Some((_, last)) = self.0.last_mut() {
            last.truncate(last.trim_end_matches(' ').len());
        }
        self
    }

    /// Writes the line without trailing spaces.
    pub(crate) fn write(&self, color: bool, out: &mut String) {
        let from = out.len();
        for (ink, text) in &self.0 {
            match ink.ansi().filter(|_| color && !text.is_empty()) {
                Some(ansi) => {
                    out.push_str(ansi);
                    out.push_str(text);
                    out.push_str("\x1b[0m");
                }
                None => out.push_str(text),
            }
        }
        out.truncate(from + out[from..].trim_end_matches(' ').len());
        out.push('\n');
    }
}

/// Items after a label, `item · item`, wrapped between items under the label's column; an item wider than a
/// line is wrapped between its words. What does not fit in `lines_max` lines is counted: `+12 more`.
pub(crate) fn flow(label: &Line, indent: usize, items: &[Line], cells: usize, lines_max: usize) -> Vec<Line> {
    /// No screen line holds more items than this; whatever is beyond is counted without being laid out.
    const ITEMS_MAX: usize = 200;

    let room = cells.saturating_sub(indent).max(1);
    let mut shown = items.len().min(ITEMS_MAX);
    loop {
        let mut chosen = items[..shown].to_vec();
        if shown < items.len() {
            let more = thousands((items.len() - shown) as u128);
            chosen.push(Line::inked(Ink::Dim, format!("+{more} more")));
        }
        let lines = in_lines(label, indent, chosen, room);
        if lines.len() <= lines_max || shown <= 1 {
            return lines;
        }
        shown -= 1;
    }
}

fn in_lines(label: &Line, indent: usize, items: Vec<Line>, room: usize) -> Vec<Line> {
    const SEPARATOR: &str = " · ";

    let mut lines = Vec::new();
    let padding = " ".repeat(indent.saturating_sub(label.width()));
    let mut line = label.clone().and(Ink::Plain, padding);
    let mut used = 0;
    for item in items {
        let mut pieces = item.wrapped(room).into_iter();
        let first = pieces.next().unwrap_or_default();
        let is_alone = pieces.len() > 0;
        if used > 0 && (is_alone || used + width(SEPARATOR) + first.width() > room) {
            lines.push(std::mem::replace(&mut line, Line::plain(" ".repeat(indent))));
            used = 0;
        }
        if used > 0 {
            line = line.and(Ink::Dim, SEPARATOR);
            used += width(SEPARATOR);
        }
        used += first.width();
        line.append(first);
        for piece in pieces {
            lines.push(std::mem::replace(&mut line, Line::plain(" ".repeat(indent))));
            used = piece.width();
            line.append(piece);
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i05_what_a_terminal_obeys_or_hides_is_shown_as_escapes() {
        for (text, expected) in [
            ("plain-id_1.0:/@=+$ ", "plain-id_1.0:/@=+$ "),
            ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
            ("\u{9b}31m", "\\x9b31m"),
            ("a\nb\tc\x7f\0", "a\\x0ab\\x09c\\x7f\\x00"),
            ("\x1b]8;;http://x\x1b\\", "\\x1b]8;;http://x\\x1b\\x5c"),
            ("\u{202e}gpj", "\\u{202e}gpj"),
            ("\u{2066}a\u{2069}", "\\u{2066}a\\u{2069}"),
            ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
            ("soft\u{ad}hyphen", "soft\\xadhyphen"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
            ("\u{5d0}1", "\\u{5d0}1"),
            ("\\x1b", "\\x5cx1b"),
            ("Zürich 東京", "Zürich 東京"),
            // One mark is a letter's own; a flood is shown, and so is one that would sit on our text.
            ("e\u{301}", "e\u{301}"),
            ("e\u{301}\u{301}\u{301}\u{301}", "e\u{301}\u{301}\\u{301}\\u{301}"),
            ("\u{301}e", "\\u{301}e"),
        ] {
            assert_eq!(escape(text), expected, "{}", text.escape_unicode());
        }
    }

    #[test]
    fn cuts_are_made_by_cells_not_by_characters() {
        assert_eq!(cut_middle("abcdefghij", 10), "abcdefghij");
        assert_eq!(cut_middle("abcdefghij", 9), "abcd…ghij");
        assert_eq!(cut_middle("abcdefghij", 8), "abcd…hij");
        assert_eq!(cut_middle("abcdefghij", 1), "…");
        assert_eq!(cut_middle("abcdefghij", 0), "");
        // Each of these takes two cells; the odd one stays empty.
        assert_eq!(cut_middle("東京東京", 7), "東…京");
        assert_eq!(cut_middle("東京東京", 6), "東…京");
    }

    #[test]
    fn color_stands_outside_the_width() {
        let line = Line::inked(Ink::Red, "abc").and(Ink::Plain, "def");
        assert_eq!(line.width(), 6);
        let mut out = String::new();
        line.fitted(5).write(true, &mut out);
        assert_eq!(out, "\x1b[1;31mabc\x1b[0md…\n");
    }

    #[test]
    fn an_item_wider_than_a_line_is_wrapped_between_its_words() {
        let line = Line::inked(Ink::Red, "one two").and(Ink::Plain, " three unbreakable four");
        let pieces = line.wrapped(9).into_iter().map(|piece| {
            let mut out = String::new();
            piece.write(false, &mut out);
            out
        });
        assert_eq!(pieces.collect::<Vec<_>>(), ["one two\n", "three\n", "unbreaka…\n", "four\n"]);
    }

    #[test]
    fn items_that_find_no_room_are_counted() {
        let items: Vec<Line> = (0..9).map(|_| Line::plain("item")).collect();
        let rendered = |lines: Vec<Line>| {
            let mut out = String::new();
            lines.iter().for_each(|line| line.write(false, &mut out));
            out
        };
        let label = Line::plain("HEAD");
        assert_eq!(rendered(flow(&label, 6, &items[..2], 40, 1)), "HEAD  item · item\n");
        assert_eq!(rendered(flow(&label, 6, &items[..4], 20, 9)), "HEAD  item · item\n      item · item\n");
        assert_eq!(rendered(flow(&label, 6, &items, 30, 1)), "HEAD  item · item · +7 more\n");
    }
}
