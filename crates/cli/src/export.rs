//! `borehole export`: invocations, minutes, groups or losses as Parquet, CSV or NDJSON.
//!
//! In: what every command that counts reads. Out: one table, in a file that appears whole or not at all, or on stdout.
//! Always: the same records that a report counts, and the exit codes of `borehole analyze`. Absent: bodies, and any
//! figure that a report does not have.

pub(crate) mod groups;
mod losses;
mod minutes;
pub(crate) mod rows;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use borehole_quota::Keep;
use borehole_report::Report;
use borehole_table::columns::{Format, Table, TableWriter};
use borehole_usage::{Dimension, Grain, Question};
use clap::{Args, ValueEnum};
use tempfile::NamedTempFile;

use crate::exit::UsageError;
use crate::gather::{GatherArgs, Gathered, Run, Wanted, gather};
use crate::{Outcome, output};
use rows::RowTable;

/// Hours of a quota whose attempts are kept: a table asks for none.
const NO_HOURS: usize = 0;

/// Rows or figures as Parquet, CSV or NDJSON, for other tools.
///
/// Invocations are the records that a report counts: joined, without copies, filters applied. No table holds any text
/// of a prompt or an answer. In CSV no cell is a formula, and every text can be read back.
///
/// Exit codes: 0 complete, 2 wrong arguments, 3 the table was written but is incomplete, 4 no answer,
/// 5 nothing matched.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Every counted request, a row each
  borehole export dump/ -o invocations.parquet
  # One Region on one day
  borehole export s3://bedrock-logs-mcp/2024/03/11 --region us-east-1 -o day.csv
  # A row for each caller and model
  borehole export dump/ --what groups --by identity,model -o callers.csv
  # Minutes, for another program
  borehole export dump/ --what minutes --format ndjson -o -")]
pub(crate) struct Export {
    #[command(flatten)]
    pub gather: GatherArgs,

    /// What to write
    #[arg(long, value_enum, value_name = "WHAT", default_value = "invocations", help_heading = "Table")]
    pub what: What,
    /// Dimensions of minutes and groups, as those of `borehole analyze` [default: account,region,model,scope]
    #[arg(long, value_name = "DIMENSIONS", value_delimiter = ',', help_heading = "Table")]
    pub by: Vec<Dimension>,
    /// Keep times before 2023 and after tomorrow in minutes and peaks
    #[arg(long, help_heading = "Table")]
    pub include_outliers: bool,
    /// The format [default: as the extension of PATH says]
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Output")]
    pub format: Option<FormatWord>,
    /// Where to: a file, or - for stdout (CSV and NDJSON)
    #[arg(short = 'o', long = "output", value_name = "PATH", required = true, help_heading = "Output")]
    pub output: PathBuf,
    /// Replace an existing file
    #[arg(long, help_heading = "Output")]
    pub force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// One row a counted record
    Invocations,
    /// One row a minute and group
    Minutes,
    /// One row a group, with every figure of the report
    Groups,
    /// One row a loss: key, offset and reason
    Rejects,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatWord {
    Parquet,
    Csv,
    Ndjson,
}

impl From<FormatWord> for Format {
    fn from(word: FormatWord) -> Self {
        match word {
            FormatWord::Parquet => Format::Parquet,
            FormatWord::Csv => Format::Csv,
            FormatWord::Ndjson => Format::Ndjson,
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &Export) -> Outcome {
    let format = args.format()?;
    if !args.to_stdout() {
        output::check_file(&args.output, args.force)?;
    }
    if args.what == What::Invocations {
        return invocations(args, format);
    }
    let wanted = Wanted {
        by: args.dimensions(),
        series: (args.what == What::Minutes).then_some(Grain::Minute),
        keep_losses: args.what == What::Rejects,
        ..args.wanted()
    };
    let gathered = match gather(&args.gather, wanted)? {
        Run::Done(gathered) => gathered,
        Run::Planned(exit) => return Ok(exit),
    };
    let report = || Report::new(&gathered.figures, &gathered.health, gathered.complete, gathered.run.clone());
    let table = match args.what {
        What::Minutes => minutes::table(&report(), &args.dimensions()),
        What::Groups => groups::table(&report(), &args.dimensions()),
        What::Invocations | What::Rejects => losses::table(gathered.ledger()),
    };
    let file = written(table, format, args.maker()).with_context(|| args.output.display().to_string())?;
    args.end(file, &gathered)
}

fn invocations(args: &Export, format: Format) -> Outcome {
    let place = || args.output.display().to_string();
    let profiles = Arc::new(args.gather.counting.profiles()?);
    let rows = RowTable::new(format, profiles, args.maker()).with_context(place)?;
    let rows = Arc::new(rows);
    let wanted = Wanted { rows: Some(Arc::clone(&rows)), ..args.wanted() };
    let gathered = match gather(&args.gather, wanted)? {
        Run::Done(gathered) => gathered,
        Run::Planned(exit) => return Ok(exit),
    };
    let file = rows.finish().with_context(place)?;
    args.end(file, &gathered)
}

impl Export {
    fn to_stdout(&self) -> bool {
        self.output.as_os_str() == "-"
    }

    /// The format, asked for or by extension; and whether what else was asked goes with the table.
    fn format(&self) -> anyhow::Result<Format> {
        let usage = |message: String, hint| Err(UsageError { message, hint: Some(hint) }.into());
        let is_of_records = matches!(self.what, What::Invocations | What::Rejects);
        if is_of_records && (!self.by.is_empty() || self.include_outliers) {
            return usage(
                "--by and --include-outliers do nothing here".to_owned(),
                "they are for --what minutes and --what groups",
            );
        }
        let format = self.format.map(Format::from);
        match format.or_else(|| Format::of(&self.output)) {
            None => usage(
                format!("{}: unknown format", self.output.display()),
                "say --format, or name the file *.parquet, *.csv or *.ndjson",
            ),
            Some(Format::Parquet) if self.to_stdout() => {
                usage("Parquet is not written to stdout".to_owned(), "name a file, or take csv or ndjson")
            }
            Some(format) => Ok(format),
        }
    }

    fn dimensions(&self) -> Vec<Dimension> {
        if self.by.is_empty() { Question::default().by } else { self.by.clone() }
    }

    /// What all tables want of a run: as little as there is.
    fn wanted(&self) -> Wanted {
        Wanted {
            by: Vec::new(),
            include_outliers: self.include_outliers,
            keep: Keep::Worst(NO_HOURS),
            rules_of_today: false,
            ..Wanted::default()
        }
    }

    /// Makes the file that the table is written to: beside the one that it will be, so that it becomes that one at once.
    fn maker(&self) -> impl Fn() -> io::Result<NamedTempFile> + Send + Sync + 'static {
        let path = (!self.to_stdout()).then(|| self.output.clone());
        let temporary = self.gather.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
        move || match &path {
            Some(path) => output::temporary_beside(path),
            None => output::temporary_in(&temporary),
        }
    }

    /// Publishes the table, and says how the command ends.
    fn end(&self, file: NamedTempFile, gathered: &Gathered) -> Outcome {
        if self.to_stdout() {
            output::file_to_stdout(file)?;
        } else {
            output::publish(file, &self.output)?;
        }
        gathered.finish(&self.gather, None)
    }
}

/// Writes a table that is in memory.
fn written(
    table: Table,
    format: Format,
    make: impl Fn() -> io::Result<NamedTempFile>,
) -> io::Result<NamedTempFile> {
    let file = make()?;
    let frame = table.frame()?;
    let mut writer = TableWriter::new(format, &frame, file.as_file().try_clone()?)?;
    writer.write(&frame)?;
    writer.finish()?;
    Ok(file)
}

/// Writes a table to a file that appears whole or not at all.
pub(crate) fn to_file(path: &Path, table: Table, format: Format) -> anyhow::Result<()> {
    let file = written(table, format, || output::temporary_beside(path));
    output::publish(file.with_context(|| path.display().to_string())?, path)
}
