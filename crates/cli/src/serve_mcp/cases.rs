//! Tickets and quotas of a subject.
//!
//! In: a subject, a period, an aim. Out: the facts that `borehole ticket` and `borehole quota` have for it. Always: as
//! those commands with the filters and the range of the subject and the period, counted by the rules of today; what was
//! gathered serves the next question about the same period, as long as its listing holds. Absent: words.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use borehole_mcp::{Asked, Basis, Failure, FailureKind, Period, Subject, Tickets, Watch};
use borehole_quota::replay::Limits;
use borehole_quota::{QuotaKey, Share};
use borehole_report::quota::{Context, QuotaReport};
use borehole_usage::{Figures, Selection};

use super::ServeMcp;
use super::failure::failure;
use super::snapshot::Snapshots;
use crate::gather::{GatherArgs, Gathered, Run, Wanted, gather};
use crate::quota::{By, attributed};
use crate::range::RangeArgs;
use crate::studies::{AimArgs, WhatIfArgs, studies_of};
use crate::ticket::{settings_beside, tickets_of};

/// What was gathered for such questions, the last time.
#[derive(Default)]
pub(super) struct Cases {
    last: Mutex<Option<Last>>,
}

struct Last {
    /// Of which period, and of which spelling where a base model does not tell.
    about: (Period, Option<String>),
    gathered: Arc<Gathered>,
    begun: Instant,
}

impl Cases {
    /// See [`borehole_mcp::Engine::tickets`].
    pub(super) fn tickets(
        &self,
        args: &ServeMcp,
        snapshots: &Snapshots,
        subject: &Subject,
        period: &Period,
        asked: &Asked,
        watch: &Watch,
    ) -> Result<Tickets, Failure> {
        let basis = snapshots.basis(args, subject, period, watch)?;
        let case = self.case(args, subject, period, &basis, watch)?;
        let facts = || {
            let settings = settings_beside(&args.gather, args.ticket_toml.as_deref())?;
            let (input, aim) = settings.over(&aim(args, asked)?);
            tickets_of(&case.gathered, &case.figures, &aim, &input, &|key| case.is_chosen(key, watch))
        };
        let facts = facts().map_err(|error| failure(&error, watch))?;
        unless_stopped(Tickets { facts, basis }, watch)
    }

    /// See [`borehole_mcp::Engine::quotas`].
    pub(super) fn quotas(
        &self,
        args: &ServeMcp,
        snapshots: &Snapshots,
        subject: &Subject,
        period: &Period,
        asked: &Asked,
        watch: &Watch,
    ) -> Result<(QuotaReport, Basis), Failure> {
        let basis = snapshots.basis(args, subject, period, watch)?;
        let case = self.case(args, subject, period, &basis, watch)?;
        let report = || {
            let (gathered, aim, what_if) = (&*case.gathered, aim(args, asked)?, WhatIfArgs::default());
            let is_chosen = |key: &QuotaKey| case.is_chosen(key, watch);
            let studies = studies_of(gathered, &aim, &what_if, Limits::default(), &is_chosen)?;
            let context = Context {
                complete: gathered.complete,
                range: crate::gather::range_of(&case.figures),
                rules_at: gathered.rules_at,
                target: aim.target(),
                growth: aim.growth.unwrap_or_default(),
                margin: aim.margin.unwrap_or_default(),
                what_if: what_if.words(),
                run: gathered.run.clone(),
            };
            let studied = attributed(gathered, &By::Identity, studies);
            Ok(QuotaReport::new(&studied, gathered.book.callers(), context))
        };
        let report = report().map_err(|error| failure(&error, watch))?;
        unless_stopped((report, basis), watch)
    }

    /// Gathers what a subject's tickets are made of.
    fn case(
        &self,
        args: &ServeMcp,
        subject: &Subject,
        period: &Period,
        basis: &Basis,
        watch: &Watch,
    ) -> Result<Case, Failure> {
        let gather_args = over_period(args, period, basis);
        let mut gathered = self.gathered(args, &gather_args, (*period, None), watch)?;
        let has_model =
            |gathered: &Gathered| gathered.book.keys().any(|(key, _)| *key.model == *subject.model_id);
        let mut is_base_model = true;
        // No base model is called that. A server of some models is asked about those alone.
        let may_be_spelling = args.gather.model.is_empty() || args.gather.model.contains(&subject.model_id);
        if !has_model(&gathered) && may_be_spelling {
            is_base_model = false;
            let spelling = subject.model_id.clone();
            let gather_args = GatherArgs { model: vec![spelling.clone()], ..gather_args };
            gathered = self.gathered(args, &gather_args, (*period, Some(spelling)), watch)?;
        }
        let mut case =
            Case { gathered, figures: Figures::default(), subject: subject.clone(), is_base_model };
        case.figures = case.select();
        Ok(case)
    }

    fn gathered(
        &self,
        args: &ServeMcp,
        gather_args: &GatherArgs,
        about: (Period, Option<String>),
        watch: &Watch,
    ) -> Result<Arc<Gathered>, Failure> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let holds_for = Duration::from_secs(args.relist_after);
        if let Some(last) =
            last.as_ref().filter(|last| last.about == about && last.begun.elapsed() < holds_for)
        {
            return Ok(Arc::clone(&last.gathered));
        }
        // Before it is replaced: both at once may be much.
        *last = None;
        let begun = Instant::now();
        let wanted = Wanted { keep_hours: true, watch: Some(watch.clone()), ..Wanted::default() };
        let gathered = match gather(gather_args, wanted).map_err(|error| failure(&error, watch))? {
            Run::Done(gathered) => Arc::from(gathered),
            Run::Planned(_) => {
                return Err(Failure {
                    kind: FailureKind::Internal,
                    message: "a plan is no answer".to_owned(),
                    hint: None,
                });
            }
        };
        *last = Some(Last { about, gathered: Arc::clone(&gathered), begun });
        Ok(gathered)
    }
}

/// What the tickets of a subject are made of.
struct Case {
    gathered: Arc<Gathered>,
    /// Of the subject alone.
    figures: Figures,
    subject: Subject,
    /// Whether the subject's model is a base model; else all that was gathered is of its spelling.
    is_base_model: bool,
}

impl Case {
    fn is_of(&self, account: Option<&str>, region: Option<&str>, model: &str) -> bool {
        let Subject { model_id, region: of, account_id } = &self.subject;
        region == Some(of)
            && account_id.as_deref().is_none_or(|of| account == Some(of))
            && (!self.is_base_model || model == model_id)
    }

    /// Whether a quota is the subject's; none is once nobody waits, so that no replay begins any more.
    fn is_chosen(&self, key: &QuotaKey, watch: &Watch) -> bool {
        !watch.is_stopped() && self.is_of(key.account.as_deref(), key.region.as_deref(), &key.model)
    }

    fn select(&self) -> Figures {
        let Some(hours) = &self.gathered.hours else { return self.gathered.figures.clone() };
        let mut selection = Selection::new();
        let is_chosen = |key: &[Option<&str>]| match key {
            [account, region, model, ..] => self.is_of(*account, *region, model.unwrap_or_default()),
            _ => false,
        };
        hours.sealed.values().for_each(|hour| selection.insert(hour, &is_chosen));
        selection.figures(&hours.question, &hours.spans).figures
    }
}

/// The arguments of a run over a period.
fn over_period(args: &ServeMcp, period: &Period, basis: &Basis) -> GatherArgs {
    let range = match (period, basis.moments) {
        // Everything that the server reads.
        (Period::Between { from: None, to: None }, _) | (_, None) => args.gather.range.clone(),
        (_, Some(moments)) => RangeArgs {
            from: Some(moments.from),
            to: Some(moments.to),
            now: args.gather.range.now,
            ..RangeArgs::default()
        },
    };
    let mut gather_args = GatherArgs { range, ..args.gather.clone() };
    gather_args.keep.always = true;
    gather_args
}

/// What is aimed at.
fn aim(args: &ServeMcp, asked: &Asked) -> anyhow::Result<AimArgs> {
    let share = |name: &str, text: &Option<String>| -> anyhow::Result<Option<Share>> {
        let Some(text) = text else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            crate::exit::UsageError { message: format!("{name}: expected a share such as 0.1%"), hint: None }
                .into()
        })
    };
    Ok(AimArgs {
        target: share("target", &asked.target)?,
        growth: share("growth", &asked.growth)?,
        margin: share("margin", &asked.margin)?,
        service_quotas: args.service_quotas.clone(),
        scope: Vec::new(),
    })
}

fn unless_stopped<T>(answer: T, watch: &Watch) -> Result<T, Failure> {
    if watch.is_stopped() {
        return Err(Failure { kind: FailureKind::Stopped, message: "stopped".to_owned(), hint: None });
    }
    Ok(answer)
}
