//! Searches under the bucket that refills.
//!
//! In: the arrivals under one measure. Out: how many a quota refuses, and the offered view. Always: exact; blocks
//! in which provably nobody is refused are passed in one step. Absent: the windows with expiry.
//!
//! Here a refusal does not only make room. What is given back to a bucket that has refilled meanwhile helps
//! others, and a refused request gives nothing back. So the windows' shortcut does not hold, and all events are
//! gone through in order, by the deficit D: what is missing in the bucket.
//!
//! One event after a gap of d ms changes D to max(0, max(0, D − Q d) + c), which is max(p, D + c − Q d) with
//! p = max(0, c). Functions of the form max(A, D + B) are closed under composition, so a whole block of events,
//! if all of it happens, is such a function, too: B is the sum of its changes less Q times its span, and A is the
//! largest of p + (changes after it) − Q × (time after it) over its events, which for all Q at once is the upper
//! envelope of lines. An arrival fits if D + reserve ≤ full when it comes, and that D is never above
//! max(fresh, D at the block's start + carried), where `fresh` is of a bucket full at the block's first event,
//! and `carried` of one that never fills up. Both fall as Q grows, so what was computed for a smaller quota is an
//! upper bound. A block with a settlement of somebody refused is gone through event by event.

use std::ops::Range;

use super::gauge::scaled;
use super::load::Load;
use super::search::{Candidates, bisect};

/// Events that are passed in one step: few enough that one refusal costs little, many enough that a block's own
/// facts are small beside its events. A multiple of 64, see [`Events::is_voided`].
const BLOCK: usize = 256;

/// [`Event::settlement`] of an arrival that takes at its end what it reserved, or ends after the last arrival.
const NONE: usize = usize::MAX;
/// [`Event::settlement`] of a settlement.
const ITSELF: usize = usize::MAX - 1;

/// An arrival or a settlement.
#[derive(Clone, Copy, Debug)]
struct Event {
    /// In ms.
    at: i64,
    /// What it takes from the bucket; an arrival never gives.
    change: i64,
    /// Where the settlement of an arrival stands, or one of the two constants.
    settlement: usize,
}

/// Consecutive events as one function of the deficit before them.
#[derive(Clone, Debug)]
struct Block {
    /// Time since the event before the block, in ms.
    span: i64,
    /// All changes together.
    change: i64,
    /// Its part of [`Buckets::lines`].
    envelope: Range<usize>,
    /// Largest deficit with an arrival's reservation, from a full bucket at the first event; scaled, at the
    /// reference quota.
    fresh: i128,
    /// The same beyond the deficit at the start, as long as the bucket does not fill up. `i128::MIN` without
    /// arrivals.
    carried: i128,
}

/// A deficit of so much at the end of a block, had the bucket been full so many ms before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Line {
    before_ms: i64,
    change: i64,
}

/// Whether those over the quota consume.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Over {
    /// Offered view.
    Consumes,
    /// Replay.
    IsRefused,
}

/// All events, ready to be replayed.
#[derive(Debug)]
pub(super) struct Buckets {
    events: Vec<Event>,
    blocks: Vec<Block>,
    lines: Vec<Line>,
    /// The quota at which the blocks' bounds were computed: they hold for it and above.
    reference: Option<i64>,
    /// A bit for each event: settlements of requests that are refused in the current replay.
    voided: Vec<u64>,
    /// Once it is known.
    none_over: Option<i64>,
}

impl Buckets {
    pub(super) fn new(load: Load<'_>) -> Self {
        let events = merge(load);
        let mut lines = Vec::new();
        let mut before = events.first().map_or(0, |first| first.at);
        let mut blocks = Vec::with_capacity(events.len().div_ceil(BLOCK));
        for events in events.chunks(BLOCK) {
            let last = events.last().map_or(before, |last| last.at);
            let envelope = lines.len()..lines.len() + push_envelope(events, &mut lines);
            let change = events.iter().map(|event| event.change).sum();
            blocks.push(Block { span: last - before, change, envelope, fresh: 0, carried: 0 });
            before = last;
        }
        let voided = vec![0; events.len().div_ceil(64)];
        Buckets { events, blocks, lines, reference: None, voided, none_over: None }
    }

    /// Requests over the quota, or refused; `None` if more than allowed.
    fn run(&mut self, quota: i64, allowed: usize, over: Over) -> Option<usize> {
        self.refer(quota);
        self.voided.fill(0);
        let full = scaled(quota);
        let mut count = 0;
        let mut deficit: i128 = 0;
        let mut before = self.events.first().map_or(0, |first| first.at);
        for (number, block) in self.blocks.iter().enumerate() {
            let first = number * BLOCK;
            let last = self.events.len().min(first + BLOCK);
            let voided = &self.voided[first / 64..last.div_ceil(64)];
            if voided.iter().all(|&bits| bits == 0) && block.fresh <= full && deficit + block.carried <= full
            {
                let refilled = i128::from(quota) * i128::from(block.span);
                let lasting = deficit + scaled(block.change) - refilled;
                deficit = lasting.max(highest(&self.lines[block.envelope.clone()], quota));
                before = self.events[last - 1].at;
                continue;
            }
            for place in first..last {
                let event = self.events[place];
                let refilled = i128::from(quota) * i128::from(event.at - before);
                before = event.at;
                deficit = (deficit - refilled).max(0);
                if event.settlement == ITSELF {
                    if !self.is_voided(place) {
                        deficit = (deficit + scaled(event.change)).max(0);
                    }
                    continue;
                }
                let taken = deficit + scaled(event.change);
                if taken <= full || over == Over::Consumes {
                    deficit = taken;
                }
                if taken > full {
                    count += 1;
                    if count > allowed {
                        return None;
                    }
                    if over == Over::IsRefused && event.settlement != NONE {
                        self.voided[event.settlement / 64] |= 1 << (event.settlement % 64);
                    }
                }
            }
        }
        Some(count)
    }

    fn is_voided(&self, place: usize) -> bool {
        self.voided[place / 64] >> (place % 64) & 1 == 1
    }

    /// Makes the blocks' bounds hold for a quota, with room for the next ones of a search.
    fn refer(&mut self, quota: i64) {
        // Bounds from a much smaller quota hold, but hold back blocks that could be passed.
        if self.reference.is_some_and(|reference| reference <= quota && quota / 2 <= reference) {
            return;
        }
        let reference = quota - quota / 4;
        self.reference = Some(reference);
        let mut before = self.events.first().map_or(0, |first| first.at);
        for (block, events) in self.blocks.iter_mut().zip(self.events.chunks(BLOCK)) {
            (block.fresh, block.carried) = bounds(events, before, reference);
            before = events.last().map_or(before, |last| last.at);
        }
    }
}

impl Candidates for Buckets {
    fn none_over(&mut self) -> i64 {
        if let Some(quota) = self.none_over {
            return quota;
        }
        let arrivals = self.events.iter().filter(|event| event.settlement != ITSELF);
        let mut high = arrivals.map(|event| event.change).max().unwrap_or(0).max(1);
        while self.run(high, 0, Over::Consumes).is_none() {
            high = high.saturating_mul(2);
        }
        let quota = bisect(high, |quota| self.run(quota, 0, Over::Consumes).is_some());
        self.none_over = Some(quota);
        quota
    }

    fn smallest_offered(&mut self, allowed: usize) -> i64 {
        let high = self.none_over();
        bisect(high, |quota| self.run(quota, allowed, Over::Consumes).is_some())
    }

    fn refused(&mut self, quota: i64, allowed: usize) -> Option<usize> {
        self.run(quota, allowed, Over::IsRefused)
    }
}

/// Arrivals and settlements in the order in which they happen.
fn merge(load: Load<'_>) -> Vec<Event> {
    let last = load.len().checked_sub(1).map_or(0, |last| load.get(last).start);
    // What settles at what it reserved changes nothing then, and what settles after the last arrival changes
    // nothing for anyone.
    let mut ends: Vec<(i64, usize)> = load
        .iter()
        .enumerate()
        .filter(|(_, charged)| charged.settle != charged.reserve && charged.end <= last)
        .map(|(arrival, charged)| (charged.end, arrival))
        .collect();
    ends.sort_unstable();
    let mut ends = ends.into_iter().peekable();
    let mut events: Vec<Event> = Vec::with_capacity(load.len() + ends.len());
    // Where the arrivals stand that are not settled yet.
    let mut places: Vec<usize> = Vec::with_capacity(load.len());
    for (arrival, charged) in load.iter().enumerate() {
        // Also those of this very ms, of arrivals before this one.
        while let Some((end, settled)) = ends.next_if(|&settlement| settlement < (charged.start, arrival)) {
            let settlement = events.len();
            events[places[settled]].settlement = settlement;
            let charged = load.get(settled);
            events.push(Event { at: end, change: charged.settle - charged.reserve, settlement: ITSELF });
        }
        places.push(events.len());
        events.push(Event { at: charged.start, change: charged.reserve, settlement: NONE });
    }
    events
}

/// Adds the lines of a block's envelope, the latest first, and says how many. They grow in both coordinates, and
/// ever less steeply: whatever is not the highest at some quota is left out.
fn push_envelope(events: &[Event], lines: &mut Vec<Line>) -> usize {
    let first = lines.len();
    let end = events.last().map_or(0, |last| last.at);
    let mut after = 0;
    for event in events.iter().rev() {
        let line = Line { before_ms: end - event.at, change: event.change.max(0) + after };
        after += event.change;
        if lines[first..].last().is_some_and(|last| last.change >= line.change) {
            continue;
        }
        while let Some(&last) = lines[first..].last() {
            let previous = lines[first..].iter().nth_back(1);
            let is_hidden = last.before_ms == line.before_ms
                || previous.is_some_and(|&previous| !is_steeper(previous, last, line));
            if !is_hidden {
                break;
            }
            lines.pop();
        }
        lines.push(line);
    }
    lines.len() - first
}

/// Whether from `a` to `b` it is steeper than from `b` to `c`.
fn is_steeper(a: Line, b: Line, c: Line) -> bool {
    i128::from(b.change - a.change) * i128::from(c.before_ms - b.before_ms)
        > i128::from(c.change - b.change) * i128::from(b.before_ms - a.before_ms)
}

/// The height of an envelope at a quota, scaled: the deficit after the block if the bucket was full within it.
fn highest(lines: &[Line], quota: i64) -> i128 {
    let height = |line: &Line| scaled(line.change) - i128::from(quota) * i128::from(line.before_ms);
    let mut highest = 0;
    for line in lines {
        let height = height(line);
        // Beyond the highest they only fall.
        if height < highest {
            break;
        }
        highest = height;
    }
    highest
}

/// [`Block::fresh`] and [`Block::carried`] at a quota.
fn bounds(events: &[Event], before: i64, quota: i64) -> (i128, i128) {
    let mut before = before;
    let (mut fresh, mut carried) = (0, i128::MIN);
    let (mut from_full, mut from_start) = (0_i128, 0_i128);
    for event in events {
        let refilled = i128::from(quota) * i128::from(event.at - before);
        before = event.at;
        from_full = (from_full - refilled).max(0) + scaled(event.change);
        from_start += scaled(event.change) - refilled;
        if event.settlement == ITSELF {
            from_full = from_full.max(0);
        } else {
            fresh = fresh.max(from_full);
            carried = carried.max(from_start);
        }
    }
    (fresh, carried)
}
