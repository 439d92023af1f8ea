//! `--fail-if`: conditions over the figures of a report that give a run an exit code of its own.
//!
//! In: a condition as it is typed (`throttled>0.5%`, `any:peak_tpm>=3.5M`, `incomplete`), and a finished report. Out:
//! a [`Verdict`]. Always: figures and thresholds are exact fractions, compared without rounding and without any
//! float; a figure that is not known is no small figure: the condition then fails loudly, unless nothing was counted
//! that it could be about. Absent: any figure that the report does not hold.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use borehole_report::model::{Distribution, Group, PerMinute, Report};
use borehole_report::text::{counted, thousands};

use crate::config::nearest;
use crate::exit::{Exit, escaped};

/// Groups that are told of a condition that holds of many.
const GROUPS_SHOWN: usize = 5;

/// Digits of a threshold, before and after its point: more than any figure has, and no product of it overflows.
const THRESHOLD_DIGITS_MAX: usize = 18;

/// One `--fail-if`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Condition {
    /// As it was typed, without spaces.
    text: String,
    /// Whether it is asked of every group, and not of the totals.
    of_any_group: bool,
    figure: Figure,
    /// `None` where the figure is a yes or no.
    bound: Option<Bound>,
}

/// What a figure is compared with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Bound {
    operator: Operator,
    threshold: Exact,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operator {
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Operator {
    /// The longer spelling first: `>` begins `>=`.
    const SPELT: [(&str, Operator); 4] =
        [(">=", Operator::AtLeast), ("<=", Operator::AtMost), (">", Operator::Above), ("<", Operator::Below)];

    fn holds(self, order: Ordering) -> bool {
        match self {
            Operator::Above => order.is_gt(),
            Operator::AtLeast => order.is_ge(),
            Operator::Below => order.is_lt(),
            Operator::AtMost => order.is_le(),
        }
    }
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Figure {
    Throttled,
    Errors,
    HighToken,
    HighTokenPrompt,
    CacheReadShare,
    UnknownTokens,
    PeakTpm,
    SteadyTpm,
    PeakRpm,
    SteadyRpm,
    Requests,
    Latency(Percentile),
    FirstByte(Percentile),
    Gaps,
    Incomplete,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Percentile {
    P50,
    P90,
    P99,
}

/// The names of `--fail-if`, in the order in which they are listed.
const FIGURES: [(&str, Figure); 19] = [
    ("throttled", Figure::Throttled),
    ("errors", Figure::Errors),
    ("requests", Figure::Requests),
    ("peak_tpm", Figure::PeakTpm),
    ("steady_tpm", Figure::SteadyTpm),
    ("peak_rpm", Figure::PeakRpm),
    ("steady_rpm", Figure::SteadyRpm),
    ("latency_p50", Figure::Latency(Percentile::P50)),
    ("latency_p90", Figure::Latency(Percentile::P90)),
    ("latency_p99", Figure::Latency(Percentile::P99)),
    ("first_byte_p50", Figure::FirstByte(Percentile::P50)),
    ("first_byte_p90", Figure::FirstByte(Percentile::P90)),
    ("first_byte_p99", Figure::FirstByte(Percentile::P99)),
    ("high_token", Figure::HighToken),
    ("high_token_prompt", Figure::HighTokenPrompt),
    ("cache_read_share", Figure::CacheReadShare),
    ("unknown_tokens", Figure::UnknownTokens),
    ("gaps", Figure::Gaps),
    ("incomplete", Figure::Incomplete),
];

/// How a figure's threshold is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    /// `0.5%`.
    Share,
    /// `4000`, `3.5M`.
    Count,
    /// `800ms`, `30s`; in milliseconds.
    Duration,
    /// `3`, `3h`.
    Hours,
    /// A yes or no: no threshold.
    Truth,
}

impl Unit {
    /// The suffixes that a number may have, with what one of them is in units of the figure: a numerator and a
    /// denominator. An empty suffix is a number alone.
    fn suffixes(self) -> &'static [(&'static str, u128, u128)] {
        match self {
            Unit::Share => &[("%", 1, 100)],
            Unit::Count => &[("", 1, 1), ("k", 1_000, 1), ("M", 1_000_000, 1), ("B", 1_000_000_000, 1)],
            Unit::Duration => &[("ms", 1, 1), ("s", 1_000, 1)],
            Unit::Hours => &[("", 1, 1), ("h", 1, 1)],
            Unit::Truth => &[],
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Unit::Share => "expected a share with its %, as in 0.5%",
            Unit::Count => {
                "expected a number, with k, M or B for thousands, millions or billions, as in 3.5M"
            }
            Unit::Duration => "expected a time in ms or s, as in 30s",
            Unit::Hours => "expected hours, as in 3 or 3h",
            Unit::Truth => "expected nothing more",
        }
    }
}

impl Figure {
    fn unit(self) -> Unit {
        match self {
            Figure::Throttled
            | Figure::Errors
            | Figure::HighToken
            | Figure::HighTokenPrompt
            | Figure::CacheReadShare
            | Figure::UnknownTokens => Unit::Share,
            Figure::PeakTpm | Figure::SteadyTpm | Figure::PeakRpm | Figure::SteadyRpm | Figure::Requests => {
                Unit::Count
            }
            Figure::Latency(_) | Figure::FirstByte(_) => Unit::Duration,
            Figure::Gaps => Unit::Hours,
            Figure::Incomplete => Unit::Truth,
        }
    }

    /// Whether a group has one, and not the run alone.
    fn is_of_groups(self) -> bool {
        !matches!(self, Figure::Gaps | Figure::Incomplete)
    }
}

/// What came of a condition; the lines say why, without the condition itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It does not hold.
    Clear,
    /// It holds.
    Holds(Vec<String>),
    /// The report does not know the figure.
    Untold(Vec<String>),
}

impl Condition {
    /// Reads a condition: `[any:]FIGURE OPERATOR VALUE`, or `incomplete`.
    ///
    /// # Errors
    /// Where it is none, in words that say at which character.
    pub(crate) fn parse(text: &str) -> Result<Condition, String> {
        let mut rest = Rest { text, at: 0 };
        let mut start = rest.skip_spaces();
        let mut word = rest.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        rest.skip_spaces();
        let of_any_group = word == "any" && rest.eat(":");
        if of_any_group {
            start = rest.skip_spaces();
            word = rest.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        }
        let names = || FIGURES.iter().map(|(name, _)| *name);
        let Some(&(_, figure)) = FIGURES.iter().find(|(name, _)| *name == word) else {
            let meant = nearest(word, names()).map(|name| format!("; did you mean {name}?"));
            let meant =
                meant.unwrap_or_else(|| format!(", one of {}", names().collect::<Vec<_>>().join(", ")));
            return Err(rest.wrong(start, &format!("expected a figure{meant}")));
        };
        if of_any_group && !figure.is_of_groups() {
            return Err(rest.wrong(start, &format!("{word} is a figure of the whole run, not of groups")));
        }
        let bound =
            if figure.unit() == Unit::Truth { None } else { Some(Bound::parse(&mut rest, figure.unit())?) };
        let end = rest.skip_spaces();
        if end < text.len() {
            return Err(rest.wrong(end, figure.unit().expected()));
        }
        let text = text.split_whitespace().collect();
        Ok(Condition { text, of_any_group, figure, bound })
    }

    /// Whether it holds of a report.
    pub(crate) fn holds(&self, report: &Report) -> Verdict {
        if !self.of_any_group {
            return self.judge(report, &report.totals, "");
        }
        let (mut holding, mut untold) = (Vec::new(), Vec::new());
        for group in &report.groups {
            match self.judge(report, group, &format!("{}: ", name_of(group))) {
                Verdict::Clear => {}
                Verdict::Holds(lines) => holding.extend(lines),
                Verdict::Untold(lines) => untold.extend(lines),
            }
        }
        if report.groups_omitted > 0 {
            let omitted = counted(report.groups_omitted, "group");
            untold.push(format!("{omitted} left out of the report by --top"));
        }
        match (holding.is_empty(), untold.is_empty()) {
            (false, _) => Verdict::Holds(cut(holding)),
            (true, false) => Verdict::Untold(cut(untold)),
            (true, true) => Verdict::Clear,
        }
    }

    fn judge(&self, report: &Report, group: &Group, name: &str) -> Verdict {
        match (measure(self.figure, report, group), self.bound) {
            (Measured::Nothing, _) => Verdict::Clear,
            (Measured::Unknown(why), _) => Verdict::Untold(vec![format!("{name}{why}")]),
            (Measured::Truth(false), _) => Verdict::Clear,
            (Measured::Truth(true), _) => Verdict::Holds(vec![format!("{name}something is missing from it")]),
            (Measured::Known { value, words }, Some(bound))
                if bound.operator.holds(value.compare(&bound.threshold)) =>
            {
                Verdict::Holds(vec![format!("{name}{words}")])
            }
            (Measured::Known { .. }, _) => Verdict::Clear,
        }
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Condition::parse(text)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Tells each condition that holds, or of which that cannot be told, and how the command ends then: with 6, which
/// wins over an incomplete answer and an empty one, since whoever asks for a condition wants to be told of it; that
/// something is missing stands in the report, and `incomplete` is a condition, too.
pub(crate) fn judge(conditions: &[Condition], report: &Report, otherwise: Exit) -> Exit {
    let mut exit = otherwise;
    for condition in conditions {
        let (lines, middle) = match condition.holds(report) {
            Verdict::Clear => continue,
            Verdict::Holds(lines) => (lines, ""),
            Verdict::Untold(lines) => (lines, "cannot be told: "),
        };
        exit = Exit::Condition;
        for line in lines {
            tell!("fail-if {condition}: {middle}{}", escaped(&line));
        }
    }
    exit
}

/// At most a few lines, and how many more there are.
fn cut(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(GROUPS_SHOWN);
    if more > 0 {
        lines.truncate(GROUPS_SHOWN);
        lines.push(format!("{} more", thousands(more as u128)));
    }
    lines
}

/// A group by the values of its key.
fn name_of(group: &Group) -> String {
    let Some(key) = &group.key else { return "totals".to_owned() };
    let values: Vec<&str> = key.0.iter().map(|(_, value)| value.as_deref().unwrap_or("–")).collect();
    values.join(" ")
}

enum Measured {
    Known {
        value: Exact,
        words: String,
    },
    Truth(bool),
    /// There are requests that the figure is about, and it is known of none.
    Unknown(&'static str),
    /// There is nothing that the figure could be about.
    Nothing,
}

fn measure(figure: Figure, report: &Report, group: &Group) -> Measured {
    let (requests, tokens) = (&group.requests, &group.tokens);
    // Without any request there is nothing to measure; some request without the value is another matter.
    let share = |part: u128, whole: u128, base: u64, noun: &str, why: &'static str| match whole {
        0 if base == 0 => Measured::Nothing,
        0 => Measured::Unknown(why),
        _ => Measured::Known {
            value: Exact { numerator: part, denominator: whole },
            words: format!("{} ({} of {} {noun})", percent(part, whole), thousands(part), thousands(whole)),
        },
    };
    let (attempted, successful) = (requests.attempted, requests.successful);
    match figure {
        Figure::Requests => Measured::count(attempted, "requests"),
        Figure::Throttled => share(requests.throttled.into(), attempted.into(), attempted, "requests", ""),
        Figure::Errors => {
            share(attempted.saturating_sub(successful).into(), attempted.into(), attempted, "requests", "")
        }
        Figure::HighToken | Figure::HighTokenPrompt => {
            let high = if figure == Figure::HighToken {
                &group.high_token.by_input
            } else {
                &group.high_token.by_prompt
            };
            let why = "no request has a known input count";
            share(high.requests.into(), tokens.input_known.into(), successful, "requests", why)
        }
        Figure::CacheReadShare => {
            share(tokens.cache_read, tokens.prompt, successful, "prompt tokens", "no prompt tokens are known")
        }
        Figure::UnknownTokens => {
            let known = tokens.input_known.min(tokens.output_known);
            share(successful.saturating_sub(known).into(), successful.into(), successful, "requests", "")
        }
        Figure::PeakTpm | Figure::SteadyTpm => {
            let settled = group.quota_tokens_per_minute.as_ref().filter(|_| tokens.settled_known > 0);
            let value =
                settled.map(|minute| if figure == Figure::PeakTpm { minute.peak } else { minute.p50 });
            match value {
                Some(value) => {
                    Measured::count(value, "quota tokens").known_of(tokens.settled_known, successful)
                }
                None if successful == 0 => Measured::Nothing,
                None => Measured::Unknown("the quota tokens of no request are known"),
            }
        }
        Figure::PeakRpm => {
            rate(group.requests_per_minute.as_ref().map(|minute: &PerMinute| minute.peak), attempted)
        }
        Figure::SteadyRpm => rate(group.requests_per_minute.as_ref().map(|minute| minute.p50), attempted),
        Figure::Latency(percentile) => {
            duration(group.distributions.latency_ms.as_ref(), percentile, successful, "no latency is known")
        }
        Figure::FirstByte(percentile) => {
            let why = "the time to the first byte is known of no request";
            duration(group.distributions.first_byte_ms.as_ref(), percentile, successful, why)
        }
        Figure::Gaps => gaps(report),
        Figure::Incomplete => Measured::Truth(!report.complete),
    }
}

fn rate(value: Option<u64>, attempted: u64) -> Measured {
    match value {
        Some(value) => Measured::count(value, "requests"),
        None if attempted == 0 => Measured::Nothing,
        None => Measured::Unknown("no request has a plausible time"),
    }
}

fn duration(
    known: Option<&Distribution>,
    percentile: Percentile,
    successful: u64,
    why: &'static str,
) -> Measured {
    match known {
        Some(known) => {
            let value = match percentile {
                Percentile::P50 => known.p50,
                Percentile::P90 => known.p90,
                Percentile::P99 => known.p99,
            };
            Measured::count(value, "ms").known_of(known.count, successful)
        }
        None if successful == 0 => Measured::Nothing,
        None => Measured::Unknown(why),
    }
}

fn gaps(report: &Report) -> Measured {
    let coverage = &report.health.coverage;
    if coverage.is_empty() {
        return match report.health.objects.listed {
            0 => Measured::Nothing,
            _ => Measured::Unknown("the keys name no hours"),
        };
    }
    let missing = coverage.iter().map(|entry| entry.hours.saturating_sub(entry.hours_with_objects));
    let hours = missing.fold(0, u64::saturating_add);
    Measured::count(hours, "hours without objects")
}

impl Measured {
    fn count(value: u64, noun: &str) -> Measured {
        Measured::Known {
            value: Exact { numerator: value.into(), denominator: 1 },
            words: format!("{} {noun}", thousands(value.into())),
        }
    }

    /// Says of which part of the requests a figure is, where that is not all.
    fn known_of(self, known: u64, all: u64) -> Measured {
        match self {
            Measured::Known { value, words } if known < all => {
                let part = percent(known.into(), all.into());
                Measured::Known { value, words: format!("{words} (known for {part} of the requests)") }
            }
            measured => measured,
        }
    }
}

/// `3.07 %`: two digits after the point, rounded down, so that it never says more than there is.
fn percent(part: u128, whole: u128) -> String {
    let (units, rest) = (part / whole, part % whole);
    let mut rest = Exact { numerator: rest, denominator: whole };
    let mut digits = String::new();
    for _ in 0..4 {
        digits.push(char::from(b'0' + rest.next_digit()));
    }
    let all = format!("{units}{digits}");
    let (whole_percent, fraction) = all.split_at(all.len() - 2);
    let whole_percent = whole_percent.trim_start_matches('0');
    let whole_percent = if whole_percent.is_empty() { "0" } else { whole_percent };
    match fraction.trim_end_matches('0') {
        "" if part > 0 && whole_percent == "0" => "<0.01 %".to_owned(),
        "" => format!("{whole_percent} %"),
        fraction => format!("{whole_percent}.{fraction} %"),
    }
}

/// A fraction of two integers; the denominator is not 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Exact {
    numerator: u128,
    denominator: u128,
}

impl Exact {
    /// As numbers compare: by the products over both denominators, each of them exact.
    fn compare(&self, other: &Exact) -> Ordering {
        product(self.numerator, other.denominator).cmp(&product(other.numerator, self.denominator))
    }

    /// The next digit after the point of a fraction below 1, which it leaves as what is behind that digit.
    fn next_digit(&mut self) -> u8 {
        let mut digit = 0;
        let mut sum = 0u128;
        // Ten additions: the product could overflow.
        for _ in 0..10 {
            if sum >= self.denominator - self.numerator {
                sum -= self.denominator - self.numerator;
                digit += 1;
            } else {
                sum += self.numerator;
            }
        }
        self.numerator = sum;
        digit
    }
}

/// The whole product: its high half, then its low one.
fn product(left: u128, right: u128) -> (u128, u128) {
    const HALF: u32 = 64;
    const LOW: u128 = (1 << HALF) - 1;
    let (left_high, left_low) = (left >> HALF, left & LOW);
    let (right_high, right_low) = (right >> HALF, right & LOW);
    let low = left_low * right_low;
    let first = left_high * right_low + (low >> HALF);
    let second = left_low * right_high + (first & LOW);
    (left_high * right_high + (first >> HALF) + (second >> HALF), (second << HALF) | (low & LOW))
}

/// What is left of a condition while it is read.
struct Rest<'a> {
    text: &'a str,
    /// In bytes, at the border of a character.
    at: usize,
}

impl<'a> Rest<'a> {
    fn take_while(&mut self, admits: impl Fn(char) -> bool) -> &'a str {
        let left = &self.text[self.at..];
        let taken = &left[..left.find(|c| !admits(c)).unwrap_or(left.len())];
        self.at += taken.len();
        taken
    }

    /// Where what follows begins.
    fn skip_spaces(&mut self) -> usize {
        self.take_while(char::is_whitespace);
        self.at
    }

    fn eat(&mut self, token: &str) -> bool {
        let is_next = self.text[self.at..].starts_with(token);
        self.at += if is_next { token.len() } else { 0 };
        is_next
    }

    fn wrong(&self, at: usize, problem: &str) -> String {
        format!("at character {}: {problem}", self.text[..at].chars().count() + 1)
    }
}

impl Bound {
    fn parse(rest: &mut Rest<'_>, unit: Unit) -> Result<Bound, String> {
        let at = rest.skip_spaces();
        let Some(&(_, operator)) = Operator::SPELT.iter().find(|(spelt, _)| rest.eat(spelt)) else {
            return Err(rest.wrong(at, "expected >, >=, < or <="));
        };
        let at = rest.skip_spaces();
        let number = rest.take_while(|c| c.is_ascii_digit() || c == '.');
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let is_number = !whole.is_empty() && !number.ends_with('.') && !fraction.contains('.');
        if !is_number {
            return Err(rest.wrong(at, unit.expected()));
        }
        if whole.len() + fraction.len() > THRESHOLD_DIGITS_MAX {
            return Err(rest.wrong(at, &format!("expected at most {THRESHOLD_DIGITS_MAX} digits")));
        }
        let digits = format!("{whole}{fraction}");
        let numerator: u128 = digits.parse().map_err(|_| rest.wrong(at, unit.expected()))?;
        let at = rest.skip_spaces();
        let suffix = rest.take_while(|c| c.is_alphabetic() || c == '%');
        let known = unit.suffixes().iter().find(|(known, ..)| *known == suffix);
        let &(_, times, over) = known.ok_or_else(|| rest.wrong(at, unit.expected()))?;
        // 18 digits, times and over 10^9 at most: far below 2^128.
        let denominator = 10u128.pow(u32::try_from(fraction.len()).unwrap_or_default()) * over;
        Ok(Bound { operator, threshold: Exact { numerator: numerator * times, denominator } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report of four hours with ten requests: eight answered, one throttled, one refused; half of the answered ones
    /// have a latency. Two groups: the second has the throttle, and no answer.
    fn report() -> Report {
        let group = |key: &str, attempted: u64, successful: u64, throttled: u64, rest: &str| {
            let statistics = format!(
                r#"{{"total_requests": {successful}, "total_input_tokens": 800, "total_output_tokens": 80}}"#
            );
            format!(
                r#"{{{key}"requests": {{"attempted": {attempted}, "successful": {successful}, "throttled": {throttled}, "errors": {{}}}},
                "statistics": {statistics},
                "tokens": {{"input": 800, "output": 80, "cache_read": 200, "cache_write": 0, "prompt": 1000,
                  "input_known": {successful}, "output_known": {successful}, "settled": 3000, "settled_known": {successful}}},
                "tokens_on_errors": {{"input": 0, "output": 0}},
                "high_token": {{"threshold": 25000, "by_input": {{"requests": 1}}, "by_prompt": {{"requests": 2}}}},
                "input_bands": {{"below_1000": {successful}, "from_1000_to_25000": 0, "above_25000": 0}},
                {rest}
                "responses": {{"status": {{}}, "stop_reason": {{}}}},
                "payloads": {{"large": {{"input": 0, "output": 0, "requests": 0, "bytes": 0}}, "content": {{}}}},
                "cross_region": {{}}}}"#
            )
        };
        let minute = |peak: u64, median: u64| {
            format!(
                r#"{{"average": 1, "p50": {median}, "p90": {peak}, "p99": {peak}, "peak": {peak},
                "peak_minute": "2024-03-11T07:00:00Z", "peak_sliding_60s": {peak}}}"#
            )
        };
        let measured = format!(
            r#""distributions": {{"latency_ms": {{"count": 4, "min": 100, "max": 31000, "mean": 9000, "p50": 800, "p90": 30000,
              "p95": 30000, "p99": 31000, "p999": 31000}}}},
            "quota_tokens_per_minute": {}, "requests_per_minute": {},"#,
            minute(3_500_000, 1_000),
            minute(7, 2)
        );
        let unmeasured = r#""distributions": {},"#;
        let text = format!(
            r#"{{"schema": "borehole.report/1", "complete": false,
            "health": {{"objects": {{"listed": 4, "read": 4, "skipped": {{}}, "failed": {{}}}},
              "documents": {{"found": 10, "decoded": 10, "joined": 0, "rejected": {{}}}},
              "records": {{"decoded": 10, "counted": 10, "duplicate": 0, "filtered": {{}}, "rejected": {{}}}},
              "references": {{"seen": 0, "resolved": 0, "not_needed": 0, "missing": 0, "archived": 0, "refused": {{}}, "failed": 0}},
              "bytes": {{"listed": 0, "decompressed": 0}},
              "coverage": [{{"hours": 4, "hours_with_objects": 3, "gaps": []}}, {{"hours": 4, "hours_with_objects": 2, "gaps": []}}],
              "warnings": {{}}}},
            "totals": {}, "groups": [{}, {}],
            "run": {{"version": "0", "sources": [], "bytes_fetched": 0, "requests_sent": 0, "retries": 0, "unchanged": 0, "elapsed_ms": 0}}}}"#,
            group("", 10, 8, 1, &measured),
            group(r#""key": {"region": "us-east-1", "model": "one"}, "#, 8, 8, 0, &measured),
            group(r#""key": {"region": "eu-west-1", "model": null}, "#, 2, 0, 1, unmeasured),
        );
        serde_json::from_str(&text).expect("a report")
    }

    fn verdict(condition: &str, report: &Report) -> Verdict {
        Condition::parse(condition).unwrap_or_else(|error| panic!("{condition}: {error}")).holds(report)
    }

    #[test]
    fn every_figure_is_compared_exactly_at_its_border() {
        let report = report();
        for (figure, value) in [
            ("throttled", "10%"),
            ("errors", "20%"),
            ("high_token", "12.5%"),
            ("high_token_prompt", "25%"),
            ("cache_read_share", "20%"),
            ("unknown_tokens", "0%"),
            ("peak_tpm", "3.5M"),
            ("peak_tpm", "3500k"),
            ("steady_tpm", "1k"),
            ("peak_rpm", "7"),
            ("steady_rpm", "2.0"),
            ("requests", "10"),
            ("latency_p50", "800ms"),
            ("latency_p90", "30s"),
            ("latency_p99", "31s"),
            ("gaps", "3h"),
        ] {
            for (operator, holds) in [(">=", true), ("<=", true), (">", false), ("<", false)] {
                let condition = format!("{figure}{operator}{value}");
                let is_held = matches!(verdict(&condition, &report), Verdict::Holds(_));
                assert_eq!(is_held, holds, "{condition}");
            }
        }
        for (condition, holds) in [
            ("throttled>9.9999999999999999%", true),
            ("throttled<10.000000000000001%", true),
            ("peak_tpm>3.499999M", true),
            (" latency_p99 > 30.9995 s ", true),
            ("latency_p99>31.0005s", false),
            ("gaps>2", true),
            ("incomplete", true),
        ] {
            assert_eq!(matches!(verdict(condition, &report), Verdict::Holds(_)), holds, "{condition}");
        }
    }

    #[test]
    fn a_figure_that_is_not_known_fails_loudly_unless_it_is_about_nothing() {
        let mut report = report();
        let Verdict::Untold(lines) = verdict("first_byte_p99>1s", &report) else {
            panic!("it cannot be told")
        };
        assert_eq!(lines, ["the time to the first byte is known of no request"]);
        report.totals.quota_tokens_per_minute = None;
        report.totals.tokens.input_known = 0;
        report.health.coverage.clear();
        for condition in ["peak_tpm>1", "steady_tpm<1", "high_token<1%", "gaps>0"] {
            assert!(matches!(verdict(condition, &report), Verdict::Untold(_)), "{condition}");
        }
        let second = report.groups.remove(1);
        report.totals = Group { key: None, ..second };
        report.totals.requests.attempted = 0;
        report.totals.tokens.prompt = 0;
        report.health.objects.listed = 0;
        for (name, figure) in FIGURES.iter().filter(|(_, figure)| figure.unit() != Unit::Truth) {
            let value = match figure.unit() {
                Unit::Share => "1%",
                Unit::Duration => "1s",
                _ => "1",
            };
            let condition = format!("{name}>{value}");
            assert_eq!(verdict(&condition, &report), Verdict::Clear, "{condition}");
        }
        let none = verdict("requests<1", &report);
        assert_eq!(none, Verdict::Holds(vec!["0 requests".to_owned()]), "that is a figure all the same");
    }

    #[test]
    fn any_group_is_enough_and_is_named() {
        let mut report = report();
        let throttled = verdict("any:throttled>=50%", &report);
        assert_eq!(throttled, Verdict::Holds(vec!["eu-west-1 –: 50 % (1 of 2 requests)".to_owned()]));
        assert_eq!(verdict("throttled>=50%", &report), Verdict::Clear);
        // The group without an answer has no latency, and is passed over.
        assert_eq!(verdict("any:latency_p99>40s", &report), Verdict::Clear);
        report.groups_omitted = 2;
        let cut_off = Verdict::Untold(vec!["2 groups left out of the report by --top".to_owned()]);
        assert_eq!(verdict("any:latency_p99>40s", &report), cut_off);
        let group = report.groups[1].clone();
        report.groups.extend(std::iter::repeat_n(group, 7));
        let Verdict::Holds(lines) = verdict("any:throttled>10%", &report) else { panic!("it holds") };
        assert_eq!((lines.len(), &*lines[5]), (6, "3 more"));
    }

    #[test]
    fn what_holds_is_told_with_its_figure_and_how_far_it_is_known() {
        let report = report();
        for (condition, words) in [
            ("errors>1%", "20 % (2 of 10 requests)"),
            ("peak_tpm>1", "3,500,000 quota tokens"),
            ("latency_p99>1s", "31,000 ms (known for 50 % of the requests)"),
            ("gaps>1", "3 hours without objects"),
        ] {
            assert_eq!(verdict(condition, &report), Verdict::Holds(vec![words.to_owned()]), "{condition}");
        }
        for (part, whole, text) in [
            (1, 3, "33.33 %"),
            (1, 100_000, "<0.01 %"),
            (7, 7, "100 %"),
            (0, 9, "0 %"),
            (u128::MAX - 1, u128::MAX, "99.99 %"),
        ] {
            assert_eq!(percent(part, whole), text);
        }
    }

    #[test]
    fn what_is_no_condition_says_where() {
        for (text, at, problem) in [
            ("", 1, "expected a figure, one of throttled, errors"),
            ("throtled>1%", 1, "expected a figure; did you mean throttled?"),
            ("throttled", 10, "expected >, >=, < or <="),
            ("throttled=1%", 10, "expected >, >=, < or <="),
            ("throttled>", 11, "expected a share"),
            ("throttled>5", 12, "expected a share with its %"),
            ("throttled>1.%", 11, "expected a share"),
            ("throttled>1.2.3%", 11, "expected a share"),
            ("throttled>-1%", 11, "expected a share"),
            ("throttled>1% or so", 14, "expected a share"),
            ("latency_p99>30", 15, "expected a time in ms or s"),
            ("peak_tpm>3.5 m", 14, "expected a number"),
            ("peak_tpm>1234567890123456789", 10, "expected at most 18 digits"),
            ("any:incomplete", 5, "incomplete is a figure of the whole run"),
            ("any:gaps>3", 5, "gaps is a figure of the whole run"),
            ("incomplete>1", 11, "expected nothing more"),
            ("é>1", 1, "expected a figure"),
        ] {
            let said = Condition::parse(text).expect_err(text);
            assert!(said.starts_with(&format!("at character {at}: {problem}")), "{text}: {said}");
        }
        let read = Condition::parse(" any : peak_tpm >= 3.5 M ").expect("spaces are free");
        assert_eq!(read.to_string(), "any:peak_tpm>=3.5M");
    }

    #[test]
    fn the_description_has_every_figure() {
        let described = include_str!("../../../docs/fail-if.md");
        for (name, _) in FIGURES {
            assert!(described.contains(&format!("`{name}`")), "docs/fail-if.md does not describe {name}");
        }
    }

    #[test]
    fn products_of_any_size_compare_as_they_are() {
        let max = u128::MAX;
        assert_eq!(product(max, max), (max - 1, 1));
        assert_eq!(product(1 << 64, 1 << 64), (1, 0));
        assert_eq!(product(3, 5), (0, 15));
        let exact = |numerator, denominator| Exact { numerator, denominator };
        assert!(exact(max, max - 1).compare(&exact(1, 1)).is_gt());
        assert!(exact(max - 1, max).compare(&exact(max - 2, max - 1)).is_gt());
        assert!(exact(2, 4).compare(&exact(1, 2)).is_eq());
    }
}
