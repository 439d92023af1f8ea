//! Explanations in words.
//!
//! In: an explanation and the sheet it is of. Out: one sentence of our own words and figures. Always: without a
//! final period; nothing of it comes from a file or a log.

use borehole_quota::cloudwatch::{
    Attribution, Compared, Definition, Explanation, Reconciliation, Silence, Surplus,
};
use borehole_record::UtcMinute;

use super::Figure;
use crate::text::script::Script;
use crate::text::{counted, stamp, thousands};

/// The name of a rule in JSON.
pub(super) fn rule(explanation: &Explanation) -> &'static str {
    match explanation {
        Explanation::NothingInCommon => "nothing_in_common",
        Explanation::Agreement { .. } => "agreement",
        Explanation::LogStartsEarlier { .. } => "log_starts_earlier",
        Explanation::Definition { .. } => "definition",
        Explanation::CountedAtEnd { .. } => "counted_at_end",
        Explanation::Shifted { .. } => "shifted",
        Explanation::Neighbours { .. } => "neighbours",
        Explanation::NotLogged { place: Silence::Gap, .. } => "not_logged_in_gap",
        Explanation::NotLogged { place: Silence::NoRecords, .. } => "not_logged_no_records",
        Explanation::NotLogged { place: Silence::FewerRecords, .. } => "not_logged_fewer_records",
        Explanation::LogHoldsMore { place: Surplus::LastPeriod, .. } => "log_holds_more_in_last_period",
        Explanation::LogHoldsMore { place: Surplus::Elsewhere, .. } => "log_holds_more",
        Explanation::ThrottlesNotLogged { .. } => "throttles_not_logged",
        Explanation::ThrottlesOnlyLogged { .. } => "throttles_only_logged",
        Explanation::ErrorsNotLogged { .. } => "errors_not_logged",
        Explanation::ErrorsInPart { .. } => "errors_in_part",
        Explanation::UnknownTokens { .. } => "unknown_tokens",
        Explanation::InputHoldsCache => "input_holds_cache",
        Explanation::RateUnknown => "rate_unknown",
        Explanation::Burndown { .. } => "burndown",
    }
}

/// The figures that an explanation rests on, by their names in JSON.
pub(super) fn figures(explanation: &Explanation) -> Vec<(&'static str, Figure)> {
    let text = |text: &str| Figure::Text(text.to_owned());
    let time = |minute: UtcMinute| Figure::Text(minute.to_string());
    let count = Figure::Count;
    match *explanation {
        Explanation::NothingInCommon | Explanation::InputHoldsCache | Explanation::RateUnknown => Vec::new(),
        Explanation::Agreement { periods } => vec![("periods", count(periods.into()))],
        Explanation::LogStartsEarlier { files_from, kept_days } => {
            vec![("files_from", time(files_from)), ("kept_days", count(kept_days.into()))]
        }
        Explanation::Definition { better, misfit_successful, misfit_accepted, failed } => {
            let better = better.map(|better| match better {
                Definition::Successful => ("better", text("successful")),
                Definition::Accepted => ("better", text("accepted")),
            });
            let rest = [
                ("differences_successful", count(misfit_successful)),
                ("differences_accepted", count(misfit_accepted)),
                ("failed", count(failed)),
            ];
            better.into_iter().chain(rest).collect()
        }
        Explanation::CountedAtEnd { misfit_by_start, misfit_by_end } => {
            vec![
                ("differences_by_start", count(misfit_by_start)),
                ("differences_by_end", count(misfit_by_end)),
            ]
        }
        Explanation::Shifted { seconds, moved_misfit, misfit, may_be_zone: _ } => vec![
            ("seconds", Figure::Signed(seconds)),
            ("millionths_moved", count(moved_misfit.into())),
            ("millionths", count(misfit.into())),
        ],
        Explanation::Neighbours { of, count: moved, pairs } => {
            vec![("metric", text(of.name())), ("count", count(moved)), ("pairs", count(pairs.into()))]
        }
        Explanation::NotLogged { of, count: amount, periods, first, last, place: _ }
        | Explanation::LogHoldsMore { of, count: amount, periods, first, last, place: _ } => vec![
            ("metric", text(of.name())),
            ("count", count(amount)),
            ("periods", count(periods.into())),
            ("first", time(first)),
            ("last", time(last)),
        ],
        Explanation::ThrottlesNotLogged { missing, of } | Explanation::ErrorsNotLogged { missing, of } => {
            vec![("missing", count(missing)), ("of", count(of))]
        }
        Explanation::ThrottlesOnlyLogged { count: more } => vec![("count", count(more))],
        Explanation::ErrorsInPart { missing } => vec![("missing", text(missing.name()))],
        Explanation::UnknownTokens { calls } => vec![("calls", count(calls))],
        Explanation::Burndown { rules, fits, misfit, rules_misfit, periods } => {
            let by_rules = rules.map(|rules| ("rules", count(rules.into())));
            let rules_misfit = rules_misfit.map(|misfit| ("differences_by_rules", count(misfit)));
            let rest = [
                ("fits", count(fits.into())),
                ("differences", count(misfit)),
                ("periods", count(periods.into())),
            ];
            by_rules.into_iter().chain(rules_misfit).chain(rest).collect()
        }
    }
}

/// The explanation as a sentence.
pub(super) fn sentence(explanation: &Explanation, sheet: &Reconciliation) -> String {
    match *explanation {
        Explanation::NothingInCommon => {
            "the files and the log have no time in common: nothing is summed up".to_owned()
        }
        Explanation::Agreement { periods } => {
            format!("every metric that both sides hold is equal in {}", periods_of(periods))
        }
        Explanation::LogStartsEarlier { files_from, kept_days } => format!(
            "the log begins before the files ({}): CloudWatch keeps data points of {} for {kept_days} days",
            moment(files_from),
            sheet.file_period,
        ),
        Explanation::Definition { better, misfit_successful, misfit_accepted, failed } => {
            definition(better, misfit_successful, misfit_accepted, failed)
        }
        Explanation::CountedAtEnd { misfit_by_start, misfit_by_end } => format!(
            "CloudWatch counts a call in the period in which it ends, and so does this sheet: by start + latency \
             the differences are {} in all, by the start {}",
            thousands(misfit_by_end),
            thousands(misfit_by_start),
        ),
        Explanation::Shifted { seconds, moved_misfit, misfit, may_be_zone } => {
            shifted(seconds, moved_misfit, misfit, may_be_zone)
        }
        Explanation::Neighbours { of, count, pairs } => format!(
            "{} counted one period apart, in {}: {}",
            amount(count, of),
            counted(pairs, "pair").replace("pair", "neighbouring pair"),
            match sheet.attribution {
                Attribution::Start => "CloudWatch may count by another moment of a call than its start",
                Attribution::End => "CloudWatch may count by another moment of a call than its end",
            }
        ),
        Explanation::NotLogged { place, of, count, periods, first, last } => format!(
            "{} more in CloudWatch, in {}{}: {}",
            amount(count, of),
            periods_of(periods),
            span(first, last),
            match place {
                Silence::Gap => "hours without log objects; logging was off, or its delivery failed",
                Silence::NoRecords => {
                    "the log is silent there; logging was off, or these are calls of another account, Region or \
                     model"
                }
                Silence::FewerRecords => {
                    "the log has other records there; some were not delivered, or the files count callers that \
                     the log or its filters leave out"
                }
            }
        ),
        Explanation::LogHoldsMore { place, of, count, periods, first, last } => format!(
            "{} more in the log, in {}{}: {}",
            amount(count, of),
            periods_of(periods),
            span(first, last),
            match place {
                Surplus::LastPeriod => "the files' last period, exported before it was complete",
                Surplus::Elsewhere => {
                    "the files leave out an account, Region or spelling of the model, or were exported before \
                     CloudWatch was complete"
                }
            }
        ),
        Explanation::ThrottlesNotLogged { missing, of } => format!(
            "{} of {} throttles are not in the log: its throttles are a lower bound",
            thousands(missing),
            thousands(of)
        ),
        Explanation::ThrottlesOnlyLogged { count } => format!(
            "the log has {} throttles more than CloudWatch: the files leave out an account, Region or spelling \
             of the model",
            thousands(count)
        ),
        Explanation::ErrorsNotLogged { missing, of } => format!(
            "{} of {} errors are not in the log: calls that are refused before a model runs need not be logged",
            thousands(missing),
            thousands(of)
        ),
        Explanation::ErrorsInPart { missing } => format!(
            "the files have no {}: the log's failed calls stand against one kind of errors only",
            missing.name()
        ),
        Explanation::UnknownTokens { calls } => format!(
            "the log does not know the tokens of {} successful calls, CloudWatch does",
            thousands(calls)
        ),
        Explanation::InputHoldsCache => {
            "InputTokenCount holds cached tokens here: it fits input + cache reads + cache writes of the log"
                .to_owned()
        }
        Explanation::RateUnknown => {
            "EstimatedTPMQuotaUsage stands alone: no rule names a burndown rate of the model, --rules FILE can"
                .to_owned()
        }
        Explanation::Burndown { rules, fits, misfit, rules_misfit, periods } => {
            let instead = match (rules, rules_misfit) {
                (Some(rules), Some(rules_misfit)) => {
                    format!("not the rules' {rules}: differences of {} in all instead of {}", thousands(misfit), thousands(rules_misfit))
                }
                _ => format!("which no rule names: differences of {} in all", thousands(misfit)),
            };
            format!(
                "EstimatedTPMQuotaUsage fits {fits} quota tokens per output token, {instead}, over {} in which \
                 the calls agree; --rules FILE sets a rate",
                periods_of(periods)
            )
        }
    }
}

fn definition(better: Option<Definition>, successful: u128, accepted: u128, failed: u128) -> String {
    let (successful, accepted, failed) = (thousands(successful), thousands(accepted), thousands(failed));
    match better {
        Some(Definition::Successful) => format!(
            "Invocations counts successful calls: differences of {successful} in all, {accepted} with the \
             {failed} failed calls of the log"
        ),
        Some(Definition::Accepted) => format!(
            "Invocations counts accepted calls, those that failed later with them: differences of {accepted} in \
             all, {successful} without the {failed} failed calls of the log"
        ),
        None => format!(
            "both definitions of Invocations, successful and accepted, fit alike ({successful}): the log has \
             {failed} calls that failed without being throttled"
        ),
    }
}

fn shifted(seconds: i64, moved_misfit: u64, misfit: u64, may_be_zone: bool) -> String {
    let direction = if seconds > 0 { "later" } else { "earlier" };
    let why = if may_be_zone {
        "they have no offset and look like local time; export in UTC"
    } else {
        "check by which moments the export's periods begin"
    };
    format!(
        "the files' times are {} {direction} than the log's: moved, {} of both sides differ instead of {}; {why}",
        duration(seconds.unsigned_abs()),
        millionths(moved_misfit),
        millionths(misfit),
    )
}

fn duration(seconds: u64) -> String {
    let (hours, minutes) = (seconds / 3_600, seconds % 3_600 / 60);
    match (hours, minutes) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// Parts of a million as a percentage of one decimal, rounded up: 0 % only where it is.
fn millionths(part: u64) -> String {
    let tenths = part.div_ceil(1_000);
    if tenths.is_multiple_of(10) {
        format!("{} %", tenths / 10)
    } else {
        format!("{}.{} %", tenths / 10, tenths % 10)
    }
}

/// `12 calls`, `1,200 output tokens`.
fn amount(count: u128, of: Compared) -> String {
    let noun = match of {
        Compared::InvocationsSuccessful | Compared::InvocationsAccepted => "call",
        Compared::Throttles => "throttle",
        Compared::Errors => "error",
        Compared::Input => "input token",
        Compared::Output => "output token",
        Compared::CacheRead => "cached token",
        Compared::CacheWrite => "cache-write token",
        Compared::Settled => "quota token",
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(count))
}

fn periods_of(periods: u64) -> String {
    counted(periods, "period")
}

/// ` (2024-03-11 07:10)`, ` (2024-03-11 07:10 … 2024-03-11 08:59)`.
fn span(first: UtcMinute, last: UtcMinute) -> String {
    if first == last {
        format!(" ({})", moment(first))
    } else {
        format!(" ({} … {})", moment(first), moment(last))
    }
}

/// `2024-03-11 07:10`.
pub(super) fn moment(minute: UtcMinute) -> String {
    stamp::moment(&minute.to_string(), true, Script::Terminal)
}
