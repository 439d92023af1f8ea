//! Integers as bytes: the form in which a sealed hour keeps its groups.
//!
//! In: unsigned integers in an order both sides know. Out: seven bits a byte, low bits first, so that the
//! small numbers that sparse series are made of take one byte instead of eight. Always: one value has one
//! spelling, so equal contents are equal bytes. Absent: lengths, tags, versions.
//!
//! Bytes that were stored may come back damaged, or from somebody else: a [`Checker`] walks over them once, and what
//! it lets pass is safe to unpack.

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

    /// Writes a text with its length.
    pub fn text(&mut self, text: &str) {
        self.count(text.len() as u64);
        self.bytes(text.as_bytes());
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

/// Walks over packed integers that come from outside. Whatever is no spelling of a [`Packer`] is `None`: bytes that
/// end too early, integers too wide, and such as have a shorter spelling.
#[derive(Clone, Debug)]
pub struct Checker<'a> {
    bytes: &'a [u8],
}

impl<'a> Checker<'a> {
    /// Starts at the first integer.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Checker { bytes }
    }

    /// The next integer of at most 64 bits.
    pub fn count(&mut self) -> Option<u64> {
        let (&first, rest) = self.bytes.split_first()?;
        if first < 0x80 {
            self.bytes = rest;
            return Some(u64::from(first));
        }
        let mut value = u64::from(first & 0x7f);
        for (place, &byte) in rest.iter().enumerate().take(9) {
            // The tenth byte holds the last bit.
            if place == 8 && byte > 1 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << (7 * (place + 1));
            if byte < 0x80 {
                self.bytes = &rest[place + 1..];
                return (byte > 0).then_some(value);
            }
        }
        None
    }

    /// The next integer, which is at most so large.
    pub fn count_to(&mut self, most: u64) -> Option<u64> {
        self.count().filter(|&count| count <= most)
    }

    /// The next integer of at most 128 bits.
    pub fn sum(&mut self) -> Option<u128> {
        let mut value = 0u128;
        for (place, &byte) in self.bytes.iter().enumerate().take(19) {
            // The nineteenth byte holds the last two bits.
            if place == 18 && byte > 3 {
                return None;
            }
            value |= u128::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                self.bytes = &self.bytes[place + 1..];
                return (byte > 0 || place == 0).then_some(value);
            }
        }
        None
    }

    /// What [`Packer::sparse`] wrote for as many integers.
    pub fn sparse<const N: usize>(&mut self) -> Option<[u128; N]> {
        let present = self.count_to(if N < 64 { (1 << N) - 1 } else { u64::MAX })?;
        let mut values = [0; N];
        for (bit, value) in values.iter_mut().enumerate() {
            if present >> bit & 1 == 1 {
                *value = self.sum().filter(|&value| value > 0)?;
            }
        }
        Some(values)
    }

    /// So many bytes as they are.
    pub fn bytes(&mut self, length: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.bytes.split_at_checked(usize::try_from(length).ok()?)?;
        self.bytes = rest;
        Some(bytes)
    }

    /// A text that [`Packer::text`] wrote.
    pub fn text(&mut self) -> Option<&'a str> {
        let length = self.count()?;
        std::str::from_utf8(self.bytes(length)?).ok()
    }

    /// The bytes not yet walked over.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether all was walked over.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_checker_lets_pass_what_was_packed_and_nothing_else(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x80), Just(0xff), Just(0)], 0..24),
        ) {
            let mut checker = Checker::new(&bytes);
            if let Some(count) = checker.count() {
                let mut packer = Packer::default();
                packer.count(count);
                packer.bytes(checker.rest());
                prop_assert_eq!(packer.from(0), &bytes);
            }
            let mut checker = Checker::new(&bytes);
            if let Some(sum) = checker.sum() {
                let mut packer = Packer::default();
                packer.sum(sum);
                packer.bytes(checker.rest());
                prop_assert_eq!(packer.from(0), &bytes);
            }
            let mut checker = Checker::new(&bytes);
            if let Some(sparse) = checker.sparse::<5>() {
                let mut packer = Packer::default();
                packer.sparse(&sparse);
                packer.bytes(checker.rest());
                prop_assert_eq!(packer.from(0), &bytes);
            }
        }
    }

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
        let mut checker = Checker::new(&bytes);
        assert_eq!(counts.map(|_| checker.count()), counts.map(Some));
        assert_eq!(sums.map(|_| checker.sum()), sums.map(Some));
        assert_eq!(checker.sparse(), Some(few));
        assert_eq!(checker.bytes(3), None);
        assert_eq!(checker.rest(), [200, 201]);
    }
}
