//! All hours of a run, each replaceable, and the figures over them.
//!
//! In: sealed hours. Out: [`Tally`] for the ledger, [`Figures`] for the report. Always: the figures are a
//! function of the set of hours, whatever the order or the tree of merging. Absent: the records.

use std::collections::BTreeMap;
use std::sync::Arc;

use borehole_record::UtcHour;
use rustc_hash::FxHashSet;

use crate::answer;
use crate::coverage::CoverageSpan;
use crate::figures::Figures;
use crate::hour::{SealedHour, Tally};
use crate::question::Question;

/// The sealed hours of a run, or of one worker's part of it.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    hours: BTreeMap<UtcHour, SealedHour>,
    /// Every name once: callers and models come again in every hour.
    names: FxHashSet<Arc<str>>,
}

impl Totals {
    /// No hours.
    #[must_use]
    pub fn new() -> Self {
        Totals::default()
    }

    /// Adds an hour, in the place of the one of the same name: a stray opens an hour again.
    pub fn insert(&mut self, mut hour: SealedHour) {
        for name in hour.names_mut() {
            match self.names.get(name) {
                Some(shared) => *name = Arc::clone(shared),
                None => {
                    self.names.insert(Arc::clone(name));
                }
            }
        }
        self.hours.insert(hour.hour(), hour);
    }

    /// Takes an hour out; `None` where there is none of that name.
    pub fn remove(&mut self, hour: UtcHour) -> Option<SealedHour> {
        self.hours.remove(&hour)
    }

    /// Adds the hours of `other`; no hour may be in both.
    ///
    /// # Panics
    /// On an hour in both: records of one hour merge before they are sealed, so two sealed hours of one name
    /// are two answers to one question, and whoever split the work is wrong.
    pub fn merge(&mut self, other: Totals) {
        for (name, hour) in other.hours {
            assert!(!self.hours.contains_key(&name), "hour {name} is on both sides of a merge");
            self.insert(hour);
        }
    }

    /// The hours, ascending.
    pub fn hours(&self) -> impl Iterator<Item = &SealedHour> {
        self.hours.values()
    }

    /// How the records of all hours ended.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.hours().for_each(|hour| tally.merge(hour.tally()));
        tally
    }

    /// The figures; `question` is the one that the hours were summed for, `coverage` is by [`crate::CoverageId`].
    #[must_use]
    pub fn figures(&self, question: &Question, coverage: &[CoverageSpan]) -> Figures {
        answer::figures(&self.hours().collect::<Vec<_>>(), question, coverage)
    }
}
