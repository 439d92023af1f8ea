//! The finest part of an open hour: the records of one group that ran in one inference Region.
//!
//! In: invocations, one at a time. Out: what a cell is packed from. Always: a record costs sums in place and one
//! row behind the others, without hashing; rows are added up when there are many, so that an hour costs memory
//! for its distinct values, not for its records; the order of records changes nothing that is packed.
//! Absent: names of groups (see `hour`), and what records of the same strings share (see [`Sums::count`]).

use borehole_record::Invocation;

use crate::buckets::{Adder, ListPacker, Scratch, SpreadId};
use crate::charge::Measures;
use crate::coverage::CoverageId;
use crate::histogram::bucket_index;
use crate::names::{NameId, Renaming};
use crate::packed::Packer;
use crate::series::{self, Load, Loads, Seconds};
use crate::sums::{Ending, FIRST_BYTE, LATENCY, SPREAD_NAMES, Sums, Values, values_of};

/// One counted invocation, as every strand that it belongs to sees it.
pub(crate) struct Observed<'a> {
    invocation: &'a Invocation,
    measures: Measures,
    ending: Ending,
    stop_reason: NameId,
    values: Values,
    row: Row,
    coverage: CoverageId,
}

impl<'a> Observed<'a> {
    /// `second` is that of the hour, or [`Seconds::NONE`] where the time is left out of every series; `stop_reason` is
    /// absent where there is none.
    pub(crate) fn new(
        invocation: &'a Invocation,
        measures: Measures,
        ending: Ending,
        stop_reason: NameId,
        second: u16,
        coverage: CoverageId,
    ) -> Self {
        let mut row =
            Row { second, buckets: [Adder::NOTHING; SPREAD_NAMES.len()], tokens: 0, settled: 0, reserved: 0 };
        let mut values = Values::default();
        // A failed one is an attempt, and no more.
        if ending == Ending::Successful {
            values = values_of(invocation, measures);
            for (bucket, value) in row.buckets.iter_mut().zip(values) {
                if let Some(value) = value {
                    *bucket = bucket_index(value);
                }
            }
            let [input, output] = [invocation.input_tokens, invocation.output_tokens];
            row.tokens = input.get().unwrap_or(0).saturating_add(output.get().unwrap_or(0));
            row.settled = measures.settled.unwrap_or(0);
            row.reserved = measures.reserved.unwrap_or(0);
        }
        Observed { invocation, measures, ending, stop_reason, values, row, coverage }
    }

    pub(crate) fn invocation(&self) -> &'a Invocation {
        self.invocation
    }
}

/// What of one record is added up later.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// Of the hour, or [`Seconds::NONE`].
    second: u16,
    /// In the order of [`SPREAD_NAMES`], or [`Adder::NOTHING`].
    buckets: [u16; SPREAD_NAMES.len()],
    /// The parts of its [`Load`]; it is one attempt.
    tokens: u64,
    settled: u64,
    reserved: u64,
}

impl Row {
    fn load(&self) -> Load {
        Load { attempts: 1, tokens: self.tokens, settled: self.settled, reserved: self.reserved }
    }
}

/// Rows that wait before they are added up, at least: 80 KB. Fewer would make busy groups add up what they have
/// again and again, more would not be in the cache.
const ROWS_MIN: usize = 2_048;

/// Adding up passes over the places that are there already: no more of them for each row that waits.
const PLACES_A_ROW: usize = 8;

/// The records of one group in one inference Region, in one open hour.
#[derive(Clone, Debug)]
pub(crate) struct Strand {
    region: NameId,
    keeps_spreads: bool,
    pub(crate) sums: Sums,
    rows: Vec<Row>,
    /// Rows that were added up: buckets ascending, each once, by distribution; and their loads.
    counts: [Vec<(u16, u64)>; SPREAD_NAMES.len()],
    loads: Loads,
    /// Ascending, each once; nearly always one.
    coverage: Vec<CoverageId>,
}

impl Strand {
    /// No records.
    pub(crate) fn new(region: NameId, keeps_spreads: bool) -> Self {
        Strand {
            region,
            keeps_spreads,
            sums: Sums::default(),
            rows: Vec::new(),
            counts: Default::default(),
            loads: Loads::new(),
            coverage: Vec::new(),
        }
    }

    /// No records, in the memory of another strand.
    pub(crate) fn again(mut self, region: NameId, keeps_spreads: bool) -> Self {
        self.region = region;
        self.keeps_spreads = keeps_spreads;
        self
    }

    /// Forgets the records, and keeps the memory but of what few strands have, and of more than so many rows.
    pub(crate) fn clear(&mut self, rows_left: &mut usize) {
        self.sums.clear();
        self.rows.clear();
        self.counts = Default::default();
        self.loads = Loads::new();
        self.coverage.clear();
        match rows_left.checked_sub(self.rows.capacity()) {
            Some(left) => *rows_left = left,
            None => self.rows = Vec::new(),
        }
    }

    /// Adds one invocation.
    pub(crate) fn observe(&mut self, observed: &Observed<'_>, tables: &mut Tables) {
        self.sums.observe(observed.invocation, observed.measures, observed.ending, observed.stop_reason);
        let mut row = observed.row;
        if !self.keeps_spreads {
            row.buckets = [Adder::NOTHING; SPREAD_NAMES.len()];
        } else if observed.ending == Ending::Successful {
            self.sums.spread(&observed.values);
        }
        self.rows.push(row);
        if self.coverage.last() != Some(&observed.coverage) {
            self.cover(observed.coverage);
        }
        if self.rows.len() >= ROWS_MIN {
            self.fold_if_worth_it(tables);
        }
    }

    /// Adds the records of the same strand of another summary, whose names are renamed to ours.
    pub(crate) fn merge(&mut self, mut other: Strand, renaming: &Renaming, tables: &mut Tables) {
        other.sums.finish(other.region);
        self.sums.merge(&other.sums, renaming);
        other.coverage.iter().for_each(|&id| self.cover(id));
        if other.loads.is_empty() && other.counts.iter().all(Vec::is_empty) {
            self.rows.append(&mut other.rows);
            self.fold_if_worth_it(tables);
        } else {
            self.fold_with(Some(&other), tables);
        }
    }

    /// Whether it has distributions.
    pub(crate) fn keeps_spreads(&self) -> bool {
        self.keeps_spreads
    }

    /// Ends the adding: from here on the sums are whole.
    pub(crate) fn finish(&mut self) {
        self.sums.finish(self.region);
    }

    fn cover(&mut self, id: CoverageId) {
        if let Err(position) = self.coverage.binary_search(&id) {
            self.coverage.insert(position, id);
        }
    }

    fn fold_if_worth_it(&mut self, tables: &mut Tables) {
        let places = self.loads.len() + self.counts.iter().map(Vec::len).sum::<usize>();
        if self.rows.len() >= ROWS_MIN.max(places / PLACES_A_ROW) {
            self.fold(tables);
        }
    }

    /// Adds the rows up.
    fn fold(&mut self, tables: &mut Tables) {
        self.fold_with(None, tables);
    }

    /// Adds up the rows and what another strand has added up.
    fn fold_with(&mut self, other: Option<&Strand>, tables: &mut Tables) {
        tables.prepare();
        let Tables { lists: Scratch { adder, .. }, seconds, .. } = tables;
        for position in 0..SPREAD_NAMES.len() {
            self.add_buckets(position, adder);
            other.into_iter().for_each(|other| other.add_buckets(position, adder));
            let counts = &mut self.counts[position];
            counts.clear();
            adder.drain(|bucket, count| counts.push((bucket, count)));
        }
        self.add_seconds(seconds);
        other.into_iter().for_each(|other| other.add_seconds(seconds));
        seconds.drain_into(&mut self.loads);
        self.rows.clear();
    }

    fn add_buckets(&self, position: usize, adder: &mut Adder) {
        self.counts[position].iter().for_each(|&(bucket, count)| adder.add(bucket, count));
        self.rows.iter().for_each(|row| adder.add_one(row.buckets[position]));
    }

    fn add_seconds(&self, seconds: &mut Seconds) {
        self.loads.iter().for_each(|&(second, load)| seconds.add(second, load));
        self.rows.iter().for_each(|row| seconds.add(row.second, row.load()));
    }
}

/// What strands are added up in; the memory is used again and again.
#[derive(Clone, Default, Debug)]
pub(crate) struct Tables {
    lists: Scratch,
    seconds: Seconds,
    loads: Loads,
}

impl Tables {
    fn prepare(&mut self) {
        self.lists.adder.prepare();
        self.seconds.prepare();
    }
}

/// Writes the cell of these finished strands, with all of its seconds where these are wanted, and apart from it the list
/// of their buckets: see [`crate::hour::SealedCell`].
pub(crate) fn pack(
    strands: &[&Strand],
    all_seconds: bool,
    renaming: &Renaming,
    tables: &mut Tables,
    cells: &mut Packer,
    lists: &mut Packer,
) {
    tables.prepare();
    let Tables { lists: Scratch { adder, section, .. }, seconds, loads } = tables;

    let merged;
    let sums = if let [alone] = strands {
        &alone.sums
    } else {
        let mut sums = Sums::default();
        strands.iter().for_each(|strand| sums.merge(&strand.sums, &Renaming::NONE));
        merged = sums;
        &merged
    };
    section.clear();
    sums.pack_plain(section);
    let mut coverage: Vec<CoverageId> = strands.iter().flat_map(|strand| &strand.coverage).copied().collect();
    coverage.sort_unstable();
    coverage.dedup();
    CoverageId::pack(&coverage, section);
    strands.iter().for_each(|strand| strand.add_seconds(seconds));
    seconds.drain_into(loads);
    series::pack(loads, all_seconds, section);
    cells.count(section.len() as u64);
    cells.bytes(section.from(0));

    section.clear();
    sums.pack_named(renaming, section);
    cells.count(section.len() as u64);
    cells.bytes(section.from(0));

    pack_buckets(strands, renaming, adder, ListPacker::new(lists, section));
}

fn pack_buckets(strands: &[&Strand], renaming: &Renaming, adder: &mut Adder, mut list: ListPacker<'_>) {
    let mut strands: Vec<(NameId, &Strand)> = strands
        .iter()
        .filter(|strand| strand.keeps_spreads)
        .map(|strand| (renaming.of(strand.region), *strand))
        .collect();
    for position in 0..SPREAD_NAMES.len() {
        strands.iter().for_each(|(_, strand)| strand.add_buckets(position, adder));
        list.drain(SpreadId::named(position), adder);
    }
    // Regions have distributions of their own.
    strands.retain(|&(region, _)| region != NameId::ABSENT);
    strands.sort_unstable_by_key(|&(region, _)| region);
    for same in strands.chunk_by(|(one, _), (other, _)| one == other) {
        let region = same[0].0;
        let spreads = [(LATENCY, SpreadId::latency(region)), (FIRST_BYTE, SpreadId::first_byte(region))];
        for (position, spread) in spreads {
            same.iter().for_each(|(_, strand)| strand.add_buckets(position, adder));
            list.drain(spread, adder);
        }
    }
    list.finish();
}
