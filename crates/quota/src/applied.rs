//! The quotas that are applied to an account: `aws service-quotas list-service-quotas --service-code bedrock`.

use std::sync::Arc;

/// One applied quota.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppliedQuota {
    /// From its ARN, 12 digits.
    pub account: Arc<str>,
    /// From its ARN.
    pub region: Arc<str>,
    /// `L-…`.
    pub code: String,
    /// As Service Quotas spells it.
    pub name: String,
    /// The value, in tokens or requests a minute or day; fractions are cut.
    pub value: u64,
    /// Whether an increase can be asked for.
    pub adjustable: bool,
}
