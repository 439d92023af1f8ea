//! Closed cells to totals: series, histograms, groups; merge.
//!
//! In: the final invocations of each UTC hour. Out: the [`Figures`] of the report. An [`HourSummary`] sums up
//! one hour of any number of streams, a [`SealedHour`] is what remains of it, [`Totals`] adds up the sealed hours
//! and takes the figures over all of them. Always: merging is associative and commutative, and the figures are
//! the same for any order of records and hours and any split of the work. Absent: I/O, clocks ("now" is part
//! of the [`Question`]), threads, floating point, and the tables of rates by which a quota charges (see [`charge`]).
//!
//! ```
//! use borehole_record::{Timestamp, UtcHour};
//! use borehole_usage::{HourSummary, Question, Totals};
//!
//! let question = Question::default();
//! let hour = HourSummary::new(UtcHour::of(Timestamp { seconds: 1_710_140_400, nanos: 0 }));
//! // hour.observe(&question, &invocation, CoverageId::NONE) for each invocation of that hour.
//! let mut totals = Totals::new();
//! totals.insert(hour.seal());
//! let figures = totals.figures(&question, &[]);
//! assert_eq!(figures.totals.attempted, 0);
//! assert_eq!(figures.totals.tokens_per_minute, None, "an average of nothing is absent, not 0");
//! ```

pub mod charge;
pub mod cube;
pub mod figures;

mod question;

mod hour;

mod totals;

mod coverage;

mod answer;
mod buckets;
mod dense;
mod fingerprint;
mod histogram;
mod kept;
mod listing;
mod names;
pub mod packed;
mod ranks;
mod reading;
mod selection;
mod series;
mod stored;
mod strand;
mod sums;
mod unknowns;

pub use charge::{Charge, ChargeRules, Charges, MaxTokens, Tokens};
pub use coverage::{CoverageId, CoverageSpan};
pub use cube::Cube;
pub use figures::Figures;
pub use fingerprint::Fingerprints;
pub use hour::{HourSummary, Outcome, SealedHour, Tally};
pub use question::{Dimension, Filter, FilterReason, Grain, ListKind, Question, UnknownWord};
pub use selection::{Selected, Selection, outline};
pub use totals::Totals;
