//! Hostile strings and odd widths: no line of a text report is too wide, and none holds what a terminal obeys.

mod support;

use std::collections::BTreeMap;

use borehole_report::text::{self, TextStyle};
use borehole_report::{Report, RunInfo};
use borehole_usage::figures::{CrossRegion, DayFigures, Distribution, Figures, Group, Health};
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

/// Anything at all, and often what is known to break terminals and tables.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        "[a-z0-9.:/-]{1,60}",
        Just("\u{1b}[31m".to_owned()),
        Just("\u{9b}2J".to_owned()),
        Just("\u{202e}\u{2066}".to_owned()),
        Just("e\u{301}\u{301}\u{301}\u{301}\u{301}".to_owned()),
        Just("👩\u{200d}👩\u{200d}👧".to_owned()),
        Just("東京".to_owned()),
        Just("🇨🇭☎\u{fe0f}".to_owned()),
        Just("\n\r\t".to_owned()),
        Just("\u{5d0}\u{627}\u{644}".to_owned()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn spread() -> impl Strategy<Value = Distribution> {
    (1..u64::MAX / 2, any::<u64>()).prop_map(|(count, value)| Distribution {
        count,
        min: 0,
        max: value,
        sum: u128::from(count) * u128::from(value),
        p50: value / 3,
        p90: value / 2,
        p95: value / 2,
        p99: value,
        p999: value,
    })
}

prop_compose! {
    fn hostile_report()(
        strings in prop::collection::vec(hostile(), 12),
        dimensions in 0..9usize,
        attempted in prop_oneof![Just(0u64), Just(1), any::<u64>()],
        successful in any::<u64>(),
        peak in 0..u64::MAX / 4,
        sum in any::<u128>(),
        distribution in spread(),
        complete in any::<bool>(),
    ) -> Report {
        let (mut figures, mut health) = support::troubled();
        let at = |index: usize| strings[index % strings.len()].clone();
        let names = ["account", "region", "model", "scope", "identity", "operation", "tag:x", "hour", "error"];
        let mut group = Group {
            key: (0..dimensions).map(|n| (names[n].to_owned(), (n != 2).then(|| at(n)))).collect(),
            attempted,
            successful: successful.min(attempted),
            throttled: attempted,
            errors: support::counts((0..8).map(|n| (at(n), u64::MAX >> n))),
            tokens_per_minute: Some(support::series(peak, peak, borehole_record::UtcMinute(i64::MAX / 120))),
            quota_tokens_per_minute: Some(support::series(peak, peak, borehole_record::UtcMinute(0))),
            reserved_tokens_per_minute: complete
                .then(|| support::series(peak / 3, peak, borehole_record::UtcMinute(i64::MAX / 120))),
            quota_tokens_per_day: Some(DayFigures {
                peak,
                peak_day: borehole_record::UtcDay(i64::MAX / 200_000),
                rolling_24h: u64::MAX,
                rolling_24h_end: borehole_record::UtcMinute(i64::MAX / 120),
            }),
            status: support::counts([(at(9), attempted)]),
            stop_reasons: support::counts([(at(10), attempted / 2)]),
            cross_region: BTreeMap::from([(at(11), CrossRegion {
                requests: attempted,
                latency_ms: Some(distribution),
                first_byte_ms: None,
            })]),
            ..Group::default()
        };
        group.tokens.input = sum;
        group.tokens.input_known = 1;
        group.tokens.settled = sum;
        group.tokens.settled_known = successful.min(attempted) / 2;
        figures.unruled_models = support::counts((0..5).map(|n| (at(n), u64::MAX >> (n + 4))));
        figures.unresolved_profiles = support::counts((3..9).map(|n| (at(n), attempted >> 8)));
        group.payloads.large_either = attempted;
        group.payloads.large_bytes = sum;
        group.distributions = BTreeMap::from([
            ("input_tokens", distribution),
            ("output_tokens", distribution),
            ("latency_ms", distribution),
            ("first_byte_ms", distribution),
        ]);
        figures.groups.push(group.clone());
        figures.groups.rotate_right(1);
        group.key.clear();
        figures.totals = group;
        if let Some(request) = figures.listing.as_mut().and_then(|listing| listing.first_mut()) {
            request.request_id = at(0);
            request.model = at(1);
            request.identity = Some(at(2));
            request.operation = Some(at(3));
            request.error_code = Some(at(4));
            request.input_tokens = Some(u64::MAX);
        }
        health.coverage[0].account = Some(at(5));
        health.coverage[0].region = Some(at(6));
        let run = RunInfo { sources: vec![at(7), at(8)], ..RunInfo::default() };
        Report::new(&figures, &health, complete, run)
    }
}

fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn i05_no_line_is_wider_than_asked_nor_obeyed(
        report in hostile_report(),
        width in 0..140usize,
        explain in any::<bool>(),
    ) {
        let style = TextStyle { width, explain, ..TextStyle::default() };
        for line in text::render(&report, &style).split('\n') {
            prop_assert!(line.width() <= width, "{} > {width}: {line:?}", line.width());
            prop_assert!(!line.contains(is_obeyed), "{line:?}");
        }
    }

    #[test]
    fn color_adds_nothing_but_ink(report in hostile_report(), width in 0..140usize) {
        let plain = text::render(&report, &TextStyle { width, ..TextStyle::default() });
        let mut colored = text::render(&report, &TextStyle { width, color: true, ..TextStyle::default() });
        for ink in ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[1;31m", "\u{1b}[33m"] {
            colored = colored.replace(ink, "");
        }
        prop_assert_eq!(colored.lines().map(|line| line.trim_end_matches(' ')).collect::<Vec<_>>(), plain.lines().collect::<Vec<_>>());
    }
}

#[test]
fn a_report_of_defaults_renders() {
    let report = Report::new(&Figures::default(), &Health::default(), true, RunInfo::default());
    assert!(text::render(&report, &TextStyle::default()).contains("No request was counted"));
}
