//! What CloudWatch counted, held against what the log counts.
//!
//! In: files that the operator exported (`get-metric-data` and `get-metric-statistics` JSON, CSV), and the
//! attempts of chosen quotas. Out: a [`Reconciliation`]: both sides by period, their differences, and what
//! explains them. Always: values are read from their decimal text, so no float is between the file and the
//! sheet; an error names a place in the file, never its content; a period without a data point counts as 0,
//! since CloudWatch stores none where nothing happened. Absent: requests to CloudWatch, rendering, the clock.

mod csv;
mod explain;
mod json;
mod label;
mod log;
mod number;
mod period;
mod reconcile;
mod series;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

pub use explain::{Explanation, Silence, Surplus};
pub use log::LogCounts;
pub use period::{MinuteRange, Period};
pub use reconcile::{
    Attribution, Compared, Definition, Difference, Outside, PeriodRow, Reconciliation, SheetCell, Side, Sum,
    reconcile,
};

use series::{ReadSeries, Series, SeriesKey};

/// Largest file that is read, in bytes. Nine metrics of 15 days by minute, all that CloudWatch keeps by minute,
/// are 12 MiB of pretty JSON.
pub const FILE_BYTES_MAX: usize = 128 << 20;
/// Most data points of all files: nine metrics of 300 days by minute.
const POINTS_MAX: usize = 4_000_000;
/// Unknown metrics that are named; the rest is counted.
const NAMES_MAX: usize = 50;
/// Characters of such a name that are kept.
const NAME_CHARS_MAX: usize = 200;

/// A metric of `AWS/Bedrock` that sums up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Metric {
    /// Calls; AWS publishes two definitions, see [`Definition`].
    Invocations,
    /// Calls refused for quota.
    InvocationThrottles,
    /// Calls that ended in the caller's error.
    InvocationClientErrors,
    /// Calls that ended in AWS's error.
    InvocationServerErrors,
    /// Input tokens.
    InputTokenCount,
    /// Output tokens.
    OutputTokenCount,
    /// Tokens read from the cache.
    CacheReadInputTokenCount,
    /// Tokens written to the cache.
    CacheWriteInputTokenCount,
    /// Settled quota tokens.
    EstimatedTpmQuotaUsage,
}

impl Metric {
    /// All of them, in the order of a sheet.
    pub const ALL: [Metric; 9] = [
        Metric::Invocations,
        Metric::InvocationThrottles,
        Metric::InvocationClientErrors,
        Metric::InvocationServerErrors,
        Metric::InputTokenCount,
        Metric::OutputTokenCount,
        Metric::CacheReadInputTokenCount,
        Metric::CacheWriteInputTokenCount,
        Metric::EstimatedTpmQuotaUsage,
    ];

    /// As CloudWatch spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Metric::Invocations => "Invocations",
            Metric::InvocationThrottles => "InvocationThrottles",
            Metric::InvocationClientErrors => "InvocationClientErrors",
            Metric::InvocationServerErrors => "InvocationServerErrors",
            Metric::InputTokenCount => "InputTokenCount",
            Metric::OutputTokenCount => "OutputTokenCount",
            Metric::CacheReadInputTokenCount => "CacheReadInputTokenCount",
            Metric::CacheWriteInputTokenCount => "CacheWriteInputTokenCount",
            Metric::EstimatedTpmQuotaUsage => "EstimatedTPMQuotaUsage",
        }
    }
}

/// What CloudWatch counted, from any number of files.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CloudWatch {
    series: BTreeMap<SeriesKey, Series>,
    points: usize,
    notes: FileNotes,
    /// Seconds that labels name, as the console writes them.
    named_periods: BTreeSet<i64>,
}

/// What is worth knowing about the files that were read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FileNotes {
    /// Labels (or ids) of metrics that are not known and were skipped; from the file and untrusted.
    pub unknown: BTreeSet<String>,
    /// Skipped series beyond those named.
    pub unknown_more: u64,
    /// Metrics that do not sum up and were skipped: latencies, speeds.
    pub not_summable: BTreeSet<&'static str>,
    /// Values that were no whole numbers, and were rounded.
    pub rounded: u64,
    /// Data points that were given again with the same value; counted once.
    pub repeated: u64,
    /// Data points at the end of one export that a later one had larger; the larger one counts.
    pub revised: u64,
    /// Times without an offset; read as UTC.
    pub without_offset: u64,
    /// Metrics of which an export broke off before its last page.
    pub incomplete: BTreeSet<&'static str>,
}

impl CloudWatch {
    /// Reads one exported file, JSON or CSV. After an error part of the file may have been taken: the set is
    /// not to be used any more.
    ///
    /// # Errors
    /// On anything that cannot be understood for certain: a wrong sum is worse than none.
    pub fn read(&mut self, text: &[u8]) -> Result<(), CloudWatchError> {
        if text.len() > FILE_BYTES_MAX {
            return Err(CloudWatchError::TooLarge);
        }
        let text = std::str::from_utf8(text).map_err(|_| CloudWatchError::NotUtf8)?;
        // Spreadsheets and PowerShell put a byte order mark in front.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match text.trim_start().bytes().next() {
            None => Err(CloudWatchError::Empty),
            Some(b'{' | b'[') => json::read(text, self),
            Some(_) => csv::read(text, self),
        }
    }

    /// How long the periods of the files are, and where they begin.
    ///
    /// # Errors
    /// Without data points; where all are of one time, so that their spacing tells nothing; and where they are
    /// no whole minutes.
    pub fn period(&self) -> Result<Period, CloudWatchError> {
        period::infer(
            self.series.values().flat_map(|series| series.points.keys().copied()),
            &self.named_periods,
        )
    }

    /// An empty count of the log by this set's periods: what [`reconcile`] holds it against.
    ///
    /// # Errors
    /// As [`CloudWatch::period`].
    pub fn log_counts(&self) -> Result<LogCounts, CloudWatchError> {
        Ok(LogCounts::new(self.period()?))
    }

    /// What is worth knowing about the files.
    #[must_use]
    pub fn notes(&self) -> &FileNotes {
        &self.notes
    }

    /// From the first data point to the end of the period of the last.
    fn range(&self, period: Period) -> Option<(i64, i64)> {
        let firsts = self.series.values().filter_map(|series| series.points.keys().next());
        let lasts = self.series.values().filter_map(|series| series.points.keys().next_back());
        Some((*firsts.min()?, lasts.max()?.saturating_add(period.seconds())))
    }

    /// Takes a series of a document. `seen` are the series of that document.
    fn add(
        &mut self,
        read: ReadSeries,
        seen: &mut BTreeMap<SeriesKey, Option<String>>,
    ) -> Result<(), CloudWatchError> {
        let metric = match read.label.named {
            label::Named::Summed(metric) => metric,
            label::Named::NotSummable(name) => {
                self.notes.not_summable.insert(name);
                return Ok(());
            }
            label::Named::Unknown => {
                self.skip(&read.name);
                return Ok(());
            }
        };
        if read.label.other_statistic {
            return Err(CloudWatchError::Statistic { metric, place: read.place });
        }
        let key = SeriesKey { metric, model: read.label.model, region: read.label.region };
        // Pages of one answer repeat an id; two ids that read alike are two series, and nobody can tell of what.
        let is_page = seen.get(&key).is_none_or(|id| *id == read.id);
        if !is_page {
            return Err(CloudWatchError::Alike { metric, place: read.place });
        }
        seen.insert(key.clone(), read.id);
        self.named_periods.extend(read.label.period_seconds);
        self.points += read.points.len();
        if self.points > POINTS_MAX {
            return Err(CloudWatchError::TooManyPoints);
        }
        self.notes.rounded += read.rounded;
        self.notes.without_offset += read.without_offset;
        let merged = self.series.entry(key).or_default().merge(read.points, read.is_complete);
        let merged = merged.map_err(|()| CloudWatchError::Conflict { metric, place: read.place })?;
        self.notes.repeated += merged.repeated;
        self.notes.revised += merged.revised;
        Ok(())
    }

    fn skip(&mut self, name: &str) {
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        if self.notes.unknown.len() < NAMES_MAX || self.notes.unknown.contains(&name) {
            self.notes.unknown.insert(name);
        } else {
            self.notes.unknown_more += 1;
        }
    }

    /// Ends a file: what its last page left open is known now.
    fn close_file(&mut self) {
        let incomplete = self.series.iter().filter(|(_, series)| !series.is_complete);
        self.notes.incomplete = incomplete.map(|(key, _)| key.metric.name()).collect();
    }
}

/// A place in a file. Lines and columns begin at 1; a column counts bytes in JSON and cells in CSV.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a file is refused. Never holds any of its content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CloudWatchError {
    /// Larger than [`FILE_BYTES_MAX`].
    TooLarge,
    /// Not UTF-8.
    NotUtf8,
    /// Nothing in it.
    Empty,
    /// Broken JSON.
    NotJson(Place),
    /// JSON, but not of this shape.
    UnknownShape(Place),
    /// CSV without a row that says what its columns are.
    NoHeader(Place),
    /// A row of another number of cells than there are columns.
    RaggedRow(Place),
    /// A quoted cell that does not end.
    OpenQuote(Place),
    /// As many times as values are needed.
    LengthsDiffer(Place),
    /// No time that can be read for certain.
    BadTime(Place),
    /// No number.
    BadValue(Place),
    /// Counts are not negative.
    NegativeValue(Place),
    /// More than 2^64 - 1.
    ValueTooLarge(Place),
    /// A statistic that does not sum up.
    Statistic {
        /// Of which metric.
        metric: Metric,
        /// Where.
        place: Place,
    },
    /// Two series of one document that nothing tells apart.
    Alike {
        /// Of which metric.
        metric: Metric,
        /// The second of them.
        place: Place,
    },
    /// Two values for one metric and time.
    Conflict {
        /// Of which metric.
        metric: Metric,
        /// The second of them.
        place: Place,
    },
    /// More data points than fit.
    TooManyPoints,
    /// No data point at all.
    NoPoints,
    /// All data points are of one time.
    PeriodUnknown,
    /// Periods that are no whole minutes.
    PeriodNotMinutes,
    /// A sheet cannot be finer than the file.
    SheetTooFine {
        /// The file's period.
        file: Period,
    },
}

impl CloudWatchError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            CloudWatchError::TooLarge | CloudWatchError::TooManyPoints => {
                "export fewer days, or a longer period"
            }
            CloudWatchError::NotUtf8 => "save it as UTF-8; in PowerShell: | Out-File -Encoding utf8",
            CloudWatchError::UnknownShape(_) | CloudWatchError::NoHeader(_) | CloudWatchError::Empty => {
                "docs/cloudwatch.md says how to export"
            }
            CloudWatchError::Statistic { .. } => "export with the statistic Sum",
            CloudWatchError::Alike { .. } | CloudWatchError::Conflict { .. } => {
                "name the model in each label, or give the files of one model only"
            }
            CloudWatchError::NoPoints => "check Region, model id and time range of the export",
            CloudWatchError::PeriodUnknown => "export at least two periods",
            CloudWatchError::PeriodNotMinutes => "export with a period of 60 seconds or a multiple of it",
            CloudWatchError::SheetTooFine { .. } => "export with a shorter period",
            _ => return None,
        })
    }
}

impl fmt::Display for CloudWatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloudWatchError::TooLarge => write!(f, "larger than {} MiB", FILE_BYTES_MAX >> 20),
            CloudWatchError::NotUtf8 => f.write_str("not UTF-8"),
            CloudWatchError::Empty => f.write_str("empty"),
            CloudWatchError::NotJson(place) => write!(f, "{place}: broken JSON"),
            CloudWatchError::UnknownShape(place) => {
                write!(f, "{place}: neither MetricDataResults nor Datapoints of CloudWatch")
            }
            CloudWatchError::NoHeader(place) => {
                write!(f, "{place}: no header row that names a time and metrics")
            }
            CloudWatchError::RaggedRow(place) => write!(f, "{place}: more cells than columns"),
            CloudWatchError::OpenQuote(place) => write!(f, "{place}: a quote that does not end"),
            CloudWatchError::LengthsDiffer(place) => write!(f, "{place}: not as many values as timestamps"),
            CloudWatchError::BadTime(place) => write!(f, "{place}: not a time"),
            CloudWatchError::BadValue(place) => write!(f, "{place}: not a number"),
            CloudWatchError::NegativeValue(place) => write!(f, "{place}: a negative sum"),
            CloudWatchError::ValueTooLarge(place) => write!(f, "{place}: a sum of 2^64 or more"),
            CloudWatchError::Statistic { metric, place } => {
                write!(f, "{place}: {} by a statistic that does not sum up", metric.name())
            }
            CloudWatchError::Alike { metric, place } => {
                write!(f, "{place}: a second series of {} that nothing tells from the first", metric.name())
            }
            CloudWatchError::Conflict { metric, place } => {
                write!(f, "{place}: another value for a time of {} that was read already", metric.name())
            }
            CloudWatchError::TooManyPoints => write!(f, "more than {POINTS_MAX} data points"),
            CloudWatchError::NoPoints => f.write_str("no data points"),
            CloudWatchError::PeriodUnknown => {
                f.write_str("one time alone does not tell how long a period is")
            }
            CloudWatchError::PeriodNotMinutes => f.write_str("periods that are no whole minutes"),
            CloudWatchError::SheetTooFine { file } => {
                write!(f, "the file's periods of {file} cannot be split into shorter ones")
            }
        }
    }
}

impl std::error::Error for CloudWatchError {}

/// Strings of labels, shared.
type Text = Arc<str>;
