//! What may be named, what is shown of it, and what never is; over directories, a SeaweedFS and a moto.
//!
//! In: fixtures, dumps made here, buckets. Out: nothing. Always: as the tools call it. Absent: how a client sees it.

use std::path::Path;

use borehole_mcp::{Events, Pattern, Period};
use borehole_testbed::{Identity, Moto, SeaweedFs};
use clap::Parser;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::serve_mcp::search;
use crate::serve_mcp::snapshot::Snapshots;

const AWS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/dumps/aws");
const SPLIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/dumps/split");
const HOUR: &str =
    "acme-bedrock-logs/AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1/2024/03/11/10";
const RECORDS: &str = "20240311T100312345Z_5555555555555555.json.gz";

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    serve: ServeMcp,
}

/// A server, as its command line makes it.
struct Server {
    args: ServeMcp,
    buckets: Buckets,
    watch: Watch,
}

impl Server {
    fn new(arguments: &[&str]) -> Server {
        let line = Line::try_parse_from([&["serve-mcp", "--no-config"], arguments].concat());
        let args = line.unwrap_or_else(|error| panic!("{error}")).serve;
        Server { args, buckets: Buckets::default(), watch: Watch::new() }
    }

    fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, Failure> {
        self.list_some(bucket, prefix, None, 1_000).map(|listing| keys(&listing))
    }

    fn list_some(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        most: usize,
    ) -> Result<Listing, Failure> {
        self.buckets.list(&self.args, bucket, prefix, after, most, &self.watch)
    }

    fn read(&self, bucket: &str, key: &str) -> Result<Object, Failure> {
        self.buckets.read(&self.args, bucket, key, &self.watch)
    }

    fn restore(&self, bucket: &str, key: &str) -> Result<Restored, Failure> {
        self.buckets.restore(&self.args, bucket, key, 3, &self.watch)
    }

    fn find(&self, id: &str, date: Option<&str>) -> Result<Value, Failure> {
        search::find(&self.args, &self.buckets, id, date, &self.watch)
    }

    fn events(&self, pattern: &Pattern, period: Period, most: usize) -> Result<Events, Failure> {
        let snapshots = Snapshots::default();
        search::events(&self.args, &self.buckets, &snapshots, pattern, &period, most, &self.watch)
    }
}

const ALL: Period = Period::Between { from: None, to: None };

fn text(text: &str) -> Pattern {
    Pattern::Text(text.to_owned())
}

fn keys(listing: &Listing) -> Vec<String> {
    listing.objects.iter().map(|entry| entry.key.clone()).collect()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("temporary directories have plain names")
}

/// A directory with these files, each holding its own key.
fn dump(keys: &[&str]) -> TempDir {
    let root = TempDir::new().expect("a directory");
    for key in keys {
        put(root.path(), key, key.as_bytes());
    }
    root
}

fn put(root: &Path, key: &str, bytes: &[u8]) {
    let path = root.join(key);
    std::fs::create_dir_all(path.parent().expect("below the root")).expect("folders");
    std::fs::write(path, bytes).expect("a file");
}

#[track_caller]
fn refusal<T: std::fmt::Debug>(result: Result<T, Failure>, kind: FailureKind) -> Failure {
    let failure = result.expect_err("it is refused");
    assert_eq!(failure.kind, kind, "{failure:?}");
    failure
}

// What may be named

#[test]
fn a_dump_goes_by_its_source_its_path_and_its_last_name() {
    let root = dump(&["logs/a/1.json", "logs/b.json", "other/c.json"]);
    let logs = root.path().join("logs");
    std::os::unix::fs::symlink(&logs, root.path().join("link")).expect("a link");
    let link = root.path().join("link");
    let server = Server::new(&[path(&link)]);
    let canonical = std::fs::canonicalize(&logs).expect("it is there");
    for name in [path(&link), &format!("{}/", path(&link)), path(&canonical), "logs"] {
        assert_eq!(server.list(name, "").expect(name), ["a/1.json", "b.json"], "{name}");
    }
    for name in
        ["", "/", ".", "..", "other", "s3://logs", path(root.path()), "logs/a", "logs/../other", "link"]
    {
        let failure = refusal(server.list(name, ""), FailureKind::NotAllowed);
        assert!(failure.hint.expect("what there is").contains(path(&link)), "{name}");
        refusal(server.read(name, "b.json"), FailureKind::NotAllowed);
        refusal(server.restore(name, "b.json"), FailureKind::NotAllowed);
    }
}

#[test]
fn a_last_name_that_two_dumps_have_is_none() {
    let root = dump(&["x/logs/a.json", "y/logs/b.json"]);
    let (x, y) = (root.path().join("x/logs"), root.path().join("y/logs"));
    let server = Server::new(&[path(&x), path(&y)]);
    refusal(server.list("logs", ""), FailureKind::NotAllowed);
    assert_eq!(server.list(path(&x), "").expect("the first"), ["a.json"]);
    assert_eq!(server.list(path(&y), "").expect("the second"), ["b.json"]);
    // The same place twice is one.
    let again = Server::new(&[path(&x), "--large-data", path(&x)]);
    assert_eq!(again.list("logs", "").expect("one place"), ["a.json"]);
}

#[test]
fn buckets_that_were_downloaded_into_a_dump_go_by_their_names() {
    let server = Server::new(&[SPLIT]);
    let listed = server.list("bedrock-large-data-mcp", "2024/03/12").expect("a folder of the dump");
    assert_eq!(listed, ["2024/03/12/00000070-5c1e-4d2a-9b7f-0000000d8890/payload.json"]);
    let object = server.read("bedrock-large-data-mcp", &listed[0]).expect("it was listed");
    assert_eq!((object.kind, object.records), ("payload", 0));
    refusal(server.list("bedrock-logs-mcp/2024", ""), FailureKind::NotAllowed);
    refusal(server.list("bedrock-other", ""), FailureKind::NotAllowed);
}

#[test]
fn a_map_gives_a_directory_the_name_of_a_bucket() {
    let root = dump(&["logs/a.json", "payloads/p/1.json", "payloads/q.json"]);
    let (logs, payloads) = (root.path().join("logs"), root.path().join("payloads"));
    let map = format!("s3://big/pre/fix={}", path(&payloads));
    let server = Server::new(&[path(&logs), "--map", &map]);
    assert_eq!(server.list("big", "").expect("mapped"), ["pre/fix/p/1.json", "pre/fix/q.json"]);
    assert_eq!(server.list("s3://big", "pre/fix/p").expect("mapped"), ["pre/fix/p/1.json"]);
    assert_eq!(server.list("payloads", "").expect("itself"), ["p/1.json", "q.json"]);
    let rest = server.list_some("big", "", Some("pre/fix/p/1.json"), 9).expect("mapped");
    assert_eq!(keys(&rest), ["pre/fix/q.json"]);
    assert_eq!(keys(&server.list_some("big", "", Some("a"), 9).expect("mapped")).len(), 2);
    assert_eq!(keys(&server.list_some("big", "", Some("z"), 9).expect("mapped")).len(), 0);
    assert_eq!(server.read("big", "pre/fix/q.json").expect("mapped").entry.key, "pre/fix/q.json");
    let failure = refusal(server.read("big", "q.json"), FailureKind::NotAllowed);
    assert!(failure.hint.expect("where").contains("pre/fix/"));
    refusal(server.list("big", "other"), FailureKind::NotAllowed);
}

#[test]
fn a_source_within_a_dump_opens_no_more_of_it() {
    let inside = format!("{AWS}/acme-bedrock-logs/AWSLogs/444455556666");
    let server = Server::new(&[&inside]);
    let listed = server.list(&inside, "").expect("the account");
    assert!(listed.len() > 2 && listed.iter().all(|key| key.starts_with("AWSLogs/444455556666/")));
    let other = &format!("{HOUR}/{RECORDS}")["acme-bedrock-logs/".len()..];
    let failure = refusal(server.read(&inside, other), FailureKind::NotAllowed);
    assert!(failure.hint.expect("where").contains("AWSLogs/444455556666/"));
    refusal(server.list(&inside, "AWSLogs/111122223333"), FailureKind::NotAllowed);

    let file = format!("{AWS}/{HOUR}/{RECORDS}");
    let server = Server::new(&[&file]);
    assert_eq!(server.list(&file, "").expect("itself").len(), 1);
    let key = server.list(&file, "").expect("itself").remove(0);
    assert_eq!(server.read(&file, &key).expect("itself").kind, "records");
    refusal(server.read(&file, "README.md"), FailureKind::NotAllowed);
}

#[test]
fn a_source_with_a_date_opens_objects_of_that_time_alone() {
    let dated = format!("{SPLIT}/bedrock-logs-mcp/2024/03/11/08");
    let server = Server::new(&[&dated]);
    let id = "0000006a-5c1e-4d2a-9b7f-0000000ccef6";
    let near = format!("2024/03/11/08/requests/{id}-request.json");
    assert_eq!(server.read("bedrock-logs-mcp", &near).expect("of the hour").kind, "document");
    let far = "2024/03/11/23/model-invocations/00000070-5c1e-4d2a-9b7f-0000000d8890-invocation.json";
    refusal(server.read("bedrock-logs-mcp", far), FailureKind::NotAllowed);
}

#[test]
fn a_dataset_has_no_objects() {
    let root = TempDir::new().expect("a directory");
    let kept = root.path().join("kept");
    let identity =
        borehole_table::dataset::Identity { sources: vec![AWS.to_owned()], options: BTreeMap::new() };
    drop(borehole_table::dataset::Dataset::open(&kept, &identity).expect("a dataset"));
    let server = Server::new(&[path(&kept)]);
    let failure = refusal(server.list(path(&kept), ""), FailureKind::NotAllowed);
    assert!(failure.hint.expect("what to do").contains("dataset"));
    refusal(server.find("0000001c-5c1e-4d2a-9b7f-000000036224", None), FailureKind::NoAnswer);
    refusal(server.events(&text("x"), ALL, 1), FailureKind::NoAnswer);
}

#[test]
fn no_key_leads_out_of_a_dump() {
    let root = dump(&["secret.json", "logs/a.json", "logs/deep/b.json"]);
    let link = |to: &str, name: &str| {
        std::os::unix::fs::symlink(to, root.path().join("logs").join(name)).expect("a link");
    };
    link("../secret.json", "out.json");
    link("..", "out");
    link(path(root.path()), "absolute");
    link("deep", "in");
    let logs = root.path().join("logs");
    let server = Server::new(&[path(&logs)]);
    let absolute = path(&root.path().join("secret.json")).to_owned();
    for key in
        ["../secret.json", "deep/../../secret.json", "out.json", "out/secret.json", "absolute/secret.json"]
            .into_iter()
            .chain([
                absolute.as_str(),
                "./a.json",
                "deep/../a.json",
                "deep//b.json",
                "nothing.json",
                "\\x2e\\x2e/secret.json",
            ])
    {
        let failure = refusal(server.read("logs", key), FailureKind::NotFound);
        assert!(!format!("{failure:?}").contains("secret.json is"), "{failure:?}");
    }
    for key in ["", "a\0", "a\\x00", "\\", "\\q"] {
        refusal(server.read("logs", key), FailureKind::Arguments);
    }
    let failure = refusal(server.read("logs", "deep"), FailureKind::NotFound);
    assert!(failure.message.ends_with("is a folder, and no object"), "{failure:?}");
    for prefix in ["../", "../s", "/", "out/", "absolute/", "deep/../"] {
        refusal(server.list("logs", prefix), FailureKind::NotFound);
    }
    // A link that stays inside is followed; those that leave are counted.
    let listing = server.list_some("logs", "", None, 1_000).expect("a listing");
    assert_eq!(keys(&listing), ["a.json", "deep/b.json", "in/b.json"]);
    assert_eq!(listing.failed, 3);
    assert_eq!(server.list("logs", "nothing/").expect("nothing"), [""; 0]);
    assert_eq!(server.list("logs", "a.json/").expect("nothing"), [""; 0]);
}

// What is listed

#[test]
fn a_listing_is_by_key_and_goes_on_where_it_ended() {
    let all = ["2024/03/09/x", "2024/03/10/x", "2024/03/11/07/x", "2024/03/11/07/y", "2024/03/11/08/x"];
    let root = dump(&[&all[..], &["2024/03/1", "2024-b", "2023/z", "b \u{e9}\\.json"]].concat());
    // A link to a folder is walked where a file of its name would stand.
    std::os::unix::fs::symlink("03/11", root.path().join("2024/02")).expect("a link");
    put(root.path(), "2024/02-file", b"x");
    let name = path(root.path());
    let server = Server::new(&[name]);
    assert_eq!(server.list(name, "2024/03/1").expect("a prefix"), [&["2024/03/1"], &all[1..]].concat());
    assert_eq!(server.list(name, "2024/03/11/").expect("a folder"), all[2..]);
    assert_eq!(server.list(name, "2024/03/11").expect("no folder"), all[2..]);
    assert_eq!(server.list(name, "b").expect("an odd key"), ["b \\xc3\\xa9\\\\.json"]);
    assert_eq!(server.read(name, "b \\xc3\\xa9\\\\.json").expect("that key").entry.size, Some(10));
    let whole = server.list(name, "").expect("all");
    assert!(whole.is_sorted() && whole.len() == 13, "{whole:?}");
    for most in [1, 2, 5, 12, 13, 14] {
        let (mut seen, mut after): (Vec<String>, Option<String>) = (Vec::new(), None);
        loop {
            let page = server.list_some(name, "", after.as_deref(), most).expect("a page");
            assert!(page.objects.len() == most || !page.more);
            seen.extend(keys(&page));
            after = seen.last().cloned();
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, whole, "{most} a page");
    }
    let first = server.list_some(name, "", None, 1).expect("a page").objects.remove(0);
    assert_eq!((first.key.as_str(), first.size, first.archived), ("2023/z", Some(6), false));
    assert_eq!(first.storage_class, "STANDARD");
    assert!(first.last_modified.is_some_and(|time| time.seconds > 1_700_000_000));
}

#[test]
fn what_was_stopped_says_so_and_nothing_else() {
    let server = Server::new(&[AWS]);
    server.watch.stop();
    refusal(server.list("aws", ""), FailureKind::Stopped);
    refusal(server.read("aws", &format!("{HOUR}/{RECORDS}")), FailureKind::Stopped);
    refusal(server.find("0000001c-5c1e-4d2a-9b7f-000000036224", None), FailureKind::Stopped);
    refusal(server.events(&text("claude"), ALL, 10), FailureKind::Stopped);
}

// What is read

#[test]
fn an_object_is_read_as_what_its_key_says() {
    let server = Server::new(&[AWS, SPLIT]);
    let object = server.read("aws", &format!("{HOUR}/{RECORDS}")).expect("records");
    assert_eq!((object.kind, object.rejected), ("records", 0));
    assert_eq!(object.envelopes.len() as u64, object.records);
    assert_eq!(
        object.envelopes[1],
        json!({
            "document": "record",
            "timestamp": "2024-03-11T10:10:00Z",
            "request_id": "0000001d-5c1e-4d2a-9b7f-000000038113",
            "account": "111122223333",
            "region": "us-east-1",
            "model": "anthropic.claude-3-haiku-20240307-v1:0",
            "operation": "Converse",
            "identity": "arn:aws:iam::111122223333:user/reader",
            "input_tokens": 30_500,
            "output_tokens": 410,
            "input": {"place": "reference", "path": format!("s3://{HOUR}/data/0000001d-5c1e-4d2a-9b7f-000000038113_input.json.gz")},
            "output": {"place": "reference", "path": format!("s3://{HOUR}/data/0000001d-5c1e-4d2a-9b7f-000000038113_output.json.gz")},
        })
    );
    assert_eq!((object.text, object.text_withheld.as_deref()), (None, Some(WITHHELD)));
    let payload = format!("{HOUR}/data/0000001d-5c1e-4d2a-9b7f-000000038113_input.json.gz");
    let payload = server.read("aws", &payload).expect("a payload");
    assert_eq!((payload.kind, payload.records, payload.rejected), ("payload", 0, 0));
    let response = "2024/03/11/08/responses/00000066-5c1e-4d2a-9b7f-0000000c533a-response.json";
    let response = server.read("bedrock-logs-mcp", response).expect("a document");
    assert_eq!((response.kind, response.records), ("document", 1));
    assert_eq!(response.envelopes[0]["document"], "response");
    assert!(response.envelopes[0]["http_status"].is_u64(), "{}", response.envelopes[0]);
}

#[test]
fn twenty_envelopes_are_shown_all_are_counted_and_what_is_no_log_has_none() {
    let root = TempDir::new().expect("a directory");
    let record = |number: u32| {
        format!(
            r#"{{"schemaType":"ModelInvocationLog","timestamp":"2024-03-11T07:00:00Z","requestId":"id-{number}","modelId":"m"}}"#
        )
    };
    let lines: Vec<String> = (0..30).map(record).chain(["{broken".to_owned()]).collect();
    put(root.path(), "loose.json", lines.join("\n").as_bytes());
    put(root.path(), "picture", b"\x89PNG\r\n\x1a\n\0\0\0");
    put(root.path(), "notes.txt", "Bl\u{e4}tter".repeat(10_000).as_bytes());
    let name = path(root.path());
    let server = Server::new(&[name, "--allow-bodies"]);
    let loose = server.read(name, "loose.json").expect("records");
    assert_eq!((loose.kind, loose.records, loose.rejected, loose.envelopes.len()), ("other", 30, 1, 20));
    let picture = server.read(name, "picture").expect("a picture");
    assert_eq!((picture.records, picture.rejected, picture.text), (0, 0, None));
    assert_eq!(picture.text_withheld.as_deref(), Some("no text: PNG"));
    let notes = server.read(name, "notes.txt").expect("text").text.expect("text");
    assert!(notes.is_cut && notes.text.len() <= TEXT_BYTES_MAX && notes.text.len() > TEXT_BYTES_MAX - 4);
    assert!(!notes.text.contains('\u{fffd}'), "cut between characters");
    put(
        root.path(),
        "AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1/2024/03/11/07/x.json.gz",
        b"\x1f\x8b\x08",
    );
    let broken = "AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1/2024/03/11/07/x.json.gz";
    let failure = refusal(server.read(name, broken), FailureKind::NoAnswer);
    assert!(failure.message.ends_with("cannot be decoded: gz_truncated"), "{failure:?}");
}

#[test]
fn an_object_that_decodes_to_too_much_is_not_read_to_its_end() {
    let root = TempDir::new().expect("a directory");
    let line = format!("{{\"schemaType\":\"Other\",\"pad\":\"{}\"}}\n", "x".repeat(1 << 20));
    put(root.path(), "big.json", line.repeat(66).as_bytes());
    let name = path(root.path());
    let failure = refusal(Server::new(&[name]).read(name, "big.json"), FailureKind::NoAnswer);
    assert!(failure.message.contains("longer than 64 MiB"), "{failure:?}");
}

// What is found

#[test]
fn a_request_is_found_as_the_command_finds_it() {
    let server = Server::new(&[SPLIT]);
    let id = "0000006a-5c1e-4d2a-9b7f-0000000ccef6";
    let found = server.find(&id.to_uppercase(), None).expect("an answer");
    assert_eq!((&found["schema"], &found["complete"]), (&json!("borehole.find/1"), &json!(true)));
    let kinds: Vec<&Value> =
        found["documents"].as_array().expect("documents").iter().map(|document| &document["kind"]).collect();
    assert_eq!(kinds, ["invocation", "request"]);
    assert_eq!(found["documents"][1]["input"]["outcome"], "found");
    let beside = server.find("00000068-5c1e-4d2a-9b7f-0000000c9118", Some("2024-03-11")).expect("an answer");
    assert_eq!(beside["objects"][0]["kind"], "payload");
    let nothing = server.find("none-of-this-id", Some("2024-03-11")).expect("an answer");
    assert_eq!((&nothing["documents"], &nothing["objects"]), (&json!([]), &json!([])));
    refusal(server.find("a/b", None), FailureKind::Arguments);
    refusal(server.find(id, Some("soon")), FailureKind::Arguments);
}

#[test]
fn events_are_the_oldest_and_carry_their_places() {
    let server = Server::new(&[AWS]);
    let all = server.events(&text("claude"), ALL, 1_000).expect("an answer");
    assert!(!all.more && all.objects_read > 5 && all.objects_failed == 0);
    let times: Vec<_> = all.events.iter().map(|event| event.timestamp).collect();
    assert!(times.is_sorted() && times.len() > 10);
    let moments = all.moments.expect("the time of the data");
    assert!(moments.to_is_end_of_data && moments.from < moments.to);
    for most in [1, 3, times.len() - 1] {
        let some = server.events(&text("claude"), ALL, most).expect("an answer");
        assert!(some.more);
        assert_eq!(some.events, all.events[..most]);
    }
    let hour = Period::Between {
        from: Some(Timestamp::from_seconds(1_710_151_200)),
        to: Some(Timestamp::from_seconds(1_710_154_800)),
    };
    let within = server.events(&text("claude"), hour, 1_000).expect("an answer");
    let expected: Vec<_> = all
        .events
        .iter()
        .filter(|event| event.timestamp.is_some_and(|time| time.to_string().starts_with("2024-03-11T10:")))
        .collect();
    assert!(!expected.is_empty());
    assert_eq!(within.events.iter().collect::<Vec<_>>(), expected);
    assert_eq!(within.moments.map(|moments| moments.to_is_end_of_data), Some(false));
    // The server's own range bounds what a client may ask.
    let narrow = Server::new(&[AWS, "--to", "2024-03-11T10:00:00Z"]);
    let early = narrow.events(&text("claude"), ALL, 1_000).expect("an answer").events;
    assert!(!early.is_empty() && early.len() < all.events.len());
    assert!(early.iter().all(|event| event.timestamp.is_some_and(|time| time.seconds < 1_710_151_200)));
    refusal(narrow.events(&text("claude"), hour, 1), FailureKind::Arguments);

    let id = "0000001d-5c1e-4d2a-9b7f-000000038113";
    let one = server.events(&Pattern::RequestId(id.to_uppercase()), ALL, 10).expect("an answer");
    assert_eq!(one.events.len(), 1);
    let event = &one.events[0];
    assert_eq!(event.place, format!("{AWS}/{HOUR}/{RECORDS}"));
    assert!(event.offset > 0);
    let read = server.read("aws", &format!("{HOUR}/{RECORDS}")).expect("that object");
    assert_eq!(event.envelope, read.envelopes[1], "the same envelope everywhere");
    refusal(server.events(&Pattern::RequestId("a/b".to_owned()), ALL, 1), FailureKind::Arguments);
}

#[test]
fn documents_of_the_split_layout_are_events_of_their_own() {
    let server = Server::new(&[SPLIT]);
    let id = "00000066-5c1e-4d2a-9b7f-0000000c533a";
    let found = server.events(&Pattern::RequestId(id.to_owned()), ALL, 10).expect("an answer");
    let mut kinds: Vec<&str> =
        found.events.iter().filter_map(|event| event.envelope["document"].as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["invocation", "metadata", "request", "response"]);
    // What a document does not say itself, its key does.
    assert!(found.events.iter().all(|event| event.envelope["request_id"] == id));
    assert_eq!(server.events(&text(id), ALL, 10).expect("an answer").events, found.events);
}

// What never comes out

#[test]
fn k04_no_body_tag_or_header_is_shown_or_searched() {
    const CANARY: &str = "Zaunkoenig7f3a";
    let root = TempDir::new().expect("a directory");
    let id = "0000000a-1111-4222-8333-00000000000a";
    let body = json!({"messages": [{"role": CANARY, "content": [{"text": CANARY}, {(CANARY): CANARY}]}]});
    let record = json!({
        "schemaType": "ModelInvocationLog", "timestamp": "2024-03-11T07:00:00Z", "requestId": id,
        "accountId": "111122223333", "region": "us-east-1", "modelId": "m", "operation": "Converse",
        "input": {"inputContentType": CANARY, "inputBodyJson": body, "inputTokenCount": 5},
        "output": {"outputContentType": CANARY, "outputBodyJson": body},
        "requestMetadata": {"note": CANARY, (CANARY): "value"}, "errorMessage": CANARY, (CANARY): [CANARY],
    });
    let key =
        "AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1/2024/03/11/07/20240311T070000000Z_0.json";
    put(root.path(), key, format!("{record}\n{{\"{CANARY}\": {CANARY}}}\n").as_bytes());
    put(root.path(), &format!("2024/03/11/{id}/payload.json"), body.to_string().as_bytes());
    put(root.path(), &format!("2024/03/11/07/requests/{id}-request.json"), record.to_string().as_bytes());
    let name = path(root.path());
    let server = Server::new(&[name]);
    let mut said = String::new();
    for key in server.list(name, "").expect("a listing") {
        let object = server.read(name, &key).expect("an object");
        said += &format!("{object:?}");
        said += &object.envelopes.iter().map(Value::to_string).collect::<String>();
    }
    let found = server.find(id, None).expect("an answer");
    assert!(found["documents"].as_array().expect("documents").len() >= 2, "{found}");
    said += &found.to_string();
    let events = server.events(&text(id), ALL, 10).expect("an answer").events;
    assert!(!events.is_empty());
    said += &format!("{events:?}");
    assert!(!said.contains(CANARY), "{said}");
    assert!(server.events(&text(CANARY), ALL, 10).expect("an answer").events.is_empty());
    // The word is where somebody asks for it.
    let open = Server::new(&[name, "--allow-bodies"]);
    assert!(open.read(name, key).expect("an object").text.expect("text").text.contains(CANARY));
    assert!(!format!("{:?}", open.find(id, None).expect("an answer")).contains(CANARY));
}

#[test]
fn k06_what_a_client_sends_comes_back_escaped() {
    let corpus = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/injection/strings.json"
    ));
    let corpus = corpus.expect("the corpus is there").replace("\\ud800", "x");
    let corpus: Vec<Value> = serde_json::from_str(&corpus).expect("the corpus is JSON");
    let root = dump(&["a.json"]);
    let server = Server::new(&[path(root.path())]);
    let name = path(root.path());
    let safe = |failure: &Failure| {
        let words = format!("{}{}", failure.message, failure.hint.as_deref().unwrap_or_default());
        assert_eq!(words, escaped(&words), "as a terminal may have it");
    };
    let mut refusals = 0;
    for entry in &corpus {
        let hostile = entry["text"].as_str().expect("a text");
        let failures = [
            server.list(hostile, "").err(),
            server.list(name, hostile).err(),
            server.read(hostile, "a.json").err(),
            server.read(name, hostile).err(),
            server.restore(name, hostile).err(),
            server.find(hostile, Some(hostile)).err(),
            server.events(&Pattern::RequestId(hostile.to_owned()), ALL, 1).err(),
        ];
        refusals += failures.iter().flatten().count();
        failures.iter().flatten().for_each(safe);
    }
    assert!(refusals > 4 * corpus.len(), "{refusals}");
}

// Buckets

fn arguments<'a>(server: &'a SeaweedFs, endpoint: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let _ = server;
    [&["--profile", Identity::Reader.profile(), "--endpoint-url", endpoint], more].concat()
}

#[test]
fn a_bucket_is_listed_no_further_than_is_shown() {
    SeaweedFs::with(|seaweed| {
        let bucket = seaweed.own_bucket("listed");
        bucket.put_all((0..1_500).map(|number| (format!("many/{number:04}"), vec![b'x'; 3])));
        for key in ["logs/2024/a b+c%\u{e9}", "logs/2024-x", "logs2/x"] {
            bucket.put(key, b"12345");
        }
        let endpoint = seaweed.endpoint();
        let url = bucket.url();
        let server = Server::new(&arguments(seaweed, &endpoint, &[&url]));
        let name = bucket.name.as_str();
        assert_eq!(
            server.list(name, "logs/2024").expect("a prefix"),
            ["logs/2024-x", "logs/2024/a b+c%\\xc3\\xa9"]
        );
        assert_eq!(server.list(&url, "logs2").expect("by its URL"), ["logs2/x"]);
        let odd = server.read(name, "logs/2024/a b+c%\\xc3\\xa9").expect("an odd key");
        assert_eq!((odd.kind, odd.entry.size, odd.entry.archived), ("other", Some(5), false));
        assert!(odd.entry.last_modified.is_some());
        let first = server.list_some(name, "many/", None, 3).expect("a page");
        assert_eq!((keys(&first).join(" "), first.more), ("many/0000 many/0001 many/0002".to_owned(), true));
        assert!(first.objects[0].last_modified.is_some());
        let next = server.list_some(name, "many/", Some("many/0002"), 1_000).expect("a page");
        assert_eq!((next.objects.len(), next.more), (1_000, true));
        assert_eq!(next.objects[999].key, "many/1002");
        let last = server.list_some(name, "many/", Some("many/1002"), 497).expect("a page");
        assert_eq!((last.objects.len(), last.more), (497, false));
        refusal(server.read(name, "many/none"), FailureKind::NotFound);
        refusal(server.list("another-bucket", ""), FailureKind::NotAllowed);
        refusal(server.list("s3://another-bucket", ""), FailureKind::NotAllowed);

        let below = format!("{url}/logs");
        let narrow = Server::new(&arguments(seaweed, &endpoint, &[&below]));
        assert_eq!(narrow.list(name, "").expect("below").len(), 2);
        assert_eq!(narrow.list(name, "logs").expect("below").len(), 2);
        assert_eq!(narrow.list(name, "logs/2024-").expect("below"), ["logs/2024-x"]);
        let failure = refusal(narrow.read(name, "logs2/x"), FailureKind::NotAllowed);
        assert_eq!(failure.hint.as_deref(), Some("only keys below logs/ are open here"));
        refusal(narrow.read(name, "many/0001"), FailureKind::NotAllowed);
        refusal(narrow.list(name, "many/"), FailureKind::NotAllowed);
        refusal(narrow.list(name, "logs2"), FailureKind::NotAllowed);
    });
}

#[test]
fn requests_in_buckets_are_found_and_searched() {
    SeaweedFs::with(|seaweed| {
        let logs = seaweed.own_bucket("found-logs");
        logs.put_directory(&Path::new(SPLIT).join("bedrock-logs-mcp"));
        let payloads = seaweed.own_bucket("found-payloads");
        payloads.put_directory(&Path::new(SPLIT).join("bedrock-large-data-mcp"));
        let endpoint = seaweed.endpoint();
        let (source, large) = (logs.url(), payloads.url());
        let server = Server::new(&arguments(
            seaweed,
            &endpoint,
            &[&source, "--large-data", &large, "--from", "2024-03-11", "--to", "2024-03-13"],
        ));
        let id = "0000006a-5c1e-4d2a-9b7f-0000000ccef6";
        let found = server.find(id, None).expect("an answer");
        assert_eq!(found["documents"].as_array().map(Vec::len), Some(2), "{found}");
        assert_eq!(found["objects"][0]["source"], large.as_str());
        let events = server.events(&Pattern::RequestId(id.to_owned()), ALL, 10).expect("an answer");
        assert_eq!(events.events.len(), 2);
        assert!(events.events[0].place.starts_with(&format!("{source}/2024/03/11/08/")), "{events:?}");
        assert_eq!(server.list(&payloads.name, "2024/03/12").expect("payloads").len(), 1);
        server.watch.stop();
        refusal(server.list(&logs.name, ""), FailureKind::Stopped);
        refusal(server.find(id, None), FailureKind::Stopped);
        refusal(server.events(&text("x"), ALL, 10), FailureKind::Stopped);
        refusal(server.read(&logs.name, "2024/03/11/08/x"), FailureKind::Stopped);
    });
}

#[test]
fn b08_a_restore_is_asked_for_only_where_it_is_allowed() {
    Moto::with(|moto| {
        let bucket = moto.bucket("archive");
        let key = "AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1/2024/03/11/07/20240311T070000000Z_0.json";
        moto.archive(&bucket, key, b"{}", "GLACIER");
        moto.archive(&bucket, "2024/03/11/some-request/payload.json", b"{}", "DEEP_ARCHIVE");
        bucket.put("warm.json", b"{}");
        moto.restores_take(1);
        let endpoint = moto.endpoint();
        let server = |more: &[&str]| {
            Server::new(&[&["--endpoint-url", endpoint.as_str(), "s3://archive"], more].concat())
        };
        let closed = server(&[]);
        let listed = closed.list_some("archive", "AWSLogs/", None, 9).expect("a listing").objects.remove(0);
        assert_eq!((listed.storage_class, listed.archived), ("GLACIER", true));
        let failure = refusal(closed.read("archive", key), FailureKind::NoAnswer);
        assert_eq!(failure.hint.as_deref(), Some("s3_restore_object asks S3 for a copy"));
        let refused = closed.restore("archive", key).expect("an answer");
        assert_eq!(refused.outcome, "not_allowed");
        let command =
            format!("borehole restore s3://archive/{key} --all --days 3 --endpoint-url {endpoint} --yes");
        assert!(refused.notes[1].ends_with(&command), "{refused:?}");
        let payload = closed.restore("archive", "2024/03/11/some-request/payload.json").expect("an answer");
        assert!(payload.notes[1].ends_with(" --payloads --yes"), "{payload:?}");
        assert_eq!(closed.restore("archive", "warm.json").expect("an answer").outcome, "not_archived");
        refusal(closed.restore("archive", "none.json"), FailureKind::NotFound);

        let open = server(&["--allow-restore"]);
        let asked = open.restore("archive", key).expect("an answer");
        assert_eq!(asked.outcome, "asked", "{asked:?}");
        assert_eq!(asked.notes[0], "tier Bulk, which takes 5 to 12 hours");
        assert_eq!(open.restore("archive", "warm.json").expect("an answer").outcome, "not_archived");
        // moto counts looks, and each of these is one: sooner or later a copy is there.
        let mut looks = 0;
        while open.read("archive", key).is_err() {
            looks += 1;
            assert!(looks < 10, "it is never restored");
        }
        assert_eq!(open.restore("archive", key).expect("an answer").outcome, "restored");
        let out = open.buckets.restore(&open.args, "archive", key, 366, &open.watch);
        refusal(out, FailureKind::Arguments);
    });
    let local = Server::new(&[AWS, "--allow-restore"]);
    refusal(local.restore("aws", &format!("{HOUR}/{RECORDS}")), FailureKind::Arguments);
}
