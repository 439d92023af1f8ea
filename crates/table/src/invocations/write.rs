//! Rows to Parquet, column by column.
//!
//! In: invocations in any order. Out: one file. Always: the bytes depend on the set of rows alone; what repeats is
//! written once and named by codes; every row can be read back as it was. Absent: files and directories.

use std::cmp::Ordering;
use std::io::Cursor;
use std::sync::Arc;

use borehole_record::identity::caller;
use borehole_record::{
    ContentKinds, Count, Facets, Invocation, Model, ProfileMap, RequestId, Tag, Timestamp,
};
use polars::prelude::{DataFrame, ParquetReader, SerReader};
use rustc_hash::FxHashMap;

use super::encodings;
use super::file::{Extremes, FileBuilder, Levels, ROWS_MAX, VERSION_KEY, Values};
use super::layout::{COUNTS, TAG_KEYS, TAG_VALUES};
use super::{FAR_KEY, LOCATIONS, ROW_VERSION, kinds};
use crate::Error;

/// zstd's level: see the table of `benches/benches/rows.rs`.
const LEVEL: i32 = 1;

/// Longer values are left out of the statistics, which must be exact to be of use to every reader.
const STATISTIC_BYTES_MAX: usize = 48;

/// Stands for a row without a value.
const ABSENT: u32 = u32::MAX;

/// Stands for what has no code yet.
const UNSEEN: u32 = u32::MAX - 1;

/// The rows of one hour of one stream, being collected column by column.
pub struct InvocationRows {
    profiles: Arc<ProfileMap>,
    timestamps: Vec<Timestamp>,
    request_ids: Vec<RequestId>,
    /// Each as a place in `sets`.
    facets: Vec<u32>,
    /// In the order of the layout.
    counts: [Vec<Count>; COUNTS.len()],
    images: Vec<u16>,
    documents: Vec<u16>,
    statuses: Vec<u16>,
    /// Of the input and the output.
    kinds: [Vec<ContentKinds>; 2],
    large: [Vec<bool>; 2],
    payload_lost: Vec<bool>,
    objects: Vec<u32>,
    offsets: Vec<u64>,
    /// The different facets, by address; they live as long as the rows.
    sets: Vec<Arc<Facets>>,
    set_by_address: FxHashMap<usize, u32>,
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
    deltas: Vec<u8>,
    dictionary: Vec<u8>,
    code_by_id: Vec<u32>,
}

impl InvocationRows {
    /// No rows; `profiles` says what application profiles were copied from.
    #[must_use]
    pub fn new(profiles: Arc<ProfileMap>) -> Self {
        InvocationRows {
            profiles,
            timestamps: Vec::new(),
            request_ids: Vec::new(),
            facets: Vec::new(),
            counts: Default::default(),
            images: Vec::new(),
            documents: Vec::new(),
            statuses: Vec::new(),
            kinds: Default::default(),
            large: Default::default(),
            payload_lost: Vec::new(),
            objects: Vec::new(),
            offsets: Vec::new(),
            sets: Vec::new(),
            set_by_address: FxHashMap::default(),
            file: FileBuilder::default(),
            scratch: Scratch::default(),
        }
    }

    /// Adds a row. Its request id must be one that [`RequestId::parse`] gives.
    pub fn push(&mut self, invocation: &Invocation) {
        let set = self.set(&invocation.facets);
        let Invocation {
            timestamp,
            request_id,
            facets: _,
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cache_write_tokens,
            cache_write_5m_tokens,
            cache_write_1h_tokens,
            max_tokens,
            latency_ms,
            first_byte_ms,
            input_bytes,
            output_bytes,
            images,
            documents,
            input_kinds,
            output_kinds,
            http_status,
            input_large,
            output_large,
            payload_lost,
            object,
            offset,
        } = invocation;
        let counts = [
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cache_write_tokens,
            cache_write_5m_tokens,
            cache_write_1h_tokens,
            max_tokens,
            latency_ms,
            first_byte_ms,
            input_bytes,
            output_bytes,
        ];
        self.timestamps.push(*timestamp);
        self.request_ids.push(request_id.clone());
        self.facets.push(set);
        self.counts.iter_mut().zip(counts).for_each(|(column, count)| column.push(*count));
        self.images.push(*images);
        self.documents.push(*documents);
        self.statuses.push(*http_status);
        self.kinds[0].push(*input_kinds);
        self.kinds[1].push(*output_kinds);
        self.large[0].push(*input_large);
        self.large[1].push(*output_large);
        self.payload_lost.push(*payload_lost);
        self.objects.push(*object);
        self.offsets.push(*offset);
    }

    fn set(&mut self, facets: &Arc<Facets>) -> u32 {
        let sets = &mut self.sets;
        *self.set_by_address.entry(Arc::as_ptr(facets).addr()).or_insert_with(|| {
            sets.push(Arc::clone(facets));
            sets.len() as u32 - 1
        })
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.timestamps.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.timestamps.clear();
        self.request_ids.clear();
        self.facets.clear();
        self.counts.iter_mut().for_each(Vec::clear);
        self.images.clear();
        self.documents.clear();
        self.statuses.clear();
        self.kinds.iter_mut().for_each(Vec::clear);
        self.large.iter_mut().for_each(Vec::clear);
        self.payload_lost.clear();
        self.objects.clear();
        self.offsets.clear();
        self.sets.clear();
        self.set_by_address.clear();
    }

    /// The rows as a Parquet file, sorted by time, request id and place. `object` names an [`Invocation::object`].
    ///
    /// # Errors
    /// Where a page would be larger than Parquet allows.
    pub fn finish(&mut self, object: &dyn Fn(u32) -> String) -> Result<Vec<u8>, Error> {
        let names = Names::of(&self.objects, object);
        let order = self.order(&names);
        let (mut file, mut scratch) = (std::mem::take(&mut self.file), std::mem::take(&mut self.scratch));
        let bytes = self.write(&names, &order, &mut file, &mut scratch);
        (self.file, self.scratch) = (file, scratch);
        bytes
    }

    /// The rows as a table for people: the columns of the file, but for those that only a reader of ours needs.
    ///
    /// # Errors
    /// As [`InvocationRows::finish`].
    pub fn frame(&mut self, object: &dyn Fn(u32) -> String) -> Result<DataFrame, Error> {
        let bytes = self.finish(object)?;
        let frame = ParquetReader::new(Cursor::new(bytes)).finish();
        let frame = frame.and_then(|frame| frame.drop("timestamp_nanos"));
        frame.map_err(|error| Error::Parquet(error.to_string()))
    }

    /// The rows as they are written.
    fn order(&self, names: &Names) -> Vec<u32> {
        let key = |(row, time): (usize, &Timestamp)| (*time, row as u32);
        let mut order: Vec<(Timestamp, u32)> = self.timestamps.iter().enumerate().map(key).collect();
        order.sort_unstable_by(|(time, row), (other_time, other)| {
            time.cmp(other_time).then_with(|| self.compare(names, *row as usize, *other as usize))
        });
        order.into_iter().map(|(_, row)| row).collect()
    }

    /// Compares two rows of one time. Rows that are equal here are equal.
    fn compare(&self, names: &Names, row: usize, other: usize) -> Ordering {
        let place = |row: usize| (names.rank(self.objects[row]), self.offsets[row]);
        let set = |row: usize| &self.sets[self.facets[row] as usize];
        let counts = |row: usize| self.counts.iter().map(move |column| column[row]);
        let rest = |row: usize| {
            (
                (self.images[row], self.documents[row], self.statuses[row]),
                (self.kinds[0][row], self.kinds[1][row]),
                (self.large[0][row], self.large[1][row], self.payload_lost[row]),
            )
        };
        self.request_ids[row]
            .cmp(&self.request_ids[other])
            .then_with(|| place(row).cmp(&place(other)))
            // No two documents have one place; but the bytes shall depend on the rows whatever they are.
            .then_with(|| set(row).cmp(set(other)))
            .then_with(|| counts(row).cmp(counts(other)))
            .then_with(|| rest(row).cmp(&rest(other)))
    }

    fn write(
        &self,
        names: &Names,
        order: &[u32],
        file: &mut FileBuilder,
        scratch: &mut Scratch,
    ) -> Result<Vec<u8>, Error> {
        file.start(LEVEL)?;
        let ids = self.sets.iter().map(|set| &*set.model_id);
        let models: Models<'_> = ids.map(|id| (id, Model::parse_with(id, &self.profiles))).collect();
        let derived = Derived::of(&self.sets, &models);
        for rows in order.chunks(ROWS_MAX) {
            let mut group = Group { file, rows, scratch };
            self.write_group(&mut group, names, &derived)?;
            file.end_group(rows.len());
        }
        let mut words = vec![(VERSION_KEY, ROW_VERSION.to_string())];
        words.extend(self.far(order).map(|far| (FAR_KEY, far)));
        file.finish(words)
    }

    /// The rows whose time no 64 bits of microseconds can tell: `row seconds nanoseconds`, with `;` between them.
    fn far(&self, order: &[u32]) -> Option<String> {
        let times = order.iter().map(|&row| self.timestamps[row as usize]).enumerate();
        let far = times.filter(|(_, time)| micros(*time).is_none());
        let words: Vec<String> =
            far.map(|(row, time)| format!("{row} {} {}", time.seconds, time.nanos)).collect();
        (!words.is_empty()).then(|| words.join(";"))
    }

    fn write_group(&self, group: &mut Group<'_>, names: &Names, derived: &Derived<'_>) -> Result<(), Error> {
        group.request_ids("request_id", &self.request_ids)?;
        let time = |row: usize| self.timestamps[row];
        let bound = |row: usize| if time(row).seconds < 0 { i64::MIN } else { i64::MAX };
        group.integers("timestamp", |row| Some(micros(time(row)).unwrap_or_else(|| bound(row))))?;
        group.integers("timestamp_nanos", |row| Some(i64::from(time(row).nanos % 1_000)))?;

        let (sets, set) = (&self.sets, |row: usize| self.facets[row]);
        group.facets("account", sets, set, |facets| facets.account.as_deref())?;
        group.facets("region", sets, set, |facets| facets.region.as_deref())?;
        group.facets("inference_region", sets, set, |facets| facets.inference_region.as_deref())?;
        group.texts("model", &derived.models, set)?;
        group.facets("model_id", sets, set, |facets| Some(&facets.model_id))?;
        group.texts("scope", &derived.scopes, set)?;
        group.facets("operation", sets, set, |facets| facets.operation.as_deref())?;
        group.facets("identity_arn", sets, set, |facets| facets.identity.as_deref())?;
        group.texts("role", &derived.roles, set)?;
        group.texts("session", &derived.sessions, set)?;
        group.tags(TAG_KEYS, sets, set, |(key, _)| key)?;
        group.tags(TAG_VALUES, sets, set, |(_, value)| value)?;
        group.facets("error_code", sets, set, |facets| facets.error_code.as_deref())?;
        group.integers("status", |row| Some(self.statuses[row].into()).filter(|&status| status > 0))?;
        group.facets("stop_reason", sets, set, |facets| facets.stop_reason.as_deref())?;
        group.facets("service_tier", sets, set, |facets| facets.service_tier.as_deref())?;

        for (path, column) in COUNTS.into_iter().zip(&self.counts) {
            group.integers(path, |row| column[row].get().map(|count| count as i64))?;
        }
        group.integers("image_count", |row| Some(self.images[row].into()))?;
        group.integers("document_count", |row| Some(self.documents[row].into()))?;
        group.kinds("input_kinds", &self.kinds[0])?;
        group.kinds("output_kinds", &self.kinds[1])?;
        let locations = LOCATIONS.map(Some);
        group.texts("input_location", &locations, |row| self.large[0][row].into())?;
        group.texts("output_location", &locations, |row| self.large[1][row].into())?;
        group.booleans("payload_lost", &self.payload_lost)?;

        let named: Vec<Option<&str>> = names.sorted.iter().map(|name| Some(name.as_str())).collect();
        group.texts("source_object", &named, |row| names.rank(self.objects[row]))?;
        group.integers("source_offset", |row| Some(self.offsets[row] as i64))
    }
}

/// Microseconds since the epoch, rounded down, where they fit.
fn micros(time: Timestamp) -> Option<i64> {
    time.seconds.checked_mul(1_000_000)?.checked_add(i64::from(time.nanos / 1_000))
}

/// The names of the objects of all rows.
struct Names {
    sorted: Vec<String>,
    rank_by_object: FxHashMap<u32, u32>,
}

impl Names {
    fn of(objects: &[u32], name: &dyn Fn(u32) -> String) -> Self {
        let mut objects = objects.to_vec();
        objects.sort_unstable();
        objects.dedup();
        let mut named: Vec<(String, u32)> =
            objects.into_iter().map(|object| (name(object), object)).collect();
        named.sort_unstable();
        let mut names = Names { sorted: Vec::new(), rank_by_object: FxHashMap::default() };
        for (name, object) in named {
            if names.sorted.last() != Some(&name) {
                names.sorted.push(name);
            }
            names.rank_by_object.insert(object, names.sorted.len() as u32 - 1);
        }
        names
    }

    fn rank(&self, object: u32) -> u32 {
        self.rank_by_object[&object]
    }
}

/// The models of the facets, by their ids as logged.
type Models<'a> = FxHashMap<&'a str, Model>;

/// What the log does not say in a word of its own, by the place of the facets.
struct Derived<'a> {
    models: Vec<Option<&'a str>>,
    scopes: Vec<Option<&'a str>>,
    roles: Vec<Option<&'a str>>,
    sessions: Vec<Option<&'a str>>,
}

impl<'a> Derived<'a> {
    fn of(sets: &'a [Arc<Facets>], models: &'a Models<'a>) -> Self {
        let model = |set: &'a Arc<Facets>| &models[&*set.model_id];
        let caller = |set: &'a Arc<Facets>| set.identity.as_deref().map(caller).unwrap_or_default();
        Derived {
            models: sets.iter().map(|set| Some(model(set).base.as_str())).collect(),
            scopes: sets.iter().map(|set| Some(model(set).scope.as_str())).collect(),
            roles: sets.iter().map(|set| caller(set).role).collect(),
            sessions: sets.iter().map(|set| caller(set).session).collect(),
        }
    }
}

/// A group of rows whose columns are being written.
struct Group<'a> {
    file: &'a mut FileBuilder,
    /// In their order.
    rows: &'a [u32],
    scratch: &'a mut Scratch,
}

impl Group<'_> {
    /// A column of strings that repeat: `texts` are those that rows may have, and `id` says which one a row has.
    fn texts(&mut self, path: &str, texts: &[Option<&str>], id: impl Fn(usize) -> u32) -> Result<(), Error> {
        let Scratch { codes, levels, code_by_id, dictionary: plain, .. } = &mut *self.scratch;
        let mut dictionary = Dictionary::new(plain);
        code_by_id.clear();
        code_by_id.resize(texts.len(), UNSEEN);
        codes.clear();
        levels.clear();
        for &row in self.rows {
            let id = id(row as usize) as usize;
            let mut code = code_by_id[id];
            if code == UNSEEN {
                code = texts[id].map_or(ABSENT, |text| dictionary.code(text));
                code_by_id[id] = code;
            }
            levels.push(u32::from(code != ABSENT));
            if code != ABSENT {
                codes.push(code);
            }
        }
        let levels =
            if codes.len() == levels.len() { Levels::All(codes.len()) } else { Levels::Some(levels) };
        let (entries, extremes) = dictionary.finish();
        let values = Values::Codes { codes, dictionary: plain, entries };
        self.file.chunk(path, levels, &values, extremes)
    }

    /// A column of what the facets hold.
    fn facets<'s>(
        &mut self,
        path: &str,
        sets: &'s [Arc<Facets>],
        id: impl Fn(usize) -> u32,
        text: impl Fn(&'s Facets) -> Option<&'s str>,
    ) -> Result<(), Error> {
        let texts: Vec<Option<&str>> = sets.iter().map(|set| text(set)).collect();
        self.texts(path, &texts, id)
    }

    /// The keys or the values of the tags.
    fn tags<'s>(
        &mut self,
        path: &str,
        sets: &'s [Arc<Facets>],
        id: impl Fn(usize) -> u32,
        part: impl Fn(&'s Tag) -> &'s str,
    ) -> Result<(), Error> {
        let Scratch { codes, levels, starts, code_by_id, dictionary: plain, .. } = &mut *self.scratch;
        let mut dictionary = Dictionary::new(plain);
        // The codes of the sets that were met, and where those of a set begin.
        let mut known = Vec::new();
        code_by_id.clear();
        code_by_id.resize(sets.len(), UNSEEN);
        codes.clear();
        levels.clear();
        starts.clear();
        for &row in self.rows {
            let id = id(row as usize) as usize;
            let tags = &sets[id].tags;
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
        let values = Values::Codes { codes, dictionary: plain, entries };
        self.file.chunk(path, Levels::Lists { starts, present: levels }, &values, extremes)
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
        let texts: Vec<Option<&str>> =
            names.iter().map(|name| Some(name.as_str()).filter(|name| !name.is_empty())).collect();
        self.texts(path, &texts, |row| id_by_kinds[&kinds[row]])
    }

    /// A column of integers.
    fn integers(&mut self, path: &str, integer: impl Fn(usize) -> Option<i64>) -> Result<(), Error> {
        let Scratch { codes, levels, integers, deltas, dictionary, .. } = &mut *self.scratch;
        integers.clear();
        levels.clear();
        for &row in self.rows {
            let integer = integer(row as usize);
            levels.push(u32::from(integer.is_some()));
            integers.extend(integer);
        }
        let levels = match integers.len() == levels.len() {
            true => Levels::All(integers.len()),
            false => Levels::Some(levels),
        };
        let extreme = |value: Option<&i64>| value.map(|value| value.to_le_bytes().to_vec());
        let extremes = extreme(integers.iter().min()).zip(extreme(integers.iter().max()));

        let entries = repeat(integers, codes, dictionary);
        deltas.clear();
        encodings::put_deltas(deltas, integers);
        let values = match entries {
            Some(entries) if coded_bytes(codes.len(), entries) <= deltas.len() => {
                Values::Codes { codes, dictionary, entries }
            }
            _ => Values::Integers(integers),
        };
        self.file.chunk(path, levels, &values, extremes)
    }

    fn booleans(&mut self, path: &str, booleans: &[bool]) -> Result<(), Error> {
        let booleans: Vec<bool> = self.rows.iter().map(|&row| booleans[row as usize]).collect();
        self.file.chunk(path, Levels::All(booleans.len()), &Values::Booleans(&booleans), None)
    }

    fn request_ids(&mut self, path: &str, ids: &[RequestId]) -> Result<(), Error> {
        let Scratch { levels, integers: lengths, dictionary: bytes, .. } = &mut *self.scratch;
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
        let levels = match lengths.len() == levels.len() {
            true => Levels::All(lengths.len()),
            false => Levels::Some(levels),
        };
        self.file.chunk(path, levels, &Values::Texts { lengths, bytes }, None)
    }
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

/// Codes and dictionary of integers, where they repeat: the number of different ones.
fn repeat(integers: &[i64], codes: &mut Vec<u32>, dictionary: &mut Vec<u8>) -> Option<usize> {
    let most = integers.len() / 4 + 1;
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

/// About how long so many codes and their dictionary are; of the 8 bytes of an entry most are 0 and compressed away.
fn coded_bytes(codes: usize, entries: usize) -> usize {
    codes * encodings::width_of(entries as u64) as usize / 8 + entries * 3
}

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
