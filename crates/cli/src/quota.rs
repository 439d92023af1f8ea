//! `borehole quota`: the smallest quota that would have been enough, what-ifs, headroom, trials.

use std::path::PathBuf;

use borehole_quota::replay::Limits;
use borehole_report::quota::{Context, QuotaReport};
use borehole_report::text::TextStyle;
use clap::Args;

use crate::args::Format;
use crate::exit::UsageError;
use crate::gather::{GatherArgs, Run, Wanted, gather};
use crate::studies::{AimArgs, WhatIfArgs, studies};
use crate::{Outcome, output};

/// The smallest quota that would have throttled at most a given share of requests, and what would need less.
///
/// Replays every attempt against a quota: max_tokens is reserved when a call starts and settled when it ends, as
/// Bedrock does. How the quota's minute moves is not documented, so three models of it bracket the answer. What
/// throttling hid is estimated: retries are joined, the rest is imputed.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  borehole quota dump/\n  borehole quota dump/ --target 1% --growth 20% --margin 10%\n  borehole quota s3://bedrock-logs-mcp --last 14d --service-quotas quotas/\n  borehole quota dump/ --tpm 4000000 --rpm 500\n  borehole quota dump/ --cap-max-tokens p99.9 --without role=batch"
)]
pub(crate) struct Quota {
    #[command(flatten)]
    pub gather: GatherArgs,
    #[command(flatten)]
    pub aim: AimArgs,
    #[command(flatten)]
    pub what_if: WhatIfArgs,
    /// Tell what a quota of so many tokens per minute would have refused
    #[arg(long, value_name = "N", help_heading = "Trial")]
    pub tpm: Option<u64>,
    /// Tell what a quota of so many requests per minute would have refused
    #[arg(long, value_name = "N", help_heading = "Trial")]
    pub rpm: Option<u64>,
    /// Most quotas in the text
    #[arg(long, value_name = "N", default_value_t = 10, help_heading = "Output")]
    pub top: usize,
    /// What to write to stdout [default: text, or nothing with -o]
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Output")]
    pub format: Option<Format>,
    /// Write the answer to a file; its extension (json, txt) says the format; repeatable
    #[arg(short = 'o', long = "output", value_name = "FILE", help_heading = "Output")]
    pub outputs: Vec<PathBuf>,
    /// Replace existing output files
    #[arg(long, help_heading = "Output")]
    pub force: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Quota) -> Outcome {
    let formats = crate::analyze::output_formats(&args.outputs)?;
    for path in &args.outputs {
        output::check_file(path, args.force)?;
    }
    if args.tpm == Some(0) || args.rpm == Some(0) {
        return Err(UsageError { message: "--tpm, --rpm: expected 1 or more".to_owned(), hint: None }.into());
    }
    let gathered = match gather(&args.gather, Wanted::default())? {
        Run::Done(gathered) => gathered,
        Run::Planned(exit) => return Ok(exit),
    };
    let limits = Limits { tokens_per_minute: args.tpm, requests_per_minute: args.rpm };
    let studies = studies(&gathered, &args.aim, &args.what_if, limits)?;
    let context = Context {
        complete: gathered.complete,
        range: gathered.range(),
        rules_at: gathered.rules_at,
        target: args.aim.target(),
        growth: args.aim.growth.unwrap_or_default(),
        margin: args.aim.margin.unwrap_or_default(),
        what_if: args.what_if.words(),
        run: gathered.run.clone(),
    };
    let report = QuotaReport::new(&studies, gathered.book.callers(), context);
    let render = |format: Format, style: &TextStyle| match format {
        Format::Json => report.json(),
        Format::Text => report.text(&TextStyle { rows: args.top, ..style.clone() }),
    };
    for (path, &format) in args.outputs.iter().zip(&formats) {
        output::to_file(path, &render(format, &TextStyle::default()))?;
    }
    if let Some(format) = args.format.or(args.outputs.is_empty().then_some(Format::Text)) {
        let style = TextStyle { color: output::takes_color(), ..TextStyle::default() };
        output::to_stdout(&render(format, &style))?;
    }
    gathered.finish(&args.gather, None)
}
