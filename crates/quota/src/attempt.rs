//! One attempt as a quota sees it, and who made it.

use std::sync::Arc;

use borehole_record::{Count, RequestId, Timestamp, UtcMinute};
use borehole_usage::Tokens;
use rustc_hash::FxHashMap;

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Ending {
    /// Without an error code.
    Successful,
    /// `ThrottlingException`: refused for quota. The log holds no tokens of it.
    Throttled,
    /// With any other error code.
    Failed,
}

/// One counted attempt on a quota.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Attempt {
    /// When it started, in UTC seconds: logs say nothing finer.
    pub second: i64,
    /// How it ended.
    pub ending: Ending,
    /// Its token counts as logged; on throttles usually all unknown.
    pub tokens: Tokens,
    /// How long it took, in ms.
    pub latency_ms: Count,
    /// Who made it.
    pub caller: CallerId,
}

impl Attempt {
    /// The clock-aligned minute that it started in.
    #[must_use]
    pub fn minute(&self) -> UtcMinute {
        UtcMinute::of(Timestamp::from_seconds(self.second))
    }
}

/// A caller's number in [`Callers`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallerId(pub u32);

/// Who made an attempt. Strings of the log: untrusted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Caller {
    /// `identity.arn`; role and session are parts of it (see `borehole_record::identity`).
    pub identity: Option<Arc<str>>,
    /// The value of the tag that the operator named, where one was named and the call has it.
    pub tag: Option<Arc<str>>,
}

/// All callers, each once; never capped.
#[derive(Clone, Debug, Default)]
pub struct Callers {
    callers: Vec<Caller>,
    ids: FxHashMap<Caller, CallerId>,
}

impl Callers {
    /// The caller of a number.
    ///
    /// # Panics
    /// On a number of another set of callers.
    #[must_use]
    pub fn get(&self, id: CallerId) -> &Caller {
        &self.callers[id.0 as usize]
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.callers.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.callers.is_empty()
    }

    /// Each caller with its number, in the order of their coming, which differs from run to run: whoever prints
    /// them sorts by figures, then by the caller itself.
    pub fn iter(&self) -> impl Iterator<Item = (CallerId, &Caller)> {
        self.callers.iter().enumerate().map(|(at, caller)| (CallerId(at as u32), caller))
    }

    /// The number of a caller, a new one for a new caller.
    ///
    /// # Panics
    /// Beyond 2^32 callers.
    pub fn intern(&mut self, caller: &Caller) -> CallerId {
        if let Some(&id) = self.ids.get(caller) {
            return id;
        }
        let id = CallerId(u32::try_from(self.callers.len()).expect("fewer than 2^32 callers"));
        self.callers.push(caller.clone());
        self.ids.insert(caller.clone(), id);
        id
    }
}

/// A throttled request that a ticket can name as evidence.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ThrottledRequest {
    /// When, in UTC seconds.
    pub second: i64,
    /// The request's id; never missing.
    pub request_id: RequestId,
}
