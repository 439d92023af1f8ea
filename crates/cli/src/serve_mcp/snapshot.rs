//! What the server has read, for as long as its listing holds, and the figures of it.
//!
//! In: a subject and a period. Out: its figures, as a fresh run with that filter and that range would have them. Always:
//! one reading at a time; what was read is kept by hour in memory, so that a period of whole hours is answered from
//! there, and in the dataset, so that the next reading is one of what has changed. Absent: how anything is read
//! (`gather`), and the attempts by quota (`cases`).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use borehole_mcp::{Basis, Failure, FailureKind, Measured, Moments, Others, Period, Slot, Subject, Watch};
use borehole_quota::Keep;
use borehole_record::{Model, Timestamp, UtcDay, UtcHour};
use borehole_report::Report;
use borehole_report::model::Coverage;
use borehole_usage::{Dimension, Figures, Grain, Question, SealedHour, Selection, Totals};

use super::ServeMcp;
use super::failure::failure;
use crate::exit::UsageError;
use crate::gather::{GatherArgs, Hours, Run, Wanted, gather};
use crate::hints::meant;
use crate::range::{RECENT_DAYS, RangeArgs};

/// Readings that are kept at a time: everything, and a few of one spelling or of a period that cuts an hour.
const READINGS_MAX: usize = 4;

/// How often whoever waits for a turn looks whether it was stopped.
const STOP_SEEN_AFTER: Duration = Duration::from_millis(100);

/// Names of each kind that are given where there is nothing of a subject.
const OTHERS_MAX: usize = 20;

/// Hours of slots that are parts of a day; longer ones are whole days.
const SLOT_HOURS: [i64; 7] = [1, 2, 3, 4, 6, 8, 12];

/// Hours of a day.
const DAY_HOURS: i64 = UtcDay::SECONDS / UtcHour::SECONDS;

/// Figures need no attempts.
const NO_ATTEMPTS: Keep = Keep::Worst(0);

/// What was read.
#[derive(Default)]
pub(super) struct Snapshots {
    state: Mutex<State>,
    /// A turn ended.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    /// Somebody reads.
    is_taken: bool,
    /// The latest last.
    readings: Vec<Arc<Reading>>,
}

/// Which reading.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Wish {
    /// The spelling of a model, the Region and the account that nothing else is read of.
    only: Option<Subject>,
    /// The range, where it is not all that the server was started with.
    range: Option<Ends>,
}

/// First moment and end of a range; open ends are those of the data.
type Ends = (Option<Timestamp>, Option<Timestamp>);

/// A period as it came out.
struct Asked {
    /// What a run is asked about: an end that nobody gave is open, as on the command line.
    ends: Ends,
    /// The same with the ends of the data.
    moments: Option<Moments>,
    /// What was taken for granted about it.
    assumptions: Vec<String>,
}

/// One reading of the sources.
struct Reading {
    wish: Wish,
    ended: Instant,
    hours: Hours,
    /// The books, with no figures.
    report: Report,
}

impl Snapshots {
    /// See [`borehole_mcp::Engine::measure`].
    ///
    /// Requests of impossible times are in the totals where the period has an open end, as on the command line, and in no
    /// slot.
    pub(super) fn measure(
        &self,
        args: &ServeMcp,
        subject: &Subject,
        period: &Period,
        slots_max: usize,
        watch: &Watch,
    ) -> Result<Measured, Failure> {
        let everything = self.reading(args, Wish::default(), watch)?;
        let mut asked = everything.asked(period)?;
        let range = everything.is_cut_by(asked.ends).then_some(asked.ends);
        let reading = |wish: Wish| {
            let wish = Wish { range, ..wish };
            // Not once more, should its listing hold no longer.
            if wish == everything.wish {
                Ok(Arc::clone(&everything))
            } else {
                self.reading(args, wish, watch)
            }
        };

        let (figures, of_figures) = if everything.has_model(&subject.model_id) {
            let by_group = reading(Wish::default())?;
            (by_group.figures(subject, asked.ends), by_group)
        } else if everything.may_have_spelling(args, subject) {
            let of_spelling = reading(Wish { only: Some(subject.clone()), ..Wish::default() })?;
            asked.assumptions.push(
                "no base model is called that: counted are requests whose modelId is written exactly so"
                    .to_owned(),
            );
            (of_spelling.figures(subject, asked.ends), of_spelling)
        } else {
            (everything.figures(subject, asked.ends), Arc::clone(&everything))
        };

        let (slots, slot_hours) = of_figures.slots(subject, &asked, slots_max, watch)?;
        let others = (figures.totals.attempted == 0).then(|| everything.others(subject, asked.ends));
        let mut basis = everything.basis(subject, asked);
        basis.complete &= of_figures.report.complete;
        let books = borehole_usage::figures::Health::default();
        let mut report = Report::new(&figures, &books, basis.complete, of_figures.report.run.clone());
        report.health.clone_from(&basis.health);
        Ok(Measured { report, slots, slot_hours, basis, others })
    }

    /// What an answer about a subject and a period rests on.
    pub(super) fn basis(
        &self,
        args: &ServeMcp,
        subject: &Subject,
        period: &Period,
        watch: &Watch,
    ) -> Result<Basis, Failure> {
        let everything = self.reading(args, Wish::default(), watch)?;
        let asked = everything.asked(period)?;
        Ok(everything.basis(subject, asked))
    }

    /// What is wished for: as it was read, if that still holds, else anew.
    fn reading(&self, args: &ServeMcp, wish: Wish, watch: &Watch) -> Result<Arc<Reading>, Failure> {
        let holds_for = Duration::from_secs(args.relist_after);
        let mut state = self.lock();
        loop {
            if watch.is_stopped() {
                return Err(failure(&borehole_scan::Error::Stopped.into(), watch));
            }
            state.readings.retain(|reading| reading.ended.elapsed() < holds_for);
            if let Some(known) = state.readings.iter().find(|reading| reading.wish == wish) {
                return Ok(Arc::clone(known));
            }
            if !state.is_taken {
                break;
            }
            let waited = self.ended.wait_timeout(state, STOP_SEEN_AFTER);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_taken = true;
        drop(state);
        let turn = Turn(self);
        let reading = read(args, wish, watch).map_err(|error| failure(&error, watch))?;
        let reading = Arc::new(reading);
        let mut state = self.lock();
        if state.readings.len() == READINGS_MAX {
            state.readings.remove(0);
        }
        state.readings.push(Arc::clone(&reading));
        drop(state);
        drop(turn);
        Ok(reading)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody else reads until this is dropped.
struct Turn<'a>(&'a Snapshots);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().is_taken = false;
        self.0.ended.notify_all();
    }
}

fn read(args: &ServeMcp, wish: Wish, watch: &Watch) -> anyhow::Result<Reading> {
    let wanted = Wanted {
        keep: NO_ATTEMPTS,
        rules_of_today: false,
        keep_hours: true,
        watch: Some(watch.clone()),
        ..Wanted::default()
    };
    let mut gather_args = args.gather.clone();
    gather_args.keep.always = true;
    if let Some((from, to)) = wish.range {
        gather_args.range = RangeArgs { from, to, now: args.gather.range.now, ..RangeArgs::default() };
    }
    if let Some(Subject { model_id, region, account_id }) = &wish.only {
        gather_args.model = vec![model_id.clone()];
        gather_args.region = vec![region.clone()];
        if let Some(account) = account_id {
            gather_args.account = vec![account.clone()];
        }
    }
    let Run::Done(gathered) = gather(&gather_args, wanted)? else {
        return Err(UsageError { message: "a plan is no answer".to_owned(), hint: None }.into());
    };
    let report = Report::new(&gathered.figures, &gathered.health, gathered.complete, gathered.run.clone());
    let hours = gathered.hours.ok_or_else(|| anyhow::anyhow!("a run gave no hours"))?;
    Ok(Reading { wish, ended: Instant::now(), hours, report })
}

impl Reading {
    /// The figures of the subject in a range that cuts no hour.
    fn figures(&self, subject: &Subject, (from, to): Ends) -> Figures {
        let question =
            Question { series: Some(Grain::Minute), top: None, from, to, ..self.hours.question.clone() };
        self.figures_for(&question, subject)
    }

    fn figures_for(&self, question: &Question, subject: &Subject) -> Figures {
        let hours = self.hours_between((question.from, question.to));
        if self.wish.only.is_some() {
            let mut totals = Totals::new();
            hours.for_each(|hour| totals.insert(hour.clone()));
            return totals.figures(question, &self.hours.spans);
        }
        let mut selection = Selection::new();
        hours.for_each(|hour| selection.insert(hour, &|key| self.is_of(subject, key)));
        let selected = selection.figures(question, &self.hours.spans);
        debug_assert!(selected.has_exact_windows, "a run that keeps its hours keeps all of their seconds");
        selected.figures
    }

    /// Whether a group is the subject's, by its values of the dimensions.
    fn is_of(&self, subject: &Subject, key: &[Option<&str>]) -> bool {
        self.hours.question.by.iter().zip(key).all(|(dimension, value)| match dimension {
            Dimension::Account => subject.account_id.as_deref().is_none_or(|account| *value == Some(account)),
            Dimension::Region => *value == Some(&subject.region),
            Dimension::Model => *value == Some(&subject.model_id),
            _ => true,
        })
    }

    /// The hours that a range touches.
    fn hours_between(&self, (from, to): Ends) -> impl Iterator<Item = &SealedHour> {
        let first = from.map_or(UtcHour(i64::MIN), UtcHour::of);
        let is_before_end =
            move |hour: UtcHour| to.is_none_or(|to| Timestamp::from_seconds(hour.start_seconds()) < to);
        let later = self.hours.sealed.range(first..);
        later.take_while(move |(hour, _)| is_before_end(**hour)).map(|(_, sealed)| sealed)
    }

    /// Whether an end of a range lies within an hour that has records, which was not cut there when it was read.
    fn is_cut_by(&self, (from, to): Ends) -> bool {
        let own = &self.hours.question;
        let cuts = |end: Option<Timestamp>, own: Option<Timestamp>| {
            end.filter(|_| end != own).is_some_and(|end| {
                let hour = UtcHour::of(end);
                end != Timestamp::from_seconds(hour.start_seconds()) && self.hours.sealed.contains_key(&hour)
            })
        };
        cuts(from, own.from) || cuts(to, own.to)
    }

    /// The whole hours from the first to the last one with a request of a possible time.
    fn hours_of_data(&self) -> Option<(UtcHour, UtcHour)> {
        let has_request = |hour: &&SealedHour| hour.counted() > hour.outliers();
        let mut hours = self.hours.sealed.values().filter(has_request).map(SealedHour::hour);
        let first = hours.next()?;
        Some((first, UtcHour(hours.next_back().unwrap_or(first).0 + 1)))
    }

    /// What a period means here.
    fn asked(&self, period: &Period) -> Result<Asked, Failure> {
        let start = |hour: UtcHour| Timestamp::from_seconds(hour.start_seconds());
        let (own_from, own_to) = (self.hours.question.from, self.hours.question.to);
        let data = self.hours_of_data();
        let begin_of_data = data.map(|(first, _)| own_from.map_or(start(first), |own| own.max(start(first))));
        let end_of_data = data.map(|(_, end)| own_to.map_or(start(end), |own| own.min(start(end))));

        let (from, to) = match *period {
            Period::Between { from, to } => (from, to),
            Period::Last { hours } => match data {
                Some((_, end)) => (Some(start(UtcHour(end.0 - i64::from(hours)))), end_of_data),
                None => (None, None),
            },
        };
        let is_open = matches!(period, Period::Last { .. } | Period::Between { to: None, .. });
        let mut assumptions = vec![
            "health and completeness are those of everything that the server reads, not of this period alone"
                .to_owned(),
        ];
        if self.hours.is_recent {
            assumptions.push(format!(
                "no range was given when the server was started: of buckets it reads the last {RECENT_DAYS} days"
            ));
        }
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err(wrong_period(
                format!("the period begins at {from}, which is not before its end at {to}"),
                "start_time is the earlier of the two, and end_time is not included",
            ));
        }
        let later = |one: Option<Timestamp>, other: Option<Timestamp>| one.max(other);
        let earlier = |one: Option<Timestamp>, other: Option<Timestamp>| match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let ends = (later(from, own_from), earlier(to, own_to));
        if let (Some(asked), Some(own)) = (from, own_from)
            && asked < own
        {
            assumptions.push(format!("the period is cut: the server reads nothing before {own}"));
        }
        if let (Some(asked), Some(own)) = (to, own_to)
            && asked > own
        {
            assumptions.push(format!("the period is cut: the server reads nothing from {own} on"));
        }
        let (from_here, to_here) = (ends.0.filter(|_| from.is_some()), ends.1.filter(|_| to.is_some()));
        let whole = from_here.or(begin_of_data).zip(to_here.or(end_of_data));
        let Some((from_here, to_here)) = whole else {
            return Ok(Asked { ends, moments: None, assumptions });
        };
        if from_here >= to_here {
            let (message, hint) = match (from, to) {
                (Some(from), None) => (
                    format!("the period begins at {from}, and the data ends at {to_here}"),
                    "give an earlier start_time",
                ),
                (None, Some(to)) => (
                    format!("the period ends at {to}, and the data begins at {from_here}"),
                    "give a later end_time",
                ),
                _ => (
                    "the server reads nothing of that period".to_owned(),
                    "it was started for another range, with --from, --to or --last",
                ),
            };
            return Err(wrong_period(message, hint));
        }
        let strays = self.report.health.warnings.0.get("stray");
        if strays.is_some_and(|&count| count > 0) && (from.is_some() || to.is_some()) {
            assumptions.push(
                "requests whose files lie hours away from their time are counted, which a run over this period \
                 alone would not look for"
                    .to_owned(),
            );
        }
        if from.is_none() {
            assumptions.push(format!("the period begins where the data does, at {from_here}"));
        }
        if is_open {
            assumptions.push(format!("now is the end of the data, {to_here}, since logs know no other"));
        }
        let moments = Moments { from: from_here, to: to_here, to_is_end_of_data: is_open, end_of_data };
        Ok(Asked { ends, moments: Some(moments), assumptions })
    }

    /// Attempts by group in a range.
    fn groups(&self, ends: Ends) -> BTreeMap<Vec<Option<String>>, u64> {
        let mut groups: BTreeMap<Vec<Option<String>>, u64> = BTreeMap::new();
        for hour in self.hours_between(ends) {
            hour.each_group(&mut |key, attempted| {
                let key = key.iter().map(|value| value.map(str::to_owned)).collect();
                *groups.entry(key).or_default() += attempted;
            });
        }
        groups
    }

    /// Whether any group has this base model.
    fn has_model(&self, model: &str) -> bool {
        let Some(place) = self.hours.question.by.iter().position(|dimension| *dimension == Dimension::Model)
        else {
            return false;
        };
        let mut is_there = false;
        for hour in self.hours.sealed.values() {
            hour.each_group(&mut |key, _| is_there |= key.get(place) == Some(&Some(model)));
            if is_there {
                break;
            }
        }
        is_there
    }

    /// Whether there may be records of the subject's spelling: some are of the base model that it stands for.
    fn may_have_spelling(&self, args: &ServeMcp, subject: &Subject) -> bool {
        let base = self.base_of(&subject.model_id);
        let is_admitted =
            |words: &[String], value: &str| words.is_empty() || words.iter().any(|word| word == value);
        // A server of some models, Regions or accounts is asked about those alone.
        let GatherArgs { model, region, account, .. } = &args.gather;
        (is_admitted(model, &base) || is_admitted(model, &subject.model_id))
            && is_admitted(region, &subject.region)
            && subject.account_id.as_ref().is_none_or(|id| is_admitted(account, id))
            && self.has_model(&base)
    }

    fn base_of(&self, spelling: &str) -> String {
        Model::parse_with(spelling, &self.hours.question.profiles).base
    }

    /// What there is where the subject is not: of the range, or of everything where nothing at all is in the range.
    fn others(&self, subject: &Subject, ends: Ends) -> Others {
        let mut groups = self.groups(ends);
        if groups.is_empty() {
            groups = self.groups((None, None));
        }
        let most_used = |dimension: Dimension| {
            let place = self.hours.question.by.iter().position(|known| *known == dimension);
            let mut attempts: BTreeMap<&str, u64> = BTreeMap::new();
            for (key, attempted) in &groups {
                if let Some(Some(name)) = place.and_then(|place| key.get(place)) {
                    *attempts.entry(name).or_default() += attempted;
                }
            }
            let mut names: Vec<(&str, u64)> = attempts.into_iter().collect();
            // A stable sort: names of equally many attempts stay in their order.
            names.sort_by_key(|&(_, attempts)| Reverse(attempts));
            names.into_iter().map(|(name, _)| name.to_owned()).collect::<Vec<String>>()
        };
        let mut others = Others {
            models: most_used(Dimension::Model),
            regions: most_used(Dimension::Region),
            accounts: most_used(Dimension::Account),
            meant: None,
        };
        if !others.models.contains(&subject.model_id) {
            let base = self.base_of(&subject.model_id);
            let known: BTreeSet<String> = others.models.iter().cloned().collect();
            others.meant = if known.contains(&base) { Some(base) } else { meant(&subject.model_id, &known) };
        }
        for names in [&mut others.models, &mut others.regions, &mut others.accounts] {
            names.truncate(OTHERS_MAX);
        }
        others
    }

    /// The subject's totals over slots of hours, and how many hours a slot has.
    fn slots(
        &self,
        subject: &Subject,
        asked: &Asked,
        slots_max: usize,
        watch: &Watch,
    ) -> Result<(Vec<Slot>, u32), Failure> {
        let Some(Moments { from, to, .. }) = asked.moments else { return Ok((Vec::new(), 1)) };
        let first = UtcHour::of(from).0;
        // The end is not included; it may be the beginning of an hour.
        let last = UtcHour::of(Timestamp { seconds: to.seconds - i64::from(to.nanos == 0), nanos: 0 }).0;
        let first_day = first - first.rem_euclid(DAY_HOURS);
        let hours = slot_hours(first_day, first, last, slots_max);
        let books = borehole_usage::figures::Health::default();
        let mut slots = Vec::new();
        for slot in (first - first_day) / hours..=(last - first_day) / hours {
            if watch.is_stopped() {
                return Err(failure(&borehole_scan::Error::Stopped.into(), watch));
            }
            let start = |slot: i64| {
                Timestamp::from_seconds(UtcHour(first_day.saturating_add(slot * hours)).start_seconds())
            };
            let ends = (start(slot).max(from), start(slot + 1).min(to));
            if self.hours_between((Some(ends.0), Some(ends.1))).next().is_none() {
                continue;
            }
            let question = Question {
                series: None,
                top: Some(0),
                from: Some(ends.0),
                to: Some(ends.1),
                ..self.hours.question.clone()
            };
            let figures = self.figures_for(&question, subject);
            if figures.totals.attempted > 0 {
                let totals = Report::new(&figures, &books, true, self.report.run.clone()).totals;
                slots.push(Slot { from: ends.0, to: ends.1, totals });
            }
        }
        Ok((slots, u32::try_from(hours).unwrap_or(u32::MAX)))
    }

    fn basis(&self, subject: &Subject, asked: Asked) -> Basis {
        let mut health = self.report.health.clone();
        let is_of = |own: &Option<String>, asked: Option<&str>| {
            own.as_deref().zip(asked).is_none_or(|(own, asked)| own == asked)
        };
        health.coverage.retain(|Coverage { account, region, .. }| {
            is_of(account, subject.account_id.as_deref()) && is_of(region, Some(&subject.region))
        });
        Basis {
            moments: asked.moments,
            complete: self.report.complete,
            health,
            listed_at: self.hours.listed_at,
            assumptions: asked.assumptions,
        }
    }
}

/// The fewest hours that slots can have, which begin with a UTC day and divide it or are whole days, so that there are
/// at most so many from one hour to another.
fn slot_hours(first_day: i64, first: i64, last: i64, slots_max: usize) -> i64 {
    let most = i64::try_from(slots_max).unwrap_or(i64::MAX).max(1);
    let fits = |hours: &i64| (last - first_day) / hours - (first - first_day) / hours < most;
    let days = (last - first_day) / DAY_HOURS + 1;
    let days = days / most + i64::from(days % most > 0);
    SLOT_HOURS.into_iter().find(fits).unwrap_or(days * DAY_HOURS)
}

fn wrong_period(message: String, hint: &str) -> Failure {
    Failure { kind: FailureKind::Arguments, message, hint: Some(hint.to_owned()) }
}

#[cfg(test)]
mod tests;
