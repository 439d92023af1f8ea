//! All hours of a run, each replaceable, and the figures over them.
//!
//! In: sealed hours. Out: [`Tally`] for the ledger, [`Figures`] for the report. Always: the figures are a
//! function of the set of hours, whatever the order or the tree of merging; memory grows with hours × groups and
//! their active minutes, not with records, since the histogram buckets of a group are one set for all hours.
//! Absent: the records.

use std::collections::BTreeMap;

use borehole_record::UtcHour;
use rustc_hash::FxHashMap;

use crate::answer;
use crate::buckets::{BucketCount, Buckets, combine};
use crate::coverage::CoverageSpan;
use crate::figures::Figures;
use crate::hour::{SealedCell, SealedHour, Tally};
use crate::kept::{CellsPacker, KeptHour, kept_cell};
use crate::names::{NameId, Names, Renaming};
use crate::question::Question;

/// The sealed hours of a run, or of one worker's part of it.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    hours: BTreeMap<UtcHour, KeptHour>,
    /// Every name once: callers and models come again in every hour.
    names: Names,
    /// The number of each key; a key keeps it even when its last hour is replaced by one without it.
    groups: FxHashMap<Box<[NameId]>, u32>,
    /// Of the totals, over all hours.
    buckets: Buckets,
    /// Of each group, by its number.
    group_buckets: Vec<Buckets>,
}

impl Totals {
    /// No hours.
    #[must_use]
    pub fn new() -> Self {
        Totals::default()
    }

    /// Adds an hour.
    ///
    /// # Panics
    /// On an hour that is there already: all records of an hour are sealed together, so whoever gives a second
    /// part of one is wrong. An hour that is opened again is for [`Totals::replace`].
    pub fn insert(&mut self, hour: SealedHour) {
        let name = hour.hour();
        assert!(!self.hours.contains_key(&name), "hour {name} is inserted a second time");
        let kept = self.keep(hour, Buckets::add);
        self.hours.insert(name, kept);
    }

    /// Puts an hour in the place of what was inserted for it: a stray opens an hour again.
    ///
    /// `old` is what was inserted, summed up a second time, since the totals no longer know which buckets came
    /// from which hour; where the hour was never inserted, it is the sealed hour of no records.
    ///
    /// # Panics
    /// If the two are of different hours, or `old` is not what was inserted: whoever summed it up is wrong.
    pub fn replace(&mut self, old: SealedHour, new: SealedHour) {
        let name = old.hour();
        assert_eq!(new.hour(), name, "an hour is replaced by another one");
        match self.hours.remove(&name) {
            Some(inserted) => {
                let removed = self.keep(old, Buckets::subtract);
                assert!(removed == inserted, "what is replaced is not what was inserted for hour {name}");
            }
            None => assert!(old.is_empty(), "hour {name} was never inserted and cannot be replaced"),
        }
        self.insert(new);
    }

    /// Adds the hours of `other`; no hour may be in both.
    ///
    /// # Panics
    /// On an hour in both: records of one hour merge before they are sealed, so two sealed hours of one name
    /// are two answers to one question, and whoever split the work is wrong.
    pub fn merge(&mut self, other: Totals) {
        let renaming = self.names.rename(other.names.texts());
        let mut numbers = vec![0; other.groups.len()];
        for (key, &number) in &other.groups {
            numbers[number as usize] = self.group(renaming.of_key(key));
        }
        let renamed = |buckets: &Buckets| {
            let mut counts = buckets.counts();
            rename(&mut counts, &renaming);
            counts
        };
        self.buckets.add(&renamed(&other.buckets));
        for (&number, buckets) in numbers.iter().zip(&other.group_buckets) {
            self.group_buckets[number as usize].add(&renamed(buckets));
        }
        for (name, hour) in other.hours {
            assert!(!self.hours.contains_key(&name), "hour {name} is on both sides of a merge");
            let mut cells = CellsPacker::default();
            cells.cell(None, hour.totals().renamed(&renaming));
            for (number, cell) in hour.groups() {
                cells.cell(Some(numbers[number as usize]), cell.renamed(&renaming));
            }
            let unknowns = hour.unknowns.renamed(&renaming);
            self.hours.insert(name, cells.finish(hour.tally, unknowns, hour.listing.into_vec()));
        }
    }

    /// The hours, ascending.
    pub fn hours(&self) -> impl Iterator<Item = UtcHour> {
        self.hours.keys().copied()
    }

    /// How the records of all hours ended.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.hours.values().for_each(|hour| tally.merge(&hour.tally));
        tally
    }

    /// The figures; `question` is the one that the hours were summed for, `coverage` is by [`crate::CoverageId`].
    #[must_use]
    pub fn figures(&self, question: &Question, coverage: &[CoverageSpan]) -> Figures {
        answer::figures(self, question, coverage)
    }

    /// About how many bytes this holds on the heap, the texts of listed requests left out: for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let hours: usize =
            self.hours.values().map(|hour| size_of::<(UtcHour, KeptHour)>() + hour.held_bytes()).sum();
        let keys = self.groups.keys().map(|key| size_of::<(Box<[NameId]>, u32)>() + size_of_val(&**key));
        let buckets = self.group_buckets.iter().map(|buckets| size_of::<Buckets>() + buckets.held_bytes());
        hours
            + self.names.held_bytes()
            + keys.sum::<usize>()
            + buckets.sum::<usize>()
            + self.buckets.held_bytes()
    }

    pub(crate) fn kept_hours(&self) -> impl Iterator<Item = (UtcHour, &KeptHour)> {
        self.hours.iter().map(|(&name, hour)| (name, hour))
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// The keys, by number; some may have no cell in any hour.
    pub(crate) fn group_keys(&self) -> Vec<&[NameId]> {
        let mut keys: Vec<&[NameId]> = vec![&[]; self.groups.len()];
        self.groups.iter().for_each(|(key, &number)| keys[number as usize] = key);
        keys
    }

    /// The buckets of the totals, ascending.
    pub(crate) fn bucket_counts(&self) -> Vec<BucketCount> {
        self.buckets.counts()
    }

    /// The buckets of these groups together, ascending.
    pub(crate) fn group_bucket_counts(&self, numbers: &[u32]) -> Vec<BucketCount> {
        let counts = numbers.iter().map(|&number| self.group_buckets[number as usize].counts());
        // Only folded models are many groups in one.
        let mut counts: Vec<BucketCount> = counts.flatten().collect();
        if numbers.len() > 1 {
            combine(&mut counts);
        }
        counts
    }

    /// What is kept of an hour; its buckets are added to ours, or subtracted.
    fn keep(&mut self, hour: SealedHour, change: fn(&mut Buckets, &[BucketCount])) -> KeptHour {
        let renaming = self.names.rename(hour.names());
        let mut cells = CellsPacker::default();
        let mut add = |number, cell: SealedCell<'_>, buckets: &mut Buckets| {
            let mut cell = cell.unpack();
            cells.cell(number, kept_cell(&cell, &renaming));
            rename(&mut cell.buckets, &renaming);
            change(buckets, &cell.buckets);
        };
        add(None, hour.totals_cell(), &mut self.buckets);
        for (key, cell) in hour.group_cells() {
            let number = self.group(renaming.of_key(key));
            add(Some(number), cell, &mut self.group_buckets[number as usize]);
        }
        let unknowns = hour.unknowns().renamed(&renaming);
        let (tally, listing) = hour.into_tally_and_listing();
        cells.finish(tally, unknowns, listing)
    }

    fn group(&mut self, key: Box<[NameId]>) -> u32 {
        *self.groups.entry(key).or_insert_with(|| {
            self.group_buckets.push(Buckets::default());
            u32::try_from(self.group_buckets.len() - 1).expect("fewer than 2^32 groups")
        })
    }
}

/// Gives Regions their ids in another table. Distinct names stay distinct; their order may change.
fn rename(counts: &mut [BucketCount], renaming: &Renaming) {
    counts.iter_mut().for_each(|(bucket, _)| *bucket = bucket.renamed(renaming));
    if !counts.is_sorted() {
        counts.sort_unstable();
    }
}
