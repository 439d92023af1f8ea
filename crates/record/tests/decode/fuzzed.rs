//! The fuzz target `decode` on every run of the tests: inputs made of the fixtures by a fixed seed.

use std::path::Path;

use crate::any_bytes;

/// A few seconds in a debug build.
const INPUTS: u64 = 12_000;

/// What breaks readers: pieces of syntax, half of something, a magic number.
const PIECES: [&[u8]; 16] = [
    b"\"",
    b"\\",
    b"\\\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"\\ud83d",
    b"null",
    b"\0",
    b"\xff",
    b"\x1f\x8b",
    b"{\"requestId\":\"x\"}\n",
];

/// An xorshift of 64 bits.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end.max(1)
    }
}

fn files_below(directory: &Path, out: &mut Vec<Vec<u8>>) {
    let mut entries: Vec<_> = std::fs::read_dir(directory)
        .expect("fixtures")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files_below(&path, out);
        } else {
            let bytes = std::fs::read(&path).expect("a file");
            // Long ones only make it slow.
            out.push(bytes.into_iter().take(4_000).collect());
        }
    }
}

#[test]
fn broken_fixtures_have_one_outcome_however_they_are_read() {
    let mut seeds = Vec::new();
    files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/records"), &mut seeds);
    assert!(seeds.len() > 50, "the fixtures are not where they were");
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..INPUTS {
        let mut object = seeds[dice.below(seeds.len())].clone();
        for _ in 0..dice.below(5) {
            let at = dice.below(object.len() + 1);
            let end = (at + dice.below(40)).min(object.len());
            match dice.below(5) {
                0 if at < object.len() => object[at] ^= 1 << dice.below(8),
                1 => drop(object.drain(at..end)),
                2 => drop(object.splice(at..at, PIECES[dice.below(PIECES.len())].iter().copied())),
                3 => {
                    let other = &seeds[dice.below(seeds.len())];
                    let from = dice.below(other.len());
                    object.splice(at..end, other[from..].iter().take(300).copied());
                }
                _ => object.truncate(end),
            }
        }
        let choice = [dice.below(256) as u8, dice.below(256) as u8];
        any_bytes::hold(&[&choice[..], &object].concat());
    }
}
