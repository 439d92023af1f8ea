//! Sums of a day's hours for one question, as bytes: made again whenever they are lost.
//!
//! In: for each hour what its sums were made from (a hash), and the sums. Out: the same, or nothing at all. Always: the
//! checksum covers every byte, and question, day, dataset and the engine's version stand inside.
//!
//! `magic 8 · engine u32 · identity u128 · question u128 · day i64 · hours u32 · hours × (hour i64, content u128,
//! bytes u64) · the bytes · xxh3-128`

use std::collections::BTreeMap;

use borehole_record::{UtcDay, UtcHour};

use super::ENGINE_VERSION;
use super::encoding::{Rest, seal, unseal};

const MAGIC: &[u8; 8] = b"BHANSWR1";

/// Answers of a day by hour: what each was made from, and its bytes.
pub(super) type Day = BTreeMap<UtcHour, (u128, Vec<u8>)>;

/// Whose answers they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Owner {
    pub identity: u128,
    pub question: u128,
    pub day: UtcDay,
}

pub(super) fn encode(owner: Owner, answers: &Day) -> Vec<u8> {
    let content: usize = answers.values().map(|(_, bytes)| bytes.len()).sum();
    let mut out = Vec::with_capacity(content + 32 * answers.len() + 128);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&ENGINE_VERSION.to_le_bytes());
    out.extend_from_slice(&owner.identity.to_le_bytes());
    out.extend_from_slice(&owner.question.to_le_bytes());
    out.extend_from_slice(&owner.day.0.to_le_bytes());
    // At most 24: a day has no more hours.
    out.extend_from_slice(&(answers.len() as u32).to_le_bytes());
    for (hour, (content, bytes)) in answers {
        out.extend_from_slice(&hour.0.to_le_bytes());
        out.extend_from_slice(&content.to_le_bytes());
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    }
    for (_, bytes) in answers.values() {
        out.extend_from_slice(bytes);
    }
    seal(&mut out);
    out
}

/// The answers, or `None` where they are damaged, of another version, or somebody else's.
pub(super) fn decode(owner: Owner, bytes: &[u8]) -> Option<Day> {
    let mut rest = Rest(unseal(bytes)?);
    let is_ours = rest.take(MAGIC.len() as u64)? == MAGIC
        && rest.u32()? == ENGINE_VERSION
        && rest.u128()? == owner.identity
        && rest.u128()? == owner.question
        && rest.i64()? == owner.day.0;
    if !is_ours {
        return None;
    }
    let count = rest.u32()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push((UtcHour(rest.i64()?), rest.u128()?, rest.u64()?));
    }
    let mut answers = Day::new();
    for (hour, content, length) in entries {
        answers.insert(hour, (content, rest.take(length)?.to_vec()));
    }
    Some(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_read_back_for_their_owner_and_any_flipped_bit_loses_them() {
        let owner = Owner { identity: 1, question: 2, day: UtcDay(3) };
        let answers =
            Day::from([(UtcHour(72), (5, b"sums".to_vec())), (UtcHour(95), (u128::MAX, Vec::new()))]);
        let bytes = encode(owner, &answers);
        assert_eq!(decode(owner, &bytes), Some(answers));
        for other in [
            Owner { identity: 0, ..owner },
            Owner { question: 0, ..owner },
            Owner { day: UtcDay(0), ..owner },
        ] {
            assert_eq!(decode(other, &bytes), None);
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(owner, &flipped), None, "bit {bit}");
        }
    }
}
