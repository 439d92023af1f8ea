//! Payload objects: what an offloaded body tells, however it is stored.

use borehole_record::decode::{DecodeTuning, PayloadDecoder, PayloadSide};
use borehole_record::gunzip::WholeGunzip;
use borehole_record::{ContentKinds, DecodeOptions, ObjectFailure, Payload};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

use crate::support::{Reading, decode};

const INPUT: &str =
    r#"{"max_tokens":64,"messages":[{"content":[{"type":"image"},{"type":"text"}]}],"service_tier":"flex"}"#;
const OUTPUT: &str = r#"{"output":{"message":{"content":[{"text":"x"}]}},"stopReason":"end_turn","metrics":{"latencyMs":7},"usage":{"inputTokens":1,"outputTokens":2,"cacheReadInputTokens":3,"cacheWriteInputTokens":4}}"#;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

fn read_in_chunks(stored: &[u8], side: PayloadSide, chunk_bytes: usize) -> Result<Payload, ObjectFailure> {
    let mut decoder = PayloadDecoder::new(side, 1 << 30);
    for chunk in stored.chunks(chunk_bytes) {
        decoder.push(chunk)?;
    }
    Ok(decoder.finish()?.0)
}

fn read_at_once(stored: &[u8], side: PayloadSide) -> Result<Payload, ObjectFailure> {
    let decoder = PayloadDecoder::new(side, 1 << 30);
    Ok(decoder.decode_whole(stored, &mut WholeGunzip::default())?.0)
}

/// Reads a payload plain and gzipped, whole and byte by byte.
fn read(text: &str, side: PayloadSide) -> Payload {
    let payload = read_in_chunks(text.as_bytes(), side, usize::MAX).expect("a payload");
    assert_eq!(read_in_chunks(text.as_bytes(), side, 1).as_ref(), Ok(&payload));
    assert_eq!(read_in_chunks(&gzip(text.as_bytes()), side, usize::MAX).as_ref(), Ok(&payload));
    assert_eq!(read_in_chunks(&gzip(text.as_bytes()), side, 1).as_ref(), Ok(&payload));
    assert_eq!(read_at_once(text.as_bytes(), side).as_ref(), Ok(&payload));
    assert_eq!(read_at_once(&gzip(text.as_bytes()), side).as_ref(), Ok(&payload));
    payload
}

fn assert_is_input(payload: &Payload, bytes: usize) {
    assert_eq!(payload.input_bytes.get(), Some(bytes as u64));
    assert_eq!(payload.max_tokens.get(), Some(64));
    assert_eq!(payload.input_kinds, ContentKinds::IMAGE.union(ContentKinds::TEXT));
    assert_eq!(payload.service_tier.as_deref(), Some("flex"));
}

fn assert_is_output(payload: &Payload, bytes: usize) {
    assert_eq!(payload.output_bytes.get(), Some(bytes as u64));
    let counts =
        [payload.input_tokens, payload.output_tokens, payload.cache_read_tokens, payload.cache_write_tokens];
    assert_eq!(counts.map(|count| count.get()), [Some(1), Some(2), Some(3), Some(4)]);
    assert_eq!(payload.latency_ms.get(), Some(7));
    assert_eq!(payload.stop_reason.as_deref(), Some("end_turn"));
    assert_eq!(payload.output_kinds, ContentKinds::TEXT);
}

#[test]
fn a_raw_body_tells_the_facts_of_its_side() {
    let input = read(INPUT, PayloadSide::Input);
    assert_is_input(&input, INPUT.len());
    assert!(!input.output_bytes.is_known());
    let output = read(OUTPUT, PayloadSide::Output);
    assert_is_output(&output, OUTPUT.len());
    assert!(!output.input_bytes.is_known());
}

#[test]
fn a_payload_of_both_sides_tells_the_length_of_each() {
    for side in [PayloadSide::InputOrBoth, PayloadSide::OutputOrBoth] {
        let both = read(&format!(r#"{{ "input": {INPUT}, "output": {OUTPUT} }}"#), side);
        assert_is_input(&both, INPUT.len());
        assert_is_output(&both, OUTPUT.len());
        let one = read(&format!(r#"{{"input":null,"requestId":"r","output":{OUTPUT}}}"#), side);
        assert_is_output(&one, OUTPUT.len());
        assert!(!one.input_bytes.is_known());
    }
}

#[test]
fn a_raw_body_that_might_have_been_both_is_of_the_side_asked_for() {
    assert_is_input(&read(INPUT, PayloadSide::InputOrBoth), INPUT.len());
    // Converse's own answer has an `output` among other members.
    assert_is_output(&read(OUTPUT, PayloadSide::OutputOrBoth), OUTPUT.len());
}

#[test]
fn the_split_of_cache_writes_and_the_blocks_are_told_alike_inline_and_offloaded_by_every_reader() {
    let anthropic = r#"{"messages":[{"content":[{"type":"image"},{"type":"document"},{"type":"image"}]}]}"#;
    let converse = r#"{"messages":[{"content":[{"document":{}},{"text":"a"}]},{"content":[{"image":{}}]}]}"#;
    let usage = r#"{"cache_creation_input_tokens":7,"cache_creation":{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":4}}"#;
    let in_a_string = format!("\"{}\"", converse.replace('"', "\\\""));
    let cases = [
        (
            anthropic,
            format!(r#"{{"content":[{{"type":"image"}}],"usage":{usage}}}"#),
            [Some(3), Some(4)],
            (2, 1),
        ),
        (
            converse,
            r#"{"usage":{"inputTokens":1,"cacheDetails":[{"ttl":"1h","inputTokens":4}]}}"#.to_owned(),
            [Some(0), Some(4)],
            (1, 1),
        ),
        (
            &in_a_string,
            format!(
                r#"[{{"type":"message_start","message":{{"usage":{usage}}}}},{{"delta":{{"text":"a"}}}}]"#
            ),
            [Some(3), Some(4)],
            (1, 1),
        ),
        (
            r#"{"messages":[{"content":"image"}]}"#,
            r#"{"usage":{"inputTokens":1}}"#.to_owned(),
            [None, None],
            (0, 0),
        ),
    ];
    for (input, output, split, blocks) in cases {
        let both = read(&format!(r#"{{"input":{input},"output":{output}}}"#), PayloadSide::OutputOrBoth);
        assert_eq!([both.cache_write_5m_tokens.get(), both.cache_write_1h_tokens.get()], split, "{output}");
        assert_eq!((both.images, both.documents), blocks, "{input}");

        let record = format!(
            r#"{{"timestamp":"2026-11-08T07:00:00Z","modelId":"m","input":{{"inputBodyJson":{input}}},"output":{{"outputBodyJson":{output}}}}}"#
        );
        // Text after an escape in a used field: the first of the fast readers leaves it to the second.
        let escaped = record.replace(r#""modelId":"m""#, r#""modelId":"\u006d""#);
        let reading = Reading::default();
        let strict = DecodeTuning { fast_reader: false, ..reading.tuning };
        let piecewise = DecodeTuning { document_bytes_max: 3, ..reading.tuning };
        for reading in [
            reading,
            Reading { tuning: strict, ..reading },
            Reading { tuning: piecewise, chunk_bytes: 5, ..reading },
        ] {
            for record in [&record, &escaped] {
                let outcome = decode(record.as_bytes(), reading);
                let document = &outcome.documents[0];
                let inline = [document.cache_write_5m_tokens, document.cache_write_1h_tokens];
                assert_eq!(inline.map(|count| count.get()), split, "{output}");
                assert_eq!((document.images, document.documents), blocks, "{input}");
            }
        }
        let options = DecodeOptions { facts: false, ..reading.options };
        let outcome = decode(record.as_bytes(), Reading { options, ..reading });
        let document = &outcome.documents[0];
        assert!(!document.cache_write_5m_tokens.is_known() && !document.cache_write_1h_tokens.is_known());
        assert_eq!((document.images, document.documents), (0, 0), "not asked for");
    }
}

#[test]
fn g10_what_is_no_json_has_a_size() {
    for text in ["%PDF-1.7 and so on", "", "{\"cut\":", "plain text", "{} {}"] {
        let payload = read(text, PayloadSide::Input);
        let expected = Payload { input_bytes: (text.len() as u64).into_count(), ..Payload::default() };
        assert_eq!(payload, expected, "{text}");
    }
}

#[test]
fn g10_a_payload_beyond_what_is_held_has_its_size() {
    let text = format!(r#"{{"max_tokens":64,"prompt":"{}"}}"#, "x".repeat(33 << 20));
    let payload = read_in_chunks(text.as_bytes(), PayloadSide::Input, 1 << 20).expect("a payload");
    assert_eq!(payload, Payload { input_bytes: (text.len() as u64).into_count(), ..Payload::default() });
}

#[test]
fn a_corrupt_payload_fails() {
    let stored = gzip(INPUT.as_bytes());
    let cut = &stored[..stored.len() - 1];
    assert_eq!(read_in_chunks(cut, PayloadSide::Input, 9), Err(ObjectFailure::GzTruncated));
}

trait IntoCount {
    fn into_count(self) -> borehole_record::Count;
}

impl IntoCount for u64 {
    fn into_count(self) -> borehole_record::Count {
        borehole_record::Count::known(self)
    }
}
