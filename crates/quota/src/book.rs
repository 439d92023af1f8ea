//! The attempts of a run by quota, packed: what replay and attribution work on.
//!
//! In: the counted invocations of one UTC hour after the other. Out: [`KeyAttempts`], a quota's attempts in the
//! order of (second, request id), whatever order they came in. Always: an hour that is closed again replaces
//! what it was before; some 15 bytes an attempt. Absent: rates (see [`borehole_usage::Charge`]), filters (only
//! what [`borehole_usage::HourSummary::observe`] counted is for here).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use borehole_record::{
    Call, ContentKinds, Count, Facets, Invocation, Model, ProfileMap, RequestId, UtcHour, UtcMinute,
};
use borehole_usage::packed::{Packer, Unpacker};
use borehole_usage::{MaxTokens, Tokens};
use rustc_hash::FxHashMap;

use crate::attempt::{Attempt, Caller, CallerId, Callers, Ending, ThrottledRequest};
use crate::key::QuotaKey;

/// Throttled requests that are named for one quota and hour: a ticket names ten in all.
const THROTTLED_NAMED_MAX: usize = 10;

/// Hours kept beyond those that are asked for, until the end: an hour that is closed again with fewer attempts than
/// at first must not have driven out another.
const SPARE_HOURS: usize = 2;

/// So many callers cost less than looking for those that are gone: some 10 MB.
const CALLERS_MIN: usize = 1 << 16;

/// Which hours are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// All: for replays.
    All,
    /// For each quota the hours that explain its worst: so many with the most throttles, and as many with the
    /// most raw tokens in one minute. Memory does not grow with the input.
    Worst(usize),
}

/// All attempts of a run.
#[derive(Debug)]
pub struct AttemptBook {
    keep: Keep,
    profiles: ProfileMap,
    tag: Option<String>,
    callers: Callers,
    /// From so many on those of whom nothing is kept are forgotten.
    callers_max: usize,
    /// By key; the numbers are those of `quotas`.
    numbers: BTreeMap<QuotaKey, u32>,
    quotas: Vec<Quota>,
    seen: SeenFacets,
    open: Option<OpenHour>,
    // What follows is of the open hour. Emptied, not dropped: taking and giving back memory every hour leaves holes
    // between what is kept.
    /// Quotas with attempts in it.
    active: Vec<OpenQuota>,
    attempts: Vec<OpenAttempt>,
    /// Their values, packed.
    values: Packer,
}

impl AttemptBook {
    /// An empty book. `profiles` says what application profiles were copied from; `tag` is the tag whose values
    /// callers are told apart by, beside their identity.
    #[must_use]
    pub fn new(keep: Keep, profiles: ProfileMap, tag: Option<String>) -> Self {
        AttemptBook {
            keep,
            profiles,
            tag,
            callers: Callers::default(),
            callers_max: CALLERS_MIN,
            numbers: BTreeMap::new(),
            quotas: Vec::new(),
            seen: SeenFacets::default(),
            open: None,
            active: Vec::new(),
            attempts: Vec::new(),
            values: Packer::default(),
        }
    }

    /// Begins an hour; what was there for it is replaced when it is closed.
    pub fn open(&mut self, hour: UtcHour) {
        for open in self.active.drain(..) {
            self.quotas[open.quota as usize].active = Quota::IDLE;
        }
        self.attempts.clear();
        self.values.clear();
        self.open = Some(OpenHour { hour, start: hour.start_seconds() });
    }

    /// Adds a counted invocation of the open hour.
    ///
    /// # Panics
    /// Without an open hour, or if the invocation is of another: whoever sorted it is wrong.
    pub fn observe(&mut self, invocation: &Invocation) {
        let OpenHour { hour, start } = self.open.expect("an hour is open");
        assert_eq!(UtcHour::of(invocation.timestamp), hour, "an attempt came to another hour");
        let address = Arc::as_ptr(&invocation.facets).addr();
        let (quota, caller, ending) = match self.seen.by_address.get(&address) {
            Some(slot) => (slot.quota, slot.caller, slot.ending),
            None => self.read(&invocation.facets),
        };
        let second = invocation.timestamp.seconds;
        // 0 … 3,599, as was checked.
        let second_of_hour = (second - start) as u16;
        let tokens = Tokens::of(invocation);
        let active = self.activate(quota);
        let open = &mut self.active[active as usize];
        open.throttled += u64::from(ending == Ending::Throttled);
        let sum = &mut open.minutes[usize::from(second_of_hour) / UtcMinute::SECONDS as usize];
        *sum = sum.saturating_add(tokens.raw());
        self.attempts.push(OpenAttempt {
            request_id: invocation.request_id.clone(),
            offset: invocation.offset,
            object: invocation.object,
            active,
            values: self.values.len(),
            second: second_of_hour,
            input_kinds: invocation.input_kinds,
            output_kinds: invocation.output_kinds,
        });
        let attempt = Attempt { second, ending, tokens, latency_ms: invocation.latency_ms, caller };
        pack(&attempt, &mut self.values);
    }

    /// Ends the open hour.
    pub fn close(&mut self) {
        let Some(OpenHour { hour, .. }) = self.open.take() else { return };
        for quota in &mut self.quotas {
            quota.attempts.hours.remove(&hour);
        }
        // Most hours are not kept, and their attempts need not be put in order.
        let is_kept: Vec<bool> = self
            .active
            .iter()
            .map(|open| match self.keep {
                Keep::All => true,
                Keep::Worst(hours) => {
                    let kept = &self.quotas[open.quota as usize].attempts;
                    kept.would_keep(hour, open.badness(), hours + SPARE_HOURS)
                }
            })
            .collect();
        let mut kept: Vec<&OpenAttempt> =
            self.attempts.iter().filter(|attempt| is_kept[attempt.active as usize]).collect();
        // Attempts without an id are ordered by where they lie, so that nothing is left to arrival.
        kept.sort_unstable_by(|a, b| (a.active, a.order()).cmp(&(b.active, b.order())));
        for attempts in kept.chunk_by(|one, other| one.active == other.active) {
            let open = &self.active[attempts[0].active as usize];
            let packed = HourAttempts::pack(hour, attempts, &self.values, open.badness());
            let quota = &mut self.quotas[open.quota as usize].attempts;
            quota.hours.insert(hour, packed);
            if let Keep::Worst(hours) = self.keep {
                quota.keep_worst(hours + SPARE_HOURS);
            }
        }
        if self.keep != Keep::All && self.callers.len() > self.callers_max {
            self.forget_callers();
            self.callers_max = CALLERS_MIN.max(2 * self.callers.len());
        }
    }

    /// Ends the book: no hour comes any more.
    pub fn finish(&mut self) {
        if let Keep::Worst(hours) = self.keep {
            self.quotas.iter_mut().for_each(|quota| quota.attempts.keep_worst(hours));
        }
    }

    /// Forgets callers of whom no attempt is kept: a log may have a session for each call.
    fn forget_callers(&mut self) {
        let callers = std::mem::take(&mut self.callers);
        self.seen = SeenFacets::default();
        for quota in &mut self.quotas {
            for (&hour, packed) in &mut quota.attempts.hours {
                packed.bytes = packed.renumbered(hour, |id| self.callers.intern(callers.get(id)));
            }
        }
    }

    /// Which hours are kept.
    #[must_use]
    pub fn keep(&self) -> Keep {
        self.keep
    }

    /// Who made the attempts.
    #[must_use]
    pub fn callers(&self) -> &Callers {
        &self.callers
    }

    /// The quotas with attempts, by key.
    pub fn keys(&self) -> impl Iterator<Item = (&QuotaKey, &KeyAttempts)> {
        let all = self.numbers.iter().map(|(key, &number)| (key, &self.quotas[number as usize].attempts));
        all.filter(|(_, attempts)| !attempts.hours.is_empty())
    }

    /// The attempts on one quota.
    #[must_use]
    pub fn get(&self, key: &QuotaKey) -> Option<&KeyAttempts> {
        let attempts = &self.quotas[*self.numbers.get(key)? as usize].attempts;
        (!attempts.hours.is_empty()).then_some(attempts)
    }

    /// The place of a quota among those with attempts in the open hour.
    fn activate(&mut self, number: u32) -> u32 {
        let quota = &mut self.quotas[number as usize];
        if quota.active == Quota::IDLE {
            // Fewer than there are quotas.
            quota.active = self.active.len() as u32;
            self.active.push(OpenQuota::new(number));
        }
        quota.active
    }

    /// The quota that a call draws on, who made it and how it ended.
    #[cold]
    fn read(&mut self, facets: &Arc<Facets>) -> (u32, CallerId, Ending) {
        if self.seen.by_address.len() == SLOTS_MAX {
            self.seen = SeenFacets::default();
        }
        let call = Arc::as_ptr(&facets.call).addr();
        let quota = match self.seen.quotas_by_call.get(&call) {
            Some(&quota) => quota,
            None => {
                let quota = self.quota(&facets.call);
                self.seen.quotas_by_call.insert(call, quota);
                quota
            }
        };
        let tag = self.tag.as_deref();
        let tag = tag.and_then(|tag| facets.tags.iter().find(|(name, _)| **name == *tag));
        let tag = tag.map(|(_, value)| Arc::from(&**value));
        let caller = self.callers.intern(&Caller { identity: facets.identity.clone(), tag });
        let ending = match facets.error_code.as_deref() {
            None => Ending::Successful,
            Some("ThrottlingException") => Ending::Throttled,
            Some(_) => Ending::Failed,
        };
        let slot = Slot { _alive: Arc::clone(facets), quota, caller, ending };
        self.seen.by_address.insert(Arc::as_ptr(facets).addr(), slot);
        (quota, caller, ending)
    }

    /// The number of the quota that a call draws on.
    fn quota(&mut self, call: &Call) -> u32 {
        let model = Model::parse_with(&call.model_id, &self.profiles);
        let key = QuotaKey {
            account: call.account.clone(),
            region: call.region.clone(),
            model: model.base.into(),
            scope: model.scope,
        };
        *self.numbers.entry(key).or_insert_with(|| {
            self.quotas.push(Quota { attempts: KeyAttempts::default(), active: Quota::IDLE });
            u32::try_from(self.quotas.len() - 1).expect("fewer than 2^32 quotas")
        })
    }
}

/// One quota of a book.
#[derive(Debug)]
struct Quota {
    attempts: KeyAttempts,
    /// Its place among those with attempts in the open hour, or [`Quota::IDLE`].
    active: u32,
}

impl Quota {
    /// No attempt in the open hour.
    const IDLE: u32 = u32::MAX;
}

/// The attempts of one quota.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyAttempts {
    hours: BTreeMap<UtcHour, HourAttempts>,
}

impl KeyAttempts {
    /// How many attempts are kept.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.hours.values().map(|hour| hour.count).sum()
    }

    /// How many of them were throttled.
    #[must_use]
    pub fn throttled(&self) -> u64 {
        self.hours.values().map(|hour| hour.badness.throttled).sum()
    }

    /// The largest raw tokens (input and output as logged) of a clock-aligned minute: what quotas of models with and
    /// without known rates can be compared by.
    #[must_use]
    pub fn busiest_minute(&self) -> u64 {
        self.hours.values().map(|hour| hour.badness.busiest_minute).max().unwrap_or(0)
    }

    /// The attempts in the order of (second, request id).
    pub fn attempts(&self) -> impl Iterator<Item = Attempt> + '_ {
        self.hours.iter().flat_map(|(&hour, attempts)| attempts.unpack(hour))
    }

    /// Throttled requests to name as evidence: those of the hours with the most throttles, in order of time.
    #[must_use]
    pub fn named_throttles(&self, most: usize) -> Vec<ThrottledRequest> {
        let mut hours: Vec<&HourAttempts> =
            self.hours.values().filter(|hour| hour.badness.throttled > 0).collect();
        // The sort is stable: the earliest of equally bad hours.
        hours.sort_by_key(|hour| Reverse(hour.badness.throttled));
        let mut named: Vec<ThrottledRequest> =
            hours.iter().flat_map(|hour| hour.named.iter().cloned()).take(most).collect();
        named.sort_unstable();
        named
    }

    /// Attempts by kind of content in their input, in the order of [`ContentKinds::NAMES`].
    #[must_use]
    pub fn input_kinds(&self) -> KindCounts {
        self.kinds(|hour| &hour.input_kinds)
    }

    /// Attempts by kind of content in their output.
    #[must_use]
    pub fn output_kinds(&self) -> KindCounts {
        self.kinds(|hour| &hour.output_kinds)
    }

    fn kinds(&self, side: impl Fn(&HourAttempts) -> &KindCounts) -> KindCounts {
        let mut sums = KindCounts::default();
        for hour in self.hours.values() {
            sums.iter_mut().zip(side(hour)).for_each(|(sum, count)| *sum += count);
        }
        sums
    }

    /// Whether an hour is among the worst, by either measure, or there are not yet so many.
    fn would_keep(&self, name: UtcHour, badness: Badness, most: usize) -> bool {
        let rank = |badness: u64, name: UtcHour| (Reverse(badness), name);
        self.hours.len() < most
            || Badness::MEASURES.into_iter().any(|measure| {
                let own = measure(&badness);
                let is_worse = |(&other, hour): (&UtcHour, &HourAttempts)| {
                    rank(measure(&hour.badness), other) < rank(own, name)
                };
                own > 0 && self.hours.iter().filter(|&hour| is_worse(hour)).count() < most
            })
    }

    fn keep_worst(&mut self, most: usize) {
        if self.hours.len() <= most {
            return;
        }
        let mut kept = BTreeSet::new();
        for measure in Badness::MEASURES {
            let mut hours: Vec<(Reverse<u64>, UtcHour)> =
                self.hours.iter().map(|(&name, hour)| (Reverse(measure(&hour.badness)), name)).collect();
            hours.sort_unstable();
            kept.extend(
                hours.into_iter().take(most).filter(|(Reverse(bad), _)| *bad > 0).map(|(_, name)| name),
            );
        }
        self.hours.retain(|hour, _| kept.contains(hour));
    }
}

/// How bad an hour of a quota was.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Badness {
    /// Throttled attempts.
    throttled: u64,
    /// Largest raw tokens (input + output) of a minute.
    busiest_minute: u64,
}

impl Badness {
    /// By each of these the worst hours are kept.
    const MEASURES: [fn(&Badness) -> u64; 2] = [|hour| hour.throttled, |hour| hour.busiest_minute];
}

/// Counts by kind of content, in the order of [`ContentKinds::NAMES`].
pub type KindCounts = [u64; ContentKinds::NAMES.len()];

/// The attempts of one quota in one hour.
#[derive(Clone, PartialEq, Eq, Debug)]
struct HourAttempts {
    count: u64,
    badness: Badness,
    bytes: Box<[u8]>,
    named: Box<[ThrottledRequest]>,
    input_kinds: KindCounts,
    output_kinds: KindCounts,
}

impl HourAttempts {
    /// Of ordered attempts.
    fn pack(hour: UtcHour, attempts: &[&OpenAttempt], values: &Packer, badness: Badness) -> Self {
        let mut packer = Packer::default();
        let mut packed = HourAttempts {
            count: attempts.len() as u64,
            badness,
            bytes: Box::default(),
            named: Box::default(),
            input_kinds: KindCounts::default(),
            output_kinds: KindCounts::default(),
        };
        let mut throttles: BTreeMap<UtcMinute, Vec<ThrottledRequest>> = BTreeMap::new();
        let mut previous = hour.start_seconds();
        for open in attempts {
            let second = hour.start_seconds() + i64::from(open.second);
            let attempt = unpack(second, &mut Unpacker::new(values.from(open.values)));
            packer.count((attempt.second - previous).unsigned_abs());
            previous = attempt.second;
            pack(&attempt, &mut packer);
            count_kinds(&mut packed.input_kinds, open.input_kinds);
            count_kinds(&mut packed.output_kinds, open.output_kinds);
            if attempt.ending == Ending::Throttled {
                throttles
                    .entry(attempt.minute())
                    .or_default()
                    .push(ThrottledRequest { second: attempt.second, request_id: open.request_id.clone() });
            }
        }
        // The worst minute first; the earliest of equally bad ones, since the sort is stable.
        let mut throttles: Vec<Vec<ThrottledRequest>> = throttles.into_values().collect();
        throttles.sort_by_key(|minute| Reverse(minute.len()));
        let named =
            throttles.into_iter().flatten().filter(|request| request.request_id != RequestId::Missing);
        packed.named = named.take(THROTTLED_NAMED_MAX).collect();
        packed.bytes = packer.finish();
        packed
    }

    /// The packed attempts with other numbers for their callers.
    fn renumbered(&self, hour: UtcHour, mut renumber: impl FnMut(CallerId) -> CallerId) -> Box<[u8]> {
        let mut packer = Packer::default();
        let mut previous = hour.start_seconds();
        for attempt in self.unpack(hour) {
            packer.count((attempt.second - previous).unsigned_abs());
            previous = attempt.second;
            pack(&Attempt { caller: renumber(attempt.caller), ..attempt }, &mut packer);
        }
        packer.finish()
    }

    fn unpack(&self, hour: UtcHour) -> impl Iterator<Item = Attempt> + '_ {
        let mut unpacker = Unpacker::new(&self.bytes);
        let mut second = hour.start_seconds();
        (0..self.count).map(move |_| {
            second += unpacker.count() as i64;
            unpack(second, &mut unpacker)
        })
    }
}

fn count_kinds(counts: &mut KindCounts, kinds: ContentKinds) {
    counts.iter_mut().enumerate().for_each(|(bit, count)| *count += u64::from(kinds.0 >> bit & 1));
}

/// Bits of an attempt's first integer, above its ending: which of its values follow.
const INPUT: u64 = 1 << 2;
const OUTPUT: u64 = 1 << 3;
const CACHE_READ: u64 = 1 << 4;
const CACHE_WRITE: u64 = 1 << 5;
const LATENCY: u64 = 1 << 6;
const MAX_TOKENS: u64 = 1 << 7;
const MAX_TOKENS_UNSET: u64 = 1 << 8;

fn pack(attempt: &Attempt, packer: &mut Packer) {
    let tokens = &attempt.tokens;
    let values = [
        (INPUT, tokens.input),
        (OUTPUT, tokens.output),
        (CACHE_READ, tokens.cache_read),
        (CACHE_WRITE, tokens.cache_write),
        (LATENCY, attempt.latency_ms),
    ];
    let mut flags = match attempt.ending {
        Ending::Successful => 0,
        Ending::Throttled => 1,
        Ending::Failed => 2,
    };
    flags |= values.iter().filter(|(_, value)| value.is_known()).fold(0, |flags, (flag, _)| flags | flag);
    flags |= match tokens.max_tokens {
        MaxTokens::Set(_) => MAX_TOKENS,
        MaxTokens::Unset => MAX_TOKENS_UNSET,
        MaxTokens::Unknown => 0,
    };
    packer.count(flags);
    packer.count(u64::from(attempt.caller.0));
    values.iter().filter_map(|(_, value)| value.get()).for_each(|value| packer.count(value));
    if let MaxTokens::Set(max_tokens) = tokens.max_tokens {
        packer.count(max_tokens);
    }
}

fn unpack(second: i64, unpacker: &mut Unpacker<'_>) -> Attempt {
    let flags = unpacker.count();
    let caller = CallerId(unpacker.count() as u32);
    let mut value = |flag| if flags & flag == 0 { Count::UNKNOWN } else { Count::known(unpacker.count()) };
    let (input, output) = (value(INPUT), value(OUTPUT));
    let (cache_read, cache_write) = (value(CACHE_READ), value(CACHE_WRITE));
    let latency_ms = value(LATENCY);
    let max_tokens = match value(MAX_TOKENS).get() {
        Some(max_tokens) => MaxTokens::Set(max_tokens),
        None if flags & MAX_TOKENS_UNSET != 0 => MaxTokens::Unset,
        None => MaxTokens::Unknown,
    };
    let ending = match flags & 3 {
        0 => Ending::Successful,
        1 => Ending::Throttled,
        _ => Ending::Failed,
    };
    let tokens = Tokens { input, output, cache_read, cache_write, max_tokens };
    Attempt { second, ending, tokens, latency_ms, caller }
}

/// An hour that is being filled.
#[derive(Clone, Copy, Debug)]
struct OpenHour {
    hour: UtcHour,
    /// Its first second.
    start: i64,
}

/// Facets remembered from record to record, and from hour to hour.
#[derive(Default, Debug)]
struct SeenFacets {
    by_address: FxHashMap<usize, Slot>,
    /// By the address of the facets' call, which lives as long as the slot that it was read for.
    quotas_by_call: FxHashMap<usize, u32>,
}

/// The strings of an invocation, read once.
#[derive(Debug)]
struct Slot {
    /// Keeps the address that the slot is found by from being given to other facets.
    _alive: Arc<Facets>,
    quota: u32,
    caller: CallerId,
    ending: Ending,
}

/// A quota with attempts in the open hour.
#[derive(Debug)]
struct OpenQuota {
    quota: u32,
    throttled: u64,
    /// Raw tokens by minute.
    minutes: [u64; (UtcHour::SECONDS / UtcMinute::SECONDS) as usize],
}

impl OpenQuota {
    fn new(quota: u32) -> Self {
        OpenQuota { quota, throttled: 0, minutes: [0; _] }
    }

    fn badness(&self) -> Badness {
        Badness { throttled: self.throttled, busiest_minute: self.minutes.iter().copied().max().unwrap_or(0) }
    }
}

/// An attempt of the open hour; its values are packed apart, for it is many attempts.
#[derive(Debug)]
struct OpenAttempt {
    request_id: RequestId,
    offset: u64,
    object: u32,
    /// The place of its quota among those with attempts in the hour.
    active: u32,
    /// Where its values begin.
    values: usize,
    /// Of the hour.
    second: u16,
    input_kinds: ContentKinds,
    output_kinds: ContentKinds,
}

impl OpenAttempt {
    fn order(&self) -> (u16, &RequestId, u32, u64) {
        (self.second, &self.request_id, self.object, self.offset)
    }
}

/// Most facets remembered; a log whose every record has its own tags shares none of them.
const SLOTS_MAX: usize = 1 << 14;

#[cfg(test)]
mod tests {
    use borehole_record::Timestamp;

    use super::*;

    const HOUR: UtcHour = UtcHour(475_000);

    fn facets(identity: &str, error: Option<&str>) -> Arc<Facets> {
        let call = Call {
            account: Some("111122223333".into()),
            region: Some("us-east-1".into()),
            model_id: "us.anthropic.claude-sonnet-4-5-20250929-v1:0".into(),
            error_code: error.map(Into::into),
            ..Call::default()
        };
        Arc::new(Facets { call: call.into(), identity: Some(identity.into()), ..Facets::default() })
    }

    fn invocation(second: i64, id: u128, facets: &Arc<Facets>) -> Invocation {
        let known = facets.error_code.is_none();
        Invocation {
            timestamp: Timestamp::from_seconds(HOUR.start_seconds() + second),
            request_id: RequestId::Uuid(id),
            facets: Arc::clone(facets),
            input_tokens: known.then_some(1_000).into(),
            output_tokens: known.then_some(id as u64).into(),
            cache_read_tokens: Count::UNKNOWN,
            cache_write_tokens: known.then_some(1 << 40).into(),
            max_tokens: (id.is_multiple_of(2)).then_some(4_096).into(),
            latency_ms: known.then_some(0).into(),
            first_byte_ms: Count::UNKNOWN,
            input_bytes: Count::UNKNOWN,
            output_bytes: Count::UNKNOWN,
            input_kinds: if id.is_multiple_of(3) { ContentKinds::TEXT } else { ContentKinds::default() },
            output_kinds: ContentKinds::default(),
            http_status: 0,
            input_large: false,
            output_large: false,
            payload_lost: false,
            object: 0,
            offset: id as u64,
        }
    }

    fn book_of(invocations: &[Invocation]) -> AttemptBook {
        let mut book = AttemptBook::new(Keep::All, ProfileMap::default(), None);
        book.open(HOUR);
        invocations.iter().for_each(|invocation| book.observe(invocation));
        book.close();
        book
    }

    fn only(book: &AttemptBook) -> &KeyAttempts {
        let mut keys = book.keys();
        let (key, attempts) = keys.next().expect("a quota");
        assert_eq!(
            (&*key.model, key.scope),
            ("anthropic.claude-sonnet-4-5-20250929-v1:0", borehole_record::Scope::Geo)
        );
        assert!(keys.next().is_none());
        attempts
    }

    #[test]
    fn attempts_come_back_as_they_were_in_the_order_of_second_and_id() {
        let (anna, refused) = (facets("anna", None), facets("bob", Some("ThrottlingException")));
        let came = [
            invocation(3_599, 1, &anna),
            invocation(0, 9, &anna),
            invocation(0, 6, &refused),
            invocation(61, 4, &anna),
        ];
        let book = book_of(&came);
        let kept: Vec<Attempt> = only(&book).attempts().collect();
        let seconds: Vec<i64> = kept.iter().map(|attempt| attempt.second - HOUR.start_seconds()).collect();
        assert_eq!(seconds, [0, 0, 61, 3_599]);
        for (attempt, source) in kept.iter().zip([2, 1, 3, 0]) {
            let source = &came[source];
            assert_eq!(attempt.tokens, Tokens::of(source));
            assert_eq!(attempt.latency_ms, source.latency_ms);
            assert_eq!(book.callers().get(attempt.caller).identity, source.facets.identity);
            assert_eq!(attempt.ending == Ending::Throttled, source.is_throttled());
        }
        assert_eq!(kept[0].tokens.max_tokens, MaxTokens::Set(4_096));
        assert_eq!(kept[1].tokens.max_tokens, MaxTokens::Unset);
        assert_eq!(kept[3].tokens.max_tokens, MaxTokens::Unknown);
        assert_eq!(only(&book).input_kinds()[0], 2);
        let named = only(&book).named_throttles(10);
        assert_eq!(
            named,
            [ThrottledRequest { second: HOUR.start_seconds(), request_id: RequestId::Uuid(6) }]
        );
    }

    #[test]
    fn an_hour_that_is_closed_again_replaces_what_it_was() {
        let anna = facets("anna", None);
        let mut book = book_of(&[invocation(5, 1, &anna), invocation(6, 2, &anna)]);
        book.open(HOUR);
        book.observe(&invocation(5, 1, &anna));
        book.close();
        assert_eq!(only(&book).count(), 1);
        book.open(HOUR);
        book.close();
        assert_eq!(book.keys().count(), 0);
    }

    #[test]
    fn the_worst_hours_stay() {
        let (anna, refused) = (facets("anna", None), facets("anna", Some("ThrottlingException")));
        let mut book = AttemptBook::new(Keep::Worst(1), ProfileMap::default(), None);
        for (hour, (served, throttled)) in [(3, 0), (1, 2), (2, 1), (1, 0)].into_iter().enumerate() {
            let name = UtcHour(HOUR.0 + hour as i64);
            book.open(name);
            for id in 0..served + throttled {
                let mut invocation = invocation(0, id, if id < served { &anna } else { &refused });
                invocation.timestamp.seconds = name.start_seconds();
                book.observe(&invocation);
            }
            book.close();
        }
        assert!(only(&book).hours.len() > 2, "spare ones stay until the end");
        book.finish();
        let hours: Vec<i64> = only(&book).hours.keys().map(|hour| hour.0 - HOUR.0).collect();
        assert_eq!(hours, [0, 1]);
    }

    #[test]
    fn callers_of_whom_nothing_is_kept_are_forgotten() {
        let mut book = AttemptBook::new(Keep::Worst(1), ProfileMap::default(), None);
        let calls_an_hour = CALLERS_MIN as u128 / 4;
        for hour in 0..12 {
            let name = UtcHour(HOUR.0 + hour);
            book.open(name);
            for call in 0..calls_an_hour {
                let session = facets(&format!("session-{hour}-{call}"), None);
                let mut invocation = invocation(0, call, &session);
                invocation.timestamp.seconds = name.start_seconds() + (call % 3_600) as i64;
                // The last hours are the busiest.
                invocation.input_tokens = Count::known(1_000 * hour as u64);
                book.observe(&invocation);
            }
            book.close();
        }
        book.finish();
        assert!(book.callers().len() <= 2 * CALLERS_MIN, "{}", book.callers().len());
        let kept = only(&book);
        assert_eq!(kept.hours.keys().map(|hour| hour.0 - HOUR.0).collect::<Vec<_>>(), [11]);
        for attempt in kept.attempts() {
            let caller = book.callers().get(attempt.caller).identity.clone().expect("a name");
            assert!(caller.starts_with("session-11-"), "{caller}");
        }
    }
}
