//! Finished figures as bytes: what a question was answered with, for when the same is asked of the same hours.
//!
//! In: figures. Out: bytes, and equal figures again. Always: equal figures are equal bytes. Absent: what the figures
//! are of; whoever keeps them keeps with them the question's [`crate::Question::figures_fingerprint`], its fingerprint for each
//! hour, and what the hours were made from.

use std::collections::BTreeMap;

use borehole_record::{ContentKinds, UtcDay, UtcHour, UtcMinute};

use super::{
    Kind, begin, open, pack_optional, pack_rows, pack_signed, pack_timestamp, read_optional, read_rows,
    read_signed, read_text, read_timestamp,
};
use crate::figures::{
    Burst, CrossRegion, DayFigures, Distribution, ErrorTokens, Figures, Group, HighToken, MinuteFigures,
    Payloads, Rank, Ranking, Ratio, TokenSums, UtcSlot,
};
use crate::packed::{Checker, Packer};
use crate::sums::{SPREAD_NAMES, TOTAL_MAX};

impl Figures {
    /// The figures as bytes; equal figures give equal bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let Figures {
            from,
            to,
            by,
            totals,
            groups,
            groups_omitted,
            listing,
            models_folded,
            unruled_models,
            unresolved_profiles,
            rankings,
        } = self;
        let mut packer = begin(Kind::Figures);
        for end in [from, to] {
            pack_optional(end.as_ref(), &mut packer, |&end, packer| pack_timestamp(end, packer));
        }
        packer.count(by.len() as u64);
        by.iter().for_each(|dimension| packer.text(dimension));
        pack_group(totals, &mut packer);
        packer.count(groups.len() as u64);
        groups.iter().for_each(|group| pack_group(group, &mut packer));
        packer.count(*groups_omitted);
        pack_optional(listing.as_deref(), &mut packer, pack_rows);
        packer.count(*models_folded);
        pack_texts(unruled_models, &mut packer);
        pack_texts(unresolved_profiles, &mut packer);
        packer.count(rankings.len() as u64);
        rankings.iter().for_each(|ranking| pack_ranking(ranking, &mut packer));
        packer.finish().into_vec()
    }

    /// The figures that [`Figures::to_bytes`] of this version wrote; `None` for whatever it cannot have written.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Figures> {
        let checker = &mut open(bytes, Kind::Figures)?;
        let figures = Figures {
            from: read_optional(checker, read_timestamp)?,
            to: read_optional(checker, read_timestamp)?,
            by: read_list(checker, read_text)?,
            totals: read_group(checker)?,
            groups: read_list(checker, read_group)?,
            groups_omitted: checker.count_to(TOTAL_MAX)?,
            listing: read_optional(checker, read_rows)?,
            models_folded: checker.count_to(TOTAL_MAX)?,
            unruled_models: read_texts(checker)?,
            unresolved_profiles: read_texts(checker)?,
            rankings: read_list(checker, read_ranking)?,
        };
        checker.is_empty().then_some(figures)
    }
}

fn pack_group(group: &Group, packer: &mut Packer) {
    let Group {
        key,
        attempted,
        successful,
        throttled,
        errors,
        tokens,
        tokens_on_errors,
        high_token,
        distributions,
        tokens_per_minute,
        quota_tokens_per_minute,
        reserved_tokens_per_minute,
        quota_tokens_per_day,
        requests_per_minute,
        status,
        stop_reasons,
        payloads,
        cross_region,
    } = group;
    packer.count(key.len() as u64);
    for (dimension, value) in key {
        packer.text(dimension);
        pack_optional(value.as_ref(), packer, |value, packer| packer.text(value));
    }
    [attempted, successful, throttled].into_iter().for_each(|&count| packer.count(count));
    pack_texts(errors, packer);
    let TokenSums {
        input,
        output,
        cache_read,
        cache_write,
        prompt,
        input_known,
        output_known,
        settled,
        settled_known,
        reserved,
        reserved_known,
    } = tokens;
    let ErrorTokens { input: error_input, output: error_output } = tokens_on_errors;
    for sum in [input, output, cache_read, cache_write, prompt, settled, reserved, error_input, error_output]
    {
        packer.sum(*sum);
    }
    let HighToken { small, by_input, by_prompt, known } = high_token;
    for count in [input_known, output_known, settled_known, reserved_known, small, by_input, by_prompt, known]
    {
        packer.count(*count);
    }
    pack_known(distributions, &SPREAD_NAMES, packer, pack_distribution);
    let minutes =
        [tokens_per_minute, quota_tokens_per_minute, reserved_tokens_per_minute, requests_per_minute];
    minutes.into_iter().for_each(|figures| pack_optional(figures.as_ref(), packer, pack_minutes));
    pack_optional(quota_tokens_per_day.as_ref(), packer, pack_days);
    pack_texts(status, packer);
    pack_texts(stop_reasons, packer);
    let Payloads { large_input, large_output, large_either, large_bytes, content } = payloads;
    [large_input, large_output, large_either].into_iter().for_each(|&count| packer.count(count));
    packer.sum(*large_bytes);
    pack_known(content, &ContentKinds::NAMES, packer, |&count, packer| packer.count(count));
    packer.count(cross_region.len() as u64);
    for (region, CrossRegion { requests, latency_ms, first_byte_ms }) in cross_region {
        packer.text(region);
        packer.count(*requests);
        pack_optional(latency_ms.as_ref(), packer, pack_distribution);
        pack_optional(first_byte_ms.as_ref(), packer, pack_distribution);
    }
}

fn read_group(checker: &mut Checker<'_>) -> Option<Group> {
    let key = read_list(checker, |checker| Some((read_text(checker)?, read_optional(checker, read_text)?)))?;
    let [attempted, successful, throttled] = read_counts(checker)?;
    let errors = read_texts(checker)?;
    let [input, output, cache_read, cache_write, prompt, settled, reserved, error_input, error_output] =
        read_sums(checker)?;
    let [input_known, output_known, settled_known, reserved_known, small, by_input, by_prompt, known] =
        read_counts(checker)?;
    let tokens = TokenSums {
        input,
        output,
        cache_read,
        cache_write,
        prompt,
        input_known,
        output_known,
        settled,
        settled_known,
        reserved,
        reserved_known,
    };
    let distributions = read_known(checker, &SPREAD_NAMES, read_distribution)?;
    let mut minutes = || read_optional(checker, read_minutes);
    let [tokens_per_minute, quota_tokens_per_minute] = [minutes()?, minutes()?];
    let [reserved_tokens_per_minute, requests_per_minute] = [minutes()?, minutes()?];
    let quota_tokens_per_day = read_optional(checker, read_days)?;
    let (status, stop_reasons) = (read_texts(checker)?, read_texts(checker)?);
    let [large_input, large_output, large_either] = read_counts(checker)?;
    let [large_bytes] = read_sums(checker)?;
    let content = read_known(checker, &ContentKinds::NAMES, |checker| checker.count_to(TOTAL_MAX))?;
    let region = |checker: &mut Checker<'_>| {
        Some(CrossRegion {
            requests: checker.count_to(TOTAL_MAX)?,
            latency_ms: read_optional(checker, read_distribution)?,
            first_byte_ms: read_optional(checker, read_distribution)?,
        })
    };
    Some(Group {
        key,
        attempted,
        successful,
        throttled,
        errors,
        tokens,
        tokens_on_errors: ErrorTokens { input: error_input, output: error_output },
        high_token: HighToken { small, by_input, by_prompt, known },
        distributions,
        tokens_per_minute,
        quota_tokens_per_minute,
        reserved_tokens_per_minute,
        quota_tokens_per_day,
        requests_per_minute,
        status,
        stop_reasons,
        payloads: Payloads { large_input, large_output, large_either, large_bytes, content },
        cross_region: read_map(checker, region)?,
    })
}

fn pack_ranking(ranking: &Ranking, packer: &mut Packer) {
    let Ranking { dimension, rows, omitted } = ranking;
    packer.text(dimension);
    packer.count(rows.len() as u64);
    for Rank { value, attempted, throttled, input, output, settled, share, share_in_peak } in rows {
        pack_optional(value.as_ref(), packer, |value, packer| packer.text(value));
        [attempted, throttled].into_iter().for_each(|&count| packer.count(count));
        [input, output, settled].into_iter().for_each(|&sum| packer.sum(sum));
        [share, share_in_peak]
            .into_iter()
            .for_each(|share| pack_optional(share.as_ref(), packer, pack_ratio));
    }
    packer.count(*omitted);
}

fn read_ranking(checker: &mut Checker<'_>) -> Option<Ranking> {
    let rank = |checker: &mut Checker<'_>| {
        let value = read_optional(checker, read_text)?;
        let [attempted, throttled] = read_counts(checker)?;
        let [input, output, settled] = read_sums(checker)?;
        let share = read_optional(checker, read_ratio)?;
        let share_in_peak = read_optional(checker, read_ratio)?;
        Some(Rank { value, attempted, throttled, input, output, settled, share, share_in_peak })
    };
    Some(Ranking {
        dimension: read_text(checker)?,
        rows: read_list(checker, rank)?,
        omitted: checker.count_to(TOTAL_MAX)?,
    })
}

fn pack_distribution(distribution: &Distribution, packer: &mut Packer) {
    let Distribution { count, min, max, sum, p50, p90, p95, p99, p999 } = distribution;
    [count, min, max, p50, p90, p95, p99, p999].into_iter().for_each(|&value| packer.count(value));
    packer.sum(*sum);
}

fn read_distribution(checker: &mut Checker<'_>) -> Option<Distribution> {
    // Never of nothing.
    let count = checker.count_to(TOTAL_MAX).filter(|&count| count > 0)?;
    let mut value = || checker.count();
    let [min, max, p50, p90] = [value()?, value()?, value()?, value()?];
    let [p95, p99, p999] = [value()?, value()?, value()?];
    let [sum] = read_sums(checker)?;
    Some(Distribution { count, min, max, sum, p50, p90, p95, p99, p999 })
}

fn pack_ratio(&Ratio { numerator, denominator }: &Ratio, packer: &mut Packer) {
    packer.sum(numerator);
    packer.sum(denominator);
}

fn read_ratio(checker: &mut Checker<'_>) -> Option<Ratio> {
    let [numerator, denominator] = read_sums(checker)?;
    Ratio::new(numerator, denominator)
}

fn pack_minutes(figures: &MinuteFigures, packer: &mut Packer) {
    let MinuteFigures {
        average,
        average_all,
        p50,
        p90,
        p99,
        peak,
        peak_minute,
        peak_sliding_60s,
        burst,
        data_points,
    } = figures;
    pack_ratio(average, packer);
    pack_optional(average_all.as_ref(), packer, pack_ratio);
    [p50, p90, p99, peak, peak_sliding_60s].into_iter().for_each(|&value| packer.count(value));
    pack_signed(peak_minute.0, packer);
    pack_optional(burst.as_ref(), packer, |burst, packer| {
        pack_ratio(&burst.second_x60, packer);
        pack_ratio(&burst.ten_seconds_x6, packer);
    });
    pack_optional(data_points.as_ref(), packer, |points, packer| {
        packer.count(points.len() as u64);
        for &(slot, value) in points {
            let (kind, number) = match slot {
                UtcSlot::Minute(minute) => (0, minute.0),
                UtcSlot::Hour(hour) => (1, hour.0),
                UtcSlot::Day(day) => (2, day.0),
            };
            packer.count(kind);
            pack_signed(number, packer);
            packer.count(value);
        }
    });
}

fn read_minutes(checker: &mut Checker<'_>) -> Option<MinuteFigures> {
    let average = read_ratio(checker)?;
    let average_all = read_optional(checker, read_ratio)?;
    let mut value = || checker.count();
    let [p50, p90, p99, peak, peak_sliding_60s] = [value()?, value()?, value()?, value()?, value()?];
    let peak_minute = UtcMinute(read_signed(checker)?);
    let burst = |checker: &mut Checker<'_>| {
        Some(Burst { second_x60: read_ratio(checker)?, ten_seconds_x6: read_ratio(checker)? })
    };
    let point = |checker: &mut Checker<'_>| {
        let (kind, number) = (checker.count()?, read_signed(checker)?);
        let slot = match kind {
            0 => UtcSlot::Minute(UtcMinute(number)),
            1 => UtcSlot::Hour(UtcHour(number)),
            2 => UtcSlot::Day(UtcDay(number)),
            _ => return None,
        };
        Some((slot, checker.count()?))
    };
    Some(MinuteFigures {
        average,
        average_all,
        p50,
        p90,
        p99,
        peak,
        peak_minute,
        peak_sliding_60s,
        burst: read_optional(checker, burst)?,
        data_points: read_optional(checker, |checker| read_list(checker, point))?,
    })
}

fn pack_days(figures: &DayFigures, packer: &mut Packer) {
    let DayFigures { peak, peak_day, rolling_24h, rolling_24h_end } = figures;
    packer.count(*peak);
    pack_signed(peak_day.0, packer);
    packer.count(*rolling_24h);
    pack_signed(rolling_24h_end.0, packer);
}

fn read_days(checker: &mut Checker<'_>) -> Option<DayFigures> {
    Some(DayFigures {
        peak: checker.count()?,
        peak_day: UtcDay(read_signed(checker)?),
        rolling_24h: checker.count()?,
        rolling_24h_end: UtcMinute(read_signed(checker)?),
    })
}

/// Counts by text, ascending.
fn pack_texts(counts: &BTreeMap<String, u64>, packer: &mut Packer) {
    packer.count(counts.len() as u64);
    for (text, &count) in counts {
        packer.text(text);
        packer.count(count);
    }
}

fn read_texts(checker: &mut Checker<'_>) -> Option<BTreeMap<String, u64>> {
    read_map(checker, |checker| checker.count_to(TOTAL_MAX))
}

/// Values by text, ascending.
fn read_map<'a, T>(
    checker: &mut Checker<'a>,
    mut read: impl FnMut(&mut Checker<'a>) -> Option<T>,
) -> Option<BTreeMap<String, T>> {
    let mut values = BTreeMap::new();
    for _ in 0..checker.count()? {
        let text = read_text(checker)?;
        let is_later = values.last_key_value().is_none_or(|(last, _)| text > *last);
        is_later.then_some(())?;
        values.insert(text, read(checker)?);
    }
    Some(values)
}

/// Values by one of these names, in the order of the names.
fn pack_known<T>(
    values: &BTreeMap<&'static str, T>,
    names: &[&'static str],
    packer: &mut Packer,
    pack: impl Fn(&T, &mut Packer),
) {
    for name in names {
        pack_optional(values.get(name), packer, &pack);
    }
}

fn read_known<'a, T>(
    checker: &mut Checker<'a>,
    names: &[&'static str],
    read: impl Fn(&mut Checker<'a>) -> Option<T>,
) -> Option<BTreeMap<&'static str, T>> {
    let mut values = BTreeMap::new();
    for &name in names {
        if let Some(value) = read_optional(checker, &read)? {
            values.insert(name, value);
        }
    }
    Some(values)
}

fn read_list<'a, T>(
    checker: &mut Checker<'a>,
    mut read: impl FnMut(&mut Checker<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    (0..checker.count()?).map(|_| read(checker)).collect()
}

fn read_counts<const N: usize>(checker: &mut Checker<'_>) -> Option<[u64; N]> {
    let mut counts = [0; N];
    for count in &mut counts {
        *count = checker.count_to(TOTAL_MAX)?;
    }
    Some(counts)
}

fn read_sums<const N: usize>(checker: &mut Checker<'_>) -> Option<[u128; N]> {
    let mut sums = [0; N];
    for sum in &mut sums {
        *sum = checker.sum()?;
    }
    Some(sums)
}
