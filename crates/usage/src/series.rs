//! What a group does over time: minutes for the figures, seconds for the sliding window.
//!
//! In: invocations of one UTC hour. Out: 60 minutes of sums, and what the peak over 60 consecutive seconds
//! needs. Always: a sealed hour keeps the largest window inside it and the first and last 59 seconds, so that
//! the windows that reach into a neighbour hour (no window reaches further) are found exactly after merging.
//! Absent: anything finer than a second, which the log does not hold.

use std::collections::{BTreeMap, VecDeque};

use borehole_record::{Invocation, UtcHour, UtcMinute};
use rustc_hash::FxHashMap;

use crate::packed::{Packer, Unpacker};

/// The length of the sliding window, in seconds.
const WINDOW_SECONDS: i64 = 60;

/// Seconds at either end of an hour that a window can share with the neighbour hour.
const EDGE_SECONDS: u16 = WINDOW_SECONDS as u16 - 1;

/// A group with no more active seconds than the two edges hold keeps all of them: it costs no more, and the
/// sum of such groups (the models folded into `__other__`) still has its exact peak.
const KEPT_SECONDS_MAX: usize = 2 * EDGE_SECONDS as usize;

/// Sums of one minute of one group: attempts, and the tokens of its successful requests, by kind, since a
/// quota charges each kind by its own rate. Sums stop at `u64::MAX` (2^24 requests of the largest count).
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct MinuteSums {
    pub(crate) attempts: u64,
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cache_read: u64,
    pub(crate) cache_write: u64,
}

impl MinuteSums {
    /// Raw tokens: input and output.
    pub(crate) fn tokens(&self) -> u64 {
        self.input.saturating_add(self.output)
    }

    fn add(&mut self, other: &MinuteSums) {
        self.attempts = self.attempts.saturating_add(other.attempts);
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_write = self.cache_write.saturating_add(other.cache_write);
    }
}

/// Attempts and raw tokens of one second, minute or window.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Load {
    pub(crate) attempts: u64,
    pub(crate) tokens: u64,
}

impl Load {
    fn add(&mut self, other: Load) {
        self.attempts = self.attempts.saturating_add(other.attempts);
        self.tokens = self.tokens.saturating_add(other.tokens);
    }

    fn pack(self, packer: &mut Packer) {
        packer.count(self.attempts);
        packer.count(self.tokens);
    }

    fn unpack(unpacker: &mut Unpacker<'_>) -> Self {
        Load { attempts: unpacker.count(), tokens: unpacker.count() }
    }

    /// The larger of each; the two peaks may lie in different windows.
    pub(crate) fn raise(&mut self, other: Load) {
        self.attempts = self.attempts.max(other.attempts);
        self.tokens = self.tokens.max(other.tokens);
    }
}

/// One group in one open hour, at full resolution.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Series {
    minutes: FxHashMap<u8, MinuteSums>,
    seconds: FxHashMap<u16, Load>,
}

impl Series {
    /// Adds one invocation at a second of the hour (0…3,599).
    pub(crate) fn observe(&mut self, second: u16, invocation: &Invocation) {
        let tokens = |count: borehole_record::Count| {
            if invocation.is_successful() { count.get().unwrap_or(0) } else { 0 }
        };
        let sums = MinuteSums {
            attempts: 1,
            input: tokens(invocation.input_tokens),
            output: tokens(invocation.output_tokens),
            cache_read: tokens(invocation.cache_read_tokens),
            cache_write: tokens(invocation.cache_write_tokens),
        };
        // 3,600 seconds are 60 minutes: the quotient fits.
        self.minutes.entry((second / 60) as u8).or_default().add(&sums);
        self.seconds.entry(second).or_default().add(Load { attempts: 1, tokens: sums.tokens() });
    }

    /// Adds a series of the same hour.
    pub(crate) fn merge(&mut self, other: &Series) {
        for (&minute, sums) in &other.minutes {
            self.minutes.entry(minute).or_default().add(sums);
        }
        for (&second, &load) in &other.seconds {
            self.seconds.entry(second).or_default().add(load);
        }
    }

    /// Writes the minutes, the largest window and the seconds that are kept.
    pub(crate) fn pack(&self, packer: &mut Packer) {
        let minutes: BTreeMap<u8, MinuteSums> = self.minutes.iter().map(|(&at, &sums)| (at, sums)).collect();
        let mut seconds: BTreeMap<u16, Load> = self.seconds.iter().map(|(&at, &load)| (at, load)).collect();
        let peak = peak_of(&seconds);
        if seconds.len() > KEPT_SECONDS_MAX {
            let last_edge = UtcHour::SECONDS as u16 - EDGE_SECONDS;
            seconds.retain(|&second, _| second < EDGE_SECONDS || second >= last_edge);
        }
        SealedSeries { minutes, seconds, peak }.pack(packer);
    }
}

/// One group in one sealed hour.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct SealedSeries {
    /// Sums by minute of the hour; only active minutes.
    minutes: BTreeMap<u8, MinuteSums>,
    /// The seconds that are kept: both edges, or all of them where they are few.
    seconds: BTreeMap<u16, Load>,
    /// The largest windows inside the hour.
    peak: Load,
}

impl SealedSeries {
    /// Reads what [`Series::pack`] wrote.
    pub(crate) fn unpack(unpacker: &mut Unpacker<'_>) -> Self {
        let mut minutes = BTreeMap::new();
        let mut minute = 0;
        for _ in 0..unpacker.count() {
            minute += unpacker.count() as u8;
            let sums = MinuteSums {
                attempts: unpacker.count(),
                input: unpacker.count(),
                output: unpacker.count(),
                cache_read: unpacker.count(),
                cache_write: unpacker.count(),
            };
            minutes.insert(minute, sums);
        }
        let seconds = unpack_loads(unpacker);
        SealedSeries { minutes, seconds, peak: Load::unpack(unpacker) }
    }

    fn pack(&self, packer: &mut Packer) {
        packer.count(self.minutes.len() as u64);
        let mut previous = 0;
        for (&minute, sums) in &self.minutes {
            packer.count(u64::from(minute - previous));
            for value in [sums.attempts, sums.input, sums.output, sums.cache_read, sums.cache_write] {
                packer.count(value);
            }
            previous = minute;
        }
        pack_loads(&self.seconds, packer);
        self.peak.pack(packer);
    }

    /// What the figures need of it.
    pub(crate) fn kept(&self) -> KeptSeries {
        let minute = |(&minute, sums): (&u8, &MinuteSums)| {
            (u16::from(minute), Load { attempts: sums.attempts, tokens: sums.tokens() })
        };
        KeptSeries {
            minutes: self.minutes.iter().map(minute).collect(),
            seconds: self.seconds.clone(),
            peak: self.peak,
        }
    }
}

/// One group in one hour of the totals: minutes by raw tokens, which all figures over time are of.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct KeptSeries {
    /// By minute of the hour; only active minutes.
    minutes: BTreeMap<u16, Load>,
    /// The seconds that are kept: both edges, or all of them where they are few.
    seconds: BTreeMap<u16, Load>,
    /// The largest windows inside the hour.
    peak: Load,
}

impl KeptSeries {
    /// Writes the series.
    pub(crate) fn pack(&self, packer: &mut Packer) {
        pack_loads(&self.seconds, packer);
        // A quiet group keeps all of its seconds, and the rest follows from them.
        let follows = *self == KeptSeries::from_seconds(self.seconds.clone());
        packer.count(u64::from(!follows));
        if !follows {
            pack_loads(&self.minutes, packer);
            self.peak.pack(packer);
        }
    }

    /// Reads what [`KeptSeries::pack`] wrote.
    pub(crate) fn unpack(unpacker: &mut Unpacker<'_>) -> Self {
        let seconds = unpack_loads(unpacker);
        if unpacker.count() == 0 {
            return KeptSeries::from_seconds(seconds);
        }
        let minutes = unpack_loads(unpacker);
        KeptSeries { minutes, seconds, peak: Load::unpack(unpacker) }
    }

    /// The series of a group that had no other seconds than these.
    fn from_seconds(seconds: BTreeMap<u16, Load>) -> Self {
        let mut minutes: BTreeMap<u16, Load> = BTreeMap::new();
        for (&second, &load) in &seconds {
            minutes.entry(second / 60).or_default().add(load);
        }
        KeptSeries { peak: peak_of(&seconds), minutes, seconds }
    }

    /// Adds another group's series of the same hour. The peak is exact where both keep all of their seconds;
    /// else it is a window that was really seen, a lower bound.
    pub(crate) fn merge(&mut self, other: &KeptSeries) {
        for (&minute, &load) in &other.minutes {
            self.minutes.entry(minute).or_default().add(load);
        }
        for (&second, &load) in &other.seconds {
            self.seconds.entry(second).or_default().add(load);
        }
        self.peak.raise(other.peak);
        self.peak.raise(peak_of(&self.seconds));
    }
}

/// Writes loads by minute or second of the hour.
fn pack_loads(loads: &BTreeMap<u16, Load>, packer: &mut Packer) {
    packer.count(loads.len() as u64);
    let mut next = 0;
    for (&at, load) in loads {
        // Busy groups have neighbours, quiet ones single attempts: a flag saves the number that is usual.
        let gap = u64::from(at - next);
        packer.count(load.attempts.min(FEW_ATTEMPTS) << 1 | u64::from(gap > 0));
        if gap > 0 {
            packer.count(gap);
        }
        if load.attempts >= FEW_ATTEMPTS {
            packer.count(load.attempts - FEW_ATTEMPTS);
        }
        packer.count(load.tokens);
        next = at + 1;
    }
}

/// Reads what [`pack_loads`] wrote.
fn unpack_loads(unpacker: &mut Unpacker<'_>) -> BTreeMap<u16, Load> {
    let mut loads = BTreeMap::new();
    let mut next = 0;
    for _ in 0..unpacker.count() {
        let first = unpacker.count();
        let at = next + if first & 1 == 1 { unpacker.count() as u16 } else { 0 };
        let few = first >> 1;
        let attempts = if few == FEW_ATTEMPTS { FEW_ATTEMPTS + unpacker.count() } else { few };
        loads.insert(at, Load { attempts, tokens: unpacker.count() });
        next = at + 1;
    }
    loads
}

/// Fewer attempts than these fit into one byte, beside the flag of a gap.
const FEW_ATTEMPTS: u64 = 63;

fn peak_of(seconds: &BTreeMap<u16, Load>) -> Load {
    let mut window = SlidingWindow::default();
    for (&second, &load) in seconds {
        window.push(i64::from(second), load);
    }
    window.peak()
}

/// A group over all its hours.
#[derive(Default)]
pub(crate) struct Timeline {
    /// Active minutes in order.
    pub(crate) minutes: Vec<(UtcMinute, Load)>,
    peak: Load,
    window: SlidingWindow,
}

impl Timeline {
    /// Adds the next hour; hours come in order.
    pub(crate) fn push(&mut self, hour: UtcHour, series: &KeptSeries) {
        let start = hour.start_seconds();
        let first_minute = start / UtcMinute::SECONDS;
        let minutes = series.minutes.iter();
        self.minutes
            .extend(minutes.map(|(&minute, &load)| (UtcMinute(first_minute + i64::from(minute)), load)));
        for (&second, &load) in &series.seconds {
            self.window.push(start + i64::from(second), load);
        }
        self.peak.raise(series.peak);
    }

    /// The largest sums over any 60 consecutive seconds.
    ///
    /// A window inside an hour is in that hour's own peak; one across a border lies in the edges that were
    /// pushed. Windows with seconds that were not kept come out too small, never too large.
    pub(crate) fn peak_sliding(&self) -> Load {
        let mut peak = self.peak;
        peak.raise(self.window.peak());
        peak
    }
}

/// The largest sums over 60 consecutive seconds of what is pushed, in one pass.
#[derive(Default)]
struct SlidingWindow {
    recent: VecDeque<(i64, Load)>,
    // Wider than their parts, so that what goes out of the window is exactly what came in.
    attempts: u128,
    tokens: u128,
    peak: Load,
}

impl SlidingWindow {
    /// Adds the next active second; seconds ascend.
    fn push(&mut self, second: i64, load: Load) {
        while let Some(&(first, gone)) = self.recent.front()
            && second - first >= WINDOW_SECONDS
        {
            self.recent.pop_front();
            self.attempts -= u128::from(gone.attempts);
            self.tokens -= u128::from(gone.tokens);
        }
        self.recent.push_back((second, load));
        self.attempts += u128::from(load.attempts);
        self.tokens += u128::from(load.tokens);
        let saturated = |sum: u128| u64::try_from(sum).unwrap_or(u64::MAX);
        self.peak.raise(Load { attempts: saturated(self.attempts), tokens: saturated(self.tokens) });
    }

    fn peak(&self) -> Load {
        self.peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A series with these loads, `(second, tokens)`; one attempt each.
    fn series(loads: &[(u16, u64)]) -> Series {
        let mut series = Series::default();
        for &(second, tokens) in loads {
            series.seconds.entry(second).or_default().add(Load { attempts: 1, tokens });
            let sums = MinuteSums { attempts: 1, input: tokens, ..MinuteSums::default() };
            series.minutes.entry((second / 60) as u8).or_default().add(&sums);
        }
        series
    }

    fn sealed(series: &Series) -> SealedSeries {
        let mut packer = Packer::default();
        series.pack(&mut packer);
        SealedSeries::unpack(&mut Unpacker::new(&packer.finish()))
    }

    fn kept(series: &Series) -> KeptSeries {
        let mut packer = Packer::default();
        let kept = sealed(series).kept();
        kept.pack(&mut packer);
        assert_eq!(KeptSeries::unpack(&mut Unpacker::new(&packer.finish())), kept);
        kept
    }

    #[test]
    fn packed_loads_are_unpacked() {
        let attempts = [1, FEW_ATTEMPTS - 1, FEW_ATTEMPTS, FEW_ATTEMPTS + 1, u64::MAX];
        let loads = [0, 7, 8, 900, 3_599].into_iter().zip(attempts);
        let mut loads: BTreeMap<u16, Load> =
            loads.map(|(at, attempts)| (at, Load { attempts, tokens: attempts / 2 })).collect();
        loads.insert(1, Load { attempts: FEW_ATTEMPTS, tokens: 0 });
        let mut packer = Packer::default();
        pack_loads(&loads, &mut packer);
        assert_eq!(unpack_loads(&mut Unpacker::new(&packer.finish())), loads);
    }

    #[test]
    fn a_window_holds_60_seconds_and_not_61() {
        assert_eq!(sealed(&series(&[(0, 5), (59, 7)])).peak, Load { attempts: 2, tokens: 12 });
        assert_eq!(sealed(&series(&[(0, 5), (60, 7)])).peak, Load { attempts: 1, tokens: 7 });
    }

    #[test]
    fn a_window_across_the_hour_is_found_from_the_edges() {
        let busy: Vec<(u16, u64)> = (0..3_600).map(|second| (second, 1)).collect();
        let mut evening = busy.clone();
        evening.push((3_599 - 10, 100));
        let mut morning = busy;
        morning.push((48, 100));
        let mut timeline = Timeline::default();
        timeline.push(UtcHour(7), &kept(&series(&evening)));
        timeline.push(UtcHour(8), &kept(&series(&morning)));
        // From second 3,589 to second 48 of the next hour are 60 seconds: both bursts and 60 single tokens.
        assert_eq!(timeline.peak_sliding(), Load { attempts: 62, tokens: 260 });
        assert_eq!(timeline.minutes.len(), 120);
        assert_eq!(timeline.minutes[60].0, UtcMinute(8 * 60));
    }

    #[test]
    fn hours_that_are_not_neighbours_share_no_window() {
        let mut timeline = Timeline::default();
        timeline.push(UtcHour(7), &kept(&series(&[(3_599, 5)])));
        timeline.push(UtcHour(9), &kept(&series(&[(0, 6)])));
        assert_eq!(timeline.peak_sliding(), Load { attempts: 1, tokens: 6 });
    }

    #[test]
    fn a_busy_group_keeps_its_edges_and_a_quiet_one_all_seconds() {
        let busy: Vec<(u16, u64)> = (0..3_600).map(|second| (second, 1)).collect();
        let kept = sealed(&series(&busy)).seconds;
        assert_eq!(kept.len(), KEPT_SECONDS_MAX);
        assert!(kept.contains_key(&58) && !kept.contains_key(&59));
        assert!(kept.contains_key(&3_541) && !kept.contains_key(&3_540));
        let quiet: Vec<(u16, u64)> =
            (1_000..1_000 + KEPT_SECONDS_MAX as u16).map(|second| (second, 1)).collect();
        assert_eq!(sealed(&series(&quiet)).seconds.len(), KEPT_SECONDS_MAX);
    }

    #[test]
    fn the_peak_of_a_combined_series_is_not_the_sum_of_peaks() {
        let mut one = kept(&series(&[(0, 10), (600, 4)]));
        one.merge(&kept(&series(&[(600, 9), (1_200, 11)])));
        assert_eq!(one.peak, Load { attempts: 2, tokens: 13 });
        assert_eq!(one.minutes[&10], Load { attempts: 2, tokens: 13 });
    }

    #[test]
    fn sums_past_u64_saturate_instead_of_wrapping() {
        let huge = series(&[(0, u64::MAX), (1, u64::MAX), (70, 1)]);
        assert_eq!(sealed(&huge).peak, Load { attempts: 2, tokens: u64::MAX });
        assert_eq!(sealed(&huge).minutes[&0].tokens(), u64::MAX);
    }
}
