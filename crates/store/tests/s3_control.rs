//! Listing, finding and restoring on S3, held against a server whose every answer is written here.
//!
//! The server speaks HTTP/1.1 on a loopback port and plays what a closure says: no code of an S3 server is in
//! between. Names begin with the row of the fault catalogue that they cover. Every answer that refuses something
//! holds a canary, which must not come out anywhere.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use borehole_store::s3::inspect::Answer;
use borehole_store::s3::restore::{Asked, Tier};
use borehole_store::s3::{Connections, Counters, S3Options, Tuning};
use borehole_store::{
    Error, Listed, Object, ReadFailure, Restore, S3Store, Stop, StorageClass, Store, Version,
};
use borehole_testbed::{Identity, Moto, SeaweedFs};

/// Stands in everything that a server says about a failure: a prompt could stand there.
const CANARY: &str = "CANARY-7f3a";

/// A request as the server saw it.
#[derive(Clone, Debug, Default)]
struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, Vec<u8>>,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Request {
    fn query(&self, name: &str) -> &[u8] {
        self.query.get(name).map_or(b"", |value| value)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value)
    }

    fn is_list(&self) -> bool {
        self.query.contains_key("list-type")
    }
}

/// What the server does about one.
enum Reply {
    /// An answer: status, headers, body.
    Full(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// A 200 that promises more than it holds, and then an end.
    Cut(String),
    /// A 200 that promises more than it holds, and then nothing.
    Stalled(String),
    /// No answer at all.
    Silent,
    /// A status, and a body that never ends.
    Endless(u16, String),
}

fn ok(body: impl Into<String>) -> Reply {
    Reply::Full(200, Vec::new(), body.into().into_bytes())
}

fn error_body(code: &str, message: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message} {CANARY}</Message>\
         <Endpoint>{CANARY}.example</Endpoint><RequestId>{CANARY}</RequestId></Error>"
    )
}

fn refuse(status: u16, code: &str) -> Reply {
    refuse_with(status, code, "", Vec::new())
}

fn refuse_with(status: u16, code: &str, message: &str, headers: Vec<(&'static str, String)>) -> Reply {
    Reply::Full(status, headers, error_body(code, message).into_bytes())
}

/// A page of a listing, as S3 writes it.
#[derive(Clone, Default)]
struct Page {
    keys: Vec<String>,
    prefixes: Vec<String>,
    truncated: bool,
    token: Option<String>,
}

fn page(keys: &[&str], prefixes: &[&str]) -> Page {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    Page { keys: owned(keys), prefixes: owned(prefixes), truncated: false, token: None }
}

impl Page {
    fn then(self, token: &str) -> Page {
        Page { truncated: true, token: Some(token.to_owned()), ..self }
    }

    fn xml(&self) -> String {
        let entry = |key: &String| {
            format!(
                "<Contents><Key>{key}</Key><LastModified>2024-03-11T07:00:00.000Z</LastModified>\
                 <ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><Size>5</Size>\
                 <StorageClass>STANDARD</StorageClass></Contents>"
            )
        };
        let folder = |prefix: &String| format!("<CommonPrefixes><Prefix>{prefix}</Prefix></CommonPrefixes>");
        let token = |token: &String| format!("<NextContinuationToken>{token}</NextContinuationToken>");
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult \
             xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>logs</Name><EncodingType>url</EncodingType>\
             <MaxKeys>1000</MaxKeys><IsTruncated>{}</IsTruncated>{}{}{}</ListBucketResult>",
            self.truncated,
            self.token.iter().map(token).collect::<String>(),
            self.keys.iter().map(entry).collect::<String>(),
            self.prefixes.iter().map(folder).collect::<String>(),
        )
    }
}

impl From<Page> for Reply {
    fn from(page: Page) -> Reply {
        ok(page.xml())
    }
}

type Script = Arc<dyn Fn(&Request, usize) -> Reply + Send + Sync>;

/// A server, and what it was asked.
struct Server {
    endpoint: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// `script` is given each request and its number, from 0.
    fn start(script: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (script, all): (Script, _) = (Arc::new(script), seen.clone());
        // Both threads live as long as the test's process: they wait for what no longer comes.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, all) = (script.clone(), all.clone());
                std::thread::spawn(move || serve(stream, &script, &all));
            }
        });
        Server { endpoint, seen }
    }

    /// Plays these answers in order; the last one for all that come after.
    fn playing(replies: Vec<Reply>) -> Server {
        Server::start(move |_, number| match &replies[number.min(replies.len() - 1)] {
            Reply::Full(status, headers, body) => Reply::Full(*status, headers.clone(), body.clone()),
            Reply::Cut(body) => Reply::Cut(body.clone()),
            Reply::Stalled(body) => Reply::Stalled(body.clone()),
            Reply::Silent => Reply::Silent,
            Reply::Endless(status, body) => Reply::Endless(*status, body.clone()),
        })
    }

    fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    fn options(&self) -> S3Options {
        S3Options { endpoint_url: Some(self.endpoint.clone()), no_sign_request: true, ..S3Options::default() }
    }

    /// The same, with the credentials of the environment.
    fn signed(&self) -> S3Options {
        S3Options { no_sign_request: false, ..self.options() }
    }
}

fn serve(stream: TcpStream, script: &Script, all: &Mutex<Vec<Request>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    while let Some(request) = read_request(&mut reader) {
        let number = {
            let mut all = all.lock().unwrap();
            all.push(request.clone());
            all.len() - 1
        };
        let is_head = request.method == "HEAD";
        let head =
            |status: u16, length: usize| format!("HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\n");
        // A client that went away is no failure of the server.
        let sent = match script(&request, number) {
            Reply::Full(status, headers, body) => {
                let mut answer = head(status, body.len());
                for (name, value) in headers {
                    answer.push_str(&format!("{name}: {value}\r\n"));
                }
                answer.push_str("\r\n");
                let mut answer = answer.into_bytes();
                if !is_head {
                    answer.extend(body);
                }
                writer.write_all(&answer)
            }
            Reply::Cut(body) => {
                let _ = writer.write_all(format!("{}\r\n{body}", head(200, body.len() + 10)).as_bytes());
                return;
            }
            Reply::Stalled(body) => {
                let _ = writer.write_all(format!("{}\r\n{body}", head(200, body.len() + 10)).as_bytes());
                wait_for_end(&mut reader);
                return;
            }
            Reply::Silent => {
                wait_for_end(&mut reader);
                return;
            }
            Reply::Endless(status, body) => {
                let _ = writer.write_all(format!("{}\r\n{body}", head(status, 1 << 40)).as_bytes());
                let more = vec![b'x'; 1 << 16];
                while writer.write_all(&more).is_ok() {}
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Until the client hangs up.
fn wait_for_end(reader: &mut BufReader<TcpStream>) {
    let mut rest = [0; 256];
    while reader.read(&mut rest).is_ok_and(|count| count > 0) {}
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut parts = line.split(' ');
    let method = parts.next()?.to_owned();
    let target = parts.next()?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), percent_decode(value)))
        .collect();
    let mut request = Request { method, path: path.to_owned(), query, ..Request::default() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        request.headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; request.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    request.body = String::from_utf8(body).ok()?;
    Some(request)
}

fn percent_decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            decoded.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    decoded
}

fn percent_encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| if *byte == b'/' { "/".to_owned() } else { format!("%{byte:02X}") }).collect()
}

/// Timers short enough to wait for.
fn tuning() -> Tuning {
    Tuning {
        stall: Duration::from_millis(400),
        attempts_max: 4,
        first_success: Duration::from_millis(600),
        ..Tuning::default()
    }
}

struct Opened {
    connections: Connections,
    store: Arc<S3Store>,
}

fn open(options: &S3Options) -> Opened {
    let connections = Connections::new(tuning()).expect("threads");
    let store = connections.open("logs", options).expect("nothing is asked yet");
    Opened { connections, store }
}

/// What a listing found, sorted: `key`, or `key!word`.
fn list(store: &S3Store, prefix: &str) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    store.list(prefix.as_bytes(), &mut |_| true, &mut |listed| found.push(shown(&listed)))?;
    found.sort();
    Ok(found)
}

fn shown(listed: &Listed) -> String {
    match listed {
        Listed::Object(object) => String::from_utf8_lossy(&object.key).into_owned(),
        Listed::Skipped { key, reason } => format!("{}!{reason}", String::from_utf8_lossy(key)),
        Listed::Failed { key, reason } => format!("{}!{}", String::from_utf8_lossy(key), reason.as_str()),
    }
}

fn objects(store: &S3Store) -> Vec<Object> {
    let mut objects = Vec::new();
    store
        .list(b"", &mut |_| true, &mut |listed| match listed {
            Listed::Object(object) => objects.push(object),
            other => panic!("{other:?}"),
        })
        .expect("a listing");
    objects
}

/// Lists the root of a server that plays these answers; the number of requests comes with it.
fn play(replies: Vec<Reply>) -> (Result<Vec<String>, Error>, usize, Counters) {
    let server = Server::playing(replies);
    let opened = open(&server.options());
    let outcome = list(&opened.store, "");
    if let Err(error) = &outcome {
        let said = format!("{error} {error:?}");
        assert!(!said.contains(CANARY), "a server's text came out: {said}");
    }
    let counters = opened.connections.counters();
    let seen = server.seen().len();
    assert_eq!(counters.requests, seen as u64, "every request is counted once");
    assert_eq!(counters.list_requests, seen as u64);
    (outcome, seen, counters)
}

/// Runs a test with credentials, in a process of its own: the environment of this one is not ours to change.
fn with_environment(name: &str, environment: &[(&str, &str)], test: impl FnOnce()) {
    if std::env::var_os("BOREHOLE_TEST_CHILD").is_some() {
        return test();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .envs(environment.iter().copied())
        .env("BOREHOLE_TEST_CHILD", "1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

const KEYS: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "secret"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_CONFIG_FILE", "/dev/null"),
];

// ---- what a listing is

/// A bucket of these keys, listed as S3 lists.
fn bucket_of(keys: &'static [&'static str]) -> Server {
    Server::start(move |request, _| {
        let prefix = String::from_utf8(request.query("prefix").to_vec()).unwrap();
        let max: usize = String::from_utf8_lossy(request.query("max-keys")).parse().unwrap_or(1_000);
        let mut listed = Page::default();
        for key in keys.iter().filter(|key| key.starts_with(&prefix)) {
            let rest = &key[prefix.len()..];
            match rest.find('/').filter(|_| request.query("delimiter") == b"/") {
                Some(slash) => {
                    let folder = key[..=prefix.len() + slash].to_owned();
                    if listed.prefixes.last() != Some(&folder) {
                        listed.prefixes.push(folder);
                    }
                }
                None if listed.keys.len() < max => listed.keys.push((*key).to_owned()),
                None => {
                    listed.truncated = true;
                    listed.token = Some("more".to_owned());
                }
            }
        }
        listed.into()
    })
}

#[test]
fn a_prefix_is_a_folder_or_a_key_and_never_a_part_of_a_name() {
    let server = bucket_of(&["a/b", "a/b/c/d", "a/b/x", "a/bc", "a/bc/y", "z"]);
    let opened = open(&server.options());
    assert_eq!(list(&opened.store, "a/b").unwrap(), ["a/b", "a/b/c/d", "a/b/x"]);
    assert_eq!(list(&opened.store, "a/b/").unwrap(), ["a/b/c/d", "a/b/x"]);
    assert_eq!(list(&opened.store, "a/bc").unwrap(), ["a/bc", "a/bc/y"]);
    assert_eq!(list(&opened.store, "a/b/x").unwrap(), ["a/b/x"]);
    assert!(list(&opened.store, "a/").unwrap().contains(&"a/bc/y".to_owned()));
    assert!(list(&opened.store, "nothing").unwrap().is_empty());
    assert_eq!(list(&opened.store, "").unwrap().len(), 6);
}

#[test]
fn a_folder_is_asked_for_only_where_it_is_entered() {
    let server = bucket_of(&["2024/01/x", "2024/02/y", "top"]);
    let opened = open(&server.options());
    let (mut entered, mut found) = (Vec::new(), Vec::new());
    let mut enter = |folder: &[u8]| {
        entered.push(String::from_utf8(folder.to_vec()).unwrap());
        folder != b"2024/01"
    };
    opened.store.list(b"", &mut enter, &mut |listed| found.push(shown(&listed))).unwrap();
    found.sort();
    entered.sort();
    assert_eq!(found, ["2024/02/y", "top"]);
    assert_eq!(entered, ["2024", "2024/01", "2024/02"]);
    let mut asked: Vec<Vec<u8>> = server.seen().iter().map(|seen| seen.query("prefix").to_vec()).collect();
    asked.sort();
    assert_eq!(asked, [&b""[..], b"2024/", b"2024/02/"], "one request a folder");
}

#[test]
fn a_flat_listing_asks_for_no_folders() {
    let server = bucket_of(&["a/1/x", "a/2/y", "b/z", "c"]);
    let opened = open(&server.options());
    let mut found = Vec::new();
    let folders = [b"a/".to_vec(), b"b/".to_vec()];
    opened.store.list_flat(&folders, &mut |listed| found.push(shown(&listed))).unwrap();
    found.sort();
    assert_eq!(found, ["a/1/x", "a/2/y", "b/z"]);
    assert_eq!(server.seen().len(), 2);
    assert!(server.seen().iter().all(|seen| seen.query("delimiter").is_empty()));
}

/// What a bounded listing found, and whether there is more.
fn some(store: &S3Store, prefix: &str, after: Option<&str>, most: usize) -> (Vec<String>, bool) {
    let (found, more) = store.list_some(prefix, after, most).expect("a listing");
    (found.iter().map(|dated| String::from_utf8_lossy(&dated.object.key).into_owned()).collect(), more)
}

#[test]
fn a_bounded_listing_asks_for_no_more_than_it_shows() {
    let server = bucket_of(&["a/1", "a/2", "a/3", "ab", "b"]);
    let store = open(&server.options()).store;
    assert_eq!(some(&store, "a", None, 2), (vec!["a/1".to_owned(), "a/2".to_owned()], true));
    assert_eq!(server.seen().len(), 1, "the keys behind them are not asked for");
    assert_eq!(server.seen()[0].query("max-keys"), b"3");
    assert!(!some(&store, "a", None, 4).1);
    assert_eq!(some(&store, "c", None, 1), (Vec::new(), false));
    // This server takes no notice of where to begin: it is told, and held to it.
    let server = Server::playing(vec![page(&["a/1", "a/2", "a/3", "ab"], &[]).into()]);
    let store = open(&server.options()).store;
    assert_eq!(some(&store, "a", Some("a/2"), 2), (vec!["a/3".to_owned(), "ab".to_owned()], false));
    assert_eq!(server.seen()[0].query("start-after"), b"a/2");
}

#[test]
fn a_bounded_listing_goes_on_over_pages_and_says_why_it_cannot() {
    let server = Server::playing(vec![
        page(&["a"], &[]).then("1").into(),
        page(&["b"], &[]).then("2").into(),
        refuse(403, "AccessDenied"),
    ]);
    let store = open(&server.options()).store;
    assert_eq!(some(&store, "", None, 1), (vec!["a".to_owned()], true));
    let seen = server.seen();
    assert_eq!((seen.len(), seen[1].query("continuation-token")), (2, &b"1"[..]));
    let denied = store.list_some("x/", None, 5).unwrap_err();
    assert!(denied.cause.contains("s3:ListBucket"), "{denied}");
}

/// The store for somebody who wants the end of it as soon as the server was asked something, and gave no answer.
fn impatient(server: &Server) -> (Arc<dyn Store>, Arc<S3Store>) {
    let patient = Tuning { stall: Duration::from_secs(3_600), ..tuning() };
    let connections = Connections::new(patient).expect("threads");
    let store = connections.open("logs", &server.options()).expect("nothing is asked yet");
    let seen = Arc::clone(&server.seen);
    let stop = Stop::new(move || !seen.lock().unwrap().is_empty());
    (store.stopping(&stop).expect("it can be stopped"), store)
}

#[test]
fn whoever_wants_the_end_of_it_does_not_wait_for_a_server() {
    let silent = || Server::playing(vec![Reply::Silent]);
    let object = Object { size: Some(5), ..Object::unlisted(b"k") };

    let server = silent();
    let (stopping, store) = impatient(&server);
    let error = stopping.list(b"", &mut |_| true, &mut |_| {}).unwrap_err();
    assert_eq!((error.operation, error.cause.as_str()), ("list", "stopped"));
    assert!(store.stopped().is_none(), "others go on");
    assert_eq!(stopping.read(&object, &mut |_| true), Err(ReadFailure::Stopped));

    let (stopping, _) = impatient(&silent());
    assert_eq!(stopping.list_flat(&[b"a/".to_vec()], &mut |_| {}).unwrap_err().cause, "stopped");
    let (stopping, _) = impatient(&silent());
    assert_eq!(stopping.read(&object, &mut |_| true), Err(ReadFailure::Stopped));
    assert_eq!(stopping.stopped().map(|error| error.cause), Some("stopped".to_owned()));
    let (stopping, _) = impatient(&silent());
    assert_eq!(stopping.head(b"k"), Err(ReadFailure::Stopped));
    // Objects that wait for their turn are given up, too, and nobody asks for them any more.
    let server = silent();
    let (stopping, _) = impatient(&server);
    let (sender, bodies) = std::sync::mpsc::channel();
    for _ in 0..2_000 {
        let sender = sender.clone();
        assert!(stopping.fetch(&object, Box::new(move |body| sender.send(body).unwrap())).is_ok());
    }
    drop(sender);
    let outcomes: Vec<_> = bodies.iter().map(|body| body.read(&mut |_| true)).collect();
    assert_eq!(outcomes.len(), 2_000);
    assert!(outcomes.iter().all(|outcome| *outcome == Err(ReadFailure::Stopped)));
    assert!(server.seen().len() < 300, "{}", server.seen().len());
}

#[test]
fn an_object_is_listed_with_all_that_a_page_says() {
    let server = Server::playing(vec![page(&["k"], &[]).into()]);
    let first = objects(&open(&server.options()).store);
    let digest = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
    let mut version = [0; 16];
    version[..8].copy_from_slice(&digest);
    version[8..].copy_from_slice(&digest);
    assert_eq!(first[0].size, Some(5));
    assert_eq!(first[0].version, Version::Digest(version));
    assert_eq!(first[0].class, StorageClass::Standard);
    let again = objects(&open(&server.options()).store);
    assert_eq!(first[0].identity, again[0].identity, "two sources over one bucket see one object");
    assert!(first[0].identity.is_some());
}

// ---- A: transport

#[test]
fn a01_a_throttled_page_is_asked_for_again_and_no_longer_than_the_budget() {
    let (found, requests, counters) =
        play(vec![refuse(503, "SlowDown"), refuse(429, "TooManyRequests"), page(&["k"], &[]).into()]);
    assert_eq!(found.unwrap(), ["k"]);
    assert_eq!((requests, counters.retries), (3, 2));
    let (failed, requests, _) = play(vec![refuse(503, "SlowDown")]);
    let error = failed.unwrap_err();
    assert_eq!((error.operation, error.attempts, requests), ("list", 4, 4));
    assert_eq!(error.cause, "the server asks to slow down");
}

#[test]
fn a02_a_server_error_is_tried_again_and_no_longer_than_the_budget() {
    let (found, requests, _) =
        play(vec![refuse(500, "InternalError"), refuse(502, CANARY), page(&["k"], &[]).into()]);
    assert_eq!((found.unwrap(), requests), (vec!["k".to_owned()], 3));
    let (failed, requests, _) = play(vec![refuse(500, "InternalError")]);
    assert_eq!((failed.unwrap_err().cause.as_str(), requests), ("server error", 4));
}

#[test]
fn a03_an_error_within_a_200_is_an_error() {
    let (found, requests, _) = play(vec![
        ok(error_body("InternalError", "")),
        ok(error_body("SlowDown", "")),
        page(&["k"], &[]).into(),
    ]);
    assert_eq!((found.unwrap(), requests), (vec!["k".to_owned()], 3));
    let (failed, requests, _) = play(vec![ok(error_body("AccessDenied", ""))]);
    assert_eq!(requests, 1);
    assert!(failed.unwrap_err().cause.contains("s3:ListBucket"));
}

#[test]
fn a04_a_run_that_never_reaches_a_server_stops() {
    // A port that was just given back: nobody listens.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = S3Options {
        endpoint_url: Some(format!("http://{address}")),
        no_sign_request: true,
        ..S3Options::default()
    };
    let connections = Connections::new(Tuning { attempts_max: 1_000, ..tuning() }).unwrap();
    let store = connections.open("logs", &options).unwrap();
    let error = list(&store, "").unwrap_err();
    assert_eq!(error.cause, "no connection was ever made");
    assert!(error.attempts > 1, "it was tried again: {error}");
    assert!(store.stopped().is_some(), "nothing else is tried");
}

#[test]
fn a04_a_run_that_once_reached_a_server_does_not_stop_so() {
    let served = AtomicU32::new(0);
    let server = Server::start(move |_, _| match served.fetch_add(1, Ordering::Relaxed) {
        0 => page(&[], &["a/"]).into(),
        _ => Reply::Cut(String::new()),
    });
    let connections = Connections::new(Tuning { first_success: Duration::ZERO, ..tuning() }).unwrap();
    let store = connections.open("logs", &server.options()).unwrap();
    let error = list(&store, "").unwrap_err();
    assert_eq!(error.cause, "no connection, or none that lasts");
    assert_eq!(error.attempts, 4);
}

#[test]
fn a05_a06_a15_a_page_that_breaks_off_is_asked_for_again() {
    let cut = page(&["k", "lost"], &[]).xml();
    let (found, requests, _) =
        play(vec![Reply::Cut(cut[..cut.len() / 2].to_owned()), Reply::Cut(cut), page(&["k"], &[]).into()]);
    assert_eq!((found.unwrap(), requests), (vec!["k".to_owned()], 3));
}

#[test]
fn a11_a_page_that_stands_still_is_asked_for_again() {
    let begun = Instant::now();
    let (found, requests, _) =
        play(vec![Reply::Silent, Reply::Stalled("<ListBucketResult>".to_owned()), page(&["k"], &[]).into()]);
    assert_eq!((found.unwrap(), requests), (vec!["k".to_owned()], 3));
    assert!(begun.elapsed() >= 2 * tuning().stall);
}

#[test]
fn a16_an_endless_error_is_read_no_further_than_needed() {
    let begun = error_body("AccessDenied", "").replace("</Message>", "");
    let (failed, requests, _) = play(vec![Reply::Endless(403, begun)]);
    assert!(failed.unwrap_err().cause.contains("access denied"));
    assert_eq!(requests, 1);
}

#[test]
fn a17_a_page_that_is_not_understood_to_its_end_stops_the_listing() {
    let whole = page(&["a", "b", "c"], &[]).xml();
    let hostile = [
        // Broken in the middle, or cut: the SDK's own reader takes some of these for a shorter list.
        whole.replace("<Key>b</Key>", "<Key>b</K<y>"),
        whole.replace("<Key>b</Key>", "<Key>b&canary;</Key>"),
        whole.replace("<Key>b</Key>", "<Key>b</Key><1>"),
        whole[..whole.find("<Contents><Key>b").unwrap()].to_owned(),
        whole[..whole.find("<Size>").unwrap()].to_owned(),
        // Sound XML that says too little, or what cannot be.
        whole.replace("<IsTruncated>false</IsTruncated>", ""),
        whole.replace("<Key>b</Key>", ""),
        whole.replace("<Size>5</Size>", "<Size>-5</Size>"),
        whole.replace("<Key>b</Key>", "<Key>b%4</Key>"),
        page(&["a"], &["not-a-folder"]).xml(),
        page(&[], &[&format!("{}/", "long".repeat(300))]).xml(),
        String::new(),
        "{}".to_owned(),
        format!("<!DOCTYPE x [<!ENTITY canary \"{CANARY}\">]>{}", whole.replace("<Key>b", "<Key>&canary;")),
        format!("{}{}", &whole[..whole.len() - 19], "<Contents/>".repeat(1_000_000)),
    ];
    for (number, hostile) in hostile.into_iter().enumerate() {
        let (failed, requests, _) = play(vec![ok(hostile)]);
        let error = failed.expect_err(&format!("case {number}"));
        assert_eq!((error.operation, requests), ("list", 4), "case {number}: {error}");
        assert!(error.cause.contains("list_malformed"), "case {number}: {error}");
    }
    let (found, requests, _) = play(vec![ok("<nonsense/>"), ok(whole)]);
    assert_eq!((found.unwrap().len(), requests), (3, 2), "a hiccup passes");
}

#[test]
fn a17_a_page_outside_of_what_was_asked_stops_the_listing() {
    let server = Server::start(|request, _| match request.query("prefix") {
        b"" => page(&[], &["a/"]).into(),
        // The folder that was asked for, again: a walk without end.
        _ => page(&[], &["a/"]).into(),
    });
    let error = list(&open(&server.options()).store, "").unwrap_err();
    assert!(error.cause.contains("list_malformed"), "{error}");
    let server = Server::start(|_, _| page(&["b/x"], &[]).into());
    let error = list(&open(&server.options()).store, "a/").unwrap_err();
    assert!(error.cause.contains("list_malformed"), "{error}");
}

#[test]
fn a17_a_page_without_end_is_cut_at_its_bound() {
    let begun = page(&["k"], &[]).xml();
    let (failed, requests, _) = play(vec![Reply::Endless(200, begun[..begun.len() - 19].to_owned())]);
    assert!(failed.unwrap_err().cause.contains("list_malformed"));
    assert_eq!(requests, 4);
}

#[test]
fn a18_a_redirect_is_never_followed() {
    let other = Server::playing(vec![page(&["stolen"], &[]).into()]);
    let location = format!("{}/logs", other.endpoint);
    for status in [301, 302, 307, 308] {
        let moved = refuse_with(status, CANARY, "", vec![("location", location.clone())]);
        let (failed, requests, _) = play(vec![moved]);
        assert_eq!(failed.unwrap_err().cause, "the bucket is in another Region");
        assert_eq!(requests, 1);
    }
    assert!(other.seen().is_empty());
}

#[test]
fn a19_a_proxys_page_is_no_listing() {
    let html = format!("<!doctype html><html><body>Log in {CANARY}</body></html>");
    let (failed, requests, _) = play(vec![ok(html)]);
    assert!(failed.unwrap_err().cause.contains("list_malformed"));
    assert_eq!(requests, 4);
}

#[test]
fn a20_credentials_that_cannot_be_had_stop_the_run_before_any_work() {
    let name = "a20_credentials_that_cannot_be_had_stop_the_run_before_any_work";
    let directory = tempfile::TempDir::new().unwrap();
    let config = directory.path().join("config");
    let calls = directory.path().join("calls");
    fs::write(
        &config,
        format!(
            "[default]\nregion = us-east-1\ncredential_process = {}\n",
            script(&directory, "exit 1").display()
        ),
    )
    .unwrap();
    let environment = [
        ("AWS_CONFIG_FILE", config.to_str().unwrap()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("CALLS", calls.to_str().unwrap()),
    ];
    with_environment(name, &environment, || {
        let server = Server::playing(vec![page(&["k"], &[]).into()]);
        let opened = open(&server.signed());
        let error = list(&opened.store, "").unwrap_err();
        assert!(error.cause.contains("credentials"), "{error}");
        assert!(error.hint.is_some());
        assert!(server.seen().is_empty(), "nothing is sent without credentials");
        let asked = fs::read_to_string(std::env::var("CALLS").unwrap()).unwrap().lines().count();
        assert!((1..=9).contains(&asked), "asked {asked} times");
    });
}

#[test]
fn a20_no_credentials_and_no_address_are_told_apart_before_anything_is_sent() {
    let name = "a20_no_credentials_and_no_address_are_told_apart_before_anything_is_sent";
    let nothing = [("AWS_CONFIG_FILE", "/dev/null"), ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")];
    with_environment(name, &nothing, || {
        let server = Server::playing(vec![page(&["k"], &[]).into()]);
        let error = list(&open(&server.signed()).store, "").unwrap_err();
        assert_eq!((error.cause.as_str(), error.attempts), ("no credentials were found", 1));
        assert!(error.hint.unwrap().contains("--profile"));
        let unknown = S3Options { profile: Some("nobody".to_owned()), ..server.signed() };
        let error = list(&open(&unknown).store, "").unwrap_err();
        assert_eq!((error.cause.as_str(), error.attempts), ("no credentials were found", 1));
        let nowhere = S3Options { endpoint_url: Some("not a url".to_owned()), ..server.options() };
        let error = list(&open(&nowhere).store, "").unwrap_err();
        assert!(error.cause.starts_with("no address can be made"), "{error}");
        assert!(server.seen().is_empty());
    });
}

/// A credential process that notes its calls in the file `$CALLS` and then runs `body`, with `$COUNT` of them.
fn script(directory: &tempfile::TempDir, body: &str) -> std::path::PathBuf {
    let path = directory.path().join("credentials.sh");
    fs::write(
        &path,
        format!("#!/bin/sh\necho call >> \"$CALLS\"\nCOUNT=$(wc -l < \"$CALLS\" | tr -d ' ')\n{body}\n"),
    )
    .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path
}

// ---- B: what S3 means

#[test]
fn b01_credentials_that_expire_are_renewed_once_for_all() {
    let name = "b01_credentials_that_expire_are_renewed_once_for_all";
    let directory = tempfile::TempDir::new().unwrap();
    let config = directory.path().join("config");
    let calls = directory.path().join("calls");
    let body = r#"printf '{"Version":1,"AccessKeyId":"AKID%s","SecretAccessKey":"secret","SessionToken":"t"}' "$COUNT""#;
    fs::write(
        &config,
        format!(
            "[default]\nregion = us-east-1\ncredential_process = {}\n",
            script(&directory, body).display()
        ),
    )
    .unwrap();
    let environment = [
        ("AWS_CONFIG_FILE", config.to_str().unwrap()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("CALLS", calls.to_str().unwrap()),
    ];
    with_environment(name, &environment, || {
        // The first credentials are good for the first page only: 30 folders then fail at once.
        let folders: Vec<String> = (0..30).map(|number| format!("f{number:02}/")).collect();
        let server = Server::start(move |request, _| {
            let prefix = String::from_utf8(request.query("prefix").to_vec()).unwrap();
            let old = request.header("authorization").contains("Credential=AKID1/");
            match prefix.as_str() {
                "" => Page { prefixes: folders.clone(), ..Page::default() }.into(),
                _ if old => refuse(400, "ExpiredToken"),
                _ => page(&[&format!("{prefix}key")], &[]).into(),
            }
        });
        let opened = open(&server.signed());
        assert_eq!(list(&opened.store, "").unwrap().len(), 30);
        let asked = fs::read_to_string(std::env::var("CALLS").unwrap()).unwrap().lines().count();
        assert_eq!(asked, 2, "one renewal for all who wait");
    });
}

#[test]
fn b02_what_no_retry_can_help_stops_at_once() {
    for (status, code, cause) in [
        (403, "SignatureDoesNotMatch", "credentials"),
        (403, "InvalidAccessKeyId", "credentials"),
        (403, "AccountProblem", "disabled"),
        (404, "NoSuchBucket", "no such bucket"),
        (403, "AllAccessDisabled", "disabled"),
    ] {
        let (failed, requests, _) = play(vec![refuse(status, code)]);
        let error = failed.unwrap_err();
        assert!(error.cause.contains(cause) && error.hint.is_some(), "{code}: {error}");
        assert_eq!((error.place.as_str(), requests), ("s3://logs", 1), "{code}");
    }
}

#[test]
fn b03_a_bucket_elsewhere_is_asked_there_once() {
    with_environment("b03_a_bucket_elsewhere_is_asked_there_once", &KEYS, || {
        for (status, code) in [
            (301, "PermanentRedirect"),
            (400, "AuthorizationHeaderMalformed"),
            (400, "IllegalLocationConstraintException"),
        ] {
            let server = Server::start(move |request, _| {
                if request.header("authorization").contains("/eu-west-1/s3/") {
                    return page(&["k"], &[]).into();
                }
                refuse_with(status, code, "", vec![("x-amz-bucket-region", "eu-west-1".to_owned())])
            });
            let opened = open(&server.signed());
            assert_eq!(list(&opened.store, "").unwrap(), ["k"]);
            assert_eq!((opened.store.region().as_str(), server.seen().len()), ("eu-west-1", 2));
        }
    });
}

#[test]
fn b03_a_region_that_is_none_or_leads_in_circles_stops_the_run() {
    let told = |region: &str| {
        play(vec![refuse_with(
            301,
            "PermanentRedirect",
            "",
            vec![("x-amz-bucket-region", region.to_owned())],
        )])
    };
    for region in ["evil.example/", "", "us-east-1.evil-1"] {
        let (failed, requests, _) = told(region);
        let error = failed.unwrap_err();
        assert_eq!((error.cause.as_str(), requests), ("the bucket is in another Region", 1));
        assert!(error.hint.unwrap().contains("--aws-region"));
    }
    let server = Server::start(|_, number| {
        let region = ["eu-west-1", "eu-west-2"][number % 2];
        refuse_with(301, "PermanentRedirect", "", vec![("x-amz-bucket-region", region.to_owned())])
    });
    assert!(list(&open(&server.options()).store, "").is_err());
    assert!(server.seen().len() <= 2, "once");
}

#[test]
fn b04_a_clock_that_is_off_is_corrected_by_the_servers_once() {
    with_environment("b04_a_clock_that_is_off_is_corrected_by_the_servers_once", &KEYS, || {
        const DATE: &str = "Wed, 01 Jan 2020 12:00:00 GMT";
        let skewed = |extra: Option<(&'static str, String)>| {
            let headers = [Some(("date", DATE.to_owned())), extra].into_iter().flatten().collect();
            refuse_with(403, "RequestTimeTooSkewed", "", headers)
        };
        let server = Server::start(move |request, _| {
            if request.header("x-amz-date").starts_with("20200101T12") {
                page(&["k"], &[]).into()
            } else {
                skewed(None)
            }
        });
        assert_eq!(list(&open(&server.signed()).store, "").unwrap(), ["k"]);
        assert_eq!(server.seen().len(), 2);
        // A server that is never content, and one whose date a cache kept.
        for extra in [None, Some(("age", "10".to_owned()))] {
            let server = Server::start(move |_, _| skewed(extra.clone()));
            let error = list(&open(&server.signed()).store, "").unwrap_err();
            assert!(error.cause.starts_with("this machine's clock is"), "{error}");
            assert_eq!(server.seen().len(), 2, "once");
        }
    });
}

#[test]
fn b05_a_prefix_that_may_not_be_listed_is_named_with_the_action() {
    let (failed, requests, _) = play(vec![refuse(403, "AccessDenied")]);
    let error = failed.unwrap_err();
    assert_eq!(requests, 1);
    assert!(error.cause.contains("s3:ListBucket") && error.hint.unwrap().contains("doctor"), "{error}");
    let server = Server::playing(vec![refuse(403, "AccessDenied")]);
    let error = list(&open(&server.options()).store, "AWSLogs/1\x1b").unwrap_err();
    assert!(error.to_string().contains("`AWSLogs/1\\x1b/`"), "{error}");
}

#[test]
fn b05_a_folder_further_down_that_may_not_be_listed_is_told_and_the_rest_listed() {
    let server = Server::start(|request, _| match request.query("prefix") {
        b"" => page(&["top"], &["closed/", "open/"]).into(),
        b"closed/" => refuse(403, "AccessDenied"),
        _ => page(&["open/key"], &[]).into(),
    });
    let opened = open(&server.options());
    assert_eq!(list(&opened.store, "").unwrap(), ["closed!access_denied", "open/key", "top"]);
    let mut found = Vec::new();
    let folders = [b"closed/".to_vec(), b"open/".to_vec()];
    opened.store.list_flat(&folders, &mut |listed| found.push(shown(&listed))).unwrap();
    found.sort();
    assert_eq!(found, ["closed!access_denied", "open/key"]);
}

#[test]
fn b05_who_may_list_a_folder_need_not_be_allowed_to_ask_for_its_bare_name() {
    let server = Server::start(|request, _| match request.query("prefix") {
        b"a/" => page(&["a/x"], &[]).into(),
        _ => refuse(403, "AccessDenied"),
    });
    assert_eq!(list(&open(&server.options()).store, "a").unwrap(), ["a/x"]);
    let server = Server::start(|request, _| match request.query("prefix") {
        b"a/" => Page::default().into(),
        _ => refuse(403, "AccessDenied"),
    });
    assert_eq!(
        list(&open(&server.options()).store, "a").unwrap(),
        ["a!access_denied"],
        "it may hide the key"
    );
}

#[test]
fn b08_the_listing_tells_what_is_archived_and_what_is_restored() {
    let status =
        |inner: &str| format!("<StorageClass>GLACIER</StorageClass><RestoreStatus>{inner}</RestoreStatus>");
    let expiry = "<RestoreExpiryDate>2030-01-01T00:00:00Z</RestoreExpiryDate>";
    let class = "<StorageClass>STANDARD</StorageClass>";
    let one = |key: &str, inner: &str| page(&[key], &[]).xml().replace(class, inner);
    let table = [
        (
            one("k", "<StorageClass>DEEP_ARCHIVE</StorageClass>"),
            StorageClass::DeepArchive,
            Restore::None,
            true,
        ),
        (
            one("k", &status("<IsRestoreInProgress>true</IsRestoreInProgress>")),
            StorageClass::Glacier,
            Restore::InProgress,
            true,
        ),
        (
            one("k", &status(&format!("<IsRestoreInProgress>false</IsRestoreInProgress>{expiry}"))),
            StorageClass::Glacier,
            Restore::Restored,
            false,
        ),
        (
            one("k", "<StorageClass>GLACIER_IR</StorageClass>"),
            StorageClass::GlacierInstantRetrieval,
            Restore::None,
            false,
        ),
        (one("k", "<StorageClass>NEW_CLASS</StorageClass>"), StorageClass::Other, Restore::None, false),
    ];
    for (xml, class, restore, is_archived) in table {
        let server = Server::playing(vec![ok(xml)]);
        let found = objects(&open(&server.options()).store);
        assert_eq!((found[0].class, found[0].restore, found[0].is_archived()), (class, restore, is_archived));
        assert_eq!(server.seen()[0].header("x-amz-optional-object-attributes"), "RestoreStatus");
    }
}

#[test]
fn b08_a_server_that_does_not_know_restores_is_asked_without_once_for_all() {
    for (status, code) in [(400, "InvalidArgument"), (501, "NotImplemented")] {
        let server = Server::start(move |request, _| {
            if request.headers.contains_key("x-amz-optional-object-attributes") {
                return refuse(status, code);
            }
            if request.query("prefix").is_empty() {
                page(&["k"], &["a/"]).into()
            } else {
                Page::default().into()
            }
        });
        assert_eq!(list(&open(&server.options()).store, "").unwrap(), ["k"]);
        assert_eq!(server.seen().len(), 3, "one too many for the whole listing");
    }
}

#[test]
fn b11_a_reader_who_must_pay_is_told_how_to_agree() {
    let denied = refuse_with(403, "AccessDenied", "Bucket is a requester pays bucket", Vec::new());
    let (failed, _, _) = play(vec![denied]);
    assert!(failed.unwrap_err().hint.unwrap().contains("--requester-pays"));
    let (failed, _, _) = play(vec![refuse(403, "AccessDenied")]);
    assert!(failed.unwrap_err().hint.unwrap().contains("--requester-pays"), "S3 need not say why");
    let server = Server::start(|request, _| match request.header("x-amz-request-payer") {
        "requester" => page(&["k"], &[]).into(),
        _ => refuse(403, "AccessDenied"),
    });
    let agreed = S3Options { requester_pays: true, ..server.options() };
    assert_eq!(list(&open(&agreed).store, "").unwrap(), ["k"]);
}

// ---- C: listings and keys

#[test]
fn c01_a_page_that_hides_where_the_next_begins_stops_the_listing() {
    let lost = Page { truncated: true, ..page(&["k"], &[]) };
    let (failed, requests, _) = play(vec![lost.clone().into()]);
    let error = failed.unwrap_err();
    assert!(error.cause.contains("list_truncated"), "{error}");
    assert_eq!(requests, 4, "3 retries");
    let (found, _, _) = play(vec![lost.into(), page(&["k"], &[]).into()]);
    assert_eq!(found.unwrap(), ["k"]);
}

#[test]
fn c02_a_listing_in_circles_stops() {
    let (failed, requests, _) = play(vec![
        page(&["a"], &[]).then("one").into(),
        page(&["b"], &[]).then("two").into(),
        page(&["c"], &[]).then("one").into(),
    ]);
    assert!(failed.unwrap_err().cause.contains("list_loop"));
    assert_eq!(requests, 3);
    // New tokens and old keys, without end.
    let server = Server::start(|_, number| page(&["a", "b"], &[]).then(&format!("t{number}")).into());
    assert!(list(&open(&server.options()).store, "").unwrap_err().cause.contains("list_loop"));
}

#[test]
fn c03_a_key_on_two_pages_is_given_once_and_named() {
    let (found, _, _) = play(vec![page(&["a", "b"], &[]).then("t").into(), page(&["b", "c"], &[]).into()]);
    assert_eq!(found.unwrap(), ["a", "b", "b!list_duplicate", "c"]);
}

#[test]
fn c03_a_folder_on_two_pages_is_listed_once() {
    let server =
        Server::start(|request, _| match (request.query("prefix"), request.query("continuation-token")) {
            (b"", b"") => page(&[], &["a/"]).then("t").into(),
            (b"", _) => page(&["z"], &["a/"]).into(),
            _ => page(&["a/k"], &[]).into(),
        });
    assert_eq!(list(&open(&server.options()).store, "").unwrap(), ["a/k", "z"]);
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn c04_keys_out_of_order_are_all_found() {
    let (found, _, _) = play(vec![page(&["c", "a"], &[]).then("t").into(), page(&["b"], &[]).into()]);
    assert_eq!(found.unwrap(), ["a", "b", "c"]);
}

#[test]
fn c05_empty_pages_are_legal_and_a_thousand_in_a_row_are_not() {
    let (found, requests, _) = play(vec![
        Page::default().then("1").into(),
        Page::default().then("2").into(),
        page(&["k"], &[]).into(),
    ]);
    assert_eq!((found.unwrap(), requests), (vec!["k".to_owned()], 3));
    let server = Server::start(|_, number| Page::default().then(&number.to_string()).into());
    assert!(list(&open(&server.options()).store, "").unwrap_err().cause.contains("list_loop"));
    assert_eq!(server.seen().len(), 1_000);
}

#[test]
fn c06_c07_every_byte_of_a_key_comes_and_goes_as_it_is() {
    // After the list of ceph/s3-tests, and what a terminal would obey.
    let names: Vec<&[u8]> = vec![
        b"a b",
        b"a+b",
        b"a%2Fb",
        b"a%b",
        b"a&b=c?d#e",
        b"'\"<>&",
        b"\x1b[31m",
        b"\n\r\t\x01\x7f",
        "\u{202E}txt.exe".as_bytes(),
        "ключ-😀".as_bytes(),
        b"_\\^`{|}~",
    ];
    for name in names {
        let folder = [name, b"/"].concat();
        let key = [&folder[..], name].concat();
        let (root, below) = (percent_encode(&folder), percent_encode(&key));
        let expected = folder.clone();
        let server = Server::start(move |request, _| match request.query("prefix") {
            b"" => page(&[], &[&root]).into(),
            prefix if prefix == expected => page(&[&below], &[]).into(),
            other => panic!("{other:?}"),
        });
        let found = objects(&open(&server.options()).store);
        assert_eq!(found.len(), 1, "{name:?}");
        assert_eq!(&*found[0].key, &key[..], "{name:?}");
        assert_eq!(server.seen()[0].query("encoding-type"), b"url");
    }
}

#[test]
fn c06_a_space_may_be_a_plus_and_a_key_may_be_long_and_need_not_be_text() {
    let long = "x".repeat(1_024);
    let server = Server::playing(vec![page(&["a+b", "a%2Bc", "%FF%FE", &long], &["%FF/"]).into()]);
    let opened = open(&server.options());
    let mut keys = Vec::new();
    opened
        .store
        .list(b"", &mut |_| true, &mut |listed| match listed {
            Listed::Object(object) => keys.push(object.key.to_vec()),
            Listed::Failed { key, reason } => {
                assert_eq!((&*key, reason), (&b"\xff"[..], ReadFailure::Refused))
            }
            Listed::Skipped { .. } => panic!("{listed:?}"),
        })
        .unwrap();
    assert_eq!(keys, [b"a b".to_vec(), b"a+c".to_vec(), b"\xff\xfe".to_vec(), long.into_bytes()]);
}

#[test]
fn c08_the_marker_of_a_folder_is_an_object_like_any_other() {
    let server = bucket_of(&["a/", "a/k"]);
    assert_eq!(list(&open(&server.options()).store, "a").unwrap(), ["a/", "a/k"]);
}

// ---- what `doctor` and `restore` ask

#[test]
fn questions_about_a_bucket_are_answered_in_our_words() {
    let rules = "<LifecycleConfiguration><Rule><ID>old logs</ID><Status>Enabled</Status><Filter><Prefix>AWSLogs/</Prefix>\
        </Filter><Expiration><Days>30</Days></Expiration><Transition><Days>7</Days><StorageClass>GLACIER</StorageClass>\
        </Transition></Rule><Rule><ID>off</ID><Status>Disabled</Status><Expiration><Days>1</Days></Expiration></Rule>\
        <Rule><ID>tagged</ID><Status>Enabled</Status><Filter><And><Prefix>x/</Prefix><Tag><Key>a</Key><Value>b</Value>\
        </Tag></And></Filter><Expiration><Date>2024-01-01T00:00:00Z</Date></Expiration></Rule></LifecycleConfiguration>";
    let server = Server::start(move |request, _| {
        if request.query.contains_key("lifecycle") {
            return ok(rules);
        }
        match request.path.as_str() {
            _ if request.is_list() && request.query("prefix") == b"no/" => refuse(403, "AccessDenied"),
            _ if request.is_list() => Page::default().into(),
            "/logs/empty" => refuse(416, "InvalidRange"),
            "/logs/none" => refuse(404, "NoSuchKey"),
            "/logs/denied" => refuse(403, "AccessDenied"),
            "/logs/kms" => {
                refuse_with(403, "AccessDenied", "not authorized to perform: kms:Decrypt on", Vec::new())
            }
            "/logs/archived" => refuse(403, "InvalidObjectState"),
            _ => {
                assert_eq!(request.header("range"), "bytes=0-0");
                Reply::Full(206, vec![("content-range", "bytes 0-0/5".to_owned())], b"x".to_vec())
            }
        }
    });
    let store = open(&server.options()).store;
    let Answer::Given(rules) = store.lifecycle() else { panic!("rules") };
    assert_eq!(rules.len(), 2, "a rule that is off does nothing");
    assert_eq!((rules[0].id.as_str(), rules[0].prefix.as_str()), ("old logs", "AWSLogs/"));
    assert_eq!(rules[0].expires_after_days, Some(30));
    assert_eq!(rules[0].transitions, [(7, StorageClass::Glacier)]);
    assert!(!rules[0].has_other_filters && rules[1].has_other_filters);
    assert_eq!((rules[1].prefix.as_str(), rules[1].expires_after_days), ("x/", Some(0)));
    assert_eq!(store.may_list(b""), Answer::Given(()));
    assert_eq!(store.may_list(b"no/"), Answer::Denied);
    assert_eq!(store.get_first_byte(b"there"), Answer::Given(()));
    assert_eq!(store.get_first_byte(b"empty"), Answer::Given(()));
    assert_eq!(store.get_first_byte(b"none"), Answer::None);
    assert_eq!(store.get_first_byte(b"denied"), Answer::Denied);
    assert_eq!(store.get_first_byte(b"kms"), Answer::Failed("kms"));
    assert_eq!(store.get_first_byte(b"archived"), Answer::Failed("archived"));
    assert_eq!(store.caller(), Answer::None, "nobody asks without a signature");
    assert!(!store.is_aws());
    assert!(store.stopped().is_none());
}

#[test]
fn a_bucket_without_rules_and_a_server_without_the_question_differ() {
    for (status, code, expected) in [
        (404, "NoSuchLifecycleConfiguration", Answer::None),
        (403, "AccessDenied", Answer::Denied),
        (501, "NotImplemented", Answer::Unsupported),
    ] {
        let server = Server::playing(vec![refuse(status, code)]);
        assert_eq!(open(&server.options()).store.lifecycle(), expected, "{code}");
    }
}

#[test]
fn restores_are_asked_for_and_what_was_asked_before_is_no_failure() {
    let server = Server::start(|request, _| {
        assert_eq!(request.method, "POST");
        assert!(request.query.contains_key("restore"));
        let is_first = |times: &AtomicU32| times.fetch_add(1, Ordering::Relaxed) == 0;
        static BUSY: AtomicU32 = AtomicU32::new(0);
        match request.path.as_str() {
            "/logs/again" => refuse(409, "RestoreAlreadyInProgress"),
            "/logs/there" => Reply::Full(200, Vec::new(), Vec::new()),
            "/logs/busy" if is_first(&BUSY) => refuse(503, "SlowDown"),
            "/logs/full" => refuse(503, "GlacierExpeditedRetrievalNotAvailable"),
            "/logs/standard" => refuse(403, "InvalidObjectState"),
            "/logs/denied" => refuse(403, "AccessDenied"),
            "/logs/tiering" => {
                assert!(!request.body.contains("<Days>"), "{}", request.body);
                Reply::Full(202, Vec::new(), Vec::new())
            }
            _ => {
                assert!(request.body.contains("<Days>7</Days>"), "{}", request.body);
                assert!(request.body.contains("<Tier>Expedited</Tier>"), "{}", request.body);
                Reply::Full(202, Vec::new(), Vec::new())
            }
        }
    });
    let object = |key: &str, class| Object { class, ..Object::unlisted(key.as_bytes()) };
    let mut asked: Vec<Object> = ["again", "there", "busy", "full", "standard", "denied"]
        .map(|key| object(key, StorageClass::Glacier))
        .into();
    asked.push(object("deep", StorageClass::DeepArchive));
    asked.push(object("tiering", StorageClass::IntelligentTiering));
    asked.extend((0..100).map(|number| object(&format!("many{number}"), StorageClass::Glacier)));
    let store = open(&server.options()).store;
    let mut heard = BTreeMap::new();
    store.restore(&asked, 7, Tier::Expedited, &mut |object, answer| {
        let key = String::from_utf8(object.key.to_vec()).unwrap();
        assert!(heard.insert(key, answer).is_none());
    });
    assert_eq!(heard.len(), asked.len(), "every one is heard of");
    assert_eq!(heard["again"], Ok(Asked::AlreadyInProgress));
    assert_eq!(heard["there"], Ok(Asked::AlreadyRestored));
    assert_eq!(heard["busy"], Ok(Asked::Started));
    assert_eq!(heard["full"], Err(ReadFailure::Throttled));
    assert_eq!(heard["standard"], Err(ReadFailure::Refused));
    assert_eq!(heard["denied"], Err(ReadFailure::AccessDenied));
    assert_eq!(heard["deep"], Err(ReadFailure::Refused));
    assert_eq!(heard["tiering"], Ok(Asked::Started));
    assert!((0..100).all(|number| heard[&format!("many{number}")] == Ok(Asked::Started)));
    assert!(server.seen().iter().all(|seen| seen.path != "/logs/deep"), "S3 would refuse it");
    assert_eq!(server.seen().iter().filter(|seen| seen.path == "/logs/full").count(), 1);
}

#[test]
fn b08_b09_the_state_of_a_restore_is_told_by_a_head() {
    let server = Server::start(|request, _| {
        assert_eq!(request.method, "HEAD");
        let glacier = ("x-amz-storage-class", "GLACIER".to_owned());
        let restore = |value: &str| ("x-amz-restore", value.to_owned());
        let headers = match request.path.as_str() {
            "/logs/running" => vec![glacier, restore("ongoing-request=\"true\"")],
            "/logs/done" => {
                vec![
                    glacier,
                    restore("ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2012 00:00:00 GMT\""),
                ]
            }
            "/logs/gone" => return refuse(404, "NoSuchKey"),
            _ => vec![glacier],
        };
        Reply::Full(200, headers, Vec::new())
    });
    let store = open(&server.options()).store;
    let keys = ["running", "done", "gone", "asleep"].map(|key| Object::unlisted(key.as_bytes()));
    let mut heard = BTreeMap::new();
    store.restore_status(&keys, &mut |object, answer| {
        heard.insert(String::from_utf8(object.key.to_vec()).unwrap(), answer);
    });
    let state = |key: &str| heard[key].clone().map(|status| (status.class, status.restore, status.expiry));
    assert_eq!(state("running"), Ok((StorageClass::Glacier, Restore::InProgress, None)));
    let date = Some("Fri, 21 Dec 2012 00:00:00 GMT".to_owned());
    assert_eq!(state("done"), Ok((StorageClass::Glacier, Restore::Restored, date)));
    assert_eq!(state("gone"), Err(ReadFailure::Vanished));
    assert_eq!(state("asleep"), Ok((StorageClass::Glacier, Restore::None, None)));
}

// ---- real servers

/// Keys as people make them; all of them below `logs/`.
const ODD_KEYS: [&str; 12] = [
    "logs/a b",
    "logs/a+b",
    "logs/a%2Fb",
    "logs/a&b='c'",
    "logs/a\"b",
    "logs/a#b?c",
    "logs/ключ-😀",
    "logs/~(x)!*",
    "logs/sp ace/k",
    "logs/pl+us/k",
    "logs/per%cent/k",
    "logs/2024/03/11/07/k.json.gz",
];

#[test]
fn c06_a_real_servers_keys_are_listed_and_walked_as_they_are() {
    SeaweedFs::with(|server| {
        let bucket = server.own_bucket("odd");
        bucket.put_all(ODD_KEYS.map(|key| (key.to_owned(), b"12345".to_vec())));
        bucket.put_all((0..2_345).map(|number| (format!("many/{number:04}"), Vec::new())));
        let options = S3Options {
            profile: Some(Identity::Reader.profile().to_owned()),
            endpoint_url: Some(server.endpoint()),
            ..S3Options::default()
        };
        let connections = Connections::new(Tuning::default()).unwrap();
        let store = connections.open(&bucket.name, &options).unwrap();
        let mut expected: Vec<String> = ODD_KEYS.map(str::to_owned).into();
        expected.sort();
        assert_eq!(list(&store, "logs").unwrap(), expected);
        let many = list(&store, "many/").unwrap();
        assert_eq!((many.len(), many[2_344].as_str()), (2_345, "many/2344"), "three pages");
        assert_eq!(list(&store, "logs/a b").unwrap(), ["logs/a b"]);
        for object in objects(&store) {
            let looked_up = store.head(&object.key).unwrap().expect("it was listed");
            assert_eq!(looked_up, object, "what the listing says is what a HEAD says");
        }
        let missing = connections.open("no-such-bucket", &options).unwrap();
        assert_eq!(list(&missing, "").unwrap_err().cause, "there is no such bucket");
        let unsigned = S3Options { no_sign_request: true, profile: None, ..options };
        let closed = connections.open(&bucket.name, &unsigned).unwrap();
        assert!(list(&closed, "").unwrap_err().cause.contains("s3:ListBucket"));
    });
}

#[test]
fn b08_a_real_server_restores_what_it_is_asked_to() {
    Moto::with(|server| {
        let bucket = server.bucket("archive");
        server.archive(&bucket, "cold", b"12345", "GLACIER");
        bucket.put("warm", b"1");
        server.restores_take(1);
        let options = S3Options { endpoint_url: Some(server.endpoint()), ..S3Options::default() };
        let store = Connections::new(Tuning::default()).unwrap().open(&bucket.name, &options).unwrap();
        let found = objects(&store);
        let cold = found.iter().find(|object| &*object.key == b"cold").expect("it was listed");
        assert_eq!((cold.class, cold.restore), (StorageClass::Glacier, Restore::None));
        let mut heard = Vec::new();
        store.restore(std::slice::from_ref(cold), 3, Tier::Bulk, &mut |_, answer| heard.push(answer));
        assert_eq!(heard, [Ok(Asked::Started)]);
        let look = || {
            let mut seen = Vec::new();
            store.restore_status(std::slice::from_ref(cold), &mut |_, answer| {
                seen.push(answer.unwrap().restore)
            });
            seen[0]
        };
        let states: Vec<Restore> = (0..3).map(|_| look()).collect();
        assert_eq!(states.last(), Some(&Restore::Restored), "{states:?}");
    });
}
