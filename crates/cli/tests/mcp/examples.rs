//! What the documentation shows of a conversation is what is said in one.
//!
//! In: README.md and docs/mcp.md. Out: nothing. Always: a block of JSON with a `name` and `arguments` is a call, and the
//! block after it the answer, of which `…` may stand for any part: fields of an object, elements of a list, the end of
//! a text. Absent: any other block, and the tool that asks S3, which a test of a bucket calls.

use serde_json::Value;

use crate::session::Server;
use crate::support::{Dump, borehole, repository, run};

/// A call and what is shown of its answer.
struct Example {
    tool: String,
    arguments: Value,
    shown: Value,
}

/// The examples of a text.
fn examples(text: &str) -> Vec<Example> {
    let blocks: Vec<&str> =
        text.split("```json\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect();
    let call_and_answer = |pair: &[&str]| {
        let call: Value = serde_json::from_str(pair[0]).ok()?;
        let (tool, arguments) = (call.get("name")?.as_str()?.to_owned(), call.get("arguments")?.clone());
        Some(Example { tool, arguments, shown: with_ellipses(pair[1]) })
    };
    let is_of_a_dump = |example: &Example| example.tool != "s3_restore_object";
    blocks.windows(2).filter_map(call_and_answer).filter(is_of_a_dump).collect()
}

/// JSON in which `…` outside of texts is a field or an element of that name.
fn with_ellipses(text: &str) -> Value {
    let (mut json, mut open, mut is_text, mut is_escaped) = (String::new(), Vec::new(), false, false);
    for character in text.chars() {
        match character {
            _ if is_text => {
                is_text = character != '"' || is_escaped;
                is_escaped = character == '\\' && !is_escaped;
            }
            '"' => is_text = true,
            '{' | '[' => open.push(character),
            '}' | ']' => drop(open.pop()),
            '…' => {
                json.push_str(if open.last() == Some(&'{') { "\"…\": 0" } else { "\"…\"" });
                continue;
            }
            _ => {}
        }
        json.push(character);
    }
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// Where what is shown is not what was said.
fn difference(path: &str, shown: &Value, said: &Value) -> Option<String> {
    match (shown, said) {
        (Value::Object(shown), Value::Object(said)) => {
            let is_cut = shown.contains_key("…");
            let left_out = said.keys().find(|name| !is_cut && !shown.contains_key(*name));
            if let Some(name) = left_out {
                return Some(format!("{path}/{name} is left out without a word"));
            }
            let mut fields = shown.iter().filter(|(name, _)| *name != "…");
            fields.find_map(|(name, field)| {
                difference(&format!("{path}/{name}"), field, said.get(name).unwrap_or(&Value::Null))
            })
        }
        (Value::Array(shown), Value::Array(said)) => {
            let cut = shown.iter().position(|element| element == "…");
            let (first, last) = cut.map_or((&shown[..], &[][..]), |at| (&shown[..at], &shown[at + 1..]));
            let fits =
                if cut.is_some() { first.len() + last.len() < said.len() } else { first.len() == said.len() };
            if !fits {
                return Some(format!("{path}: {} elements, said were {}", shown.len(), said.len()));
            }
            let ends = said[said.len() - last.len()..].iter();
            let pairs = first.iter().zip(said).chain(last.iter().zip(ends));
            pairs.enumerate().find_map(|(at, (shown, said))| difference(&format!("{path}/{at}"), shown, said))
        }
        (Value::String(shown), Value::String(said)) => {
            let is_same = shown.strip_suffix('…').map_or(shown == said, |start| said.starts_with(start));
            (!is_same).then(|| format!("{path}: {shown:?}, said was {said:?}"))
        }
        _ => (shown != said).then(|| format!("{path}: {shown}, said was {said}")),
    }
}

#[test]
fn examples_are_what_the_server_says() {
    for (file, dump, fewest) in [("README.md", "busy", 4), ("docs/mcp.md", "demo", 9)] {
        let text = std::fs::read_to_string(repository().join(file)).expect("the page is there");
        let examples = examples(&text);
        assert!(examples.len() >= fewest, "{file} has lost its examples");
        let start = format!("borehole synth {dump} ");
        let line = text.lines().find_map(|line| line.trim_start_matches("$ ").strip_prefix(&*start));
        let words =
            line.unwrap_or_else(|| panic!("{file} does not say how its logs were made")).split_whitespace();
        let place = Dump::new();
        run(borehole()
            .current_dir(place.path())
            .args(["synth", dump, "-q"])
            .args(words.filter(|&word| word != "-q")))
        .ends(0);
        let server = Server::of(&[dump]).within(place.path()).with(&["--now", "2026-11-22"]);
        let calls: Vec<(&str, Value)> =
            examples.iter().map(|example| (&*example.tool, example.arguments.clone())).collect();
        let Some(answers) = server.ask(&calls) else { return };
        for (example, answer) in examples.iter().zip(&answers) {
            let difference = difference("", &example.shown, answer);
            assert_eq!(difference, None, "{file}, {}", example.tool);
        }
    }
}

#[test]
fn an_ellipsis_stands_for_what_is_left_out_and_for_nothing_else() {
    let said = serde_json::json!({"a": 1, "b": [1, 2, 3], "c": "long text", "d": {"e": "…"}});
    let is_said = |shown: &str| difference("", &with_ellipses(shown), &said).is_none();
    for shown in [
        r#"{"a": 1, …}"#,
        r#"{…, "c": "long…"}"#,
        r#"{"b": [1, …], …}"#,
        r#"{"b": [1, …, 3], …}"#,
        r#"{"b": […], "d": {…}, …}"#,
        r#"{"d": {"e": "…"}, …}"#,
    ] {
        assert!(is_said(shown), "{shown}");
    }
    for shown in [
        r#"{"a": 1}"#,
        r#"{"a": 2, …}"#,
        r#"{"z": 1, …}"#,
        r#"{"b": [1, 2], …}"#,
        r#"{"b": [2, …], …}"#,
        r#"{"b": [1, 2, 3, …], …}"#,
        r#"{"c": "long", …}"#,
        r#"{"c": "short…", …}"#,
    ] {
        assert!(!is_said(shown), "{shown}");
    }
}
