//! Finished figures to text, Markdown, HTML and JSON, all rendered from one [`Report`].
//!
//! In: `usage`'s figures and health, and what the run itself has to say. Out: strings. Always: every format
//! says the same, because each reads the same model; an unknown is absent, never 0; strings from the logs are
//! escaped where a terminal would obey them. Absent: I/O, clocks, and any figure computed here.

pub mod compare;
pub mod cube;
pub mod decimal;
pub mod findings;
pub mod html;
pub mod json;
pub mod markdown;
pub mod model;
pub mod quota;
pub mod reconciliation;
pub mod reread;
pub mod text;
pub mod ticket;

pub use decimal::Decimal;
pub use model::{Report, RunInfo};
pub use text::cells::is_hazardous;
