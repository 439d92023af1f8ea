//! What `borehole quota` says: the smallest quota that would have been enough, by key, as JSON and as text.
//!
//! In: studies of quotas, who made the attempts. Out: a [`QuotaReport`], whose serde form is the contract
//! `borehole.quota/1`, and text of it. Always: both say the same; an estimate is called one, a bound is called
//! one; an unknown is absent. Absent: any figure computed here.

use std::sync::Arc;

use borehole_quota::applied::AppliedQuota;
use borehole_quota::attribution::{self, Attribution, Cause, CauseSummary, Causes};
use borehole_quota::demand::Estimate;
use borehole_quota::replay::Window;
use borehole_quota::rules::{Limit, Ruled};
use borehole_quota::study::{Change, KeyStudy, Knowledge, Need, Remedy, Trial};
use borehole_quota::{Callers, QuotaKey, Share};
use borehole_record::{Scope, Timestamp};
use borehole_usage::figures::Ratio;
use serde::Serialize;

use crate::decimal::Decimal;
use crate::findings::Key;
use crate::model::{Range, RunInfo};
use crate::text::TextStyle;

mod page;

/// Callers that are named for one trial.
const CALLERS_MAX: usize = 5;
/// Minutes that are named for one trial.
const MINUTES_MAX: usize = 5;
/// Callers that are named in each list of an attribution; JSON and text alike, since there may be 100,000.
const SHARES_MAX: usize = 20;

/// A whole answer.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct QuotaReport {
    /// The version of the contract: `borehole.quota/1`.
    pub schema: &'static str,
    /// Everything that was listed was counted, or was set aside by design.
    pub complete: bool,
    /// What the figures are about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// The moment whose rules were counted by, RFC 3339.
    pub rules_at: String,
    /// Most requests that may be throttled, 0…1.
    pub target: Decimal,
    /// Expected growth, as a part of what is.
    pub growth: Decimal,
    /// What is added for safety, likewise.
    pub margin: Decimal,
    /// What was changed before anything was counted, in words; empty where nothing was.
    pub what_if: Vec<String>,
    /// One entry per quota, most attempts first.
    pub quotas: Vec<Quota>,
    /// What varies from run to run.
    pub run: RunInfo,
}

/// One quota.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Quota {
    /// Where it lives.
    pub key: Key,
    /// What its model's calls are charged.
    pub charge: ChargeOf,
    /// Attempts, as logged.
    pub attempted: u64,
    /// Of these throttled: a lower bound.
    pub throttled: u64,
    /// How much is known.
    pub known: Known,
    /// Quota tokens per minute; absent where no rule names the model's rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<NeedOf>,
    /// Requests per minute; absent where the model has no such quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<NeedOf>,
    /// Settled quota tokens of a day; absent where no rule names the model's rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<Day>,
    /// What changes would need.
    pub what_ifs: Vec<WhatIfOf>,
    /// Answers that the asked what-if would have cut.
    #[serde(skip_serializing_if = "is_zero")]
    pub cut: u64,
    /// What the asked quota would have refused, by window.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trials: Vec<TrialOf>,
    /// The applied quotas.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub applied: Vec<Applied>,
    /// Who and what is behind the load, as logged; absent where a what-if made one quota of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribution: Option<AttributionOf>,
}

/// Who and what is behind the load of a quota.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct AttributionOf {
    /// What callers are told apart by: `identity`, `role`, `session`, `tag`.
    pub by: &'static str,
    /// What load is measured in here: `reserved_tokens`, `settled_tokens`, `raw_tokens` or `requests`.
    pub load: &'static str,
    /// The minutes with the largest load, the worst first, RFC 3339.
    pub worst_minutes: Vec<String>,
    /// How many callers there are.
    pub callers: u64,
    /// The callers with the largest part of the worst minutes, at most 20.
    pub shares: Vec<ShareOf>,
    /// Which quota throttled, inferred: the cause that explains most first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub throttled_by: Vec<ThrottledBy>,
    /// What was reserved and never used.
    pub reservations: ReservationsOf,
    /// What caching did.
    pub cache: CacheOf,
    /// Who tried again after throttles, an estimate; at most 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retries: Vec<RetriesOf>,
}

/// One caller's part.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ShareOf {
    /// Who; absent for all whom the log does not name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Attempts.
    pub attempted: u64,
    /// Of these throttled.
    pub throttled: u64,
    /// Settled quota tokens, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled: Option<u128>,
    /// Part of the load in all, 0…1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Decimal>,
    /// Part of the load of the worst minutes, 0…1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_in_worst: Option<Decimal>,
}

/// How many throttles one cause explains.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ThrottledBy {
    /// `tokens_per_minute`, `requests_per_minute`, `tokens_per_day` or `unknown`.
    pub quota: String,
    /// `low`, `medium` or `high`; absent where the cause is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<&'static str>,
    /// Why it is unknown: `either_limit`, `low_use`, `tokens_unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt: Option<&'static str>,
    /// Throttled attempts.
    pub throttled: u64,
    /// Minutes with them.
    pub minutes: u64,
}

/// Reservations and what of them was used, in quota tokens.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ReservationsOf {
    /// Answers with known reservation and output.
    pub answers: u64,
    /// What they reserved.
    pub reserved: u128,
    /// What of it was not used.
    pub unused: u128,
    /// The callers who could set `max_tokens` better, the most unused first; at most 20.
    pub callers: Vec<CallerReservationsOf>,
}

/// How one caller sets `max_tokens`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CallerReservationsOf {
    /// Who; absent for all whom the log does not name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Answers with known reservation and output.
    pub answers: u64,
    /// Of these without `max_tokens`.
    pub unset: u64,
    /// Of these with `max_tokens` over 4 × `output_p99`.
    pub oversized: u64,
    /// The caller's 99th percentile of output, in tokens.
    pub output_p99: u64,
    /// Quota tokens reserved and not used.
    pub unused: u128,
}

/// What caching did.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CacheOf {
    /// Cache reads over the whole prompt, 0…1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hit_rate: Option<Decimal>,
    /// Quota tokens that caching saved, settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saved: Option<u128>,
    /// What the same calls would have settled at without it, in quota tokens.
    pub settled_without_cache: u128,
}

/// One caller's retries: an estimate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RetriesOf {
    /// Who; absent for all whom the log does not name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Throttled attempts.
    pub throttled: u64,
    /// Attempts within 60 s after a throttle of the same caller.
    pub retries: u64,
    /// Of these throttled again.
    pub throttled_again: u64,
    /// Most of these in a row.
    pub longest_run: u64,
}

/// The rates, and where they are from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ChargeOf {
    /// Quota tokens per output token; absent where no rule names the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burndown: Option<u32>,
    /// Where that is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burndown_source: Option<String>,
    /// Reserved where a request names no `max_tokens`, in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// Whether `inputTokenCount` holds cached tokens.
    pub input_includes_cache: bool,
    /// Whether reservations hold cache reads.
    pub reserves_cache_reads: bool,
}

/// How much is known, in requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Known {
    /// Successful requests.
    pub successful: u64,
    /// Of these with unknown tokens: they count as 0.
    pub unknown: u64,
    /// Of these counted at what they settled alone.
    pub settled_only: u64,
    /// Of these without `max_tokens`: the model's maximum was reserved.
    pub max_tokens_unset: u64,
    /// Throttled attempts that were joined to a later success.
    pub joined: u64,
    /// Throttled attempts with imputed tokens.
    pub imputed: u64,
    /// Throttled attempts for which nothing could be imputed.
    pub not_imputed: u64,
}

/// What is needed of one measure.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct NeedOf {
    /// Median of the active minutes as logged.
    pub steady: u64,
    /// Largest minute as logged.
    pub peak: u64,
    /// When, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_minute: Option<String>,
    /// Steady, grown, with margin, rounded up to two digits.
    pub requested_steady: u64,
    /// The largest of the windows' answers to the demand as logged and the likely one, grown, with margin, rounded up
    /// to two digits.
    pub requested_peak: u64,
    /// The smallest quota that meets the target, by demand and window.
    pub enough: Vec<Answer>,
}

/// One answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Answer {
    /// `logged_only`, `likely` or `high`.
    pub demand: &'static str,
    /// `bucket`, `clock_minute` or `sliding`.
    pub window: &'static str,
    /// The smallest quota that meets the target, as every larger one tried does.
    pub quota: u64,
    /// Requests that it refuses.
    pub refused: u64,
    /// Logical requests.
    pub of: u64,
    /// The smallest quota where refused requests consume, too.
    pub offered: u64,
}

/// Settled quota tokens of a day.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Day {
    /// The largest UTC day.
    pub peak: u64,
    /// Which, RFC 3339 of its start.
    pub peak_day: String,
    /// The largest sum over 1,440 consecutive minutes.
    pub rolling_24h: u64,
    /// The first active minute of those, RFC 3339.
    pub rolling_24h_start: String,
}

/// What a change would need.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct WhatIfOf {
    /// `cap_max_tokens`, `no_cache` or `without_caller`.
    pub change: &'static str,
    /// The cap, in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// The caller who is gone, with `without_caller`; absent for those whom the log does not name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// Largest of the windows' answers to the likely demand, in TPM, before growth and margin.
    pub tokens_per_minute: u64,
    /// The same without the change.
    pub unchanged: u64,
    /// Answers that it would have cut.
    pub cut: u64,
    /// Which part of the successful requests that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_share: Option<Decimal>,
}

/// What a given quota would have refused.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TrialOf {
    /// How the window moves.
    pub window: &'static str,
    /// Requests refused.
    pub refused: u64,
    /// Of these for requests per minute alone.
    pub refused_by_requests: u64,
    /// Logical requests.
    pub of: u64,
    /// Minutes with a refusal.
    pub minutes: u64,
    /// Of these with throttles in the log, too: how well the model fits.
    pub minutes_also_logged: u64,
    /// The worst minutes, most first.
    pub worst_minutes: Vec<MinuteCount>,
    /// The callers who were refused, most first.
    pub callers: Vec<CallerCount>,
}

/// Requests in a minute.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct MinuteCount {
    /// RFC 3339.
    pub minute: String,
    /// Requests.
    pub requests: u64,
}

/// Requests of a caller.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct CallerCount {
    /// `identity.arn`; absent where the log names nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Requests.
    pub requests: u64,
}

/// An applied quota, and how much of it is used.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Applied {
    /// `tokens_per_minute`, `requests_per_minute` or `tokens_per_day`.
    pub limit: &'static str,
    /// As Service Quotas spells it.
    pub name: String,
    /// `L-…`.
    pub code: String,
    /// The value, as Service Quotas has it.
    pub value: u64,
    /// What calls of this scope may use of it: twice the value for geo calls, where the quota's name says so.
    pub usable: u64,
    /// Whether an increase can be asked for.
    pub adjustable: bool,
    /// The peak over what is usable; absent for a value of 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_use: Option<Decimal>,
    /// What is needed over it, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub need: Option<Decimal>,
}

/// A quota's study, and who and what is behind its load.
#[derive(Clone, Debug)]
pub struct Studied {
    /// The study.
    pub study: KeyStudy,
    /// The attribution and the causes of throttles; `None` where a what-if made one quota of several.
    pub attribution: Option<(Attribution, Causes)>,
}

/// What a report says beside its studies.
#[derive(Clone, Debug)]
pub struct Context {
    /// Whether nothing is missing.
    pub complete: bool,
    /// What the figures are about.
    pub range: Option<Range>,
    /// The moment whose rules were counted by.
    pub rules_at: Timestamp,
    /// Most requests that may be throttled.
    pub target: Share,
    /// Expected growth.
    pub growth: Share,
    /// What is added for safety.
    pub margin: Share,
    /// What was changed, in words.
    pub what_if: Vec<String>,
    /// What varies by run.
    pub run: RunInfo,
}

impl QuotaReport {
    /// The report of these studies, most attempts first.
    #[must_use]
    pub fn new(studies: &[Studied], callers: &Callers, context: Context) -> QuotaReport {
        let mut quotas: Vec<Quota> = studies.iter().map(|studied| quota(studied, callers)).collect();
        // The sort is stable: equal ones stay in the order of their keys.
        quotas.sort_by_key(|quota| std::cmp::Reverse(quota.attempted));
        QuotaReport {
            schema: "borehole.quota/1",
            complete: context.complete,
            range: context.range,
            rules_at: context.rules_at.to_string(),
            target: part(context.target),
            growth: part(context.growth),
            margin: part(context.margin),
            what_if: context.what_if,
            quotas,
            run: context.run,
        }
    }

    /// The report as JSON.
    #[must_use]
    pub fn json(&self) -> String {
        crate::json::pretty(self)
    }

    /// The report for people.
    #[must_use]
    pub fn text(&self, style: &TextStyle) -> String {
        page::render(self, style)
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn part(share: Share) -> Decimal {
    Decimal::from(Ratio { numerator: u128::from(share.millionths()), denominator: 1_000_000 })
}

fn quotient(part: u64, whole: u64) -> Option<Decimal> {
    Ratio::new(u128::from(part), u128::from(whole)).map(Decimal::from)
}

fn quota(studied: &Studied, callers: &Callers) -> Quota {
    let study = &studied.study;
    let QuotaKey { account, region, model, scope } = &study.key;
    let Knowledge { successful, unknown, settled_only, max_tokens_unset, joined, imputed, not_imputed } =
        study.knowledge;
    let day = study.day_peak.zip(study.rolling_day_peak).filter(|_| study.charge.burndown.is_some());
    let need_tokens = study.tokens.as_ref().map(|need| (need.peak, need.requested_peak));
    let need_requests = study.requests.as_ref().map(|need| (need.peak, need.requested_peak));
    let need_day = day.map(|((_, peak), (_, rolling))| (peak, peak.max(rolling)));
    let applied = [
        (limit_word(Limit::TokensPerMinute), &study.applied_tpm, need_tokens),
        (limit_word(Limit::RequestsPerMinute), &study.applied_rpm, need_requests),
        (limit_word(Limit::TokensPerDay), &study.applied_tpd, need_day),
    ];
    Quota {
        key: Key {
            account: account.as_deref().map(str::to_owned),
            region: region.as_deref().map(str::to_owned),
            model: model.to_string(),
            scope: scope.as_str().to_owned(),
        },
        charge: ChargeOf {
            burndown: study.charge.burndown,
            burndown_source: study.rules.burndown.as_ref().map(|row: &Ruled<u32>| row.source.clone()),
            max_output_tokens: study.charge.max_output_tokens,
            input_includes_cache: study.charge.input_includes_cache,
            reserves_cache_reads: study.charge.reserves_cache_reads,
        },
        attempted: study.attempted,
        throttled: study.throttled,
        known: Known { successful, unknown, settled_only, max_tokens_unset, joined, imputed, not_imputed },
        tokens_per_minute: study.tokens.as_ref().map(need),
        requests_per_minute: study.requests.as_ref().map(need),
        tokens_per_day: day.map(|((day, peak), (minute, rolling))| Day {
            peak,
            peak_day: day.to_string(),
            rolling_24h: rolling,
            rolling_24h_start: minute.to_string(),
        }),
        what_ifs: study.remedies.iter().map(|remedy| what_if(remedy, callers)).collect(),
        cut: study.cut,
        trials: study.trials.iter().map(|trial| trial_of(trial, callers)).collect(),
        applied: applied
            .into_iter()
            .filter_map(|(limit, quota, need)| Some(applied_of(limit, quota.as_ref()?, need, *scope)))
            .collect(),
        attribution: studied
            .attribution
            .as_ref()
            .map(|(attribution, causes)| attribution_of(attribution, causes)),
    }
}

fn attribution_of(attribution: &Attribution, causes: &Causes) -> AttributionOf {
    let name = |who: &Option<Arc<str>>| who.as_deref().map(str::to_owned);
    let share = |row: &attribution::CallerShare| ShareOf {
        who: name(&row.who),
        attempted: row.attempts,
        throttled: row.throttled,
        settled: row.settled,
        share: row.share.map(Decimal::from),
        share_in_worst: row.share_in_worst.map(Decimal::from),
    };
    let caller = |row: &attribution::CallerReservations| CallerReservationsOf {
        who: name(&row.who),
        answers: row.answers,
        unset: row.unset,
        oversized: row.oversized,
        output_p99: row.output_p99,
        unused: row.unused,
    };
    let retries = |row: &attribution::CallerRetries| RetriesOf {
        who: name(&row.who),
        throttled: row.throttled,
        retries: row.retries,
        throttled_again: row.throttled_again,
        longest_run: row.longest_run,
    };
    let reservations = &attribution.reservations;
    AttributionOf {
        by: attribution.who.as_str(),
        load: attribution.load.as_str(),
        worst_minutes: attribution.worst_minutes.iter().map(|worst| worst.minute.to_string()).collect(),
        callers: attribution.shares.len() as u64,
        shares: attribution.shares.iter().take(SHARES_MAX).map(share).collect(),
        throttled_by: causes.summary.iter().map(throttled_by).collect(),
        reservations: ReservationsOf {
            answers: reservations.answers,
            reserved: reservations.reserved,
            unused: reservations.unused,
            callers: reservations.callers.iter().take(SHARES_MAX).map(caller).collect(),
        },
        cache: CacheOf {
            hit_rate: attribution.cache.hit_rate().map(Decimal::from),
            saved: attribution.cache.saved(),
            settled_without_cache: attribution.cache.settled_without_cache,
        },
        retries: attribution.retries.iter().take(SHARES_MAX).map(retries).collect(),
    }
}

fn throttled_by(summary: &CauseSummary) -> ThrottledBy {
    let (quota, confidence, doubt) = match summary.cause {
        Cause::Quota(limit, confidence) => (limit_word(limit), Some(confidence.as_str()), None),
        Cause::Unknown(doubt) => ("unknown", None, Some(doubt.as_str())),
    };
    ThrottledBy {
        quota: quota.to_owned(),
        confidence,
        doubt,
        throttled: summary.throttled,
        minutes: summary.minutes,
    }
}

fn limit_word(limit: Limit) -> &'static str {
    match limit {
        Limit::TokensPerMinute => "tokens_per_minute",
        Limit::RequestsPerMinute => "requests_per_minute",
        Limit::TokensPerDay => "tokens_per_day",
    }
}

fn need(need: &Need) -> NeedOf {
    NeedOf {
        steady: need.steady,
        peak: need.peak,
        peak_minute: need.peak_minute.map(|minute| minute.to_string()),
        requested_steady: need.requested_steady,
        requested_peak: need.requested_peak,
        enough: need
            .answers
            .iter()
            .map(|answer| Answer {
                demand: match answer.estimate {
                    Estimate::LoggedOnly => "logged_only",
                    Estimate::Likely => "likely",
                    Estimate::High => "high",
                },
                window: window_word(answer.window),
                quota: answer.quota,
                refused: answer.refused,
                of: answer.of,
                offered: answer.offered,
            })
            .collect(),
    }
}

fn window_word(window: Window) -> &'static str {
    match window {
        Window::Bucket => "bucket",
        Window::ClockMinute => "clock_minute",
        Window::Sliding => "sliding",
    }
}

fn what_if(remedy: &Remedy, callers: &Callers) -> WhatIfOf {
    let (change, max_tokens, caller) = match remedy.change {
        Change::CapMaxTokens(cap) => ("cap_max_tokens", Some(cap), None),
        Change::NoCache => ("no_cache", None, None),
        Change::Without(caller) => ("without_caller", None, callers.get(caller).identity.as_deref()),
    };
    WhatIfOf {
        change,
        max_tokens,
        caller: caller.map(str::to_owned),
        tokens_per_minute: remedy.tokens_per_minute,
        unchanged: remedy.unchanged,
        cut: remedy.cut,
        cut_share: quotient(remedy.cut, remedy.answers),
    }
}

fn trial_of(trial: &Trial, callers: &Callers) -> TrialOf {
    let mut worst = trial.minutes.clone();
    // The sort is stable: the earliest of equal minutes.
    worst.sort_by_key(|&(_, refused)| std::cmp::Reverse(refused));
    let mut refused: Vec<CallerCount> = Vec::new();
    for &(caller, requests) in &trial.callers {
        let identity = callers.get(caller).identity.as_deref().map(str::to_owned);
        match refused.iter_mut().find(|entry| entry.identity == identity) {
            Some(entry) => entry.requests += requests,
            None => refused.push(CallerCount { identity, requests }),
        }
    }
    refused.sort();
    refused.sort_by_key(|entry| std::cmp::Reverse(entry.requests));
    refused.truncate(CALLERS_MAX);
    TrialOf {
        window: window_word(trial.window),
        refused: trial.refused,
        refused_by_requests: trial.refused_by_requests,
        of: trial.of,
        minutes: trial.minutes.len() as u64,
        minutes_also_logged: trial.minutes_also_logged,
        worst_minutes: worst
            .into_iter()
            .take(MINUTES_MAX)
            .map(|(minute, requests)| MinuteCount { minute: minute.to_string(), requests })
            .collect(),
        callers: refused,
    }
}

fn applied_of(limit: &'static str, quota: &AppliedQuota, need: Option<(u64, u64)>, scope: Scope) -> Applied {
    let usable = quota.value_for(scope);
    Applied {
        limit,
        name: quota.name.clone(),
        code: quota.code.clone(),
        value: quota.value,
        usable,
        adjustable: quota.adjustable,
        peak_use: need.and_then(|(peak, _)| quotient(peak, usable)),
        need: need.and_then(|(_, need)| quotient(need, usable)),
    }
}
