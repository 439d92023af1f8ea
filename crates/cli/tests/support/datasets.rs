//! What the tests of datasets share: a question and what it came to, dumps that grow, and numbers by seed.
//!
//! In: sources and options of `borehole analyze`. Out: an [`Answer`]: the exit code and the report without its `run`
//! block, which must be the same however it was come by, and what the `run` block says. Always: two answers are
//! compared to the last byte. Absent: any knowledge of what a report says.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{NOW, Run, borehole, files_below, repository, run, without_run};

/// What a question came to.
pub(crate) struct Answer {
    /// The exit code.
    pub(crate) code: Option<i32>,
    /// The report without its `run` block.
    pub(crate) report: String,
    /// Stderr.
    pub(crate) err: String,
    run: Value,
}

impl Answer {
    /// Of a command that has printed a report as JSON.
    #[track_caller]
    pub(crate) fn of(run: Run) -> Answer {
        assert!(run.out.contains("\"run\""), "exit {:?}, no report:\n{}", run.code, run.err);
        let block = run.json()["run"].clone();
        Answer { code: run.code, report: without_run(&run.out), err: run.err, run: block }
    }

    fn count(&self, name: &str) -> u64 {
        self.run[name].as_u64().unwrap_or_else(|| panic!("run.{name} of {}", self.run))
    }

    /// Objects that were not read again.
    pub(crate) fn unchanged(&self) -> u64 {
        self.count("unchanged")
    }

    /// Bytes that were read.
    pub(crate) fn bytes_fetched(&self) -> u64 {
        self.count("bytes_fetched")
    }

    /// The report, to look into.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.report).expect("a report is JSON")
    }

    /// Takes a warning out of the report: how often it was given.
    pub(crate) fn take_warning(&mut self, name: &str) -> u64 {
        let start = format!("      \"{name}\": ");
        let Some(at) = self.report.find(&start) else { return 0 };
        let end = at + self.report[at..].find('\n').expect("a line ends") + 1;
        let line = self.report[at..end].trim_end().to_owned();
        self.report.replace_range(at..end, "");
        if !line.ends_with(',') {
            // It was the last one.
            let before = self.report[..at].trim_end().len();
            if self.report[..before].ends_with(',') {
                self.report.replace_range(before - 1..before, "");
            }
        }
        self.report = self.report.replace("\"warnings\": {\n    }", "\"warnings\": {}");
        line[start.len()..].trim_end_matches(',').parse().expect("a count")
    }

    /// As itself, where it is what was expected; else the first lines that differ.
    #[track_caller]
    pub(crate) fn is(self, expected: &Answer, what: &str) -> Answer {
        if self.code == expected.code && self.report == expected.report {
            return self;
        }
        let lines = self.report.lines().zip(expected.report.lines());
        let differing = lines.filter(|(found, expected)| found != expected).take(12);
        let shown: Vec<String> = differing
            .map(|(found, expected)| format!("{}   expected {}", found.trim(), expected.trim()))
            .collect();
        panic!(
            "{what}: another report (exit {:?}, expected {:?}):\n{}\n{}",
            self.code,
            expected.code,
            shown.join("\n"),
            self.err
        );
    }

    /// Whether a run over a dataset has nothing to try again: all could be read, and no payload is missing.
    pub(crate) fn is_whole(&self) -> bool {
        let health = &self.json()["health"];
        let references = &health["references"];
        health["objects"]["failed"] == serde_json::json!({})
            && ["missing", "archived", "failed"].iter().all(|name| references[name] == 0)
    }

    /// Objects that count as read.
    pub(crate) fn objects_read(&self) -> u64 {
        self.json()["health"]["objects"]["read"].as_u64().expect("a count")
    }
}

/// `borehole analyze SOURCES OPTIONS` as JSON.
#[track_caller]
pub(crate) fn ask<S: AsRef<OsStr>>(sources: &[S], options: &[&str]) -> Answer {
    Answer::of(run(borehole().arg("analyze").args(sources).args(options).args(AS_JSON)))
}

const AS_JSON: [&str; 5] = ["--format", "json", "-q", "--now", NOW];

/// A directory of the repository as an absolute path, which reads the same however it is come by.
pub(crate) fn fixture(name: &str) -> String {
    repository().join("fixtures").join(name).to_str().expect("a plain path").to_owned()
}

/// A synthetic dump in `directory`. Few requests: each is an object of its own or nearly so.
pub(crate) fn synth(directory: &str, options: &[&str]) {
    let mut command = borehole();
    run(command.args(["synth", directory, "-q"]).args(options)).ends(0);
    // The tally is no log.
    fs::remove_file(Path::new(directory).join("truth.json")).expect("synth writes its tally");
}

/// Copies a directory and all below it.
pub(crate) fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory can be made");
    for entry in fs::read_dir(from).expect("a directory can be listed") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy_directory(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a file can be copied");
        }
    }
}

/// The files of a dataset, but the lock; and in which of its rooms each lies.
pub(crate) fn files_of(dataset: &Path) -> Vec<(Kind, PathBuf)> {
    let kind = |path: PathBuf| {
        let below = path.strip_prefix(dataset).expect("a file lies below");
        let kind = match below.to_str().expect("plain names") {
            "_borehole-dataset.json" => Kind::Manifest,
            "_borehole/lock" => return None,
            // What is being written is no file of it yet.
            name if name.starts_with("_borehole/new/") => return None,
            name if name.starts_with("_borehole/hours/") => Kind::State,
            name if name.starts_with("_borehole/answers/") => Kind::Answer,
            name if name.starts_with("stream=") => Kind::Rows,
            name => panic!("{name} belongs to nothing"),
        };
        Some((kind, path))
    };
    files_below(dataset).into_iter().filter_map(kind).collect()
}

/// What a file of a dataset is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Manifest,
    State,
    Rows,
    Answer,
}

/// Whether every test must run in full: `CI` is set, and not to nothing or `false`.
pub(crate) fn demands_everything() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false")
}

/// Numbers that a seed decides. Each test shows its seed where it fails, and takes it from `BOREHOLE_TEST_SEED`.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// SplitMix64.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// One of `0..end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// The seed of this run of a test: another each time, or the one that was asked for.
pub(crate) fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    let asked = std::env::var("BOREHOLE_TEST_SEED").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or_else(|| RandomState::new().hash_one(0) >> 32)
}
