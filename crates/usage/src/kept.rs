//! What the totals keep of an hour: a few hundred bytes a group, however many records it had.
//!
//! In: sealed hours. Out: their cells without histogram buckets, and what their names and groups are called in the
//! totals. Always: equal sealed hours are kept as equal values, so that an hour summed up twice can be held against
//! itself; every part that no subtraction gives back (minima, minutes, seconds at the edges) is here. Absent: the
//! buckets, which the totals add up over all hours (see `buckets`), but where a cube is asked for.

use crate::coverage::CoverageId;
use crate::figures::ListedRequest;
use crate::hour::{SealedCell, SealedCells, Tally};
use crate::names::Renaming;
use crate::packed::Unpacker;
use crate::ranks::{Cut, SealedRanks};
use crate::series::SealedSeries;
use crate::sums::Sums;
use crate::unknowns::PackedUnknowns;

/// One hour in the totals.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KeptHour {
    /// From the names of the hour to those of the totals.
    pub(crate) renaming: Renaming,
    /// The numbers of its groups in the totals, in the order of their cells.
    pub(crate) groups: Box<[u32]>,
    pub(crate) dimensions: usize,
    /// As in the sealed hour.
    pub(crate) cells: Box<[u8]>,
    /// As in the sealed hour, as are the ranks.
    pub(crate) cut: Cut,
    pub(crate) ranks: Box<[u8]>,
    /// Where a cube is asked for, the packed lists of buckets of the cells that it is cut into: that of the totals, or
    /// those of the groups. Their Regions have the names of the hour.
    pub(crate) lists: Box<[u8]>,
    pub(crate) tally: Tally,
    pub(crate) unknowns: PackedUnknowns,
    pub(crate) listing: Box<[ListedRequest]>,
}

impl KeptHour {
    /// The cell of the totals, then those of the groups, with the numbers that the totals gave these.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (Option<u32>, KeptCell<'_>)> {
        let mut cells = SealedCells::new(&self.cells, self.dimensions);
        let mut key = Vec::new();
        let numbers = std::iter::once(None).chain(self.groups.iter().map(|&number| Some(number)));
        numbers.map_while(move |number| {
            let SealedCell { plain, named } = cells.next(&mut key)?;
            Some((number, KeptCell { plain, named, renaming: &self.renaming }))
        })
    }

    /// What its records are ranked by.
    pub(crate) fn ranks(&self) -> SealedRanks<'_> {
        SealedRanks { bytes: &self.ranks, cut: self.cut, groups: self.groups.len() }
    }

    /// Bytes on the heap; those of the texts of listed requests are not known, and left out.
    pub(crate) fn held_bytes(&self) -> usize {
        self.cells.len()
            + self.ranks.len()
            + self.lists.len()
            + self.renaming.held_bytes()
            + size_of_val(&*self.groups)
            + self.unknowns.held_bytes()
            + size_of_val(&*self.listing)
    }
}

/// One group (or the totals) in one hour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeptCell<'a> {
    /// Sums that are kept by no name, sources, series.
    plain: &'a [u8],
    /// Sums that are kept by name.
    named: &'a [u8],
    /// From its names to those of the totals.
    renaming: &'a Renaming,
}

impl KeptCell<'_> {
    /// Counted records, without unpacking the rest.
    pub(crate) fn attempted(self) -> u64 {
        SealedCell { plain: self.plain, named: self.named }.attempted()
    }

    /// Adds the sums and the coverage, and puts the series in place of what is in `series`.
    pub(crate) fn absorb_into(
        self,
        sums: &mut Sums,
        coverage: &mut Vec<CoverageId>,
        series: &mut SealedSeries,
    ) {
        sums.absorb_named(&mut Unpacker::new(self.named), self.renaming);
        let mut unpacker = Unpacker::new(self.plain);
        sums.absorb_plain(&mut unpacker);
        CoverageId::unpack(&mut unpacker, |id| {
            if let Err(position) = coverage.binary_search(&id) {
                coverage.insert(position, id);
            }
        });
        series.unpack(&mut unpacker);
    }
}
