//! From sealed hours to finished figures: the one place where quotients and ranks are taken.
//!
//! In: the totals, the question, the coverage of the sources. Out: [`Figures`]. Always: exact fractions,
//! nearest ranks, peaks of the combined series of a key. Absent: floating point, and any order but that of
//! hours and keys.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use borehole_record::{ContentKinds, Timestamp, UtcDay, UtcHour, UtcMinute};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::buckets::{BucketCount, Scratch, SpreadId};
use crate::coverage::{CoverageId, CoverageSpan, HourRange, MinuteRange, intersect};
use crate::figures::{
    Burst, CrossRegion, DayFigures, ErrorTokens, Figures, Group, HighToken, MinuteFigures, Payloads,
    RANKS_MAX, Rank, Ranking, Ratio, TokenSums, UtcSlot,
};
use crate::histogram::{Histogram, nearest_rank};
use crate::kept::{KeptCell, KeptHour};
use crate::listing::Listing;
use crate::names::{NameId, Names};
use crate::question::{Dimension, Grain, Question};
use crate::ranks::{RankSums, RanksOverHours};
use crate::series::{Load, Peaks, SealedSeries, Timeline};
use crate::sums::{Counters, SPREAD_NAMES, Sums};
use crate::totals::Totals;
use crate::unknowns::Unknowns;

/// Most models with groups of their own. A model id is free text in a refused call: without a bound, junk
/// would drown the report. Real accounts see a few hundred at most.
pub(crate) const MODELS_MAX: usize = 4_096;

/// The model of the groups that the rest are folded into.
pub(crate) const OTHER_MODELS: &str = "__other__";

/// The figures over all hours.
pub(crate) fn figures(totals: &Totals, question: &Question, coverage: &[CoverageSpan]) -> Figures {
    let hours: Vec<(UtcHour, &KeptHour)> = totals.kept_hours().collect();
    let ordered = ordered(&hours, totals, question);
    let mut scratch = Scratch::default();
    let everything = gather(&ordered.of_totals, totals.bucket_counts(&mut scratch));
    let (unruled_models, unresolved_profiles) = unknowns(&hours, totals);
    let rankings = rankings(&hours, question, &everything.sums.counters, totals.names());
    let listing = question.list.map(|kind| {
        let mut listing = Listing::default();
        for (_, hour) in &hours {
            listing.extend(kind, question.list_max, hour.listing.iter().cloned());
        }
        listing.into_rows()
    });
    let figures = figures_of(totals, question, coverage, ordered, &everything, scratch);
    Figures { listing, unruled_models, unresolved_profiles, rankings, ..figures }
}

/// Models without a rate and profiles without a model, with their records.
fn unknowns(
    hours: &[(UtcHour, &KeptHour)],
    totals: &Totals,
) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
    let mut unknowns = Unknowns::default();
    hours.iter().for_each(|(_, kept)| unknowns.absorb(&kept.unknowns, &kept.renaming));
    unknowns.by_name(totals.names())
}

/// What is counted for all groups at once.
pub(crate) fn outline(totals: &Totals, question: &Question) -> Figures {
    let hours: Vec<(UtcHour, &KeptHour)> = totals.kept_hours().collect();
    let models_folded = ordered(&hours, totals, question).models_folded;
    let (unruled_models, unresolved_profiles) = unknowns(&hours, totals);
    let by = question.by.iter().map(|dimension| dimension.name().into_owned()).collect();
    Figures { by, models_folded, unruled_models, unresolved_profiles, ..Figures::default() }
}

/// The figures of all groups together, as if there were no other records, and whether their largest windows are exact.
/// Unknown models and profiles, rankings and the listing are left out.
pub(crate) fn figures_of_groups(
    totals: &Totals,
    question: &Question,
    coverage: &[CoverageSpan],
) -> (Figures, bool) {
    let hours: Vec<(UtcHour, &KeptHour)> = totals.kept_hours().collect();
    let ordered = ordered(&hours, totals, question);
    let members = ordered.groups.iter().map(|(_, members)| members);
    let mut together =
        Members { attempted: 0, cells: members.flat_map(|group| &group.cells).copied().collect() };
    together.cells.sort_by_key(|member| member.hour);
    let mut scratch = Scratch::default();
    let buckets = totals.group_bucket_counts(&together.groups(), &mut scratch);
    let everything = gather(&together.cells, buckets);
    let has_exact_windows = everything.has_exact_windows;
    (figures_of(totals, question, coverage, ordered, &everything, scratch), has_exact_windows)
}

/// What follows from everything together and from its groups.
fn figures_of(
    totals: &Totals,
    question: &Question,
    coverage: &[CoverageSpan],
    ordered: Ordered<'_>,
    everything: &Gathered,
    mut scratch: Scratch,
) -> Figures {
    let Ordered { mut groups, models_folded, .. } = ordered;
    // A minute is active in the totals if and only if a counted record, not left out as an outlier, is in it.
    let minutes = &everything.timeline.minutes;
    let active = minutes.first().zip(minutes.last()).map(|(&(first, _), &(last, _))| (first, last));
    let range = MinuteRange::new(question.from, question.to, active);
    let start_of = |minute: UtcMinute| Timestamp { seconds: minute.start_seconds(), nanos: 0 };

    let names = Texts { names: totals.names() };
    let groups_found = groups.len();
    groups.truncate(question.top.unwrap_or(usize::MAX));

    let by: Vec<String> = question.by.iter().map(|dimension| dimension.name().into_owned()).collect();
    let mut desk = Desk {
        question,
        names,
        histogram: Histogram::new(),
        range,
        gaps: coverage.iter().map(|span| span.gaps(question.from, question.to)).collect(),
        minutes_outside_gaps: FxHashMap::default(),
    };
    Figures {
        from: question.from.or(active.map(|(first, _)| start_of(first))),
        to: question.to.or(active.map(|(_, last)| start_of(UtcMinute(last.0 + 1)))),
        totals: desk.group(Vec::new(), everything),
        groups_omitted: (groups_found - groups.len()) as u64,
        // One group is unpacked at a time.
        groups: groups
            .into_iter()
            .map(|(key, members)| {
                let texts = key.iter().map(|&id| desk.names.text(id).map(str::to_owned));
                let key = by.iter().cloned().zip(texts).collect();
                let buckets = totals.group_bucket_counts(&members.groups(), &mut scratch);
                desk.group(key, &gather(&members.cells, buckets))
            })
            .collect(),
        by,
        listing: None,
        models_folded,
        unruled_models: BTreeMap::new(),
        unresolved_profiles: BTreeMap::new(),
        rankings: Vec::new(),
    }
}

/// The cells of all there is to give figures of.
pub(crate) struct Ordered<'a> {
    /// By hour.
    pub(crate) of_totals: Vec<Member<'a>>,
    /// In the order of the report, before any is cut off.
    pub(crate) groups: Vec<(Key, Members<'a>)>,
    /// Models that are folded into one.
    pub(crate) models_folded: u64,
}

/// The groups of these hours in the order of the report.
pub(crate) fn ordered<'a>(
    hours: &[(UtcHour, &'a KeptHour)],
    totals: &'a Totals,
    question: &Question,
) -> Ordered<'a> {
    let (of_totals, mut groups) = members(hours, totals);
    let names = Texts { names: totals.names() };
    let models_folded = fold_models(&mut groups, question, &names);
    let by_key_alone = question.by.iter().any(Dimension::is_time);
    groups.sort_by_cached_key(|(key, members)| {
        let attempted = if by_key_alone { 0 } else { members.attempted };
        (Reverse(attempted), key.iter().map(|&id| names.text(id)).collect::<Vec<_>>())
    });
    Ordered { of_totals, groups, models_folded }
}

/// The rankings of everything, each cut off after the values that anybody reads.
fn rankings(
    hours: &[(UtcHour, &KeptHour)],
    question: &Question,
    counters: &Counters,
    names: &Names,
) -> Vec<Ranking> {
    let dimensions: Vec<&Dimension> = question.ranked().collect();
    if dimensions.is_empty() {
        return Vec::new();
    }
    let is_settled = counters.settled_known > 0;
    let load = if is_settled { counters.settled } else { counters.input + counters.output };
    let hours = hours.iter().map(|&(_, hour)| hour);
    let RanksOverHours { values, peak } = RanksOverHours::of(hours, dimensions.len(), is_settled, names);
    let rank = |&(name, sums): &(NameId, RankSums), peak: Option<(u64, &FxHashMap<NameId, u64>)>| Rank {
        value: names.text(name).map(|text| text.to_string()),
        attempted: sums.attempted,
        throttled: sums.throttled,
        input: sums.input,
        output: sums.output,
        settled: sums.settled,
        share: Ratio::new(sums.load(is_settled), load),
        share_in_peak: peak.and_then(|(load, values)| {
            let own = values.get(&name).copied().unwrap_or(0);
            Ratio::new(u128::from(own), u128::from(load))
        }),
    };
    let mut rankings = Vec::with_capacity(dimensions.len());
    for (position, (dimension, values)) in dimensions.into_iter().zip(values).enumerate() {
        let in_peak = peak.as_ref().and_then(|peak| {
            let values = peak.values.get(position)?.iter().copied().collect::<FxHashMap<NameId, u64>>();
            Some((peak.load, values))
        });
        let in_peak = in_peak.as_ref().map(|(load, values)| (*load, values));
        let rows: Vec<Rank> = values.iter().take(RANKS_MAX).map(|value| rank(value, in_peak)).collect();
        let omitted = (values.len() - rows.len()) as u64;
        rankings.push(Ranking { dimension: dimension.name().into_owned(), rows, omitted });
    }
    rankings
}

/// The name of the folded models where no record has it. A table cannot reach this id.
const OTHER: NameId = NameId(u32::MAX - 1);

/// The texts of the totals' names, and [`OTHER_MODELS`].
pub(crate) struct Texts<'a> {
    pub(crate) names: &'a Names,
}

impl<'a> Texts<'a> {
    pub(crate) fn text(&self, id: NameId) -> Option<&'a str> {
        if id == OTHER { Some(OTHER_MODELS) } else { self.names.text(id).map(|text| &**text) }
    }
}

/// A group's values of the dimensions.
pub(crate) type Key = Box<[NameId]>;

/// One group in one hour.
#[derive(Clone, Copy)]
pub(crate) struct Member<'a> {
    pub(crate) hour: UtcHour,
    /// Its number in the totals.
    group: u32,
    /// Its place among the groups of the hour.
    pub(crate) place: usize,
    pub(crate) cell: KeptCell<'a>,
}

/// A group in all its hours, not yet unpacked.
#[derive(Default)]
pub(crate) struct Members<'a> {
    attempted: u64,
    /// By hour; several of one hour where models were folded.
    pub(crate) cells: Vec<Member<'a>>,
}

impl Members<'_> {
    /// The numbers of the groups, each once.
    fn groups(&self) -> Vec<u32> {
        let mut groups: Vec<u32> = self.cells.iter().map(|member| member.group).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }
}

/// The cells of the totals, and of each group, by hour.
fn members<'a>(
    hours: &[(UtcHour, &'a KeptHour)],
    totals: &'a Totals,
) -> (Vec<Member<'a>>, Vec<(Key, Members<'a>)>) {
    let mut of_totals = Vec::with_capacity(hours.len());
    let keys = totals.group_keys().into_iter();
    let mut groups: Vec<(Key, Members<'_>)> = keys.map(|key| (key.into(), Members::default())).collect();
    for &(hour, kept) in hours {
        // The first cell is that of the totals.
        for (position, (group, cell)) in kept.cells().enumerate() {
            let place = position.saturating_sub(1);
            let Some(group) = group else {
                of_totals.push(Member { hour, group: 0, place, cell });
                continue;
            };
            let members = &mut groups[group as usize].1;
            members.attempted += cell.attempted();
            members.cells.push(Member { hour, group, place, cell });
        }
    }
    groups.retain(|(_, members)| !members.cells.is_empty());
    (of_totals, groups)
}

/// Gives all models but the most used the name [`OTHER_MODELS`]; how many they were.
fn fold_models(groups: &mut Vec<(Key, Members<'_>)>, question: &Question, names: &Texts<'_>) -> u64 {
    let Some(position) = question.by.iter().position(|dimension| *dimension == Dimension::Model) else {
        return 0;
    };
    let mut attempted: FxHashMap<NameId, u64> = FxHashMap::default();
    for (key, members) in groups.iter() {
        *attempted.entry(model_of(key, position)).or_default() += members.attempted;
    }
    if attempted.len() <= MODELS_MAX {
        return 0;
    }
    let mut models: Vec<(NameId, u64)> = attempted.into_iter().collect();
    models.sort_by_cached_key(|&(id, attempted)| (Reverse(attempted), names.text(id)));
    let folded: FxHashSet<NameId> = models[MODELS_MAX..].iter().map(|&(id, _)| id).collect();
    let other = names.names.find(OTHER_MODELS).unwrap_or(OTHER);

    let mut kept: FxHashMap<Key, Members<'_>> = FxHashMap::default();
    for (mut key, members) in groups.drain(..) {
        if folded.contains(&model_of(&key, position)) {
            key.iter_mut().skip(position).take(1).for_each(|model| *model = other);
        }
        let together = kept.entry(key).or_default();
        together.attempted += members.attempted;
        together.cells.extend(members.cells);
    }
    for members in kept.values_mut() {
        members.cells.sort_by_key(|member| member.hour);
    }
    groups.extend(kept);
    folded.len() as u64
}

/// The part of a key at the model's position. Stored hours that somebody mixed up may have shorter keys.
fn model_of(key: &Key, position: usize) -> NameId {
    key.get(position).copied().unwrap_or(NameId::ABSENT)
}

/// A group over all its hours.
struct Gathered {
    sums: Sums,
    /// Ascending.
    buckets: Vec<BucketCount>,
    timeline: Timeline,
    coverage: Vec<CoverageId>,
    /// Whether the largest windows are exact: of several groups of one hour they are lower bounds where one of them is
    /// kept without all of its seconds.
    has_exact_windows: bool,
}

fn gather(cells: &[Member<'_>], buckets: Vec<BucketCount>) -> Gathered {
    let (mut sums, mut coverage, mut timeline) = (Sums::default(), Vec::new(), Timeline::default());
    let (mut series, mut more) = (SealedSeries::default(), SealedSeries::default());
    let mut has_exact_windows = true;
    for same_hour in cells.chunk_by(|a, b| a.hour == b.hour) {
        for (position, member) in same_hour.iter().enumerate() {
            if position == 0 {
                member.cell.absorb_into(&mut sums, &mut coverage, &mut series);
            } else {
                member.cell.absorb_into(&mut sums, &mut coverage, &mut more);
                series.merge(&more);
            }
        }
        has_exact_windows &= same_hour.len() == 1 || !series.is_cut();
        timeline.push(same_hour[0].hour, &series);
    }
    Gathered { sums, buckets, timeline, coverage, has_exact_windows }
}

/// What is needed to take the figures of any group.
struct Desk<'a> {
    question: &'a Question,
    names: Texts<'a>,
    histogram: Histogram,
    range: Option<MinuteRange>,
    /// By [`CoverageId`].
    gaps: Vec<Vec<HourRange>>,
    /// Of the range, by the coverage of a group's records: most groups share theirs.
    minutes_outside_gaps: FxHashMap<Vec<CoverageId>, u64>,
}

impl Desk<'_> {
    fn group(&mut self, key: Vec<(String, Option<String>)>, gathered: &Gathered) -> Group {
        let sums = &gathered.sums;
        let counters = &sums.counters;
        let by_name = |counts: &FxHashMap<NameId, u64>| {
            let named =
                counts.iter().filter_map(|(&id, &count)| Some((self.names.text(id)?.to_string(), count)));
            named.collect::<BTreeMap<String, u64>>()
        };
        let distribution =
            |extent, spread: SpreadId| self.histogram.distribution(extent, spread.of(&gathered.buckets));
        let spreads = sums.spreads.iter().flat_map(|spreads| SPREAD_NAMES.iter().zip(spreads.iter()));
        let inference = sums.inference.iter().filter_map(|(&id, sums)| {
            let region = self.names.text(id)?.to_string();
            let latency_ms = distribution(&sums.latency, SpreadId::latency(id));
            let first_byte_ms = distribution(&sums.first_byte, SpreadId::first_byte(id));
            Some((region, CrossRegion { requests: sums.requests, latency_ms, first_byte_ms }))
        });
        let content = ContentKinds::NAMES.into_iter().zip(sums.content);
        let mut group = Group {
            key,
            attempted: counters.attempted,
            successful: counters.successful,
            throttled: counters.throttled,
            errors: by_name(&sums.errors),
            tokens: TokenSums {
                input: counters.input,
                output: counters.output,
                cache_read: counters.cache_read,
                cache_write: counters.cache_write,
                prompt: counters.prompt,
                input_known: counters.input_known,
                output_known: counters.output_known,
                settled: counters.settled,
                settled_known: counters.settled_known,
                reserved: counters.reserved,
                reserved_known: counters.reserved_known,
            },
            tokens_on_errors: ErrorTokens { input: counters.error_input, output: counters.error_output },
            high_token: HighToken {
                small: counters.small_by_input,
                by_input: counters.high_by_input,
                by_prompt: counters.high_by_prompt,
                known: counters.input_known,
            },
            distributions: spreads
                .enumerate()
                .filter_map(|(position, (&name, extent))| {
                    Some((name, distribution(extent, SpreadId::named(position))?))
                })
                .collect(),
            tokens_per_minute: None,
            quota_tokens_per_minute: None,
            reserved_tokens_per_minute: None,
            quota_tokens_per_day: None,
            requests_per_minute: None,
            status: sums.status.iter().map(|(code, &count)| (code.to_string(), count)).collect(),
            stop_reasons: by_name(&sums.stop_reasons),
            payloads: Payloads {
                large_input: counters.large_input,
                large_output: counters.large_output,
                large_either: counters.large_either,
                large_bytes: counters.large_bytes,
                content: content.filter(|&(_, count)| count > 0).collect(),
            },
            cross_region: inference.collect(),
        };
        let minutes = self.minutes_outside_gaps(&gathered.coverage);
        let timeline = &gathered.timeline.minutes;
        let peaks = gathered.timeline.peaks();
        let grain = self.question.series;
        let figures = |quantity: Quantity| minute_figures(timeline, quantity, &peaks, minutes, grain);
        group.tokens_per_minute = figures(|load| load.tokens);
        group.requests_per_minute = figures(|load| load.attempts);
        if counters.settled_known > 0 {
            group.quota_tokens_per_minute = figures(|load| load.settled);
            group.quota_tokens_per_day = day_figures(timeline, |load| load.settled);
        }
        if counters.reserved_known > 0 {
            group.reserved_tokens_per_minute = figures(|load| load.reserved);
        }
        group
    }

    /// The minutes that `average_all` divides by, for a group whose records come from these sources.
    fn minutes_outside_gaps(&mut self, coverage: &[CoverageId]) -> u64 {
        let Some(range) = self.range else { return 0 };
        if let Some(&minutes) = self.minutes_outside_gaps.get(coverage) {
            return minutes;
        }
        // An hour is a gap if it is one for all sources; a source that claims no coverage has none.
        let mut common: Option<Vec<HourRange>> = None;
        for id in coverage {
            let gaps = self.gaps.get(id.0 as usize).map_or(&[][..], Vec::as_slice);
            common = Some(common.map_or_else(|| gaps.to_vec(), |common| intersect(&common, gaps)));
        }
        let minutes = range.minutes_outside(&common.unwrap_or_default());
        self.minutes_outside_gaps.insert(coverage.to_vec(), minutes);
        minutes
    }
}

/// What of a load is asked about.
type Quantity = fn(&Load) -> u64;

/// The figures of one quantity over active minutes, which ascend; `None` where there are none.
fn minute_figures(
    timeline: &[(UtcMinute, Load)],
    quantity: Quantity,
    peaks: &Peaks,
    minutes_outside_gaps: u64,
    grain: Option<Grain>,
) -> Option<MinuteFigures> {
    let points: Vec<(UtcMinute, u64)> =
        timeline.iter().map(|(minute, load)| (*minute, quantity(load))).collect();
    let sum: u128 = points.iter().map(|&(_, value)| u128::from(value)).sum();
    let average = Ratio::new(sum, points.len() as u128)?;
    // The earliest of equal minutes: `max_by_key` keeps the last, so times are compared in reverse.
    let &(peak_minute, peak) = points.iter().max_by_key(|&&(minute, value)| (value, Reverse(minute)))?;
    let mut values: Vec<u64> = points.iter().map(|&(_, value)| value).collect();
    let [p50, p90, p99] = ranked(&mut values, [500, 900, 990]);
    let [sixty_seconds, ten_seconds, second] = peaks.each_ref().map(quantity);
    let over_peak =
        |value: u64, times: u128| Ratio::new(u128::from(value).saturating_mul(times), u128::from(peak));
    let burst = over_peak(second, 60).zip(over_peak(ten_seconds, 6));
    Some(MinuteFigures {
        average,
        average_all: Ratio::new(sum, u128::from(minutes_outside_gaps)),
        p50,
        p90,
        p99,
        peak,
        peak_minute,
        peak_sliding_60s: sixty_seconds,
        burst: burst.map(|(second_x60, ten_seconds_x6)| Burst { second_x60, ten_seconds_x6 }),
        data_points: grain.map(|grain| data_points(&points, grain)),
    })
}

/// The values at these ranks, which ascend, of some values; brings them into another order.
fn ranked<const N: usize>(values: &mut [u64], thousandths: [u64; N]) -> [u64; N] {
    let count = values.len() as u64;
    let mut first = 0;
    thousandths.map(|thousandths| {
        let place = nearest_rank(thousandths, count) as usize - 1;
        // What is before the place of the rank before is smaller.
        let (_, &mut value, _) = values[first..].select_nth_unstable(place - first);
        first = place;
        value
    })
}

/// Minutes of a rolling day.
const ROLLING_MINUTES: i64 = 1_440;

/// The days of one quantity over active minutes, which ascend; `None` where there are none.
fn day_figures(timeline: &[(UtcMinute, Load)], quantity: Quantity) -> Option<DayFigures> {
    let saturated = |sum: u128| u64::try_from(sum).unwrap_or(u64::MAX);
    let mut days: BTreeMap<UtcDay, u128> = BTreeMap::new();
    let mut window = 0u128;
    let mut oldest = timeline.iter().peekable();
    // The window's end, its sum; the first of the largest.
    let mut rolling: Option<(UtcMinute, u128)> = None;
    for (minute, load) in timeline {
        let value = u128::from(quantity(load));
        *days.entry(day_of(*minute)).or_default() += value;
        window += value;
        while let Some((_, gone)) = oldest.next_if(|(first, _)| minute.0 - first.0 >= ROLLING_MINUTES) {
            window -= u128::from(quantity(gone));
        }
        if rolling.is_none_or(|(_, largest)| window > largest) {
            rolling = Some((*minute, window));
        }
    }
    let (&peak_day, &peak) = days.iter().max_by_key(|&(&day, &sum)| (sum, Reverse(day)))?;
    let (rolling_24h_end, rolling) = rolling?;
    Some(DayFigures { peak: saturated(peak), peak_day, rolling_24h: saturated(rolling), rolling_24h_end })
}

fn day_of(minute: UtcMinute) -> UtcDay {
    UtcDay(minute.start_seconds().div_euclid(UtcDay::SECONDS))
}

/// The series at this spacing; minutes ascend.
fn data_points(points: &[(UtcMinute, u64)], grain: Grain) -> Vec<(UtcSlot, u64)> {
    let slot = |minute: UtcMinute| match grain {
        Grain::Minute => UtcSlot::Minute(minute),
        Grain::Hour => UtcSlot::Hour(UtcHour(minute.start_seconds().div_euclid(UtcHour::SECONDS))),
        Grain::Day => UtcSlot::Day(day_of(minute)),
    };
    let mut series: Vec<(UtcSlot, u64)> = Vec::new();
    for &(minute, value) in points {
        let slot = slot(minute);
        match series.last_mut() {
            Some((last, sum)) if *last == slot => *sum = sum.saturating_add(value),
            _ => series.push((slot, value)),
        }
    }
    series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(values: &[(i64, u64)]) -> Vec<(UtcMinute, Load)> {
        let load = |tokens| Load { attempts: 1, tokens, ..Load::default() };
        values.iter().map(|&(minute, tokens)| (UtcMinute(minute), load(tokens))).collect()
    }

    #[test]
    fn of_equal_minutes_the_earliest_is_the_peak() {
        let timeline = timeline(&[(3, 5), (4, 9), (7, 9), (8, 1)]);
        let figures = minute_figures(&timeline, |load| load.tokens, &Peaks::default(), 10, None)
            .expect("active minutes");
        assert_eq!((figures.peak, figures.peak_minute), (9, UtcMinute(4)));
        assert_eq!(figures.average, Ratio { numerator: 24, denominator: 4 });
        assert_eq!(figures.average_all, Ratio::new(24, 10));
    }

    #[test]
    fn minute_percentiles_are_nearest_ranks() {
        let values: Vec<(i64, u64)> = (1..=10).map(|minute| (minute, 10 * minute as u64)).collect();
        let figures = minute_figures(&timeline(&values), |load| load.tokens, &Peaks::default(), 0, None)
            .expect("active minutes");
        // ⌈0.5·10⌉ = 5, ⌈0.9·10⌉ = 9, ⌈0.99·10⌉ = 10.
        assert_eq!((figures.p50, figures.p90, figures.p99), (50, 90, 100));
        assert_eq!(figures.average_all, None);
        assert_eq!(minute_figures(&[], |load| load.tokens, &Peaks::default(), 5, None), None);
    }

    #[test]
    fn bursts_are_short_windows_scaled_to_a_minute_over_the_peak() {
        let load = |tokens| Load { attempts: 1, tokens, ..Load::default() };
        let peaks = [load(100), load(40), load(7)];
        let figures = minute_figures(&timeline(&[(0, 90)]), |load| load.tokens, &peaks, 1, None);
        let burst = figures.expect("an active minute").burst.expect("a peak");
        assert_eq!(burst.second_x60, Ratio { numerator: 420, denominator: 90 });
        assert_eq!(burst.ten_seconds_x6, Ratio { numerator: 240, denominator: 90 });
        let idle = minute_figures(&timeline(&[(0, 0)]), |load| load.tokens, &Peaks::default(), 1, None);
        assert_eq!(idle.expect("an active minute").burst, None);
    }

    #[test]
    fn a_rolling_day_holds_1440_minutes_and_not_1441() {
        let figures =
            |values: &[(i64, u64)]| day_figures(&timeline(values), |load| load.tokens).expect("minutes");
        // Two minutes of two UTC days, 1,439 apart, then 1,440.
        let close = figures(&[(1_000, 5), (2_439, 7)]);
        assert_eq!((close.rolling_24h, close.rolling_24h_end), (12, UtcMinute(2_439)));
        assert_eq!((close.peak, close.peak_day), (7, UtcDay(1)));
        let apart = figures(&[(1_000, 5), (2_440, 7)]);
        assert_eq!((apart.rolling_24h, apart.rolling_24h_end), (7, UtcMinute(2_440)));
    }

    #[test]
    fn of_equal_days_and_windows_the_earliest_counts() {
        let figures = day_figures(&timeline(&[(3, 9), (4, 0), (5_000, 9)]), |load| load.tokens);
        let figures = figures.expect("minutes");
        assert_eq!((figures.peak_day, figures.rolling_24h_end), (UtcDay(0), UtcMinute(3)));
        assert_eq!(day_figures(&[], |load| load.tokens), None);
    }

    #[test]
    fn f23_utc_hours_and_days_have_no_daylight_saving() {
        // 2024-03-31T00:30Z … 02:30Z: Europe's clocks skip an hour at 01:00Z, UTC does not.
        let first = UtcMinute(1_711_845_000 / 60);
        assert_eq!(first.to_string(), "2024-03-31T00:30:00Z");
        let points: Vec<(UtcMinute, u64)> = (0..3).map(|hour| (UtcMinute(first.0 + hour * 60), 1)).collect();
        let hours = data_points(&points, Grain::Hour);
        let hour = UtcHour(first.0 / 60);
        assert_eq!(hours, (0..3).map(|n| (UtcSlot::Hour(UtcHour(hour.0 + n)), 1)).collect::<Vec<_>>());
        assert_eq!(data_points(&points, Grain::Day), [(UtcSlot::Day(UtcDay(hour.0 / 24)), 3)]);
        assert_eq!(data_points(&points, Grain::Minute).len(), 3);
    }
}
