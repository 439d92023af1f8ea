//! Hand-built figures for the report's tests: invented, but consistent with each other where a reader would look.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::path::Path;

use borehole_record::{Timestamp, UtcDay, UtcHour, UtcMinute};
use borehole_report::RunInfo;
use borehole_usage::figures::{
    Burst, Coverage, CrossRegion, DayFigures, Distribution, ErrorTokens, Figures, Group, Health, HighToken,
    ListedRequest, MinuteFigures, Payloads, Ratio, TokenSums, UtcSlot,
};

/// Holds a text against its golden; `UPDATE_EXPECT=1` writes the golden instead.
#[track_caller]
pub(crate) fn expect(golden: &Path, actual: &str) {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(golden, actual).expect("a golden can be written");
        return;
    }
    let name = golden.display();
    let expected = std::fs::read_to_string(golden)
        .unwrap_or_else(|error| panic!("{name}: {error}; UPDATE_EXPECT=1 writes it"));
    assert!(expected == actual, "{name} differs; UPDATE_EXPECT=1 rewrites it. Now it is:\n{actual}");
}

/// 2026-11-08T00:00:00Z, in seconds.
pub(crate) const START: i64 = 1_794_096_000;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds: START + seconds, nanos: 0 }
}

fn minute(day: i64, hour: i64, minute: i64) -> UtcMinute {
    UtcMinute::of(at(day * DAY + hour * HOUR + minute * 60))
}

fn hour(day: i64, hour: i64) -> UtcHour {
    UtcHour::of(at(day * DAY + hour * HOUR))
}

pub(crate) fn counts<K: Into<String>>(entries: impl IntoIterator<Item = (K, u64)>) -> BTreeMap<String, u64> {
    entries.into_iter().map(|(name, count)| (name.into(), count)).collect()
}

pub(crate) fn spread(count: u64, p50: u64, max: u64) -> Distribution {
    Distribution {
        count,
        min: p50 / 40,
        max,
        sum: u128::from(count) * u128::from(p50) * 3 / 2,
        p50,
        p90: (p50 * 4).min(max),
        p95: (p50 * 6).min(max),
        p99: (p50 * 15).min(max),
        p999: (p50 * 20).min(max),
    }
}

pub(crate) fn series(p50: u64, peak: u64, peak_minute: UtcMinute) -> MinuteFigures {
    MinuteFigures {
        average: Ratio { numerator: u128::from(p50) * 7, denominator: 6 },
        average_all: Ratio::new(u128::from(p50), 3),
        p50,
        p90: (p50 * 2).min(peak),
        p99: (p50 * 3).min(peak),
        peak,
        peak_minute,
        peak_sliding_60s: peak + peak / 20,
        burst: (peak > 0).then_some(Burst {
            second_x60: Ratio { numerator: 13, denominator: 4 },
            ten_seconds_x6: Ratio { numerator: 7, denominator: 5 },
        }),
        data_points: None,
    }
}

pub(crate) fn days(peak_minute: UtcMinute, peak: u64) -> DayFigures {
    DayFigures {
        peak: peak * 400,
        peak_day: UtcDay(peak_minute.0.div_euclid(24 * 60)),
        rolling_24h: peak * 410,
        rolling_24h_end: UtcMinute(peak_minute.0 + 300),
    }
}

/// What the successful requests of a row are charged; every third reserves 4,096 tokens, the others 1,024.
fn charge(row: &Row, group: &mut Group) {
    let successful = group.successful;
    let settled_each = row.input_average + 25 + row.output_average * row.burndown;
    let reserved_each = row.input_average + 25 + 2_048;
    let raw_each = row.input_average + row.output_average;
    group.tokens.settled = u128::from(successful * settled_each);
    group.tokens.settled_known = successful;
    group.tokens.reserved = u128::from(successful * reserved_each);
    group.tokens.reserved_known = successful;
    let scaled =
        |each: u64| series(row.steady * each / raw_each, row.peak * each / raw_each, row.peak_minute);
    group.quota_tokens_per_minute = Some(scaled(settled_each));
    group.reserved_tokens_per_minute = Some(scaled(reserved_each));
    group.quota_tokens_per_day = Some(days(row.peak_minute, row.peak * settled_each / raw_each));
}

/// Nothing is known of what a group is charged.
fn uncharge(group: &mut Group) {
    let tokens = &mut group.tokens;
    (tokens.settled, tokens.settled_known, tokens.reserved, tokens.reserved_known) = (0, 0, 0, 0);
    group.quota_tokens_per_minute = None;
    group.reserved_tokens_per_minute = None;
    group.quota_tokens_per_day = None;
}

pub(crate) struct Row {
    pub(crate) account: &'static str,
    pub(crate) region: &'static str,
    pub(crate) model: &'static str,
    pub(crate) scope: &'static str,
    pub(crate) attempted: u64,
    pub(crate) throttled: u64,
    pub(crate) input_average: u64,
    pub(crate) output_average: u64,
    /// Quota tokens settled for an output token.
    pub(crate) burndown: u64,
    pub(crate) steady: u64,
    pub(crate) peak: u64,
    pub(crate) peak_minute: UtcMinute,
}

pub(crate) fn group(row: &Row) -> Group {
    let key = [("account", row.account), ("region", row.region), ("model", row.model), ("scope", row.scope)];
    let successful = row.attempted - row.throttled;
    let mut group = Group {
        key: key.map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).to_vec(),
        attempted: row.attempted,
        successful,
        throttled: row.throttled,
        tokens: TokenSums {
            input: u128::from(successful * row.input_average),
            output: u128::from(successful * row.output_average),
            cache_read: u128::from(successful * 310),
            cache_write: u128::from(successful * 25),
            prompt: u128::from(successful * (row.input_average + 335)),
            input_known: successful,
            output_known: successful,
            ..TokenSums::default()
        },
        high_token: HighToken {
            small: successful / 2,
            by_input: successful / 32,
            by_prompt: successful / 9,
            known: successful,
        },
        tokens_per_minute: Some(series(row.steady, row.peak, row.peak_minute)),
        requests_per_minute: Some(series(row.steady / 1_400 + 1, row.peak / 1_300 + 1, row.peak_minute)),
        ..Group::default()
    };
    if row.throttled > 0 {
        group.errors = counts([("ThrottlingException", row.throttled)]);
    }
    charge(row, &mut group);
    group.distributions.insert("input_tokens", spread(successful, row.input_average, row.input_average * 90));
    group.distributions.insert("output_tokens", spread(successful, row.output_average, 8_192));
    group
}

pub(crate) fn run() -> RunInfo {
    RunInfo {
        version: "0.0.0".to_owned(),
        sources: vec!["s3://acme-bedrock".to_owned()],
        bytes_fetched: 9_812_337_104,
        ..RunInfo::default()
    }
}

fn rows() -> Vec<Row> {
    vec![
        Row {
            account: "111122223333",
            region: "us-east-1",
            model: "anthropic.claude-sonnet-4-5-20250929-v1:0",
            scope: "geo",
            attempted: 3_910_244,
            throttled: 31_280,
            input_average: 1_240,
            output_average: 145,
            burndown: 5,
            steady: 612_400,
            peak: 2_604_118,
            peak_minute: minute(10, 9, 1),
        },
        Row {
            account: "111122223333",
            region: "eu-west-1",
            model: "anthropic.claude-3-5-haiku-20241022-v1:0",
            scope: "on-demand",
            attempted: 812_663,
            throttled: 0,
            input_average: 640,
            output_average: 88,
            burndown: 1,
            steady: 48_200,
            peak: 310_551,
            peak_minute: minute(9, 9, 0),
        },
        Row {
            account: "444455556666",
            region: "us-east-1",
            model: "amazon.nova-lite-v1:0",
            scope: "global",
            attempted: 90_000,
            throttled: 12,
            input_average: 212,
            output_average: 40,
            burndown: 1,
            steady: 2_100,
            peak: 9_870,
            peak_minute: minute(3, 17, 44),
        },
    ]
}

/// A fortnight of a busy shop, nothing wrong.
pub(crate) fn clean() -> (Figures, Health) {
    let groups: Vec<Group> = rows().iter().map(group).collect();
    let sum = |of: fn(&Group) -> u64| groups.iter().map(of).sum::<u64>();
    let (attempted, successful) = (sum(|g| g.attempted), sum(|g| g.successful));
    let mut totals = Group {
        attempted,
        successful,
        throttled: sum(|g| g.throttled),
        errors: counts([("ThrottlingException", sum(|g| g.throttled))]),
        tokens: TokenSums {
            input: groups.iter().map(|g| g.tokens.input).sum(),
            output: groups.iter().map(|g| g.tokens.output).sum(),
            cache_read: groups.iter().map(|g| g.tokens.cache_read).sum(),
            cache_write: groups.iter().map(|g| g.tokens.cache_write).sum(),
            prompt: groups.iter().map(|g| g.tokens.prompt).sum(),
            input_known: successful,
            output_known: successful,
            settled: groups.iter().map(|g| g.tokens.settled).sum(),
            settled_known: successful,
            reserved: groups.iter().map(|g| g.tokens.reserved).sum(),
            reserved_known: successful - 912_004,
        },
        high_token: HighToken {
            small: sum(|g| g.high_token.small),
            by_input: sum(|g| g.high_token.by_input),
            by_prompt: sum(|g| g.high_token.by_prompt),
            known: successful,
        },
        tokens_per_minute: Some(series(655_300, 2_871_004, minute(10, 9, 1))),
        quota_tokens_per_minute: Some(series(951_800, 4_104_733, minute(10, 9, 1))),
        reserved_tokens_per_minute: Some(series(1_702_400, 6_982_190, minute(10, 9, 2))),
        quota_tokens_per_day: Some(days(minute(10, 9, 1), 4_104_733)),
        requests_per_minute: Some(series(612, 2_240, minute(10, 9, 1))),
        status: counts([("200", successful), ("429", sum(|g| g.throttled))]),
        stop_reasons: counts([("end_turn", 4_100_000), ("max_tokens", 21_044), ("tool_use", 402_111)]),
        payloads: Payloads {
            large_input: 1_180,
            large_output: 31,
            large_either: 1_204,
            large_bytes: 402_118_443,
            content: BTreeMap::from([("text", 4_700_112), ("image", 12_400), ("tool_use", 402_111)]),
        },
        cross_region: BTreeMap::from([
            (
                "us-east-2".to_owned(),
                CrossRegion {
                    requests: 2_100_877,
                    latency_ms: Some(spread(2_000_000, 2_100, 61_000)),
                    first_byte_ms: None,
                },
            ),
            ("us-west-2".to_owned(), CrossRegion { requests: 1_779_000, ..CrossRegion::default() }),
        ]),
        ..Group::default()
    };
    totals.distributions.insert("input_tokens", spread(successful, 812, 191_004));
    totals.distributions.insert("output_tokens", spread(successful, 131, 8_192));
    totals.distributions.insert("prompt_tokens", spread(successful, 1_147, 203_992));
    totals.distributions.insert("latency_ms", spread(3_395_000, 2_100, 118_204));
    totals.distributions.insert("first_byte_ms", spread(1_904_112, 602, 9_120));
    totals.distributions.insert("input_bytes", spread(successful, 4_821, 6_120_044));
    totals.distributions.insert("output_bytes", spread(successful, 1_044, 91_204));

    let figures = Figures {
        from: Some(at(0)),
        to: Some(at(14 * DAY)),
        by: ["account", "region", "model", "scope"].map(str::to_owned).to_vec(),
        totals,
        groups,
        ..Figures::default()
    };

    let mut health = Health::default();
    health.objects.listed = 96_214;
    health.objects.read = 96_214;
    health.documents.found = attempted + 1_204;
    health.documents.decoded = attempted + 1_204;
    health.records.decoded = attempted + 1_204;
    health.records.counted = attempted;
    health.records.duplicate = 1_204;
    health.references.seen = 1_211;
    health.references.resolved = 1_211;
    health.bytes_listed = 9_812_337_104;
    health.bytes_decompressed = 88_204_117_332;
    health.coverage =
        vec![covered("111122223333", "eu-west-1", 336, 331), covered("111122223333", "us-east-1", 336, 336)];
    health.coverage[0].gaps = vec![(hour(4, 2), hour(4, 7))];
    assert_eq!(health.unbalanced(), None);
    (figures, health)
}

fn covered(account: &str, region: &str, hours: u64, hours_with_objects: u64) -> Coverage {
    Coverage {
        account: Some(account.to_owned()),
        region: Some(region.to_owned()),
        hours,
        hours_with_objects,
        gaps: Vec::new(),
    }
}

/// The same fortnight on a bad day: losses of every kind, many accounts, hostile names, warnings.
pub(crate) fn troubled() -> (Figures, Health) {
    let (mut figures, mut health) = clean();
    let extra = [
        ("amazon.titan-embed-text-v1", "on-demand", "ap-southeast-2"),
        ("amazon.titan-embed-text-v2:0", "on-demand", "ap-southeast-2"),
        ("application-inference-profile/4k2j1h8s9d7f", "application-profile", "us-east-1"),
        ("evil\u{1b}[31m\u{202e}model", "unknown", "us-east-1"),
    ];
    for (at, (model, scope, region)) in extra.into_iter().enumerate() {
        let mut quiet = group(&Row {
            account: "777788889999",
            region,
            model,
            scope,
            attempted: 40 - at as u64,
            throttled: 0,
            input_average: 31,
            output_average: 0,
            burndown: 1,
            steady: 0,
            peak: 62,
            peak_minute: minute(12, 4, 4),
        });
        // Embeddings have no output count.
        quiet.tokens.output_known = 0;
        quiet.tokens.output = 0;
        quiet.distributions.remove("output_tokens");
        // No rule or map knows the model of a profile, nor one that nobody has heard of.
        if !model.starts_with("amazon.") {
            uncharge(&mut quiet);
        }
        figures.groups.push(quiet);
    }
    figures.groups.last_mut().expect("just pushed").key[0].1 = None;
    figures.groups_omitted = 12;
    figures.models_folded = 3;
    figures.totals.tokens.output_known -= 41;
    figures.totals.tokens.settled_known -= 41 + 38 + 37;
    figures.unresolved_profiles = counts([(extra[2].0, 38)]);
    figures.unruled_models =
        counts([(extra[3].0, 37), ("anthropic.claude-next-v1:0", 3), ("custom-model/a/b", 1), ("c/d", 1)]);
    figures.totals.tokens_on_errors = ErrorTokens { input: 12_404, output: 0 };
    figures.totals.errors = counts([
        ("ThrottlingException", 31_292),
        ("ValidationException", 12),
        ("ModelErrorException", 7),
        ("ServiceUnavailableException", 204),
        ("ModelTimeoutException", 31),
        ("AccessDeniedException", 3),
        ("InternalServerException", 2),
        ("ResourceNotFoundException", 1),
        ("ModelNotReadyException", 1),
        ("Custom\u{9b}2J", 1),
    ]);

    health.objects.failed = BTreeMap::from([("gz_truncated", 12), ("permission", 3)]);
    health.objects.skipped =
        BTreeMap::from([("sidecar", 2_402), ("permission_marker", 4), ("foreign_file", 2)]);
    health.objects.listed += 12 + 3 + 2_402 + 4 + 2;
    health.documents.rejected = BTreeMap::from([("json_syntax", 2), ("timestamp", 1)]);
    health.documents.found += 3;
    health.records.rejected = BTreeMap::from([("model_id", 1)]);
    health.records.filtered = BTreeMap::from([("time_range", 5_119), ("other_schema", 8)]);
    health.records.decoded += 1 + 5_119 + 8;
    health.documents.decoded += 1 + 5_119 + 8;
    health.documents.found += 1 + 5_119 + 8;
    health.references.seen += 52;
    health.references.missing = 30;
    health.references.archived = 11;
    health.references.refused = BTreeMap::from([("bucket", 8), ("key", 1)]);
    health.references.failed = 2;
    health.counts_lost = 41;
    health.warnings =
        BTreeMap::from([("stray", 15), ("time_outlier", 2), ("utf8_in_body", 7), ("no_request_id", 1)]);
    for account in ["444455556666", "777788889999"] {
        for region in ["ap-southeast-2", "eu-central-1", "us-west-2"] {
            health.coverage.push(covered(account, region, 336, 330));
        }
    }
    health.coverage[4].gaps = vec![
        (hour(0, 0), hour(0, 1)),
        (hour(2, 22), hour(3, 0)),
        (hour(7, 3), hour(7, 4)),
        (hour(9, 1), hour(9, 3)),
    ];
    health.coverage[6].gaps = vec![(hour(5, 23), hour(6, 5))];
    for at in [2, 3, 5, 7] {
        health.coverage[at].hours_with_objects = 336;
    }
    assert_eq!(health.unbalanced(), None);

    figures.listing = Some(vec![
        ListedRequest {
            request_id: "8a1f0c34-5b7d-4e21-9c3a-6d5e4f3a2b1c".to_owned(),
            timestamp: at(10 * DAY + 9 * HOUR + 67),
            account: Some("111122223333".to_owned()),
            region: Some("us-east-1".to_owned()),
            model: "anthropic.claude-sonnet-4-5-20250929-v1:0".to_owned(),
            identity: Some("arn:aws:sts::111122223333:assumed-role/batch-summaries/worker-0017".to_owned()),
            operation: Some("ConverseStream".to_owned()),
            error_code: None,
            input_tokens: Some(61_204),
            prompt_tokens: Some(181_204),
            output_tokens: Some(1_024),
            latency_ms: Some(31_207),
            input_bytes: Some(812_443),
            output_bytes: Some(4_120),
        },
        ListedRequest {
            request_id: String::new(),
            timestamp: at(3 * DAY + 17 * HOUR),
            account: None,
            region: None,
            model: "evil\u{1b}[31m\u{202e}model".to_owned(),
            identity: Some(format!("arn:aws:iam::111122223333:user/\u{1b}]52;c;{}", "x".repeat(300))),
            operation: None,
            error_code: Some("ThrottlingException".to_owned()),
            input_tokens: None,
            prompt_tokens: None,
            output_tokens: None,
            latency_ms: None,
            input_bytes: None,
            output_bytes: None,
        },
    ]);
    (figures, health)
}

/// By caller, operation, error and hour, with a series by hour: more dimensions than one line takes.
pub(crate) fn many_dimensions() -> (Figures, Health) {
    let (mut figures, health) = clean();
    for group in &mut figures.groups {
        let hour_text = hour(4, 2).to_string();
        let caller = "arn:aws:sts::111122223333:assumed-role/claims-triage-production/i-0a1b2c3d4e5f67890";
        for (dimension, value) in [
            ("identity", Some(caller)),
            ("operation", Some("InvokeModelWithResponseStream")),
            ("error", None),
            ("hour", Some(hour_text.as_str())),
            ("tag:cost center", Some("Zürich 東京")),
        ] {
            group.key.push((dimension.to_owned(), value.map(str::to_owned)));
        }
    }
    figures.by = figures.groups[0].key.iter().map(|(dimension, _)| dimension.clone()).collect();
    let points = |values: [u64; 2]| {
        Some(vec![(UtcSlot::Hour(hour(0, 0)), values[0]), (UtcSlot::Hour(hour(0, 1)), values[1])])
    };
    for (series, values) in [
        (&mut figures.totals.tokens_per_minute, [36_744_000, 38_100_441]),
        (&mut figures.totals.requests_per_minute, [36_720, 38_006]),
    ] {
        series.as_mut().expect("clean figures have series").data_points = points(values);
    }
    (figures, health)
}

/// A source without any object.
pub(crate) fn nothing_listed() -> (Figures, Health) {
    (Figures::default(), Health::default())
}

/// Everything that was read lies outside the asked range.
pub(crate) fn all_filtered() -> (Figures, Health) {
    let figures = Figures { from: Some(at(0)), to: Some(at(7 * HOUR)), ..Figures::default() };
    let mut health = Health::default();
    health.objects.listed = 1;
    health.objects.read = 1;
    health.documents.found = 3;
    health.documents.decoded = 3;
    health.records.decoded = 3;
    health.records.filtered = BTreeMap::from([("time_range", 3)]);
    health.coverage = vec![Coverage { hours: 7, hours_with_objects: 0, ..Coverage::default() }];
    health.coverage[0].gaps = vec![(hour(0, 0), hour(0, 7))];
    (figures, health)
}
