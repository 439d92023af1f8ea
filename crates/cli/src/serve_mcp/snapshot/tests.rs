//! Figures of subjects held against runs with the same filter and range; over the fixtures and over a dump with all
//! that is odd but legal.
//!
//! In: dumps. Out: nothing. Always: the field-by-field comparison is that of the whole report, without its books.

use std::path::{Path, PathBuf};

use borehole_synth::{Layout, Options, Profile, generate};
use clap::Parser;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::gather::Gathered;

const AWS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/dumps/aws");
const REGION: &str = "us-east-1";
const ACCOUNTS: [&str; 2] = ["111122223333", "444455556666"];

/// 2024-03-11T00:00:00Z, where these dumps begin.
const DAY: i64 = 1_710_115_200;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    serve: ServeMcp,
}

fn parsed(arguments: &[&str]) -> ServeMcp {
    let fixed = ["serve-mcp", "--no-config", "--now", "2024-03-14", "--threads", "2"];
    Line::try_parse_from([&fixed, arguments].concat()).unwrap_or_else(|error| panic!("{error}")).serve
}

/// A server, and what it has read.
struct Server {
    args: ServeMcp,
    snapshots: Snapshots,
    /// The dump, where it was made for this.
    _directory: Option<TempDir>,
}

impl Server {
    fn over(source: &str, more: &[&str]) -> Server {
        let args = parsed(&[&[source, "--no-dataset"], more].concat());
        Server { args, snapshots: Snapshots::default(), _directory: None }
    }

    /// Over two days and a half of traffic, with all that is odd but legal.
    fn over_traffic() -> Server {
        Server::over_generated(&Options { traps: true, ..Options::default() })
    }

    /// Over the same, of which every record lies in the folder of its hour or the next: a run over a range does not look
    /// for the others in folders that are far from it.
    fn over_plain_traffic() -> Server {
        Server::over_generated(&Options { traps: false, strays: 0, ..Options::default() })
    }

    fn over_generated(options: &Options) -> Server {
        let directory = tempfile::tempdir().expect("a directory");
        let dump = directory.path().join("dump");
        let options = Options {
            layout: Layout::Aws,
            profile: Profile::Small,
            requests: 700,
            seed: 8,
            from_seconds: DAY,
            to_seconds: DAY + 60 * 3_600,
            clean: false,
            accounts: 2,
            ..options.clone()
        };
        generate(&dump, &options, &mut |_| {}).expect("a dump");
        let server = Server::over(dump.to_str().expect("a path"), &[]);
        Server { _directory: Some(directory), ..server }
    }

    fn measure(&self, subject: &Subject, period: &Period) -> Measured {
        let measured = self.snapshots.measure(&self.args, subject, period, 1_500, &Watch::new());
        measured.unwrap_or_else(|failure| panic!("{failure:?}"))
    }

    fn failure(&self, subject: &Subject, period: &Period) -> Failure {
        let measured = self.snapshots.measure(&self.args, subject, period, 1_500, &Watch::new());
        measured.expect_err("a failure")
    }

    /// A run with the subject as its filter.
    fn gathered(&self, subject: &Subject, ends: Ends, series: Option<Grain>) -> Box<Gathered> {
        let mut gather_args = self.args.gather.clone();
        gather_args.quiet = true;
        gather_args.model = vec![subject.model_id.clone()];
        gather_args.region = vec![subject.region.clone()];
        gather_args.account = subject.account_id.clone().into_iter().collect();
        if ends != (None, None) {
            gather_args.range.from = ends.0;
            gather_args.range.to = ends.1;
        }
        let wanted = Wanted { rules_of_today: false, series, keep: NO_ATTEMPTS, ..Wanted::default() };
        match gather(&gather_args, wanted).expect("a run") {
            Run::Done(gathered) => gathered,
            Run::Planned(_) => panic!("no plan was asked for"),
        }
    }

    /// Holds an answer against a run of its own.
    #[track_caller]
    fn assert_measured(&self, subject: &Subject, period: Period, ends: Ends) -> Measured {
        let measured = self.measure(subject, &period);
        let gathered = self.gathered(subject, ends, Some(Grain::Minute));
        let expected =
            Report::new(&gathered.figures, &gathered.health, gathered.complete, gathered.run.clone());
        if let Some(difference) = difference(&plain(&measured.report), &plain(&expected)) {
            panic!("{subject:?} {period:?}: {difference}");
        }
        measured
    }

    /// Every subject that has records, with its account and without.
    fn subjects(&self) -> Vec<Subject> {
        let everything = self.snapshots.reading(&self.args, Wish::default(), &Watch::new());
        let groups = everything.expect("a reading").groups((None, None));
        let mut subjects = BTreeSet::new();
        for key in groups.into_keys() {
            let [account, Some(region), Some(model), _] = &*key else { continue };
            subjects.insert((model.clone(), region.clone(), account.clone()));
            subjects.insert((model.clone(), region.clone(), None));
        }
        let subject = |(model_id, region, account_id)| Subject { model_id, region, account_id };
        subjects.into_iter().map(subject).collect()
    }
}

/// A report as JSON, without the books, what varies by run, and the names that are counted for all groups at once.
fn plain(report: &Report) -> Value {
    let mut value = serde_json::to_value(report).expect("a report is JSON");
    let fields = value.as_object_mut().expect("an object");
    for name in ["run", "health", "complete", "unruled_models", "unresolved_profiles"] {
        fields.remove(name);
    }
    value
}

/// Where two values differ first.
fn difference(found: &Value, expected: &Value) -> Option<String> {
    let within = |place: String, found: Option<&Value>, expected: Option<&Value>| match (found, expected) {
        (Some(found), Some(expected)) => difference(found, expected).map(|below| format!("{place}.{below}")),
        (found, expected) => Some(format!("{place}: {found:?}, not {expected:?}")),
    };
    match (found, expected) {
        _ if found == expected => None,
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            names.into_iter().find_map(|name| match (one.get(name), other.get(name)) {
                (found, expected) if found == expected => None,
                (found, expected) => within(name.clone(), found, expected),
            })
        }
        (Value::Array(one), Value::Array(other)) => {
            (0..one.len().max(other.len())).find_map(|place| match (one.get(place), other.get(place)) {
                (found, expected) if found == expected => None,
                (found, expected) => within(place.to_string(), found, expected),
            })
        }
        _ => Some(format!(" {found}, not {expected}")),
    }
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp::from_seconds(DAY + seconds))
}

fn between(ends: Ends) -> Period {
    Period::Between { from: ends.0, to: ends.1 }
}

const OPEN: Ends = (None, None);

#[test]
fn figures_are_those_of_a_run_with_the_subject_as_its_filter() {
    for server in [Server::over(AWS, &[]), Server::over_traffic()] {
        let subjects = server.subjects();
        assert!(subjects.len() > 2, "{subjects:?}");
        for subject in &subjects {
            let measured = server.assert_measured(subject, between(OPEN), OPEN);
            assert!(measured.report.totals.requests.attempted > 0);
            assert_eq!(measured.others, None);
        }
    }
}

#[test]
fn figures_of_a_period_are_those_of_a_run_over_that_range() {
    let traffic = Server::over_plain_traffic();
    // Whole hours, open ends, hours without records, ends that cut an hour.
    let subjects: Vec<Subject> = traffic.subjects().into_iter().step_by(4).collect();
    let wide = [(at(5 * 3_600), at(30 * 3_600)), (at(7 * 3_600), None), (None, at(20 * 3_600))];
    for subject in &subjects {
        for ends in wide {
            traffic.assert_measured(subject, between(ends), ends);
        }
    }
    let cut = [(at(5 * 3_600 + 1_234), at(30 * 3_600 + 7)), (at(3_599), None), (at(-9_999), at(400 * 3_600))];
    for ends in cut {
        for subject in subjects.iter().take(2) {
            traffic.assert_measured(subject, between(ends), ends);
        }
    }
}

#[test]
fn windows_of_seconds_are_exact_where_several_groups_are_busy() {
    let directory = tempfile::tempdir().expect("a directory");
    // Two accounts that call by turns, every second of an hour.
    let mut lines = [String::new(), String::new()];
    for second in 0..3_600 {
        let account = second % 2;
        let record = serde_json::json!({
            "schemaType": "ModelInvocationLog",
            "schemaVersion": "1.0",
            "timestamp": format!("2024-03-11T05:{:02}:{:02}Z", second / 60, second % 60),
            "accountId": ACCOUNTS[account],
            "region": REGION,
            "requestId": format!("00000000-0000-4000-8000-{second:012}"),
            "operation": "Converse",
            "modelId": "amazon.nova-lite-v1:0",
            "input": {"inputTokenCount": 1 + second % 977},
            "output": {"outputTokenCount": 3},
        });
        lines[account] += &format!("{record}\n");
    }
    for (account, lines) in ACCOUNTS.iter().zip(lines) {
        let folder = directory
            .path()
            .join(format!("AWSLogs/{account}/BedrockModelInvocationLogs/{REGION}/2024/03/11/05"));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("20240311T050000000Z_1111111111111111.json"), lines).expect("a file");
    }
    let server = Server::over(directory.path().to_str().expect("a path"), &[]);
    let subject =
        Subject { model_id: "amazon.nova-lite-v1:0".to_owned(), region: REGION.to_owned(), account_id: None };
    for ends in [OPEN, (at(5 * 3_600 + 90), at(5 * 3_600 + 1_801))] {
        let measured = server.assert_measured(&subject, between(ends), ends);
        assert_eq!(measured.report.groups.len(), 2);
        let figures = measured.report.totals.requests_per_minute.expect("minutes");
        assert_eq!(figures.peak_sliding_60s, 60);
    }
}

#[test]
fn the_last_hours_are_those_before_the_end_of_the_data() {
    let server = Server::over_plain_traffic();
    let subject = &server.subjects()[0];
    let moments = server.measure(subject, &between(OPEN)).basis.moments.expect("data");
    assert!(moments.to_is_end_of_data);
    assert_eq!(moments.end_of_data, Some(moments.to));
    assert_eq!(moments.to, Timestamp::from_seconds(DAY + 60 * 3_600));
    // Impossible times are no data.
    let odd = Server::over_traffic();
    let odd = odd.measure(subject, &between(OPEN)).basis.moments.expect("data");
    assert!(moments.to <= odd.to && odd.to.seconds < DAY + 5 * 86_400, "{odd:?}");
    assert!(odd.from <= moments.from && odd.from.seconds > DAY - 5 * 86_400, "{odd:?}");

    let from = Timestamp::from_seconds(moments.to.seconds - 24 * 3_600);
    let ends = (Some(from), Some(moments.to));
    let last = server.assert_measured(subject, Period::Last { hours: 24 }, ends);
    let found = last.basis.moments.expect("data");
    assert_eq!((found.from, found.to, found.to_is_end_of_data), (from, moments.to, true));
    assert!(last.slots.iter().all(|slot| from <= slot.from && slot.to <= moments.to));
    // More than there is.
    let long = server.measure(subject, &Period::Last { hours: 8_784 });
    let open = server.measure(subject, &between((at(0), at(60 * 3_600))));
    assert_eq!(long.report.totals.requests, open.report.totals.requests);
}

#[test]
fn slots_add_up_to_the_totals() {
    let server = Server::over_plain_traffic();
    let watch = Watch::new();
    for subject in server.subjects() {
        for (slots_max, hours) in [(1_500, 1), (60, 1), (59, 2), (20, 3), (5, 12), (3, 24), (2, 48), (1, 72)]
        {
            for ends in [(at(0), at(60 * 3_600)), (at(1_800), at(59 * 3_600 + 60))] {
                let measured =
                    server.snapshots.measure(&server.args, &subject, &between(ends), slots_max, &watch);
                let Measured { slots, slot_hours, report, .. } = measured.expect("an answer");
                assert_eq!(slot_hours, hours, "{slots_max}");
                assert!(slots.len() <= slots_max);
                let sum = |value: fn(&borehole_report::model::Group) -> u64| {
                    let all: u64 = slots.iter().map(|slot| value(&slot.totals)).sum();
                    assert_eq!(all, value(&report.totals));
                };
                sum(|group| group.requests.attempted);
                sum(|group| group.requests.throttled);
                sum(|group| u64::try_from(group.statistics.total_input_tokens).expect("a count"));
                let (first, last) = (slots.first().expect("a slot"), slots.last().expect("a slot"));
                assert!(ends.0 <= Some(first.from) && Some(last.to) <= ends.1);
                assert!(slots.windows(2).all(|pair| pair[0].to <= pair[1].from));
                for Slot { from, to, totals } in &slots {
                    assert!(from < to && totals.requests.attempted > 0);
                    assert!(
                        Some(*from) == ends.0 || (from.seconds - DAY) % (hours_of(slot_hours) * 3_600) == 0
                    );
                }
            }
        }
    }
    // One of them against a run.
    let subject = &server.subjects()[0];
    let measured = server.measure(subject, &between((at(1_800), None)));
    for slot in measured.slots.iter().take(2) {
        let gathered = server.gathered(subject, (Some(slot.from), Some(slot.to)), None);
        let expected =
            Report::new(&gathered.figures, &gathered.health, gathered.complete, gathered.run.clone());
        assert_eq!(slot.totals, expected.totals);
    }
}

fn hours_of(slot_hours: u32) -> i64 {
    i64::from(slot_hours)
}

#[test]
fn a_model_that_is_no_base_model_is_a_spelling() {
    let server = Server::over_plain_traffic();
    let subjects = server.subjects();
    let bases: BTreeSet<&String> = subjects.iter().map(|subject| &subject.model_id).take(6).collect();
    let regions: BTreeSet<&String> = subjects.iter().map(|subject| &subject.region).collect();
    let spelt = bases.iter().flat_map(|base| {
        let arn = move |region| format!("arn:aws:bedrock:{region}::foundation-model/{base}");
        let prefixed = ["us", "eu", "apac", "global"].map(|prefix| format!("{prefix}.{base}"));
        prefixed.into_iter().chain(regions.iter().map(arn))
    });
    let spelt: Vec<String> = spelt.collect();
    let mut found = 0;
    for model in &spelt {
        for region in &regions {
            let subject = Subject { model_id: model.clone(), region: (*region).clone(), account_id: None };
            let measured = server.assert_measured(&subject, between(OPEN), OPEN);
            if measured.report.totals.requests.attempted > 0 {
                found += 1;
                assert!(measured.basis.assumptions.iter().any(|text| text.contains("written exactly so")));
                let slots: u64 = measured.slots.iter().map(|slot| slot.totals.requests.attempted).sum();
                assert!(slots > 0);
                let ends = (at(6 * 3_600), at(29 * 3_600 + 11));
                server.assert_measured(&subject, between(ends), ends);
            }
        }
    }
    assert!(found > 1, "some of them are in the dump");
}

#[test]
fn where_nothing_is_found_it_is_said_what_there_is() {
    let server = Server::over_traffic();
    let there = &server.subjects()[0];
    let base = there.model_id.clone();
    let ask = |model_id: &str, region: &str, period: Period| {
        let subject = Subject { model_id: model_id.to_owned(), region: region.to_owned(), account_id: None };
        let measured = server.measure(&subject, &period);
        assert_eq!(measured.report.totals.requests.attempted, 0);
        assert!(measured.slots.is_empty() && measured.report.groups.is_empty());
        measured.others.expect("others")
    };
    let others = ask("no.such-model", &there.region, between(OPEN));
    assert!(others.models.contains(&base) && others.regions.contains(&there.region), "{others:?}");
    assert!(!others.accounts.is_empty());
    assert_eq!(others.meant, None);
    // A spelling that no record has, of a model that some have.
    let spelt = format!("arn:aws:bedrock:{}::foundation-model/{base}", "xx-nowhere-9");
    assert_eq!(ask(&spelt, &there.region, between(OPEN)).meant, Some(base.clone()));
    // A typing error, and the right model in a Region where it is not.
    assert_eq!(ask(&base[..base.len() - 1], &there.region, between(OPEN)).meant, Some(base.clone()));
    assert_eq!(ask(&base, "xx-nowhere-9", between(OPEN)).meant, None);
    // Before anything was logged: what there is at other times.
    let before = (at(-7_200), at(-3_600));
    assert!(ask(&base, &there.region, between(before)).models.contains(&base));
}

#[test]
fn a_period_without_length_and_one_outside_of_the_data_are_refused() {
    let server = Server::over(AWS, &["--from", "2024/03/11/09", "--to", "2024-03-12"]);
    let subject = server.subjects().swap_remove(0);
    let refused = |ends: Ends| {
        let failure = server.failure(&subject, &between(ends));
        assert_eq!(failure.kind, FailureKind::Arguments);
        failure.message
    };
    assert!(refused((at(3_600), at(3_600))).contains("not before its end"));
    assert!(refused((at(7_200), at(3_600))).contains("not before its end"));
    assert!(refused((at(30 * 3_600), at(40 * 3_600))).contains("reads nothing of that period"));
    assert!(refused((at(30 * 3_600), None)).contains("the data ends"));
    assert!(refused((None, at(3_600))).contains("the data begins"));
    // What the server does not read is cut off, and that is said.
    let measured = server.measure(&subject, &between((at(0), at(50 * 3_600))));
    let moments = measured.basis.moments.expect("data");
    assert_eq!((Some(moments.from), Some(moments.to)), (at(9 * 3_600), at(24 * 3_600)));
    let cuts = measured.basis.assumptions.iter().filter(|text| text.contains("the period is cut"));
    assert_eq!(cuts.count(), 2);
}

#[test]
fn the_books_are_those_of_everything_and_the_coverage_is_the_subject_s() {
    let server = Server::over_traffic();
    let subject = server.subjects().into_iter().find(|subject| subject.account_id.is_some());
    let subject = subject.expect("a subject with its account");
    let all = Watch::new();
    let everything = server.snapshots.reading(&server.args, Wish::default(), &all).expect("a reading");
    let basis = server.snapshots.basis(&server.args, &subject, &between(OPEN), &all).expect("a basis");
    assert!(everything.report.health.coverage.len() > 1);
    assert_eq!(basis.health.coverage.len(), 1);
    assert_eq!(basis.health.coverage[0].account, subject.account_id);
    let without_coverage = |health: &borehole_report::model::Health| borehole_report::model::Health {
        coverage: Vec::new(),
        ..health.clone()
    };
    assert_eq!(without_coverage(&basis.health), without_coverage(&everything.report.health));
    assert_eq!(basis.complete, everything.report.complete);
}

#[test]
fn no_data_is_an_answer_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::over(directory.path().to_str().expect("a path"), &[]);
    let subject = Subject { model_id: "any".to_owned(), region: REGION.to_owned(), account_id: None };
    let periods = [between(OPEN), Period::Last { hours: 24 }, between((at(0), None))];
    for period in periods {
        let measured = server.measure(&subject, &period);
        assert_eq!(measured.basis.moments, None);
        assert_eq!(measured.others, Some(Others::default()));
    }
    let moments = server.measure(&subject, &between((at(0), at(60)))).basis.moments.expect("as asked");
    assert_eq!((Some(moments.from), Some(moments.to), moments.end_of_data), (at(0), at(60), None));
}

#[test]
fn what_was_read_is_read_again_when_its_listing_holds_no_more() {
    let directory = tempfile::tempdir().expect("a directory");
    let dataset = directory.path().join("dataset");
    let traffic = Server::over_traffic();
    let source = traffic.args.gather.sources[0].clone();
    let serve = |relist_after: &str| {
        let dataset = dataset.to_str().expect("a path");
        let args = parsed(&[&source, "--dataset", dataset, "--relist-after", relist_after]);
        Server { args, snapshots: Snapshots::default(), _directory: None }
    };
    let subject = traffic.subjects().swap_remove(0);
    let expected = traffic.measure(&subject, &between(OPEN));
    let holding = serve("3600");
    let first = holding.measure(&subject, &between(OPEN));
    assert_eq!(plain(&first.report), plain(&expected.report));
    assert_eq!(first.slots, expected.slots);
    // From the dataset alone, in another process as it were.
    let again = serve("0").measure(&subject, &between(OPEN));
    assert_eq!(plain(&again.report), plain(&expected.report));
    assert!(again.report.run.unchanged > 0 && again.report.run.bytes_fetched == 0, "{:?}", again.report.run);
    // An object more.
    let objects = collect_files(Path::new(&source));
    let is_record = |path: &&PathBuf| path.extension().is_some_and(|kind| kind == "gz");
    let last = objects.iter().rfind(is_record).expect("an object");
    std::fs::copy(last, last.with_file_name("another.json.gz")).expect("copied");
    let unchanged = holding.measure(&subject, &between(OPEN));
    assert_eq!(unchanged.basis, first.basis);
    let listed = |measured: &Measured| measured.basis.health.objects.listed;
    assert_eq!(listed(&serve("0").measure(&subject, &between(OPEN))), listed(&first) + 1);
}

/// The files below a directory, by name.
fn collect_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(collect_files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn whoever_waits_for_a_turn_can_be_stopped_and_the_next_one_reads() {
    let server = Server::over_traffic();
    let subject = server.subjects().swap_remove(0);
    let stopped = Watch::new();
    stopped.stop();
    let fresh =
        Server { args: parsed(&[&server.args.gather.sources[0], "--no-dataset"]), ..Server::over(AWS, &[]) };
    let failed = fresh.snapshots.measure(&fresh.args, &subject, &between(OPEN), 10, &stopped);
    assert_eq!(failed.expect_err("stopped").kind, FailureKind::Stopped);
    // Somebody reads, and never ends.
    fresh.snapshots.lock().is_taken = true;
    let watch = Watch::new();
    let waiting = std::thread::scope(|scope| {
        let waiting =
            scope.spawn(|| fresh.snapshots.measure(&fresh.args, &subject, &between(OPEN), 10, &watch));
        watch.stop();
        waiting.join().expect("no panic")
    });
    assert_eq!(waiting.expect_err("stopped").kind, FailureKind::Stopped);
    fresh.snapshots.lock().is_taken = false;
    assert!(fresh.measure(&subject, &between(OPEN)).report.totals.requests.attempted > 0);
}

#[test]
fn a_reading_that_is_stopped_in_the_middle_is_told_as_that_and_leaves_nothing_behind() {
    let server = Server::over_traffic();
    let subject = server.subjects().swap_remove(0);
    let source = server.args.gather.sources[0].clone();
    for delay in 0..6u32 {
        let fresh = Server { args: parsed(&[&source, "--no-dataset"]), ..Server::over(AWS, &[]) };
        let watch = Watch::new();
        let answer = std::thread::scope(|scope| {
            let stopper = watch.clone();
            scope.spawn(move || {
                // Somewhere in it, or after it: each is right.
                for _ in 0..delay * 40 {
                    std::thread::yield_now();
                }
                stopper.stop();
            });
            fresh.snapshots.measure(&fresh.args, &subject, &between(OPEN), 10, &watch)
        });
        if let Err(failure) = answer {
            assert_eq!(failure.kind, FailureKind::Stopped, "{failure:?}");
        }
        assert!(!fresh.snapshots.lock().is_taken);
        assert_eq!(fresh.measure(&subject, &between(OPEN)).others, None);
    }
}
