//! CloudWatch beside the log: the sheet as text, CSV and JSON.
//!
//! In: a [`Reconciliation`]. Out: strings; the JSON is the contract `borehole.reconciliation/1`. Always: all
//! three say the same figures, the text alone may shorten them; what is likely is called likely; labels of the
//! exported files are escaped where a terminal would obey them. Absent: any figure computed here.

use std::collections::BTreeMap;

use borehole_quota::cloudwatch::{
    Attribution, Compared, Definition, MinuteRange, Outside, PeriodRow, Reconciliation, Side, Sum,
};
use serde::{Serialize, Serializer};

use crate::json;
use crate::model::Range;
use crate::text::TextStyle;

mod page;
mod words;

/// The version of the JSON.
pub const SCHEMA: &str = "borehole.reconciliation/1";

/// Renders the sheet for people: sums, the periods that differ most, explanations. Lines of at most
/// `style.width` cells, laid out for 80.
#[must_use]
pub fn text(reconciliation: &Reconciliation, style: &TextStyle) -> String {
    page::render(reconciliation, style)
}

/// Renders every period: `period,metric,cloudwatch,log,difference`, the difference being CloudWatch less the log.
/// A figure that is not known is empty. The metrics are those that the files hold.
#[must_use]
pub fn csv(reconciliation: &Reconciliation) -> String {
    let mut csv = String::from("period,metric,cloudwatch,log,difference\n");
    for row in &reconciliation.rows {
        for cell in &row.cells {
            let log = cell.log.map(|log| log.to_string()).unwrap_or_default();
            let difference = Difference::of(Some(cell.cloudwatch), cell.log);
            let difference = difference.map(|difference| difference.to_string()).unwrap_or_default();
            let (start, name) = (row.start, cell.compared.name());
            csv.push_str(&format!("{start},{name},{},{log},{difference}\n", cell.cloudwatch));
        }
    }
    csv
}

/// Renders everything as JSON.
#[must_use]
pub fn to_json(reconciliation: &Reconciliation) -> String {
    json::pretty(&Sheet::of(reconciliation))
}

/// CloudWatch less the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Difference {
    is_negative: bool,
    size: u128,
}

impl Difference {
    fn of(cloudwatch: Option<u128>, log: Option<u128>) -> Option<Self> {
        let (cloudwatch, log) = (cloudwatch?, log?);
        Some(Difference { is_negative: cloudwatch < log, size: cloudwatch.abs_diff(log) })
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.is_negative { "-" } else { "" };
        write!(f, "{sign}{}", self.size)
    }
}

impl Serialize for Difference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Sums of 2^64 a period stay far below 2^127.
        let size = i128::try_from(self.size).unwrap_or(i128::MAX);
        serializer.serialize_i128(if self.is_negative { -size } else { size })
    }
}

#[derive(Serialize)]
struct Sheet {
    schema: &'static str,
    file_period_seconds: i64,
    sheet_period_seconds: i64,
    cloudwatch_range: Range,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_range: Option<Range>,
    #[serde(skip_serializing_if = "Option::is_none")]
    common_range: Option<Range>,
    outside: Vec<OutsideOf>,
    /// `start` or `end`.
    calls_counted_by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    invocations_definition: Option<&'static str>,
    metrics: Vec<MetricSum>,
    periods_that_differ_most: Vec<Worst>,
    explanations: Vec<Explained>,
    files: Files,
    periods: Vec<Period>,
}

#[derive(Serialize)]
struct OutsideOf {
    side: &'static str,
    range: Range,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls: Option<u128>,
}

#[derive(Serialize)]
struct MetricSum {
    metric: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cloudwatch: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<Difference>,
    active_periods: u64,
    equal_periods: u64,
    /// Sum of the periods' differences without their signs.
    differences: u128,
}

#[derive(Serialize)]
struct Worst {
    period: String,
    metric: &'static str,
    cloudwatch: u128,
    log: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<Difference>,
}

#[derive(Serialize)]
struct Explained {
    rule: &'static str,
    likely: bool,
    text: String,
    /// What it rests on.
    figures: BTreeMap<&'static str, Figure>,
}

/// A value of an explanation.
#[derive(Serialize)]
#[serde(untagged)]
enum Figure {
    Count(u128),
    Signed(i64),
    Text(String),
}

#[derive(Serialize)]
struct Files {
    labels_without_model: bool,
    other_models: Vec<String>,
    unknown_metrics: Vec<String>,
    unknown_metrics_more: u64,
    not_summable: Vec<&'static str>,
    incomplete: Vec<&'static str>,
    rounded_values: u64,
    repeated_points: u64,
    revised_points: u64,
    times_without_offset: u64,
}

#[derive(Serialize)]
struct Period {
    period: String,
    metrics: BTreeMap<&'static str, PeriodCell>,
}

#[derive(Serialize)]
struct PeriodCell {
    cloudwatch: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<Difference>,
}

impl Sheet {
    fn of(from: &Reconciliation) -> Self {
        Sheet {
            schema: SCHEMA,
            file_period_seconds: from.file_period.seconds(),
            sheet_period_seconds: from.sheet_period.seconds(),
            cloudwatch_range: range(from.cloudwatch_range),
            log_range: from.log_range.map(range),
            common_range: from.common.map(range),
            outside: from.outside.iter().map(OutsideOf::of).collect(),
            calls_counted_by: match from.attribution {
                Attribution::Start => "start",
                Attribution::End => "end",
            },
            invocations_definition: from.definition.map(|definition| match definition {
                Definition::Successful => "successful",
                Definition::Accepted => "accepted",
            }),
            metrics: from.sums.iter().map(MetricSum::of).collect(),
            periods_that_differ_most: from.worst.iter().map(Worst::of).collect(),
            explanations: from
                .explanations
                .iter()
                .map(|explanation| Explained {
                    rule: words::rule(explanation),
                    likely: explanation.is_likely(),
                    text: words::sentence(explanation, from),
                    figures: words::figures(explanation).into_iter().collect(),
                })
                .collect(),
            files: Files {
                labels_without_model: from.without_model,
                other_models: from.other_models.iter().cloned().collect(),
                unknown_metrics: from.notes.unknown.iter().cloned().collect(),
                unknown_metrics_more: from.notes.unknown_more,
                not_summable: from.notes.not_summable.iter().copied().collect(),
                incomplete: from.notes.incomplete.iter().copied().collect(),
                rounded_values: from.notes.rounded,
                repeated_points: from.notes.repeated,
                revised_points: from.notes.revised,
                times_without_offset: from.notes.without_offset,
            },
            periods: from.rows.iter().map(Period::of).collect(),
        }
    }
}

impl OutsideOf {
    fn of(outside: &Outside) -> Self {
        let side = match outside.side {
            Side::CloudWatch => "cloudwatch",
            Side::Log => "log",
        };
        OutsideOf { side, range: range(outside.range), calls: outside.calls }
    }
}

impl MetricSum {
    fn of(sum: &Sum) -> Self {
        MetricSum {
            metric: sum.compared.name(),
            cloudwatch: sum.cloudwatch,
            log: sum.log,
            difference: Difference::of(sum.cloudwatch, sum.log),
            active_periods: sum.active,
            equal_periods: sum.equal,
            differences: sum.misfit,
        }
    }
}

impl Worst {
    fn of(worst: &borehole_quota::cloudwatch::Difference) -> Self {
        Worst {
            period: worst.start.to_string(),
            metric: worst.compared.name(),
            cloudwatch: worst.cloudwatch,
            log: worst.log,
            difference: Difference::of(Some(worst.cloudwatch), Some(worst.log)),
        }
    }
}

impl Period {
    fn of(row: &PeriodRow) -> Self {
        let cells = row.cells.iter().map(|cell| {
            let difference = Difference::of(Some(cell.cloudwatch), cell.log);
            (cell.compared.name(), PeriodCell { cloudwatch: cell.cloudwatch, log: cell.log, difference })
        });
        Period { period: row.start.to_string(), metrics: cells.collect() }
    }
}

fn range(range: MinuteRange) -> Range {
    Range { from: range.from.to_string(), to: range.to.to_string() }
}

/// The reading of `Invocations` that the sheet takes for the right one.
fn is_right_reading(compared: Compared, definition: Option<Definition>) -> bool {
    matches!(
        (compared, definition),
        (Compared::InvocationsSuccessful, Some(Definition::Successful))
            | (Compared::InvocationsAccepted, Some(Definition::Accepted))
    )
}
