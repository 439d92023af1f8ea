//! The facts of a quota ticket: everything that any form of AWS asks about one quota, and the evidence for it.
//!
//! In: the study of a quota, the figures and the health of the run, the names of its quotas, and what only the
//! operator knows. Out: [`TicketFacts`], one per quota, as plain data. Always: a figure that is not known is
//! absent with the reason, never 0; no caller is named. Absent: rendering, I/O, and any default quota: accounts
//! differ, so a current quota is what the operator's files or words say.

mod commands;

use borehole_record::{ContentKinds, Scope, Timestamp, UtcDay, UtcMinute};
use borehole_usage::figures::{Coverage, Figures, Group, Health, HighToken, Ratio};
use borehole_usage::{Charge, figures};

use crate::applied::AppliedQuota;
use crate::attempt::ThrottledRequest;
use crate::book::{KeyAttempts, KindCounts};
use crate::key::QuotaKey;
use crate::rules::{Lifecycle, Limit, ModelRules, QuotaName};
use crate::share::Share;
use crate::study::{Aim, Change, KeyStudy, Knowledge, MinuteLoad, Need};

/// Minutes of a ticket's evidence: enough to see that it happened, few enough to be read.
pub const WORST_MINUTES: usize = 5;

/// Throttled requests that a ticket names: AWS's support asks for a handful.
pub const THROTTLED_REQUESTS: usize = 10;

/// Share of the current quota, in percent, below which a ticket is taken to be refused for want of use. AWS
/// names no number ("priority will be given to customers who generate traffic that consumes their existing
/// quota", Bedrock user guide); this one is ours.
pub const USE_PERCENT_EXPECTED: u64 = 80;

/// A form of AWS, or of those who ask for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// The case description of 2025: ten lines.
    Y2025,
    /// The form of 2026: account, limit type, modality, cross-Region inference.
    Y2026,
    /// Nine numbered items and the support engineer's tenth.
    Mission,
}

impl Form {
    /// Whether this form has a field for what is blank.
    #[must_use]
    pub fn asks(self, blank: Blank) -> bool {
        match blank {
            Blank::UseCase | Blank::Contact | Blank::CrossRegion | Blank::Region => true,
            Blank::Account | Blank::NotGlobal | Blank::InputModality | Blank::OutputModality => {
                self == Form::Y2026
            }
        }
    }
}

/// What only the operator can say and has not said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Blank {
    /// What the traffic is for.
    UseCase,
    /// Whom to ask: wanted, and left empty.
    Contact,
    /// Whether cross-Region inference would do.
    CrossRegion,
    /// Why it may not be global.
    NotGlobal,
    /// What goes in: no body was seen.
    InputModality,
    /// What comes out.
    OutputModality,
    /// Neither records nor keys name the account.
    Account,
    /// Nor the Region.
    Region,
}

impl Blank {
    /// Its name in `ticket.toml`; for what the logs should say, the word of the form.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Blank::UseCase => "use_case",
            Blank::Contact => "contact",
            Blank::CrossRegion => "cross_region",
            Blank::NotGlobal => "not_global_reason",
            Blank::InputModality => "input_modality",
            Blank::OutputModality => "output_modality",
            Blank::Account => "account",
            Blank::Region => "region",
        }
    }
}

/// Which cross-Region inference would do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CrossRegion {
    /// None: the Region itself.
    No,
    /// Within a geography.
    Geo,
    /// Anywhere.
    Global,
}

/// What kind of capacity is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LimitType {
    /// Tokens and requests per minute.
    OnDemand,
    /// Model units.
    Provisioned,
}

/// What the operator says. Texts are untrusted like any other: whoever prints them escapes them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TicketInput {
    /// What the traffic is for.
    pub use_case: Option<String>,
    /// Whom to ask. `None` leaves the line out, an empty text is still to be filled in.
    pub contact: Option<String>,
    /// Which cross-Region inference would do.
    pub cross_region: Option<CrossRegion>,
    /// Why it may not be global.
    pub not_global_reason: Option<String>,
    /// On-demand or provisioned; by the scope of the calls where nobody says.
    pub limit_type: Option<LimitType>,
    /// What goes in, where the logs hold no body.
    pub input_modality: Option<String>,
    /// What comes out.
    pub output_modality: Option<String>,
    /// Current quotas, where no export of Service Quotas says.
    pub current: Vec<StatedQuota>,
}

/// Current quotas in the operator's words. A name that is `None` stands for all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StatedQuota {
    /// 12 digits.
    pub account: Option<String>,
    /// Source Region.
    pub region: Option<String>,
    /// Base model.
    pub model: Option<String>,
    /// As [`Scope::as_str`].
    pub scope: Option<String>,
    /// Quota tokens per minute.
    pub tokens_per_minute: Option<u64>,
    /// Requests per minute.
    pub requests_per_minute: Option<u64>,
}

impl StatedQuota {
    /// How closely it names a quota: how many of its names are given; `None` where one is another.
    fn closeness(&self, key: &QuotaKey) -> Option<usize> {
        let names = [
            (self.account.as_deref(), key.account.as_deref()),
            (self.region.as_deref(), key.region.as_deref()),
            (self.model.as_deref(), Some(&*key.model)),
            (self.scope.as_deref(), Some(key.scope.as_str())),
        ];
        let fits = names.iter().all(|(stated, is)| stated.is_none() || stated == is);
        fits.then(|| names.iter().filter(|(stated, _)| stated.is_some()).count())
    }

    /// The value of the closest statement that has one; the later of two that are as close.
    fn closest(all: &[StatedQuota], key: &QuotaKey, value: fn(&StatedQuota) -> Option<u64>) -> Option<u64> {
        let fitting = all.iter().filter_map(|stated| Some((stated.closeness(key)?, value(stated)?)));
        fitting.max_by_key(|(closeness, _)| *closeness).map(|(_, value)| value)
    }
}

/// What a ticket says of the whole run.
#[derive(Clone, Copy, Debug)]
pub struct RunFacts<'a> {
    /// The figures, grouped by account, Region, model and scope.
    pub figures: &'a Figures,
    /// What was read, and what was not.
    pub health: &'a Health,
    /// Nothing that was listed is missing.
    pub complete: bool,
    /// Target, growth and margin.
    pub aim: &'a Aim,
    /// The day whose rules apply.
    pub rules_at: Timestamp,
}

/// Everything that a ticket says about one quota.
#[derive(Clone, PartialEq, Debug)]
pub struct TicketFacts {
    /// Which quota.
    pub key: QuotaKey,
    /// First moment of what was read; inclusive.
    pub from: Option<Timestamp>,
    /// Its end; exclusive.
    pub to: Option<Timestamp>,
    /// What the operator says; an empty text is `None` where it is asked for, and then in `blanks`.
    pub use_case: Option<String>,
    /// Whom to ask.
    pub contact: Option<String>,
    /// On-demand or provisioned.
    pub limit_type: LimitType,
    /// Which cross-Region inference would do.
    pub cross_region: Option<CrossRegion>,
    /// Why not global, where it is not.
    pub not_global_reason: Option<String>,
    /// `text+image`.
    pub input_modality: Option<String>,
    /// The same of the answers.
    pub output_modality: Option<String>,
    /// What a form asks and nobody said.
    pub blanks: Vec<Blank>,
    /// Tokens per minute.
    pub tokens: LimitFacts,
    /// Requests per minute.
    pub requests: LimitFacts,
    /// Averages over the requests whose counts are known.
    pub averages: Averages,
    /// Requests over 25,000 tokens; `None` where no input count is known.
    pub high_token: Option<HighToken>,
    /// Input + output per minute, as older forms mean it.
    pub raw: Option<RawTokens>,
    /// What the ticket rests on.
    pub evidence: Evidence,
    /// What was assumed.
    pub assumptions: Assumptions,
    /// What to know before it is sent; the most important first.
    pub notices: Vec<Notice>,
    /// Lines for a shell, never run here.
    pub commands: Vec<Command>,
    /// Every active minute, in order.
    pub minutes: Vec<(UtcMinute, MinuteLoad)>,
}

/// One limit of a quota: what it is called, what it is, what is needed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LimitFacts {
    /// Which.
    pub limit: Limit,
    /// What Service Quotas calls it.
    pub name: Option<Title>,
    /// What it is now.
    pub current: Option<Current>,
    /// What is needed.
    pub need: Result<Need, NoNeed>,
}

impl LimitFacts {
    /// Whether an increase is asked for: the need is known, and not within the current quota.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        let requested = self.need.as_ref().map_or(0, |need| need.requested_peak);
        requested > self.current.as_ref().map_or(0, |current| current.value)
    }
}

/// The name of a quota in Service Quotas.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Title {
    /// As Service Quotas spells it.
    pub name: String,
    /// `L-…`, where it is known.
    pub code: Option<String>,
    /// Where this is written; `None` for the operator's own export.
    pub source: Option<String>,
}

/// A quota as it is now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Current {
    /// Tokens or requests per minute.
    pub value: u64,
    /// Whether an increase can be asked for; `None` where it is not known.
    pub adjustable: Option<bool>,
    /// It is from an export of Service Quotas, and not only what the operator says.
    pub exported: bool,
}

/// Why there is no figure for a limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoNeed {
    /// Nobody called.
    NoTraffic,
    /// Every attempt failed or was throttled: no tokens are known.
    NothingServed,
    /// No served request has token counts.
    CountsUnknown,
    /// No rule names the model's burndown rate.
    RateUnknown,
    /// The rules say that the model has no such quota.
    NoSuchQuota,
}

/// Exact averages over the requests whose counts are known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Averages {
    /// Uncached input tokens.
    pub input: Option<Ratio>,
    /// Input with cache reads and writes.
    pub prompt: Option<Ratio>,
    /// Output tokens.
    pub output: Option<Ratio>,
}

/// Raw tokens per minute: input + output of successful requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawTokens {
    /// Median over active minutes.
    pub steady: u64,
    /// Largest minute.
    pub peak: u64,
    /// When; the earliest on ties.
    pub peak_minute: UtcMinute,
}

/// What a ticket rests on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Evidence {
    /// Attempts on the quota.
    pub attempted: u64,
    /// Of these successful.
    pub successful: u64,
    /// Of these throttled, as logged.
    pub throttled: u64,
    /// Hours with objects and gaps; `None` where the keys name no hours.
    pub coverage: Option<Coverage>,
    /// Nothing that was listed is missing from the run.
    pub complete: bool,
    /// Duplicates that were dropped in the whole run.
    pub duplicates: u64,
    /// Objects, documents and records of the whole run that could not be read.
    pub unread: u64,
    /// The worst minutes: most throttles first, then most settled (else raw) tokens, then the earliest.
    pub worst_minutes: Vec<(UtcMinute, MinuteLoad)>,
    /// Throttled requests by time.
    pub throttled_requests: Vec<ThrottledRequest>,
}

/// What was assumed on the way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assumptions {
    /// The day whose rules apply.
    pub rules_at: UtcDay,
    /// What calls of the model are charged.
    pub charge: Charge,
    /// The rows that say so.
    pub rules: ModelRules,
    /// What is known, and what is a bound.
    pub knowledge: Knowledge,
    /// Most requests that may be throttled.
    pub target: Share,
    /// Expected growth.
    pub growth: Share,
    /// What is added for safety.
    pub margin: Share,
}

/// What to know before a ticket is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// Nobody called: there is nothing to ask for.
    NoTraffic,
    /// No rule names the model's rate: TPM figures are absent.
    RateUnknown,
    /// The profile's model is not known, nor is therefore its quota.
    ProfileUnresolved,
    /// Calls of this kind have capacity of their own.
    OtherCapacity(Scope),
    /// The increase that is asked for fits into the current quota.
    Fits(Limit),
    /// How much of the current quota the peak uses.
    Use {
        /// Of which limit.
        limit: Limit,
        /// Largest minute.
        used: u64,
        /// Current quota.
        current: u64,
        /// Less than [`USE_PERCENT_EXPECTED`].
        is_low: bool,
    },
    /// These current quotas are not known; never empty.
    CurrentUnknown(Vec<Limit>),
    /// The model is to be retired, or is.
    Lifecycle {
        /// Retired already.
        is_over: bool,
        /// Where it is written.
        source: String,
    },
    /// Service Quotas calls it not adjustable.
    NotAdjustable(Limit),
    /// A cap on `max_tokens` needs less.
    Cap {
        /// In tokens.
        max_tokens: u64,
        /// TPM that is enough with it, growth and margin included.
        enough: u64,
        /// The same without.
        unchanged: u64,
        /// Answers it would have cut, of `answers`.
        cut: u64,
        /// Successful requests.
        answers: u64,
        /// With it, the current quota is enough.
        avoids: bool,
    },
    /// The run is incomplete: the figures are lower bounds.
    Incomplete,
    /// Hours of the range without logs.
    Gaps(u64),
    /// What is to be filled in.
    Blank(Vec<Blank>),
}

pub use commands::Command;

impl TicketFacts {
    /// The facts of one quota. `attempts` are those of the study; `names` are the names of its quotas.
    #[must_use]
    pub fn new(
        study: &KeyStudy,
        run: &RunFacts<'_>,
        attempts: Option<&KeyAttempts>,
        names: &[QuotaName],
        input: &TicketInput,
    ) -> Self {
        let key = &study.key;
        let group = run.figures.groups.iter().find(|group| is_of(group, key));
        let tokens = LimitFacts {
            limit: Limit::TokensPerMinute,
            name: title(Limit::TokensPerMinute, study.applied_tpm.as_ref(), names),
            current: current(study.applied_tpm.as_ref(), || {
                StatedQuota::closest(&input.current, key, |stated| stated.tokens_per_minute)
            }),
            need: tokens_need(study),
        };
        let requests = LimitFacts {
            limit: Limit::RequestsPerMinute,
            name: title(Limit::RequestsPerMinute, study.applied_rpm.as_ref(), names),
            current: current(study.applied_rpm.as_ref(), || {
                StatedQuota::closest(&input.current, key, |stated| stated.requests_per_minute)
            }),
            need: requests_need(study),
        };
        let kinds = |kinds: fn(&KeyAttempts) -> KindCounts| attempts.and_then(|a| modality(&kinds(a)));
        let said = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let mut facts = TicketFacts {
            key: key.clone(),
            from: run.figures.from,
            to: run.figures.to,
            use_case: said(&input.use_case),
            contact: said(&input.contact),
            limit_type: input.limit_type.unwrap_or(if key.scope == Scope::Provisioned {
                LimitType::Provisioned
            } else {
                LimitType::OnDemand
            }),
            cross_region: input.cross_region.or(match key.scope {
                Scope::Geo => Some(CrossRegion::Geo),
                Scope::Global => Some(CrossRegion::Global),
                _ => None,
            }),
            not_global_reason: said(&input.not_global_reason),
            input_modality: kinds(KeyAttempts::input_kinds).or_else(|| said(&input.input_modality)),
            output_modality: kinds(KeyAttempts::output_kinds).or_else(|| said(&input.output_modality)),
            blanks: Vec::new(),
            averages: group.map_or_else(Averages::default, averages),
            high_token: group.map(|group| group.high_token).filter(|high| high.known > 0),
            raw: group.and_then(|group| group.tokens_per_minute.as_ref()).map(|series| RawTokens {
                steady: series.p50,
                peak: series.peak,
                peak_minute: series.peak_minute,
            }),
            evidence: evidence(study, run, attempts),
            assumptions: Assumptions {
                rules_at: UtcDay::of(run.rules_at),
                charge: study.charge,
                rules: study.rules.clone(),
                knowledge: study.knowledge,
                target: run.aim.target,
                growth: run.aim.growth,
                margin: run.aim.margin,
            },
            notices: Vec::new(),
            commands: Vec::new(),
            minutes: study.minutes.clone(),
            tokens,
            requests,
        };
        facts.blanks = facts.find_blanks(input.contact.is_some());
        facts.notices = facts.find_notices(study);
        facts.commands = commands::of(&facts);
        facts
    }

    /// What this form asks and nobody said.
    pub fn blanks_of(&self, form: Form) -> impl Iterator<Item = Blank> + '_ {
        self.blanks.iter().copied().filter(move |blank| form.asks(*blank))
    }

    /// Whether a reason is asked for: the calls are not global, nor may they be.
    #[must_use]
    pub fn needs_not_global_reason(&self) -> bool {
        self.key.scope != Scope::Global && self.cross_region != Some(CrossRegion::Global)
    }

    fn find_blanks(&self, contact_is_wanted: bool) -> Vec<Blank> {
        let blanks = [
            (Blank::UseCase, self.use_case.is_none()),
            (Blank::Contact, contact_is_wanted && self.contact.is_none()),
            (Blank::CrossRegion, self.cross_region.is_none()),
            (Blank::NotGlobal, self.needs_not_global_reason() && self.not_global_reason.is_none()),
            (Blank::InputModality, self.input_modality.is_none()),
            (Blank::OutputModality, self.output_modality.is_none()),
            (Blank::Account, self.key.account.is_none()),
            (Blank::Region, self.key.region.is_none()),
        ];
        blanks.into_iter().filter(|(_, is_blank)| *is_blank).map(|(blank, _)| blank).collect()
    }

    fn find_notices(&self, study: &KeyStudy) -> Vec<Notice> {
        let mut notices = Vec::new();
        if study.attempted == 0 {
            notices.push(Notice::NoTraffic);
        } else if self.tokens.need == Err(NoNeed::RateUnknown) {
            notices.push(Notice::RateUnknown);
        }
        match self.key.scope {
            Scope::OnDemand | Scope::Geo | Scope::Global => {}
            Scope::ApplicationProfile => notices.push(Notice::ProfileUnresolved),
            other => notices.push(Notice::OtherCapacity(other)),
        }
        let mut unknown = Vec::new();
        for limit in [&self.tokens, &self.requests] {
            let Ok(need) = &limit.need else { continue };
            match limit.current {
                None => unknown.push(limit.limit),
                Some(_) if !limit.is_asked() => notices.push(Notice::Fits(limit.limit)),
                Some(current) => {
                    let share = u128::from(need.peak) * 100;
                    let is_low = share < u128::from(current.value) * u128::from(USE_PERCENT_EXPECTED);
                    let (limit, used, current) = (limit.limit, need.peak, current.value);
                    notices.push(Notice::Use { limit, used, current, is_low });
                }
            }
        }
        if !unknown.is_empty() {
            notices.push(Notice::CurrentUnknown(unknown));
        }
        if let Some(row) = &study.rules.lifecycle
            && row.value != Lifecycle::Active
        {
            let is_over = row.value == Lifecycle::EndOfLife;
            notices.push(Notice::Lifecycle { is_over, source: row.source.clone() });
        }
        for limit in [&self.tokens, &self.requests] {
            let is_fixed = limit.current.is_some_and(|current| current.adjustable == Some(false));
            if is_fixed && limit.is_asked() {
                notices.push(Notice::NotAdjustable(limit.limit));
            }
        }
        notices.extend(self.cap(study));
        if !self.evidence.complete {
            notices.push(Notice::Incomplete);
        }
        if let Some(coverage) = &self.evidence.coverage
            && coverage.hours > coverage.hours_with_objects
        {
            notices.push(Notice::Gaps(coverage.hours - coverage.hours_with_objects));
        }
        if !self.blanks.is_empty() {
            notices.push(Notice::Blank(self.blanks.clone()));
        }
        notices
    }

    /// The mildest cap under which the current quota is enough; else the mildest that saves anything.
    fn cap(&self, study: &KeyStudy) -> Option<Notice> {
        if !self.tokens.is_asked() {
            return None;
        }
        let grown = |value| self.assumptions.margin.grow(self.assumptions.growth.grow(value));
        let caps = study.remedies.iter().filter_map(|remedy| match remedy.change {
            Change::CapMaxTokens(max_tokens) if remedy.tokens_per_minute < remedy.unchanged => {
                let enough = grown(remedy.tokens_per_minute);
                let avoids = self.tokens.current.is_some_and(|current| enough <= current.value);
                Some((!avoids, remedy.cut, std::cmp::Reverse(max_tokens), enough, remedy))
            }
            _ => None,
        });
        let mildest = caps.min_by_key(|(stays, cut, max_tokens, ..)| (*stays, *cut, *max_tokens))?;
        let (stays, cut, std::cmp::Reverse(max_tokens), enough, remedy) = mildest;
        Some(Notice::Cap {
            max_tokens,
            enough,
            unchanged: grown(remedy.unchanged),
            cut,
            answers: remedy.answers,
            avoids: !stays,
        })
    }
}

/// Whether a group of the figures is this quota's.
fn is_of(group: &Group, key: &QuotaKey) -> bool {
    let value = |name: &str| group.key.iter().find(|(dimension, _)| dimension == name);
    let is = |name: &str, wanted: Option<&str>| value(name).is_some_and(|(_, is)| is.as_deref() == wanted);
    is("account", key.account.as_deref())
        && is("region", key.region.as_deref())
        && is("model", Some(&key.model))
        && is("scope", Some(key.scope.as_str()))
}

fn title(limit: Limit, applied: Option<&AppliedQuota>, names: &[QuotaName]) -> Option<Title> {
    if let Some(applied) = applied {
        return Some(Title {
            name: applied.name.clone(),
            code: Some(applied.code.clone()).filter(|code| !code.is_empty()),
            source: None,
        });
    }
    let name = names.iter().find(|name| name.limit == limit)?;
    Some(Title { name: name.name.clone(), code: name.code.clone(), source: Some(name.source.clone()) })
}

fn current(applied: Option<&AppliedQuota>, stated: impl FnOnce() -> Option<u64>) -> Option<Current> {
    match applied {
        Some(applied) => {
            Some(Current { value: applied.value, adjustable: Some(applied.adjustable), exported: true })
        }
        None => stated().map(|value| Current { value, adjustable: None, exported: false }),
    }
}

fn tokens_need(study: &KeyStudy) -> Result<Need, NoNeed> {
    let knowledge = &study.knowledge;
    if study.attempted == 0 {
        return Err(NoNeed::NoTraffic);
    }
    let need = study.tokens.as_ref().ok_or(NoNeed::RateUnknown)?;
    if knowledge.successful == 0 {
        Err(NoNeed::NothingServed)
    } else if knowledge.unknown >= knowledge.successful {
        Err(NoNeed::CountsUnknown)
    } else {
        Ok(need.clone())
    }
}

fn requests_need(study: &KeyStudy) -> Result<Need, NoNeed> {
    match &study.requests {
        None => Err(NoNeed::NoSuchQuota),
        Some(_) if study.attempted == 0 => Err(NoNeed::NoTraffic),
        Some(need) => Ok(need.clone()),
    }
}

fn averages(group: &Group) -> Averages {
    let tokens: &figures::TokenSums = &group.tokens;
    let over = |sum, known: u64| Ratio::new(sum, u128::from(known));
    Averages {
        input: over(tokens.input, tokens.input_known),
        prompt: over(tokens.prompt, tokens.input_known),
        output: over(tokens.output, tokens.output_known),
    }
}

/// The kinds that a form knows, in its order; `None` where no body was seen.
fn modality(counts: &KindCounts) -> Option<String> {
    // Tools and reasoning are text to a form.
    const WORDS: [(&str, ContentKinds); 7] = [
        (
            "text",
            ContentKinds(
                ContentKinds::TEXT.0
                    | ContentKinds::TOOL_USE.0
                    | ContentKinds::TOOL_RESULT.0
                    | ContentKinds::REASONING.0,
            ),
        ),
        ("image", ContentKinds::IMAGE),
        ("document", ContentKinds::DOCUMENT),
        ("video", ContentKinds::VIDEO),
        ("audio", ContentKinds::AUDIO),
        ("embedding", ContentKinds::EMBEDDING),
        ("other", ContentKinds::OTHER),
    ];
    let seen = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let seen: u16 = seen.map(|(bit, _)| 1 << bit).sum();
    let words: Vec<&str> =
        WORDS.iter().filter(|(_, kinds)| kinds.0 & seen != 0).map(|(word, _)| *word).collect();
    (!words.is_empty()).then(|| words.join("+"))
}

fn evidence(study: &KeyStudy, run: &RunFacts<'_>, attempts: Option<&KeyAttempts>) -> Evidence {
    let health = run.health;
    let key = &study.key;
    let covers = |coverage: &&Coverage, account: Option<&str>, region: Option<&str>| {
        coverage.account.as_deref() == account && coverage.region.as_deref() == region
    };
    let (account, region) = (key.account.as_deref(), key.region.as_deref());
    let own = health.coverage.iter().find(|coverage| covers(coverage, account, region));
    // A source whose keys name no account covers whatever its records name.
    let coverage = own.or_else(|| health.coverage.iter().find(|coverage| covers(coverage, None, None)));
    let sum = |reasons: &std::collections::BTreeMap<&'static str, u64>| reasons.values().sum::<u64>();
    let mut worst: Vec<(UtcMinute, MinuteLoad)> = study.minutes.clone();
    let tokens = |load: &MinuteLoad| if study.tokens.is_some() { load.settled } else { load.raw };
    // The sort is stable: the earliest of equally bad minutes.
    worst.sort_by_key(|(_, load)| std::cmp::Reverse((load.throttled, tokens(load), load.attempts)));
    worst.truncate(WORST_MINUTES);
    Evidence {
        attempted: study.attempted,
        successful: study.knowledge.successful,
        throttled: study.throttled,
        coverage: coverage.cloned(),
        complete: run.complete,
        duplicates: health.records.duplicate,
        unread: sum(&health.objects.failed)
            + sum(&health.documents.rejected)
            + sum(&health.records.rejected)
            + health.counts_lost,
        worst_minutes: worst,
        throttled_requests: attempts
            .map_or_else(Vec::new, |attempts| attempts.named_throttles(THROTTLED_REQUESTS)),
    }
}

#[cfg(test)]
mod tests;
