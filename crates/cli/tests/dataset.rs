//! Datasets from outside: whatever is kept, changed, lost or damaged, the report is that of the raw logs.
//!
//! In: the fixtures, synthetic dumps, and dumps made here that grow, change and shrink. Out: nothing. Always: reports
//! are compared to the last byte, their `run` block aside, which says what was read. Names begin with the row of the
//! fault catalogue where there is one. Absent: runs that are killed (`dataset_kills.rs`), work that is split
//! (`dataset_parts.rs`), buckets (`s3.rs`), and how files are encoded (`borehole_table::dataset`).

mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use support::datasets::{
    Answer, Kind, Random, ask, copy_directory, demands_everything, files_of, fixture, seed, synth,
};
use support::{Dump, MODEL, NOW, Run, borehole, call, lines, request_id, run, run_with};

const NO_OPTIONS: [&str; 0] = [];

/// A range that cuts hours in their middle, over the fixtures and the synthetic dumps of these tests.
const CUT: [&str; 4] = ["--from", "2024-03-11T07:30:00Z", "--to", "2024-03-11T10:15:00Z"];
const WHOLE_HOURS: [&str; 4] = ["--from", "2024-03-11T08:00:00Z", "--to", "2024-03-12T00:00:00Z"];

/// Questions of every kind: they need other sums, other rows, other hours, or books alone.
const QUESTIONS: [&[&str]; 14] = [
    &[],
    &["--by", "hour,model"],
    &["--by", "identity,operation,error"],
    &["--by", "tag:team,content-kind"],
    &["--by", "minute,inference-region", "--series", "minute"],
    &["--series", "hour", "--top", "3"],
    &["--model", MODEL],
    &["--region", "us-east-1", "--account", "111122223333"],
    &["--operation", "Converse", "--by", "role"],
    &CUT,
    &WHOLE_HOURS,
    &["--list", "high-token", "--list-max", "5"],
    &["--list", "errors", "--include-outliers"],
    &["--rules", "fixtures/rules.toml", "--rules-at", "2024-03-11"],
];

fn with<'a>(options: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [options, more].concat()
}

/// The same as a run over the raw logs: the first run with a dataset and every later one, the dataset alone, and a
/// part file; for every question, each asked twice, of rows and of the sums that the first time left.
#[track_caller]
fn answers_as_the_logs_do(sources: &[String], questions: &[&[&str]]) {
    let place = Dump::new();
    let (dataset, part) = (place.at("data"), place.at("all.part"));
    let raw = ask(sources, &[]);
    let first = ask(sources, &["--dataset", &dataset]).is(&raw, "the first run");
    assert_eq!(first.unchanged(), 0);
    ask(sources, &["--part", &part]).is(&raw, "the run that makes a part");
    for question in questions {
        let raw = ask(sources, question);
        for what in ["asked of rows", "asked of sums"] {
            let what = format!("{sources:?} {question:?} {what}");
            let beside = ask(sources, &with(question, &["--dataset", &dataset])).is(&raw, &what);
            if raw.is_whole() {
                assert_eq!((beside.unchanged(), beside.bytes_fetched()), (raw.objects_read(), 0), "{what}");
            }
        }
        let alone = ask(&[&dataset], question).is(&raw, &format!("{question:?} of the dataset alone"));
        assert_eq!(alone.bytes_fetched(), 0);
        ask(&[&part], question).is(&raw, &format!("{question:?} of a part"));
    }
    // No question has taken anything from it, whatever range it was about.
    ask(&[&dataset], &[]).is(&raw, "the dataset alone at the end");
    assert_eq!(verify(&dataset).code, Some(0));
}

#[test]
fn a_dataset_of_the_aws_fixtures_answers_as_they_do() {
    answers_as_the_logs_do(&[fixture("dumps/aws")], &QUESTIONS);
}

#[test]
fn a_dataset_of_the_split_fixtures_answers_as_they_do() {
    answers_as_the_logs_do(&[fixture("dumps/split")], &QUESTIONS);
}

#[test]
fn a_dataset_of_files_without_hours_answers_as_they_do() {
    answers_as_the_logs_do(&[fixture("dumps/cloudwatch")], &QUESTIONS);
}

#[test]
fn a_dataset_of_several_sources_and_layouts_answers_as_they_do() {
    answers_as_the_logs_do(&[fixture("dumps")], &[&[], &["--by", "hour,account"], &CUT]);
    let sources = ["dumps/split", "dumps/cloudwatch", "dumps/aws"].map(fixture);
    answers_as_the_logs_do(&sources, &[&[], &["--by", "hour,account"], &CUT]);
}

#[test]
fn a_dataset_of_faulty_logs_answers_as_they_do_and_tries_them_again() {
    // Without a range: the day that does not exist is in no range, and its record in no other hour's books.
    let questions: Vec<&[&str]> =
        QUESTIONS.into_iter().filter(|question| !question.contains(&"--from")).collect();
    answers_as_the_logs_do(&[fixture("faults")], &questions);
}

#[test]
fn a_dataset_of_a_synthetic_dump_answers_as_it_does() {
    let questions: [&[&str]; 3] = [&["--by", "identity,hour"], &CUT, &["--list", "high-token"]];
    let hours = ["--from", "2024-03-11T04:00:00Z", "--to", "2024-03-11T12:00:00Z"];
    for (layout, requests, dirty) in
        [("aws", "90", false), ("aws", "60", true), ("split", "50", false), ("split", "40", true)]
    {
        let place = Dump::new();
        let dump = place.at("dump");
        let mut options = with(&["--layout", layout, "--requests", requests, "--seed", "3"], &hours);
        options.extend(dirty.then_some("--dirty"));
        synth(&dump, &options);
        // What is set aside lies in folders of hours, too.
        let logs = support::files_below(Path::new(&dump));
        for path in
            logs.iter().filter(|path| path.to_str().is_some_and(|path| !path.contains("/data/"))).step_by(9)
        {
            fs::write(path.with_file_name("upload.tmp"), "half").expect("a file");
        }
        answers_as_the_logs_do(&[dump], &questions);
    }
}

#[test]
fn a_dataset_of_standard_input_is_of_no_use_to_the_next_input() {
    let place = Dump::new();
    let dataset = place.at("data");
    for number in 1..4 {
        let input = lines(&[call(number, "2024-03-11T07:00:00Z", 100 * u64::from(number), 1)]);
        let asked = |more: &[&str]| {
            let words = ["analyze", "-", "--format", "json", "-q", "--now", NOW];
            Answer::of(run_with(borehole().args(words).args(more), input.as_bytes()))
        };
        let raw = asked(&[]);
        asked(&["--dataset", &dataset]).is(&raw, "beside a dataset");
        ask(&[&dataset], &[]).is(&raw, "the dataset alone");
    }
}

/// The list of losses, and the report beside it.
#[track_caller]
fn losses(sources: &[String], options: &[&str]) -> (Answer, String) {
    let place = Dump::new();
    let file = place.at("losses.ndjson");
    let answer = ask(sources, &with(options, &["--rejects", &file]));
    (answer, fs::read_to_string(&file).expect("the losses are written"))
}

#[test]
fn losses_are_listed_from_a_dataset_as_from_the_logs() {
    let place = Dump::new();
    let dirty = place.at("dump");
    synth(&dirty, &["--requests", "60", "--seed", "5", "--dirty", "--to", "2024-03-11T06:00:00Z"]);
    for (number, source) in [fixture("faults"), dirty].into_iter().enumerate() {
        let (dataset, part) = (place.at(&format!("data{number}")), place.at(&format!("{number}.part")));
        let source = [source];
        // Whoever keeps them first does not ask for the list.
        ask(&source, &["--dataset", &dataset]);
        ask(&source, &["--part", &part]);
        let (raw, listed) = losses(&source, &[]);
        assert!(listed.lines().count() > 3, "nothing is lost here");
        for (sources, options) in [
            (source.clone(), vec!["--dataset", &*dataset]),
            ([dataset.clone()], Vec::new()),
            ([part], Vec::new()),
        ] {
            let (answer, found) = losses(&sources, &options);
            answer.is(&raw, &format!("{sources:?} {options:?}"));
            assert_eq!(found, listed, "{sources:?} {options:?}");
        }
    }
}

/// A command's answer in JSON, without its `run` block where it has one.
#[track_caller]
fn said(command: &str, source: &str, options: &[&str], code: i32) -> String {
    let words = [command, source, "--format", "json", "-q", "--now", "2026-11-22"];
    let run = run(borehole().args(words).args(options)).ends(code);
    // A ticket has none: nothing of it varies.
    if run.out.contains("\n  \"run\": {") { support::without_run(&run.out) } else { run.out }
}

#[test]
fn tickets_and_quotas_are_those_of_the_logs() {
    let place = Dump::new();
    let (dump, dataset, part) = (place.at("dump"), place.at("data"), place.at("all.part"));
    synth(&dump, &["--requests", "120", "--seed", "9", "--accounts", "1", "--to", "2024-03-11T05:00:00Z"]);
    ask(&[&dump], &["--part", &part]);
    // Each keeps other sums: one asks where the other has been. A ticket with blanks ends with 2.
    for (command, options, code) in [
        ("quota", &[][..], 0),
        ("ticket", &[][..], 2),
        ("quota", &["--target", "5%", "--model", "anthropic.claude-sonnet-4-5-20250929-v1:0"][..], 0),
        ("quota", &CUT_EARLY[..], 0),
    ] {
        let raw = said(command, &dump, options, code);
        for _ in 0..2 {
            let beside = said(command, &dump, &with(options, &["--dataset", &dataset]), code);
            assert!(beside == raw, "{command} {options:?} beside the dataset");
        }
        assert!(said(command, &dataset, options, code) == raw, "{command} {options:?} of the dataset");
        assert!(said(command, &part, options, code) == raw, "{command} {options:?} of the part");
    }
}

const CUT_EARLY: [&str; 4] = ["--from", "2024-03-11T01:20:00Z", "--to", "2024-03-11T03:40:00Z"];

// What is asked of a dataset must be possible.

#[test]
fn wrong_arguments_about_datasets_are_exit_2_and_say_what_to_do() {
    let place = Dump::new();
    let (dump, dataset, part) = (fixture("dumps/aws"), place.at("data"), place.at("a.part"));
    ask(&[&dump], &["--dataset", &dataset]);
    ask(&[&dump], &["--part", &part]);
    let other = fixture("dumps/split");
    let somewhere = place.at("somewhere");
    fs::create_dir(&somewhere).expect("a directory");
    fs::write(Path::new(&somewhere).join("mine.txt"), "mine").expect("a file");
    let wrong: [(&[&str], &str); 13] = [
        (&[&dump, &dataset], "cannot be read together"),
        (&[&part, &other], "cannot be read together"),
        (&[&dump, "--dataset", &dataset, "--resolve", "never"], "resolve"),
        (&[&dump, "--dataset", &dataset, "--salvage"], "salvage"),
        (&[&dump, "--dataset", &dataset, "--lenient-numbers"], "lenient-numbers"),
        (&[&dump, "--dataset", &dataset, "--large-data", &other], "large-data"),
        (&[&other, "--dataset", &dataset], "other sources"),
        (&[&dump, &other, "--dataset", &dataset], "other sources"),
        (&[&dump, "--dataset", &somewhere], "it is not empty"),
        (&[&dump, "--dataset", &part], &part),
        (&[&dump, "--dataset", &dataset, "--no-dataset"], "--no-dataset"),
        (&[&dump, "--dataset", &dataset, "--part", &part], "--part"),
        (&[&dump, "--hours", "2024-03-11..2024-03-12"], "--part"),
    ];
    let before = content_of(place.path());
    for (arguments, word) in wrong {
        let run = run(borehole().arg("analyze").args(arguments)).ends(2);
        assert!(run.out.is_empty(), "{arguments:?}");
        assert!(run.err.contains(word), "{arguments:?}: {word} is not in {}", run.err);
        assert!(run.err.contains("hint: ") || run.err.contains("Usage:"), "{arguments:?}: {}", run.err);
    }
    assert!(content_of(place.path()) == before, "something was written");
}

/// Every file below a directory, but locks, with its bytes.
fn content_of(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = support::files_below(directory).into_iter().filter(|path| !path.ends_with("_borehole/lock"));
    files.map(|path| (path.clone(), fs::read(path).expect("a file"))).collect()
}

#[test]
fn without_a_dataset_nothing_is_kept_and_nothing_used() {
    let place = Dump::new();
    let dump = fixture("dumps/split");
    let raw = ask(&[&dump], &[]);
    let none = ask(&[&dump], &["--no-dataset"]).is(&raw, "--no-dataset");
    assert_eq!((none.unchanged(), none.bytes_fetched()), (0, raw.bytes_fetched()));
    assert!(support::files_below(place.path()).is_empty());
    // Local logs are kept only where a place is named.
    let cache = place.at("cache");
    let run = run(borehole().args(["analyze", &dump, "--now", NOW]).env("XDG_CACHE_HOME", &cache)).ends(0);
    assert!(!run.err.contains(&cache) && !Path::new(&cache).exists(), "{}", run.err);
}

#[test]
fn a_dataset_is_private_and_a_plan_makes_none() {
    use std::os::unix::fs::PermissionsExt;
    let place = Dump::new();
    let (dump, dataset) = (fixture("dumps/aws"), place.at("below/data"));
    run(borehole().args(["analyze", &dump, "--dataset", &dataset, "--plan"])).ends(0);
    assert!(!Path::new(&dataset).exists(), "a plan reads nothing");
    ask(&[&dump], &["--dataset", &dataset]);
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(Path::new(&dataset)), 0o700);
    for (_, path) in files_of(Path::new(&dataset)) {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn j04_a_dataset_of_another_layout_is_refused_and_left_alone() {
    let place = Dump::new();
    let (dump, dataset) = (fixture("dumps/aws"), place.at("data"));
    ask(&[&dump], &["--dataset", &dataset]);
    let manifest = Path::new(&dataset).join("_borehole-dataset.json");
    let text = fs::read_to_string(&manifest).expect("the manifest");
    fs::write(&manifest, text.replace("borehole.dataset/1", "borehole.dataset/9")).expect("a manifest");
    let before = content_of(place.path());
    for arguments in [&[&*dump, "--dataset", &dataset][..], &[&dataset]] {
        let run = run(borehole().arg("analyze").args(arguments)).ends(2);
        assert!(run.err.contains("borehole.dataset/9") && run.err.contains("hint: "), "{}", run.err);
    }
    assert!(content_of(place.path()) == before);
}

#[test]
fn j05_j06_one_writer_at_a_time_and_a_dead_one_blocks_nobody() {
    let place = Dump::new();
    let dataset = place.at("data");
    let record = lines(&[call(1, "2024-03-11T07:00:00Z", 100, 1)]);
    let words = ["analyze", "-", "--dataset", &dataset, "--format", "json", "-q", "--now", NOW];
    // It waits for the rest of its input.
    let mut first = borehole()
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the command starts");
    let lock = Path::new(&dataset).join("_borehole/lock");
    let process = first.id().to_string();
    wait_until("the lock is taken", || {
        fs::read_to_string(&lock).is_ok_and(|text| text.lines().next() == Some(&*process))
    });
    let second = run_with(borehole().args(words), record.as_bytes()).ends(4);
    assert!(second.err.contains(&format!("in use by process {process}")), "{}", second.err);
    assert!(second.err.contains("hint: ") && second.out.is_empty(), "{}", second.err);
    let unlocked = with(&words, &["--dataset-without-lock"]);
    run_with(borehole().args(unlocked), record.as_bytes()).ends(0);
    // Its text stays in the file, and is nobody's any more.
    first.kill().expect("it can be killed");
    first.wait().expect("it ends");
    assert_eq!(fs::read_to_string(&lock).expect("the lock").lines().next(), Some(&*process));
    run_with(borehole().args(words), record.as_bytes()).ends(0);
}

#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

// What changes is read again, and nothing else.

/// Logs that change, a dataset beside them, and a second dump that holds what is to be seen.
struct Growing {
    place: Dump,
    logs: Dump,
    /// What the logs would be if nothing had ever vanished from them.
    seen: Dump,
    /// Objects that have vanished and count all the same.
    retained: u64,
}

/// A key of one of two accounts.
fn key(account: usize, hour: &str, name: &str) -> String {
    let (account, region) = [("111122223333", "us-east-1"), ("444455556666", "eu-west-1")][account];
    format!("AWSLogs/{account}/BedrockModelInvocationLogs/{region}/{hour}/{name}")
}

/// A call of one of two accounts; `hour` counts from 2024-03-10T00.
fn own_call(account: usize, number: u32, hour: u32, minute: u32) -> Value {
    let time = format!("2024-03-{:02}T{:02}:{minute:02}:07Z", 10 + hour / 24, hour % 24);
    let mut record = call(number, &time, u64::from(100 + number % 900), u64::from(number % 77));
    if account == 1 {
        record["accountId"] = json!("444455556666");
        record["region"] = json!("eu-west-1");
    }
    record["requestId"] = json!(request_id(number));
    record
}

fn folder(hour: u32) -> String {
    format!("2024/03/{:02}/{:02}", 10 + hour / 24, hour % 24)
}

impl Growing {
    /// Thirty hours of two accounts, two objects in each folder: records across the borders of hours, copies across
    /// borders and accounts' folders, and records far from their folder, some of them copies.
    fn new() -> Growing {
        let mut growing = Growing { place: Dump::new(), logs: Dump::new(), seen: Dump::new(), retained: 0 };
        for hour in 0..30u32 {
            for account in 0..2 {
                let base = hour * 100 + account as u32 * 50;
                let record = |number: u32, hour, minute| own_call(account, base + number, hour, minute);
                let mut one =
                    vec![record(1, hour, 10), record(2, hour, 59), record(3, (hour + 1).min(29), 0)];
                // The next folder has a copy that is as good, and one that is better.
                if hour > 0 {
                    let before = |number| own_call(account, base - 100 + number, hour - 1, 59);
                    one.push(before(2));
                }
                let two = [record(4, hour, 30), record(1, hour, 10)];
                growing.put(account, hour, "a.json", &one);
                growing.put(account, hour, "b.json", &two);
            }
        }
        let far = [own_call(0, 9_001, 3, 20), own_call(0, 301, 3, 10), own_call(0, 9_002, 29, 40)];
        growing.put(0, 20, "far.json", &far);
        growing
    }

    fn put(&mut self, account: usize, hour: u32, name: &str, records: &[Value]) {
        let key = key(account, &folder(hour), name);
        self.logs.put(&key, lines(records));
        self.seen.put(&key, lines(records));
    }

    fn path(&self, account: usize, hour: u32, name: &str) -> PathBuf {
        self.logs.path().join(key(account, &folder(hour), name))
    }

    /// Takes an object from the logs; it is still to be seen.
    fn delete(&mut self, path: &Path) {
        fs::remove_file(path).expect("the object is there");
        self.retained += 1;
    }

    /// Objects of a folder and their bytes.
    fn size_of(&self, hours: &[u32]) -> (u64, u64) {
        let (mut objects, mut bytes) = (0, 0);
        for &hour in hours {
            for account in 0..2 {
                let folder = self.logs.path().join(key(account, &folder(hour), ""));
                for path in folder.is_dir().then(|| support::files_below(&folder)).into_iter().flatten() {
                    objects += 1;
                    bytes += fs::metadata(path).expect("an object").len();
                }
            }
        }
        (objects, bytes)
    }

    /// A run beside the dataset sees what is to be seen and reads these folders alone; the dataset says the same.
    #[track_caller]
    fn reads(&self, hours: &[u32], what: &str) {
        self.reads_with(hours, &[], what);
    }

    #[track_caller]
    fn reads_with(&self, hours: &[u32], options: &[&str], what: &str) {
        let dataset = self.place.at("data");
        let (objects, bytes) = self.size_of(hours);
        let raw = ask(&[self.seen.root()], options);
        let mut beside = ask(&[self.logs.root()], &with(options, &["--dataset", &dataset]));
        assert_eq!(beside.take_warning("retained"), self.retained, "{what}: {}", beside.err);
        let beside = beside.is(&raw, what);
        assert_eq!(beside.bytes_fetched(), bytes, "{what}: bytes that were read");
        assert_eq!(beside.unchanged(), raw.objects_read() - objects, "{what}: objects that were not read");
        let mut alone = ask(&[&dataset], options);
        alone.take_warning("retained");
        alone.is(&raw, &format!("{what}, of the dataset alone"));
    }
}

#[test]
fn only_folders_that_have_changed_are_read_and_the_report_is_that_of_all() {
    let mut growing = Growing::new();
    let all: Vec<u32> = (0..30).collect();
    growing.reads(&all, "the first run");
    growing.reads(&[], "the second run");
    growing.put(
        0,
        7,
        "late.json",
        &[own_call(0, 9_100, 7, 5), own_call(0, 701, 7, 10), own_call(0, 9_101, 8, 1)],
    );
    growing.reads(&[7], "an object more");
    growing.put(1, 12, "b.json", &[own_call(1, 9_200, 12, 44)]);
    growing.reads(&[12], "an object that has changed");
    // Of the same length, a second later.
    let changed = growing.path(1, 15, "a.json");
    let text = fs::read_to_string(&changed).expect("an object");
    let other = text.replacen("\"outputTokenCount\":", "\"outputTokenCount\":9", 1);
    let other = other.replacen("Is the tide in?", "Is the tide in", 1);
    assert_eq!(other.len(), text.len());
    for dump in [&growing.logs, &growing.seen] {
        dump.put(&key(1, &folder(15), "a.json"), &other);
    }
    growing.reads(&[15], "an object of the same length");
    let touched = File::options().write(true).open(growing.path(0, 18, "a.json")).expect("an object");
    touched.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_710_000_000)).expect("a time");
    growing.reads(&[18], "an object that was copied again");
    for hour in 30..33 {
        growing.put(0, hour, "a.json", &[own_call(0, 9_300 + hour, hour, 3), own_call(0, 9_400, 29, 30)]);
    }
    growing.reads(&[30, 31, 32], "hours more");
    growing.put(
        1,
        28,
        "far.json",
        &[own_call(1, 9_500, 2, 2), own_call(1, 151, 1, 10), own_call(1, 9_501, 60, 1)],
    );
    growing.reads(&[28], "records for hours that are closed, and for one that is not");
    growing.put(1, 2, "loose-end.json", &[own_call(1, 9_500, 2, 2)]);
    growing.reads(&[2], "a copy of a record that lay elsewhere");
    growing.reads_with(&[], &["--by", "hour"], "another question at the end");
    assert_eq!(verify(&growing.place.at("data")).code, Some(0));
}

#[test]
fn what_has_vanished_stays_and_is_told() {
    let mut growing = Growing::new();
    let all: Vec<u32> = (0..30).collect();
    growing.reads(&all, "the first run");
    growing.delete(&growing.path(0, 5, "b.json"));
    growing.reads(&[], "an object less");
    growing.delete(&growing.path(0, 20, "far.json"));
    growing.reads_with(&[], &["--by", "hour,account"], "less an object with records for other hours");
    growing.delete(&growing.path(1, 9, "a.json"));
    growing.delete(&growing.path(1, 9, "b.json"));
    growing.reads(&[], "less a folder of one account");
    for account in 0..2 {
        let day = growing.logs.path().join(key(account, "2024/03/11", ""));
        for path in support::files_below(&day) {
            growing.delete(&path);
        }
        fs::remove_dir_all(day).expect("the day is there");
    }
    growing.reads(&[], "a day less");
    growing.reads_with(&[], &["--by", "identity"], "a day less, asked of rows");
    growing.put(0, 2, "late.json", &[own_call(0, 9_600, 2, 2)]);
    growing.reads(&[2], "a day less, and an object more elsewhere");
    growing.put(1, 40, "late.json", &[own_call(1, 9_601, 40, 2)]);
    growing.reads(&[40], "a day less, and a folder more in it");
    // The whole of it is gone but this: the dataset is all there is.
    for path in support::files_below(growing.logs.path()) {
        if path != growing.path(1, 40, "late.json") {
            growing.delete(&path);
        }
    }
    growing.reads(&[], "all but one");
    assert_eq!(verify(&growing.place.at("data")).code, Some(0));
}

#[test]
fn a_folder_with_something_new_is_read_as_it_is_now() {
    let mut growing = Growing::new();
    let all: Vec<u32> = (0..30).collect();
    growing.reads(&all, "the first run");
    growing.delete(&growing.path(0, 5, "b.json"));
    growing.reads(&[], "an object less");
    // What vanished there is gone for good now.
    growing.put(0, 5, "c.json", &[own_call(0, 9_700, 5, 5)]);
    fs::remove_file(growing.seen.path().join(key(0, &folder(5), "b.json"))).expect("an object");
    growing.retained = 0;
    growing.reads(&[5], "another in its place");
    growing.reads(&[], "once more");
}

#[test]
fn ranges_may_come_in_any_order_and_each_reads_only_what_no_other_has() {
    let growing = Growing::new();
    let range = |from: u32, to: u32| {
        let time = |hour: u32| format!("2024-03-{:02}T{:02}:30:00Z", 10 + hour / 24, hour % 24);
        [time(from), time(to)]
    };
    let [from, to] = range(8, 12);
    let middle = ["--from", &*from, "--to", &*to];
    let dataset = growing.place.at("data");
    let beside = |options: &[&str]| {
        let raw = ask(&[growing.seen.root()], options);
        let options = with(options, &["--dataset", &dataset]);
        ask(&[growing.logs.root()], &options).is(&raw, &format!("{options:?}"))
    };
    let fetched = beside(&middle).bytes_fetched();
    assert_eq!(beside(&middle).bytes_fetched(), 0);
    // Whole hours are kept: what the range cut off is there.
    let hours = ["--from", "2024-03-10T08:00:00Z", "--to", "2024-03-10T13:00:00Z"];
    let raw = ask(&[growing.seen.root()], &hours);
    ask(&[&dataset], &NO_OPTIONS).is(&raw, "what the dataset covers");
    ask(&[&dataset], &middle).is(&ask(&[growing.seen.root()], &middle), "a part of what it covers");
    let beyond = run(borehole().args(["analyze", &dataset, "--from", "2024-03-10T07:00:00Z"])).ends(2);
    assert!(beyond.err.contains("2024-03-10T07") && beyond.err.contains("hint: "), "{}", beyond.err);
    let [from, to] = range(10, 20);
    beside(&["--from", &from, "--to", &to]);
    let [from, to] = range(2, 5);
    beside(&["--from", &from, "--to", &to, "--by", "hour"]);
    let all = beside(&NO_OPTIONS);
    let (_, bytes) = growing.size_of(&(0..30).collect::<Vec<_>>());
    assert!(all.unchanged() > 0 && all.bytes_fetched() + fetched <= bytes, "{} bytes", all.bytes_fetched());
    assert_eq!(beside(&middle).bytes_fetched(), 0);
    assert_eq!(beside(&NO_OPTIONS).bytes_fetched(), 0);
    ask(&[&dataset], &NO_OPTIONS).is(&ask(&[growing.seen.root()], &NO_OPTIONS), "the dataset alone");
}

#[test]
fn what_could_not_be_read_is_tried_again_and_nothing_else() {
    let growing = Growing::new();
    let dataset = growing.place.at("data");
    let broken = key(0, &folder(6), "z.json.gz");
    growing.logs.put(&broken, b"\x1f\x8b no more");
    growing.seen.put(&broken, b"\x1f\x8b no more");
    let raw = ask(&[growing.seen.root()], &NO_OPTIONS);
    assert_eq!(raw.code, Some(3));
    let (objects, _) = growing.size_of(&[6]);
    for number in 0..3 {
        let beside = ask(&[growing.logs.root()], &["--dataset", &dataset]).is(&raw, "with a broken object");
        // What failed is not among those that were read.
        let unchanged = if number == 0 { 0 } else { raw.objects_read() - (objects - 1) };
        assert_eq!(beside.unchanged(), unchanged, "run {number}");
        ask(&[&dataset], &NO_OPTIONS).is(&raw, "the dataset alone");
    }
    for dump in [&growing.logs, &growing.seen] {
        dump.put(&broken, support::gzip(lines(&[own_call(0, 9_800, 6, 6)]).as_bytes()));
    }
    growing.reads(&[6], "once it is whole");
    growing.reads(&[], "and again");
}

// Damage.

fn verify(dataset: &str) -> Run {
    run(borehole().args(["dataset", "verify", dataset]))
}

/// A dataset with all kinds of files, and a copy of it to break.
struct Sound {
    place: Dump,
    dump: String,
    dataset: String,
    raw: Answer,
    by_hour: Answer,
}

impl Sound {
    fn new() -> Sound {
        let place = Dump::new();
        let (dump, dataset) = (place.at("dump"), place.at("sound"));
        let hours = ["--from", "2024-03-11T04:00:00Z", "--to", "2024-03-11T10:00:00Z"];
        synth(&dump, &with(&["--requests", "60", "--seed", "8", "--accounts", "1"], &hours));
        let raw = ask(&[&dump], &NO_OPTIONS);
        let by_hour = ask(&[&dump], &["--by", "hour,identity"]);
        ask(&[&dump], &["--dataset", &dataset]).is(&raw, "the first run");
        assert_eq!(verify(&dataset).code, Some(0));
        Sound { place, dump, dataset, raw, by_hour }
    }

    fn copy(&self) -> PathBuf {
        let copy = self.place.path().join("broken");
        let _ = fs::remove_dir_all(&copy);
        copy_directory(Path::new(&self.dataset), &copy);
        copy
    }
}

/// Flips a bit, cuts the file, or takes it away; says what was done.
fn damage(path: &Path, random: &mut Random) -> String {
    let mut bytes = fs::read(path).expect("a file");
    let name = path.display();
    match random.below(if bytes.is_empty() { 1 } else { 4 }) {
        0 => {
            fs::remove_file(path).expect("it can be removed");
            format!("{name} removed")
        }
        1 => {
            let length = random.below(bytes.len());
            bytes.truncate(length);
            fs::write(path, &bytes).expect("it can be written");
            format!("{name} cut to {length} bytes")
        }
        _ => {
            let (at, bit) = (random.below(bytes.len()), random.below(8));
            bytes[at] ^= 1 << bit;
            fs::write(path, &bytes).expect("it can be written");
            format!("{name} bit {bit} of byte {at} flipped")
        }
    }
}

#[test]
fn j02_j03_a_damaged_file_costs_its_hour_and_never_the_answer() {
    let sound = Sound::new();
    let seed = seed();
    let mut random = Random::new(seed);
    let rounds = if demands_everything() { 40 } else { 12 };
    for round in 0..rounds {
        let copy = sound.copy();
        let dataset = copy.to_str().expect("a plain path");
        let wanted = *random.pick(&[Kind::State, Kind::Rows, Kind::Rows, Kind::State, Kind::Answer]);
        let files: Vec<PathBuf> =
            files_of(&copy).into_iter().filter(|(kind, _)| *kind == wanted).map(|(_, path)| path).collect();
        let path = random.pick(&files).clone();
        let what = format!("seed {seed}, round {round}: {}", damage(&path, &mut random));
        let found = verify(dataset);
        // A state that is gone leaves rows that nobody names, which are no damage; answers may always be lost.
        if wanted == Kind::Rows || wanted == Kind::State && path.exists() {
            assert_eq!(found.code, Some(3), "{what}: {}{}", found.out, found.err);
            let name = path.strip_prefix(&copy).expect("below").to_str().expect("plain");
            assert!(
                found.out.contains(name) || found.err.contains(name),
                "{what}: {}{}",
                found.out,
                found.err
            );
        } else {
            assert_eq!(found.code, Some(0), "{what}: {}{}", found.out, found.err);
        }
        // Sums of this question are there; those of the next are not, so that rows have to be read.
        ask(&[&sound.dump], &["--dataset", dataset]).is(&sound.raw, &what);
        let rows = ask(&[&sound.dump], &["--dataset", dataset, "--by", "hour,identity"]);
        let rows = rows.is(&sound.by_hour, &what);
        if wanted == Kind::Answer {
            assert_eq!(rows.bytes_fetched(), whole_bytes(&sound, dataset), "{what}");
        }
        let found = verify(dataset);
        assert_eq!(found.code, Some(0), "{what}, after it was redone: {}{}", found.out, found.err);
        ask(&[dataset], &["--by", "hour,identity"]).is(&sound.by_hour, &what);
        let again = ask(&[&sound.dump], &["--dataset", dataset]).is(&sound.raw, &what);
        assert_eq!(again.bytes_fetched(), whole_bytes(&sound, dataset), "{what}: all is kept again");
    }
}

/// Bytes that a run over an undamaged dataset reads: of what it tries again.
fn whole_bytes(sound: &Sound, dataset: &str) -> u64 {
    ask(&[&sound.dump], &["--dataset", dataset]).bytes_fetched()
}

#[test]
fn j03_a_dataset_alone_is_no_answer_where_it_is_damaged() {
    let sound = Sound::new();
    let copy = sound.copy();
    let files = files_of(&copy);
    let (_, state) = files.iter().rfind(|(kind, _)| *kind == Kind::State).expect("a state");
    let (_, rows) = files.iter().find(|(kind, _)| *kind == Kind::Rows).expect("rows");
    for (path, options) in [(state, &[][..]), (rows, &["--by", "hour,identity"][..])] {
        let whole = fs::read(path).expect("a file");
        let mut broken = whole.clone();
        let middle = broken.len() / 2;
        broken[middle] ^= 0x10;
        fs::write(path, broken).expect("it can be written");
        let run = run(borehole().arg("analyze").arg(&copy).args(options).args(["--now", NOW])).ends(4);
        assert!(run.out.is_empty() && run.err.contains("hint: "), "{}", run.err);
        fs::write(path, whole).expect("it can be written");
    }
    ask(&[&copy], &["--by", "hour,identity"]).is(&sound.by_hour, "once it is whole");
}

#[test]
fn j03_a_damaged_manifest_is_refused_or_does_not_matter() {
    let sound = Sound::new();
    let seed = seed();
    let mut random = Random::new(seed);
    for round in 0..if demands_everything() { 30 } else { 8 } {
        let copy = sound.copy();
        let what = format!("seed {seed}, round {round}: {}", {
            let manifest = copy.join("_borehole-dataset.json");
            damage(&manifest, &mut random)
        });
        let words = ["analyze", &sound.dump, "--format", "json", "-q", "--now", NOW, "--dataset"];
        let run = run(borehole().args(words).arg(&copy));
        match run.code {
            Some(2 | 4) => {
                assert!(run.out.is_empty() && run.err.contains("hint: "), "{what}: {}", run.err);
            }
            _ => drop(Answer::of(run).is(&sound.raw, &what)),
        }
    }
}

/// Runs a script in a mount namespace of its own, with these variables; `false` where there can be none.
fn in_own_mounts(script: &str, variables: &[(&str, &str)]) -> bool {
    let tried = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-euc", script])
        .env("BOREHOLE", env!("CARGO_BIN_EXE_borehole"))
        .envs(variables.iter().copied())
        .output();
    match tried {
        Ok(output) if output.status.success() => true,
        tried => {
            let why = tried.map_or_else(
                |error| error.to_string(),
                |output| String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            );
            not_tested(&why);
            false
        }
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test must be heard")]
fn not_tested(why: &str) {
    eprintln!("NOT TESTED: full and read-only disks need a mount of their own: {why}");
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn j09_a_full_disk_is_exit_4_and_the_dataset_goes_on_where_there_is_space() {
    let sound = Sound::new();
    let script = r#"
        mount -t tmpfs -o size=64m none "$DISK"
        ask() { "$BOREHOLE" analyze "$DUMP" --dataset "$DISK/data" --format json -q --now "$NOW"; }
        for left in 0 4 16 40 80 160 320; do
            # Full but for so many KiB.
            head -c 200m /dev/zero >"$DISK/full" 2>"$OUT/head" || true
            truncate -s "-${left}k" "$DISK/full"
            if ask >"$OUT/$left.json" 2>"$OUT/$left.err"; then code=0; else code=$?; fi
            echo "$code" >"$OUT/$left.code"
            if [ -e "$DISK/data/_borehole-dataset.json" ]; then
                if "$BOREHOLE" dataset verify "$DISK/data" >"$OUT/$left.verify" 2>&1; then code=0; else code=$?; fi
                echo "$code" >"$OUT/$left.verified"
            fi
        done
        rm "$DISK/full"
        ask >"$OUT/space.json" 2>"$OUT/space.err"
        "$BOREHOLE" dataset verify "$DISK/data" >"$OUT/verify"
    "#;
    let (disk, out) = (sound.place.at("disk"), sound.place.at("out"));
    fs::create_dir(&disk).and_then(|()| fs::create_dir(&out)).expect("directories");
    if !in_own_mounts(script, &[("DISK", &disk), ("OUT", &out), ("DUMP", &sound.dump), ("NOW", NOW)]) {
        return;
    }
    let out = Path::new(&out);
    let mut was_full = 0;
    for left in [0, 4, 16, 40, 80, 160, 320] {
        let (code, err) = (text(&out.join(format!("{left}.code"))), text(&out.join(format!("{left}.err"))));
        if code.trim() == "4" {
            was_full += 1;
            assert!(text(&out.join(format!("{left}.json"))).is_empty(), "{left} KiB: a report was written");
            assert!(err.contains("No space left") && err.contains("hint: "), "{left} KiB: {err}");
        } else {
            assert_eq!(code.trim(), "0", "{left} KiB: {err}");
        }
        let verified = out.join(format!("{left}.verified"));
        if verified.exists() {
            let said = text(&out.join(format!("{left}.verify")));
            assert_eq!(text(&verified).trim(), "0", "{left} KiB: {said}");
        }
    }
    assert!(was_full > 0, "the disk was never full");
    let report = support::without_run(&text(&out.join("space.json")));
    assert!(report == sound.raw.report, "another report once there was space");
}

#[test]
fn a_dataset_that_cannot_be_written_is_exit_4_and_can_still_be_read() {
    let sound = Sound::new();
    let script = r#"
        mount --bind "$DATA" "$DATA"
        mount -o remount,bind,ro "$DATA"
        if "$BOREHOLE" analyze "$DUMP" --dataset "$DATA" --now "$NOW" >"$OUT/out" 2>"$OUT/err"; then code=0; else code=$?; fi
        echo "$code" >"$OUT/code"
        "$BOREHOLE" analyze "$DATA" --format json -q --now "$NOW" >"$OUT/alone.json"
        "$BOREHOLE" dataset verify "$DATA" >"$OUT/verify"
    "#;
    let out = sound.place.at("out");
    fs::create_dir(&out).expect("a directory");
    let variables = [("DATA", &*sound.dataset), ("OUT", &out), ("DUMP", &sound.dump), ("NOW", NOW)];
    if !in_own_mounts(script, &variables) {
        return;
    }
    let out = Path::new(&out);
    let err = text(&out.join("err"));
    assert_eq!(text(&out.join("code")).trim(), "4", "{err}");
    assert!(err.contains("hint: ") && err.contains("--dataset"), "{err}");
    assert!(text(&out.join("out")).is_empty());
    let alone = support::without_run(&text(&out.join("alone.json")));
    assert!(alone == sound.raw.report, "another report of the dataset alone");
}
