//! What the tests of the command share: the binary, made-up records, dumps in a temporary directory.
//!
//! In: what a test is about. Out: the command's exit code, stdout and stderr. Always: the environment that could
//! change a report is cleared, and "now" is fixed, so a test says what it means. Absent: any room of the program;
//! these tests know the binary and the files only.

#![allow(dead_code, reason = "each test file is a program of its own and uses its part of this one")]

pub(crate) mod datasets;
pub(crate) mod goldens;

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// The moment that fixtures call now: after all of their records.
pub(crate) const NOW: &str = "2024-04-01";

/// The repository.
pub(crate) fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the repository is there")
}

/// How a command ended.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Stdout as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| {
            panic!("stdout is no JSON ({error}); exit {:?}, stderr:\n{}", self.code, self.err)
        })
    }

    /// As itself, where the exit code is the expected one.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Run {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
}

/// The command, started in the repository, with nothing in its environment that a report could depend on. What it keeps
/// of buckets is kept below the build directory; servers give each command a place of its own.
pub(crate) fn borehole() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_borehole"));
    command.current_dir(repository());
    command.env("XDG_CACHE_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"));
    command.env("XDG_CONFIG_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/config"));
    for name in [
        "BOREHOLE_CONFIG",
        "NO_COLOR",
        "TERM",
        "COLUMNS",
        "RUST_LOG",
        "RUST_BACKTRACE",
        "LC_ALL",
        "LANG",
        "TZ",
    ] {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Run {
    run_with(command, b"")
}

/// Runs a command to its end, with bytes on standard input.
pub(crate) fn run_with(command: &mut Command, input: &[u8]) -> Run {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    // The command may end without reading: then the pipe breaks, and that is its business.
    let _ = stdin.write_all(input);
    drop(stdin);
    let output = child.wait_with_output().expect("the command ends");
    Run {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        err: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

/// `borehole analyze ARGUMENTS --now NOW`.
pub(crate) fn analyze<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Run {
    run(borehole().arg("analyze").args(arguments).args(["--now", NOW]))
}

/// The same with `--format json`, parsed; the exit code must be the given one.
#[track_caller]
pub(crate) fn report<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>, code: i32) -> Value {
    let arguments: Vec<_> = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
    analyze(
        arguments
            .iter()
            .map(|argument| argument.as_os_str())
            .chain([OsStr::new("--format"), OsStr::new("json")]),
    )
    .ends(code)
    .json()
}

/// A JSON report without its last key, `run`, which holds all that may differ between two runs.
pub(crate) fn without_run(report: &str) -> String {
    let end = report.rfind(",\n  \"run\": {").expect("a report ends with its run block");
    format!("{}\n}}\n", &report[..end])
}

/// A dump in a directory of its own, removed with it.
pub(crate) struct Dump(tempfile::TempDir);

impl Dump {
    pub(crate) fn new() -> Dump {
        Dump(tempfile::tempdir().expect("a temporary directory"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The path of a key, as an argument.
    pub(crate) fn at(&self, key: &str) -> String {
        self.path().join(key).to_str().expect("temporary directories have plain names").to_owned()
    }

    pub(crate) fn root(&self) -> String {
        self.path().to_str().expect("temporary directories have plain names").to_owned()
    }

    /// Writes one object.
    pub(crate) fn put(&self, key: &str, bytes: impl AsRef<[u8]>) -> &Dump {
        let path = self.path().join(key);
        std::fs::create_dir_all(path.parent().expect("a key has a folder")).expect("folders can be made");
        std::fs::write(path, bytes).expect("objects can be written");
        self
    }

    /// Writes records as an object of the `aws` layout, in the folder of `hour` (`YYYY/MM/DD/HH`).
    pub(crate) fn put_aws(&self, hour: &str, name: &str, records: &[Value]) -> &Dump {
        self.put(&aws_key(hour, name), lines(records))
    }
}

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const MODEL: &str = "anthropic.claude-3-haiku-20240307-v1:0";

/// The key of an object of the `aws` layout.
pub(crate) fn aws_key(hour: &str, name: &str) -> String {
    format!("AWSLogs/{ACCOUNT}/BedrockModelInvocationLogs/{REGION}/{hour}/{name}")
}

/// JSON lines.
pub(crate) fn lines(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

/// A request id.
pub(crate) fn request_id(number: u32) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}

/// A successful call with bodies and counts, in the plainest form.
pub(crate) fn call(number: u32, timestamp: &str, input_tokens: u64, output_tokens: u64) -> Value {
    json!({
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "timestamp": timestamp,
        "accountId": ACCOUNT,
        "identity": {"arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/app/worker")},
        "region": REGION,
        "requestId": request_id(number),
        "operation": "Converse",
        "modelId": MODEL,
        "input": {
            "inputContentType": "application/json",
            "inputBodyJson": {"messages": [{"role": "user", "content": [{"text": "Is the tide in?"}]}]},
            "inputTokenCount": input_tokens,
        },
        "output": {
            "outputContentType": "application/json",
            "outputBodyJson": {
                "output": {"message": {"role": "assistant", "content": [{"text": "Not yet."}]}},
                "stopReason": "end_turn",
                "metrics": {"latencyMs": 400},
            },
            "outputTokenCount": output_tokens,
        },
    })
}

/// `call` with an error: no bodies, no counts.
pub(crate) fn failed_call(number: u32, timestamp: &str, error: &str) -> Value {
    let mut record = call(number, timestamp, 0, 0);
    let fields = record.as_object_mut().expect("a record is an object");
    fields.remove("input");
    fields.remove("output");
    fields.insert("errorCode".to_owned(), error.into());
    record
}

/// gzip without compression: header, stored blocks, CRC-32 and length.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut blocks = bytes.chunks(0xffff).peekable();
    if blocks.peek().is_none() {
        out.extend([1, 0, 0, 0xff, 0xff]);
    }
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).expect("a block is at most 65,535 bytes");
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    let crc = !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    });
    out.extend(crc.to_le_bytes());
    out.extend(u32::try_from(bytes.len()).expect("test data is small").to_le_bytes());
    out
}

/// Every file below a directory of the repository, but build products and hidden directories other than `.ci`.
pub(crate) fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![directory.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder can be listed") {
            let path = entry.expect("an entry can be read").path();
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            if path.is_dir() {
                if name != "target" && (name == ".ci" || !name.starts_with('.')) {
                    folders.push(path);
                }
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Python, or nothing where there is none; with `CI` set its absence is a failure.
pub(crate) fn has_python() -> bool {
    let found = Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(
        found || std::env::var("CI").as_deref() != Ok("true"),
        "python3 is missing, and CI must not skip the oracle"
    );
    if !found {
        skipped_for_want_of_python();
    }
    found
}

#[expect(clippy::print_stderr, reason = "a skipped test must be heard")]
fn skipped_for_want_of_python() {
    eprintln!("SKIPPED: python3 is missing, so nothing was compared with the oracle");
}
