//! Rows as JSON, one object a line.
//!
//! In: a frame. Out: its rows as text. Always: valid UTF-8; a line is an object whose keys are the names of the
//! columns, in their order; what is absent is left out; integers are whole and exact; times are RFC 3339 in UTC; lists
//! of pairs are objects. Characters that a terminal obeys or hides are written as `\uXXXX`, which every reader of JSON
//! takes for the same text. Absent: line ends of two characters, and any order of rows but the frame's.

use std::io::{self, Write as _};

use polars::prelude::DataFrame;

use super::cells::{Cell, List, columns};

/// Writes the rows.
pub(crate) fn rows(frame: &DataFrame, out: &mut Vec<u8>) -> io::Result<()> {
    let columns = columns(frame)?;
    let names: Vec<Vec<u8>> = columns
        .iter()
        .map(|column| {
            let mut name = Vec::new();
            string(column.name(), &mut name);
            name.push(b':');
            name
        })
        .collect();
    for row in 0..frame.height() {
        out.push(b'{');
        let mut separator: &[u8] = b"";
        for (column, name) in columns.iter().zip(&names) {
            let cell = column.cell(row);
            if matches!(cell, Cell::Absent) {
                continue;
            }
            out.extend_from_slice(separator);
            out.extend_from_slice(name);
            value(&cell, out)?;
            separator = b",";
        }
        out.extend_from_slice(b"}\n");
    }
    Ok(())
}

/// Writes a value.
pub(crate) fn value(cell: &Cell<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    match cell {
        Cell::Absent => out.extend_from_slice(b"null"),
        Cell::Text(text) => string(text, out),
        Cell::Natural(number) => write!(out, "{number}")?,
        Cell::Integer(number) => write!(out, "{number}")?,
        Cell::Decimal(number) => write!(out, "{number}")?,
        Cell::Truth(truth) => write!(out, "{truth}")?,
        Cell::Time(time) => write!(out, "\"{time}\"")?,
        Cell::List(list) => bracketed(*list, [b'[', b']'], out, |_, _| ())?,
        Cell::Pairs(list) => bracketed(*list, [b'{', b'}'], out, |key, out| {
            string(key, out);
            out.push(b':');
        })?,
    }
    Ok(())
}

fn bracketed(
    list: List<'_>,
    [begin, end]: [u8; 2],
    out: &mut Vec<u8>,
    name: impl Fn(&str, &mut Vec<u8>),
) -> io::Result<()> {
    out.push(begin);
    for (index, (key, cell)) in list.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        name(key, out);
        value(&cell, out)?;
    }
    out.push(end);
    Ok(())
}

/// Writes a text between quotes.
fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut plain_from = 0;
    for (at, character) in text.char_indices() {
        let short: &[u8] = match character {
            '"' => b"\\\"",
            '\\' => b"\\\\",
            '\n' => b"\\n",
            '\r' => b"\\r",
            '\t' => b"\\t",
            _ if is_hidden(character) => b"",
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[plain_from..at]);
        out.extend_from_slice(short);
        if short.is_empty() {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
            }
        }
        plain_from = at + character.len_utf8();
    }
    out.extend_from_slice(&text.as_bytes()[plain_from..]);
    out.push(b'"');
}

/// Control characters, and those that change or hide what stands beside them.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
