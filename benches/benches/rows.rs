//! Invocations to rows of Parquet and back, on one thread.
//!
//! In: an hour of 7,000 requests as `borehole synth` draws them, with more callers, once in one stream and once in
//! six, as six accounts and Regions are. Out: rows a second that are written and read, and bytes a row. Always: as many
//! rows are read as were written; that they are the same is what the tests of `table` ask.

use std::collections::HashMap;
use std::sync::Arc;

use borehole_benches::{Size, checksum, tell};
use borehole_record::{Call, ContentKinds, Count, Facets, Invocation, ProfileMap, RequestId, Tag, Timestamp};
use borehole_table::invocations::{InvocationReader, InvocationRows, Wanted};
use criterion::{Criterion, Throughput};

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    bench(&mut criterion, Size::of_this_run());
    criterion.final_summary();
}

fn bench(criterion: &mut Criterion, size: Size) {
    let requests = size.pick(300, 7_000);
    let one = [hour(requests, 0..6)];
    let six: Vec<_> = (0..6).map(|stream| hour(requests / 6, stream..stream + 1)).collect();
    let mut group = criterion.benchmark_group("rows");
    for (hours, word) in [(&one[..], "one-stream"), (&six[..], "six-streams")] {
        let rows: usize = hours.iter().map(Vec::len).sum();
        group.throughput(Throughput::Elements(rows as u64));
        let files = write(hours);
        let bytes: usize = files.iter().map(Vec::len).sum();
        tell(&format!("rows/{word}"), bytes as u64 / rows as u64, "bytes a row", checksum(&files));
        group.bench_function(format!("write/{word}"), |bencher| bencher.iter(|| write(hours)));

        let all = Wanted { request_ids: true, objects: true };
        assert_eq!(read(&files, all), rows);
        let few = Wanted { request_ids: false, objects: false };
        for (wanted, what) in [(few, "read"), (all, "read-all")] {
            group.bench_function(format!("{what}/{word}"), |bencher| bencher.iter(|| read(&files, wanted)));
        }
    }
    group.finish();
}

fn write(hours: &[Vec<Invocation>]) -> Vec<Vec<u8>> {
    let mut rows = InvocationRows::new(Arc::new(ProfileMap::default()));
    let write = |hour: &Vec<Invocation>| {
        rows.clear();
        hour.iter().for_each(|invocation| rows.push(invocation));
        rows.finish(&name).expect("the rows can be written")
    };
    hours.iter().map(write).collect()
}

fn read(files: &[Vec<u8>], wanted: Wanted) -> usize {
    let mut reader = InvocationReader::default();
    let mut rows = 0;
    for file in files {
        let mut each = |invocation: Invocation| rows += usize::from(invocation.http_status > 0);
        reader.read(file, wanted, &mut each).expect("the file is sound");
    }
    rows
}

/// As Amazon Bedrock names them: 50 records or so in an object.
fn name(object: u32) -> String {
    let (minute, second) = (object / 3 % 60, object * 7 % 60);
    let words = Random(u64::from(object) + 1).next();
    format!(
        "AWSLogs/{ACCOUNT}/BedrockModelInvocationLogs/us-east-1/2024/03/11/07/\
         20240311T07{minute:02}{second:02}123Z_{words:016x}.json.gz"
    )
}

const ACCOUNT: &str = "111122223333";

/// xorshift64*: good enough to draw traffic.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }

    fn per_mille(&mut self, share: u64) -> bool {
        self.below(1_000) < share
    }

    /// Every octave is about as likely as the others.
    fn octaves(&mut self, low: u64, high: u64) -> u64 {
        let exponent = u64::from(low.ilog2()) + self.below(u64::from(high.ilog2() - low.ilog2()) + 1);
        ((1 << exponent) + self.below(1 << exponent)).clamp(low, high)
    }

    /// The first ones are chosen more often: of each half as often as of the one before.
    fn skewed(&mut self, choices: u64) -> u64 {
        let (one, other) = (self.below(choices), self.below(choices));
        one * other / choices
    }
}

/// The requests of one hour, of these streams (account and Region), in the order in which objects are read.
fn hour(requests: usize, streams: std::ops::Range<u64>) -> Vec<Invocation> {
    let mut random = Random(20_240_311 + streams.start);
    let mut facets: HashMap<[u64; 8], Arc<Facets>> = HashMap::new();
    let mut texts = HashMap::new();
    let mut offset = 0;
    let draw = |index: usize| {
        let stream = streams.start + random.below(streams.end - streams.start);
        let model = random.skewed(40);
        let is_claude = model % 3 < 2;
        let error = if random.per_mille(30) { 1 + random.skewed(7) } else { 0 };
        let is_stream = random.per_mille(400);
        let tags = if random.per_mille(300) { 1 + random.below(3) } else { 0 };
        let key = [
            stream,
            model,
            random.skewed(400),
            error,
            u64::from(is_stream) * 2 + random.below(2),
            if error > 0 { 9 } else { random.skewed(3) },
            tags,
            if error == 0 && model % 2 == 1 { 1 + random.below(3) } else { 0 },
        ];
        let facets = Arc::clone(facets.entry(key).or_insert_with(|| Arc::new(strings(&mut texts, key))));
        let logged = |count: u64, is_logged: bool| Count::from(is_logged.then_some(count));
        let input = match random.below(100) {
            0..82 => random.octaves(20, 8_000),
            82..97 => random.octaves(8_000, 60_000),
            _ => random.octaves(60_000, 190_000),
        };
        let output = random.octaves(1, 4_000);
        let is_cached = error == 0 && is_claude && random.per_mille(500);
        let cached = if random.per_mille(600) { random.octaves(1_024, 60_000) } else { 0 };
        let written = if cached == 0 { random.octaves(1_024, 30_000) } else { 0 };
        let latency = random.octaves(200, 40_000);
        let (input_bytes, output_bytes) = (random.octaves(600, 8_000), random.octaves(200, 3_000));
        // A new object each 50 records.
        offset = if index.is_multiple_of(50) { 0 } else { offset + 500 + input_bytes + output_bytes };
        let words = [random.next(), random.next()].map(u64::to_be_bytes);
        let mut uuid: [u8; 16] = words.concat().try_into().expect("16 bytes");
        (uuid[6], uuid[8]) = (uuid[6] & 0x0F | 0x40, uuid[8] & 0x3F | 0x80);
        let is_large = random.per_mille(20);
        Invocation {
            // Records of an object are those of some minutes.
            timestamp: Timestamp::from_seconds(
                1_710_140_400 + (index as i64 * 3_500 / requests as i64) + random.below(100) as i64,
            ),
            request_id: RequestId::Uuid(uuid),
            facets,
            input_tokens: logged(input, error == 0),
            output_tokens: logged(output, error == 0),
            cache_read_tokens: logged(cached, is_cached),
            cache_write_tokens: logged(written, is_cached),
            cache_write_5m_tokens: logged(written, is_cached && random.per_mille(500)),
            cache_write_1h_tokens: logged(0, is_cached && random.per_mille(500)),
            max_tokens: logged(
                [256, 512, 1_024, 4_096, 8_192][random.below(5) as usize],
                random.per_mille(800),
            ),
            latency_ms: logged(latency, error == 0),
            first_byte_ms: logged(latency / (2 + random.below(8)), error == 0 && is_stream),
            input_bytes: logged(input_bytes, error == 0 || random.per_mille(300)),
            output_bytes: logged(output_bytes, error == 0),
            images: if random.per_mille(50) { 1 + random.below(4) as u16 } else { 0 },
            documents: u16::from(random.per_mille(20)),
            input_kinds: ContentKinds(if random.per_mille(50) { 3 } else { 1 }),
            output_kinds: ContentKinds(if error > 0 { 0 } else { 1 + 32 * u16::from(random.per_mille(200)) }),
            http_status: if error > 0 {
                [429, 400, 408, 503, 403, 500, 424][error as usize - 1]
            } else {
                200
            },
            input_large: is_large,
            output_large: is_large && random.per_mille(300),
            payload_lost: random.per_mille(2),
            object: index as u32 / 50,
            offset,
        }
    };
    (0..requests).map(draw).collect()
}

fn strings(
    texts: &mut HashMap<String, Arc<str>>,
    [stream, model, caller, error, operation, stop, tags, profile]: [u64; 8],
) -> Facets {
    let mut text = |text: &str| Some(Arc::clone(texts.entry(text.to_owned()).or_insert_with(|| text.into())));
    let account = format!("{:012}", 111_122_223_333 + stream / 2);
    let region = ["us-east-1", "eu-west-1"][stream as usize % 2];
    let base = format!("anthropic.claude-{model}-20250929-v1:0");
    let model_id = match profile {
        0 => base,
        1 => format!("us.{base}"),
        2 => format!("arn:aws:bedrock:{region}:{account}:inference-profile/us.{base}"),
        _ => format!("global.{base}"),
    };
    let tag = |key: &str, value: String| -> Tag { (key.into(), value.into()) };
    let all_tags = [tag("env", format!("e{tags}")), tag("team", format!("team-{tags}"))];
    let session = caller % 150;
    Facets {
        call: Arc::new(Call {
            inference_region: [None, Some("us-east-1"), Some("us-west-2"), Some("us-east-2")]
                [profile as usize]
                .and_then(&mut text),
            operation: text(
                ["InvokeModel", "Converse", "InvokeModelWithResponseStream", "ConverseStream"]
                    [operation as usize],
            ),
            error_code: (error > 0).then(|| format!("Code{error}Exception")).and_then(|code| text(&code)),
            service_tier: text("default").filter(|_| model % 4 == 0),
            region: text(region),
            model_id: text(&model_id).unwrap_or_default(),
            account: text(&account),
        }),
        identity: text(&format!(
            "arn:aws:sts::{account}:assumed-role/Role{}/session-{session:04}",
            session % 20
        )),
        stop_reason: ["end_turn", "max_tokens", "tool_use"]
            .get(stop as usize)
            .and_then(|reason| text(reason)),
        tags: all_tags.into_iter().take(if tags == 0 { 0 } else { 2 }).collect(),
    }
}
