//! A dump on disk to closed hours: listing, reading, decoding, joining, resolving, dropping copies.
//!
//! In: a corpus in files, warm in the page cache. Out: objects and decoded bytes a second, on one and two
//! threads. Always: the invocations that stay are the same for both, and as many as the truth says.

use std::hint::black_box;

use borehole_benches::{Corpus, Shape, Size, checksum, tell};
use borehole_record::{Invocation, UtcHour};
use borehole_scan::KeepHour;
use borehole_scan::{Cell, CellSink};
use criterion::{Criterion, Throughput};

const THREADS: [usize; 2] = [1, 2];

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    bench(&mut criterion, Size::of_this_run());
    criterion.final_summary();
}

fn bench(criterion: &mut Criterion, size: Size) {
    for shape in [Shape::Small, Shape::Mixed, Shape::Quiet, Shape::Split] {
        let corpus = Corpus::new(shape, size);
        let [expected, with_two] = THREADS.map(|threads| verify(&corpus, threads));
        assert_eq!(with_two, expected, "threads changed the result");
        let name = format!("scan/{}", shape.as_str());
        tell(&name, corpus.requests, "requests", expected);

        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::ElementsAndBytes {
            elements: corpus.objects,
            bytes: corpus.decoded_bytes,
        });
        for threads in THREADS {
            group.bench_function(format!("{threads}-threads"), |bencher| {
                bencher.iter(|| corpus.scan(threads, &mut Discarded));
            });
        }
        group.finish();
    }
}

/// Holds what stays against the truth, and returns its checksum.
fn verify(corpus: &Corpus, threads: usize) -> u64 {
    let mut hours = corpus.invocations(threads);
    let kept: usize = hours.values().map(Vec::len).sum();
    assert_eq!(kept as u64, corpus.requests);
    // A scan promises no order within an hour.
    for invocations in hours.values_mut() {
        invocations.sort_unstable_by_key(|invocation| (invocation.object, invocation.offset));
    }
    checksum(&hours)
}

/// Takes hours and keeps nothing, so that nothing but the scan is measured.
struct Discarded;

impl Cell for Discarded {
    fn invocation(&mut self, invocation: &Invocation, _stream: u32, _coverage: Option<u32>) {
        black_box(invocation);
    }
}

impl CellSink for Discarded {
    type Cell = Discarded;

    fn open(&self, _hour: UtcHour) -> Discarded {
        Discarded
    }

    fn close(&mut self, _cell: Discarded, _keep: Option<KeepHour>) {}

    fn retract(&mut self, _cell: Discarded) {}
}
