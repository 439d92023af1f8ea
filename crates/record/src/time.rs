//! UTC time as the logs and the totals need it: seconds, minutes, hours and days since the epoch.
//!
//! In: the log's timestamps and the range ends that users write, as text. Out: [`Timestamp`]s and units of
//! UTC. Always: no text makes anything here panic, and no moment fails to print. No clock is read here, and
//! no time zone is known but UTC and the offset written in a timestamp. Calendar rules and formatting are chrono's.

use std::fmt;

use chrono::NaiveDate;

/// A moment: whole seconds since 1970-01-01T00:00:00Z, and nanoseconds within the second.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timestamp {
    /// Seconds since the epoch (may be before it).
    pub seconds: i64,
    /// 0…999,999,999.
    pub nanos: u32,
}

impl Timestamp {
    /// The moment this many milliseconds after the epoch (before it, where negative).
    #[must_use]
    pub fn from_epoch_ms(ms: i64) -> Self {
        // 0…999 ms: the cast cannot cut.
        Timestamp { seconds: ms.div_euclid(1_000), nanos: ms.rem_euclid(1_000) as u32 * 1_000_000 }
    }

    /// A whole second since the epoch.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        Timestamp { seconds, nanos: 0 }
    }
}

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident, $seconds:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl $name {
            /// Length of the unit in seconds.
            pub const SECONDS: i64 = $seconds;

            /// The unit that holds this moment.
            #[must_use]
            pub fn of(timestamp: Timestamp) -> Self {
                $name(timestamp.seconds.div_euclid(Self::SECONDS))
            }

            /// First second of the unit, since the epoch.
            #[must_use]
            pub fn start_seconds(self) -> i64 {
                self.0.saturating_mul(Self::SECONDS)
            }
        }

        /// RFC 3339 of the unit's first second, `2024-03-11T07:00:00Z`.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Timestamp { seconds: self.start_seconds(), nanos: 0 }.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

unit!(
    /// A UTC second since the epoch.
    UtcSecond,
    1
);
unit!(
    /// A clock-aligned UTC minute since the epoch.
    UtcMinute,
    60
);
unit!(
    /// A UTC hour since the epoch.
    UtcHour,
    3_600
);
unit!(
    /// A UTC day since the epoch.
    UtcDay,
    86_400
);

impl UtcDay {
    /// A day of the Gregorian calendar, or `None` if there is no such day.
    #[must_use]
    pub fn from_date(year: u32, month: u32, day: u32) -> Option<Self> {
        let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
        Some(UtcDay(i64::from(date.to_epoch_days())))
    }

    /// An hour of this day, or `None` if `hour` is not below 24.
    #[must_use]
    pub fn hour(self, hour: u32) -> Option<UtcHour> {
        (hour < 24).then(|| UtcHour(self.0.saturating_mul(24).saturating_add(i64::from(hour))))
    }
}

/// RFC 3339 with a `Z`, whole seconds unless there are nanoseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match chrono::DateTime::from_timestamp(self.seconds, self.nanos) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
            None => write!(f, "@{}", self.seconds),
        }
    }
}

/// What was odd about a timestamp that could be read.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct TimestampNote {
    /// The space-separated form without an offset: read as UTC ([`crate::Warning::TimestampNoOffset`]).
    pub no_offset: bool,
    /// Second 60 anywhere but at 23:59:60 UTC ([`crate::Warning::LeapSecond`]).
    pub leap_second: bool,
}

/// Reads a timestamp of the log: `YYYY-MM-DDTHH:MM:SS[.fraction]` followed by `Z` or `±HH:MM`.
///
/// `t`, `z`, `-00:00` and fractions of any length are accepted (digits past the ninth are dropped). With a
/// space in place of the `T` the offset may be missing, which means UTC. Second 60 is read as second 59: it
/// stays in its minute. Anything else is `None`.
#[must_use]
pub fn parse_timestamp(text: &[u8]) -> Option<(Timestamp, TimestampNote)> {
    let (date_and_time, rest) = text.split_at_checked(19)?;
    let separator = date_and_time[10];
    let punctuation = [date_and_time[4], date_and_time[7], date_and_time[13], date_and_time[16]];
    if punctuation != *b"--::" || !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    let day = UtcDay::from_date(
        digits(&date_and_time[0..4])?,
        digits(&date_and_time[5..7])?,
        digits(&date_and_time[8..10])?,
    )?;
    let hour = digits(&date_and_time[11..13])?;
    let minute = digits(&date_and_time[14..16])?;
    let second = digits(&date_and_time[17..19])?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (nanos, offset) = match rest.split_first() {
        Some((b'.', fraction)) => parse_fraction(fraction)?,
        _ => (0, rest),
    };
    let offset_seconds = match parse_offset(offset) {
        Some(seconds) => seconds,
        None if separator == b' ' && offset.is_empty() => 0,
        None => return None,
    };
    let seconds =
        day.start_seconds() + i64::from(hour * 3_600 + minute * 60 + second.min(59)) - offset_seconds;
    let in_last_minute_of_day = seconds.rem_euclid(UtcDay::SECONDS) >= UtcDay::SECONDS - UtcMinute::SECONDS;
    let note =
        TimestampNote { no_offset: offset.is_empty(), leap_second: second == 60 && !in_last_minute_of_day };
    Some((Timestamp { seconds, nanos }, note))
}

/// Digits after the point: (nanoseconds, what follows). At least one digit is needed.
fn parse_fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let length = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (fraction, rest) = text.split_at(length);
    let kept = &fraction[..length.min(9)];
    let nanos = digits(kept)? * 10u32.pow(9 - kept.len() as u32);
    Some((nanos, rest))
}

/// `Z` or `±HH:MM` as seconds east of UTC.
fn parse_offset(text: &[u8]) -> Option<i64> {
    match text {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let hours = digits(&[*h1, *h2])?;
            let minutes = digits(&[*m1, *m2])?;
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = i64::from(hours * 3_600 + minutes * 60);
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

/// One to nine ASCII digits as a number.
fn digits(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 9 {
        return None;
    }
    let mut number = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u32::from(digit);
    }
    Some(number)
}

/// Reads an end of a range as users write it: the half-open span of time that the text names.
///
/// A day (`2024-03-11`, `2024/03/11`), a month (`2024-03`, `2024/03`) and an hour's folder (`2024/03/11/07`)
/// are as long as they say. A clock time is an instant, whose start is its end: RFC 3339, the log's own
/// spellings of [`parse_timestamp`], and `2024-03-11T07:00` with or without a `Z`, in UTC.
#[must_use]
pub fn parse_range_end(text: &str) -> Option<(Timestamp, Timestamp)> {
    let text = text.as_bytes();
    let instant = |text: &[u8]| parse_timestamp(text).map(|(instant, _)| (instant, instant));
    if let Some((minute, b"" | b"Z" | b"z")) = text.split_at_checked(16) {
        return instant(&[minute, b":00Z"].concat());
    }
    let span = match text.len() {
        7 | 10 if text[4] == b'-' => {
            let folder: Vec<u8> = text.iter().map(|&byte| if byte == b'-' { b'/' } else { byte }).collect();
            // A mixed `2024-03/11` is neither form.
            if text.contains(&b'/') { None } else { folder_span(&folder) }
        }
        7 | 10 | 13 => folder_span(text),
        _ => return instant(text),
    };
    let (from, to) = span?;
    Some((Timestamp::from_seconds(from.start_seconds()), Timestamp::from_seconds(to.start_seconds())))
}

/// The half-open span of a folder `YYYY[/MM[/DD[/HH]]]`, `None` where the text is anything else or the calendar
/// has no such date.
pub(crate) fn folder_span(date: &[u8]) -> Option<(UtcHour, UtcHour)> {
    let slashes_at = |places: &[usize]| places.iter().all(|&place| date[place] == b'/');
    let first_hour = |year, month, day| UtcDay::from_date(year, month, day)?.hour(0);
    let year = digits(date.get(..4)?)?;
    match date.len() {
        4 => Some((first_hour(year, 1, 1)?, first_hour(year + 1, 1, 1)?)),
        7 if slashes_at(&[4]) => {
            let month = digits(&date[5..7])?;
            let from = first_hour(year, month, 1)?;
            let to = if month == 12 { first_hour(year + 1, 1, 1) } else { first_hour(year, month + 1, 1) };
            Some((from, to?))
        }
        10 if slashes_at(&[4, 7]) => {
            let from = first_hour(year, digits(&date[5..7])?, digits(&date[8..10])?)?;
            Some((from, UtcHour(from.0 + 24)))
        }
        13 if slashes_at(&[4, 7, 10]) => {
            let day = UtcDay::from_date(year, digits(&date[5..7])?, digits(&date[8..10])?)?;
            let from = day.hour(digits(&date[11..13])?)?;
            Some((from, UtcHour(from.0 + 1)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;

    const PLAIN: TimestampNote = TimestampNote { no_offset: false, leap_second: false };

    /// What chrono makes of an RFC 3339 text.
    fn by_chrono(text: &str) -> Timestamp {
        let time = DateTime::parse_from_rfc3339(text).expect("RFC 3339");
        Timestamp { seconds: time.timestamp(), nanos: time.timestamp_subsec_nanos() }
    }

    #[test]
    fn f09_every_spelling_of_a_moment_is_that_moment() {
        let whole = by_chrono("2024-03-11T07:08:09Z");
        let with_nanos = |nanos| Timestamp { nanos, ..whole };
        let cases = [
            ("2024-03-11T07:08:09Z", whole),
            ("2024-03-11t07:08:09z", whole),
            ("2024-03-11T07:08:09+00:00", whole),
            ("2024-03-11T07:08:09-00:00", whole),
            ("2024-03-11T09:38:09+02:30", whole),
            ("2024-03-10T07:09:09-23:59", whole),
            ("2024-03-11 07:08:09Z", whole),
            ("2024-03-11 08:08:09+01:00", whole),
            ("2024-03-11T07:08:09.0Z", whole),
            ("2024-03-11T07:08:09.5Z", with_nanos(500_000_000)),
            ("2024-03-11T07:08:09.051+00:00", with_nanos(51_000_000)),
            ("2024-03-11T07:08:09.123456789Z", with_nanos(123_456_789)),
            ("2024-03-11T07:08:09.1234567899999999999999Z", with_nanos(123_456_789)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_timestamp(text.as_bytes()), Some((expected, PLAIN)), "{text}");
        }
    }

    #[test]
    fn f10_second_60_stays_in_its_minute_and_warns_unless_the_day_ends() {
        let cases = [
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z", false),
            ("2017-01-01T08:59:60.25+09:00", "2016-12-31T23:59:59.25Z", false),
            ("2016-12-31T23:59:60+09:00", "2016-12-31T14:59:59Z", true),
            ("2016-12-31T12:00:60Z", "2016-12-31T12:00:59Z", true),
            ("2016-12-31T23:58:60Z", "2016-12-31T23:58:59Z", true),
            ("2017-01-01T00:00:60Z", "2017-01-01T00:00:59Z", true),
        ];
        for (text, expected, leap_second) in cases {
            let note = TimestampNote { leap_second, ..PLAIN };
            assert_eq!(parse_timestamp(text.as_bytes()), Some((by_chrono(expected), note)), "{text}");
        }
    }

    #[test]
    fn f11_only_the_space_form_may_lack_an_offset_and_says_so() {
        let note = TimestampNote { no_offset: true, ..PLAIN };
        for (text, utc) in [
            ("2024-03-11 07:08:09", "2024-03-11T07:08:09Z"),
            ("2024-03-11 07:08:09.000000001", "2024-03-11T07:08:09.000000001Z"),
        ] {
            assert_eq!(parse_timestamp(text.as_bytes()), Some((by_chrono(utc), note)), "{text}");
        }
        assert_eq!(parse_timestamp(b"2024-03-11T07:08:09"), None);
        assert_eq!(parse_timestamp(b"2024-03-11T07:08:09.5"), None);
    }

    #[test]
    fn f11_what_is_not_a_time_is_none() {
        let not_times = [
            "",
            "1710140889",
            "1710140889000",
            "2024-03-11",
            "2024-03-11T07:08Z",
            "2024-03-11T24:00:00Z",
            "2024-03-11T07:60:09Z",
            "2024-03-11T07:08:61Z",
            "2024-02-30T07:08:09Z",
            "2023-02-29T07:08:09Z",
            "2024-00-11T07:08:09Z",
            "2024-13-11T07:08:09Z",
            "2024-03-11T07:08:09+24:00",
            "2024-03-11T07:08:09+00:60",
            "2024-03-11T07:08:09+0000",
            "2024-03-11T07:08:09+00",
            "2024-03-11T07:08:09 Z",
            "2024-03-11 07:08:09 ",
            "2024-03-11T07:08:09.Z",
            "2024-03-11 07:08:09.",
            "2024-03-11T07:08:09,5Z",
            "2024-03-11T07:08:09ZZ",
            " 2024-03-11T07:08:09Z",
            "2024-03-11_07:08:09Z",
            "2024/03/11T07:08:09Z",
            "+024-03-11T07:08:09Z",
            "2024-03-11T07:08:\u{0669}Z",
        ];
        for text in not_times {
            assert_eq!(parse_timestamp(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_range_end_is_the_span_that_its_text_names() {
        let cases = [
            ("2024-03-11T07:08:09Z", "2024-03-11T07:08:09Z", "2024-03-11T07:08:09Z"),
            ("2024-03-11T09:08:09.5+02:00", "2024-03-11T07:08:09.5Z", "2024-03-11T07:08:09.5Z"),
            ("2024-03-11T07:08", "2024-03-11T07:08:00Z", "2024-03-11T07:08:00Z"),
            ("2024-03-11T07:08Z", "2024-03-11T07:08:00Z", "2024-03-11T07:08:00Z"),
            ("2024-03-11 07:08", "2024-03-11T07:08:00Z", "2024-03-11T07:08:00Z"),
            ("2024-03-11", "2024-03-11T00:00:00Z", "2024-03-12T00:00:00Z"),
            ("2024/03/11", "2024-03-11T00:00:00Z", "2024-03-12T00:00:00Z"),
            ("2024/03/11/07", "2024-03-11T07:00:00Z", "2024-03-11T08:00:00Z"),
            ("2024/12/31/23", "2024-12-31T23:00:00Z", "2025-01-01T00:00:00Z"),
            ("2024-02", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
            ("2024/12", "2024-12-01T00:00:00Z", "2025-01-01T00:00:00Z"),
        ];
        for (text, from, to) in cases {
            assert_eq!(parse_range_end(text), Some((by_chrono(from), by_chrono(to))), "{text}");
        }
        let none = [
            "",
            "2024",
            "20240311",
            "2024-13",
            "2024-02-30",
            "2024/02/30",
            "2024-03/11",
            "2024/03-11",
            "2024/03/11/24",
            "2024-03-11-07",
            "2024-03-11T07",
            "2024-03-11T24:00",
            "2024-03-11T07:08z ",
            "2024/03/11/07/08",
            "yesterday",
            "2024-03-1\u{0661}",
        ];
        for text in none {
            assert_eq!(parse_range_end(text), None, "{text}");
        }
    }

    #[test]
    fn far_years_print_without_panic() {
        let edges =
            [DateTime::<chrono::Utc>::MIN_UTC.timestamp(), DateTime::<chrono::Utc>::MAX_UTC.timestamp()];
        for edge in edges {
            for seconds in [edge - 1, edge, edge + 1] {
                for nanos in [0, 1, 999_999_999] {
                    assert!(!Timestamp { seconds, nanos }.to_string().is_empty());
                }
            }
        }
        assert_eq!(Timestamp::from_seconds(i64::MAX).to_string(), format!("@{}", i64::MAX));
        assert_eq!(UtcDay(i64::MIN).to_string(), format!("@{}", i64::MIN));
        assert_eq!(by_chrono("9999-12-31T23:59:59Z").to_string(), "9999-12-31T23:59:59Z");
    }

    proptest! {
        #[test]
        fn a_valid_timestamp_is_what_chrono_says(
            seconds in by_chrono("0001-01-01T00:00:00Z").seconds..by_chrono("9999-12-30T00:00:00Z").seconds,
            nanos in 0..1_000_000_000u32,
            offset_minutes in -1_439..1_440i32,
        ) {
            let offset = chrono::FixedOffset::east_opt(offset_minutes * 60).expect("less than a day");
            let local = DateTime::from_timestamp(seconds, nanos).expect("in range").with_timezone(&offset);
            for format in [chrono::SecondsFormat::Secs, chrono::SecondsFormat::Millis, chrono::SecondsFormat::AutoSi] {
                let text = local.to_rfc3339_opts(format, true);
                prop_assert_eq!(parse_timestamp(text.as_bytes()), Some((by_chrono(&text), PLAIN)), "{}", text);
            }
        }

        #[test]
        fn what_looks_like_a_timestamp_is_read_as_chrono_reads_it(
            text in "[0-9]{4}-[01][0-9]-[0-3][0-9][Tt][0-2][0-9]:[0-6][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|z|[+-][0-2][0-9]:[0-6][0-9])",
        ) {
            let expected = DateTime::parse_from_rfc3339(&text).ok().map(|_| (by_chrono(&text), PLAIN));
            prop_assert_eq!(parse_timestamp(text.as_bytes()), expected);
        }

        #[test]
        fn a_printed_timestamp_reads_back(seconds in -62_135_596_800i64..253_402_300_800, nanos in 0..1_000_000_000u32) {
            let timestamp = Timestamp { seconds, nanos };
            prop_assert_eq!(parse_timestamp(timestamp.to_string().as_bytes()), Some((timestamp, PLAIN)));
        }

        #[test]
        fn epoch_milliseconds_lose_nothing(ms: i64) {
            let timestamp = Timestamp::from_epoch_ms(ms);
            prop_assert!(timestamp.nanos < 1_000_000_000);
            let back = i128::from(timestamp.seconds) * 1_000 + i128::from(timestamp.nanos / 1_000_000);
            prop_assert_eq!(back, i128::from(ms));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,30}", bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse_range_end(&text);
            let _ = parse_timestamp(text.as_bytes());
            let _ = parse_timestamp(&bytes);
        }
    }
}
