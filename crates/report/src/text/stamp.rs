//! Times of the report for people: ranges, gaps and peak minutes, from the model's RFC 3339 texts.
//!
//! Always UTC. A text that is no such time (a year beyond 9999) is shown as it is, escaped for where it goes.

use super::script::Script;
use crate::model::Range;

const MINUTES_PER_DAY: i64 = 1_440;

/// A moment, to the second.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp<'a> {
    text: &'a str,
    /// Days since 1970-01-01.
    day: i64,
    /// Minutes into the day.
    minute: i64,
}

impl<'a> Stamp<'a> {
    /// Reads `YYYY-MM-DDTHH:MM:SS…Z`.
    fn parse(text: &'a str) -> Option<Self> {
        let shape = b"dddd-dd-ddTdd:dd:dd";
        let fits = text.len() > shape.len()
            && text.is_ascii()
            && text.ends_with('Z')
            && text.bytes().zip(shape).all(|(byte, &expected)| match expected {
                b'd' => byte.is_ascii_digit(),
                other => byte == other,
            });
        if !fits {
            return None;
        }
        let number = |from: usize, to: usize| text[from..to].parse::<i64>().ok();
        let day = days_from_civil(number(0, 4)?, number(5, 7)?, number(8, 10)?);
        Some(Stamp { text, day, minute: number(11, 13)? * 60 + number(14, 16)? })
    }

    fn year(self) -> &'a str {
        &self.text[..4]
    }

    fn date(self, with_year: bool) -> &'a str {
        if with_year { &self.text[..10] } else { &self.text[5..10] }
    }

    fn seconds(self) -> &'a str {
        &self.text[17..19]
    }

    /// `09:01`, with seconds where there are any.
    fn clock(self) -> &'a str {
        if self.seconds() == "00" { &self.text[11..16] } else { &self.text[11..19] }
    }
}

/// Days since 1970-01-01 of a date in the Gregorian calendar (March-based years, so that the leap day is last).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Whether dates need their year: the range runs over a new year, or is unknown.
pub(crate) fn needs_year(range: Option<&Range>) -> bool {
    let years =
        range.and_then(|range| Some((Stamp::parse(&range.from)?.year(), Stamp::parse(&range.to)?.year())));
    years.is_none_or(|(from, to)| from != to)
}

/// `2026-11-08 → 11-22 UTC, end excluded (14 d)`.
pub(crate) fn range(range: &Range, script: Script) -> String {
    let (Some(from), Some(to)) = (Stamp::parse(&range.from), Stamp::parse(&range.to)) else {
        return format!("{} → {} UTC, end excluded", script.text(&range.from), script.text(&range.to));
    };
    let minutes = (to.day - from.day) * MINUTES_PER_DAY + to.minute - from.minute;
    let whole_days = [from, to].iter().all(|stamp| stamp.minute == 0 && stamp.seconds() == "00");
    let end_date = to.date(from.year() != to.year());
    let text = if whole_days {
        format!("{} → {end_date}", from.date(true))
    } else if from.day == to.day {
        format!("{} {} → {}", from.date(true), from.clock(), to.clock())
    } else {
        format!("{} {} → {end_date} {}", from.date(true), from.clock(), to.clock())
    };
    format!("{text} UTC, end excluded ({})", span(minutes))
}

/// The two largest of days, hours and minutes.
fn span(minutes: i64) -> String {
    let parts =
        [(minutes / MINUTES_PER_DAY, "d"), (minutes % MINUTES_PER_DAY / 60, "h"), (minutes % 60, "min")];
    let shown: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .take(2)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if shown.is_empty() { "under 1 min".to_owned() } else { shown.join(" ") }
}

/// Hours without objects: `11-12 02–07`; an end at midnight is 24 of the day before.
pub(super) fn gap(gap: &Range, with_year: bool, script: Script) -> String {
    let (Some(from), Some(to)) = (Stamp::parse(&gap.from), Stamp::parse(&gap.to)) else {
        return format!("{} – {}", script.text(&gap.from), script.text(&gap.to));
    };
    let hour = |stamp: Stamp<'_>| stamp.minute / 60;
    let start = format!("{} {:02}", from.date(with_year), hour(from));
    if from.day == to.day {
        format!("{start}–{:02}", hour(to))
    } else if from.day + 1 == to.day && to.minute == 0 {
        format!("{start}–24")
    } else {
        format!("{start} – {} {:02}", to.date(with_year), hour(to))
    }
}

/// Hours of a gap; `None` where its ends are no times.
pub(super) fn gap_hours(gap: &Range) -> Option<i64> {
    let (from, to) = (Stamp::parse(&gap.from)?, Stamp::parse(&gap.to)?);
    Some((to.day - from.day) * 24 + (to.minute - from.minute) / 60)
}

/// `11-18 09:01`, with seconds where there are any.
pub(crate) fn moment(text: &str, with_year: bool, script: Script) -> String {
    Stamp::parse(text)
        .map_or_else(|| script.text(text), |stamp| format!("{} {}", stamp.date(with_year), stamp.clock()))
}

/// `11-18`.
pub(crate) fn day(text: &str, with_year: bool, script: Script) -> String {
    Stamp::parse(text).map_or_else(|| script.text(text), |stamp| stamp.date(with_year).to_owned())
}

/// `11-18 09:01:07`, always with seconds.
pub(crate) fn second(text: &str, with_year: bool, script: Script) -> String {
    Stamp::parse(text).map_or_else(
        || script.text(text),
        |stamp| format!("{} {}", stamp.date(with_year), &stamp.text[11..19]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range_of(from: &str, to: &str) -> Range {
        Range { from: from.to_owned(), to: to.to_owned() }
    }

    #[test]
    fn ranges_say_no_more_than_they_need() {
        for (from, to, expected) in [
            ("2026-11-08T00:00:00Z", "2026-11-22T00:00:00Z", "2026-11-08 → 11-22 UTC, end excluded (14 d)"),
            (
                "2026-12-31T00:00:00Z",
                "2027-01-01T00:00:00Z",
                "2026-12-31 → 2027-01-01 UTC, end excluded (1 d)",
            ),
            ("2024-02-28T00:00:00Z", "2024-03-01T00:00:00Z", "2024-02-28 → 03-01 UTC, end excluded (2 d)"),
            (
                "2024-03-11T07:13:00Z",
                "2024-03-11T09:01:00Z",
                "2024-03-11 07:13 → 09:01 UTC, end excluded (1 h 48 min)",
            ),
            (
                "2024-03-11T23:00:30Z",
                "2024-03-13T00:00:00Z",
                "2024-03-11 23:00:30 → 03-13 00:00 UTC, end excluded (1 d 1 h)",
            ),
            ("@99", "+10000-01-01T00:00:00Z", "@99 → +10000-01-01T00:00:00Z UTC, end excluded"),
        ] {
            assert_eq!(range(&range_of(from, to), Script::Terminal), expected);
        }
    }

    #[test]
    fn gaps_are_half_open_hours() {
        for (from, to, expected, hours) in [
            ("2026-11-12T02:00:00Z", "2026-11-12T07:00:00Z", "11-12 02–07", 5),
            ("2026-11-12T22:00:00Z", "2026-11-13T00:00:00Z", "11-12 22–24", 2),
            ("2026-11-30T22:00:00Z", "2026-12-01T04:00:00Z", "11-30 22 – 12-01 04", 6),
        ] {
            assert_eq!(gap(&range_of(from, to), false, Script::Terminal), expected);
            assert_eq!(gap_hours(&range_of(from, to)), Some(hours));
        }
    }

    #[test]
    fn i05_a_time_that_is_none_is_escaped() {
        assert_eq!(moment("\x1b[2J", false, Script::Terminal), "\\x1b[2J");
        assert_eq!(
            moment("2024-03-11T07:00:00\u{9b}Z", false, Script::Terminal),
            "2024-03-11T07:00:00\\x9bZ"
        );
    }
}
