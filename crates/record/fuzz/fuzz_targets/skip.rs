//! Any bytes as JSON text: every backend of the machine passes strings and values as going byte by byte would.
//!
//! The first two bytes of the input choose where the text is entered and where it is cut, the rest is the text.
//! The modules are the decoder's own files, since what they have is nobody's business outside of it.

#![no_main]

#[path = "../../src/decode/blocks.rs"]
mod blocks;
#[allow(dead_code, reason = "numbers and escapes are read by the decoder")]
#[path = "../../src/decode/lex.rs"]
mod lex;
#[path = "../../src/decode/simd.rs"]
mod simd;
#[path = "../../src/decode/skip_laws.rs"]
mod skip_laws;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [from, cut, text @ ..] = input else { return };
    skip_laws::hold(text, usize::from(from & 0x7F), usize::from(*cut));
});
