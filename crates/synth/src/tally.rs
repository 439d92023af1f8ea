//! The oracle: what a right reading of the dump must find, tallied while the dump is written.
//!
//! In: one [`Sighting`] for every record on disk, in any order within two hours, and a count of everything
//! else. Out: the ledger and, for each of the two ways of reading (payloads followed or not), the totals and
//! the groups. Naive on purpose: duplicates by comparing all copies, values as exact counts per value. Absent:
//! any code shared with the reader.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::rc::Rc;

use crate::body::{CACHE_READ, CACHE_WRITE, Counts, INPUT, KIND_NAMES, OUTPUT};
use crate::calendar::{DAY, HOUR};
use crate::catalogue::THROTTLING;
use crate::rates::{Rate, rate};

/// Requests with strictly more tokens count as large.
pub(crate) const HIGH_TOKEN_THRESHOLD: u64 = 25_000;

/// 2023-01-01: what claims to be older has a wrong clock.
const OLDEST_SECONDS: i64 = 1_672_531_200;

/// What one way of reading knows of a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Values {
    pub(crate) counts: Counts,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) latency_ms: Option<u64>,
    pub(crate) first_byte_ms: Option<u64>,
    pub(crate) stop_reason: Option<&'static str>,
    pub(crate) input_bytes: Option<u64>,
    pub(crate) output_bytes: Option<u64>,
    /// Content kinds of both bodies, by bit.
    pub(crate) kinds: u16,
    /// Something is known of what the input body holds.
    pub(crate) input_seen: bool,
}

/// One record on disk.
#[derive(Clone, Debug)]
pub(crate) struct Sighting {
    pub(crate) account: Option<Rc<str>>,
    pub(crate) region: Option<Rc<str>>,
    pub(crate) id: Option<u128>,
    pub(crate) seconds: i64,
    pub(crate) nanos: u32,
    pub(crate) model: Rc<str>,
    pub(crate) scope: &'static str,
    pub(crate) identity: Option<Rc<str>>,
    pub(crate) error: Option<&'static str>,
    pub(crate) inference_region: Option<Rc<str>>,
    pub(crate) tags: Rc<Vec<(&'static str, &'static str)>>,
    pub(crate) status: Option<u16>,
    pub(crate) input_large: bool,
    pub(crate) output_large: bool,
    /// With every payload read.
    pub(crate) resolved: Values,
    /// Without any payload; `None` where that makes no difference.
    pub(crate) unresolved: Option<Box<Values>>,
    /// Which coverage entry its folder belongs to.
    pub(crate) entry: usize,
}

/// The two ways of reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reading {
    /// `--resolve facts`
    Resolved,
    /// `--resolve never`
    Unresolved,
}

impl Reading {
    const BOTH: [Reading; 2] = [Reading::Resolved, Reading::Unresolved];
}

impl Sighting {
    fn values(&self, reading: Reading) -> &Values {
        match (&self.unresolved, reading) {
            (Some(values), Reading::Unresolved) => values,
            _ => &self.resolved,
        }
    }

    /// Compares two copies of one request by `docs/rules.md` section 5; the greater is the better one.
    /// `Equal` copies are the same in everything that is counted.
    fn completeness(&self, other: &Self, reading: Reading) -> Ordering {
        let (own, others) = (self.values(reading), other.values(reading));
        let both_counts = |values: &Values| {
            usize::from(values.counts[INPUT].is_some()) + usize::from(values.counts[OUTPUT].is_some())
        };
        let known = |sighting: &Self, values: &Values| {
            let quantities = [values.max_tokens, values.latency_ms, values.first_byte_ms];
            let present = [
                values.stop_reason.is_some(),
                sighting.inference_region.is_some(),
                sighting.identity.is_some(),
                !sighting.tags.is_empty(),
            ];
            values.counts.iter().chain(&quantities).flatten().count()
                + present.iter().filter(|is| **is).count()
        };
        both_counts(own)
            .cmp(&both_counts(others))
            .then_with(|| known(self, own).cmp(&known(other, others)))
            .then_with(|| own.counts.cmp(&others.counts))
            .then_with(|| own.latency_ms.cmp(&others.latency_ms))
            .then_with(|| own.first_byte_ms.cmp(&others.first_byte_ms))
            .then_with(|| own.max_tokens.cmp(&others.max_tokens))
            .then_with(|| own.stop_reason.cmp(&others.stop_reason))
            .then_with(|| self.inference_region.cmp(&other.inference_region))
            .then_with(|| self.identity.cmp(&other.identity))
            .then_with(|| self.tags.cmp(&other.tags))
            .then_with(|| (self.seconds, self.nanos).cmp(&(other.seconds, other.nanos)))
    }
}

/// Everything of the report's `health`; little of it depends on the way of reading.
#[derive(Default, Debug)]
pub(crate) struct Ledger {
    pub(crate) objects_listed: u64,
    pub(crate) objects_read: u64,
    pub(crate) objects_skipped: BTreeMap<&'static str, u64>,
    /// Payload objects; part of the books only where payloads are followed.
    pub(crate) payloads: BTreeMap<&'static str, u64>,
    /// Their stored bytes.
    pub(crate) payload_bytes: u64,
    pub(crate) documents_found: u64,
    pub(crate) documents_joined: u64,
    pub(crate) documents_rejected: BTreeMap<&'static str, u64>,
    pub(crate) records_filtered: BTreeMap<&'static str, u64>,
    pub(crate) records_rejected: BTreeMap<&'static str, u64>,
    pub(crate) references_resolved: u64,
    pub(crate) references_missing: u64,
    pub(crate) references_refused: BTreeMap<&'static str, u64>,
    pub(crate) bytes_listed: u64,
    pub(crate) bytes_decompressed: u64,
    pub(crate) warnings: BTreeMap<&'static str, u64>,
    /// Successful requests whose count was in a payload that is not there; with payloads followed only.
    pub(crate) counts_lost: u64,
}

impl Ledger {
    pub(crate) fn warn(&mut self, code: &'static str) {
        *self.warnings.entry(code).or_default() += 1;
    }

    pub(crate) fn skip(&mut self, reason: &'static str) {
        *self.objects_skipped.entry(reason).or_default() += 1;
    }

    /// A payload object of so many stored bytes.
    pub(crate) fn payload(&mut self, reason: &'static str, stored: u64) {
        *self.payloads.entry(reason).or_default() += 1;
        self.payload_bytes += stored;
    }

    pub(crate) fn documents_decoded(&self) -> u64 {
        self.documents_found - self.documents_rejected.values().sum::<u64>()
    }
}

/// An account × Region that keys name, or the one nameless entry of a split root.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) account: Option<Rc<str>>,
    pub(crate) region: Option<Rc<str>>,
    /// Folder hours that hold a record object.
    pub(crate) folders: BTreeSet<i64>,
}

impl Entry {
    /// Hours without objects between the first and the last folder.
    pub(crate) fn gap_hours(&self) -> Vec<i64> {
        let (Some(&first), Some(&last)) = (self.folders.first(), self.folders.last()) else {
            return Vec::new();
        };
        (first..=last).filter(|hour| !self.folders.contains(hour)).collect()
    }
}

/// Account, Region, base model and scope: the report's default dimensions. Absent sorts first.
pub(crate) type GroupKey = (Option<Rc<str>>, Option<Rc<str>>, Rc<str>, &'static str);

/// What one way of reading adds up to.
#[derive(Default, Debug)]
pub(crate) struct Sums {
    pub(crate) counted: u64,
    pub(crate) duplicate: u64,
    pub(crate) totals: Group,
    pub(crate) groups: BTreeMap<GroupKey, Group>,
    /// First and last minute of the counted records, outliers left out.
    pub(crate) minutes: Option<(i64, i64)>,
    /// Successful requests by model without a rate; profiles are below.
    pub(crate) unruled_models: BTreeMap<Rc<str>, u64>,
    /// Records by application profile.
    pub(crate) unresolved_profiles: BTreeMap<Rc<str>, u64>,
}

impl Sums {
    fn add(&mut self, key: GroupKey, sighting: &Sighting, values: &Values, is_outlier: bool) {
        let rate = rate(&sighting.model);
        if sighting.scope == "application-profile" {
            *self.unresolved_profiles.entry(sighting.model.clone()).or_default() += 1;
        } else if sighting.error.is_none() && rate.burndown.is_none() {
            *self.unruled_models.entry(sighting.model.clone()).or_default() += 1;
        }
        self.totals.add(sighting, values, rate, is_outlier);
        self.groups.entry(key).or_default().add(sighting, values, rate, is_outlier);
    }
}

/// Attempts, and of the successful ones raw tokens, settled and reserved quota tokens.
pub(crate) type Load = [u64; 4];

/// The places in a [`Load`].
pub(crate) const ATTEMPTS: usize = 0;
pub(crate) const RAW_TOKENS: usize = 1;
pub(crate) const SETTLED: usize = 2;
pub(crate) const RESERVED: usize = 3;

/// How often each value was met.
pub(crate) type Histogram = BTreeMap<u64, u64>;

/// The sums of one group, or of the totals.
#[derive(Default, Debug)]
pub(crate) struct Group {
    pub(crate) attempted: u64,
    pub(crate) successful: u64,
    pub(crate) throttled: u64,
    pub(crate) errors: BTreeMap<&'static str, u64>,
    /// Sums over successful requests of the four counts.
    pub(crate) tokens: [u128; 4],
    pub(crate) prompt_tokens: u128,
    pub(crate) input_known: u64,
    pub(crate) output_known: u64,
    /// Input and output on failed requests.
    pub(crate) error_tokens: [u128; 2],
    pub(crate) small_by_input: u64,
    pub(crate) high_by_input: u64,
    pub(crate) high_by_prompt: u64,
    pub(crate) input_values: Histogram,
    pub(crate) output_values: Histogram,
    pub(crate) prompt_values: Histogram,
    pub(crate) latency_ms: Histogram,
    pub(crate) first_byte_ms: Histogram,
    pub(crate) input_bytes: Histogram,
    pub(crate) output_bytes: Histogram,
    /// Settled and reserved quota tokens, and of how many successful requests they are known.
    pub(crate) settled: u128,
    pub(crate) settled_known: u64,
    pub(crate) reserved: u128,
    pub(crate) reserved_known: u64,
    pub(crate) minutes: BTreeMap<i64, Load>,
    pub(crate) sliding: Sliding,
    pub(crate) status: BTreeMap<u16, u64>,
    pub(crate) stop_reasons: BTreeMap<&'static str, u64>,
    pub(crate) large_input: u64,
    pub(crate) large_output: u64,
    pub(crate) large_either: u64,
    pub(crate) large_bytes: u128,
    pub(crate) content: [u64; KIND_NAMES.len()],
    /// By inference Region: attempts, latency and first byte of successful ones.
    pub(crate) cross_region: BTreeMap<Rc<str>, (u64, Histogram, Histogram)>,
    /// Coverage entries that its records came from.
    pub(crate) entries: BTreeSet<usize>,
}

/// The largest sums over so many consecutive seconds. Seconds come in ascending order.
#[derive(Default, Debug)]
pub(crate) struct Sliding {
    /// The last 60 seconds only.
    window: VecDeque<(i64, Load)>,
    pub(crate) sixty_seconds_max: Load,
    pub(crate) ten_seconds_max: Load,
    pub(crate) second_max: Load,
}

impl Sliding {
    fn add(&mut self, second: i64, load: Load) {
        match self.window.back_mut() {
            Some((last, sum)) if *last == second => add_load(sum, load),
            _ => self.window.push_back((second, load)),
        }
        while self.window.front().is_some_and(|first| first.0 <= second - 60) {
            self.window.pop_front();
        }
        for (length, max) in
            [(60, &mut self.sixty_seconds_max), (10, &mut self.ten_seconds_max), (1, &mut self.second_max)]
        {
            let mut sum = Load::default();
            let inside = self.window.iter().filter(|(at, _)| *at > second - length);
            inside.for_each(|(_, load)| add_load(&mut sum, *load));
            for (max, sum) in max.iter_mut().zip(sum) {
                *max = sum.max(*max);
            }
        }
    }
}

fn add_load(sum: &mut Load, load: Load) {
    for (sum, part) in sum.iter_mut().zip(load) {
        *sum += part;
    }
}

impl Group {
    fn add(&mut self, sighting: &Sighting, values: &Values, rate: Rate, is_outlier: bool) {
        self.attempted += 1;
        self.entries.insert(sighting.entry);
        let [input, output, cache_read, cache_write] = values.counts;
        let mut load = Load::default();
        load[ATTEMPTS] = 1;
        let mut latency_ms = None;
        let mut first_byte_ms = None;
        if let Some(code) = sighting.error {
            *self.errors.entry(code).or_default() += 1;
            self.throttled += u64::from(code == THROTTLING);
            self.error_tokens[0] += u128::from(input.unwrap_or(0));
            self.error_tokens[1] += u128::from(output.unwrap_or(0));
        } else {
            self.successful += 1;
            for index in [INPUT, OUTPUT, CACHE_READ, CACHE_WRITE] {
                self.tokens[index] += u128::from(values.counts[index].unwrap_or(0));
            }
            if let Some(input) = input {
                let prompt = input + cache_read.unwrap_or(0) + cache_write.unwrap_or(0);
                self.input_known += 1;
                self.prompt_tokens += u128::from(prompt);
                self.small_by_input += u64::from(input < 1_000);
                self.high_by_input += u64::from(input > HIGH_TOKEN_THRESHOLD);
                self.high_by_prompt += u64::from(prompt > HIGH_TOKEN_THRESHOLD);
                count(&mut self.prompt_values, Some(prompt));
            }
            self.output_known += u64::from(output.is_some());
            count(&mut self.input_values, input);
            count(&mut self.output_values, output);
            count(&mut self.input_bytes, values.input_bytes);
            count(&mut self.output_bytes, values.output_bytes);
            latency_ms = values.latency_ms;
            first_byte_ms = values.first_byte_ms;
            count(&mut self.latency_ms, latency_ms);
            count(&mut self.first_byte_ms, first_byte_ms);
            if let Some(reason) = values.stop_reason {
                *self.stop_reasons.entry(reason).or_default() += 1;
            }
            let (settled, reserved) = (rate.settled(values), rate.reserved(values));
            self.settled += u128::from(settled.unwrap_or(0));
            self.settled_known += u64::from(settled.is_some());
            self.reserved += u128::from(reserved.unwrap_or(0));
            self.reserved_known += u64::from(reserved.is_some());
            load[RAW_TOKENS] = input.unwrap_or(0) + output.unwrap_or(0);
            load[SETTLED] = settled.unwrap_or(0);
            load[RESERVED] = reserved.unwrap_or(0);
        }
        if let Some(status) = sighting.status {
            *self.status.entry(status).or_default() += 1;
        }
        if let Some(region) = &sighting.inference_region {
            let there = self.cross_region.entry(region.clone()).or_default();
            there.0 += 1;
            count(&mut there.1, latency_ms);
            count(&mut there.2, first_byte_ms);
        }
        for (is_large, bytes, counter) in [
            (sighting.input_large, values.input_bytes, &mut self.large_input),
            (sighting.output_large, values.output_bytes, &mut self.large_output),
        ] {
            if is_large {
                *counter += 1;
                self.large_bytes += u128::from(bytes.unwrap_or(0));
            }
        }
        self.large_either += u64::from(sighting.input_large || sighting.output_large);
        for (bit, counter) in self.content.iter_mut().enumerate() {
            *counter += u64::from(values.kinds >> bit & 1);
        }
        if !is_outlier {
            add_load(self.minutes.entry(sighting.seconds.div_euclid(60)).or_default(), load);
            self.sliding.add(sighting.seconds, load);
        }
    }
}

fn count(histogram: &mut Histogram, value: Option<u64>) {
    if let Some(value) = value {
        *histogram.entry(value).or_default() += 1;
    }
}

/// (account, Region, request id): what copies of one request share.
type RequestKey = (Option<Rc<str>>, Option<Rc<str>>, u128);

/// The records of one hour, by their own timestamps.
#[derive(Default, Debug)]
struct Hour {
    sightings: Vec<Sighting>,
    by_request: HashMap<RequestKey, Vec<usize>>,
    is_finished: bool,
}

/// The running tally.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) ledger: Ledger,
    pub(crate) entries: Vec<Entry>,
    pub(crate) resolved: Sums,
    pub(crate) unresolved: Sums,
    /// "Now" for the outlier rule: the end of the range.
    now_seconds: i64,
    /// Hours that wait for their neighbours, and the last finished one.
    hours: BTreeMap<i64, Hour>,
}

impl Tally {
    pub(crate) fn new(entries: Vec<Entry>, now_seconds: i64) -> Self {
        Tally {
            ledger: Ledger::default(),
            entries,
            resolved: Sums::default(),
            unresolved: Sums::default(),
            now_seconds,
            hours: BTreeMap::new(),
        }
    }

    /// A record was written into this folder hour of a coverage entry.
    pub(crate) fn record(&mut self, mut sighting: Sighting, entry: usize, folder_hour: i64) {
        sighting.entry = entry;
        let hour = sighting.seconds.div_euclid(HOUR);
        if (hour - folder_hour).abs() > 1 {
            self.ledger.warn("stray");
        }
        if self.is_outlier(sighting.seconds) {
            self.ledger.warn("time_outlier");
        }
        let mismatch = |own: &Option<Rc<str>>, key: &Option<Rc<str>>| key.is_some() && own != key;
        let named = &self.entries[entry];
        if mismatch(&sighting.account, &named.account) || mismatch(&sighting.region, &named.region) {
            self.ledger.warn("key_mismatch");
        }
        let bucket = self.hours.entry(hour).or_default();
        match sighting.id {
            Some(id) => {
                let key = (sighting.account.clone(), sighting.region.clone(), id);
                bucket.by_request.entry(key).or_default().push(bucket.sightings.len());
            }
            None => self.ledger.warn("no_request_id"),
        }
        bucket.sightings.push(sighting);
    }

    /// No record of an hour before `hour` will come any more: adds those whose neighbours are known, too.
    pub(crate) fn finish_before(&mut self, hour: i64) {
        let ready: Vec<i64> = self
            .hours
            .range(..hour - 1)
            .filter(|(_, bucket)| !bucket.is_finished)
            .map(|(&hour, _)| hour)
            .collect();
        for ready_hour in ready {
            self.finish_hour(ready_hour);
            if let Some(bucket) = self.hours.get_mut(&ready_hour) {
                bucket.is_finished = true;
            }
        }
        // The last finished hour is still a neighbour of an unfinished one.
        self.hours.retain(|&kept, bucket| !bucket.is_finished || kept >= hour - 2);
    }

    /// Nothing more will come.
    pub(crate) fn finish(&mut self) {
        self.finish_before(i64::MAX);
    }

    fn is_outlier(&self, seconds: i64) -> bool {
        seconds < OLDEST_SECONDS || seconds > self.now_seconds + DAY
    }

    fn finish_hour(&mut self, hour: i64) {
        let sightings = &self.hours[&hour].sightings;
        let mut order: Vec<usize> = (0..sightings.len()).collect();
        order.sort_by_key(|&index| sightings[index].seconds);
        for index in order {
            let sighting = &sightings[index];
            let is_outlier = self.is_outlier(sighting.seconds);
            let key: GroupKey =
                (sighting.account.clone(), sighting.region.clone(), sighting.model.clone(), sighting.scope);
            for reading in Reading::BOTH {
                let is_duplicate = self.has_better_copy(hour, index, reading);
                let sums = match reading {
                    Reading::Resolved => &mut self.resolved,
                    Reading::Unresolved => &mut self.unresolved,
                };
                if is_duplicate {
                    sums.duplicate += 1;
                    continue;
                }
                sums.counted += 1;
                if !is_outlier {
                    let minute = sighting.seconds.div_euclid(60);
                    let (first, last) = sums.minutes.unwrap_or((minute, minute));
                    sums.minutes = Some((first.min(minute), last.max(minute)));
                }
                let values = sighting.values(reading);
                sums.add(key.clone(), sighting, values, is_outlier);
            }
        }
    }

    /// Whether a better copy of this record lies in its own or a neighbouring hour, dropped itself or not.
    /// Of copies that are equal in everything, the first that was written is the better one.
    fn has_better_copy(&self, hour: i64, index: usize, reading: Reading) -> bool {
        let own = &self.hours[&hour].sightings[index];
        let Some(id) = own.id else { return false };
        let key = (own.account.clone(), own.region.clone(), id);
        (hour - 1..=hour + 1).filter_map(|neighbour| Some((neighbour, self.hours.get(&neighbour)?))).any(
            |(neighbour, bucket)| {
                bucket.by_request.get(&key).into_iter().flatten().any(|&other| {
                    (neighbour, other) != (hour, index)
                        && match bucket.sightings[other].completeness(own, reading) {
                            Ordering::Greater => true,
                            Ordering::Equal => (neighbour, other) < (hour, index),
                            Ordering::Less => false,
                        }
                })
            },
        )
    }
}
