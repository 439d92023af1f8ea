//! Callers by identity, role, session or tag: from a caller's number to the name of its group.

use std::collections::BTreeMap;
use std::sync::Arc;

use borehole_record::identity;

use crate::attempt::{Caller, CallerId, Callers};

/// What callers are told apart by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Who {
    /// `identity.arn`.
    Identity,
    /// The role of an assumed role.
    Role,
    /// The session of an assumed role.
    Session,
    /// The value of the tag that the operator named.
    Tag,
}

impl Who {
    /// The word in a report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Who::Identity => "identity",
            Who::Role => "role",
            Who::Session => "session",
            Who::Tag => "tag",
        }
    }

    /// The caller's name; `None` where the log does not say, or where the identity has no such part.
    fn name(self, caller: &Caller) -> Option<&str> {
        let names = || caller.identity.as_deref().map(identity::caller).unwrap_or_default();
        match self {
            Who::Identity => caller.identity.as_deref(),
            Who::Role => names().role,
            Who::Session => names().session,
            Who::Tag => caller.tag.as_deref(),
        }
    }
}

/// All callers of a run, grouped.
#[derive(Clone, Debug)]
pub struct Grouping {
    who: Who,
    /// By a caller's number: the number of its group.
    groups: Vec<u32>,
    /// By a group's number, in order.
    names: Vec<Option<Arc<str>>>,
}

impl Grouping {
    /// Groups the callers. Groups are numbered in the order of their names, so that nothing depends on the order
    /// in which callers came.
    #[must_use]
    pub fn new(callers: &Callers, who: Who) -> Self {
        let mut numbers: BTreeMap<Option<&str>, u32> =
            callers.iter().map(|(_, caller)| (who.name(caller), 0)).collect();
        numbers.values_mut().zip(0..).for_each(|(number, at)| *number = at);
        let number = |caller| numbers.get(&who.name(caller)).copied().unwrap_or(0);
        let groups = callers.iter().map(|(_, caller)| number(caller)).collect();
        Grouping { who, groups, names: numbers.keys().map(|name| name.map(Arc::from)).collect() }
    }

    /// What callers are told apart by.
    #[must_use]
    pub fn who(&self) -> Who {
        self.who
    }

    /// The number of a caller's group.
    ///
    /// # Panics
    /// On a number of another set of callers.
    pub(super) fn group(&self, caller: CallerId) -> u32 {
        self.groups[caller.0 as usize]
    }

    /// The name of a group.
    pub(super) fn name(&self, group: u32) -> Option<Arc<str>> {
        self.names.get(group as usize).cloned().flatten()
    }
}
