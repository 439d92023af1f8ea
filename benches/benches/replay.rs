//! Replays of a quota and the search for the smallest, on one thread.
//!
//! In: a seeded week of arrivals on one quota, 1,000,000 (or `REPLAY_ARRIVALS`), whose reservations are well above
//! what is settled. `busy` has days and nights; `bursts` has minutes of fifty times the usual as well, so that the
//! search comes down a long way. Out: arrivals a second of one replay, of a full search for each window, and
//! searches of a demand made ready before. Always: what a search says is refused, a plain replay refuses.

use std::hint::black_box;

use borehole_benches::{Size, checksum, tell};
use borehole_quota::demand::{Arrival, Demand};
use borehole_quota::replay::{Limits, Measure, Replay, Window, refusals, smallest};
use borehole_quota::{CallerId, Share};
use criterion::{Criterion, Throughput};

/// One in a thousand: the target of `borehole quota` by default.
const TARGET: Share = Share::from_millionths(1_000);

fn main() {
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let asked = std::env::var("REPLAY_ARRIVALS").ok().and_then(|count| count.parse().ok());
    let count = asked.unwrap_or_else(|| Size::of_this_run().pick(2_000, 1_000_000));
    for (shape, word) in [(Shape::Busy, "busy"), (Shape::Bursts, "bursts")] {
        bench(&mut criterion, &week(count, shape), word);
    }
    criterion.final_summary();
}

fn bench(criterion: &mut Criterion, demand: &Demand, word: &str) {
    let arrivals = demand.arrivals.len() as u64;
    let mut group = criterion.benchmark_group(format!("replay/{word}"));
    group.throughput(Throughput::Elements(arrivals));
    for (window, name) in
        [(Window::Bucket, "bucket"), (Window::ClockMinute, "clock-minute"), (Window::Sliding, "sliding")]
    {
        let found = smallest(demand, window, Measure::Tokens, TARGET);
        let limits = Limits { tokens_per_minute: Some(found.quota), requests_per_minute: None };
        let refused = refusals(demand, window, limits).len() as u64;
        assert_eq!(refused, found.refused, "the search and the replay differ: {word} {name} {found:?}");
        tell(&format!("replay/{word}/{name}"), arrivals, &format!("arrivals, {found:?}"), checksum(&found));

        group.bench_function(format!("refusals/{name}"), |bencher| {
            bencher.iter(|| refusals(black_box(demand), window, limits));
        });
        group.bench_function(format!("smallest/{name}"), |bencher| {
            bencher.iter(|| smallest(black_box(demand), window, Measure::Tokens, TARGET));
        });
        let mut ready = Replay::new(demand, window, Measure::Tokens);
        group.bench_function(format!("smallest-when-ready/{name}"), |bencher| {
            bencher.iter(|| ready.smallest(black_box(TARGET)));
        });
    }
    group.finish();
}

/// What a week is like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Busy,
    Bursts,
}

/// Seeded arrivals over seven days; the more, the denser.
fn week(count: usize, shape: Shape) -> Demand {
    const SECONDS: u64 = 7 * 86_400;
    let mut random = Random(20_240_311);
    let mut starts: Vec<(u64, u64)> = (0..count)
        .map(|number| {
            if shape == Shape::Bursts && number % 2_000 == 0 {
                return (random.below(4) * SECONDS / 5 + 3_600 + random.below(60), 100);
            }
            // Of two tries the busier hour: most of a day's calls come by day.
            let (one, other) = (random.below(SECONDS), random.below(SECONDS));
            let busyness = |second: &u64| 43_200 - (second % 86_400).abs_diff(50_400).min(43_200);
            (if busyness(&one) > busyness(&other) { one } else { other }, 1)
        })
        .collect();
    starts.sort_unstable();
    let arrivals = starts.into_iter().map(|(second, times)| {
        let (input_bits, output_bits) = (random.below(14), 4 + random.below(8));
        let input = times * (200 + (1 << input_bits) + random.below(1_000));
        let output = 20 + random.below(1 << output_bits);
        let max_tokens = [1_024, 4_096, 4_096, 32_000][random.below(4) as usize].max(output) * times;
        Arrival {
            second: 1_710_115_200 + second as i64,
            reserve: input + max_tokens,
            settle: input + 5 * output,
            // Some 50 output tokens a second.
            latency_ms: 400 + 20 * output + random.below(500),
            caller: CallerId(0),
        }
    });
    Demand { arrivals: arrivals.collect(), ..Demand::default() }
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
}
