//! What a group adds up, whatever the minute: requests, tokens, errors, payloads, distributions.
//!
//! In: invocations, or the packed sums of other hours. Out: integers and sparse histograms. Always: adding is
//! associative and commutative, and packed sums are a function of what was added, not of its order. Histogram
//! buckets are packed apart from the rest: see `buckets`. Absent: time (see `series`) and every quotient.

use borehole_record::{ContentKinds, Invocation};
use rustc_hash::FxHashMap;

use crate::buckets::{BucketCount, BucketId, SpreadId};
use crate::charge::Measures;
use crate::figures::{HIGH_TOKEN_THRESHOLD, SMALL_INPUT_END};
use crate::histogram::Extent;
use crate::names::{NameId, Renaming};
use crate::packed::{Packer, Unpacker};

/// The strings of an invocation that its sums are kept by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels {
    /// Error code; absent on success.
    pub(crate) error: NameId,
    /// Stop reason of a successful request.
    pub(crate) stop_reason: NameId,
    /// Region that ran the call.
    pub(crate) inference_region: NameId,
}

/// Declares the plain numbers once, with how they are added and packed.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        /// The plain numbers of a group; all but `attempted` as the fields of the same names in
        /// [`crate::figures`] say.
        #[derive(Clone, Default, PartialEq, Eq, Debug)]
        pub(crate) struct Counters {
            $($(#[$doc])* pub(crate) $name: $type,)*
        }

        impl Counters {
            fn merge(&mut self, other: &Counters) {
                $(self.$name += other.$name;)*
            }

            fn pack(&self, packer: &mut Packer) {
                packer.sparse(&[$(self.$name.into(),)*]);
            }

            /// Adds those of packed sums, which begin with them.
            pub(crate) fn absorb(&mut self, unpacker: &mut Unpacker<'_>) {
                let [$($name,)*] = unpacker.sparse();
                $(self.$name += <$type>::try_from($name).expect("packed from this very type");)*
            }
        }
    };
}

// Sums are u128: 2^64 requests of the largest count the decoder lets pass, 2^53, still fit.
counters! {
    /// Counted records.
    attempted: u64,
    successful: u64,
    throttled: u64,
    input: u128,
    output: u128,
    cache_read: u128,
    cache_write: u128,
    prompt: u128,
    input_known: u64,
    output_known: u64,
    error_input: u128,
    error_output: u128,
    small_by_input: u64,
    high_by_input: u64,
    high_by_prompt: u64,
    large_input: u64,
    large_output: u64,
    large_either: u64,
    large_bytes: u128,
    settled: u128,
    settled_known: u64,
    reserved: u128,
    reserved_known: u64,
}

/// Names of the distributions of the report, in the order of [`Sums::spreads`].
pub(crate) const SPREAD_NAMES: [&str; 7] = [
    "input_tokens",
    "output_tokens",
    "prompt_tokens",
    "latency_ms",
    "first_byte_ms",
    "input_bytes",
    "output_bytes",
];

/// One inference Region of a group.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct InferenceSums {
    /// Attempts.
    pub(crate) requests: u64,
    /// Of successful requests, where known.
    pub(crate) latency: Extent,
    /// Of successful requests, where known.
    pub(crate) first_byte: Extent,
}

/// Everything of a group but its series.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Sums {
    /// The plain numbers.
    pub(crate) counters: Counters,
    /// Attempts whose bodies held this kind of content, by its bit.
    pub(crate) content: [u64; ContentKinds::NAMES.len()],
    /// Attempts by error code.
    pub(crate) errors: FxHashMap<NameId, u64>,
    /// Attempts by HTTP status.
    pub(crate) status: FxHashMap<u16, u64>,
    /// Successful requests by stop reason.
    pub(crate) stop_reasons: FxHashMap<NameId, u64>,
    /// By Region that ran the call.
    pub(crate) inference: FxHashMap<NameId, InferenceSums>,
    /// In the order of [`SPREAD_NAMES`]; made when the first value comes, never where none are kept.
    pub(crate) spreads: Option<Box<[Extent; SPREAD_NAMES.len()]>>,
    /// Of all distributions, those of inference Regions too; only in an open hour, since they are packed apart.
    buckets: FxHashMap<BucketId, u64>,
}

impl Sums {
    /// Counts one invocation; its values go into distributions where `keep_spreads`.
    pub(crate) fn observe(
        &mut self,
        invocation: &Invocation,
        measures: Measures,
        labels: Labels,
        keep_spreads: bool,
    ) {
        let counters = &mut self.counters;
        counters.attempted += 1;
        counters.throttled += u64::from(invocation.is_throttled());
        counters.large_input += u64::from(invocation.input_large);
        counters.large_output += u64::from(invocation.output_large);
        counters.large_either += u64::from(invocation.input_large || invocation.output_large);
        for (is_large, bytes) in [
            (invocation.input_large, invocation.input_bytes),
            (invocation.output_large, invocation.output_bytes),
        ] {
            counters.large_bytes += if is_large { u128::from(bytes.get().unwrap_or(0)) } else { 0 };
        }
        let kinds = invocation.input_kinds.union(invocation.output_kinds).0;
        for (bit, count) in self.content.iter_mut().enumerate() {
            *count += u64::from(kinds >> bit & 1);
        }
        if invocation.http_status != 0 {
            *self.status.entry(invocation.http_status).or_default() += 1;
        }
        if labels.inference_region != NameId::ABSENT {
            self.inference.entry(labels.inference_region).or_default().requests += 1;
        }
        if labels.error == NameId::ABSENT {
            self.observe_success(invocation, measures, labels, keep_spreads);
        } else {
            *self.errors.entry(labels.error).or_default() += 1;
            self.counters.error_input += u128::from(invocation.input_tokens.get().unwrap_or(0));
            self.counters.error_output += u128::from(invocation.output_tokens.get().unwrap_or(0));
        }
    }

    fn observe_success(
        &mut self,
        invocation: &Invocation,
        measures: Measures,
        labels: Labels,
        keep_spreads: bool,
    ) {
        let counters = &mut self.counters;
        let prompt = measures.prompt;
        counters.successful += 1;
        if let Some(input) = invocation.input_tokens.get() {
            counters.input_known += 1;
            counters.input += u128::from(input);
            counters.small_by_input += u64::from(input < SMALL_INPUT_END);
            counters.high_by_input += u64::from(input > HIGH_TOKEN_THRESHOLD);
        }
        if let Some(prompt) = prompt {
            counters.prompt += u128::from(prompt);
            counters.high_by_prompt += u64::from(prompt > HIGH_TOKEN_THRESHOLD);
        }
        if let Some(output) = invocation.output_tokens.get() {
            counters.output_known += 1;
            counters.output += u128::from(output);
        }
        if let Some(settled) = measures.settled {
            counters.settled_known += 1;
            counters.settled += u128::from(settled);
        }
        if let Some(reserved) = measures.reserved {
            counters.reserved_known += 1;
            counters.reserved += u128::from(reserved);
        }
        counters.cache_read += u128::from(invocation.cache_read_tokens.get().unwrap_or(0));
        counters.cache_write += u128::from(invocation.cache_write_tokens.get().unwrap_or(0));
        if labels.stop_reason != NameId::ABSENT {
            *self.stop_reasons.entry(labels.stop_reason).or_default() += 1;
        }
        if !keep_spreads {
            return;
        }
        let latency = invocation.latency_ms.get();
        let first_byte = invocation.first_byte_ms.get();
        let values = [
            invocation.input_tokens.get(),
            invocation.output_tokens.get(),
            prompt,
            latency,
            first_byte,
            invocation.input_bytes.get(),
            invocation.output_bytes.get(),
        ];
        if values.iter().any(Option::is_some) {
            let spreads = self.spreads.get_or_insert_default();
            for (position, (spread, value)) in spreads.iter_mut().zip(values).enumerate() {
                record(spread, SpreadId::named(position), value, &mut self.buckets);
            }
        }
        let region = labels.inference_region;
        if let Some(inference) = self.inference.get_mut(&region) {
            record(&mut inference.latency, SpreadId::latency(region), latency, &mut self.buckets);
            record(&mut inference.first_byte, SpreadId::first_byte(region), first_byte, &mut self.buckets);
        }
    }

    /// Adds `other`, whose names are renamed to ours.
    pub(crate) fn merge(&mut self, other: &Sums, renaming: &Renaming) {
        self.counters.merge(&other.counters);
        for (own, more) in self.content.iter_mut().zip(other.content) {
            *own += more;
        }
        for (&error, &count) in &other.errors {
            *self.errors.entry(renaming.of(error)).or_default() += count;
        }
        for (&status, &count) in &other.status {
            *self.status.entry(status).or_default() += count;
        }
        for (&reason, &count) in &other.stop_reasons {
            *self.stop_reasons.entry(renaming.of(reason)).or_default() += count;
        }
        for (&region, more) in &other.inference {
            let own = self.inference.entry(renaming.of(region)).or_default();
            own.requests += more.requests;
            own.latency.merge(&more.latency);
            own.first_byte.merge(&more.first_byte);
        }
        if let Some(more) = &other.spreads {
            for (own, more) in self.spreads.get_or_insert_default().iter_mut().zip(more.iter()) {
                own.merge(more);
            }
        }
        for (&bucket, &count) in &other.buckets {
            *self.buckets.entry(bucket.renamed(renaming)).or_default() += count;
        }
    }

    /// The buckets under new names, ascending.
    pub(crate) fn bucket_counts(&self, renaming: &Renaming) -> Vec<BucketCount> {
        let counts = self.buckets.iter().map(|(bucket, &count)| (bucket.renamed(renaming), count));
        let mut counts: Vec<BucketCount> = counts.collect();
        counts.sort_unstable();
        counts
    }

    /// Writes all but the buckets under new names; equal sums under equal names give equal bytes.
    pub(crate) fn pack(&self, renaming: &Renaming, packer: &mut Packer) {
        self.counters.pack(packer);
        packer.sparse(&self.content.map(u128::from));
        pack_names(&self.errors, renaming, packer);
        packer.count(self.status.len() as u64);
        let mut status: Vec<_> = self.status.iter().collect();
        status.sort_unstable();
        for (&code, &count) in status {
            packer.count(u64::from(code));
            packer.count(count);
        }
        pack_names(&self.stop_reasons, renaming, packer);
        packer.count(self.inference.len() as u64);
        let mut inference: Vec<_> =
            self.inference.iter().map(|(&id, sums)| (renaming.of(id), sums)).collect();
        inference.sort_unstable_by_key(|&(id, _)| id);
        for (id, sums) in inference {
            packer.count(u64::from(id.0));
            packer.count(sums.requests);
            sums.latency.pack(packer);
            sums.first_byte.pack(packer);
        }
        packer.count(u64::from(self.spreads.is_some()));
        for spread in self.spreads.iter().flat_map(|spreads| spreads.iter()) {
            spread.pack(packer);
        }
    }

    /// Adds what [`Sums::pack`] wrote, under the same names.
    pub(crate) fn absorb(&mut self, unpacker: &mut Unpacker<'_>) {
        self.counters.absorb(unpacker);
        for (own, more) in self.content.iter_mut().zip(unpacker.sparse::<{ ContentKinds::NAMES.len() }>()) {
            *own += u64::try_from(more).expect("packed from this very type");
        }
        absorb_names(&mut self.errors, unpacker);
        for _ in 0..unpacker.count() {
            let code = unpacker.count() as u16;
            *self.status.entry(code).or_default() += unpacker.count();
        }
        absorb_names(&mut self.stop_reasons, unpacker);
        for _ in 0..unpacker.count() {
            let id = NameId(unpacker.count() as u32);
            let own = self.inference.entry(id).or_default();
            own.requests += unpacker.count();
            own.latency.absorb(unpacker);
            own.first_byte.absorb(unpacker);
        }
        if unpacker.count() == 1 {
            for spread in self.spreads.get_or_insert_default().iter_mut() {
                spread.absorb(unpacker);
            }
        }
    }
}

fn record(extent: &mut Extent, spread: SpreadId, value: Option<u64>, buckets: &mut FxHashMap<BucketId, u64>) {
    if let Some(value) = value {
        extent.record(value);
        *buckets.entry(spread.bucket(value)).or_default() += 1;
    }
}

/// Writes counts by name under new names, in their order.
pub(crate) fn pack_names(counts: &FxHashMap<NameId, u64>, renaming: &Renaming, packer: &mut Packer) {
    packer.count(counts.len() as u64);
    let mut counts: Vec<_> = counts.iter().map(|(&id, &count)| (renaming.of(id), count)).collect();
    counts.sort_unstable();
    for (id, count) in counts {
        packer.count(u64::from(id.0));
        packer.count(count);
    }
}

/// Adds what [`pack_names`] wrote, under the same names.
pub(crate) fn absorb_names(counts: &mut FxHashMap<NameId, u64>, unpacker: &mut Unpacker<'_>) {
    for _ in 0..unpacker.count() {
        let id = NameId(unpacker.count() as u32);
        *counts.entry(id).or_default() += unpacker.count();
    }
}
