//! The histogram buckets of a group: all of its distributions, packed.
//!
//! In: counts by distribution and bucket. Out: the same, added up. Always: what was added can be subtracted
//! exactly; the bytes held grow with the distinct buckets (2 or 3 bytes each), not with the values seen.
//! Absent: minima, maxima and sums (see `histogram`), since no subtraction gives a minimum back.
//!
//! A packed list is one section for each distribution, ascending, each with its length: one that is under the
//! same name, or under another, is copied as it is, and one that no other list has is never unpacked.

use crate::dense::Dense;
use crate::histogram::BUCKETS;
use crate::names::{NameId, Renaming};
use crate::packed::{Checker, Packer, Unpacker};
use crate::sums::SPREAD_NAMES;

/// Which distribution of a group: one of [`SPREAD_NAMES`], or one of an inference Region.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct SpreadId(u64);

impl SpreadId {
    /// The distribution of this position in [`SPREAD_NAMES`].
    pub(crate) fn named(position: usize) -> Self {
        SpreadId(position as u64)
    }

    /// Latencies of an inference Region.
    pub(crate) fn latency(region: NameId) -> Self {
        SpreadId(Self::REGIONS + 2 * u64::from(region.0))
    }

    /// Times to the first byte of an inference Region.
    pub(crate) fn first_byte(region: NameId) -> Self {
        SpreadId(Self::REGIONS + 2 * u64::from(region.0) + 1)
    }

    /// The bucket of this number.
    pub(crate) fn bucket(self, index: u16) -> BucketId {
        BucketId(self.0 << 16 | u64::from(index))
    }

    /// The same distribution where Regions have the ids of another table.
    pub(crate) fn renamed(self, renaming: &Renaming) -> SpreadId {
        let Some(of_region) = self.0.checked_sub(Self::REGIONS) else { return self };
        // A Region's number was made from 32 bits, doubled.
        let region = renaming.of(NameId((of_region / 2) as u32));
        SpreadId(Self::REGIONS + 2 * u64::from(region.0) + of_region % 2)
    }

    /// What of ascending counts is of this distribution.
    pub(crate) fn of(self, counts: &[BucketCount]) -> &[BucketCount] {
        let start = counts.partition_point(|(id, _)| id.0 >> 16 < self.0);
        let length = counts[start..].partition_point(|(id, _)| id.0 >> 16 == self.0);
        &counts[start..start + length]
    }

    /// First number of the Regions.
    const REGIONS: u64 = SPREAD_NAMES.len() as u64;
}

/// One bucket of one distribution.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct BucketId(u64);

impl BucketId {
    /// The number of the bucket in its distribution.
    pub(crate) fn index(self) -> u16 {
        // The low 16 bits are the index, the others the distribution.
        (self.0 & 0xffff) as u16
    }
}

/// A bucket and how many values are in it.
pub(crate) type BucketCount = (BucketId, u64);

/// Brings counts into ascending order, each bucket once.
pub(crate) fn combine(counts: &mut Vec<BucketCount>) {
    // A stable sort: it finds the sorted stretches that these lists are made of, and merges them.
    counts.sort_by_key(|&(id, _)| id);
    counts.dedup_by(|(id, count), (kept_id, kept_count)| {
        let is_same = id == kept_id;
        *kept_count += if is_same { *count } else { 0 };
        is_same
    });
}

/// What buckets of one distribution are added up in.
#[derive(Clone, Debug)]
pub(crate) struct Adder(Dense<u64>);

impl Default for Adder {
    fn default() -> Self {
        // One place more than there are buckets: see `Adder::NOTHING`.
        Adder(Dense::new(usize::from(Self::NOTHING) + 1))
    }
}

impl Adder {
    /// The bucket of no value: adding to it changes nothing. So a record without a value needs no branch.
    pub(crate) const NOTHING: u16 = BUCKETS;

    /// To be called before anything is added.
    pub(crate) fn prepare(&mut self) {
        self.0.prepare();
    }

    /// Adds one value.
    pub(crate) fn add_one(&mut self, bucket: u16) {
        *self.0.place(bucket) += 1;
    }

    /// Adds so many values.
    pub(crate) fn add(&mut self, bucket: u16, count: u64) {
        *self.0.place(bucket) += count;
    }

    fn subtract(&mut self, bucket: u16, count: u64) {
        let place = self.0.place(bucket);
        *place = place.checked_sub(count).expect("only buckets that were added are subtracted");
    }

    /// Takes out what is not 0, ascending.
    pub(crate) fn drain(&mut self, mut take: impl FnMut(u16, u64)) {
        self.0.drain(|bucket, count| {
            if bucket != Self::NOTHING && count > 0 {
                take(bucket, count);
            }
        });
    }
}

/// Writes a packed list, one section after the other.
pub(crate) struct ListPacker<'a> {
    packer: &'a mut Packer,
    /// Reused: a section's length comes before it.
    section: &'a mut Packer,
    /// Distributions are numbered from 1 here, so that no gap is 0: that is the mark of the end.
    previous: u64,
}

impl<'a> ListPacker<'a> {
    /// Writes behind what is in `packer`.
    pub(crate) fn new(packer: &'a mut Packer, section: &'a mut Packer) -> Self {
        ListPacker { packer, section, previous: 0 }
    }

    /// Writes what is in the adder, and empties it. Distributions ascend; one of nothing is not written.
    pub(crate) fn drain(&mut self, spread: SpreadId, adder: &mut Adder) {
        self.section.clear();
        let mut next = 0;
        adder.drain(|bucket, count| {
            // Most buckets of a sparse histogram hold one value: a flag beside the gap saves their count.
            let bucket = u64::from(bucket);
            self.section.count((bucket - next) << 1 | u64::from(count > 1));
            if count > 1 {
                self.section.count(count);
            }
            next = bucket + 1;
        });
        if !self.section.is_empty() {
            self.begin(spread, self.section.len());
            self.packer.bytes(self.section.from(0));
        }
    }

    /// Writes a section that is packed already.
    fn copy(&mut self, spread: SpreadId, section: &[u8]) {
        self.begin(spread, section.len());
        self.packer.bytes(section);
    }

    /// Ends the list.
    pub(crate) fn finish(self) {
        self.packer.count(0);
    }

    fn begin(&mut self, SpreadId(spread): SpreadId, length: usize) {
        self.packer.count(spread + 1 - self.previous);
        self.packer.count(length as u64);
        self.previous = spread + 1;
    }
}

/// A packed section, and whose it is.
pub(crate) type Section<'a> = (SpreadId, &'a [u8]);

/// The sections of a packed list, ascending, up to the mark of its end.
pub(crate) fn sections<'a>(unpacker: &mut Unpacker<'a>) -> impl Iterator<Item = Section<'a>> {
    let mut previous = 0;
    let next = move || {
        let gap = unpacker.count();
        if gap == 0 {
            return None;
        }
        previous += gap;
        let length = unpacker.count();
        Some((SpreadId(previous - 1), unpacker.bytes(length as usize)))
    };
    std::iter::from_fn(next).fuse()
}

/// Splits what lists are packed one after the other into the first list and the rest.
pub(crate) fn split_list(lists: &[u8]) -> (&[u8], &[u8]) {
    let mut unpacker = Unpacker::new(lists);
    sections(&mut unpacker).for_each(drop);
    lists.split_at(lists.len() - unpacker.rest().len())
}

/// Gives a section's buckets, ascending.
pub(crate) fn unpack(section: &[u8], mut give: impl FnMut(u16, u64)) {
    let mut unpacker = Unpacker::new(section);
    let mut next = 0;
    while !unpacker.is_empty() {
        let gap = unpacker.count();
        let bucket = next + (gap >> 1);
        // Written from a u16.
        give(bucket as u16, if gap & 1 == 1 { unpacker.count() } else { 1 });
        next = bucket + 1;
    }
}

/// Writes a packed list with other names for its Regions; equal lists under equal names are equal bytes.
pub(crate) fn rename(list: &[u8], renaming: &Renaming, packer: &mut Packer, section: &mut Packer) {
    let mut renamed: Vec<Section<'_>> = sections(&mut Unpacker::new(list)).collect();
    renamed.iter_mut().for_each(|(spread, _)| *spread = spread.renamed(renaming));
    renamed.sort_unstable_by_key(|&(spread, _)| spread);
    let mut list = ListPacker::new(packer, section);
    renamed.into_iter().for_each(|(spread, section)| list.copy(spread, section));
    list.finish();
}

/// Whether a [`ListPacker`] can have written what comes next, of Regions among so many names, and so many values of a
/// distribution at the most.
pub(crate) fn check(checker: &mut Checker<'_>, names: usize, most: u64) -> Option<()> {
    let spreads = SpreadId::REGIONS + 2 * names as u64;
    let mut previous = 0;
    loop {
        let gap = checker.count_to(spreads)?;
        if gap == 0 {
            return Some(());
        }
        previous += gap;
        if previous > spreads {
            return None;
        }
        let length = checker.count().filter(|&length| length > 0)?;
        check_section(checker.bytes(length)?, most)?;
    }
}

fn check_section(section: &[u8], most: u64) -> Option<()> {
    let mut checker = Checker::new(section);
    let (mut next, mut left) = (0, most);
    while !checker.is_empty() {
        let gap = checker.count()?;
        let bucket = next + (gap >> 1);
        if bucket >= u64::from(BUCKETS) {
            return None;
        }
        next = bucket + 1;
        let count = if gap & 1 == 1 { checker.count().filter(|&count| count > 1)? } else { 1 };
        left = left.checked_sub(count)?;
    }
    Some(())
}

/// What lists are added up with; its memory is used again and again.
#[derive(Clone, Default, Debug)]
pub(crate) struct Scratch {
    pub(crate) adder: Adder,
    pub(crate) packer: Packer,
    pub(crate) section: Packer,
    renamed: Packer,
}

/// The counts of a group over all its hours.
#[derive(Clone, Default, Debug)]
pub(crate) struct Buckets {
    /// Packed lists, one after the other: a settled one that holds nearly all, then those of the latest hours.
    bytes: Vec<u8>,
    /// Length of the first list.
    settled: usize,
}

/// The list of no counts: the mark of its end.
const EMPTY_LIST: &[u8] = &[0];

/// Bytes of latest hours that are never worth settling alone.
const LATEST_MIN: usize = 512;

impl Buckets {
    /// Adds a packed list.
    pub(crate) fn add(&mut self, list: &[u8], scratch: &mut Scratch) {
        if list == EMPTY_LIST {
            return;
        }
        // Settling costs a pass over all: waiting until as much has come keeps an hour's share small.
        let latest = self.bytes.len() - self.settled + list.len();
        if self.settled == 0 || latest > self.settled + LATEST_MIN {
            self.settle(list, EMPTY_LIST, scratch);
        } else {
            // Exactly what is needed would be moved for every hour; an eighth more is moved now and then.
            if self.bytes.capacity() - self.bytes.len() < list.len() {
                self.bytes.reserve_exact(list.len().max(self.bytes.len() / 8));
            }
            self.bytes.extend_from_slice(list);
        }
    }

    /// Adds a packed list whose Regions have the names of another table.
    pub(crate) fn add_renamed(&mut self, list: &[u8], renaming: &Renaming, scratch: &mut Scratch) {
        if list == EMPTY_LIST {
            return;
        }
        let mut renamed = std::mem::take(&mut scratch.renamed);
        renamed.clear();
        rename(list, renaming, &mut renamed, &mut scratch.section);
        self.add(renamed.from(0), scratch);
        scratch.renamed = renamed;
    }

    /// Takes a packed list out again.
    ///
    /// # Panics
    /// If it was not added before: whoever says so is wrong.
    pub(crate) fn subtract(&mut self, list: &[u8], scratch: &mut Scratch) {
        if list != EMPTY_LIST {
            self.settle(EMPTY_LIST, list, scratch);
        }
    }

    /// All counts, ascending.
    pub(crate) fn counts(&self, scratch: &mut Scratch) -> Vec<BucketCount> {
        scratch.adder.prepare();
        let mut all = self.sections();
        all.sort_by_key(|&(spread, _)| spread);
        let mut counts = Vec::new();
        for same in all.chunk_by(|(one, _), (other, _)| one == other) {
            let spread = same[0].0;
            if let [(_, alone)] = same {
                unpack(alone, |bucket, count| counts.push((spread.bucket(bucket), count)));
            } else {
                same.iter().for_each(|(_, section)| unpack(section, |b, n| scratch.adder.add(b, n)));
                scratch.adder.drain(|bucket, count| counts.push((spread.bucket(bucket), count)));
            }
        }
        counts
    }

    /// All counts as one list, with other names for Regions.
    pub(crate) fn renamed(&self, renaming: &Renaming, scratch: &mut Scratch) -> Box<[u8]> {
        let mut settled = self.clone();
        settled.settle(EMPTY_LIST, EMPTY_LIST, scratch);
        if settled.bytes.is_empty() {
            return EMPTY_LIST.into();
        }
        let mut packer = Packer::default();
        rename(&settled.bytes, renaming, &mut packer, &mut scratch.section);
        packer.finish()
    }

    /// Bytes on the heap.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// The sections of all lists.
    fn sections(&self) -> Vec<Section<'_>> {
        let mut unpacker = Unpacker::new(&self.bytes);
        let mut all = Vec::new();
        while !unpacker.is_empty() {
            all.extend(sections(&mut unpacker));
        }
        all
    }

    /// Makes one list of all there are and one more, less another.
    fn settle(&mut self, more: &[u8], less: &[u8], scratch: &mut Scratch) {
        let Scratch { adder, packer, section, .. } = scratch;
        adder.prepare();
        packer.clear();
        let mut all: Vec<(SpreadId, bool, &[u8])> = Vec::new();
        for (is_less, lists) in [(false, &*self.bytes), (false, more), (true, less)] {
            let mut unpacker = Unpacker::new(lists);
            while !unpacker.is_empty() {
                all.extend(sections(&mut unpacker).map(|(spread, section)| (spread, is_less, section)));
            }
        }
        // What is subtracted comes behind what is added.
        all.sort_unstable_by_key(|&(spread, is_less, _)| (spread, is_less));
        let mut list = ListPacker::new(packer, section);
        for same in all.chunk_by(|(one, ..), (other, ..)| one == other) {
            let spread = same[0].0;
            if let [(_, false, alone)] = same {
                list.copy(spread, alone);
                continue;
            }
            for &(_, is_less, section) in same {
                if is_less {
                    unpack(section, |bucket, count| adder.subtract(bucket, count));
                } else {
                    unpack(section, |bucket, count| adder.add(bucket, count));
                }
            }
            list.drain(spread, adder);
        }
        list.finish();
        // A list of nothing is none.
        let settled = if packer.from(0) == EMPTY_LIST { &[] } else { packer.from(0) };
        self.bytes = Vec::with_capacity(settled.len());
        self.bytes.extend_from_slice(settled);
        self.settled = settled.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::bucket_index;

    /// The packed list of one value a bucket, in the distribution of that position.
    fn list(position: usize, values: impl IntoIterator<Item = u64>) -> Box<[u8]> {
        let mut adder = Adder::default();
        adder.prepare();
        values.into_iter().for_each(|value| adder.add_one(bucket_index(value)));
        packed([(SpreadId::named(position), adder)])
    }

    fn packed(adders: impl IntoIterator<Item = (SpreadId, Adder)>) -> Box<[u8]> {
        let (mut packer, mut section) = (Packer::default(), Packer::default());
        let mut list = ListPacker::new(&mut packer, &mut section);
        adders.into_iter().for_each(|(spread, mut adder)| list.drain(spread, &mut adder));
        list.finish();
        packer.finish()
    }

    fn counts(buckets: &Buckets) -> Vec<BucketCount> {
        buckets.counts(&mut Scratch::default())
    }

    /// One value a bucket, in the distribution of that position.
    fn expected(position: usize, values: impl IntoIterator<Item = u64>) -> Vec<BucketCount> {
        let bucket = |value| (SpreadId::named(position).bucket(bucket_index(value)), 1);
        let mut counts = values.into_iter().map(bucket).collect();
        combine(&mut counts);
        counts
    }

    #[test]
    fn packing_loses_nothing() {
        let largest = SpreadId::first_byte(NameId(u32::MAX - 1));
        let mut adders = [SpreadId::named(0), SpreadId::named(6), largest].map(|it| (it, Adder::default()));
        adders.iter_mut().for_each(|(_, adder)| adder.prepare());
        let (first, last) = ([0, 0, 7, 25_000, 25_001, 1 << 41], [0, 7, 7, 7]);
        first.iter().for_each(|&value| adders[0].1.add_one(bucket_index(value)));
        last.iter().for_each(|&value| adders[1].1.add_one(bucket_index(value)));
        adders[2].1.add(bucket_index(1 << 40), u64::MAX);
        let mut buckets = Buckets::default();
        buckets.add(&packed(adders), &mut Scratch::default());
        let mut all = [expected(0, first), expected(6, last)].concat();
        all.push((largest.bucket(bucket_index(1 << 40)), u64::MAX));
        assert_eq!(counts(&buckets), all);
    }

    #[test]
    fn what_is_added_to_nothing_is_not_there() {
        let mut adder = Adder::default();
        adder.prepare();
        adder.add_one(Adder::NOTHING);
        assert_eq!(&*packed([(SpreadId::named(0), adder)]), EMPTY_LIST);
    }

    #[test]
    fn distributions_stay_apart() {
        let region = NameId(3);
        let spreads = [SpreadId::named(6), SpreadId::latency(region), SpreadId::first_byte(region)];
        let bucket = bucket_index(1 << 40);
        let all: Vec<BucketCount> = spreads.iter().map(|spread| (spread.bucket(bucket), 5)).collect();
        assert!(all.is_sorted());
        for (spread, count) in spreads.iter().zip(&all) {
            assert_eq!(spread.of(&all), [*count]);
            assert_eq!(bucket, count.0.index());
        }
        assert_eq!(SpreadId::named(5).of(&all), []);
    }

    #[test]
    fn renamed_regions_are_in_their_new_order() {
        let mut names = crate::names::Names::default();
        let [b, a] = ["b", "a"].map(|text| names.intern(text));
        let with = |spread| {
            let mut adder = Adder::default();
            adder.prepare();
            adder.add(7, 2);
            (spread, adder)
        };
        let before = packed([SpreadId::named(1), SpreadId::latency(b), SpreadId::first_byte(a)].map(with));
        let mut other = crate::names::Names::default();
        // Under the ids of another table, b comes behind a.
        let texts: Vec<_> = names.texts().to_vec();
        other.intern("a");
        let renaming = other.rename(&texts);
        let mut packer = Packer::default();
        rename(&before, &renaming, &mut packer, &mut Packer::default());
        let spreads = [SpreadId::named(1), SpreadId::first_byte(NameId(0)), SpreadId::latency(NameId(1))];
        assert_eq!(packer.finish(), packed(spreads.map(with)));
    }

    #[test]
    fn what_was_added_is_subtracted_to_the_last_byte() {
        let values = |hour: u64| (0..40).map(move |n| n * hour * 31 % 5_000);
        let hours: Vec<_> = (0..50u64).map(|hour| list(1, values(hour))).collect();
        let mut scratch = Scratch::default();
        let mut buckets = Buckets::default();
        hours.iter().for_each(|hour| buckets.add(hour, &mut scratch));
        assert_eq!(counts(&buckets), expected(1, (0..50).flat_map(values)));
        hours.iter().for_each(|hour| buckets.subtract(hour, &mut scratch));
        assert_eq!(counts(&buckets), []);
        assert_eq!(buckets.held_bytes(), 0);
    }

    #[test]
    fn equal_hours_cost_what_two_cost() {
        let values = || (0..1_000).map(|n| n * 17);
        let mut buckets = Buckets::default();
        let mut scratch = Scratch::default();
        for _ in 0..100 {
            buckets.add(&list(0, values()), &mut scratch);
        }
        // A gap takes at most 2 bytes, a count below 128 takes one.
        assert!(buckets.held_bytes() <= 3 * expected(0, values()).len() * 2 + LATEST_MIN);
    }

    #[test]
    #[should_panic(expected = "only buckets that were added are subtracted")]
    fn what_was_not_added_is_never_subtracted() {
        let mut buckets = Buckets::default();
        let mut scratch = Scratch::default();
        buckets.add(&list(0, [1, 2]), &mut scratch);
        buckets.subtract(&list(0, [2, 2]), &mut scratch);
    }
}
