//! Numbers and times of an export, from their text.
//!
//! In: decimal text as programs print doubles (`12.0`, `1.2345E7`), times in the spellings of the AWS command
//! line and the console. Out: exact integers. Always: no float; a fraction is rounded, half up, and said so.

use borehole_record::time::parse_timestamp;

/// Seconds of the year 10000: no export reaches it, and sums of times below it cannot overflow.
const SECONDS_MAX: u64 = 253_402_300_800;
/// Digits of the largest `u64`.
const DIGITS_MAX: i64 = 20;

/// A count from its text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Amount {
    pub(super) value: u64,
    /// The text had a fraction other than zero.
    pub(super) is_rounded: bool,
}

/// Why a text is no count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AmountError {
    NotANumber,
    Negative,
    TooLarge,
}

/// Reads `12`, `12.0`, `1.2e7`.
pub(super) fn parse_amount(text: &str) -> Result<Amount, AmountError> {
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || whole.len() + fraction.len() == 0 {
        return Err(AmountError::NotANumber);
    }

    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0').collect();
    let Some(first) = digits.iter().position(|&digit| digit != 0) else {
        return Ok(Amount { value: 0, is_rounded: false });
    };
    if is_negative {
        return Err(AmountError::Negative);
    }
    let digits = &digits[first..];
    // How many of the digits stand before the point.
    let point = whole.len() as i64 + exponent - first as i64;
    if point > DIGITS_MAX {
        return Err(AmountError::TooLarge);
    }
    let digit = |at: i64| usize::try_from(at).ok().and_then(|at| digits.get(at)).copied().unwrap_or(0);
    let floor = (0..point).fold(0u128, |value, at| value * 10 + u128::from(digit(at)));
    let is_rounded = digits.iter().skip(usize::try_from(point).unwrap_or(0)).any(|&digit| digit != 0);
    let is_half_or_more = point >= 0 && digit(point) >= 5;
    let value = u64::try_from(floor + u128::from(is_half_or_more)).map_err(|_| AmountError::TooLarge)?;
    Ok(Amount { value, is_rounded })
}

fn parse_exponent(text: &str) -> Result<i64, AmountError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    // No double has an exponent of more than three digits.
    if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AmountError::NotANumber);
    }
    let exponent: i64 = digits.parse().map_err(|_| AmountError::NotANumber)?;
    Ok(if text.starts_with('-') { -exponent } else { exponent })
}

/// The second of a time, and whether the text lacked an offset (then it is read as UTC).
///
/// RFC 3339, the same without an offset, the console's `2024/03/11 07:00:00`, spreadsheets' texts without
/// seconds, dates alone, and seconds since 1970 as old versions of the command line print them. Spellings in
/// which day and month could be swapped are refused.
pub(super) fn parse_time(text: &str) -> Option<(i64, bool)> {
    if text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+')) {
        let seconds = parse_amount(text).ok()?.value;
        return (seconds < SECONDS_MAX).then_some((seconds as i64, false));
    }
    let mut spelled: Vec<u8> = text.bytes().collect();
    if spelled.get(4) == Some(&b'/') && spelled.get(7) == Some(&b'/') {
        spelled[4] = b'-';
        spelled[7] = b'-';
    }
    match spelled.len() {
        10 => spelled.extend_from_slice(b" 00:00:00"),
        16 => spelled.extend_from_slice(b":00"),
        _ => {}
    }
    if spelled.len() == 19 && matches!(spelled[10], b'T' | b't') {
        spelled[10] = b' ';
    }
    let (time, note) = parse_timestamp(&spelled)?;
    Some((time.seconds, note.no_offset))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counts_are_read_from_every_spelling_of_a_double() {
        for (text, value, is_rounded) in [
            ("12", 12, false),
            ("12.0", 12, false),
            ("0.0", 0, false),
            ("-0.0", 0, false),
            ("0e999", 0, false),
            ("1.2345E7", 12_345_000, false),
            ("1e+16", 10_000_000_000_000_000, false),
            ("12000e-3", 12, false),
            ("18446744073709551615.0", u64::MAX, false),
            ("007", 7, false),
            (".5", 1, true),
            ("0.49", 0, true),
            ("0.05", 0, true),
            ("11.5", 12, true),
            ("11.499999", 11, true),
            ("9.99e0", 10, true),
            ("5e-1", 1, true),
            ("1e-400", 0, true),
        ] {
            assert_eq!(parse_amount(text), Ok(Amount { value, is_rounded }), "{text}");
        }
    }

    #[test]
    fn what_is_no_count_is_refused() {
        for (text, error) in [
            ("", AmountError::NotANumber),
            (".", AmountError::NotANumber),
            ("-", AmountError::NotANumber),
            ("e5", AmountError::NotANumber),
            ("1e", AmountError::NotANumber),
            ("1e99999", AmountError::NotANumber),
            ("NaN", AmountError::NotANumber),
            ("1,200", AmountError::NotANumber),
            ("0x10", AmountError::NotANumber),
            ("--1", AmountError::NotANumber),
            ("-1", AmountError::Negative),
            ("-1e-9", AmountError::Negative),
            ("18446744073709551616", AmountError::TooLarge),
            ("18446744073709551615.5", AmountError::TooLarge),
            ("1e20", AmountError::TooLarge),
            ("1e999", AmountError::TooLarge),
        ] {
            assert_eq!(parse_amount(text), Err(error), "{text}");
        }
    }

    #[test]
    fn times_are_read_in_the_spellings_of_exports_and_nothing_ambiguous() {
        let seven = 1_710_140_400;
        for (text, no_offset) in [
            ("2024-03-11T07:00:00Z", false),
            ("2024-03-11T07:00:00+00:00", false),
            ("2024-03-11T08:30:00+01:30", false),
            ("1710140400", false),
            ("1710140400.0", false),
            ("1.7101404E9", false),
            ("2024/03/11 07:00:00", true),
            ("2024-03-11 07:00:00", true),
            ("2024-03-11T07:00:00", true),
            ("2024-03-11 07:00", true),
            ("2024/03/11 07:00", true),
        ] {
            assert_eq!(parse_time(text), Some((seven, no_offset)), "{text}");
        }
        assert_eq!(parse_time("2024-03-11"), Some((seven - 7 * 3_600, true)));
        for text in ["", "3/11/2024 7:00", "11.03.2024 07:00", "2024-13-01", "999999999999", "07:00", "-5"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_integer_reads_back_however_it_is_scaled(value: u64, shift in 0..25usize) {
            let text = value.to_string();
            let scaled = format!("{value}{}e-{shift}", "0".repeat(shift));
            let exact = Ok(Amount { value, is_rounded: false });
            prop_assert_eq!(parse_amount(&text), exact);
            prop_assert_eq!(parse_amount(&scaled), exact);
            prop_assert_eq!(parse_amount(&format!("{text}.000")), exact);
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = parse_amount(&text);
            let _ = parse_time(&text);
        }
    }
}
