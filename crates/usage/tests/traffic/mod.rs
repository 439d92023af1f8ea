//! Generated traffic for the property tests: six hours around the turn of 2023, dense at hour borders.
//!
//! The first hour lies in 2022 and the last one over a day after "now", so that both kinds of impossible times
//! occur beside plausible ones, in hours small enough for a naive model to walk.

// Each test binary uses its own part of this module.
#![allow(dead_code)]

use std::sync::Arc;

use borehole_record::{
    Call, ContentKinds, Count, Facets, Invocation, ProfileMap, RequestId, Timestamp, UtcHour,
};
use borehole_usage::{
    Charge, ChargeRules, Charges, CoverageId, CoverageSpan, Dimension, Filter, Grain, ListKind, Question,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// 2023-01-01T00:00:00Z.
pub(crate) const YEAR_2023: i64 = 1_672_531_200;

/// The hours of the traffic: the first is an outlier, and so is the last.
pub(crate) const HOURS: std::ops::Range<i64> = -1..5;

/// The hour this many hours after the turn of the year.
pub(crate) fn hour(index: i64) -> UtcHour {
    UtcHour(YEAR_2023 / 3_600 + index)
}

/// "Now", one day before the last hour: from its first second on (exclusive) times are in the future.
pub(crate) fn now() -> Timestamp {
    Timestamp { seconds: hour(HOURS.end - 1).start_seconds() - 86_400, nanos: 0 }
}

pub(crate) const HAIKU: &str = "anthropic.claude-3-haiku-20240307-v1:0";
pub(crate) const NOVA: &str = "amazon.nova-lite-v1:0";

/// Rates that differ by model and change with the year.
pub(crate) struct Rates;

impl ChargeRules for Rates {
    fn charge(&self, base_model: &str, at: Timestamp) -> Charge {
        let is_new = at.seconds >= YEAR_2023;
        match base_model {
            HAIKU => Charge {
                burndown: Some(if is_new { 5 } else { 1 }),
                max_output_tokens: Some(4_096),
                reserves_cache_reads: is_new,
                ..Charge::default()
            },
            // Named only from 2023 on.
            NOVA if is_new => Charge { burndown: Some(1), input_includes_cache: true, ..Charge::default() },
            _ => Charge::default(),
        }
    }

    fn fingerprint(&self, at: Timestamp) -> u128 {
        1 + u128::from(at.seconds >= YEAR_2023)
    }
}

/// The application profile that [`questions`] may resolve, and one that none does.
const PROFILES: [&str; 2] = [
    "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/known",
    "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/other",
];

/// A counted record and its source.
pub(crate) type Record = (Invocation, CoverageId);

/// An invocation of which only the time is set.
pub(crate) fn invocation(seconds: i64, facets: &Arc<Facets>) -> Invocation {
    Invocation {
        timestamp: Timestamp { seconds, nanos: 0 },
        request_id: RequestId::Missing,
        facets: Arc::clone(facets),
        input_tokens: Count::UNKNOWN,
        output_tokens: Count::UNKNOWN,
        cache_read_tokens: Count::UNKNOWN,
        cache_write_tokens: Count::UNKNOWN,
        cache_write_5m_tokens: Count::UNKNOWN,
        cache_write_1h_tokens: Count::UNKNOWN,
        max_tokens: Count::UNKNOWN,
        latency_ms: Count::UNKNOWN,
        first_byte_ms: Count::UNKNOWN,
        input_bytes: Count::UNKNOWN,
        output_bytes: Count::UNKNOWN,
        input_kinds: ContentKinds::default(),
        output_kinds: ContentKinds::default(),
        images: 0,
        documents: 0,
        http_status: 0,
        input_large: false,
        output_large: false,
        payload_lost: false,
        object: 0,
        offset: 0,
    }
}

/// Facets of this model; nothing else.
pub(crate) fn facets(model_id: &str) -> Arc<Facets> {
    Arc::new(Facets {
        call: Arc::new(Call { model_id: model_id.into(), ..Call::default() }),
        ..Facets::default()
    })
}

/// Up to `max` records in any order, some of them with shared facets.
pub(crate) fn records(max: usize) -> impl Strategy<Value = Vec<Record>> {
    vec((any_invocation(), any_coverage()), 0..max).prop_map(|mut records| {
        // Every other record shares its facets with the first that is equal: both paths of the cache are used.
        for index in (0..records.len()).step_by(2) {
            let twin = records[..index].iter().find(|(other, _)| other.facets == records[index].0.facets);
            if let Some(shared) = twin.map(|(other, _)| Arc::clone(&other.facets)) {
                records[index].0.facets = shared;
            }
        }
        records
    })
}

fn any_coverage() -> impl Strategy<Value = CoverageId> {
    select(vec![CoverageId(0), CoverageId(0), CoverageId(1), CoverageId(2), CoverageId::NONE])
}

/// Three sources with different spans and gaps.
pub(crate) fn coverage() -> Vec<CoverageSpan> {
    let span = |account: &str, hours: &[i64]| CoverageSpan {
        account: Some(account.to_owned()),
        region: Some("us-east-1".to_owned()),
        first: hour(hours[0]),
        last: hour(hours[hours.len() - 1]),
        hours_with_objects: hours.iter().map(|&index| hour(index)).collect(),
    };
    vec![span("111122223333", &[-1, 0, 4]), span("444455556666", &[0, 2, 4]), span("777788889999", &[1, 3])]
}

fn any_seconds() -> impl Strategy<Value = i64> {
    let near_border =
        (HOURS.start..HOURS.end + 1, -70i64..70).prop_map(|(index, offset)| index * 3_600 + offset);
    let (first, end) = (HOURS.start * 3_600, HOURS.end * 3_600);
    prop_oneof![4 => near_border, 1 => first..end]
        .prop_map(move |seconds| YEAR_2023 + seconds.clamp(first, end - 1))
}

fn any_count() -> impl Strategy<Value = Count> {
    prop_oneof![
        2 => Just(Count::UNKNOWN),
        2 => (0u64..5).prop_map(Count::known),
        2 => (24_980u64..25_020).prop_map(Count::known),
        2 => (0u64..300_000).prop_map(Count::known),
        1 => select(vec![2_047, 2_048, 4_095, 4_096, 1 << 40]).prop_map(Count::known),
    ]
}

/// Bytes and milliseconds may pass the histogram's 2^40.
fn any_size() -> impl Strategy<Value = Count> {
    prop_oneof![4 => any_count(), 1 => ((1u64 << 40) - 2..1 << 45).prop_map(Count::known)]
}

fn any_text(texts: &'static [&'static str]) -> impl Strategy<Value = Option<Arc<str>>> {
    option::of(select(texts.to_vec()).prop_map(Arc::from))
}

fn any_facets() -> impl Strategy<Value = Arc<Facets>> {
    let places = (
        any_text(&["111122223333", "444455556666"]),
        any_text(&["us-east-1", "eu-west-1"]),
        select(vec![
            HAIKU,
            "us.anthropic.claude-3-haiku-20240307-v1:0",
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
            NOVA,
            PROFILES[0],
            PROFILES[1],
        ]),
        any_text(&["us-east-2", "us-west-2"]),
    );
    let callers = (
        any_text(&["Converse", "InvokeModel"]),
        any_text(&[
            "arn:aws:sts::111122223333:assumed-role/Builder/ci-1",
            "arn:aws:sts::111122223333:assumed-role/Builder/ci-2",
            "arn:aws:iam::111122223333:user/alice",
        ]),
        prop_oneof![3 => Just(None), 1 => any_text(&["ThrottlingException", "ValidationException"])],
        any_text(&["end_turn", "max_tokens"]),
        any_text(&["red", "blue"]),
    );
    (places, callers).prop_map(|((account, region, model_id, inference_region), callers)| {
        let (operation, identity, error_code, stop_reason, team) = callers;
        let call = Call {
            account,
            region,
            model_id: model_id.into(),
            operation,
            error_code,
            inference_region,
            service_tier: None,
        };
        Arc::new(Facets {
            call: Arc::new(call),
            identity,
            stop_reason,
            tags: team.into_iter().map(|team| ("team".into(), Box::from(&*team))).collect(),
        })
    })
}

fn any_invocation() -> impl Strategy<Value = Invocation> {
    let identity = (any_seconds(), select(vec![0u32, 1, 999_999_999]), any_facets(), 0u8..4);
    let tokens = (any_count(), any_count(), any_count(), any_count(), any_count());
    let sizes = (any_size(), any_size(), any_size(), any_size());
    let rest = (0u16..1 << 10, 0u16..1 << 10, select(vec![0u16, 200, 429]), any::<[bool; 4]>());
    (identity, tokens, sizes, rest).prop_map(|((seconds, nanos, facets, id), tokens, sizes, rest)| {
        let (input_kinds, output_kinds, http_status, [input_large, output_large, payload_lost, has_kinds]) =
            rest;
        let kinds = |bits| ContentKinds(if has_kinds { bits } else { 0 });
        Invocation {
            timestamp: Timestamp { seconds, nanos },
            // Few ids, so that listings have ties.
            request_id: match id {
                0 => RequestId::Missing,
                1 => RequestId::Text("a".into()),
                _ => RequestId::Uuid(u128::from(id).to_be_bytes()),
            },
            input_tokens: tokens.0,
            output_tokens: tokens.1,
            cache_read_tokens: tokens.2,
            cache_write_tokens: tokens.3,
            max_tokens: tokens.4,
            latency_ms: sizes.0,
            first_byte_ms: sizes.1,
            input_bytes: sizes.2,
            output_bytes: sizes.3,
            input_kinds: kinds(input_kinds),
            output_kinds: kinds(output_kinds),
            http_status,
            input_large,
            output_large,
            payload_lost,
            ..invocation(seconds, &facets)
        }
    })
}

/// Any question about this traffic.
pub(crate) fn questions() -> impl Strategy<Value = Question> {
    let dimensions = vec![
        Dimension::Account,
        Dimension::Region,
        Dimension::Model,
        Dimension::Scope,
        Dimension::Identity,
        Dimension::Role,
        Dimension::Session,
        Dimension::Operation,
        Dimension::Error,
        Dimension::InferenceRegion,
        Dimension::ContentKind,
        Dimension::Tag("team".to_owned()),
        Dimension::Hour,
        Dimension::Day,
        Dimension::Minute,
    ];
    let words = |words: &[&str]| {
        let words = words.iter().map(|&word| vec![word.to_owned()]).collect::<Vec<_>>();
        prop_oneof![5 => Just(Vec::new()), 1 => select(words)]
    };
    let filter = (
        words(&["amazon.nova-lite-v1:0", "us.anthropic.claude-3-haiku-20240307-v1:0"]),
        words(&["us-east-1"]),
        words(&["111122223333"]),
        words(&["Builder", "ci-2", "alice", "arn:aws:iam::111122223333:user/alice"]),
        words(&["Converse"]),
    )
        .prop_map(|(models, regions, accounts, identities, operations)| Filter {
            models,
            regions,
            accounts,
            identities,
            operations,
        });
    // Ends inside hours and minutes, and whole hours.
    let ends = || {
        let moment =
            prop_oneof![(-3_700i64..18_000), (HOURS.start..HOURS.end).prop_map(|index| index * 3_600)];
        option::weighted(0.4, (moment, select(vec![0u32, 500])))
    };
    let moment = |(seconds, nanos): (i64, u32)| Timestamp { seconds: YEAR_2023 + seconds, nanos };
    // Rates mostly known, by the records' own times or by one for all; one profile mostly resolved.
    let quota = (
        prop_oneof![1 => Just(None), 3 => Just(Some(()))]
            .prop_map(|known| known.map(|()| Charges::new(Arc::new(Rates))).unwrap_or_default()),
        option::weighted(0.3, select(vec![YEAR_2023 - 1, YEAR_2023])),
        option::weighted(0.7, select(vec![format!("us.{HAIKU}"), NOVA.to_owned()])).prop_map(|copied| {
            let mut profiles = ProfileMap::default();
            copied.iter().for_each(|copied| profiles.insert(PROFILES[0], copied));
            profiles
        }),
    );
    // Rankings, mostly by two; also times and kinds of content, which are passed over. And a cube, or none.
    // Groups keep all of their seconds or not.
    let kept = any::<(bool, bool)>();
    let ranked = (proptest::sample::subsequence(dimensions.clone(), 0..4).prop_shuffle(), kept);
    (
        (proptest::sample::subsequence(dimensions, 0..4).prop_shuffle(), ranked),
        option::of(select(vec![Grain::Minute, Grain::Hour, Grain::Day])),
        option::of(0usize..6),
        option::of(select(vec![ListKind::HighToken, ListKind::Errors, ListKind::Large])),
        0usize..6,
        any::<bool>(),
        (ends(), ends()),
        (filter, quota),
    )
        .prop_map(
            move |(
                (by, (rank, (cube, all_seconds))),
                series,
                top,
                list,
                list_max,
                include_outliers,
                (from, to),
                rest,
            )| {
                let (filter, (charges, charges_at, profiles)) = rest;
                Question {
                    by,
                    rank,
                    cube,
                    all_seconds,
                    series,
                    top,
                    list,
                    list_max,
                    include_outliers,
                    now: now(),
                    from: from.map(moment),
                    to: to.map(moment),
                    filter,
                    charges,
                    charges_at: charges_at.map(|seconds| Timestamp { seconds, nanos: 0 }),
                    profiles,
                }
            },
        )
}
