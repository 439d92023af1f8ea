//! The three forms and the evidence, as blocks: which facts stand where, and under which label.
//!
//! In: facts. Out: blocks that either format lays out. Always: the mission's nine items and the tenth are in
//! every form.

use borehole_quota::study::MinuteLoad;
use borehole_quota::ticket::{Form, LimitFacts, TicketFacts};
use borehole_usage::figures::{Coverage, HIGH_TOKEN_THRESHOLD};

use super::words::{
    additions, average, averages, count, cross_region, current_to_requested, high_token, limit, limit_type,
    limits_asked, model, name, no_need, or_blank, paragraphs, quota_name, requested, windows,
};
use super::{BLANK, Block, Escape, Field, Table, TicketStyle};
use crate::text::numbers::{counted, percent, thousands};

/// Gaps that a ticket lists; the rest is counted.
const GAPS_MAX: usize = 12;

// The label of the ninth item says the number.
const _: () = assert!(HIGH_TOKEN_THRESHOLD == 25_000);

/// The form with what is filled in.
pub(super) fn form(facts: &TicketFacts, style: TicketStyle, escape: Escape) -> Vec<Block> {
    match style.form {
        Form::Y2026 => form_2026(facts, style, escape),
        Form::Y2025 => vec![Block::Fields(ten_items(facts, style, escape, &LABELS_2025))],
        Form::Mission => vec![Block::Fields(ten_items(facts, style, escape, &LABELS_MISSION))],
    }
}

fn form_2026(facts: &TicketFacts, style: TicketStyle, escape: Escape) -> Vec<Block> {
    let modality = format!(
        "{} → {}",
        or_blank(facts.input_modality.as_deref(), escape),
        or_blank(facts.output_modality.as_deref(), escape)
    );
    let mut head = vec![
        Field::new("Account ID", or_blank(facts.key.account.as_deref(), escape)),
        Field::new("Region", or_blank(facts.key.region.as_deref(), escape)),
        Field::new("Limit type", format!("{}: {}", limit_type(facts.limit_type), limits_asked(facts))),
        Field::new("Model", model(facts, escape)),
        Field::new("Modality", modality),
        Field::new("TPM quota", quota_name(&facts.tokens, escape)),
        Field::new("RPM quota", quota_name(&facts.requests, escape)),
    ];
    let changes: Vec<String> =
        [&facts.tokens, &facts.requests].into_iter().filter_map(current_to_requested).collect();
    if !changes.is_empty() {
        head.push(Field::new("Current", changes.join(" · ")));
    }
    head.push(Field::new("Cross-Region", cross_region(facts, style.form, escape)));
    let mut rest = Vec::new();
    let rows = [&facts.tokens, &facts.requests].map(|limit_facts| match &limit_facts.need {
        Ok(need) => {
            let figures = [need.steady, need.peak, need.requested_steady, need.requested_peak];
            [limit(limit_facts.limit).to_owned()].into_iter().chain(figures.map(count)).collect()
        }
        Err(reason) => {
            rest.push(Field::new(limit(limit_facts.limit), no_need(*reason)));
            Vec::new()
        }
    });
    let rows: Vec<Vec<String>> = rows.into_iter().filter(|row: &Vec<String>| !row.is_empty()).collect();
    if facts.tokens.need.is_err()
        && let Some(raw) = facts.raw
    {
        let figures = format!("steady {}, peak {} (input + output)", count(raw.steady), count(raw.peak));
        rest.push(Field::new("Raw TPM", figures));
    }
    let high = facts.high_token.map_or_else(
        || "over 25k not known".to_owned(),
        |high| {
            let (input, prompt) = (percent(high.by_input, high.known), percent(high.by_prompt, high.known));
            format!("over 25k {input} (prompt {prompt})")
        },
    );
    rest.push(Field::new("Average", format!("{} · {high}", averages(facts))));
    rest.push(Field::new("Evidence", evidence_line(facts, style)));
    let bases = [&facts.tokens, &facts.requests].into_iter().filter_map(|limit_facts| {
        let need = limit_facts.need.as_ref().ok()?;
        Some(format!("{} {}", limit(limit_facts.limit), windows(need)))
    });
    let bases: Vec<String> = bases.collect();
    if !bases.is_empty() {
        let target = facts.assumptions.target;
        let additions = additions(facts);
        let also = if additions.is_empty() { String::new() } else { format!("; each{additions}") };
        let basis = format!("≤ {target} throttled: {}{also}", bases.join("; "));
        rest.push(Field::new("Basis", basis));
    }
    rest.push(Field { label: "Use case", value: paragraphs(facts.use_case.as_deref(), escape) });
    rest.extend(contact(facts, escape));
    let mut blocks = vec![Block::Fields(head)];
    if !rows.is_empty() {
        let header = vec!["per minute", "steady", "peak", "requested steady", "requested peak"];
        blocks.push(Block::Table(Table { header, rows }));
    }
    blocks.push(Block::Fields(rest));
    blocks
}

fn evidence_line(facts: &TicketFacts, style: TicketStyle) -> String {
    let evidence = &facts.evidence;
    let mut parts = Vec::new();
    if let Some(coverage) = &evidence.coverage {
        parts.push(format!("{}/{} h", count(coverage.hours_with_objects), count(coverage.hours)));
    }
    let minutes = evidence.worst_minutes.len() as u64;
    if minutes > 0 {
        parts.push(format!("worst {}", counted(minutes, "minute")));
    }
    let named = evidence.throttled_requests.len() as u64;
    if named > 0 {
        parts.push(counted(named, "throttled request id"));
    }
    if style.attachments {
        parts.push("minutes.csv".to_owned());
    }
    if parts.is_empty() { "none".to_owned() } else { parts.join(" · ") }
}

/// Labels of the ten items: use case, model, Region, limit type, requested TPM steady and peak, requested RPM
/// steady and peak, averages of input and output, share over 25,000 tokens, cross-Region inference.
type Labels = [&'static str; 12];

const LABELS_2025: Labels = [
    "Use case",
    "Model ID",
    "Region",
    "Limit type",
    "Tokens per minute, steady state (p50)",
    "Tokens per minute, peak",
    "Requests per minute, steady state (p50)",
    "Requests per minute, peak",
    "Average input tokens per request",
    "Average output tokens per request",
    "Requests with more than 25k input tokens",
    "Cross-Region inference",
];

const LABELS_MISSION: Labels = [
    "1. Use case",
    "2. Model",
    "3. Region",
    "4. Limit type (RPM, TPM)",
    "5. Requested TPM, steady",
    "   Requested TPM, peak",
    "6. Requested RPM, steady",
    "   Requested RPM, peak",
    "7. Average input tokens",
    "8. Average output tokens",
    "9. Over 25,000 input tokens",
    "10. Open to cross-Region",
];

fn ten_items(facts: &TicketFacts, style: TicketStyle, escape: Escape, labels: &Labels) -> Vec<Field> {
    let averages = &facts.averages;
    let values = [
        paragraphs(facts.use_case.as_deref(), escape),
        vec![model(facts, escape)],
        vec![or_blank(facts.key.region.as_deref(), escape)],
        vec![limits_asked(facts)],
        vec![requested(&facts.tokens, |need| need.requested_steady)],
        vec![requested(&facts.tokens, |need| need.requested_peak)],
        vec![requested(&facts.requests, |need| need.requested_steady)],
        vec![requested(&facts.requests, |need| need.requested_peak)],
        vec![format!("{} (prompt {})", average(averages.input), average(averages.prompt))],
        vec![average(averages.output)],
        vec![high_token(facts)],
        vec![cross_region(facts, style.form, escape)],
    ];
    let mut fields: Vec<Field> =
        labels.iter().zip(values).map(|(label, value)| Field { label, value }).collect();
    if style.form == Form::Y2025 {
        fields.push(Field::new("Usage growth", format!("{}", facts.assumptions.growth)));
    }
    fields.push(Field::new("Today", today(facts)));
    fields.push(Field::new("Evidence", evidence_line(facts, style)));
    fields.extend(contact(facts, escape));
    fields
}

/// `TPM steady 610,000, peak 2,600,000; RPM steady 310, peak 1,240; raw …`.
fn today(facts: &TicketFacts) -> String {
    let one = |limit_facts: &LimitFacts| {
        let need = limit_facts.need.as_ref().ok()?;
        let label = limit(limit_facts.limit);
        Some(format!("{label} steady {}, peak {}", count(need.steady), count(need.peak)))
    };
    let raw = facts.raw.map(|raw| {
        format!("raw TPM (input + output) steady {}, peak {}", count(raw.steady), count(raw.peak))
    });
    let parts: Vec<String> = [one(&facts.tokens), one(&facts.requests), raw].into_iter().flatten().collect();
    if parts.is_empty() { "no traffic in this range".to_owned() } else { parts.join("; ") }
}

/// The line of whom to ask, where one is wanted.
fn contact(facts: &TicketFacts, escape: Escape) -> Option<Field> {
    let is_blank = facts.blanks.contains(&borehole_quota::ticket::Blank::Contact);
    match &facts.contact {
        Some(contact) => Some(Field::new("Contact", name(contact, escape))),
        None => is_blank.then(|| Field::new("Contact", BLANK)),
    }
}

/// What the ticket rests on.
pub(super) fn evidence(facts: &TicketFacts, escape: Escape) -> Vec<Block> {
    let evidence = &facts.evidence;
    let mut fields = Vec::new();
    if let (Some(from), Some(to)) = (facts.from, facts.to) {
        fields.push(Field::new("Range", format!("{from} to {to}, end excluded")));
    }
    fields.push(Field::new(
        "Attempts",
        format!(
            "{}: {} successful, {} throttled ({})",
            count(evidence.attempted),
            count(evidence.successful),
            count(evidence.throttled),
            percent(evidence.throttled, evidence.attempted)
        ),
    ));
    fields.push(Field::new("Hours", hours(evidence.coverage.as_ref())));
    let unread = match evidence.unread {
        0 if evidence.complete => "nothing".to_owned(),
        0 => "parts of the run".to_owned(),
        unread => format!("{} objects, documents or records of the run", count(unread)),
    };
    fields.push(Field::new("Not read", unread));
    let duplicates = if evidence.duplicates == 0 {
        "none in the run".to_owned()
    } else {
        format!("{} in the run, each counted once", count(evidence.duplicates))
    };
    fields.push(Field::new("Duplicates", duplicates));
    for limit_facts in [&facts.tokens, &facts.requests] {
        let Ok(need) = &limit_facts.need else { continue };
        if let Some(minute) = need.peak_minute {
            let label = if limit_facts.limit == facts.tokens.limit { "Peak TPM" } else { "Peak RPM" };
            fields.push(Field::new(label, format!("{} at {minute}", count(need.peak))));
        }
    }
    if let Some(raw) = facts.raw {
        let text = format!(
            "{} at {}, steady {} (input + output)",
            count(raw.peak),
            raw.peak_minute,
            count(raw.steady)
        );
        fields.push(Field::new("Raw TPM", text));
    }
    let mut blocks = vec![Block::Fields(fields)];
    if !evidence.worst_minutes.is_empty() {
        let header = vec!["worst minutes (UTC)", "attempts", "throttled", "raw", "settled", "reserved"];
        let rows = evidence.worst_minutes.iter().map(|(minute, load)| {
            let MinuteLoad { attempts, throttled, raw, settled, reserved } = *load;
            let settled = facts.assumptions.charge.burndown.map(|_| settled);
            let figures = [Some(attempts), Some(throttled), Some(raw), settled, Some(reserved)];
            let cells = figures.map(|figure| figure.map_or_else(|| "–".to_owned(), count));
            [minute.to_string()].into_iter().chain(cells).collect()
        });
        blocks.push(Block::Table(Table { header, rows: rows.collect() }));
    }
    if !evidence.throttled_requests.is_empty() {
        let lines = evidence.throttled_requests.iter().map(|request| {
            let time = borehole_record::Timestamp::from_seconds(request.second);
            format!("{time} {}", name(&request.request_id.to_string(), escape))
        });
        blocks.push(Block::List("Throttled requests", lines.collect()));
    }
    blocks
}

fn hours(coverage: Option<&Coverage>) -> String {
    let Some(coverage) = coverage else { return "not known: the keys name no hours".to_owned() };
    let Coverage { hours, hours_with_objects, gaps, .. } = coverage;
    let mut text = format!("{} of {} with logs", count(*hours_with_objects), count(*hours));
    if !gaps.is_empty() {
        let shown: Vec<String> =
            gaps.iter().take(GAPS_MAX).map(|(from, to)| format!("{from} to {to}")).collect();
        text.push_str("; without: ");
        text.push_str(&shown.join(", "));
        if gaps.len() > GAPS_MAX {
            text.push_str(&format!(", and {} more gaps", thousands((gaps.len() - GAPS_MAX) as u128)));
        }
    }
    text
}
