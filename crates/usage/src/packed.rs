//! Integers as bytes: the form in which a sealed hour keeps its groups.
//!
//! In: unsigned integers in an order both sides know. Out: seven bits a byte, low bits first, so that the
//! small numbers that sparse series are made of take one byte instead of eight. Always: one value has one
//! spelling, so equal contents are equal bytes. Absent: lengths, tags, versions; bytes never come from outside.

/// Writes integers.
#[derive(Clone, Default, Debug)]
pub struct Packer {
    bytes: Vec<u8>,
}

impl Packer {
    /// Writes one integer of at most 64 bits.
    pub fn count(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Writes one integer of at most 128 bits; a small one has the spelling that [`Packer::count`] gives it.
    pub fn sum(&mut self, mut value: u128) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Writes up to 64 integers of which most may be 0: a bit for each, then those that are not.
    pub fn sparse(&mut self, values: &[u128]) {
        let present = values.iter().rev().fold(0, |bits, &value| bits << 1 | u64::from(value > 0));
        self.count(present);
        values.iter().filter(|&&value| value > 0).for_each(|&value| self.sum(value));
    }

    /// Writes bytes that were packed before.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// How many bytes are written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes written from a place on, which [`Packer::len`] told before.
    #[must_use]
    pub fn from(&self, place: usize) -> &[u8] {
        &self.bytes[place..]
    }

    /// Starts again, in the same memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// The bytes written.
    pub fn finish(self) -> Box<[u8]> {
        self.bytes.into_boxed_slice()
    }
}

/// Reads integers in the order they were written.
///
/// Reading past the end, or a value wider than asked for, panics: the bytes are our own, so that is our bug.
#[derive(Debug)]
pub struct Unpacker<'a> {
    bytes: &'a [u8],
}

impl<'a> Unpacker<'a> {
    /// Starts at the first integer.
    pub fn new(bytes: &'a [u8]) -> Self {
        Unpacker { bytes }
    }

    /// Reads an integer of at most 64 bits.
    pub fn count(&mut self) -> u64 {
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
    pub fn sum(&mut self) -> u128 {
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

    /// Reads what [`Packer::sparse`] wrote for as many integers.
    pub fn sparse<const N: usize>(&mut self) -> [u128; N] {
        let present = self.count();
        std::array::from_fn(|bit| if present >> bit & 1 == 1 { self.sum() } else { 0 })
    }

    /// Reads so many bytes as they are.
    pub fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (bytes, rest) =
            self.bytes.split_at_checked(length).expect("sealed bytes end where they were written to end");
        self.bytes = rest;
        bytes
    }

    /// The bytes not yet read.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether all was read.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
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
        let few = [0, 5, 0, u128::MAX, 0];
        packer.sparse(&few);
        packer.bytes(&[200, 201]);
        let bytes = packer.finish();
        let mut unpacker = Unpacker::new(&bytes);
        assert_eq!(counts.map(|_| unpacker.count()), counts);
        assert_eq!(sums.map(|_| unpacker.sum()), sums);
        assert_eq!(unpacker.sparse(), few);
        assert_eq!(unpacker.rest(), [200, 201]);
        assert_eq!(unpacker.bytes(2), [200, 201]);
        assert!(unpacker.is_empty());
    }
}
