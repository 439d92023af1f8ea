//! When calls happen: hours of the range, gaps, the daily curve, and bursts within the hour.
//!
//! In: the options. Out: for every hour the moments of its calls. Always: exactly the number of requests asked
//! for, none in a gap, all within the range.

use std::collections::BTreeSet;

use crate::Options;
use crate::calendar::{DAY, HOUR};
use crate::random::Random;

/// How busy the hours of a UTC day are.
const BY_HOUR: [u64; 24] =
    [20, 16, 14, 13, 14, 18, 28, 45, 70, 88, 95, 92, 85, 90, 98, 100, 94, 80, 64, 52, 44, 36, 30, 24];

/// One hour of the range.
#[derive(Clone, Debug)]
pub(crate) struct HourPlan {
    /// Since the epoch.
    pub(crate) hour: i64,
    /// First second that lies in the range.
    pub(crate) from_seconds: i64,
    /// End of the seconds that lie in the range, exclusive.
    pub(crate) to_seconds: i64,
    /// Calls that happen in it.
    pub(crate) requests: u64,
}

/// One call to come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Moment {
    pub(crate) stream: usize,
    pub(crate) seconds: i64,
    /// In a minute with far more calls than usual, where quotas are met.
    pub(crate) is_busy: bool,
}

/// The hours of the range and what is missing from them.
#[derive(Debug)]
pub(crate) struct Traffic {
    pub(crate) hours: Vec<HourPlan>,
    /// Share of each stream in the calls.
    weights: Vec<u32>,
    /// Hours in which no stream delivers.
    common_gaps: BTreeSet<i64>,
    /// Hours in which the first stream alone does not deliver.
    first_stream_gaps: BTreeSet<i64>,
}

impl Traffic {
    /// Plans the range. `streams_have_folders`: a gap can belong to one stream alone.
    pub(crate) fn plan(
        options: &Options,
        weights: Vec<u32>,
        streams_have_folders: bool,
        random: &mut Random,
    ) -> Self {
        let (first, end) = (options.from_seconds.div_euclid(HOUR), -(-options.to_seconds).div_euclid(HOUR));
        let mut hours: Vec<HourPlan> = (first..end)
            .map(|hour| HourPlan {
                hour,
                from_seconds: options.from_seconds.max(hour * HOUR),
                to_seconds: options.to_seconds.min((hour + 1) * HOUR),
                requests: 0,
            })
            .collect();

        // Gaps keep two hours away from both ends, where they would only shorten the range.
        let mut common_gaps = BTreeSet::new();
        let mut first_stream_gaps = BTreeSet::new();
        let mut candidates: Vec<i64> = (first + 2..end - 2).collect();
        for index in 0..options.gaps {
            if candidates.is_empty() {
                break;
            }
            let hour = candidates.swap_remove(random.index(candidates.len()));
            if index % 2 == 1 && streams_have_folders && weights.len() > 1 {
                first_stream_gaps.insert(hour);
            } else {
                common_gaps.insert(hour);
            }
        }

        // Calls in proportion to the hours' weights; rounding the running sum makes the parts add up.
        let weight = |plan: &HourPlan| {
            if common_gaps.contains(&plan.hour) {
                return 0;
            }
            // 1970-01-01 was a Thursday: days 2 and 3 of each week since then are a weekend.
            let is_weekend = matches!((plan.hour * HOUR).div_euclid(DAY).rem_euclid(7), 2 | 3);
            let of_day = BY_HOUR[plan.hour.rem_euclid(24) as usize] * if is_weekend { 4 } else { 10 };
            u128::from(of_day) * (plan.to_seconds - plan.from_seconds) as u128
        };
        let whole: u128 = hours.iter().map(weight).sum();
        let (mut before, mut given) = (0, 0);
        for plan in &mut hours {
            before += weight(plan);
            let upto = (u128::from(options.requests) * before).checked_div(whole).unwrap_or(0) as u64;
            plan.requests = upto - given;
            given = upto;
        }
        Traffic { hours, weights, common_gaps, first_stream_gaps }
    }

    /// Whether objects of this stream may lie in this hour's folder.
    pub(crate) fn is_open(&self, stream: usize, hour: i64) -> bool {
        let is_gap =
            self.common_gaps.contains(&hour) || (stream == 0 && self.first_stream_gaps.contains(&hour));
        !is_gap
    }

    /// Whether the hours `hour..=hour + after` are in the range as a whole and open to this stream.
    pub(crate) fn is_open_through(&self, stream: usize, hour: i64, after: i64) -> bool {
        (hour..=hour + after).all(|hour| {
            self.is_open(stream, hour)
                && self.plan_of(hour).is_some_and(|plan| plan.to_seconds - plan.from_seconds == HOUR)
        })
    }

    /// The plan of an hour of the range.
    pub(crate) fn plan_of(&self, hour: i64) -> Option<&HourPlan> {
        let first = self.hours.first()?.hour;
        self.hours.get(usize::try_from(hour - first).ok()?)
    }

    /// The calls of an hour, by stream and time.
    pub(crate) fn moments(&self, plan: &HourPlan, random: &mut Random) -> Vec<Moment> {
        // Minutes differ by up to three times, and one or two of an hour burst.
        let mut by_minute: [u32; 60] = std::array::from_fn(|_| random.between(50, 150) as u32);
        let mut busy = [false; 60];
        for _ in 0..random.between(1, 2) {
            let minute = random.index(60);
            by_minute[minute] = random.between(600, 1_200) as u32;
            busy[minute] = true;
        }
        let mut moments = Vec::with_capacity(plan.requests as usize);
        for _ in 0..plan.requests {
            let open = self
                .weights
                .iter()
                .enumerate()
                .map(|(stream, &weight)| if self.is_open(stream, plan.hour) { weight } else { 0 });
            let stream = random.weighted(open);
            let minute = random.weighted(by_minute.iter().copied());
            // A burst fills the first third of its minute.
            let second = if busy[minute] { random.below(20) } else { random.below(60) };
            let seconds = plan.hour * HOUR + minute as i64 * 60 + second as i64;
            let span = plan.to_seconds - plan.from_seconds;
            let seconds = plan.from_seconds + (seconds - plan.hour * HOUR) * span / HOUR;
            moments.push(Moment { stream, seconds, is_busy: busy[minute] });
        }
        moments.sort_unstable();
        moments
    }

    /// A stream that is open through these hours, by chance.
    pub(crate) fn open_stream(&self, hour: i64, after: i64, random: &mut Random) -> Option<usize> {
        let open: Vec<usize> = (0..self.weights.len())
            .filter(|&stream| (hour..=hour + after).all(|h| self.is_open(stream, h)))
            .collect();
        (!open.is_empty()).then(|| open[random.index(open.len())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_a_moment_in_the_range_and_none_in_a_gap() {
        let mut random = Random::new(5);
        let options = Options {
            requests: 5_003,
            from_seconds: 1_710_115_200 + 1_234,
            to_seconds: 1_710_115_200 + 30 * HOUR + 77,
            gaps: 5,
            ..Options::default()
        };
        let traffic = Traffic::plan(&options, vec![3, 2, 1], true, &mut random);
        assert_eq!((traffic.common_gaps.len(), traffic.first_stream_gaps.len()), (3, 2));
        let mut total = 0;
        for plan in &traffic.hours {
            for moment in traffic.moments(plan, &mut random) {
                assert!((options.from_seconds..options.to_seconds).contains(&moment.seconds));
                assert_eq!(moment.seconds.div_euclid(HOUR), plan.hour);
                assert!(traffic.is_open(moment.stream, plan.hour));
                total += 1;
            }
        }
        assert_eq!(total, options.requests);
    }
}
