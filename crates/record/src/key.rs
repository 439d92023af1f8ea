//! The key grammar: what an object is, by its key alone, and which hours a folder can hold.
//!
//! In: keys as bytes, with `/` between components; paths that a user gave. Out: one [`Key`], or half-open
//! ranges of hours. Always: a key is recognised by itself, every key is one of the variants, and a date that
//! the calendar does not have is no layout. A key prefix may hold anything, text that looks like a layout
//! included: the last match in the key is the layout. Absent: listing, and looking at an object's bytes.

use memchr::memmem;

use crate::document::DocumentKind;
use crate::time::{UtcDay, UtcHour, folder_span};

/// What a key names. `prefix` is everything before the layout's own part, `/` included (or empty).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Key<'a> {
    /// A record object of the `aws` layout.
    AwsRecord {
        /// Before `AWSLogs/`.
        prefix: &'a [u8],
        /// 12 digits.
        account: &'a str,
        /// Source Region.
        region: &'a str,
        /// The folder's hour.
        hour: UtcHour,
    },
    /// A payload object under `data/` of the `aws` layout (under a large-data prefix too).
    AwsPayload {
        /// The folder's hour.
        hour: UtcHour,
    },
    /// `amazon-bedrock-logs-permission-check` at any depth.
    PermissionMarker,
    /// Ends in `/`.
    FolderMarker,
    /// One of the four documents of the `split` layout.
    SplitDocument {
        /// Before `YYYY/`.
        prefix: &'a [u8],
        /// The folder's hour.
        hour: UtcHour,
        /// Which of the four.
        kind: DocumentKind,
        /// From the file name.
        request_id: &'a str,
    },
    /// `YYYY/MM/DD/<requestId>/payload.json` of the large-data bucket.
    SplitPayload {
        /// Before `YYYY/`.
        prefix: &'a [u8],
        /// The day in the key.
        day: UtcDay,
        /// From the key.
        request_id: &'a str,
    },
    /// `aws-logs-write-test` of a CloudWatch export.
    WriteTestMarker,
    /// Hidden, `.tmp`, or a partial download (`name.XXXXXXXX`).
    TempFile,
    /// Outside both layouts.
    Other,
}

impl<'a> Key<'a> {
    /// Reads a key. Never fails: what fits no layout is [`Key::Other`].
    #[must_use]
    pub fn parse(key: &'a [u8]) -> Key<'a> {
        let (folder, name) = split_name(key);
        Folder::parse(folder).key(folder, name)
    }
}

/// Reads keys one after the other: in a run of keys of one folder, all but the first cost no more than their names.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// The folder of the last key, with its final `/`.
    path: Vec<u8>,
    folder: Folder,
}

impl Keys {
    /// As [`Key::parse`].
    pub fn parse<'a>(&mut self, key: &'a [u8]) -> Key<'a> {
        let (path, name) = split_name(key);
        if path != self.path {
            self.path.clear();
            self.path.extend_from_slice(path);
            self.folder = Folder::parse(path);
        }
        self.folder.key(path, name)
    }
}

/// The request id in the key of one of the four documents of the `split` layout, where it is known to be one of this
/// kind: of a [`Key::SplitDocument`] its `request_id`, at the cost of the name alone.
#[must_use]
pub fn request_id(key: &[u8], kind: DocumentKind) -> Option<&str> {
    let (_, ending, _) = SPLIT_DOCUMENTS.into_iter().find(|(_, _, of)| *of == kind)?;
    id_before(split_name(key).1, ending)
}

const PERMISSION_MARKER: &[u8] = b"amazon-bedrock-logs-permission-check";
const WRITE_TEST_MARKER: &[u8] = b"aws-logs-write-test";

/// How the name of a record object ends. `.gz` covers `.json.gz`; it stands for the exports of CloudWatch.
const RECORD_SUFFIXES: [&[u8]; 4] = [b".json", b".jsonl", b".ndjson", b".gz"];

/// The folder and the name's ending of each document of the split layout.
const SPLIT_DOCUMENTS: [(&[u8], &str, DocumentKind); 4] = [
    (b"model-invocations", "-invocation", DocumentKind::Invocation),
    (b"metadata", "-metadata", DocumentKind::Metadata),
    (b"requests", "-request", DocumentKind::Request),
    (b"responses", "-response", DocumentKind::Response),
];

/// The folder of the payload objects of the aws layout, below an hour.
const PAYLOAD_FOLDER: &[u8] = b"data";

fn has_record_suffix(name: &[u8]) -> bool {
    RECORD_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// What a folder's key, with its final `/`, says of all that lies directly in it; of no folder the key is empty.
/// Holds lengths, not names: it comes with the key that it was read from.
#[derive(Clone, Copy, Debug, Default)]
struct Folder {
    /// Whether any component starts with a point.
    is_hidden: bool,
    layout: Layout,
    /// Whatever fits no layout by its name is a payload of this hour: it lies below a `YYYY/MM/DD/HH/data/`.
    bare_payloads: Option<UtcHour>,
}

/// The part of a layout that ends in a folder. A folder is at most one.
#[derive(Clone, Copy, Debug, Default)]
enum Layout {
    #[default]
    None,
    AwsRecords {
        prefix_bytes: usize,
        region_bytes: usize,
        hour: UtcHour,
    },
    AwsPayloads {
        hour: UtcHour,
    },
    SplitDocuments {
        prefix_bytes: usize,
        hour: UtcHour,
        kind: DocumentKind,
        /// How the names end.
        ending: &'static str,
    },
    SplitPayload {
        prefix_bytes: usize,
        day: UtcDay,
    },
}

impl Folder {
    fn parse(path: &[u8]) -> Self {
        let layout = aws_layout(path).or_else(|| split_layout(path)).or_else(|| split_payload_layout(path));
        Folder {
            is_hidden: path.starts_with(b".") || memmem::find(path, b"/.").is_some(),
            layout: layout.unwrap_or_default(),
            bare_payloads: bare_payloads(path),
        }
    }

    /// What a name in this folder, whose key is `path`, is.
    fn key<'a>(&self, path: &'a [u8], name: &'a [u8]) -> Key<'a> {
        if name == PERMISSION_MARKER {
            Key::PermissionMarker
        } else if name.is_empty() && !path.is_empty() {
            Key::FolderMarker
        } else if name == WRITE_TEST_MARKER {
            Key::WriteTestMarker
        } else if self.is_hidden || name.starts_with(b".") || is_temporary(name) {
            Key::TempFile
        } else {
            let in_layout = self.key_in_layout(path, name);
            in_layout.or(self.bare_payloads.map(|hour| Key::AwsPayload { hour })).unwrap_or(Key::Other)
        }
    }

    fn key_in_layout<'a>(&self, path: &'a [u8], name: &'a [u8]) -> Option<Key<'a>> {
        match self.layout {
            Layout::None => None,
            Layout::AwsRecords { prefix_bytes, region_bytes, hour } => {
                if !has_record_suffix(name) {
                    return None;
                }
                let (prefix, layout) = path.split_at_checked(prefix_bytes)?;
                let (account, from_third) = layout.get(AWS_FIRST.len()..)?.split_at_checked(ACCOUNT_WIDTH)?;
                let region = from_third.get(AWS_THIRD.len()..)?.get(..region_bytes)?;
                let (account, region) =
                    (std::str::from_utf8(account).ok()?, std::str::from_utf8(region).ok()?);
                Some(Key::AwsRecord { prefix, account, region, hour })
            }
            Layout::AwsPayloads { hour } => Some(Key::AwsPayload { hour }),
            Layout::SplitDocuments { prefix_bytes, hour, kind, ending } => {
                let request_id = id_before(name, ending)?;
                Some(Key::SplitDocument { prefix: path.get(..prefix_bytes)?, hour, kind, request_id })
            }
            Layout::SplitPayload { prefix_bytes, day } => {
                if strip_json_suffix(name)? != b"payload" {
                    return None;
                }
                let id = path.get(prefix_bytes + DAY_WIDTH + 1..)?.strip_suffix(b"/")?;
                let request_id = std::str::from_utf8(id).ok()?;
                Some(Key::SplitPayload { prefix: path.get(..prefix_bytes)?, day, request_id })
            }
        }
    }
}

/// Splits a key into its folder, with the final `/` (or empty), and its name.
fn split_name(key: &[u8]) -> (&[u8], &[u8]) {
    key.split_at(memchr::memrchr(b'/', key).map_or(0, |at| at + 1))
}

/// The id in `<id><ending>.json[.gz]`.
fn id_before<'a>(name: &'a [u8], ending: &str) -> Option<&'a str> {
    let id = strip_json_suffix(name)?.strip_suffix(ending.as_bytes())?;
    std::str::from_utf8(id).ok().filter(|id| !id.is_empty())
}

/// `name.tmp`, or a download that was cut short: the AWS tools write to `name.json.gz.6A1f03bC` and rename.
fn is_temporary(name: &[u8]) -> bool {
    if name.ends_with(b".tmp") {
        return true;
    }
    let Some((whole_name, random)) = rsplit_once(name, b'.') else {
        return false;
    };
    random.len() == 8
        && random.iter().all(u8::is_ascii_alphanumeric)
        && random.iter().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && has_record_suffix(whole_name)
}

/// `[prefix/]AWSLogs/<account>/BedrockModelInvocationLogs/<region>/YYYY/MM/DD/HH/[data/…]`
fn aws_layout(path: &[u8]) -> Option<Layout> {
    let root = last_aws_root(path)?;
    let (region, from_date) = split_once(root.rest, b'/')?;
    let region_bytes = region_name(region)?.len();
    let (date, from_slash) = from_date.split_at_checked(HOUR_WIDTH)?;
    let (hour, _) = folder_span(date)?;
    match split_once(from_slash.strip_prefix(b"/")?, b'/') {
        None => Some(Layout::AwsRecords { prefix_bytes: root.prefix.len(), region_bytes, hour }),
        Some((folder, _)) => (folder == PAYLOAD_FOLDER).then_some(Layout::AwsPayloads { hour }),
    }
}

/// What stands around `AWSLogs/<account>/BedrockModelInvocationLogs/`.
struct AwsRoot<'a> {
    prefix: &'a [u8],
    rest: &'a [u8],
}

const AWS_FIRST: &[u8] = b"AWSLogs/";
const AWS_THIRD: &[u8] = b"/BedrockModelInvocationLogs/";

/// Width of an account's number.
const ACCOUNT_WIDTH: usize = 12;

/// The last place in the key where the fixed part of the aws layout stands.
fn last_aws_root(key: &[u8]) -> Option<AwsRoot<'_>> {
    let mut end = key.len();
    while let Some(at) = memmem::rfind(&key[..end], AWS_FIRST) {
        let (prefix, from_first) = key.split_at(at);
        if (prefix.is_empty() || prefix.ends_with(b"/"))
            && let Some((account, from_third)) = from_first[AWS_FIRST.len()..].split_at_checked(ACCOUNT_WIDTH)
            && account.iter().all(u8::is_ascii_digit)
            && let Some(rest) = from_third.strip_prefix(AWS_THIRD)
        {
            return Some(AwsRoot { prefix, rest });
        }
        end = at;
    }
    None
}

/// A Region's name, loosely, since there are new ones every year: lower-case letters, digits and hyphens,
/// a letter first.
fn region_name(component: &[u8]) -> Option<&str> {
    let fits = component.first().is_some_and(u8::is_ascii_lowercase)
        && component.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if fits { std::str::from_utf8(component).ok() } else { None }
}

/// `[prefix/]YYYY/MM/DD/HH/<folder>/`, which holds `<id>-<kind>.json[.gz]`
fn split_layout(path: &[u8]) -> Option<Layout> {
    let (hour_path, folder) = rsplit_once(path.strip_suffix(b"/")?, b'/')?;
    let (_, ending, kind) = SPLIT_DOCUMENTS.into_iter().find(|(name, _, _)| *name == folder)?;
    let (prefix, date) = split_tail(hour_path, HOUR_WIDTH)?;
    let (hour, _) = folder_span(date)?;
    Some(Layout::SplitDocuments { prefix_bytes: prefix.len(), hour, kind, ending })
}

/// `[prefix/]YYYY/MM/DD/<id>/`, which holds `payload.json[.gz]`
fn split_payload_layout(path: &[u8]) -> Option<Layout> {
    let (day_path, request_id) = rsplit_once(path.strip_suffix(b"/")?, b'/')?;
    let (prefix, date) = split_tail(day_path, DAY_WIDTH)?;
    let (first_hour, _) = folder_span(date)?;
    let day = UtcDay(first_hour.0.div_euclid(24));
    (!request_id.is_empty()).then_some(Layout::SplitPayload { prefix_bytes: prefix.len(), day })
}

/// `[prefix/]YYYY/MM/DD/HH/data/…`: payloads whose keys lack the first part of the aws layout.
fn bare_payloads(path: &[u8]) -> Option<UtcHour> {
    const FOLDER: &[u8] = b"/data/";
    let mut end = path.len();
    while let Some(at) = memmem::rfind(&path[..end], FOLDER) {
        if let Some((_, date)) = split_tail(&path[..at], HOUR_WIDTH)
            && let Some((hour, _)) = folder_span(date)
        {
            return Some(hour);
        }
        // The match before may share its last slash with this one's first: `/data/data/`.
        end = at + 1;
    }
    None
}

fn strip_json_suffix(name: &[u8]) -> Option<&[u8]> {
    name.strip_suffix(b".gz").unwrap_or(name).strip_suffix(b".json")
}

/// Widths of `YYYY`, `YYYY/MM`, `YYYY/MM/DD` and `YYYY/MM/DD/HH`.
const YEAR_WIDTH: usize = 4;
const MONTH_WIDTH: usize = 7;
const DAY_WIDTH: usize = 10;
const HOUR_WIDTH: usize = 13;

/// Splits off the last `width` bytes if a component starts there: (what is before, `/` included; the tail).
fn split_tail(path: &[u8], width: usize) -> Option<(&[u8], &[u8])> {
    let (before, tail) = path.split_at(path.len().checked_sub(width)?);
    (before.is_empty() || before.ends_with(b"/")).then_some((before, tail))
}

fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(separator, text)?;
    Some((&text[..at], &text[at + 1..]))
}

fn rsplit_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memrchr(separator, text)?;
    Some((&text[..at], &text[at + 1..]))
}

/// How precise the date at the end of a path is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grain {
    /// `YYYY`.
    Year,
    /// `YYYY/MM`.
    Month,
    /// `YYYY/MM/DD`.
    Day,
    /// `YYYY/MM/DD/HH`.
    Hour,
}

/// A date at the end of a path: a range of time over the root before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DateTail {
    /// First hour.
    pub from: UtcHour,
    /// The hour after the last.
    pub to: UtcHour,
    /// What the date names.
    pub grain: Grain,
}

/// The years that a date is guessed to be of where a name alone must tell: `1200` and `8080` are names of
/// directories. Keys that hold a whole layout need no guess, and no such limit.
const PLAUSIBLE_CENTURY: &[u8] = b"20";

/// Splits `root/YYYY[/MM[/DD[/HH]]][/]` into the root, without its final `/`, and the range.
///
/// The longest date that ends the path is taken. `None` if no date of the years 2000 to 2099 is there. What
/// stands between `scheme://` and the next `/` is a bucket, never part of a date. The root of `/2024` is `/`;
/// that of `2024` is empty and means the current directory.
#[must_use]
pub fn date_tail(path: &str) -> Option<(&str, DateTail)> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let below_bucket = match path.split_once("://") {
        Some((_, bucket_and_key)) => bucket_and_key.split_once('/')?.1,
        None => path,
    };
    let (width, grain, (from, to)) = last_date(below_bucket.as_bytes())?;
    let root = match path.len() - width {
        0 => "",
        1 => "/",
        start => &path[..start - 1],
    };
    Some((root, DateTail { from, to, grain }))
}

/// The longest plausible date that ends the path: its width in bytes, its grain, its half-open range.
fn last_date(path: &[u8]) -> Option<(usize, Grain, (UtcHour, UtcHour))> {
    let grains = [
        (HOUR_WIDTH, Grain::Hour),
        (DAY_WIDTH, Grain::Day),
        (MONTH_WIDTH, Grain::Month),
        (YEAR_WIDTH, Grain::Year),
    ];
    grains.into_iter().find_map(|(width, grain)| {
        let (_, date) = split_tail(path, width)?;
        let range = if date.starts_with(PLAUSIBLE_CENTURY) { folder_span(date) } else { None };
        Some((width, grain, range?))
    })
}

/// The half-open range of folder hours that the objects below a directory can have, under either layout.
///
/// Takes the directory's key, with or without a final `/`. `None` outside the date part of a layout: nothing
/// is known of what lies below. For `YYYY/MM/DD/<id>`, which holds a payload, the range is the day.
///
/// Below `AWSLogs/…/<region>/` the answer is certain. Elsewhere `YYYY/MM…` is taken for the split layout's own;
/// it could also be a key prefix that looks like a date, with a whole `AWSLogs/` tree of other dates below it.
/// Whoever prunes by the range decides not to look there.
#[must_use]
pub fn folder_range(directory_key: &[u8]) -> Option<(UtcHour, UtcHour)> {
    let directory = directory_key.strip_suffix(b"/").unwrap_or(directory_key);
    aws_folder_range(directory).or_else(|| bare_folder_range(directory))
}

fn aws_folder_range(directory: &[u8]) -> Option<(UtcHour, UtcHour)> {
    let root = last_aws_root(directory)?;
    let (region, from_date) = split_once(root.rest, b'/')?;
    region_name(region)?;
    let Some((date, below_hour)) = from_date.split_at_checked(HOUR_WIDTH) else {
        return folder_span(from_date);
    };
    let folder = below_hour.split(|&byte| byte == b'/').nth(1);
    let is_in_layout = folder.is_none_or(|folder| folder == PAYLOAD_FOLDER);
    if is_in_layout { folder_span(date) } else { None }
}

fn bare_folder_range(directory: &[u8]) -> Option<(UtcHour, UtcHour)> {
    if let Some((_, _, range)) = last_date(directory) {
        return Some(range);
    }
    let (parent, name) = rsplit_once(directory, b'/')?;
    let (_, grain, range) = last_date(parent)?;
    let is_in_layout = match grain {
        Grain::Hour => name == PAYLOAD_FOLDER || SPLIT_DOCUMENTS.iter().any(|(folder, _, _)| *folder == name),
        // The id of a payload. `AWSLogs` says that the date was part of a key prefix.
        Grain::Day => name != b"AWSLogs",
        Grain::Month | Grain::Year => false,
    };
    is_in_layout.then_some(range)
}

/// Whether a folder at or below an `AWSLogs` leads on to invocation logs: an account of 12 digits, and in it
/// `BedrockModelInvocationLogs`. Other services deliver there, too. `None` outside of any `AWSLogs`.
#[must_use]
pub fn leads_to_records(directory_key: &[u8]) -> Option<bool> {
    let names: Vec<&[u8]> = directory_key.split(|&byte| byte == b'/').collect();
    let at = names.iter().rposition(|name| *name == b"AWSLogs")?;
    let below = &names[at + 1..];
    let is_account = |name: &[u8]| name.len() == 12 && name.iter().all(u8::is_ascii_digit);
    Some(
        below.first().is_none_or(|name| is_account(name))
            && below.get(1).is_none_or(|name| *name == b"BedrockModelInvocationLogs"),
    )
}

/// The day's folder (without a final `/`) of a payload's folder `YYYY/MM/DD/<requestId>`; `None` where it is none.
#[must_use]
pub fn payload_day(directory_key: &[u8]) -> Option<&[u8]> {
    let (day, _) = rsplit_once(directory_key, b'/')?;
    let range = folder_range(directory_key)?;
    (range.1.0 - range.0.0 == 24 && folder_range(day) == Some(range)).then_some(day)
}
