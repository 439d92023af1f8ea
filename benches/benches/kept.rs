//! A kept month to the figures of a report, on one thread: what a second run over it computes.
//!
//! In: a corpus of one day; each of its requests comes again and again with other counts and seconds, until there
//! is a month of 720 hours and 5 million requests. Out: the time from kept bytes to totals, to figures, and to the worst
//! attempts; from those of each hour, and from the kept answer of the whole month. Always: what comes of the bytes is what came of
//! the requests.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use borehole_benches::{Corpus, Shape, Size, checksum, tell};
use borehole_quota::rules::Rules;
use borehole_quota::{AttemptBook, Keep};
use borehole_record::{Count, Invocation, ProfileMap, RequestId, UtcDay, UtcHour};
use borehole_usage::{Charges, CoverageId, Figures, HourSummary, Outcome, Question, SealedHour, Totals};
use criterion::{BatchSize, Criterion, Throughput};

/// As `analyze` keeps them.
const KEEP: Keep = Keep::Worst(3);

fn main() {
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    bench(&mut criterion, Size::of_this_run());
    criterion.final_summary();
}

fn bench(criterion: &mut Criterion, size: Size) {
    let question = Question { charges: Charges::new(Arc::new(Rules::builtin())), ..Question::default() };
    let month = Month::new(&question, size);
    let totals = month.totals();
    let expected = checksum(&month.inserted.figures(&question, &[]));
    assert_eq!(checksum(&totals.figures(&question, &[])), expected);
    let figures = totals.figures(&question, &[]).to_bytes();
    let read_figures = || Figures::from_bytes(&figures).expect("bytes that were just written");
    assert_eq!(checksum(&read_figures()), expected);
    let book = month.book().to_bytes();
    let read_book = || {
        let mut read = empty_book();
        read.enter_bytes(&book).expect("bytes that were just written");
        read
    };
    // Callers are numbered in the order of their coming; all else is the same, and bytes do not know these numbers.
    assert_eq!(read_book().to_bytes(), book);
    let hours = month.hours.len() as u64;
    tell("kept/hours", month.bytes(|hour| hour.sealed.len()), "bytes of sealed hours", expected);
    tell("kept/books", month.bytes(|hour| hour.book.len()), "bytes of attempts", hours);
    tell("kept/month", figures.len() as u64, "bytes of figures", expected);

    let mut group = criterion.benchmark_group("kept");
    group.throughput(Throughput::Elements(hours));
    group.bench_function("from-bytes", |bencher| {
        bencher.iter(|| month.hours.iter().for_each(|hour| drop(black_box(hour.read()))));
    });
    group.bench_function("from-bytes-and-insert", |bencher| {
        bencher.iter_batched(|| (), |()| month.totals(), BatchSize::PerIteration);
    });
    group.bench_function("insert", |bencher| {
        let hours = || month.hours.iter().map(StoredHour::read).collect::<Vec<_>>();
        bencher.iter_batched(hours, inserted, BatchSize::PerIteration);
    });
    group.bench_function("figures", |bencher| {
        bencher.iter_with_large_drop(|| totals.figures(&question, &[]));
    });
    group.bench_function("close-bytes", |bencher| {
        bencher.iter_with_large_drop(|| month.book());
    });
    group.bench_function("figures-from-bytes", |bencher| bencher.iter_with_large_drop(read_figures));
    group.bench_function("book-from-bytes", |bencher| bencher.iter_with_large_drop(read_book));
    group.finish();
}

fn empty_book() -> AttemptBook {
    AttemptBook::new(KEEP, ProfileMap::default(), None)
}

/// One hour as bytes.
struct StoredHour {
    hour: UtcHour,
    sealed: Vec<u8>,
    book: Vec<u8>,
}

impl StoredHour {
    fn read(&self) -> SealedHour {
        SealedHour::from_bytes(&self.sealed).expect("bytes that were just written")
    }
}

/// A month as it is kept, and its totals as they were first.
struct Month {
    hours: Vec<StoredHour>,
    inserted: Totals,
}

impl Month {
    fn new(question: &Question, size: Size) -> Self {
        let day: BTreeMap<UtcHour, Vec<Invocation>> = Corpus::new(Shape::Small, size).invocations(1);
        let (days, copies) = size.pick((2, 2), (30, 17));
        let mut random = Random(20_240_311);
        let mut book = empty_book();
        let mut hours = Vec::new();
        let mut inserted = Totals::new();
        let mut summary = HourSummary::new(UtcHour(0));
        for shift in 0..days {
            for (hour, invocations) in &day {
                let hour = UtcHour(hour.0 + shift * UtcDay::SECONDS / UtcHour::SECONDS);
                summary.begin(hour);
                let mut open = book.open(hour);
                for invocation in invocations.iter().flat_map(|one| std::iter::repeat_n(one, copies)) {
                    let invocation = random.other(invocation, hour);
                    if summary.observe(question, &invocation, CoverageId(0)) == Outcome::Counted {
                        open.observe(&invocation);
                    }
                }
                let sealed = summary.finish();
                hours.push(StoredHour { hour, sealed: sealed.to_bytes(), book: open.to_bytes() });
                inserted.insert(sealed);
                book.close(open);
            }
        }
        Month { hours, inserted }
    }

    fn bytes(&self, of: fn(&StoredHour) -> usize) -> u64 {
        self.hours.iter().map(|hour| of(hour) as u64).sum()
    }

    fn totals(&self) -> Totals {
        inserted(self.hours.iter().map(StoredHour::read))
    }

    fn book(&self) -> AttemptBook {
        let mut book = empty_book();
        for hour in &self.hours {
            book.close_bytes(hour.hour, &hour.book).expect("bytes that were just written");
        }
        book
    }
}

fn inserted(sealed: impl IntoIterator<Item = SealedHour>) -> Totals {
    let mut totals = Totals::new();
    sealed.into_iter().for_each(|hour| totals.insert(hour));
    totals
}

/// Seeded numbers (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ bits >> 31) % end
    }

    /// Another request of the same kind in this hour.
    fn other(&mut self, invocation: &Invocation, hour: UtcHour) -> Invocation {
        let mut other = invocation.clone();
        other.timestamp.seconds = hour.start_seconds() + self.below(UtcHour::SECONDS as u64) as i64;
        other.request_id = RequestId::Uuid(
            (u128::from(self.below(u64::MAX)) << 64 | u128::from(self.below(u64::MAX))).to_be_bytes(),
        );
        for count in [
            &mut other.input_tokens,
            &mut other.output_tokens,
            &mut other.cache_read_tokens,
            &mut other.cache_write_tokens,
            &mut other.latency_ms,
            &mut other.first_byte_ms,
            &mut other.input_bytes,
            &mut other.output_bytes,
        ] {
            // Between three and five quarters of what it was.
            let value = count.get().map(|value| value * 3 / 4 + self.below(value / 2 + 1));
            *count = Count::from(value);
        }
        other
    }
}
