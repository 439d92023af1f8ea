//! From the attempts of a run to a study of each quota: what `quota` and `ticket` have in common.
//!
//! In: what the operator aims at and would change. Out: [`KeyStudy`]s by key. Always: a what-if is applied to
//! every quota alike; nothing here reads a log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::str::FromStr;

use borehole_quota::replay::Limits;
use borehole_quota::rules::{Limit, Rules};
use borehole_quota::study::{Aim, KeyStudy, study};
use borehole_quota::what_if::{WhatIf, output_percentile};
use borehole_quota::{Attempt, AttemptBook, CallerId, QuotaKey, Share};
use borehole_record::{Scope, UtcDay, identity};
use clap::{Args, ValueEnum};

use crate::exit::UsageError;
use crate::gather::{Gathered, applied_quotas};

/// What is aimed at.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Aim")]
pub(crate) struct AimArgs {
    /// Most requests that may be throttled [default: 0.1%]
    #[arg(long, value_name = "SHARE")]
    pub target: Option<Share>,
    /// Expected growth [default: 0%]
    #[arg(long, value_name = "SHARE")]
    pub growth: Option<Share>,
    /// What is added for safety [default: 0%]
    #[arg(long, value_name = "SHARE")]
    pub margin: Option<Share>,
    /// Applied quotas: the JSON of `aws service-quotas list-service-quotas --service-code bedrock`, a file or a
    /// directory of them; repeatable
    #[arg(long, value_name = "FILE|DIR")]
    pub service_quotas: Vec<PathBuf>,
    /// Only quotas of this scope: on-demand, geo, global
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    pub scope: Vec<String>,
}

/// Requests throttled that an aim allows where nobody says: one in a thousand.
const TARGET_DEFAULT: Share = Share::from_millionths(1_000);

impl AimArgs {
    pub(crate) fn target(&self) -> Share {
        self.target.unwrap_or(TARGET_DEFAULT)
    }
}

/// What would be changed.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "What if")]
pub(crate) struct WhatIfArgs {
    /// Requests ask for at most so many output tokens: a number, or a percentile of each quota's answers (p99.9)
    #[arg(long, value_name = "N|pXX")]
    pub cap_max_tokens: Option<Cap>,
    /// The calls of each quota go to this model, by its rates
    #[arg(long, value_name = "MODEL")]
    pub as_model: Option<String>,
    /// The calls go to this scope, together with those that do already
    #[arg(long, value_enum, value_name = "SCOPE")]
    pub as_scope: Option<ScopeWord>,
    /// Nothing is read from or written to the cache
    #[arg(long)]
    pub no_cache: bool,
    /// Without a caller: identity=ARN, role=NAME, session=NAME, user=NAME; repeatable
    #[arg(long, value_name = "WHO=NAME")]
    pub without: Vec<Who>,
}

/// A cap of `max_tokens`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cap {
    /// In tokens.
    Tokens(u64),
    /// The output that this share of the answers stays within.
    Percentile(Share),
}

impl FromStr for Cap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected tokens (4096) or a percentile of the answers (p99.9)".to_owned();
        let Some(percentile) = text.strip_prefix('p') else {
            return text.replace(',', "").parse().map(Cap::Tokens).map_err(|_| wrong());
        };
        let rank: Share = percentile.parse().map_err(|_| wrong())?;
        let is_rank = rank > Share::default() && rank <= Share::from_millionths(1_000_000);
        is_rank.then_some(Cap::Percentile(rank)).ok_or_else(wrong)
    }
}

/// A scope that calls can be moved to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum ScopeWord {
    OnDemand,
    Geo,
    Global,
}

impl From<ScopeWord> for Scope {
    fn from(word: ScopeWord) -> Self {
        match word {
            ScopeWord::OnDemand => Scope::OnDemand,
            ScopeWord::Geo => Scope::Geo,
            ScopeWord::Global => Scope::Global,
        }
    }
}

/// Who is meant by `--without`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Who {
    part: Part,
    name: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Identity,
    Role,
    Session,
    User,
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected identity=ARN, role=NAME, session=NAME or user=NAME".to_owned();
        let (part, name) = text.split_once('=').ok_or_else(wrong)?;
        let part = match part {
            "identity" => Part::Identity,
            "role" => Part::Role,
            "session" => Part::Session,
            "user" => Part::User,
            _ => return Err(wrong()),
        };
        if name.is_empty() { Err(wrong()) } else { Ok(Who { part, name: name.to_owned() }) }
    }
}

impl Who {
    fn is(&self, arn: Option<&str>) -> bool {
        let caller = arn.map(identity::caller).unwrap_or_default();
        let value = match self.part {
            Part::Identity => arn,
            Part::Role => caller.role,
            Part::Session => caller.session,
            Part::User => caller.user,
        };
        value == Some(&self.name)
    }
}

impl WhatIfArgs {
    /// The changes in words.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        match self.cap_max_tokens {
            Some(Cap::Tokens(tokens)) => words.push(format!("max_tokens capped at {tokens}")),
            Some(Cap::Percentile(rank)) => {
                words.push(format!("max_tokens capped where {rank} of the answers end"));
            }
            None => {}
        }
        words.extend(self.as_model.as_ref().map(|model| format!("all calls to {model}")));
        words
            .extend(self.as_scope.map(|scope| format!("all calls to scope {}", Scope::from(scope).as_str())));
        if self.no_cache {
            words.push("nothing cached".to_owned());
        }
        words.extend(self.without.iter().map(|who| format!("without {}", who.name)));
        words
    }

    fn without(&self, book: &AttemptBook) -> anyhow::Result<BTreeSet<CallerId>> {
        let mut without = BTreeSet::new();
        for who in &self.without {
            let before = without.len();
            let callers = book.callers().iter();
            without
                .extend(callers.filter(|(_, caller)| who.is(caller.identity.as_deref())).map(|(id, _)| id));
            if without.len() == before {
                return Err(UsageError {
                    message: "--without: no such caller in what was read".to_owned(),
                    hint: Some("borehole analyze SOURCE --by identity names them"),
                }
                .into());
            }
        }
        Ok(without)
    }
}

/// Studies every quota of a run.
pub(crate) fn studies(
    gathered: &Gathered,
    aim: &AimArgs,
    what_if: &WhatIfArgs,
    limits: Limits,
) -> anyhow::Result<Vec<KeyStudy>> {
    studies_of(gathered, aim, what_if, limits, &|_| true)
}

/// Studies the quotas of a run that are chosen by the key of their calls.
pub(crate) fn studies_of(
    gathered: &Gathered,
    aim: &AimArgs,
    what_if: &WhatIfArgs,
    limits: Limits,
    is_chosen: &dyn Fn(&QuotaKey) -> bool,
) -> anyhow::Result<Vec<KeyStudy>> {
    let applied = applied_quotas(&aim.service_quotas)?;
    let rules: &Rules = &gathered.rules;
    let day = UtcDay::of(gathered.rules_at);
    let without = what_if.without(&gathered.book)?;
    let mut studies = Vec::new();
    for (key, attempts) in attempts_by_key(&gathered.book, aim, what_if, is_chosen) {
        let charge = rules.charge(&key.model, day);
        let cap = match what_if.cap_max_tokens {
            Some(Cap::Tokens(tokens)) => Some(tokens),
            Some(Cap::Percentile(rank)) => output_percentile(&attempts, rank),
            None => None,
        };
        let goal = Aim {
            target: aim.target(),
            growth: aim.growth.unwrap_or_default(),
            margin: aim.margin.unwrap_or_default(),
            what_if: WhatIf {
                cap_max_tokens: cap,
                charge: what_if.as_model.as_deref().map(|model| rules.charge(model, day)),
                no_cache: what_if.no_cache,
                without: without.clone(),
            },
            limits,
        };
        // Whether there is a quota of requests is for the model that is called then.
        let called = what_if.as_model.as_deref().unwrap_or(&key.model);
        let mut study = study(&key, &attempts, charge, rules.model(called, day), &goal);
        let find = |limit| applied.find(&key, limit, rules).cloned();
        study.applied_tpm = find(Limit::TokensPerMinute);
        study.applied_rpm = find(Limit::RequestsPerMinute);
        study.applied_tpd = find(Limit::TokensPerDay);
        studies.push(study);
    }
    Ok(studies)
}

/// The attempts of every quota that is asked for, where the what-ifs would send them.
fn attempts_by_key(
    book: &AttemptBook,
    aim: &AimArgs,
    what_if: &WhatIfArgs,
    is_chosen: &dyn Fn(&QuotaKey) -> bool,
) -> BTreeMap<QuotaKey, Vec<Attempt>> {
    let mut by_key: BTreeMap<QuotaKey, Vec<Attempt>> = BTreeMap::new();
    for (key, attempts) in book.keys().filter(|(key, _)| is_chosen(key)) {
        let mut key = key.clone();
        if let Some(scope) = what_if.as_scope
            && matches!(key.scope, Scope::OnDemand | Scope::Geo | Scope::Global)
        {
            key.scope = scope.into();
        }
        if aim.scope.is_empty() || aim.scope.iter().any(|scope| scope == key.scope.as_str()) {
            by_key.entry(key).or_default().extend(attempts.attempts());
        }
    }
    // Quotas that became one: the sort is stable, so requests of one second stay in the order of their keys.
    by_key.values_mut().for_each(|attempts| attempts.sort_by_key(|attempt| attempt.second));
    by_key
}
