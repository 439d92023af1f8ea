//! The dated counting rules: which rates apply to a model on a day, what its quotas are called, where it
//! stands in its life.
//!
//! In: data tables in this repository, and the operator's own, which come first. Out: a [`Charge`] for a model
//! and a day, and the rows it came from. Always: every row has a source; the newest row that is in force and
//! matches wins, then the most specific; a model that no row names has no rate. Absent: I/O, the clock.

use borehole_record::{Scope, Timestamp, UtcDay};
use borehole_usage::{Charge, ChargeRules};

/// All rules.
#[derive(Clone, Debug)]
pub struct Rules {}

/// A value with the row that says so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ruled<T> {
    /// The value.
    pub value: T,
    /// The pattern of base models that the row is for.
    pub pattern: String,
    /// The first day it is in force; `None` where it always was.
    pub valid_from: Option<UtcDay>,
    /// Where it is written, with the day it was read.
    pub source: String,
    /// What a reader must know about it.
    pub note: Option<String>,
}

/// Where a model stands in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lifecycle {
    /// In service.
    Active,
    /// To be retired: AWS refuses increases.
    Legacy,
    /// Retired.
    EndOfLife,
}

/// What is ruled for one model on one day; `None` where no row says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ModelRules {
    /// Quota tokens per output token.
    pub burndown: Option<Ruled<u32>>,
    /// Most output tokens.
    pub max_output_tokens: Option<Ruled<u64>>,
    /// Whether `inputTokenCount` holds cached tokens.
    pub input_includes_cache: Option<Ruled<bool>>,
    /// Whether the model has a quota of requests per minute.
    pub rpm_applies: Option<Ruled<bool>>,
    /// Where it stands in its life.
    pub lifecycle: Option<Ruled<Lifecycle>>,
}

/// What a quota limits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Limit {
    /// TPM.
    TokensPerMinute,
    /// RPM.
    RequestsPerMinute,
    /// TPD.
    TokensPerDay,
}

/// What Service Quotas calls a quota.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuotaName {
    /// What it limits.
    pub limit: Limit,
    /// As Service Quotas spells it.
    pub name: String,
    /// `L-…`, where it is known.
    pub code: Option<String>,
    /// Where this is written.
    pub source: String,
}
