//! UTC calendar: from seconds since the epoch to the spellings found in keys and records.
//!
//! Written out (days to civil date by Howard Hinnant's algorithm) so that this crate's truth shares no code
//! with the program it checks.

/// Seconds in an hour.
pub(crate) const HOUR: i64 = 3_600;
/// Seconds in a day.
pub(crate) const DAY: i64 = 86_400;

/// (year, month, day) of a day since the epoch.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096).div_euclid(365);
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_month)
}

/// `2024-03-11`
fn date(seconds: i64) -> String {
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

/// `07:08:09`
fn clock(seconds: i64) -> String {
    let of_day = seconds.rem_euclid(DAY);
    format!("{:02}:{:02}:{:02}", of_day / HOUR, of_day / 60 % 60, of_day % 60)
}

/// `2024-03-11T07:08:09Z`
pub(crate) fn rfc3339(seconds: i64) -> String {
    format!("{}T{}Z", date(seconds), clock(seconds))
}

/// `2024/03/11`
pub(crate) fn day_folder(seconds: i64) -> String {
    date(seconds).replace('-', "/")
}

/// `2024/03/11/07`, from an hour since the epoch.
pub(crate) fn hour_folder(hour: i64) -> String {
    format!("{}/{:02}", day_folder(hour * HOUR), hour.rem_euclid(24))
}

/// `20240311T070809123Z`
pub(crate) fn file_stamp(seconds: i64, millis: u64) -> String {
    format!("{}T{}{millis:03}Z", date(seconds).replace('-', ""), clock(seconds).replace(':', ""))
}

/// How a record spells its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stamp {
    /// `2024-03-11T07:08:09Z`, as Bedrock writes it.
    Zulu,
    /// `2024-03-11T07:08:09.250Z`
    Millis,
    /// `2024-03-11T07:08:09+00:00`
    Offset,
    /// `2024-03-11T09:08:09+02:00`: the same moment, another hour on its face.
    Shifted,
    /// `2024-03-11 07:08:09.000000000`: no offset, read as UTC with a warning.
    Spaced,
}

impl Stamp {
    /// The text, and the nanoseconds that it adds to the whole seconds.
    pub(crate) fn text(self, seconds: i64) -> (String, u32) {
        match self {
            Stamp::Zulu => (rfc3339(seconds), 0),
            Stamp::Millis => (format!("{}T{}.250Z", date(seconds), clock(seconds)), 250_000_000),
            Stamp::Offset => (format!("{}T{}+00:00", date(seconds), clock(seconds)), 0),
            Stamp::Shifted => {
                let local = seconds + 2 * HOUR;
                (format!("{}T{}+02:00", date(local), clock(local)), 0)
            }
            Stamp::Spaced => (format!("{} {}.000000000", date(seconds), clock(seconds)), 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_have_their_names() {
        // The epoch, a leap day, and 2^31 seconds.
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_709_164_800), "2024-02-29T00:00:00Z");
        assert_eq!(rfc3339(1 << 31), "2038-01-19T03:14:08Z");
        assert_eq!(hour_folder(1_710_115_200 / HOUR + 7), "2024/03/11/07");
        assert_eq!(file_stamp(1_710_115_200, 5), "20240311T000000005Z");
    }

    #[test]
    fn every_spelling_names_the_same_moment() {
        let seconds = 1_710_115_200 + 23 * HOUR + 61;
        assert_eq!(Stamp::Shifted.text(seconds).0, "2024-03-12T01:01:01+02:00");
        assert_eq!(Stamp::Spaced.text(seconds).0, "2024-03-11 23:01:01.000000000");
        assert_eq!(Stamp::Millis.text(seconds), ("2024-03-11T23:01:01.250Z".into(), 250_000_000));
    }
}
