//! Very many small files: listing and planning them, and reading them, beside a bare loop over the same files.
//!
//! In: a dump of the split layout, four files a request, warm in the page cache. Out: files a second, on one and two
//! threads. Always: both loops read the same bytes.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use borehole_benches::{Corpus, Shape, Size, tell};
use borehole_scan::{ListOptions, Plan, Progress, Range, Source};
use criterion::{Criterion, Throughput};

const THREADS: [usize; 2] = [1, 2];

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    bench(&mut criterion, Size::of_this_run());
    criterion.final_summary();
}

fn bench(criterion: &mut Criterion, size: Size) {
    let corpus = Corpus::new(Shape::Split, size);
    let sources =
        [Source::open(corpus.path().to_str().expect("a plain name")).expect("the corpus can be opened")];
    let list = || {
        let options = ListOptions { payloads: true, ..ListOptions::default() };
        Plan::list(&sources, Range::default(), options, &Progress::default()).expect("it can be listed")
    };
    let plan = list();
    let name_of = |key: &[u8]| corpus.path().join(str::from_utf8(key).expect("the corpus has plain names"));
    let names: Vec<PathBuf> = plan.objects.iter().map(|planned| name_of(&planned.object.key)).collect();

    let store = &*sources[0].store;
    let whole = |number: usize, buffer: &mut Vec<u8>| {
        store.read_whole(&plan.objects[number].object, buffer).expect("a file can be read").bytes
    };
    let bare = |number: usize, buffer: &mut Vec<u8>| {
        buffer.clear();
        let mut file = File::open(&names[number]).expect("a file can be opened");
        file.read_to_end(buffer).expect("a file can be read") as u64
    };
    let expected = plan.bytes();
    assert_eq!((read_all(names.len(), 1, whole), read_all(names.len(), 2, bare)), (expected, expected));
    tell("walk/split", names.len() as u64, "files", expected);

    let mut group = criterion.benchmark_group("walk/split");
    group.throughput(Throughput::Elements(names.len() as u64));
    group.bench_function("plan", |bencher| bencher.iter(list));
    for threads in THREADS {
        group.bench_function(format!("read/{threads}-threads"), |bencher| {
            bencher.iter(|| read_all(names.len(), threads, whole));
        });
        group.bench_function(format!("bare/{threads}-threads"), |bencher| {
            bencher.iter(|| read_all(names.len(), threads, bare));
        });
    }
    group.finish();
}

/// Reads so many files, each thread its share of neighbours into one buffer, and sums up their bytes.
fn read_all(count: usize, threads: usize, read: impl Fn(usize, &mut Vec<u8>) -> u64 + Sync) -> u64 {
    let share = count.div_ceil(threads);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..threads)
            .map(|thread| {
                let read = &read;
                scope.spawn(move || {
                    let mut buffer = Vec::new();
                    let numbers = thread * share..count.min((thread + 1) * share);
                    numbers.map(|number| read(number, &mut buffer)).sum::<u64>()
                })
            })
            .collect();
        readers.into_iter().map(|reader| reader.join().expect("a reader ends")).sum()
    })
}
