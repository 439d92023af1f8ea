//! What a quota is charged, and which quota would have been enough.
//!
//! In: dated rules, the counted attempts of closed hours, the figures of a report, and files that the operator
//! exported (profiles, applied quotas, CloudWatch). Out: charges for each model and day, the smallest quota
//! under a target, what-ifs, attribution, the facts of a quota ticket. Always: every rate comes from a dated row
//! with a source; an estimate is called one; integers only. Absent: I/O, clocks, threads, rendering.

pub mod applied;
pub mod attribution;
pub mod cloudwatch;
pub mod demand;
pub mod profiles;
pub mod replay;
pub mod rules;
pub mod study;
pub mod ticket;
pub mod what_if;

mod attempt;
mod book;
mod key;
mod share;

pub use attempt::{Attempt, Caller, CallerId, Callers, Ending, ThrottledRequest};
pub use book::{AttemptBook, HourBook, Keep, KeyAttempts, KindCounts};
pub use key::QuotaKey;
pub use share::{ParseShareError, Share};
