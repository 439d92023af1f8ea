//! The repository's own order: edges between rooms, where packages live, headers, licences, titles, links.
//!
//! In: `cargo metadata` and the files. Out: nothing. Always: each rule is a table or a sentence here, and a
//! failure names the file. Absent: anything that rustfmt, clippy or rustdoc check.

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{files_below, goldens, repository};

/// Which rooms a room may use. Test dependencies are free.
const EDGES: [(&str, &[&str]); 12] = [
    ("borehole-store", &[]),
    ("borehole-record", &[]),
    ("borehole-scan", &["borehole-store", "borehole-record"]),
    ("borehole-usage", &["borehole-record"]),
    ("borehole-quota", &["borehole-record", "borehole-usage"]),
    ("borehole-report", &["borehole-record", "borehole-usage", "borehole-quota"]),
    ("borehole-table", &["borehole-record"]),
    // It reads nothing itself: the command gives it the runs.
    ("borehole-mcp", &["borehole-record", "borehole-quota", "borehole-report"]),
    // No edge at all: a generator that shared code with the reader would share its misunderstandings.
    ("borehole-synth", &[]),
    // Servers and faults for tests: only tests and benches use it, and it must not know what it tests.
    ("borehole-testbed", &[]),
    ("borehole", &ROOMS),
    ("borehole-benches", &ROOMS_AND_COMMAND),
];

const ROOMS: [&str; 9] = [
    "borehole-store",
    "borehole-record",
    "borehole-scan",
    "borehole-usage",
    "borehole-quota",
    "borehole-report",
    "borehole-table",
    "borehole-mcp",
    "borehole-synth",
];

const ROOMS_AND_COMMAND: [&str; 10] = [
    "borehole-store",
    "borehole-record",
    "borehole-scan",
    "borehole-usage",
    "borehole-quota",
    "borehole-report",
    "borehole-table",
    "borehole-mcp",
    "borehole-synth",
    "borehole",
];

/// In which rooms a package may be used. A package that is not here is used nowhere. Benches may use them all.
const PACKAGES: [(&str, &[&str]); 37] = [
    ("anyhow", &["borehole"]),
    ("aws-config", &["borehole-store"]),
    ("aws-sdk-s3", &["borehole-store", "borehole-testbed"]),
    ("aws-sdk-sts", &["borehole-store"]),
    ("aws-smithy-http-client", &["borehole-store", "borehole-testbed"]),
    ("aws-smithy-runtime-api", &["borehole-store"]),
    ("aws-smithy-types", &["borehole-store"]),
    // The data of a page is text.
    ("base64", &["borehole-report"]),
    ("chrono", &["borehole-record"]),
    ("clap", &["borehole"]),
    ("clap_complete", &["borehole"]),
    ("clap_mangen", &["borehole"]),
    ("criterion", &[]),
    ("flate2", &["borehole-record", "borehole-synth", "borehole-report"]),
    ("hdrhistogram", &["borehole-usage"]),
    ("indicatif", &["borehole"]),
    // For ETags: of what is fetched, and of what was downloaded before.
    ("md-5", &["borehole-store", "borehole"]),
    ("libdeflate-sys", &["borehole-record"]),
    ("memchr", &["borehole-record"]),
    ("polars", &["borehole-table"]),
    // The footer of Parquet files, and their compression.
    ("polars-parquet-format", &["borehole-table"]),
    ("zstd", &["borehole-table"]),
    ("rayon", &["borehole-scan"]),
    // The official SDK of the Model Context Protocol.
    ("rmcp", &["borehole-mcp"]),
    (
        "rustc-hash",
        &["borehole-record", "borehole-scan", "borehole-usage", "borehole-quota", "borehole-table"],
    ),
    ("rustix", &["borehole-store", "borehole-scan", "borehole-table", "borehole-testbed"]),
    ("serde", &["borehole-quota", "borehole-report", "borehole-table", "borehole-mcp", "borehole"]),
    (
        "serde_json",
        &[
            "borehole-quota",
            "borehole-report",
            "borehole-table",
            "borehole-mcp",
            "borehole-synth",
            "borehole",
            "borehole-testbed",
        ],
    ),
    // The hashes by which a page names its own scripts and style.
    ("sha2", &["borehole-report"]),
    ("simd-json", &["borehole-record"]),
    ("simdutf8", &["borehole-record"]),
    ("tempfile", &["borehole-scan", "borehole-table", "borehole", "borehole-testbed"]),
    ("thiserror", &["borehole-store", "borehole-scan", "borehole-table"]),
    // What waits for a network waits behind the synchronous face of the store.
    ("tokio", &["borehole-store", "borehole-mcp", "borehole-testbed"]),
    ("toml", &["borehole-quota", "borehole"]),
    ("unicode-width", &["borehole-report"]),
    // Fingerprints of what is kept and of what it was made from.
    ("xxhash-rust", &["borehole-scan", "borehole-usage", "borehole-quota", "borehole-table", "borehole"]),
];

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(repository())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    metadata["packages"].as_array().expect("a list of packages").clone()
}

/// The names that a package needs outside of its tests.
fn dependencies(package: &Value) -> Vec<&str> {
    let all = package["dependencies"].as_array().expect("a list of dependencies");
    let normal = all.iter().filter(|dependency| dependency["kind"] != "dev");
    normal.map(|dependency| dependency["name"].as_str().expect("a name")).collect()
}

#[test]
fn rooms_use_only_the_rooms_they_may() {
    let packages = packages();
    let names: BTreeSet<&str> =
        packages.iter().map(|package| package["name"].as_str().expect("a name")).collect();
    assert_eq!(
        names,
        EDGES.iter().map(|(name, _)| *name).collect(),
        "a room is missing from the table, or gone"
    );
    for package in &packages {
        let name = package["name"].as_str().expect("a name");
        let (_, allowed) = EDGES.iter().find(|(room, _)| *room == name).expect("checked above");
        let used: Vec<_> =
            dependencies(package).into_iter().filter(|used| used.starts_with("borehole")).collect();
        let extra: Vec<_> = used.iter().filter(|used| !allowed.contains(used)).collect();
        assert!(extra.is_empty(), "{name} may not use {extra:?}");
    }
}

#[test]
fn packages_stay_in_their_rooms() {
    for package in packages() {
        let room = package["name"].as_str().expect("a name");
        for used in dependencies(&package).into_iter().filter(|used| !used.starts_with("borehole")) {
            let (_, rooms) = PACKAGES
                .iter()
                .find(|(name, _)| *name == used)
                .unwrap_or_else(|| panic!("{room} uses {used}, which is not in the table"));
            assert!(room == "borehole-benches" || rooms.contains(&room), "{used} does not belong in {room}");
        }
    }
}

#[test]
fn every_package_has_the_licence_and_stays_unpublished() {
    for package in packages() {
        assert_eq!(package["license"], "MIT OR Apache-2.0", "{}", package["name"]);
        assert_eq!(package["publish"], serde_json::json!([]), "{} can be published", package["name"]);
    }
    for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
        assert!(repository().join(name).is_file(), "{name} is missing");
    }
}

/// Files of the repository whose names end like this, with their text.
fn texts(endings: &[&str]) -> Vec<(PathBuf, String)> {
    let root = repository();
    let wanted = files_below(&root).into_iter().filter(|path| {
        let name = path.to_string_lossy();
        endings.iter().any(|ending| name.ends_with(ending))
    });
    let read = wanted.map(|path| {
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.strip_prefix(&root).expect("below the root").to_path_buf(), text)
    });
    read.collect()
}

#[test]
fn every_source_file_says_what_it_is() {
    let sources = texts(&[".rs"]);
    assert!(sources.len() > 50, "the walk has lost the sources");
    for (path, text) in sources {
        assert!(text.starts_with("//! "), "{} does not open with `//!`", path.display());
    }
}

#[test]
fn nothing_is_left_over() {
    // Put together here, so that this file does not find itself.
    let words =
        [["dbg", "!("], ["todo", "!("], ["unimplemented", "!("], ["FIX", "ME"], ["TO", "DO"], ["XX", "X:"]];
    for (path, text) in texts(&[".rs", ".py", ".md", ".toml", ".ci/run"]) {
        for word in words.map(|parts| parts.concat()) {
            // What a document quotes as printed is not left over in it.
            let quoted = format!("`{word}`");
            let is_left = |line: &str| line.replace(&quoted, "").contains(&word);
            let line = text.lines().position(is_left).map(|index| index + 1);
            assert_eq!(line, None, "{} has {word} in this line", path.display());
        }
    }
}

/// The lines of a Markdown file that are outside of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let fence = line.starts_with("```");
        in_code ^= fence;
        !fence && !in_code
    })
}

#[test]
fn every_markdown_file_has_one_title_at_its_top() {
    for (path, text) in texts(&[".md"]) {
        assert!(text.starts_with("# "), "{} does not begin with its title", path.display());
        let titles = prose(&text).filter(|line| line.starts_with("# ")).count();
        assert_eq!(titles, 1, "{} has several titles", path.display());
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let root = repository();
    for (path, text) in texts(&[".md"]) {
        let folder = root.join(path.parent().unwrap_or(Path::new("")));
        for link in prose(&text).flat_map(|line| line.split("](").skip(1)) {
            let target = link.split(')').next().unwrap_or_default();
            if target.starts_with("https://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { root.join(&path) } else { folder.join(file) };
            assert!(file.exists(), "{}: {target} leads nowhere", path.display());
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&file).expect("a document can be read");
                assert!(
                    prose(&text).any(|line| heading_anchor(line) == anchor),
                    "{}: no {target}",
                    path.display()
                );
            }
        }
    }
}

/// The anchor of a heading, as it is made where Markdown is shown.
fn heading_anchor(line: &str) -> String {
    let Some(heading) = line.strip_prefix('#') else { return String::new() };
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn no_golden_of_the_fixtures_is_an_orphan() {
    let folder = repository().join("fixtures/golden");
    let present: BTreeSet<String> = files_below(&folder)
        .iter()
        .filter_map(|path| path.file_name()?.to_str().map(str::to_owned))
        .filter(|name| name.starts_with("dumps-"))
        .collect();
    assert_eq!(present, goldens::files().collect());
}

#[test]
fn ci_run_is_executable_and_is_all_that_contributing_asks_for() {
    use std::os::unix::fs::PermissionsExt;
    let path = repository().join(".ci/run");
    let mode = std::fs::metadata(&path).expect(".ci/run is there").permissions().mode();
    assert_eq!(mode & 0o111, 0o111, ".ci/run cannot be started");
    let text = std::fs::read_to_string(&path).expect(".ci/run can be read");
    for step in ["cargo fmt", "cargo clippy", "cargo test --workspace", "cargo doc", "oracle.py --selftest"] {
        assert!(text.contains(step), ".ci/run has lost {step}");
    }
}
