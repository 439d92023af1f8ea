//! Rows being collected, column by column.
//!
//! In: invocations in any order. Out: their columns, and the order in which they are written. Always: the order
//! depends on the rows alone; a string is kept once for all rows that share it. Absent: anything of Parquet.

use std::cmp::Ordering;
use std::hash::Hash;
use std::sync::Arc;

use borehole_record::{ContentKinds, Count, Facets, Invocation, RequestId, Tag, Timestamp};
use rustc_hash::FxHashMap;

use super::layout::COUNTS;

/// Strings of facets: the columns that are codes of what rows share, in any order.
pub(super) const TEXTS: usize = 9;

/// Columns of rows.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) timestamps: Vec<Timestamp>,
    pub(super) request_ids: Vec<RequestId>,
    /// Each as a place in `sets`.
    pub(super) facets: Vec<u32>,
    /// In the order of the layout.
    pub(super) counts: [Vec<Count>; COUNTS.len()],
    pub(super) images: Vec<u16>,
    pub(super) documents: Vec<u16>,
    pub(super) statuses: Vec<u16>,
    /// Of the input and the output.
    pub(super) kinds: [Vec<ContentKinds>; 2],
    /// Whether the input and the output were offloaded.
    pub(super) large: [Vec<bool>; 2],
    pub(super) payload_lost: Vec<bool>,
    pub(super) objects: Vec<u32>,
    pub(super) offsets: Vec<u64>,
    /// The different facets. They live as long as the rows, so that their addresses name them.
    pub(super) sets: Vec<Set>,
    /// The strings of all sets.
    pub(super) texts: Pool<str>,
    /// The tags of all sets.
    pub(super) tags: Pool<[Tag]>,
    set_by_address: FxHashMap<usize, u32>,
}

/// Different things, by their places.
pub(super) struct Pool<T: ?Sized> {
    pub(super) things: Vec<Arc<T>>,
    /// What is shared is known by its address, which is quick to look up; each address is that of a thing that a set
    /// holds.
    place_by_address: FxHashMap<usize, u32>,
    place_by_thing: FxHashMap<Arc<T>, u32>,
}

/// Facets, and where their parts are among those of all sets.
pub(super) struct Set {
    pub(super) facets: Arc<Facets>,
    /// See [`Text`]; `None` where there is no such string.
    pub(super) texts: [Option<u32>; TEXTS],
    pub(super) tags: u32,
}

/// The strings of facets, by their places in [`Set::texts`].
#[derive(Clone, Copy)]
pub(super) enum Text {
    Account,
    Region,
    ModelId,
    Operation,
    ErrorCode,
    InferenceRegion,
    ServiceTier,
    Identity,
    StopReason,
}

impl Rows {
    /// Adds a row.
    pub(super) fn push(&mut self, invocation: &Invocation) {
        let set = self.set(&invocation.facets);
        let Invocation {
            timestamp,
            request_id,
            facets: _,
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cache_write_tokens,
            cache_write_5m_tokens,
            cache_write_1h_tokens,
            max_tokens,
            latency_ms,
            first_byte_ms,
            input_bytes,
            output_bytes,
            images,
            documents,
            input_kinds,
            output_kinds,
            http_status,
            input_large,
            output_large,
            payload_lost,
            object,
            offset,
        } = invocation;
        let counts = [
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cache_write_tokens,
            cache_write_5m_tokens,
            cache_write_1h_tokens,
            max_tokens,
            latency_ms,
            first_byte_ms,
            input_bytes,
            output_bytes,
        ];
        self.timestamps.push(*timestamp);
        self.request_ids.push(request_id.clone());
        self.facets.push(set);
        self.counts.iter_mut().zip(counts).for_each(|(column, count)| column.push(*count));
        self.images.push(*images);
        self.documents.push(*documents);
        self.statuses.push(*http_status);
        self.kinds[0].push(*input_kinds);
        self.kinds[1].push(*output_kinds);
        self.large[0].push(*input_large);
        self.large[1].push(*output_large);
        self.payload_lost.push(*payload_lost);
        self.objects.push(*object);
        self.offsets.push(*offset);
    }

    fn set(&mut self, facets: &Arc<Facets>) -> u32 {
        let next = self.sets.len() as u32;
        let set = *self.set_by_address.entry(Arc::as_ptr(facets).addr()).or_insert(next);
        if set == next {
            let parts = [
                facets.account.as_ref(),
                facets.region.as_ref(),
                Some(&facets.model_id),
                facets.operation.as_ref(),
                facets.error_code.as_ref(),
                facets.inference_region.as_ref(),
                facets.service_tier.as_ref(),
                facets.identity.as_ref(),
                facets.stop_reason.as_ref(),
            ];
            let texts = parts.map(|text| text.map(|text| self.texts.place(text)));
            let tags = self.tags.place(&facets.tags);
            self.sets.push(Set { facets: Arc::clone(facets), texts, tags });
        }
        set
    }

    /// Forgets the rows and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.timestamps.clear();
        self.request_ids.clear();
        self.facets.clear();
        self.counts.iter_mut().for_each(Vec::clear);
        self.images.clear();
        self.documents.clear();
        self.statuses.clear();
        self.kinds.iter_mut().for_each(Vec::clear);
        self.large.iter_mut().for_each(Vec::clear);
        self.payload_lost.clear();
        self.objects.clear();
        self.offsets.clear();
        self.sets.clear();
        self.texts.clear();
        self.tags.clear();
        self.set_by_address.clear();
    }

    /// A string of a row, as a place among those of all sets.
    pub(super) fn text(&self, row: usize, text: Text) -> Option<u32> {
        self.sets[self.facets[row] as usize].texts[text as usize]
    }

    /// The rows as they are written: by time, then by place; so that the places of one object follow each other.
    pub(super) fn order(&self, names: &Names) -> Vec<u32> {
        let key = |(row, time): (usize, &Timestamp)| (*time, row as u32);
        let mut order: Vec<(Timestamp, u32)> = self.timestamps.iter().enumerate().map(key).collect();
        order.sort_unstable_by(|(time, row), (other_time, other)| {
            time.cmp(other_time).then_with(|| self.compare(names, *row as usize, *other as usize))
        });
        order.into_iter().map(|(_, row)| row).collect()
    }

    /// Compares two rows of one time. Rows that are equal here are equal.
    fn compare(&self, names: &Names, row: usize, other: usize) -> Ordering {
        let place = |row: usize| (names.rank(self.objects[row]), self.offsets[row]);
        let facets = |row: usize| &self.sets[self.facets[row] as usize].facets;
        let counts = |row: usize| self.counts.iter().map(move |column| column[row]);
        let rest = |row: usize| {
            (
                (self.images[row], self.documents[row], self.statuses[row]),
                (self.kinds[0][row], self.kinds[1][row]),
                (self.large[0][row], self.large[1][row], self.payload_lost[row]),
            )
        };
        place(row)
            .cmp(&place(other))
            // No two documents have one place; but the bytes shall depend on the rows whatever they are.
            .then_with(|| self.request_ids[row].cmp(&self.request_ids[other]))
            .then_with(|| facets(row).cmp(facets(other)))
            .then_with(|| counts(row).cmp(counts(other)))
            .then_with(|| rest(row).cmp(&rest(other)))
    }
}

impl<T: ?Sized> Default for Pool<T> {
    fn default() -> Self {
        let (things, place_by_address, place_by_thing) = Default::default();
        Pool { things, place_by_address, place_by_thing }
    }
}

impl<T: ?Sized + Eq + Hash> Pool<T> {
    fn place(&mut self, thing: &Arc<T>) -> u32 {
        let address = Arc::as_ptr(thing).cast::<u8>().addr();
        *self.place_by_address.entry(address).or_insert_with(|| {
            *self.place_by_thing.entry(Arc::clone(thing)).or_insert_with(|| {
                self.things.push(Arc::clone(thing));
                self.things.len() as u32 - 1
            })
        })
    }

    fn clear(&mut self) {
        self.things.clear();
        self.place_by_address.clear();
        self.place_by_thing.clear();
    }
}

/// The names of the objects of all rows.
pub(super) struct Names {
    /// In their order, each once.
    pub(super) sorted: Vec<String>,
    rank_by_object: FxHashMap<u32, u32>,
}

impl Names {
    pub(super) fn of(objects: &[u32], name: &dyn Fn(u32) -> String) -> Self {
        let mut objects = objects.to_vec();
        objects.sort_unstable();
        objects.dedup();
        let mut named: Vec<(String, u32)> =
            objects.into_iter().map(|object| (name(object), object)).collect();
        named.sort_unstable();
        let mut names = Names { sorted: Vec::new(), rank_by_object: FxHashMap::default() };
        for (name, object) in named {
            if names.sorted.last() != Some(&name) {
                names.sorted.push(name);
            }
            names.rank_by_object.insert(object, names.sorted.len() as u32 - 1);
        }
        names
    }

    /// The place of an object's name.
    pub(super) fn rank(&self, object: u32) -> u32 {
        self.rank_by_object[&object]
    }
}
