//! Work that is split: however hours and streams are dealt out, all parts together are the single run.
//!
//! In: the fixtures and dumps made here, of both layouts, with records across the borders of hours, copies there, and
//! records far from their folder. Out: nothing. Always: parts are made by runs of their own, given in any order, and
//! the report of all of them is compared to the last byte with that of one run. Absent: what one dataset answers
//! (`dataset.rs`).

mod support;

use std::path::Path;
use std::sync::OnceLock;

use proptest::prelude::*;
use serde_json::{Value, json};
use support::datasets::{Answer, Random, ask, demands_everything, fixture, synth};
use support::{Dump, borehole, call, lines, run};

/// Logs to split, and what a single run says of them.
struct Logs {
    sources: Vec<String>,
    raw: Answer,
    /// All streams, as the command names them.
    streams: Vec<String>,
    /// Their first hour, since the epoch, and how many there are; none where they can be split by streams alone.
    hours: Option<(i64, i64)>,
    _place: Dump,
}

/// 2024-03-11T00.
const DAY: i64 = 1_710_115_200 / 3_600;

/// An hour since the epoch as `--hours` takes it.
fn time(hour: i64) -> String {
    let (day, hour) = ((hour - DAY).div_euclid(24), (hour - DAY).rem_euclid(24));
    assert!((-10..20).contains(&day), "in March");
    format!("2024-03-{:02}T{hour:02}:00:00Z", 11 + day)
}

impl Logs {
    fn new(place: Dump, sources: Vec<String>, hours: Option<(i64, i64)>) -> Logs {
        let raw = ask(&sources, &[]);
        let streams = streams_of(&sources);
        Logs { sources, raw, streams, hours, _place: place }
    }
}

/// What the refusal of a stream that there is not names.
#[track_caller]
fn streams_of(sources: &[String]) -> Vec<String> {
    let place = Dump::new();
    let words = ["--part", &place.at("a.part"), "--stream", "none-of-them"];
    let refused = run(borehole().arg("analyze").args(sources).args(words)).ends(2);
    let (_, known) = refused.err.split_once("there are ").unwrap_or_else(|| panic!("{}", refused.err));
    known.lines().next().expect("a line").split(", ").map(str::to_owned).collect()
}

/// An account and Region of the `aws` layout.
const ACCOUNTS: [(&str, &str); 3] =
    [("111122223333", "us-east-1"), ("111122223333", "eu-west-1"), ("444455556666", "eu-west-1")];

fn folder(hour: i64) -> String {
    time(hour)[..13].replace(['-', 'T'], "/")
}

fn record((account, region): (&str, &str), number: u32, hour: i64, minute: u32) -> Value {
    let time = format!("{}:{minute:02}:07Z", &time(hour)[..13]);
    let mut record = call(number, &time, u64::from(100 + number % 900), u64::from(number % 77));
    record["accountId"] = json!(account);
    record["region"] = json!(region);
    record
}

/// Eleven hours of three accounts, with everything that crosses a border: records of the hours beside, copies of the
/// same and of other accounts' records, and far records, some of them copies, some beyond all folders.
fn crossing() -> Dump {
    let dump = Dump::new();
    for hour in 0..11 {
        for (number, &(account, region)) in ACCOUNTS.iter().enumerate() {
            let of = (account, region);
            let base = hour as u32 * 100 + number as u32 * 30;
            let mut records = vec![
                record(of, base, DAY + hour, 0),
                record(of, base + 1, DAY + hour, 59),
                record(of, base + 2, DAY + hour + 1, 0),
                record(of, base + 3, DAY + hour - 1, 59),
            ];
            if hour > 0 {
                // Copies of what the folder before has, in its hour and in this one.
                records.push(record(of, base - 100 + 1, DAY + hour - 1, 59));
                records.push(record(of, base - 100 + 2, DAY + hour, 0));
            }
            if hour % 4 == 1 {
                records.push(record(of, 5_000 + base, DAY + (hour + 6) % 11, 20));
                records.push(record(of, base + 1, DAY + (hour + 5) % 11, 59));
                records.push(record(of, 6_000 + base, DAY + 30, 20));
            }
            let key = format!("AWSLogs/{account}/BedrockModelInvocationLogs/{region}/{}", folder(DAY + hour));
            dump.put(&format!("{key}/a.json"), lines(&records));
            if hour % 5 == 2 {
                // A record of another account, as a mixed-up export has it.
                let other = ACCOUNTS[(number + 1) % 3];
                let copy = hour as u32 * 100 + ((number as u32 + 1) % 3) * 30;
                let mixed = [record(other, copy, DAY + hour, 0), record(other, 7_000 + base, DAY + hour, 3)];
                dump.put(&format!("{key}/mixed.json"), lines(&mixed));
            }
        }
    }
    dump.put(
        "notes/some-calls.json",
        lines(&[record(ACCOUNTS[0], 101, DAY + 1, 59), record(ACCOUNTS[0], 8_000, DAY + 4, 9)]),
    );
    dump
}

/// Every kind of logs, made once.
fn all_logs() -> &'static [Logs] {
    static LOGS: OnceLock<Vec<Logs>> = OnceLock::new();
    LOGS.get_or_init(|| {
        let fixtures = |names: &[&str], hours| {
            Logs::new(Dump::new(), names.iter().map(|name| fixture(name)).collect(), hours)
        };
        let synthetic = |layout, requests| {
            let place = Dump::new();
            let dump = place.at("dump");
            let words = ["--layout", layout, "--requests", requests, "--seed", "6", "--dirty"];
            synth(&dump, &[&words[..], &["--from", &time(DAY), "--to", &time(DAY + 8)]].concat());
            Logs::new(place, vec![dump], Some((DAY - 1, 11)))
        };
        let crossing = crossing();
        let sources = vec![crossing.root()];
        vec![
            Logs::new(crossing, sources, Some((DAY - 1, 13))),
            fixtures(&["dumps/aws"], DAY_OF_FIXTURES),
            fixtures(&["dumps/split"], DAY_OF_FIXTURES),
            fixtures(&["dumps"], DAY_OF_FIXTURES),
            fixtures(&["dumps/split", "dumps/aws"], DAY_OF_FIXTURES),
            // One record lies in a day that does not exist, which is in no range.
            fixtures(&["faults"], None),
            synthetic("aws", "70"),
            synthetic("split", "40"),
        ]
    })
}

const DAY_OF_FIXTURES: Option<(i64, i64)> = Some((DAY + 6, 18));

/// How work is split.
#[derive(Clone, Debug)]
struct Split {
    logs: usize,
    /// Where hours are cut, as shares of the whole in percent; the streams of each hand are cut at others.
    cuts: Vec<Vec<i64>>,
    /// Which hand each stream is dealt to; all to one where there is but one.
    hands: Vec<usize>,
    /// Whether pieces without streams are datasets, not parts.
    are_datasets: bool,
    /// In which order the pieces are given.
    order: u64,
    question: usize,
}

/// Asked of all parts together; the first is that of the runs that made them.
const QUESTIONS: [&[&str]; 4] = [
    &[],
    &["--by", "hour,account,region"],
    &["--list", "errors", "--series", "minute"],
    &["--from", "2024-03-11T07:30:00Z", "--to", "2024-03-11T09:10:00Z", "--by", "identity"],
];

fn splits() -> impl Strategy<Value = Split> {
    let cuts = || proptest::collection::vec(proptest::collection::vec(0..=100i64, 0..3), 3);
    let hands = prop_oneof![Just(vec![0]), proptest::collection::vec(0..3usize, 1..9)];
    (0..8usize, cuts(), hands, any::<bool>(), any::<u64>(), 0..QUESTIONS.len()).prop_map(
        |(logs, cuts, hands, are_datasets, order, question)| Split {
            logs,
            cuts,
            hands,
            are_datasets,
            order,
            question,
        },
    )
}

/// Makes the pieces; their paths in the order of the split.
fn deal(split: &Split, place: &Dump) -> Vec<String> {
    let logs = &all_logs()[split.logs];
    let hand_of =
        |stream: usize| if split.hands.len() == 1 { 0 } else { split.hands[stream % split.hands.len()] };
    let mut pieces = Vec::new();
    for hand in 0..3 {
        let streams: Vec<&str> = (0..logs.streams.len())
            .filter(|&stream| hand_of(stream) == hand)
            .map(|stream| &*logs.streams[stream])
            .collect();
        if streams.is_empty() {
            continue;
        }
        let is_all = streams.len() == logs.streams.len();
        let mut borders: Vec<i64> = Vec::new();
        if let Some((first, count)) = logs.hours {
            borders.extend(split.cuts[hand].iter().map(|cut| first + cut * count / 100));
        }
        borders.sort_unstable();
        borders.dedup();
        let borders: Vec<String> = borders.into_iter().map(time).collect();
        let starts = std::iter::once("").chain(borders.iter().map(String::as_str));
        let ends = borders.iter().map(String::as_str).chain([""]);
        for (from, to) in starts.zip(ends) {
            let piece = place.at(&format!("{}.piece", pieces.len()));
            let hours = format!("{from}..{to}");
            let mut words = Vec::new();
            if split.are_datasets && is_all {
                words.extend(["--dataset", &piece]);
                words.extend(
                    [("--from", from), ("--to", to)]
                        .into_iter()
                        .filter(|(_, end)| !end.is_empty())
                        .flat_map(|(name, end)| [name, end]),
                );
            } else {
                words.extend(["--part", &piece, "--hours", &hours]);
                if !is_all {
                    words.extend(streams.iter().flat_map(|stream| ["--stream", stream]));
                }
            }
            // The hours of a part may well be empty.
            run(borehole().arg("analyze").args(&logs.sources).args(words).args(["--allow-empty", "-q"]));
            assert!(Path::new(&piece).exists(), "{split:?}: {hours} was not kept");
            pieces.push(piece);
        }
    }
    let mut random = Random::new(split.order);
    pieces.sort_by_cached_key(|_| random.next());
    pieces
}

fn cases() -> u32 {
    if demands_everything() { 60 } else { 12 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_the_work_gives_the_report_of_a_single_run(split in splits()) {
        let place = Dump::new();
        let pieces = deal(&split, &place);
        let logs = &all_logs()[split.logs];
        // What cannot be split by hours cannot be asked by hours either.
        let questions = if logs.hours.is_some() { &QUESTIONS[..] } else { &QUESTIONS[..3] };
        let question = questions[split.question % questions.len()];
        let what = format!("{split:?}");
        if question.is_empty() {
            ask(&pieces, question).is(&logs.raw, &what);
        } else {
            ask(&pieces, question).is(&ask(&logs.sources, question), &what);
        }
    }
}

/// A part of these hours.
fn part(place: &Dump, source: &str, hours: &str, more: &[&str]) -> String {
    let name = place.at(&format!("{}.part", hours.replace([':', '-'], "")));
    let words = ["analyze", source, "--part", &name, "--hours", hours, "--allow-empty", "-q"];
    run(borehole().args(words).args(more)).ends(0);
    name
}

#[test]
fn parts_that_overlap_are_refused_and_named() {
    let (place, dump) = (Dump::new(), crossing());
    let early = part(&place, &dump.root(), "..2024-03-11T06:00:00Z", &[]);
    let late = part(&place, &dump.root(), "2024-03-11T05:00:00Z..", &[]);
    for parts in [[&early, &late], [&late, &early], [&early, &early]] {
        let refused = run(borehole().arg("analyze").args(parts)).ends(2);
        assert!(refused.err.contains(parts[0]) && refused.err.contains(parts[1]), "{}", refused.err);
        assert!(refused.err.contains("hint: ") && refused.out.is_empty(), "{}", refused.err);
    }
    let refused = run(borehole().args(["analyze", &early, &late])).ends(2);
    assert!(refused.err.contains("2024-03-11T05"), "{}", refused.err);
}

#[test]
fn hours_that_no_part_holds_are_refused_and_named() {
    let (place, dump) = (Dump::new(), crossing());
    let early = part(&place, &dump.root(), "..2024-03-11T05:00:00Z", &[]);
    let late = part(&place, &dump.root(), "2024-03-11T07:00:00Z..", &[]);
    for parts in [[&early, &late], [&late, &early]] {
        let refused = run(borehole().arg("analyze").args(parts)).ends(2);
        assert!(
            refused.err.contains("2024-03-11T05") && refused.err.contains("2024-03-11T07"),
            "{}",
            refused.err
        );
        assert!(refused.err.contains("hint: ") && refused.out.is_empty(), "{}", refused.err);
    }
    // What is not in the gap can be asked.
    for range in [["--from", "2024-03-11T07:00:00Z"], ["--to", "2024-03-11T04:20:00Z"]] {
        let raw = ask(&[dump.root()], &range);
        ask(&[&late, &early], &range).is(&raw, &format!("{range:?}"));
    }
    let refused = run(borehole().args(["analyze", &early, &late, "--from", "2024-03-11T06:30:00Z"])).ends(2);
    assert!(refused.err.contains("2024-03-11T06"), "{}", refused.err);
}

#[test]
fn streams_that_are_in_two_parts_are_refused() {
    let (place, dump) = (Dump::new(), crossing());
    let streams = streams_of(&[dump.root()]);
    assert_eq!(streams.len(), 4, "three accounts, and files without hours");
    let make = |name: &str, streams: &[&String]| {
        let part = place.at(name);
        let mut command = borehole();
        command.args(["analyze", &dump.root(), "--part", &part, "-q", "--allow-empty"]);
        run(command.args(streams.iter().flat_map(|stream| ["--stream", stream]))).ends(0);
        part
    };
    let one = make("one.part", &[&streams[0], &streams[1]]);
    let two = make("two.part", &[&streams[1], &streams[2]]);
    let all = make("all.part", &[]);
    for parts in [[&one, &two], [&one, &all], [&all, &two], [&one, &one]] {
        let refused = run(borehole().arg("analyze").args(parts)).ends(2);
        assert!(refused.err.contains(parts[0]) && refused.err.contains(parts[1]), "{}", refused.err);
        assert!(refused.err.contains("hint: "), "{}", refused.err);
    }
}

#[test]
fn parts_that_were_read_with_other_options_are_refused() {
    let (place, dump) = (Dump::new(), crossing());
    let early = part(&place, &dump.root(), "..2024-03-11T05:00:00Z", &[]);
    let late = part(&place, &dump.root(), "2024-03-11T05:00:00Z..", &["--resolve", "never"]);
    let refused = run(borehole().args(["analyze", &early, &late])).ends(2);
    assert!(refused.err.contains("resolve") && refused.err.contains("hint: "), "{}", refused.err);
}

#[test]
fn a_part_appears_whole_or_not_at_all() {
    let place = Dump::new();
    let file = place.at("all.part");
    run(borehole().args(["analyze", "fixtures/no-such-place", "--part", &file])).ends(4);
    assert!(support::files_below(place.path()).is_empty(), "nothing is left of a run without an answer");
    let wrong = ["analyze", "fixtures/dumps/aws", "--part", &file, "--hours", "2024-03-11T07:30:00Z.."];
    assert!(run(borehole().args(wrong)).ends(2).err.contains("whole hour"));
    let empty = ["analyze", "fixtures/dumps/aws", "--part", &file, "--hours", "2024-03-12..2024-03-11"];
    assert!(run(borehole().args(empty)).ends(2).err.contains("not after"));
    let nowhere = place.at("no/such/directory/all.part");
    run(borehole().args(["analyze", "fixtures/dumps/aws", "--part", &nowhere])).ends(2);
    assert!(support::files_below(place.path()).is_empty());
    let dump = crossing();
    let whole = part(&place, &dump.root(), "..", &[]);
    let raw = ask(&[dump.root()], &[]);
    ask(&[&whole], &[]).is(&raw, "a whole part");
    // A cut or altered part is no answer.
    let bytes = std::fs::read(&whole).expect("a part");
    for cut in [bytes.len() - 1, bytes.len() / 2, 40] {
        std::fs::write(&whole, &bytes[..cut]).expect("it can be written");
        let refused = run(borehole().args(["analyze", &whole]));
        assert!(
            matches!(refused.code, Some(2 | 4)) && refused.out.is_empty(),
            "{:?} {}",
            refused.code,
            refused.err
        );
    }
}

#[test]
fn datasets_of_different_sources_together_are_one_run_over_all() {
    let place = Dump::new();
    let crossing = crossing();
    let sources =
        [fixture("dumps/aws"), fixture("dumps/cloudwatch"), fixture("dumps/split"), crossing.root()];
    let kept: Vec<String> = (0..sources.len()).map(|number| place.at(&format!("data{number}"))).collect();
    for (number, (source, dataset)) in sources.iter().zip(&kept).enumerate() {
        let way = if number == 1 { "--part" } else { "--dataset" };
        ask(&[source], &[way, dataset]);
    }
    for question in [
        &[][..],
        &["--by", "hour,identity"],
        &["--from", "2024-03-11T07:30:00Z", "--to", "2024-03-11T09:00:00Z"],
    ] {
        let raw = ask(&sources, question);
        ask(&kept, question).is(&raw, &format!("{question:?}"));
        let turned: Vec<&String> = kept.iter().rev().collect();
        ask(&turned, question).is(&raw, &format!("{question:?}, turned around"));
    }
}

/// A dated folder that is no date lies in no range of hours, so its files may be read by one part and not by another.
#[test]
fn files_in_folders_that_are_no_date_are_never_lost_between_parts() {
    let (place, dump) = (Dump::new(), Dump::new());
    let folder = "AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1/2024";
    for (number, (name, hour)) in
        (1..).zip([("03/11/00/a.json", 0), ("03/11/09/b.json", 9), ("13/45/00/c.json", 3)])
    {
        let line = lines(&[record(("111122223333", "us-east-1"), number, DAY + hour, 0)]);
        dump.put(&format!("{folder}/{name}"), line);
    }
    let early = part(&place, &dump.root(), "..2024-03-11T05:00:00Z", &[]);
    let late = part(&place, &dump.root(), "2024-03-11T05:00:00Z..", &[]);
    let raw = ask(&[dump.root()], &[]);
    for parts in [[&early, &late], [&late, &early]] {
        let both = run(borehole().arg("analyze").args(parts));
        if both.code == Some(2) {
            assert!(both.err.contains("outside of the dated folders"), "{}", both.err);
        } else {
            ask(&parts.map(String::clone), &[]).is(&raw, "parts");
        }
    }
}
