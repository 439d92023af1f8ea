//! README's promises: what its console blocks show is what the command does, and its flags exist.
//!
//! In: README.md. Out: nothing. Always: each console block runs as written, in one shell, in a directory that
//! has the repository's `fixtures`; building is left out, since the command is built already. Absent: blocks
//! marked `sh`, which need a bucket or a whole build; of them only the flags are checked.

mod support;

use std::collections::BTreeSet;
use std::process::Command;

use support::{Dump, borehole, repository, run};

/// How README starts the command before it is installed.
const BUILD_AND_RUN: &str = "cargo run --release -q -p borehole --";

/// A command of a console block, and what the block shows below it.
struct Shown {
    command: String,
    output: String,
}

fn readme() -> String {
    std::fs::read_to_string(repository().join("README.md")).expect("README.md is there")
}

fn console_blocks(text: &str) -> Vec<Vec<Shown>> {
    let mut blocks: Vec<Vec<Shown>> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match (inside, line) {
            (false, "```console") => {
                inside = true;
                blocks.push(Vec::new());
            }
            (true, "```") => inside = false,
            (true, line) => {
                let block = blocks.last_mut().expect("a block has begun");
                if let Some(command) = line.strip_prefix("$ ") {
                    block.push(Shown { command: command.to_owned(), output: String::new() });
                } else {
                    let shown = block.last_mut().expect("a block begins with a command");
                    shown.output.push_str(line);
                    shown.output.push('\n');
                }
            }
            (false, _) => {}
        }
    }
    blocks
}

#[test]
fn every_console_block_shows_what_the_command_does() {
    let place = Dump::new();
    std::os::unix::fs::symlink(repository().join("fixtures"), place.path().join("fixtures")).expect("a link");
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_borehole"));
    let folder = binary.parent().expect("the binary lies in a folder").to_str().expect("a plain path");
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap_or_default());
    let blocks = console_blocks(&readme());
    assert!(blocks.len() >= 4, "README has lost its examples");
    for shown in blocks.iter().flatten() {
        let line = shown.command.replace(BUILD_AND_RUN, "borehole");
        let mut shell = Command::new("bash");
        shell.arg("-c").arg(format!("exec 2>&1; {line}")).current_dir(place.path()).env("PATH", &path);
        shell.env_remove("NO_COLOR").env_remove("TERM");
        let run = run(&mut shell);
        assert_eq!(run.out, shown.output, "$ {}\nnow says:\n{}", shown.command, run.out);
    }
}

#[test]
fn one_command_builds_and_analyses_and_one_passes_the_tests() {
    let text = readme();
    assert!(text.contains(&format!("$ {BUILD_AND_RUN} analyze fixtures/dumps\n")));
    assert!(text.contains("\ncargo test --workspace\n"));
}

#[test]
fn readme_names_only_flags_that_help_knows() {
    let help: String = [vec!["--help"], vec!["analyze", "--help"], vec!["synth", "--help"]]
        .iter()
        .map(|arguments| run(borehole().args(arguments)).ends(0).out)
        .collect();
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
