//! Both sides by period: which of the file's series belong to the chosen quotas, what is compared with what, and
//! where they differ.
//!
//! In: a [`CloudWatch`] and [`LogCounts`] of its periods. Out: a [`Reconciliation`], plain data. Always: sums and
//! differences are over the range that both sides hold; what lies outside is named. Of the two ways to say when a
//! call happened, its start and its end, the one that fits the file better is used and named.

use std::collections::{BTreeMap, BTreeSet};

use borehole_record::{Model, ProfileMap, UtcMinute};

use super::explain::{self, Explanation};
use super::log::Counts;
use super::period::{MinuteRange, Period, minute};
use super::{CloudWatch, CloudWatchError, FileNotes, LogCounts, Metric};

/// Periods that are named as those that differ most.
const WORST_MAX: usize = 5;
/// Names of models that are kept.
const MODELS_MAX: usize = 20;

/// What is held against what.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Compared {
    /// `Invocations` and the log's successful calls.
    InvocationsSuccessful,
    /// `Invocations` and the log's calls that were not throttled.
    InvocationsAccepted,
    /// `InvocationThrottles` and the log's throttled calls.
    Throttles,
    /// `InvocationClientErrors` + `InvocationServerErrors` and the log's calls with another error: the log's
    /// records do not say for certain whose error it was.
    Errors,
    /// `InputTokenCount` and `inputTokenCount`.
    Input,
    /// `OutputTokenCount` and `outputTokenCount`.
    Output,
    /// `CacheReadInputTokenCount` and `cacheReadInputTokenCount`.
    CacheRead,
    /// `CacheWriteInputTokenCount` and `cacheWriteInputTokenCount`.
    CacheWrite,
    /// `EstimatedTPMQuotaUsage` and settled quota tokens.
    Settled,
}

impl Compared {
    /// All, in the order of a sheet.
    pub const ALL: [Compared; 9] = [
        Compared::InvocationsSuccessful,
        Compared::InvocationsAccepted,
        Compared::Throttles,
        Compared::Errors,
        Compared::Input,
        Compared::Output,
        Compared::CacheRead,
        Compared::CacheWrite,
        Compared::Settled,
    ];

    /// Its name in a sheet.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Compared::InvocationsSuccessful => "Invocations (successful)",
            Compared::InvocationsAccepted => "Invocations (accepted)",
            Compared::Throttles => "InvocationThrottles",
            Compared::Errors => "InvocationErrors",
            Compared::Input => "InputTokenCount",
            Compared::Output => "OutputTokenCount",
            Compared::CacheRead => "CacheReadInputTokenCount",
            Compared::CacheWrite => "CacheWriteInputTokenCount",
            Compared::Settled => "EstimatedTPMQuotaUsage",
        }
    }

    fn metrics(self) -> &'static [Metric] {
        match self {
            Compared::InvocationsSuccessful | Compared::InvocationsAccepted => &[Metric::Invocations],
            Compared::Throttles => &[Metric::InvocationThrottles],
            Compared::Errors => &[Metric::InvocationClientErrors, Metric::InvocationServerErrors],
            Compared::Input => &[Metric::InputTokenCount],
            Compared::Output => &[Metric::OutputTokenCount],
            Compared::CacheRead => &[Metric::CacheReadInputTokenCount],
            Compared::CacheWrite => &[Metric::CacheWriteInputTokenCount],
            Compared::Settled => &[Metric::EstimatedTpmQuotaUsage],
        }
    }

    fn of_log(self, counts: &Counts) -> u128 {
        match self {
            Compared::InvocationsSuccessful => counts.successful,
            Compared::InvocationsAccepted => counts.successful + counts.failed,
            Compared::Throttles => counts.throttled,
            Compared::Errors => counts.failed,
            Compared::Input => counts.input,
            Compared::Output => counts.output,
            Compared::CacheRead => counts.cache_read,
            Compared::CacheWrite => counts.cache_write,
            Compared::Settled => counts.settled,
        }
    }
}

/// What AWS says that `Invocations` counts; its pages say both.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Definition {
    /// Successful calls.
    Successful,
    /// Calls that were accepted: not throttled, but perhaps failed later.
    Accepted,
}

impl Definition {
    pub(super) fn compared(self) -> Compared {
        match self {
            Definition::Successful => Compared::InvocationsSuccessful,
            Definition::Accepted => Compared::InvocationsAccepted,
        }
    }
}

/// In which period a call of the log is counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Attribution {
    /// In which it starts: the record's timestamp.
    Start,
    /// In which it ends: start + latency.
    End,
}

/// Whose range it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Side {
    /// The exported files.
    CloudWatch,
    /// The log.
    Log,
}

/// A range that one side has alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outside {
    /// Who has it.
    pub side: Side,
    /// The range.
    pub range: MinuteRange,
    /// Calls in it: `Invocations`, or the log's attempts; `None` where the file has no `Invocations`.
    pub calls: Option<u128>,
}

/// Sums of one line over the common range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sum {
    /// What.
    pub compared: Compared,
    /// `None` where the files do not hold the metric.
    pub cloudwatch: Option<u128>,
    /// `None` where the log's figure is not known: no rule names the model's rate.
    pub log: Option<u128>,
    /// Periods of the file in which either side is not 0.
    pub active: u64,
    /// Of these, those in which both sides are equal.
    pub equal: u64,
    /// Sum of the periods' differences without their signs.
    pub misfit: u128,
}

/// One period of the sheet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeriodRow {
    /// When it begins.
    pub start: UtcMinute,
    /// The metrics that the files hold, where not both sides are 0.
    pub cells: Vec<SheetCell>,
}

/// One metric in one period.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SheetCell {
    /// What.
    pub compared: Compared,
    /// What CloudWatch counted.
    pub cloudwatch: u128,
    /// What the log counts; `None` where it is not known.
    pub log: Option<u128>,
}

/// A period that differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Difference {
    /// When it begins.
    pub start: UtcMinute,
    /// What differs most in it, in parts of its sum over the common range.
    pub compared: Compared,
    /// What CloudWatch counted.
    pub cloudwatch: u128,
    /// What the log counts.
    pub log: u128,
}

/// Both sides, and what explains their differences.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reconciliation {
    /// The period of the files.
    pub file_period: Period,
    /// The period of the rows.
    pub sheet_period: Period,
    /// What the files hold.
    pub cloudwatch_range: MinuteRange,
    /// What the log holds; `None` where it holds nothing.
    pub log_range: Option<MinuteRange>,
    /// What both hold; all sums are over this.
    pub common: Option<MinuteRange>,
    /// What one holds alone.
    pub outside: Vec<Outside>,
    /// In which period a call of the log is counted.
    pub attribution: Attribution,
    /// What `Invocations` counts, as far as this log can tell; `None` without that metric.
    pub definition: Option<Definition>,
    /// Every line, in the order of [`Compared::ALL`].
    pub sums: Vec<Sum>,
    /// The sheet, in order of time; periods without anything are left out.
    pub rows: Vec<PeriodRow>,
    /// The periods that differ most, the most different first.
    pub worst: Vec<Difference>,
    /// What explains the differences.
    pub explanations: Vec<Explanation>,
    /// Series of the files whose labels name a model that is not among the chosen quotas; untrusted.
    pub other_models: BTreeSet<String>,
    /// Some of the labels name no model: the files are taken to be about the chosen quotas.
    pub without_model: bool,
    /// What is worth knowing about the files.
    pub notes: FileNotes,
}

/// Holds the files against the log. `sheet` is the period of the rows; the files' own where not given.
///
/// # Errors
/// Without data points, and where a row would be shorter than the files' periods.
pub fn reconcile(
    cloudwatch: &CloudWatch,
    log: &LogCounts,
    profiles: &ProfileMap,
    sheet: Option<Period>,
) -> Result<Reconciliation, CloudWatchError> {
    let period = log.period();
    let sheet_period = sheet.unwrap_or(period);
    if sheet_period.seconds() < period.seconds() {
        return Err(CloudWatchError::SheetTooFine { file: period });
    }
    let cloudwatch_range = cloudwatch.range(period).ok_or(CloudWatchError::NoPoints)?;
    let sides = Sides::new(cloudwatch, log, profiles, cloudwatch_range);
    let common = sides.common();
    let fit = sides.best_fit();
    let sums: Vec<Sum> =
        Compared::ALL.into_iter().map(|compared| sides.sum(compared, fit.attribution)).collect();
    let rows = sides.rows(sheet_period, fit.attribution);
    let worst = worst(&rows, &sums, fit.definition);
    Ok(Reconciliation {
        file_period: period,
        sheet_period,
        cloudwatch_range: MinuteRange::of_seconds(cloudwatch_range),
        log_range: sides.log_range.map(MinuteRange::of_seconds),
        common: common.map(MinuteRange::of_seconds),
        outside: sides.outside(),
        attribution: fit.attribution,
        definition: fit.definition,
        explanations: explain::explain(&sides, &fit, &sums, cloudwatch.notes()),
        sums,
        rows,
        worst,
        other_models: sides.other_models,
        without_model: sides.without_model,
        notes: cloudwatch.notes().clone(),
    })
}

/// Values by period, in order, without zeros.
pub(super) type Values = Vec<(i64, u128)>;

/// What CloudWatch has of one line.
struct Theirs {
    values: Values,
    /// Beyond this range nothing is known: the export broke off.
    known: Option<(i64, i64)>,
}

/// Both sides, before anything is compared.
pub(super) struct Sides<'a> {
    pub(super) log: &'a LogCounts,
    theirs: BTreeMap<Compared, Theirs>,
    pub(super) cloudwatch_range: (i64, i64),
    pub(super) log_range: Option<(i64, i64)>,
    /// The metrics that the files hold of the chosen quotas.
    held: BTreeSet<Metric>,
    other_models: BTreeSet<String>,
    without_model: bool,
}

/// Which reading of the log fits the file best.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fit {
    pub(super) attribution: Attribution,
    pub(super) definition: Option<Definition>,
    /// By the start, and by the end, each under the definition that fits it better.
    pub(super) misfit_by_start: u128,
    pub(super) misfit_by_end: u128,
}

impl<'a> Sides<'a> {
    fn new(
        cloudwatch: &CloudWatch,
        log: &'a LogCounts,
        profiles: &ProfileMap,
        cloudwatch_range: (i64, i64),
    ) -> Self {
        let mut sides = Sides {
            log,
            theirs: BTreeMap::new(),
            cloudwatch_range,
            log_range: log.range().filter(|(from, to)| from < to),
            held: BTreeSet::new(),
            other_models: BTreeSet::new(),
            without_model: false,
        };
        let by_metric: BTreeMap<Metric, Theirs> = Metric::ALL
            .into_iter()
            .filter_map(|metric| Some((metric, sides.select(cloudwatch, metric, profiles)?)))
            .collect();
        sides.held = by_metric.keys().copied().collect();
        for compared in Compared::ALL {
            let held: Vec<&Theirs> =
                compared.metrics().iter().filter_map(|metric| by_metric.get(metric)).collect();
            let Some(first) = held.first() else { continue };
            let mut values: BTreeMap<i64, u128> = BTreeMap::new();
            for &(start, value) in held.iter().flat_map(|theirs| &theirs.values) {
                *values.entry(start).or_default() += value;
            }
            let known = held.iter().fold(first.known, |known, theirs| intersection(known, theirs.known));
            sides.theirs.insert(compared, Theirs { values: values.into_iter().collect(), known });
        }
        sides
    }

    /// The series of a metric that belong to the chosen quotas, summed up.
    fn select(&mut self, cloudwatch: &CloudWatch, metric: Metric, profiles: &ProfileMap) -> Option<Theirs> {
        let of_metric: Vec<_> = cloudwatch.series.iter().filter(|(key, _)| key.metric == metric).collect();
        // A total stands beside series by model only where both were exported: the models say more.
        let by_model = of_metric.iter().any(|(key, _)| key.model.is_some());
        let mut values: BTreeMap<i64, u128> = BTreeMap::new();
        let mut known = None;
        let mut is_held = false;
        for (key, series) in of_metric {
            let is_chosen = match &key.model {
                None => !by_model,
                Some(label) => {
                    let model = Model::parse_with(label, profiles);
                    let is_chosen = self.log.models.contains(&(model.base.as_str().into(), model.scope));
                    if !is_chosen && self.other_models.len() < MODELS_MAX {
                        self.other_models.insert(label.to_string());
                    }
                    is_chosen
                }
            };
            let is_here = key
                .region
                .as_ref()
                .is_none_or(|region| self.log.regions.is_empty() || self.log.regions.contains(region));
            if !is_chosen || !is_here {
                continue;
            }
            is_held = true;
            self.without_model |= key.model.is_none();
            for (&start, &value) in &series.points {
                *values.entry(start).or_default() += u128::from(value);
            }
            if !series.is_complete {
                let first = series.points.keys().next().copied().unwrap_or(i64::MAX);
                let last = series.points.keys().next_back().copied();
                let end = last.map_or(i64::MAX, |last| last.saturating_add(self.log.period().seconds()));
                known = intersection(known, Some((first, end)));
            }
        }
        let values = values.into_iter().filter(|(_, value)| *value > 0).collect();
        is_held.then_some(Theirs { values, known })
    }

    /// The range that both sides hold.
    pub(super) fn common(&self) -> Option<(i64, i64)> {
        let (from, to) = intersection(Some(self.cloudwatch_range), Some(self.log_range?))?;
        (from < to).then_some((from, to))
    }

    /// The values of CloudWatch within a range; `None` where the files do not hold the metric.
    pub(super) fn theirs(&self, compared: Compared, range: (i64, i64)) -> Option<&[(i64, u128)]> {
        Some(within(&self.theirs.get(&compared)?.values, range))
    }

    /// The values of the log; `None` where a rate is not known.
    pub(super) fn ours(&self, compared: Compared, attribution: Attribution) -> Option<Values> {
        if compared == Compared::Settled && self.log.rates.contains(&None) {
            return None;
        }
        let values = self.counts(attribution).map(|(start, counts)| (start, compared.of_log(counts)));
        Some(values.filter(|(_, value)| *value > 0).collect())
    }

    /// The log's sums by period.
    pub(super) fn counts(&self, attribution: Attribution) -> impl Iterator<Item = (i64, &'a Counts)> {
        let counts = match attribution {
            Attribution::Start => &self.log.by_start,
            Attribution::End => &self.log.by_end,
        };
        counts.iter().map(|(&start, counts)| (start, counts))
    }

    /// Where a metric is known on both sides.
    pub(super) fn range_of(&self, compared: Compared) -> Option<(i64, i64)> {
        let known = self.theirs.get(&compared).and_then(|theirs| theirs.known);
        intersection(self.common(), known).filter(|(from, to)| from < to)
    }

    /// Both sides of a line, period by period, where either is not 0.
    pub(super) fn pairs(&self, compared: Compared, attribution: Attribution) -> Option<Vec<Pair>> {
        let range = self.range_of(compared)?;
        let theirs = self.theirs(compared, range)?;
        let ours = self.ours(compared, attribution)?;
        Some(pairs(theirs, within(&ours, range)))
    }

    /// The metric of errors that the files lack, where they hold the other one.
    pub(super) fn lacking_errors(&self) -> Option<Metric> {
        let (held, lacking): (Vec<Metric>, Vec<Metric>) =
            Compared::Errors.metrics().iter().partition(|metric| self.held.contains(metric));
        lacking.first().copied().filter(|_| !held.is_empty())
    }

    fn misfit(&self, compared: Compared, attribution: Attribution) -> Option<u128> {
        let pairs = self.pairs(compared, attribution)?;
        Some(pairs.iter().map(Pair::misfit).sum())
    }

    fn best_fit(&self) -> Fit {
        // Calls tell most about when a call is counted; where the file has none, tokens do.
        let best = |attribution: Attribution| -> (u128, Option<Definition>) {
            let by_definition = [Definition::Successful, Definition::Accepted]
                .into_iter()
                .filter_map(|definition| {
                    Some((self.misfit(definition.compared(), attribution)?, Some(definition)))
                })
                .min_by_key(|(misfit, _)| *misfit);
            let by_tokens = || {
                let lines = [Compared::Output, Compared::Input, Compared::Settled];
                lines.into_iter().find_map(|line| Some((self.misfit(line, attribution)?, None)))
            };
            by_definition.or_else(by_tokens).unwrap_or((0, None))
        };
        let (start, end) = (best(Attribution::Start), best(Attribution::End));
        let (attribution, definition) =
            if end.0 < start.0 { (Attribution::End, end.1) } else { (Attribution::Start, start.1) };
        Fit { attribution, definition, misfit_by_start: start.0, misfit_by_end: end.0 }
    }

    fn sum(&self, compared: Compared, attribution: Attribution) -> Sum {
        let range = self.range_of(compared).unwrap_or((0, 0));
        let theirs = self.theirs(compared, range);
        let ours = self.ours(compared, attribution);
        let pairs = self.pairs(compared, attribution).unwrap_or_default();
        let total = |values: &[(i64, u128)]| values.iter().map(|(_, value)| value).sum();
        Sum {
            compared,
            cloudwatch: theirs.map(total),
            log: ours.map(|ours| total(within(&ours, range))),
            active: pairs.len() as u64,
            equal: pairs.iter().filter(|pair| pair.cloudwatch == pair.log).count() as u64,
            misfit: pairs.iter().map(Pair::misfit).sum(),
        }
    }

    fn rows(&self, sheet: Period, attribution: Attribution) -> Vec<PeriodRow> {
        let mut rows: BTreeMap<i64, BTreeMap<Compared, (u128, Option<u128>)>> = BTreeMap::new();
        for compared in self.theirs.keys().copied() {
            let Some(range) = self.range_of(compared) else { continue };
            let theirs = self.theirs(compared, range).unwrap_or_default();
            let ours = self.ours(compared, attribution);
            for pair in pairs(theirs, ours.as_deref().map(|ours| within(ours, range)).unwrap_or_default()) {
                let row = rows.entry(sheet.start_of(pair.start)).or_default();
                let cell = row.entry(compared).or_insert((0, ours.as_ref().map(|_| 0)));
                cell.0 += pair.cloudwatch;
                cell.1 = cell.1.map(|log| log + pair.log);
            }
        }
        let cell = |(compared, (cloudwatch, log))| SheetCell { compared, cloudwatch, log };
        rows.into_iter()
            .map(|(start, cells)| PeriodRow {
                start: minute(start),
                cells: cells.into_iter().map(cell).collect(),
            })
            .collect()
    }

    fn outside(&self) -> Vec<Outside> {
        let ranges = [
            (Side::CloudWatch, Some(self.cloudwatch_range), self.log_range),
            (Side::Log, self.log_range, Some(self.cloudwatch_range)),
        ];
        let mut outside = Vec::new();
        for (side, own, other) in ranges {
            let Some(own) = own else { continue };
            let before_and_after = match other {
                None => [own, (0, 0)],
                Some(other) => [(own.0, own.1.min(other.0)), (own.0.max(other.1), own.1)],
            };
            for range in before_and_after.into_iter().filter(|(from, to)| from < to) {
                let calls = match side {
                    Side::CloudWatch => self
                        .theirs(Compared::InvocationsSuccessful, range)
                        .map(|values| values.iter().map(|(_, value)| value).sum()),
                    Side::Log => {
                        let counts = self.log.by_start.range(range.0..range.1);
                        Some(counts.map(|(_, counts)| counts.attempts).sum())
                    }
                };
                outside.push(Outside { side, range: MinuteRange::of_seconds(range), calls });
            }
        }
        outside
    }
}

/// One period of one line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Pair {
    pub(super) start: i64,
    pub(super) cloudwatch: u128,
    pub(super) log: u128,
}

impl Pair {
    fn misfit(&self) -> u128 {
        self.cloudwatch.abs_diff(self.log)
    }
}

/// Two sorted lists, side by side.
pub(super) fn pairs(theirs: &[(i64, u128)], ours: &[(i64, u128)]) -> Vec<Pair> {
    let (mut theirs, mut ours) = (theirs.iter().peekable(), ours.iter().peekable());
    let mut pairs = Vec::new();
    loop {
        let next = [theirs.peek(), ours.peek()].into_iter().flatten().map(|(start, _)| *start).min();
        let Some(start) = next else { return pairs };
        let at_start = |entry: Option<&(i64, u128)>| entry.map_or(0, |(_, value)| *value);
        let cloudwatch = at_start(theirs.next_if(|(at, _)| *at == start));
        let log = at_start(ours.next_if(|(at, _)| *at == start));
        pairs.push(Pair { start, cloudwatch, log });
    }
}

/// The part of a sorted list within a half-open range.
pub(super) fn within(values: &[(i64, u128)], (from, to): (i64, i64)) -> &[(i64, u128)] {
    let first = values.partition_point(|(start, _)| *start < from);
    let end = values.partition_point(|(start, _)| *start < to);
    values.get(first..end).unwrap_or_default()
}

/// What two ranges share; no range is everything.
fn intersection(a: Option<(i64, i64)>, b: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.max(b.0), a.1.min(b.1))),
        (one, other) => one.or(other),
    }
}

/// The rows that differ most; of the two readings of `Invocations` only the one that fits better counts.
fn worst(rows: &[PeriodRow], sums: &[Sum], definition: Option<Definition>) -> Vec<Difference> {
    let total: BTreeMap<Compared, u128> = sums
        .iter()
        .map(|sum| (sum.compared, sum.cloudwatch.unwrap_or(0).max(sum.log.unwrap_or(0)).max(1)))
        .collect();
    let is_ranked = |compared: Compared| match compared {
        Compared::InvocationsSuccessful => definition != Some(Definition::Accepted),
        Compared::InvocationsAccepted => definition == Some(Definition::Accepted),
        _ => true,
    };
    let mut differences: Vec<(u128, Difference)> = Vec::new();
    for row in rows {
        let cells = row.cells.iter().filter(|cell| is_ranked(cell.compared));
        let ranked = cells.filter_map(|cell| {
            let log = cell.log?;
            let difference = cell.cloudwatch.abs_diff(log);
            // Parts of a billion; sums of 2^64 a period leave room for them.
            let part =
                difference.saturating_mul(1_000_000_000) / total.get(&cell.compared).copied().unwrap_or(1);
            let SheetCell { compared, cloudwatch, .. } = *cell;
            (difference > 0).then_some((part, Difference { start: row.start, compared, cloudwatch, log }))
        });
        // The first of equal ones: in the order of a sheet.
        differences.extend(ranked.reduce(|best, next| if next.0 > best.0 { next } else { best }));
    }
    // The sort is stable: the earliest of equally different ones.
    differences.sort_by_key(|(part, _)| std::cmp::Reverse(*part));
    differences.into_iter().take(WORST_MAX).map(|(_, difference)| difference).collect()
}
