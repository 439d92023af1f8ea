//! What earlier runs left: which folders need not be read again, and which hours need not be closed again.
//!
//! In: states of folders and hours as somebody keeps them ([`Keeper`]), and the plan of this run. Out: a `Reuse`:
//! what is read, what is loaded, what stands. Always: by hashes of contents alone, so that it does not matter in
//! which order states were written, or after which of them a run was killed; and an hour stands only if every folder
//! that can touch it is what it was when the hour was closed. Absent: I/O.
//!
//! Two things are kept under the name of an hour. Of the *folder* of that hour: its books, what was listed in it and
//! its strays. Of the *closing* of that hour: what it was made of (folders by content), its rows, and the rows that
//! were dropped as copies. The two together are all candidates for an hour, so that it can be closed again when only
//! some of what it was made of has changed.

mod volumes;
pub(crate) mod wire;

use std::collections::{BTreeMap, BTreeSet};

use borehole_record::{Invocation, Key, UtcHour};
use borehole_store::{Listed, Object};

pub use volumes::{Kept, KeptError, Scope};

use crate::ledger::Ledger;
use crate::limits::{CLOSING_HOURS, CLOSING_HOURS_SPLIT, SLACK_HOURS};
use crate::plan::{Plan, Planned, Range, Role};
use crate::read::is_stray;
use crate::source::Source;
use crate::{Error, ScanOptions};

/// The hour that something is kept under; `None` for what lies in no hour's folder.
pub type Slot = Option<UtcHour>;

/// One thing that a listing found.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Index into the run's sources.
    pub source: u32,
    /// What it is.
    pub listed: Listed,
}

/// The section of a folder's books.
pub const FOLDER: &str = "folder";
/// The section of what was listed in a folder.
pub const LISTING: &str = "listing";
/// The section of a folder's strays.
pub const STRAYS: &str = "strays";
/// The section of what an hour was made of.
pub const CLOSING: &str = "closing";
/// The section of an hour's copies that were dropped.
pub const DROPPED: &str = "dropped";

/// One named piece of a state.
pub type Section = (&'static str, Vec<u8>);

/// Where states are kept between runs.
pub trait Keeper: Sync {
    /// A section of a state; `None` where there is none.
    fn section(&self, volume: u32, slot: Slot, name: &'static str) -> Option<Vec<u8>>;

    /// Hands over the rows that stayed of an hour, file by file; false where they are damaged or gone.
    fn rows(&self, volume: u32, hour: UtcHour, take: &mut dyn FnMut(KeptRows<'_>)) -> bool;

    /// Keeps sections of a state in the place of those of the same names; all others and its rows stay.
    fn keep(&self, slot: Slot, sections: Vec<Section>);
}

/// Rows of one hour and stream.
pub struct KeptRows<'a> {
    /// The stream's name, as [`Plan::stream_names`] has it.
    pub stream: &'a str,
    /// Keys of objects, escaped.
    pub objects: &'a [Box<str>],
    /// [`Invocation::object`] is an index into `objects`.
    pub rows: Vec<Invocation>,
}

/// What is kept of a folder.
#[derive(Clone, Debug)]
pub(crate) struct KeptFolder {
    /// Of what was listed to be read, in it and in the folders that its documents join with.
    pub print: u128,
    /// Of what it came to: what was listed in it, its books and its strays.
    pub content: u128,
    /// Of the payloads that were listed near it; `None` where payloads may lie elsewhere, too.
    pub payloads: Option<u128>,
    pub books: Ledger,
}

impl KeptFolder {
    /// Whether another attempt may come to more: something could not be read. A payload that was missing still is,
    /// where the payloads are the same (`payloads` are those that are listed now).
    fn is_partial(&self, payloads: Option<u128>) -> bool {
        let references = &self.books.tally.references;
        let same_payloads = payloads.is_some() && self.payloads == payloads;
        !self.books.objects_failed.is_empty()
            || references.archived > 0
            || references.failed > 0
            || references.missing > 0 && !same_payloads
    }

    fn holds(&self, hour: UtcHour) -> bool {
        self.books.tally.own_hours.contains_key(&hour)
    }

    /// Hours of its records that lie further from it than a folder's records may.
    fn stray_hours(&self, slot: Slot) -> impl Iterator<Item = UtcHour> + '_ {
        let far = move |hour: UtcHour| slot.is_some_and(|folder| is_stray(hour, folder));
        self.books.tally.own_hours.keys().copied().filter(move |&hour| far(hour))
    }
}

/// What is kept of the closing of an hour.
#[derive(Clone, Debug)]
pub(crate) struct KeptHour {
    /// The contents of all that decided about it.
    pub made_of: BTreeMap<Slot, u128>,
    /// Copies that were dropped.
    pub duplicates: u64,
}

/// A hash over what an hour was made of: equal hashes, equal rows.
pub(crate) fn closing_hash(made_of: &BTreeMap<Slot, u128>) -> u128 {
    let mut bytes = Vec::new();
    wire::encode_contents(made_of, &mut bytes);
    xxhash_rust::xxh3::xxh3_128(&bytes)
}

/// What an hour is made of: the folders that can touch it, and those that have strays into it or beside it.
/// `contents` and `strays` are of the folders of the run, the latter by the hour of the stray.
pub(crate) fn made_of(
    hour: UtcHour,
    contents: &BTreeMap<Slot, u128>,
    strays: &BTreeMap<UtcHour, BTreeSet<Slot>>,
) -> BTreeMap<Slot, u128> {
    let near = contents.range(Some(UtcHour(hour.0 - CLOSING_HOURS))..=Some(UtcHour(hour.0 + CLOSING_HOURS)));
    let mut made: BTreeMap<Slot, u128> = near.map(|(&slot, &content)| (slot, content)).collect();
    let far = strays.range(UtcHour(hour.0 - SLACK_HOURS)..=UtcHour(hour.0 + SLACK_HOURS));
    let slots = far.flat_map(|(_, slots)| slots.iter().copied()).chain([None]);
    made.extend(slots.filter_map(|slot| Some((slot, *contents.get(&slot)?))));
    made
}

/// What a run takes from earlier ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reuse {
    /// Folders that are read.
    pub read: BTreeSet<Slot>,
    /// Folders whose documents are read because those of a folder that is read may join with them. Nothing else of
    /// them counts.
    pub beside: BTreeSet<Slot>,
    /// Hours that stand as they were closed, with the volume they lie in and the hash of what they were made of.
    pub standing: BTreeMap<UtcHour, (u32, u128)>,
    /// Hours whose kept candidates are needed to close others.
    pub load: BTreeSet<UtcHour>,
}

impl Reuse {
    /// Decides by the prints of the folders of this run what is read.
    ///
    /// # Errors
    /// Where something would have to be read and `may_read` says that nothing can be.
    pub(crate) fn decide(
        plan: &Plan,
        prints: &BTreeMap<Slot, u128>,
        payloads: &dyn Fn(Slot) -> Option<u128>,
        kept: &Kept,
        may_read: bool,
    ) -> Result<Self, Error> {
        // What has no size was not listed, and cannot be known to be the same (standard input).
        let unlisted: BTreeSet<Slot> = plan
            .objects
            .iter()
            .filter(|planned| planned.object.size.is_none())
            .map(|planned| planned.role.hour())
            .collect();
        let changed = |slot: &Slot, print: u128| {
            let folders = kept.folders(*slot);
            let mut folders = folders.peekable();
            folders.peek().is_none()
                || may_read
                    && (unlisted.contains(slot)
                        || folders
                            .any(|(_, folder)| folder.print != print || folder.is_partial(payloads(*slot))))
        };
        let all = prints;
        let counting = |slot: &Slot| slot.is_none_or(|hour| plan.range.counts_folder(hour));
        let prints: BTreeMap<Slot, u128> =
            all.iter().filter(|(slot, _)| counting(slot)).map(|(&slot, &print)| (slot, print)).collect();
        let prints = &prints;
        let mut read: BTreeSet<Slot> =
            prints.iter().filter(|&(slot, &print)| changed(slot, print)).map(|(&slot, _)| slot).collect();
        loop {
            let mut reuse = Reuse::around(plan.range, prints, kept, read);
            let more = reuse.not_loadable(prints, kept);
            if more.is_empty() {
                if !may_read && let Some(&missing) = reuse.read.first() {
                    return Err(Error::NotKept { slot: missing });
                }
                if plan.has_split() {
                    reuse.beside = neighbours(&reuse.read, all);
                }
                return Ok(reuse);
            }
            read = reuse.read;
            read.extend(more);
        }
    }

    /// Whether an object is read.
    pub(crate) fn reads(&self, planned: &Planned) -> bool {
        let slot = planned.role.hour();
        self.read.contains(&slot) || matches!(planned.role, Role::Split { .. }) && self.beside.contains(&slot)
    }

    /// What stands and what is loaded where these folders are read.
    fn around(range: Range, prints: &BTreeMap<Slot, u128>, kept: &Kept, read: BTreeSet<Slot>) -> Reuse {
        let (from, to) = range.hours();
        let (contents, strays, own_hours) = {
            let stays = stays(prints, &read);
            (kept.contents(&stays), kept.strays(&stays), kept.own_hours(&stays))
        };
        // Hours that a folder that is read may hold records of, or that these decide about.
        let mut open: BTreeSet<UtcHour> = BTreeSet::new();
        for hour in read.iter().flatten() {
            open.extend((hour.0 - CLOSING_HOURS..=hour.0 + CLOSING_HOURS).map(UtcHour));
        }
        let mut standing = BTreeMap::new();
        let all_hours: BTreeSet<UtcHour> = own_hours.iter().flatten().copied().collect();
        for &hour in &all_hours {
            if hour < from || hour >= to || open.contains(&hour) {
                continue;
            }
            match kept.standing(hour, &made_of(hour, &contents, &strays), &own_hours) {
                // Records of files without hours may belong anywhere.
                Some(found) if !read.contains(&None) => drop(standing.insert(hour, found)),
                _ => drop(open.insert(hour)),
            }
        }
        open.retain(|&hour| from <= hour && hour < to);
        let needed: BTreeSet<UtcHour> =
            open.iter().flat_map(|hour| (hour.0 - SLACK_HOURS..=hour.0 + SLACK_HOURS).map(UtcHour)).collect();
        let load = all_hours.intersection(&needed).copied().collect();
        Reuse { read, beside: BTreeSet::new(), standing, load }
    }

    /// Folders whose kept records are needed and not there.
    fn not_loadable(&self, prints: &BTreeMap<Slot, u128>, kept: &Kept) -> BTreeSet<Slot> {
        let stays = stays(prints, &self.read);
        self.load.iter().flat_map(|&hour| kept.not_loadable(hour, &stays)).collect()
    }
}

/// Which folders of a run are not read: what is kept of them counts. `prints` are those of the folders that count.
pub(crate) fn stays<'a>(
    prints: &'a BTreeMap<Slot, u128>,
    read: &'a BTreeSet<Slot>,
) -> impl Fn(&Slot) -> bool + use<'a> {
    |slot| prints.contains_key(slot) && !read.contains(slot)
}

/// The part of a plan that a run reads, given what is kept: for telling beforehand what it takes.
///
/// # Errors
/// As a run that finds that something is missing.
pub fn to_read(plan: &Plan, sources: &[Source], options: &ScanOptions, kept: &Kept) -> Result<Plan, Error> {
    let names: Vec<String> = sources.iter().map(Source::identity).collect();
    let payloads = PayloadPrints::new(plan, options);
    let prints = joined_prints(plan, &own_prints(plan, &names));
    let reuse = Reuse::decide(plan, &prints, &|slot| payloads.near(slot), kept, true)?;
    let mut plan = plan.clone();
    plan.objects.retain(|planned| reuse.reads(planned));
    Ok(plan)
}

/// Folders that are not read themselves, and whose documents join with those of folders that are.
fn neighbours(read: &BTreeSet<Slot>, prints: &BTreeMap<Slot, u128>) -> BTreeSet<Slot> {
    let near = |hour: &UtcHour| {
        (hour.0 - CLOSING_HOURS_SPLIT..=hour.0 + CLOSING_HOURS_SPLIT).map(|hour| Some(UtcHour(hour)))
    };
    let all = read.iter().flatten().flat_map(near);
    all.filter(|slot| prints.contains_key(slot) && !read.contains(slot)).collect()
}

/// The prints of listed payloads.
#[derive(Clone, Debug)]
pub(crate) struct PayloadPrints(Option<PrintsByTime>);

/// Apart, since a range lists the days around it, but only the hours next to it: the payloads of a day's first hour are
/// near no other hour.
#[derive(Clone, Debug, Default)]
struct PrintsByTime {
    /// Of payloads that lie in the folder of an hour, or whose key says nothing.
    hours: BTreeMap<Slot, u128>,
    /// Of those that lie in the folder of a day, where the split layout has them.
    days: BTreeMap<Slot, u128>,
}

impl PayloadPrints {
    /// Of a plan. Where payloads may lie in places that are not listed with it, nothing is known.
    pub(crate) fn new(plan: &Plan, options: &ScanOptions) -> Self {
        if !plan.lists_payloads || !options.payload_roots.is_empty() {
            return PayloadPrints(None);
        }
        let mut prints = PrintsByTime::default();
        for (&slot, entries) in &plan.set_aside {
            let objects = entries.iter().filter_map(|entry| match &entry.listed {
                Listed::Object(object) => Some((entry.source, object)),
                Listed::Skipped { .. } | Listed::Failed { .. } => None,
            });
            let is_of_day =
                |(_, object): &(u32, &Object)| matches!(Key::parse(&object.key), Key::SplitPayload { .. });
            let (of_day, of_hour): (Vec<_>, Vec<_>) = objects.partition(is_of_day);
            for (objects, prints) in [(of_hour, &mut prints.hours), (of_day, &mut prints.days)] {
                if !objects.is_empty() {
                    prints.insert(slot, print_of_objects(objects));
                }
            }
        }
        PayloadPrints(Some(prints))
    }

    /// Of the payloads near a folder: in the hours beside it, and under the days beside it, where the split layout
    /// has them.
    pub(crate) fn near(&self, slot: Slot) -> Option<u128> {
        let PrintsByTime { hours, days } = self.0.as_ref()?;
        let hour = slot?;
        let day = hour.0.div_euclid(24);
        let in_hours = (hour.0 - SLACK_HOURS..=hour.0 + SLACK_HOURS).map(|hour| (hours, hour));
        let in_days = (day - 1..=day + 1).map(|day| (days, day * 24));
        let prints = in_hours.chain(in_days).map(|(prints, hour)| prints.get(&Some(UtcHour(hour))));
        let bytes: Vec<u8> = prints.flat_map(|print| print.copied().unwrap_or(0).to_le_bytes()).collect();
        Some(xxhash_rust::xxh3::xxh3_128(&bytes))
    }
}

/// A hash over objects as they were listed; a listing may come in any order.
fn print_of_objects(mut objects: Vec<(u32, &Object)>) -> u128 {
    objects.sort_unstable_by(|a, b| (a.0, &a.1.key).cmp(&(b.0, &b.1.key)));
    let mut bytes = Vec::new();
    for (source, object) in objects {
        bytes.extend_from_slice(&source.to_le_bytes());
        wire::encode_object(object, &mut bytes);
    }
    xxhash_rust::xxh3::xxh3_128(&bytes)
}

/// The prints of a plan's folders: of what is listed to be read in them (`own`), and of what their documents join with.
pub(crate) fn joined_prints(plan: &Plan, own: &BTreeMap<Slot, u128>) -> BTreeMap<Slot, u128> {
    let has_split: BTreeSet<UtcHour> = plan
        .objects
        .iter()
        .filter(|planned| matches!(planned.role, Role::Split { .. }))
        .filter_map(|planned| planned.role.hour())
        .collect();
    if has_split.is_empty() {
        return own.clone();
    }
    let joined = |(&slot, &print): (&Slot, &u128)| {
        let Some(hour) = slot else { return (slot, print) };
        let near = UtcHour(hour.0 - CLOSING_HOURS_SPLIT)..=UtcHour(hour.0 + CLOSING_HOURS_SPLIT);
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        hasher.update(&print.to_le_bytes());
        for other in has_split.range(near) {
            hasher.update(&(other.0 - hour.0).to_le_bytes());
            hasher.update(&own[&Some(*other)].to_le_bytes());
        }
        (slot, hasher.digest128())
    };
    own.iter().map(joined).collect()
}

/// The prints of what is listed to be read in each folder. `names` are those of the sources.
pub(crate) fn own_prints(plan: &Plan, names: &[String]) -> BTreeMap<Slot, u128> {
    let mut hashers: BTreeMap<Slot, xxhash_rust::xxh3::Xxh3> = BTreeMap::new();
    let mut bytes = Vec::new();
    // In canonical order.
    for planned in &plan.objects {
        bytes.clear();
        wire::encode_object(&planned.object, &mut bytes);
        let hasher = hashers.entry(planned.role.hour()).or_default();
        hasher.update(names[planned.source as usize].as_bytes());
        hasher.update(&bytes);
    }
    hashers.into_iter().map(|(slot, hasher)| (slot, hasher.digest128())).collect()
}
