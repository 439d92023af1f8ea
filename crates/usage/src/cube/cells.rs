//! What a cube holds of each group in each hour, whatever the slots.
//!
//! In: the groups and their hours. Out: sections 3 to 15 of `docs/cube.md`, and what the slots are made of later.
//! Always: one hour of one group is unpacked at a time; columns grow beside each other. Absent: buckets.

use borehole_record::{ContentKinds, Timestamp, UtcHour};
use rustc_hash::FxHashMap;

use super::writer::{NameTable, Writer};
use super::{Cell, Draft, Groups};
use crate::answer::Texts;
use crate::coverage::{CoverageId, CoverageSpan};
use crate::figures::RANKS_MAX;
use crate::histogram::Extent;
use crate::names::NameId;
use crate::ranks::RanksOverHours;
use crate::series::{Load, SealedSeries, WINDOWS};
use crate::sums::{Counters, SPREAD_NAMES, Sums};

/// The first sections, and what the others need.
pub(super) struct Sections {
    /// Sections 3 to 15.
    pub(super) body: Writer,
    /// By group, then by hour.
    pub(super) cells: Vec<Vec<CellSpreads>>,
    pub(super) rankings: Rankings,
}

/// What is known exactly of the distributions of a group in an hour.
pub(super) struct CellSpreads {
    /// Index of the hour.
    pub(super) hour: usize,
    /// `None` where nothing was seen.
    pub(super) extents: Option<Box<[Extent; SPREAD_NAMES.len()]>>,
    /// By inference Region, in no order.
    pub(super) inference: Vec<(NameId, InferenceSums)>,
}

pub(super) use crate::sums::InferenceSums;

/// The values that are ranked.
pub(super) struct Rankings {
    pub(super) rankings: Vec<Ranking>,
    /// Whether the load of everything is settled tokens, and that of each group.
    pub(super) is_settled: bool,
    pub(super) groups_settled: Vec<bool>,
}

/// The values of one dimension.
pub(super) struct Ranking {
    /// Its name.
    pub(super) dimension: u64,
    /// The names of its values.
    pub(super) values: Vec<u64>,
    /// The places of the values.
    pub(super) places: FxHashMap<NameId, u32>,
    /// Values that have no place: they share the last one.
    pub(super) omitted: u64,
}

impl Sections {
    /// Of these groups.
    pub(super) fn of(draft: &Draft<'_>, groups: &Groups<'_>, names: &mut NameTable) -> Sections {
        let mut body = Writer::default();
        body.number(groups.dimensions.len() as u64);
        groups.dimensions.iter().for_each(|dimension| body.number(names.refer(Some(dimension))));
        write_moment(draft.question.from, &mut body);
        write_moment(draft.question.to, &mut body);
        let hours: Vec<UtcHour> = draft.hours.iter().map(|&(hour, _)| hour).collect();
        write_hours(&hours, &mut body);
        body.number(draft.coverage.len() as u64);
        draft.coverage.iter().for_each(|span| write_hours(&span.hours_with_objects, &mut body));
        let texts = draft.texts();
        body.number(groups.groups.len() as u64);
        for name in groups.groups.iter().filter_map(|group| group.key).flatten() {
            body.number(names.refer(texts.text(*name)));
        }
        for group in &groups.groups {
            body.number(group.cells.len() as u64);
            let mut next = 0;
            for cell in &group.cells {
                body.number((cell.hour - next) as u64);
                next = cell.hour + 1;
            }
        }

        let mut columns = Columns::new(draft.coverage);
        let mut all = Sums::default();
        if !groups.dimensions.is_empty() {
            let (mut coverage, mut series) = (Vec::new(), SealedSeries::default());
            let mut windows = WindowColumns::default();
            for member in &draft.ordered.of_totals {
                member.cell.absorb_into(&mut Sums::default(), &mut coverage, &mut series);
                windows.push(member.hour, &series);
            }
            columns.windows = windows.finish();
        }
        let throttles: Vec<_> = draft.hours.iter().map(|(_, kept)| kept.ranks().throttles()).collect();
        let mut cells = Vec::with_capacity(groups.groups.len());
        let mut groups_settled = Vec::with_capacity(groups.groups.len());
        for group in &groups.groups {
            let mut windows =
                WindowColumns { columns: std::mem::take(&mut columns.windows), ..Default::default() };
            let mut spreads = Vec::with_capacity(group.cells.len());
            let mut settled_known = 0;
            for cell in &group.cells {
                let GatheredCell { sums, coverage, series } = gather(cell);
                columns.push(&sums, &coverage, &series, &texts, names);
                columns.push_throttles(&throttles[cell.hour], &cell.parts);
                windows.push(hours[cell.hour], &series);
                settled_known += sums.counters.settled_known;
                all.add_counters_and_extents(&sums);
                let inference = sums.inference.into_iter().collect();
                spreads.push(CellSpreads { hour: cell.hour, extents: sums.spreads, inference });
            }
            columns.windows = windows.finish();
            cells.push(spreads);
            groups_settled.push(settled_known > 0);
        }
        // A page adds these up over all hours: what it adds up by minute or by value is never more.
        numbers_of(&all.counters).into_iter().for_each(|sum| body.expect(sum));
        all.spreads.iter().flat_map(|spreads| spreads.iter()).for_each(|spread| body.expect(spread.sum));
        columns.append_to(&mut body, names);
        let is_settled = all.counters.settled_known > 0;
        let rankings = Rankings { rankings: rankings(draft, is_settled, names), is_settled, groups_settled };
        // Names of inference Regions come last; their order is that of the texts.
        let mut regions: Vec<NameId> =
            cells.iter().flatten().flat_map(|cell| cell.inference.iter().map(|&(name, _)| name)).collect();
        regions.sort_unstable();
        regions.dedup();
        regions.sort_by_key(|&name| texts.text(name));
        for name in regions {
            names.refer(texts.text(name));
        }
        Sections { body, cells, rankings }
    }
}

/// An end of the asked range.
fn write_moment(moment: Option<Timestamp>, body: &mut Writer) {
    body.number(u64::from(moment.is_some()));
    if let Some(Timestamp { seconds, nanos }) = moment {
        body.signed(seconds);
        body.number(u64::from(nanos));
    }
}

/// Ascending hours.
fn write_hours(hours: &[UtcHour], body: &mut Writer) {
    body.number(hours.len() as u64);
    let mut before: Option<UtcHour> = None;
    for &hour in hours {
        match before {
            None => body.signed(hour.0),
            Some(before) => body.number((hour.0 - before.0 - 1) as u64),
        }
        before = Some(hour);
    }
}

/// One cell, unpacked.
struct GatheredCell {
    sums: Sums,
    coverage: Vec<CoverageId>,
    series: SealedSeries,
}

fn gather(cell: &Cell<'_>) -> GatheredCell {
    let (mut sums, mut coverage, mut series) = (Sums::default(), Vec::new(), SealedSeries::default());
    let mut more = SealedSeries::default();
    for (position, part) in cell.cells.iter().enumerate() {
        if position == 0 {
            part.absorb_into(&mut sums, &mut coverage, &mut series);
        } else {
            part.absorb_into(&mut sums, &mut coverage, &mut more);
            series.merge(&more);
        }
    }
    GatheredCell { sums, coverage, series }
}

/// The plain numbers in the order of the columns.
fn numbers_of(counters: &Counters) -> [u128; COUNTERS] {
    let count = u128::from;
    [
        count(counters.attempted),
        count(counters.successful),
        count(counters.throttled),
        counters.input,
        counters.output,
        counters.cache_read,
        counters.cache_write,
        counters.prompt,
        count(counters.input_known),
        count(counters.output_known),
        counters.settled,
        count(counters.settled_known),
        counters.reserved,
        count(counters.reserved_known),
        counters.error_input,
        counters.error_output,
        count(counters.small_by_input),
        count(counters.high_by_input),
        count(counters.high_by_prompt),
        count(counters.large_input),
        count(counters.large_output),
        count(counters.large_either),
        counters.large_bytes,
    ]
}

const COUNTERS: usize = 23;

/// Numbers of one load.
const LOADS: usize = 4;

fn numbers_of_load(load: &Load) -> [u64; LOADS] {
    [load.attempts, load.tokens, load.settled, load.reserved]
}

/// Windows inside of an hour, and across its end.
const WINDOW_COLUMNS: usize = LOADS * (2 * WINDOWS.len() - 1);

/// The largest windows by hour.
#[derive(Default)]
struct WindowColumns {
    columns: [Writer; WINDOW_COLUMNS],
    /// The hour whose windows across its end are not yet written.
    before: Option<(UtcHour, SealedSeries)>,
}

impl WindowColumns {
    /// Adds an hour; hours of a group ascend.
    fn push(&mut self, hour: UtcHour, series: &SealedSeries) {
        if let Some((before, of_before)) = self.before.take() {
            let is_next = before.0 + 1 == hour.0;
            self.push_across(if is_next { of_before.peaks_across(series) } else { Default::default() });
        }
        let inner = series.peaks().iter().flat_map(numbers_of_load);
        self.columns.iter_mut().zip(inner).for_each(|(column, number)| column.number(number));
        self.before = Some((hour, series.clone()));
    }

    fn push_across(&mut self, windows: [Load; WINDOWS.len() - 1]) {
        let columns = self.columns[LOADS * WINDOWS.len()..].iter_mut();
        let numbers = windows.iter().flat_map(numbers_of_load);
        columns.zip(numbers).for_each(|(column, number)| column.number(number));
    }

    /// Ends a group.
    fn finish(mut self) -> [Writer; WINDOW_COLUMNS] {
        if self.before.take().is_some() {
            self.push_across(Default::default());
        }
        self.columns
    }
}

/// The columns of the cells.
struct Columns<'a> {
    coverage_spans: &'a [CoverageSpan],
    counters: [Writer; COUNTERS],
    kinds: [Writer; ContentKinds::NAMES.len()],
    kinds_seen: [bool; ContentKinds::NAMES.len()],
    errors: Writer,
    status: Writer,
    stop_reasons: Writer,
    coverage: Writer,
    minute_counts: Writer,
    minutes: Writer,
    loads: [Writer; LOADS],
    throttles: Writer,
    windows: [Writer; WINDOW_COLUMNS],
}

impl<'a> Columns<'a> {
    fn new(coverage_spans: &'a [CoverageSpan]) -> Self {
        Columns {
            coverage_spans,
            counters: Default::default(),
            kinds: Default::default(),
            kinds_seen: Default::default(),
            errors: Writer::default(),
            status: Writer::default(),
            stop_reasons: Writer::default(),
            coverage: Writer::default(),
            minute_counts: Writer::default(),
            minutes: Writer::default(),
            loads: Default::default(),
            throttles: Writer::default(),
            windows: Default::default(),
        }
    }

    fn push(
        &mut self,
        sums: &Sums,
        coverage: &[CoverageId],
        series: &SealedSeries,
        texts: &Texts<'_>,
        names: &mut NameTable,
    ) {
        let numbers = numbers_of(&sums.counters);
        self.counters.iter_mut().zip(numbers).for_each(|(column, number)| column.sum(number));
        for ((column, is_seen), &count) in self.kinds.iter_mut().zip(&mut self.kinds_seen).zip(&sums.content)
        {
            column.number(count);
            *is_seen |= count > 0;
        }
        let by_text = |counts: &FxHashMap<NameId, u64>| {
            let mut counts: Vec<(&str, u64)> =
                counts.iter().filter_map(|(&name, &count)| Some((texts.text(name)?, count))).collect();
            counts.sort_unstable();
            counts
        };
        write_named(&by_text(&sums.errors), names, &mut self.errors);
        let mut status: Vec<(u16, u64)> = sums.status.iter().map(|(&code, &count)| (code, count)).collect();
        status.sort_unstable();
        let status: Vec<(String, u64)> =
            status.into_iter().map(|(code, count)| (code.to_string(), count)).collect();
        write_named(&status, names, &mut self.status);
        write_named(&by_text(&sums.stop_reasons), names, &mut self.stop_reasons);

        let span = |id: &CoverageId| {
            let is_known = (id.0 as usize) < self.coverage_spans.len();
            if is_known { u64::from(id.0) + 1 } else { 0 }
        };
        let mut spans: Vec<u64> = coverage.iter().map(span).collect();
        spans.sort_unstable();
        spans.dedup();
        self.coverage.number(spans.len() as u64);
        spans.into_iter().for_each(|span| self.coverage.number(span));

        self.minute_counts.number(series.minutes().len() as u64);
        let mut next = 0;
        let [attempts, tokens, settled, reserved] = &mut self.loads;
        for &(minute, load) in series.minutes() {
            self.minutes.number(u64::from(minute - next));
            next = minute + 1;
            attempts.number(load.attempts);
            tokens.number(load.tokens);
            settled.difference(load.settled, load.tokens);
            reserved.difference(load.reserved, load.settled);
        }
    }

    /// Adds the throttles by minute of a cell: of these parts of its hour.
    fn push_throttles(&mut self, of_hour: &[Vec<(u8, u64)>], parts: &[usize]) {
        let mut throttles: Vec<(u8, u64)> =
            parts.iter().filter_map(|&part| of_hour.get(part)).flatten().copied().collect();
        throttles.sort_unstable_by_key(|&(minute, _)| minute);
        throttles.dedup_by(|(minute, more), (kept_minute, kept)| {
            let is_same = minute == kept_minute;
            *kept += if is_same { *more } else { 0 };
            is_same
        });
        self.throttles.number(throttles.len() as u64);
        let mut next = 0;
        for (minute, count) in throttles {
            self.throttles.number(u64::from(minute - next));
            self.throttles.number(count);
            next = minute + 1;
        }
    }

    /// Writes all.
    fn append_to(self, body: &mut Writer, names: &mut NameTable) {
        self.counters.into_iter().for_each(|column| body.append(column));
        body.number(self.kinds_seen.iter().filter(|&&is_seen| is_seen).count() as u64);
        let kinds = ContentKinds::NAMES.into_iter().zip(self.kinds).zip(self.kinds_seen);
        for ((name, column), _) in kinds.filter(|(_, is_seen)| *is_seen) {
            body.number(names.refer(Some(name)));
            body.append(column);
        }
        for part in
            [self.errors, self.status, self.stop_reasons, self.coverage, self.minute_counts, self.minutes]
        {
            body.append(part);
        }
        self.loads.into_iter().for_each(|column| body.append(column));
        body.append(self.throttles);
        self.windows.into_iter().for_each(|column| body.append(column));
    }
}

fn write_named<Name: AsRef<str>>(counts: &[(Name, u64)], names: &mut NameTable, writer: &mut Writer) {
    writer.number(counts.len() as u64);
    for (name, count) in counts {
        writer.number(names.refer(Some(name.as_ref())));
        writer.number(*count);
    }
}

/// The values that are ranked: those with the most load, and a place for the rest.
fn rankings(draft: &Draft<'_>, is_settled: bool, names: &mut NameTable) -> Vec<Ranking> {
    let dimensions: Vec<String> =
        draft.question.ranked().map(|dimension| dimension.name().into_owned()).collect();
    if dimensions.is_empty() {
        return Vec::new();
    }
    let texts = draft.totals.names();
    let hours = draft.hours.iter().map(|&(_, kept)| kept);
    let RanksOverHours { values, .. } = RanksOverHours::of(hours, dimensions.len(), is_settled, texts);
    let ranking = |(dimension, mut list): (String, Vec<(NameId, _)>)| {
        let omitted = list.len().saturating_sub(RANKS_MAX) as u64;
        list.truncate(RANKS_MAX);
        let dimension = names.refer(Some(&dimension));
        let name = |&(name, _): &(NameId, _)| names.refer(texts.text(name).map(|text| &**text));
        let mut values: Vec<u64> = list.iter().map(name).collect();
        if omitted > 0 {
            values.push(0);
        }
        let places = list.iter().zip(0..).map(|(&(name, _), place)| (name, place)).collect();
        Ranking { dimension, values, places, omitted }
    };
    dimensions.into_iter().zip(values).map(ranking).collect()
}
