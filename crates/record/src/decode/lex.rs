//! The lexical ground that all reading stands on: strings, brackets, escapes, numbers.
//!
//! In: slices of JSON text, valid or not. Out: positions and plain values. Always: a string ends at the first
//! quote that no backslash escapes, and brackets count outside strings only, whatever their kind; every code
//! path finds the same ends because all of them ask here. Absent: any idea of what a record is.

use super::simd::{Backend, near_text};

/// Deepest nesting that a document may have; the root object is at depth 1.
pub(super) const DEPTH_MAX: u32 = 512;

/// JSON whitespace.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The index of the first byte at or after `at` that is not whitespace.
#[inline]
pub(super) fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && is_blank(bytes[at]) {
        at += 1;
    }
    at
}

/// Where a string ended, and what was seen on the way.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct StringEnd {
    /// Index just after the closing quote.
    pub(super) after: usize,
    /// A backslash occurred.
    pub(super) escapes: bool,
    /// A `\ud…` escape occurred, so there may be a lone surrogate.
    pub(super) surrogates: bool,
    /// A byte beyond ASCII may have occurred, here or shortly after the end.
    pub(super) beyond_ascii: bool,
}

/// The end of the string whose content starts at `from`, just after its opening quote.
#[inline]
pub(super) fn string_end(bytes: &[u8], from: usize) -> Option<StringEnd> {
    // Keys and most values are shorter than a call of the loop costs.
    let Some(near) = bytes.get(from..).and_then(<[u8]>::first_chunk) else {
        return Backend::best().string_end(bytes, from);
    };
    let (hits, beyond_ascii) = near_text(near);
    let length = hits.trailing_zeros() as usize;
    if near.get(length) == Some(&b'"') {
        return Some(StringEnd { after: from + length + 1, escapes: false, surrogates: false, beyond_ascii });
    }
    Backend::best().string_end(bytes, from)
}

/// The index after the value that starts at `at`: a string, a bracketed value, or a run of other bytes.
/// `None` where it does not end within `bytes`, or where there is no value.
pub(super) fn value_end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => string_end(bytes, at + 1).map(|end| end.after),
        b'{' | b'[' => Balance::default().advance(&bytes[at..]).map(|length| at + length),
        _ => {
            let length =
                bytes[at..].iter().position(|&byte| is_blank(byte) || b",:{}[]\"".contains(&byte))?;
            (length > 0).then_some(at + length)
        }
    }
}

/// Whether `escape`, which starts with a backslash, is `\ud…`: half of a surrogate pair, or a Hangul syllable.
#[inline]
pub(super) fn opens_surrogate(escape: &[u8]) -> bool {
    escape.len() > 2 && escape[1] == b'u' && escape[2] | 0x20 == b'd'
}

/// Follows strings and brackets across any cut of the input, and tells where depth returns to zero.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Balance {
    pub(super) depth: u64,
    /// The deepest nesting so far: exact above half of [`DEPTH_MAX`], at or below that it may be too high, but
    /// not above the half.
    pub(super) depth_max: u64,
    /// The position is inside a string.
    pub(super) in_string: bool,
    /// The last byte was a backslash inside a string that escapes the next.
    pub(super) escaped: bool,
    /// A `\ud…` escape occurred; exact only where the value was given in one piece.
    pub(super) surrogates: bool,
    /// A byte beyond ASCII may have occurred, in the value or shortly after its end.
    pub(super) beyond_ascii: bool,
}

impl Balance {
    /// Takes the next bytes. `Some(length)` as soon as the value that began with the first byte ever given is
    /// complete, `length` bytes into `bytes`; else all of `bytes` was taken.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Option<usize> {
        Backend::best().balance(self, bytes)
    }
}

/// A JSON string's content could not be unescaped.
#[derive(Debug)]
pub(super) struct BadEscape;

/// Appends the text of a JSON string's `content` (without its quotes) to `text`.
///
/// Raw control characters and invalid UTF-8 pass through. A lone surrogate becomes its three-byte form, which
/// is not UTF-8, so that whoever checks the text finds it.
pub(super) fn unescape(content: &[u8], text: &mut Vec<u8>) -> Result<(), BadEscape> {
    let mut rest = content;
    while let Some(length) = memchr::memchr(b'\\', rest) {
        text.extend_from_slice(&rest[..length]);
        let escape = *rest.get(length + 1).ok_or(BadEscape)?;
        rest = &rest[length + 2..];
        if escape != b'u' {
            text.push(simple_escape(escape).ok_or(BadEscape)?);
            continue;
        }
        let first = rest.get(..4).and_then(hex4).ok_or(BadEscape)?;
        rest = &rest[4..];
        let second = rest.strip_prefix(b"\\u").and_then(|tail| tail.get(..4)).and_then(hex4);
        match (first, second) {
            (0xD800..0xDC00, Some(low @ 0xDC00..0xE000)) => {
                push_code_point(pair(first, low), text);
                rest = &rest[6..];
            }
            _ => push_code_point(u32::from(first), text),
        }
    }
    text.extend_from_slice(rest);
    Ok(())
}

/// The byte that a one-letter escape stands for.
pub(super) fn simple_escape(letter: u8) -> Option<u8> {
    Some(match letter {
        b'"' | b'\\' | b'/' => letter,
        b'b' => 0x08,
        b'f' => 0x0C,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    })
}

/// The code point of a surrogate pair.
pub(super) fn pair(high: u16, low: u16) -> u32 {
    0x1_0000 + ((u32::from(high) - 0xD800) << 10) + (u32::from(low) - 0xDC00)
}

fn hex4(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0, |value, &digit| Some(value << 4 | hex_digit(digit)?))
}

/// The value of one hexadecimal digit.
pub(super) fn hex_digit(digit: u8) -> Option<u16> {
    char::from(digit).to_digit(16).map(|value| value as u16)
}

/// Appends a code point in (generalised) UTF-8: surrogates take three bytes like their neighbours.
pub(super) fn push_code_point(code_point: u32, text: &mut Vec<u8>) {
    match char::from_u32(code_point) {
        Some(character) => text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        None => text.extend_from_slice(&[
            0xE0 | (code_point >> 12) as u8 & 0x0F,
            0x80 | (code_point >> 6) as u8 & 0x3F,
            0x80 | code_point as u8 & 0x3F,
        ]),
    }
}

/// Whether a surrogate escape without its other half stands in a string of this JSON text.
pub(super) fn has_lone_surrogate(json: &[u8]) -> bool {
    let mut from = 0;
    while let Some(quote) = memchr::memchr(b'"', &json[from..]) {
        let content = from + quote + 1;
        let Some(end) = string_end(json, content) else { return false };
        if end.surrogates && has_lone_unit(&json[content..end.after - 1]) {
            return true;
        }
        from = end.after;
    }
    false
}

/// Whether the content of a string has a surrogate escape without its other half.
fn has_lone_unit(content: &[u8]) -> bool {
    let mut from = 0;
    while let Some(length) = content.get(from..).and_then(|tail| memchr::memchr(b'\\', tail)) {
        let at = from + length;
        let unit = |at: usize| content.get(at..at + 6)?.strip_prefix(b"\\u").and_then(hex4);
        match unit(at) {
            Some(0xD800..0xDC00) => {
                if !matches!(unit(at + 6), Some(0xDC00..0xE000)) {
                    return true;
                }
                from = at + 12;
            }
            Some(0xDC00..0xE000) => return true,
            // Two bytes cover every escape, an escaped backslash too.
            _ => from = at + 2,
        }
    }
    false
}

/// What a JSON number amounts to, read exactly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Integer {
    /// 0 to `u64::MAX`.
    Known(u64),
    /// An integer below zero.
    Negative,
    /// An integer above `u64::MAX`.
    Huge,
    /// Not an integer.
    Fraction,
}

/// Whether this is a number by JSON's grammar.
pub(super) fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(unsigned);
    if whole == 0 || whole > 1 && unsigned[0] == b'0' {
        return false;
    }
    let mut rest = &unsigned[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    if let Some((b'e' | b'E', exponent)) = rest.split_first() {
        let unsigned = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
        return !unsigned.is_empty() && digits(unsigned) == unsigned.len();
    }
    rest.is_empty()
}

/// Reads the text of a valid JSON number without rounding, whatever its form: `5`, `5.0`, `50e-1`, `1e400`.
pub(super) fn integer(number: &[u8]) -> Integer {
    // What nearly all counts are: digits that fit.
    if number.len() < 20 && number.iter().all(u8::is_ascii_digit) {
        return Integer::Known(number.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')));
    }
    let (negative, digits) = match number.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, number),
    };
    let exponent_at = digits.iter().position(|byte| byte | 0x20 == b'e').unwrap_or(digits.len());
    let (mantissa, exponent) = digits.split_at(exponent_at);
    let point_at = mantissa.iter().position(|&byte| byte == b'.').unwrap_or(mantissa.len());
    let (whole, fraction) = mantissa.split_at(point_at);
    let fraction = fraction.get(1..).unwrap_or_default();
    // value = significand × 10^scale, the significand without zeros at either end.
    let mut significand: Vec<u8> = whole.iter().chain(fraction).copied().collect();
    let mut scale = exponent_value(exponent).saturating_sub(fraction.len() as i64);
    while significand.last() == Some(&b'0') {
        significand.pop();
        scale = scale.saturating_add(1);
    }
    let leading_zeros = significand.iter().take_while(|&&digit| digit == b'0').count();
    let significand = &significand[leading_zeros..];
    if significand.is_empty() {
        return Integer::Known(0);
    }
    if scale < 0 {
        return Integer::Fraction;
    }
    if negative {
        return Integer::Negative;
    }
    // 2^64 has 20 digits.
    if scale > 20 || significand.len() > 20 {
        return Integer::Huge;
    }
    let significand = significand.iter().fold(0u128, |value, digit| value * 10 + u128::from(digit - b'0'));
    let value = significand * 10u128.pow(scale as u32);
    u64::try_from(value).map_or(Integer::Huge, Integer::Known)
}

/// The exponent of a number from its `e` on; far beyond any count it only has to keep its sign.
fn exponent_value(exponent: &[u8]) -> i64 {
    let Some((_, signed)) = exponent.split_first() else { return 0 };
    let (negative, digits) = match signed.split_first() {
        Some((b'-', digits)) => (true, digits),
        Some((b'+', digits)) => (false, digits),
        _ => (false, signed),
    };
    let value = digits
        .iter()
        .fold(0i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    if negative { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_exactly_whatever_their_form() {
        for (text, value) in [
            ("0", Integer::Known(0)),
            ("-0", Integer::Known(0)),
            ("-0.0e9", Integer::Known(0)),
            ("5.0", Integer::Known(5)),
            ("5e0", Integer::Known(5)),
            ("50E-1", Integer::Known(5)),
            ("0.5e1", Integer::Known(5)),
            ("1.20e2", Integer::Known(120)),
            ("18446744073709551615", Integer::Known(u64::MAX)),
            ("18446744073709551616", Integer::Huge),
            ("1e400", Integer::Huge),
            ("1e99999999999999999999", Integer::Huge),
            ("0e99999999999999999999", Integer::Known(0)),
            ("1e-99999999999999999999", Integer::Fraction),
            ("5.5", Integer::Fraction),
            ("-5.5", Integer::Fraction),
            ("-5", Integer::Negative),
        ] {
            assert_eq!(integer(text.as_bytes()), value, "{text}");
        }
    }

    #[test]
    fn balance_is_the_same_at_every_cut() {
        let text = br#"{"a\\":"}\"]","b":[{},"\\\\",{"c":"\ud83d\ude00"}]} tail"#;
        let end = text.len() - " tail".len();
        assert_eq!(Balance::default().advance(text), Some(end));
        for cut in 0..end {
            let mut balance = Balance::default();
            assert_eq!(balance.advance(&text[..cut]), None, "cut at {cut}");
            assert_eq!(balance.advance(&text[cut..]), Some(end - cut), "cut at {cut}");
        }
    }

    #[test]
    fn e17_a_lone_surrogate_is_told_from_a_pair_and_from_an_escaped_backslash() {
        for (json, lone) in [
            (r#""\ud83d\ude00""#, false),
            (r#""\ud83d""#, true),
            (r#""\ude00""#, true),
            (r#""\ud83d\u0041""#, true),
            (r#""\\ud83d""#, false),
            (r#""\\\ud83d""#, true),
            (r#""\ud7ff""#, false),
        ] {
            assert_eq!(has_lone_surrogate(json.as_bytes()), lone, "{json}");
            let mut text = Vec::new();
            unescape(&json.as_bytes()[1..json.len() - 1], &mut text).unwrap();
            assert_eq!(std::str::from_utf8(&text).is_err(), lone, "{json}");
        }
    }
}
