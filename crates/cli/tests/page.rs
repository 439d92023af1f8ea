//! Report pages in a browser: each choice of hours and groups is answered as a fresh run would answer it, and nothing
//! that stands in a log does anything.
//!
//! In: the fixtures, synthetic dumps, and a corpus of hostile strings. Out: nothing. Always: the browser knows no
//! network, and what it says on its console is a failure. Absent: how a page looks.

#[path = "support/engine.rs"]
mod engine;
#[path = "support/hostile.rs"]
mod hostile;
mod support;

use std::path::{Path, PathBuf};

use borehole_testbed::{Browser, key};
use engine::{Choice, OpenCube, compare};
use serde_json::{Value, json};
use support::{
    Dump, MODEL, analyze, borehole, call, failed_call, files_below, lines, report, repository, run,
};

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
    let dump = gappy(&mut Seeded(31), 3);
    check(&browser, 9, 16, Ends::Any, &[&dump.root(), RANKS[0], RANKS[1]]);
}

/// Two days of four account × Regions that are silent most of the time, each at its own times. Some records lie in the
/// folder after theirs, none further away.
fn gappy(seeded: &mut Seeded, callers: usize) -> Dump {
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
                let caller = seeded.below(callers);
                record["identity"]["arn"] =
                    format!("arn:aws:sts::{account}:assumed-role/caller-{caller}/worker").into();
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
fn a_ranking_that_was_cut_off_is_told_of_everything_alone() {
    let Some(browser) = Browser::start_or_skip() else { return };
    let dump = gappy(&mut Seeded(32), 400);
    let cube = OpenCube::open(&browser, &[&dump.root(), "--rank", "identity,error"]);
    assert!(cube.report["rankings"][0]["omitted"].as_u64() > Some(0), "every caller has a row");
    cube.check(&Choice::default());
    // A filter may bring forward what was cut off; the other ranking is whole.
    let choice =
        Choice { filter: [("region".to_owned(), vec![json!("eu-west-1")])].into(), ..Choice::default() };
    let answer = cube.select(&choice);
    assert_eq!(answer["withheld"]["rankings"], true);
    let fresh = cube.fresh(&choice.options().expect("a Region has options"));
    let mut rankings = vec![fresh["rankings"][1].clone()];
    for row in rankings[0]["rows"].as_array_mut().expect("rows") {
        row.as_object_mut().expect("a row").remove("share_in_peak");
    }
    let mut differences = String::new();
    compare("", &json!(rankings), &answer["report"]["rankings"], &mut differences);
    assert!(differences.is_empty(), "{differences}");
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

/// A page in a file, and the folder that is removed with it.
struct Page {
    path: PathBuf,
    _folder: Dump,
}

/// The page of a source.
fn page_of(arguments: &[&str]) -> Page {
    let folder = Dump::new();
    let path = PathBuf::from(folder.at("report.html"));
    let output = ["-o", path.to_str().expect("a plain path")];
    let made = analyze(arguments.iter().chain(&output));
    assert!(matches!(made.code, Some(0 | 3 | 5)), "{arguments:?}: {}", made.err);
    Page { path, _folder: folder }
}

/// Opens a page and waits until it shows its figures.
fn open(browser: &Browser, page: &Page) {
    browser.open(&page.path);
    let trouble = browser.run(
        "const trouble = document.getElementById('trouble');
         while (!document.documentElement.dataset.ready && trouble.hidden) await new Promise((done) => setTimeout(done, 5));
         return trouble.hidden ? '' : trouble.textContent;",
        &[],
    );
    assert_eq!(trouble, "", "the page has trouble");
}

/// Nothing was asked for but the page itself, nothing was said on the console, and no string was obeyed.
#[track_caller]
fn assert_quiet(browser: &Browser, what: &str) {
    let console = browser.console();
    assert!(console.is_empty(), "{what}: {console:#?}");
    let mut requests = browser.requests();
    requests.retain(|address| !address.starts_with("data:"));
    let is_page = |address: &String| address.starts_with("file:///") && address.ends_with("/report.html");
    assert!(requests.len() == 1 && is_page(&requests[0]), "{what}: {requests:#?}");
    let marker = browser.run(&format!("return String(window.{}) + document.title;", hostile::MARKER), &[]);
    assert!(marker.as_str().is_some_and(|marker| marker.starts_with("undefined")), "{what}: {marker}");
}

#[test]
fn a_page_needs_nothing_but_itself_and_its_engine_agrees_with_its_report() {
    let Some(browser) = Browser::start_or_skip() else { return };
    let synthetic = synthetic("aws", "25", "1500");
    let synthetic = synthetic.at("dump");
    let empty = Dump::new();
    let empty = empty.put("nothing.json", "").root();
    let sources: [&[&str]; 7] = [
        &["fixtures/dumps/aws", RANKS[0], RANKS[1]],
        &["fixtures/dumps/aws", "--by", "hour"],
        &["fixtures/dumps/split", "--list", "high-token"],
        &["fixtures/dumps/cloudwatch", "--by", "identity,operation"],
        &["fixtures/faults"],
        &[&synthetic, "--top", "3", "--rank", "none"],
        &[&empty, "--allow-empty"],
    ];
    for arguments in sources {
        let page = page_of(arguments);
        open(&browser, &page);
        assert_quiet(&browser, &format!("{arguments:?}"));
        let both = browser.run(
            "const text = (id) => document.getElementById(id)?.textContent;
             const cube = text('cube') ? await Borehole.open(text('cube')) : null;
             return JSON.stringify([JSON.parse(text('report')), cube && cube.select({}).report]);",
            &[],
        );
        let both: Value = serde_json::from_str(both.as_str().expect("a text")).expect("JSON");
        let [report, answer] = [&both[0], &both[1]];
        let mut differences = String::new();
        for part in ["range", "totals", "groups", "rankings"] {
            let found = answer.get(part).unwrap_or(&Value::Null);
            // Groups that a report cuts off are in the cube; those that it cannot tell apart are not.
            let omitted = report["groups_omitted"].as_u64().unwrap_or(0) as usize;
            let mut found = found.clone();
            if let Some(groups) = found.as_array_mut().filter(|_| part == "groups") {
                groups.truncate(groups.len() - omitted);
            }
            if !found.is_null() {
                compare(part, report.get(part).unwrap_or(&Value::Null), &found, &mut differences);
            }
        }
        assert!(differences.is_empty(), "{arguments:?}:\n{differences}");
    }
}

#[test]
fn the_policy_of_a_page_refuses_what_it_did_not_bring() {
    let Some(browser) = Browser::start_or_skip() else { return };
    open(&browser, &page_of(&["fixtures/dumps/split"]));
    let directives =
        ["script-src-elem", "script-src-attr", "style-src-attr", "img-src", "frame-src", "connect-src"];
    let outcome = browser.run(
        "const outcome = {refused: []};
         document.addEventListener('securitypolicyviolation', (event) => outcome.refused.push(event.effectiveDirective));
         const script = document.createElement('script');
         script.textContent = 'window.pwned = 1';
         document.body.append(script);
         const holder = document.createElement('div');
         holder.innerHTML = '<img src=\"https://pwned.example/a.png\" onerror=\"window.pwned = 1\"><button onclick=\"window.pwned = 1\">b</button><p style=\"color: red\">p</p>';
         document.body.append(holder);
         holder.querySelector('button').click();
         const frame = document.createElement('iframe');
         frame.src = 'https://pwned.example/';
         document.body.append(frame);
         for (const ask of [() => fetch('https://pwned.example/b'), () => new WebSocket('wss://pwned.example/'), () => eval('1')]) {
           try { await ask(); } catch {}
         }
         const deadline = performance.now() + 20000;
         while (!args[0].every((one) => outcome.refused.includes(one)) && performance.now() < deadline) {
           await new Promise((done) => setTimeout(done, 5));
         }
         outcome.color = getComputedStyle(holder.querySelector('p')).color === 'rgb(255, 0, 0)';
         outcome.pwned = window.pwned === 1;
         return outcome;",
        &[json!(directives)],
    );
    assert_eq!((&outcome["pwned"], &outcome["color"]), (&json!(false), &json!(false)), "{outcome}");
    let refused: Vec<&str> =
        outcome["refused"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    for directive in directives {
        assert!(refused.contains(&directive), "{directive} is not refused: {refused:?}");
    }
    let requests = browser.requests();
    assert!(!requests.iter().any(|address| address.contains(hostile::MARKER)), "{requests:?}");
}

/// The figure of requests that the page tells of a choice, and how many there are in all.
fn told(browser: &Browser) -> String {
    let told = browser.run("return document.getElementById('told').textContent;", &[]);
    told.as_str().expect("a text").to_owned()
}

/// Presses Tab until a script says that the focus is where it should be.
fn tab_to(browser: &Browser, is_there: &str) {
    for _ in 0..80 {
        if browser.run(&format!("const at = document.activeElement; return {is_there};"), &[]) == true {
            return;
        }
        browser.press([key::TAB]);
    }
    panic!("Tab does not lead to {is_there}");
}

#[test]
fn every_control_is_reached_and_used_by_keyboard_alone() {
    let Some(browser) = Browser::start_or_skip() else { return };
    let dump = synthetic("aws", "26", "1500");
    let source = dump.at("dump");
    open(&browser, &page_of(&[&source]));
    // What can be pressed or typed into and can be seen, by its place in the document.
    let controls =
        "[...document.querySelectorAll('a[href], button, input, select, summary, [tabindex=\"0\"]')]
        .filter((one) => !one.disabled && one.checkVisibility({visibilityProperty: true}))";
    let count = browser.run(&format!("window.controls = {controls}; return window.controls.length;"), &[]);
    let count = count.as_u64().expect("a count") as usize;
    assert!(count > 10, "there are {count} controls only");
    let mut reached = std::collections::BTreeSet::new();
    // A field of a date has several parts; each takes a Tab of its own.
    for _ in 0..3 * count + 40 {
        browser.press([key::TAB]);
        let place = browser.run("return window.controls.indexOf(document.activeElement);", &[]);
        reached.extend(place.as_u64());
        if reached.len() == count {
            break;
        }
    }
    let missed: Vec<u64> = (0..count as u64).filter(|place| !reached.contains(place)).collect();
    let names = "return args[0].map((place) => window.controls[place].outerHTML.slice(0, 120));";
    assert!(missed.is_empty(), "Tab does not reach {:#}", browser.run(names, &[json!(missed)]));

    // A filter is opened, chosen from, and closed.
    browser.run("document.activeElement.blur(); scrollTo(0, 0);", &[]);
    tab_to(&browser, "at.tagName === 'SUMMARY' && at.parentNode.dataset.dimension === 'region'");
    browser.press([key::ENTER]);
    tab_to(&browser, "at.type === 'checkbox' && at.closest('details').dataset.dimension === 'region'");
    browser.press([' ']);
    let region = browser.run("return document.activeElement.parentNode.childNodes[1].textContent;", &[]);
    let region = region.as_str().expect("a Region").to_owned();
    let attempted = |arguments: &[&str]| {
        report(arguments, 0)["totals"]["requests"]["attempted"].as_u64().expect("a count")
    };
    let expected = attempted(&[&source, "--region", &region]);
    let all = attempted(&[&source]);
    assert!(expected > 0 && expected < all);
    let digits = |text: String| text.chars().filter(|character| *character != ',').collect::<String>();
    let said = digits(told(&browser));
    assert!(said.starts_with(&format!("{expected} of {all} requests")), "{said}");
    browser.press([key::ESCAPE]);
    let closed = "return document.querySelector('.filter[open]') === null && document.activeElement.tagName;";
    assert_eq!(browser.run(closed, &[]), "SUMMARY");

    // And taken back.
    tab_to(&browser, "at.id === 'reset'");
    browser.press([key::ENTER]);
    assert_eq!(told(&browser), "");
    assert_quiet(&browser, "after the keyboard");
}

const EVERY_BY: [&str; 15] = [
    "account",
    "region",
    "model",
    "scope",
    "identity",
    "role",
    "session",
    "operation",
    "error",
    "inference-region",
    "content-kind",
    "tag:team",
    "hour",
    "day",
    "account,region,model,scope",
];

const EVERY_RANK: &str =
    "account,region,model,scope,identity,role,session,operation,error,inference-region,tag:team";

#[test]
fn i01_no_string_of_a_log_does_anything_in_a_page() {
    let Some(browser) = Browser::start_or_skip() else { return };
    let dump = Dump::new();
    let source = hostile::write(&dump);
    for by in EVERY_BY {
        open(&browser, &page_of(&[&source, "--by", by, "--rank", EVERY_RANK, "--list", "errors"]));
        // Everything that shows strings is opened, chosen and pressed.
        let odd = browser.run(
            "const later = () => new Promise((done) => setTimeout(done, 0));
             for (const details of document.querySelectorAll('details')) { details.open = true; await later(); }
             for (const menu of document.querySelectorAll('.filter')) {
               menu.open = true;
               await later();
               for (const box of [...menu.querySelectorAll('input[type=checkbox]')].slice(0, 12)) { box.click(); await later(); }
             }
             document.getElementById('reset').click();
             for (const select of document.querySelectorAll('select')) {
               for (const option of select.options) {
                 select.value = option.value;
                 select.dispatchEvent(new Event('change', {bubbles: true}));
                 await later();
               }
             }
             for (const button of document.querySelectorAll('main button')) { button.click(); await later(); }
             const odd = [];
             const own = ['report', 'cube', ''].map((id) => [...document.scripts].filter((script) => script.id === id).length);
             if (own[0] !== 1 || own[1] > 1 || own[2] !== 3) odd.push(`scripts ${own}`);
             for (const one of document.querySelectorAll('img, iframe, object, embed, base, math, template, form[action], meta[http-equiv=refresh]')) odd.push(one.outerHTML);
             if (document.querySelectorAll('style').length !== 1) odd.push('styles');
             for (const one of document.querySelectorAll('*')) {
               for (const {name, value} of one.attributes) {
                 if (name.startsWith('on')) odd.push(`${name}=${value}`);
                 if (['href', 'src', 'action'].includes(name) && !/^(#|data:)/.test(value) && value !== '') odd.push(`${name}=${value}`);
               }
             }
             return odd.slice(0, 20);",
            &[],
        );
        assert_eq!(odd, json!([]), "--by {by}");
        assert_quiet(&browser, &format!("--by {by}"));
    }
}

#[test]
fn i05_no_string_of_a_log_is_obeyed_by_a_terminal_or_breaks_a_table() {
    let dump = Dump::new();
    let source = hostile::write(&dump);
    for by in EVERY_BY.into_iter().chain(["minute"]) {
        let folder = Dump::new();
        let [text, json, markdown, table] = ["a.txt", "a.json", "a.md", "a.csv"].map(|name| folder.at(name));
        let asked = ["--by", by, "--rank", EVERY_RANK, "--list", "errors", "--explain", "--format", "text"];
        let outputs = ["-o", &text, "-o", &json, "-o", &markdown, "-o", &table];
        let run = analyze([&[source.as_str()], &asked[..], &outputs[..]].concat());
        assert!(matches!(run.code, Some(0 | 3)), "{by}: {}", run.err);
        let file = |path: &str| std::fs::read_to_string(path).expect("outputs are UTF-8");
        let [text, json, markdown, table] = [text, json, markdown, table].map(|path| file(&path));

        for (what, said) in [
            ("stdout", &run.out),
            ("stderr", &run.err),
            ("text", &text),
            ("json", &json),
            ("markdown", &markdown),
        ] {
            // Markdown's words are broken by a space without width where a link would begin.
            let is_odd = |character: char| {
                hostile::is_hazardous(character)
                    && character != '\n'
                    && !(what == "markdown" && character == '\u{200b}')
            };
            let odd = said.lines().find(|line| line.chars().any(is_odd));
            assert_eq!(odd, None, "{what} --by {by}");
            // The second lines of strings with several.
            let broken = said
                .lines()
                .find(|line| ["two", "four", "|---|---|", "| c | d |", "- two", "``"].contains(&line.trim()));
            assert_eq!(broken, None, "{what} --by {by}");
        }
        let report: Value = serde_json::from_str(&json).expect("JSON");
        let counted = report["health"]["records"]["counted"].as_u64().expect("a count");
        assert!(counted as usize > 9 * hostile::strings().len(), "{counted} records only are counted");
        let groups = report["groups"].as_array().expect("groups").len();
        assert_tables_are_whole(&markdown, by);
        assert_rows_are_guarded(&table, groups, by);
    }
}

/// Every row of a table has as many cells as its head, and no foreign string is markup.
#[track_caller]
fn assert_tables_are_whole(markdown: &str, by: &str) {
    let cells = |line: &str| {
        let mut bars = 0;
        let mut is_escaped = false;
        for character in line.chars() {
            bars += usize::from(character == '|' && !is_escaped);
            is_escaped = character == '\\' && !is_escaped;
        }
        bars
    };
    let rows: Vec<&str> = markdown.lines().collect();
    for pair in rows.windows(2).filter(|pair| pair.iter().all(|row| row.starts_with('|'))) {
        assert_eq!(cells(pair[0]), cells(pair[1]), "--by {by}:\n{}\n{}", pair[0], pair[1]);
    }
    for markup in [
        "<script",
        "<img",
        "<svg",
        "<b>",
        "<base",
        "<iframe",
        "](",
        "![",
        "~~",
        "***",
        "[^1]:",
        "@everyone",
        "#1",
        "https://pwned",
    ] {
        let odd = rows.iter().find(|row| obeyed(row).contains(markup));
        assert_eq!(odd, None, "{markup} in Markdown --by {by}");
    }
}

/// A line without what is escaped, and without what stands between backticks: what Markdown may obey.
fn obeyed(line: &str) -> String {
    let mut out = String::new();
    let (mut in_code, mut is_escaped) = (false, false);
    for character in line.chars() {
        let escapes = character == '\\' && !is_escaped && !in_code;
        if character == '`' && !is_escaped {
            in_code = !in_code;
        } else if !in_code && !escapes {
            out.push(if is_escaped { ' ' } else { character });
        }
        is_escaped = escapes;
    }
    out
}

/// The rows of comma-separated values are as many as the groups, and none of their cells begins a formula.
#[track_caller]
fn assert_rows_are_guarded(table: &str, groups: usize, by: &str) {
    let mut rows: Vec<Vec<(String, bool)>> = vec![vec![]];
    let mut rest = table;
    while !rest.is_empty() {
        let (cell, after, is_quoted) = if let Some(quoted) = rest.strip_prefix('"') {
            let mut cell = String::new();
            let mut tail = quoted;
            loop {
                let end = tail.find('"').expect("a quote is closed");
                cell.push_str(&tail[..end]);
                tail = &tail[end + 1..];
                match tail.strip_prefix('"') {
                    Some(more) => {
                        cell.push('"');
                        tail = more;
                    }
                    None => break (cell, tail, true),
                }
            }
        } else {
            let end = rest.find([',', '\r']).expect("a line ends");
            (rest[..end].to_owned(), &rest[end..], false)
        };
        rows.last_mut().expect("a row").push((cell, is_quoted));
        rest = match after.strip_prefix(',') {
            Some(rest) => rest,
            None => {
                rows.push(vec![]);
                after
                    .strip_prefix("\r\n")
                    .unwrap_or_else(|| panic!("--by {by}: {:?} after a cell", &after[..after.len().min(20)]))
            }
        };
    }
    assert!(rows.pop().is_some_and(|row| row.is_empty()), "the last line ends");
    assert_eq!(rows.len(), 1 + groups, "--by {by}");
    for row in &rows {
        assert_eq!(row.len(), rows[0].len(), "--by {by}");
        for (cell, is_quoted) in row {
            let begins = cell
                .trim_start_matches(['\t', ' ', '\r', '\n'])
                .starts_with(['=', '+', '-', '@', '\u{ff1d}']);
            assert!(!(begins && *is_quoted), "--by {by}: {cell:?} begins a formula");
        }
    }
}
