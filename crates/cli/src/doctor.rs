//! `borehole doctor`: can I read this? Checks every permission that is used, and names the missing one.
//!
//! In: sources, payload places, and perhaps Bedrock's logging configuration. Out: one line per check, and the least
//! IAM policy that reading needs. Always: a place that cannot be opened does not keep the others from being checked;
//! nothing is changed, and of objects at most one byte is asked for. Absent: permissions that only use would tell
//! (s3:RestoreObject), and any look at the caller's policies.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;

use anyhow::Context;
use borehole_record::{Timestamp, UtcDay, UtcHour};
use borehole_scan::Source;
use borehole_store::s3::S3Options;
use borehole_store::s3::inspect::{Answer, LifecycleRule, reader_region};
use borehole_store::{EscapedKey, Object, ReadFailure, S3Store, StorageClass, Store};
use clap::Args;
use serde_json::json;

use crate::Outcome;
use crate::args::{Format, parse_time};
use crate::columns::{Align, aligned, counted};
use crate::estimate::day;
use crate::exit::{Exit, UsageError, escaped, unhinted};
use crate::glimpse::{self, Glimpse};
use crate::logging::Logging;
use crate::places::{Places, S3Args, no_source};
use crate::policy::{self, Holds};
use crate::prices;

/// Hours without records after which doctor wonders whether logging is still on.
const QUIET_HOURS: i64 = 24;

/// Bytes of a logging configuration; a real one has a few hundred.
const CONFIGURATION_BYTES_MAX: u64 = 1 << 20;

/// Check every permission that reading needs, and print the least policy that gives them.
///
/// Exit codes: 0 all is there, 2 wrong arguments, 3 only something that some commands use is missing, or there was no
/// record to try it on, 4 something that reading needs is missing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Can both buckets be read, and what is missing if not
  borehole doctor s3://bedrock-logs --large-data s3://bedrock-large-data
  # As somebody else, for another program
  borehole doctor s3://bedrock-logs --profile audit --format json
  # The buckets that Bedrock is told to log to
  aws bedrock get-model-invocation-logging-configuration | borehole doctor --logging-config -")]
pub(crate) struct Doctor {
    /// Where the logs are
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,

    /// Where offloaded payloads are: a directory or s3://BUCKET[/PREFIX]; repeatable
    #[arg(long, value_name = "SOURCE")]
    pub large_data: Vec<String>,
    /// What `aws bedrock get-model-invocation-logging-configuration` prints (- is standard input): its buckets are
    /// checked, too
    #[arg(long, value_name = "FILE")]
    pub logging_config: Option<PathBuf>,
    /// What to write to stdout
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    /// What to call now, for what a lifecycle rule deletes
    #[arg(long, value_name = "TIME", value_parser = parse_time, hide = true)]
    pub now: Option<Timestamp>,

    #[command(flatten)]
    pub s3: S3Args,
}

/// Runs the command.
pub(crate) fn run(args: &Doctor) -> Outcome {
    if args.sources.is_empty() && args.logging_config.is_none() {
        return Err(no_source());
    }
    let now = args.now.unwrap_or_else(crate::now);
    let mut visit = Visit { now, callers: Vec::new(), reports: Vec::new(), buckets: BTreeSet::new() };
    let logging = args.logging_config.as_ref().map(read_logging).transpose()?;
    let mut places = Places::new(&args.s3)?;
    places.also_reads(&args.large_data);
    let mut arguments: Vec<(String, Holds)> =
        args.sources.iter().map(|source| (source.clone(), Holds::Records)).collect();
    if let Some(logging) = &logging {
        visit.reports.push(logging_report(logging));
        let known: BTreeSet<&str> =
            args.sources.iter().chain(&args.large_data).map(|place| place.trim_end_matches('/')).collect();
        for (place, holds) in [(&logging.records, Holds::Records), (&logging.large_data, Holds::Payloads)] {
            if let Some(place) = place.as_ref().filter(|place| !known.contains(place.as_str())) {
                arguments.push((place.clone(), holds));
            }
        }
    }
    for (argument, holds) in &arguments {
        let opened = match holds {
            Holds::Records => places.sources(std::slice::from_ref(argument)),
            Holds::Payloads => places.payload_sources(std::slice::from_ref(argument), false),
        };
        visit.place(argument, *holds, opened)?;
    }
    for argument in &args.large_data {
        let opened = places.payload_sources(std::slice::from_ref(argument), false);
        visit.place(argument, Holds::Payloads, opened)?;
    }
    // What named sources bring along.
    let given: BTreeSet<String> = visit.reports.iter().map(|report| report.place.clone()).collect();
    for source in places.payload_sources(&[], true)? {
        if !given.contains(&name_of(&source)) {
            visit.source(&source, Holds::Payloads);
        }
    }
    let text = match args.format {
        Format::Text => visit.to_text(),
        Format::Json => visit.to_json(),
    };
    crate::output::to_stdout(&text)?;
    Ok(visit.exit())
}

fn read_logging(path: &PathBuf) -> anyhow::Result<Logging> {
    let mut text = String::new();
    let shown = escaped(&path.display().to_string());
    let failed = || format!("{shown}: cannot be read as text");
    if path.as_os_str() == "-" {
        std::io::stdin()
            .lock()
            .take(CONFIGURATION_BYTES_MAX)
            .read_to_string(&mut text)
            .with_context(failed)?;
    } else {
        let file = std::fs::File::open(path).with_context(failed)?;
        file.take(CONFIGURATION_BYTES_MAX).read_to_string(&mut text).with_context(failed)?;
    }
    Logging::parse(&text).ok_or_else(|| {
        UsageError {
            message: format!("{shown}: not a logging configuration"),
            hint: Some(
                "expected what `aws bedrock get-model-invocation-logging-configuration` prints, as JSON",
            ),
        }
        .into()
    })
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ok,
    /// Something to know: nothing is missing.
    Warning,
    /// Reading needs it.
    Missing,
    /// Some commands need it.
    OptionalMissing,
    NotChecked,
    /// Reading needs it, and there was nothing to try it on.
    NeededNotChecked,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Missing => "MISSING",
            State::OptionalMissing => "missing",
            State::NotChecked | State::NeededNotChecked => "not checked",
        }
    }

    fn as_json(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Missing | State::OptionalMissing => "missing",
            State::NotChecked | State::NeededNotChecked => "not_checked",
        }
    }
}

/// One line.
#[derive(Debug)]
struct Check {
    state: State,
    what: &'static str,
    text: String,
}

/// Everything about one place.
#[derive(Debug)]
struct PlaceReport {
    place: String,
    region: Option<String>,
    checks: Vec<Check>,
}

impl PlaceReport {
    fn new(place: &str) -> Self {
        PlaceReport { place: escaped(place), region: None, checks: Vec::new() }
    }

    fn note(&mut self, state: State, what: &'static str, text: impl Into<String>) {
        self.checks.push(Check { state, what, text: escaped(&text.into()) });
    }
}

/// One run over all places.
struct Visit {
    now: Timestamp,
    /// Ways in that were asked who they are, each once, and what they said.
    callers: Vec<(S3Options, Check)>,
    reports: Vec<PlaceReport>,
    buckets: BTreeSet<policy::Bucket>,
}

impl Visit {
    /// One argument: what it leads to, or why it leads nowhere. Wrong arguments end the run.
    fn place(
        &mut self,
        argument: &str,
        holds: Holds,
        opened: anyhow::Result<Vec<Source>>,
    ) -> anyhow::Result<()> {
        match opened {
            Ok(sources) => {
                for source in &sources {
                    self.source(source, holds);
                }
                Ok(())
            }
            Err(error) if error.downcast_ref::<UsageError>().is_some() => Err(error),
            Err(error) => {
                let mut report = PlaceReport::new(argument);
                let (cause, hint) = match unhinted(&error).downcast_ref::<borehole_scan::Error>() {
                    Some(borehole_scan::Error::Store(error)) => (error.cause.clone(), error.hint),
                    _ => (format!("{error:#}"), None),
                };
                let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
                report.note(State::Missing, "open", format!("{cause}{hint}"));
                self.reports.push(report);
                Ok(())
            }
        }
    }

    fn source(&mut self, source: &Source, holds: Holds) {
        let mut report = PlaceReport::new(&name_of(source));
        match &source.s3 {
            Some(store) => self.bucket(&mut report, source, store, holds),
            None => self.local(&mut report, source),
        }
        self.reports.push(report);
    }

    fn bucket(&mut self, report: &mut PlaceReport, source: &Source, store: &S3Store, holds: Holds) {
        self.ask_caller(store);
        let region = store.region();
        report.region = Some(region.clone());
        note_region(report, store, &region);
        let prefix = String::from_utf8_lossy(&source.prefix).into_owned();
        let bucket_arn = policy::bucket_arn(store.bucket(), &region);
        let objects_arn = policy::objects_arn(store.bucket(), &region, &prefix);
        let mut needs = policy::Bucket {
            name: store.bucket().to_owned(),
            region: region.clone(),
            prefix: prefix.clone(),
            holds,
            kms: false,
        };

        let listed = [&*source.prefix, b"/"].concat();
        let root: &[u8] = if source.prefix.is_empty() { b"" } else { &listed };
        let may_list = store.may_list(root);
        note_answer(report, &may_list, "list", &format!("s3:ListBucket on {bucket_arn}"), &place_words(root));
        if let Answer::Failed(_) = may_list {
            // There is no such bucket, or no way to it: nothing else is worth asking, and no policy helps.
            return;
        }
        let glimpse = if may_list == Answer::Given(()) { self.look(report, source) } else { None };
        if let Some(folder) = glimpse.as_ref().and_then(|glimpse| glimpse.newest_folder.as_ref()) {
            let folder = [folder, &b"/"[..]].concat();
            let action = format!("s3:ListBucket on {bucket_arn}");
            note_answer(report, &store.may_list(&folder), "list", &action, &place_words(&folder));
        }
        let is_listed = glimpse.is_some();
        let glimpse = glimpse.unwrap_or_default();
        let needs_records = holds == Holds::Records;
        let action = format!("s3:GetObject on {objects_arn}");
        match &glimpse.record {
            Some(record) => needs.kms |= note_reading(report, store, record, ("get", "head"), &action),
            None if needs_records => {
                report.note(State::NeededNotChecked, "get", "no record object was found to try it on");
            }
            None => {}
        }
        match &glimpse.payload {
            Some(payload) => {
                needs.kms |= note_reading(report, store, payload, ("payload", "payload head"), &action);
            }
            // The payloads of the split layout lie in another bucket.
            None if needs_records && !glimpse.layouts.contains("aws") => {}
            None => {
                let state = if needs_records { State::NotChecked } else { State::NeededNotChecked };
                report.note(state, "payload", "no payload object was found in the hours that were looked at");
            }
        }
        if is_listed {
            self.note_hours(report, &glimpse, holds);
        }
        note_classes(report, &glimpse);
        self.note_lifecycle(report, &store.lifecycle(), &bucket_arn, &prefix);
        self.buckets.insert(needs);
    }

    fn local(&self, report: &mut PlaceReport, source: &Source) {
        let Some(glimpse) = self.look(report, source) else { return };
        match &glimpse.denied {
            Some(folder) => {
                report.note(State::Missing, "list", format!("no permission to list {}", EscapedKey(folder)));
            }
            None => report.note(State::Ok, "list", "the folders can be listed"),
        }
        for (what, object) in [("get", &glimpse.record), ("payload", &glimpse.payload)] {
            let Some(object) = object else { continue };
            match source.store.read(object, &mut |_| false) {
                Ok(_) => report.note(State::Ok, what, format!("{}", EscapedKey(&object.key))),
                Err(reason) => {
                    let reason = reason.as_str().replace('_', " ");
                    report.note(State::Missing, what, format!("{}: {reason}", EscapedKey(&object.key)));
                }
            }
        }
        self.note_hours(report, &glimpse, Holds::Records);
    }

    fn look(&self, report: &mut PlaceReport, source: &Source) -> Option<Glimpse> {
        match glimpse::look(source) {
            Ok(glimpse) => Some(glimpse),
            Err(error) => {
                let hint = error.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
                report.note(State::Missing, "list", format!("{}{hint}", error.cause));
                None
            }
        }
    }

    /// Who the caller is, once for each way in.
    fn ask_caller(&mut self, store: &S3Store) {
        // The Region decides about where to ask, not about who asks.
        let way = S3Options { region: None, requester_pays: false, ..store.options().clone() };
        if self.callers.iter().any(|(known, _)| *known == way) {
            return;
        }
        let (state, text) = match store.caller() {
            Answer::Given(caller) => (State::Ok, format!("{} (account {})", caller.arn, caller.account)),
            Answer::None => (State::Ok, "nobody: requests are not signed".to_owned()),
            Answer::Unsupported => (State::NotChecked, "this server does not tell who asks".to_owned()),
            Answer::Denied | Answer::Failed(_) if !store.is_aws() => {
                (State::NotChecked, "this server does not tell who asks".to_owned())
            }
            // It needs no permission; only a policy that denies it does that.
            Answer::Denied => (State::Warning, "sts:GetCallerIdentity is denied".to_owned()),
            Answer::Failed(why) => (State::NotChecked, format!("sts:GetCallerIdentity: {}", words(why))),
        };
        self.callers.push((way, Check { state, what: "caller", text: escaped(&text) }));
    }

    /// Which hours there are, and whether new ones still come.
    fn note_hours(&self, report: &mut PlaceReport, glimpse: &Glimpse, holds: Holds) {
        let layouts: Vec<&str> =
            glimpse.layouts.iter().copied().filter(|layout| *layout != "other").collect();
        match (glimpse.newest, glimpse.oldest) {
            (Some(newest), Some(oldest)) => {
                let age = UtcHour::of(self.now).0 - newest.0;
                let text = format!(
                    "records of {} to {} ({}; {})",
                    hour_words(oldest),
                    hour_words(newest),
                    layouts.join(", "),
                    counted(glimpse.streams, "date tree")
                );
                report.note(State::Ok, "hours", text);
                if age > QUIET_HOURS {
                    let text = format!(
                        "no record for {}: is logging still on, and does it still go here?",
                        if age >= 48 {
                            counted(age.unsigned_abs() / 24, "day")
                        } else {
                            counted(age.unsigned_abs(), "hour")
                        }
                    );
                    report.note(State::Warning, "hours", text);
                }
            }
            _ if holds == Holds::Payloads => {
                if let Some(newest) = glimpse.newest_payload {
                    report.note(State::Ok, "hours", format!("payloads up to {}", hour_words(newest)));
                }
            }
            _ if glimpse.layouts.contains("other") => {
                report.note(
                    State::Warning,
                    "hours",
                    "objects, but none with the key of an invocation log: check the prefix",
                );
            }
            _ => report.note(
                State::Warning,
                "hours",
                "no object with the key of an invocation log: is logging on?",
            ),
        }
        if glimpse.is_cut {
            report.note(State::Warning, "hours", "there is more than was looked at");
        }
    }

    /// What the bucket's rules are about to delete or to archive.
    fn note_lifecycle(
        &self,
        report: &mut PlaceReport,
        answer: &Answer<Vec<LifecycleRule>>,
        bucket_arn: &str,
        prefix: &str,
    ) {
        match answer {
            Answer::Given(rules) => {
                let concerning: Vec<&LifecycleRule> = rules
                    .iter()
                    .filter(|rule| rule.prefix.starts_with(prefix) || prefix.starts_with(&*rule.prefix))
                    .collect();
                if concerning.is_empty() {
                    report.note(State::Ok, "lifecycle", "no rule deletes or moves objects here");
                }
                for rule in concerning {
                    for line in rule_words(rule, self.now) {
                        report.note(State::Warning, "lifecycle", line);
                    }
                }
            }
            Answer::None => report.note(State::Ok, "lifecycle", "no rules: nothing is deleted by itself"),
            Answer::Denied => report.note(
                State::OptionalMissing,
                "lifecycle",
                format!("s3:GetLifecycleConfiguration on {bucket_arn}: what is deleted when is not known"),
            ),
            Answer::Unsupported => report.note(State::NotChecked, "lifecycle", "this server has none"),
            Answer::Failed(why) => report.note(State::NotChecked, "lifecycle", words(why)),
        }
    }

    fn exit(&self) -> Exit {
        let states = || self.reports.iter().flat_map(|report| &report.checks).map(|check| check.state);
        if states().any(|state| state == State::Missing) {
            Exit::NoAnswer
        } else if states().any(|state| matches!(state, State::OptionalMissing | State::NeededNotChecked)) {
            Exit::Incomplete
        } else {
            Exit::Complete
        }
    }

    fn to_text(&self) -> String {
        let mut out = String::new();
        let columns = [Align::Left, Align::Left, Align::Left];
        let row =
            |check: &Check| vec![check.state.as_str().to_owned(), check.what.to_owned(), check.text.clone()];
        if !self.callers.is_empty() {
            let rows: Vec<_> = self.callers.iter().map(|(_, check)| row(check)).collect();
            out.push_str(&format!("who asks\n{}\n", aligned(&rows, &columns, 2)));
        }
        for report in &self.reports {
            let region = report.region.as_ref().map(|region| format!(" ({region})")).unwrap_or_default();
            let rows: Vec<_> = report.checks.iter().map(row).collect();
            out.push_str(&format!("{}{region}\n{}\n", report.place, aligned(&rows, &columns, 2)));
        }
        if !self.buckets.is_empty() {
            let buckets: Vec<policy::Bucket> = self.buckets.iter().cloned().collect();
            out.push_str("the least policy that lets a reader read this\n");
            out.push_str(&serde_json::to_string_pretty(&policy::policy(&buckets)).unwrap_or_default());
            out.push_str("\n\n");
            out.push_str(
                "OptionalSeeLifecycle is for this command, OptionalRestore for borehole restore; leave out what you do \
                 not use.\n",
            );
            if !buckets.iter().any(|bucket| bucket.kms) {
                let regions: BTreeSet<&str> = buckets.iter().map(|bucket| &*bucket.region).collect();
                out.push_str("Where a bucket is encrypted with a KMS key of yours, add this, better with the key's own ARN:\n");
                out.push_str(&serde_json::to_string(&policy::decrypt(&regions)).unwrap_or_default());
                out.push('\n');
            }
            out.push('\n');
        }
        out.push_str(self.verdict());
        out.push('\n');
        out
    }

    fn verdict(&self) -> &'static str {
        match self.exit() {
            Exit::Complete => "all that reading needs is there",
            Exit::Incomplete => "nothing that was checked keeps you from reading; see the lines above",
            _ => "something that reading needs is MISSING: see above",
        }
    }

    fn to_json(&self) -> String {
        let check = |check: &Check| {
            json!({
                "state": check.state.as_json(),
                "needed": matches!(check.state, State::Missing | State::NeededNotChecked),
                "check": check.what,
                "text": check.text,
            })
        };
        let buckets: Vec<policy::Bucket> = self.buckets.iter().cloned().collect();
        let places: Vec<_> = self
            .reports
            .iter()
            .map(|report| {
                json!({
                    "place": report.place,
                    "region": report.region,
                    "checks": report.checks.iter().map(check).collect::<Vec<_>>(),
                })
            })
            .collect();
        let document = json!({
            "schema": "borehole.doctor/1",
            "callers": self.callers.iter().map(|(_, caller)| check(caller)).collect::<Vec<_>>(),
            "places": places,
            "policy": if buckets.is_empty() { None } else { Some(policy::policy(&buckets)) },
            "verdict": self.verdict(),
        });
        crate::json_text::json_text(&document)
    }
}

/// The place as it could be typed.
fn name_of(source: &Source) -> String {
    match &source.s3 {
        Some(store) if source.prefix.is_empty() => format!("s3://{}", store.bucket()),
        Some(store) => format!("s3://{}/{}", store.bucket(), EscapedKey(&source.prefix)),
        None => source.name.clone(),
    }
}

fn note_region(report: &mut PlaceReport, store: &S3Store, region: &str) {
    if !store.is_aws() {
        return report.note(State::Ok, "region", format!("{region}, at a server that is not AWS"));
    }
    let price = prices::transfer(region);
    let cost = format!(
        "leaving {region} costs {} a GiB to another Region, {} to the internet",
        prices::dollars(price.to_region),
        prices::dollars(price.to_internet)
    );
    match reader_region() {
        Some(reader) if reader == region => {
            report.note(State::Ok, "region", format!("{region}, where this runs, too (as AWS_REGION says)"));
        }
        Some(reader) => report.note(
            State::Warning,
            "region",
            format!("this runs in {reader} (as AWS_REGION says): every request takes longer, and {cost}"),
        ),
        None => report.note(State::Ok, "region", format!("AWS_REGION does not say where this runs; {cost}")),
    }
}

fn note_answer(report: &mut PlaceReport, answer: &Answer<()>, what: &'static str, action: &str, place: &str) {
    match answer {
        Answer::Given(()) => report.note(State::Ok, what, place),
        Answer::None => report.note(State::NeededNotChecked, what, format!("{place} is gone by now")),
        Answer::Denied => report.note(State::Missing, what, action),
        Answer::Unsupported => {
            report.note(State::NotChecked, what, format!("{place}: this server does not know the question"));
        }
        Answer::Failed(why) => report.note(State::Missing, what, format!("{place}: {}", words(why))),
    }
}

/// Tries GET and HEAD; true where a KMS key stood in the way.
fn note_reading(
    report: &mut PlaceReport,
    store: &S3Store,
    object: &Object,
    (get, head): (&'static str, &'static str),
    action: &str,
) -> bool {
    let place = EscapedKey(&object.key).to_string();
    let answer = store.get_first_byte(&object.key);
    if answer == Answer::Failed(ReadFailure::Kms.as_str()) {
        report.note(
            State::Missing,
            get,
            format!("kms:Decrypt with the key of {place}, or the key is disabled"),
        );
        return true;
    }
    note_answer(report, &answer, get, action, &place);
    // A HEAD needs what a GET needs: told only where they differ.
    if answer == Answer::Given(()) {
        match store.head(&object.key) {
            Ok(Some(_)) => {}
            Ok(None) => report.note(State::Warning, head, format!("{place} is gone by now")),
            Err(reason) => {
                report.note(State::Missing, head, format!("{place}: {}", words(reason.as_str())));
            }
        }
    }
    false
}

fn note_classes(report: &mut PlaceReport, glimpse: &Glimpse) {
    let is_archive =
        |class: &StorageClass| matches!(class, StorageClass::Glacier | StorageClass::DeepArchive);
    let archived: Vec<&str> =
        glimpse.classes.keys().filter(|class| is_archive(class)).map(|class| class.as_str()).collect();
    if !archived.is_empty() {
        let text =
            format!("some objects lie in {}: borehole restore makes them readable", archived.join(" and "));
        report.note(State::Warning, "classes", text);
    }
    let paid = |class: &StorageClass| prices::reading(*class).per_gib > 0;
    for class in glimpse.classes.keys().copied().filter(paid) {
        let price = prices::dollars(prices::reading(class).per_gib);
        report.note(
            State::Warning,
            "classes",
            format!("some objects lie in {}: reading them costs {price} a GiB", class.as_str()),
        );
    }
    if glimpse.classes.contains_key(&StorageClass::IntelligentTiering) {
        let text = "some objects lie in INTELLIGENT_TIERING: whether they are archived shows only when they are read";
        report.note(State::Warning, "classes", text);
    }
}

/// What a rule does to logs, and to which of them by now.
fn rule_words(rule: &LifecycleRule, now: Timestamp) -> Vec<String> {
    let mut scope = if rule.prefix.is_empty() {
        "objects".to_owned()
    } else {
        format!("objects below {}", EscapedKey(rule.prefix.as_bytes()))
    };
    if rule.has_other_filters {
        scope.push_str(" (of some tags or sizes)");
    }
    let border = |days: u32| day(UtcDay(UtcDay::of(now).0 - i64::from(days)));
    let mut lines = Vec::new();
    match rule.expires_after_days {
        Some(0) => lines.push(format!("deletes {scope} at a date that the rule names")),
        Some(days) => lines.push(format!(
            "deletes {scope} {} after they were written: the hours before {} are gone or going",
            counted(u64::from(days), "day"),
            border(days)
        )),
        None => {}
    }
    for &(days, class) in &rule.transitions {
        let must_restore = matches!(class, StorageClass::Glacier | StorageClass::DeepArchive);
        let what =
            if must_restore { "must be restored before they can be read" } else { "cost more to read" };
        lines.push(if days == 0 {
            format!(
                "moves {scope} to {} at once or at a date that the rule names: from then on they {what}",
                class.as_str()
            )
        } else {
            format!(
                "moves {scope} to {} {} after they were written: the hours before {} {what}",
                class.as_str(),
                counted(u64::from(days), "day"),
                border(days)
            )
        });
    }
    lines
}

fn logging_report(logging: &Logging) -> PlaceReport {
    let mut report = PlaceReport::new("logging configuration");
    if !logging.is_on() {
        report.note(
            State::Missing,
            "logging",
            "model invocation logging is off in the Region that was asked",
        );
        return report;
    }
    match &logging.records {
        Some(place) => report.note(State::Ok, "logging", format!("records go to {place}")),
        None => report.note(
            State::Warning,
            "logging",
            "records do not go to S3: borehole reads what CloudWatch exports of them",
        ),
    }
    if let Some(group) = &logging.log_group {
        report.note(State::Ok, "logging", format!("records go to the CloudWatch log group {group}"));
    }
    if let Some(place) = &logging.large_data {
        report.note(State::Ok, "logging", format!("what is too large for CloudWatch goes to {place}"));
    }
    if !logging.not_delivered.is_empty() {
        let kinds = logging.not_delivered.join(", ");
        let text = format!(
            "delivery is off for {kinds} data: such bodies are absent from the logs, and what is only known from bodies \
             (max_tokens, latency, content kinds) with them; token counts stay"
        );
        report.note(State::Warning, "delivery", text);
    }
    report
}

fn place_words(prefix: &[u8]) -> String {
    if prefix.is_empty() { "the bucket's root".to_owned() } else { EscapedKey(prefix).to_string() }
}

/// `2024-03-11 07:00`.
fn hour_words(hour: UtcHour) -> String {
    let text = hour.to_string();
    text.get(..16).unwrap_or(&text).replace('T', " ")
}

/// A word of the report as words.
fn words(word: &str) -> String {
    word.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(expires_after_days: Option<u32>, transitions: Vec<(u32, StorageClass)>) -> LifecycleRule {
        LifecycleRule {
            id: "rule".to_owned(),
            prefix: String::new(),
            has_other_filters: false,
            expires_after_days,
            transitions,
        }
    }

    #[test]
    fn a_rule_is_told_with_the_day_it_has_reached() {
        let now = Timestamp::from_seconds(1_795_348_800); // 2026-11-22
        assert_eq!(
            rule_words(&rule(Some(30), Vec::new()), now),
            [
                "deletes objects 30 days after they were written: the hours before 2026-10-23 are gone or going"
            ]
        );
        let large = LifecycleRule {
            prefix: "a/".to_owned(),
            ..rule(Some(90), vec![(30, StorageClass::Glacier), (1, StorageClass::StandardIa)])
        };
        assert_eq!(
            rule_words(&large, now),
            [
                "deletes objects below a/ 90 days after they were written: the hours before 2026-08-24 are gone or going",
                "moves objects below a/ to GLACIER 30 days after they were written: the hours before 2026-10-23 must be \
                 restored before they can be read",
                "moves objects below a/ to STANDARD_IA 1 day after they were written: the hours before 2026-11-21 cost \
                 more to read",
            ]
        );
        assert!(rule_words(&rule(Some(0), Vec::new()), now)[0].contains("a date that the rule names"));
    }

    #[test]
    fn logging_that_is_off_is_missing_and_switches_that_are_off_are_warned_of() {
        assert_eq!(logging_report(&Logging::default()).checks[0].state, State::Missing);
        let logging = Logging {
            records: Some("s3://logs".to_owned()),
            not_delivered: vec!["image", "video"],
            ..Logging::default()
        };
        let checks = logging_report(&logging).checks;
        assert_eq!(checks.iter().map(|check| check.state).collect::<Vec<_>>(), [State::Ok, State::Warning]);
        assert!(checks[1].text.contains("image, video"), "{}", checks[1].text);
    }
}
