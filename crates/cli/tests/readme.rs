//! README's promises: what its console blocks show is what the command does, and its flags exist.
//!
//! In: README.md. Out: nothing. Always: each command of a console block runs as written, in a directory that
//! has the repository's `fixtures`; building is left out, since the command is built already. `UPDATE_EXPECT=1`
//! rewrites what is shown. Absent: blocks marked `sh`, which need a bucket or a whole build; of them only the
//! flags are checked.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use support::{Dump, borehole, repository, run};

/// How README starts the command before it is installed.
const BUILD_AND_RUN: &str = "cargo run --release -q -p borehole --";

/// One line of README, and whether it is inside of a console block.
fn marked_lines(text: &str) -> Vec<(&str, bool)> {
    let mut inside = false;
    let mark = |line| {
        let fence = if inside { line == "```" } else { line == "```console" };
        inside ^= fence;
        (line, inside && !fence)
    };
    text.lines().map(mark).collect()
}

fn readme() -> String {
    std::fs::read_to_string(repository().join("README.md")).expect("README.md is there")
}

/// README with the output of each command as it is now.
fn with_outputs_of_now(text: &str) -> String {
    let place = Dump::new();
    std::os::unix::fs::symlink(repository().join("fixtures"), place.path().join("fixtures")).expect("a link");
    let binary = Path::new(env!("CARGO_BIN_EXE_borehole"));
    let folder = binary.parent().expect("the binary lies in a folder").to_str().expect("a plain path");
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap_or_default());
    let mut out = String::new();
    for (line, inside) in marked_lines(text) {
        let command = if inside { line.strip_prefix("$ ") } else { None };
        if inside && command.is_none() {
            continue; // Output of before.
        }
        out.push_str(line);
        out.push('\n');
        if let Some(command) = command {
            let command = command.replace(BUILD_AND_RUN, "borehole");
            let mut shell = borehole_shell();
            shell.arg(format!("exec 2>&1; {command}")).current_dir(place.path()).env("PATH", &path);
            out.push_str(&run(&mut shell).out);
        }
    }
    out
}

/// `bash -c` with nothing in its environment that a report could depend on.
fn borehole_shell() -> Command {
    let mut shell = Command::new("bash");
    shell.arg("-c").env_remove("NO_COLOR").env_remove("TERM");
    shell
}

#[test]
fn every_console_block_shows_what_the_command_does() {
    let text = readme();
    let commands =
        marked_lines(&text).iter().filter(|(line, inside)| *inside && line.starts_with("$ ")).count();
    assert!(commands >= 6, "README has lost its examples");
    let now = with_outputs_of_now(&text);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(repository().join("README.md"), now).expect("README.md can be written");
        return;
    }
    let differs = text.lines().zip(now.lines()).position(|(shown, said)| shown != said);
    if let Some(line) = differs {
        let (shown, said) =
            (text.lines().nth(line).unwrap_or_default(), now.lines().nth(line).unwrap_or_default());
        panic!("README.md line {}: shown {shown:?}, now {said:?}; UPDATE_EXPECT=1 rewrites it", line + 1);
    }
    assert_eq!(text.len(), now.len(), "README.md shows more or less than the commands say");
}

#[test]
fn one_command_builds_and_analyses_and_one_passes_the_tests() {
    let text = readme();
    assert!(text.contains(&format!("$ {BUILD_AND_RUN} analyze fixtures/dumps\n")));
    assert!(text.contains("\ncargo test --workspace\n"));
}

#[test]
fn readme_names_only_flags_that_help_knows() {
    let commands = [
        "analyze",
        "compare",
        "doctor",
        "find",
        "ls",
        "man",
        "pull",
        "quota",
        "report",
        "restore",
        "serve-mcp",
        "synth",
        "ticket",
    ];
    let help = commands.map(|command| run(borehole().args([command, "--help"])).ends(0).out).concat();
    let known = flags(&help);
    // Of the commands `cargo run`, `cargo test` and `cargo install`.
    let foreign = ["--release", "--workspace", "--path"].map(str::to_owned);
    let unknown: Vec<_> = flags(&readme())
        .into_iter()
        .filter(|flag| !known.contains(flag) && !foreign.contains(flag))
        .collect();
    assert!(unknown.is_empty(), "README names {unknown:?}, which no help text has");
}

/// Every `--word` of a text.
fn flags(text: &str) -> BTreeSet<String> {
    let is_part = |character: char| character.is_ascii_lowercase() || character == '-';
    text.split(|character: char| !is_part(character))
        .filter(|word| word.len() > 3 && word.starts_with("--") && !word.starts_with("---"))
        .map(str::to_owned)
        .collect()
}
