//! A dump without traps, for `benches/compare`: one of which every tool must say the same.
//!
//! In: a directory that does not exist, a layout, a profile and a number of requests. Out: the dump with its
//! `truth.json`. Always: duplicates, late records, strays, failed calls and offloaded bodies are there, as in any dump
//! of `borehole synth`. Absent: shapes that only a reader made for these logs gets right.

use std::path::PathBuf;
use std::process::ExitCode;

use borehole_synth::{Layout, Options, Profile};

const HELP: &str = "untrapped DIR aws|split small|mixed REQUESTS";

#[expect(clippy::print_stderr, reason = "it has nothing else to speak with")]
fn main() -> ExitCode {
    let Some((directory, options)) = arguments(std::env::args().skip(1)) else {
        eprintln!("{HELP}");
        return ExitCode::from(2);
    };
    match borehole_synth::generate(&directory, &options, &mut |_| {}) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", directory.display());
            ExitCode::FAILURE
        }
    }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Option<(PathBuf, Options)> {
    let directory = PathBuf::from(words.next()?);
    let layout = match words.next()?.as_str() {
        "aws" => Layout::Aws,
        "split" => Layout::Split,
        _ => return None,
    };
    let profile = match words.next()?.as_str() {
        "small" => Profile::Small,
        "mixed" => Profile::Mixed,
        _ => return None,
    };
    let requests = words.next()?.parse().ok()?;
    let options = Options { layout, profile, requests, traps: false, ..Options::default() };
    words.next().is_none().then_some((directory, options))
}
