//! Column chunks in a Parquet file: pages, compression, footer.
//!
//! In: a column's values as plain slices, column after column. Out: the bytes of a file, and from them the pages
//! of a column. Always: pages of version 1, one codec in a chunk; a chunk is compressed only where that makes it
//! smaller; nothing is read outside of the bytes given. Absent: what the columns mean.
//!
//! The footer and the page headers are Thrift, spelled by `polars-parquet-format`. The page writer of
//! `polars-parquet` is not used: it writes the description of each column twice and its statistics three times,
//! which is 2 bytes a row in hours of usual size, and it makes a compressor for every page.

use std::ops::Range;

use polars_parquet_format::thrift::protocol::{TCompactInputProtocol, TCompactOutputProtocol};
use polars_parquet_format::{
    ColumnChunk, ColumnMetaData, ColumnOrder, CompressionCodec, DataPageHeader, DictionaryPageHeader,
    Encoding, FileMetaData, KeyValue, PageHeader, PageType, RowGroup, SortingColumn, Statistics,
    TypeDefinedOrder,
};
use zstd::bulk::{Compressor, Decompressor};

use super::layout::{COLUMNS, Column, Kind, SORTED_BY, schema};
use super::{ROW_VERSION, encodings};
use crate::Error;

const MAGIC: [u8; 4] = *b"PAR1";

/// Rows of one page: one of request ids is then some 2 MiB, which readers hold at once.
pub(super) const PAGE_ROWS: usize = 1 << 16;

/// Rows of one group: what a reader of a whole group holds at once.
pub(super) const ROWS_MAX: usize = 1 << 20;

/// The word of the footer that says which version the rows have.
pub(super) const VERSION_KEY: &str = "borehole.rows";

/// Most bytes that a footer may make its reader allocate, for each of its own bytes.
const FOOTER_EXPANSION_MAX: usize = 16;

/// No smaller chunk is worth a compressor's frame.
const COMPRESSED_BYTES_MIN: usize = 128;

/// Most places that a chunk may claim: runs make any number of them from a few bytes.
const PLACES_MAX: usize = 1 << 26;

/// Most bytes that a page header may make its reader allocate: ours holds a few numbers.
const PAGE_HEADER_BYTES_MAX: usize = 1 << 16;

const FOOTER: Error = Error::Damaged("the footer");
const PAGE: Error = Error::Damaged("a page");

/// What a column's chunk is made from. Values that are absent take no place.
pub(super) enum Values<'a> {
    /// Entries of a dictionary, each in Parquet's plain form.
    Codes { codes: &'a [u32], dictionary: &'a [u8], entries: usize },
    /// Integers that hardly repeat.
    Integers(Form, &'a [i64]),
    /// Strings that hardly repeat: their lengths, and all of them in a row.
    Texts { lengths: &'a [i64], bytes: &'a [u8] },
    /// Yes or no, in a row of bits.
    Booleans(&'a [bool]),
}

/// How integers are written.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// By their differences, which suits what grows or is much alike.
    Deltas,
    /// As they are, for the compressor.
    Plain,
}

/// Which places of a column have a value.
#[derive(Clone, Copy)]
pub(super) enum Levels<'a> {
    /// Each of so many rows.
    All(usize),
    /// The rows with 1.
    Some(&'a [u32]),
    /// A list in each row: 0 in `starts` begins a row; an empty list has one place, with 0 in `present`.
    Lists { starts: &'a [u32], present: &'a [u32] },
}

/// The smallest and the greatest value in their plain form, without lengths.
pub(super) type Extremes = Option<(Vec<u8>, Vec<u8>)>;

/// A file being written; its memory is used again.
#[derive(Default)]
pub(super) struct FileBuilder {
    bytes: Vec<u8>,
    columns: Vec<ColumnChunk>,
    groups: Vec<RowGroup>,
    rows: usize,
    compressor: Compressor<'static>,
    /// The pages of the chunk being written.
    plain: Vec<u8>,
    compressed: Vec<u8>,
}

/// A page of the chunk being written.
struct Draft {
    plain: Range<usize>,
    compressed: Range<usize>,
    /// Entries of a dictionary; or places of a column, absent values included.
    count: usize,
    /// `None` for the dictionary.
    encoding: Option<Encoding>,
}

impl FileBuilder {
    /// Begins a file with pages of this level of zstd, whatever was before.
    pub(super) fn start(&mut self, level: i32) -> Result<(), Error> {
        self.bytes.clear();
        self.bytes.extend_from_slice(&MAGIC);
        self.columns.clear();
        self.groups.clear();
        self.rows = 0;
        self.compressor.set_compression_level(level).map_err(failed)
    }

    /// Writes the next column of the layout; its path says which one is meant.
    pub(super) fn chunk(
        &mut self,
        path: &str,
        levels: Levels<'_>,
        values: &Values<'_>,
        extremes: Extremes,
    ) -> Result<(), Error> {
        let column = &COLUMNS[self.columns.len()];
        assert_eq!(column.path, path, "columns are written in the order of the layout");
        let mut pages = self.draft(column, levels, values);
        let is_compressed = self.compress(&mut pages)?;

        let start = self.bytes.len();
        let (mut data_start, mut uncompressed) = (start, 0);
        for page in &pages {
            let (source, range) = match is_compressed {
                true => (&self.compressed, page.compressed.clone()),
                false => (&self.plain, page.plain.clone()),
            };
            let before = self.bytes.len();
            let header = page_header(page, range.len())?;
            header
                .write_to_out_protocol(&mut TCompactOutputProtocol::new(&mut self.bytes))
                .map_err(failed)?;
            uncompressed += self.bytes.len() - before + page.plain.len();
            self.bytes.extend_from_slice(&source[range]);
            if page.encoding.is_none() {
                data_start = self.bytes.len();
            }
        }
        let dictionary_start = (data_start > start).then_some(start as i64);
        let (places, absent) = levels.places();
        let mut encodings = vec![Encoding::RLE];
        encodings.extend(dictionary_start.map(|_| Encoding::PLAIN));
        encodings.extend(pages.iter().find_map(|page| page.encoding));
        let (min, max) = extremes.unzip();
        let metadata = ColumnMetaData::new(
            column.physical(),
            encodings,
            column.path.split('.').map(str::to_owned).collect(),
            if is_compressed { CompressionCodec::ZSTD } else { CompressionCodec::UNCOMPRESSED },
            places as i64,
            uncompressed as i64,
            (self.bytes.len() - start) as i64,
            None,
            data_start as i64,
            None,
            dictionary_start,
            Statistics::new(None, None, absent as i64, None, max, min, None, None),
            None,
            None,
            None,
            None,
        );
        self.columns.push(ColumnChunk::new(None, start as i64, metadata, None, None, None, None, None, None));
        Ok(())
    }

    /// Ends a group of so many rows, whose columns are all written.
    pub(super) fn end_group(&mut self, rows: usize) {
        let columns = std::mem::take(&mut self.columns);
        let metadata = columns.iter().filter_map(|column| column.meta_data.as_ref());
        let (plain, stored) = metadata.fold((0, 0), |(plain, stored), column| {
            (plain + column.total_uncompressed_size, stored + column.total_compressed_size)
        });
        let start = columns.first().map(|column| column.file_offset);
        let sorted = vec![SortingColumn::new(SORTED_BY, false, false)];
        self.groups.push(RowGroup::new(columns, plain, rows as i64, sorted, start, stored, None));
        self.rows += rows;
    }

    /// Writes the footer and gives out the file.
    pub(super) fn finish(&mut self, words: Vec<(&str, String)>) -> Result<Vec<u8>, Error> {
        let words = words.into_iter().map(|(key, value)| KeyValue::new(key.to_owned(), value)).collect();
        let orders = COLUMNS.map(|_| ColumnOrder::TYPEORDER(TypeDefinedOrder {})).to_vec();
        let footer = FileMetaData::new(
            1,
            schema(),
            self.rows as i64,
            std::mem::take(&mut self.groups),
            Some(words),
            concat!("borehole version ", env!("CARGO_PKG_VERSION")).to_owned(),
            orders,
            None,
            None,
        );
        let mut bytes = std::mem::take(&mut self.bytes);
        let start = bytes.len();
        footer.write_to_out_protocol(&mut TCompactOutputProtocol::new(&mut bytes)).map_err(failed)?;
        let length = u32::try_from(bytes.len() - start).map_err(|_| too_large())?;
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&MAGIC);
        Ok(bytes)
    }

    /// Encodes the pages of a chunk.
    fn draft(&mut self, column: &Column, levels: Levels<'_>, values: &Values<'_>) -> Vec<Draft> {
        let plain = &mut self.plain;
        plain.clear();
        let mut pages = Vec::new();
        let mut add = |plain: &Vec<u8>, start, count, encoding| {
            pages.push(Draft { plain: start..plain.len(), compressed: 0..0, count, encoding });
        };
        let mut width = 0;
        if let Values::Codes { dictionary, entries: entries @ 1.., .. } = values {
            plain.extend_from_slice(dictionary);
            add(plain, 0, *entries, None);
            width = code_width(*entries);
        }
        let mut first = 0;
        for places in levels.pages() {
            let start = plain.len();
            let count = levels.put(plain, places.clone(), column.is_optional);
            let here = first..first + count;
            first = here.end;
            let encoding = match values {
                // No row has a value.
                Values::Codes { entries: 0, .. } => Encoding::PLAIN,
                Values::Codes { codes, .. } => {
                    plain.push(width as u8);
                    encodings::put_hybrid(plain, width, &codes[here]);
                    Encoding::RLE_DICTIONARY
                }
                Values::Integers(Form::Deltas, integers) => {
                    encodings::put_deltas(plain, &integers[here], column.kind == Kind::Timestamp);
                    Encoding::DELTA_BINARY_PACKED
                }
                Values::Integers(Form::Plain, integers) => {
                    integers[here].iter().for_each(|integer| plain.extend_from_slice(&integer.to_le_bytes()));
                    Encoding::PLAIN
                }
                Values::Texts { lengths, bytes } => {
                    let length = |lengths: &[i64]| lengths.iter().sum::<i64>() as usize;
                    let from = length(&lengths[..here.start]);
                    encodings::put_deltas(plain, &lengths[here.clone()], false);
                    plain.extend_from_slice(&bytes[from..from + length(&lengths[here])]);
                    Encoding::DELTA_LENGTH_BYTE_ARRAY
                }
                Values::Booleans(booleans) => {
                    encodings::put_booleans(plain, booleans[here].iter().copied());
                    Encoding::PLAIN
                }
            };
            add(plain, start, places.len(), Some(encoding));
        }
        pages
    }

    /// Compresses the pages, and says whether that made the chunk smaller.
    fn compress(&mut self, pages: &mut [Draft]) -> Result<bool, Error> {
        if self.plain.len() < COMPRESSED_BYTES_MIN {
            return Ok(false);
        }
        self.compressed.clear();
        for page in pages {
            let plain = &self.plain[page.plain.clone()];
            let start = self.compressed.len();
            self.compressed.resize(start + zstd::zstd_safe::compress_bound(plain.len()), 0);
            let room = &mut self.compressed[start..];
            let length = self.compressor.compress_to_buffer(plain, room).map_err(failed)?;
            self.compressed.truncate(start + length);
            page.compressed = start..start + length;
        }
        Ok(self.compressed.len() < self.plain.len())
    }
}

/// Bits of a code. Codes that fill bytes exactly are packed so, since a compressor sees bytes.
fn code_width(entries: usize) -> u32 {
    match encodings::width_of(entries.saturating_sub(1) as u64) {
        0 | 1 => 1,
        width @ 2..=8 => width.next_power_of_two(),
        width => width,
    }
}

impl Levels<'_> {
    /// All places, and those of them without a value.
    fn places(&self) -> (usize, usize) {
        match *self {
            Levels::All(rows) => (rows, 0),
            Levels::Some(present) | Levels::Lists { present, .. } => {
                (present.len(), present.len() - ones(present))
            }
        }
    }

    /// The places of each page, of whole rows.
    fn pages(&self) -> Vec<Range<usize>> {
        let (places, _) = self.places();
        let mut ends: Vec<usize> = match self {
            Levels::Lists { starts, .. } => {
                let rows = starts.iter().enumerate().filter(|(_, start)| **start == 0);
                rows.map(|(place, _)| place).step_by(PAGE_ROWS).skip(1).collect()
            }
            _ => (PAGE_ROWS..places).step_by(PAGE_ROWS).collect(),
        };
        ends.push(places);
        let mut start = 0;
        ends.into_iter().map(|end| std::mem::replace(&mut start, end)..end).collect()
    }

    /// Appends the levels of these places, and returns how many have a value.
    fn put(&self, out: &mut Vec<u8>, places: Range<usize>, is_optional: bool) -> usize {
        let mut put = |put: &dyn Fn(&mut Vec<u8>)| {
            let start = out.len();
            out.extend_from_slice(&[0; 4]);
            put(out);
            let length = (out.len() - start - 4) as u32;
            out[start..start + 4].copy_from_slice(&length.to_le_bytes());
        };
        match *self {
            Levels::All(_) => {
                if is_optional {
                    put(&|out| encodings::put_run(out, 1, 1, places.len()));
                }
                places.len()
            }
            Levels::Some(present) => {
                put(&|out| encodings::put_hybrid(out, 1, &present[places.clone()]));
                ones(&present[places])
            }
            Levels::Lists { starts, present } => {
                put(&|out| encodings::put_hybrid(out, 1, &starts[places.clone()]));
                put(&|out| encodings::put_hybrid(out, 1, &present[places.clone()]));
                ones(&present[places])
            }
        }
    }
}

fn ones(levels: &[u32]) -> usize {
    levels.iter().map(|&level| level as usize).sum()
}

fn page_header(page: &Draft, stored: usize) -> Result<PageHeader, Error> {
    let fitting = |length| i32::try_from(length).map_err(|_| too_large());
    let (plain, stored, count) = (fitting(page.plain.len())?, fitting(stored)?, fitting(page.count)?);
    Ok(match page.encoding {
        Some(encoding) => {
            let header = DataPageHeader::new(count, encoding, Encoding::RLE, Encoding::RLE, None);
            PageHeader::new(PageType::DATA_PAGE, plain, stored, None, header, None, None, None)
        }
        None => {
            let header = DictionaryPageHeader::new(count, Encoding::PLAIN, None);
            PageHeader::new(PageType::DICTIONARY_PAGE, plain, stored, None, None, None, header, None)
        }
    })
}

fn too_large() -> Error {
    Error::Parquet("a page of more than 2 GiB".to_owned())
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Parquet(error.to_string())
}

/// A file that was read.
pub(super) struct FileView<'a> {
    bytes: &'a [u8],
    footer: FileMetaData,
}

/// A column of one group of rows.
pub(super) struct Chunk<'a> {
    /// Pages that are not read yet.
    pages: &'a [u8],
    is_compressed: bool,
    /// Places of these pages.
    pub(super) places: usize,
    pub(super) column: &'static Column,
}

/// A page, decompressed.
pub(super) struct Page<'a> {
    pub(super) bytes: &'a [u8],
    /// Entries of a dictionary; or places of a column.
    pub(super) count: usize,
    /// `None` for a dictionary.
    pub(super) encoding: Option<Encoding>,
}

impl<'a> FileView<'a> {
    /// Reads the footer of a file with rows of this version.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, Error> {
        let (rest, magic) = bytes.split_last_chunk::<4>().ok_or(FOOTER)?;
        let (rest, length) = rest.split_last_chunk::<4>().ok_or(FOOTER)?;
        let length = u32::from_le_bytes(*length) as usize;
        let start = rest.len().checked_sub(length).ok_or(FOOTER)?;
        if *magic != MAGIC || !rest[..start].starts_with(&MAGIC) {
            return Err(FOOTER);
        }
        let mut footer = &rest[start..];
        let allocated_max = length.saturating_mul(FOOTER_EXPANSION_MAX);
        let mut protocol = TCompactInputProtocol::new(&mut footer, allocated_max);
        let footer = FileMetaData::read_from_in_protocol(&mut protocol).map_err(|_| FOOTER)?;
        let view = FileView { bytes: &rest[..start], footer };
        if view.word(VERSION_KEY) != Some(ROW_VERSION.to_string().as_str()) {
            return Err(Error::Damaged("rows of another version"));
        }
        Ok(view)
    }

    /// A word about the file as a whole.
    pub(super) fn word(&self, key: &str) -> Option<&str> {
        let words = self.footer.key_value_metadata.as_deref()?;
        words.iter().find(|word| word.key == key)?.value.as_deref()
    }

    /// Rows of each group.
    pub(super) fn groups(&self) -> Result<Vec<usize>, Error> {
        let rows = |group: &RowGroup| usize::try_from(group.num_rows).ok().filter(|&rows| rows <= ROWS_MAX);
        self.footer.row_groups.iter().map(|group| rows(group).ok_or(FOOTER)).collect()
    }

    /// A column of a group.
    pub(super) fn chunk(&self, group: usize, path: &str) -> Result<Chunk<'a>, Error> {
        let index = COLUMNS.iter().position(|column| column.path == path).ok_or(FOOTER)?;
        let column = &COLUMNS[index];
        let found = self.footer.row_groups.get(group).and_then(|group| group.columns.get(index));
        let found = found.and_then(|found| found.meta_data.as_ref()).ok_or(FOOTER)?;
        let is_compressed = match found.codec {
            CompressionCodec::ZSTD => true,
            CompressionCodec::UNCOMPRESSED => false,
            _ => return Err(FOOTER),
        };
        let start = found.dictionary_page_offset.unwrap_or(found.data_page_offset);
        let range = usize::try_from(start).ok().zip(usize::try_from(found.total_compressed_size).ok());
        let pages = range.and_then(|(start, length)| self.bytes.get(start..start.checked_add(length)?));
        let places = usize::try_from(found.num_values).ok().filter(|&places| places <= PLACES_MAX);
        if !found.path_in_schema.iter().map(String::as_str).eq(path.split('.')) {
            return Err(FOOTER);
        }
        Ok(Chunk { pages: pages.ok_or(FOOTER)?, is_compressed, places: places.ok_or(FOOTER)?, column })
    }

    /// Whether no row of a group is without a value in this column.
    pub(super) fn is_full(&self, group: usize, path: &str) -> bool {
        let index = COLUMNS.iter().position(|column| column.path == path);
        let group = self.footer.row_groups.get(group);
        let found = index.zip(group).and_then(|(index, group)| group.columns.get(index)?.meta_data.as_ref());
        found.and_then(|found| found.statistics.as_ref()?.null_count) == Some(0)
    }
}

/// Reads pages; its memory is used again.
#[derive(Default)]
pub(super) struct PageReader {
    decompressor: Decompressor<'static>,
    buffer: Vec<u8>,
}

impl PageReader {
    /// The next page of a chunk.
    pub(super) fn next<'b, 'a: 'b>(&'b mut self, chunk: &mut Chunk<'a>) -> Result<Page<'b>, Error> {
        let allocated_max = chunk.pages.len().min(PAGE_HEADER_BYTES_MAX);
        let mut protocol = TCompactInputProtocol::new(&mut chunk.pages, allocated_max);
        let header = PageHeader::read_from_in_protocol(&mut protocol).map_err(|_| PAGE)?;
        let stored = usize::try_from(header.compressed_page_size).map_err(|_| PAGE)?;
        let plain = usize::try_from(header.uncompressed_page_size).map_err(|_| PAGE)?;
        let stored = encodings::take(&mut chunk.pages, stored)?;
        let (count, encoding) = match (header.type_, header.data_page_header, header.dictionary_page_header) {
            (PageType::DATA_PAGE, Some(header), _) => (header.num_values, Some(header.encoding)),
            (PageType::DICTIONARY_PAGE, _, Some(header)) => (header.num_values, None),
            _ => return Err(PAGE),
        };
        let count = usize::try_from(count).map_err(|_| PAGE)?;
        if !chunk.is_compressed {
            return Ok(Page { bytes: stored, count, encoding });
        }
        self.buffer.clear();
        self.buffer.try_reserve(plain).map_err(|_| PAGE)?;
        match self.decompressor.decompress_to_buffer(stored, &mut self.buffer) {
            Ok(length) if length == plain => Ok(Page { bytes: &self.buffer, count, encoding }),
            _ => Err(PAGE),
        }
    }
}
