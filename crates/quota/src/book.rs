//! The attempts of a run by quota, packed: what replay and attribution work on.
//!
//! In: the counted invocations of one UTC hour after the other. Out: [`KeyAttempts`], a quota's attempts in the
//! order of (second, request id), whatever order they came in. Always: an hour that is closed again replaces
//! what it was before; some 15 bytes an attempt. Absent: rates (see [`borehole_usage::Charge`]), filters (only
//! what [`borehole_usage::HourSummary::observe`] counted is for here).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use borehole_record::{
    Call, ContentKinds, Count, Facets, Invocation, Model, ProfileMap, RequestId, UtcHour, UtcMinute,
};
use borehole_usage::packed::{Packer, Unpacker};
use borehole_usage::{MaxTokens, Tokens};
use rustc_hash::FxHashMap;

use crate::attempt::{Attempt, Caller, CallerId, Callers, Ending, ThrottledRequest};
use crate::key::QuotaKey;

mod stored;

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
    profiles: Arc<ProfileMap>,
    tag: Option<Arc<str>>,
    callers: Callers,
    /// From so many on those of whom nothing is kept are forgotten.
    callers_max: usize,
    /// The number of each quota.
    numbers: BTreeMap<QuotaKey, u32>,
    /// By number.
    quotas: Vec<KeyAttempts>,
    stored_keys: stored::StoredKeys,
    /// Hours that are closed, emptied: they remember what they read, and taking and giving back memory every hour
    /// leaves holes between what is kept.
    spare: Mutex<Vec<HourBook>>,
}

impl AttemptBook {
    /// An empty book. `profiles` says what application profiles were copied from; `tag` is the tag whose values
    /// callers are told apart by, beside their identity.
    #[must_use]
    pub fn new(keep: Keep, profiles: ProfileMap, tag: Option<String>) -> Self {
        AttemptBook {
            keep,
            profiles: Arc::new(profiles),
            tag: tag.map(Arc::from),
            callers: Callers::default(),
            callers_max: CALLERS_MIN,
            numbers: BTreeMap::new(),
            quotas: Vec::new(),
            stored_keys: stored::StoredKeys::default(),
            spare: Mutex::default(),
        }
    }

    /// An empty book that keeps the same.
    #[must_use]
    pub fn emptied(&self) -> Self {
        let profiles = ProfileMap::clone(&self.profiles);
        AttemptBook::new(self.keep, profiles, self.tag.as_deref().map(str::to_owned))
    }

    /// Begins an hour. Several may be filled at once, each by a thread of its own.
    #[must_use]
    pub fn open(&self, hour: UtcHour) -> HourBook {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut open = spare.unwrap_or_else(|| HourBook {
            hour,
            start: 0,
            profiles: Arc::clone(&self.profiles),
            tag: self.tag.clone(),
            seen: Seen::default(),
            quotas: Vec::new(),
            attempts: Vec::new(),
            values: Packer::default(),
        });
        open.hour = hour;
        open.start = hour.start_seconds();
        open
    }

    /// Enters an hour that is complete, in place of what was there for it.
    pub fn close(&mut self, mut open: HourBook) {
        let hour = open.hour;
        self.forget(hour);
        let numbers: Vec<Option<u32>> =
            open.quotas.iter().map(|quota| self.numbers.get(&quota.key).copied()).collect();
        // Most hours are not kept, and their attempts need not be put in order.
        let is_kept: Vec<bool> = open
            .quotas
            .iter()
            .zip(&numbers)
            .map(|(quota, &number)| self.would_keep(number, hour, || quota.badness()))
            .collect();
        let HourBook { seen, quotas, values, .. } = &open;
        let mut known: FxHashMap<CallerId, CallerId> = FxHashMap::default();
        for of_quota in open.ordered(|quota| is_kept[quota as usize]).chunk_by(|a, b| a.quota == b.quota) {
            let place = of_quota[0].quota as usize;
            let quota = &quotas[place];
            let mut caller =
                |id| *known.entry(id).or_insert_with(|| self.callers.intern(seen.callers.get(id)));
            let packed = HourAttempts::pack(hour, of_quota, values, quota.badness(), &mut caller);
            let number = numbers[place].unwrap_or_else(|| self.add_quota(&quota.key));
            self.insert(number, hour, packed);
        }
        open.clear();
        self.spare.get_mut().unwrap_or_else(PoisonError::into_inner).push(open);
        self.forget_callers_if_many();
    }

    /// Forgets what is kept of an hour.
    fn forget(&mut self, hour: UtcHour) {
        for kept in &mut self.quotas {
            kept.hours.remove(&hour);
        }
    }

    /// Hours of a quota that are kept before the end; all where there is no bound.
    fn hours_max(&self) -> Option<usize> {
        match self.keep {
            Keep::All => None,
            Keep::Worst(hours) => Some(hours + SPARE_HOURS),
        }
    }

    /// Whether an hour of a quota, which has a number if it is known, is worth keeping.
    fn would_keep(&self, number: Option<u32>, hour: UtcHour, badness: impl FnOnce() -> Badness) -> bool {
        let kept = number.map(|number| &self.quotas[number as usize]);
        self.hours_max().zip(kept).is_none_or(|(most, kept)| kept.would_keep(hour, badness(), most))
    }

    /// Keeps an hour of a quota, and of its hours no more than are worth it.
    fn insert(&mut self, number: u32, hour: UtcHour, attempts: HourAttempts) {
        let most = self.hours_max();
        let kept = &mut self.quotas[number as usize];
        kept.hours.insert(hour, attempts);
        if let Some(most) = most {
            kept.keep_worst(most);
        }
    }

    /// The number of a quota that may be new.
    fn add_quota(&mut self, key: &QuotaKey) -> u32 {
        if let Some(&number) = self.numbers.get(key) {
            return number;
        }
        let number = u32::try_from(self.quotas.len()).expect("fewer than 2^32 quotas");
        self.quotas.push(KeyAttempts::default());
        self.numbers.insert(key.clone(), number);
        number
    }

    /// Ends the book: no hour comes any more.
    pub fn finish(&mut self) {
        if let Keep::Worst(hours) = self.keep {
            self.quotas.iter_mut().for_each(|attempts| attempts.keep_worst(hours));
        }
    }

    /// Forgets callers of whom no attempt is kept: a log may have a session for each call.
    fn forget_callers_if_many(&mut self) {
        if self.keep != Keep::All && self.callers.len() > self.callers_max {
            self.forget_callers();
            self.callers_max = CALLERS_MIN.max(2 * self.callers.len());
        }
    }

    fn forget_callers(&mut self) {
        let callers = std::mem::take(&mut self.callers);
        for attempts in &mut self.quotas {
            for (&hour, packed) in &mut attempts.hours {
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
        let quotas = self.numbers.iter().map(|(key, &number)| (key, &self.quotas[number as usize]));
        quotas.filter(|(_, attempts)| !attempts.hours.is_empty())
    }

    /// The attempts on one quota.
    #[must_use]
    pub fn get(&self, key: &QuotaKey) -> Option<&KeyAttempts> {
        let attempts = &self.quotas[*self.numbers.get(key)? as usize];
        Some(attempts).filter(|attempts| !attempts.hours.is_empty())
    }
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

    /// Whether an hour is among the worst, by either measure, or there are not yet so many. What is kept of the same
    /// hour makes room for it.
    fn would_keep(&self, name: UtcHour, badness: Badness, most: usize) -> bool {
        let rank = |badness: u64, name: UtcHour| (Reverse(badness), name);
        let others = self.hours.len() - usize::from(self.hours.contains_key(&name));
        others < most
            || Badness::MEASURES.into_iter().any(|measure| {
                let own = measure(&badness);
                let is_worse = |(&other, hour): (&UtcHour, &HourAttempts)| {
                    other != name && rank(measure(&hour.badness), other) < rank(own, name)
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
    /// Of ordered attempts, with other numbers for their callers.
    fn pack(
        hour: UtcHour,
        attempts: &[&OpenAttempt],
        values: &Packer,
        badness: Badness,
        caller: &mut dyn FnMut(CallerId) -> CallerId,
    ) -> Self {
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
            let attempt = Attempt { caller: caller(attempt.caller), ..attempt };
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

/// The ending in an attempt's first integer.
const ENDING: u64 = 3;
const THROTTLED: u64 = 1;
const FAILED: u64 = 2;

/// Bits of that integer above the ending: which of its values follow.
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
        Ending::Throttled => THROTTLED,
        Ending::Failed => FAILED,
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
    let ending = match flags & ENDING {
        0 => Ending::Successful,
        THROTTLED => Ending::Throttled,
        _ => Ending::Failed,
    };
    let tokens = Tokens { input, output, cache_read, cache_write, max_tokens };
    Attempt { second, ending, tokens, latency_ms, caller }
}

/// The attempts of an hour that is being filled.
#[derive(Debug)]
pub struct HourBook {
    hour: UtcHour,
    /// Its first second.
    start: i64,
    profiles: Arc<ProfileMap>,
    tag: Option<Arc<str>>,
    seen: Seen,
    /// Those with attempts in this hour.
    quotas: Vec<OpenQuota>,
    attempts: Vec<OpenAttempt>,
    /// Their values, packed.
    values: Packer,
}

/// Strings remembered from record to record, and from hour to hour. They are found by their addresses, which they
/// keep as long as they are remembered.
#[derive(Default, Debug)]
struct Seen {
    /// By the address of the call.
    calls: FxHashMap<usize, SeenCall>,
    /// By the addresses of the identity and, where a tag is asked for, of the tags.
    caller_ids: FxHashMap<[usize; 2], SeenCaller>,
    /// Numbered for this hour book alone.
    callers: Callers,
    /// By key; the numbers are those of `places`.
    numbers: BTreeMap<QuotaKey, u32>,
    /// By quota: its place among those with attempts in the hour, or [`NO_PLACE`].
    places: Vec<u32>,
}

/// The place of a quota without attempts.
const NO_PLACE: u32 = u32::MAX;

#[derive(Debug)]
struct SeenCall {
    _alive: Arc<Call>,
    quota: u32,
    ending: Ending,
}

#[derive(Debug)]
struct SeenCaller {
    _alive: Arc<Facets>,
    id: CallerId,
}

/// A quota in the hour.
#[derive(Debug)]
struct OpenQuota {
    key: QuotaKey,
    /// Its number among all.
    number: u32,
    throttled: u64,
    /// Raw tokens by minute.
    minutes: [u64; (UtcHour::SECONDS / UtcMinute::SECONDS) as usize],
}

impl OpenQuota {
    fn badness(&self) -> Badness {
        Badness { throttled: self.throttled, busiest_minute: self.minutes.iter().copied().max().unwrap_or(0) }
    }
}

/// An attempt of the hour; its values are packed apart, for it is many attempts.
#[derive(Debug)]
struct OpenAttempt {
    request_id: RequestId,
    offset: u64,
    object: u32,
    /// The place of its quota among those of the hour.
    quota: u32,
    /// Where its values begin.
    values: usize,
    /// Of the hour.
    second: u16,
    input_kinds: ContentKinds,
    output_kinds: ContentKinds,
}

impl OpenAttempt {
    /// Of attempts of one second.
    fn order(&self) -> (&RequestId, u32, u64) {
        (&self.request_id, self.object, self.offset)
    }
}

/// Most calls, callers and quotas that are remembered; a log whose every record has its own tags shares none of them.
const SEEN_MAX: usize = 1 << 14;

impl HourBook {
    /// Adds a counted invocation of the hour.
    ///
    /// # Panics
    /// If the invocation is of another hour: whoever sorted it is wrong.
    pub fn observe(&mut self, invocation: &Invocation) {
        assert_eq!(UtcHour::of(invocation.timestamp), self.hour, "an attempt came to another hour");
        let facets = &invocation.facets;
        let (number, ending) = match self.seen.calls.get(&address(&facets.call)) {
            Some(call) => (call.quota, call.ending),
            None => self.read_call(&facets.call),
        };
        let identity = facets.identity.as_ref().map_or(0, address);
        let tags = self.tag.as_ref().map_or(0, |_| address(&facets.tags));
        let caller = match self.seen.caller_ids.get(&[identity, tags]) {
            Some(caller) => caller.id,
            None => self.read_caller([identity, tags], facets),
        };
        let quota = match self.seen.places[number as usize] {
            NO_PLACE => self.add_quota(number, &facets.call),
            place => place,
        };
        let second = invocation.timestamp.seconds;
        // 0 … 3,599, as was checked.
        let second_of_hour = (second - self.start) as u16;
        let tokens = Tokens::of(invocation);
        let open = &mut self.quotas[quota as usize];
        open.throttled += u64::from(ending == Ending::Throttled);
        let sum = &mut open.minutes[usize::from(second_of_hour) / UtcMinute::SECONDS as usize];
        *sum = sum.saturating_add(tokens.raw());
        self.attempts.push(OpenAttempt {
            request_id: invocation.request_id.clone(),
            offset: invocation.offset,
            object: invocation.object,
            quota,
            values: self.values.len(),
            second: second_of_hour,
            input_kinds: invocation.input_kinds,
            output_kinds: invocation.output_kinds,
        });
        let attempt = Attempt { second, ending, tokens, latency_ms: invocation.latency_ms, caller };
        pack(&attempt, &mut self.values);
    }

    /// The attempts on these quotas, by their places, in the order of (second, request id).
    fn ordered(&self, is_asked: impl Fn(u32) -> bool) -> Vec<&OpenAttempt> {
        // Integers are sorted several times faster than attempts, which lie apart; few attempts of a quota are of one
        // second.
        let attempts = self.attempts.iter().enumerate().filter(|(_, attempt)| is_asked(attempt.quota));
        let mut places: Vec<u128> = attempts
            .map(|(place, attempt)| {
                u128::from(attempt.quota) << 80 | u128::from(attempt.second) << 64 | place as u128
            })
            .collect();
        places.sort_unstable();
        let mut ordered: Vec<&OpenAttempt> =
            places.into_iter().map(|place| &self.attempts[place as u64 as usize]).collect();
        for same in ordered.chunk_by_mut(|a, b| (a.quota, a.second) == (b.quota, b.second)) {
            // Attempts without an id are ordered by where they lie, so that nothing is left to arrival.
            same.sort_unstable_by_key(|attempt| attempt.order());
        }
        ordered
    }

    /// Readies itself for another hour; what is too much to keep is forgotten.
    fn clear(&mut self) {
        for quota in self.quotas.drain(..) {
            self.seen.places[quota.number as usize] = NO_PLACE;
        }
        self.attempts.clear();
        self.values.clear();
        let seen = &self.seen;
        if seen.callers.len().max(seen.places.len()) > SEEN_MAX {
            self.seen = Seen::default();
        }
    }

    /// The quota that a call draws on, and how it ended.
    #[cold]
    fn read_call(&mut self, call: &Arc<Call>) -> (u32, Ending) {
        if self.seen.calls.len() >= SEEN_MAX {
            self.seen.calls.clear();
        }
        let next = u32::try_from(self.seen.places.len()).expect("fewer than 2^32 quotas in an hour");
        let quota = *self.seen.numbers.entry(quota_key(call, &self.profiles)).or_insert(next);
        if quota == next {
            self.seen.places.push(NO_PLACE);
        }
        let ending = match call.error_code.as_deref() {
            None => Ending::Successful,
            Some("ThrottlingException") => Ending::Throttled,
            Some(_) => Ending::Failed,
        };
        self.seen.calls.insert(address(call), SeenCall { _alive: Arc::clone(call), quota, ending });
        (quota, ending)
    }

    /// Who made a call.
    #[cold]
    fn read_caller(&mut self, addresses: [usize; 2], facets: &Arc<Facets>) -> CallerId {
        if self.seen.caller_ids.len() >= SEEN_MAX {
            self.seen.caller_ids.clear();
        }
        let tag = self.tag.as_deref();
        let tag = tag.and_then(|tag| facets.tags.iter().find(|(name, _)| **name == *tag));
        let tag = tag.map(|(_, value)| Arc::from(&**value));
        let id = self.seen.callers.intern(&Caller { identity: facets.identity.clone(), tag });
        self.seen.caller_ids.insert(addresses, SeenCaller { _alive: Arc::clone(facets), id });
        id
    }

    /// The place of a quota that has its first attempt of the hour.
    #[cold]
    fn add_quota(&mut self, number: u32, call: &Call) -> u32 {
        // Fewer than there are quotas.
        let place = self.quotas.len() as u32;
        self.seen.places[number as usize] = place;
        let key = quota_key(call, &self.profiles);
        self.quotas.push(OpenQuota { key, number, throttled: 0, minutes: [0; _] });
        place
    }
}

/// The quota that a call draws on.
fn quota_key(call: &Call, profiles: &ProfileMap) -> QuotaKey {
    let model = Model::parse_with(&call.model_id, profiles);
    QuotaKey {
        account: call.account.clone(),
        region: call.region.clone(),
        model: model.base.into(),
        scope: model.scope,
    }
}

fn address<T: ?Sized>(shared: &Arc<T>) -> usize {
    Arc::as_ptr(shared).addr()
}

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
            request_id: RequestId::Uuid(id.to_be_bytes()),
            facets: Arc::clone(facets),
            input_tokens: known.then_some(1_000).into(),
            output_tokens: known.then_some(id as u64).into(),
            cache_read_tokens: Count::UNKNOWN,
            cache_write_tokens: known.then_some(1 << 40).into(),
            cache_write_5m_tokens: Count::UNKNOWN,
            cache_write_1h_tokens: Count::UNKNOWN,
            max_tokens: (id.is_multiple_of(2)).then_some(4_096).into(),
            latency_ms: known.then_some(0).into(),
            first_byte_ms: Count::UNKNOWN,
            input_bytes: Count::UNKNOWN,
            output_bytes: Count::UNKNOWN,
            input_kinds: if id.is_multiple_of(3) { ContentKinds::TEXT } else { ContentKinds::default() },
            output_kinds: ContentKinds::default(),
            images: 0,
            documents: 0,
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
        let mut hour = book.open(HOUR);
        invocations.iter().for_each(|invocation| hour.observe(invocation));
        book.close(hour);
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
            [ThrottledRequest {
                second: HOUR.start_seconds(),
                request_id: RequestId::Uuid(6u128.to_be_bytes())
            }]
        );
    }

    #[test]
    fn an_hour_that_is_closed_again_replaces_what_it_was() {
        let anna = facets("anna", None);
        let mut book = book_of(&[invocation(5, 1, &anna), invocation(6, 2, &anna)]);
        let mut hour = book.open(HOUR);
        hour.observe(&invocation(5, 1, &anna));
        book.close(hour);
        assert_eq!(only(&book).count(), 1);
        let hour = book.open(HOUR);
        book.close(hour);
        assert_eq!(book.keys().count(), 0);
    }

    #[test]
    fn the_worst_hours_stay() {
        let (anna, refused) = (facets("anna", None), facets("anna", Some("ThrottlingException")));
        let mut book = AttemptBook::new(Keep::Worst(1), ProfileMap::default(), None);
        for (hour, (served, throttled)) in [(3, 0), (1, 2), (2, 1), (1, 0)].into_iter().enumerate() {
            let name = UtcHour(HOUR.0 + hour as i64);
            let mut hour = book.open(name);
            for id in 0..served + throttled {
                let mut invocation = invocation(0, id, if id < served { &anna } else { &refused });
                invocation.timestamp.seconds = name.start_seconds();
                hour.observe(&invocation);
            }
            book.close(hour);
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
            let mut open = book.open(name);
            for call in 0..calls_an_hour {
                let session = facets(&format!("session-{hour}-{call}"), None);
                let mut invocation = invocation(0, call, &session);
                invocation.timestamp.seconds = name.start_seconds() + (call % 3_600) as i64;
                // The last hours are the busiest.
                invocation.input_tokens = Count::known(1_000 * hour as u64);
                open.observe(&invocation);
            }
            book.close(open);
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
