//! `borehole quota --cloudwatch`: what CloudWatch counted beside what the log counts.

use std::path::{Path, PathBuf};

use borehole_quota::cloudwatch::{CloudWatch, FILE_BYTES_MAX, Period, reconcile};
use borehole_record::Timestamp;
use borehole_report::reconciliation;
use borehole_report::text::TextStyle;

use super::{PeriodWord, Quota};
use crate::args::Format;
use crate::exit::UsageError;
use crate::gather::{Gathered, read_bytes};
use crate::output;

/// Reads the exported files, before any log is.
pub(super) fn read(paths: &[PathBuf]) -> anyhow::Result<CloudWatch> {
    let mut cloudwatch = CloudWatch::default();
    for path in paths {
        let bytes = read_bytes(path, FILE_BYTES_MAX as u64)?;
        cloudwatch.read(&bytes).map_err(|error| UsageError {
            message: format!("{}: {error}", path.display()),
            hint: error.hint(),
        })?;
    }
    Ok(cloudwatch)
}

/// Writes the sheet of the chosen quotas.
pub(super) fn write(args: &Quota, gathered: &Gathered, cloudwatch: &CloudWatch) -> anyhow::Result<()> {
    let wrong = |error: borehole_quota::cloudwatch::CloudWatchError| UsageError {
        message: format!("--cloudwatch: {error}"),
        hint: error.hint(),
    };
    let mut log = cloudwatch.log_counts().map_err(wrong)?;
    let asked = args.gather.range.asked()?;
    if let (Some(from), Some(to)) = (asked.from, asked.to) {
        log.set_range(from, to);
    }
    for coverage in &gathered.health.coverage {
        coverage.gaps.iter().for_each(|&(from, to)| log.add_gap(from, to));
    }
    let rules = &gathered.rules;
    let is_asked =
        |scope: &str| args.aim.scope.is_empty() || args.aim.scope.iter().any(|asked| asked == scope);
    for (key, attempts) in gathered.book.keys().filter(|(key, _)| is_asked(key.scope.as_str())) {
        // A call was charged by the rules of its own day, unless the operator says otherwise.
        log.add(key, attempts.attempts(), |day| {
            let day =
                args.gather.counting.rules_at.map_or(day, |at: Timestamp| borehole_record::UtcDay::of(at));
            rules.charge(&key.model, day)
        });
    }
    let sheet = args.period.map(|period| match period {
        PeriodWord::Minute => Period::MINUTE,
        PeriodWord::Day => Period::DAY,
    });
    let profiles = args.gather.counting.profiles()?;
    let found = reconcile(cloudwatch, &log, &profiles, sheet).map_err(wrong)?;
    for path in &args.outputs {
        let text = match path.extension().and_then(|extension| extension.to_str()) {
            Some("csv") => reconciliation::csv(&found),
            Some("json") => reconciliation::to_json(&found),
            Some("txt" | "text") => reconciliation::text(&found, &TextStyle::default()),
            _ => return Err(unknown_format(path)),
        };
        output::to_file(path, &text)?;
    }
    if let Some(format) = args.format.or(args.outputs.is_empty().then_some(Format::Text)) {
        let style = TextStyle { color: output::takes_color(), ..TextStyle::default() };
        output::to_stdout(&match format {
            Format::Json => reconciliation::to_json(&found),
            Format::Text => reconciliation::text(&found, &style),
        })?;
    }
    Ok(())
}

fn unknown_format(path: &Path) -> anyhow::Error {
    UsageError {
        message: format!("{}: unknown format", path.display()),
        hint: Some("name the file *.csv, *.json or *.txt"),
    }
    .into()
}
