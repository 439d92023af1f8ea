//! The odd but legal: every shape that a careless reader gets wrong, and the rejects that a right one refuses.
//!
//! In: the world and a place in time. Out: requests changed in one respect each, with the warnings that they
//! raise; or the text of a bad line with the one reason it must be refused for. Which traps a dump gets, and
//! when, is [`schedule`]'s choice.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::body::{Body, CACHE_READ, CACHE_WRITE, Dialect, INPUT, OUTPUT};
use crate::calendar::Stamp;
use crate::random::Random;
use crate::request::{Fate, Logged, Order, Place, Request, Side};
use crate::traffic::Traffic;
use crate::world::World;
use crate::{Layout, Options};

/// One odd thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trap {
    // One request, changed in one respect; both layouts.
    /// Exactly this uncached input.
    InputTokens(u64),
    /// Exactly this prompt, by way of the caches.
    PromptTokens(u64),
    /// Another spelling of the time.
    Time(Stamp),
    /// `5.0` as a count.
    FloatCount,
    /// `5e0` as a count.
    ExponentCount,
    /// `null` counts; the body's usage fills them.
    NullCounts,
    /// No counts; the body's usage fills them.
    CountsInBody(Dialect),
    /// No counts, and the usage lies in the payload object.
    CountsInPayload,
    /// `"errorCode":""` is no error.
    EmptyErrorCode,
    /// A failed call with token counts.
    ErrorWithCounts,
    /// A guardrail answered.
    Guardrail(Dialect),
    /// Text delivery is off: counts, no bodies.
    NoBodies,
    /// Bodies that are `null`.
    NullBodies,
    /// The answer is a string that holds JSON.
    StringBody,
    /// The answer is a string of words.
    PlainStringBody,
    /// Keys spelled with escapes.
    EscapedKeys,
    /// Known names as tag keys and inside an unknown field.
    LookAlikes,
    /// The same key twice in a body: the first wins.
    RepeatedBodyKeys,
    /// A tag that is a number.
    OddTag,
    /// A byte that is not UTF-8 in a body.
    RawByte,
    /// A lone surrogate escape in a body.
    LoneSurrogate,
    /// A deep body.
    Nested,
    /// Video, audio, a search result.
    RareKinds,
    /// The payload object is not there; the counts are in the record.
    MissingPayload,
    /// The payload object is not there, and with it the counts.
    LostCounts,
    /// A path that must not be followed.
    Refused(Refusal),
    /// A body and a path.
    BodyBesidePath,
    /// A clock of 2019.
    Outlier,
    /// Another kind of log.
    OtherSchema,

    // Several records.
    /// The same id with `{}` bodies and no counts.
    EmptyTwin,
    /// 10:59:59 and 11:00:01, one of them without its output count.
    BorderPair {
        /// The later one is complete.
        is_later_better: bool,
    },
    /// Three copies in three hours, each better than the one before.
    Chain,
    /// The same id two hours apart: two requests.
    TwoHoursApart,
    /// The same id in two accounts: two requests.
    TwoAccounts,
    /// A copy many hours from its folder.
    StrayCopy,

    // The `aws` layout.
    /// No `requestId`.
    NoRequestId,
    /// `"requestId":""`
    EmptyRequestId,
    /// An account other than the key's.
    OtherAccount,
    /// A Region other than the key's.
    OtherRegion,
    /// No account and no Region: the key's are meant.
    NamesFromKey,
    /// An object of 0 bytes.
    EmptyObject,
    /// Plain text in a `.gz`.
    PlainNamedGzip,
    /// Zero bytes after the gzip data.
    ZeroPadding,
    /// A UTF-8 byte order mark.
    ByteOrderMark,
    /// Records over several lines each.
    Pretty,
    /// A PDF under `data/`.
    Media,

    // The `split` layout.
    /// Metadata and response in the next hour's folder.
    LateSiblings,
    /// The invocation document in the next hour's folder, its siblings before it.
    LateInvocation,
    /// A response alone, with time and model.
    OrphanResponse {
        /// It also names account and Region.
        is_named: bool,
    },
    /// Metadata with the time, and in the next hour a response with the model.
    OrphanPair,
    /// Two metadata documents.
    Superseded,
    /// Metadata that contradicts the invocation document.
    Conflict,
    /// The error code stands in the response document alone.
    ErrorInResponse,
    /// gzip data in a `.json`.
    GzipNamedJson,
    /// The payload of the conventional key lies in the next day's folder.
    ConventionalNextDay,
    /// Both bodies under the conventional key.
    ConventionalBoth,
    /// The answer alone under the conventional key, raw or wrapped.
    ConventionalOutput {
        /// `{"output": …}` around it.
        is_wrapped: bool,
    },
}

/// Why a path must not be followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    Bucket,
    Scheme,
    Key,
    Account,
}

impl Refusal {
    fn reason(self) -> &'static str {
        match self {
            Refusal::Bucket => "bucket",
            Refusal::Scheme => "scheme",
            Refusal::Key => "key",
            Refusal::Account => "account",
        }
    }

    fn path(self, bucket: &str) -> String {
        match self {
            Refusal::Bucket => "s3://someone-elses-bucket/a/b.json.gz".to_owned(),
            Refusal::Scheme => "https://169.254.169.254/latest/meta-data".to_owned(),
            Refusal::Key => format!("s3://{bucket}/a/../b.json.gz"),
            Refusal::Account => format!(
                "s3://{bucket}/AWSLogs/999988887777/BedrockModelInvocationLogs/us-east-1/2024/03/11/00/data/b_input.json.gz"
            ),
        }
    }
}

/// Traps that both layouts can have.
const BOTH: [Trap; 50] = [
    Trap::InputTokens(25_000),
    Trap::InputTokens(25_001),
    Trap::PromptTokens(25_000),
    Trap::PromptTokens(25_001),
    Trap::Time(Stamp::Millis),
    Trap::Time(Stamp::Offset),
    Trap::Time(Stamp::Shifted),
    Trap::Time(Stamp::Spaced),
    Trap::FloatCount,
    Trap::ExponentCount,
    Trap::NullCounts,
    Trap::CountsInBody(Dialect::Converse),
    Trap::CountsInBody(Dialect::Claude),
    Trap::CountsInBody(Dialect::ClaudeStream),
    Trap::CountsInBody(Dialect::Nova),
    Trap::CountsInBody(Dialect::Titan),
    Trap::CountsInBody(Dialect::Llama),
    Trap::CountsInBody(Dialect::OpenAi),
    Trap::CountsInPayload,
    Trap::CountsInPayload,
    Trap::EmptyErrorCode,
    Trap::ErrorWithCounts,
    Trap::Guardrail(Dialect::Converse),
    Trap::Guardrail(Dialect::Claude),
    Trap::Guardrail(Dialect::ClaudeStream),
    Trap::NoBodies,
    Trap::NullBodies,
    Trap::StringBody,
    Trap::PlainStringBody,
    Trap::EscapedKeys,
    Trap::LookAlikes,
    Trap::RepeatedBodyKeys,
    Trap::OddTag,
    Trap::RawByte,
    Trap::LoneSurrogate,
    Trap::Nested,
    Trap::RareKinds,
    Trap::MissingPayload,
    Trap::Refused(Refusal::Bucket),
    Trap::Refused(Refusal::Scheme),
    Trap::Refused(Refusal::Key),
    Trap::BodyBesidePath,
    Trap::Outlier,
    Trap::OtherSchema,
    Trap::EmptyTwin,
    Trap::BorderPair { is_later_better: false },
    Trap::BorderPair { is_later_better: true },
    Trap::Chain,
    Trap::TwoHoursApart,
    Trap::TwoAccounts,
];

const AWS: [Trap; 13] = [
    Trap::StrayCopy,
    Trap::Refused(Refusal::Account),
    Trap::NoRequestId,
    Trap::EmptyRequestId,
    Trap::OtherAccount,
    Trap::OtherRegion,
    Trap::NamesFromKey,
    Trap::EmptyObject,
    Trap::PlainNamedGzip,
    Trap::ZeroPadding,
    Trap::ByteOrderMark,
    Trap::Pretty,
    Trap::Media,
];

const SPLIT: [Trap; 13] = [
    Trap::StrayCopy,
    Trap::LateSiblings,
    Trap::LateInvocation,
    Trap::OrphanResponse { is_named: true },
    Trap::OrphanResponse { is_named: false },
    Trap::OrphanPair,
    Trap::Superseded,
    Trap::Conflict,
    Trap::ErrorInResponse,
    Trap::GzipNamedJson,
    Trap::ConventionalNextDay,
    Trap::ConventionalBoth,
    Trap::ConventionalOutput { is_wrapped: false },
];

/// A trap and the stream and second it is laid at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Laid {
    pub(crate) trap: Trap,
    pub(crate) stream: usize,
    pub(crate) seconds: i64,
}

/// All traps of the layout, each once and once more for every 10,000 requests, by hour. A trap that needs
/// neighbouring hours is left out where the range has none.
pub(crate) fn schedule(
    options: &Options,
    traffic: &Traffic,
    accounts: usize,
    random: &mut Random,
) -> BTreeMap<i64, Vec<Laid>> {
    let mut traps: Vec<Trap> = BOTH.to_vec();
    match options.layout {
        Layout::Aws => traps.extend(AWS),
        Layout::Split => {
            traps.extend(SPLIT.into_iter().chain([Trap::ConventionalOutput { is_wrapped: true }]))
        }
    }
    traps.retain(|trap| match trap {
        Trap::TwoAccounts => accounts > 1,
        _ => true,
    });
    if !options.clean {
        traps.push(Trap::LostCounts);
    }
    let mut by_hour: BTreeMap<i64, Vec<Laid>> = BTreeMap::new();
    if !options.traps || traffic.hours.is_empty() {
        return by_hour;
    }
    for _ in 0..=options.requests / 10_000 {
        for &trap in &traps {
            if let Some((hour, laid)) = lay(trap, options.layout, traffic, random) {
                by_hour.entry(hour).or_default().push(laid);
            }
        }
    }
    for laid in by_hour.values_mut() {
        laid.sort_by_key(|laid| (laid.stream, laid.seconds));
    }
    by_hour
}

/// Hours after its own that a trap puts something into.
fn hours_after(trap: Trap, layout: Layout) -> i64 {
    match trap {
        Trap::Chain | Trap::TwoHoursApart => 2,
        Trap::BorderPair { .. }
        | Trap::LateSiblings
        | Trap::LateInvocation
        | Trap::OrphanPair
        | Trap::Superseded => 1,
        // One folder of the split layout cannot hold two invocation documents of one id.
        Trap::EmptyTwin | Trap::TwoAccounts if layout == Layout::Split => 1,
        _ => 0,
    }
}

fn lay(trap: Trap, layout: Layout, traffic: &Traffic, random: &mut Random) -> Option<(i64, Laid)> {
    let after = hours_after(trap, layout);
    for _ in 0..64 {
        let plan = &traffic.hours[random.index(traffic.hours.len())];
        let Some(stream) = traffic.open_stream(plan.hour, after, random) else { continue };
        if after > 0 && !traffic.is_open_through(stream, plan.hour, after) {
            continue;
        }
        let seconds = match trap {
            Trap::BorderPair { .. } => plan.to_seconds - 1,
            _ => plan.from_seconds + random.below((plan.to_seconds - plan.from_seconds) as u64) as i64,
        };
        return Some((plan.hour, Laid { trap, stream, seconds }));
    }
    None
}

/// A request changed by a trap, and the warnings that its record raises.
pub(crate) struct Trapped {
    pub(crate) request: Request,
    pub(crate) warnings: Vec<&'static str>,
}

/// The request of a trap. Where the trap is not of one request, that is an ordinary successful one.
pub(crate) fn trapped(world: &mut World, laid: Laid, bucket: &str) -> Trapped {
    let Laid { trap, stream, seconds } = laid;
    let (operation, dialect) = match trap {
        Trap::CountsInBody(dialect) | Trap::Guardrail(dialect) => match dialect {
            Dialect::Converse => ("Converse", dialect),
            Dialect::ClaudeStream => ("InvokeModelWithResponseStream", dialect),
            _ => ("InvokeModel", dialect),
        },
        Trap::RawByte | Trap::LoneSurrogate => ("InvokeModel", Dialect::Claude),
        _ => ("Converse", Dialect::Converse),
    };
    let mut request = world.plain(stream, seconds, operation, dialect);
    let mut warnings = Vec::new();
    let offloaded = |fate, path: String, body: Body| Some(Side { body, place: Place::Offloaded(fate, path) });
    let body_of = |side: &mut Option<Side>| side.take().map(|side| side.body).unwrap_or_default();
    match trap {
        Trap::InputTokens(count) => request.counts[INPUT] = Logged::Integer(count),
        Trap::PromptTokens(count) => {
            request.counts[INPUT] = Logged::Integer(3);
            request.counts[CACHE_READ] = Logged::Integer(count - 1_003);
            request.counts[CACHE_WRITE] = Logged::Integer(1_000);
        }
        Trap::Time(stamp) => {
            request.stamp = stamp;
            if stamp == Stamp::Spaced {
                warnings.push("timestamp_no_offset");
            }
        }
        Trap::FloatCount => {
            request.counts[INPUT] = Logged::Float(5);
            warnings.push("int_as_float");
        }
        Trap::ExponentCount => {
            request.counts[OUTPUT] = Logged::Exponent(5);
            warnings.push("int_as_float");
        }
        Trap::NullCounts => request.counts = [Logged::Null; 4],
        Trap::CountsInBody(_) => request.counts = [Logged::Absent; 4],
        Trap::CountsInPayload => {
            request.counts = [Logged::Absent; 4];
            let body = body_of(&mut request.output);
            request.output = offloaded(Fate::Resolved, String::new(), body);
        }
        Trap::EmptyErrorCode => request.error = Some(""),
        Trap::ErrorWithCounts => {
            request.error = Some("ModelStreamErrorException");
            request.status = 424;
            request.counts = [Logged::Integer(1_200), Logged::Integer(34), Logged::Absent, Logged::Absent];
            request.inference_region = None;
        }
        Trap::Guardrail(dialect) => {
            let count = if dialect == Dialect::Claude { Logged::Absent } else { Logged::Integer(0) };
            request.counts = [count, count, Logged::Absent, Logged::Absent];
            request.output = Some(Side::inline(Body::guardrail(dialect)));
        }
        Trap::NoBodies | Trap::NullBodies => {
            let place = if trap == Trap::NullBodies { Place::Null } else { Place::Absent };
            request.input = Some(Side { body: Body::default(), place: place.clone() });
            request.output = Some(Side { body: Body::default(), place });
            request.metadata.request_bytes = None;
            request.metadata.response_bytes = None;
        }
        Trap::StringBody => request.output = Some(Side::inline(body_of(&mut request.output).into_string())),
        Trap::PlainStringBody => {
            let body = Body::plain_string(&world.author.prose, &mut world.random);
            request.output = Some(Side::inline(body));
        }
        Trap::EscapedKeys => request.escaped_keys = true,
        Trap::LookAlikes => {
            request.future_field = true;
            request.tags = Rc::new(vec![
                ("errorCode", "ThrottlingException"),
                ("inputTokenCount", "1"),
                ("modelId", "none"),
                ("timestamp", "1999-12-31T23:59:59Z"),
            ]);
        }
        Trap::RepeatedBodyKeys => {
            request.counts = [Logged::Absent; 4];
            request.output = Some(Side::inline(Body {
                json: br#"{"usage":{"inputTokens":9,"outputTokens":8},"stopReason":"end_turn","metrics":{"latencyMs":77},"usage":{"inputTokens":1,"outputTokens":1},"stopReason":"max_tokens","metrics":{"latencyMs":1}}"#.to_vec(),
                usage: [Some(9), Some(8), None, None],
                latency_ms: Some(77),
                stop_reason: Some("end_turn"),
                ..Body::default()
            }));
        }
        Trap::OddTag => {
            request.odd_tag = true;
            warnings.push("tag_type");
        }
        Trap::RawByte => {
            request.input = Some(Side::inline(Body::raw_text(b"\xff")));
            warnings.push("utf8_in_body");
        }
        Trap::LoneSurrogate => {
            request.input = Some(Side::inline(Body::raw_text(br"\ud800")));
            warnings.push("utf8_in_body");
        }
        Trap::Nested => request.input = Some(Side::inline(Body::nested(200))),
        Trap::RareKinds => request.input = Some(Side::inline(Body::rare_kinds())),
        Trap::MissingPayload | Trap::LostCounts => {
            let path = format!("s3://{bucket}/not/there/{}.json.gz", request.id_text());
            if trap == Trap::LostCounts {
                request.counts = [Logged::Absent; 4];
                let body = body_of(&mut request.output);
                request.output = offloaded(Fate::Missing, path, body);
            } else {
                let body = body_of(&mut request.input);
                request.input = offloaded(Fate::Missing, path, body);
            }
        }
        Trap::Refused(refusal) => {
            let body = body_of(&mut request.input);
            request.input = offloaded(Fate::Refused(refusal.reason()), refusal.path(bucket), body);
        }
        Trap::BodyBesidePath => {
            let body = body_of(&mut request.input);
            let path = format!("s3://{bucket}/not/needed.json.gz");
            request.input = Some(Side { body, place: Place::InlineAndPath(path) });
            warnings.push("ref_and_inline");
        }
        // 2019-01-01T00:00:05Z.
        Trap::Outlier => request.seconds = 1_546_300_805,
        Trap::OtherSchema => request.schema = "AgentTraceLog",
        // The layouts do the rest.
        _ => {}
    }
    Trapped { request, warnings }
}

/// Why a bad document is refused, or the record it becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// `documents.rejected`
    Document(&'static str),
    /// `records.rejected`
    Record(&'static str),
}

/// Kinds of bad lines; the last one ends its object.
pub(crate) const BAD_LINES: usize = 20;

/// One bad document.
pub(crate) struct BadLine {
    pub(crate) text: Vec<u8>,
    pub(crate) reason: Refused,
    /// The request id that it holds, if it holds one.
    pub(crate) id: String,
}

/// The text of one bad document and its reason.
pub(crate) fn bad_line(kind: usize, world: &mut World, stream: usize, seconds: i64) -> BadLine {
    let mut request = world.plain(stream, seconds, "Converse", Dialect::Converse);
    request.order = Order::SchemaLast;
    request.counts[INPUT] = Logged::Integer(424_242);
    if kind == 13 {
        request.input = Some(Side::inline(Body::nested(600)));
    }
    let mut line = Vec::new();
    request.write_record(&mut line, ",");
    let text = String::from_utf8_lossy(&line).into_owned();
    let count = r#""inputTokenCount":424242"#;
    let model = format!(r#""modelId":"{}""#, request.model.text);
    let time = format!(r#""timestamp":"{}""#, request.stamp.text(seconds).0);
    let document = Refused::Document;
    let (text, reason) = match kind {
        0 => (text.replacen(count, r#""inputTokenCount":"5""#, 1), document("token_count_type")),
        1 => (text.replacen(count, r#""inputTokenCount":true"#, 1), document("token_count_type")),
        2 => (text.replacen(count, r#""inputTokenCount":5.5"#, 1), document("token_count_type")),
        3 => (text.replacen(count, r#""inputTokenCount":-1"#, 1), document("token_count_range")),
        // 2^40 + 1
        4 => (text.replacen(count, r#""inputTokenCount":1099511627777"#, 1), document("token_count_range")),
        5 => (text.replacen(count, &format!("{count},{count}"), 1), document("duplicate_key")),
        6 => (text.replacen(&model, &format!("{model},{model}"), 1), document("duplicate_key")),
        7 => (text.replacen(&model, r#""modelId":12345"#, 1), document("field_type")),
        8 => {
            let long = format!(r#""modelId":"{}""#, "m".repeat(5_000));
            (text.replacen(&model, &long, 1), document("field_too_long"))
        }
        9 => (text.replacen(&model, r#""modelId":"\ud800""#, 1), document("field_utf8")),
        10 => (text.replacen(&time, r#""timestamp":"2024-02-30T00:00:00Z""#, 1), document("timestamp")),
        11 => (text.replacen(&model, r#""modelId":"#, 1), document("json_syntax")),
        12 => (format!("{text}TRAILER"), document("json_syntax")),
        13 => (text, document("too_deep")),
        14 => (r#"{"hello":"world"}"#.to_owned(), document("not_a_record")),
        15 => (text.replacen(&format!("{time},"), "", 1), Refused::Record("timestamp")),
        16 => (text.replacen(&format!("{model},"), "", 1), Refused::Record("model_id")),
        17 => ("{}".to_owned(), document("not_a_record")),
        18 => ("5".to_owned(), document("not_an_object")),
        _ => {
            // Cut in the middle; no line break follows.
            let mut cut = line;
            cut.truncate(cut.len() / 2);
            return BadLine { text: cut, reason: document("json_truncated"), id: request.id_text() };
        }
    };
    BadLine { text: text.into_bytes(), reason, id: request.id_text() }
}
