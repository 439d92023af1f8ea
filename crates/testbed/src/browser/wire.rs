//! One question and its answer, as WebDriver has them: JSON over HTTP.
//!
//! In: a method, a path, a body. Out: the `value` of the answer, or the driver's words. Always: a connection for each
//! question, to loopback. Absent: everything of HTTP that chromedriver does not do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Asks the driver at this port. The answer is there before `time_max` has passed without a byte of it.
pub(super) fn ask(
    port: u16,
    method: &str,
    path: &str,
    body: Option<&Value>,
    time_max: Duration,
) -> Result<Value, String> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let answer = exchange(port, method, path, &body, time_max).map_err(|cause| cause.to_string())?;
    let answer: Value = serde_json::from_slice(&answer)
        .map_err(|error| format!("the driver's answer is no JSON: {error}"))?;
    let value = &answer["value"];
    match value["error"].as_str() {
        // The trace of the driver itself says nothing about the page.
        Some(error) => Err(format!("{error}: {}", value["message"].as_str().unwrap_or_default())),
        None => Ok(value.clone()),
    }
}

/// The body of the answer, whatever its status: errors have one of the same form.
fn exchange(port: u16, method: &str, path: &str, body: &str, time_max: Duration) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    // The driver gives up on what takes too long before this does.
    stream.set_read_timeout(Some(time_max + Duration::from_secs(30)))?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut received = Vec::new();
    let mut chunk = vec![0; 1 << 16];
    loop {
        if let Some((start, length)) = body_place(&received)
            && received.len() >= start + length
        {
            return Ok(received[start..start + length].to_vec());
        }
        match stream.read(&mut chunk)? {
            0 => return Err(std::io::Error::other("the driver's answer breaks off")),
            length => received.extend_from_slice(&chunk[..length]),
        }
    }
}

/// Where the body begins and how long it is, once all headers are here.
fn body_place(received: &[u8]) -> Option<(usize, usize)> {
    let start = received.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let headers = std::str::from_utf8(&received[..start]).ok()?;
    let length = headers.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    })?;
    Some((start, length))
}
