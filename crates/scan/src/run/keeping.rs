//! The part of a run that takes from earlier ones and leaves to later ones.
//!
//! In: what is kept ([`KeptRun`]) and what this run finds. Out: candidates for hours that are closed anew, hours that
//! stand, and sections of states. Always: the answer is that of a run that reads everything; what is written is of
//! whole folders and whole hours, and says by hashes what it was made of, so that nothing depends on what was written
//! last.

use std::collections::{BTreeMap, BTreeSet};

use borehole_record::{Invocation, UtcHour};
use borehole_store::EscapedKey;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::{Cell, CellSink, KeepHour, KeptRun, Scanning};
use crate::cells::footprint;
use crate::kept::wire::{self, EntryRef};
use crate::kept::{
    self, CLOSING, DROPPED, FOLDER, KeptHour, KeptRows, LISTING, PayloadPrints, Reuse, STRAYS, Section, Slot,
    closing_hash, made_of,
};
use crate::ledger::{Ledger, Reasons};
use crate::limits::{CLOSING_HOURS, SLACK_HOURS};
use crate::plan::{Plan, Planned};
use crate::read::is_stray;
use crate::source::Source;
use crate::{Error, ScanOptions};

/// The content of a folder that is still being read. It is the hash of none, so that an hour that was written with it
/// does not stand should the run be killed before it is written anew.
const NOT_YET: u128 = 0;

/// What a run takes and leaves.
pub(super) struct Keeping<'a> {
    pub(super) run: KeptRun<'a>,
    pub(super) reuse: Reuse,
    /// What each hour was made of, as far as it is known.
    pub(super) closings: BTreeMap<UtcHour, u128>,
    plan: &'a Plan,
    /// Numbers of the objects of each folder.
    by_slot: BTreeMap<Slot, Vec<u32>>,
    sources: &'a [Source],
    /// Names of the sources.
    names: Vec<String>,
    /// Of the payloads that are listed with this run.
    payloads: PayloadPrints,
    /// What the listing warned of.
    listing_warnings: Reasons,
    /// Of all folders of this run.
    prints: BTreeMap<Slot, u128>,
    own_prints: BTreeMap<Slot, u128>,
    /// Numbers of streams by their names.
    streams: FxHashMap<String, u32>,
    /// Strays that were found in folders that are read.
    strays: BTreeMap<Slot, Vec<Invocation>>,
    /// Folders by the hours of what was found in them that counts elsewhere.
    noted: BTreeMap<UtcHour, BTreeSet<Slot>>,
    /// Of folders that are not read, and of those that are and are done.
    contents: BTreeMap<Slot, u128>,
    /// Folders by the hours of their strays.
    stray_slots: BTreeMap<UtcHour, BTreeSet<Slot>>,
    /// Sections of folders that are done and not kept yet.
    done: BTreeMap<Slot, Vec<Section>>,
    /// What hours were said to be made of when they were given to be kept.
    said: BTreeMap<UtcHour, BTreeMap<Slot, u128>>,
    /// Hours whose kept candidates are in the store.
    loaded: BTreeSet<UtcHour>,
}

impl<'a> Keeping<'a> {
    /// Decides what is read.
    pub(super) fn new(
        run: KeptRun<'a>,
        plan: &'a Plan,
        sources: &'a [Source],
        options: &ScanOptions,
        listing_warnings: Reasons,
    ) -> Result<Self, Error> {
        let names: Vec<String> = sources.iter().map(Source::identity).collect();
        let own_prints = kept::own_prints(plan, &names);
        let prints = kept::joined_prints(plan, &own_prints);
        let payloads = PayloadPrints::new(plan, options);
        let reuse = Reuse::decide(plan, &prints, &|slot| payloads.near(slot), run.kept, !run.stands)?;
        // From here on only folders that count.
        let mut prints = prints;
        prints.retain(|slot, _| slot.is_none_or(|hour| plan.range.counts_folder(hour)));
        let streams = plan.stream_names(sources).into_iter().zip(0..).collect();
        let stays = kept::stays(&prints, &reuse.read);
        let (contents, stray_slots) = (run.kept.contents(&stays), run.kept.strays(&stays));
        drop(stays);
        Ok(Keeping {
            run,
            closings: BTreeMap::new(),
            by_slot: plan.numbers_by_slot(),
            plan,
            sources,
            names,
            listing_warnings,
            payloads,
            own_prints,
            streams,
            strays: BTreeMap::new(),
            noted: BTreeMap::new(),
            contents,
            stray_slots,
            done: BTreeMap::new(),
            said: BTreeMap::new(),
            loaded: BTreeSet::new(),
            prints,
            reuse,
        })
    }

    /// Whether an object is read.
    pub(super) fn reads(&self, planned: &Planned) -> bool {
        self.reuse.reads(planned)
    }

    /// Whether an hour stands as an earlier run closed it.
    pub(super) fn stands(&self, hour: UtcHour) -> bool {
        self.reuse.standing.contains_key(&hour)
    }

    /// Remembers strays of a folder.
    pub(super) fn note_strays(&mut self, folder: Slot, invocations: &[Invocation]) {
        if !self.run.stands && self.reuse.read.contains(&folder) {
            self.strays.entry(folder).or_default().extend_from_slice(invocations);
            for invocation in invocations {
                self.noted.entry(UtcHour::of(invocation.timestamp)).or_default().insert(folder);
            }
        }
    }

    /// Whether a folder of this run is not read: what is kept of it counts.
    fn stays(&self, slot: Slot) -> bool {
        kept::stays(&self.prints, &self.reuse.read)(&slot)
    }

    /// Adds the books of the folders that are not read.
    pub(super) fn kept_books(&self, ledger: &mut Ledger) {
        for &slot in self.prints.keys().filter(|&&slot| self.stays(slot)) {
            for (_, folder) in self.run.kept.folders(slot) {
                ledger.merge(folder.books.clone());
            }
        }
    }

    /// The numbers of objects by their names, as far as they are objects of this run.
    fn numbers(&self, stream: &str, objects: &[Box<str>]) -> Vec<Option<u32>> {
        let Some(&stream) = self.streams.get(stream) else { return vec![None; objects.len()] };
        let source = self.plan.streams[stream as usize].source;
        objects.iter().map(|name| self.number(source, &EscapedKey::unescape(name)?)).collect()
    }

    fn number(&self, source: u32, key: &[u8]) -> Option<u32> {
        let all = &self.plan.objects;
        let place =
            all.binary_search_by(|planned| (&*planned.object.key, planned.source).cmp(&(key, source)));
        u32::try_from(place.ok()?).ok()
    }

    /// Hands over the kept candidates for an hour that come from folders that are not read.
    fn candidates(&self, hour: UtcHour, take: &mut dyn FnMut(Invocation)) -> Result<(), Error> {
        let damaged = || Error::KeptDamaged { slot: Some(hour) };
        let kept = self.run.kept;
        for first in kept.first_volumes() {
            let closing = kept.closing_of(first, hour);
            if let Some((volume, closing)) = closing {
                let counts = |number: u32| {
                    let slot = self.plan.objects[number as usize].role.hour();
                    self.stays(slot) && kept.is_current(volume, slot, closing)
                };
                // What lies in no folder of this run is none of its business.
                let mut give = |row: Invocation, numbers: &[Option<u32>]| {
                    renumbered(row, numbers)
                        .filter(|row| counts(row.object))
                        .into_iter()
                        .for_each(&mut *take);
                };
                let is_whole = self.run.keeper.rows(volume, hour, &mut |file: KeptRows<'_>| {
                    let numbers = self.numbers(file.stream, file.objects);
                    file.rows.into_iter().for_each(|row| give(row, &numbers));
                });
                if !is_whole {
                    return Err(damaged());
                }
                let dropped = self.run.keeper.section(volume, Some(hour), DROPPED);
                if let Some(bytes) = dropped.filter(|bytes| !bytes.is_empty()) {
                    let (rows, numbers) = self.named_rows(volume, &bytes).ok_or_else(damaged)?;
                    rows.into_iter().for_each(|row| give(row, &numbers));
                }
            }
            let has = |slot: Slot, content: u128| {
                closing.is_some_and(|(_, closing): (u32, &KeptHour)| {
                    closing.made_of.get(&slot) == Some(&content)
                })
            };
            for (slot, volume, content) in kept.strays_into(first, hour) {
                if !self.stays(slot) || has(slot, content) {
                    continue;
                }
                let bytes = self.run.keeper.section(volume, slot, STRAYS);
                let named = bytes.and_then(|bytes| self.named_rows(volume, &bytes));
                let (rows, numbers) = named.ok_or(Error::KeptDamaged { slot })?;
                let own = rows.into_iter().filter(|row| UtcHour::of(row.timestamp) == hour);
                own.filter_map(|row| renumbered(row, &numbers)).for_each(&mut *take);
            }
        }
        Ok(())
    }

    /// Packed rows, and the numbers of their objects.
    fn named_rows(&self, volume: u32, bytes: &[u8]) -> Option<(Vec<Invocation>, Vec<Option<u32>>)> {
        let named = wire::decode_rows(bytes)?;
        let own = self.run.kept.sources(volume);
        let number = |(source, key): &(u32, Box<[u8]>)| {
            let name = own.get(*source as usize)?;
            let source = self.names.iter().position(|known| known == name)?;
            self.number(u32::try_from(source).ok()?, key)
        };
        let numbers = named.objects.iter().map(number).collect();
        Some((named.rows, numbers))
    }

    /// The rows of an hour that stands.
    fn standing_rows(&self, hour: UtcHour, take: &mut dyn FnMut(Invocation)) -> Result<(), Error> {
        let damaged = Error::KeptDamaged { slot: Some(hour) };
        let Some(&(volume, _)) = self.reuse.standing.get(&hour) else { return Ok(()) };
        let mut is_known = true;
        let is_whole = self.run.keeper.rows(volume, hour, &mut |file: KeptRows<'_>| {
            let numbers = self.numbers(file.stream, file.objects);
            for row in file.rows {
                match renumbered(row, &numbers) {
                    Some(row) => take(row),
                    None => is_known = false,
                }
            }
        });
        if is_whole && is_known { Ok(()) } else { Err(damaged) }
    }

    /// Ends the folders up to `last`: nothing more comes to their books.
    fn end_folders(&mut self, last: UtcHour, books: &BTreeMap<Slot, Ledger>, failed: &FxHashSet<u32>) {
        let ended: Vec<Slot> = self
            .reuse
            .read
            .range(..=Some(last))
            .filter(|slot| !self.contents.contains_key(slot))
            .copied()
            .collect();
        let nothing = Ledger::default();
        for slot in ended {
            let own = books.get(&slot).unwrap_or(&nothing);
            let mut packed = Vec::new();
            wire::encode_books(own, self.sources, &mut packed);
            let mut strays = Vec::new();
            if let Some(mut rows) = self.strays.remove(&slot) {
                // What an object handed over before it failed.
                rows.retain(|row| !failed.contains(&row.object));
                let plan = self.plan;
                wire::encode_rows(&rows, &|number| plan.place_of(number), &mut strays);
            }
            let mut hasher = Xxh3::new();
            hasher.update(&self.own_prints.get(&slot).copied().unwrap_or(0).to_le_bytes());
            hasher.update(&packed);
            hasher.update(&strays);
            let content = hasher.digest128();
            let mut folder = Vec::with_capacity(packed.len() + 32);
            folder.extend_from_slice(&self.prints.get(&slot).copied().unwrap_or(0).to_le_bytes());
            folder.extend_from_slice(&content.to_le_bytes());
            match self.payloads.near(slot) {
                None => folder.push(0),
                Some(print) => {
                    folder.push(1);
                    folder.extend_from_slice(&print.to_le_bytes());
                }
            }
            folder.extend_from_slice(&packed);
            self.contents.insert(slot, content);
            for &hour in own.tally.own_hours.keys() {
                if slot.is_some_and(|folder| is_stray(hour, folder)) {
                    self.stray_slots.entry(hour).or_default().insert(slot);
                }
            }
            if !self.run.stands && slot.is_none_or(|hour| self.plan.range.counts_folder(hour)) {
                let listing = self.listing(slot, false);
                self.done.insert(slot, vec![(FOLDER, folder), (LISTING, listing), (STRAYS, strays)]);
            }
        }
    }

    /// What was listed in a folder.
    fn listing(&self, slot: Slot, warns: bool) -> Vec<u8> {
        let plan = self.plan;
        let numbers = self.by_slot.get(&slot).into_iter().flatten();
        let objects = numbers.map(|&number| &plan.objects[number as usize]);
        let mut entries: Vec<(u32, EntryRef<'_>)> =
            objects.map(|planned| (planned.source, EntryRef::Object(&planned.object))).collect();
        let aside =
            [&plan.set_aside, &plan.beyond].into_iter().filter_map(|aside| aside.get(&slot)).flatten();
        entries.extend(aside.map(|entry| (entry.source, EntryRef::from(&entry.listed))));
        let mut bytes = Vec::new();
        let none = Reasons::new();
        let warnings = if warns { &self.listing_warnings } else { &none };
        wire::encode_listing(&entries, warnings, &mut bytes);
        bytes
    }

    /// Whether what is kept of an hour was made of all that this run saw, and of more: a run over a shorter range does
    /// not see strays from outside of it, and must not undo them.
    fn is_wider(&self, hour: UtcHour, made: &BTreeMap<Slot, u128>) -> bool {
        self.run.kept.closings(hour).any(|(_, closing)| {
            closing.made_of.len() > made.len()
                && made.iter().all(|(slot, content)| closing.made_of.get(slot) == Some(content))
                && closing
                    .made_of
                    .keys()
                    .all(|slot| made.contains_key(slot) || !self.prints.contains_key(slot))
        })
    }

    fn made_of(&self, hour: UtcHour) -> BTreeMap<Slot, u128> {
        made_of(hour, &self.contents, &self.stray_slots)
    }

    /// The same while folders are still being read: those that are known to have a part in the hour count as well.
    fn made_of_so_far(&self, hour: UtcHour) -> BTreeMap<Slot, u128> {
        let mut made = self.made_of(hour);
        let near = UtcHour(hour.0.saturating_sub(SLACK_HOURS))..=UtcHour(hour.0.saturating_add(SLACK_HOURS));
        let noted = self.noted.range(near).flat_map(|(_, slots)| slots);
        made.extend(noted.filter(|slot| !self.contents.contains_key(slot)).map(|&slot| (slot, NOT_YET)));
        made
    }
}

/// A kept row with the number that its object has in this run; `None` where it has none.
fn renumbered(row: Invocation, numbers: &[Option<u32>]) -> Option<Invocation> {
    let object = (*numbers.get(row.object as usize)?)?;
    Some(Invocation { object, ..row })
}

fn encode_closing(duplicates: u64, made: &BTreeMap<Slot, u128>) -> Vec<u8> {
    let mut bytes = Vec::new();
    crate::spill::number(duplicates, &mut bytes);
    wire::encode_contents(made, &mut bytes);
    bytes
}

impl<S: CellSink> Scanning<'_, S> {
    /// Whether an hour stands as an earlier run closed it.
    pub(super) fn stands(&self, hour: UtcHour) -> bool {
        self.keeping.as_ref().is_some_and(|keeping| keeping.stands(hour))
    }

    /// Loads the candidates of folders that are not read, for hours that are closed.
    pub(super) fn load_needed(&mut self) -> Result<(), Error> {
        let Some(keeping) = &self.keeping else { return Ok(()) };
        let hours: Vec<UtcHour> = keeping.reuse.load.iter().copied().collect();
        hours.into_iter().try_for_each(|hour| {
            self.go_on()?;
            self.load(hour)
        })
    }

    /// Loads what decides about hours that stood and are opened again.
    pub(super) fn load_standing(
        &mut self,
        hours: &BTreeSet<UtcHour>,
        needed: &BTreeSet<UtcHour>,
    ) -> Result<(), Error> {
        if !hours.iter().any(|&hour| self.stands(hour)) {
            return Ok(());
        }
        needed.iter().try_for_each(|&hour| {
            self.go_on()?;
            self.load(hour)
        })
    }

    fn load(&mut self, hour: UtcHour) -> Result<(), Error> {
        let Some(keeping) = &mut self.keeping else { return Ok(()) };
        if !keeping.loaded.insert(hour) {
            return Ok(());
        }
        let mut rows = Vec::new();
        keeping.candidates(hour, &mut |row| rows.push(row))?;
        if rows.is_empty() {
            return Ok(());
        }
        let bytes = rows.iter().map(footprint).sum();
        self.open.insert_all(hour, rows, bytes).map_err(|cause| self.spill_error(cause))
    }

    /// What is kept of an hour that was closed, beside its rows; `None` where nothing is.
    pub(super) fn closing_sections(
        &mut self,
        hour: UtcHour,
        duplicates: u64,
        dropped: &[Invocation],
    ) -> Option<KeepHour> {
        let keeping = self.keeping.as_mut()?;
        keeping.end_folders(UtcHour(hour.0.saturating_add(CLOSING_HOURS)), &self.books, &self.failed);
        let made = keeping.made_of_so_far(hour);
        if keeping.run.stands || keeping.is_wider(hour, &made) {
            return None;
        }
        let mut packed = Vec::new();
        if !dropped.is_empty() {
            let plan = self.plan;
            wire::encode_rows(dropped, &|number| plan.place_of(number), &mut packed);
        }
        let mut sections = keeping.done.remove(&Some(hour)).unwrap_or_default();
        sections.push((CLOSING, encode_closing(duplicates, &made)));
        sections.push((DROPPED, packed));
        let closing = closing_hash(&made);
        keeping.said.insert(hour, made);
        Some(KeepHour { closing, sections })
    }

    /// Keeps the folders up to `last` whose hours were not closed.
    pub(super) fn keep_folders(&mut self, last: UtcHour) {
        let Some(keeping) = &mut self.keeping else { return };
        keeping.end_folders(last, &self.books, &self.failed);
        let later = keeping.done.split_off(&Some(UtcHour(last.0.saturating_add(1))));
        for (slot, sections) in std::mem::replace(&mut keeping.done, later) {
            keeping.run.keeper.keep(slot, sections);
        }
    }

    /// Gives out the hours that stand.
    pub(super) fn give_standing(&mut self) -> Result<(), Error> {
        let Some(keeping) = &mut self.keeping else { return Ok(()) };
        let mut hours = Vec::new();
        for (&hour, &(volume, closing)) in &keeping.reuse.standing {
            let of_volume = keeping.run.kept.closings(hour).find(|(of, _)| *of == volume);
            let duplicates = of_volume.map_or(0, |(_, closing)| closing.duplicates);
            self.ledger.duplicates.insert(hour, duplicates);
            keeping.closings.insert(hour, closing);
            hours.push((hour, closing));
        }
        let asked = self.sink.standing(hours);
        for group in asked.chunks(self.options.threads.max(1) * 2) {
            self.go_on()?;
            let (sink, plan) = (&*self.sink, self.plan);
            let Some(keeping) = &self.keeping else { return Ok(()) };
            let give = |&hour: &UtcHour| {
                let mut cell = sink.open(hour);
                keeping.standing_rows(hour, &mut |row| {
                    let stream = plan.objects[row.object as usize].stream;
                    cell.invocation(&row, stream, plan.stream_coverage[stream as usize]);
                })?;
                cell.seal();
                Ok(cell)
            };
            let cells: Vec<Result<S::Cell, Error>> =
                self.readers.install(|| group.par_iter().map(give).collect());
            for cell in cells {
                self.sink.close(cell?, None);
                self.progress.hour_closed();
            }
        }
        Ok(())
    }

    /// Keeps what is not kept yet, now that everything is known: folders whose hours were not closed, listings, hours
    /// that are made of more than was known when they were closed, and hours of which nothing is left.
    pub(super) fn keep_the_rest(&mut self) {
        let Some(keeping) = &mut self.keeping else { return };
        keeping.end_folders(UtcHour(i64::MAX / 4), &self.books, &self.failed);
        for &hour in &self.given {
            let made = keeping.made_of(hour);
            keeping.closings.insert(hour, closing_hash(&made));
            if keeping.said.get(&hour).is_some_and(|said| *said != made) && !keeping.is_wider(hour, &made) {
                let duplicates = self.ledger.duplicates.get(&hour).copied().unwrap_or(0);
                keeping.run.keeper.keep(Some(hour), vec![(CLOSING, encode_closing(duplicates, &made))]);
            }
        }
        if keeping.run.stands {
            return;
        }
        for (slot, sections) in std::mem::take(&mut keeping.done) {
            keeping.run.keeper.keep(slot, sections);
        }
        let slots: BTreeSet<Slot> =
            keeping.prints.keys().chain(keeping.plan.set_aside.keys()).copied().chain([None]).collect();
        for slot in slots {
            if slot.is_some() && keeping.reuse.read.contains(&slot) {
                continue;
            }
            let listing = keeping.listing(slot, slot.is_none());
            let was = keeping.run.keeper.section(0, slot, LISTING);
            if was.is_none_or(|was| xxh3_128(&was) != xxh3_128(&listing)) {
                keeping.run.keeper.keep(slot, vec![(LISTING, listing)]);
            }
        }
        let (from, to) = keeping.plan.range.hours();
        let kept_hours: Vec<UtcHour> = keeping.run.kept.hours(from, to);
        for hour in kept_hours {
            if self.given.contains(&hour) || keeping.stands(hour) {
                continue;
            }
            let made = keeping.made_of(hour);
            if !keeping.is_wider(hour, &made) {
                let sections = vec![(CLOSING, encode_closing(0, &made)), (DROPPED, Vec::new())];
                self.sink.empty(hour, sections);
            }
        }
    }
}
