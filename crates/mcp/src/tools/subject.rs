//! What most tools are asked: whose figures, and when.
//!
//! In: checked arguments. Out: a [`Subject`] and a [`Period`]. Always: a period that is given whole has a length.

use super::arguments::{Arguments, Kind, Parameter};
use crate::engine::{Period, Subject};

/// Characters of an application profile's or model's ARN, as AWS bounds `modelId`.
const MODEL_ID_LENGTH_MAX: usize = 2_048;

pub(super) const MODEL_ID: Parameter = Parameter::required(
    "model_id",
    Kind::Text { characters: "A-Za-z0-9._:/@=+$ -", length_min: 1, length_max: MODEL_ID_LENGTH_MAX },
    "Base model id, which also stands for its inference profiles, or a spelling exactly as logged",
);
pub(super) const REGION: Parameter = Parameter::required(
    "region",
    Kind::Text { characters: "a-z0-9-", length_min: 1, length_max: 32 },
    "Source Region: the one that was called",
);
pub(super) const ACCOUNT_ID: Parameter = Parameter::optional(
    "account_id",
    Kind::Text { characters: "0-9", length_min: 12, length_max: 12 },
    "Account; all accounts if absent",
);
pub(super) const START_TIME: Parameter = Parameter::optional(
    "start_time",
    Kind::Moment,
    "First moment, UTC: RFC 3339 or a date; the beginning of the data if absent",
);
pub(super) const END_TIME: Parameter = Parameter::optional(
    "end_time",
    Kind::Moment,
    "End, not included, in the same forms (a date is its first moment); the end of the data if absent",
);

/// The subject of a call.
pub(super) fn subject(arguments: &Arguments) -> Result<Subject, String> {
    Ok(Subject {
        model_id: arguments.text("model_id")?,
        region: arguments.text("region")?,
        account_id: arguments.text_given("account_id"),
    })
}

/// The period of a call.
pub(super) fn period(arguments: &Arguments) -> Result<Period, String> {
    let from = arguments.moment_given("start_time");
    let to = arguments.moment_given("end_time");
    match (from, to) {
        (Some(from), Some(to)) if from >= to => {
            Err(format!("start_time {from} is not before end_time {to}, which is not included"))
        }
        _ => Ok(Period::Between { from, to }),
    }
}
