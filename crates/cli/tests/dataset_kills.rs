//! Runs that are killed while they write a dataset: the next one gives the uninterrupted report.
//!
//! In: a dump of two days with records across hours, copies and strays, and what of it an earlier run has kept.
//! Out: nothing. Always: kill -9, at a moment that a seed chooses: after a time, or when so many states have been
//! replaced; then a run to the end, whose report is compared to the last byte with one that has no dataset. Failures
//! name their seed, which `BOREHOLE_TEST_SEED` repeats (the moments of a kill depend on the machine all the same).
//! Absent: disks that lose what was synced, which a process cannot show.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::datasets::{Answer, Kind, Random, ask, copy_directory, demands_everything, files_of, seed};
use support::{Dump, NOW, borehole, call, run};

/// Kills in all: enough to meet every step of writing many times, and locally a sample.
fn kills() -> usize {
    if demands_everything() { 300 } else { 30 }
}

/// So little that hours close, and are written, while others are read.
const SMALL_MEMORY: &str = "32KiB";

const HOURS: u32 = 40;

fn folder(hour: u32) -> String {
    format!("2024/03/{:02}/{:02}", 10 + hour / 24, hour % 24)
}

fn at(number: u32, hour: u32, minute: u32) -> Value {
    let time = format!("2024-03-{:02}T{:02}:{minute:02}:07Z", 10 + hour / 24, hour % 24);
    call(number, &time, u64::from(100 + number % 900), u64::from(number % 77))
}

/// Two days, and a dataset that a run has kept before the last objects came.
struct World {
    logs: Dump,
    place: Dump,
    raw: Answer,
    older: PathBuf,
}

impl World {
    fn new() -> World {
        let (logs, place) = (Dump::new(), Dump::new());
        for hour in 0..HOURS {
            let mut records: Vec<Value> =
                (0..8).map(|number| at(hour * 20 + number, hour, number * 7)).collect();
            records.push(at(hour * 20 + 10, (hour + 1).min(HOURS - 1), 1));
            // A copy from the folder before.
            records.push(at((hour.max(1) - 1) * 20 + 10, hour.max(1), 1));
            logs.put_aws(&folder(hour), "a.json", &records);
        }
        let older = place.path().join("older");
        ask(&[logs.root()], &["--dataset", older.to_str().expect("a plain path")]);
        // Late deliveries: into some hours, into hours far away, and hours that are new.
        for hour in (3..HOURS).step_by(6) {
            logs.put_aws(&folder(hour), "late.json", &[at(5_000 + hour, hour, 50), at(hour * 20, hour, 0)]);
        }
        logs.put_aws(&folder(30), "far.json", &[at(6_000, 2, 2), at(100, 5, 0), at(6_001, 60, 1)]);
        logs.put_aws(&folder(HOURS + 1), "new.json", &[at(6_002, HOURS + 1, 1), at(6_003, HOURS, 59)]);
        let raw = ask(&[logs.root()], &[] as &[&str]);
        assert_eq!(raw.code, Some(0));
        World { logs, place, raw, older }
    }

    fn command(&self, dataset: &Path, memory: Option<&str>) -> Command {
        let mut command = borehole();
        command.arg("analyze").arg(self.logs.path()).arg("--dataset").arg(dataset);
        command.args(memory.map(|memory| ["--memory", memory]).into_iter().flatten());
        command.args(["--format", "json", "-q", "--now", NOW]);
        command
    }

    /// Kills so many runs, with little memory or the default, from nothing or over what was kept; each is followed by
    /// one to the end.
    fn survives(&self, memory: Option<&str>, is_begun: bool, kills: usize) {
        let seed = seed();
        let what = format!("seed {seed}, memory {memory:?}, begun {is_begun}");
        let mut random = Random::new(seed);
        let dataset = self.place.path().join("data");
        let begin = || {
            let _ = fs::remove_dir_all(&dataset);
            if is_begun {
                copy_directory(&self.older, &dataset);
            }
        };
        begin();
        let start = Instant::now();
        Answer::of(run(&mut self.command(&dataset, memory))).is(&self.raw, &what);
        let (length, states) = (start.elapsed(), count(&dataset, Kind::State));
        let (mut met, mut partial, mut kept) = (0, 0, 0);
        for number in 0..kills {
            let what = format!("{what}, kill {number}");
            begin();
            // Most are killed once; some are killed again while they go on from the last time.
            let times = if random.below(4) == 0 { 3 } else { 1 };
            for _ in 0..times {
                met += usize::from(self.kill_one(&dataset, memory, &mut random, (length, states)));
            }
            let there = count(&dataset, Kind::State);
            partial += usize::from(there > 0 && there < states);
            let memory = *random.pick(&[memory, None]);
            let whole = Answer::of(run(&mut self.command(&dataset, memory))).is(&self.raw, &what);
            kept += whole.unchanged();
            assert_eq!(
                fs::read_dir(dataset.join("_borehole/new")).expect("a directory").count(),
                0,
                "{what}"
            );
            if number % 10 == 0 {
                self.is_sound(&dataset, &what);
            }
        }
        // The points of the kills lie where they should.
        assert!(met * 3 > kills, "{what}: {met} of {kills} runs were killed before they ended");
        assert!(is_begun || partial > 0, "{what}: no run was killed while it wrote");
        assert!(kept > 0, "{what}: nothing of what was written was ever of use");
    }

    /// Starts a run and kills it; whether it was still running.
    fn kill_one(
        &self,
        dataset: &Path,
        memory: Option<&str>,
        random: &mut Random,
        (length, states): (Duration, usize),
    ) -> bool {
        let before = state_files(dataset);
        let mut child = self
            .command(dataset, memory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the command starts");
        if random.below(2) == 0 {
            std::thread::sleep(length.mul_f64(random.below(1_100) as f64 / 1_000.0));
        } else {
            let wanted = random.below(states.max(1));
            while is_running(&mut child) && state_files(dataset).difference(&before).count() < wanted {
                std::thread::sleep(Duration::from_micros(200));
            }
            // Between two files as well.
            std::thread::sleep(Duration::from_micros(random.below(3_000) as u64));
        }
        let was_running = is_running(&mut child);
        child.kill().expect("it is our child");
        child.wait().expect("it ends");
        was_running
    }

    /// Nothing is damaged, nothing is there twice, and the dataset alone gives the report.
    fn is_sound(&self, dataset: &Path, what: &str) {
        ask(&[dataset], &[]).is(&self.raw, what);
        let verified = run(borehole().args(["dataset", "verify"]).arg(dataset));
        assert_eq!(verified.code, Some(0), "{what}: {}{}", verified.out, verified.err);
        let again = Answer::of(run(&mut self.command(dataset, None))).is(&self.raw, what);
        assert_eq!(again.bytes_fetched(), 0, "{what}");
    }
}

fn is_running(child: &mut Child) -> bool {
    child.try_wait().expect("it is our child").is_none()
}

fn count(dataset: &Path, kind: Kind) -> usize {
    if !dataset.join("_borehole/new").is_dir() {
        return 0;
    }
    files_of(dataset).into_iter().filter(|(found, _)| *found == kind).count()
}

/// The states that are in their places, by inode: a state that is replaced is another file.
fn state_files(dataset: &Path) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    let Ok(days) = fs::read_dir(dataset.join("_borehole/hours")) else { return found };
    for day in days.flatten() {
        let Ok(hours) = fs::read_dir(day.path()) else { continue };
        found.extend(hours.flatten().filter_map(|hour| Some(hour.metadata().ok()?.ino())));
    }
    found
}

#[test]
fn j01_killed_while_hours_are_written_as_they_close() {
    World::new().survives(Some(SMALL_MEMORY), false, kills() / 3);
}

#[test]
fn j01_killed_while_hours_are_written_at_the_end() {
    World::new().survives(None, false, kills() / 3);
}

#[test]
fn j01_killed_while_a_dataset_is_brought_up_to_date() {
    World::new().survives(Some(SMALL_MEMORY), true, kills() / 3);
}
