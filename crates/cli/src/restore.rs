//! `borehole restore`: asks S3 for copies of archived objects. The only verb that writes, and only with `--yes`.
//!
//! In: sources in S3 and a range. Out: what is archived there, what a restore costs and how long it takes; with
//! `--yes` the requests are sent, with `--status` it is told how far they are. Always: without `--yes` nothing but
//! listings and HEADs is sent; an object is asked for once, however many sources hold it. Absent: Intelligent-Tiering's
//! archive tiers, which no listing shows, and waiting for S3 to finish, which takes hours.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use borehole_record::{Timestamp, UtcDay, UtcHour};
use borehole_scan::{ListOptions, Plan, Progress, Range, Source};
use borehole_store::s3::S3Options;
use borehole_store::s3::restore::{Asked, Status, Tier};
use borehole_store::{EscapedKey, Object, ReadFailure, Restore as State, StorageClass};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::Outcome;
use crate::columns::{Align, aligned, counted, size, thousands};
use crate::estimate::{day, day_of, days_in_words};
use crate::exit::{Exit, UsageError};
use crate::places::{Places, S3Args};
use crate::prices::{self, Cost};
use crate::range::{self, RangeArgs};
use crate::remembered::{Part, Remembered};

/// Days that restored copies are kept unless the operator says otherwise: a week is enough to read them, and to read
/// them again when something was wrong.
pub(crate) const DAYS: u32 = 7;

/// Lines about objects that could not be asked for; of more the number is told.
const FAILURES_SHOWN: usize = 10;

/// Ask S3 for copies of archived objects; a dry run without --yes.
///
/// Finds the objects of the range that lie in GLACIER or DEEP_ARCHIVE, those of the hours beside it included, and
/// tells how many they are, what a restore costs and how long it takes.
///
/// Exit codes: 0 done (a dry run and --status, too), 2 wrong arguments, 3 some objects could not be asked for,
/// 4 no answer, 5 nothing is archived there.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # What lies in an archive tier, and what a restore costs; nothing is asked for
  borehole restore s3://bedrock-logs/2024/03/11
  # Ask for it, for three days
  borehole restore s3://bedrock-logs/2024/03/11 --days 3 --yes
  # How far it is
  borehole restore s3://bedrock-logs/2024/03/11 --status")]
pub(crate) struct Restore {
    /// Where the logs are: s3://BUCKET/PREFIX/DATE or a name of borehole.toml
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<String>,

    /// Where offloaded payloads are: those of the range's days are restored, too; repeatable
    #[arg(long, value_name = "SOURCE")]
    pub large_data: Vec<String>,
    /// Restore payloads, too, where the sources hold them (data/ folders) and where borehole.toml says they are
    #[arg(long)]
    pub payloads: bool,
    /// Days that the copies are kept
    #[arg(long, value_name = "N", default_value_t = DAYS, value_parser = clap::value_parser!(u32).range(1..=365))]
    pub days: u32,
    /// How fast: Bulk is the cheapest, Expedited works for GLACIER only
    #[arg(long, value_enum, value_name = "TIER", default_value = "Bulk", ignore_case = true)]
    pub tier: TierWord,
    /// Send the requests
    #[arg(long, conflicts_with = "status")]
    pub yes: bool,
    /// Tell how far restores are; nothing is asked for
    #[arg(long)]
    pub status: bool,
    /// What to write to stdout
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub format: crate::args::Format,

    #[command(flatten)]
    pub range: RangeArgs,
    #[command(flatten)]
    pub s3: S3Args,
}

/// A retrieval tier on the command line, as S3 spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(crate) enum TierWord {
    /// The cheapest: GLACIER in 5 to 12 hours, DEEP_ARCHIVE within 48
    Bulk,
    /// GLACIER in 3 to 5 hours, DEEP_ARCHIVE within 12
    Standard,
    /// GLACIER in minutes
    Expedited,
}

impl TierWord {
    fn tier(self) -> Tier {
        match self {
            TierWord::Bulk => Tier::Bulk,
            TierWord::Standard => Tier::Standard,
            TierWord::Expedited => Tier::Expedited,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            TierWord::Bulk => "Bulk",
            TierWord::Standard => "Standard",
            TierWord::Expedited => "Expedited",
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &Restore) -> Outcome {
    let mut places = Places::new(&args.s3)?;
    places.also_reads(&args.large_data);
    let sources = places.sources(&args.sources)?;
    let payloads = if args.payloads || !args.large_data.is_empty() {
        places.payload_sources(&args.large_data, args.payloads)?
    } else {
        Vec::new()
    };
    refuse_local(sources.iter().chain(&payloads))?;
    let asked = args.range.asked_or_recent(&sources)?;
    let mut found = Found::list(args, &sources, &payloads, asked)?;
    if found.objects.is_empty() {
        tell!("nothing is archived in {} ({})", args.sources.join(" "), range::in_words(&found.range));
        tell!("hint: --from and --to name another range, --all is everything");
        return Ok(Exit::Nothing);
    }
    found.look_up(args.status);
    if args.status {
        return found.tell_status(args);
    }
    let is_deep = |archived: &Archived| {
        archived.object.class == StorageClass::DeepArchive && archived.object.restore == State::None
    };
    if args.tier == TierWord::Expedited && found.objects.iter().any(is_deep) {
        return Err(UsageError {
            message: "--tier Expedited: some of the objects lie in DEEP_ARCHIVE, which has no such tier"
                .to_owned(),
            hint: Some("--tier Standard takes up to 12 hours there, Bulk up to 48"),
        }
        .into());
    }
    if args.yes { found.ask(args) } else { found.tell_plan(args) }
}

fn refuse_local<'a>(mut sources: impl Iterator<Item = &'a Source>) -> anyhow::Result<()> {
    match sources.find(|source| source.s3.is_none()) {
        None => Ok(()),
        Some(local) => Err(UsageError {
            message: format!("{}: only objects in S3 are archived", local.name),
            hint: Some("a SOURCE of restore is s3://BUCKET[/PREFIX] or a name of borehole.toml"),
        }
        .into()),
    }
}

/// An object in an archive class.
struct Archived {
    /// Index into [`Found::sources`].
    source: usize,
    object: Object,
    part: Option<Part>,
    /// Until when its copy is there, seconds since the epoch.
    expiry: Option<i64>,
}

/// What the range holds in archive classes.
struct Found {
    sources: Vec<Source>,
    range: Range,
    objects: Vec<Archived>,
    /// Objects whose state could not be asked.
    unknown: BTreeMap<&'static str, u64>,
}

impl Found {
    fn list(args: &Restore, sources: &[Source], payloads: &[Source], asked: Range) -> anyhow::Result<Self> {
        let progress = Progress::default();
        let mut found =
            Found { sources: Vec::new(), range: asked, objects: Vec::new(), unknown: BTreeMap::new() };
        let mut seen: BTreeSet<(String, Box<[u8]>)> = BTreeSet::new();
        for (places, with_payloads) in [(sources, args.payloads), (payloads, true)] {
            if places.is_empty() {
                continue;
            }
            let remembered: Vec<_> =
                places.iter().map(|place| Remembered::around(place, is_archive)).collect();
            let wrapped: Vec<Source> = remembered.iter().map(|(source, _)| source.clone()).collect();
            let listing = ListOptions {
                keep_lines: false,
                payloads: with_payloads,
                any_key: false,
                keep_listing: false,
            };
            let plan = Plan::list(&wrapped, found.range, listing, &progress)?;
            // The date at the end of a source is a range for the payloads, too.
            found.range = plan.range;
            for (source, (_, store)) in places.iter().zip(&remembered) {
                let number = found.sources.len();
                found.sources.push(source.clone());
                let bucket = bucket_of(source);
                for object in store.take() {
                    let part = Part::of(&object.key, &found.range);
                    let is_wanted = match part {
                        Some(Part::Records(_)) => true,
                        Some(Part::Payload(_)) => with_payloads,
                        // The operator named this very object.
                        None => source.is_file,
                    };
                    if is_wanted && seen.insert((bucket.clone(), object.key.clone())) {
                        found.objects.push(Archived { source: number, object, part, expiry: None });
                    }
                }
            }
        }
        Ok(found)
    }

    /// Asks where the restores stand, where the listing does not tell: on servers other than AWS always; on AWS only
    /// for when copies expire.
    fn look_up(&mut self, with_expiry: bool) {
        for (number, source) in self.sources.iter().enumerate() {
            let Some(store) = &source.s3 else { continue };
            let is_asked = |archived: &&mut Archived| {
                archived.source == number
                    && (!store.is_aws() || with_expiry && archived.object.restore == State::Restored)
            };
            let mut asked: Vec<&mut Archived> = self.objects.iter_mut().filter(is_asked).collect();
            if asked.is_empty() {
                continue;
            }
            let objects: Vec<Object> = asked.iter().map(|archived| archived.object.clone()).collect();
            let mut answers: BTreeMap<Box<[u8]>, Result<Status, ReadFailure>> = BTreeMap::new();
            store.restore_status(&objects, &mut |object, status| {
                answers.insert(object.key.clone(), status);
            });
            for archived in &mut asked {
                match answers.remove(&archived.object.key) {
                    Some(Ok(status)) => {
                        archived.object.restore = status.restore;
                        archived.expiry = status.expiry.as_deref().and_then(http_date);
                    }
                    Some(Err(reason)) => *self.unknown.entry(reason.as_str()).or_default() += 1,
                    None => *self.unknown.entry(ReadFailure::Stopped.as_str()).or_default() += 1,
                }
            }
        }
    }

    fn summary(&self) -> BTreeMap<StorageClass, ClassSummary> {
        let mut classes: BTreeMap<StorageClass, ClassSummary> = BTreeMap::new();
        for archived in &self.objects {
            let class = classes.entry(archived.object.class).or_default();
            let bytes = archived.object.size.unwrap_or(0);
            class.objects += 1;
            class.bytes += bytes;
            match archived.object.restore {
                State::None => {
                    class.to_restore += 1;
                    class.bytes_to_restore += bytes;
                }
                State::InProgress => class.in_progress += 1,
                State::Restored => class.restored += 1,
            }
            if let Some(Part::Records(hour) | Part::Payload(hour)) = archived.part {
                class.first = Some(class.first.map_or(hour, |first| first.min(hour)));
                class.last = Some(class.last.map_or(hour, |last| last.max(hour)));
            }
        }
        classes
    }

    fn tell_plan(&self, args: &Restore) -> Outcome {
        let classes = self.summary();
        let cost = cost(&classes, args.tier.tier());
        if args.format == crate::args::Format::Json {
            self.print_json(args, &classes, Some(cost), None)?;
            return Ok(Exit::Complete);
        }
        let mut text = table(&classes);
        let to_restore: u64 = classes.values().map(|class| class.to_restore).sum();
        if to_restore > 0 {
            let times: Vec<String> = classes
                .iter()
                .filter(|(_, summary)| summary.to_restore > 0)
                .filter_map(|(class, _)| {
                    let takes = prices::restoring_takes(*class, args.tier.tier())?;
                    Some(format!("{} {takes}", class.as_str()))
                })
                .collect();
            let _ = writeln!(text, "tier {}: {}", args.tier.as_str(), times.join(", "));
            let _ = if self.lies_on_aws() {
                writeln!(
                    text,
                    "cost, an estimate: {} ({} for requests, {} for retrieval; prices of {} from {})",
                    prices::dollars(cost.total()),
                    prices::dollars(cost.requests),
                    prices::dollars(cost.retrieval),
                    prices::VALID_FROM,
                    prices::SOURCE
                )
            } else {
                writeln!(text, "cost: unknown, this is not AWS")
            };
            let _ = writeln!(
                text,
                "the copies are kept for {}, and are paid as STANDARD storage meanwhile",
                counted(u64::from(args.days), "day")
            );
        } else {
            text.push_str("every object is restored already, or is being restored\n");
        }
        crate::output::to_stdout(&text)?;
        tell!("nothing was asked of S3; this does it:");
        tell!("  {} --yes", self.command(args));
        Ok(Exit::Complete)
    }

    fn tell_status(&self, args: &Restore) -> Outcome {
        let classes = self.summary();
        let exit = if self.unknown.is_empty() { Exit::Complete } else { Exit::Incomplete };
        if args.format == crate::args::Format::Json {
            self.print_json(args, &classes, None, None)?;
            return Ok(exit);
        }
        let mut text = table(&classes);
        let sum = |count: fn(&ClassSummary) -> u64| -> u64 { classes.values().map(count).sum() };
        let (waiting, restored, none) =
            (sum(|class| class.in_progress), sum(|class| class.restored), sum(|class| class.to_restore));
        let all = waiting + restored + none;
        let _ = writeln!(
            text,
            "{} of {} can be read, {} in progress, {} not asked for",
            thousands(restored),
            counted(all, "archived object"),
            thousands(waiting),
            thousands(none)
        );
        if let Some(expiry) = self.earliest_expiry() {
            let _ = writeln!(text, "the first copies expire at {expiry}");
        }
        crate::output::to_stdout(&text)?;
        for (reason, count) in &self.unknown {
            tell!("warning: the state of {} could not be asked: {reason}", counted(*count, "object"));
        }
        if none > 0 {
            tell!("hint: {} --yes", self.command(args));
        }
        Ok(exit)
    }

    fn lies_on_aws(&self) -> bool {
        self.sources.iter().filter_map(|source| source.s3.as_ref()).all(|store| store.is_aws())
    }

    fn earliest_expiry(&self) -> Option<Timestamp> {
        self.objects.iter().filter_map(|archived| archived.expiry).min().map(Timestamp::from_seconds)
    }

    fn ask(&self, args: &Restore) -> Outcome {
        let mut result = AskResult::default();
        for (number, source) in self.sources.iter().enumerate() {
            let Some(store) = &source.s3 else { continue };
            let is_asked = |archived: &&Archived| {
                archived.source == number && archived.object.restore != State::InProgress
            };
            let objects: Vec<Object> =
                self.objects.iter().filter(is_asked).map(|archived| archived.object.clone()).collect();
            if !objects.is_empty() {
                let bucket = bucket_of(source);
                store.restore(&objects, args.days, args.tier.tier(), &mut |object, asked| {
                    result.note(&bucket, object, asked);
                });
            }
            let stopped = borehole_store::Store::stopped(&**store);
            if let Some(error) = stopped {
                result.tell_failures();
                return Err(borehole_scan::Error::from(error).into());
            }
        }
        let known = self.objects.iter().filter(|archived| archived.object.restore == State::InProgress);
        result.already_in_progress += known.count() as u64;
        let classes = self.summary();
        if args.format == crate::args::Format::Json {
            self.print_json(args, &classes, Some(cost(&classes, args.tier.tier())), Some(&result))?;
        } else {
            let mut text = format!("{} begun", counted(result.started, "restore"));
            for (count, what) in [
                (result.already_in_progress, "already in progress"),
                (result.already_restored, "already restored, and kept longer"),
            ] {
                if count > 0 {
                    let _ = write!(text, ", {} {what}", thousands(count));
                }
            }
            let failed: u64 = result.failed.values().sum();
            let _ = writeln!(text, ", {} failed", thousands(failed));
            crate::output::to_stdout(&text)?;
        }
        result.tell_failures();
        tell!("hint: {} --status", self.command(args));
        Ok(if result.failed.is_empty() { Exit::Complete } else { Exit::Incomplete })
    }

    fn print_json(
        &self,
        args: &Restore,
        classes: &BTreeMap<StorageClass, ClassSummary>,
        cost: Option<Cost>,
        result: Option<&AskResult>,
    ) -> anyhow::Result<()> {
        let classes: Vec<serde_json::Value> = classes
            .iter()
            .map(|(class, summary)| {
                json!({
                    "class": class.as_str(),
                    "objects": summary.objects,
                    "bytes": summary.bytes,
                    "to_restore": summary.to_restore,
                    "bytes_to_restore": summary.bytes_to_restore,
                    "in_progress": summary.in_progress,
                    "restored": summary.restored,
                    "first_day": summary.first.map(|hour| day(day_of(hour))),
                    "last_day": summary.last.map(|hour| day(day_of(hour))),
                })
            })
            .collect();
        let mut document = json!({
            "schema": "borehole.restore/1",
            "from": self.range.from.map(|from| from.to_string()),
            "to": self.range.to.map(|to| to.to_string()),
            "classes": classes,
        });
        if let Some(fields) = document.as_object_mut() {
            if let Some(cost) = cost {
                fields.insert("days".to_owned(), args.days.into());
                fields.insert("tier".to_owned(), args.tier.as_str().into());
                let estimate = if self.lies_on_aws() {
                    json!({"micro_dollars": cost.total(), "prices_of": prices::VALID_FROM})
                } else {
                    serde_json::Value::Null
                };
                fields.insert("estimate".to_owned(), estimate);
            }
            if let Some(expiry) = self.earliest_expiry() {
                fields.insert("earliest_expiry".to_owned(), expiry.to_string().into());
            }
            if !self.unknown.is_empty() {
                fields.insert("unknown".to_owned(), json!(self.unknown));
            }
            if let Some(result) = result {
                let asked = json!({
                    "started": result.started,
                    "already_in_progress": result.already_in_progress,
                    "already_restored": result.already_restored,
                    "failed": result.failed,
                });
                fields.insert("asked".to_owned(), asked);
            }
        }
        crate::output::to_stdout(&crate::json_text::json_text(&document))
    }

    /// The same command as the one that was typed, with its range spelt out.
    fn command(&self, args: &Restore) -> String {
        let mut words = vec!["borehole".to_owned(), "restore".to_owned()];
        words.extend(args.sources.iter().cloned());
        for place in &args.large_data {
            words.extend(["--large-data".to_owned(), place.clone()]);
        }
        if args.payloads {
            words.push("--payloads".to_owned());
        }
        // A date at the end of a source says the range already.
        if self.sources.iter().all(|source| source.range.is_none()) {
            words.extend(range_words(&self.range));
        }
        words.extend(["--days".to_owned(), args.days.to_string()]);
        if args.tier != TierWord::Bulk {
            words.extend(["--tier".to_owned(), args.tier.as_str().to_owned()]);
        }
        words.extend(
            args.s3.config.iter().flat_map(|file| ["--config".to_owned(), file.display().to_string()]),
        );
        words.extend(options_words(&S3Options {
            profile: args.s3.profile.clone(),
            role_arn: args.s3.role_arn.clone(),
            external_id: None,
            region: args.s3.aws_region.clone(),
            endpoint_url: args.s3.endpoint_url.clone(),
            no_sign_request: args.s3.no_sign_request,
            requester_pays: args.s3.requester_pays,
        }));
        shell(&words)
    }
}

/// The command that restores what is archived in a source, in a range. `large_data` is a payload place beside it.
pub(crate) fn command(source: &Source, range: &Range, days: u32, large_data: Option<&str>) -> String {
    let mut place = format!("s3://{}", bucket_of(source));
    let prefix = String::from_utf8_lossy(&source.prefix);
    if !prefix.is_empty() {
        let _ = write!(place, "/{prefix}");
    }
    let mut words = vec!["borehole".to_owned(), "restore".to_owned(), place];
    if let Some(large_data) = large_data {
        words.extend(["--large-data".to_owned(), large_data.to_owned()]);
    }
    words.extend(range_words(range));
    words.extend(["--days".to_owned(), days.to_string()]);
    if let Some(store) = &source.s3 {
        words.extend(options_words(store.options()));
    }
    shell(&words)
}

/// `--from … --to …`, or `--all`.
pub(crate) fn range_words(range: &Range) -> Vec<String> {
    let mut words = Vec::new();
    for (flag, end) in [("--from", range.from), ("--to", range.to)] {
        if let Some(end) = end {
            // The end of `--last` has fractions of a second: a whole one holds them.
            let ceiling = i64::from(flag == "--to" && end.nanos > 0);
            words.extend([flag.to_owned(), moment_word(Timestamp::from_seconds(end.seconds + ceiling))]);
        }
    }
    if words.is_empty() {
        words.push("--all".to_owned());
    }
    words
}

/// A day where it is one.
fn moment_word(moment: Timestamp) -> String {
    if moment.seconds.rem_euclid(UtcDay::SECONDS) == 0 { day(UtcDay::of(moment)) } else { moment.to_string() }
}

/// The flags that lead to a bucket the same way again.
pub(crate) fn options_words(options: &S3Options) -> Vec<String> {
    let mut words = Vec::new();
    for (flag, value) in [
        ("--profile", &options.profile),
        ("--role-arn", &options.role_arn),
        ("--aws-region", &options.region),
        ("--endpoint-url", &options.endpoint_url),
    ] {
        if let Some(value) = value {
            words.extend([flag.to_owned(), value.clone()]);
        }
    }
    for (flag, is_set) in
        [("--no-sign-request", options.no_sign_request), ("--requester-pays", options.requester_pays)]
    {
        if is_set {
            words.push(flag.to_owned());
        }
    }
    words
}

/// Words as a POSIX shell takes them back; control characters are shown, never printed.
pub(crate) fn shell(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    let quoted = |word: &String| {
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", crate::exit::escaped(word).replace('\'', "'\\''"))
        }
    };
    words.iter().map(quoted).collect::<Vec<String>>().join(" ")
}

fn bucket_of(source: &Source) -> String {
    source.s3.as_ref().map(|store| store.bucket().to_owned()).unwrap_or_default()
}

/// Whether an object's class is one that must be restored, whether or not it has been.
fn is_archive(object: &Object) -> bool {
    matches!(object.class, StorageClass::Glacier | StorageClass::DeepArchive)
}

/// The archived objects of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ClassSummary {
    objects: u64,
    bytes: u64,
    /// Neither restored nor being restored.
    to_restore: u64,
    bytes_to_restore: u64,
    in_progress: u64,
    restored: u64,
    first: Option<UtcHour>,
    last: Option<UtcHour>,
}

/// Micro-dollars for restoring what is not restored yet. Copies that are only kept longer cost a request each, too,
/// at the same price, but no retrieval.
fn cost(classes: &BTreeMap<StorageClass, ClassSummary>, tier: Tier) -> Cost {
    let mut cost = Cost::default();
    for (&class, summary) in classes {
        if let Some(price) = prices::restoring(class, tier) {
            cost.add(price.of(summary.to_restore + summary.restored, summary.bytes_to_restore));
        }
    }
    cost
}

fn table(classes: &BTreeMap<StorageClass, ClassSummary>) -> String {
    let heading = ["archived", "objects", "bytes", "to restore", "in progress", "restored", "days"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for (class, summary) in classes {
        let days = summary.first.zip(summary.last);
        rows.push(vec![
            class.as_str().to_owned(),
            thousands(summary.objects),
            size(summary.bytes),
            thousands(summary.to_restore),
            thousands(summary.in_progress),
            thousands(summary.restored),
            days.map(|(first, last)| days_in_words(day_of(first), day_of(last))).unwrap_or_default(),
        ]);
    }
    let columns =
        [Align::Left, Align::Right, Align::Right, Align::Right, Align::Right, Align::Right, Align::Left];
    aligned(&rows, &columns, 0)
}

/// What S3 answered.
#[derive(Debug, Default)]
struct AskResult {
    started: u64,
    already_in_progress: u64,
    already_restored: u64,
    failed: BTreeMap<&'static str, u64>,
    shown: Vec<String>,
}

impl AskResult {
    fn note(&mut self, bucket: &str, object: &Object, asked: Result<Asked, ReadFailure>) {
        match asked {
            Ok(Asked::Started) => self.started += 1,
            Ok(Asked::AlreadyInProgress) => self.already_in_progress += 1,
            Ok(Asked::AlreadyRestored) => self.already_restored += 1,
            Err(reason) => {
                *self.failed.entry(reason.as_str()).or_default() += 1;
                if self.shown.len() < FAILURES_SHOWN {
                    self.shown.push(format!("{} s3://{bucket}/{}", reason.as_str(), EscapedKey(&object.key)));
                }
            }
        }
    }

    fn tell_failures(&self) {
        for line in &self.shown {
            tell!("restore_failed {line}");
        }
        let failed: u64 = self.failed.values().sum();
        let more = failed.saturating_sub(self.shown.len() as u64);
        if more > 0 {
            tell!("restore_failed n={more} more");
        }
        if self.failed.contains_key("access_denied") {
            tell!("hint: restoring needs s3:RestoreObject; borehole doctor prints the policy that gives it");
        }
    }
}

/// Seconds since the epoch of `Fri, 21 Dec 2012 00:00:00 GMT`; `None` for any other form.
fn http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let rest = text.split_once(", ")?.1.strip_suffix(" GMT")?;
    let mut parts = rest.split(' ');
    let (date, month, year, clock) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|name| *name == month)?;
    let first = UtcDay::from_date(year.parse().ok()?, u32::try_from(month + 1).ok()?, date.parse().ok()?)?;
    let mut seconds = 0;
    let mut fields = clock.split(':');
    for most in [23, 59, 60] {
        let field: i64 = fields.next()?.parse().ok()?;
        if !(0..=most).contains(&field) {
            return None;
        }
        seconds = seconds * 60 + field;
    }
    (fields.next().is_none() && parts.next().is_none()).then(|| first.start_seconds() + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_dates_are_read_and_nothing_else_is() {
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:10 GMT"), Some(10));
        assert_eq!(http_date("Mon, 11 Mar 2024 01:02:03 GMT"), Some(1_710_115_200 + 3_723));
        for text in [
            "",
            "tomorrow",
            "Mon, 31 Feb 2024 00:00:00 GMT",
            "Mon, 11 Mar 2024 25:00:00 GMT",
            "Mon, 11 Mar 2024 GMT",
        ] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }

    #[test]
    fn the_cost_of_a_restore_is_that_of_its_tier() {
        let summary =
            ClassSummary { to_restore: 2_000, bytes_to_restore: 4 << 30, ..ClassSummary::default() };
        let classes =
            BTreeMap::from([(StorageClass::Glacier, summary), (StorageClass::DeepArchive, summary)]);
        // Bulk is free from GLACIER; from DEEP_ARCHIVE $0.025 per 1,000 and $0.0025 per GiB.
        assert_eq!(cost(&classes, Tier::Bulk), Cost { requests: 50_000, retrieval: 10_000 });
        assert_eq!(
            cost(&classes, Tier::Standard),
            Cost { requests: 60_000 + 200_000, retrieval: 40_000 + 80_000 }
        );
    }

    #[test]
    fn a_shell_takes_the_words_back() {
        let words = ["borehole", "s3://logs/a b", "it's", "--to", "2024-03-11"].map(str::to_owned);
        assert_eq!(shell(&words), r"borehole 's3://logs/a b' 'it'\''s' --to 2024-03-11");
        assert_eq!(shell(&["a\u{1b}[1m".to_owned()]), r"'a\u{1b}[1m'");
    }

    #[test]
    fn a_range_is_spelt_as_days_where_it_is_days() {
        let day = Timestamp::from_seconds(1_710_115_200);
        let hour = Timestamp::from_seconds(1_710_115_200 + 3_600);
        let words = |from, to| range_words(&Range { from, to }).join(" ");
        assert_eq!(words(Some(day), Some(hour)), "--from 2024-03-11 --to 2024-03-11T01:00:00Z");
        let late = Timestamp { seconds: 1_710_115_200, nanos: 5 };
        assert_eq!(words(Some(late), Some(late)), "--from 2024-03-11 --to 2024-03-11T00:00:01Z");
        assert_eq!(words(None, None), "--all");
        assert_eq!(words(None, Some(day)), "--to 2024-03-11");
    }
}
