//! `truth.json`: the finished tally in the shape of the report's contract.
//!
//! In: the tally and the options. Out: JSON text, with every quotient an exact decimal of at most six digits
//! (ties to even), as `docs/rules.md` section 7 has it. Absent: floats.

use std::collections::BTreeMap;

use crate::Options;
use crate::body::KIND_NAMES;
use crate::calendar::{DAY, HOUR, rfc3339};
use crate::tally::{
    ATTEMPTS, Entry, Group, GroupKey, HIGH_TOKEN_THRESHOLD, Histogram, RAW_TOKENS, RESERVED, Reading,
    SETTLED, Sums, Tally,
};

/// A JSON value whose numbers are kept as text, so that decimals are exact.
#[derive(Clone, Debug)]
enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    fn write(&self, out: &mut String, indent: usize) {
        let line = |out: &mut String, indent: usize| {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
        };
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Number(text) => out.push_str(text),
            Json::Text(text) => out.push_str(&serde_json::Value::from(text.as_str()).to_string()),
            Json::List(items) if items.is_empty() => out.push_str("[]"),
            Json::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    out.push(if index == 0 { '[' } else { ',' });
                    line(out, indent + 1);
                    item.write(out, indent + 1);
                }
                line(out, indent);
                out.push(']');
            }
            Json::Object(members) if members.is_empty() => out.push_str("{}"),
            Json::Object(members) => {
                for (index, (key, value)) in members.iter().enumerate() {
                    out.push(if index == 0 { '{' } else { ',' });
                    line(out, indent + 1);
                    out.push_str(&serde_json::Value::from(key.as_str()).to_string());
                    out.push_str(": ");
                    value.write(out, indent + 1);
                }
                line(out, indent);
                out.push('}');
            }
        }
    }
}

fn number(value: impl Into<u128>) -> Json {
    Json::Number(value.into().to_string())
}

fn text(value: &str) -> Json {
    Json::Text(value.to_owned())
}

fn list(texts: &[String]) -> Json {
    Json::List(texts.iter().map(|item| text(item)).collect())
}

/// An object of the members that are there.
fn object<const N: usize>(members: [(&str, Option<Json>); N]) -> Json {
    let present = members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Json::Object(present.collect())
}

fn counts<K: ToString>(counts: impl IntoIterator<Item = (K, u64)>) -> Json {
    let members = counts.into_iter().filter(|&(_, count)| count > 0);
    Json::Object(members.map(|(key, count)| (key.to_string(), number(count))).collect())
}

/// `numerator / denominator` with at most six decimals, ties to even; `None` where there is no quotient.
fn quotient(numerator: u128, denominator: u128) -> Option<Json> {
    if denominator == 0 {
        return None;
    }
    let scaled = numerator * 1_000_000;
    let mut millionths = scaled / denominator;
    let rest = scaled % denominator;
    if rest * 2 > denominator || (rest * 2 == denominator && millionths % 2 == 1) {
        millionths += 1;
    }
    let decimals = format!("{:06}", millionths % 1_000_000);
    let decimals = decimals.trim_end_matches('0');
    let dot = if decimals.is_empty() { "" } else { "." };
    Some(Json::Number(format!("{}{dot}{decimals}", millionths / 1_000_000)))
}

/// The whole file.
pub(crate) fn render(options: &Options, tally: &Tally) -> String {
    let truth = object([
        ("schema", Some(text("borehole.truth/1"))),
        ("options", Some(options_json(options))),
        ("resolved", Some(report(tally, Reading::Resolved))),
        ("unresolved", Some(report(tally, Reading::Unresolved))),
    ]);
    let mut out = String::new();
    truth.write(&mut out, 0);
    out.push('\n');
    out
}

fn options_json(options: &Options) -> Json {
    object([
        ("layout", Some(text(options.layout.as_str()))),
        ("requests", Some(number(options.requests))),
        ("seed", Some(number(options.seed))),
        ("from", Some(text(&rfc3339(options.from_seconds)))),
        ("to", Some(text(&rfc3339(options.to_seconds)))),
        ("accounts", Some(number(options.accounts))),
        ("regions", Some(list(&options.regions))),
        ("models", Some(list(&options.models))),
        ("profile", Some(text(options.profile.as_str()))),
        ("records_per_object", options.records_per_object.map(number)),
        ("duplicates_per_mille", Some(number(options.duplicates_per_mille))),
        ("errors_per_mille", Some(number(options.errors_per_mille))),
        ("offloaded_per_mille", Some(number(options.offloaded_per_mille))),
        ("late_per_mille", Some(number(options.late_per_mille))),
        ("strays", Some(number(options.strays))),
        ("gaps", Some(number(options.gaps))),
        ("rejects", Some(number(options.rejects))),
        ("clean", Some(Json::Bool(options.clean))),
        ("traps", Some(Json::Bool(options.traps))),
        ("gzip", Some(Json::Bool(options.gzip))),
        ("gzip_level", Some(number(options.gzip_level))),
    ])
}

/// What `analyze` must print for one way of reading, without `schema` and `run`.
fn report(tally: &Tally, reading: Reading) -> Json {
    let sums = match reading {
        Reading::Resolved => &tally.resolved,
        Reading::Unresolved => &tally.unresolved,
    };
    let ledger = &tally.ledger;
    let complete = ledger.documents_rejected.is_empty()
        && ledger.records_rejected.is_empty()
        && (reading == Reading::Unresolved || ledger.counts_lost == 0);
    let mut groups: Vec<(&GroupKey, &Group)> = sums.groups.iter().collect();
    // The sort is stable and the map is in order of keys.
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.attempted));
    let figures = Figures { entries: &tally.entries, minutes: sums.minutes };
    let named = |value: &Option<std::rc::Rc<str>>| value.as_deref().map_or(Json::Null, text);
    let groups = groups
        .into_iter()
        .map(|(key, group)| {
            let key = object([
                ("account", Some(named(&key.0))),
                ("region", Some(named(&key.1))),
                ("model", Some(text(&key.2))),
                ("scope", Some(text(key.3))),
            ]);
            figures.group(Some(key), group)
        })
        .collect();
    object([
        ("complete", Some(Json::Bool(complete))),
        ("range", sums.minutes.map(|(first, last)| range(first * 60, (last + 1) * 60))),
        ("health", Some(health(tally, sums, reading))),
        ("totals", Some(figures.group(None, &sums.totals))),
        ("groups", Some(Json::List(groups))),
        ("unruled_models", Some(by_name(&sums.unruled_models))),
        ("unresolved_profiles", Some(by_name(&sums.unresolved_profiles))),
    ])
}

fn by_name(names: &BTreeMap<std::rc::Rc<str>, u64>) -> Json {
    counts(names.iter().map(|(name, &count)| (name, count)))
}

fn range(from_seconds: i64, to_seconds: i64) -> Json {
    object([("from", Some(text(&rfc3339(from_seconds)))), ("to", Some(text(&rfc3339(to_seconds))))])
}

fn health(tally: &Tally, sums: &Sums, reading: Reading) -> Json {
    let ledger = &tally.ledger;
    let reasons =
        |map: &BTreeMap<&'static str, u64>| counts(map.iter().map(|(&reason, &count)| (reason, count)));
    let refused: u64 = ledger.references_refused.values().sum();
    let within_reach = ledger.references_resolved + ledger.references_missing;
    let (resolved, missing, not_needed) = match reading {
        Reading::Resolved => (ledger.references_resolved, ledger.references_missing, 0),
        Reading::Unresolved => (0, 0, within_reach),
    };
    let mut warnings = ledger.warnings.clone();
    for (code, names) in
        [("burndown_unknown", &sums.unruled_models), ("profile_unresolved", &sums.unresolved_profiles)]
    {
        warnings.insert(code, names.values().sum());
    }
    let mut skipped = ledger.objects_skipped.clone();
    let (mut listed, mut bytes_listed) = (ledger.objects_listed, ledger.bytes_listed);
    if reading == Reading::Resolved {
        skipped.extend(ledger.payloads.iter().map(|(&reason, &count)| (reason, count)));
        listed += ledger.payloads.values().sum::<u64>();
        bytes_listed += ledger.payload_bytes;
    }
    let records_decoded = ledger.documents_decoded() - ledger.documents_joined;
    let mut coverage: Vec<&Entry> = tally.entries.iter().filter(|entry| !entry.folders.is_empty()).collect();
    coverage.sort_by(|a, b| (&a.account, &a.region).cmp(&(&b.account, &b.region)));
    object([
        (
            "objects",
            Some(object([
                ("listed", Some(number(listed))),
                ("read", Some(number(ledger.objects_read))),
                ("skipped", Some(reasons(&skipped))),
                ("failed", Some(Json::Object(Vec::new()))),
            ])),
        ),
        (
            "documents",
            Some(object([
                ("found", Some(number(ledger.documents_found))),
                ("decoded", Some(number(ledger.documents_decoded()))),
                ("joined", Some(number(ledger.documents_joined))),
                ("rejected", Some(reasons(&ledger.documents_rejected))),
            ])),
        ),
        (
            "records",
            Some(object([
                ("decoded", Some(number(records_decoded))),
                ("counted", Some(number(sums.counted))),
                ("duplicate", Some(number(sums.duplicate))),
                ("filtered", Some(reasons(&ledger.records_filtered))),
                ("rejected", Some(reasons(&ledger.records_rejected))),
            ])),
        ),
        (
            "references",
            Some(object([
                ("seen", Some(number(within_reach + refused))),
                ("resolved", Some(number(resolved))),
                ("not_needed", Some(number(not_needed))),
                ("missing", Some(number(missing))),
                ("archived", Some(number(0u32))),
                ("refused", Some(reasons(&ledger.references_refused))),
                ("failed", Some(number(0u32))),
            ])),
        ),
        (
            "bytes",
            Some(object([
                ("listed", Some(number(bytes_listed))),
                ("decompressed", Some(number(ledger.bytes_decompressed))),
            ])),
        ),
        ("coverage", Some(Json::List(coverage.into_iter().map(coverage_entry).collect()))),
        ("warnings", Some(reasons(&warnings))),
        (
            "counts_lost",
            (reading == Reading::Resolved && ledger.counts_lost > 0).then(|| number(ledger.counts_lost)),
        ),
    ])
}

fn coverage_entry(entry: &Entry) -> Json {
    let gap_hours = entry.gap_hours();
    // Neighbouring gap hours make one range.
    let mut gaps: Vec<(i64, i64)> = Vec::new();
    for &hour in &gap_hours {
        match gaps.last_mut() {
            Some(last) if last.1 == hour => last.1 = hour + 1,
            _ => gaps.push((hour, hour + 1)),
        }
    }
    object([
        ("account", entry.account.as_deref().map(text)),
        ("region", entry.region.as_deref().map(text)),
        ("hours", Some(number((entry.folders.len() + gap_hours.len()) as u64))),
        ("hours_with_objects", Some(number(entry.folders.len() as u64))),
        ("gaps", Some(Json::List(gaps.iter().map(|&(from, to)| range(from * HOUR, to * HOUR)).collect()))),
    ])
}

/// What the figures of all groups of one reading share.
struct Figures<'a> {
    entries: &'a [Entry],
    /// First and last minute of the range.
    minutes: Option<(i64, i64)>,
}

impl Figures<'_> {
    fn group(&self, key: Option<Json>, group: &Group) -> Json {
        let [input, output, cache_read, cache_write] = group.tokens;
        let share = |requests: u64| {
            object([
                ("requests", Some(number(requests))),
                ("share", quotient(requests.into(), group.input_known.into())),
            ])
        };
        let content = KIND_NAMES.iter().zip(group.content);
        object([
            ("key", key),
            (
                "requests",
                Some(object([
                    ("attempted", Some(number(group.attempted))),
                    ("successful", Some(number(group.successful))),
                    ("throttled", Some(number(group.throttled))),
                    ("errors", Some(counts(group.errors.iter().map(|(&code, &count)| (code, count))))),
                ])),
            ),
            (
                "statistics",
                Some(object([
                    ("total_requests", Some(number(group.successful))),
                    ("total_input_tokens", Some(number(input))),
                    ("total_output_tokens", Some(number(output))),
                    ("average_input_tokens_per_request", quotient(input, group.input_known.into())),
                    ("average_output_tokens_per_request", quotient(output, group.output_known.into())),
                ])),
            ),
            (
                "tokens",
                Some(object([
                    ("input", Some(number(input))),
                    ("output", Some(number(output))),
                    ("cache_read", Some(number(cache_read))),
                    ("cache_write", Some(number(cache_write))),
                    ("prompt", Some(number(group.prompt_tokens))),
                    ("input_known", Some(number(group.input_known))),
                    ("output_known", Some(number(group.output_known))),
                    ("settled", Some(number(group.settled))),
                    ("settled_known", Some(number(group.settled_known))),
                    ("reserved", Some(number(group.reserved))),
                    ("reserved_known", Some(number(group.reserved_known))),
                ])),
            ),
            (
                "tokens_on_errors",
                Some(object([
                    ("input", Some(number(group.error_tokens[0]))),
                    ("output", Some(number(group.error_tokens[1]))),
                ])),
            ),
            (
                "high_token",
                Some(object([
                    ("threshold", Some(number(HIGH_TOKEN_THRESHOLD))),
                    ("by_input", Some(share(group.high_by_input))),
                    ("by_prompt", Some(share(group.high_by_prompt))),
                ])),
            ),
            (
                "input_bands",
                Some(object([
                    ("below_1000", Some(number(group.small_by_input))),
                    (
                        "from_1000_to_25000",
                        Some(number(group.input_known - group.small_by_input - group.high_by_input)),
                    ),
                    ("above_25000", Some(number(group.high_by_input))),
                ])),
            ),
            (
                "distributions",
                Some(object([
                    ("input_tokens", distribution(&group.input_values)),
                    ("output_tokens", distribution(&group.output_values)),
                    ("prompt_tokens", distribution(&group.prompt_values)),
                    ("latency_ms", distribution(&group.latency_ms)),
                    ("first_byte_ms", distribution(&group.first_byte_ms)),
                    ("input_bytes", distribution(&group.input_bytes)),
                    ("output_bytes", distribution(&group.output_bytes)),
                ])),
            ),
            ("tokens_per_minute", self.per_minute(group, RAW_TOKENS)),
            ("quota_tokens_per_minute", self.per_minute(group, SETTLED).filter(|_| group.settled_known > 0)),
            (
                "reserved_tokens_per_minute",
                self.per_minute(group, RESERVED).filter(|_| group.reserved_known > 0),
            ),
            ("quota_tokens_per_day", per_day(group, SETTLED).filter(|_| group.settled_known > 0)),
            ("requests_per_minute", self.per_minute(group, ATTEMPTS)),
            (
                "responses",
                Some(object([
                    ("status", Some(counts(group.status.iter().map(|(&code, &count)| (code, count))))),
                    (
                        "stop_reason",
                        Some(counts(group.stop_reasons.iter().map(|(&reason, &count)| (reason, count)))),
                    ),
                ])),
            ),
            (
                "payloads",
                Some(object([
                    (
                        "large",
                        Some(object([
                            ("input", Some(number(group.large_input))),
                            ("output", Some(number(group.large_output))),
                            ("requests", Some(number(group.large_either))),
                            ("share", quotient(group.large_either.into(), group.attempted.into())),
                            ("bytes", Some(number(group.large_bytes))),
                        ])),
                    ),
                    ("content", Some(counts(content))),
                ])),
            ),
            (
                "cross_region",
                Some(Json::Object(
                    group
                        .cross_region
                        .iter()
                        .map(|(region, (requests, latency_ms, first_byte_ms))| {
                            let figures = object([
                                ("requests", Some(number(*requests))),
                                ("latency_ms", distribution(latency_ms)),
                                ("first_byte_ms", distribution(first_byte_ms)),
                            ]);
                            (region.to_string(), figures)
                        })
                        .collect(),
                )),
            ),
        ])
    }

    /// Figures of a per-minute series; `None` where no minute was active.
    fn per_minute(&self, group: &Group, place: usize) -> Option<Json> {
        let mut values: Vec<u64> = group.minutes.values().map(|minute| minute[place]).collect();
        let sum: u128 = values.iter().map(|&value| u128::from(value)).sum();
        let active_minutes = values.len() as u128;
        values.sort_unstable();
        let peak = *values.last()?;
        let peak_minute =
            group.minutes.iter().find(|(_, minute)| minute[place] == peak).map(|(&minute, _)| minute)?;
        let sliding = &group.sliding;
        let over_peak = |value: u64, times: u128| quotient(u128::from(value) * times, peak.into());
        let burst = object([
            ("second_x60", over_peak(sliding.second_max[place], 60)),
            ("ten_seconds_x6", over_peak(sliding.ten_seconds_max[place], 6)),
        ]);
        let at = |per_mille: u64| number(values[rank(values.len() as u64, per_mille) as usize - 1]);
        Some(object([
            ("average", quotient(sum, active_minutes)),
            ("average_all", quotient(sum, self.minutes_of(group))),
            ("p50", Some(at(500))),
            ("p90", Some(at(900))),
            ("p99", Some(at(990))),
            ("peak", Some(number(peak))),
            ("peak_minute", Some(text(&rfc3339(peak_minute * 60)))),
            ("peak_sliding_60s", Some(number(sliding.sixty_seconds_max[place]))),
            ("burst", (peak > 0).then_some(burst)),
        ]))
    }

    /// The minutes of the range less those of hours that are a gap in all coverage entries of the group.
    fn minutes_of(&self, group: &Group) -> u128 {
        let Some((first, last)) = self.minutes else { return 0 };
        let mut gaps = group.entries.iter().map(|&entry| self.entries[entry].gap_hours());
        let mut common = gaps.next().unwrap_or_default();
        for other in gaps {
            common.retain(|hour| other.contains(hour));
        }
        let in_gaps: i64 = common
            .iter()
            .map(|hour| ((hour + 1) * 60).min(last + 1) - (hour * 60).max(first))
            .filter(|&minutes| minutes > 0)
            .sum();
        (last + 1 - first - in_gaps).max(0) as u128
    }
}

/// The largest UTC day and the largest 1,440 consecutive minutes; `None` where no minute was active.
fn per_day(group: &Group, place: usize) -> Option<Json> {
    let mut days: BTreeMap<i64, u64> = BTreeMap::new();
    let mut rolling: BTreeMap<i64, u64> = BTreeMap::new();
    for (&minute, load) in &group.minutes {
        *days.entry((minute * 60).div_euclid(DAY)).or_default() += load[place];
        let window = group.minutes.range(minute - 1_439..=minute);
        rolling.insert(minute, window.map(|(_, load)| load[place]).sum());
    }
    // The earliest of equal ones.
    let largest = |sums: &BTreeMap<i64, u64>| {
        let max = *sums.values().max()?;
        sums.iter().find(|&(_, &sum)| sum == max).map(|(&at, _)| (at, max))
    };
    let ((day, peak), (end, rolling_max)) = (largest(&days)?, largest(&rolling)?);
    Some(object([
        ("peak", Some(number(peak))),
        ("peak_day", Some(text(&rfc3339(day * DAY)))),
        ("rolling_24h", Some(number(rolling_max))),
        ("rolling_24h_end", Some(text(&rfc3339(end * 60)))),
    ]))
}

/// ⌈q·n⌉, at least 1.
fn rank(count: u64, per_mille: u64) -> u64 {
    (u128::from(count) * u128::from(per_mille)).div_ceil(1_000).max(1) as u64
}

/// Exact count, bounds and mean; percentiles as the upper edge of a bucket of 3 significant digits.
fn distribution(histogram: &Histogram) -> Option<Json> {
    let (&min, &max) = (histogram.keys().next()?, histogram.keys().next_back()?);
    let count: u64 = histogram.values().sum();
    let sum: u128 = histogram.iter().map(|(&value, &times)| u128::from(value) * u128::from(times)).sum();
    let at = |per_mille: u64| {
        let mut left = rank(count, per_mille);
        let mut found = max;
        for (&value, &times) in histogram {
            if left <= times {
                found = value;
                break;
            }
            left -= times;
        }
        number(bucket_end(found).min(max))
    };
    Some(object([
        ("count", Some(number(count))),
        ("min", Some(number(min))),
        ("max", Some(number(max))),
        ("mean", quotient(sum, count.into())),
        ("p50", Some(at(500))),
        ("p90", Some(at(900))),
        ("p95", Some(at(950))),
        ("p99", Some(at(990))),
        ("p999", Some(at(999))),
    ]))
}

/// The highest value of the histogram bucket that holds `value`: exact below 2,048, above that a bucket spans
/// 2^(⌊log2 v⌋−10) values.
fn bucket_end(value: u64) -> u64 {
    if value < 2_048 {
        return value;
    }
    let span = 1 << (value.ilog2() - 10);
    value / span * span + span - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(numerator: u128, denominator: u128) -> String {
        match quotient(numerator, denominator) {
            Some(Json::Number(text)) => text,
            _ => "absent".to_owned(),
        }
    }

    #[test]
    fn quotients_round_half_to_even_and_drop_trailing_zeros() {
        assert_eq!(decimal(6, 3), "2");
        assert_eq!(decimal(1, 8), "0.125");
        assert_eq!(decimal(1, 3), "0.333333");
        assert_eq!(decimal(2, 3), "0.666667");
        // 0.0000005 and 0.0000015 are ties.
        assert_eq!(decimal(1, 2_000_000), "0");
        assert_eq!(decimal(3, 2_000_000), "0.000002");
        assert_eq!(decimal(1, 0), "absent");
    }

    #[test]
    fn buckets_are_exact_below_2048_and_span_a_thousandth_above() {
        assert_eq!(bucket_end(2_047), 2_047);
        assert_eq!(bucket_end(2_048), 2_049);
        assert_eq!(bucket_end(2_049), 2_049);
        assert_eq!(bucket_end(4_096), 4_099);
        // 25,000 lies in 2^14…2^15, so its bucket spans 16 values and starts at a multiple of 16.
        assert_eq!(bucket_end(25_000), 25_007);
    }

    #[test]
    fn ranks_are_nearest_and_never_zero() {
        assert_eq!((rank(1, 500), rank(3, 500), rank(10, 900), rank(1_001, 999)), (1, 2, 9, 1_000));
    }
}
