//! Who and what the load of an hour comes from: sums by the values of the ranked dimensions.
//!
//! In: counted invocations. Out: for everything, and for each group where a cube was asked for, the values with their
//! sums and the largest minute with what each value has of it; and, for a cube, throttles by minute. Always: a value
//! is never dropped here, whatever their number; what is packed is a function of what was added, not of its order.
//! Absent: anything at all where the question neither ranks nor asks for a cube.
//!
//! A record costs look-ups of integers: its strings are found by their addresses, and records that have all ranked
//! values in common are added up in one place until the hour ends.

use std::cmp::Reverse;
use std::sync::Arc;

use borehole_record::{Facets, Tag};
use rustc_hash::FxHashMap;

use crate::kept::KeptHour;
use crate::names::{NameId, Names, Renaming};
use crate::packed::{Checker, Packer, Unpacker};
use crate::question::{Dimension, Question};
use crate::reading::{address, caller_part, tag_part};
use crate::sums::{COUNT_MAX, Ending, SUM_MAX};

/// For which cells an hour keeps what a cube needs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) enum Cut {
    /// No cube was asked for.
    #[default]
    None,
    /// For everything alone: the groups do not add up to it, or are times.
    Everything,
    /// For each group, which add up to everything.
    Groups,
}

impl Cut {
    /// What a question asks for.
    pub(crate) fn of(question: &Question) -> Self {
        let is_apart = |dimension: &Dimension| dimension.is_time() || *dimension == Dimension::ContentKind;
        if !question.cube {
            Cut::None
        } else if question.by.is_empty() || question.by.iter().any(is_apart) {
            Cut::Everything
        } else {
            Cut::Groups
        }
    }

    /// As one integer.
    pub(crate) fn number(self) -> u64 {
        self as u64
    }

    /// What [`Cut::number`] gave.
    pub(crate) fn from_number(number: u64) -> Option<Self> {
        [Cut::None, Cut::Everything, Cut::Groups].into_iter().find(|cut| cut.number() == number)
    }

    /// How many cells have sums of their own in an hour of so many groups.
    fn cells(self, groups: usize) -> usize {
        if self == Cut::Groups { groups } else { 1 }
    }

    /// How many cells have a peak minute: everything, and where there are groups each of these.
    fn peaks(self, groups: usize) -> usize {
        if self == Cut::Groups { 1 + groups } else { 1 }
    }
}

/// What is added up for one value.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct RankSums {
    pub(crate) attempted: u64,
    pub(crate) throttled: u64,
    /// Of successful requests, in tokens, as are the next two.
    pub(crate) input: u128,
    pub(crate) output: u128,
    pub(crate) settled: u128,
}

impl RankSums {
    /// Adds those of other records.
    pub(crate) fn add(&mut self, other: &RankSums) {
        self.attempted += other.attempted;
        self.throttled += other.throttled;
        self.input += other.input;
        self.output += other.output;
        self.settled += other.settled;
    }

    /// What values are ordered by.
    pub(crate) fn load(&self, is_settled: bool) -> u128 {
        if is_settled { self.settled } else { self.input + self.output }
    }
}

/// What one record brings, beside its strings.
pub(crate) struct Ranked {
    /// Of the hour, or [`Ranked::NO_MINUTE`].
    pub(crate) minute: u8,
    pub(crate) ending: Ending,
    /// Tokens of a successful request, as are the next two; 0 where unknown.
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) settled: Option<u64>,
}

impl Ranked {
    /// The minute of a record whose time is left out of every series.
    pub(crate) const NO_MINUTE: u8 = 60;
}

/// Where the value of a dimension stands in a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    Call,
    Identity,
    Tags,
}

impl Source {
    fn of(dimension: &Dimension) -> Self {
        match dimension {
            Dimension::Identity | Dimension::Role | Dimension::Session => Source::Identity,
            Dimension::Tag(_) => Source::Tags,
            _ => Source::Call,
        }
    }
}

/// Distinct sets of values, each with a number.
#[derive(Clone, Default, Debug)]
struct Classes {
    /// By the cell, where it matters, and the values.
    numbers: FxHashMap<(u32, Box<[NameId]>), u32>,
    /// By number.
    classes: Vec<(u32, Box<[NameId]>)>,
}

impl Classes {
    fn number(&mut self, cell: u32, values: Box<[NameId]>) -> u32 {
        let class = (cell, values);
        if let Some(&number) = self.numbers.get(&class) {
            return number;
        }
        let number = u32::try_from(self.classes.len()).expect("fewer than 2^32 names in an hour");
        self.classes.push(class.clone());
        self.numbers.insert(class, number);
        number
    }

    fn clear(&mut self) {
        self.numbers.clear();
        self.classes.clear();
    }
}

/// The classes of shared strings, by their addresses; the strings are kept, so that their addresses stay their own.
#[derive(Clone, Default, Debug)]
struct ByAddress<Shared>(FxHashMap<usize, (Shared, u32)>);

impl<Shared> ByAddress<Shared> {
    fn find(&self, address: usize) -> Option<u32> {
        self.0.get(&address).map(|&(_, class)| class)
    }

    fn insert(&mut self, address: usize, shared: Shared, class: u32) {
        if self.0.len() >= ADDRESSES_MAX {
            self.0.clear();
        }
        self.0.insert(address, (shared, class));
    }
}

/// Most strings remembered by their addresses: those of a log whose every record has its own are not worth keeping.
const ADDRESSES_MAX: usize = 1 << 14;

/// Most sets of values remembered from one hour to the next.
const CLASSES_MAX: usize = 1 << 16;

/// Records that have the cell and all ranked values in common.
#[derive(Clone, Debug)]
struct Combination {
    /// Of the call (with the cell), the identity, the tags.
    classes: [u32; 3],
    sums: RankSums,
    /// Records with known settled tokens.
    settled_known: u64,
}

/// The load of one combination in one minute, by either measure.
#[derive(Clone, Copy, Default, Debug)]
struct MinuteLoad {
    raw: u64,
    settled: u64,
}

impl MinuteLoad {
    fn add(&mut self, other: MinuteLoad) {
        self.raw = self.raw.saturating_add(other.raw);
        self.settled = self.settled.saturating_add(other.settled);
    }

    fn load(self, is_settled: bool) -> u64 {
        if is_settled { self.settled } else { self.raw }
    }
}

/// Minutes of an hour.
const MINUTES: usize = 60;

/// An open hour: what its records are ranked by.
#[derive(Clone, Default, Debug)]
pub(crate) struct Ranker {
    /// Whether this hour has records.
    is_asked: bool,
    cut: Cut,
    dimensions: Vec<Dimension>,
    /// Of each dimension: where its value stands, and the place among the values that stand there.
    sources: Vec<(Source, usize)>,
    calls: Classes,
    callers: Classes,
    tagged: Classes,
    callers_by_address: ByAddress<Option<Arc<str>>>,
    tagged_by_address: ByAddress<Arc<[Tag]>>,
    numbers: FxHashMap<[u32; 3], u32>,
    combinations: Vec<Combination>,
    /// By combination and minute.
    minutes: FxHashMap<(u32, u8), MinuteLoad>,
    /// By cell and minute.
    throttles: FxHashMap<(u32, u8), u64>,
}

impl Ranker {
    /// Begins another hour; where the names were forgotten, all is.
    pub(crate) fn begin(&mut self, has_forgotten_names: bool) {
        let most = self.callers.classes.len().max(self.tagged.classes.len());
        if has_forgotten_names || most > CLASSES_MAX {
            *self = Ranker::default();
        }
        (self.is_asked, self.cut) = (false, Cut::None);
        self.calls.clear();
        self.numbers.clear();
        self.combinations.clear();
        self.minutes.clear();
        self.throttles.clear();
    }

    /// Finds out what the question asks.
    pub(crate) fn ask(&mut self, question: &Question) {
        self.cut = Cut::of(question);
        let is_same = self.dimensions.iter().eq(question.ranked());
        if !is_same {
            *self = Ranker { cut: self.cut, ..Ranker::default() };
            for dimension in question.ranked() {
                let source = Source::of(dimension);
                let before = self.sources.iter().filter(|(other, _)| *other == source).count();
                self.sources.push((source, before));
                self.dimensions.push(dimension.clone());
            }
        }
        self.is_asked = self.cut != Cut::None || !self.dimensions.is_empty();
    }

    /// Whether there is anything to do.
    pub(crate) fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// For which cells sums are kept.
    pub(crate) fn cut(&self) -> Cut {
        self.cut
    }

    /// The ranked dimensions whose values a call decides.
    pub(crate) fn call_dimensions(&self) -> Vec<Dimension> {
        self.dimensions_of(Source::Call).cloned().collect()
    }

    /// The number of a cell (where each has sums of its own) and the values of [`Ranker::call_dimensions`].
    pub(crate) fn place(&mut self, cell: u32, values: Box<[NameId]>) -> u32 {
        self.calls.number(cell, values)
    }

    /// Adds a record of this place.
    pub(crate) fn observe(&mut self, place: u32, facets: &Facets, record: &Ranked, names: &mut Names) {
        if record.ending == Ending::Throttled && self.cut != Cut::None && record.minute < Ranked::NO_MINUTE {
            let (cell, _) = self.calls.classes[place as usize];
            *self.throttles.entry((cell, record.minute)).or_default() += 1;
        }
        if self.dimensions.is_empty() {
            return;
        }
        let classes = [place, self.caller(facets, names), self.tags(facets, names)];
        let number = self.combination(classes);
        let Combination { sums, settled_known, .. } = &mut self.combinations[number as usize];
        sums.attempted += 1;
        match record.ending {
            Ending::Successful => {
                sums.input += u128::from(record.input);
                sums.output += u128::from(record.output);
                sums.settled += u128::from(record.settled.unwrap_or(0));
                *settled_known += u64::from(record.settled.is_some());
                if record.minute < Ranked::NO_MINUTE {
                    let raw = record.input.saturating_add(record.output);
                    let load = MinuteLoad { raw, settled: record.settled.unwrap_or(0) };
                    self.minutes.entry((number, record.minute)).or_default().add(load);
                }
            }
            Ending::Throttled => sums.throttled += 1,
            Ending::Failed => {}
        }
    }

    /// Adds the records of another summary, whose names and cells are renamed to ours.
    pub(crate) fn merge(&mut self, other: Ranker, renaming: &Renaming, cells: &[u32]) {
        if !other.is_asked {
            return;
        }
        if !self.is_asked {
            (self.is_asked, self.cut) = (true, other.cut);
            if self.dimensions != other.dimensions {
                let Ranker { cut, dimensions, sources, .. } = &other;
                let (dimensions, sources) = (dimensions.clone(), sources.clone());
                *self = Ranker { is_asked: true, cut: *cut, dimensions, sources, ..Ranker::default() };
            }
        }
        let cell = |cell: u32| cells[cell as usize];
        let mut numbers = Vec::with_capacity(other.combinations.len());
        for combination in &other.combinations {
            let [place, caller, tags] = combination.classes;
            let (own_cell, values) = &other.calls.classes[place as usize];
            let place = self.calls.number(cell(*own_cell), renaming.of_key(values));
            let (_, values) = &other.callers.classes[caller as usize];
            let caller = self.callers.number(0, renaming.of_key(values));
            let (_, values) = &other.tagged.classes[tags as usize];
            let tags = self.tagged.number(0, renaming.of_key(values));
            let number = self.combination([place, caller, tags]);
            let own = &mut self.combinations[number as usize];
            own.sums.add(&combination.sums);
            own.settled_known += combination.settled_known;
            numbers.push(number);
        }
        for ((number, minute), load) in other.minutes {
            self.minutes.entry((numbers[number as usize], minute)).or_default().add(load);
        }
        for ((other_cell, minute), count) in other.throttles {
            *self.throttles.entry((cell(other_cell), minute)).or_default() += count;
        }
    }

    /// The names that something is ranked under.
    pub(crate) fn names(&self) -> impl Iterator<Item = NameId> {
        self.combinations.iter().flat_map(|combination| self.values(combination))
    }

    /// Writes all there is under new names, for an hour whose groups have these cells, in their order; nothing where
    /// nothing was asked. Equal sums under equal names give equal bytes.
    pub(crate) fn pack(&self, groups: &[u32], renaming: &Renaming, packer: &mut Packer) {
        if !self.is_asked {
            return;
        }
        let by_groups = self.cut == Cut::Groups;
        // By cell: its place among those that have sums.
        let mut places: FxHashMap<u32, usize> = FxHashMap::default();
        if by_groups {
            places.extend(groups.iter().enumerate().map(|(place, &cell)| (cell, place)));
        }
        let place_of = |cell: u32| places.get(&cell).copied().unwrap_or(0);
        let cells = self.cut.cells(groups.len());
        if self.cut != Cut::None {
            let throttles = self.throttles.iter();
            let mut throttles: Vec<(usize, u8, u64)> =
                throttles.map(|(&(cell, minute), &count)| (place_of(cell), minute, count)).collect();
            throttles.sort_unstable();
            let mut rest = &*throttles;
            for place in 0..cells {
                let (own, others) = rest.split_at(rest.partition_point(|&(other, ..)| other == place));
                rest = others;
                packer.count(own.len() as u64);
                for &(_, minute, count) in own {
                    packer.count(u64::from(minute));
                    packer.count(count);
                }
            }
        }
        packer.count(self.dimensions.len() as u64);
        if self.dimensions.is_empty() {
            return;
        }
        let place = |combination: &Combination| {
            let (cell, _) = self.calls.classes[combination.classes[0] as usize];
            place_of(cell)
        };
        let mut values: Vec<((usize, usize, u32), RankSums)> = Vec::new();
        for combination in &self.combinations {
            let place = place(combination);
            for (dimension, name) in self.values(combination).enumerate() {
                values.push(((place, dimension, order(renaming.of(name))), combination.sums));
            }
        }
        combine(&mut values, |sums, more| sums.add(more));
        pack_lists(&values, cells, self.dimensions.len(), packer, |sums, packer| {
            packer.count(sums.attempted);
            packer.count(sums.throttled);
            [sums.input, sums.output, sums.settled].into_iter().for_each(|sum| packer.sum(sum));
        });
        self.pack_peaks(groups.len(), place, renaming, packer);
    }

    fn pack_peaks(
        &self,
        groups: usize,
        place: impl Fn(&Combination) -> usize,
        renaming: &Renaming,
        packer: &mut Packer,
    ) {
        let peaks = self.cut.peaks(groups);
        // Of each combination: everything, and its group.
        let places = |combination: &Combination| {
            let own = (self.cut == Cut::Groups).then(|| 1 + place(combination));
            std::iter::once(0).chain(own)
        };
        let mut is_settled = vec![false; peaks];
        for combination in self.combinations.iter().filter(|combination| combination.settled_known > 0) {
            places(combination).for_each(|place| is_settled[place] = true);
        }
        let mut loads = vec![[0u64; MINUTES]; peaks];
        for (&(number, minute), load) in &self.minutes {
            for place in places(&self.combinations[number as usize]) {
                let sum = &mut loads[place][usize::from(minute)];
                *sum = sum.saturating_add(load.load(is_settled[place]));
            }
        }
        // The first of the largest; a peak of nothing is none.
        let largest: Vec<Option<(u8, u64)>> = loads
            .iter()
            .map(|loads| {
                let load = loads.iter().copied().max().filter(|&load| load > 0)?;
                let minute = loads.iter().position(|&other| other == load)?;
                Some((minute as u8, load))
            })
            .collect();
        let mut values: Vec<((usize, usize, u32), u64)> = Vec::new();
        for (&(number, minute), load) in &self.minutes {
            let combination = &self.combinations[number as usize];
            for place in places(combination) {
                let load = load.load(is_settled[place]);
                if largest[place].is_none_or(|(peak, _)| peak != minute) || load == 0 {
                    continue;
                }
                for (dimension, name) in self.values(combination).enumerate() {
                    values.push(((place, dimension, order(renaming.of(name))), load));
                }
            }
        }
        combine(&mut values, |load, more| *load = load.saturating_add(*more));
        let mut rest = &*values;
        for (place, largest) in largest.into_iter().enumerate() {
            let Some((minute, load)) = largest else {
                packer.count(0);
                continue;
            };
            packer.count(1 + u64::from(minute));
            packer.count(u64::from(is_settled[place]));
            packer.count(load);
            let (own, others) = rest.split_at(rest.partition_point(|&((other, ..), _)| other == place));
            rest = others;
            let own: Vec<_> =
                own.iter().map(|&((_, dimension, name), load)| ((0, dimension, name), load)).collect();
            pack_lists(&own, 1, self.dimensions.len(), packer, |&load, packer| packer.count(load));
        }
    }

    fn dimensions_of(&self, source: Source) -> impl Iterator<Item = &Dimension> {
        let of_source = self.sources.iter().zip(&self.dimensions);
        of_source.filter(move |((other, _), _)| *other == source).map(|(_, dimension)| dimension)
    }

    /// The values of a combination, in the order of the dimensions.
    fn values(&self, combination: &Combination) -> impl Iterator<Item = NameId> {
        let [place, caller, tags] = combination.classes;
        let call = &*self.calls.classes[place as usize].1;
        let caller = &*self.callers.classes[caller as usize].1;
        let tags = &*self.tagged.classes[tags as usize].1;
        self.sources.iter().map(move |&(source, place)| match source {
            Source::Call => call[place],
            Source::Identity => caller[place],
            Source::Tags => tags[place],
        })
    }

    fn combination(&mut self, classes: [u32; 3]) -> u32 {
        if let Some(&number) = self.numbers.get(&classes) {
            return number;
        }
        let number = u32::try_from(self.combinations.len()).expect("fewer than 2^32 names in an hour");
        self.combinations.push(Combination { classes, sums: RankSums::default(), settled_known: 0 });
        self.numbers.insert(classes, number);
        number
    }

    fn caller(&mut self, facets: &Facets, names: &mut Names) -> u32 {
        let address = facets.identity.as_ref().map_or(0, address);
        if let Some(class) = self.callers_by_address.find(address) {
            return class;
        }
        let arn = facets.identity.as_deref();
        let values = self.dimensions_of(Source::Identity).map(|part| caller_part(part, arn, names)).collect();
        let class = self.callers.number(0, values);
        self.callers_by_address.insert(address, facets.identity.clone(), class);
        class
    }

    fn tags(&mut self, facets: &Facets, names: &mut Names) -> u32 {
        let address = address(&facets.tags);
        if let Some(class) = self.tagged_by_address.find(address) {
            return class;
        }
        let parts = self.dimensions_of(Source::Tags);
        let values = parts.map(|part| tag_part(part, &facets.tags, names)).collect();
        let class = self.tagged.number(0, values);
        self.tagged_by_address.insert(address, Arc::clone(&facets.tags), class);
        class
    }
}

/// A number that orders names as [`NameId::pack`] writes them: no value comes first.
fn order(name: NameId) -> u32 {
    name.0.wrapping_add(1)
}

/// Brings values into order, each key once.
fn combine<K: Ord, T>(values: &mut Vec<(K, T)>, add: impl Fn(&mut T, &T)) {
    values.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    values.dedup_by(|(key, more), (kept_key, kept)| {
        let is_same = key == kept_key;
        if is_same {
            add(kept, more);
        }
        is_same
    });
}

/// Writes values by cell, dimension and name, ascending: a list for each dimension of each cell.
fn pack_lists<T>(
    values: &[((usize, usize, u32), T)],
    cells: usize,
    dimensions: usize,
    packer: &mut Packer,
    pack: impl Fn(&T, &mut Packer),
) {
    let mut rest = values;
    for list in 0..cells * dimensions {
        let of_list = |(cell, dimension, _): (usize, usize, u32)| cell * dimensions + dimension == list;
        let (own, others) = rest.split_at(rest.partition_point(|&(key, _)| of_list(key)));
        rest = others;
        packer.count(own.len() as u64);
        for ((.., name), value) in own {
            packer.count(u64::from(*name));
            pack(value, packer);
        }
    }
}

/// Values of one dimension, each once.
pub(crate) type RankList = Vec<(NameId, RankSums)>;

/// The largest minute of a cell in an hour.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PeakMinute {
    /// Of the hour.
    pub(crate) minute: u8,
    /// Whether the load is settled tokens, because some are known of the cell in this hour; else raw ones.
    pub(crate) is_settled: bool,
    /// Never 0.
    pub(crate) load: u64,
    /// By dimension: what values have of it, where that is not 0.
    pub(crate) values: Vec<Vec<(NameId, u64)>>,
}

/// What [`Ranker::pack`] wrote of one hour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SealedRanks<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) cut: Cut,
    /// Groups of the hour.
    pub(crate) groups: usize,
}

impl SealedRanks<'_> {
    /// Throttles by minute of each cell that has sums of its own: of everything, or of the groups. Empty where no cube
    /// was asked for.
    pub(crate) fn throttles(&self) -> Vec<Vec<(u8, u64)>> {
        if self.cut == Cut::None || self.bytes.is_empty() {
            return Vec::new();
        }
        let mut unpacker = Unpacker::new(self.bytes);
        let mut list = || (0..unpacker.count()).map(|_| (unpacker.count() as u8, unpacker.count())).collect();
        (0..self.cut.cells(self.groups)).map(|_| list()).collect()
    }

    /// The values, by cell and dimension, and the largest minutes: that of everything, then those of the groups where
    /// these have sums of their own. With the names of the totals.
    pub(crate) fn ranks(&self, renaming: &Renaming) -> Ranks {
        let mut ranks = Ranks::default();
        if self.bytes.is_empty() {
            return ranks;
        }
        let mut unpacker = Unpacker::new(self.bytes);
        if self.cut != Cut::None {
            for _ in 0..self.cut.cells(self.groups) {
                for _ in 0..2 * unpacker.count() {
                    unpacker.count();
                }
            }
        }
        let dimensions = unpacker.count() as usize;
        if dimensions == 0 {
            return ranks;
        }
        fn name(unpacker: &mut Unpacker<'_>, renaming: &Renaming) -> NameId {
            renaming.of(NameId::unpack(unpacker))
        }
        for _ in 0..self.cut.cells(self.groups) {
            let lists = (0..dimensions).map(|_| {
                let value = |unpacker: &mut Unpacker<'_>| {
                    let name = name(unpacker, renaming);
                    let (attempted, throttled) = (unpacker.count(), unpacker.count());
                    let [input, output, settled] = [unpacker.sum(), unpacker.sum(), unpacker.sum()];
                    (name, RankSums { attempted, throttled, input, output, settled })
                };
                (0..unpacker.count()).map(|_| value(&mut unpacker)).collect::<RankList>()
            });
            ranks.values.push(lists.collect());
        }
        for _ in 0..self.cut.peaks(self.groups) {
            let minute = unpacker.count();
            ranks.peaks.push((minute > 0).then(|| {
                PeakMinute {
                    minute: (minute - 1) as u8,
                    is_settled: unpacker.count() == 1,
                    load: unpacker.count(),
                    values: (0..dimensions)
                        .map(|_| {
                            let count = unpacker.count();
                            (0..count).map(|_| (name(&mut unpacker, renaming), unpacker.count())).collect()
                        })
                        .collect(),
                }
            }));
        }
        ranks
    }

    /// Whether [`Ranker::pack`] can have written these bytes, under so many names.
    pub(crate) fn check(&self, names: usize) -> Option<()> {
        if self.bytes.is_empty() {
            // An hour that nothing was asked of has none.
            return (self.cut == Cut::None).then_some(());
        }
        let mut checker = Checker::new(self.bytes);
        if self.cut != Cut::None {
            for _ in 0..self.cut.cells(self.groups) {
                let mut next = 0;
                for _ in 0..checker.count()? {
                    next = 1 + checker.count_to(MINUTES as u64 - 1).filter(|&minute| minute >= next)?;
                    checker.count_to(COUNT_MAX).filter(|&count| count > 0)?;
                }
            }
        }
        let dimensions = checker.count_to(DIMENSIONS_MAX)?;
        // Bytes of nothing asked are not written.
        if dimensions == 0 && self.cut == Cut::None {
            return None;
        }
        for _ in 0..if dimensions > 0 { self.cut.cells(self.groups) } else { 0 } {
            for _ in 0..dimensions {
                check_list(&mut checker, names, |checker| {
                    checker.count_to(COUNT_MAX)?;
                    checker.count_to(COUNT_MAX)?;
                    (0..3).try_for_each(|_| checker.sum().filter(|&sum| sum <= SUM_MAX).map(drop))
                })?;
            }
        }
        for _ in 0..if dimensions > 0 { self.cut.peaks(self.groups) } else { 0 } {
            if checker.count_to(MINUTES as u64)? == 0 {
                continue;
            }
            checker.count_to(1)?;
            checker.count().filter(|&load| load > 0)?;
            for _ in 0..dimensions {
                check_list(&mut checker, names, |checker| checker.count().map(drop))?;
            }
        }
        checker.is_empty().then_some(())
    }
}

/// Dimensions that stored ranks may have: as many as a key may have parts.
const DIMENSIONS_MAX: u64 = 1 << 16;

/// Whether a list of values under so many names comes next, ascending.
fn check_list<'a>(
    checker: &mut Checker<'a>,
    names: usize,
    mut value: impl FnMut(&mut Checker<'a>) -> Option<()>,
) -> Option<()> {
    let mut next = 0;
    for _ in 0..checker.count()? {
        next = 1 + checker.count_to(names as u64).filter(|&name| name >= next)?;
        value(checker)?;
    }
    Some(())
}

/// The ranks of one hour.
#[derive(Default, Debug)]
pub(crate) struct Ranks {
    /// By cell, then by dimension; empty where nothing is ranked.
    pub(crate) values: Vec<Vec<RankList>>,
    /// By cell: everything first.
    pub(crate) peaks: Vec<Option<PeakMinute>>,
}

/// The ranks of everything over all hours.
#[derive(Default)]
pub(crate) struct RanksOverHours {
    /// By dimension: all values, most load first, then by attempts, then by text.
    pub(crate) values: Vec<RankList>,
    /// The largest minute, the earliest of equal ones.
    pub(crate) peak: Option<PeakMinute>,
}

impl RanksOverHours {
    /// Of these hours, which ascend, for so many dimensions. The load is settled tokens, or else raw ones.
    pub(crate) fn of<'a>(
        hours: impl Iterator<Item = &'a KeptHour>,
        dimensions: usize,
        is_settled: bool,
        names: &Names,
    ) -> Self {
        let mut sums: Vec<FxHashMap<NameId, RankSums>> = vec![FxHashMap::default(); dimensions];
        let mut peak: Option<PeakMinute> = None;
        for hour in hours {
            let Ranks { values, peaks } = hour.ranks().ranks(&hour.renaming);
            for lists in values {
                for (sums, list) in sums.iter_mut().zip(lists) {
                    list.iter().for_each(|(name, more)| sums.entry(*name).or_default().add(more));
                }
            }
            raise(&mut peak, peaks.into_iter().next().flatten(), is_settled);
        }
        let in_order = |sums: FxHashMap<NameId, RankSums>| {
            let mut values: RankList = sums.into_iter().collect();
            let by_text = |name: NameId| names.text(name);
            values.sort_unstable_by(|(one, ours), (other, theirs)| {
                let rank = |sums: &RankSums| (Reverse(sums.load(is_settled)), Reverse(sums.attempted));
                rank(ours).cmp(&rank(theirs)).then_with(|| by_text(*one).cmp(&by_text(*other)))
            });
            values
        };
        RanksOverHours { values: sums.into_iter().map(in_order).collect(), peak }
    }
}

/// Takes the peak of a later hour where it is larger, measured as asked: an hour without a settled token has no part in
/// a peak of settled ones.
pub(crate) fn raise(peak: &mut Option<PeakMinute>, later: Option<PeakMinute>, is_settled: bool) {
    if let Some(later) = later.filter(|later| later.is_settled == is_settled)
        && peak.as_ref().is_none_or(|peak| later.load > peak.load)
    {
        *peak = Some(later);
    }
}
