//! Where everything of a dataset lies, and how hours are spelled in names.
//!
//! Always: a name that is written reads back as the same slot, for every hour that a log can hold; any other name is
//! not ours. The years 0 to 9999 are written as dates, which is what readers of `date=` expect; days beyond are `@`
//! and their number since 1970-01-01.

use std::path::{Path, PathBuf};

use borehole_record::{UtcDay, UtcHour};

use super::Slot;

/// The manifest, beside the streams: who looks into the directory should see whose it is. Readers of Parquet
/// directories (pyarrow, Spark, Athena) take every file for Parquet but those whose names begin with `_` or a dot.
pub(super) const MANIFEST: &str = "_borehole-dataset.json";
/// What is ours alone.
pub(super) const ROOM: &str = "_borehole";
/// The one name of rows, so that a new file replaces the old.
pub(super) const ROWS: &str = "invocations.parquet";
/// A stream's name with `stream=` before it and a date beside it has to fit in a file name of 255 bytes.
const STREAM_BYTES_MAX: usize = 200;

/// The paths under one root.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub root: PathBuf,
}

impl Places {
    pub(super) fn new(root: &Path) -> Self {
        Places { root: root.to_owned() }
    }

    pub(super) fn manifest(&self) -> PathBuf {
        self.root.join(MANIFEST)
    }

    pub(super) fn room(&self) -> PathBuf {
        self.root.join(ROOM)
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.room().join("lock")
    }

    /// Files that are still being written: one place, so that what a killed run left is found without a search.
    pub(super) fn new_files(&self) -> PathBuf {
        self.room().join("new")
    }

    pub(super) fn hours(&self) -> PathBuf {
        self.room().join("hours")
    }

    pub(super) fn answers(&self) -> PathBuf {
        self.room().join("answers")
    }

    /// The directory of a slot's state.
    pub(super) fn state_folder(&self, slot: Slot) -> PathBuf {
        match slot {
            Slot::None => self.hours(),
            Slot::Hour(hour) => self.hours().join(day_name(day_of(hour))),
        }
    }

    pub(super) fn state(&self, slot: Slot) -> PathBuf {
        self.state_folder(slot).join(state_name(slot))
    }

    /// The state while it is written; there and whole, it says that all of the slot's new files are.
    pub(super) fn new_state(&self, slot: Slot) -> PathBuf {
        self.new_files().join(format!("{}{NEW_STATE}", slot_name(slot)))
    }

    pub(super) fn stream(&self, stream: &str) -> PathBuf {
        self.root.join(format!("stream={stream}"))
    }

    /// The directory of one hour's rows.
    pub(super) fn rows_folder(&self, hour: UtcHour, stream: &str) -> PathBuf {
        let mut path = self.stream(stream);
        path.push(format!("date={}", day_name(day_of(hour))));
        path.push(format!("hour={}", hour_name(hour)));
        path
    }

    pub(super) fn rows(&self, hour: UtcHour, stream: &str) -> PathBuf {
        self.rows_folder(hour, stream).join(ROWS)
    }

    /// The rows while they are written. Not named `.parquet`: a glob must not find it.
    pub(super) fn new_rows(&self, slot: Slot, stream: &str) -> PathBuf {
        self.new_files().join(format!("{}.{stream}.rows", slot_name(slot)))
    }

    pub(super) fn question(&self, question: u128) -> PathBuf {
        self.answers().join(format!("{question:032x}"))
    }

    pub(super) fn answer(&self, question: u128, day: UtcDay) -> PathBuf {
        self.question(question).join(day_name(day))
    }

    pub(super) fn new_answer(&self, question: u128, day: UtcDay) -> PathBuf {
        self.new_files().join(format!("{question:032x}.{}.answer", day_name(day)))
    }
}

const NEW_STATE: &str = ".state";

/// The slot of a state that was being written.
pub(super) fn parse_new_state(name: &str) -> Option<Slot> {
    let slot = name.strip_suffix(NEW_STATE)?;
    if slot == NONE {
        return Some(Slot::None);
    }
    let (day, hour) = slot.split_once('T')?;
    parse_hour(parse_day(day)?, hour).map(Slot::Hour)
}

/// The question of a directory of answers.
pub(super) fn parse_question(name: &str) -> Option<u128> {
    let question = u128::from_str_radix(name, 16).ok()?;
    (format!("{question:032x}") == name).then_some(question)
}

/// The name of the state that belongs to no hour. No day is called so.
pub(super) const NONE: &str = "none";

fn state_name(slot: Slot) -> String {
    match slot {
        Slot::None => NONE.to_owned(),
        Slot::Hour(hour) => hour_name(hour),
    }
}

/// A slot in one word.
fn slot_name(slot: Slot) -> String {
    match slot {
        Slot::None => NONE.to_owned(),
        Slot::Hour(hour) => format!("{}T{}", day_name(day_of(hour)), hour_name(hour)),
    }
}

pub(super) fn day_of(hour: UtcHour) -> UtcDay {
    UtcDay(hour.0.div_euclid(24))
}

fn hour_name(hour: UtcHour) -> String {
    format!("{:02}", hour.0.rem_euclid(24))
}

/// `2024-03-11`, or `@2932897` where the year has no four digits.
pub(super) fn day_name(day: UtcDay) -> String {
    // RFC 3339 of the day's first second: other years have a sign before them, or are no calendar's at all.
    let mut moment = day.to_string();
    if moment.starts_with(|first: char| first.is_ascii_digit())
        && moment.len() == "2024-03-11T00:00:00Z".len()
    {
        moment.truncate("2024-03-11".len());
        moment
    } else {
        format!("@{}", day.0)
    }
}

/// The day of a name, in the one spelling that is written.
pub(super) fn parse_day(name: &str) -> Option<UtcDay> {
    let day = match name.strip_prefix('@') {
        Some(number) => UtcDay(number.parse().ok()?),
        None => {
            let mut parts = name.split('-').map(|part| part.parse::<u32>().ok());
            UtcDay::from_date(parts.next()??, parts.next()??, parts.next()??)?
        }
    };
    (day_name(day) == name).then_some(day)
}

/// The hour of a name within a day.
pub(super) fn parse_hour(day: UtcDay, name: &str) -> Option<UtcHour> {
    let hour: i64 = name.parse().ok()?;
    if !(0..24).contains(&hour) || format!("{hour:02}") != name {
        return None;
    }
    // Names beyond what an hour can count are nobody's; the first and the last day it can count are cut short.
    i64::try_from(i128::from(day.0) * 24 + i128::from(hour)).ok().map(UtcHour)
}

/// Whether a stream's name can be part of a path: nothing in it has a meaning there.
pub(super) fn is_stream(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty() && name.len() <= STREAM_BYTES_MAX && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hours() -> impl Strategy<Value = UtcHour> {
        prop_oneof![any::<i64>(), -30_000_000i64..80_000_000, 470_000i64..480_000].prop_map(UtcHour)
    }

    #[test]
    fn days_are_dates_while_their_year_has_four_digits() {
        for (year, month, day, name) in [
            (2024, 3, 11, "2024-03-11"),
            (0, 1, 1, "0000-01-01"),
            (9999, 12, 31, "9999-12-31"),
            (10_000, 1, 1, "@2932897"),
        ] {
            let day = UtcDay::from_date(year, month, day).expect("a day");
            assert_eq!(day_name(day), name);
            assert_eq!(parse_day(name), Some(day));
        }
        assert_eq!(day_name(UtcDay(-719_529)), "@-719529", "the day before the year 0");
    }

    #[test]
    fn other_spellings_are_not_ours() {
        for name in
            ["", "none", "2024-3-11", "2024-02-30", "+2024-03-11", "@0", "@", "2024-03-11-", "@+2932897"]
        {
            assert_eq!(parse_day(name), None, "{name}");
        }
        for name in ["", "7", "24", "+7", "007", "-1"] {
            assert_eq!(parse_hour(UtcDay(0), name), None, "{name}");
        }
        assert_eq!(parse_hour(UtcDay(i64::MAX), "00"), None);
        for hour in [UtcHour(i64::MIN), UtcHour(i64::MAX)] {
            assert_eq!(parse_hour(day_of(hour), &hour_name(hour)), Some(hour));
        }
        assert_eq!(parse_question("00ff"), None);
        for name in ["", "a/b", "..\0", "a b", "é", &"x".repeat(201)] {
            assert!(!is_stream(name), "{name}");
        }
        assert!(is_stream("aws-111122223333-us-east-1.0a_B"));
    }

    proptest! {
        #[test]
        fn every_hour_reads_back(hour in hours()) {
            let places = Places::new(Path::new("d"));
            let state = places.state(Slot::Hour(hour));
            let mut names = state.iter().rev().map(|name| name.to_str().expect("ASCII"));
            let (hour_name, day) = (names.next().expect("hour"), names.next().expect("day"));
            prop_assert_eq!(parse_hour(parse_day(day).expect("a day"), hour_name), Some(hour));
            let new = places.new_state(Slot::Hour(hour));
            let name = new.file_name().and_then(|name| name.to_str()).expect("a name");
            prop_assert_eq!(parse_new_state(name), Some(Slot::Hour(hour)));
        }

        #[test]
        fn no_name_panics(name in "\\PC{0,12}") {
            let _ = parse_day(&name).and_then(|day| parse_hour(day, &name));
            let _ = (parse_new_state(&name), parse_question(&name));
        }
    }
}
