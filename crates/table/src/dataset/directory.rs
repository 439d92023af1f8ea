//! A dataset as a directory: how a slot is read, and how it is replaced.
//!
//! A slot is replaced in two steps. First everything new is written to `_borehole/new` and synced, the state last: from
//! then on the write has happened. Then the files are renamed to their places, the state last. A run that was killed
//! between the two is completed by the next one that opens the directory to write; one that was killed before leaves
//! nothing but files in `new`, which are removed. So an hour is what it was or what it was to be, with all of its rows,
//! and no row is ever seen in two files: files that vanish go before those that come.
//!
//! Who only reads while somebody writes may find rows newer than the state that names them: their checksums tell.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use borehole_record::{UtcDay, UtcHour};
use rustc_hash::FxHashSet;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::answers::{self, Day, Owner};
use super::disk::{Disk, Making, error};
use super::place::{MANIFEST, NONE, Places, ROOM, day_of, is_stream, parse_day, parse_hour, parse_new_state};
use super::queue::{Job, Sink, WriteSlot};
use super::state::{self, STATE_BYTES_MAX, State, Unreadable};
use super::{Damaged, DatasetError, Identity, RowsFile, Slot, Written, lock, manifest};

/// Questions whose answers are kept: each is the sums of every hour once more. People ask a handful, and each of them has up
/// to four names (with and without a range, by hour and as a whole).
const QUESTIONS_MAX: usize = 32;

/// Most bytes of a day's answers that are read; more is none of ours.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

/// Most bytes of one hour's rows of one stream: a hundred million rows. More is refused when it is written, and memory
/// is not asked for it when a file claims it.
pub(super) const ROWS_BYTES_MAX: u64 = 4 << 30;

/// Bytes that are read at once where a file is only checked.
const CHECK_BYTES: usize = 256 << 10;

/// The directory.
#[derive(Debug)]
pub(super) struct Directory {
    pub places: Places,
    pub disk: Disk,
    /// [`manifest::fingerprint`] of whose it is.
    pub fingerprint: u128,
    /// Whether it was opened to write.
    pub is_writable: bool,
    /// Directories that are there and on the disk.
    folders: Mutex<FxHashSet<PathBuf>>,
    /// Streams that may have rows.
    streams: Mutex<BTreeSet<String>>,
}

impl Directory {
    /// Opens a dataset to read.
    pub(super) fn open_to_read(root: &Path) -> Result<(Directory, Identity), DatasetError> {
        let places = Places::new(root);
        let identity = read_manifest(&places)?.ok_or_else(|| DatasetError::NotADataset {
            place: root.to_owned(),
            what: "it has no manifest of a dataset",
        })?;
        let directory = Directory {
            places,
            disk: Disk::default(),
            fingerprint: manifest::fingerprint(&identity),
            is_writable: false,
            folders: Mutex::default(),
            streams: Mutex::default(),
        };
        Ok((directory, identity))
    }

    /// Opens a dataset to write, or makes one for `expected`; `None` takes what is there.
    ///
    /// The file is the lock.
    pub(super) fn open(
        root: &Path,
        expected: Option<&Identity>,
        disk: Disk,
        takes_lock: bool,
    ) -> Result<(Directory, Identity, Option<File>), DatasetError> {
        let places = Places::new(root);
        // A foreign directory is refused before anything is made in it.
        let check = || -> Result<Option<Identity>, DatasetError> {
            match (read_manifest(&places)?, expected) {
                (Some(found), Some(expected)) => {
                    manifest::compare(root, &found, expected)?;
                    Ok(Some(found))
                }
                (None, Some(_)) => check_vacant(&places).map(|()| None),
                (None, None) => Err(DatasetError::NotADataset {
                    place: root.to_owned(),
                    what: "it has no manifest of a dataset",
                }),
                (found, None) => Ok(found),
            }
        };
        check()?;
        let mut directory = Directory {
            places: places.clone(),
            disk,
            fingerprint: 0,
            is_writable: true,
            folders: Mutex::default(),
            streams: Mutex::default(),
        };
        directory.make_root()?;
        let lock = if takes_lock { Some(lock::take(&places.lock(), root)?) } else { None };
        // Whoever held the lock until now may have made it.
        let found = check()?;
        directory.make_folders(&[places.new_files(), places.hours(), places.answers()])?;
        let Some(identity) = found.clone().or_else(|| expected.cloned()) else {
            return Err(DatasetError::Internal { what: "a dataset of nobody" });
        };
        directory.fingerprint = manifest::fingerprint(&identity);
        let text = manifest::encode(&identity);
        if std::fs::read(places.manifest()).ok().as_deref() != Some(&*text) {
            let new = places.new_files().join(MANIFEST);
            directory.disk.write_and_sync(&new, &text)?;
            directory.disk.rename(&new, &places.manifest())?;
            directory.disk.sync_folder(root)?;
        }
        directory.find_streams()?;
        directory.complete_or_remove_new_files()?;
        Ok((directory, identity, lock))
    }

    /// The state of a slot; `None` where there is none.
    pub(super) fn state(&self, slot: Slot) -> Option<Result<State, Damaged>> {
        let what = match self.read_state(slot)? {
            Ok(state) => return Some(Ok(state)),
            // It will be redone.
            Err(Ok(Unreadable::Outdated(_))) if self.is_writable => return None,
            Err(Ok(unreadable)) => unreadable.in_words(),
            Err(Err(what)) => what,
        };
        Some(Err(Damaged { place: self.places.state(slot), what }))
    }

    /// The same, with what is wrong with the bytes, or why they cannot be read.
    pub(super) fn read_state(&self, slot: Slot) -> Option<Result<State, Result<Unreadable, String>>> {
        let bytes = match read_file(&self.places.state(slot), STATE_BYTES_MAX) {
            Ok(bytes) => bytes?,
            Err(what) => return Some(Err(Err(what))),
        };
        Some(State::decode(bytes, slot, self.fingerprint).map_err(Ok))
    }

    /// Slots that have a state, by slot, and what could not be listed.
    pub(super) fn slots(&self, range: Option<(UtcHour, UtcHour)>) -> (Vec<Slot>, Vec<(Slot, Damaged)>) {
        let (mut slots, mut damaged) = (Vec::new(), Vec::new());
        let is_wanted = |hour: UtcHour| range.is_none_or(|(from, to)| from <= hour && hour < to);
        let mut days = Vec::new();
        let hours = self.places.hours();
        let listed = list(&hours, |name, _| {
            if name == NONE {
                slots.push(Slot::None);
            } else if let Some(day) = parse_day(name) {
                days.push((day, name.to_owned()));
            }
        });
        if let Err(what) = listed {
            damaged.push((Slot::None, Damaged { place: hours.clone(), what }));
        }
        days.sort_unstable();
        for (day, name) in days {
            if range.is_some_and(|(from, to)| to <= from || day < day_of(from) || day_of(to) < day) {
                continue;
            }
            let folder = hours.join(name);
            let begin = slots.len();
            let listed = list(&folder, |name, _| {
                slots.extend(parse_hour(day, name).filter(|hour| is_wanted(*hour)).map(Slot::Hour));
            });
            if let Err(what) = listed {
                let first = UtcHour(day.0.saturating_mul(24));
                damaged.push((Slot::Hour(first), Damaged { place: folder, what }));
            }
            slots[begin..].sort_unstable();
        }
        (slots, damaged)
    }

    /// Where the rows lie; [`Slot::None`] has none.
    pub(super) fn rows_place(&self, slot: Slot, file: &RowsFile) -> Result<PathBuf, Damaged> {
        match slot {
            // A caller may have made the name up: it must not lead anywhere else.
            Slot::Hour(hour) if is_stream(&file.stream) => Ok(self.places.rows(hour, &file.stream)),
            _ => Err(Damaged { place: self.places.root.clone(), what: "no such rows".to_owned() }),
        }
    }

    pub(super) fn read_rows(&self, slot: Slot, file: &RowsFile) -> Result<Vec<u8>, Damaged> {
        let path = self.rows_place(slot, file)?;
        let read = || {
            let mut opened = open_exact(&path, file.bytes)?;
            let mut bytes = Vec::with_capacity(usize::try_from(file.bytes).map_err(|_| TOO_LARGE)?);
            opened.by_ref().take(file.bytes).read_to_end(&mut bytes).map_err(in_words)?;
            if bytes.len() as u64 == file.bytes && xxh3_128(&bytes) == file.hash {
                Ok(bytes)
            } else {
                Err(OTHER_BYTES.to_owned())
            }
        };
        read().map_err(|what: String| Damaged { place: path.clone(), what })
    }

    pub(super) fn rows_are_there(&self, slot: Slot, file: &RowsFile) -> bool {
        let place = self.rows_place(slot, file).ok();
        let found = place.and_then(|path| std::fs::symlink_metadata(path).ok());
        found.is_some_and(|found| found.is_file() && found.len() == file.bytes)
    }

    /// Answers to a question, by hour.
    pub(super) fn answers(
        &self,
        question: u128,
        range: Option<(UtcHour, UtcHour)>,
    ) -> Vec<(UtcHour, u128, Vec<u8>)> {
        let mut days = Vec::new();
        let folder = self.places.question(question);
        // What cannot be listed is lost, and made again.
        let _ = list(&folder, |name, _| days.extend(parse_day(name)));
        days.retain(|day| {
            range.is_none_or(|(from, to)| from < to && day_of(from) <= *day && *day <= day_of(to))
        });
        days.sort_unstable();
        if self.is_writable && !days.is_empty() {
            // The least recently used vanish; that this could not be noted may cost one of them, nothing else.
            let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
            let times = Timestamps { last_access: now, last_modification: now };
            let _ = rustix::fs::utimensat(CWD, &folder, &times, AtFlags::SYMLINK_NOFOLLOW);
        }
        let mut found = Vec::new();
        for day in days {
            for (hour, (content, bytes)) in self.answers_of_day(question, day).unwrap_or_default() {
                if range.is_none_or(|(from, to)| from <= hour && hour < to) {
                    found.push((hour, content, bytes));
                }
            }
        }
        found
    }

    /// A day's answers; `None` where they are lost.
    pub(super) fn answers_of_day(&self, question: u128, day: UtcDay) -> Option<Day> {
        let bytes = read_file(&self.places.answer(question, day), ANSWER_BYTES_MAX).ok()??;
        answers::decode(Owner { identity: self.fingerprint, question, day }, &bytes)
    }

    /// Questions with answers, the least recently used first.
    pub(super) fn questions(&self) -> Vec<u128> {
        let mut questions = Vec::new();
        let _ = list(&self.places.answers(), |name, path| {
            let used = std::fs::symlink_metadata(path).and_then(|found| found.modified()).ok();
            questions.extend(super::place::parse_question(name).map(|question| (used, question)));
        });
        questions.sort_unstable();
        questions.into_iter().map(|(_, question)| question).collect()
    }

    /// Questions beyond those that are kept.
    pub(super) fn old_questions(&self) -> Vec<u128> {
        let mut questions = self.questions();
        questions.truncate(questions.len().saturating_sub(QUESTIONS_MAX));
        questions
    }

    fn write_answers(
        &self,
        question: u128,
        answers: Vec<(UtcHour, u128, Vec<u8>)>,
    ) -> Result<(), DatasetError> {
        let mut days: BTreeMap<UtcDay, Day> = BTreeMap::new();
        for (hour, content, bytes) in answers {
            days.entry(day_of(hour)).or_default().insert(hour, (content, bytes));
        }
        self.disk.make_folder(&self.places.question(question))?;
        for (day, new) in days {
            let mut merged = self.answers_of_day(question, day).unwrap_or_default();
            merged.extend(new);
            let bytes = answers::encode(Owner { identity: self.fingerprint, question, day }, &merged);
            let path = self.places.new_answer(question, day);
            self.disk.write(&path, &bytes)?;
            self.disk.rename(&path, &self.places.answer(question, day))?;
        }
        for old in self.old_questions().into_iter().filter(|old| *old != question) {
            self.remove_folder_of_files(&self.places.question(old))?;
        }
        Ok(())
    }

    /// Removes the files in a directory, and the directory; returns the bytes.
    pub(super) fn remove_folder_of_files(&self, folder: &Path) -> Result<u64, DatasetError> {
        let (mut paths, mut bytes) = (Vec::new(), 0);
        list(folder, |_, path| paths.push(path.to_owned()))
            .map_err(|what| DatasetError::Damaged(Damaged { place: folder.to_owned(), what }))?;
        for path in paths {
            bytes += std::fs::symlink_metadata(&path).map_or(0, |found| found.len());
            self.disk.remove_file(&path)?;
        }
        self.disk.remove_empty_folder(folder)?;
        Ok(bytes)
    }

    /// Replaces a slot; see the top of this file.
    fn write_slot(&self, write: &WriteSlot) -> Result<Written, DatasetError> {
        let files = rows_files(write)?;
        let before = self.state(write.slot).and_then(Result::ok);
        let state =
            state::encode_over(before.as_ref(), write.slot, self.fingerprint, &write.sections, &files)?;
        let written = Written {
            files: 1 + files.len() as u64,
            bytes: state.len() as u64 + files.iter().map(|file| file.bytes).sum::<u64>(),
        };
        let streams: Vec<&str> = files.iter().map(|file| &*file.stream).collect();
        self.write_new_files(write, &state).inspect_err(|_| {
            // A full disk should not be left fuller. The state first: it is what says that all is there.
            let _ = std::fs::remove_file(self.places.new_state(write.slot));
            for stream in &streams {
                let _ = std::fs::remove_file(self.places.new_rows(write.slot, stream));
            }
        })?;
        self.publish(write.slot, &streams, &streams)?;
        Ok(written)
    }

    /// Replaces sections of a slot, and leaves the rest as it is.
    fn update_slot(&self, slot: Slot, sections: &[(&'static str, Vec<u8>)]) -> Result<Written, DatasetError> {
        let before = self.state(slot).and_then(Result::ok);
        let files = before.as_ref().map_or_else(Vec::new, |state| state.rows().to_vec());
        let state = state::encode_over(before.as_ref(), slot, self.fingerprint, sections, &files)?;
        let streams: Vec<&str> = files.iter().map(|file| &*file.stream).collect();
        let place = self.places.new_state(slot);
        self.disk.write_and_sync(&place, &state).inspect_err(|_| {
            let _ = std::fs::remove_file(&place);
        })?;
        self.publish(slot, &streams, &[])?;
        Ok(Written { files: 1, bytes: state.len() as u64 })
    }

    /// Writes all, and then waits for all: the disk gets them as one, and a journal takes them in one go.
    ///
    /// The state is there before it is known that the rows are on the disk. If power goes in between, the rows are
    /// held against it.
    fn write_new_files(&self, write: &WriteSlot, state: &[u8]) -> Result<(), DatasetError> {
        let mut files = Vec::with_capacity(1 + write.rows.len());
        for (stream, _, bytes) in &write.rows {
            let path = self.places.new_rows(write.slot, stream);
            files.push((self.disk.write_behind(&path, bytes)?, path));
        }
        let path = self.places.new_state(write.slot);
        files.push((self.disk.write_behind(&path, state)?, path));
        files.iter().try_for_each(|(file, path)| self.disk.sync(file, path))
    }

    /// Brings the new files of a slot to their places, those in `moved` and the state; `streams` are all that it has
    /// rows of.
    fn publish(&self, slot: Slot, streams: &[&str], moved: &[&str]) -> Result<(), DatasetError> {
        let mut made = Vec::new();
        let mut unsynced = BTreeSet::new();
        let state_folder = self.places.state_folder(slot);
        self.make_folder(&state_folder, &mut made)?;
        if let Slot::Hour(hour) = slot {
            for stream in moved {
                self.make_folder(&self.places.rows_folder(hour, stream), &mut made)?;
            }
            let before: Vec<String> = {
                let mut known = lock(&self.streams);
                known.extend(moved.iter().map(|&stream| stream.to_owned()));
                known.iter().filter(|stream| !streams.contains(&stream.as_str())).cloned().collect()
            };
            for stream in before {
                if self.disk.remove_file(&self.places.rows(hour, &stream))? {
                    unsynced.insert(self.places.rows_folder(hour, &stream));
                }
            }
            for stream in moved {
                self.disk.rename(&self.places.new_rows(slot, stream), &self.places.rows(hour, stream))?;
                unsynced.insert(self.places.rows_folder(hour, stream));
            }
        }
        // Old ones, too: who made them may not have come as far as this.
        unsynced.extend(made.iter().filter_map(|(folder, _)| folder.parent().map(Path::to_owned)));
        for folder in &unsynced {
            self.disk.sync_folder(folder)?;
        }
        lock(&self.folders).extend(made.into_iter().map(|(folder, _)| folder));
        self.disk.rename(&self.places.new_state(slot), &self.places.state(slot))?;
        self.disk.sync_folder(&state_folder)
    }

    /// Takes a slot away: its state first, so that it never names what is gone.
    fn remove_slot(&self, slot: Slot) -> Result<(), DatasetError> {
        if self.disk.remove_file(&self.places.state(slot))? {
            self.disk.sync_folder(&self.places.state_folder(slot))?;
        }
        let Slot::Hour(hour) = slot else { return Ok(()) };
        let streams = lock(&self.streams).clone();
        for stream in streams {
            if self.disk.remove_file(&self.places.rows(hour, &stream))? {
                self.disk.sync_folder(&self.places.rows_folder(hour, &stream))?;
            }
        }
        Ok(())
    }

    /// Makes a directory and those above it, and adds them to `made` with whether they are new.
    fn make_folder(&self, path: &Path, made: &mut Vec<(PathBuf, bool)>) -> Result<(), DatasetError> {
        if made.iter().any(|(folder, _)| folder == path) || lock(&self.folders).contains(path) {
            return Ok(());
        }
        let mut making = self.disk.make_folder(path)?;
        if making == Making::NoParent {
            let missing = || error(path, "mkdir", ErrorKind::NotFound.into());
            self.make_folder(path.parent().ok_or_else(missing)?, made)?;
            making = self.disk.make_folder(path)?;
            if making == Making::NoParent {
                return Err(missing());
            }
        }
        made.push((path.to_owned(), making == Making::New));
        Ok(())
    }

    /// Makes directories, and waits until those that are new are on the disk.
    fn make_folders(&self, paths: &[PathBuf]) -> Result<(), DatasetError> {
        let mut made = Vec::new();
        for path in paths {
            self.make_folder(path, &mut made)?;
        }
        let new = made.iter().filter(|(_, is_new)| *is_new);
        let parents: BTreeSet<&Path> = new.filter_map(|(folder, _)| folder.parent()).collect();
        for parent in parents {
            // The parent of a relative path of one name.
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            self.disk.sync_folder(parent)?;
        }
        lock(&self.folders).extend(made.into_iter().map(|(folder, _)| folder));
        Ok(())
    }

    /// The directory itself, and the room in it that the lock lies in.
    fn make_root(&self) -> Result<(), DatasetError> {
        let root = &self.places.root;
        if root.is_dir() {
            lock(&self.folders).insert(root.clone());
        }
        self.make_folders(&[self.places.room()])
    }

    /// Forgets which directories are there, after some were removed.
    pub(super) fn forget_folders(&self) {
        lock(&self.folders).clear();
    }

    fn find_streams(&self) -> Result<(), DatasetError> {
        let root = &self.places.root;
        list(root, |name, _| {
            let stream = name.strip_prefix("stream=").filter(|stream| is_stream(stream));
            lock(&self.streams).extend(stream.map(str::to_owned));
        })
        .map_err(|what| DatasetError::Damaged(Damaged { place: root.clone(), what }))
    }

    /// Brings writes to their end that had happened when the run was killed, and removes the files of all others.
    fn complete_or_remove_new_files(&self) -> Result<(), DatasetError> {
        let folder = self.places.new_files();
        let mut paths = Vec::new();
        let mut slots = Vec::new();
        list(&folder, |name, path| {
            paths.push(path.to_owned());
            slots.extend(parse_new_state(name));
        })
        .map_err(|what| DatasetError::Damaged(Damaged { place: folder.clone(), what }))?;
        slots.sort_unstable();
        for slot in slots {
            self.complete(slot)?;
        }
        for path in paths {
            self.disk.remove_file(&path)?;
        }
        Ok(())
    }

    fn complete(&self, slot: Slot) -> Result<(), DatasetError> {
        let path = self.places.new_state(slot);
        let Ok(Some(bytes)) = read_file(&path, STATE_BYTES_MAX) else { return Ok(()) };
        let Ok(state) = State::decode(bytes, slot, self.fingerprint) else { return Ok(()) };
        let mut moved = Vec::new();
        for file in state.rows() {
            let new = self.places.new_rows(slot, &file.stream);
            if check_file(&new, file).is_ok() {
                moved.push((&*file.stream, new));
            } else if self.rows_place(slot, file).map_or(true, |place| check_file(&place, file).is_err()) {
                // Files were taken away from outside: the write did not happen.
                return Ok(());
            }
        }
        for path in moved.iter().map(|(_, new)| new).chain([&path]) {
            let file = File::open(path).map_err(|cause| error(path, "open", cause))?;
            self.disk.sync(&file, path)?;
        }
        let streams: Vec<&str> = state.rows().iter().map(|file| &*file.stream).collect();
        let moved: Vec<&str> = moved.into_iter().map(|(stream, _)| stream).collect();
        self.publish(slot, &streams, &moved)
    }
}

impl Sink for Directory {
    fn perform(&self, job: Job) -> Result<Written, DatasetError> {
        match job {
            Job::Write(write) => self.write_slot(&write),
            Job::Update(slot, sections) => self.update_slot(slot, &sections),
            Job::Remove(slot) => self.remove_slot(slot).map(|()| Written::default()),
            Job::Answers { question, answers } => {
                // Answers may be lost: that they could not be written stops nobody.
                let _ = self.write_answers(question, answers);
                Ok(Written::default())
            }
        }
    }
}

/// The files of a write, as its state will name them.
pub(super) fn rows_files(write: &WriteSlot) -> Result<Vec<RowsFile>, DatasetError> {
    let mut files: Vec<RowsFile> = Vec::with_capacity(write.rows.len());
    for (stream, rows, bytes) in &write.rows {
        if write.slot == Slot::None {
            return Err(DatasetError::Internal { what: "rows that belong to no hour" });
        }
        if !is_stream(stream) {
            return Err(DatasetError::Internal { what: "a stream's name that cannot be part of a path" });
        }
        if files.iter().any(|file| file.stream == *stream) {
            return Err(DatasetError::Internal { what: "a stream that was given twice" });
        }
        if bytes.len() as u64 > ROWS_BYTES_MAX {
            return Err(DatasetError::Internal { what: "the rows of an hour are too large" });
        }
        let hash = xxh3_128(bytes);
        files.push(RowsFile { stream: stream.clone(), bytes: bytes.len() as u64, hash, rows: *rows });
    }
    Ok(files)
}

const OTHER_BYTES: &str = "the checksum does not fit";
const TOO_LARGE: &str = "too large";

/// The operating system's word for a failed reading.
pub(super) fn in_words(cause: io::Error) -> String {
    match cause.kind() {
        ErrorKind::NotFound => "missing".to_owned(),
        _ => format!("cannot be read: {cause}"),
    }
}

/// Opens a file that has this length.
fn open_exact(path: &Path, bytes: u64) -> Result<File, String> {
    let file = File::open(path).map_err(in_words)?;
    let found = file.metadata().map_err(in_words)?;
    if !found.is_file() {
        return Err("not a file".to_owned());
    }
    if bytes > ROWS_BYTES_MAX {
        return Err(TOO_LARGE.to_owned());
    }
    if found.len() != bytes {
        return Err(format!("has {} bytes, not {bytes}", found.len()));
    }
    Ok(file)
}

/// Whether a file's bytes are those that its state names, without holding them.
pub(super) fn check_file(path: &Path, expected: &RowsFile) -> Result<(), String> {
    let mut file = open_exact(path, expected.bytes)?;
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; CHECK_BYTES.min(usize::try_from(expected.bytes).unwrap_or(CHECK_BYTES).max(1))];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => hash.update(&buffer[..length]),
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            Err(cause) => return Err(in_words(cause)),
        }
    }
    if hash.digest128() == expected.hash { Ok(()) } else { Err(OTHER_BYTES.to_owned()) }
}

/// A whole file of at most so many bytes; `None` where there is none.
fn read_file(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, String> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(in_words(cause)),
    };
    let found = file.metadata().map_err(in_words)?;
    if !found.is_file() {
        return Err("not a file".to_owned());
    }
    if found.len() > bytes_max {
        return Err(TOO_LARGE.to_owned());
    }
    // One byte more than there should be, so that the end is found by one reading; it may grow meanwhile.
    let mut bytes = Vec::with_capacity(found.len() as usize + 1);
    file.by_ref().take(bytes_max).read_to_end(&mut bytes).map_err(in_words)?;
    Ok(Some(bytes))
}

/// Calls `each` with the names in a directory that are UTF-8, as all of ours are. A missing directory is empty.
pub(super) fn list(folder: &Path, mut each: impl FnMut(&str, &Path)) -> Result<(), String> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(in_words(cause)),
    };
    for entry in entries {
        let entry = entry.map_err(in_words)?;
        if let Some(name) = entry.file_name().to_str() {
            each(name, &entry.path());
        }
    }
    Ok(())
}

/// Whose dataset it is; `None` where there is no manifest.
fn read_manifest(places: &Places) -> Result<Option<Identity>, DatasetError> {
    let path = places.manifest();
    match read_file(&path, manifest::MANIFEST_BYTES_MAX) {
        Ok(Some(bytes)) => manifest::decode(&bytes, &places.root, &path).map(Some),
        Ok(None) => Ok(None),
        // Nothing can be in what is itself a file.
        Err(_) if places.root.is_file() => Err(DatasetError::NotADataset {
            place: places.root.clone(),
            what: "it is a file, not a directory",
        }),
        Err(what) => Err(Damaged { place: path, what }.into()),
    }
}

/// Refuses a directory without a manifest in which something lies: it is somebody else's, or was damaged.
fn check_vacant(places: &Places) -> Result<(), DatasetError> {
    let entries = match std::fs::read_dir(&places.root) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(error(&places.root, "open", cause)),
    };
    for entry in entries {
        let entry = entry.map_err(|cause| error(&places.root, "open", cause))?;
        if entry.file_name() != OsStr::new(ROOM) {
            return Err(DatasetError::NotADataset {
                place: places.root.clone(),
                what: "it is not empty, and it has no manifest of a dataset",
            });
        }
    }
    // A run that was killed while it made the directory leaves an empty room.
    let mut has_hours = false;
    list(&places.hours(), |_, _| has_hours = true)
        .map_err(|what| DatasetError::Damaged(Damaged { place: places.hours(), what }))?;
    if has_hours {
        return Err(Damaged { place: places.manifest(), what: "missing".to_owned() }.into());
    }
    Ok(())
}

/// Nothing that is held here can be left half changed by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
