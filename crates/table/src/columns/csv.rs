//! Rows as comma-separated values that no spreadsheet takes for formulas, and that can be read back.
//!
//! In: a frame. Out: text by RFC 4180: commas, CRLF, a header, quotes doubled. Always:
//!
//! - texts are quoted and nothing else is: `""` is the empty text, and nothing at all is an absent value;
//! - wherever a program may begin a cell (at the start of a text, and after each `,` `;` `|` TAB CR LF in it, since
//!   programs and locales differ in what separates) there is an apostrophe before what could begin a formula, and before
//!   an apostrophe. So one rule gives every text back: drop one apostrophe at the start and after each of those;
//! - lists and pairs are texts of JSON.
//!
//! Absent: anything else that is escaped. Control characters stand as they are, between quotes.

use std::io::{self, Write as _};

use polars::prelude::DataFrame;

use super::cells::{Cell, columns};
use super::ndjson;

/// What some program separates cells by: a comma here, a semicolon where the comma is the decimal sign, a tab or a line
/// where text is pasted.
const SEPARATORS: [char; 6] = [',', ';', '|', '\t', '\r', '\n'];

/// The signs that begin a formula, and their other widths, which some programs take for the same.
const SIGNS: [char; 13] = [
    '=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '\u{fe66}', '\u{fe62}', '\u{fe63}',
    '\u{fe6b}', '\u{2212}',
];

/// Writes the names of the columns.
pub(crate) fn header(frame: &DataFrame, out: &mut Vec<u8>) {
    for (index, name) in frame.columns().iter().map(|column| column.name()).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        text(name, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes the rows.
pub(crate) fn rows(frame: &DataFrame, out: &mut Vec<u8>) -> io::Result<()> {
    let columns = columns(frame)?;
    let mut json = Vec::new();
    for row in 0..frame.height() {
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            match column.cell(row) {
                Cell::Absent => {}
                Cell::Text(value) => text(value, out),
                Cell::Natural(value) => write!(out, "{value}")?,
                Cell::Integer(value) => write!(out, "{value}")?,
                Cell::Decimal(value) => write!(out, "{value}")?,
                Cell::Truth(value) => write!(out, "{value}")?,
                Cell::Time(value) => write!(out, "{value}")?,
                nested @ (Cell::List(_) | Cell::Pairs(_)) => {
                    json.clear();
                    ndjson::value(&nested, &mut json)?;
                    text(&String::from_utf8_lossy(&json), out);
                }
            }
        }
        out.extend_from_slice(b"\r\n");
    }
    Ok(())
}

/// Writes a text between quotes.
fn text(value: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    // Nearly every text is of this kind: it goes out as it is.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" ._/:#()[]{}".contains(&byte);
    if value.bytes().all(|byte| is_plain(byte) || byte == b'-') && !value.trim_start().starts_with('-') {
        out.extend_from_slice(value.as_bytes());
    } else {
        guarded(value, out);
    }
    out.push(b'"');
}

fn guarded(value: &str, out: &mut Vec<u8>) {
    let mut begins = true;
    for (at, character) in value.char_indices() {
        if begins && wants_guard(&value[at..], at == 0) {
            out.push(b'\'');
        }
        begins = SEPARATORS.contains(&character);
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        if character == '"' {
            out.push(b'"');
        }
    }
}

/// Whether what begins a cell could begin a formula. Programs pass over what shows nothing, and over quotes where they
/// cut at another separator than the one that was meant. What begins after the next separator is asked for by itself,
/// but the white ones are dangerous as the first character of a text, too.
fn wants_guard(rest: &str, is_start: bool) -> bool {
    for character in rest.chars() {
        if SEPARATORS.contains(&character) {
            return is_start && character.is_control();
        }
        if character == '\'' || character.is_control() || SIGNS.contains(&character) {
            return true;
        }
        let hides = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
        if !(hides || character == '"' || character.is_whitespace()) {
            return false;
        }
    }
    false
}

/// What a text of a CSV file said before it was written: the rule of this page.
#[must_use]
pub fn restored(cell: &str) -> String {
    let mut restored = String::with_capacity(cell.len());
    let mut begins = true;
    for character in cell.chars() {
        let is_guard = begins && character == '\'';
        begins = SEPARATORS.contains(&character);
        if !is_guard {
            restored.push(character);
        }
    }
    restored
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: &str) -> String {
        let mut out = Vec::new();
        text(value, &mut out);
        String::from_utf8(out).expect("a text stays one")
    }

    /// What a reader of RFC 4180 makes of a quoted cell.
    fn unquoted(cell: &str) -> String {
        let inner = cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"'));
        inner.expect("a text is quoted").replace("\"\"", "\"")
    }

    #[test]
    fn i2_whatever_could_begin_a_formula_is_guarded() {
        for (value, expected) in [
            ("=cmd|'/c calc'!A0", "\"'=cmd|''/c calc'!A0\""),
            ("-2+3", "\"'-2+3\""),
            ("+1", "\"'+1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\u{ff1d}1+1", "\"'\u{ff1d}1+1\""),
            ("\t=1", "\"'\t'=1\""),
            ("\r=1", "\"'\r'=1\""),
            ("\0=1", "\"'\0=1\""),
            ("  =1", "\"'  =1\""),
            ("\u{feff}=1", "\"'\u{feff}=1\""),
            ("a;=1", "\"a;'=1\""),
            ("a,\"=1", "\"a,'\"\"=1\""),
            ("a\r\n=1", "\"a\r\n'=1\""),
            ("'a", "\"''a\""),
        ] {
            assert_eq!(written(value), expected, "{value:?}");
        }
    }

    #[test]
    fn what_begins_no_formula_is_written_as_it_is() {
        for value in
            ["", "a-b", "arn:aws:sts::111122223333:assumed-role/app/it's", "a\r\nb", "1 - 2", "a, b; c"]
        {
            assert_eq!(written(value), format!("\"{value}\""), "{value:?}");
        }
    }

    proptest! {
        /// Whichever separator a program cuts at, with or without regard for quotes.
        #[test]
        fn no_cell_of_any_program_begins_with_a_sign(value in "[a'\" ,;|\t\r\n=+@\u{ff1d}\0-]{0,12}") {
            let cell = written(&value);
            for piece in cell.split(SEPARATORS) {
                let shown = piece.trim_start_matches(|c: char| c.is_whitespace() || c == '"' || c == '\0');
                prop_assert!(!shown.starts_with(SIGNS), "{cell:?}");
            }
        }

        #[test]
        fn every_text_comes_back_by_the_rule(value in any::<String>()) {
            prop_assert_eq!(restored(&unquoted(&written(&value))), value);
        }

        #[test]
        fn every_hostile_text_comes_back_by_the_rule(value in "[a'\" ,;|\t\r\n=+@\u{ff1d}\0-]{0,12}") {
            prop_assert_eq!(restored(&unquoted(&written(&value))), value);
        }
    }
}
