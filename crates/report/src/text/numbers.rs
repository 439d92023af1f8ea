//! Numbers for people: thousands, three significant digits with a unit, percentages, durations, sizes.
//!
//! In: the report's exact integers. Out: short text. Always: integer arithmetic, ties to even; a share is
//! called `0 %` or `100 %` only where it is exactly that.

use crate::decimal::Decimal;

/// The units above one, least first. Beyond the last, numbers keep it and grow.
const UNITS: [(u128, &str); 4] =
    [(1_000, "k"), (1_000_000, "M"), (1_000_000_000, "B"), (1_000_000_000_000, "T")];
/// Up to here a number is short enough to be shown whole.
const WHOLE_MAX: u128 = 9_999;

/// `numerator / denominator`, ties to even; the denominator is not 0.
fn rounded(numerator: u128, denominator: u128) -> u128 {
    let (floor, rest) = (numerator / denominator, numerator % denominator);
    let complement = denominator - rest;
    floor + u128::from(rest > complement || (rest == complement && floor % 2 == 1))
}

/// `4,812,907`.
#[must_use]
pub fn thousands(value: u128) -> String {
    let digits = value.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `4,812,907 requests`, `1 request`.
#[must_use]
pub fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(u128::from(count)))
}

/// `9,120`, `12.4k`, `1.24M`: whole up to four digits, else three significant ones.
pub(crate) fn short(value: u128) -> String {
    if value <= WHOLE_MAX {
        return thousands(value);
    }
    for (at, (unit, suffix)) in UNITS.iter().enumerate() {
        // As many decimals as make three digits; a value that rounds up to 1,000 belongs to the next unit.
        for (decimals, scale) in [(2, 100), (1, 10), (0, 1)] {
            let scaled = rounded(value, unit / scale);
            if scaled < 1_000 {
                return with_decimals(scaled, decimals, suffix);
            }
        }
        if at + 1 == UNITS.len() {
            return format!("{}{suffix}", thousands(rounded(value, *unit)));
        }
    }
    thousands(value)
}

/// As [`short`], but in the unit of `largest` where the value is at least a tenth of it: a column whose
/// largest value is 2.60M says 0.61M, not 610k.
pub(crate) fn short_beside(value: u128, largest: u128) -> String {
    for (unit, suffix) in UNITS.iter().skip(1) {
        let in_unit = (*unit..unit.saturating_mul(1_000)).contains(&largest);
        if in_unit && (unit / 10..*unit).contains(&value) {
            return with_decimals(rounded(value, unit / 100), 2, suffix);
        }
    }
    short(value)
}

fn with_decimals(scaled: u128, decimals: usize, suffix: &str) -> String {
    let digits = format!("{scaled:0>width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    if fraction.is_empty() { format!("{whole}{suffix}") } else { format!("{whole}.{fraction}{suffix}") }
}

/// An average: whole, but with one decimal below 100.
pub(crate) fn short_decimal(value: Decimal) -> String {
    let micros = u128::from(value.micros());
    if value.units() < 100 {
        let tenths = rounded(value.units() * 1_000_000 + micros, 100_000);
        return trimmed_tenths(tenths);
    }
    let up = micros > 500_000 || (micros == 500_000 && value.units() % 2 == 1);
    short(value.units().saturating_add(u128::from(up)))
}

fn trimmed_tenths(tenths: u128) -> String {
    let whole = thousands(tenths / 10);
    if tenths.is_multiple_of(10) { whole } else { format!("{whole}.{}", tenths % 10) }
}

/// `62 %`, `3.1 %`; `<0.1 %` and `99.9 %` rather than a rounded 0 or 100. `–` of nothing.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    percent_of(u128::from(part), u128::from(whole))
}

/// The same of larger numbers.
pub(crate) fn percent_of(part: u128, whole: u128) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    if part == 0 {
        return "0 %".to_owned();
    }
    if part == whole {
        return "100 %".to_owned();
    }
    // Of numbers this large a thousandth more or less is not seen.
    let Some(thousandfold) = part.checked_mul(1_000) else {
        return percent_of(part / 1_000, (whole / 1_000).max(1));
    };
    match rounded(thousandfold, whole) {
        0 => "<0.1 %".to_owned(),
        tenths if part < whole => format!("{} %", trimmed_tenths(tenths.min(999))),
        tenths => format!("{} %", trimmed_tenths(tenths)),
    }
}

/// How `after` differs from `before`: `=`, `+4.3 %`, `−62 %`, `×14`, or `from 0`.
pub(crate) fn change(before: u128, after: u128) -> String {
    /// From here on a multiple says more than a percentage.
    const MULTIPLE_MIN: u128 = 10;
    if before == after {
        "=".to_owned()
    } else if before == 0 {
        "from 0".to_owned()
    } else if after / before >= MULTIPLE_MIN {
        format!("×{}", short(rounded(after, before)))
    } else {
        format!("{}{}", sign(before, after), percent_of(after.abs_diff(before), before))
    }
}

/// `+` or `−`, as wide as digits are.
pub(crate) fn sign(before: u128, after: u128) -> &'static str {
    if after < before { "−" } else { "+" }
}

/// `42 ms`, `0.6 s`, `7.8 s`, `31 s`.
pub(crate) fn duration(ms: u64) -> String {
    let ms = u128::from(ms);
    if ms < 100 {
        return format!("{ms} ms");
    }
    let tenths = rounded(ms, 100);
    if tenths < 100 {
        return format!("{}.{} s", tenths / 10, tenths % 10);
    }
    format!("{} s", thousands(rounded(ms, 1_000)))
}

/// `512 B`, `12.4 kB`, `402 MB`: powers of ten.
#[must_use]
pub fn bytes(count: u128) -> String {
    if count < 1_000 {
        return format!("{count} B");
    }
    // `short` shows four digits whole; a size has its unit from one thousand on.
    let text = if count <= WHOLE_MAX { with_decimals(rounded(count, 10), 2, "k") } else { short(count) };
    let (number, unit) = text.split_at(text.len() - 1);
    let unit = if unit == "B" { "G" } else { unit };
    format!("{number} {unit}B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits_and_carry_into_the_next_unit() {
        for (value, expected) in [
            (0, "0"),
            (999, "999"),
            (1_240, "1,240"),
            (9_999, "9,999"),
            (10_000, "10.0k"),
            (12_350, "12.4k"),
            (12_450, "12.4k"),
            (123_456, "123k"),
            (999_499, "999k"),
            (999_500, "1.00M"),
            (3_910_000, "3.91M"),
            (999_999_999, "1.00B"),
            (1_500_000_000_000, "1.50T"),
            (4_000_000_000_000_000, "4,000T"),
        ] {
            assert_eq!(short(value), expected, "{value}");
        }
        assert!(short(u128::MAX).ends_with('T'));
    }

    #[test]
    fn a_column_keeps_its_unit_while_two_digits_remain() {
        assert_eq!(short_beside(610_000, 2_600_000), "0.61M");
        assert_eq!(short_beside(100_000, 2_600_000), "0.10M");
        assert_eq!(short_beside(99_000, 2_600_000), "99.0k");
        assert_eq!(short_beside(610_000, 999_000), "610k");
        assert_eq!(short_beside(2_600_000, 2_600_000), "2.60M");
        assert_eq!(short_beside(610_000_000, 12_000_000_000), "0.61B");
    }

    #[test]
    fn a_share_is_nothing_or_all_only_where_it_is() {
        for (part, whole, expected) in [
            (0, 9, "0 %"),
            (9, 9, "100 %"),
            (1, 1_000_000, "<0.1 %"),
            (999_999, 1_000_000, "99.9 %"),
            (31, 1_000, "3.1 %"),
            (62, 100, "62 %"),
            (1, 0, "–"),
            (u64::MAX - 1, u64::MAX, "99.9 %"),
        ] {
            assert_eq!(percent(part, whole), expected, "{part}/{whole}");
        }
    }

    #[test]
    fn durations_and_sizes_name_their_unit() {
        let durations = [(42, "42 ms"), (600, "0.6 s"), (2_149, "2.1 s"), (9_960, "10 s"), (31_000, "31 s")];
        for (ms, expected) in durations {
            assert_eq!(duration(ms), expected);
        }
        let sizes =
            [(0, "0 B"), (999, "999 B"), (1_500, "1.50 kB"), (9_999, "10.00 kB"), (402_000_000, "402 MB")];
        for (count, expected) in sizes {
            assert_eq!(bytes(count), expected);
        }
        assert_eq!(bytes(12_400_000_000), "12.4 GB");
    }

    #[test]
    fn averages_show_a_decimal_only_while_they_are_small() {
        for (text, expected) in
            [("3.44", "3.4"), ("7", "7"), ("99.96", "100"), ("1240.5", "1,240"), ("1241.5", "1,242")]
        {
            assert_eq!(text.parse().map(short_decimal), Ok(expected.to_owned()));
        }
    }
}
