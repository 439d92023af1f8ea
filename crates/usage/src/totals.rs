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
use crate::buckets::{self, BucketCount, Buckets, Scratch, combine};
use crate::coverage::CoverageSpan;
use crate::figures::Figures;
use crate::hour::{SealedHour, Tally};
use crate::kept::KeptHour;
use crate::names::{NameId, Names};
use crate::packed::Packer;
use crate::question::Question;
use crate::ranks::Cut;
use crate::unknowns::PackedUnknowns;

/// The sealed hours of a run, or of one worker's part of it.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    pub(crate) hours: BTreeMap<UtcHour, KeptHour>,
    /// Every name once: callers and models come again in every hour.
    pub(crate) names: Names,
    /// The number of each key; a key keeps it even when its last hour is replaced by one without it.
    pub(crate) groups: FxHashMap<Box<[NameId]>, u32>,
    /// Of the totals, over all hours.
    pub(crate) buckets: Buckets,
    /// Of each group, by its number.
    pub(crate) group_buckets: Vec<Buckets>,
    scratch: Scratch,
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
    pub fn insert(&mut self, mut hour: SealedHour) {
        let name = hour.hour();
        assert!(!self.hours.contains_key(&name), "hour {name} is inserted a second time");
        let lists = std::mem::take(&mut hour.lists);
        let kept = self.keep(hour, &lists);
        let mut rest = &*lists;
        for group in std::iter::once(None).chain(kept.groups.iter().map(|&group| Some(group))) {
            let (list, others) = buckets::split_list(rest);
            rest = others;
            buckets_of(&mut self.buckets, &mut self.group_buckets, group).add_renamed(
                list,
                &kept.renaming,
                &mut self.scratch,
            );
        }
        self.hours.insert(name, kept);
    }

    /// Adds the chosen groups of an hour, for [`crate::Selection`]: the hour's totals stay empty.
    ///
    /// # Panics
    /// As [`Totals::insert`].
    pub(crate) fn insert_groups(&mut self, hour: &SealedHour, is_chosen: &dyn Fn(&[Option<&str>]) -> bool) {
        let name = hour.hour();
        assert!(!self.hours.contains_key(&name), "hour {name} is inserted a second time");
        let renaming = self.names.rename(&hour.names);
        let (mut groups, mut kept) = (Vec::new(), EMPTY_CELL.to_vec());
        let mut cells = hour.cells();
        let mut key = Vec::new();
        // The first cell, and the first list, are those of the totals.
        cells.next(&mut key);
        let (_, mut lists) = buckets::split_list(&hour.lists);
        loop {
            let start = hour.cells.len() - cells.rest();
            if cells.next(&mut key).is_none() {
                break;
            }
            let (list, others) = buckets::split_list(lists);
            lists = others;
            if !is_chosen(&hour.texts(&key)) {
                continue;
            }
            kept.extend_from_slice(&hour.cells[start..hour.cells.len() - cells.rest()]);
            let group = self.group(renaming.of_key(&key));
            self.group_buckets[group as usize].add_renamed(list, &renaming, &mut self.scratch);
            groups.push(group);
        }
        let kept = KeptHour {
            renaming,
            groups: groups.into_boxed_slice(),
            dimensions: hour.dimensions,
            cells: kept.into_boxed_slice(),
            cut: Cut::None,
            ranks: Box::default(),
            lists: Box::default(),
            tally: Tally::default(),
            unknowns: PackedUnknowns::default(),
            listing: Box::default(),
        };
        self.hours.insert(name, kept);
    }

    /// Adds an hour without its distributions, for [`crate::outline`].
    ///
    /// # Panics
    /// As [`Totals::insert`].
    pub(crate) fn insert_outline(&mut self, hour: &SealedHour) {
        let name = hour.hour();
        assert!(!self.hours.contains_key(&name), "hour {name} is inserted a second time");
        let outline = SealedHour {
            hour: name,
            names: hour.names.clone(),
            dimensions: hour.dimensions,
            groups: hour.groups,
            cells: hour.cells.clone(),
            lists: Box::default(),
            cut: Cut::None,
            ranks: Box::default(),
            tally: Tally::default(),
            unknowns: hour.unknowns.clone(),
            listing: Vec::new(),
        };
        let kept = self.keep(outline, &[]);
        self.hours.insert(name, kept);
    }

    /// Puts an hour in the place of what was inserted for it: a stray opens an hour again.
    ///
    /// `old` is what was inserted, summed up a second time, since the totals no longer know which buckets came
    /// from which hour; where the hour was never inserted, it is the sealed hour of no records.
    ///
    /// # Panics
    /// If the two are of different hours, or `old` is not what was inserted: whoever summed it up is wrong.
    pub fn replace(&mut self, mut old: SealedHour, mut new: SealedHour) {
        let name = old.hour();
        assert_eq!(new.hour(), name, "an hour is replaced by another one");
        let Some(inserted) = self.hours.remove(&name) else {
            assert!(old.is_empty(), "hour {name} was never inserted and cannot be replaced");
            self.insert(new);
            return;
        };
        let [old_lists, new_lists] = [&mut old, &mut new].map(|hour| std::mem::take(&mut hour.lists));
        let (removed, kept) = (self.keep(old, &old_lists), self.keep(new, &new_lists));
        let mut old_lists = self.group_lists(&removed, &old_lists);
        let mut new_lists = self.group_lists(&kept, &new_lists);
        self.hours.insert(name, kept);
        // A stray changes the totals and one group: what is equal before and after need not be touched.
        old_lists.sort_unstable_by_key(|&(group, _)| group);
        new_lists.sort_unstable_by_key(|&(group, _)| group);
        let is_in = |lists: &[GroupList], group, list: &[u8]| {
            let position = lists.binary_search_by_key(&group, |&(group, _)| group);
            position.is_ok_and(|position| *lists[position].1 == *list)
        };
        for (group, list) in &old_lists {
            if !is_in(&new_lists, *group, list) {
                buckets_of(&mut self.buckets, &mut self.group_buckets, *group)
                    .subtract(list, &mut self.scratch);
            }
        }
        assert!(removed == inserted, "what is replaced is not what was inserted for hour {name}");
        for (group, list) in &new_lists {
            if !is_in(&old_lists, *group, list) {
                buckets_of(&mut self.buckets, &mut self.group_buckets, *group).add(list, &mut self.scratch);
            }
        }
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
        let scratch = &mut self.scratch;
        let more = other.buckets.renamed(&renaming, scratch);
        self.buckets.add(&more, scratch);
        for (&number, buckets) in numbers.iter().zip(&other.group_buckets) {
            let more = buckets.renamed(&renaming, scratch);
            self.group_buckets[number as usize].add(&more, scratch);
        }
        for (name, mut hour) in other.hours {
            assert!(!self.hours.contains_key(&name), "hour {name} is on both sides of a merge");
            hour.renaming.then(&renaming);
            hour.groups.iter_mut().for_each(|number| *number = numbers[*number as usize]);
            self.hours.insert(name, hour);
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
    pub(crate) fn bucket_counts(&self, scratch: &mut Scratch) -> Vec<BucketCount> {
        self.buckets.counts(scratch)
    }

    /// The buckets of these groups together, ascending.
    pub(crate) fn group_bucket_counts(&self, numbers: &[u32], scratch: &mut Scratch) -> Vec<BucketCount> {
        let counts = numbers.iter().map(|&number| self.group_buckets[number as usize].counts(scratch));
        // Only folded models are many groups in one.
        let mut counts: Vec<BucketCount> = counts.flatten().collect();
        if numbers.len() > 1 {
            combine(&mut counts);
        }
        counts
    }

    /// What is kept of an hour: of the lists of its buckets only what a cube needs.
    fn keep(&mut self, hour: SealedHour, lists: &[u8]) -> KeptHour {
        let renaming = self.names.rename(&hour.names);
        let mut groups = Vec::with_capacity(hour.groups);
        let mut cells = hour.cells();
        let mut key = Vec::new();
        // The first is that of the totals, which have no number.
        cells.next(&mut key);
        while cells.next(&mut key).is_some() {
            key.iter_mut().for_each(|name| *name = renaming.of(*name));
            groups.push(match self.groups.get(&*key) {
                Some(&number) => number,
                None => self.group(key.as_slice().into()),
            });
        }
        KeptHour {
            renaming,
            groups: groups.into_boxed_slice(),
            dimensions: hour.dimensions,
            cells: hour.cells,
            cut: hour.cut,
            ranks: hour.ranks,
            lists: match hour.cut {
                Cut::None => Box::default(),
                Cut::Everything => buckets::split_list(lists).0.into(),
                Cut::Groups => buckets::split_list(lists).1.into(),
            },
            tally: hour.tally,
            unknowns: hour.unknowns,
            listing: hour.listing.into_boxed_slice(),
        }
    }

    /// The lists of the buckets of an hour, under our names.
    fn group_lists(&mut self, kept: &KeptHour, lists: &[u8]) -> Vec<GroupList> {
        let mut renamed = Packer::default();
        let mut rest = lists;
        let groups = std::iter::once(None).chain(kept.groups.iter().map(|&group| Some(group)));
        groups
            .map(|group| {
                let (list, others) = buckets::split_list(rest);
                rest = others;
                renamed.clear();
                buckets::rename(list, &kept.renaming, &mut renamed, &mut self.scratch.section);
                (group, renamed.from(0).into())
            })
            .collect()
    }

    fn group(&mut self, key: Box<[NameId]>) -> u32 {
        *self.groups.entry(key).or_insert_with(|| {
            self.group_buckets.push(Buckets::default());
            u32::try_from(self.group_buckets.len() - 1).expect("fewer than 2^32 groups")
        })
    }
}

/// A cell of nothing, as [`crate::hour::SealedCell`] reads it: two parts of no bytes.
const EMPTY_CELL: &[u8] = &[0, 0];

/// The packed list of a group's buckets in one hour; without a number, that of the totals.
type GroupList = (Option<u32>, Box<[u8]>);

/// The buckets of a group, or of the totals.
fn buckets_of<'a>(totals: &'a mut Buckets, groups: &'a mut [Buckets], group: Option<u32>) -> &'a mut Buckets {
    match group {
        Some(number) => &mut groups[number as usize],
        None => totals,
    }
}
