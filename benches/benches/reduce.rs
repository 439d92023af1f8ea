//! Invocations to sealed hours, on one thread.
//!
//! In: the final invocations of a corpus, decoded beforehand, each several times over so that hours are busy. Out:
//! records a second that hours observe, and the cost of sealing them. Always: as many are counted as the truth
//! says for each time, and sharing of strings changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use borehole_benches::{Corpus, Shape, Size, checksum, tell};
use borehole_record::{Invocation, UtcHour};
use borehole_usage::{CoverageId, Dimension, HourSummary, Question, Totals};
use criterion::{BatchSize, Criterion, Throughput};

type Hours = BTreeMap<UtcHour, Vec<Invocation>>;

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    bench(&mut criterion, Size::of_this_run());
    criterion.final_summary();
}

fn bench(criterion: &mut Criterion, size: Size) {
    let corpus = Corpus::new(Shape::Small, size);
    let times = size.pick(2, 20);
    let requests = corpus.requests * times as u64;
    let shared = repeat(corpus.invocations(1), times);
    let unshared = unshare(&shared);
    let by_default = Question::default();
    let by_minute = Question { by: vec![Dimension::Minute, Dimension::Identity], ..Question::default() };

    let mut group = criterion.benchmark_group("reduce");
    group.throughput(Throughput::Elements(requests));
    for (question, word) in [(&by_default, "default"), (&by_minute, "minute-identity")] {
        let expected = verify(requests, &shared, question);
        assert_eq!(verify(requests, &unshared, question), expected, "sharing strings changed the figures");
        tell(&format!("reduce/{word}"), requests, "requests", expected);
        for (hours, form) in [(&shared, "observe"), (&unshared, "observe-unshared")] {
            group.bench_function(format!("{form}/{word}"), |bencher| {
                bencher.iter_with_large_drop(|| observe(hours, question));
            });
        }
        let open = observe(&shared, question);
        group.bench_function(format!("seal/{word}"), |bencher| {
            bencher.iter_batched(
                || open.clone(),
                |open| open.into_iter().map(HourSummary::seal).collect::<Vec<_>>(),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

/// Every invocation so many times, in hours as busy as that makes them.
fn repeat(mut hours: Hours, times: usize) -> Hours {
    for invocations in hours.values_mut() {
        *invocations = vec![invocations.as_slice(); times].concat();
    }
    hours
}

/// The same invocations, each with facets of its own: a log whose callers have a session per request.
fn unshare(hours: &Hours) -> Hours {
    let mut hours = hours.clone();
    for invocation in hours.values_mut().flatten() {
        invocation.facets = Arc::new((*invocation.facets).clone());
    }
    hours
}

fn observe(hours: &Hours, question: &Question) -> Vec<HourSummary> {
    let sum_up = |(&hour, invocations): (&UtcHour, &Vec<Invocation>)| {
        let mut summary = HourSummary::new(hour);
        for invocation in invocations {
            summary.observe(question, invocation, CoverageId::NONE);
        }
        summary
    };
    hours.iter().map(sum_up).collect()
}

/// Holds the sums against the truth, and returns the checksum of all figures.
fn verify(requests: u64, hours: &Hours, question: &Question) -> u64 {
    let mut totals = Totals::new();
    for summary in observe(hours, question) {
        totals.insert(summary.seal());
    }
    let figures = totals.figures(question, &[]);
    assert_eq!(figures.totals.attempted, requests);
    checksum(&figures)
}
