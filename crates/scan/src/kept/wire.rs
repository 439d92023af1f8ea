//! Books, listings and rows as bytes, for whoever keeps them between runs.
//!
//! In: what a run knows of a folder or an hour. Out: bytes, and the same again. Always: equal contents are equal
//! bytes, and bytes that nobody wrote here are refused, never a panic. Object numbers are of one run, so that bytes
//! hold names instead. Absent: checksums (whoever stores the bytes has them) and any body.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use borehole_record::{Invocation, UtcHour, Warning};
use borehole_store::{Listed, Object, ReadFailure, Restore, StorageClass, Version};

use super::{Entry, Slot};
use crate::ledger::{Ledger, LedgerLine, Reasons};
use crate::limits::{LEDGER_LINES_MAX, LEDGER_LINES_SHOWN};
use crate::source::Source;
use crate::spill::{self, Input, Known, number, text, unzigzag, zigzag};

/// Rows of some hour, each by the name of its object.
pub(crate) struct NamedRows {
    /// Source and key of each object.
    pub objects: Vec<(u32, Box<[u8]>)>,
    /// [`Invocation::object`] is an index into `objects`.
    pub rows: Vec<Invocation>,
}

/// The books of a folder.
pub(crate) fn encode_books(books: &Ledger, sources: &[Source], out: &mut Vec<u8>) {
    number(books.objects_read, out);
    reasons(&books.objects_skipped, out);
    reasons(&books.objects_failed, out);
    number(zigzag(books.bytes_relisted), out);
    number(books.salvaged, out);
    let tally = &books.tally;
    for count in [tally.decoded_bytes, tally.documents_found, tally.documents_decoded, tally.documents_joined]
    {
        number(count, out);
    }
    reasons(&tally.documents_rejected, out);
    number(tally.other_schema, out);
    number(tally.own_hours.len() as u64, out);
    for (hour, count) in &tally.own_hours {
        number(zigzag(hour.0), out);
        number(*count, out);
    }
    reasons(&tally.records_rejected, out);
    let references = &tally.references;
    for count in [
        references.seen,
        references.resolved,
        references.not_needed,
        references.missing,
        references.archived,
        references.failed,
    ] {
        number(count, out);
    }
    reasons(&references.refused, out);
    number(references.unknown_buckets.len() as u64, out);
    for (bucket, count) in &references.unknown_buckets {
        text(bucket, out);
        number(*count, out);
    }
    number(tally.decoder_warnings.iter().count() as u64, out);
    for (warning, count) in tally.decoder_warnings.iter() {
        text(warning.as_str(), out);
        number(count, out);
    }
    reasons(&tally.warnings, out);
    let mut lines: Vec<&LedgerLine> = books.lines.iter().collect();
    lines.sort_unstable();
    number(lines.len() as u64, out);
    for line in lines {
        bytes(&line.key, out);
        number(line.offset.map_or(0, |offset| offset.saturating_add(1)), out);
        let source = sources.iter().position(|source| source.name == line.source);
        number(source.unwrap_or(0) as u64, out);
        text(line.class, out);
        text(line.reason, out);
        number(line.bytes.map_or(0, |bytes| bytes.saturating_add(1)), out);
    }
    number(books.lines_dropped, out);
}

/// The books of a folder again; `None` where nobody wrote them here.
pub(crate) fn decode_books(input: &mut Input<'_>, sources: &[String]) -> Option<Ledger> {
    let mut books = Ledger { keep_lines: true, objects_read: input.number()?, ..Ledger::default() };
    books.objects_skipped = read_reasons(input)?;
    books.objects_failed = read_reasons(input)?;
    books.bytes_relisted = unzigzag(input.number()?);
    books.salvaged = input.number()?;
    let tally = &mut books.tally;
    tally.decoded_bytes = input.number()?;
    tally.documents_found = input.number()?;
    tally.documents_decoded = input.number()?;
    tally.documents_joined = input.number()?;
    tally.documents_rejected = read_reasons(input)?;
    tally.other_schema = input.number()?;
    for _ in 0..input.number()? {
        let hour = UtcHour(unzigzag(input.number()?));
        tally.own_hours.insert(hour, input.number()?);
    }
    tally.records_rejected = read_reasons(input)?;
    let references = &mut tally.references;
    references.seen = input.number()?;
    references.resolved = input.number()?;
    references.not_needed = input.number()?;
    references.missing = input.number()?;
    references.archived = input.number()?;
    references.failed = input.number()?;
    references.refused = read_reasons(input)?;
    for _ in 0..input.number()? {
        let bucket: String = input.text()?;
        references.unknown_buckets.insert(bucket, input.number()?);
    }
    for _ in 0..input.number()? {
        let name: &str = input.text()?;
        let warning = Warning::ALL.into_iter().find(|warning| warning.as_str() == name)?;
        tally.decoder_warnings.raise_by(warning, input.number()?);
    }
    tally.warnings = read_reasons(input)?;
    for _ in 0..input.number()? {
        let key = read_bytes(input)?.into();
        let offset = input.number()?.checked_sub(1);
        let source = sources.get(usize::try_from(input.number()?).ok()?)?.clone();
        let class = word(input.text()?)?;
        let reason = word(input.text()?)?;
        let line = LedgerLine { key, offset, source, class, reason, bytes: input.number()?.checked_sub(1) };
        if books.lines.len() >= LEDGER_LINES_MAX {
            return None;
        }
        books.lines.push(line.clone());
        let shown = books.shown.entry((class, reason)).or_default();
        if shown.len() < LEDGER_LINES_SHOWN {
            // The lines come in their order.
            shown.insert(line);
        }
    }
    books.lines_dropped = input.number()?;
    Some(books)
}

/// What was listed, and the listing's own warnings.
pub(crate) fn encode_listing(entries: &[(u32, EntryRef<'_>)], warnings: &Reasons, out: &mut Vec<u8>) {
    reasons(warnings, out);
    number(entries.len() as u64, out);
    for &(source, entry) in entries {
        number(u64::from(source), out);
        match entry {
            EntryRef::Object(object) => {
                out.push(0);
                encode_object(object, out);
                text(object.class.as_str(), out);
                out.push(u8::from(object.restore == Restore::Restored));
            }
            EntryRef::Skipped(key, reason) => {
                out.push(1);
                bytes(key, out);
                text(reason, out);
            }
            EntryRef::Failed(key, reason) => {
                out.push(2);
                bytes(key, out);
                text(reason.as_str(), out);
            }
        }
    }
}

/// One thing that was listed.
#[derive(Clone, Copy)]
pub(crate) enum EntryRef<'a> {
    /// An object, to be read or set aside by its key.
    Object(&'a Object),
    /// What the store itself set aside.
    Skipped(&'a [u8], &'static str),
    /// What the store could not look at.
    Failed(&'a [u8], ReadFailure),
}

impl<'a> From<&'a Listed> for EntryRef<'a> {
    fn from(listed: &'a Listed) -> Self {
        match listed {
            Listed::Object(object) => EntryRef::Object(object),
            Listed::Skipped { key, reason } => EntryRef::Skipped(key, reason),
            Listed::Failed { key, reason } => EntryRef::Failed(key, *reason),
        }
    }
}

/// What tells two states of an object apart, as bytes: its key, size and version.
pub(crate) fn encode_object(object: &Object, out: &mut Vec<u8>) {
    bytes(&object.key, out);
    number(object.size.map_or(0, |size| size.saturating_add(1)), out);
    match &object.version {
        Version::Unknown => out.push(0),
        Version::Modified { seconds, nanos } => {
            out.push(1);
            number(zigzag(*seconds), out);
            number(*nanos, out);
        }
        Version::Digest(digest) => {
            out.push(2);
            out.extend_from_slice(digest);
        }
        Version::Etag(etag) => {
            out.push(3);
            text(etag, out);
        }
    }
}

/// What was listed, again.
pub(crate) fn decode_listing(bytes: &[u8]) -> Option<(Vec<Entry>, Reasons)> {
    let mut input = Input(bytes);
    let warnings = read_reasons(&mut input)?;
    let mut entries = Vec::new();
    for _ in 0..input.number()? {
        let source = u32::try_from(input.number()?).ok()?;
        let listed = match input.byte()? {
            0 => Listed::Object(decode_object(&mut input)?),
            1 => Listed::Skipped { key: read_bytes(&mut input)?.into(), reason: word(input.text()?)? },
            2 => {
                let key = read_bytes(&mut input)?.into();
                let name: &str = input.text()?;
                let reason = ReadFailure::ALL.into_iter().find(|reason| reason.as_str() == name)?;
                Listed::Failed { key, reason }
            }
            _ => return None,
        };
        entries.push(Entry { source, listed });
    }
    input.0.is_empty().then_some((entries, warnings))
}

fn decode_object(input: &mut Input<'_>) -> Option<Object> {
    let key = read_bytes(input)?.into();
    let size = input.number()?.checked_sub(1);
    let version = match input.byte()? {
        0 => Version::Unknown,
        1 => Version::Modified { seconds: unzigzag(input.number()?), nanos: input.number()? },
        2 => Version::Digest(input.take(16)?.try_into().ok()?),
        3 => Version::Etag(input.text()?),
        _ => return None,
    };
    let class = StorageClass::parse(input.text()?);
    let restore = if input.byte()? == 0 { Restore::None } else { Restore::Restored };
    Some(Object { key, size, version, identity: None, class, restore })
}

/// Rows, each with the name of its object: `name` is source and key of an object's number.
pub(crate) fn encode_rows<'a>(rows: &[Invocation], name: &dyn Fn(u32) -> (u32, &'a [u8]), out: &mut Vec<u8>) {
    let numbers: BTreeSet<u32> = rows.iter().map(|row| row.object).collect();
    let places: BTreeMap<u32, u32> = numbers.iter().copied().zip(0..).collect();
    number(numbers.len() as u64, out);
    for &object in &numbers {
        let (source, key) = name(object);
        number(u64::from(source), out);
        bytes(key, out);
    }
    let mut renamed: Vec<Invocation> = rows.to_vec();
    renamed.iter_mut().for_each(|row| row.object = places[&row.object]);
    renamed.sort_unstable_by_key(|row| (row.object, row.offset));
    spill::encode(&renamed, out);
}

/// Rows again.
pub(crate) fn decode_rows(packed: &[u8]) -> Option<NamedRows> {
    let mut input = Input(packed);
    let mut objects = Vec::new();
    for _ in 0..input.number()? {
        let source = u32::try_from(input.number()?).ok()?;
        objects.push((source, read_bytes(&mut input)?.into()));
    }
    let mut rows = Vec::new();
    spill::decode(input.0, &mut Known::default(), &mut |row| rows.push(row))?;
    rows.iter().all(|row| (row.object as usize) < objects.len()).then_some(NamedRows { objects, rows })
}

/// Contents by slot.
pub(crate) fn encode_contents(contents: &BTreeMap<Slot, u128>, out: &mut Vec<u8>) {
    number(contents.len() as u64, out);
    for (slot, content) in contents {
        match slot {
            None => out.push(0),
            Some(hour) => {
                out.push(1);
                number(zigzag(hour.0), out);
            }
        }
        out.extend_from_slice(&content.to_le_bytes());
    }
}

/// Contents by slot again.
pub(crate) fn decode_contents(input: &mut Input<'_>) -> Option<BTreeMap<Slot, u128>> {
    let mut contents = BTreeMap::new();
    for _ in 0..input.number()? {
        let slot = match input.byte()? {
            0 => None,
            1 => Some(UtcHour(unzigzag(input.number()?))),
            _ => return None,
        };
        contents.insert(slot, decode_hash(input)?);
    }
    Some(contents)
}

/// A hash of 128 bits.
pub(crate) fn decode_hash(input: &mut Input<'_>) -> Option<u128> {
    Some(u128::from_le_bytes(input.take(16)?.try_into().ok()?))
}

fn bytes(value: &[u8], out: &mut Vec<u8>) {
    number(value.len() as u64, out);
    out.extend_from_slice(value);
}

fn read_bytes<'a>(input: &mut Input<'a>) -> Option<&'a [u8]> {
    let count = usize::try_from(input.number()?).ok()?;
    input.take(count)
}

fn reasons(counts: &Reasons, out: &mut Vec<u8>) {
    number(counts.len() as u64, out);
    for (reason, count) in counts {
        text(reason, out);
        number(*count, out);
    }
}

fn read_reasons(input: &mut Input<'_>) -> Option<Reasons> {
    let mut counts = Reasons::new();
    for _ in 0..input.number()? {
        let reason = word(input.text()?)?;
        counts.insert(reason, input.number()?);
    }
    Some(counts)
}

/// Words that were read; a run knows a few dozen.
static WORDS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// More different words than any version of the program has; beyond that somebody else wrote the bytes.
const WORDS_MAX: usize = 512;

/// No word of a report is longer.
const WORD_BYTES_MAX: usize = 48;

/// A word of the report. Words live as long as the program, so that only what looks like one becomes one.
fn word(text: &str) -> Option<&'static str> {
    let is_word = !text.is_empty()
        && text.len() <= WORD_BYTES_MAX
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if !is_word {
        return None;
    }
    let mut words = WORDS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = words.get(text) {
        return Some(known);
    }
    if words.len() >= WORDS_MAX {
        return None;
    }
    let word: &'static str = Box::leak(Box::from(text));
    words.insert(word);
    Some(word)
}
