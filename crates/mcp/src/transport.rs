//! Frames: one JSON-RPC message a line, read with bounds and written whole.
//!
//! In: a client's bytes. Out: messages for the server, and its answers as lines. Always: a frame that is too large, too
//! deep or no message is answered here and the connection goes on; no more than a frame is held; lines never
//! interleave; who does not read answers is not read from either. Absent: what a message means.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

type Received = RxJsonRpcMessage<RoleServer>;
type Sent = TxJsonRpcMessage<RoleServer>;

/// The largest frame, newline not counted. A call of any tool fits in a few kilobytes.
const FRAME_BYTES_MAX: usize = 1 << 20;

/// How deep a frame may nest. A call's arguments lie three deep; serde's own bound of 128 is never reached.
const DEPTH_MAX: u32 = 64;

/// Lines that may wait to be written. A client that sends this many questions without reading an answer is not asked
/// for more until it reads.
const LINES_MAX: usize = 64;

/// How long the last lines may take to be written when the connection ends: beyond that nobody reads them.
const LAST_LINES_WITHIN: Duration = Duration::from_millis(500);

// What JSON-RPC 2.0 calls them.
const PARSE_ERROR: i32 = -32_700;
const INVALID_REQUEST: i32 = -32_600;

/// One client's frames.
pub(crate) struct Frames<I> {
    reader: Reader<I>,
    /// An error of ours that is not handed to the writer yet. It stands here since [`Transport::receive`] may be dropped
    /// wherever it waits.
    refusal: Option<Vec<u8>>,
    /// `None` once closed.
    lines: Option<mpsc::Sender<Vec<u8>>>,
    writer: Option<JoinHandle<()>>,
    left: Arc<Notify>,
}

impl<I: AsyncRead + Send + Unpin> Frames<I> {
    /// Frames over two streams; `left` is told once when the client has left. Inside of a runtime only.
    pub(crate) fn new<O>(input: I, output: O, left: Arc<Notify>) -> Frames<I>
    where
        O: AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, receiver) = mpsc::channel(LINES_MAX);
        Frames {
            reader: Reader {
                input: BufReader::new(input),
                frame: Vec::new(),
                is_dropping: false,
                is_over: false,
            },
            refusal: None,
            lines: Some(sender),
            writer: Some(tokio::spawn(write(output, receiver))),
            left,
        }
    }

    /// The next message; `None` where the client has left, by closing either stream.
    async fn next(&mut self) -> Option<Received> {
        let lines = self.lines.as_ref()?;
        loop {
            // Waiting for room first is what keeps unread answers few.
            let room = lines.reserve().await.ok()?;
            if let Some(line) = self.refusal.take() {
                room.send(line);
                continue;
            }
            drop(room);
            if self.reader.is_over {
                return None;
            }
            let read = tokio::select! {
                read = self.reader.read() => read,
                () = lines.closed() => return None,
            };
            let parsed = match read {
                Read::Frame => parse(&self.reader.frame),
                Read::TooLarge => Parsed::Refused(refusal(
                    &Value::Null,
                    INVALID_REQUEST,
                    &format!("frame larger than {} MiB", FRAME_BYTES_MAX >> 20),
                )),
                Read::End => Parsed::Nothing,
            };
            self.reader.frame.clear();
            match parsed {
                Parsed::Message(message) => return Some(*message),
                Parsed::Refused(line) => self.refusal = Some(line),
                Parsed::Nothing => {}
            }
        }
    }
}

impl<I: AsyncRead + Send + Unpin> Transport<RoleServer> for Frames<I> {
    type Error = io::Error;

    fn send(&mut self, item: Sent) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let lines = self.lines.clone();
        async move {
            let mut line = serde_json::to_vec(&item)?;
            line.push(b'\n');
            let lines = lines.ok_or(io::ErrorKind::NotConnected)?;
            lines.send(line).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
        }
    }

    async fn receive(&mut self) -> Option<Received> {
        let message = self.next().await;
        if message.is_none() {
            self.left.notify_one();
        }
        message
    }

    async fn close(&mut self) -> io::Result<()> {
        self.lines = None;
        if let Some(mut writer) = self.writer.take()
            && timeout(LAST_LINES_WITHIN, &mut writer).await.is_err()
        {
            writer.abort();
        }
        Ok(())
    }
}

/// Writes line after line, until nobody sends or nobody reads any more.
async fn write<O: AsyncWrite + Unpin>(mut output: O, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if output.write_all(&line).await.is_err() || output.flush().await.is_err() {
            // The receiver is dropped here, which is how everybody else learns of it.
            return;
        }
    }
}

/// Splits a stream into lines with a bound. All of its state is in it: [`Reader::read`] may be dropped wherever it waits,
/// and called again.
struct Reader<I> {
    input: BufReader<I>,
    /// A line as far as it has come, without its newline.
    frame: Vec<u8>,
    /// The line was too large and is passed over to its newline.
    is_dropping: bool,
    /// There is nothing more.
    is_over: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Read {
    /// A whole line is in `frame`.
    Frame,
    /// A line was passed over.
    TooLarge,
    /// Nothing, and nothing will come.
    End,
}

impl<I: AsyncRead + Unpin> Reader<I> {
    async fn read(&mut self) -> Read {
        loop {
            // An error while reading is an end like any other: the client has left.
            let available = self.input.fill_buf().await.unwrap_or_default();
            if available.is_empty() {
                self.is_over = true;
                // A last line may lack its newline.
                return self.finish(Read::End);
            }
            let newline = available.iter().position(|byte| *byte == b'\n');
            let piece = &available[..newline.unwrap_or(available.len())];
            if self.is_dropping || self.frame.len() + piece.len() > FRAME_BYTES_MAX {
                self.is_dropping = true;
                self.frame = Vec::new();
            } else {
                self.frame.extend_from_slice(piece);
            }
            let consumed = piece.len() + usize::from(newline.is_some());
            self.input.consume(consumed);
            if newline.is_some() {
                return self.finish(Read::Frame);
            }
        }
    }

    /// What a line is at its end; `otherwise` where it is not too large.
    fn finish(&mut self, otherwise: Read) -> Read {
        if std::mem::take(&mut self.is_dropping) {
            Read::TooLarge
        } else if otherwise == Read::End && !self.frame.is_empty() {
            Read::Frame
        } else {
            otherwise
        }
    }
}

enum Parsed {
    Message(Box<Received>),
    /// The line that says why it is none.
    Refused(Vec<u8>),
    /// Nothing that wants an answer.
    Nothing,
}

/// What a line says.
fn parse(line: &[u8]) -> Parsed {
    // Some clients begin with a byte order mark, which JSON lets a reader ignore.
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Parsed::Nothing;
    }
    if depth(line) > DEPTH_MAX {
        let message = format!("frame nested deeper than {DEPTH_MAX}");
        return Parsed::Refused(refusal(&Value::Null, INVALID_REQUEST, &message));
    }
    match serde_json::from_slice::<Received>(line) {
        // A request whose id is none would else pass for a notification, and its client wait for ever.
        Ok(Received::Notification(_)) if has_id(line) => Parsed::Refused(refusal(
            &Value::Null,
            INVALID_REQUEST,
            "the id of a request is an integer or a string",
        )),
        Ok(message) => Parsed::Message(Box::new(message)),
        Err(_) => none(line),
    }
}

/// Why a line is no message.
fn none(line: &[u8]) -> Parsed {
    match serde_json::from_slice::<Value>(line) {
        Err(_) => Parsed::Refused(refusal(&Value::Null, PARSE_ERROR, "not JSON")),
        Ok(Value::Array(_)) => Parsed::Refused(refusal(
            &Value::Null,
            INVALID_REQUEST,
            "batches are not taken: one message a line",
        )),
        // A broken notification: those are never answered.
        Ok(Value::Object(fields)) if fields.contains_key("method") && !fields.contains_key("id") => {
            Parsed::Nothing
        }
        Ok(value) => {
            let id = value.get("id").filter(|id| id.is_string() || id.is_i64()).unwrap_or(&Value::Null);
            Parsed::Refused(refusal(id, INVALID_REQUEST, "not a JSON-RPC 2.0 message"))
        }
    }
}

fn has_id(line: &[u8]) -> bool {
    serde_json::from_slice::<Value>(line).is_ok_and(|value| value.get("id").is_some())
}

/// How deep a line nests, whether or not it is JSON: brackets outside of strings.
fn depth(line: &[u8]) -> u32 {
    let (mut depth, mut deepest) = (0_u32, 0);
    let mut bytes = line.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => {
                            bytes.next();
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

/// An error as a line. By hand, since JSON-RPC wants `"id": null` where the SDK leaves the id out.
fn refusal(id: &Value, code: i32, message: &str) -> Vec<u8> {
    let frame = json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}});
    let mut line = frame.to_string().into_bytes();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &[u8]) -> Value {
        match parse(line) {
            Parsed::Refused(line) => serde_json::from_slice(&line).expect("a refusal is JSON"),
            Parsed::Message(_) | Parsed::Nothing => Value::Null,
        }
    }

    #[test]
    fn depth_is_that_of_brackets_outside_of_strings() {
        for (line, expected) in [
            ("", 0),
            ("{}", 1),
            (r#"{"a":[{}]}"#, 3),
            ("[][][]", 1),
            (r#"["[[[[", "\"[[", "\\", []]"#, 2),
            // No JSON, and still counted without falling over.
            ("]]]][[", 2),
            (r#"["never ends [[["#, 1),
            (r#""\"#, 0),
        ] {
            assert_eq!(depth(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused_by_what_it_is() {
        for (line, code, id) in [
            (&b"{"[..], PARSE_ERROR, Value::Null),
            (b"\x00", PARSE_ERROR, Value::Null),
            (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xFF\"}", PARSE_ERROR, Value::Null),
            (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\x00b\"}", PARSE_ERROR, Value::Null),
            (b"7", INVALID_REQUEST, Value::Null),
            (b"[]", INVALID_REQUEST, Value::Null),
            (br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, INVALID_REQUEST, Value::Null),
            (br#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, INVALID_REQUEST, json!(1)),
            (br#"{"jsonrpc":"2.0","id":"a"}"#, INVALID_REQUEST, json!("a")),
            (br#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, INVALID_REQUEST, Value::Null),
            (br#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, INVALID_REQUEST, Value::Null),
            (br#"{"jsonrpc":"2.0","id":[],"method":"tools/call"}"#, INVALID_REQUEST, Value::Null),
        ] {
            let refusal = refused(line);
            assert_eq!(refusal["error"]["code"], code, "{}", String::from_utf8_lossy(line));
            assert_eq!(refusal.get("id"), Some(&id), "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn what_wants_no_answer_gets_none() {
        for line in [&b""[..], b"\r", b"  \t", b"\xEF\xBB\xBF", br#"{"jsonrpc":"1.0","method":"x"}"#] {
            assert!(matches!(parse(line), Parsed::Nothing), "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn a_message_may_have_a_carriage_return_and_a_byte_order_mark() {
        let line = b"\xEF\xBB\xBF{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\r";
        assert!(matches!(parse(line), Parsed::Message(_)));
    }
}
