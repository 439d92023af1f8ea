//! The facts of tickets as JSON, `borehole.ticket/1`.
//!
//! Always: snake_case, absent instead of null, quotients exact to six digits; strings are as logged (JSON
//! escapes what a terminal would obey). Absent: callers.

use borehole_quota::Share;
use borehole_quota::demand::Estimate;
use borehole_quota::replay::Window;
use borehole_quota::rules::{Lifecycle, Ruled};
use borehole_quota::study::{MinuteLoad, NeedAnswer};
use borehole_quota::ticket::{CrossRegion, Form, LimitFacts, NoNeed, TicketFacts};
use borehole_record::{Timestamp, UtcMinute};
use borehole_usage::figures::{HIGH_TOKEN_THRESHOLD, Ratio};
use serde::Serialize;

use super::words;
use crate::decimal::Decimal;
use crate::json::pretty;
use crate::model::Range;

/// The tickets as JSON; what is blank is named by what this form asks.
#[must_use]
pub fn json(tickets: &[TicketFacts], form: Form) -> String {
    let tickets = tickets.iter().map(|facts| ticket(facts, form)).collect();
    pretty(&Document { schema: "borehole.ticket/1", tickets })
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    tickets: Vec<Ticket<'a>>,
}

#[derive(Serialize)]
struct Ticket<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    model: &'a str,
    scope: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<Range>,
    #[serde(skip_serializing_if = "Option::is_none")]
    use_case: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<&'a str>,
    limit_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cross_region: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_global_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_modality: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_modality: Option<&'a str>,
    blank: Vec<&'static str>,
    tokens_per_minute: LimitJson<'a>,
    requests_per_minute: LimitJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_tokens_per_minute: Option<Raw>,
    averages: Averages,
    #[serde(skip_serializing_if = "Option::is_none")]
    high_token: Option<High>,
    evidence: EvidenceJson,
    assumptions: AssumptionsJson<'a>,
    before_sending: Vec<String>,
    commands: Vec<String>,
}

#[derive(Serialize)]
struct LimitJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    quota_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<CurrentJson>,
    /// An increase is asked for.
    asked: bool,
    /// Why there are no figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steady: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_minute: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_steady: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_peak: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    answers: Vec<Answer>,
}

#[derive(Serialize)]
struct CurrentJson {
    value: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    adjustable: Option<bool>,
    source: &'static str,
}

#[derive(Serialize)]
struct Answer {
    estimate: &'static str,
    window: &'static str,
    quota: u64,
    refused: u64,
    of: u64,
    offered: u64,
}

#[derive(Serialize)]
struct Raw {
    steady: u64,
    peak: u64,
    peak_minute: String,
}

#[derive(Serialize)]
struct Averages {
    #[serde(skip_serializing_if = "Option::is_none")]
    input_tokens: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<Decimal>,
}

#[derive(Serialize)]
struct High {
    threshold: u64,
    known: u64,
    by_input: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_input_share: Option<Decimal>,
    by_prompt: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_prompt_share: Option<Decimal>,
}

#[derive(Serialize)]
struct EvidenceJson {
    complete: bool,
    attempted: u64,
    successful: u64,
    throttled: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    hours: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hours_with_objects: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gaps: Vec<Range>,
    duplicates: u64,
    unread: u64,
    worst_minutes: Vec<MinuteJson>,
    throttled_requests: Vec<RequestJson>,
}

#[derive(Serialize)]
struct MinuteJson {
    minute: String,
    attempts: u64,
    throttled: u64,
    raw: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    settled: Option<u64>,
    reserved: u64,
}

#[derive(Serialize)]
struct RequestJson {
    timestamp: String,
    request_id: String,
}

#[derive(Serialize)]
struct AssumptionsJson<'a> {
    rules_at: String,
    target: Decimal,
    growth: Decimal,
    margin: Decimal,
    reserves_cache_reads: bool,
    rules: RulesJson<'a>,
    requests: KnowledgeJson,
    sentences: Vec<String>,
}

#[derive(Serialize)]
struct RulesJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    burndown: Option<RuleJson<'a, u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<RuleJson<'a, u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_includes_cache: Option<RuleJson<'a, bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rpm_applies: Option<RuleJson<'a, bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifecycle: Option<RuleJson<'a, &'static str>>,
}

#[derive(Serialize)]
struct RuleJson<'a, T> {
    value: T,
    models: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_from: Option<String>,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

#[derive(Serialize)]
struct KnowledgeJson {
    successful: u64,
    unknown: u64,
    settled_only: u64,
    max_tokens_unset: u64,
    joined: u64,
    imputed: u64,
    not_imputed: u64,
}

fn ticket(facts: &TicketFacts, form: Form) -> Ticket<'_> {
    let as_is: super::Escape = str::to_owned;
    Ticket {
        account: facts.key.account.as_deref(),
        region: facts.key.region.as_deref(),
        model: &facts.key.model,
        scope: facts.key.scope.as_str(),
        range: facts.from.zip(facts.to).map(|(from, to)| range(&from, &to)),
        use_case: facts.use_case.as_deref(),
        contact: facts.contact.as_deref(),
        limit_type: words::limit_type(facts.limit_type),
        cross_region: facts.cross_region.map(|answer| match answer {
            CrossRegion::No => "no",
            CrossRegion::Geo => "geo",
            CrossRegion::Global => "global",
        }),
        not_global_reason: facts.not_global_reason.as_deref(),
        input_modality: facts.input_modality.as_deref(),
        output_modality: facts.output_modality.as_deref(),
        blank: facts.blanks_of(form).map(borehole_quota::ticket::Blank::name).collect(),
        tokens_per_minute: limit(&facts.tokens),
        requests_per_minute: limit(&facts.requests),
        raw_tokens_per_minute: facts.raw.map(|raw| Raw {
            steady: raw.steady,
            peak: raw.peak,
            peak_minute: raw.peak_minute.to_string(),
        }),
        averages: Averages {
            input_tokens: facts.averages.input.map(Decimal::from),
            prompt_tokens: facts.averages.prompt.map(Decimal::from),
            output_tokens: facts.averages.output.map(Decimal::from),
        },
        high_token: facts.high_token.map(|high| {
            let share = |part: u64| Ratio::new(u128::from(part), u128::from(high.known)).map(Decimal::from);
            High {
                threshold: HIGH_TOKEN_THRESHOLD,
                known: high.known,
                by_input: high.by_input,
                by_input_share: share(high.by_input),
                by_prompt: high.by_prompt,
                by_prompt_share: share(high.by_prompt),
            }
        }),
        evidence: evidence(facts),
        assumptions: AssumptionsJson {
            rules_at: words::day(facts.assumptions.rules_at),
            target: share(facts.assumptions.target),
            growth: share(facts.assumptions.growth),
            margin: share(facts.assumptions.margin),
            reserves_cache_reads: facts.assumptions.charge.reserves_cache_reads,
            rules: rules(facts),
            requests: knowledge(facts),
            sentences: words::assumptions(facts, as_is),
        },
        before_sending: words::before_sending(facts, form, as_is),
        commands: facts.commands.iter().map(|command| command.lines().join("\n")).collect(),
    }
}

fn limit(facts: &LimitFacts) -> LimitJson<'_> {
    let need = facts.need.as_ref().ok();
    LimitJson {
        quota_name: facts.name.as_ref().map(|name| &*name.name),
        quota_code: facts.name.as_ref().and_then(|name| name.code.as_deref()),
        current: facts.current.map(|current| CurrentJson {
            value: current.value,
            adjustable: current.adjustable,
            source: if current.exported { "service_quotas" } else { "operator" },
        }),
        asked: facts.is_asked(),
        absent: facts.need.as_ref().err().map(|reason| match reason {
            NoNeed::NoTraffic => "no_traffic",
            NoNeed::NothingServed => "nothing_served",
            NoNeed::CountsUnknown => "counts_unknown",
            NoNeed::RateUnknown => "burndown_unknown",
            NoNeed::NoSuchQuota => "no_such_quota",
        }),
        steady: need.map(|need| need.steady),
        peak: need.map(|need| need.peak),
        peak_minute: need.and_then(|need| need.peak_minute).map(|minute| minute.to_string()),
        requested_steady: need.map(|need| need.requested_steady),
        requested_peak: need.map(|need| need.requested_peak),
        answers: need.map_or_else(Vec::new, |need| need.answers.iter().map(answer).collect()),
    }
}

fn answer(answer: &NeedAnswer) -> Answer {
    Answer {
        estimate: match answer.estimate {
            Estimate::LoggedOnly => "logged_only",
            Estimate::Likely => "likely",
            Estimate::High => "high",
        },
        window: match answer.window {
            Window::Bucket => "bucket",
            Window::ClockMinute => "clock_minute",
            Window::Sliding => "sliding",
        },
        quota: answer.quota,
        refused: answer.refused,
        of: answer.of,
        offered: answer.offered,
    }
}

fn evidence(facts: &TicketFacts) -> EvidenceJson {
    let evidence = &facts.evidence;
    let coverage = evidence.coverage.as_ref();
    let minute = |(minute, load): &(UtcMinute, MinuteLoad)| MinuteJson {
        minute: minute.to_string(),
        attempts: load.attempts,
        throttled: load.throttled,
        raw: load.raw,
        settled: facts.assumptions.charge.burndown.map(|_| load.settled),
        reserved: load.reserved,
    };
    EvidenceJson {
        complete: evidence.complete,
        attempted: evidence.attempted,
        successful: evidence.successful,
        throttled: evidence.throttled,
        hours: coverage.map(|coverage| coverage.hours),
        hours_with_objects: coverage.map(|coverage| coverage.hours_with_objects),
        gaps: coverage.map_or_else(Vec::new, |coverage| {
            coverage.gaps.iter().map(|(from, to)| range(from, to)).collect()
        }),
        duplicates: evidence.duplicates,
        unread: evidence.unread,
        worst_minutes: evidence.worst_minutes.iter().map(minute).collect(),
        throttled_requests: evidence
            .throttled_requests
            .iter()
            .map(|request| RequestJson {
                timestamp: Timestamp::from_seconds(request.second).to_string(),
                request_id: request.request_id.to_string(),
            })
            .collect(),
    }
}

fn rules(facts: &TicketFacts) -> RulesJson<'_> {
    let rules = &facts.assumptions.rules;
    RulesJson {
        burndown: rules.burndown.as_ref().map(|row| rule(row, row.value)),
        max_output_tokens: rules.max_output_tokens.as_ref().map(|row| rule(row, row.value)),
        input_includes_cache: rules.input_includes_cache.as_ref().map(|row| rule(row, row.value)),
        rpm_applies: rules.rpm_applies.as_ref().map(|row| rule(row, row.value)),
        lifecycle: rules.lifecycle.as_ref().map(|row| {
            let state = match row.value {
                Lifecycle::Active => "active",
                Lifecycle::Legacy => "legacy",
                Lifecycle::EndOfLife => "end-of-life",
            };
            rule(row, state)
        }),
    }
}

fn rule<T, V>(row: &Ruled<T>, value: V) -> RuleJson<'_, V> {
    RuleJson {
        value,
        models: &row.pattern,
        valid_from: row.valid_from.map(words::day),
        source: &row.source,
        note: row.note.as_deref(),
    }
}

fn knowledge(facts: &TicketFacts) -> KnowledgeJson {
    let knowledge = &facts.assumptions.knowledge;
    KnowledgeJson {
        successful: knowledge.successful,
        unknown: knowledge.unknown,
        settled_only: knowledge.settled_only,
        max_tokens_unset: knowledge.max_tokens_unset,
        joined: knowledge.joined,
        imputed: knowledge.imputed,
        not_imputed: knowledge.not_imputed,
    }
}

fn share(share: Share) -> Decimal {
    Decimal::from(Ratio { numerator: u128::from(share.millionths()), denominator: 1_000_000 })
}

fn range(from: &impl ToString, to: &impl ToString) -> Range {
    Range { from: from.to_string(), to: to.to_string() }
}
