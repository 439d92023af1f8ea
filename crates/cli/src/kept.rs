//! What is kept between runs, for the commands that read: datasets that are written beside a run, and datasets and
//! parts that are given as SOURCE.
//!
//! In: the arguments, the sources, what a dataset holds. Out: what the scan takes from earlier runs and where it
//! leaves its own ([`Shelf`]). Always: a dataset belongs to its sources and to the options that change rows; what is
//! damaged in it is told, and counts as absent. Absent: which folders are read and which hours stand (the scan), and
//! what a file looks like (the table).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use borehole_record::{ProfileMap, UtcHour};
use borehole_scan::kept::{Keeper, Kept, KeptRows, Scope, Section, Slot};
use borehole_scan::{ListOptions, Range, Resolve, Source};
use borehole_table::dataset::{self, Dataset, DatasetError, Identity, State};
use borehole_table::invocations::{InvocationReader, Wanted};
use clap::Args;

use crate::exit::UsageError;
use crate::gather::GatherArgs;
use crate::places::EmptyStore;

/// Where results of reading are kept.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Dataset")]
pub(crate) struct DatasetArgs {
    /// Keep what is read in this directory, as Parquet, and read only what has changed the next time [default: on S3,
    /// one in the user's cache directory]
    #[arg(long, value_name = "DIR", conflicts_with = "part")]
    pub dataset: Option<PathBuf>,
    /// Keep nothing, and use nothing that was kept
    #[arg(long, conflicts_with_all = ["dataset", "part"])]
    pub no_dataset: bool,
    /// Which folders of buckets are listed again: those that may still change (of the last three days), or all
    #[arg(long, value_enum, value_name = "WHICH", default_value = "auto")]
    pub relist: Relist,
    /// Write to the dataset although its file system has no locks: nobody else may
    #[arg(long)]
    pub dataset_without_lock: bool,
    /// Read these hours alone and write them to a file, for somebody who gives all such parts as SOURCEs
    #[arg(long, value_name = "FILE")]
    pub part: Option<PathBuf>,
    /// The hours of the part: FROM..TO, whole hours, the end not included; open where one is left out
    #[arg(long, value_name = "FROM..TO", value_parser = parse_hours, requires = "part", conflicts_with_all = ["from", "to", "last"])]
    pub hours: Option<(Option<UtcHour>, Option<UtcHour>)>,
    /// The streams of the part, as `borehole dataset info` names them; repeatable
    #[arg(long, value_name = "STREAM", requires = "part")]
    pub stream: Vec<String>,
    /// Keep what is read of directories, too, where no dataset was named: for a server, which is asked again and again
    #[arg(skip)]
    pub always: bool,
}

/// `--relist`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub(crate) enum Relist {
    /// Folders of buckets that are older than three days and were listed completely are not listed again.
    #[default]
    Auto,
    /// Everything.
    All,
}

/// Hours after which a bucket's folder is taken to be final: deliveries come within minutes, and three days leave room
/// for any that were held up.
const SETTLED_HOURS: i64 = 72;

fn parse_hours(text: &str) -> Result<(Option<UtcHour>, Option<UtcHour>), String> {
    let (from, to) = text.split_once("..").ok_or("expected FROM..TO")?;
    let end = |text: &str| match text {
        "" => Ok(None),
        text => {
            let time = crate::args::parse_time(text)?;
            let hour = UtcHour::of(time);
            let is_whole = time.nanos == 0 && hour.start_seconds() == time.seconds;
            if is_whole { Ok(Some(hour)) } else { Err(format!("{text}: not a whole hour")) }
        }
    };
    let (from, to) = (end(from)?, end(to)?);
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        return Err("the end is not after the beginning".to_owned());
    }
    Ok((from, to))
}

/// The section of what a dataset covers.
const COVERED: &str = "covered";
/// The section of what was listed when nothing could come to it any more.
const SETTLED: &str = "settled";

/// One open place.
struct Volume {
    dataset: Dataset,
    states: BTreeMap<Slot, State>,
    covered: Vec<(UtcHour, UtcHour)>,
    /// Hours that were listed when they were past change.
    settled: Vec<(UtcHour, UtcHour)>,
}

/// Everything that is kept, open.
pub(crate) struct Shelf {
    volumes: Vec<Volume>,
    kept: Kept,
    /// Whether nothing else is read: the places are the sources.
    pub(crate) stands: bool,
}

fn slot_of(slot: Slot) -> dataset::Slot {
    slot.map_or(dataset::Slot::None, dataset::Slot::Hour)
}

impl Shelf {
    /// The dataset that a run is to keep, if any: the one that was named, or the default one of a bucket.
    pub(crate) fn beside(
        args: &GatherArgs,
        sources: &[Source],
        resolve: Resolve,
        profiles: &ProfileMap,
    ) -> anyhow::Result<Option<Shelf>> {
        let chosen = &args.keep;
        let mut identity = identity(args, sources, resolve, profiles);
        if let Some(file) = chosen.part.as_ref().filter(|_| !args.plan) {
            crate::output::check_parent(file)?;
            let streams = chosen.stream.iter().collect::<BTreeSet<_>>();
            let streams: Vec<&str> = streams.into_iter().map(String::as_str).collect();
            identity.options.insert("streams".to_owned(), streams.join(","));
            let dataset = Dataset::create_part(file, &identity)?;
            return Shelf::over(dataset, sources, chosen.stream.clone()).map(Some);
        }
        let directory = match &chosen.dataset {
            Some(directory) => directory.clone(),
            None if chosen.no_dataset
                || !chosen.always && !sources.iter().any(|source| source.store.is_remote()) =>
            {
                return Ok(None);
            }
            None => match default_directory(&identity) {
                Some(directory) => {
                    if !args.quiet {
                        tell!(
                            "note: what is read is kept in {} (--no-dataset turns that off)",
                            directory.display()
                        );
                    }
                    directory
                }
                None => {
                    tell!("warning: no cache directory is known (HOME is not set): what is read is not kept");
                    return Ok(None);
                }
            },
        };
        if args.plan {
            // What would be read; nothing is made for that.
            let is_there = Dataset::is_dataset(&directory);
            let opened = is_there.then(|| Dataset::open_to_read(&directory)).transpose()?;
            let opened = opened.filter(|dataset| *dataset.identity() == identity);
            return opened.map(|dataset| Shelf::over(dataset, sources, Vec::new())).transpose();
        }
        let opened = if chosen.dataset_without_lock {
            Dataset::open_without_lock(&directory, &identity)
        } else if chosen.dataset.is_some() {
            Dataset::open(&directory, &identity)
        } else {
            open_default(&directory, &identity)
        };
        let dataset = match opened {
            Ok(dataset) => dataset,
            // Nobody asked for it: a second run at the same time, or a home that cannot be written, is no reason to stop.
            Err(error) if chosen.dataset.is_none() => {
                tell!("warning: {error}; what is read is not kept");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        Shelf::over(dataset, sources, Vec::new()).map(Some)
    }

    fn over(dataset: Dataset, sources: &[Source], streams: Vec<String>) -> anyhow::Result<Shelf> {
        let scope = Scope {
            sources: sources.iter().map(Source::identity).collect(),
            titles: sources.iter().map(|source| source.name.clone()).collect(),
            streams,
            covered: vec![Range::default().hours()],
        };
        let mut shelf = Shelf { volumes: Vec::new(), kept: Kept::default(), stands: false };
        shelf.add(dataset, scope)?;
        Ok(shelf)
    }

    /// Whether arguments are datasets or parts; an error where only some of them are.
    pub(crate) fn are_kept(arguments: &[String]) -> anyhow::Result<bool> {
        let is_kept = |argument: &&String| {
            Dataset::is_dataset(Path::new(argument)) || Dataset::is_part(Path::new(argument))
        };
        let count = arguments.iter().filter(is_kept).count();
        if count > 0 && count < arguments.len() {
            return Err(UsageError {
                message: "datasets and logs cannot be read together".to_owned(),
                hint: Some("read the logs with --dataset first, and give both datasets as SOURCEs"),
            }
            .into());
        }
        Ok(count > 0)
    }

    /// Opens datasets and parts as sources: the sources that they stand for, and what they hold.
    pub(crate) fn of_sources(arguments: &[String]) -> anyhow::Result<(Shelf, Vec<Source>)> {
        let mut shelf = Shelf { volumes: Vec::new(), kept: Kept::default(), stands: true };
        let mut names: Vec<String> = Vec::new();
        let mut first: Option<(String, BTreeMap<String, String>)> = None;
        for argument in arguments {
            let dataset = Dataset::open_to_read(Path::new(argument))?;
            let Identity { sources, options } = dataset.identity().clone();
            let mut options = options;
            let streams = options.remove("streams").unwrap_or_default();
            options.remove(SERVERS);
            let streams: Vec<String> =
                streams.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            match &first {
                Some((other, known)) if *known != options => {
                    return Err(UsageError {
                        message: format!(
                            "{argument} and {other} were read with other options: {}",
                            differing(known, &options)
                        ),
                        hint: Some("read all parts with the same options"),
                    }
                    .into());
                }
                Some(_) => {}
                None => first = Some((argument.clone(), options)),
            }
            names.extend(sources.iter().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>());
            let scope = Scope { titles: sources.clone(), sources, streams, covered: Vec::new() };
            shelf.add(dataset, scope)?;
        }
        let sources = names.into_iter().map(kept_source).collect();
        Ok((shelf, sources))
    }

    fn add(&mut self, dataset: Dataset, scope: Scope) -> anyhow::Result<()> {
        let place = dataset.place().display().to_string();
        let mut states = BTreeMap::new();
        for (slot, state) in dataset.states(None) {
            let slot = match slot {
                dataset::Slot::None => None,
                dataset::Slot::Hour(hour) => Some(hour),
            };
            match state {
                Ok(state) => drop(states.insert(slot, state)),
                Err(damaged) if self.stands => return Err(DatasetError::Damaged(damaged).into()),
                Err(damaged) => tell!("warning: {damaged}; it is read again"),
            }
        }
        let ranges = |name| {
            states.get(&None).and_then(|state| decode_covered(state.section(name)?)).unwrap_or_default()
        };
        let (covered, settled) = (ranges(COVERED), ranges(SETTLED));
        let mut scope = scope;
        if self.stands {
            scope.covered.clone_from(&covered);
        }
        let volume = self.kept.add_volume(&place, scope).map_err(borehole_scan::Error::Kept)?;
        for (slot, state) in &states {
            let has_rows = state.rows().iter().all(|file| dataset.rows_are_there(slot_of(*slot), file));
            if !has_rows {
                tell!("warning: {place}: rows of {} are gone", in_words(*slot));
            }
            let section = |name: &'static str| {
                (has_rows || name != borehole_scan::kept::CLOSING).then(|| state.section(name)).flatten()
            };
            if !self.kept.add(volume, *slot, &section) {
                tell!("warning: {place}: what is kept of {} cannot be read", in_words(*slot));
            }
        }
        self.volumes.push(Volume { dataset, states, covered, settled });
        Ok(())
    }

    /// What is kept, for the scan.
    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// How sources are listed: of what was listed before as it was then.
    pub(crate) fn listing(&self, listing: ListOptions) -> ListOptions {
        let options = match self.volumes.first() {
            Some(volume) if self.stands => &volume.dataset.identity().options,
            _ => return listing,
        };
        let is =
            |name: &str, values: &[&str]| options.get(name).is_some_and(|value| values.contains(&&**value));
        ListOptions {
            payloads: is("resolve", &["facts", "all"]),
            any_key: is("any-key", &["true"]),
            ..listing
        }
    }

    /// The range that is asked: of places that hold less than everything it is what they hold, unless another was asked.
    pub(crate) fn range(&self, asked: Range) -> anyhow::Result<Range> {
        let mut range = asked;
        if self.stands
            && asked == Range::default()
            && let Some((from, to)) = self.kept.covered()
        {
            let moment = |hour: UtcHour| borehole_record::Timestamp::from_seconds(hour.start_seconds());
            let (first, end) = Range::default().hours();
            range.from = (from > first).then(|| moment(from));
            range.to = (to < end).then(|| moment(to));
        }
        if self.stands {
            self.kept.check_range(range).map_err(borehole_scan::Error::Kept)?;
        }
        Ok(range)
    }

    /// The hours whose folders in buckets are not listed again.
    pub(crate) fn trusted(&self, relist: Relist, now: UtcHour) -> Option<(UtcHour, UtcHour)> {
        if self.stands || relist == Relist::All {
            return None;
        }
        // What was listed while objects could still come says nothing about them.
        self.volumes.first()?.settled.iter().copied().max_by_key(|(from, to)| to.0.min(now.0) - from.0)
    }

    /// What is written beside the run.
    pub(crate) fn writes_to(&self) -> Option<&Dataset> {
        (!self.stands).then(|| self.volumes.first().map(|volume| &volume.dataset)).flatten()
    }

    /// Where answers of earlier runs may be: in the only dataset.
    pub(crate) fn answers_of(&self) -> Option<&Dataset> {
        match &*self.volumes {
            [volume] => Some(&volume.dataset),
            _ => None,
        }
    }

    /// Takes away what turned out to be damaged, so that the next attempt reads it again.
    pub(crate) fn forget(self, slot: Slot) -> anyhow::Result<()> {
        for volume in self.volumes {
            volume.dataset.remove(slot_of(slot));
            volume.dataset.finish()?;
        }
        Ok(())
    }

    /// Ends what was written; the whole range is covered now, and what is past change by `now` is settled.
    pub(crate) fn finish(self, range: Range, now: UtcHour) -> anyhow::Result<()> {
        if self.stands {
            return Ok(());
        }
        let (from, to) = range.hours();
        let past = (from, to.min(UtcHour(now.0 - SETTLED_HOURS)));
        for volume in self.volumes {
            let mut sections = Vec::new();
            let mut add = |name, known: &Vec<(UtcHour, UtcHour)>, (from, to)| {
                let mut ranges = known.clone();
                ranges.extend((from < to).then_some((from, to)));
                let ranges = united(ranges);
                if ranges != *known {
                    sections.push((name, encode_covered(&ranges)));
                }
            };
            add(COVERED, &volume.covered, (from, to));
            add(SETTLED, &volume.settled, past);
            if !sections.is_empty() {
                volume.dataset.update(dataset::Slot::None, sections);
            }
            volume.dataset.finish()?;
        }
        Ok(())
    }
}

impl Keeper for Shelf {
    fn section(&self, volume: u32, slot: Slot, name: &'static str) -> Option<Vec<u8>> {
        Some(self.volumes.get(volume as usize)?.states.get(&slot)?.section(name)?.to_vec())
    }

    fn rows(&self, volume: u32, hour: UtcHour, take: &mut dyn FnMut(KeptRows<'_>)) -> bool {
        thread_local! {
            static READER: RefCell<InvocationReader> = RefCell::default();
        }
        let Some(volume) = self.volumes.get(volume as usize) else { return false };
        let Some(state) = volume.states.get(&Some(hour)) else { return false };
        READER.with_borrow_mut(|reader| {
            state.rows().iter().all(|file| {
                let Ok(bytes) = volume.dataset.read_rows(dataset::Slot::Hour(hour), file) else {
                    return false;
                };
                let mut rows = Vec::with_capacity(usize::try_from(file.rows.min(1 << 20)).unwrap_or(0));
                let wanted = Wanted { request_ids: true, objects: true };
                let Ok(objects) = reader.read(&bytes, wanted, &mut |row| rows.push(row)) else {
                    return false;
                };
                take(KeptRows { stream: &file.stream, objects: &objects, rows });
                true
            })
        })
    }

    fn keep(&self, slot: Slot, sections: Vec<Section>) {
        if let Some(dataset) = self.writes_to() {
            dataset.update(slot_of(slot), sections);
        }
    }
}

/// A source that was read before: nothing can be read from it now.
fn kept_source(name: String) -> Source {
    let is_remote = name.starts_with("s3://");
    Source {
        name,
        store: Arc::new(EmptyStore { is_remote }),
        root: None,
        s3: None,
        prefix: Vec::new(),
        range: None,
        is_file: false,
    }
}

/// The option that tells buckets of one name on different servers apart.
const SERVERS: &str = "servers";

/// What a dataset belongs to: its sources, and everything that changes rows or books.
fn identity(args: &GatherArgs, sources: &[Source], resolve: Resolve, profiles: &ProfileMap) -> Identity {
    let mut options = BTreeMap::new();
    let mut option = |name: &str, value: String| drop(options.insert(name.to_owned(), value));
    option("resolve", resolve.as_str().to_owned());
    option("map", args.map.join(" "));
    option("large-data", args.large_data.join(" "));
    for (name, is_set) in [
        ("salvage", args.salvage),
        ("any-key", args.any_key),
        ("accept-epoch", args.accept_epoch),
        ("lenient-numbers", args.lenient_numbers),
        ("allow-double-gzip", args.allow_double_gzip),
    ] {
        option(name, is_set.to_string());
    }
    option("max-decoded-per-object", args.max_decoded_per_object.to_string());
    option("inference-profiles", fingerprint(profiles));
    option("rows", borehole_table::invocations::ROW_VERSION.to_string());
    let servers = sources.iter().filter_map(|source| source.s3.as_ref()?.foreign_endpoint());
    let servers: BTreeSet<&str> = servers.collect();
    option(SERVERS, servers.into_iter().collect::<Vec<_>>().join(" "));
    Identity { sources: sources.iter().map(Source::identity).collect(), options }
}

/// What application profiles were copied from decides about columns of the rows.
fn fingerprint(profiles: &ProfileMap) -> String {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    for (profile, copied) in profiles.iter() {
        for text in [profile, copied] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
    }
    format!("{:032x}", hasher.digest128())
}

fn differing(known: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> String {
    let names: BTreeSet<&String> = known.keys().chain(other.keys()).collect();
    let differing = names.into_iter().filter(|&name| known.get(name) != other.get(name));
    differing.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The dataset of these sources and options in the user's cache directory.
fn default_directory(identity: &Identity) -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| Some(variable("HOME")?.join(".cache")))?;
    Some(cache.join("borehole").join(format!("{:016x}", identity.fingerprint() as u64)))
}

/// Opens the dataset in the user's cache directory, which only its owner may look into.
fn open_default(directory: &Path, identity: &Identity) -> Result<Dataset, DatasetError> {
    use std::os::unix::fs::DirBuilderExt;
    if let Some(parent) = directory.parent() {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent);
        made.map_err(|cause| DatasetError::Io {
            place: parent.to_owned(),
            operation: "create",
            cause: Arc::new(cause),
        })?;
    }
    Dataset::open(directory, identity)
}

fn in_words(slot: Slot) -> String {
    slot.map_or_else(|| "files without an hour".to_owned(), |hour| hour.to_string())
}

/// Ranges that touch or overlap, as one.
fn united(mut ranges: Vec<(UtcHour, UtcHour)>) -> Vec<(UtcHour, UtcHour)> {
    ranges.sort_unstable();
    let mut united: Vec<(UtcHour, UtcHour)> = Vec::new();
    for (from, to) in ranges {
        match united.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ => united.push((from, to)),
        }
    }
    united
}

fn encode_covered(ranges: &[(UtcHour, UtcHour)]) -> Vec<u8> {
    ranges.iter().flat_map(|(from, to)| [from.0.to_le_bytes(), to.0.to_le_bytes()]).flatten().collect()
}

fn decode_covered(bytes: &[u8]) -> Option<Vec<(UtcHour, UtcHour)>> {
    let (pairs, rest) = bytes.as_chunks::<16>();
    let hour = |bytes: &[u8]| Some(UtcHour(i64::from_le_bytes(bytes.try_into().ok()?)));
    let ranges = pairs.iter().map(|pair| Some((hour(&pair[..8])?, hour(&pair[8..])?))).collect();
    if rest.is_empty() { ranges } else { None }
}
