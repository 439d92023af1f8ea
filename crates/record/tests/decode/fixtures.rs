//! Every file of `fixtures/records/{ok,err}` decodes to what its `NAME.expected.json` says, however it is read.
//!
//! A case is a file and its expectation; adding one needs no Rust. The expectation may also say how to read:
//! `kind` (record, invocation, metadata, request, response), `options` (accept_epoch, lenient_numbers,
//! allow_double_gzip, no_facts), and `piecewise_differs` with the reason where a document that is too long to
//! be held is told less about. `UPDATE_EXPECT=1` rewrites the rest.

use std::fs;
use std::path::{Path, PathBuf};

use borehole_record::DocumentKind;
use borehole_record::decode::DecodeTuning;
use serde_json::{Value, json};

use crate::support::{Reading, decode, outcome_json};

const EXPECTED: &str = ".expected.json";

fn cases(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/records").join(folder);
    let entries = fs::read_dir(&folder).expect("the folder of fixtures");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| !file.to_string_lossy().ends_with(EXPECTED));
    files.sort();
    assert!(!files.is_empty(), "no fixtures in {folder:?}");
    files
}

fn reading(expected: &Value) -> Reading {
    let kind = match expected["kind"].as_str() {
        None | Some("record") => DocumentKind::Record,
        Some("invocation") => DocumentKind::Invocation,
        Some("metadata") => DocumentKind::Metadata,
        Some("request") => DocumentKind::Request,
        Some("response") => DocumentKind::Response,
        Some(other) => panic!("no such kind: {other}"),
    };
    let mut reading = Reading { kind, ..Reading::default() };
    for option in expected["options"].as_array().into_iter().flatten() {
        match option.as_str() {
            Some("accept_epoch") => reading.options.accept_epoch = true,
            Some("lenient_numbers") => reading.options.lenient_numbers = true,
            Some("allow_double_gzip") => reading.options.allow_double_gzip = true,
            Some("no_facts") => reading.options.facts = false,
            other => panic!("no such option: {other:?}"),
        }
    }
    reading
}

/// Decodes a case in every way; returns its outcome in the readable form.
fn check(file: &Path) -> Value {
    let stored = fs::read(file).expect("a fixture");
    let expected_file = PathBuf::from(format!("{}{EXPECTED}", file.display()));
    let expected: Value = match fs::read(&expected_file) {
        Ok(text) => serde_json::from_slice(&text).expect("an expectation in JSON"),
        Err(_) => json!({}),
    };
    let reading = reading(&expected);
    let outcome = decode(&stored, reading);
    let mut variants = vec![
        ("in chunks of 1 byte", Reading { chunk_bytes: 1, ..reading }),
        ("in chunks of 7 bytes", Reading { chunk_bytes: 7, ..reading }),
        (
            "by the strict reader alone",
            Reading { tuning: DecodeTuning { fast_reader: false, ..reading.tuning }, ..reading },
        ),
    ];
    if expected["piecewise_differs"].is_null() {
        let tuning = DecodeTuning { document_bytes_max: 3, ..reading.tuning };
        variants.push(("piece by piece", Reading { tuning, chunk_bytes: 5, ..reading }));
    }
    for (how, variant) in variants {
        assert_eq!(decode(&stored, variant), outcome, "{file:?} {how}");
    }
    let mut actual = outcome_json(&outcome);
    for name in ["kind", "options", "piecewise_differs", "why"] {
        if !expected[name].is_null() {
            actual[name] = expected[name].clone();
        }
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let text = serde_json::to_string_pretty(&actual).expect("JSON") + "\n";
        fs::write(&expected_file, text).expect("the expectation is written");
    } else {
        assert_eq!(actual, expected, "{file:?}");
    }
    actual
}

#[test]
fn ok_fixtures_decode_to_what_is_expected() {
    for file in cases("ok") {
        let outcome = check(&file);
        assert_eq!(outcome["failure"], Value::Null, "{file:?} belongs to err");
        assert_eq!(outcome["rejects"], json!([]), "{file:?} belongs to err");
    }
}

#[test]
fn err_fixtures_are_refused_for_what_is_expected() {
    for file in cases("err") {
        let outcome = check(&file);
        let is_refused = outcome["failure"] != Value::Null || outcome["rejects"] != json!([]);
        assert!(is_refused, "{file:?} belongs to ok");
    }
}
