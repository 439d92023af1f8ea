//! One UTC hour: invocations in, sums by group out.
//!
//! In: final invocations of the hour (joined, resolved, without duplicates), from any number of streams and in
//! any order. Out: a [`SealedHour`]: a few KB a group, equal for equal records. Always: every record ends as
//! counted or filtered, with one reason. Absent: other hours (see `totals`), bodies, threads.

use std::collections::BTreeMap;
use std::sync::Arc;

use borehole_record::{ContentKinds, Invocation, RequestId, UtcDay, UtcHour, UtcMinute};
use rustc_hash::FxHashMap;

use crate::charge::Measures;
use crate::coverage::CoverageId;
use crate::figures::ListedRequest;
use crate::listing::Listing;
use crate::names::{NameId, Names, UsedNames};
use crate::packed::{Packer, Unpacker};
use crate::question::{Dimension, FilterReason, Question};
use crate::ranks::{Cut, Ranked, Ranker};
use crate::reading::{Readings, Slot};
use crate::series::Seconds;
use crate::strand::{self, Observed, Strand, Tables};
use crate::sums::{Counters, Ending};
use crate::unknowns::{PackedUnknowns, Unknowns};

/// What became of an invocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is in the totals.
    Counted,
    /// The question leaves it out.
    Filtered(FilterReason),
}

/// An open hour: all that is asked about the records of one UTC hour, second by second.
///
/// Merging is associative and commutative, and an empty summary is its identity. One [`Question`] must be used
/// for all the summaries of a run. One summary can take one hour after the other ([`HourSummary::begin`]): what it
/// read from strings, and its memory, serve the next hour too.
#[derive(Clone, Debug)]
pub struct HourSummary {
    hour: UtcHour,
    names: Names,
    readings: Readings,
    /// Whether it is known what the question asks of this hour.
    is_asked: bool,
    /// Whether the totals are the sum of the groups: where each record is in one group that has everything.
    derives_totals: bool,
    /// Whether groups keep all of their seconds. The totals need none: nothing is added to them.
    all_seconds: bool,
    /// Numbers of cells; the totals have none, for they are always cell 0.
    groups: FxHashMap<Box<[NameId]>, u32>,
    cells: Vec<Cell>,
    /// The key at hand.
    key: Vec<NameId>,
    strands: Vec<Strand>,
    /// By cell and inference Region.
    strand_numbers: FxHashMap<(u32, NameId), u32>,
    routes: Vec<Route>,
    /// Those that a slot alone does not decide.
    route_numbers: FxHashMap<(u32, Branch), u32>,
    tally: Tally,
    /// By [`FilterReason`], in its order.
    filtered: [u64; FilterReason::ALL.len()],
    unknowns: Unknowns,
    listing: Listing,
    ranker: Ranker,
    tables: Tables,
    /// Of hours before, for their memory.
    spare: Vec<Strand>,
}

/// One group (or the totals) in an open hour: its strands.
#[derive(Clone, Default, Debug)]
struct Cell {
    strands: Vec<u32>,
}

/// The number of the totals in [`HourSummary::cells`].
const TOTALS: u32 = 0;

/// Where the records of a slot go, all of them or those of one branch.
#[derive(Clone, Copy, Debug)]
struct Route {
    slot: u32,
    strand: u32,
    /// Records that went here and are not yet under their labels.
    count: u64,
}

/// What decides a record's group beside its strings.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Branch {
    minute: Option<u8>,
    /// By its bit in [`ContentKinds`].
    kind: Option<u8>,
}

/// How the records of some hours ended.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// Records in the totals.
    pub counted: u64,
    /// Records that the question leaves out, by reason; only reasons that occurred.
    pub filtered: BTreeMap<&'static str, u64>,
    /// Counted successful records with a token count that is unknown because a payload could not be read.
    pub counts_lost: u64,
    /// Counted records of an impossible time: the warning `time_outlier`.
    pub outliers: u64,
    /// Counted records without a request id: the warning `no_request_id`.
    pub no_request_id: u64,
}

impl Tally {
    /// Adds the tally of other records.
    pub fn merge(&mut self, other: &Tally) {
        self.counted += other.counted;
        for (&reason, &count) in &other.filtered {
            *self.filtered.entry(reason).or_default() += count;
        }
        self.counts_lost += other.counts_lost;
        self.outliers += other.outliers;
        self.no_request_id += other.no_request_id;
    }
}

impl HourSummary {
    /// An hour without records.
    #[must_use]
    pub fn new(hour: UtcHour) -> Self {
        HourSummary {
            hour,
            names: Names::default(),
            readings: Readings::default(),
            is_asked: false,
            derives_totals: false,
            all_seconds: false,
            groups: FxHashMap::default(),
            cells: vec![Cell::default()],
            key: Vec::new(),
            strands: Vec::new(),
            strand_numbers: FxHashMap::default(),
            routes: Vec::new(),
            route_numbers: FxHashMap::default(),
            tally: Tally::default(),
            filtered: Default::default(),
            unknowns: Unknowns::default(),
            listing: Listing::default(),
            ranker: Ranker::default(),
            tables: Tables::default(),
            spare: Vec::new(),
        }
    }

    /// The hour.
    #[must_use]
    pub fn hour(&self) -> UtcHour {
        self.hour
    }

    /// Begins another hour; records that were not sealed are dropped.
    pub fn begin(&mut self, hour: UtcHour) {
        self.hour = hour;
        self.is_asked = false;
        let has_forgotten_names = self.readings.begin(&mut self.names);
        self.ranker.begin(has_forgotten_names);
        self.groups.clear();
        self.cells.clear();
        self.cells.push(Cell::default());
        self.spare.append(&mut self.strands);
        self.spare.truncate(SPARE_MAX);
        let mut rows_left = SPARE_ROWS_MAX;
        self.spare.iter_mut().for_each(|strand| strand.clear(&mut rows_left));
        self.strand_numbers.clear();
        self.routes.clear();
        self.route_numbers.clear();
        self.tally = Tally::default();
        self.filtered = Default::default();
        self.unknowns = Unknowns::default();
        self.listing = Listing::default();
    }

    /// Adds one invocation of this hour; `coverage` says which source's gaps apply to it.
    ///
    /// # Panics
    /// If the invocation's timestamp lies in another hour: whoever sorted it is wrong.
    pub fn observe(&mut self, question: &Question, invocation: &Invocation, coverage: CoverageId) -> Outcome {
        let time = invocation.timestamp;
        assert_eq!(UtcHour::of(time), self.hour, "a record was given to the summary of another hour");
        if question.is_out_of_range(time) {
            return self.filter(FilterReason::TimeRange);
        }
        if !self.is_asked {
            self.ask(question);
        }
        let number = match self.readings.find(&invocation.facets) {
            Some(number) => number,
            None => self.read(question, invocation),
        };
        let charge = *self.readings.charge(number);
        let slot = self.readings.slot(number);
        if let Some(reason) = slot.refused {
            return self.filter(reason);
        }
        slot.counted += 1;
        let (ending, route, totals_route) = (slot.ending, slot.route, slot.totals_route);

        let is_outlier = question.is_outlier(time);
        self.tally.outliers += u64::from(is_outlier);
        self.tally.no_request_id += u64::from(invocation.request_id == RequestId::Missing);
        if invocation.payload_lost && ending == Ending::Successful {
            let is_known = invocation.input_tokens.is_known() && invocation.output_tokens.is_known();
            self.tally.counts_lost += u64::from(!is_known);
        }
        let measures = Measures::of(&charge, invocation);
        if question.list.is_some() {
            let base_model = self.readings.base_model(number);
            self.listing.observe(question, invocation, base_model, measures.prompt);
        }

        let has_place = !is_outlier || question.include_outliers;
        let second = if has_place { self.second_of_hour(invocation) } else { Seconds::NONE };
        let stop_reason = match &invocation.facets.stop_reason {
            Some(reason) if ending == Ending::Successful => {
                self.readings.stop_reason(reason, &mut self.names)
            }
            _ => NameId::ABSENT,
        };
        if self.ranker.is_asked() {
            self.rank(number, invocation, measures, ending, second);
        }
        let observed = Observed::new(invocation, measures, ending, stop_reason, second, coverage);
        if !self.derives_totals {
            let route = if totals_route == Slot::NOT_YET { self.totals_route(number) } else { totals_route };
            self.give(&observed, route);
        }
        if !question.by.is_empty() {
            // A slot has a route of its own where nothing of the record decides its group.
            if route != Slot::NOT_YET {
                self.give(&observed, route);
            } else {
                self.branch(question, &observed, number);
            }
        }
        Outcome::Counted
    }

    /// Adds the records of another summary of the same hour.
    ///
    /// # Panics
    /// If the hours differ: whoever paired them is wrong.
    pub fn merge(&mut self, mut other: HourSummary) {
        assert_eq!(other.hour, self.hour, "summaries of two hours were merged");
        self.count_under_names();
        other.count_under_names();
        self.derives_totals |= other.derives_totals;
        self.all_seconds |= other.all_seconds;
        let renaming = self.names.rename(other.names.texts());
        // By the numbers of the other's cells.
        let mut cells = vec![TOTALS; other.cells.len()];
        for (key, &cell) in &other.groups {
            cells[cell as usize] = self.cell(&renaming.of_key(key));
        }
        let mut keys = vec![(TOTALS, NameId::ABSENT); other.strands.len()];
        for (&(cell, region), &strand) in &other.strand_numbers {
            keys[strand as usize] = (cells[cell as usize], renaming.of(region));
        }
        for (strand, (cell, region)) in other.strands.into_iter().zip(keys) {
            let own = self.strand(cell, region, strand.keeps_spreads());
            self.strands[own as usize].merge(strand, &renaming, &mut self.tables);
        }
        self.ranker.merge(other.ranker, &renaming, &cells);
        self.tally.merge(&other.tally);
        for (own, more) in self.filtered.iter_mut().zip(other.filtered) {
            *own += more;
        }
        self.unknowns.merge(&other.unknowns, &renaming);
        self.listing.merge(other.listing);
    }

    /// Ends the hour: what remains is small, and enough for every figure.
    #[must_use]
    pub fn seal(mut self) -> SealedHour {
        self.finish()
    }

    /// Ends the hour as [`HourSummary::seal`] does; [`HourSummary::begin`] makes room for another one.
    #[must_use]
    pub fn finish(&mut self) -> SealedHour {
        self.count_under_names();
        self.strands.iter_mut().for_each(Strand::finish);

        let mut used = UsedNames::none(&self.names);
        self.groups.keys().flatten().for_each(|&name| used.insert(name));
        self.strands.iter().flat_map(|strand| strand.sums.names()).for_each(|name| used.insert(name));
        self.unknowns.names().for_each(|name| used.insert(name));
        self.ranker.names().for_each(|name| used.insert(name));
        let (names, renaming) = self.names.sorted(&used);

        let mut groups: Vec<(Box<[NameId]>, u32)> =
            self.groups.iter().map(|(key, &cell)| (renaming.of_key(key), cell)).collect();
        groups.sort_unstable();
        let (mut cells, mut lists) = (Packer::default(), Packer::default());
        let of_totals: Vec<&Strand> = if self.derives_totals {
            self.strands.iter().collect()
        } else {
            let strands = self.cells[TOTALS as usize].strands.iter();
            strands.map(|&strand| &self.strands[strand as usize]).collect()
        };
        strand::pack(&of_totals, false, &renaming, &mut self.tables, &mut cells, &mut lists);
        for (key, cell) in &groups {
            key.iter().for_each(|&name| name.pack(&mut cells));
            let strands = self.cells[*cell as usize].strands.iter();
            let strands: Vec<&Strand> = strands.map(|&strand| &self.strands[strand as usize]).collect();
            let keeps = self.all_seconds;
            strand::pack(&strands, keeps, &renaming, &mut self.tables, &mut cells, &mut lists);
        }
        let mut ranks = Packer::default();
        let numbers: Vec<u32> = groups.iter().map(|&(_, cell)| cell).collect();
        self.ranker.pack(&numbers, &renaming, &mut ranks);
        let mut tally = std::mem::take(&mut self.tally);
        for (reason, count) in FilterReason::ALL.into_iter().zip(self.filtered) {
            if count > 0 {
                tally.filtered.insert(reason.as_str(), count);
            }
        }
        SealedHour {
            hour: self.hour,
            names,
            // All keys of an hour are of one question.
            dimensions: groups.first().map_or(0, |(key, _)| key.len()),
            groups: groups.len(),
            cells: cells.finish(),
            lists: lists.finish(),
            cut: self.ranker.cut(),
            ranks: ranks.finish(),
            tally,
            unknowns: self.unknowns.packed(&renaming),
            listing: std::mem::take(&mut self.listing).into_rows(),
        }
    }

    fn filter(&mut self, reason: FilterReason) -> Outcome {
        self.filtered[reason as usize] += 1;
        Outcome::Filtered(reason)
    }

    fn second_of_hour(&self, invocation: &Invocation) -> u16 {
        // 0 … 3,599, since the record is of this hour.
        (invocation.timestamp.seconds - self.hour.start_seconds()) as u16
    }

    /// Finds out what the question asks of this hour.
    #[cold]
    fn ask(&mut self, question: &Question) {
        self.is_asked = true;
        self.readings.charge_at(question, self.hour);
        let in_no_group_or_many = |dimension: &Dimension| {
            // Groups by minute keep no distributions.
            matches!(dimension, Dimension::ContentKind | Dimension::Minute)
        };
        self.derives_totals = !question.by.is_empty() && !question.by.iter().any(in_no_group_or_many);
        self.all_seconds = question.all_seconds;
        self.ranker.ask(question);
    }

    /// The slot of an invocation whose strings are new.
    #[cold]
    fn read(&mut self, question: &Question, invocation: &Invocation) -> u32 {
        if self.readings.is_full() {
            self.count_under_names();
            self.routes.clear();
            self.route_numbers.clear();
            self.readings.forget_slots();
        }
        self.readings.read(&invocation.facets, question, &mut self.names)
    }

    fn rank(
        &mut self,
        number: u32,
        invocation: &Invocation,
        measures: Measures,
        ending: Ending,
        second: u16,
    ) {
        let place = match self.readings.slot(number).place {
            Slot::NOT_YET => self.place(number),
            place => place,
        };
        let has_minute = second != Seconds::NONE;
        let record = Ranked {
            minute: if has_minute { (second / 60) as u8 } else { Ranked::NO_MINUTE },
            ending,
            input: invocation.input_tokens.get().unwrap_or(0),
            output: invocation.output_tokens.get().unwrap_or(0),
            settled: measures.settled,
        };
        self.ranker.observe(place, &invocation.facets, &record, &mut self.names);
    }

    /// The place of a slot in the rankings.
    #[cold]
    fn place(&mut self, number: u32) -> u32 {
        let cell = if self.ranker.cut() == Cut::Groups {
            // Such groups are decided by the strings alone.
            let key = self.readings.slot(number).key.clone();
            self.cell(&key)
        } else {
            TOTALS
        };
        let values = self.readings.values(number, &self.ranker.call_dimensions(), &mut self.names);
        let place = self.ranker.place(cell, values);
        self.readings.slot(number).place = place;
        place
    }

    fn give(&mut self, observed: &Observed<'_>, route: u32) {
        let route = &mut self.routes[route as usize];
        route.count += 1;
        self.strands[route.strand as usize].observe(observed, &mut self.tables);
    }

    /// Adds an invocation to its group, or to its groups, where its slot has no route.
    fn branch(&mut self, question: &Question, observed: &Observed<'_>, slot: u32) {
        let invocation = observed.invocation();
        let by_minute = question.by.contains(&Dimension::Minute);
        let minute = by_minute.then(|| (self.second_of_hour(invocation) / 60) as u8);
        let by_kind = question.by.contains(&Dimension::ContentKind);
        let kinds = invocation.input_kinds.union(invocation.output_kinds);
        if by_kind && !kinds.is_empty() {
            for kind in 0..ContentKinds::NAMES.len() as u8 {
                if kinds.0 >> kind & 1 == 1 {
                    let route = self.route(question, slot, Branch { minute, kind: Some(kind) });
                    self.give(observed, route);
                }
            }
        } else {
            let branch = Branch { minute, kind: None };
            let route = if by_minute || by_kind {
                self.route(question, slot, branch)
            } else {
                let route = self.add_route_to_group(question, slot, branch);
                self.readings.slot(slot).route = route;
                route
            };
            self.give(observed, route);
        }
    }

    /// The route of one branch of a slot.
    fn route(&mut self, question: &Question, slot: u32, branch: Branch) -> u32 {
        if let Some(&route) = self.route_numbers.get(&(slot, branch)) {
            return route;
        }
        let route = self.add_route_to_group(question, slot, branch);
        self.route_numbers.insert((slot, branch), route);
        route
    }

    fn add_route_to_group(&mut self, question: &Question, slot: u32, branch: Branch) -> u32 {
        let hour_start = self.hour.start_seconds();
        let strings = self.readings.slot(slot);
        let region = strings.labels.inference_region;
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        key.extend_from_slice(&strings.key);
        for (part, dimension) in key.iter_mut().zip(&question.by) {
            match dimension {
                Dimension::Hour => *part = self.names.intern(&self.hour.to_string()),
                Dimension::Day => {
                    let day = UtcDay(hour_start.div_euclid(UtcDay::SECONDS));
                    *part = self.names.intern(&day.to_string());
                }
                Dimension::Minute => {
                    let first_minute = hour_start / UtcMinute::SECONDS;
                    let minute = branch.minute.map(|minute| UtcMinute(first_minute + i64::from(minute)));
                    *part = self.names.intern_optional(minute.map(|minute| minute.to_string()).as_deref());
                }
                Dimension::ContentKind => {
                    let kind = branch.kind.map(|kind| ContentKinds::NAMES[usize::from(kind)]);
                    *part = self.names.intern_optional(kind);
                }
                _ => {}
            }
        }
        let cell = self.cell(&key);
        self.key = key;
        let strand = self.strand(cell, region, branch.minute.is_none());
        self.add_route(slot, strand)
    }

    #[cold]
    fn totals_route(&mut self, slot: u32) -> u32 {
        let region = self.readings.slot(slot).labels.inference_region;
        let strand = self.strand(TOTALS, region, true);
        let route = self.add_route(slot, strand);
        self.readings.slot(slot).totals_route = route;
        route
    }

    fn add_route(&mut self, slot: u32, strand: u32) -> u32 {
        self.routes.push(Route { slot, strand, count: 0 });
        u32::try_from(self.routes.len() - 1).expect("fewer than 2^32 groups in an hour")
    }

    fn cell(&mut self, key: &[NameId]) -> u32 {
        if let Some(&cell) = self.groups.get(key) {
            return cell;
        }
        let cell = u32::try_from(self.cells.len()).expect("fewer than 2^32 groups in an hour");
        self.cells.push(Cell::default());
        self.groups.insert(key.into(), cell);
        cell
    }

    fn strand(&mut self, cell: u32, region: NameId, keeps_spreads: bool) -> u32 {
        *self.strand_numbers.entry((cell, region)).or_insert_with(|| {
            let number = u32::try_from(self.strands.len()).expect("fewer than 2^32 groups in an hour");
            self.strands.push(match self.spare.pop() {
                Some(spare) => spare.again(region, keeps_spreads),
                None => Strand::new(region, keeps_spreads),
            });
            self.cells[cell as usize].strands.push(number);
            number
        })
    }

    /// Counts what went by each route and slot under the names of its facets.
    fn count_under_names(&mut self) {
        for route in &mut self.routes {
            let slot = self.readings.slot(route.slot);
            let count = std::mem::take(&mut route.count);
            if count > 0 {
                self.strands[route.strand as usize].sums.count(count, slot.ending, slot.labels);
            }
        }
        for number in 0..self.readings.count() {
            let counted = std::mem::take(&mut self.readings.slot(number).counted);
            if counted > 0 {
                self.tally.counted += counted;
                let (unruled_model, unresolved_profile) = self.readings.unknowns(number);
                self.unknowns.count(unruled_model, unresolved_profile, counted);
            }
        }
    }
}

/// Strands whose memory is kept from one hour to the next: some 2 KB each, without their rows.
const SPARE_MAX: usize = 1 << 10;

/// Rows that there is memory for in all of these: 1.3 MB. Any strand may have been a busy one once.
const SPARE_ROWS_MAX: usize = 1 << 15;

/// A finished hour: sums, minutes and sparse histograms by group, and the seconds at its edges, packed.
///
/// Equal for equal sets of records, whatever their order and however they were merged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedHour {
    pub(crate) hour: UtcHour,
    /// Ascending; ids in the cells are positions here.
    pub(crate) names: Box<[Arc<str>]>,
    /// Parts of a group's key.
    pub(crate) dimensions: usize,
    /// How many groups there are.
    pub(crate) groups: usize,
    /// The cell of the totals, then key and cell of each group, by key.
    pub(crate) cells: Box<[u8]>,
    /// A list of buckets for each cell, in the same order.
    pub(crate) lists: Box<[u8]>,
    /// For which cells the next part is.
    pub(crate) cut: Cut,
    /// What [`Ranker::pack`] wrote; empty where nothing was asked.
    pub(crate) ranks: Box<[u8]>,
    pub(crate) tally: Tally,
    pub(crate) unknowns: PackedUnknowns,
    pub(crate) listing: Vec<ListedRequest>,
}

impl SealedHour {
    /// The hour.
    #[must_use]
    pub fn hour(&self) -> UtcHour {
        self.hour
    }

    /// Records in the totals.
    #[must_use]
    pub fn counted(&self) -> u64 {
        self.tally.counted
    }

    /// Records that the question leaves out, by reason.
    #[must_use]
    pub fn filtered(&self) -> &BTreeMap<&'static str, u64> {
        &self.tally.filtered
    }

    /// Counted successful records with a token count that is unknown because a payload could not be read.
    #[must_use]
    pub fn counts_lost(&self) -> u64 {
        self.tally.counts_lost
    }

    /// Counted records of an impossible time.
    #[must_use]
    pub fn outliers(&self) -> u64 {
        self.tally.outliers
    }

    /// Counted records without a request id.
    #[must_use]
    pub fn no_request_id(&self) -> u64 {
        self.tally.no_request_id
    }

    /// All of these together.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Gives each group with its counted records: its values of the question's dimensions, in their order.
    pub fn each_group(&self, give: &mut dyn FnMut(&[Option<&str>], u64)) {
        let mut cells = self.cells();
        let mut key = Vec::new();
        // The first is that of the totals, which have no key.
        cells.next(&mut key);
        while let Some(cell) = cells.next(&mut key) {
            give(&self.texts(&key), cell.attempted());
        }
    }

    /// The values that a key stands for.
    pub(crate) fn texts(&self, key: &[NameId]) -> Vec<Option<&str>> {
        let text = |id: &NameId| (*id != NameId::ABSENT).then(|| &*self.names[id.0 as usize]);
        key.iter().map(text).collect()
    }

    /// Whether it is the hour of no records.
    pub(crate) fn is_empty(&self) -> bool {
        // Every record is in the tally, counted or filtered.
        self.tally == Tally::default()
    }

    /// Its cells, the totals' first.
    pub(crate) fn cells(&self) -> SealedCells<'_> {
        SealedCells::new(&self.cells, self.dimensions)
    }
}

/// The cells of an hour, one after the other.
pub(crate) struct SealedCells<'a> {
    unpacker: Unpacker<'a>,
    dimensions: usize,
    is_first: bool,
}

impl<'a> SealedCells<'a> {
    /// Of these bytes of an hour with keys of so many parts.
    pub(crate) fn new(cells: &'a [u8], dimensions: usize) -> Self {
        SealedCells { unpacker: Unpacker::new(cells), dimensions, is_first: true }
    }

    /// Bytes that are not read yet.
    pub(crate) fn rest(&self) -> usize {
        self.unpacker.rest().len()
    }

    /// The next cell; its key, which the totals have none of, is put in place of what is in `key`.
    pub(crate) fn next(&mut self, key: &mut Vec<NameId>) -> Option<SealedCell<'a>> {
        if self.unpacker.is_empty() {
            return None;
        }
        key.clear();
        if !std::mem::take(&mut self.is_first) {
            key.extend((0..self.dimensions).map(|_| NameId::unpack(&mut self.unpacker)));
        }
        Some(SealedCell::next(&mut self.unpacker))
    }
}

/// A cell of a sealed hour, packed; [`strand::pack`] writes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SealedCell<'a> {
    /// What is the same under any names: the sums that are kept by none, coverage, series.
    pub(crate) plain: &'a [u8],
    /// The sums that are kept by name.
    pub(crate) named: &'a [u8],
}

impl<'a> SealedCell<'a> {
    /// Counted records, without unpacking the rest.
    pub(crate) fn attempted(self) -> u64 {
        Counters::attempted(&mut Unpacker::new(self.plain))
    }

    fn next(unpacker: &mut Unpacker<'a>) -> Self {
        let length = unpacker.count();
        let plain = unpacker.bytes(length as usize);
        let length = unpacker.count();
        let named = unpacker.bytes(length as usize);
        SealedCell { plain, named }
    }
}
