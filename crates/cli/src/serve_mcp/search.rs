//! Records that are searched for.
//!
//! In: a request id or a text. Out: what `borehole find` shows of it, or envelopes. Always: no body, no tag and no
//! header is shown or searched; what is held is bounded by what is asked for, however much is found. Absent: joining
//! documents: each of the split layout is one event, and its envelope says which document it is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use borehole_mcp::{Event, Events, Failure, FailureKind, Moments, Pattern, Period, Subject, Watch};
use borehole_record::{DecodeOptions, Document, DocumentKind, Timestamp, UtcHour};
use borehole_scan::{
    ListOptions, PayloadRoot, Plan, Planned, Progress, Range, Role, Source, SurveyOptions, survey,
};
use serde_json::Value;

use super::ServeMcp;
use super::failure::failure;
use super::objects::{Buckets, Opened, refused};
use super::snapshot::Snapshots;
use super::stop::{follow, stoppable, stoppable_root};
use crate::args::cores;
use crate::envelope::envelope;
use crate::exit::{UsageError, escaped};
use crate::find::{self, Question, Wanted, parse_date, place};

/// Everything that is searched, for as long as somebody waits.
struct Searched {
    sources: Vec<Source>,
    payload_sources: Vec<Source>,
    payload_roots: Vec<PayloadRoot>,
}

impl Searched {
    fn new(opened: &Opened, watch: &Watch) -> Result<Searched, Failure> {
        if opened.sources.is_empty() {
            let message = "a dataset holds no records that can be shown".to_owned();
            let hint = "start the server with the logs themselves, and with --dataset beside them".to_owned();
            return Err(refused(FailureKind::NoAnswer, message, Some(hint)));
        }
        let all =
            |sources: &[Source]| sources.iter().cloned().map(|source| stoppable(source, watch)).collect();
        Ok(Searched {
            sources: all(&opened.sources),
            payload_sources: all(&opened.payload_sources),
            payload_roots: opened
                .payload_roots
                .iter()
                .cloned()
                .map(|root| stoppable_root(root, watch))
                .collect(),
        })
    }
}

/// See [`borehole_mcp::Engine::find`].
pub(super) fn find(
    args: &ServeMcp,
    buckets: &Buckets,
    request_id: &str,
    date: Option<&str>,
    watch: &Watch,
) -> Result<Value, Failure> {
    let arguments = |message: String| refused(FailureKind::Arguments, message, None);
    let ids = Wanted::new(request_id).map_err(|error| arguments(escaped(&error.to_string())))?;
    let date =
        date.map(|date| parse_date(date).map_err(|why| arguments(format!("date: {why}")))).transpose()?;
    let opened = buckets.opened(args, watch)?;
    let Searched { sources, payload_sources, payload_roots } = Searched::new(&opened, watch)?;
    let asked = match date {
        Some(date) => date,
        None => recent(args, &sources, watch)?,
    };
    let question = Question { ids: &ids, asked, is_asked: date.is_some(), threads: threads(args) };
    let progress = Arc::new(Progress::default());
    let followed = follow(&progress, watch);
    let search = find::search(&question, &sources, payload_sources, &payload_roots, &progress);
    drop(followed);
    buckets.note(&sources, watch);
    let search = search.map_err(|error| failure(&error, watch))?;
    if watch.is_stopped() {
        // A place of payloads that was not listed to its end is a warning of the search.
        return Err(failure(&borehole_scan::Error::Stopped.into(), watch));
    }
    for warning in &search.warnings {
        tell!("warning: {warning}");
    }
    Ok(search.json(&ids, false))
}

/// See [`borehole_mcp::Engine::events`].
pub(super) fn events(
    args: &ServeMcp,
    buckets: &Buckets,
    snapshots: &Snapshots,
    pattern: &Pattern,
    period: &Period,
    max: usize,
    watch: &Watch,
) -> Result<Events, Failure> {
    let ids = match pattern {
        Pattern::RequestId(id) => Some(
            Wanted::new(id)
                .map_err(|error| refused(FailureKind::Arguments, escaped(&error.to_string()), None))?,
        ),
        Pattern::Text(_) => None,
    };
    let opened = buckets.opened(args, watch)?;
    let Searched { sources, .. } = Searched::new(&opened, watch)?;
    let asked = range(args, &sources, snapshots, period, watch)?;
    let progress = Arc::new(Progress::default());
    let followed = follow(&progress, watch);
    let found = collect(args, &sources, asked, pattern, ids.as_ref(), max, &progress);
    drop(followed);
    buckets.note(&sources, watch);
    found.map_err(|error| failure(&error.into(), watch))
}

fn threads(args: &ServeMcp) -> usize {
    args.gather.threads.unwrap_or_else(cores).clamp(1, 1_024)
}

/// The range of the server, as a command with its arguments would read it now.
fn recent(args: &ServeMcp, sources: &[Source], watch: &Watch) -> Result<Range, Failure> {
    let range = args.gather.range.asked_or_recent_silently(sources);
    range.map(|(range, _)| range).map_err(|error| failure(&error, watch))
}

/// A period within the range of the server.
fn range(
    args: &ServeMcp,
    sources: &[Source],
    snapshots: &Snapshots,
    period: &Period,
    watch: &Watch,
) -> Result<Range, Failure> {
    let own = recent(args, sources, watch)?;
    let asked = match *period {
        Period::Between { from: None, to: None } => return Ok(own),
        Period::Between { from, to } => Range { from, to },
        Period::Last { hours } => {
            let all = Subject { model_id: String::new(), region: String::new(), account_id: None };
            let basis = snapshots.basis(args, &all, period, watch)?;
            let end = basis.moments.and_then(|moments| moments.end_of_data).unwrap_or_else(crate::now);
            let from = end.seconds.saturating_sub(i64::from(hours) * UtcHour::SECONDS);
            Range { from: Some(Timestamp { seconds: from, nanos: end.nanos }), to: Some(end) }
        }
    };
    // The last days of a bucket are only what is read where nobody says a time.
    let within = args.gather.range.asked().map_err(|error| failure(&error, watch))?;
    let later = |one: Option<Timestamp>, other: Option<Timestamp>| one.max(other);
    let earlier = |one: Option<Timestamp>, other: Option<Timestamp>| match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    let range = Range { from: later(asked.from, within.from), to: earlier(asked.to, within.to) };
    if let (Some(from), Some(to)) = (range.from, range.to)
        && from >= to
    {
        let message = format!("the time from {from} to {to} is empty");
        return Err(failure(&UsageError { message, hint: None }.into(), watch));
    }
    Ok(range)
}

/// What orders events: their time (of a document without one, that of its folder), then their place.
type Order = (Timestamp, Box<[u8]>, u32, u64);

/// What a survey has found so far.
#[derive(Default)]
struct Oldest {
    events: BTreeMap<Order, Event>,
    more: bool,
}

fn collect(
    args: &ServeMcp,
    sources: &[Source],
    asked: Range,
    pattern: &Pattern,
    ids: Option<&Wanted>,
    max: usize,
    progress: &Progress,
) -> Result<Events, borehole_scan::Error> {
    let gather = &args.gather;
    let listing =
        ListOptions { keep_lines: false, payloads: false, any_key: gather.any_key, keep_listing: false };
    let mut plan = Plan::list(sources, asked, listing, progress)?;
    if let Some(ids) = ids {
        plan.objects.retain(|planned| ids.may_be_in(&planned.object.key));
    }
    let oldest: Mutex<Oldest> = Mutex::default();
    let visit = |planned: &Planned, document: &Document<'_>| {
        let Some(time) = time_of(planned, document, &plan.range) else { return };
        let shown = || envelope(&planned.object.key, kind_of(planned.role), document);
        let found = match (pattern, ids) {
            (Pattern::Text(text), _) => Some(shown()).filter(|found| found.to_string().contains(text)),
            (Pattern::RequestId(_), Some(ids)) => {
                // The keys of the split layout were looked at above.
                let is_meant =
                    matches!(planned.role, Role::Split { .. }) || ids.is(document.request_id.as_ref());
                is_meant.then(shown)
            }
            (Pattern::RequestId(_), None) => None,
        };
        let Some(envelope) = found else { return };
        let order = (time, planned.object.key.clone(), planned.source, document.offset);
        let mut oldest = oldest.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = oldest.events.len() >= max;
        oldest.more |= is_full;
        if is_full && oldest.events.last_key_value().is_none_or(|(last, _)| *last < order) {
            return;
        }
        let event = Event {
            timestamp: document.timestamp,
            place: place(&sources[planned.source as usize], &planned.object),
            offset: document.offset,
            envelope,
        };
        oldest.events.insert(order, event);
        if is_full {
            oldest.events.pop_last();
        }
    };
    let decode = DecodeOptions {
        facts: true,
        accept_epoch: gather.accept_epoch,
        lenient_numbers: gather.lenient_numbers,
        allow_double_gzip: gather.allow_double_gzip,
        decoded_bytes_max: gather.max_decoded_per_object,
    };
    let read = survey(&plan, sources, &SurveyOptions { threads: threads(args), decode }, &visit, progress)?;
    let Oldest { events, more } = oldest.into_inner().unwrap_or_else(PoisonError::into_inner);
    let not_listed: u64 = plan.ledger.objects_failed.values().sum();
    Ok(Events {
        events: events.into_values().collect(),
        more,
        objects_read: read.objects_read,
        objects_failed: read.failed.len() as u64 + not_listed,
        moments: moments(&plan),
    })
}

fn kind_of(role: Role) -> DocumentKind {
    match role {
        Role::Split { kind, .. } => kind,
        Role::Records { .. } | Role::Loose => DocumentKind::Record,
    }
}

/// When a document was written, to order it by; `None` where it lies outside of the range.
fn time_of(planned: &Planned, document: &Document<'_>, range: &Range) -> Option<Timestamp> {
    if let Some(time) = document.timestamp {
        let is_within = range.from.is_none_or(|from| from <= time) && range.to.is_none_or(|to| time < to);
        return is_within.then_some(time);
    }
    match planned.role.hour() {
        Some(hour) => range.holds_hour(hour).then(|| Timestamp::from_seconds(hour.start_seconds())),
        None => Some(Timestamp { seconds: i64::MAX, nanos: 0 }),
    }
}

/// The time that was searched; open ends are those of the folders that were found.
fn moments(plan: &Plan) -> Option<Moments> {
    let hours = || plan.coverage.iter().flat_map(|entry| &entry.hours);
    let start = |hour: UtcHour| Timestamp::from_seconds(hour.start_seconds());
    let end_of_data = hours().max().map(|hour| start(UtcHour(hour.0 + 1)));
    Some(Moments {
        from: plan.range.from.or_else(|| hours().min().map(|hour| start(*hour)))?,
        to: plan.range.to.or(end_of_data)?,
        to_is_end_of_data: plan.range.to.is_none(),
        end_of_data: None,
    })
}
