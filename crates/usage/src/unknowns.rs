//! What the rules and the map of profiles do not know: which models have no rate, which profiles no model.
//!
//! In: the names of counted records. Out: how many records each stands for, so that a reader learns what to name
//! in a file of rules or profiles. Always: adding is associative and commutative, and packed counts are a
//! function of what was counted. Absent: any group but the totals.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::answer::{MODELS_MAX, OTHER_MODELS};
use crate::names::{NameId, Names, Renaming};
use crate::packed::{Checker, Packer, Unpacker};
use crate::sums::{absorb_names, check_names, pack_names};

/// Records by what is not known of them.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Unknowns {
    /// Successful requests by base model that no rule gives a rate.
    unruled_models: FxHashMap<NameId, u64>,
    /// Records by application profile that no map resolves.
    unresolved_profiles: FxHashMap<NameId, u64>,
}

impl Unknowns {
    /// Counts so many records under these names, of which each may be absent.
    pub(crate) fn count(&mut self, unruled_model: NameId, unresolved_profile: NameId, records: u64) {
        for (counts, name) in
            [(&mut self.unruled_models, unruled_model), (&mut self.unresolved_profiles, unresolved_profile)]
        {
            if name != NameId::ABSENT {
                *counts.entry(name).or_default() += records;
            }
        }
    }

    /// The names that are counted.
    pub(crate) fn names(&self) -> impl Iterator<Item = NameId> {
        self.unruled_models.keys().chain(self.unresolved_profiles.keys()).copied()
    }

    /// Adds `other`, whose names are renamed to ours.
    pub(crate) fn merge(&mut self, other: &Unknowns, renaming: &Renaming) {
        for (own, more) in [
            (&mut self.unruled_models, &other.unruled_models),
            (&mut self.unresolved_profiles, &other.unresolved_profiles),
        ] {
            for (&name, &count) in more {
                *own.entry(renaming.of(name)).or_default() += count;
            }
        }
    }

    /// The counts under new names; no bytes where there are none.
    pub(crate) fn packed(&self, renaming: &Renaming) -> PackedUnknowns {
        if self.unruled_models.is_empty() && self.unresolved_profiles.is_empty() {
            return PackedUnknowns::default();
        }
        let mut packer = Packer::default();
        pack_names(&self.unruled_models, renaming, &mut packer);
        pack_names(&self.unresolved_profiles, renaming, &mut packer);
        PackedUnknowns(packer.finish())
    }

    /// Adds packed counts, whose names are renamed to ours.
    pub(crate) fn absorb(&mut self, packed: &PackedUnknowns, renaming: &Renaming) {
        if !packed.0.is_empty() {
            let mut unpacker = Unpacker::new(&packed.0);
            absorb_names(&mut self.unruled_models, &mut unpacker, renaming);
            absorb_names(&mut self.unresolved_profiles, &mut unpacker, renaming);
        }
    }

    /// By model, and by profile.
    pub(crate) fn by_name(&self, names: &Names) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
        (bounded(&self.unruled_models, names), bounded(&self.unresolved_profiles, names))
    }
}

/// The counts of one hour, packed: equal counts under equal names are equal bytes.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct PackedUnknowns(Box<[u8]>);

impl PackedUnknowns {
    /// The counts as they were packed, where they can have been, under so many names.
    pub(crate) fn checked(bytes: &[u8], names: usize) -> Option<PackedUnknowns> {
        if !bytes.is_empty() {
            let mut checker = Checker::new(bytes);
            check_names(&mut checker, names)?;
            check_names(&mut checker, names)?;
            checker.is_empty().then_some(())?;
        }
        Some(PackedUnknowns(bytes.into()))
    }

    /// As they are packed.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Bytes on the heap.
    pub(crate) fn held_bytes(&self) -> usize {
        self.0.len()
    }
}

/// The counts by text: the most frequent as they are, what is beyond the bound under one name, since an id is
/// free text.
fn bounded(counts: &FxHashMap<NameId, u64>, names: &Names) -> BTreeMap<String, u64> {
    let named = counts.iter().filter_map(|(&id, &count)| Some((Reverse(count), names.text(id)?)));
    let mut named: Vec<_> = named.collect();
    named.sort_unstable();
    let mut by_name: BTreeMap<String, u64> = BTreeMap::new();
    for (position, (Reverse(count), text)) in named.into_iter().enumerate() {
        let name = if position < MODELS_MAX { text } else { OTHER_MODELS };
        *by_name.entry(name.to_owned()).or_default() += count;
    }
    by_name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::UsedNames;

    #[test]
    fn past_4096_names_the_least_frequent_are_counted_together() {
        let mut names = Names::default();
        let mut unknowns = Unknowns::default();
        for number in 0..MODELS_MAX + 3 {
            let name = names.intern(&format!("junk-{number:04}"));
            unknowns.count(name, NameId::ABSENT, 1);
            // All but three come twice.
            if number >= 3 {
                unknowns.count(name, name, 1);
            }
        }
        let (models, profiles) = unknowns.by_name(&names);
        assert_eq!((models.len(), models[OTHER_MODELS]), (MODELS_MAX + 1, 3));
        assert!(!models.contains_key("junk-0002") && models["junk-0003"] == 2);
        assert_eq!(profiles.len(), MODELS_MAX);
    }

    #[test]
    fn packing_loses_nothing_and_of_nothing_holds_nothing() {
        let mut names = Names::default();
        let [b, a] = ["b", "a"].map(|text| names.intern(text));
        let mut unknowns = Unknowns::default();
        assert_eq!(unknowns.packed(&Names::default().rename(&[])).held_bytes(), 0);
        unknowns.count(b, a, 1);
        unknowns.count(a, NameId::ABSENT, 1);
        let mut used = UsedNames::none(&names);
        unknowns.names().for_each(|name| used.insert(name));
        let (sorted, renaming) = names.sorted(&used);
        let mut other = Names::default();
        let back = other.rename(&sorted);
        let mut absorbed = Unknowns::default();
        absorbed.absorb(&unknowns.packed(&renaming), &back);
        let (models, profiles) = absorbed.by_name(&other);
        let counted = |name: &str| (name.to_owned(), 1);
        assert_eq!(models, BTreeMap::from([counted("a"), counted("b")]));
        assert_eq!(profiles, BTreeMap::from([counted("a")]));
    }
}
