//! What a group adds up, whatever the minute: requests, tokens, errors, payloads, distributions.
//!
//! In: invocations, or the packed sums of other hours. Out: integers. Always: adding is associative and
//! commutative, and packed sums are a function of what was added, not of its order; what is kept by name is packed
//! apart, so that the rest can be copied where names change. Absent: histogram buckets (see `buckets`), time (see
//! `series`) and every quotient.

use borehole_record::{ContentKinds, Count, Invocation};
use rustc_hash::FxHashMap;

use crate::charge::Measures;
use crate::figures::{HIGH_TOKEN_THRESHOLD, SMALL_INPUT_END};
use crate::histogram::Extent;
use crate::names::{NameId, Renaming};
use crate::packed::{Checker, Packer, Unpacker};

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// Without an error code.
    Successful,
    /// Refused for quota.
    Throttled,
    /// With any other error code.
    Failed,
}

/// The strings of an invocation that its sums are kept by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels {
    /// Error code; absent on success.
    pub(crate) error: NameId,
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

            /// Whether [`Counters::pack`] can have written what comes next.
            fn check(checker: &mut Checker<'_>) -> Option<()> {
                let [$($name,)*] = checker.sparse()?;
                let is_possible = $($name <= <$type as Most>::MOST)&&*;
                is_possible.then_some(())
            }

            /// Adds those of packed sums, which begin with them.
            pub(crate) fn absorb(&mut self, unpacker: &mut Unpacker<'_>) {
                let [$($name,)*] = unpacker.sparse();
                $(self.$name += <$type>::try_from($name).expect("packed from this very type");)*
            }
        }
    };
}

impl Counters {
    /// Counted records alone, of packed sums: they are the first.
    pub(crate) fn attempted(unpacker: &mut Unpacker<'_>) -> u64 {
        if unpacker.count() & 1 == 1 { unpacker.count() } else { 0 }
    }
}

/// Records of one group and hour that stored sums may claim: 4 million a second. All that is added up over the hours
/// of a run then fits, whoever wrote them: 2^28 cells would fill any memory first.
pub(crate) const COUNT_MAX: u64 = 1 << 34;

/// What stored numbers over many hours may claim: those of some such runs can still be added up.
pub(crate) const TOTAL_MAX: u64 = 1 << 58;

/// What stored sums may claim of them: 2^31 records of the largest count that the decoder lets pass, 2^53. Averages of
/// it over a run can still be printed with six digits after the point.
pub(crate) const SUM_MAX: u128 = 1 << 84;

/// The largest that a plain number may be where it comes from stored sums.
trait Most {
    const MOST: u128;
}

impl Most for u64 {
    const MOST: u128 = COUNT_MAX as u128;
}

impl Most for u128 {
    const MOST: u128 = SUM_MAX;
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
    /// The status that came last, and how often since another did: nearly all are the same one.
    latest_status: (u16, u64),
}

/// The values of a successful request that have distributions, in the order of [`SPREAD_NAMES`].
pub(crate) type Values = [Option<u64>; SPREAD_NAMES.len()];

/// The values of an invocation.
pub(crate) fn values_of(invocation: &Invocation, measures: Measures) -> Values {
    [
        invocation.input_tokens.get(),
        invocation.output_tokens.get(),
        measures.prompt,
        invocation.latency_ms.get(),
        invocation.first_byte_ms.get(),
        invocation.input_bytes.get(),
        invocation.output_bytes.get(),
    ]
}

/// The positions in [`SPREAD_NAMES`] of what inference Regions have distributions of, too.
pub(crate) const LATENCY: usize = 3;
pub(crate) const FIRST_BYTE: usize = 4;

impl Sums {
    /// Adds what one invocation does not share with others of the same strings; these are for [`Sums::count`].
    ///
    /// `stop_reason` is that of a successful request, or absent.
    pub(crate) fn observe(
        &mut self,
        invocation: &Invocation,
        measures: Measures,
        ending: Ending,
        stop_reason: NameId,
    ) {
        let counters = &mut self.counters;
        let (input_large, output_large) = (invocation.input_large, invocation.output_large);
        if input_large || output_large {
            counters.large_either += 1;
            counters.large_input += u64::from(input_large);
            counters.large_output += u64::from(output_large);
            for (is_large, bytes) in
                [(input_large, invocation.input_bytes), (output_large, invocation.output_bytes)]
            {
                counters.large_bytes += if is_large { u128::from(bytes.get().unwrap_or(0)) } else { 0 };
            }
        }
        let mut kinds = invocation.input_kinds.union(invocation.output_kinds).0 & ALL_KINDS;
        while kinds != 0 {
            self.content[kinds.trailing_zeros() as usize] += 1;
            kinds &= kinds - 1;
        }
        if invocation.http_status == self.latest_status.0 {
            self.latest_status.1 += 1;
        } else {
            self.count_status();
            self.latest_status = (invocation.http_status, 1);
        }
        let counters = &mut self.counters;
        let [input, output] = [invocation.input_tokens, invocation.output_tokens].map(Count::get);
        if ending != Ending::Successful {
            counters.error_input += u128::from(input.unwrap_or(0));
            counters.error_output += u128::from(output.unwrap_or(0));
            return;
        }
        if let Some(input) = input {
            counters.input_known += 1;
            counters.input += u128::from(input);
            counters.small_by_input += u64::from(input < SMALL_INPUT_END);
            counters.high_by_input += u64::from(input > HIGH_TOKEN_THRESHOLD);
        }
        if let Some(prompt) = measures.prompt {
            counters.prompt += u128::from(prompt);
            counters.high_by_prompt += u64::from(prompt > HIGH_TOKEN_THRESHOLD);
        }
        if let Some(output) = output {
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
        if stop_reason != NameId::ABSENT {
            *self.stop_reasons.entry(stop_reason).or_default() += 1;
        }
    }

    /// Adds the values of a successful request to the distributions.
    pub(crate) fn spread(&mut self, values: &Values) {
        if self.spreads.is_none() && values.iter().all(Option::is_none) {
            return;
        }
        for (spread, value) in self.spreads.get_or_insert_default().iter_mut().zip(values) {
            if let Some(value) = *value {
                spread.record(value);
            }
        }
    }

    /// Counts so many invocations that ended like this, under these labels.
    pub(crate) fn count(&mut self, invocations: u64, ending: Ending, labels: Labels) {
        self.counters.attempted += invocations;
        match ending {
            Ending::Successful => self.counters.successful += invocations,
            Ending::Throttled => self.counters.throttled += invocations,
            Ending::Failed => {}
        }
        if labels.error != NameId::ABSENT {
            *self.errors.entry(labels.error).or_default() += invocations;
        }
        if labels.inference_region != NameId::ABSENT {
            self.inference.entry(labels.inference_region).or_default().requests += invocations;
        }
    }

    /// Ends the adding of invocations that all ran in this Region: its distributions are those of all of them.
    pub(crate) fn finish(&mut self, inference_region: NameId) {
        self.count_status();
        if let (Some(sums), Some(spreads)) = (self.inference.get_mut(&inference_region), &self.spreads) {
            sums.latency = spreads[LATENCY];
            sums.first_byte = spreads[FIRST_BYTE];
        }
    }

    /// Forgets everything, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        let Sums { counters, content, errors, status, stop_reasons, inference, spreads, latest_status } =
            self;
        *counters = Counters::default();
        *content = Default::default();
        errors.clear();
        status.clear();
        stop_reasons.clear();
        inference.clear();
        *spreads = None;
        *latest_status = (0, 0);
    }

    fn count_status(&mut self) {
        let (status, count) = std::mem::take(&mut self.latest_status);
        // 0 where none was logged.
        if status != 0 && count > 0 {
            *self.status.entry(status).or_default() += count;
        }
    }

    /// The names that something is counted under.
    pub(crate) fn names(&self) -> impl Iterator<Item = NameId> {
        self.errors.keys().chain(self.stop_reasons.keys()).chain(self.inference.keys()).copied()
    }

    /// Adds the plain numbers and what is known exactly of the distributions, and nothing by name.
    pub(crate) fn add_counters_and_extents(&mut self, other: &Sums) {
        self.counters.merge(&other.counters);
        if let Some(more) = &other.spreads {
            for (own, more) in self.spreads.get_or_insert_default().iter_mut().zip(more.iter()) {
                own.merge(more);
            }
        }
    }

    /// Adds `other`, whose names are renamed to ours.
    pub(crate) fn merge(&mut self, other: &Sums, renaming: &Renaming) {
        self.add_counters_and_extents(other);
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
        debug_assert_eq!(other.latest_status.1, 0, "sums are finished before they are merged");
    }

    /// Writes what is kept by no name; equal sums give equal bytes.
    pub(crate) fn pack_plain(&self, packer: &mut Packer) {
        self.counters.pack(packer);
        packer.sparse(&self.content.map(u128::from));
        packer.count(self.status.len() as u64);
        let mut status: Vec<_> = self.status.iter().collect();
        status.sort_unstable();
        for (&code, &count) in status {
            packer.count(u64::from(code));
            packer.count(count);
        }
        packer.count(u64::from(self.spreads.is_some()));
        for spread in self.spreads.iter().flat_map(|spreads| spreads.iter()) {
            spread.pack(packer);
        }
    }

    /// Writes what is kept by name, under new names; equal sums under equal names give equal bytes.
    pub(crate) fn pack_named(&self, renaming: &Renaming, packer: &mut Packer) {
        pack_names(&self.errors, renaming, packer);
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
    }

    /// Adds what [`Sums::pack_plain`] wrote.
    #[inline]
    pub(crate) fn absorb_plain(&mut self, unpacker: &mut Unpacker<'_>) {
        self.counters.absorb(unpacker);
        for (own, more) in self.content.iter_mut().zip(unpacker.sparse::<{ ContentKinds::NAMES.len() }>()) {
            *own += u64::try_from(more).expect("packed from this very type");
        }
        for _ in 0..unpacker.count() {
            let code = unpacker.count() as u16;
            *self.status.entry(code).or_default() += unpacker.count();
        }
        if unpacker.count() == 1 {
            for spread in self.spreads.get_or_insert_default().iter_mut() {
                spread.absorb(unpacker);
            }
        }
    }

    /// Whether [`Sums::pack_plain`] can have written what comes next.
    pub(crate) fn check_plain(checker: &mut Checker<'_>) -> Option<()> {
        Counters::check(checker)?;
        let content = checker.sparse::<{ ContentKinds::NAMES.len() }>()?;
        content.iter().all(|&count| count <= u128::from(COUNT_MAX)).then_some(())?;
        let mut next = 0;
        for _ in 0..checker.count()? {
            let status = checker.count_to(u64::from(u16::MAX)).filter(|&status| status >= next)?;
            next = status + 1;
            checker.count_to(COUNT_MAX)?;
        }
        if checker.count_to(1)? == 1 {
            for _ in SPREAD_NAMES {
                Extent::check(checker)?;
            }
        }
        Some(())
    }

    /// Whether [`Sums::pack_named`] can have written what comes next, under so many names.
    pub(crate) fn check_named(checker: &mut Checker<'_>, names: usize) -> Option<()> {
        check_names(checker, names)?;
        check_names(checker, names)?;
        let mut next = 0;
        for _ in 0..checker.count()? {
            next = check_name(checker, next, names)?;
            checker.count_to(COUNT_MAX)?;
            Extent::check(checker)?;
            Extent::check(checker)?;
        }
        Some(())
    }

    /// Adds what [`Sums::pack_named`] wrote, whose names are renamed to ours.
    pub(crate) fn absorb_named(&mut self, unpacker: &mut Unpacker<'_>, renaming: &Renaming) {
        absorb_names(&mut self.errors, unpacker, renaming);
        absorb_names(&mut self.stop_reasons, unpacker, renaming);
        for _ in 0..unpacker.count() {
            let id = renaming.of(NameId(unpacker.count() as u32));
            let own = self.inference.entry(id).or_default();
            own.requests += unpacker.count();
            own.latency.absorb(unpacker);
            own.first_byte.absorb(unpacker);
        }
    }
}

/// The bits of the kinds that have names.
const ALL_KINDS: u16 = (1 << ContentKinds::NAMES.len()) - 1;

fn pack_sorted(counts: &[(NameId, u64)], packer: &mut Packer) {
    packer.count(counts.len() as u64);
    for &(id, count) in counts {
        packer.count(u64::from(id.0));
        packer.count(count);
    }
}

/// Writes counts by name under new names, in their order.
pub(crate) fn pack_names(counts: &FxHashMap<NameId, u64>, renaming: &Renaming, packer: &mut Packer) {
    let mut counts: Vec<_> = counts.iter().map(|(&id, &count)| (renaming.of(id), count)).collect();
    counts.sort_unstable();
    pack_sorted(&counts, packer);
}

/// Adds what [`pack_names`] wrote, whose names are renamed to ours.
pub(crate) fn absorb_names(
    counts: &mut FxHashMap<NameId, u64>,
    unpacker: &mut Unpacker<'_>,
    renaming: &Renaming,
) {
    for _ in 0..unpacker.count() {
        let id = renaming.of(NameId(unpacker.count() as u32));
        *counts.entry(id).or_default() += unpacker.count();
    }
}

/// Whether [`pack_names`] can have written what comes next, under so many names.
pub(crate) fn check_names(checker: &mut Checker<'_>, names: usize) -> Option<()> {
    let mut next = 0;
    for _ in 0..checker.count()? {
        next = check_name(checker, next, names)?;
        checker.count_to(COUNT_MAX)?;
    }
    Some(())
}

/// The least name after the one that comes next, which must not be below `least`.
fn check_name(checker: &mut Checker<'_>, least: u64, names: usize) -> Option<u64> {
    checker.count().filter(|&name| name >= least && name < names as u64).map(|name| name + 1)
}
