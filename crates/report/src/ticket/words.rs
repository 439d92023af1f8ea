//! The sentences of a ticket: what to know before sending, what was assumed, and the words of single facts.
//!
//! In: facts, and how strings are escaped. Out: sentences whose foreign parts are escaped. Always: a bound is
//! called a bound and an estimate an estimate; our own words hold nothing that Markdown would obey.

use borehole_quota::demand::Estimate;
use borehole_quota::replay::Window;
use borehole_quota::rules::{Limit, Ruled};
use borehole_quota::study::Need;
use borehole_quota::ticket::{
    Blank, CrossRegion, Form, LimitFacts, LimitType, NoNeed, Notice, TicketFacts, USE_PERCENT_EXPECTED,
};
use borehole_record::{Scope, UtcDay};
use borehole_usage::figures::Ratio;

use super::{BLANK, Escape};
use crate::decimal::Decimal;
use crate::text::cells::{cut_middle, escape};
use crate::text::numbers::{counted, percent, short, short_decimal, thousands};

/// Cells of a name from logs or files; real model ids, ids of requests and names of quotas are shorter.
const NAME_CELLS_MAX: usize = 120;

/// Escaped for a terminal or a mail.
pub(super) fn plain(text: &str) -> String {
    escape(text)
}

/// Escaped for Markdown, wherever in a line it stands.
pub(super) fn in_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in escape(text).chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '!' | '|' | '~' | '$' | '^'
            | '=' => {
                out.push('\\');
                out.push(character);
            }
            _ => out.push(character),
        }
    }
    // Entities, so that nothing becomes a link by itself.
    let out = out.replace("://", "&#58;//").replace("www.", "www&#46;");
    // Marks of a list or a rule count at the start of a line only.
    let digits = out.bytes().take_while(u8::is_ascii_digit).count();
    if out.starts_with('-') {
        format!("\\{out}")
    } else if digits > 0 && out[digits..].starts_with('.') {
        format!("{}\\{}", &out[..digits], &out[digits..])
    } else {
        out
    }
}

/// A short string from logs or files.
pub(super) fn name(text: &str, escape: Escape) -> String {
    escape(&cut_middle(text, NAME_CELLS_MAX))
}

/// A text of the operator in its paragraphs; [`BLANK`] where there is none.
pub(super) fn paragraphs(text: Option<&str>, escape: Escape) -> Vec<String> {
    let lines = text.unwrap_or_default().lines().map(str::trim);
    let written: Vec<String> = lines.filter(|line| !line.is_empty()).map(escape).collect();
    if written.is_empty() { vec![BLANK.to_owned()] } else { written }
}

pub(super) fn or_blank(text: Option<&str>, escape: Escape) -> String {
    text.map_or_else(|| BLANK.to_owned(), |text| name(text, escape))
}

/// `111122223333 · us-east-1 · anthropic.claude-… · geo`.
pub(super) fn title(facts: &TicketFacts, escape: Escape) -> String {
    let key = &facts.key;
    let account = key.account.as_deref().map_or_else(|| "no account".to_owned(), |text| name(text, escape));
    let region = key.region.as_deref().map_or_else(|| "no Region".to_owned(), |text| name(text, escape));
    format!("{account} · {region} · {} · {}", name(&key.model, escape), key.scope.as_str())
}

/// `TPM`, `RPM`, `TPD`.
pub(super) fn limit(limit: Limit) -> &'static str {
    match limit {
        Limit::TokensPerMinute => "TPM",
        Limit::RequestsPerMinute => "RPM",
        Limit::TokensPerDay => "TPD",
    }
}

pub(super) fn limit_type(limit_type: LimitType) -> &'static str {
    match limit_type {
        LimitType::OnDemand => "on-demand",
        LimitType::Provisioned => "provisioned",
    }
}

/// Which limits are asked for: `TPM and RPM`.
pub(super) fn limits_asked(facts: &TicketFacts) -> String {
    let asked: Vec<&str> = [&facts.tokens, &facts.requests]
        .iter()
        .filter(|facts| facts.is_asked())
        .map(|facts| limit(facts.limit))
        .collect();
    if asked.is_empty() { "none: no increase is needed".to_owned() } else { asked.join(" and ") }
}

/// `anthropic.claude-… (geo cross-Region inference)`.
pub(super) fn model(facts: &TicketFacts, escape: Escape) -> String {
    let scope = match facts.key.scope {
        Scope::OnDemand => "on-demand, in one Region".to_owned(),
        Scope::Geo => "geo cross-Region inference".to_owned(),
        Scope::Global => "global cross-Region inference".to_owned(),
        other => other.as_str().to_owned(),
    };
    format!("{} ({scope})", name(&facts.key.model, escape))
}

/// The tenth item: open to cross-Region inference?
pub(super) fn cross_region(facts: &TicketFacts, form: Form, escape: Escape) -> String {
    let answer = match (facts.key.scope, facts.cross_region) {
        (Scope::Global, _) => return "yes: global, in use".to_owned(),
        (Scope::Geo, Some(CrossRegion::Global)) => return "yes: geo, in use; open to global".to_owned(),
        (_, Some(CrossRegion::Global)) => return "yes: global".to_owned(),
        (Scope::Geo, _) => "yes: geo, in use",
        (_, Some(CrossRegion::Geo)) => "yes: geo",
        (_, Some(CrossRegion::No)) => "no",
        (_, None) => BLANK,
    };
    match facts.not_global_reason.as_deref() {
        Some(reason) => format!("{answer}; not global: {}", name(reason, escape)),
        None if form.asks(Blank::NotGlobal) => format!("{answer}; not global: {BLANK}"),
        None => answer.to_owned(),
    }
}

/// Why there is no figure.
pub(super) fn no_need(no_need: NoNeed) -> &'static str {
    match no_need {
        NoNeed::NoTraffic => "no traffic in this range",
        NoNeed::NothingServed => "unknown: no request was served, and throttled ones hold no tokens",
        NoNeed::CountsUnknown => "unknown: no served request has token counts",
        NoNeed::RateUnknown => "unknown: no rule names the burndown rate of this model",
        NoNeed::NoSuchQuota => "the model has no such quota",
    }
}

/// One requested figure: `7,700,000`, or why there is none.
pub(super) fn requested(facts: &LimitFacts, figure: fn(&Need) -> u64) -> String {
    match &facts.need {
        Err(reason) => no_need(*reason).to_owned(),
        Ok(need) if facts.is_asked() => count(figure(need)),
        Ok(need) => format!("{} (within the current quota)", count(figure(need))),
    }
}

/// `Cross-region … for Anthropic Claude Sonnet 4.5 (L-F4DDD3EB)`.
pub(super) fn quota_name(facts: &LimitFacts, escape: Escape) -> String {
    if facts.need == Err(NoNeed::NoSuchQuota) {
        return no_need(NoNeed::NoSuchQuota).to_owned();
    }
    match &facts.name {
        None => "name and code are not known; the loop below finds them".to_owned(),
        Some(title) => match &title.code {
            Some(code) => format!("{} ({})", name(&title.name, escape), name(code, escape)),
            None => format!("{} (code not known)", name(&title.name, escape)),
        },
    }
}

/// `TPM 4,000,000 → 7,700,000`.
pub(super) fn current_to_requested(facts: &LimitFacts) -> Option<String> {
    let need = facts.need.as_ref().ok()?;
    let label = limit(facts.limit);
    Some(match facts.current {
        Some(current) if facts.is_asked() => {
            format!("{label} {} → {}", count(current.value), count(need.requested_peak))
        }
        Some(current) => format!("{label} {}, enough", count(current.value)),
        None => format!("{label} not known → {}", count(need.requested_peak)),
    })
}

/// `input 1,240 (prompt 5,310) · output 145`.
pub(super) fn averages(facts: &TicketFacts) -> String {
    let averages = &facts.averages;
    format!(
        "input {} (prompt {}) · output {}",
        average(averages.input),
        average(averages.prompt),
        average(averages.output)
    )
}

/// Whole, with one decimal below 100; `not known` of nothing.
pub(super) fn average(ratio: Option<Ratio>) -> String {
    let Some(ratio) = ratio else { return "not known".to_owned() };
    let value = Decimal::from(ratio);
    if value.units() < 100 {
        return short_decimal(value);
    }
    let micros = value.micros();
    let up = micros > 500_000 || (micros == 500_000 && value.units() % 2 == 1);
    thousands(value.units().saturating_add(u128::from(up)))
}

/// `3.1 % by input, 11.4 % by prompt`.
pub(super) fn high_token(facts: &TicketFacts) -> String {
    facts.high_token.map_or_else(
        || "not known".to_owned(),
        |high| {
            format!(
                "{} by input, {} by prompt (with cached tokens)",
                percent(high.by_input, high.known),
                percent(high.by_prompt, high.known)
            )
        },
    )
}

/// `bucket 4.90M, minute 5.60M, sliding 6.40M`: what the requested peak rests on.
pub(super) fn windows(need: &Need) -> String {
    let words = Window::ALL.map(|window| {
        let word = match window {
            Window::Bucket => "bucket",
            Window::ClockMinute => "minute",
            Window::Sliding => "sliding",
        };
        format!("{word} {}", short(u128::from(need.basis(window))))
    });
    words.join(", ")
}

/// ` + 20 % growth + 10 % margin`; nothing where both are 0.
pub(super) fn additions(facts: &TicketFacts) -> String {
    let assumptions = &facts.assumptions;
    let parts = [(assumptions.growth, "growth"), (assumptions.margin, "margin")];
    let parts = parts.iter().filter(|(share, _)| share.millionths() > 0);
    parts.map(|(share, word)| format!(" + {share} {word}")).collect()
}

pub(super) fn count(value: u64) -> String {
    thousands(u128::from(value))
}

/// What the operator should know; the fields that are blank are those of the form.
pub(super) fn before_sending(facts: &TicketFacts, form: Form, escape: Escape) -> Vec<String> {
    let sentences = facts.notices.iter().filter_map(|notice| sentence(facts, notice, form, escape));
    let mut sentences: Vec<String> = sentences.collect();
    if sentences.is_empty() {
        sentences.push("nothing speaks against this ticket".to_owned());
    }
    sentences
}

fn sentence(facts: &TicketFacts, notice: &Notice, form: Form, escape: Escape) -> Option<String> {
    Some(match notice {
        Notice::NoTraffic => "nobody called this quota in the range: there is nothing to ask for".to_owned(),
        Notice::RateUnknown => "no rule names the burndown rate of this model, so TPM figures are absent; \
             give it with --rules FILE and run this again"
            .to_owned(),
        Notice::ProfileUnresolved => {
            "these calls go through an application inference profile whose model is \
             not known; say it with --inference-profiles FILE, since the quota is that model's"
                .to_owned()
        }
        Notice::OtherCapacity(scope) => format!(
            "calls of the kind {} have capacity of their own; TPM and RPM quotas of on-demand models do not \
             apply to them",
            scope.as_str()
        ),
        Notice::Fits(which) => {
            let is_any_asked = facts.tokens.is_asked() || facts.requests.is_asked();
            let also = if facts.evidence.throttled > 0 && !is_any_asked {
                "; the throttles in the log have another cause, or the quota was raised since"
            } else {
                ""
            };
            format!("{}: the current quota is enough, no increase is needed{also}", limit(*which))
        }
        Notice::Use { limit: which, used, current, is_low } => {
            let (label, share) = (limit(*which), percent(*used, *current));
            let advice = if *is_low {
                format!(
                    "AWS may refuse: it favours traffic that consumes its quota (told below \
                     {USE_PERCENT_EXPECTED} %; AWS names no number)"
                )
            } else {
                "this traffic consumes its quota".to_owned()
            };
            format!(
                "{label}: use is {share} of the quota ({} of {} in the worst minute); {advice}",
                count(*used),
                count(*current)
            )
        }
        Notice::CurrentUnknown(which) => {
            let labels: Vec<&str> = which.iter().map(|which| limit(*which)).collect();
            let are = if labels.len() > 1 { "quotas are" } else { "quota is" };
            format!(
                "the current {} {are} not known: fetch with the loop below, give the files with \
                 --service-quotas, and run this again before asking",
                labels.join(" and ")
            )
        }
        Notice::Lifecycle { is_over, source } => {
            let state = if *is_over { "at the end of its life" } else { "in legacy state" };
            format!("the model is {state}: AWS refuses increases for it ({})", name(source, escape))
        }
        Notice::NotAdjustable(which) => format!(
            "{}: Service Quotas calls this quota not adjustable: send the ticket as a support case",
            limit(*which)
        ),
        Notice::Cap { max_tokens, enough, unchanged, cut, answers, avoids } => {
            let end = match (avoids, facts.requests.is_asked()) {
                (true, false) => "the current quota is then enough, and this case is not needed",
                (true, true) => "the current TPM quota is then enough, and RPM alone is to be asked for",
                (false, _) => "that alone is not known to be enough",
            };
            format!(
                "capping max{}tokens at {} needs {} TPM instead of {} and would have cut {} of answers; {end}",
                escape("_"),
                count(*max_tokens),
                count(*enough),
                count(*unchanged),
                percent(*cut, *answers)
            )
        }
        Notice::Incomplete => "parts of the logs could not be read: the figures are lower bounds".to_owned(),
        Notice::Gaps(hours) => format!(
            "{} of the range without logs: check whether there was no traffic or the logs are missing",
            counted(*hours, "hour")
        ),
        Notice::Blank(blanks) => {
            let asked: Vec<String> =
                blanks.iter().filter(|blank| form.asks(**blank)).map(|blank| escape(blank.name())).collect();
            if asked.is_empty() {
                return None;
            }
            format!("fill in what says {BLANK}: {}", asked.join(", "))
        }
    })
}

/// Every assumption, one sentence each.
pub(super) fn assumptions(facts: &TicketFacts, escape: Escape) -> Vec<String> {
    let assumptions = &facts.assumptions;
    let knowledge = &assumptions.knowledge;
    let mut sentences = vec![format!("counted by the rules of {}", day(assumptions.rules_at))];
    rule_sentences(facts, escape, &mut sentences);
    sentences.push(format!(
        "the quota that is needed is the smallest that throttles at most {} of the requests when the log is \
         replayed against it; requested peak = the largest of the three windows' answers{}, rounded up to two \
         digits; requested steady = the median of active minutes, treated alike",
        assumptions.target,
        additions(facts)
    ));
    sentences.push(
        "AWS does not document how a minute is measured: a refilled bucket, the clock minute and any 60 seconds \
         are all tried; logs tell time to the second"
            .to_owned(),
    );
    for limit in [&facts.tokens, &facts.requests] {
        if let Ok(need) = &limit.need {
            sentences.push(estimates(limit.limit, need, facts.evidence.throttled));
        }
    }
    let of_successful =
        |part: u64| format!("{} of {} successful requests", count(part), count(knowledge.successful));
    if facts.tokens.need.is_ok() {
        if knowledge.unknown > 0 {
            sentences
                .push(format!("{} have unknown tokens and count as 0", of_successful(knowledge.unknown)));
        }
        if knowledge.settled_only > 0 {
            sentences.push(format!(
                "{} are counted at what they settled, since max{}tokens or latency is not logged: for them \
                 the need is a lower bound",
                of_successful(knowledge.settled_only),
                escape("_")
            ));
        }
    }
    if facts.evidence.throttled > 0 {
        sentences.push(format!(
            "throttles in a log are a lower bound: {} joined to a later success of their caller, {} given that \
             caller's median tokens, {} with nothing to go by",
            count(knowledge.joined),
            count(knowledge.imputed),
            count(knowledge.not_imputed)
        ));
    }
    for limit_facts in [&facts.tokens, &facts.requests] {
        if let Some(current) = limit_facts.current.filter(|current| !current.exported) {
            sentences.push(format!(
                "the current {} quota of {} is as stated by the operator",
                limit(limit_facts.limit),
                count(current.value)
            ));
        }
    }
    sentences
}

fn rule_sentences(facts: &TicketFacts, escape: Escape, sentences: &mut Vec<String>) {
    let rules = &facts.assumptions.rules;
    let knowledge = &facts.assumptions.knowledge;
    match &rules.burndown {
        Some(row) => sentences.push(format!(
            "TPM counts quota tokens as settled: input + cache writes + {} × output {}",
            row.value,
            origin(row, escape)
        )),
        None => sentences
            .push("no burndown rate is known for this model: TPM figures are absent, not guessed".to_owned()),
    }
    let cache_reads = if facts.assumptions.charge.reserves_cache_reads { " + cache reads" } else { "" };
    let field = format!("max{}tokens", escape("_"));
    sentences.push(format!(
        "a call reserves input + cache writes{cache_reads} + {field} when it starts, and that is what throttles"
    ));
    if knowledge.max_tokens_unset > 0 {
        let reserved = match &rules.max_output_tokens {
            Some(row) => format!(
                "the model's maximum of {} is reserved for them {}",
                count(row.value),
                origin(row, escape)
            ),
            None => "the model's maximum is not known, so they are counted at what they settled".to_owned(),
        };
        sentences.push(format!(
            "{} of {} successful requests name no {field}: {reserved}",
            count(knowledge.max_tokens_unset),
            count(knowledge.successful)
        ));
    }
    if let Some(row) = rules.input_includes_cache.as_ref().filter(|row| row.value) {
        sentences
            .push(format!("input counts of this model already hold cached tokens {}", origin(row, escape)));
    }
    if let Some(row) = &rules.rpm_applies {
        let has = if row.value { "has a" } else { "has no" };
        sentences.push(format!("the model {has} quota of requests per minute {}", origin(row, escape)));
    }
    let mut sources: Vec<&str> = [&facts.tokens, &facts.requests]
        .iter()
        .filter_map(|limit| limit.name.as_ref().and_then(|name| name.source.as_deref()))
        .collect();
    sources.dedup();
    for source in sources {
        sentences.push(format!("names and codes of quotas: {}", escape(source)));
    }
}

/// The row that says so: `(rule for anthropic.*, from 2026-09-01 on: https://…)`.
fn origin<T>(row: &Ruled<T>, escape: Escape) -> String {
    let since =
        row.valid_from.map_or_else(String::new, |valid_from| format!(", from {} on", day(valid_from)));
    let note = row.note.as_deref().map_or_else(String::new, |note| format!("; {}", escape(note)));
    format!("(rule for {}{since}: {}{note})", name(&row.pattern, escape), escape(&row.source))
}

/// `2026-11-22`.
pub(super) fn day(day: UtcDay) -> String {
    let text = day.to_string();
    text.split('T').next().unwrap_or(&text).to_owned()
}

/// The need before growth and margin, by what is taken for the demand.
fn estimates(which: Limit, need: &Need, throttled: u64) -> String {
    let label = limit(which);
    if throttled == 0 {
        let enough = count(need.enough(Estimate::Likely));
        return format!(
            "{label} that would have been enough: {enough}; nothing was throttled, so nothing is hidden"
        );
    }
    let [logged, likely, high] = Estimate::ALL.map(|estimate| count(need.enough(estimate)));
    format!(
        "{label} that would have been enough: {logged} for what was served, {likely} likely (retries joined, \
         the rest imputed), {high} at the high end; the larger of the first two is used"
    )
}
