//! `borehole analyze`: the report of a run, in every form that was asked for.

use std::path::{Path, PathBuf};

use borehole_quota::Keep;
use borehole_quota::attribution::{Findings, KnownQuotas};
use borehole_record::{Timestamp, UtcDay};
use borehole_report::Report;

use crate::args::{Analyze, Format};
use crate::gather::{Run, Wanted, gather};
use crate::render::{Rendering, ReportFormat, unknown_format};
use crate::{Outcome, output};

/// Hours of a quota whose attempts are kept, by either kind of badness: enough for what the report says of
/// throttles and their callers.
const WORST_HOURS: usize = 3;

/// Runs the command.
pub(crate) fn run(args: &Analyze) -> Outcome {
    let outputs = args.output.check()?;
    if let Some(path) = &args.rejects {
        output::check_file(path, args.output.force)?;
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
    let report = Report::new(&gathered.figures, &gathered.health, gathered.complete, gathered.run.clone())
        .with_findings(&found);
    let rendering = Rendering { report: &report, by: &args.by, rows: args.top, explain: args.explain };
    rendering.publish(&outputs)?;
    gathered.finish(&args.gather, args.rejects.as_deref())
}

/// The format of each output file of an answer that has no other than these, by its extension.
pub(crate) fn output_formats(paths: &[PathBuf]) -> anyhow::Result<Vec<Format>> {
    paths.iter().map(|path| output_format(path)).collect()
}

fn output_format(path: &Path) -> anyhow::Result<Format> {
    match ReportFormat::of(path) {
        Some(ReportFormat::Json) => Ok(Format::Json),
        Some(ReportFormat::Text) => Ok(Format::Text),
        _ => Err(unknown_format(path, "name the file *.json or *.txt")),
    }
}
