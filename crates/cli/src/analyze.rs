//! `borehole analyze`: the report of a run, in every form that was asked for.

use std::path::{Path, PathBuf};

use borehole_quota::Keep;
use borehole_quota::attribution::{Findings, KnownQuotas};
use borehole_record::{Timestamp, UtcDay};
use borehole_report::text::TextStyle;
use borehole_report::{Report, json, text};
use borehole_table::columns;

use crate::args::{Analyze, Format};
use crate::exit::UsageError;
use crate::gather::{Run, Wanted, gather};
use crate::{Outcome, export, output};

/// Hours of a quota whose attempts are kept, by either kind of badness: enough for what the report says of
/// throttles and their callers.
const WORST_HOURS: usize = 3;

/// Runs the command.
pub(crate) fn run(args: &Analyze) -> Outcome {
    let outputs = outputs(&args.outputs)?;
    for path in args.outputs.iter().chain(&args.rejects) {
        output::check_file(path, args.force)?;
    }
    let wanted = Wanted {
        by: args.by.clone(),
        rank: Vec::new(),
        cube: false,
        series: args.series,
        top: args.top,
        list: args.list.map(|kind| (kind, args.list_max)),
        include_outliers: args.include_outliers,
        keep: Keep::Worst(WORST_HOURS),
        tag: None,
        rules_of_today: false,
        keep_losses: args.rejects.is_some(),
        rows: None,
    };
    let gathered = match gather(&args.gather, wanted)? {
        Run::Done(gathered) => gathered,
        Run::Planned(exit) => return Ok(exit),
    };
    let rules = &gathered.rules;
    let asked_day = args.gather.counting.rules_at;
    let day = |second| UtcDay::of(asked_day.unwrap_or(Timestamp::from_seconds(second)));
    let last_day = UtcDay::of(asked_day.or(gathered.figures.to).unwrap_or(gathered.rules_at));
    let found = Findings::with_known(
        &gathered.book,
        |key, second| rules.charge(&key.model, day(second)),
        |key| KnownQuotas {
            has_requests_per_minute: rules.model(&key.model, last_day).rpm_applies.map(|row| row.value),
            ..KnownQuotas::default()
        },
    );
    let mut report =
        Report::new(&gathered.figures, &gathered.health, gathered.complete, gathered.run.clone())
            .with_findings(&found);
    report.cube.clone_from(&gathered.cube);
    report.cube_left_out.clone_from(&gathered.cube_left_out);
    publish(args, &report, &outputs)?;
    gathered.finish(&args.gather, args.rejects.as_deref())
}

/// What an output file is to be.
enum Output {
    Report(Format),
    /// The groups, a row each.
    Table(columns::Format),
}

/// What each output file is to be, by its extension.
fn outputs(paths: &[PathBuf]) -> anyhow::Result<Vec<Output>> {
    let output = |path: &PathBuf| match columns::Format::of(path) {
        Some(format) => Ok(Output::Table(format)),
        None => output_format(path).map(Output::Report),
    };
    paths.iter().map(output).collect()
}

/// The format of each output file, by its extension.
pub(crate) fn output_formats(paths: &[PathBuf]) -> anyhow::Result<Vec<Format>> {
    paths.iter().map(|path| output_format(path)).collect()
}

fn output_format(path: &Path) -> anyhow::Result<Format> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => Ok(Format::Json),
        Some("txt" | "text") => Ok(Format::Text),
        _ => Err(UsageError {
            message: format!("{}: unknown format", path.display()),
            hint: Some("name the file *.json or *.txt"),
        }
        .into()),
    }
}

fn publish(args: &Analyze, report: &Report, outputs: &[Output]) -> anyhow::Result<()> {
    let render = |format: Format, style: &TextStyle| match format {
        Format::Json => json::render(report),
        Format::Text => {
            let rows = args.top.unwrap_or(style.rows);
            text::render(report, &TextStyle { rows, explain: args.explain, ..style.clone() })
        }
    };
    for (path, output) in args.outputs.iter().zip(outputs) {
        match output {
            Output::Report(format) => output::to_file(path, &render(*format, &TextStyle::default()))?,
            Output::Table(format) => export::to_file(path, export::groups::table(report, &args.by), *format)?,
        }
    }
    let format = args.format.or(args.outputs.is_empty().then_some(Format::Text));
    if let Some(format) = format {
        let style = TextStyle { color: output::takes_color(), ..TextStyle::default() };
        output::to_stdout(&render(format, &style))?;
    }
    Ok(())
}
