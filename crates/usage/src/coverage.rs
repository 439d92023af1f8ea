//! Which hours a source claims to hold, and which of them are empty.
//!
//! In: the folder hours of each account × Region that the scan listed. Out: the report's coverage, and the
//! minutes of gap hours that an average over a whole range must not divide by. Always: gaps are half-open
//! ranges of hours, ascending, apart. Absent: hours of sources whose keys name none; they claim no coverage.

use borehole_record::{Timestamp, UtcHour, UtcMinute};

use crate::figures::Coverage;
use crate::packed::{Checker, Packer, Unpacker};

/// Which [`CoverageSpan`] a record's source belongs to: its index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CoverageId(pub u32);

impl CoverageId {
    /// The source claims no coverage: its keys name no hours.
    pub const NONE: CoverageId = CoverageId(u32::MAX);

    /// Writes ids. One more than the id, so that [`CoverageId::NONE`] takes one byte and not five.
    pub(crate) fn pack(ids: &[CoverageId], packer: &mut Packer) {
        packer.count(ids.len() as u64);
        ids.iter().for_each(|id| packer.count(u64::from(id.0.wrapping_add(1))));
    }

    /// Reads what [`CoverageId::pack`] wrote.
    pub(crate) fn unpack(unpacker: &mut Unpacker<'_>, mut give: impl FnMut(CoverageId)) {
        for _ in 0..unpacker.count() {
            // Written from a u32.
            give(CoverageId((unpacker.count() as u32).wrapping_sub(1)));
        }
    }

    /// Whether [`CoverageId::pack`] can have written what comes next.
    pub(crate) fn check(checker: &mut Checker<'_>) -> Option<()> {
        let mut next = 0;
        // The last id is 0 here, and comes last all the same.
        for left in (0..checker.count()?).rev() {
            let id = checker.count_to(u64::from(u32::MAX))?;
            if id == 0 && left == 0 {
                break;
            }
            next = (id > next).then_some(id)?;
        }
        Some(())
    }
}

/// The folder hours of one account × Region, or of a source whose keys name hours but no account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CoverageSpan {
    /// Account named by the keys.
    pub account: Option<String>,
    /// Region named by the keys.
    pub region: Option<String>,
    /// First folder hour with a record object.
    pub first: UtcHour,
    /// Last folder hour with a record object; inclusive.
    pub last: UtcHour,
    /// Folder hours with at least one record object; ascending, each once. Hours of slack outside the asked
    /// range may be among them.
    pub hours_with_objects: Vec<UtcHour>,
}

/// A half-open range of hours.
pub(crate) type HourRange = (UtcHour, UtcHour);

impl CoverageSpan {
    /// The report's entry over the asked range; where an end is not asked, the span's own.
    #[must_use]
    pub fn coverage_figures(&self, from: Option<Timestamp>, to: Option<Timestamp>) -> Coverage {
        let (start, end) = self.hours(from, to);
        let with_objects =
            self.hours_with_objects.iter().filter(|&&hour| start <= hour && hour < end).count();
        Coverage {
            account: self.account.clone(),
            region: self.region.clone(),
            hours: (end.0 - start.0) as u64,
            hours_with_objects: with_objects as u64,
            gaps: self.gaps(from, to),
        }
    }

    /// The hours without objects.
    pub(crate) fn gaps(&self, from: Option<Timestamp>, to: Option<Timestamp>) -> Vec<HourRange> {
        let (start, end) = self.hours(from, to);
        let mut gaps = Vec::new();
        let mut next = start;
        for &hour in self.hours_with_objects.iter().filter(|&&hour| start <= hour && hour < end) {
            if next < hour {
                gaps.push((next, hour));
            }
            next = UtcHour(hour.0 + 1);
        }
        if next < end {
            gaps.push((next, end));
        }
        gaps
    }

    /// The hours that should hold objects; never of negative length.
    fn hours(&self, from: Option<Timestamp>, to: Option<Timestamp>) -> HourRange {
        let start = from.map_or(self.first, UtcHour::of);
        let end = to.map_or(UtcHour(self.last.0 + 1), |to| UtcHour(units_until(to, UtcHour::SECONDS)));
        (start, end.max(start))
    }
}

/// The minutes of a range: all that it touches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MinuteRange {
    start: i64,
    end: i64,
}

impl MinuteRange {
    /// From the asked moments; where one is not asked, from the first or to the last active minute.
    /// `None` where an end is neither asked nor known.
    pub(crate) fn new(
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        active: Option<(UtcMinute, UtcMinute)>,
    ) -> Option<Self> {
        let start = from.map(UtcMinute::of).or(active.map(|(first, _)| first))?.0;
        let end = to.map(|to| units_until(to, UtcMinute::SECONDS)).or(active.map(|(_, last)| last.0 + 1))?;
        Some(MinuteRange { start, end: end.max(start) })
    }

    /// The minutes that are not in these gaps.
    pub(crate) fn minutes_outside(self, gaps: &[HourRange]) -> u64 {
        const MINUTES: i64 = UtcHour::SECONDS / UtcMinute::SECONDS;
        let in_gap = |&(start, end): &HourRange| {
            let start = (start.0 * MINUTES).max(self.start);
            let end = (end.0 * MINUTES).min(self.end);
            (end - start).max(0)
        };
        (self.end - self.start - gaps.iter().map(in_gap).sum::<i64>()) as u64
    }
}

/// Units since the epoch that begin before this exclusive end.
fn units_until(to: Timestamp, seconds: i64) -> i64 {
    let is_inside = to.seconds.rem_euclid(seconds) > 0 || to.nanos > 0;
    to.seconds.div_euclid(seconds) + i64::from(is_inside)
}

/// The hours that are in both lists.
pub(crate) fn intersect(a: &[HourRange], b: &[HourRange]) -> Vec<HourRange> {
    let mut common = Vec::new();
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    while let (Some(&(a_start, a_end)), Some(&(b_start, b_end))) = (a.peek(), b.peek()) {
        let start = a_start.max(b_start);
        let end = a_end.min(b_end);
        if start < end {
            common.push((start, end));
        }
        if a_end <= b_end {
            a.next();
        } else {
            b.next();
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanos: 0 }
    }

    fn hours(range: &[(i64, i64)]) -> Vec<HourRange> {
        range.iter().map(|&(start, end)| (UtcHour(start), UtcHour(end))).collect()
    }

    fn span(with_objects: &[i64]) -> CoverageSpan {
        CoverageSpan {
            account: None,
            region: None,
            first: UtcHour(with_objects[0]),
            last: UtcHour(with_objects[with_objects.len() - 1]),
            hours_with_objects: with_objects.iter().map(|&hour| UtcHour(hour)).collect(),
        }
    }

    #[test]
    fn without_a_range_a_span_reaches_from_its_first_to_its_last_hour() {
        let coverage = span(&[10, 11, 14, 20]).coverage_figures(None, None);
        assert_eq!((coverage.hours, coverage.hours_with_objects), (11, 4));
        assert_eq!(coverage.gaps, hours(&[(12, 14), (15, 20)]));
    }

    #[test]
    fn an_asked_range_cuts_slack_and_shows_empty_ends() {
        let coverage = span(&[9, 10, 12, 15]).coverage_figures(Some(at(10 * 3_600)), Some(at(15 * 3_600)));
        assert_eq!((coverage.hours, coverage.hours_with_objects), (5, 2));
        assert_eq!(coverage.gaps, hours(&[(11, 12), (13, 15)]));
        // A range that ends inside an hour asks for that hour.
        let coverage = span(&[9]).coverage_figures(Some(at(9 * 3_600 + 1)), Some(at(10 * 3_600 + 1)));
        assert_eq!((coverage.hours, coverage.hours_with_objects), (2, 1));
        let coverage = span(&[9]).coverage_figures(Some(at(20 * 3_600)), None);
        assert_eq!((coverage.hours, coverage.gaps), (0, vec![]));
    }

    #[test]
    fn a_gap_of_several_entries_is_one_in_all_of_them() {
        let a = hours(&[(1, 5), (8, 10), (12, 13)]);
        let b = hours(&[(2, 3), (4, 9), (11, 20)]);
        assert_eq!(intersect(&a, &b), hours(&[(2, 3), (4, 5), (8, 9), (12, 13)]));
        assert_eq!(intersect(&b, &a), intersect(&a, &b));
        assert_eq!(intersect(&a, &[]), []);
    }

    #[test]
    fn minutes_of_gap_hours_are_cut_to_the_range() {
        let range = MinuteRange::new(Some(at(30 * 60)), Some(at(150 * 60 + 1)), None).expect("both ends");
        // Minutes 30 … 150, of which hour 1 is a gap and hour 0 only from minute 30.
        assert_eq!(range.minutes_outside(&[]), 121);
        assert_eq!(range.minutes_outside(&hours(&[(1, 2)])), 61);
        assert_eq!(range.minutes_outside(&hours(&[(0, 2)])), 31);
        assert_eq!(MinuteRange::new(Some(at(0)), None, None), None);
        let active = Some((UtcMinute(7), UtcMinute(7)));
        assert_eq!(MinuteRange::new(None, None, active).map(|range| range.minutes_outside(&[])), Some(1));
    }
}
