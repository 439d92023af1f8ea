//! Why, who, what to do: the three lines of a report, about the quota that fared worst.
//!
//! In: the book of a run, mostly its worst hours, and what calls are charged. Out: [`Findings`], plain data.
//! Always: every finding carries the figures it rests on and says which hours it is from; the same attempts give
//! the same findings, whatever order they came in. Absent: a cause where no throttle is logged; a remedy where
//! nothing was throttled and no reservation is wasted strongly. A remedy that rests on more than the log is
//! marked as a suggestion.

use std::cmp::Reverse;
use std::sync::Arc;

use borehole_record::Scope;
use borehole_usage::Charge;
use borehole_usage::figures::Ratio;

use super::cause::{Cause, CauseSummary, Causes, Doubt, Hours, KnownQuotas, MinuteCause};
use super::groups::{Grouping, Who};
use super::minutes::{Load, WorstMinute};
use super::reservations::Cap;
use super::retries::CallerRetries;
use super::{Attribution, CallerShare};
use crate::book::{AttemptBook, KeyAttempts};
use crate::key::QuotaKey;
use crate::rules::Limit;

/// A cap is worth its trouble where it frees this part of all reservations, in percent, and throttles are logged.
const FREES_PERCENT: u128 = 20;
/// Without throttles it is mentioned where it frees this part.
const FREES_PERCENT_UNTHROTTLED: u128 = 50;
/// Traffic comes in bursts where its busiest second is this many times as dense as its minute: a sixth of the
/// minute in one second. Independent calls of unequal size stay well below.
const BURST_FACTOR: u128 = 10;
/// Fewest attempts of a minute whose seconds are worth comparing: one a second.
const BURST_ATTEMPTS_MIN: u64 = 60;
/// Average prompt from which caching is worth a thought, in tokens: most models cache no shorter prefix than 1,024
/// to 4,096 tokens.
const CACHED_PROMPT_MIN: u128 = 4_096;
/// Requests of one caller that make it likely that prompts repeat.
const CACHED_REQUESTS_MIN: u64 = 100;
/// Part of the settled tokens, in percent, that must be input: caching helps no output.
const CACHED_INPUT_PERCENT: u128 = 50;
/// A neighbour is noisy where its part of the worst minutes is this many times its part in all …
const NOISY_FACTOR: u128 = 2;
/// … and at least this, in percent.
const NOISY_PERCENT: u128 = 25;

/// What a report says about quotas in three lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Findings {
    /// The hours that all of this is from.
    pub basis: Hours,
    /// The quota that all of this is about: the one with the most throttles, else with the largest minute of raw
    /// tokens. `None` where there is no attempt at all.
    pub key: Option<QuotaKey>,
    /// Which quota throttled; `None` where no throttle is logged.
    pub why: Option<Why>,
    /// Who is behind the worst minutes.
    pub who: Option<Behind>,
    /// What helps, the cheapest first; empty where nothing needs to.
    pub fixes: Vec<Fix>,
}

/// Which quota throttled. Throttles in a log are a lower bound.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Why {
    /// Attempts.
    pub attempts: u64,
    /// Of these throttled.
    pub throttled: u64,
    /// What explains most of them, with the confidence that most of these have.
    pub cause: Cause,
    /// Throttles that it explains, at whatever confidence.
    pub explained: u64,
    /// Cause by cause, the one that explains most first.
    pub causes: Vec<CauseSummary>,
    /// The minute with the most throttles of that cause; the earliest of equals.
    pub worst: MinuteCause,
    /// Most quota tokens taken in a minute up to a served call; `None` where too few tokens are known.
    pub tokens_served: Option<u128>,
    /// Most requests served in a minute.
    pub requests_served: u128,
    /// Other quotas with throttles.
    pub other_keys: u64,
    /// Their throttles.
    pub other_throttled: u64,
}

/// The caller behind the worst minutes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Behind {
    /// What callers are told apart by: identities, or roles where one role's many sessions share the load.
    pub by: Who,
    /// Its share; `who` in it is `None` for all whom the log does not name.
    pub share: CallerShare,
    /// Its part of the worst minutes is much more than its part in all.
    pub is_noisy: bool,
    /// How many callers there are.
    pub callers: u64,
    /// What load is measured in.
    pub load: Load,
    /// The worst minutes, the worst first; never empty.
    pub worst_minutes: Vec<WorstMinute>,
    /// Its retries after throttles, an estimate; `None` where it was not throttled.
    pub retries: Option<CallerRetries>,
}

/// Something that helps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fix {
    /// Name `max_tokens` where requests leave it open.
    SetMaxTokens(Cap),
    /// Lower `max_tokens`.
    CapMaxTokens(Cap),
    /// Spread what comes within a second.
    SpreadBursts(WorstMinute),
    /// Cache prompts: a suggestion, since no log says whether they repeat.
    Cache(CacheHint),
    /// Call the model's global profile, whose quota is another one.
    GlobalScope {
        /// The log has calls of it, from this account and Region, and none of them was throttled; else a
        /// suggestion, for nobody here knows whether the model has one.
        is_used: bool,
    },
    /// Hold use against the applied quota first: the log does not show what throttled.
    CompareApplied,
    /// Ask for an increase.
    Increase {
        /// Of which quota; `None` where the cause is unknown.
        limit: Option<Limit>,
    },
}

impl Fix {
    /// The word in a report.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Fix::SetMaxTokens(_) => "set_max_tokens",
            Fix::CapMaxTokens(_) => "cap_max_tokens",
            Fix::SpreadBursts(_) => "spread_bursts",
            Fix::Cache(_) => "cache_prompts",
            Fix::GlobalScope { .. } => "global_scope",
            Fix::CompareApplied => "compare_applied_quota",
            Fix::Increase { .. } => "increase",
        }
    }

    /// Whether it rests on more than the log says.
    #[must_use]
    pub fn is_suggestion(&self) -> bool {
        matches!(self, Fix::Cache(_) | Fix::GlobalScope { is_used: false })
    }
}

/// Why caching is suggested.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CacheHint {
    /// Successful requests with known input; none read from a cache.
    pub requests: u64,
    /// Their average prompt, in tokens.
    pub average_prompt: Ratio,
    /// Input over all settled quota tokens: no more than this can be saved.
    pub input_share: Ratio,
    /// The caller with the most requests.
    pub caller: Option<Arc<str>>,
    /// How many it sent.
    pub caller_requests: u64,
}

impl Findings {
    /// Finds what a run's book says. `charge_of` gives what calls on a quota are charged at a time in UTC seconds;
    /// it is asked for the time of the last attempt.
    #[must_use]
    pub fn of(book: &AttemptBook, charge_of: impl Fn(&QuotaKey, i64) -> Charge) -> Self {
        Self::with_known(book, charge_of, |_| KnownQuotas::default())
    }

    /// The same, with what is known of each quota from elsewhere.
    #[must_use]
    pub fn with_known(
        book: &AttemptBook,
        charge_of: impl Fn(&QuotaKey, i64) -> Charge,
        known_of: impl Fn(&QuotaKey) -> KnownQuotas,
    ) -> Self {
        let basis = Hours::from(book.keep());
        let worst = book.keys().min_by_key(|(key, attempts)| {
            (Reverse((attempts.throttled(), attempts.busiest_minute(), attempts.count())), *key)
        });
        let Some((key, attempts)) = worst else {
            return Findings { basis, key: None, why: None, who: None, fixes: Vec::new() };
        };
        let last = attempts.attempts().last().map_or(0, |attempt| attempt.second);
        let charge = charge_of(key, last);
        let causes = Causes::of(attempts, &charge, &known_of(key), basis);
        let by_identity = Attribution::of(attempts, book.callers(), &charge, Who::Identity);
        let why = why(book, key, attempts, &causes);
        let who = behind(&by_identity, attempts, book, &charge);
        let fixes = fixes(book, key, &by_identity, why.as_ref());
        Findings { basis, key: Some(key.clone()), why, who, fixes }
    }
}

fn why(book: &AttemptBook, key: &QuotaKey, attempts: &KeyAttempts, causes: &Causes) -> Option<Why> {
    // Rows of one quota at several confidences speak for the same quota.
    let same = |a: Cause, b: Cause| match (a, b) {
        (Cause::Quota(a, _), Cause::Quota(b, _)) => a == b,
        (a, b) => a == b,
    };
    let explained = |cause| -> u64 {
        let rows = causes.summary.iter().filter(|row| same(row.cause, cause));
        rows.map(|row| row.throttled).sum()
    };
    // Of equals the first: the rows are in order of throttles.
    let main = causes.summary.iter().rev().max_by_key(|row| explained(row.cause))?.cause;
    let main = causes.summary.iter().find(|row| same(row.cause, main))?.cause;
    let minutes = causes.minutes.iter().filter(|minute| same(minute.cause, main));
    let worst = minutes.min_by_key(|minute| (Reverse(minute.throttled), minute.minute))?;
    let others = || book.keys().filter(|(other, attempts)| *other != key && attempts.throttled() > 0);
    Some(Why {
        attempts: attempts.count(),
        throttled: attempts.throttled(),
        cause: main,
        explained: explained(main),
        causes: causes.summary.clone(),
        worst: *worst,
        tokens_served: causes.tokens_served,
        requests_served: causes.requests_served,
        other_keys: others().count() as u64,
        other_throttled: others().map(|(_, attempts)| attempts.throttled()).sum(),
    })
}

fn behind(
    by_identity: &Attribution,
    attempts: &KeyAttempts,
    book: &AttemptBook,
    charge: &Charge,
) -> Option<Behind> {
    let identity = by_identity.shares.first()?;
    // A service that runs as many sessions of one role is one caller to whoever has to talk to it.
    let roles = Grouping::new(book.callers(), Who::Role);
    let by_role = Attribution::by(&roles, attempts, charge);
    let role = by_role.shares.iter().find(|role| role.who.is_some());
    let is_split = |role: &&CallerShare| role.load_in_worst / 2 >= identity.load_in_worst.max(1);
    let (attribution, share) = match role.filter(is_split) {
        Some(role) => (&by_role, role),
        None => (by_identity, identity),
    };
    if attribution.worst_minutes.is_empty() {
        return None;
    }
    let peak = share.share_in_worst?;
    let is_noisy = attribution.shares.len() > 1
        && at_least(peak, NOISY_PERCENT)
        && is_times(share.load_in_worst, attribution.load_in_worst, share.load, attribution.load_sum);
    Some(Behind {
        by: attribution.who,
        share: share.clone(),
        is_noisy,
        callers: attribution.shares.len() as u64,
        load: attribution.load,
        worst_minutes: attribution.worst_minutes.clone(),
        retries: attribution.retries.iter().find(|row| row.who == share.who).cloned(),
    })
}

fn at_least(part: Ratio, percent: u128) -> bool {
    part.numerator.saturating_mul(100) >= part.denominator.saturating_mul(percent)
}

/// Whether `part / whole` is at least [`NOISY_FACTOR`] times `other_part / other_whole`.
fn is_times(part: u128, whole: u128, other_part: u128, other_whole: u128) -> bool {
    part.saturating_mul(other_whole) >= other_part.saturating_mul(whole).saturating_mul(NOISY_FACTOR)
}

/// What helps, the cheapest first: settings, then code, then somebody else's decision.
fn fixes(book: &AttemptBook, key: &QuotaKey, attribution: &Attribution, why: Option<&Why>) -> Vec<Fix> {
    let mut fixes = Vec::new();
    let cause = why.map(|why| why.cause);
    let limit = match cause {
        Some(Cause::Quota(limit, _)) => Some(limit),
        _ => None,
    };
    // Reservations are taken by the quota of a minute's tokens only.
    if limit.is_none_or(|limit| limit == Limit::TokensPerMinute) {
        let percent = if why.is_some() { FREES_PERCENT } else { FREES_PERCENT_UNTHROTTLED };
        let cap = attribution.reservations.cap.clone();
        let cap = cap.filter(|cap| cap.frees.saturating_mul(100) >= cap.reserved.saturating_mul(percent));
        fixes.extend(cap.map(|cap| {
            let is_mostly_unset = cap.frees_unset.saturating_mul(2) >= cap.frees;
            if is_mostly_unset { Fix::SetMaxTokens(cap) } else { Fix::CapMaxTokens(cap) }
        }));
    }
    let Some(cause) = cause else { return fixes };
    if limit != Some(Limit::TokensPerDay) {
        fixes.extend(burst(attribution).map(Fix::SpreadBursts));
    }
    if limit != Some(Limit::RequestsPerMinute) {
        fixes.extend(cache_hint(attribution).map(Fix::Cache));
    }
    let global = QuotaKey { scope: Scope::Global, ..key.clone() };
    let is_used = book.get(&global).is_some_and(|global| global.throttled() == 0);
    let can_go_global = matches!(key.scope, Scope::OnDemand | Scope::Geo);
    if can_go_global && is_used {
        fixes.push(Fix::GlobalScope { is_used });
    }
    match cause {
        Cause::Quota(..) => {}
        Cause::Unknown(Doubt::LowUse) => fixes.insert(0, Fix::CompareApplied),
        Cause::Unknown(_) => fixes.push(Fix::CompareApplied),
    }
    fixes.push(Fix::Increase { limit });
    // Where the global profile is throttled, too, it is no way out.
    if key.scope == Scope::Geo && book.get(&global).is_none() {
        fixes.push(Fix::GlobalScope { is_used });
    }
    fixes
}

/// The worst minute, if it came in bursts.
fn burst(attribution: &Attribution) -> Option<WorstMinute> {
    let worst = attribution.worst_minutes.first()?;
    let dense = worst.busiest_second.saturating_mul(60) >= worst.load.saturating_mul(BURST_FACTOR);
    (dense && worst.attempts >= BURST_ATTEMPTS_MIN).then_some(*worst)
}

fn cache_hint(attribution: &Attribution) -> Option<CacheHint> {
    let cache = &attribution.cache;
    let prompt = cache.uncached + cache.cache_write;
    let average_prompt = Ratio::new(prompt, u128::from(cache.requests))?;
    let input_share = Ratio::new(prompt, cache.settled)?;
    let busiest = attribution
        .shares
        .iter()
        .max_by(|a, b| a.attempts.cmp(&b.attempts).then_with(|| b.who.cmp(&a.who)))?;
    let sent = busiest.attempts - busiest.throttled;
    let helps = cache.cache_read == 0
        && prompt >= CACHED_PROMPT_MIN.saturating_mul(u128::from(cache.requests))
        && sent >= CACHED_REQUESTS_MIN
        && cache.settled_known == cache.requests
        && at_least(input_share, CACHED_INPUT_PERCENT);
    helps.then(|| CacheHint {
        requests: cache.requests,
        average_prompt,
        input_share,
        caller: busiest.who.clone(),
        caller_requests: sent,
    })
}
