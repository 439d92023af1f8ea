//! Showing what an object holds: only for `find --show-body`, where a person asked for the text itself.
//!
//! In: an object, and which of its decoded bytes. Out: lines that are safe to print. Always: bounded in bytes; JSON is
//! only indented, never changed, so what is shown is what is stored; every line is escaped and set off by a bar, so
//! that no text can pass for the program's own. Absent: any use of this by another command.

use borehole_record::ObjectFailure;
use borehole_record::gunzip::{Gunzip, is_gzip};
use borehole_store::{Object, Store};

use crate::exit::escaped;

/// Most decoded bytes that are shown of one document or payload: far more than anybody reads.
const SHOWN_BYTES_MAX: u64 = 16 << 20;

/// Most bytes that an object may decode to on the way to the span that is shown.
const DECODED_BYTES_MAX: u64 = borehole_scan::limits::DECODED_BYTES_MAX;

/// Levels of indentation that are shown; deeper ones stay there, so that a line is never longer than its content.
const INDENT_LEVELS_MAX: usize = 40;

/// Part of an object, decoded.
pub(crate) struct Span {
    /// The bytes, at most 16 MiB of them.
    pub bytes: Vec<u8>,
    /// There are more.
    pub is_cut: bool,
}

/// Reads `length` decoded bytes of an object from `from` on; all that follow, where `length` is `None`.
///
/// # Errors
/// A word of the report.
pub(crate) fn read_span(
    store: &dyn Store,
    object: &Object,
    from: u64,
    length: Option<u64>,
) -> Result<Span, &'static str> {
    let wanted = length.unwrap_or(u64::MAX);
    let mut cutter =
        Cutter { from, left: wanted.min(SHOWN_BYTES_MAX), position: 0, bytes: Vec::new(), more: false };
    let mut head: Vec<u8> = Vec::new();
    let mut gunzip: Option<Gunzip> = None;
    let mut begun = false;
    let mut failure: Option<ObjectFailure> = None;
    let mut push = |bytes: &[u8], gunzip: &mut Option<Gunzip>, cutter: &mut Cutter| {
        match gunzip {
            Some(gunzip) => {
                let unpacked = gunzip.push(bytes, |decoded| {
                    cutter.push(decoded);
                    Ok(())
                });
                failure = unpacked.err();
            }
            None => cutter.push(bytes),
        }
        failure.is_none()
    };
    let read = store.read(object, &mut |bytes| {
        if !begun {
            head.extend_from_slice(bytes);
            if head.len() < 2 {
                return true;
            }
            begun = true;
            gunzip = is_gzip(&head).then(|| Gunzip::new(DECODED_BYTES_MAX));
            return push(&std::mem::take(&mut head), &mut gunzip, &mut cutter) && !cutter.is_done();
        }
        push(bytes, &mut gunzip, &mut cutter) && !cutter.is_done()
    });
    if !begun {
        cutter.push(&head);
    }
    if !cutter.is_done() {
        if let Err(reason) = read {
            return Err(reason.as_str());
        }
        if let Some(failure) = failure {
            return Err(failure.as_str());
        }
    }
    let is_cut = cutter.more || wanted > SHOWN_BYTES_MAX && cutter.left == 0;
    Ok(Span { bytes: cutter.bytes, is_cut })
}

struct Cutter {
    from: u64,
    left: u64,
    position: u64,
    bytes: Vec<u8>,
    more: bool,
}

impl Cutter {
    fn push(&mut self, decoded: &[u8]) {
        let skipped = usize::try_from(self.from.saturating_sub(self.position)).unwrap_or(usize::MAX);
        self.position += decoded.len() as u64;
        let rest = decoded.get(skipped..).unwrap_or_default();
        let count = rest.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.bytes.extend_from_slice(&rest[..count]);
        self.left -= count as u64;
        self.more |= count < rest.len() && self.bytes.len() as u64 >= SHOWN_BYTES_MAX;
    }

    fn is_done(&self) -> bool {
        self.left == 0
    }
}

/// What the bytes are, where they are no text: by their first ones.
pub(crate) fn magic(bytes: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 12] = [
        (b"%PDF-", "PDF"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\xff\xd8\xff", "JPEG"),
        (b"GIF8", "GIF"),
        (b"RIFF", "RIFF (WebP, WAV)"),
        (b"PK\x03\x04", "ZIP (Office documents, too)"),
        (b"\xd0\xcf\x11\xe0", "old Office document"),
        (b"OggS", "Ogg"),
        (b"ID3", "MP3"),
        (b"\x1a\x45\xdf\xa3", "Matroska (WebM)"),
        (b"fLaC", "FLAC"),
        (b"\x1f\x8b", "gzip inside gzip"),
    ];
    if let Some((_, name)) = KNOWN.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Some(name);
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return Some("MP4 (QuickTime)");
    }
    // Text of a log has no NUL; a picture without one in its first bytes is rare, and then no UTF-8.
    let start = &bytes[..bytes.len().min(8_192)];
    let is_text = !start.contains(&0)
        && match std::str::from_utf8(start) {
            Ok(_) => true,
            Err(error) => {
                error.error_len().is_none() || start.first().is_some_and(|byte| matches!(byte, b'{' | b'['))
            }
        };
    if is_text { None } else { Some("unknown binary") }
}

/// JSON, indented and otherwise as it is; anything else as its own lines.
pub(crate) fn indented(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    if !text.starts_with(['{', '[']) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    let mut depth = 0usize;
    let (mut in_string, mut is_escaped) = (false, false);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth.min(INDENT_LEVELS_MAX)));
    };
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if in_string {
            out.push(character);
            (in_string, is_escaped) = match character {
                _ if is_escaped => (true, false),
                '\\' => (true, true),
                '"' => (false, false),
                _ => (true, false),
            };
            continue;
        }
        match character {
            '"' => {
                in_string = true;
                out.push('"');
            }
            '{' | '[' => {
                out.push(character);
                while characters.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                if let Some(close) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(',');
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ if character.is_ascii_whitespace() => {}
            _ => out.push(character),
        }
    }
    out
}

/// Lines that a terminal can be given, each set off by a bar.
pub(crate) fn barred(text: &str) -> String {
    text.lines().map(|line| format!("  | {}\n", escaped(line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indenting_changes_nothing_but_space() {
        let text = r#"{"a":[1,{},[ ],1e400,"x, {\"y\": [\\"],"b":{"c":null}}"#;
        let expected = "{\n  \"a\": [\n    1,\n    {},\n    [],\n    1e400,\n    \"x, {\\\"y\\\": [\\\\\"\n  ],\n  \"b\": {\n    \"c\": null\n  }\n}";
        assert_eq!(indented(text.as_bytes()), expected);
    }

    #[test]
    fn e22_deep_nesting_costs_neither_stack_nor_square_space() {
        let deep = [b"[".repeat(200_000), b"]".repeat(200_000)].concat();
        assert!(indented(&deep).len() < 400_000 * (3 + 2 * INDENT_LEVELS_MAX));
    }

    #[test]
    fn i05_no_line_can_pass_for_our_own() {
        let shown = barred("a\u{1b}[2Jb\r\u{202e}\nrecord s3://x");
        assert!(shown.lines().all(|line| line.starts_with("  | ")), "{shown}");
        assert!(!shown.contains(['\u{1b}', '\r', '\u{202e}']));
    }

    #[test]
    fn binary_is_told_from_text() {
        assert_eq!(magic(b"%PDF-1.7 ..."), Some("PDF"));
        assert_eq!(magic(b"\0\0\0\x18ftypmp42"), Some("MP4 (QuickTime)"));
        assert_eq!(magic(b"\x80\x81\x82"), Some("unknown binary"));
        for text in [&b"{\"a\": 1}"[..], b"plain", "é".as_bytes(), &"é".as_bytes()[..1], b""] {
            assert_eq!(magic(text), None, "{text:?}");
        }
    }
}
