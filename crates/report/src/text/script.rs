//! How strings of the logs are written where a page goes: a terminal or Markdown.
//!
//! In: strings that may be hostile. Out: text that its reader shows and never obeys. Always: what a terminal would
//! obey or hide is written out first, so that every page shows the same; a cut is made before the escaping of
//! Markdown, so that no escape is cut in two. Absent: our own words, which hold nothing that needs it.

use super::cells::{cut_middle, escape};

/// Where a page goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Script {
    /// A terminal, or a text file.
    Terminal,
    /// GitHub's Markdown: anywhere in a paragraph, an item of a list, or a cell of a table.
    Markdown,
}

/// Breaks a word where a link, a mention or a number of an issue would begin; takes no room.
const BREAK: char = '\u{200b}';

impl Script {
    /// A string of the logs, whole.
    pub(crate) fn text(self, foreign: &str) -> String {
        self.name(foreign, usize::MAX)
    }

    /// A string of the logs in at most so many cells, cut in its middle.
    pub(crate) fn name(self, foreign: &str, cells: usize) -> String {
        match self {
            Script::Terminal => cut_middle(&escape(foreign), cells),
            Script::Markdown => {
                let shown = escape(&foreign.replace("\r\n", "⏎").replace(['\n', '\r'], "⏎"));
                in_markdown(&cut_middle(&shown, cells))
            }
        }
    }

    /// A string of the logs that is copied rather than read, as it stands alone in a paragraph: a place, an id.
    pub(crate) fn code(self, foreign: &str) -> String {
        match self {
            Script::Terminal => escape(foreign),
            // Nothing is obeyed between backticks, and nothing there is looked at for links and mentions.
            Script::Markdown => format!("`{}`", escape(foreign).replace('`', "\\x60")),
        }
    }

    /// Our own words; of what Markdown obeys they hold underscores only.
    pub(crate) fn own(self, words: &str) -> String {
        match self {
            Script::Terminal => words.to_owned(),
            Script::Markdown => words.replace('_', "\\_"),
        }
    }

    /// A command to be copied: of our own words, and of names that a shell would take as one word each.
    pub(crate) fn command(self, command: &str) -> String {
        match self {
            Script::Terminal => command.to_owned(),
            Script::Markdown => format!("`{command}`"),
        }
    }
}

/// Every ASCII punctuation escaped, and words broken after what begins a link, a mention, an emoji or the number of
/// an issue: these are looked for in what is shown, where a backslash is gone already. A hyphen between two letters
/// or digits stays as it is: nothing can begin there, and names stay readable where the page is seen as plain text.
fn in_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut characters = text.chars().peekable();
    let mut before = None;
    while let Some(character) = characters.next() {
        let joins = |neighbour: Option<char>| neighbour.is_some_and(|c| c.is_ascii_alphanumeric());
        let is_inner_hyphen = character == '-' && joins(before) && joins(characters.peek().copied());
        if character.is_ascii_punctuation() && !is_inner_hyphen {
            out.push('\\');
        }
        out.push(character);
        if matches!(character, ':' | '@' | '#') {
            out.push(BREAK);
        }
        before = Some(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i04_nothing_of_a_foreign_string_is_markdown() {
        for (text, expected) in [
            ("us-east-1", "us-east-1"),
            ("a|b", "a\\|b"),
            ("a\r\nb\nc", "a⏎b⏎c"),
            ("`x` *y* _z_ ~q~", "\\`x\\` \\*y\\* \\_z\\_ \\~q\\~"),
            ("[x](javascript:alert(1))", "\\[x\\]\\(javascript\\:\u{200b}alert\\(1\\)\\)"),
            ("![x](y) [^1]", "\\!\\[x\\]\\(y\\) \\[\\^1\\]"),
            ("<img src=x onerror=y> &lt;", "\\<img src\\=x onerror\\=y\\> \\&lt\\;"),
            ("https://x.org www.x.org", "https\\:\u{200b}\\/\\/x\\.org www\\.x\\.org"),
            ("kim@x.org @team #1", "kim\\@\u{200b}x\\.org \\@\u{200b}team \\#\u{200b}1"),
            ("- a -- b -", "\\- a \\-\\- b \\-"),
            // A terminal's hazards are shown as on a terminal; the backslash of that is shown, too.
            ("\x1b[2J\u{202e}", "\\\\x1b\\[2J\\\\u\\{202e\\}"),
            ("東京", "東京"),
        ] {
            assert_eq!(Script::Markdown.text(text), expected, "{}", text.escape_unicode());
        }
    }

    #[test]
    fn a_cut_never_leaves_half_an_escape() {
        for cells in 1..12 {
            let cut = Script::Markdown.name("****||||@@@@", cells);
            let (head, tail) = cut.split_once('…').expect("it is cut");
            for part in [head, tail] {
                let backslashes = part.matches('\\').count();
                assert_eq!(part.chars().filter(char::is_ascii_punctuation).count(), 2 * backslashes, "{cut}");
            }
        }
    }

    #[test]
    fn i04_nothing_leaves_a_span_of_code() {
        assert_eq!(Script::Markdown.code("s3://a/b"), "`s3://a/b`");
        assert_eq!(Script::Markdown.code("`` a\n\n# ``"), "`\\x60\\x60 a\\x0a\\x0a# \\x60\\x60`");
    }

    #[test]
    fn a_terminal_gets_what_it_always_got() {
        assert_eq!(Script::Terminal.text("a\nb|c@d"), "a\\x0ab|c@d");
        assert_eq!(Script::Terminal.name("abcdefghij", 8), "abcd…hij");
    }
}
