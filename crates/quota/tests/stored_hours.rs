//! Hours of attempts that are kept as bytes: a book filled from them is the book that was filled from the log, and
//! damage never panics.

use std::collections::BTreeMap;
use std::sync::Arc;

use borehole_quota::attribution::{Findings, KnownQuotas};
use borehole_quota::{Attempt, AttemptBook, Caller, HourBook, Keep, QuotaKey, ThrottledRequest};
use borehole_record::{
    Call, ContentKinds, Count, Facets, Invocation, ProfileMap, RequestId, Timestamp, UtcHour,
};
use borehole_usage::Charge;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const FIRST: UtcHour = UtcHour(475_000);
const HOURS: i64 = 12;

fn any_facets() -> impl Strategy<Value = Arc<Facets>> {
    let text = |texts: &'static [&'static str]| proptest::option::of(select(texts.to_vec()));
    let models =
        vec!["us.anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-lite-v1:0", "", "known-profile"];
    let callers = text(&["anna", "bob", "carl", ""]);
    let errors = prop_oneof![2 => Just(None), 1 => text(&["ThrottlingException", "ValidationException"])];
    (
        text(&["111122223333", "444455556666"]),
        text(&["us-east-1"]),
        select(models),
        callers,
        errors,
        text(&["red", ""]),
    )
        .prop_map(|(account, region, model, identity, error, team)| {
            let call = Call {
                account: account.map(Into::into),
                region: region.map(Into::into),
                model_id: model.into(),
                error_code: error.map(Into::into),
                ..Call::default()
            };
            Arc::new(Facets {
                call: call.into(),
                identity: identity.map(Into::into),
                tags: team.into_iter().map(|team| ("team".into(), team.into())).collect(),
                ..Facets::default()
            })
        })
}

fn any_count() -> impl Strategy<Value = Count> {
    prop_oneof![
        Just(Count::UNKNOWN),
        (0u64..300).prop_map(Count::known),
        select(vec![0, 1 << 40, 1 << 53]).prop_map(Count::known),
    ]
}

fn any_invocation() -> impl Strategy<Value = Invocation> {
    let place = (0..HOURS, prop_oneof![select(vec![0i64, 59, 60, 3_599]), 0..3_600i64], 0u64..40);
    let counts = (any_count(), any_count(), any_count(), any_count(), any_count(), any_count());
    (place, any_facets(), counts, (0u16..1 << 10, 0u16..1 << 10)).prop_map(
        |((hour, second, id), facets, counts, kinds)| Invocation {
            timestamp: Timestamp::from_seconds((FIRST.0 + hour) * 3_600 + second),
            request_id: match id {
                0..4 => RequestId::Missing,
                4..8 => RequestId::Text(format!("request {id}").into()),
                _ => RequestId::Uuid((u128::from(id) << 90).to_be_bytes()),
            },
            facets,
            input_tokens: counts.0,
            output_tokens: counts.1,
            cache_read_tokens: counts.2,
            cache_write_tokens: counts.3,
            cache_write_5m_tokens: Count::UNKNOWN,
            cache_write_1h_tokens: Count::UNKNOWN,
            images: 0,
            documents: 0,
            max_tokens: counts.4,
            latency_ms: counts.5,
            first_byte_ms: Count::UNKNOWN,
            input_bytes: Count::UNKNOWN,
            output_bytes: Count::UNKNOWN,
            input_kinds: ContentKinds(kinds.0),
            output_kinds: ContentKinds(kinds.1),
            http_status: 200,
            input_large: false,
            output_large: false,
            payload_lost: false,
            object: 0,
            offset: id,
        },
    )
}

/// Up to so many, each with an offset of its own: no two records of an object begin at one place.
fn invocations(max: usize) -> impl Strategy<Value = Vec<Invocation>> {
    vec(any_invocation(), 0..max).prop_map(|mut invocations| {
        (0..).zip(&mut invocations).for_each(|(offset, invocation)| invocation.offset = offset);
        invocations
    })
}

fn any_book() -> impl Strategy<Value = (Keep, Option<String>)> {
    let keeps = vec![Keep::All, Keep::Worst(1), Keep::Worst(3)];
    (select(keeps), proptest::option::of(Just("team".to_owned())))
}

fn empty_book((keep, tag): &(Keep, Option<String>)) -> AttemptBook {
    let mut profiles = ProfileMap::default();
    profiles.insert("known-profile", "amazon.nova-lite-v1:0");
    AttemptBook::new(*keep, profiles, tag.clone())
}

fn hour_of(book: &AttemptBook, hour: UtcHour, invocations: &[Invocation]) -> HourBook {
    let mut open = book.open(hour);
    let of_hour = invocations.iter().filter(|invocation| UtcHour::of(invocation.timestamp) == hour);
    of_hour.for_each(|invocation| open.observe(invocation));
    open
}

fn hours() -> impl Iterator<Item = UtcHour> {
    (0..HOURS).map(|hour| UtcHour(FIRST.0 + hour))
}

/// All that a book says of a quota, with callers by name.
type Told = (Vec<(Attempt, Caller)>, [u64; 3], Vec<ThrottledRequest>, [[u64; 10]; 2]);

fn told(book: &AttemptBook) -> BTreeMap<QuotaKey, Told> {
    let told = book.keys().map(|(key, attempts)| {
        // The numbers of callers differ from run to run.
        let named = attempts.attempts().map(|attempt| {
            let caller = book.callers().get(attempt.caller).clone();
            (Attempt { caller: borehole_quota::CallerId(0), ..attempt }, caller)
        });
        let sums = [attempts.count(), attempts.throttled(), attempts.busiest_minute()];
        let kinds = [attempts.input_kinds(), attempts.output_kinds()];
        (key.clone(), (named.collect(), sums, attempts.named_throttles(10), kinds))
    });
    told.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_book_from_bytes_is_the_book_from_the_log(
        asked in any_book(),
        invocations in invocations(120),
        again in invocations(60),
        from_bytes in vec(any::<[bool; 2]>(), HOURS as usize),
        order in Just(hours().collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let (mut expected, mut found) = (empty_book(&asked), empty_book(&asked));
        let close = |expected: &mut AttemptBook, found: &mut AttemptBook, hour, invocations: &[_], from_bytes| {
            let closed = hour_of(expected, hour, invocations);
            let bytes = closed.to_bytes();
            expected.close(closed);
            if from_bytes {
                assert_eq!(found.close_bytes(hour, &bytes), Some(()));
            } else {
                found.close(hour_of(found, hour, invocations));
            }
        };
        for &hour in &order {
            let [from_bytes, _] = from_bytes[(hour.0 - FIRST.0) as usize];
            close(&mut expected, &mut found, hour, &invocations, from_bytes);
        }
        // Some hours are closed a second time, with other attempts.
        for hour in hours().step_by(3) {
            let [_, from_bytes] = from_bytes[(hour.0 - FIRST.0) as usize];
            close(&mut expected, &mut found, hour, &again, from_bytes);
        }
        prop_assert_eq!(told(&found), told(&expected));
        expected.finish();
        found.finish();
        prop_assert_eq!(told(&found), told(&expected));
    }

    #[test]
    fn a_book_that_was_kept_goes_on_as_if_it_had_not_been(
        asked in any_book(),
        invocations in invocations(120),
        stop in 0..=HOURS,
        order in Just(hours().collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut whole = empty_book(&asked);
        for (closed, &hour) in order.iter().enumerate() {
            if closed as i64 == stop {
                let mut kept = empty_book(&asked);
                prop_assert_eq!(kept.enter_bytes(&whole.to_bytes()), Some(()));
                prop_assert_eq!(told(&kept), told(&whole));
                prop_assert_eq!(kept.to_bytes(), whole.to_bytes());
                let mut other = kept;
                std::mem::swap(&mut whole, &mut other);
                for &hour in &order[closed..] {
                    other.close(hour_of(&other, hour, &invocations));
                }
                for &hour in &order[closed..] {
                    whole.close(hour_of(&whole, hour, &invocations));
                }
                other.finish();
                whole.finish();
                prop_assert_eq!(told(&whole), told(&other));
                break;
            }
            whole.close(hour_of(&whole, hour, &invocations));
        }
    }

    #[test]
    fn equal_attempts_are_equal_bytes_in_whatever_order_they_came(
        asked in any_book(),
        before in invocations(30),
        (ordered, shuffled) in invocations(60).prop_flat_map(|it| (Just(it.clone()), Just(it).prop_shuffle())),
    ) {
        let book = empty_book(&asked);
        // A book that has seen other hours numbers its callers and quotas otherwise.
        let mut used = empty_book(&asked);
        for hour in hours() {
            used.close(hour_of(&used, hour, &before));
        }
        for hour in hours() {
            let bytes = hour_of(&book, hour, &ordered).to_bytes();
            prop_assert_eq!(hour_of(&used, hour, &shuffled).to_bytes(), bytes);
        }
    }

    #[test]
    fn damaged_hours_are_refused_or_harmless(
        asked in any_book(),
        invocations in invocations(60),
        changes in vec((any::<prop::sample::Index>(), 0u8..5, any::<u8>()), 1..4),
    ) {
        let mut book = empty_book(&asked);
        for hour in hours() {
            let mut bytes = hour_of(&book, hour, &invocations).to_bytes();
            for (place, how, value) in &changes {
                if bytes.is_empty() {
                    break;
                }
                let place = place.index(bytes.len());
                match how {
                    0 => bytes[place] ^= 1 << (value % 8),
                    1 => bytes[place] = *value,
                    2 => drop(bytes.remove(place)),
                    3 => bytes.insert(place, *value),
                    _ => bytes.truncate(place),
                }
            }
            let before = told(&book);
            if book.close_bytes(hour, &bytes).is_none() {
                prop_assert_eq!(told(&book), before, "nothing is entered of what is refused");
            }
        }
        let mut kept = book.to_bytes();
        prop_assert_eq!(empty_book(&asked).enter_bytes(&kept), Some(()));
        for (place, _, value) in &changes {
            let place = place.index(kept.len());
            kept[place] ^= 1 << (value % 8);
        }
        // Of no use where it is refused, but it must not panic.
        let mut entered = empty_book(&asked);
        let _ = entered.enter_bytes(&kept);
        for mut book in [book, entered] {
            book.finish();
            told(&book);
            let _ = Findings::with_known(&book, |_, _| Charge { burndown: Some(5), ..Charge::default() }, |_| {
                KnownQuotas::default()
            });
        }
    }
}

#[test]
fn bytes_of_another_hour_are_refused() {
    let book = empty_book(&(Keep::All, None));
    let bytes = book.open(FIRST).to_bytes();
    let mut other = empty_book(&(Keep::All, None));
    assert_eq!(other.close_bytes(UtcHour(FIRST.0 + 1), &bytes), None);
    assert_eq!(other.close_bytes(FIRST, &bytes), Some(()));
}

#[test]
fn a_books_fingerprint_is_over_its_tag_and_profiles_alone() {
    let book = |keep, tag: Option<&str>| empty_book(&(keep, tag.map(str::to_owned))).fingerprint();
    let plain = book(Keep::All, None);
    assert_eq!(book(Keep::Worst(3), None), plain);
    assert_ne!(book(Keep::All, Some("team")), plain);
    assert_ne!(book(Keep::All, Some("")), plain);
    assert_ne!(AttemptBook::new(Keep::All, ProfileMap::default(), None).fingerprint(), plain);
}
