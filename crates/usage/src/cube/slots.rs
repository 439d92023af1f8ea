//! What a cube holds of each group in each slot: distributions, inference Regions, rankings.
//!
//! In: the groups, and how many hours a slot has. Out: sections 16 to 18 of `docs/cube.md`. Always: the buckets of the
//! hours of a slot are added up, its largest minute is the largest of theirs. Absent: what is kept by hour.

use std::collections::BTreeMap;

use borehole_record::{UtcHour, UtcMinute};

use super::cells::{CellSpreads, InferenceSums, Ranking, Rankings};
use super::writer::{NameTable, Writer};
use super::{Draft, Group, Groups};
use crate::buckets::{self, Adder, Section, SpreadId};
use crate::histogram::Extent;
use crate::names::NameId;
use crate::packed::Unpacker;
use crate::ranks::{PeakMinute, RankSums, Ranks};
use crate::sums::SPREAD_NAMES;

/// Writes sections 16 to 18 for slots of so many hours; 0 is the whole run.
pub(super) fn write(
    draft: &Draft<'_>,
    groups: &Groups<'_>,
    cells: &[Vec<CellSpreads>],
    rankings: &Rankings,
    slot_hours: u64,
    names: &NameTable,
) -> Writer {
    let slot = |hour: usize| slot_of(draft.hours[hour].0, slot_hours);
    let mut body = Writer::default();
    body.number(slot_hours);
    let mut desk = SpreadDesk { draft, groups, names, adder: Adder::default(), counts: Vec::new() };
    desk.adder.prepare();
    for (group, cells) in groups.groups.iter().zip(cells) {
        let mut first = 0;
        for cells in cells.chunk_by(|one, other| slot(one.hour) == slot(other.hour)) {
            desk.write(cells, &group.cells[first..first + cells.len()], &mut body);
            first += cells.len();
        }
    }
    write_rankings(draft, groups, rankings, slot_hours, &mut body);
    body
}

fn slot_of(hour: UtcHour, slot_hours: u64) -> i64 {
    if slot_hours == 0 { 0 } else { hour.0.div_euclid(slot_hours as i64) }
}

/// What distributions are written with.
struct SpreadDesk<'a> {
    draft: &'a Draft<'a>,
    groups: &'a Groups<'a>,
    names: &'a NameTable,
    adder: Adder,
    counts: Vec<(u16, u64)>,
}

impl SpreadDesk<'_> {
    /// Writes a group in one slot, of which these are the hours.
    fn write(&mut self, hours: &[CellSpreads], cells: &[super::Cell<'_>], body: &mut Writer) {
        let mut sections: Vec<Section<'_>> = Vec::new();
        for cell in cells {
            let (_, kept) = self.draft.hours[cell.hour];
            let lists = cell.parts.iter().filter_map(|&part| self.groups.lists[cell.hour].get(part));
            for list in lists {
                let mut unpacker = Unpacker::new(list);
                let of_list = buckets::sections(&mut unpacker);
                sections.extend(of_list.map(|(spread, section)| (spread.renamed(&kept.renaming), section)));
            }
        }
        sections.sort_by_key(|&(spread, _)| spread);
        for position in 0..SPREAD_NAMES.len() {
            let mut extent = Extent::default();
            let extents = hours.iter().filter_map(|hour| hour.extents.as_ref());
            extents.for_each(|extents| extent.merge(&extents[position]));
            self.write_spread(&extent, SpreadId::named(position), &sections, body);
        }
        // By text, since names are numbered as hours came.
        let mut inference: BTreeMap<&str, (NameId, InferenceSums)> = BTreeMap::new();
        let texts = self.draft.texts();
        for (name, sums) in hours.iter().flat_map(|hour| &hour.inference) {
            let Some(text) = texts.text(*name) else { continue };
            let (_, own) = inference.entry(text).or_insert_with(|| (*name, InferenceSums::default()));
            own.requests += sums.requests;
            own.latency.merge(&sums.latency);
            own.first_byte.merge(&sums.first_byte);
        }
        body.number(inference.len() as u64);
        for (text, (name, sums)) in inference {
            body.number(self.names.known(Some(text)));
            body.number(sums.requests);
            self.write_spread(&sums.latency, SpreadId::latency(name), &sections, body);
            self.write_spread(&sums.first_byte, SpreadId::first_byte(name), &sections, body);
        }
    }

    fn write_spread(
        &mut self,
        extent: &Extent,
        spread: SpreadId,
        sections: &[Section<'_>],
        body: &mut Writer,
    ) {
        body.number(extent.count);
        if extent.count == 0 {
            return;
        }
        body.number(extent.min);
        body.number(extent.max - extent.min);
        body.sum(extent.sum);
        let SpreadDesk { adder, counts, .. } = self;
        let first = sections.partition_point(|&(other, _)| other < spread);
        let same = sections[first..].iter().take_while(|&&(other, _)| other == spread);
        same.for_each(|(_, section)| buckets::unpack(section, |bucket, count| adder.add(bucket, count)));
        counts.clear();
        adder.drain(|bucket, count| counts.push((bucket, count)));
        body.number(counts.len() as u64);
        let mut next = 0;
        for &(bucket, count) in &*counts {
            body.number(u64::from(bucket - next) << 1 | u64::from(count > 1));
            if count > 1 {
                body.number(count - 2);
            }
            next = bucket + 1;
        }
    }
}

/// A group in one slot.
#[derive(Default)]
struct Ranked {
    /// By ranking, by place.
    sums: Vec<BTreeMap<u32, RankSums>>,
    peak: Option<Peak>,
}

/// The largest minute of a slot.
struct Peak {
    minute: UtcMinute,
    peak: PeakMinute,
}

/// Takes the peak of a later hour where it is larger.
fn raise(peak: &mut Option<Peak>, hour: UtcHour, later: Option<&PeakMinute>, is_settled: bool) {
    let Some(later) = later.filter(|later| later.is_settled == is_settled) else { return };
    if peak.as_ref().is_none_or(|peak| later.load > peak.peak.load) {
        let first = hour.start_seconds() / UtcMinute::SECONDS;
        *peak = Some(Peak { minute: UtcMinute(first + i64::from(later.minute)), peak: later.clone() });
    }
}

/// What of one ranking is written apart, to be put together in the end.
#[derive(Default)]
struct RankColumns {
    peaks_of_all: Writer,
    /// By group.
    sums: Vec<Writer>,
    peaks: Vec<Writer>,
}

fn write_rankings(
    draft: &Draft<'_>,
    groups: &Groups<'_>,
    rankings: &Rankings,
    slot_hours: u64,
    body: &mut Writer,
) {
    let Rankings { rankings, is_settled, groups_settled } = rankings;
    body.number(rankings.len() as u64);
    let Some(&(first_hour, _)) = draft.hours.first() else {
        rankings.iter().for_each(|ranking| write_head(ranking, body));
        return;
    };
    if rankings.is_empty() {
        return;
    }
    let first_minute = first_hour.start_seconds() / UtcMinute::SECONDS;
    let has_groups = !groups.dimensions.is_empty();
    // Hours with the groups that are in them, and where.
    let mut by_hour: Vec<Vec<(usize, usize)>> = vec![Vec::new(); draft.hours.len()];
    for (number, Group { cells, .. }) in groups.groups.iter().enumerate() {
        cells.iter().enumerate().for_each(|(place, cell)| by_hour[cell.hour].push((number, place)));
    }
    let columns = || RankColumns {
        peaks_of_all: Writer::default(),
        sums: vec![Writer::default(); groups.groups.len()],
        peaks: vec![Writer::default(); groups.groups.len()],
    };
    let mut columns: Vec<RankColumns> = rankings.iter().map(|_| columns()).collect();
    let numbered: Vec<usize> = (0..draft.hours.len()).collect();
    let slot = |hour: usize| slot_of(draft.hours[hour].0, slot_hours);
    for hours in numbered.chunk_by(|&one, &other| slot(one) == slot(other)) {
        let mut of_all: Option<Peak> = None;
        let mut of_groups: BTreeMap<usize, Ranked> = BTreeMap::new();
        for &number in hours {
            let (hour, kept) = draft.hours[number];
            let Ranks { values, peaks } = kept.ranks().ranks(&kept.renaming);
            let peak_at = |place: usize| peaks.get(place).and_then(Option::as_ref);
            raise(&mut of_all, hour, peak_at(0), *is_settled);
            for &(group, place) in &by_hour[number] {
                let cell = &groups.groups[group].cells[place];
                let ranked = of_groups.entry(group).or_default();
                ranked.sums.resize_with(rankings.len(), BTreeMap::new);
                let peak = cell.peak.and_then(peak_at);
                raise(&mut ranked.peak, hour, peak, groups_settled[group]);
                for lists in cell.parts.iter().filter_map(|&part| values.get(part)) {
                    for ((ranking, sums), list) in rankings.iter().zip(&mut ranked.sums).zip(lists) {
                        for (name, more) in list {
                            sums.entry(ranking.place(*name)).or_default().add(more);
                        }
                    }
                }
            }
        }
        for (position, (ranking, columns)) in rankings.iter().zip(&mut columns).enumerate() {
            if has_groups {
                write_peak(of_all.as_ref(), position, ranking, first_minute, &mut columns.peaks_of_all);
            }
            for (&group, ranked) in &of_groups {
                write_sums(&ranked.sums[position], &mut columns.sums[group]);
                let peaks = &mut columns.peaks[group];
                write_peak(ranked.peak.as_ref(), position, ranking, first_minute, peaks);
            }
        }
    }
    for (ranking, columns) in rankings.iter().zip(columns) {
        write_head(ranking, body);
        columns.sums.into_iter().for_each(|writer| body.append(writer));
        body.append(columns.peaks_of_all);
        columns.peaks.into_iter().for_each(|writer| body.append(writer));
    }
}

impl Ranking {
    /// The place of a value; the last one is that of all that have none.
    fn place(&self, name: NameId) -> u32 {
        self.places.get(&name).copied().unwrap_or(self.places.len() as u32)
    }
}

fn write_head(ranking: &Ranking, body: &mut Writer) {
    body.number(ranking.dimension);
    body.number(ranking.values.len() as u64);
    ranking.values.iter().for_each(|&name| body.number(name));
    body.number(u64::from(ranking.omitted > 0));
    if ranking.omitted > 0 {
        body.number(ranking.omitted);
    }
}

fn write_sums(sums: &BTreeMap<u32, RankSums>, writer: &mut Writer) {
    writer.number(sums.len() as u64);
    let mut next = 0;
    for (&place, sums) in sums {
        writer.number(u64::from(place - next));
        next = place + 1;
        writer.number(sums.attempted);
        writer.number(sums.throttled);
        [sums.input, sums.output, sums.settled].into_iter().for_each(|sum| writer.sum(sum));
    }
}

fn write_peak(
    peak: Option<&Peak>,
    position: usize,
    ranking: &Ranking,
    first_minute: i64,
    writer: &mut Writer,
) {
    writer.number(u64::from(peak.is_some()));
    let Some(Peak { minute, peak }) = peak else { return };
    // Not before the first hour.
    writer.number((minute.0 - first_minute) as u64);
    writer.number(peak.load);
    let mut loads: BTreeMap<u32, u64> = BTreeMap::new();
    for &(name, load) in peak.values.get(position).into_iter().flatten() {
        let own = loads.entry(ranking.place(name)).or_default();
        *own = own.saturating_add(load);
    }
    writer.number(loads.len() as u64);
    let mut next = 0;
    for (place, load) in loads {
        writer.number(u64::from(place - next));
        writer.number(load);
        next = place + 1;
    }
}
