//! Sealed hours to totals and figures, on one thread.
//!
//! In: a corpus of one day, repeated on so many days that there is a month of hours. Out: hours a second that
//! totals insert and merge, and the time the figures take. Always: a merge of any halves gives the same figures,
//! over as many requests as the truth says for each day.

use std::collections::BTreeMap;

use borehole_benches::{Corpus, Shape, Size, checksum, tell};
use borehole_record::{Invocation, UtcDay, UtcHour};
use borehole_usage::{CoverageId, Dimension, HourSummary, Question, SealedHour, Totals};
use criterion::{BatchSize, Criterion, Throughput};

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    bench(&mut criterion, Size::of_this_run());
    criterion.final_summary();
}

fn bench(criterion: &mut Criterion, size: Size) {
    let corpus = Corpus::new(Shape::Small, size);
    let day: Vec<Invocation> = corpus.invocations(1).into_values().flatten().collect();
    let days = size.pick(2, 30);
    let by_default = Question::default();
    let by_minute = Question { by: vec![Dimension::Minute, Dimension::Identity], ..Question::default() };

    let mut group = criterion.benchmark_group("merge");
    for (question, word) in [(&by_default, "default"), (&by_minute, "minute-identity")] {
        let sealed = seal_days(&day, days, question);
        let whole = inserted(sealed.clone());
        let (even, odd) = halves(&sealed);
        let expected = checksum(&whole.figures(question, &[]));
        assert_eq!(whole.tally().counted, corpus.requests * days);
        assert_eq!(checksum(&merged(even.clone(), odd.clone()).figures(question, &[])), expected);
        assert_eq!(checksum(&merged(odd.clone(), even.clone()).figures(question, &[])), expected);
        tell(&format!("merge/{word}"), sealed.len() as u64, "hours", expected);

        group.throughput(Throughput::Elements(sealed.len() as u64));
        group.bench_function(format!("insert/{word}"), |bencher| {
            bencher.iter_batched(|| sealed.clone(), inserted, BatchSize::LargeInput);
        });
        group.bench_function(format!("merge/{word}"), |bencher| {
            let halves = || (even.clone(), odd.clone());
            bencher.iter_batched(halves, |(even, odd)| merged(even, odd), BatchSize::LargeInput);
        });
        group.bench_function(format!("figures/{word}"), |bencher| {
            bencher.iter_with_large_drop(|| whole.figures(question, &[]));
        });
    }
    group.finish();
}

/// The invocations of a day on each of so many days, summed up by hour.
fn seal_days(day: &[Invocation], days: u64, question: &Question) -> Vec<SealedHour> {
    let mut hours: BTreeMap<UtcHour, HourSummary> = BTreeMap::new();
    for shift in 0..days as i64 {
        for invocation in day {
            let mut invocation = invocation.clone();
            invocation.timestamp.seconds += shift * UtcDay::SECONDS;
            let hour = UtcHour::of(invocation.timestamp);
            let summary = hours.entry(hour).or_insert_with(|| HourSummary::new(hour));
            summary.observe(question, &invocation, CoverageId::NONE);
        }
    }
    hours.into_values().map(HourSummary::seal).collect()
}

fn inserted(sealed: Vec<SealedHour>) -> Totals {
    let mut totals = Totals::new();
    for hour in sealed {
        totals.insert(hour);
    }
    totals
}

fn merged(mut left: Totals, right: Totals) -> Totals {
    left.merge(right);
    left
}

/// The totals of two workers who took turns.
fn halves(sealed: &[SealedHour]) -> (Totals, Totals) {
    let every_other = |first| inserted(sealed.iter().skip(first).step_by(2).cloned().collect());
    (every_other(0), every_other(1))
}
