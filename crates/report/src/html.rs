//! A stand-in for the page, until it is here: the report's text and its data, without scripts.
//!
//! In: a [`Report`]. Out: a document. Always: strings from the logs reach the markup through [`escape`] alone.

use sha2::{Digest, Sha256};

use crate::json;
use crate::model::Report;
use crate::text::{self, TextStyle};

/// Renders the report as a whole document.
#[must_use]
pub fn render(report: &Report) -> String {
    let cube = report.cube.as_ref().map_or_else(String::new, |cube| {
        let (hours, data) = (cube.slot_hours, escape(&cube.data));
        format!("<script type=\"text/plain\" id=\"cube\" data-slot-hours=\"{hours}\">{data}</script>\n")
    });
    let data = json::render(&Report { cube: None, ..report.clone() });
    let data = data.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let text = escape(&text::render(report, &TextStyle::default()));
    format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Bedrock usage</title>\n<pre>{text}</pre>\n\
         <script type=\"application/json\" id=\"report\">{data}</script>\n{cube}"
    )
}

/// Text for markup, between tags or between double quotes: the only way by which a string gets there.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// `'sha256-…'`, as a content security policy names a text that may be used.
pub(crate) fn hash_source(text: &str) -> String {
    format!("'sha256-{}'", base64(&Sha256::digest(text.as_bytes())))
}

/// Base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let symbol = ALPHABET[(group >> (18 - 6 * digit)) as usize & 63];
            text.push(if digit > chunk.len() { '=' } else { char::from(symbol) });
        }
    }
    text
}
