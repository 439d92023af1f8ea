//! The report: the versioned contract that every format is rendered from.
//!
//! In: the figures and the health of the totals, and what the run says of itself. Out: plain data whose serde
//! form is the JSON contract `borehole.report/1`. Always: integers exact, quotients exact to six digits, an
//! unknown absent (`None`), strings from the logs at most 256 characters. Absent: any figure computed here.

use std::collections::BTreeMap;
use std::fmt;

use borehole_quota::attribution;
use borehole_usage::figures::{self, Figures, HIGH_TOKEN_THRESHOLD, Ratio, UtcSlot};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::decimal::Decimal;
use crate::findings::Findings;

/// Most characters of a string from the logs that a report repeats; a field may be up to 4 KiB.
const STRING_CHARS_MAX: usize = 256;

/// A whole report.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The version of the contract.
    pub schema: Schema,
    /// Everything that was listed is in the totals, or was set aside by design.
    pub complete: bool,
    /// What the figures are about; `None` where nothing was counted and no range was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// What was found, and what became of it.
    pub health: Health,
    /// The figures over everything that was counted; without key.
    pub totals: Group,
    /// The figures by the dimensions of `--by`.
    pub groups: Vec<Group>,
    /// Groups that `--top` cut off.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub groups_omitted: u64,
    /// Successful requests by base model that no rule gives a rate, application profiles left out.
    #[serde(default, skip_serializing_if = "Counts::is_empty")]
    pub unruled_models: Counts,
    /// Counted records by application profile that no map resolves.
    #[serde(default, skip_serializing_if = "Counts::is_empty")]
    pub unresolved_profiles: Counts,
    /// Which quota throttled, who is behind the worst minutes, what helps; from the hours that fared worst.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<Findings>,
    /// Who and what the load comes from: one for each dimension of `--rank`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rankings: Vec<Ranking>,
    /// The quotas that the operator gave beside the logs, of the keys of this report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applied_quotas: Vec<AppliedQuota>,
    /// The data that a page recomputes its figures from (`docs/cube.md`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cube: Option<Cube>,
    /// Why there is no cube where one was asked for, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cube_left_out: Option<String>,
    /// The requests of `--list`; `None` where it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<Vec<Request>>,
    /// Strings from the logs that were longer than 256 characters and are cut, with a hash of the whole.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub truncated_strings: u64,
    /// What varies from run to run over the same data.
    pub run: RunInfo,
}

/// The name of the contract. Reading a report of another version is an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Schema {
    /// The first version.
    #[serde(rename = "borehole.report/1")]
    V1,
}

/// A half-open range of UTC time; both ends RFC 3339 with `Z`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Range {
    /// First moment; inclusive.
    pub from: String,
    /// End; exclusive.
    pub to: String,
}

/// What the run says of itself: everything that may differ between two runs over the same data.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RunInfo {
    /// The program's version.
    pub version: String,
    /// The sources as given.
    pub sources: Vec<String>,
    /// Stored bytes that were read from sources.
    pub bytes_fetched: u64,
    /// Requests to a remote source.
    pub requests_sent: u64,
    /// Of those, repeated after a fault.
    pub retries: u64,
    /// Objects whose cells were taken from a dataset.
    pub unchanged: u64,
    /// Wall-clock time of the run, in ms.
    pub elapsed_ms: u64,
}

/// The ledger.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Health {
    /// listed = read + skipped + failed.
    pub objects: Objects,
    /// found = decoded + rejected.
    pub documents: Documents,
    /// decoded = counted + duplicate + filtered + rejected.
    pub records: Records,
    /// seen = resolved + not_needed + missing + archived + refused + failed.
    pub references: References,
    /// Sizes.
    pub bytes: Bytes,
    /// Hours with objects and gaps, by account × Region.
    pub coverage: Vec<Coverage>,
    /// Odd but counted, by code.
    pub warnings: Counts,
    /// Successful requests whose token count is unknown because their payload could not be read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub counts_lost: u64,
    /// Failed objects whose intact prefix `--salvage` counted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub salvaged: u64,
}

/// Objects by what became of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Objects {
    /// Seen by the listing.
    pub listed: u64,
    /// Read to the end and verified, or taken unchanged from a dataset.
    pub read: u64,
    /// Left out by design, by reason.
    pub skipped: Counts,
    /// Lost, by reason.
    pub failed: Counts,
}

/// Documents by what became of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Documents {
    /// Spans that framing found.
    pub found: u64,
    /// Decoded.
    pub decoded: u64,
    /// Decoded ones that became part of another document's record.
    pub joined: u64,
    /// Lost, by reason.
    pub rejected: Counts,
}

/// Records by what became of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Records {
    /// Documents decoded less documents joined.
    pub decoded: u64,
    /// In the totals.
    pub counted: u64,
    /// A better copy was kept.
    pub duplicate: u64,
    /// Left out by the asked filters or as another schema, by reason.
    pub filtered: Counts,
    /// Lost, by reason.
    pub rejected: Counts,
}

/// References to payload objects by what became of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct References {
    /// One for each offloaded side of a record.
    pub seen: u64,
    /// Read.
    pub resolved: u64,
    /// The asked figures do not need it.
    pub not_needed: u64,
    /// No such object.
    pub missing: u64,
    /// In an archive tier.
    pub archived: u64,
    /// Not followed, by reason.
    pub refused: Counts,
    /// Could not be read.
    pub failed: u64,
}

/// Sizes in bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bytes {
    /// Stored, of all listed objects.
    pub listed: u64,
    /// Decoded, of the objects that were read.
    pub decompressed: u64,
}

/// Hours with objects for one account × Region.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Coverage {
    /// `None` where the keys name no account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// `None` where the keys name no Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Hours that could have objects.
    pub hours: u64,
    /// Hours that have.
    pub hours_with_objects: u64,
    /// Half-open ranges of hours that have none, in order.
    pub gaps: Vec<Range>,
}

/// The figures of one group, or of the totals.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Group {
    /// `None` in the totals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// Attempts and errors.
    pub requests: Requests,
    /// The sums and averages of a quota ticket.
    pub statistics: Statistics,
    /// Sums over successful requests.
    pub tokens: Tokens,
    /// Sums over failed requests.
    pub tokens_on_errors: ErrorTokens,
    /// Requests over the threshold.
    pub high_token: HighToken,
    /// Successful requests with a known input count, by band of uncached input.
    pub input_bands: InputBands,
    /// Distributions of per-request values.
    pub distributions: Distributions,
    /// Raw tokens (input + output of successful requests) by minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<PerMinute>,
    /// Settled quota tokens by minute, of the requests where they are known; `None` where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_tokens_per_minute: Option<PerMinute>,
    /// Reserved quota tokens by minute, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserved_tokens_per_minute: Option<PerMinute>,
    /// Settled quota tokens by day, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_tokens_per_day: Option<PerDay>,
    /// Attempts by minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<PerMinute>,
    /// Status and stop reasons.
    pub responses: Responses,
    /// Offloaded bodies and content kinds.
    pub payloads: Payloads,
    /// By inference Region.
    pub cross_region: BTreeMap<String, CrossRegion>,
}

/// Attempts and errors, in requests.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Requests {
    /// Counted records.
    pub attempted: u64,
    /// Those without error code.
    pub successful: u64,
    /// Those with errorCode ThrottlingException.
    pub throttled: u64,
    /// By error code, throttles too.
    pub errors: Counts,
}

/// What a quota ticket asks first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Statistics {
    /// Successful requests.
    pub total_requests: u64,
    /// Uncached input tokens.
    pub total_input_tokens: u128,
    /// Output tokens.
    pub total_output_tokens: u128,
    /// Over the successful requests whose input count is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_input_tokens_per_request: Option<Decimal>,
    /// Over the successful requests whose output count is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_output_tokens_per_request: Option<Decimal>,
}

/// Sums over successful requests, in tokens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tokens {
    /// Uncached input.
    pub input: u128,
    /// Output.
    pub output: u128,
    /// Cache reads.
    pub cache_read: u128,
    /// Cache writes.
    pub cache_write: u128,
    /// Input + cache reads + cache writes; input alone where it holds these already.
    pub prompt: u128,
    /// Successful requests whose input count is known.
    pub input_known: u64,
    /// Successful requests whose output count is known.
    pub output_known: u64,
    /// Settled quota tokens: input + cache writes + output × the model's rate.
    #[serde(default)]
    pub settled: u128,
    /// Successful requests whose settled quota tokens are known.
    #[serde(default)]
    pub settled_known: u64,
    /// Reserved quota tokens: input + cache writes + `max_tokens`.
    #[serde(default)]
    pub reserved: u128,
    /// Successful requests whose reservation is known.
    #[serde(default)]
    pub reserved_known: u64,
}

/// Sums over failed requests, in tokens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ErrorTokens {
    /// Uncached input.
    pub input: u128,
    /// Output.
    pub output: u128,
}

/// Requests strictly over the threshold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HighToken {
    /// In tokens.
    pub threshold: u64,
    /// By uncached input.
    pub by_input: Share,
    /// By prompt.
    pub by_prompt: Share,
}

/// Requests by uncached input; their sum is `tokens.input_known`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InputBands {
    /// Less than 1,000 tokens.
    pub below_1000: u64,
    /// 1,000 to 25,000 tokens, both included.
    pub from_1000_to_25000: u64,
    /// More than 25,000 tokens.
    pub above_25000: u64,
}

/// A number of requests, and which part of those with a known count it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Share {
    /// Requests.
    pub requests: u64,
    /// 0…1; `None` where no count is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Decimal>,
}

/// Distributions of per-request values; `None` where no value is known.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Distributions {
    /// In tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<Distribution>,
    /// In tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<Distribution>,
    /// In tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<Distribution>,
    /// In ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<Distribution>,
    /// In ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<Distribution>,
    /// In bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_bytes: Option<Distribution>,
    /// In bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<Distribution>,
}

/// One distribution. Count, least, greatest and mean are exact; percentiles have 3 significant digits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Distribution {
    /// Values known.
    pub count: u64,
    /// The least.
    pub min: u64,
    /// The greatest.
    pub max: u64,
    /// The exact sum over `count`.
    pub mean: Decimal,
    /// Nearest-rank percentiles.
    pub p50: u64,
    /// 90 %.
    pub p90: u64,
    /// 95 %.
    pub p95: u64,
    /// 99 %.
    pub p99: u64,
    /// 99.9 %.
    pub p999: u64,
}

/// Figures of a series by clock-aligned UTC minute.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PerMinute {
    /// Over the minutes with at least one attempt.
    pub average: Decimal,
    /// Over the minutes of the range less those of gap hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_all: Option<Decimal>,
    /// Exact nearest rank over the minutes with at least one attempt.
    pub p50: u64,
    /// 90 %.
    pub p90: u64,
    /// 99 %.
    pub p99: u64,
    /// The largest minute.
    pub peak: u64,
    /// The earliest minute with that value, RFC 3339.
    pub peak_minute: String,
    /// The largest sum over any 60 consecutive seconds.
    pub peak_sliding_60s: u64,
    /// How uneven the worst seconds are; `None` where the peak is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<Burst>,
    /// The series, where `--series` asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_points: Option<Vec<DataPoint>>,
}

/// Short windows, scaled to a minute, over the peak.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Burst {
    /// The largest second × 60.
    pub second_x60: Decimal,
    /// The largest sum over any 10 consecutive seconds × 6.
    pub ten_seconds_x6: Decimal,
}

/// Figures of a quantity by day, in tokens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PerDay {
    /// The largest UTC day.
    pub peak: u64,
    /// The earliest day with that value, RFC 3339 of its start.
    pub peak_day: String,
    /// The largest sum over any 1,440 consecutive minutes.
    pub rolling_24h: u64,
    /// The last minute of the earliest such window, RFC 3339 of its start.
    pub rolling_24h_end: String,
}

/// One point of a series: one of `minute`, `hour` and `day` (RFC 3339 of its start), one of the two values.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DataPoint {
    /// The minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minute: Option<String>,
    /// The hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hour: Option<String>,
    /// The day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    /// Tokens, in the series of raw, settled and reserved ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Attempts, in `requests_per_minute`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
}

/// How calls ended, in requests.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Responses {
    /// By HTTP status, where one is logged.
    pub status: Counts,
    /// By stop reason, of successful requests where known.
    pub stop_reason: Counts,
}

/// Offloaded bodies and content kinds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Payloads {
    /// Offloaded bodies.
    pub large: LargePayloads,
    /// Requests by kind of content in either body; a request with several kinds counts in each.
    pub content: Counts,
}

/// Bodies that lie in the large-data bucket.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LargePayloads {
    /// Requests with an offloaded input body.
    pub input: u64,
    /// Requests with an offloaded output body.
    pub output: u64,
    /// Requests with either.
    pub requests: u64,
    /// `requests` over attempted; `None` where nothing was attempted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Decimal>,
    /// Sum of the known sizes of the offloaded bodies.
    pub bytes: u128,
}

/// One inference Region.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CrossRegion {
    /// Counted records that ran there.
    pub requests: u64,
    /// In ms; successful ones where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<Distribution>,
    /// In ms; successful ones where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<Distribution>,
}

/// One request of `--list`; never any text of a body.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// `None` where the record has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// RFC 3339.
    pub timestamp: String,
    /// 12 digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Source Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Base model.
    pub model: String,
    /// `identity.arn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// `errorCode`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// Uncached input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// With cache reads and writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u64>,
    /// Output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// In ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// In bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_bytes: Option<u64>,
    /// In bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
}

/// The values of one dimension, most load first: settled quota tokens if any are known in the totals, else raw tokens
/// (input + output).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ranking {
    /// The word of `--rank`.
    pub dimension: String,
    /// The values; of equal load the one with more attempts first, then by value.
    pub rows: Vec<Rank>,
    /// Values beyond the 200 with the most load; what they amount to is in no row.
    pub omitted: u64,
}

/// One value of a ranked dimension.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rank {
    /// `None` (in JSON `null`) where records have no value.
    pub value: Option<String>,
    /// Counted records.
    pub attempted: u64,
    /// Those with errorCode ThrottlingException.
    pub throttled: u64,
    /// Uncached input tokens of successful requests.
    pub input: u128,
    /// Output tokens of successful requests.
    pub output: u128,
    /// Settled quota tokens of successful requests, where known.
    pub settled: u128,
    /// Of the load of all requests, 0…1; `None` where that is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Decimal>,
    /// Of the load of the largest minute, the earliest of equal ones, 0…1; `None` where that is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_in_peak: Option<Decimal>,
}

/// A quota as it is applied to one account and Region.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AppliedQuota {
    /// 12 digits; `None` where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The source Region; `None` where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Base model.
    pub model: String,
    /// Which of the model's quotas it is: on-demand, geo, global and the like.
    pub scope: String,
    /// `None` where no such quota is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    /// `None` where no such quota is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
}

/// The packed data of a page; `docs/cube.md` says what is in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cube {
    /// How `data` is written: `deflate-raw+base64`.
    pub encoding: String,
    /// Hours of a slot; 0 where one slot is the whole run.
    pub slot_hours: u64,
    /// The data as text.
    pub data: String,
}

/// Counts by name; in JSON an object. Names from the logs are untrusted.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Counts(pub BTreeMap<String, u64>);

impl Counts {
    /// All of them together; a report of another origin may hold counts that do not fit.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.values().fold(0, |sum: u64, &count| sum.saturating_add(count))
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The count under this name; 0 where there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// The names and counts, most first, then by name.
    #[must_use]
    pub fn by_count(&self) -> Vec<(&str, u64)> {
        let mut entries: Vec<(&str, u64)> =
            self.0.iter().map(|(name, &count)| (name.as_str(), count)).collect();
        // The sort is stable and the map is in order of names.
        entries.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        entries
    }
}

/// Skips the `_text` siblings that [`crate::json::render`] writes beside integers above 2^53.
impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Entry {
            Count(u64),
            Text(String),
        }

        let mut counts = BTreeMap::new();
        for (name, entry) in BTreeMap::<String, Entry>::deserialize(deserializer)? {
            match entry {
                Entry::Count(count) => {
                    counts.insert(name, count);
                }
                Entry::Text(text) => drop(text),
            }
        }
        Ok(Counts(counts))
    }
}

/// The value per dimension, in the order of `--by`; in JSON an object, `null` where the record has no value.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Key(pub Vec<(String, Option<String>)>);

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (dimension, value) in &self.0 {
            map.serialize_entry(dimension, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings and nulls")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Key, A::Error> {
                let mut key = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    key.push(entry);
                }
                Ok(Key(key))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Report {
    /// Puts the figures into the contract's shape. `complete` is the run's own verdict (`--strict` asks more
    /// than [`figures::Health::is_complete`]).
    #[must_use]
    pub fn new(figures: &Figures, health: &figures::Health, complete: bool, run: RunInfo) -> Report {
        let mut strings = Strings::default();
        let range = figures
            .from
            .zip(figures.to)
            .map(|(from, to)| Range { from: from.to_string(), to: to.to_string() });
        let mut health = strings.health(health);
        if figures.models_folded > 0 {
            health.warnings.0.entry("group_cardinality".to_owned()).or_insert(figures.models_folded);
        }
        for (code, counts) in [
            ("burndown_unknown", &figures.unruled_models),
            ("profile_unresolved", &figures.unresolved_profiles),
        ] {
            if !counts.is_empty() {
                health.warnings.0.entry(code.to_owned()).or_insert(counts.values().sum());
            }
        }
        let totals = Group { key: None, ..strings.group(&figures.totals) };
        let groups = figures.groups.iter().map(|group| strings.group(group)).collect();
        let unruled_models = strings.counts(&figures.unruled_models);
        let unresolved_profiles = strings.counts(&figures.unresolved_profiles);
        let rankings = figures.rankings.iter().map(|ranking| strings.ranking(ranking)).collect();
        let requests = figures
            .listing
            .as_ref()
            .map(|listing| listing.iter().map(|request| strings.request(request)).collect());
        Report {
            schema: Schema::V1,
            complete,
            range,
            health,
            totals,
            groups,
            groups_omitted: figures.groups_omitted,
            unruled_models,
            unresolved_profiles,
            findings: None,
            rankings,
            applied_quotas: Vec::new(),
            cube: None,
            cube_left_out: None,
            requests,
            truncated_strings: strings.truncated,
            run,
        }
    }

    /// The report with what was found about its quotas.
    #[must_use]
    pub fn with_findings(mut self, found: &attribution::Findings) -> Report {
        let mut strings = Strings::default();
        self.findings = Some(Findings::new(found, |text| strings.bounded(text)));
        self.truncated_strings += strings.truncated;
        self
    }

    /// The report with the data of a page, or why there is none.
    #[must_use]
    pub fn with_cube(self, cube: Option<Cube>, left_out: Option<String>) -> Report {
        Report { cube, cube_left_out: left_out, ..self }
    }

    /// The report with the applied quotas of what was called, whose models may be as the log spells them.
    #[must_use]
    pub fn with_applied_quotas(mut self, mut quotas: Vec<AppliedQuota>) -> Report {
        let mut strings = Strings::default();
        for quota in &mut quotas {
            quota.model = strings.bounded(&quota.model);
            quota.account = strings.optional(quota.account.as_ref());
            quota.region = strings.optional(quota.region.as_ref());
        }
        self.applied_quotas = quotas;
        self.truncated_strings += strings.truncated;
        self
    }
}

/// Copies figures into the model and bounds every string from the logs on the way.
#[derive(Default)]
pub(crate) struct Strings {
    /// Strings that were cut.
    truncated: u64,
}

impl Strings {
    /// The string, or its first 256 characters and a hash of the whole, so that two long ones stay apart.
    pub(crate) fn bounded(&mut self, text: &str) -> String {
        match text.char_indices().nth(STRING_CHARS_MAX) {
            None => text.to_owned(),
            Some((end, _)) => {
                self.truncated += 1;
                format!("{}…#{:016x}", &text[..end], fnv1a(text.as_bytes()))
            }
        }
    }

    fn optional(&mut self, text: Option<&String>) -> Option<String> {
        text.map(|text| self.bounded(text))
    }

    /// A map under bounded names. Names that become equal (crafted hash collisions) get a number, so that
    /// none is lost.
    fn named<'a, V, W>(
        &mut self,
        entries: impl IntoIterator<Item = (&'a str, V)>,
        mut value: impl FnMut(V) -> W,
    ) -> BTreeMap<String, W> {
        let mut named = BTreeMap::new();
        for (name, entry) in entries {
            let bounded = self.bounded(name);
            let mut free = bounded.clone();
            let mut copy = 1;
            while named.contains_key(&free) {
                copy += 1;
                free = format!("{bounded}~{copy}");
            }
            named.insert(free, value(entry));
        }
        named
    }

    fn counts(&mut self, counts: &BTreeMap<String, u64>) -> Counts {
        Counts(self.named(counts.iter().map(|(name, &count)| (name.as_str(), count)), |count| count))
    }

    fn group(&mut self, group: &figures::Group) -> Group {
        let key = group
            .key
            .iter()
            .map(|(dimension, value)| (self.bounded(dimension), self.optional(value.as_ref())))
            .collect();
        let tokens = group.tokens;
        let high = group.high_token;
        let payloads = &group.payloads;
        Group {
            key: Some(Key(key)),
            requests: Requests {
                attempted: group.attempted,
                successful: group.successful,
                throttled: group.throttled,
                errors: self.counts(&group.errors),
            },
            statistics: Statistics {
                total_requests: group.successful,
                total_input_tokens: tokens.input,
                total_output_tokens: tokens.output,
                average_input_tokens_per_request: quotient(tokens.input, tokens.input_known),
                average_output_tokens_per_request: quotient(tokens.output, tokens.output_known),
            },
            tokens: Tokens {
                input: tokens.input,
                output: tokens.output,
                cache_read: tokens.cache_read,
                cache_write: tokens.cache_write,
                prompt: tokens.prompt,
                input_known: tokens.input_known,
                output_known: tokens.output_known,
                settled: tokens.settled,
                settled_known: tokens.settled_known,
                reserved: tokens.reserved,
                reserved_known: tokens.reserved_known,
            },
            tokens_on_errors: ErrorTokens {
                input: group.tokens_on_errors.input,
                output: group.tokens_on_errors.output,
            },
            high_token: HighToken {
                threshold: HIGH_TOKEN_THRESHOLD,
                by_input: Share {
                    requests: high.by_input,
                    share: quotient(u128::from(high.by_input), high.known),
                },
                by_prompt: Share {
                    requests: high.by_prompt,
                    share: quotient(u128::from(high.by_prompt), high.known),
                },
            },
            input_bands: InputBands {
                below_1000: high.small,
                from_1000_to_25000: high.known.saturating_sub(high.small + high.by_input),
                above_25000: high.by_input,
            },
            distributions: distributions(&group.distributions),
            tokens_per_minute: tokens_per_minute(group.tokens_per_minute.as_ref()),
            quota_tokens_per_minute: tokens_per_minute(group.quota_tokens_per_minute.as_ref()),
            reserved_tokens_per_minute: tokens_per_minute(group.reserved_tokens_per_minute.as_ref()),
            quota_tokens_per_day: group.quota_tokens_per_day.as_ref().map(|days| PerDay {
                peak: days.peak,
                peak_day: days.peak_day.to_string(),
                rolling_24h: days.rolling_24h,
                rolling_24h_end: days.rolling_24h_end.to_string(),
            }),
            requests_per_minute: group.requests_per_minute.as_ref().map(|series| {
                per_minute(series, |requests| DataPoint { requests: Some(requests), ..DataPoint::default() })
            }),
            responses: Responses {
                status: self.counts(&group.status),
                stop_reason: self.counts(&group.stop_reasons),
            },
            payloads: Payloads {
                large: LargePayloads {
                    input: payloads.large_input,
                    output: payloads.large_output,
                    requests: payloads.large_either,
                    share: quotient(u128::from(payloads.large_either), group.attempted),
                    bytes: payloads.large_bytes,
                },
                content: own_counts(&payloads.content),
            },
            cross_region: self.named(
                group.cross_region.iter().map(|(region, figures)| (region.as_str(), figures)),
                |figures| CrossRegion {
                    requests: figures.requests,
                    latency_ms: figures.latency_ms.as_ref().and_then(distribution),
                    first_byte_ms: figures.first_byte_ms.as_ref().and_then(distribution),
                },
            ),
        }
    }

    fn health(&mut self, health: &figures::Health) -> Health {
        let figures::Health { objects, documents, records, references, .. } = health;
        Health {
            objects: Objects {
                listed: objects.listed,
                read: objects.read,
                skipped: own_counts(&objects.skipped),
                failed: own_counts(&objects.failed),
            },
            documents: Documents {
                found: documents.found,
                decoded: documents.decoded,
                joined: documents.joined,
                rejected: own_counts(&documents.rejected),
            },
            records: Records {
                decoded: records.decoded,
                counted: records.counted,
                duplicate: records.duplicate,
                filtered: own_counts(&records.filtered),
                rejected: own_counts(&records.rejected),
            },
            references: References {
                seen: references.seen,
                resolved: references.resolved,
                not_needed: references.not_needed,
                missing: references.missing,
                archived: references.archived,
                refused: own_counts(&references.refused),
                failed: references.failed,
            },
            bytes: Bytes { listed: health.bytes_listed, decompressed: health.bytes_decompressed },
            coverage: health
                .coverage
                .iter()
                .map(|entry| Coverage {
                    account: self.optional(entry.account.as_ref()),
                    region: self.optional(entry.region.as_ref()),
                    hours: entry.hours,
                    hours_with_objects: entry.hours_with_objects,
                    gaps: entry
                        .gaps
                        .iter()
                        .map(|(from, to)| Range { from: from.to_string(), to: to.to_string() })
                        .collect(),
                })
                .collect(),
            warnings: own_counts(&health.warnings),
            counts_lost: health.counts_lost,
            salvaged: health.salvaged,
        }
    }

    fn ranking(&mut self, ranking: &figures::Ranking) -> Ranking {
        Ranking {
            dimension: self.bounded(&ranking.dimension),
            rows: ranking
                .rows
                .iter()
                .map(|row| Rank {
                    value: self.optional(row.value.as_ref()),
                    attempted: row.attempted,
                    throttled: row.throttled,
                    input: row.input,
                    output: row.output,
                    settled: row.settled,
                    share: row.share.map(Decimal::from),
                    share_in_peak: row.share_in_peak.map(Decimal::from),
                })
                .collect(),
            omitted: ranking.omitted,
        }
    }

    fn request(&mut self, request: &figures::ListedRequest) -> Request {
        let id = &request.request_id;
        Request {
            request_id: (!id.is_empty()).then(|| self.bounded(id)),
            timestamp: request.timestamp.to_string(),
            account: self.optional(request.account.as_ref()),
            region: self.optional(request.region.as_ref()),
            model: self.bounded(&request.model),
            identity: self.optional(request.identity.as_ref()),
            operation: self.optional(request.operation.as_ref()),
            error_code: self.optional(request.error_code.as_ref()),
            input_tokens: request.input_tokens,
            prompt_tokens: request.prompt_tokens,
            output_tokens: request.output_tokens,
            latency_ms: request.latency_ms,
            input_bytes: request.input_bytes,
            output_bytes: request.output_bytes,
        }
    }
}

/// Counts under the program's own words, which need no bound.
fn own_counts(counts: &BTreeMap<&'static str, u64>) -> Counts {
    Counts(counts.iter().map(|(&name, &count)| (name.to_owned(), count)).collect())
}

/// A quotient, or `None` over nothing.
fn quotient(numerator: u128, denominator: u64) -> Option<Decimal> {
    Ratio::new(numerator, u128::from(denominator)).map(Decimal::from)
}

fn distributions(by_name: &BTreeMap<&'static str, figures::Distribution>) -> Distributions {
    let named = |name: &str| by_name.get(name).and_then(distribution);
    Distributions {
        input_tokens: named("input_tokens"),
        output_tokens: named("output_tokens"),
        prompt_tokens: named("prompt_tokens"),
        latency_ms: named("latency_ms"),
        first_byte_ms: named("first_byte_ms"),
        input_bytes: named("input_bytes"),
        output_bytes: named("output_bytes"),
    }
}

/// `None` where nothing was seen: a percentile of nothing is absent.
fn distribution(figures: &figures::Distribution) -> Option<Distribution> {
    Some(Distribution {
        count: figures.count,
        min: figures.min,
        max: figures.max,
        mean: quotient(figures.sum, figures.count)?,
        p50: figures.p50,
        p90: figures.p90,
        p95: figures.p95,
        p99: figures.p99,
        p999: figures.p999,
    })
}

fn tokens_per_minute(series: Option<&figures::MinuteFigures>) -> Option<PerMinute> {
    series
        .map(|series| per_minute(series, |tokens| DataPoint { tokens: Some(tokens), ..DataPoint::default() }))
}

/// `point` makes a data point of a value; its time is filled in here.
fn per_minute(series: &figures::MinuteFigures, point: impl Fn(u64) -> DataPoint) -> PerMinute {
    let timed = |&(slot, value): &(UtcSlot, u64)| match slot {
        UtcSlot::Minute(minute) => DataPoint { minute: Some(minute.to_string()), ..point(value) },
        UtcSlot::Hour(hour) => DataPoint { hour: Some(hour.to_string()), ..point(value) },
        UtcSlot::Day(day) => DataPoint { day: Some(day.to_string()), ..point(value) },
    };
    PerMinute {
        average: series.average.into(),
        average_all: series.average_all.map(Decimal::from),
        p50: series.p50,
        p90: series.p90,
        p99: series.p99,
        peak: series.peak,
        peak_minute: series.peak_minute.to_string(),
        peak_sliding_60s: series.peak_sliding_60s,
        burst: series.burst.map(|burst| Burst {
            second_x60: burst.second_x60.into(),
            ten_seconds_x6: burst.ten_seconds_x6.into(),
        }),
        data_points: series.data_points.as_ref().map(|points| points.iter().map(timed).collect()),
    }
}

/// FNV-1a, 64 bits: names a cut string the same way on every machine. It is no defence against crafted
/// collisions; [`Strings::named`] copes with those.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
