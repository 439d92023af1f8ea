//! What each printed figure is made of: one formula a line.
//!
//! In: nothing but the width. Out: our own words; the same after every report. Always: each formula has its unit
//! and where its inputs come from. Absent: the values (they are in the report) and the rates of single models
//! (`borehole rules show` prints those).

use super::cells::{Ink, Line, width};
use super::table::pad_end;

/// How one figure is made.
struct Formula {
    figure: &'static str,
    formula: &'static str,
    unit: &'static str,
    source: &'static str,
}

/// The fields of a record that a measure reads, as the log names them.
const COUNTS: &str = "inputTokenCount and so on, else the body's usage";

/// In the order of the report.
const FORMULAS: [Formula; 25] = [
    Formula {
        figure: "input",
        formula: "inputTokenCount",
        unit: "tokens",
        source: "the log; CloudWatch's InputTokenCount",
    },
    Formula {
        figure: "prompt",
        formula: "input + cacheRead + cacheWrite; of models whose input holds both: input",
        unit: "tokens",
        source: COUNTS,
    },
    Formula {
        figure: "settled quota tokens",
        formula: "input + cacheWrite + output × burndown rate of the model on the day",
        unit: "quota tokens",
        source: "AWS, token burndown; rates: borehole rules show; CloudWatch's EstimatedTPMQuotaUsage",
    },
    Formula {
        figure: "reserved quota tokens",
        formula: "input + cacheWrite + max_tokens; none named: the model's maximum output",
        unit: "quota tokens",
        source: "AWS, token burndown; max_tokens: the request's body; maximum: borehole rules show",
    },
    Formula { figure: "raw tokens", formula: "input + output", unit: "tokens", source: COUNTS },
    Formula {
        figure: "known",
        formula: "successful requests with the value / successful requests",
        unit: "share",
        source: "the log",
    },
    Formula {
        figure: "requests total",
        formula: "counted records (attempts)",
        unit: "requests",
        source: "the log, without duplicates and filtered records",
    },
    Formula {
        figure: "thrott.",
        formula: "attempts with ThrottlingException / attempts",
        unit: "share",
        source: "errorCode; a lower bound",
    },
    Formula {
        figure: "quota TPM",
        formula: "sum of settled quota tokens of the successful requests of a UTC minute",
        unit: "quota tokens/min",
        source: "timestamp, to the second",
    },
    Formula {
        figure: "reserved TPM",
        formula: "sum of reserved quota tokens of the successful requests of a UTC minute",
        unit: "quota tokens/min",
        source: "timestamp, to the second",
    },
    Formula {
        figure: "raw TPM",
        formula: "sum of raw tokens of the successful requests of a UTC minute",
        unit: "tokens/min",
        source: "timestamp, to the second",
    },
    Formula {
        figure: "RPM",
        formula: "attempts of a UTC minute",
        unit: "requests/min",
        source: "timestamp, to the second",
    },
    Formula {
        figure: "steady",
        formula: "value at rank ⌈n / 2⌉ of the n minutes with an attempt",
        unit: "as its series",
        source: "the series; exact",
    },
    Formula {
        figure: "peak",
        formula: "largest minute of the combined series; ties: the earliest",
        unit: "as its series",
        source: "the series; exact",
    },
    Formula {
        figure: "any 60 s",
        formula: "largest sum over 60 consecutive seconds",
        unit: "as its series",
        source: "timestamp, to the second; exact",
    },
    Formula {
        figure: "quota TPD",
        formula: "largest sum of settled quota tokens of a UTC day",
        unit: "quota tokens/day",
        source: "the series; exact",
    },
    Formula {
        figure: "any 24 h",
        formula: "largest sum over 1,440 consecutive minutes",
        unit: "quota tokens",
        source: "the series; exact",
    },
    Formula {
        figure: "bursts",
        formula: "largest second × 60 / peak; largest 10 consecutive seconds × 6 / peak",
        unit: "factor",
        source: "timestamp, to the second; nothing finer is logged",
    },
    Formula {
        figure: "average (JSON)",
        formula: "sum of the series / minutes with an attempt",
        unit: "as its series",
        source: "the series; exact",
    },
    Formula {
        figure: "average_all (JSON)",
        formula: "sum of the series / (minutes of the range − minutes of hours without an object)",
        unit: "as its series",
        source: "the series and the coverage; exact",
    },
    Formula {
        figure: "avg tokens in, out",
        formula: "sum of the known counts / successful requests with a known count",
        unit: "tokens/request",
        source: COUNTS,
    },
    Formula {
        figure: "<1k, 1–25k, >25k",
        formula: "requests with that many input tokens / those with a known count; > is strict",
        unit: "share",
        source: COUNTS,
    },
    Formula {
        figure: "by prompt",
        formula: "requests with a prompt > 25,000 / those with a known input count",
        unit: "share",
        source: COUNTS,
    },
    Formula {
        figure: "p50, p90, p99, max",
        formula: "value at rank ⌈q × n⌉ of n requests; 3 significant digits from 2,048 on; max is exact",
        unit: "tokens, ms",
        source: "successful requests where known",
    },
    Formula {
        figure: "STOP, STATUS, REGIONS",
        formula: "requests with the value / successful requests where known, attempts, attempts",
        unit: "share, requests, share",
        source: "the output body, the response document, inferenceRegion",
    },
];

/// The formulas, in lines of at most so many cells.
pub(super) fn render(cells: usize) -> Vec<Line> {
    let column = FORMULAS.iter().map(|formula| width(formula.figure)).max().unwrap_or(0) + 2;
    let room = cells.saturating_sub(column).max(1);
    let mut lines = Line::inked(Ink::Bold, "FORMULAS")
        .and(Ink::Dim, " as figure, formula [unit; where from]")
        .wrapped(cells.max(1));
    for formula in &FORMULAS {
        let text =
            Line::plain(formula.formula).and(Ink::Dim, format!(" [{}; {}]", formula.unit, formula.source));
        for (at, piece) in text.wrapped(room).into_iter().enumerate() {
            let figure = if at == 0 { formula.figure } else { "" };
            let mut line = Line::plain(pad_end(figure, column));
            line.append(piece);
            lines.push(line);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_one_formula() {
        let mut figures: Vec<&str> = FORMULAS.iter().map(|formula| formula.figure).collect();
        figures.sort_unstable();
        figures.dedup();
        assert_eq!(figures.len(), FORMULAS.len());
        for formula in &FORMULAS {
            assert!([formula.formula, formula.unit, formula.source].iter().all(|text| !text.is_empty()));
        }
    }
}
