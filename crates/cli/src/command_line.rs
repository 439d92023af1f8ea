//! From what was typed to [`Arguments`]: `borehole SOURCE` is `borehole analyze SOURCE`, and borehole.toml stands in
//! for what was not typed.
//!
//! In: the words of the command line, and the configuration that is found for them. Out: arguments, with every
//! default checked as if it had been typed. Always: what was typed wins; a default that contradicts it is left out; what
//! the file adds is told on stderr. Absent: reading the file (see `config`), and opening any source.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use borehole_record::key;
use clap::error::ErrorKind;
use clap::{ArgMatches, Command, FromArgMatches};

use crate::args::{self, Arguments};
use crate::config::{self, Config};
use crate::exit::{UsageError, escaped};
use crate::places::{input_directory, is_url_or_name};

/// Where the command stands among the words: options of the program itself are `--help` and `--version` alone.
const COMMAND_AT: usize = 1;

/// The commands that the configuration completes. Those that write to places of their own, or ask for money, are to be
/// told everything.
const COMPLETED: [&str; 8] = ["analyze", "ticket", "quota", "export", "compare", "ls", "find", "doctor"];

/// Of them, those that are asked about a place by default.
const WITH_DEFAULT_SOURCE: [&str; 7] = ["analyze", "ticket", "quota", "export", "ls", "find", "doctor"];

/// Options that mean the same as in `borehole analyze` nowhere else.
const OF_ANALYZE: [&str; 3] = ["by", "top", "rank"];

/// Options that are about buckets: a directory is read whole, with the payloads that lie in it.
const OF_BUCKETS: [&str; 2] = ["last", "large-data"];

/// Why there are no arguments.
pub(crate) enum Refusal {
    /// What clap says, or the help that was asked for.
    Clap(Box<clap::Error>),
    /// What the configuration has wrong.
    Ours(anyhow::Error),
}

impl From<clap::Error> for Refusal {
    fn from(error: clap::Error) -> Self {
        Refusal::Clap(Box::new(error))
    }
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Refusal::Ours(error)
    }
}

/// Reads the words of the command line, the program's name first.
///
/// # Errors
/// Where they are no command line, or the configuration is none.
pub(crate) fn read(mut typed: Vec<OsString>) -> Result<Arguments, Refusal> {
    let command = args::command();
    if means_analyze(&typed, &command) {
        typed.insert(COMMAND_AT, "analyze".into());
    }
    let matches = command.clone().try_get_matches_from(&typed)?;
    let completed = match matches.subcommand() {
        Some((name, chosen)) if COMPLETED.contains(&name) => complete(&typed, &command, name, chosen)?,
        _ => None,
    };
    let matches = match completed {
        Some(completed) => command.try_get_matches_from(completed)?,
        None => matches,
    };
    Ok(Arguments::from_arg_matches(&matches)?)
}

/// Whether the first word is a SOURCE and no command: a place that is there, a URL, `-`, or a name.
fn means_analyze(typed: &[OsString], command: &Command) -> bool {
    let Some(first) = typed.get(COMMAND_AT) else { return false };
    let Some(first) = first.to_str() else { return Path::new(first).exists() };
    if first == "-" || config::is_url(first) {
        return true;
    }
    let is_command = first == "help" || command.find_subcommand(first).is_some();
    if is_command || first.is_empty() || first.starts_with('-') {
        return false;
    }
    if Path::new(first).exists() {
        return true;
    }
    // No command has a `/`, and no name of a source is anything but a word.
    if first.contains('/') || !config::is_name(first) {
        return first.contains('/');
    }
    let (file, none) = config_options(typed);
    // A file that cannot be read is no answer here: `analyze` tells what is wrong with it.
    !none && Config::find(file.as_deref(), &[]).map_or(true, |config| config.named(first).is_some())
}

/// The values of `--config` and `--no-config` among words that nobody has taken apart yet.
fn config_options(typed: &[OsString]) -> (Option<PathBuf>, bool) {
    let mut file = None;
    let words: Vec<&str> =
        typed.iter().filter_map(|word| word.to_str()).take_while(|word| *word != "--").collect();
    for (at, word) in words.iter().enumerate() {
        let value =
            if *word == "--config" { words.get(at + 1).copied() } else { word.strip_prefix("--config=") };
        file = value.map(PathBuf::from).or(file);
    }
    (file, words.contains(&"--no-config"))
}

/// The words with what the configuration adds to them; `None` where it adds nothing.
fn complete(
    typed: &[OsString],
    command: &Command,
    name: &str,
    chosen: &ArgMatches,
) -> anyhow::Result<Option<Vec<OsString>>> {
    let strings = |id: &str| -> Vec<String> {
        let values = chosen.try_get_many::<String>(id).ok().flatten();
        values.map(|values| values.cloned().collect()).unwrap_or_default()
    };
    if flag(chosen, "no_config") || flag(chosen, "init") {
        return Ok(None);
    }
    let (sources, large_data) = (strings("sources"), strings("large_data"));
    let mapped = strings("map").into_iter().filter_map(|map| Some(map.split_once('=')?.1.to_owned()));
    let mut inputs: Vec<PathBuf> = sources.iter().filter_map(|source| input_directory(source)).collect();
    inputs.extend(large_data.iter().cloned().chain(mapped).map(PathBuf::from).filter(|path| path.is_dir()));
    let named = chosen.try_get_one::<PathBuf>("config").ok().flatten();
    let config = Config::find(named.map(PathBuf::as_path), &inputs)?;
    let Some(file) = config.file() else { return Ok(None) };

    let mut words = typed.to_vec();
    let mut told = Vec::new();
    let asks_a_file = chosen.try_contains_id("logging_config").unwrap_or(false);
    let takes_default = sources.is_empty() && WITH_DEFAULT_SOURCE.contains(&name) && !asks_a_file;
    let added: &[String] = if takes_default { config.default_sources() } else { &[] };
    if !added.is_empty() {
        check_directories(&config, file)?;
        words.extend(added.iter().map(OsString::from));
        told.push(added.join(" "));
    }
    let sources = if added.is_empty() { &sources } else { added };
    let options = command.find_subcommand(name);
    for setting in config.settings() {
        let option = options.and_then(|options| {
            options.get_arguments().find(|known| known.get_long() == Some(setting.option))
        });
        let Some(option) = option else { continue };
        let is_typed =
            chosen.value_source(option.get_id().as_str()) == Some(clap::parser::ValueSource::CommandLine);
        let is_of_others = OF_ANALYZE.contains(&setting.option) && name != "analyze";
        let is_of_buckets = OF_BUCKETS.contains(&setting.option);
        let reads_paths = !sources.iter().all(|source| is_url_or_name(source)) && added.is_empty();
        let has_dates = sources.iter().any(|source| key::date_tail(source).is_some());
        let does_not_fit = (is_of_buckets && reads_paths)
            || (setting.option == "last" && has_dates)
            // A dataset belongs to its sources.
            || (setting.option == "dataset" && added.is_empty());
        if is_typed || is_of_others || does_not_fit {
            continue;
        }
        let option_words: Vec<String> =
            setting.values.iter().map(|value| format!("--{}={value}", setting.option)).collect();
        // Behind the command, and so before any `--`.
        let mut tried = words.clone();
        let behind = COMMAND_AT + 1;
        tried.splice(behind..behind, option_words.iter().map(OsString::from));
        match command.clone().try_get_matches_from(&tried) {
            Ok(_) => {
                words = tried;
                told.extend(setting.values.iter().map(|value| format!("--{} {value}", setting.option)));
            }
            // What was typed excludes it: `--from` and a default of `last`.
            Err(error) if error.kind() == ErrorKind::ArgumentConflict => {}
            Err(_) => return Err(config.refuse(&setting)),
        }
    }
    if told.is_empty() {
        return Ok(None);
    }
    if !flag(chosen, "quiet") {
        tell!("note: {} says {}", escaped(&file.display().to_string()), escaped(&told.join(", ")));
    }
    Ok(Some(words))
}

/// A configuration may not vouch for the directory that it lies in, unless the operator named it.
fn check_directories(config: &Config, file: &Path) -> anyhow::Result<()> {
    let directories = config.default_directories();
    let shown = directories.iter().filter_map(|directory| directory.to_str());
    let inputs: Vec<PathBuf> = shown.filter_map(input_directory).collect();
    if config.is_named() || !config::lies_in(file, &inputs) {
        return Ok(());
    }
    let message = format!("{} lies in what is being analysed", file.display());
    Err(UsageError { message, hint: Some("if it is yours, name it: --config FILE") }.into())
}

fn flag(chosen: &ArgMatches, id: &str) -> bool {
    chosen.try_get_one::<bool>(id).ok().flatten().copied().unwrap_or(false)
}
