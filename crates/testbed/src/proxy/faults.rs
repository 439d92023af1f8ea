//! Which request goes wrong, and how.
//!
//! In: a request's method, key and range, and how often it was asked before. Out: a fault, or none. Always: the
//! same seed breaks the same requests, in whatever order they arrive. Absent: a clock, chance.

use std::collections::HashMap;
use std::time::Duration;

use super::request::{Kind, Request};

/// One way for an answer to be wrong. Positions are bytes of the body; `None` is a position that the seed draws,
/// always before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 503 `SlowDown`.
    SlowDown,
    /// 500 `InternalError`.
    InternalError,
    /// 412 `PreconditionFailed`.
    PreconditionFailed,
    /// Any other refusal, with S3's error document.
    Refusal {
        /// The status.
        status: u16,
        /// What stands in `<Code>`.
        code: &'static str,
    },
    /// 200 with the same error document (faults A3).
    ErrorInside {
        /// What stands in `<Code>`.
        code: &'static str,
    },
    /// 200 with a page of HTML, as captive portals and proxies give it (faults A19).
    Page,
    /// The connection is reset (RST) in mid-body (faults A5).
    Reset {
        /// Where.
        at: Option<u64>,
    },
    /// The connection ends (FIN) in mid-body, short of `Content-Length` (faults A6).
    Cut {
        /// Where.
        at: Option<u64>,
    },
    /// The same without `Content-Length`: what came looks like all there is (faults A7).
    CutWithoutLength {
        /// Where.
        at: Option<u64>,
    },
    /// The same with `Transfer-Encoding: chunked` and no last chunk (faults A15).
    CutChunked {
        /// Where.
        at: Option<u64>,
    },
    /// Nothing more comes for [`Faults::stall_time`], and the connection stays open (faults A11).
    Stall {
        /// Where.
        at: Option<u64>,
    },
    /// Nothing comes for [`Faults::slow_time`], then everything.
    SlowFirstByte,
    /// 200 to a request for a range (faults A9): with the whole object where it was asked for whole before, else
    /// with the range as if it were all. A request without a range is answered as it should be.
    RangeIgnored,
    /// `Content-Range` names the bytes after the ones that come (faults A9). As above without a range.
    WrongContentRange,
    /// Another `ETag` than the object's (faults A10).
    OtherEtag,
    /// One bit of the body is wrong (faults A13).
    Flipped {
        /// In which byte.
        at: Option<u64>,
    },
    /// The body, and its length, are 7 bytes longer (faults A8).
    Longer,
}

impl Fault {
    /// The name it is counted under.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Fault::SlowDown => "slow_down",
            Fault::InternalError => "internal_error",
            Fault::PreconditionFailed => "precondition_failed",
            Fault::Refusal { code, .. } => code,
            Fault::ErrorInside { .. } => "error_inside",
            Fault::Page => "page",
            Fault::Reset { .. } => "reset",
            Fault::Cut { .. } => "cut",
            Fault::CutWithoutLength { .. } => "cut_without_length",
            Fault::CutChunked { .. } => "cut_chunked",
            Fault::Stall { .. } => "stall",
            Fault::SlowFirstByte => "slow_first_byte",
            Fault::RangeIgnored => "range_ignored",
            Fault::WrongContentRange => "wrong_content_range",
            Fault::OtherEtag => "other_etag",
            Fault::Flipped { .. } => "flipped",
            Fault::Longer => "longer",
        }
    }

    fn applies_to(self, request: &Request) -> bool {
        !matches!(self, Fault::RangeIgnored | Fault::WrongContentRange) || request.range.is_some()
    }
}

/// What goes wrong. Rates are thousandths of the GETs of objects (and of listings, where asked for); which ones is
/// decided by a hash of seed, kind, key, end of the range, and number of the attempt.
///
/// The end of the range is part of it, so that ranges of one object that are asked for at once do not race for an
/// attempt's number; what is asked again after a break has the same end.
#[derive(Clone, Debug)]
pub struct Faults {
    /// The same seed breaks the same requests.
    pub seed: u64,
    /// Rate of [`Fault::SlowDown`].
    pub slow_down: u32,
    /// Rate of [`Fault::InternalError`].
    pub internal_error: u32,
    /// Rate of [`Fault::PreconditionFailed`].
    pub precondition_failed: u32,
    /// Rate of [`Fault::Reset`].
    pub reset: u32,
    /// Rate of [`Fault::Cut`].
    pub cut: u32,
    /// Rate of [`Fault::CutWithoutLength`].
    pub cut_without_length: u32,
    /// Rate of [`Fault::CutChunked`].
    pub cut_chunked: u32,
    /// Rate of [`Fault::Stall`].
    pub stall: u32,
    /// Rate of [`Fault::SlowFirstByte`].
    pub slow_first_byte: u32,
    /// Rate of [`Fault::RangeIgnored`].
    pub range_ignored: u32,
    /// Rate of [`Fault::WrongContentRange`].
    pub wrong_content_range: u32,
    /// Rate of [`Fault::OtherEtag`].
    pub other_etag: u32,
    /// Rate of [`Fault::Flipped`].
    pub flipped: u32,
    /// So many faults of the rates in a row, then an answer as it should be: what can be had is had in the end.
    pub consecutive_max: u32,
    /// Whether listings go wrong at these rates, too.
    pub listings: bool,
    /// How long a stall lasts; longer than the client waits. The client hanging up ends it.
    pub stall_time: Duration,
    /// How long a slow first byte takes; shorter than the client waits.
    pub slow_time: Duration,
    /// What happens to certain keys, before any rate is asked: see [`Faults::script`].
    pub scripts: Vec<Script>,
}

impl Default for Faults {
    /// Nothing goes wrong.
    fn default() -> Self {
        Faults {
            seed: 1,
            slow_down: 0,
            internal_error: 0,
            precondition_failed: 0,
            reset: 0,
            cut: 0,
            cut_without_length: 0,
            cut_chunked: 0,
            stall: 0,
            slow_first_byte: 0,
            range_ignored: 0,
            wrong_content_range: 0,
            other_etag: 0,
            flipped: 0,
            consecutive_max: 6,
            listings: false,
            stall_time: Duration::from_secs(60),
            slow_time: Duration::from_millis(200),
            scripts: Vec::new(),
        }
    }
}

/// One thing that happens to certain keys.
#[derive(Clone, Debug)]
pub struct Script {
    /// To which requests.
    pub kind: Kind,
    /// To keys whose `bucket/key` contains this.
    pub part: String,
    /// How often for each key.
    pub times: u32,
    /// What.
    pub fault: Fault,
}

impl Faults {
    /// Every GET of an object whose `bucket/key` contains `part` goes wrong.
    #[must_use]
    pub fn always(self, part: &str, fault: Fault) -> Self {
        self.script(Kind::Get, part, u32::MAX, fault)
    }

    /// The first GET of each object whose `bucket/key` contains `part` goes wrong.
    #[must_use]
    pub fn once(self, part: &str, fault: Fault) -> Self {
        self.script(Kind::Get, part, 1, fault)
    }

    /// The first `times` requests of a kind go wrong, of each key whose `bucket/key` contains `part` (for listings:
    /// `bucket/prefix`). What was said first comes first: `once(k, a).once(k, b)` is a, then b.
    #[must_use]
    pub fn script(mut self, kind: Kind, part: &str, times: u32, fault: Fault) -> Self {
        self.scripts.push(Script { kind, part: part.to_owned(), times, fault });
        self
    }

    /// Whether whole answers may have to be given again.
    pub(super) fn may_ignore_ranges(&self) -> bool {
        self.range_ignored > 0 || self.scripts.iter().any(|script| script.fault == Fault::RangeIgnored)
    }

    fn rates(&self) -> [(u32, Fault); 13] {
        [
            (self.slow_down, Fault::SlowDown),
            (self.internal_error, Fault::InternalError),
            (self.precondition_failed, Fault::PreconditionFailed),
            (self.reset, Fault::Reset { at: None }),
            (self.cut, Fault::Cut { at: None }),
            (self.cut_without_length, Fault::CutWithoutLength { at: None }),
            (self.cut_chunked, Fault::CutChunked { at: None }),
            (self.stall, Fault::Stall { at: None }),
            (self.slow_first_byte, Fault::SlowFirstByte),
            (self.range_ignored, Fault::RangeIgnored),
            (self.wrong_content_range, Fault::WrongContentRange),
            (self.other_etag, Fault::OtherEtag),
            (self.flipped, Fault::Flipped { at: None }),
        ]
    }
}

/// A fault, and a number that draws its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub fault: Option<Fault>,
    pub draw: u64,
}

/// [`Faults`] and what of them has come so far.
pub(super) struct Judge {
    faults: Faults,
    lanes: HashMap<(Kind, String, Option<String>), Lane>,
    used: HashMap<(usize, String), u32>,
}

/// Requests that follow each other: of one kind, key and end of range.
#[derive(Default)]
struct Lane {
    attempts: u64,
    in_a_row: u32,
}

impl Judge {
    pub(super) fn new(faults: Faults) -> Self {
        Judge { faults, lanes: HashMap::new(), used: HashMap::new() }
    }

    pub(super) fn judge(&mut self, request: &Request) -> Verdict {
        let faults = &self.faults;
        let lane_key = (request.kind, request.name.clone(), request.lane());
        let mut hash = Hash::new(faults.seed);
        hash.write(&[request.kind as u8]);
        hash.write(request.name.as_bytes());
        hash.write(lane_key.2.as_deref().unwrap_or_default().as_bytes());
        let lane = self.lanes.entry(lane_key).or_default();
        hash.write(&lane.attempts.to_le_bytes());
        lane.attempts += 1;
        let draw = hash.finish();
        for (index, script) in faults.scripts.iter().enumerate() {
            let fits = script.kind == request.kind
                && request.name.contains(&script.part)
                && script.fault.applies_to(request);
            if fits {
                let used = self.used.entry((index, request.name.clone())).or_default();
                if *used < script.times {
                    *used += 1;
                    return Verdict { fault: Some(script.fault), draw };
                }
            }
        }
        let asked = request.kind == Kind::Get || (request.kind == Kind::List && faults.listings);
        let mut fault = None;
        if asked && lane.in_a_row < faults.consecutive_max {
            let mut left = (draw >> 32) % 1_000;
            for (rate, candidate) in faults.rates() {
                if left < u64::from(rate) {
                    fault = Some(candidate).filter(|candidate| candidate.applies_to(request));
                    break;
                }
                left -= u64::from(rate);
            }
        }
        lane.in_a_row = if fault.is_some() { lane.in_a_row + 1 } else { 0 };
        Verdict { fault, draw }
    }
}

/// FNV-1a, and a finish that spreads it over all bits; written out so that a seed means the same in every version
/// of the compiler.
struct Hash(u64);

impl Hash {
    fn new(seed: u64) -> Self {
        let mut hash = Hash(0xcbf2_9ce4_8422_2325);
        hash.write(&seed.to_le_bytes());
        hash
    }

    /// With its length, so that two fields do not run into each other.
    fn write(&mut self, bytes: &[u8]) {
        for byte in (bytes.len() as u64).to_le_bytes().into_iter().chain(bytes.iter().copied()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(name: &str, range: Option<&str>) -> Request {
        Request {
            kind: Kind::Get,
            name: name.to_owned(),
            range: range.map(str::to_owned),
            ..Request::default()
        }
    }

    fn verdicts(judge: &mut Judge, names: &[String]) -> HashMap<String, Vec<Verdict>> {
        let mut all: HashMap<String, Vec<Verdict>> = HashMap::new();
        for name in names {
            all.entry(name.clone()).or_default().push(judge.judge(&get(name, None)));
        }
        all
    }

    #[test]
    fn the_order_of_arrival_does_not_matter() {
        let faults = Faults { slow_down: 300, reset: 50, stall: 20, ..Faults::default() };
        let names: Vec<String> = (0..3_000).map(|number| format!("b/{}", number % 500)).collect();
        let reversed: Vec<String> = names.iter().rev().cloned().collect();
        let first = verdicts(&mut Judge::new(faults.clone()), &names);
        assert_eq!(first, verdicts(&mut Judge::new(faults.clone()), &reversed));
        assert_ne!(first, verdicts(&mut Judge::new(Faults { seed: 2, ..faults }), &names));
    }

    #[test]
    fn rates_are_thousandths() {
        let mut judge = Judge::new(Faults { slow_down: 300, reset: 50, stall: 20, ..Faults::default() });
        let mut counts: HashMap<&str, u32> = HashMap::new();
        for number in 0..20_000 {
            if let Some(fault) = judge.judge(&get(&format!("b/{number}"), None)).fault {
                *counts.entry(fault.name()).or_default() += 1;
            }
        }
        assert!((5_700..6_300).contains(&counts["slow_down"]), "{counts:?}");
        assert!((900..1_100).contains(&counts["reset"]), "{counts:?}");
        assert!((340..460).contains(&counts["stall"]), "{counts:?}");
    }

    #[test]
    fn only_so_many_faults_come_in_a_row() {
        let mut judge = Judge::new(Faults { slow_down: 1_000, consecutive_max: 3, ..Faults::default() });
        let pattern: Vec<bool> = (0..8).map(|_| judge.judge(&get("b/k", None)).fault.is_some()).collect();
        assert_eq!(pattern, [true, true, true, false, true, true, true, false]);
    }

    #[test]
    fn ranges_of_one_object_do_not_share_their_attempts() {
        let faults = Faults { slow_down: 500, ..Faults::default() };
        let mut judge = Judge::new(faults.clone());
        let first: Vec<Verdict> = (0..5).map(|_| judge.judge(&get("b/k", Some("bytes=0-9")))).collect();
        let mut judge = Judge::new(faults);
        let second: Vec<Verdict> = (0..5)
            .map(|attempt| {
                judge.judge(&get("b/k", Some("bytes=10-19")));
                judge.judge(&get("b/k", Some(&format!("bytes={attempt}-9"))))
            })
            .collect();
        assert_eq!(first, second);
    }

    #[test]
    fn scripts_come_in_their_order_and_count_for_each_key() {
        let faults = Faults::default()
            .once("part", Fault::SlowDown)
            .once("part", Fault::Cut { at: Some(3) })
            .always("never", Fault::Page);
        let mut judge = Judge::new(faults);
        for key in ["b/part-1", "b/part-2"] {
            let faults: Vec<_> = (0..3).map(|_| judge.judge(&get(key, None)).fault).collect();
            assert_eq!(faults, [Some(Fault::SlowDown), Some(Fault::Cut { at: Some(3) }), None]);
        }
        assert_eq!(judge.judge(&get("b/other", None)).fault, None);
        assert_eq!(judge.judge(&get("b/never", None)).fault, Some(Fault::Page));
    }

    #[test]
    fn a_range_is_only_ignored_where_there_is_one() {
        let mut judge = Judge::new(Faults::default().once("k", Fault::RangeIgnored));
        assert_eq!(judge.judge(&get("b/k", None)).fault, None);
        assert_eq!(judge.judge(&get("b/k", Some("bytes=1-"))).fault, Some(Fault::RangeIgnored));
    }
}
