//! `borehole quota`: the smallest quota that would have been enough, what-ifs, headroom, trials.

use std::path::PathBuf;
use std::str::FromStr;

use borehole_quota::applied::AppliedQuota;
use borehole_quota::attribution::{Attribution, Causes, Grouping, KnownQuotas, Who};
use borehole_quota::replay::Limits;
use borehole_quota::study::KeyStudy;
use borehole_report::quota::{Context, QuotaReport, Studied};
use borehole_report::text::TextStyle;
use clap::{Args, ValueEnum};

use crate::args::Format;
use crate::exit::UsageError;
use crate::gather::{GatherArgs, Gathered, Run, Wanted, gather};
use crate::studies::{AimArgs, WhatIfArgs, studies};
use crate::{Outcome, output};

mod reconciliation;

/// The smallest quota that would have throttled at most a given share of requests, and what would need less.
///
/// Replays every attempt against a quota: max_tokens is reserved when a call starts and settled when it ends, as
/// Bedrock does. How the quota's minute moves is not documented, so three models of it bracket the answer. What
/// throttling hid is estimated: retries are joined, the rest is imputed.
///
/// Exit codes: 0 complete, 2 wrong arguments, 3 the logs were not read in whole, 4 no answer, 5 nothing matched.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # The smallest quotas that would have been enough
  borehole quota dump/
  # For at most 1 % throttled, with room to grow
  borehole quota dump/ --target 1% --growth 20% --margin 10%
  # Beside the quotas that are applied now
  borehole quota s3://bedrock-logs-mcp --last 14d --service-quotas quotas/
  # What given quotas would have refused
  borehole quota dump/ --tpm 4000000 --rpm 500
  # What a cap on max_tokens would change
  borehole quota dump/ --cap-max-tokens p99.9
  # What a caller less would change
  borehole quota dump/ --without role=batch")]
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
    /// Who the load is attributed to: identity, role, session, or tag:KEY
    #[arg(long, value_name = "WHO", default_value = "identity", help_heading = "Output")]
    pub by: By,
    /// Most quotas in the text
    #[arg(long, value_name = "N", default_value_t = 10, help_heading = "Output")]
    pub top: usize,
    /// Instead of an answer: what CloudWatch counted beside what the log counts, from an exported file; repeatable
    #[arg(long, value_name = "FILE", help_heading = "CloudWatch")]
    pub cloudwatch: Vec<PathBuf>,
    /// The rows of that sheet [default: the file's own period]
    #[arg(long, value_enum, value_name = "PERIOD", requires = "cloudwatch", help_heading = "CloudWatch")]
    pub period: Option<PeriodWord>,
    /// What to write to stdout [default: text, or nothing with -o]
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Output")]
    pub format: Option<Format>,
    /// Write the answer to a file; its extension (json, txt; csv with --cloudwatch) says the format; repeatable
    #[arg(short = 'o', long = "output", value_name = "FILE", help_heading = "Output")]
    pub outputs: Vec<PathBuf>,
    /// Replace existing output files
    #[arg(long, help_heading = "Output")]
    pub force: bool,
}

/// The rows of the sheet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum PeriodWord {
    Minute,
    Day,
}

/// What callers are told apart by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum By {
    Identity,
    Role,
    Session,
    Tag(String),
}

impl FromStr for By {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match (word, word.strip_prefix("tag:")) {
            ("identity", _) => Ok(By::Identity),
            ("role", _) => Ok(By::Role),
            ("session", _) => Ok(By::Session),
            (_, Some(key)) if !key.is_empty() => Ok(By::Tag(key.to_owned())),
            _ => Err("expected identity, role, session or tag:KEY"),
        }
    }
}

impl From<&By> for Who {
    fn from(by: &By) -> Self {
        match by {
            By::Identity => Who::Identity,
            By::Role => Who::Role,
            By::Session => Who::Session,
            By::Tag(_) => Who::Tag,
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &Quota) -> Outcome {
    let is_sheet = !args.cloudwatch.is_empty();
    let formats = if is_sheet { Vec::new() } else { crate::analyze::output_formats(&args.outputs)? };
    let cloudwatch = reconciliation::read(&args.cloudwatch)?;
    for path in &args.outputs {
        output::check_file(path, args.force)?;
    }
    if args.tpm == Some(0) || args.rpm == Some(0) {
        return Err(UsageError { message: "--tpm, --rpm: expected 1 or more".to_owned(), hint: None }.into());
    }
    let tag = match &args.by {
        By::Tag(key) => Some(key.clone()),
        _ => None,
    };
    let gathered = match gather(&args.gather, Wanted { tag, ..Wanted::default() })? {
        Run::Done(gathered) => gathered,
        Run::Planned(exit) => return Ok(exit),
    };
    if is_sheet {
        reconciliation::write(args, &gathered, &cloudwatch)?;
        return gathered.finish(&args.gather, None);
    }
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
    let studies = attributed(&gathered, &args.by, studies);
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

/// Adds to each study who and what is behind the load that was logged.
pub(crate) fn attributed(gathered: &Gathered, by: &By, studies: Vec<KeyStudy>) -> Vec<Studied> {
    let grouping = Grouping::new(gathered.book.callers(), Who::from(by));
    let studied = studies.into_iter().map(|study| {
        let scope = study.key.scope;
        let value = |quota: &Option<AppliedQuota>| quota.as_ref().map(|quota| quota.value_for(scope));
        let known = KnownQuotas {
            tokens_per_minute: value(&study.applied_tpm),
            requests_per_minute: value(&study.applied_rpm),
            tokens_per_day: value(&study.applied_tpd),
            has_requests_per_minute: study.rules.rpm_applies.as_ref().map(|row| row.value),
        };
        let attempts = gathered.book.get(&study.key).filter(|attempts| attempts.count() == study.attempted);
        let attribution = attempts.map(|attempts| {
            let attribution = Attribution::by(&grouping, attempts, &study.charge);
            (attribution, Causes::of(attempts, &study.charge, &known, gathered.book.keep().into()))
        });
        Studied { study, attribution }
    });
    studied.collect()
}
