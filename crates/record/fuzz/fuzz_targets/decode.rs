//! The decoder over any bytes; what must hold is in `tests/decode/any_bytes.rs`. `fixtures/records` is a good corpus
//! to start from.

#![no_main]

#[path = "../../tests/decode/any_bytes.rs"]
mod any_bytes;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| any_bytes::hold(input));
