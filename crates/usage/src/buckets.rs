//! The histogram buckets of a group: all of its distributions in one sorted list, packed.
//!
//! In: counts by distribution and bucket. Out: the same, added up. Always: what was added can be subtracted
//! exactly; the bytes held grow with the distinct buckets (2 or 3 bytes each), not with the values seen.
//! Absent: minima, maxima and sums (see `histogram`), since no subtraction gives a minimum back.

use std::cmp::Ordering;

use crate::histogram::bucket_index;
use crate::names::{NameId, Renaming};
use crate::packed::{Packer, Unpacker};
use crate::sums::SPREAD_NAMES;

/// Which distribution of a group: one of [`SPREAD_NAMES`], or one of an inference Region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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

    /// The bucket of this distribution that holds a value.
    pub(crate) fn bucket(self, value: u64) -> BucketId {
        BucketId(self.0 << 16 | u64::from(bucket_index(value)))
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

    /// The same bucket where Regions have the ids of another table.
    pub(crate) fn renamed(self, renaming: &Renaming) -> BucketId {
        let Some(of_region) = (self.0 >> 16).checked_sub(SpreadId::REGIONS) else { return self };
        // A Region's number was made from 32 bits, doubled.
        let region = renaming.of(NameId((of_region / 2) as u32));
        BucketId((SpreadId::REGIONS + 2 * u64::from(region.0) + of_region % 2) << 16 | self.0 & 0xffff)
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

/// Writes ascending counts, and a mark of their end.
pub(crate) fn pack(counts: impl IntoIterator<Item = BucketCount>, packer: &mut Packer) {
    // Numbers start at 1, so that no gap is 0: that is the mark.
    let mut previous = 0;
    for (BucketId(id), count) in counts {
        // Most buckets of a sparse histogram hold one value: a flag beside the gap saves their count. A gap
        // has at most 51 bits: 16 of the bucket, 34 of the distribution, and the 1 above.
        packer.count((id + 1 - previous) << 1 | u64::from(count > 1));
        if count > 1 {
            packer.count(count);
        }
        previous = id + 1;
    }
    packer.count(0);
}

/// Reads what [`pack`] wrote.
pub(crate) fn unpack(unpacker: &mut Unpacker<'_>) -> impl Iterator<Item = BucketCount> {
    let mut previous = 0;
    let next = move || {
        let gap = unpacker.count();
        if gap == 0 {
            return None;
        }
        previous += gap >> 1;
        Some((BucketId(previous - 1), if gap & 1 == 1 { unpacker.count() } else { 1 }))
    };
    std::iter::from_fn(next).fuse()
}

/// Two ascending lists, each bucket once, as one.
fn merged(
    one: impl Iterator<Item = BucketCount>,
    other: impl IntoIterator<Item = BucketCount>,
) -> impl Iterator<Item = BucketCount> {
    let (mut one, mut other) = (one.peekable(), other.into_iter().peekable());
    std::iter::from_fn(move || match (one.peek(), other.peek()) {
        (Some((left, _)), Some((right, _))) => match left.cmp(right) {
            Ordering::Less => one.next(),
            Ordering::Greater => other.next(),
            Ordering::Equal => {
                one.next().zip(other.next()).map(|((id, left), (_, right))| (id, left + right))
            }
        },
        (Some(_), None) => one.next(),
        (None, _) => other.next(),
    })
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
const LATEST_MIN: usize = 64;

impl Buckets {
    /// Adds ascending counts.
    pub(crate) fn add(&mut self, counts: &[BucketCount]) {
        if counts.is_empty() {
            return;
        }
        let mut packer = Packer::default();
        pack(counts.iter().copied(), &mut packer);
        let list = packer.finish();
        self.bytes.reserve_exact(list.len());
        self.bytes.extend_from_slice(&list);
        if self.settled == 0 {
            self.settled = self.bytes.len();
        }
        // Settling costs a pass over all: waiting until half as much has come keeps an hour's share small.
        if 2 * (self.bytes.len() - self.settled) > self.settled + LATEST_MIN {
            // Not by way of `counts`: the settled list, the longest by far, is never a list of integers.
            let mut packer = Packer::default();
            pack(merged(unpack(&mut self.settled_list()), self.latest()), &mut packer);
            self.settle(packer);
        }
    }

    /// Takes ascending counts out again.
    ///
    /// # Panics
    /// If they were not added before: whoever says so is wrong.
    pub(crate) fn subtract(&mut self, counts: &[BucketCount]) {
        if counts.is_empty() {
            return;
        }
        let mut own = self.counts();
        for &(id, count) in counts {
            let found = own.binary_search_by_key(&id, |&(id, _)| id).ok();
            let left = found.and_then(|position| Some((position, own[position].1.checked_sub(count)?)));
            let (position, left) = left.expect("only buckets that were added are subtracted");
            own[position].1 = left;
        }
        own.retain(|&(_, count)| count > 0);
        let mut packer = Packer::default();
        if !own.is_empty() {
            pack(own, &mut packer);
        }
        self.settle(packer);
    }

    /// All counts, ascending.
    pub(crate) fn counts(&self) -> Vec<BucketCount> {
        merged(unpack(&mut self.settled_list()), self.latest()).collect()
    }

    /// To be unpacked: the settled list, or one of nothing.
    fn settled_list(&self) -> Unpacker<'_> {
        Unpacker::new(if self.settled == 0 { EMPTY_LIST } else { &self.bytes[..self.settled] })
    }

    /// The counts of the latest hours together, ascending.
    fn latest(&self) -> Vec<BucketCount> {
        let mut unpacker = Unpacker::new(&self.bytes[self.settled..]);
        let mut counts = Vec::new();
        while !unpacker.is_empty() {
            counts.extend(unpack(&mut unpacker));
        }
        combine(&mut counts);
        counts
    }

    /// Bytes on the heap.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    fn settle(&mut self, packer: Packer) {
        self.bytes = packer.finish().into_vec();
        self.settled = self.bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One value a bucket, in the distribution of that position.
    fn counts(position: usize, values: impl IntoIterator<Item = u64>) -> Vec<BucketCount> {
        let mut counts =
            values.into_iter().map(|value| (SpreadId::named(position).bucket(value), 1)).collect();
        combine(&mut counts);
        counts
    }

    #[test]
    fn packing_loses_nothing() {
        let mut all = counts(0, [0, 0, 7, 25_000, 25_001, 1 << 41]);
        all.extend(counts(6, [0, 7, 7, 7]));
        all.push((SpreadId::first_byte(NameId(u32::MAX - 1)).bucket(1 << 40), u64::MAX));
        let mut packer = Packer::default();
        pack(all.iter().copied(), &mut packer);
        let bytes = packer.finish();
        let mut unpacker = Unpacker::new(&bytes);
        assert_eq!(unpack(&mut unpacker).collect::<Vec<_>>(), all);
        assert!(unpacker.is_empty());
    }

    #[test]
    fn distributions_stay_apart() {
        let region = NameId(3);
        let buckets = [SpreadId::named(6), SpreadId::latency(region), SpreadId::first_byte(region)];
        let all: Vec<BucketCount> = buckets.iter().map(|spread| (spread.bucket(1 << 40), 5)).collect();
        assert!(all.is_sorted());
        for (spread, count) in buckets.iter().zip(&all) {
            assert_eq!(spread.of(&all), [*count]);
            assert_eq!(bucket_index(1 << 40), count.0.index());
        }
        assert_eq!(SpreadId::named(5).of(&all), []);
    }

    #[test]
    fn what_was_added_is_subtracted_to_the_last_byte() {
        let hours: Vec<_> =
            (0..50u64).map(|hour| counts(1, (0..40).map(|n| n * hour * 31 % 5_000))).collect();
        let mut buckets = Buckets::default();
        hours.iter().for_each(|hour| buckets.add(hour));
        let mut expected = hours.concat();
        combine(&mut expected);
        assert_eq!(buckets.counts(), expected);
        hours.iter().for_each(|hour| buckets.subtract(hour));
        assert_eq!(buckets.counts(), []);
        assert_eq!(buckets.held_bytes(), 0);
    }

    #[test]
    fn equal_hours_cost_what_one_and_a_half_cost() {
        let hour = counts(0, (0..1_000).map(|n| n * 17));
        let mut buckets = Buckets::default();
        for _ in 0..100 {
            buckets.add(&hour);
        }
        // A gap takes at most 2 bytes, a count below 128 takes one.
        assert!(buckets.held_bytes() <= 3 * hour.len() * 3 / 2 + LATEST_MIN);
    }

    #[test]
    #[should_panic(expected = "only buckets that were added are subtracted")]
    fn what_was_not_added_is_never_subtracted() {
        let mut buckets = Buckets::default();
        buckets.add(&counts(0, [1, 2]));
        buckets.subtract(&counts(0, [2, 2]));
    }
}
