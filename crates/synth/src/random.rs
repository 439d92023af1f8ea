//! The seeded generator behind every choice: xoshiro256++, filled by SplitMix64.
//!
//! Written out here so that a seed means the same dump for ever, whatever a library changes. No floats: the
//! same seed gives the same choices on every machine. Not for secrets.

/// xoshiro256++ (Blackman and Vigna, public domain).
pub(crate) struct Random {
    state: [u64; 4],
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // SplitMix64, the filling that the authors of xoshiro recommend.
        let mut mixed = seed;
        let state = std::array::from_fn(|_| {
            mixed = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = mixed;
            word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^ word >> 31
        });
        Random { state }
    }

    pub(crate) fn next(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let mut state = [a, b, c ^ a, d ^ b];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= b << 17;
        state[3] = state[3].rotate_left(45);
        self.state = state;
        result
    }

    /// A number in `0..bound`; 0 for a bound of 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in `low..=high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// A number in `low..=high` in which every octave is about as likely as the others.
    pub(crate) fn octaves(&mut self, low: u64, high: u64) -> u64 {
        let exponent = self.between(u64::from(low.max(1).ilog2()), u64::from(high.max(1).ilog2()));
        self.between(1 << exponent, (2 << exponent) - 1).clamp(low, high)
    }

    /// True in `share` of 1,000 cases.
    pub(crate) fn per_mille(&mut self, share: u32) -> bool {
        self.below(1_000) < u64::from(share)
    }

    /// An index into something of this length; 0 for an empty one.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// An index in proportion to its weight; the last one where all weigh nothing.
    pub(crate) fn weighted(&mut self, weights: impl Iterator<Item = u32> + Clone) -> usize {
        let mut left = self.below(weights.clone().map(u64::from).sum());
        let mut last = 0;
        for (index, weight) in weights.enumerate() {
            last = index;
            if left < u64::from(weight) {
                break;
            }
            left -= u64::from(weight);
        }
        last
    }

    /// 128 bits.
    pub(crate) fn wide(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_is_that_of_the_published_generator() {
        // The authors' C code, from the state 1, 2, 3, 4.
        let mut random = Random { state: [1, 2, 3, 4] };
        let first: Vec<u64> = (0..4).map(|_| random.next()).collect();
        assert_eq!(first, [41943041, 58720359, 3588806011781223, 3591011842654386]);
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        let mut random = Random::new(7);
        for _ in 0..10_000 {
            assert!(random.below(3) < 3);
            assert!((5..=9).contains(&random.between(5, 9)));
            assert!((1_000..=100_000).contains(&random.octaves(1_000, 100_000)));
            assert!(random.weighted([0, 4, 0].into_iter()) == 1);
        }
        assert_eq!(random.below(0), 0);
    }
}
