//! Exact quotients as short decimals: in a [`Ratio`], out a number with at most six fraction digits.
//!
//! Always: integer division, ties to even, trailing zeros dropped; the same text on every machine. No float
//! is involved on the way to JSON or back.

use std::fmt;
use std::str::FromStr;

use borehole_usage::figures::Ratio;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Fraction digits that are kept: enough for a share of one request in a million.
const FRACTION_DIGITS: usize = 6;
/// One whole, in units of the last kept digit.
const MICROS_PER_UNIT: u32 = 1_000_000;

/// A number of at least 0 in steps of 0.000001; rounded (ties to even) where the quotient had more digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Decimal {
    units: u128,
    micros: u32,
}

impl Decimal {
    /// A quotient; `None` over nothing.
    #[must_use]
    pub fn quotient(numerator: u128, denominator: u128) -> Option<Self> {
        Ratio::new(numerator, denominator).map(Decimal::from)
    }

    /// The whole part.
    #[must_use]
    pub fn units(self) -> u128 {
        self.units
    }

    /// The fraction, in millionths: 0…999,999.
    #[must_use]
    pub fn micros(self) -> u32 {
        self.micros
    }
}

impl From<Ratio> for Decimal {
    /// # Panics
    /// On a denominator of 0, which [`Ratio::new`] does not let through.
    fn from(ratio: Ratio) -> Self {
        let Ratio { numerator, denominator } = ratio;
        assert!(denominator != 0, "a ratio's denominator is never 0");
        let mut units = numerator / denominator;
        let mut rest = numerator % denominator;
        let mut micros = 0;
        for _ in 0..FRACTION_DIGITS {
            let digit;
            (digit, rest) = times_ten(rest, denominator);
            micros = micros * 10 + digit;
        }
        // The rest is compared with its complement, since twice the rest could overflow.
        let complement = denominator - rest;
        if rest > complement || (rest == complement && micros % 2 == 1) {
            micros += 1;
        }
        if micros == MICROS_PER_UNIT {
            units += 1;
            micros = 0;
        }
        Decimal { units, micros }
    }
}

/// Ten times `rest` divided by `denominator`: the next digit and what is left. By ten additions, since the
/// product of two large numbers does not fit.
fn times_ten(rest: u128, denominator: u128) -> (u32, u128) {
    let mut digit = 0;
    let mut sum = 0;
    for _ in 0..10 {
        let room = denominator - rest;
        if sum >= room {
            sum -= room;
            digit += 1;
        } else {
            sum += rest;
        }
    }
    (digit, sum)
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.micros == 0 {
            return write!(f, "{}", self.units);
        }
        let fraction = format!("{:06}", self.micros);
        write!(f, "{}.{}", self.units, fraction.trim_end_matches('0'))
    }
}

/// The text is not a plain decimal of at least 0 with at most six fraction digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotADecimal;

impl fmt::Display for NotADecimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a plain decimal with at most six fraction digits")
    }
}

impl std::error::Error for NotADecimal {}

impl FromStr for Decimal {
    type Err = NotADecimal;

    fn from_str(text: &str) -> Result<Self, NotADecimal> {
        let (units, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(units) || !digits(fraction) || fraction.len() > FRACTION_DIGITS {
            return Err(NotADecimal);
        }
        let units = units.parse().map_err(|_| NotADecimal)?;
        let micros = format!("{fraction:0<6}").parse().map_err(|_| NotADecimal)?;
        Ok(Decimal { units, micros })
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        raw.get().parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(numerator: u128, denominator: u128) -> String {
        Decimal::from(Ratio { numerator, denominator }).to_string()
    }

    #[test]
    fn quotients_are_rounded_at_six_digits_ties_to_even() {
        for (numerator, denominator, expected) in [
            (0, 7, "0"),
            (6, 3, "2"),
            (1, 2, "0.5"),
            (1, 8, "0.125"),
            (1, 3, "0.333333"),
            (2, 3, "0.666667"),
            // Exactly half of the last digit: the even neighbour wins, downwards and upwards.
            (1, 2_000_000, "0"),
            (3, 2_000_000, "0.000002"),
            (5, 2_000_000, "0.000002"),
            (7, 2_000_000, "0.000004"),
            // Just beside the half.
            (1_000_001, 2_000_000_000_000, "0.000001"),
            (999_999, 2_000_000_000_000, "0"),
            // The carry runs into the whole part.
            (1_999_999, 2_000_000, "1"),
            (19_999_999, 20_000_000, "1"),
            (9_999_999, 10_000_000, "1"),
            (3_999_999, 2_000_000, "2"),
        ] {
            assert_eq!(decimal(numerator, denominator), expected, "{numerator}/{denominator}");
        }
    }

    #[test]
    fn f29_quotients_of_huge_numbers_do_not_overflow() {
        let max = u128::MAX;
        assert_eq!(decimal(max, 1), max.to_string());
        assert_eq!(decimal(max, max), "1");
        assert_eq!(decimal(max - 1, max), "1");
        assert_eq!(decimal(max / 2, max), "0.5");
        assert_eq!(decimal(max, 2), format!("{}.5", max / 2));
        assert_eq!(decimal(max / 4 + 1, max - 3), "0.25");
        assert_eq!(decimal(1, max), "0");
    }

    #[test]
    fn long_division_agrees_with_one_wide_division_where_that_fits() {
        for numerator in 0..400u128 {
            for denominator in 1..97u128 {
                let scaled = numerator * 1_000_000;
                let (floor, rest) = (scaled / denominator, scaled % denominator);
                let up = 2 * rest > denominator || (2 * rest == denominator && floor % 2 == 1);
                let expected = floor + u128::from(up);
                let actual = Decimal::from(Ratio { numerator, denominator });
                assert_eq!(actual.units() * 1_000_000 + u128::from(actual.micros()), expected);
            }
        }
    }

    #[test]
    fn text_is_read_back_exactly_and_anything_else_is_refused() {
        for text in ["0", "1240.5", "0.000001", "340282366920938463463374607431768211455"] {
            assert_eq!(text.parse::<Decimal>().map(|d| d.to_string()), Ok(text.to_owned()));
        }
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "0.0000001",
            "NaN",
            "340282366920938463463374607431768211456",
        ] {
            assert_eq!(text.parse::<Decimal>(), Err(NotADecimal), "{text}");
        }
    }
}
