//! The finished figures: plain data in the shape of the report's contract, computed once from the totals.
//!
//! In: nothing; this file only names things. Every renderer reads these structs and computes no figure of
//! its own. Integers are exact; quotients are kept as exact fractions ([`Ratio`]); an unknown is `None`.

use std::collections::BTreeMap;

use borehole_record::{Timestamp, UtcDay, UtcHour, UtcMinute};

/// An exact quotient. Rendered as a decimal by integer division, 6 fraction digits, ties to even.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ratio {
    /// Numerator.
    pub numerator: u128,
    /// Denominator, never 0.
    pub denominator: u128,
}

impl Ratio {
    /// The quotient, or `None` for a denominator of 0 (an average of nothing is absent, not 0).
    #[must_use]
    pub fn new(numerator: u128, denominator: u128) -> Option<Self> {
        (denominator != 0).then_some(Ratio { numerator, denominator })
    }
}

/// Everything a report says about the data; what varies by run is not in it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Figures {
    /// First moment of the range; inclusive. `None` only where nothing was counted and no range was asked.
    pub from: Option<Timestamp>,
    /// End of the range; exclusive.
    pub to: Option<Timestamp>,
    /// The names of the dimensions of `--by`, in the order asked.
    pub by: Vec<String>,
    /// The figures over everything that was counted.
    pub totals: Group,
    /// One entry per key; ordered by attempted requests (most first), then key; by key where a dimension is a time.
    pub groups: Vec<Group>,
    /// Groups cut off by `--top`.
    pub groups_omitted: u64,
    /// The requests of `--list`, in the list's order.
    pub listing: Option<Vec<ListedRequest>>,
    /// `group_cardinality`: models folded into `__other__`.
    pub models_folded: u64,
    /// `burndown_unknown`: successful requests by base model that no rule gives a rate, application profiles
    /// left out; at most 4,096, the rest under `__other__`.
    pub unruled_models: BTreeMap<String, u64>,
    /// `profile_unresolved`: counted records by application profile that no map resolves; bounded likewise.
    pub unresolved_profiles: BTreeMap<String, u64>,
    /// One for each dimension of `--rank`, in the order asked.
    pub rankings: Vec<Ranking>,
}

/// The values of one dimension, most load first. The load is settled quota tokens where any are known in the totals,
/// else raw tokens (input + output).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ranking {
    /// The name of the dimension.
    pub dimension: String,
    /// At most [`RANKS_MAX`]; of equal load the value with more attempts first, then by value.
    pub rows: Vec<Rank>,
    /// Values cut off. What they amount to is in no row.
    pub omitted: u64,
}

/// Most values of a ranking: more than anybody reads, few enough that a page with a dozen of them stays small.
pub const RANKS_MAX: usize = 200;

/// One value of a ranked dimension.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rank {
    /// `None` where the records have no value.
    pub value: Option<String>,
    /// Counted records.
    pub attempted: u64,
    /// Counted records with errorCode ThrottlingException.
    pub throttled: u64,
    /// Uncached input tokens of successful requests.
    pub input: u128,
    /// Output tokens of successful requests.
    pub output: u128,
    /// Settled quota tokens of successful requests, where known.
    pub settled: u128,
    /// Of the load of everything; `None` where that is 0.
    pub share: Option<Ratio>,
    /// Of the load of the largest minute (the earliest of equal ones); `None` where that is 0. Records of a time that
    /// is left out of series are in no minute.
    pub share_in_peak: Option<Ratio>,
}

/// The figures of one group, or of the totals (without key).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Group {
    /// The value per dimension; `None` where the record has none.
    pub key: Vec<(String, Option<String>)>,
    /// Counted records.
    pub attempted: u64,
    /// Counted records without error code.
    pub successful: u64,
    /// Counted records with errorCode ThrottlingException.
    pub throttled: u64,
    /// Counted records per error code, throttles too.
    pub errors: BTreeMap<String, u64>,
    /// Token sums over successful requests.
    pub tokens: TokenSums,
    /// Token sums logged on failed requests.
    pub tokens_on_errors: ErrorTokens,
    /// Share of successful requests over the threshold.
    pub high_token: HighToken,
    /// By name: input_tokens, output_tokens, prompt_tokens, latency_ms, first_byte_ms, input_bytes, output_bytes; absent when empty.
    pub distributions: BTreeMap<&'static str, Distribution>,
    /// Raw tokens (input + output of successful requests) per minute; `None` where nothing was attempted.
    pub tokens_per_minute: Option<MinuteFigures>,
    /// Settled quota tokens of successful requests per minute, those of an unknown count left out; `None` where
    /// none is known.
    pub quota_tokens_per_minute: Option<MinuteFigures>,
    /// Reserved quota tokens of successful requests per minute, likewise.
    pub reserved_tokens_per_minute: Option<MinuteFigures>,
    /// Settled quota tokens per day; `None` where none is known.
    pub quota_tokens_per_day: Option<DayFigures>,
    /// Attempts per minute.
    pub requests_per_minute: Option<MinuteFigures>,
    /// HTTP status by code, where a response document has one.
    pub status: BTreeMap<String, u64>,
    /// Stop reasons of successful requests, where known.
    pub stop_reasons: BTreeMap<String, u64>,
    /// Offloaded bodies and kinds of content.
    pub payloads: Payloads,
    /// By inference Region.
    pub cross_region: BTreeMap<String, CrossRegion>,
}

/// Sums over successful requests, in tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TokenSums {
    /// Uncached input.
    pub input: u128,
    /// Output.
    pub output: u128,
    /// Cache reads.
    pub cache_read: u128,
    /// Cache writes.
    pub cache_write: u128,
    /// How large the requests were: input + cache reads + cache writes (of models whose logged input holds the
    /// cached tokens already: input), over the requests whose input is known.
    pub prompt: u128,
    /// Successful requests whose input count is known.
    pub input_known: u64,
    /// Successful requests whose output count is known.
    pub output_known: u64,
    /// Settled quota tokens, over the requests where they are known.
    pub settled: u128,
    /// Successful requests whose settled quota tokens are known: their counts and the rate of their model.
    pub settled_known: u64,
    /// Reserved quota tokens, over the requests where they are known.
    pub reserved: u128,
    /// Successful requests whose reservation is known.
    pub reserved_known: u64,
}

/// Sums over failed requests, in tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ErrorTokens {
    /// Uncached input.
    pub input: u128,
    /// Output.
    pub output: u128,
}

/// Requests strictly over the threshold among successful ones with a known count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HighToken {
    /// Requests of less than [`SMALL_INPUT_END`] uncached input: the lowest band of the report.
    pub small: u64,
    /// Requests by uncached input.
    pub by_input: u64,
    /// Requests by prompt.
    pub by_prompt: u64,
    /// Successful requests with a known input count: the denominator of both shares.
    pub known: u64,
}

/// The threshold of [`HighToken`], in tokens; the support form's own figure.
pub const HIGH_TOKEN_THRESHOLD: u64 = 25_000;

/// End of the lowest band of input tokens, exclusive.
pub const SMALL_INPUT_END: u64 = 1_000;

/// A distribution of per-request values. `count`, `min`, `max` and `sum` are exact; percentiles are the upper
/// edge of their histogram bucket (3 significant digits), never above `max`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Distribution {
    /// Values seen; never 0.
    pub count: u64,
    /// Smallest value.
    pub min: u64,
    /// Largest value.
    pub max: u64,
    /// Sum of the values; the mean is `sum / count`.
    pub sum: u128,
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

/// Figures of a per-minute series.
#[derive(Clone, PartialEq, Debug)]
pub struct MinuteFigures {
    /// Over active minutes.
    pub average: Ratio,
    /// Over the minutes of the range less those of gap hours.
    pub average_all: Option<Ratio>,
    /// Exact nearest rank over active minutes.
    pub p50: u64,
    /// 90 %.
    pub p90: u64,
    /// 99 %.
    pub p99: u64,
    /// The largest minute.
    pub peak: u64,
    /// The earliest minute with that value.
    pub peak_minute: UtcMinute,
    /// The largest sum over any 60 consecutive seconds.
    pub peak_sliding_60s: u64,
    /// How uneven the worst seconds are; `None` where the peak is 0.
    pub burst: Option<Burst>,
    /// The series, with `--series`; only points with an attempt.
    pub data_points: Option<Vec<(UtcSlot, u64)>>,
}

/// Short windows, scaled to a minute, over the largest minute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Burst {
    /// The largest second × 60 over the peak.
    pub second_x60: Ratio,
    /// The largest sum over any 10 consecutive seconds × 6 over the peak.
    pub ten_seconds_x6: Ratio,
}

/// Figures of a quantity per day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DayFigures {
    /// The largest UTC day.
    pub peak: u64,
    /// The earliest day with that value.
    pub peak_day: UtcDay,
    /// The largest sum over any 1,440 consecutive minutes.
    pub rolling_24h: u64,
    /// The last minute of the earliest such window.
    pub rolling_24h_end: UtcMinute,
}

/// A point in a series.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum UtcSlot {
    /// A minute.
    Minute(UtcMinute),
    /// An hour.
    Hour(UtcHour),
    /// A day.
    Day(UtcDay),
}

/// Offloaded bodies and kinds of content.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Payloads {
    /// Counted records whose input body was offloaded.
    pub large_input: u64,
    /// Counted records whose output body was offloaded.
    pub large_output: u64,
    /// Counted records with either; the share divides by attempted.
    pub large_either: u64,
    /// Sum of the known sizes of offloaded bodies, in bytes.
    pub large_bytes: u128,
    /// Counted records whose bodies (either side) held this kind of content.
    pub content: BTreeMap<&'static str, u64>,
}

/// One inference Region.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct CrossRegion {
    /// Counted records that ran there.
    pub requests: u64,
    /// Latency of the successful ones, where known.
    pub latency_ms: Option<Distribution>,
    /// Time to first byte of the successful ones, where known.
    pub first_byte_ms: Option<Distribution>,
}

/// One request of `--list`; never any text of a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedRequest {
    /// Empty where the record has none.
    pub request_id: String,
    /// The record's time.
    pub timestamp: Timestamp,
    /// Account, 12 digits.
    pub account: Option<String>,
    /// Source Region.
    pub region: Option<String>,
    /// Base model.
    pub model: String,
    /// identity.arn.
    pub identity: Option<String>,
    /// Operation.
    pub operation: Option<String>,
    /// errorCode.
    pub error_code: Option<String>,
    /// Tokens; `None` where unknown.
    pub input_tokens: Option<u64>,
    /// Tokens.
    pub prompt_tokens: Option<u64>,
    /// Tokens.
    pub output_tokens: Option<u64>,
    /// ms.
    pub latency_ms: Option<u64>,
    /// Bytes.
    pub input_bytes: Option<u64>,
    /// Bytes.
    pub output_bytes: Option<u64>,
}

/// The ledger: what was found, and what became of it. The sums balance (see [`Health::unbalanced`]).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Health {
    /// Objects.
    pub objects: ObjectTally,
    /// Documents.
    pub documents: DocumentTally,
    /// Records.
    pub records: RecordTally,
    /// References to payload objects.
    pub references: ReferenceTally,
    /// Stored bytes of all listed objects.
    pub bytes_listed: u64,
    /// Decoded bytes of the objects that were read.
    pub bytes_decompressed: u64,
    /// Per account × Region named by keys; both `None` for sources whose keys name hours but no account.
    pub coverage: Vec<Coverage>,
    /// Warnings by code.
    pub warnings: BTreeMap<&'static str, u64>,
    /// Successful requests with a token count that is unknown because its payload could not be read.
    pub counts_lost: u64,
    /// `--salvage` counted an intact prefix somewhere.
    pub salvaged: u64,
}

/// listed = read + skipped + failed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ObjectTally {
    /// Objects seen by the listing.
    pub listed: u64,
    /// Read to the end and verified.
    pub read: u64,
    /// By reason; complete all the same.
    pub skipped: BTreeMap<&'static str, u64>,
    /// By reason; the run is incomplete.
    pub failed: BTreeMap<&'static str, u64>,
}

/// found = decoded + rejected.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DocumentTally {
    /// Spans that framing found.
    pub found: u64,
    /// Decoded.
    pub decoded: u64,
    /// Decoded documents that became part of another document's record (split layout).
    pub joined: u64,
    /// By reason.
    pub rejected: BTreeMap<&'static str, u64>,
}

/// decoded = counted + duplicate + filtered + rejected.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecordTally {
    /// documents.decoded − documents.joined.
    pub decoded: u64,
    /// In the totals.
    pub counted: u64,
    /// A better copy was kept.
    pub duplicate: u64,
    /// By reason.
    pub filtered: BTreeMap<&'static str, u64>,
    /// By reason.
    pub rejected: BTreeMap<&'static str, u64>,
}

/// seen = resolved + not_needed + missing + archived + refused + failed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReferenceTally {
    /// References of decoded records, one per side.
    pub seen: u64,
    /// Read.
    pub resolved: u64,
    /// The run's `--resolve` does not need it.
    pub not_needed: u64,
    /// No such object.
    pub missing: u64,
    /// In an archive tier.
    pub archived: u64,
    /// By reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Could not be read.
    pub failed: u64,
}

/// Hours with objects, and gaps, for one account × Region.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Coverage {
    /// Account named by the keys.
    pub account: Option<String>,
    /// Region named by the keys.
    pub region: Option<String>,
    /// Hours of the range (no range: from the first to the last folder hour of this pair).
    pub hours: u64,
    /// Hours of those with at least one record object.
    pub hours_with_objects: u64,
    /// Half-open ranges of hours without objects, in order.
    pub gaps: Vec<(UtcHour, UtcHour)>,
}

impl Health {
    /// The first sum that does not balance, or `None`. A report with an unbalanced ledger is never published.
    #[must_use]
    pub fn unbalanced(&self) -> Option<String> {
        let sum = |map: &BTreeMap<&'static str, u64>| map.values().sum::<u64>();
        let check = |name: &str, left: u64, right: u64| {
            (left != right).then(|| format!("{name}: {left} on one side, {right} on the other"))
        };
        let objects = &self.objects;
        let documents = &self.documents;
        let records = &self.records;
        let references = &self.references;
        check("objects", objects.listed, objects.read + sum(&objects.skipped) + sum(&objects.failed))
            .or_else(|| check("documents", documents.found, documents.decoded + sum(&documents.rejected)))
            .or_else(|| check("records decoded", documents.decoded, records.decoded + documents.joined))
            .or_else(|| {
                let ended =
                    records.counted + records.duplicate + sum(&records.filtered) + sum(&records.rejected);
                check("records", records.decoded, ended)
            })
            .or_else(|| {
                let ended = references.resolved
                    + references.not_needed
                    + references.missing
                    + references.archived
                    + sum(&references.refused)
                    + references.failed;
                check("references", references.seen, ended)
            })
    }

    /// Whether everything that was listed is in the totals or was set aside by design.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.objects.failed.is_empty()
            && self.documents.rejected.is_empty()
            && self.records.rejected.is_empty()
            && self.counts_lost == 0
            && self.salvaged == 0
    }
}
