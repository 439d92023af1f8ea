//! The plan: every listed object with its part in the run, before anything is read.
//!
//! In: sources and the asked range. Out: objects in canonical (key) order, the streams they belong to, the
//! folder hours they lie in, and the books of what the listing set aside. Always: objects are numbered by key,
//! so that no number depends on the order in which a directory was listed.

use std::collections::hash_map;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use borehole_record::key::Keys;
use borehole_record::{DocumentKind, Key, Timestamp, UtcHour, key};
use borehole_store::{EscapedKey, Listed, Object, ReadFailure};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::kept::{self, Entry, Keeper, Kept, Slot};
use crate::ledger::{Ledger, LedgerLine, Reasons};
use crate::limits::{CLOSING_HOURS, CLOSING_HOURS_SPLIT, UNKNOWN_FOLDERS_DEPTH};
use crate::source::Source;
use crate::{Error, Progress};

/// What the run covers, half-open; an absent end is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// First moment.
    pub from: Option<Timestamp>,
    /// End, exclusive.
    pub to: Option<Timestamp>,
}

impl Range {
    /// The hours that hold the range, half-open.
    #[must_use]
    pub fn hours(&self) -> (UtcHour, UtcHour) {
        let from = self.from.map_or(UtcHour(i64::MIN / 4), UtcHour::of);
        let to = self.to.map_or(UtcHour(i64::MAX / 4), |to| {
            let ceiling = i64::from(to.seconds.rem_euclid(UtcHour::SECONDS) != 0 || to.nanos != 0);
            UtcHour(UtcHour::of(to).0 + ceiling)
        });
        (from, to)
    }

    /// Whether what lies in a folder counts: it can touch an hour of the range. Of the split layout folders beyond are
    /// read, too, since their documents join with those of folders that count; nothing else of them does.
    #[must_use]
    pub fn counts_folder(&self, hour: UtcHour) -> bool {
        let (from, to) = self.hours();
        from.0 - CLOSING_HOURS <= hour.0 && hour.0 < to.0 + CLOSING_HOURS
    }

    /// Whether an hour holds any moment of the range.
    #[must_use]
    pub fn holds_hour(&self, hour: UtcHour) -> bool {
        let (from, to) = self.hours();
        from <= hour && hour < to
    }
}

/// What a listing is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// Keep a line of every loss.
    pub keep_lines: bool,
    /// Look into the `data/` folders of the `aws` layout, too: payload facts are asked for. Otherwise their
    /// objects are no part of the books.
    pub payloads: bool,
    /// On S3, read what lies outside both layouts, too. Locally that is always so.
    pub any_key: bool,
    /// Remember all that is set aside, too: the listing is kept for later runs.
    pub keep_listing: bool,
}

/// What an object is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// A record object in an hour folder.
    Records {
        /// The folder's hour.
        hour: UtcHour,
    },
    /// One document of the split layout.
    Split {
        /// The folder's hour.
        hour: UtcHour,
        /// Which of the four.
        kind: DocumentKind,
    },
    /// Its key names no hour; it may hold anything.
    Loose,
}

impl Role {
    /// The folder's hour, where the key names one.
    #[must_use]
    pub fn hour(self) -> Option<UtcHour> {
        match self {
            Role::Records { hour } | Role::Split { hour, .. } => Some(hour),
            Role::Loose => None,
        }
    }
}

/// One object to read.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Index into the run's sources.
    pub source: u32,
    /// Index into [`Plan::streams`].
    pub stream: u32,
    /// What it is for.
    pub role: Role,
    /// Key, size and version.
    pub object: Object,
}

/// What one key prefix delivers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Stream {
    /// Index into the run's sources.
    pub source: u32,
    /// The key before the layout's own part.
    pub prefix: Box<[u8]>,
    /// Named by the keys of the `aws` layout.
    pub account: Option<Box<str>>,
    /// Likewise.
    pub region: Option<Box<str>>,
    /// Whether its keys name hours.
    pub has_hours: bool,
}

impl Stream {
    fn new(source: u32, named: Named<'_>) -> Self {
        let Named { prefix, account, region, has_hours } = named;
        Stream {
            source,
            prefix: prefix.into(),
            account: account.map(Box::from),
            region: region.map(Box::from),
            has_hours,
        }
    }

    fn is(&self, source: u32, named: Named<'_>) -> bool {
        let Named { prefix, account, region, has_hours } = named;
        self.source == source
            && *self.prefix == *prefix
            && self.account.as_deref() == account
            && self.region.as_deref() == region
            && self.has_hours == has_hours
    }
}

/// What a key names of its stream. A source's keys that name nothing are one stream.
#[derive(Clone, Copy, Default)]
struct Named<'a> {
    prefix: &'a [u8],
    account: Option<&'a str>,
    region: Option<&'a str>,
    has_hours: bool,
}

/// What the keys of one account × Region (or of all split roots) cover.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CoverageHours {
    /// `None` for split roots.
    pub account: Option<String>,
    /// Likewise.
    pub region: Option<String>,
    /// Folder hours with at least one record object.
    pub hours: BTreeSet<UtcHour>,
}

/// The listing, sorted out.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Objects to read, in canonical order: by key, then by source.
    pub objects: Vec<Planned>,
    /// Streams, in order.
    pub streams: Vec<Stream>,
    /// Per stream, its entry in `coverage`; `None` where its keys name no hours.
    pub stream_coverage: Vec<Option<u32>>,
    /// What the keys cover.
    pub coverage: Vec<CoverageHours>,
    /// Prefixes below which split payloads were seen: (source, prefix).
    pub payload_prefixes: BTreeSet<(u32, Box<[u8]>)>,
    /// What stands before a layout's own part in any key: (source, prefix). A bucket's name may be in it.
    pub layout_prefixes: BTreeSet<(u32, Box<[u8]>)>,
    /// The asked range, with that of date-shaped tails.
    pub range: Range,
    /// Record objects in an archive tier, by source; they are in the books as failed.
    pub archived: BTreeMap<u32, Archived>,
    /// Split payloads that the listing of buckets saw, by source: hashes of their keys.
    pub(crate) payload_keys: BTreeMap<u32, FxHashSet<u64>>,
    /// The books of the listing.
    pub ledger: Ledger,
    /// Whether payloads were listed, too.
    pub(crate) lists_payloads: bool,
    /// What was set aside, by the folder hour it belongs to; only where the listing is kept.
    pub(crate) set_aside: BTreeMap<Slot, Vec<Entry>>,
    /// What earlier runs listed in the same folders, where this one does not look: it stays listed.
    pub(crate) beyond: BTreeMap<Slot, Vec<Entry>>,
}

/// Record objects that only a restore makes readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// How many.
    pub objects: u64,
    /// Their stored bytes.
    pub bytes: u64,
    /// The first folder hour with one; `None` where no key names an hour.
    pub first: Option<UtcHour>,
    /// The last.
    pub last: Option<UtcHour>,
}

/// What is known while the sources are being listed. Keys come folder by folder: whatever is the same for all of a
/// folder is found once, and then recognised.
#[derive(Default)]
struct Sorting {
    keys: Keys,
    streams: BTreeMap<Stream, u32>,
    /// The stream of the last object.
    stream: Option<(Stream, u32)>,
    /// The last one that went to [`Plan::layout_prefixes`].
    layout_prefix: Option<(u32, Box<[u8]>)>,
    /// Files that the listing came across, by device and inode: their index among the planned objects.
    planned: FxHashMap<(u64, u64), usize>,
    /// Likewise, of what is not read.
    skipped: FxHashSet<(u64, u64)>,
}

impl Sorting {
    /// The number of a stream, in the order in which they turned up.
    fn stream(&mut self, source: u32, named: Named<'_>) -> u32 {
        match &self.stream {
            Some((stream, number)) if stream.is(source, named) => *number,
            _ => {
                let stream = Stream::new(source, named);
                let next = u32::try_from(self.streams.len()).unwrap_or(u32::MAX);
                let number = *self.streams.entry(stream.clone()).or_insert(next);
                self.stream = Some((stream, number));
                number
            }
        }
    }
}

impl Plan {
    /// Lists the sources and sorts out what they hold.
    ///
    /// # Errors
    /// Where a source cannot be listed at all, or date-shaped tails contradict each other.
    pub fn list(
        sources: &[Source],
        asked: Range,
        options: ListOptions,
        progress: &Progress,
    ) -> Result<Plan, Error> {
        Plan::list_remembering(sources, asked, options, None, progress)
    }

    /// As [`Plan::list`]; what earlier runs `remembered` stands for folders that are not listed again, and for
    /// objects that have vanished since.
    ///
    /// # Errors
    /// As [`Plan::list`], and where what is remembered is damaged.
    pub fn list_remembering(
        sources: &[Source],
        asked: Range,
        options: ListOptions,
        remembered: Option<&Remembered<'_>>,
        progress: &Progress,
    ) -> Result<Plan, Error> {
        let range = combined_range(sources, asked)?;
        let lists_payloads = options.payloads && options.keep_listing;
        let mut plan = Plan { range, lists_payloads, ..Plan::default() };
        plan.ledger.keep_lines = options.keep_lines;
        let mut sorting = Sorting::default();
        for (index, source) in sources.iter().enumerate() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            if !remembered.is_some_and(|remembered| remembered.stands) {
                plan.list_source(index, source, options, remembered, progress, &mut sorting)?;
            }
        }
        plan.remember(sources, options, remembered, &mut sorting)?;
        plan.arrange(sorting);
        plan.set_archived_aside(sources, options);
        Ok(plan)
    }

    fn list_source(
        &mut self,
        index: u32,
        source: &Source,
        options: ListOptions,
        remembered: Option<&Remembered<'_>>,
        progress: &Progress,
        sorting: &mut Sorting,
    ) -> Result<(), Error> {
        let (from, to) = self.range.hours();
        let walk = self.walk(source, options);
        let mut payload_days: BTreeSet<Vec<u8>> = BTreeSet::new();
        let mut not_searched = 0;
        let mut denied: Option<Box<[u8]>> = None;
        let mut left: BTreeSet<Box<[u8]>> = BTreeSet::new();
        let mut enter = |folder: &[u8]| match walk.step(folder) {
            Step::Enter => !remembered.is_some_and(|remembered| remembered.stands_for(index, folder)),
            Step::Leave => {
                // References may lead there whatever the range is.
                left.extend(layout_of_folder(folder));
                false
            }
            Step::Payloads => {
                // What stands before the layout may be a bucket's name, and references may lead there.
                let any = [folder, b"/x.json"].concat();
                left.extend(layout_prefix(&Key::parse(&any), &any).map(Box::from));
                false
            }
            Step::PayloadOfDay(day) => {
                payload_days.insert([day, b"/"].concat());
                false
            }
            Step::TooFar => {
                not_searched += 1;
                false
            }
        };
        let mut found = |listed: Listed| {
            progress.listed();
            match listed {
                // Half a listing is worse than none. Of the hours beside the range, it is only a warning.
                Listed::Failed { key, reason: ReadFailure::AccessDenied } if walk.is_remote => {
                    if key::folder_range(&key).is_some_and(|(first, end)| first >= to || end <= from) {
                        self.ledger.tally.warn("slack_not_listed");
                    } else {
                        denied.get_or_insert(key);
                    }
                }
                listed => self.add(index, source, options, listed, sorting),
            }
        };
        source.store.list(&source.prefix, &mut enter, &mut found)?;
        if !payload_days.is_empty() {
            // One request a thousand payloads, not one for each folder.
            let days: Vec<Vec<u8>> = payload_days.into_iter().collect();
            source.store.list_flat(&days, &mut found)?;
        }
        self.layout_prefixes.extend(left.into_iter().map(|prefix| (index, prefix)));
        if let Some(folder) = denied {
            return Err(Error::Store(borehole_store::Error {
                place: format!("{}: {}", source.name, EscapedKey(&folder)),
                operation: "list",
                attempts: 1,
                cause: "access denied (s3:ListBucket)".to_owned(),
                hint: Some(
                    "borehole doctor SOURCE names what is missing, and prints the policy that gives it",
                ),
            }));
        }
        for _ in 0..not_searched {
            self.ledger.tally.warn("folder_not_searched");
        }
        Ok(())
    }

    /// Whether the listing of this run comes across what an earlier one found.
    fn looks_at(&self, entry: &Entry, folders: &mut Folders<'_>) -> bool {
        let key = key_of(&entry.listed);
        match Key::parse(key) {
            Key::AwsRecord { hour, .. } | Key::AwsPayload { hour } => self.is_near(hour, CLOSING_HOURS),
            Key::SplitDocument { hour, .. } => self.is_near(hour, CLOSING_HOURS_SPLIT),
            Key::SplitPayload { day, .. } => self.is_near(UtcHour(day.0 * 24), 24 + CLOSING_HOURS_SPLIT),
            _ => folders.lead_to(entry.source, key),
        }
    }

    fn walk<'a>(&self, source: &'a Source, options: ListOptions) -> Walk<'a> {
        let (from, to) = self.range.hours();
        Walk {
            prefix: &source.prefix,
            // The widest slack any layout needs; what lies further out is never listed.
            near: (UtcHour(from.0 - CLOSING_HOURS_SPLIT), UtcHour(to.0 + CLOSING_HOURS_SPLIT)),
            payloads: options.payloads,
            is_remote: source.store.is_remote(),
            any_key: options.any_key,
        }
    }

    fn add(
        &mut self,
        index: u32,
        source: &Source,
        options: ListOptions,
        listed: Listed,
        sorting: &mut Sorting,
    ) {
        let object = match listed {
            Listed::Object(object) => object,
            Listed::Skipped { key, reason } => {
                self.ledger.objects_listed += 1;
                if options.keep_listing {
                    self.keep_aside(index, Listed::Skipped { key, reason });
                }
                return self.ledger.skip(reason);
            }
            Listed::Failed { key, reason } => {
                self.ledger.objects_listed += 1;
                if options.keep_listing {
                    self.keep_aside(index, Listed::Failed { key: key.clone(), reason });
                }
                self.ledger.fail(reason.as_str());
                return self.ledger.note(LedgerLine {
                    class: "object_failed",
                    reason: reason.as_str(),
                    source: source.name.clone(),
                    key,
                    offset: None,
                    bytes: None,
                });
            }
        };
        let parsed = sorting.keys.parse(&object.key);
        if let Some(prefix) = layout_prefix(&parsed, &object.key)
            && !sorting
                .layout_prefix
                .as_ref()
                .is_some_and(|(last, known)| *last == index && **known == *prefix)
        {
            sorting.layout_prefix = Some((index, prefix.into()));
            self.layout_prefixes.insert((index, prefix.into()));
        }
        let (named, role) = match parsed {
            Key::AwsRecord { prefix, account, region, hour } => {
                if !self.is_near(hour, CLOSING_HOURS) {
                    return;
                }
                let (account, region) = (Some(account), Some(region));
                (Named { prefix, account, region, has_hours: true }, Role::Records { hour })
            }
            Key::SplitDocument { prefix, hour, kind, .. } => {
                if !self.is_near(hour, CLOSING_HOURS_SPLIT) {
                    return;
                }
                (Named { prefix, has_hours: true, ..Named::default() }, Role::Split { hour, kind })
            }
            // A bucket may hold anything beside the logs, and reading it costs money.
            Key::Other if !reads_any_key(source, options) => {
                self.ledger.objects_listed += 1;
                self.ledger.bytes_listed += object.size.unwrap_or(0);
                if options.keep_listing {
                    self.keep_aside(index, Listed::Object(object));
                }
                return self.ledger.skip("not_log_layout");
            }
            Key::Other => (Named::default(), Role::Loose),
            Key::TempFile if source.is_file => (Named::default(), Role::Loose),
            _ => {
                let reason = match parsed {
                    Key::AwsPayload { .. } if !options.payloads => return,
                    Key::AwsPayload { hour, .. } if !self.is_near(hour, CLOSING_HOURS) => return,
                    Key::AwsPayload { .. } => "sidecar",
                    Key::SplitPayload { prefix, day, .. } => {
                        self.payload_prefixes.insert((index, prefix.into()));
                        if source.store.is_remote() {
                            self.payload_keys.entry(index).or_default().insert(key_hash(&object.key));
                        }
                        let hour = UtcHour(day.0 * 24);
                        if !options.payloads || !self.is_near(hour, 24 + CLOSING_HOURS_SPLIT) {
                            return;
                        }
                        "payload"
                    }
                    Key::PermissionMarker => "permission_marker",
                    Key::FolderMarker => "folder_marker",
                    Key::WriteTestMarker => "write_test_marker",
                    _ => "temp_file",
                };
                if object.identity.is_some_and(|identity| !sorting.skipped.insert(identity)) {
                    return self.ledger.tally.warn("same_file");
                }
                self.ledger.objects_listed += 1;
                self.ledger.bytes_listed += object.size.unwrap_or(0);
                if options.keep_listing {
                    self.keep_aside(index, Listed::Object(object));
                }
                return self.ledger.skip(reason);
            }
        };
        let stream = sorting.stream(index, named);
        let planned = Planned { source: index, stream, role, object };
        if let Some(identity) = planned.object.identity {
            match sorting.planned.entry(identity) {
                hash_map::Entry::Vacant(entry) => drop(entry.insert(self.objects.len())),
                hash_map::Entry::Occupied(entry) => {
                    // The same file under two names or in two overlapping roots: read once, under the name that
                    // tells its hour, then the first; never under that which happened to be listed first.
                    let known = &mut self.objects[*entry.get()];
                    let rank = |planned: &Planned| {
                        (planned.role == Role::Loose, planned.object.key.clone(), planned.source)
                    };
                    if rank(&planned) < rank(known) {
                        *known = planned;
                    }
                    return self.ledger.tally.warn("same_file");
                }
            }
        }
        // What is only read for what it joins with is no part of the books.
        if planned.role.hour().is_none_or(|hour| self.range.counts_folder(hour)) {
            self.ledger.objects_listed += 1;
            self.ledger.bytes_listed += planned.object.size.unwrap_or(0);
        }
        self.objects.push(planned);
    }

    /// Remembers what is not read.
    fn keep_aside(&mut self, source: u32, listed: Listed) {
        let slot = slot_of(key_of(&listed));
        self.set_aside.entry(slot).or_default().push(Entry { source, listed });
    }

    /// Adds what earlier runs listed: whole folders where they stand for a listing of this run, and else the objects
    /// of a folder that have vanished since, where nothing else of it has changed.
    fn remember(
        &mut self,
        sources: &[Source],
        options: ListOptions,
        remembered: Option<&Remembered<'_>>,
        sorting: &mut Sorting,
    ) -> Result<(), Error> {
        let Some(remembered) = remembered else { return Ok(()) };
        let names: Vec<String> = sources.iter().map(Source::identity).collect();
        let walks: Vec<Walk<'_>> = sources.iter().map(|source| self.walk(source, options)).collect();
        let mut folders = Folders { walks: &walks, last: None };
        // Of places with other streams of the same sources each has what belongs to no stream.
        let mut taken = remembered.kept.has_several_of_a_source().then(FxHashSet::default);
        let mut warned: BTreeMap<&[String], Reasons> = BTreeMap::new();
        for (volume, entries, warnings) in &remembered.listings {
            for Entry { source, listed } in entries {
                let (from, key) = (&sources[*source as usize], key_of(listed));
                if taken
                    .as_mut()
                    .is_some_and(|taken| !taken.insert((*source, xxhash_rust::xxh3::xxh3_128(key))))
                {
                    continue;
                }
                // What names no hour is kept as one, whatever part of it a listing would come across.
                let is_loose = || reads_any_key(from, options) && matches!(Key::parse(key), Key::Other);
                if self.range == Range::default() || folders.lead_to(*source, key) || is_loose() {
                    self.add(*source, from, options, listed.clone(), sorting);
                }
            }
            let told = warned.entry(remembered.kept.sources(*volume)).or_default();
            for (warning, count) in warnings {
                let most = told.entry(*warning).or_default();
                *most = (*most).max(*count);
            }
        }
        for (warning, count) in warned.into_values().flatten() {
            *self.ledger.tally.warnings.entry(warning).or_default() += count;
        }
        if remembered.stands {
            return Ok(());
        }
        self.objects.sort_by(|a, b| a.object.key.cmp(&b.object.key).then(a.source.cmp(&b.source)));
        if self.range != Range::default() {
            // What earlier runs listed where this one does not look stays listed.
            for (slot, volume) in remembered.kept.listings() {
                if slot.is_some_and(|hour| self.range.counts_folder(hour))
                    || !self.set_aside.contains_key(&slot)
                {
                    continue;
                }
                let (mut entries, _) = remembered.listing(volume, slot, &names)?;
                entries.retain(|entry| !self.looks_at(entry, &mut folders));
                self.beyond.entry(slot).or_default().extend(entries);
            }
        }
        let prints = kept::joined_prints(self, &kept::own_prints(self, &names));
        let mut by_slot = self.numbers_by_slot();
        for (slot, volume) in remembered.kept.slots() {
            if slot.is_some_and(|hour| !self.is_near(hour, CLOSING_HOURS_SPLIT)) {
                continue;
            }
            let is_same =
                |print: &u128| remembered.kept.folders(slot).any(|(_, folder)| folder.print == *print);
            if prints.get(&slot).is_some_and(is_same) {
                continue;
            }
            let (listing, _) = remembered.listing(volume, slot, &names)?;
            let here = by_slot.get(&slot).map_or(&[][..], Vec::as_slice);
            let Some(mut vanished) = vanished(self, slot, here, listing) else { continue };
            vanished.retain(|entry| self.looks_at(entry, &mut folders));
            let before = self.objects.len();
            for Entry { source, listed } in vanished {
                self.add(source, &sources[source as usize], options, listed, sorting);
            }
            for (planned, number) in self.objects.iter().zip(0..).skip(before) {
                by_slot.entry(planned.role.hour()).or_default().push(number);
                self.ledger.tally.warn("retained");
            }
        }
        Ok(())
    }

    /// The numbers of the objects of each folder, ascending.
    pub(crate) fn numbers_by_slot(&self) -> BTreeMap<Slot, Vec<u32>> {
        let mut numbers: BTreeMap<Slot, Vec<u32>> = BTreeMap::new();
        for (planned, number) in self.objects.iter().zip(0..) {
            numbers.entry(planned.role.hour()).or_default().push(number);
        }
        numbers
    }

    /// The source and the key of an object, by its number.
    pub(crate) fn place_of(&self, number: u32) -> (u32, &[u8]) {
        let planned = &self.objects[number as usize];
        (planned.source, &planned.object.key)
    }

    /// The names of the streams: what the directories of a dataset are called, each its own.
    #[must_use]
    pub fn stream_names(&self, sources: &[Source]) -> Vec<String> {
        let name = |stream: &Stream| {
            let source = sources[stream.source as usize].identity();
            let mut bytes = source.into_bytes();
            for part in [Some(&*stream.prefix), stream.account.as_deref().map(str::as_bytes)] {
                bytes.push(0);
                bytes.extend_from_slice(part.unwrap_or_default());
            }
            bytes.push(0);
            bytes.extend_from_slice(stream.region.as_deref().unwrap_or_default().as_bytes());
            let hash = xxhash_rust::xxh3::xxh3_64(&bytes) as u32;
            match (&stream.account, &stream.region) {
                (Some(account), Some(region)) => format!("{account}-{region}-{hash:08x}"),
                _ if stream.has_hours => format!("split-{hash:08x}"),
                _ => format!("files-{hash:08x}"),
            }
        };
        self.streams.iter().map(name).collect()
    }

    /// Leaves only these streams, by their names. What is set aside and belongs to no stream of this plan stays with
    /// every part: which stream comes first depends on the hours of a part, and where parts are put together each
    /// thing is taken once. The listing must have been kept.
    ///
    /// # Errors
    /// Where no stream has such a name. In a range a stream may have nothing.
    pub fn only_streams(
        self,
        sources: &[Source],
        options: ListOptions,
        wanted: &[String],
    ) -> Result<Plan, Error> {
        let names = self.stream_names(sources);
        let is_all = self.range == Range::default();
        if let Some(unknown) = wanted.iter().find(|&name| is_all && !names.contains(name)) {
            return Err(Error::UnknownStream { name: unknown.clone(), known: names });
        }
        let is_wanted = |stream: u32| wanted.contains(&names[stream as usize]);
        let root = |stream: &Stream| {
            let (account, region) = (stream.account.as_deref()?, stream.region.as_deref()?);
            let layout = format!("AWSLogs/{account}/BedrockModelInvocationLogs/{region}");
            Some((stream.source, [&*stream.prefix, layout.as_bytes()].concat()))
        };
        let roots: BTreeMap<(u32, Vec<u8>), u32> = self
            .streams
            .iter()
            .zip(0..)
            .filter_map(|(stream, number)| Some((root(stream)?, number)))
            .collect();
        let belongs = |entry: &Entry| {
            let stream =
                stream_root(key_of(&entry.listed)).and_then(|root| roots.get(&(entry.source, root.to_vec())));
            stream.is_none_or(|&stream| is_wanted(stream))
        };
        let mut plan = Plan {
            range: self.range,
            lists_payloads: self.lists_payloads,
            // References may lead to what belongs to other streams.
            payload_prefixes: self.payload_prefixes,
            layout_prefixes: self.layout_prefixes,
            payload_keys: self.payload_keys,
            ..Plan::default()
        };
        plan.ledger.keep_lines = self.ledger.keep_lines;
        plan.ledger.tally.warnings = self.ledger.tally.warnings;
        let mut sorting = Sorting::default();
        let own = self.objects.into_iter().filter(|planned| is_wanted(planned.stream));
        let own = own.map(|planned| Entry { source: planned.source, listed: Listed::Object(planned.object) });
        let aside = self.set_aside.into_values().flatten().filter(belongs);
        for Entry { source, listed } in own.chain(aside).collect::<Vec<_>>() {
            plan.add(source, &sources[source as usize], options, listed, &mut sorting);
        }
        plan.arrange(sorting);
        plan.set_archived_aside(sources, options);
        Ok(plan)
    }

    /// Takes out what only a restore makes readable: those objects have failed before anything is asked.
    fn set_archived_aside(&mut self, sources: &[Source], options: ListOptions) {
        if !self.objects.iter().any(|planned| planned.object.is_archived()) {
            return;
        }
        let objects = std::mem::take(&mut self.objects);
        for mut planned in objects {
            let source = &sources[planned.source as usize];
            let is_aws = source.s3.as_ref().is_none_or(|store| store.is_aws());
            if planned.object.is_archived()
                && !is_aws
                && let Ok(Some(now)) = source.store.head(&planned.object.key)
            {
                // S3's own listing says what is restored; other servers' may not.
                planned.object.restore = now.restore;
            }
            if !planned.object.is_archived() {
                self.objects.push(planned);
                continue;
            }
            if options.keep_listing {
                self.keep_aside(planned.source, Listed::Object(planned.object.clone()));
            }
            let reason = ReadFailure::Archived.as_str();
            self.ledger.fail(reason);
            self.ledger.note(LedgerLine {
                class: "object_failed",
                reason,
                source: source.name.clone(),
                key: planned.object.key.clone(),
                offset: None,
                bytes: planned.object.size,
            });
            let archived = self.archived.entry(planned.source).or_insert(Archived {
                objects: 0,
                bytes: 0,
                first: None,
                last: None,
            });
            archived.objects += 1;
            archived.bytes += planned.object.size.unwrap_or(0);
            if let Some(hour) = planned.role.hour() {
                archived.first = Some(archived.first.map_or(hour, |first| first.min(hour)));
                archived.last = Some(archived.last.map_or(hour, |last| last.max(hour)));
            }
        }
    }

    fn is_near(&self, hour: UtcHour, slack: i64) -> bool {
        let (from, to) = self.range.hours();
        from.0 - slack <= hour.0 && hour.0 < to.0 + slack
    }

    /// Numbers everything, now that all is known.
    fn arrange(&mut self, sorting: Sorting) {
        self.number_streams(sorting.streams);
        // A directory lists by key, so that this mostly finds nothing to do.
        self.objects.sort_by(|a, b| a.object.key.cmp(&b.object.key).then(a.source.cmp(&b.source)));
        self.cover();
    }

    fn number_streams(&mut self, streams: BTreeMap<Stream, u32>) {
        // A stream whose every object turned out to be another's under a second name is none.
        let mut used = vec![false; streams.len()];
        for planned in &self.objects {
            used[planned.stream as usize] = true;
        }
        let mut renumbered = vec![0; streams.len()];
        for (stream, number) in streams.into_iter().filter(|(_, number)| used[*number as usize]) {
            renumbered[number as usize] = u32::try_from(self.streams.len()).unwrap_or(u32::MAX);
            self.streams.push(stream);
        }
        for planned in &mut self.objects {
            planned.stream = renumbered[planned.stream as usize];
        }
    }

    fn cover(&mut self) {
        let mut entries: BTreeMap<(Option<String>, Option<String>), u32> = BTreeMap::new();
        for stream in self.streams.iter().filter(|stream| stream.has_hours) {
            entries.entry(names(stream)).or_default();
        }
        for (position, (name, number)) in entries.iter_mut().enumerate() {
            *number = u32::try_from(position).unwrap_or(u32::MAX);
            let (account, region) = name.clone();
            self.coverage.push(CoverageHours { account, region, hours: BTreeSet::new() });
        }
        self.stream_coverage =
            self.streams.iter().map(|stream| stream.has_hours.then(|| entries[&names(stream)])).collect();
        let mut last = None;
        for planned in &self.objects {
            if let (Some(entry), Some(hour)) =
                (self.stream_coverage[planned.stream as usize], planned.role.hour())
                // Objects of one folder follow each other.
                && last.replace((entry, hour)) != Some((entry, hour))
            {
                self.coverage[entry as usize].hours.insert(hour);
            }
        }
    }

    /// Whether any object is a document of the split layout.
    #[must_use]
    pub fn has_split(&self) -> bool {
        self.objects.iter().any(|planned| matches!(planned.role, Role::Split { .. }))
    }

    /// Stored bytes of the objects to read, where known.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.objects.iter().filter_map(|planned| planned.object.size).sum()
    }
}

/// What is remembered of earlier listings.
pub struct Remembered<'a> {
    /// What is kept.
    pub kept: &'a Kept,
    /// Where it is kept.
    pub keeper: &'a dyn Keeper,
    /// Nothing is listed: what is remembered is all there is.
    pub stands: bool,
    /// Hours that are not listed again, half-open; `None` lists all.
    pub trusted: Option<(UtcHour, UtcHour)>,
    /// What is known of streams whose hours are not listed again: source and key before the date.
    streams: BTreeSet<(u32, Vec<u8>)>,
    listings: Vec<(u32, Vec<Entry>, Reasons)>,
}

impl<'a> Remembered<'a> {
    /// What is remembered of these sources. `stands`: nothing is listed, what is kept is all there is. `trusted`: hours
    /// (half-open) whose folders in buckets are not listed again; only those of the `aws` layout, whose folders
    /// hold nothing that other folders need.
    ///
    /// # Errors
    /// Where a kept listing is damaged.
    pub fn new(
        kept: &'a Kept,
        keeper: &'a dyn Keeper,
        sources: &[Source],
        stands: bool,
        trusted: Option<(UtcHour, UtcHour)>,
    ) -> Result<Self, Error> {
        let names: Vec<String> = sources.iter().map(Source::identity).collect();
        let mut remembered =
            Remembered { kept, keeper, stands, trusted, streams: BTreeSet::new(), listings: Vec::new() };
        if stands {
            for (slot, volume) in kept.listings() {
                let (entries, warnings) = remembered.listing(volume, slot, &names)?;
                remembered.listings.push((volume, entries, warnings));
            }
        } else if let Some((from, to)) = trusted {
            for (slot, volume) in kept.listings() {
                if slot.is_none_or(|hour| hour < from || hour >= to) {
                    continue;
                }
                let (entries, _) = remembered.listing(volume, slot, &names)?;
                let mut known = Vec::new();
                for entry in entries {
                    let Listed::Object(object) = &entry.listed else { continue };
                    let is_remote = sources[entry.source as usize].store.is_remote();
                    if is_remote && let Some(root) = stream_root(&object.key) {
                        remembered.streams.insert((entry.source, root.to_vec()));
                        known.push(entry);
                    }
                }
                remembered.listings.push((volume, known, Reasons::new()));
            }
        }
        Ok(remembered)
    }

    /// Whether what is remembered stands for all below a folder.
    fn stands_for(&self, source: u32, folder: &[u8]) -> bool {
        let Some((from, to)) = self.trusted else { return false };
        let within = key::folder_range(folder).is_some_and(|(first, end)| from <= first && end <= to);
        within
            && stream_root(&[folder, b"/00/00/00/x.json.gz"].concat())
                .is_some_and(|root| self.streams.contains(&(source, root.to_vec())))
    }

    /// What a listing found in a folder, and its own warnings, with this run's numbers of sources.
    fn listing(&self, volume: u32, slot: Slot, names: &[String]) -> Result<(Vec<Entry>, Reasons), Error> {
        let damaged = || Error::KeptDamaged { slot };
        let bytes = self.keeper.section(volume, slot, kept::LISTING).ok_or_else(damaged)?;
        let (mut entries, warnings) = kept::wire::decode_listing(&bytes).ok_or_else(damaged)?;
        let own = self.kept.sources(volume);
        for entry in &mut entries {
            let name = own.get(entry.source as usize).ok_or_else(damaged)?;
            let source = names.iter().position(|known| known == name).ok_or_else(damaged)?;
            entry.source = u32::try_from(source).unwrap_or(u32::MAX);
        }
        Ok((entries, warnings))
    }
}

/// The objects of a folder's listing that are not there any more; `None` where others have come or changed. `here` are
/// the numbers of those that are.
fn vanished(plan: &Plan, slot: Slot, here: &[u32], listing: Vec<Entry>) -> Option<Vec<Entry>> {
    let now: BTreeMap<(&[u8], u32), &Object> = here
        .iter()
        .map(|&number| &plan.objects[number as usize])
        .map(|planned| ((&*planned.object.key, planned.source), &planned.object))
        .collect();
    let aside: BTreeSet<(&[u8], u32)> = plan
        .set_aside
        .get(&slot)
        .into_iter()
        .flatten()
        .map(|entry| (key_of(&entry.listed), entry.source))
        .collect();
    let mut still = 0;
    let mut gone = Vec::new();
    for entry in listing {
        let Listed::Object(object) = &entry.listed else { continue };
        if aside.contains(&(&*object.key, entry.source)) {
            continue;
        }
        match now.get(&(&*object.key, entry.source)) {
            Some(found) => {
                if found.size != object.size || found.version != object.version {
                    return None;
                }
                still += 1;
            }
            None => gone.push(entry),
        }
    }
    (still == now.len()).then_some(gone)
}

/// Whether what lies outside both layouts is read. A bucket may hold anything.
fn reads_any_key(source: &Source, options: ListOptions) -> bool {
    !source.store.is_remote() || source.is_file || options.any_key
}

fn key_of(listed: &Listed) -> &[u8] {
    match listed {
        Listed::Object(object) => &object.key,
        Listed::Skipped { key, .. } | Listed::Failed { key, .. } => key,
    }
}

/// The slot that something listed belongs to: what lies in an hour's folder is listed with it.
fn slot_of(key: &[u8]) -> Slot {
    match Key::parse(key) {
        Key::AwsRecord { hour, .. } | Key::SplitDocument { hour, .. } | Key::AwsPayload { hour } => {
            Some(hour)
        }
        Key::SplitPayload { day, .. } => Some(UtcHour(day.0 * 24)),
        _ => {
            let (folder, _) = key.split_at(key.iter().rposition(|&byte| byte == b'/')?);
            let (first, end) = key::folder_range(folder)?;
            (end.0 - first.0 == 1).then_some(first)
        }
    }
}

/// The folders of keys, which mostly come folder by folder.
struct Folders<'a> {
    /// By source.
    walks: &'a [Walk<'a>],
    /// The last folder, and whether a listing of this run enters it.
    last: Option<(u32, Box<[u8]>, bool)>,
}

impl Folders<'_> {
    /// Whether a listing of this run comes across a key.
    fn lead_to(&mut self, source: u32, key: &[u8]) -> bool {
        let Some(end) = key.iter().rposition(|&byte| byte == b'/') else { return true };
        let folder = &key[..end];
        if let Some((last_source, last, enters)) = &self.last
            && *last_source == source
            && **last == *folder
        {
            return *enters;
        }
        let walk = &self.walks[source as usize];
        let ends = (walk.prefix.len()..=end).filter(|&end| key[end] == b'/');
        let mut steps = ends.map(|end| walk.step(&key[..end]));
        let enters = !steps.any(|step| matches!(step, Step::Leave | Step::Payloads));
        self.last = Some((source, folder.into(), enters));
        enters
    }
}

/// The part of a key of the `aws` layout that stands before its date.
fn stream_root(key: &[u8]) -> Option<&[u8]> {
    const SERVICE: &[u8] = b"/BedrockModelInvocationLogs/";
    let region_at = key.windows(SERVICE.len()).rposition(|window| window == SERVICE)?;
    let region = key.get(region_at + SERVICE.len()..)?;
    let end = region.iter().position(|&byte| byte == b'/')?;
    key.get(..key.len() - region.len() + end)
}

/// Which folders a listing enters.
struct Walk<'a> {
    /// Where the source begins.
    prefix: &'a [u8],
    /// Hours that may matter, half-open.
    near: (UtcHour, UtcHour),
    payloads: bool,
    is_remote: bool,
    any_key: bool,
}

/// What to do with a folder.
enum Step<'a> {
    Enter,
    Leave,
    /// Payloads of the `aws` layout, which nobody asks for.
    Payloads,
    /// A payload's folder below this day: all of the day's are listed at once.
    PayloadOfDay(&'a [u8]),
    /// It may lead anywhere, and is too far from where the source begins.
    TooFar,
}

impl Walk<'_> {
    fn step<'f>(&self, folder: &'f [u8]) -> Step<'f> {
        let names: Vec<&[u8]> = folder.split(|&byte| byte == b'/').collect();
        let range = key::folder_range(folder);
        let is_hour = range.is_some_and(|(first, end)| end.0 - first.0 == 1);
        // The payload of a request of the split layout may lie under the day beside its own.
        let slack = if !is_hour && !is_inside_layout(&names) { 24 } else { 0 };
        let is_outside = range
            .is_some_and(|(first, end)| first.0 >= self.near.1.0 + slack || end.0 <= self.near.0.0 - slack);
        let is_payloads = is_hour && names.last() == Some(&&b"data"[..]);
        if is_outside && is_inside_layout(&names) {
            return Step::Leave;
        }
        if is_payloads && !self.payloads {
            return Step::Payloads;
        }
        if !self.is_remote || self.any_key {
            return Step::Enter;
        }
        // In a bucket each folder costs a request, and there may be millions of them.
        if is_outside {
            return Step::Leave;
        }
        if let Some(day) = key::payload_day(folder) {
            return Step::PayloadOfDay(day);
        }
        if let Some(leads_on) = key::leads_to_records(folder) {
            return if leads_on { Step::Enter } else { Step::Leave };
        }
        if range.is_some() {
            return Step::Enter;
        }
        let below = folder.get(self.prefix.len()..).unwrap_or_default();
        let depth = below.split(|&byte| byte == b'/').filter(|name| !name.is_empty()).count();
        if depth <= UNKNOWN_FOLDERS_DEPTH { Step::Enter } else { Step::TooFar }
    }
}

/// Whether a folder's date is surely a layout's own. A date alone may as well be part of a key prefix, with all
/// of `AWSLogs/` below it (`backup/2024/01/02/AWSLogs/…`): locally such folders are entered whatever their date is.
fn is_inside_layout(names: &[&[u8]]) -> bool {
    let delivers =
        names.windows(3).any(|names| names[0] == b"AWSLogs" && names[2] == b"BedrockModelInvocationLogs");
    // `YYYY/MM/DD/HH/<kind>`, the folders of the split layout and of payloads.
    let kinds: [&[u8]; 5] = [b"model-invocations", b"metadata", b"requests", b"responses", b"data"];
    delivers || names.last().is_some_and(|name| kinds.contains(name))
}

/// A key as a number, so that a million of them fit into memory. Two keys may share one: whoever finds one here
/// still has to ask for the object.
pub(crate) fn key_hash(key: &[u8]) -> u64 {
    let mut hasher = rustc_hash::FxHasher::default();
    key.hash(&mut hasher);
    hasher.finish()
}

/// What stands before the layout's own part of a key.
fn layout_prefix<'a>(parsed: &Key<'a>, key: &'a [u8]) -> Option<&'a [u8]> {
    match parsed {
        Key::AwsRecord { prefix, .. }
        | Key::SplitDocument { prefix, .. }
        | Key::SplitPayload { prefix, .. } => Some(prefix),
        Key::AwsPayload { .. } => {
            let layout = b"AWSLogs/";
            key.windows(layout.len()).rposition(|window| window == layout).map(|at| &key[..at])
        }
        _ => None,
    }
}

/// What stands before the layout's own part in the keys below a folder that surely belongs to one.
fn layout_of_folder(folder: &[u8]) -> Option<Box<[u8]>> {
    let key = match stream_root(&[folder, b"/"].concat()) {
        Some(root) => [root, b"/2024/01/01/00/x.json"].concat(),
        None => {
            let (hour, _) = folder.split_at(folder.iter().rposition(|&byte| byte == b'/')?);
            [hour, b"/model-invocations/00000000-0000-0000-0000-000000000000-invocation.json"].concat()
        }
    };
    layout_prefix(&Key::parse(&key), &key).map(Box::from)
}

fn names(stream: &Stream) -> (Option<String>, Option<String>) {
    (stream.account.as_deref().map(str::to_owned), stream.region.as_deref().map(str::to_owned))
}

/// The asked range, narrowed by the date-shaped tails of the sources; several tails must agree, since a run
/// has one range.
fn combined_range(sources: &[Source], asked: Range) -> Result<Range, Error> {
    let mut tails = sources.iter().filter_map(|source| source.range);
    let Some((mut from, mut to)) = tails.next() else { return Ok(asked) };
    for (next_from, next_to) in tails {
        // Adjoining or overlapping tails, as of `DIR/2024/03/11 DIR/2024/03/12`, are one range.
        if next_from > to || from > next_to {
            return Err(Error::Ranges);
        }
        from = from.min(next_from);
        to = to.max(next_to);
    }
    let start = Timestamp { seconds: from.start_seconds(), nanos: 0 };
    let end = Timestamp { seconds: to.start_seconds(), nanos: 0 };
    Ok(Range {
        from: Some(asked.from.map_or(start, |asked| asked.max(start))),
        to: Some(asked.to.map_or(end, |asked| asked.min(end))),
    })
}
