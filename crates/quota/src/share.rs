//! Shares and factors as exact integers: targets, growth, margin.

use std::fmt;
use std::str::FromStr;

/// A part of a whole in millionths: `0.1%` is 1,000.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Share {
    millionths: u64,
}

/// The text is no percentage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseShareError;

impl fmt::Display for ParseShareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a percentage like 0.1% or 20%, with at most four decimals")
    }
}

impl std::error::Error for ParseShareError {}

impl Share {
    /// The whole.
    const WHOLE: u64 = 1_000_000;
    /// No more than this makes sense as growth, and products stay small: a millionfold.
    const MAX: u64 = Self::WHOLE * Self::WHOLE;

    /// A share of so many millionths.
    #[must_use]
    pub const fn from_millionths(millionths: u64) -> Self {
        Share { millionths }
    }

    /// The share in millionths.
    #[must_use]
    pub fn millionths(self) -> u64 {
        self.millionths
    }

    /// The most of `count` that this share allows, rounded down.
    #[must_use]
    pub fn of(self, count: u64) -> u64 {
        let part = u128::from(count) * u128::from(self.millionths) / u128::from(Self::WHOLE);
        u64::try_from(part).unwrap_or(u64::MAX)
    }

    /// `value` grown by this share, rounded up.
    #[must_use]
    pub fn grow(self, value: u64) -> u64 {
        let grown =
            (u128::from(value) * u128::from(Self::WHOLE + self.millionths)).div_ceil(u128::from(Self::WHOLE));
        u64::try_from(grown).unwrap_or(u64::MAX)
    }
}

impl FromStr for Share {
    type Err = ParseShareError;

    /// Reads `0.1%`, `20 %`, `20`: percent in any case.
    fn from_str(text: &str) -> Result<Self, ParseShareError> {
        let digits = text.strip_suffix('%').unwrap_or(text).trim_end();
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || decimals.len() > 4 || !is_number(whole) || !is_number(decimals) {
            return Err(ParseShareError);
        }
        let whole: u64 = whole.parse().map_err(|_| ParseShareError)?;
        let decimals: u64 = format!("{decimals:0<4}").parse().map_err(|_| ParseShareError)?;
        let millionths = whole.checked_mul(10_000).and_then(|part| part.checked_add(decimals));
        millionths
            .filter(|&millionths| millionths <= Self::MAX)
            .map(Share::from_millionths)
            .ok_or(ParseShareError)
    }
}

/// `0.1 %`, without trailing zeros.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.millionths / 10_000, self.millionths % 10_000);
        if rest == 0 {
            return write!(f, "{whole} %");
        }
        let decimals = format!("{rest:04}");
        write!(f, "{whole}.{} %", decimals.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_read_exactly() {
        for (text, millionths, shown) in [
            ("0.1%", 1_000, "0.1 %"),
            ("20%", 200_000, "20 %"),
            ("20", 200_000, "20 %"),
            ("99.9999 %", 999_999, "99.9999 %"),
            ("0", 0, "0 %"),
            ("0.05%", 500, "0.05 %"),
        ] {
            let share: Share = text.parse().expect(text);
            assert_eq!(share, Share::from_millionths(millionths), "{text}");
            assert_eq!(share.to_string(), shown);
        }
        for text in ["", "%", "-1%", "1.23456%", "x", ".5%", "1e3", "99999999999999999999%", "200000000%"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }

    #[test]
    fn shares_round_down_and_growth_rounds_up() {
        let tenth_of_a_percent = Share::from_millionths(1_000);
        assert_eq!(tenth_of_a_percent.of(999), 0);
        assert_eq!(tenth_of_a_percent.of(1_000), 1);
        assert_eq!(tenth_of_a_percent.grow(1), 2);
        assert_eq!(Share::from_millionths(200_000).grow(5_000_000), 6_000_000);
        assert_eq!(Share::default().grow(7), 7);
    }
}
