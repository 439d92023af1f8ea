//! `borehole compare`: what changed between two periods.
//!
//! In: two sides, each a written report or what `borehole analyze` reads. Out: the comparison as text, JSON, Markdown
//! or a page. Always: both sides are read by the same flags and counted by the same question; an incomplete side is
//! said first and is exit code 3; sides by different dimensions are refused. Absent: any figure of one side alone.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use borehole_quota::Keep;
use borehole_report::compare::{self, Comparison};
use borehole_report::model::Report;
use borehole_report::text::TextStyle;
use borehole_usage::{Dimension, Question};
use clap::Args;

use crate::args::Rank;
use crate::exit::{Exit, UsageError};
use crate::gather::{GatherArgs, Run, Wanted, gather};
use crate::render::{ReportFormat, unknown_format};
use crate::{Outcome, output, report};

/// Hours of a quota whose attempts are kept: a comparison asks for none.
const NO_HOURS: usize = 0;
/// Bytes of a file in which our own JSON has named itself: its `schema` comes first.
const HEAD_BYTES: u64 = 256;

/// What changed between two periods: totals, groups and callers, the largest change of load first.
///
/// A and B are each a written report (`borehole analyze -o run.json` or `-o run.html`) or a source, as `borehole
/// analyze` reads it: s3://BUCKET[/PREFIX], a directory, a file, a dataset, or a name from borehole.toml, with a date
/// at its end where only a part of it is meant. Where the periods differ in length, requests and tokens are compared per hour.
///
/// Exit codes: 0 complete, 2 wrong arguments or sides that cannot be compared, 3 a side is incomplete, 4 no answer,
/// 5 a side counted nothing.
#[derive(Debug, Args)]
#[command(
    override_usage = "borehole compare [OPTIONS] A B",
    after_help = "Examples:
  # Two reports that were written before
  borehole compare last-week.json this-week.json
  # Two days of a bucket
  borehole compare s3://bedrock-logs-mcp/2024/03/11 s3://bedrock-logs-mcp/2024/03/12
  # By caller and model, as a page
  borehole compare dump/2024/03/11 dump/2024/03/12 --by identity,model -o change.html
  # Two pages, for a ticket
  borehole compare before.html after.html --format markdown"
)]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    pub gather: GatherArgs,

    /// Dimensions of the groups, as those of `borehole analyze` [default: account,region,model,scope]
    #[arg(long, value_name = "DIMENSIONS", value_delimiter = ',', help_heading = "Report")]
    pub by: Vec<Dimension>,
    /// Compare the values of these one by one: identity, role, session, operation, tag:KEY and the like, or none
    #[arg(long, value_name = "DIMENSIONS", default_value = "identity", help_heading = "Report")]
    pub rank: Rank,
    /// Most groups in the text [default: 30]
    #[arg(long, value_name = "N", help_heading = "Report")]
    pub top: Option<usize>,
    /// What to write to stdout [default: text, or nothing with -o]
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Output")]
    pub format: Option<ReportFormat>,
    /// Write a file; its extension says what: html, md, json or txt; repeatable
    #[arg(short = 'o', long = "output", value_name = "FILE", help_heading = "Output")]
    pub outputs: Vec<PathBuf>,
    /// Replace existing output files
    #[arg(long, help_heading = "Output")]
    pub force: bool,
}

/// Runs the command.
pub(crate) fn run(args: &CompareArgs) -> Outcome {
    let mut outputs = Vec::new();
    for path in &args.outputs {
        let hint = "name the file *.html, *.md, *.json or *.txt";
        let format = ReportFormat::of(path).ok_or_else(|| unknown_format(path, hint))?;
        output::check_file(path, args.force)?;
        outputs.push((path, format));
    }
    let [before, after] = args.gather.sources.as_slice() else {
        let message = format!("two sides are compared, {} given", args.gather.sources.len());
        return Err(usage(message, "borehole compare A B, each a report or a source"));
    };
    let sides = [written(before)?, written(after)?];
    args.check_flags(&sides)?;
    let [before, after] = sides;
    let (before, after) = match (side(args, before)?, side(args, after)?) {
        (Side::Counted(before), Side::Counted(after)) => (before, after),
        // Plans are told; there is nothing to compare.
        _ => return Ok(Exit::Complete),
    };
    let comparison = Comparison::new(&before, &after)
        .map_err(|error| usage(error.to_string(), "make both reports with the same --by"))?;
    let render = |format: ReportFormat, style: &TextStyle| match format {
        ReportFormat::Text => {
            let rows = args.top.unwrap_or(style.rows);
            compare::to_text(&comparison, &TextStyle { rows, ..style.clone() })
        }
        ReportFormat::Json => comparison.json(),
        ReportFormat::Markdown => compare::to_markdown(&comparison),
        ReportFormat::Html => compare::to_html(&comparison),
    };
    for (path, format) in outputs {
        output::to_file(path, &render(format, &TextStyle::default()))?;
    }
    if let Some(format) = args.format.or(args.outputs.is_empty().then_some(ReportFormat::Text)) {
        let style = TextStyle { color: output::takes_color(), ..TextStyle::default() };
        output::to_stdout(&render(format, &style))?;
    }
    let is_empty = |report: &Report| report.totals.requests.attempted == 0;
    Ok(if !comparison.complete {
        Exit::Incomplete
    } else if (is_empty(&before) || is_empty(&after)) && !args.gather.allow_empty {
        Exit::Nothing
    } else {
        Exit::Complete
    })
}

/// What an argument names.
enum Named<'a> {
    /// A report, read.
    Report(Box<Report>),
    /// Logs, to be read.
    Source(&'a String),
}

/// One side, read.
enum Side {
    Counted(Box<Report>),
    /// Only its plan was asked for, and is told.
    Planned,
}

/// The report that is written there, where it is one. A file of logs may be JSON, too: one of ours says so at its
/// beginning, and whatever is wrong with it is then an error.
fn written(argument: &String) -> anyhow::Result<Named<'_>> {
    let path = Path::new(argument);
    let is_page = ReportFormat::of(path) == Some(ReportFormat::Html);
    if !path.is_file() || !(is_page || begins_as_ours(path)) {
        return Ok(Named::Source(argument));
    }
    Ok(Named::Report(Box::new(report::read(path)?)))
}

/// Whether a file begins as JSON of ours does. What cannot be read is not; reading it as logs will tell why.
fn begins_as_ours(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
    let head = String::from_utf8_lossy(&head);
    let words: String = head.chars().filter(|character| !character.is_whitespace()).collect();
    read.is_ok() && words.trim_start_matches('\u{feff}').starts_with("{\"schema\":\"borehole.")
}

impl CompareArgs {
    fn dimensions(&self) -> Vec<Dimension> {
        if self.by.is_empty() { Question::default().by } else { self.by.clone() }
    }

    /// Refuses flags that a written report cannot follow: its figures are what they are.
    fn check_flags(&self, sides: &[Named<'_>; 2]) -> anyhow::Result<()> {
        if !sides.iter().any(|side| matches!(side, Named::Report(_))) {
            return Ok(());
        }
        let gather = &self.gather;
        let filters = [
            ("--model", &gather.model),
            ("--region", &gather.region),
            ("--account", &gather.account),
            ("--identity", &gather.identity),
            ("--operation", &gather.operation),
        ];
        let range = &gather.range;
        let asked = filters.into_iter().find(|(_, values)| !values.is_empty()).map(|(flag, _)| flag);
        let asked = asked
            .or(range.from.is_some().then_some("--from"))
            .or(range.to.is_some().then_some("--to"))
            .or(range.last.is_some().then_some("--last"));
        match asked {
            None => Ok(()),
            Some(flag) => Err(usage(
                format!("{flag}: a written report cannot be counted again"),
                "give the logs themselves, or make the report with that flag",
            )),
        }
    }
}

fn side(args: &CompareArgs, named: Named<'_>) -> anyhow::Result<Side> {
    let source = match named {
        Named::Report(report) => return Ok(Side::Counted(report)),
        Named::Source(source) => source,
    };
    let gather_args = GatherArgs { sources: vec![source.clone()], ..args.gather.clone() };
    let wanted = Wanted {
        by: args.dimensions(),
        rank: args.rank.0.clone(),
        keep: Keep::Worst(NO_HOURS),
        rules_of_today: false,
        ..Wanted::default()
    };
    let gathered = match gather(&gather_args, wanted)? {
        Run::Done(gathered) => gathered,
        Run::Planned(_) => return Ok(Side::Planned),
    };
    let report = Report::new(&gathered.figures, &gathered.health, gathered.complete, gathered.run.clone());
    // Tells what was lost; how the command ends is said once, for both sides.
    gathered.finish(&gather_args, None)?;
    Ok(Side::Counted(Box::new(report)))
}

fn usage(message: String, hint: &'static str) -> anyhow::Error {
    UsageError { message, hint: Some(hint) }.into()
}
