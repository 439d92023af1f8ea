//! Sealed hours and figures as bytes, to be kept from one run to the next.
//!
//! In: what this version of the program sums up. Out: bytes, and the same again. Always: what comes back was walked
//! over to the last integer, so that nothing that is done with it later can panic, whoever wrote the bytes: numbers are
//! in the ranges that later sums rely on, names are in their tables, places ascend.
//! Absent: a checksum, which is for whoever keeps the bytes. A flipped bit that makes another sound number cannot be
//! noticed here.

use std::sync::Arc;

use borehole_record::{Timestamp, UtcHour};

use crate::buckets;
use crate::coverage::CoverageId;
use crate::figures::ListedRequest;
use crate::hour::{SealedHour, Tally};
use crate::names::NameId;
use crate::packed::{Checker, Packer};
use crate::question::FilterReason;
use crate::ranks::{Cut, SealedRanks};
use crate::series::SealedSeries;
use crate::sums::{COUNT_MAX, Sums, TOTAL_MAX};
use crate::unknowns::PackedUnknowns;

mod figures;

/// First byte of all: another one for every other way to sum up or to write.
pub(crate) const VERSION: u8 = 2;

/// What bytes are of: their second one.
#[derive(Clone, Copy)]
enum Kind {
    Hour = 1,
    Figures = 3,
    Tally = 4,
}

/// Begins bytes of a kind.
fn begin(kind: Kind) -> Packer {
    let mut packer = Packer::default();
    packer.bytes(&[VERSION, kind as u8]);
    packer
}

/// What follows where bytes are of this version and kind.
fn open(bytes: &[u8], kind: Kind) -> Option<Checker<'_>> {
    bytes.strip_prefix(&[VERSION, kind as u8]).map(Checker::new)
}

/// Hours of the epoch that differences in seconds can be taken between; a log's timestamps reach 2^42.
const HOUR_MAX: i64 = 1 << 48;

/// Parts that a key may have: there are fifteen dimensions and as many tags as somebody asks for.
const DIMENSIONS_MAX: u64 = 1 << 16;

impl SealedHour {
    /// The hour as bytes; equal hours give equal bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut packer = begin(Kind::Hour);
        pack_signed(self.hour.0, &mut packer);
        pack_names(&self.names, &mut packer);
        pack_tally(&self.tally, &mut packer);
        pack_bytes(self.unknowns.bytes(), &mut packer);
        pack_rows(&self.listing, &mut packer);
        packer.count(self.dimensions as u64);
        packer.count(self.groups as u64);
        packer.count(self.cells.len() as u64);
        packer.bytes(&self.cells);
        packer.count(self.cut.number());
        pack_bytes(&self.ranks, &mut packer);
        packer.bytes(&self.lists);
        packer.finish().into_vec()
    }

    /// The hour that [`SealedHour::to_bytes`] of this version wrote; `None` for whatever it cannot have written.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<SealedHour> {
        let mut checker = open(bytes, Kind::Hour)?;
        let hour = read_hour(&mut checker)?;
        let names = read_names(&mut checker)?;
        names.is_sorted_by(|one, other| one < other).then_some(())?;
        let tally = read_tally(&mut checker, COUNT_MAX)?;
        let unknowns = read_unknowns(&mut checker, names.len())?;
        let listing = read_rows(&mut checker)?;
        let dimensions = checker.count_to(DIMENSIONS_MAX)? as usize;
        let groups = usize::try_from(checker.count()?).ok()?;
        let length = checker.count()?;
        let cells = checker.bytes(length)?;
        check_cells(cells, dimensions, groups, names.len())?;
        let cut = Cut::from_number(checker.count()?)?;
        let length = checker.count()?;
        let ranks = checker.bytes(length)?;
        SealedRanks { bytes: ranks, cut, groups }.check(names.len())?;
        let lists = checker.rest();
        (0..=groups).try_for_each(|_| buckets::check(&mut checker, names.len(), COUNT_MAX))?;
        checker.is_empty().then_some(())?;
        Some(SealedHour {
            hour,
            names,
            dimensions,
            groups,
            cells: cells.into(),
            lists: lists.into(),
            cut,
            ranks: ranks.into(),
            tally,
            unknowns,
            listing,
        })
    }
}

impl Tally {
    /// The tally as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut packer = begin(Kind::Tally);
        pack_tally(self, &mut packer);
        packer.finish().into_vec()
    }

    /// The tally that [`Tally::to_bytes`] of this version wrote; `None` for whatever it cannot have written.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Tally> {
        let mut checker = open(bytes, Kind::Tally)?;
        let tally = read_tally(&mut checker, TOTAL_MAX)?;
        checker.is_empty().then_some(tally)
    }
}

/// Whether these are a cell of the totals, then so many groups with ascending keys.
fn check_cells(cells: &[u8], dimensions: usize, groups: usize, names: usize) -> Option<()> {
    let mut checker = Checker::new(cells);
    check_cell(&mut checker, names)?;
    let (mut key, mut previous) = (Vec::new(), Vec::new());
    for group in 0..groups {
        key.clear();
        for _ in 0..dimensions {
            key.push(NameId::check(&mut checker, names)?);
        }
        if group > 0 && key <= previous {
            return None;
        }
        std::mem::swap(&mut key, &mut previous);
        check_cell(&mut checker, names)?;
    }
    checker.is_empty().then_some(())
}

fn check_cell(checker: &mut Checker<'_>, names: usize) -> Option<()> {
    let length = checker.count()?;
    let mut plain = Checker::new(checker.bytes(length)?);
    Sums::check_plain(&mut plain)?;
    CoverageId::check(&mut plain)?;
    SealedSeries::check(&mut plain)?;
    plain.is_empty().then_some(())?;
    let length = checker.count()?;
    let mut named = Checker::new(checker.bytes(length)?);
    Sums::check_named(&mut named, names)?;
    named.is_empty().then_some(())
}

fn pack_bytes(bytes: &[u8], packer: &mut Packer) {
    packer.count(bytes.len() as u64);
    packer.bytes(bytes);
}

/// The sign goes to the low end, so that small numbers of both signs are short.
fn pack_signed(value: i64, packer: &mut Packer) {
    packer.count((value << 1 ^ value >> 63) as u64);
}

fn read_signed(checker: &mut Checker<'_>) -> Option<i64> {
    let folded = checker.count()?;
    Some((folded >> 1) as i64 ^ -((folded & 1) as i64))
}

fn pack_timestamp(time: Timestamp, packer: &mut Packer) {
    pack_signed(time.seconds, packer);
    packer.count(u64::from(time.nanos));
}

fn read_timestamp(checker: &mut Checker<'_>) -> Option<Timestamp> {
    // Below 2^30, as it is checked.
    Some(Timestamp { seconds: read_signed(checker)?, nanos: checker.count_to(NANOS_MAX)? as u32 })
}

fn read_text(checker: &mut Checker<'_>) -> Option<String> {
    checker.text().map(str::to_owned)
}

fn pack_optional<T: ?Sized>(value: Option<&T>, packer: &mut Packer, pack: impl FnOnce(&T, &mut Packer)) {
    packer.count(u64::from(value.is_some()));
    if let Some(value) = value {
        pack(value, packer);
    }
}

fn read_optional<'a, T>(
    checker: &mut Checker<'a>,
    read: impl FnOnce(&mut Checker<'a>) -> Option<T>,
) -> Option<Option<T>> {
    if checker.count_to(1)? == 1 { read(checker).map(Some) } else { Some(None) }
}

fn read_hour(checker: &mut Checker<'_>) -> Option<UtcHour> {
    let hour = read_signed(checker)?;
    (-HOUR_MAX..=HOUR_MAX).contains(&hour).then_some(UtcHour(hour))
}

fn pack_names(names: &[Arc<str>], packer: &mut Packer) {
    packer.count(names.len() as u64);
    names.iter().for_each(|name| packer.text(name));
}

fn read_names(checker: &mut Checker<'_>) -> Option<Box<[Arc<str>]>> {
    // Each takes a byte at least, so no count can make this large. The largest id stands for no name.
    let count = checker.count_to((checker.rest().len() as u64).min(u64::from(u32::MAX) - 2))?;
    (0..count).map(|_| checker.text().map(Arc::from)).collect()
}

fn pack_tally(tally: &Tally, packer: &mut Packer) {
    let Tally { counted, filtered, counts_lost, outliers, no_request_id } = tally;
    [counted, counts_lost, outliers, no_request_id].into_iter().for_each(|&count| packer.count(count));
    for reason in FilterReason::ALL {
        packer.count(filtered.get(reason.as_str()).copied().unwrap_or(0));
    }
}

fn read_tally(checker: &mut Checker<'_>, most: u64) -> Option<Tally> {
    let mut count = || checker.count_to(most);
    let mut tally = Tally {
        counted: count()?,
        counts_lost: count()?,
        outliers: count()?,
        no_request_id: count()?,
        ..Tally::default()
    };
    for reason in FilterReason::ALL {
        let count = count()?;
        if count > 0 {
            tally.filtered.insert(reason.as_str(), count);
        }
    }
    Some(tally)
}

fn read_unknowns(checker: &mut Checker<'_>, names: usize) -> Option<PackedUnknowns> {
    let length = checker.count()?;
    PackedUnknowns::checked(checker.bytes(length)?, names)
}

fn pack_row(row: &ListedRequest, packer: &mut Packer) {
    let ListedRequest {
        request_id,
        timestamp,
        account,
        region,
        model,
        identity,
        operation,
        error_code,
        input_tokens,
        prompt_tokens,
        output_tokens,
        latency_ms,
        input_bytes,
        output_bytes,
    } = row;
    packer.text(request_id);
    pack_timestamp(*timestamp, packer);
    packer.text(model);
    for text in [account, region, identity, operation, error_code] {
        pack_optional(text.as_ref(), packer, |text, packer| packer.text(text));
    }
    for count in [input_tokens, prompt_tokens, output_tokens, latency_ms, input_bytes, output_bytes] {
        pack_optional(count.as_ref(), packer, |&count, packer| packer.count(count));
    }
}

fn pack_rows(rows: &[ListedRequest], packer: &mut Packer) {
    packer.count(rows.len() as u64);
    rows.iter().for_each(|row| pack_row(row, packer));
}

fn read_rows(checker: &mut Checker<'_>) -> Option<Vec<ListedRequest>> {
    (0..checker.count()?).map(|_| read_row(checker)).collect()
}

fn read_row(checker: &mut Checker<'_>) -> Option<ListedRequest> {
    fn text(checker: &mut Checker<'_>) -> Option<Option<String>> {
        read_optional(checker, read_text)
    }
    fn count(checker: &mut Checker<'_>) -> Option<Option<u64>> {
        read_optional(checker, Checker::count)
    }
    Some(ListedRequest {
        request_id: checker.text()?.to_owned(),
        timestamp: read_timestamp(checker)?,
        model: checker.text()?.to_owned(),
        account: text(checker)?,
        region: text(checker)?,
        identity: text(checker)?,
        operation: text(checker)?,
        error_code: text(checker)?,
        input_tokens: count(checker)?,
        prompt_tokens: count(checker)?,
        output_tokens: count(checker)?,
        latency_ms: count(checker)?,
        input_bytes: count(checker)?,
        output_bytes: count(checker)?,
    })
}

/// The last nanosecond of a second.
const NANOS_MAX: u64 = 999_999_999;
