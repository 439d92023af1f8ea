//! Why, who, what to do: the findings about the quota that fared worst, as JSON and as three lines of text.
//!
//! In: the findings of `quota`, and how the page spells models and callers. Out: plain data for the report's JSON,
//! and lines for its text. Always: both say the same; an estimate, a suggestion and a guess are called so; strings
//! from the logs are bounded and escaped. Absent: any figure computed here.

use borehole_quota::attribution::{self, Cause, Fix as Remedy};
use borehole_quota::rules::Limit;
use borehole_usage::figures::Ratio;
use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::text::cells::{Ink, Line, flow};
use crate::text::numbers::{counted, percent, short, short_decimal, thousands};
use crate::text::script::Script;
use crate::text::stamp;
use crate::text::words::share;

/// Findings about one quota.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Findings {
    /// The hours that they rest on: `worst hours` or `all hours`.
    pub basis: String,
    /// The quota they are about: the one with the most throttles, else with the largest minute; absent where there
    /// is no attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// Which quota throttled; absent where no throttle is logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// Who is behind the worst minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<Behind>,
    /// What helps, the cheapest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<Fix>,
}

/// Where a quota lives.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Key {
    /// 12 digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The source Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The base model.
    pub model: String,
    /// `on-demand`, `geo`, `global`, …
    pub scope: String,
}

/// Which quota throttled: inferred.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Why {
    /// Attempts in these hours.
    pub attempted: u64,
    /// Of these throttled: a lower bound.
    pub throttled: u64,
    /// What explains most of them.
    #[serde(flatten)]
    pub cause: CauseOf,
    /// How many it explains, at whatever confidence.
    pub explained: u64,
    /// Cause by cause, the one that explains most first.
    pub causes: Vec<Explained>,
    /// The minute with the most throttles of that cause.
    pub worst_minute: ThrottledMinute,
    /// The most that was served.
    pub most_served: Taken,
    /// Other quotas with throttles.
    pub other_quotas: u64,
    /// Their throttles.
    pub other_throttled: u64,
}

/// A quota, or why it cannot be told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CauseOf {
    /// `tokens_per_minute`, `requests_per_minute` or `tokens_per_day`; absent where it cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// `high`, `medium` or `low`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<String>,
    /// `either_limit`, `low_use` or `tokens_unknown`: why it cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
}

/// How much one cause explains.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Explained {
    /// The cause.
    #[serde(flatten)]
    pub cause: CauseOf,
    /// Minutes with such throttles.
    pub minutes: u64,
    /// Throttles in them.
    pub throttled: u64,
}

/// What was taken of a quota within 60 seconds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Taken {
    /// Quota tokens, reserved by calls that ran and settled by those that had ended; absent where too few tokens
    /// are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_tokens: Option<u128>,
    /// Requests.
    pub requests: u128,
}

/// A minute with throttles.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ThrottledMinute {
    /// RFC 3339.
    pub minute: String,
    /// Attempts.
    pub attempted: u64,
    /// Of these throttled.
    pub throttled: u64,
    /// The most that was taken when one was refused, with what that asked for.
    pub taken: Taken,
}

/// The caller behind the worst minutes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Behind {
    /// What callers are told apart by: `identity` or `role`.
    pub by: String,
    /// Who; absent for all whom the log does not name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// Its attempts in these hours.
    pub attempted: u64,
    /// Of these throttled.
    pub throttled: u64,
    /// How many callers there are.
    pub callers: u64,
    /// What load is measured in: `reserved_tokens`, `settled_tokens`, `raw_tokens` or `attempts`.
    pub measure: String,
    /// Its part of the worst minutes' load, 0…1.
    pub share_in_worst_minutes: Decimal,
    /// Its part of the load in all of these hours, 0…1.
    pub share: Decimal,
    /// The first is much more than the second.
    pub noisy_neighbour: bool,
    /// The worst minutes, the worst first.
    pub worst_minutes: Vec<WorstMinute>,
    /// Its retries; absent where it was not throttled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<Retries>,
}

/// One of the worst minutes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WorstMinute {
    /// RFC 3339.
    pub minute: String,
    /// Attempts.
    pub attempted: u64,
    /// Of these throttled.
    pub throttled: u64,
    /// Its load, by the measure.
    pub load: u128,
}

/// Retries after throttles.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Retries {
    /// Always so: no log says which attempt repeats which.
    pub estimate: bool,
    /// Throttled attempts of the caller.
    pub throttled: u64,
    /// Its attempts within 60 s after a throttle of its own.
    pub retries: u64,
    /// Of these throttled again.
    pub throttled_again: u64,
    /// Most of these in a row.
    pub longest_run: u64,
    /// Retries for each throttle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_throttle: Option<Decimal>,
}

/// Something that helps, with the figures it rests on; which of them there are depends on the remedy.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Fix {
    /// `set_max_tokens`, `cap_max_tokens`, `spread_bursts`, `cache_prompts`, `global_scope`,
    /// `compare_applied_quota` or `increase`.
    pub remedy: String,
    /// It rests on more than the log says.
    pub suggestion: bool,
    /// The one caller that it is for; absent where it is for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// The value to set, in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Requests that would reserve less; of a caller whose prompts may repeat: its requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// Of these without `max_tokens`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_unset: Option<u64>,
    /// Reserved quota tokens that it frees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frees_tokens: Option<u128>,
    /// The same over everything reserved on the quota, 0…1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frees_share: Option<Decimal>,
    /// Answers that it would have cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_answers: Option<u64>,
    /// Answers of those that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<u64>,
    /// The minute that came in a burst.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minute: Option<String>,
    /// The part of the minute's load that came in its busiest second, 0…1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busiest_second_share: Option<Decimal>,
    /// Tokens of an average prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_prompt_tokens: Option<Decimal>,
    /// Input over all settled quota tokens, 0…1: the most that caching could save.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_share: Option<Decimal>,
    /// The quota to be increased; absent where the cause is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<String>,
}

impl Findings {
    /// Puts findings into the report's shape. `bounded` bounds a string from the logs, and counts those it cut.
    #[must_use]
    pub fn new(findings: &attribution::Findings, mut bounded: impl FnMut(&str) -> String) -> Self {
        let mut bounded = |text: &str| bounded(text);
        Findings {
            basis: findings.basis.as_str().to_owned(),
            key: findings.key.as_ref().map(|key| Key {
                account: key.account.as_deref().map(&mut bounded),
                region: key.region.as_deref().map(&mut bounded),
                model: bounded(&key.model),
                scope: key.scope.as_str().to_owned(),
            }),
            why: findings.why.as_ref().map(why),
            who: findings.who.as_ref().and_then(|who| behind(who, &mut bounded)),
            fixes: findings.fixes.iter().map(|remedy| fix(remedy, &mut bounded)).collect(),
        }
    }
}

fn why(why: &attribution::Why) -> Why {
    let explained = |row: &attribution::CauseSummary| Explained {
        cause: cause_of(row.cause),
        minutes: row.minutes,
        throttled: row.throttled,
    };
    let worst = &why.worst;
    Why {
        attempted: why.attempts,
        throttled: why.throttled,
        cause: cause_of(why.cause),
        explained: why.explained,
        causes: why.causes.iter().map(explained).collect(),
        worst_minute: ThrottledMinute {
            minute: worst.minute.to_string(),
            attempted: worst.attempts,
            throttled: worst.throttled,
            taken: Taken { quota_tokens: worst.tokens, requests: worst.requests },
        },
        most_served: Taken { quota_tokens: why.tokens_served, requests: why.requests_served },
        other_quotas: why.other_keys,
        other_throttled: why.other_throttled,
    }
}

fn cause_of(cause: Cause) -> CauseOf {
    let word = |word: &str| Some(word.to_owned());
    match cause {
        Cause::Quota(limit, confidence) => {
            CauseOf { cause: word(limit_word(limit)), confidence: word(confidence.as_str()), doubt: None }
        }
        Cause::Unknown(doubt) => CauseOf { cause: None, confidence: None, doubt: word(doubt.as_str()) },
    }
}

fn limit_word(limit: Limit) -> &'static str {
    match limit {
        Limit::TokensPerMinute => "tokens_per_minute",
        Limit::RequestsPerMinute => "requests_per_minute",
        Limit::TokensPerDay => "tokens_per_day",
    }
}

fn behind(who: &attribution::Behind, mut bounded: impl FnMut(&str) -> String) -> Option<Behind> {
    let share = &who.share;
    let minute = |worst: &attribution::WorstMinute| WorstMinute {
        minute: worst.minute.to_string(),
        attempted: worst.attempts,
        throttled: worst.throttled,
        load: worst.load,
    };
    Some(Behind {
        by: who.by.as_str().to_owned(),
        caller: share.who.as_deref().map(&mut bounded),
        attempted: share.attempts,
        throttled: share.throttled,
        callers: who.callers,
        measure: who.load.as_str().to_owned(),
        share_in_worst_minutes: share.share_in_worst?.into(),
        share: share.share?.into(),
        noisy_neighbour: who.is_noisy,
        worst_minutes: who.worst_minutes.iter().map(minute).collect(),
        retries: who.retries.as_ref().map(|retries| Retries {
            estimate: true,
            throttled: retries.throttled,
            retries: retries.retries,
            throttled_again: retries.throttled_again,
            longest_run: retries.longest_run,
            per_throttle: retries.per_throttle().map(Decimal::from),
        }),
    })
}

fn fix(remedy: &Remedy, mut bounded: impl FnMut(&str) -> String) -> Fix {
    let quotient = |part, whole| Ratio::new(part, whole).map(Decimal::from);
    let named =
        Fix { remedy: remedy.as_str().to_owned(), suggestion: remedy.is_suggestion(), ..Fix::default() };
    match remedy {
        Remedy::SetMaxTokens(cap) | Remedy::CapMaxTokens(cap) => Fix {
            caller: cap.only.as_deref().map(&mut bounded),
            max_tokens: Some(cap.max_tokens),
            requests: Some(cap.requests),
            requests_unset: Some(cap.unset),
            frees_tokens: Some(cap.frees),
            frees_share: quotient(cap.frees, cap.reserved),
            cut_answers: Some(cap.cuts),
            answers: Some(cap.answers),
            ..named
        },
        Remedy::SpreadBursts(worst) => Fix {
            minute: Some(worst.minute.to_string()),
            busiest_second_share: quotient(worst.busiest_second, worst.load),
            ..named
        },
        Remedy::Cache(hint) => Fix {
            caller: hint.caller.as_deref().map(&mut bounded),
            requests: Some(hint.caller_requests),
            average_prompt_tokens: Some(hint.average_prompt.into()),
            input_share: Some(hint.input_share.into()),
            ..named
        },
        Remedy::GlobalScope { .. } | Remedy::CompareApplied => named,
        Remedy::Increase { limit } => Fix { quota: limit.map(|limit| limit_word(limit).to_owned()), ..named },
    }
}

/// Where the text of a labelled line begins, as on the rest of the page.
const INDENT: usize = 10;
/// Lines that one finding may take before the rest of it is only counted.
const LINES_MAX: usize = 4;
/// Cells of a caller's or model's name inside a line.
const NAME_CELLS_MAX: usize = 40;

/// How the page spells what findings name.
pub(crate) struct Spelling<'a> {
    /// Where the page goes.
    pub(crate) script: Script,
    /// A model's short name; not escaped.
    pub(crate) model: &'a dyn Fn(&str) -> String,
    /// An identity without what its account says already; not escaped.
    pub(crate) caller: for<'t> fn(&'t str, Option<&str>) -> &'t str,
    /// Dates need their year.
    pub(crate) with_year: bool,
}

/// WHY, WHO and FIX in lines of at most `cells`; none where there is no attempt.
pub(crate) fn lines(findings: &Findings, spelling: &Spelling<'_>, cells: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for (label, items) in parts(findings, spelling) {
        lines.extend(flow(&Line::inked(Ink::Bold, label), INDENT, &items, cells, LINES_MAX));
    }
    lines.into_iter().map(|line| line.fitted(cells)).collect()
}

/// The same, not laid out: each label with what stands behind it.
pub(crate) fn parts(findings: &Findings, spelling: &Spelling<'_>) -> Vec<(&'static str, Vec<Line>)> {
    let Some(key) = &findings.key else { return Vec::new() };
    let page = Page { findings, key, spelling };
    let mut all = vec![("WHY", page.why()), ("WHO", page.who()), ("FIX", page.fix())];
    all.retain(|(_, items)| !items.is_empty());
    all
}

struct Page<'a> {
    findings: &'a Findings,
    key: &'a Key,
    spelling: &'a Spelling<'a>,
}

impl Page<'_> {
    fn why(&self) -> Vec<Line> {
        let Some(why) = &self.findings.why else { return vec![Line::plain("no throttles logged")] };
        let throttles = counted(why.throttled, "throttle");
        let explained = if why.explained == why.throttled {
            throttles
        } else {
            format!("{} of {throttles}", thousands(u128::from(why.explained)))
        };
        let head = match (&why.cause.cause, &why.cause.confidence) {
            (Some(cause), Some(confidence)) => {
                let cause = format!("{} ({})", self.limit_words(cause), self.limit_short(cause));
                Line::inked(Ink::Yellow, cause)
                    .and(Ink::Plain, format!(": {explained}, {} confidence", self.text(confidence)))
            }
            _ => {
                let doubt =
                    why.cause.doubt.as_deref().map_or_else(String::new, |doubt| self.doubt_words(doubt));
                Line::inked(Ink::Yellow, "quota unknown").and(Ink::Plain, format!(": {explained}; {doubt}"))
            }
        };
        let mut items = vec![head, Line::plain(self.key())];
        let worst = &why.worst_minute;
        let levels =
            match (why.cause.cause.as_deref(), worst.taken.quota_tokens, why.most_served.quota_tokens) {
                (Some("tokens_per_day"), ..) => {
                    format!("{} refused then", thousands(u128::from(worst.throttled)))
                }
                (Some("tokens_per_minute"), Some(taken), Some(served)) => {
                    format!("{} tokens in 60 s then, {} served at most", short(taken), short(served))
                }
                (Some("requests_per_minute"), ..) => {
                    let (taken, served) = (worst.taken.requests, why.most_served.requests);
                    format!("{} requests in 60 s then, {} served at most", short(taken), short(served))
                }
                _ => format!(
                    "{} of {} refused then",
                    thousands(u128::from(worst.throttled)),
                    counted(worst.attempted, "attempt")
                ),
            };
        items.push(Line::plain(format!("worst {}, {levels}", self.moment(&worst.minute))));
        if why.other_quotas > 0 {
            let others = counted(why.other_quotas, "more quota");
            items.push(Line::plain(format!("{others} with {}", counted(why.other_throttled, "throttle"))));
        }
        items.push(self.basis());
        items
    }

    fn who(&self) -> Vec<Line> {
        let Some(who) = &self.findings.who else { return Vec::new() };
        let caller = self.caller(&who.by, who.caller.as_deref());
        let minutes = match who.worst_minutes.len() {
            1 => "the worst minute".to_owned(),
            count => format!("the worst {count} minutes"),
        };
        let head = if who.callers == 1 {
            Line::plain(format!("{caller}, the only caller"))
        } else {
            let (peak, all) = (share(Some(who.share_in_worst_minutes)), share(Some(who.share)));
            let line = Line::plain(format!("{caller}: {peak} of {minutes}, {all} in all"));
            if who.noisy_neighbour { line.and(Ink::Yellow, " (noisy neighbour)") } else { line }
        };
        let mut items = vec![head];
        if let Some(worst) = who.worst_minutes.first() {
            let load = format!("{} {}", short(worst.load), self.measure_words(&who.measure));
            items.push(Line::plain(format!("worst {} with {load}", self.moment(&worst.minute))));
        }
        if let Some(retries) = who.retries.as_ref().filter(|retries| retries.throttled_again > 0) {
            items.push(Line::plain(format!(
                "{} of its {} within 60 s after another (estimate)",
                thousands(u128::from(retries.throttled_again)),
                counted(retries.throttled, "throttle")
            )));
        }
        // WHY names the quota and the hours where there is something to explain.
        if self.findings.why.is_none() {
            items.push(Line::plain(self.key()));
            items.push(self.basis());
        }
        items
    }

    fn fix(&self) -> Vec<Line> {
        let Some((first, rest)) = self.findings.fixes.split_first() else { return Vec::new() };
        let mut items = self.remedy(first);
        if first.suggestion {
            items.push(Line::inked(Ink::Dim, "a suggestion"));
        }
        if !rest.is_empty() {
            let others: Vec<String> = rest.iter().map(|fix| self.short_remedy(fix)).collect();
            items.push(Line::plain(format!("else {}", others.join(", "))));
        }
        items
    }

    /// The figures of the remedy that is recommended.
    fn remedy(&self, fix: &Fix) -> Vec<Line> {
        let number = |value: Option<u64>| thousands(u128::from(value.unwrap_or(0)));
        let head = |text: String| Line::inked(Ink::Bold, text);
        match fix.remedy.as_str() {
            "set_max_tokens" | "cap_max_tokens" => {
                let by = fix
                    .caller
                    .as_deref()
                    .map(|caller| format!(" for {}", self.caller("identity", Some(caller))));
                let by = by.unwrap_or_default();
                let max_tokens = number(fix.max_tokens);
                let mut items = if fix.remedy == "set_max_tokens" {
                    let unset = counted(fix.requests_unset.unwrap_or(0), "request");
                    vec![
                        head(format!("set max_tokens to {max_tokens}{by}")),
                        Line::plain(format!("{unset} without")),
                    ]
                } else {
                    vec![head(format!("cap max_tokens at {max_tokens}{by}"))]
                };
                if let Some(frees) = fix.frees_share {
                    items.push(Line::plain(format!("frees {} of what is reserved", share(Some(frees)))));
                }
                let (cut, answers) = (fix.cut_answers.unwrap_or(0), fix.answers.unwrap_or(0));
                let cut = if cut == 0 { "none".to_owned() } else { percent(cut, answers) };
                items.push(Line::plain(format!("cuts {cut} of {}", counted(answers, "answer"))));
                items
            }
            "spread_bursts" => {
                let part = share(fix.busiest_second_share);
                let minute = fix.minute.as_deref().map(|minute| self.moment(minute)).unwrap_or_default();
                vec![
                    head("spread bursts".to_owned()),
                    Line::plain(format!("{part} of {minute} came in one second")),
                ]
            }
            "cache_prompts" => {
                let prompt = fix.average_prompt_tokens.map(short_decimal).unwrap_or_default();
                let caller = self.caller("identity", fix.caller.as_deref());
                let input = share(fix.input_share);
                vec![
                    head("cache prompts, if they repeat".to_owned()),
                    Line::plain("nothing is read from a cache"),
                    Line::plain(format!("{prompt} tokens a prompt")),
                    Line::plain(format!("{} by {caller}", counted(fix.requests.unwrap_or(0), "request"))),
                    Line::plain(format!("input is {input} of what settles")),
                ]
            }
            "global_scope" if fix.suggestion => {
                vec![
                    head("call the global profile".to_owned()),
                    Line::plain("if the model has one and residency allows it"),
                ]
            }
            "global_scope" => {
                vec![
                    head("call the global profile".to_owned()),
                    Line::plain("its own quota was never throttled here"),
                ]
            }
            "compare_applied_quota" => vec![
                head("compare with the applied quota".to_owned()),
                Line::plain(self.spelling.script.command("borehole quota SOURCE --service-quotas FILE")),
            ],
            "increase" => {
                let quota =
                    fix.quota.as_deref().map_or_else(|| "quota".to_owned(), |quota| self.limit_short(quota));
                vec![head(format!("ask for more {quota}")), Line::plain(self.ticket())]
            }
            _ => vec![head(self.short_remedy(fix))],
        }
    }

    /// A remedy that is only mentioned.
    fn short_remedy(&self, fix: &Fix) -> String {
        match fix.remedy.as_str() {
            "set_max_tokens" => "set max_tokens".to_owned(),
            "cap_max_tokens" => "cap max_tokens".to_owned(),
            "spread_bursts" => "spread bursts".to_owned(),
            "cache_prompts" => "cache prompts (suggestion)".to_owned(),
            "global_scope" if fix.suggestion => "a global profile (suggestion)".to_owned(),
            "global_scope" => "the global profile".to_owned(),
            "compare_applied_quota" => self.spelling.script.command("borehole quota --service-quotas"),
            "increase" => self.spelling.script.command("borehole ticket"),
            // A word of a newer version speaks for itself.
            other => self.text(other),
        }
    }

    fn ticket(&self) -> String {
        let model = &self.key.model;
        // A name that a shell would read as more than a word is not put into a command.
        let is_word =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'-' | b'/' | b'_');
        let is_plain = !model.is_empty() && !model.starts_with('-') && model.bytes().all(is_word);
        let model = if is_plain { format!(" --model {model}") } else { String::new() };
        self.spelling.script.command(&format!("borehole ticket SOURCE{model}"))
    }

    fn key(&self) -> String {
        let model = self.name(&(self.spelling.model)(&self.key.model));
        let region = self.key.region.as_deref().map(|region| format!(" {}", self.name(region)));
        format!("{model} {}{}", self.text(&self.key.scope), region.unwrap_or_default())
    }

    fn caller(&self, by: &str, caller: Option<&str>) -> String {
        match caller {
            None => "unnamed callers".to_owned(),
            Some(caller) if by == "identity" => {
                self.name((self.spelling.caller)(caller, self.key.account.as_deref()))
            }
            Some(caller) => format!("{} {}", self.text(by), self.name(caller)),
        }
    }

    fn moment(&self, text: &str) -> String {
        stamp::moment(text, self.spelling.with_year, self.spelling.script)
    }

    fn basis(&self) -> Line {
        Line::inked(Ink::Dim, format!("from {}", self.text(&self.findings.basis)))
    }

    /// A name from the log inside a line.
    fn name(&self, text: &str) -> String {
        self.spelling.script.name(text, NAME_CELLS_MAX)
    }

    /// A word of the contract, which a report of another origin may have put there.
    fn text(&self, text: &str) -> String {
        self.spelling.script.text(text)
    }

    fn limit_words(&self, limit: &str) -> String {
        self.text(&limit.replace('_', " "))
    }

    fn limit_short(&self, limit: &str) -> String {
        match limit {
            "tokens_per_minute" => "TPM".to_owned(),
            "requests_per_minute" => "RPM".to_owned(),
            "tokens_per_day" => "TPD".to_owned(),
            other => self.text(other),
        }
    }

    fn doubt_words(&self, doubt: &str) -> String {
        match doubt {
            "either_limit" => "tokens and requests were both at their largest".to_owned(),
            "low_use" => "use was below what was served at other times".to_owned(),
            "tokens_unknown" => "too few tokens are known".to_owned(),
            other => self.text(other),
        }
    }

    fn measure_words(&self, measure: &str) -> String {
        self.text(&measure.replace('_', " "))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use borehole_quota::QuotaKey;
    use borehole_quota::attribution::{
        CacheHint, CallerRetries, CallerShare, Cap, CauseSummary, Confidence, Doubt, Hours, Load,
        MinuteCause, Who,
    };
    use borehole_record::{Scope, UtcMinute};
    use proptest::prelude::*;

    use super::*;
    use crate::json;
    use crate::text::cells::{is_hazardous, width};

    const MINUTE: UtcMinute = UtcMinute(29_909_341);
    const ANNA: &str = "arn:aws:sts::111122223333:assumed-role/search/pod-7";

    fn key(model: &str) -> QuotaKey {
        QuotaKey {
            account: Some("111122223333".into()),
            region: Some("us-east-1".into()),
            model: model.into(),
            scope: Scope::Geo,
        }
    }

    fn ratio(numerator: u128, denominator: u128) -> Ratio {
        Ratio { numerator, denominator }
    }

    fn why_of(cause: Cause) -> attribution::Why {
        let worst = MinuteCause {
            minute: MINUTE,
            attempts: 90,
            throttled: 60,
            tokens: Some(4_020_000),
            requests: 31,
            cause,
        };
        let unknown = Cause::Unknown(Doubt::EitherLimit);
        attribution::Why {
            attempts: 12_000,
            throttled: 120,
            cause,
            explained: 118,
            causes: vec![
                CauseSummary { cause, minutes: 3, throttled: 118 },
                CauseSummary { cause: unknown, minutes: 1, throttled: 2 },
            ],
            worst,
            tokens_served: Some(4_100_000),
            requests_served: 64,
            other_keys: 0,
            other_throttled: 0,
        }
    }

    fn who_of(caller: Option<&str>) -> attribution::Behind {
        attribution::Behind {
            by: Who::Identity,
            share: CallerShare {
                who: caller.map(Arc::from),
                attempts: 900,
                throttled: 80,
                settled: None,
                load: 120,
                load_in_worst: 73,
                share: Some(ratio(12, 100)),
                share_in_worst: Some(ratio(73, 100)),
            },
            is_noisy: true,
            callers: 14,
            load: Load::Reserved,
            worst_minutes: vec![attribution::WorstMinute {
                minute: MINUTE,
                attempts: 90,
                throttled: 60,
                load: 4_020_000,
                busiest_second: 2_010_000,
            }],
            retries: None,
        }
    }

    fn cap_of(only: Option<&str>) -> Cap {
        Cap {
            only: only.map(Arc::from),
            max_tokens: 4_096,
            requests: 9_000,
            unset: 7_000,
            frees: 62,
            frees_unset: 50,
            reserved: 100,
            cuts: 12,
            answers: 12_000,
        }
    }

    fn findings(
        why: Option<attribution::Why>,
        who: Option<attribution::Behind>,
        fixes: Vec<Remedy>,
    ) -> Findings {
        let key = Some(key("anthropic.claude-sonnet-4-5-20250929-v1:0"));
        let found = attribution::Findings { basis: Hours::Worst, key, why, who, fixes };
        Findings::new(&found, str::to_owned)
    }

    fn after_role<'t>(identity: &'t str, _: Option<&str>) -> &'t str {
        identity.split_once("assumed-role/").map_or(identity, |(_, names)| names)
    }

    fn text(findings: &Findings, cells: usize) -> String {
        let model = |model: &str| {
            model.trim_start_matches("anthropic.").trim_end_matches("-20250929-v1:0").to_owned()
        };
        let spelling =
            Spelling { script: Script::Terminal, model: &model, caller: after_role, with_year: false };
        let mut out = String::new();
        lines(findings, &spelling, cells).iter().for_each(|line| line.write(false, &mut out));
        out
    }

    const TPM: Cause = Cause::Quota(Limit::TokensPerMinute, Confidence::High);

    #[test]
    fn three_lines_say_why_who_and_what_to_do() {
        let increase = Remedy::Increase { limit: Some(Limit::TokensPerMinute) };
        let fixes =
            vec![Remedy::CapMaxTokens(cap_of(None)), increase, Remedy::GlobalScope { is_used: false }];
        let found = findings(Some(why_of(TPM)), Some(who_of(Some(ANNA))), fixes);
        assert_eq!(
            text(&found, 80),
            "\
WHY       tokens per minute (TPM): 118 of 120 throttles, high confidence
          claude-sonnet-4-5 geo us-east-1
          worst 11-13 09:01, 4.02M tokens in 60 s then, 4.10M served at most
          from worst hours
WHO       search/pod-7: 73 % of the worst minute, 12 % in all (noisy neighbour)
          worst 11-13 09:01 with 4.02M reserved tokens
FIX       cap max_tokens at 4,096 · frees 62 % of what is reserved
          cuts 0.1 % of 12,000 answers
          else borehole ticket, a global profile (suggestion)
"
        );
    }

    #[test]
    fn each_cause_is_put_in_words() {
        for (cause, expected) in [
            (
                Cause::Quota(Limit::RequestsPerMinute, Confidence::Medium),
                "requests per minute (RPM): 118 of 120 throttles, medium confidence",
            ),
            (
                Cause::Quota(Limit::TokensPerDay, Confidence::Low),
                "tokens per day (TPD): 118 of 120 throttles, low confidence",
            ),
            (
                Cause::Unknown(Doubt::EitherLimit),
                "quota unknown: 118 of 120 throttles; tokens and requests were both",
            ),
            (
                Cause::Unknown(Doubt::LowUse),
                "quota unknown: 118 of 120 throttles; use was below what was served",
            ),
            (
                Cause::Unknown(Doubt::TokensUnknown),
                "quota unknown: 118 of 120 throttles; too few tokens are known",
            ),
        ] {
            let text = text(&findings(Some(why_of(cause)), None, Vec::new()), 100);
            assert!(text.starts_with(&format!("WHY       {expected}")), "{text}");
        }
        let why =
            attribution::Why { explained: 1, throttled: 1, other_keys: 2, other_throttled: 3, ..why_of(TPM) };
        let text = text(&findings(Some(why), None, Vec::new()), 100);
        assert!(text.contains("(TPM): 1 throttle, high confidence"), "{text}");
        assert!(text.contains("2 more quotas with 3 throttles"), "{text}");
    }

    #[test]
    fn each_remedy_is_put_in_words() {
        let worst = who_of(None).worst_minutes[0];
        let hint = CacheHint {
            requests: 1_110,
            average_prompt: ratio(9_000, 1),
            input_share: ratio(9, 10),
            caller: Some(ANNA.into()),
            caller_requests: 1_000,
        };
        let ticket = "borehole ticket SOURCE --model anthropic.claude-sonnet-4-5-20250929-v1:0";
        for (remedy, expected) in [
            (
                Remedy::SetMaxTokens(cap_of(Some(ANNA))),
                "set max_tokens to 4,096 for search/pod-7 · 7,000 requests without · frees 62 %".to_owned(),
            ),
            (Remedy::SpreadBursts(worst), "spread bursts · 50 % of 11-13 09:01 came in one second".to_owned()),
            (
                Remedy::Cache(hint),
                "cache prompts, if they repeat · nothing is read from a cache · 9,000 tokens a prompt · 1,000 requests \
                 by search/pod-7 · input is 90 % of what settles · a suggestion"
                    .to_owned(),
            ),
            (
                Remedy::GlobalScope { is_used: true },
                "call the global profile · its own quota was never throttled here".to_owned(),
            ),
            (
                Remedy::GlobalScope { is_used: false },
                "call the global profile · if the model has one and residency allows it · a suggestion".to_owned(),
            ),
            (
                Remedy::CompareApplied,
                "compare with the applied quota · borehole quota SOURCE --service-quotas FILE".to_owned(),
            ),
            (Remedy::Increase { limit: None }, format!("ask for more quota · {ticket}")),
            (Remedy::Increase { limit: Some(Limit::RequestsPerMinute) }, format!("ask for more RPM · {ticket}")),
        ] {
            let text = text(&findings(Some(why_of(TPM)), None, vec![remedy]), 300);
            assert!(text.contains(&format!("\nFIX       {expected}")), "{text}");
        }
    }

    #[test]
    fn without_throttles_who_says_which_quota_and_which_hours() {
        let who = attribution::Behind { callers: 1, is_noisy: false, ..who_of(None) };
        assert_eq!(
            text(&findings(None, Some(who), Vec::new()), 80),
            "\
WHY       no throttles logged
WHO       unnamed callers, the only caller
          worst 11-13 09:01 with 4.02M reserved tokens
          claude-sonnet-4-5 geo us-east-1 · from worst hours
"
        );
        let none =
            attribution::Findings { basis: Hours::Worst, key: None, why: None, who: None, fixes: Vec::new() };
        assert_eq!(text(&Findings::new(&none, str::to_owned), 80), "");
    }

    #[test]
    fn retries_are_called_an_estimate() {
        let retries = CallerRetries {
            who: Some(ANNA.into()),
            throttled: 80,
            retries: 90,
            throttled_again: 79,
            longest_run: 40,
        };
        let who = attribution::Behind { retries: Some(retries), ..who_of(Some(ANNA)) };
        let found = findings(Some(why_of(TPM)), Some(who), Vec::new());
        assert!(text(&found, 80).contains("79 of its 80 throttles within 60 s after another (estimate)"));
        let json = serde_json::to_value(&found).expect("JSON");
        assert_eq!(json["who"]["retries"]["estimate"], true);
    }

    #[test]
    fn a_model_that_a_shell_would_obey_is_in_no_command() {
        let found = attribution::Findings {
            basis: Hours::All,
            key: Some(key("x; rm -rf $HOME")),
            why: Some(why_of(TPM)),
            who: None,
            fixes: vec![Remedy::Increase { limit: None }],
        };
        let text = text(&Findings::new(&found, str::to_owned), 100);
        assert!(text.contains("· borehole ticket SOURCE\n"), "{text}");
    }

    #[test]
    fn the_json_is_snake_case_without_nulls_and_reads_back() {
        let mut why = why_of(Cause::Unknown(Doubt::LowUse));
        why.worst.tokens = Some(u128::from(u64::MAX) * 40);
        why.tokens_served = None;
        let fixes = vec![Remedy::SetMaxTokens(cap_of(None)), Remedy::CompareApplied];
        let found = findings(Some(why), Some(who_of(None)), fixes);
        let text = json::pretty(&found);
        assert!(!text.contains("null"), "{text}");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["basis"], "worst hours");
        assert_eq!(value["why"]["doubt"], "low_use");
        assert_eq!(value["why"].get("cause"), None);
        assert_eq!(value["who"].get("caller"), None);
        assert_eq!(value["who"]["noisy_neighbour"], true);
        assert_eq!(value["fixes"][0]["remedy"], "set_max_tokens");
        assert_eq!(
            value["fixes"][1],
            serde_json::json!({"remedy": "compare_applied_quota", "suggestion": false})
        );
        assert_eq!(serde_json::from_str::<Findings>(&text).expect("our own JSON"), found);
    }

    #[test]
    fn strings_from_the_logs_are_bounded() {
        let found = attribution::Findings {
            basis: Hours::Worst,
            key: Some(key("a-long-name")),
            why: None,
            who: Some(who_of(Some(ANNA))),
            fixes: vec![Remedy::CapMaxTokens(cap_of(Some(ANNA)))],
        };
        let mut cut = 0;
        let bounded = |text: &str| {
            cut += 1;
            text[..3].to_owned()
        };
        let found = Findings::new(&found, bounded);
        assert_eq!(found.key.map(|key| key.model), Some("a-l".to_owned()));
        assert_eq!(found.who.and_then(|who| who.caller), Some("arn".to_owned()));
        assert_eq!(found.fixes[0].caller, Some("arn".to_owned()));
        assert_eq!(cut, 5);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn i05_no_line_is_wider_than_asked_nor_obeyed(
            caller in "\\PC{0,60}|.{0,60}",
            model in "\\PC{0,60}|.{0,60}",
            cells in 0..120usize,
            which in 0..4usize,
        ) {
            let remedy = [
                Remedy::SetMaxTokens(cap_of(Some(&caller))),
                Remedy::CompareApplied,
                Remedy::Increase { limit: None },
                Remedy::SpreadBursts(who_of(None).worst_minutes[0]),
            ][which].clone();
            let found = attribution::Findings {
                basis: Hours::Worst,
                key: Some(key(&model)),
                why: Some(why_of(TPM)),
                who: Some(who_of(Some(&caller))),
                fixes: vec![remedy, Remedy::GlobalScope { is_used: false }],
            };
            for line in text(&Findings::new(&found, str::to_owned), cells).split('\n') {
                prop_assert!(width(line) <= cells, "{line:?}");
                prop_assert!(!line.contains(is_hazardous), "{line:?}");
            }
        }
    }
}
