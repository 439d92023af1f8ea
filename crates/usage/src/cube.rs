//! The cube: the sums of each hour and group, packed, so that a page can take the figures of any range and filter.
//!
//! In: the totals of a question that asked for a cube. Out: names and bytes, in the format of `docs/cube.md`. Always:
//! the same bytes whatever the order of records and hours; what a page can take from them is what [`Totals::figures`]
//! gives for the same choice. Absent: compression, and the bounds of strings (see `report`).
//!
//! Nearly every value of a busy hour has a bucket of its own, so distributions are the larger part. They are kept
//! for slots of several hours: the finest with which the page is expected to stay small.

use std::fmt;

use borehole_record::UtcHour;

use crate::answer::{self, Key, Member, Ordered, Texts};
use crate::buckets;
use crate::coverage::CoverageSpan;
use crate::kept::{KeptCell, KeptHour};
use crate::question::Question;
use crate::ranks::Cut;
use crate::totals::Totals;

mod cells;
mod slots;
mod writer;

use cells::Sections;
use writer::{NameTable, Writer};

/// The data of a page, before its names are bounded and all is compressed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cube {
    /// Every name that the body refers to, by position.
    pub names: Vec<String>,
    /// What follows the names.
    pub body: Vec<u8>,
    /// Hours of a slot; 0 where one slot is the whole run.
    pub slot_hours: u64,
    /// About how large the page is that it is in, in bytes: compressed, as text, with all else.
    pub page_bytes: u64,
}

/// The version of the format, the first integer of a packed cube.
pub const VERSION: u64 = 1;

/// How large a page is meant to be at most, in bytes: a mail with it is no burden, and it opens at once.
pub const PAGE_BYTES_AIM: u64 = 3_000_000;

/// How large a page may become where no coarser slot makes it smaller, in bytes. Beyond that browsers take seconds,
/// and mail servers refuse it.
pub const PAGE_BYTES_MAX: u64 = 16_000_000;

/// What a page holds beside its cube, in bytes: scripts, styles, the report itself with some dozen groups.
const PAGE_BYTES_WITHOUT_CUBE: u64 = 300_000;

/// The largest integer that a page can count with exactly: 2^53 − 1.
const INTEGER_MAX: u128 = (1 << 53) - 1;

/// Why there is no cube.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The hours were summed up for a question that did not ask for one.
    NotAsked,
    /// A page with it would be larger than [`PAGE_BYTES_MAX`], even without any filters.
    TooLarge,
    /// Some sum is above 2^53 − 1, which a page cannot count with exactly.
    NumberTooLarge,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::NotAsked => "the figures were summed up without it",
            Refusal::TooLarge => "the run has too many active minutes to fit in a page",
            Refusal::NumberTooLarge => "a sum is too large for a page to count with exactly",
        })
    }
}

impl std::error::Error for Refusal {}

/// Slots that there may be, in hours, finest first; 0 is the whole run.
const SLOT_HOURS: [u64; 7] = [1, 2, 3, 6, 12, 24, 0];

impl Totals {
    /// The cube of these totals; `question` is the one that the hours were summed for, `coverage` is by
    /// [`crate::CoverageId`].
    ///
    /// # Errors
    /// Where there can be none.
    pub fn cube(&self, question: &Question, coverage: &[CoverageSpan]) -> Result<Cube, Refusal> {
        self.cube_within(question, coverage, PAGE_BYTES_AIM, PAGE_BYTES_MAX)
    }

    /// [`Totals::cube`] with bounds of its own, in bytes of the page: what it should stay within, for which slots
    /// become longer, and what it must stay within, for which filters are given up.
    ///
    /// # Errors
    /// Where there can be none.
    pub fn cube_within(
        &self,
        question: &Question,
        coverage: &[CoverageSpan],
        bytes_aim: u64,
        bytes_max: u64,
    ) -> Result<Cube, Refusal> {
        let kept = self.kept_hours().filter(|(_, kept)| is_active(kept));
        let hours: Vec<(UtcHour, &KeptHour)> = kept.collect();
        let cut = Cut::of(question);
        if cut == Cut::None || hours.iter().any(|(_, kept)| kept.cut != cut) {
            return Err(Refusal::NotAsked);
        }
        let ordered = answer::ordered(&hours, self, question);
        let draft = Draft { totals: self, question, coverage, hours: &hours, ordered: &ordered };
        if cut == Cut::Groups
            && let Some(cube) = draft.cube(draft.by_groups(), bytes_aim, bytes_max)?
        {
            return Ok(cube);
        }
        draft.cube(draft.as_one(), bytes_aim, bytes_max)?.ok_or(Refusal::TooLarge)
    }
}

/// Whether an hour has counted records.
fn is_active(kept: &KeptHour) -> bool {
    kept.cells().next().is_some_and(|(_, cell)| cell.attempted() > 0)
}

/// What a cube is made of.
struct Draft<'a> {
    totals: &'a Totals,
    question: &'a Question,
    coverage: &'a [CoverageSpan],
    /// With counted records, ascending.
    hours: &'a [(UtcHour, &'a KeptHour)],
    ordered: &'a Ordered<'a>,
}

/// How a cube is cut into groups.
struct Groups<'a> {
    /// The words of `--by`, or nothing where there is one group.
    dimensions: Vec<String>,
    groups: Vec<Group<'a>>,
    /// By hour: the lists of buckets of its parts.
    lists: Vec<Vec<&'a [u8]>>,
}

/// A group in all its hours.
struct Group<'a> {
    key: Option<&'a Key>,
    /// By hour.
    cells: Vec<Cell<'a>>,
}

/// A group in one hour.
struct Cell<'a> {
    /// Index of the hour.
    hour: usize,
    /// What sums and series are taken from: several where models were folded.
    cells: Vec<KeptCell<'a>>,
    /// The parts of the hour with buckets, throttles and ranks of their own that make up the group.
    parts: Vec<usize>,
    /// Where the hour's ranks have the group's largest minute, if there.
    peak: Option<usize>,
}

impl<'a> Draft<'a> {
    /// Cut into the groups of the question, which add up to everything.
    fn by_groups(&self) -> Groups<'a> {
        let dimensions = self.question.by.iter().map(|dimension| dimension.name().into_owned());
        let cell = |members: &[Member<'a>]| Cell {
            hour: self.index_of(members[0].hour),
            cells: members.iter().map(|member| member.cell).collect(),
            parts: members.iter().map(|member| member.place).collect(),
            // Of folded models only the parts' own largest minutes are known. Everything comes first.
            peak: if let [alone] = members { Some(1 + alone.place) } else { None },
        };
        let groups = self.ordered.groups.iter().map(|(key, members)| Group {
            key: Some(key),
            cells: members.cells.chunk_by(|one, other| one.hour == other.hour).map(cell).collect(),
        });
        Groups { dimensions: dimensions.collect(), groups: groups.collect(), lists: self.lists() }
    }

    /// Not cut at all: one group is everything.
    fn as_one(&self) -> Groups<'a> {
        let lists = self.lists();
        let cell = |member: &Member<'a>| {
            let hour = self.index_of(member.hour);
            Cell { hour, cells: vec![member.cell], parts: (0..lists[hour].len()).collect(), peak: Some(0) }
        };
        let group = Group { key: None, cells: self.ordered.of_totals.iter().map(cell).collect() };
        Groups { dimensions: Vec::new(), groups: vec![group], lists }
    }

    fn index_of(&self, hour: UtcHour) -> usize {
        // Cells were taken from these very hours.
        self.hours.binary_search_by_key(&hour, |&(hour, _)| hour).unwrap_or_default()
    }

    /// By hour: the packed lists of the cells that have any.
    fn lists(&self) -> Vec<Vec<&'a [u8]>> {
        let of_hour = |&(_, kept): &(UtcHour, &'a KeptHour)| {
            let mut lists = Vec::new();
            let mut rest = &*kept.lists;
            while !rest.is_empty() {
                let (list, others) = buckets::split_list(rest);
                lists.push(list);
                rest = others;
            }
            lists
        };
        self.hours.iter().map(of_hour).collect()
    }

    /// The cube with the finest slots that fit; `None` where not even the coarsest do.
    fn cube(&self, groups: Groups<'a>, bytes_aim: u64, bytes_max: u64) -> Result<Option<Cube>, Refusal> {
        let mut names = NameTable::default();
        let sections = Sections::of(self, &groups, &mut names);
        let Sections { mut body, cells, rankings } = sections;
        let fixed = body.page_bytes() + names.page_bytes() + PAGE_BYTES_WITHOUT_CUBE;
        check(&body)?;
        if fixed > bytes_max {
            return Ok(None);
        }
        // What shorter slots took. A longer one has at least as many buckets as the fullest of those that it is made of,
        // so that many need not be tried.
        let mut tried: Vec<(u64, u64)> = Vec::new();
        for slot_hours in SLOT_HOURS {
            let is_last = slot_hours == 0;
            let least = tried.iter().map(|&(hours, bytes)| {
                let is_multiple = slot_hours % hours == 0;
                (if is_multiple { bytes * hours } else { bytes }) / slot_hours.max(1)
            });
            let least = least.max().unwrap_or(0);
            if !is_last && fixed + least > bytes_aim {
                continue;
            }
            let slots = slots::write(self, &groups, &cells, &rankings, slot_hours, &names);
            let slot_bytes = slots.page_bytes();
            let page_bytes = fixed + slot_bytes;
            if page_bytes <= bytes_aim || is_last && page_bytes <= bytes_max {
                body.append(slots);
                check(&body)?;
                let names = names.into_names();
                return Ok(Some(Cube { names, body: body.into_bytes(), slot_hours, page_bytes }));
            }
            tried.push((slot_hours, slot_bytes));
        }
        Ok(None)
    }

    fn texts(&self) -> Texts<'a> {
        Texts { names: self.totals.names() }
    }
}

fn check(body: &Writer) -> Result<(), Refusal> {
    if body.is_exact() { Ok(()) } else { Err(Refusal::NumberTooLarge) }
}
