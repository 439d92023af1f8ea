//! Closed cells held against a model that compares every record with every other.

mod support;

use borehole_record::DocumentKind;
use borehole_scan::ScanOptions;
use proptest::prelude::*;
use support::world::{Doc, File, Line, Place, World, found, truth, world};
use support::{options, run_with};

fn check(world: &World) -> support::Outcome {
    check_with(world, &options())
}

fn check_with(world: &World, options: &ScanOptions) -> support::Outcome {
    let outcome = run_with(&world.sources(0, 0), world.range(), options).expect("the run goes through");
    assert_eq!(found(&outcome), truth(world));
    outcome
}

/// Hours close as soon as they can, and are kept in the file or not at all.
fn eager(retired_bytes_max: u64) -> ScanOptions {
    ScanOptions { memory_bytes: 2_000, retired_bytes_max, ..options() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 750, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cells_and_books_are_those_of_the_rules(world in world()) {
        let outcome = run_with(&world.sources(0, 0), world.range(), &options()).expect("the run goes through");
        prop_assert_eq!(found(&outcome), truth(&world));
        for retired_bytes_max in [0, u64::MAX] {
            let outcome = run_with(&world.sources(0, 0), world.range(), &eager(retired_bytes_max));
            prop_assert_eq!(found(&outcome.expect("the run goes through")), truth(&world));
        }
    }
}

/// A record of request 1 with so many counts known.
fn doc(hour: i64, minute: i64, second: i64, counts: usize) -> Doc {
    Doc {
        time: Some((hour, minute, second)),
        request: Some(1),
        model: Some(0),
        account: Some(1),
        input: (counts > 0).then_some(7),
        output: (counts > 1).then_some(9),
        ..Doc::default()
    }
}

fn aws(folder: i64, docs: Vec<Doc>) -> File {
    let lines = docs.into_iter().map(Line::Record).collect();
    File { source: 0, place: Place::Aws(1, folder, 0), lines, gzip: false, fails: false }
}

fn split(folder: i64, kind: DocumentKind, doc: Doc) -> File {
    let place = Place::Split(0, folder, kind, 1);
    File { source: 0, place, lines: vec![Line::Record(doc)], gzip: false, fails: false }
}

fn all(files: Vec<File>) -> World {
    World { files, range: None }
}

#[test]
fn a_stray_15_hours_from_its_folder_counts_in_its_own_hour() {
    let outcome = check(&all(vec![aws(30, vec![doc(45, 0, 0, 2)])]));
    assert_eq!(outcome.hours.keys().collect::<Vec<_>>(), [&support::hour(45)]);
    assert_eq!(outcome.warnings("stray"), 1);
}

#[test]
fn a_stray_that_comes_after_its_hour_closed_opens_it_again() {
    // By the time folder 45 is read, hour 30 is closed; its stray is the better copy of what is there.
    let quiet: Vec<File> = (30..45)
        .map(|hour| aws(hour, vec![Doc { request: Some(50 + hour as u64), ..doc(hour, 5, 0, 2) }]))
        .collect();
    let late = aws(45, vec![doc(30, 0, 0, 2)]);
    let beside = aws(30, vec![doc(30, 0, 0, 1), Doc { request: Some(2), ..doc(30, 1, 0, 2) }]);
    let files = quiet.into_iter().skip(1).chain([beside, late]).collect();
    let world = all(files);
    let closes_late = (options(), false);
    for (options, opens_again) in [closes_late, (eager(0), true), (eager(u64::MAX), true)] {
        let outcome = check_with(&world, &options);
        assert_eq!(outcome.hours[&support::hour(30)].len(), 2);
        assert_eq!(outcome.ledger.duplicates_total(), 1);
        assert_eq!(outcome.given[&support::hour(30)] > 1, opens_again, "the test must meet a closed hour");
    }
}

#[test]
fn f16_copies_a_second_before_and_after_the_hour_are_one_request() {
    for (before, after, stays) in [(2, 1, 34), (1, 2, 35), (2, 2, 35)] {
        let files = vec![aws(34, vec![doc(34, 59, 59, before)]), aws(35, vec![doc(35, 0, 1, after)])];
        let outcome = check(&all(files));
        assert_eq!(outcome.hours.keys().collect::<Vec<_>>(), [&support::hour(stays)]);
    }
}

#[test]
fn f16_a_chain_of_three_hours_keeps_what_no_neighbour_outdoes() {
    // A loses to B, B loses to C, and C is out of A's reach: only C stays. With B the best, only B does.
    for (counts, stays) in [([0, 1, 2], vec![36]), ([1, 2, 1], vec![35]), ([2, 0, 1], vec![34, 36])] {
        let files = counts
            .iter()
            .zip(34..)
            .map(|(&counts, hour)| aws(hour, vec![doc(hour, 30, 0, counts)]))
            .collect();
        let outcome = check(&all(files));
        let hours: Vec<_> = stays.into_iter().map(support::hour).collect();
        assert_eq!(outcome.hours.keys().copied().collect::<Vec<_>>(), hours);
    }
}

#[test]
fn f18_the_same_id_in_another_account_is_another_request() {
    let outcome =
        check(&all(vec![aws(34, vec![doc(34, 0, 0, 2), Doc { account: Some(2), ..doc(34, 0, 0, 2) }])]));
    assert_eq!(outcome.counted(), 2);
    assert_eq!(outcome.warnings("key_mismatch"), 1);
}

#[test]
fn f17_records_without_an_id_are_never_copies() {
    let nameless = Doc { request: None, ..doc(34, 0, 0, 2) };
    let outcome = check(&all(vec![aws(34, vec![nameless.clone(), nameless])]));
    assert_eq!(outcome.counted(), 2);
}

#[test]
fn an_orphan_of_the_split_layout_counts_if_it_knows_time_and_model() {
    let known = Doc { latency: Some(5), ..doc(34, 0, 0, 0) };
    assert_eq!(check(&all(vec![split(34, DocumentKind::Metadata, known.clone())])).counted(), 1);
    let outcome = check(&all(vec![split(34, DocumentKind::Metadata, Doc { model: None, ..known })]));
    assert_eq!(outcome.ledger.tally.records_rejected.get("model_id"), Some(&1));
}

#[test]
fn siblings_straddle_the_hour_both_ways() {
    for away in [-1, 1] {
        let nothing = Doc { time: None, model: None, ..doc(34, 0, 0, 2) };
        let files = vec![
            split(34, DocumentKind::Invocation, doc(34, 0, 0, 0)),
            split(34 + away, DocumentKind::Metadata, Doc { latency: Some(5), ..nothing.clone() }),
            split(34 + away, DocumentKind::Response, nothing),
        ];
        let outcome = check(&all(files));
        assert_eq!(outcome.counted(), 1);
        assert_eq!(outcome.ledger.tally.documents_joined, 2);
        assert_eq!(outcome.invocations().next().unwrap().latency_ms.get(), Some(5));
    }
}

#[test]
fn a_sibling_between_two_invocation_documents_goes_to_the_earlier() {
    let files = vec![
        split(33, DocumentKind::Invocation, doc(33, 0, 0, 0)),
        split(34, DocumentKind::Metadata, Doc { latency: Some(5), ..doc(33, 0, 0, 0) }),
        split(35, DocumentKind::Invocation, doc(35, 0, 0, 0)),
    ];
    let outcome = check(&all(files));
    let latencies: Vec<_> = outcome.invocations().map(|invocation| invocation.latency_ms.get()).collect();
    assert_eq!(latencies, [Some(5), None]);
}

#[test]
fn of_two_documents_of_one_kind_that_of_the_same_folder_wins() {
    let metadata = |latency| Doc { latency: Some(latency), ..doc(34, 0, 0, 0) };
    let files = vec![
        split(33, DocumentKind::Metadata, metadata(1)),
        split(34, DocumentKind::Invocation, doc(34, 0, 0, 0)),
        split(34, DocumentKind::Metadata, metadata(2)),
        split(35, DocumentKind::Metadata, metadata(3)),
    ];
    let outcome = check(&all(files));
    assert_eq!(outcome.invocations().next().unwrap().latency_ms.get(), Some(2));
    assert_eq!(outcome.warnings("document_superseded"), 2);
    assert_eq!(outcome.counted(), 1);
}

#[test]
fn documents_that_disagree_raise_one_conflict() {
    let files = vec![
        split(34, DocumentKind::Invocation, doc(34, 0, 0, 2)),
        split(34, DocumentKind::Request, Doc { input: Some(70), model: Some(1), ..doc(34, 0, 0, 2) }),
        split(34, DocumentKind::Response, Doc { output: Some(90), ..doc(34, 0, 0, 2) }),
    ];
    let outcome = check(&all(files));
    assert_eq!(outcome.warnings("document_conflict"), 1);
    assert_eq!(outcome.invocations().next().unwrap().input_tokens.get(), Some(7));
}

#[test]
fn orphans_join_in_pairs_of_folders_from_the_earliest_on() {
    let orphan = |folder: i64, kind| split(folder, kind, doc(folder, 0, 0, 1));
    // Two folders are one record, whatever comes after them in the dump.
    let pair = vec![orphan(34, DocumentKind::Response), orphan(35, DocumentKind::Metadata)];
    assert_eq!(check(&all(pair)).ledger.tally.documents_joined, 1);
    let chain: Vec<File> = (34..37).map(|folder| orphan(folder, DocumentKind::Metadata)).collect();
    let outcome = check(&all(chain));
    assert_eq!(outcome.ledger.tally.documents_joined, 1);
    assert_eq!(outcome.warnings("document_superseded"), 1);
}
