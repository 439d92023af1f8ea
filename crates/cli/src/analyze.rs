//! `borehole analyze`: the report of a run, in every form that was asked for.

use std::path::{Path, PathBuf};

use borehole_quota::applied::AppliedQuotas;
use borehole_quota::attribution::{Findings, KnownQuotas};
use borehole_quota::rules::Limit;
use borehole_quota::{Keep, QuotaKey};
use borehole_record::{Timestamp, UtcDay};
use borehole_report::Report;
use borehole_report::model::AppliedQuota;
use borehole_usage::Dimension;

use crate::args::{Analyze, Format, Rank};
use crate::gather::{Gathered, Run, Wanted, applied_quotas, gather};
use crate::render::{Rendering, ReportFormat, unknown_format};
use crate::{Outcome, fail_if, output};

/// Hours of a quota whose attempts are kept, by either kind of badness: enough for what the report says of
/// throttles and their callers.
const WORST_HOURS: usize = 3;

/// Runs the command.
pub(crate) fn run(args: &Analyze) -> Outcome {
    let outputs = args.output.check()?;
    if let Some(path) = &args.rejects {
        output::check_file(path, args.output.force)?;
    }
    let applied = applied_quotas(&args.service_quotas)?;
    let wanted = Wanted {
        by: args.by.clone(),
        rank: ranked(args.rank.as_ref(), outputs.have_page()),
        cube: (args.cube || outputs.have_page()).then_some(args.page_size),
        series: args.series,
        top: args.top,
        list: args.list.map(|kind| (kind, args.list_max)),
        include_outliers: args.include_outliers,
        keep: Keep::Worst(WORST_HOURS),
        tag: None,
        rules_of_today: false,
        keep_losses: args.rejects.is_some(),
        rows: None,
        keep_hours: false,
        watch: None,
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
        |key| {
            let value = |limit| applied.value(key, limit, rules);
            KnownQuotas {
                tokens_per_minute: value(Limit::TokensPerMinute),
                requests_per_minute: value(Limit::RequestsPerMinute),
                tokens_per_day: value(Limit::TokensPerDay),
                has_requests_per_minute: rules.model(&key.model, last_day).rpm_applies.map(|row| row.value),
            }
        },
    );
    let report = Report::new(&gathered.figures, &gathered.health, gathered.complete, gathered.run.clone())
        .with_findings(&found)
        .with_applied_quotas(quotas_in_use(&gathered, &applied))
        .with_cube(gathered.cube.clone(), gathered.cube_left_out.clone());
    let rendering = Rendering { report: &report, by: &args.by, rows: args.top, explain: args.explain };
    rendering.publish(&outputs)?;
    let exit = gathered.finish(&args.gather, args.rejects.as_deref())?;
    Ok(fail_if::judge(&args.fail_if, &report, exit))
}

/// What is ranked: what was asked, and on a page the callers.
fn ranked(asked: Option<&Rank>, has_page: bool) -> Vec<Dimension> {
    match asked {
        Some(Rank(dimensions)) => dimensions.clone(),
        None if has_page => vec![Dimension::Identity],
        None => Vec::new(),
    }
}

/// The applied quotas of what was called.
fn quotas_in_use(gathered: &Gathered, applied: &AppliedQuotas) -> Vec<AppliedQuota> {
    let quota = |key: &QuotaKey| {
        let value = |limit| applied.value(key, limit, &gathered.rules);
        let (tokens_per_minute, requests_per_minute) =
            (value(Limit::TokensPerMinute), value(Limit::RequestsPerMinute));
        tokens_per_minute.or(requests_per_minute)?;
        Some(AppliedQuota {
            account: key.account.as_deref().map(str::to_owned),
            region: key.region.as_deref().map(str::to_owned),
            model: key.model.to_string(),
            scope: key.scope.as_str().to_owned(),
            tokens_per_minute,
            requests_per_minute,
        })
    };
    if applied.is_empty() {
        return Vec::new();
    }
    gathered.book.keys().filter_map(|(key, _)| quota(key)).collect()
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
