//! The integers and names of a cube.
//!
//! In: numbers and texts. Out: bytes as `docs/cube.md` says. Always: whether any integer was too large for a page is
//! known in the end; a name has one number. Absent: what the numbers mean.

use rustc_hash::FxHashMap;

use super::INTEGER_MAX;
use crate::packed::Packer;

/// Writes integers, and remembers whether a page can count with all of them.
#[derive(Clone, Default, Debug)]
pub(super) struct Writer {
    packer: Packer,
    /// All bits of all integers.
    bits: u128,
}

impl Writer {
    /// Writes an integer.
    pub(super) fn number(&mut self, value: u64) {
        self.bits |= u128::from(value);
        self.packer.count(value);
    }

    /// Writes an integer that may be a large sum.
    pub(super) fn sum(&mut self, value: u128) {
        self.bits |= value;
        self.packer.sum(value);
    }

    /// Writes a signed integer: its sign goes to the low end.
    pub(super) fn signed(&mut self, value: i64) {
        self.number((value << 1 ^ value >> 63) as u64);
    }

    /// Writes how much larger a value is than another one, which may be a negative number.
    pub(super) fn difference(&mut self, value: u64, other: u64) {
        self.bits |= u128::from(value);
        // Where it does not fit, one of them is too large for a page.
        self.signed(value.wrapping_sub(other) as i64);
    }

    /// Remembers an integer that a page will add up itself.
    pub(super) fn expect(&mut self, value: u128) {
        self.bits |= value;
    }

    /// Writes what another writer wrote.
    pub(super) fn append(&mut self, other: Writer) {
        self.bits |= other.bits;
        self.packer.bytes(other.packer.from(0));
    }

    /// Whether a page can count with every integer.
    pub(super) fn is_exact(&self) -> bool {
        self.bits <= INTEGER_MAX
    }

    /// About how many bytes of a page what is written takes: compressed, and four characters for three bytes.
    ///
    /// DEFLATE gives each byte a code whose length follows from how often it occurs in a block. What it saves beside that
    /// by repetition is about a tenth here: columns of measured numbers hardly repeat.
    pub(super) fn page_bytes(&self) -> u64 {
        let coded = self.packer.from(0).chunks(BLOCK_BYTES).map(coded_bytes).sum::<u64>();
        coded * 9 / 10 * 4 / 3
    }

    /// The bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.packer.finish().into_vec()
    }
}

/// Bytes that have one set of codes, about.
const BLOCK_BYTES: usize = 1 << 15;

/// The bytes of a block where each takes as many bits as its frequency is worth, and those of its table of codes.
fn coded_bytes(block: &[u8]) -> u64 {
    let mut counts = [0u64; 256];
    block.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
    let seen = || counts.iter().copied().filter(|&count| count > 0);
    let whole = log2_256ths(block.len() as u64);
    let bits_256ths: u64 = seen().map(|count| count * (whole - log2_256ths(count))).sum();
    bits_256ths / (256 * 8) + seen().count() as u64 / 2
}

/// The binary logarithm of a number above 0 in 256ths, the part after the point by a straight line: at most 9 hundredths
/// too small, and for two numbers that are subtracted from each other less.
fn log2_256ths(value: u64) -> u64 {
    let whole = u64::from(value.ilog2());
    let after = (u128::from(value) << 8 >> whole) as u64 - 256;
    whole * 256 + after
}

/// The names of a cube, numbered as they come.
#[derive(Default)]
pub(super) struct NameTable {
    numbers: FxHashMap<Box<str>, u64>,
    names: Vec<String>,
}

impl NameTable {
    /// The reference to a name, new or known: one more than its index, 0 for no value.
    pub(super) fn refer(&mut self, text: Option<&str>) -> u64 {
        let Some(text) = text else { return 0 };
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        self.names.push(text.to_owned());
        let number = self.names.len() as u64;
        self.numbers.insert(text.into(), number);
        number
    }

    /// The reference to a name that is there; 0 for no value.
    pub(super) fn known(&self, text: Option<&str>) -> u64 {
        text.and_then(|text| self.numbers.get(text).copied()).unwrap_or(0)
    }

    /// About how many bytes of a page the names take.
    pub(super) fn page_bytes(&self) -> u64 {
        // Many are ARNs and ids that begin alike.
        self.names.iter().map(|name| name.len() as u64 / 2 + 2).sum()
    }

    pub(super) fn into_names(self) -> Vec<String> {
        self.names
    }
}
