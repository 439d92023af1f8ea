//! Report pages in a browser: each choice of hours and groups is answered as a fresh run would answer it, and nothing
//! that stands in a log does anything.
//!
//! In: the fixtures, synthetic dumps, and a corpus of hostile strings. Out: nothing. Always: the browser knows no
//! network, and what it says on its console is a failure. Absent: how a page looks.

#[path = "support/engine.rs"]
mod engine;
mod support;

use std::path::Path;

use borehole_testbed::Browser;
use engine::{Choice, OpenCube, compare};
use serde_json::{Value, json};
use support::{Dump, MODEL, borehole, call, failed_call, files_below, lines, repository, run};

/// Which ends of a range are chosen. A run with a range reads only the folders near it. So records far from their
/// folders, and times that are far from all, are answers to a page, whose run has read everything, but not to a fresh
/// run: where a dump has such records, it is asked in a way that leaves them out of both, or counts them in both.
#[derive(Clone, Copy)]
enum Ends {
    /// No range: all is read.
    None,
    /// Either one: there are no such records, or the keys name no hours, so that all is read.
    Any,
}

/// A random sequence that is the same in every run.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: usize) -> usize {
        // Knuth's MMIX generator; its high bits.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % limit as u64) as usize
    }

    fn is_one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    /// Some of these, at least one.
    fn some<'a, T>(&mut self, all: &'a [T]) -> Vec<&'a T> {
        let sure = self.below(all.len());
        let chosen = all.iter().enumerate().filter(|(place, _)| *place == sure || self.is_one_in(3));
        chosen.map(|(_, one)| one).collect()
    }

    /// Hours, or a filter that a run has options for, or both.
    fn choice(&mut self, cube: &OpenCube<'_>, ends: Ends) -> Choice {
        let mut choice = Choice::default();
        let from = cube.first_hour + self.below((cube.last_hour - cube.first_hour + 1) as usize) as i64;
        let to = from + 1 + self.below((cube.last_hour - from + 1) as usize) as i64;
        // Days begin and end slots of every length.
        let is_in_days = self.is_one_in(3);
        let [from, to] =
            if is_in_days { [from.div_euclid(24) * 24, (to + 23).div_euclid(24) * 24] } else { [from, to] };
        let [has_from, has_to] = match ends {
            Ends::None => [false, false],
            Ends::Any => [!self.is_one_in(3), !self.is_one_in(3)],
        };
        choice.from = has_from.then_some(from);
        choice.to = has_to.then_some(to);
        for (dimension, values) in &cube.values {
            let named: Vec<&Value> = values.iter().filter(|value| value.is_string()).collect();
            if ["account", "region", "model"].contains(&dimension.as_str())
                && !named.is_empty()
                && self.is_one_in(3)
            {
                let chosen = self.some(&named).into_iter().map(|&value| value.clone()).collect();
                choice.filter.insert(dimension.clone(), chosen);
            }
        }
        choice
    }
}

/// Answers without a choice, and to so many random ones, are those of fresh runs.
fn check(browser: &Browser, seed: u64, choices: usize, ends: Ends, arguments: &[&str]) {
    let cube = OpenCube::open(browser, arguments);
    cube.check(&Choice::default());
    let mut seeded = Seeded(seed);
    for _ in 0..choices {
        cube.check(&seeded.choice(&cube, ends));
    }
}

/// The objects with records of a dump, under keys that name no hours.
fn without_hours(dump: &Path) -> Dump {
    let flat = Dump::new();
    for (number, path) in files_below(dump).into_iter().enumerate() {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a plain name");
        let is_payload = path.components().any(|part| part.as_os_str() == "data");
        if !is_payload && name.contains(".json") {
            flat.put(&format!("{number}-{name}"), std::fs::read(&path).expect("objects can be read"));
        }
    }
    flat
}

/// A synthetic dump of two days.
fn synthetic(layout: &str, seed: &str, requests: &str) -> Dump {
    let dump = Dump::new();
    let arguments = ["--layout", layout, "--seed", seed, "--requests", requests, "--profile", "small"];
    let span = ["--from", "2024-03-11", "--to", "2024-03-13", "-q"];
    run(borehole().arg("synth").arg(dump.at("dump")).args(arguments).args(span)).ends(0);
    dump
}

const RANKS: [&str; 2] = ["--rank", "identity,error,inference-region,tag:team"];

#[test]
fn choices_of_the_fixtures_are_answered_as_fresh_runs_would_answer_them() {
    let Some(browser) = Browser::start_or_skip() else { return };
    for (seed, dump, ends) in [(1, "aws", Ends::None), (2, "split", Ends::None), (3, "cloudwatch", Ends::Any)]
    {
        let source = format!("fixtures/dumps/{dump}");
        check(&browser, seed, 8, ends, &[&source, RANKS[0], RANKS[1]]);
    }
    let flat = without_hours(&repository().join("fixtures/dumps/aws"));
    check(&browser, 4, 8, Ends::Any, &[&flat.root(), RANKS[0], RANKS[1]]);
    check(&browser, 5, 2, Ends::None, &["fixtures/faults", RANKS[0], RANKS[1]]);
}

#[test]
fn choices_of_a_delivered_bucket_are_answered_as_fresh_runs_would_answer_them() {
    let Some(browser) = Browser::start_or_skip() else { return };
    let dump = synthetic("aws", "21", "4000");
    check(&browser, 6, 6, Ends::None, &[&dump.at("dump"), RANKS[0], RANKS[1]]);
    let flat = without_hours(&dump.path().join("dump"));
    check(&browser, 7, 12, Ends::Any, &[&flat.root(), RANKS[0], RANKS[1]]);
}

#[test]
fn choices_of_a_split_bucket_are_answered_as_fresh_runs_would_answer_them() {
    let Some(browser) = Browser::start_or_skip() else { return };
    let dump = synthetic("split", "22", "1500");
    check(&browser, 8, 6, Ends::None, &[&dump.at("dump"), RANKS[0], RANKS[1]]);
}

#[test]
fn gaps_of_several_sources_are_those_of_fresh_runs() {
    let Some(browser) = Browser::start_or_skip() else { return };
    let dump = gappy(&mut Seeded(31));
    check(&browser, 9, 16, Ends::Any, &[&dump.root(), RANKS[0], RANKS[1]]);
}

/// Two days of four account × Regions that are silent most of the time, each at its own times. Some records lie in the
/// folder after theirs, none further away.
fn gappy(seeded: &mut Seeded) -> Dump {
    const MODELS: [&str; 4] = [
        MODEL,
        "us.anthropic.claude-sonnet-4-20250514-v1:0",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "nobody.knows-this-v1:0",
    ];
    let dump = Dump::new();
    let mut number = 0;
    for (account, region) in [
        ("111122223333", "us-east-1"),
        ("111122223333", "eu-west-1"),
        ("444455556666", "us-east-1"),
        ("444455556666", "ap-south-1"),
    ] {
        for hour in (0..48).filter(|_| seeded.is_one_in(3)).collect::<Vec<usize>>() {
            let mut records = Vec::new();
            for _ in 0..1 + seeded.below(30) {
                number += 1;
                let [minute, second] = [0, 0].map(|_: usize| seeded.below(60));
                // The last hour before a folder's own may be in it, too.
                let of = hour.saturating_sub(usize::from(seeded.is_one_in(20)));
                let time = format!("2024-03-{:02}T{:02}:{minute:02}:{second:02}Z", 11 + of / 24, of % 24);
                let tokens = [30_000, 900].map(|limit| seeded.below(limit) as u64);
                let mut record = match seeded.below(8) {
                    0 => failed_call(number, &time, "ThrottlingException"),
                    1 => failed_call(number, &time, "ModelTimeoutException"),
                    _ => call(number, &time, tokens[0], tokens[1]),
                };
                record["accountId"] = account.into();
                record["region"] = region.into();
                record["modelId"] = MODELS[seeded.below(MODELS.len())].into();
                let caller = ["ingest", "chat", "batch"][seeded.below(3)];
                record["identity"]["arn"] =
                    format!("arn:aws:sts::{account}:assumed-role/{caller}/worker").into();
                records.push(record);
            }
            let folder = format!("2024/03/{:02}/{:02}", 11 + hour / 24, hour % 24);
            let key = format!("AWSLogs/{account}/BedrockModelInvocationLogs/{region}/{folder}/records.json");
            dump.put(&key, lines(&records));
        }
    }
    dump
}

#[test]
fn an_asked_range_bounds_every_choice() {
    let Some(browser) = Browser::start_or_skip() else { return };
    let dump = synthetic("aws", "23", "1500");
    let asked = ["--from", "2024-03-11T05:20:00Z", "--to", "2024-03-12T19:30:00Z"];
    let cube = OpenCube::open(&browser, &[&[dump.at("dump").as_str()], &asked[..]].concat());
    cube.check(&Choice::default());
    let first = cube.first_hour;
    // Before and after what was asked: the answer is that of the asked range.
    let answer = cube.select(&Choice { from: Some(first - 48), to: Some(first + 96), ..Choice::default() });
    let mut differences = String::new();
    for part in ["range", "totals", "groups"] {
        compare(part, &cube.report[part], &answer["report"][part], &mut differences);
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn a_scope_is_answered_as_its_group_of_a_fresh_run() {
    let Some(browser) = Browser::start_or_skip() else { return };
    let dump = synthetic("aws", "24", "2000");
    let cube = OpenCube::open(&browser, &[&dump.at("dump")]);
    // With both ends, what a group's average is over does not depend on which groups there are.
    let whole = Choice { from: Some(cube.first_hour), to: Some(cube.last_hour + 1), ..Choice::default() };
    let mut options = whole.options().expect("a range has options");
    options.extend(["--by".to_owned(), "scope".to_owned()]);
    let fresh = cube.fresh(&options);
    for group in fresh["groups"].as_array().expect("groups") {
        let scope = &group["key"]["scope"];
        let filter = [("scope".to_owned(), vec![scope.clone()])].into();
        let answer = cube.select(&Choice { filter, ..whole.clone() });
        let mut expected = group.clone();
        let fields = expected.as_object_mut().expect("a group");
        fields.remove("key");
        if answer["withheld"]["sliding"] == true {
            for (_, series) in fields.iter_mut().filter(|(name, _)| name.ends_with("_per_minute")) {
                let series = series.as_object_mut().expect("a series");
                series.remove("peak_sliding_60s");
                series.remove("burst");
            }
        }
        let mut differences = String::new();
        compare("", &expected, &answer["report"]["totals"], &mut differences);
        assert!(differences.is_empty(), "{scope}:\n{differences}");
    }
}

#[test]
fn groups_that_cannot_be_told_apart_are_absent() {
    let Some(browser) = Browser::start_or_skip() else { return };
    let dump = without_hours(&repository().join("fixtures/dumps/aws"));
    for by in ["hour", "content-kind,model"] {
        let cube = OpenCube::open(&browser, &[&dump.root(), "--by", by]);
        assert!(cube.values.is_empty(), "{by}");
        let choice =
            Choice { from: Some(cube.first_hour), to: Some(cube.first_hour + 2), ..Choice::default() };
        for choice in [Choice::default(), choice] {
            let answer = cube.select(&choice);
            assert_eq!(answer["report"].get("groups"), None, "{by}");
            let options = choice.options().expect("a range has options");
            let fresh = cube.fresh(&options);
            let mut differences = String::new();
            assert_eq!(answer["withheld"]["distributions"], false, "{by}");
            compare("", &fresh["totals"], &answer["report"]["totals"], &mut differences);
            compare("", &fresh["range"], &answer["report"]["range"], &mut differences);
            assert!(differences.is_empty(), "{by} {choice:?}:\n{differences}");
        }
    }
}

#[test]
fn what_is_no_cube_is_an_error_and_never_an_answer() {
    let Some(browser) = Browser::start_or_skip() else { return };
    let cube = OpenCube::open(&browser, &["fixtures/dumps/split", RANKS[0], RANKS[1]]);
    // Every byte of the unpacked cube cut off, and many of them changed: an error, or a cube that can be asked.
    let outcome = browser.run(
        "const text = cubeText();
         const bytes = await stream(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)), new DecompressionStream('deflate-raw'));
         const tried = {cut: 0, refused: 0, answered: 0, odd: []};
         let state = 7;
         const random = (limit) => { state = (state * 1103515245 + 12345) % 2147483648; return state % limit; };
         for (let end = 0; end < bytes.length; end += 1 + random(97)) {
           try { await Borehole.open(await packed(bytes.slice(0, end))); tried.odd.push(end); }
           catch (error) { if (error instanceof Error) tried.cut += 1; else tried.odd.push(String(error)); }
         }
         for (let round = 0; round < 400; round += 1) {
           const changed = bytes.slice();
           for (let left = 1 + random(3); left > 0; left -= 1) changed[random(changed.length)] = random(256);
           try { (await Borehole.open(await packed(changed))).select({}); tried.answered += 1; }
           catch (error) { if (error instanceof Error) tried.refused += 1; else tried.odd.push(String(error)); }
         }
         for (const text of ['', '!', 'AAAA', 'not base64 at all']) {
           try { await Borehole.open(text); tried.odd.push(text); } catch (error) { tried.cut += 1; }
         }
         return tried;

         function cubeText() { return document.getElementById('cube').textContent; }
         async function stream(bytes, through) {
           return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(through)).arrayBuffer());
         }
         async function packed(bytes) {
           const deflated = await stream(bytes, new CompressionStream('deflate-raw'));
           return btoa(Array.from(deflated, (byte) => String.fromCharCode(byte)).join(''));
         }",
        &[],
    );
    assert_eq!(outcome["odd"], json!([]), "{outcome}");
    assert!(outcome["cut"].as_u64() > Some(20) && outcome["refused"].as_u64() > Some(50), "{outcome}");
    assert!(cube.report["cube"]["data"].is_string());
}
