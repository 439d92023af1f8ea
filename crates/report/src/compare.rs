//! What changed between two periods: the contract `borehole.compare/1`, as plain data that every form is rendered from.
//!
//! In: two [`Report`]s by the same dimensions. Out: each figure before and after, how much it changed, and the groups
//! with the largest change of load first. Always: integers exact, quotients exact to six digits; what one side does not
//! have is absent, never 0, and has no change; sums of periods of unequal length are compared per hour, too. Absent:
//! any guess at why something changed.

mod html;
mod markdown;
mod text;
mod words;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use borehole_record::time;
use borehole_usage::figures::Ratio;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

pub use html::render as to_html;
pub use markdown::render as to_markdown;
pub use text::render as to_text;

use crate::decimal::Decimal;
use crate::json;
use crate::model::{Group, Health, Key, PerMinute, Range, Ranking, Report};

const NANOS_PER_SECOND: u128 = 1_000_000_000;
const NANOS_PER_HOUR: u128 = 3_600 * NANOS_PER_SECOND;
const MICROS_PER_UNIT: u128 = 1_000_000;

/// Two periods side by side.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Comparison {
    /// The version of the contract.
    pub schema: Schema,
    /// Both sides are complete.
    pub complete: bool,
    /// What load is measured in.
    pub measure: Measure,
    /// The dimensions of the groups.
    pub by: Vec<String>,
    /// The first side.
    pub before: Side,
    /// The second side.
    pub after: Side,
    /// Over everything that was counted.
    pub totals: Figures,
    /// By the dimensions; the largest change of load first.
    pub groups: Vec<GroupChange>,
    /// By the values of dimensions that both sides rank.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rankings: Vec<RankingChange>,
}

/// The name of the contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Schema {
    /// The first version.
    #[serde(rename = "borehole.compare/1")]
    V1,
}

/// What load is measured in, on both sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Tokens as a quota is charged when a call ends: where both sides know them of any request.
    SettledTokens,
    /// Input + output tokens.
    RawTokens,
}

/// One of the two periods.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Side {
    /// The sources of its run, as given then.
    pub sources: Vec<String>,
    /// Whether everything that was listed is in its figures.
    pub complete: bool,
    /// Its range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// The length of the range, in hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<Decimal>,
    /// Groups that its `--top` cut off: what is only on the other side may be among them.
    #[serde(skip_serializing_if = "is_zero")]
    pub groups_omitted: u64,
    /// Its books.
    pub health: Health,
}

/// A count or a sum on both sides.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Count {
    /// `None` where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<u128>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u128>,
    /// After less before, where both are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<i128>,
    /// After over before, where both are known and before is not 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Decimal>,
    /// The same per hour of each side's range; only of sums, and only where the ranges differ in length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_hour: Option<Level>,
}

/// An average, a share or a rate on both sides.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Level {
    /// `None` where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Decimal>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Decimal>,
    /// After less before, where both are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Signed>,
    /// After over before, where both are known and before is not 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Decimal>,
}

/// Figures by minute.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Minutes {
    /// The median of the minutes with an attempt.
    #[serde(skip_serializing_if = "Count::is_unknown")]
    pub steady: Count,
    /// The largest minute.
    #[serde(skip_serializing_if = "Count::is_unknown")]
    pub peak: Count,
}

/// Times of calls, in ms; three significant digits.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Latency {
    /// The median.
    #[serde(skip_serializing_if = "Count::is_unknown")]
    pub p50: Count,
    /// 99 %.
    #[serde(skip_serializing_if = "Count::is_unknown")]
    pub p99: Count,
}

/// The figures of one group, or of everything.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Figures {
    /// Attempts.
    #[serde(skip_serializing_if = "Count::is_unknown")]
    pub attempted: Count,
    /// Of these throttled: a lower bound.
    #[serde(skip_serializing_if = "Count::is_unknown")]
    pub throttled: Count,
    /// Throttled over attempted, 0…1.
    #[serde(skip_serializing_if = "Level::is_unknown")]
    pub throttled_share: Level,
    /// In the measure of the comparison.
    #[serde(skip_serializing_if = "Count::is_unknown")]
    pub load: Count,
    /// Uncached input tokens of successful requests.
    #[serde(skip_serializing_if = "Count::is_unknown")]
    pub input_tokens: Count,
    /// Output tokens of successful requests.
    #[serde(skip_serializing_if = "Count::is_unknown")]
    pub output_tokens: Count,
    /// Input with what is read from and written to caches.
    #[serde(skip_serializing_if = "Count::is_unknown")]
    pub prompt_tokens: Count,
    /// Of these read from caches.
    #[serde(skip_serializing_if = "Count::is_unknown")]
    pub cache_read_tokens: Count,
    /// Quota tokens, of the requests where they are known.
    #[serde(skip_serializing_if = "Count::is_unknown")]
    pub settled_tokens: Count,
    /// The part of the successful requests whose quota tokens are known, 0…1.
    #[serde(skip_serializing_if = "Level::is_unknown")]
    pub settled_known_share: Level,
    /// Settled quota tokens.
    pub quota_tokens_per_minute: Minutes,
    /// Input + output tokens.
    pub tokens_per_minute: Minutes,
    /// Attempts.
    pub requests_per_minute: Minutes,
    /// Over the successful requests whose input count is known.
    #[serde(skip_serializing_if = "Level::is_unknown")]
    pub average_input_tokens: Level,
    /// Over the successful requests whose output count is known.
    #[serde(skip_serializing_if = "Level::is_unknown")]
    pub average_output_tokens: Level,
    /// Over the successful requests whose input count is known.
    #[serde(skip_serializing_if = "Level::is_unknown")]
    pub average_prompt_tokens: Level,
    /// Requests with more than 25,000 uncached input tokens, 0…1.
    #[serde(skip_serializing_if = "Level::is_unknown")]
    pub over_25000_by_input: Level,
    /// Requests with a prompt of more than 25,000 tokens, 0…1.
    #[serde(skip_serializing_if = "Level::is_unknown")]
    pub over_25000_by_prompt: Level,
    /// Tokens read from caches over prompt tokens, 0…1.
    #[serde(skip_serializing_if = "Level::is_unknown")]
    pub cache_share: Level,
    /// Of successful requests, where logged.
    pub latency_ms: Latency,
    /// By error code, throttles too.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, Count>,
}

/// On which side something is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// On both.
    Both,
    /// Only after.
    New,
    /// Only before.
    Gone,
    /// Only seen after: before, values were cut off, and it may be one of them.
    SeenAfter,
    /// Only seen before, likewise.
    SeenBefore,
}

/// One group.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct GroupChange {
    /// The value per dimension.
    pub key: Key,
    /// On which side it is.
    pub presence: Presence,
    /// The change of its load, per hour where the ranges differ in length; a side that does not have the group counts as
    /// nothing. `None` where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_change: Option<Signed>,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// One ranked dimension.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RankingChange {
    /// Which.
    pub dimension: String,
    /// Its values; the largest change of load first.
    pub rows: Vec<RankChange>,
    /// Values that the first side ranks no more.
    #[serde(skip_serializing_if = "is_zero")]
    pub omitted_before: u64,
    /// Values that the second side ranks no more.
    #[serde(skip_serializing_if = "is_zero")]
    pub omitted_after: u64,
}

/// One value of a ranked dimension.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RankChange {
    /// `None` (in JSON `null`) where records have no value.
    pub value: Option<String>,
    /// On which side it is.
    pub presence: Presence,
    /// As of a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_change: Option<Signed>,
    /// Attempts.
    #[serde(skip_serializing_if = "Count::is_unknown")]
    pub attempted: Count,
    /// Of these throttled: a lower bound.
    #[serde(skip_serializing_if = "Count::is_unknown")]
    pub throttled: Count,
    /// In the measure of the comparison.
    #[serde(skip_serializing_if = "Count::is_unknown")]
    pub load: Count,
    /// Of the load of its side, 0…1.
    #[serde(skip_serializing_if = "Level::is_unknown")]
    pub share: Level,
    /// Of the load of its side's largest minute, 0…1.
    #[serde(skip_serializing_if = "Level::is_unknown")]
    pub share_in_peak: Level,
}

/// A decimal with a sign, in steps of 0.000001.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signed {
    /// Below 0.
    pub negative: bool,
    /// How far from 0.
    pub magnitude: Decimal,
}

impl Signed {
    /// `after − before`, each in millionths.
    fn of_micros(before: u128, after: u128) -> Signed {
        let numerator = after.abs_diff(before);
        let magnitude = Decimal::from(Ratio { numerator, denominator: MICROS_PER_UNIT });
        Signed { negative: after < before, magnitude }
    }

    fn of_counts(before: u128, after: u128) -> Signed {
        let magnitude = Decimal::from(Ratio { numerator: after.abs_diff(before), denominator: 1 });
        Signed { negative: after < before, magnitude }
    }
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        write!(f, "{sign}{}", self.magnitude)
    }
}

impl Serialize for Signed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = RawValue::from_string(self.to_string()).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

/// The sides are by different dimensions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DifferentDimensions {
    /// Those of the first.
    pub before: Vec<String>,
    /// Those of the second.
    pub after: Vec<String>,
}

impl fmt::Display for DifferentDimensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = (self.before.join(","), self.after.join(","));
        write!(f, "one side is by {before}, the other by {after}: their groups cannot be matched")
    }
}

impl std::error::Error for DifferentDimensions {}

impl Comparison {
    /// Puts two reports side by side.
    ///
    /// # Errors
    /// Where their groups are by different dimensions.
    pub fn new(before: &Report, after: &Report) -> Result<Comparison, DifferentDimensions> {
        let by = match (dimensions(before), dimensions(after)) {
            (Some(before), Some(after))
                if before.iter().collect::<BTreeSet<_>>() != after.iter().collect() =>
            {
                return Err(DifferentDimensions { before, after });
            }
            (before, after) => before.or(after).unwrap_or_default(),
        };
        let knows_settled = |report: &Report| report.totals.tokens.settled_known > 0;
        let measure = if knows_settled(before) && knows_settled(after) {
            Measure::SettledTokens
        } else {
            Measure::RawTokens
        };
        let sides = Sides { measure, spans: Spans::of(before, after) };
        Ok(Comparison {
            schema: Schema::V1,
            complete: before.complete && after.complete,
            measure,
            before: side(before),
            after: side(after),
            totals: sides.figures(Some(&before.totals), Some(&after.totals)),
            groups: sides.groups(before, after, &by),
            rankings: sides.rankings(before, after),
            by,
        })
    }

    /// The comparison as JSON, by the rules of the report's.
    #[must_use]
    pub fn json(&self) -> String {
        json::pretty(self)
    }
}

fn side(report: &Report) -> Side {
    let nanos = report.range.as_ref().and_then(nanos_of);
    let hours = nanos.and_then(|nanos| Ratio::new(nanos, NANOS_PER_HOUR)).map(Decimal::from);
    Side {
        sources: report.run.sources.clone(),
        complete: report.complete,
        range: report.range.clone(),
        hours,
        groups_omitted: report.groups_omitted,
        health: report.health.clone(),
    }
}

/// The dimensions of the groups; `None` where there is no group to tell by.
fn dimensions(report: &Report) -> Option<Vec<String>> {
    let key = report.groups.first()?.key.as_ref()?;
    Some(key.0.iter().map(|(dimension, _)| dimension.clone()).collect())
}

/// The length of a range; `None` where it has none, or its ends are no times.
fn nanos_of(range: &Range) -> Option<u128> {
    let moment = |text: &str| time::parse_timestamp(text.as_bytes()).map(|(moment, _)| moment);
    let nanos = |text: &str| {
        let moment = moment(text)?;
        Some(i128::from(moment.seconds) * 1_000_000_000 + i128::from(moment.nanos))
    };
    u128::try_from(nanos(&range.to)?.checked_sub(nanos(&range.from)?)?).ok().filter(|&nanos| nanos > 0)
}

/// The lengths of two ranges that differ.
#[derive(Clone, Copy)]
struct Spans {
    before: u128,
    after: u128,
}

impl Spans {
    fn of(before: &Report, after: &Report) -> Option<Spans> {
        let spans =
            Spans { before: nanos_of(before.range.as_ref()?)?, after: nanos_of(after.range.as_ref()?)? };
        (spans.before != spans.after).then_some(spans)
    }
}

/// What the figures of both sides are compared by.
struct Sides {
    measure: Measure,
    spans: Option<Spans>,
}

impl Sides {
    fn groups(&self, before: &Report, after: &Report, by: &[String]) -> Vec<GroupChange> {
        let of = |report: &'_ Report| -> BTreeMap<Vec<Option<String>>, usize> {
            let keys = report.groups.iter().map(|group| key_by(group, by));
            // Of groups with one key, which only a report of another origin has, the first is taken.
            keys.enumerate().map(|(at, key)| (key, at)).rev().collect()
        };
        let (keys_before, keys_after) = (of(before), of(after));
        let keys: BTreeSet<&Vec<Option<String>>> = keys_before.keys().chain(keys_after.keys()).collect();
        let mut groups: Vec<GroupChange> = keys
            .into_iter()
            .map(|key| {
                let one = keys_before.get(key).and_then(|&at| before.groups.get(at));
                let other = keys_after.get(key).and_then(|&at| after.groups.get(at));
                let figures = self.figures(one, other);
                let presence =
                    presence(one.is_some(), other.is_some(), before.groups_omitted, after.groups_omitted);
                let values = by.iter().cloned().zip(key.iter().cloned());
                GroupChange {
                    key: Key(values.collect()),
                    presence,
                    load_change: load_change(&figures.load, presence, self.spans),
                    figures,
                }
            })
            .collect();
        // The sort is stable: of equal changes the keys are in order.
        groups.sort_by_key(|group| {
            let attempted = &group.figures.attempted;
            Reverse((
                group.load_change.map(|change| change.magnitude),
                attempted.before.unwrap_or(0).abs_diff(attempted.after.unwrap_or(0)),
            ))
        });
        groups
    }

    fn figures(&self, before: Option<&Group>, after: Option<&Group>) -> Figures {
        let groups = [before, after];
        let sum =
            |value: &dyn Fn(&Group) -> Option<u128>| self.sum(groups.map(|group| group.and_then(value)));
        let level =
            |value: &dyn Fn(&Group) -> Option<Decimal>| Level::of(groups.map(|group| group.and_then(value)));
        let codes: BTreeSet<&String> =
            groups.iter().flatten().flat_map(|group| group.requests.errors.0.keys()).collect();
        let errors = codes
            .into_iter()
            .map(|code| (code.clone(), sum(&|group| Some(u128::from(group.requests.errors.get(code))))));
        let minutes = |series: fn(&Group) -> &Option<PerMinute>| Minutes {
            steady: Count::of(groups.map(|group| Some(u128::from(series(group?).as_ref()?.p50)))),
            peak: Count::of(groups.map(|group| Some(u128::from(series(group?).as_ref()?.peak)))),
        };
        let latency = |value: fn(&crate::model::Distribution) -> u64| {
            Count::of(groups.map(|group| {
                let latency = group?.distributions.latency_ms.as_ref()?;
                Some(u128::from(value(latency)))
            }))
        };
        Figures {
            attempted: sum(&|group| Some(u128::from(group.requests.attempted))),
            throttled: sum(&|group| Some(u128::from(group.requests.throttled))),
            throttled_share: level(&|group| {
                quotient(u128::from(group.requests.throttled), u128::from(group.requests.attempted))
            }),
            load: sum(&|group| match self.measure {
                Measure::SettledTokens => settled(group),
                Measure::RawTokens => Some(input(group)?.saturating_add(output(group)?)),
            }),
            input_tokens: sum(&input),
            output_tokens: sum(&output),
            prompt_tokens: sum(&|group| known(group, group.tokens.input_known, group.tokens.prompt)),
            cache_read_tokens: sum(&|group| known(group, group.tokens.input_known, group.tokens.cache_read)),
            settled_tokens: sum(&settled),
            settled_known_share: level(&|group| {
                quotient(u128::from(group.tokens.settled_known), u128::from(group.requests.successful))
            }),
            quota_tokens_per_minute: minutes(|group| &group.quota_tokens_per_minute),
            tokens_per_minute: minutes(|group| &group.tokens_per_minute),
            requests_per_minute: minutes(|group| &group.requests_per_minute),
            average_input_tokens: level(&|group| group.statistics.average_input_tokens_per_request),
            average_output_tokens: level(&|group| group.statistics.average_output_tokens_per_request),
            average_prompt_tokens: level(&|group| {
                group.distributions.prompt_tokens.as_ref().map(|prompt| prompt.mean)
            }),
            over_25000_by_input: level(&|group| group.high_token.by_input.share),
            over_25000_by_prompt: level(&|group| group.high_token.by_prompt.share),
            cache_share: level(&|group| quotient(group.tokens.cache_read, group.tokens.prompt)),
            latency_ms: Latency { p50: latency(|latency| latency.p50), p99: latency(|latency| latency.p99) },
            errors: errors.collect(),
        }
    }

    fn rankings(&self, before: &Report, after: &Report) -> Vec<RankingChange> {
        let pairs = before.rankings.iter().filter_map(|one| {
            let other = after.rankings.iter().find(|other| other.dimension == one.dimension)?;
            Some((one, other))
        });
        pairs.map(|(one, other)| self.ranking(one, other)).collect()
    }

    fn ranking(&self, before: &Ranking, after: &Ranking) -> RankingChange {
        let values: BTreeSet<&Option<String>> =
            before.rows.iter().chain(&after.rows).map(|row| &row.value).collect();
        let rows = values.into_iter().map(|value| {
            let sides = [before, after].map(|ranking| ranking.rows.iter().find(|row| row.value == *value));
            let [one, other] = sides;
            let presence = presence(one.is_some(), other.is_some(), before.omitted, after.omitted);
            let load = self.sum(sides.map(|row| {
                let row = row?;
                Some(match self.measure {
                    Measure::SettledTokens => row.settled,
                    Measure::RawTokens => row.input.saturating_add(row.output),
                })
            }));
            RankChange {
                value: value.clone(),
                presence,
                load_change: load_change(&load, presence, self.spans),
                attempted: self.sum(sides.map(|row| Some(u128::from(row?.attempted)))),
                throttled: self.sum(sides.map(|row| Some(u128::from(row?.throttled)))),
                load,
                share: Level::of(sides.map(|row| row?.share)),
                share_in_peak: Level::of(sides.map(|row| row?.share_in_peak)),
            }
        });
        let mut rows: Vec<RankChange> = rows.collect();
        rows.sort_by_key(|row| Reverse(row.load_change.map(|change| change.magnitude)));
        RankingChange {
            dimension: before.dimension.clone(),
            rows,
            omitted_before: before.omitted,
            omitted_after: after.omitted,
        }
    }

    /// A sum of each side, and per hour where that is something else.
    fn sum(&self, sides: [Option<u128>; 2]) -> Count {
        let mut count = Count::of(sides);
        if let Some(spans) = self.spans {
            let rates = per_hour(sides, spans);
            let ratio = match (sides, rates) {
                // Exact, where the products fit: rates are rounded.
                ([Some(before), Some(after)], _) => before
                    .checked_mul(spans.after)
                    .zip(after.checked_mul(spans.before))
                    .and_then(|(before, after)| quotient(after, before)),
                _ => None,
            };
            let mut level = Level::of(rates);
            level.ratio = ratio.or(level.ratio);
            count.per_hour = (!level.is_unknown()).then_some(level);
        }
        count
    }
}

/// Sums per hour of their ranges.
fn per_hour(sides: [Option<u128>; 2], spans: Spans) -> [Option<Decimal>; 2] {
    let rate = |sum: Option<u128>, nanos: u128| quotient(sum?.checked_mul(NANOS_PER_HOUR)?, nanos);
    [rate(sides[0], spans.before), rate(sides[1], spans.after)]
}

/// The change of a load, where a side that does not have it counts as nothing.
fn load_change(load: &Count, presence: Presence, spans: Option<Spans>) -> Option<Signed> {
    let sides = match presence {
        Presence::New => [Some(0), load.after],
        Presence::Gone => [load.before, Some(0)],
        _ => [load.before, load.after],
    };
    match spans {
        None => Some(Signed::of_counts(sides[0]?, sides[1]?)),
        Some(spans) => {
            let [before, after] = per_hour(sides, spans);
            Some(Signed::of_micros(micros(before?)?, micros(after?)?))
        }
    }
}

fn presence(is_before: bool, is_after: bool, omitted_before: u64, omitted_after: u64) -> Presence {
    match (is_before, is_after) {
        (false, true) if omitted_before > 0 => Presence::SeenAfter,
        (true, false) if omitted_after > 0 => Presence::SeenBefore,
        (false, true) => Presence::New,
        (true, false) => Presence::Gone,
        _ => Presence::Both,
    }
}

impl Count {
    fn of(sides: [Option<u128>; 2]) -> Count {
        let [before, after] = sides;
        let both = before.zip(after);
        Count {
            before,
            after,
            // A report of another origin may hold sums whose difference does not fit.
            change: both.and_then(|(before, after)| {
                let difference = i128::try_from(after.abs_diff(before)).ok()?;
                Some(if after < before { -difference } else { difference })
            }),
            ratio: both.and_then(|(before, after)| quotient(after, before)),
            per_hour: None,
        }
    }

    /// Neither side knows it.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.before.is_none() && self.after.is_none()
    }
}

impl Level {
    fn of(sides: [Option<Decimal>; 2]) -> Level {
        let [before, after] = sides;
        let both = before.and_then(micros).zip(after.and_then(micros));
        Level {
            before,
            after,
            change: both.map(|(before, after)| Signed::of_micros(before, after)),
            ratio: both.and_then(|(before, after)| quotient(after, before)),
        }
    }

    /// Neither side knows it.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.before.is_none() && self.after.is_none()
    }
}

/// A sum over the successful requests whose value is known; `None` where there are some and it is known of none.
fn known(group: &Group, known: u64, sum: u128) -> Option<u128> {
    (known > 0 || group.requests.successful == 0).then_some(sum)
}

fn input(group: &Group) -> Option<u128> {
    known(group, group.tokens.input_known, group.tokens.input)
}

fn output(group: &Group) -> Option<u128> {
    known(group, group.tokens.output_known, group.tokens.output)
}

fn settled(group: &Group) -> Option<u128> {
    known(group, group.tokens.settled_known, group.tokens.settled)
}

/// The values of a key in the order of these dimensions.
fn key_by(group: &Group, by: &[String]) -> Vec<Option<String>> {
    let key = group.key.iter().flat_map(|key| &key.0);
    let value = |dimension: &String| {
        key.clone().find(|(name, _)| name == dimension).and_then(|(_, value)| value.clone())
    };
    by.iter().map(value).collect()
}

/// A quotient, or `None` over nothing.
fn quotient(numerator: u128, denominator: u128) -> Option<Decimal> {
    Ratio::new(numerator, denominator).map(Decimal::from)
}

/// In millionths; `None` where these are too many.
fn micros(decimal: Decimal) -> Option<u128> {
    decimal.units().checked_mul(MICROS_PER_UNIT)?.checked_add(u128::from(decimal.micros()))
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
