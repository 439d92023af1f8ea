//! `bedrock_ticket` and `bedrock_quota`: the tickets of a model, and the quotas that would have been enough.
//!
//! In: a subject, a period, what a quota is to allow. Out: what `borehole ticket` and `borehole quota` say. Always: the
//! same figures as those commands; no caller is named.

use borehole_quota::ticket::{Form, TicketFacts};
use borehole_report::quota::QuotaReport;
use borehole_report::ticket::{self, TicketStyle};
use serde_json::{Map, Value};

use super::arguments::{Arguments, Kind, Parameter};
use super::content::Content;
use super::schema::{Field, document, integer, list, number, object, text};
use super::{Lane, Question, Tool, basis, described, subject};
use crate::engine::{Asked, Engine, Failure, Period, Subject, Tickets, Watch};
use crate::untrusted::{Origin, UNTRUSTED, cut, escape_lines};

/// Tickets of one answer: each is a page, and a client's user sends one at a time.
const CASES_MAX: usize = 10;
/// Quotas of one answer.
const QUOTAS_MAX: usize = 20;

/// The words of the parameter `form`, the default first.
const FORMS: [&str; 3] = ["2026", "2025", "mission"];

const TARGET: Parameter =
    Parameter::optional("target", Kind::Percentage, "Most requests that may be throttled, such as 0.1%");
const GROWTH: Parameter = Parameter::optional("growth", Kind::Percentage, "Expected growth, such as 20%");
const MARGIN: Parameter =
    Parameter::optional("margin", Kind::Percentage, "What is added for safety, such as 10%");

const TICKET_PARAMETERS: [Parameter; 9] = [
    subject::MODEL_ID,
    subject::REGION,
    subject::ACCOUNT_ID,
    subject::START_TIME,
    subject::END_TIME,
    TARGET,
    GROWTH,
    MARGIN,
    Parameter::optional(
        "form",
        Kind::Word(&FORMS),
        "AWS's form of 2026 or 2025, or nine numbered items (mission)",
    ),
];
const QUOTA_PARAMETERS: [Parameter; 8] = [
    subject::MODEL_ID,
    subject::REGION,
    subject::ACCOUNT_ID,
    subject::START_TIME,
    subject::END_TIME,
    TARGET,
    GROWTH,
    MARGIN,
];

pub(super) const TICKET: Tool = Tool {
    name: "bedrock_ticket",
    title: "Quota increase ticket",
    description: described!(
        "The text of a quota increase ticket for one model in one Region, filled in from the logs: one for each account \
         and scope (on-demand, geo, global). text is Markdown to be pasted; blanks names what only the user can say: ask \
         for it, never make it up. facts has the same figures as JSON: steady, peak and requested tokens and requests per \
         minute with the evidence. bedrock_quota explains how much would have been enough."
    ),
    parameters: &TICKET_PARAMETERS,
    fields: ticket_fields,
    read: |arguments| Ticket::read(arguments).map(Question::Ticket),
    lane: Lane::Reading,
    is_read_only: true,
};

pub(super) const QUOTA: Tool = Tool {
    name: "bedrock_quota",
    title: "Quota that would have been enough",
    description: described!(
        "The smallest quota of tokens and requests per minute that would have been enough for one model in one Region, \
         found by replaying the logged demand: as logged, with throttled demand as it likely was, and at the high end; \
         for three ways in which the window may move. requested_peak has growth and margin in it. Also which quota \
         throttled (inferred), what caching saved, and the applied quotas where the server knows them. Next: \
         bedrock_ticket."
    ),
    parameters: &QUOTA_PARAMETERS,
    fields: quota_fields,
    read: |arguments| Quota::read(arguments).map(Question::Quota),
    lane: Lane::Reading,
    is_read_only: true,
};

fn asked(arguments: &Arguments) -> Asked {
    Asked {
        target: arguments.text_given("target"),
        growth: arguments.text_given("growth"),
        margin: arguments.text_given("margin"),
    }
}

/// Which tickets are asked for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Ticket {
    subject: Subject,
    period: Period,
    asked: Asked,
    /// One of [`FORMS`].
    form: String,
}

impl Ticket {
    fn read(arguments: &Arguments) -> Result<Self, String> {
        Ok(Ticket {
            subject: subject::subject(arguments)?,
            period: subject::period(arguments)?,
            asked: asked(arguments),
            form: arguments.text("form")?,
        })
    }

    pub(super) fn answer(&self, engine: &dyn Engine, watch: &Watch) -> Result<Content, Failure> {
        let Tickets { facts, basis } = engine.tickets(&self.subject, &self.period, &self.asked, watch)?;
        let form = match self.form.as_str() {
            "2025" => Form::Y2025,
            "mission" => Form::Mission,
            _ => Form::Y2026,
        };
        let cases = facts.iter().take(CASES_MAX).map(|facts| case(facts, form, &self.subject).into());
        let answer = Content::new()
            .put("cases", cases.collect::<Vec<Value>>())
            .count_any("omitted", facts.len().saturating_sub(CASES_MAX))
            .put_known("nothing_found", facts.is_empty().then(|| basis::nothing_found(None)));
        Ok(basis::put(answer, &basis, &self.subject, &[]))
    }
}

fn case(facts: &TicketFacts, form: Form, subject: &Subject) -> Content {
    let style = TicketStyle { form, attachments: false };
    let odd_names = basis::place(facts.key.account.as_deref(), facts.key.region.as_deref(), subject).finish();
    let mut names = match odd_names.get(UNTRUSTED) {
        Some(Value::Object(names)) => names.clone(),
        _ => Map::new(),
    };
    names.insert("model".to_owned(), cut(&facts.key.model).into());
    let blanks: Vec<Value> = facts.blanks_of(form).map(|blank| blank.name().into()).collect();
    Content::new()
        .put_known("account", odd_names.get("account").cloned())
        .put_known("region", odd_names.get("region").cloned())
        .put(UNTRUSTED, names)
        .put("scope", facts.key.scope.as_str())
        .put("text", escape_lines(&ticket::markdown(std::slice::from_ref(facts), style)))
        .put("blanks", blanks)
        .put_known("facts", facts_json(facts, form, subject))
}

/// Fields of a ticket's JSON that hold words of ours, of the rules, or of the operator's files.
const TICKET_WORDS: [&str; 25] = [
    "scope",
    "from",
    "to",
    "limit_type",
    "cross_region",
    "not_global_reason",
    "use_case",
    "contact",
    "input_modality",
    "output_modality",
    "blank",
    "quota_name",
    "quota_code",
    "source",
    "absent",
    "peak_minute",
    "estimate",
    "window",
    "minute",
    "timestamp",
    "rules_at",
    "value",
    "models",
    "valid_from",
    "note",
];

/// The JSON of `borehole ticket`, without the sentences that stand in the text already.
fn facts_json(facts: &TicketFacts, form: Form, subject: &Subject) -> Option<Value> {
    let mut document: Value = serde_json::from_str(&ticket::json(std::slice::from_ref(facts), form)).ok()?;
    let ticket = document.get_mut("tickets")?.get_mut(0)?;
    let fields = ticket.as_object_mut()?;
    for sentences in ["before_sending", "commands"] {
        fields.remove(sentences);
    }
    if let Some(assumptions) = fields.get_mut("assumptions").and_then(Value::as_object_mut) {
        assumptions.remove("sentences");
    }
    let origin = Origin { ours: &TICKET_WORDS, asked: Some(subject) };
    Some(origin.quarantine(ticket.take()))
}

/// Which quotas are asked for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Quota {
    subject: Subject,
    period: Period,
    asked: Asked,
}

impl Quota {
    fn read(arguments: &Arguments) -> Result<Self, String> {
        Ok(Quota {
            subject: subject::subject(arguments)?,
            period: subject::period(arguments)?,
            asked: asked(arguments),
        })
    }

    pub(super) fn answer(&self, engine: &dyn Engine, watch: &Watch) -> Result<Content, Failure> {
        let (report, basis) = engine.quotas(&self.subject, &self.period, &self.asked, watch)?;
        let (target, growth, margin) = (report.target, report.growth, report.margin);
        let rules_at = report.rules_at.clone();
        let count = report.quotas.len();
        let answer = Content::new()
            .put("quotas", quotas(report, &self.subject))
            .count_any("omitted", count.saturating_sub(QUOTAS_MAX))
            .decimal("target", target)
            .decimal("growth", growth)
            .decimal("margin", margin)
            .put("rules_at", rules_at)
            .put_known("nothing_found", (count == 0).then(|| basis::nothing_found(None)));
        Ok(basis::put(answer, &basis, &self.subject, &[]))
    }
}

/// Fields of a quota's JSON that hold words of ours, of the rules, or of the operator's files.
const QUOTA_WORDS: [&str; 18] = [
    "scope",
    "burndown_source",
    "peak_minute",
    "demand",
    "window",
    "peak_day",
    "rolling_24h_start",
    "change",
    "minute",
    "limit",
    "name",
    "code",
    "by",
    "load",
    "worst_minutes",
    "quota",
    "confidence",
    "doubt",
];

/// The entries of the JSON of `borehole quota`; callers are left out, what they amount to together is not.
fn quotas(mut report: QuotaReport, subject: &Subject) -> Value {
    report.quotas.truncate(QUOTAS_MAX);
    for quota in &mut report.quotas {
        // That a caller might be gone says nothing without the caller.
        quota.what_ifs.retain(|what_if| what_if.caller.is_none() && what_if.change != "without_caller");
    }
    let mut document: Value = serde_json::from_str(&report.json()).unwrap_or_default();
    let mut quotas = document["quotas"].take();
    for quota in quotas.as_array_mut().into_iter().flatten() {
        if let Some(attribution) = quota.get_mut("attribution").and_then(Value::as_object_mut) {
            for by_caller in ["by", "shares", "retries"] {
                attribution.remove(by_caller);
            }
            if let Some(reservations) = attribution.get_mut("reservations").and_then(Value::as_object_mut) {
                reservations.remove("callers");
            }
        }
        for trial in quota.get_mut("trials").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(trial) = trial.as_object_mut() {
                trial.remove("callers");
            }
        }
    }
    Origin { ours: &QUOTA_WORDS, asked: Some(subject) }.quarantine(quotas)
}

fn ticket_fields() -> Vec<Field> {
    let names = [("model", text("")), ("account", text("")), ("region", text(""))];
    let case = [
        ("account", text("")),
        ("region", text("")),
        (UNTRUSTED, object("As logged", names)),
        ("scope", text("on-demand, geo, global, ...")),
        ("text", text("The ticket as Markdown; names in it are from logs")),
        ("blanks", list("What only the user can say", text(""))),
        ("facts", document("As in the JSON of borehole ticket; strings from logs under untrusted")),
    ];
    let own =
        [("cases", list("One for each quota", object("", case))), ("omitted", integer("Tickets left out"))];
    own.into_iter().chain(basis::fields()).collect()
}

fn quota_fields() -> Vec<Field> {
    let place = [("account", text("")), ("region", text("")), ("scope", text("")), (UNTRUSTED, document(""))];
    let need = |description| {
        let enough = [
            ("demand", text("logged_only, likely, high")),
            ("window", text("bucket, clock_minute, sliding")),
            ("quota", integer("The smallest that meets the target")),
            ("refused", integer("Requests that it refuses")),
            ("of", integer("Of so many")),
            ("offered", integer("The smallest where refused requests consume, too")),
        ];
        let fields = [
            ("steady", integer("Median active minute, as logged")),
            ("peak", integer("Largest minute, as logged")),
            ("peak_minute", text("")),
            ("requested_steady", integer("With growth and margin, rounded up")),
            ("requested_peak", integer("Enough for the target, with growth and margin, rounded up")),
            ("enough", list("", object("", enough))),
        ];
        object(description, fields)
    };
    let quota = [
        ("key", object("Where it lives", place)),
        ("charge", document("Rates of the model, and their source")),
        ("attempted", integer("")),
        ("throttled", integer("A lower bound")),
        ("known", document("How much is known, in requests")),
        ("tokens_per_minute", need("Quota tokens; absent where no rule names the model's rate")),
        ("requests_per_minute", need("Absent where the model has no such quota")),
        ("tokens_per_day", document("Settled quota tokens of a day")),
        ("what_ifs", list("What changes would need", document(""))),
        ("cut", integer("")),
        ("trials", list("", document(""))),
        ("applied", list("Applied quotas, and how much of them is used", document(""))),
        ("attribution", document("Which quota throttled (inferred), reservations, cache; callers left out")),
    ];
    let own = [
        ("quotas", list("Most attempts first", object("", quota))),
        ("omitted", integer("Quotas left out")),
        ("target", number("Most requests that may be throttled, 0 to 1")),
        ("growth", number("As a part of what is")),
        ("margin", number("Likewise")),
        ("rules_at", text("The moment whose rules were counted by")),
    ];
    own.into_iter().chain(basis::fields()).collect()
}
