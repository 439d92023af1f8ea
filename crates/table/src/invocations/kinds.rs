//! Sets of content kinds as words, and back.
//!
//! In: the bits of a set. Out: the names of its kinds in the order of the bits, with commas between them. Always: a
//! bit that this version does not name has a name of its own, so that every set is read back as it was.

use borehole_record::ContentKinds;

/// What a kind without a name begins with; its bit follows.
const UNNAMED: &str = "bit-";

/// The names of the kinds; nothing for none.
pub(super) fn name(kinds: ContentKinds) -> String {
    let unnamed = ContentKinds::NAMES.len()..u16::BITS as usize;
    let unnamed = unnamed.filter(|&bit| kinds.0 >> bit & 1 == 1).map(|bit| format!("{UNNAMED}{bit}"));
    let names: Vec<String> = kinds.names().map(str::to_owned).chain(unnamed).collect();
    names.join(",")
}

/// The set of these names; `None` where one is none of ours.
pub(super) fn parse(names: &str) -> Option<ContentKinds> {
    let bit = |name: &str| {
        let known = ContentKinds::NAMES.iter().position(|known| *known == name);
        known.or_else(|| name.strip_prefix(UNNAMED)?.parse().ok().filter(|&bit| bit < u16::BITS as usize))
    };
    names
        .split(',')
        .try_fold(ContentKinds::default(), |kinds, name| Some(kinds.union(ContentKinds(1 << bit(name)?))))
}
