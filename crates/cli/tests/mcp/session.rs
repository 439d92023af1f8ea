//! Sessions of real clients with a server of ours.
//!
//! In: sources, options and what is asked. Out: what the client saw. Always: the server has a dataset, a cache and a
//! configuration of its own; nothing but frames stood on its stdout; every answer was held against the tool's output
//! schema by the client; the server ended by itself, with 0, once the client had left. Absent: a client of ours.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use borehole_testbed::{mcp_inspector_or_skip, mcp_sdk_or_skip};
use serde_json::{Map, Value, json};

use crate::support::{Dump, NOW, Run, borehole, repository, run, run_with};

/// How long the server may take to end once its client has left. It takes a second; this is for a machine that builds
/// at the same time.
const LEAVING_SECONDS_MAX: f64 = 10.0;

/// A server's command line, and where it keeps what it has read.
pub(crate) struct Server {
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    home: Dump,
    directory: PathBuf,
    mode: &'static str,
}

/// The names of the ten tools, in the order of the documentation.
pub(crate) const TOOLS: [&str; 10] = [
    "bedrock_get_model_stats",
    "bedrock_analyze_requests",
    "bedrock_get_token_metrics",
    "s3_object_list",
    "s3_object_read",
    "s3_restore_object",
    "cloudwatch_get_logs",
    "bedrock_ticket",
    "bedrock_quota",
    "bedrock_find_request",
];

impl Server {
    /// `borehole serve-mcp SOURCES`, at the moment that fixtures call now unless another is said.
    pub(crate) fn of<S: AsRef<str>>(sources: &[S]) -> Server {
        let home = Dump::new();
        let mut arguments: Vec<String> = sources.iter().map(|source| source.as_ref().to_owned()).collect();
        arguments.extend(["--dataset".to_owned(), home.at("dataset")]);
        Server { arguments, variables: Vec::new(), home, directory: repository(), mode: "legacy" }
    }

    /// The same with more options.
    pub(crate) fn with(mut self, options: &[&str]) -> Server {
        self.arguments.extend(options.iter().map(|&option| option.to_owned()));
        self
    }

    /// The same started in a directory.
    pub(crate) fn within(mut self, directory: &Path) -> Server {
        directory.clone_into(&mut self.directory);
        self
    }

    /// The same with a variable of the environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Server {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same for a client that asks for the newest revision of the protocol, which has no `initialize`.
    pub(crate) fn discovered(mut self) -> Server {
        self.mode = "auto";
        self
    }

    /// The command, and the variables that it runs with besides those that a client hands down.
    fn command(&self) -> (Vec<String>, BTreeMap<String, String>) {
        let command = borehole();
        let plain = |text: &std::ffi::OsStr| text.to_str().expect("plain words").to_owned();
        let mut variables: BTreeMap<String, String> =
            command.get_envs().filter_map(|(name, value)| Some((plain(name), plain(value?)))).collect();
        variables.insert("XDG_CACHE_HOME".to_owned(), self.home.at("cache"));
        variables.extend(self.variables.iter().cloned());
        let words = [plain(command.get_program()), "serve-mcp".to_owned()];
        let is_now_said = self.arguments.iter().any(|argument| argument == "--now");
        let now = if is_now_said { &[][..] } else { &["--now".to_owned(), NOW.to_owned()] };
        (words.iter().chain(&self.arguments).chain(now).cloned().collect(), variables)
    }

    /// A session of the Python SDK's client: one answer for each step. Nothing where the client cannot be had.
    #[track_caller]
    pub(crate) fn session(&self, steps: Vec<Value>) -> Option<Seen> {
        let mut python = mcp_sdk_or_skip()?;
        let (command, variables) = self.command();
        let script = json!({
            "command": command, "env": variables, "directory": self.directory, "mode": self.mode, "steps": steps,
        });
        let client = repository().join("crates/cli/tests/mcp/client.py");
        let run = run_with(python.arg("-B").arg(client), script.to_string().as_bytes()).ends(0);
        let mut seen = run.json();
        let mut take = |name: &str| seen[name].take();
        assert_eq!(take("noise"), json!([]), "stdout holds more than frames\n{}", run.err);
        let ended = take("ended");
        let seconds = ended["seconds"].as_f64().expect("seconds");
        assert!(ended["code"] == 0 && seconds < LEAVING_SECONDS_MAX, "{ended}\n{}", run.err);
        let Value::Array(answers) = take("answers") else { panic!("no answers") };
        Some(Seen { said: take("said"), answers, talk: run.err, seconds_to_end: seconds })
    }

    /// The answers to calls, each complete.
    #[track_caller]
    pub(crate) fn ask(&self, calls: &[(&str, Value)]) -> Option<Vec<Value>> {
        let steps = calls.iter().map(|(tool, arguments)| call(tool, arguments.clone())).collect();
        Some(self.session(steps)?.answers.iter().map(complete).collect())
    }

    /// What the inspector prints for a method. Nothing where it cannot be had.
    pub(crate) fn inspect(&self, options: &[&str]) -> Option<Run> {
        let mut inspector = mcp_inspector_or_skip()?;
        let (command, variables) = self.command();
        inspector.args(options).args(["--format", "json", "--quiet"]);
        for (name, value) in variables {
            inspector.args(["-e", &format!("{name}={value}")]);
        }
        // What it keeps of servers and sign-ins is no business of a test.
        inspector.env("HOME", self.home.path()).current_dir(&self.directory);
        Some(run(inspector.arg("--").args(command)))
    }
}

/// What a client saw.
pub(crate) struct Seen {
    /// What the server said of itself.
    pub(crate) said: Value,
    /// One for each step.
    pub(crate) answers: Vec<Value>,
    /// What the server and the client wrote to stderr.
    pub(crate) talk: String,
    /// From when the client left until the server had ended.
    pub(crate) seconds_to_end: f64,
}

/// A call.
pub(crate) fn call(tool: &str, arguments: Value) -> Value {
    json!({"do": "call", "tool": tool, "arguments": arguments})
}

/// The structured content of an answer that is no error, which is in its text, too.
#[track_caller]
pub(crate) fn structured(answer: &Value) -> Value {
    assert!(answer["is_error"] == false && answer.get("invalid").is_none(), "{answer}");
    let content = answer["content"].as_array().expect("content");
    assert!(content.len() == 1 && content[0]["type"] == "text", "one block of text: {answer}");
    let text = content[0]["text"].as_str().expect("a text");
    let said: Value = serde_json::from_str(text).expect("the text is JSON");
    assert_eq!(said, answer["structured"], "the text says the same");
    assert!(!text.contains("\": ") && !text.contains('\n'), "compact: {text}");
    said
}

/// The same of an answer that is complete.
#[track_caller]
pub(crate) fn complete(answer: &Value) -> Value {
    let said = structured(answer);
    assert_eq!(said["status"], "complete", "{said}");
    said
}

/// The words of an answer that is an error.
#[track_caller]
pub(crate) fn error_of(answer: &Value) -> String {
    assert!(answer["is_error"] == true && answer["structured"].is_null(), "{answer}");
    answer["content"][0]["text"].as_str().expect("a text").to_owned()
}

/// Arguments about a model in a Region.
pub(crate) fn about(model: &str, region: &str, more: Value) -> Value {
    let mut arguments =
        Map::from_iter([("model_id".to_owned(), model.into()), ("region".to_owned(), region.into())]);
    arguments.extend(more.as_object().cloned().unwrap_or_default());
    arguments.into()
}

/// `python3 SCRIPT` of this folder, which knows nothing of the program: JSON on stdin, JSON on stdout.
pub(crate) fn oracle(script: &str, question: &Value) -> Option<Value> {
    if !crate::support::has_python() {
        return None;
    }
    let mut python = Command::new("python3");
    python.arg("-B").arg(repository().join("crates/cli/tests/mcp").join(script));
    Some(run_with(&mut python, question.to_string().as_bytes()).ends(0).json())
}
