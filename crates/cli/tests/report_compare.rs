//! `borehole report` and `borehole compare` as their users run them: written reports rendered again, two periods side
//! by side, and what is refused.

mod support;

use serde_json::Value;
use support::{Dump, Run, analyze, borehole, call, run, run_with};

fn command(arguments: &[&str]) -> Run {
    run(borehole().args(arguments))
}

/// A dump of two days.
fn dump() -> Dump {
    let dump = Dump::new();
    dump.put_aws("2024/03/11/07", "a.json", &[call(1, "2024-03-11T07:00:10Z", 100, 10)]);
    let second = [call(2, "2024-03-12T07:00:10Z", 300, 30), call(3, "2024-03-12T07:05:00Z", 500, 10)];
    dump.put_aws("2024/03/12/07", "b.json", &second);
    dump
}

#[test]
fn a_written_report_gives_the_same_in_every_form_as_its_run_did() {
    let place = Dump::new();
    let file = |name: &str| place.at(name);
    let (json, md, txt, csv) = (file("run.json"), file("run.md"), file("run.txt"), file("run.csv"));
    let words = ["fixtures/dumps", "-q", "-o", &json, "-o", &md, "-o", &txt, "-o", &csv];
    analyze(words).ends(0);
    let (md2, txt2, csv2, html) = (file("2.md"), file("2.txt"), file("2.csv"), file("2.html"));
    command(&["report", &json, "-o", &md2, "-o", &txt2, "-o", &csv2, "-o", &html]).ends(0);
    let read = |path: &str| std::fs::read_to_string(path).expect("it is written");
    for (first, second) in [(&md, &md2), (&txt, &txt2), (&csv, &csv2)] {
        assert_eq!(read(first), read(second), "{first} {second}");
    }
    // Out of JSON, and out of the page that was made of it.
    for source in [&json, &html] {
        assert_eq!(command(&["report", source, "--format", "json"]).ends(0).out, read(&json));
        assert_eq!(command(&["report", source]).ends(0).out, read(&txt));
    }
    let input = read(&json);
    let piped = run_with(borehole().args(["report", "-", "--format", "md"]), input.as_bytes());
    assert_eq!(piped.ends(0).out, read(&md));
}

#[test]
fn a_page_with_filters_keeps_its_data() {
    let place = Dump::new();
    let (json, html, again) = (place.at("run.json"), place.at("run.html"), place.at("again.html"));
    analyze(["fixtures/dumps/aws", "--cube", "--rank", "identity", "-q", "-o", &json, "-o", &html]).ends(0);
    let read = |path: &str| std::fs::read_to_string(path).expect("it is written");
    assert_eq!(command(&["report", &html, "--format", "json"]).ends(0).out, read(&json));
    command(&["report", &json, "-o", &again]).ends(0);
    assert_eq!(read(&again), read(&html));
    assert!(read(&json).contains("\"cube\""), "the run gave no data for a page");
}

#[test]
fn an_incomplete_report_stays_incomplete() {
    let place = Dump::new();
    let json = place.at("run.json");
    analyze(["fixtures/faults", "-q", "-o", &json]).ends(3);
    for format in ["text", "json", "markdown", "html"] {
        let out = command(&["report", &json, "--format", format]).ends(3).out;
        assert!(out.contains("INCOMPLETE") || out.contains("\"complete\": false"), "{format}");
    }
    let page = command(&["report", &json, "--format", "markdown"]).ends(3).out;
    assert!(page.starts_with("**INCOMPLETE, the totals are too low.** Lost: "), "{page}");
}

#[test]
fn what_is_no_report_is_refused_and_never_quoted() {
    let place = Dump::new();
    let secret = "prompt-text-of-somebody";
    for (name, text, said) in [
        (
            "logs.json",
            format!("{{\"schemaType\": \"ModelInvocationLog\", \"x\": \"{secret}\"}}"),
            "not a report",
        ),
        ("quota.json", "{\"schema\": \"borehole.quota/1\"}".to_owned(), "the answer of borehole quota"),
        ("newer.json", "{\"schema\": \"borehole.report/2\"}".to_owned(), "version 2"),
        ("cut.json", format!("{{\"schema\": \"borehole.report/1\", \"{secret}"), "is the file whole?"),
        (
            "odd.json",
            format!("{{\"schema\": \"borehole.report/1\", \"complete\": \"{secret}\"}}"),
            "cannot be read",
        ),
        ("page.html", format!("<html>{secret}"), "a page without the data of a report"),
    ] {
        place.put(name, &text);
        let refused = command(&["report", &place.at(name)]).ends(2);
        assert!(refused.err.contains(said), "{name}: {}", refused.err);
        assert!(!refused.err.contains(secret), "{name}: {}", refused.err);
        assert_eq!(refused.out, "");
    }
    assert!(command(&["report", &place.root()]).ends(2).err.contains("is a directory"));
    command(&["report", &place.at("nowhere.json")]).ends(4);
    command(&["report", &place.at("page.html"), "-o", &place.at("x.docx")]).ends(2);
}

#[test]
fn sources_and_their_written_reports_compare_alike() {
    let dump = dump();
    let (before, after) = (dump.at("2024/03/11"), dump.at("2024/03/12"));
    let place = Dump::new();
    let (json, html) = (place.at("before.json"), place.at("after.html"));
    let rank = ["--rank", "identity", "-q"];
    analyze([&[before.as_str(), "-o", &json], rank.as_slice()].concat()).ends(0);
    analyze([&[after.as_str(), "-o", &html], rank.as_slice()].concat()).ends(0);
    let compare = |a: &str, b: &str| {
        command(&["compare", a, b, "--now", support::NOW, "-q", "--format", "json"]).ends(0).json()
    };
    let of_sources = compare(&before, &after);
    let attempted = &of_sources["totals"]["attempted"];
    assert_eq!(
        (&attempted["before"], &attempted["after"], &attempted["change"]),
        (&1.into(), &2.into(), &1.into())
    );
    assert_eq!(of_sources["totals"]["average_input_tokens"]["ratio"], 4);
    assert_eq!(of_sources["groups"][0]["presence"], "both");
    assert_eq!(of_sources["rankings"][0]["dimension"], "identity");
    assert_eq!(compare(&json, &html), of_sources);
    assert_eq!(compare(&json, &after), of_sources);
}

#[test]
fn both_sides_take_the_same_flags_where_they_can() {
    let dump = dump();
    let root = dump.root();
    let place = Dump::new();
    let json = place.at("run.json");
    analyze([&root, "-q", "-o", &json]).ends(0);
    let filtered = command(&["compare", &json, &root, "--from", "2024-03-12", "-q"]).ends(2);
    assert!(filtered.err.contains("--from: a written report cannot be counted again"), "{}", filtered.err);
    let by_role = command(&["compare", &json, &root, "--by", "role", "-q"]).ends(2);
    assert!(
        by_role.err.contains("one side is by account,region,model,scope, the other by role"),
        "{}",
        by_role.err
    );
    assert!(command(&["compare", &json]).ends(2).err.contains("two sides are compared, 1 given"));
    let same = command(&["compare", &root, &root, "--from", "2024-03-12", "--format", "json", "-q"]).ends(0);
    assert_eq!(same.json()["before"]["range"]["from"], "2024-03-12T00:00:00Z");
    assert_eq!(same.json()["totals"]["attempted"]["before"], 2);
}

#[test]
fn an_incomplete_side_is_said_first_and_in_the_exit_code() {
    let dump = dump();
    let root = dump.root();
    let compared = command(&["compare", &root, "fixtures/faults", "--now", support::NOW, "-q"]).ends(3);
    assert!(compared.out.starts_with("INCOMPLETE"), "{}", compared.out);
    let place = Dump::new();
    let outputs = ["c.html", "c.md", "c.json", "c.txt"].map(|name| place.at(name));
    let mut words = vec!["compare", root.as_str(), "fixtures/faults", "--now", support::NOW, "-q"];
    outputs.iter().for_each(|output| words.extend(["-o", output]));
    assert_eq!(command(&words).ends(3).out, "");
    let text = |at: usize| std::fs::read_to_string(&outputs[at]).expect("it is written");
    assert!(text(0).contains("<b>Incomplete:</b>"));
    assert!(text(1).starts_with("**INCOMPLETE"));
    let json: Value = serde_json::from_str(&text(2)).expect("JSON");
    assert_eq!((&json["schema"], &json["complete"]), (&"borehole.compare/1".into(), &false.into()));
    assert_eq!(text(3), compared.out);
    // A comparison is no report.
    assert!(command(&["report", &outputs[2]]).ends(2).err.contains("a comparison"));
}

#[test]
fn a_comparison_is_the_same_for_any_number_of_threads() {
    let dump = dump();
    let root = dump.root();
    let compare = |threads: &str| {
        command(&["compare", &root, "fixtures/dumps/aws", "--now", support::NOW, "-q", "--threads", threads])
            .ends(0)
            .out
    };
    assert_eq!(compare("1"), compare("7"));
}
