//! Rows to Parquet, column by column.
//!
//! In: invocations in any order. Out: one file. Always: the bytes depend on the set of rows alone; what repeats is
//! written once and named by codes; every row can be read back as it was. Absent: files and directories.

use std::io::Cursor;
use std::sync::Arc;

use borehole_record::identity::caller;
use borehole_record::{ContentKinds, Invocation, Model, ProfileMap, RequestId, Tag, Timestamp};
use polars::prelude::{DataFrame, ParquetReader, SerReader};
use rustc_hash::FxHashMap;

use super::encodings;
use super::file::{Extremes, FileBuilder, Form, Levels, ROWS_MAX, VERSION_KEY, Values};
use super::layout::{COUNTS, TAG_KEYS, TAG_VALUES};
use super::rows::{Names, Rows, Text};
use super::{FAR_KEY, LOCATIONS, ROW_VERSION, kinds};
use crate::Error;

/// zstd's level. The next ones take more time and, with hexadecimal digits and numbers, more bytes: they look for
/// repetitions and find some that cost more than they save.
const LEVEL: i32 = 1;

/// Longer values are left out of the statistics: they tell little, and a footer is a large part of a small file.
const STATISTIC_BYTES_MAX: usize = 16;

/// How many different integers are few, as a share of all: codes take less than differences then.
const FEW_OF: usize = 16;

/// Stands for a row without a value.
const ABSENT: u32 = u32::MAX;

/// Stands for what has no code yet.
const UNSEEN: u32 = u32::MAX - 1;

/// The rows of one hour of one stream, being collected column by column.
pub struct InvocationRows {
    profiles: Arc<ProfileMap>,
    rows: Rows,
    file: FileBuilder,
    scratch: Scratch,
}

/// Memory of one column after another.
#[derive(Default)]
struct Scratch {
    codes: Vec<u32>,
    levels: Vec<u32>,
    starts: Vec<u32>,
    integers: Vec<i64>,
    plain: Vec<u8>,
    code_by_id: Vec<u32>,
}

impl InvocationRows {
    /// No rows; `profiles` says what application profiles were copied from.
    #[must_use]
    pub fn new(profiles: Arc<ProfileMap>) -> Self {
        let (rows, file, scratch) = Default::default();
        InvocationRows { profiles, rows, file, scratch }
    }

    /// Adds a row. Its request id is one that [`RequestId::parse`] gives.
    pub fn push(&mut self, invocation: &Invocation) {
        self.rows.push(invocation);
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.timestamps.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.rows.clear();
    }

    /// The rows as a Parquet file, sorted by time and place. `object` names an [`Invocation::object`].
    ///
    /// # Errors
    /// Where a page would be larger than Parquet allows.
    pub fn finish(&mut self, object: &dyn Fn(u32) -> String) -> Result<Vec<u8>, Error> {
        let rows = &self.rows;
        let names = Names::of(&rows.objects, object);
        let order = rows.order(&names);
        let models = models(rows, &self.profiles);
        self.file.start(LEVEL)?;
        for group in order.chunks(ROWS_MAX) {
            let mut group = Group { file: &mut self.file, rows: group, scratch: &mut self.scratch };
            write_group(&mut group, rows, &names, &models)?;
            group.file.end_group(group.rows.len());
        }
        let mut words = vec![(VERSION_KEY, ROW_VERSION.to_string())];
        words.extend(far(rows, &order).map(|far| (FAR_KEY, far)));
        self.file.finish(words)
    }

    /// The rows as a table for people: the columns of the file, but for what only a reader of ours needs.
    ///
    /// # Errors
    /// As [`InvocationRows::finish`].
    pub fn frame(&mut self, object: &dyn Fn(u32) -> String) -> Result<DataFrame, Error> {
        let bytes = self.finish(object)?;
        let frame = ParquetReader::new(Cursor::new(bytes)).finish();
        let frame = frame.and_then(|frame| frame.drop("timestamp_nanos"));
        frame.map_err(|error| Error::Parquet(error.to_string()))
    }
}

/// Writes the columns, in the order of the layout.
fn write_group(
    group: &mut Group<'_>,
    rows: &Rows,
    names: &Names,
    models: &FxHashMap<u32, Model>,
) -> Result<(), Error> {
    group.request_ids("request_id", &rows.request_ids)?;
    let time = |row: usize| rows.timestamps[row];
    let bound = |row: usize| if time(row).seconds < 0 { i64::MIN } else { i64::MAX };
    group.integers("timestamp", Form::Deltas, |row| Some(micros(time(row)).unwrap_or_else(|| bound(row))))?;
    group.integers("timestamp_nanos", Form::Deltas, |row| Some((time(row).nanos % 1_000).into()))?;

    let texts = rows.texts.things.len();
    let text = |text: Text| move |row: usize| rows.text(row, text);
    let as_it_is = |id: u32| Some(&*rows.texts.things[id as usize]);
    group.texts("account", texts, text(Text::Account), as_it_is)?;
    group.texts("region", texts, text(Text::Region), as_it_is)?;
    group.texts("inference_region", texts, text(Text::InferenceRegion), as_it_is)?;
    group.texts("model", texts, text(Text::ModelId), |id| Some(&models[&id].base))?;
    group.texts("model_id", texts, text(Text::ModelId), as_it_is)?;
    group.texts("scope", texts, text(Text::ModelId), |id| Some(models[&id].scope.as_str()))?;
    group.texts("operation", texts, text(Text::Operation), as_it_is)?;
    group.texts("identity_arn", texts, text(Text::Identity), as_it_is)?;
    group.texts("role", texts, text(Text::Identity), |id| caller(&rows.texts.things[id as usize]).role)?;
    group.texts("session", texts, text(Text::Identity), |id| {
        caller(&rows.texts.things[id as usize]).session
    })?;
    group.tags(TAG_KEYS, rows, |(key, _)| key)?;
    group.tags(TAG_VALUES, rows, |(_, value)| value)?;
    group.texts("error_code", texts, text(Text::ErrorCode), as_it_is)?;
    group.integers("status", Form::Plain, |row| {
        Some(rows.statuses[row].into()).filter(|&status| status > 0)
    })?;
    group.texts("stop_reason", texts, text(Text::StopReason), as_it_is)?;
    group.texts("service_tier", texts, text(Text::ServiceTier), as_it_is)?;

    for (path, column) in COUNTS.into_iter().zip(&rows.counts) {
        // Lengths in bytes are much alike; tokens and times go over many octaves, and a block of differences is as
        // wide as its widest.
        let form = if path.ends_with("_bytes") { Form::Deltas } else { Form::Plain };
        group.integers(path, form, |row| column[row].get().map(|count| count as i64))?;
    }
    group.integers("image_count", Form::Plain, |row| Some(rows.images[row].into()))?;
    group.integers("document_count", Form::Plain, |row| Some(rows.documents[row].into()))?;
    group.kinds("input_kinds", &rows.kinds[0])?;
    group.kinds("output_kinds", &rows.kinds[1])?;
    let location = |id: u32| Some(LOCATIONS[id as usize]);
    group.texts("input_location", LOCATIONS.len(), |row| Some(rows.large[0][row].into()), location)?;
    group.texts("output_location", LOCATIONS.len(), |row| Some(rows.large[1][row].into()), location)?;
    group.booleans("payload_lost", &rows.payload_lost)?;

    let rank = |row: usize| Some(names.rank(rows.objects[row]));
    group.texts("source_object", names.sorted.len(), rank, |id| Some(&names.sorted[id as usize]))?;
    group.integers("source_offset", Form::Deltas, |row| Some(rows.offsets[row] as i64))
}

/// Microseconds since the epoch, rounded down, where they fit.
fn micros(time: Timestamp) -> Option<i64> {
    time.seconds.checked_mul(1_000_000)?.checked_add(i64::from(time.nanos / 1_000))
}

/// The rows whose time no 64 bits of microseconds can tell: `row seconds nanoseconds`, with `;` between them.
fn far(rows: &Rows, order: &[u32]) -> Option<String> {
    let times = order.iter().map(|&row| rows.timestamps[row as usize]).enumerate();
    let far = times.filter(|(_, time)| micros(*time).is_none());
    let words: Vec<String> =
        far.map(|(row, time)| format!("{row} {} {}", time.seconds, time.nanos)).collect();
    (!words.is_empty()).then(|| words.join(";"))
}

/// The models of all rows, by the places of their ids.
fn models(rows: &Rows, profiles: &ProfileMap) -> FxHashMap<u32, Model> {
    let mut models = FxHashMap::default();
    for id in rows.sets.iter().filter_map(|set| set.texts[Text::ModelId as usize]) {
        models.entry(id).or_insert_with(|| Model::parse_with(&rows.texts.things[id as usize], profiles));
    }
    models
}

/// A group of rows whose columns are being written.
struct Group<'a> {
    file: &'a mut FileBuilder,
    /// In their order.
    rows: &'a [u32],
    scratch: &'a mut Scratch,
}

impl Group<'_> {
    /// A column of strings that repeat. `id` says which one of `ids` a row has, and `text` what it is.
    fn texts<'t>(
        &mut self,
        path: &str,
        ids: usize,
        id: impl Fn(usize) -> Option<u32>,
        text: impl Fn(u32) -> Option<&'t str>,
    ) -> Result<(), Error> {
        let Scratch { codes, levels, code_by_id, plain, .. } = &mut *self.scratch;
        let mut dictionary = Dictionary::new(plain);
        code_by_id.clear();
        code_by_id.resize(ids, UNSEEN);
        codes.clear();
        levels.clear();
        for &row in self.rows {
            let code = id(row as usize).map_or(ABSENT, |id| {
                let code = &mut code_by_id[id as usize];
                if *code == UNSEEN {
                    *code = text(id).map_or(ABSENT, |text| dictionary.code(text));
                }
                *code
            });
            levels.push(u32::from(code != ABSENT));
            if code != ABSENT {
                codes.push(code);
            }
        }
        let (entries, extremes) = dictionary.finish();
        let levels = levels_of(levels, codes.len());
        self.file.chunk(path, levels, &Values::Codes { codes, dictionary: plain, entries }, extremes)
    }

    /// The keys or the values of the tags.
    fn tags(&mut self, path: &str, rows: &Rows, part: impl Fn(&Tag) -> &str) -> Result<(), Error> {
        let Scratch { codes, levels, starts, code_by_id, plain, .. } = &mut *self.scratch;
        let mut dictionary = Dictionary::new(plain);
        // The codes of the tags that were met, and where those of each begin.
        let mut known = Vec::new();
        code_by_id.clear();
        code_by_id.resize(rows.tags.things.len(), UNSEEN);
        codes.clear();
        levels.clear();
        starts.clear();
        for &row in self.rows {
            let id = rows.sets[rows.facets[row as usize] as usize].tags as usize;
            let tags = &rows.tags.things[id];
            if code_by_id[id] == UNSEEN {
                code_by_id[id] = known.len() as u32;
                known.extend(tags.iter().map(|tag| dictionary.code(part(tag))));
            }
            let start = code_by_id[id] as usize;
            codes.extend_from_slice(&known[start..start + tags.len()]);
            starts.push(0);
            levels.push(u32::from(!tags.is_empty()));
            for _ in 1..tags.len() {
                starts.push(1);
                levels.push(1);
            }
        }
        let (entries, extremes) = dictionary.finish();
        let levels = Levels::Lists { starts, present: levels };
        self.file.chunk(path, levels, &Values::Codes { codes, dictionary: plain, entries }, extremes)
    }

    /// Sets of kinds by their names, in the order of the bits, with commas between them; a set of none is absent.
    fn kinds(&mut self, path: &str, kinds: &[ContentKinds]) -> Result<(), Error> {
        let mut names: Vec<String> = Vec::new();
        let mut id_by_kinds = FxHashMap::default();
        for &row in self.rows {
            id_by_kinds.entry(kinds[row as usize]).or_insert_with_key(|kinds| {
                names.push(kinds::name(*kinds));
                names.len() as u32 - 1
            });
        }
        let text = |id: u32| Some(names[id as usize].as_str()).filter(|name| !name.is_empty());
        self.texts(path, names.len(), |row| Some(id_by_kinds[&kinds[row]]), text)
    }

    /// A column of integers: few different ones by their codes, others in this form.
    fn integers(
        &mut self,
        path: &str,
        form: Form,
        integer: impl Fn(usize) -> Option<i64>,
    ) -> Result<(), Error> {
        let Scratch { codes, levels, integers, plain, .. } = &mut *self.scratch;
        integers.clear();
        levels.clear();
        for &row in self.rows {
            let integer = integer(row as usize);
            levels.push(u32::from(integer.is_some()));
            integers.extend(integer);
        }
        let levels = levels_of(levels, integers.len());
        let extreme = |value: Option<&i64>| value.map(|value| value.to_le_bytes().to_vec());
        let extremes = extreme(integers.iter().min()).zip(extreme(integers.iter().max()));
        let values = match repeat(integers, codes, plain) {
            Some(entries) => Values::Codes { codes, dictionary: plain, entries },
            None => Values::Integers(form, integers),
        };
        self.file.chunk(path, levels, &values, extremes)
    }

    fn booleans(&mut self, path: &str, booleans: &[bool]) -> Result<(), Error> {
        let booleans: Vec<bool> = self.rows.iter().map(|&row| booleans[row as usize]).collect();
        self.file.chunk(path, Levels::All(booleans.len()), &Values::Booleans(&booleans), None)
    }

    fn request_ids(&mut self, path: &str, ids: &[RequestId]) -> Result<(), Error> {
        let Scratch { levels, integers: lengths, plain: bytes, .. } = &mut *self.scratch;
        levels.clear();
        lengths.clear();
        bytes.clear();
        for &row in self.rows {
            let start = bytes.len();
            match &ids[row as usize] {
                RequestId::Missing => {}
                RequestId::Uuid(uuid) => put_uuid(bytes, uuid),
                RequestId::Text(text) => bytes.extend_from_slice(text.as_bytes()),
            }
            let is_present = bytes.len() > start;
            levels.push(u32::from(is_present));
            lengths.extend(is_present.then_some((bytes.len() - start) as i64));
        }
        let levels = levels_of(levels, lengths.len());
        self.file.chunk(path, levels, &Values::Texts { lengths, bytes }, None)
    }
}

/// The levels of rows of which so many have a value.
fn levels_of(levels: &[u32], present: usize) -> Levels<'_> {
    if present == levels.len() { Levels::All(present) } else { Levels::Some(levels) }
}

/// Different strings in the order in which they are met.
struct Dictionary<'a, 'b> {
    code_by_text: FxHashMap<&'a str, u32>,
    plain: &'b mut Vec<u8>,
    extremes: Option<(&'a str, &'a str)>,
}

impl<'a, 'b> Dictionary<'a, 'b> {
    fn new(plain: &'b mut Vec<u8>) -> Self {
        plain.clear();
        Dictionary { code_by_text: FxHashMap::default(), plain, extremes: None }
    }

    fn code(&mut self, text: &'a str) -> u32 {
        let next = self.code_by_text.len() as u32;
        *self.code_by_text.entry(text).or_insert_with(|| {
            encodings::put_plain(self.plain, text);
            let (least, greatest) = self.extremes.unwrap_or((text, text));
            self.extremes = Some((least.min(text), greatest.max(text)));
            next
        })
    }

    /// How many there are, and the first and the last by their bytes.
    fn finish(self) -> (usize, Extremes) {
        let short =
            self.extremes.filter(|(least, greatest)| least.len().max(greatest.len()) <= STATISTIC_BYTES_MAX);
        let extremes =
            short.map(|(least, greatest)| (least.as_bytes().to_vec(), greatest.as_bytes().to_vec()));
        (self.code_by_text.len(), extremes)
    }
}

/// Codes and dictionary of integers, where few are different: how many.
fn repeat(integers: &[i64], codes: &mut Vec<u32>, dictionary: &mut Vec<u8>) -> Option<usize> {
    let most = integers.len() / FEW_OF + 1;
    let mut code_by_integer = FxHashMap::default();
    codes.clear();
    dictionary.clear();
    for &integer in integers {
        let next = code_by_integer.len() as u32;
        let code = *code_by_integer.entry(integer).or_insert(next);
        if code == next {
            dictionary.extend_from_slice(&integer.to_le_bytes());
            if code_by_integer.len() > most {
                return None;
            }
        }
        codes.push(code);
    }
    Some(code_by_integer.len())
}

/// An id as logged.
fn put_uuid(out: &mut Vec<u8>, uuid: &[u8; 16]) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (index, byte) in uuid.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at] = DIGITS[usize::from(byte >> 4)];
        text[at + 1] = DIGITS[usize::from(byte & 15)];
        at += 2;
    }
    out.extend_from_slice(&text);
}
