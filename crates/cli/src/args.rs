//! The command line.

use std::path::PathBuf;

use borehole_record::{Timestamp, time};
use borehole_scan::Resolve;
use borehole_usage::{Dimension, Grain, ListKind, UnknownWord};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

/// Offline analytics for Amazon Bedrock model invocation logs.
///
/// Reads logs from S3 buckets or from a downloaded dump and answers what a quota ticket, a bill or an incident
/// asks: tokens and requests per minute, steady state and peak, distributions, errors and throttles, latency,
/// callers, and which quota would have been enough. Prompts and answers never appear in any output.
#[derive(Debug, Parser)]
#[command(
    name = "borehole",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "Examples:
  # What a downloaded dump shows: short for borehole analyze dump/
  borehole dump/
  # One day of a bucket
  borehole s3://bedrock-logs-mcp/2024/03/11 --large-data s3://bedrock-large-data-mcp
  # What a bucket holds, and whether it can be read
  borehole ls s3://bedrock-logs-mcp
  borehole doctor s3://bedrock-logs-mcp

SOURCE is s3://BUCKET[/PREFIX], a directory, a file, - for standard input, or a name of borehole.toml.
borehole COMMAND --help says more, with examples; borehole man prints the manual."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Analyze(Box<Analyze>),
    Report(crate::report::ReportArgs),
    Compare(Box<crate::compare::CompareArgs>),
    Ticket(Box<crate::ticket::Ticket>),
    Quota(Box<crate::quota::Quota>),
    Export(Box<crate::export::Export>),
    Rules(crate::rules::RulesArgs),
    Ls(crate::ls::Ls),
    Find(crate::find::Find),
    Pull(crate::pull::Pull),
    Restore(crate::restore::Restore),
    Doctor(crate::doctor::Doctor),
    Dataset(crate::dataset::DatasetArgs),
    ServeMcp(Box<crate::serve_mcp::ServeMcp>),
    Synth(Synth),
    Completions(crate::completions::Completions),
    Man(crate::man::Man),
}

/// The commands by what they are for, with what each does, short enough for one line.
type Group = (&'static str, &'static [(&'static str, &'static str)]);

const GROUPS: [Group; 4] = [
    (
        "Answer",
        &[
            ("analyze", "what was used, peaks, errors, latency, callers; the main job"),
            ("ticket", "the request for a larger quota, filled in, with its evidence"),
            ("quota", "the smallest quota that would have been enough; what-ifs"),
            ("compare", "what changed between two periods or reports"),
            ("report", "a report's JSON in another form, without the logs"),
        ],
    ),
    (
        "Look",
        &[
            ("ls", "what a prefix holds; nothing is read"),
            ("find", "every object of one request"),
            ("doctor", "can it be read? which permission is missing?"),
            ("rules", "the dated rules that tokens are counted by"),
        ],
    ),
    (
        "Keep",
        &[
            ("pull", "download days of logs with their payloads"),
            ("restore", "what lies in an archive tier; ask for it"),
            ("export", "requests, minutes or groups as Parquet, CSV or NDJSON"),
            ("dataset", "what is kept between runs: info, verify, vacuum"),
        ],
    ),
    (
        "Other",
        &[
            ("serve-mcp", "an assistant's questions over the Model Context Protocol"),
            ("synth", "made-up logs with their own exact tally"),
            ("completions", "completions for bash, zsh, fish, elvish, powershell"),
            ("man", "manual pages"),
            ("help", "this text, or that of a command"),
        ],
    ),
];

/// The command line, with an overview of the commands in groups.
pub(crate) fn command() -> clap::Command {
    let command = Arguments::command();
    let mut overview = String::new();
    for (heading, commands) in GROUPS {
        overview.push_str(&format!("{heading}:\n"));
        for (name, does) in commands {
            overview.push_str(&format!("  {name:<12} {does}\n"));
        }
        overview.push('\n');
    }
    command
        .override_usage("borehole SOURCE... [OPTIONS]\n       borehole COMMAND ...")
        .help_template(format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{overview}Options:\n{{options}}{{after-help}}"))
}

/// The main job: health, usage by account, Region, model and scope, peaks, histograms, errors, latency.
///
/// SOURCE is s3://BUCKET[/PREFIX], a directory, a file, `-`, or a name from borehole.toml; several may be given. A
/// date at the end, as in s3://BUCKET/2024/03/11, is a range of time over what stands before it, in either layout.
/// Without any range a bucket is read for the last 14 days.
///
/// Without any SOURCE, defaults.source of borehole.toml is meant. `borehole SOURCE` is the same command.
///
/// Exit codes: 0 complete, 2 wrong arguments, 3 the report was written but is incomplete, 4 no answer,
/// 5 nothing matched, 6 a --fail-if condition holds or cannot be told.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # A downloaded dump, on the screen
  borehole analyze dump/
  # One day of a bucket, with the payloads that lie in another
  borehole analyze s3://bedrock-logs-mcp/2024/03/11 --large-data s3://bedrock-large-data-mcp
  # The last two weeks of a source of borehole.toml, as JSON
  borehole analyze prod --last 14d -o report.json
  # Who used how much on one day
  borehole analyze dump/ --by identity --from 2024-03-11 --to 2024-03-12
  # One model in one Region, by the hour
  borehole analyze dump/ --model anthropic.claude-3-haiku-20240307-v1:0 --region us-east-1 --by hour
  # The requests with the largest prompts
  borehole analyze dump/ --list high-token --list-max 10
  # For cron: exit code 6 where more than 0.5 % were throttled, or anything is missing
  borehole analyze dump/ -q --fail-if 'throttled>0.5%' --fail-if incomplete
  # Records from anywhere
  zcat export.gz | borehole analyze -")]
pub(crate) struct Analyze {
    #[command(flatten)]
    pub gather: crate::gather::GatherArgs,

    /// Dimensions of the groups: account, region, model, scope, identity, role, session, operation, error,
    /// inference-region, content-kind, tag:KEY, hour, day, minute
    #[arg(
        long,
        value_name = "DIMENSIONS",
        value_delimiter = ',',
        default_value = "account,region,model,scope",
        help_heading = "Report"
    )]
    pub by: Vec<Dimension>,
    /// Give the series of tokens and requests (JSON): minute, hour or day
    #[arg(long, value_name = "GRAIN", help_heading = "Report")]
    pub series: Option<Grain>,
    /// Most groups to give
    #[arg(long, value_name = "N", help_heading = "Report")]
    pub top: Option<usize>,
    /// List the requests themselves: high-token, errors or large; never their text
    #[arg(long, value_name = "KIND", help_heading = "Report")]
    pub list: Option<ListKind>,
    /// Most requests to list
    #[arg(long, value_name = "N", default_value_t = 50, help_heading = "Report")]
    pub list_max: usize,
    /// Keep times before 2023 and after tomorrow in series and peaks
    #[arg(long, help_heading = "Report")]
    pub include_outliers: bool,
    /// Write key, offset and reason of every loss, one JSON object a line
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub rejects: Option<PathBuf>,
    /// Say after the report how each of its figures is computed
    #[arg(long, help_heading = "Report")]
    pub explain: bool,
    /// Rank the values of these, with their part in the largest minute: identity, role, session, operation, tag:KEY and
    /// the like, or none [default: identity for a page, else none]
    #[arg(long, value_name = "DIMENSIONS", help_heading = "Report")]
    pub rank: Option<Rank>,
    /// Put the data of a page into the JSON, so that `borehole report` can make a page with filters of it
    #[arg(long, help_heading = "Report")]
    pub cube: bool,
    /// What a page should stay within: distributions of shorter ranges of hours take more
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = "3MB", help_heading = "Report")]
    pub page_size: u64,
    /// Applied quotas, to show beside what was used: the JSON of `aws service-quotas list-service-quotas
    /// --service-code bedrock`, a file or a directory of them; repeatable
    #[arg(long, value_name = "FILE|DIR", help_heading = "Counting")]
    pub service_quotas: Vec<PathBuf>,
    /// End with exit code 6 where this holds, as in 'throttled>0.5%', 'any:latency_p99>=30s' or incomplete; repeatable
    #[arg(long, value_name = "CONDITION", help_heading = "Output")]
    pub fail_if: Vec<crate::fail_if::Condition>,
    #[command(flatten)]
    pub output: crate::render::OutputArgs,
}

/// Makes a seeded synthetic dump with its own exact tally in DIR/truth.json.
///
/// Exit codes: 0 written, 2 wrong arguments, 4 it cannot be written.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # A day with 50,000 requests
  borehole synth /tmp/day --requests 50000
  # The split layout, the same every time
  borehole synth /tmp/split --layout split --requests 2000 --seed 7")]
pub(crate) struct Synth {
    /// A directory that is empty or does not exist
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// The layout of the keys
    #[arg(long, value_enum, default_value = "aws")]
    pub layout: LayoutWord,
    /// Requests to make
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub requests: u64,
    /// The same seed makes the same dump
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// First hour
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "2024-03-11")]
    pub from: Timestamp,
    /// End, not included
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "2024-03-12")]
    pub to: Timestamp,
    /// Accounts
    #[arg(long, value_name = "N")]
    pub accounts: Option<u32>,
    /// Regions
    #[arg(long, value_name = "REGIONS", value_delimiter = ',')]
    pub regions: Vec<String>,
    /// Size of the records: small (about 5 KB) or mixed (1 to 100 KB, some offloaded)
    #[arg(long, value_enum, default_value = "mixed")]
    pub profile: ProfileWord,
    /// Add bad lines and documents that belong to nothing: the report is then incomplete
    #[arg(long)]
    pub dirty: bool,
    /// No talk on stderr
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LayoutWord {
    Aws,
    Split,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ProfileWord {
    Small,
    Mixed,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ResolveWord {
    /// None
    Never,
    /// Those that can give a token count which the record lacks
    Counts,
    /// All, for their facts
    Facts,
    /// All, to see that each can be read
    All,
}

impl From<ResolveWord> for Resolve {
    fn from(word: ResolveWord) -> Self {
        match word {
            ResolveWord::Never => Resolve::Never,
            ResolveWord::Counts => Resolve::Counts,
            ResolveWord::Facts => Resolve::Facts,
            ResolveWord::All => Resolve::All,
        }
    }
}

/// What `--rank` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rank(pub Vec<Dimension>);

impl std::str::FromStr for Rank {
    type Err = String;

    fn from_str(words: &str) -> Result<Self, String> {
        if words == "none" {
            return Ok(Rank(Vec::new()));
        }
        let dimension = |word: &str| {
            let dimension: Dimension = word.parse().map_err(|error: UnknownWord| error.to_string())?;
            let can_rank = dimension.can_rank();
            can_rank.then_some(dimension).ok_or_else(|| format!("{word} cannot be ranked"))
        };
        words.split(',').map(dimension).collect::<Result<_, _>>().map(Rank)
    }
}

pub(crate) fn parse_time(text: &str) -> Result<Timestamp, String> {
    let span = time::parse_range_end(text);
    span.map(|(start, _)| start).ok_or_else(|| {
        "expected RFC 3339 (2024-03-11T07:00:00Z), a date (2024-03-11) or a folder (2024/03/11/07)".to_owned()
    })
}

/// One thread per core, where nobody says how many.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// Seconds of a span like `14d`.
pub(crate) fn parse_span(text: &str) -> Result<i64, String> {
    let wrong = || "expected a number and m, h, d or w, as in 14d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let count: i64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    count.checked_mul(seconds).filter(|&span| span > 0 && span < 1 << 40).ok_or_else(wrong)
}

/// Bytes of a size like `256MiB` or `250MB`; a plain number is bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || "expected bytes, or a number with kB, MB, GB, KiB, MiB or GiB".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let count: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = match &text[digits..] {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "K" | "KiB" | "k" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    count.checked_mul(unit).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command with its whole name: `borehole dataset info`.
    fn all(command: &clap::Command, name: &str, found: &mut Vec<(String, clap::Command)>) {
        found.push((name.to_owned(), command.clone()));
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            all(inner, &format!("{name} {}", inner.get_name()), found);
        }
    }

    fn commands() -> Vec<(String, clap::Command)> {
        let mut found = Vec::new();
        all(&command(), "borehole", &mut found);
        assert!(found.len() > 15, "the walk has lost the commands");
        found
    }

    /// The words of a command as a shell takes them apart; of a pipe, those of its end. Examples quote with `'` only.
    fn words(line: &str) -> Vec<String> {
        let line = line.rsplit(" | ").find(|part| part.starts_with("borehole")).unwrap_or(line);
        let line = line.split(" > ").next().unwrap_or(line);
        let mut words = vec![String::new()];
        for (index, part) in line.split('\'').enumerate() {
            for (at, piece) in part.split(' ').enumerate() {
                if index % 2 == 0 && at > 0 {
                    words.push(String::new());
                }
                let last = words.last_mut().expect("it began with one");
                if index % 2 == 1 && at > 0 {
                    last.push(' ');
                }
                last.push_str(piece);
            }
        }
        words
    }

    #[test]
    fn clap_finds_nothing_wrong_with_the_command_line() {
        command().debug_assert();
    }

    #[test]
    fn every_command_is_in_the_overview_with_words_of_its_own() {
        let shown = command().render_help().to_string();
        for inner in command().get_subcommands() {
            let is_shown =
                GROUPS.iter().flat_map(|(_, commands)| *commands).any(|(name, _)| *name == inner.get_name());
            assert!(is_shown, "{} is in no group", inner.get_name());
            assert!(shown.contains(&format!("\n  {:<12} ", inner.get_name())), "{shown}");
        }
        let longest = shown.lines().map(|line| line.chars().count()).max();
        assert!(longest.is_some_and(|longest| longest <= 110), "{shown}");
    }

    #[test]
    fn every_command_shows_examples_and_each_is_a_command_line() {
        for (name, known) in commands() {
            let after = known.get_after_help().map(ToString::to_string).unwrap_or_default();
            let lines: Vec<&str> = after.lines().filter_map(|line| line.strip_prefix("  ")).collect();
            let (notes, examples): (Vec<&str>, Vec<&str>) =
                lines.iter().partition(|line| line.starts_with("# "));
            assert!(after.starts_with("Examples:\n") && !examples.is_empty(), "{name} has no examples");
            // Longer ones would be broken where the help is, and could not be copied.
            assert!(lines.iter().all(|line| line.chars().count() <= 98), "{name}: {after}");
            assert!(!notes.is_empty() && notes.len() <= examples.len(), "{name}: {after}");
            for example in examples.iter().map(|example| example.replace("source <(borehole", "borehole")) {
                let typed = words(example.trim_end_matches(')'));
                let read = crate::command_line::read(typed.iter().map(Into::into).collect());
                if let Err(crate::command_line::Refusal::Clap(error)) = read {
                    // `borehole dump/` is a source only where there is such a directory.
                    panic!("{example}: {error}");
                }
            }
        }
    }

    #[test]
    fn every_option_says_what_it_is_for() {
        for (name, known) in commands() {
            let visible = known.get_arguments().filter(|argument| !argument.is_hide_set());
            for argument in visible.filter(|argument| argument.get_id() != "help") {
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(!help.is_empty(), "{name} {}: no help", argument.get_id());
                assert!(!help.ends_with('.'), "{name} {}: {help}", argument.get_id());
            }
            let about = known.get_about().map(ToString::to_string).unwrap_or_default();
            let long = known.get_long_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty(), "{name} says nothing of itself");
            let is_leaf = known.get_subcommands().all(|inner| inner.get_name() == "help");
            assert!(!is_leaf || format!("{about}{long}").contains("Exit codes: 0"), "{name}: no exit codes");
        }
    }
}
