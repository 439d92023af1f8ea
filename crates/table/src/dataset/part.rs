//! A dataset as one file: the states and rows of some hours, to be carried elsewhere.
//!
//! In: the same writes as a directory takes. Out: the same bytes, at random. Always: the file appears whole or not at
//! all; each entry has a checksum, and so has the table of entries; a torn or hostile file gives errors, and no memory
//! is asked for by a length that the file does not have. Absent: answers, locks, and changing a part that is there.
//!
//! ```text
//! magic 16 · entries, back to back · index · index offset u64 · index bytes u64 · xxh3-128 of the index · magic 16
//! index: manifest bytes u64, manifest · entries u32 · entries × (slot, kind u8, stream, offset u64, bytes u64, hash u128)
//! ```

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use borehole_record::UtcHour;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::directory::{ROWS_BYTES_MAX, in_words, rows_files};
use super::disk::{Disk, error};
use super::encoding::{Rest, put_name};
use super::place::is_stream;
use super::queue::{Job, Sink, WriteSlot};
use super::state::{self, STATE_BYTES_MAX, State, put_slot, read_slot};
use super::{Damaged, DatasetError, Identity, RowsFile, Slot, Written, manifest};

/// The last characters are the layout.
const MAGIC: &[u8; 16] = b"BOREHOLE-PART-1\n";
const MAGIC_STEM: &[u8] = b"BOREHOLE-PART-";
const LAYOUT: &str = "1";
/// Index offset and length, its checksum, magic.
const TRAILER_BYTES: u64 = 8 + 8 + 16 + 16;

/// Most bytes of an index: a hundred streams over ten years have less. A file may claim any length that costs it
/// nothing (it may be sparse), so the length alone is no bound.
const INDEX_BYTES_MAX: u64 = 256 << 20;

const STATE: u8 = 0;
const ROWS: u8 = 1;

/// Where an entry lies in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Extent {
    offset: u64,
    bytes: u64,
    hash: u128,
}

/// What a part holds of a slot.
#[derive(Clone, Debug)]
struct Entry {
    state: Extent,
    rows: BTreeMap<String, Extent>,
}

/// A part, open to read.
#[derive(Debug)]
pub(super) struct Part {
    place: PathBuf,
    file: File,
    fingerprint: u128,
    entries: BTreeMap<Slot, Entry>,
}

/// Whether a path is a part of any layout.
pub(super) fn is_part(path: &Path) -> bool {
    let mut begin = [0; MAGIC_STEM.len()];
    // Files only: opening a pipe would wait for somebody who writes to it.
    std::fs::metadata(path).is_ok_and(|found| found.is_file())
        && File::open(path).is_ok_and(|mut file| file.read_exact(&mut begin).is_ok())
        && begin == *MAGIC_STEM
}

impl Part {
    /// Opens a part and reads its index.
    pub(super) fn open(path: &Path) -> Result<(Part, Identity), DatasetError> {
        let file = File::open(path).map_err(|cause| error(path, "open", cause))?;
        let damaged = |what: &str| Damaged { place: path.to_owned(), what: what.to_owned() };
        let length = file.metadata().map_err(|cause| error(path, "open", cause))?.len();
        let mut magic = [0; MAGIC.len()];
        file.read_exact_at(&mut magic, 0).map_err(|_| damaged("not a part"))?;
        if magic != *MAGIC {
            let Some(layout) = magic.strip_prefix(MAGIC_STEM) else {
                return Err(damaged("not a part").into());
            };
            return Err(DatasetError::Layout {
                place: path.to_owned(),
                found: String::from_utf8_lossy(layout).trim_end().to_owned(),
                expected: LAYOUT,
            });
        }
        let index = read_index(&file, length).map_err(|what| damaged(&what))?;
        let unfit = || damaged("its index does not fit together");
        let (manifest, entries) = parse_index(&index.bytes, index.offset).ok_or_else(unfit)?;
        let identity = manifest::decode(manifest, path, path)?;
        let fingerprint = manifest::fingerprint(&identity);
        Ok((Part { place: path.to_owned(), file, fingerprint, entries }, identity))
    }

    pub(super) fn slots(&self, range: Option<(UtcHour, UtcHour)>) -> Vec<Slot> {
        let is_wanted = |slot: &Slot| match (slot, range) {
            (Slot::Hour(hour), Some((from, to))) => from <= *hour && *hour < to,
            _ => true,
        };
        self.entries.keys().copied().filter(is_wanted).collect()
    }

    pub(super) fn state(&self, slot: Slot) -> Option<Result<State, Damaged>> {
        let extent = self.entries.get(&slot)?.state;
        let read = || {
            if extent.bytes > STATE_BYTES_MAX {
                return Err("a state that is too large".to_owned());
            }
            let bytes = self.read(extent)?;
            State::decode(bytes, slot, self.fingerprint).map_err(super::state::Unreadable::in_words)
        };
        Some(read().map_err(|what: String| self.damaged(slot, &what)))
    }

    pub(super) fn read_rows(&self, slot: Slot, file: &RowsFile) -> Result<Vec<u8>, Damaged> {
        let extent = self.rows(slot, file).ok_or_else(|| self.damaged(slot, NO_ROWS))?;
        self.read(extent).map_err(|what| self.damaged(slot, &what))
    }

    pub(super) fn rows_are_there(&self, slot: Slot, file: &RowsFile) -> bool {
        self.rows(slot, file).is_some()
    }

    /// Holds rows against their checksum without holding them in memory.
    pub(super) fn check_rows(&self, slot: Slot, file: &RowsFile) -> Result<(), Damaged> {
        let mut rest = self.rows(slot, file).ok_or_else(|| self.damaged(slot, NO_ROWS))?;
        let mut hash = Xxh3::new();
        let mut buffer = vec![0; 256 << 10];
        while rest.bytes > 0 {
            let length = buffer.len().min(usize::try_from(rest.bytes).unwrap_or(usize::MAX));
            let read = self.file.read_exact_at(&mut buffer[..length], rest.offset);
            read.map_err(|cause| self.damaged(slot, &in_words(cause)))?;
            hash.update(&buffer[..length]);
            rest.offset += length as u64;
            rest.bytes -= length as u64;
        }
        if hash.digest128() == rest.hash { Ok(()) } else { Err(self.damaged(slot, OTHER_BYTES)) }
    }

    /// The rows that a state names, if the index names the same.
    fn rows(&self, slot: Slot, file: &RowsFile) -> Option<Extent> {
        let extent = *self.entries.get(&slot)?.rows.get(&file.stream)?;
        let is_it = extent.bytes == file.bytes && extent.hash == file.hash && extent.bytes <= ROWS_BYTES_MAX;
        is_it.then_some(extent)
    }

    /// The bytes of an entry; the index was held against the file's length.
    fn read(&self, extent: Extent) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; usize::try_from(extent.bytes).map_err(|_| "too large".to_owned())?];
        self.file.read_exact_at(&mut bytes, extent.offset).map_err(in_words)?;
        if xxh3_128(&bytes) == extent.hash { Ok(bytes) } else { Err(OTHER_BYTES.to_owned()) }
    }

    fn damaged(&self, slot: Slot, what: &str) -> Damaged {
        let what = match slot {
            Slot::None => format!("what belongs to no hour: {what}"),
            Slot::Hour(hour) => format!("hour {hour}: {what}"),
        };
        Damaged { place: self.place.clone(), what }
    }
}

const OTHER_BYTES: &str = "the checksum does not fit";
const NO_ROWS: &str = "the rows that its state names are missing";

/// The index and where it begins.
struct Index {
    bytes: Vec<u8>,
    offset: u64,
}

fn read_index(file: &File, length: u64) -> Result<Index, String> {
    const TORN: &str = "torn: it does not end as a part does";
    let trailer_at = length.checked_sub(TRAILER_BYTES).ok_or(TORN)?;
    let mut trailer = [0; TRAILER_BYTES as usize];
    file.read_exact_at(&mut trailer, trailer_at).map_err(in_words)?;
    let mut rest = Rest(&trailer);
    let (offset, bytes, hash) = (rest.u64().ok_or(TORN)?, rest.u64().ok_or(TORN)?, rest.u128().ok_or(TORN)?);
    if rest.0 != MAGIC || offset.checked_add(bytes) != Some(trailer_at) || offset < MAGIC.len() as u64 {
        return Err(TORN.to_owned());
    }
    if bytes > INDEX_BYTES_MAX {
        return Err("its index is too large".to_owned());
    }
    let mut index = vec![0; usize::try_from(bytes).map_err(|_| TORN)?];
    file.read_exact_at(&mut index, offset).map_err(in_words)?;
    if xxh3_128(&index) != hash {
        return Err("the checksum of its index does not fit".to_owned());
    }
    Ok(Index { bytes: index, offset })
}

/// The manifest and the entries, all of which lie between the magic and `end`.
fn parse_index(bytes: &[u8], end: u64) -> Option<(&[u8], BTreeMap<Slot, Entry>)> {
    let mut rest = Rest(bytes);
    let manifest_bytes = rest.u64()?;
    let manifest = rest.take(manifest_bytes)?;
    let mut entries: BTreeMap<Slot, Entry> = BTreeMap::new();
    for _ in 0..rest.u32()? {
        let slot = read_slot(&mut rest)?;
        let kind = rest.u8()?;
        let stream = rest.name()?;
        let extent = Extent { offset: rest.u64()?, bytes: rest.u64()?, hash: rest.u128()? };
        if extent.offset < MAGIC.len() as u64 || extent.offset.checked_add(extent.bytes)? > end {
            return None;
        }
        // The state of a slot stands before its rows, and nothing is there twice.
        let is_new = match (kind, entries.get_mut(&slot)) {
            (STATE, None) if stream.is_empty() => {
                entries.insert(slot, Entry { state: extent, rows: BTreeMap::new() }).is_none()
            }
            (ROWS, Some(entry)) if is_stream(stream) => {
                entry.rows.insert(stream.to_owned(), extent).is_none()
            }
            _ => false,
        };
        if !is_new {
            return None;
        }
    }
    rest.0.is_empty().then_some((manifest, entries))
}

/// A part that is being written.
#[derive(Debug)]
pub(super) struct NewPart {
    place: PathBuf,
    manifest: Vec<u8>,
    fingerprint: u128,
    disk: Disk,
    writing: Mutex<Writing>,
}

#[derive(Debug)]
struct Writing {
    /// `None` once the part is published.
    temporary: Option<(File, tempfile::TempPath)>,
    end: u64,
    entries: BTreeMap<Slot, Entry>,
}

impl NewPart {
    /// Begins a part beside where it is to appear.
    pub(super) fn create(path: &Path, identity: &Identity, disk: Disk) -> Result<NewPart, DatasetError> {
        let failed = |cause| error(path, "create", cause);
        let temporary = tempfile::Builder::new().prefix(".borehole-").tempfile_in(folder_of(path));
        let temporary = temporary.map_err(failed)?.into_parts();
        disk.append(&temporary.0, path, MAGIC)?;
        Ok(NewPart {
            place: path.to_owned(),
            manifest: manifest::encode(identity),
            fingerprint: manifest::fingerprint(identity),
            disk,
            writing: Mutex::new(Writing {
                temporary: Some(temporary),
                end: MAGIC.len() as u64,
                entries: BTreeMap::new(),
            }),
        })
    }

    fn write_slot(&self, write: WriteSlot) -> Result<Written, DatasetError> {
        let files = rows_files(&write)?;
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.written_before(&writing, write.slot)?;
        let state =
            state::encode_over(before.as_ref(), write.slot, self.fingerprint, &write.sections, &files)?;
        let mut rows = BTreeMap::new();
        for (file, (_, _, bytes)) in files.iter().zip(&write.rows) {
            rows.insert(file.stream.clone(), self.append(&mut writing, bytes, file.hash)?);
        }
        let hash = xxh3_128(&state);
        let state_extent = self.append(&mut writing, &state, hash)?;
        // What stood there before stays in the file as bytes that nobody names: slots are rarely written twice.
        writing.entries.insert(write.slot, Entry { state: state_extent, rows });
        let rows_bytes: u64 = files.iter().map(|file| file.bytes).sum();
        Ok(Written { files: 1 + files.len() as u64, bytes: state.len() as u64 + rows_bytes })
    }

    /// Replaces sections of a slot, and leaves the rest as it is.
    fn update_slot(&self, slot: Slot, sections: &[(&'static str, Vec<u8>)]) -> Result<Written, DatasetError> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.written_before(&writing, slot)?;
        let files = before.as_ref().map_or_else(Vec::new, |state| state.rows().to_vec());
        let state = state::encode_over(before.as_ref(), slot, self.fingerprint, sections, &files)?;
        let hash = xxh3_128(&state);
        let extent = self.append(&mut writing, &state, hash)?;
        match writing.entries.get_mut(&slot) {
            Some(entry) => entry.state = extent,
            None => drop(writing.entries.insert(slot, Entry { state: extent, rows: BTreeMap::new() })),
        }
        Ok(Written { files: 1, bytes: state.len() as u64 })
    }

    /// The state of a slot as it was written to this part.
    fn written_before(&self, writing: &Writing, slot: Slot) -> Result<Option<State>, DatasetError> {
        let Some(entry) = writing.entries.get(&slot) else { return Ok(None) };
        let (file, _) = writing.temporary.as_ref().ok_or(FINISHED)?;
        let length = usize::try_from(entry.state.bytes).map_err(|_| FINISHED)?;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, entry.state.offset)
            .map_err(|cause| error(&self.place, "read", cause))?;
        Ok(State::decode(bytes, slot, self.fingerprint).ok())
    }

    fn append(&self, writing: &mut Writing, bytes: &[u8], hash: u128) -> Result<Extent, DatasetError> {
        let (file, _) = writing.temporary.as_ref().ok_or(FINISHED)?;
        self.disk.append(file, &self.place, bytes)?;
        let extent = Extent { offset: writing.end, bytes: bytes.len() as u64, hash };
        writing.end += extent.bytes;
        Ok(extent)
    }

    /// Ends the file and lets it appear.
    pub(super) fn publish(&self) -> Result<(), DatasetError> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut index = Vec::new();
        index.extend_from_slice(&(self.manifest.len() as u64).to_le_bytes());
        index.extend_from_slice(&self.manifest);
        let count: usize = writing.entries.values().map(|entry| 1 + entry.rows.len()).sum();
        let too_many = DatasetError::Internal { what: "too many entries for a part" };
        index.extend_from_slice(&u32::try_from(count).map_err(|_| too_many)?.to_le_bytes());
        for (slot, entry) in &writing.entries {
            put_entry(&mut index, *slot, STATE, "", entry.state);
            for (stream, extent) in &entry.rows {
                put_entry(&mut index, *slot, ROWS, stream, *extent);
            }
        }
        let (length, hash) = (index.len() as u64, xxh3_128(&index));
        index.extend_from_slice(&writing.end.to_le_bytes());
        index.extend_from_slice(&length.to_le_bytes());
        index.extend_from_slice(&hash.to_le_bytes());
        index.extend_from_slice(MAGIC);
        let (file, path) = writing.temporary.take().ok_or(FINISHED)?;
        self.disk.append(&file, &self.place, &index)?;
        self.disk.sync(&file, &self.place)?;
        self.disk.rename(&path, &self.place)?;
        self.disk.sync_folder(folder_of(&self.place))
    }
}

const FINISHED: DatasetError = DatasetError::Internal { what: "a part that is finished takes no more" };

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn put_entry(index: &mut Vec<u8>, slot: Slot, kind: u8, stream: &str, extent: Extent) {
    put_slot(index, slot);
    index.push(kind);
    put_name(index, stream).expect("a stream's name was checked when it was written");
    index.extend_from_slice(&extent.offset.to_le_bytes());
    index.extend_from_slice(&extent.bytes.to_le_bytes());
    index.extend_from_slice(&extent.hash.to_le_bytes());
}

impl Sink for NewPart {
    fn perform(&self, job: Job) -> Result<Written, DatasetError> {
        match job {
            Job::Write(write) => self.write_slot(write),
            Job::Update(slot, sections) => self.update_slot(slot, &sections),
            Job::Remove(slot) => {
                self.writing.lock().unwrap_or_else(PoisonError::into_inner).entries.remove(&slot);
                Ok(Written::default())
            }
            Job::Answers { .. } => Ok(Written::default()),
        }
    }
}
