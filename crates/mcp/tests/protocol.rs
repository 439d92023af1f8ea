//! The server over two pipes, line by line, with an engine that does as it is told.
//!
//! Always: nothing here waits for a time to pass, only for something to happen. Absent: what a tool's answer says; real
//! clients are in `crates/cli/tests/mcp.rs`.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use borehole_mcp::{
    Asked, Basis, Engine, Events, Failure, FailureKind, Listing, Measured, Object, Pattern, Period, Restored,
    ServeError, ServeOptions, Subject, Tickets, Watch, serve,
};
use borehole_report::quota::QuotaReport;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, duplex};
use tokio::time::timeout;

/// Beyond this something hangs.
const HANGS_AFTER: Duration = Duration::from_secs(60);

/// For calls that are answered when the engine says so.
const LONG: Duration = Duration::from_secs(3600);

/// For calls that are not.
const SHORT: Duration = Duration::from_millis(20);

/// Answers at once, but for texts that begin with `held` (until released or stopped), `stuck` (until released, whoever
/// stops it), `fails` and `panics`.
#[derive(Default)]
struct Told {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Clone, Default, Debug)]
struct Seen {
    started: Vec<String>,
    ended: usize,
    stopped: usize,
    is_released: bool,
}

impl Told {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no test panics while it holds this")
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen());
        self.changed.notify_all();
    }

    fn release(&self) {
        self.change(|seen| seen.is_released = true);
    }

    /// Waits until it is so.
    fn until(&self, what: &str, is_so: impl Fn(&Seen) -> bool) {
        let (seen, waited) = self
            .changed
            .wait_timeout_while(self.seen(), HANGS_AFTER, |seen| !is_so(seen))
            .expect("no test panics while it holds this");
        assert!(!waited.timed_out(), "{what}: {seen:?}");
    }

    fn run(&self, text: &str, watch: &Watch) -> Result<(), Failure> {
        self.change(|seen| seen.started.push(text.to_owned()));
        assert!(!text.starts_with("panics"), "the text of a panic, with {text}");
        let mut outcome = Ok(());
        if text.starts_with("fails") {
            outcome = Err(failure(FailureKind::NoAnswer, "the bucket is gone"));
        }
        let is_stuck = text.starts_with("stuck");
        if is_stuck || text.starts_with("held") {
            watch.advance(380_000);
            let mut seen = self.seen();
            while !seen.is_released && (is_stuck || !watch.is_stopped()) {
                seen = self.changed.wait_timeout(seen, Duration::from_millis(2)).expect("as above").0;
            }
        }
        self.change(|seen| {
            seen.ended += 1;
            if watch.is_stopped() {
                seen.stopped += 1;
                outcome = Err(failure(FailureKind::Stopped, "stopped"));
            }
        });
        outcome
    }
}

fn failure(kind: FailureKind, message: &str) -> Failure {
    Failure { kind, message: message.to_owned(), hint: Some("look elsewhere".to_owned()) }
}

fn not_asked<T>() -> Result<T, Failure> {
    Err(failure(FailureKind::Internal, "not asked in these tests"))
}

impl Engine for Told {
    fn measure(&self, _: &Subject, _: &Period, _: usize, _: &Watch) -> Result<Measured, Failure> {
        not_asked()
    }

    fn tickets(&self, _: &Subject, _: &Period, _: &Asked, _: &Watch) -> Result<Tickets, Failure> {
        not_asked()
    }

    fn quotas(&self, _: &Subject, _: &Period, _: &Asked, _: &Watch) -> Result<(QuotaReport, Basis), Failure> {
        not_asked()
    }

    fn find(&self, _: &str, _: Option<&str>, _: &Watch) -> Result<Value, Failure> {
        not_asked()
    }

    fn events(&self, pattern: &Pattern, _: &Period, _: usize, watch: &Watch) -> Result<Events, Failure> {
        let (Pattern::Text(text) | Pattern::RequestId(text)) = pattern;
        self.run(text, watch)?;
        Ok(Events { events: Vec::new(), more: false, objects_read: 1, objects_failed: 0, moments: None })
    }

    fn list(
        &self,
        _: &str,
        prefix: &str,
        _: Option<&str>,
        _: usize,
        watch: &Watch,
    ) -> Result<Listing, Failure> {
        self.run(prefix, watch)?;
        Ok(Listing { objects: Vec::new(), more: false, failed: 0 })
    }

    fn read(&self, _: &str, _: &str, _: &Watch) -> Result<Object, Failure> {
        not_asked()
    }

    fn restore(&self, _: &str, _: &str, _: u32, _: &Watch) -> Result<Restored, Failure> {
        not_asked()
    }
}

/// The other end.
struct Client {
    engine: Arc<Told>,
    server: thread::JoinHandle<Result<(), ServeError>>,
    /// `None` once closed.
    output: Option<DuplexStream>,
    input: Lines<BufReader<DuplexStream>>,
    /// What came while something else was waited for.
    aside: Vec<Value>,
}

impl Client {
    fn start(answer_within: Duration) -> Client {
        let engine = Arc::new(Told::default());
        let (output, server_input) = duplex(64 << 10);
        let (server_output, input) = duplex(64 << 10);
        let options = ServeOptions {
            version: "1.2.3",
            answer_within,
            shows_bodies: false,
            restores: false,
            sources: vec!["dump/".to_owned()],
        };
        let served = Arc::clone(&engine) as Arc<dyn Engine>;
        let server = thread::spawn(move || serve(served, &options, server_input, server_output));
        Client {
            engine,
            server,
            output: Some(output),
            input: BufReader::new(input).lines(),
            aside: Vec::new(),
        }
    }

    /// With an open session.
    async fn open(answer_within: Duration) -> Client {
        let mut client = Client::start(answer_within);
        let opened = client.initialize("2025-06-18").await;
        assert_eq!(opened["result"]["protocolVersion"], "2025-06-18");
        client
    }

    async fn initialize(&mut self, version: &str) -> Value {
        let info = json!({"name": "test", "version": "0"});
        let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": info});
        self.request("opening", "initialize", params).await;
        let opened = self.answer("opening").await;
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        opened
    }

    async fn write(&mut self, bytes: &[u8]) {
        let output = self.output.as_mut().expect("not closed");
        timeout(HANGS_AFTER, output.write_all(bytes)).await.expect("it is read").expect("it is open");
    }

    async fn send(&mut self, message: &Value) {
        self.write(format!("{message}\n").as_bytes()).await;
    }

    async fn request(&mut self, id: impl Into<Value>, method: &str, params: Value) {
        let id: Value = id.into();
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
    }

    /// Asks for the logs with a text, one reading at a time.
    async fn search(&mut self, id: impl Into<Value>, text: &str) {
        self.request(id, "tools/call", search(text)).await;
    }

    /// Asks for a listing, beside the readings.
    async fn list(&mut self, id: impl Into<Value>, prefix: &str) {
        let arguments = json!({"bucket_name": "logs-bucket", "prefix": prefix});
        self.request(id, "tools/call", json!({"name": "s3_object_list", "arguments": arguments})).await;
    }

    async fn cancel(&mut self, id: impl Into<Value>) {
        let id: Value = id.into();
        let params = json!({"requestId": id});
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})).await;
    }

    /// The next frame; `None` at the end. Every line is a frame.
    async fn next(&mut self) -> Option<Value> {
        let line = timeout(HANGS_AFTER, self.input.next_line()).await.expect("a frame comes");
        let line = line.expect("frames are UTF-8")?;
        let frame: Value = serde_json::from_str(&line).expect("every line is JSON");
        assert_eq!(frame["jsonrpc"], "2.0", "{line}");
        Some(frame)
    }

    /// The answer to a request; whatever else comes is put aside.
    async fn answer(&mut self, id: impl Into<Value>) -> Value {
        let id = id.into();
        if let Some(index) = self.aside.iter().position(|frame| frame.get("id") == Some(&id)) {
            return self.aside.remove(index);
        }
        loop {
            let frame = self.next().await.expect("an answer comes before the end");
            if frame.get("id") == Some(&id) {
                return frame;
            }
            self.aside.push(frame);
        }
    }

    /// Requests are taken in their order, so everything sent before has arrived.
    async fn arrive(&mut self) {
        self.request("arrived", "ping", json!({})).await;
        let answer = self.answer("arrived").await;
        assert_eq!(answer["result"], json!({}), "{answer}");
    }

    /// Leaves, and says what else came.
    async fn leave(mut self) -> Vec<Value> {
        drop(self.output.take());
        while let Some(frame) = self.next().await {
            self.aside.push(frame);
        }
        self.server.join().expect("the server does not panic").expect("it ends well");
        self.aside
    }
}

fn search(text: &str) -> Value {
    let arguments = json!({"log_group_name": "/aws/bedrock", "filter_pattern": format!("\"{text}\"")});
    json!({"name": "cloudwatch_get_logs", "arguments": arguments})
}

fn status(answer: &Value) -> &str {
    answer["result"]["structuredContent"]["status"].as_str().unwrap_or("none")
}

/// The text of a result that says what is wrong.
fn wrong(answer: &Value) -> &str {
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert_eq!(answer["result"].get("structuredContent"), None, "{answer}");
    assert_eq!(answer["result"]["content"].as_array().map(Vec::len), Some(1), "{answer}");
    answer["result"]["content"][0]["text"].as_str().expect("text")
}

#[tokio::test]
async fn every_version_with_a_handshake_is_spoken() {
    for (asked, agreed) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        // What there is not, or not with a handshake, becomes the newest that there is.
        ("1999-01-01", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("", "2025-11-25"),
    ] {
        let mut client = Client::start(LONG);
        let opened = client.initialize(asked).await["result"].take();
        assert_eq!(opened["protocolVersion"], agreed, "{asked}");
        assert_eq!(opened["serverInfo"], json!({"name": "borehole", "version": "1.2.3"}));
        assert_eq!(opened["capabilities"], json!({"tools": {}}));
        let instructions = opened["instructions"].as_str().expect("there are instructions");
        assert!(instructions.contains("bedrock_get_model_stats") && instructions.contains("dump/"));

        client.request(1, "tools/list", json!({})).await;
        let listed = client.answer(1).await["result"].take();
        let tools = listed["tools"].as_array().expect("tools");
        assert!(!tools.is_empty());
        for tool in tools {
            assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
            assert_eq!(tool["outputSchema"]["type"], "object", "{tool}");
            assert_eq!(tool["annotations"]["openWorldHint"], false, "{tool}");
            assert_eq!(tool["annotations"]["destructiveHint"], false, "{tool}");
        }

        client.search(2, "quick").await;
        let result = client.answer(2).await["result"].take();
        assert_eq!(result["isError"], false, "{result}");
        assert_eq!(result["structuredContent"]["status"], "complete");
        let content = result["content"].as_array().expect("content");
        assert_eq!(content.len(), 1);
        let text: Value = serde_json::from_str(content[0]["text"].as_str().expect("text")).expect("JSON");
        assert_eq!(text, result["structuredContent"]);
        // Only the newest version knows of it.
        assert_eq!(result.get("resultType"), None);
        assert_eq!(client.leave().await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn a_client_without_a_handshake_says_its_version_in_each_request() {
    let mut client = Client::start(LONG);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    client.request(1, "server/discover", json!({"_meta": meta})).await;
    let discovered = client.answer(1).await;
    assert!(discovered["result"]["supportedVersions"].is_array(), "{discovered}");
    let mut params = search("quick");
    params["_meta"] = meta;
    client.request(2, "tools/call", params).await;
    assert_eq!(status(&client.answer(2).await), "complete");
    client.leave().await;
}

#[tokio::test]
async fn before_initialize_there_is_only_ping_and_nothing_ends_the_server() {
    let mut client = Client::start(LONG);
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    client.send(&json!({"jsonrpc": "2.0", "id": 7, "result": {}})).await;
    client.send(&json!({"jsonrpc": "2.0", "id": null, "error": {"code": 1, "message": "x"}})).await;
    client.cancel(1).await;
    client.request(1, "tools/list", json!({})).await;
    assert_eq!(client.answer(1).await["error"]["code"], -32_600);
    client.search(2, "quick").await;
    assert_eq!(client.answer(2).await["error"]["code"], -32_600);
    client.arrive().await;
    assert!(client.engine.seen().started.is_empty());
    client.initialize("2025-06-18").await;
    client.search(3, "quick").await;
    assert_eq!(status(&client.answer(3).await), "complete");
    // A second handshake is a handshake.
    assert_eq!(client.initialize("2025-03-26").await["result"]["protocolVersion"], "2025-03-26");
    client.leave().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_call_is_a_result_and_what_is_no_call_is_an_error() {
    let mut client = Client::open(LONG).await;
    client.search(1, "fails").await;
    assert_eq!(wrong(&client.answer(1).await), "the bucket is gone\nhint: look elsewhere");
    client.search(2, "panics").await;
    assert_eq!(wrong(&client.answer(2).await), "internal error");
    client.list(3, "panics").await;
    assert_eq!(wrong(&client.answer(3).await), "internal error");
    let nothing = json!({"name": "cloudwatch_get_logs", "arguments": {}});
    client.request(4, "tools/call", nothing).await;
    assert!(wrong(&client.answer(4).await).contains("filter_pattern"));
    client.request(5, "tools/call", json!({"name": "cloudwatch_get_logs"})).await;
    assert!(wrong(&client.answer(5).await).contains("filter_pattern"));

    client.request(6, "tools/call", json!({"name": "rm", "arguments": {}})).await;
    let unknown = client.answer(6).await;
    assert_eq!(unknown["error"]["code"], -32_602);
    assert!(unknown["error"]["message"].as_str().expect("text").contains("s3_object_list"), "{unknown}");
    for (id, method, params, code) in [
        (7, "tools/call", json!({"name": 7}), -32_602),
        (8, "tools/call", json!({"name": "s3_object_list", "arguments": []}), -32_602),
        (9, "tools/call", Value::Null, -32_602),
        (10, "initialize", json!({}), -32_602),
        (11, "no/such", json!({}), -32_601),
        (12, "resources/list", json!({}), -32_601),
        (13, "prompts/list", json!({}), -32_601),
        (14, "logging/setLevel", json!({"level": "debug"}), -32_601),
    ] {
        client.request(id, method, params).await;
        let answer = client.answer(id).await;
        assert_eq!(answer["error"]["code"], code, "{answer}");
    }
    // A panic left nothing locked or lost.
    client.search(15, "quick").await;
    assert_eq!(status(&client.answer(15).await), "complete");
    client.leave().await;
}

#[tokio::test]
async fn equal_calls_are_one_run() {
    let mut client = Client::open(LONG).await;
    client.search(1, "held").await;
    client.search(2, "held").await;
    client.arrive().await;
    client.engine.release();
    assert_eq!(status(&client.answer(1).await), "complete");
    assert_eq!(status(&client.answer(2).await), "complete");
    assert_eq!(client.engine.seen().started, ["held"]);
    // Its answer was taken, so the same question is a new one.
    client.search(3, "held").await;
    assert_eq!(status(&client.answer(3).await), "complete");
    assert_eq!(client.engine.seen().started, ["held", "held"]);
    client.leave().await;
}

#[tokio::test]
async fn logs_are_read_by_one_call_at_a_time_and_objects_beside_them() {
    let mut client = Client::open(LONG).await;
    client.search(1, "held").await;
    client.search(2, "second").await;
    client.arrive().await;
    client.engine.until("the first starts", |seen| seen.started == ["held"]);
    client.list(3, "beside").await;
    assert_eq!(status(&client.answer(3).await), "complete");
    assert_eq!(client.engine.seen().started, ["held", "beside"]);
    client.engine.release();
    assert_eq!(status(&client.answer(2).await), "complete");
    assert_eq!(client.engine.seen().started, ["held", "beside", "second"]);
    client.leave().await;
}

#[tokio::test]
async fn a_call_that_takes_long_says_how_far_it_is_and_its_answer_is_kept() {
    let mut client = Client::open(SHORT).await;
    client.search(1, "held").await;
    let answer = client.answer(1).await;
    let content = &answer["result"]["structuredContent"];
    assert_eq!(answer["result"]["isError"], false);
    assert_eq!(content["status"], "scanning");
    assert_eq!(content["next"]["tool"], "cloudwatch_get_logs");
    assert_eq!(content["next"]["after_seconds"], 15);
    assert!(content["message"].is_string());
    let done = content["done"].as_f64().expect("a number");
    assert!((0.0..=1.0).contains(&done));

    // What `next` says is the same call, which is still running; by now it has said how far it is.
    client.engine.until("it starts", |seen| seen.started == ["held"]);
    let next = json!({"name": content["next"]["tool"], "arguments": content["next"]["arguments"]});
    let mut done = json!(null);
    for id in 100.. {
        client.request(id, "tools/call", next.clone()).await;
        done = client.answer(id).await["result"]["structuredContent"]["done"].take();
        if done != json!(0.0) {
            break;
        }
    }
    assert_eq!(done, json!(0.38));

    // Another one waits for it.
    client.search(2, "quick").await;
    let queued = client.answer(2).await;
    assert_eq!(status(&queued), "scanning");
    assert_eq!(queued["result"]["structuredContent"]["done"], json!(0.0));

    // Nobody waits when they end, and both answers are there for who comes back.
    client.engine.release();
    client.engine.until("both end", |seen| seen.ended == 2);
    for id in 200.. {
        client.request(id, "tools/call", next.clone()).await;
        if status(&client.answer(id).await) == "complete" {
            break;
        }
    }
    for id in 300.. {
        client.search(id, "quick").await;
        if status(&client.answer(id).await) == "complete" {
            break;
        }
    }
    assert_eq!(client.engine.seen().started, ["held", "quick"]);
    client.leave().await;
}

#[tokio::test]
async fn k09_a_cancelled_call_is_stopped_and_not_answered() {
    let mut client = Client::open(LONG).await;
    client.search("cancelled", "held").await;
    client.engine.until("it starts", |seen| seen.started.len() == 1);
    client.cancel("cancelled").await;
    client.engine.until("it is stopped", |seen| seen.stopped == 1);
    // The same question is a new one, and not the stopped one's failure.
    client.engine.release();
    client.search(2, "held").await;
    assert_eq!(status(&client.answer(2).await), "complete");
    // Cancelling what is answered, or was never asked, is nothing.
    client.cancel(2).await;
    client.cancel("never").await;
    client.arrive().await;
    assert_eq!(client.leave().await, Vec::<Value>::new());
}

#[tokio::test]
async fn k09_a_call_that_is_slow_to_stop_is_not_joined() {
    let mut client = Client::open(LONG).await;
    client.search("cancelled", "stuck").await;
    client.engine.until("it starts", |seen| seen.started.len() == 1);
    client.cancel("cancelled").await;
    client.arrive().await;
    client.search(2, "stuck").await;
    client.arrive().await;
    // Its place is not free before it has ended.
    assert_eq!(client.engine.seen().started, ["stuck"]);
    client.engine.release();
    assert_eq!(status(&client.answer(2).await), "complete");
    let seen = client.engine.seen().clone();
    assert_eq!((seen.started.len(), seen.stopped), (2, 1), "{seen:?}");
    assert_eq!(client.leave().await, Vec::<Value>::new());
}

#[tokio::test]
async fn k09_a_cancelled_call_that_waits_for_others_never_starts() {
    let mut client = Client::open(LONG).await;
    client.search(1, "held").await;
    client.search("cancelled", "second").await;
    client.arrive().await;
    client.cancel("cancelled").await;
    client.arrive().await;
    client.engine.release();
    assert_eq!(status(&client.answer(1).await), "complete");
    client.search(3, "third").await;
    assert_eq!(status(&client.answer(3).await), "complete");
    assert_eq!(client.engine.seen().started, ["held", "third"]);
    assert_eq!(client.leave().await, Vec::<Value>::new());
}

#[tokio::test]
async fn k09_a_run_goes_on_for_whoever_still_waits_for_it() {
    let mut client = Client::open(LONG).await;
    client.search("cancelled", "held").await;
    client.search(2, "held").await;
    client.arrive().await;
    client.cancel("cancelled").await;
    client.arrive().await;
    client.engine.release();
    assert_eq!(status(&client.answer(2).await), "complete");
    assert_eq!(client.engine.seen().started, ["held"]);
    assert_eq!(client.leave().await, Vec::<Value>::new());
}

#[tokio::test]
async fn k09_a_promised_run_goes_on_whoever_cancels() {
    let mut client = Client::open(SHORT).await;
    client.search(1, "held").await;
    assert_eq!(status(&client.answer(1).await), "scanning");
    // Answered or cancelled, whichever comes first: the run must not mind either.
    for id in 2..10 {
        client.search(id, "held").await;
        client.cancel(id).await;
    }
    client.arrive().await;
    client.engine.release();
    client.engine.until("it ends", |seen| seen.ended == 1);
    assert_eq!(client.engine.seen().stopped, 0);
    client.leave().await;
}

#[tokio::test]
async fn k09_a_client_that_leaves_leaves_no_run_behind() {
    // One that is waited for, one that was promised, and one that waits for the others.
    for answer_within in [LONG, SHORT] {
        let mut client = Client::open(answer_within).await;
        client.search(1, "held by nobody").await;
        client.list(2, "held by nobody").await;
        client.search(3, "second").await;
        client.engine.until("two start", |seen| seen.started.len() == 2);
        let engine = Arc::clone(&client.engine);
        client.leave().await;
        engine.until("both are stopped", |seen| (seen.stopped, seen.ended, seen.started.len()) == (2, 2, 2));
    }
}

#[tokio::test]
async fn what_is_answered_when_a_client_leaves_is_still_sent() {
    let mut client = Client::open(LONG).await;
    client.search(1, "quick").await;
    client.engine.until("it ends", |seen| seen.ended == 1);
    // The last line has no newline.
    let last = json!({"jsonrpc": "2.0", "id": 2, "method": "ping"});
    client.write(last.to_string().as_bytes()).await;
    let rest = client.leave().await;
    let ids: BTreeSet<i64> = rest.iter().filter_map(|frame| frame["id"].as_i64()).collect();
    assert_eq!(ids, BTreeSet::from([1, 2]), "{rest:?}");
    assert!(rest.iter().all(|frame| frame.get("error").is_none()), "{rest:?}");
}

#[tokio::test]
async fn a_client_that_reads_no_more_has_left() {
    let mut client = Client::open(LONG).await;
    client.search(1, "held").await;
    client.engine.until("it starts", |seen| seen.started.len() == 1);
    let Client { engine, server, mut output, input, .. } = client;
    drop(input);
    let ping = format!("{}\n", json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}));
    output.as_mut().expect("open").write_all(ping.as_bytes()).await.expect("the server still reads");
    server.join().expect("the server does not panic").expect("it ends well");
    engine.until("it is stopped", |seen| seen.stopped == 1);
}

#[tokio::test]
async fn progress_is_told_to_who_asked_for_it_and_grows_each_time() {
    let mut client = Client::open(LONG).await;
    let mut params = search("held");
    params["_meta"] = json!({"progressToken": "mine"});
    client.request(1, "tools/call", params).await;
    let mut last = 0.0;
    for _ in 0..2 {
        let frame = client.next().await.expect("progress comes");
        assert_eq!(frame["method"], "notifications/progress", "{frame}");
        assert_eq!(frame.get("id"), None);
        let params = &frame["params"];
        assert_eq!((&params["progressToken"], &params["total"]), (&json!("mine"), &json!(1.0)), "{frame}");
        assert!(params["message"].is_string());
        let progress = params["progress"].as_f64().expect("a number");
        assert!(progress > last && progress < 1.0, "{frame}");
        last = progress;
    }
    assert!(last > 0.38, "the same as before, and a little more: {last}");
    client.engine.release();
    assert_eq!(status(&client.answer(1).await), "complete");
    // None came after the answer.
    client.aside.clear();
    client.arrive().await;
    assert_eq!(client.leave().await, Vec::<Value>::new());
}

#[tokio::test]
async fn k09_frames_that_are_too_large_too_deep_or_none_are_answered_and_passed_over() {
    let mut client = Client::open(LONG).await;
    let deep = |depth: usize| {
        let open = "[".repeat(depth - 3);
        let close = "]".repeat(depth - 3);
        format!(
            r#"{{"jsonrpc":"2.0","id":"deep","method":"no/such","params":{{"a":{{"b":{open}{close}}}}}}}"#
        )
    };
    let large = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "x".repeat(2 << 20));
    for (line, code, message) in [
        (large.as_bytes(), -32_600, "frame larger than 1 MiB"),
        (&[b'['; 3 << 20][..], -32_600, "frame larger than 1 MiB"),
        (deep(65).as_bytes(), -32_600, "frame nested deeper than 64"),
        ("[".repeat(1 << 20).as_bytes(), -32_600, "frame nested deeper than 64"),
        (b"GET / HTTP/1.1", -32_700, "not JSON"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xC3\x28\"}", -32_700, "not JSON"),
        (b"\0\0\0\0", -32_700, "not JSON"),
        (b"{}", -32_600, "not a JSON-RPC 2.0 message"),
        (
            br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            -32_600,
            "batches are not taken: one message a line",
        ),
    ] {
        client.write(line).await;
        client.write(b"\n").await;
        let answer = client.next().await.expect("an answer comes");
        assert_eq!(answer["error"]["code"], code, "{answer}");
        assert_eq!(answer["error"]["message"], message);
        assert_eq!(answer.get("id"), Some(&Value::Null));
    }
    // Nothing to answer.
    client.write(b"\n\r\n  \n").await;
    // As deep and as large as it may be.
    client.write(deep(64).as_bytes()).await;
    client.write(b"\r\n").await;
    assert_eq!(client.answer("deep").await["error"]["code"], -32_601);
    let mut ping = br#"{"jsonrpc":"2.0","id":"large","method":"ping"}"#.to_vec();
    ping.resize(1 << 20, b' ');
    client.write(&ping).await;
    client.write(b"\n").await;
    assert_eq!(client.answer("large").await["result"], json!({}));
    client.arrive().await;
    assert_eq!(client.leave().await, Vec::<Value>::new());
}

#[tokio::test]
async fn k09_a_frame_that_never_ends_is_not_held() {
    let mut client = Client::open(LONG).await;
    // 64 MiB, and the end of the stream instead of a newline. That memory stays small is what the reader's bound is for;
    // here it has to pass over it, and still answer.
    let piece = vec![b'{'; 1 << 20];
    for _ in 0..64 {
        client.write(&piece).await;
    }
    let rest = client.leave().await;
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!(rest[0]["error"]["message"], "frame larger than 1 MiB");
}

#[tokio::test]
async fn k10_thousands_of_answers_are_whole_lines() {
    let mut client = Client::open(LONG).await;
    // Sent while they are answered: a client that only ever wrote would be waited for.
    let mut output = client.output.take().expect("open");
    let sender = tokio::spawn(async move {
        for id in 0..1_000 {
            let ping = json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
            output.write_all(format!("{ping}\n!\n").as_bytes()).await.expect("it is read");
            // Tens of kilobytes each: many writes to one line.
            if id % 20 == 0 {
                let list = json!({"jsonrpc": "2.0", "id": 1_000 + id, "method": "tools/list"});
                output.write_all(format!("{list}\n").as_bytes()).await.expect("it is read");
            }
        }
        output
    });
    let mut ids = BTreeSet::new();
    let mut refused = 0;
    while ids.len() < 1_050 || refused < 1_000 {
        let frame = client.next().await.expect("answers come");
        match frame["id"].as_i64() {
            Some(id) => assert!(frame.get("result").is_some() && ids.insert(id), "{frame}"),
            None => refused += 1,
        }
    }
    client.output = Some(sender.await.expect("it sends them all"));
    client.arrive().await;
    assert_eq!(client.leave().await, Vec::<Value>::new());
}

#[tokio::test]
async fn k09_too_many_calls_are_told_so() {
    let mut client = Client::open(LONG).await;
    for id in 0..64 {
        client.search(id, &format!("held {id}")).await;
    }
    client.search("beyond", "held beyond").await;
    assert!(wrong(&client.answer("beyond").await).starts_with("busy"));
    // Joining is no new run, until too many have.
    for id in 100..163 {
        client.search(id, "held 0").await;
    }
    client.search("joins", "held 0").await;
    assert!(wrong(&client.answer("joins").await).starts_with("busy"));
    client.engine.release();
    for id in (0..64).chain(100..163) {
        assert_eq!(status(&client.answer(id).await), "complete");
    }
    client.search("then", "quick").await;
    assert_eq!(status(&client.answer("then").await), "complete");
    client.leave().await;
}

#[tokio::test]
async fn an_id_used_twice_confuses_only_its_client() {
    let mut client = Client::open(LONG).await;
    client.search("twice", "held a").await;
    client.search("twice", "held b").await;
    client.arrive().await;
    client.engine.release();
    assert_eq!(status(&client.answer("twice").await), "complete");
    client.search(3, "quick").await;
    assert_eq!(status(&client.answer(3).await), "complete");
    client.leave().await;
}
