//! Per-request values as sparse counts: one fixed configuration, 3 significant digits over 1…2^40.
//!
//! In: tokens, milliseconds, bytes. Out: [`Distribution`]s, or nothing where nothing was seen. Always: count,
//! minimum, maximum and sum are exact; only percentiles are quantized, to the upper edge of their bucket.
//! Values below 2,048 have a bucket of their own; above that a bucket spans 2^(⌊log2 v⌋ − 10) values.
//! A group costs memory in proportion to what it saw: the 256 KiB of a dense histogram exist once, when asked.

use crate::buckets::BucketCount;
use crate::figures::Distribution;
use crate::packed::{Checker, Packer, Unpacker};
use crate::sums::{COUNT_MAX, SUM_MAX};

/// Values up to here have a bucket; what is larger counts in the last one (its maximum and sum stay exact).
/// Tokens cannot be larger (the decoder's own limit); a body or a latency of 2^40 is past any real one.
pub(crate) const VALUE_MAX: u64 = 1 << 40;

/// Buckets per power of two above the exact part: what 3 significant digits need.
const HALF: u64 = 1 << 10;

/// How many buckets there are: one more than the number of the last, that of 2^40.
pub(crate) const BUCKETS: u16 = 30 * HALF as u16 + HALF as u16 + 1;

/// The number of the bucket that holds a value; buckets are numbered without holes from 0.
#[must_use]
pub(crate) fn bucket_index(value: u64) -> u16 {
    let value = value.min(VALUE_MAX);
    // The exponent of the bucket's width: 0 below 2,048, then one more with every power of two.
    let width_log2 = u64::from((value | HALF).ilog2()) - u64::from(HALF.ilog2());
    // At most 30 × 1,024 + 1,024: the bucket of 2^40.
    (width_log2 * HALF + (value >> width_log2)) as u16
}

/// The smallest value of a bucket: what hdrhistogram calls the lowest equivalent value.
#[must_use]
pub(crate) fn bucket_lowest(index: u16) -> u64 {
    let index = u64::from(index);
    if index < 2 * HALF {
        return index;
    }
    let width_log2 = index / HALF - 1;
    (index % HALF + HALF) << width_log2
}

/// What is known exactly of the values of one kind in one group.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Extent {
    pub(crate) count: u64,
    pub(crate) min: u64,
    pub(crate) max: u64,
    pub(crate) sum: u128,
}

impl Extent {
    /// Adds one value.
    pub(crate) fn record(&mut self, value: u64) {
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = self.max.max(value);
        self.count += 1;
        self.sum += u128::from(value);
    }

    /// Adds all values of `other`.
    pub(crate) fn merge(&mut self, other: &Extent) {
        if other.count == 0 {
            return;
        }
        self.min = if self.count == 0 { other.min } else { self.min.min(other.min) };
        self.max = self.max.max(other.max);
        self.count += other.count;
        self.sum += other.sum;
    }

    /// Writes the four numbers.
    pub(crate) fn pack(&self, packer: &mut Packer) {
        packer.count(self.count);
        if self.count > 0 {
            packer.count(self.min);
            packer.count(self.max - self.min);
            packer.sum(self.sum);
        }
    }

    /// Whether [`Extent::pack`] can have written what comes next.
    pub(crate) fn check(checker: &mut Checker<'_>) -> Option<()> {
        if checker.count_to(COUNT_MAX)? > 0 {
            checker.count()?.checked_add(checker.count()?)?;
            checker.sum().filter(|&sum| sum <= SUM_MAX)?;
        }
        Some(())
    }

    /// Adds the values that [`Extent::pack`] wrote.
    pub(crate) fn absorb(&mut self, unpacker: &mut Unpacker<'_>) {
        let count = unpacker.count();
        if count > 0 {
            let min = unpacker.count();
            let max = min + unpacker.count();
            self.merge(&Extent { count, min, max, sum: unpacker.sum() });
        }
    }
}

/// The rank of a percentile given in thousandths: ⌈q·n⌉, counted from 1. In integers, since the nearest float
/// of 0.999 is not 0.999.
#[must_use]
pub(crate) fn nearest_rank(thousandths: u64, count: u64) -> u64 {
    // At most `count`, since thousandths are at most 1,000.
    (u128::from(count) * u128::from(thousandths)).div_ceil(1_000) as u64
}

/// The one histogram of the program, to be asked.
pub(crate) struct Histogram {
    /// Gives the buckets their upper edges. Counts are walked in their sparse form: filling and clearing 256 KiB
    /// for each of thousands of small groups would take longer than reading them.
    scale: hdrhistogram::Histogram<u64>,
}

impl Histogram {
    /// Makes the one configuration.
    pub(crate) fn new() -> Self {
        let scale = hdrhistogram::Histogram::new_with_bounds(1, VALUE_MAX, 3);
        Histogram { scale: scale.expect("1 … 2^40 at 3 digits is a valid configuration") }
    }

    /// The figures of what was seen, given its buckets in ascending order; `None` where that is nothing.
    pub(crate) fn distribution(&self, extent: &Extent, buckets: &[BucketCount]) -> Option<Distribution> {
        if extent.count == 0 {
            return None;
        }
        let percentile = |thousandths| {
            let rank = nearest_rank(thousandths, extent.count);
            let mut seen = 0;
            for &(bucket, count) in buckets {
                seen += count;
                if seen >= rank {
                    return self.scale.highest_equivalent(bucket_lowest(bucket.index())).min(extent.max);
                }
            }
            extent.max
        };
        Some(Distribution {
            count: extent.count,
            min: extent.min,
            max: extent.max,
            sum: extent.sum,
            p50: percentile(500),
            p90: percentile(900),
            p95: percentile(950),
            p99: percentile(990),
            p999: percentile(999),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buckets::{SpreadId, combine};

    /// Both sides of every width change, the powers of two around them, and the bucket that holds 25,000.
    fn edge_values() -> Vec<u64> {
        let mut values = vec![0, 1, 2, 1_000, 24_991, 24_992, 25_000, 25_001, 25_007, 25_008];
        for exponent in 1..=40 {
            let power = 1u64 << exponent;
            values.extend([power - 1, power, power + 1, power + power / 2]);
        }
        values.retain(|&value| value <= VALUE_MAX);
        values
    }

    fn recorded_values(values: &[u64]) -> (Extent, Vec<BucketCount>) {
        let mut extent = Extent::default();
        values.iter().for_each(|&value| extent.record(value));
        let mut buckets =
            values.iter().map(|&value| (SpreadId::named(0).bucket(bucket_index(value)), 1)).collect();
        combine(&mut buckets);
        (extent, buckets)
    }

    #[test]
    fn f28_buckets_are_those_of_hdrhistogram() {
        let scale = Histogram::new().scale;
        for value in edge_values() {
            let lowest = bucket_lowest(bucket_index(value));
            assert_eq!(lowest, scale.lowest_equivalent(value), "{value}");
            assert_eq!(bucket_index(lowest), bucket_index(value), "{value}");
        }
        assert_eq!(bucket_lowest(bucket_index(25_007)), 24_992);
        assert_eq!(bucket_lowest(bucket_index(25_008)), 25_008);
        assert_eq!(scale.highest_equivalent(24_992), 25_007);
        assert_eq!(bucket_index(2_047) + 1, bucket_index(2_048));
        assert_eq!(bucket_index(u64::MAX) + 1, BUCKETS);
    }

    #[test]
    fn every_bucket_starts_where_the_one_before_ends() {
        let scale = Histogram::new().scale;
        for index in 0..bucket_index(VALUE_MAX) {
            assert_eq!(scale.highest_equivalent(bucket_lowest(index)) + 1, bucket_lowest(index + 1));
        }
    }

    #[test]
    fn f28_percentiles_are_those_of_a_walk_over_a_recorded_hdrhistogram() {
        let histogram = Histogram::new();
        let values = edge_values();
        for length in [1, 2, 3, 10, values.len()] {
            let (extent, buckets) = recorded_values(&values[..length]);
            let mut recorded = histogram.scale.clone();
            for &value in &values[..length] {
                recorded.record(value).expect("within the bounds");
            }
            let walk = |thousandths| {
                let rank = nearest_rank(thousandths, recorded.len());
                let mut seen = 0;
                for step in recorded.iter_recorded() {
                    seen += step.count_since_last_iteration();
                    if seen >= rank {
                        return recorded.highest_equivalent(step.value_iterated_to()).min(extent.max);
                    }
                }
                unreachable!("a rank is never above the count")
            };
            let found = histogram.distribution(&extent, &buckets).expect("not empty");
            let expected = [500, 900, 950, 990, 999].map(walk);
            assert_eq!([found.p50, found.p90, found.p95, found.p99, found.p999], expected);
        }
    }

    #[test]
    fn a_distribution_of_nothing_is_absent() {
        assert_eq!(Histogram::new().distribution(&Extent::default(), &[]), None);
    }

    #[test]
    fn values_past_the_scale_keep_their_maximum_and_sum() {
        let (extent, buckets) = recorded_values(&[1 << 53, 3]);
        let found = Histogram::new().distribution(&extent, &buckets).expect("not empty");
        assert_eq!((found.min, found.max, found.sum), (3, 1 << 53, (1 << 53) + 3));
        // All that is known of the value's place is that it is not below the last bucket.
        assert!(found.p99 >= VALUE_MAX && found.p99 <= found.max);
    }

    #[test]
    fn ranks_are_exact_where_floats_are_not() {
        // 0.999 × 1,000 is 999 exactly; in binary floating point the product can land above it.
        assert_eq!(nearest_rank(999, 1_000), 999);
        assert_eq!(nearest_rank(999, 1_001), 1_000);
        assert_eq!(nearest_rank(500, 1), 1);
        assert_eq!(nearest_rank(500, 2), 1);
        assert_eq!(nearest_rank(500, 3), 2);
        assert_eq!(nearest_rank(999, u64::MAX), u64::MAX - u64::MAX / 1_000);
    }

    #[test]
    fn packing_loses_nothing() {
        for values in [&[][..], &[0], &[7, 0, 1 << 41, 7]] {
            let (extent, _) = recorded_values(values);
            let mut packer = Packer::default();
            extent.pack(&mut packer);
            let mut absorbed = Extent::default();
            absorbed.absorb(&mut Unpacker::new(&packer.finish()));
            assert_eq!(absorbed, extent);
        }
    }
}
