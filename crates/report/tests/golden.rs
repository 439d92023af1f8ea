//! One set of figures through every format, compared with the files of `fixtures/golden`.
//!
//! `UPDATE_EXPECT=1 cargo test -p borehole-report` rewrites them; a changed golden is what the user will see,
//! so it is read as carefully as changed code.

mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;

use borehole_report::text::TextStyle;
use borehole_report::{Report, json, markdown, text};
use borehole_usage::figures::{Figures, Health};

type Case = (&'static str, fn() -> (Figures, Health));

const CASES: [Case; 5] = [
    ("clean", support::clean),
    ("troubled", support::troubled),
    ("many_dimensions", support::many_dimensions),
    ("nothing_listed", support::nothing_listed),
    ("all_filtered", support::all_filtered),
];

fn golden_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden")
}

fn report(build: fn() -> (Figures, Health)) -> Report {
    let (figures, health) = build();
    Report::new(&figures, &health, health.is_complete(), support::run())
}

fn expect(name: &str, actual: &str) {
    support::expect(&golden_dir().join(name), actual);
}

#[test]
fn i14_every_format_says_what_its_golden_says() {
    for (name, build) in CASES {
        let report = report(build);
        expect(&format!("{name}.json"), &json::render(&report));
        expect(&format!("{name}.txt"), &text::render(&report, &TextStyle::default()));
        // Not `*.md`: those are the documents of this repository.
        expect(&format!("{name}.markdown"), &markdown::render(&report));
    }
    let plain_bars = TextStyle { width: 72, color: true, unicode_bars: false, rows: 4, explain: false };
    expect("troubled.narrow_color.txt", &text::render(&report(support::troubled), &plain_bars));
    let explained = TextStyle { explain: true, ..TextStyle::default() };
    expect("clean.explain.txt", &text::render(&report(support::clean), &explained));
}

#[test]
fn no_golden_is_an_orphan() {
    let mut expected: BTreeSet<String> = CASES
        .iter()
        .flat_map(|(name, _)| ["json", "txt", "markdown"].map(|end| format!("{name}.{end}")))
        .collect();
    expected.extend(["troubled.narrow_color.txt", "clean.explain.txt"].map(str::to_owned));
    let present: BTreeSet<String> = std::fs::read_dir(golden_dir())
        .expect("the golden folder is there")
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        // The reports of the dumps are the binary's own goldens.
        .filter(|name| !name.ends_with(".md") && !name.starts_with("dumps-"))
        .collect();
    assert_eq!(present, expected);
}

#[test]
fn what_is_rendered_from_parsed_json_is_the_same() {
    for (_, build) in CASES {
        let report = report(build);
        let parsed = json::parse(&json::render(&report)).expect("our own JSON parses");
        let style = TextStyle::default();
        assert_eq!(text::render(&parsed, &style), text::render(&report, &style));
        assert_eq!(markdown::render(&parsed), markdown::render(&report));
    }
}
