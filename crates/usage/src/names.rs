//! Strings of the log as small numbers, so that a group's maps hold and hash integers.
//!
//! In: values of dimensions, error codes, stop reasons, Regions. Out: ids that mean something in one table
//! only. Always: a string has one id; two tables are joined by re-naming ([`Names::rename`]).

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::packed::{Checker, Packer, Unpacker};

/// A string of one [`Names`] table, or [`NameId::ABSENT`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct NameId(pub(crate) u32);

impl NameId {
    /// The record has no such value. A table cannot reach this id: it would take 4 billion strings.
    pub(crate) const ABSENT: NameId = NameId(u32::MAX);

    /// Writes the id. One more than it is, so that [`NameId::ABSENT`] takes one byte and not five.
    pub(crate) fn pack(self, packer: &mut Packer) {
        packer.count(u64::from(self.0.wrapping_add(1)));
    }

    /// Reads what [`NameId::pack`] wrote.
    pub(crate) fn unpack(unpacker: &mut Unpacker<'_>) -> NameId {
        // Written from a u32.
        NameId((unpacker.count() as u32).wrapping_sub(1))
    }

    /// Whether [`NameId::pack`] can have written what comes next, of a table of so many names.
    pub(crate) fn check(checker: &mut Checker<'_>, names: usize) -> Option<NameId> {
        let number = checker.count_to(names as u64)?;
        Some(NameId((number as u32).wrapping_sub(1)))
    }
}

/// A table of strings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    ids: FxHashMap<Arc<str>, NameId>,
    texts: Vec<Arc<str>>,
    /// The ids by text, of those that there were when it was last asked for.
    order: Vec<NameId>,
}

impl Names {
    /// The id of this text, new or known.
    pub(crate) fn intern(&mut self, text: &str) -> NameId {
        match self.ids.get(text) {
            Some(&id) => id,
            None => self.insert(Arc::from(text)),
        }
    }

    /// The id of this text, or [`NameId::ABSENT`].
    pub(crate) fn intern_optional(&mut self, text: Option<&str>) -> NameId {
        text.map_or(NameId::ABSENT, |text| self.intern(text))
    }

    /// The ids that these texts have here, in their order: `renamed[other id]` is our id.
    pub(crate) fn rename(&mut self, texts: &[Arc<str>]) -> Renaming {
        let intern = |text: &Arc<str>| match self.ids.get(text) {
            Some(&id) => id,
            None => self.insert(Arc::clone(text)),
        };
        Renaming { ids: Some(texts.iter().map(intern).collect()) }
    }

    /// The texts, by id.
    pub(crate) fn texts(&self) -> &[Arc<str>] {
        &self.texts
    }

    /// The text of an id; `None` for [`NameId::ABSENT`].
    pub(crate) fn text(&self, id: NameId) -> Option<&Arc<str>> {
        (id != NameId::ABSENT).then(|| &self.texts[id.0 as usize])
    }

    /// The id of this text where it is known.
    pub(crate) fn find(&self, text: &str) -> Option<NameId> {
        self.ids.get(text).copied()
    }

    /// About how many bytes this holds on the heap.
    pub(crate) fn held_bytes(&self) -> usize {
        // A text is counted twice by its `Arc`, and known by two pointers and an id.
        let entry = 2 * size_of::<usize>() + size_of::<Arc<str>>() + size_of::<(Arc<str>, NameId)>();
        self.texts.iter().map(|text| text.len() + entry).sum()
    }

    /// Those of the texts that are used, in the order of their bytes, and the ids that this order gives them.
    pub(crate) fn sorted(&mut self, used: &UsedNames) -> (Box<[Arc<str>]>, Renaming) {
        if self.order.len() < self.texts.len() {
            let new = self.order.len() as u32..self.texts.len() as u32;
            self.order.extend(new.map(NameId));
            // A stable sort: nearly all are in order already, from the hours before.
            self.order.sort_by(|a, b| self.texts[a.0 as usize].cmp(&self.texts[b.0 as usize]));
        }
        let mut ids = vec![NameId::ABSENT; self.texts.len()];
        let mut texts = Vec::with_capacity(used.count);
        for &id in self.order.iter().filter(|&&id| used.holds(id)) {
            ids[id.0 as usize] = NameId(texts.len() as u32);
            texts.push(Arc::clone(&self.texts[id.0 as usize]));
        }
        (texts.into_boxed_slice(), Renaming { ids: Some(ids.into_boxed_slice()) })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    fn insert(&mut self, text: Arc<str>) -> NameId {
        let id = NameId(u32::try_from(self.texts.len()).expect("fewer than 2^32 names"));
        self.ids.insert(Arc::clone(&text), id);
        self.texts.push(text);
        id
    }
}

/// Which names of a table something was counted under.
#[derive(Debug)]
pub(crate) struct UsedNames {
    is_used: Vec<bool>,
    count: usize,
}

impl UsedNames {
    /// None of this table.
    pub(crate) fn none(names: &Names) -> Self {
        UsedNames { is_used: vec![false; names.len()], count: 0 }
    }

    /// Adds one; the absent value is none.
    pub(crate) fn insert(&mut self, id: NameId) {
        if id != NameId::ABSENT && !self.is_used[id.0 as usize] {
            self.is_used[id.0 as usize] = true;
            self.count += 1;
        }
    }

    fn holds(&self, id: NameId) -> bool {
        self.is_used[id.0 as usize]
    }
}

/// From the ids of one table to those of another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Renaming {
    /// By the id in the one table; nothing where it is the same table.
    ids: Option<Box<[NameId]>>,
}

impl Renaming {
    /// To the same table.
    pub(crate) const NONE: Renaming = Renaming { ids: None };

    /// The id in the other table; the absent value stays absent.
    pub(crate) fn of(&self, id: NameId) -> NameId {
        match &self.ids {
            Some(ids) if id != NameId::ABSENT => ids[id.0 as usize],
            _ => id,
        }
    }

    /// A whole key in the other table.
    pub(crate) fn of_key(&self, key: &[NameId]) -> Box<[NameId]> {
        key.iter().map(|&id| self.of(id)).collect()
    }

    /// Leads on to a third table, to which `next` leads from the other one.
    pub(crate) fn then(&mut self, next: &Renaming) {
        self.ids.iter_mut().flatten().for_each(|id| *id = next.of(*id));
    }

    /// Bytes on the heap.
    pub(crate) fn held_bytes(&self) -> usize {
        self.ids.as_deref().map_or(0, size_of_val)
    }
}
