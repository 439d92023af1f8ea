//! What is written is read back, whatever it is; what was changed is refused.

use std::sync::Arc;

use borehole_record::{Call, ContentKinds, Count, Facets, Invocation, ProfileMap, RequestId, Tag, Timestamp};
use polars::prelude::{AnyValue, DataFrame, DataType};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

use super::file::ROWS_MAX;
use super::layout::COLUMNS;
use super::{InvocationReader, InvocationRows, Wanted};
use crate::Error;

const ALL: Wanted = Wanted { request_ids: true, objects: true };

fn name(object: u32) -> String {
    format!("logs/{:03}\u{e9},\"%0A.json.gz", object % 100)
}

/// Few different ones, as in a log, among them odd ones.
fn text() -> impl Strategy<Value = Arc<str>> {
    let text = prop_oneof![
        4 => "[ab]{0,2}",
        2 => any::<String>(),
        1 => "arn:aws:sts::1:assumed-role/[ab]{0,1}/[ab/]{0,2}",
        1 => "((us|global)\\.)?anthropic\\.[ab]-v1:0",
        1 => Just("x".repeat(300)),
    ];
    text.prop_map(Arc::from)
}

fn count() -> impl Strategy<Value = Count> {
    let known = prop_oneof![0..3u64, 0..100_000u64, Just(1 << 53), Just(u64::MAX - 1), any::<u64>()];
    prop_oneof![
        1 => Just(Count::UNKNOWN),
        4 => known.prop_map(|count| Count::known(count.min(u64::MAX - 1))),
    ]
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    let seconds = prop_oneof![
        6 => 1_710_115_200..1_710_115_203i64,
        1 => -3..3i64,
        1 => any::<i64>(),
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(i64::MAX / 1_000_000), Just(i64::MIN / 1_000_000)],
    ];
    let nanos = prop_oneof![Just(0), Just(999_999_999), 0..1_000_000_000u32];
    (seconds, nanos).prop_map(|(seconds, nanos)| Timestamp { seconds, nanos })
}

fn request_id() -> impl Strategy<Value = RequestId> {
    prop_oneof![
        4 => any::<[u8; 16]>().prop_map(RequestId::Uuid),
        1 => Just(RequestId::Missing),
        1 => any::<String>().prop_map(|text| RequestId::parse(&text)),
    ]
}

fn facets() -> impl Strategy<Value = Arc<Facets>> {
    let text_or_none = || option::of(text());
    let call =
        (
            (text_or_none(), text_or_none(), text(), text_or_none()),
            (text_or_none(), text_or_none(), text_or_none()),
        )
            .prop_map(
                |((account, region, model_id, operation), (error_code, inference_region, service_tier))| {
                    Call { account, region, model_id, operation, error_code, inference_region, service_tier }
                },
            );
    let tag = (text(), text()).prop_map(|(key, value)| -> Tag { (key[..].into(), value[..].into()) });
    (call, text_or_none(), text_or_none(), vec(tag, 0..4)).prop_map(|(call, identity, stop_reason, tags)| {
        Arc::new(Facets { call: Arc::new(call), identity, stop_reason, tags: tags.into() })
    })
}

prop_compose! {
    fn invocation()(
        timestamp in timestamp(),
        request_id in request_id(),
        facets in facets(),
        counts in vec(count(), 11),
        (input_kinds, output_kinds) in (kinds(), kinds()),
        (images, documents, http_status) in (small(), small(), small()),
        (input_large, output_large, payload_lost) in any::<(bool, bool, bool)>(),
        object in 0..120u32,
        offset in prop_oneof![0..3u64, any::<u64>()],
    ) -> Invocation {
        Invocation {
            timestamp,
            request_id,
            facets,
            input_tokens: counts[0],
            output_tokens: counts[1],
            cache_read_tokens: counts[2],
            cache_write_tokens: counts[3],
            cache_write_5m_tokens: counts[4],
            cache_write_1h_tokens: counts[5],
            max_tokens: counts[6],
            latency_ms: counts[7],
            first_byte_ms: counts[8],
            input_bytes: counts[9],
            output_bytes: counts[10],
            images,
            documents,
            input_kinds,
            output_kinds,
            http_status,
            input_large,
            output_large,
            payload_lost,
            object,
            offset,
        }
    }
}

fn small() -> impl Strategy<Value = u16> {
    prop_oneof![3 => Just(0), 2 => 199..203u16, 1 => any::<u16>()]
}

fn kinds() -> impl Strategy<Value = ContentKinds> {
    prop_oneof![3 => 0..3u16, 1 => any::<u16>()].prop_map(ContentKinds)
}

/// Rows as a log has them: sets of strings are shared by many.
fn invocations(most: usize) -> impl Strategy<Value = Vec<Invocation>> {
    (vec(facets(), 1..6), vec((invocation(), any::<Index>(), any::<bool>()), 0..most)).prop_map(
        |(sets, rows)| {
            let choose = |(row, set, own): (Invocation, Index, bool)| match own {
                true => row,
                false => Invocation { facets: Arc::clone(set.get(&sets)), ..row },
            };
            rows.into_iter().map(choose).collect()
        },
    )
}

fn plain() -> Invocation {
    Invocation {
        timestamp: Timestamp::from_seconds(1_710_115_200),
        request_id: RequestId::parse("0123abcd-4567-89ef-fedc-ba9876543210"),
        facets: Arc::default(),
        input_tokens: Count::known(1),
        output_tokens: Count::UNKNOWN,
        cache_read_tokens: Count::UNKNOWN,
        cache_write_tokens: Count::UNKNOWN,
        cache_write_5m_tokens: Count::UNKNOWN,
        cache_write_1h_tokens: Count::UNKNOWN,
        max_tokens: Count::UNKNOWN,
        latency_ms: Count::known(2),
        first_byte_ms: Count::UNKNOWN,
        input_bytes: Count::UNKNOWN,
        output_bytes: Count::UNKNOWN,
        images: 0,
        documents: 0,
        input_kinds: ContentKinds::TEXT,
        output_kinds: ContentKinds::default(),
        http_status: 200,
        input_large: false,
        output_large: false,
        payload_lost: false,
        object: 0,
        offset: 0,
    }
}

fn rows_of(invocations: &[Invocation]) -> InvocationRows {
    let mut rows = InvocationRows::new(Arc::default());
    invocations.iter().for_each(|invocation| rows.push(invocation));
    rows
}

fn write(invocations: &[Invocation]) -> Vec<u8> {
    rows_of(invocations).finish(&name).expect("the rows can be written")
}

fn read(
    reader: &mut InvocationReader,
    bytes: &[u8],
    wanted: Wanted,
) -> Result<(Vec<Invocation>, Vec<Box<str>>), Error> {
    let mut rows = Vec::new();
    let names = reader.read(bytes, wanted, &mut |invocation| rows.push(invocation))?;
    Ok((rows, names))
}

/// The rows as they must come back: sorted, objects by their names.
fn sorted(invocations: &[Invocation], wanted: Wanted) -> Vec<(String, Invocation)> {
    let mut rows: Vec<_> =
        invocations.iter().map(|row| (name(row.object), Invocation { object: 0, ..row.clone() })).collect();
    let key = |(name, row): &(String, Invocation)| {
        let counts = [
            row.input_tokens,
            row.output_tokens,
            row.cache_read_tokens,
            row.cache_write_tokens,
            row.cache_write_5m_tokens,
            row.cache_write_1h_tokens,
            row.max_tokens,
            row.latency_ms,
            row.first_byte_ms,
            row.input_bytes,
            row.output_bytes,
        ];
        let small = (row.images, row.documents, row.http_status, row.input_kinds, row.output_kinds);
        let place = (name.clone(), row.offset);
        (
            (row.timestamp, row.request_id.clone(), place, Arc::clone(&row.facets), counts),
            (small, row.input_large, row.output_large, row.payload_lost),
        )
    };
    rows.sort_by_cached_key(key);
    for (name, row) in &mut rows {
        if !wanted.objects {
            name.clear();
            row.offset = 0;
        }
        if !wanted.request_ids && row.request_id != RequestId::Missing {
            row.request_id = RequestId::Uuid([0; 16]);
        }
    }
    rows
}

fn named(rows: Vec<Invocation>, names: &[Box<str>]) -> Vec<(String, Invocation)> {
    let name =
        |row: &Invocation| names.get(row.object as usize).map_or(String::new(), |name| name.to_string());
    rows.into_iter().map(|row| (name(&row), Invocation { object: 0, ..row })).collect()
}

proptest! {
    #[test]
    fn any_rows_are_read_back_as_they_were(hours in vec(invocations(40), 1..4), request_ids: bool, objects: bool) {
        let wanted = Wanted { request_ids, objects };
        let mut reader = InvocationReader::default();
        let mut rows = InvocationRows::new(Arc::default());
        for invocations in hours {
            rows.clear();
            invocations.iter().for_each(|invocation| rows.push(invocation));
            prop_assert_eq!(rows.len(), invocations.len());
            let bytes = rows.finish(&name).expect("the rows can be written");
            prop_assert_eq!(&bytes, &write(&invocations), "memory that is used again changes nothing");
            let (back, names) = read(&mut reader, &bytes, wanted).expect("the file is sound");
            prop_assert_eq!(named(back, &names), sorted(&invocations, wanted));
        }
    }

    #[test]
    fn the_bytes_depend_on_the_set_of_rows_alone(rows in invocations(30).prop_flat_map(|rows| {
        (Just(rows.clone()), Just(rows).prop_shuffle())
    })) {
        let (invocations, mut others) = rows;
        // Neither does it matter which strings are shared, nor how the run counts its objects.
        for other in &mut others {
            other.facets = Arc::new((*other.facets).clone());
            other.object += 1_000;
        }
        prop_assert!(write(&invocations) == write(&others), "other bytes");
    }

    #[test]
    fn damaged_bytes_are_refused_or_read_and_never_a_panic(
        invocations in invocations(20),
        cut in option::weighted(0.3, any::<Index>()),
        changes in vec((any::<Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = write(&invocations);
        match cut {
            Some(cut) => {
                bytes.truncate(cut.index(bytes.len()));
                prop_assert!(read(&mut InvocationReader::default(), &bytes, ALL).is_err());
            }
            None => {
                for (index, byte) in changes {
                    let at = index.index(bytes.len());
                    bytes[at] = byte;
                }
                let _ = read(&mut InvocationReader::default(), &bytes, ALL);
            }
        }
    }
}
