//! Where a quota lives.

use std::sync::Arc;

use borehole_record::Scope;

/// One quota: account × source Region × base model × scope. All geographic prefixes draw on one quota, and the
/// Region that ran a call says nothing about it ("Quotas for Amazon Bedrock", AWS General Reference).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct QuotaKey {
    /// 12 digits; `None` where neither records nor keys name it.
    pub account: Option<Arc<str>>,
    /// The Region that was called.
    pub region: Option<Arc<str>>,
    /// The base model, from the log and untrusted.
    pub model: Arc<str>,
    /// On-demand, geographic, global, …
    pub scope: Scope,
}
