//! Small worlds of logs, and what a naive reading of the rules makes of them.
//!
//! The model follows `docs/rules.md` sections 3 to 5 sentence by sentence, compares every record with every
//! other, and knows nothing of hours that close, spills or threads.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use borehole_record::{DocumentKind, UtcHour};
use borehole_scan::limits::{CLOSING_HOURS, CLOSING_HOURS_SPLIT};
use borehole_scan::{Range, Source};
use borehole_store::ReadFailure;
use proptest::prelude::*;

use super::{Fault, MemoryStore, Outcome, folder, gzip, hour, id, moment, source, stamp};

/// What a document says; hours are as of [`hour`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Doc {
    pub(crate) time: Option<(i64, i64, i64)>,
    pub(crate) request: Option<u64>,
    pub(crate) model: Option<u8>,
    pub(crate) account: Option<u8>,
    pub(crate) input: Option<u64>,
    pub(crate) output: Option<u64>,
    pub(crate) cache_read: Option<u64>,
    pub(crate) inference: Option<u8>,
    pub(crate) caller: Option<u8>,
    pub(crate) latency: Option<u64>,
}

impl Doc {
    fn json(&self, schema: &str) -> String {
        let mut members = vec![format!(r#""schemaType":"{schema}""#), r#""region":"us-east-1""#.to_owned()];
        let mut add = |name: &str, value: Option<String>| {
            members.extend(value.map(|value| format!(r#""{name}":"{value}""#)));
        };
        add("timestamp", self.time.map(|(hour, minute, second)| stamp(hour, minute, second)));
        add("requestId", self.request.map(id));
        add("modelId", self.model.map(|number| format!("model-{number}")));
        add("accountId", self.account.map(account));
        add("inferenceRegion", self.inference.map(|number| format!("eu-west-{number}")));
        members.extend(
            self.caller.map(|number| format!(r#""identity":{{"arn":"arn:aws:iam::1:user/{number}"}}"#)),
        );
        members.extend(self.latency.map(|latency| format!(r#""latencyMs":{latency}"#)));
        let mut input: Vec<String> = Vec::new();
        input.extend(self.input.map(|count| format!(r#""inputTokenCount":{count}"#)));
        input.extend(self.cache_read.map(|count| format!(r#""cacheReadInputTokenCount":{count}"#)));
        if !input.is_empty() {
            members.push(format!(r#""input":{{{}}}"#, input.join(",")));
        }
        members.extend(self.output.map(|count| format!(r#""output":{{"outputTokenCount":{count}}}"#)));
        format!("{{{}}}", members.join(","))
    }
}

fn account(number: u8) -> String {
    format!("{number:012}")
}

/// One line of a record object.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    Record(Doc),
    OtherSchema(Doc),
    Bad,
}

/// Where an object lies.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Account by number, folder hour, name.
    Aws(u8, i64, u8),
    Loose(u8),
    /// Root, folder hour, kind, request.
    Split(u8, i64, DocumentKind, u64),
}

#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) source: usize,
    pub(crate) place: Place,
    pub(crate) lines: Vec<Line>,
    pub(crate) gzip: bool,
    pub(crate) fails: bool,
}

impl File {
    pub(crate) fn key(&self) -> String {
        match &self.place {
            Place::Aws(owner, hour, name) => format!(
                "AWSLogs/{}/BedrockModelInvocationLogs/us-east-1/{}/{name}.json",
                account(*owner),
                folder(*hour)
            ),
            Place::Loose(name) => format!("export/{name}.json"),
            Place::Split(root, hour, kind, request) => {
                let (directory, ending) = match kind {
                    DocumentKind::Metadata => ("metadata", "metadata"),
                    DocumentKind::Request => ("requests", "request"),
                    DocumentKind::Response => ("responses", "response"),
                    _ => ("model-invocations", "invocation"),
                };
                let root = ["", "other/"][usize::from(*root % 2)];
                let suffix = if self.gzip { ".json.gz" } else { ".json" };
                format!("{root}{}/{directory}/{}-{ending}{suffix}", folder(*hour), id(*request))
            }
        }
    }

    /// The text, and where each line begins.
    fn text(&self) -> (String, Vec<u64>) {
        let mut text = String::new();
        let mut offsets = Vec::new();
        for line in &self.lines {
            offsets.push(text.len() as u64);
            match line {
                Line::Record(doc) => text.push_str(&doc.json("ModelInvocationLog")),
                Line::OtherSchema(doc) => text.push_str(&doc.json("SomethingElse")),
                Line::Bad => text.push_str(r#"{"modelId":nonsense,"timestamp":"#),
            }
            text.push('\n');
        }
        (text, offsets)
    }
}

/// Files, and the range that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) files: Vec<File>,
    /// First hour with a minute, last hour with a minute.
    pub(crate) range: Option<((i64, i64), (i64, i64))>,
}

impl World {
    /// Of two files with one name the first is there.
    fn files(&self) -> Vec<&File> {
        let mut names = BTreeSet::new();
        self.files.iter().filter(|file| names.insert((file.source, file.key()))).collect()
    }

    pub(crate) fn range(&self) -> Range {
        let ends = self.range.map(|(from, to)| (moment(from.0, from.1), moment(to.0, to.1)));
        Range { from: ends.map(|(from, _)| from), to: ends.map(|(_, to)| to) }
    }

    /// The asked hours, half-open.
    fn hours(&self) -> (i64, i64) {
        self.range.map_or((-1_000, 1_000), |(from, to)| (from.0, to.0 + i64::from(to.1 > 0)))
    }

    pub(crate) fn sources(&self, chunk_bytes: usize, listing_seed: u64) -> Vec<Source> {
        let mut stores = [MemoryStore::default(), MemoryStore::default()];
        for file in self.files() {
            let text = file.text().0.into_bytes();
            let bytes = if file.gzip { gzip(&text) } else { text };
            let store = &mut stores[file.source];
            let key = file.key().into_bytes();
            if file.fails {
                let after = bytes.len() - bytes.len() / 3;
                store.faults.insert(key.clone(), Fault::Read { after, reason: ReadFailure::Io });
            }
            store.objects.insert(key, bytes);
        }
        let given = stores.into_iter().map(|store| MemoryStore { chunk_bytes, listing_seed, ..store });
        given.map(|store| source(Arc::new(store))).collect()
    }
}

/// A record as the model sees it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) doc: Doc,
    hour: i64,
    seconds: i64,
    place: (String, usize, u64),
}

/// What the rules make of a world.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Truth {
    /// By hour: key, source and offset of each record that stays, with its identity and counts.
    pub(crate) kept: BTreeMap<UtcHour, BTreeMap<(String, usize, u64), Kept>>,
    pub(crate) duplicates: u64,
    pub(crate) out_of_range: u64,
    pub(crate) other_schema: u64,
    pub(crate) documents_rejected: u64,
    pub(crate) records_rejected: u64,
    pub(crate) joined: u64,
    pub(crate) superseded: u64,
    pub(crate) conflicts: u64,
    pub(crate) strays: u64,
    pub(crate) objects_listed: u64,
    pub(crate) objects_failed: u64,
}

/// Of a record that stays: request, account, tokens, latency.
pub(crate) type Kept = (String, Option<String>, Option<u64>, Option<u64>, Option<u64>);

type SplitDoc = (i64, DocumentKind, (String, usize), Doc);

pub(crate) fn truth(world: &World) -> Truth {
    let mut truth = Truth::default();
    let (from, to) = world.hours();
    let mut records: Vec<Known> = Vec::new();
    let mut split: BTreeMap<(usize, u8, u64), Vec<SplitDoc>> = BTreeMap::new();
    for file in world.files() {
        let (near, own) = match file.place {
            Place::Aws(_, hour, _) => (from - CLOSING_HOURS <= hour && hour < to + CLOSING_HOURS, Some(hour)),
            Place::Split(_, hour, _, _) => {
                (from - CLOSING_HOURS_SPLIT <= hour && hour < to + CLOSING_HOURS_SPLIT, Some(hour))
            }
            Place::Loose(_) => (true, None),
        };
        if !near {
            continue;
        }
        let counts = own.is_none_or(|folder| counts(from, to, folder));
        truth.objects_listed += u64::from(counts);
        if file.fails {
            truth.objects_failed += u64::from(counts);
            continue;
        }
        for (line, offset) in file.lines.iter().zip(file.text().1) {
            match line {
                Line::Bad => truth.documents_rejected += u64::from(counts),
                Line::OtherSchema(_) => truth.other_schema += u64::from(counts),
                Line::Record(doc) => match file.place {
                    Place::Split(root, folder, kind, request) => {
                        if doc.request.is_some_and(|inside| inside != request) {
                            truth.documents_rejected += u64::from(counts);
                            continue;
                        }
                        let doc = Doc { request: Some(request), ..doc.clone() };
                        let documents = split.entry((file.source, root % 2, request)).or_default();
                        documents.push((folder, kind, (file.key(), file.source), doc));
                    }
                    Place::Aws(owner, ..) => {
                        let doc = Doc { account: doc.account.or(Some(owner)), ..doc.clone() };
                        add(&mut records, &mut truth, doc, own, (file.key(), file.source, offset));
                    }
                    Place::Loose(_) => {
                        add(&mut records, &mut truth, doc.clone(), None, (file.key(), file.source, offset));
                    }
                },
            }
        }
    }
    for documents in split.into_values() {
        join(documents, &mut records, &mut truth, (from, to));
    }
    for record in &records {
        if record.hour < from || record.hour >= to {
            truth.out_of_range += 1;
            continue;
        }
        let copies = records.iter().filter(|other| {
            record.doc.request.is_some()
                && other.doc.request == record.doc.request
                && other.doc.account == record.doc.account
                && (other.hour - record.hour).abs() <= 1
        });
        if copies.into_iter().any(|copy| compare(copy, record) == Ordering::Greater) {
            truth.duplicates += 1;
            continue;
        }
        let doc = &record.doc;
        let kept = (
            doc.request.map(id).unwrap_or_default(),
            doc.account.map(account),
            doc.input,
            doc.output,
            doc.latency,
        );
        let cell = truth.kept.entry(hour(record.hour)).or_default();
        assert!(cell.insert(record.place.clone(), kept).is_none());
    }
    truth
}

/// Whether what lies in a folder counts: folders further out are read for what joins with those that do.
fn counts(from: i64, to: i64, folder: i64) -> bool {
    from - CLOSING_HOURS <= folder && folder < to + CLOSING_HOURS
}

/// One decoded record: rejected if it lacks what it needs, a stray if it lies far from its folder.
fn add(
    records: &mut Vec<Known>,
    truth: &mut Truth,
    doc: Doc,
    folder: Option<i64>,
    place: (String, usize, u64),
) {
    let (Some((hour, minute, second)), Some(_)) = (doc.time, doc.model) else {
        truth.records_rejected += 1;
        return;
    };
    truth.strays += u64::from(folder.is_some_and(|folder| (folder - hour).abs() > 1));
    records.push(Known { doc, hour, seconds: hour * 3_600 + minute * 60 + second, place });
}

/// The documents of one request in one root, by the rules of section 4.
fn join(documents: Vec<SplitDoc>, records: &mut Vec<Known>, truth: &mut Truth, range: (i64, i64)) {
    let (mut anchors, mut rest): (Vec<_>, Vec<_>) =
        documents.into_iter().partition(|(_, kind, ..)| *kind == DocumentKind::Invocation);
    anchors.sort_by(|a, b| (a.0, &a.2).cmp(&(b.0, &b.2)));
    let mut siblings: Vec<Vec<SplitDoc>> = vec![Vec::new(); anchors.len()];
    rest.sort_by(|a, b| (a.0, &a.2).cmp(&(b.0, &b.2)));
    let mut orphans: Vec<SplitDoc> = Vec::new();
    for document in rest {
        let reach = [document.0, document.0 - 1, document.0 + 1];
        let home = reach.iter().find_map(|folder| anchors.iter().position(|anchor| anchor.0 == *folder));
        match home {
            Some(home) => siblings[home].push(document),
            None => orphans.push(document),
        }
    }
    for (anchor, siblings) in anchors.into_iter().zip(siblings) {
        let folder = anchor.0;
        merge(folder, std::iter::once(anchor).chain(siblings).collect(), records, truth, range);
    }
    while let Some(folder) = orphans.iter().map(|document| document.0).min() {
        let (group, later) = orphans.into_iter().partition(|document| document.0 <= folder + 1);
        orphans = later;
        merge(folder, group, records, truth, range);
    }
}

fn merge(
    folder: i64,
    mut group: Vec<SplitDoc>,
    records: &mut Vec<Known>,
    truth: &mut Truth,
    (from, to): (i64, i64),
) {
    // Kinds in their order; of one kind the same folder first, then the earlier, then the smaller key.
    group.sort_by(|a, b| (a.1, a.0 != folder, a.0, &a.2).cmp(&(b.1, b.0 != folder, b.0, &b.2)));
    // One of the record's folder is the record; all others count as joined, in their own folders.
    truth.joined += group.iter().filter(|document| counts(from, to, document.0)).count() as u64;
    truth.joined -= u64::from(counts(from, to, folder));
    if !counts(from, to, folder) {
        return;
    }
    let before = group.len();
    group.dedup_by_key(|document| document.1);
    truth.superseded += (before - group.len()) as u64;
    let mut conflict = false;
    let mut all = Doc::default();
    fn take<T: PartialEq + Clone>(all: &mut Option<T>, own: &Option<T>) -> bool {
        let differs = all.is_some() && own.is_some() && all != own;
        if all.is_none() {
            all.clone_from(own);
        }
        differs
    }
    for (.., doc) in &group {
        conflict |= take(&mut all.time, &doc.time);
        conflict |= take(&mut all.request, &doc.request);
        conflict |= take(&mut all.model, &doc.model);
        conflict |= take(&mut all.account, &doc.account);
        conflict |= take(&mut all.input, &doc.input);
        conflict |= take(&mut all.output, &doc.output);
        conflict |= take(&mut all.cache_read, &doc.cache_read);
        conflict |= take(&mut all.inference, &doc.inference);
        conflict |= take(&mut all.caller, &doc.caller);
        // Only metadata documents have one.
        take(&mut all.latency, &doc.latency);
    }
    truth.conflicts += u64::from(conflict);
    let (.., (key, source), _) =
        group.iter().find(|document| document.0 == folder).cloned().expect("one of its own folder");
    add(records, truth, all, Some(folder), (key, source, 0));
}

/// Rule F16: the greater is the better copy.
fn compare(a: &Known, b: &Known) -> Ordering {
    let counts =
        |record: &Known| u8::from(record.doc.input.is_some()) + u8::from(record.doc.output.is_some());
    let known = |record: &Known| {
        let doc = &record.doc;
        [doc.input.is_some(), doc.output.is_some(), doc.cache_read.is_some(), doc.latency.is_some()]
            .into_iter()
            .chain([doc.inference.is_some(), doc.caller.is_some()])
            .filter(|is_known| *is_known)
            .count()
    };
    let values = |record: &Known| {
        let doc = &record.doc;
        (doc.input, doc.output, doc.cache_read, doc.latency, doc.inference, doc.caller)
    };
    counts(a)
        .cmp(&counts(b))
        .then(known(a).cmp(&known(b)))
        .then(values(a).cmp(&values(b)))
        .then(a.seconds.cmp(&b.seconds))
        .then(b.place.cmp(&a.place))
}

/// What a run gave, in the model's form.
pub(crate) fn found(outcome: &Outcome) -> Truth {
    let sum = |reasons: &BTreeMap<&'static str, u64>| reasons.values().sum::<u64>();
    let tally = &outcome.ledger.tally;
    let mut kept: BTreeMap<UtcHour, BTreeMap<(String, usize, u64), Kept>> = BTreeMap::new();
    for (hour, invocations) in &outcome.hours {
        for (invocation, _) in invocations {
            let planned = &outcome.plan.objects[invocation.object as usize];
            let key = String::from_utf8(planned.object.key.to_vec()).expect("keys of this test are ASCII");
            let place = (key, planned.source as usize, invocation.offset);
            let what = (
                invocation.request_id.to_string(),
                invocation.facets.account.as_deref().map(str::to_owned),
                invocation.input_tokens.get(),
                invocation.output_tokens.get(),
                invocation.latency_ms.get(),
            );
            assert!(kept.entry(*hour).or_default().insert(place, what).is_none(), "given twice");
        }
    }
    Truth {
        kept,
        duplicates: outcome.ledger.duplicates_total(),
        out_of_range: tally.out_of_range,
        other_schema: tally.other_schema,
        documents_rejected: sum(&tally.documents_rejected),
        records_rejected: sum(&tally.records_rejected),
        joined: tally.documents_joined,
        superseded: outcome.warnings("document_superseded"),
        conflicts: outcome.warnings("document_conflict"),
        strays: outcome.warnings("stray"),
        objects_listed: outcome.ledger.objects_listed,
        objects_failed: sum(&outcome.ledger.objects_failed),
    }
}

/// The hours that folders lie in; records may lie up to 20 hours outside.
const FOLDERS: std::ops::Range<i64> = 24..48;

fn near_hour(center: i64) -> impl Strategy<Value = i64> {
    prop_oneof![5 => Just(0), 2 => Just(-1), 2 => Just(1), 1 => -20i64..=20]
        .prop_map(move |away| center + away)
}

/// Folder hours: most in a few neighbouring ones, so that much meets; some anywhere.
fn folder_hour() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 30i64..36, 1 => FOLDERS]
}

fn few<T: Clone + std::fmt::Debug + 'static>(values: &[T]) -> impl Strategy<Value = T> + use<T> {
    prop::sample::select(values.to_vec())
}

fn minute_second() -> impl Strategy<Value = (i64, i64)> {
    few(&[(0, 0), (0, 1), (30, 0), (59, 59)])
}

fn doc(center: i64, requests: u64) -> impl Strategy<Value = Doc> {
    let count = || prop::option::weighted(0.6, 0u64..3);
    (
        (near_hour(center), minute_second()),
        prop::option::weighted(0.93, 0..requests),
        prop::option::weighted(0.95, 0u8..2),
        prop::option::weighted(0.5, 1u8..3),
        (count(), count(), prop::option::weighted(0.2, 0u64..3)),
        (prop::option::weighted(0.2, 0u8..2), prop::option::weighted(0.2, 0u8..2)),
        prop::bool::weighted(0.95),
    )
        .prop_map(
            |((hour, (minute, second)), request, model, account, counts, (inference, caller), has_time)| {
                Doc {
                    time: has_time.then_some((hour, minute, second)),
                    request,
                    model,
                    account,
                    input: counts.0,
                    output: counts.1,
                    cache_read: counts.2,
                    inference,
                    caller,
                    latency: None,
                }
            },
        )
}

fn line(center: i64) -> impl Strategy<Value = Line> {
    let record = doc(center, 5);
    prop_oneof![
        12 => record.prop_map(Line::Record),
        1 => doc(center, 5).prop_map(Line::OtherSchema),
        1 => Just(Line::Bad),
    ]
}

fn record_file() -> impl Strategy<Value = File> {
    let place = prop_oneof![
        5 => (1u8..3, folder_hour(), 0u8..2).prop_map(|(owner, hour, name)| (Place::Aws(owner, hour, name), hour)),
        1 => (0u8..3, FOLDERS).prop_map(|(name, hour)| (Place::Loose(name), hour)),
    ];
    let file = place.prop_flat_map(|(place, center)| {
        (
            Just(place),
            prop::collection::vec(line(center), 1..5),
            0usize..2,
            any::<bool>(),
            prop::bool::weighted(0.1),
        )
    });
    file.prop_map(|(place, mut lines, source, gzip, fails)| {
        // A loose file without any record is foreign, which is another test's affair.
        if matches!(place, Place::Loose(_)) && !lines.iter().any(|line| matches!(line, Line::Record(_))) {
            lines.push(Line::Record(Doc {
                request: Some(0),
                model: Some(0),
                time: Some((30, 0, 0)),
                ..Doc::default()
            }));
        }
        File { source, place, lines, gzip, fails }
    })
}

/// The documents of one request: most lie together, some straddle, some are not there.
fn request_files() -> impl Strategy<Value = Vec<File>> {
    let kinds =
        [DocumentKind::Invocation, DocumentKind::Metadata, DocumentKind::Request, DocumentKind::Response];
    let head = (folder_hour(), 0u64..5, 0usize..2, prop_oneof![4 => Just(0u8), 1 => Just(1u8)]);
    head.prop_flat_map(move |(center, request, source, root)| {
        let one = (
            few(&kinds),
            prop_oneof![5 => Just(0i64), 2 => Just(-1), 2 => Just(1), 1 => -3i64..=3],
            doc(center, 5),
            prop::option::weighted(0.7, 0u64..3),
            (prop::bool::weighted(0.3), prop::bool::weighted(0.05), prop::bool::weighted(0.05)),
        );
        let one = one.prop_map(move |(kind, away, mut doc, latency, (gzip, fails, mismatch))| {
            doc.request = if mismatch { Some(request + 1) } else { Some(request).filter(|_| !gzip) };
            doc.latency = latency.filter(|_| kind == DocumentKind::Metadata);
            let place = Place::Split(root, center + away, kind, request);
            File { source, place, lines: vec![Line::Record(doc)], gzip, fails }
        });
        prop::collection::vec(one, 1..6)
    })
}

fn range() -> impl Strategy<Value = Option<((i64, i64), (i64, i64))>> {
    let ends = (22i64..40, few(&[0i64, 30]), 0i64..8, few(&[1i64, 30]));
    prop::option::weighted(
        0.4,
        ends.prop_map(|(first, minute, more, end)| {
            (
                (first, minute),
                if end == 1 { (first + more + 1, 0) } else { (first + more, end.max(minute + 1)) },
            )
        }),
    )
}

/// Small worlds in which everything meets.
pub(crate) fn world() -> impl Strategy<Value = World> {
    let files =
        (prop::collection::vec(record_file(), 0..7), prop::collection::vec(request_files(), 0..4), range());
    files.prop_map(|(records, requests, range)| World {
        files: records.into_iter().chain(requests.into_iter().flatten()).collect(),
        range,
    })
}
