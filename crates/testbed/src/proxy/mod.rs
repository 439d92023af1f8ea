//! A proxy between a client and an S3 server that breaks answers on purpose, by key and attempt, never by chance.
//!
//! In: a server's endpoint and [`Faults`]. Out: an endpoint. Always: requests reach the server as they came, the
//! `Host` field too: signatures cover it, and servers check them against it. Connections are kept on both sides,
//! bodies pass through in pieces, one thread serves one connection. Absent: TLS.

mod faults;
mod request;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

pub use faults::{Fault, Faults, Script};
use faults::{Judge, Verdict};
pub use request::Kind;
use request::Request;
use wire::{Framing, Head, Outgoing};

/// What the proxy's refusals say in `<Message>`. A server's words may hold secrets: no output of ours may have them.
pub const SERVER_WORDS: &str = "These are the words of a server and must not be printed";

/// Bytes of a body in one piece.
const PIECE_BYTES: usize = 64 << 10;

/// A connection's thread holds a head and a few pointers; hundreds of them run at once.
const STACK_BYTES: usize = 256 << 10;

/// Where the end of a body is not told before, positions are drawn below this.
const UNKNOWN_LENGTH: u64 = 256;

/// A running proxy.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: String,
    stall_time: Duration,
    slow_time: Duration,
    may_ignore_ranges: bool,
    ended: AtomicBool,
    state: Mutex<State>,
}

struct State {
    judge: Judge,
    tally: Tally,
    seen: Vec<Seen>,
    gets_in_flight: u64,
    /// Requests for whole objects, to be sent again where a range is to be ignored: signatures hold for minutes.
    whole: HashMap<String, Vec<u8>>,
    connections: HashMap<u64, Arc<TcpStream>>,
    connections_opened: u64,
}

/// What has come through so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests by kind.
    pub requests: BTreeMap<Kind, u64>,
    /// GETs by `bucket/key`.
    pub gets: BTreeMap<String, u64>,
    /// Faults by [`Fault::name`].
    pub faults: BTreeMap<&'static str, u64>,
    /// The most GETs that were under way at once.
    pub gets_in_flight_max: u64,
    /// Connections that clients opened.
    pub connections: u64,
    /// Times the server behind failed by itself: 0, or the test shows something else than it says.
    pub broken: u64,
}

impl Tally {
    /// All GETs of objects.
    #[must_use]
    pub fn gets_total(&self) -> u64 {
        self.gets.values().sum()
    }

    /// Faults of one name.
    #[must_use]
    pub fn faults(&self, name: &str) -> u64 {
        self.faults.get(name).copied().unwrap_or(0)
    }

    /// All faults.
    #[must_use]
    pub fn faults_total(&self) -> u64 {
        self.faults.values().sum()
    }

    /// Requests of one kind.
    #[must_use]
    pub fn requests(&self, kind: Kind) -> u64 {
        self.requests.get(&kind).copied().unwrap_or(0)
    }
}

/// One request, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What was asked.
    pub kind: Kind,
    /// `bucket/key`, or `bucket/prefix` of a listing; unescaped.
    pub name: String,
    /// `Range`.
    pub range: Option<String>,
    /// `If-Match`.
    pub if_match: Option<String>,
    /// What went wrong with its answer, by [`Fault::name`].
    pub fault: Option<&'static str>,
}

impl Proxy {
    /// Starts a proxy before a server, whose endpoint is `http://HOST:PORT`.
    ///
    /// # Panics
    /// Where loopback has no port left.
    #[must_use]
    pub fn start(target: &str, faults: Faults) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let shared = Arc::new(Shared {
            target: target.trim_start_matches("http://").trim_end_matches('/').to_owned(),
            stall_time: faults.stall_time,
            slow_time: faults.slow_time,
            may_ignore_ranges: faults.may_ignore_ranges(),
            ended: AtomicBool::new(false),
            state: Mutex::new(State {
                judge: Judge::new(faults),
                tally: Tally::default(),
                seen: Vec::new(),
                gets_in_flight: 0,
                whole: HashMap::new(),
                connections: HashMap::new(),
                connections_opened: 0,
            }),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Proxy { address, shared }
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has come through so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.shared.state().tally.clone()
    }

    /// Every request so far, in the order in which they came.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.state().seen.clone()
    }

    /// The GETs of the objects whose `bucket/key` contains `part`, in the order in which they came.
    #[must_use]
    pub fn gets_of(&self, part: &str) -> Vec<Seen> {
        let mut gets = self.seen();
        gets.retain(|seen| seen.kind == Kind::Get && seen.name.contains(part));
        gets
    }

    /// Forgets what has come through; faults go on as if it had not been forgotten.
    pub fn forget(&self) {
        let mut state = self.shared.state();
        state.tally = Tally::default();
        state.seen.clear();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        for connection in self.shared.state().connections.values() {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.ended() {
            return;
        }
        let Ok(stream) = stream else { continue };
        let shared = Arc::clone(shared);
        // Without a thread the connection ends here, and the client tries again.
        let _ = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            let stream = Arc::new(stream);
            let number = {
                let mut state = shared.state();
                state.connections_opened += 1;
                state.tally.connections += 1;
                let number = state.connections_opened;
                state.connections.insert(number, Arc::clone(&stream));
                number
            };
            if !shared.ended() {
                let _ = stream.set_nodelay(true);
                Connection {
                    shared: &shared,
                    client: &stream,
                    reader: BufReader::with_capacity(PIECE_BYTES, &stream),
                    server: None,
                }
                .serve();
            }
            shared.state().connections.remove(&number);
        });
    }
}

/// Whether the client's connection can be used again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Keep,
    Close,
    /// Close it with RST, so that the client sees a failure and not an end.
    Reset,
}

/// One connection of a client, and the one to the server that goes with it.
struct Connection<'a> {
    shared: &'a Shared,
    client: &'a TcpStream,
    reader: BufReader<&'a TcpStream>,
    server: Option<BufReader<TcpStream>>,
}

impl Connection<'_> {
    fn serve(mut self) {
        while let Ok(Some(head)) = Head::read(&mut self.reader) {
            let request = Request::of(&head);
            let verdict = self.book(&request);
            let after = self.answer(&head, &request, verdict).unwrap_or(After::Reset);
            if request.kind == Kind::Get {
                self.shared.state().gets_in_flight -= 1;
            }
            match after {
                After::Keep => {}
                After::Close => break,
                After::Reset => {
                    // With no time to linger, closing discards what was not sent and resets the connection. The
                    // registry holds the stream too: it has to let go before this can be the last of it.
                    let _ = rustix::net::sockopt::set_socket_linger(self.client, Some(Duration::ZERO));
                    return;
                }
            }
        }
        let _ = self.client.shutdown(Shutdown::Write);
    }

    /// Notes the request, and decides what becomes of it.
    fn book(&self, request: &Request) -> Verdict {
        let mut state = self.shared.state();
        let verdict = state.judge.judge(request);
        *state.tally.requests.entry(request.kind).or_default() += 1;
        if request.kind == Kind::Get {
            *state.tally.gets.entry(request.name.clone()).or_default() += 1;
            state.gets_in_flight += 1;
            state.tally.gets_in_flight_max = state.tally.gets_in_flight_max.max(state.gets_in_flight);
        }
        let fault = verdict.fault.map(Fault::name);
        if let Some(name) = fault {
            *state.tally.faults.entry(name).or_default() += 1;
        }
        state.seen.push(Seen {
            kind: request.kind,
            name: request.name.clone(),
            range: request.range.clone(),
            if_match: request.if_match.clone(),
            fault,
        });
        verdict
    }

    fn answer(&mut self, head: &Head, request: &Request, verdict: Verdict) -> io::Result<After> {
        if head.says("expect", "100-continue") {
            self.client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        if let Some((status, page)) = verdict.fault.and_then(refusal) {
            self.skip_body(head)?;
            return self.refuse(head, status, &page);
        }
        if verdict.fault == Some(Fault::SlowFirstByte) && !self.wait(self.shared.slow_time)? {
            return Ok(After::Close);
        }
        let mut sent = head.to_bytes();
        let mut whole_instead = false;
        if self.shared.may_ignore_ranges && request.kind == Kind::Get {
            let mut state = self.shared.state();
            match (&request.range, verdict.fault) {
                (None, _) => {
                    state.whole.insert(request.name.clone(), sent.clone());
                }
                (Some(_), Some(Fault::RangeIgnored)) => {
                    if let Some(whole) = state.whole.get(&request.name) {
                        sent.clone_from(whole);
                        whole_instead = true;
                    }
                }
                _ => {}
            }
        }
        let answer = match self.exchange(head, &sent) {
            Ok(answer) => answer,
            Err(_) => {
                self.shared.state().tally.broken += 1;
                return Ok(After::Reset);
            }
        };
        self.pass_on(head, answer, verdict, whole_instead)
    }

    fn skip_body(&mut self, head: &Head) -> io::Result<()> {
        let mut framing = head.framing(None);
        loop {
            let bytes = framing.piece(&mut self.reader)?.len();
            if bytes == 0 {
                return Ok(());
            }
            framing.consume(&mut self.reader, bytes);
        }
    }

    fn refuse(&mut self, head: &Head, status: u16, page: &str) -> io::Result<After> {
        let kind = if page.starts_with("<?xml") { "application/xml" } else { "text/html" };
        let body = if head.first.starts_with("HEAD ") { "" } else { page };
        let text = format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
             x-amz-request-id: TESTBED\r\nServer: AmazonS3\r\n\r\n{body}",
            reason = reason(status),
            length = page.len(),
        );
        self.client.write_all(text.as_bytes())?;
        Ok(After::Keep)
    }

    /// Sends the request to the server and reads the head of its answer.
    fn exchange(&mut self, head: &Head, sent: &[u8]) -> io::Result<Head> {
        let has_body = head.framing(None) != Framing::Empty;
        // A kept connection may have been closed by the server in the meantime. A request without a body is simply
        // sent again; one with a body is read only once, and so gets a new connection from the start.
        if !has_body && let Some(mut server) = self.server.take() {
            let answer = server.get_mut().write_all(sent).and_then(|()| answer_head(&mut server));
            if let Ok(answer) = answer {
                self.server = Some(server);
                return Ok(answer);
            }
        }
        let stream = TcpStream::connect(&self.shared.target)?;
        stream.set_nodelay(true)?;
        let mut server = BufReader::with_capacity(PIECE_BYTES, stream);
        server.get_mut().write_all(sent)?;
        let mut framing = head.framing(None);
        let chunked = matches!(framing, Framing::Chunked { .. });
        loop {
            let piece = framing.piece(&mut self.reader)?;
            let bytes = piece.len();
            if chunked {
                write!(server.get_mut(), "{bytes:x}\r\n")?;
            }
            server.get_mut().write_all(piece)?;
            if chunked {
                server.get_mut().write_all(b"\r\n")?;
            }
            if bytes == 0 {
                break;
            }
            framing.consume(&mut self.reader, bytes);
        }
        let answer = answer_head(&mut server)?;
        self.server = Some(server);
        Ok(answer)
    }

    /// Gives the server's answer to the client, with what the verdict does to it.
    fn pass_on(
        &mut self,
        asked: &Head,
        mut head: Head,
        verdict: Verdict,
        whole_instead: bool,
    ) -> io::Result<After> {
        let Some(mut server) = self.server.take() else { return Ok(After::Reset) };
        let method = asked.first.split(' ').next();
        let mut framing = head.framing(method);
        let server_closes = head.first.starts_with("HTTP/1.0")
            || head.says("connection", "close")
            || framing == Framing::UntilClose;
        head.first = head.first.replacen("HTTP/1.0", "HTTP/1.1", 1);
        head.remove("Connection");
        head.remove("Keep-Alive");
        let mut after = if asked.says("connection", "close") || framing == Framing::UntilClose {
            After::Close
        } else {
            After::Keep
        };
        // What is broken is an answer with an object in it, not a refusal of the server's own.
        let fault = verdict.fault.filter(|_| head.status() < 300);
        let length = framing.length();
        let draw = |at: Option<u64>| match length {
            Some(length) => at.unwrap_or(verdict.draw % length.max(1)).min(length.saturating_sub(1)),
            None => at.unwrap_or(verdict.draw % UNKNOWN_LENGTH),
        };
        // Where the body breaks off, and what becomes of the connection then.
        let mut breaks: Option<u64> = None;
        let mut flipped: Option<u64> = None;
        let mut stalls = false;
        match fault {
            Some(Fault::Reset { at }) => {
                breaks = Some(draw(at));
                after = After::Reset;
            }
            Some(Fault::Cut { at }) => {
                breaks = Some(draw(at));
                after = After::Close;
            }
            Some(Fault::CutWithoutLength { at }) => {
                breaks = Some(draw(at));
                after = After::Close;
                head.remove("Content-Length");
                head.remove("Transfer-Encoding");
            }
            Some(Fault::CutChunked { at }) => {
                breaks = Some(draw(at));
                after = After::Close;
                head.remove("Content-Length");
                head.set("Transfer-Encoding", "chunked");
            }
            Some(Fault::Stall { at }) => {
                breaks = Some(draw(at));
                after = After::Close;
                stalls = true;
            }
            Some(Fault::RangeIgnored) if !whole_instead => {
                head.first = "HTTP/1.1 200 OK".to_owned();
                head.remove("Content-Range");
            }
            Some(Fault::WrongContentRange) => {
                let shifted = head.value("Content-Range").and_then(|range| shift(&range));
                if let Some(range) = shifted {
                    head.set("Content-Range", &range);
                }
            }
            Some(Fault::OtherEtag) => head.set("ETag", "\"00000000000000000000000000000000\""),
            Some(Fault::Flipped { at }) => flipped = Some(draw(at)),
            Some(Fault::Longer) => {
                if let Some(length) = length {
                    head.set("Content-Length", &(length + LONGER.len() as u64).to_string());
                }
            }
            _ => {}
        }
        if after == After::Close && !stalls && !matches!(fault, Some(Fault::Cut { .. })) {
            head.set("Connection", "close");
        }
        let mut client = Outgoing::new(self.client, &head);
        let mut passed = 0;
        loop {
            let piece = match framing.piece(&mut server) {
                Ok(piece) => piece,
                Err(_) => {
                    self.shared.state().tally.broken += 1;
                    client.flush()?;
                    return Ok(After::Reset);
                }
            };
            if piece.is_empty() {
                break;
            }
            let end = breaks.map_or(piece.len() as u64, |at| (at - passed).min(piece.len() as u64)) as usize;
            match flipped.filter(|at| (passed..passed + end as u64).contains(at)) {
                Some(at) => {
                    let mut wrong = piece[..end].to_vec();
                    wrong[(at - passed) as usize] ^= 1;
                    client.write(&wrong)?;
                }
                None => client.write(&piece[..end])?,
            }
            passed += end as u64;
            framing.consume(&mut server, end);
            if breaks == Some(passed) {
                break;
            }
        }
        if breaks.is_some() {
            client.flush()?;
            if stalls {
                self.wait(self.shared.stall_time)?;
            }
            // The rest of the server's answer is still to come: that connection is of no more use.
            return Ok(after);
        }
        if fault == Some(Fault::Longer) {
            client.write(LONGER)?;
        }
        client.end()?;
        if !server_closes {
            self.server = Some(server);
        }
        Ok(after)
    }

    /// Waits, at most until the client hangs up; false then.
    fn wait(&self, time: Duration) -> io::Result<bool> {
        self.client.set_read_timeout(Some(time.max(Duration::from_millis(1))))?;
        let hung_up = match self.client.peek(&mut [0]) {
            Ok(bytes) => bytes == 0,
            Err(cause) => !matches!(cause.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
        };
        self.client.set_read_timeout(None)?;
        Ok(!hung_up)
    }
}

/// What [`Fault::Longer`] adds.
const LONGER: &[u8] = b"{\"a\":1}";

fn answer_head(server: &mut BufReader<TcpStream>) -> io::Result<Head> {
    loop {
        let head = Head::read(server)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        // Interim answers end here: whoever waited for one has had it.
        if head.status() >= 200 {
            return Ok(head);
        }
    }
}

/// The answer of faults that the server does not even hear of.
fn refusal(fault: Fault) -> Option<(u16, String)> {
    let (status, code) = match fault {
        Fault::SlowDown => (503, "SlowDown"),
        Fault::InternalError => (500, "InternalError"),
        Fault::PreconditionFailed => (412, "PreconditionFailed"),
        Fault::Refusal { status, code } => (status, code),
        Fault::ErrorInside { code } => (200, code),
        Fault::Page => {
            let page = format!("<!DOCTYPE html>\n<html><body>{SERVER_WORDS}</body></html>\n");
            return Some((200, page));
        }
        _ => return None,
    };
    let page = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{SERVER_WORDS}</Message>\
         <RequestId>TESTBED</RequestId><HostId>{SERVER_WORDS}</HostId></Error>"
    );
    Some((status, page))
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        301 => "Moved Permanently",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        412 => "Precondition Failed",
        500 => "Internal Server Error",
        503 => "Slow Down",
        _ => "Status",
    }
}

/// `bytes 3-5/9` to `bytes 4-6/9`.
fn shift(range: &str) -> Option<String> {
    let (bytes, total) = range.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = bytes.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    Some(format!("bytes {}-{}/{total}", first + 1, last + 1))
}
