//! Generated records: sound ones of every shape, and mutations that break them.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A string literal of JSON, sometimes with escapes.
fn string_literal() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "a",
        "Zürich",
        "日本",
        "\\n",
        "\\\"",
        "\\\\",
        "\\u00e9",
        "\\ud83d\\ude00",
        "\\/",
        " ",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\u{2028}",
        "inputTokenCount",
        "0123456789abcdef0123456789abcdef",
    ]);
    prop::collection::vec(piece, 0..6).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn number_literal() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..100_000u64).prop_map(|number| number.to_string()),
        select(vec!["-0", "5.0", "5e0", "50e-1", "1e400", "-3", "5.5", "1099511627776", "1099511627777"])
            .prop_map(String::from),
    ]
}

fn key(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![
        9 => select(names).prop_map(|name| format!("\"{name}\"")),
        1 => string_literal(),
    ]
}

/// Any JSON value, with keys that occur in bodies and some of ours.
fn any_value() -> impl Strategy<Value = String> {
    const KEYS: &[&str] = &[
        "messages",
        "content",
        "text",
        "type",
        "usage",
        "cacheDetails",
        "cache_creation",
        "ephemeral_5m_input_tokens",
        "metadata",
        "inputTokens",
        "outputTokens",
        "input_tokens",
        "output_tokens",
        "metrics",
        "latencyMs",
        "stopReason",
        "stop_reason",
        "inferenceConfig",
        "maxTokens",
        "max_tokens",
        "system",
        "inputTokenCount",
        "timestamp",
        "requestId",
        "image",
        "document",
        "toolUse",
        "delta",
        "amazon-bedrock-invocationMetrics",
        "invocationLatency",
        "output",
        "message",
        "results",
        "choices",
    ];
    let leaf = prop_oneof![
        4 => string_literal(),
        3 => number_literal(),
        1 => select(vec!["null", "true", "false"]).prop_map(String::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((key(KEYS), inner), 0..6).prop_map(|members| object(&members)),
        ]
    })
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<String> = members.iter().map(|(key, value)| format!("{key}:{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn section(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    let member = (key(names), prop_oneof![3 => any_value(), 2 => number_literal(), 1 => string_literal()]);
    prop::collection::vec(member, 0..6).prop_map(|members| object(&members))
}

/// The values of `timestamp`: two times, a text that is none, and epoch milliseconds.
pub(crate) const TIMES: &[&str] =
    &["\"2026-11-08T07:00:00Z\"", "\"2026-11-08 07:00:00.000000000\"", "\"soon\"", "1764759284000"];

/// A document of this log's names in any order and with values of any kind.
pub(crate) fn document() -> impl Strategy<Value = String> {
    const INPUT: &[&str] = &[
        "inputContentType",
        "inputBodyJson",
        "inputBodyS3Path",
        "inputTokenCount",
        "cacheReadInputTokenCount",
        "cacheWriteInputTokenCount",
    ];
    const OUTPUT: &[&str] = &["outputContentType", "outputBodyJson", "outputBodyS3Path", "outputTokenCount"];
    let member =
        |name: &'static str, value: BoxedStrategy<String>| (Just(format!("\"{name}\"")), value).boxed();
    let text = || prop_oneof![9 => string_literal(), 1 => any_value()].boxed();
    let strings = [
        "accountId",
        "region",
        "inferenceRegion",
        "requestId",
        "operation",
        "modelId",
        "errorCode",
        "unknown",
        "schemaVersion",
    ];
    let mut members: Vec<BoxedStrategy<(String, String)>> =
        strings.into_iter().map(|name| member(name, text())).collect();
    members.push(member("timestamp", select(TIMES).prop_map(String::from).boxed()));
    members.push(member(
        "schemaType",
        select(vec!["\"ModelInvocationLog\"", "\"Other\"", "null"]).prop_map(String::from).boxed(),
    ));
    members.push(member("identity", section(&["arn", "type"]).boxed()));
    members.push(member("requestMetadata", section(&["team", "timestamp", "inputTokenCount"]).boxed()));
    // Input and output as in the log, and split documents' members at the root, weigh more than the rest.
    for _ in 0..3 {
        members.push(member("input", section(INPUT).boxed()));
        members.push(member("output", section(OUTPUT).boxed()));
    }
    for name in ["inputBodyJson", "outputBodyJson", "inputTokenCount", "latencyMs", "status", "serviceTier"] {
        members.push(member(name, prop_oneof![any_value(), number_literal(), string_literal()].boxed()));
    }
    prop::collection::vec(prop::strategy::Union::new(members), 0..9).prop_map(|members| object(&members))
}

/// A text without escapes.
fn plain_text() -> impl Strategy<Value = String> {
    let piece =
        select(vec!["a", "Zürich", "日本", " ", "{", "}", ",", ":", "0123456789abcdef", "inputTokenCount"]);
    prop::collection::vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// A document as AWS writes it, its members in any order: each at most once, all values of the kind that they should
/// be, and bodies of any kind.
pub(crate) fn plain_document() -> impl Strategy<Value = String> {
    let text = || prop_oneof![9 => plain_text(), 1 => Just("null".to_owned())].boxed();
    let number = || {
        prop_oneof![9 => (0..1u64 << 41).prop_map(|number| number.to_string()), 1 => Just("null".to_owned())]
            .boxed()
    };
    let time =
        select(vec!["\"2026-11-08T07:00:00Z\"", "\"2026-11-08T07:00:00.5+01:00\""]).prop_map(String::from);
    let id = "\"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\"";
    let schema = select(vec!["\"ModelInvocationLog\"", "null"]).prop_map(String::from);
    let tags = prop::collection::btree_map(plain_text(), text(), 0..6);
    let some = |members: Vec<(&'static str, BoxedStrategy<String>)>| {
        let members: Vec<_> = members
            .into_iter()
            .map(|(name, value)| prop::option::weighted(0.7, value.prop_map(move |value| (name, value))))
            .collect();
        members.prop_map(|members| members.into_iter().flatten().collect::<Vec<_>>()).prop_shuffle()
    };
    let object = |members: Vec<(&'static str, String)>, blanks: bool| {
        let (comma, colon) = if blanks { (" ,\t", " : ") } else { (",", ":") };
        let members: Vec<String> =
            members.iter().map(|(key, value)| format!("\"{key}\"{colon}{value}")).collect();
        format!("{{{}}}", members.join(comma))
    };
    let section = move |members| some(members).prop_map(move |members| object(members, false)).boxed();
    let input = section(vec![
        ("inputContentType", text()),
        ("inputBodyJson", any_value().boxed()),
        ("inputBodyS3Path", text()),
        ("inputTokenCount", number()),
        ("cacheReadInputTokenCount", number()),
        ("cacheWriteInputTokenCount", number()),
    ]);
    let output = section(vec![
        ("outputContentType", text()),
        ("outputBodyJson", any_value().boxed()),
        ("outputBodyS3Path", text()),
        ("outputTokenCount", number()),
    ]);
    let members = some(vec![
        ("timestamp", time.boxed()),
        ("accountId", text()),
        ("region", text()),
        ("requestId", prop_oneof![4 => id.prop_map(String::from), 1 => text()].boxed()),
        ("operation", text()),
        ("modelId", text()),
        ("errorCode", text()),
        ("inferenceRegion", text()),
        ("schemaType", schema.boxed()),
        ("schemaVersion", text()),
        ("identity", section(vec![("arn", text()), ("type", text())])),
        ("requestMetadata", tags.prop_map(|tags| self::object(&Vec::from_iter(tags))).boxed()),
        ("input", input),
        ("output", output),
        ("inputTokenCount", number()),
        ("outputBodyJson", any_value().boxed()),
        ("latencyMs", number()),
        ("status", number()),
        ("serviceTier", prop_oneof![text(), section(vec![("type", text())])].boxed()),
        ("headers", any_value().boxed()),
    ]);
    (members, any::<bool>()).prop_map(move |(members, blanks)| object(members, blanks))
}

/// One change to a text.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    Remove(Index),
    Insert(Index, u8),
    Replace(Index, u8),
    Cut(Index),
    Repeat(Index, Index),
}

pub(crate) fn mutation() -> impl Strategy<Value = Mutation> {
    // The bytes that matter to a JSON reader, and any others.
    let byte =
        || prop_oneof![3 => select(b"\"\\{}[],:\n\r\t 0-.eEu\0\xFF\xED\xBF/'#".to_vec()), 1 => any::<u8>()];
    prop_oneof![
        any::<Index>().prop_map(Mutation::Remove),
        (any::<Index>(), byte()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        (any::<Index>(), byte()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        any::<Index>().prop_map(Mutation::Cut),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
    ]
}

impl Mutation {
    pub(crate) fn apply(&self, text: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        match self {
            Mutation::Remove(at) => {
                text.remove(at.index(text.len()));
            }
            Mutation::Insert(at, byte) => text.insert(at.index(text.len()), *byte),
            Mutation::Replace(at, byte) => {
                let at = at.index(text.len());
                text[at] = *byte;
            }
            Mutation::Cut(at) => text.truncate(at.index(text.len())),
            Mutation::Repeat(from, to) => {
                let (from, to) = (from.index(text.len()), to.index(text.len()));
                let piece = text[from.min(to)..from.max(to)].to_vec();
                let at = from.min(to);
                text.splice(at..at, piece);
            }
        }
    }
}
