//! The data points of one metric, and how those of several pages and files come together.
//!
//! In: the points of a page, in any order. Out: one value a time. Always: a time with two different values is an
//! error, with one exception: the newest period of an export may have been cut short, so there the larger counts.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::label::Label;
use super::{Metric, Place, Text};

/// What tells one series from another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct SeriesKey {
    pub(super) metric: Metric,
    /// As the label spells it; `None` where it names none.
    pub(super) model: Option<Text>,
    pub(super) region: Option<Text>,
}

/// One series as one page has it.
#[derive(Debug)]
pub(super) struct ReadSeries {
    pub(super) label: Label,
    /// What tells it from the others of its document: the id of a query, the number of a column.
    pub(super) id: Option<String>,
    /// What to call it where it is skipped.
    pub(super) name: String,
    pub(super) points: Vec<(i64, u64)>,
    /// Whether the page says that nothing is to follow.
    pub(super) is_complete: bool,
    pub(super) rounded: u64,
    pub(super) without_offset: u64,
    pub(super) place: Place,
}

/// One series of all pages and files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Series {
    /// By the first second of their period.
    pub(super) points: BTreeMap<i64, u64>,
    /// Whether its last page is here.
    pub(super) is_complete: bool,
}

impl Default for Series {
    fn default() -> Self {
        Series { points: BTreeMap::new(), is_complete: true }
    }
}

/// What became of the points of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Merged {
    pub(super) repeated: u64,
    pub(super) revised: u64,
}

impl Series {
    /// Adds the points of a page; an error on a time with two values.
    pub(super) fn merge(&mut self, points: Vec<(i64, u64)>, is_complete: bool) -> Result<Merged, ()> {
        let newest_before = self.points.keys().next_back().copied();
        let newest = points.iter().map(|(time, _)| *time).max();
        let mut merged = Merged::default();
        for (time, value) in points {
            match self.points.entry(time) {
                Entry::Vacant(vacant) => {
                    vacant.insert(value);
                }
                Entry::Occupied(known) if *known.get() == value => merged.repeated += 1,
                Entry::Occupied(mut known) if Some(time) == newest_before || Some(time) == newest => {
                    merged.revised += 1;
                    let larger = value.max(*known.get());
                    known.insert(larger);
                }
                Entry::Occupied(_) => return Err(()),
            }
        }
        // Pages come in order: the word of the last one counts.
        self.is_complete = is_complete;
        Ok(merged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_period_of_an_export_may_be_revised() {
        let mut series = Series::default();
        assert_eq!(series.merge(vec![(120, 5), (60, 7)], true), Ok(Merged::default()));
        assert_eq!(
            series.merge(vec![(60, 7), (120, 9), (180, 1)], true),
            Ok(Merged { repeated: 1, revised: 1 })
        );
        assert_eq!(series.points, BTreeMap::from([(60, 7), (120, 9), (180, 1)]));
        assert_eq!(series.merge(vec![(180, 0), (240, 1)], true), Ok(Merged { repeated: 0, revised: 1 }));
        assert_eq!(series.points.get(&180), Some(&1), "the larger one stays, whichever came first");
        assert_eq!(series.merge(vec![(60, 8), (300, 1)], true), Err(()));
    }

    #[test]
    fn a_series_within_one_page_must_not_contradict_itself() {
        let mut series = Series::default();
        assert_eq!(series.merge(vec![(60, 7), (60, 8), (120, 1)], true), Err(()));
    }
}
