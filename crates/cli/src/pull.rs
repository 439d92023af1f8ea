//! `borehole pull`: a date prefix and the payloads its records refer to, downloaded into a dump.
//!
//! In: sources in S3, and a directory. Out: `DIR/<bucket>/<key>` for every object that a run of `analyze` over the
//! sources would read, the hours beside the range included, so that the dump gives the same report. Always: what is
//! there and the same is kept, so a run that was stopped goes on where it was; references are followed into buckets
//! that the operator named, and no others. Absent: joining and counting; what the records say is looked at only to find
//! their payloads.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use borehole_record::{BodyPlace, DecodeOptions, Document, Key, RequestId, UtcHour, key};
use borehole_scan::limits::DECODED_BYTES_MAX;
use borehole_scan::{ListOptions, Plan, Planned, Progress, Source, SurveyOptions, survey};
use borehole_store::{EscapedKey, LocalStore, Object, ReadFailure, S3Store, Store};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::Outcome;
use crate::args::parse_size;
use crate::columns::{counted, size};
use crate::config;
use crate::download::{Fate, Summary, Target, WRITERS, Wanted, bucket_folder};
use crate::estimate::{day_of, days_in_words};
use crate::exit::{Exit, UsageError, escaped};
use crate::places::{Places, S3Args};
use crate::range::{self, RangeArgs};
use crate::remembered::{Part, Remembered};
use crate::restore::{self, range_words, shell};

/// Objects that are named on stderr for each way of getting lost; of more the number is told.
const LOSSES_SHOWN: usize = 10;

/// Names of unknown buckets that are told.
const BUCKETS_SHOWN: usize = 3;

/// Download a date prefix and the payloads it refers to into a dump.
///
/// Objects become DIR/BUCKET/KEY. Run it again to go on where it was stopped: what is there and the same is kept.
///
/// Exit codes: 0 all is there, 2 wrong arguments, 3 something is missing from the dump, 4 no answer, 5 nothing matched.
#[derive(Clone, Debug, Args)]
#[command(
    override_usage = "borehole pull [OPTIONS] <SOURCE>... <DIR>",
    after_help = "Examples:
  # One day with its payloads
  borehole pull s3://bedrock-logs/2024/03/11 dump/ --large-data s3://bedrock-large-data
  # What would be downloaded, without payloads
  borehole pull s3://bedrock-logs dump/ --last 2d --payloads none --dry-run"
)]
pub(crate) struct Pull {
    /// Where the logs are (`s3://BUCKET/PREFIX/DATE` or names of borehole.toml), and last the directory of the dump,
    /// made where it is not there
    #[arg(required = true, num_args = 2.., value_name = "SOURCE… DIR")]
    pub paths: Vec<String>,
    /// All of `paths` but the last; options may stand between them.
    #[arg(skip)]
    pub sources: Vec<String>,
    /// The last.
    #[arg(skip)]
    pub directory: PathBuf,

    /// Where offloaded payloads are: s3://BUCKET[/PREFIX]; repeatable
    #[arg(long, value_name = "SOURCE")]
    pub large_data: Vec<String>,
    /// Which payloads to download
    #[arg(long, value_enum, value_name = "WHICH", default_value = "referenced")]
    pub payloads: PayloadsWord,
    /// Tell what would be downloaded, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Most bytes to download: more records than that are refused before, payloads beyond it are left out
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub max_bytes: Option<u64>,
    /// Threads that write, and look for references [default: 16 to write, one per core to look]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// No talk on stderr but losses and errors
    #[arg(short, long)]
    pub quiet: bool,

    #[command(flatten)]
    pub range: RangeArgs,
    #[command(flatten)]
    pub s3: S3Args,
}

/// Which payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PayloadsWord {
    /// Records only
    None,
    /// Those that records refer to, and those that bear the id of a record's request
    Referenced,
    /// Every payload of the range
    All,
}

/// Runs the command.
pub(crate) fn run(args: &Pull) -> Outcome {
    let mut args = args.clone();
    args.sources.clone_from(&args.paths);
    // Two at least, as the arguments are declared.
    args.directory = args.sources.pop().unwrap_or_default().into();
    let args = &args;
    check(args)?;
    let mut places = Places::new(&args.s3)?;
    places.also_reads(&args.large_data);
    let sources = places.sources(&args.sources)?;
    let payload_sources = match args.payloads {
        PayloadsWord::None => Vec::new(),
        _ => places.payload_sources(&args.large_data, true)?,
    };
    refuse_local(sources.iter().chain(&payload_sources))?;
    let listing = Listing::new(args, &sources, &payload_sources)?;
    if listing.records.is_empty() && listing.plan.archived.is_empty() {
        tell!("nothing matched in {} ({})", args.sources.join(" "), range::in_words(&listing.plan.range));
        tell!("hint: --from and --to name another range, --all is everything");
        return Ok(Exit::Nothing);
    }
    if args.dry_run {
        return tell_plan(args, &sources, &listing);
    }
    let (_, _, bytes) = Target::look(&args.directory, &listing.records);
    if let Some(most) = args.max_bytes.filter(|most| bytes > *most) {
        return Err(UsageError {
            message: format!("{} to download, more than --max-bytes {}", size(bytes), size(most)),
            hint: Some("name a shorter range, or a larger limit"),
        }
        .into());
    }
    let target = Target::open(&args.directory)?;
    let bytes_max = AtomicU64::new(args.max_bytes.unwrap_or(u64::MAX));
    let writers = args.threads.unwrap_or(WRITERS);
    let mut losses = Losses::default();
    let mut summary = Summary::default();
    let mut fetch = |wanted: &[Wanted], what: &'static str, losses: &mut Losses| {
        let bar = bar(what, args.quiet);
        let fates = target.fetch(wanted, writers, &bytes_max, &bar)?;
        bar.finish_and_clear();
        for (one, &fate) in wanted.iter().zip(&fates) {
            summary.add(fate);
            losses.note(one, fate);
        }
        anyhow::Ok(fates)
    };
    let fates = fetch(&listing.records, "records", &mut losses)?;
    let mut payloads = match args.payloads {
        PayloadsWord::None => Vec::new(),
        PayloadsWord::All => listing.payloads(|_| true),
        PayloadsWord::Referenced => {
            let found = listing.look_into(args, &target, &sources, &fates)?;
            losses.take(&found);
            listing.named(found, &sources, &payload_sources, &mut losses)
        }
    };
    // What is archived is not asked for: S3 would refuse it.
    payloads.retain(|one| {
        let is_archived = one.object.is_archived();
        if is_archived {
            losses.note(one, Fate::Failed(ReadFailure::Archived));
        }
        !is_archived
    });
    fetch(&payloads, "payloads", &mut losses)?;

    losses.tell();
    for (&source, archived) in &listing.plan.archived {
        let Some(source) = sources.get(source as usize) else { continue };
        let days = archived.first.zip(archived.last);
        let days = days.map(|(first, last)| format!(" of {}", days_in_words(day_of(first), day_of(last))));
        tell!(
            "archived: {}, {}{} must be restored first: {}",
            counted(archived.objects, "object"),
            size(archived.bytes),
            days.unwrap_or_default(),
            restore::command(source, &listing.plan.range, restore::DAYS, None)
        );
    }
    if !args.quiet {
        tell!(
            "{} downloaded ({}), {} there already, {} missing",
            counted(summary.written, "object"),
            size(summary.bytes),
            counted(summary.kept, "object"),
            counted(losses.count + listing.archived(), "object")
        );
        tell!("analyze it with:");
    }
    crate::output::to_stdout(&format!("{}\n", analyze_command(args, &sources, &payload_sources, &listing)))?;
    Ok(if losses.count + listing.archived() > 0 { Exit::Incomplete } else { Exit::Complete })
}

fn check(args: &Pull) -> anyhow::Result<()> {
    let directory = args.directory.to_string_lossy();
    if config::is_url(&directory) {
        return Err(UsageError {
            message: format!("{directory}: the last argument is the directory to download to"),
            hint: Some("borehole pull SOURCE… DIR"),
        }
        .into());
    }
    if args.directory.exists() && !args.directory.is_dir() {
        return Err(UsageError { message: format!("{directory} is no directory"), hint: None }.into());
    }
    if args.threads.is_some_and(|threads| threads == 0 || threads > 1_024) {
        return Err(UsageError { message: "--threads: expected 1 to 1024".to_owned(), hint: None }.into());
    }
    Ok(())
}

fn refuse_local<'a>(mut sources: impl Iterator<Item = &'a Source>) -> anyhow::Result<()> {
    match sources.find(|source| source.s3.is_none()) {
        None => Ok(()),
        Some(local) => Err(UsageError {
            message: format!("{}: is here already; pull downloads from S3", local.name),
            hint: Some("cp -r copies a local dump; analyze reads it where it is"),
        }
        .into()),
    }
}

/// What the buckets hold of the range.
struct Listing {
    plan: Plan,
    /// What becomes a file first: the objects of the plan, in its order, and then markers, which are part of the books.
    records: Vec<Wanted>,
    /// Payload objects that the listing saw, by bucket and key.
    payloads: BTreeMap<(String, Box<[u8]>), Wanted>,
}

impl Listing {
    fn new(args: &Pull, sources: &[Source], payload_sources: &[Source]) -> anyhow::Result<Self> {
        let asked = args.range.asked_or_recent(sources)?;
        let progress = Arc::new(Progress::default());
        let shown = crate::progress::show(Arc::clone(&progress), args.quiet);
        let with_payloads = args.payloads != PayloadsWord::None;
        let listing =
            ListOptions { keep_lines: true, payloads: with_payloads, any_key: false, keep_listing: false };
        let remembered: Vec<_> =
            sources.iter().map(|source| Remembered::around(source, is_no_record)).collect();
        let wrapped: Vec<Source> = remembered.iter().map(|(source, _)| source.clone()).collect();
        let plan = Plan::list(&wrapped, asked, listing, &progress)?;
        let mut found = Listing { plan, records: Vec::new(), payloads: BTreeMap::new() };
        let mut seen: HashSet<(String, Box<[u8]>)> = HashSet::new();
        let mut markers = Vec::new();
        for planned in &found.plan.objects {
            let Some(store) = sources.get(planned.source as usize).and_then(|source| source.s3.clone())
            else {
                continue;
            };
            seen.insert((store.bucket().to_owned(), planned.object.key.clone()));
            // Two sources that hold the same object: a second download finds the file of the first.
            found.records.push(Wanted { store, object: planned.object.clone() });
        }
        for (source, (_, kept)) in sources.iter().zip(&remembered) {
            found.take(source, kept.take(), &mut seen, &mut markers);
        }
        found.records.append(&mut markers);
        for source in payload_sources {
            let (wrapped, kept) = Remembered::around(source, is_no_record);
            match Plan::list(&[wrapped], found.plan.range, listing, &progress) {
                Ok(_) => found.take(source, kept.take(), &mut seen, &mut Vec::new()),
                // References name their objects, and who may read those need not be one who may list.
                Err(borehole_scan::Error::Store(error)) => {
                    tell!("warning: {}", escaped(&error.to_string()));
                    tell!(
                        "warning: of its payloads only those are downloaded that a record names by their path"
                    );
                }
                Err(error) => return Err(error.into()),
            }
        }
        drop(shown);
        Ok(found)
    }

    fn take(
        &mut self,
        source: &Source,
        objects: Vec<Object>,
        seen: &mut HashSet<(String, Box<[u8]>)>,
        markers: &mut Vec<Wanted>,
    ) {
        let Some(store) = &source.s3 else { return };
        for object in objects {
            let name = (store.bucket().to_owned(), object.key.clone());
            let wanted = Wanted { store: Arc::clone(store), object };
            match Key::parse(&wanted.object.key) {
                Key::AwsPayload { .. } | Key::SplitPayload { .. } => {
                    if Part::of(&wanted.object.key, &self.plan.range).is_some() {
                        self.payloads.entry(name).or_insert(wanted);
                    }
                }
                _ => {
                    if seen.insert(name) {
                        markers.push(wanted);
                    }
                }
            }
        }
    }

    fn archived(&self) -> u64 {
        self.plan.archived.values().map(|archived| archived.objects).sum()
    }

    /// Those of the listed payloads that are wanted.
    fn payloads(&self, is_wanted: impl Fn(&[u8]) -> bool) -> Vec<Wanted> {
        self.payloads.values().filter(|wanted| is_wanted(&wanted.object.key)).cloned().collect()
    }

    /// Reads the downloaded records for the payloads they refer to. That every gzip is whole shows on the way.
    fn look_into(
        &self,
        args: &Pull,
        target: &Target,
        sources: &[Source],
        fates: &[Fate],
    ) -> anyhow::Result<Found> {
        let mut local = Vec::new();
        let mut stores = Vec::new();
        for source in sources {
            let bucket = source.s3.as_ref().map(|store| store.bucket().to_owned()).unwrap_or_default();
            let root = target.of_bucket(&bucket);
            // A bucket of which nothing could be downloaded has no folder.
            let opened = LocalStore::open(&root).or_else(|_| LocalStore::open(&args.directory));
            let store = Arc::new(opened.map_err(borehole_scan::Error::from)?);
            stores.push(Arc::clone(&store));
            local.push(Source { store, root: Some(root), s3: None, range: None, ..source.clone() });
        }
        let mut plan = self.plan.clone();
        let mut kept = Vec::new();
        // The fates of the plan's own objects come first.
        for (planned, fate) in self.plan.objects.iter().zip(fates) {
            if !matches!(fate, Fate::Kept | Fate::Written(_)) {
                continue;
            }
            if let Some(store) = stores.get(planned.source as usize)
                && let Ok(Some(object)) = store.head(&planned.object.key)
            {
                kept.push(Planned { object, ..planned.clone() });
            }
        }
        plan.objects = kept;
        // Not the requests of all records, which may be millions: those of the payloads that were listed.
        let requests: HashMap<RequestId, AtomicBool> = self
            .payloads
            .values()
            .filter_map(|wanted| request_of(&wanted.object.key))
            .map(|id| (id, AtomicBool::new(false)))
            .collect();
        let references = Mutex::new(HashSet::new());
        let visit = |planned: &Planned, document: &Document<'_>| {
            let id = match Key::parse(&planned.object.key) {
                Key::SplitDocument { request_id, .. } => Some(RequestId::parse(request_id)),
                _ => document.request_id.clone(),
            };
            if let Some(is_here) = id.and_then(|id| requests.get(&id)) {
                is_here.store(true, Ordering::Relaxed);
            }
            for place in [&document.input_body, &document.output_body] {
                if let BodyPlace::Reference(path) = place {
                    let account = document.account.as_deref().map(Box::from);
                    let reference = (Box::from(&**path), account);
                    references.lock().unwrap_or_else(PoisonError::into_inner).insert(reference);
                }
            }
        };
        let options = SurveyOptions {
            threads: args.threads.unwrap_or_else(crate::args::cores),
            decode: DecodeOptions {
                facts: false,
                accept_epoch: true,
                lenient_numbers: true,
                allow_double_gzip: true,
                decoded_bytes_max: DECODED_BYTES_MAX,
            },
        };
        let progress = Arc::new(Progress::default());
        let shown = crate::progress::show(Arc::clone(&progress), args.quiet);
        let outcome = survey(&plan, &local, &options, &visit, &progress)?;
        drop(shown);
        let mut found = Found {
            references: references.into_inner().unwrap_or_else(PoisonError::into_inner),
            requests: requests
                .into_iter()
                .filter(|(_, is_here)| is_here.load(Ordering::Relaxed))
                .map(|(id, _)| id)
                .collect(),
            damaged: Vec::new(),
        };
        for (number, reason) in outcome.failed {
            let Some(planned) = plan.objects.get(number as usize) else { continue };
            let source = &sources[planned.source as usize].name;
            found.damaged.push(format!("{reason} {source}/{}", EscapedKey(&planned.object.key)));
        }
        Ok(found)
    }

    /// The payloads that were found to be referred to: as the listing knows them, else by their names alone.
    fn named(
        &self,
        found: Found,
        sources: &[Source],
        payload_sources: &[Source],
        losses: &mut Losses,
    ) -> Vec<Wanted> {
        let mut buckets: HashMap<&str, &Arc<S3Store>> = HashMap::new();
        for store in sources.iter().chain(payload_sources).filter_map(|source| source.s3.as_ref()) {
            buckets.entry(store.bucket()).or_insert(store);
        }
        let requests = &found.requests;
        let of_request = |key: &[u8]| request_of(key).is_some_and(|id| requests.contains(&id));
        let mut wanted = self.payloads(of_request);
        let mut names: BTreeSet<(String, Box<[u8]>)> =
            wanted.iter().map(|one| (one.store.bucket().to_owned(), one.object.key.clone())).collect();
        for reference in &found.references {
            match locate(reference, &buckets) {
                Ok((store, key)) => {
                    let name = (store.bucket().to_owned(), Box::from(key));
                    if names.contains(&name) {
                        continue;
                    }
                    let listed = self.payloads.get(&name).cloned();
                    names.insert(name);
                    let unlisted = || Wanted { store: Arc::clone(store), object: Object::unlisted(key) };
                    wanted.push(listed.unwrap_or_else(unlisted));
                }
                Err(Lost::Bucket(bucket)) => *losses.unknown_buckets.entry(bucket).or_default() += 1,
                Err(Lost::Refused(reason)) => *losses.refused_references.entry(reason).or_default() += 1,
            }
        }
        wanted
    }
}

/// What is no record: markers, which the books count, and payloads.
fn is_no_record(object: &Object) -> bool {
    matches!(
        Key::parse(&object.key),
        Key::PermissionMarker | Key::WriteTestMarker | Key::AwsPayload { .. } | Key::SplitPayload { .. }
    )
}

/// A payload's path as a record has it, with the record's account.
type Reference = (Box<str>, Option<Box<str>>);

/// The request that a payload's key names.
fn request_of(key: &[u8]) -> Option<RequestId> {
    let id = match Key::parse(key) {
        Key::SplitPayload { request_id, .. } => request_id,
        // `data/<requestId>_input.json.gz`
        Key::AwsPayload { .. } => {
            let name = key.rsplit(|&byte| byte == b'/').next()?;
            let end = name.iter().position(|&byte| byte == b'_')?;
            std::str::from_utf8(&name[..end]).ok()?
        }
        _ => return None,
    };
    (!id.is_empty()).then(|| RequestId::parse(id))
}

/// What the records refer to.
struct Found {
    references: HashSet<Reference>,
    /// Requests of records that have payloads under keys with their id: conventional ones, bodies and media.
    requests: HashSet<RequestId>,
    /// Objects that are damaged as S3 has them.
    damaged: Vec<String>,
}

/// Why a reference leads nowhere.
#[derive(Debug, PartialEq, Eq)]
enum Lost {
    /// A bucket that is none of this run's; its name, cut to the length of one.
    Bucket(String),
    Refused(&'static str),
}

/// Where a reference leads: only into the buckets of this run, and by the rules of `analyze` (faults G1 to G5).
fn locate<'a, 'b, T>(
    (path, account): &'a Reference,
    buckets: &HashMap<&str, &'b T>,
) -> Result<(&'b T, &'a [u8]), Lost> {
    let reference = borehole_scan::Reference::parse(path).ok_or(Lost::Refused("scheme"))?;
    let store = buckets.get(reference.bucket).ok_or_else(|| Lost::Bucket(reference.bucket_shown()))?;
    match reference.refusal(account.as_deref()) {
        Some(reason) => Err(Lost::Refused(reason)),
        None => Ok((store, reference.key.as_bytes())),
    }
}

/// What is missing from the dump, and how it is told.
#[derive(Default)]
struct Losses {
    count: u64,
    /// References to objects that are not there.
    absent: u64,
    lines: BTreeMap<&'static str, (u64, Vec<String>)>,
    unknown_buckets: BTreeMap<String, u64>,
    refused_references: BTreeMap<&'static str, u64>,
}

impl Losses {
    fn note(&mut self, wanted: &Wanted, fate: Fate) {
        let reason = match fate {
            Fate::Kept | Fate::Written(_) => return,
            // A folder of the console holds nothing.
            Fate::Refused("folder_marker") => return,
            // A record names it, and nobody has listed it: the dump holds what the bucket does.
            Fate::Failed(ReadFailure::Vanished) if wanted.object.size.is_none() => {
                self.absent += 1;
                return;
            }
            Fate::Refused(reason) => reason,
            Fate::Failed(reason) => reason.as_str(),
            Fate::OverLimit => "max_bytes",
        };
        let name = format!("s3://{}/{}", escaped(wanted.store.bucket()), EscapedKey(&wanted.object.key));
        self.add(reason, name);
    }

    fn add(&mut self, reason: &'static str, name: String) {
        self.count += 1;
        let (count, lines) = self.lines.entry(reason).or_default();
        *count += 1;
        if lines.len() < LOSSES_SHOWN {
            lines.push(name);
        }
    }

    /// Damaged objects are as they are on S3, but what they refer to is not known.
    fn take(&mut self, found: &Found) {
        for line in &found.damaged {
            self.add("damaged", line.clone());
        }
    }

    fn tell(&self) {
        for (reason, (count, lines)) in &self.lines {
            for line in lines {
                tell!("pull_failed {reason} {line}");
            }
            let more = count.saturating_sub(lines.len() as u64);
            if more > 0 {
                tell!("pull_failed {reason} n={more} more");
            }
        }
        if self.absent > 0 {
            let count = counted(self.absent, "reference");
            tell!("note: {count} to payloads that are not in the bucket: analyze will call them missing");
        }
        for (reason, count) in &self.refused_references {
            tell!("note: refused {} to payloads: {reason}", counted(*count, "reference"));
        }
        for (bucket, count) in self.unknown_buckets.iter().take(BUCKETS_SHOWN) {
            let bucket = escaped(bucket);
            tell!("note: {} into the bucket {bucket:?}, which was not named", counted(*count, "reference"));
            tell!("hint: if it is yours, add --large-data s3://{bucket}");
        }
        let hints: [(&str, &str); 5] = [
            ("path", "such keys cannot be paths of files; analyze reads the objects where they are"),
            (
                "archived",
                "borehole restore --payloads --large-data SOURCE asks S3 for copies of archived payloads",
            ),
            (
                "access_denied",
                "borehole doctor SOURCE names what is missing, and prints the policy that gives it",
            ),
            (
                "vanished",
                "a lifecycle rule may delete what is older than its days; borehole doctor SOURCE shows it",
            ),
            ("max_bytes", "run it again with a larger --max-bytes: what is there is kept"),
        ];
        for (reason, hint) in hints {
            if self.lines.contains_key(reason) {
                tell!("hint: {hint}");
            }
        }
    }
}

fn tell_plan(args: &Pull, sources: &[Source], listing: &Listing) -> Outcome {
    let (kept, missing, bytes) = Target::look(&args.directory, &listing.records);
    let mut text = format!("records: {}, {} to download", counted(missing, "object"), size(bytes));
    if kept > 0 {
        text.push_str(&format!(", {} there already", counted(kept, "object")));
    }
    text.push('\n');
    let payloads = listing.payloads(|_| true);
    let (kept, missing, bytes) = Target::look(&args.directory, &payloads);
    match args.payloads {
        PayloadsWord::None => {}
        PayloadsWord::All => {
            text.push_str(&format!("payloads: {}, {} to download", counted(missing, "object"), size(bytes)));
            if kept > 0 {
                text.push_str(&format!(", {} there already", counted(kept, "object")));
            }
            text.push('\n');
        }
        PayloadsWord::Referenced => text.push_str(&format!(
            "payloads: at most {}, {}; which of them records refer to shows only when those are here\n",
            counted(missing + kept, "object"),
            size(bytes)
        )),
    }
    if listing.archived() > 0 {
        text.push_str(&format!(
            "archived: {} must be restored first\n",
            counted(listing.archived(), "object")
        ));
    }
    crate::output::to_stdout(&text)?;
    if !args.quiet {
        let objects = listing.plan.objects.iter().map(|planned| (planned.source as usize, &planned.object));
        crate::estimate::tell_cost(objects, sources);
        tell!("nothing was downloaded: this was a dry run");
    }
    Ok(Exit::Complete)
}

/// The command that reads the dump as the sources would be read.
fn analyze_command(args: &Pull, sources: &[Source], payload_sources: &[Source], listing: &Listing) -> String {
    let mut words = vec!["borehole".to_owned(), "analyze".to_owned()];
    let bucket_of = |source: &Source| source.s3.as_ref().map(|store| store.bucket().to_owned());
    let path = |parts: &[&str]| {
        let mut path = args.directory.clone();
        path.extend(parts.iter().filter(|part| !part.is_empty()));
        path.display().to_string()
    };
    let mut maps = BTreeSet::new();
    for source in sources {
        let Some(bucket) = bucket_of(source) else { continue };
        let folder = bucket_folder(&bucket);
        let prefix = String::from_utf8_lossy(&source.prefix).into_owned();
        let tail = source.range.and_then(date_tail).unwrap_or_default();
        words.push(path(&[&folder, &prefix, &tail]));
        // A directory stands for the bucket of its name; deeper ones have to be told.
        let is_named = prefix.is_empty() || prefix.starts_with("AWSLogs");
        if args.payloads != PayloadsWord::None && (!is_named || folder != bucket) {
            maps.insert(format!("s3://{bucket}={}", path(&[&folder])));
        }
    }
    let own: BTreeSet<String> = sources.iter().filter_map(bucket_of).collect();
    let large: BTreeSet<String> = payload_sources.iter().filter_map(bucket_of).collect();
    for bucket in large.difference(&own) {
        let place = path(&[&bucket_folder(bucket)]);
        if Path::new(&place).is_dir() {
            words.extend(["--large-data".to_owned(), place]);
        }
    }
    words.extend(maps.into_iter().flat_map(|map| ["--map".to_owned(), map]));
    let has_tails = sources.iter().all(|source| source.range.is_none_or(|range| date_tail(range).is_some()));
    let is_told = has_tails && sources.iter().any(|source| source.range.is_some());
    let is_narrower = args.range.from.is_some() || args.range.to.is_some() || args.range.last.is_some();
    if (!is_told || is_narrower) && !args.range.all {
        words.extend(range_words(&listing.plan.range).into_iter().filter(|word| word != "--all"));
    }
    shell(&words)
}

/// A range as the tail of a path, where it is one: an hour, a day, a month or a year.
fn date_tail((from, to): (UtcHour, UtcHour)) -> Option<String> {
    let text = from.to_string();
    let path = text.get(..13)?.replace(['-', 'T'], "/");
    [13, 10, 7, 4].into_iter().filter_map(|width| path.get(..width)).find_map(|date| {
        let (_, tail) = key::date_tail(date)?;
        (tail.from == from && tail.to == to).then(|| date.to_owned())
    })
}

/// A bar on a terminal, nothing elsewhere.
fn bar(what: &'static str, quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    if let Ok(style) =
        ProgressStyle::with_template("{prefix} {bar:30} {binary_bytes}/{binary_total_bytes} {eta}")
    {
        bar.set_style(style);
    }
    bar.set_prefix(what);
    bar
}

#[cfg(test)]
mod tests {
    use borehole_record::Timestamp;

    use super::*;

    fn reference(path: &str, account: Option<&str>) -> Reference {
        (path.into(), account.map(Into::into))
    }

    #[test]
    fn g01_to_g05_references_lead_only_where_the_operator_said() {
        let store = 7u8;
        let buckets = HashMap::from([("logs", &store)]);
        let lost =
            |path: &str, account| locate(&reference(path, account), &buckets).map(drop).expect_err(path);
        assert_eq!(lost("s3://other/a", None), Lost::Bucket("other".to_owned()));
        assert_eq!(lost("s3://logs.evil.example/a", None), Lost::Bucket("logs.evil.example".to_owned()));
        assert_eq!(lost("https://logs/a", None), Lost::Refused("scheme"));
        assert_eq!(lost("/etc/passwd", None), Lost::Refused("scheme"));
        for key in ["", "a//b", "../a", "a/./b", "a\0b", "a/"] {
            assert_eq!(lost(&format!("s3://logs/{key}"), None), Lost::Refused("key"), "{key:?}");
        }
        let other = "s3://logs/AWSLogs/444455556666/BedrockModelInvocationLogs/x";
        assert_eq!(lost(other, Some("111122223333")), Lost::Refused("account"));
        let own = reference("s3://logs/a/b", Some("111122223333"));
        assert_eq!(locate(&own, &buckets), Ok((&store, &b"a/b"[..])));
    }

    #[test]
    fn a_range_is_a_tail_where_a_path_can_say_it() {
        let hour = UtcHour::of(Timestamp::from_seconds(1_710_115_200 + 7 * 3_600)); // 2024-03-11T07
        let midnight = UtcHour(hour.0 - 7);
        assert_eq!(date_tail((hour, UtcHour(hour.0 + 1))).as_deref(), Some("2024/03/11/07"));
        assert_eq!(date_tail((midnight, UtcHour(midnight.0 + 24))).as_deref(), Some("2024/03/11"));
        let march = UtcHour(midnight.0 - 240);
        assert_eq!(date_tail((march, UtcHour(march.0 + 31 * 24))).as_deref(), Some("2024/03"));
        assert_eq!(date_tail((midnight, UtcHour(midnight.0 + 48))), None);
    }
}
