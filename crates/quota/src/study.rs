//! Everything that is known about one quota: use, need, headroom, what-ifs.
//!
//! In: the attempts of a quota, the rules, the applied quotas. Out: a [`KeyStudy`] as plain data, for the ticket
//! and for the table of `borehole quota`.

use borehole_record::UtcMinute;
use borehole_usage::Charge;

use crate::applied::AppliedQuota;
use crate::demand::Estimate;
use crate::key::QuotaKey;
use crate::replay::Window;
use crate::rules::ModelRules;
use crate::share::Share;

/// What is asked of a study.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Aim {
    /// Most requests that may be throttled.
    pub target: Share,
    /// Expected growth.
    pub growth: Share,
    /// What is added for safety.
    pub margin: Share,
}

/// The smallest quota under each estimate of demand and each model of the window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Need {
    /// In the order of [`Estimate::ALL`] × [`Window::ALL`].
    pub answers: Vec<NeedAnswer>,
    /// Largest clock-aligned minute as logged (settled quota tokens, or attempts).
    pub peak: u64,
    /// When; the earliest on ties.
    pub peak_minute: Option<UtcMinute>,
    /// Median over active minutes.
    pub steady: u64,
    /// Largest of the three windows' answers under [`Estimate::Likely`] × (1 + growth) × (1 + margin), rounded
    /// up to two digits.
    pub requested_peak: u64,
    /// Steady × (1 + growth) × (1 + margin), rounded up to two digits.
    pub requested_steady: u64,
}

/// One answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NeedAnswer {
    /// What was taken for the demand.
    pub estimate: Estimate,
    /// How the window moves.
    pub window: Window,
    /// The smallest quota that meets the target, and every larger one tried does.
    pub quota: u64,
    /// Requests it refuses, of `of`.
    pub refused: u64,
    /// Logical requests.
    pub of: u64,
    /// The smallest quota where every attempt consumes.
    pub offered: u64,
}

/// One minute of a quota.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MinuteLoad {
    /// Attempts.
    pub attempts: u64,
    /// Of these throttled.
    pub throttled: u64,
    /// Settled quota tokens of successful requests, where known.
    pub settled: u64,
    /// Reserved quota tokens of successful requests, where known.
    pub reserved: u64,
    /// Raw tokens: input + output.
    pub raw: u64,
}

/// What a change would need.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remedy {
    /// What is changed, in words: `capping max_tokens at 4,096`.
    pub change: String,
    /// Largest of the windows' answers under [`Estimate::Likely`], before growth and margin, in TPM.
    pub tokens_per_minute: u64,
    /// The same without the change.
    pub unchanged: u64,
    /// Answers that a cap would have cut, of `answers`.
    pub cut: u64,
    /// Successful requests.
    pub answers: u64,
}

/// Which bounds are only bounds, and how much throttling hid.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Knowledge {
    /// Successful requests.
    pub successful: u64,
    /// Of these with unknown tokens: they count as 0.
    pub unknown: u64,
    /// Of these counted at what they settled alone, since max_tokens or latency is unknown.
    pub settled_only: u64,
    /// Successful requests with max_tokens unset: the model's maximum was reserved.
    pub max_tokens_unset: u64,
    /// Throttled attempts joined to a later success of the same caller.
    pub joined: u64,
    /// Throttled attempts whose tokens are imputed.
    pub imputed: u64,
    /// Throttled attempts that nothing could be imputed for.
    pub not_imputed: u64,
}

/// Everything about one quota.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyStudy {
    /// Which quota.
    pub key: QuotaKey,
    /// What its model's calls are charged.
    pub charge: Charge,
    /// The rows that say so.
    pub rules: ModelRules,
    /// Attempts, and those throttled.
    pub attempted: u64,
    /// Attempts that were throttled.
    pub throttled: u64,
    /// What is known.
    pub knowledge: Knowledge,
    /// TPM; `None` where no rule names the model's rate.
    pub tokens: Option<Need>,
    /// RPM; `None` where the rules say that the model has no such quota.
    pub requests: Option<Need>,
    /// Largest settled quota tokens of a UTC day, and of any 1,440 consecutive minutes.
    pub day_peak: u64,
    /// The same over any 1,440 consecutive minutes.
    pub rolling_day_peak: u64,
    /// Every active minute, in order.
    pub minutes: Vec<(UtcMinute, MinuteLoad)>,
    /// Changes that need less, the greatest saving first.
    pub remedies: Vec<Remedy>,
    /// The applied quotas, where the operator gave them.
    pub applied_tpm: Option<AppliedQuota>,
    /// RPM.
    pub applied_rpm: Option<AppliedQuota>,
    /// TPD.
    pub applied_tpd: Option<AppliedQuota>,
}
