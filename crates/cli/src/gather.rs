//! The shared part of every command that counts: sources in, figures and attempts out.
//!
//! In: what to read, which range, which records, which rules. Out: [`Gathered`]: the figures, the health of the
//! run, and the attempts by quota. Always: the books balance, or there is no answer; the talk of a run (its plan,
//! its progress, its losses) is the same for all commands. Absent: rendering, and what each command asks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use borehole_mcp::Watch;
use borehole_quota::applied::AppliedQuotas;
use borehole_quota::rules::Rules;
use borehole_quota::{AttemptBook, Keep};
use borehole_record::{DecodeOptions, ProfileMap, Timestamp, UtcHour};
use borehole_report::RunInfo;
use borehole_scan::kept::{self, Slot};
use borehole_scan::{
    KeptRun, Ledger, ListOptions, PayloadRoot, Plan, Progress, Range, Remembered, Resolve, ScanOptions,
    Source,
};
use borehole_usage::figures::{DocumentTally, Figures, Health, ObjectTally, RecordTally, ReferenceTally};
use borehole_usage::{
    Charges, CoverageSpan, Dimension, Filter, Grain, ListKind, Question, SealedHour, Tally,
};
use clap::Args;

use crate::args::cores;
use crate::cells::{Cells, Sums};
use crate::exit::{Exit, Unbalanced, UsageError};
use crate::export::rows::RowTable;
use crate::kept::Shelf;
use crate::places::{Places, no_source};
use crate::serve_mcp::stop;
use crate::{Outcome, estimate, hints, output, progress, rejects};

/// What is read, and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct GatherArgs {
    /// Where the logs are: s3://BUCKET[/PREFIX], a directory, a file, `-`, or a name from borehole.toml
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,

    /// Where offloaded payloads are: a directory or s3://BUCKET[/PREFIX]; repeatable
    #[arg(long, value_name = "SOURCE", help_heading = "Payloads")]
    pub large_data: Vec<String>,
    /// A directory that stands for a bucket in the payload references; repeatable
    #[arg(long, value_name = "s3://BUCKET[/PREFIX]=DIR", help_heading = "Payloads")]
    pub map: Vec<String>,
    /// Which payloads to read [default: facts where payloads are local or --large-data is given, else counts]
    #[arg(long, value_enum, value_name = "WHICH", help_heading = "Payloads")]
    pub resolve: Option<crate::args::ResolveWord>,

    #[command(flatten)]
    pub range: crate::range::RangeArgs,
    /// Only this model: base id or the exact spelling in the log; repeatable, as are the filters below
    #[arg(long, value_name = "MODEL", value_delimiter = ',', help_heading = "Filters")]
    pub model: Vec<String>,
    /// Only this source Region
    #[arg(long, value_name = "REGION", value_delimiter = ',', help_heading = "Filters")]
    pub region: Vec<String>,
    /// Only this account
    #[arg(long, value_name = "ACCOUNT", value_delimiter = ',', help_heading = "Filters")]
    pub account: Vec<String>,
    /// Only this caller: ARN, role, session or user
    #[arg(long, value_name = "WHO", help_heading = "Filters")]
    pub identity: Vec<String>,
    /// Only this operation
    #[arg(long, value_name = "OPERATION", value_delimiter = ',', help_heading = "Filters")]
    pub operation: Vec<String>,

    #[command(flatten)]
    pub s3: crate::places::S3Args,
    /// Tell what would be read from S3 and what that costs, and stop
    #[arg(long, help_heading = "S3")]
    pub plan: bool,
    /// Read objects of buckets outside both layouts, too, as is done locally
    #[arg(long, help_heading = "S3")]
    pub any_key: bool,

    /// Count the intact part of damaged objects; the report stays incomplete
    #[arg(long, help_heading = "Reading")]
    pub salvage: bool,
    /// Call the report incomplete, too, where a payload could not be read that costs only facts
    #[arg(long, help_heading = "Reading")]
    pub strict: bool,
    /// Exit 0, not 5, where nothing matched
    #[arg(long, help_heading = "Reading")]
    pub allow_empty: bool,
    /// Take numbers as timestamps: epoch milliseconds
    #[arg(long, help_heading = "Reading")]
    pub accept_epoch: bool,
    /// Take strings of digits as token counts
    #[arg(long, help_heading = "Reading")]
    pub lenient_numbers: bool,
    /// Unpack gzip inside gzip, once
    #[arg(long, help_heading = "Reading")]
    pub allow_double_gzip: bool,
    /// Most decoded bytes of one object
    #[arg(long, value_name = "SIZE", value_parser = crate::args::parse_size, default_value = "64GiB", help_heading = "Reading")]
    pub max_decoded_per_object: u64,

    /// Threads that read and decode [default: one per core]
    #[arg(long, value_name = "N", help_heading = "Resources")]
    pub threads: Option<usize>,
    /// Memory for invocations that wait for their hour; beyond it a temporary file is used
    #[arg(long, value_name = "SIZE", value_parser = crate::args::parse_size, default_value = "256MiB", help_heading = "Resources")]
    pub memory: u64,
    /// Where that file lies [default: the system's]
    #[arg(long, value_name = "DIR", help_heading = "Resources")]
    pub temp_dir: Option<PathBuf>,
    /// Order of reading within an hour, for tests: any value gives the same report
    #[arg(long, value_name = "SEED", hide = true)]
    pub shuffle: Option<u64>,
    /// No talk on stderr but errors
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
    /// More talk on stderr: every kind of loss, timings
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,

    #[command(flatten)]
    pub keep: crate::kept::DatasetArgs,
    #[command(flatten)]
    pub counting: CountingArgs,
}

/// By which rules it is counted.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Counting")]
pub(crate) struct CountingArgs {
    /// Rules of your own, before those that are built in (see `borehole rules show`)
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// Count by the rules of this day [default: of each record's own; of today for tickets and quotas]
    #[arg(long, value_name = "DATE", value_parser = crate::args::parse_time)]
    pub rules_at: Option<Timestamp>,
    /// What application inference profiles were copied from: the JSON of `aws bedrock list-inference-profiles`
    #[arg(long, value_name = "FILE")]
    pub inference_profiles: Vec<PathBuf>,
    /// Cache reads are part of what a request reserves, too: AWS's texts disagree
    #[arg(long)]
    pub reserve_cache_reads: bool,
}

/// What a command wants of a run, beyond what its user said.
#[derive(Clone)]
pub(crate) struct Wanted {
    /// The dimensions of the groups.
    pub by: Vec<Dimension>,
    /// The dimensions to rank the values of.
    pub rank: Vec<Dimension>,
    /// Where a page is to be made that can be asked again: the bytes that it should stay within.
    pub cube: Option<u64>,
    /// The series of the groups.
    pub series: Option<Grain>,
    /// Most groups.
    pub top: Option<usize>,
    /// The requests to list, and how many.
    pub list: Option<(ListKind, usize)>,
    /// Keep impossible times.
    pub include_outliers: bool,
    /// Which attempts are kept.
    pub keep: Keep,
    /// The tag that callers are told apart by.
    pub tag: Option<String>,
    /// Whether the rules of today apply, not those of each record's day.
    pub rules_of_today: bool,
    /// Whether every loss is kept with its key and offset.
    pub keep_losses: bool,
    /// Where the counted records go, beside the sums.
    pub rows: Option<Arc<RowTable>>,
    /// Whether the sums of each hour are given, to be asked again and again, in the place of figures.
    pub keep_hours: bool,
    /// Who waits for it, and may stop it: of a server, which does not say again with each call what a command says once.
    pub watch: Option<Watch>,
}

/// A question about quotas: by quota, all attempts, the rules of today.
impl Default for Wanted {
    fn default() -> Self {
        Wanted {
            by: Question::default().by,
            rank: Vec::new(),
            cube: None,
            series: None,
            top: None,
            list: None,
            include_outliers: false,
            keep: Keep::All,
            tag: None,
            rules_of_today: true,
            keep_losses: false,
            rows: None,
            keep_hours: false,
            watch: None,
        }
    }
}

/// What a run gives.
pub(crate) struct Gathered {
    /// The figures; where the hours are given, only what is counted for all groups at once.
    pub figures: Figures,
    /// What was read, and what was not.
    pub health: Health,
    /// The data of a page, where one was asked for and can be made.
    pub cube: Option<borehole_report::model::Cube>,
    /// Else why it cannot, in words.
    pub cube_left_out: Option<String>,
    /// Whether nothing is missing.
    pub complete: bool,
    /// The attempts by quota.
    pub book: AttemptBook,
    /// The rules that were counted by.
    pub rules: Arc<Rules>,
    /// The moment whose rules apply to questions about a coming quota.
    pub rules_at: Timestamp,
    /// What varies by run.
    pub run: RunInfo,
    /// The sums of each hour, where they were wanted.
    pub hours: Option<Hours>,
    talk: Talk,
}

/// The sums of a run by hour, with all that it takes to ask them again.
pub(crate) struct Hours {
    /// What they were summed up for; its range is that of the run.
    pub question: Question,
    /// The hours that the sources claim, by [`borehole_usage::CoverageId`].
    pub spans: Vec<CoverageSpan>,
    /// Hours with records, counted or filtered.
    pub sealed: BTreeMap<UtcHour, SealedHour>,
    /// Whether nobody said a range, so that it is the last days of what is on S3.
    pub is_recent: bool,
    /// When the listing of the sources began.
    pub listed_at: Timestamp,
}

/// What is said on stderr when all is written.
pub(crate) struct Talk {
    plan: Plan,
    ledger: Ledger,
    watched: Arc<Progress>,
    started: Instant,
    threads: usize,
    subject: hints::Subject,
}

impl Gathered {
    /// What the figures are about.
    pub(crate) fn range(&self) -> Option<borehole_report::model::Range> {
        range_of(&self.figures)
    }

    /// The books of the run.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.talk.ledger
    }

    /// Writes the losses, where a file was named for them, tells of them, and says how the command ends. For when
    /// the report is written.
    pub(crate) fn finish(&self, args: &GatherArgs, rejects_file: Option<&Path>) -> Outcome {
        let Talk { plan, ledger, watched, started, threads, subject } = &self.talk;
        if let Some(path) = rejects_file {
            output::to_file(path, &rejects::render(ledger))?;
        }
        if !args.quiet {
            rejects::tell(ledger, plan);
            if self.health.records.counted > 0 || !self.complete {
                subject.tell_filters();
            }
        }
        if args.verbose > 0 {
            tell_timing(watched, *started, *threads);
        }
        if !self.complete {
            return Ok(Exit::Incomplete);
        }
        if self.health.records.counted > 0 || args.allow_empty {
            return Ok(Exit::Complete);
        }
        if !args.quiet {
            subject.tell_nothing(plan, &self.health);
        }
        Ok(Exit::Nothing)
    }
}

/// What figures are about.
pub(crate) fn range_of(figures: &Figures) -> Option<borehole_report::model::Range> {
    let range = figures.from.zip(figures.to);
    range.map(|(from, to)| borehole_report::model::Range { from: from.to_string(), to: to.to_string() })
}

/// How a run ends.
pub(crate) enum Run {
    /// With figures.
    Done(Box<Gathered>),
    /// With the plan, as asked.
    Planned(Exit),
}

/// Reads the sources.
pub(crate) fn gather(args: &GatherArgs, wanted: Wanted) -> anyhow::Result<Run> {
    if args.sources.is_empty() {
        return Err(no_source());
    }
    let started = Instant::now();
    let in_silence;
    let args = match &wanted.watch {
        Some(_) if !args.quiet => {
            in_silence = GatherArgs { quiet: true, ..args.clone() };
            &in_silence
        }
        _ => args,
    };
    loop {
        match gather_once(args, wanted.clone(), started)? {
            Attempt::Done(run) => return Ok(run),
            // Each time a state less: this ends.
            Attempt::Damaged(slot) => {
                let of = slot.map_or_else(|| "files without an hour".to_owned(), |hour| hour.to_string());
                tell!("warning: the dataset is damaged at {of}; it is read again");
            }
        }
    }
}

/// How one attempt ends.
enum Attempt {
    Done(Run),
    /// Something that was kept was not what it should be, and is gone now.
    Damaged(Slot),
}

fn gather_once(args: &GatherArgs, wanted: Wanted, started: Instant) -> anyhow::Result<Attempt> {
    let now = args.range.now();
    let rules = Arc::new(args.counting.rules()?);
    let profiles = args.counting.profiles()?;
    let mut places = Places::new(&args.s3)?;
    let stands = Shelf::are_kept(&args.sources)?;
    let (mut shelf, sources) = if stands {
        let (shelf, sources) = Shelf::of_sources(&args.sources)?;
        (Some(shelf), sources)
    } else {
        places.also_reads(&args.large_data);
        places.also_reads(&args.map);
        (None, places.sources(&args.sources)?)
    };
    let sources = match &wanted.watch {
        Some(watch) => sources.into_iter().map(|source| stop::stoppable(source, watch)).collect(),
        None => sources,
    };
    let watched = Arc::new(Progress::default());
    let options = scan_options(args, &sources, &mut places, wanted.watch.as_ref())?;
    let mut is_recent = false;
    let mut range = match args.keep.hours {
        Some((from, to)) => {
            let start = |hour: UtcHour| Timestamp::from_seconds(hour.start_seconds());
            Range { from: from.map(start), to: to.map(start) }
        }
        None if stands => args.range.asked()?,
        None if wanted.watch.is_some() => {
            let (range, is_last_days) = args.range.asked_or_recent_silently(&sources)?;
            is_recent = is_last_days;
            range
        }
        None => args.range.asked_or_recent(&sources)?,
    };
    if !stands {
        shelf = Shelf::beside(args, &sources, options.resolve, &profiles)?;
    }
    if let Some(shelf) = &shelf {
        range = shelf.range(range)?;
    }
    let is_stopped = || wanted.watch.as_ref().is_some_and(Watch::is_stopped);
    let _followed = wanted.watch.as_ref().map(|watch| stop::follow(&watched, watch));
    let shown = progress::show(Arc::clone(&watched), args.quiet);
    let listed_at = crate::now();
    let listing = ListOptions {
        keep_lines: wanted.keep_losses,
        // Their sizes and their absence are facts; without them they are not even listed.
        payloads: options.resolve >= Resolve::Facts,
        any_key: args.any_key,
        keep_listing: shelf.is_some(),
    };
    let listing = shelf.as_ref().map_or(listing, |shelf| shelf.listing(listing));
    let remembered = shelf.as_ref().map(|shelf| {
        let trusted = shelf.trusted(args.keep.relist, UtcHour::of(now));
        Remembered::new(shelf.kept(), shelf, &sources, stands, trusted)
    });
    let listed = remembered.transpose().and_then(|remembered| {
        Plan::list_remembering(&sources, range, listing, remembered.as_ref(), &watched)
    });
    let mut plan = match listed {
        Err(borehole_scan::Error::KeptDamaged { slot }) if !stands => return retry(shelf, slot),
        listed => listed?,
    };
    if !args.keep.stream.is_empty() {
        let known = plan.stream_names(&sources);
        plan = plan.only_streams(&sources, listing, &args.keep.stream)?;
        for name in args.keep.stream.iter().filter(|name| !known.contains(name)) {
            tell!("warning: the stream {} has nothing in these hours", crate::exit::escaped(name));
        }
    }
    drop(shown);
    if (args.plan || !args.quiet) && sources.iter().any(|source| source.s3.is_some()) {
        let read =
            shelf.as_ref().map(|shelf| kept::to_read(&plan, &sources, &options, shelf.kept())).transpose()?;
        estimate::tell(read.as_ref().unwrap_or(&plan), &sources, &places.counters());
    }
    if args.plan {
        let nothing = plan.objects.is_empty() && plan.archived.is_empty();
        return Ok(Attempt::Done(Run::Planned(if nothing { Exit::Nothing } else { Exit::Complete })));
    }
    if is_stopped() {
        return Err(borehole_scan::Error::Stopped.into());
    }
    let shown = progress::show(Arc::clone(&watched), args.quiet);
    let rules_at = args.counting.rules_at.unwrap_or(now);
    let charges_at = args.counting.rules_at.or(wanted.rules_of_today.then_some(now));
    let question = Question {
        by: wanted.by,
        rank: wanted.rank,
        cube: wanted.cube.is_some(),
        // Whoever asks hours again chooses among their groups.
        all_seconds: wanted.keep_hours,
        series: wanted.series,
        top: wanted.top,
        list: wanted.list.map(|(kind, _)| kind),
        list_max: wanted.list.map_or(0, |(_, most)| most),
        include_outliers: wanted.include_outliers,
        now,
        from: plan.range.from,
        to: plan.range.to,
        filter: filter(args),
        charges: Charges::new(Arc::clone(&rules) as _),
        charges_at,
        profiles: profiles.clone(),
    };
    let book = AttemptBook::new(wanted.keep, profiles.clone(), wanted.tag);
    let spans = coverage_spans(&plan);
    let mut cells = Cells::new(&question, book, &plan, &sources, shelf.as_ref(), profiles, &spans);
    if let Some(rows) = wanted.rows {
        cells.also_gives(rows);
    }
    if wanted.keep_hours {
        cells.keep_hours();
    }
    if let Some(watch) = &wanted.watch {
        cells.ends_with(watch.clone());
    }
    let kept = shelf.as_ref().map(|shelf| KeptRun { kept: shelf.kept(), keeper: shelf, stands });
    let scanned = borehole_scan::scan_keeping(&plan, &sources, &options, kept, &mut cells, &watched);
    drop(shown);
    let scanned = match scanned {
        Err(borehole_scan::Error::KeptDamaged { slot }) if !stands => {
            drop(cells);
            return retry(shelf, slot);
        }
        Err(borehole_scan::Error::Stopped) => return Err(cells.stopped()),
        scanned => scanned?,
    };
    let Sums { figures, tally, cube, book, seen, hours } = cells.finish(scanned.closings, wanted.cube)?;
    let (cube, cube_left_out) = match cube {
        Some(Ok(cube)) => (Some(borehole_report::model::Cube::new(&cube)), None),
        Some(Err(refusal)) => (None, Some(refusal.to_string())),
        None => (None, None),
    };
    let ledger = scanned.ledger;
    let health = health(&ledger, &tally, &spans, &question, figures.models_folded);
    if let Some(imbalance) = health.unbalanced() {
        return Err(Unbalanced(imbalance).into());
    }
    if let Some(shelf) = shelf {
        shelf.finish(plan.range, UtcHour::of(now))?;
    }
    let hours = hours.map(|sealed| Hours { question: question.clone(), spans, sealed, is_recent, listed_at });
    let complete = health.is_complete() && (!args.strict || references_are_whole(&health.references));
    let asked = places.counters();
    let run = RunInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sources: args.sources.clone(),
        bytes_fetched: ledger.bytes_fetched,
        requests_sent: asked.requests,
        retries: asked.retries,
        unchanged: scanned.unchanged,
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    let subject = hints::Subject { sources, filter: question.filter, profiles: question.profiles, seen };
    let talk = Talk { plan, ledger, watched, started, threads: options.threads, subject };
    let gathered =
        Gathered { figures, health, cube, cube_left_out, complete, book, rules, rules_at, run, hours, talk };
    Ok(Attempt::Done(Run::Done(Box::new(gathered))))
}

/// Takes away what is damaged; the next attempt reads it again.
fn retry(shelf: Option<Shelf>, slot: Slot) -> anyhow::Result<Attempt> {
    if let Some(shelf) = shelf {
        shelf.forget(slot)?;
    }
    Ok(Attempt::Damaged(slot))
}

impl CountingArgs {
    /// The rules: the operator's first, then those that are built in.
    pub(crate) fn rules(&self) -> anyhow::Result<Rules> {
        let mut rules = Rules::builtin();
        if let Some(path) = &self.rules {
            let text = read_text(path)?;
            rules = rules.with_overrides(&text).map_err(|error| wrong_file(path, &error))?;
        }
        Ok(rules.reserving_cache_reads(self.reserve_cache_reads))
    }

    /// What application profiles were copied from.
    pub(crate) fn profiles(&self) -> anyhow::Result<ProfileMap> {
        let mut profiles = ProfileMap::default();
        for path in &self.inference_profiles {
            let text = read_text(path)?;
            let read = borehole_quota::profiles::parse(text.as_bytes());
            profiles.merge(read.map_err(|error| wrong_file(path, &error))?);
        }
        Ok(profiles)
    }
}

/// The applied quotas of files, or of the files of directories.
pub(crate) fn applied_quotas(paths: &[PathBuf]) -> anyhow::Result<AppliedQuotas> {
    let mut applied = AppliedQuotas::default();
    for path in paths {
        for file in files_of(path)? {
            let text = read_text(&file)?;
            applied.read(text.as_bytes()).map_err(|error| wrong_file(&file, &error))?;
        }
    }
    Ok(applied)
}

/// A file itself, or the `*.json` of a directory by name.
fn files_of(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).with_context(|| path.display().to_string())?;
    let mut files = Vec::new();
    for entry in entries {
        let file = entry.with_context(|| path.display().to_string())?.path();
        if file.extension().is_some_and(|extension| extension == "json") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Bytes of a file that an operator names beside the logs: the quotas of one account and Region take 2 MB.
const SIDE_FILE_BYTES_MAX: u64 = 64 << 20;

/// Reads a text that is named beside the logs.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    let bytes = read_bytes(path, SIDE_FILE_BYTES_MAX)?;
    String::from_utf8(bytes).map_err(|_| wrong_file(path, &"it is no text in UTF-8"))
}

/// Reads a file that is named beside the logs, of at most so many bytes.
pub(crate) fn read_bytes(path: &Path, bytes_max: u64) -> anyhow::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| wrong_file(path, &error))?;
    let read = file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|error| wrong_file(path, &error))?;
    if read as u64 > bytes_max {
        return Err(wrong_file(path, &"too large to be what was expected"));
    }
    Ok(bytes)
}

/// A file that the operator named does not say what it should.
pub(crate) fn wrong_file(path: &Path, problem: &dyn std::fmt::Display) -> anyhow::Error {
    UsageError { message: format!("{}: {problem}", path.display()), hint: None }.into()
}

fn filter(args: &GatherArgs) -> Filter {
    Filter {
        models: args.model.clone(),
        regions: args.region.clone(),
        accounts: args.account.clone(),
        identities: args.identity.clone(),
        operations: args.operation.clone(),
    }
}

fn scan_options(
    args: &GatherArgs,
    sources: &[Source],
    places: &mut Places,
    watch: Option<&Watch>,
) -> anyhow::Result<ScanOptions> {
    let mut payload_roots = Vec::new();
    for argument in &args.map {
        payload_roots.push(PayloadRoot::map(argument)?);
    }
    payload_roots.extend(places.payload_roots(&args.large_data)?);
    if let Some(watch) = watch {
        payload_roots = payload_roots.into_iter().map(|root| stop::stoppable_root(root, watch)).collect();
    }
    let resolve = match args.resolve {
        Some(word) => word.into(),
        None if sources.iter().any(|source| source.s3.is_some())
            && !places.has_large_data(&args.large_data) =>
        {
            Resolve::Counts
        }
        None => Resolve::Facts,
    };
    let threads = args.threads.unwrap_or_else(cores);
    if threads == 0 || threads > 1_024 {
        return Err(UsageError { message: "--threads: expected 1 to 1024".to_owned(), hint: None }.into());
    }
    Ok(ScanOptions {
        threads,
        memory_bytes: usize::try_from(args.memory).unwrap_or(usize::MAX),
        temporary: args.temp_dir.clone().unwrap_or_else(std::env::temp_dir),
        resolve,
        payload_roots,
        decode: DecodeOptions {
            facts: true,
            accept_epoch: args.accept_epoch,
            lenient_numbers: args.lenient_numbers,
            allow_double_gzip: args.allow_double_gzip,
            decoded_bytes_max: args.max_decoded_per_object,
        },
        salvage: args.salvage,
        shuffle_seed: args.shuffle,
        retired_bytes_max: borehole_scan::limits::RETIRED_BYTES_MAX,
        whole_bytes_max: borehole_scan::limits::WHOLE_STORED_BYTES_MAX,
    })
}

fn coverage_spans(plan: &Plan) -> Vec<CoverageSpan> {
    let spans = plan.coverage.iter().map(|entry| {
        let hours: Vec<UtcHour> = entry.hours.iter().copied().collect();
        CoverageSpan {
            account: entry.account.clone(),
            region: entry.region.clone(),
            first: hours.first().copied().unwrap_or(UtcHour(0)),
            last: hours.last().copied().unwrap_or(UtcHour(0)),
            hours_with_objects: hours,
        }
    });
    spans.collect()
}

/// The ledger's books and the totals' tally, in the words of the report.
fn health(
    ledger: &Ledger,
    tally: &Tally,
    spans: &[CoverageSpan],
    question: &Question,
    models_folded: u64,
) -> Health {
    let books = &ledger.tally;
    let mut filtered: BTreeMap<&'static str, u64> = tally.filtered.clone();
    let mut filter = |reason, count: u64| {
        if count > 0 {
            *filtered.entry(reason).or_default() += count;
        }
    };
    filter("other_schema", books.other_schema);
    filter("time_range", books.out_of_range);
    let mut warnings = books.warnings.clone();
    let mut warn = |code, count: u64| {
        if count > 0 {
            *warnings.entry(code).or_default() += count;
        }
    };
    for (warning, count) in books.decoder_warnings.iter() {
        warn(warning.as_str(), count);
    }
    warn("time_outlier", tally.outliers);
    warn("no_request_id", tally.no_request_id);
    warn("group_cardinality", models_folded);
    let references = &books.references;
    Health {
        objects: ObjectTally {
            listed: ledger.objects_listed,
            read: ledger.objects_read,
            skipped: ledger.objects_skipped.clone(),
            failed: ledger.objects_failed.clone(),
        },
        documents: DocumentTally {
            found: books.documents_found,
            decoded: books.documents_decoded,
            joined: books.documents_joined,
            rejected: books.documents_rejected.clone(),
        },
        records: RecordTally {
            decoded: books.documents_decoded - books.documents_joined,
            counted: tally.counted,
            duplicate: ledger.duplicates_total(),
            filtered,
            rejected: books.records_rejected.clone(),
        },
        references: ReferenceTally {
            seen: references.seen,
            resolved: references.resolved,
            not_needed: references.not_needed,
            missing: references.missing,
            archived: references.archived,
            refused: references.refused.clone(),
            failed: references.failed,
        },
        bytes_listed: ledger.bytes_listed,
        bytes_decompressed: books.decoded_bytes,
        coverage: spans.iter().map(|span| span.coverage_figures(question.from, question.to)).collect(),
        warnings,
        counts_lost: tally.counts_lost,
        salvaged: ledger.salvaged,
    }
}

fn references_are_whole(references: &ReferenceTally) -> bool {
    references.missing == 0
        && references.archived == 0
        && references.failed == 0
        && references.refused.is_empty()
}

fn tell_timing(progress: &Progress, started: Instant, threads: usize) {
    let reading = progress.read();
    let seconds = started.elapsed().as_secs_f64();
    let rate = reading.bytes_fetched as f64 / 1e6 / seconds.max(1e-9);
    tell!(
        "{} objects, {} stored bytes in {seconds:.2} s with {threads} threads ({rate:.0} MB/s stored)",
        reading.objects_done,
        reading.bytes_fetched
    );
}
