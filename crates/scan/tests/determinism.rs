//! One world, every configuration, one answer.

mod support;

use borehole_record::Invocation;
use proptest::prelude::*;
use support::world::{World, world};
use support::{options, remote, run_with};

/// All that a report could be made of: what stays, and the books.
fn answer(
    world: &World,
    threads: usize,
    seed: u64,
    memory_bytes: usize,
    chunk_bytes: usize,
    over_network: bool,
    (retired_bytes_max, whole_bytes_max): (u64, usize),
) -> (Vec<Placed>, String) {
    let mut options = options();
    options.threads = threads;
    options.memory_bytes = memory_bytes;
    options.retired_bytes_max = retired_bytes_max;
    options.whole_bytes_max = whole_bytes_max;
    options.shuffle_seed = (seed != 0).then_some(seed);
    let mut sources = world.sources(chunk_bytes, seed);
    if over_network {
        sources = remote(sources, seed);
    }
    let outcome = run_with(&sources, world.range(), &options).expect("the run goes through");
    let mut ledger = outcome.ledger;
    // The one figure that may vary: hours opened again are read again.
    ledger.bytes_fetched = 0;
    let cells = outcome.hours.into_iter();
    let placed =
        cells.flat_map(|(hour, cell)| cell.into_iter().map(move |(what, entry)| (hour.0, what, entry)));
    (placed.collect(), format!("{ledger:?} {:?} {:?}", outcome.plan.coverage, outcome.plan.streams))
}

type Placed = (i64, Invocation, Option<u32>);

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn d19_j16_threads_order_memory_and_chunks_change_nothing(world in world(), seed in 1u64..) {
        let expected = answer(&world, 1, 0, 1 << 20, 0, false, (u64::MAX, 1 << 20));
        for (threads, seed, memory_bytes, chunk_bytes, over_network, bounds) in [
            (2, 0, 1 << 20, 0, false, (0, 0)),
            (8, seed, 1 << 20, 0, false, (u64::MAX, 300)),
            (1, seed, 0, 1, false, (u64::MAX, 0)),
            (2, seed.rotate_left(32), 0, 7, false, (0, 1 << 20)),
            (8, 0, 3_000, 7, false, (1, 300)),
            (1, seed, 1 << 20, 0, true, (u64::MAX, 1 << 20)),
            (8, seed.rotate_left(16), 3_000, 7, true, (0, 300)),
        ] {
            let given = answer(&world, threads, seed, memory_bytes, chunk_bytes, over_network, bounds);
            prop_assert_eq!(
                &given,
                &expected,
                "{} threads, seed {}, {} bytes, bounds {:?}",
                threads,
                seed,
                memory_bytes,
                bounds
            );
        }
    }
}
