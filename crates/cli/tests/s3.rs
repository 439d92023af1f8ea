//! The same dump in buckets and on disk: one report, to the last byte; whatever happens on the way.
//!
//! Against SeaweedFS, as somebody who may only read, with nothing of the user's own AWS configuration; the faults
//! through a proxy that breaks answers by key and attempt. Names begin with the row of the fault catalogue.

mod support;

use std::path::Path;
use std::process::{Command, Output};

use borehole_testbed::{Bucket, Fault, Faults, Identity, Kind, Proxy, SeaweedFs};
use serde_json::Value;
use tempfile::TempDir;

const BOREHOLE: &str = env!("CARGO_BIN_EXE_borehole");
const NOW: &str = "2024-03-12";

/// A synthetic day: its directories (one a bucket) and its truth.
struct Day {
    folder: TempDir,
    truth: Value,
    names: Vec<String>,
}

impl Day {
    fn make(layout: &str, requests: &str, seed: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let dump = folder.path().join("dump");
        let status = Command::new(BOREHOLE)
            .args(["synth", "--layout", layout, "--requests", requests, "--seed", seed, "-q"])
            .arg(&dump)
            .status()
            .expect("borehole runs");
        assert!(status.success(), "synth {layout}");
        let truth = std::fs::read(dump.join("truth.json")).expect("truth.json");
        // The truth itself is no part of the buckets.
        std::fs::remove_file(dump.join("truth.json")).expect("truth.json can be removed");
        let mut names: Vec<String> = std::fs::read_dir(&dump)
            .expect("the dump")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"))
            .collect();
        names.sort();
        Day { folder, truth: serde_json::from_slice(&truth).expect("JSON"), names }
    }

    fn dump(&self) -> std::path::PathBuf {
        self.folder.path().join("dump")
    }

    fn directories(&self) -> Vec<String> {
        self.names
            .iter()
            .map(|name| self.dump().join(name).to_str().expect("a plain path").to_owned())
            .collect()
    }

    /// Buckets of the same names, which the records' references need; so each day has a server of its own.
    fn upload(&self, server: &SeaweedFs) -> Vec<Bucket> {
        let upload = |name: &String| {
            let bucket = server.bucket(name);
            bucket.put_directory(&self.dump().join(name));
            bucket
        };
        self.names.iter().map(upload).collect()
    }
}

fn local(arguments: &[&str]) -> Output {
    Command::new(BOREHOLE).args(arguments).output().expect("borehole runs")
}

fn remote(server: &SeaweedFs, endpoint: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(BOREHOLE);
    server.equip(&mut command, Identity::Reader, endpoint).args(arguments).output().expect("borehole runs")
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A report as text, without its `run` block: what varies by run and by source stands there and nowhere else.
fn canonical(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    let run =
        text.find("\n  \"run\": {").unwrap_or_else(|| panic!("no run block in {text}\n{}", errors(output)));
    text[..run].to_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{}", errors(output)))
}

/// Analyses sources with the given question, as JSON.
fn question<'a>(sources: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["analyze", "--format", "json", "--all", "--now", NOW];
    arguments.extend(more);
    arguments.extend(sources.iter().map(String::as_str));
    arguments
}

fn urls(buckets: &[Bucket]) -> Vec<String> {
    buckets.iter().map(Bucket::url).collect()
}

fn holds_to_its_truth(report: &Value, day: &Day, view: &str) {
    let truth = &day.truth[view];
    assert!(truth["totals"]["requests"]["attempted"].as_u64() > Some(0), "a truth of nothing proves nothing");
    // The truth counts its own file, which is not in the bucket. Figures are compared as they are spelled.
    let mut objects = truth["health"]["objects"].clone();
    objects["listed"] = (objects["listed"].as_u64().expect("a count") - 1).into();
    objects["skipped"].as_object_mut().expect("reasons").remove("own_file");
    assert_eq!(report["health"]["objects"], objects);
    for part in ["documents", "records", "references", "bytes", "coverage", "warnings"] {
        assert_eq!(report["health"][part], truth["health"][part], "{part}");
    }
    for part in ["requests", "tokens", "high_token", "statistics"] {
        let differences = differences(&truth["totals"][part], &report["totals"][part]);
        assert!(differences.is_empty(), "{part}: {differences:?}");
    }
}

/// Paths at which the truth has a value that the report has not.
fn differences(truth: &Value, report: &Value) -> Vec<String> {
    match (truth, report) {
        (Value::Object(truth), Value::Object(report)) => truth
            .iter()
            .flat_map(|(key, value)| {
                let below = differences(value, report.get(key).unwrap_or(&Value::Null));
                below.into_iter().map(move |path| format!("/{key}{path}"))
            })
            .collect(),
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => Vec::new(),
        (a, b) if a == b => Vec::new(),
        (a, b) => vec![format!(": {a} is not {b}")],
    }
}

fn equals_its_dump(layout: &str, requests: &str) {
    let Some(server) = SeaweedFs::start_or_skip() else { return };
    let day = Day::make(layout, requests, "11");
    let buckets = day.upload(&server);
    for (resolve, view) in [("facts", "resolved"), ("never", "unresolved")] {
        let more = ["--resolve", resolve, "--series", "minute"];
        let on_disk = local(&question(&day.directories(), &more));
        let in_buckets = remote(&server, &server.endpoint(), &question(&urls(&buckets), &more));
        assert_eq!(in_buckets.status.code(), Some(0), "{}", errors(&in_buckets));
        assert_eq!(canonical(&in_buckets), canonical(&on_disk), "{layout} --resolve {resolve}");
        let report = json(&in_buckets);
        holds_to_its_truth(&report, &day, view);
        assert!(report["run"]["requests_sent"].as_u64() > report["health"]["objects"]["read"].as_u64());
    }
}

#[test]
fn a_day_of_the_aws_layout_in_a_bucket_equals_its_dump_and_its_truth() {
    equals_its_dump("aws", "1500");
}

#[test]
fn a_day_of_the_split_layout_in_two_buckets_equals_its_dump_and_its_truth() {
    equals_its_dump("split", "400");
}

#[test]
fn a_date_and_a_large_data_bucket_give_what_the_same_give_on_disk() {
    let Some(server) = SeaweedFs::start_or_skip() else { return };
    let day = Day::make("split", "300", "3");
    let buckets = day.upload(&server);
    let [large, logs] = &urls(&buckets)[..] else { panic!("two buckets: {:?}", day.names) };
    let [large_directory, logs_directory] = &day.directories()[..] else { panic!("two directories") };
    for date in ["2024/03/11", "2024/03/11/07", "2024/03"] {
        let ask = |logs: &str, large: &str| -> Vec<String> {
            let source = format!("{logs}/{date}");
            ["analyze", &source, "--large-data", large, "--format", "json", "--now", NOW]
                .map(str::to_owned)
                .into()
        };
        let on_disk = ask(logs_directory, large_directory);
        let in_buckets = ask(logs, large);
        let on_disk = local(&on_disk.iter().map(String::as_str).collect::<Vec<_>>());
        let in_buckets =
            remote(&server, &server.endpoint(), &in_buckets.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(in_buckets.status.code(), Some(0), "{}", errors(&in_buckets));
        assert_eq!(canonical(&in_buckets), canonical(&on_disk), "{date}");
        assert!(json(&in_buckets)["health"]["references"]["resolved"].as_u64() > Some(0), "{date}");
    }
}

#[test]
fn only_the_hours_of_the_range_and_its_slack_are_listed_and_read() {
    let Some(server) = SeaweedFs::start_or_skip() else { return };
    let day = Day::make("aws", "800", "5");
    let buckets = day.upload(&server);
    let proxy = Proxy::start(&server.endpoint(), Faults::default());
    let source = format!("{}/2024/03/11/12", buckets[0].url());
    let output = remote(&server, &proxy.endpoint(), &["analyze", &source, "--format", "json", "--now", NOW]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let tally = proxy.tally();
    let near = ["/10/", "/11/", "/12/", "/13/", "/14/"];
    for key in tally.gets.keys() {
        assert!(near.iter().any(|hour| key.contains(&format!("2024/03/11{hour}"))), "{key} was read");
        assert!(
            !key.contains("/data/") || json(&output)["health"]["references"]["resolved"].as_u64() > Some(0)
        );
    }
    assert!(!tally.gets.is_empty());
    // Nothing is asked of payload folders where only counts are wanted.
    for seen in proxy.seen() {
        assert!(seen.kind != Kind::List || !seen.name.contains("/data/"), "{} was listed", seen.name);
    }
}

/// The done-when of the fault run: complete, the same bytes, few requests more.
#[test]
fn a01_a05_a11_a_third_of_answers_broken_changes_nothing_but_the_time() {
    let Some(server) = SeaweedFs::start_or_skip() else { return };
    let day = Day::make("aws", "2500", "21");
    let buckets = day.upload(&server);
    let faults = Faults { seed: 42, slow_down: 300, reset: 50, stall: 20, ..Faults::default() };
    let proxy = Proxy::start(&server.endpoint(), faults);
    let more = ["--resolve", "facts", "--stall", "1"];
    let sound = local(&question(&day.directories(), &["--resolve", "facts"]));
    let output = remote(&server, &proxy.endpoint(), &question(&urls(&buckets), &more));
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert_eq!(canonical(&output), canonical(&sound));
    let tally = proxy.tally();
    assert!(
        tally.faults("slow_down") > 100 && tally.faults("reset") > 10 && tally.faults("stall") > 5,
        "{tally:?}"
    );
    let per_object = tally.gets_total() as f64 / tally.gets.len() as f64;
    assert!(per_object <= 1.7, "{per_object} GETs an object");
    let report = json(&output);
    assert!(report["run"]["retries"].as_u64() >= Some(tally.faults("slow_down")));
}

#[test]
fn a02_an_object_that_never_comes_costs_itself_and_the_books_balance() {
    let Some(server) = SeaweedFs::start_or_skip() else { return };
    let day = Day::make("aws", "600", "22");
    let buckets = day.upload(&server);
    let victim = first_record_object(&day.dump());
    let faults = Faults { seed: 1, ..Faults::default() }.always(&victim, Fault::InternalError);
    let proxy = Proxy::start(&server.endpoint(), faults);
    let output = remote(&server, &proxy.endpoint(), &question(&urls(&buckets), &["--resolve", "never"]));
    assert_eq!(output.status.code(), Some(3), "{}", errors(&output));
    let report = json(&output);
    let objects = &report["health"]["objects"];
    assert_eq!(objects["failed"], serde_json::json!({"server_error": 1}));
    let count = |name: &str| objects[name].as_u64().expect("a count");
    let skipped: u64 =
        objects["skipped"].as_object().expect("reasons").values().filter_map(Value::as_u64).sum();
    assert_eq!(count("listed"), count("read") + skipped + 1);
    assert!(errors(&output).contains(&victim), "it is named: {}", errors(&output));
    // What is counted is what the dump holds without that object.
    let key = day.dump().join(day.names[0].clone()).join(&victim);
    std::fs::remove_file(key).expect("the object is a file");
    let without = local(&question(&day.directories(), &["--resolve", "never"]));
    assert_eq!(report["totals"], json(&without)["totals"]);
}

/// The key of some record object of a dump, below its bucket.
fn first_record_object(dump: &Path) -> String {
    let mut files: Vec<_> = support::files_below(dump)
        .into_iter()
        .map(|path| path.strip_prefix(dump).expect("below").to_str().expect("a plain path").to_owned())
        .filter(|key| key.ends_with(".json.gz") && !key.contains("/data/"))
        .collect();
    files.sort();
    let middle = files.swap_remove(files.len() / 2);
    middle.split_once('/').expect("a bucket").1.to_owned()
}

#[test]
fn b02_b05_wrong_keys_no_bucket_and_no_permission_are_clear_and_exit_4() {
    let Some(server) = SeaweedFs::shared() else { return };
    let bucket = server.own_bucket("logs");
    bucket.put("2024/03/11/07/x.json", b"{}");
    for (identity, source, word) in [
        (Identity::Reader, "s3://there-is-no-such-bucket/2024/03/11".to_owned(), "bucket"),
        (Identity::WrongSecret, bucket.url(), "credentials"),
        (Identity::Limited, bucket.url(), "s3:ListBucket"),
    ] {
        let mut command = Command::new(BOREHOLE);
        server.equip(&mut command, identity, &server.endpoint());
        let output = command.args(["analyze", &source, "--all"]).output().expect("borehole runs");
        let told = errors(&output);
        assert_eq!(output.status.code(), Some(4), "{told}");
        assert!(told.contains(word) && told.contains("hint: "), "{told}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_named_profile_wins_over_keys_in_the_environment() {
    let Some(server) = SeaweedFs::shared() else { return };
    let bucket = server.own_bucket("profile");
    bucket.put("2024/03/11/07/model-invocations/one-invocation.json", b"{}");
    let ls = |more: &[&str]| {
        let mut command = Command::new(BOREHOLE);
        server.equip(&mut command, Identity::WrongSecret, &server.endpoint());
        command.args(["ls", "--all", &bucket.url()]).args(more).output().expect("borehole runs")
    };
    assert_eq!(ls(&[]).status.code(), Some(4), "the keys of the environment are wrong");
    let named = ls(&["--profile", Identity::Reader.profile()]);
    assert_eq!(named.status.code(), Some(0), "{}", errors(&named));
}

#[test]
fn c11_what_lies_outside_the_layouts_of_a_bucket_is_skipped_unless_asked_for() {
    let Some(server) = SeaweedFs::shared() else { return };
    let bucket = server.own_bucket("mixed");
    let record = std::fs::read(support::repository().join("fixtures/dumps/cloudwatch")).err();
    assert!(record.is_some(), "a directory cannot be read as a file");
    bucket.put_directory(&support::repository().join("fixtures/dumps/cloudwatch"));
    bucket.put("AWSLogs/111122223333/CloudTrail/us-east-1/2024/03/11/trail.json.gz", b"not for us");
    let ask = |more: &[&str]| {
        let sources = [bucket.url()];
        remote(server, &server.endpoint(), &question(&sources, more))
    };
    let skipped = ask(&[]);
    let objects = &json(&skipped)["health"]["objects"];
    assert!(objects["skipped"]["not_log_layout"].as_u64() > Some(0), "{objects}");
    let all = ask(&["--any-key", "--resolve", "facts"]);
    let directory =
        [support::repository().join("fixtures/dumps/cloudwatch").to_str().expect("plain").to_owned()];
    let on_disk = local(&question(&directory, &["--resolve", "facts"]));
    assert_eq!(json(&all)["totals"]["requests"], json(&on_disk)["totals"]["requests"], "{}", errors(&all));
    assert!(json(&all)["totals"]["requests"]["attempted"].as_u64() > Some(0));
}

// What is kept of buckets.

/// Hours of a stream, counted from 2024-03-01T00, with an object of two calls each.
fn put_hours(bucket: &Bucket, hours: std::ops::Range<u32>) {
    for hour in hours {
        let time = format!("2024-03-{:02}T{:02}", 1 + hour / 24, hour % 24);
        let calls = [1, 2].map(|number| {
            support::call(hour * 10 + number, &format!("{time}:{number:02}:00Z"), 100 + u64::from(hour), 7)
        });
        let folder = time.replace(['-', 'T'], "/");
        bucket.put(&support::aws_key(&folder, "calls.json"), support::lines(&calls).as_bytes());
    }
}

/// A run that keeps what it reads below `cache`.
fn kept(server: &SeaweedFs, endpoint: &str, cache: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(BOREHOLE);
    server.equip(&mut command, Identity::Reader, endpoint).env("XDG_CACHE_HOME", cache);
    let output = command.args(arguments).output().expect("borehole runs");
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    output
}

fn attempted(output: &Output) -> u64 {
    json(output)["totals"]["requests"]["attempted"].as_u64().expect("a count")
}

fn run_count(output: &Output, name: &str) -> u64 {
    json(output)["run"][name].as_u64().expect("a count")
}

/// The places below a cache directory where something is kept.
fn kept_places(cache: &Path) -> Vec<std::path::PathBuf> {
    let Ok(places) = std::fs::read_dir(cache.join("borehole")) else { return Vec::new() };
    places.map(|place| place.expect("an entry").path()).collect()
}

#[test]
fn what_is_read_of_a_bucket_is_kept_in_a_private_place_that_is_told_and_is_not_fetched_again() {
    use std::os::unix::fs::PermissionsExt;
    let Some(server) = SeaweedFs::shared() else { return };
    let bucket = server.own_bucket("kept");
    put_hours(&bucket, 0..30);
    let proxy = Proxy::start(&server.endpoint(), Faults::default());
    let folder = tempfile::tempdir().expect("a temporary directory");
    let cache = folder.path().join("cache");
    let source = bucket.url();
    let now = ["--format", "json", "--all", "--now", "2024-03-02T08:00:00Z"];
    let ask = |more: &[&str]| {
        let words = [&["analyze", &source], &now[..], more].concat();
        kept(server, &proxy.endpoint(), &cache, &words)
    };
    let none = ask(&["--no-dataset"]);
    assert!(!cache.exists() && !errors(&none).contains("kept in"), "{}", errors(&none));
    let first = ask(&[]);
    assert_eq!(canonical(&first), canonical(&none));
    assert_eq!((run_count(&first, "unchanged"), proxy.tally().gets_total()), (0, 60));
    let places = kept_places(&cache);
    let [place] = &places[..] else { panic!("one dataset: {places:?}") };
    assert!(errors(&first).contains(&format!("kept in {}", place.display())), "{}", errors(&first));
    for directory in [&cache.join("borehole"), place] {
        let mode = std::fs::metadata(directory).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", directory.display());
    }
    let second = ask(&[]);
    assert_eq!(canonical(&second), canonical(&none));
    assert_eq!((run_count(&second, "unchanged"), run_count(&second, "bytes_fetched")), (30, 0));
    assert_eq!(proxy.tally().gets_total(), 60, "nothing was fetched again");
    let quiet = ask(&["-q"]);
    assert!(errors(&quiet).is_empty(), "{}", errors(&quiet));
    // The dataset alone needs no bucket.
    let alone =
        local(&["analyze", place.to_str().expect("a plain path"), "--format", "json", "--now", now[4]]);
    assert_eq!(canonical(&alone), canonical(&none));
    // Other reading options have a place of their own.
    ask(&["--lenient-numbers"]);
    assert_eq!(kept_places(&cache).len(), 2);
}

#[test]
fn folders_are_listed_until_three_days_have_passed_and_not_again() {
    let Some(server) = SeaweedFs::shared() else { return };
    let bucket = server.own_bucket("settled");
    put_hours(&bucket, 0..30);
    let proxy = Proxy::start(&server.endpoint(), Faults::default());
    let folder = tempfile::tempdir().expect("a temporary directory");
    let source = bucket.url();
    let ask = |now: &str, more: &[&str]| {
        proxy.forget();
        let words = [&["analyze", &source, "--format", "json", "--all", "--now", now], more].concat();
        let output = kept(server, &proxy.endpoint(), folder.path(), &words);
        let none = kept(server, &server.endpoint(), folder.path(), &[&words[..], &["--no-dataset"]].concat());
        assert_eq!(canonical(&output), canonical(&none), "as of {now}");
        output
    };
    let listed = |day: &str| {
        let part = format!("/2024/03/{day}/");
        proxy.seen().iter().filter(|seen| seen.kind == Kind::List && seen.name.contains(&part)).count()
    };
    assert_eq!(attempted(&ask("2024-03-02T08:00:00Z", &[])), 60);
    assert!(listed("01") > 0);
    // A first look at them says nothing of what came later: into a folder that was seen, and into new ones.
    let late = support::lines(&[support::call(9_001, "2024-03-01T05:00:00Z", 1, 1)]);
    bucket.put(&support::aws_key("2024/03/01/05", "late.json"), late.as_bytes());
    put_hours(&bucket, 30..80);
    assert_eq!(attempted(&ask("2024-03-09T00:00:00Z", &[])), 161);
    assert!(listed("01") > 0 && listed("03") > 0);
    assert_eq!(proxy.tally().gets_total(), 50 + 2, "what is new, and the folder that has more");
    // Now all of it is past change.
    let again = ask("2024-03-09T00:00:00Z", &[]);
    assert_eq!((attempted(&again), proxy.tally().gets_total()), (161, 0));
    assert_eq!(listed("01") + listed("02") + listed("03"), 0);
    put_hours(&bucket, 170..172);
    assert_eq!(attempted(&ask("2024-03-09T00:00:00Z", &[])), 165);
    assert_eq!((listed("01"), proxy.tally().gets_total()), (0, 2));
    let all = ask("2024-03-09T00:00:00Z", &["--relist", "all"]);
    assert_eq!((attempted(&all), proxy.tally().gets_total()), (165, 0));
    assert!(listed("01") > 0);
}

#[test]
fn buckets_of_one_name_on_two_servers_are_kept_apart() {
    let (Some(one), Some(other)) = (SeaweedFs::shared(), SeaweedFs::start_or_skip()) else { return };
    let (here, there) = (one.bucket("twice-named"), other.bucket("twice-named"));
    put_hours(&here, 0..6);
    put_hours(&there, 3..5);
    let folder = tempfile::tempdir().expect("a temporary directory");
    for (server, count) in [(one, 12), (&other, 4), (one, 12)] {
        let words = ["analyze", "s3://twice-named", "--format", "json", "--all", "--now", "2024-03-09"];
        let output = kept(server, &server.endpoint(), folder.path(), &words);
        assert_eq!(attempted(&output), count);
    }
}
