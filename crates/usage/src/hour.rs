//! One UTC hour: invocations in, sums by group out.
//!
//! In: final invocations of the hour (joined, resolved, without duplicates), from any number of streams and in
//! any order. Out: a [`SealedHour`]: a few KB a group, equal for equal records. Always: every record ends as
//! counted or filtered, with one reason. Absent: other hours (see `totals`), bodies, threads.

use std::collections::BTreeMap;
use std::sync::Arc;

use borehole_record::{
    Call, Facets, Invocation, Model, RequestId, Scope, Timestamp, UtcDay, UtcHour, UtcMinute, identity,
};
use rustc_hash::FxHashMap;

use crate::buckets::{self, BucketCount};
use crate::charge::{Charge, Measures};
use crate::coverage::CoverageId;
use crate::figures::ListedRequest;
use crate::listing::Listing;
use crate::names::{NameId, Names, Renaming};
use crate::packed::{Packer, Unpacker};
use crate::question::{Dimension, FilterReason, Question};
use crate::series::{Load, SealedSeries, Series};
use crate::sums::{Labels, Sums};
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
/// for all the summaries of a run.
#[derive(Clone, Debug)]
pub struct HourSummary {
    hour: UtcHour,
    names: Names,
    totals: Cell,
    groups: FxHashMap<Box<[NameId]>, u32>,
    /// By the numbers in `groups`.
    cells: Vec<Cell>,
    tally: Tally,
    unknowns: Unknowns,
    listing: Listing,
    seen: SeenFacets,
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
            totals: Cell::default(),
            groups: FxHashMap::default(),
            cells: Vec::new(),
            tally: Tally::default(),
            unknowns: Unknowns::default(),
            listing: Listing::default(),
            seen: SeenFacets::default(),
        }
    }

    /// The hour.
    #[must_use]
    pub fn hour(&self) -> UtcHour {
        self.hour
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
        let slot = self.seen.slot(&invocation.facets, question, self.hour, &mut self.names);
        let facets = &self.seen.slots[slot as usize];
        if let Some(reason) = facets.refused {
            return self.filter(reason);
        }
        let labels = facets.labels;
        let measures = Measures::of(&facets.charge, invocation);
        self.listing.observe(question, invocation, &facets.model.base, measures.prompt);
        self.unknowns.observe(facets.unruled_model, facets.unresolved_profile);

        let is_outlier = question.is_outlier(time);
        let is_successful = invocation.is_successful();
        let is_known = invocation.input_tokens.is_known() && invocation.output_tokens.is_known();
        self.tally.counted += 1;
        self.tally.outliers += u64::from(is_outlier);
        self.tally.no_request_id += u64::from(invocation.request_id == RequestId::Missing);
        self.tally.counts_lost += u64::from(invocation.payload_lost && is_successful && !is_known);

        let second = (!is_outlier || question.include_outliers).then_some(self.second_of_hour(invocation));
        let observed = Observed {
            invocation,
            measures,
            labels,
            placed_load: second.map(|second| (second, load_of(invocation, measures))),
            coverage,
        };
        self.totals.observe(&observed, true);

        if !question.by.is_empty() {
            let by_minute = question.by.contains(&Dimension::Minute);
            let minute = by_minute.then(|| (self.second_of_hour(invocation) / 60) as u8);
            let kinds = invocation.input_kinds.union(invocation.output_kinds);
            if question.by.contains(&Dimension::ContentKind) && !kinds.is_empty() {
                for kind in kinds.names() {
                    let cell = self.cell(question, Route { slot, minute, kind: Some(kind) });
                    cell.observe(&observed, !by_minute);
                }
            } else {
                let cell = self.cell(question, Route { slot, minute, kind: None });
                cell.observe(&observed, !by_minute);
            }
        }
        Outcome::Counted
    }

    /// Adds the records of another summary of the same hour.
    ///
    /// # Panics
    /// If the hours differ: whoever paired them is wrong.
    pub fn merge(&mut self, other: HourSummary) {
        assert_eq!(other.hour, self.hour, "summaries of two hours were merged");
        let renaming = self.names.rename(other.names.texts());
        self.totals.merge(&other.totals, &renaming);
        for (key, &index) in &other.groups {
            let own = self.cell_index(renaming.of_key(key));
            self.cells[own as usize].merge(&other.cells[index as usize], &renaming);
        }
        self.tally.merge(&other.tally);
        self.unknowns.merge(&other.unknowns, &renaming);
        self.listing.merge(other.listing);
    }

    /// Ends the hour: what remains is small, and enough for every figure.
    #[must_use]
    pub fn seal(self) -> SealedHour {
        let (names, renaming) = self.names.into_sorted();
        let groups = self.groups.iter();
        let mut groups: Vec<SealedGroup> = groups
            .map(|(key, &index)| SealedGroup {
                key: renaming.of_key(key),
                cell: self.cells[index as usize].pack(&renaming),
            })
            .collect();
        groups.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        SealedHour {
            hour: self.hour,
            names,
            totals: self.totals.pack(&renaming),
            groups: groups.into_boxed_slice(),
            tally: self.tally,
            unknowns: self.unknowns.packed(&renaming),
            listing: self.listing.into_rows(),
        }
    }

    fn filter(&mut self, reason: FilterReason) -> Outcome {
        *self.tally.filtered.entry(reason.as_str()).or_default() += 1;
        Outcome::Filtered(reason)
    }

    fn second_of_hour(&self, invocation: &Invocation) -> u16 {
        // 0 … 3,599, since the record is of this hour.
        (invocation.timestamp.seconds - self.hour.start_seconds()) as u16
    }

    fn cell(&mut self, question: &Question, route: Route) -> &mut Cell {
        if let Some(&index) = self.seen.routes.get(&route) {
            return &mut self.cells[index as usize];
        }
        let mut key = self.seen.slots[route.slot as usize].key.clone();
        for (part, dimension) in key.iter_mut().zip(&question.by) {
            match dimension {
                Dimension::Minute => {
                    let first_minute = self.hour.start_seconds() / UtcMinute::SECONDS;
                    let minute = route.minute.map(|minute| UtcMinute(first_minute + i64::from(minute)));
                    *part = self.names.intern_optional(minute.map(|minute| minute.to_string()).as_deref());
                }
                Dimension::ContentKind => *part = self.names.intern_optional(route.kind),
                _ => {}
            }
        }
        let index = self.cell_index(key);
        self.seen.routes.insert(route, index);
        &mut self.cells[index as usize]
    }

    fn cell_index(&mut self, key: Box<[NameId]>) -> u32 {
        *self.groups.entry(key).or_insert_with(|| {
            self.cells.push(Cell::default());
            u32::try_from(self.cells.len() - 1).expect("fewer than 2^32 groups in an hour")
        })
    }
}

/// One counted invocation, as every cell that it belongs to sees it.
struct Observed<'a> {
    invocation: &'a Invocation,
    measures: Measures,
    labels: Labels,
    /// Its second of the hour and what it adds there; `None` where its time is left out of every series.
    placed_load: Option<(u16, Load)>,
    coverage: CoverageId,
}

/// What an invocation adds to its second. A failed one is an attempt, and no more.
fn load_of(invocation: &Invocation, measures: Measures) -> Load {
    if !invocation.is_successful() {
        return Load { attempts: 1, ..Load::default() };
    }
    let [input, output] = [invocation.input_tokens, invocation.output_tokens];
    Load {
        attempts: 1,
        tokens: input.get().unwrap_or(0).saturating_add(output.get().unwrap_or(0)),
        settled: measures.settled.unwrap_or(0),
        reserved: measures.reserved.unwrap_or(0),
    }
}

/// One group (or the totals) in one hour.
#[derive(Clone, Default, Debug)]
struct Cell {
    sums: Sums,
    series: Series,
    /// Ascending, each once; nearly always one.
    coverage: Vec<CoverageId>,
}

impl Cell {
    /// Adds one invocation.
    fn observe(&mut self, observed: &Observed<'_>, keep_spreads: bool) {
        self.sums.observe(observed.invocation, observed.measures, observed.labels, keep_spreads);
        if let Some((second, load)) = observed.placed_load {
            self.series.observe(second, load);
        }
        self.cover(observed.coverage);
    }

    fn merge(&mut self, other: &Cell, renaming: &Renaming) {
        self.sums.merge(&other.sums, renaming);
        self.series.merge(&other.series);
        other.coverage.iter().for_each(|&id| self.cover(id));
    }

    fn cover(&mut self, id: CoverageId) {
        if let Err(position) = self.coverage.binary_search(&id) {
            self.coverage.insert(position, id);
        }
    }

    fn pack(&self, renaming: &Renaming) -> Box<[u8]> {
        let mut packer = Packer::default();
        self.sums.pack(renaming, &mut packer);
        CoverageId::pack(&self.coverage, &mut packer);
        self.series.seal().pack(&mut packer);
        buckets::pack(self.sums.bucket_counts(renaming), &mut packer);
        packer.finish()
    }
}

/// The strings of one [`Facets`], read once.
#[derive(Clone, Debug)]
struct Slot {
    /// Keeps the address that the slot is found by from being given to other facets.
    _alive: Arc<Facets>,
    model: Arc<Model>,
    refused: Option<FilterReason>,
    /// The parts of the group's key that the facets and the hour decide; the others are absent.
    key: Box<[NameId]>,
    labels: Labels,
    /// The rates of the model in this hour.
    charge: Charge,
    /// The model of a successful request without a rate; else absent.
    unruled_model: NameId,
    /// The application profile where no map resolves it; else absent.
    unresolved_profile: NameId,
}

/// What decides an invocation's group.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Route {
    slot: u32,
    minute: Option<u8>,
    kind: Option<&'static str>,
}

/// From the address of an invocation's facets to its group, so that a record costs two look-ups of integers
/// and no string is read twice.
#[derive(Clone, Default, Debug)]
struct SeenFacets {
    by_address: FxHashMap<usize, u32>,
    slots: Vec<Slot>,
    routes: FxHashMap<Route, u32>,
    /// By the address of the facets' call, which lives as long as the slot that it was read for.
    models: FxHashMap<usize, CalledModel>,
}

/// The model of a call, and its rates in this hour.
#[derive(Clone, Debug)]
struct CalledModel {
    model: Arc<Model>,
    charge: Charge,
}

impl CalledModel {
    fn read(call: &Call, question: &Question, hour: UtcHour) -> Self {
        let model = Model::parse_with(&call.model_id, &question.profiles);
        // Rules change with the day: an hour has one of each.
        let start = Timestamp { seconds: hour.start_seconds(), nanos: 0 };
        let charge = question.charges.charge(&model.base, question.charges_at.unwrap_or(start));
        CalledModel { model: Arc::new(model), charge }
    }
}

/// Most facets remembered. A log whose every record has its own tags shares none: remembering them all would
/// keep an hour's strings alive for nothing. At some 300 bytes each this is 5 MB an open hour.
const SLOTS_MAX: usize = 1 << 14;

impl SeenFacets {
    fn slot(&mut self, facets: &Arc<Facets>, question: &Question, hour: UtcHour, names: &mut Names) -> u32 {
        let address = Arc::as_ptr(facets).addr();
        if let Some(&slot) = self.by_address.get(&address) {
            return slot;
        }
        if self.slots.len() == SLOTS_MAX {
            *self = SeenFacets::default();
        }
        let slot = self.slots.len() as u32;
        let call = Arc::as_ptr(&facets.call).addr();
        let called =
            self.models.entry(call).or_insert_with(|| CalledModel::read(&facets.call, question, hour));
        self.slots.push(Slot::read(facets, called, question, hour, names));
        self.by_address.insert(address, slot);
        slot
    }
}

impl Slot {
    fn read(
        facets: &Arc<Facets>,
        called: &CalledModel,
        question: &Question,
        hour: UtcHour,
        names: &mut Names,
    ) -> Slot {
        let model = &called.model;
        let refused = question.filter.refuses(facets, &model.base);
        let absent =
            Labels { error: NameId::ABSENT, stop_reason: NameId::ABSENT, inference_region: NameId::ABSENT };
        let mut slot = Slot {
            _alive: Arc::clone(facets),
            model: Arc::clone(model),
            refused,
            key: Box::default(),
            labels: absent,
            charge: called.charge,
            unruled_model: NameId::ABSENT,
            unresolved_profile: NameId::ABSENT,
        };
        // Only names of counted records are interned: a sealed hour holds no string that no figure needs.
        if refused.is_some() {
            return slot;
        }
        slot.key =
            question.by.iter().map(|dimension| key_part(dimension, facets, model, hour, names)).collect();
        slot.labels.error = names.intern_optional(facets.error_code.as_deref());
        slot.labels.inference_region = names.intern_optional(facets.inference_region.as_deref());
        if facets.error_code.is_none() {
            slot.labels.stop_reason = names.intern_optional(facets.stop_reason.as_deref());
        }
        if model.scope == Scope::ApplicationProfile {
            // What it lacks is a model, not a rate of its own: it is named once, under what helps.
            slot.unresolved_profile = names.intern(&model.base);
        } else if slot.charge.burndown.is_none() && facets.error_code.is_none() {
            slot.unruled_model = names.intern(&model.base);
        }
        slot
    }
}

fn key_part(
    dimension: &Dimension,
    facets: &Facets,
    model: &Model,
    hour: UtcHour,
    names: &mut Names,
) -> NameId {
    let caller = || facets.identity.as_deref().map(identity::caller).unwrap_or_default();
    match dimension {
        Dimension::Account => names.intern_optional(facets.account.as_deref()),
        Dimension::Region => names.intern_optional(facets.region.as_deref()),
        Dimension::Model => names.intern(&model.base),
        Dimension::Scope => names.intern(model.scope.as_str()),
        Dimension::Identity => names.intern_optional(facets.identity.as_deref()),
        Dimension::Role => names.intern_optional(caller().role),
        Dimension::Session => names.intern_optional(caller().session),
        Dimension::Operation => names.intern_optional(facets.operation.as_deref()),
        Dimension::Error => names.intern_optional(facets.error_code.as_deref()),
        Dimension::InferenceRegion => names.intern_optional(facets.inference_region.as_deref()),
        Dimension::Tag(key) => {
            let tag = facets.tags.iter().find(|(name, _)| **name == **key);
            names.intern_optional(tag.map(|(_, value)| &**value))
        }
        Dimension::Hour => names.intern(&hour.to_string()),
        Dimension::Day => names.intern(&UtcDay(hour.start_seconds().div_euclid(UtcDay::SECONDS)).to_string()),
        // The record itself decides these: see `HourSummary::cell`.
        Dimension::ContentKind | Dimension::Minute => NameId::ABSENT,
    }
}

/// A finished hour: sums, minutes and sparse histograms by group, and the seconds at its edges, packed.
///
/// Equal for equal sets of records, whatever their order and however they were merged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedHour {
    hour: UtcHour,
    /// Ascending; ids in the cells are positions here.
    names: Box<[Arc<str>]>,
    totals: Box<[u8]>,
    /// By key.
    groups: Box<[SealedGroup]>,
    tally: Tally,
    unknowns: PackedUnknowns,
    listing: Vec<ListedRequest>,
}

/// One group of a sealed hour.
#[derive(Clone, PartialEq, Eq, Debug)]
struct SealedGroup {
    key: Box<[NameId]>,
    cell: Box<[u8]>,
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

    /// Whether it is the hour of no records.
    pub(crate) fn is_empty(&self) -> bool {
        // Every record is in the tally, counted or filtered.
        self.tally == Tally::default()
    }

    pub(crate) fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    pub(crate) fn totals_cell(&self) -> SealedCell<'_> {
        SealedCell(&self.totals)
    }

    pub(crate) fn group_cells(&self) -> impl Iterator<Item = (&[NameId], SealedCell<'_>)> {
        self.groups.iter().map(|group| (&*group.key, SealedCell(&group.cell)))
    }

    pub(crate) fn unknowns(&self) -> &PackedUnknowns {
        &self.unknowns
    }

    pub(crate) fn into_tally_and_listing(self) -> (Tally, Vec<ListedRequest>) {
        (self.tally, self.listing)
    }
}

/// A cell of a sealed hour: sums, coverage, series, buckets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SealedCell<'a>(&'a [u8]);

impl SealedCell<'_> {
    pub(crate) fn unpack(self) -> UnpackedCell {
        let mut unpacker = Unpacker::new(self.0);
        let mut sums = Sums::default();
        sums.absorb(&mut unpacker);
        let coverage = CoverageId::unpack(&mut unpacker);
        let series = SealedSeries::unpack(&mut unpacker);
        let buckets = buckets::unpack(&mut unpacker).collect();
        UnpackedCell { sums, coverage, series, buckets }
    }
}

/// What [`Cell::pack`] wrote, under the same names.
pub(crate) struct UnpackedCell {
    /// All but the buckets.
    pub(crate) sums: Sums,
    pub(crate) coverage: Vec<CoverageId>,
    pub(crate) series: SealedSeries,
    /// Ascending.
    pub(crate) buckets: Vec<BucketCount>,
}
