//! What must hold of passing strings and values in blocks: the same as going byte by byte, on every backend.
//!
//! In: any bytes. Out: nothing, or a panic that tells which law is broken. Always: all backends of the machine
//! are tried. The tests here run under Miri, too; the fuzz target `skip` brings the bytes that nobody thought of.

use super::lex::{self, Balance, DEPTH_MAX, StringEnd};
use super::simd::Backend;

/// Holds every backend against the models, on the text from `from` on, in one piece and cut at `cut`.
pub(super) fn hold(text: &[u8], from: usize, cut: usize) {
    let from = from.min(text.len());
    let cut = from + cut.min(text.len() - from);
    for backend in Backend::available() {
        compare_strings(text, from, backend.string_end(text, from), &format!("{backend:?}"));
        hold_balance(backend, &[&text[from..]]);
        hold_balance(backend, &[&text[from..cut], &text[cut..]]);
        hold_balance(backend, &[&text[from..cut], &[], &text[cut..]]);
    }
    compare_strings(text, from, lex::string_end(text, from), "the first look");
}

fn compare_strings(text: &[u8], from: usize, found: Option<StringEnd>, who: &str) {
    let expected = string_end_by_bytes(text, from);
    let found_plain = found.map(|end| StringEnd { beyond_ascii: false, ..end });
    assert_eq!(found_plain, expected, "{who} from {from} of {}", text.escape_ascii());
    if let Some(end) = found {
        assert!(end.beyond_ascii || text[from..end.after].is_ascii(), "{who}: overlooked what is not ASCII");
        assert!(!end.beyond_ascii || !text.is_ascii(), "{who}: took ASCII for something else");
    }
}

/// Gives the pieces to one balance until the value is complete, and compares after each.
fn hold_balance(backend: Backend, pieces: &[&[u8]]) {
    let mut balance = Balance::default();
    let mut model = BalanceByBytes::default();
    for piece in pieces {
        let end = backend.balance(&mut balance, piece);
        let shown = || format!("{backend:?} on {}", piece.escape_ascii());
        assert_eq!(end, model.advance(piece), "{}", shown());
        assert_eq!(
            (balance.depth, balance.in_string, balance.escaped, balance.surrogates),
            (model.depth, model.in_string, model.escaped, model.surrogates),
            "{}",
            shown()
        );
        assert!(balance.depth_max >= model.depth_max, "{}", shown());
        let is_exact = balance.depth_max == model.depth_max;
        assert!(is_exact || balance.depth_max <= u64::from(DEPTH_MAX) / 2, "{}", shown());
        assert!(balance.beyond_ascii || !model.beyond_ascii, "{}", shown());
        assert!(!balance.beyond_ascii || pieces.iter().any(|piece| !piece.is_ascii()), "{}", shown());
        if end.is_some() {
            return;
        }
    }
}

/// The model of `string_end`.
fn string_end_by_bytes(bytes: &[u8], from: usize) -> Option<StringEnd> {
    let mut end = StringEnd { after: from, ..StringEnd::default() };
    loop {
        match bytes.get(end.after)? {
            b'"' => {
                end.after += 1;
                return Some(end);
            }
            b'\\' => {
                end.escapes = true;
                end.surrogates |= starts_surrogate(bytes, end.after);
                end.after += 2;
            }
            _ => end.after += 1,
        }
    }
}

/// The model of [`Balance`].
#[derive(Default)]
struct BalanceByBytes {
    depth: u64,
    depth_max: u64,
    in_string: bool,
    escaped: bool,
    surrogates: bool,
    beyond_ascii: bool,
}

impl BalanceByBytes {
    fn advance(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, &byte) in bytes.iter().enumerate() {
            self.beyond_ascii |= !byte.is_ascii();
            if self.escaped {
                self.escaped = false;
                continue;
            }
            match (self.in_string, byte) {
                (true, b'"') => self.in_string = false,
                (true, b'\\') => {
                    self.escaped = true;
                    self.surrogates |= starts_surrogate(bytes, at);
                    continue;
                }
                (true, _) => continue,
                (false, b'"') => {
                    self.in_string = true;
                    continue;
                }
                (false, b'{' | b'[') => self.depth += 1,
                (false, b'}' | b']') => self.depth = self.depth.saturating_sub(1),
                (false, _) => continue,
            }
            self.depth_max = self.depth_max.max(self.depth);
            if self.depth == 0 {
                return Some(at + 1);
            }
        }
        None
    }
}

fn starts_surrogate(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at + 1..at + 3), Some(b"ud" | b"uD"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What texts are made of here; the first have a meaning.
    const PIECES: [&[u8]; 25] = [
        b"\"",
        b"\"",
        b"\\",
        b"\\\\",
        b"\\\"",
        b"{",
        b"}",
        b"[",
        b"]",
        b"\\ud83d",
        b"\\uDe00",
        b"\\u00e9",
        b"\\n",
        b"u",
        b"d",
        b":",
        b",",
        b" ",
        b"null",
        "é".as_bytes(),
        b"\xff",
        b"\xa2\xdc\xfb\xfd",
        b"a text of thirty-two bytes long.",
        b"a text of sixty-three bytes, which is one less than is a block.",
        b"\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\",
    ];

    /// Pseudo-random numbers (xorshift*), the same on every machine.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
        }

        /// A text at any distance from the beginning of its allocation.
        fn text(&mut self) -> (Vec<u8>, usize) {
            let from = self.below(65);
            let mut text = vec![b' '; from];
            text.extend_from_slice([b"{".as_slice(), b"[", b"\"", b""][self.below(4)]);
            // Some texts use few kinds of pieces, so that they go on for longer before anything ends.
            let kinds = [PIECES.len(), PIECES.len(), 7, 4][self.below(4)];
            let first = self.below(PIECES.len());
            for _ in 0..self.below(count(60, 25)) {
                text.extend_from_slice(PIECES[(first + self.below(kinds)) % PIECES.len()]);
            }
            (text, from)
        }
    }

    /// Miri takes a thousand times as long.
    fn count(native: usize, miri: usize) -> usize {
        if cfg!(miri) { miri } else { native }
    }

    #[test]
    #[cfg(all(target_arch = "x86_64", target_feature = "avx2", target_feature = "avx512bw"))]
    fn a_program_made_for_avx512_tries_every_backend() {
        assert_eq!(Backend::available().count(), 4);
    }

    #[test]
    fn random_texts_end_where_their_bytes_say() {
        let mut numbers = Numbers(0x0B0E_4013_55ED_0001);
        for _ in 0..count(20_000, 10) {
            let (text, from) = numbers.text();
            let cut = numbers.below(text.len() + 1);
            hold(&text, from, cut);
        }
    }

    #[test]
    fn a_run_of_backslashes_escapes_alike_wherever_blocks_begin() {
        let step = count(1, 41);
        for before in (0..140).step_by(step) {
            for run in (0..8).step_by(count(1, 3)).chain((60..70).step_by(step)) {
                let text =
                    [b"\"".as_slice(), vec![b'a'; before].as_slice(), &vec![b'\\'; run], b"\"}\" tail \""]
                        .concat();
                hold(&text, 0, before + run / 2);
                hold(&text, 1, before + run);
                hold(&[b"{", text.as_slice(), b"}", &[b' '; 64]].concat(), 0, before);
            }
        }
    }

    #[test]
    fn a_text_is_the_same_at_every_length_and_cut() {
        let text = br#"{"a\\":"}\"]\ud83d\\\\ud","b":[{},"\\\\",{"c":"\uD83D\ude00 and on it goes","d":[[[]]]}],"e":"fin"} x"#;
        for length in (0..=text.len()).step_by(count(1, 13)) {
            for cut in (0..=length).step_by(count(1, 29)) {
                hold(&text[..length], 0, cut);
            }
        }
    }

    #[test]
    fn depth_is_exact_where_it_may_be_too_deep() {
        for depth in
            [257usize, 513, 1, 63, 64, 65, 255, 256, 300, 511, 512, 700].into_iter().take(count(12, 2))
        {
            let text = [vec![b'['; depth], vec![b']'; depth]].concat();
            hold(&text, 0, depth);
            let teeth =
                [b"[{}]".repeat(5), vec![b'{'; depth], b"[][][]".repeat(30), vec![b'}'; depth]].concat();
            hold(&[b"[", teeth.as_slice(), b"]"].concat(), 0, depth);
        }
    }

    #[test]
    fn a_backslash_outside_of_strings_escapes_nothing() {
        for before in (0..130).step_by(count(1, 43)) {
            for rest in [r#"\"a\\"}"#, r#"\\"}"]"#, r#"\]"#, r#""\\"\"}\""#, r"\\\}"] {
                hold(&[b"[", vec![b' '; before].as_slice(), rest.as_bytes()].concat(), 0, before);
            }
        }
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            9 => prop::sample::select(PIECES.to_vec()).prop_map(<[u8]>::to_vec),
            1 => prop::collection::vec(any::<u8>(), 0..80),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        #[cfg_attr(miri, ignore = "proptest keeps its failures in files")]
        fn any_text_ends_where_its_bytes_say(text in text(), from in 0..70usize, cut in 0..2_000usize) {
            hold(&text, from, cut);
        }
    }
}
