//! A report as JSON, and back.
//!
//! In: a [`Report`]. Out: two-space pretty JSON in the contract's key order, one trailing newline. Always: an
//! integer above 2^53 is followed by a sibling `<name>_text` that holds it as a string, since readers that
//! keep numbers as doubles would change it; characters that a terminal obeys or hides are written as `\uXXXX`,
//! so the file says the same but can be shown.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};

use crate::model::Report;
use crate::text::cells::is_hazardous;

/// The largest integer below which a double holds every integer.
const EXACT_IN_DOUBLE: u128 = 1 << 53;

/// Renders the report.
///
/// # Panics
/// Never: a report is maps, strings and numbers, and memory takes them all.
#[must_use]
pub fn render(report: &Report) -> String {
    pretty(report)
}

/// Renders anything of maps, strings and numbers by the rules of this page.
pub(crate) fn pretty(report: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, ContractFormatter::default());
    report.serialize(&mut serializer).expect("a report is maps, strings and numbers");
    bytes.push(b'\n');
    String::from_utf8(bytes).expect("the serializer writes UTF-8")
}

/// Reads what [`render`] wrote. Unknown keys are ignored; another `schema` is an error.
pub fn parse(json: &str) -> Result<Report, serde_json::Error> {
    serde_json::from_str(json)
}

/// Two-space indentation, with the sibling texts of large integers.
#[derive(Default)]
struct ContractFormatter {
    /// Arrays and objects that are open.
    depth: usize,
    /// The innermost closed or open container has a value: its end goes on its own line.
    has_value: bool,
    /// A key is being written: its fragments are kept in `key`.
    in_key: bool,
    /// The last key, as written between its quotes.
    key: Vec<u8>,
    /// The member's value was an integer too large for a double: its text.
    large: Option<String>,
}

impl ContractFormatter {
    fn new_line<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        for _ in 0..self.depth {
            writer.write_all(b"  ")?;
        }
        Ok(())
    }

    fn begin_value<W: ?Sized + Write>(&self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        self.new_line(writer)
    }

    fn begin<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.has_value = false;
        writer.write_all(bracket)
    }

    fn end<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if self.has_value {
            self.new_line(writer)?;
        }
        writer.write_all(bracket)
    }

    fn write_text<W: ?Sized + Write>(&mut self, writer: &mut W, bytes: &[u8]) -> io::Result<()> {
        if self.in_key {
            self.key.extend_from_slice(bytes);
        }
        writer.write_all(bytes)
    }

    fn remember_large(&mut self, value: u128) {
        if value > EXACT_IN_DOUBLE {
            self.large = Some(value.to_string());
        }
    }
}

impl Formatter for ContractFormatter {
    fn write_u64<W: ?Sized + Write>(&mut self, writer: &mut W, value: u64) -> io::Result<()> {
        self.remember_large(u128::from(value));
        write!(writer, "{value}")
    }

    fn write_u128<W: ?Sized + Write>(&mut self, writer: &mut W, value: u128) -> io::Result<()> {
        self.remember_large(value);
        write!(writer, "{value}")
    }

    /// Differences come this way.
    fn write_i128<W: ?Sized + Write>(&mut self, writer: &mut W, value: i128) -> io::Result<()> {
        if value.unsigned_abs() > EXACT_IN_DOUBLE {
            self.large = Some(value.to_string());
        }
        write!(writer, "{value}")
    }

    /// Decimals come this way; one with a whole part above 2^53 gets its text, too.
    fn write_raw_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let whole = fragment.split('.').next().and_then(|digits| digits.parse::<u128>().ok());
        if whole.is_some_and(|whole| whole >= EXACT_IN_DOUBLE) {
            self.large = Some(fragment.to_owned());
        }
        writer.write_all(fragment.as_bytes())
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain_from = 0;
        for (at, character) in fragment.char_indices().filter(|&(_, character)| is_hazardous(character)) {
            self.write_text(writer, &fragment.as_bytes()[plain_from..at])?;
            for unit in character.encode_utf16(&mut [0; 2]) {
                self.write_text(writer, format!("\\u{unit:04x}").as_bytes())?;
            }
            plain_from = at + character.len_utf8();
        }
        self.write_text(writer, &fragment.as_bytes()[plain_from..])
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        let mut escaped = Vec::new();
        CompactFormatter.write_char_escape(&mut escaped, escape)?;
        self.write_text(writer, &escaped)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.begin_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.has_value = true;
        // Text siblings need a name; no array of the contract holds bare integers.
        self.large = None;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.begin_value(writer, first)?;
        self.in_key = true;
        self.key.clear();
        Ok(())
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.in_key = false;
        Ok(())
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.has_value = true;
        if let Some(text) = self.large.take() {
            self.begin_value(writer, false)?;
            writer.write_all(b"\"")?;
            writer.write_all(&self.key)?;
            write!(writer, "_text\": \"{text}\"")?;
        }
        Ok(())
    }
}
