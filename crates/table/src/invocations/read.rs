//! Files of rows back to invocations.
//!
//! In: the bytes of a file that [`super::InvocationRows`] wrote. Out: its invocations, in their order. Always: equal
//! sets of strings within a file, and equal calls, strings and tags of all files of one reader, are shared; bytes
//! that are no such file are an error and never a panic. Absent: columns that are derived from others.
//!
//! A reading costs by column and by different set of strings; a row is a few look-ups. Whole sets are not shared by
//! files, since those of one hour hardly come again in the next.

use std::hash::Hash;
use std::sync::Arc;

use borehole_record::{Call, ContentKinds, Count, Facets, Invocation, RequestId, Tag, Timestamp};
use polars_parquet_format::Encoding;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use super::encodings;
use super::file::{Chunk, FileView, PageReader};
use super::layout::{COUNTS, Kind, TAG_KEYS, TAG_VALUES};
use super::{FAR_KEY, LOCATIONS, kinds};
use crate::Error;

/// Things of one kind that are remembered; callers with a session per request would fill it without end.
const REMEMBERED_MAX: usize = 8_192;

/// The id of all requests whose ids were not wanted.
const SOME_ID: RequestId = RequestId::Uuid([0; 16]);

const COLUMN: Error = Error::Damaged("a column");

/// What a reading needs besides what every question asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The ids of the requests; without them, all requests that have one have the same one.
    pub request_ids: bool,
    /// The objects and the places in them; without them, both are 0.
    pub objects: bool,
}

/// Reads files of rows. Equal strings of all files that it reads are shared, as far as it remembers them.
#[derive(Default)]
pub struct InvocationReader {
    pages: PageReader,
    column: ColumnValues,
    shared: Shared,
}

impl InvocationReader {
    /// Gives the rows of a file to `each`, in their order, and returns the names of the objects that
    /// [`Invocation::object`] counts.
    ///
    /// # Errors
    /// Where the bytes are no file of rows of this version, or were changed. Rows that were given out before are
    /// worth nothing then.
    pub fn read(
        &mut self,
        bytes: &[u8],
        wanted: Wanted,
        each: &mut dyn FnMut(Invocation),
    ) -> Result<Vec<Box<str>>, Error> {
        let file = FileView::open(bytes)?;
        let far = far(&file)?;
        let mut objects = Objects::default();
        let mut first_row = 0;
        for (group, rows) in file.groups()?.into_iter().enumerate() {
            let mut reading = Reading { reader: self, file: &file, group, rows };
            reading.give(wanted, first_row, &far, &mut objects, each)?;
            first_row += rows;
        }
        Ok(objects.names)
    }
}

/// The times that no column tells: (row, time), by row.
fn far(file: &FileView<'_>) -> Result<Vec<(usize, Timestamp)>, Error> {
    let parse = |word: &str| {
        let mut numbers = word.split(' ');
        let row = numbers.next()?.parse().ok()?;
        let time = Timestamp { seconds: numbers.next()?.parse().ok()?, nanos: numbers.next()?.parse().ok()? };
        (numbers.next().is_none() && time.nanos < 1_000_000_000).then_some((row, time))
    };
    let words = file.word(FAR_KEY).map(|words| words.split(';')).into_iter().flatten();
    words.map(|word| parse(word).ok_or(Error::Damaged("a time"))).collect()
}

/// The names of the objects of all groups, each once.
#[derive(Default)]
struct Objects {
    names: Vec<Box<str>>,
    index_by_name: FxHashMap<Box<str>, u32>,
}

impl Objects {
    fn index(&mut self, name: &str) -> u32 {
        if let Some(&index) = self.index_by_name.get(name) {
            return index;
        }
        let index = self.names.len() as u32;
        self.names.push(name.into());
        self.index_by_name.insert(name.into(), index);
        index
    }
}

/// One group of rows being read.
struct Reading<'r, 'f> {
    reader: &'r mut InvocationReader,
    file: &'r FileView<'f>,
    group: usize,
    rows: usize,
}

/// The column of a string that facets hold.
struct TextColumn {
    texts: Vec<Arc<str>>,
    /// Of each row: 0 for none, else a place in `texts` and 1.
    codes: Vec<u32>,
}

/// The column of the keys, or of the values, of the tags.
struct ListColumn {
    texts: Vec<Box<str>>,
    /// Of each place with a value: a place in `texts`.
    codes: Vec<u32>,
    /// Of each place: 0 where a row begins.
    starts: Vec<u32>,
    /// Of each place: 1 where there is a value.
    present: Vec<u32>,
}

/// Both columns of the tags.
struct TagColumn {
    /// All sets and their beginnings; the first is the empty one.
    sets: Vec<TagSet>,
    keys: Vec<Box<str>>,
    values: Vec<Box<str>>,
    /// Of each row: a place in `sets`.
    codes: Vec<u32>,
}

/// A set of tags: another one, and one tag more.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct TagSet {
    rest: u32,
    key: u32,
    value: u32,
}

impl Reading<'_, '_> {
    fn give(
        &mut self,
        wanted: Wanted,
        first_row: usize,
        far: &[(usize, Timestamp)],
        objects: &mut Objects,
        each: &mut dyn FnMut(Invocation),
    ) -> Result<(), Error> {
        let mut timestamps = self.timestamps()?;
        for &(row, time) in far {
            if let Some(timestamp) = row.checked_sub(first_row).and_then(|row| timestamps.get_mut(row)) {
                *timestamp = time;
            }
        }
        let (sets, set_by_row) = self.facets()?;
        let mut counts: [Vec<Count>; COUNTS.len()] = Default::default();
        for (column, path) in counts.iter_mut().zip(COUNTS) {
            *column = self.counts(path)?;
        }
        let images = self.small("image_count")?;
        let documents = self.small("document_count")?;
        let statuses = self.small("status")?;
        let input_kinds = self.kinds("input_kinds")?;
        let output_kinds = self.kinds("output_kinds")?;
        let input_large = self.locations("input_location")?;
        let output_large = self.locations("output_location")?;
        let payload_lost = self.booleans("payload_lost")?;
        let request_ids = self.request_ids(wanted.request_ids)?;
        let (object_by_row, offsets) = match wanted.objects {
            true => (self.objects(objects)?, self.integers("source_offset")?),
            false => (vec![0; self.rows], vec![0; self.rows]),
        };

        let [
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
        ] = counts;
        for (row, request_id) in request_ids.into_iter().enumerate() {
            each(Invocation {
                timestamp: timestamps[row],
                request_id,
                facets: Arc::clone(&sets[set_by_row[row] as usize]),
                input_tokens: input_tokens[row],
                output_tokens: output_tokens[row],
                cache_read_tokens: cache_read_tokens[row],
                cache_write_tokens: cache_write_tokens[row],
                cache_write_5m_tokens: cache_write_5m_tokens[row],
                cache_write_1h_tokens: cache_write_1h_tokens[row],
                max_tokens: max_tokens[row],
                latency_ms: latency_ms[row],
                first_byte_ms: first_byte_ms[row],
                input_bytes: input_bytes[row],
                output_bytes: output_bytes[row],
                images: images[row],
                documents: documents[row],
                input_kinds: input_kinds[row],
                output_kinds: output_kinds[row],
                http_status: statuses[row],
                input_large: input_large[row],
                output_large: output_large[row],
                payload_lost: payload_lost[row],
                object: object_by_row[row],
                offset: offsets[row] as u64,
            });
        }
        Ok(())
    }

    /// Reads a flat column; its strings are given to `text`, in the order of their codes.
    fn column(&mut self, path: &str, text: &mut dyn FnMut(&str) -> Result<(), Error>) -> Result<(), Error> {
        let mut chunk = self.file.chunk(self.group, path)?;
        if chunk.places != self.rows {
            return Err(COLUMN);
        }
        self.reader.column.read(&mut self.reader.pages, &mut chunk, text)
    }

    /// A column of integers without gaps.
    fn integers(&mut self, path: &str) -> Result<Vec<i64>, Error> {
        self.column(path, &mut no_text)?;
        match self.reader.column.is_full {
            true => Ok(self.reader.column.integers.clone()),
            false => Err(COLUMN),
        }
    }

    fn timestamps(&mut self) -> Result<Vec<Timestamp>, Error> {
        let micros = self.integers("timestamp")?;
        let nanos = self.integers("timestamp_nanos")?;
        let mut all = 0;
        let time = |(micros, nanos): (i64, i64)| {
            all |= nanos as u64;
            Timestamp {
                seconds: micros.div_euclid(1_000_000),
                nanos: micros.rem_euclid(1_000_000) as u32 * 1_000 + (nanos as u32).min(999),
            }
        };
        let timestamps = micros.into_iter().zip(nanos).map(time).collect();
        if all < 1_024 { Ok(timestamps) } else { Err(COLUMN) }
    }

    fn counts(&mut self, path: &str) -> Result<Vec<Count>, Error> {
        self.column(path, &mut no_text)?;
        let mut is_sound = true;
        let counts = self.reader.column.by_row(Count::UNKNOWN, |count| {
            is_sound &= count != -1;
            Count::from(Some(count as u64).filter(|_| count != -1))
        });
        if is_sound { Ok(counts) } else { Err(COLUMN) }
    }

    /// Integers of 16 bits; 0 where there is none.
    fn small(&mut self, path: &str) -> Result<Vec<u16>, Error> {
        self.column(path, &mut no_text)?;
        let mut all = 0;
        let integers = self.reader.column.by_row(0, |integer| {
            all |= integer as u64;
            integer as u16
        });
        if u16::try_from(all).is_ok() { Ok(integers) } else { Err(COLUMN) }
    }

    fn kinds(&mut self, path: &str) -> Result<Vec<ContentKinds>, Error> {
        let mut known = Vec::new();
        self.column(path, &mut |name| {
            known.push(kinds::parse(name).ok_or(COLUMN)?);
            Ok(())
        })?;
        Ok(self.reader.column.coded(ContentKinds::default(), |code| known[code]))
    }

    fn locations(&mut self, path: &str) -> Result<Vec<bool>, Error> {
        let mut known = Vec::new();
        self.column(path, &mut |name| {
            known.push(LOCATIONS.iter().position(|location| *location == name).ok_or(COLUMN)? == 1);
            Ok(())
        })?;
        Ok(self.reader.column.coded(false, |code| known[code]))
    }

    fn booleans(&mut self, path: &str) -> Result<Vec<bool>, Error> {
        self.column(path, &mut no_text)?;
        Ok(self.reader.column.coded(false, |bit| bit == 1))
    }

    fn objects(&mut self, objects: &mut Objects) -> Result<Vec<u32>, Error> {
        let mut known = Vec::new();
        self.column("source_object", &mut |name| {
            known.push(objects.index(name));
            Ok(())
        })?;
        Ok(self.reader.column.coded(0, |code| known[code]))
    }

    fn request_ids(&mut self, is_wanted: bool) -> Result<Vec<RequestId>, Error> {
        let path = "request_id";
        if !is_wanted && self.file.is_full(self.group, path) {
            return Ok(vec![SOME_ID; self.rows]);
        }
        let mut ids = Vec::new();
        self.column(path, &mut |text| {
            ids.push(if is_wanted { RequestId::parse(text) } else { SOME_ID });
            Ok(())
        })?;
        if self.reader.column.is_full {
            return Ok(ids);
        }
        let mut ids = ids.into_iter();
        let levels = self.reader.column.levels.iter();
        let id = |&level: &u32| if level == 1 { ids.next() } else { None };
        Ok(levels.map(id).map(|id| id.unwrap_or(RequestId::Missing)).collect())
    }

    fn texts(&mut self, path: &str) -> Result<TextColumn, Error> {
        let mut texts = Vec::new();
        // The reader is borrowed for the column.
        let mut shared = std::mem::take(&mut self.reader.shared.strings);
        let read = self.column(path, &mut |text| {
            texts.push(share(&mut shared, text));
            Ok(())
        });
        self.reader.shared.strings = shared;
        read?;
        Ok(TextColumn { texts, codes: self.reader.column.coded(0, |code| code as u32 + 1) })
    }

    /// The different sets of strings, and which one each row has.
    fn facets(&mut self) -> Result<(Vec<Arc<Facets>>, Vec<u32>), Error> {
        let (calls, call_by_row) = self.calls()?;
        let identity = self.texts("identity_arn")?;
        let stop_reason = self.texts("stop_reason")?;
        let tags = self.tags()?;
        let mut combinations = Combinations::new(self.rows);
        combinations.add(&call_by_row, calls.len());
        combinations.add(&identity.codes, identity.texts.len() + 1);
        combinations.add(&stop_reason.codes, stop_reason.texts.len() + 1);
        combinations.add(&tags.codes, tags.sets.len());
        let (set_by_row, first_rows) = combinations.number();

        let shared = &mut self.reader.shared;
        let mut known_tags: Vec<Option<Arc<[Tag]>>> = vec![None; tags.sets.len()];
        let facets = |row: usize| {
            let set = tags.codes[row];
            let known = &mut known_tags[set as usize];
            let tags = known.get_or_insert_with(|| share(&mut shared.tags, &tags.list(set)));
            let facets = Facets {
                call: Arc::clone(&calls[call_by_row[row] as usize]),
                identity: identity.text(row),
                stop_reason: stop_reason.text(row),
                tags: Arc::clone(tags),
            };
            Arc::new(facets)
        };
        Ok((first_rows.into_iter().map(facets).collect(), set_by_row))
    }

    /// The different calls, and which one each row has.
    fn calls(&mut self) -> Result<(Vec<Arc<Call>>, Vec<u32>), Error> {
        let columns = [
            self.texts("account")?,
            self.texts("region")?,
            self.texts("model_id")?,
            self.texts("operation")?,
            self.texts("error_code")?,
            self.texts("inference_region")?,
            self.texts("service_tier")?,
        ];
        let mut combinations = Combinations::new(self.rows);
        for column in &columns {
            combinations.add(&column.codes, column.texts.len() + 1);
        }
        let (call_by_row, first_rows) = combinations.number();
        let [account, region, model_id, operation, error_code, inference_region, service_tier] = &columns;
        let call = |row: usize| {
            Ok(self.reader.shared.call(Call {
                account: account.text(row),
                region: region.text(row),
                model_id: model_id.text(row).ok_or(COLUMN)?,
                operation: operation.text(row),
                error_code: error_code.text(row),
                inference_region: inference_region.text(row),
                service_tier: service_tier.text(row),
            }))
        };
        Ok((first_rows.into_iter().map(call).collect::<Result<_, Error>>()?, call_by_row))
    }

    fn tags(&mut self) -> Result<TagColumn, Error> {
        let keys = self.list(TAG_KEYS)?;
        let values = self.list(TAG_VALUES)?;
        if (&keys.starts, &keys.present) != (&values.starts, &values.present) {
            return Err(COLUMN);
        }
        let mut sets = vec![TagSet { rest: 0, key: 0, value: 0 }];
        let mut codes: Vec<u32> = Vec::with_capacity(self.rows);
        let mut place_by_set = FxHashMap::default();
        let mut pairs = keys.codes.into_iter().zip(values.codes);
        let mut before = 0;
        for (start, present) in keys.starts.into_iter().zip(keys.present) {
            // A row begins anew; no list goes on behind a place without a value, nor with one.
            let rest = match (start, codes.pop()) {
                (1, Some(set)) if before == 1 && present == 1 => set,
                (1, _) => return Err(COLUMN),
                (_, other) => {
                    codes.extend(other);
                    0
                }
            };
            before = present;
            let set = match present {
                0 => 0,
                _ => {
                    let (key, value) = pairs.next().ok_or(COLUMN)?;
                    let set = TagSet { rest, key, value };
                    *place_by_set.entry(set).or_insert_with(|| {
                        sets.push(set);
                        sets.len() as u32 - 1
                    })
                }
            };
            codes.push(set);
        }
        match codes.len() == self.rows {
            true => Ok(TagColumn { sets, keys: keys.texts, values: values.texts, codes }),
            false => Err(COLUMN),
        }
    }

    fn list(&mut self, path: &str) -> Result<ListColumn, Error> {
        let mut chunk = self.file.chunk(self.group, path)?;
        let column = &mut self.reader.column;
        let mut texts = Vec::new();
        column.read(&mut self.reader.pages, &mut chunk, &mut |text| {
            texts.push(text.into());
            Ok(())
        })?;
        let (starts, present) = (column.starts.clone(), column.levels.clone());
        Ok(ListColumn { texts, codes: column.codes.clone(), starts, present })
    }
}

impl TextColumn {
    fn text(&self, row: usize) -> Option<Arc<str>> {
        let code = self.codes[row] as usize;
        code.checked_sub(1).map(|code| Arc::clone(&self.texts[code]))
    }
}

impl TagColumn {
    fn list(&self, mut set: u32) -> Vec<Tag> {
        let mut tags = Vec::new();
        while set > 0 {
            let TagSet { rest, key, value } = self.sets[set as usize];
            tags.push((self.keys[key as usize].clone(), self.values[value as usize].clone()));
            set = rest;
        }
        tags.reverse();
        tags
    }
}

/// Which combination of codes each row has.
struct Combinations {
    /// Of each row, one number for all codes so far.
    numbers: Vec<u64>,
    /// All numbers are less.
    bound: u64,
}

impl Combinations {
    fn new(rows: usize) -> Self {
        Combinations { numbers: vec![0; rows], bound: 1 }
    }

    /// Adds the codes of a column, all less than `bound`.
    fn add(&mut self, codes: &[u32], bound: usize) {
        let bound = bound as u64;
        if self.bound.checked_mul(bound).is_none() {
            let (numbers, first_rows) = self.number();
            self.numbers = numbers.into_iter().map(u64::from).collect();
            self.bound = first_rows.len() as u64;
        }
        // No more rows than 32 bits count, and no more codes: their product fits now.
        self.bound *= bound;
        for (number, &code) in self.numbers.iter_mut().zip(codes) {
            *number = *number * bound + u64::from(code);
        }
    }

    /// The combinations of the rows, numbered as they are met, and the first row of each.
    fn number(&self) -> (Vec<u32>, Vec<usize>) {
        let mut index_by_number = FxHashMap::with_capacity_and_hasher(self.numbers.len(), FxBuildHasher);
        let mut first_rows = Vec::new();
        let index = |(row, &number): (usize, &u64)| {
            *index_by_number.entry(number).or_insert_with(|| {
                first_rows.push(row);
                first_rows.len() as u32 - 1
            })
        };
        let indexes = self.numbers.iter().enumerate().map(index).collect();
        (indexes, first_rows)
    }
}

/// Things that are shared by the rows of all files.
#[derive(Default)]
struct Shared {
    strings: FxHashSet<Arc<str>>,
    tags: FxHashSet<Arc<[Tag]>>,
    /// By the addresses of their strings, which live as long as they do.
    calls: FxHashMap<[usize; 7], Arc<Call>>,
}

impl Shared {
    fn call(&mut self, call: Call) -> Arc<Call> {
        let parts = [
            address(call.account.as_ref()),
            address(call.region.as_ref()),
            address(Some(&call.model_id)),
            address(call.operation.as_ref()),
            address(call.error_code.as_ref()),
            address(call.inference_region.as_ref()),
            address(call.service_tier.as_ref()),
        ];
        remember(&mut self.calls, parts, call)
    }
}

fn address(text: Option<&Arc<str>>) -> usize {
    text.map_or(0, |text| Arc::as_ptr(text).addr())
}

/// The one of these parts that is remembered; else this one. All are forgotten where they are too many.
fn remember<K: Eq + Hash, T>(known: &mut FxHashMap<K, Arc<T>>, parts: K, thing: T) -> Arc<T> {
    if known.len() >= REMEMBERED_MAX {
        known.clear();
    }
    Arc::clone(known.entry(parts).or_insert_with(|| Arc::new(thing)))
}

/// Likewise, for what is known by itself.
fn share<'a, T: ?Sized + Eq + Hash>(known: &mut FxHashSet<Arc<T>>, thing: &'a T) -> Arc<T>
where
    Arc<T>: From<&'a T>,
{
    if let Some(known) = known.get(thing) {
        return Arc::clone(known);
    }
    if known.len() >= REMEMBERED_MAX {
        known.clear();
    }
    let thing = Arc::from(thing);
    known.insert(Arc::clone(&thing));
    thing
}

fn no_text(_: &str) -> Result<(), Error> {
    Err(COLUMN)
}

/// The values of one column after another; the memory is used again.
#[derive(Default)]
struct ColumnValues {
    /// 1 where a place has a value.
    levels: Vec<u32>,
    /// 0 where a row begins; of lists only.
    starts: Vec<u32>,
    /// Whether each place has a value; the levels say nothing more then.
    is_full: bool,
    /// The values that are there, as codes or as bits.
    codes: Vec<u32>,
    /// The values that are there, where they are integers.
    integers: Vec<i64>,
    /// The integers that codes stand for.
    dictionary: Vec<i64>,
}

impl ColumnValues {
    /// Reads all pages of a chunk. Strings are given to `text`: those of a dictionary, or else those of the places.
    fn read(
        &mut self,
        pages: &mut PageReader,
        chunk: &mut Chunk<'_>,
        text: &mut dyn FnMut(&str) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.levels.clear();
        self.starts.clear();
        self.codes.clear();
        self.integers.clear();
        self.dictionary.clear();
        self.is_full = true;
        let mut entries = None;
        let mut seen = 0;
        while seen < chunk.places {
            let (column, places) = (chunk.column, chunk.places);
            let page = pages.next(chunk)?;
            let mut bytes = page.bytes;
            let Some(encoding) = page.encoding else {
                if seen > 0 || entries.replace(page.count).is_some() {
                    return Err(COLUMN);
                }
                for _ in 0..page.count {
                    match column.kind {
                        Kind::Text => text(encodings::take_plain(&mut bytes)?)?,
                        _ => self.dictionary.push(encodings::take_plain_integer(&mut bytes)?),
                    }
                }
                continue;
            };
            if page.count == 0 || page.count > places - seen {
                return Err(COLUMN);
            }
            seen += page.count;
            if column.is_tag {
                take_levels(&mut bytes, page.count, &mut self.starts)?;
            }
            let present = match column.is_tag || column.is_optional {
                true => {
                    let before = self.levels.len();
                    take_levels(&mut bytes, page.count, &mut self.levels)?;
                    self.levels[before..].iter().map(|&level| level as usize).sum()
                }
                false => page.count,
            };
            self.is_full &= present == page.count;
            match (encoding, column.kind) {
                (Encoding::RLE_DICTIONARY, Kind::Text | Kind::Integer | Kind::Timestamp) => {
                    let width = encodings::take(&mut bytes, 1)?[0];
                    let largest = entries.and_then(|entries| entries.checked_sub(1)).ok_or(COLUMN)?;
                    encodings::take_hybrid(bytes, width.into(), present, largest as u32, &mut self.codes)?;
                }
                (Encoding::DELTA_BINARY_PACKED, Kind::Integer | Kind::Timestamp) if entries.is_none() => {
                    encodings::take_deltas(bytes, present, &mut self.integers)?;
                }
                (Encoding::DELTA_LENGTH_BYTE_ARRAY, Kind::Text) if entries.is_none() => {
                    self.integers.clear();
                    let bytes = encodings::take_deltas(bytes, present, &mut self.integers)?;
                    let mut rest = std::str::from_utf8(bytes).map_err(|_| COLUMN)?;
                    for &length in &self.integers {
                        let length = usize::try_from(length).map_err(|_| COLUMN)?;
                        let (one, behind) = rest.split_at_checked(length).ok_or(COLUMN)?;
                        text(one)?;
                        rest = behind;
                    }
                }
                (Encoding::PLAIN, Kind::Boolean) => {
                    encodings::take_booleans(bytes, present, &mut self.codes)?
                }
                (Encoding::PLAIN, Kind::Integer | Kind::Timestamp) if entries.is_none() => {
                    for _ in 0..present {
                        self.integers.push(encodings::take_plain_integer(&mut bytes)?);
                    }
                }
                // A column without any value.
                (Encoding::PLAIN, _) if present == 0 => {}
                _ => return Err(COLUMN),
            }
        }
        if let (Some(_), Kind::Integer | Kind::Timestamp) = (entries, chunk.column.kind) {
            self.integers.extend(self.codes.iter().map(|&code| self.dictionary[code as usize]));
        }
        Ok(())
    }

    /// Of each place what `value` makes of its integer, or `absent`.
    fn by_row<T: Copy>(&self, absent: T, value: impl FnMut(i64) -> T) -> Vec<T> {
        spread(self.is_full, &self.levels, &self.integers, absent, value)
    }

    /// Of each place what `value` makes of its code or bit, or `absent`.
    fn coded<T: Copy>(&self, absent: T, mut value: impl FnMut(usize) -> T) -> Vec<T> {
        spread(self.is_full, &self.levels, &self.codes, absent, |code| value(code as usize))
    }
}

fn spread<V: Copy + Default, T: Copy>(
    is_full: bool,
    levels: &[u32],
    values: &[V],
    absent: T,
    mut value: impl FnMut(V) -> T,
) -> Vec<T> {
    if is_full {
        return values.iter().copied().map(value).collect();
    }
    let mut next = 0;
    let one = |&level: &u32| {
        // Read whether it is there or not: which rows have a value is hard to predict.
        let here = values.get(next).copied().unwrap_or_default();
        next += level as usize;
        if level == 1 { value(here) } else { absent }
    };
    levels.iter().map(one).collect()
}

fn take_levels(bytes: &mut &[u8], count: usize, out: &mut Vec<u32>) -> Result<(), Error> {
    let length = encodings::take(bytes, 4)?.try_into().map(u32::from_le_bytes).map_err(|_| COLUMN)?;
    encodings::take_hybrid(encodings::take(bytes, length as usize)?, 1, count, 1, out)
}
