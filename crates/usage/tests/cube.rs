//! What a page takes from a cube is what a fresh run gives for the same choice.
//!
//! The reader here is written from `docs/cube.md` alone and shares no code with the writer: it walks over plain lists
//! and takes each figure the long way. Its answers to random choices of hours and groups are held against the figures
//! of a question with that range over the records of those groups.

mod traffic;

use std::collections::{BTreeMap, BTreeSet};

use borehole_record::{Call, Count, Facets, Timestamp, UtcDay, UtcHour, UtcMinute};
use borehole_usage::cube::{Cube, PAGE_BYTES_AIM, Refusal};
use borehole_usage::figures::{
    Burst, CrossRegion, DayFigures, Distribution, ErrorTokens, Figures, Group, HighToken, MinuteFigures,
    Payloads, Rank, Ranking, Ratio, TokenSums, UtcSlot,
};
use borehole_usage::{
    Charges, CoverageId, CoverageSpan, Dimension, Grain, HourSummary, Question, SealedHour, Totals,
};
use proptest::prelude::*;
use traffic::Record;

// ---- The reader ----

/// A cube as plain lists.
#[derive(Debug)]
struct Page {
    dimensions: Vec<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    hours: Vec<i64>,
    /// Hours with objects, by span.
    spans: Vec<Vec<i64>>,
    groups: Vec<PageGroup>,
    /// Windows of everything by hour; empty where there are no dimensions.
    windows: Vec<Windows>,
    slot_hours: i64,
    rankings: Vec<PageRanking>,
}

#[derive(Debug, Default)]
struct PageGroup {
    key: Vec<Option<String>>,
    cells: Vec<PageCell>,
    /// By slot.
    slots: BTreeMap<i64, Slot>,
}

#[derive(Debug, Default, Clone)]
struct PageCell {
    hour: i64,
    counters: Vec<u64>,
    content: BTreeMap<String, u64>,
    errors: BTreeMap<String, u64>,
    status: BTreeMap<String, u64>,
    stop_reasons: BTreeMap<String, u64>,
    coverage: Vec<u64>,
    /// By minute since 1970: attempts, raw tokens, settled, reserved.
    minutes: BTreeMap<i64, [u64; 4]>,
    throttles: BTreeMap<i64, u64>,
    windows: Windows,
}

/// 60, 10 and 1 seconds inside of the hour, 60 and 10 into the next.
type Windows = [[u64; 4]; 5];

#[derive(Debug, Default)]
struct Slot {
    spreads: Vec<Spread>,
    inference: BTreeMap<String, (u64, Spread, Spread)>,
}

#[derive(Debug, Default, Clone)]
struct Spread {
    count: u64,
    min: u64,
    max: u64,
    sum: u64,
    buckets: BTreeMap<u64, u64>,
}

#[derive(Debug)]
struct PageRanking {
    dimension: String,
    /// The last of which is the rest, where there is one.
    values: Vec<Option<String>>,
    omitted: Option<u64>,
    /// By group and slot, by value: attempted, throttled, input, output, settled.
    sums: Vec<BTreeMap<i64, BTreeMap<usize, [u64; 5]>>>,
    /// By slot, where there are dimensions.
    peaks_of_all: BTreeMap<i64, Option<Peak>>,
    /// By group and slot.
    peaks: Vec<BTreeMap<i64, Option<Peak>>>,
}

#[derive(Debug, Clone)]
struct Peak {
    minute: i64,
    load: u64,
    loads: BTreeMap<usize, u64>,
}

struct Reader<'a> {
    bytes: &'a [u8],
    names: &'a [String],
}

impl Reader<'_> {
    fn n(&mut self) -> u64 {
        let mut value = 0;
        for place in 0.. {
            let byte = self.bytes[0];
            self.bytes = &self.bytes[1..];
            value |= u64::from(byte & 127) << (7 * place);
            if byte < 128 {
                break;
            }
        }
        assert!(value < 1 << 53, "a page counts exactly up to here");
        value
    }

    fn z(&mut self) -> i64 {
        let folded = self.n() as i64;
        if folded % 2 == 0 { folded / 2 } else { -(folded + 1) / 2 }
    }

    fn name(&mut self) -> Option<String> {
        let number = self.n() as usize;
        (number > 0).then(|| self.names[number - 1].clone())
    }

    fn moment(&mut self) -> Option<Timestamp> {
        (self.n() == 1).then(|| Timestamp { seconds: self.z(), nanos: self.n() as u32 })
    }

    fn hours(&mut self) -> Vec<i64> {
        let mut hours: Vec<i64> = Vec::new();
        for _ in 0..self.n() {
            let hour = hours.last().map(|&before| before + 1);
            hours.push(match hour {
                None => self.z(),
                Some(next) => next + self.n() as i64,
            });
        }
        hours
    }

    /// Ascending numbers, each less the one before and less 1, each followed by something.
    fn ascending<T>(&mut self, mut value: impl FnMut(&mut Self) -> T) -> BTreeMap<usize, T> {
        let mut values = BTreeMap::new();
        let mut next = 0;
        for _ in 0..self.n() {
            let number = next + self.n() as usize;
            values.insert(number, value(self));
            next = number + 1;
        }
        values
    }

    fn spread(&mut self) -> Spread {
        let mut spread = Spread { count: self.n(), ..Spread::default() };
        if spread.count == 0 {
            return spread;
        }
        spread.min = self.n();
        spread.max = spread.min + self.n();
        spread.sum = self.n();
        let mut next = 0;
        for _ in 0..self.n() {
            let word = self.n();
            let bucket = next + word / 2;
            spread.buckets.insert(bucket, if word % 2 == 1 { self.n() + 2 } else { 1 });
            next = bucket + 1;
        }
        assert_eq!(spread.buckets.values().sum::<u64>(), spread.count);
        spread
    }

    fn peak(&mut self, first_hour: i64) -> Option<Peak> {
        (self.n() == 1).then(|| {
            let (minute, load) = (first_hour * 60 + self.n() as i64, self.n());
            Peak { minute, load, loads: self.ascending(Reader::n) }
        })
    }
}

fn each_cell<'a>(groups: &'a mut [PageGroup], mut give: impl FnMut(&'a mut PageCell)) {
    groups.iter_mut().flat_map(|group| &mut group.cells).for_each(&mut give);
}

fn read(cube: &Cube) -> Page {
    let mut reader = Reader { bytes: &cube.body, names: &cube.names };
    let r = &mut reader;
    let dimensions: Vec<String> = (0..r.n()).map(|_| r.name().expect("a word")).collect();
    let (from, to) = (r.moment(), r.moment());
    let hours = r.hours();
    let spans = (0..r.n()).map(|_| r.hours()).collect();
    let mut groups: Vec<PageGroup> = Vec::new();
    for _ in 0..r.n() {
        let key = dimensions.iter().map(|_| r.name()).collect();
        groups.push(PageGroup { key, ..PageGroup::default() });
    }
    for group in &mut groups {
        let cells = r.ascending(|_| ()).into_keys();
        group.cells = cells.map(|hour| PageCell { hour: hours[hour], ..PageCell::default() }).collect();
    }
    for _ in 0..23 {
        each_cell(&mut groups, |cell| cell.counters.push(r.n()));
    }
    for _ in 0..r.n() {
        let kind = r.name().expect("a kind");
        each_cell(&mut groups, |cell| {
            cell.content.insert(kind.clone(), r.n());
        });
    }
    let by_name = |r: &mut Reader<'_>| {
        (0..r.n()).map(|_| (r.name().expect("a name"), r.n())).collect::<BTreeMap<String, u64>>()
    };
    each_cell(&mut groups, |cell| cell.errors = by_name(r));
    each_cell(&mut groups, |cell| cell.status = by_name(r));
    each_cell(&mut groups, |cell| cell.stop_reasons = by_name(r));
    each_cell(&mut groups, |cell| cell.coverage = (0..r.n()).map(|_| r.n()).collect());
    let mut counts = Vec::new();
    each_cell(&mut groups, |_| counts.push(r.n()));
    let mut minutes: Vec<Vec<i64>> = Vec::new();
    each_cell(&mut groups, |cell| {
        let mut next = cell.hour * 60;
        minutes.push(Vec::new());
        for _ in 0..counts[minutes.len() - 1] {
            let minute = next + r.n() as i64;
            minutes.last_mut().expect("it was pushed").push(minute);
            cell.minutes.insert(minute, [0; 4]);
            next = minute + 1;
        }
    });
    each_cell(&mut groups, |cell| cell.minutes.values_mut().for_each(|minute| minute[0] = r.n()));
    each_cell(&mut groups, |cell| cell.minutes.values_mut().for_each(|minute| minute[1] = r.n()));
    for quantity in [2, 3] {
        each_cell(&mut groups, |cell| {
            for minute in cell.minutes.values_mut() {
                minute[quantity] = (minute[quantity - 1] as i64 + r.z()) as u64;
            }
        });
    }
    each_cell(&mut groups, |cell| {
        let throttles = r.ascending(Reader::n).into_iter();
        cell.throttles = throttles.map(|(minute, count)| (cell.hour * 60 + minute as i64, count)).collect();
    });
    let mut windows = vec![Windows::default(); if dimensions.is_empty() { 0 } else { hours.len() }];
    for window in 0..5 {
        for quantity in 0..4 {
            windows.iter_mut().for_each(|windows| windows[window][quantity] = r.n());
            each_cell(&mut groups, |cell| cell.windows[window][quantity] = r.n());
        }
    }
    let slot_hours = r.n() as i64;
    assert_eq!(slot_hours as u64, cube.slot_hours);
    let slot_of = |hour: i64| if slot_hours == 0 { 0 } else { hour.div_euclid(slot_hours) };
    for group in &mut groups {
        for slot in group.cells.iter().map(|cell| slot_of(cell.hour)).collect::<BTreeSet<i64>>() {
            let spreads = (0..7).map(|_| r.spread()).collect();
            let inference =
                (0..r.n()).map(|_| (r.name().expect("a Region"), (r.n(), r.spread(), r.spread())));
            let inference = inference.collect();
            group.slots.insert(slot, Slot { spreads, inference });
        }
    }
    let mut rankings = Vec::new();
    for _ in 0..r.n() {
        let dimension = r.name().expect("a word");
        let values: Vec<Option<String>> = (0..r.n()).map(|_| r.name()).collect();
        let omitted = (r.n() == 1).then(|| r.n());
        let slots = |group: &PageGroup| group.slots.keys().copied().collect::<Vec<i64>>();
        let five = |r: &mut Reader<'_>| [r.n(), r.n(), r.n(), r.n(), r.n()];
        let sums = groups
            .iter()
            .map(|group| slots(group).into_iter().map(|slot| (slot, r.ascending(five))).collect());
        let sums = sums.collect();
        let mut peaks_of_all = BTreeMap::new();
        if !dimensions.is_empty() {
            for slot in hours.iter().map(|&hour| slot_of(hour)).collect::<BTreeSet<i64>>() {
                peaks_of_all.insert(slot, r.peak(hours[0]));
            }
        }
        let peaks = groups
            .iter()
            .map(|group| slots(group).into_iter().map(|slot| (slot, r.peak(hours[0]))).collect());
        let peaks = peaks.collect();
        rankings.push(PageRanking { dimension, values, omitted, sums, peaks_of_all, peaks });
    }
    assert!(reader.bytes.is_empty(), "the cube ends where its last section ends");
    Page { dimensions, from, to, hours, spans, groups, windows, slot_hours, rankings }
}

// ---- What a page answers ----

/// What of the figures cannot be told.
#[derive(Debug, Default, PartialEq, Clone, Copy)]
struct Withheld {
    distributions: bool,
    sliding: bool,
    peak_shares: bool,
}

/// The hours of a choice, half-open; and the groups.
struct Choice<'a> {
    from: Option<i64>,
    to: Option<i64>,
    admits: &'a dyn Fn(&[Option<String>]) -> bool,
}

impl Choice<'_> {
    fn has(&self, hour: i64) -> bool {
        self.from.is_none_or(|from| from <= hour) && self.to.is_none_or(|to| hour < to)
    }

    /// The range of a fresh run: what was asked, cut to the choice.
    fn range(&self, asked: (Option<Timestamp>, Option<Timestamp>)) -> (Option<Timestamp>, Option<Timestamp>) {
        let start = |hour: Option<i64>| hour.map(|hour| Timestamp::from_seconds(hour * 3_600));
        let from =
            start(self.from).map_or(asked.0, |from| Some(asked.0.map_or(from, |asked| asked.max(from))));
        let to = start(self.to).map_or(asked.1, |to| Some(asked.1.map_or(to, |asked| asked.min(to))));
        (from, to)
    }
}

/// A group, or all chosen ones together, in the chosen hours.
struct Chosen<'a> {
    cells: Vec<&'a PageCell>,
    /// Its group and slot; `None` where a slot is not whole.
    slots: Option<Vec<&'a Slot>>,
    /// By hour; `None` where no windows are known.
    windows: Option<BTreeMap<i64, Windows>>,
}

fn slot_of(page: &Page, hour: i64) -> i64 {
    if page.slot_hours == 0 { 0 } else { hour.div_euclid(page.slot_hours) }
}

/// The chosen slots of a group; `None` where one is not whole.
fn whole_slots(page: &Page, group: &PageGroup, choice: &Choice<'_>) -> Option<Vec<i64>> {
    let is_in = |slot: i64| {
        let mut hours = group.cells.iter().map(|cell| cell.hour).filter(|&hour| slot_of(page, hour) == slot);
        let chosen = hours.clone().filter(|&hour| choice.has(hour)).count();
        if chosen == 0 { Some(false) } else { hours.all(|hour| choice.has(hour)).then_some(true) }
    };
    let mut slots = Vec::new();
    for &slot in group.slots.keys() {
        if is_in(slot)? {
            slots.push(slot);
        }
    }
    Some(slots)
}

/// The figures of a choice.
fn answer(page: &Page, choice: &Choice<'_>) -> (Figures, Withheld) {
    let (asked_from, asked_to) = choice.range((page.from, page.to));
    let members: Vec<&PageGroup> = page
        .groups
        .iter()
        .filter(|group| (choice.admits)(&group.key) && group.cells.iter().any(|cell| choice.has(cell.hour)))
        .collect();
    let everybody = page.groups.iter().filter(|group| group.cells.iter().any(|cell| choice.has(cell.hour)));
    let is_everything = everybody.count() == members.len();
    let chosen = |members: &[&'_ PageGroup]| -> (Vec<PageCell>, Option<Vec<(usize, i64)>>) {
        let cells = members.iter().flat_map(|group| &group.cells).filter(|cell| choice.has(cell.hour));
        let slots = members.iter().map(|group| {
            let number = page.groups.iter().position(|other| other.key == group.key).expect("a group");
            Some(whole_slots(page, group, choice)?.into_iter().map(|slot| (number, slot)).collect::<Vec<_>>())
        });
        let slots = slots.collect::<Option<Vec<_>>>().map(|slots| slots.concat());
        (cells.cloned().collect(), slots)
    };
    let windows_of = |group: &PageGroup| {
        let cells = group.cells.iter().filter(|cell| choice.has(cell.hour));
        cells.map(|cell| (cell.hour, cell.windows)).collect::<BTreeMap<i64, Windows>>()
    };

    let (all_cells, all_slots) = chosen(&members);
    let minutes: BTreeSet<i64> = all_cells.iter().flat_map(|cell| cell.minutes.keys().copied()).collect();
    let at = |minute: i64| Timestamp { seconds: minute * 60, nanos: 0 };
    let from = asked_from.or_else(|| minutes.first().map(|&minute| at(minute)));
    let to = asked_to.or_else(|| minutes.last().map(|&minute| at(minute + 1)));
    let desk = Desk { page, asked: (asked_from, asked_to), range: from.zip(to) };

    let windows_of_all = match (&*members, page.dimensions.is_empty()) {
        ([alone], _) => Some(windows_of(alone)),
        ([], _) => Some(BTreeMap::new()),
        (_, false) if is_everything => {
            let windows = page.hours.iter().copied().zip(page.windows.iter().copied());
            Some(windows.filter(|&(hour, _)| choice.has(hour)).collect())
        }
        _ => None,
    };
    let withheld_windows = windows_of_all.is_none();
    let view = |cells: &'_ [PageCell], slots: Option<&[(usize, i64)]>, windows| {
        let slots = slots.map(|slots| slots.iter().map(|&(group, slot)| &page.groups[group].slots[&slot]));
        let chosen = Chosen { cells: cells.iter().collect(), slots: slots.map(Iterator::collect), windows };
        desk.group(&chosen)
    };
    let totals = view(&all_cells, all_slots.as_deref(), windows_of_all);
    let mut groups: Vec<Group> = members
        .iter()
        .filter(|_| !page.dimensions.is_empty())
        .map(|group| {
            let (cells, slots) = chosen(&[group]);
            let key = page.dimensions.iter().cloned().zip(group.key.iter().cloned()).collect();
            Group { key, ..view(&cells, slots.as_deref(), Some(windows_of(group))) }
        })
        .collect();
    groups.sort_by(|one, other| (other.attempted, &one.key).cmp(&(one.attempted, &other.key)));
    let (rankings, peak_shares) = rankings(page, choice, &members, is_everything, &all_cells);
    let withheld = Withheld { distributions: all_slots.is_none(), sliding: withheld_windows, peak_shares };
    let by = page.dimensions.clone();
    let figures = Figures { from, to, by, totals, groups, rankings, ..Figures::default() };
    (figures, withheld)
}

struct Desk<'a> {
    page: &'a Page,
    asked: (Option<Timestamp>, Option<Timestamp>),
    range: Option<(Timestamp, Timestamp)>,
}

impl Desk<'_> {
    fn group(&self, chosen: &Chosen<'_>) -> Group {
        let Chosen { cells, slots, windows } = chosen;
        let counter = |place: usize| cells.iter().map(|cell| cell.counters[place]).sum::<u64>();
        let sum = |place: usize| u128::from(counter(place));
        let named = |of: fn(&PageCell) -> &BTreeMap<String, u64>| {
            let mut all: BTreeMap<String, u64> = BTreeMap::new();
            for (name, count) in cells.iter().flat_map(|cell| of(cell)) {
                *all.entry(name.clone()).or_default() += count;
            }
            all.retain(|_, count| *count > 0);
            all
        };
        let mut minutes: BTreeMap<i64, [u64; 4]> = BTreeMap::new();
        for (minute, load) in cells.iter().flat_map(|cell| &cell.minutes) {
            let sums = minutes.entry(*minute).or_default();
            (0..4).for_each(|quantity| sums[quantity] += load[quantity]);
        }
        let average_minutes = self.minutes_outside_gaps(cells);
        let series = |quantity: usize, is_known: bool| {
            let values = minutes.iter().map(|(&minute, load)| (minute, load[quantity]));
            let values: BTreeMap<i64, u64> = values.collect();
            let window = |place: usize, windows: &BTreeMap<i64, Windows>| {
                let inner = windows.values().map(|windows| windows[place][quantity]).max();
                let across = windows
                    .iter()
                    .filter(|(hour, _)| place < 2 && windows.contains_key(&(**hour + 1)))
                    .map(|(_, windows)| windows[3 + place][quantity]);
                inner.into_iter().chain(across).max().unwrap_or(0)
            };
            let windows = windows.as_ref().map(|windows| [0, 1, 2].map(|place| window(place, windows)));
            minute_figures(&values, windows, average_minutes).filter(|_| is_known)
        };
        let settled: BTreeMap<i64, u64> = minutes.iter().map(|(&minute, load)| (minute, load[2])).collect();
        let spread = |of: &dyn Fn(&Slot) -> Spread| {
            let slots = slots.as_ref()?;
            distribution(&slots.iter().map(|slot| of(slot)).collect::<Vec<_>>())
        };
        let regions: BTreeSet<&String> =
            slots.iter().flatten().flat_map(|slot| slot.inference.keys()).collect();
        let cross_region = regions.into_iter().map(|region| {
            let part = |slot: &Slot| slot.inference.get(region).cloned().unwrap_or_default();
            let figures = CrossRegion {
                requests: slots.iter().flatten().map(|slot| part(slot).0).sum(),
                latency_ms: spread(&|slot| part(slot).1),
                first_byte_ms: spread(&|slot| part(slot).2),
            };
            (region.clone(), figures)
        });
        let names = [
            "input_tokens",
            "output_tokens",
            "prompt_tokens",
            "latency_ms",
            "first_byte_ms",
            "input_bytes",
            "output_bytes",
        ];
        let distributions = names.into_iter().enumerate();
        Group {
            key: Vec::new(),
            attempted: counter(0),
            successful: counter(1),
            throttled: counter(2),
            errors: named(|cell| &cell.errors),
            tokens: TokenSums {
                input: sum(3),
                output: sum(4),
                cache_read: sum(5),
                cache_write: sum(6),
                prompt: sum(7),
                input_known: counter(8),
                output_known: counter(9),
                settled: sum(10),
                settled_known: counter(11),
                reserved: sum(12),
                reserved_known: counter(13),
            },
            tokens_on_errors: ErrorTokens { input: sum(14), output: sum(15) },
            high_token: HighToken {
                small: counter(16),
                by_input: counter(17),
                by_prompt: counter(18),
                known: counter(8),
            },
            distributions: distributions
                .filter_map(|(place, name)| Some((name, spread(&|slot| slot.spreads[place].clone())?)))
                .collect(),
            tokens_per_minute: series(1, true),
            quota_tokens_per_minute: series(2, counter(11) > 0),
            reserved_tokens_per_minute: series(3, counter(13) > 0),
            quota_tokens_per_day: day_figures(&settled).filter(|_| counter(11) > 0),
            requests_per_minute: series(0, true),
            status: named(|cell| &cell.status),
            stop_reasons: named(|cell| &cell.stop_reasons),
            payloads: Payloads {
                large_input: counter(19),
                large_output: counter(20),
                large_either: counter(21),
                large_bytes: sum(22),
                content: named(|cell| &cell.content).into_iter().map(|(kind, n)| (leaked(kind), n)).collect(),
            },
            cross_region: cross_region.collect(),
        }
    }

    /// The minutes that the range touches, less those of hours that are gaps for all sources of the group.
    fn minutes_outside_gaps(&self, cells: &[&PageCell]) -> u64 {
        let Some((from, to)) = self.range else { return 0 };
        let sources: BTreeSet<u64> = cells.iter().flat_map(|cell| cell.coverage.iter().copied()).collect();
        let is_gap_of = |source: u64, hour: i64| {
            let Some(place) = source.checked_sub(1) else { return false };
            let with_objects = &self.page.spans[place as usize];
            let (asked_from, asked_to) = self.asked;
            let first = asked_from.map_or(with_objects[0], |from| from.seconds.div_euclid(3_600));
            let begins_before = |to: Timestamp| Timestamp { seconds: hour * 3_600, nanos: 0 } < to;
            let is_before_end = match asked_to {
                Some(to) => begins_before(to),
                None => hour <= with_objects[with_objects.len() - 1],
            };
            hour >= first && is_before_end && !with_objects.contains(&hour)
        };
        let is_gap = |minute: i64| {
            let hour = minute.div_euclid(60);
            !sources.is_empty() && sources.iter().all(|&source| is_gap_of(source, hour))
        };
        let minutes = from.seconds.div_euclid(60)..;
        let in_range = minutes.take_while(|&minute| Timestamp { seconds: minute * 60, nanos: 0 } < to);
        in_range.filter(|&minute| !is_gap(minute)).count() as u64
    }
}

/// Names of content are the program's own, of which there are few.
fn leaked(name: String) -> &'static str {
    borehole_record::ContentKinds::NAMES.into_iter().find(|kind| **kind == name).expect("a known kind")
}

fn rank(thousandths: u64, count: u64) -> u64 {
    (1..=count).find(|rank| rank * 1_000 >= count * thousandths).expect("at most all")
}

fn distribution(spreads: &[Spread]) -> Option<Distribution> {
    let seen: Vec<&Spread> = spreads.iter().filter(|spread| spread.count > 0).collect();
    let max = seen.iter().map(|spread| spread.max).max()?;
    let mut buckets: BTreeMap<u64, u64> = BTreeMap::new();
    for (&bucket, &count) in seen.iter().flat_map(|spread| &spread.buckets) {
        *buckets.entry(bucket).or_default() += count;
    }
    let values: Vec<u64> =
        buckets.iter().flat_map(|(&bucket, &count)| vec![bucket; count as usize]).collect();
    // The largest value of a bucket: one less than the least of the next.
    let least = |bucket: u64| {
        let width = (bucket / 1_024).max(1) - 1;
        (bucket - width * 1_024) << width
    };
    let count = values.len() as u64;
    let percentile = |thousandths| (least(values[rank(thousandths, count) as usize - 1] + 1) - 1).min(max);
    Some(Distribution {
        count,
        min: seen.iter().map(|spread| spread.min).min()?,
        max,
        sum: seen.iter().map(|spread| u128::from(spread.sum)).sum(),
        p50: percentile(500),
        p90: percentile(900),
        p95: percentile(950),
        p99: percentile(990),
        p999: percentile(999),
    })
}

fn minute_figures(
    values: &BTreeMap<i64, u64>,
    windows: Option<[u64; 3]>,
    average_minutes: u64,
) -> Option<MinuteFigures> {
    let mut sorted: Vec<u64> = values.values().copied().collect();
    sorted.sort_unstable();
    let peak = *sorted.last()?;
    let sum: u128 = sorted.iter().map(|&value| u128::from(value)).sum();
    let count = sorted.len() as u64;
    let over_peak = |value: u64| Ratio { numerator: u128::from(value), denominator: u128::from(peak) };
    let burst = windows.filter(|_| peak > 0).map(|[_, ten_seconds, second]| Burst {
        second_x60: over_peak(second * 60),
        ten_seconds_x6: over_peak(ten_seconds * 6),
    });
    let point = |(&minute, &value): (&i64, &u64)| (UtcSlot::Minute(UtcMinute(minute)), value);
    Some(MinuteFigures {
        average: Ratio { numerator: sum, denominator: u128::from(count) },
        average_all: Ratio::new(sum, u128::from(average_minutes)),
        p50: sorted[rank(500, count) as usize - 1],
        p90: sorted[rank(900, count) as usize - 1],
        p99: sorted[rank(990, count) as usize - 1],
        peak,
        peak_minute: values.iter().find(|&(_, &value)| value == peak).map(|(&at, _)| UtcMinute(at))?,
        peak_sliding_60s: windows.map_or(0, |[sliding, ..]| sliding),
        burst,
        data_points: Some(values.iter().map(point).collect()),
    })
}

fn day_figures(minutes: &BTreeMap<i64, u64>) -> Option<DayFigures> {
    let day = |first: i64| -> u64 { minutes.range(first..first + 1_440).map(|(_, value)| value).sum() };
    let days: BTreeSet<i64> = minutes.keys().map(|minute| minute.div_euclid(1_440)).collect();
    let peak = days.iter().map(|&number| day(number * 1_440)).max()?;
    let ends = || minutes.keys().map(|&last| (last, day(last - 1_439)));
    let rolling = ends().map(|(_, sum)| sum).max()?;
    Some(DayFigures {
        peak,
        peak_day: days.iter().find(|&&number| day(number * 1_440) == peak).map(|&number| UtcDay(number))?,
        rolling_24h: rolling,
        rolling_24h_end: ends().find(|&(_, sum)| sum == rolling).map(|(last, _)| UtcMinute(last))?,
    })
}

/// The rankings of a choice, those that can be told; and whether shares in the peak cannot be.
fn rankings(
    page: &Page,
    choice: &Choice<'_>,
    members: &[&PageGroup],
    is_everything: bool,
    cells: &[PageCell],
) -> (Vec<Ranking>, bool) {
    let counter = |cells: &mut dyn Iterator<Item = &PageCell>, place: usize| {
        cells.map(|cell| u128::from(cell.counters[place])).sum::<u128>()
    };
    let is_settled = counter(&mut cells.iter(), 11) > 0;
    let all = |place: usize| counter(&mut cells.iter(), place);
    let all = if is_settled { all(10) } else { all(3) + all(4) };
    let number_of =
        |group: &PageGroup| page.groups.iter().position(|other| other.key == group.key).expect("a group");
    let slots: Option<Vec<(usize, i64)>> = members
        .iter()
        .map(|group| {
            let number = number_of(group);
            Some(whole_slots(page, group, choice)?.into_iter().map(|slot| (number, slot)).collect::<Vec<_>>())
        })
        .collect::<Option<Vec<_>>>()
        .map(|slots| slots.concat());
    let Some(slots) = slots else { return (Vec::new(), true) };
    // Peaks are told by the measure of the whole run.
    let peaks = |ranking: &PageRanking| -> Option<Vec<Peak>> {
        let is_known =
            |groups: &[&PageGroup]| counter(&mut groups.iter().flat_map(|group| &group.cells), 11) > 0;
        let every: Vec<&PageGroup> = page.groups.iter().collect();
        if let [alone] = members {
            let number = number_of(alone);
            let chosen = slots.iter().filter_map(|(_, slot)| ranking.peaks[number][slot].clone());
            return (is_known(&[alone]) == is_settled).then(|| chosen.collect());
        }
        if members.is_empty() {
            return Some(Vec::new());
        }
        let whole: BTreeSet<i64> = page.hours.iter().map(|&hour| slot_of(page, hour)).collect();
        let is_whole = |slot: &i64| {
            let mut hours = page.hours.iter().filter(|&&hour| slot_of(page, hour) == *slot);
            let any = hours.clone().any(|&hour| choice.has(hour));
            !any || hours.all(|&hour| choice.has(hour))
        };
        let is_told = is_everything && is_known(&every) == is_settled && whole.iter().all(is_whole);
        let chosen = whole
            .iter()
            .filter(|slot| page.hours.iter().any(|&hour| slot_of(page, hour) == **slot && choice.has(hour)));
        is_told.then(|| chosen.filter_map(|slot| ranking.peaks_of_all[slot].clone()).collect())
    };
    let mut withheld = false;
    let mut rankings = Vec::new();
    for ranking in &page.rankings {
        let mut sums: BTreeMap<usize, [u64; 5]> = BTreeMap::new();
        for (group, slot) in &slots {
            for (&value, more) in &ranking.sums[*group][slot] {
                let own = sums.entry(value).or_default();
                (0..5).for_each(|place| own[place] += more[place]);
            }
        }
        let rest = ranking.omitted.map(|_| ranking.values.len() - 1);
        let omitted = if rest.is_some_and(|rest| sums.remove(&rest).is_some()) {
            ranking.omitted.unwrap_or(0)
        } else {
            0
        };
        let peaks = peaks(ranking);
        withheld |= peaks.is_none();
        let mut peak: Option<Peak> = None;
        for other in peaks.into_iter().flatten() {
            if peak.as_ref().is_none_or(|peak| (other.load, -other.minute) > (peak.load, -peak.minute)) {
                peak = Some(other);
            }
        }
        let mut rows: Vec<(u128, Rank)> = sums
            .into_iter()
            .map(|(value, [attempted, throttled, input, output, settled])| {
                let load = u128::from(if is_settled { settled } else { input + output });
                let share_in_peak = peak.as_ref().and_then(|peak| {
                    let own = peak.loads.get(&value).copied().unwrap_or(0);
                    Ratio::new(u128::from(own), u128::from(peak.load))
                });
                let rank = Rank {
                    value: ranking.values[value].clone(),
                    attempted,
                    throttled,
                    input: u128::from(input),
                    output: u128::from(output),
                    settled: u128::from(settled),
                    share: Ratio::new(load, all),
                    share_in_peak,
                };
                (load, rank)
            })
            .collect();
        rows.sort_by(|(a_load, a), (b_load, b)| {
            (b_load, b.attempted, &a.value).cmp(&(a_load, a.attempted, &b.value))
        });
        let rows = rows.into_iter().map(|(_, rank)| rank).collect();
        rankings.push(Ranking { dimension: ranking.dimension.clone(), rows, omitted });
    }
    (rankings, withheld)
}

// ---- A fresh run ----

fn sealed<'a>(question: &Question, records: impl IntoIterator<Item = &'a Record>) -> Vec<SealedHour> {
    let mut hours: BTreeMap<UtcHour, HourSummary> = BTreeMap::new();
    for (invocation, coverage) in records {
        let hour = UtcHour::of(invocation.timestamp);
        let summary = hours.entry(hour).or_insert_with(|| HourSummary::new(hour));
        summary.observe(question, invocation, *coverage);
    }
    hours.into_values().map(HourSummary::seal).collect()
}

fn totals<'a>(question: &Question, records: impl IntoIterator<Item = &'a Record>) -> Totals {
    let mut totals = Totals::new();
    sealed(question, records).into_iter().for_each(|hour| totals.insert(hour));
    totals
}

/// The figures of a run over the records of the chosen groups, in the chosen range.
fn fresh(question: &Question, records: &[Record], coverage: &[CoverageSpan], choice: &Choice<'_>) -> Figures {
    let (from, to) = choice.range((question.from, question.to));
    let is_cut = !page_dimensions(question).is_empty();
    let key_question = Question { rank: Vec::new(), cube: false, top: None, ..question.clone() };
    let is_admitted = |record: &&Record| {
        let groups = totals(&key_question, [*record]).figures(&key_question, &[]).groups;
        let key = groups.first().map(|group| group.key.iter().map(|(_, value)| value.clone()));
        !is_cut || key.is_some_and(|key| (choice.admits)(&key.collect::<Vec<_>>()))
    };
    let by = if is_cut { question.by.clone() } else { Vec::new() };
    let question = Question {
        by,
        from,
        to,
        cube: false,
        series: Some(Grain::Minute),
        top: None,
        list: None,
        ..question.clone()
    };
    let figures = totals(&question, records.iter().filter(is_admitted)).figures(&question, coverage);
    // Of the whole run alone.
    Figures {
        models_folded: 0,
        unruled_models: BTreeMap::new(),
        unresolved_profiles: BTreeMap::new(),
        ..figures
    }
}

/// The words of `--by`, where groups add up to everything.
fn page_dimensions(question: &Question) -> Vec<String> {
    let words: Vec<String> = question.by.iter().map(|dimension| dimension.name().into_owned()).collect();
    let apart = ["content-kind", "minute", "hour", "day"];
    if words.iter().any(|word| apart.contains(&&**word)) { Vec::new() } else { words }
}

/// The figures without what is withheld.
fn told(mut figures: Figures, page: &Page, choice: &Choice<'_>, withheld: Withheld) -> Figures {
    let without_windows = |group: &mut Group| {
        let series = [
            &mut group.tokens_per_minute,
            &mut group.quota_tokens_per_minute,
            &mut group.reserved_tokens_per_minute,
            &mut group.requests_per_minute,
        ];
        for figures in series.into_iter().flatten() {
            (figures.peak_sliding_60s, figures.burst) = (0, None);
        }
    };
    let without_distributions = |group: &mut Group| {
        group.distributions.clear();
        group.cross_region.clear();
    };
    if withheld.sliding {
        without_windows(&mut figures.totals);
    }
    if withheld.distributions {
        without_distributions(&mut figures.totals);
        figures.rankings.clear();
    }
    if withheld.peak_shares {
        let rows = figures.rankings.iter_mut().flat_map(|ranking| &mut ranking.rows);
        rows.for_each(|row| row.share_in_peak = None);
    }
    for group in &mut figures.groups {
        let key: Vec<Option<String>> = group.key.iter().map(|(_, value)| value.clone()).collect();
        let of_page = page.groups.iter().find(|group| group.key == key);
        if of_page.is_some_and(|of_page| whole_slots(page, of_page, choice).is_none()) {
            without_distributions(group);
        }
    }
    figures
}

// ---- The comparisons ----

/// The cube, with slots made longer so many times over; then, in the end, without groups.
fn cube_of(totals: &Totals, question: &Question, coverage: &[CoverageSpan], longer: usize) -> Option<Cube> {
    let mut cube = totals.cube_within(question, coverage, u64::MAX, u64::MAX).expect("small numbers");
    for _ in 0..longer {
        let bound = cube.page_bytes - 1;
        let max = if cube.slot_hours == 0 { bound } else { u64::MAX };
        match totals.cube_within(question, coverage, bound, max) {
            Ok(smaller) => cube = smaller,
            Err(refusal) => {
                assert_eq!(refusal, Refusal::TooLarge);
                return None;
            }
        }
    }
    Some(cube)
}

/// Which groups are chosen: of each dimension all values, or those that a number picks; or one group alone.
fn any_groups() -> impl Strategy<Value = (Vec<u8>, Option<prop::sample::Index>)> {
    let picks = proptest::collection::vec(prop_oneof![2 => Just(0u8), 1 => any::<u8>()], 4);
    (picks, proptest::option::weighted(0.3, any::<prop::sample::Index>()))
}

fn is_picked(pick: u8, value: Option<&str>) -> bool {
    let hash = value.unwrap_or("?").bytes().fold(pick, |hash, byte| hash.rotate_left(3) ^ byte);
    pick == 0 || hash % 3 > 0
}

fn any_hours() -> impl Strategy<Value = (Option<i64>, Option<i64>)> {
    let end = || proptest::option::weighted(0.6, traffic::HOURS.start - 1..traffic::HOURS.end + 2);
    let hour = |index: Option<i64>| index.map(|index| traffic::hour(index).0);
    (end(), end()).prop_map(move |(from, to)| (hour(from), hour(to)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_choice_in_a_page_is_a_fresh_run_with_that_choice(
        question in traffic::questions(),
        records in traffic::records(70),
        hours in any_hours(),
        (picks, alone) in any_groups(),
        longer in 0usize..9,
    ) {
        let question = Question { cube: true, ..question };
        let coverage = traffic::coverage();
        let totals = totals(&question, &records);
        let Some(cube) = cube_of(&totals, &question, &coverage, longer) else { return Ok(()) };
        let page = read(&cube);
        let has_groups = !page.dimensions.is_empty();
        let alone = alone.filter(|_| has_groups && !page.groups.is_empty());
        let alone = alone.map(|index| page.groups[index.index(page.groups.len())].key.clone());
        let admits = |key: &[Option<String>]| match &alone {
            Some(alone) => key == alone,
            None => key.iter().zip(&picks).all(|(value, &pick)| is_picked(pick, value.as_deref())),
        };
        let choice = Choice { from: hours.0, to: hours.1, admits: &admits };
        let (from, to) = choice.range((question.from, question.to));
        prop_assume!(from.zip(to).is_none_or(|(from, to)| from < to));
        // Where filters were given up, groups are chosen no more.
        let whole = Question { by: if has_groups { question.by.clone() } else { Vec::new() }, ..question.clone() };
        let (found, withheld) = answer(&page, &choice);
        let expected = told(fresh(&whole, &records, &coverage, &choice), &page, &choice, withheld);
        prop_assert_eq!(found, expected);

        let spans: Vec<Vec<i64>> = coverage
            .iter()
            .map(|span| span.hours_with_objects.iter().map(|hour| hour.0).collect())
            .collect();
        prop_assert_eq!(&page.spans, &spans);
        prop_assert_eq!((page.from, page.to), (question.from, question.to));
        // What is withheld is withheld for the reasons that `docs/cube.md` gives.
        prop_assert!(!withheld.distributions || page.slot_hours != 1);
    }

    #[test]
    fn nothing_is_withheld_where_nothing_is_chosen(
        question in traffic::questions(),
        records in traffic::records(70),
        longer in 0usize..9,
    ) {
        let question = Question { cube: true, ..question };
        let totals = totals(&question, &records);
        let Some(cube) = cube_of(&totals, &question, &traffic::coverage(), longer) else { return Ok(()) };
        let page = read(&cube);
        let choice = Choice { from: None, to: None, admits: &|_| true };
        let (found, withheld) = answer(&page, &choice);
        prop_assert_eq!(withheld, Withheld::default());
        let asked = Question { series: Some(Grain::Minute), top: None, list: None, ..question.clone() };
        let asked = totals.figures(&asked, &traffic::coverage());
        let groups = if page.dimensions.is_empty() { Vec::new() } else { asked.groups };
        prop_assert_eq!((found.totals, found.groups), (asked.totals, groups));
        prop_assert_eq!((found.from, found.to, found.rankings), (asked.from, asked.to, asked.rankings));
    }

    #[test]
    fn throttles_by_minute_are_those_of_the_records(
        question in traffic::questions(),
        records in traffic::records(70),
    ) {
        // Without filters and ranges every record counts.
        let question = Question {
            cube: true, filter: Default::default(), from: None, to: None, ..question
        };
        let cube = totals(&question, &records).cube(&question, &[]).expect("small numbers");
        let mut expected: BTreeMap<i64, u64> = BTreeMap::new();
        for (one, _) in &records {
            let is_throttled = one.facets.error_code.as_deref() == Some("ThrottlingException");
            if is_throttled && (question.include_outliers || !question.is_outlier(one.timestamp)) {
                *expected.entry(one.timestamp.seconds.div_euclid(60)).or_default() += 1;
            }
        }
        let mut found: BTreeMap<i64, u64> = BTreeMap::new();
        for (&minute, count) in read(&cube).groups.iter().flat_map(|group| &group.cells).flat_map(|cell| &cell.throttles) {
            *found.entry(minute).or_default() += count;
        }
        prop_assert_eq!(found, expected);
    }

    /// Names are numbered as hours come: nothing of that is in the bytes.
    #[test]
    fn the_cube_is_the_same_for_any_order_of_hours_and_any_way_to_them(
        question in traffic::questions(),
        records in traffic::records(70),
        others in traffic::records(30),
        picks in proptest::collection::vec(any::<(prop::sample::Index, bool)>(), 8),
        longer in 0usize..9,
    ) {
        let question = Question { cube: true, ..question };
        let coverage = traffic::coverage();
        let expected = cube_of(&totals(&question, &records), &question, &coverage, longer);
        let mut hours = sealed(&question, &records);
        let mut halves = [Totals::new(), Totals::new()];
        let mut picks = picks.iter().cycle();
        while !hours.is_empty() {
            let (place, half) = picks.next().expect("a cycle");
            let hour = hours.swap_remove(place.index(hours.len()));
            let hour = SealedHour::from_bytes(&hour.to_bytes()).expect("bytes that were just written");
            halves[usize::from(*half)].insert(hour);
        }
        let [mut merged, other] = halves;
        merged.merge(other);
        prop_assert_eq!(&cube_of(&merged, &question, &coverage, longer), &expected);

        let mut replaced = totals(&question, &others);
        let (old, new) = (sealed(&question, &others), sealed(&question, &records));
        for hour in traffic::HOURS.map(traffic::hour) {
            let of = |hours: &[SealedHour]| {
                let found = hours.iter().find(|other| other.hour() == hour).cloned();
                found.unwrap_or_else(|| HourSummary::new(hour).seal())
            };
            replaced.replace(of(&old), of(&new));
        }
        prop_assert_eq!(&cube_of(&replaced, &question, &coverage, longer), &expected);
    }
}

/// A question by model, with rates, that ranks sessions.
fn question() -> Question {
    Question {
        by: vec![Dimension::Model],
        rank: vec![Dimension::Session],
        cube: true,
        charges: Charges::new(std::sync::Arc::new(traffic::Rates)),
        ..Question::default()
    }
}

/// So many calls, seconds apart from the start of hour 0, with sessions of their own.
fn calls(count: i64, step: i64) -> Vec<Record> {
    let call = |number: i64| {
        let model = if number % 3 == 0 { traffic::NOVA } else { traffic::HAIKU };
        let facets = Facets {
            identity: Some(format!("arn:aws:sts::111122223333:assumed-role/Builder/s{number:04}").into()),
            ..Facets::clone(&traffic::facets(model))
        };
        let start = traffic::hour(0).start_seconds();
        let mut invocation = traffic::invocation(start + number * step, &facets.into());
        invocation.input_tokens = Count::known(1_000 + number as u64 * 7);
        invocation.output_tokens = Count::known(number as u64 % 50);
        (invocation, CoverageId(0))
    };
    (0..count).map(call).collect()
}

#[test]
fn values_that_are_cut_off_stand_for_the_rest_together() {
    let records = calls(230, 60);
    let question = question();
    let page = read(&totals(&question, &records).cube(&question, &[]).expect("small numbers"));
    let sessions = &page.rankings[0];
    assert_eq!((sessions.values.len(), sessions.omitted), (201, Some(30)));
    let choice = Choice { from: None, to: None, admits: &|_| true };
    let (found, _) = answer(&page, &choice);
    assert_eq!(found.rankings, totals(&question, &records).figures(&question, &[]).rankings);
    let rest: u64 = sessions
        .sums
        .iter()
        .flat_map(|slots| slots.values())
        .filter_map(|sums| sums.get(&200))
        .map(|sums| sums[0])
        .sum();
    assert_eq!(rest, 30);
}

#[test]
fn models_that_are_folded_are_folded_in_the_cube() {
    let mut records = calls(300, 20);
    let start = traffic::hour(1).start_seconds();
    for index in 0..4_100 {
        let facets = traffic::facets(&format!("junk-{index:04}"));
        let mut invocation = traffic::invocation(start + (index * 7) % 3_600, &facets);
        invocation.input_tokens = Count::known(index as u64 * 31);
        records.push((invocation, CoverageId::NONE));
    }
    let question = Question { rank: vec![Dimension::Region], ..question() };
    let totals = totals(&question, &records);
    let page = read(&totals.cube(&question, &[]).expect("small numbers"));
    let choice = Choice { from: None, to: None, admits: &|_| true };
    let (found, withheld) = answer(&page, &choice);
    assert_eq!(withheld, Withheld::default());
    let expected = totals.figures(&Question { series: Some(Grain::Minute), ..question }, &[]);
    assert_eq!(expected.models_folded, 6);
    assert_eq!((found.totals, found.groups), (expected.totals, expected.groups));
    assert_eq!(found.rankings, expected.rankings);
}

#[test]
fn a_question_that_did_not_ask_for_a_cube_has_none() {
    let plain = Question { cube: false, ..question() };
    let totals = totals(&plain, &calls(3, 1));
    assert_eq!(totals.cube(&plain, &[]), Err(Refusal::NotAsked));
    assert_eq!(totals.cube(&question(), &[]), Err(Refusal::NotAsked));
}

#[test]
fn sums_that_a_page_cannot_count_with_have_no_cube() {
    let mut records = calls(4, 1);
    // Each fits, and two do not: the sum of two large counts is even, so that it is no matter of rounding.
    for (invocation, _) in &mut records {
        invocation.cache_read_tokens = Count::known(1 << 51);
    }
    let refusal = |records: &[Record]| totals(&question(), records).cube(&question(), &[]).err();
    assert_eq!(refusal(&records[..2]), None);
    assert_eq!(refusal(&records), Some(Refusal::NumberTooLarge));
}

#[test]
fn a_cube_that_must_be_smaller_gives_up_time_then_filters_then_itself() {
    let question = question();
    let totals = totals(&question, &calls(4_000, 30));
    let whole = |aim, max| totals.cube_within(&question, &[], aim, max);
    let finest = totals.cube(&question, &[]).expect("small numbers");
    assert_eq!(finest.slot_hours, 1);
    assert!(finest.page_bytes < PAGE_BYTES_AIM);
    let mut hours = Vec::new();
    let mut cube = finest;
    while cube.slot_hours > 0 {
        hours.push(cube.slot_hours);
        let smaller = whole(cube.page_bytes - 1, u64::MAX).expect("no bound");
        assert!(smaller.page_bytes < cube.page_bytes);
        assert!(hours.iter().all(|&before| smaller.slot_hours == 0 || smaller.slot_hours > before));
        cube = smaller;
    }
    assert!(hours.len() > 3, "slots of {hours:?} hours");
    assert_eq!(read(&cube).dimensions, ["model"]);
    let one = whole(0, cube.page_bytes - 1).expect("everything alone is smaller");
    assert_eq!((read(&one).dimensions.len(), read(&one).groups.len()), (0, 1));
    assert_eq!(whole(0, 1_000), Err(Refusal::TooLarge));
}

#[test]
fn a_cube_of_nothing_can_be_read() {
    let question = question();
    let page = read(&Totals::new().cube(&question, &traffic::coverage()).expect("nothing is large"));
    assert_eq!((page.hours.len(), page.groups.len(), page.rankings.len()), (0, 0, 1));
    let nothing = Question { by: Vec::new(), ..question };
    let page = read(&Totals::new().cube(&nothing, &[]).expect("nothing is large"));
    assert_eq!((page.hours.len(), page.groups.len()), (0, 1));
}

#[test]
fn a_call_that_was_refused_has_its_error_and_minute() {
    let mut records = calls(2, 90);
    let call = Call { error_code: Some("ThrottlingException".into()), ..(*records[1].0.facets.call).clone() };
    records[1].0.facets = Facets { call: call.into(), ..Facets::default() }.into();
    let question = question();
    let page = read(&totals(&question, &records).cube(&question, &[]).expect("small numbers"));
    let cells = || page.groups.iter().flat_map(|group| &group.cells);
    let minute = traffic::hour(0).start_seconds() / 60 + 1;
    assert!(cells().any(|cell| cell.throttles == BTreeMap::from([(minute, 1)])));
    assert!(cells().any(|cell| cell.errors == BTreeMap::from([("ThrottlingException".to_owned(), 1)])));
}
