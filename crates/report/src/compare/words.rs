//! What a comparison says, in pieces: the words that its text, Markdown and page share.
//!
//! In: a [`Comparison`], and where it goes. Out: texts. Always: incomplete sides come first; a figure is worded once,
//! here; a change of a share is in points, any other in percent of what was before; what is unknown is `–`. Absent:
//! layout.

use super::{
    Comparison, Count, Figures, GroupChange, Level, Measure, Presence, RankChange, RankingChange, Side,
    Signed, micros,
};
use crate::decimal::Decimal;
use crate::model::Key;
use crate::text::cells::Line;
use crate::text::listing;
use crate::text::names::ModelNames;
use crate::text::numbers::{
    change, counted, duration, percent_of, short, short_beside, short_decimal, sign, thousands,
};
use crate::text::script::Script;
use crate::text::table::{self, ABSENT, AT_LEAST};
use crate::text::{stamp, words};

/// A whole, in millionths.
const WHOLE: u128 = 1_000_000;
/// A change of a figure from which on it is named: a tenth of what was before, or a tenth of a point of a share.
const NOTABLE_PART: u128 = 10;
/// In millionths.
const NOTABLE_POINTS: u128 = 1_000;
/// Cells of a name inside a sentence.
const NAME_CELLS_MAX: usize = 60;

/// The words of one comparison.
pub(super) struct Words<'a> {
    pub(super) comparison: &'a Comparison,
    names: ModelNames,
    script: Script,
}

/// One figure of both sides.
pub(super) struct Figure {
    /// What it is.
    pub(super) label: String,
    pub(super) before: String,
    pub(super) after: String,
    pub(super) change: String,
    /// It is what the figure before it is per hour.
    pub(super) is_rate: bool,
    /// The change is large enough to be named where there is room for a few only.
    pub(super) is_notable: bool,
}

impl<'a> Words<'a> {
    pub(super) fn new(comparison: &'a Comparison, script: Script) -> Self {
        let keyed = comparison.groups.iter().flat_map(|group| &group.key.0);
        let keyed = keyed.filter(|(dimension, _)| dimension == "model");
        let models = keyed.filter_map(|(_, value)| value.as_deref());
        let ranked = comparison.rankings.iter().filter(|ranking| ranking.dimension == "model");
        let ranked = ranked.flat_map(|ranking| &ranking.rows).filter_map(|row| row.value.as_deref());
        Words { comparison, names: ModelNames::of_models(models.chain(ranked)), script }
    }

    /// Both sides, with what they are called.
    pub(super) fn sides(&self) -> [(&'static str, &'a Side); 2] {
        [("before", &self.comparison.before), ("after", &self.comparison.after)]
    }

    /// What an incomplete side lacks; empty where it is complete.
    pub(super) fn losses(&self, side: &Side) -> Vec<Line> {
        if side.complete {
            return Vec::new();
        }
        let losses = words::losses(&side.health, self.script);
        // A stricter run than the books calls for it.
        if losses.is_empty() { vec![Line::plain("called incomplete by its run")] } else { losses }
    }

    /// What was read: sources.
    pub(super) fn sources(&self, side: &Side) -> String {
        side.sources.iter().map(|source| self.script.code(source)).collect::<Vec<String>>().join(", ")
    }

    /// When, how many requests, and whether hours have no object.
    pub(super) fn period(&self, side: &Side) -> Vec<String> {
        let mut items = Vec::new();
        items.extend(side.range.as_ref().map(|range| stamp::range(range, self.script)));
        items.push(counted(side.health.records.counted, "request"));
        let hours = side.health.coverage.iter().fold((0u64, 0u64), |(with, all), entry| {
            (with.saturating_add(entry.hours_with_objects), all.saturating_add(entry.hours))
        });
        if hours.0 < hours.1 {
            let (with, all) = (thousands(u128::from(hours.0)), thousands(u128::from(hours.1)));
            items.push(format!("{with} of {all} h with objects"));
        }
        items
    }

    /// Sums are compared per hour, since the ranges differ in length.
    pub(super) fn is_per_hour(&self) -> bool {
        self.comparison.totals.attempted.per_hour.is_some()
    }

    /// What to know before reading a change.
    pub(super) fn cautions(&self) -> Vec<String> {
        let mut cautions = Vec::new();
        if self.is_per_hour() {
            // How long each is stands beside its range.
            cautions.push(
                "the periods differ in length: changes of requests, load and errors are per hour".to_owned(),
            );
        }
        if self.sides().iter().any(|(_, side)| side.range.is_none()) {
            cautions.push("the length of a period is not known: sums are compared as they are".to_owned());
        }
        for (name, side) in self.sides() {
            if side.groups_omitted > 0 {
                let groups = counted(side.groups_omitted, "group");
                cautions.push(format!(
                    "{groups} were cut off {name} (--top): what is on one side only may be there, too"
                ));
            }
        }
        cautions
    }

    /// `quota tokens` or `raw tokens`.
    pub(super) fn measure(&self) -> &'static str {
        match self.comparison.measure {
            Measure::SettledTokens => "quota tokens",
            Measure::RawTokens => "raw tokens",
        }
    }

    /// The key of a group on one line.
    pub(super) fn key(&self, key: &Key) -> String {
        let texts = key.0.iter().map(|(dimension, value)| {
            table::key_text(dimension, value.as_deref(), &self.names, self.script, NAME_CELLS_MAX)
        });
        texts.collect::<Vec<String>>().join(" ")
    }

    /// The same, a cell each.
    pub(super) fn key_cells(&self, key: &Key) -> Vec<String> {
        let cell = |(dimension, value): &(String, Option<String>)| {
            table::key_text(dimension, value.as_deref(), &self.names, self.script, usize::MAX)
        };
        key.0.iter().map(cell).collect()
    }

    pub(super) fn names(&self) -> &ModelNames {
        &self.names
    }

    /// One value of a ranked dimension; a caller without its account where all of them are of one.
    pub(super) fn ranked(&self, ranking: &RankingChange, row: &RankChange) -> String {
        let value = row.value.as_deref();
        if ranking.dimension == "identity"
            && let Some(identity) = value
        {
            let others = ranking.rows.iter().filter_map(|row| row.value.as_deref());
            return self.script.name(&listing::caller_among(identity, others), NAME_CELLS_MAX);
        }
        table::key_text(&ranking.dimension, value, &self.names, self.script, NAME_CELLS_MAX)
    }

    /// The figures of a group or of everything, one after the other; those that neither side knows are left out.
    pub(super) fn figures(&self, figures: &Figures) -> Vec<Figure> {
        let mut all = Vec::new();
        all.extend(total("requests", &figures.attempted));
        all.extend(share("throttled", &figures.throttled_share));
        all.extend(total("quota tokens", &figures.settled_tokens));
        all.extend(total("input tokens", &figures.input_tokens));
        all.extend(total("output tokens", &figures.output_tokens));
        let known = &figures.settled_known_share;
        for (label, count) in [
            ("quota TPM, steady", &figures.quota_tokens_per_minute.steady),
            ("quota TPM, peak", &figures.quota_tokens_per_minute.peak),
        ] {
            all.extend(sum(label, count).map(|figure| Figure {
                before: at_least(known.before, figure.before),
                after: at_least(known.after, figure.after),
                ..figure
            }));
        }
        all.extend(sum("raw TPM, peak", &figures.tokens_per_minute.peak));
        all.extend(sum("RPM, steady", &figures.requests_per_minute.steady));
        all.extend(sum("RPM, peak", &figures.requests_per_minute.peak));
        all.extend(average("average input", &figures.average_input_tokens));
        all.extend(average("average output", &figures.average_output_tokens));
        all.extend(average("average prompt", &figures.average_prompt_tokens));
        all.extend(share("over 25k input", &figures.over_25000_by_input));
        all.extend(share("over 25k prompt", &figures.over_25000_by_prompt));
        all.extend(share("prompt from cache", &figures.cache_share));
        all.extend(time("latency p50", &figures.latency_ms.p50));
        all.extend(time("latency p99", &figures.latency_ms.p99));
        for (code, count) in &figures.errors {
            let label = self.script.name(code, NAME_CELLS_MAX);
            let figure = sum(&label, count);
            let per_hour = if count.per_hour.is_some() { " /h" } else { "" };
            let change = format!("{}{per_hour}", rate_change(count));
            all.extend(figure.map(|figure| Figure { change, ..figure }));
        }
        all
    }
}

/// `≥` before what is known of a part of the requests only.
fn at_least(known: Option<Decimal>, text: String) -> String {
    let is_part = known.is_some_and(|known| known.units() == 0);
    if is_part && text != ABSENT { format!("{AT_LEAST}{text}") } else { text }
}

fn sum(label: &str, count: &Count) -> Option<Figure> {
    let largest = count.before.max(count.after)?;
    let text =
        |value: Option<u128>| value.map_or_else(|| ABSENT.to_owned(), |value| short_beside(value, largest));
    Some(Figure {
        label: label.to_owned(),
        before: text(count.before),
        after: text(count.after),
        change: count_change(count),
        is_rate: false,
        is_notable: is_notable(count.before, count.after),
    })
}

/// A sum, and on the next line what it is per hour: of periods of unequal length that is what changes.
fn total(label: &str, count: &Count) -> Vec<Figure> {
    let rate = count.per_hour.as_ref().and_then(|rate| average(&format!("{label} per hour"), rate));
    let Some(sum) = sum(label, count) else { return Vec::new() };
    match rate {
        None => vec![sum],
        Some(rate) => {
            let sum = Figure { change: String::new(), is_notable: false, ..sum };
            vec![sum, Figure { is_rate: true, ..rate }]
        }
    }
}

fn average(label: &str, level: &Level) -> Option<Figure> {
    if level.is_unknown() {
        return None;
    }
    let text = |value: Option<Decimal>| value.map_or_else(|| ABSENT.to_owned(), short_decimal);
    let [before, after] = [level.before, level.after].map(|value| value.and_then(micros));
    Some(Figure {
        label: label.to_owned(),
        before: text(level.before),
        after: text(level.after),
        change: level_change(level),
        is_rate: false,
        is_notable: is_notable(before, after),
    })
}

fn share(label: &str, level: &Level) -> Option<Figure> {
    if level.is_unknown() {
        return None;
    }
    let points = level.change.and_then(|change| micros(change.magnitude));
    Some(Figure {
        label: label.to_owned(),
        before: words::share(level.before),
        after: words::share(level.after),
        change: points_change(level),
        is_rate: false,
        is_notable: points.is_some_and(|points| points >= NOTABLE_POINTS),
    })
}

fn time(label: &str, count: &Count) -> Option<Figure> {
    if count.is_unknown() {
        return None;
    }
    let text = |ms: Option<u128>| {
        ms.and_then(|ms| u64::try_from(ms).ok()).map_or_else(|| ABSENT.to_owned(), duration)
    };
    Some(Figure {
        label: label.to_owned(),
        before: text(count.before),
        after: text(count.after),
        change: count_change(count),
        is_rate: false,
        is_notable: is_notable(count.before, count.after),
    })
}

fn is_notable(before: Option<u128>, after: Option<u128>) -> bool {
    before.zip(after).is_some_and(|(before, after)| {
        let difference = after.abs_diff(before);
        difference > 0 && difference.saturating_mul(NOTABLE_PART) >= before
    })
}

/// The change of a count or a sum, as it is.
pub(super) fn count_change(count: &Count) -> String {
    count.before.zip(count.after).map_or_else(|| ABSENT.to_owned(), |(before, after)| change(before, after))
}

/// A count after.
pub(super) fn after(count: &Count) -> String {
    count.after.map_or_else(|| ABSENT.to_owned(), short)
}

/// The change of a sum, per hour where the ranges differ in length.
pub(super) fn rate_change(count: &Count) -> String {
    count.per_hour.as_ref().map_or_else(|| count_change(count), level_change)
}

/// A sum after, per hour where the ranges differ in length.
pub(super) fn rate_after(count: &Count) -> String {
    match &count.per_hour {
        Some(rate) => rate.after.map_or_else(|| ABSENT.to_owned(), short_decimal),
        None => after(count),
    }
}

fn level_change(level: &Level) -> String {
    let sides = level.before.and_then(micros).zip(level.after.and_then(micros));
    let Some((before, after)) = sides else { return ABSENT.to_owned() };
    // The ratio is taken of the sums themselves, which says more than their rounded rates.
    match level.ratio.and_then(micros) {
        Some(ratio) if ratio != WHOLE => change(WHOLE, ratio),
        _ => change(before, after),
    }
}

/// The change of a share: `+0.4 pt`.
pub(super) fn points_change(level: &Level) -> String {
    let sides = level.before.and_then(micros).zip(level.after.and_then(micros));
    let Some((before, after)) = sides else { return ABSENT.to_owned() };
    if before == after {
        return "=".to_owned();
    }
    let points = percent_of(after.abs_diff(before), WHOLE);
    format!("{}{}", sign(before, after), points.replace('%', "pt"))
}

/// `+1.20M`, `−30.1k`.
pub(super) fn signed(change: Option<Signed>) -> String {
    let Some(change) = change else { return ABSENT.to_owned() };
    let text = short_decimal(change.magnitude);
    match (change.magnitude.units(), change.magnitude.micros(), change.negative) {
        (0, 0, _) => "=".to_owned(),
        (_, _, true) => format!("−{text}"),
        (_, _, false) => format!("+{text}"),
    }
}

/// Where there is no change to be told, because one side does not have it.
pub(super) fn presence(presence: Presence) -> Option<&'static str> {
    match presence {
        Presence::Both => None,
        Presence::New => Some("new"),
        Presence::Gone => Some("gone"),
        Presence::SeenAfter => Some("only after"),
        Presence::SeenBefore => Some("only before"),
    }
}

/// The change of a figure of a group, or that there is none to be told.
pub(super) fn change_of(group: &GroupChange, change: String) -> String {
    presence(group.presence).map_or(change, str::to_owned)
}

/// How far a change reaches to the left (less) or the right (more) of a picture whose half is so many steps: at least
/// one where there is a change.
pub(super) fn reach(change: Signed, largest: u128, half: u128) -> (u128, bool) {
    let size = micros(change.magnitude).unwrap_or(u128::MAX);
    if size == 0 || largest == 0 {
        return (0, change.negative);
    }
    let steps = match size.checked_mul(half) {
        Some(scaled) => scaled / largest,
        None => size / (largest / half).max(1),
    };
    (steps.clamp(1, half), change.negative)
}

/// The largest change of load of any group, in millionths.
pub(super) fn largest_change(changes: impl Iterator<Item = Option<Signed>>) -> u128 {
    changes.flatten().map(|change| micros(change.magnitude).unwrap_or(u128::MAX)).max().unwrap_or(0)
}
