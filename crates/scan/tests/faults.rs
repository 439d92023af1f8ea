//! Objects that fail: each counts whole or not at all, and the books balance whatever happens.
//!
//! `run` itself holds every run to its balances. Names begin with the row of the fault catalogue.

mod support;

use std::sync::Arc;

use borehole_record::Invocation;
use borehole_scan::{Error, Range};
use borehole_store::ReadFailure;
use support::{
    Fault, MemoryStore, Outcome, aws_key, folder, gzip, hour, id, lines, options, record, run, run_noting,
    run_with, source, tokens,
};

/// Records of one object, with request ids from `first` on, in the hour of the folder.
fn some(folder: i64, first: u64, count: u64) -> Vec<u8> {
    lines((first..first + count).map(|number| record(folder, 5, 0, number, &tokens(1, 2))))
}

fn salvage(store: MemoryStore) -> Outcome {
    let mut options = options();
    options.salvage = true;
    run_with(&[source(Arc::new(store))], Range::default(), &options).expect("the run goes through")
}

/// One object under a record key, read with and without `--salvage`.
fn both(name: &str, bytes: &[u8]) -> [Outcome; 2] {
    let key = aws_key(30, name);
    let store = || MemoryStore { chunk_bytes: 7, ..MemoryStore::with([(&*key, bytes.to_vec())]) };
    [run(store()), salvage(store())]
}

/// Fails with this reason and counts nothing; salvages so many records, which leaves the failure in the books.
fn assert_salvages(outcomes: &[Outcome; 2], reason: &str, records: u64) {
    let [strict, salvaged] = outcomes;
    assert_eq!(strict.failed(), [(reason, 1)]);
    assert_eq!((strict.counted(), strict.ledger.salvaged), (0, 0));
    assert_eq!(salvaged.failed(), [(reason, 1)]);
    assert_eq!(salvaged.counted(), records);
    assert_eq!(salvaged.ledger.salvaged, u64::from(records > 0));
    assert_eq!(salvaged.ledger.objects_read, 0);
}

#[test]
fn whichever_read_fails_the_others_count_whole() {
    let keys: Vec<String> =
        (0..6).map(|number| aws_key(30 + number / 2, &format!("{number}.json"))).collect();
    for failing_read in 1..=6 {
        // Objects of 1, 2, 4, 8, 16 and 32 records, so that a sum names its parts.
        let objects = keys
            .iter()
            .zip(0..)
            .map(|(key, number)| (&**key, some(30 + number / 2, 100 << number, 1 << number)));
        let store =
            MemoryStore { failing_read: Some(failing_read), chunk_bytes: 50, ..MemoryStore::with(objects) };
        let outcome = run(store);
        assert_eq!(outcome.failed(), [("io", 1)]);
        let [line] = &outcome.ledger.lines[..] else { panic!("one line for one failure") };
        let lost = keys.iter().position(|key| key.as_bytes() == &*line.key).expect("a key of ours");
        assert_eq!((line.class, line.reason), ("object_failed", "io"));
        assert_eq!(outcome.counted(), 63 - (1 << lost));
    }
}

#[test]
fn every_reason_of_the_store_is_a_word_of_the_report() {
    for reason in [ReadFailure::Changed, ReadFailure::Vanished, ReadFailure::Permission, ReadFailure::Io] {
        for after in [0, 300, usize::MAX] {
            let (bad, good) = (aws_key(30, "bad.json"), aws_key(30, "good.json"));
            let store = MemoryStore::with([(&*bad, some(30, 0, 9)), (&*good, some(30, 100, 1))]);
            let outcome = run(store.fault(&bad, Fault::Read { after, reason }));
            assert_eq!(outcome.failed(), [(reason.as_str(), 1)]);
            assert_eq!((outcome.counted(), outcome.ledger.tally.documents_found), (1, 1));
        }
    }
}

#[test]
fn h01_what_the_listing_cannot_look_at_is_a_failure_and_what_is_no_file_is_skipped() {
    let (bad, odd, good) = (aws_key(30, "bad"), aws_key(30, "odd.json"), aws_key(30, "good.json"));
    let store = MemoryStore::with([(&*bad, vec![]), (&*odd, vec![]), (&*good, some(30, 0, 1))])
        .fault(&bad, Fault::List(ReadFailure::Permission))
        .fault(&odd, Fault::Skip);
    let outcome = run(store);
    assert_eq!(outcome.failed(), [("permission", 1)]);
    assert_eq!(outcome.skipped(), [("not_regular_file", 1)]);
    assert_eq!(outcome.counted(), 1);
}

#[test]
fn an_object_that_fails_after_a_batch_was_handed_over_counts_nothing() {
    // More records than a reader hands over at once.
    let key = aws_key(30, "long.json");
    let store = MemoryStore { chunk_bytes: 10_000, ..MemoryStore::with([(&*key, some(30, 0, 9_000))]) };
    let outcome =
        run_in_pieces(store.fault(&key, Fault::Read { after: usize::MAX, reason: ReadFailure::Changed }));
    assert_eq!(outcome.failed(), [("changed", 1)]);
    assert_eq!(outcome.counted(), 0);
}

#[test]
fn an_hour_that_closed_with_strays_of_an_object_that_then_failed_is_closed_again_without_them() {
    let (early, late) = (aws_key(30, "early.json"), aws_key(33, "late.json"));
    // The late object holds strays of hour 30, and a better copy of what is there; it has handed them over when
    // hour 30 closes, and fails afterwards.
    let copy = record(30, 5, 0, 0, &tokens(1, 2));
    let strays = lines(std::iter::once(copy).chain((1..9_000).map(|number| record(30, 5, 0, number, ""))));
    let store = MemoryStore {
        gate: Some((early.clone().into_bytes(), late.clone().into_bytes())),
        chunk_bytes: 10_000,
        ..MemoryStore::with([(&*early, lines([record(30, 5, 0, 0, "")])), (&*late, strays)])
    };
    let outcome =
        run_in_pieces(store.fault(&late, Fault::Read { after: usize::MAX, reason: ReadFailure::Io }));
    assert_eq!(outcome.failed(), [("io", 1)]);
    let left: Vec<&Invocation> = outcome.invocations().collect();
    assert_eq!(left.len(), 1);
    assert!(!left[0].input_tokens.is_known(), "the copy that stays is that of the object that was read");
    assert_eq!(outcome.ledger.duplicates_total(), 0);
}

/// Reads objects as those are read that are too long to be held: what is decoded is handed over at once.
fn run_in_pieces(store: MemoryStore) -> Outcome {
    let mut options = options();
    options.whole_bytes_max = 0;
    run_with(&[source(Arc::new(store))], Range::default(), &options).expect("the run goes through")
}

#[test]
fn an_object_that_changes_before_its_second_reading_stops_the_run() {
    // The stray of hour 30 in folder 40 opens hour 30 again: its folder is read twice.
    let objects: Vec<(String, Vec<u8>)> =
        (30..41).map(|hour| (aws_key(hour, "x.json"), some(hour, hour as u64, 1))).collect();
    let mut store = MemoryStore::with(objects.iter().map(|(key, bytes)| (&**key, bytes.clone())));
    store.objects.insert(aws_key(40, "y.json").into_bytes(), lines([record(30, 0, 0, 999, "")]));
    store.failing_read = Some(store.objects.len() as u64 + 1);
    let mut options = options();
    options.threads = 1;
    options.retired_bytes_max = 0;
    let result = run_with(&[source(Arc::new(store))], Range::default(), &options);
    assert!(matches!(result, Err(Error::Changed { .. })), "{result:?}");
}

#[test]
fn a_failed_document_of_the_split_layout_leaves_the_others() {
    let day = folder(30);
    let invocation = format!("{day}/model-invocations/{}-invocation.json", id(1));
    let metadata = format!("{day}/metadata/{}-metadata.json", id(1));
    let latency = format!(r#"{{"requestId":"{}","latencyMs":7}}"#, id(1));
    let store = || {
        MemoryStore::with([(&*invocation, lines([record(30, 5, 0, 1, "")])), (&*metadata, lines([&latency]))])
    };
    let fault = Fault::Read { after: usize::MAX, reason: ReadFailure::Io };
    let whole = run(store());
    assert_eq!(
        whole.invocations().map(|invocation| invocation.latency_ms.get()).collect::<Vec<_>>(),
        [Some(7)]
    );
    let outcome = run(store().fault(&metadata, fault));
    assert_eq!(
        outcome.invocations().map(|invocation| invocation.latency_ms.get()).collect::<Vec<_>>(),
        [None]
    );
    assert_eq!(outcome.ledger.tally.documents_joined, 0);
    let orphan = run(store().fault(&invocation, fault));
    assert_eq!(orphan.counted(), 0);
    assert_eq!(orphan.ledger.tally.records_rejected.values().sum::<u64>(), 1);
}

#[test]
fn d01_records_may_span_members() {
    let text = some(30, 0, 3);
    let (first, second) = text.split_at(text.len() / 2);
    let outcomes = both("x.json.gz", &[gzip(first), gzip(b""), gzip(second)].concat());
    for outcome in &outcomes {
        assert_eq!((outcome.counted(), outcome.failed().len()), (3, 0));
        assert_eq!(outcome.ledger.tally.decoded_bytes, text.len() as u64);
    }
}

#[test]
fn d03_d04_a_cut_member_is_salvaged_not_at_all() {
    let whole = gzip(&some(30, 0, 50));
    for cut in [1, 8, 9, whole.len() / 2] {
        assert_salvages(&both("x.json.gz", &whole[..whole.len() - cut]), "gz_truncated", 0);
    }
}

#[test]
fn d05_members_before_the_cut_one_are_salvaged() {
    let (first, second) = (some(30, 0, 5), gzip(&some(30, 100, 50)));
    for cut in [1, 9, second.len() / 2, second.len() - 3] {
        let bytes = [&gzip(&first)[..], &second[..second.len() - cut]].concat();
        let outcomes = both("x.json.gz", &bytes);
        assert_salvages(&outcomes, "gz_truncated", 5);
        assert_eq!(outcomes[1].ledger.tally.decoded_bytes, first.len() as u64);
        assert_eq!(outcomes[1].warnings("ext_mismatch"), 0);
    }
}

#[test]
fn d05_a_record_that_runs_into_the_cut_member_is_a_loss_and_not_counted() {
    let text = some(30, 0, 2);
    let (first, second) = text.split_at(text.len() - 20);
    let second = gzip(second);
    let outcomes = both("x.json.gz", &[&gzip(first)[..], &second[..second.len() - 1]].concat());
    assert_salvages(&outcomes, "gz_truncated", 1);
    assert_eq!(outcomes[1].ledger.tally.documents_rejected.get("json_truncated"), Some(&1));
}

#[test]
fn d06_d07_members_before_one_with_a_wrong_checksum_or_length_are_salvaged() {
    for (from_end, reason) in [(8, "gz_crc"), (4, "gz_isize")] {
        let mut bad = gzip(&some(30, 100, 5));
        let at = bad.len() - from_end;
        bad[at] ^= 1;
        assert_salvages(&both("x.json.gz", &bad), reason, 0);
        // What follows the bad member is not trusted either.
        let bytes = [gzip(&some(30, 0, 3)), bad, gzip(&some(30, 200, 5))].concat();
        assert_salvages(&both("x.json.gz", &bytes), reason, 3);
    }
}

#[test]
fn d08_members_before_trailing_garbage_are_salvaged_also_without_a_final_newline() {
    for newline in [true, false] {
        let mut text = some(30, 0, 3);
        if !newline {
            text.pop();
        }
        let bytes = [&gzip(&text)[..], b"garbage"].concat();
        assert_salvages(&both("x.json.gz", &bytes), "gz_trailing_garbage", 3);
    }
}

#[test]
fn d09_zero_padding_is_read() {
    let [outcome, _] = both("x.json.gz", &[&gzip(&some(30, 0, 3))[..], &[0; 600]].concat());
    assert_eq!((outcome.counted(), outcome.warnings("gz_zero_padding")), (3, 1));
}

#[test]
fn d11_an_object_of_no_bytes_is_read_and_warned_of_once() {
    for outcome in both("x.json.gz", b"") {
        assert_eq!((outcome.ledger.objects_read, outcome.counted()), (1, 0));
        assert_eq!((outcome.warnings("empty_object"), outcome.warnings("ext_mismatch")), (1, 0));
    }
}

#[test]
fn d12_a_name_that_contradicts_the_bytes_is_warned_of() {
    for (name, bytes) in [("x.json.gz", some(30, 0, 1)), ("x.json", gzip(&some(30, 0, 1)))] {
        let [outcome, _] = both(name, &bytes);
        assert_eq!((outcome.counted(), outcome.warnings("ext_mismatch")), (1, 1));
    }
}

#[test]
fn d14_another_format_fails_under_a_record_key_and_is_foreign_elsewhere() {
    let zstd = [0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x00, 0x7b, 0x5b];
    let key = aws_key(30, "x.json.gz");
    let outcome = run(MemoryStore::with([(&*key, zstd.to_vec()), ("archive.zst", zstd.to_vec())]));
    assert_eq!(outcome.failed(), [("unsupported_format", 1)]);
    assert_eq!(outcome.skipped(), [("foreign_file", 1)]);
}

#[test]
fn e08_whole_elements_of_an_array_that_never_closes_are_salvaged() {
    let elements: Vec<String> = (0..3).map(|number| record(30, 5, 0, number, "")).collect();
    let text = format!("[{},", elements.join(","));
    assert_salvages(&both("x.json", text.as_bytes()), "json_truncated", 3);
    assert_salvages(&both("x.json.gz", &gzip(text.as_bytes())), "json_truncated", 3);
}

#[test]
fn e10_a_bad_line_costs_only_itself_and_its_place_is_noted() {
    let first = record(30, 5, 0, 0, "");
    let bad = r#"{"timestamp":oops}"#;
    let [outcome, _] = both("x.json", &lines([&*first, bad, &record(30, 5, 0, 1, "")]));
    assert_eq!(outcome.counted(), 2);
    let [line] = &outcome.ledger.lines[..] else { panic!("one line for one loss") };
    assert_eq!((line.class, line.reason), ("document_rejected", "json_syntax"));
    assert_eq!((line.offset, line.bytes), (Some(first.len() as u64 + 1), Some(bad.len() as u64)));
}

#[test]
fn e30_loose_files_without_a_record_are_foreign_and_our_own_are_ours() {
    let store = MemoryStore::with([
        ("notes.txt", b"nothing here".to_vec()),
        ("package.json", br#"{"name":"x","version":"1"}"#.to_vec()),
        ("numbers.json", b"[1,2,3]".to_vec()),
        ("half.json", b"[1,2,".to_vec()),
        ("package.json.gz", gzip(br#"{"name":"x"}"#)),
        ("truth.json", br#"{ "schema": "borehole.truth/1", "totals": {} }"#.to_vec()),
        ("report.json", br#"{"schema":"borehole.report/1"}"#.to_vec()),
        ("export.ndjson", some(30, 0, 2)),
        ("empty.json", b"[]".to_vec()),
    ]);
    let listed: u64 = store.objects.values().map(|bytes| bytes.len() as u64).sum();
    let own: u64 =
        ["truth.json", "report.json"].iter().map(|key| store.objects[key.as_bytes()].len() as u64).sum();
    let outcome = run(store);
    assert_eq!(outcome.skipped(), [("foreign_file", 5), ("own_file", 2)]);
    assert_eq!(outcome.failed(), []);
    assert_eq!((outcome.ledger.objects_read, outcome.counted()), (2, 2));
    assert_eq!(outcome.ledger.tally.documents_found, 2, "what is foreign adds no documents");
    assert_eq!(outcome.ledger.bytes_listed, listed - own, "our own files are no input");
}

#[test]
fn e30_a_loose_file_that_holds_a_record_is_read_with_all_its_losses() {
    let outcome =
        run(MemoryStore::with([("mixed.json", lines([&*record(30, 5, 0, 0, ""), r#"{"name":"x"}"#]))]));
    assert_eq!(outcome.counted(), 1);
    assert_eq!(outcome.ledger.tally.documents_rejected.get("not_a_record"), Some(&1));
}

#[test]
fn e30_another_schema_is_filtered_and_its_file_is_not_foreign() {
    let other = r#"{"schemaType":"SomethingElse","timestamp":"never"}"#;
    let outcome = run(MemoryStore::with([("other.json", lines([other]))]));
    assert_eq!((outcome.ledger.tally.other_schema, outcome.ledger.objects_read), (1, 1));
}

#[test]
fn a_split_document_under_another_request_s_name_is_rejected() {
    let key = format!("{}/model-invocations/{}-invocation.json", folder(30), id(1));
    let outcome = run(MemoryStore::with([(&*key, lines([record(30, 5, 0, 2, "")]))]));
    assert_eq!(outcome.ledger.tally.documents_rejected.get("request_id_mismatch"), Some(&1));
    assert_eq!(outcome.counted(), 0);
}

#[test]
fn losses_beyond_an_object_s_hour_do_not_move_it() {
    // The bad neighbour of another hour leaves this one as it is.
    let (good, bad) = (aws_key(30, "x.json"), aws_key(31, "x.json"));
    let outcome = run(MemoryStore::with([(&*good, some(30, 0, 2)), (&*bad, b"[".to_vec())]));
    assert_eq!(outcome.failed(), [("json_truncated", 1)]);
    assert_eq!(outcome.hours.keys().collect::<Vec<_>>(), [&hour(30)]);
}

#[test]
fn h10_what_can_be_read_only_once_is_salvaged_as_far_as_it_is_sound() {
    let text = some(30, 0, 3);
    let mut array = b"[".to_vec();
    array.extend_from_slice(record(30, 5, 0, 0, "").as_bytes());
    let cut = gzip(&text);
    // Sound, cut in the text, and cut in the gzip: of the last, no checksum ever stood for what was read.
    let cases = [
        (text.clone(), 3, None),
        (array, 1, Some("json_truncated")),
        (cut[..cut.len() - 1].to_vec(), 0, Some("gz_truncated")),
    ];
    for (bytes, counted, reason) in cases {
        let outcome = salvage(MemoryStore { read_once: true, ..MemoryStore::with([("-", bytes)]) });
        assert_eq!(outcome.counted(), counted, "{reason:?}");
        assert_eq!(outcome.failed(), reason.map(|reason| (reason, 1)).into_iter().collect::<Vec<_>>());
        assert_eq!(outcome.ledger.objects_listed, 1);
    }
}

#[test]
fn an_object_of_nothing_but_losses_keeps_a_bounded_number_of_them() {
    for keep_lines in [true, false] {
        let key = aws_key(30, "x.json");
        let store = MemoryStore::with([(&*key, lines(std::iter::repeat_n(r#"{"a":oops}"#, 1_000)))]);
        let outcome = run_noting(&[source(Arc::new(store))], Range::default(), &options(), keep_lines)
            .expect("the run goes through");
        let ledger = &outcome.ledger;
        assert_eq!(ledger.tally.documents_rejected.values().sum::<u64>(), 1_000, "all are counted");
        assert_eq!((ledger.lines.len(), ledger.lines_dropped), (if keep_lines { 1_000 } else { 0 }, 0));
        let shown: Vec<_> = ledger.shown.values().flatten().map(|line| line.offset).collect();
        assert_eq!(
            shown,
            (0..10).map(|number| Some(number * 11)).collect::<Vec<_>>(),
            "the first ones are shown"
        );
    }
}
