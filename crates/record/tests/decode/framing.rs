//! Framing at sizes that no fixture should have, and where a chunk ends in the middle of anything.

use borehole_record::decode::DecodeTuning;
use borehole_record::{DocumentKind, ObjectDecoder, Reject, RejectReason};

use crate::support::{Outcome, Reading, decode, decode_default};

const GOOD: &str = r#"{"timestamp":"2026-11-08T07:00:00Z","requestId":"good","modelId":"m"}"#;

/// Pushes `head`, then `filler` over and over, then `tail`: an object that is never held as a whole.
fn decode_long(head: &str, filler: &str, times: usize, tail: &str) -> Outcome {
    let reading = Reading::default();
    let mut outcome = Outcome::default();
    let mut decoder = ObjectDecoder::new(reading.kind, reading.options);
    let block = filler.repeat(1_000);
    let mut push = |text: &str| decoder.push(text.as_bytes(), &mut outcome).expect("no failure");
    push(head);
    (0..times / 1_000).for_each(|_| push(&block));
    push(tail);
    decoder.finish(&mut outcome).expect("no failure");
    outcome
}

#[test]
fn e23_a_line_longer_than_any_buffer_keeps_its_counts() {
    const FILLER: &str = r#"{"text":"all the world's a stage \" \\ "},"#;
    let times = 1_000_000;
    let head = r#"{"requestId":"long","input":{"inputBodyJson":["#;
    let tail = r#"0],"inputTokenCount":12},"output":{"outputBodyJson":{"usage":{"outputTokens":3}}}}"#;
    let outcome = decode_long(head, FILLER, times, &format!("{tail}\n{GOOD}\n"));
    assert_eq!(outcome.ids(), ["long", "good"]);
    let long = &outcome.documents[0];
    assert_eq!(long.input_tokens.get(), Some(12));
    assert_eq!(long.output_tokens.get(), Some(3), "a body that is short enough is looked into");
    let body_bytes = FILLER.len() * times + "[0]".len();
    assert_eq!(long.input_bytes.get(), Some(body_bytes as u64));
    assert!(long.input_kinds.is_empty(), "a body that is too long is not");
}

#[test]
fn e24_64_mib_without_json_are_one_span() {
    let outcome = decode_long("", "no json here; ", 5_000_000, &format!("\n{GOOD}\n"));
    let bytes = "no json here; ".len() as u64 * 5_000_000;
    assert!(bytes > 64 << 20);
    assert_eq!(outcome.rejects, [Reject { offset: 0, bytes, reason: RejectReason::JsonSyntax }]);
    assert_eq!(outcome.ids(), ["good"]);
}

#[test]
fn e22_a_million_brackets_cost_one_span() {
    let line = "[".repeat(1_000_000);
    let body = format!(r#"{{"requestId":"deep","input":{{"inputBodyJson":{line}}}}}"#);
    for bad in [format!("{GOOD}\n{line}\n"), format!("{body}\n")] {
        let outcome = decode_default(format!("{bad}{GOOD}\n"));
        assert_eq!(outcome.reasons(), ["too_deep"]);
        assert_eq!(outcome.ids().last().map(String::as_str), Some("good"));
    }
}

#[test]
fn e13_a_hole_of_any_length_is_one_span() {
    let outcome = decode_long(&format!("{GOOD}\n"), "\0", 20_000_000, &format!("{GOOD}\n"));
    let offset = GOOD.len() as u64 + 1;
    assert_eq!(outcome.rejects, [Reject { offset, bytes: 20_000_000, reason: RejectReason::JsonSyntax }]);
    assert_eq!(outcome.ids(), ["good", "good"]);
}

#[test]
fn e10_a_good_record_after_every_cut_of_the_one_before_is_not_lost() {
    let bad = r#"{"timestamp":"2026-11-08T07:00:00Z","requestId":"bad","input":{"inputBodyJson":["\"a]"]}}"#;
    for cut in 1..bad.len() {
        let outcome = decode_default(format!("{}\n{GOOD}\n", &bad[..cut]));
        assert_eq!(outcome.ids(), ["good"], "cut at {cut}");
        assert_eq!(outcome.rejects.len(), 1, "cut at {cut}");
        assert_eq!(outcome.rejects[0].bytes, cut as u64, "cut at {cut}");
    }
}

#[test]
fn e10_a_good_record_after_any_one_byte_lost_is_not_lost() {
    let bad = r#"{"timestamp":"2026-11-08T07:00:00Z","requestId":"bad","input":{"inputBodyJson":["\"a]"]}}"#;
    for lost in 0..bad.len() {
        let broken = format!("{}{}", &bad[..lost], &bad[lost + 1..]);
        let outcome = decode_default(format!("{broken}\n{GOOD}\n{GOOD}\n"));
        let good = outcome.ids().iter().filter(|id| *id == "good").count();
        assert_eq!(good, 2, "byte {lost} lost");
        assert_eq!(outcome.documents.len() + outcome.rejects.len(), 3, "byte {lost} lost");
    }
}

#[test]
fn e09_a_file_cut_anywhere_in_its_last_line_says_so() {
    for cut in 1..GOOD.len() {
        let outcome = decode_default(format!("{GOOD}\n{}", &GOOD[..cut]));
        assert_eq!((outcome.documents.len(), outcome.reasons()), (1, vec!["json_truncated"]), "cut at {cut}");
    }
}

#[test]
fn e08_an_array_cut_anywhere_fails() {
    let array = format!("[{GOOD},\n {GOOD}\n]");
    for cut in 1..array.len() {
        let outcome = decode_default(&array[..cut]);
        assert_eq!(outcome.failure.map(|failure| failure.as_str()), Some("json_truncated"), "cut at {cut}");
    }
}

#[test]
fn e32_quotes_backslashes_and_characters_at_every_offset_are_read_alike() {
    for padding in 0..80 {
        for tail in [r#"\\"#, r#"\""#, r#"\\\""#, "é", "日", "😀", r#"\\\\"#] {
            let text = format!("{}{tail}", "x".repeat(padding));
            let line = format!(
                r#"{{"requestId":"{text}","input":{{"inputBodyJson":{{"prompt":"{text}"}},"inputTokenCount":5}}}}"#
            );
            let outcome = decode_default(&line);
            assert_eq!(outcome.documents.len(), 1, "{line}");
            assert_eq!(outcome.documents[0].input_tokens.get(), Some(5), "{line}");
            let strict = DecodeTuning { fast_reader: false, ..DecodeTuning::default() };
            assert_eq!(decode(line.as_bytes(), Reading { tuning: strict, ..Reading::default() }), outcome);
        }
    }
}

#[test]
fn offsets_are_those_of_the_decoded_object() {
    let outcome = decode_default(format!("\u{feff} \n{GOOD}\n  {GOOD}{GOOD}\nbad\n"));
    let offsets: Vec<u64> = outcome.documents.iter().map(|document| document.offset).collect();
    let length = GOOD.len() as u64;
    assert_eq!(offsets, [5, 5 + length + 3, 5 + length + 3 + length]);
    assert_eq!(outcome.rejects[0].offset, 5 + length + 3 + 2 * length + 1);
}

#[test]
fn d12_the_summary_tells_gzip_and_what_is_no_json() {
    assert!(!decode_default(GOOD).gzip);
    assert!(!decode_default(GOOD).not_json);
    assert!(!decode_default("").not_json);
    for text in ["a,b\n1,2\n", "5\n", "2026-11-08 is no export line\n", "\"x\"\n"] {
        assert!(decode_default(text).not_json, "{text}");
    }
    assert!(!decode_default(format!("2026-11-08T07:00:00.000Z {GOOD}\n")).not_json);
}

#[test]
fn d15_more_than_the_limit_of_decoded_bytes_fails() {
    let mut reading = Reading::default();
    reading.options.decoded_bytes_max = GOOD.len() as u64;
    assert_eq!(decode(GOOD.as_bytes(), reading).failure, None);
    reading.options.decoded_bytes_max -= 1;
    let failure = decode(GOOD.as_bytes(), reading).failure;
    assert_eq!(failure.map(|failure| failure.as_str()), Some("decoded_limit"));
}

#[test]
fn a_split_document_is_never_an_array() {
    let reading = Reading { kind: DocumentKind::Request, ..Reading::default() };
    assert_eq!(decode(format!("[{GOOD}]").as_bytes(), reading).reasons(), ["not_an_object"]);
}

#[test]
fn d05_salvage_can_tell_which_documents_are_verified() {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).expect("memory");
        encoder.finish().expect("memory")
    };
    let first = format!("{GOOD}\n");
    let mut stored = gzip(&first);
    let second = gzip(&first);
    stored.extend_from_slice(&second[..second.len() - 4]);
    let reading = Reading::default();
    let mut decoder = ObjectDecoder::new(reading.kind, reading.options);
    let mut outcome = Outcome::default();
    decoder.push(&stored, &mut outcome).expect("no failure yet");
    let failure = decoder.finish(&mut outcome).expect_err("the second member is cut");
    assert_eq!(failure.as_str(), "gz_truncated");
    assert_eq!(decoder.verified_decoded_bytes(), first.len() as u64);
}
