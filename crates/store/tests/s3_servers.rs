//! S3 as a store, against real servers: SeaweedFS for listings, permissions and bytes, moto for archives, and a proxy
//! before them for what goes wrong on the way.
//!
//! In: buckets made for the purpose. Out: nothing. Always: each test is a child process with its own AWS
//! configuration. Names begin with the row of the fault catalogue that they cover. What no real server does at
//! will (expired credentials, other Regions, malformed pages) is tested against scripted answers elsewhere.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use borehole_store::s3::restore::{Asked, Tier};
use borehole_store::s3::{Connections, S3Options, Tuning};
use borehole_store::{
    Error, EscapedKey, Listed, Object, ReadFailure, Receipt, Restore, S3Store, StorageClass, Store, Version,
};
use borehole_testbed::{
    Bucket, Extras, Fault, Faults, Identity, Kind, Moto, Proxy, SERVER_WORDS, SeaweedFs, wait_for,
};

/// A client that loses patience soon, so that a stall costs a test little; long enough for a machine that builds.
fn hasty() -> Tuning {
    Tuning { stall: Duration::from_secs(2), patience: Duration::from_secs(60), ..Tuning::default() }
}

fn try_open(bucket: &str, identity: Identity, endpoint: Option<String>) -> Result<Arc<S3Store>, Error> {
    let profile = Some(identity.profile().to_owned());
    let options = S3Options { profile, endpoint_url: endpoint, ..S3Options::default() };
    Connections::new(hasty())?.open(bucket, &options)
}

/// A bucket as somebody who may only read, at the endpoint of the environment.
fn open(bucket: &Bucket) -> Arc<S3Store> {
    try_open(&bucket.name, Identity::Reader, None).expect("the bucket opens")
}

fn open_through(proxy: &Proxy, bucket: &Bucket) -> Arc<S3Store> {
    try_open(&bucket.name, Identity::Reader, Some(proxy.endpoint())).expect("the bucket opens")
}

/// A bucket of moto, whose keys come from the environment.
fn open_moto(endpoint: String, bucket: &Bucket) -> Arc<S3Store> {
    let options = S3Options { endpoint_url: Some(endpoint), ..S3Options::default() };
    Connections::new(hasty()).unwrap().open(&bucket.name, &options).expect("the bucket opens")
}

fn list(store: &S3Store, prefix: &str) -> Result<BTreeMap<String, Object>, Error> {
    let mut objects = BTreeMap::new();
    let mut found = |listed| {
        let Listed::Object(object) = listed else { panic!("{listed:?}") };
        let key = String::from_utf8(object.key.to_vec()).expect("UTF-8");
        assert!(objects.insert(key, object).is_none(), "a key came twice");
    };
    store.list(prefix.as_bytes(), &mut |_| true, &mut found)?;
    Ok(objects)
}

fn read(store: &S3Store, object: &Object) -> Result<Vec<u8>, ReadFailure> {
    let mut bytes = Vec::new();
    let receipt = store.read(object, &mut |chunk| {
        bytes.extend_from_slice(chunk);
        true
    })?;
    assert_eq!(receipt, Receipt { bytes: bytes.len() as u64, revised: false });
    Ok(bytes)
}

/// Asks for all objects at once, as a run does.
fn fetch_all(store: &S3Store, objects: &[Object]) -> Vec<Result<Vec<u8>, ReadFailure>> {
    let (sender, receiver) = mpsc::channel();
    for (index, object) in objects.iter().enumerate() {
        let sender = sender.clone();
        let begun = store.fetch(object, Box::new(move |body| sender.send((index, body)).unwrap()));
        assert!(begun.is_ok(), "a remote store takes everything");
    }
    drop(sender);
    let mut all: Vec<_> = objects.iter().map(|_| Err(ReadFailure::Stopped)).collect();
    for (index, body) in receiver {
        let mut bytes = Vec::new();
        let receipt = body.read(&mut |chunk| {
            bytes.extend_from_slice(chunk);
            true
        });
        all[index] = receipt.map(|_| bytes);
    }
    all
}

/// Bytes that differ from place to place and from seed to seed.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}

/// An error of a place tells its place and our cause, and nothing that a server said.
fn assert_clear(error: &Error, operation: &str, cause: &str) {
    let text = error.to_string();
    assert!(error.operation == operation && error.cause.contains(cause), "{text}");
    assert!(error.hint.is_some(), "{text} says nothing of what to do");
    assert!(!text.contains(SERVER_WORDS) && !text.contains('<'), "{text}");
}

#[test]
fn c14_a_folder_of_many_pages_is_listed_whole() {
    SeaweedFs::with(|server| {
        let bucket = server.own_bucket("pages");
        let keys: Vec<String> = (0..2_503).map(|number| format!("2024/03/11/07/{number:05}.json")).collect();
        bucket.put_all(keys.iter().map(|key| (key.clone(), key.clone().into_bytes())));
        bucket.put_all((0..5).map(|number| (format!("2024/03/11/08/{number}.json"), vec![0])));
        let proxy = Proxy::start(&server.endpoint(), Faults::default());
        let store = open_through(&proxy, &bucket);
        let hour = list(&store, "2024/03/11/07/").unwrap();
        assert_eq!(hour.keys().collect::<Vec<_>>(), keys.iter().collect::<Vec<_>>());
        assert!(hour.values().all(|object| object.size == Some(24)), "24 bytes of key are the content");
        assert_eq!(proxy.tally().requests(Kind::List), 3, "1,000 keys a page");
        assert_eq!(list(&store, "2024/").unwrap().len(), 2_508);
        let mut flat = 0;
        store.list_flat(&[b"2024/03/".to_vec()], &mut |_| flat += 1).unwrap();
        assert_eq!(flat, 2_508);
        assert_eq!(proxy.tally().broken, 0);
    });
}

#[test]
fn c06_odd_keys_survive_more_than_one_page() {
    SeaweedFs::with(|server| {
        let bucket = server.own_bucket("odd");
        let odd = ["a b+c", "a%2Fb", "&amp;", "\"'", "é", "😀", "日本", "<Key>", "?#"];
        let key = |number: usize| format!("k {}/{number}{}", number % 3, odd[number % odd.len()]);
        let keys: Vec<String> =
            (0..1_200).map(|number| format!("x{}", key(number).replace(' ', " + "))).collect();
        // All in one folder more than a page holds, their names starting with what has to be escaped.
        let keys: Vec<String> = keys.iter().map(|key| format!("+ %/{}", key.replace('/', "_"))).collect();
        bucket.put_all(keys.iter().map(|key| (key.clone(), key.clone().into_bytes())));
        let store = open(&bucket);
        let listed = list(&store, "").unwrap();
        let mut expected = keys.clone();
        expected.sort();
        assert_eq!(listed.keys().collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
        let objects: Vec<Object> = listed.into_values().collect();
        for (object, bytes) in objects.iter().zip(fetch_all(&store, &objects)) {
            assert_eq!(bytes.as_deref(), Ok(&*object.key), "{}", EscapedKey(&object.key));
        }
    });
}

#[test]
fn bytes_are_those_that_were_stored_whatever_their_number() {
    SeaweedFs::with(|server| {
        let bucket = server.own_bucket("bytes");
        // Around what is asked for whole, around ranges' borders, and around SeaweedFS's own pieces of 4 MiB.
        let mib = 1 << 20;
        let sizes =
            [0, 1, 2, 65_537, 4 * mib, 8 * mib - 1, 8 * mib, 8 * mib + 1, 16 * mib, 16 * mib + 1, 21_000_003];
        for size in sizes {
            bucket.put(&format!("{size:08}"), &noise(size, size as u64));
        }
        let store = open(&bucket);
        let objects: Vec<Object> = list(&store, "").unwrap().into_values().collect();
        assert_eq!(objects.len(), sizes.len());
        for (size, bytes) in sizes.iter().zip(fetch_all(&store, &objects)) {
            assert!(bytes == Ok(noise(*size, *size as u64)), "{size} bytes at once");
        }
        for (object, size) in objects.iter().zip(sizes) {
            assert_eq!(object.size, Some(size as u64));
            assert!(read(&store, object) == Ok(noise(size, size as u64)), "{size} bytes by itself");
            let unlisted = Object::unlisted(&object.key);
            assert!(read(&store, &unlisted) == Ok(noise(size, size as u64)), "{size} bytes, not listed");
        }
    });
}

#[test]
fn a14_stored_bytes_stay_as_they_are_stored() {
    SeaweedFs::with(|server| {
        let bucket = server.own_bucket("encoded");
        // Not even gzip: whoever decoded it would fail.
        let extras = Extras { content_encoding: Some("gzip"), ..Extras::default() };
        bucket.put_with("k", b"these are the stored bytes", extras);
        let store = open(&bucket);
        assert_eq!(read(&store, &list(&store, "").unwrap()["k"]).unwrap(), b"these are the stored bytes");
    });
}

/// That this identity may not write is tested where it is made, in the testbed.
#[test]
fn who_may_only_read_and_list_can_do_all_that_is_done_here() {
    SeaweedFs::with(|server| {
        let bucket = server.own_bucket("reader");
        bucket.put("a", b"1");
        let store = open(&bucket);
        let listed = list(&store, "").unwrap();
        assert_eq!(read(&store, &listed["a"]).unwrap(), b"1");
        assert_eq!(store.head(b"a"), Ok(Some(listed["a"].clone())));
        assert_eq!(fetch_all(&store, &[listed["a"].clone()]), [Ok(b"1".to_vec())]);
        // What this server cannot do at all is one object's matter, not the run's.
        let archived = Object { class: StorageClass::Glacier, ..Object::unlisted(b"a") };
        assert!(restore(&store, &archived, Tier::Bulk).is_err());
        assert_eq!(store.stopped().map(|error| error.to_string()), None);
    });
}

#[test]
fn b02_a_wrong_secret_an_unknown_key_and_a_missing_bucket_stop_the_run() {
    SeaweedFs::with(|server| {
        let bucket = server.own_bucket("stopped");
        bucket.put("a", b"1");
        let start = Instant::now();
        for identity in [Identity::WrongSecret, Identity::Unknown] {
            let outcome =
                try_open(&bucket.name, identity, None).and_then(|store| list(&store, "").map(|_| ()));
            assert_clear(&outcome.unwrap_err(), "list", "credentials");
        }
        let missing = try_open("no-such-bucket-here", Identity::Reader, None);
        let error = missing.and_then(|store| list(&store, "").map(|_| ())).unwrap_err();
        assert_clear(&error, "list", "no such bucket");
        // Reading says it, too, and then every reading fails at once.
        let store = try_open(&bucket.name, Identity::WrongSecret, None).unwrap();
        assert_eq!(read(&store, &Object::unlisted(b"a")), Err(ReadFailure::Stopped));
        assert_clear(&store.stopped().expect("the run stops"), "get", "credentials");
        assert!(start.elapsed() < Duration::from_secs(20), "nothing of this is tried for long");
    });
}

#[test]
fn b05_b06_who_may_read_one_bucket_is_denied_another() {
    SeaweedFs::with(|server| {
        let bucket = server.own_bucket("denied");
        bucket.put("a", b"1");
        let store = try_open(&bucket.name, Identity::Limited, None).unwrap();
        assert_clear(&list(&store, "").unwrap_err(), "list", "denied");
        // By its key alone: it may be missing, it may be denied. Of a listed one it is known which.
        let store = try_open(&bucket.name, Identity::Limited, None).unwrap();
        assert_eq!(read(&store, &Object::unlisted(b"a")), Err(ReadFailure::AbsentOrDenied));
        let listed = list(&open(&bucket), "").unwrap();
        assert_eq!(read(&store, &listed["a"]), Err(ReadFailure::AccessDenied));
        let own = try_open(Identity::LIMITED_BUCKET, Identity::Limited, None).unwrap();
        assert_eq!(list(&own, "").unwrap().len(), 0);
    });
}

#[test]
fn a04_a_server_that_is_not_there_is_an_error() {
    SeaweedFs::with(|server| {
        let bucket = server.own_bucket("nobody");
        // A port that is free, since nothing listens on it any more.
        let endpoint = Proxy::start(&server.endpoint(), Faults::default()).endpoint();
        let options = S3Options {
            profile: Some("reader".to_owned()),
            endpoint_url: Some(endpoint),
            ..S3Options::default()
        };
        let tuning = Tuning { first_success: Duration::from_secs(2), ..hasty() };
        let store = Connections::new(tuning).unwrap().open(&bucket.name, &options);
        let error = store.and_then(|store| list(&store, "").map(|_| ())).unwrap_err();
        assert_clear(&error, "list", "no connection");
    });
}

/// What becomes of one object of 200,000 bytes when its first GETs go wrong.
struct Case {
    key: &'static str,
    faults: Vec<Fault>,
    outcome: Result<(), ReadFailure>,
    /// The `Range` of every GET.
    ranges: Vec<Option<&'static str>>,
}

const BODY_BYTES: usize = 200_000;

fn case(key: &'static str, faults: &[Fault], ranges: &[Option<&'static str>]) -> Case {
    Case { key, faults: faults.to_vec(), outcome: Ok(()), ranges: ranges.to_vec() }
}

fn fails(key: &'static str, fault: Fault, reason: ReadFailure) -> Case {
    Case { key, faults: vec![fault; 20], outcome: Err(reason), ranges: Vec::new() }
}

/// A key that is no part of another case's.
fn file(key: &str) -> String {
    format!("folder/{key}.json")
}

fn run_cases(server: &SeaweedFs, cases: &[Case]) {
    let bucket = server.own_bucket("faults");
    let body = noise(BODY_BYTES, 7);
    let mut faults = Faults { slow_time: Duration::from_millis(200), ..Faults::default() };
    for case in cases {
        bucket.put(&file(case.key), &body);
        for fault in &case.faults {
            faults = faults.once(&file(case.key), *fault);
        }
    }
    let proxy = Proxy::start(&server.endpoint(), faults);
    let store = open_through(&proxy, &bucket);
    let listed = list(&store, "").unwrap();
    for case in cases {
        let object = &listed[&file(case.key)];
        assert!(matches!(object.version, Version::Digest(_)), "SeaweedFS's ETag is an MD5");
        let outcome = read(&store, object);
        let gets = proxy.gets_of(&file(case.key));
        let failure = outcome.as_ref().err();
        assert_eq!(failure, case.outcome.as_ref().err(), "{}: {gets:?}", case.key);
        if let Ok(bytes) = outcome {
            assert!(bytes == body, "{}: other bytes", case.key);
            assert_eq!(
                gets.iter().map(|seen| seen.range.as_deref()).collect::<Vec<_>>(),
                case.ranges,
                "{}",
                case.key
            );
        }
        assert!(gets.iter().all(|seen| seen.if_match.is_some()), "{}: of one version only", case.key);
    }
    assert_eq!(proxy.tally().broken, 0);
    assert_eq!(store.stopped().map(|error| error.to_string()), None);
}

#[test]
fn a01_a02_refused_requests_are_made_again() {
    SeaweedFs::with(|server| {
        run_cases(
            server,
            &[
                case("slow-down", &[Fault::SlowDown], &[None, None]),
                case("slow-down-thrice", &[Fault::SlowDown; 3], &[None; 4]),
                case("internal", &[Fault::InternalError], &[None, None]),
                case("timeout", &[Fault::Refusal { status: 400, code: "RequestTimeout" }], &[None, None]),
                case("bad-gateway", &[Fault::Refusal { status: 502, code: "BadGateway" }], &[None, None]),
            ],
        );
    });
}

#[test]
fn a05_a06_a11_a15_a_body_that_breaks_off_goes_on_where_it_broke_off() {
    SeaweedFs::with(|server| {
        let at = Some(150_000);
        let rest = Some("bytes=150000-");
        let later = Some("bytes=180000-");
        run_cases(
            server,
            &[
                case("cut", &[Fault::Cut { at }], &[None, rest]),
                // Before its first byte there is nothing to go on from.
                case("cut-first", &[Fault::Cut { at: Some(0) }], &[None, None]),
                case("cut-last", &[Fault::Cut { at: Some(199_999) }], &[None, Some("bytes=199999-")]),
                case("chunked", &[Fault::CutChunked { at }], &[None, rest]),
                case("stall", &[Fault::Stall { at }], &[None, rest]),
                case("stall-first", &[Fault::Stall { at: Some(0) }], &[None, None]),
                case("slow", &[Fault::SlowFirstByte], &[None]),
                case(
                    "cut-twice",
                    &[Fault::Cut { at }, Fault::Cut { at: Some(30_000) }],
                    &[None, rest, later],
                ),
                case("cut-then-slow-down", &[Fault::Cut { at }, Fault::SlowDown], &[None, rest, rest]),
            ],
        );
    });
}

/// Of a connection that is reset the system may throw away what came last, so where it goes on is not known.
#[test]
fn a05_a_connection_that_is_reset_goes_on_with_the_same_version() {
    SeaweedFs::with(|server| {
        let bucket = server.own_bucket("reset");
        let body = noise(BODY_BYTES, 7);
        let faults = Faults::default().script(Kind::Get, "/reset", 3, Fault::Reset { at: Some(50_000) });
        let proxy = Proxy::start(&server.endpoint(), faults);
        bucket.put("reset", &body);
        let store = open_through(&proxy, &bucket);
        assert!(read(&store, &list(&store, "").unwrap()["reset"]) == Ok(body));
        let gets = proxy.gets_of("/reset");
        assert_eq!(gets.len(), 4);
        assert!(gets.iter().all(|seen| seen.if_match.is_some()));
    });
}

#[test]
fn a07_a08_a_body_of_another_length_than_listed_is_never_a_success() {
    SeaweedFs::with(|server| {
        let unsized_at = Fault::CutWithoutLength { at: Some(150_000) };
        run_cases(
            server,
            &[
                case("short-once", &[unsized_at], &[None, None]),
                fails("short", unsized_at, ReadFailure::ShortBody),
                case("long-once", &[Fault::Longer], &[None, None]),
                fails("long", Fault::Longer, ReadFailure::LengthMismatch),
            ],
        );
    });
}

#[test]
fn a09_a_range_that_is_not_what_was_asked_for_is_not_taken_for_it() {
    SeaweedFs::with(|server| {
        let at = Some(150_000);
        let rest = Some("bytes=150000-");
        run_cases(
            server,
            &[
                // All of it, of the same version: what is here already is skipped.
                case("ignored", &[Fault::Cut { at }, Fault::RangeIgnored], &[None, rest]),
                case("wrong", &[Fault::Cut { at }, Fault::WrongContentRange], &[None, rest, None]),
            ],
        );
        // Twice is the end of it.
        let bucket = server.own_bucket("range");
        bucket.put("k", &noise(BODY_BYTES, 7));
        let faults = Faults::default().always("/k", Fault::WrongContentRange).always("/k", Fault::Cut { at });
        let proxy = Proxy::start(&server.endpoint(), faults);
        let store = open_through(&proxy, &bucket);
        assert_eq!(read(&store, &list(&store, "").unwrap()["k"]), Err(ReadFailure::RangeUnsupported));
    });
}

#[test]
fn a10_a_version_that_changes_again_and_again_is_changed() {
    SeaweedFs::with(|server| {
        run_cases(
            server,
            &[
                // A HEAD says that the listing was right, so the answer was not.
                case("etag-once", &[Fault::OtherEtag], &[None, None]),
                fails("etag", Fault::OtherEtag, ReadFailure::Changed),
                case("refused-once", &[Fault::PreconditionFailed], &[None, None]),
                fails("refused", Fault::PreconditionFailed, ReadFailure::Changed),
            ],
        );
    });
}

#[test]
fn b14_an_object_overwritten_after_the_listing_is_read_as_it_is_now() {
    SeaweedFs::with(|server| {
        let bucket = server.own_bucket("overwritten");
        let (small, large) = (noise(1_000, 1), noise(20 << 20, 2));
        for key in ["grown", "shrunk", "gone"] {
            bucket.put(key, if key == "shrunk" { &large } else { &small });
        }
        let store = open(&bucket);
        let listed = list(&store, "").unwrap();
        bucket.put("grown", &large);
        bucket.put("shrunk", &small);
        bucket.delete("gone");
        for (key, now) in [("grown", &large), ("shrunk", &small)] {
            let mut bytes = Vec::new();
            let receipt = store.read(&listed[key], &mut |chunk| {
                bytes.extend_from_slice(chunk);
                true
            });
            assert_eq!(receipt, Ok(Receipt { bytes: now.len() as u64, revised: true }), "{key}");
            assert!(bytes == *now, "{key}");
        }
        assert_eq!(read(&store, &listed["gone"]), Err(ReadFailure::Vanished));
    });
}

#[test]
fn a13_bytes_that_are_not_those_stored_are_read_once_more() {
    SeaweedFs::with(|server| {
        let flipped = Fault::Flipped { at: Some(100_000) };
        run_cases(
            server,
            &[
                case("once", &[flipped], &[None, None]),
                fails("always", flipped, ReadFailure::Checksum),
                // One of two answers is wrong: the sum is, and all is asked for anew.
                case(
                    "second-half",
                    &[Fault::Cut { at: Some(150_000) }, Fault::Flipped { at: Some(10_000) }],
                    &[None, Some("bytes=150000-"), None],
                ),
            ],
        );
    });
}

#[test]
fn a03_a19_a_success_that_is_none_is_found_out() {
    SeaweedFs::with(|server| {
        run_cases(
            server,
            &[
                case("page", &[Fault::Page], &[None, None]),
                case("error-inside", &[Fault::ErrorInside { code: "InternalError" }], &[None, None]),
            ],
        );
    });
}

#[test]
fn b07_b08_b12_what_is_refused_for_good_is_asked_once_and_named() {
    SeaweedFs::with(|server| {
        let refusals = [
            ("kms", 400, "KMS.DisabledException", ReadFailure::Kms),
            ("archived", 403, "InvalidObjectState", ReadFailure::Archived),
            ("vanished", 404, "NoSuchKey", ReadFailure::Vanished),
            ("denied", 403, "AccessDenied", ReadFailure::AccessDenied),
            ("unknown", 400, "SomethingNewOfNextYear", ReadFailure::Refused),
        ];
        let cases: Vec<Case> = refusals
            .iter()
            .map(|(key, status, code, reason)| fails(key, Fault::Refusal { status: *status, code }, *reason))
            .collect();
        run_cases(server, &cases);
    });
}

#[test]
fn a01_a03_a19_listings_survive_what_passes_and_stop_at_what_stays() {
    SeaweedFs::with(|server| {
        let bucket = server.own_bucket("listings");
        bucket.put_all((0..1_500).map(|number| (format!("folder/{number:04}"), Vec::new())));
        let page = |times, fault| Faults::default().script(Kind::List, "folder", times, fault);
        let inside = Fault::ErrorInside { code: "InternalError" };
        for fault in [
            Fault::SlowDown,
            Fault::InternalError,
            inside,
            Fault::Page,
            Fault::Cut { at: None },
            Fault::Stall { at: None },
        ] {
            let proxy = Proxy::start(&server.endpoint(), page(1, fault));
            let listed = list(&open_through(&proxy, &bucket), "folder/");
            assert_eq!(
                listed.map(|listed| listed.len()).map_err(|error| error.to_string()),
                Ok(1_500),
                "{fault:?}"
            );
            assert_eq!(proxy.tally().faults_total(), 1, "{fault:?}");
        }
        for fault in [Fault::Page, Fault::Refusal { status: 403, code: "AccessDenied" }] {
            let proxy = Proxy::start(&server.endpoint(), page(u32::MAX, fault));
            let error = list(&open_through(&proxy, &bucket), "folder/").unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(error.operation == "list" && !text.contains(SERVER_WORDS), "{text}");
        }
    });
}

#[test]
fn a01_a_large_object_comes_whole_through_faults_in_its_ranges() {
    SeaweedFs::with(|server| {
        let bucket = server.own_bucket("large");
        let body = noise(40 << 20, 5);
        bucket.put("large", &body);
        let faults = Faults { seed: 3, slow_down: 200, reset: 150, cut: 150, stall: 50, ..Faults::default() };
        let proxy = Proxy::start(&server.endpoint(), faults);
        let store = open_through(&proxy, &bucket);
        let listed = list(&store, "").unwrap();
        for _ in 0..3 {
            assert!(read(&store, &listed["large"]) == Ok(body.clone()));
        }
        let tally = proxy.tally();
        assert!(tally.faults_total() >= 5, "{:?}", tally.faults);
        assert!(proxy.gets_of("/large").iter().all(|seen| seen.if_match.is_some()));
    });
}

/// The rates that the program promises to stand.
#[test]
fn a01_a05_a11_a_third_of_all_requests_may_fail() {
    SeaweedFs::with(|server| {
        let bucket = server.own_bucket("rates");
        let body = |number: u64| noise(1_000 + number as usize * 97, number);
        bucket.put_all((0..600).map(|number| (format!("{number:04}"), body(number))));
        let faults = Faults { seed: 11, slow_down: 300, reset: 50, stall: 20, ..Faults::default() };
        let proxy = Proxy::start(&server.endpoint(), faults);
        let store = open_through(&proxy, &bucket);
        let objects: Vec<Object> = list(&store, "").unwrap().into_values().collect();
        for (number, bytes) in fetch_all(&store, &objects).into_iter().enumerate() {
            assert!(bytes == Ok(body(number as u64)), "{number}: {:?}", bytes.err());
        }
        let tally = proxy.tally();
        assert_eq!((tally.gets.len(), tally.broken), (600, 0));
        assert!(tally.faults("slow_down") > 200 && tally.faults("reset") > 20 && tally.faults("stall") > 5);
        let gets = tally.gets_total();
        assert!(gets * 10 <= 600 * 17, "{gets} GETs for 600 objects: {:?}", tally.faults);
    });
}

fn status(store: &S3Store, object: &Object) -> (StorageClass, Restore, bool) {
    let mut answers = Vec::new();
    let asked = std::slice::from_ref(object);
    store.restore_status(asked, &mut |_, answer| answers.push(answer.expect("HEAD is allowed")));
    let [answer] = &answers[..] else { panic!("one answer for one object") };
    (answer.class, answer.restore, answer.expiry.is_some())
}

fn restore(store: &S3Store, object: &Object, tier: Tier) -> Result<Asked, ReadFailure> {
    let mut answers = Vec::new();
    store.restore(std::slice::from_ref(object), 2, tier, &mut |_, answer| answers.push(answer));
    let [answer] = answers[..] else { panic!("one answer for one object") };
    answer
}

#[test]
fn b08_archived_objects_are_known_from_the_listing_and_not_read() {
    Moto::with(|server| {
        let bucket = server.bucket("archive");
        server.archive(&bucket, "glacier", b"1", "GLACIER");
        server.archive(&bucket, "deep", b"1", "DEEP_ARCHIVE");
        for class in ["GLACIER_IR", "INTELLIGENT_TIERING", "STANDARD_IA"] {
            bucket.put_with(class, b"1", Extras { storage_class: Some(class), ..Extras::default() });
        }
        bucket.put("plain", b"1");
        let store = open_moto(server.endpoint(), &bucket);
        let listed = list(&store, "").unwrap();
        let classes: Vec<_> =
            listed.values().map(|object| (object.class.as_str(), object.is_archived())).collect();
        assert_eq!(
            classes,
            [
                ("GLACIER_IR", false),
                ("INTELLIGENT_TIERING", false),
                ("STANDARD_IA", false),
                ("DEEP_ARCHIVE", true),
                ("GLACIER", true),
                ("STANDARD", false),
            ]
        );
        for object in listed.values() {
            let outcome = read(&store, object);
            let expected = if object.is_archived() { Err(ReadFailure::Archived) } else { Ok(b"1".to_vec()) };
            assert_eq!(outcome, expected, "{}", EscapedKey(&object.key));
            let looked_up = store.head(&object.key).unwrap().expect("it is there");
            assert_eq!(looked_up.is_archived(), object.is_archived());
        }
    });
}

#[test]
fn b09_a_restore_goes_from_asked_to_done_and_then_it_is_read() {
    Moto::with(|server| {
        let bucket = server.bucket("restores");
        server.archive(&bucket, "k", b"cold", "GLACIER");
        let store = open_moto(server.endpoint(), &bucket);
        let listed = list(&store, "").unwrap().remove("k").unwrap();
        assert_eq!(status(&store, &listed), (StorageClass::Glacier, Restore::None, false));
        assert_eq!(restore(&store, &listed, Tier::Bulk), Ok(Asked::Started));
        assert_eq!(status(&store, &listed), (StorageClass::Glacier, Restore::InProgress, false));
        assert_eq!(read(&store, &listed), Err(ReadFailure::Archived));
        let mut looks = 0;
        while status(&store, &listed).1 != Restore::Restored {
            looks += 1;
            assert!(looks < 10, "it never ends");
        }
        assert_eq!(status(&store, &listed), (StorageClass::Glacier, Restore::Restored, true));
        let now = store.head(b"k").unwrap().unwrap();
        assert_eq!((now.restore, now.is_archived()), (Restore::Restored, false));
        assert_eq!(read(&store, &now).unwrap(), b"cold");
        assert_eq!(restore(&store, &listed, Tier::Standard), Ok(Asked::AlreadyRestored));
    });
}

#[test]
fn b08_what_a_restore_is_answered() {
    Moto::with(|server| {
        let bucket = server.bucket("answers");
        server.archive(&bucket, "busy", b"1", "GLACIER");
        server.archive(&bucket, "deep", b"1", "DEEP_ARCHIVE");
        bucket.put("plain", b"1");
        let busy = Fault::Refusal { status: 409, code: "RestoreAlreadyInProgress" };
        let slow = |part, faults: Faults| faults.script(Kind::Restore, part, 1, Fault::SlowDown);
        let faults = Faults::default().script(Kind::Restore, "/busy", 1, busy);
        let proxy = Proxy::start(&server.endpoint(), slow("/deep", faults));
        let store = open_moto(proxy.endpoint(), &bucket);
        let listed = list(&store, "").unwrap();
        assert_eq!(restore(&store, &listed["busy"], Tier::Bulk), Ok(Asked::AlreadyInProgress));
        // S3 refuses this; moto would not, and is not asked.
        assert_eq!(restore(&store, &listed["deep"], Tier::Expedited), Err(ReadFailure::Refused));
        assert_eq!(proxy.tally().requests(Kind::Restore), 1);
        assert_eq!(restore(&store, &listed["deep"], Tier::Bulk), Ok(Asked::Started), "after a SlowDown");
        assert_eq!(restore(&store, &listed["plain"], Tier::Bulk), Err(ReadFailure::Refused));
        let gone = Object { class: StorageClass::Glacier, ..Object::unlisted(b"gone") };
        assert_eq!(restore(&store, &gone, Tier::Bulk), Err(ReadFailure::Vanished));
    });
}

#[test]
fn many_restores_are_each_answered_once() {
    Moto::with(|server| {
        let bucket = server.bucket("many");
        let keys: Vec<String> = (0..100).map(|number| format!("{number:03}")).collect();
        for key in &keys {
            let extras = Extras { storage_class: Some("DEEP_ARCHIVE"), ..Extras::default() };
            bucket.put_with(key, b"1", extras);
        }
        let store = open_moto(server.endpoint(), &bucket);
        let objects: Vec<Object> = list(&store, "").unwrap().into_values().collect();
        let mut heard = BTreeMap::new();
        store.restore(&objects, 1, Tier::Bulk, &mut |object, answer| {
            assert!(heard.insert(object.key.clone(), answer).is_none(), "one heard of twice");
        });
        assert_eq!(heard.len(), 100);
        assert!(heard.values().all(|answer| *answer == Ok(Asked::Started)));
        // Asked by the bare client: the days that were asked for are the days that it is kept.
        let head = wait_for(bucket.client().head_object().bucket("many").key("000").send()).unwrap();
        assert!(head.restore().is_some());
    });
}
