//! What `synth` tallied while it wrote a dump is what `analyze` reads from it: every count, sum, share, minute,
//! quota token, duplicate and reject, in both layouts, with payloads resolved and not, on any number of threads.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn borehole(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_borehole")).args(arguments).output().expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Every difference between two values, with its path. Numbers are compared by their decimal text; an absent
/// field, a null and an empty object are the same.
fn differences(path: &str, left: &Value, right: &Value, out: &mut Vec<String>) {
    let empty = |value: &Value| value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let (a, b) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
                differences(&format!("{path}/{key}"), a, b, out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}/{index}"), a, b, out);
            }
        }
        (Value::Number(a), Value::Number(b)) if decimal(&a.to_string()) == decimal(&b.to_string()) => {}
        _ if left == right || empty(left) && empty(right) => {}
        _ => out.push(format!("{path}: truth {left}, report {right}")),
    }
}

fn decimal(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

fn check(layout: &str, seed: &str, more: &[&str], analyze_more: &[&str]) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let dump = folder.path().join("dump");
    let dump = dump.to_str().expect("a plain path");
    let mut synth = vec!["synth", dump, "--layout", layout, "--seed", seed, "-q"];
    synth.extend(more);
    let (code, _, errors) = borehole(&synth);
    assert_eq!(code, Some(0), "synth: {errors}");
    let truth = std::fs::read_to_string(Path::new(dump).join("truth.json")).expect("truth.json");
    let truth: Value = serde_json::from_str(&truth).expect("truth.json is JSON");
    for (resolve, view) in [("facts", "resolved"), ("never", "unresolved")] {
        let mut analyze =
            vec!["analyze", dump, "--format", "json", "--resolve", resolve, "--now", "2024-03-12"];
        analyze.extend(analyze_more);
        let (code, report, errors) = borehole(&analyze);
        let dirty = more.contains(&"--dirty");
        assert_eq!(code, Some(if dirty { 3 } else { 0 }), "analyze {layout} {seed} {resolve}: {errors}");
        let report: Value = serde_json::from_str(&report).expect("the report is JSON");
        let mut found = Vec::new();
        for part in ["totals", "groups", "health", "unruled_models", "unresolved_profiles"] {
            differences(part, &truth[view][part], report.get(part).unwrap_or(&Value::Null), &mut found);
        }
        let known = &truth[view]["totals"]["tokens"];
        for measure in ["settled_known", "reserved_known"] {
            assert!(known[measure].as_u64() > Some(0), "no request's quota tokens are known: {known}");
        }
        assert!(
            truth[view]["totals"]["requests"]["attempted"].as_u64() > Some(0),
            "a truth of nothing proves nothing"
        );
        assert!(found.is_empty(), "{layout} seed {seed} {resolve}:\n{}", found.join("\n"));
    }
}

#[test]
fn the_aws_layout_equals_its_truth_for_three_seeds() {
    for seed in ["1", "2", "3"] {
        check("aws", seed, &["--requests", "3000"], &[]);
    }
}

#[test]
fn the_split_layout_equals_its_truth_for_three_seeds() {
    for seed in ["1", "2", "3"] {
        check("split", seed, &["--requests", "1200"], &[]);
    }
}

#[test]
fn dirty_dumps_equal_their_truth_and_are_incomplete() {
    check("aws", "4", &["--requests", "2000", "--dirty"], &["--threads", "1"]);
    check("split", "4", &["--requests", "800", "--dirty"], &["--threads", "1"]);
}

#[test]
fn small_records_equal_their_truth_on_eight_threads_in_another_order() {
    check("aws", "5", &["--requests", "3000", "--profile", "small"], &["--threads", "8", "--shuffle", "99"]);
}

#[test]
fn a_spill_of_every_record_changes_nothing() {
    check("aws", "6", &["--requests", "2000"], &["--memory", "64KiB"]);
    check("split", "6", &["--requests", "600"], &["--memory", "64KiB", "--threads", "2"]);
}

#[test]
fn two_days_and_more_accounts_equal_their_truth() {
    let more =
        ["--requests", "3000", "--from", "2024-03-10T05:00:00Z", "--to", "2024-03-12", "--accounts", "3"];
    check("aws", "7", &more, &[]);
}
