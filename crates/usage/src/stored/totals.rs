//! The totals of many hours as bytes.
//!
//! In: totals. Out: bytes in which the histogram buckets are those of all hours together, which are far fewer than those
//! of each, beside the cells of the hours; and the same totals again, to which hours can be added, and in which hours
//! can be replaced. Absent: one spelling for equal totals, since names and groups are numbered in the order of their
//! coming.

use super::{
    DIMENSIONS_MAX, Kind, begin, check_cells, open, pack_bytes, pack_names, pack_rows, pack_signed,
    pack_tally, read_hour, read_names, read_rows, read_tally, read_unknowns,
};
use crate::buckets::{Buckets, Scratch};
use crate::kept::KeptHour;
use crate::names::{NameId, Names, Renaming};
use crate::packed::{Checker, Packer};
use crate::sums::COUNT_MAX;
use crate::totals::Totals;

impl Totals {
    /// The totals as bytes: a tenth of those of their sealed hours in the buckets, and as many in the rest.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut packer = begin(Kind::Totals);
        let mut scratch = Scratch::default();
        pack_names(self.names.texts(), &mut packer);
        let keys = self.group_keys();
        // All keys are of one question.
        packer.count(keys.first().map_or(0, |key| key.len()) as u64);
        packer.count(keys.len() as u64);
        keys.into_iter().flatten().for_each(|name| name.pack(&mut packer));
        self.buckets.pack(&mut scratch, &mut packer);
        self.group_buckets.iter().for_each(|buckets| buckets.pack(&mut scratch, &mut packer));
        packer.count(self.hours.len() as u64);
        for (hour, kept) in &self.hours {
            pack_signed(hour.0, &mut packer);
            pack_hour(kept, &mut packer);
        }
        packer.finish().into_vec()
    }

    /// The totals that [`Totals::to_bytes`] of this version wrote; `None` for whatever it cannot have written.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Totals> {
        let mut checker = open(bytes, Kind::Totals)?;
        let mut totals = Totals::default();
        let texts = read_names(&mut checker)?;
        totals.names = Names::from_texts(&texts)?;
        let dimensions = checker.count_to(DIMENSIONS_MAX)?;
        // Each has a list of buckets, which takes a byte at least, so no count can make this large.
        let groups = checker.count_to((checker.rest().len() as u64).min(u64::from(u32::MAX)))?;
        for number in 0..groups {
            let key = (0..dimensions).map(|_| NameId::check(&mut checker, texts.len()));
            let key = key.collect::<Option<_>>()?;
            // Below 2^32, as it was checked.
            totals.groups.insert(key, number as u32).is_none().then_some(())?;
        }
        totals.buckets = Buckets::read(&mut checker, texts.len())?;
        let buckets = (0..groups).map(|_| Buckets::read(&mut checker, texts.len()));
        totals.group_buckets = buckets.collect::<Option<_>>()?;
        for _ in 0..checker.count()? {
            let hour = read_hour(&mut checker)?;
            let is_later = totals.hours.last_key_value().is_none_or(|(&last, _)| hour > last);
            let kept = is_later.then(|| read_kept(&mut checker, texts.len(), groups))??;
            totals.hours.insert(hour, kept);
        }
        checker.is_empty().then_some(totals)
    }
}

fn pack_hour(kept: &KeptHour, packer: &mut Packer) {
    let KeptHour { renaming, groups, dimensions, cells, tally, unknowns, listing } = kept;
    let names = renaming.ids();
    packer.count(names.len() as u64);
    names.iter().for_each(|name| name.pack(packer));
    packer.count(groups.len() as u64);
    groups.iter().for_each(|&number| packer.count(u64::from(number)));
    packer.count(*dimensions as u64);
    pack_bytes(cells, packer);
    pack_tally(tally, packer);
    pack_bytes(unknowns.bytes(), packer);
    pack_rows(listing, packer);
}

fn read_kept(checker: &mut Checker<'_>, names: usize, groups: u64) -> Option<KeptHour> {
    // An hour has no name that the totals have not, and no group.
    let count = checker.count_to(names as u64)?;
    let name =
        |checker: &mut Checker<'_>| NameId::check(checker, names).filter(|&name| name != NameId::ABSENT);
    let renaming = (0..count).map(|_| name(checker)).collect::<Option<Box<[NameId]>>>()?;
    let count = checker.count_to(groups)?;
    let number = |checker: &mut Checker<'_>| {
        let number = checker.count().filter(|&number| number < groups)?;
        u32::try_from(number).ok()
    };
    let numbers = (0..count).map(|_| number(checker)).collect::<Option<Box<[u32]>>>()?;
    let dimensions = checker.count_to(DIMENSIONS_MAX)? as usize;
    let length = checker.count()?;
    let cells = checker.bytes(length)?;
    check_cells(cells, dimensions, numbers.len(), renaming.len())?;
    Some(KeptHour {
        tally: read_tally(checker, COUNT_MAX)?,
        unknowns: read_unknowns(checker, renaming.len())?,
        listing: read_rows(checker)?.into_boxed_slice(),
        renaming: Renaming::to(renaming),
        groups: numbers,
        dimensions,
        cells: cells.into(),
    })
}
