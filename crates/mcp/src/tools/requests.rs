//! `bedrock_analyze_requests`: the statistics of a ticket, and where large requests come from.
//!
//! In: a subject and a number of hours before the end of the data. Out: totals, steps of hours, hours of the day. Always:
//! what is shown by step and by hour of the day are sums of the same hours, and adds up to the totals.

use std::collections::BTreeMap;

use borehole_record::{Timestamp, UtcHour};
use borehole_report::Decimal;
use borehole_report::model::{Distribution, Group, Share};
use serde_json::Value;

use super::arguments::{Arguments, Kind, Parameter};
use super::content::{Content, serialized};
use super::schema::{Field, integer, list, number, object, text};
use super::stats::{errors_fields, put_errors};
use super::{Lane, POINTS_MAX, Question, Tool, basis, described, subject};
use crate::engine::{Engine, Failure, Measured, Period, Slot, Subject, Watch};

/// Hours that can be asked about: a leap year.
const HOURS_MAX: u64 = 8_784;

/// Hours of a step of the distribution; 1,500 of the longest are more than any period here.
const STEP_HOURS: [i64; 8] = [1, 2, 3, 4, 6, 8, 12, 24];

const PARAMETERS: [Parameter; 4] = [
    subject::MODEL_ID,
    subject::REGION,
    Parameter::optional(
        "time_period_hours",
        Kind::Integer { min: 1, max: HOURS_MAX, default: Some(24) },
        "Hours before the end of the data",
    ),
    subject::ACCOUNT_ID,
];

pub(super) const TOOL: Tool = Tool {
    name: "bedrock_analyze_requests",
    title: "Requests of a Bedrock model",
    description: described!(
        "What a quota ticket asks of one model in one Region over the last hours of the data: successful requests, total \
         and average input and output tokens, how they spread over time, and which part is over 25,000 tokens \
         (high_token: by_input without cached tokens, by_prompt with them), with its pattern by size and by hour of the \
         day in UTC. Next: bedrock_get_token_metrics for peaks, bedrock_ticket for the ticket."
    ),
    parameters: &PARAMETERS,
    fields,
    read: |arguments| AnalyzeRequests::read(arguments).map(Question::AnalyzeRequests),
    lane: Lane::Reading,
    is_read_only: true,
};

/// What is asked.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct AnalyzeRequests {
    subject: Subject,
    hours: u32,
}

impl AnalyzeRequests {
    fn read(arguments: &Arguments) -> Result<Self, String> {
        Ok(AnalyzeRequests {
            subject: subject::subject(arguments)?,
            hours: arguments.integer("time_period_hours")?,
        })
    }

    pub(super) fn answer(&self, engine: &dyn Engine, watch: &Watch) -> Result<Content, Failure> {
        // The period may touch one hour more than it has where the end of the data is within one.
        let slots_max = self.hours as usize + 1;
        let period = Period::Last { hours: self.hours };
        let Measured { report, slots, slot_hours, basis, others } =
            engine.measure(&self.subject, &period, slots_max, watch)?;
        let totals = &report.totals;
        let is_hourly = slot_hours == 1;
        let ours: Vec<String> = (!is_hourly)
            .then(|| {
                format!("the hours of the day are left out: the figures came in slots of {slot_hours} h")
            })
            .into_iter()
            .collect();
        let is_empty = totals.requests.attempted == 0;
        let answer = Content::new()
            .put("statistics", statistics(totals))
            .put("requests", requests(totals))
            .put("distribution", distribution(&slots, i64::from(slot_hours)))
            .put("high_token", high_token(totals))
            .put("high_token_pattern", pattern(totals, is_hourly.then_some(&slots)))
            .put_known("nothing_found", is_empty.then(|| basis::nothing_found(others.as_ref())));
        Ok(basis::put(answer, &basis, &self.subject, &ours))
    }
}

fn statistics(totals: &Group) -> Content {
    let statistics = &totals.statistics;
    let known = |sum: u128, known: u64| (known > 0 || statistics.total_requests == 0).then_some(sum);
    Content::new()
        .count("total_requests", statistics.total_requests)
        .count_known("total_input_tokens", known(statistics.total_input_tokens, totals.tokens.input_known))
        .count_known("total_output_tokens", known(statistics.total_output_tokens, totals.tokens.output_known))
        .decimal("average_input_tokens_per_request", statistics.average_input_tokens_per_request)
        .decimal("average_output_tokens_per_request", statistics.average_output_tokens_per_request)
}

fn requests(totals: &Group) -> Content {
    let requests = &totals.requests;
    let answer = Content::new()
        .count("attempted", requests.attempted)
        .count("successful", requests.successful)
        .count("throttled", requests.throttled);
    put_errors(answer, &requests.errors)
}

/// Sums over hours.
#[derive(Default)]
struct Sums {
    requests: u128,
    input: u128,
    input_known: u128,
    output: u128,
    output_known: u128,
    above: u128,
}

impl Sums {
    fn add(&mut self, totals: &Group) {
        self.requests += u128::from(totals.statistics.total_requests);
        self.input += totals.tokens.input;
        self.input_known += u128::from(totals.tokens.input_known);
        self.output += totals.tokens.output;
        self.output_known += u128::from(totals.tokens.output_known);
        self.above += u128::from(totals.high_token.by_input.requests);
    }

    /// A sum; `None` where there are requests and nothing is known of any.
    fn of_known(&self, sum: u128, known: u128) -> Option<u128> {
        (known > 0 || self.requests == 0).then_some(sum)
    }

    fn put_above(&self, answer: Content) -> Content {
        answer.count_known("above_25000", self.of_known(self.above, self.input_known))
    }
}

/// The sums by anything that a slot has.
fn sums_by(slots: &[Slot], key: impl Fn(UtcHour) -> i64) -> BTreeMap<i64, Sums> {
    let mut sums: BTreeMap<i64, Sums> = BTreeMap::new();
    for slot in slots {
        sums.entry(key(UtcHour::of(slot.from))).or_default().add(&slot.totals);
    }
    sums
}

fn distribution(slots: &[Slot], slot_hours: i64) -> Content {
    let steps = STEP_HOURS.iter().filter(|&&hours| hours >= slot_hours && hours % slot_hours == 0);
    let by_step = |hours: i64| sums_by(slots, |hour| hour.0.div_euclid(hours));
    let fitting = steps.map(|&hours| (hours, by_step(hours))).find(|(_, sums)| sums.len() <= POINTS_MAX);
    let (hours, sums) = fitting.unwrap_or_else(|| (slot_hours, by_step(slot_hours.max(1))));
    let points = sums.iter().map(|(step, sums)| {
        let start = UtcHour(step.saturating_mul(hours)).start_seconds();
        let point = Content::new()
            .moment("timestamp", Timestamp::from_seconds(start))
            .count("requests", sums.requests)
            .count_known("input_tokens", sums.of_known(sums.input, sums.input_known))
            .count_known("output_tokens", sums.of_known(sums.output, sums.output_known));
        sums.put_above(point).into()
    });
    Content::new()
        .count("step_minutes", hours.unsigned_abs() * 60)
        .put("data_points", points.collect::<Vec<Value>>())
}

fn high_token(totals: &Group) -> Content {
    let share =
        |share: &Share| Content::new().count("requests", share.requests).decimal("share", share.share);
    Content::new()
        .count("threshold", totals.high_token.threshold)
        .put("by_input", share(&totals.high_token.by_input))
        .put("by_prompt", share(&totals.high_token.by_prompt))
}

fn pattern(totals: &Group, hours: Option<&Vec<Slot>>) -> Content {
    let by_hour = hours.map(|slots| {
        let sums = sums_by(slots, |hour| hour.0.rem_euclid(24));
        let hours = sums.iter().filter(|(_, sums)| sums.requests > 0).map(|(hour, sums)| {
            let entry = Content::new().count("hour", hour.unsigned_abs()).count("requests", sums.requests);
            sums.put_above(entry).decimal("share", Decimal::quotient(sums.above, sums.input_known)).into()
        });
        hours.collect::<Vec<Value>>()
    });
    let distributions = &totals.distributions;
    Content::new()
        .put("input_bands", serialized(&totals.input_bands))
        .put_known("input_tokens", distributions.input_tokens.as_ref().map(spread))
        .put_known("prompt_tokens", distributions.prompt_tokens.as_ref().map(spread))
        .put_known("by_hour_of_day", by_hour)
}

fn spread(distribution: &Distribution) -> Content {
    Content::new()
        .count("count", distribution.count)
        .count("min", distribution.min)
        .count("max", distribution.max)
        .decimal("mean", distribution.mean)
        .count("p50", distribution.p50)
        .count("p90", distribution.p90)
        .count("p95", distribution.p95)
        .count("p99", distribution.p99)
        .count("p999", distribution.p999)
}

fn fields() -> Vec<Field> {
    let statistics = [
        ("total_requests", integer("Successful requests")),
        ("total_input_tokens", integer("Uncached input of those")),
        ("total_output_tokens", integer("")),
        ("average_input_tokens_per_request", number("Over the requests whose count is known")),
        ("average_output_tokens_per_request", number("Likewise")),
    ];
    let requests = [
        ("attempted", integer("All logged requests")),
        ("successful", integer("Without error code")),
        ("throttled", integer("ThrottlingException; a lower bound")),
    ];
    let above = || ("above_25000", integer("Requests with more than 25,000 uncached input tokens"));
    let point = [
        ("timestamp", text("Start of the step, aligned to the UTC day")),
        ("requests", integer("Successful requests")),
        ("input_tokens", integer("")),
        ("output_tokens", integer("")),
        above(),
    ];
    let distribution =
        [("step_minutes", integer("")), ("data_points", list("Steps with a request", object("", point)))];
    let share = |description| {
        let share = number("Of the requests whose input count is known");
        object(description, [("requests", integer("")), ("share", share)])
    };
    let high_token = [
        ("threshold", integer("In tokens; strictly more counts")),
        ("by_input", share("Without cached tokens")),
        ("by_prompt", share("With cached tokens")),
    ];
    let spread = || {
        let names = ["count", "min", "max", "p50", "p90", "p95", "p99", "p999"];
        let fields = names.map(|name| (name, integer("")));
        object("Tokens per request", fields.into_iter().chain([("mean", number(""))]))
    };
    let bands = ["below_1000", "from_1000_to_25000", "above_25000"].map(|name| (name, integer("")));
    let hour = [
        ("hour", integer("0 to 23, UTC")),
        ("requests", integer("Successful requests")),
        above(),
        ("share", number("Of those whose input count is known")),
    ];
    let pattern = [
        ("input_bands", object("Requests by uncached input", bands)),
        ("input_tokens", spread()),
        ("prompt_tokens", spread()),
        ("by_hour_of_day", list("Hours with a successful request", object("", hour))),
    ];
    let own = [
        ("statistics", object("", statistics)),
        ("requests", object("", requests.into_iter().chain(errors_fields()))),
        ("distribution", object("Over time", distribution)),
        ("high_token", object("Large requests", high_token)),
        ("high_token_pattern", object("Where large requests are", pattern)),
    ];
    own.into_iter().chain(basis::fields()).collect()
}
