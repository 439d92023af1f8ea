//! Places by small numbers, of which few are touched: added to in any order, taken out in ascending order.
//!
//! In: an index below a fixed length. Out: what was put at each touched place, ascending. Always: putting costs a
//! store and two bits, taking out costs what was touched, and afterwards all is as new, in the same memory.
//! Absent: hashing and sorting, which is what this is for: both cost more than the adding itself.

/// Places for values of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Dense<T> {
    length: usize,
    /// Made at the first use: many hours are open at a time only where they are small.
    values: Box<[T]>,
    /// A bit for each touched place.
    touched: Box<[u64]>,
    /// A bit for each word of `touched` that has one.
    touched_words: Box<[u64]>,
}

impl<T: Copy + Default> Dense<T> {
    /// So many places; no memory until the first of them is touched.
    pub(crate) fn new(length: usize) -> Self {
        Dense { length, values: Box::default(), touched: Box::default(), touched_words: Box::default() }
    }

    /// Makes the places; to be called before any is touched.
    pub(crate) fn prepare(&mut self) {
        if self.values.is_empty() {
            let words = self.length.div_ceil(64);
            self.values = vec![T::default(); self.length].into_boxed_slice();
            self.touched = vec![0; words].into_boxed_slice();
            self.touched_words = vec![0; words.div_ceil(64)].into_boxed_slice();
        }
    }

    /// The place of this index, touched.
    ///
    /// # Panics
    /// On an index that is not below the length, or before [`Dense::prepare`].
    pub(crate) fn place(&mut self, index: u16) -> &mut T {
        let index = usize::from(index);
        self.touched[index / 64] |= 1 << (index % 64);
        self.touched_words[index / 4_096] |= 1 << (index / 64 % 64);
        &mut self.values[index]
    }

    /// Takes out all touched places, ascending.
    pub(crate) fn drain(&mut self, mut take: impl FnMut(u16, T)) {
        for (first, words) in self.touched_words.iter_mut().enumerate() {
            while *words != 0 {
                let word = first * 64 + words.trailing_zeros() as usize;
                *words &= *words - 1;
                let mut bits = std::mem::take(&mut self.touched[word]);
                while bits != 0 {
                    let index = word * 64 + bits.trailing_zeros() as usize;
                    bits &= bits - 1;
                    // An index came in as a u16.
                    take(index as u16, std::mem::take(&mut self.values[index]));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_touched_comes_out_ascending_and_once() {
        let mut dense = Dense::new(10_000);
        let taken = |dense: &mut Dense<u64>| {
            let mut taken = Vec::new();
            dense.drain(|index, value| taken.push((index, value)));
            taken
        };
        assert_eq!(taken(&mut dense), []);
        dense.prepare();
        for index in [9_999, 64, 0, 63, 4_096, 64, 9_999, 4_095] {
            *dense.place(index) += 1;
        }
        assert_eq!(taken(&mut dense), [(0, 1), (63, 1), (64, 2), (4_095, 1), (4_096, 1), (9_999, 2)]);
        *dense.place(64) += 7;
        assert_eq!(taken(&mut dense), [(64, 7)], "nothing is left of before");
    }
}
