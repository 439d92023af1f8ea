//! What decoded bytes are, by their beginning: text that may be JSON, or something that has to be named.
//!
//! In: the first bytes of an object, as many as are there. Out: a [`Content`], or the wish for more bytes.
//! Always: the answer for a prefix never changes when more bytes come.

use crate::gunzip::is_gzip;

/// Enough bytes to tell everything that is told here.
pub(super) const SNIFF_BYTES_MAX: usize = TAR_MAGIC_AT + TAR_MAGIC.len();

const TAR_MAGIC_AT: usize = 257;
const TAR_MAGIC: &[u8] = b"ustar";
const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";

/// First bytes of containers and compressions that are not read: zstd, bzip2, xz, zip (also empty or split),
/// Parquet.
const FOREIGN_MAGICS: [&[u8]; 7] =
    [b"\x28\xB5\x2F\xFD", b"BZh", b"\xFD7zXZ\0", b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08", b"PAR1"];

/// Byte order marks of UTF-16 and UTF-32 in both orders (the little-endian ones begin alike).
const WIDE_BOMS: [&[u8]; 3] = [b"\xFF\xFE", b"\xFE\xFF", b"\0\0\xFE\xFF"];

/// What an object's bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Content {
    /// Bytes that may be JSON text, after this many bytes of BOM.
    Text {
        /// 0 or 3.
        bom_bytes: usize,
    },
    Gzip,
    /// A format that is not read.
    Foreign,
    /// UTF-16 or UTF-32.
    Wide,
}

/// Tells what begins with `prefix`; `None` asks for more bytes. `is_all` says that there are none.
pub(super) fn sniff(prefix: &[u8], is_all: bool) -> Option<Content> {
    // The longest of the marks and patterns at the very beginning.
    const HEAD_BYTES: usize = 8;
    if prefix.len() < HEAD_BYTES && !is_all {
        return None;
    }
    if is_gzip(prefix) {
        return Some(Content::Gzip);
    }
    if prefix.starts_with(UTF8_BOM) {
        return Some(Content::Text { bom_bytes: UTF8_BOM.len() });
    }
    if WIDE_BOMS.iter().any(|bom| prefix.starts_with(bom)) || is_wide(prefix) {
        return Some(Content::Wide);
    }
    if FOREIGN_MAGICS.iter().any(|magic| prefix.starts_with(magic)) {
        return Some(Content::Foreign);
    }
    // A tar archive begins with a file name; no name that occurs begins like JSON does.
    if matches!(prefix.first(), Some(b'{' | b'[' | b' ' | b'\t' | b'\r' | b'\n') | None) {
        return Some(Content::Text { bom_bytes: 0 });
    }
    if prefix.len() < SNIFF_BYTES_MAX && !is_all {
        return None;
    }
    let is_tar = prefix.get(TAR_MAGIC_AT..).is_some_and(|tail| tail.starts_with(TAR_MAGIC));
    Some(if is_tar { Content::Foreign } else { Content::Text { bom_bytes: 0 } })
}

/// ASCII in UTF-16 or UTF-32 shows by its zero bytes; a run of zeros alone is a hole in a file.
fn is_wide(prefix: &[u8]) -> bool {
    let pattern = |width: usize, ascii_at: usize| {
        prefix.len() >= 2 * width
            && prefix[..2 * width]
                .iter()
                .enumerate()
                .all(|(index, &byte)| (byte != 0) == (index % width == ascii_at))
    };
    pattern(2, 0) || pattern(2, 1) || pattern(4, 0) || pattern(4, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d14_foreign_magics_are_named() {
        for magic in FOREIGN_MAGICS {
            let prefix = [magic, &[0x55; 8]].concat();
            assert_eq!(sniff(&prefix, true), Some(Content::Foreign), "{magic:?}");
        }
        let mut tar = vec![b'a'; SNIFF_BYTES_MAX];
        assert_eq!(sniff(&tar, false), Some(Content::Text { bom_bytes: 0 }));
        tar[TAR_MAGIC_AT..].copy_from_slice(TAR_MAGIC);
        assert_eq!(sniff(&tar[..SNIFF_BYTES_MAX - 1], false), None);
        assert_eq!(sniff(&tar, false), Some(Content::Foreign));
    }

    #[test]
    fn d20_wide_text_is_known_by_its_mark_or_its_zeros() {
        let text = r#"{"a":1}"#;
        let mut with_bom = vec![0xFF, 0xFE];
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        with_bom.extend(&little);
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let little32: Vec<u8> = text.chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
        let big32: Vec<u8> = text.chars().flat_map(|c| (c as u32).to_be_bytes()).collect();
        for wide in [with_bom, little, big, little32, big32] {
            assert_eq!(sniff(&wide, false), Some(Content::Wide), "{wide:?}");
        }
        assert_eq!(sniff(&[0; 16], true), Some(Content::Text { bom_bytes: 0 }), "a hole is not UTF-16");
    }
}
