//! Everything that is known about one quota: use, need, remedies, headroom.
//!
//! In: the attempts of a quota, its charge and rules, the applied quotas. Out: a [`KeyStudy`] as plain data, for
//! the ticket and for `borehole quota`. Always: minutes are clock-aligned UTC minutes; an answer names the demand
//! and the window it is for. Absent: rendering, the names of callers.

use std::collections::BTreeMap;

use borehole_record::{Timestamp, UtcDay, UtcMinute};
use borehole_usage::{Charge, MaxTokens};

use crate::applied::AppliedQuota;
use crate::attempt::{Attempt, CallerId, Ending};
use crate::demand::{Demand, Estimate};
use crate::key::QuotaKey;
use crate::replay::{self, Limits, Measure, Window};
use crate::rules::ModelRules;
use crate::share::Share;
use crate::what_if::{WhatIf, nearest_rank, output_percentile};

/// What is asked of a study.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Aim {
    /// Most requests that may be throttled.
    pub target: Share,
    /// Expected growth.
    pub growth: Share,
    /// What is added for safety.
    pub margin: Share,
    /// What is changed before anything is counted.
    pub what_if: WhatIf,
    /// A quota to try: what it would have refused.
    pub limits: Limits,
}

/// The smallest quota under each estimate of demand and each model of the window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Need {
    /// In the order of [`Estimate::ALL`] × [`Window::ALL`].
    pub answers: Vec<NeedAnswer>,
    /// Largest clock-aligned minute as logged (settled quota tokens, or attempts).
    pub peak: u64,
    /// When; the earliest on ties.
    pub peak_minute: Option<UtcMinute>,
    /// Median over active minutes, by nearest rank.
    pub steady: u64,
    /// Largest of the three windows' answers under [`Estimate::LoggedOnly`] and [`Estimate::Likely`] × (1 + growth)
    /// × (1 + margin), rounded up to two digits. Both, since joined retries can make the likely requests fewer than
    /// those that were logged.
    pub requested_peak: u64,
    /// Steady, with what is changed, × (1 + growth) × (1 + margin), rounded up to two digits.
    pub requested_steady: u64,
}

impl Need {
    /// The largest of the windows' answers under one estimate, before growth and margin.
    #[must_use]
    pub fn enough(&self, estimate: Estimate) -> u64 {
        let answers = self.answers.iter().filter(|answer| answer.estimate == estimate);
        answers.map(|answer| answer.quota).max().unwrap_or(0)
    }

    /// What a request rests on in one window: the larger answer to the demand as logged and to the likely one,
    /// before growth and margin.
    #[must_use]
    pub fn basis(&self, window: Window) -> u64 {
        let answers = self.answers.iter().filter(|answer| answer.window == window);
        answers
            .filter(|answer| answer.estimate != Estimate::High)
            .map(|answer| answer.quota)
            .max()
            .unwrap_or(0)
    }
}

/// One answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NeedAnswer {
    /// What was taken for the demand.
    pub estimate: Estimate,
    /// How the window moves.
    pub window: Window,
    /// The smallest quota that meets the target, and every larger one tried does.
    pub quota: u64,
    /// Requests it refuses, of `of`.
    pub refused: u64,
    /// Logical requests.
    pub of: u64,
    /// The smallest quota where every attempt consumes.
    pub offered: u64,
}

/// One minute of a quota.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MinuteLoad {
    /// Attempts.
    pub attempts: u64,
    /// Of these throttled.
    pub throttled: u64,
    /// Settled quota tokens of successful requests, where known.
    pub settled: u64,
    /// Reserved quota tokens of successful requests, where known.
    pub reserved: u64,
    /// Raw tokens: input + output, of successful requests.
    pub raw: u64,
}

/// What a change would need.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remedy {
    /// What is changed.
    pub change: Change,
    /// Largest of the windows' answers under [`Estimate::Likely`], before growth and margin, in TPM.
    pub tokens_per_minute: u64,
    /// The same without the change.
    pub unchanged: u64,
    /// Answers that the change would have cut, of `answers`.
    pub cut: u64,
    /// Successful requests.
    pub answers: u64,
}

/// One change of the table of what-ifs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// `max_tokens` capped at so many tokens.
    CapMaxTokens(u64),
    /// Nothing cached.
    NoCache,
    /// Without the caller that settled most.
    Without(CallerId),
}

/// What a given quota would have refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trial {
    /// How the window moves.
    pub window: Window,
    /// Requests refused, of `of`: the demand as [`Estimate::Likely`].
    pub refused: u64,
    /// Of these for requests per minute alone.
    pub refused_by_requests: u64,
    /// Logical requests.
    pub of: u64,
    /// Minutes with a refusal, in order, with how many.
    pub minutes: Vec<(UtcMinute, u64)>,
    /// By caller, most first; ties by number.
    pub callers: Vec<(CallerId, u64)>,
    /// Minutes of `minutes` in which the log has throttles, too: how well the model fits.
    pub minutes_also_logged: u64,
}

/// Which bounds are only bounds, and how much throttling hid.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Knowledge {
    /// Successful requests.
    pub successful: u64,
    /// Of these with unknown tokens: they count as 0.
    pub unknown: u64,
    /// Of these counted at what they settled alone, since `max_tokens` or latency is unknown.
    pub settled_only: u64,
    /// Successful requests with `max_tokens` unset: the model's maximum was reserved.
    pub max_tokens_unset: u64,
    /// Throttled attempts joined to a later success of the same caller.
    pub joined: u64,
    /// Throttled attempts whose tokens are imputed.
    pub imputed: u64,
    /// Throttled attempts that nothing could be imputed for.
    pub not_imputed: u64,
}

/// Everything about one quota.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyStudy {
    /// Which quota.
    pub key: QuotaKey,
    /// What its model's calls are charged.
    pub charge: Charge,
    /// The rows that say so.
    pub rules: ModelRules,
    /// Attempts, as logged.
    pub attempted: u64,
    /// Attempts that were throttled.
    pub throttled: u64,
    /// What is known.
    pub knowledge: Knowledge,
    /// TPM; `None` where no rule names the model's rate.
    pub tokens: Option<Need>,
    /// RPM; `None` where the rules say that the model has no such quota.
    pub requests: Option<Need>,
    /// Largest settled quota tokens of a UTC day, with the day.
    pub day_peak: Option<(UtcDay, u64)>,
    /// The same over any 1,440 consecutive minutes, with the first of them.
    pub rolling_day_peak: Option<(UtcMinute, u64)>,
    /// Every active minute, in order, as logged.
    pub minutes: Vec<(UtcMinute, MinuteLoad)>,
    /// Changes that need less, and what caching saves; in a fixed order.
    pub remedies: Vec<Remedy>,
    /// Answers that the asked what-if would have cut.
    pub cut: u64,
    /// What the asked quota would have refused, under each window; empty where none was asked.
    pub trials: Vec<Trial>,
    /// The applied quotas, where the operator gave them.
    pub applied_tpm: Option<AppliedQuota>,
    /// RPM.
    pub applied_rpm: Option<AppliedQuota>,
    /// TPD.
    pub applied_tpd: Option<AppliedQuota>,
}

/// Minutes of a rolling day.
const DAY_MINUTES: i64 = 1_440;

/// Studies one quota. `attempts` are in the order of (second, request id).
#[must_use]
pub fn study(key: &QuotaKey, attempts: &[Attempt], charge: Charge, rules: ModelRules, aim: &Aim) -> KeyStudy {
    let minutes = minute_loads(attempts, &charge, &WhatIf::default());
    let changed = (aim.what_if != WhatIf::default()).then(|| minute_loads(attempts, &charge, &aim.what_if));
    let changed = changed.as_ref().unwrap_or(&minutes);
    let throttled = attempts.iter().filter(|attempt| attempt.ending == Ending::Throttled).count() as u64;
    let demand = |estimate| Demand::of(attempts, &charge, &aim.what_if, estimate);
    let likely = &demand(Estimate::Likely);
    // Without throttles nothing is censored, and the three demands are one.
    let others = (throttled > 0).then(|| (demand(Estimate::LoggedOnly), demand(Estimate::High)));
    let (logged, high) = others.as_ref().map_or((likely, likely), |(logged, high)| (logged, high));
    let demands = [logged, likely, high];
    let successful = attempts.iter().filter(|attempt| attempt.ending == Ending::Successful);
    let knowledge = Knowledge {
        successful: successful.clone().count() as u64,
        unknown: likely.unknown,
        settled_only: likely.settled_only,
        max_tokens_unset: successful.filter(|attempt| attempt.tokens.max_tokens == MaxTokens::Unset).count()
            as u64,
        joined: likely.joined,
        imputed: likely.imputed,
        not_imputed: likely.not_imputed,
    };
    let need = |measure, load: fn(&MinuteLoad) -> u64| {
        need(demands, throttled == 0, [&minutes, changed], measure, load, aim)
    };
    let has_rate = aim.what_if.charge.unwrap_or(charge).burndown.is_some();
    let tokens = has_rate.then(|| need(Measure::Tokens, |minute| minute.settled));
    let has_requests = rules.rpm_applies.as_ref().is_none_or(|row| row.value);
    let requests = has_requests.then(|| need(Measure::Requests, |minute| minute.attempts));
    let remedies = match &tokens {
        Some(tokens) => remedies(attempts, &charge, aim, tokens.enough(Estimate::Likely), &knowledge),
        None => Vec::new(),
    };
    let trials =
        if aim.limits == Limits::default() { Vec::new() } else { trials(likely, &minutes, aim.limits) };
    KeyStudy {
        key: key.clone(),
        charge,
        rules,
        attempted: attempts.len() as u64,
        throttled,
        knowledge,
        tokens,
        requests,
        day_peak: day_peak(&minutes),
        rolling_day_peak: rolling_day_peak(&minutes),
        minutes,
        remedies,
        cut: likely.cut,
        trials,
        applied_tpm: None,
        applied_rpm: None,
        applied_tpd: None,
    }
}

fn minute_loads(attempts: &[Attempt], logged: &Charge, what_if: &WhatIf) -> Vec<(UtcMinute, MinuteLoad)> {
    let charge = what_if.charge(logged);
    let mut minutes: Vec<(UtcMinute, MinuteLoad)> = Vec::new();
    for attempt in attempts.iter().filter(|attempt| !what_if.without.contains(&attempt.caller)) {
        let minute = attempt.minute();
        if minutes.last().is_none_or(|(last, _)| *last != minute) {
            minutes.push((minute, MinuteLoad::default()));
        }
        let Some((_, load)) = minutes.last_mut() else { continue };
        load.attempts += 1;
        load.throttled += u64::from(attempt.ending == Ending::Throttled);
        if attempt.ending == Ending::Successful {
            let tokens = &what_if.tokens(&attempt.tokens, logged);
            load.raw = load.raw.saturating_add(tokens.raw());
            load.settled = load.settled.saturating_add(charge.settled(tokens).unwrap_or(0));
            load.reserved = load.reserved.saturating_add(charge.reserved(tokens).unwrap_or(0));
        }
    }
    minutes
}

fn need(
    demands: [&Demand; Estimate::ALL.len()],
    uncensored: bool,
    [minutes, changed]: [&[(UtcMinute, MinuteLoad)]; 2],
    measure: Measure,
    load: fn(&MinuteLoad) -> u64,
    aim: &Aim,
) -> Need {
    let mut answers: Vec<NeedAnswer> = Vec::new();
    for (estimate, demand) in Estimate::ALL.into_iter().zip(demands) {
        for window in Window::ALL {
            let known = answers.iter().find(|answer| uncensored && answer.window == window).copied();
            answers.push(match known {
                Some(answer) => NeedAnswer { estimate, ..answer },
                None => {
                    let smallest = replay::smallest(demand, window, measure, aim.target);
                    NeedAnswer {
                        estimate,
                        window,
                        quota: smallest.quota,
                        refused: smallest.refused,
                        of: demand.arrivals.len() as u64,
                        offered: smallest.offered,
                    }
                }
            });
        }
    }
    let peak = minutes.iter().map(|(_, minute)| load(minute)).max().unwrap_or(0);
    let peak_minute = minutes.iter().find(|(_, minute)| load(minute) == peak).map(|(minute, _)| *minute);
    let median = |minutes: &[(UtcMinute, MinuteLoad)]| {
        let mut loads: Vec<u64> = minutes.iter().map(|(_, minute)| load(minute)).collect();
        nearest_rank(&mut loads, Share::from_millionths(500_000)).unwrap_or(0)
    };
    let steady = median(minutes);
    let requested = |value| round_up(aim.margin.grow(aim.growth.grow(value)));
    let mut need = Need {
        answers,
        peak,
        peak_minute,
        steady,
        requested_peak: 0,
        requested_steady: requested(median(changed)),
    };
    need.requested_peak =
        requested(Window::ALL.map(|window| need.basis(window)).into_iter().max().unwrap_or(0));
    need
}

/// Rounded up to two significant digits: `7,612,345` is `7,700,000`. A ticket asks for round numbers.
fn round_up(value: u64) -> u64 {
    let digits = value.checked_ilog10().unwrap_or(0);
    let unit = 10u64.pow(digits.saturating_sub(1));
    value.div_ceil(unit).saturating_mul(unit)
}

fn day_peak(minutes: &[(UtcMinute, MinuteLoad)]) -> Option<(UtcDay, u64)> {
    let mut days: BTreeMap<i64, u64> = BTreeMap::new();
    for (minute, load) in minutes {
        let day = days.entry(minute.start_seconds().div_euclid(UtcDay::SECONDS)).or_default();
        *day = day.saturating_add(load.settled);
    }
    // The earliest of equal days.
    let (day, tokens) = days.into_iter().rev().max_by_key(|&(_, tokens)| tokens)?;
    Some((UtcDay(day), tokens))
}

fn rolling_day_peak(minutes: &[(UtcMinute, MinuteLoad)]) -> Option<(UtcMinute, u64)> {
    let mut first = 0;
    let mut sum: u128 = 0;
    let mut peak: Option<(UtcMinute, u128)> = None;
    for (minute, load) in minutes {
        sum += u128::from(load.settled);
        while minute.0 - minutes[first].0.0 >= DAY_MINUTES {
            sum -= u128::from(minutes[first].1.settled);
            first += 1;
        }
        if peak.is_none_or(|(_, most)| sum > most) {
            peak = Some((minutes[first].0, sum));
        }
    }
    peak.map(|(minute, sum)| (minute, u64::try_from(sum).unwrap_or(u64::MAX)))
}

/// The changes that are tried without being asked for: those that an operator can make in an afternoon.
fn remedies(
    attempts: &[Attempt],
    charge: &Charge,
    aim: &Aim,
    unchanged: u64,
    knowledge: &Knowledge,
) -> Vec<Remedy> {
    let mut changes: Vec<(Change, WhatIf)> = Vec::new();
    for rank in CAP_RANKS {
        let Some(cap) = output_percentile(attempts, rank).map(round_cap) else { continue };
        let is_new = changes.iter().all(|(change, _)| *change != Change::CapMaxTokens(cap));
        let asked = aim.what_if.cap_max_tokens;
        if is_new && asked.is_none_or(|asked| asked > cap) {
            changes.push((
                Change::CapMaxTokens(cap),
                WhatIf { cap_max_tokens: Some(cap), ..aim.what_if.clone() },
            ));
        }
    }
    if let Some(caller) = largest_caller(attempts, charge) {
        let mut what_if = aim.what_if.clone();
        what_if.without.insert(caller);
        changes.push((Change::Without(caller), what_if));
    }
    let has_cache = attempts.iter().any(|attempt| attempt.tokens.cache_read.get().unwrap_or(0) > 0);
    if has_cache && !aim.what_if.no_cache {
        changes.push((Change::NoCache, WhatIf { no_cache: true, ..aim.what_if.clone() }));
    }
    let remedies = changes.into_iter().map(|(change, what_if)| {
        let demand = Demand::of(attempts, charge, &what_if, Estimate::Likely);
        Remedy {
            change,
            tokens_per_minute: enough(&demand, Measure::Tokens, aim.target),
            unchanged,
            cut: demand.cut,
            answers: knowledge.successful,
        }
    });
    remedies.collect()
}

/// Caps that are tried: the output that this share of the answers stays within.
const CAP_RANKS: [Share; 2] = [Share::from_millionths(999_000), Share::from_millionths(990_000)];

/// The largest of the windows' answers.
fn enough(demand: &Demand, measure: Measure, target: Share) -> u64 {
    let answers =
        Window::ALL.into_iter().map(|window| replay::smallest(demand, window, measure, target).quota);
    answers.max().unwrap_or(0)
}

/// A cap that somebody would type: the next multiple of 256 up to 4,096, of 1,024 above.
pub(crate) fn round_cap(tokens: u64) -> u64 {
    let unit = if tokens <= 4_096 { 256 } else { 1_024 };
    tokens.max(1).next_multiple_of(unit)
}

/// The caller that settled most; `None` where there is but one, or none settled anything.
fn largest_caller(attempts: &[Attempt], charge: &Charge) -> Option<CallerId> {
    let mut settled: BTreeMap<CallerId, u128> = BTreeMap::new();
    for attempt in attempts.iter().filter(|attempt| attempt.ending == Ending::Successful) {
        *settled.entry(attempt.caller).or_default() +=
            u128::from(charge.settled(&attempt.tokens).unwrap_or(0));
    }
    let most = settled.iter().map(|(_, &tokens)| tokens).max().filter(|&most| most > 0)?;
    let mut largest = settled.iter().filter(|(_, tokens)| **tokens == most).map(|(&caller, _)| caller);
    // Numbers differ from run to run: of two equal callers neither is named.
    let caller = largest.next()?;
    (settled.len() > 1 && largest.next().is_none()).then_some(caller)
}

fn trials(demand: &Demand, minutes: &[(UtcMinute, MinuteLoad)], limits: Limits) -> Vec<Trial> {
    let logged: BTreeMap<UtcMinute, u64> = minutes
        .iter()
        .filter(|(_, load)| load.throttled > 0)
        .map(|(at, load)| (*at, load.throttled))
        .collect();
    let trial = |window| {
        let refusals = replay::refusals(demand, window, limits);
        let mut by_minute: BTreeMap<UtcMinute, u64> = BTreeMap::new();
        let mut by_caller: BTreeMap<CallerId, u64> = BTreeMap::new();
        for refusal in &refusals {
            let arrival = &demand.arrivals[refusal.arrival];
            *by_minute.entry(UtcMinute::of(Timestamp::from_seconds(arrival.second))).or_default() += 1;
            *by_caller.entry(arrival.caller).or_default() += 1;
        }
        let mut callers: Vec<(CallerId, u64)> = by_caller.into_iter().collect();
        callers.sort_by_key(|&(_, refused)| std::cmp::Reverse(refused));
        Trial {
            window,
            refused: refusals.len() as u64,
            refused_by_requests: refusals.iter().filter(|refusal| refusal.by == Measure::Requests).count()
                as u64,
            of: demand.arrivals.len() as u64,
            minutes_also_logged: by_minute.keys().filter(|minute| logged.contains_key(minute)).count() as u64,
            minutes: by_minute.into_iter().collect(),
            callers,
        }
    };
    Window::ALL.map(trial).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_rounded_up_to_two_digits() {
        for (value, rounded) in [
            (0, 0),
            (7, 7),
            (10, 10),
            (99, 99),
            (100, 100),
            (101, 110),
            (7_612_345, 7_700_000),
            (9_950, 10_000),
        ] {
            assert_eq!(round_up(value), rounded, "{value}");
        }
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }

    #[test]
    fn the_rolling_day_holds_1440_minutes_and_not_1441() {
        let load = |settled| MinuteLoad { settled, ..MinuteLoad::default() };
        let minutes = [(UtcMinute(0), load(5)), (UtcMinute(1_439), load(7)), (UtcMinute(1_440), load(4))];
        assert_eq!(rolling_day_peak(&minutes), Some((UtcMinute(0), 12)));
        assert_eq!(day_peak(&minutes), Some((UtcDay(0), 12)));
        let night = [(UtcMinute(0), load(5)), (UtcMinute(1_440), load(5)), (UtcMinute(2_879), load(1))];
        assert_eq!(rolling_day_peak(&night), Some((UtcMinute(1_440), 6)));
        assert_eq!(day_peak(&[]), None);
    }

    #[test]
    fn caps_are_numbers_that_somebody_would_type() {
        for (tokens, cap) in [(1, 256), (256, 256), (257, 512), (4_096, 4_096), (4_097, 5_120), (0, 256)] {
            assert_eq!(round_cap(tokens), cap);
        }
    }
}
