//! What is listed: folders near the range and no others, each file once, whatever the order.

mod support;

use std::sync::Arc;

use borehole_scan::{ListOptions, Plan, Progress, Range};
use support::{
    MemoryStore, aws_key, folder, hour, id, lines, moment, options, record, run_with, source, tokens,
};

fn asked(from: (i64, i64), to: (i64, i64)) -> Range {
    Range { from: Some(moment(from.0, from.1)), to: Some(moment(to.0, to.1)) }
}

fn plan(store: &Arc<MemoryStore>, range: Range) -> Plan {
    Plan::list(
        &[source(Arc::clone(store))],
        range,
        ListOptions { payloads: true, ..ListOptions::default() },
        &Progress::default(),
    )
    .expect("a listing")
}

fn one(hour: i64) -> Vec<u8> {
    lines([record(hour, 5, 0, hour as u64, "")])
}

#[test]
fn only_folders_in_the_range_and_its_slack_are_listed_in_the_aws_layout() {
    let objects: Vec<_> = (0..72).map(|hour| (aws_key(hour, "x.json"), one(hour))).collect();
    let store = Arc::new(MemoryStore::with(objects.iter().map(|(key, bytes)| (&**key, bytes.clone()))));
    let plan = plan(&store, asked((30, 0), (31, 30)));
    // Hours 30 and 31, and two on each side: a copy an hour away may lie in the folder beside its hour's.
    let expected: Vec<String> = (28..34).map(|hour| aws_key(hour, "x.json")).collect();
    let keys: Vec<_> =
        plan.objects.iter().map(|planned| String::from_utf8_lossy(&planned.object.key)).collect();
    assert_eq!(keys, expected);
    let entered = store.entered.lock().unwrap();
    let of_day = |day: i64| {
        entered
            .iter()
            .filter(|key| key.ends_with(folder(day * 24).rsplit_once('/').unwrap().0.as_bytes()))
            .count()
    };
    assert_eq!([of_day(0), of_day(1), of_day(2)], [0, 1, 0], "days out of reach are not entered");
}

#[test]
fn records_of_slack_folders_count_only_in_their_own_hour() {
    let keys: Vec<String> = (28..35).map(|hour| aws_key(hour, "x.json")).collect();
    let store = MemoryStore::with(keys.iter().zip(28..).map(|(key, hour)| {
        (
            &**key,
            lines([
                record(hour, 5, 0, 0, &tokens(1, hour as u64)),
                record(hour + 1, 5, 0, 100 + hour as u64, ""),
            ]),
        )
    }));
    let outcome = run_with(&[source(Arc::new(store))], asked((31, 0), (32, 0)), &options()).unwrap();
    assert_eq!(outcome.hours.keys().collect::<Vec<_>>(), [&hour(31)]);
    // Request 0 of hour 31 has a better copy in hour 32, which is outside and still decides.
    let ids: Vec<String> =
        outcome.invocations().map(|invocation| invocation.request_id.to_string()).collect();
    assert_eq!(ids, [id(130)]);
    assert_eq!(outcome.ledger.duplicates_total(), 1);
}

#[test]
fn a_prefix_that_looks_like_a_date_does_not_hide_the_layout_below_it() {
    let below =
        ["backup/2024/01/02/", "backup/2023/", "2023/05/", "backup/2024/01/02/03/", "2024/01/02/nightly/"];
    let keys: Vec<String> = below.iter().map(|prefix| format!("{prefix}{}", aws_key(30, "x.json"))).collect();
    let split = format!("backup/2024/01/02/{}/model-invocations/{}-invocation.json", folder(30), id(1));
    let objects = keys.iter().chain([&split]).map(|key| (&**key, one(1)));
    let store = Arc::new(MemoryStore::with(objects));
    assert_eq!(plan(&store, asked((30, 0), (31, 0))).objects.len(), keys.len() + 1);
}

#[test]
fn folders_of_documents_out_of_reach_are_not_entered_in_the_split_layout() {
    let keys: Vec<String> =
        (0..72).map(|hour| format!("{}/metadata/{}-metadata.json", folder(hour), id(1))).collect();
    let store = Arc::new(MemoryStore::with(keys.iter().map(|key| (&**key, Vec::new()))));
    let plan = plan(&store, asked((30, 0), (31, 0)));
    let slack = borehole_scan::limits::CLOSING_HOURS_SPLIT;
    assert_eq!(plan.objects.len() as i64, 1 + 2 * slack);
    let entered = store.entered.lock().unwrap();
    assert_eq!(entered.iter().filter(|key| key.ends_with(b"metadata")).count() as i64, 1 + 2 * slack);
}

#[test]
fn h08_a_file_with_several_names_is_read_once_under_the_name_that_tells_its_hour() {
    let (real, other) = (aws_key(30, "x.json"), aws_key(45, "y.json"));
    let names = ["0-link.json", &*real, &*other, "zz-link.json"];
    for listing_seed in 0..8 {
        let mut store = MemoryStore::with(names.map(|name| (name, one(30))));
        store.identities = names.iter().map(|name| (name.as_bytes().to_vec(), 1)).collect();
        store.listing_seed = listing_seed;
        let outcome = run_with(&[source(Arc::new(store))], Range::default(), &options()).unwrap();
        assert_eq!(outcome.ledger.objects_listed, 1);
        assert_eq!(outcome.warnings("same_file"), 3);
        assert_eq!(&*outcome.plan.objects[0].object.key, real.as_bytes());
        assert_eq!(outcome.plan.streams.len(), 1, "names that were set aside leave no stream");
        assert_eq!(outcome.plan.coverage.len(), 1);
        assert_eq!(outcome.counted(), 1);
    }
}

#[test]
fn markers_and_payloads_are_skipped_by_name_and_never_read() {
    let data = aws_key(30, "data/x_input.json.gz");
    let payload = format!("2024/03/12/{}/payload.json", id(1));
    let store = Arc::new(MemoryStore::with([
        (&*aws_key(30, "amazon-bedrock-logs-permission-check"), Vec::new()),
        (&*data, b"{}".to_vec()),
        (&*payload, b"{}".to_vec()),
        ("task/aws-logs-write-test", b"x".to_vec()),
        (".hidden/x.json", one(30)),
        ("x.json.tmp", one(30)),
    ]));
    let outcome = run_with(&[source(Arc::clone(&store))], Range::default(), &options()).unwrap();
    assert_eq!(
        outcome.skipped(),
        [
            ("payload", 1),
            ("permission_marker", 1),
            ("sidecar", 1),
            ("temp_file", 2),
            ("write_test_marker", 1)
        ]
    );
    assert!(store.reads.lock().unwrap().is_empty());
}

#[test]
fn coverage_knows_the_hours_that_have_objects() {
    let keys =
        [aws_key(30, "x.json"), aws_key(33, "x.json"), format!("{}/metadata/a-metadata.json", folder(31))];
    let store = Arc::new(MemoryStore::with(
        keys.iter().map(|key| (&**key, Vec::new())).chain([("loose.json", one(30))]),
    ));
    let plan = plan(&store, Range::default());
    let entries: Vec<_> = plan
        .coverage
        .iter()
        .map(|entry| (entry.account.as_deref(), entry.hours.iter().copied().collect::<Vec<_>>()))
        .collect();
    assert_eq!(entries, [(None, vec![hour(31)]), (Some("111122223333"), vec![hour(30), hour(33)])]);
}
