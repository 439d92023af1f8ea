//! A report in every form that a command writes: on stdout, and in files whose names say the form.
//!
//! In: a report and what was asked. Out: text on stdout, and files that appear whole or not at all. Always: every
//! command that has a report writes the same forms under the same names. Absent: what is in a form.

use std::path::{Path, PathBuf};

use borehole_report::text::TextStyle;
use borehole_report::{Report, html, json, markdown, text};
use borehole_table::columns;
use borehole_usage::Dimension;
use clap::{Args, ValueEnum};

use crate::exit::UsageError;
use crate::{export, output};

/// Where a report goes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// What to write to stdout [default: text, or nothing with -o]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<ReportFormat>,
    /// Write a file; its extension says what: html, md, json, txt, or the groups as a table: csv, parquet, ndjson; repeatable
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub outputs: Vec<PathBuf>,
    /// Replace existing output files
    #[arg(long)]
    pub force: bool,
}

/// The forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For a terminal
    Text,
    /// For programs: borehole.report/1
    Json,
    /// For tickets and pull requests
    #[value(alias = "md")]
    Markdown,
    /// One page with everything in it
    Html,
}

impl ReportFormat {
    /// The form that a file's extension asks for.
    pub(crate) fn of(path: &Path) -> Option<ReportFormat> {
        match path.extension()?.to_str()? {
            "json" => Some(ReportFormat::Json),
            "txt" | "text" => Some(ReportFormat::Text),
            "md" | "markdown" => Some(ReportFormat::Markdown),
            "html" | "htm" => Some(ReportFormat::Html),
            _ => None,
        }
    }
}

/// What an output file is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Report(ReportFormat),
    /// The groups, a row each.
    Groups(columns::Format),
}

/// Output files that were looked at before the work: each has a form, and may be written.
pub(crate) struct Outputs {
    files: Vec<(PathBuf, Form)>,
    stdout: Option<ReportFormat>,
}

impl OutputArgs {
    /// Checks the files, so that hours of reading are not lost to a typo.
    pub(crate) fn check(&self) -> anyhow::Result<Outputs> {
        let mut files = Vec::new();
        for path in &self.outputs {
            let report = || ReportFormat::of(path).map(Form::Report);
            let form = columns::Format::of(path).map(Form::Groups).or_else(report);
            let form = form.ok_or_else(|| unknown_format(path, FILE_NAMES))?;
            output::check_file(path, self.force)?;
            files.push((path.clone(), form));
        }
        let stdout = self.format.or(self.outputs.is_empty().then_some(ReportFormat::Text));
        Ok(Outputs { files, stdout })
    }
}

impl Outputs {
    /// Whether any of them is a page.
    pub(crate) fn have_page(&self) -> bool {
        let is_page = |form: &Form| matches!(form, Form::Report(ReportFormat::Html));
        self.stdout == Some(ReportFormat::Html) || self.files.iter().any(|(_, form)| is_page(form))
    }
}

const FILE_NAMES: &str = "name the file *.html, *.md, *.json, *.txt, or *.csv, *.parquet, *.ndjson";

/// The extension of an output file says no form.
pub(crate) fn unknown_format(path: &Path, hint: &'static str) -> anyhow::Error {
    UsageError { message: format!("{}: unknown format", path.display()), hint: Some(hint) }.into()
}

/// A report, and how its text is to be.
pub(crate) struct Rendering<'a> {
    /// The report.
    pub report: &'a Report,
    /// The dimensions of its groups.
    pub by: &'a [Dimension],
    /// Most groups in the text, where somebody said.
    pub rows: Option<usize>,
    /// Formulas after the text.
    pub explain: bool,
}

impl Rendering<'_> {
    /// Writes all that was asked, files first: what is on stdout is then the end of the command.
    pub(crate) fn publish(&self, outputs: &Outputs) -> anyhow::Result<()> {
        for (path, form) in &outputs.files {
            match form {
                Form::Report(format) => output::to_file(path, &self.render(*format, &TextStyle::default()))?,
                Form::Groups(format) => {
                    export::to_file(path, export::groups::table(self.report, self.by), *format)?;
                }
            }
        }
        let Some(format) = outputs.stdout else { return Ok(()) };
        let style = TextStyle { color: output::takes_color(), ..TextStyle::default() };
        output::to_stdout(&self.render(format, &style))
    }

    fn render(&self, format: ReportFormat, style: &TextStyle) -> String {
        match format {
            ReportFormat::Json => json::render(self.report),
            ReportFormat::Markdown => markdown::render(self.report),
            ReportFormat::Html => html::render(self.report),
            ReportFormat::Text => {
                let rows = self.rows.unwrap_or(style.rows);
                text::render(self.report, &TextStyle { rows, explain: self.explain, ..style.clone() })
            }
        }
    }
}
