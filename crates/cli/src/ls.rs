//! `borehole ls`: what a prefix holds, by layout, day or hour, kind, storage class and size; nothing is read.
//!
//! In: the listing of each source, by the same walk as a run's plan. Out: sums on stdout. Always: only sums are held,
//! never keys, so a bucket of any size fits into memory; what could not be listed is told and makes the answer
//! incomplete. Absent: anything that only the objects' bytes would tell.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use borehole_record::{DocumentKind, Key, Timestamp, UtcDay, UtcHour};
use borehole_scan::{ListOptions, Plan, Progress, Range, Source};
use borehole_store::{
    Error, EscapedKey, Listed, Object, ReadFailure, Ready, Receipt, Restore, StorageClass, Store,
};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::Outcome;
use crate::args::Format;
use crate::columns::{Align, aligned, counted, size, thousands};
use crate::exit::{Exit, escaped};
use crate::json_text::json_text;
use crate::places::{EmptyStore, Places, S3Args};
use crate::range::{self, RangeArgs};
use crate::{output, progress};

/// Sums held at once, about 200 bytes each. A year by the hour with a hundred streams has a million; prefixes that
/// somebody made up for the purpose fold into one.
const SUMS_MAX: usize = 2_000_000;

/// What a prefix holds, by layout, day, kind, storage class and size; nothing is read.
///
/// SOURCE is s3://BUCKET[/PREFIX], a directory, or a name from borehole.toml; a date at its end is a range of time.
/// On S3 without any range, the last 14 days are listed.
///
/// Exit codes: 0 complete, 2 wrong arguments, 3 something could not be listed, 4 no answer, 5 nothing found.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # What a bucket holds, by day
  borehole ls s3://bedrock-logs-mcp
  # Hour by hour of one day
  borehole ls s3://bedrock-logs-mcp/2024/03/11 --by hour
  # By account and Region
  borehole ls prod --last 90d --by stream
  # For another program
  borehole ls dump/ --format json")]
pub(crate) struct Ls {
    /// Where the logs are
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,

    /// What a line of the table covers
    #[arg(long, value_enum, value_name = "UNIT", default_value = "day")]
    pub by: Unit,
    /// What to write to stdout
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub format: Format,

    #[command(flatten)]
    pub range: RangeArgs,
    #[command(flatten)]
    pub s3: S3Args,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Unit {
    /// One hour
    Hour,
    /// One day
    Day,
    /// The whole range
    Stream,
}

/// Runs the command.
pub(crate) fn run(args: &Ls) -> Outcome {
    let mut places = Places::new(&args.s3)?;
    let sources = places.sources(&args.sources)?;
    let asked = args.range.asked_or_recent(&sources)?;
    let holdings = Holdings::list(&sources, asked, args)?;
    for (source, key, reason) in &holdings.failed_shown {
        tell!("{reason} {}/{}", escaped(&sources[*source].name), EscapedKey(key));
    }
    let failed: u64 = holdings.failed.values().sum();
    if holdings.is_empty() && failed == 0 {
        tell!("nothing found: {}", range::in_words(&holdings.range));
        tell!("hint: no object lies there; check the prefix or the range (--all lists everything)");
        return Ok(Exit::Nothing);
    }
    let text = match args.format {
        Format::Text => holdings.text(&sources),
        Format::Json => holdings.json(&sources, args.by),
    };
    output::to_stdout(&text)?;
    if failed > 0 {
        tell!(
            "incomplete: could not be listed: {} (files, or folders with all that is in them)",
            thousands(failed)
        );
        return Ok(Exit::Incomplete);
    }
    Ok(Exit::Complete)
}

/// What one key prefix delivers, of what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stream {
    source: usize,
    layout: Layout,
    /// `AWSLogs` layout only.
    account: Option<Box<str>>,
    region: Option<Box<str>>,
    /// What stands before the layout's own part.
    prefix: Box<[u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layout {
    Aws,
    Split,
    /// Keys that name no hour.
    Other,
}

impl Layout {
    fn as_str(self) -> &'static str {
        match self {
            Layout::Aws => "aws",
            Layout::Split => "split",
            Layout::Other => "other",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Records,
    Invocations,
    Metadata,
    Requests,
    Responses,
    Payloads,
    /// What AWS and consoles leave behind: no data.
    Markers,
    Temporary,
    NotRegularFiles,
    Others,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Records => "records",
            Kind::Invocations => "invocations",
            Kind::Metadata => "metadata",
            Kind::Requests => "requests",
            Kind::Responses => "responses",
            Kind::Payloads => "payloads",
            Kind::Markers => "markers",
            Kind::Temporary => "temporary files",
            Kind::NotRegularFiles => "not regular files",
            Kind::Others => "other objects",
        }
    }

    /// Whether its objects say that an hour has records.
    fn is_records(self) -> bool {
        matches!(self, Kind::Records | Kind::Invocations | Kind::Metadata | Kind::Requests | Kind::Responses)
    }
}

/// A sum's place: half-open in hours; `None` where the key names no time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    stream: u32,
    hours: Option<(UtcHour, UtcHour)>,
    kind: Kind,
    class: StorageClass,
    restore: Restore,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    objects: u64,
    bytes: u64,
}

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Sum) {
        self.objects += other.objects;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

impl Place {
    fn is_archived(&self) -> bool {
        matches!(self.class, StorageClass::Glacier | StorageClass::DeepArchive)
            && self.restore != Restore::Restored
    }
}

/// Everything that was found, summed up.
#[derive(Default)]
struct Holdings {
    range: Range,
    streams: BTreeMap<Stream, u32>,
    /// By number of the stream: folder hours with records.
    hours: Vec<BTreeSet<UtcHour>>,
    sums: BTreeMap<Place, Sum>,
    failed: BTreeMap<&'static str, u64>,
    failed_shown: Vec<(usize, Box<[u8]>, &'static str)>,
    /// Folders in buckets that lead too far from where the source begins.
    not_entered: u64,
    /// Sums that were more than are held.
    folded: bool,
}

impl Holdings {
    fn list(sources: &[Source], asked: Range, args: &Ls) -> anyhow::Result<Self> {
        let shared = Arc::new(Mutex::new(Holdings::default()));
        let listing = ListOptions { keep_lines: false, payloads: true, any_key: false, keep_listing: false };
        // The date-shaped tails of all sources together say what is near; asked before anything is listed.
        let range = Plan::list(&silent(sources), asked, listing, &Progress::default())?.range;
        lock(&shared).range = range;
        let watched = Arc::new(Progress::default());
        let counted: Vec<Source> = sources
            .iter()
            .enumerate()
            .map(|(number, source)| {
                let store = Counting {
                    inner: Arc::clone(&source.store),
                    source: number,
                    unit: args.by,
                    holdings: Arc::clone(&shared),
                };
                Source { store: Arc::new(store), ..source.clone() }
            })
            .collect();
        let shown = progress::show(Arc::clone(&watched), false);
        let plan = Plan::list(&counted, asked, listing, &watched)?;
        drop(shown);
        drop(counted);
        let mut holdings = std::mem::take(&mut *lock(&shared));
        for (reason, count) in &plan.ledger.objects_failed {
            *holdings.failed.entry(reason).or_default() += count;
        }
        holdings.not_entered = plan.ledger.tally.warnings.get("folder_not_searched").copied().unwrap_or(0);
        Ok(holdings)
    }

    fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    fn add(&mut self, source: usize, unit: Unit, object: &Object) {
        let key = &*object.key;
        let parsed = Key::parse(key);
        let stream = |layout, prefix: &[u8]| Stream {
            source,
            layout,
            account: None,
            region: None,
            prefix: prefix.into(),
        };
        let day = |day: UtcDay| (UtcHour(day.0 * 24), UtcHour(day.0 * 24 + 24));
        let (stream, hours, kind) = match parsed {
            Key::AwsRecord { prefix, account, region, hour } => (
                aws_stream(source, prefix, account, region),
                Some((hour, UtcHour(hour.0 + 1))),
                Kind::Records,
            ),
            Key::AwsPayload { hour } => {
                (payload_stream(source, key), Some((hour, UtcHour(hour.0 + 1))), Kind::Payloads)
            }
            Key::SplitDocument { prefix, hour, kind, .. } => {
                let kind = match kind {
                    DocumentKind::Invocation => Kind::Invocations,
                    DocumentKind::Metadata => Kind::Metadata,
                    DocumentKind::Request => Kind::Requests,
                    DocumentKind::Response => Kind::Responses,
                    DocumentKind::Record => Kind::Records,
                };
                (stream(Layout::Split, prefix), Some((hour, UtcHour(hour.0 + 1))), kind)
            }
            Key::SplitPayload { prefix, day: of, .. } => {
                (stream(Layout::Split, prefix), Some(day(of)), Kind::Payloads)
            }
            Key::PermissionMarker | Key::FolderMarker | Key::WriteTestMarker => {
                (stream(Layout::Other, b""), None, Kind::Markers)
            }
            Key::TempFile => (stream(Layout::Other, b""), None, Kind::Temporary),
            Key::Other => (stream(Layout::Other, b""), None, Kind::Others),
        };
        let (from, to) = self.range.hours();
        if hours.is_some_and(|(first, end)| end <= from || first >= to) {
            return;
        }
        let sum = Sum { objects: 1, bytes: object.size.unwrap_or(0) };
        self.put(stream, hours, kind, object, unit, sum);
    }

    fn put(
        &mut self,
        stream: Stream,
        hours: Option<(UtcHour, UtcHour)>,
        kind: Kind,
        object: &Object,
        unit: Unit,
        sum: Sum,
    ) {
        let is_new = !self.streams.contains_key(&stream);
        let fold = |stream: Stream| Stream { prefix: Box::default(), account: None, region: None, ..stream };
        let stream = if is_new && self.sums.len() >= SUMS_MAX {
            self.folded = true;
            fold(stream)
        } else {
            stream
        };
        let next = u32::try_from(self.streams.len()).unwrap_or(u32::MAX);
        let number = *self.streams.entry(stream).or_insert(next);
        if number == next {
            self.hours.push(BTreeSet::new());
        }
        if let (Some((hour, _)), true) = (hours, kind.is_records()) {
            self.hours[number as usize].insert(hour);
        }
        let hours = hours.and_then(|(first, end)| match unit {
            Unit::Hour => Some((first, end)),
            Unit::Day => {
                let day = first.0.div_euclid(24);
                Some((UtcHour(day * 24), UtcHour(day * 24 + 24)))
            }
            Unit::Stream => None,
        });
        let (class, restore) = (object.class, object.restore);
        let place = Place { stream: number, hours, kind, class, restore };
        *self.sums.entry(place).or_default() += sum;
    }

    fn skip(&mut self, source: usize, unit: Unit, key: &[u8]) {
        let stream =
            Stream { source, layout: Layout::Other, account: None, region: None, prefix: Box::default() };
        let sum = Sum { objects: 1, bytes: 0 };
        self.put(stream, None, Kind::NotRegularFiles, &Object::unlisted(key), unit, sum);
    }

    fn fail(&mut self, source: usize, key: &[u8], reason: ReadFailure) {
        const SHOWN: usize = 10;
        *self.failed.entry(reason.as_str()).or_default() += 1;
        if self.failed_shown.len() < SHOWN {
            self.failed_shown.push((source, key.into(), reason.as_str()));
        }
    }

    /// The sums of one stream, in order.
    fn of_stream(&self, number: u32) -> impl Iterator<Item = (&Place, &Sum)> {
        self.sums.iter().filter(move |(place, _)| place.stream == number)
    }

    fn total(&self, wanted: impl Fn(&Place) -> bool) -> Sum {
        let mut total = Sum::default();
        for (_, sum) in self.sums.iter().filter(|(place, _)| wanted(place)) {
            total += *sum;
        }
        total
    }

    fn text(&self, sources: &[Source]) -> String {
        let mut out = String::new();
        for (number, source) in sources.iter().enumerate() {
            if number > 0 {
                out.push('\n');
            }
            let where_in = if source.prefix.is_empty() || source.s3.is_none() {
                String::new()
            } else {
                format!("/{}", EscapedKey(&source.prefix))
            };
            out += &format!("{}{where_in}, {}\n", escaped(&source.name), range::in_words(&self.range));
            let streams: Vec<_> = self.streams.iter().filter(|(stream, _)| stream.source == number).collect();
            if streams.is_empty() {
                out += "  nothing\n";
                continue;
            }
            let mut rows = Vec::new();
            for (stream, id) in streams {
                rows.push(Row::Head(stream_in_words(stream)));
                let mut last = String::new();
                for (place, sum) in self.of_stream(*id) {
                    let time = place.hours.map(time_in_words).unwrap_or_default();
                    // A day's name stands on its first line only.
                    let shown = if time == last { String::new() } else { time.clone() };
                    last = time;
                    rows.push(Row::Cells(vec![
                        shown,
                        place.kind.as_str().to_owned(),
                        class_in_words(place),
                        thousands(sum.objects),
                        size(sum.bytes),
                    ]));
                }
                if let Some(hours) = self.hours_in_words(*id) {
                    rows.push(Row::Head(format!("  {hours}")));
                }
            }
            out += &table(&rows);
        }
        let all = self.total(|_| true);
        out += &format!("\n{}, {} stored", counted(all.objects, "object"), size(all.bytes));
        let archived = self.total(Place::is_archived);
        if archived.objects > 0 {
            out += &format!("; archived: {}, {}", counted(archived.objects, "object"), size(archived.bytes));
        }
        out.push('\n');
        if archived.objects > 0 {
            out += "archived objects are read only after `borehole restore`\n";
        }
        if self.not_entered > 0 {
            out += &format!(
                "{} of no known layout not looked into, too deep below the source; name one as SOURCE to see it\n",
                counted(self.not_entered, "folder")
            );
        }
        if self.folded {
            out += "there are more prefixes than can be shown; the rest is summed up without its prefix\n";
        }
        out
    }

    /// Hours with records, and the gaps between the first and the last.
    fn hours_in_words(&self, stream: u32) -> Option<String> {
        const GAPS_SHOWN: usize = 6;
        let hours = &self.hours[stream as usize];
        let (first, last) = (hours.first()?, hours.last()?);
        let span = last.0 - first.0 + 1;
        let gaps = gaps(hours);
        if span == 1 {
            return Some(format!("one hour has records: {}", hour_span(*first, UtcHour(last.0 + 1))));
        }
        if gaps.is_empty() {
            return Some(format!("every hour of {} has records", hour_span(*first, UtcHour(last.0 + 1))));
        }
        let shown: Vec<String> =
            gaps.iter().take(GAPS_SHOWN).map(|&(from, to)| hour_span(from, to)).collect();
        let more = gaps.len().saturating_sub(GAPS_SHOWN);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        Some(format!("{} of {span} hours have records; none in {}{more}", hours.len(), shown.join(", ")))
    }

    fn json(&self, sources: &[Source], unit: Unit) -> String {
        let streams: Vec<(&Stream, u32)> =
            self.streams.iter().map(|(stream, number)| (stream, *number)).collect();
        let time = |hour: UtcHour| Value::from(hour.to_string());
        let moment = |time: Option<Timestamp>| time.map_or(Value::Null, |time| time.to_string().into());
        let rows = |number: u32| -> Vec<Value> {
            let rows = self.of_stream(number).map(|(place, sum)| {
                let mut row = json!({
                    "kind": place.kind.as_str(),
                    "storage_class": place.class.as_str(),
                    "objects": sum.objects,
                    "bytes": sum.bytes,
                });
                if let Some((from, to)) = place.hours {
                    row["from"] = time(from);
                    row["to"] = time(to);
                }
                if matches!(place.class, StorageClass::Glacier | StorageClass::DeepArchive) {
                    row["restore"] = restore_word(place.restore).into();
                }
                row
            });
            rows.collect()
        };
        let streams: Vec<Value> = streams
            .iter()
            .map(|(stream, number)| {
                let hours = &self.hours[*number as usize];
                let gaps: Vec<Value> = gaps(hours)
                    .iter()
                    .map(|&(from, to)| json!({"from": time(from), "to": time(to)}))
                    .collect();
                let mut value = json!({
                    "source": sources[stream.source].name,
                    "layout": stream.layout.as_str(),
                    "prefix": EscapedKey(&stream.prefix).to_string(),
                });
                if let (Some(account), Some(region)) = (&stream.account, &stream.region) {
                    value["account"] = Value::from(&**account);
                    value["region"] = Value::from(&**region);
                }
                if let (Some(first), Some(last)) = (hours.first(), hours.last()) {
                    value["coverage"] = json!({
                        "from": time(*first),
                        "to": time(UtcHour(last.0 + 1)),
                        "hours": last.0 - first.0 + 1,
                        "hours_with_objects": hours.len(),
                        "gaps": gaps,
                    });
                }
                value["rows"] = rows(*number).into();
                value
            })
            .collect();
        let sum = |sum: Sum| json!({"objects": sum.objects, "bytes": sum.bytes});
        let by = match unit {
            Unit::Hour => "hour",
            Unit::Day => "day",
            Unit::Stream => "stream",
        };
        let value = json!({
            "schema": "borehole.ls/1",
            "complete": self.failed.is_empty(),
            "range": {"from": moment(self.range.from), "to": moment(self.range.to)},
            "by": by,
            "streams": streams,
            "totals": sum(self.total(|_| true)),
            "archived": sum(self.total(Place::is_archived)),
            "failed": self.failed,
            "folders_not_searched": self.not_entered,
        });
        json_text(&value)
    }
}

/// The sources with nothing in them: what a plan of them tells is the range.
fn silent(sources: &[Source]) -> Vec<Source> {
    sources
        .iter()
        .map(|source| Source { store: Arc::new(EmptyStore { is_remote: false }), ..source.clone() })
        .collect()
}

fn aws_stream(source: usize, prefix: &[u8], account: &str, region: &str) -> Stream {
    let (account, region) = (Some(account.into()), Some(region.into()));
    Stream { source, layout: Layout::Aws, account, region, prefix: prefix.into() }
}

/// A payload's stream is that of the records beside its folder, where its key tells so much.
fn payload_stream(source: usize, key: &[u8]) -> Stream {
    let folder = key.windows(6).rposition(|window| window == b"/data/").map_or(&key[..0], |at| &key[..at]);
    match Key::parse(&[folder, b"/0.json"].concat()) {
        Key::AwsRecord { prefix, account, region, .. } => aws_stream(source, prefix, account, region),
        _ => Stream { source, layout: Layout::Aws, account: None, region: None, prefix: Box::default() },
    }
}

/// Hours without records between the first and the last with some, as half-open ranges.
fn gaps(hours: &BTreeSet<UtcHour>) -> Vec<(UtcHour, UtcHour)> {
    let pairs = hours.iter().zip(hours.iter().skip(1));
    pairs.filter(|(a, b)| b.0 - a.0 > 1).map(|(a, b)| (UtcHour(a.0 + 1), *b)).collect()
}

enum Row {
    Head(String),
    Cells(Vec<String>),
}

/// All cells of a source in one grid, with the streams' own lines between them.
fn table(rows: &[Row]) -> String {
    const COLUMNS: [Align; 5] = [Align::Left, Align::Left, Align::Left, Align::Right, Align::Right];
    let cells: Vec<Vec<String>> = rows
        .iter()
        .filter_map(|row| match row {
            Row::Cells(cells) => Some(cells.clone()),
            Row::Head(_) => None,
        })
        .collect();
    let grid = aligned(&cells, &COLUMNS, 4);
    let mut lines = grid.lines();
    let mut out = String::new();
    for row in rows {
        match row {
            Row::Head(text) => out += &format!("  {text}\n"),
            Row::Cells(_) => {
                out += lines.next().unwrap_or_default();
                out.push('\n');
            }
        }
    }
    out
}

fn stream_in_words(stream: &Stream) -> String {
    let prefix = if stream.prefix.is_empty() {
        String::new()
    } else {
        format!(" below {}", EscapedKey(&stream.prefix))
    };
    match (&stream.account, &stream.region) {
        (Some(account), Some(region)) => format!("aws layout, {account} {region}{prefix}"),
        _ => match stream.layout {
            Layout::Aws => format!("aws layout, payloads only{prefix}"),
            Layout::Split => format!("split layout{prefix}"),
            Layout::Other => "no layout".to_owned(),
        },
    }
}

/// A day, or an hour where the key names one and that is asked for.
fn time_in_words((from, to): (UtcHour, UtcHour)) -> String {
    let text = from.to_string();
    let end = if to.0 - from.0 == 1 { 13 } else { 10 };
    text.get(..end).unwrap_or(&text).replace('T', " ")
}

/// `2024-03-11 09`, or with its end: `2024-03-11 12 to 2024-03-11 21`, the last hour included.
fn hour_span(from: UtcHour, to: UtcHour) -> String {
    let hour = |hour: UtcHour| time_in_words((hour, UtcHour(hour.0 + 1)));
    let last = UtcHour(to.0 - 1);
    if last == from {
        return hour(from);
    }
    let (first, last) = (hour(from), hour(last));
    match (first.split_once(' '), last.split_once(' ')) {
        (Some((day, _)), Some((same, end))) if day == same => format!("{first}–{end}"),
        _ => format!("{first} to {last}"),
    }
}

fn class_in_words(place: &Place) -> String {
    let class = match place.class {
        StorageClass::Standard => "",
        class => class.as_str(),
    };
    match (place.class, place.restore) {
        (StorageClass::Glacier | StorageClass::DeepArchive, restore) => {
            format!("{class} ({})", restore_word(restore).replace('_', " "))
        }
        _ => class.to_owned(),
    }
}

fn restore_word(restore: Restore) -> &'static str {
    match restore {
        Restore::None => "archived",
        Restore::InProgress => "restore_in_progress",
        Restore::Restored => "restored",
    }
}

fn lock(holdings: &Mutex<Holdings>) -> MutexGuard<'_, Holdings> {
    holdings.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A store whose listing is counted and goes no further, so that a plan of it walks and keeps nothing.
struct Counting {
    inner: Arc<dyn Store>,
    source: usize,
    unit: Unit,
    holdings: Arc<Mutex<Holdings>>,
}

impl Counting {
    /// What the plan is told: only that a folder was denied, which in a bucket decides about the run.
    fn count(&self, listed: Listed, found: &mut dyn FnMut(Listed)) {
        let mut holdings = lock(&self.holdings);
        match listed {
            Listed::Object(object) => holdings.add(self.source, self.unit, &object),
            Listed::Skipped { key, .. } => holdings.skip(self.source, self.unit, &key),
            Listed::Failed { key, reason } if self.inner.is_remote() => {
                drop(holdings);
                found(Listed::Failed { key, reason });
            }
            Listed::Failed { key, reason } => holdings.fail(self.source, &key, reason),
        }
    }
}

impl Store for Counting {
    fn list(
        &self,
        prefix: &[u8],
        enter: &mut dyn FnMut(&[u8]) -> bool,
        found: &mut dyn FnMut(Listed),
    ) -> Result<(), Error> {
        self.inner.list(prefix, enter, &mut |listed| self.count(listed, found))
    }

    fn list_flat(&self, folders: &[Vec<u8>], found: &mut dyn FnMut(Listed)) -> Result<(), Error> {
        self.inner.list_flat(folders, &mut |listed| self.count(listed, found))
    }

    fn read(&self, _object: &Object, _take: &mut dyn FnMut(&[u8]) -> bool) -> Result<Receipt, ReadFailure> {
        Err(ReadFailure::Stopped)
    }

    fn head(&self, key: &[u8]) -> Result<Option<Object>, ReadFailure> {
        self.inner.head(key)
    }

    fn is_remote(&self) -> bool {
        self.inner.is_remote()
    }

    fn fetch(&self, _object: &Object, ready: Ready) -> Result<(), Ready> {
        Err(ready)
    }

    fn stopped(&self) -> Option<Error> {
        self.inner.stopped()
    }
}
