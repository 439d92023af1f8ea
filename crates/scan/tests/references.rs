//! References to payload objects: which are followed, what they cost, and which never leave the machine.
//!
//! `run_with` holds every run to seen = resolved + not_needed + missing + archived + refused + failed. Names
//! begin with the row of the fault catalogue.

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use borehole_record::Invocation;
use borehole_scan::ledger::References;
use borehole_scan::{PayloadRoot, Range, Resolve, Source};
use support::{
    MemoryStore, Outcome, aws_key, bucket, folder, gzip, id, lines, options, record, run_with, tokens,
};

/// An output body as Converse gives it.
const OUTPUT: &str =
    r#"{"usage":{"inputTokens":5,"outputTokens":6},"metrics":{"latencyMs":70},"stopReason":"end_turn"}"#;
const INPUT: &str = r#"{"inferenceConfig":{"maxTokens":800}}"#;

/// Of a record of hour 30 whose output body lies at a path.
fn output_at(path: &str) -> String {
    format!(r#","output":{{"outputBodyS3Path":"{path}"}}"#)
}

/// The key of a payload of request `number`, as Bedrock names it.
fn payload_key(number: u64, side: &str) -> String {
    aws_key(30, &format!("data/{}_{side}.json.gz", id(number)))
}

/// A source that stands for the bucket `logs`: one object of records, and payloads.
fn logs(records: &[String], payloads: &[(&str, &[u8])]) -> Arc<MemoryStore> {
    let key = aws_key(30, "x.json");
    let payloads = payloads.iter().map(|(key, bytes)| (*key, bytes.to_vec()));
    Arc::new(MemoryStore::with([(&*key, lines(records))].into_iter().chain(payloads)))
}

fn resolve_with(store: &Arc<MemoryStore>, resolve: Resolve, roots: Vec<PayloadRoot>) -> Outcome {
    let mut options = options();
    options.resolve = resolve;
    options.payload_roots = roots;
    run_with(&[bucket("logs", Arc::clone(store))], Range::default(), &options).expect("the run goes through")
}

fn resolve(store: &Arc<MemoryStore>, mode: Resolve) -> Outcome {
    resolve_with(store, mode, Vec::new())
}

/// The one record of a run with its books.
fn only(outcome: &Outcome) -> (&Invocation, &References) {
    let invocations: Vec<_> = outcome.invocations().collect();
    assert_eq!(invocations.len(), 1, "a reference never costs a record");
    (invocations[0], &outcome.ledger.tally.references)
}

/// Reads one record whose output lies at `path`, without token counts of its own.
fn follow(path: &str, payloads: &[(&str, &[u8])]) -> Outcome {
    resolve(&logs(&[record(30, 5, 0, 1, &output_at(path))], payloads), Resolve::Facts)
}

fn assert_refused(path: &str, reason: &'static str) {
    let store = logs(&[record(30, 5, 0, 1, &output_at(path))], &[]);
    for mode in [Resolve::Never, Resolve::Counts, Resolve::Facts, Resolve::All] {
        let outcome = resolve(&store, mode);
        let (invocation, references) = only(&outcome);
        assert_eq!(references.refused, BTreeMap::from([(reason, 1)]), "{path:?}");
        assert!(invocation.payload_lost, "{path:?} could have given the counts");
        assert!(invocation.output_large);
    }
    // Four runs read the object of records, and nothing else.
    assert_eq!(store.reads.lock().unwrap().values().sum::<u64>(), 4);
}

#[test]
fn g01_a_bucket_that_is_none_of_ours_is_refused_and_named() {
    assert_refused("s3://elsewhere/some/key.json", "bucket");
    let path = output_at("s3://elsewhere/key").replace('{', r#"{"outputTokenCount":2,"#);
    let with_counts = record(30, 5, 0, 1, &format!(r#","input":{{"inputTokenCount":1}}{path}"#));
    let outcome = resolve(&logs(&[with_counts], &[]), Resolve::Facts);
    let (invocation, references) = only(&outcome);
    assert_eq!((invocation.input_tokens.get(), invocation.output_tokens.get()), (Some(1), Some(2)));
    assert!(!invocation.payload_lost, "the counts are known without it");
    assert_eq!(references.unknown_buckets, BTreeMap::from([("elsewhere".to_owned(), 1)]));
}

#[test]
fn g02_look_alikes_of_a_bucket_are_refused() {
    for bucket in
        ["Logs", "logs.", "logs.example.com", "log", "logss", "user:pw@logs", "l\u{43e}gs", " logs", ""]
    {
        assert_refused(&format!("s3://{bucket}/{}", payload_key(1, "output")), "bucket");
    }
}

#[test]
fn g03_other_schemes_are_refused() {
    let paths = [
        "https://logs/key",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "arn:aws:s3:::logs/key",
        "S3://logs/key",
        "s3:/logs/key",
        " s3://logs/key",
        r"s3:\\\\logs\\key",
        "/etc/passwd",
        "../../key",
        "key",
    ];
    for path in paths {
        assert_refused(path, "scheme");
    }
}

#[test]
fn g04_keys_that_climb_or_are_no_keys_are_refused() {
    let long = "x".repeat(1_025);
    let keys =
        ["", "..", "../x", "a/../x", "a/./x", "a//x", "/x", "/etc/passwd", "a/", "a/..", r"a\u0000b", &long];
    for key in keys {
        assert_refused(&format!("s3://logs/{key}"), "key");
    }
    assert_refused("s3://logs", "key");
    // What is not decoded twice is a name like any other.
    let outcome = follow("s3://logs/%2e%2e/x", &[]);
    assert_eq!(only(&outcome).1.missing, 1);
}

#[test]
fn g05_a_key_under_another_account_is_refused() {
    let key = payload_key(1, "output").replace("111122223333", "444455556666");
    assert_refused(&format!("s3://logs/{key}"), "account");
    assert_refused(&format!("s3://logs/below/{key}"), "account");
    let outcome = follow(&format!("s3://logs/{}", payload_key(1, "output")), &[]);
    assert_eq!(only(&outcome).1.missing, 1, "the record's own account is no other");
}

#[test]
fn g06_a_missing_payload_costs_a_fact_and_the_record_says_so() {
    let path = format!("s3://logs/{}", payload_key(1, "output"));
    let lost = follow(&path, &[]);
    assert_eq!(only(&lost).1.missing, 1);
    assert!(only(&lost).0.payload_lost);
    let counted =
        tokens(1, 2).replace(r#""output":{"#, &format!(r#""output":{{"outputBodyS3Path":"{path}","#));
    let failed_call = format!(r#","errorCode":"ThrottlingException"{}"#, output_at(&path));
    let of_input = format!(r#","input":{{"inputBodyS3Path":"{}"}}"#, path.replace("output", "input"));
    for more in [counted, failed_call, of_input] {
        let outcome = resolve(&logs(&[record(30, 5, 0, 1, &more)], &[]), Resolve::Facts);
        let (invocation, references) = only(&outcome);
        assert_eq!(references.missing, 1);
        assert!(!invocation.payload_lost, "no count is unknown for the payload's sake: {more}");
    }
}

#[test]
fn g07_a_payload_that_cannot_be_read_is_failed() {
    let key = payload_key(1, "output");
    let whole = gzip(OUTPUT.as_bytes());
    let outcome = follow(&format!("s3://logs/{key}"), &[(&*key, &whole[..whole.len() - 5])]);
    let (invocation, references) = only(&outcome);
    assert_eq!(references.failed, 1);
    assert!(invocation.payload_lost);
    assert!(!invocation.output_tokens.is_known(), "what was read before the failure is not used");
    assert_eq!(outcome.failed(), [], "a payload is no object of records");
}

#[test]
fn g08_a_payload_is_never_read_as_records_nor_followed_further() {
    // The payload is a log file, with a reference to itself in it.
    let key = payload_key(1, "output");
    let path = format!("s3://logs/{key}");
    let itself = record(30, 5, 0, 1, &output_at(&path));
    let store = logs(std::slice::from_ref(&itself), &[(&*key, itself.as_bytes())]);
    let outcome = resolve(&store, Resolve::All);
    assert_eq!(only(&outcome).1.seen, 1);
    assert_eq!(store.reads_of(&key), 1);
    // A record object may be referred to, too; it is read as a body.
    let store =
        logs(&[record(30, 5, 0, 1, &output_at(&format!("s3://logs/{}", aws_key(30, "x.json"))))], &[]);
    let outcome = resolve(&store, Resolve::All);
    assert_eq!(only(&outcome).1.resolved, 1);
}

#[test]
fn g09_a_payload_that_many_records_share_is_read_once() {
    let key = payload_key(1, "output");
    let path = output_at(&format!("s3://logs/{key}"));
    let records: Vec<_> = (0..500).map(|second| record(30, second / 60, second % 60, 1, &path)).collect();
    let store = logs(&records, &[(&*key, OUTPUT.as_bytes())]);
    let outcome = resolve(&store, Resolve::Facts);
    assert_eq!(outcome.ledger.tally.references.resolved, 500);
    assert_eq!(store.reads_of(&key), 1);
}

#[test]
fn g10_a_payload_that_is_no_json_has_a_size() {
    let key = payload_key(1, "output").replace(".json.gz", "_media_00.pdf");
    let outcome = follow(&format!("s3://logs/{key}"), &[(&*key, b"%PDF-1.7 and more")]);
    let (invocation, references) = only(&outcome);
    assert_eq!((references.resolved, invocation.output_bytes.get()), (1, Some(17)));
}

#[test]
fn g11_a_body_beside_its_path_wins() {
    let both = format!(r#","output":{{"outputBodyS3Path":"s3://logs/x","outputBodyJson":{OUTPUT}}}"#);
    let outcome = resolve(&logs(&[record(30, 5, 0, 1, &both)], &[]), Resolve::All);
    let (invocation, references) = only(&outcome);
    assert_eq!(invocation.output_tokens.get(), Some(6));
    assert_eq!(invocation.output_bytes.get(), Some(OUTPUT.len() as u64));
    assert_eq!(references, &References::default(), "nothing is offloaded");
    assert_eq!(outcome.warnings("ref_and_inline"), 1);
}

#[test]
fn g12_a_payload_of_another_request_gives_its_size_only() {
    let key = payload_key(2, "output");
    let outcome = follow(&format!("s3://logs/{key}"), &[(&*key, OUTPUT.as_bytes())]);
    let (invocation, _) = only(&outcome);
    assert_eq!(outcome.warnings("ref_mismatch"), 1);
    assert_eq!(invocation.output_bytes.get(), Some(OUTPUT.len() as u64));
    assert!(!invocation.output_tokens.is_known() && !invocation.latency_ms.is_known());
}

/// A dump on disk below `root`, in a directory named like its bucket.
fn on_disk(root: &Path, records: &[String], payloads: &[(&str, &[u8])]) {
    let key = aws_key(30, "x.json");
    let text = lines(records);
    for (key, bytes) in payloads.iter().copied().chain([(&*key, &*text)]) {
        let path = root.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn run_on_disk(argument: &Path, roots: Vec<PayloadRoot>) -> Outcome {
    let source = Source::open(argument.to_str().unwrap()).unwrap();
    let mut options = options();
    options.payload_roots = roots;
    run_with(&[source], Range::default(), &options).unwrap()
}

#[test]
fn g13_links_that_leave_the_root_and_things_that_are_no_files_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("logs");
    let keys = [payload_key(1, "link"), payload_key(1, "folder"), payload_key(1, "inside")];
    let records: Vec<_> = keys
        .iter()
        .zip(0..)
        .map(|(key, second)| record(30, 5, second, 1, &output_at(&format!("s3://logs/{key}"))))
        .collect();
    on_disk(&root, &records, &[(&payload_key(1, "output"), OUTPUT.as_bytes())]);
    std::fs::write(place.path().join("secret"), OUTPUT).unwrap();
    symlink(place.path().join("secret"), root.join(&keys[0])).unwrap();
    std::fs::create_dir(root.join(&keys[1])).unwrap();
    symlink(format!("{}_output.json.gz", id(1)), root.join(&keys[2])).unwrap();
    let references = run_on_disk(&root, Vec::new()).ledger.tally.references;
    // Where the kernel has no openat2, no link is followed at all.
    let (refused, resolved) = if references.resolved == 1 { (2, 1) } else { (3, 0) };
    assert_eq!((references.refused, references.resolved), (BTreeMap::from([("path", refused)]), resolved));
}

#[test]
fn g14_a_root_stands_for_no_bucket_whose_name_begins_alike() {
    let place = tempfile::tempdir().unwrap();
    let key = payload_key(1, "output");
    on_disk(
        &place.path().join("logs"),
        &[record(30, 5, 0, 1, &output_at(&format!("s3://logs-secret/{key}")))],
        &[],
    );
    on_disk(&place.path().join("logs-secret"), &[], &[(&key, OUTPUT.as_bytes())]);
    let outcome = run_on_disk(&place.path().join("logs"), Vec::new());
    assert_eq!(only(&outcome).1.refused, BTreeMap::from([("bucket", 1)]));
}

#[test]
fn a_bucket_is_found_on_the_way_to_a_layout_below_the_root_and_by_its_root_s_name() {
    let key = payload_key(1, "output");
    for (bucket, source) in [("logs", "logs"), ("logs", ""), ("logs", "outer"), ("inner", "outer")] {
        let place = tempfile::tempdir().unwrap();
        let root = match source {
            "logs" => place.path().join("logs"),
            "" => place.path().join("logs"),
            _ => place.path().join("outer/a").join(bucket),
        };
        let records = [record(30, 5, 0, 1, &output_at(&format!("s3://{bucket}/{key}")))];
        on_disk(&root, &records, &[(&key, OUTPUT.as_bytes())]);
        let outcome = run_on_disk(&place.path().join(source), Vec::new());
        assert_eq!(only(&outcome).1.resolved, 1, "{bucket} below {source:?}");
        assert_eq!(only(&outcome).0.output_tokens.get(), Some(6));
    }
}

#[test]
fn a_map_with_a_prefix_takes_keys_below_it_and_no_others() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("below")).unwrap();
    let name = format!("{}.json", id(1));
    std::fs::write(place.path().join("below").join(&name), OUTPUT).unwrap();
    let map = |from: &str| PayloadRoot::map(&format!("{from}={}", place.path().join("below").display()));
    for (from, path, found) in [
        ("s3://big", format!("s3://big/{name}"), true),
        ("s3://big/", format!("s3://big/{name}"), true),
        ("s3://big/pre/fix", format!("s3://big/pre/fix/{name}"), true),
        ("s3://big/pre/fix/", format!("s3://big/pre/fix/{name}"), true),
        ("s3://big/pre", format!("s3://big/prefix/{name}"), false),
        ("s3://big/pre", format!("s3://big/{name}"), false),
    ] {
        let store = logs(&[record(30, 5, 0, 1, &output_at(&path))], &[]);
        let outcome = resolve_with(&store, Resolve::Facts, vec![map(from).unwrap()]);
        let references = only(&outcome).1;
        assert_eq!(
            (references.resolved, references.missing),
            (u64::from(found), u64::from(!found)),
            "{from} {path}"
        );
    }
    for wrong in ["big", "https://big", "s3://", "s3:///x"] {
        assert!(map(wrong).is_err(), "{wrong}");
    }
    assert!(PayloadRoot::map("s3://big").is_err());
    assert!(PayloadRoot::map("s3://big=").is_err());
}

#[test]
fn each_mode_reads_what_it_says() {
    let (input, output) = (payload_key(1, "input"), payload_key(1, "output"));
    let sides = |counts: [&str; 2]| {
        format!(
            r#","input":{{{}"inputBodyS3Path":"s3://logs/{input}"}},"output":{{{}"outputBodyS3Path":"s3://logs/{output}"}}"#,
            counts[0], counts[1]
        )
    };
    let without = sides(["", ""]);
    let with = sides([r#""inputTokenCount":1,"#, r#""outputTokenCount":2,"#]);
    for (mode, more, resolved, counts, max_tokens) in [
        (Resolve::Never, &without, 0, (None, None), None),
        (Resolve::Counts, &without, 1, (Some(5), Some(6)), None),
        (Resolve::Counts, &with, 0, (Some(1), Some(2)), None),
        (Resolve::Facts, &with, 2, (Some(1), Some(2)), Some(800)),
        (Resolve::All, &without, 2, (Some(5), Some(6)), Some(800)),
    ] {
        let payloads: [(&str, &[u8]); 2] = [(&input, INPUT.as_bytes()), (&output, OUTPUT.as_bytes())];
        let store = logs(&[record(30, 5, 0, 1, more)], &payloads);
        let outcome = resolve(&store, mode);
        let (invocation, references) = only(&outcome);
        assert_eq!(
            (references.seen, references.resolved, references.not_needed),
            (2, resolved, 2 - resolved),
            "{mode:?}"
        );
        assert_eq!((invocation.input_tokens.get(), invocation.output_tokens.get()), counts, "{mode:?}");
        assert_eq!(invocation.max_tokens.get(), max_tokens, "{mode:?}");
        assert!(invocation.input_large && invocation.output_large && !invocation.payload_lost);
        assert_eq!(store.reads_of(&input) + store.reads_of(&output), resolved);
    }
}

#[test]
fn a_failed_call_s_payload_is_no_matter_of_counts() {
    let key = payload_key(1, "output");
    let more = format!(r#","errorCode":"ModelErrorException"{}"#, output_at(&format!("s3://logs/{key}")));
    let outcome =
        resolve(&logs(&[record(30, 5, 0, 1, &more)], &[(&key, OUTPUT.as_bytes())]), Resolve::Counts);
    assert_eq!(only(&outcome).1.not_needed, 1);
}

/// A request of the split layout of hour 30 (06:05 on 2024-03-12) and payloads under conventional keys.
fn split(more: &str, payloads: &[(&str, &str)], mode: Resolve) -> Outcome {
    let key = format!("{}/model-invocations/{}-invocation.json", folder(30), id(1));
    let payloads: Vec<_> = payloads
        .iter()
        .map(|(day, text)| (format!("2024/03/{day}/{}/payload.json", id(1)), text.as_bytes().to_vec()))
        .collect();
    let objects = payloads.iter().map(|(key, bytes)| (&**key, bytes.clone()));
    let record = lines([record(30, 5, 0, 1, more)]);
    let store = MemoryStore::with([(&*key, record)].into_iter().chain(objects));
    resolve(&Arc::new(store), mode)
}

#[test]
fn a_conventional_payload_is_found_on_the_day_before_or_after_and_its_absence_is_not_missing() {
    for (days, found) in
        [(&["12"][..], 1), (&["11"], 1), (&["13"], 1), (&["11", "12", "13"], 1), (&["10", "14"], 0), (&[], 0)]
    {
        let payloads: Vec<_> = days.iter().map(|day| (*day, INPUT)).collect();
        let outcome = split("", &payloads, Resolve::Facts);
        let (invocation, references) = only(&outcome);
        assert_eq!((references.seen, references.resolved, references.missing), (found, found, 0), "{days:?}");
        assert_eq!((invocation.input_large, invocation.output_large), (found == 1, found == 1));
    }
    // The day itself comes first.
    let outcome = split("", &[("11", "\"before\""), ("12", INPUT), ("13", "\"after\"")], Resolve::Facts);
    assert_eq!(only(&outcome).0.input_bytes.get(), Some(INPUT.len() as u64));
}

#[test]
fn a_wrapped_conventional_payload_gives_both_sides() {
    let wrapped = format!(r#"{{"input":{INPUT},"output":{OUTPUT}}}"#);
    for mode in [Resolve::Counts, Resolve::Facts, Resolve::All] {
        let outcome = split("", &[("12", &wrapped)], mode);
        let (invocation, references) = only(&outcome);
        assert_eq!(references.resolved, 1, "one reference for both sides");
        assert_eq!(invocation.input_bytes.get(), Some(INPUT.len() as u64));
        assert_eq!(invocation.output_bytes.get(), Some(OUTPUT.len() as u64));
        assert_eq!((invocation.output_tokens.get(), invocation.max_tokens.get()), (Some(6), Some(800)));
    }
}

#[test]
fn an_offloaded_body_tells_the_split_of_cache_writes_and_its_images_and_documents() {
    let input = r#"{"messages":[{"content":[{"image":{}},{"image":{}},{"document":{}}]}]}"#;
    let output =
        r#"{"usage":{"inputTokens":5,"outputTokens":6,"cacheDetails":[{"ttl":"1h","inputTokens":4}]}}"#;
    let wrapped = format!(r#"{{"input":{input},"output":{output}}}"#);
    let details = |invocation: &Invocation| {
        let split = [invocation.cache_write_5m_tokens, invocation.cache_write_1h_tokens];
        (split.map(|count| count.get()), invocation.images, invocation.documents)
    };
    let outcome = split("", &[("12", &wrapped)], Resolve::Facts);
    assert_eq!(details(only(&outcome).0), ([Some(0), Some(4)], 2, 1));
    // What is inline wins, and is never mixed with what is offloaded.
    let own = r#","input":{"inputBodyJson":{"messages":[{"content":[{"image":{}}]}]}},"output":{"outputBodyS3Path":""#;
    let key = payload_key(1, "output");
    let outcome = resolve(
        &logs(&[record(30, 5, 0, 1, &format!(r#"{own}s3://logs/{key}"}}"#))], &[(&*key, output.as_bytes())]),
        Resolve::Facts,
    );
    assert_eq!(details(only(&outcome).0), ([Some(0), Some(4)], 1, 0));
}

#[test]
fn a_raw_conventional_payload_is_the_body_of_the_side_that_lacks_one() {
    let input_is_there = format!(r#","input":{{"inputBodyJson":{INPUT}}}"#);
    let outcome = split(&input_is_there, &[("12", OUTPUT)], Resolve::Facts);
    let (invocation, _) = only(&outcome);
    assert_eq!((invocation.input_tokens.get(), invocation.output_tokens.get()), (Some(5), Some(6)));
    assert_eq!(invocation.output_bytes.get(), Some(OUTPUT.len() as u64));
    assert!(!invocation.input_large && invocation.output_large);
    let outcome = split("", &[("12", INPUT)], Resolve::Facts);
    assert_eq!(only(&outcome).0.max_tokens.get(), Some(800));
}

#[test]
fn a_conventional_payload_is_not_looked_for_where_nothing_lacks() {
    let bodies = format!(r#","input":{{"inputBodyJson":{INPUT}}},"output":{{"outputBodyJson":{OUTPUT}}}"#);
    let error = r#","errorCode":"ValidationException""#;
    for more in [&*bodies, error] {
        let outcome = split(more, &[("12", INPUT)], Resolve::All);
        let (invocation, references) = only(&outcome);
        assert_eq!(references.seen, 0, "{more}");
        assert!(!invocation.input_large && !invocation.output_large);
    }
}

#[test]
fn a_conventional_payload_is_not_needed_where_counts_are_known_or_nothing_is_read() {
    for (more, mode) in [("", Resolve::Never), (&*tokens(1, 2), Resolve::Counts)] {
        let outcome = split(more, &[("12", OUTPUT)], mode);
        let (invocation, references) = only(&outcome);
        assert_eq!((references.seen, references.not_needed), (1, 1));
        assert!(invocation.input_large && invocation.output_large && !invocation.payload_lost);
    }
}

#[test]
fn a_broken_conventional_payload_is_failed_and_its_counts_are_lost() {
    let outcome = split("", &[("12", "\u{1f}\u{8b}")], Resolve::Facts);
    // Not gzip after all: the second character is two bytes in UTF-8. It is a body that is no JSON.
    assert_eq!(only(&outcome).1.resolved, 1);
    let key = format!("{}/model-invocations/{}-invocation.json", folder(30), id(1));
    let payload = format!("2024/03/12/{}/payload.json.gz", id(1));
    let whole = gzip(OUTPUT.as_bytes());
    let store =
        MemoryStore::with([(&*key, lines([record(30, 5, 0, 1, "")])), (&*payload, whole[..20].to_vec())]);
    let outcome = resolve(&Arc::new(store), Resolve::Counts);
    assert_eq!(only(&outcome).1.failed, 1);
    assert!(only(&outcome).0.payload_lost);
}

#[test]
fn a_large_data_directory_is_searched_for_conventional_keys_below_any_prefix() {
    for prefix in ["", "team/"] {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(format!("{prefix}2024/03/12/{}/payload.json", id(1)));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, INPUT).unwrap();
        let key = format!("{}/model-invocations/{}-invocation.json", folder(30), id(1));
        let store = Arc::new(MemoryStore::with([(&*key, lines([record(30, 5, 0, 1, "")]))]));
        let root = PayloadRoot::large_data(place.path()).unwrap();
        let outcome = resolve_with(&store, Resolve::Facts, vec![root]);
        assert_eq!(only(&outcome).1.resolved, 1, "{prefix:?}");
    }
}

#[test]
fn g01_of_very_many_unknown_buckets_the_first_names_are_kept_with_their_counts() {
    let name = |number: u64| format!("bucket-{:02}", number * 7 % 40);
    let records: Vec<_> = (0..80)
        .map(|number| record(30, 5, 0, number, &output_at(&format!("s3://{}/key", name(number)))))
        .collect();
    let outcome = resolve(&logs(&records, &[]), Resolve::Facts);
    let references = &outcome.ledger.tally.references;
    assert_eq!(references.refused, BTreeMap::from([("bucket", 80)]));
    let expected: BTreeMap<_, _> = (0..16).map(|number| (format!("bucket-{number:02}"), 2)).collect();
    assert_eq!(references.unknown_buckets, expected);
}
