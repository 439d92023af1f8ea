//! What the totals keep of an hour: a few hundred bytes a group, however many records it had.
//!
//! In: sealed hours. Out: their cells without histogram buckets, under the names of the totals. Always: equal
//! sealed hours are kept as equal bytes, so that an hour summed up twice can be held against itself; every part
//! that no subtraction gives back (minima, minutes, seconds at the edges) is here. Absent: the buckets, which the
//! totals add up over all hours (see `buckets`).

use crate::coverage::CoverageId;
use crate::figures::ListedRequest;
use crate::hour::{SealedCell, Tally};
use crate::names::Renaming;
use crate::packed::{Packer, Unpacker};
use crate::series::SealedSeries;
use crate::sums::{Counters, Sums, rename_named};
use crate::unknowns::PackedUnknowns;

/// One hour in the totals.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KeptHour {
    pub(crate) tally: Tally,
    pub(crate) unknowns: PackedUnknowns,
    pub(crate) listing: Box<[ListedRequest]>,
    /// The cell of the totals, then number, length and cell of each group.
    cells: Box<[u8]>,
}

/// Writes the cells of a [`KeptHour`].
#[derive(Default)]
pub(crate) struct CellsPacker {
    packer: Packer,
    /// Reused: a length comes before what it is the length of.
    cell: Packer,
}

impl CellsPacker {
    /// Writes the next cell under other names: the totals first, then each group with its number.
    pub(crate) fn cell(&mut self, group: Option<u32>, plain: &[u8], named: &[u8], renaming: &Renaming) {
        self.cell.clear();
        self.cell.count(plain.len() as u64);
        // What is kept by no name is the same under any.
        self.cell.bytes(plain);
        rename_named(&mut Unpacker::new(named), renaming, &mut self.cell);
        group.into_iter().for_each(|group| self.packer.count(u64::from(group)));
        self.packer.count(self.cell.len() as u64);
        self.packer.bytes(self.cell.from(0));
    }

    /// Writes the next cell of a sealed hour, but for its buckets.
    pub(crate) fn sealed_cell(&mut self, group: Option<u32>, cell: SealedCell<'_>, renaming: &Renaming) {
        self.cell(group, cell.plain, cell.named, renaming);
    }

    /// The hour that these are all cells of.
    pub(crate) fn finish(
        self,
        tally: Tally,
        unknowns: PackedUnknowns,
        listing: Vec<ListedRequest>,
    ) -> KeptHour {
        KeptHour { tally, unknowns, listing: listing.into_boxed_slice(), cells: self.packer.finish() }
    }
}

impl KeptHour {
    /// The cell of the totals.
    pub(crate) fn totals(&self) -> KeptCell<'_> {
        KeptCell::next(&mut Unpacker::new(&self.cells))
    }

    /// The cells of the groups, by the numbers that the totals gave these.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (u32, KeptCell<'_>)> {
        let mut unpacker = Unpacker::new(&self.cells);
        KeptCell::next(&mut unpacker);
        std::iter::from_fn(move || {
            // Written from a u32.
            let group = (!unpacker.is_empty()).then(|| unpacker.count() as u32);
            group.map(|group| (group, KeptCell::next(&mut unpacker)))
        })
    }

    /// Bytes on the heap; those of the texts of listed requests are not known, and left out.
    pub(crate) fn held_bytes(&self) -> usize {
        self.cells.len() + self.unknowns.held_bytes() + size_of_val(&*self.listing)
    }
}

/// One group (or the totals) in one hour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeptCell<'a> {
    /// Sums that are kept by no name, sources, series.
    pub(crate) plain: &'a [u8],
    /// Sums that are kept by name.
    pub(crate) named: &'a [u8],
}

impl<'a> KeptCell<'a> {
    fn next(unpacker: &mut Unpacker<'a>) -> Self {
        let length = unpacker.count();
        let mut cell = Unpacker::new(unpacker.bytes(length as usize));
        let length = cell.count();
        KeptCell { plain: cell.bytes(length as usize), named: cell.rest() }
    }

    /// Counted records, without unpacking the rest.
    pub(crate) fn attempted(self) -> u64 {
        let mut counters = Counters::default();
        counters.absorb(&mut Unpacker::new(self.plain));
        counters.attempted
    }

    /// Adds the sums and the coverage, and gives the series.
    pub(crate) fn absorb_into(self, sums: &mut Sums, coverage: &mut Vec<CoverageId>) -> SealedSeries {
        sums.absorb_named(&mut Unpacker::new(self.named));
        let mut unpacker = Unpacker::new(self.plain);
        sums.absorb_plain(&mut unpacker);
        for id in CoverageId::unpack(&mut unpacker) {
            if let Err(position) = coverage.binary_search(&id) {
                coverage.insert(position, id);
            }
        }
        SealedSeries::unpack(&mut unpacker)
    }
}
