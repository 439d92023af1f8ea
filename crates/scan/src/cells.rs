//! Open hours and their closing: where duplicates are found.
//!
//! In: invocations by their own hour, in any order. Out: for a closing hour, the invocations that stay.
//! Always: what stays depends on the invocations of hours h−1…h+1 alone, never on arrival, on where they were
//! kept (memory or spill), or on how many passes the closing took. Memory is bounded: beyond the limit the
//! fullest hours go to the spill.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use borehole_record::{Facets, Invocation, RequestId, UtcHour};
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use crate::limits::IDENTITIES_PER_PASS;
use crate::spill::{Extent, Spill};

/// Invocations by their own hour.
pub(crate) struct HourStore {
    hours: BTreeMap<UtcHour, Slot>,
    memory_bytes: usize,
    memory_bytes_max: usize,
    directory: PathBuf,
    spill: Option<Spill>,
    /// Hours before this one are only kept in case they are asked for again.
    retired_before: UtcHour,
}

/// Invocations that are moved to the piece before rather than kept as a piece of their own.
const SMALL_PIECE_INVOCATIONS: usize = 64;

/// Up to how many a piece grows by such moves.
const PIECE_INVOCATIONS: usize = 1_024;

#[derive(Default)]
struct Slot {
    /// In pieces, which do not move when the list grows: a busy hour takes no more than it holds.
    records: Vec<Vec<Invocation>>,
    memory_bytes: usize,
    extents: Vec<Extent>,
    spilled: u64,
}

impl HourStore {
    /// An empty store that spills into `directory` beyond `memory_bytes_max`.
    pub(crate) fn new(memory_bytes_max: usize, directory: PathBuf) -> Self {
        HourStore {
            hours: BTreeMap::new(),
            memory_bytes: 0,
            memory_bytes_max,
            directory,
            spill: None,
            retired_before: UtcHour(i64::MIN),
        }
    }

    /// Adds invocations of one hour that take this much memory.
    pub(crate) fn insert_all(
        &mut self,
        hour: UtcHour,
        mut invocations: Vec<Invocation>,
        bytes: usize,
    ) -> io::Result<()> {
        let slot = self.hours.entry(hour).or_default();
        match slot.records.last_mut() {
            Some(piece)
                if invocations.len() <= SMALL_PIECE_INVOCATIONS && piece.len() < PIECE_INVOCATIONS =>
            {
                piece.append(&mut invocations);
            }
            _ => slot.records.push(invocations),
        }
        slot.memory_bytes += bytes;
        self.memory_bytes += bytes;
        if self.memory_bytes > self.memory_bytes_max { self.spill(self.memory_bytes_max / 2) } else { Ok(()) }
    }

    /// Moves retired hours, then the fullest, to the file until no more than `left_bytes` are in memory: much less than
    /// the limit, so that spilling is rare and in long runs.
    fn spill(&mut self, left_bytes: usize) -> io::Result<()> {
        let retired_before = self.retired_before;
        let mut fullest: Vec<((bool, usize), UtcHour)> = self
            .hours
            .iter()
            .map(|(&hour, slot)| ((hour < retired_before, slot.memory_bytes), hour))
            .collect();
        fullest.sort_unstable_by(|a, b| b.cmp(a));
        for (_, hour) in fullest {
            if self.memory_bytes <= left_bytes {
                break;
            }
            self.spill_hour(hour)?;
        }
        Ok(())
    }

    fn spill_hour(&mut self, hour: UtcHour) -> io::Result<()> {
        let spill = match &mut self.spill {
            Some(spill) => spill,
            none => none.insert(Spill::create(&self.directory)?),
        };
        let Some(slot) = self.hours.get_mut(&hour) else { return Ok(()) };
        // A piece at a time, so that neither the encoded form nor its reading back is ever large.
        for run in slot.records.drain(..) {
            slot.extents.push(spill.write(&run)?);
            slot.spilled += run.len() as u64;
        }
        self.memory_bytes -= slot.memory_bytes;
        slot.memory_bytes = 0;
        Ok(())
    }

    /// The hours that hold anything, ascending.
    pub(crate) fn hours(&self) -> impl Iterator<Item = UtcHour> + '_ {
        self.hours.keys().copied()
    }

    /// Takes an hour back into memory.
    pub(crate) fn recall(&mut self, hour: UtcHour) -> io::Result<()> {
        let (Some(slot), Some(spill)) = (self.hours.get_mut(&hour), self.spill.as_mut()) else {
            return Ok(());
        };
        for extent in slot.extents.drain(..) {
            let mut run = Vec::new();
            spill.read(extent, &mut |invocation| run.push(invocation))?;
            let bytes: usize = run.iter().map(footprint).sum();
            slot.records.push(run);
            slot.memory_bytes += bytes;
            self.memory_bytes += bytes;
        }
        slot.spilled = 0;
        Ok(())
    }

    /// Whether a request of an hour may be one of these, by fingerprint; `None` where that cannot be told without
    /// reading the file.
    pub(crate) fn may_hold(&self, hour: UtcHour, fingerprints: &FxHashSet<u64>) -> Option<bool> {
        let is_resident = self.hours.get(&hour).is_none_or(|slot| slot.spilled == 0);
        is_resident.then(|| self.kept(hour).any(|invocation| fingerprints.contains(&fingerprint(invocation))))
    }

    /// The fingerprints of the requests of an hour and of those beside it; `None` where they are in the file.
    pub(crate) fn fingerprints_around(&self, hour: UtcHour) -> Option<FxHashSet<u64>> {
        let kept = || hours_around(hour).into_iter().flat_map(|hour| self.kept(hour));
        self.is_resident(hour).then(|| kept().map(fingerprint).collect())
    }

    /// Bytes in memory of the hours up to `hour`.
    pub(crate) fn bytes_through(&self, hour: UtcHour) -> usize {
        self.hours.range(..=hour).map(|(_, slot)| slot.memory_bytes).sum()
    }

    /// Whether nothing of an hour and of those beside it is in the file.
    pub(crate) fn is_resident(&self, hour: UtcHour) -> bool {
        hours_around(hour).iter().all(|hour| self.hours.get(hour).is_none_or(|slot| slot.spilled == 0))
    }

    /// Whether an hour holds anything.
    pub(crate) fn holds(&self, hour: UtcHour) -> bool {
        self.hours.contains_key(&hour)
    }

    /// Forgets all hours before `hour`. What was spilled stays in the file until the end.
    pub(crate) fn drop_before(&mut self, hour: UtcHour) {
        let kept = self.hours.split_off(&hour);
        for slot in std::mem::replace(&mut self.hours, kept).values() {
            self.memory_bytes -= slot.memory_bytes;
        }
    }

    /// Keeps the hours before `hour` for a second asking: up to `memory_bytes_max` of them in memory, and of the
    /// others none if that can be helped.
    pub(crate) fn retire_before(&mut self, hour: UtcHour, memory_bytes_max: usize) -> io::Result<()> {
        self.retired_before = self.retired_before.max(hour);
        let retired = || self.hours.range(..self.retired_before);
        let mut bytes: usize = retired().map(|(_, slot)| slot.memory_bytes).sum();
        let mut leaving = Vec::new();
        for (&hour, slot) in retired() {
            if bytes <= memory_bytes_max {
                break;
            }
            bytes -= slot.memory_bytes;
            leaving.push(hour);
        }
        leaving.into_iter().try_for_each(|hour| self.spill_hour(hour))
    }

    /// Bytes in the file, those of forgotten hours included.
    pub(crate) fn spilled_bytes(&self) -> u64 {
        self.spill.as_ref().map_or(0, Spill::bytes)
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.hours.clear();
        self.memory_bytes = 0;
        self.spill = None;
    }

    fn count(&self, hour: UtcHour) -> u64 {
        self.hours
            .get(&hour)
            .map_or(0, |slot| slot.records.iter().map(|piece| piece.len() as u64).sum::<u64>() + slot.spilled)
    }

    fn kept(&self, hour: UtcHour) -> impl Iterator<Item = &Invocation> {
        self.hours.get(&hour).into_iter().flat_map(|slot| slot.records.iter().flatten())
    }

    /// Reads the spilled invocations of an hour that `wanted` picks.
    fn load(
        &mut self,
        hour: UtcHour,
        wanted: &dyn Fn(&Invocation) -> bool,
        out: &mut Vec<Invocation>,
    ) -> io::Result<()> {
        let (Some(slot), Some(spill)) = (self.hours.get(&hour), self.spill.as_mut()) else { return Ok(()) };
        for &extent in &slot.extents {
            spill.read(extent, &mut |invocation| {
                if wanted(&invocation) {
                    out.push(invocation);
                }
            })?;
        }
        Ok(())
    }
}

/// Bytes that an invocation takes in memory, with its share of the strings. An estimate: it decides only when
/// to spill.
pub(crate) fn footprint(invocation: &Invocation) -> usize {
    let facets = &invocation.facets;
    // Of strings, those of the caller are the ones that may be as many as the records.
    let caller = facets.identity.as_ref().map_or(0, |arn| shared(arn, arn.len() + 48));
    let tags = facets.tags.iter().map(|(key, value)| key.len() + value.len() + 64).sum::<usize>();
    let text = caller + shared(&facets.tags, tags);
    let id = if let RequestId::Text(id) = &invocation.request_id { id.len() + 16 } else { 0 };
    size_of::<Invocation>() + id + shared(facets, size_of::<Facets>() + 32 + text)
}

/// The part of `bytes` that falls to one of those who share them now.
fn shared<T: ?Sized>(of: &Arc<T>, bytes: usize) -> usize {
    bytes / Arc::strong_count(of).max(1)
}

/// Account, Region and request id: the identity of a request.
#[derive(PartialEq, Eq, Hash)]
struct Identity<'a> {
    account: Option<&'a str>,
    region: Option<&'a str>,
    request_id: &'a RequestId,
}

impl<'a> Identity<'a> {
    fn of(invocation: &'a Invocation) -> Self {
        Identity {
            account: invocation.facets.account.as_deref(),
            region: invocation.facets.region.as_deref(),
            request_id: &invocation.request_id,
        }
    }
}

/// What becomes of a candidate for an hour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// It is a record of the hour.
    Stays,
    /// A better copy lies in the hour or beside it.
    Dropped,
}

/// Closes an hour: gives every candidate to `give` with what becomes of it, and returns how many were dropped as
/// copies. Invocations of `failed` objects count nowhere.
pub(crate) fn close(
    hour: UtcHour,
    stores: &mut [&mut HourStore],
    failed: &FxHashSet<u32>,
    give: &mut dyn FnMut(&Invocation, Fate),
) -> io::Result<u64> {
    close_in_passes(hour, stores, failed, IDENTITIES_PER_PASS, give)
}

/// As [`close`], for an hour that lies in memory with its neighbours; several threads may close one each.
pub(crate) fn close_resident(
    hour: UtcHour,
    stores: &[&HourStore],
    failed: &FxHashSet<u32>,
    give: &mut dyn FnMut(&Invocation, Fate),
) -> u64 {
    let passes = 1 + count_around(hour, stores) / IDENTITIES_PER_PASS;
    (0..passes).map(|pass| close_part(hour, stores, &Default::default(), failed, (pass, passes), give)).sum()
}

/// The hours that decide about duplicates in this one.
fn hours_around(hour: UtcHour) -> [UtcHour; 3] {
    [UtcHour(hour.0 - 1), hour, UtcHour(hour.0 + 1)]
}

/// Invocations of these three, those in the file included.
pub(crate) fn count_around(hour: UtcHour, stores: &[&HourStore]) -> u64 {
    let count = |store: &&HourStore| hours_around(hour).iter().map(|&hour| store.count(hour)).sum::<u64>();
    stores.iter().map(count).sum()
}

fn close_in_passes(
    hour: UtcHour,
    stores: &mut [&mut HourStore],
    failed: &FxHashSet<u32>,
    identities_per_pass: u64,
    give: &mut dyn FnMut(&Invocation, Fate),
) -> io::Result<u64> {
    let all: Vec<&HourStore> = stores.iter().map(|store| &**store).collect();
    let passes = 1 + count_around(hour, &all) / identities_per_pass;
    let mut duplicates = 0;
    for pass in 0..passes {
        let mut loaded: [Vec<Invocation>; 3] = Default::default();
        for store in stores.iter_mut() {
            for (hour, out) in hours_around(hour).iter().zip(&mut loaded) {
                store.load(*hour, &|invocation| is_wanted(invocation, failed, (pass, passes)), out)?;
            }
        }
        let stores: Vec<&HourStore> = stores.iter().map(|store| &**store).collect();
        duplicates += close_part(hour, &stores, &loaded, failed, (pass, passes), give);
    }
    Ok(duplicates)
}

/// Whether an invocation counts, and its turn is now.
fn is_wanted(invocation: &Invocation, failed: &FxHashSet<u32>, (pass, passes): (u64, u64)) -> bool {
    (passes == 1 || partition(invocation, passes) == pass) && !failed.contains(&invocation.object)
}

/// One pass: the part of the requests whose turn it is, those of the file already `loaded`.
fn close_part(
    hour: UtcHour,
    stores: &[&HourStore],
    loaded: &[Vec<Invocation>; 3],
    failed: &FxHashSet<u32>,
    part: (u64, u64),
    give: &mut dyn FnMut(&Invocation, Fate),
) -> u64 {
    let hours = hours_around(hour);
    let mut duplicates = 0;
    let all = |position: usize| {
        let kept = stores.iter().flat_map(move |store| store.kept(hours[position]));
        kept.filter(|invocation| is_wanted(invocation, failed, part)).chain(&loaded[position])
    };
    let count = count_around(hour, stores) / part.1;
    let repeated = repeated_fingerprints((0..3).flat_map(all), count);
    let may_repeat = |invocation: &Invocation| {
        !repeated.is_empty()
            && invocation.request_id != RequestId::Missing
            && repeated.contains(&fingerprint(invocation))
    };
    let mut best: FxHashMap<Identity<'_>, [Option<&Invocation>; 3]> = FxHashMap::default();
    if !repeated.is_empty() {
        for position in 0..3 {
            for invocation in all(position).filter(|invocation| may_repeat(invocation)) {
                let slot = &mut best.entry(Identity::of(invocation)).or_default()[position];
                if slot.is_none_or(|other| invocation.cmp_completeness(other) == Ordering::Greater) {
                    *slot = Some(invocation);
                }
            }
        }
    }
    for invocation in all(1) {
        let copies = if may_repeat(invocation) { best.get(&Identity::of(invocation)) } else { None };
        let stays = copies.is_none_or(|&[before, own, after]| {
            let better = |other: Option<&Invocation>| {
                other.is_some_and(|other| other.cmp_completeness(invocation) == Ordering::Greater)
            };
            // Equal in everything means it is the very same place of the same object.
            own.is_some_and(|own| std::ptr::eq(own, invocation)) && !better(before) && !better(after)
        });
        if stays {
            give(invocation, Fate::Stays);
        } else {
            give(invocation, Fate::Dropped);
            duplicates += 1;
        }
    }
    duplicates
}

/// The fingerprints that occur more than once. Nearly every request is there once: only those that may not be
/// are worth comparing by account, Region and id.
fn repeated_fingerprints<'a>(
    invocations: impl Iterator<Item = &'a Invocation>,
    capacity: u64,
) -> FxHashSet<u64> {
    let mut seen: FxHashSet<u64> = FxHashSet::default();
    seen.reserve(usize::try_from(capacity).unwrap_or(0));
    let mut repeated = FxHashSet::default();
    for invocation in invocations {
        let fingerprint = fingerprint(invocation);
        if invocation.request_id != RequestId::Missing && !seen.insert(fingerprint) {
            repeated.insert(fingerprint);
        }
    }
    repeated
}

fn partition(invocation: &Invocation, passes: u64) -> u64 {
    // FxHash mixes upwards: its high bits are the good ones.
    (fingerprint(invocation) >> 32) % passes
}

/// Equal for equal request ids.
fn fingerprint(invocation: &Invocation) -> u64 {
    let mut hasher = FxHasher::default();
    invocation.request_id.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use borehole_record::{Count, Facets, Timestamp};
    use proptest::prelude::*;

    use super::*;

    impl HourStore {
        fn insert(&mut self, invocation: Invocation) -> io::Result<()> {
            let bytes = footprint(&invocation);
            self.insert_all(UtcHour::of(invocation.timestamp), vec![invocation], bytes)
        }
    }

    const HOUR: UtcHour = UtcHour(475_000);

    /// An invocation by its hour beside the closing one, its request and what is known of it.
    fn invocation(position: i64, request: u128, input: Option<u64>, object: u32, offset: u64) -> Invocation {
        let request_id =
            if request == 0 { RequestId::Missing } else { RequestId::Uuid(request.to_be_bytes()) };
        Invocation {
            timestamp: Timestamp { seconds: UtcHour(HOUR.0 + position).start_seconds(), nanos: 0 },
            request_id,
            facets: Arc::new(Facets::default()),
            input_tokens: input.into(),
            output_tokens: Count::UNKNOWN,
            cache_read_tokens: Count::UNKNOWN,
            cache_write_tokens: Count::UNKNOWN,
            cache_write_5m_tokens: Count::UNKNOWN,
            cache_write_1h_tokens: Count::UNKNOWN,
            max_tokens: Count::UNKNOWN,
            latency_ms: Count::UNKNOWN,
            first_byte_ms: Count::UNKNOWN,
            input_bytes: Count::UNKNOWN,
            output_bytes: Count::UNKNOWN,
            input_kinds: Default::default(),
            output_kinds: Default::default(),
            images: 0,
            documents: 0,
            http_status: 0,
            input_large: false,
            output_large: false,
            payload_lost: false,
            object,
            offset,
        }
    }

    /// What stays of the hour, in order of offset, and how many were dropped.
    fn closed(all: &[Invocation], memory_bytes: usize, per_pass: u64, failed: u32) -> (Vec<Invocation>, u64) {
        let mut stores = [(); 2].map(|()| HourStore::new(memory_bytes, std::env::temp_dir()));
        for (number, invocation) in all.iter().enumerate() {
            stores[number % 2].insert(invocation.clone()).unwrap();
        }
        let mut kept = Vec::new();
        let [first, second] = &mut stores;
        let failed = FxHashSet::from_iter([failed]);
        let mut keep = |invocation: &Invocation, fate| {
            if fate == Fate::Stays {
                kept.push(invocation.clone());
            }
        };
        let duplicates = close_in_passes(HOUR, &mut [first, second], &failed, per_pass, &mut keep).unwrap();
        kept.sort_by_key(|invocation| invocation.offset);
        (kept, duplicates)
    }

    proptest! {
        #[test]
        fn what_stays_does_not_depend_on_passes_nor_on_where_it_was_kept(
            parts in proptest::collection::vec((-2i64..=2, 0u128..5, proptest::option::of(0u64..3), 0u32..3), 0..40)
        ) {
            let all: Vec<Invocation> = parts
                .into_iter()
                .zip(0..)
                .map(|((position, request, input, object), offset)| invocation(position, request, input, object, offset))
                .collect();
            let (kept, duplicates) = closed(&all, usize::MAX, u64::MAX, 2);
            let own = all.iter().filter(|i| UtcHour::of(i.timestamp) == HOUR && i.object != 2).count();
            prop_assert_eq!(kept.len() as u64 + duplicates, own as u64);
            for memory_bytes in [0, 2_000, usize::MAX] {
                for per_pass in [1, 2, 7, u64::MAX] {
                    prop_assert_eq!(&closed(&all, memory_bytes, per_pass, 2), &(kept.clone(), duplicates));
                }
            }
        }
    }

    #[test]
    fn memory_stays_within_its_limit() {
        let mut store = HourStore::new(10_000, std::env::temp_dir());
        for offset in 0..5_000 {
            store.insert(invocation(offset as i64 % 7, 1, None, 0, offset)).unwrap();
            assert!(store.memory_bytes <= 10_000);
        }
        let hours: Vec<UtcHour> = store.hours().collect();
        assert_eq!(hours.iter().map(|&hour| store.count(hour)).sum::<u64>(), 5_000);
        store.drop_before(UtcHour(HOUR.0 + 3));
        assert_eq!(store.hours().count(), 4);
        store.clear();
        assert_eq!((store.hours().count(), store.memory_bytes), (0, 0));
    }
}
