//! A naive model beside the real one: all records in a `Vec`, sorted and walked again for every figure.
//!
//! It is written from the rules alone (definitions, nearest rank, width of a bucket) and shares no code with
//! the crate; every figure must be equal, percentiles included.

mod traffic;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use borehole_record::{
    Call, Count, Facets, Invocation, Model, RequestId, Timestamp, UtcDay, UtcHour, UtcMinute, identity,
};
use borehole_usage::figures::{
    Burst, CrossRegion, DayFigures, Distribution, ErrorTokens, Figures, Group, HighToken, ListedRequest,
    MinuteFigures, Payloads, Rank, Ranking, Ratio, TokenSums, UtcSlot,
};
use borehole_usage::{
    Charge, Charges, CoverageId, CoverageSpan, Dimension, Grain, HourSummary, ListKind, Question, Tally,
    Totals,
};
use proptest::prelude::*;
use traffic::Record;

fn summed(question: &Question, records: &[Record], coverage: &[CoverageSpan]) -> (Figures, Tally) {
    let mut hours: BTreeMap<UtcHour, HourSummary> = BTreeMap::new();
    for (invocation, coverage) in records {
        let hour = UtcHour::of(invocation.timestamp);
        let summary = hours.entry(hour).or_insert_with(|| HourSummary::new(hour));
        summary.observe(question, invocation, *coverage);
    }
    let mut totals = Totals::new();
    hours.into_values().for_each(|hour| totals.insert(hour.seal()));
    (totals.figures(question, coverage), totals.tally())
}

// ---- The model ----

fn is_outlier(question: &Question, record: &Record) -> bool {
    let time = record.0.timestamp;
    let day_ahead =
        Timestamp { seconds: question.now.seconds.saturating_add(86_400), nanos: question.now.nanos };
    time.seconds < traffic::YEAR_2023 || time > day_ahead
}

fn is_in_series(question: &Question, record: &Record) -> bool {
    question.include_outliers || !is_outlier(question, record)
}

fn model(question: &Question, invocation: &Invocation) -> Model {
    Model::parse_with(&invocation.facets.model_id, &question.profiles)
}

fn base(question: &Question, invocation: &Invocation) -> String {
    model(question, invocation).base
}

fn is_successful(invocation: &Invocation) -> bool {
    invocation.facets.error_code.is_none()
}

fn zero(count: Count) -> u64 {
    count.get().unwrap_or(0)
}

/// The rates of a record: each record asks anew, at its own second.
fn charge(question: &Question, invocation: &Invocation) -> Charge {
    let at = question.charges_at.unwrap_or(invocation.timestamp);
    question.charges.charge(&base(question, invocation), at)
}

/// Input with all that was cached, counted once.
fn prompt(question: &Question, one: &Invocation) -> Option<u64> {
    let cached = zero(one.cache_read_tokens) + zero(one.cache_write_tokens);
    let logged = one.input_tokens.get()?;
    Some(if charge(question, one).input_includes_cache { logged.max(cached) } else { logged + cached })
}

/// Input that is charged: what was not cached, and what was written to the cache.
fn charged_input(question: &Question, one: &Invocation) -> Option<u64> {
    Some(prompt(question, one)? - zero(one.cache_read_tokens))
}

fn settled(question: &Question, one: &Invocation) -> Option<u64> {
    let rates = charge(question, one);
    let burndown = u64::from(rates.burndown?);
    Some(charged_input(question, one)? + one.output_tokens.get()? * burndown)
}

fn reserved(question: &Question, one: &Invocation) -> Option<u64> {
    let rates = charge(question, one);
    let is_body_seen = !one.input_kinds.is_empty();
    let most = one.max_tokens.get().or(if is_body_seen { rates.max_output_tokens } else { None })?;
    let reads = if rates.reserves_cache_reads { zero(one.cache_read_tokens) } else { 0 };
    Some(charged_input(question, one)? + reads + most)
}

fn reason_to_filter(question: &Question, invocation: &Invocation) -> Option<&'static str> {
    let time = invocation.timestamp;
    let facets = &invocation.facets;
    let filter = &question.filter;
    if question.from.is_some_and(|from| from > time) || question.to.is_some_and(|to| to <= time) {
        return Some("time_range");
    }
    let names = |values: &[Option<&str>], wanted: &[String]| {
        wanted.is_empty() || values.iter().flatten().any(|&value| wanted.contains(&value.to_owned()))
    };
    let base = base(question, invocation);
    if !names(&[Some(&base), Some(&facets.model_id)], &filter.models) {
        return Some("model");
    }
    if !names(&[facets.region.as_deref()], &filter.regions) {
        return Some("region");
    }
    if !names(&[facets.account.as_deref()], &filter.accounts) {
        return Some("account");
    }
    let arn = facets.identity.as_deref();
    let caller = identity::caller(arn.unwrap_or(""));
    if !names(&[arn, caller.role, caller.session, caller.user], &filter.identities) {
        return Some("identity");
    }
    (!names(&[facets.operation.as_deref()], &filter.operations)).then_some("operation")
}

/// All values that a record has in a dimension.
fn values(question: &Question, dimension: &Dimension, invocation: &Invocation) -> Vec<Option<String>> {
    let Facets { call, identity, tags, .. } = &*invocation.facets;
    let Call { account, region, operation, error_code, inference_region, .. } = &**call;
    let caller = identity::caller(identity.as_deref().unwrap_or(""));
    let model = model(question, invocation);
    let owned = |text: Option<&str>| text.map(str::to_owned);
    vec![match dimension {
        Dimension::Account => owned(account.as_deref()),
        Dimension::Region => owned(region.as_deref()),
        Dimension::Model => Some(model.base),
        Dimension::Scope => owned(Some(model.scope.as_str())),
        Dimension::Identity => owned(identity.as_deref()),
        Dimension::Role => owned(caller.role),
        Dimension::Session => owned(caller.session),
        Dimension::Operation => owned(operation.as_deref()),
        Dimension::Error => owned(error_code.as_deref()),
        Dimension::InferenceRegion => owned(inference_region.as_deref()),
        Dimension::Tag(key) => {
            tags.iter().find(|(name, _)| **name == **key).map(|(_, value)| value.to_string())
        }
        Dimension::Hour => Some(UtcHour::of(invocation.timestamp).to_string()),
        Dimension::Day => Some(UtcDay::of(invocation.timestamp).to_string()),
        Dimension::Minute => Some(UtcMinute::of(invocation.timestamp).to_string()),
        Dimension::ContentKind => {
            let kinds: Vec<_> = content(invocation).into_iter().map(|kind| Some(kind.to_owned())).collect();
            return if kinds.is_empty() { vec![None] } else { kinds };
        }
    }]
}

fn content(invocation: &Invocation) -> BTreeSet<&'static str> {
    invocation.input_kinds.names().chain(invocation.output_kinds.names()).collect()
}

type Key = Vec<Option<String>>;

fn keys(question: &Question, invocation: &Invocation) -> Vec<Key> {
    let mut keys: Vec<Key> = vec![Vec::new()];
    for dimension in &question.by {
        let values = values(question, dimension, invocation);
        let longer =
            |key: &Key| values.iter().map(|value| [key, std::slice::from_ref(value)].concat()).collect();
        keys = keys.iter().flat_map(|key| -> Vec<Key> { longer(key) }).collect();
    }
    if question.by.is_empty() { Vec::new() } else { keys }
}

fn figures(question: &Question, records: &[Record], coverage: &[CoverageSpan]) -> Figures {
    let counted: Vec<&Record> =
        records.iter().filter(|record| reason_to_filter(question, &record.0).is_none()).collect();
    let times: Vec<i64> = counted
        .iter()
        .filter(|record| is_in_series(question, record))
        .map(|record| record.0.timestamp.seconds)
        .collect();
    let minute = |seconds: i64| seconds.div_euclid(60);
    let from = question.from.or_else(|| {
        let first = times.iter().min()?;
        Some(Timestamp { seconds: minute(*first) * 60, nanos: 0 })
    });
    let to = question.to.or_else(|| {
        let last = times.iter().max()?;
        Some(Timestamp { seconds: minute(*last) * 60 + 60, nanos: 0 })
    });
    let mut minutes = Vec::new();
    if let (Some(from), Some(to)) = (from, to) {
        // A minute is in the range if any moment of it is.
        minutes = (minute(from.seconds)..)
            .take_while(|&minute| Timestamp { seconds: minute * 60, nanos: 0 } < to)
            .collect();
    }

    let mut groups: BTreeMap<Key, Vec<&Record>> = BTreeMap::new();
    for record in &counted {
        for key in keys(question, &record.0) {
            groups.entry(key).or_default().push(record);
        }
    }
    let models_folded = fold(question, &mut groups);
    let mut groups: Vec<(Key, Vec<&Record>)> = groups.into_iter().collect();
    let is_time = |dimension: &Dimension| matches!(dimension.name().as_ref(), "hour" | "day" | "minute");
    if !question.by.iter().any(is_time) {
        // Stable: equal counts stay in the order of their keys.
        groups.sort_by_key(|(_, records)| u64::MAX - records.len() as u64);
    }
    let by: Vec<String> = question.by.iter().map(|dimension| dimension.name().into_owned()).collect();
    let top = question.top.unwrap_or(groups.len()).min(groups.len());
    let keeps = !by.contains(&"minute".to_owned());
    let named = |test: &dyn Fn(&Invocation) -> bool| {
        let mut names: BTreeMap<String, u64> = BTreeMap::new();
        for one in counted.iter().map(|record| &record.0).filter(|one| test(one)) {
            *names.entry(base(question, one)).or_default() += 1;
        }
        let mut ranking: Vec<_> =
            names.iter().map(|(name, &count)| (u64::MAX - count, name.clone())).collect();
        ranking.sort();
        for (_, name) in ranking.into_iter().skip(4_096) {
            let count = names.remove(&name).expect("it was ranked");
            *names.entry("__other__".to_owned()).or_default() += count;
        }
        names
    };
    let is_profile = |one: &Invocation| model(question, one).scope.as_str() == "application-profile";
    let is_unruled =
        |one: &Invocation| is_successful(one) && !is_profile(one) && charge(question, one).burndown.is_none();
    Figures {
        from,
        to,
        totals: group(question, Vec::new(), &counted, &minutes, coverage, true),
        groups: groups[..top]
            .iter()
            .map(|(key, records)| {
                let key = by.iter().cloned().zip(key.iter().cloned()).collect();
                group(question, key, records, &minutes, coverage, keeps)
            })
            .collect(),
        groups_omitted: (groups.len() - top) as u64,
        by,
        listing: question.list.map(|kind| listing(question, kind, &counted)),
        models_folded,
        unruled_models: named(&is_unruled),
        unresolved_profiles: named(&is_profile),
        rankings: rankings(question, &counted),
    }
}

fn rankings(question: &Question, counted: &[&Record]) -> Vec<Ranking> {
    let cannot = ["minute", "hour", "day", "content-kind"];
    let good = |one: &&Invocation| is_successful(one);
    let is_settled = counted.iter().any(|(one, _)| is_successful(one) && settled(question, one).is_some());
    let load = |one: &Invocation| {
        let raw = zero(one.input_tokens) + zero(one.output_tokens);
        let load = if is_settled { settled(question, one).unwrap_or(0) } else { raw };
        u128::from(if is_successful(one) { load } else { 0 })
    };
    let mut minutes: BTreeMap<i64, u128> = BTreeMap::new();
    for record in counted.iter().filter(|record| is_in_series(question, record)) {
        *minutes.entry(record.0.timestamp.seconds.div_euclid(60)).or_default() += load(&record.0);
    }
    let peak = minutes.values().max().copied().unwrap_or(0);
    let peak_minute = minutes.iter().find(|&(_, &load)| load == peak).map(|(&minute, _)| minute);
    let all: u128 = counted.iter().map(|record| load(&record.0)).sum();
    let mut rankings = Vec::new();
    for dimension in question.rank.iter().filter(|dimension| !cannot.contains(&&*dimension.name())) {
        let mut of_value: BTreeMap<Option<String>, Vec<&Record>> = BTreeMap::new();
        for record in counted {
            let value = values(question, dimension, &record.0).remove(0);
            of_value.entry(value).or_default().push(record);
        }
        let mut rows: Vec<(u128, Rank)> = Vec::new();
        for (value, records) in of_value {
            let ones: Vec<&Invocation> = records.iter().map(|record| &record.0).collect();
            let sum = |of: &dyn Fn(&Invocation) -> u64| {
                ones.iter().copied().filter(good).map(|one| u128::from(of(one))).sum::<u128>()
            };
            let own: u128 = ones.iter().map(|one| load(one)).sum();
            let is_in_peak = |record: &&&Record| {
                let minute = record.0.timestamp.seconds.div_euclid(60);
                is_in_series(question, record) && Some(minute) == peak_minute
            };
            let in_peak: u128 = records.iter().filter(is_in_peak).map(|record| load(&record.0)).sum();
            let is_throttled =
                |one: &&&Invocation| one.facets.error_code.as_deref() == Some("ThrottlingException");
            let rank = Rank {
                value,
                attempted: ones.len() as u64,
                throttled: ones.iter().filter(is_throttled).count() as u64,
                input: sum(&|one| zero(one.input_tokens)),
                output: sum(&|one| zero(one.output_tokens)),
                settled: sum(&|one| settled(question, one).unwrap_or(0)),
                share: (all > 0).then_some(Ratio { numerator: own, denominator: all }),
                share_in_peak: (peak > 0).then_some(Ratio { numerator: in_peak, denominator: peak }),
            };
            rows.push((own, rank));
        }
        // Stable: equal ones stay in the order of their values.
        rows.sort_by_key(|(load, rank)| (u128::MAX - load, u64::MAX - rank.attempted));
        let omitted = rows.len().saturating_sub(200) as u64;
        let rows = rows.into_iter().take(200).map(|(_, rank)| rank).collect();
        rankings.push(Ranking { dimension: dimension.name().into_owned(), rows, omitted });
    }
    rankings
}

fn fold(question: &Question, groups: &mut BTreeMap<Key, Vec<&Record>>) -> u64 {
    let Some(position) = question.by.iter().position(|dimension| *dimension == Dimension::Model) else {
        return 0;
    };
    let mut attempted: BTreeMap<Option<String>, u64> = BTreeMap::new();
    for (key, records) in groups.iter() {
        *attempted.entry(key[position].clone()).or_default() += records.len() as u64;
    }
    let mut ranking: Vec<_> = attempted.into_iter().map(|(model, count)| (u64::MAX - count, model)).collect();
    ranking.sort();
    let folded: BTreeSet<_> = ranking.into_iter().skip(4_096).map(|(_, model)| model).collect();
    for (mut key, records) in std::mem::take(groups) {
        if folded.contains(&key[position]) {
            key[position] = Some("__other__".to_owned());
        }
        groups.entry(key).or_default().extend(records);
    }
    folded.len() as u64
}

fn group(
    question: &Question,
    key: Vec<(String, Option<String>)>,
    records: &[&Record],
    minutes: &[i64],
    coverage: &[CoverageSpan],
    keeps_distributions: bool,
) -> Group {
    let all: Vec<&Invocation> = records.iter().map(|record| &record.0).collect();
    let good: Vec<&Invocation> = all.iter().copied().filter(|one| one.facets.error_code.is_none()).collect();
    let failed: Vec<&Invocation> =
        all.iter().copied().filter(|one| one.facets.error_code.is_some()).collect();
    let known =
        |of: fn(&Invocation) -> Count| -> Vec<u64> { good.iter().filter_map(|one| of(one).get()).collect() };
    let sum = |values: &[u64]| values.iter().map(|&value| u128::from(value)).sum::<u128>();
    let sum_failed = |of: fn(&Invocation) -> Count| {
        sum(&failed.iter().filter_map(|one| of(one).get()).collect::<Vec<_>>())
    };
    let count = |test: &dyn Fn(&Invocation) -> bool| all.iter().filter(|one| test(one)).count() as u64;
    let measured = |measure: fn(&Question, &Invocation) -> Option<u64>| -> Vec<u64> {
        good.iter().filter_map(|one| measure(question, one)).collect()
    };
    let prompts = measured(prompt);
    let (settlements, reservations) = (measured(settled), measured(reserved));
    let input = known(|one| one.input_tokens);
    let output = known(|one| one.output_tokens);
    let spreads = [
        ("input_tokens", input.clone()),
        ("output_tokens", output.clone()),
        ("prompt_tokens", prompts.clone()),
        ("latency_ms", known(|one| one.latency_ms)),
        ("first_byte_ms", known(|one| one.first_byte_ms)),
        ("input_bytes", known(|one| one.input_bytes)),
        ("output_bytes", known(|one| one.output_bytes)),
    ];
    let tallied = |names: Vec<Option<String>>| {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        names.into_iter().flatten().for_each(|name| *counts.entry(name).or_default() += 1);
        counts
    };
    let owned = |text: &Option<Arc<str>>| text.as_ref().map(|text| text.to_string());
    let status = |one: &&Invocation| (one.http_status != 0).then(|| one.http_status.to_string());

    let mut kinds: BTreeMap<&'static str, u64> = BTreeMap::new();
    all.iter().flat_map(|one| content(one)).for_each(|kind| *kinds.entry(kind).or_default() += 1);
    let large: Vec<u64> = all
        .iter()
        .flat_map(|one| [(one.input_large, one.input_bytes), (one.output_large, one.output_bytes)])
        .filter_map(|(is_large, bytes)| bytes.get().filter(|_| is_large))
        .collect();
    let mut cross_region: BTreeMap<String, CrossRegion> = BTreeMap::new();
    for region in all.iter().filter_map(|one| one.facets.inference_region.as_deref()) {
        let there = |one: &&&Invocation| one.facets.inference_region.as_deref() == Some(region);
        let spread = |of: fn(&Invocation) -> Count| {
            let values: Vec<u64> = good.iter().filter(there).filter_map(|one| of(one).get()).collect();
            distribution(&values).filter(|_| keeps_distributions)
        };
        let figures = CrossRegion {
            requests: all.iter().filter(there).count() as u64,
            latency_ms: spread(|one| one.latency_ms),
            first_byte_ms: spread(|one| one.first_byte_ms),
        };
        cross_region.insert(region.to_owned(), figures);
    }

    let timed: Vec<&Invocation> =
        records.iter().filter(|record| is_in_series(question, record)).map(|record| &record.0).collect();
    let average_minutes = minutes_outside_gaps(question, records, minutes, coverage);
    let if_successful = |one: &Invocation, value: u64| if is_successful(one) { value } else { 0 };
    let tokens = |one: &Invocation| if_successful(one, zero(one.input_tokens) + zero(one.output_tokens));
    let quota_tokens = |one: &Invocation| if_successful(one, settled(question, one).unwrap_or(0));
    let reserved_tokens = |one: &Invocation| if_successful(one, reserved(question, one).unwrap_or(0));
    let series = |quantity: &dyn Fn(&Invocation) -> u64, is_known: bool| {
        minute_figures(question, &timed, quantity, average_minutes).filter(|_| is_known)
    };
    Group {
        key,
        attempted: all.len() as u64,
        successful: good.len() as u64,
        throttled: count(&|one| one.facets.error_code.as_deref() == Some("ThrottlingException")),
        errors: tallied(all.iter().map(|one| owned(&one.facets.error_code)).collect()),
        tokens: TokenSums {
            input: sum(&input),
            output: sum(&output),
            cache_read: sum(&known(|one| one.cache_read_tokens)),
            cache_write: sum(&known(|one| one.cache_write_tokens)),
            prompt: sum(&prompts),
            input_known: input.len() as u64,
            output_known: output.len() as u64,
            settled: sum(&settlements),
            settled_known: settlements.len() as u64,
            reserved: sum(&reservations),
            reserved_known: reservations.len() as u64,
        },
        tokens_on_errors: ErrorTokens {
            input: sum_failed(|one| one.input_tokens),
            output: sum_failed(|one| one.output_tokens),
        },
        high_token: HighToken {
            small: input.iter().filter(|&&value| value < 1_000).count() as u64,
            by_input: input.iter().filter(|&&value| value > 25_000).count() as u64,
            by_prompt: prompts.iter().filter(|&&value| value > 25_000).count() as u64,
            known: input.len() as u64,
        },
        distributions: spreads
            .into_iter()
            .filter(|_| keeps_distributions)
            .filter_map(|(name, values)| Some((name, distribution(&values)?)))
            .collect(),
        tokens_per_minute: series(&tokens, true),
        quota_tokens_per_minute: series(&quota_tokens, !settlements.is_empty()),
        reserved_tokens_per_minute: series(&reserved_tokens, !reservations.is_empty()),
        quota_tokens_per_day: day_figures(&timed, &quota_tokens).filter(|_| !settlements.is_empty()),
        requests_per_minute: series(&|_| 1, true),
        status: tallied(all.iter().map(status).collect()),
        stop_reasons: tallied(good.iter().map(|one| owned(&one.facets.stop_reason)).collect()),
        payloads: Payloads {
            large_input: count(&|one| one.input_large),
            large_output: count(&|one| one.output_large),
            large_either: count(&|one| one.input_large || one.output_large),
            large_bytes: sum(&large),
            content: kinds,
        },
        cross_region,
    }
}

/// ⌈q·n⌉ for q in thousandths: the smallest rank that is not below the product.
fn rank(thousandths: u128, count: usize) -> usize {
    (1..=count).find(|&rank| rank as u128 * 1_000 >= count as u128 * thousandths).expect("q is at most 1")
}

/// The stated rule: exact below 2,048, else buckets of 2^(⌊log2 v⌋ − 10) values; the bucket's highest value,
/// but not above the maximum. What is above 2^40 counts there.
fn distribution(values: &[u64]) -> Option<Distribution> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let max = *sorted.last()?;
    let percentile = |thousandths| {
        let value = sorted[rank(thousandths, sorted.len()) - 1].min(1 << 40);
        if value < 2_048 {
            return value;
        }
        let width = 1u64 << (63 - value.leading_zeros() - 10);
        ((value / width + 1) * width - 1).min(max)
    };
    Some(Distribution {
        count: sorted.len() as u64,
        min: sorted[0],
        max,
        sum: sorted.iter().map(|&value| u128::from(value)).sum(),
        p50: percentile(500),
        p90: percentile(900),
        p95: percentile(950),
        p99: percentile(990),
        p999: percentile(999),
    })
}

/// The minutes of the range, less those in hours that are gaps for every source of the group.
fn minutes_outside_gaps(
    question: &Question,
    records: &[&Record],
    minutes: &[i64],
    coverage: &[CoverageSpan],
) -> u128 {
    let sources: BTreeSet<CoverageId> = records.iter().map(|record| record.1).collect();
    let is_gap_of = |source: &CoverageId, hour: i64| {
        let Some(span) = coverage.get(source.0 as usize) else { return false };
        let start = question.from.map_or(span.first.0, |from| from.seconds.div_euclid(3_600));
        let begins_before = |to: Timestamp| Timestamp { seconds: hour * 3_600, nanos: 0 } < to;
        let is_in_span = hour >= start && question.to.map_or(hour <= span.last.0, begins_before);
        is_in_span && !span.hours_with_objects.contains(&UtcHour(hour))
    };
    let is_gap = |minute: i64| {
        !sources.is_empty() && sources.iter().all(|source| is_gap_of(source, minute.div_euclid(60)))
    };
    minutes.iter().filter(|&&minute| !is_gap(minute)).count() as u128
}

fn minute_figures(
    question: &Question,
    timed: &[&Invocation],
    quantity: &dyn Fn(&Invocation) -> u64,
    average_minutes: u128,
) -> Option<MinuteFigures> {
    let by = |seconds: i64| {
        let mut slots: BTreeMap<i64, u64> = BTreeMap::new();
        for one in timed {
            *slots.entry(one.timestamp.seconds.div_euclid(seconds)).or_default() += quantity(one);
        }
        slots
    };
    let minutes = by(60);
    let mut sorted: Vec<u64> = minutes.values().copied().collect();
    sorted.sort_unstable();
    let peak = *sorted.last()?;
    let sum: u128 = sorted.iter().map(|&value| u128::from(value)).sum();
    let seconds = by(1);
    let window = |length: i64| -> Option<u64> {
        seconds.keys().map(|&first| seconds.range(first..first + length).map(|(_, value)| value).sum()).max()
    };
    let [second, ten_seconds, sliding] = [window(1)?, window(10)?, window(60)?];
    let over_peak = |value: u64| Ratio { numerator: u128::from(value), denominator: u128::from(peak) };
    let burst = Burst { second_x60: over_peak(second * 60), ten_seconds_x6: over_peak(ten_seconds * 6) };
    let data_points = question.series.map(|grain| match grain {
        Grain::Minute => {
            by(60).into_iter().map(|(at, value)| (UtcSlot::Minute(UtcMinute(at)), value)).collect()
        }
        Grain::Hour => by(3_600).into_iter().map(|(at, value)| (UtcSlot::Hour(UtcHour(at)), value)).collect(),
        Grain::Day => by(86_400).into_iter().map(|(at, value)| (UtcSlot::Day(UtcDay(at)), value)).collect(),
    });
    Some(MinuteFigures {
        average: Ratio { numerator: sum, denominator: sorted.len() as u128 },
        average_all: (average_minutes > 0).then_some(Ratio { numerator: sum, denominator: average_minutes }),
        p50: sorted[rank(500, sorted.len()) - 1],
        p90: sorted[rank(900, sorted.len()) - 1],
        p99: sorted[rank(990, sorted.len()) - 1],
        peak,
        peak_minute: minutes.iter().find(|&(_, &value)| value == peak).map(|(&at, _)| UtcMinute(at))?,
        peak_sliding_60s: sliding,
        burst: (peak > 0).then_some(burst),
        data_points,
    })
}

fn day_figures(timed: &[&Invocation], quantity: &dyn Fn(&Invocation) -> u64) -> Option<DayFigures> {
    let mut minutes: BTreeMap<i64, u64> = BTreeMap::new();
    for one in timed {
        *minutes.entry(one.timestamp.seconds.div_euclid(60)).or_default() += quantity(one);
    }
    let day = |first: i64| -> u64 { minutes.range(first..first + 1_440).map(|(_, value)| value).sum() };
    let days: BTreeSet<i64> = minutes.keys().map(|minute| minute.div_euclid(1_440)).collect();
    let peak = days.iter().map(|&number| day(number * 1_440)).max()?;
    let ends = || minutes.keys().map(|&last| (last, day(last - 1_439)));
    let rolling = ends().map(|(_, sum)| sum).max()?;
    Some(DayFigures {
        peak,
        peak_day: days.iter().find(|&&number| day(number * 1_440) == peak).map(|&number| UtcDay(number))?,
        rolling_24h: rolling,
        rolling_24h_end: ends().find(|&(_, sum)| sum == rolling).map(|(last, _)| UtcMinute(last))?,
    })
}

fn listing(question: &Question, kind: ListKind, counted: &[&Record]) -> Vec<ListedRequest> {
    let prompt = |one: &Invocation| prompt(question, one);
    let bytes = |one: &Invocation| one.input_bytes.get().unwrap_or(0) + one.output_bytes.get().unwrap_or(0);
    let is_failed = |one: &Invocation| one.facets.error_code.is_some();
    let mut rows = Vec::new();
    for one in counted.iter().map(|record| &record.0) {
        let is_listed = match kind {
            ListKind::HighToken => !is_failed(one) && prompt(one).is_some_and(|prompt| prompt > 25_000),
            ListKind::Errors => is_failed(one),
            ListKind::Large => one.input_large || one.output_large,
        };
        let most_first = match kind {
            ListKind::HighToken => u64::MAX - prompt(one).unwrap_or(0),
            ListKind::Errors => 0,
            ListKind::Large => u64::MAX - bytes(one),
        };
        let facets = &one.facets;
        let owned = |text: &Option<Arc<str>>| text.as_ref().map(|text| text.to_string());
        let row = ListedRequest {
            request_id: one.request_id.to_string(),
            timestamp: one.timestamp,
            account: owned(&facets.account),
            region: owned(&facets.region),
            model: base(question, one),
            identity: owned(&facets.identity),
            operation: owned(&facets.operation),
            error_code: owned(&facets.error_code),
            input_tokens: one.input_tokens.get(),
            prompt_tokens: prompt(one),
            output_tokens: one.output_tokens.get(),
            latency_ms: one.latency_ms.get(),
            input_bytes: one.input_bytes.get(),
            output_bytes: one.output_bytes.get(),
        };
        if is_listed {
            rows.push((most_first, row));
        }
    }
    // Beyond prompt or bytes, time and id the columns decide, left to right.
    rows.sort_by(|(a_first, a), (b_first, b)| {
        let columns = |row: &ListedRequest| {
            let names = (row.account.clone(), row.region.clone(), row.model.clone(), row.identity.clone());
            let more = (row.operation.clone(), row.error_code.clone());
            let tokens = (row.input_tokens, row.prompt_tokens, row.output_tokens);
            (names, more, tokens, (row.latency_ms, row.input_bytes, row.output_bytes))
        };
        (a_first, a.timestamp, &a.request_id)
            .cmp(&(b_first, b.timestamp, &b.request_id))
            .then_with(|| columns(a).cmp(&columns(b)))
    });
    rows.truncate(question.list_max);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn tally(question: &Question, records: &[Record]) -> Tally {
    let mut tally = Tally::default();
    for record in records {
        let one = &record.0;
        if let Some(reason) = reason_to_filter(question, one) {
            *tally.filtered.entry(reason).or_default() += 1;
            continue;
        }
        let is_unknown = one.input_tokens.get().is_none() || one.output_tokens.get().is_none();
        let is_lost = one.payload_lost && one.facets.error_code.is_none() && is_unknown;
        tally.counted += 1;
        tally.counts_lost += u64::from(is_lost);
        tally.outliers += u64::from(is_outlier(question, record));
        tally.no_request_id += u64::from(one.request_id == RequestId::Missing);
    }
    tally
}

// ---- The comparisons ----

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn f22_the_figures_are_those_of_the_naive_model(
        question in traffic::questions(),
        records in traffic::records(80),
    ) {
        let coverage = traffic::coverage();
        let (found, found_tally) = summed(&question, &records, &coverage);
        prop_assert_eq!(found, figures(&question, &records, &coverage));
        prop_assert_eq!(found_tally, tally(&question, &records));
    }
}

/// Records with these input counts, one a second from the start of hour 1.
fn with_input(counts: &[Option<u64>]) -> Vec<Record> {
    let facets = traffic::facets("amazon.nova-lite-v1:0");
    let start = traffic::hour(1).start_seconds();
    let record = |(second, &count): (usize, &Option<u64>)| {
        let invocation = traffic::invocation(start + second as i64, &facets);
        (Invocation { input_tokens: count.into(), ..invocation }, CoverageId::NONE)
    };
    counts.iter().enumerate().map(record).collect()
}

#[test]
fn f28_exactly_25_000_tokens_is_not_above_the_threshold() {
    // 0 and 1 are small; so would 999 be, and 1,000 not.
    let small = |values: &[u64]| {
        let records = with_input(&values.iter().copied().map(Some).collect::<Vec<_>>());
        summed(&Question::default(), &records, &[]).0.totals.high_token.small
    };
    assert_eq!((small(&[999]), small(&[1_000])), (1, 0));
    let values: Vec<Option<u64>> = [0, 1, 24_992, 25_000, 25_001, 25_007, 1 << 40].map(Some).to_vec();
    let records = with_input(&values);
    let (found, _) = summed(&Question::default(), &records, &[]);
    // 25,001, 25,007 and 2^40; the bucket that holds 25,000 and 25,001 cannot tell them apart.
    assert_eq!(found.totals.high_token, HighToken { small: 2, by_input: 3, by_prompt: 3, known: 7 });
    let spread = found.totals.distributions["input_tokens"];
    assert_eq!((spread.count, spread.min, spread.max), (7, 0, 1 << 40));
    // Rank ⌈0.5·7⌉ = 4 is 25,000, whose bucket ends at 25,007.
    assert_eq!(spread.p50, 25_007);
    assert_eq!(found, figures(&Question::default(), &records, &[]));
}

#[test]
fn the_prompt_counts_over_the_threshold_where_the_input_does_not() {
    let mut records = with_input(&[Some(25_000), None]);
    for (invocation, _) in &mut records {
        invocation.cache_read_tokens = Count::known(1);
    }
    let question = Question { list: Some(ListKind::HighToken), ..Question::default() };
    let (found, _) = summed(&question, &records, &[]);
    assert_eq!(found.totals.high_token, HighToken { small: 0, by_input: 0, by_prompt: 1, known: 1 });
    assert_eq!(found.totals.tokens.cache_read, 2, "cache reads count where the input is unknown, too");
    assert_eq!(found.listing.map(|rows| rows.len()), Some(1));
}

#[test]
fn f01_an_unknown_count_is_no_zero() {
    let records = with_input(&[Some(10), None, None]);
    let (found, _) = summed(&Question::default(), &records, &[]);
    assert_eq!((found.totals.successful, found.totals.tokens.input_known), (3, 1));
    assert_eq!(found.totals.tokens.output_known, 0);
    assert_eq!(
        found.totals.distributions.keys().copied().collect::<Vec<_>>(),
        ["input_tokens", "prompt_tokens"]
    );
}

#[test]
fn f08_tokens_of_failed_calls_are_kept_apart() {
    let mut records = with_input(&[Some(10), Some(30_000)]);
    let facets = &records[1].0.facets;
    let call = Call { error_code: Some("ThrottlingException".into()), ..Call::clone(&facets.call) };
    let failed = Facets { call: call.into(), ..Facets::clone(facets) };
    records[1].0.facets = failed.into();
    let (found, _) = summed(&Question::default(), &records, &[]);
    let totals = found.totals;
    assert_eq!((totals.attempted, totals.successful, totals.throttled), (2, 1, 1));
    assert_eq!((totals.tokens.input, totals.tokens_on_errors.input), (10, 30_000));
    assert_eq!(totals.high_token, HighToken { small: 1, by_input: 0, by_prompt: 0, known: 1 });
    assert_eq!(totals.tokens_per_minute.map(|minutes| minutes.peak), Some(10));
    assert_eq!(totals.requests_per_minute.map(|minutes| minutes.peak), Some(2));
}

/// The measures of these records at these rates.
fn charged(charge: Charge, records: &[Record]) -> Figures {
    struct One(Charge);
    impl borehole_usage::ChargeRules for One {
        fn charge(&self, _base_model: &str, _at: Timestamp) -> Charge {
            self.0
        }

        fn fingerprint(&self, _at: Timestamp) -> u128 {
            0
        }
    }
    let question = Question { charges: Charges::new(Arc::new(One(charge))), ..Question::default() };
    let (found, _) = summed(&question, records, &[]);
    assert_eq!(found, figures(&question, records, &[]));
    found
}

#[test]
fn the_four_measures_are_those_of_the_documentation() {
    let mut records = with_input(&[Some(3_000)]);
    let call = &mut records[0].0;
    call.cache_read_tokens = Count::known(4_000);
    call.cache_write_tokens = Count::known(1_000);
    call.output_tokens = Count::known(1_000);
    call.max_tokens = Count::known(32_000);
    let charge = Charge { burndown: Some(5), ..Charge::default() };
    let totals = charged(charge, &records).totals;
    assert_eq!((totals.tokens.input, totals.tokens.prompt), (3_000, 8_000));
    assert_eq!((totals.tokens.settled, totals.tokens.reserved), (9_000, 36_000));
    let peak = |figures: Option<MinuteFigures>| figures.map(|figures| figures.peak);
    assert_eq!(peak(totals.quota_tokens_per_minute), Some(9_000));
    assert_eq!(peak(totals.reserved_tokens_per_minute), Some(36_000));
    assert_eq!(peak(totals.tokens_per_minute), Some(4_000), "raw tokens stay what they are");
    assert_eq!(totals.quota_tokens_per_day.map(|days| (days.peak, days.rolling_24h)), Some((9_000, 9_000)));
}

#[test]
fn where_logged_input_holds_the_cache_the_prompt_is_the_input() {
    let mut records = with_input(&[Some(9_000)]);
    records[0].0.cache_read_tokens = Count::known(4_000);
    let charge = Charge { input_includes_cache: true, ..Charge::default() };
    let totals = charged(charge, &records).totals;
    assert_eq!((totals.tokens.input, totals.tokens.prompt), (9_000, 9_000));
    assert_eq!(totals.distributions["prompt_tokens"].max, 9_000);
}

#[test]
fn a_model_without_a_rate_has_no_quota_tokens_and_is_named() {
    let mut records = with_input(&[Some(10), Some(20)]);
    records[0].0.output_tokens = Count::known(1);
    let found = charged(Charge::default(), &records);
    assert_eq!(found.totals.quota_tokens_per_minute, None);
    assert_eq!((found.totals.tokens.settled_known, found.totals.tokens.settled), (0, 0));
    assert_eq!(found.unruled_models, BTreeMap::from([("amazon.nova-lite-v1:0".to_owned(), 2)]));
    // With a rate, the request whose output is not known is still not charged, and not called 0.
    let found = charged(Charge { burndown: Some(1), ..Charge::default() }, &records);
    assert_eq!((found.totals.tokens.settled_known, found.totals.tokens.settled), (1, 11));
    assert_eq!(found.unruled_models, BTreeMap::new());
}

#[test]
fn rates_are_those_of_the_day_of_the_call_or_of_the_day_asked() {
    // The last minute of 2022 and the first of 2023, between which the rate changes from 1 to 5.
    let facets = traffic::facets(traffic::HAIKU);
    let call = |seconds| {
        let mut invocation = traffic::invocation(traffic::YEAR_2023 + seconds, &facets);
        invocation.input_tokens = Count::known(0);
        invocation.output_tokens = Count::known(100);
        (invocation, CoverageId::NONE)
    };
    let records = [call(-1), call(0)];
    let settled = |charges_at: Option<i64>| {
        let charges_at = charges_at.map(|seconds| Timestamp { seconds, nanos: 0 });
        let charges = Charges::new(Arc::new(traffic::Rates));
        let question = Question { charges, charges_at, ..Question::default() };
        summed(&question, &records, &[]).0.totals.tokens.settled
    };
    assert_eq!(settled(None), 100 + 500);
    assert_eq!(settled(Some(traffic::YEAR_2023 - 1)), 200);
    assert_eq!(settled(Some(traffic::YEAR_2023)), 1_000);
}

#[test]
fn a_mapped_profile_counts_as_what_it_was_copied_from_and_an_unmapped_one_is_named() {
    let arn = |id: &str| format!("arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/{id}");
    let mut records = with_input(&[Some(1), Some(2)]);
    for (record, id) in records.iter_mut().zip(["mapped", "unmapped"]) {
        record.0.facets = traffic::facets(&arn(id));
    }
    let mut question = Question::default();
    question.profiles.insert(&arn("mapped"), &format!("global.{}", traffic::NOVA));
    question.by = vec![Dimension::Model, Dimension::Scope];
    let (found, _) = summed(&question, &records, &[]);
    let keys: Vec<Vec<&str>> = found
        .groups
        .iter()
        .map(|group| group.key.iter().filter_map(|(_, value)| value.as_deref()).collect())
        .collect();
    let unmapped = "application-inference-profile/unmapped";
    assert_eq!(keys, [vec![traffic::NOVA, "global"], vec![unmapped, "application-profile"]]);
    assert_eq!(found.unresolved_profiles, BTreeMap::from([(unmapped.to_owned(), 1)]));
    // A profile lacks a model: that it lacks a rate, too, is not said twice.
    assert_eq!(found.unruled_models, BTreeMap::from([(traffic::NOVA.to_owned(), 1)]));
    // A filter by model finds it under what it was copied from.
    question.filter.models = vec![traffic::NOVA.to_owned()];
    assert_eq!(summed(&question, &records, &[]).0.totals.attempted, 1);
}

#[test]
fn f12_an_impossible_time_is_counted_but_left_out_of_series_and_span() {
    let mut records = with_input(&[Some(10), Some(20)]);
    records[1].0.timestamp.seconds = 0;
    let question = Question::default();
    let (found, found_tally) = summed(&question, &records, &[]);
    assert_eq!((found.totals.attempted, found.totals.tokens.input), (2, 30));
    assert_eq!(found_tally.outliers, 1);
    assert_eq!(found.from, Some(records[0].0.timestamp));
    let minutes = found.totals.tokens_per_minute.expect("one plausible minute");
    assert_eq!((minutes.peak, minutes.average), (10, Ratio { numerator: 10, denominator: 1 }));

    let included = Question { include_outliers: true, ..question };
    let (found, found_tally) = summed(&included, &records, &[]);
    assert_eq!(found.from, Some(Timestamp { seconds: 0, nanos: 0 }));
    assert_eq!(found.totals.tokens_per_minute.map(|minutes| minutes.peak), Some(20));
    assert_eq!(found_tally.outliers, 1, "the warning stays");
}

#[test]
fn figures_of_nothing_are_absent() {
    let (found, found_tally) = summed(&Question::default(), &[], &[]);
    let by = ["account", "region", "model", "scope"].map(str::to_owned).to_vec();
    assert_eq!(found, Figures { by, ..Figures::default() });
    assert_eq!(found_tally, Tally::default());
}

#[test]
fn a_range_that_was_asked_stands_where_nothing_was_counted() {
    let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
    let question = Question { from: at(60), to: at(120), ..Question::default() };
    let (found, found_tally) = summed(&question, &with_input(&[Some(1)]), &[]);
    assert_eq!((found.from, found.to, found.totals.attempted), (at(60), at(120), 0));
    assert_eq!(found_tally.filtered, BTreeMap::from([("time_range", 1)]));
}

#[test]
fn f21_models_past_4096_are_folded_by_attempts_then_id() {
    // Two records of every even model, one of every odd one: of 4,104 models the last 8 odd ones are folded.
    let models: i64 = 4_104;
    let start = traffic::hour(1).start_seconds();
    let mut records: Vec<Record> = Vec::new();
    for index in 0..models {
        let facets = traffic::facets(&format!("junk-{index:04}"));
        for call in 0..2 - index % 2 {
            // The folded ones, 4,089 to 4,103, come from second 3,586 to second 3,614: in two hours.
            let second = (index * 2 + call * 40 + 2_608) % 7_200;
            let mut invocation = traffic::invocation(start + second, &facets);
            invocation.input_tokens = Count::known(index as u64);
            records.push((invocation, CoverageId::NONE));
        }
    }
    let question = Question { by: vec![Dimension::Model], ..Question::default() };
    let (found, _) = summed(&question, &records, &[]);
    assert_eq!(found.models_folded, 8);
    assert_eq!(found.groups.len(), 4_097);
    let other = found.groups.iter().find(|group| group.key[0].1.as_deref() == Some("__other__"));
    let other = other.expect("the folded models");
    assert_eq!(other.attempted, 8);
    // 8 calls, 4 seconds apart, across the border of the hour and all within 60 seconds.
    assert_eq!(other.requests_per_minute.as_ref().map(|minutes| minutes.peak_sliding_60s), Some(8));
    assert_eq!(found, figures(&question, &records, &[]));
}

#[test]
fn of_many_values_the_200_with_the_most_load_are_ranked_and_the_rest_is_counted() {
    // One call each of 205 sessions, in two hours; the later ones use more, and so does the one that is nobody's.
    let mut records = with_input(&(0..206).map(|count| Some(1_000 + count)).collect::<Vec<_>>());
    for (place, (invocation, _)) in records.iter_mut().enumerate().take(205) {
        let mut facets = Facets::clone(&invocation.facets);
        facets.identity = Some(format!("arn:aws:sts::111122223333:assumed-role/Builder/{place:03}").into());
        invocation.facets = facets.into();
        invocation.timestamp.seconds += place as i64 % 2 * 3_600;
    }
    let question = Question { rank: vec![Dimension::Session, Dimension::Role], ..Question::default() };
    let (found, _) = summed(&question, &records, &[]);
    let sessions = &found.rankings[0];
    assert_eq!((sessions.rows.len(), sessions.omitted), (200, 6));
    assert_eq!((&sessions.rows[0].value, sessions.rows[1].value.as_deref()), (&None, Some("204")));
    assert_eq!(found.rankings[1].rows.len(), 2);
    assert_eq!(found.rankings, figures(&question, &records, &[]).rankings);
}
