//! UTC time as the logs and the totals need it: seconds, minutes, hours and days since the epoch.
//!
//! No clock is read here. Formatting and calendar rules are chrono's.

use std::fmt;

/// A moment: whole seconds since 1970-01-01T00:00:00Z, and nanoseconds within the second.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timestamp {
    /// Seconds since the epoch (may be before it).
    pub seconds: i64,
    /// 0…999,999,999.
    pub nanos: u32,
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

/// RFC 3339 with a `Z`, whole seconds unless there are nanoseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match chrono::DateTime::from_timestamp(self.seconds, self.nanos) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
            None => write!(f, "@{}", self.seconds),
        }
    }
}
