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
) -> (Vec<Placed>, String) {
    let mut options = options();
    options.threads = threads;
    options.memory_bytes = memory_bytes;
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
        let expected = answer(&world, 1, 0, 1 << 20, 0, false);
        for (threads, seed, memory_bytes, chunk_bytes, over_network) in [
            (2, 0, 1 << 20, 0, false),
            (8, seed, 1 << 20, 0, false),
            (1, seed, 0, 1, false),
            (2, seed.rotate_left(32), 0, 7, false),
            (8, 0, 3_000, 7, false),
            (1, seed, 1 << 20, 0, true),
            (8, seed.rotate_left(16), 3_000, 7, true),
        ] {
            let given = answer(&world, threads, seed, memory_bytes, chunk_bytes, over_network);
            prop_assert_eq!(&given, &expected, "{} threads, seed {}, {} bytes", threads, seed, memory_bytes);
        }
    }
}
