//! What holds of whole dumps: determinism, coverage of the traps, balances, and agreement with a naive re-read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;

use serde_json::Value;

use super::*;

fn small(layout: Layout) -> Options {
    Options { layout, requests: 300, seed: 42, ..Options::default() }
}

/// All files below a directory by their relative path, `truth.json` too.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn generated(options: &Options) -> (BTreeMap<PathBuf, Vec<u8>>, Value, Summary) {
    let dir = tempfile::tempdir().unwrap();
    let summary = generate(dir.path(), options, &mut |_| ()).unwrap();
    let files = tree(dir.path());
    let truth = serde_json::from_slice(&files[Path::new(TRUTH_FILE)]).unwrap();
    (files, truth, summary)
}

fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn number(value: &Value, pointer: &str) -> u64 {
    at(value, pointer).as_u64().unwrap_or_else(|| panic!("no number at {pointer}"))
}

fn sum(value: &Value, pointer: &str) -> u64 {
    at(value, pointer).as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
}

/// The decoded bytes of a file: every gzip member, trailing zeros ignored.
#[expect(clippy::disallowed_types, reason = "the members are stepped through one by one here")]
fn decoded(stored: &[u8]) -> Vec<u8> {
    let mut rest = stored;
    let mut content = Vec::new();
    if !rest.starts_with(&[0x1f, 0x8b]) {
        return rest.to_vec();
    }
    while rest.iter().any(|&byte| byte != 0) {
        let mut member = flate2::bufread::GzDecoder::new(rest);
        member.read_to_end(&mut content).unwrap();
        rest = member.into_inner();
    }
    content
}

/// The JSON values of an object, the elements of an array for themselves. Only for dumps without bad lines.
fn documents(content: &[u8]) -> Vec<Value> {
    // What this parser refuses and ours must not: a lone surrogate, and depth.
    let text = String::from_utf8_lossy(content).replace(r"odd \ud800 end", "odd ? end");
    let text = text.replace(&"[".repeat(100), "[").replace(&"]".repeat(100), "]");
    let text = text.trim_start_matches('\u{feff}');
    let mut found = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        match value.unwrap() {
            Value::Array(elements) => found.extend(elements),
            other => found.push(other),
        }
    }
    found
}

fn is_record_object(path: &Path) -> bool {
    let path = path.to_str().unwrap();
    !path.contains("/data/")
        && !path.ends_with("payload.json")
        && path.contains(".json")
        && path != TRUTH_FILE
}

#[test]
fn the_same_options_give_the_same_bytes_and_another_seed_gives_others() {
    for layout in [Layout::Aws, Layout::Split] {
        let options = small(layout);
        let first = generated(&options);
        assert_eq!(first, generated(&options));
        assert_ne!(first.0, generated(&Options { seed: 43, ..options }).0);
    }
}

#[test]
fn a_directory_that_is_not_empty_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { requests: 20, ..small(Layout::Split) };
    generate(dir.path(), &options, &mut |_| ()).unwrap();
    let before = tree(dir.path());
    let error = generate(dir.path(), &options, &mut |_| ()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert!(error.to_string().contains("earlier dump"));
    assert_eq!(tree(dir.path()), before);

    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("notes.txt"), "mine").unwrap();
    let error = generate(other.path(), &options, &mut |_| ()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(tree(other.path()).len(), 1);
}

#[test]
fn options_without_sense_are_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let good = Options::default();
    let bad = [
        Options { to_seconds: good.from_seconds, ..good.clone() },
        Options { from_seconds: 0, ..good.clone() },
        Options { accounts: 0, ..good.clone() },
        Options { regions: Vec::new(), ..good.clone() },
        Options { regions: vec!["../up".to_owned()], ..good.clone() },
        Options { regions: vec!["us-east-1".to_owned(), "us-east-1".to_owned()], ..good.clone() },
        Options { models: vec!["a\"b".to_owned()], ..good.clone() },
        Options { records_per_object: Some(0), ..good.clone() },
        Options { gzip_level: 10, ..good.clone() },
        Options { accounts: 10_001, ..good },
    ];
    for options in bad {
        let error = generate(&dir.path().join("new"), &options, &mut |_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{options:?}");
    }
    assert!(!dir.path().join("new").exists());
}

#[test]
fn the_default_dump_holds_every_trap() {
    for (layout, kinds) in [(Layout::Aws, 63), (Layout::Split, 64)] {
        let options = Options { layout, ..Options::default() };
        let mut random = Random::new(options.seed);
        let traffic = Traffic::plan(&options, vec![5, 3, 2], layout == Layout::Aws, &mut random);
        let laid = traps::schedule(&options, &traffic, 3, &mut random);
        let kinds_laid: BTreeSet<String> =
            laid.values().flatten().map(|laid| format!("{:?}", laid.trap)).collect();
        // One is listed twice, for both ways of finding a payload.
        assert_eq!(kinds_laid.len(), kinds - 1, "{layout:?}");
    }
}

#[test]
fn the_default_dump_shows_every_kind_of_thing_in_its_truth() {
    let common = ["stray", "time_outlier", "int_as_float", "utf8_in_body", "ref_and_inline", "tag_type"];
    let own: [(Layout, &[&str], &[&str]); 2] = [
        (
            Layout::Aws,
            &["no_request_id", "key_mismatch", "empty_object", "ext_mismatch", "gz_zero_padding"],
            &["sidecar", "permission_marker", "own_file"],
        ),
        (
            Layout::Split,
            &["document_conflict", "document_superseded", "ext_mismatch"],
            &["payload", "own_file"],
        ),
    ];
    for (layout, warnings, skips) in own {
        let (_, truth, _) = generated(&small(layout));
        for code in common.iter().chain(warnings).chain(&["timestamp_no_offset"]) {
            assert!(number(&truth, &format!("/resolved/health/warnings/{code}")) > 0, "{layout:?} {code}");
        }
        for reason in skips {
            assert!(number(&truth, &format!("/resolved/health/objects/skipped/{reason}")) > 0, "{reason}");
        }
        for reason in ["bucket", "scheme", "key"] {
            assert!(number(&truth, &format!("/resolved/health/references/refused/{reason}")) > 0);
        }
        for pointer in [
            "/resolved/health/records/duplicate",
            "/resolved/health/references/missing",
            "/resolved/health/references/resolved",
            "/resolved/totals/requests/throttled",
            "/resolved/totals/tokens_on_errors/output",
            "/resolved/totals/tokens/cache_write",
        ] {
            assert!(number(&truth, pointer) > 0, "{layout:?} {pointer}");
        }
        for kind in body::KIND_NAMES {
            assert!(number(&truth, &format!("/resolved/totals/payloads/content/{kind}")) > 0, "{kind}");
        }
        let scopes: BTreeSet<&str> = at(&truth, "/resolved/groups")
            .as_array()
            .unwrap()
            .iter()
            .map(|group| at(group, "/key/scope").as_str().unwrap())
            .collect();
        assert!(scopes.is_superset(&BTreeSet::from(["on-demand", "geo", "global", "application-profile"])));
        assert!(at(&truth, "/resolved/health/coverage/0/gaps/0").is_object());
        // What lies in payload objects is known in one reading only.
        assert!(
            number(&truth, "/resolved/totals/tokens/output_known")
                > number(&truth, "/unresolved/totals/tokens/output_known")
        );
        assert_eq!(at(&truth, "/resolved/complete"), &Value::Bool(true));
        assert_eq!(at(&truth, "/unresolved/complete"), &Value::Bool(true));
    }
}

#[test]
fn an_unclean_dump_holds_every_reason_to_reject() {
    for layout in [Layout::Aws, Layout::Split] {
        let (_, truth, _) = generated(&Options { clean: false, ..small(layout) });
        let mut reasons = vec![
            "json_syntax",
            "json_truncated",
            "duplicate_key",
            "field_utf8",
            "field_too_long",
            "too_deep",
            "not_a_record",
            "token_count_type",
            "token_count_range",
            "field_type",
            "timestamp",
        ];
        reasons.push(if layout == Layout::Aws { "not_an_object" } else { "request_id_mismatch" });
        for reason in reasons {
            assert!(number(&truth, &format!("/resolved/health/documents/rejected/{reason}")) > 0, "{reason}");
        }
        assert!(number(&truth, "/resolved/health/records/rejected/timestamp") > 0);
        assert!(number(&truth, "/resolved/health/records/rejected/model_id") > 0);
        assert_eq!(number(&truth, "/resolved/health/counts_lost"), 1);
        assert_eq!(at(&truth, "/resolved/complete"), &Value::Bool(false));
    }
}

#[test]
fn the_books_of_every_truth_balance() {
    let cases = [
        small(Layout::Aws),
        small(Layout::Split),
        Options { clean: false, profile: Profile::Mixed, requests: 400, ..small(Layout::Aws) },
        Options { clean: false, gzip: true, requests: 400, ..small(Layout::Split) },
        Options { records_per_object: Some(1), requests: 300, ..small(Layout::Aws) },
        Options { traps: false, requests: 0, ..small(Layout::Aws) },
        Options { requests: 200, to_seconds: DEFAULT_DAY_SECONDS + 1_000, ..small(Layout::Split) },
        Options { requests: 200, to_seconds: DEFAULT_DAY_SECONDS + 1_000, accounts: 1, ..small(Layout::Aws) },
    ];
    for options in cases {
        let (_, truth, summary) = generated(&options);
        for reading in ["resolved", "unresolved"] {
            let health = &truth[reading]["health"];
            assert_eq!(
                number(health, "/objects/listed"),
                number(health, "/objects/read")
                    + sum(health, "/objects/skipped")
                    + sum(health, "/objects/failed")
            );
            assert_eq!(
                number(health, "/documents/found"),
                number(health, "/documents/decoded") + sum(health, "/documents/rejected")
            );
            assert_eq!(
                number(health, "/documents/decoded"),
                number(health, "/records/decoded") + number(health, "/documents/joined")
            );
            assert_eq!(
                number(health, "/records/decoded"),
                number(health, "/records/counted")
                    + number(health, "/records/duplicate")
                    + sum(health, "/records/filtered")
                    + sum(health, "/records/rejected"),
                "{options:?}"
            );
            assert_eq!(
                number(health, "/references/seen"),
                ["resolved", "not_needed", "missing", "archived", "failed"]
                    .iter()
                    .map(|end| number(health, &format!("/references/{end}")))
                    .sum::<u64>()
                    + sum(health, "/references/refused")
            );
            let groups = truth[reading]["groups"].as_array().unwrap();
            for pointer in ["/requests/attempted", "/tokens/input", "/tokens/prompt", "/payloads/large/bytes"]
            {
                let parts: u64 = groups.iter().map(|group| number(group, pointer)).sum();
                assert_eq!(parts, number(&truth[reading]["totals"], pointer), "{pointer}");
            }
            assert_eq!(
                number(health, "/records/counted"),
                number(&truth[reading]["totals"], "/requests/attempted")
            );
        }
        assert_eq!(summary.requests, number(&truth, "/resolved/health/records/counted"));
    }
}

#[test]
fn objects_bytes_and_documents_are_those_on_disk() {
    for layout in [Layout::Aws, Layout::Split] {
        let (files, truth, summary) = generated(&small(layout));
        let health = &truth["resolved"]["health"];
        let dump: Vec<_> = files.iter().filter(|(path, _)| *path != Path::new(TRUTH_FILE)).collect();
        let records: Vec<_> = dump.iter().filter(|(path, _)| is_record_object(path)).collect();
        let stored: u64 = dump.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        assert_eq!(number(health, "/objects/listed"), dump.len() as u64 + 1);
        assert_eq!(number(health, "/objects/read"), records.len() as u64);
        assert_eq!(number(health, "/bytes/listed"), stored);
        assert_eq!((summary.objects, summary.stored_bytes), (dump.len() as u64, stored));

        let contents: Vec<Vec<u8>> = records.iter().map(|(_, bytes)| decoded(bytes)).collect();
        let decoded_bytes: u64 = contents.iter().map(|content| content.len() as u64).sum();
        assert_eq!(number(health, "/bytes/decompressed"), decoded_bytes);
        assert_eq!(summary.decoded_bytes, decoded_bytes);
        let found: usize = contents.iter().map(|content| documents(content).len()).sum();
        assert_eq!(number(health, "/documents/found"), found as u64);
    }
}

/// Without traps and offloaded bodies a reader of a dozen lines is right: one record a line, ids compared.
#[test]
fn a_naive_reader_of_a_plain_dump_agrees_with_the_truth() {
    let options = Options { traps: false, offloaded_per_mille: 0, ..small(Layout::Aws) };
    let (files, truth, _) = generated(&options);
    let mut best: BTreeMap<String, Value> = BTreeMap::new();
    let mut copies = 0;
    for (_, bytes) in files.iter().filter(|(path, _)| is_record_object(path)) {
        for record in documents(&decoded(bytes)) {
            let id = record["requestId"].as_str().unwrap().to_owned();
            let is_better = |old: &Value| {
                record["input"]["inputTokenCount"].is_u64() && old["input"]["inputTokenCount"].is_null()
            };
            match best.get(&id) {
                Some(old) if !is_better(old) => copies += 1,
                Some(_) => {
                    copies += 1;
                    best.insert(id, record);
                }
                None => drop(best.insert(id, record)),
            }
        }
    }
    let totals = &truth["resolved"]["totals"];
    assert_eq!(best.len() as u64, options.requests);
    assert_eq!(number(totals, "/requests/attempted"), options.requests);
    assert_eq!(number(&truth, "/resolved/health/records/duplicate"), copies);
    assert!(copies > 0);

    let throttled = best.values().filter(|record| record["errorCode"] == "ThrottlingException").count();
    assert_eq!(number(totals, "/requests/throttled"), throttled as u64);
    let count = |record: &Value, side: &str, name: &str| record[side][name].as_u64();
    let inputs: Vec<u64> =
        best.values().filter_map(|record| count(record, "input", "inputTokenCount")).collect();
    assert_eq!(number(totals, "/tokens/input"), inputs.iter().sum::<u64>());
    assert_eq!(number(totals, "/tokens/input_known"), inputs.len() as u64);
    assert_eq!(
        number(totals, "/high_token/by_input/requests"),
        inputs.iter().filter(|&&tokens| tokens > 25_000).count() as u64
    );
    let outputs = best.values().filter_map(|record| count(record, "output", "outputTokenCount"));
    assert_eq!(number(totals, "/tokens/output"), outputs.sum::<u64>());

    // Minutes by the text of the timestamp; sixty seconds by looking at every second.
    let mut by_minute: BTreeMap<&str, u64> = BTreeMap::new();
    let mut by_second: BTreeMap<u64, u64> = BTreeMap::new();
    for record in best.values() {
        let time = record["timestamp"].as_str().unwrap();
        *by_minute.entry(&time[..16]).or_default() += 1;
        let digits = |from: usize| time[from..from + 2].parse::<u64>().unwrap();
        *by_second.entry(digits(11) * 3_600 + digits(14) * 60 + digits(17)).or_default() += 1;
    }
    let peak = *by_minute.values().max().unwrap();
    let minute = by_minute.iter().find(|(_, count)| **count == peak).unwrap().0;
    assert_eq!(number(totals, "/requests_per_minute/peak"), peak);
    assert_eq!(at(totals, "/requests_per_minute/peak_minute"), &Value::from(format!("{minute}:00Z")));
    let sliding =
        by_second.keys().map(|&second| by_second.range(second..second + 60).map(|(_, n)| n).sum::<u64>());
    assert_eq!(number(totals, "/requests_per_minute/peak_sliding_60s"), sliding.max().unwrap());
    let average = options.requests as f64 / by_minute.len() as f64;
    let told = at(totals, "/requests_per_minute/average").as_f64().unwrap();
    assert!((told - average).abs() <= 0.000_000_5, "{told} {average}");
}

/// The documents of the split layout, joined by id alone where nothing is doubled.
#[test]
fn a_naive_join_of_a_plain_split_dump_agrees_with_the_truth() {
    let options =
        Options { traps: false, offloaded_per_mille: 0, duplicates_per_mille: 0, ..small(Layout::Split) };
    let (files, truth, _) = generated(&options);
    let mut by_id: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for (path, bytes) in files.iter().filter(|(path, _)| is_record_object(path)) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let kind = path.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        by_id.entry(name[..36].to_owned()).or_default().insert(kind, documents(bytes).remove(0));
    }
    let totals = &truth["resolved"]["totals"];
    assert_eq!(number(totals, "/requests/attempted"), by_id.len() as u64);
    let joined: usize = by_id.values().map(|documents| documents.len() - 1).sum();
    assert_eq!(number(&truth, "/resolved/health/documents/joined"), joined as u64);
    let throttles = by_id
        .values()
        .filter(|documents| documents["model-invocations"]["errorCode"] == "ThrottlingException");
    assert_eq!(number(totals, "/requests/throttled"), throttles.count() as u64);
    let mut status: BTreeMap<String, u64> = BTreeMap::new();
    for documents in by_id.values() {
        if let Some(code) = documents.get("responses").map(|response| response["status"].to_string()) {
            *status.entry(code).or_default() += 1;
        }
    }
    assert_eq!(at(totals, "/responses/status"), &serde_json::to_value(status).unwrap());
    let latencies: Vec<u64> = by_id
        .values()
        .filter(|documents| documents["model-invocations"]["errorCode"].is_null())
        .filter_map(|documents| documents.get("metadata")?["latencyMs"].as_u64())
        .collect();
    // Others have the body's figure.
    assert!(number(totals, "/distributions/latency_ms/count") >= latencies.len() as u64);
    assert!(number(totals, "/distributions/latency_ms/max") >= *latencies.iter().max().unwrap());
}

#[test]
fn a_stray_lies_fifteen_hours_from_its_folder_and_is_counted() {
    let options = Options { traps: false, strays: 4, late_per_mille: 0, gaps: 0, ..small(Layout::Aws) };
    let (files, truth, _) = generated(&options);
    let mut far = 0;
    for (path, bytes) in files.iter().filter(|(path, _)| is_record_object(path)) {
        let folder = path.parent().unwrap().to_str().unwrap();
        let folder_hour: i64 = folder[folder.len() - 2..].parse().unwrap();
        for record in documents(&decoded(bytes)) {
            let time = record["timestamp"].as_str().unwrap();
            let hour: i64 = time[11..13].parse().unwrap();
            let is_same_day = folder[folder.len() - 13..folder.len() - 3].replace('/', "-") == time[..10];
            far += u64::from(is_same_day && (hour - folder_hour).abs() == 15);
        }
    }
    // Hours 9 to 14 have no folder fifteen hours away within the day; theirs lie elsewhere.
    assert!(far > 0);
    assert_eq!(number(&truth, "/resolved/health/warnings/stray"), 4);
    assert_eq!(number(&truth, "/resolved/totals/requests/attempted"), options.requests);
}

#[test]
fn copies_in_neighbouring_hours_are_dropped_and_two_hours_apart_kept() {
    let tally_of = |trap: Trap| {
        let options = Options { requests: 0, ..small(Layout::Aws) };
        let mut world = World::new(&options);
        let hour_end = DEFAULT_DAY_SECONDS + 11 * HOUR - 1;
        let request = world.plain(0, hour_end, "Converse", body::Dialect::Converse);
        let entry = Entry { account: None, region: None, folders: BTreeSet::new() };
        let mut tally = Tally::new(vec![entry], options.to_seconds);
        for copy in copies_in_time(trap, &request) {
            let folder = copy.seconds.div_euclid(HOUR);
            tally.record(copy.sighting(request::Parts::RECORD, None, None), 0, folder);
        }
        tally.finish();
        (tally.resolved.counted, tally.resolved.duplicate, tally.resolved.totals.output_known)
    };
    assert_eq!(tally_of(Trap::BorderPair { is_later_better: true }), (1, 1, 1));
    assert_eq!(tally_of(Trap::BorderPair { is_later_better: false }), (1, 1, 1));
    // The first falls to the second, though the second falls to the third.
    assert_eq!(tally_of(Trap::Chain), (1, 2, 1));
    assert_eq!(tally_of(Trap::TwoHoursApart), (2, 0, 2));
}

#[test]
fn a_model_that_was_asked_for_is_the_only_one_without_traps() {
    let model = "mistral.mistral-large-2402-v1:0".to_owned();
    let options = Options { models: vec![model.clone()], traps: false, requests: 50, ..small(Layout::Aws) };
    let (_, truth, _) = generated(&options);
    for group in at(&truth, "/resolved/groups").as_array().unwrap() {
        assert_eq!(at(group, "/key/model").as_str(), Some(model.as_str()));
    }
}

#[test]
fn progress_ends_with_the_number_of_requests() {
    let dir = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    let options = Options { requests: 2_100, ..small(Layout::Aws) };
    generate(dir.path(), &options, &mut |done| told.push(done)).unwrap();
    assert_eq!(told, [1_024, 2_048, 2_100]);
}
