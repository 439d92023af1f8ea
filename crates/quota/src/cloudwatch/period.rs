//! How long the periods of an export are, and where they begin.
//!
//! In: the times of its data points, and what its labels say. Out: a [`Period`]. Always: whole minutes. An answer
//! of CloudWatch does not name its period, so it is inferred from the spacing.

use std::collections::BTreeSet;
use std::fmt;

use borehole_record::{UtcDay, UtcMinute};

use super::CloudWatchError;

/// Periods that people ask for, the longest first.
const USUAL_SECONDS: [i64; 5] = [86_400, 3_600, 900, 300, 60];

/// The length of a period and the second from which periods are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Period {
    seconds: i64,
    /// Where periods begin, 0…seconds - 1: an export of days from 07:00 has days from 07:00.
    anchor: i64,
}

impl Period {
    /// UTC minutes.
    pub const MINUTE: Period = Period { seconds: UtcMinute::SECONDS, anchor: 0 };
    /// UTC days.
    pub const DAY: Period = Period { seconds: UtcDay::SECONDS, anchor: 0 };

    /// Its length in seconds, a multiple of 60.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// The first second of the period that holds `second`.
    #[must_use]
    pub fn start_of(self, second: i64) -> i64 {
        second.saturating_sub(second.saturating_sub(self.anchor).rem_euclid(self.seconds))
    }

    /// The first second at or after `second` at which a period begins.
    pub(super) fn next_start(self, second: i64) -> i64 {
        let start = self.start_of(second);
        if start == second { start } else { start.saturating_add(self.seconds) }
    }
}

/// `1 min`, `5 min`, `1 h`, `1 d`.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, name) in [(86_400, "d"), (3_600, "h")] {
            if self.seconds % unit == 0 {
                return write!(f, "{} {name}", self.seconds / unit);
            }
        }
        write!(f, "{} min", self.seconds / 60)
    }
}

/// A half-open range of whole minutes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MinuteRange {
    /// The first minute.
    pub from: UtcMinute,
    /// The minute after the last.
    pub to: UtcMinute,
}

impl MinuteRange {
    /// Of seconds that are whole minutes.
    pub(super) fn of_seconds((from, to): (i64, i64)) -> Self {
        MinuteRange { from: minute(from), to: minute(to) }
    }
}

/// The minute that a second is in.
pub(super) fn minute(second: i64) -> UtcMinute {
    UtcMinute(second.div_euclid(UtcMinute::SECONDS))
}

/// The period of data points at these times.
///
/// The labels' word counts where all agree and the times fit it. Else it is the greatest common divisor of the
/// distances; where that is no usual period, and few neighbours are that close, times are missing rather than
/// periods odd, and the longest usual period that fits is taken.
pub(super) fn infer(
    times: impl Iterator<Item = i64>,
    named: &BTreeSet<i64>,
) -> Result<Period, CloudWatchError> {
    let times: BTreeSet<i64> = times.collect();
    let first = *times.first().ok_or(CloudWatchError::NoPoints)?;
    let distances: Vec<i64> =
        times.iter().zip(times.iter().skip(1)).map(|(time, next)| next - time).collect();
    let divisor = distances.iter().copied().fold(0, greatest_common_divisor);
    let named = match named.iter().copied().collect::<Vec<i64>>()[..] {
        [seconds] if seconds > 0 && divisor % seconds == 0 => Some(seconds),
        _ => None,
    };
    let seconds = match named {
        Some(seconds) => seconds,
        None if divisor == 0 => return Err(CloudWatchError::PeriodUnknown),
        None => usual(divisor, &distances),
    };
    if seconds % UtcMinute::SECONDS != 0 || first.rem_euclid(UtcMinute::SECONDS) != 0 {
        return Err(CloudWatchError::PeriodNotMinutes);
    }
    Ok(Period { seconds, anchor: first.rem_euclid(seconds) })
}

fn usual(divisor: i64, distances: &[i64]) -> i64 {
    if USUAL_SECONDS.contains(&divisor) {
        return divisor;
    }
    let close = distances.iter().filter(|&&distance| distance == divisor).count();
    // Three of four neighbours: an odd period that is filled, not a usual one with holes in a regular order.
    if close * 4 >= distances.len() * 3 && distances.len() >= 4 {
        return divisor;
    }
    USUAL_SECONDS.into_iter().find(|&seconds| divisor % seconds == 0).unwrap_or(divisor)
}

fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inferred(times: &[i64]) -> Result<(i64, i64), CloudWatchError> {
        infer(times.iter().copied(), &BTreeSet::new()).map(|period| (period.seconds, period.anchor))
    }

    #[test]
    fn the_spacing_tells_the_period_holes_or_not() {
        assert_eq!(inferred(&[60, 120, 180]), Ok((60, 0)));
        assert_eq!(inferred(&[60, 420, 600]), Ok((60, 0)));
        assert_eq!(inferred(&[300, 600, 1_500]), Ok((300, 0)));
        assert_eq!(inferred(&[7_200, 0]), Ok((3_600, 0)));
        assert_eq!(inferred(&[0, 86_400]), Ok((86_400, 0)));
        assert_eq!(inferred(&[25_200, 25_200 + 86_400, 25_200 + 3 * 86_400]), Ok((86_400, 25_200)));
        // An odd period that is filled is one; three points are too few to say.
        assert_eq!(inferred(&[0, 120, 240, 360, 480, 600]), Ok((120, 0)));
        assert_eq!(inferred(&[0, 120, 240]), Ok((60, 0)));
    }

    #[test]
    fn what_tells_no_period_is_refused() {
        assert_eq!(inferred(&[]), Err(CloudWatchError::NoPoints));
        assert_eq!(inferred(&[60, 60]), Err(CloudWatchError::PeriodUnknown));
        assert_eq!(inferred(&[0, 10, 20]), Err(CloudWatchError::PeriodNotMinutes));
        assert_eq!(inferred(&[0, 90, 180, 270, 360]), Err(CloudWatchError::PeriodNotMinutes));
        assert_eq!(inferred(&[5, 65, 125]), Err(CloudWatchError::PeriodNotMinutes));
    }

    #[test]
    fn a_label_that_fits_is_believed() {
        let named = |times: &[i64], named: &[i64]| {
            infer(times.iter().copied(), &named.iter().copied().collect()).map(Period::seconds)
        };
        assert_eq!(named(&[600], &[60]), Ok(60));
        assert_eq!(named(&[0, 3_600], &[300]), Ok(300));
        assert_eq!(named(&[0, 60], &[300]), Ok(60), "the times are closer than the label says");
        assert_eq!(named(&[0, 3_600], &[60, 300]), Ok(3_600), "labels that disagree say nothing");
        assert_eq!(named(&[600], &[0]), Err(CloudWatchError::PeriodUnknown));
    }

    #[test]
    fn periods_begin_where_the_export_has_them_begin() {
        let period = Period { seconds: 300, anchor: 60 };
        for (second, start) in [(60, 60), (359, 60), (360, 360), (59, -240), (-240, -240)] {
            assert_eq!(period.start_of(second), start);
        }
        assert_eq!((period.next_start(60), period.next_start(61)), (60, 360));
        assert_eq!(Period::DAY.to_string(), "1 d");
        assert_eq!(period.to_string(), "5 min");
        assert_eq!(Period { seconds: 21_600, anchor: 0 }.to_string(), "6 h");
    }
}
