//! The command line.

use std::path::PathBuf;

use borehole_record::{Timestamp, time};
use borehole_scan::Resolve;
use borehole_usage::{Dimension, Grain, ListKind};
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Offline analytics for Amazon Bedrock model invocation logs.
///
/// Reads logs from S3 buckets or from a downloaded dump and answers what a quota ticket, a bill or an incident
/// asks: tokens and requests per minute, steady state and peak, distributions, errors and throttles, latency,
/// callers, and which quota would have been enough. Prompts and answers never appear in any output.
#[derive(Debug, Parser)]
#[command(name = "borehole", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Analyze(Box<Analyze>),
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
    Synth(Synth),
}

/// The main job: health, usage by account, Region, model and scope, peaks, histograms, errors, latency.
///
/// SOURCE is s3://BUCKET[/PREFIX], a directory, a file, `-`, or a name from borehole.toml; several may be given. A
/// date at the end, as in s3://BUCKET/2024/03/11, is a range of time over what stands before it, in either layout.
/// Without any range a bucket is read for the last 14 days.
///
/// Exit codes: 0 complete, 2 wrong arguments, 3 the report was written but is incomplete, 4 no answer,
/// 5 nothing matched.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  borehole analyze dump/\n  borehole analyze s3://bedrock-logs-mcp/2024/03/11 --large-data s3://bedrock-large-data-mcp\n  borehole analyze dump/2024/03/11 --format json\n  borehole analyze dump/ --by identity --from 2024-03-11 --to 2024-03-12\n  borehole analyze logs/ --large-data payloads/ --list high-token -o report.json\n  zcat export.gz | borehole analyze -"
)]
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
    /// What to write to stdout [default: text, or nothing with -o]
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Output")]
    pub format: Option<Format>,
    /// Write a report file; its extension (json, txt; csv, parquet, ndjson for the groups as a table) says the format; repeatable
    #[arg(short = 'o', long = "output", value_name = "FILE", help_heading = "Output")]
    pub outputs: Vec<PathBuf>,
    /// Write key, offset and reason of every loss, one JSON object a line
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub rejects: Option<PathBuf>,
    /// Replace existing output files
    #[arg(long, help_heading = "Output")]
    pub force: bool,
    /// Say after the report how each of its figures is computed
    #[arg(long, help_heading = "Report")]
    pub explain: bool,
    /// Applied quotas, to show beside what was used: the JSON of `aws service-quotas list-service-quotas
    /// --service-code bedrock`, a file or a directory of them; repeatable
    #[arg(long, value_name = "FILE|DIR", help_heading = "Counting")]
    pub service_quotas: Vec<PathBuf>,
}

/// Makes a seeded synthetic dump with its own exact tally in DIR/truth.json.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  borehole synth /tmp/day --requests 50000\n  borehole synth /tmp/split --layout split --requests 2000 --seed 7 --from 2024-03-11 --to 2024-03-12"
)]
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

/// Bytes of a size like `256MiB`; a plain number is bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || "expected bytes, or a number with KiB, MiB or GiB".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let count: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let shift = match &text[digits..] {
        "" | "B" => 0,
        "K" | "KiB" | "k" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        _ => return Err(wrong()),
    };
    count.checked_mul(1 << shift).ok_or_else(wrong)
}
