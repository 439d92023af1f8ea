//! The range of time that a command is asked about: its arguments, and what stands in for them on S3.
//!
//! In: `--from`, `--to`, `--last`, `--all`, and the moment called now. Out: a [`Range`]. Always: one half-open
//! range a run; on S3 a range that nobody gave is the last 14 days, and that is said.

use borehole_record::Timestamp;
use borehole_scan::{Range, Source};
use clap::Args;

use crate::args::{parse_span, parse_time};
use crate::exit::UsageError;

/// Days that are read from S3 where nobody said which: enough for a quota ticket, and listed in seconds.
pub(crate) const RECENT_DAYS: i64 = 14;

/// Which time is asked about.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Range")]
pub(crate) struct RangeArgs {
    /// First moment: RFC 3339, a date, or 2024/03/11/07
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub from: Option<Timestamp>,
    /// End, not included: the same forms
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub to: Option<Timestamp>,
    /// The time before now: 90m, 24h, 14d, 2w
    #[arg(long, value_name = "SPAN", value_parser = parse_span, conflicts_with_all = ["from", "to"])]
    pub last: Option<i64>,
    /// All there is; on S3 it is the last 14 days otherwise
    #[arg(long, conflicts_with_all = ["from", "to", "last"])]
    pub all: bool,
    /// What to call now: what --last counts from, and what lies in the future
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub now: Option<Timestamp>,
}

impl RangeArgs {
    /// The range as asked; open ends where nothing was.
    pub(crate) fn asked(&self) -> anyhow::Result<Range> {
        let range = match self.last {
            Some(seconds) => last(self.now(), seconds),
            None => Range { from: self.from, to: self.to },
        };
        if let (Some(from), Some(to)) = (range.from, range.to)
            && from >= to
        {
            if from > to {
                return Err(UsageError {
                    message: format!("the range begins at {from}, after its end at {to}"),
                    hint: Some("--from is the earlier of the two: were they swapped?"),
                }
                .into());
            }
            return Err(UsageError {
                message: format!("the range {from} to {to} is empty"),
                hint: Some("the end is not included: --to is the moment after the last"),
            }
            .into());
        }
        Ok(range)
    }

    /// The range as asked, or the last 14 days where a source is on S3 and nobody said a range; that is told.
    pub(crate) fn asked_or_recent(&self, sources: &[Source]) -> anyhow::Result<Range> {
        let (range, is_recent) = self.asked_or_recent_silently(sources)?;
        if is_recent {
            tell!(
                "note: no range was given; on S3 that means the last {RECENT_DAYS} days (--all is everything)"
            );
        }
        Ok(range)
    }

    /// The same, and whether it is those last days.
    pub(crate) fn asked_or_recent_silently(&self, sources: &[Source]) -> anyhow::Result<(Range, bool)> {
        let asked = self.asked()?;
        let is_open = asked == Range::default()
            && sources.iter().all(|source| source.range.is_none() && !source.is_file);
        if !is_open || self.all || !sources.iter().any(|source| source.store.is_remote()) {
            return Ok((asked, false));
        }
        Ok((last(self.now(), RECENT_DAYS * 86_400), true))
    }

    /// The moment called now.
    pub(crate) fn now(&self) -> Timestamp {
        self.now.unwrap_or_else(crate::now)
    }
}

fn last(now: Timestamp, seconds: i64) -> Range {
    Range {
        from: Some(Timestamp { seconds: now.seconds.saturating_sub(seconds), nanos: now.nanos }),
        to: Some(now),
    }
}

/// A range for people: `2024-03-11T00:00:00Z to 2024-03-12T00:00:00Z`, open ends in words.
pub(crate) fn in_words(range: &Range) -> String {
    match (range.from, range.to) {
        (Some(from), Some(to)) => format!("{from} to {to}"),
        (Some(from), None) => format!("from {from} on"),
        (None, Some(to)) => format!("before {to}"),
        (None, None) => "all times".to_owned(),
    }
}
