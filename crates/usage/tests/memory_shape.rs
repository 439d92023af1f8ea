//! What the totals hold grows with hours and active minutes, and not with the records in them.

mod traffic;

use std::sync::Arc;

use borehole_record::{Call, Count, Facets, Timestamp};
use borehole_usage::{
    Charge, ChargeRules, Charges, CoverageId, Dimension, HourSummary, Question, SealedHour, Totals,
};

const MODEL: &str = "amazon.nova-lite-v1:0";

/// What a group's calls are charged.
#[derive(Clone, Copy)]
enum Rate {
    /// No rule names the model.
    Unknown,
    /// As many quota tokens as tokens, and bodies that were not seen.
    Plain,
    /// Five quota tokens per output token, and a reservation that is another number again.
    Fivefold,
}

impl ChargeRules for Rate {
    fn charge(&self, _base_model: &str, _at: Timestamp) -> Charge {
        let burndown = match self {
            Rate::Unknown => None,
            Rate::Plain => Some(1),
            Rate::Fivefold => Some(5),
        };
        Charge { burndown, ..Charge::default() }
    }

    fn fingerprint(&self, _at: Timestamp) -> u128 {
        *self as u128
    }
}

/// An hour has two cells: that of the totals and that of the one group.
const CELLS: usize = 2;

/// Bytes of an active minute in a cell: attempts (with the flag of a gap), and tokens below 2^21.
const MINUTE_BYTES: usize = 2 + 3;

/// Bytes of a kept second in a cell: attempts, a gap below 2^14, and tokens below 2^14.
const SECOND_BYTES: usize = 1 + 2 + 2;

/// Bytes of the quota tokens of a minute or second in a cell, where they are numbers of their own: what was
/// settled and what was reserved, each as its distance to the number before, below 2^20.
const CHARGE_BYTES: usize = 3 + 3;

/// Most seconds that a cell keeps: both edges.
const SECONDS_MAX: usize = 2 * 59;

/// Bytes of an hour whatever its records: its entry, and for each cell some 25 counters, 9 distributions' extents
/// and the names, at a few bytes each.
const FIXED_BYTES: usize = 256 + CELLS * 256;

/// An hour of calls with values of their own, the same in each hour, spread over it.
fn sealed(hour: i64, calls: i64, rate: Rate) -> SealedHour {
    let charges = Charges::new(Arc::new(rate));
    let question = Question { by: vec![Dimension::Model], charges, ..Question::default() };
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
        if matches!(rate, Rate::Fivefold) {
            invocation.max_tokens = Count::known(4_096);
        }
        summary.observe(&question, &invocation, CoverageId(0));
    }
    summary.seal()
}

/// The totals of so many hours.
fn totals(hours: i64, calls: i64, rate: Rate) -> Totals {
    let mut totals = Totals::new();
    (0..hours).for_each(|hour| totals.insert(sealed(hour, calls, rate)));
    totals
}

/// Bytes that each of 20 hours adds to 10 equal ones.
fn bytes_an_hour(calls: i64, rate: Rate) -> usize {
    let [few, many] = [10, 30].map(|hours| totals(hours, calls, rate).held_bytes());
    (many - few) / 20
}

#[test]
fn an_hour_of_known_values_costs_its_minutes_and_edges_alone() {
    let limit = FIXED_BYTES + CELLS * (60 * MINUTE_BYTES + SECONDS_MAX * SECOND_BYTES);
    // 60 active minutes in each; the seconds are kept up to 118 calls, and above that only at the edges.
    for calls in [60, 118, 600, 2_400] {
        for rate in [Rate::Unknown, Rate::Plain] {
            let bytes = bytes_an_hour(calls, rate);
            assert!(bytes <= limit, "{calls} calls: {bytes} bytes, not {limit}");
        }
    }
}

#[test]
fn quota_tokens_cost_an_hour_nothing_where_they_are_what_was_used() {
    for calls in [60, 118, 600, 2_400] {
        // Two more counters in each cell.
        let more = bytes_an_hour(calls, Rate::Plain) - bytes_an_hour(calls, Rate::Unknown);
        assert!(more <= CELLS * 8, "{calls} calls: {more} bytes more");
        let more = bytes_an_hour(calls, Rate::Fivefold) - bytes_an_hour(calls, Rate::Unknown);
        let limit = CELLS * (32 + (60 + SECONDS_MAX) * CHARGE_BYTES);
        assert!(more <= limit, "{calls} calls: {more} bytes more, not {limit}");
    }
}

#[test]
fn four_times_the_records_cost_less_than_twice_the_bytes_an_hour() {
    // From 600 to 2,400: tokens of a minute and counts take a byte more, the edges hold more active seconds.
    let [few, many] = [600, 2_400].map(|calls| bytes_an_hour(calls, Rate::Fivefold));
    assert!(many < 2 * few, "{few} and {many} bytes an hour");
}

#[test]
fn replacing_an_hour_by_itself_holds_no_more() {
    let mut totals = totals(20, 600, Rate::Fivefold);
    let before = totals.held_bytes();
    let sealed = |hour| sealed(hour, 600, Rate::Fivefold);
    for hour in 0..20 {
        totals.replace(sealed(hour), sealed(hour));
        // Settled buckets, and at most half as many again of the hour that came last.
        assert!(totals.held_bytes() <= before * 3 / 2, "from {before} to {} bytes", totals.held_bytes());
    }
}
