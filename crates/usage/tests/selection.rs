//! Chosen groups of sealed hours have the figures of a fresh run whose filter admits nothing else.

mod traffic;

use std::collections::BTreeMap;

use borehole_record::{Count, Timestamp, UtcHour};
use borehole_usage::figures::{Figures, MinuteFigures};
use borehole_usage::{
    CoverageId, Dimension, Filter, HourSummary, Question, SealedHour, Selected, Selection, Totals, outline,
};
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
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

/// A filter of accounts, Regions and base models, and the same of groups by these and others.
#[derive(Debug, Clone)]
struct Choice {
    filter: Filter,
    by: Vec<Dimension>,
}

impl Choice {
    fn admits(&self, key: &[Option<&str>]) -> bool {
        self.by.iter().zip(key).all(|(dimension, value)| {
            let words = match dimension {
                Dimension::Account => &self.filter.accounts,
                Dimension::Region => &self.filter.regions,
                Dimension::Model => &self.filter.models,
                _ => return true,
            };
            words.is_empty() || value.is_some_and(|value| words.iter().any(|word| word == value))
        })
    }

    fn figures(&self, hours: &[SealedHour], question: &Question) -> Selected {
        let mut selection = Selection::new();
        hours.iter().for_each(|hour| selection.insert(hour, &|key| self.admits(key)));
        selection.figures(question, &traffic::coverage())
    }
}

fn choices() -> impl Strategy<Value = Choice> {
    let words =
        |words: &[&str]| subsequence(words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>(), 0..2);
    let filter = (
        words(&["111122223333", "444455556666", "777788889999"]),
        words(&["us-east-1", "eu-west-1"]),
        words(&[traffic::HAIKU, traffic::NOVA]),
    );
    let more = vec![Dimension::Scope, Dimension::Operation, Dimension::InferenceRegion, Dimension::Role];
    (filter, subsequence(more, 0..3), any::<Index>()).prop_map(
        |((accounts, regions, models), more, first)| {
            let mut by = vec![Dimension::Account, Dimension::Region, Dimension::Model];
            by.extend(more);
            let first = first.index(by.len());
            by.rotate_left(first);
            Choice { filter: Filter { accounts, regions, models, ..Filter::default() }, by }
        },
    )
}

/// The figures of a run with the filter, without what a selection leaves out.
fn fresh(records: &[Record], question: &Question, filter: &Filter) -> Figures {
    let question = Question { filter: filter.clone(), rank: Vec::new(), list: None, ..question.clone() };
    let mut totals = Totals::new();
    sealed(&question, records).into_iter().for_each(|hour| totals.insert(hour));
    let figures = totals.figures(&question, &traffic::coverage());
    Figures { unruled_models: BTreeMap::new(), unresolved_profiles: BTreeMap::new(), ..figures }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chosen_groups_have_the_figures_of_a_run_with_that_filter(
        question in traffic::questions(),
        choice in choices(),
        records in traffic::records(60),
    ) {
        let question = Question { by: choice.by.clone(), filter: Filter::default(), ..question };
        let selected = choice.figures(&sealed(&question, &records), &question);
        prop_assert!(selected.has_exact_windows, "few records are all kept by the second");
        prop_assert_eq!(selected.figures, fresh(&records, &question, &choice.filter));
    }

    #[test]
    fn hours_of_an_open_range_serve_any_whole_hours_of_it(
        question in traffic::questions(),
        choice in choices(),
        records in traffic::records(60),
        ends in any::<(Index, Index)>(),
    ) {
        let open = Question { by: choice.by.clone(), filter: Filter::default(), from: None, to: None, ..question };
        let hours: Vec<i64> = traffic::HOURS.collect();
        let (first, last) = (ends.0.get(&hours).min(ends.1.get(&hours)), ends.0.get(&hours).max(ends.1.get(&hours)));
        let [from, end] = [*first, *last + 1].map(traffic::hour);
        let start = |hour: UtcHour| Some(Timestamp::from_seconds(hour.start_seconds()));
        let asked = Question { from: start(from), to: start(end), ..open.clone() };
        let mut within = sealed(&open, &records);
        within.retain(|hour| from <= hour.hour() && hour.hour() < end);
        let selected = choice.figures(&within, &asked);
        prop_assert_eq!(selected.figures, fresh(&records, &asked, &choice.filter));
    }

    #[test]
    fn an_outline_has_what_is_counted_for_all_groups(
        question in traffic::questions(),
        records in traffic::records(60),
    ) {
        let hours = sealed(&question, &records);
        let outline = outline(&question, &hours);
        let mut totals = Totals::new();
        hours.into_iter().for_each(|hour| totals.insert(hour));
        let figures = totals.figures(&question, &traffic::coverage());
        let Figures { by, models_folded, unruled_models, unresolved_profiles, .. } = figures;
        let counted = Figures { by, models_folded, unruled_models, unresolved_profiles, ..Figures::default() };
        prop_assert_eq!(outline, counted);
    }

    #[test]
    fn each_group_is_given_with_its_counted_records(
        question in traffic::questions(),
        choice in choices(),
        records in traffic::records(60),
    ) {
        let question = Question { by: choice.by.clone(), top: None, ..question };
        let hours = sealed(&question, &records);
        let mut given: BTreeMap<Vec<Option<String>>, u64> = BTreeMap::new();
        for hour in &hours {
            hour.each_group(&mut |key, attempted| {
                let key = key.iter().map(|value| value.map(str::to_owned)).collect();
                *given.entry(key).or_default() += attempted;
            });
        }
        let mut totals = Totals::new();
        hours.into_iter().for_each(|hour| totals.insert(hour));
        let groups = totals.figures(&question, &traffic::coverage()).groups.into_iter();
        let expected = groups
            .map(|group| (group.key.into_iter().map(|(_, value)| value).collect(), group.attempted))
            .collect::<BTreeMap<_, _>>();
        prop_assert_eq!(given, expected);
    }
}

/// An attempt in every second of an hour, in these accounts by turns.
fn busy(accounts: &[&str]) -> Vec<Record> {
    let call = |account: &str| {
        let mut facets = borehole_record::Facets::clone(&traffic::facets(traffic::NOVA));
        facets.call =
            borehole_record::Call { account: Some(account.into()), ..(*facets.call).clone() }.into();
        std::sync::Arc::new(facets)
    };
    let facets: Vec<_> = accounts.iter().map(|account| call(account)).collect();
    let start = traffic::hour(1).start_seconds();
    (0..3_600)
        .map(|second| {
            let record = traffic::invocation(start + second, &facets[second as usize % facets.len()]);
            let tokens = Count::known(1 + second as u64 % 977);
            (borehole_record::Invocation { input_tokens: tokens, ..record }, CoverageId::NONE)
        })
        .collect()
}

#[test]
fn windows_are_exact_for_one_busy_group_and_else_lower_bounds_that_are_said_to_be_so() {
    let by = vec![Dimension::Account, Dimension::Region, Dimension::Model];
    for all_seconds in [false, true] {
        let question = Question { by: by.clone(), all_seconds, ..Question::default() };
        let records = busy(&["111122223333", "444455556666"]);
        let hours = sealed(&question, &records);
        let chosen = |accounts: &[&str]| {
            let accounts = accounts.iter().map(|&account| account.to_owned()).collect();
            let choice = Choice { filter: Filter { accounts, ..Filter::default() }, by: by.clone() };
            (choice.figures(&hours, &question), fresh(&records, &question, &choice.filter))
        };
        let (one, expected) = chosen(&["444455556666"]);
        assert!(one.has_exact_windows);
        assert_eq!(one.figures, expected);

        let (both, expected) = chosen(&[]);
        assert_eq!(both.has_exact_windows, all_seconds);
        if all_seconds {
            assert_eq!(both.figures, expected, "all seconds are there to be added up");
            continue;
        }
        let sliding = |figures: &Figures| {
            let per_minute = [&figures.totals.tokens_per_minute, &figures.totals.requests_per_minute];
            per_minute.map(|figures| figures.as_ref().expect("active minutes").peak_sliding_60s)
        };
        let (found, exact) = (sliding(&both.figures), sliding(&expected));
        assert!(found.iter().zip(&exact).all(|(found, exact)| found <= exact), "{found:?} {exact:?}");
        assert_ne!(found, exact, "two busy halves of a minute are more than either");
        let without_windows = |mut figures: Figures| {
            let blank = |minutes: &mut Option<MinuteFigures>| {
                minutes.iter_mut().for_each(|minutes| (minutes.peak_sliding_60s, minutes.burst) = (0, None));
            };
            blank(&mut figures.totals.tokens_per_minute);
            blank(&mut figures.totals.requests_per_minute);
            figures
        };
        assert_eq!(without_windows(both.figures), without_windows(expected));
    }
}
