//! The replay against an independent one: `fixtures/replay.py`, written from the definitions in plain Python.
//!
//! In: seeded logs of a few hundred requests, with bursts, late settlements and settlements on both sides of what
//! was reserved. Always: the same requests are refused, the same are over, and the smallest quotas are equal.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use borehole_quota::demand::{Arrival, Demand};
use borehole_quota::replay::{Limits, Measure, Window, over, refusals, smallest};
use borehole_quota::{CallerId, Share};
use serde_json::Value;

/// Seeded numbers (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// What a seed's log is like.
#[derive(Clone, Copy)]
struct Traffic {
    requests: usize,
    /// Seconds between requests are below this; bursts have none between them.
    pause: u64,
    /// One request in so many begins a burst.
    burst: u64,
    /// Settlements of so many thousandths of the reservation at most.
    settle_thousandths: u64,
    /// Latencies below this.
    latency_ms: u64,
}

fn demand(traffic: Traffic, random: &mut Random) -> Demand {
    // Two minutes before 1970, so that minutes are counted on both sides of it.
    let mut second = -120;
    let mut in_burst = 0;
    let arrivals = (0..traffic.requests).map(|_| {
        if in_burst > 0 {
            in_burst -= 1;
        } else {
            second += random.below(traffic.pause) as i64;
            if random.below(traffic.burst) == 0 {
                in_burst = random.below(20);
            }
        }
        let reserve = 100 + random.below(30_000);
        let settle = reserve * random.below(traffic.settle_thousandths) / 1_000;
        // Whole seconds often enough that ends and starts meet in one ms.
        let latency_ms = random.below(traffic.latency_ms);
        let latency_ms = if random.below(3) == 0 { latency_ms / 1_000 * 1_000 } else { latency_ms };
        Arrival { second, reserve, settle, latency_ms, caller: CallerId(0) }
    });
    Demand { arrivals: arrivals.collect(), ..Demand::default() }
}

fn replay(demand: &Demand, arguments: &[&str]) -> Value {
    let script: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "..", "fixtures", "replay.py"].iter().collect();
    let mut lines = String::new();
    for arrival in &demand.arrivals {
        let Arrival { second, reserve, settle, latency_ms, .. } = arrival;
        writeln!(
            lines,
            r#"{{"second": {second}, "reserve": {reserve}, "settle": {settle}, "latency_ms": {latency_ms}}}"#
        )
        .expect("a string takes everything");
    }
    let mut python = Command::new("python3")
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    python.stdin.take().expect("it is piped").write_all(lines.as_bytes()).expect("the script reads all");
    let output = python.wait_with_output().expect("python3 ends");
    assert!(output.status.success(), "the script failed: {arguments:?}");
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}

/// Whether python3 is here. Without it nothing is compared, which CI must not take for agreement.
fn has_python() -> bool {
    let found = Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(
        found || std::env::var_os("CI").is_none(),
        "python3 is missing, and CI must not skip the naive replay"
    );
    if !found {
        #[expect(clippy::print_stderr, reason = "a skip must be seen")]
        {
            eprintln!("SKIPPED: python3 is missing, so nothing was compared with fixtures/replay.py");
        }
    }
    found
}

#[test]
fn the_naive_replay_in_python_agrees() {
    if !has_python() {
        return;
    }
    let calm = Traffic { requests: 200, pause: 8, burst: 12, settle_thousandths: 1_000, latency_ms: 20_000 };
    let traffics = [
        ("calm, all give back", calm),
        ("long answers, settled in another minute", Traffic { latency_ms: 150_000, ..calm }),
        ("settled above the reservation", Traffic { settle_thousandths: 4_000, pause: 12, ..calm }),
        ("dense", Traffic { requests: 300, pause: 2, burst: 3, settle_thousandths: 2_000, ..calm }),
    ];
    // The dense log with a target of no refusal at all.
    for (seed, (word, traffic)) in traffics.into_iter().enumerate() {
        let (target, share) = if word == "dense" { (0, 0) } else { (traffic.requests / 50, 20_000) };
        let mut random = Random(seed as u64);
        let demand = demand(traffic, &mut random);
        for (window, name) in
            [(Window::Bucket, "bucket"), (Window::ClockMinute, "clock-minute"), (Window::Sliding, "sliding")]
        {
            let theirs = replay(&demand, &[name, "--smallest", &target.to_string()]);
            let found = smallest(&demand, window, Measure::Tokens, Share::from_millionths(share));
            let ours = serde_json::json!({
                "quota": found.quota, "refused": found.refused, "offered": found.offered,
            });
            assert_eq!(ours, theirs, "{word}, {name}, at most {target} refused");
            assert!(found.quota > 0 && (target == 0 || found.refused > 0), "{word}: the log tests nothing");
            let mut quotas = vec![found.quota, found.offered];
            quotas.extend((0..3).map(|_| random.below(found.quota)));
            for quota in quotas {
                let limits = Limits { tokens_per_minute: Some(quota), requests_per_minute: None };
                let ours: Vec<usize> =
                    refusals(&demand, window, limits).iter().map(|refusal| refusal.arrival).collect();
                let theirs = replay(&demand, &[name, &quota.to_string()]);
                assert_eq!(serde_json::json!(ours), theirs, "{word}, {name}, quota {quota}");
                let theirs = replay(&demand, &[name, "--over", &quota.to_string()]);
                let ours = over(&demand, window, Measure::Tokens, quota);
                assert_eq!(Some(ours), theirs.as_array().map(|over| over.len() as u64), "{word}, {name}");
            }
        }
    }
}
