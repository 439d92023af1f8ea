//! The state of a slot as bytes.
//!
//! In: named sections and the list of the slot's Parquet files. Out: the same. Always: the checksum covers every byte,
//! and the slot, the dataset and the engine's version stand inside, so that a file in the wrong place is noticed;
//! sections whose names nobody knows stay readable. Absent: what sections mean, and compression, which is theirs.
//!
//! ```text
//! magic 8 · engine u32 · identity u128 · slot u8 i64 · sections u32 · rows u32
//! sections × (name, bytes u64) · rows × (stream, bytes u64, rows u64, hash u128) · the sections' bytes · xxh3-128
//! ```
//! A name is its length as u8 and UTF-8; numbers are little endian.

use std::ops::Range;

use borehole_record::UtcHour;

use super::encoding::{Rest, put_name, seal, unseal};
use super::place::is_stream;
use super::{DatasetError, ENGINE_VERSION, RowsFile, Slot};

const MAGIC: &[u8; 8] = b"BHSTATE1";

/// Most bytes of a state: an hour of millions of copies and strays has some hundred MB. Whoever claims more is not
/// one of ours, and memory is not asked for it.
pub(super) const STATE_BYTES_MAX: u64 = 1 << 30;

/// The state of a slot, whole and checked.
#[derive(Clone)]
pub struct State {
    bytes: Vec<u8>,
    sections: Vec<(Range<usize>, Range<usize>)>,
    rows: Vec<RowsFile>,
}

impl State {
    /// The bytes of a section; `None` if the writer gave none of that name.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&[u8]> {
        let is_it = |place: &&(Range<usize>, Range<usize>)| self.bytes[place.0.clone()] == *name.as_bytes();
        self.sections.iter().find(is_it).map(|place| &self.bytes[place.1.clone()])
    }

    /// All sections, by name.
    pub(super) fn sections(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let text = |range: &Range<usize>| std::str::from_utf8(&self.bytes[range.clone()]).unwrap_or_default();
        self.sections.iter().map(move |(name, content)| (text(name), &self.bytes[content.clone()]))
    }

    /// The files of the slot's rows, in the order in which they were written.
    #[must_use]
    pub fn rows(&self) -> &[RowsFile] {
        &self.rows
    }

    /// Bytes of the file.
    pub(super) fn file_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Reads back what [`encode`] made for this slot of this dataset.
    pub(super) fn decode(bytes: Vec<u8>, slot: Slot, identity: u128) -> Result<State, Unreadable> {
        let content = unseal(&bytes).ok_or(Unreadable::Damaged("the checksum does not fit"))?;
        let mut rest = Rest(content);
        if rest.take(MAGIC.len() as u64) != Some(MAGIC) {
            return Err(Unreadable::Damaged("not the state of an hour"));
        }
        let cut = Unreadable::Damaged("its parts do not fit together");
        let engine = rest.u32().ok_or(cut)?;
        if engine != ENGINE_VERSION {
            return Err(Unreadable::Outdated(engine));
        }
        if rest.u128().ok_or(cut)? != identity {
            return Err(Unreadable::Damaged("belongs to another dataset"));
        }
        if read_slot(&mut rest).ok_or(cut)? != slot {
            return Err(Unreadable::Damaged("belongs to another hour"));
        }
        let (sections, rows) = read_table(&mut rest, content.len()).ok_or(cut)?;
        Ok(State { bytes, sections, rows })
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.sections.iter().map(|(name, _)| String::from_utf8_lossy(&self.bytes[name.clone()]));
        f.debug_struct("State")
            .field("sections", &names.collect::<Vec<_>>())
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

/// Why bytes are no state that is of use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unreadable {
    /// Sound, but written by this other version of the engine.
    Outdated(u32),
    /// Not what was written.
    Damaged(&'static str),
}

impl Unreadable {
    /// What is wrong, in words.
    pub(super) fn in_words(self) -> String {
        match self {
            Unreadable::Outdated(engine) => {
                format!("written by engine version {engine}, not {ENGINE_VERSION}")
            }
            Unreadable::Damaged(what) => what.to_owned(),
        }
    }
}

/// A state as bytes that has the sections of the one before, but for those that are given anew.
pub(super) fn encode_over(
    before: Option<&State>,
    slot: Slot,
    identity: u128,
    sections: &[(&'static str, Vec<u8>)],
    rows: &[RowsFile],
) -> Result<Vec<u8>, DatasetError> {
    let is_new = |name: &str| sections.iter().any(|(new, _)| *new == name);
    let mut all: Vec<(&str, &[u8])> =
        before.into_iter().flat_map(State::sections).filter(|(name, _)| !is_new(name)).collect();
    all.extend(sections.iter().map(|(name, bytes)| (*name, bytes.as_slice())));
    // The order is that of the names, whatever was written last.
    all.sort_unstable();
    encode(slot, identity, &all, rows)
        .ok_or(DatasetError::Internal { what: "the state of an hour is too large, or a name in it too long" })
}

/// A state as bytes; `None` if a name is too long or a stream's name is none.
pub(super) fn encode(
    slot: Slot,
    identity: u128,
    sections: &[(&str, &[u8])],
    rows: &[RowsFile],
) -> Option<Vec<u8>> {
    let content: usize = sections.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut out = Vec::with_capacity(content + 128 * (1 + sections.len() + rows.len()));
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&ENGINE_VERSION.to_le_bytes());
    out.extend_from_slice(&identity.to_le_bytes());
    put_slot(&mut out, slot);
    out.extend_from_slice(&u32::try_from(sections.len()).ok()?.to_le_bytes());
    out.extend_from_slice(&u32::try_from(rows.len()).ok()?.to_le_bytes());
    for (name, bytes) in sections {
        put_name(&mut out, name)?;
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    }
    for file in rows {
        put_name(&mut out, &file.stream)?;
        out.extend_from_slice(&file.bytes.to_le_bytes());
        out.extend_from_slice(&file.rows.to_le_bytes());
        out.extend_from_slice(&file.hash.to_le_bytes());
    }
    for (_, bytes) in sections {
        out.extend_from_slice(bytes);
    }
    seal(&mut out);
    (out.len() as u64 <= STATE_BYTES_MAX).then_some(out)
}

pub(super) fn put_slot(out: &mut Vec<u8>, slot: Slot) {
    let (tag, hour) = match slot {
        Slot::None => (0, 0),
        Slot::Hour(hour) => (1, hour.0),
    };
    out.push(tag);
    out.extend_from_slice(&hour.to_le_bytes());
}

pub(super) fn read_slot(rest: &mut Rest) -> Option<Slot> {
    match (rest.u8()?, rest.i64()?) {
        (0, 0) => Some(Slot::None),
        (1, hour) => Some(Slot::Hour(UtcHour(hour))),
        _ => None,
    }
}

type Table = (Vec<(Range<usize>, Range<usize>)>, Vec<RowsFile>);

/// The table of what is inside, and where sections lie in `length` bytes of content; all of it must be used up.
fn read_table(rest: &mut Rest, length: usize) -> Option<Table> {
    let (section_count, rows_count) = (rest.u32()?, rest.u32()?);
    let mut sections = Vec::new();
    for _ in 0..section_count {
        let name_end = |rest: &Rest| length - rest.0.len();
        let name = rest.name()?;
        let end = name_end(rest);
        sections.push((end - name.len()..end, rest.u64()?));
    }
    let mut rows = Vec::new();
    for _ in 0..rows_count {
        let stream = rest.name().filter(|name| is_stream(name))?.to_owned();
        rows.push(RowsFile { stream, bytes: rest.u64()?, rows: rest.u64()?, hash: rest.u128()? });
    }
    let mut placed = Vec::with_capacity(sections.len());
    for (name, bytes) in sections {
        let begin = length - rest.0.len();
        let section = rest.take(bytes)?;
        placed.push((name, begin..begin + section.len()));
    }
    rest.0.is_empty().then_some((placed, rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: Slot = Slot::Hour(UtcHour(475_000));

    fn rows(stream: &str) -> RowsFile {
        RowsFile { stream: stream.to_owned(), bytes: 7, hash: 1 << 100, rows: 3 }
    }

    fn sample() -> Vec<u8> {
        let sections = [("books", b"abc".to_vec()), ("empty", Vec::new()), ("copies", vec![0; 100])];
        let sections = sections.each_ref().map(|(name, bytes)| (*name, bytes.as_slice()));
        encode(HOUR, 9, &sections, &[rows("a"), rows("b-1")]).expect("names fit")
    }

    #[test]
    fn what_was_written_reads_back_and_unknown_sections_are_there() {
        let state = State::decode(sample(), HOUR, 9).expect("sound");
        assert_eq!(state.section("books"), Some(&b"abc"[..]));
        assert_eq!(state.section("empty"), Some(&b""[..]));
        assert_eq!(state.section("copies"), Some(&[0; 100][..]));
        assert_eq!(state.section("other"), None);
        assert_eq!(state.rows(), [rows("a"), rows("b-1")]);
        assert!(!format!("{state:?}").contains("abc"), "no content is printed");
    }

    #[test]
    fn j03_every_flipped_bit_and_every_cut_is_damage() {
        let sound = sample();
        for bit in 0..sound.len() * 8 {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let read = State::decode(bytes, HOUR, 9).expect_err("a flipped bit");
            assert_eq!(read, Unreadable::Damaged("the checksum does not fit"), "bit {bit}");
        }
        for length in 0..sound.len() {
            assert!(State::decode(sound[..length].to_vec(), HOUR, 9).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn j04_a_state_is_of_use_in_its_own_place_only() {
        let damaged = |slot, identity| State::decode(sample(), slot, identity).map(|_| ());
        assert_eq!(damaged(Slot::None, 9), Err(Unreadable::Damaged("belongs to another hour")));
        assert_eq!(damaged(HOUR, 8), Err(Unreadable::Damaged("belongs to another dataset")));
        let mut newer = sample();
        newer.truncate(newer.len() - 16);
        newer[8..12].copy_from_slice(&(ENGINE_VERSION + 1).to_le_bytes());
        seal(&mut newer);
        let read = State::decode(newer, HOUR, 9).map(|_| ());
        assert_eq!(read, Err(Unreadable::Outdated(ENGINE_VERSION + 1)));
    }

    #[test]
    fn names_that_do_not_fit_are_refused() {
        assert!(encode(HOUR, 9, &[], &[rows(&"x".repeat(256))]).is_none());
    }

    proptest! {
        #[test]
        fn hostile_states_with_a_fitting_checksum_are_refused_or_read(
            mut bytes in prop_oneof![Just(sample()), proptest::collection::vec(any::<u8>(), 0..200)],
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
            is_cut: bool,
        ) {
            bytes.truncate(bytes.len().saturating_sub(16));
            for (place, byte) in changes {
                if !bytes.is_empty() {
                    let place = place.index(bytes.len());
                    if is_cut && place > 40 { bytes.truncate(place) } else { bytes[place] = byte }
                }
            }
            seal(&mut bytes);
            if let Ok(state) = State::decode(bytes, HOUR, 9) {
                prop_assert!(state.section("books").is_none_or(|section| section.len() < 300));
                prop_assert!(state.rows().iter().all(|file| is_stream(&file.stream)));
            }
        }
    }
}
