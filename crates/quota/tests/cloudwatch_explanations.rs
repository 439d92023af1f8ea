//! Each explanation on a small log written by hand, and the ranges, periods and rows of a sheet.

mod cloudwatch_support;

use borehole_quota::QuotaKey;
use borehole_quota::cloudwatch::{
    Attribution, CloudWatchError, Compared, Definition, Explanation, Metric, Period, Reconciliation, Side,
    Silence, Surplus,
};
use borehole_record::{Scope, UtcHour, UtcMinute};
use borehole_usage::Charge;
use cloudwatch_support::{
    Call, FIVEFOLD, START, at, by_minute, cloudwatch, findings, key, log_at, log_of, reconciled, sum,
    try_reconciled,
};
use proptest::prelude::*;

fn minute(minutes: i64) -> UtcMinute {
    UtcMinute(START / 60 + minutes)
}

/// So many calls in each minute.
fn calls_by_minute(counts: &[i64]) -> Vec<Call> {
    let minutes = counts.iter().enumerate();
    minutes.flat_map(|(minute, &count)| (0..count).map(move |_| Call::ok(minute as i64 * 60))).collect()
}

/// `Invocations` by minute against calls by minute.
fn of_counts(theirs: &[&str], ours: &[i64]) -> Reconciliation {
    let cloudwatch = by_minute("Invocations", theirs);
    reconciled(&cloudwatch, &log_of(&cloudwatch, &calls_by_minute(ours)))
}

fn definition_of(sheet: &Reconciliation) -> Option<Explanation> {
    sheet.explanations.iter().copied().find(|found| matches!(found, Explanation::Definition { .. }))
}

#[test]
fn where_all_is_equal_that_is_all_there_is_to_say() {
    let sheet = of_counts(&["3", "2", "1"], &[3, 2, 1]);
    assert_eq!(findings(&sheet), [Explanation::Agreement { periods: 3 }]);
    assert_eq!(sheet.attribution, Attribution::Start);
    assert!(sheet.outside.is_empty() && sheet.worst.is_empty() && sheet.without_model);
}

#[test]
fn the_definition_that_fits_is_found_and_the_other_is_no_difference() {
    let calls =
        [Call::ok(0), Call::ok(1), Call::failed(2), Call::throttled(3), Call::ok(60), Call::failed(61)];
    for (values, expected, misfits) in [
        (["2", "1"], Some(Definition::Successful), (0, 2)),
        (["3", "2"], Some(Definition::Accepted), (2, 0)),
        // One period fits the one, one the other.
        (["3", "1"], None, (1, 1)),
    ] {
        let rows = values.map(|value| format!("{value},"));
        let cloudwatch = by_minute("Invocations,InvocationThrottles", &rows.each_ref().map(|row| &**row));
        let sheet = reconciled(&cloudwatch, &log_of(&cloudwatch, &calls));
        let (misfit_successful, misfit_accepted) = misfits;
        assert_eq!(
            definition_of(&sheet),
            Some(Explanation::Definition { better: expected, misfit_successful, misfit_accepted, failed: 2 })
        );
        if expected.is_some() {
            assert_eq!(sheet.definition, expected);
            let worst: Vec<Compared> = sheet.worst.iter().map(|worst| worst.compared).collect();
            assert_eq!(worst, [Compared::Throttles], "the other reading is not ranked");
        }
    }
}

#[test]
fn calls_that_are_counted_where_they_end_are_attributed_there() {
    let calls: Vec<Call> =
        (0..5).map(|minute| Call::ok(minute * 60 + 50).took_ms(10_000)).chain([Call::ok(0)]).collect();
    let cloudwatch = by_minute("Invocations", &["1", "1", "1", "1", "1", "1"]);
    let mut log = log_of(&cloudwatch, &calls);
    log.set_range(at(0), at(360));
    let sheet = reconciled(&cloudwatch, &log);
    assert_eq!(sheet.attribution, Attribution::End);
    assert_eq!(
        findings(&sheet),
        [
            Explanation::Agreement { periods: 6 },
            Explanation::CountedAtEnd { misfit_by_start: 2, misfit_by_end: 0 }
        ]
    );
    // A millisecond less, and the call ends in the minute in which it starts.
    let calls: Vec<Call> = (0..5).map(|minute| Call::ok(minute * 60 + 50).took_ms(9_999)).collect();
    let sheet = reconciled(&cloudwatch, &log_of(&cloudwatch, &calls));
    assert_eq!(sheet.attribution, Attribution::Start);
}

#[test]
fn what_neighbouring_periods_exchange_is_neither_missing_nor_too_much() {
    let sheet = of_counts(&["5", "4", "6", "5", "5"], &[5, 5, 5, 5, 5]);
    let of = Compared::InvocationsSuccessful;
    assert_eq!(findings(&sheet), [Explanation::Neighbours { of, count: 1, pairs: 1 }]);
    assert_eq!(sheet.worst.len(), 2);
}

#[test]
fn calls_that_the_log_lacks_are_sorted_by_where_they_are() {
    let cloudwatch = by_minute("Invocations", &vec!["4"; 130]);
    let counts: Vec<i64> = (0..130)
        .map(|minute| match minute {
            // 08:00 to 09:00 is a gap.
            60..120 => 0,
            10..13 => 0,
            20 => 1,
            _ => 4,
        })
        .collect();
    let mut log = log_of(&cloudwatch, &calls_by_minute(&counts));
    let gap = UtcHour(START / 3_600 + 1);
    log.add_gap(gap, UtcHour(gap.0 + 1));
    let of = Compared::InvocationsSuccessful;
    let not_logged = |place, count, periods, first, last| Explanation::NotLogged {
        place,
        of,
        count,
        periods,
        first: minute(first),
        last: minute(last),
    };
    assert_eq!(
        findings(&reconciled(&cloudwatch, &log)),
        [
            not_logged(Silence::Gap, 240, 60, 60, 119),
            not_logged(Silence::NoRecords, 12, 3, 10, 12),
            not_logged(Silence::FewerRecords, 3, 1, 20, 20),
        ]
    );
}

#[test]
fn a_log_that_holds_more_is_told_apart_from_a_cut_last_period() {
    let of = Compared::InvocationsSuccessful;
    let more = |place, count, minutes: i64| Explanation::LogHoldsMore {
        place,
        of,
        count,
        periods: 1,
        first: minute(minutes),
        last: minute(minutes),
    };
    let sheet = of_counts(&["9", "9", "9", "9", "2"], &[9, 11, 9, 9, 9]);
    assert_eq!(findings(&sheet), [more(Surplus::LastPeriod, 7, 4), more(Surplus::Elsewhere, 2, 1)]);
}

#[test]
fn throttles_beyond_the_logs_make_it_a_lower_bound() {
    let log = [Call::ok(0), Call::throttled(1), Call::ok(60)];
    for (throttles, expected) in [
        ("5", Explanation::ThrottlesNotLogged { missing: 4, of: 5 }),
        ("0", Explanation::ThrottlesOnlyLogged { count: 1 }),
    ] {
        let cloudwatch = by_minute("Invocations,InvocationThrottles", &[&format!("1,{throttles}"), "1,"]);
        let sheet = reconciled(&cloudwatch, &log_of(&cloudwatch, &log));
        assert_eq!(findings(&sheet), [expected]);
        assert!(expected.is_likely());
    }
}

#[test]
fn errors_are_compared_together_and_a_missing_half_is_named() {
    let log = [Call::ok(0), Call::failed(1), Call::ok(60)];
    let both = by_minute("Invocations,InvocationClientErrors,InvocationServerErrors", &["1,2,1", "1,,"]);
    let sheet = reconciled(&both, &log_of(&both, &log));
    assert_eq!(findings(&sheet), [Explanation::ErrorsNotLogged { missing: 2, of: 3 }]);
    let half = by_minute("Invocations,InvocationClientErrors", &["1,1", "1,"]);
    let sheet = reconciled(&half, &log_of(&half, &log));
    assert_eq!(
        findings(&sheet),
        [
            Explanation::Agreement { periods: 2 },
            Explanation::ErrorsInPart { missing: Metric::InvocationServerErrors }
        ]
    );
}

#[test]
fn calls_of_unknown_tokens_explain_what_tokens_lack() {
    let cloudwatch = by_minute("Invocations,InputTokenCount", &["2,20", "1,10"]);
    let calls = [Call::ok(0), Call::ok(1).without_tokens(), Call::ok(60)];
    let sheet = reconciled(&cloudwatch, &log_of(&cloudwatch, &calls));
    assert_eq!(findings(&sheet), [Explanation::UnknownTokens { calls: 1 }]);
}

#[test]
fn input_that_holds_cached_tokens_is_recognised() {
    let cloudwatch = by_minute("Invocations,InputTokenCount", &["1,1500", "1,1500"]);
    let calls = [0, 60].map(|second| Call::ok(second).input(100).cache(1_000, 400));
    let sheet = reconciled(&cloudwatch, &log_of(&cloudwatch, &calls));
    assert_eq!(findings(&sheet), [Explanation::InputHoldsCache]);
}

#[test]
fn another_burndown_is_solved_for_where_the_numbers_of_calls_agree() {
    // 1,000 + rate × 100 a call; the third minute lacks a call of the log and must not disturb.
    let calls: Vec<Call> =
        (0..4).map(|minute| Call::ok(minute * 60).input(900).cache(7, 100).output(100)).collect();
    for (usage, rules, fits) in [
        ("2500", Some(5), Some(15)),
        ("2500", None, Some(15)),
        ("1300", Some(5), Some(3)),
        ("1500", Some(5), None),
        ("1500", None, Some(5)),
        ("1501", Some(5), None),
    ] {
        let minute = format!("1,{usage}");
        let cloudwatch =
            by_minute("Invocations,EstimatedTPMQuotaUsage", &[&minute, &minute, "9,99999", &minute]);
        let log = log_at(&cloudwatch, &calls, Charge { burndown: rules, ..FIVEFOLD });
        let sheet = reconciled(&cloudwatch, &log);
        let burndown = findings(&sheet).into_iter().find_map(|found| match found {
            Explanation::Burndown { rules, fits, misfit, periods, .. } => {
                Some((rules, fits, misfit, periods))
            }
            _ => None,
        });
        assert_eq!(burndown, fits.map(|fits| (rules, fits, 0, 3)), "{usage} by {rules:?}");
        let is_unknown = findings(&sheet).contains(&Explanation::RateUnknown);
        assert_eq!(
            (is_unknown, sum(&sheet, Compared::Settled).log.is_none()),
            (rules.is_none(), rules.is_none())
        );
    }
}

#[test]
fn models_of_several_rates_are_not_solved_for() {
    let cloudwatch = by_minute("EstimatedTPMQuotaUsage", &["30", "30"]);
    let mut log = log_of(&cloudwatch, &[Call::ok(0)]);
    let other = QuotaKey { scope: Scope::Global, ..key() };
    log.add(&other, cloudwatch_support::attempts(&[Call::ok(60)]), |_| Charge {
        burndown: Some(1),
        ..FIVEFOLD
    });
    let sheet = reconciled(&cloudwatch, &log);
    assert!(!findings(&sheet).iter().any(|found| matches!(found, Explanation::Burndown { .. })));
    assert_eq!(sum(&sheet, Compared::Settled).log, Some(15 + 11));
}

#[test]
fn a_file_of_local_time_is_found_out() {
    // A day with a shape, by quarter of an hour, exported as of two hours east.
    let shape: Vec<i64> = (0..96).map(|quarter| (quarter * 7) % 23 + 1).collect();
    let calls: Vec<Call> =
        (0i64..).zip(&shape).flat_map(|(at, &n)| (0..n).map(move |_| Call::ok(at * 900))).collect();
    let rows = |seconds: i64, spell: &dyn Fn(i64) -> String| -> String {
        let rows = (0i64..).zip(&shape).map(|(at, n)| format!("{},{n}\n", spell(START + at * 900 + seconds)));
        rows.collect()
    };
    let zoned = |second: i64| {
        borehole_record::Timestamp::from_seconds(second).to_string().replace('T', " ").replace('Z', "")
    };
    let local = cloudwatch(&format!("time,Invocations\n{}", rows(7_200, &zoned)));
    let found = findings(&reconciled(&local, &log_of(&local, &calls)));
    assert!(
        matches!(
            found[..],
            [_, Explanation::Shifted { seconds: 7_200, moved_misfit: 0, may_be_zone: true, .. }]
        ),
        "{found:?}"
    );
    // With offsets in the file nobody can have mistaken the zone: only one period either way is tried.
    let certain = cloudwatch(&format!("time,Invocations\n{}", rows(7_200, &|second| second.to_string())));
    let found = findings(&reconciled(&certain, &log_of(&certain, &calls)));
    assert!(!found.iter().any(|found| matches!(found, Explanation::Shifted { .. })), "{found:?}");
    let late = cloudwatch(&format!("time,Invocations\n{}", rows(900, &|second| second.to_string())));
    let found = findings(&reconciled(&late, &log_of(&late, &calls)));
    assert!(
        found
            .iter()
            .any(|found| matches!(found, Explanation::Shifted { seconds: 900, may_be_zone: false, .. })),
        "{found:?}"
    );
}

#[test]
fn an_odd_period_at_an_end_is_no_shift() {
    let of = Compared::InvocationsSuccessful;
    let (first, last) = (minute(9), minute(9));
    let cut = Explanation::LogHoldsMore { place: Surplus::LastPeriod, of, count: 7, periods: 1, first, last };
    let theirs = ["9", "9", "9", "9", "9", "9", "9", "9", "9", "2"];
    assert_eq!(findings(&of_counts(&theirs, &[9; 10])), [cut]);
}

#[test]
fn a_sliver_that_fits_by_chance_is_no_shift() {
    // Moved by 14 hours only one quarter of an hour overlaps, and there both sides have 100.
    let zoned = |at: i64| {
        let time = borehole_record::Timestamp::from_seconds(START + at * 900).to_string();
        format!("{},{}\n", time.replace('T', " ").replace('Z', ""), if at == 0 { 100 } else { 10 })
    };
    let cloudwatch = cloudwatch(&format!("time,Invocations\n{}", (0..57).map(zoned).collect::<String>()));
    let calls: Vec<Call> = (0..57)
        .flat_map(|at| (0..if at == 56 { 100 } else { 10 }).map(move |_| Call::ok(at * 900)))
        .collect();
    let found = findings(&reconciled(&cloudwatch, &log_of(&cloudwatch, &calls)));
    assert!(!found.iter().any(|found| matches!(found, Explanation::Shifted { .. })), "{found:?}");
    assert_eq!(found.len(), 2);
}

#[test]
fn a_steady_load_is_never_called_shifted() {
    let sheet = of_counts(&["10"; 30], &[11; 30]);
    let found = findings(&sheet);
    assert!(
        matches!(found[..], [Explanation::LogHoldsMore { .. }, Explanation::LogHoldsMore { .. }]),
        "{found:?}"
    );
}

#[test]
fn only_the_common_range_is_summed_and_the_rest_is_named() {
    let cloudwatch = by_minute("Invocations", &["1", "1", "1", "1"]);
    let calls: Vec<Call> = (-3..2).map(|minute| Call::ok(minute * 60)).collect();
    let sheet = reconciled(&cloudwatch, &log_of(&cloudwatch, &calls));
    let common = sheet.common.expect("two minutes");
    assert_eq!((common.from, common.to), (minute(0), minute(2)));
    assert_eq!(sum(&sheet, Compared::InvocationsSuccessful).cloudwatch, Some(2));
    let outside: Vec<_> =
        sheet.outside.iter().map(|outside| (outside.side, outside.range.from, outside.calls)).collect();
    assert_eq!(outside, [(Side::CloudWatch, minute(2), Some(2)), (Side::Log, minute(-3), Some(3))]);
    assert_eq!(
        findings(&sheet),
        [
            Explanation::Agreement { periods: 2 },
            Explanation::LogStartsEarlier { files_from: minute(0), kept_days: 15 },
        ]
    );
    // Told that more was read, the log's silence counts.
    let mut log = log_of(&cloudwatch, &calls);
    log.set_range(at(30), at(4 * 60 + 59));
    let sheet = reconciled(&cloudwatch, &log);
    let common = sheet.common.expect("three minutes");
    assert_eq!((common.from, common.to), (minute(1), minute(4)), "whole periods only");
    assert_eq!(sum(&sheet, Compared::InvocationsSuccessful).log, Some(1));
}

#[test]
fn without_a_time_in_common_nothing_is_summed() {
    let cloudwatch = by_minute("Invocations", &["1", "2"]);
    for calls in [&[][..], &[Call::ok(7_200)]] {
        let sheet = reconciled(&cloudwatch, &log_of(&cloudwatch, calls));
        assert_eq!(sheet.common, None);
        assert_eq!(findings(&sheet), [Explanation::NothingInCommon]);
        assert_eq!(sheet.outside[0].calls, Some(3));
        assert!(sheet.rows.is_empty());
        assert_eq!(sum(&sheet, Compared::InvocationsSuccessful).cloudwatch, Some(0));
    }
}

#[test]
fn rows_may_be_days_but_not_finer_than_the_file() {
    let minutes: Vec<String> = (0..2_000).map(|minute| format!("{},1\n", START + minute * 60)).collect();
    let by_minute = cloudwatch(&format!("time,Invocations\n{}", minutes.concat()));
    let calls: Vec<Call> = (0..2_000).map(|minute| Call::ok(minute * 60)).collect();
    let log = log_of(&by_minute, &calls);
    let sheet = try_reconciled(&by_minute, &log, Some(Period::DAY)).expect("days");
    let rows: Vec<(String, u128)> =
        sheet.rows.iter().map(|row| (row.start.to_string(), row.cells[0].cloudwatch)).collect();
    let expected = [("2024-03-11T00:00:00Z", 17 * 60), ("2024-03-12T00:00:00Z", 2_000 - 17 * 60)];
    assert_eq!(rows, expected.map(|(day, count)| (day.to_owned(), count)));
    assert_eq!(findings(&sheet), [Explanation::Agreement { periods: 2_000 }], "compared by minute");

    let days = cloudwatch("time,Invocations\n2024-03-11,1440\n2024-03-12,1440\n");
    let error = try_reconciled(&days, &log_of(&days, &calls), Some(Period::MINUTE));
    assert_eq!(error, Err(CloudWatchError::SheetTooFine { file: Period::DAY }));
}

#[test]
fn an_export_of_days_from_seven_has_days_from_seven() {
    let text = format!("time,Invocations\n{START},1440\n{},1440\n", START + 86_400);
    let days = cloudwatch(&text);
    let calls: Vec<Call> = (0..2_880).map(|minute| Call::ok(minute * 60)).collect();
    assert_eq!(findings(&reconciled(&days, &log_of(&days, &calls))), [Explanation::Agreement { periods: 2 }]);
}

#[test]
fn the_five_worst_rows_are_those_that_differ_most_in_parts_of_their_metric() {
    // One call of 100 weighs as much as 1 % of the tokens.
    let cloudwatch = by_minute("Invocations,InputTokenCount", &["10,1000"; 10]);
    let calls: Vec<Call> = (0..100)
        .filter(|at| *at != 35)
        .map(|at| Call::ok(at / 10 * 60).input(if at / 10 == 7 { 50 } else { 100 }))
        .collect();
    let sheet = reconciled(&cloudwatch, &log_of(&cloudwatch, &calls));
    let worst: Vec<_> =
        sheet.worst.iter().map(|worst| (worst.start, worst.compared, worst.cloudwatch, worst.log)).collect();
    assert_eq!(
        worst,
        [(minute(7), Compared::Input, 1_000, 500), (minute(3), Compared::InvocationsSuccessful, 10, 9)]
    );
}

#[test]
fn the_largest_sums_do_not_overflow() {
    let largest = u64::MAX.to_string();
    let cell = [&*largest; 9].join(",");
    let metrics = Metric::ALL.map(Metric::name).join(",");
    let cloudwatch = by_minute(&metrics, &[&cell, &cell, &cell]);
    let calls: Vec<Call> = (0..3)
        .map(|minute| {
            let most = 1 << 40;
            Call::ok(minute * 60).input(most).output(most).cache(most, most).took_ms(u64::MAX - 1)
        })
        .collect();
    let sheet = reconciled(&cloudwatch, &log_of(&cloudwatch, &calls));
    assert_eq!(sum(&sheet, Compared::Errors).cloudwatch, Some(6 * u128::from(u64::MAX)));
    assert!(!sheet.worst.is_empty());
}

proptest! {
    /// Whatever is moved, missing or too much: the explanations account for every call, and the rows for every sum.
    #[test]
    fn explanations_account_for_every_call(theirs in prop::collection::vec(0..9u32, 2..40), ours in prop::collection::vec(0..9i64, 40)) {
        let cells: Vec<String> = theirs.iter().map(u32::to_string).collect();
        let cells: Vec<&str> = cells.iter().map(|cell| &**cell).collect();
        let cloudwatch = by_minute("Invocations", &cells);
        let mut log = log_of(&cloudwatch, &calls_by_minute(&ours));
        log.set_range(at(0), at(40 * 60));
        let sheet = reconciled(&cloudwatch, &log);
        let (mut more, mut less, mut moved) = (0, 0, 0);
        for found in findings(&sheet) {
            match found {
                Explanation::NotLogged { count, .. } => more += count,
                Explanation::LogHoldsMore { count, .. } => less += count,
                Explanation::Neighbours { count, .. } => moved += count,
                Explanation::Shifted { .. } => return Ok(()),
                _ => {}
            }
        }
        let sum = sum(&sheet, Compared::InvocationsSuccessful);
        prop_assert_eq!(sum.cloudwatch.map(|calls| calls + less), sum.log.map(|calls| calls + more));
        prop_assert_eq!(sum.misfit, more + less + 2 * moved);
        prop_assert_eq!(findings(&sheet).iter().any(|found| matches!(found, Explanation::Agreement { .. })), sum.misfit == 0 && sum.active > 0);
        let of_rows = |side: fn(&borehole_quota::cloudwatch::SheetCell) -> u128| -> u128 {
            let cells = sheet.rows.iter().flat_map(|row| &row.cells);
            cells.filter(|cell| cell.compared == Compared::InvocationsSuccessful).map(side).sum()
        };
        prop_assert_eq!(Some(of_rows(|cell| cell.cloudwatch)), sum.cloudwatch);
        prop_assert_eq!(Some(of_rows(|cell| cell.log.unwrap_or(0))), sum.log);
    }
}
