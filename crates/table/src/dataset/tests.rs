//! What a dataset promises, held against kills, full disks, flipped bits and hostile files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;

use borehole_record::UtcDay;
use proptest::prelude::*;
use rustix::io::Errno;
use tempfile::TempDir;

use super::disk::faults::Faults;
use super::*;

const DAY: i64 = 19_793; // 2024-03-11
const STREAMS: [&str; 3] = ["aws-1", "aws-2", "split"];

fn hour(of_day: i64) -> Slot {
    Slot::Hour(UtcHour(DAY * 24 + of_day))
}

fn identity() -> Identity {
    Identity {
        sources: vec!["s3://logs".to_owned()],
        options: BTreeMap::from([("resolve".to_owned(), "counts".to_owned())]),
    }
}

/// A directory for one test: in memory where that can be, since tests wait for many an fsync.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::tempdir_in(place).expect("a directory")
}

/// What a slot holds in these tests, all of it told by one number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Content(u64);

impl Content {
    fn sections(self) -> Vec<(&'static str, Vec<u8>)> {
        vec![("books", format!("books {}", self.0).into_bytes()), ("copies", vec![7; self.0 as usize % 50])]
    }

    /// Contents differ in their streams, and in their bytes where they have the same length.
    fn rows(self, slot: Slot) -> Vec<(String, u64, Vec<u8>)> {
        let is_in = |index: usize| slot != Slot::None && (self.0 >> index) & 1 == 1;
        let rows = STREAMS.iter().enumerate().filter(|(index, _)| is_in(*index));
        rows.map(|(_, stream)| {
            ((*stream).to_owned(), self.0, format!("rows {:03} {stream}", self.0).into_bytes())
        })
        .collect()
    }

    fn write(self, dataset: &Dataset, slot: Slot) {
        dataset.write(slot, self.sections(), self.rows(slot));
    }
}

/// Which content a slot has: all of it must be there, and nothing else. `None` where the slot is absent.
fn content(dataset: &Dataset, slot: Slot) -> Option<Content> {
    let state = dataset.state(slot)?.expect("a state is never damaged by a kill");
    let Some(books) = state.section("books") else {
        assert!(state.rows().is_empty(), "only updated, never written");
        return None;
    };
    let number = std::str::from_utf8(books).ok().and_then(|text| text.strip_prefix("books ")?.parse().ok());
    let content = Content(number.expect("a number"));
    for (name, bytes) in content.sections() {
        assert_eq!(state.section(name), Some(&*bytes));
    }
    let expected = content.rows(slot);
    assert_eq!(state.rows().len(), expected.len());
    for (file, (stream, rows, bytes)) in state.rows().iter().zip(&expected) {
        assert_eq!((&file.stream, file.rows, file.bytes), (stream, *rows, bytes.len() as u64));
        assert!(dataset.rows_are_there(slot, file));
        assert_eq!(&dataset.read_rows(slot, file).expect("rows are as their state says"), bytes);
    }
    if let Slot::Hour(hour) = slot {
        let streams: BTreeSet<String> = expected.into_iter().map(|(stream, _, _)| stream).collect();
        let is_seen = |stream: &&&str| place::Places::new(dataset.place()).rows(hour, stream).exists();
        let seen: BTreeSet<String> =
            STREAMS.iter().filter(is_seen).map(|stream| (*stream).to_owned()).collect();
        if Dataset::is_dataset(dataset.place()) {
            assert_eq!(seen, streams, "a glob sees the rows of one state");
        }
    }
    Some(content)
}

/// What the slot's own section says, which is updated alone.
fn listing(dataset: &Dataset, slot: Slot) -> Option<u64> {
    let state = dataset.state(slot)?.expect("a state is never damaged by a kill");
    state.section("listing").map(|bytes| u64::from_le_bytes(bytes.try_into().expect("8 bytes")))
}

fn update(dataset: &Dataset, slot: Slot, number: u64) {
    dataset.update(slot, vec![("listing", number.to_le_bytes().to_vec())]);
}

fn open(directory: &Path) -> Dataset {
    Dataset::open(directory, &identity()).expect("it opens")
}

/// Every file and directory, with the bytes of files.
fn tree(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            found.insert(path.clone(), fs::read(&path).ok());
        }
    }
    found
}

#[test]
fn what_was_written_is_read_back_by_the_next_and_by_who_only_reads() {
    let scratch = scratch();
    let place = scratch.path().join("a/b");
    let dataset = open(&place);
    assert!(dataset.states(None).is_empty());
    Content(3).write(&dataset, hour(7));
    Content(7).write(&dataset, hour(30));
    Content(1).write(&dataset, Slot::None);
    let written = dataset.finish().expect("written");
    assert_eq!(written.files, 1 + 2 + 1 + 3 + 1);
    assert!(Dataset::is_dataset(&place) && !Dataset::is_part(&place));
    for dataset in [open(&place), Dataset::open_to_read(&place).expect("it opens")] {
        assert_eq!(dataset.identity(), &identity());
        assert_eq!(content(&dataset, hour(7)), Some(Content(3)));
        assert_eq!(content(&dataset, hour(30)), Some(Content(7)));
        assert_eq!(content(&dataset, Slot::None), Some(Content(1)));
        let slots = |range| dataset.states(range).into_iter().map(|(slot, _)| slot).collect::<Vec<_>>();
        assert_eq!(slots(None), [Slot::None, hour(7), hour(30)]);
        let at = |of_day| UtcHour(DAY * 24 + of_day);
        assert_eq!(slots(Some((at(7), at(30)))), [Slot::None, hour(7)]);
        assert_eq!(slots(Some((at(8), at(31)))), [Slot::None, hour(30)]);
        assert_eq!(slots(Some((at(7), at(7)))), [Slot::None]);
    }
    for (path, bytes) in tree(scratch.path()) {
        let mode = fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, if bytes.is_some() { 0o600 } else { 0o700 }, "{}", path.display());
    }
    let rows = place.join("stream=aws-1/date=2024-03-11/hour=07/invocations.parquet");
    assert_eq!(fs::read(rows).expect("there"), b"rows 003 aws-1");
    assert!(place.join("_borehole/hours/2024-03-12/06").is_file());
}

#[test]
fn reading_changes_nothing() {
    let scratch = scratch();
    let dataset = open(scratch.path());
    Content(3).write(&dataset, hour(7));
    dataset.write_answers(9, vec![(UtcHour(DAY * 24), 1, b"sums".to_vec())]);
    dataset.finish().expect("written");
    fs::write(scratch.path().join("_borehole/new/left"), "over").expect("written");
    let before = tree(scratch.path());
    let dataset = Dataset::open_to_read(scratch.path()).expect("it opens");
    assert_eq!(dataset.states(None).len(), 1);
    assert_eq!(dataset.answers(9, None).len(), 1);
    dataset.write_answers(9, vec![(UtcHour(DAY * 24), 2, b"other".to_vec())]);
    let notes = dataset.verify(true);
    assert_eq!(notes.len(), 1);
    assert_eq!(
        (&*notes[0].place, notes[0].severity),
        (&*scratch.path().join("_borehole/new"), Severity::Note)
    );
    assert_eq!(dataset.info().hours, 1);
    assert!(matches!(dataset.vacuum(), Err(DatasetError::NotADataset { .. })));
    dataset.finish().expect("nothing to do");
    assert!(before == tree(scratch.path()));
    let none = scratch.path().join("none");
    assert!(matches!(Dataset::open_to_read(&none), Err(DatasetError::NotADataset { .. })));
    assert!(matches!(Dataset::open_existing(&none), Err(DatasetError::NotADataset { .. })));
    assert!(!none.exists());
}

#[test]
fn far_hours_have_names_that_read_back() {
    let scratch = scratch();
    let slots = [i64::MIN, -25, 70_389_527, 70_389_528, i64::MAX].map(|hour| Slot::Hour(UtcHour(hour)));
    let dataset = open(scratch.path());
    for (number, slot) in slots.iter().enumerate() {
        Content(1 + number as u64 * 2).write(&dataset, *slot);
    }
    dataset.finish().expect("written");
    let dataset = open(scratch.path());
    let found: Vec<Slot> = dataset.states(None).into_iter().map(|(slot, _)| slot).collect();
    assert_eq!(found, slots);
    for (number, slot) in slots.iter().enumerate() {
        assert_eq!(content(&dataset, *slot), Some(Content(1 + number as u64 * 2)));
    }
    assert_eq!(dataset.info().hours, 5);
    assert!(scratch.path().join("stream=aws-1/date=9999-12-31/hour=23").is_dir());
    assert!(scratch.path().join("stream=aws-1/date=@2932897/hour=00").is_dir());
}

#[test]
fn j05_a_second_writer_is_told_who_holds_the_lock_and_j06_old_text_blocks_nobody() {
    let scratch = scratch();
    let dataset = open(scratch.path());
    let second = || Dataset::open(scratch.path(), &identity());
    match second() {
        Err(error @ DatasetError::Locked { process, is_elsewhere: false, .. }) => {
            assert_eq!(process, Some(std::process::id()));
            assert!(!error.is_usage() && error.hint().is_some());
            assert!(error.to_string().contains(&format!("in use by process {}", std::process::id())));
        }
        result => panic!("{result:?}"),
    }
    assert!(Dataset::open_to_read(scratch.path()).is_ok(), "reading needs no lock");
    let lock = scratch.path().join("_borehole/lock");
    fs::write(&lock, "77\nanother-machine\n").expect("written");
    assert!(matches!(second(), Err(DatasetError::Locked { process: Some(77), is_elsewhere: true, .. })));
    for garbage in ["", "no number", "\u{0}\n\n", &"9".repeat(5_000)] {
        fs::write(&lock, garbage).expect("written");
        assert!(matches!(second(), Err(DatasetError::Locked { process: None, .. })));
    }
    assert!(Dataset::open_without_lock(scratch.path(), &identity()).is_ok());
    drop(dataset);
    fs::write(&lock, "1\nanother-machine\n").expect("written");
    second().expect("the kernel's lock alone decides");
}

#[test]
fn j04_what_belongs_to_others_is_refused_and_left_alone() {
    let scratch = scratch();
    let place = scratch.path().join("d");
    open(&place).finish().expect("written");
    let before = tree(&place);
    let other = Identity { sources: vec!["s3://other".to_owned()], ..identity() };
    match Dataset::open(&place, &other) {
        Err(error @ DatasetError::Other { .. }) => {
            assert!(error.is_usage() && error.hint().is_some());
            assert!(
                error.to_string().ends_with("belongs to other sources: s3://logs, not s3://other"),
                "{error}"
            );
        }
        result => panic!("{result:?}"),
    }
    let other = Identity { options: BTreeMap::new(), ..identity() };
    assert!(
        matches!(Dataset::open(&place, &other), Err(DatasetError::Other { what, .. }) if what == "resolve")
    );
    assert!(before == tree(&place));

    let manifest = place.join(place::MANIFEST);
    fs::write(&manifest, r#"{"schema":"borehole.dataset/2"}"#).expect("written");
    assert!(matches!(Dataset::open(&place, &identity()), Err(DatasetError::Layout { .. })));
    fs::write(&manifest, "{").expect("written");
    assert!(matches!(Dataset::open(&place, &identity()), Err(DatasetError::Damaged(_))));
    assert!(matches!(Dataset::open_to_read(&place), Err(DatasetError::Damaged(_))));

    let foreign = scratch.path().join("foreign");
    fs::create_dir(&foreign).expect("made");
    fs::write(foreign.join("letter.txt"), "dear").expect("written");
    assert!(matches!(Dataset::open(&foreign, &identity()), Err(DatasetError::NotADataset { .. })));
    assert_eq!(tree(&foreign).len(), 1, "nothing was made in it");
    let file = foreign.join("letter.txt");
    for result in [Dataset::open(&file, &identity()), Dataset::open_to_read(&file)] {
        assert!(matches!(result, Err(DatasetError::NotADataset { .. })), "{result:?}");
    }
}

#[test]
fn a_lost_manifest_does_not_let_old_states_pass_for_new_ones() {
    let scratch = scratch();
    let dataset = open(scratch.path());
    Content(0).write(&dataset, hour(7));
    dataset.finish().expect("written");
    fs::remove_file(scratch.path().join(place::MANIFEST)).expect("removed");
    assert!(matches!(Dataset::open(scratch.path(), &identity()), Err(DatasetError::Damaged(_))));
}

#[test]
fn states_of_another_dataset_or_hour_are_damaged() {
    let (ours, theirs) = (scratch(), scratch());
    let dataset = open(ours.path());
    Content(0).write(&dataset, hour(7));
    dataset.finish().expect("written");
    Dataset::open(theirs.path(), &Identity::default()).expect("it opens").finish().expect("written");
    let state = |root: &Path, name: &str| root.join("_borehole/hours/2024-03-11").join(name);
    fs::copy(state(ours.path(), "07"), state(ours.path(), "08")).expect("copied");
    fs::create_dir(theirs.path().join("_borehole/hours/2024-03-11")).expect("made");
    fs::copy(state(ours.path(), "07"), state(theirs.path(), "07")).expect("copied");
    let ours = open(ours.path());
    assert_eq!(content(&ours, hour(7)), Some(Content(0)));
    assert_eq!(ours.state(hour(8)).expect("there").expect_err("damaged").what, "belongs to another hour");
    let theirs = Dataset::open_to_read(theirs.path()).expect("it opens");
    let damaged = theirs.state(hour(7)).expect("there").expect_err("damaged");
    assert_eq!(damaged.what, "belongs to another dataset");
}

#[test]
fn j03_damage_costs_the_hour_it_hits_and_is_named() {
    let scratch = scratch();
    let dataset = open(scratch.path());
    for of_day in 0..5 {
        Content(3).write(&dataset, hour(of_day));
    }
    dataset.finish().expect("written");
    let state = |name: &str| scratch.path().join("_borehole/hours/2024-03-11").join(name);
    let rows = |stream: &str, hour: &str| {
        scratch.path().join(format!("stream={stream}/date=2024-03-11/hour={hour}/invocations.parquet"))
    };
    let flip = |path: &Path| {
        let mut bytes = fs::read(path).expect("there");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).expect("written");
    };
    flip(&state("00"));
    fs::write(state("01"), "").expect("written");
    flip(&rows("aws-1", "02"));
    fs::remove_file(rows("aws-2", "03")).expect("removed");
    let dataset = open(scratch.path());
    for of_day in [0, 1] {
        let damaged = dataset.state(hour(of_day)).expect("there").expect_err("damaged");
        assert_eq!(damaged.what, "the checksum does not fit");
        assert_eq!(damaged.place, state(&format!("{of_day:02}")));
    }
    let damaged = |of_day: i64| {
        let state = dataset.state(hour(of_day)).expect("there").expect("the state is sound");
        let read = |file| (dataset.rows_are_there(hour(of_day), file), dataset.read_rows(hour(of_day), file));
        state.rows().iter().map(read).collect::<Vec<_>>()
    };
    let flipped = damaged(2);
    assert!(flipped[0].0, "its length did not change");
    assert_eq!(flipped[0].1.as_ref().expect_err("damaged").place, rows("aws-1", "02"));
    assert!(flipped[1].1.is_ok());
    let missing = damaged(3);
    assert!(!missing[1].0);
    assert_eq!(missing[1].1.as_ref().expect_err("damaged").what, "missing");
    assert_eq!(content(&dataset, hour(4)), Some(Content(3)));

    let places = |findings: Vec<Finding>| {
        findings
            .into_iter()
            .filter(|finding| finding.severity == Severity::Damage)
            .map(|finding| finding.place)
            .collect::<Vec<_>>()
    };
    let quick = [state("00"), state("01"), rows("aws-2", "03")];
    assert_eq!(places(dataset.verify(false)), quick);
    let full = [state("00"), state("01"), rows("aws-1", "02"), rows("aws-2", "03")];
    assert_eq!(places(dataset.verify(true)), full);
    let info = dataset.info();
    assert_eq!((info.hours, info.damaged, info.outdated), (3, 2, 0));

    // Whoever redoes the hours has a sound dataset again.
    for of_day in 0..4 {
        Content(5).write(&dataset, hour(of_day));
    }
    dataset.finish().expect("written");
    assert!(open(scratch.path()).verify(true).is_empty());
}

#[test]
fn j04_states_of_another_engine_are_absent_to_who_writes_and_damaged_to_who_reads() {
    let scratch = scratch();
    let dataset = open(scratch.path());
    Content(1).write(&dataset, hour(7));
    dataset.finish().expect("written");
    let path = scratch.path().join("_borehole/hours/2024-03-11/07");
    let mut bytes = fs::read(&path).expect("there");
    bytes.truncate(bytes.len() - 16);
    bytes[8..12].copy_from_slice(&(ENGINE_VERSION + 1).to_le_bytes());
    encoding::seal(&mut bytes);
    fs::write(&path, bytes).expect("written");
    let reader = Dataset::open_to_read(scratch.path()).expect("it opens");
    let damaged = reader.state(hour(7)).expect("there").expect_err("of no use");
    assert_eq!(
        damaged.what,
        format!("written by engine version {}, not {ENGINE_VERSION}", ENGINE_VERSION + 1)
    );
    let writer = open(scratch.path());
    assert!(writer.states(None).is_empty());
    assert_eq!((writer.info().hours, writer.info().outdated), (0, 1));
    assert!(writer.vacuum().expect("it works").is_empty(), "its rows are kept until the hour is redone");
    Content(2).write(&writer, hour(7));
    writer.finish().expect("written");
    assert_eq!(content(&open(scratch.path()), hour(7)), Some(Content(2)));
}

#[test]
fn streams_without_rows_vanish_and_removed_slots_leave_nothing() {
    let scratch = scratch();
    let dataset = open(scratch.path());
    Content(7).write(&dataset, hour(7));
    Content(2).write(&dataset, hour(7));
    Content(7).write(&dataset, hour(8));
    dataset.remove(hour(8));
    dataset.finish().expect("written");
    // The next run knows the streams, too.
    let dataset = open(scratch.path());
    assert_eq!(content(&dataset, hour(7)), Some(Content(2)));
    assert_eq!(content(&dataset, hour(8)), None);
    Content(1).write(&dataset, hour(7));
    dataset.finish().expect("written");
    let files: Vec<PathBuf> = tree(scratch.path())
        .into_keys()
        .filter(|path| path.extension().is_some_and(|extension| extension == "parquet"))
        .collect();
    assert_eq!(files, [scratch.path().join("stream=aws-1/date=2024-03-11/hour=07/invocations.parquet")]);
    assert_eq!(content(&open(scratch.path()), hour(7)), Some(Content(1)));
}

#[test]
fn what_has_no_place_is_an_error_and_not_a_path() {
    let rows = |stream: &str| vec![(stream.to_owned(), 1, b"rows".to_vec())];
    for (slot, rows) in [
        (hour(1), rows("../../escape")),
        (hour(1), rows("")),
        (hour(1), [rows("a"), rows("a")].concat()),
        (Slot::None, rows("a")),
    ] {
        let scratch = scratch();
        let dataset = open(scratch.path());
        dataset.write(slot, Vec::new(), rows);
        assert!(matches!(dataset.finish(), Err(DatasetError::Internal { .. })));
        assert!(open(scratch.path()).states(None).is_empty());
    }
    let scratch = scratch();
    let dataset = open(scratch.path());
    let file = RowsFile { stream: "../x".to_owned(), bytes: 0, hash: 0, rows: 0 };
    assert!(dataset.read_rows(hour(1), &file).is_err() && !dataset.rows_are_there(hour(1), &file));
}

/// Slots that are there, and a run over a disk that changes some of them: what each may hold afterwards.
struct Rewrite {
    scratch: TempDir,
}

impl Rewrite {
    const SLOTS: [i64; 6] = [0, 1, 2, 3, 4, 30];

    fn new() -> Self {
        let scratch = scratch();
        let dataset = open(scratch.path());
        for of_day in [0, 1, 2, 4] {
            Content(7).write(&dataset, hour(of_day));
        }
        update(&dataset, hour(4), 8);
        Content(1).write(&dataset, Slot::None);
        dataset.write_answers(1, vec![(UtcHour(DAY * 24), 1, b"old".to_vec())]);
        dataset.finish().expect("written");
        Rewrite { scratch }
    }

    fn run(&self, disk: Disk) -> Result<Written, DatasetError> {
        let dataset = Dataset::open_on(disk, self.scratch.path(), Some(&identity()), true)?;
        Content(15).write(&dataset, hour(1)); // the same streams and lengths, other bytes
        Content(25).write(&dataset, hour(2)); // a stream less
        Content(6).write(&dataset, hour(3)); // a new hour
        Content(1).write(&dataset, hour(30)); // a new day
        Content(2).write(&dataset, Slot::None);
        dataset.remove(hour(0));
        Content(3).write(&dataset, hour(0));
        update(&dataset, hour(4), 9); // its rows and all else stay
        dataset.write_answers(1, vec![(UtcHour(DAY * 24), 1, b"new".to_vec())]);
        dataset.finish()
    }

    /// The slots after the run: each as it was or as it was to be.
    fn check(&self, is_finished: bool, trace: &str) {
        let dataset = open(self.scratch.path());
        let may_be = |of_day: i64| match of_day {
            0 => vec![Some(7), None, Some(3)],
            1 => vec![Some(7), Some(15)],
            2 => vec![Some(7), Some(25)],
            3 => vec![None, Some(6)],
            4 => vec![Some(7)],
            _ => vec![None, Some(1)],
        };
        for of_day in Rewrite::SLOTS {
            let found = content(&dataset, hour(of_day)).map(|content| content.0);
            let may_be = may_be(of_day);
            assert!(may_be.contains(&found), "{trace}: hour {of_day} is {found:?}");
            assert!(!is_finished || found == may_be[may_be.len() - 1], "{trace}: hour {of_day}");
        }
        let found = listing(&dataset, hour(4));
        assert!(found == Some(9) || !is_finished && found == Some(8), "{trace}: {found:?}");
        let found = content(&dataset, Slot::None).map(|content| content.0);
        assert!(found == Some(2) || !is_finished && found == Some(1), "{trace}: {found:?}");
        let damage: Vec<Finding> =
            dataset.verify(true).into_iter().filter(|found| found.severity == Severity::Damage).collect();
        assert!(damage.is_empty(), "{trace}: {damage:?}");
        assert!(fs::read_dir(self.scratch.path().join("_borehole/new")).expect("there").next().is_none());
        // Whoever runs again has it all.
        drop(dataset);
        self.run(Disk::default()).expect("nothing is in the way");
        let dataset = open(self.scratch.path());
        for (of_day, number) in [(0, 3), (1, 15), (2, 25), (3, 6), (4, 7), (30, 1)] {
            assert_eq!(content(&dataset, hour(of_day)), Some(Content(number)), "{trace}");
        }
    }
}

#[test]
fn j01_a_kill_at_any_call_leaves_each_hour_as_it_was_or_as_it_was_to_be() {
    for at in 0.. {
        let rewrite = Rewrite::new();
        let disk = Faults::stop(at);
        let result = rewrite.run(disk.clone());
        let calls = disk.faults.expect("set").count();
        rewrite.check(result.is_ok(), &format!("killed at call {at}"));
        if calls <= at {
            assert!(at > 60 && result.is_ok(), "{at} calls");
            return;
        }
    }
}

#[test]
fn j08_j09_any_failing_call_stops_the_run_and_leaves_the_dataset_sound() {
    for errno in [Errno::NOSPC, Errno::IO, Errno::ROFS] {
        for at in 0.. {
            let rewrite = Rewrite::new();
            let disk = Faults::once(at, errno);
            let result = rewrite.run(disk.clone());
            let calls = disk.faults.expect("set").count();
            match &result {
                Ok(_) => {}
                Err(error @ DatasetError::Io { cause, operation, .. }) => {
                    assert_eq!(cause.raw_os_error(), Some(errno.raw_os_error()));
                    let has_hint = errno != Errno::IO || *operation == "fsync";
                    assert_eq!(error.hint().is_some(), has_hint, "{error}");
                    assert!(!error.is_usage());
                }
                Err(error) => panic!("{error}"),
            }
            rewrite.check(result.is_ok(), &format!("{errno} at call {at}"));
            if calls <= at {
                assert!(result.is_ok());
                break;
            }
        }
    }
}

#[test]
fn j08_a_failed_fsync_is_told_early_and_never_retried() {
    let scratch = scratch();
    open(scratch.path()).finish().expect("made");
    // Create, write, fsync.
    let disk = Faults::once(OPENING_CALLS + 2, Errno::IO);
    let dataset = Dataset::open_on(disk.clone(), scratch.path(), Some(&identity()), true).expect("it opens");
    Content(0).write(&dataset, hour(7));
    while dataset.failed().is_none() {
        std::thread::yield_now();
    }
    assert!(matches!(dataset.failed(), Some(DatasetError::Io { operation: "fsync", .. })));
    let calls = disk.faults.as_ref().expect("set").count();
    Content(0).write(&dataset, hour(8));
    assert!(matches!(dataset.finish(), Err(DatasetError::Io { operation: "fsync", .. })));
    assert_eq!(disk.faults.expect("set").count(), calls, "nothing is tried after it");
    assert!(open(scratch.path()).states(None).is_empty());
}

/// What opening a dataset that is there asks of the disk: the room, and the three directories in it.
const OPENING_CALLS: u64 = 4;

#[test]
fn j07_what_is_renamed_is_on_the_disk_before_and_its_name_before_the_state_that_names_it() {
    let scratch = scratch();
    open(scratch.path()).finish().expect("made");
    let disk = Faults::stop(u64::MAX);
    let dataset = Dataset::open_on(disk.clone(), scratch.path(), Some(&identity()), true).expect("it opens");
    Content(3).write(&dataset, hour(7));
    dataset.finish().expect("written");
    let calls = disk.faults.expect("set").calls();
    let told = |(operation, path): &(&str, PathBuf)| {
        let place = path.strip_prefix(scratch.path()).expect("inside").display().to_string();
        format!("{operation} {place}").trim_end().to_owned()
    };
    let told: Vec<String> =
        calls[OPENING_CALLS as usize..].iter().filter(|call| call.0 != "mkdir").map(told).collect();
    let expected = [
        "create _borehole/new/2024-03-11T07.aws-1.rows",
        "write _borehole/new/2024-03-11T07.aws-1.rows",
        "create _borehole/new/2024-03-11T07.aws-2.rows",
        "write _borehole/new/2024-03-11T07.aws-2.rows",
        "create _borehole/new/2024-03-11T07.state",
        "write _borehole/new/2024-03-11T07.state",
        "fsync _borehole/new/2024-03-11T07.aws-1.rows",
        "fsync _borehole/new/2024-03-11T07.aws-2.rows",
        "fsync _borehole/new/2024-03-11T07.state",
        "rename stream=aws-1/date=2024-03-11/hour=07/invocations.parquet",
        "rename stream=aws-2/date=2024-03-11/hour=07/invocations.parquet",
        "fsync",
        "fsync _borehole/hours",
        "fsync stream=aws-1",
        "fsync stream=aws-1/date=2024-03-11",
        "fsync stream=aws-1/date=2024-03-11/hour=07",
        "fsync stream=aws-2",
        "fsync stream=aws-2/date=2024-03-11",
        "fsync stream=aws-2/date=2024-03-11/hour=07",
        "rename _borehole/hours/2024-03-11/07",
        "fsync _borehole/hours/2024-03-11",
    ];
    assert_eq!(told, expected);
}

#[test]
fn j02_torn_new_files_are_removed_and_those_of_a_complete_write_are_used() {
    let (scratch, elsewhere) = (scratch(), scratch());
    let dataset = open(elsewhere.path());
    Content(3).write(&dataset, hour(7));
    dataset.finish().expect("written");
    let state = fs::read(elsewhere.path().join("_borehole/hours/2024-03-11/07")).expect("there");
    let rows = Content(3).rows(hour(7));
    let new = |root: &Path, name: &str| root.join("_borehole/new").join(name);
    let lay_out = |state: &[u8], first: &[u8]| {
        let dataset = open(scratch.path());
        dataset.remove(hour(7));
        dataset.finish().expect("removed");
        fs::write(new(scratch.path(), "2024-03-11T07.state"), state).expect("written");
        fs::write(new(scratch.path(), "2024-03-11T07.aws-1.rows"), first).expect("written");
        fs::write(new(scratch.path(), "2024-03-11T07.aws-2.rows"), &rows[1].2).expect("written");
        let dataset = open(scratch.path());
        assert!(fs::read_dir(scratch.path().join("_borehole/new")).expect("there").next().is_none());
        content(&dataset, hour(7))
    };
    assert_eq!(lay_out(&state, &rows[0].2), Some(Content(3)));
    assert_eq!(lay_out(&state[..state.len() - 1], &rows[0].2), None);
    assert_eq!(lay_out(b"", &rows[0].2), None);
    assert_eq!(lay_out(&state, b"rows 00"), None);
    assert_eq!(lay_out(&state, b"rows 004 aws-1"), None);
}

/// What a slot holds: what was written, and what was updated.
type Held = (Option<Content>, Option<u64>);

/// One step of a random life of a dataset.
#[derive(Clone, Debug)]
enum Step {
    Write(Slot, Content),
    Update(Slot, u64),
    Remove(Slot),
    Finish,
    /// The process ends here, without a word.
    Drop,
    /// The process was killed this many calls after the dataset was opened.
    Kill(u64),
    /// A last file was torn, too.
    Tear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let slot = || prop_oneof![(0..4i64).prop_map(hour), (22..26i64).prop_map(hour), Just(Slot::None)];
    let step = prop_oneof![
        8 => (slot(), 0..100u64).prop_map(|(slot, number)| Step::Write(slot, Content(number))),
        3 => (slot(), 0..100u64).prop_map(|(slot, number)| Step::Update(slot, number)),
        1 => slot().prop_map(Step::Remove),
        1 => Just(Step::Finish),
        1 => Just(Step::Drop),
        2 => (0..90u64).prop_map(Step::Kill),
        1 => Just(Step::Tear),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Between two ends of the process a slot goes through the contents that it was given, in that order; whatever
    /// the end, one of them is found, and the last after [`Dataset::finish`].
    #[test]
    fn reopened_slots_hold_one_of_the_contents_they_were_given(steps in steps()) {
        let scratch = scratch();
        let mut may_be: BTreeMap<Slot, Vec<Held>> = BTreeMap::new();
        let lives = steps.split_inclusive(|step| !matches!(step, Step::Write(..) | Step::Update(..) | Step::Remove(_)));
        for life in lives {
            let disk = match life.last() {
                Some(Step::Kill(at)) => Faults::stop(*at),
                _ => Disk::default(),
            };
            if let Ok(dataset) = Dataset::open_on(disk, scratch.path(), Some(&identity()), true) {
                for step in life {
                    let (Step::Write(slot, _) | Step::Update(slot, _) | Step::Remove(slot)) = step else {
                        continue;
                    };
                    let contents = may_be.entry(*slot).or_insert_with(|| vec![(None, None)]);
                    let last = contents[contents.len() - 1];
                    contents.push(match step {
                        Step::Write(_, content) => {
                            content.write(&dataset, *slot);
                            (Some(*content), last.1)
                        }
                        Step::Update(_, number) => {
                            update(&dataset, *slot, *number);
                            (last.0, Some(*number))
                        }
                        _ => {
                            dataset.remove(*slot);
                            (None, None)
                        }
                    });
                }
                match life.last() {
                    Some(Step::Drop) => drop(dataset),
                    _ => {
                        if dataset.finish().is_ok() {
                            may_be.values_mut().for_each(|contents| { contents.drain(..contents.len() - 1); });
                        }
                    }
                }
            }
            if let Some(Step::Tear) = life.last() {
                let new = scratch.path().join("_borehole/new");
                fs::write(new.join("2024-03-11T00.state"), "BHSTATE1 torn").expect("written");
                fs::write(new.join("2024-03-11T00.aws-1.rows"), "rows").expect("written");
            }
            let dataset = open(scratch.path());
            for (slot, contents) in &mut may_be {
                let found = (content(&dataset, *slot), listing(&dataset, *slot));
                prop_assert!(contents.contains(&found), "{:?}: {:?} is none of {:?}", slot, found, contents);
                *contents = vec![found];
            }
            for (slot, state) in dataset.states(None) {
                prop_assert!(state.is_ok() && may_be.contains_key(&slot));
            }
        }
    }
}

#[test]
fn answers_are_merged_and_any_damage_loses_a_day_of_them() {
    let scratch = scratch();
    let at = |of_day: i64| UtcHour(DAY * 24 + of_day);
    let dataset = open(scratch.path());
    assert!(dataset.answers(1, None).is_empty());
    dataset.write_answers(1, vec![(at(0), 5, b"a".to_vec()), (at(24), 6, b"b".to_vec())]);
    dataset.write_answers(2, vec![(at(0), 5, b"other".to_vec())]);
    dataset.write_answers(1, vec![(at(1), 7, Vec::new()), (at(0), 8, b"newer".to_vec())]);
    dataset.finish().expect("written");
    let dataset = open(scratch.path());
    let all = [(at(0), 8, b"newer".to_vec()), (at(1), 7, Vec::new()), (at(24), 6, b"b".to_vec())];
    assert_eq!(dataset.answers(1, None), all);
    assert_eq!(dataset.answers(1, Some((at(1), at(24)))), all[1..2]);
    assert_eq!(dataset.answers(1, Some((at(24), at(25)))), all[2..]);
    assert_eq!(dataset.answers(1, Some((at(1), at(1)))), []);
    assert_eq!(dataset.answers(2, None).len(), 1);
    let path = scratch.path().join(format!("_borehole/answers/{:032x}/2024-03-11", 1));
    let mut bytes = fs::read(&path).expect("there");
    bytes[60] ^= 1;
    fs::write(&path, bytes).expect("written");
    assert_eq!(dataset.answers(1, None), all[2..]);
    assert!(dataset.verify(true).iter().all(|finding| finding.severity == Severity::Note));
    dataset.write_answers(1, vec![(at(2), 9, b"again".to_vec())]);
    dataset.finish().expect("written");
    let again = open(scratch.path()).answers(1, Some((at(0), at(24))));
    assert_eq!(again, [(at(2), 9, b"again".to_vec())]);
}

#[test]
fn of_many_questions_the_least_recently_used_vanish() {
    let scratch = scratch();
    let folder = |question: u128| scratch.path().join(format!("_borehole/answers/{question:032x}"));
    let answer = || vec![(UtcHour(DAY * 24), 1, b"a".to_vec())];
    let dataset = open(scratch.path());
    (1..=32).for_each(|question| dataset.write_answers(question, answer()));
    dataset.finish().expect("written");
    for question in 1..=32u64 {
        // Used long ago, one after the other: no clock is fine enough for what a test does in between.
        let used = std::time::UNIX_EPOCH + std::time::Duration::from_secs(question);
        fs::File::open(folder(question.into())).and_then(|file| file.set_modified(used)).expect("set");
    }
    let dataset = open(scratch.path());
    assert_eq!(dataset.answers(1, None).len(), 1, "used now");
    dataset.write_answers(33, answer());
    dataset.write_answers(34, answer());
    dataset.finish().expect("written");
    let kept: Vec<u128> = (1..=34).filter(|question| folder(*question).exists()).collect();
    let expected: Vec<u128> = (1..=34).filter(|question| ![2, 3].contains(question)).collect();
    assert_eq!(kept, expected);
}

#[test]
fn info_counts_what_the_states_name() {
    let scratch = scratch();
    let dataset = open(scratch.path());
    Content(3).write(&dataset, hour(7));
    Content(5).write(&dataset, hour(30));
    Content(1).write(&dataset, Slot::None);
    dataset.write_answers(1, vec![(UtcHour(DAY * 24), 1, b"a".to_vec())]);
    dataset.finish().expect("written");
    let info = open(scratch.path()).info();
    let length =
        |number: u64| Content(number).rows(hour(0)).iter().map(|rows| rows.2.len() as u64).sum::<u64>();
    assert_eq!(info.hours, 2);
    assert_eq!((info.first, info.last), (Some(UtcHour(DAY * 24 + 7)), Some(UtcHour(DAY * 24 + 30))));
    assert_eq!((info.rows, info.rows_bytes), (3 * 2 + 5 * 2, length(3) + length(5)));
    assert_eq!(info.streams, STREAMS);
    assert_eq!((info.questions, info.damaged), (1, 0));
    assert!(info.states_bytes > 0 && info.answers_bytes > 0);
}

#[test]
fn vacuum_removes_what_no_state_names_and_nothing_else() {
    let scratch = scratch();
    let dataset = open(scratch.path());
    for of_day in 0..3 {
        Content(3).write(&dataset, hour(of_day));
    }
    let at = |hour: i64| UtcHour(DAY * 24 + hour);
    dataset.write_answers(1, vec![(at(0), 1, b"a".to_vec()), (at(240), 1, b"a".to_vec())]);
    dataset.finish().expect("written");
    let rows = |stream: &str, hour: &str| {
        scratch.path().join(format!("stream={stream}/date=2024-03-11/hour={hour}/invocations.parquet"))
    };
    // Rows of an hour without a state, in a stream of their own; those of an hour whose state is damaged.
    fs::create_dir_all(rows("lost", "09").parent().expect("a parent")).expect("made");
    fs::write(rows("lost", "09"), "unnamed").expect("written");
    fs::write(scratch.path().join("_borehole/hours/2024-03-11/02"), "damaged").expect("written");
    fs::write(scratch.path().join("stream=aws-1/notes.txt"), "not ours").expect("written");
    let before = tree(scratch.path());
    let dataset = Dataset::open_existing(scratch.path()).expect("it opens");
    let notes: Vec<PathBuf> = dataset
        .verify(true)
        .into_iter()
        .filter(|finding| finding.severity == Severity::Note)
        .map(|finding| finding.place)
        .collect();
    let answer = scratch.path().join(format!("_borehole/answers/{:032x}/2024-03-21", 1));
    assert_eq!(notes, [answer.clone(), rows("lost", "09")]);
    let removed = dataset.vacuum().expect("it works");
    assert_eq!(removed.iter().map(|removed| removed.bytes).max(), Some(fs_length(&before, &answer)));
    let removed: BTreeSet<PathBuf> = removed.into_iter().map(|removed| removed.place).collect();
    let lost = rows("lost", "09");
    let expected: BTreeSet<PathBuf> = lost.ancestors().take(4).map(Path::to_owned).chain([answer]).collect();
    assert_eq!(removed, expected);
    let after = tree(scratch.path());
    let gone: BTreeSet<PathBuf> = before.into_keys().filter(|path| !after.contains_key(path)).collect();
    assert_eq!(gone, expected);
    assert!(dataset.vacuum().expect("it works").is_empty());
    // The directories that it removed are made again.
    Content(4).write(&dataset, hour(9));
    dataset.finish().expect("written");
    assert_eq!(content(&open(scratch.path()), hour(9)), Some(Content(4)));
}

fn fs_length(tree: &BTreeMap<PathBuf, Option<Vec<u8>>>, path: &Path) -> u64 {
    tree[path].as_ref().expect("a file").len() as u64
}

/// A part with two hours.
fn part(folder: &Path) -> PathBuf {
    let file = folder.join("week.part");
    let dataset = Dataset::create_part(&file, &identity()).expect("it begins");
    Content(6).write(&dataset, hour(7));
    Content(3).write(&dataset, hour(7));
    Content(7).write(&dataset, hour(30));
    Content(1).write(&dataset, Slot::None);
    Content(1).write(&dataset, hour(31));
    dataset.remove(hour(31));
    update(&dataset, hour(30), 5);
    update(&dataset, hour(29), 6);
    assert!(!file.exists(), "it appears whole");
    dataset.finish().expect("written");
    file
}

#[test]
fn a_part_holds_what_a_directory_holds() {
    let scratch = scratch();
    let file = part(scratch.path());
    assert!(Dataset::is_part(&file) && !Dataset::is_dataset(&file));
    assert_eq!(fs::read_dir(scratch.path()).expect("there").count(), 1, "nothing is left beside it");
    assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    let dataset = Dataset::open_to_read(&file).expect("it opens");
    assert_eq!(dataset.identity(), &identity());
    let slots: Vec<Slot> = dataset.states(None).into_iter().map(|(slot, _)| slot).collect();
    assert_eq!(slots, [Slot::None, hour(7), hour(29), hour(30)]);
    assert_eq!(content(&dataset, hour(7)), Some(Content(3)));
    assert_eq!((content(&dataset, hour(29)), listing(&dataset, hour(29))), (None, Some(6)));
    assert_eq!((content(&dataset, hour(30)), listing(&dataset, hour(30))), (Some(Content(7)), Some(5)));
    assert_eq!(content(&dataset, Slot::None), Some(Content(1)));
    let at = |of_day| UtcHour(DAY * 24 + of_day);
    assert_eq!(dataset.states(Some((at(8), at(31)))).len(), 3);
    assert!(dataset.verify(true).is_empty());
    assert_eq!((dataset.info().hours, dataset.info().rows), (3, 3 * 2 + 7 * 3));
    assert!(dataset.answers(1, None).is_empty());
}

#[test]
fn a_part_that_is_not_finished_never_appears() {
    let scratch = scratch();
    let file = scratch.path().join("week.part");
    let dataset = Dataset::create_part(&file, &identity()).expect("it begins");
    Content(3).write(&dataset, hour(7));
    drop(dataset);
    assert_eq!(fs::read_dir(scratch.path()).expect("there").count(), 0);
    for at in 0.. {
        let disk = Faults::once(at, Errno::NOSPC);
        let result = Dataset::create_part_on(disk.clone(), &file, &identity()).and_then(|dataset| {
            Content(3).write(&dataset, hour(7));
            dataset.finish()
        });
        if disk.faults.expect("set").count() <= at {
            assert!(at > 5 && result.is_ok());
            break;
        }
        assert!(result.is_err(), "call {at}");
        // The last call says whether the name is on the disk: the file is whole then.
        if file.exists() {
            assert_eq!(content(&Dataset::open_to_read(&file).expect("whole"), hour(7)), Some(Content(3)));
            fs::remove_file(&file).expect("removed");
        }
        assert_eq!(fs::read_dir(scratch.path()).expect("there").count(), 0, "call {at}");
    }
}

#[test]
fn j03_any_flipped_bit_or_cut_of_a_part_is_told() {
    let scratch = scratch();
    let sound = fs::read(part(scratch.path())).expect("there");
    let file = scratch.path().join("changed.part");
    // What a slot held before it was written again is named by nothing.
    let dead = Content(6).rows(hour(7)).iter().map(|rows| rows.2.len()).sum::<usize>();
    let mut unnoticed = 0;
    for byte in 0..sound.len() {
        let mut bytes = sound.clone();
        bytes[byte] ^= 1 << (byte % 8);
        fs::write(&file, bytes).expect("written");
        match Dataset::open_to_read(&file) {
            Ok(dataset) if dataset.verify(true).is_empty() => unnoticed += 1,
            Ok(_) | Err(DatasetError::Damaged(_) | DatasetError::Layout { .. }) => {}
            // Without its first bytes it is no part.
            Err(error) => assert!(byte < 16, "byte {byte}: {error}"),
        }
    }
    assert!(unnoticed > dead && unnoticed < sound.len() / 2, "{unnoticed} of {}", sound.len());
    for length in 0..sound.len() {
        fs::write(&file, &sound[..length]).expect("written");
        assert!(Dataset::open_to_read(&file).is_err(), "cut at {length}");
    }
}

#[test]
fn a_part_of_another_layout_is_a_clear_stop() {
    let scratch = scratch();
    let file = part(scratch.path());
    let mut bytes = fs::read(&file).expect("there");
    bytes[14] = b'2';
    fs::write(&file, bytes).expect("written");
    assert!(Dataset::is_part(&file));
    assert!(matches!(Dataset::open_to_read(&file), Err(DatasetError::Layout { found, .. }) if found == "2"));
}

proptest! {
    /// The checksums fit: whoever made the file wanted it to be read.
    #[test]
    fn hostile_parts_give_errors_and_nothing_worse(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        offset in prop_oneof![3 => Just(None), 1 => any::<u64>().prop_map(Some)],
    ) {
        let scratch = scratch();
        let file = part(scratch.path());
        let mut bytes = fs::read(&file).expect("there");
        let trailer = bytes.len() - 48;
        let begin = u64::from_le_bytes(bytes[trailer..trailer + 8].try_into().expect("8 bytes")) as usize;
        for (place, byte) in changes {
            bytes[begin + place.index(trailer - begin)] = byte;
        }
        let hash = xxhash_rust::xxh3::xxh3_128(&bytes[begin..trailer]);
        bytes[trailer + 16..trailer + 32].copy_from_slice(&hash.to_le_bytes());
        if let Some(offset) = offset {
            bytes[trailer..trailer + 8].copy_from_slice(&offset.to_le_bytes());
        }
        fs::write(&file, bytes).expect("written");
        if let Ok(dataset) = Dataset::open_to_read(&file) {
            for (slot, state) in dataset.states(None) {
                for rows in state.iter().flat_map(|state| state.rows()) {
                    let _ = dataset.read_rows(slot, rows);
                }
            }
            let _ = (dataset.verify(true), dataset.info());
        }
    }

    #[test]
    fn hostile_states_are_damaged_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let scratch = scratch();
        let dataset = open(scratch.path());
        Content(1).write(&dataset, hour(7));
        dataset.finish().expect("written");
        fs::write(scratch.path().join("_borehole/hours/2024-03-11/07"), &bytes).expect("written");
        fs::write(scratch.path().join("_borehole/new/2024-03-11T08.state"), &bytes).expect("written");
        prop_assert!(open(scratch.path()).state(hour(7)).expect("there").is_err());
    }
}

#[test]
fn a_day_of_answers_is_found_by_its_hours() {
    let scratch = scratch();
    let dataset = open(scratch.path());
    let hours = [i64::MIN, -1, 0, i64::MAX].map(UtcHour);
    dataset.write_answers(3, hours.iter().map(|hour| (*hour, 1, vec![1])).collect());
    dataset.finish().expect("written");
    let dataset = open(scratch.path());
    let found: Vec<UtcHour> = dataset.answers(3, None).into_iter().map(|answer| answer.0).collect();
    assert_eq!(found, hours);
    let day = |day: i64| (UtcDay(day).hour(0).expect("an hour"), UtcDay(day + 1).hour(0).expect("an hour"));
    assert_eq!(dataset.answers(3, Some(day(-1))).len(), 1);
}
