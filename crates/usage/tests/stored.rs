//! What is kept as bytes from one run to the next: it comes back equal, damage never panics, and hours of equal
//! fingerprints are summed up to equal bytes.

mod traffic;

use std::collections::BTreeMap;

use borehole_record::{Timestamp, UtcHour};
use borehole_usage::{
    CoverageSpan, Dimension, Figures, Grain, HourSummary, ListKind, Question, SealedHour, Tally, Totals,
};
use proptest::collection::vec;
use proptest::prelude::*;
use traffic::Record;

fn sealed(question: &Question, records: &[Record]) -> Vec<SealedHour> {
    let mut hours: BTreeMap<UtcHour, HourSummary> = BTreeMap::new();
    for (invocation, coverage) in records {
        let hour = UtcHour::of(invocation.timestamp);
        let summary = hours.entry(hour).or_insert_with(|| HourSummary::new(hour));
        summary.observe(question, invocation, *coverage);
    }
    hours.into_values().map(HourSummary::seal).collect()
}

fn inserted(hours: impl IntoIterator<Item = SealedHour>) -> Totals {
    let mut totals = Totals::new();
    hours.into_iter().for_each(|hour| totals.insert(hour));
    totals
}

fn read(bytes: &[u8]) -> SealedHour {
    SealedHour::from_bytes(bytes).expect("bytes that were just written")
}

/// The bytes with some of them changed; a change is a place, what is done there, and a value.
fn damaged(bytes: &[u8], changes: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (place, how, value) in changes {
        if bytes.is_empty() {
            break;
        }
        let place = place.index(bytes.len());
        match how % 5 {
            0 => bytes[place] ^= 1 << (value % 8),
            1 => bytes[place] = *value,
            2 => drop(bytes.remove(place)),
            3 => bytes.insert(place, *value),
            _ => bytes.truncate(place),
        }
    }
    bytes
}

fn any_changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, u8)>> {
    vec((any::<prop::sample::Index>(), any::<u8>(), any::<u8>()), 1..4)
}

const RECORDS_MAX: usize = 60;

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_sealed_hour_comes_back_equal(
        question in traffic::questions(),
        records in traffic::records(RECORDS_MAX),
    ) {
        for hour in sealed(&question, &records) {
            let bytes = hour.to_bytes();
            let back = read(&bytes);
            prop_assert_eq!(&back.to_bytes(), &bytes);
            prop_assert_eq!(back, hour);
        }
    }

    #[test]
    fn hours_from_bytes_in_any_order_give_the_same_figures(
        question in traffic::questions(),
        old in traffic::records(RECORDS_MAX),
        new in traffic::records(RECORDS_MAX),
        picks in vec(any::<(prop::sample::Index, bool)>(), 8),
    ) {
        let figures = |totals: &Totals| (totals.figures(&question, &traffic::coverage()), totals.tally());
        let (old, new) = (sealed(&question, &old), sealed(&question, &new));
        let mut halves = [Totals::new(), Totals::new()];
        let mut hours: Vec<Vec<u8>> = old.iter().map(SealedHour::to_bytes).collect();
        let mut picks = picks.iter().cycle();
        while !hours.is_empty() {
            let (place, half) = picks.next().expect("a cycle");
            let bytes = hours.swap_remove(place.index(hours.len()));
            halves[usize::from(*half)].insert(read(&bytes));
        }
        let [mut totals, other] = halves;
        totals.merge(other);
        prop_assert_eq!(figures(&totals), figures(&inserted(old.clone())));
        // Stored hours are replaced by hours just summed up, and the other way round.
        let empty = |hour: UtcHour| HourSummary::new(hour).seal();
        for hour in traffic::HOURS.map(traffic::hour) {
            let of = |hours: &[SealedHour]| hours.iter().find(|other| other.hour() == hour).cloned();
            let (old, new) = (of(&old).unwrap_or_else(|| empty(hour)), of(&new).unwrap_or_else(|| empty(hour)));
            if hour.0 % 2 == 0 {
                totals.replace(read(&old.to_bytes()), new);
            } else {
                totals.replace(old, read(&new.to_bytes()));
            }
        }
        prop_assert_eq!(figures(&totals), figures(&inserted(new)));
    }

    /// Whatever is let through can be used like any other hour.
    #[test]
    fn damaged_hours_are_refused_or_harmless(
        question in traffic::questions(),
        records in traffic::records(RECORDS_MAX),
        changes in any_changes(),
    ) {
        let hours = sealed(&question, &records);
        let mut through = BTreeMap::new();
        for hour in &hours {
            if let Some(hour) = SealedHour::from_bytes(&damaged(&hour.to_bytes(), &changes)) {
                prop_assert_eq!(read(&hour.to_bytes()), hour.clone());
                through.insert(hour.hour(), hour);
            }
        }
        let mut totals = Totals::new();
        for (position, hour) in through.values().enumerate() {
            totals.insert(hour.clone());
            if position % 2 == 0 {
                totals.replace(hour.clone(), HourSummary::new(hour.hour()).seal());
                totals.replace(HourSummary::new(hour.hour()).seal(), hour.clone());
            }
        }
        let mut other = Totals::new();
        hours.into_iter().filter(|hour| !through.contains_key(&hour.hour())).for_each(|hour| other.insert(hour));
        totals.merge(other);
        let _ = totals.tally();
        let _ = totals.figures(&question, &traffic::coverage());
        // A question of other dimensions is none of the caller's, but no reason to panic either.
        let other = Question { by: vec![Dimension::Hour, Dimension::Account, Dimension::Model], ..question };
        let _ = totals.figures(&other, &traffic::coverage());
    }

    #[test]
    fn figures_and_tallies_that_were_kept_are_what_they_were(
        question in traffic::questions(),
        records in traffic::records(RECORDS_MAX),
    ) {
        let totals = inserted(sealed(&question, &records));
        let (figures, tally) = (totals.figures(&question, &traffic::coverage()), totals.tally());
        prop_assert_eq!(Tally::from_bytes(&tally.to_bytes()), Some(tally));
        prop_assert_eq!(Figures::from_bytes(&figures.to_bytes()), Some(figures));
    }

    #[test]
    fn damaged_figures_and_tallies_are_refused_or_harmless(
        question in traffic::questions(),
        records in traffic::records(RECORDS_MAX),
        changes in any_changes(),
    ) {
        let hours = sealed(&question, &records);
        let totals = inserted(hours);
        let figures = totals.figures(&question, &traffic::coverage());
        if let Some(figures) = Figures::from_bytes(&damaged(&figures.to_bytes(), &changes)) {
            prop_assert_eq!(Figures::from_bytes(&figures.to_bytes()), Some(figures));
        }
        if let Some(tally) = Tally::from_bytes(&damaged(&totals.tally().to_bytes(), &changes)) {
            prop_assert_eq!(Tally::from_bytes(&tally.to_bytes()), Some(tally));
        }
    }

    #[test]
    fn questions_of_equal_fingerprints_have_equal_figures(
        one in traffic::questions(),
        other in traffic::questions(),
        same in vec(any::<bool>(), 5),
        records in traffic::records(RECORDS_MAX),
    ) {
        let pick = |place: usize| if same[place] { &one } else { &other };
        let mixed = Question {
            series: pick(0).series,
            top: pick(1).top,
            list_max: pick(2).list_max,
            from: pick(3).from,
            to: pick(4).to,
            ..one.clone()
        };
        let coverage = traffic::coverage();
        let is_same_hour = |hour| one.fingerprint(hour).is_some() && one.fingerprint(hour) == mixed.fingerprint(hour);
        if one.figures_fingerprint(&coverage) == mixed.figures_fingerprint(&coverage)
            && traffic::HOURS.map(traffic::hour).all(is_same_hour)
        {
            let figures = |question| inserted(sealed(question, &records)).figures(question, &coverage);
            prop_assert_eq!(figures(&one), figures(&mixed));
        }
    }

    #[test]
    fn hours_of_equal_fingerprints_are_summed_up_equally(
        one in traffic::questions(),
        other in traffic::questions(),
        same in vec(any::<bool>(), 16),
        records in traffic::records(RECORDS_MAX),
    ) {
        // Mostly equal questions, or hardly any two fingerprints would be.
        let mut same = same.into_iter();
        let mut same = || same.next().expect("a word for each field");
        macro_rules! mixed {
            ($($field:ident)*) => {
                Question { $($field: if same() { one.$field.clone() } else { other.$field.clone() },)* }
            };
        }
        let mixed = mixed! {
            by rank cube all_seconds series top list list_max include_outliers now from to filter charges charges_at profiles
        };
        let (ours, theirs) = (sealed(&one, &records), sealed(&mixed, &records));
        for (our, their) in ours.iter().zip(&theirs) {
            let fingerprint = one.fingerprint(our.hour());
            if fingerprint.is_some() && fingerprint == mixed.fingerprint(our.hour()) {
                prop_assert_eq!(our, their);
            }
        }
    }
}

fn question() -> Question {
    Question { now: traffic::now(), ..Question::default() }
}

fn fingerprint(change: impl FnOnce(&mut Question)) -> Option<u128> {
    let mut question = question();
    change(&mut question);
    question.fingerprint(traffic::hour(1))
}

#[test]
fn what_only_the_figures_look_at_is_in_no_fingerprint() {
    let plain = fingerprint(|_| ());
    assert!(plain.is_some());
    assert_eq!(fingerprint(|question| question.series = Some(Grain::Minute)), plain);
    assert_eq!(fingerprint(|question| question.top = Some(3)), plain);
    assert_eq!(fingerprint(|question| question.list_max = 3), plain, "nothing is listed");
    assert_eq!(fingerprint(|question| question.include_outliers = true), plain, "the hour is none");
    let moment = |hour, seconds| Timestamp::from_seconds(traffic::hour(hour).start_seconds() + seconds);
    assert_eq!(fingerprint(|question| question.now = moment(9, 7)), plain);
    assert_eq!(fingerprint(|question| question.from = Some(moment(1, 0))), plain);
    assert_eq!(fingerprint(|question| question.to = Some(moment(2, 0))), plain);
}

#[test]
fn what_the_figures_look_at_is_in_their_fingerprint() {
    let of = |change: &dyn Fn(&mut Question), coverage: &[CoverageSpan]| {
        let mut question = question();
        change(&mut question);
        question.figures_fingerprint(coverage)
    };
    let coverage = traffic::coverage();
    let mut all = vec![
        of(&|_| (), &[]),
        of(&|_| (), &coverage),
        of(&|_| (), &coverage[1..]),
        of(&|question| question.series = Some(Grain::Minute), &[]),
        of(&|question| question.series = Some(Grain::Day), &[]),
        of(&|question| question.top = Some(0), &[]),
        of(&|question| question.top = Some(3), &[]),
        of(&|question| question.from = Some(Timestamp::from_seconds(0)), &[]),
        of(&|question| question.to = Some(Timestamp::from_seconds(0)), &[]),
        of(&|question| question.by = Vec::new(), &[]),
        of(&|question| question.list = Some(ListKind::Errors), &[]),
    ];
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
    assert_eq!(of(&|question| question.now = Timestamp::from_seconds(7), &[]), of(&|_| (), &[]));
}

#[test]
fn what_sealing_looks_at_is_in_the_fingerprint() {
    let words = || vec!["word".to_owned()];
    let mut all = vec![
        fingerprint(|_| ()),
        fingerprint(|question| question.by = Vec::new()),
        fingerprint(|question| question.by.reverse()),
        fingerprint(|question| question.by = vec![Dimension::Tag("team".to_owned())]),
        fingerprint(|question| question.rank = vec![Dimension::Role]),
        fingerprint(|question| question.rank = vec![Dimension::Role, Dimension::Account]),
        fingerprint(|question| question.cube = true),
        fingerprint(|question| question.list = Some(ListKind::Errors)),
        fingerprint(|question| question.list = Some(ListKind::Large)),
        fingerprint(|question| (question.list, question.list_max) = (Some(ListKind::Large), 7)),
        fingerprint(|question| question.filter.models = words()),
        fingerprint(|question| question.filter.regions = words()),
        fingerprint(|question| question.filter.accounts = words()),
        fingerprint(|question| question.filter.identities = words()),
        fingerprint(|question| question.filter.operations = words()),
        fingerprint(|question| {
            question.charges = borehole_usage::Charges::new(std::sync::Arc::new(traffic::Rates))
        }),
        fingerprint(|question| question.profiles.insert("a", "b")),
        fingerprint(|question| question.to = Some(Timestamp::from_seconds(0))),
        question().fingerprint(traffic::hour(-1)),
        Question { include_outliers: true, ..question() }.fingerprint(traffic::hour(-1)),
    ];
    assert!(all.iter().all(Option::is_some));
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

#[test]
fn an_hour_that_is_cut_has_no_fingerprint() {
    let second = |seconds| Timestamp::from_seconds(traffic::hour(1).start_seconds() + seconds);
    for seconds in [1, 3_599] {
        assert_eq!(fingerprint(|question| question.from = Some(second(seconds))), None);
        assert_eq!(fingerprint(|question| question.to = Some(second(seconds))), None);
        assert_eq!(fingerprint(|question| question.now = second(seconds - 86_400)), None);
    }
    let last = Timestamp { nanos: 1, ..second(3_599) };
    assert_eq!(fingerprint(|question| question.to = Some(last)), None);
}

#[test]
fn a_fingerprint_is_the_same_on_every_machine() {
    // Where sealing changes, its number must change with it, and so this one.
    assert_eq!(
        Question::default().fingerprint(UtcHour(474_000)),
        Some(212_126_137_967_375_221_957_678_965_368_212_531_998)
    );
}

#[test]
fn rates_of_another_day_are_other_rates() {
    let charges = borehole_usage::Charges::new(std::sync::Arc::new(traffic::Rates));
    let question = Question { charges, include_outliers: true, ..question() };
    let at = |seconds| Question { charges_at: Some(Timestamp::from_seconds(seconds)), ..question.clone() };
    let hour = traffic::hour(1);
    assert_eq!(question.fingerprint(hour), at(traffic::YEAR_2023).fingerprint(hour));
    assert_ne!(question.fingerprint(hour), at(traffic::YEAR_2023 - 1).fingerprint(hour));
}
