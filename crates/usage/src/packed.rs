//! Integers as bytes: the form in which a sealed hour keeps its groups.
//!
//! In: unsigned integers in an order both sides know. Out: seven bits a byte, low bits first, so that the
//! small numbers that sparse series are made of take one byte instead of eight. Always: one value has one
//! spelling, so equal contents are equal bytes. Absent: lengths, tags, versions; bytes never come from outside.

/// Writes integers.
#[derive(Default)]
pub(crate) struct Packer {
    bytes: Vec<u8>,
}

impl Packer {
    /// Writes one integer of at most 64 bits.
    pub(crate) fn count(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Writes one integer of at most 128 bits; a small one has the spelling that [`Packer::count`] gives it.
    pub(crate) fn sum(&mut self, mut value: u128) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// The bytes written.
    pub(crate) fn finish(self) -> Box<[u8]> {
        self.bytes.into_boxed_slice()
    }
}

/// Reads integers in the order they were written.
///
/// Reading past the end, or a value wider than asked for, panics: the bytes are our own, so that is our bug.
pub(crate) struct Unpacker<'a> {
    bytes: &'a [u8],
}

impl<'a> Unpacker<'a> {
    /// Starts at the first integer.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Unpacker { bytes }
    }

    /// Reads an integer of at most 64 bits.
    pub(crate) fn count(&mut self) -> u64 {
        let mut value = 0;
        let mut shift = 0;
        loop {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value;
            }
            shift += 7;
        }
    }

    /// Reads an integer of at most 128 bits.
    pub(crate) fn sum(&mut self) -> u128 {
        let mut value = 0;
        let mut shift = 0;
        loop {
            let byte = self.byte();
            value |= u128::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value;
            }
            shift += 7;
        }
    }

    fn byte(&mut self) -> u8 {
        let (&first, rest) =
            self.bytes.split_first().expect("sealed bytes end where they were written to end");
        self.bytes = rest;
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        let counts = [0, 1, 127, 128, 16_383, 16_384, 1 << 40, u64::MAX];
        let sums = [0, u128::from(u64::MAX) + 1, u128::MAX];
        let mut packer = Packer::default();
        counts.iter().for_each(|&count| packer.count(count));
        sums.iter().for_each(|&sum| packer.sum(sum));
        let bytes = packer.finish();
        let mut unpacker = Unpacker::new(&bytes);
        assert_eq!(counts.map(|_| unpacker.count()), counts);
        assert_eq!(sums.map(|_| unpacker.sum()), sums);
        assert!(unpacker.bytes.is_empty());
    }
}
