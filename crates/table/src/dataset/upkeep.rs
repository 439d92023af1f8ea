//! What a dataset holds, whether it is sound, and what in it may go.
//!
//! Always: nothing is called superfluous because it could not be read, and nothing that is not ours is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use borehole_record::UtcHour;

use super::directory::{Directory, check_file, list};
use super::place::{ROWS, day_name, is_stream, parse_day, parse_hour};
use super::state::Unreadable;
use super::{Damaged, Dataset, DatasetError, Finding, Info, Kind, Removed, RowsFile, Severity, Slot, State};

/// The states, and which slots have one that cannot be read or of which that is not known.
struct Overview {
    sound: Vec<(Slot, State)>,
    outdated: Vec<(Slot, Damaged)>,
    damaged: Vec<(Slot, Damaged)>,
    /// Whether all that there is was listed.
    is_whole: bool,
}

fn overview(dataset: &Dataset) -> Overview {
    match &dataset.kind {
        Kind::Directory(directory) => overview_of_directory(directory),
        Kind::Part(_) | Kind::NewPart(_) => {
            let mut overview =
                Overview { sound: Vec::new(), outdated: Vec::new(), damaged: Vec::new(), is_whole: true };
            for (slot, state) in dataset.states(None) {
                match state {
                    Ok(state) => overview.sound.push((slot, state)),
                    Err(damaged) => overview.damaged.push((slot, damaged)),
                }
            }
            overview
        }
    }
}

fn overview_of_directory(directory: &Directory) -> Overview {
    let (slots, unlisted) = directory.slots(None);
    let mut overview = Overview {
        sound: Vec::new(),
        outdated: Vec::new(),
        is_whole: unlisted.is_empty(),
        damaged: unlisted,
    };
    for slot in slots {
        let place = directory.places.state(slot);
        let damaged = |what| Damaged { place: place.clone(), what };
        match directory.read_state(slot) {
            None => {}
            Some(Ok(state)) => overview.sound.push((slot, state)),
            Some(Err(Ok(unreadable @ Unreadable::Outdated(_)))) => {
                overview.outdated.push((slot, damaged(unreadable.in_words())));
            }
            Some(Err(Ok(unreadable))) => overview.damaged.push((slot, damaged(unreadable.in_words()))),
            Some(Err(Err(what))) => overview.damaged.push((slot, damaged(what))),
        }
    }
    overview
}

/// See [`Dataset::info`].
pub(super) fn info(dataset: &Dataset) -> Info {
    let overview = overview(dataset);
    let mut info = Info {
        damaged: overview.damaged.len() as u64,
        outdated: overview.outdated.len() as u64,
        ..Info::default()
    };
    let mut streams = BTreeSet::new();
    for (slot, state) in &overview.sound {
        info.states_bytes += state.file_bytes();
        for file in state.rows() {
            info.rows += file.rows;
            info.rows_bytes += file.bytes;
            streams.insert(file.stream.clone());
        }
        if let Slot::Hour(hour) = slot {
            info.hours += 1;
            info.first = Some(info.first.unwrap_or(*hour).min(*hour));
            info.last = Some(info.last.unwrap_or(*hour).max(*hour));
        }
    }
    info.streams = streams.into_iter().collect();
    if let Kind::Directory(directory) = &dataset.kind {
        let questions = directory.questions();
        info.questions = questions.len() as u64;
        for question in questions {
            let _ = list(&directory.places.question(question), |_, path| {
                info.answers_bytes += length_of(path);
            });
        }
    }
    info
}

/// See [`Dataset::verify`].
pub(super) fn verify(dataset: &Dataset, rows: bool) -> Vec<Finding> {
    let overview = overview(dataset);
    let mut findings = Vec::new();
    for (_, Damaged { place, what }) in &overview.damaged {
        findings.push(Finding { place: place.clone(), what: what.clone(), severity: Severity::Damage });
    }
    for (_, Damaged { place, what }) in &overview.outdated {
        let what = format!("{what}: will be read again");
        findings.push(Finding { place: place.clone(), what, severity: Severity::Note });
    }
    for (slot, state) in &overview.sound {
        for file in state.rows() {
            if let Err(Damaged { place, what }) = verify_rows(dataset, *slot, file, rows) {
                findings.push(Finding { place, what, severity: Severity::Damage });
            }
        }
    }
    if let Kind::Directory(directory) = &dataset.kind {
        let superfluous = superfluous(directory, &overview);
        findings.extend(superfluous.into_iter().map(|Superfluous { place, why, .. }| Finding {
            place,
            what: format!("{why}: vacuum removes it"),
            severity: Severity::Note,
        }));
        let (place, mut is_busy) = (directory.places.new_files(), false);
        let _ = list(&place, |_, _| is_busy = true);
        if is_busy {
            let what = "a run writes, or was stopped: the next one completes what it had begun".to_owned();
            findings.push(Finding { place, what, severity: Severity::Note });
        }
    }
    findings.sort_by(|a, b| a.severity.cmp(&b.severity).then_with(|| a.place.cmp(&b.place)));
    findings
}

fn verify_rows(dataset: &Dataset, slot: Slot, file: &RowsFile, reads: bool) -> Result<(), Damaged> {
    match &dataset.kind {
        Kind::Part(part) => {
            if reads || !part.rows_are_there(slot, file) {
                part.check_rows(slot, file)?;
            }
        }
        Kind::Directory(directory) => {
            if reads || !directory.rows_are_there(slot, file) {
                let place = directory.rows_place(slot, file)?;
                check_file(&place, file).map_err(|what| Damaged { place: place.clone(), what })?;
            }
        }
        Kind::NewPart(_) => {}
    }
    Ok(())
}

/// See [`Dataset::vacuum`].
pub(super) fn vacuum(directory: &Directory) -> Result<Vec<Removed>, DatasetError> {
    let overview = overview_of_directory(directory);
    let mut removed = Vec::new();
    for Superfluous { place, why, bytes } in superfluous(directory, &overview) {
        if place.is_dir() {
            directory.remove_folder_of_files(&place)?;
        } else {
            directory.disk.remove_file(&place)?;
        }
        removed.push(Removed { place, bytes, why });
    }
    // Deepest first, so that a directory of empty directories goes, too.
    for folder in folders(directory).into_iter().rev() {
        if directory.disk.remove_empty_folder(&folder)? {
            removed.push(Removed { place: folder, bytes: 0, why: EMPTY });
        }
    }
    directory.forget_folders();
    Ok(removed)
}

const EMPTY: &str = "an empty directory";
const UNNAMED: &str = "rows that no hour names";
const OLD_QUESTION: &str = "answers to a question that was not asked for long";
const LOST_ANSWER: &str = "answers that cannot be read, or whose hours are gone";

/// A file, or a directory of files, that may go.
struct Superfluous {
    place: PathBuf,
    why: &'static str,
    bytes: u64,
}

impl Superfluous {
    fn file(place: &Path, why: &'static str) -> Self {
        Superfluous { place: place.to_owned(), why, bytes: length_of(place) }
    }
}

fn superfluous(directory: &Directory, overview: &Overview) -> Vec<Superfluous> {
    let mut found = Vec::new();
    let places = &directory.places;
    // Where the states could not all be listed, nobody knows what they name.
    if overview.is_whole {
        let mut named: BTreeMap<UtcHour, BTreeSet<&str>> = BTreeMap::new();
        let mut unknown: BTreeSet<Slot> = BTreeSet::new();
        for (slot, state) in &overview.sound {
            if let Slot::Hour(hour) = slot {
                named.entry(*hour).or_default().extend(state.rows().iter().map(|file| &*file.stream));
            }
        }
        unknown.extend(overview.damaged.iter().chain(&overview.outdated).map(|(slot, _)| *slot));
        for (stream, hour, path) in rows_on_disk(directory) {
            let is_named = named.get(&hour).is_some_and(|streams| streams.contains(&*stream));
            if !is_named && !unknown.contains(&Slot::Hour(hour)) {
                found.push(Superfluous::file(&path, UNNAMED));
            }
        }
    }
    let old = directory.old_questions();
    for question in directory.questions() {
        let folder = places.question(question);
        if old.contains(&question) {
            let mut bytes = 0;
            let _ = list(&folder, |_, path| bytes += length_of(path));
            found.push(Superfluous { place: folder, why: OLD_QUESTION, bytes });
            continue;
        }
        let _ = list(&folder, |name, path| {
            let Some(day) = parse_day(name) else { return };
            let is_read = directory.answers_of_day(question, day).is_some();
            if !is_read || !places.hours().join(day_name(day)).is_dir() {
                found.push(Superfluous::file(path, LOST_ANSWER));
            }
        });
    }
    found
}

/// All Parquet files that lie where ours lie: stream, hour, path. Links are not followed.
fn rows_on_disk(directory: &Directory) -> Vec<(String, UtcHour, PathBuf)> {
    let mut found = Vec::new();
    let _ = list(&directory.places.root, |name, path| {
        let Some(stream) = name.strip_prefix("stream=").filter(|stream| is_stream(stream)) else { return };
        list_folder(path, |name, path| {
            let Some(day) = name.strip_prefix("date=").and_then(parse_day) else { return };
            list_folder(path, |name, path| {
                let hour = name.strip_prefix("hour=").and_then(|hour| parse_hour(day, hour));
                let file = path.join(ROWS);
                if let (Some(hour), Ok(_)) = (hour, file.symlink_metadata()) {
                    found.push((stream.to_owned(), hour, file));
                }
            });
        });
    });
    found
}

/// Directories that may be empty, those above before those below.
fn folders(directory: &Directory) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let _ = list(&directory.places.root, |name, path| {
        if !name.strip_prefix("stream=").is_some_and(is_stream) {
            return;
        }
        found.push(path.to_owned());
        list_folder(path, |name, path| {
            let Some(day) = name.strip_prefix("date=").and_then(parse_day) else { return };
            found.push(path.to_owned());
            list_folder(path, |name, path| {
                if name.strip_prefix("hour=").and_then(|hour| parse_hour(day, hour)).is_some() {
                    found.push(path.to_owned());
                }
            });
        });
    });
    for folder in [directory.places.hours(), directory.places.answers()] {
        let _ = list(&folder, |_, path| {
            if is_folder(path) {
                found.push(path.to_owned());
            }
        });
    }
    found
}

fn list_folder(folder: &Path, each: impl FnMut(&str, &Path)) {
    if is_folder(folder) {
        // What cannot be listed is left alone.
        let _ = list(folder, each);
    }
}

fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_dir())
}

fn length_of(path: &Path) -> u64 {
    path.symlink_metadata().map_or(0, |found| found.len())
}
