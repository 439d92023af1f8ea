//! A glimpse of a place: which layouts it has, its newest and its oldest hour, and one object of each kind.
//!
//! In: a source. Out: a [`Glimpse`], from a few dozen listings however large the place is: of the folders that are
//! named by dates only the first and the last are opened. Always: nothing is read, and the number of listings has a
//! bound. Absent: any count of what is there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use borehole_record::{Key, UtcHour, key};
use borehole_scan::Source;
use borehole_scan::limits::UNKNOWN_FOLDERS_DEPTH;
use borehole_store::{Error, Listed, Object, ReadFailure, StorageClass, Store};

/// Most listings of one place: forty accounts and Regions take about as many, in a few seconds and for less than a
/// cent.
const LISTINGS_MAX: u32 = 600;

/// Folders of date trees that are kept: more than anybody reads.
const FOLDERS_MAX: usize = 64;

/// What a few listings show.
#[derive(Debug, Default)]
pub(crate) struct Glimpse {
    /// Layouts of record objects and of payloads: `aws`, `split`, `payloads`, `other`.
    pub layouts: BTreeSet<&'static str>,
    /// Date trees that were found: accounts and Regions of the `aws` layout, roots of the `split` one.
    pub streams: u64,
    /// The last folder hour with records.
    pub newest: Option<UtcHour>,
    /// The first.
    pub oldest: Option<UtcHour>,
    /// The last hour, or day, with payloads.
    pub newest_payload: Option<UtcHour>,
    /// The folder of the last hour.
    pub newest_folder: Option<Vec<u8>>,
    /// A record object that needs no restore.
    pub record: Option<Object>,
    /// A payload object that needs no restore.
    pub payload: Option<Object>,
    /// Classes of the records and payloads that were seen, with how many.
    pub classes: BTreeMap<StorageClass, u64>,
    /// A folder that may not be listed.
    pub denied: Option<Vec<u8>>,
    /// There was more than [`LISTINGS_MAX`] listings show.
    pub is_cut: bool,
    /// The folders that the date trees begin in: at most [`FOLDERS_MAX`].
    pub folders: Vec<Vec<u8>>,
    /// Folders of other services beside those of Bedrock, as `CloudTrail`.
    pub services: BTreeSet<String>,
}

/// Looks at a source.
///
/// # Errors
/// Where it cannot be listed at all.
pub(crate) fn look(source: &Source) -> Result<Glimpse, Error> {
    let mut look = Look { store: &*source.store, listings: 0, glimpse: Glimpse::default() };
    if source.is_file {
        look.children(&source.prefix)?;
        return Ok(look.glimpse);
    }
    let mut folders = VecDeque::from([(source.prefix.clone(), 0)]);
    while let Some((folder, depth)) = folders.pop_front() {
        let children = look.children(&folder)?;
        if children.iter().any(|child| is_date_part(name_of(child), 4)) {
            look.date_tree(&folder)?;
        }
        for child in children {
            let leads_on = match key::leads_to_records(&child) {
                Some(leads_on) => leads_on,
                None => depth < UNKNOWN_FOLDERS_DEPTH,
            };
            look.glimpse.services.extend(if leads_on { None } else { service(&child) });
            if leads_on && !is_date_part(name_of(&child), 4) {
                folders.push_back((child, depth + 1));
            }
        }
    }
    Ok(look.glimpse)
}

struct Look<'a> {
    store: &'a dyn Store,
    listings: u32,
    glimpse: Glimpse,
}

impl Look<'_> {
    /// The folders directly in a folder; its objects are noted.
    fn children(&mut self, folder: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        if self.listings >= LISTINGS_MAX {
            self.glimpse.is_cut = true;
            return Ok(Vec::new());
        }
        self.listings += 1;
        let mut folders = Vec::new();
        let glimpse = &mut self.glimpse;
        let mut enter = |child: &[u8]| {
            folders.push(child.to_vec());
            false
        };
        let mut found = |listed: Listed| match listed {
            Listed::Object(object) => glimpse.note(object),
            Listed::Failed { key, reason: ReadFailure::AccessDenied | ReadFailure::Permission } => {
                glimpse.denied.get_or_insert_with(|| key.into_vec());
            }
            Listed::Failed { .. } | Listed::Skipped { .. } => {}
        };
        self.store.list(folder, &mut enter, &mut found)?;
        folders.sort_unstable();
        Ok(folders)
    }

    /// Opens the newest and the oldest hour of `folder/YYYY/MM/DD/HH`.
    fn date_tree(&mut self, folder: &[u8]) -> Result<(), Error> {
        self.glimpse.streams += 1;
        if self.glimpse.folders.len() < FOLDERS_MAX {
            self.glimpse.folders.push(folder.to_vec());
        }
        for newest in [true, false] {
            let mut path = folder.to_vec();
            for width in [4, 2, 2, 2] {
                let children = self.children(&path)?;
                if width == 2
                    && self.glimpse.payload.is_none()
                    && let Some(request) = children.iter().find(|child| key::payload_day(child).is_some())
                {
                    self.children(request)?;
                }
                let mut dates = children.into_iter().filter(|child| is_date_part(name_of(child), width));
                let Some(next) = (if newest { dates.next_back() } else { dates.next() }) else { break };
                path = next;
            }
            let Some((hour, end)) = key::folder_range(&path) else { continue };
            if end.0 - hour.0 != 1 {
                continue;
            }
            let folders = self.children(&path)?;
            for kind in &folders {
                let is_payloads = name_of(kind) == b"data";
                let is_wanted = if is_payloads { self.glimpse.payload.is_none() } else { true };
                if is_wanted && key::folder_range(kind).is_some() {
                    self.children(kind)?;
                }
            }
            if self.glimpse.newest == Some(hour) {
                self.glimpse.newest_folder = Some(path);
            }
        }
        Ok(())
    }
}

impl Glimpse {
    fn note(&mut self, object: Object) {
        match Key::parse(&object.key) {
            Key::AwsRecord { hour, .. } => self.note_record("aws", hour, object),
            Key::SplitDocument { hour, .. } => self.note_record("split", hour, object),
            Key::AwsPayload { hour } => self.note_payload(hour, object),
            Key::SplitPayload { day, .. } => self.note_payload(UtcHour(day.0 * 24), object),
            Key::Other => drop(self.layouts.insert("other")),
            _ => {}
        }
    }

    fn note_record(&mut self, layout: &'static str, hour: UtcHour, object: Object) {
        self.layouts.insert(layout);
        self.newest = Some(self.newest.map_or(hour, |newest| newest.max(hour)));
        self.oldest = Some(self.oldest.map_or(hour, |oldest| oldest.min(hour)));
        *self.classes.entry(object.class).or_default() += 1;
        if self.record.is_none() && !object.is_archived() {
            self.record = Some(object);
        }
    }

    fn note_payload(&mut self, hour: UtcHour, object: Object) {
        self.layouts.insert("payloads");
        self.newest_payload = Some(self.newest_payload.map_or(hour, |newest| newest.max(hour)));
        *self.classes.entry(object.class).or_default() += 1;
        if self.payload.is_none() && !object.is_archived() {
            self.payload = Some(object);
        }
    }
}

fn name_of(folder: &[u8]) -> &[u8] {
    folder.rsplit(|&byte| byte == b'/').next().unwrap_or(folder)
}

/// The service that delivers into a folder at or below `AWSLogs/ACCOUNT`.
fn service(folder: &[u8]) -> Option<String> {
    let names: Vec<&[u8]> = folder.split(|&byte| byte == b'/').collect();
    let at = names.iter().rposition(|name| *name == b"AWSLogs")?;
    names.get(at + 2).map(|name| String::from_utf8_lossy(name).into_owned())
}

fn is_date_part(name: &[u8], width: usize) -> bool {
    name.len() == width && name.iter().all(u8::is_ascii_digit) && (width != 4 || name.starts_with(b"20"))
}
