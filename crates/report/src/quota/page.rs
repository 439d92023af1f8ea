//! The answer of `borehole quota` for people: one block a quota.

use borehole_quota::Share;

use crate::decimal::Decimal;
use crate::quota::{Answer, AttributionOf, NeedOf, Quota, QuotaReport, TrialOf};
use crate::text::cells::{Ink, Line, cut_middle, escape, flow};
use crate::text::listing::caller;
use crate::text::numbers::{counted, percent, short, short_beside, thousands};
use crate::text::script::Script;
use crate::text::table::{pad_end, pad_start};
use crate::text::{TextStyle, stamp};

/// Where the text of a labelled line begins.
const INDENT: usize = 10;
/// Lines that one label may take.
const LINES_MAX: usize = 6;
/// Cells of a number in the table.
const NUMBER: usize = 11;
/// Callers of an attribution that the text names.
const SHARES_SHOWN: usize = 3;
/// Cells of a name from the log.
const NAME_CELLS_MAX: usize = 60;

/// Renders the report; every line ends in `\n`.
pub(super) fn render(report: &QuotaReport, style: &TextStyle) -> String {
    let page = Page { report, style, with_year: stamp::needs_year(report.range.as_ref()) };
    let mut lines = page.head();
    if report.quotas.is_empty() {
        lines.push(Line::inked(Ink::Bold, "No request was counted."));
    }
    let shown = report.quotas.len().min(style.rows);
    for quota in &report.quotas[..shown] {
        lines.push(Line::default());
        lines.extend(page.quota(quota));
    }
    if shown < report.quotas.len() {
        let more = counted((report.quotas.len() - shown) as u64, "more quota");
        lines.push(Line::default());
        lines.push(Line::inked(
            Ink::Dim,
            format!("+{more} with fewer attempts; --top shows more, JSON has them all"),
        ));
    }
    if !report.quotas.is_empty() {
        lines.push(Line::default());
        lines.extend(page.legend());
    }
    let mut out = String::new();
    for line in lines {
        line.fitted(style.width).write(style.color, &mut out);
    }
    out
}

struct Page<'a> {
    report: &'a QuotaReport,
    style: &'a TextStyle,
    with_year: bool,
}

impl Page<'_> {
    fn labelled(&self, label: &str, items: Vec<String>) -> Vec<Line> {
        let label =
            Line::inked(if label.starts_with(char::is_uppercase) { Ink::Bold } else { Ink::Dim }, label);
        let items: Vec<Line> = items.into_iter().map(Line::plain).collect();
        flow(&label, INDENT, &items, self.style.width, LINES_MAX)
    }

    fn head(&self) -> Vec<Line> {
        let report = self.report;
        let sources: Vec<String> = report.run.sources.iter().map(|source| escape(source)).collect();
        let range =
            report.range.as_ref().map(|range| stamp::range(range, Script::Terminal)).unwrap_or_default();
        let mut lines = vec![
            Line::inked(Ink::Bold, cut_middle(&sources.join(", "), 50)).and(Ink::Plain, format!("  {range}")),
        ];
        if !report.complete {
            lines.push(
                Line::inked(Ink::Red, "INCOMPLETE").and(
                    Ink::Plain,
                    "  some of the logs could not be read: the needs are lower bounds (borehole analyze says what)",
                ),
            );
        }
        let mut aim = vec![format!("at most {} of requests throttled", exact_percent(report.target))];
        if report.growth.units() > 0 || report.growth.micros() > 0 {
            aim.push(format!("growth {}", exact_percent(report.growth)));
        }
        if report.margin.units() > 0 || report.margin.micros() > 0 {
            aim.push(format!("margin {}", exact_percent(report.margin)));
        }
        aim.push(format!("rules of {}", report.rules_at.get(..10).unwrap_or(&report.rules_at)));
        lines.extend(self.labelled("AIM", aim));
        if !report.what_if.is_empty() {
            lines.extend(
                self.labelled("WHAT IF", report.what_if.iter().map(|change| escape(change)).collect()),
            );
        }
        lines
    }

    fn quota(&self, quota: &Quota) -> Vec<Line> {
        let key = &quota.key;
        let place: Vec<String> = [Some(key.scope.as_str()), key.region.as_deref(), key.account.as_deref()]
            .into_iter()
            .flatten()
            .map(escape)
            .collect();
        let mut lines = vec![
            Line::inked(Ink::Bold, cut_middle(&escape(&key.model), NAME_CELLS_MAX))
                .and(Ink::Plain, format!("  {}", place.join(" · "))),
        ];
        lines.extend(self.labelled("charge", charge(quota)));
        let mut logged = vec![format!("{} attempts", thousands(u128::from(quota.attempted)))];
        if quota.throttled > 0 {
            let share = percent(quota.throttled, quota.attempted);
            logged.push(format!(
                "{} throttled ({share}, a lower bound)",
                thousands(u128::from(quota.throttled))
            ));
        }
        lines.extend(self.labelled("logged", logged));
        lines.extend(self.needs(quota));
        lines.extend(self.applied(quota));
        lines.extend(self.what_ifs(quota));
        for (at, trial) in quota.trials.iter().enumerate() {
            lines.extend(self.trial(if at == 0 { "TRIAL" } else { "" }, trial, key.account.as_deref()));
        }
        if let Some(day) = &quota.tokens_per_day {
            let items = vec![
                format!(
                    "{} settled tokens on {}",
                    short(u128::from(day.peak)),
                    day.peak_day.get(..10).unwrap_or("")
                ),
                format!(
                    "any 24 h: {} from {}",
                    short(u128::from(day.rolling_24h)),
                    stamp::moment(&day.rolling_24h_start, self.with_year, Script::Terminal)
                ),
            ];
            lines.extend(self.labelled("DAY", items));
        }
        if let Some(attribution) = &quota.attribution {
            lines.extend(self.attribution(attribution, key.account.as_deref()));
        }
        lines.extend(self.labelled("known", known(quota)));
        lines
    }

    /// Who and what is behind the load.
    fn attribution(&self, attribution: &AttributionOf, account: Option<&str>) -> Vec<Line> {
        let mut lines = Vec::new();
        if attribution.shares.first().is_some_and(|share| share.share_in_worst.is_some()) {
            let shares = attribution.shares.iter().take(SHARES_SHOWN).filter_map(|share| {
                let worst = decimal_percent(share.share_in_worst?);
                let all = share.share.map(decimal_percent).unwrap_or_default();
                Some(format!("{} {worst} ({all} of all)", who(share.who.as_deref(), account)))
            });
            let minutes = attribution.worst_minutes.len();
            let mut items = vec![format!("of the worst {minutes} minutes:")];
            items.extend(shares);
            let (intro, rest) = items.split_at(1);
            let first = rest.first().map_or(String::new(), |first| format!("{} {first}", intro[0]));
            let rest = rest.iter().skip(1).cloned();
            lines.extend(self.labelled("PEAK BY", std::iter::once(first).chain(rest).collect()));
        }
        if !attribution.throttled_by.is_empty() {
            let items = attribution.throttled_by.iter().map(|cause| {
                let what = match cause.quota.as_str() {
                    "tokens_per_minute" => "TPM",
                    "requests_per_minute" => "RPM",
                    "tokens_per_day" => "tokens per day",
                    _ => "unknown",
                };
                let how = match (cause.confidence, cause.doubt) {
                    (Some(confidence), _) => format!("{confidence} confidence"),
                    (None, Some("either_limit")) => {
                        "tokens and requests were both at their largest".to_owned()
                    }
                    (None, Some("low_use")) => "use was low: others may draw on this quota".to_owned(),
                    _ => "too few tokens are known".to_owned(),
                };
                format!("{what} {} ({how})", thousands(u128::from(cause.throttled)))
            });
            lines.extend(self.labelled("THROTTLED", items.collect()));
        }
        let reservations = &attribution.reservations;
        if reservations.unused > 0 {
            let share = percent_wide(reservations.unused, reservations.reserved);
            let mut items = vec![format!("{share} of the reserved quota tokens were not used")];
            items.extend(reservations.callers.iter().take(SHARES_SHOWN).map(|caller| {
                let number = |count: u64| thousands(u128::from(count));
                let mut parts = Vec::new();
                if caller.unset > 0 {
                    parts.push(format!("max_tokens unset in {}", number(caller.unset)));
                }
                if caller.oversized > 0 {
                    parts.push(format!(
                        "over 4 × its p99 output {} in {}",
                        number(caller.output_p99),
                        number(caller.oversized)
                    ));
                }
                format!(
                    "{}: {} of {} answers",
                    who(caller.who.as_deref(), account),
                    parts.join(", "),
                    number(caller.answers)
                )
            }));
            lines.extend(self.labelled("UNUSED", items));
        }
        if let Some(saved) = attribution.cache.saved.filter(|&saved| saved > 0) {
            let rate = attribution.cache.hit_rate.map(decimal_percent).unwrap_or_default();
            let share = percent_wide(saved, attribution.cache.settled_without_cache);
            lines.extend(self.labelled(
                "CACHE",
                vec![
                    format!("{rate} of the prompt tokens read from the cache"),
                    format!("saved {} settled quota tokens ({share})", short(saved)),
                ],
            ));
        }
        if let Some(retries) = attribution.retries.first().filter(|retries| retries.retries > 0) {
            lines.extend(self.labelled("RETRIES", vec![format!(
                "{}: {} attempts within 60 s after its {} throttles, {} throttled again, at most {} in a row (an estimate)",
                who(retries.who.as_deref(), account),
                thousands(u128::from(retries.retries)),
                thousands(u128::from(retries.throttled)),
                thousands(u128::from(retries.throttled_again)),
                thousands(u128::from(retries.longest_run)),
            )]));
        }
        lines
    }

    /// The table: steady and peak as logged, what would have been enough, what to ask for.
    fn needs(&self, quota: &Quota) -> Vec<Line> {
        let mut lines = Vec::new();
        let heads = ["", "steady", "peak", "bucket", "minute", "sliding", "ask steady", "ask peak"];
        let row = |label: &str, cells: &[String]| {
            let mut text = pad_end(label, 20);
            cells.iter().for_each(|cell| text.push_str(&pad_start(cell, NUMBER)));
            text
        };
        let head: Vec<String> = heads[1..].iter().map(|head| (*head).to_owned()).collect();
        lines.push(Line::inked(Ink::Dim, row("", &head)));
        let measures = [("TPM", &quota.tokens_per_minute), ("RPM", &quota.requests_per_minute)];
        for (measure, need) in measures {
            let Some(need) = need else {
                lines.push(Line::plain(format!("{}{}", pad_end(measure, 20), absent(measure))));
                continue;
            };
            for (at, (demand, words)) in DEMANDS.iter().enumerate() {
                let answers: Vec<&Answer> =
                    need.enough.iter().filter(|answer| answer.demand == *demand).collect();
                // Without throttles the three demands are one.
                if at > 0 && quota.throttled == 0 {
                    break;
                }
                let label = if at == 0 { measure } else { "" };
                let words = if quota.throttled == 0 { "" } else { words };
                let mut cells = vec![String::new(), String::new()];
                if at == 0 {
                    cells = vec![thousands(u128::from(need.steady)), thousands(u128::from(need.peak))];
                }
                cells.extend(answers.iter().map(|answer| in_column(answer.quota, need)));
                let is_last = at + 1 == DEMANDS.len() || quota.throttled == 0;
                if *demand == "likely" || (is_last && quota.throttled == 0) {
                    cells.push(thousands(u128::from(need.requested_steady)));
                    cells.push(thousands(u128::from(need.requested_peak)));
                }
                lines.push(Line::plain(row(&format!("{label:<6}{words}"), &cells)));
            }
        }
        lines
    }

    fn applied(&self, quota: &Quota) -> Vec<Line> {
        let items = quota.applied.iter().map(|applied| {
            let what = match applied.limit {
                "tokens_per_minute" => "TPM",
                "requests_per_minute" => "RPM",
                _ => "tokens per day",
            };
            let mut text =
                format!("{} {what} ({})", thousands(u128::from(applied.value)), escape(&applied.code));
            if applied.usable != applied.value {
                text.push_str(&format!(", {} for geo calls", thousands(u128::from(applied.usable))));
            }
            if let Some(peak) = applied.peak_use {
                text.push_str(&format!(": peak uses {}", decimal_percent(peak)));
            }
            if let Some(need) = applied.need {
                text.push_str(&format!(", need is {}", decimal_percent(need)));
            }
            if !applied.adjustable {
                text.push_str(", not adjustable");
            }
            text
        });
        let items: Vec<String> = items.collect();
        if items.is_empty() { Vec::new() } else { self.labelled("CURRENT", items) }
    }

    fn what_ifs(&self, quota: &Quota) -> Vec<Line> {
        let account = quota.key.account.as_deref();
        let mut lines = Vec::new();
        for (at, what_if) in quota.what_ifs.iter().enumerate() {
            let change = match (what_if.change, what_if.max_tokens) {
                ("no_cache", _) => "without caching".to_owned(),
                (_, Some(cap)) => format!("capping max_tokens at {}", thousands(u128::from(cap))),
                _ => format!("without {}", who(what_if.caller.as_deref(), account)),
            };
            let (need, before) = (what_if.tokens_per_minute, what_if.unchanged);
            let verdict = match need.cmp(&before) {
                std::cmp::Ordering::Less => format!("{} less quota", percent(before - need, before)),
                std::cmp::Ordering::Equal => "no less quota".to_owned(),
                std::cmp::Ordering::Greater => format!("{} more quota", percent(need - before, before)),
            };
            let mut text = format!("{change} needs {verdict} ({} TPM)", thousands(u128::from(need)));
            if what_if.cut > 0 {
                let successful = quota.known.successful;
                text.push_str(&format!(" and cuts {} of answers", percent(what_if.cut, successful)));
            }
            lines.extend(self.labelled(if at == 0 { "WHAT IF" } else { "" }, vec![text]));
        }
        lines
    }

    fn trial(&self, label: &str, trial: &TrialOf, account: Option<&str>) -> Vec<Line> {
        let mut items = vec![format!(
            "{} window: {} of {} refused ({})",
            trial.window.replace('_', " "),
            thousands(u128::from(trial.refused)),
            thousands(u128::from(trial.of)),
            percent(trial.refused, trial.of)
        )];
        if trial.refused_by_requests > 0 {
            items.push(format!("{} of them for RPM", thousands(u128::from(trial.refused_by_requests))));
        }
        if trial.refused > 0 {
            items.push(format!(
                "in {} minutes, {} of them with throttles in the log",
                thousands(u128::from(trial.minutes)),
                thousands(u128::from(trial.minutes_also_logged))
            ));
        }
        if let Some(worst) = trial.worst_minutes.first() {
            let at = stamp::moment(&worst.minute, self.with_year, Script::Terminal);
            items.push(format!("most at {at} ({})", thousands(u128::from(worst.requests))));
        }
        if let Some(caller) = trial.callers.first() {
            items.push(format!(
                "most of {} ({})",
                who(caller.identity.as_deref(), account),
                percent(caller.requests, trial.refused)
            ));
        }
        self.labelled(label, items)
    }

    fn legend(&self) -> Vec<Line> {
        let legend = "TPM: settled quota tokens as logged (steady: median active minute, peak: largest minute); \
                      then the smallest quota that would have been enough if the quota's minute is a refilling \
                      bucket, a clock minute or a sliding one, with max_tokens reserved at the start. AWS does \
                      not say which it is. Ask: the largest of the three for the demand as logged and the likely one, with growth and \
                      margin, rounded up.";
        Line::inked(Ink::Dim, legend).wrapped(self.style.width)
    }
}

/// The estimates of demand with the words of the table.
const DEMANDS: [(&str, &str); 3] = [("logged_only", "as logged"), ("likely", "likely"), ("high", "high")];

fn in_column(value: u64, need: &NeedOf) -> String {
    let largest = need.enough.iter().map(|answer| answer.quota).max().unwrap_or(0);
    if largest < 1_000_000 {
        thousands(u128::from(value))
    } else {
        short_beside(u128::from(value), u128::from(largest))
    }
}

fn absent(measure: &str) -> &'static str {
    if measure == "TPM" {
        "unknown: no rule names this model's rate (--rules FILE can)"
    } else {
        "this model has no quota of requests per minute"
    }
}

fn charge(quota: &Quota) -> Vec<String> {
    let charge = &quota.charge;
    let Some(burndown) = charge.burndown else {
        return vec!["unknown: no rule names this model, and none is guessed".to_owned()];
    };
    let mut items = vec![format!("input + cache writes + {burndown} × output")];
    items.push(match charge.max_output_tokens {
        Some(0) => "no output to reserve".to_owned(),
        Some(most) => format!("reserves max_tokens, or {} where unset", thousands(u128::from(most))),
        None => "reserves max_tokens; the model's maximum is unknown".to_owned(),
    });
    if charge.reserves_cache_reads {
        items.push("cache reads reserved, too".to_owned());
    }
    items
}

fn known(quota: &Quota) -> Vec<String> {
    let known = &quota.known;
    let mut items = Vec::new();
    let mut say = |count: u64, words: &str| {
        if count > 0 {
            items.push(format!("{} {words}", percent(count, known.successful)));
        }
    };
    say(known.unknown, "of answers without known tokens (counted as 0)");
    say(
        known.settled_only,
        "counted at what they settled alone, max_tokens or latency unknown (a lower bound)",
    );
    say(known.max_tokens_unset, "without max_tokens: the model's maximum is reserved");
    if quota.throttled > 0 {
        let number = |count: u64| thousands(u128::from(count));
        items.push(format!(
            "of the throttled attempts {} were retries of later answers and {} are imputed (an estimate)",
            number(known.joined),
            number(known.imputed)
        ));
        if known.not_imputed > 0 {
            items.push(format!("{} could not be imputed", number(known.not_imputed)));
        }
    }
    if items.is_empty() {
        items.push("tokens, max_tokens and latency of every answer".to_owned());
    }
    items
}

/// `0.1 %`, `120 %`: a part of one as a percentage.
fn decimal_percent(part: Decimal) -> String {
    percent(millionths(part), 1_000_000)
}

/// The same to its last digit, for what the operator gave.
fn exact_percent(part: Decimal) -> String {
    Share::from_millionths(millionths(part)).to_string()
}

/// A caller without what the account says already, shortened and escaped.
fn who(name: Option<&str>, account: Option<&str>) -> String {
    name.map_or_else(
        || "unnamed callers".to_owned(),
        |name| cut_middle(&escape(caller(name, account)), NAME_CELLS_MAX),
    )
}

/// A percentage of sums that may not fit 64 bits.
fn percent_wide(part: u128, whole: u128) -> String {
    let shift = (u128::BITS - whole.leading_zeros()).saturating_sub(u64::BITS);
    let narrow = |value: u128| u64::try_from(value >> shift).unwrap_or(u64::MAX);
    percent(narrow(part), narrow(whole))
}

fn millionths(part: Decimal) -> u64 {
    u64::try_from(part.units().saturating_mul(1_000_000) + u128::from(part.micros())).unwrap_or(u64::MAX)
}
