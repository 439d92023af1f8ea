//! `borehole report`: a written report rendered again, for someone who does not have the logs.
//!
//! In: a JSON report or a page, of which anyone may have made it. Out: the same report in other forms. Always: what
//! is not a report is refused in words that repeat nothing of it; the exit code is that of the run that the report
//! is about. Absent: any figure that the file does not have.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use borehole_report::{Report, reread};
use borehole_usage::Dimension;
use clap::Args;

use crate::Outcome;
use crate::exit::{Exit, UsageError};
use crate::render::{OutputArgs, Rendering};

/// Renders a written report again, without the logs.
///
/// FILE is a JSON report (`borehole analyze -o run.json`) or a page (`-o run.html`), or - for standard input. The
/// figures are those in the file; nothing is counted again.
///
/// Exit codes: 0 complete, 2 wrong arguments or not a report, 3 the report says that it is incomplete, 4 FILE cannot
/// be read, 5 it counted nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # As text
  borehole report run.json
  # As a page, and for a ticket
  borehole report run.json -o run.html -o run.md
  # A page that somebody sent
  borehole report run.html --format markdown
  # The groups for a spreadsheet
  borehole report run.json -o groups.csv
  # A report that lies elsewhere
  ssh logs cat run.json | borehole report -")]
pub(crate) struct ReportArgs {
    /// A JSON report or a page of borehole; - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Most groups to show in the text [default: 30]
    #[arg(long, value_name = "N", help_heading = "Report")]
    pub top: Option<usize>,
    /// Say after the text how each of its figures is computed
    #[arg(long, help_heading = "Report")]
    pub explain: bool,
    /// As in other commands; there is no talk here but errors
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,

    #[command(flatten)]
    pub output: OutputArgs,
}

/// Runs the command.
pub(crate) fn run(args: &ReportArgs) -> Outcome {
    let outputs = args.output.check()?;
    let report = read(&args.file)?;
    let by = dimensions(&report);
    let rendering = Rendering { report: &report, by: &by, rows: args.top, explain: args.explain };
    rendering.publish(&outputs)?;
    Ok(match (report.complete, report.totals.requests.attempted) {
        (false, _) => Exit::Incomplete,
        (true, 0) => Exit::Nothing,
        (true, _) => Exit::Complete,
    })
}

/// Reads a written report.
pub(crate) fn read(path: &Path) -> anyhow::Result<Report> {
    let place = || path.display().to_string();
    let bytes = if path.as_os_str() == "-" {
        read_capped(io::stdin().lock(), path)?
    } else if path.is_dir() {
        return Err(UsageError {
            message: format!("{} is a directory, not a report", place()),
            hint: Some("borehole analyze reads logs, and writes a report with -o run.json"),
        }
        .into());
    } else {
        let file = std::fs::File::open(path).with_context(place)?;
        read_capped(file, path)?
    };
    reread::parse(&bytes).map_err(|error| {
        let message = format!("{}: {error}", place());
        UsageError { message, hint: Some("borehole analyze SOURCE -o run.json writes a report") }.into()
    })
}

fn read_capped(from: impl io::Read, path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = from.take(reread::FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    let read = read.with_context(|| path.display().to_string())?;
    if read as u64 > reread::FILE_BYTES_MAX {
        let most = reread::FILE_BYTES_MAX >> 20;
        let message = format!("{}: over {most} MiB, too large for a report", path.display());
        return Err(UsageError { message, hint: None }.into());
    }
    Ok(bytes)
}

/// The dimensions of the groups; a word that is none is left out, and its column with it.
fn dimensions(report: &Report) -> Vec<Dimension> {
    let key = report.groups.first().and_then(|group| group.key.as_ref());
    let words = key.into_iter().flat_map(|key| &key.0);
    words.filter_map(|(word, _)| word.parse().ok()).collect()
}
