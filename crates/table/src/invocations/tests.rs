//! What is written is read back, whatever it is; what was changed is refused.

use std::sync::Arc;

use borehole_record::{Call, ContentKinds, Count, Facets, Invocation, ProfileMap, RequestId, Tag, Timestamp};
use polars::prelude::{AnyValue, DataType, TimeUnit};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

use super::encodings;
use super::file::PAGE_ROWS;
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
            (row.timestamp, place, row.request_id.clone(), Arc::clone(&row.facets), counts),
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
    // A row has dozens of columns: few cases are many values.
    #![proptest_config(ProptestConfig::with_cases(64))]

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

proptest! {
    #[test]
    fn codes_and_levels_of_any_width_are_read_back(
        width in 0..=32u32,
        runs in vec((any::<u32>(), prop_oneof![1..4usize, 60..200usize]), 0..40),
    ) {
        let mask = (u64::from(u32::MAX) >> (32 - width)) as u32;
        let codes: Vec<u32> = runs.iter().flat_map(|&(code, times)| std::iter::repeat_n(code & mask, times)).collect();
        let mut bytes = Vec::new();
        encodings::put_hybrid(&mut bytes, width, &codes);
        let mut back = Vec::new();
        encodings::take_hybrid(&bytes, width, codes.len(), mask, &mut back).expect("sound bytes");
        prop_assert_eq!(&back, &codes);
        if let Some(least) = codes.iter().max().and_then(|greatest| greatest.checked_sub(1)) {
            let read = encodings::take_hybrid(&bytes, width, codes.len(), least, &mut Vec::new());
            prop_assert!(read.is_err(), "a code beyond the dictionary");
        }
    }

    #[test]
    fn differences_of_any_integers_are_read_back(
        integers in vec(prop_oneof![0..9i64, any::<i64>(), Just(i64::MIN), Just(i64::MAX)], 0..300),
        whole_bytes: bool,
        behind in vec(any::<u8>(), 0..9),
    ) {
        let mut bytes = Vec::new();
        encodings::put_deltas(&mut bytes, &integers, whole_bytes);
        bytes.extend_from_slice(&behind);
        let mut back = Vec::new();
        let rest = encodings::take_deltas(&bytes, integers.len(), &mut back).expect("sound bytes");
        prop_assert_eq!((back, rest), (integers, &behind[..]));
    }

    #[test]
    fn any_bytes_are_refused_or_read_and_never_a_panic(bytes in vec(any::<u8>(), 0..200), width in 0..40u32, count in 0..300usize) {
        let _ = encodings::take_hybrid(&bytes, width, count, u32::MAX, &mut Vec::new());
        let _ = encodings::take_deltas(&bytes, count, &mut Vec::new());
        // Behind a sound header there is more to go wrong.
        let mut headed = vec![128, 1, 4];
        encodings::put_varint(&mut headed, count as u64);
        headed.extend_from_slice(&bytes);
        let _ = encodings::take_deltas(&headed, count, &mut Vec::new());
    }
}

#[test]
fn rows_of_several_pages_and_all_kinds_of_gaps_are_read_back() {
    let row = |index: usize| {
        let tags =
            (0..index % 4).map(|tag| -> Tag { (format!("k{tag}").into(), format!("v{}", index % 7).into()) });
        let known =
            |is_known: bool, count: usize| if is_known { Count::known(count as u64) } else { Count::UNKNOWN };
        Invocation {
            timestamp: Timestamp::from_seconds(index as i64 / 3),
            request_id: RequestId::parse(&if index.is_multiple_of(5) {
                String::new()
            } else {
                format!("id-{index}")
            }),
            facets: Arc::new(Facets { tags: tags.collect(), ..Facets::default() }),
            input_tokens: known(!index.is_multiple_of(3), index * 7_919 % 100_003),
            output_tokens: known(index > PAGE_ROWS, index),
            max_tokens: known(index < PAGE_ROWS, 512),
            object: index as u32 % 100,
            offset: index as u64,
            ..plain()
        }
    };
    let invocations: Vec<Invocation> = (0..2 * PAGE_ROWS + 10).map(row).collect();
    let (back, names) =
        read(&mut InvocationReader::default(), &write(&invocations), ALL).expect("a sound file");
    assert!(named(back, &names) == sorted(&invocations, ALL), "other rows");
}

#[test]
fn no_rows_are_a_file_too() {
    let (rows, names) = read(&mut InvocationReader::default(), &write(&[]), ALL).expect("a sound file");
    assert_eq!((rows, names), (Vec::new(), Vec::new()));
    assert_eq!(rows_of(&[]).frame(&name).expect("a table").height(), 0);
}

#[test]
fn calls_strings_and_tags_are_shared_by_the_files_of_a_reader() {
    let call = Call { model_id: "m".into(), account: Some("1".into()), ..Call::default() };
    let facets = Facets {
        call: Arc::new(call),
        identity: Some("i".into()),
        stop_reason: Some("s".into()),
        tags: [("k".into(), "v".into())].into(),
    };
    let file = write(&[Invocation { facets: Arc::new(facets), ..plain() }]);
    let mut reader = InvocationReader::default();
    let mut facets = || Arc::clone(&read(&mut reader, &file, ALL).expect("a sound file").0[0].facets);
    let (one, other) = (facets(), facets());
    assert!(Arc::ptr_eq(&one.call, &other.call) && Arc::ptr_eq(&one.tags, &other.tags));
    let text = |text: &Option<Arc<str>>| text.as_ref().map(Arc::as_ptr);
    assert_eq!(
        (text(&one.identity), text(&one.stop_reason)),
        (text(&other.identity), text(&other.stop_reason))
    );
}

#[test]
fn files_of_another_version_are_refused() {
    let file = write(&[plain()]);
    let word = b"borehole.rows";
    let at = file.windows(word.len()).position(|window| window == word).expect("the word of the version");
    // Behind the word stand the type and the length of its value.
    let mut other = file.clone();
    assert_eq!(other[at + word.len() + 2], b'1');
    other[at + word.len() + 2] = b'2';
    let error = read(&mut InvocationReader::default(), &other, ALL).expect_err("another version");
    assert_eq!(error.to_string(), "damaged: rows of another version");
}

#[test]
fn other_engines_see_the_columns_and_what_is_derived_from_the_log() {
    let profile = "arn:aws:bedrock:us-east-1:1:application-inference-profile/p";
    let mut profiles = ProfileMap::default();
    profiles.insert(profile, "us.anthropic.claude-x-v1:0");
    let mut rows = InvocationRows::new(Arc::new(profiles));
    let call = |model_id: &str| Arc::new(Call { model_id: model_id.into(), ..Call::default() });
    rows.push(&Invocation {
        facets: Arc::new(Facets {
            call: call(profile),
            identity: Some("arn:aws:sts::1:assumed-role/Builder/ci-42".into()),
            tags: [("team".into(), "search".into()), ("team".into(), "\u{0}".into())].into(),
            ..Facets::default()
        }),
        input_kinds: ContentKinds(0b11 | 1 << 12),
        http_status: 0,
        input_large: true,
        ..plain()
    });
    rows.push(&Invocation {
        timestamp: Timestamp { seconds: 1_710_115_200, nanos: 1_234_567 },
        request_id: RequestId::Missing,
        facets: Arc::new(Facets { call: call("global.anthropic.claude-y-v1:0"), ..Facets::default() }),
        ..plain()
    });
    let frame = rows.frame(&name).expect("a table");
    let fields = COLUMNS.iter().map(|column| column.path.split('.').next().unwrap_or_default());
    let mut fields: Vec<&str> = fields.filter(|field| *field != "timestamp_nanos").collect();
    fields.dedup();
    assert_eq!(frame.get_column_names(), fields);
    let timestamp = frame.column("timestamp").expect("a column").dtype();
    assert!(matches!(timestamp, DataType::Datetime(TimeUnit::Microseconds, _)), "{timestamp}");

    let cell =
        |row: usize, column: &str| match frame.column(column).expect("a column").get(row).expect("a row") {
            AnyValue::String(text) => text.to_owned(),
            AnyValue::Null => "-".to_owned(),
            other => other.to_string(),
        };
    let columns = [
        "request_id",
        "model",
        "model_id",
        "scope",
        "role",
        "session",
        "status",
        "input_kinds",
        "input_location",
        "payload_lost",
    ];
    let cells = |row: usize| columns.map(|column| cell(row, column));
    let id = "0123abcd-4567-89ef-fedc-ba9876543210";
    let first = [
        id,
        "anthropic.claude-x-v1:0",
        profile,
        "geo",
        "Builder",
        "ci-42",
        "-",
        "text,image,bit-12",
        "large",
        "false",
    ];
    assert_eq!(cells(0), first);
    let second = [
        "-",
        "anthropic.claude-y-v1:0",
        "global.anthropic.claude-y-v1:0",
        "global",
        "-",
        "-",
        "200",
        "text",
        "inline",
        "false",
    ];
    assert_eq!(cells(1), second);
    let AnyValue::List(tags) = frame.column("tags").expect("tags").get(0).expect("a row") else {
        panic!("tags are a list");
    };
    assert_eq!((tags.len(), tags.dtype().to_string()), (2, "struct[2]".to_owned()));
}
