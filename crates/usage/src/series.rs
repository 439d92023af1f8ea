//! What a group does over time: minutes for the figures, seconds for the sliding windows.
//!
//! In: the loads of one UTC hour, second by second. Out: 60 minutes of sums, and what the largest windows of
//! seconds need. Always: a sealed hour keeps the largest windows inside it and the first and last 59 seconds, so
//! that the windows that reach into a neighbour hour (no window reaches further) are found exactly after merging.
//! Absent: anything finer than a second, which the log does not hold.

use std::collections::VecDeque;

use borehole_record::{UtcHour, UtcMinute};

use crate::dense::Dense;
use crate::packed::{Checker, Packer, Unpacker};

/// Lengths of the windows whose largest sums are kept, in seconds: the sliding minute, and two shorter ones that
/// say how uneven a minute is. The first is the longest.
pub(crate) const WINDOWS: [i64; 3] = [60, 10, 1];

/// The largest sums over any so many consecutive seconds, in the order of [`WINDOWS`].
pub(crate) type Peaks = [Load; WINDOWS.len()];

/// Seconds at either end of an hour that a window can share with the neighbour hour.
const EDGE_SECONDS: u16 = WINDOWS[0] as u16 - 1;

/// Whether a window can share this second with a neighbour hour.
fn is_at_edge(second: u16) -> bool {
    second < EDGE_SECONDS || second >= UtcHour::SECONDS as u16 - EDGE_SECONDS
}

/// A group with no more active seconds than the two edges hold keeps all of them: it costs no more, and the
/// sum of such groups (the models folded into `__other__`) still has its exact peaks.
const KEPT_SECONDS_MAX: usize = 2 * EDGE_SECONDS as usize;

/// What one second, minute or window adds up to: attempts, and the tokens of its successful requests, which
/// rates are applied to as each request is observed. Sums stop at `u64::MAX` (2^24 requests of the largest count).
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Load {
    pub(crate) attempts: u64,
    /// Raw: input and output.
    pub(crate) tokens: u64,
    /// Settled quota tokens, where known.
    pub(crate) settled: u64,
    /// Reserved quota tokens, where known.
    pub(crate) reserved: u64,
}

impl Load {
    pub(crate) fn add(&mut self, other: Load) {
        self.attempts = self.attempts.saturating_add(other.attempts);
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.settled = self.settled.saturating_add(other.settled);
        self.reserved = self.reserved.saturating_add(other.reserved);
    }

    /// The larger of each; their peaks may lie in different windows.
    fn raise(&mut self, other: Load) {
        self.attempts = self.attempts.max(other.attempts);
        self.tokens = self.tokens.max(other.tokens);
        self.settled = self.settled.max(other.settled);
        self.reserved = self.reserved.max(other.reserved);
    }
}

fn raise(peaks: &mut Peaks, others: Peaks) {
    for (own, other) in peaks.iter_mut().zip(others) {
        own.raise(other);
    }
}

/// Loads by minute or second of the hour, ascending, each once; only active ones.
pub(crate) type Loads = Vec<(u16, Load)>;

/// The seconds of one group in one hour, being added up.
#[derive(Clone, Debug)]
pub(crate) struct Seconds(Dense<Load>);

impl Default for Seconds {
    fn default() -> Self {
        // One place more than an hour has seconds: see `Seconds::NONE`.
        Seconds(Dense::new(usize::from(Self::NONE) + 1))
    }
}

impl Seconds {
    /// The second of a record whose time is left out of every series.
    pub(crate) const NONE: u16 = UtcHour::SECONDS as u16;

    /// To be called before anything is added.
    pub(crate) fn prepare(&mut self) {
        self.0.prepare();
    }

    /// Adds a load at a second of the hour (0…3,599).
    pub(crate) fn add(&mut self, second: u16, load: Load) {
        self.0.place(second).add(load);
    }

    /// Takes out all that was added.
    pub(crate) fn drain_into(&mut self, loads: &mut Loads) {
        loads.clear();
        self.0.drain(|second, load| {
            if second != Self::NONE {
                loads.push((second, load));
            }
        });
    }
}

/// Ends the hour of a group with these seconds: writes the minutes, the largest windows and the seconds that are
/// kept, which can be all. Equal series give equal bytes.
pub(crate) fn pack(seconds: &[(u16, Load)], keeps_all: bool, packer: &mut Packer) {
    // A quiet group keeps all of its seconds, and the rest follows from them.
    let follows = keeps_all || seconds.len() <= KEPT_SECONDS_MAX;
    if follows {
        pack_loads(seconds, packer);
        packer.count(0);
        return;
    }
    let first_edge = seconds.partition_point(|&(second, _)| second < EDGE_SECONDS);
    let last_edge = seconds.partition_point(|&(second, _)| second < UtcHour::SECONDS as u16 - EDGE_SECONDS);
    pack_loads(&[&seconds[..first_edge], &seconds[last_edge..]].concat(), packer);
    packer.count(1);
    let mut minutes = Loads::new();
    minutes_of(seconds, &mut minutes);
    pack_loads(&minutes, packer);
    // Windows by their places in the list, as if these were minutes.
    let peaks: Loads = (0..).zip(peaks_of(seconds)).collect();
    pack_loads(&peaks, packer);
}

/// One group in one sealed hour.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct SealedSeries {
    /// By minute of the hour.
    minutes: Loads,
    /// The seconds that are kept: both edges, or all of them where they are few.
    seconds: Loads,
    /// The largest windows inside the hour.
    peaks: Peaks,
    /// Whether only the edges are kept.
    is_cut: bool,
}

impl SealedSeries {
    /// Reads what [`pack`] wrote, in place of what is here: of many hours, one after the other.
    pub(crate) fn unpack(&mut self, unpacker: &mut Unpacker<'_>) {
        let SealedSeries { minutes, seconds, peaks, is_cut } = self;
        unpack_loads(unpacker, seconds);
        *is_cut = unpacker.count() != 0;
        if !*is_cut {
            *peaks = peaks_of(seconds);
            minutes_of(seconds, minutes);
            return;
        }
        // As they were packed: as if windows were minutes.
        unpack_loads(unpacker, minutes);
        let mut windows = Loads::with_capacity(WINDOWS.len());
        unpack_loads(unpacker, &mut windows);
        *peaks = Peaks::default();
        peaks.iter_mut().zip(windows).for_each(|(peak, (_, load))| *peak = load);
    }

    /// The active minutes of the hour, ascending.
    pub(crate) fn minutes(&self) -> &[(u16, Load)] {
        &self.minutes
    }

    /// The largest windows inside the hour.
    pub(crate) fn peaks(&self) -> &Peaks {
        &self.peaks
    }

    /// The largest windows of more than a second that begin in this hour and end in the next one, at a second with an
    /// attempt: in the order of [`WINDOWS`], but for the last.
    pub(crate) fn peaks_across(&self, next: &SealedSeries) -> [Load; WINDOWS.len() - 1] {
        std::array::from_fn(|window| {
            let mut sliding = SlidingWindow::new(WINDOWS[window]);
            let reach = (WINDOWS[window] - 1) as u16;
            let end = UtcHour::SECONDS as u16;
            let own = self.seconds.iter().filter(|&&(second, _)| second >= end - reach);
            own.for_each(|&(second, load)| sliding.push(i64::from(second), load));
            sliding.peak = Load::default();
            let others = next.seconds.iter().take_while(|&&(second, _)| second < reach);
            others.for_each(|&(second, load)| sliding.push(UtcHour::SECONDS + i64::from(second), load));
            sliding.peak
        })
    }

    /// Whether [`pack`] can have written what comes next.
    pub(crate) fn check(checker: &mut Checker<'_>) -> Option<()> {
        check_loads(checker, UtcHour::SECONDS)?;
        if checker.count_to(1)? == 1 {
            check_loads(checker, UtcHour::SECONDS / UtcMinute::SECONDS)?;
            check_loads(checker, WINDOWS.len() as i64)?;
        }
        Some(())
    }

    /// Adds another group's series of the same hour. The peaks are exact where both keep all of their seconds;
    /// else they are windows that were really seen, lower bounds.
    pub(crate) fn merge(&mut self, other: &SealedSeries) {
        merge_loads(&mut self.minutes, &other.minutes);
        merge_loads(&mut self.seconds, &other.seconds);
        raise(&mut self.peaks, other.peaks);
        raise(&mut self.peaks, peaks_of(&self.seconds));
        self.is_cut |= other.is_cut;
    }

    /// Whether seconds are missing that [`SealedSeries::merge`] would need to be exact.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }
}

/// Adds loads to loads.
fn merge_loads(own: &mut Loads, others: &[(u16, Load)]) {
    own.extend_from_slice(others);
    // A stable sort: it finds the two sorted stretches, and merges them.
    own.sort_by_key(|&(at, _)| at);
    own.dedup_by(|(at, load), (kept_at, kept)| {
        let is_same = at == kept_at;
        if is_same {
            kept.add(*load);
        }
        is_same
    });
}

/// The minutes that these seconds lie in, in place of what is in `minutes`.
fn minutes_of(seconds: &[(u16, Load)], minutes: &mut Loads) {
    minutes.clear();
    for &(second, load) in seconds {
        let minute = second / UtcMinute::SECONDS as u16;
        match minutes.last_mut() {
            Some((last, sum)) if *last == minute => sum.add(load),
            _ => minutes.push((minute, load)),
        }
    }
}

/// How one quantity of a list of loads is written, given another one that it is often like: most models charge
/// one quota token per token, and where no rate is known all are 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Likeness {
    /// All are 0: not written.
    Nothing,
    /// Each is what the other quantity is: not written.
    Same,
    /// The difference is written.
    Apart,
}

impl Likeness {
    /// Of these pairs of (quantity, other).
    fn of(pairs: impl Iterator<Item = (u64, u64)> + Clone) -> Self {
        if pairs.clone().all(|(value, _)| value == 0) {
            Likeness::Nothing
        } else if pairs.clone().all(|(value, other)| value == other) {
            Likeness::Same
        } else {
            Likeness::Apart
        }
    }

    fn number(self) -> u64 {
        match self {
            Likeness::Nothing => 0,
            Likeness::Same => 1,
            Likeness::Apart => 2,
        }
    }

    fn from_number(number: u64) -> Self {
        match number {
            0 => Likeness::Nothing,
            1 => Likeness::Same,
            _ => Likeness::Apart,
        }
    }

    fn pack(self, value: u64, other: u64, packer: &mut Packer) {
        if self == Likeness::Apart {
            // Wrapping, so that every pair has a difference; the sign goes to the low end, so that small ones
            // of both signs are short.
            let difference = value.wrapping_sub(other) as i64;
            packer.count((difference << 1 ^ difference >> 63) as u64);
        }
    }

    fn unpack(self, other: u64, unpacker: &mut Unpacker<'_>) -> u64 {
        match self {
            Likeness::Nothing => 0,
            Likeness::Same => other,
            Likeness::Apart => {
                let folded = unpacker.count();
                other.wrapping_add(folded >> 1 ^ (folded & 1).wrapping_neg())
            }
        }
    }
}

/// Writes loads by minute or second of the hour.
fn pack_loads(loads: &[(u16, Load)], packer: &mut Packer) {
    packer.count(loads.len() as u64);
    if loads.is_empty() {
        return;
    }
    let settled_is = Likeness::of(loads.iter().map(|(_, load)| (load.settled, load.tokens)));
    let reserved_is = Likeness::of(loads.iter().map(|(_, load)| (load.reserved, load.settled)));
    packer.count(settled_is.number() << 2 | reserved_is.number());
    let mut next = 0;
    for &(at, load) in loads {
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
        settled_is.pack(load.settled, load.tokens, packer);
        reserved_is.pack(load.reserved, load.settled, packer);
        next = at + 1;
    }
}

/// Reads what [`pack_loads`] wrote, in place of what is in `loads`.
fn unpack_loads(unpacker: &mut Unpacker<'_>, loads: &mut Loads) {
    loads.clear();
    let count = unpacker.count();
    if count == 0 {
        return;
    }
    loads.reserve(count as usize);
    let likeness = unpacker.count();
    let [settled_is, reserved_is] = [likeness >> 2, likeness & 3].map(Likeness::from_number);
    let mut next = 0;
    for _ in 0..count {
        let first = unpacker.count();
        let at = next + if first & 1 == 1 { unpacker.count() as u16 } else { 0 };
        let few = first >> 1;
        let attempts = if few == FEW_ATTEMPTS { FEW_ATTEMPTS + unpacker.count() } else { few };
        let tokens = unpacker.count();
        let settled = settled_is.unpack(tokens, unpacker);
        let reserved = reserved_is.unpack(settled, unpacker);
        loads.push((at, Load { attempts, tokens, settled, reserved }));
        next = at + 1;
    }
}

/// Whether [`pack_loads`] can have written what comes next, of so many places.
fn check_loads(checker: &mut Checker<'_>, places: i64) -> Option<()> {
    let places = places.unsigned_abs();
    let count = checker.count_to(places)?;
    if count == 0 {
        return Some(());
    }
    let likeness = checker.count_to(2 << 2 | 2)?;
    let [is_settled_apart, is_reserved_apart] = [likeness >> 2, likeness & 3].map(|number| number == 2);
    if likeness & 3 == 3 {
        return None;
    }
    let mut next = 0;
    for _ in 0..count {
        let first = checker.count_to(FEW_ATTEMPTS << 1 | 1)?;
        let gap = if first & 1 == 1 { checker.count_to(places).filter(|&gap| gap > 0)? } else { 0 };
        let at = next + gap;
        if at >= places {
            return None;
        }
        next = at + 1;
        if first >> 1 == FEW_ATTEMPTS {
            checker.count_to(u64::MAX - FEW_ATTEMPTS)?;
        }
        checker.count()?;
        if is_settled_apart {
            checker.count()?;
        }
        if is_reserved_apart {
            checker.count()?;
        }
    }
    Some(())
}

/// Fewer attempts than these fit into one byte, beside the flag of a gap.
const FEW_ATTEMPTS: u64 = 63;

/// The largest windows of an hour of which all seconds are here.
fn peaks_of(seconds: &[(u16, Load)]) -> Peaks {
    let largest = seconds
        .iter()
        .fold(0, |largest, (_, load)| largest | load.attempts | load.tokens | load.settled | load.reserved);
    // An hour has fewer than 2^12 seconds: where no sum of them can pass 64 bits, there is no need for more.
    if largest >> (u64::BITS - 12) == 0 { peaks_in::<Load>(seconds) } else { peaks_in::<WindowSums>(seconds) }
}

/// Sums over the seconds of a window, of which the oldest leave again.
trait WindowAdder: Default {
    fn add(&mut self, load: Load);
    fn subtract(&mut self, load: Load);
    fn load(&self) -> Load;
}

/// Where the sums fit.
impl WindowAdder for Load {
    fn add(&mut self, load: Load) {
        self.attempts += load.attempts;
        self.tokens += load.tokens;
        self.settled += load.settled;
        self.reserved += load.reserved;
    }

    fn subtract(&mut self, load: Load) {
        self.attempts -= load.attempts;
        self.tokens -= load.tokens;
        self.settled -= load.settled;
        self.reserved -= load.reserved;
    }

    fn load(&self) -> Load {
        *self
    }
}

fn peaks_in<Sums: WindowAdder>(seconds: &[(u16, Load)]) -> Peaks {
    std::array::from_fn(|window| {
        let length = WINDOWS[window] as u16;
        let mut peak = Load::default();
        if length == 1 {
            seconds.iter().for_each(|&(_, load)| peak.raise(load));
            return peak;
        }
        let mut sums = Sums::default();
        let mut oldest = 0;
        for &(second, load) in seconds {
            sums.add(load);
            while second - seconds[oldest].0 >= length {
                sums.subtract(seconds[oldest].1);
                oldest += 1;
            }
            peak.raise(sums.load());
        }
        peak
    })
}

/// What is in a window of seconds. Wider than its parts, so that what leaves is exactly what came in.
#[derive(Clone, Copy, Default)]
struct WindowSums {
    attempts: u128,
    tokens: u128,
    settled: u128,
    reserved: u128,
}

impl WindowAdder for WindowSums {
    fn add(&mut self, load: Load) {
        self.attempts += u128::from(load.attempts);
        self.tokens += u128::from(load.tokens);
        self.settled += u128::from(load.settled);
        self.reserved += u128::from(load.reserved);
    }

    fn subtract(&mut self, load: Load) {
        self.attempts -= u128::from(load.attempts);
        self.tokens -= u128::from(load.tokens);
        self.settled -= u128::from(load.settled);
        self.reserved -= u128::from(load.reserved);
    }

    fn load(&self) -> Load {
        let saturated = |sum: u128| u64::try_from(sum).unwrap_or(u64::MAX);
        Load {
            attempts: saturated(self.attempts),
            tokens: saturated(self.tokens),
            settled: saturated(self.settled),
            reserved: saturated(self.reserved),
        }
    }
}

/// A group over all its hours.
#[derive(Default)]
pub(crate) struct Timeline {
    /// Active minutes in order.
    pub(crate) minutes: Vec<(UtcMinute, Load)>,
    peaks: Peaks,
    windows: SlidingWindows,
}

impl Timeline {
    /// Adds the next hour; hours come in order.
    pub(crate) fn push(&mut self, hour: UtcHour, series: &SealedSeries) {
        let start = hour.start_seconds();
        let first_minute = start / UtcMinute::SECONDS;
        let minutes = series.minutes.iter();
        self.minutes
            .extend(minutes.map(|&(minute, load)| (UtcMinute(first_minute + i64::from(minute)), load)));
        // Windows inside the hour are in its own peaks. A quiet hour has its other seconds, too; they are not needed.
        for &(second, load) in &series.seconds {
            if is_at_edge(second) {
                self.windows.push(start + i64::from(second), load);
            }
        }
        raise(&mut self.peaks, series.peaks);
    }

    /// The largest sums over any 60, 10 and 1 consecutive seconds.
    ///
    /// A window inside an hour is in that hour's own peaks; one across a border lies in the edges that were
    /// pushed. Windows with seconds that were not kept come out too small, never too large.
    pub(crate) fn peaks(&self) -> Peaks {
        let mut peaks = self.peaks;
        raise(&mut peaks, self.windows.peaks());
        peaks
    }
}

/// One window of each length.
struct SlidingWindows([SlidingWindow; WINDOWS.len()]);

impl Default for SlidingWindows {
    fn default() -> Self {
        SlidingWindows(WINDOWS.map(SlidingWindow::new))
    }
}

impl SlidingWindows {
    /// Adds the next active second; seconds ascend.
    fn push(&mut self, second: i64, load: Load) {
        self.0.iter_mut().for_each(|window| window.push(second, load));
    }

    fn peaks(&self) -> Peaks {
        std::array::from_fn(|window| self.0[window].peak)
    }
}

/// The largest sums over so many consecutive seconds of what is pushed, in one pass.
struct SlidingWindow {
    seconds: i64,
    recent: VecDeque<(i64, Load)>,
    sums: WindowSums,
    peak: Load,
}

impl SlidingWindow {
    fn new(seconds: i64) -> Self {
        SlidingWindow { seconds, recent: VecDeque::new(), sums: WindowSums::default(), peak: Load::default() }
    }

    fn push(&mut self, second: i64, load: Load) {
        while let Some(&(first, gone)) = self.recent.front()
            && second - first >= self.seconds
        {
            self.recent.pop_front();
            self.sums.subtract(gone);
        }
        self.recent.push_back((second, load));
        self.sums.add(load);
        self.peak.raise(self.sums.load());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One attempt of so many tokens, settled at five times as many.
    fn load(attempts: u64, tokens: u64) -> Load {
        Load { attempts, tokens, settled: tokens.saturating_mul(5), reserved: attempts.saturating_mul(1_000) }
    }

    /// A series with these loads, `(second, tokens)`; one attempt each.
    fn series(loads: &[(u16, u64)]) -> Loads {
        let mut seconds = Seconds::default();
        seconds.prepare();
        loads.iter().for_each(|&(second, tokens)| seconds.add(second, load(1, tokens)));
        seconds.add(Seconds::NONE, load(1, 1));
        let mut series = Loads::new();
        seconds.drain_into(&mut series);
        series
    }

    fn sealed(series: &Loads) -> SealedSeries {
        let mut packer = Packer::default();
        pack(series, false, &mut packer);
        let bytes = packer.finish();
        let mut unpacker = Unpacker::new(&bytes);
        let mut sealed = SealedSeries::default();
        sealed.unpack(&mut unpacker);
        assert!(unpacker.is_empty());
        let mut minutes = Loads::new();
        minutes_of(series, &mut minutes);
        assert_eq!((&sealed.minutes, sealed.peaks), (&minutes, peaks_of(series)));
        assert_eq!(sealed.peaks, peaks_in::<WindowSums>(series));
        sealed
    }

    fn packed_loads(loads: &[(u16, Load)]) -> Box<[u8]> {
        let mut packer = Packer::default();
        pack_loads(loads, &mut packer);
        let bytes = packer.finish();
        let mut unpacker = Unpacker::new(&bytes);
        let mut unpacked = Loads::new();
        unpack_loads(&mut unpacker, &mut unpacked);
        assert_eq!(unpacked, loads);
        assert!(unpacker.is_empty());
        bytes
    }

    #[test]
    fn packed_loads_are_unpacked() {
        let attempts = [1, FEW_ATTEMPTS - 1, FEW_ATTEMPTS, FEW_ATTEMPTS + 1, u64::MAX];
        let loads = [0, 7, 8, 900, 3_599].into_iter().zip(attempts);
        let mut loads: Loads = loads.map(|(at, attempts)| (at, load(attempts, attempts / 2))).collect();
        loads.push((1, Load { attempts: FEW_ATTEMPTS, ..Load::default() }));
        // The widest differences, of both signs.
        loads.push((2, Load { attempts: 1, tokens: 0, settled: u64::MAX, reserved: 0 }));
        loads.push((3, Load { attempts: 1, tokens: u64::MAX, settled: 0, reserved: u64::MAX }));
        loads.sort_by_key(|&(at, _)| at);
        packed_loads(&loads);
        packed_loads(&[]);
    }

    #[test]
    fn what_is_charged_costs_nothing_where_it_is_nothing_or_what_was_used() {
        let with = |charge: fn(u64) -> (u64, u64)| {
            let load = |tokens| {
                let (settled, reserved) = charge(tokens);
                Load { attempts: 1, tokens, settled, reserved }
            };
            packed_loads(&(0..100).map(|at| (at, load(1_000 + u64::from(at)))).collect::<Loads>()).len()
        };
        let nothing = with(|_| (0, 0));
        assert_eq!(with(|tokens| (tokens, tokens)), nothing);
        // A difference takes what it needs: one byte each below 64, two below 8,192.
        assert_eq!(with(|tokens| (tokens + 9, tokens + 9)), nothing + 100);
        assert_eq!(with(|tokens| (tokens - 9, tokens + 5_000)), nothing + 100 + 200);
    }

    #[test]
    fn a_window_holds_60_seconds_and_not_61() {
        assert_eq!(sealed(&series(&[(0, 5), (59, 7)])).peaks[0], load(2, 12));
        assert_eq!(sealed(&series(&[(0, 5), (60, 7)])).peaks[0], load(1, 7));
    }

    #[test]
    fn shorter_windows_hold_10_seconds_and_1() {
        let peaks = sealed(&series(&[(0, 5), (9, 7), (10, 8)])).peaks;
        assert_eq!(peaks, [load(3, 20), load(2, 15), load(1, 8)]);
    }

    #[test]
    fn a_window_across_the_hour_is_found_from_the_edges() {
        let busy: Vec<(u16, u64)> = (0..3_600).map(|second| (second, 1)).collect();
        let mut evening = busy.clone();
        evening.push((3_599 - 10, 100));
        let mut morning = busy;
        morning.push((48, 100));
        let mut timeline = Timeline::default();
        timeline.push(UtcHour(7), &sealed(&series(&evening)));
        timeline.push(UtcHour(8), &sealed(&series(&morning)));
        // From second 3,589 to second 48 of the next hour are 60 seconds: both bursts and 60 single tokens.
        assert_eq!(timeline.peaks(), [load(62, 260), load(11, 110), load(2, 101)]);
        assert_eq!(timeline.minutes.len(), 120);
        assert_eq!(timeline.minutes[60].0, UtcMinute(8 * 60));
    }

    #[test]
    fn ten_seconds_across_the_hour_are_found_from_the_edges() {
        let busy: Vec<(u16, u64)> = (0..3_600).map(|second| (second, 1)).collect();
        let mut evening = busy.clone();
        evening.push((3_599, 100));
        let mut morning = busy;
        morning.push((8, 100));
        let mut timeline = Timeline::default();
        timeline.push(UtcHour(7), &sealed(&series(&evening)));
        timeline.push(UtcHour(8), &sealed(&series(&morning)));
        assert_eq!(timeline.peaks()[1], load(12, 210));
    }

    #[test]
    fn the_windows_of_an_hour_are_those_of_pushing_its_seconds() {
        let mut state = 7u64;
        for spread in [1, 3, 11, 200] {
            let mut second = 0u64;
            let mut loads = Loads::new();
            while second < 3_600 {
                loads.push((second as u16, load(1 + state % 3, state % 1_000)));
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                second += 1 + (state >> 33) % spread;
            }
            let mut windows = SlidingWindows::default();
            loads.iter().for_each(|&(second, load)| windows.push(i64::from(second), load));
            assert_eq!(peaks_of(&loads), windows.peaks());
        }
    }

    #[test]
    fn hours_that_are_not_neighbours_share_no_window() {
        let mut timeline = Timeline::default();
        timeline.push(UtcHour(7), &sealed(&series(&[(3_599, 5)])));
        timeline.push(UtcHour(9), &sealed(&series(&[(0, 6)])));
        assert_eq!(timeline.peaks()[0], load(1, 6));
    }

    #[test]
    fn a_busy_group_keeps_its_edges_and_a_quiet_one_all_seconds() {
        let busy: Vec<(u16, u64)> = (0..3_600).map(|second| (second, 1)).collect();
        let kept = sealed(&series(&busy)).seconds;
        assert_eq!(kept.len(), KEPT_SECONDS_MAX);
        let holds = |second| kept.iter().any(|&(at, _)| at == second);
        assert!(holds(58) && !holds(59));
        assert!(holds(3_541) && !holds(3_540));
        let quiet: Vec<(u16, u64)> =
            (1_000..1_000 + KEPT_SECONDS_MAX as u16).map(|second| (second, 1)).collect();
        assert_eq!(sealed(&series(&quiet)).seconds.len(), KEPT_SECONDS_MAX);
    }

    #[test]
    fn the_peak_of_a_combined_series_is_not_the_sum_of_peaks() {
        let mut one = sealed(&series(&[(0, 10), (600, 4)]));
        one.merge(&sealed(&series(&[(600, 9), (1_200, 11)])));
        assert_eq!(one.peaks[0], load(2, 13));
        assert_eq!(one.minutes, [(0, load(1, 10)), (10, load(2, 13)), (20, load(1, 11))]);
    }

    #[test]
    fn sums_past_u64_saturate_instead_of_wrapping() {
        let huge = series(&[(0, u64::MAX), (1, u64::MAX), (70, 1)]);
        let sealed = sealed(&huge);
        assert_eq!(
            sealed.peaks[0],
            Load { attempts: 2, tokens: u64::MAX, settled: u64::MAX, reserved: 2_000 }
        );
        assert_eq!(sealed.minutes[0].1.tokens, u64::MAX);
    }
}
