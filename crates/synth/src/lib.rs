//! Synthetic dumps with their own exact truth.
//!
//! In: [`Options`] and an empty directory. Out: Amazon Bedrock invocation logs in either layout, with the odd
//! shapes that real logs have, and `truth.json`: what a right reading of them must report, with the payloads
//! followed (`resolved`) and not (`unresolved`). Always: the same options give the same bytes; the truth is
//! tallied while writing and shares no code with the reader; nothing existing is changed or deleted. Memory
//! holds three hours of compact records and one object's text, not the dump. Absent: clocks, threads, network.
//!
//! The truth is that of a run over the whole directory, without a range or filters, and with `--now` at the end
//! of the range or later.

mod aws;
mod body;
mod calendar;
mod catalogue;
mod files;
mod prose;
mod random;
mod rates;
mod request;
mod split;
mod tally;
mod traffic;
mod traps;
mod truth;
mod world;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::rc::Rc;

use crate::body::{Body, INPUT, OUTPUT};
use crate::calendar::{DAY, HOUR};
use crate::files::Files;
use crate::random::Random;
use crate::request::{Logged, Request, Side};
use crate::tally::{Entry, Tally};
use crate::traffic::Traffic;
use crate::traps::{Laid, Trap};
use crate::world::World;

/// The name of the truth file, directly in the dump's directory.
pub const TRUTH_FILE: &str = "truth.json";

/// 2024-03-11T00:00:00Z, a Monday: the day of a dump for which no other was asked.
const DEFAULT_DAY_SECONDS: i64 = 1_710_115_200;

/// 2023-01-01T00:00:00Z and 2200-01-01T00:00:00Z: what is older counts as an outlier, what is newer as a typing error.
const RANGE_SECONDS: std::ops::RangeInclusive<i64> = 1_672_531_200..=7_258_118_400;

/// Accounts × Regions that one dump may have; each keeps a folder tree and a share of the traffic.
const STREAMS_MAX: usize = 10_000;

/// How a dump lies on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// What Amazon Bedrock delivers: `AWSLogs/<account>/BedrockModelInvocationLogs/<region>/YYYY/MM/DD/HH/…`.
    Aws,
    /// Four documents a request, and payloads in a second bucket.
    Split,
}

impl Layout {
    /// `aws` or `split`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Layout::Aws => "aws",
            Layout::Split => "split",
        }
    }
}

/// How large the records are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    /// About 5 KB a record; offloaded bodies of 12 to 30 KB.
    Small,
    /// 1 to 100 KB inline, every size equally likely by order of magnitude; offloaded bodies of 100 to 300 KB.
    Mixed,
}

impl Profile {
    /// `small` or `mixed`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Profile::Small => "small",
            Profile::Mixed => "mixed",
        }
    }
}

/// What to generate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// The layout.
    pub layout: Layout,
    /// Ordinary requests, strays among them. Copies, traps and bad lines come on top.
    pub requests: u64,
    /// The same seed and options give the same bytes.
    pub seed: u64,
    /// Start of the range in seconds since the epoch, inclusive; not before 2023.
    pub from_seconds: i64,
    /// End of the range in seconds since the epoch, exclusive. Objects may lie in the folder of the hour after it.
    pub to_seconds: i64,
    /// Accounts, at least 1.
    pub accounts: u32,
    /// Source Regions, at least one.
    pub regions: Vec<String>,
    /// Base model ids; empty for a catalogue of thirteen. Some traps use models of their own.
    pub models: Vec<String>,
    /// Sizes of records and payloads.
    pub profile: Profile,
    /// Records in one object of the `aws` layout; `None` for what five minutes bring. At least 1.
    pub records_per_object: Option<u32>,
    /// Of 1,000 requests so many are written a second time: the same record, or an empty twin, in the same or
    /// the next hour's folder.
    pub duplicates_per_mille: u32,
    /// Of 1,000 requests so many fail; in busy minutes eight times as many, mostly throttled.
    pub errors_per_mille: u32,
    /// Of 1,000 successful requests so many have one or both bodies in a payload object.
    pub offloaded_per_mille: u32,
    /// Of 1,000 requests so many lie in the next hour's folder.
    pub late_per_mille: u32,
    /// Of the requests so many lie in a folder more than an hour away, fifteen where the range allows it.
    pub strays: u64,
    /// Hours without any object, and by turns hours in which the first stream alone has none (`aws`).
    pub gaps: u32,
    /// Bad documents and records that must be rejected; only where `clean` is false.
    pub rejects: u64,
    /// Nothing that makes a run incomplete: no `rejects`, no payload lost together with the counts in it.
    pub clean: bool,
    /// The odd shapes of every kind, each once and once more per 10,000 requests.
    pub traps: bool,
    /// Documents of the split layout as `.json.gz`; objects of the `aws` layout always are.
    pub gzip: bool,
    /// 0…9.
    pub gzip_level: u32,
}

impl Default for Options {
    /// A day (2024-03-11), three accounts, two Regions, 10,000 small requests, every trap, nothing rejected.
    fn default() -> Self {
        Options {
            layout: Layout::Aws,
            requests: 10_000,
            seed: 1,
            from_seconds: DEFAULT_DAY_SECONDS,
            to_seconds: DEFAULT_DAY_SECONDS + DAY,
            accounts: 3,
            regions: vec!["us-east-1".to_owned(), "eu-west-1".to_owned()],
            models: Vec::new(),
            profile: Profile::Small,
            records_per_object: None,
            duplicates_per_mille: 5,
            errors_per_mille: 30,
            offloaded_per_mille: 20,
            late_per_mille: 5,
            strays: 3,
            gaps: 2,
            rejects: 42,
            clean: true,
            traps: true,
            gzip: false,
            gzip_level: 4,
        }
    }
}

/// What was written, `truth.json` left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Summary {
    /// Files: record objects, payload objects and markers.
    pub objects: u64,
    /// Bytes of those on disk.
    pub stored_bytes: u64,
    /// Decoded bytes of the record objects, payload objects left out.
    pub decoded_bytes: u64,
    /// Requests that a right reading counts.
    pub requests: u64,
}

/// Writes a dump and its `truth.json` below `dir`, which is created if need be and must be empty.
/// `progress` is told how many of the ordinary requests are done, now and then and at the end.
///
/// # Errors
/// Options that make no sense (`InvalidInput`), a directory that is not empty (`AlreadyExists`; also where it
/// holds an earlier dump of ours), and failing writes. What was written before a failure stays.
pub fn generate(dir: &Path, options: &Options, progress: &mut dyn FnMut(u64)) -> io::Result<Summary> {
    check(options)?;
    require_empty(dir)?;
    let mut world = World::new(options);
    let is_aws = options.layout == Layout::Aws;
    let weights = world.streams.iter().map(|stream| stream.weight).collect();
    let traffic = Traffic::plan(options, weights, is_aws, &mut world.random);
    let accounts = world.streams.iter().map(|stream| &stream.account).collect::<BTreeSet<_>>().len();
    let mut traps = traps::schedule(options, &traffic, accounts, &mut world.random);

    let files = Files::new(dir, options.gzip_level);
    let entry = |account: Option<Rc<str>>, region: Option<Rc<str>>| Entry {
        account,
        region,
        folders: BTreeSet::new(),
    };
    let mut dump: Box<dyn Dump + '_> = if is_aws {
        let entries = world.streams.iter();
        let entries = entries.map(|stream| entry(Some(stream.account.clone()), Some(stream.region.clone())));
        let tally = Tally::new(entries.collect(), options.to_seconds);
        Box::new(aws::AwsDump::new(options, world, files, tally))
    } else {
        let tally = Tally::new(vec![entry(None, None)], options.to_seconds);
        Box::new(split::SplitDump::new(options, world, files, tally))
    };

    dump.begin()?;
    let mut shares = Shares { options, done: 0, strays: 0, rejects: 0 };
    for plan in &traffic.hours {
        let moments = traffic.moments(plan, &mut dump.world().random);
        let mut laid = traps.remove(&plan.hour).unwrap_or_default().into_iter().peekable();
        for moment in moments {
            while let Some(due) =
                laid.next_if(|next| (next.stream, next.seconds) <= (moment.stream, moment.seconds))
            {
                dump.trap(due, &traffic)?;
            }
            let request = dump.world().request(moment.stream, moment.seconds, moment.is_busy);
            if shares.is_stray() {
                dump.stray(request, moment.stream, &traffic)?;
            } else {
                dump.ordinary(request, moment.stream, &traffic)?;
            }
            if let Some(ordinal) = shares.reject() {
                dump.reject(ordinal, moment.stream, moment.seconds)?;
            }
            shares.done += 1;
            if shares.done.is_multiple_of(1_024) {
                progress(shares.done);
            }
        }
        for due in laid {
            dump.trap(due, &traffic)?;
        }
        dump.finish_hour(plan.hour)?;
    }
    progress(shares.done);
    let last_hour = traffic.hours.last().map_or(0, |plan| plan.hour);
    let (mut files, tally) = dump.finish(last_hour)?;

    // The truth file is listed by a reader as any other, and skipped as one of ours.
    let mut tally = tally;
    tally.ledger.objects_listed += 1;
    tally.ledger.skip("own_file");
    files.create(TRUTH_FILE, truth::render(options, &tally).as_bytes())?;
    Ok(Summary {
        objects: files.objects,
        stored_bytes: files.stored_bytes,
        decoded_bytes: tally.ledger.bytes_decompressed,
        requests: tally.resolved.counted,
    })
}

/// Spreads strays and rejects evenly over the requests.
struct Shares<'a> {
    options: &'a Options,
    done: u64,
    strays: u64,
    rejects: u64,
}

impl Shares<'_> {
    /// How many of `whole` are due once the next request is done.
    fn due(&self, whole: u64) -> u64 {
        let part = u128::from(whole) * u128::from(self.done + 1) / u128::from(self.options.requests.max(1));
        part as u64
    }

    fn is_stray(&mut self) -> bool {
        let is_due = self.strays < self.due(self.options.strays);
        self.strays += u64::from(is_due);
        is_due
    }

    /// The number of the reject that is due, at most one after each request.
    fn reject(&mut self) -> Option<u64> {
        if self.options.clean || self.rejects >= self.due(self.options.rejects) {
            return None;
        }
        self.rejects += 1;
        Some(self.rejects - 1)
    }
}

fn check(options: &Options) -> io::Result<()> {
    let invalid = |message: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    let is_region = |region: &String| {
        !region.is_empty() && region.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    let is_model = |model: &String| {
        !model.is_empty()
            && model
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'_'))
    };
    if options.from_seconds >= options.to_seconds {
        return invalid("the range ends before it starts");
    }
    if !RANGE_SECONDS.contains(&options.from_seconds) || !RANGE_SECONDS.contains(&options.to_seconds) {
        return invalid("the range lies outside the years 2023 to 2199");
    }
    if options.accounts == 0 || options.regions.is_empty() {
        return invalid("at least one account and one Region are needed");
    }
    if options.accounts as usize * options.regions.len() > STREAMS_MAX {
        return invalid("more than 10,000 accounts × Regions");
    }
    if !options.regions.iter().all(is_region) {
        return invalid("a Region is made of lower-case letters, digits and hyphens");
    }
    if options.regions.iter().collect::<BTreeSet<_>>().len() != options.regions.len() {
        return invalid("a Region is given twice");
    }
    if !options.models.iter().all(is_model) {
        return invalid("a model is a base model id such as anthropic.claude-3-haiku-20240307-v1:0");
    }
    if options.records_per_object == Some(0) {
        return invalid("an object has at least one record");
    }
    if options.gzip_level > 9 {
        return invalid("the gzip level is 0 to 9");
    }
    Ok(())
}

/// Creates the directory, or makes sure that nothing is in it.
fn require_empty(dir: &Path) -> io::Result<()> {
    match fs::read_dir(dir) {
        Ok(mut entries) => {
            if entries.next().transpose()?.is_none() {
                return Ok(());
            }
            let what = if dir.join(TRUTH_FILE).exists() { "holds an earlier dump" } else { "is not empty" };
            let message = format!("{} {what}; nothing is ever overwritten", dir.display());
            Err(io::Error::new(io::ErrorKind::AlreadyExists, message))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(dir),
        Err(error) => Err(error),
    }
}

/// One layout being written. Hours come in order, requests of an hour by stream and time.
trait Dump {
    /// Where requests come from.
    fn world(&mut self) -> &mut World;
    /// Before the first hour.
    fn begin(&mut self) -> io::Result<()>;
    /// An ordinary request, late or doubled by chance.
    fn ordinary(&mut self, request: Request, stream: usize, traffic: &Traffic) -> io::Result<()>;
    /// A request for a folder far away.
    fn stray(&mut self, request: Request, stream: usize, traffic: &Traffic) -> io::Result<()>;
    /// A trap.
    fn trap(&mut self, laid: Laid, traffic: &Traffic) -> io::Result<()>;
    /// A bad document.
    fn reject(&mut self, ordinal: u64, stream: usize, seconds: i64) -> io::Result<()>;
    /// All requests of this hour have been given.
    fn finish_hour(&mut self, hour: i64) -> io::Result<()>;
    /// All hours have been finished.
    fn finish(self: Box<Self>, last_hour: i64) -> io::Result<(Files, Tally)>;
}

/// A folder hour more than one hour away: fifteen where the range allows it, else any. `None` in a short range.
fn far_folder(traffic: &Traffic, random: &mut Random, stream: usize, hour: i64) -> Option<i64> {
    let is_usable =
        |&candidate: &i64| traffic.plan_of(candidate).is_some() && traffic.is_open(stream, candidate);
    if let Some(far) = [hour - 15, hour + 15].into_iter().find(is_usable) {
        return Some(far);
    }
    let all = traffic.hours.iter().map(|plan| plan.hour);
    let candidates: Vec<i64> = all.filter(|other| (other - hour).abs() > 1).filter(is_usable).collect();
    (!candidates.is_empty()).then(|| candidates[random.index(candidates.len())])
}

/// The copies of a trap that differ in time, earliest first.
fn copies_in_time(trap: Trap, request: &Request) -> Vec<Request> {
    let at = |seconds: i64| Request { seconds: request.seconds + seconds, ..request.clone() };
    let without = |mut copy: Request, counts: &[usize]| {
        for &index in counts {
            copy.counts[index] = Logged::Absent;
        }
        // An empty answer cannot fill them.
        copy.output = Some(Side::inline(Body::empty()));
        copy
    };
    match trap {
        Trap::BorderPair { is_later_better: true } => vec![without(at(0), &[OUTPUT]), at(2)],
        Trap::BorderPair { is_later_better: false } => vec![at(0), without(at(2), &[OUTPUT])],
        Trap::Chain => {
            vec![without(at(0), &[INPUT, OUTPUT]), without(at(HOUR), &[OUTPUT]), at(2 * HOUR)]
        }
        Trap::TwoHoursApart => vec![at(0), at(2 * HOUR)],
        _ => vec![at(0)],
    }
}

#[cfg(test)]
mod tests;
