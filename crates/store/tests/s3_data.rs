//! Getting bytes from S3, against a server that does as it is told.
//!
//! Every fault of the catalogue that a GET can meet has a test with its id. The server is a few threads that speak
//! HTTP/1.1; each test gives it a function from a request to an answer, which may break off, stall or lie.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use borehole_store::s3::{Connections, Counters, S3Options, Tuning};
use borehole_store::{Body, Object, ReadFailure, Receipt, Restore, S3Store, StorageClass, Store, Version};
use md5::{Digest, Md5};

/// Longer than any test needs; what is not here by then never comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the server was asked.
#[derive(Clone, Debug)]
struct Request {
    method: String,
    key: String,
    headers: HashMap<String, String>,
    /// How often this method was asked of this key before.
    attempt: usize,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The range asked for, within a body of `size` bytes.
    fn range(&self, size: usize) -> Option<(usize, usize)> {
        let (start, last) = self.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        let last = if last.is_empty() { size - 1 } else { last.parse::<usize>().ok()?.min(size - 1) };
        Some((start.parse().ok()?, last + 1))
    }
}

/// How the end of a body is told.
#[derive(Clone, Copy, PartialEq)]
enum Framing {
    Length,
    Chunked,
    Close,
}

/// What happens after so many bytes of the body.
#[derive(Clone, Copy)]
enum Break {
    Reset,
    Finish,
    Stall,
    Drip(Duration),
}

#[derive(Clone)]
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    framing: Framing,
    broken: Option<(usize, Break)>,
}

impl Answer {
    fn new(status: u16, body: &[u8]) -> Self {
        Answer { status, headers: Vec::new(), body: body.to_vec(), framing: Framing::Length, broken: None }
    }

    fn error(status: u16, code: &str) -> Self {
        let body =
            format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>secret</Message></Error>");
        Answer::new(status, body.as_bytes())
    }

    /// What S3 answers for an object with this body: ranges, conditions, its MD5 as ETag.
    fn object(request: &Request, body: &[u8]) -> Self {
        Answer::versioned(request, body, &etag(body))
    }

    fn versioned(request: &Request, body: &[u8], etag: &str) -> Self {
        if request.header("if-match").is_some_and(|expected| expected != etag) {
            return Answer::error(412, "PreconditionFailed");
        }
        let answer = match request.range(body.len()) {
            Some((start, end)) if start < end => {
                let range = format!("bytes {start}-{}/{}", end - 1, body.len());
                Answer::new(206, &body[start..end]).with("content-range", &range)
            }
            Some(_) => return Answer::error(416, "InvalidRange"),
            None => Answer::new(200, body),
        };
        answer.with("etag", etag)
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(present, _)| *present != name);
        self
    }

    fn framed(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    fn broken_at(mut self, bytes: usize, how: Break) -> Self {
        self.broken = Some((bytes, how));
        self
    }
}

fn md5(body: &[u8]) -> [u8; 16] {
    Md5::digest(body).into()
}

fn etag(body: &[u8]) -> String {
    let digits: Vec<String> = md5(body).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{}\"", digits.concat())
}

type Script = dyn Fn(&Request) -> Answer + Send + Sync;

struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    fn start(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (script, all): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&all));
                std::thread::spawn(move || serve(&stream, &*script, &seen));
            }
        });
        Server { address, seen }
    }

    fn seen(&self, method: &str) -> Vec<Request> {
        let seen = self.seen.lock().expect("no server thread panicked");
        seen.iter().filter(|request| request.method == method).cloned().collect()
    }

    fn ranges(&self) -> Vec<Option<String>> {
        self.seen("GET").iter().map(|request| request.header("range").map(str::to_owned)).collect()
    }
}

fn serve(stream: &TcpStream, script: &Script, seen: &Mutex<Vec<Request>>) {
    // Else the second of two writes waits for the far side to acknowledge the first.
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if !matches!(reader.read_line(&mut line), Ok(count) if count > 0) {
            return;
        }
        let mut words = line.split_whitespace();
        let method = words.next().unwrap_or("").to_owned();
        let path = words.next().unwrap_or("").split('?').next().unwrap_or("").to_owned();
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).is_err() || line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
        }
        let key = path.trim_start_matches('/').trim_start_matches("bucket/").to_owned();
        let request = {
            let mut seen = seen.lock().expect("no server thread panicked");
            let attempt = seen.iter().filter(|past| past.method == method && past.key == key).count();
            let request = Request { method, key, headers, attempt };
            seen.push(request.clone());
            request
        };
        let answer = script(&request);
        if send(stream, &request, &answer).is_err() {
            return;
        }
    }
}

/// `Err` ends the connection.
fn send(mut stream: &TcpStream, request: &Request, answer: &Answer) -> std::io::Result<()> {
    let done = || std::io::Error::other("done");
    let mut head = format!("HTTP/1.1 {} X\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match answer.framing {
        Framing::Length => head.push_str(&format!("content-length: {}\r\n", answer.body.len())),
        Framing::Chunked => head.push_str("transfer-encoding: chunked\r\n"),
        Framing::Close => head.push_str("connection: close\r\n"),
    }
    head.push_str("\r\n");
    let (stop_at, how) = answer.broken.unwrap_or((usize::MAX, Break::Finish));
    if stop_at == 0 && matches!(how, Break::Stall) {
        // Not even the headers come.
        wait_for_end(stream);
        return Err(done());
    }
    stream.write_all(head.as_bytes())?;
    if request.method == "HEAD" {
        return Ok(());
    }
    let now = &answer.body[..answer.body.len().min(stop_at)];
    for part in now.chunks(50_000) {
        if answer.framing == Framing::Chunked {
            stream.write_all(format!("{:x}\r\n", part.len()).as_bytes())?;
            stream.write_all(part)?;
            stream.write_all(b"\r\n")?;
        } else {
            stream.write_all(part)?;
        }
    }
    stream.flush()?;
    if answer.broken.is_some() {
        match how {
            Break::Reset => reset(stream),
            Break::Finish => {}
            Break::Stall => wait_for_end(stream),
            Break::Drip(every) => {
                for byte in &answer.body[now.len()..] {
                    std::thread::sleep(every);
                    stream.write_all(&[*byte])?;
                }
                return Ok(());
            }
        }
        return Err(done());
    }
    match answer.framing {
        Framing::Length => Ok(()),
        Framing::Chunked => stream.write_all(b"0\r\n\r\n"),
        Framing::Close => Err(done()),
    }
}

/// Until the far side gives up.
fn wait_for_end(mut stream: &TcpStream) {
    let _ = stream.read(&mut [0; 16]);
}

/// Has the end of this connection be a reset.
fn reset(stream: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).expect("a socket can be told");
}

fn tuning() -> Tuning {
    Tuning {
        stall: Duration::from_millis(400),
        attempts_max: 4,
        patience: Duration::from_secs(30),
        ..Tuning::default()
    }
}

struct Bench {
    server: Server,
    connections: Connections,
    store: Arc<S3Store>,
}

impl Bench {
    fn new(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Bench::tuned(tuning(), script)
    }

    /// Everything above 4 KiB is large.
    fn small_ranges(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Bench::tuned(Tuning { buffered_bytes_max: 32 << 10, ..tuning() }, script)
    }

    fn tuned(tuning: Tuning, script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let server = Server::start(script);
        let connections = Connections::new(tuning).expect("a runtime starts");
        let store = open(&connections, &format!("http://{}", server.address));
        Bench { server, connections, store }
    }

    fn counters(&self) -> Counters {
        self.connections.counters()
    }
}

fn open(connections: &Connections, endpoint: &str) -> Arc<S3Store> {
    let options = S3Options {
        region: Some("us-east-1".to_owned()),
        endpoint_url: Some(endpoint.to_owned()),
        no_sign_request: true,
        ..S3Options::default()
    };
    connections.open("bucket", &options).expect("nothing is asked for yet")
}

/// As a listing would have it.
fn listed(key: &str, body: &[u8]) -> Object {
    Object {
        size: Some(body.len() as u64),
        version: Version::Digest(md5(body)),
        ..Object::unlisted(key.as_bytes())
    }
}

fn begin(store: &S3Store, object: &Object) -> mpsc::Receiver<Box<dyn Body>> {
    let (sender, receiver) = mpsc::channel();
    let ready = move |body| {
        let _ = sender.send(body);
    };
    assert!(store.fetch(object, Box::new(ready)).is_ok(), "S3 is remote");
    receiver
}

fn drain(body: Box<dyn Body>) -> Result<(Receipt, Vec<u8>), ReadFailure> {
    let mut bytes = Vec::new();
    let receipt = body.read(&mut |chunk| {
        bytes.extend_from_slice(chunk);
        true
    })?;
    Ok((receipt, bytes))
}

fn fetch(store: &S3Store, object: &Object) -> Result<(Receipt, Vec<u8>), ReadFailure> {
    drain(begin(store, object).recv_timeout(PATIENCE).expect("every fetch comes to an end"))
}

/// A body that is not gzip, and not the same anywhere.
fn plain(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| (index as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

/// Bytes that begin like gzip, which is all that this side looks at.
fn gzip(bytes: usize) -> Vec<u8> {
    let mut body = plain(bytes);
    body[..2].copy_from_slice(&[0x1f, 0x8b]);
    body
}

fn whole(bytes: usize) -> Receipt {
    Receipt { bytes: bytes as u64, revised: false }
}

#[test]
fn small_object_takes_one_get_of_its_version() {
    let body = plain(100_000);
    let served = body.clone();
    let bench = Bench::new(move |request| Answer::object(request, &served));
    assert_eq!(fetch(&bench.store, &listed("a b/ü", &body)), Ok((whole(body.len()), body.clone())));
    let gets = bench.server.seen("GET");
    assert_eq!(gets.len(), 1);
    assert_eq!(gets[0].key, "a%20b/%C3%BC");
    assert_eq!(gets[0].header("if-match"), Some(etag(&body).as_str()));
    assert_eq!(gets[0].header("x-amz-checksum-mode"), Some("ENABLED"));
    let counters = bench.counters();
    assert_eq!((counters.get_requests, counters.retries, counters.bytes), (1, 0, 100_000));
}

#[test]
fn waiting_for_one_object_gives_the_same_as_fetching_it() {
    let body = plain(30_000);
    let served = body.clone();
    let bench = Bench::small_ranges(move |request| Answer::object(request, &served));
    for object in [listed("k", &body), Object::unlisted(b"k")] {
        let mut bytes = Vec::new();
        let receipt = bench.store.read(&object, &mut |chunk| {
            bytes.extend_from_slice(chunk);
            true
        });
        assert_eq!(receipt, Ok(whole(body.len())));
        assert_eq!(bytes, body);
    }
}

#[test]
fn unlisted_object_is_read_by_its_own_length() {
    for size in [0, 1, 100_000, 9 << 20] {
        let body = plain(size);
        let served = body.clone();
        let bench = Bench::new(move |request| Answer::object(request, &served));
        assert_eq!(fetch(&bench.store, &Object::unlisted(b"k")), Ok((whole(size), body)));
        // The first answer of a large one is its first range.
        assert_eq!(bench.server.seen("GET").len(), if size > 8 << 20 { 2 } else { 1 });
    }
}

#[test]
fn large_object_comes_in_ranges_and_in_order() {
    let body = plain(50_001);
    let served = body.clone();
    let bench = Bench::small_ranges(move |request| Answer::object(request, &served));
    assert_eq!(fetch(&bench.store, &listed("k", &body)), Ok((whole(body.len()), body.clone())));
    let mut ranges: Vec<_> = bench.server.ranges().into_iter().flatten().collect();
    assert_eq!(ranges[0], "bytes=0-4095");
    assert_eq!(ranges.len(), 50_001_usize.div_ceil(4_096));
    ranges.sort();
    ranges.dedup();
    assert_eq!(ranges.len(), 50_001_usize.div_ceil(4_096));
    assert!(bench.server.seen("GET").iter().all(|get| get.header("if-match") == Some(etag(&body).as_str())));
}

#[test]
fn large_objects_share_a_small_budget_without_waiting_for_each_other() {
    let bench = Bench::small_ranges(move |request| {
        Answer::object(request, &plain(10_000 + request.key.len() * 1_000))
    });
    let coming: Vec<_> = (1..20)
        .map(|length| {
            let body = plain(10_000 + length * 1_000);
            let key = "k".repeat(length);
            let object = if length % 3 == 0 { Object::unlisted(key.as_bytes()) } else { listed(&key, &body) };
            (begin(&bench.store, &object), body)
        })
        .collect();
    for (coming, body) in coming {
        let ready = coming.recv_timeout(PATIENCE).expect("room is made for it");
        assert_eq!(drain(ready), Ok((whole(body.len()), body)));
    }
}

#[test]
fn body_that_is_dropped_or_left_gives_everything_back() {
    let body = plain(20_000);
    let served = body.clone();
    let tuning = Tuning { in_flight_max: 1, buffered_bytes_max: 32 << 10, ..tuning() };
    let bench = Bench::tuned(tuning, move |request| Answer::object(request, &served));
    for round in 0..30 {
        let ready = begin(&bench.store, &listed("k", &body)).recv_timeout(PATIENCE).expect("nothing is lost");
        if round % 2 == 0 {
            let mut chunks = 0;
            let receipt = ready.read(&mut |_| {
                chunks += 1;
                false
            });
            assert_eq!((chunks, receipt.map(|receipt| receipt.bytes > 0)), (1, Ok(true)));
        }
    }
    assert_eq!(fetch(&bench.store, &listed("k", &body)), Ok((whole(body.len()), body)));
}

#[test]
fn stores_may_be_dropped_while_objects_are_on_their_way() {
    let body = plain(1_000);
    let (held, hold) = mpsc::channel::<()>();
    let hold = Mutex::new(hold);
    let served = body.clone();
    let bench = Bench::new(move |request| {
        let _ = hold.lock().expect("one at a time").recv_timeout(PATIENCE);
        Answer::object(request, &served)
    });
    let coming = begin(&bench.store, &listed("k", &body));
    let Bench { server, connections, store } = bench;
    drop((connections, store));
    drop(held);
    let ready = coming.recv_timeout(PATIENCE).expect("its task goes on");
    assert_eq!(drain(ready), Ok((whole(body.len()), body)));
    assert_eq!(server.seen("GET").len(), 1);
}

#[test]
fn objects_are_asked_for_in_the_order_of_their_fetches() {
    let tuning = Tuning { in_flight_max: 1, ..tuning() };
    let bench = Bench::tuned(tuning, |request| Answer::object(request, &plain(100)));
    let coming: Vec<_> =
        (0..50).map(|number| begin(&bench.store, &listed(&format!("{number:02}"), &plain(100)))).collect();
    for one in coming {
        assert!(drain(one.recv_timeout(PATIENCE).expect("it comes")).is_ok());
    }
    let keys: Vec<_> = bench.server.seen("GET").into_iter().map(|get| get.key).collect();
    assert!(keys.is_sorted(), "{keys:?}");
}

#[test]
fn a01_slow_down_is_tried_again_after_as_long_as_the_server_asks() {
    let body = plain(1_000);
    let served = body.clone();
    let bench = Bench::new(move |request| match request.attempt {
        0 => Answer::error(503, "SlowDown").with("x-amz-retry-after", "700"),
        1 => Answer::error(429, "TooManyRequests"),
        _ => Answer::object(request, &served),
    });
    let begun = Instant::now();
    assert_eq!(fetch(&bench.store, &listed("k", &body)), Ok((whole(1_000), body)));
    assert!(begun.elapsed() >= Duration::from_millis(700));
    assert_eq!(bench.counters().retries, 2);
}

#[test]
fn a01_throttles_without_end_are_throttled() {
    let bench = Bench::new(|_| Answer::error(503, "SlowDown"));
    assert_eq!(fetch(&bench.store, &listed("k", b"x")), Err(ReadFailure::Throttled));
    assert_eq!(bench.server.seen("GET").len(), 4);
    assert!(bench.store.stopped().is_none());
}

#[test]
fn a01_object_that_pauses_does_not_hold_up_the_next() {
    let tuning = Tuning { in_flight_max: 1, ..tuning() };
    let bench = Bench::tuned(tuning, |request| match (request.key.as_str(), request.attempt) {
        ("slow", 0) => Answer::error(503, "SlowDown").with("retry-after", "1"),
        _ => Answer::object(request, b"body"),
    });
    let (sender, receiver) = mpsc::channel();
    for key in ["slow", "next"] {
        let sender = sender.clone();
        let ready = move |body| {
            let _ = sender.send((key, drain(body)));
        };
        assert!(bench.store.fetch(&listed(key, b"body"), Box::new(ready)).is_ok());
    }
    for key in ["next", "slow"] {
        let (ready, outcome) = receiver.recv_timeout(PATIENCE).expect("both come");
        assert_eq!((ready, outcome.map(|(_, bytes)| bytes)), (key, Ok(b"body".to_vec())));
    }
}

#[test]
fn a02_server_errors_are_tried_again_and_counted_as_such() {
    let bench = Bench::new(|request| match (request.key.as_str(), request.attempt) {
        ("hopeless", _) => Answer::error(500, "InternalError"),
        (_, 0) => Answer::error(500, "InternalError"),
        (_, 1) => Answer::new(502, b"<html>bad gateway</html>"),
        (_, 2) => Answer::error(400, "RequestTimeout"),
        _ => Answer::object(request, b"body"),
    });
    assert_eq!(fetch(&bench.store, &listed("k", b"body")), Ok((whole(4), b"body".to_vec())));
    assert_eq!(fetch(&bench.store, &listed("hopeless", b"body")), Err(ReadFailure::ServerError));
}

#[test]
fn a02_patience_ends_before_the_attempts_do() {
    let tuning = Tuning { attempts_max: 1_000, patience: Duration::from_millis(500), ..tuning() };
    let bench = Bench::tuned(tuning, |_| Answer::error(500, "InternalError"));
    let begun = Instant::now();
    assert_eq!(fetch(&bench.store, &listed("k", b"body")), Err(ReadFailure::ServerError));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a03_error_within_a_success_is_not_taken_for_the_object() {
    let bench = Bench::new(|request| match request.attempt {
        0 if request.method == "GET" => Answer { status: 200, ..Answer::error(500, "InternalError") },
        _ => Answer::object(request, b"body"),
    });
    assert_eq!(fetch(&bench.store, &listed("k", b"body")), Ok((whole(4), b"body".to_vec())));
}

/// One body that breaks off in the middle, the rest of it asked for, and every byte once.
fn breaks_off(body: &[u8], at: usize, framing: Framing, how: Break) -> Bench {
    let served = body.to_vec();
    let bench = Bench::new(move |request| match request.attempt {
        0 => Answer::object(request, &served).framed(framing).broken_at(at, how),
        _ => Answer::object(request, &served),
    });
    assert_eq!(fetch(&bench.store, &listed("k", body)), Ok((whole(body.len()), body.to_vec())));
    let gets = bench.server.seen("GET");
    assert_eq!(gets.len(), 2);
    // A reset may overtake some of what was sent before it, even all.
    if !matches!(how, Break::Reset) {
        assert_eq!(gets[1].header("range"), Some(format!("bytes={at}-").as_str()));
        assert_eq!(gets[1].header("x-amz-checksum-mode"), None);
    }
    assert_eq!(gets[1].header("if-match"), Some(etag(body).as_str()));
    assert_eq!(bench.counters().bytes, body.len() as u64);
    bench
}

#[test]
fn a05_body_that_is_reset_is_continued_where_it_broke_off() {
    breaks_off(&plain(100_000), 60_000, Framing::Length, Break::Reset);
    breaks_off(&gzip(100_000), 60_000, Framing::Length, Break::Reset);
}

#[test]
fn a05_range_of_a_large_object_is_continued_where_it_broke_off() {
    let body = plain(20_000);
    let served = body.clone();
    let bench = Bench::small_ranges(move |request| {
        let answer = Answer::object(request, &served);
        match request.header("range") {
            Some("bytes=4096-8191") => answer.broken_at(1_000, Break::Finish),
            _ => answer,
        }
    });
    assert_eq!(fetch(&bench.store, &listed("k", &body)), Ok((whole(20_000), body)));
    assert!(bench.server.ranges().contains(&Some("bytes=5096-8191".to_owned())));
    assert_eq!(bench.counters().bytes, 20_000);
}

#[test]
fn a05_connection_that_always_breaks_is_given_up() {
    let body = plain(100_000);
    let served = body.clone();
    let bench = Bench::new(move |request| Answer::object(request, &served).broken_at(10, Break::Finish));
    assert_eq!(fetch(&bench.store, &listed("k", &body)), Err(ReadFailure::Connection));
    assert_eq!(bench.server.seen("GET").len(), 4);
}

#[test]
fn a05_every_range_has_its_own_attempts() {
    // Each of 5 ranges breaks off 3 times: far more than the attempts for one.
    let body = plain(20_000);
    let served = body.clone();
    let failed: Mutex<HashMap<String, usize>> = Mutex::default();
    let bench = Bench::small_ranges(move |request| {
        let range = request.header("range").unwrap_or("").to_owned();
        let last = range.split('-').next_back().unwrap_or("").to_owned();
        let mut failed = failed.lock().expect("no server thread panicked");
        let count = failed.entry(last).or_default();
        *count += 1;
        match *count {
            1..=3 => Answer::object(request, &served).broken_at(100, Break::Finish),
            _ => Answer::object(request, &served),
        }
    });
    assert_eq!(fetch(&bench.store, &listed("k", &body)), Ok((whole(20_000), body)));
    assert_eq!(bench.counters().retries, 15);
}

#[test]
fn a06_body_shorter_than_its_length_is_continued() {
    breaks_off(&plain(100_000), 99_999, Framing::Length, Break::Finish);
}

#[test]
fn a07_short_body_without_a_length_is_read_again_whole_and_then_fails() {
    let body = gzip(10_000);
    let served = body.clone();
    let bench = Bench::new(move |request| match (request.key.as_str(), request.attempt) {
        ("once", 0) | ("always", _) => {
            Answer::object(request, &served).framed(Framing::Close).broken_at(9_000, Break::Finish)
        }
        _ => Answer::object(request, &served),
    });
    assert_eq!(fetch(&bench.store, &listed("once", &body)), Ok((whole(10_000), body.clone())));
    assert_eq!(fetch(&bench.store, &listed("always", &body)), Err(ReadFailure::ShortBody));
    assert_eq!(bench.server.ranges(), vec![None; 4]);
}

#[test]
fn a07_unlisted_body_without_a_length_is_held_to_what_a_head_says() {
    let body = gzip(10_000);
    let served = body.clone();
    let bench = Bench::new(move |request| match request.method.as_str() {
        "HEAD" => Answer::object(request, &served),
        _ => Answer::new(200, &served[..9_000]).framed(Framing::Close),
    });
    assert_eq!(fetch(&bench.store, &Object::unlisted(b"k")), Err(ReadFailure::ShortBody));
}

#[test]
fn a08_body_longer_than_listed_fails() {
    let (body, longer) = (gzip(10_000), gzip(10_001));
    let version = etag(&body);
    for framing in [Framing::Length, Framing::Chunked, Framing::Close] {
        let (served, head, version) = (longer.clone(), body.clone(), version.clone());
        let bench = Bench::new(move |request| match request.method.as_str() {
            "HEAD" => Answer::versioned(request, &head, &version),
            _ => Answer::versioned(request, &served, &version).framed(framing),
        });
        assert_eq!(fetch(&bench.store, &listed("k", &body)), Err(ReadFailure::LengthMismatch));
    }
}

#[test]
fn a09_whole_answer_to_a_resume_is_taken_from_where_the_first_broke_off() {
    let body = plain(100_000);
    let served = body.clone();
    let bench = Bench::new(move |request| {
        let whole = Answer::new(200, &served).with("etag", &etag(&served));
        if request.attempt == 0 { whole.broken_at(60_000, Break::Finish) } else { whole }
    });
    assert_eq!(fetch(&bench.store, &listed("k", &body)), Ok((whole(100_000), body)));
    assert_eq!(bench.server.seen("GET").len(), 2);
    assert_eq!(bench.counters().bytes, 160_000);
}

#[test]
fn a09_wrong_content_range_is_discarded_and_twice_is_too_often() {
    let body = gzip(100_000);
    let served = body.clone();
    let bench = Bench::new(move |request| {
        let answer = Answer::object(request, &served);
        match (request.key.as_str(), request.header("range")) {
            // Every first answer breaks off, and every resume is answered from the wrong place.
            (_, Some(_)) => answer.without("content-range").with("content-range", "bytes 0-39999/100000"),
            ("once", None) if request.attempt > 0 => answer,
            _ => answer.broken_at(60_000, Break::Finish),
        }
    });
    assert_eq!(fetch(&bench.store, &listed("once", &body)), Ok((whole(100_000), body.clone())));
    let asked = [None, Some("bytes=60000-".to_owned()), None];
    assert_eq!(bench.server.ranges(), asked);
    assert_eq!(fetch(&bench.store, &listed("always", &body)), Err(ReadFailure::RangeUnsupported));
}

#[test]
fn a09_partial_answer_that_does_not_say_from_where_is_discarded() {
    let body = plain(20_000);
    let served = body.clone();
    let bench = Bench::small_ranges(move |request| Answer::object(request, &served).without("content-range"));
    assert_eq!(fetch(&bench.store, &listed("k", &body)), Err(ReadFailure::RangeUnsupported));
}

#[test]
fn a10_object_that_changed_since_the_listing_is_looked_up_and_read_anew() {
    // One server minds If-Match, the other does not.
    for minds in [true, false] {
        for size in [9_000, 30_000] {
            let (old, new) = (gzip(10_000), gzip(size));
            let served = new.clone();
            let bench = Bench::new(move |request| {
                let mut request = request.clone();
                if !minds {
                    request.headers.remove("if-match");
                }
                Answer::object(&request, &served)
            });
            let receipt = Receipt { bytes: size as u64, revised: true };
            assert_eq!(fetch(&bench.store, &listed("k", &old)), Ok((receipt, new.clone())));
            assert_eq!(bench.server.seen("HEAD").len(), 1);
            let gets = bench.server.seen("GET");
            assert_eq!(gets.len(), 2);
            assert_eq!(gets[1].header("if-match"), Some(etag(&new).as_str()));
        }
    }
}

#[test]
fn a10_small_object_that_became_large_is_read_in_ranges() {
    let new = plain(30_000);
    let served = new.clone();
    let bench = Bench::small_ranges(move |request| Answer::object(request, &served));
    let receipt = Receipt { bytes: 30_000, revised: true };
    assert_eq!(fetch(&bench.store, &listed("k", b"old")), Ok((receipt, new)));
}

#[test]
fn a10_object_that_keeps_changing_fails() {
    let bench = Bench::new(|request| match request.method.as_str() {
        "HEAD" => Answer::object(request, b"another"),
        _ => Answer::error(412, "PreconditionFailed"),
    });
    assert_eq!(fetch(&bench.store, &listed("k", b"body")), Err(ReadFailure::Changed));
    assert_eq!((bench.server.seen("GET").len(), bench.server.seen("HEAD").len()), (2, 1));
}

#[test]
fn a10_listing_that_a_head_confirms_and_a_get_denies_fails() {
    let bench = Bench::new(|request| match request.method.as_str() {
        "HEAD" => Answer::object(request, b"body"),
        _ => Answer::error(412, "PreconditionFailed"),
    });
    assert_eq!(fetch(&bench.store, &listed("k", b"body")), Err(ReadFailure::Changed));
}

#[test]
fn b14_object_overwritten_while_it_is_read_fails() {
    let (old, new) = (plain(20_000), gzip(20_000));
    let (served, written) = (old.clone(), new);
    let bench = Bench::small_ranges(move |request| match request.header("range") {
        Some("bytes=0-4095") => Answer::object(request, &served),
        _ => Answer::object(request, &written),
    });
    assert_eq!(fetch(&bench.store, &listed("k", &old)), Err(ReadFailure::Changed));
    assert_eq!(bench.server.seen("HEAD").len(), 0);
}

#[test]
fn b14_small_object_overwritten_between_two_attempts_is_read_anew() {
    let (old, new) = (gzip(10_000), gzip(12_000));
    let (served, written) = (old.clone(), new.clone());
    let bench = Bench::new(move |request| match (request.method.as_str(), request.attempt) {
        ("GET", 0) => Answer::object(request, &served).broken_at(6_000, Break::Finish),
        _ => Answer::object(request, &written),
    });
    let receipt = Receipt { bytes: 12_000, revised: true };
    assert_eq!(fetch(&bench.store, &listed("k", &old)), Ok((receipt, new)));
}

#[test]
fn a11_stalled_body_is_cut_and_continued() {
    let begun = Instant::now();
    breaks_off(&plain(100_000), 60_000, Framing::Length, Break::Stall);
    assert!(begun.elapsed() >= tuning().stall);
}

#[test]
fn a11_answer_that_never_begins_is_asked_for_again() {
    let bench = Bench::new(|request| match request.attempt {
        0 => Answer::object(request, b"body").broken_at(0, Break::Stall),
        _ => Answer::object(request, b"body"),
    });
    assert_eq!(fetch(&bench.store, &listed("k", b"body")), Ok((whole(4), b"body".to_vec())));
}

#[test]
fn a11_slow_body_that_moves_is_never_cut() {
    // 3 KiB a second, for longer than any of the timers.
    let body = gzip(60_000);
    let served = body.clone();
    let tuning = Tuning { stall: Duration::from_millis(100), ..tuning() };
    let bench = Bench::tuned(tuning, move |request| {
        Answer::object(request, &served).broken_at(55_500, Break::Drip(Duration::from_micros(300)))
    });
    assert_eq!(fetch(&bench.store, &listed("k", &body)), Ok((whole(60_000), body)));
    assert_eq!(bench.counters().get_requests, 1);
}

#[test]
fn a12_drip_is_cut_and_continued_on_another_connection() {
    // 100 bytes a second: always before the stall, never enough.
    let body = gzip(60_000);
    let served = body.clone();
    let tuning = Tuning { stall: Duration::from_millis(100), ..tuning() };
    let bench = Bench::tuned(tuning, move |request| {
        let answer = Answer::object(request, &served);
        if request.attempt == 0 {
            answer.broken_at(100, Break::Drip(Duration::from_millis(10)))
        } else {
            answer
        }
    });
    assert_eq!(fetch(&bench.store, &listed("k", &body)), Ok((whole(60_000), body)));
    let gets = bench.server.seen("GET");
    assert_eq!(gets.len(), 2);
    assert!(gets[1].header("range").is_some());
}

#[test]
fn a13_plain_body_is_compared_with_its_md5() {
    let body = plain(1_000_000);
    let mut corrupt = body.clone();
    corrupt[500_000] ^= 1;
    let served = body.clone();
    let bench = Bench::new(move |request| match (request.key.as_str(), request.attempt) {
        ("once", 0) | ("always", _) => Answer::versioned(request, &corrupt, &etag(&served)),
        _ => Answer::object(request, &served),
    });
    assert_eq!(fetch(&bench.store, &listed("once", &body)), Ok((whole(1_000_000), body.clone())));
    assert_eq!(fetch(&bench.store, &listed("always", &body)), Err(ReadFailure::Checksum));
    assert_eq!(bench.server.ranges(), vec![None; 4]);
}

#[test]
fn a13_large_plain_body_is_compared_with_its_md5_at_its_end() {
    let body = plain(20_000);
    let mut corrupt = body.clone();
    corrupt[15_000] ^= 1;
    let version = etag(&body);
    let bench = Bench::small_ranges(move |request| Answer::versioned(request, &corrupt, &version));
    assert_eq!(fetch(&bench.store, &listed("k", &body)), Err(ReadFailure::Checksum));
}

#[test]
fn a13_gzip_is_left_to_its_own_checksum() {
    let body = gzip(10_000);
    let mut corrupt = body.clone();
    corrupt[5_000] ^= 1;
    let (version, served) = (etag(&body), corrupt.clone());
    let bench = Bench::new(move |request| Answer::versioned(request, &served, &version));
    assert_eq!(fetch(&bench.store, &listed("k", &body)), Ok((whole(10_000), corrupt)));
}

#[test]
fn a13_wrong_checksum_header_is_noticed_by_the_sdk_and_by_us() {
    // CRC-32 of "123456789"; the ETag is no MD5.
    let object = Object { size: Some(9), version: Version::Etag("\"x\"".into()), ..Object::unlisted(b"k") };
    let bench = Bench::new(|request| {
        let checksum = if request.key == "k" { "y/Q5Jg==" } else { "y/Q5Jw==" };
        Answer::versioned(request, b"123456789", "\"x\"").with("x-amz-checksum-crc32", checksum)
    });
    assert_eq!(fetch(&bench.store, &object), Ok((whole(9), b"123456789".to_vec())));
    assert_eq!(bench.server.seen("GET").len(), 1);
    let wrong = Object { key: (*b"wrong").into(), ..object };
    assert_eq!(fetch(&bench.store, &wrong), Err(ReadFailure::Checksum));
    assert_eq!(bench.server.seen("GET").len(), 3);
}

#[test]
fn a13_body_that_only_a_header_can_verify_is_not_put_together_from_two_answers() {
    let object = Object { size: Some(9), version: Version::Etag("\"x\"".into()), ..Object::unlisted(b"k") };
    let bench = Bench::new(|request| {
        let answer =
            Answer::versioned(request, b"123456789", "\"x\"").with("x-amz-checksum-crc32", "y/Q5Jg==");
        if request.attempt == 0 { answer.broken_at(5, Break::Finish) } else { answer }
    });
    assert_eq!(fetch(&bench.store, &object), Ok((whole(9), b"123456789".to_vec())));
    assert_eq!(bench.server.ranges(), [None, None]);
}

#[test]
fn a15_missing_last_chunk_is_a_body_that_broke_off() {
    let body = plain(100_000);
    breaks_off(&body, 50_000, Framing::Chunked, Break::Finish);
    // With all bytes here there is nothing to continue: it is read again.
    let served = body.clone();
    let bench = Bench::new(move |request| match request.attempt {
        0 => Answer::object(request, &served).framed(Framing::Chunked).broken_at(100_000, Break::Finish),
        _ => Answer::object(request, &served),
    });
    assert_eq!(fetch(&bench.store, &listed("k", &body)), Ok((whole(100_000), body)));
    assert_eq!(bench.server.ranges(), [None, None]);
}

#[test]
fn a16_endless_error_body_is_not_read_to_its_end() {
    let bench = Bench::new(|request| match request.attempt {
        0 => {
            let mut answer = Answer::error(500, "InternalError");
            answer.body.extend_from_slice(&vec![b' '; 5 << 20]);
            answer.broken_at(1 << 20, Break::Stall)
        }
        _ => Answer::object(request, b"body"),
    });
    assert_eq!(fetch(&bench.store, &listed("k", b"body")), Ok((whole(4), b"body".to_vec())));
}

#[test]
fn a19_page_of_a_proxy_is_not_taken_for_the_object() {
    let page = b"<html>please log in</html>";
    let bench =
        Bench::new(move |request| match (request.key.as_str(), request.method.as_str(), request.attempt) {
            ("once", "GET", 0) | ("always", "GET", _) => Answer::new(200, page),
            _ => Answer::object(request, b"body"),
        });
    assert_eq!(fetch(&bench.store, &listed("once", b"body")), Ok((whole(4), b"body".to_vec())));
    assert_eq!(fetch(&bench.store, &listed("always", b"body")), Err(ReadFailure::LengthMismatch));
}

#[test]
fn a21_refused_connections_are_tried_again_and_given_up() {
    let free = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = free.local_addr().expect("a bound socket has an address");
    drop(free);
    let connections = Connections::new(tuning()).expect("a runtime starts");
    let store = open(&connections, &format!("http://{address}"));
    assert_eq!(fetch(&store, &listed("k", b"body")), Err(ReadFailure::Connection));
    assert_eq!(connections.counters().retries, 3);
}

#[test]
fn b02_fatal_answers_stop_everything_at_once() {
    let bench = Bench::new(|_| Answer::error(403, "AllAccessDisabled"));
    let coming: Vec<_> =
        (0..100).map(|number| begin(&bench.store, &listed(&format!("{number}"), b"body"))).collect();
    for one in coming {
        let ready = one.recv_timeout(PATIENCE).expect("every fetch comes to an end");
        assert_eq!(drain(ready), Err(ReadFailure::Stopped));
    }
    assert!(bench.store.stopped().is_some());
    let asked = bench.server.seen("GET").len();
    assert_eq!(fetch(&bench.store, &listed("k", b"body")), Err(ReadFailure::Stopped));
    assert_eq!(bench.store.head(b"k"), Err(ReadFailure::Stopped));
    assert_eq!(bench.server.seen("GET").len(), asked);
}

#[test]
fn b02_stop_ends_pauses_and_bodies_on_their_way() {
    let tuning = Tuning { stall: Duration::from_secs(30), ..tuning() };
    let bench = Bench::tuned(tuning, |request| match request.key.as_str() {
        "fatal" => Answer::error(403, "AllAccessDisabled"),
        "pauses" => Answer::error(503, "SlowDown").with("retry-after", "20"),
        _ => Answer::object(request, b"body").broken_at(2, Break::Stall),
    });
    let coming = ["pauses", "stalls"].map(|key| begin(&bench.store, &listed(key, b"body")));
    while bench.server.seen("GET").len() < 2 {
        std::thread::yield_now();
    }
    let begun = Instant::now();
    assert_eq!(fetch(&bench.store, &listed("fatal", b"body")), Err(ReadFailure::Stopped));
    for one in coming {
        let ready = one.recv_timeout(PATIENCE).expect("every fetch comes to an end");
        assert_eq!(drain(ready), Err(ReadFailure::Stopped));
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn b06_some_forbidden_objects_are_failed_and_most_of_them_stop_the_run() {
    let bench = Bench::new(|request| match request.key.as_str() {
        "open" => Answer::object(request, b"body"),
        _ => Answer::error(403, "AccessDenied"),
    });
    assert_eq!(fetch(&bench.store, &listed("closed", b"body")), Err(ReadFailure::AccessDenied));
    for _ in 0..300 {
        assert!(fetch(&bench.store, &listed("open", b"body")).is_ok());
    }
    let mut denied = 1;
    while fetch(&bench.store, &listed("closed", b"body")) == Err(ReadFailure::AccessDenied) {
        denied += 1;
    }
    assert_eq!(denied, 501);
    assert!(bench.store.stopped().is_some());
    assert_eq!(fetch(&bench.store, &listed("open", b"body")), Err(ReadFailure::Stopped));
}

#[test]
fn b07_kms_refusals_are_the_objects_own_and_not_tried_again() {
    for code in ["KMS.DisabledException", "KMS.NotFoundException", "KMS.KMSInvalidStateException"] {
        let bench = Bench::new(move |_| Answer::error(400, code));
        assert_eq!(fetch(&bench.store, &listed("k", b"body")), Err(ReadFailure::Kms));
        assert_eq!(bench.server.seen("GET").len(), 1);
    }
}

#[test]
fn b08_archived_object_is_known_by_its_error() {
    let bench = Bench::new(|_| Answer::error(403, "InvalidObjectState"));
    assert_eq!(fetch(&bench.store, &listed("k", b"body")), Err(ReadFailure::Archived));
    assert_eq!(bench.server.seen("GET").len(), 1);
}

#[test]
fn b09_restored_object_is_read_and_its_head_says_so() {
    let restored = "ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2012 00:00:00 GMT\"";
    let bench = Bench::new(move |request| {
        Answer::object(request, b"body")
            .with("x-amz-storage-class", "DEEP_ARCHIVE")
            .with("x-amz-restore", restored)
    });
    assert_eq!(fetch(&bench.store, &listed("k", b"body")), Ok((whole(4), b"body".to_vec())));
    let found = bench.store.head(b"k").expect("it may be looked up").expect("it is there");
    assert_eq!((found.class, found.restore), (StorageClass::DeepArchive, Restore::Restored));
    assert!(!found.is_archived());
}

#[test]
fn b10_object_that_is_gone_has_vanished() {
    let bench = Bench::new(|_| Answer::error(404, "NoSuchKey"));
    assert_eq!(fetch(&bench.store, &listed("k", b"body")), Err(ReadFailure::Vanished));
    assert_eq!(fetch(&bench.store, &Object::unlisted(b"k")), Err(ReadFailure::Vanished));
    assert_eq!(bench.server.seen("GET").len(), 2);
}

#[test]
fn b10_object_that_vanishes_while_it_is_looked_up_has_vanished() {
    let bench = Bench::new(|request| match request.method.as_str() {
        "GET" => Answer::error(412, "PreconditionFailed"),
        _ => Answer::new(404, b""),
    });
    assert_eq!(fetch(&bench.store, &listed("k", b"body")), Err(ReadFailure::Vanished));
}

#[test]
fn b11_bucket_whose_reader_pays_stops_with_a_hint() {
    let refusal =
        "<Error><Code>AccessDenied</Code><Message>Access denied: Requester Pays bucket</Message></Error>";
    let bench = Bench::new(move |_| Answer::new(403, refusal.as_bytes()));
    assert_eq!(fetch(&bench.store, &listed("k", b"body")), Err(ReadFailure::RequesterPays));
    let stopped = bench.store.stopped().expect("nothing in it can be read");
    assert!(stopped.hint.is_some_and(|hint| hint.contains("--requester-pays")));
}

#[test]
fn b11_who_agreed_to_pay_says_so_with_every_request() {
    let bench = Bench::new(|request| Answer::object(request, b"body"));
    let options = S3Options { requester_pays: true, ..bench.store.options().clone() };
    let store = bench.connections.open("bucket", &options).expect("nothing is asked for yet");
    assert!(fetch(&store, &listed("k", b"body")).is_ok());
    assert!(store.head(b"k").is_ok());
    for method in ["GET", "HEAD"] {
        assert_eq!(bench.server.seen(method)[0].header("x-amz-request-payer"), Some("requester"));
    }
}

#[test]
fn b12_etag_of_an_encrypted_object_is_not_taken_for_an_md5() {
    for encryption in ["aws:kms", "aws:kms:dsse", "AES256"] {
        let bench = Bench::new(move |request| {
            Answer::versioned(request, b"body", &etag(b"other"))
                .with("x-amz-server-side-encryption", encryption)
        });
        let object =
            Object { size: Some(4), version: Version::Digest(md5(b"other")), ..Object::unlisted(b"k") };
        assert_eq!(fetch(&bench.store, &object), Ok((whole(4), b"body".to_vec())));
    }
}

#[test]
fn b12_object_under_a_key_of_its_owner_is_named() {
    let refusal = "<Error><Code>InvalidRequest</Code><Message>The object was stored using a form of Server Side \
                   Encryption. The correct parameters must be provided to retrieve the object.</Message></Error>";
    let bench = Bench::new(move |_| Answer::new(400, refusal.as_bytes()));
    assert_eq!(fetch(&bench.store, &listed("k", b"body")), Err(ReadFailure::SseC));
}

#[test]
fn b17_empty_object_is_read_without_a_range() {
    let bench = Bench::new(|request| Answer::object(request, b""));
    for object in [listed("k", b""), Object::unlisted(b"k")] {
        assert_eq!(fetch(&bench.store, &object), Ok((whole(0), Vec::new())));
    }
    assert_eq!(bench.server.ranges(), [None, None]);
}

#[test]
fn b17_empty_object_that_is_empty_no_more_shows() {
    let bench = Bench::new(|request| Answer::object(request, b"body"));
    let receipt = Receipt { bytes: 4, revised: true };
    assert_eq!(fetch(&bench.store, &listed("k", b"")), Ok((receipt, b"body".to_vec())));
}

#[test]
fn b18_multipart_etag_is_not_taken_for_an_md5() {
    let version = "\"0123456789abcdef0123456789abcdef-2\"";
    let body = plain(20_000);
    let served = body.clone();
    let bench = Bench::small_ranges(move |request| Answer::versioned(request, &served, version));
    let object =
        Object { size: Some(20_000), version: Version::Etag(version.into()), ..Object::unlisted(b"k") };
    assert_eq!(fetch(&bench.store, &object), Ok((whole(20_000), body)));
    assert!(bench.server.seen("GET").iter().all(|get| get.header("if-match") == Some(version)));
}

#[test]
fn b20_forbidden_key_that_was_never_listed_may_not_exist() {
    let bench = Bench::new(|_| Answer::error(403, "AccessDenied"));
    assert_eq!(fetch(&bench.store, &Object::unlisted(b"k")), Err(ReadFailure::AbsentOrDenied));
    assert_eq!(bench.store.head(b"k"), Err(ReadFailure::AbsentOrDenied));
    assert_eq!(fetch(&bench.store, &listed("k", b"body")), Err(ReadFailure::AccessDenied));
}

#[test]
fn head_tells_what_is_there_and_what_is_not() {
    let bench = Bench::new(|request| match (request.key.as_str(), request.attempt) {
        ("there", 0) => Answer::new(503, b""),
        ("there", _) => Answer::object(request, b"body"),
        _ => Answer::new(404, b""),
    });
    let found =
        bench.store.head(b"there").map(|found| found.map(|object| Object { identity: None, ..object }));
    assert_eq!(found, Ok(Some(listed("there", b"body"))));
    assert_eq!(bench.store.head(b"gone"), Ok(None));
    assert_eq!(bench.store.head(b"\xff"), Ok(None));
    assert_eq!(bench.counters().get_requests, 0);
}

#[test]
fn many_faults_at_once_leave_every_byte_in_place() {
    // 30 % SlowDown, 5 % resets, 2 % stalls, by a fixed sequence.
    let dice = Mutex::new(20_240_311_u64);
    let bench = Bench::tuned(Tuning { attempts_max: 12, ..tuning() }, move |request| {
        let body = gzip(2_000 + request.key.len() * 100);
        let mut state = dice.lock().expect("no server thread panicked");
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let answer = Answer::object(request, &body);
        match (*state >> 33) % 100 {
            0..30 => Answer::error(503, "SlowDown"),
            30..35 => answer.broken_at(1_000, Break::Reset),
            35..37 => answer.broken_at(1_500, Break::Stall),
            _ => answer,
        }
    });
    let coming: Vec<_> = (0..200)
        .map(|number| {
            let key = format!("{number}/{}", "x".repeat(number % 40));
            let body = gzip(2_000 + key.len() * 100);
            (begin(&bench.store, &listed(&key, &body)), body)
        })
        .collect();
    for (one, body) in coming {
        let ready = one.recv_timeout(PATIENCE).expect("every fetch comes to an end");
        assert_eq!(drain(ready), Ok((whole(body.len()), body)));
    }
    assert!(bench.counters().get_requests <= 340, "{:?}", bench.counters());
}
