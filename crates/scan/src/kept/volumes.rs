//! Several kept places as one: the volumes of a run.
//!
//! In: the states of one or more places, each with what it covers. Out: for each slot the states that count. Always:
//! of one folder's streams one state counts, whichever place it lies in; two places that both claim the same hours of
//! the same streams are refused, since one of them would be counted twice or guessed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use borehole_record::UtcHour;

use super::{CLOSING, FOLDER, KeptFolder, KeptHour, LISTING, Slot, closing_hash, wire};
use crate::limits::SLACK_HOURS;
use crate::plan::Range;
use crate::read::is_stray;
use crate::spill::Input;

/// What one place claims to hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scope {
    /// Names of its sources ([`crate::Source::identity`]).
    pub sources: Vec<String>,
    /// What the sources are called where losses are listed.
    pub titles: Vec<String>,
    /// Names of its streams; empty for all of its sources.
    pub streams: Vec<String>,
    /// Hours that it covers, half-open, apart from each other.
    pub covered: Vec<(UtcHour, UtcHour)>,
}

impl Scope {
    fn covers(&self, hour: UtcHour) -> bool {
        self.covered.iter().any(|&(from, to)| from <= hour && hour < to)
    }

    fn is_of_the_same_streams(&self, other: &Scope) -> bool {
        self.sources == other.sources && self.streams == other.streams
    }
}

/// Why kept places cannot be put together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeptError {
    /// Two hold the same.
    #[error("{first} and {second} both hold hours of the same streams{}", FromHour(*.from))]
    Overlap {
        /// A place.
        first: String,
        /// Another.
        second: String,
        /// The first hour that both cover.
        from: UtcHour,
    },
    /// Two hold some of the same streams.
    #[error(
        "{first} and {second} hold some of the same streams and some others; split by the same streams, or by hours alone"
    )]
    Streams {
        /// A place.
        first: String,
        /// Another.
        second: String,
    },
    /// Two parts of the same streams differ in the files whose keys name no hour, which every part has to have read.
    #[error(
        "{first} and {second} were made from different files outside of the dated folders; such files lie in no \
         range of hours, so the two cannot be put together"
    )]
    Hourless {
        /// A place.
        first: String,
        /// Another one.
        second: String,
    },
    /// None holds this.
    #[error("no dataset or part holds the hours{}{}{of}", FromHour(*.from), ToHour(*.to))]
    Gap {
        /// First hour.
        from: UtcHour,
        /// End, exclusive.
        to: UtcHour,
        /// Of which streams.
        of: String,
    },
}

/// Where hours begin, for people: nothing where they have no beginning.
struct FromHour(UtcHour);

impl fmt::Display for FromHour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > Range::default().hours().0 { write!(f, " from {}", self.0) } else { Ok(()) }
    }
}

/// Where hours end, likewise.
struct ToHour(UtcHour);

impl fmt::Display for ToHour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < Range::default().hours().1 { write!(f, " to {}", self.0) } else { Ok(()) }
    }
}

/// Places with the same streams, each with hours of its own.
#[derive(Clone, Debug, Default)]
struct Family {
    volumes: Vec<u32>,
    folders: BTreeMap<Slot, (u32, KeptFolder)>,
    hours: BTreeMap<UtcHour, (u32, KeptHour)>,
    /// Where the listing of a slot lies.
    listings: BTreeMap<Slot, u32>,
    /// The content of the files without an hour, of each volume that has some.
    hourless: BTreeMap<u32, u128>,
}

/// Everything that earlier runs left.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    names: Vec<String>,
    scopes: Vec<Scope>,
    families: Vec<Family>,
}

impl Kept {
    /// Adds a place under its name; gives its number.
    ///
    /// # Errors
    /// Where it holds what another one holds, too.
    pub fn add_volume(&mut self, name: &str, scope: Scope) -> Result<u32, KeptError> {
        for (other, known) in self.names.iter().zip(&self.scopes) {
            let (first, second) = (other.clone(), name.to_owned());
            if known.is_of_the_same_streams(&scope) {
                let both = known.covered.iter().flat_map(|&(from, to)| {
                    let common = move |&(other, end): &(UtcHour, UtcHour)| (from.max(other), to.min(end));
                    scope.covered.iter().map(common)
                });
                if let Some((from, _)) = both.filter(|(from, to)| from < to).min() {
                    return Err(KeptError::Overlap { first, second, from });
                }
                continue;
            }
            let shares_source = known.sources.iter().any(|source| scope.sources.contains(source));
            let is_apart = known.sources == scope.sources
                && !known.streams.is_empty()
                && !scope.streams.is_empty()
                && known.streams.iter().all(|stream| !scope.streams.contains(stream));
            if shares_source && !is_apart {
                return Err(KeptError::Streams { first, second });
            }
        }
        let number = u32::try_from(self.scopes.len()).unwrap_or(u32::MAX);
        let same = |family: &&mut Family| {
            family.volumes.iter().any(|&volume| self.scopes[volume as usize].is_of_the_same_streams(&scope))
        };
        match self.families.iter_mut().find(same) {
            Some(family) => family.volumes.push(number),
            None => self.families.push(Family { volumes: vec![number], ..Family::default() }),
        }
        self.names.push(name.to_owned());
        self.scopes.push(scope);
        Ok(number)
    }

    /// Adds a state of a place; false where it is damaged, and nothing of it is taken.
    pub fn add<'a>(
        &mut self,
        volume: u32,
        slot: Slot,
        section: &dyn Fn(&'static str) -> Option<&'a [u8]>,
    ) -> bool {
        let scope = &self.scopes[volume as usize];
        let owns = slot.is_none_or(|hour| scope.covers(hour));
        let folder = match section(FOLDER).map(|bytes| decode_folder(bytes, &scope.titles)) {
            Some(None) => return false,
            folder => folder.flatten(),
        };
        let hour = match section(CLOSING).map(decode_closing) {
            Some(None) => return false,
            hour => hour.flatten(),
        };
        let Some(family) = self.families.iter_mut().find(|family| family.volumes.contains(&volume)) else {
            return false;
        };
        if let (None, Some(folder)) = (slot, &folder) {
            family.hourless.insert(volume, folder.content);
        }
        if let Some(folder) = folder
            && (owns || !family.folders.contains_key(&slot))
        {
            family.folders.insert(slot, (volume, folder));
        }
        if section(LISTING).is_some() && (owns || !family.listings.contains_key(&slot)) {
            family.listings.insert(slot, volume);
        }
        if let (Some(name), Some(hour)) = (slot, hour)
            && (owns || !family.hours.contains_key(&name))
        {
            family.hours.insert(name, (volume, hour));
        }
        true
    }

    /// Whether two places have other streams of the same source.
    pub(crate) fn has_several_of_a_source(&self) -> bool {
        let first = |family: &Family| family.volumes.first().map(|&volume| &self.scopes[volume as usize]);
        let mut sources: Vec<&String> =
            self.families.iter().filter_map(first).flat_map(|scope| &scope.sources).collect();
        let all = sources.len();
        sources.sort_unstable();
        sources.dedup();
        sources.len() < all
    }

    /// What all of the places cover together, where that is one range: `None` where they hold everything.
    #[must_use]
    pub fn covered(&self) -> Option<(UtcHour, UtcHour)> {
        let all = self.scopes.iter().flat_map(|scope| &scope.covered);
        let from = all.clone().map(|&(from, _)| from).min()?;
        let to = all.map(|&(_, to)| to).max()?;
        Some((from, to))
    }

    /// Refuses a range of which some hours are in no place, and places that contradict each other.
    ///
    /// # Errors
    /// Names the first such hours, or two such places.
    pub fn check_range(&self, range: Range) -> Result<(), KeptError> {
        let (from, to) = range.hours();
        for family in &self.families {
            // Of these one place is taken for all: where they differ, some would be lost.
            let hourless = |volume: &u32| family.hourless.get(volume);
            if let Some((first, rest)) = family.volumes.split_first()
                && let Some(second) = rest.iter().find(|&volume| hourless(volume) != hourless(first))
            {
                let name = |volume: u32| self.names[volume as usize].clone();
                return Err(KeptError::Hourless { first: name(*first), second: name(*second) });
            }
            let scopes = || family.volumes.iter().map(|&volume| &self.scopes[volume as usize]);
            let mut covered: Vec<(UtcHour, UtcHour)> =
                scopes().flat_map(|scope| scope.covered.iter().copied()).collect();
            covered.sort_unstable();
            let mut reached = from;
            for (start, end) in covered {
                if start > reached {
                    break;
                }
                reached = reached.max(end);
            }
            if reached < to {
                let streams: Vec<&str> = scopes()
                    .next()
                    .into_iter()
                    .flat_map(|scope| &scope.streams)
                    .map(String::as_str)
                    .collect();
                let of =
                    if streams.is_empty() { String::new() } else { format!(" of {}", streams.join(", ")) };
                let next = scopes()
                    .flat_map(|scope| &scope.covered)
                    .map(|&(start, _)| start)
                    .filter(|&start| start > reached)
                    .min();
                return Err(KeptError::Gap { from: reached, to: next.unwrap_or(to).min(to), of });
            }
        }
        Ok(())
    }

    /// The slots with a folder, with the volume that it lies in.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (Slot, u32)> + '_ {
        self.families
            .iter()
            .flat_map(|family| family.folders.iter().map(|(&slot, &(volume, _))| (slot, volume)))
    }

    /// The slots of which a listing is kept, with the volume that it lies in.
    pub(crate) fn listings(&self) -> impl Iterator<Item = (Slot, u32)> + '_ {
        self.families.iter().flat_map(|family| family.listings.iter().map(|(&slot, &volume)| (slot, volume)))
    }

    /// The folders of a slot, one for each of the streams that are kept apart.
    pub(crate) fn folders(&self, slot: Slot) -> impl Iterator<Item = (u32, &KeptFolder)> {
        let of = move |family: &'_ Family| family.folders.contains_key(&slot);
        self.families.iter().filter(move |family| of(family)).map(move |family| {
            let (volume, folder) = &family.folders[&slot];
            (*volume, folder)
        })
    }

    /// The closings of an hour, one for each of the streams that are kept apart.
    pub(crate) fn closings(&self, hour: UtcHour) -> impl Iterator<Item = (u32, &KeptHour)> {
        self.families
            .iter()
            .filter_map(move |family| family.hours.get(&hour))
            .map(|(volume, hour)| (*volume, hour))
    }

    /// The hours of a range (half-open) that were closed.
    pub(crate) fn hours(&self, from: UtcHour, to: UtcHour) -> Vec<UtcHour> {
        let all = self.families.iter().flat_map(|family| family.hours.range(from..to));
        all.map(|(&hour, _)| hour).collect::<BTreeSet<UtcHour>>().into_iter().collect()
    }

    /// The contents of the folders that stay, over all streams.
    pub(crate) fn contents(&self, stays: &dyn Fn(&Slot) -> bool) -> BTreeMap<Slot, u128> {
        let mut all: BTreeMap<Slot, Vec<u128>> = BTreeMap::new();
        for family in &self.families {
            for (&slot, (_, folder)) in family.folders.iter().filter(|(slot, _)| stays(slot)) {
                all.entry(slot).or_default().push(folder.content);
            }
        }
        let together = |mut contents: Vec<u128>| match *contents {
            [content] => content,
            _ => {
                contents.sort_unstable();
                let bytes: Vec<u8> = contents.iter().flat_map(|content| content.to_le_bytes()).collect();
                xxhash_rust::xxh3::xxh3_128(&bytes)
            }
        };
        all.into_iter().map(|(slot, contents)| (slot, together(contents))).collect()
    }

    /// Which of the folders that stay have strays into an hour.
    pub(crate) fn strays(&self, stays: &dyn Fn(&Slot) -> bool) -> BTreeMap<UtcHour, BTreeSet<Slot>> {
        let mut strays: BTreeMap<UtcHour, BTreeSet<Slot>> = BTreeMap::new();
        for family in &self.families {
            for (&slot, (_, folder)) in family.folders.iter().filter(|(slot, _)| stays(slot)) {
                for hour in folder.stray_hours(slot) {
                    strays.entry(hour).or_default().insert(slot);
                }
            }
        }
        strays
    }

    /// The hours that the folders that stay have records of, for each of the streams that are kept apart.
    pub(super) fn own_hours(&self, stays: &dyn Fn(&Slot) -> bool) -> Vec<BTreeSet<UtcHour>> {
        let of_family = |family: &Family| {
            let folders = family.folders.iter().filter(|(slot, _)| stays(slot));
            folders.flat_map(|(_, (_, folder))| folder.books.tally.own_hours.keys().copied()).collect()
        };
        self.families.iter().map(of_family).collect()
    }

    /// The closing of an hour that stands where it is made of this: that of the only streams with records near it.
    /// `own_hours` are those of [`Kept::own_hours`].
    pub(super) fn standing(
        &self,
        hour: UtcHour,
        made_of: &BTreeMap<Slot, u128>,
        own_hours: &[BTreeSet<UtcHour>],
    ) -> Option<(u32, u128)> {
        let near = UtcHour(hour.0 - SLACK_HOURS)..=UtcHour(hour.0 + SLACK_HOURS);
        let families = self.families.iter().zip(own_hours);
        let mut with_records = families.filter(|(_, hours)| hours.range(near.clone()).next().is_some());
        let (Some((family, _)), None) = (with_records.next(), with_records.next()) else { return None };
        let (volume, closing) = family.hours.get(&hour)?;
        (closing.made_of == *made_of).then(|| (*volume, closing_hash(made_of)))
    }

    /// Which of the folders that stay have records of an hour that cannot be had from what is kept. Strays can: they
    /// lie beside the books of their folder.
    pub(super) fn not_loadable(&self, hour: UtcHour, stays: &dyn Fn(&Slot) -> bool) -> Vec<Slot> {
        let near = Some(UtcHour(hour.0 - SLACK_HOURS))..=Some(UtcHour(hour.0 + SLACK_HOURS));
        let mut missing = Vec::new();
        for family in &self.families {
            let closing = family.hours.get(&hour).map(|(_, closing)| closing);
            for (&slot, (_, folder)) in
                family.folders.range(near.clone()).chain(family.folders.range(..=None))
            {
                let is_there =
                    closing.is_some_and(|closing| closing.made_of.get(&slot) == Some(&folder.content));
                if stays(&slot) && folder.holds(hour) && !is_there {
                    missing.push(slot);
                }
            }
        }
        missing
    }

    /// Whether a record of an hour that lies in a folder is one that counts: its folder is what it was.
    pub(crate) fn is_current(&self, volume: u32, slot: Slot, closing: &KeptHour) -> bool {
        self.family_of(volume)
            .and_then(|family| family.folders.get(&slot))
            .is_some_and(|(_, folder)| closing.made_of.get(&slot) == Some(&folder.content))
    }

    /// The folders of the streams of a volume that have strays into an hour, each with the volume it lies in.
    pub(crate) fn strays_into(&self, volume: u32, hour: UtcHour) -> Vec<(Slot, u32, u128)> {
        let Some(family) = self.family_of(volume) else { return Vec::new() };
        let into = |(&slot, (volume, folder)): (&Slot, &(u32, KeptFolder))| {
            let holds_strays = slot.is_some_and(|name| is_stray(hour, name)) && folder.holds(hour);
            holds_strays.then_some((slot, *volume, folder.content))
        };
        family.folders.iter().filter_map(into).collect()
    }

    /// One volume of each of the streams that are kept apart.
    pub(crate) fn first_volumes(&self) -> impl Iterator<Item = u32> + '_ {
        self.families.iter().filter_map(|family| family.volumes.first().copied())
    }

    /// The closing of an hour of the streams of a volume, and the volume that it lies in.
    pub(crate) fn closing_of(&self, volume: u32, hour: UtcHour) -> Option<(u32, &KeptHour)> {
        let (volume, closing) = self.family_of(volume)?.hours.get(&hour)?;
        Some((*volume, closing))
    }

    fn family_of(&self, volume: u32) -> Option<&Family> {
        self.families.iter().find(|family| family.volumes.contains(&volume))
    }

    /// The names of a volume's sources.
    pub(crate) fn sources(&self, volume: u32) -> &[String] {
        &self.scopes[volume as usize].sources
    }
}

fn decode_folder(bytes: &[u8], titles: &[String]) -> Option<KeptFolder> {
    let mut input = Input(bytes);
    let (print, content) = (wire::decode_hash(&mut input)?, wire::decode_hash(&mut input)?);
    let payloads = match input.byte()? {
        0 => None,
        _ => Some(wire::decode_hash(&mut input)?),
    };
    let books = wire::decode_books(&mut input, titles)?;
    input.0.is_empty().then_some(KeptFolder { print, content, payloads, books })
}

fn decode_closing(bytes: &[u8]) -> Option<KeptHour> {
    let mut input = Input(bytes);
    let duplicates = input.number()?;
    let made_of = wire::decode_contents(&mut input)?;
    input.0.is_empty().then_some(KeptHour { made_of, duplicates })
}
