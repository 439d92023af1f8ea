//! The loops that pass strings and bracketed values in blocks of 64 bytes, whatever finds the bytes of a block.
//!
//! In: JSON text, valid or not, and four ways to look at a block ([`Classes`]) that `simd` supplies. Out: where
//! a string or a value ends, and what was seen on the way. Always: the outcome is that of going byte by byte,
//! wherever blocks begin and however the text was cut. Absent: unsafe code, and any choice of instructions: the
//! loops are inlined into functions that were made for one instruction set each.

use super::lex::{Balance, DEPTH_MAX, StringEnd, opens_surrogate};

/// One bit a byte fills a word.
pub(super) const BLOCK_BYTES: usize = 64;

/// Consecutive bytes.
pub(super) type Block = [u8; BLOCK_BYTES];

/// The bytes that matter in a string; bit i stands for byte i.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TextMasks {
    pub(super) quotes: u64,
    pub(super) backslashes: u64,
    /// Bytes of characters beyond ASCII.
    pub(super) beyond_ascii: u64,
}

/// The brackets of both kinds; bit i stands for byte i.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct BracketMasks {
    pub(super) opening: u64,
    pub(super) closing: u64,
}

/// What one instruction set does with a block.
pub(super) struct Classes<Text, Brackets, LettersU, PrefixXor> {
    pub(super) text: Text,
    pub(super) brackets: Brackets,
    /// Where a block has the letter `u`.
    pub(super) letters_u: LettersU,
    /// Each bit is the parity of the bits up to it.
    pub(super) prefix_xor: PrefixXor,
}

/// Depths up to here are not counted exactly: a bound that is no higher will do, since what stands around a
/// value is never as deep as the other half of [`DEPTH_MAX`].
const DEPTH_LOOSE: u64 = DEPTH_MAX as u64 / 2;

/// The end of the string whose content, unescaped so far, continues at `from`.
#[inline(always)]
pub(super) fn string_end<T, B, U, X>(
    bytes: &[u8],
    from: usize,
    classes: &Classes<T, B, U, X>,
) -> Option<StringEnd>
where
    T: Fn(&Block) -> TextMasks,
    U: Fn(&Block) -> u64,
{
    let mut end = StringEnd { after: from, ..StringEnd::default() };
    let mut carry = 0;
    let (blocks, tail) = bytes.get(from..)?.as_chunks();
    for block in blocks {
        if string_block(bytes, block, &mut end, &mut carry, classes) {
            return Some(end);
        }
        end.after += BLOCK_BYTES;
    }
    let ends = !tail.is_empty() && string_block(bytes, &padded(tail), &mut end, &mut carry, classes);
    ends.then_some(end)
}

/// Looks for the end of a string in the block at `end.after`; whether it is there.
#[inline(always)]
fn string_block<T, B, U, X>(
    bytes: &[u8],
    block: &Block,
    end: &mut StringEnd,
    carry: &mut u64,
    classes: &Classes<T, B, U, X>,
) -> bool
where
    T: Fn(&Block) -> TextMasks,
    U: Fn(&Block) -> u64,
{
    let text = (classes.text)(block);
    end.beyond_ascii |= text.beyond_ascii != 0;
    if text.quotes | text.backslashes == 0 {
        *carry = 0;
        return false;
    }
    let escapes = Escapes::of(text.backslashes, *carry);
    *carry = escapes.carry;
    let quotes = text.quotes & !escapes.escaped;
    let inside = below_lowest(quotes);
    end.escapes |= text.backslashes & inside != 0;
    if escapes.starts & inside != 0 {
        end.surrogates |= has_surrogate(bytes, end.after, block, escapes.starts & inside, classes);
    }
    if quotes == 0 {
        return false;
    }
    end.after += quotes.trailing_zeros() as usize + 1;
    true
}

/// Follows strings and brackets through `bytes`; see [`Balance::advance`].
#[inline(always)]
pub(super) fn balance<T, B, U, X>(
    balance: &mut Balance,
    bytes: &[u8],
    classes: &Classes<T, B, U, X>,
) -> Option<usize>
where
    T: Fn(&Block) -> TextMasks,
    B: Fn(&Block) -> BracketMasks,
    U: Fn(&Block) -> u64,
    X: Fn(u64) -> u64,
{
    let mut walk = Walk::of(balance);
    let mut end = None;
    let (blocks, tail) = bytes.as_chunks();
    let mut at = 0;
    for block in blocks {
        end = walk.block(bytes, at, block, BLOCK_BYTES, classes);
        if end.is_some() {
            break;
        }
        at += BLOCK_BYTES;
    }
    if end.is_none() && !tail.is_empty() {
        end = walk.block(bytes, at, &padded(tail), tail.len(), classes);
    }
    walk.store(balance);
    end
}

/// A [`Balance`] in the form in which a loop keeps it in registers.
#[derive(Clone, Copy)]
struct Walk {
    depth: u64,
    depth_max: u64,
    /// All bits set inside of a string, else none.
    in_string: u64,
    /// 1 if the next byte is escaped, else 0.
    carry: u64,
    beyond_ascii: u64,
    surrogates: bool,
}

impl Walk {
    #[inline(always)]
    fn of(balance: &Balance) -> Self {
        Walk {
            depth: balance.depth,
            depth_max: balance.depth_max,
            in_string: if balance.in_string { u64::MAX } else { 0 },
            carry: u64::from(balance.escaped),
            beyond_ascii: u64::from(balance.beyond_ascii),
            surrogates: balance.surrogates,
        }
    }

    #[inline(always)]
    fn store(&self, balance: &mut Balance) {
        *balance = Balance {
            depth: self.depth,
            depth_max: self.depth_max,
            in_string: self.in_string != 0,
            escaped: self.carry != 0,
            beyond_ascii: self.beyond_ascii != 0,
            surrogates: self.surrogates,
        };
    }

    /// Takes `length` bytes, which stand at `at` and, followed by blanks if they are fewer, in `block`. The index
    /// after the value, if that ends here.
    #[inline(always)]
    fn block<T, B, U, X>(
        &mut self,
        bytes: &[u8],
        at: usize,
        block: &Block,
        length: usize,
        classes: &Classes<T, B, U, X>,
    ) -> Option<usize>
    where
        T: Fn(&Block) -> TextMasks,
        B: Fn(&Block) -> BracketMasks,
        U: Fn(&Block) -> u64,
        X: Fn(u64) -> u64,
    {
        let text = (classes.text)(block);
        self.beyond_ascii |= text.beyond_ascii;
        // Most blocks are the middle of a text.
        if self.in_string != 0 && text.quotes | text.backslashes == 0 {
            self.carry = 0;
            return None;
        }
        let escapes = Escapes::of(text.backslashes, self.carry);
        let quotes = text.quotes & !escapes.escaped;
        // From each opening quote to just before the closing one.
        let inside = (classes.prefix_xor)(quotes) ^ self.in_string;
        // Outside of strings a backslash is not JSON, and escapes nothing. The first such is found here: up to
        // it, all was understood.
        if text.backslashes & !inside != 0 {
            let (walk, end) = self.bytes(bytes, at, length);
            *self = walk;
            return end;
        }
        let brackets = (classes.brackets)(block);
        let opening = brackets.opening & !inside;
        let closing = brackets.closing & !inside;
        let openings = u64::from(opening.count_ones());
        let closings = u64::from(closing.count_ones());
        let mut end = None;
        if closings < self.depth && self.depth + openings <= DEPTH_LOOSE {
            self.depth_max = self.depth_max.max(self.depth + openings);
            self.depth = self.depth + openings - closings;
        } else {
            end = self.marks(quotes, opening, closing);
        }
        self.in_string = if inside >> (BLOCK_BYTES - 1) == 1 { u64::MAX } else { 0 };
        self.carry = escapes.escaped_at(length);
        let before_end = end.map_or(u64::MAX, below);
        if escapes.starts & before_end != 0 {
            self.surrogates |= has_surrogate(bytes, at, block, escapes.starts & before_end, classes);
        }
        end.map(|index| {
            self.in_string = 0;
            self.carry = 0;
            at + index as usize + 1
        })
    }

    /// Goes from mark to mark through a block in which the value may end or become too deep: unescaped quotes,
    /// and brackets outside of strings. The index of its last byte, if it ends.
    #[inline(always)]
    fn marks(&mut self, quotes: u64, opening: u64, closing: u64) -> Option<u32> {
        let mut brackets = opening | closing;
        if self.depth == 0 {
            // The value has not begun, or is a string.
            let (first, rest) = if self.in_string != 0 { (0, quotes) } else { split_lowest(quotes) };
            let bracket_first =
                brackets != 0 && (first == 0 || brackets.trailing_zeros() < first.trailing_zeros());
            if self.in_string != 0 || !bracket_first {
                return (rest != 0).then(|| rest.trailing_zeros());
            }
        }
        while brackets != 0 {
            let (bracket, rest) = split_lowest(brackets);
            brackets = rest;
            if opening & bracket != 0 {
                self.open();
            } else if self.close() {
                return Some(bracket.trailing_zeros());
            }
        }
        None
    }

    /// Takes `length` bytes at `at` one by one. The index after the value, if that ends here.
    ///
    /// By value, since what a call can reach does not stay in registers.
    #[cold]
    #[inline(never)]
    fn bytes(mut self, bytes: &[u8], at: usize, length: usize) -> (Self, Option<usize>) {
        for (index, &byte) in bytes.iter().enumerate().skip(at).take(length) {
            if self.in_string != 0 {
                if self.carry != 0 {
                    self.carry = 0;
                } else if byte == b'\\' {
                    self.surrogates |= opens_surrogate(&bytes[index..]);
                    self.carry = 1;
                } else if byte == b'"' {
                    self.in_string = 0;
                    if self.depth == 0 {
                        return (self, Some(index + 1));
                    }
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = u64::MAX,
                b'{' | b'[' => self.open(),
                b'}' | b']' if self.close() => return (self, Some(index + 1)),
                _ => {}
            }
        }
        (self, None)
    }

    #[inline(always)]
    fn open(&mut self) {
        self.depth += 1;
        self.depth_max = self.depth_max.max(self.depth);
    }

    /// Whether the value ends with this bracket.
    #[inline(always)]
    fn close(&mut self) -> bool {
        self.depth = self.depth.saturating_sub(1);
        self.depth == 0
    }
}

/// The escapes of a block.
struct Escapes {
    /// Backslashes that begin an escape.
    starts: u64,
    /// Bytes that such a backslash precedes.
    escaped: u64,
    /// 1 if the byte after the block is escaped, else 0.
    carry: u64,
}

impl Escapes {
    /// Tells the backslashes that escape from those that are escaped; `carry` is 1 if the first byte is escaped.
    ///
    /// In a run of backslashes every other one escapes, beginning with the first. A run and the bits above it
    /// alternate so by themselves where it begins on one parity; where it begins on the other, the borrow of the
    /// subtraction runs through it and flips them. The arithmetic is simdjson's (`json_escape_scanner`).
    #[inline(always)]
    fn of(backslashes: u64, carry: u64) -> Self {
        const ODD_BITS: u64 = 0xAAAA_AAAA_AAAA_AAAA;
        if backslashes == 0 {
            return Escapes { starts: 0, escaped: carry, carry: 0 };
        }
        let first_bits = backslashes & !carry;
        let after = (first_bits << 1) | ODD_BITS;
        let starts_and_ends = after.wrapping_sub(first_bits) ^ ODD_BITS;
        let starts = starts_and_ends & backslashes;
        Escapes {
            starts,
            escaped: starts_and_ends ^ (backslashes | carry),
            carry: starts >> (BLOCK_BYTES - 1),
        }
    }

    /// 1 if the byte at this index of the block, or the first after it, is escaped, else 0.
    #[inline(always)]
    fn escaped_at(&self, index: usize) -> u64 {
        if index == BLOCK_BYTES { self.carry } else { self.escaped >> index & 1 }
    }
}

/// Whether one of the escapes that start at the bits of `starts`, in the block at `at`, is `\ud…`.
#[inline(always)]
fn has_surrogate<T, B, U, X>(
    bytes: &[u8],
    at: usize,
    block: &Block,
    starts: u64,
    classes: &Classes<T, B, U, X>,
) -> bool
where
    U: Fn(&Block) -> u64,
{
    // What follows the last byte of the block is looked up below.
    let mut candidates = starts & ((classes.letters_u)(block) >> 1 | 1 << (BLOCK_BYTES - 1));
    let mut found = false;
    while candidates != 0 {
        found |= opens_surrogate(&bytes[at + candidates.trailing_zeros() as usize..]);
        candidates = split_lowest(candidates).1;
    }
    found
}

/// The last bytes of a text, with blanks up to the length of a block.
#[inline(always)]
fn padded(tail: &[u8]) -> Block {
    let mut block = [b' '; BLOCK_BYTES];
    block[..tail.len()].copy_from_slice(tail);
    block
}

/// The lowest bit, and all others.
#[inline(always)]
fn split_lowest(bits: u64) -> (u64, u64) {
    let rest = bits & bits.wrapping_sub(1);
    (bits ^ rest, rest)
}

/// The bits below the lowest one that is set; all where none is.
#[inline(always)]
fn below_lowest(bits: u64) -> u64 {
    bits.wrapping_sub(1) & !bits
}

/// The bits below this one.
#[inline(always)]
fn below(index: u32) -> u64 {
    (1u64 << index).wrapping_sub(1)
}
