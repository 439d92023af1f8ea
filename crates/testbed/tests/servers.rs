//! The servers and the proxy do what the tests of the other rooms trust them to do.
//!
//! In: real servers, asked with the bare SDK and with bare sockets. Out: nothing. Always: what is found here about a
//! server is what its page in this crate says.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{GlacierJobParameters, OptionalObjectAttributes, RestoreRequest, Tier};
use borehole_testbed::{
    Bucket, Fault, Faults, Identity, Kind, Moto, Proxy, REGION, SERVER_WORDS, SeaweedFs, wait_for,
};

fn client(endpoint: &str, (access_key, secret_key): (&str, String)) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new(access_key, secret_key, None, None, "test"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// The object, or the code of the refusal, or what it broke off with.
fn get(client: &Client, bucket: &Bucket, key: &str, range: Option<&str>) -> Result<Vec<u8>, String> {
    let request =
        client.get_object().bucket(&bucket.name).key(key).set_range(range.map(str::to_owned)).send();
    wait_for(async move {
        let answer = request.await.map_err(|cause| cause.code().unwrap_or("no answer").to_owned())?;
        let body = answer.body.collect().await.map_err(|_| "broken off".to_owned())?;
        Ok(body.to_vec())
    })
}

fn list(client: &Client, bucket: &str) -> Result<Vec<String>, String> {
    let request = client.list_objects_v2().bucket(bucket).send();
    let answer = wait_for(request).map_err(|cause| cause.code().unwrap_or("no answer").to_owned())?;
    Ok(answer.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect())
}

#[test]
fn identities_may_what_they_may_and_no_more() {
    let Some(server) = SeaweedFs::shared() else { return };
    let bucket = server.own_bucket("identities");
    bucket.put("a", b"1");
    let as_identity = |identity| client(&server.endpoint(), server.keys(identity));
    let reader = as_identity(Identity::Reader);
    assert_eq!(get(&reader, &bucket, "a", None).unwrap(), b"1");
    assert_eq!(list(&reader, &bucket.name).unwrap(), ["a"]);
    let put = wait_for(reader.put_object().bucket(&bucket.name).key("b").send());
    assert_eq!(put.unwrap_err().code(), Some("AccessDenied"));
    let limited = as_identity(Identity::Limited);
    assert_eq!(list(&limited, Identity::LIMITED_BUCKET).unwrap(), [""; 0]);
    assert_eq!(list(&limited, &bucket.name).unwrap_err(), "AccessDenied");
    assert_eq!(get(&limited, &bucket, "a", None).unwrap_err(), "AccessDenied");
    assert_eq!(list(&as_identity(Identity::WrongSecret), &bucket.name).unwrap_err(), "SignatureDoesNotMatch");
    assert_eq!(list(&as_identity(Identity::Unknown), &bucket.name).unwrap_err(), "InvalidAccessKeyId");
    assert_eq!(list(&reader, "no-such-bucket").unwrap_err(), "NoSuchBucket");
}

#[test]
fn buckets_are_filled_from_directories_and_lists() {
    let Some(server) = SeaweedFs::shared() else { return };
    let bucket = server.own_bucket("filled");
    let directory = tempfile::tempdir().unwrap();
    for name in ["a/b c/+%2F&'\"é😀.json", "a/empty", "top"] {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, if name == "a/empty" { "" } else { name }).unwrap();
    }
    bucket.put_directory(directory.path());
    bucket.put_all((0..50).map(|number| (format!("many/{number}"), vec![0; number])));
    bucket.put("gone", b"1");
    bucket.delete("gone");
    let reader = client(&server.endpoint(), server.keys(Identity::Reader));
    let mut keys = list(&reader, &bucket.name).unwrap();
    keys.retain(|key| !key.starts_with("many/"));
    assert_eq!(keys, ["a/b c/+%2F&'\"é😀.json", "a/empty", "top"]);
    assert_eq!(get(&reader, &bucket, keys[0].as_str(), None).unwrap(), keys[0].as_bytes());
    assert_eq!(get(&reader, &bucket, "many/49", None).unwrap().len(), 49);
}

#[test]
fn every_fault_looks_as_it_is_called() {
    let Some(server) = SeaweedFs::shared() else { return };
    let bucket = server.own_bucket("faults");
    let body: Vec<u8> = (0..200_000u32).map(|number| number as u8).collect();
    let faults = [
        ("slow-down", Fault::SlowDown),
        ("internal", Fault::InternalError),
        ("changed", Fault::PreconditionFailed),
        ("kms", Fault::Refusal { status: 400, code: "KMS.DisabledException" }),
        ("reset", Fault::Reset { at: Some(150_000) }),
        ("cut", Fault::Cut { at: Some(150_000) }),
        ("unsized", Fault::CutWithoutLength { at: Some(150_000) }),
        ("chunked", Fault::CutChunked { at: Some(150_000) }),
        ("flipped", Fault::Flipped { at: Some(150_000) }),
        ("longer", Fault::Longer),
        ("page", Fault::Page),
        ("drawn", Fault::Cut { at: None }),
    ];
    let script = faults.iter().fold(Faults::default(), |all, (key, fault)| all.once(key, *fault));
    let proxy = Proxy::start(&server.endpoint(), script);
    let reader = client(&proxy.endpoint(), server.keys(Identity::Reader));
    for (key, _) in faults {
        bucket.put(key, &body);
        let first = get(&reader, &bucket, key, None);
        let expected = match key {
            "slow-down" => Err("SlowDown"),
            "internal" => Err("InternalError"),
            "changed" => Err("PreconditionFailed"),
            "kms" => Err("KMS.DisabledException"),
            "reset" | "cut" | "chunked" | "drawn" => Err("broken off"),
            "unsized" => Ok(body[..150_000].to_vec()),
            "flipped" => {
                let mut wrong = body.clone();
                wrong[150_000] ^= 1;
                Ok(wrong)
            }
            "longer" => Ok([&body[..], b"{\"a\":1}"].concat()),
            "page" => {
                assert!(String::from_utf8(first.unwrap()).unwrap().contains(SERVER_WORDS));
                continue;
            }
            _ => unreachable!(),
        };
        assert!(first == expected.map_err(str::to_owned), "{key}: {:?}", first.map(|bytes| bytes.len()));
        assert!(get(&reader, &bucket, key, None) == Ok(body.clone()), "{key} the second time");
    }
    let tally = proxy.tally();
    assert_eq!((tally.faults_total(), tally.gets_total(), tally.broken), (12, 23, 0));
    assert_eq!(tally.gets[&format!("{}/cut", bucket.name)], 2);
}

#[test]
fn ranges_are_ignored_and_shifted_and_etags_changed() {
    let Some(server) = SeaweedFs::shared() else { return };
    let bucket = server.own_bucket("ranges");
    bucket.put("k", b"0123456789");
    bucket.put("unknown", b"0123456789");
    let faults = Faults::default()
        .once("ranges-", Fault::RangeIgnored)
        .once("ranges-", Fault::WrongContentRange)
        .once("ranges-", Fault::OtherEtag);
    let proxy = Proxy::start(&server.endpoint(), faults);
    let reader = client(&proxy.endpoint(), server.keys(Identity::Reader));
    let ask = |key: &str, range: Option<&str>| {
        let request = reader.get_object().bucket(&bucket.name).key(key);
        let request = request.set_range(range.map(str::to_owned)).send();
        wait_for(async move {
            let answer = request.await.unwrap();
            let about = (answer.content_range.clone(), answer.e_tag.clone().unwrap());
            (answer.body.collect().await.unwrap().to_vec(), about)
        })
    };
    // Without a range only the last of the three applies.
    let (whole, (_, etag)) = ask("k", None);
    assert_eq!((&whole[..], etag.as_str()), (&b"0123456789"[..], "\"00000000000000000000000000000000\""));
    let (ignored, (content_range, etag)) = ask("k", Some("bytes=4-"));
    assert_eq!((&ignored[..], content_range), (&b"0123456789"[..], None));
    let (shifted, (content_range, _)) = ask("k", Some("bytes=4-"));
    assert_eq!((&shifted[..], content_range.as_deref()), (&b"456789"[..], Some("bytes 5-10/10")));
    let (sound, (content_range, same)) = ask("k", Some("bytes=4-5"));
    assert_eq!((&sound[..], content_range.as_deref(), same), (&b"45"[..], Some("bytes 4-5/10"), etag));
    // Never asked for whole: the range comes as if it were all.
    let (part, (content_range, _)) = ask("unknown", Some("bytes=4-"));
    assert_eq!((&part[..], content_range), (&b"456789"[..], None));
}

#[test]
fn a_stall_lasts_until_the_client_hangs_up_and_a_slow_first_byte_comes() {
    let Some(server) = SeaweedFs::shared() else { return };
    let bucket = server.own_bucket("stalls");
    bucket.put("stall", b"0123456789");
    bucket.put("slow", b"0123456789");
    let faults = Faults { slow_time: Duration::from_millis(300), ..Faults::default() };
    let faults = faults.once("/stall", Fault::Stall { at: Some(4) }).once("/slow", Fault::SlowFirstByte);
    let proxy = Proxy::start(&server.endpoint(), faults);
    let reader = client(&proxy.endpoint(), server.keys(Identity::Reader));
    let start = Instant::now();
    assert_eq!(get(&reader, &bucket, "slow", None).unwrap(), b"0123456789");
    assert!(start.elapsed() >= Duration::from_millis(300));
    let request = reader.get_object().bucket(&bucket.name).key("stall").send();
    let (first, second) = wait_for(async move {
        let mut body = request.await.unwrap().body;
        let first = body.try_next().await.unwrap().unwrap().to_vec();
        (first, tokio::time::timeout(Duration::from_millis(300), body.try_next()).await.is_err())
    });
    assert_eq!((&first[..], second), (&b"0123"[..], true), "nothing more comes");
    assert_eq!(get(&reader, &bucket, "stall", None).unwrap(), b"0123456789");
}

#[test]
fn listings_and_uploads_go_through_a_proxy_too() {
    let Some(server) = SeaweedFs::shared() else { return };
    let bucket = server.own_bucket("through");
    bucket.put("x/a", b"1");
    let faults = Faults { slow_down: 1_000, consecutive_max: 2, listings: true, ..Faults::default() };
    let proxy = Proxy::start(&server.endpoint(), faults.script(Kind::Put, "/denied", 1, Fault::SlowDown));
    let admin = client(&proxy.endpoint(), server.keys(Identity::Admin));
    let answers: Vec<_> = (0..3).map(|_| list(&admin, &bucket.name)).collect();
    assert_eq!(answers, [Err("SlowDown".to_owned()), Err("SlowDown".to_owned()), Ok(vec!["x/a".to_owned()])]);
    // Longer than what is read at once; the refused one is read to its end, so that the connection can go on.
    for (key, outcome) in [("denied", false), ("taken", true)] {
        let body = vec![7; 3 << 20].into();
        let put = wait_for(admin.put_object().bucket(&bucket.name).key(key).body(body).send());
        assert_eq!(put.is_ok(), outcome, "{key}: {:?}", put.err());
    }
    assert_eq!(list(&admin, &bucket.name).unwrap_err(), "SlowDown", "and so on");
    let reader = client(&server.endpoint(), server.keys(Identity::Reader));
    assert_eq!(get(&reader, &bucket, "taken", None).unwrap(), vec![7; 3 << 20]);
    assert_eq!(proxy.tally().requests(Kind::List), 4);
}

#[test]
fn many_requests_share_few_connections() {
    let Some(server) = SeaweedFs::shared() else { return };
    let bucket = server.own_bucket("many");
    bucket.put("k", b"1");
    let proxy = Proxy::start(&server.endpoint(), Faults::default());
    let reader = client(&proxy.endpoint(), server.keys(Identity::Reader));
    for _ in 0..200 {
        assert_eq!(get(&reader, &bucket, "k", None).unwrap(), b"1");
    }
    let tally = proxy.tally();
    assert_eq!((tally.gets_total(), tally.gets_in_flight_max, tally.broken), (200, 1, 0));
    assert!(tally.connections <= 4, "{}", tally.connections);
}

#[test]
fn a_dropped_proxy_closes_its_connections() {
    let proxy = Proxy::start("http://127.0.0.1:9", Faults::default());
    let mut stream = TcpStream::connect(proxy.endpoint().trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET /b/k HTTP/1.1\r\nHost: x\r\n").unwrap();
    // Until it is served: a connection that waits to be accepted is closed as well, but proves less.
    let start = Instant::now();
    while proxy.tally().connections == 0 {
        assert!(start.elapsed() < Duration::from_secs(20));
        std::thread::yield_now();
    }
    drop(proxy);
    let closed = stream.read(&mut [0]).map_err(|cause| cause.kind());
    assert!(matches!(closed, Ok(0) | Err(std::io::ErrorKind::ConnectionReset)), "{closed:?}");
}

/// Everything that the page about moto says.
#[test]
fn moto_archives_and_restores_as_its_page_says() {
    let Some(server) = Moto::start_or_skip() else { return };
    let bucket = server.bucket("archive");
    for (key, class) in [("glacier", "GLACIER"), ("deep", "DEEP_ARCHIVE"), ("other", "GLACIER")] {
        server.archive(&bucket, key, key.as_bytes(), class);
    }
    bucket.put("plain", b"plain");
    let client = bucket.client();
    let listing = wait_for(
        client
            .list_objects_v2()
            .bucket(&bucket.name)
            .optional_object_attributes(OptionalObjectAttributes::RestoreStatus)
            .send(),
    );
    let listing = listing.unwrap();
    let classes: Vec<_> =
        listing.contents().iter().map(|object| object.storage_class().unwrap().as_str()).collect();
    assert_eq!(classes, ["DEEP_ARCHIVE", "GLACIER", "GLACIER", "STANDARD"]);
    assert!(listing.contents().iter().all(|object| object.restore_status().is_none()));
    let head = |key: &str| {
        let head = wait_for(client.head_object().bucket(&bucket.name).key(key).send()).unwrap();
        head.restore().map(|restore| restore.contains("true"))
    };
    let restore = |key: &str, tier: Tier| {
        let job = GlacierJobParameters::builder().tier(tier).build().unwrap();
        let request = RestoreRequest::builder().days(2).glacier_job_parameters(job).build();
        let request = client.restore_object().bucket(&bucket.name).key(key).restore_request(request);
        wait_for(request.send()).map_err(|cause| cause.code().unwrap_or_default().to_owned()).map(drop)
    };
    assert_eq!(head("glacier"), None);
    assert_eq!(get(client, &bucket, "glacier", None).unwrap_err(), "InvalidObjectState");
    assert_eq!(restore("plain", Tier::Bulk).unwrap_err(), "InvalidObjectState");
    restore("glacier", Tier::Bulk).unwrap();
    assert_eq!(head("glacier"), Some(true), "in progress");
    restore("glacier", Tier::Bulk).expect("in progress is no conflict here");
    assert_eq!(get(client, &bucket, "glacier", None).unwrap_err(), "InvalidObjectState");
    assert_eq!(head("glacier"), Some(false), "done after three looks: the restore, the GET and this one");
    assert_eq!(get(client, &bucket, "glacier", None).unwrap(), b"glacier");
    restore("glacier", Tier::Bulk).expect("kept longer");
    restore("deep", Tier::Expedited).expect("the tier is not looked at");
    server.restores_take(1);
    restore("other", Tier::Standard).unwrap();
    assert_eq!((head("other"), head("other")), (Some(true), Some(false)));
    server.reset();
    assert_eq!(list(client, &bucket.name).unwrap_err(), "NoSuchBucket");
}

#[test]
fn moto_answers_through_a_proxy() {
    let Some(server) = Moto::start_or_skip() else { return };
    let bucket = server.bucket("through");
    server.archive(&bucket, "k", b"1", "GLACIER");
    let busy = Fault::Refusal { status: 409, code: "RestoreAlreadyInProgress" };
    let proxy = Proxy::start(&server.endpoint(), Faults::default().script(Kind::Restore, "/k", 1, busy));
    let client = client(&proxy.endpoint(), ("moto", "moto".to_owned()));
    let ask = || {
        let request = RestoreRequest::builder().days(1).build();
        let request = client.restore_object().bucket(&bucket.name).key("k").restore_request(request);
        wait_for(request.send()).map_err(|cause| cause.code().unwrap_or_default().to_owned()).map(drop)
    };
    assert_eq!(ask().unwrap_err(), "RestoreAlreadyInProgress");
    assert_eq!(ask(), Ok(()));
    assert_eq!(list(&client, &bucket.name).unwrap(), ["k"]);
    assert_eq!(proxy.tally().broken, 0);
}
