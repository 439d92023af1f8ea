//! A dataset on a disk that is really full, and one that is really read-only.
//!
//! Alone in its process: `mount` is run as a child, and until that begins it holds a copy of every lock of ours.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use borehole_record::UtcHour;
use borehole_table::dataset::{Dataset, DatasetError, Identity, Slot, State};

/// A file system in memory, unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    fn new(place: &Path, options: &str) -> Option<Mount> {
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(place).output();
        mount.ok()?.status.success().then(|| Mount(place.to_owned()))
    }

    fn remount(&self, options: &str) {
        let mount = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status();
        assert!(mount.expect("mount is there").success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn hour(number: i64) -> Slot {
    Slot::Hour(UtcHour(475_000 + number))
}

fn books(state: &State) -> &[u8] {
    state.section("books").expect("every state has it")
}

fn kind(error: &DatasetError) -> Option<ErrorKind> {
    match error {
        DatasetError::Io { cause, .. } => Some(cause.kind()),
        _ => None,
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that could not be made must not pass silently")]
fn j09_a_disk_that_is_full_and_one_that_is_read_only_stop_the_run_and_lose_nothing() {
    let scratch = tempfile::tempdir().expect("a directory");
    let Some(mount) = Mount::new(scratch.path(), "size=256k") else {
        eprintln!("SKIPPED: no file system can be mounted here, so a full disk was not tested");
        return;
    };
    let place = scratch.path().join("dataset");
    let open = || Dataset::open(&place, &Identity::default());
    let large = vec![1; 20_000];
    let rows = vec![("aws".to_owned(), 3, b"rows".to_vec())];

    let dataset = open().expect("it opens");
    dataset.write(hour(0), vec![("books", b"first".to_vec())], rows.clone());
    dataset.finish().expect("there is space");

    let dataset = open().expect("it opens");
    for number in 1..24 {
        dataset.write(hour(number), vec![("books", large.clone())], rows.clone());
    }
    let error = dataset.finish().expect_err("256 KiB are full");
    assert_eq!(kind(&error), Some(ErrorKind::StorageFull), "{error}");
    assert!(error.hint().expect("a hint").contains("free some space"));

    mount.remount("size=4m");
    let dataset = open().expect("it opens");
    let states = dataset.states(None);
    assert!((2..23).contains(&states.len()), "{} hours came through", states.len());
    for (slot, state) in states {
        let state = state.expect("whole");
        assert!(books(&state) == if slot == hour(0) { b"first" } else { &*large });
        assert_eq!(dataset.read_rows(slot, &state.rows()[0]).expect("whole"), b"rows");
    }
    dataset.write(hour(0), vec![("books", b"second".to_vec())], rows);
    dataset.finish().expect("there is space now");

    mount.remount("ro");
    let error = open().expect_err("it is read-only");
    assert_eq!(kind(&error), Some(ErrorKind::ReadOnlyFilesystem), "{error}");
    assert!(error.hint().is_some());
    let dataset = Dataset::open_to_read(&place).expect("it opens");
    let state = dataset.state(hour(0)).expect("there").expect("whole");
    assert_eq!(books(&state), b"second");
}
