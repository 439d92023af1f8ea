//! Blocks of 64 bytes by the vector instructions of the machine: with `inflate` the only place of unsafe code.
//!
//! In: JSON text, valid or not. Out: where strings and values end, by the loops of `blocks`. Always: every
//! [`Backend`] gives the same outcome (held to a plain model by `skip_laws`, also under Miri and the fuzz target
//! `skip`); no byte outside of a slice is read, since loads take references to whole blocks. Absent: decisions
//! about JSON.
//!
//! `unsafe` stands here for two reasons only: a load from a reference to an array of the vector's length, and
//! the call of a function that was compiled for instructions which the backend stands for.
#![allow(unsafe_code)]

use std::sync::OnceLock;

use super::blocks::{self, Block, BracketMasks, Classes, TextMasks};
use super::lex::{Balance, StringEnd};

/// Instructions that this machine has: whoever holds one may run what was compiled for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Backend(Kind);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Sse2,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    Neon,
}

impl Kind {
    /// All kinds of this architecture, the slowest first.
    const ALL: &[Kind] = &[
        Kind::Portable,
        #[cfg(target_arch = "x86_64")]
        Kind::Sse2,
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2,
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512,
        #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
        Kind::Neon,
    ];

    /// Whether this machine has what the `target_feature` of this kind's functions says.
    fn is_available(self) -> bool {
        match self {
            Kind::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Kind::Sse2 => cfg!(target_feature = "sse2"),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => is_x86_feature_detected!("avx2") && has_bit_instructions(),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && has_bit_instructions()
            }
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Kind::Neon => cfg!(target_feature = "neon"),
        }
    }
}

/// What the loops over masks want beside vectors; every processor with AVX2 has them.
#[cfg(target_arch = "x86_64")]
fn has_bit_instructions() -> bool {
    is_x86_feature_detected!("pclmulqdq")
        && is_x86_feature_detected!("popcnt")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
}

impl Backend {
    /// The fastest of this machine.
    #[inline]
    pub(super) fn best() -> Self {
        static BEST: OnceLock<Backend> = OnceLock::new();
        *BEST.get_or_init(|| Backend::available().last().unwrap_or(Backend(Kind::Portable)))
    }

    /// All of this machine, the slowest first.
    pub(super) fn available() -> impl DoubleEndedIterator<Item = Self> {
        Kind::ALL.iter().copied().filter(|kind| kind.is_available()).map(Backend)
    }

    /// See [`super::lex::string_end`].
    #[inline]
    pub(super) fn string_end(self, bytes: &[u8], from: usize) -> Option<StringEnd> {
        match self.0 {
            Kind::Portable => portable::string_end(bytes, from),
            // SAFETY: a `Backend` is made for nothing but a kind whose instructions were found on this machine.
            #[cfg(target_arch = "x86_64")]
            Kind::Sse2 => unsafe { sse2::string_end(bytes, from) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { avx2::string_end(bytes, from) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { avx512::string_end(bytes, from) },
            // SAFETY: as above.
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Kind::Neon => unsafe { neon::string_end(bytes, from) },
        }
    }

    /// See [`Balance::advance`].
    #[inline]
    pub(super) fn balance(self, balance: &mut Balance, bytes: &[u8]) -> Option<usize> {
        match self.0 {
            Kind::Portable => portable::balance(balance, bytes),
            // SAFETY: a `Backend` is made for nothing but a kind whose instructions were found on this machine.
            #[cfg(target_arch = "x86_64")]
            Kind::Sse2 => unsafe { sse2::balance(balance, bytes) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { avx2::balance(balance, bytes) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { avx512::balance(balance, bytes) },
            // SAFETY: as above.
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Kind::Neon => unsafe { neon::balance(balance, bytes) },
        }
    }
}

/// How many bytes [`near_text`] takes.
pub(super) const NEAR_BYTES: usize = 32;

/// Quotes and backslashes as the bits of one word, and whether there are bytes beyond ASCII: for what is so
/// short that it is best looked at where it is called for, with the instructions that every machine has.
#[inline(always)]
pub(super) fn near_text(bytes: &[u8; NEAR_BYTES]) -> (u32, bool) {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    // SAFETY: the whole program is compiled for machines with SSE2.
    unsafe {
        sse2::near_text(bytes)
    }
    #[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
    {
        portable::near_text(bytes)
    }
}

/// Makes the two loops for the instructions of one module, which has the four functions of [`Classes`].
macro_rules! loops {
    ($($features:literal)?) => {
        $(#[target_feature(enable = $features)])?
        pub(super) fn string_end(bytes: &[u8], from: usize) -> Option<StringEnd> {
            // Closures, since they inherit the features of the function around them.
            let classes = Classes {
                text: |block: &Block| text(block),
                brackets: (),
                letters_u: |block: &Block| letters_u(block),
                prefix_xor: (),
            };
            blocks::string_end(bytes, from, &classes)
        }

        $(#[target_feature(enable = $features)])?
        pub(super) fn balance(balance: &mut Balance, bytes: &[u8]) -> Option<usize> {
            let classes = Classes {
                text: |block: &Block| text(block),
                brackets: |block: &Block| brackets(block),
                letters_u: |block: &Block| letters_u(block),
                prefix_xor: |bits: u64| prefix_xor(bits),
            };
            blocks::balance(balance, bytes, &classes)
        }
    };
}

/// `{` and `[` differ in this bit alone, and so do `}` and `]`; no other byte becomes one of them.
const BRACKET_FOLD: u8 = 0x20;

/// Words of eight bytes: what every machine can do.
mod portable {
    use super::{
        BRACKET_FOLD, Balance, Block, BracketMasks, Classes, NEAR_BYTES, StringEnd, TextMasks, blocks,
    };

    loops!();

    const EVERY_BYTE: u64 = 0x0101_0101_0101_0101;
    const HIGH_BITS: u64 = EVERY_BYTE << 7;

    #[inline]
    fn text(block: &Block) -> TextMasks {
        TextMasks {
            quotes: mask(block, |word| equal(word, b'"')),
            backslashes: mask(block, |word| equal(word, b'\\')),
            beyond_ascii: mask(block, |word| word & HIGH_BITS),
        }
    }

    #[inline]
    fn brackets(block: &Block) -> BracketMasks {
        let fold = EVERY_BYTE * u64::from(BRACKET_FOLD);
        BracketMasks {
            opening: mask(block, |word| equal(word | fold, b'{')),
            closing: mask(block, |word| equal(word | fold, b'}')),
        }
    }

    #[inline]
    fn letters_u(block: &Block) -> u64 {
        mask(block, |word| equal(word, b'u'))
    }

    #[inline]
    fn prefix_xor(mut bits: u64) -> u64 {
        for shift in [1, 2, 4, 8, 16, 32] {
            bits ^= bits << shift;
        }
        bits
    }

    #[allow(dead_code, reason = "where SSE2 is not the least that a machine has")]
    pub(super) fn near_text(bytes: &[u8; NEAR_BYTES]) -> (u32, bool) {
        let hits = mask(bytes, |word| equal(word, b'"') | equal(word, b'\\'));
        (hits as u32, !bytes.is_ascii())
    }

    /// The high bit of each byte of `word` that equals `byte`. No carry leaves a byte, so that all are exact.
    #[inline]
    fn equal(word: u64, byte: u8) -> u64 {
        let difference = word ^ (EVERY_BYTE * u64::from(byte));
        !((difference & !HIGH_BITS).wrapping_add(!HIGH_BITS) | difference) & HIGH_BITS
    }

    /// The high bits that `marks` leaves of each word, side by side.
    #[inline]
    fn mask(bytes: &[u8], marks: impl Fn(u64) -> u64) -> u64 {
        // Moves bit 8i to bit 56 + i.
        const GATHER: u64 = 0x0102_0408_1020_4080;
        let (words, _) = bytes.as_chunks();
        let marks = |&word: &[u8; 8]| marks(u64::from_le_bytes(word));
        // Nearly always there are none, which is told sooner than where they are.
        if words.iter().fold(0, |any, word| any | marks(word)) == 0 {
            return 0;
        }
        words.iter().enumerate().fold(0, |mask, (index, word)| {
            mask | (marks(word) >> 7).wrapping_mul(GATHER) >> 56 << (8 * index)
        })
    }
}

/// What every 64-bit x86 has.
#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };

    use super::{
        BRACKET_FOLD, Balance, Block, BracketMasks, Classes, NEAR_BYTES, StringEnd, TextMasks, blocks,
    };

    loops!("sse2");

    #[target_feature(enable = "sse2")]
    #[inline]
    fn load(bytes: &[u8; 16]) -> __m128i {
        // SAFETY: the reference covers all 16 bytes, and no alignment is asked for.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn equal(vector: __m128i, byte: u8) -> __m128i {
        _mm_cmpeq_epi8(vector, _mm_set1_epi8(byte as i8))
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn high_bits(vector: __m128i) -> u64 {
        u64::from(_mm_movemask_epi8(vector) as u16)
    }

    /// The high bits that `marks` leaves of each quarter, side by side.
    macro_rules! mask {
        ($block:expr, $marks:expr) => {{
            let (quarters, _) = $block.as_chunks::<16>();
            let mut mask = 0;
            let mut index = 0;
            while index < quarters.len() {
                mask |= high_bits($marks(load(&quarters[index]))) << (16 * index);
                index += 1;
            }
            mask
        }};
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn text(block: &Block) -> TextMasks {
        TextMasks {
            quotes: mask!(block, |vector| equal(vector, b'"')),
            backslashes: mask!(block, |vector| equal(vector, b'\\')),
            beyond_ascii: mask!(block, |vector| vector),
        }
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn brackets(block: &Block) -> BracketMasks {
        let fold = _mm_set1_epi8(BRACKET_FOLD as i8);
        BracketMasks {
            opening: mask!(block, |vector| equal(_mm_or_si128(vector, fold), b'{')),
            closing: mask!(block, |vector| equal(_mm_or_si128(vector, fold), b'}')),
        }
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn letters_u(block: &Block) -> u64 {
        mask!(block, |vector| equal(vector, b'u'))
    }

    #[inline]
    fn prefix_xor(mut bits: u64) -> u64 {
        for shift in [1, 2, 4, 8, 16, 32] {
            bits ^= bits << shift;
        }
        bits
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    pub(super) fn near_text(bytes: &[u8; NEAR_BYTES]) -> (u32, bool) {
        let (halves, _) = bytes.as_chunks::<16>();
        let (low, high) = (load(&halves[0]), load(&halves[1]));
        let hits = |vector| high_bits(_mm_or_si128(equal(vector, b'"'), equal(vector, b'\\'))) as u32;
        (hits(low) | hits(high) << 16, high_bits(_mm_or_si128(low, high)) != 0)
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm_clmulepi64_si128, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_set1_epi8,
        _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
    };

    use super::{BRACKET_FOLD, Balance, Block, BracketMasks, Classes, StringEnd, TextMasks, blocks};

    loops!("avx2,pclmulqdq,popcnt,bmi1,bmi2,lzcnt");

    #[target_feature(enable = "avx2")]
    #[inline]
    fn load(bytes: &[u8; 32]) -> __m256i {
        // SAFETY: the reference covers all 32 bytes, and no alignment is asked for.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn halves(block: &Block) -> (__m256i, __m256i) {
        let (halves, _) = block.as_chunks();
        (load(&halves[0]), load(&halves[1]))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn high_bits((low, high): (__m256i, __m256i)) -> u64 {
        let half = |vector| u64::from(_mm256_movemask_epi8(vector) as u32);
        half(low) | half(high) << 32
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn equal((low, high): (__m256i, __m256i), byte: u8) -> u64 {
        let byte = _mm256_set1_epi8(byte as i8);
        high_bits((_mm256_cmpeq_epi8(low, byte), _mm256_cmpeq_epi8(high, byte)))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn text(block: &Block) -> TextMasks {
        let vectors = halves(block);
        TextMasks {
            quotes: equal(vectors, b'"'),
            backslashes: equal(vectors, b'\\'),
            beyond_ascii: high_bits(vectors),
        }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn brackets(block: &Block) -> BracketMasks {
        let (low, high) = halves(block);
        let fold = _mm256_set1_epi8(BRACKET_FOLD as i8);
        let folded = (_mm256_or_si256(low, fold), _mm256_or_si256(high, fold));
        BracketMasks { opening: equal(folded, b'{'), closing: equal(folded, b'}') }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn letters_u(block: &Block) -> u64 {
        equal(halves(block), b'u')
    }

    /// The carry-less product with all ones sums up all lower bits.
    #[target_feature(enable = "avx2,pclmulqdq")]
    #[inline]
    pub(super) fn prefix_xor(bits: u64) -> u64 {
        let product = _mm_clmulepi64_si128::<0>(_mm_cvtsi64_si128(bits as i64), _mm_set1_epi8(-1));
        _mm_cvtsi128_si64(product) as u64
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        __m512i, _mm512_cmpeq_epi8_mask, _mm512_loadu_si512, _mm512_movepi8_mask, _mm512_or_si512,
        _mm512_set1_epi8,
    };

    use super::avx2::prefix_xor;
    use super::{BRACKET_FOLD, Balance, Block, BracketMasks, Classes, StringEnd, TextMasks, blocks};

    loops!("avx512f,avx512bw,avx2,pclmulqdq,popcnt,bmi1,bmi2,lzcnt");

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn load(block: &Block) -> __m512i {
        // SAFETY: the reference covers all 64 bytes, and no alignment is asked for.
        unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn equal(vector: __m512i, byte: u8) -> u64 {
        _mm512_cmpeq_epi8_mask(vector, _mm512_set1_epi8(byte as i8))
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn text(block: &Block) -> TextMasks {
        let vector = load(block);
        TextMasks {
            quotes: equal(vector, b'"'),
            backslashes: equal(vector, b'\\'),
            beyond_ascii: _mm512_movepi8_mask(vector),
        }
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn brackets(block: &Block) -> BracketMasks {
        let folded = _mm512_or_si512(load(block), _mm512_set1_epi8(BRACKET_FOLD as i8));
        BracketMasks { opening: equal(folded, b'{'), closing: equal(folded, b'}') }
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn letters_u(block: &Block) -> u64 {
        equal(load(block), b'u')
    }
}

/// What every 64-bit ARM has.
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod neon {
    use std::arch::aarch64::{
        uint8x16_t, vaddv_u8, vandq_u8, vceqq_u8, vcltzq_s8, vdupq_n_u8, vget_high_u8, vget_low_u8, vld1q_u8,
        vorrq_u8, vreinterpretq_s8_u8,
    };

    use super::{BRACKET_FOLD, Balance, Block, BracketMasks, Classes, StringEnd, TextMasks, blocks};

    loops!("neon");

    #[target_feature(enable = "neon")]
    #[inline]
    fn load(bytes: &[u8; 16]) -> uint8x16_t {
        // SAFETY: the reference covers all 16 bytes, and no alignment is asked for.
        unsafe { vld1q_u8(bytes.as_ptr()) }
    }

    /// One bit for each byte of `vector`, whose bytes are all ones or all zeros.
    #[target_feature(enable = "neon")]
    #[inline]
    fn bits(vector: uint8x16_t) -> u64 {
        const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
        let bits = vandq_u8(vector, load(&BITS));
        u64::from(vaddv_u8(vget_low_u8(bits))) | u64::from(vaddv_u8(vget_high_u8(bits))) << 8
    }

    /// The bits of each quarter that `marks` makes all ones, side by side.
    macro_rules! mask {
        ($block:expr, $marks:expr) => {{
            let (quarters, _) = $block.as_chunks::<16>();
            let mut mask = 0;
            let mut index = 0;
            while index < quarters.len() {
                mask |= bits($marks(load(&quarters[index]))) << (16 * index);
                index += 1;
            }
            mask
        }};
    }

    #[target_feature(enable = "neon")]
    #[inline]
    fn text(block: &Block) -> TextMasks {
        TextMasks {
            quotes: mask!(block, |vector| vceqq_u8(vector, vdupq_n_u8(b'"'))),
            backslashes: mask!(block, |vector| vceqq_u8(vector, vdupq_n_u8(b'\\'))),
            beyond_ascii: mask!(block, |vector| vcltzq_s8(vreinterpretq_s8_u8(vector))),
        }
    }

    #[target_feature(enable = "neon")]
    #[inline]
    fn brackets(block: &Block) -> BracketMasks {
        let fold = vdupq_n_u8(BRACKET_FOLD);
        BracketMasks {
            opening: mask!(block, |vector| vceqq_u8(vorrq_u8(vector, fold), vdupq_n_u8(b'{'))),
            closing: mask!(block, |vector| vceqq_u8(vorrq_u8(vector, fold), vdupq_n_u8(b'}'))),
        }
    }

    #[target_feature(enable = "neon")]
    #[inline]
    fn letters_u(block: &Block) -> u64 {
        mask!(block, |vector| vceqq_u8(vector, vdupq_n_u8(b'u')))
    }

    #[inline]
    fn prefix_xor(mut bits: u64) -> u64 {
        for shift in [1, 2, 4, 8, 16, 32] {
            bits ^= bits << shift;
        }
        bits
    }
}
