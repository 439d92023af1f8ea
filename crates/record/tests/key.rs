//! The key grammar against tables of cases and generated keys: the rules of docs/rules.md, section 1.

use borehole_record::key::{
    DateTail, Grain, Keys, date_tail, folder_range, leads_to_records, payload_day, request_id,
};
use borehole_record::{DocumentKind, Key, Timestamp, UtcDay, UtcHour};
use proptest::prelude::*;

fn hour(year: u32, month: u32, day: u32, hour: u32) -> UtcHour {
    UtcDay::from_date(year, month, day).and_then(|day| day.hour(hour)).expect("an hour of the calendar")
}

fn day(year: u32, month: u32, day: u32) -> UtcDay {
    UtcDay::from_date(year, month, day).expect("a day of the calendar")
}

const AWS: &str = "AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1";
const NAME: &str = "20240311T070809123Z_0123456789abcdef.json.gz";

fn aws_record(prefix: &str) -> Key<'_> {
    Key::AwsRecord {
        prefix: prefix.as_bytes(),
        account: "111122223333",
        region: "us-east-1",
        hour: hour(2024, 3, 11, 7),
    }
}

fn document<'a>(prefix: &'a str, kind: DocumentKind, request_id: &'a str) -> Key<'a> {
    Key::SplitDocument { prefix: prefix.as_bytes(), hour: hour(2024, 3, 11, 7), kind, request_id }
}

fn assert_keys<'a>(cases: impl IntoIterator<Item = (String, Key<'a>)>) {
    for (key, expected) in cases {
        assert_eq!(Key::parse(key.as_bytes()), expected, "{key}");
    }
}

#[test]
fn aws_records_are_known_by_account_region_hour_and_name() {
    let other_region = Key::AwsRecord {
        prefix: b"",
        account: "000000000000",
        region: "eusc-de-east-1",
        hour: hour(2024, 2, 29, 23),
    };
    assert_keys([
        (format!("{AWS}/2024/03/11/07/{NAME}"), aws_record("")),
        (format!("my/prefix/{AWS}/2024/03/11/07/{NAME}"), aws_record("my/prefix/")),
        (format!("/{AWS}/2024/03/11/07/{NAME}"), aws_record("/")),
        (
            "AWSLogs/000000000000/BedrockModelInvocationLogs/eusc-de-east-1/2024/02/29/23/x.gz".to_owned(),
            other_region,
        ),
    ]);
    for name in [
        "x.json",
        "x.jsonl",
        "x.ndjson",
        "x.json.gz",
        "x.jsonl.gz",
        "000000.gz",
        "a b+c%2F.json",
        "data.json",
    ] {
        assert_keys([(format!("{AWS}/2024/03/11/07/{name}"), aws_record(""))]);
    }
}

#[test]
fn the_last_aws_layout_in_a_key_counts() {
    let prefixes = [
        "2024/01/02/03/",
        "2024/01/02/03/model-invocations/",
        "2024/01/02/03/data/",
        "AWSLogs/",
        "AWSLogs/999999999999/",
        "AWSLogs/999999999999/BedrockModelInvocationLogs/eu-west-1/2020/01/01/01/",
        "xAWSLogs/999999999999/BedrockModelInvocationLogs/",
    ];
    for prefix in prefixes {
        assert_keys([(format!("{prefix}{AWS}/2024/03/11/07/{NAME}"), aws_record(prefix))]);
    }
}

#[test]
fn a_key_prefix_need_not_be_utf8() {
    let key = [b"\xff\xfe/", format!("{AWS}/2024/03/11/07/{NAME}").as_bytes()].concat();
    let Key::AwsRecord { prefix, .. } = Key::parse(&key) else { panic!("not a record") };
    assert_eq!(prefix, b"\xff\xfe/");
    let key = [b"\xff\xfe/", "2024/03/11/07/metadata/id-metadata.json".as_bytes()].concat();
    let Key::SplitDocument { prefix, .. } = Key::parse(&key) else { panic!("not a document") };
    assert_eq!(prefix, b"\xff\xfe/");
}

#[test]
fn c10_what_lies_in_data_is_a_payload() {
    let payload = |year, month, day, of_day| Key::AwsPayload { hour: hour(year, month, day, of_day) };
    assert_keys([
        (format!("{AWS}/2024/03/11/07/data/id_input.json.gz"), payload(2024, 3, 11, 7)),
        (format!("p/{AWS}/2024/03/11/07/data/id_input_media_00.pdf"), payload(2024, 3, 11, 7)),
        (format!("{AWS}/2024/03/11/07/data/deeper/x"), payload(2024, 3, 11, 7)),
        ("large/2024/03/11/07/data/id_output.json.gz".to_owned(), payload(2024, 3, 11, 7)),
        ("2024/03/11/07/data/x".to_owned(), payload(2024, 3, 11, 7)),
        ("2024/03/11/07/data/data/x".to_owned(), payload(2024, 3, 11, 7)),
        ("2020/01/01/01/data/2024/03/11/07/data/x".to_owned(), payload(2024, 3, 11, 7)),
        ("data/2024/03/11/07/data/x/data/y".to_owned(), payload(2024, 3, 11, 7)),
    ]);
}

#[test]
fn split_documents_are_known_by_folder_and_name() {
    use DocumentKind::{Invocation, Metadata, Request, Response};
    assert_keys([
        ("2024/03/11/07/model-invocations/id-1-invocation.json".to_owned(), document("", Invocation, "id-1")),
        ("p/q/2024/03/11/07/metadata/id-metadata.json".to_owned(), document("p/q/", Metadata, "id")),
        ("2024/03/11/07/requests/id-request.json.gz".to_owned(), document("", Request, "id")),
        ("2024/03/11/07/responses/id-response.json".to_owned(), document("", Response, "id")),
        ("2024/03/11/07/responses/a-response-response.json".to_owned(), document("", Response, "a-response")),
        ("2024/03/11/07/requests/\u{e9}-request.json".to_owned(), document("", Request, "\u{e9}")),
        // A prefix that looks like a date, a payload folder, an aws layout.
        (
            "2020/01/01/2024/03/11/07/metadata/id-metadata.json".to_owned(),
            document("2020/01/01/", Metadata, "id"),
        ),
        (
            "2020/01/01/01/data/2024/03/11/07/metadata/id-metadata.json".to_owned(),
            document("2020/01/01/01/data/", Metadata, "id"),
        ),
        (
            format!("{AWS}/2024/03/11/07/requests/id-request.json"),
            document("AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1/", Request, "id"),
        ),
    ]);
}

#[test]
fn split_payloads_are_known_by_day_and_id() {
    let payload = |prefix: &'static str, request_id| Key::SplitPayload {
        prefix: prefix.as_bytes(),
        day: day(2024, 3, 11),
        request_id,
    };
    assert_keys([
        ("2024/03/11/id/payload.json".to_owned(), payload("", "id")),
        ("large/2024/03/11/id/payload.json.gz".to_owned(), payload("large/", "id")),
        ("2020/01/01/2024/03/11/id/payload.json".to_owned(), payload("2020/01/01/", "id")),
    ]);
}

#[test]
fn c08_c09_h05_markers_and_temporary_files_are_known_anywhere() {
    let aws = format!("{AWS}/2024/03/11/07");
    assert_keys([
        ("amazon-bedrock-logs-permission-check".to_owned(), Key::PermissionMarker),
        (format!("{AWS}/amazon-bedrock-logs-permission-check"), Key::PermissionMarker),
        (format!("{aws}/data/amazon-bedrock-logs-permission-check"), Key::PermissionMarker),
        ("/".to_owned(), Key::FolderMarker),
        (format!("{aws}/"), Key::FolderMarker),
        (format!("{aws}/data/"), Key::FolderMarker),
        ("export/aws-logs-write-test".to_owned(), Key::WriteTestMarker),
        (".DS_Store".to_owned(), Key::TempFile),
        (format!("{aws}/.{NAME}"), Key::TempFile),
        (format!(".cache/{aws}/{NAME}"), Key::TempFile),
        (format!("{aws}/{NAME}.tmp"), Key::TempFile),
        (format!("{aws}/{NAME}.6aE1b9Cd"), Key::TempFile),
        (format!("{aws}/{NAME}.abcdefg1"), Key::TempFile),
        ("x.ndjson.ABCDEFGH".to_owned(), Key::TempFile),
    ]);
}

#[test]
fn c11_what_fits_no_layout_is_other() {
    let aws = format!("{AWS}/2024/03/11/07");
    let keys = [
        String::new(),
        "x".to_owned(),
        "export/task/stream/000000.gz".to_owned(),
        "amazon-bedrock-logs-permission-check.json".to_owned(),
        "aws-logs-write-test/x".to_owned(),
        // Endings that are no sign of a partial download.
        format!("{aws}/{NAME}.abcdefgh"),
        format!("{aws}/{NAME}.6aE1b9C"),
        format!("{aws}/{NAME}.6aE1b9Cd0"),
        "report.txt.6aE1b9Cd".to_owned(),
        "x.tmp/y".to_owned(),
        // The aws layout with one part wrong.
        format!("{aws}/x.txt"),
        format!("{aws}/deeper/{NAME}"),
        aws.clone(),
        format!("{AWS}/2024/03/11/{NAME}"),
        format!("x{AWS}/2024/03/11/07/{NAME}"),
        format!("awslogs/111122223333/BedrockModelInvocationLogs/us-east-1/2024/03/11/07/{NAME}"),
        format!("AWSLogs/11112222333/BedrockModelInvocationLogs/us-east-1/2024/03/11/07/{NAME}"),
        format!("AWSLogs/1111222233334/BedrockModelInvocationLogs/us-east-1/2024/03/11/07/{NAME}"),
        format!("AWSLogs/11112222333x/BedrockModelInvocationLogs/us-east-1/2024/03/11/07/{NAME}"),
        format!("AWSLogs/111122223333/CloudTrail/us-east-1/2024/03/11/07/{NAME}"),
        format!("AWSLogs/111122223333/BedrockModelInvocationLogs/2024/2024/03/11/07/{NAME}"),
        format!("AWSLogs/111122223333/BedrockModelInvocationLogs//2024/03/11/07/{NAME}"),
        // The split layout with one part wrong.
        "2024/03/11/07/model-invocations/id-request.json".to_owned(),
        "2024/03/11/07/model-invocations/-invocation.json".to_owned(),
        "2024/03/11/07/model-invocations/id-invocation.txt".to_owned(),
        "2024/03/11/07/model-invocations/id-invocation.jsonl".to_owned(),
        "2024/03/11/07/model-invocations/deeper/id-invocation.json".to_owned(),
        "2024/03/11/07/invocations/id-invocation.json".to_owned(),
        "2024/03/11/model-invocations/id-invocation.json".to_owned(),
        "2024/03/11//payload.json".to_owned(),
        "2024/03/11/payload.json".to_owned(),
        "2024/03/11/id/deeper/payload.json".to_owned(),
        "2024/03/11/id/payload.json.gz.gz".to_owned(),
        "2024/03/11/data/x".to_owned(),
        "12024/03/11/07/data/x".to_owned(),
    ];
    for key in keys {
        assert_eq!(Key::parse(key.as_bytes()), Key::Other, "{key}");
    }
    assert_eq!(Key::parse(b"2024/03/11/07/requests/\xff-request.json"), Key::Other);
}

#[test]
fn c12_a_date_that_does_not_exist_is_no_layout() {
    let dates = [
        "2024/02/30/07",
        "2023/02/29/07",
        "2024/00/11/07",
        "2024/13/11/07",
        "2024/03/00/07",
        "2024/03/11/24",
        "2024/3/11/07",
        "2024/03/11/7",
        "24/03/11/07",
        "2024-03-11/07",
        "+024/03/11/07",
    ];
    for date in dates {
        for key in [
            format!("{AWS}/{date}/{NAME}"),
            format!("{AWS}/{date}/data/x"),
            format!("{date}/data/x"),
            format!("{date}/metadata/id-metadata.json"),
        ] {
            assert_eq!(Key::parse(key.as_bytes()), Key::Other, "{key}");
        }
    }
    assert_eq!(Key::parse(b"2024/02/30/id/payload.json"), Key::Other);
}

#[test]
fn a_date_at_the_end_of_a_path_is_a_range_over_the_root_before_it() {
    let year = (hour(2024, 1, 1, 0), hour(2025, 1, 1, 0), Grain::Year);
    let december = (hour(2024, 12, 1, 0), hour(2025, 1, 1, 0), Grain::Month);
    let leap_day = (hour(2024, 2, 29, 0), hour(2024, 3, 1, 0), Grain::Day);
    let last_hour = (hour(2024, 12, 31, 23), hour(2025, 1, 1, 0), Grain::Hour);
    let cases = [
        ("s3://b/2024", "s3://b", year),
        ("s3://b/p/2024/12/", "s3://b/p", december),
        ("s3://b/2024/02/29", "s3://b", leap_day),
        ("s3://b/2024/12/31/23/", "s3://b", last_hour),
        ("s3://b/2023/2024/12", "s3://b/2023", december),
        ("s3://2023/2024/12", "s3://2023", december),
        ("/2024/12", "/", december),
        ("2024/12", "", december),
        ("dump/2024/02/29", "dump", leap_day),
        ("./2024", ".", year),
        ("\u{e9}/2024", "\u{e9}", year),
        (
            "s3://b/AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1/2024/02/29",
            "s3://b/AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1",
            leap_day,
        ),
    ];
    for (path, root, (from, to, grain)) in cases {
        assert_eq!(date_tail(path), Some((root, DateTail { from, to, grain })), "{path}");
    }
    let none = [
        "",
        "/",
        "s3://b",
        "s3://2024",
        "s3://2024/",
        "dump",
        "dump2024",
        "x2024/12",
        "s3://b/2024//",
        "s3://b/2024/13",
        "s3://b/2023/02/29",
        "s3://b/2024/02/29/24",
        "s3://b/2024/2/29",
        "s3://b/2024/02/29/07/08",
        "/srv/8080",
        "/srv/1200/12",
        "s3://b/2024/02/29/metadata",
    ];
    for path in none {
        assert_eq!(date_tail(path), None, "{path}");
    }
}

#[test]
fn a_folder_holds_the_hours_of_its_date() {
    let year = (hour(2024, 1, 1, 0), hour(2025, 1, 1, 0));
    let month = (hour(2024, 3, 1, 0), hour(2024, 4, 1, 0));
    let whole_day = (hour(2024, 3, 11, 0), hour(2024, 3, 12, 0));
    let one_hour = (hour(2024, 3, 11, 7), hour(2024, 3, 11, 8));
    for prefix in ["", "p/", "p/q/2020/", "p/1999/12/"] {
        for root in [format!("{prefix}{AWS}/"), prefix.to_owned()] {
            let cases = [
                ("2024", year),
                ("2024/", year),
                ("2024/03", month),
                ("2024/03/11", whole_day),
                ("2024/03/11/07", one_hour),
                ("2024/03/11/07/data", one_hour),
            ];
            for (date, range) in cases {
                let directory = format!("{root}{date}");
                assert_eq!(folder_range(directory.as_bytes()), Some(range), "{directory}");
            }
        }
        for folder in ["model-invocations", "metadata", "requests", "responses"] {
            let directory = format!("{prefix}2024/03/11/07/{folder}");
            assert_eq!(folder_range(directory.as_bytes()), Some(one_hour), "{directory}");
        }
        let directory = format!("{prefix}2024/03/11/4fd1a0d2-payload-id");
        assert_eq!(folder_range(directory.as_bytes()), Some(whole_day), "{directory}");
    }
}

#[test]
fn a_folder_outside_the_date_part_has_no_range() {
    let directories = [
        "",
        "/",
        "dump",
        "srv/8080",
        "1200/12",
        "2024/13",
        "2024/02/30",
        "2024/03/11/07/other",
        "2024/03/11/07/data/deeper",
        "2024/03/other",
        "2024/03/11/AWSLogs",
        "2024/03/11/07/AWSLogs",
        "2024/03/11/07/AWSLogs/111122223333",
        "2024/03/11/07/AWSLogs/111122223333/BedrockModelInvocationLogs",
        "2024/03/11/07/AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1",
        "AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1/2024/03/11/07/other",
        "AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1/2024/03/11/25/data",
    ];
    for directory in directories {
        assert_eq!(folder_range(directory.as_bytes()), None, "{directory}");
    }
}

/// Any key prefix: nothing, or components that hold no points, with dates and fixed parts of layouts among them.
fn prefix() -> impl Strategy<Value = String> {
    let component = prop_oneof![
        "[a-zA-Z0-9_ +-]{1,12}",
        "20[0-9]{2}",
        "[01][0-9]",
        Just("AWSLogs".to_owned()),
        Just("data".to_owned())
    ];
    proptest::collection::vec(component.prop_map(|component| component + "/"), 0..7)
        .prop_map(|parts| parts.concat())
}

/// A folder hour of the years 2000 to 2099, and its spelling.
fn folder_hour() -> impl Strategy<Value = (UtcHour, String)> {
    (hour(2000, 1, 1, 0).0..hour(2100, 1, 1, 0).0).prop_map(|since_epoch| {
        let folder = UtcHour(since_epoch);
        let printed = Timestamp::from_seconds(folder.start_seconds()).to_string();
        (folder, printed[..13].replace(['-', 'T'], "/"))
    })
}

#[test]
fn below_awslogs_only_accounts_with_invocation_logs_lead_on() {
    let cases: [(&str, Option<bool>); 9] = [
        ("logs/2024", None),
        ("AWSLogs", Some(true)),
        ("prefix/AWSLogs/111122223333", Some(true)),
        ("AWSLogs/111122223333/BedrockModelInvocationLogs", Some(true)),
        ("AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1/2024", Some(true)),
        ("AWSLogs/111122223333/CloudTrail", Some(false)),
        ("AWSLogs/o-abc123", Some(false)),
        ("AWSLogs/11112222333", Some(false)),
        ("AWSLogs/CloudTrail/AWSLogs/111122223333", Some(true)),
    ];
    for (folder, leads) in cases {
        assert_eq!(leads_to_records(folder.as_bytes()), leads, "{folder}");
    }
}

#[test]
fn the_folder_of_a_payload_lies_in_a_day() {
    let id = "5c1e4d2a-0000-4000-8000-000000000001";
    let folder = format!("payloads/2024/03/11/{id}");
    assert_eq!(payload_day(folder.as_bytes()), Some(b"payloads/2024/03/11".as_slice()));
    for other in ["payloads/2024/03/11", "payloads/2024/03/11/07", "payloads/2024/03", "payloads", ""] {
        assert_eq!(payload_day(other.as_bytes()), None, "{other}");
    }
}

/// Parts of which keys are made that are one layout or nearly one.
fn parts() -> impl Strategy<Value = String> {
    let folder = prop_oneof![
        Just("AWSLogs"),
        Just("111122223333"),
        Just("BedrockModelInvocationLogs"),
        Just("us-east-1"),
        Just("2024"),
        Just("2024/03/11"),
        Just("2024/03/11/07"),
        Just("07"),
        Just("data"),
        Just("requests"),
        Just("metadata"),
        Just("AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1"),
        Just(".hidden"),
        Just(""),
    ];
    let name = prop_oneof![
        Just(""),
        Just("x.json.gz"),
        Just("x.json.gz.6A1f03bC"),
        Just("id-request.json"),
        Just("id-metadata.json.gz"),
        Just("-request.json"),
        Just("payload.json"),
        Just("amazon-bedrock-logs-permission-check"),
        Just("aws-logs-write-test"),
        Just("x"),
        Just(".x"),
    ];
    (proptest::collection::vec(folder, 0..6), name).prop_map(|(folders, name)| {
        folders.iter().map(|folder| format!("{folder}/")).collect::<String>() + name
    })
}

proptest! {
    #[test]
    fn keys_read_one_after_the_other_are_what_each_is_alone(keys in proptest::collection::vec(parts(), 1..12)) {
        let mut reader = Keys::default();
        // Each twice: the second time its folder is known already.
        for key in keys.iter().flat_map(|key| [key, key]) {
            let alone = Key::parse(key.as_bytes());
            prop_assert_eq!(&reader.parse(key.as_bytes()), &alone);
            if let Key::SplitDocument { kind, request_id: expected, .. } = alone {
                prop_assert_eq!(request_id(key.as_bytes(), kind), Some(expected));
            }
        }
    }

    #[test]
    fn aws_keys_parse_back(
        prefix in prefix(),
        account in "[0-9]{12}",
        region in "[a-z]{2,4}(-[a-z]{1,5}){1,2}-[0-9]",
        (hour, date) in folder_hour(),
        name in "[0-9]{8}T[0-9]{6,9}Z_[0-9a-f]{16}\\.json\\.gz",
    ) {
        let root = format!("{prefix}AWSLogs/{account}/BedrockModelInvocationLogs/{region}");
        let record = format!("{root}/{date}/{name}");
        prop_assert_eq!(
            Key::parse(record.as_bytes()),
            Key::AwsRecord { prefix: prefix.as_bytes(), account: &account, region: &region, hour }
        );
        let payload = format!("{root}/{date}/data/{name}");
        prop_assert_eq!(Key::parse(payload.as_bytes()), Key::AwsPayload { hour });
        // Every folder between the Region and the object says a range that holds the hour.
        for (at, _) in payload.match_indices('/').filter(|(at, _)| *at > root.len()) {
            let (from, to) = folder_range(&payload.as_bytes()[..at]).expect("inside the date part");
            prop_assert!(from <= hour && hour < to, "{}", &payload[..at]);
        }
    }

    #[test]
    fn split_keys_parse_back(
        prefix in "([a-z]{1,8}/){0,3}",
        (hour, date) in folder_hour(),
        request_id in "[a-zA-Z0-9_-]{1,40}",
        (folder, ending, kind) in prop_oneof![
            Just(("model-invocations", "invocation", DocumentKind::Invocation)),
            Just(("metadata", "metadata", DocumentKind::Metadata)),
            Just(("requests", "request", DocumentKind::Request)),
            Just(("responses", "response", DocumentKind::Response)),
        ],
        gz in prop_oneof![Just(""), Just(".gz")],
    ) {
        let key = format!("{prefix}{date}/{folder}/{request_id}-{ending}.json{gz}");
        let prefix = prefix.as_bytes();
        prop_assert_eq!(
            Key::parse(key.as_bytes()),
            Key::SplitDocument { prefix, hour, kind, request_id: &request_id }
        );
        for (at, _) in key.match_indices('/').filter(|(at, _)| *at > prefix.len()) {
            let (from, to) = folder_range(&key.as_bytes()[..at]).expect("inside the date part");
            prop_assert!(from <= hour && hour < to, "{}", &key[..at]);
        }
        let day = UtcDay(hour.0.div_euclid(24));
        let payload = format!("{}/{request_id}/payload.json{gz}", &key[..prefix.len() + 10]);
        prop_assert_eq!(Key::parse(payload.as_bytes()), Key::SplitPayload { prefix, day, request_id: &request_id });
    }

    #[test]
    fn a_key_prefix_changes_nothing_but_the_prefix(
        prefix in prefix(),
        key in prop_oneof![
            Just(format!("{AWS}/2024/03/11/07/{NAME}")),
            Just(format!("{AWS}/2024/03/11/07/data/x")),
            Just("2024/03/11/07/requests/id-request.json".to_owned()),
            Just("2024/03/11/id/payload.json".to_owned()),
            Just("2024/03/11/07/data/x".to_owned()),
        ],
    ) {
        let without_prefix = |key: &Key<'_>| match *key {
            Key::AwsRecord { account, region, hour, .. } => format!("{account} {region} {hour}"),
            Key::AwsPayload { hour } => format!("{hour}"),
            Key::SplitDocument { hour, kind, request_id, .. } => format!("{hour} {kind:?} {request_id}"),
            Key::SplitPayload { day, request_id, .. } => format!("{day} {request_id}"),
            _ => "outside".to_owned(),
        };
        let prefixed = format!("{prefix}{key}");
        prop_assert_eq!(without_prefix(&Key::parse(prefixed.as_bytes())), without_prefix(&Key::parse(key.as_bytes())));
    }

    #[test]
    fn a_date_tail_parses_back(root in "(s3://[a-z]{3,9})?(/[a-z]{1,8}){1,3}", (hour, date) in folder_hour()) {
        for width in [4, 7, 10, 13] {
            let path = format!("{root}/{}", &date[..width]);
            let (found, tail) = date_tail(&path).expect("a date");
            prop_assert_eq!(found, &root);
            prop_assert!(tail.from <= hour && hour < tail.to);
            prop_assert_eq!(Some((tail.from, tail.to)), folder_range(path.as_bytes()));
        }
    }

    #[test]
    fn no_key_panics(
        parts in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..6),
                "(AWSLogs/|[0-9]{12}|/BedrockModelInvocationLogs/|us-east-1/|/|2024|/03|/11|data/|\\.gz|\\.|-request\\.json|requests)"
                    .prop_map(String::into_bytes),
            ],
            0..16,
        ),
    ) {
        let key = parts.concat();
        let _ = Key::parse(&key);
        let _ = folder_range(&key);
        let _ = date_tail(&String::from_utf8_lossy(&key));
    }
}
