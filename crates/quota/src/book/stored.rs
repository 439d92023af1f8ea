//! Hours of attempts as bytes, to be kept from one run to the next.
//!
//! In: an hour book that is filled; bytes of one that was. Out: bytes that hold all of the hour (its quotas, its callers,
//! its attempts in order); the attempts of those quotas whose hour is worth keeping. Always: equal attempts are equal
//! bytes, in whatever order they came; what is taken out of bytes was walked over to the last integer, so that nothing
//! later can panic, whoever wrote them; the attempts of quotas whose hour is not kept are not even looked at. Absent: a
//! checksum, which is for whoever keeps the bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use borehole_record::{ContentKinds, RequestId, Scope, UtcHour, UtcMinute};
use borehole_usage::packed::{Checker, Packer, Unpacker};
use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::xxh3_128;

use super::{
    AttemptBook, Badness, CACHE_READ, CACHE_WRITE, ENDING, HourAttempts, HourBook, INPUT, KindCounts,
    LATENCY, MAX_TOKENS, MAX_TOKENS_UNSET, OUTPUT, OpenAttempt, THROTTLED, THROTTLED_NAMED_MAX,
};
use crate::attempt::{Caller, CallerId, ThrottledRequest};
use crate::key::QuotaKey;

/// First byte of all: another one for every other way to read invocations or to write attempts. How a model id is read
/// (`borehole_record::Model`) is part of that.
const VERSION: u8 = 1;

/// The same for the bytes of a whole book, around those of its hours.
const BOOK_VERSION: u8 = 0x80 | VERSION;

/// Hours of the epoch whose seconds can be told; a log's timestamps reach 2^42.
const HOUR_MAX: i64 = 1 << 48;

/// Most that any value of an attempt can be: what the decoder lets pass.
const VALUE_MAX: u64 = 1 << 53;

/// Attempts of one quota and hour that stored bytes may claim.
const COUNT_MAX: u64 = 1 << 34;

/// Bytes of the hour's number.
const HOUR_BYTES: u64 = size_of::<i64>() as u64;

/// Scopes by their number in stored bytes.
const SCOPES: [Scope; 9] = [
    Scope::OnDemand,
    Scope::Geo,
    Scope::Global,
    Scope::Provisioned,
    Scope::ApplicationProfile,
    Scope::Custom,
    Scope::Imported,
    Scope::Endpoint,
    Scope::Unknown,
];

impl HourBook {
    /// The hour as bytes, for [`AttemptBook::close_bytes`]; equal for equal attempts. Some 13 bytes an attempt.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let ordered = self.ordered(|_| true);
        let ids = self.sorted_callers(&ordered);
        let mut numbers = vec![CallerId(0); self.seen.callers.len()];
        ids.iter().zip(0..).for_each(|(id, number)| numbers[id.0 as usize] = CallerId(number));
        let quotas = ordered.chunk_by(|a, b| a.quota == b.quota).map(|attempts| {
            let quota = &self.quotas[attempts[0].quota as usize];
            let mut caller = |id: CallerId| numbers[id.0 as usize];
            let packed = HourAttempts::pack(self.hour, attempts, &self.values, quota.badness(), &mut caller);
            (&quota.key, packed)
        });
        let callers: Vec<&Caller> = ids.iter().map(|&id| self.seen.callers.get(id)).collect();
        pack_hour(self.hour, quotas.collect(), &callers)
    }

    /// Those who made these attempts, in their own order: that of their numbers differs from run to run.
    fn sorted_callers(&self, attempts: &[&OpenAttempt]) -> Vec<CallerId> {
        let mut is_used = vec![false; self.seen.callers.len()];
        for attempt in attempts {
            let mut unpacker = Unpacker::new(self.values.from(attempt.values));
            // The flags come first.
            unpacker.count();
            is_used[unpacker.count() as usize] = true;
        }
        let used = self.seen.callers.iter().filter(|(id, _)| is_used[id.0 as usize]);
        let mut callers: Vec<(&Caller, CallerId)> = used.map(|(id, caller)| (caller, id)).collect();
        callers.sort_unstable();
        callers.into_iter().map(|(_, id)| id).collect()
    }
}

impl AttemptBook {
    /// Enters an hour from the bytes of [`HourBook::to_bytes`], as [`AttemptBook::close`] enters the book. `None`, and
    /// nothing is entered, where the bytes are of another hour, or such that they cannot have been written.
    ///
    /// Only the attempts of those quotas are read whose hour is kept.
    pub fn close_bytes(&mut self, hour: UtcHour, bytes: &[u8]) -> Option<()> {
        let mut checker = Checker::new(bytes);
        if checker.bytes(1)? != [VERSION] || checker.bytes(HOUR_BYTES)? != hour.0.to_le_bytes() {
            return None;
        }
        let texts = (0..checker.count()?).map(|_| Some(self.stored_keys.text(checker.text()?)));
        let texts: Vec<u32> = texts.collect::<Option<_>>()?;
        let count = checker.count()?;
        // Each takes some bytes, so no count can make this large.
        let mut quotas: Vec<StoredQuota> = Vec::new();
        for _ in 0..count {
            quotas.push(StoredQuota::read(&mut checker, &texts)?);
        }
        // In the order of their keys, which that of these numbers is not: none may be there twice.
        let mut keys: Vec<StoredKey> = quotas.iter().map(|quota| quota.key).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return None;
        }
        let length = checker.count()?;
        let stored_callers = checker.bytes(length)?;

        let mut callers: Option<Vec<Caller>> = None;
        let mut kept: Vec<(Option<u32>, StoredKey, HourAttempts)> = Vec::new();
        for quota in quotas {
            let body = checker.bytes(quota.length)?;
            let number = self.stored_number(quota.key);
            if !self.would_keep(number, hour, || quota.badness) {
                continue;
            }
            let callers = match &mut callers {
                Some(callers) => callers,
                None => callers.insert(read_callers(stored_callers)?),
            };
            let attempts = HourAttempts::read_body(hour, quota.badness, body, callers.len())?;
            kept.push((number, quota.key, attempts));
        }
        checker.is_empty().then_some(())?;

        // From here on nothing fails.
        self.forget(hour);
        let callers = callers.unwrap_or_default();
        let mut numbers: Vec<Option<CallerId>> = vec![None; callers.len()];
        for (number, key, mut attempts) in kept {
            attempts.bytes = attempts.renumbered(hour, |CallerId(id)| {
                let caller = || self.callers.intern(&callers[id as usize]);
                *numbers[id as usize].get_or_insert_with(caller)
            });
            let number = number.unwrap_or_else(|| {
                let number = self.add_quota(&self.stored_keys.quota_key(key));
                self.stored_keys.numbers.insert(key, number);
                number
            });
            self.insert(number, hour, attempts);
        }
        self.forget_callers_if_many();
        Some(())
    }

    /// What the bytes of an hour book depend on beside the invocations that it is given: books of equal fingerprints
    /// give equal bytes for equal invocations, in every run.
    #[must_use]
    pub fn fingerprint(&self) -> u128 {
        let mut packer = Packer::default();
        packer.bytes(&[VERSION]);
        pack_optional(self.tag.as_deref(), &mut packer);
        for (profile, copied) in self.profiles.iter() {
            packer.text(profile);
            packer.text(copied);
        }
        xxh3_128(packer.from(0))
    }

    /// The number of a quota, where it is known.
    fn stored_number(&mut self, key: StoredKey) -> Option<u32> {
        if let Some(&number) = self.stored_keys.numbers.get(&key) {
            return Some(number);
        }
        let number = *self.numbers.get(&self.stored_keys.quota_key(key))?;
        self.stored_keys.numbers.insert(key, number);
        Some(number)
    }
}

impl AttemptBook {
    /// All that is kept as bytes; the bytes of what is kept of one hour after the other.
    ///
    /// A book that is kept from one run to the next is kept before [`AttemptBook::finish`]: spare hours may yet be
    /// needed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut hours: BTreeMap<UtcHour, Vec<(&QuotaKey, &HourAttempts)>> = BTreeMap::new();
        for (key, attempts) in self.keys() {
            for (&hour, attempts) in &attempts.hours {
                hours.entry(hour).or_default().push((key, attempts));
            }
        }
        let mut packer = Packer::default();
        packer.bytes(&[BOOK_VERSION]);
        for (hour, quotas) in hours {
            let ids = quotas.iter().flat_map(|(_, attempts)| attempts.unpack(hour).map(|it| it.caller));
            let ids: BTreeSet<CallerId> = ids.collect();
            let mut callers: Vec<(&Caller, CallerId)> =
                ids.into_iter().map(|id| (self.callers.get(id), id)).collect();
            callers.sort_unstable();
            let numbers: FxHashMap<CallerId, CallerId> =
                callers.iter().map(|&(_, id)| id).zip((0..).map(CallerId)).collect();
            let renumbered = quotas.into_iter().map(|(key, attempts)| {
                let bytes = attempts.renumbered(hour, |id| numbers[&id]);
                (key, HourAttempts { bytes, ..attempts.clone() })
            });
            let callers: Vec<&Caller> = callers.into_iter().map(|(caller, _)| caller).collect();
            let bytes = pack_hour(hour, renumbered.collect(), &callers);
            packer.bytes(&hour.0.to_le_bytes());
            packer.count(bytes.len() as u64);
            packer.bytes(&bytes);
        }
        packer.finish().into_vec()
    }

    /// Enters all hours of the bytes of [`AttemptBook::to_bytes`] of a book that keeps the same, into one that has none
    /// of these hours. `None` where such a book cannot have written them; this one is of no use then.
    pub fn enter_bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let mut checker = Checker::new(bytes);
        if checker.bytes(1)? != [BOOK_VERSION] {
            return None;
        }
        while !checker.is_empty() {
            let hour = i64::from_le_bytes(checker.bytes(HOUR_BYTES)?.try_into().ok()?);
            (-HOUR_MAX..=HOUR_MAX).contains(&hour).then_some(())?;
            let length = checker.count()?;
            self.close_bytes(UtcHour(hour), checker.bytes(length)?)?;
        }
        Some(())
    }
}

/// Writes an hour: these attempts of its quotas, whose callers are numbered by their places among these.
fn pack_hour(hour: UtcHour, mut quotas: Vec<(&QuotaKey, HourAttempts)>, callers: &[&Caller]) -> Vec<u8> {
    quotas.sort_unstable_by_key(|&(key, _)| key);
    let mut packer = Packer::default();
    packer.bytes(&[VERSION]);
    packer.bytes(&hour.0.to_le_bytes());
    let mut texts: Vec<&str> = quotas.iter().flat_map(|(key, _)| texts_of(key)).flatten().collect();
    texts.sort_unstable();
    texts.dedup();
    packer.count(texts.len() as u64);
    texts.iter().for_each(|text| packer.text(text));
    packer.count(quotas.len() as u64);
    let mut bodies = Packer::default();
    for (key, attempts) in &quotas {
        for text in texts_of(key) {
            // One more than its place, 0 where there is none.
            let number = text.map_or(0, |text| texts.partition_point(|other| *other < text) as u64 + 1);
            packer.count(number);
        }
        let scope = SCOPES.iter().position(|scope| *scope == key.scope);
        packer.count(scope.unwrap_or(SCOPES.len() - 1) as u64);
        packer.count(attempts.badness.throttled);
        packer.count(attempts.badness.busiest_minute);
        let start = bodies.len();
        attempts.pack_body(&mut bodies);
        packer.count((bodies.len() - start) as u64);
    }
    let mut packed = Packer::default();
    packed.count(callers.len() as u64);
    for Caller { identity, tag } in callers {
        pack_optional(identity.as_deref(), &mut packed);
        pack_optional(tag.as_deref(), &mut packed);
    }
    packer.count(packed.len() as u64);
    packer.bytes(packed.from(0));
    packer.bytes(bodies.from(0));
    packer.finish().into_vec()
}

/// The numbers of a key's texts (0 where there is none; one more than the place among [`StoredKeys::texts`]), and of its
/// scope.
type StoredKey = [u32; 4];

/// Quotas as stored hours name them: most come again in every hour, and are found without a look at their texts.
#[derive(Default, Debug)]
pub(super) struct StoredKeys {
    texts: Vec<Arc<str>>,
    places: FxHashMap<Arc<str>, u32>,
    /// The numbers of the quotas in the book.
    numbers: FxHashMap<StoredKey, u32>,
}

impl StoredKeys {
    /// One more than the place of a text, which may be new.
    fn text(&mut self, text: &str) -> u32 {
        if let Some(&number) = self.places.get(text) {
            return number;
        }
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        let number = u32::try_from(self.texts.len()).expect("fewer than 2^32 texts");
        self.places.insert(text, number);
        number
    }

    fn quota_key(&self, [account, region, model, scope]: StoredKey) -> QuotaKey {
        let text = |number: u32| Some(Arc::clone(&self.texts[number.checked_sub(1)? as usize]));
        QuotaKey {
            account: text(account),
            region: text(region),
            model: text(model).unwrap_or_else(|| Arc::from("")),
            scope: SCOPES[scope as usize],
        }
    }
}

/// A quota of a stored hour.
struct StoredQuota {
    key: StoredKey,
    badness: Badness,
    /// Bytes of its attempts.
    length: u64,
}

impl StoredQuota {
    /// `texts` are the numbers of the hour's own texts.
    fn read(checker: &mut Checker<'_>, texts: &[u32]) -> Option<StoredQuota> {
        let mut text = || {
            let number = checker.count_to(texts.len() as u64)?;
            Some(number.checked_sub(1).map_or(0, |place| texts[place as usize]))
        };
        let [account, region, model] = [text()?, text()?, text()?];
        // A key has a model, if only an empty one.
        (model > 0).then_some(())?;
        let scope = checker.count_to(SCOPES.len() as u64 - 1)? as u32;
        Some(StoredQuota {
            key: [account, region, model, scope],
            badness: Badness { throttled: checker.count()?, busiest_minute: checker.count()? },
            length: checker.count()?,
        })
    }
}

/// The texts of a key, in the order of [`StoredKey`].
fn texts_of(key: &QuotaKey) -> [Option<&str>; 3] {
    [key.account.as_deref(), key.region.as_deref(), Some(&*key.model)]
}

fn pack_optional(text: Option<&str>, packer: &mut Packer) {
    packer.count(u64::from(text.is_some()));
    text.into_iter().for_each(|text| packer.text(text));
}

fn read_optional(checker: &mut Checker<'_>) -> Option<Option<Arc<str>>> {
    let is_there = checker.count_to(1)? == 1;
    if is_there { checker.text().map(|text| Some(text.into())) } else { Some(None) }
}

fn read_callers(bytes: &[u8]) -> Option<Vec<Caller>> {
    let mut checker = Checker::new(bytes);
    let caller = |checker: &mut Checker<'_>| {
        Some(Caller { identity: read_optional(checker)?, tag: read_optional(checker)? })
    };
    let callers = (0..checker.count()?).map(|_| caller(&mut checker)).collect::<Option<_>>()?;
    checker.is_empty().then_some(callers)
}

impl HourAttempts {
    /// Writes all but the badness.
    fn pack_body(&self, packer: &mut Packer) {
        packer.count(self.count);
        for kinds in [&self.input_kinds, &self.output_kinds] {
            packer.sparse(&kinds.map(u128::from));
        }
        packer.count(self.named.len() as u64);
        for ThrottledRequest { second, request_id } in &self.named {
            packer.count(second.rem_euclid(UtcHour::SECONDS).unsigned_abs());
            match request_id {
                RequestId::Uuid(bits) => {
                    packer.count(0);
                    packer.bytes(bits);
                }
                RequestId::Text(text) => packer.text(text),
                // None is named.
                RequestId::Missing => packer.text(""),
            }
        }
        packer.bytes(&self.bytes);
    }

    /// Reads what [`HourAttempts::pack_body`] wrote of an hour that is so bad, with callers from among so many.
    fn read_body(hour: UtcHour, badness: Badness, body: &[u8], callers: usize) -> Option<HourAttempts> {
        let mut checker = Checker::new(body);
        let count = checker.count_to(COUNT_MAX).filter(|&count| count > 0)?;
        let mut kinds = || -> Option<KindCounts> {
            let kinds = checker.sparse::<{ ContentKinds::NAMES.len() }>()?;
            // Below 2^34, as it was checked.
            kinds.iter().all(|&kind| kind <= u128::from(count)).then(|| kinds.map(|kind| kind as u64))
        };
        let (input_kinds, output_kinds) = (kinds()?, kinds()?);
        let named =
            (0..checker.count_to(THROTTLED_NAMED_MAX as u64)?).map(|_| read_named(hour, &mut checker));
        let named = named.collect::<Option<_>>()?;
        let bytes = checker.rest();
        let found = check_attempts(&mut checker, count, callers)?;
        if found != badness || !checker.is_empty() {
            return None;
        }
        Some(HourAttempts { count, badness, bytes: bytes.into(), named, input_kinds, output_kinds })
    }
}

fn read_named(hour: UtcHour, checker: &mut Checker<'_>) -> Option<ThrottledRequest> {
    let second = hour.start_seconds() + checker.count_to(UtcHour::SECONDS.unsigned_abs() - 1)? as i64;
    let text = checker.text()?;
    let request_id = if text.is_empty() {
        RequestId::Uuid(checker.bytes(16)?.try_into().ok()?)
    } else {
        RequestId::Text(text.into())
    };
    Some(ThrottledRequest { second, request_id })
}

/// Walks over so many attempts of an hour, and finds how bad it was.
fn check_attempts(checker: &mut Checker<'_>, count: u64, callers: usize) -> Option<Badness> {
    let mut throttled = 0;
    let mut minutes = [0u64; (UtcHour::SECONDS / UtcMinute::SECONDS) as usize];
    let mut second = 0;
    for _ in 0..count {
        second += checker.count_to(UtcHour::SECONDS.unsigned_abs() - 1)?;
        let minute = minutes.get_mut((second / UtcMinute::SECONDS.unsigned_abs()) as usize)?;
        let flags = checker.count_to((MAX_TOKENS_UNSET << 1) - 1)?;
        let is_twice = flags & MAX_TOKENS != 0 && flags & MAX_TOKENS_UNSET != 0;
        if flags & ENDING == ENDING || is_twice {
            return None;
        }
        throttled += u64::from(flags & ENDING == THROTTLED);
        checker.count().filter(|&caller| caller < callers as u64)?;
        for flag in [INPUT, OUTPUT, CACHE_READ, CACHE_WRITE, LATENCY, MAX_TOKENS] {
            if flags & flag != 0 {
                let value = checker.count_to(VALUE_MAX)?;
                if flag == INPUT || flag == OUTPUT {
                    *minute = minute.saturating_add(value);
                }
            }
        }
    }
    let busiest_minute = minutes.into_iter().max().unwrap_or(0);
    Some(Badness { throttled, busiest_minute })
}
