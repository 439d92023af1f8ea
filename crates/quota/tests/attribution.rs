//! Attribution on small logs whose answer is obvious.

mod logged;

use std::sync::Arc;

use borehole_quota::Keep;
use borehole_quota::attribution::{Attribution, CallerShare, Grouping, Load, Who};
use borehole_usage::figures::Ratio;
use borehole_usage::{Charge, MaxTokens};

use logged::{CHARGE, Call, attempts_of, book_of};

fn of(calls: &[Call], who: Who) -> Attribution {
    let book = book_of(calls, Keep::All);
    let (_, attempts) = book.keys().next().expect("a quota");
    Attribution::of(attempts, book.callers(), &CHARGE, who)
}

fn ratio(numerator: u128, denominator: u128) -> Option<Ratio> {
    Some(Ratio { numerator, denominator })
}

fn name(row: &CallerShare) -> Option<&str> {
    row.who.as_deref()
}

#[test]
fn shares_are_of_the_worst_minutes_and_of_all() {
    // Six minutes; anna has a steady 1,000 in each, bob 9,000 in the last alone.
    let mut calls: Vec<Call> = (0..6).map(|minute| Call::by("anna").at(minute * 60).tokens(900, 0)).collect();
    calls.iter_mut().for_each(|call| call.max_tokens = MaxTokens::Set(100));
    calls.push(Call::by("bob").at(305).tokens(8_900, 0).max_tokens(100));
    let found = of(&calls, Who::Identity);
    assert_eq!(found.load, Load::Reserved);
    assert_eq!(found.worst_minutes.len(), 5);
    assert_eq!(found.worst_minutes[0].load, 10_000);
    assert_eq!(found.worst_minutes[0].busiest_second, 9_000);
    // Of equal minutes the earliest: the one left out is the fifth.
    assert_eq!(found.worst_minutes[4].minute.0 - found.worst_minutes[1].minute.0, 3);
    let rows: Vec<_> =
        found.shares.iter().map(|row| (name(row), row.attempts, row.share_in_worst, row.share)).collect();
    assert_eq!(
        rows,
        [
            (Some("bob"), 1, ratio(9_000, 14_000), ratio(9_000, 15_000)),
            (Some("anna"), 6, ratio(5_000, 14_000), ratio(6_000, 15_000)),
        ]
    );
    assert_eq!(found.settled, Some(6 * 900 + 8_900));
}

#[test]
fn roles_sessions_and_tags_are_told_apart_and_the_unnamed_stay_unnamed() {
    let arn = |session: &str| format!("arn:aws:sts::111122223333:assumed-role/Batch/{session}");
    let calls = [
        Call::by(&arn("one")).tokens(10, 1),
        Call::by(&arn("two")).tokens(20, 1).tag("search"),
        Call::by("arn:aws:iam::111122223333:user/kim").tokens(5, 1),
        Call::anonymous().tokens(1, 1),
    ];
    let names = |who| of(&calls, who).shares.iter().map(|row| row.who.clone()).collect::<Vec<_>>();
    let named = |text: &str| Some(Arc::from(text));
    assert_eq!(names(Who::Role), [named("Batch"), None]);
    assert_eq!(names(Who::Session), [named("two"), named("one"), None]);
    assert_eq!(names(Who::Tag), [named("search"), None]);
    assert_eq!(names(Who::Identity).len(), 4);
}

#[test]
fn load_is_measured_by_what_is_known() {
    let known = Call::by("anna").tokens(10, 10).max_tokens(100);
    let of_one = |call: Call, charge: Charge| {
        let book = book_of(&[call], Keep::All);
        let attempts = attempts_of(&book);
        Attribution::of(attempts, book.callers(), &charge, Who::Identity)
    };
    assert_eq!(of_one(known.clone(), CHARGE).load_sum, 110);
    let unseen = Call { max_tokens: MaxTokens::Unknown, ..known.clone() };
    let settled = of_one(unseen, CHARGE);
    assert_eq!((settled.load, settled.load_sum), (Load::Settled, 60));
    let unruled = of_one(known.clone(), Charge { burndown: None, ..CHARGE });
    assert_eq!((unruled.load, unruled.load_sum, unruled.settled), (Load::Raw, 20, None));
    let nothing = of_one(Call { input: None, output: None, ..known.clone() }, CHARGE);
    assert_eq!((nothing.load, nothing.load_sum, nothing.settled), (Load::Attempts, 1, None));
    assert_eq!(nothing.cache.hit_rate(), None);
    assert_eq!(nothing.cache.saved(), None);
    assert!(nothing.reservations.callers.is_empty() && nothing.reservations.cap.is_none());
    let throttled = of_one(known.throttled(), CHARGE);
    assert_eq!((throttled.load, throttled.throttled), (Load::Attempts, 1));
}

#[test]
fn unset_and_oversized_max_tokens_are_counted_by_caller() {
    let mut calls = Vec::new();
    // 100 answers of 100 tokens: 400 is just not oversized, 401 is.
    for second in 0..100 {
        let limit = if second < 30 { 401 } else { 400 };
        calls.push(Call::by("anna").at(second).tokens(0, 100).max_tokens(limit));
    }
    calls.extend((0..7).map(|second| Call::by("bob").at(second).tokens(0, 100).unset()));
    let found = of(&calls, Who::Identity).reservations;
    let rows: Vec<_> = found
        .callers
        .iter()
        .map(|row| (row.who.as_deref(), row.unset, row.oversized, row.output_p99, row.unused))
        .collect();
    // At a burndown of 5 an answer settles at 500, above what anna reserves.
    assert_eq!(rows, [(Some("bob"), 7, 0, 100, 7 * (64_000 - 500)), (Some("anna"), 0, 30, 100, 0)]);
    assert_eq!(found.unused, 7 * 63_500);
    let cap = found.cap.expect("a cap");
    assert_eq!((cap.max_tokens, cap.cuts, cap.only.as_deref()), (256, 0, None));
    assert_eq!((cap.requests, cap.unset, cap.answers), (107, 7, 107));
    assert_eq!(cap.frees, 7 * (64_000 - 256) + 30 * 145 + 70 * 144);
    assert_eq!(cap.reserved, 7 * 64_000 + 30 * 401 + 70 * 400);
}

#[test]
fn a_cap_for_one_caller_wins_where_another_needs_long_answers() {
    let mut calls: Vec<Call> =
        (0..50).map(|second| Call::by("books").at(second).tokens(0, 60_000).unset()).collect();
    calls.extend((0..50).map(|second| Call::by("chat").at(second).tokens(0, 200).unset()));
    let cap = of(&calls, Who::Identity).reservations.cap.expect("a cap");
    assert_eq!((cap.only.as_deref(), cap.max_tokens), (Some("chat"), 256));
    assert_eq!((cap.frees, cap.answers), (50 * (64_000 - 256), 50));
}

#[test]
fn a_cap_cuts_the_answers_beyond_it() {
    let mut calls: Vec<Call> =
        (0..1_999).map(|second| Call::by("anna").at(second).tokens(0, 200).unset()).collect();
    calls.push(Call::by("anna").at(5).tokens(0, 9_000).unset());
    let cap = of(&calls, Who::Identity).reservations.cap.expect("a cap");
    assert_eq!((cap.max_tokens, cap.cuts, cap.answers), (256, 1, 2_000));
}

#[test]
fn a_model_without_output_has_nothing_to_cap() {
    let book = book_of(&[Call::by("anna").tokens(10, 0).unset()], Keep::All);
    let embedding = Charge { burndown: Some(1), max_output_tokens: Some(0), ..CHARGE };
    let found = Attribution::of(attempts_of(&book), book.callers(), &embedding, Who::Identity);
    assert_eq!((found.reservations.answers, found.load_sum), (0, 10));
}

#[test]
fn caching_saves_what_was_read_and_nothing_of_what_was_written() {
    let calls = [
        Call { cache_read: Some(700), ..Call::by("anna").tokens(200, 10).max_tokens(10) },
        Call { cache_write: Some(100), ..Call::by("anna").at(1).tokens(0, 10).max_tokens(10) },
        Call::by("anna").at(2).throttled(),
    ];
    let cache = of(&calls, Who::Identity).cache;
    assert_eq!(cache.hit_rate(), ratio(700, 1_000));
    assert_eq!(cache.saved(), Some(700));
    assert_eq!((cache.requests, cache.settled), (2, 250 + 150));
    // The same where the logged input holds the cached tokens already.
    let including = Charge { input_includes_cache: true, ..CHARGE };
    let book = book_of(
        &[Call { cache_read: Some(700), ..Call::by("anna").tokens(900, 10).max_tokens(10) }],
        Keep::All,
    );
    let cache = Attribution::of(attempts_of(&book), book.callers(), &including, Who::Identity).cache;
    assert_eq!((cache.hit_rate(), cache.saved()), (ratio(700, 900), Some(700)));
}

#[test]
fn retries_are_attempts_within_a_minute_after_a_throttle_of_the_same_caller() {
    let anna = |second| Call::by("anna").at(second);
    let calls = [
        // Two at once: neither repeats the other.
        anna(0).throttled(),
        anna(0).throttled(),
        anna(1).throttled(),
        anna(3).throttled(),
        anna(4),
        anna(63).throttled(),
        // 61 seconds later is no retry, and a success came between.
        anna(124).throttled(),
        // Somebody else's throttle is no reason.
        Call::by("bob").at(2),
    ];
    let retries = of(&calls, Who::Identity).retries;
    assert_eq!(retries.len(), 1);
    let row = &retries[0];
    assert_eq!(
        (row.who.as_deref(), row.throttled, row.retries, row.throttled_again),
        (Some("anna"), 6, 4, 3)
    );
    assert_eq!(row.longest_run, 2);
    assert_eq!(row.per_throttle(), ratio(4, 6));
}

#[test]
fn nothing_depends_on_the_order_in_which_callers_came() {
    let mut calls = Vec::new();
    for n in 0..200i64 {
        let caller = format!("arn:aws:sts::111122223333:assumed-role/R{}/s{}", n % 3, n % 7);
        let call = Call::by(&caller).at(n * 11 % 600).tokens(100, 10);
        let call = if n % 5 == 0 { call.unset() } else { call.max_tokens(1_000) };
        calls.push(if n % 13 == 0 { call.throttled() } else { call });
    }
    let reversed: Vec<Call> = calls.iter().rev().cloned().collect();
    for who in [Who::Identity, Who::Role, Who::Session, Who::Tag] {
        let (a, b) = (book_of(&calls, Keep::All), book_of(&reversed, Keep::All));
        let order = |book: &borehole_quota::AttemptBook| {
            book.callers().iter().map(|(_, caller)| caller.clone()).collect::<Vec<_>>()
        };
        assert_eq!(order(&a), order(&b), "callers are numbered by their attempts");
        let of = |book: &borehole_quota::AttemptBook| {
            Attribution::of(attempts_of(book), book.callers(), &CHARGE, who)
        };
        assert_eq!(of(&a), of(&b));
    }
}

#[test]
fn f29_the_largest_values_do_not_overflow() {
    // The book adds raw tokens in 64 bits: two counts of one record fit.
    let huge = u64::MAX / 4;
    let calls: Vec<Call> = (0..40)
        .map(|n| Call {
            cache_read: Some(huge),
            cache_write: Some(huge),
            ..Call::by("anna").at(n / 20).tokens(huge, huge).max_tokens(huge)
        })
        .collect();
    let book = book_of(&calls, Keep::All);
    let charge = Charge { burndown: Some(u32::MAX), ..CHARGE };
    let found = Attribution::by(&Grouping::new(book.callers(), Who::Identity), attempts_of(&book), &charge);
    assert_eq!(found.settled, Some(40 * u128::from(u64::MAX)));
    assert_eq!(found.load_sum, 40 * u128::from(huge) * 3);
    assert_eq!(found.cache.saved(), Some(0));
}
