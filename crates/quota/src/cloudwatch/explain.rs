//! What explains the differences between CloudWatch and the log: one rule each.
//!
//! In: both sides by period. Out: [`Explanation`]s with the figures they rest on. Always: a rule speaks only
//! where its own figures fit the file; all but those that state a fact are likely, not proven, and
//! [`Explanation::is_likely`] says which. Rules about calls use `Invocations`, or tokens where the files have none.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use borehole_record::UtcMinute;

use super::period::{Period, minute};
use super::reconcile::{Attribution, Compared, Definition, Fit, Pair, Sides, Sum, Values, pairs, within};
use super::{FileNotes, Metric};

/// A reading that leaves at most one such part of another's differences is another reading, not noise.
const CLEARLY_BETTER: u128 = 10;
/// The same for a shift in time, where neighbouring periods of a steady load are alike anyway.
const SHIFT_CLEARLY_BETTER: u128 = 4;
/// A rate is named where it leaves at most one such part of the usage unexplained.
const RATE_FITS: u128 = 20;
/// Rates that AWS has published.
const PUBLISHED_RATES: [u32; 4] = [1, 5, 10, 15];
/// Largest rate that is solved for.
const RATE_MAX: u128 = 1_000;
/// Offsets of time zones: whole quarters of an hour, up to 14 hours.
const ZONE_STEP_SECONDS: i64 = 900;
const ZONE_SECONDS_MAX: i64 = 14 * 3_600;
/// One whole, for parts.
const MILLION: u128 = 1_000_000;

/// Where calls are missing from the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Silence {
    /// In hours for which the log has no objects at all.
    Gap,
    /// In periods in which the log has no record of these quotas.
    NoRecords,
    /// In periods in which the log has records, but fewer.
    FewerRecords,
}

/// Where the log has more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Surplus {
    /// In the last period of the files, which was exported before it ended or was complete.
    LastPeriod,
    /// Anywhere else.
    Elsewhere,
}

/// One explanation, with the figures it rests on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Explanation {
    /// The files and the log have no time in common.
    NothingInCommon,
    /// Every metric that both sides have is equal in every period.
    Agreement {
        /// Periods of the files with anything in them.
        periods: u64,
    },
    /// The log begins before the files: CloudWatch keeps short periods for days only.
    LogStartsEarlier {
        /// When the files begin.
        files_from: UtcMinute,
        /// For how many days CloudWatch keeps data points of the files' period.
        kept_days: u32,
    },
    /// What `Invocations` counts.
    Definition {
        /// The definition that fits better; `None` where both fit alike.
        better: Option<Definition>,
        /// Sum of differences, read as successful calls.
        misfit_successful: u128,
        /// Sum of differences, read as accepted calls.
        misfit_accepted: u128,
        /// Calls of the log that failed without being throttled: what tells the definitions apart.
        failed: u128,
    },
    /// CloudWatch counts a call in the period in which it ends.
    CountedAtEnd {
        /// Sum of differences by the start of calls.
        misfit_by_start: u128,
        /// Sum of differences by their end.
        misfit_by_end: u128,
    },
    /// The files fit the log when they are moved.
    Shifted {
        /// The files' times are so much later than the log's, in seconds; negative where earlier.
        seconds: i64,
        /// Difference in parts of a million of both sides, moved.
        moved_misfit: u64,
        /// The same, as it is.
        misfit: u64,
        /// The files had times without an offset, so that they may be of another time zone.
        may_be_zone: bool,
    },
    /// One period lacks what the next to it has too much.
    Neighbours {
        /// Of what.
        of: Compared,
        /// How much moved.
        count: u128,
        /// Pairs of periods.
        pairs: u64,
    },
    /// CloudWatch counted more than the log holds.
    NotLogged {
        /// Where.
        place: Silence,
        /// Of what.
        of: Compared,
        /// How much.
        count: u128,
        /// In how many periods.
        periods: u64,
        /// The first of them.
        first: UtcMinute,
        /// The last of them.
        last: UtcMinute,
    },
    /// The log holds more than CloudWatch counted.
    LogHoldsMore {
        /// Where.
        place: Surplus,
        /// Of what.
        of: Compared,
        /// How much.
        count: u128,
        /// In how many periods.
        periods: u64,
        /// The first of them.
        first: UtcMinute,
        /// The last of them.
        last: UtcMinute,
    },
    /// CloudWatch counted throttles that the log does not hold: the log is a lower bound.
    ThrottlesNotLogged {
        /// How many are missing.
        missing: u128,
        /// Of so many.
        of: u128,
    },
    /// The log holds throttles that CloudWatch does not count.
    ThrottlesOnlyLogged {
        /// How many.
        count: u128,
    },
    /// CloudWatch counted errors that the log does not hold.
    ErrorsNotLogged {
        /// How many are missing.
        missing: u128,
        /// Of so many.
        of: u128,
    },
    /// The files hold one kind of errors only.
    ErrorsInPart {
        /// The metric they lack.
        missing: Metric,
    },
    /// Successful calls whose tokens the log does not know, while CloudWatch counts more.
    UnknownTokens {
        /// How many calls.
        calls: u128,
    },
    /// `InputTokenCount` of CloudWatch holds cached tokens, that of the log does not.
    InputHoldsCache,
    /// `EstimatedTPMQuotaUsage` cannot be compared: no rule names the model's rate.
    RateUnknown,
    /// `EstimatedTPMQuotaUsage` fits another rate than the rules'.
    Burndown {
        /// Quota tokens per output token by the rules; `None` where no rule names the model.
        rules: Option<u32>,
        /// The rate that fits.
        fits: u32,
        /// Sum of differences by that rate.
        misfit: u128,
        /// Sum of differences by the rules.
        rules_misfit: Option<u128>,
        /// Over so many periods: those in which the numbers of calls agree.
        periods: u64,
    },
}

impl Explanation {
    /// Whether it is likely only. The others state what the figures show.
    #[must_use]
    pub fn is_likely(&self) -> bool {
        !matches!(
            self,
            Explanation::NothingInCommon
                | Explanation::Agreement { .. }
                | Explanation::ErrorsInPart { .. }
                | Explanation::RateUnknown
        )
    }
}

/// Asks every rule.
pub(super) fn explain(sides: &Sides<'_>, fit: &Fit, sums: &[Sum], notes: &FileNotes) -> Vec<Explanation> {
    let mut found = Vec::new();
    if sides.common().is_none() {
        found.push(Explanation::NothingInCommon);
    }
    found.extend(agreement(fit, sums));
    found.extend(log_starts_earlier(sides));
    let shifted = shifted(sides, fit, notes);
    found.extend(shifted);
    if shifted.is_none() && sides.common().is_some() {
        found.extend(definition(sides, fit, sums));
        found.extend(counted_at_end(fit));
        found.extend(residuals(sides, fit));
        found.extend(throttles(sum_of(sums, Compared::Throttles)));
        found.extend(errors(sum_of(sums, Compared::Errors)));
        found.extend(unknown_tokens(sides, fit, sums));
        found.extend(input_holds_cache(sides, fit));
        found.extend(burndown(sides, fit));
    }
    found.extend(sides.lacking_errors().map(|missing| Explanation::ErrorsInPart { missing }));
    let usage = sum_of(sums, Compared::Settled);
    if usage.is_some_and(|usage| usage.cloudwatch.is_some() && usage.log.is_none()) {
        found.push(Explanation::RateUnknown);
    }
    found
}

fn sum_of(sums: &[Sum], compared: Compared) -> Option<&Sum> {
    sums.iter().find(|sum| sum.compared == compared)
}

/// The line that rules about calls look at.
fn main_line(sides: &Sides<'_>, fit: &Fit) -> Option<Compared> {
    let tokens = [Compared::Output, Compared::Input, Compared::Settled];
    let held = |line: &Compared| sides.pairs(*line, fit.attribution).is_some();
    fit.definition.map(Definition::compared).or_else(|| tokens.into_iter().find(held))
}

fn agreement(fit: &Fit, sums: &[Sum]) -> Option<Explanation> {
    let is_compared = |sum: &&Sum| {
        let is_other_reading = match sum.compared {
            Compared::InvocationsSuccessful => fit.definition == Some(Definition::Accepted),
            Compared::InvocationsAccepted => fit.definition == Some(Definition::Successful),
            _ => false,
        };
        sum.cloudwatch.is_some() && !is_other_reading
    };
    let compared: Vec<&Sum> = sums.iter().filter(is_compared).collect();
    let periods = compared.iter().map(|sum| sum.active).max().unwrap_or(0);
    let is_equal = compared.iter().all(|sum| sum.log.is_some() && sum.misfit == 0);
    (is_equal && periods > 0).then_some(Explanation::Agreement { periods })
}

/// How long CloudWatch keeps data points of a period, in days ("Metrics retention", CloudWatch user guide).
fn kept_days(period: Period) -> u32 {
    match period.seconds() {
        ..300 => 15,
        300..3_600 => 63,
        _ => 455,
    }
}

fn log_starts_earlier(sides: &Sides<'_>) -> Option<Explanation> {
    let (from, _) = sides.log_range?;
    (from < sides.cloudwatch_range.0).then(|| Explanation::LogStartsEarlier {
        files_from: minute(sides.cloudwatch_range.0),
        kept_days: kept_days(sides.log.period()),
    })
}

fn definition(sides: &Sides<'_>, fit: &Fit, sums: &[Sum]) -> Option<Explanation> {
    let definition = fit.definition?;
    let misfit = |compared| sum_of(sums, compared).map(|sum| sum.misfit);
    let misfit_successful = misfit(Compared::InvocationsSuccessful)?;
    let misfit_accepted = misfit(Compared::InvocationsAccepted)?;
    let range = sides.range_of(Compared::InvocationsSuccessful)?;
    let failed = sides.ours(Compared::Errors, fit.attribution).unwrap_or_default();
    let failed: u128 = within(&failed, range).iter().map(|(_, count)| count).sum();
    let better = (misfit_successful != misfit_accepted).then_some(definition);
    Some(Explanation::Definition { better, misfit_successful, misfit_accepted, failed })
}

fn counted_at_end(fit: &Fit) -> Option<Explanation> {
    (fit.attribution == Attribution::End).then_some(Explanation::CountedAtEnd {
        misfit_by_start: fit.misfit_by_start,
        misfit_by_end: fit.misfit_by_end,
    })
}

/// Whether the files fit when they are moved: by one period either way, and by what time zones differ where the
/// files had times without an offset.
fn shifted(sides: &Sides<'_>, fit: &Fit, notes: &FileNotes) -> Option<Explanation> {
    let everything = (i64::MIN, i64::MAX);
    let line = [Compared::InvocationsSuccessful, Compared::Output, Compared::Input, Compared::Settled]
        .into_iter()
        .find(|&line| {
            sides.theirs(line, everything).is_some() && sides.ours(line, fit.attribution).is_some()
        })?;
    let line = fit.definition.map_or(line, Definition::compared);
    let theirs = sides.theirs(line, everything)?;
    let ours = sides.ours(line, fit.attribution)?;
    let log_range = sides.log_range?;

    // As it is, without what a move would push out of sight at either end: else a single odd period at an end
    // of a steady load would look like a shift. `None` where nothing is left to compare.
    let misfit_inside = |margin: i64| match sides.common() {
        Some((from, to)) => {
            let range = (from + margin, to - margin);
            misfit_part(&pairs(within(theirs, range), within(&ours, range)))
        }
        None => Some(MILLION),
    };
    let period = sides.log.period().seconds();
    let may_be_zone = notes.without_offset > 0;
    let zones = (1..=ZONE_SECONDS_MAX / ZONE_STEP_SECONDS)
        .map(|steps| steps * ZONE_STEP_SECONDS)
        .filter(|seconds| may_be_zone && seconds % period == 0);
    let candidates: BTreeSet<i64> = zones.chain([period]).collect();

    let total = |values: &[(i64, u128)]| values.iter().map(|(_, value)| value).sum::<u128>();
    let mut best: Option<(u128, Reverse<u128>, i64, u128)> = None;
    for seconds in candidates.into_iter().flat_map(|seconds| [seconds, -seconds]) {
        let moved: Values = theirs.iter().map(|(start, value)| (start - seconds, *value)).collect();
        let range = (
            log_range.0.max(sides.cloudwatch_range.0 - seconds),
            log_range.1.min(sides.cloudwatch_range.1 - seconds),
        );
        let (moved_in, ours_in) = (within(&moved, range), within(&ours, range));
        let overlap = total(moved_in);
        // A sliver that fits by chance says nothing about the rest.
        if overlap * 2 < total(theirs) || total(ours_in) * 2 < total(&ours) {
            continue;
        }
        let Some(misfit) = misfit_inside(seconds.abs()).filter(|misfit| *misfit > 0) else { continue };
        let Some(part) = misfit_part(&pairs(moved_in, ours_in)) else { continue };
        // Of equally good ones the one that explains most, then the smallest.
        let candidate = (part, Reverse(overlap), seconds, misfit);
        let is_better = best.is_none_or(|best| (candidate.0, candidate.1) < (best.0, best.1));
        if part * SHIFT_CLEARLY_BETTER <= misfit && is_better {
            best = Some(candidate);
        }
    }
    let (moved_misfit, _, seconds, misfit) = best?;
    Some(Explanation::Shifted {
        seconds,
        moved_misfit: u64::try_from(moved_misfit).unwrap_or(u64::MAX),
        misfit: u64::try_from(misfit).unwrap_or(u64::MAX),
        may_be_zone: may_be_zone && seconds % ZONE_STEP_SECONDS == 0,
    })
}

/// Differences in parts of a million of both sides together: 0 where all is equal, a million where nothing meets.
fn misfit_part(pairs: &[Pair]) -> Option<u128> {
    let whole: u128 = pairs.iter().map(|pair| pair.cloudwatch + pair.log).sum();
    let misfit: u128 = pairs.iter().map(|pair| pair.cloudwatch.abs_diff(pair.log)).sum();
    (whole > 0).then(|| misfit.saturating_mul(MILLION).div_ceil(whole))
}

/// Sorts what differs by where it does, after what two neighbouring periods only exchanged.
fn residuals(sides: &Sides<'_>, fit: &Fit) -> Vec<Explanation> {
    let Some(of) = main_line(sides, fit) else { return Vec::new() };
    let pairs = sides.pairs(of, fit.attribution).unwrap_or_default();
    let signed = |value: u128| i128::try_from(value).unwrap_or(i128::MAX);
    let mut rest: Vec<(i64, i128)> =
        pairs.iter().map(|pair| (pair.start, signed(pair.cloudwatch) - signed(pair.log))).collect();

    let mut found = Vec::new();
    let (mut exchanged, mut exchanges) = (0u128, 0);
    for at in 1..rest.len() {
        let [(before, left), (start, right)] = [rest[at - 1], rest[at]];
        let are_neighbours = start - before == sides.log.period().seconds();
        if !are_neighbours || left.signum() * right.signum() != -1 {
            continue;
        }
        let moved = left.abs().min(right.abs());
        rest[at - 1].1 -= left.signum() * moved;
        rest[at].1 -= right.signum() * moved;
        exchanged += moved.unsigned_abs();
        exchanges += 1;
    }
    if exchanged > 0 {
        found.push(Explanation::Neighbours { of, count: exchanged, pairs: exchanges });
    }

    let recorded: BTreeSet<i64> = sides.counts(fit.attribution).map(|(start, _)| start).collect();
    let silence = |start: i64| match () {
        () if sides.log.is_gap(start) => Silence::Gap,
        () if recorded.contains(&start) => Silence::FewerRecords,
        () => Silence::NoRecords,
    };
    for place in [Silence::Gap, Silence::NoRecords, Silence::FewerRecords] {
        let there = rest.iter().filter(|(start, rest)| *rest > 0 && silence(*start) == place);
        if let Some(Part { count, periods, first, last }) = Part::of(there) {
            found.push(Explanation::NotLogged { place, of, count, periods, first, last });
        }
    }
    let last_period = sides.cloudwatch_range.1 - sides.log.period().seconds();
    for place in [Surplus::LastPeriod, Surplus::Elsewhere] {
        let is_there = |start: i64| (start == last_period) == (place == Surplus::LastPeriod);
        let there = rest.iter().filter(|(start, rest)| *rest < 0 && is_there(*start));
        if let Some(Part { count, periods, first, last }) = Part::of(there) {
            found.push(Explanation::LogHoldsMore { place, of, count, periods, first, last });
        }
    }
    found
}

/// What differs in some periods.
struct Part {
    count: u128,
    periods: u64,
    first: UtcMinute,
    last: UtcMinute,
}

impl Part {
    fn of<'a>(periods: impl Iterator<Item = &'a (i64, i128)>) -> Option<Self> {
        let mut part: Option<Part> = None;
        for &(start, rest) in periods {
            let start = minute(start);
            let part = part.get_or_insert(Part { count: 0, periods: 0, first: start, last: start });
            part.count += rest.unsigned_abs();
            part.periods += 1;
            part.last = start;
        }
        part
    }
}

fn throttles(sum: Option<&Sum>) -> Option<Explanation> {
    let (theirs, ours) = (sum?.cloudwatch?, sum?.log?);
    if theirs > ours {
        return Some(Explanation::ThrottlesNotLogged { missing: theirs - ours, of: theirs });
    }
    (ours > theirs).then(|| Explanation::ThrottlesOnlyLogged { count: ours - theirs })
}

fn errors(sum: Option<&Sum>) -> Option<Explanation> {
    let (theirs, ours) = (sum?.cloudwatch?, sum?.log?);
    (theirs > ours).then(|| Explanation::ErrorsNotLogged { missing: theirs - ours, of: theirs })
}

fn unknown_tokens(sides: &Sides<'_>, fit: &Fit, sums: &[Sum]) -> Option<Explanation> {
    let common = sides.common()?;
    let counts = sides.counts(fit.attribution).filter(|(start, _)| (common.0..common.1).contains(start));
    let calls: u128 = counts.map(|(_, counts)| counts.unknown).sum();
    let is_short = [Compared::Input, Compared::Output, Compared::Settled]
        .into_iter()
        .filter_map(|line| sum_of(sums, line))
        .any(|sum| sum.cloudwatch > sum.log && sum.log.is_some());
    (calls > 0 && is_short).then_some(Explanation::UnknownTokens { calls })
}

fn input_holds_cache(sides: &Sides<'_>, fit: &Fit) -> Option<Explanation> {
    let range = sides.range_of(Compared::Input)?;
    let theirs = sides.theirs(Compared::Input, range)?;
    let sums = |cached: bool| -> u128 {
        let ours: Values = sides
            .counts(fit.attribution)
            .map(|(start, counts)| {
                let cache = if cached { counts.cache_read + counts.cache_write } else { 0 };
                (start, counts.input + cache)
            })
            .collect();
        pairs(theirs, within(&ours, range)).iter().map(|pair| pair.cloudwatch.abs_diff(pair.log)).sum()
    };
    let (without, with) = (sums(false), sums(true));
    (without > 0 && with.saturating_mul(CLEARLY_BETTER) <= without).then_some(Explanation::InputHoldsCache)
}

/// Solves for the rate that makes the usage of CloudWatch: usage = charged input + rate × output, over the
/// periods in which both sides count as many calls.
fn burndown(sides: &Sides<'_>, fit: &Fit) -> Option<Explanation> {
    // Several rates at once have no one solution.
    let rules = *sides.log.rates.first()?;
    if sides.log.rates.len() > 1 {
        return None;
    }
    let range = sides.range_of(Compared::Settled)?;
    let usage = sides.theirs(Compared::Settled, range)?;
    let calls = fit.definition.and_then(|definition| sides.pairs(definition.compared(), fit.attribution));
    let trusted: Option<BTreeSet<i64>> = calls.map(|calls| {
        calls.iter().filter(|pair| pair.cloudwatch == pair.log).map(|pair| pair.start).collect()
    });
    let is_trusted = |start: &i64| trusted.as_ref().is_none_or(|trusted| trusted.contains(start));
    let usage: Values = usage.iter().filter(|(start, _)| is_trusted(start)).copied().collect();
    let counts: Vec<_> = sides
        .counts(fit.attribution)
        .filter(|(start, counts)| {
            (range.0..range.1).contains(start) && is_trusted(start) && counts.successful > 0
        })
        .collect();

    let misfit = |rate: u32| -> u128 {
        let ours: Values = counts
            .iter()
            .map(|(start, counts)| (*start, counts.charged_input + u128::from(rate) * counts.output))
            .collect();
        pairs(&usage, &ours).iter().map(|pair| pair.cloudwatch.abs_diff(pair.log)).sum()
    };
    let total: u128 = usage.iter().map(|(_, value)| value).sum();
    let input: u128 = counts.iter().map(|(_, counts)| counts.charged_input).sum();
    let output: u128 = counts.iter().map(|(_, counts)| counts.output).sum();
    let rest = total.checked_sub(input).filter(|_| output > 0)?;
    let solved = (rest + output / 2) / output;
    let solved = (1..=RATE_MAX).contains(&solved).then(|| u32::try_from(solved).ok()).flatten();
    let candidates = PUBLISHED_RATES.into_iter().chain(rules).chain(solved);
    let (least, fits) = candidates.map(|rate| (misfit(rate), rate)).min()?;

    let is_other = match rules {
        None => true,
        Some(rate) => rate != fits && least.saturating_mul(CLEARLY_BETTER) <= misfit(rate),
    };
    (is_other && least.saturating_mul(RATE_FITS) <= total).then(|| Explanation::Burndown {
        rules,
        fits,
        misfit: least,
        rules_misfit: rules.map(misfit),
        periods: counts.len() as u64,
    })
}
