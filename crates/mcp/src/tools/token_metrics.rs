//! `bedrock_get_token_metrics`: tokens and requests per minute.
//!
//! In: a subject, a period, and how many minutes a data point has. Out: the figures of a report by minute, and its
//! minutes put together to points. Always: the points of a series add up to it, and the largest of their peaks is its
//! peak; no more than 1,500 of them in all. Absent: minutes without any attempt.

use std::collections::BTreeMap;

use borehole_record::time::parse_timestamp;
use borehole_record::{Timestamp, UtcMinute};
use borehole_report::Decimal;
use borehole_report::model::{DataPoint, Group, PerMinute};
use serde_json::Value;

use super::arguments::{Arguments, Kind, Parameter};
use super::content::Content;
use super::schema::{Field, integer, list, number, object, text};
use super::{Lane, POINTS_MAX, Question, Tool, basis, described, subject};
use crate::engine::{Engine, Failure, Measured, Moments, Period, Subject, Watch};

const MINUTES_PER_DAY: i64 = 24 * 60;

/// Minutes of a point that are taken where those that were asked for are too many; then whole days.
const PERIODS: [i64; 13] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, MINUTES_PER_DAY];

const PARAMETERS: [Parameter; 6] = [
    subject::MODEL_ID,
    subject::REGION,
    Parameter::optional(
        "period",
        Kind::Integer { min: 1, max: 1_440, default: Some(60) },
        "Minutes of a data point; longer where the series together had more than 1,500 of them",
    ),
    subject::START_TIME,
    subject::END_TIME,
    subject::ACCOUNT_ID,
];

pub(super) const TOOL: Tool = Tool {
    name: "bedrock_get_token_metrics",
    title: "Tokens and requests per minute",
    description: described!(
        "Tokens per minute (TPM) and requests per minute (RPM) of one model in one Region by clock-aligned UTC minute: \
         average and p50 (steady) over minutes with an attempt, peak, and data points of period minutes. \
         tokens_per_minute is input + output of successful requests; quota_tokens_per_minute is what a quota is charged \
         (input + cache writes + output x the model's rate), which is what to hold against a TPM quota; \
         reserved_tokens_per_minute is what admission takes at the start, with max_tokens. requests_per_minute counts \
         all attempts. Next: bedrock_quota for the quota that would have been enough."
    ),
    parameters: &PARAMETERS,
    fields,
    read: |arguments| TokenMetrics::read(arguments).map(Question::TokenMetrics),
    lane: Lane::Reading,
    is_read_only: true,
};

/// What is asked.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct TokenMetrics {
    subject: Subject,
    period: Period,
    /// Minutes of a data point; 1 to 1,440.
    point_minutes: u32,
}

impl TokenMetrics {
    fn read(arguments: &Arguments) -> Result<Self, String> {
        Ok(TokenMetrics {
            subject: subject::subject(arguments)?,
            period: subject::period(arguments)?,
            point_minutes: arguments.integer("period")?,
        })
    }

    pub(super) fn answer(&self, engine: &dyn Engine, watch: &Watch) -> Result<Content, Failure> {
        // The minutes are in the report; slots of hours are of no use here.
        let Measured { report, basis, others, .. } = engine.measure(&self.subject, &self.period, 1, watch)?;
        let totals = &report.totals;
        let all = [
            totals.tokens_per_minute.as_ref(),
            totals.requests_per_minute.as_ref(),
            totals.quota_tokens_per_minute.as_ref(),
            totals.reserved_tokens_per_minute.as_ref(),
        ];
        let minutes: Vec<Vec<(UtcMinute, u64)>> =
            all.iter().map(|series| series.map_or_else(Vec::new, minutes_of)).collect();
        let asked = i64::from(self.point_minutes);
        let period = fitting_period(asked, &minutes);
        let mut ours = Vec::new();
        if period != asked {
            ours.push(format!(
                "data points have {period} minutes instead of {asked}, so that there are no more than {POINTS_MAX}"
            ));
        }
        let figures = |at: usize| series(all[at], &minutes[at], period, basis.moments.as_ref());
        let tokens = &totals.tokens;
        // Sums of nothing known are not 0.
        let has_raw = tokens.input_known > 0 || tokens.output_known > 0 || totals.requests.successful == 0;
        let known = |at: usize, requests: u64| {
            (requests > 0 && all[at].is_some()).then(|| figures(at).count("known_requests", requests))
        };
        let is_empty = totals.requests.attempted == 0;
        let answer = Content::new()
            .count("period_minutes", period.unsigned_abs())
            .put_known("tokens_per_minute", has_raw.then(|| figures(0)))
            .put("requests_per_minute", figures(1))
            .put_known("quota_tokens_per_minute", known(2, tokens.settled_known))
            .put_known("reserved_tokens_per_minute", known(3, tokens.reserved_known))
            .put_known("quota_tokens_unknown", unknown(totals))
            .put_known("nothing_found", is_empty.then(|| basis::nothing_found(others.as_ref())));
        Ok(basis::put(answer, &basis, &self.subject, &ours))
    }
}

/// How many successful requests the quota tokens leave out.
fn unknown(totals: &Group) -> Option<u64> {
    Some(totals.requests.successful.saturating_sub(totals.tokens.settled_known))
        .filter(|&requests| requests > 0)
}

/// The minutes of a series, in order.
fn minutes_of(series: &PerMinute) -> Vec<(UtcMinute, u64)> {
    let points = series.data_points.iter().flatten();
    let mut minutes: Vec<(UtcMinute, u64)> = points.filter_map(minute_of).collect();
    minutes.sort_unstable();
    minutes
}

fn minute_of(point: &DataPoint) -> Option<(UtcMinute, u64)> {
    let (moment, _) = parse_timestamp(point.minute.as_ref()?.as_bytes())?;
    Some((UtcMinute::of(moment), point.tokens.or(point.requests)?))
}

/// The period that was asked for, or the next larger one with few enough points in all series together: an answer is to
/// fit into an assistant's attention.
fn fitting_period(asked: i64, series: &[Vec<(UtcMinute, u64)>]) -> i64 {
    let points = |period: i64| series.iter().map(|minutes| points_of(minutes, period)).sum::<usize>();
    let fits = |period: i64| points(period) <= POINTS_MAX;
    if fits(asked) {
        return asked;
    }
    let longer = PERIODS.into_iter().filter(|&period| period > asked).find(|&period| fits(period));
    // Every doubling halves the points: this ends.
    let mut period = longer.unwrap_or(MINUTES_PER_DAY);
    while !fits(period) && period < i64::MAX / 2 {
        period *= 2;
    }
    period
}

fn points_of(minutes: &[(UtcMinute, u64)], period: i64) -> usize {
    let mut points = 0;
    let mut last = None;
    for &(minute, _) in minutes {
        let start = Some(start_of(minute, period));
        points += usize::from(start != last);
        last = start;
    }
    points
}

/// The first minute of the point that a minute is in. Points are aligned to the UTC day, the last of a day is cut by its
/// end; those of several days to the days since the epoch.
fn start_of(minute: UtcMinute, period: i64) -> i64 {
    if period > MINUTES_PER_DAY {
        return minute.0.div_euclid(period) * period;
    }
    let of_day = minute.0.rem_euclid(MINUTES_PER_DAY);
    minute.0 - of_day % period
}

/// The end of a point that starts with a minute.
fn end_of(start: i64, period: i64) -> i64 {
    if period > MINUTES_PER_DAY {
        return start.saturating_add(period);
    }
    let next_day = (start.div_euclid(MINUTES_PER_DAY) + 1) * MINUTES_PER_DAY;
    (start + period).min(next_day)
}

/// The minutes that two moments touch.
fn touched(moments: &Moments) -> (i64, i64) {
    let last = UtcMinute::of(moments.to);
    let is_whole = moments.to == Timestamp::from_seconds(last.start_seconds());
    (UtcMinute::of(moments.from).0, if is_whole { last.0 } else { last.0 + 1 })
}

#[derive(Default)]
struct Point {
    sum: u128,
    peak: u64,
}

fn series(
    figures: Option<&PerMinute>,
    minutes: &[(UtcMinute, u64)],
    period: i64,
    moments: Option<&Moments>,
) -> Content {
    let mut points: BTreeMap<i64, Point> = BTreeMap::new();
    for &(minute, value) in minutes {
        let point = points.entry(start_of(minute, period)).or_default();
        point.sum += u128::from(value);
        point.peak = point.peak.max(value);
    }
    let (from, to) = moments.map_or((i64::MIN, i64::MAX), touched);
    let points = points.iter().map(|(&start, point)| {
        let length = end_of(start, period).min(to).saturating_sub(start.max(from));
        Content::new()
            .moment("timestamp", Timestamp::from_seconds(UtcMinute(start).start_seconds()))
            .count("sum", point.sum)
            .decimal("average", Decimal::quotient(point.sum, u128::try_from(length).unwrap_or(0)))
            .count("peak", point.peak)
            .into()
    });
    let points: Vec<Value> = points.collect();
    let Some(figures) = figures else {
        return Content::new().count("peak", 0_u64).put("data_points", points);
    };
    Content::new()
        .decimal("average", figures.average)
        .decimal("average_all", figures.average_all)
        .count("p50", figures.p50)
        .count("p90", figures.p90)
        .count("p99", figures.p99)
        .count("peak", figures.peak)
        .put("peak_minute", figures.peak_minute.as_str())
        .count("peak_sliding_60s", figures.peak_sliding_60s)
        .put("data_points", points)
}

fn fields() -> Vec<Field> {
    let series = |description, is_part: bool| {
        let point = [
            ("timestamp", text("Start of the point, aligned to the UTC day")),
            ("sum", integer("")),
            ("average", number("Per minute, over its minutes within time_range")),
            ("peak", integer("Its largest minute")),
        ];
        let known =
            ("known_requests", integer("Successful requests where this is known; others are left out"));
        let figures = [
            ("average", number("Over minutes with an attempt")),
            ("average_all", number("Over all minutes but those of hours without objects")),
            ("p50", integer("Steady: the median minute with an attempt")),
            ("p90", integer("")),
            ("p99", integer("")),
            ("peak", integer("The largest minute")),
            ("peak_minute", text("The earliest such")),
            ("peak_sliding_60s", integer("The largest sum over any 60 consecutive seconds")),
            ("data_points", list("Points with an attempt", object("", point))),
        ];
        object(description, figures.into_iter().chain(is_part.then_some(known)))
    };
    let own = [
        ("period_minutes", integer("Minutes of a data point")),
        ("tokens_per_minute", series("Input + output of successful requests; absent where unknown", false)),
        ("requests_per_minute", series("All attempts", false)),
        ("quota_tokens_per_minute", series("Settled: charged when a call ends; absent where unknown", true)),
        ("reserved_tokens_per_minute", series("Reserved at the start; absent where unknown", true)),
        ("quota_tokens_unknown", integer("Successful requests whose quota tokens are unknown")),
    ];
    own.into_iter().chain(basis::fields()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_aligned_to_the_day_and_the_last_of_a_day_is_cut() {
        let day = 20_000 * MINUTES_PER_DAY;
        for (minute, period, start, end) in [
            (0, 1, 0, 1),
            (59, 60, 0, 60),
            (60, 60, 60, 120),
            (1_439, 7, 1_435, 1_440),
            (1_439, 1_000, 1_000, 1_440),
            (1_439, 1_440, 0, 1_440),
            (-1, 60, -60, 0),
            (-1, 1_000, -440, 0),
        ] {
            assert_eq!(start_of(UtcMinute(day + minute), period), day + start, "{minute} {period}");
            assert_eq!(end_of(day + start, period), day + end, "{minute} {period}");
        }
        assert_eq!(start_of(UtcMinute(day + 5), 2 * MINUTES_PER_DAY), day);
        assert_eq!(end_of(day, 2 * MINUTES_PER_DAY), day + 2 * MINUTES_PER_DAY);
    }

    #[test]
    fn a_period_is_raised_only_as_far_as_it_has_to_be() {
        let every = |minutes: i64, step: usize| {
            vec![(0..minutes).step_by(step).map(|minute| (UtcMinute(minute), 1)).collect::<Vec<_>>()]
        };
        for (asked, minutes, step, expected) in [
            (1, 1_500, 1, 1),
            (1, 1_501, 1, 2),
            // Sparse traffic keeps its minutes.
            (1, 90_000, 60, 1),
            (3, 9_000, 1, 10),
            (7, 3_000, 1, 7),
            (1, 400 * MINUTES_PER_DAY, 1, 720),
            (60, 400 * MINUTES_PER_DAY, 1, 720),
            (1_000, 1_000 * MINUTES_PER_DAY, 1, 1_440),
            (1, 2_000 * MINUTES_PER_DAY, 60, 2 * MINUTES_PER_DAY),
        ] {
            assert_eq!(fitting_period(asked, &every(minutes, step)), expected, "{asked} {minutes} {step}");
        }
        // From the beginning of times to their end.
        let far = vec![vec![(UtcMinute(i64::MIN / 100), 1), (UtcMinute(i64::MAX / 100), 1)]];
        assert_eq!(fitting_period(1, &far), 1);
    }

    #[test]
    fn a_cut_point_is_averaged_over_the_minutes_that_are_left_of_it() {
        let moments = |from, to| Moments {
            from: Timestamp::from_seconds(from),
            to: Timestamp::from_seconds(to),
            to_is_end_of_data: false,
            end_of_data: None,
        };
        let minutes = [(UtcMinute(50), 30), (UtcMinute(70), 10)];
        let average = |moments: &Moments| -> Vec<String> {
            let shown = Value::from(series(None, &minutes, 60, Some(moments)));
            let points = shown["data_points"].as_array().expect("points");
            points.iter().map(|point| point["average"].to_string()).collect()
        };
        assert_eq!(average(&moments(0, 7_200)), ["0.5", "0.166667"]);
        // From within minute 40 to within minute 79: minutes are looked at whole.
        assert_eq!(average(&moments(40 * 60 + 1, 79 * 60 + 1)), ["1.5", "0.5"]);
    }
}
