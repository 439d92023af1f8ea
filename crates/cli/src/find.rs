//! `borehole find`: one request across the buckets: every object that belongs to it, and its facts.
//!
//! In: a request id and where to look. Out: each document of the request with its place and what it says of the call,
//! each payload with its size, in key order. Always: prompts and answers are shown only with `--show-body`, and never
//! what a key or a field says without escaping it; copies are all shown; an object that could not be read makes the
//! answer incomplete. Absent: joining documents, following a reference further than one step.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use borehole_record::{
    BodyPlace, ContentKinds, Count, DecodeOptions, Document, DocumentKind, Invocation, Key, RequestId,
    Timestamp, UtcHour, time,
};
use borehole_scan::compact::{Compactor, Sides};
use borehole_scan::{
    ListOptions, LookedUp, PayloadPlaces, PayloadRoot, Plan, Planned, Progress, Range, Role, Source,
    SurveyOptions, limits, survey,
};
use borehole_store::{EscapedKey, Object, Store};
use clap::Args;
use serde_json::{Value, json};

use crate::Outcome;
use crate::args::{Format, cores};
use crate::columns::{counted, size, thousands};
use crate::envelope::{self, kind_word};
use crate::exit::{Exit, UsageError, escaped};
use crate::json_text::json_text;
use crate::places::{Places, S3Args};
use crate::range::{self, RangeArgs};
use crate::remembered::Remembered;
use crate::{bodies, output, progress};

/// Copies of one request that are shown. A request has one record, seldom two; thousands are somebody's joke.
const DOCUMENTS_MAX: usize = 1_000;

/// Bytes of an untrusted string that are shown.
const TEXT_MAX: usize = 1_100;

/// One request across the buckets: every object that belongs to it, and its facts.
///
/// REQUEST-ID is the `requestId` of the log, or the one in a Bedrock response (`x-amzn-requestid`). Documents of the
/// split layout and payloads are found by their keys; in the aws layout the records of the range are read. The date
/// makes that quick: without one, a bucket is searched for the last 14 days.
///
/// Exit codes: 0 found, 2 wrong arguments, 3 something could not be read, 4 no answer, 5 not found.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Every object of one request
  borehole find 0b2c1a54-1111-4222-8333-123456789abc dump/
  # In a bucket, on the day that the caller's own log says
  borehole find 0b2c1a54-1111-4222-8333-123456789abc s3://bedrock-logs-mcp --date 2024-03-11
  # In a source of borehole.toml
  borehole find 0b2c1a54-1111-4222-8333-123456789abc prod --last 2d
  # With the prompt and the answer
  borehole find 0b2c1a54-1111-4222-8333-123456789abc dump/ --large-data payloads/ --show-body")]
pub(crate) struct Find {
    /// The request
    #[arg(value_name = "REQUEST-ID")]
    pub request_id: String,
    /// Where the logs are
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,

    /// Where offloaded payloads are: a directory or s3://BUCKET[/PREFIX]; repeatable
    #[arg(long, value_name = "SOURCE")]
    pub large_data: Vec<String>,
    /// When it was: a day, a month, an hour's folder (2024/03/11/07), or a moment
    #[arg(long, value_name = "DATE", value_parser = parse_date, conflicts_with_all = ["from", "to", "last", "all"])]
    pub date: Option<Range>,
    /// Print the stored documents and text payloads, prompts and answers included
    #[arg(long)]
    pub show_body: bool,
    /// What to write to stdout
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    /// Threads that read and decode [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub threads: Option<u16>,

    #[command(flatten)]
    pub range: RangeArgs,
    #[command(flatten)]
    pub s3: S3Args,
}

/// A day, a month or an hour as a range; a moment is the hour around it.
pub(crate) fn parse_date(text: &str) -> Result<Range, String> {
    let wrong = "expected a date (2024-03-11), a folder (2024/03/11/07) or RFC 3339 (2024-03-11T07:00:00Z)";
    let (from, to) = time::parse_range_end(text).ok_or_else(|| wrong.to_owned())?;
    if from < to {
        return Ok(Range { from: Some(from), to: Some(to) });
    }
    // Somebody's own log and Bedrock's differ by the length of the call and by clocks.
    const AROUND_SECONDS: i64 = 1_800;
    let at = |seconds: i64| Some(Timestamp { seconds, nanos: from.nanos });
    Ok(Range { from: at(from.seconds - AROUND_SECONDS), to: at(from.seconds + AROUND_SECONDS) })
}

/// Runs the command.
pub(crate) fn run(args: &Find) -> Outcome {
    let ids = Wanted::new(&args.request_id)?;
    let mut places = Places::new(&args.s3)?;
    places.also_reads(&args.large_data);
    let sources = places.sources(&args.sources)?;
    let roots = places.payload_roots(&args.large_data)?;
    let payload_sources = places.payload_sources(&args.large_data, true)?;
    let asked = match args.date {
        Some(date) => date,
        None => args.range.asked_or_recent(&sources)?,
    };

    let is_asked = args.date.is_some() || args.range.asked()? != Range::default() || args.range.all;
    let threads = args.threads.map_or_else(cores, usize::from);
    let question = Question { ids: &ids, asked, is_asked, threads };
    let watched = Arc::new(Progress::default());
    let shown = progress::show(Arc::clone(&watched), false);
    let search = search(&question, &sources, payload_sources, &roots, &watched)?;
    drop(shown);

    for warning in &search.warnings {
        tell!("warning: {warning}");
    }
    search.tell_losses(&sources);
    if search.hits.is_empty() && search.others.is_empty() {
        tell!("{} was not found in {}", ids.shown(), search.searched());
        if !search.looked_for_payloads {
            tell!("note: payloads were not listed; with --date they are, too");
        }
        if search.is_complete() {
            if search.plan.range == Range::default() {
                tell!("hint: all of it was searched; is this the requestId of the log?");
            } else {
                tell!("hint: --date, --from, --last and --all search other times; logs arrive minutes late");
            }
        }
        return Ok(if search.is_complete() { Exit::Nothing } else { Exit::Incomplete });
    }
    if args.show_body {
        tell!("warning: what follows holds the text of prompts and answers");
    }
    let text = match args.format {
        Format::Text => search.text(&ids, args.show_body),
        Format::Json => json_text(&search.json(&ids, args.show_body)),
    };
    output::to_stdout(&text)?;
    Ok(if search.is_complete() { Exit::Complete } else { Exit::Incomplete })
}

/// What is searched.
pub(crate) struct Question<'a> {
    /// The request.
    pub ids: &'a Wanted,
    /// When it was.
    pub asked: Range,
    /// Whether somebody said so: only then payloads in buckets are listed before there is a record.
    pub is_asked: bool,
    /// Threads that read and decode.
    pub threads: usize,
}

/// Searches sources and places of payloads. Says nothing on stderr.
///
/// # Errors
/// Where a source cannot be listed, or a store stopped.
pub(crate) fn search(
    question: &Question<'_>,
    sources: &[Source],
    payload_sources: Vec<Source>,
    roots: &[PayloadRoot],
    watched: &Progress,
) -> anyhow::Result<Search> {
    let mut search = Search::records(question, sources, watched)?;
    let is_local = sources.iter().chain(&payload_sources).all(|source| source.s3.is_none());
    search.looked_for_payloads = is_local || question.is_asked || !search.hits.is_empty();
    if search.looked_for_payloads {
        search.payloads(question.ids, sources, payload_sources);
    }
    let plan = std::mem::take(&mut search.plan);
    let payload_places = PayloadPlaces::new(roots, sources, &plan, watched)?;
    search.follow(&payload_places);
    search.plan = plan;
    Ok(search)
}

/// The id as typed and as it would be logged.
pub(crate) struct Wanted {
    spellings: Vec<String>,
    ids: Vec<RequestId>,
}

impl Wanted {
    /// Takes an id as somebody typed it.
    ///
    /// # Errors
    /// Where it cannot be one.
    pub(crate) fn new(typed: &str) -> anyhow::Result<Self> {
        let typed = typed.trim();
        if typed.is_empty() || typed.len() > 512 || typed.contains(['/', ':']) {
            return Err(UsageError {
                message: format!("{typed}: not a request id"),
                hint: Some("the id comes first, then where to look: borehole find REQUEST-ID SOURCE"),
            }
            .into());
        }
        // Ids are logged in lower case; consoles and tickets have them in any.
        let mut spellings = vec![typed.to_owned(), typed.to_ascii_lowercase()];
        spellings.dedup();
        let ids = spellings.iter().map(|spelling| RequestId::parse(spelling)).collect();
        Ok(Wanted { spellings, ids })
    }

    /// Whether a record of this id is meant.
    pub(crate) fn is(&self, id: Option<&RequestId>) -> bool {
        id.is_some_and(|id| self.ids.contains(id))
    }

    /// Whether an object whose key names this id may hold what is meant; those whose key names none may.
    pub(crate) fn may_be_in(&self, key: &[u8]) -> bool {
        match Key::parse(key) {
            Key::SplitDocument { request_id, .. } => self.names(request_id),
            _ => true,
        }
    }

    fn names(&self, request_id: &str) -> bool {
        self.spellings.iter().any(|spelling| spelling == request_id)
    }

    /// Whether a part of a key begins with the id: `ID-request.json`, `ID_input.json.gz`, `ID/payload.json`.
    fn is_in(&self, key: &[u8]) -> bool {
        key.split(|&byte| byte == b'/').any(|part| {
            self.spellings.iter().any(|spelling| {
                part.strip_prefix(spelling.as_bytes())
                    .is_some_and(|rest| rest.first().is_none_or(|byte| !byte.is_ascii_alphanumeric()))
            })
        })
    }

    fn shown(&self) -> String {
        escaped(&self.spellings[0])
    }
}

/// A document of the request.
struct Hit {
    source: Source,
    object: Object,
    role: Role,
    document: Document<'static>,
    /// Account and Region, the key's where the document has none.
    account: Option<String>,
    region: Option<String>,
    /// Input and output bodies that lie elsewhere.
    references: [Option<Reference>; 2],
    /// Of several copies: whether a report counts this one, where that can be said.
    counted: Option<bool>,
}

impl Hit {
    fn kind(&self) -> DocumentKind {
        match self.role {
            Role::Split { kind, .. } => kind,
            Role::Records { .. } | Role::Loose => DocumentKind::Record,
        }
    }

    fn place(&self) -> String {
        place(&self.source, &self.object)
    }
}

struct Reference {
    path: String,
    found: LookedUp,
}

/// An object whose key has the id.
struct Other {
    source: Source,
    object: Object,
}

/// What was found, and what could not be.
pub(crate) struct Search {
    hits: Vec<Hit>,
    /// Documents beyond those that are shown.
    more: u64,
    others: Vec<Other>,
    plan: Plan,
    objects_listed: u64,
    objects_read: u64,
    failed: BTreeMap<&'static str, u64>,
    failed_shown: Vec<(usize, Box<[u8]>, &'static str)>,
    /// Places of payloads that could not be listed.
    not_listed: u64,
    looked_for_payloads: bool,
    /// What else went wrong, escaped.
    pub warnings: Vec<String>,
}

impl Search {
    /// Lists the range, and reads what may hold a record of the request.
    fn records(question: &Question<'_>, sources: &[Source], watched: &Progress) -> anyhow::Result<Search> {
        let &Question { ids, asked, threads, .. } = question;
        let listing = ListOptions { keep_lines: false, payloads: false, any_key: false, keep_listing: false };
        let mut plan = Plan::list(sources, asked, listing, watched)?;
        let mut failed = plan.ledger.objects_failed.clone();
        let objects_listed = plan.ledger.objects_listed;
        plan.objects.retain(|planned| ids.may_be_in(&planned.object.key));
        let found: Mutex<(Vec<(Planned, Document<'static>)>, u64)> = Mutex::default();
        let visit = |planned: &Planned, document: &Document<'_>| {
            let is_split = matches!(planned.role, Role::Split { .. });
            if !is_split && !ids.is(document.request_id.as_ref()) {
                return;
            }
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            if found.0.len() < DOCUMENTS_MAX {
                found.0.push((planned.clone(), document.clone().into_owned()));
            } else {
                found.1 += 1;
            }
        };
        let decode = DecodeOptions {
            facts: true,
            accept_epoch: false,
            lenient_numbers: false,
            allow_double_gzip: false,
            decoded_bytes_max: limits::DECODED_BYTES_MAX,
        };
        let read = survey(&plan, sources, &SurveyOptions { threads, decode }, &visit, watched)?;
        let mut failed_shown = Vec::new();
        for (number, reason) in read.failed {
            const SHOWN: usize = 10;
            *failed.entry(reason).or_default() += 1;
            if let Some(planned) = plan.objects.get(number as usize).filter(|_| failed_shown.len() < SHOWN) {
                failed_shown.push((planned.source as usize, planned.object.key.clone(), reason));
            }
        }
        let (mut found, more) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort_by(|(a, x), (b, y)| {
            (&a.object.key, a.source, x.offset).cmp(&(&b.object.key, b.source, y.offset))
        });
        let hits = found.into_iter().map(|(planned, document)| {
            let stream = &plan.streams[planned.stream as usize];
            let either = |own: &Option<Cow<'_, str>>, key: &Option<Box<str>>| {
                own.as_deref().or(key.as_deref()).map(str::to_owned)
            };
            Hit {
                source: sources[planned.source as usize].clone(),
                account: either(&document.account, &stream.account),
                region: either(&document.region, &stream.region),
                object: planned.object,
                role: planned.role,
                document,
                references: [None, None],
                counted: None,
            }
        });
        let mut hits: Vec<Hit> = hits.collect();
        if more == 0 {
            tell_copies_apart(&mut hits);
        }
        Ok(Search {
            hits,
            more,
            others: Vec::new(),
            plan,
            objects_listed,
            objects_read: read.objects_read,
            failed,
            failed_shown,
            not_listed: 0,
            looked_for_payloads: false,
            warnings: Vec::new(),
        })
    }

    /// Lists the payloads beside the records that were found, or else of the whole range.
    fn payloads(&mut self, ids: &Wanted, sources: &[Source], payload_sources: Vec<Source>) {
        let spellings = ids.spellings.clone();
        let keep = Arc::new(Wanted { ids: Vec::new(), spellings });
        let hours = self
            .hits
            .iter()
            .flat_map(|hit| [hit.role.hour(), hit.document.timestamp.map(UtcHour::of)].into_iter().flatten());
        let (first, last) = (hours.clone().min(), hours.max());
        let range = match (first, last) {
            (Some(first), Some(last)) => Range {
                from: Some(Timestamp::from_seconds(first.start_seconds())),
                to: Some(Timestamp::from_seconds(UtcHour(last.0 + 1).start_seconds())),
            },
            _ => self.plan.range,
        };
        for source in sources.iter().chain(&payload_sources) {
            let keep = Arc::clone(&keep);
            // The tail of the source was a range for the records; around those, payloads may lie beside it.
            let source = Source { range: None, ..source.clone() };
            let (wrapped, remembered) = Remembered::around(&source, move |object| keep.is_in(&object.key));
            let listing =
                ListOptions { keep_lines: false, payloads: true, any_key: false, keep_listing: false };
            if let Err(error) = Plan::list(&[wrapped], range, listing, &Progress::default()) {
                self.warnings.push(escaped(&error.to_string()));
                self.not_listed += 1;
            }
            for object in remembered.take() {
                let is_known = |known: &Object, at: &Source| {
                    known.identity.is_some() && known.identity == object.identity
                        || at.name == source.name && known.key == object.key
                };
                if !self.hits.iter().any(|hit| is_known(&hit.object, &hit.source))
                    && !self.others.iter().any(|other| is_known(&other.object, &other.source))
                {
                    self.others.push(Other { source: source.clone(), object });
                }
            }
        }
    }

    /// Asks for the objects that the documents refer to.
    fn follow(&mut self, places: &PayloadPlaces<'_>) {
        // Of a request's documents in the split layout perhaps one names the account.
        let shared = self.hits.iter().find_map(|hit| hit.account.clone());
        for hit in &mut self.hits {
            let shared = shared.as_deref().filter(|_| matches!(hit.role, Role::Split { .. }));
            let account = hit.account.as_deref().or(shared);
            let bodies = [&hit.document.input_body, &hit.document.output_body];
            hit.references = bodies.map(|body| match body {
                BodyPlace::Reference(path) => {
                    let found = places.look_up(path, account);
                    Some(Reference { path: path.to_string(), found })
                }
                BodyPlace::Absent | BodyPlace::Inline => None,
            });
        }
        // What a record refers to is shown there.
        let referred: Vec<&Reference> =
            self.hits.iter().flat_map(|hit| hit.references.iter().flatten()).collect();
        let is_referred = |other: &Other| {
            referred.iter().any(|reference| match &reference.found {
                LookedUp::Found(_, object) => {
                    other.object.identity.is_some() && object.identity == other.object.identity
                        || other.source.s3.is_some()
                            && reference.path.as_bytes()
                                == [other.source.name.as_bytes(), b"/", &other.object.key].concat()
                }
                _ => false,
            })
        };
        let kept: Vec<bool> = self.others.iter().map(|other| !is_referred(other)).collect();
        let mut kept = kept.into_iter();
        self.others.retain(|_| kept.next().unwrap_or(true));
    }

    fn is_complete(&self) -> bool {
        let lost = |reference: &Reference| matches!(reference.found, LookedUp::Failed(_));
        self.failed.is_empty()
            && self.not_listed == 0
            && self.more == 0
            && !self.hits.iter().flat_map(|hit| hit.references.iter().flatten()).any(lost)
    }

    fn searched(&self) -> String {
        format!(
            "{} ({} of them read), {}",
            counted(self.objects_listed, "object"),
            thousands(self.objects_read),
            range::in_words(&self.plan.range)
        )
    }

    fn tell_losses(&self, sources: &[Source]) {
        for (source, key, reason) in &self.failed_shown {
            tell!("object_failed {reason} {}/{}", escaped(&sources[*source].name), EscapedKey(key));
        }
        if !self.failed.is_empty() {
            let reasons: Vec<String> =
                self.failed.iter().map(|(reason, count)| format!("{reason} {}", thousands(*count))).collect();
            tell!("incomplete: objects that could not be read may hold more of it ({})", reasons.join(", "));
        }
        if self.failed.contains_key("archived") {
            tell!("hint: borehole restore makes archived objects readable");
        }
    }

    fn text(&self, ids: &Wanted, show_body: bool) -> String {
        let mut out = format!(
            "request {}: {}, {}\nsearched {}\n",
            ids.shown(),
            counted(self.hits.len() as u64 + self.more, "document"),
            counted(self.others.len() as u64, "other object"),
            self.searched()
        );
        for hit in &self.hits {
            let _ = write!(out, "\n{} {}\n", kind_word(hit.kind()), hit.place());
            for (label, value) in facts_in_words(hit) {
                let _ = writeln!(out, "  {label:<11} {value}");
            }
            if show_body {
                out += &stored(&*hit.source.store, &hit.object, Some(&hit.document));
                for reference in hit.references.iter().flatten() {
                    if let LookedUp::Found(store, object) = &reference.found {
                        let _ = writeln!(out, "  {}", cut(&reference.path));
                        out += &stored(&**store, object, None);
                    }
                }
            }
        }
        for other in &self.others {
            let _ =
                write!(out, "\n{} {}\n", other_word(&other.object.key), place(&other.source, &other.object));
            let _ = writeln!(out, "  {:<11} {}", "stored", object_in_words(&other.object));
            if show_body {
                out += &stored(&*other.source.store, &other.object, None);
            }
        }
        if self.more > 0 {
            let _ = writeln!(out, "\nand {} more documents with this id", thousands(self.more));
        }
        out
    }

    /// As `--format json` prints it.
    pub(crate) fn json(&self, ids: &Wanted, show_body: bool) -> Value {
        let documents: Vec<Value> = self.hits.iter().map(|hit| hit_json(hit, show_body)).collect();
        let others: Vec<Value> = self
            .others
            .iter()
            .map(|other| {
                let mut value = object_json(&other.object);
                value["kind"] = other_word(&other.object.key).into();
                value["source"] = other.source.name.clone().into();
                value["key"] = EscapedKey(&other.object.key).to_string().into();
                if show_body {
                    add_stored(&mut value, &*other.source.store, &other.object, None);
                }
                value
            })
            .collect();
        let moment = |time: Option<Timestamp>| time.map_or(Value::Null, |time| time.to_string().into());
        let range = self.plan.range;
        json!({
            "schema": "borehole.find/1",
            "complete": self.is_complete(),
            "request_id": ids.spellings[0],
            "range": {"from": moment(range.from), "to": moment(range.to)},
            "documents": documents,
            "documents_not_shown": self.more,
            "objects": others,
            "searched": {
                "objects_listed": self.objects_listed,
                "objects_read": self.objects_read,
                "failed": self.failed,
            },
        })
    }
}

/// Of several copies of a record, says which a report counts: the rule of the run, over what is known here. Where a
/// copy's payload could add to it, nothing is said.
fn tell_copies_apart(hits: &mut [Hit]) {
    let is_record = |hit: &Hit| hit.kind() == DocumentKind::Record;
    let may_grow = |hit: &Hit| {
        let bodies = [&hit.document.input_body, &hit.document.output_body];
        bodies.iter().any(|body| matches!(body, BodyPlace::Reference(_)))
    };
    let records: Vec<(usize, Invocation)> = hits
        .iter()
        .enumerate()
        .filter(|(_, hit)| is_record(hit))
        .filter_map(|(at, hit)| Some((at, invocation(hit, u32::try_from(at).unwrap_or(u32::MAX))?)))
        .collect();
    if records.len() < 2 || hits.iter().any(may_grow) || hits.iter().any(|hit| !is_record(hit)) {
        return;
    }
    let hour = |invocation: &Invocation| UtcHour::of(invocation.timestamp).0;
    for (at, own) in &records {
        let own_call = &own.facets.call;
        let is_better = |(_, other): &(usize, Invocation)| {
            let call = &other.facets.call;
            (&call.account, &call.region) == (&own_call.account, &own_call.region)
                && hour(other).abs_diff(hour(own)) <= limits::SLACK_HOURS.unsigned_abs()
                && other.cmp_completeness(own).is_gt()
        };
        let is_counted = !records.iter().any(is_better);
        hits[*at].counted = Some(is_counted);
    }
}

/// The document in the form in which copies are compared; `None` where a run would reject it.
fn invocation(hit: &Hit, object: u32) -> Option<Invocation> {
    let (account, region) = (hit.account.as_deref(), hit.region.as_deref());
    let document = hit.document.clone();
    Compactor::default().compact(document, Sides::default(), object, account, region).ok()
}

/// What an object is by its key, where it was not read.
fn other_word(key: &[u8]) -> &'static str {
    match Key::parse(key) {
        Key::AwsPayload { .. } | Key::SplitPayload { .. } => "payload",
        Key::SplitDocument { .. } => "document",
        _ => "object",
    }
}

/// Source and key of an object, escaped.
pub(crate) fn place(source: &Source, object: &Object) -> String {
    let name = escaped(&source.name);
    if source.root.is_some() && source.is_file {
        return name;
    }
    // A directory that lies inside a layout has whole keys below the layout's root.
    let root = match (&source.root, source.prefix.is_empty()) {
        (Some(root), false) => escaped(&root.display().to_string()),
        _ => name.trim_end_matches('/').to_owned(),
    };
    format!("{root}/{}", EscapedKey(&object.key))
}

/// An untrusted string, escaped and not too long.
fn cut(text: &str) -> String {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let more = if end < text.len() { "…" } else { "" };
    format!("{}{more}", escaped(&text[..end]))
}

fn object_in_words(object: &Object) -> String {
    let mut words =
        object.size.map_or_else(|| "size unknown".to_owned(), |bytes| format!("{} bytes", thousands(bytes)));
    if object.class != borehole_store::StorageClass::Standard {
        let _ = write!(words, ", {}", object.class.as_str());
    }
    if object.is_archived() {
        words += ", archived";
    }
    words
}

/// The facts that a document has, by label.
fn facts_in_words(hit: &Hit) -> Vec<(&'static str, String)> {
    let document = &hit.document;
    let mut facts = vec![(
        "at",
        format!(
            "byte {} of the decoded object, {} bytes long",
            thousands(document.offset),
            thousands(document.bytes)
        ),
    )];
    let mut fact = |label, value: Option<String>| facts.extend(value.map(|value| (label, value)));
    let text = |text: &Option<Cow<'_, str>>| text.as_deref().map(cut);
    if document.other_schema {
        fact("schema", Some("another one; no figure counts it".to_owned()));
        return facts;
    }
    fact("time", document.timestamp.map(|time| time.to_string()));
    fact("account", hit.account.as_deref().map(cut));
    let inference =
        text(&document.inference_region).map(|region| format!(", run in {region}")).unwrap_or_default();
    fact("region", hit.region.as_deref().map(|region| format!("{}{inference}", cut(region))));
    fact("model", text(&document.model_id));
    fact("operation", text(&document.operation));
    fact("caller", text(&document.identity));
    let status = document.http_status.map(|status| format!("HTTP {status}"));
    let error = text(&document.error_code);
    fact("error", error.clone());
    fact("status", status);
    let tokens = [
        ("input", document.input_tokens),
        ("output", document.output_tokens),
        ("cache read", document.cache_read_tokens),
        ("cache write", document.cache_write_tokens),
    ];
    let known: Vec<String> = tokens
        .iter()
        .filter_map(|(name, count)| Some(format!("{name} {}", thousands(count.get()?))))
        .collect();
    let is_call = matches!(hit.kind(), DocumentKind::Record | DocumentKind::Invocation);
    fact(
        "tokens",
        if known.is_empty() { is_call.then(|| "not logged".to_owned()) } else { Some(known.join(", ")) },
    );
    fact("max_tokens", document.max_tokens.get().map(thousands));
    let milliseconds = |count: Count| count.get().map(|ms| format!("{} ms", thousands(ms)));
    let first =
        milliseconds(document.first_byte_ms).map(|ms| format!(", first byte {ms}")).unwrap_or_default();
    fact("latency", milliseconds(document.latency_ms).map(|ms| format!("{ms}{first}")));
    fact("stop", text(&document.stop_reason));
    fact("tier", text(&document.service_tier));
    if !document.tags.is_empty() {
        // Their keys are the caller's own words, too.
        fact("tags", Some(format!("{} (shown with --show-body)", document.tags.len())));
    }
    let sides = [
        ("input", &document.input_body, document.input_bytes, document.input_kinds, document.has_input),
        ("output", &document.output_body, document.output_bytes, document.output_kinds, document.has_output),
    ];
    for ((label, body, bytes, kinds, is_there), reference) in sides.into_iter().zip(&hit.references) {
        let value = match (body, reference) {
            (BodyPlace::Inline, _) => {
                Some(format!("inline{}{}", bytes_in_words(bytes), kinds_in_words(kinds)))
            }
            (BodyPlace::Reference(path), Some(reference)) => {
                Some(format!("{}: {}", cut(path), reference_in_words(&reference.found)))
            }
            (BodyPlace::Reference(path), None) => Some(cut(path)),
            (BodyPlace::Absent, _) if is_there || bytes.is_known() => {
                Some(format!("no body{}", bytes_in_words(bytes)))
            }
            (BodyPlace::Absent, _) => is_call.then(|| "absent".to_owned()),
        };
        facts.extend(value.map(|value| (label, value)));
    }
    match hit.counted {
        Some(true) => facts.push(("counted", "yes: a report counts this copy".to_owned())),
        Some(false) => facts.push(("counted", "no: a report counts another copy".to_owned())),
        None => {}
    }
    facts
}

fn bytes_in_words(bytes: Count) -> String {
    bytes.get().map(|bytes| format!(", {} bytes", thousands(bytes))).unwrap_or_default()
}

fn kinds_in_words(kinds: ContentKinds) -> String {
    let names: Vec<&str> = kinds.names().collect();
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
}

fn reference_in_words(found: &LookedUp) -> String {
    match found {
        LookedUp::Found(_, object) => format!("found, {}", object_in_words(object)),
        LookedUp::Missing => "missing".to_owned(),
        LookedUp::Refused("bucket") => {
            "not looked up: no source stands for that bucket (--large-data, or borehole.toml)".to_owned()
        }
        LookedUp::Refused(reason) => format!("refused ({reason})"),
        LookedUp::Failed(reason) => format!("failed ({})", reason.as_str()),
    }
}

/// What is stored, as lines behind a bar: a document of an object, or all of it.
fn stored(store: &dyn Store, object: &Object, document: Option<&Document<'_>>) -> String {
    match stored_text(store, object, document) {
        Ok((text, is_cut)) => {
            let more = if is_cut { "  | … (cut)\n" } else { "" };
            format!("{}{more}", bodies::barred(&text))
        }
        Err(why) => format!("  | ({why})\n"),
    }
}

fn stored_text(
    store: &dyn Store,
    object: &Object,
    document: Option<&Document<'_>>,
) -> Result<(String, bool), String> {
    if object.is_archived() {
        return Err("archived: only a restore makes it readable".to_owned());
    }
    let (from, length) = document.map_or((0, None), |document| (document.offset, Some(document.bytes)));
    let span =
        bodies::read_span(store, object, from, length).map_err(|reason| format!("not readable: {reason}"))?;
    match bodies::magic(&span.bytes) {
        Some(magic) => {
            let bytes = span.bytes.len() as u64;
            Err(format!("no text: {magic}, {}{}", if span.is_cut { "more than " } else { "" }, size(bytes)))
        }
        None => Ok((bodies::indented(&span.bytes), span.is_cut)),
    }
}

fn add_stored(value: &mut Value, store: &dyn Store, object: &Object, document: Option<&Document<'_>>) {
    match stored_text(store, object, document) {
        Ok((text, is_cut)) => {
            value["stored_text"] = text.into();
            value["stored_text_cut"] = is_cut.into();
        }
        Err(why) => value["stored_text_absent"] = why.into(),
    }
}

fn object_json(object: &Object) -> Value {
    json!({
        "stored_bytes": object.size,
        "storage_class": object.class.as_str(),
        "archived": object.is_archived(),
    })
}

fn hit_json(hit: &Hit, show_body: bool) -> Value {
    let document = &hit.document;
    let mut value = json!({
        "kind": kind_word(hit.kind()),
        "source": hit.source.name,
        "key": EscapedKey(&hit.object.key).to_string(),
        "offset": document.offset,
        "bytes": document.bytes,
        "object": object_json(&hit.object),
        "counted": hit.counted,
        "other_schema": document.other_schema,
    });
    let mut facts = envelope::facts(document, hit.account.as_deref(), hit.region.as_deref());
    if !document.tags.is_empty() {
        facts.insert("tags".to_owned(), document.tags.len().into());
    }
    value["facts"] = facts.into();
    let sides = ["input", "output"].into_iter().zip(envelope::sides(document));
    for ((name, mut side), reference) in sides.zip(&hit.references) {
        if let Some(Reference { found, .. }) = reference {
            side["outcome"] = match found {
                LookedUp::Found(..) => "found",
                LookedUp::Missing => "missing",
                LookedUp::Refused(_) => "refused",
                LookedUp::Failed(_) => "failed",
            }
            .into();
            match found {
                LookedUp::Found(store, object) => {
                    side["object"] = object_json(object);
                    if show_body {
                        add_stored(&mut side, &**store, object, None);
                    }
                }
                LookedUp::Refused(reason) => side["reason"] = (*reason).into(),
                LookedUp::Failed(reason) => side["reason"] = reason.as_str().into(),
                LookedUp::Missing => {}
            }
        }
        value[name] = side;
    }
    if show_body {
        add_stored(&mut value, &*hit.source.store, &hit.object, Some(document));
    }
    value
}
