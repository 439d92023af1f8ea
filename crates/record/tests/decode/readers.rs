//! The laws of reading: fast = strict = piece by piece, at every cut of the input, and both equal to an
//! independent parse of the whole with serde_json wherever that accepts the input.

use std::borrow::Cow;
use std::fmt;

use borehole_record::DocumentKind;
use borehole_record::decode::DecodeTuning;
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::generate::{Mutation, TIMES, document, mutation, plain_document};
use crate::support::{Outcome, Reading, decode};

const KINDS: [DocumentKind; 5] = [
    DocumentKind::Record,
    DocumentKind::Invocation,
    DocumentKind::Metadata,
    DocumentKind::Request,
    DocumentKind::Response,
];

fn strict(reading: Reading) -> Reading {
    Reading { tuning: DecodeTuning { fast_reader: false, ..reading.tuning }, ..reading }
}

fn piecewise(reading: Reading, document_bytes_max: usize) -> Reading {
    Reading { tuning: DecodeTuning { document_bytes_max, ..reading.tuning }, ..reading }
}

fn reading() -> impl Strategy<Value = Reading> {
    (prop::sample::select(KINDS.to_vec()), any::<[bool; 3]>()).prop_map(|(kind, flags)| {
        let mut reading = Reading { kind, ..Reading::default() };
        reading.options.facts = flags[0];
        reading.options.accept_epoch = flags[1];
        reading.options.lenient_numbers = flags[2];
        reading
    })
}

/// Bytes that a failure shows as text.
#[derive(Clone)]
struct Text(Vec<u8>);

impl fmt::Debug for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "b\"{}\"", self.0.escape_ascii())
    }
}

/// Lines of documents, broken here and there.
fn object() -> impl Strategy<Value = Text> {
    let separator = prop::sample::select(vec!["\n", "\r\n", "\n\n", "", ",\n", " "]);
    let line =
        (prop_oneof![document(), plain_document()], prop::collection::vec(mutation(), 0..2), separator);
    let form = prop::sample::select(vec![("", ""), ("[", "]"), ("[\n", "\n]\n"), ("{\"Records\":[", "]}")]);
    (prop::collection::vec(line, 0..5), form, prop::collection::vec(mutation(), 0..2)).prop_map(
        |(lines, (before, after), mutations)| {
            let mut text = before.as_bytes().to_vec();
            for (document, mutations, separator) in lines {
                let mut document = document.into_bytes();
                mutations.iter().for_each(|mutation: &Mutation| mutation.apply(&mut document));
                text.extend_from_slice(&document);
                text.extend_from_slice(separator.as_bytes());
            }
            text.extend_from_slice(after.as_bytes());
            mutations.iter().for_each(|mutation| mutation.apply(&mut text));
            Text(text)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn e32_the_fast_reader_equals_the_strict_one_at_every_cut(Text(text) in object(), reading in reading(), chunk_bytes in 1..40usize) {
        let outcome = decode(&text, reading);
        prop_assert_eq!(&decode(&text, strict(reading)), &outcome);
        let cut = Reading { chunk_bytes, ..reading };
        prop_assert_eq!(&decode(&text, cut), &outcome);
        prop_assert_eq!(&decode(&text, strict(Reading { chunk_bytes: 1, ..reading })), &outcome);
    }

    #[test]
    fn a_plain_document_and_what_nearly_is_one_are_read_as_the_strict_reader_reads_them(
        document in plain_document(),
        mutations in prop::collection::vec(mutation(), 0..2),
        reading in reading(),
    ) {
        let mut text = document.into_bytes();
        mutations.iter().for_each(|mutation| mutation.apply(&mut text));
        prop_assert_eq!(decode(&text, strict(reading)), decode(&text, reading));
    }

    #[test]
    fn e23_a_document_read_piece_by_piece_is_the_same(
        document in document(),
        mutations in prop::collection::vec(mutation(), 0..2),
        reading in reading(),
        document_bytes_max in 0..200usize,
        chunk_bytes in 1..40usize,
    ) {
        let mut text = document.into_bytes();
        mutations.iter().for_each(|mutation| mutation.apply(&mut text));
        // Without a line to go on with, the limit on look-ahead has no say.
        text.retain(|&byte| byte != b'\n');
        // A wrapper's elements that come in pieces are not unwrapped.
        let outcome = decode(&text, reading);
        let pieces = Reading { chunk_bytes, ..piecewise(reading, document_bytes_max) };
        prop_assert_eq!(decode(&text, pieces), outcome);
    }

    #[test]
    fn strict_equals_an_independent_parse_of_all_that_serde_json_accepts(
        document in document(),
        mutations in prop::collection::vec(mutation(), 0..2),
        facts in any::<bool>(),
    ) {
        let mut text = document.into_bytes();
        mutations.iter().for_each(|mutation| mutation.apply(&mut text));
        // Where a line begins an object, framing has a say.
        text.retain(|&byte| byte != b'\n');
        let mut reading = Reading::default();
        reading.options.facts = facts;
        if let Ok(Json::Object(members)) = serde_json::from_slice::<Json>(&text) {
            // Which mutated texts still are times is not this test's affair.
            prop_assume!(members.iter().all(|(key, value)| key != "timestamp" || Naive::knows_time(value)));
            let outcome = decode(&text, strict(reading));
            let expected = Envelope::of_members(&members);
            prop_assert_eq!(Envelope::of_outcome(&outcome, &expected), expected);
        }
    }
}

/// JSON with all of its members, in their order.
#[derive(Clone, PartialEq, Debug)]
enum Json {
    Null,
    Bool,
    Number(f64),
    Text(String),
    Array,
    Object(Vec<(String, Json)>),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Bool)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(Json::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
        while elements.next_element::<Json>()?.is_some() {}
        Ok(Json::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = entries.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}

/// What an envelope says, in the plainest form: the verdict, the strings, the record's own counts.
#[derive(PartialEq, Debug)]
enum Envelope {
    Refused(&'static str),
    OtherSchema,
    Record { strings: Vec<Option<String>>, counts: [Option<u64>; 4], tags: Vec<(String, String)> },
}

impl Envelope {
    /// Counts that `expected` does not have may come from the body, and are left out.
    fn of_outcome(outcome: &Outcome, expected: &Envelope) -> Self {
        let stated = match expected {
            Envelope::Record { counts, .. } => counts.map(|count| count.is_some()),
            _ => [false; 4],
        };
        if let [reason] = outcome.reasons()[..] {
            return Envelope::Refused(reason);
        }
        let [document] = &outcome.documents[..] else { panic!("one span, one outcome: {outcome:?}") };
        if document.other_schema {
            return Envelope::OtherSchema;
        }
        let text = |text: &Option<Cow<'_, str>>| text.as_deref().map(String::from);
        Envelope::Record {
            strings: vec![
                text(&document.account),
                text(&document.region),
                text(&document.inference_region),
                text(&document.operation),
                text(&document.model_id),
                text(&document.error_code),
                text(&document.identity),
            ],
            counts: [
                document.input_tokens.get().filter(|_| stated[0]),
                document.output_tokens.get().filter(|_| stated[1]),
                document.cache_read_tokens.get().filter(|_| stated[2]),
                document.cache_write_tokens.get().filter(|_| stated[3]),
            ],
            tags: document.tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        }
    }

    /// The rules of docs/rules.md and faults.md once more, over a whole parse.
    fn of_members(members: &[(String, Json)]) -> Self {
        let mut reader = Naive::default();
        for (index, (key, value)) in members.iter().enumerate() {
            let is_duplicate = members[..index].iter().any(|(earlier, _)| earlier == key);
            if is_duplicate && Naive::ROOT.contains(&&**key) {
                reader.refuse("duplicate_key");
            }
            reader.root(key, value);
        }
        let schemas: Vec<&Json> =
            members.iter().filter(|(key, _)| key == "schemaType").map(|(_, value)| value).collect();
        if let [Json::Text(schema)] = schemas[..]
            && schema != "ModelInvocationLog"
        {
            return Envelope::OtherSchema;
        }
        let mut tags = std::mem::take(&mut reader.tags);
        tags.sort();
        if tags.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            reader.refuse("duplicate_key");
        }
        if !members.iter().any(|(key, _)| Naive::ROOT.contains(&&**key)) {
            reader.refuse("not_a_record");
        }
        match reader.refused {
            Some(reason) => Envelope::Refused(reason),
            None => Envelope::Record {
                strings: reader.strings.into(),
                counts: reader.counts,
                tags: tags.into_iter().filter_map(|(key, value)| Some((key, value?))).collect(),
            },
        }
    }
}

#[derive(Default)]
struct Naive {
    refused: Option<&'static str>,
    strings: [Option<String>; 7],
    counts: [Option<u64>; 4],
    tags: Vec<(String, Option<String>)>,
}

impl Naive {
    const ROOT: [&'static str; 13] = [
        "timestamp",
        "accountId",
        "identity",
        "region",
        "inferenceRegion",
        "requestId",
        "operation",
        "modelId",
        "errorCode",
        "requestMetadata",
        "schemaType",
        "input",
        "output",
    ];

    /// Whether this is one of the generated timestamps, or no text.
    fn knows_time(value: &Json) -> bool {
        match value {
            Json::Text(text) => TIMES.iter().any(|time| time.trim_matches('"') == text),
            _ => true,
        }
    }

    fn refuse(&mut self, reason: &'static str) {
        self.refused.get_or_insert(reason);
    }

    fn text(&mut self, value: &Json) -> Option<String> {
        match value {
            Json::Null => None,
            Json::Text(text) if text.len() > 4_096 => {
                self.refuse("field_too_long");
                None
            }
            Json::Text(text) => Some(text.clone()),
            _ => {
                self.refuse("field_type");
                None
            }
        }
    }

    fn root(&mut self, key: &str, value: &Json) {
        match key {
            "accountId" => self.strings[0] = self.text(value),
            "region" => self.strings[1] = self.text(value),
            "inferenceRegion" => self.strings[2] = self.text(value),
            "operation" => self.strings[3] = self.text(value),
            "modelId" => self.strings[4] = self.text(value),
            "errorCode" => self.strings[5] = self.text(value).filter(|code| !code.is_empty()),
            "requestId" | "schemaType" => drop(self.text(value)),
            "timestamp" => match value {
                Json::Number(_) => self.refuse("timestamp"),
                _ => {
                    if self.text(value).is_some_and(|text| text == "soon") {
                        self.refuse("timestamp");
                    }
                }
            },
            "identity" | "input" | "output" | "requestMetadata" => match value {
                Json::Null => {}
                Json::Object(members) => self.section(key, members),
                _ => self.refuse("field_type"),
            },
            _ => {}
        }
    }

    fn section(&mut self, section: &str, members: &[(String, Json)]) {
        for (index, (key, value)) in members.iter().enumerate() {
            let is_duplicate = members[..index].iter().any(|(earlier, _)| earlier == key);
            match (section, &**key) {
                ("requestMetadata", _) => {
                    let text = match value {
                        Json::Text(_) => self.text(value),
                        _ => None,
                    };
                    self.tags.push((key.clone(), text));
                    continue;
                }
                ("identity", "arn")
                | (
                    "input",
                    "inputBodyJson"
                    | "inputBodyS3Path"
                    | "inputTokenCount"
                    | "cacheReadInputTokenCount"
                    | "cacheWriteInputTokenCount",
                )
                | ("output", "outputBodyJson" | "outputBodyS3Path" | "outputTokenCount") => {}
                _ => continue,
            }
            if is_duplicate {
                self.refuse("duplicate_key");
            }
            match &**key {
                "arn" => self.strings[6] = self.text(value),
                name if name.ends_with("S3Path") => drop(self.text(value)),
                "inputTokenCount" => self.tokens(0, value),
                "outputTokenCount" => self.tokens(1, value),
                "cacheReadInputTokenCount" => self.tokens(2, value),
                "cacheWriteInputTokenCount" => self.tokens(3, value),
                _ => {}
            }
        }
    }

    fn tokens(&mut self, index: usize, value: &Json) {
        match value {
            Json::Null => {}
            Json::Number(number) if number.fract() != 0.0 => self.refuse("token_count_type"),
            Json::Number(number) if !(0.0..=1_099_511_627_776.0).contains(number) => {
                self.refuse("token_count_range")
            }
            Json::Number(number) => self.counts[index] = Some(*number as u64),
            _ => self.refuse("token_count_type"),
        }
    }
}
