//! A written report back to the model: out of our JSON, or out of a page of ours.
//!
//! In: the bytes of a file that anyone may have made. Out: a [`Report`], or in words why there is none. Always: an
//! error says what the file is and where it goes wrong, and repeats nothing of it. Absent: I/O, and any belief in what
//! the figures say: whoever renders them again renders what is written.

use std::fmt;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::model::{Cube, Report};

/// Most bytes of a file that is read back: a JSON report of a thousand groups with their minutes has 20 MB, a page 3.
pub const FILE_BYTES_MAX: u64 = 256 << 20;

/// What our other JSON files are, by the word in their `schema`.
const OTHER_KINDS: [(&str, &str); 11] = [
    ("quota", "the answer of borehole quota"),
    ("ticket", "the facts of borehole ticket"),
    ("compare", "a comparison, made by borehole compare"),
    ("reconciliation", "the answer of borehole quota --cloudwatch"),
    ("find", "the answer of borehole find"),
    ("ls", "the answer of borehole ls"),
    ("doctor", "the answer of borehole doctor"),
    ("restore", "the answer of borehole restore"),
    ("rules-shown", "the answer of borehole rules show"),
    ("dataset", "the manifest of a dataset; the dataset is a SOURCE of borehole analyze"),
    ("truth", "the tally of borehole synth"),
];

/// Why a file is no report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotAReport {
    /// It has no bytes but blanks.
    Empty,
    /// It begins as gzip does.
    Gzip,
    /// It is not UTF-8.
    NotText,
    /// It is not JSON, and no page.
    NotJson {
        /// The line at which this shows, from 1.
        line: usize,
        /// The place in that line.
        column: usize,
    },
    /// It is JSON that ends too early.
    CutOff,
    /// It is JSON of another origin.
    NotOurs,
    /// It is another answer of this program: which one, in words.
    OtherKind(&'static str),
    /// It is a report of a version that this program does not know.
    OtherVersion(u32),
    /// It says that it is a report, but lacks a figure, or has something else in its place.
    Malformed {
        /// The line at which this shows, from 1; in a page, of its data.
        line: usize,
        /// The place in that line.
        column: usize,
    },
    /// It is a page that holds no report, or not all of it.
    NoReportInPage,
    /// It is a report whose cube is not what a cube is.
    CubeDamaged,
}

impl fmt::Display for NotAReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotAReport::Empty => f.write_str("empty, not a report"),
            NotAReport::Gzip => f.write_str("compressed with gzip; a report is read as it is"),
            NotAReport::NotText => f.write_str("not a report: it is no text in UTF-8"),
            NotAReport::NotJson { line, column } => {
                write!(f, "not a report: neither JSON (line {line}, column {column}) nor a page")
            }
            NotAReport::CutOff => f.write_str("the JSON ends before the report does; is the file whole?"),
            NotAReport::NotOurs => f.write_str("JSON, but not a report of borehole"),
            NotAReport::OtherKind(kind) => write!(f, "not a report but {kind}"),
            NotAReport::OtherVersion(version) => {
                write!(f, "a report of version {version}; this program reads version 1")
            }
            NotAReport::Malformed { line, column } => {
                write!(f, "a report that cannot be read: something is wrong at line {line}, column {column}")
            }
            NotAReport::NoReportInPage => {
                f.write_str("a page without the data of a report; is it one of borehole, and whole?")
            }
            NotAReport::CubeDamaged => f.write_str("a report whose cube is damaged"),
        }
    }
}

impl std::error::Error for NotAReport {}

/// Reads what [`crate::json::render`] or [`crate::html::render`] wrote.
///
/// # Errors
/// Where the bytes are something else; the error says what.
pub fn parse(bytes: &[u8]) -> Result<Report, NotAReport> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return Err(NotAReport::Gzip);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| NotAReport::NotText)?;
    // Some programs put a mark of byte order before what they save.
    let text = text.trim_start_matches('\u{feff}').trim_start();
    match text.bytes().next() {
        None => Err(NotAReport::Empty),
        Some(b'<') => from_page(text),
        Some(_) => from_json(text),
    }
}

fn from_json(text: &str) -> Result<Report, NotAReport> {
    let report: Report = serde_json::from_str(text).map_err(|error| reason(text, &error))?;
    match &report.cube {
        Some(cube) if !is_base64(&cube.data) => Err(NotAReport::CubeDamaged),
        _ => Ok(report),
    }
}

fn from_page(page: &str) -> Result<Report, NotAReport> {
    let (_, data) = block(page, "report").ok_or(NotAReport::NoReportInPage)?;
    let mut report = from_json(data)?;
    if let Some((tag, data)) = block(page, "cube") {
        let data = data.trim();
        let slot_hours = attribute(tag, "data-slot-hours").and_then(|hours| hours.parse().ok());
        let (Some(slot_hours), true) = (slot_hours, is_base64(data)) else {
            return Err(NotAReport::CubeDamaged);
        };
        let encoding = "deflate-raw+base64".to_owned();
        report.cube = Some(Cube { encoding, slot_hours, data: data.to_owned() });
    }
    Ok(report)
}

/// The tag and the contents of the script with this id. Nothing that a report says can stand for one: in its data and
/// in the markup there is no `<` of the logs.
fn block<'a>(page: &'a str, id: &str) -> Option<(&'a str, &'a str)> {
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("<script") {
        let (tag, after) = after.split_once('>')?;
        let (content, after) = after.split_once("</script")?;
        if attribute(tag, "id") == Some(id) {
            return Some((tag, content));
        }
        rest = after;
    }
    None
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, value) = tag.split_once(&format!(" {name}=\""))?;
    Some(value.split_once('"')?.0)
}

fn is_base64(data: &str) -> bool {
    let symbols = data.trim_end_matches('=');
    data.len().is_multiple_of(4)
        && data.len() - symbols.len() <= 2
        && symbols.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// What a text is that is no report. The parser's own words are left out: they quote what they stumble over.
fn reason(text: &str, error: &serde_json::Error) -> NotAReport {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        schema: Option<&'a RawValue>,
    }

    if let Err(broken) = serde_json::from_str::<IgnoredAny>(text) {
        return if broken.is_eof() {
            NotAReport::CutOff
        } else {
            NotAReport::NotJson { line: broken.line(), column: broken.column() }
        };
    }
    let named = serde_json::from_str(text).ok().and_then(|named: Named<'_>| named.schema);
    let schema = named.and_then(|schema| schema.get().strip_prefix("\"borehole.")?.strip_suffix('"'));
    let Some((kind, version)) = schema.and_then(|schema| schema.split_once('/')) else {
        return NotAReport::NotOurs;
    };
    match (kind, version.parse()) {
        ("report", Ok(1)) => NotAReport::Malformed { line: error.line(), column: error.column() },
        ("report", Ok(version)) => NotAReport::OtherVersion(version),
        _ => OTHER_KINDS
            .iter()
            .find(|(word, _)| *word == kind)
            .map_or(NotAReport::NotOurs, |(_, words)| NotAReport::OtherKind(words)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> NotAReport {
        parse(text.as_bytes()).expect_err("this is no report")
    }

    #[test]
    fn what_is_no_report_is_named_and_never_quoted() {
        for (text, expected) in [
            ("", "empty, not a report"),
            ("\u{feff} \n", "empty, not a report"),
            ("COMPLETE  65 requests", "not a report: neither JSON (line 1, column 1) nor a page"),
            (
                "{\"schema\": \"borehole.report/1\", \"secret",
                "the JSON ends before the report does; is the file whole?",
            ),
            ("{\"a\": secret}", "not a report: neither JSON (line 1, column 7) nor a page"),
            ("[]", "JSON, but not a report of borehole"),
            ("{\"schema\": \"secret/1\"}", "JSON, but not a report of borehole"),
            ("{\"schema\": 7}", "JSON, but not a report of borehole"),
            ("{\"schema\": \"borehole.report/2\"}", "a report of version 2; this program reads version 1"),
            ("{\"schema\": \"borehole.secret/1\"}", "JSON, but not a report of borehole"),
            ("{\"schema\": \"borehole.quota/1\"}", "not a report but the answer of borehole quota"),
            ("{\"schema\": \"borehole.ticket/1\"}", "not a report but the facts of borehole ticket"),
            (
                "{\"schema\": \"borehole.report/1\",\n\"complete\": \"secret\"}",
                "a report that cannot be read: something is wrong at line 2, column 20",
            ),
            (
                "<!doctype html><p>secret",
                "a page without the data of a report; is it one of borehole, and whole?",
            ),
            ("<script id=\"report\">{}</script>", "JSON, but not a report of borehole"),
            (
                "<script id=\"report\">{\"secret\"",
                "a page without the data of a report; is it one of borehole, and whole?",
            ),
        ] {
            let said = error(text).to_string();
            assert_eq!(said, expected, "{text}");
            assert!(!said.contains("secret"), "{said}");
        }
        assert_eq!(parse(&[0x1f, 0x8b, 8]), Err(NotAReport::Gzip));
        assert_eq!(parse(&[b'{', 0xff]), Err(NotAReport::NotText));
    }

    #[test]
    fn a_deep_nest_is_an_error_and_no_overflow() {
        let nest = "[".repeat(1_000_000);
        for deep in [nest.clone(), format!("{{\"schema\": \"borehole.report/1\", \"x\": {nest}")] {
            let said = error(&deep).to_string();
            assert!(said.len() < 100, "{said}");
        }
    }

    #[test]
    fn a_script_is_found_by_its_id() {
        let page = "<script>a < b</script><script type=\"x\" id=\"cube\" data-slot-hours=\"6\">AAAA</script>";
        assert_eq!(block(page, "cube").map(|(_, data)| data), Some("AAAA"));
        assert_eq!(block(page, "cube").and_then(|(tag, _)| attribute(tag, "data-slot-hours")), Some("6"));
        assert_eq!(block(page, "report"), None);
        for (data, expected) in [("", true), ("AA==", true), ("AAA", false), ("A===", false), ("AA<=", false)]
        {
            assert_eq!(is_base64(data), expected, "{data}");
        }
    }
}
