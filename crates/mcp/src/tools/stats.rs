//! `bedrock_get_model_stats`: invocations, latency and tokens of a model, in total and by slots of hours.
//!
//! In: a subject and a period. Out: the totals of a report, and points. Always: points add up to the totals.

use borehole_report::Decimal;
use borehole_report::model::{Counts, Distribution, Group};
use serde_json::Value;

use super::arguments::{Arguments, Parameter};
use super::content::Content;
use super::schema::{Field, integer, list, number, object, text, word};
use super::{Lane, Question, Tool, basis, described, subject};
use crate::engine::{Engine, Failure, Measured, Period, Slot, Subject, Watch};
use crate::untrusted::{UNTRUSTED, cut};

/// Slots of an answer. Its four series together have no more than 1,500 points, and a fortnight comes by the hour.
const SLOTS_MAX: usize = 375;

/// Error codes that are shown, most frequent first: Bedrock has about fifteen.
const ERRORS_MAX: usize = 20;

const PARAMETERS: [Parameter; 5] =
    [subject::MODEL_ID, subject::REGION, subject::START_TIME, subject::END_TIME, subject::ACCOUNT_ID];

pub(super) const TOOL: Tool = Tool {
    name: "bedrock_get_model_stats",
    title: "Statistics of a Bedrock model",
    description: described!(
        "Invocations, errors, throttles, latency and tokens of one model in one Region, counted request by request from \
         the invocation logs: totals, and data points of whole hours (metrics.period_minutes). Tokens and latency are \
         those of successful requests; input_tokens leaves cached tokens out, prompt_tokens has them. Throttles are a \
         lower bound. For minutes ask bedrock_get_token_metrics, for a quota ticket bedrock_ticket."
    ),
    parameters: &PARAMETERS,
    fields,
    read: |arguments| ModelStats::read(arguments).map(Question::ModelStats),
    lane: Lane::Reading,
    is_read_only: true,
};

/// What is asked.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct ModelStats {
    subject: Subject,
    period: Period,
}

impl ModelStats {
    fn read(arguments: &Arguments) -> Result<Self, String> {
        Ok(ModelStats { subject: subject::subject(arguments)?, period: subject::period(arguments)? })
    }

    pub(super) fn answer(&self, engine: &dyn Engine, watch: &Watch) -> Result<Content, Failure> {
        let Measured { report, slots, slot_hours, basis, others } =
            engine.measure(&self.subject, &self.period, SLOTS_MAX, watch)?;
        let totals = &report.totals;
        let metrics = Content::new()
            .count("period_minutes", u64::from(slot_hours) * 60)
            .put("invocations", invocations(totals, &slots))
            .put_known("latency", latency(totals, &slots))
            .put("input_tokens", tokens(totals, &slots, Side::Input))
            .put("output_tokens", tokens(totals, &slots, Side::Output))
            .put("prompt_tokens", prompt_tokens(totals));
        let is_empty = totals.requests.attempted == 0;
        let answer = Content::new()
            .put("model_id", self.subject.model_id.as_str())
            .put("region", self.subject.region.as_str())
            .put_known("account_id", self.subject.account_id.as_deref())
            .put("metrics", metrics)
            .put_known("nothing_found", is_empty.then(|| basis::nothing_found(others.as_ref())));
        Ok(basis::put(answer, &basis, &self.subject, &[]))
    }
}

fn invocations(totals: &Group, slots: &[Slot]) -> Content {
    let requests = &totals.requests;
    let attempted = u128::from(requests.attempted);
    let failed = requests.attempted.saturating_sub(requests.successful);
    let points = slots.iter().map(|slot| {
        let requests = &slot.totals.requests;
        Content::new()
            .moment("timestamp", slot.from)
            .count("attempted", requests.attempted)
            .count("successful", requests.successful)
            .count("throttled", requests.throttled)
            .count("errors", requests.attempted.saturating_sub(requests.successful))
    });
    let answer = Content::new()
        .count("attempted", requests.attempted)
        .count("successful", requests.successful)
        .count("throttled", requests.throttled)
        .decimal("error_rate", Decimal::quotient(u128::from(failed), attempted))
        .decimal("throttle_rate", Decimal::quotient(u128::from(requests.throttled), attempted));
    put_errors(answer, &requests.errors).put("data_points", points.map(Value::from).collect::<Vec<Value>>())
}

/// Puts the most frequent error codes, and how many requests had others.
pub(super) fn put_errors(answer: Content, errors: &Counts) -> Content {
    let by_count = errors.by_count();
    let (shown, omitted) = by_count.split_at(by_count.len().min(ERRORS_MAX));
    let shown: Vec<Value> = shown
        .iter()
        .map(|&(code, requests)| Content::new().put(UNTRUSTED, cut(code)).count("requests", requests).into())
        .collect();
    let omitted: u128 = omitted.iter().map(|&(_, requests)| u128::from(requests)).sum();
    answer.put("errors", shown).count_known("errors_omitted", (omitted > 0).then_some(omitted))
}

fn latency(totals: &Group, slots: &[Slot]) -> Option<Content> {
    let latency = totals.distributions.latency_ms.as_ref()?;
    let points = slots.iter().filter_map(|slot| {
        let latency = slot.totals.distributions.latency_ms.as_ref()?;
        Some(spread(Content::new().moment("timestamp", slot.from), latency).into())
    });
    let successful = u128::from(totals.requests.successful);
    let first_byte = totals.distributions.first_byte_ms.as_ref();
    Some(
        spread(Content::new().put("unit", "ms"), latency)
            .count("min", latency.min)
            .count("max", latency.max)
            .decimal("mean", latency.mean)
            .decimal("known_share", Decimal::quotient(u128::from(latency.count), successful))
            .put("data_points", points.collect::<Vec<Value>>())
            .put_known("first_byte", first_byte.map(|first_byte| spread(Content::new(), first_byte))),
    )
}

fn spread(answer: Content, distribution: &Distribution) -> Content {
    percentiles(answer.count("count", distribution.count), Some(distribution))
}

fn percentiles(answer: Content, distribution: Option<&Distribution>) -> Content {
    answer
        .count_known("p50", distribution.map(|distribution| distribution.p50))
        .count_known("p90", distribution.map(|distribution| distribution.p90))
        .count_known("p99", distribution.map(|distribution| distribution.p99))
}

/// Which tokens.
#[derive(Clone, Copy)]
enum Side {
    Input,
    Output,
}

impl Side {
    /// The sum, and of how many successful requests it is.
    fn sum(self, group: &Group) -> (u128, u64) {
        match self {
            Side::Input => (group.tokens.input, group.tokens.input_known),
            Side::Output => (group.tokens.output, group.tokens.output_known),
        }
    }

    /// The sum; `None` where there were successful requests and nothing is known of any.
    fn known(self, group: &Group) -> Option<u128> {
        let (sum, known) = self.sum(group);
        (known > 0 || group.requests.successful == 0).then_some(sum)
    }
}

fn tokens(totals: &Group, slots: &[Slot], side: Side) -> Content {
    let (sum, known) = side.sum(totals);
    let distribution = match side {
        Side::Input => totals.distributions.input_tokens.as_ref(),
        Side::Output => totals.distributions.output_tokens.as_ref(),
    };
    let points = slots.iter().filter_map(|slot| {
        let tokens = side.known(&slot.totals)?;
        Some(Content::new().moment("timestamp", slot.from).count("tokens", tokens).into())
    });
    let answer = Content::new()
        .count_known("total", side.known(totals))
        .count("known_requests", known)
        .decimal("average_per_request", Decimal::quotient(sum, u128::from(known)))
        .count_known("min", distribution.map(|distribution| distribution.min))
        .count_known("max", distribution.map(|distribution| distribution.max));
    percentiles(answer, distribution).put("data_points", points.collect::<Vec<Value>>())
}

fn prompt_tokens(totals: &Group) -> Content {
    let is_known = Side::Input.known(totals).is_some();
    let answer = Content::new().count_known("total", is_known.then_some(totals.tokens.prompt));
    percentiles(answer, totals.distributions.prompt_tokens.as_ref())
}

fn percentile_fields() -> [Field; 3] {
    [("p50", integer("")), ("p90", integer("")), ("p99", integer(""))]
}

/// The schema of error codes, as [`put_errors`] writes them.
pub(super) fn errors_fields() -> [Field; 2] {
    let entry = object("", [(UNTRUSTED, text("The error code")), ("requests", integer(""))]);
    [
        ("errors", list("By error code, throttles too, most frequent first", entry)),
        ("errors_omitted", integer("Requests with further codes")),
    ]
}

fn fields() -> Vec<Field> {
    let timed = |fields: Vec<Field>| {
        let fields = [("timestamp", text("Start of the slot"))].into_iter().chain(fields);
        list("Slots with a request", object("", fields))
    };
    let spread =
        || [("count", integer("Requests where it is logged"))].into_iter().chain(percentile_fields());
    let tokens = |description| {
        let fields = [
            ("total", integer("")),
            ("known_requests", integer("Successful requests whose count is known")),
            ("average_per_request", number("Over those")),
            ("min", integer("")),
            ("max", integer("")),
            ("data_points", timed(vec![("tokens", integer(""))])),
        ];
        object(description, fields.into_iter().chain(percentile_fields()))
    };
    let requests = || {
        [
            ("attempted", integer("All logged requests")),
            ("successful", integer("Without error code")),
            ("throttled", integer("ThrottlingException; a lower bound")),
        ]
    };
    let slot = requests().into_iter().chain([("errors", integer("Failed, throttles too"))]).collect();
    let rates = [
        ("error_rate", number("Failed, throttles too, over attempted")),
        ("throttle_rate", number("Throttled over attempted")),
        ("data_points", timed(slot)),
    ];
    let latency = [
        ("unit", word("", &["ms"])),
        ("min", integer("")),
        ("max", integer("")),
        ("mean", number("")),
        ("known_share", number("Part of the successful requests whose latency is logged")),
        ("data_points", timed(spread().collect())),
        ("first_byte", object("Time to the first byte of streams", spread())),
    ];
    let prompt = [("total", integer(""))].into_iter().chain(percentile_fields());
    let metrics = [
        ("period_minutes", integer("Length of a slot; the first and the last may be cut")),
        ("invocations", object("", requests().into_iter().chain(errors_fields()).chain(rates))),
        ("latency", object("Absent where none is logged", latency.into_iter().chain(spread()))),
        ("input_tokens", tokens("Uncached input of successful requests")),
        ("output_tokens", tokens("Output of successful requests")),
        ("prompt_tokens", object("Input with cached tokens", prompt)),
    ];
    let own = [
        ("model_id", text("As asked")),
        ("region", text("As asked")),
        ("account_id", text("As asked")),
        ("metrics", object("", metrics)),
    ];
    own.into_iter().chain(basis::fields()).collect()
}
