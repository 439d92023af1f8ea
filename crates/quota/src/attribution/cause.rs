//! Which quota refused the throttled attempts of one key: an inference, with a confidence.
//!
//! A throttled record says neither which quota refused it nor how large that is. But every call that was served
//! says how much its quotas let through, at least; and a call that was refused for a quota came when more than
//! that was asked of it. AWS does not document how a quota's minute moves, so all of this is done for three
//! windows: clock-aligned minutes, any 60 seconds, a bucket that refills. For each minute with throttles:
//!
//! - The **level** of tokens is what was taken when a throttle came (reserved by calls that ran, settled by those
//!   that had ended), and what the refused call asked for: its own reservation where the record holds one, else
//!   the p90 of what served calls reserved. The level of requests is the calls served, and one. What counts is the
//!   largest level among the throttles of the minute.
//! - The **ceiling** is the applied quota where it is known; else the most that the log proves to have fitted: the
//!   largest level at a call that was served, tokens and requests and each window for itself. For the bucket it is
//!   the smallest that lets all served calls through, to 2 %.
//! - A level of at least 90 % of its ceiling in any window makes that quota possible (with an applied quota:
//!   likely), one from 50 to 90 % unlikely, and below 50 % excludes it. The margins are for what a log cannot
//!   show: the size of refused calls, and the order of calls within a second.
//!
//! The one quota that is possible while the other is not is the cause: with *high* confidence where the other is
//! excluded or the applied quota is reached, *medium* where the other is unlikely, *low* where it is itself only
//! unlikely (tokens alone: a request is one request, and less than was served at other times refuses none). With less than ten minutes without throttles to compare with, one step lower. Where both are possible,
//! the minute is explained by the quota that explains all minutes that could be told (at least three), with low or
//! medium confidence; else nothing is claimed. Where neither is possible, throttles came at low use: something that
//! the log does not show draws on the quota, or it is another quota. ServiceUnavailable is no throttle, it is lack
//! of capacity, and not looked at here. Where hours are missing before one, its first minute shows less than was
//! taken.
//!
//! A **daily** quota shows otherwise: from some minute on nearly everything (90 %) is refused until midnight UTC or
//! the end of the log, for at least an hour, at levels where neither minute quota is possible. It is taken back if
//! refusals go on after midnight, if the applied daily quota is not reached, or if another day of a complete log
//! passed the level without them. Confidence is low, medium where calls are served again after midnight, and high
//! where the day's sum reaches the applied quota, or where two days stopped within 10 % of the same sum.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use borehole_record::{UtcDay, UtcMinute};
use borehole_usage::Charge;

use super::held::{Bucket, Held};
use crate::attempt::{Attempt, Ending};
use crate::book::{Keep, KeyAttempts};
use crate::rules::Limit;

/// From this part of its ceiling on, in percent, a quota is a possible cause.
const POSSIBLE_PERCENT: u128 = 90;
/// Below this part of its ceiling, in percent, a quota is excluded: no margin is that wide.
const EXCLUDED_PERCENT: u128 = 50;
/// Minutes without throttles that make the largest of them worth comparing with.
const COMPARED_MINUTES_MIN: u64 = 10;
/// Minutes whose cause could be told before others are explained by it.
const TOLD_MINUTES_MIN: u64 = 3;
/// Shortest stretch that is taken for a daily quota, in minutes: a minute's quota is free again much sooner.
const LOCKOUT_MINUTES_MIN: i64 = 60;
/// Fewest throttles in such a stretch: a few lonely calls at night are no evidence.
const LOCKOUT_THROTTLES_MIN: u64 = 10;
/// Part of the attempts in such a stretch, in percent, that must be refused.
const LOCKOUT_PERCENT: u128 = 90;
/// Part of the successful attempts, in tenths, whose tokens must be known for levels of tokens to mean anything.
const KNOWN_TENTHS: u64 = 9;

/// How sure an inference is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Confidence {
    /// The best guess; others fit nearly as well.
    Low,
    /// Others are unlikely.
    Medium,
    /// Others are excluded by what the log holds.
    High,
}

impl Confidence {
    /// The word in a report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        }
    }

    fn lowered(self) -> Self {
        if self == Confidence::High { Confidence::Medium } else { Confidence::Low }
    }
}

/// Why nothing can be said about a cause.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Doubt {
    /// Tokens and requests were both at their largest.
    EitherLimit,
    /// Tokens and requests were both below what was served at other times: others draw on the quota whom the log
    /// does not show, or it is another quota.
    LowUse,
    /// The tokens of too many calls are unknown.
    TokensUnknown,
}

impl Doubt {
    /// The word in a report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Doubt::EitherLimit => "either_limit",
            Doubt::LowUse => "low_use",
            Doubt::TokensUnknown => "tokens_unknown",
        }
    }
}

/// What refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Cause {
    /// This quota.
    Quota(Limit, Confidence),
    /// It cannot be told.
    Unknown(Doubt),
}

/// Which hours the attempts are of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Hours {
    /// All of them: days can be added up.
    All,
    /// The worst ones: a day may lack some.
    Worst,
}

impl Hours {
    /// The words in a report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Hours::All => "all hours",
            Hours::Worst => "worst hours",
        }
    }
}

impl From<Keep> for Hours {
    fn from(keep: Keep) -> Self {
        match keep {
            Keep::All => Hours::All,
            Keep::Worst(_) => Hours::Worst,
        }
    }
}

/// What is known of the quotas from elsewhere. Nothing, by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KnownQuotas {
    /// The applied quota, in quota tokens.
    pub tokens_per_minute: Option<u64>,
    /// The applied quota, in requests.
    pub requests_per_minute: Option<u64>,
    /// The applied quota, in quota tokens.
    pub tokens_per_day: Option<u64>,
    /// Whether the model has a quota of requests at all; `None` where no rule says.
    pub has_requests_per_minute: Option<bool>,
}

/// One minute with throttles.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MinuteCause {
    /// Which.
    pub minute: UtcMinute,
    /// Attempts in it.
    pub attempts: u64,
    /// Of these throttled.
    pub throttled: u64,
    /// Most quota tokens taken in 60 seconds up to a throttle, with what that asked for; `None` where too few
    /// tokens are known.
    pub tokens: Option<u128>,
    /// Most requests served in 60 seconds up to a throttle, and one.
    pub requests: u128,
    /// What refused.
    pub cause: Cause,
}

/// How much one cause explains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CauseSummary {
    /// What refused.
    pub cause: Cause,
    /// Minutes with such throttles.
    pub minutes: u64,
    /// Throttled attempts in them.
    pub throttled: u64,
}

/// The causes of one key's throttles.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Causes {
    /// Each minute with throttles, in order of time.
    pub minutes: Vec<MinuteCause>,
    /// Cause by cause, the one that explains most throttles first.
    pub summary: Vec<CauseSummary>,
    /// Most quota tokens taken in 60 seconds up to a served call, that one included; `None` where too few tokens
    /// are known.
    pub tokens_served: Option<u128>,
    /// Most requests served in 60 seconds.
    pub requests_served: u128,
    /// Active minutes without a throttle.
    pub minutes_without: u64,
}

impl Causes {
    /// Infers what refused the throttled attempts of one quota.
    #[must_use]
    pub fn of(attempts: &KeyAttempts, charge: &Charge, known: &KnownQuotas, hours: Hours) -> Self {
        if attempts.throttled() == 0 {
            return Causes::default();
        }
        let scale = Scale::of(attempts, charge);
        let served = Served::of(attempts, charge);
        let log = Log::read(attempts, charge, &scale, &served);
        let mut causes = Causes {
            minutes: Vec::new(),
            summary: Vec::new(),
            tokens_served: scale.are_tokens_known.then_some(served.tokens.sliding),
            requests_served: served.requests.sliding,
            minutes_without: log.minutes_without,
        };
        let ceilings = Ceilings {
            tokens: scale.are_tokens_known.then(|| Ceiling::of(served.tokens, known.tokens_per_minute)),
            requests: Ceiling::of(served.requests, known.requests_per_minute),
            has_requests: known.has_requests_per_minute.unwrap_or(true),
            is_comparison_thin: log.minutes_without < COMPARED_MINUTES_MIN,
        };
        let judged = log.minutes.iter().map(|minute| MinuteCause {
            minute: minute.minute,
            attempts: minute.attempts,
            throttled: minute.throttled,
            tokens: scale.are_tokens_known.then_some(minute.tokens.sliding),
            requests: minute.requests.sliding,
            cause: ceilings.judge(minute),
        });
        causes.minutes = judged.collect();
        causes.explain_days(&log, known, hours, &ceilings);
        causes.explain_by_the_told();
        causes.summarise();
        causes
    }

    /// Where a daily quota explains a stretch of a day, it explains each of its minutes.
    fn explain_days(&mut self, log: &Log, known: &KnownQuotas, hours: Hours, ceilings: &Ceilings) {
        for day in &log.days {
            let Some(lockout) = day.lockout else { continue };
            // Without all hours or all tokens the sum of a day says nothing.
            let has_sums = hours == Hours::All && self.tokens_served.is_some();
            let Some(confidence) = daily_confidence(day, &lockout, &log.days, known, has_sums) else {
                continue;
            };
            let is_in = |minute: UtcMinute| (lockout.from..=lockout.to).contains(&minute);
            let low = log
                .minutes
                .iter()
                .filter(|minute| is_in(minute.minute) && !ceilings.is_any_possible(minute))
                .map(|minute| minute.throttled);
            if u128::from(low.sum::<u64>()) * 100 < u128::from(lockout.throttled) * LOCKOUT_PERCENT {
                continue;
            }
            for minute in self.minutes.iter_mut().filter(|minute| is_in(minute.minute)) {
                minute.cause = Cause::Quota(Limit::TokensPerDay, confidence);
            }
        }
    }

    /// Minutes in which tokens and requests were both at their largest, as it is when both rise with the traffic:
    /// the one quota that explains all the others explains them, too.
    fn explain_by_the_told(&mut self) {
        let mut told: BTreeMap<Limit, (u64, u64)> = BTreeMap::new();
        let mut untold = 0;
        for minute in &self.minutes {
            match minute.cause {
                Cause::Quota(limit, confidence)
                    if limit != Limit::TokensPerDay && confidence > Confidence::Low =>
                {
                    let (minutes, throttled) = told.entry(limit).or_default();
                    *minutes += 1;
                    *throttled += minute.throttled;
                }
                Cause::Unknown(Doubt::EitherLimit) => untold += minute.throttled,
                _ => {}
            }
        }
        // Two quotas that both refused at times explain nothing about the rest.
        let (1, Some((&limit, &(minutes, throttled)))) = (told.len(), told.first_key_value()) else { return };
        if minutes < TOLD_MINUTES_MIN {
            return;
        }
        let confidence = if throttled >= untold { Confidence::Medium } else { Confidence::Low };
        for minute in &mut self.minutes {
            if minute.cause == Cause::Unknown(Doubt::EitherLimit) {
                minute.cause = Cause::Quota(limit, confidence);
            }
        }
    }

    fn summarise(&mut self) {
        let mut by_cause: BTreeMap<Cause, (u64, u64)> = BTreeMap::new();
        for minute in &self.minutes {
            let (minutes, throttled) = by_cause.entry(minute.cause).or_default();
            *minutes += 1;
            *throttled += minute.throttled;
        }
        let rows = by_cause.into_iter();
        self.summary =
            rows.map(|(cause, (minutes, throttled))| CauseSummary { cause, minutes, throttled }).collect();
        self.summary.sort_by_key(|row| (Reverse(row.throttled), row.cause));
    }
}

/// What an attempt weighs, where its own record does not say.
struct Scale {
    /// The p90 of what served calls reserved, in quota tokens.
    reserve: u64,
    are_tokens_known: bool,
}

impl Scale {
    fn of(attempts: &KeyAttempts, charge: &Charge) -> Self {
        let (mut successful, mut known) = (0u64, 0u64);
        let mut reserves = Vec::new();
        for attempt in attempts.attempts().filter(|attempt| attempt.ending == Ending::Successful) {
            successful += 1;
            if let Some((reserve, _)) = taken(&attempt, charge) {
                known += 1;
                reserves.push(reserve);
            }
        }
        let rank = (reserves.len() * 9).div_ceil(10);
        let reserve = match rank.checked_sub(1) {
            Some(at) => *reserves.select_nth_unstable(at).1,
            None => 0,
        };
        Scale { reserve, are_tokens_known: known > 0 && known * 10 >= successful * KNOWN_TENTHS }
    }
}

/// What an admitted attempt reserves and settles at, in quota tokens; `None` where its settlement is unknown.
/// Without `max_tokens` or latency nobody knows what it held while it ran: it counts as what it settled at.
fn taken(attempt: &Attempt, charge: &Charge) -> Option<(u64, u64)> {
    let settle = charge.settled(&attempt.tokens)?;
    let is_known = attempt.ending == Ending::Successful && attempt.latency_ms.is_known();
    let reserve = charge.reserved(&attempt.tokens).filter(|_| is_known);
    Some((reserve.unwrap_or(settle), settle))
}

/// What is taken of a quota, in each of three windows.
#[derive(Clone, Copy, Default)]
struct Levels {
    clock: u128,
    sliding: u128,
    bucket: u128,
}

impl Levels {
    fn rise_to(&mut self, other: Levels) {
        self.clock = self.clock.max(other.clock);
        self.sliding = self.sliding.max(other.sliding);
        self.bucket = self.bucket.max(other.bucket);
    }
}

/// The largest levels at calls that were served.
struct Served {
    tokens: Levels,
    requests: Levels,
}

/// Halvings of the range in which the smallest bucket lies: to less than 2 % of its size.
const BUCKET_STEPS: u32 = 6;

impl Served {
    fn of(attempts: &KeyAttempts, charge: &Charge) -> Self {
        let (mut tokens, mut requests) = (Gauge::new(0), Gauge::new(0));
        let mut served = Served { tokens: Levels::default(), requests: Levels::default() };
        for attempt in attempts.attempts().filter(is_admitted) {
            let (reserve, settle) = taken(&attempt, charge).unwrap_or((0, 0));
            tokens.advance(attempt.second);
            requests.advance(attempt.second);
            if attempt.ending == Ending::Successful {
                served.tokens.rise_to(tokens.levels(reserve));
                served.requests.rise_to(requests.levels(1));
            }
            tokens.admit(&attempt, reserve, settle);
            requests.admit(&attempt, 1, 1);
        }
        // A bucket lets through no more than twice its size in 60 seconds, and one as large as the most of any 60
        // seconds lets all through.
        let range = |most: u128| (most / 2, most);
        let (mut tokens, mut requests) = (range(served.tokens.sliding), range(served.requests.sliding));
        for _ in 0..BUCKET_STEPS {
            let middle = |(low, high): (u128, u128)| low + (high - low) / 2;
            let (tokens_fit, requests_fit) = fit_buckets(attempts, charge, middle(tokens), middle(requests));
            for (range, fits) in [(&mut tokens, tokens_fit), (&mut requests, requests_fit)] {
                let middle = middle(*range);
                *(if fits { &mut range.1 } else { &mut range.0 }) = middle;
            }
        }
        // The lower end: a bucket only a little too large fills up unseen while calls are refused for an hour.
        served.tokens.bucket = tokens.0.max(1);
        served.requests.bucket = requests.0.max(1);
        served
    }
}

fn is_admitted(attempt: &Attempt) -> bool {
    attempt.ending != Ending::Throttled
}

/// Whether buckets of these sizes let all served calls through.
fn fit_buckets(attempts: &KeyAttempts, charge: &Charge, tokens: u128, requests: u128) -> (bool, bool) {
    let (mut token_bucket, mut request_bucket) = (Bucket::new(tokens), Bucket::new(requests));
    let (mut tokens_fit, mut requests_fit) = (true, true);
    for attempt in attempts.attempts().filter(is_admitted) {
        let (reserve, settle) = taken(&attempt, charge).unwrap_or((0, 0));
        token_bucket.advance(attempt.second);
        request_bucket.advance(attempt.second);
        token_bucket.admit(reserve, settle, attempt.latency_ms.get().unwrap_or(0));
        request_bucket.admit(1, 1, 0);
        if attempt.ending == Ending::Successful {
            tokens_fit &= token_bucket.taken() <= tokens;
            requests_fit &= request_bucket.taken() <= requests;
        }
        if !tokens_fit && !requests_fit {
            break;
        }
    }
    (tokens_fit, requests_fit)
}

/// What is taken of one quota, in all windows.
struct Gauge {
    held: Held,
    bucket: Bucket,
}

impl Gauge {
    fn new(bucket: u128) -> Self {
        Gauge { held: Held::new(), bucket: Bucket::new(bucket) }
    }

    fn advance(&mut self, second: i64) {
        self.held.advance(second);
        self.bucket.advance(second);
    }

    /// The levels with what one more call asks for.
    fn levels(&self, asked: u64) -> Levels {
        let asked = u128::from(asked);
        Levels {
            clock: self.held.clock() + asked,
            sliding: self.held.sliding() + asked,
            bucket: self.bucket.taken() + asked,
        }
    }

    fn admit(&mut self, attempt: &Attempt, reserve: u64, settle: u64) {
        if attempt.ending == Ending::Successful {
            self.bucket.hold_at_least(reserve);
        }
        let latency_ms = attempt.latency_ms.get().unwrap_or(0);
        self.held.admit(reserve, settle, latency_ms);
        self.bucket.admit(reserve, settle, latency_ms);
    }
}

/// What a run over the attempts leaves.
#[derive(Default)]
struct Log {
    /// Minutes with throttles.
    minutes: Vec<Minute>,
    days: Vec<Day>,
    minutes_without: u64,
}

/// One active minute.
#[derive(Clone, Copy)]
struct Minute {
    minute: UtcMinute,
    attempts: u64,
    throttled: u64,
    /// Largest levels at a throttle.
    tokens: Levels,
    requests: Levels,
}

impl Minute {
    fn new(minute: UtcMinute) -> Self {
        let (tokens, requests) = (Levels::default(), Levels::default());
        Minute { minute, attempts: 0, throttled: 0, tokens, requests }
    }
}

impl Log {
    fn read(attempts: &KeyAttempts, charge: &Charge, scale: &Scale, served: &Served) -> Self {
        let mut log = Log::default();
        let mut tokens = Gauge::new(served.tokens.bucket);
        let mut requests = Gauge::new(served.requests.bucket);
        let mut open: Option<Minute> = None;
        let mut day = OpenDay::default();
        for attempt in attempts.attempts() {
            let name = attempt.minute();
            let minute = match &mut open {
                Some(minute) if minute.minute == name => minute,
                _ => {
                    log.end_minute(open.replace(Minute::new(name)), &mut day);
                    open.get_or_insert(Minute::new(name))
                }
            };
            tokens.advance(attempt.second);
            requests.advance(attempt.second);
            minute.attempts += 1;
            if attempt.ending == Ending::Throttled {
                minute.throttled += 1;
                let asked = charge.reserved(&attempt.tokens).unwrap_or(scale.reserve);
                minute.tokens.rise_to(tokens.levels(asked));
                minute.requests.rise_to(requests.levels(1));
                continue;
            }
            let (reserve, settle) = taken(&attempt, charge).unwrap_or((0, 0));
            tokens.admit(&attempt, reserve, settle);
            requests.admit(&attempt, 1, 1);
            day.settle(name, settle);
        }
        log.end_minute(open, &mut day);
        log.days.extend(day.end());
        log
    }

    fn end_minute(&mut self, minute: Option<Minute>, day: &mut OpenDay) {
        let Some(minute) = minute else { return };
        if minute.throttled > 0 {
            self.minutes.push(minute);
        } else {
            self.minutes_without += 1;
        }
        if let Some(ended) = day.add(minute) {
            self.days.push(ended);
        }
    }
}

/// One UTC day.
#[derive(Clone, Copy)]
struct Day {
    day: UtcDay,
    /// Settled quota tokens.
    settled: u128,
    lockout: Option<Lockout>,
    /// Attempts in the hour after midnight, and those throttled.
    first_hour: (u64, u64),
}

/// A stretch to the end of a day in which nearly everything was refused.
#[derive(Clone, Copy)]
struct Lockout {
    from: UtcMinute,
    to: UtcMinute,
    throttled: u64,
    /// Settled quota tokens of the day up to its first minute, that one included.
    settled_before: u128,
}

/// The day that is being read.
#[derive(Default)]
struct OpenDay {
    /// Its active minutes: attempts, throttled, and settled quota tokens.
    minutes: Vec<(UtcMinute, u64, u64)>,
    settled: BTreeMap<UtcMinute, u128>,
}

impl OpenDay {
    fn settle(&mut self, minute: UtcMinute, settled: u64) {
        *self.settled.entry(minute).or_default() += u128::from(settled);
    }

    /// Adds an ended minute; the day before it, if that is another.
    fn add(&mut self, minute: Minute) -> Option<Day> {
        let is_new = self.minutes.last().is_some_and(|(last, ..)| day_of(*last) != day_of(minute.minute));
        let ended = if is_new { self.end() } else { None };
        self.minutes.push((minute.minute, minute.attempts, minute.throttled));
        ended
    }

    fn end(&mut self) -> Option<Day> {
        let minutes = std::mem::take(&mut self.minutes);
        let day = day_of(minutes.first()?.0);
        // What came after the day's last minute is the next day's.
        let rest = self.settled.split_off(&UtcMinute(day.0.saturating_add(1).saturating_mul(DAY_MINUTES)));
        let settled = std::mem::replace(&mut self.settled, rest);
        let hour_end = UtcMinute(day.0.saturating_mul(DAY_MINUTES).saturating_add(HOUR_MINUTES));
        let first_hour = minutes.iter().filter(|(minute, ..)| *minute < hour_end);
        let first_hour =
            first_hour.fold((0, 0), |sums, (_, attempts, throttled)| (sums.0 + attempts, sums.1 + throttled));
        let lockout = lockout(&minutes).map(|(from, to, throttled)| {
            let before = settled.range(..=from);
            Lockout { from, to, throttled, settled_before: before.map(|(_, settled)| settled).sum() }
        });
        Some(Day { day, settled: settled.values().sum(), lockout, first_hour })
    }
}

const DAY_MINUTES: i64 = 1_440;
const HOUR_MINUTES: i64 = 60;

fn day_of(minute: UtcMinute) -> UtcDay {
    UtcDay(minute.0.div_euclid(DAY_MINUTES))
}

/// The longest stretch to the end of the day's minutes in which at least 90 % were refused: its first and last
/// minute with throttles, and how many.
fn lockout(minutes: &[(UtcMinute, u64, u64)]) -> Option<(UtcMinute, UtcMinute, u64)> {
    let (mut attempts, mut throttled) = (0u64, 0u64);
    let mut longest = None;
    for &(minute, all, refused) in minutes.iter().rev() {
        attempts += all;
        throttled += refused;
        if refused > 0 && u128::from(throttled) * 100 >= u128::from(attempts) * LOCKOUT_PERCENT {
            longest = Some((minute, throttled));
        }
    }
    let (from, throttled) = longest?;
    let to = minutes.iter().rev().find(|(.., refused)| *refused > 0)?.0;
    (to.0 - from.0 >= LOCKOUT_MINUTES_MIN && throttled >= LOCKOUT_THROTTLES_MIN)
        .then_some((from, to, throttled))
}

/// How sure it is that a daily quota locked out; `None` where something speaks against it.
fn daily_confidence(
    day: &Day,
    lockout: &Lockout,
    days: &[Day],
    known: &KnownQuotas,
    has_sums: bool,
) -> Option<Confidence> {
    let next = days.iter().find(|next| next.day.0 == day.day.0.saturating_add(1));
    let (attempts, throttled) = next.map_or((0, 0), |next| next.first_hour);
    if attempts > 0 && throttled * 2 >= attempts {
        return None;
    }
    let mut confidence = if attempts > 0 { Confidence::Medium } else { Confidence::Low };
    if !has_sums {
        return Some(confidence);
    }
    // An estimate must not fail on a rounding: 10 % to either side.
    let level = lockout.settled_before;
    if let Some(quota) = known.tokens_per_day {
        let is_reached = level.saturating_mul(100) >= u128::from(quota) * POSSIBLE_PERCENT;
        return is_reached.then_some(Confidence::High);
    }
    let others = || days.iter().filter(|other| other.day != day.day);
    let passed = |sum: u128| sum.saturating_mul(10) > level.saturating_mul(11);
    if level == 0 || others().any(|other| passed(other.lockout.map_or(other.settled, |l| l.settled_before))) {
        return None;
    }
    let is_near = |sum: u128| !passed(sum) && level.saturating_mul(10) <= sum.saturating_mul(11);
    if others().any(|other| other.lockout.is_some_and(|other| is_near(other.settled_before))) {
        confidence = Confidence::High;
    }
    Some(confidence)
}

/// How well one minute quota fits as the cause.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fit {
    Excluded,
    Unlikely,
    /// At the most that was ever served.
    Possible,
    /// At the applied quota.
    Likely,
}

/// What levels are held against.
struct Ceilings {
    /// `None` where too few tokens are known.
    tokens: Option<Ceiling>,
    requests: Ceiling,
    has_requests: bool,
    is_comparison_thin: bool,
}

#[derive(Clone, Copy)]
enum Ceiling {
    Applied(u128),
    Served(Levels),
}

impl Ceiling {
    fn of(served: Levels, applied: Option<u64>) -> Self {
        match applied.map(u128::from) {
            // No window lets through more than twice its quota in a minute: the log is of another time.
            Some(quota) if served.clock <= quota.saturating_mul(2) => Ceiling::Applied(quota),
            _ => Ceiling::Served(served),
        }
    }

    fn fit(self, level: Levels) -> Fit {
        let reaches = |level: u128, ceiling: u128, percent| {
            level.saturating_mul(100) >= ceiling.saturating_mul(percent)
        };
        let reaches_any = |percent| match self {
            // In every window it is more than the quota in 60 seconds that is refused.
            Ceiling::Applied(quota) => reaches(level.sliding, quota, percent),
            Ceiling::Served(served) => {
                reaches(level.clock, served.clock, percent)
                    || reaches(level.sliding, served.sliding, percent)
                    || reaches(level.bucket, served.bucket, percent)
            }
        };
        match self {
            Ceiling::Applied(_) if reaches_any(POSSIBLE_PERCENT) => Fit::Likely,
            Ceiling::Served(_) if reaches_any(POSSIBLE_PERCENT) => Fit::Possible,
            _ if reaches_any(EXCLUDED_PERCENT) => Fit::Unlikely,
            _ => Fit::Excluded,
        }
    }
}

impl Ceilings {
    fn fits(&self, minute: &Minute) -> (Option<Fit>, Fit) {
        let tokens = self.tokens.map(|ceiling| ceiling.fit(minute.tokens));
        (tokens, if self.has_requests { self.requests.fit(minute.requests) } else { Fit::Excluded })
    }

    fn is_any_possible(&self, minute: &Minute) -> bool {
        let (tokens, requests) = self.fits(minute);
        tokens.is_some_and(|fit| fit >= Fit::Possible) || requests >= Fit::Possible
    }

    fn judge(&self, minute: &Minute) -> Cause {
        let (tokens, requests) = self.fits(minute);
        let Some(tokens) = tokens else {
            return match requests {
                Fit::Likely => Cause::Quota(Limit::RequestsPerMinute, Confidence::Medium),
                _ => Cause::Unknown(Doubt::TokensUnknown),
            };
        };
        let (limit, own, other) = match tokens.cmp(&requests) {
            Ordering::Greater => (Limit::TokensPerMinute, tokens, requests),
            Ordering::Less => (Limit::RequestsPerMinute, requests, tokens),
            Ordering::Equal if tokens >= Fit::Possible => return Cause::Unknown(Doubt::EitherLimit),
            Ordering::Equal => return Cause::Unknown(Doubt::LowUse),
        };
        // The margin is for refused calls of unknown size, and a request is one request: fewer than were served at
        // other times are no reason to refuse one.
        if limit == Limit::RequestsPerMinute && own == Fit::Unlikely {
            return Cause::Unknown(Doubt::LowUse);
        }
        let confidence = match (own, other) {
            // Beside an applied quota that alone is reached it does not matter how much there is to compare with.
            (Fit::Likely, Fit::Unlikely | Fit::Excluded) => return Cause::Quota(limit, Confidence::High),
            (Fit::Likely, _) => Confidence::Medium,
            (Fit::Possible, Fit::Excluded) => Confidence::High,
            (Fit::Possible, _) => Confidence::Medium,
            _ => Confidence::Low,
        };
        Cause::Quota(limit, if self.is_comparison_thin { confidence.lowered() } else { confidence })
    }
}
