//! The laws of merging: any split of the records, any tree of merges and any order of hours give one answer.

mod traffic;

use std::collections::BTreeMap;
use std::sync::Arc;

use borehole_record::{Count, RequestId, Timestamp, UtcHour};
use borehole_usage::figures::{Ratio, TokenSums};
use borehole_usage::{
    Charges, CoverageId, Dimension, Figures, FilterReason, Grain, HourSummary, Outcome, Question, SealedHour,
    Totals,
};
use proptest::collection::vec;
use proptest::prelude::*;
use traffic::Record;

/// One summary for each hour of these records.
fn summaries<'a>(
    question: &Question,
    records: impl IntoIterator<Item = &'a Record>,
) -> BTreeMap<UtcHour, HourSummary> {
    let mut hours = BTreeMap::new();
    for (invocation, coverage) in records {
        let hour = UtcHour::of(invocation.timestamp);
        let summary = hours.entry(hour).or_insert_with(|| HourSummary::new(hour));
        summary.observe(question, invocation, *coverage);
    }
    hours
}

fn sealed(question: &Question, records: &[Record]) -> Vec<SealedHour> {
    summaries(question, records).into_values().map(HourSummary::seal).collect()
}

fn totals(question: &Question, records: &[Record]) -> Totals {
    let mut totals = Totals::new();
    sealed(question, records).into_iter().for_each(|hour| totals.insert(hour));
    totals
}

fn figures(question: &Question, records: &[Record]) -> Figures {
    totals(question, records).figures(question, &traffic::coverage())
}

/// Puts the hours of `new` in the places of those of `old`, whichever of them exist.
fn replace_all(totals: &mut Totals, question: &Question, old: &[Record], new: &[Record]) {
    let (mut old, mut new) = (summaries(question, old), summaries(question, new));
    for hour in traffic::HOURS.map(traffic::hour) {
        let [old, new] = [&mut old, &mut new].map(|hours| hours.remove(&hour));
        let sealed = |summary: Option<HourSummary>| summary.unwrap_or_else(|| HourSummary::new(hour)).seal();
        totals.replace(sealed(old), sealed(new));
    }
    assert!(old.is_empty() && new.is_empty(), "all hours of the traffic were replaced");
}

/// One hour's summary of the records of `shard`.
fn shard(question: &Question, records: &[Record], shards: &[u8], shard: u8) -> HourSummary {
    let hour = traffic::hour(1);
    let mut summary = HourSummary::new(hour);
    for ((invocation, coverage), _) in records.iter().zip(shards).filter(|(_, own)| **own == shard) {
        let mut invocation = invocation.clone();
        let second = invocation.timestamp.seconds.rem_euclid(3_600);
        invocation.timestamp.seconds = hour.start_seconds() + second;
        summary.observe(question, &invocation, *coverage);
    }
    summary
}

fn merged(mut left: HourSummary, right: HourSummary) -> HourSummary {
    left.merge(right);
    left
}

const RECORDS_MAX: usize = 60;

fn any_shards(count: u8) -> impl Strategy<Value = Vec<u8>> {
    vec(0..count, RECORDS_MAX)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_empty_summary_is_the_identity_of_merge(
        question in traffic::questions(),
        records in traffic::records(RECORDS_MAX),
    ) {
        let one = || shard(&question, &records, &[0; RECORDS_MAX], 0);
        let empty = || HourSummary::new(traffic::hour(1));
        prop_assert_eq!(merged(one(), empty()).seal(), one().seal());
        prop_assert_eq!(merged(empty(), one()).seal(), one().seal());
    }

    #[test]
    fn merge_is_commutative(
        question in traffic::questions(),
        records in traffic::records(RECORDS_MAX),
        shards in any_shards(2),
    ) {
        let part = |index| shard(&question, &records, &shards, index);
        prop_assert_eq!(merged(part(0), part(1)).seal(), merged(part(1), part(0)).seal());
    }

    #[test]
    fn merge_is_associative(
        question in traffic::questions(),
        records in traffic::records(RECORDS_MAX),
        shards in any_shards(3),
    ) {
        let part = |index| shard(&question, &records, &shards, index);
        let left = merged(merged(part(0), part(1)), part(2));
        let right = merged(part(0), merged(part(1), part(2)));
        prop_assert_eq!(left.seal(), right.seal());
    }

    #[test]
    fn any_split_merge_tree_and_hour_order_give_the_same_figures(
        question in traffic::questions(),
        records in traffic::records(RECORDS_MAX),
        shards in any_shards(4),
        picks in vec(any::<prop::sample::Index>(), 64),
        sides in vec(any::<bool>(), 8),
    ) {
        let expected = figures(&question, &records);
        // Shards summed up alone, then any two merged until one is left of each hour.
        let mut parts: BTreeMap<UtcHour, Vec<HourSummary>> = BTreeMap::new();
        for index in 0..4 {
            let own = records.iter().zip(&shards).filter(|(_, shard)| **shard == index);
            for (hour, summary) in summaries(&question, own.map(|(record, _)| record)) {
                parts.entry(hour).or_default().push(summary);
            }
        }
        let mut picks = picks.iter().cycle();
        let mut pick = |length: usize| picks.next().expect("a cycle").index(length);
        let mut hours: Vec<SealedHour> = Vec::new();
        for (_, mut parts) in parts {
            while parts.len() > 1 {
                let left = parts.swap_remove(pick(parts.len()));
                let right = parts.swap_remove(pick(parts.len()));
                parts.push(merged(left, right));
            }
            hours.extend(parts.into_iter().map(HourSummary::seal));
        }
        // Hours in any order, on any of two workers.
        let mut workers = [Totals::new(), Totals::new()];
        let mut sides = sides.iter().cycle();
        while !hours.is_empty() {
            let hour = hours.swap_remove(pick(hours.len()));
            workers[usize::from(*sides.next().expect("a cycle"))].insert(hour);
        }
        let [mut one, other] = workers;
        one.merge(other);
        prop_assert_eq!(one.figures(&question, &traffic::coverage()), expected);
        prop_assert_eq!(one.tally(), totals(&question, &records).tally());
    }

    #[test]
    fn an_hour_that_is_sealed_again_takes_the_place_of_the_first(
        question in traffic::questions(),
        early in traffic::records(20),
        strays in traffic::records(20),
    ) {
        let mut replaced = totals(&question, &early);
        let all: Vec<Record> = early.iter().cloned().chain(strays).collect();
        replace_all(&mut replaced, &question, &early, &all);
        prop_assert_eq!(replaced.figures(&question, &traffic::coverage()), figures(&question, &all));
    }

    /// What leaves takes its minima, maxima, minutes and names with it; a second replacement brings it back.
    #[test]
    fn replacing_old_by_new_equals_inserting_new_at_once(
        question in traffic::questions(),
        old in traffic::records(RECORDS_MAX),
        new in traffic::records(RECORDS_MAX),
        bystanders in traffic::records(RECORDS_MAX),
        is_merged in any::<bool>(),
    ) {
        // Hours of the bystanders are their own; so are some of the names, buckets and extremes.
        let bystanders: Vec<Record> = bystanders
            .into_iter()
            .map(|(mut invocation, coverage)| {
                invocation.timestamp.seconds += (traffic::HOURS.end - traffic::HOURS.start) * 3_600;
                (invocation, coverage)
            })
            .collect();
        let mut replaced = totals(&question, &old);
        if is_merged {
            let mut other = totals(&question, &bystanders);
            other.merge(replaced);
            replaced = other;
        } else {
            sealed(&question, &bystanders).into_iter().for_each(|hour| replaced.insert(hour));
        }
        let expected = |records: &[Record]| {
            let totals = totals(&question, &[records, &bystanders].concat());
            (totals.figures(&question, &traffic::coverage()), totals.tally())
        };
        replace_all(&mut replaced, &question, &old, &new);
        prop_assert_eq!((replaced.figures(&question, &traffic::coverage()), replaced.tally()), expected(&new));
        replace_all(&mut replaced, &question, &new, &old);
        prop_assert_eq!((replaced.figures(&question, &traffic::coverage()), replaced.tally()), expected(&old));
    }

    #[test]
    fn the_sums_agree_with_each_other(
        question in traffic::questions(),
        records in traffic::records(RECORDS_MAX),
    ) {
        let question = Question { series: Some(Grain::Minute), top: None, ..question };
        let totals = totals(&question, &records);
        let tally = totals.tally();
        let figures = totals.figures(&question, &[]);

        prop_assert_eq!(tally.counted + tally.filtered.values().sum::<u64>(), records.len() as u64);
        prop_assert_eq!(figures.totals.attempted, tally.counted);
        let is_partition = !question.by.is_empty() && !question.by.contains(&Dimension::ContentKind);
        if is_partition {
            prop_assert_eq!(figures.groups.iter().map(|group| group.attempted).sum::<u64>(), tally.counted);
            for of in [
                (|tokens| tokens.input) as fn(&TokenSums) -> u128,
                |tokens| tokens.prompt,
                |tokens| tokens.settled,
                |tokens| tokens.reserved,
            ] {
                let sum: u128 = figures.groups.iter().map(|group| of(&group.tokens)).sum();
                prop_assert_eq!(sum, of(&figures.totals.tokens));
            }
        }
        let left_out = if question.include_outliers { 0 } else { tally.outliers };
        let points = |figures: &Option<borehole_usage::figures::MinuteFigures>| {
            let points = figures.iter().flat_map(|figures| figures.data_points.iter().flatten());
            points.map(|&(_, value)| u128::from(value)).sum::<u128>()
        };
        prop_assert_eq!(points(&figures.totals.requests_per_minute), u128::from(tally.counted - left_out));
        if left_out == 0 {
            let tokens = figures.totals.tokens.input + figures.totals.tokens.output;
            prop_assert_eq!(points(&figures.totals.tokens_per_minute), tokens);
            let TokenSums { settled, reserved, .. } = figures.totals.tokens;
            prop_assert_eq!(points(&figures.totals.quota_tokens_per_minute), settled);
            prop_assert_eq!(points(&figures.totals.reserved_tokens_per_minute), reserved);
        }
        let by_minute = question.by.contains(&Dimension::Minute);
        let groups = figures.groups.iter().map(|group| (group, !by_minute));
        for (group, keeps) in groups.chain([(&figures.totals, true)]) {
            let counted = |name| group.distributions.get(name).map_or((0, 0), |found| (found.count, found.sum));
            if keeps {
                prop_assert_eq!(counted("input_tokens"), (group.tokens.input_known, group.tokens.input));
                prop_assert_eq!(counted("output_tokens"), (group.tokens.output_known, group.tokens.output));
                prop_assert_eq!(counted("prompt_tokens"), (group.tokens.input_known, group.tokens.prompt));
            } else {
                prop_assert!(group.distributions.is_empty());
            }
            prop_assert!(group.high_token.by_input <= group.high_token.by_prompt);
            prop_assert!(group.high_token.by_prompt <= group.high_token.known);
            prop_assert!(group.high_token.known <= group.successful);
            prop_assert_eq!(group.successful + group.errors.values().sum::<u64>(), group.attempted);
            prop_assert!(group.tokens.settled_known <= group.successful);
            prop_assert!(group.tokens.reserved_known <= group.successful);
            prop_assert_eq!(group.quota_tokens_per_minute.is_some(), group.quota_tokens_per_day.is_some());
            let series = [
                &group.tokens_per_minute,
                &group.quota_tokens_per_minute,
                &group.reserved_tokens_per_minute,
                &group.requests_per_minute,
            ];
            for minutes in series.into_iter().flatten() {
                prop_assert!(minutes.p50 <= minutes.p90 && minutes.p90 <= minutes.p99);
                prop_assert!(minutes.p99 <= minutes.peak && minutes.peak <= minutes.peak_sliding_60s);
                if let Some(burst) = minutes.burst {
                    // A minute is no larger than its worst second everywhere, and so on up.
                    let whole = |ratio: Ratio| ratio.numerator;
                    prop_assert!(whole(burst.second_x60) >= whole(burst.ten_seconds_x6));
                    prop_assert!(whole(burst.ten_seconds_x6) >= u128::from(minutes.peak_sliding_60s));
                }
            }
            if let (Some(minutes), Some(days)) = (&group.quota_tokens_per_minute, &group.quota_tokens_per_day) {
                prop_assert!(minutes.peak <= days.peak && days.peak <= days.rolling_24h);
            }
        }
    }

    /// Busy hours, which keep only their edges when sealed, against a sum over every possible window.
    #[test]
    fn sealed_neighbours_give_the_sliding_peak_of_all_seconds(
        bursts in vec((0i64..7_200, 1i64..300, 1u64..50), 1..12),
        background in 1i64..40,
    ) {
        let facets = traffic::facets(traffic::HAIKU);
        let start = traffic::hour(1).start_seconds();
        let mut tokens = vec![0u64; 7_200];
        let mut reserved = vec![0u64; 7_200];
        let mut requests = vec![0u64; 7_200];
        let mut records: Vec<Record> = Vec::new();
        let mut call = |second: i64, count: u64| {
            let mut invocation = traffic::invocation(start + second, &facets);
            invocation.input_tokens = Count::known(0);
            invocation.output_tokens = Count::known(count);
            invocation.max_tokens = Count::known(second as u64 % 97);
            records.push((invocation, CoverageId::NONE));
            tokens[second as usize] += count;
            reserved[second as usize] += second as u64 % 97;
            requests[second as usize] += 1;
        };
        (0..7_200).step_by(background as usize).for_each(|second| call(second, 1));
        for (first, length, count) in bursts {
            (first..(first + length).min(7_200)).for_each(|second| call(second, count));
        }
        let widest = |values: &[u64], length: usize| {
            values.windows(length).map(|window| window.iter().sum::<u64>()).max().unwrap_or(0)
        };
        let charges = Charges::new(Arc::new(traffic::Rates));
        let question = Question { by: vec![Dimension::Model], charges, ..Question::default() };
        let figures = figures(&question, &records);
        let quota_tokens: Vec<u64> = tokens.iter().map(|tokens| tokens * 5).collect();
        for group in [&figures.totals, &figures.groups[0]] {
            for (found, values) in [
                (&group.tokens_per_minute, &tokens),
                (&group.quota_tokens_per_minute, &quota_tokens),
                (&group.reserved_tokens_per_minute, &reserved),
                (&group.requests_per_minute, &requests),
            ] {
                let found = found.as_ref().expect("all of it is known");
                prop_assert_eq!(found.peak_sliding_60s, widest(values, 60));
                let burst = found.burst.expect("there is a peak");
                prop_assert_eq!(burst.ten_seconds_x6.numerator, u128::from(6 * widest(values, 10)));
                prop_assert_eq!(burst.second_x60.numerator, u128::from(60 * widest(values, 1)));
            }
        }
    }
}

#[test]
fn f13_every_record_is_counted_or_filtered_and_told_so() {
    let facets = traffic::facets("amazon.nova-lite-v1:0");
    let start = traffic::hour(1).start_seconds();
    let question = Question { to: Some(Timestamp { seconds: start + 30, nanos: 0 }), ..Question::default() };
    let mut summary = HourSummary::new(traffic::hour(1));
    let mut observe =
        |second| summary.observe(&question, &traffic::invocation(start + second, &facets), CoverageId::NONE);
    assert_eq!(observe(29), Outcome::Counted);
    assert_eq!(observe(30), Outcome::Filtered(FilterReason::TimeRange));
    let sealed = summary.seal();
    assert_eq!((sealed.counted(), sealed.filtered().get("time_range")), (1, Some(&1)));
}

#[test]
fn f17_a_record_without_an_id_is_counted_with_a_warning() {
    let facets = traffic::facets("amazon.nova-lite-v1:0");
    let mut call = traffic::invocation(traffic::hour(1).start_seconds(), &facets);
    let mut summary = HourSummary::new(traffic::hour(1));
    let question = Question::default();
    for request_id in [RequestId::Missing, RequestId::Missing, RequestId::Uuid([1; 16])] {
        call.request_id = request_id;
        summary.observe(&question, &call, CoverageId::NONE);
    }
    let sealed = summary.seal();
    assert_eq!((sealed.counted(), sealed.no_request_id()), (3, 2));
}

#[test]
#[should_panic(expected = "both sides of a merge")]
fn totals_with_a_common_hour_are_never_merged() {
    let mut left = Totals::new();
    left.insert(HourSummary::new(traffic::hour(1)).seal());
    left.merge(left.clone());
}

#[test]
#[should_panic(expected = "is inserted a second time")]
fn an_hour_is_never_inserted_twice() {
    let mut totals = Totals::new();
    totals.insert(HourSummary::new(traffic::hour(1)).seal());
    totals.insert(HourSummary::new(traffic::hour(1)).seal());
}

/// An hour of one call with this many output tokens.
fn hour_of_one_call(index: i64, output: u64) -> SealedHour {
    let mut call =
        traffic::invocation(traffic::hour(index).start_seconds(), &traffic::facets("amazon.nova-lite-v1:0"));
    call.output_tokens = Count::known(output);
    let mut summary = HourSummary::new(traffic::hour(index));
    summary.observe(&Question::default(), &call, CoverageId::NONE);
    summary.seal()
}

#[test]
fn extremes_leave_with_the_hour_that_held_them() {
    let mut totals = Totals::new();
    for (hour, output) in [(0, 1), (1, 500), (2, 9_000)] {
        totals.insert(hour_of_one_call(hour, output));
    }
    totals.replace(hour_of_one_call(0, 1), hour_of_one_call(0, 400));
    totals.replace(hour_of_one_call(2, 9_000), hour_of_one_call(2, 600));
    let figures = totals.figures(&Question::default(), &[]);
    let found = &figures.totals.distributions["output_tokens"];
    assert_eq!((found.count, found.min, found.p50, found.max, found.sum), (3, 400, 500, 600, 1_500));
}

#[test]
#[should_panic(expected = "only buckets that were added are subtracted")]
fn an_hour_is_never_replaced_for_values_it_did_not_have() {
    let mut totals = Totals::new();
    totals.insert(hour_of_one_call(1, 5));
    totals.replace(hour_of_one_call(1, 6), hour_of_one_call(1, 7));
}

#[test]
#[should_panic(expected = "what is replaced is not what was inserted")]
fn an_hour_is_never_replaced_for_another_answer_of_the_same_buckets() {
    let mut totals = Totals::new();
    // 25,000 and 25,001 tokens share a bucket: only the exact sums tell the hours apart.
    totals.insert(hour_of_one_call(1, 25_000));
    totals.replace(hour_of_one_call(1, 25_001), hour_of_one_call(1, 7));
}

#[test]
#[should_panic(expected = "was never inserted")]
fn an_hour_that_was_never_inserted_has_no_old_records() {
    Totals::new().replace(hour_of_one_call(1, 5), hour_of_one_call(1, 7));
}

#[test]
#[should_panic(expected = "summary of another hour")]
fn a_record_of_another_hour_is_never_summed_up() {
    let facets = traffic::facets("amazon.nova-lite-v1:0");
    let late = traffic::invocation(traffic::hour(2).start_seconds(), &facets);
    HourSummary::new(traffic::hour(1)).observe(&Question::default(), &late, CoverageId::NONE);
}

#[test]
fn facets_beyond_the_cache_are_still_counted_once_each() {
    // More distinct facets than a summary remembers, twice over, so that remembered ones are forgotten.
    let question = Question { by: vec![Dimension::Operation], ..Question::default() };
    let hour = traffic::hour(1);
    let mut summary = HourSummary::new(hour);
    let models = 40_000;
    for index in 0..models {
        let facets =
            traffic::facets(if index % 2 == 0 { "amazon.nova-lite-v1:0" } else { "amazon.nova-pro-v1:0" });
        let invocation = traffic::invocation(hour.start_seconds() + index % 3_600, &facets);
        summary.observe(&question, &invocation, CoverageId::NONE);
    }
    let mut totals = Totals::new();
    totals.insert(summary.seal());
    let figures = totals.figures(&question, &[]);
    assert_eq!(figures.groups.len(), 1);
    assert_eq!(figures.groups[0].attempted, models as u64);
}
