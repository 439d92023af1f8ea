//! What the totals hold grows with hours and active minutes, and not with the records in them.

mod traffic;

use std::sync::Arc;

use borehole_record::{Call, Count, Facets};
use borehole_usage::{CoverageId, Dimension, HourSummary, Question, SealedHour, Totals};

const MODEL: &str = "amazon.nova-lite-v1:0";

/// An hour has two cells: that of the totals and that of the one group.
const CELLS: usize = 2;

/// Bytes of an active minute in a cell: attempts (with the flag of a gap), and tokens below 2^21.
const MINUTE_BYTES: usize = 2 + 3;

/// Bytes of a kept second in a cell: attempts, a gap below 2^14, and tokens below 2^14.
const SECOND_BYTES: usize = 1 + 2 + 2;

/// Most seconds that a cell keeps: both edges.
const SECONDS_MAX: usize = 2 * 59;

/// Bytes of an hour whatever its records: its entry, and for each cell some 25 counters, 9 distributions' extents
/// and the names, at a few bytes each.
const FIXED_BYTES: usize = 256 + CELLS * 256;

/// An hour of calls with values of their own, the same in each hour, spread over it.
fn sealed(hour: i64, calls: i64) -> SealedHour {
    let question = Question { by: vec![Dimension::Model], ..Question::default() };
    let hour = traffic::hour(hour);
    let mut summary = HourSummary::new(hour);
    let call = Call { inference_region: Some("us-east-2".into()), ..(*traffic::facets(MODEL).call).clone() };
    let facets = Arc::new(Facets { call: Arc::new(call), ..Facets::default() });
    for call in 0..calls {
        let mut invocation = traffic::invocation(hour.start_seconds() + call * 3_600 / calls, &facets);
        // Steps that are coprime to the ranges give each call of an hour values of its own.
        let value = |step: i64, range: i64| Count::known((call * step % range) as u64);
        invocation.input_tokens = value(7_919, 9_973);
        invocation.output_tokens = value(104_729, 1_999);
        invocation.latency_ms = value(15_485_863, 30_011);
        invocation.first_byte_ms = value(32_452_843, 3_001);
        invocation.input_bytes = value(49_979_687, 60_013);
        invocation.output_bytes = value(67_867_967, 20_011);
        summary.observe(&question, &invocation, CoverageId(0));
    }
    summary.seal()
}

/// The totals of so many hours.
fn totals(hours: i64, calls: i64) -> Totals {
    let mut totals = Totals::new();
    (0..hours).for_each(|hour| totals.insert(sealed(hour, calls)));
    totals
}

/// Bytes that each of 20 hours adds to 10 equal ones.
fn bytes_an_hour(calls: i64) -> usize {
    let [few, many] = [10, 30].map(|hours| totals(hours, calls).held_bytes());
    (many - few) / 20
}

#[test]
fn an_hour_of_known_values_costs_its_minutes_and_edges_alone() {
    let limit = FIXED_BYTES + CELLS * (60 * MINUTE_BYTES + SECONDS_MAX * SECOND_BYTES);
    // 60 active minutes in each; the seconds are kept up to 118 calls, and above that only at the edges.
    for calls in [60, 118, 600, 2_400] {
        let bytes = bytes_an_hour(calls);
        assert!(bytes <= limit, "{calls} calls: {bytes} bytes, not {limit}");
    }
}

#[test]
fn four_times_the_records_cost_less_than_twice_the_bytes_an_hour() {
    // From 600 to 2,400: tokens of a minute and counts take a byte more, the edges hold more active seconds.
    let [few, many] = [600, 2_400].map(bytes_an_hour);
    assert!(many < 2 * few, "{few} and {many} bytes an hour");
}

#[test]
fn replacing_an_hour_by_itself_holds_no_more() {
    let mut totals = totals(20, 600);
    let before = totals.held_bytes();
    for hour in 0..20 {
        totals.replace(sealed(hour, 600), sealed(hour, 600));
        // Settled buckets, and at most half as many again of the hour that came last.
        assert!(totals.held_bytes() <= before * 3 / 2, "from {before} to {} bytes", totals.held_bytes());
    }
}
