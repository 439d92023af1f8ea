//! What is asked of a run: grouping, series, filters, range, listing.
//!
//! In: the words of the command line, already split. Out: one [`Question`] that stays the same for the whole
//! run; summaries made for different questions cannot be merged. Absent: any clock ("now" is given) and any
//! parsing of times.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use borehole_record::{Facets, ProfileMap, Timestamp, identity};

use crate::charge::Charges;

/// One dimension of `--by`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Dimension {
    /// The account, 12 digits.
    Account,
    /// The source Region, where the quota lives.
    Region,
    /// The base model, whatever the spelling logged.
    Model,
    /// Where the model's quota lives (on-demand, geo, global, …).
    Scope,
    /// The caller's whole ARN.
    Identity,
    /// The role of an assumed-role ARN.
    Role,
    /// The session of an assumed-role ARN.
    Session,
    /// The API operation.
    Operation,
    /// The error code; a successful request has none.
    Error,
    /// The Region that ran the call, where a cross-Region profile was used.
    InferenceRegion,
    /// A kind of content in either body. A record has several: its groups may add up to more than the totals.
    ContentKind,
    /// The value of one key of `requestMetadata`.
    Tag(String),
    /// The UTC hour of the record's timestamp.
    Hour,
    /// The UTC day of the record's timestamp.
    Day,
    /// The UTC minute of the record's timestamp. Groups by minute carry no distributions.
    Minute,
}

impl Dimension {
    /// The word of `--by` and of the report's keys.
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Dimension::Account => "account",
            Dimension::Region => "region",
            Dimension::Model => "model",
            Dimension::Scope => "scope",
            Dimension::Identity => "identity",
            Dimension::Role => "role",
            Dimension::Session => "session",
            Dimension::Operation => "operation",
            Dimension::Error => "error",
            Dimension::InferenceRegion => "inference-region",
            Dimension::ContentKind => "content-kind",
            Dimension::Tag(key) => return Cow::Owned(format!("tag:{key}")),
            Dimension::Hour => "hour",
            Dimension::Day => "day",
            Dimension::Minute => "minute",
        })
    }

    /// Whether its values can be ranked: each record has exactly one (or none), and it is no time.
    #[must_use]
    pub fn can_rank(&self) -> bool {
        !self.is_time() && *self != Dimension::ContentKind
    }

    /// Whether its values are times, so that groups are ordered by key.
    pub(crate) fn is_time(&self) -> bool {
        matches!(self, Dimension::Hour | Dimension::Day | Dimension::Minute)
    }
}

impl FromStr for Dimension {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Ok(match word {
            "account" => Dimension::Account,
            "region" => Dimension::Region,
            "model" => Dimension::Model,
            "scope" => Dimension::Scope,
            "identity" => Dimension::Identity,
            "role" => Dimension::Role,
            "session" => Dimension::Session,
            "operation" => Dimension::Operation,
            "error" => Dimension::Error,
            "inference-region" => Dimension::InferenceRegion,
            "content-kind" => Dimension::ContentKind,
            "hour" => Dimension::Hour,
            "day" => Dimension::Day,
            "minute" => Dimension::Minute,
            _ => match word.strip_prefix("tag:") {
                Some(key) if !key.is_empty() => Dimension::Tag(key.to_owned()),
                _ => return Err(UnknownWord { expected: DIMENSION_WORDS }),
            },
        })
    }
}

const DIMENSION_WORDS: &str = "account, region, model, scope, identity, role, session, operation, error, \
                               inference-region, content-kind, tag:KEY, hour, day or minute";

/// The spacing of `--series`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grain {
    /// One point a minute.
    Minute,
    /// One point an hour.
    Hour,
    /// One point a day.
    Day,
}

impl FromStr for Grain {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "minute" => Ok(Grain::Minute),
            "hour" => Ok(Grain::Hour),
            "day" => Ok(Grain::Day),
            _ => Err(UnknownWord { expected: "minute, hour or day" }),
        }
    }
}

/// Which requests `--list` prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListKind {
    /// Successful requests over the threshold by input or by prompt, largest prompt first.
    HighToken,
    /// Failed requests, earliest first.
    Errors,
    /// Requests with an offloaded body, most known body bytes first.
    Large,
}

impl FromStr for ListKind {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "high-token" => Ok(ListKind::HighToken),
            "errors" => Ok(ListKind::Errors),
            "large" => Ok(ListKind::Large),
            _ => Err(UnknownWord { expected: "high-token, errors or large" }),
        }
    }
}

/// A word of the command line that names nothing here; displays as what was expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownWord {
    expected: &'static str,
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.expected)
    }
}

impl std::error::Error for UnknownWord {}

/// Which records count; an empty list admits all. Comparisons are exact and by bytes.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Filter {
    /// Base models, or spellings exactly as logged.
    pub models: Vec<String>,
    /// Source Regions.
    pub regions: Vec<String>,
    /// Accounts.
    pub accounts: Vec<String>,
    /// Whole identity ARNs, or names of roles, sessions or users.
    pub identities: Vec<String>,
    /// Operations.
    pub operations: Vec<String>,
}

impl Filter {
    /// The first reason, in the order of [`FilterReason`], to leave out a record with these strings.
    pub(crate) fn refuses(&self, facets: &Facets, base_model: &str) -> Option<FilterReason> {
        let admits = |wanted: &[String], value: Option<&str>| {
            wanted.is_empty() || value.is_some_and(|value| wanted.iter().any(|word| word == value))
        };
        if !admits(&self.models, Some(base_model)) && !admits(&self.models, Some(&facets.model_id)) {
            return Some(FilterReason::Model);
        }
        if !admits(&self.regions, facets.region.as_deref()) {
            return Some(FilterReason::Region);
        }
        if !admits(&self.accounts, facets.account.as_deref()) {
            return Some(FilterReason::Account);
        }
        let arn = facets.identity.as_deref();
        let caller = arn.map(identity::caller).unwrap_or_default();
        if ![arn, caller.role, caller.session, caller.user].iter().any(|&name| admits(&self.identities, name))
        {
            return Some(FilterReason::Identity);
        }
        (!admits(&self.operations, facets.operation.as_deref())).then_some(FilterReason::Operation)
    }
}

/// Why a record was set aside by the user's own question. The first that applies, in this order, is counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FilterReason {
    /// Outside the asked range.
    TimeRange,
    /// Another model.
    Model,
    /// Another source Region.
    Region,
    /// Another account.
    Account,
    /// Another caller.
    Identity,
    /// Another operation.
    Operation,
}

impl FilterReason {
    /// All, in their order.
    pub(crate) const ALL: [FilterReason; 6] = [
        FilterReason::TimeRange,
        FilterReason::Model,
        FilterReason::Region,
        FilterReason::Account,
        FilterReason::Identity,
        FilterReason::Operation,
    ];

    /// The word of the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            FilterReason::TimeRange => "time_range",
            FilterReason::Model => "model",
            FilterReason::Region => "region",
            FilterReason::Account => "account",
            FilterReason::Identity => "identity",
            FilterReason::Operation => "operation",
        }
    }
}

/// Everything that is asked; the same for the whole run.
#[derive(Clone, Debug)]
pub struct Question {
    /// The dimensions of the groups, in order; empty asks for the totals alone.
    pub by: Vec<Dimension>,
    /// The dimensions to rank the values of, in order; those that cannot be ranked are passed over.
    pub rank: Vec<Dimension>,
    /// Keep what [`crate::Totals::cube`] needs.
    pub cube: bool,
    /// Keep every active second of each group, so that groups that are chosen later add up exactly
    /// ([`crate::Selection`]): some 6 bytes each.
    pub all_seconds: bool,
    /// The series to give with the per-minute figures.
    pub series: Option<Grain>,
    /// Most groups to give; `None` gives all.
    pub top: Option<usize>,
    /// The requests to list.
    pub list: Option<ListKind>,
    /// Most requests to list.
    pub list_max: usize,
    /// Keep times before 2023 and more than a day after now in series, peaks, averages and the span.
    pub include_outliers: bool,
    /// The moment the run calls now.
    pub now: Timestamp,
    /// First moment asked for; inclusive.
    pub from: Option<Timestamp>,
    /// End of what is asked for; exclusive.
    pub to: Option<Timestamp>,
    /// Which records count.
    pub filter: Filter,
    /// What calls are charged against a quota.
    pub charges: Charges,
    /// Where not the time of the call but this one says which rates apply: for questions about a coming quota.
    pub charges_at: Option<Timestamp>,
    /// What application inference profiles were copied from.
    pub profiles: ProfileMap,
}

/// Everything there is, by account, Region, model and scope. `now` is the end of time: nothing lies ahead of it.
impl Default for Question {
    fn default() -> Self {
        Question {
            by: vec![Dimension::Account, Dimension::Region, Dimension::Model, Dimension::Scope],
            rank: Vec::new(),
            cube: false,
            all_seconds: false,
            series: None,
            top: None,
            list: None,
            list_max: LIST_MAX_DEFAULT,
            include_outliers: false,
            now: Timestamp { seconds: i64::MAX, nanos: 0 },
            from: None,
            to: None,
            filter: Filter::default(),
            charges: Charges::default(),
            charges_at: None,
            profiles: ProfileMap::default(),
        }
    }
}

/// A listing is for reading. Every hour keeps this many rows until the end, so a longer one costs memory.
const LIST_MAX_DEFAULT: usize = 100;

/// 2023-01-01T00:00:00Z: Bedrock wrote no invocation logs before that year.
const FIRST_PLAUSIBLE_SECOND: i64 = 1_672_531_200;

/// How far after now a clock may run ahead, in seconds.
const FUTURE_SECONDS_MAX: i64 = 86_400;

impl Question {
    /// The dimensions that are ranked.
    pub(crate) fn ranked(&self) -> impl Iterator<Item = &Dimension> {
        self.rank.iter().filter(|dimension| dimension.can_rank())
    }

    /// Whether a record of this time is outside the asked range.
    pub(crate) fn is_out_of_range(&self, time: Timestamp) -> bool {
        self.from.is_some_and(|from| time < from) || self.to.is_some_and(|to| time >= to)
    }

    /// Whether this time cannot be one of a real call (`time_outlier`).
    #[must_use]
    pub fn is_outlier(&self, time: Timestamp) -> bool {
        let last =
            Timestamp { seconds: self.now.seconds.saturating_add(FUTURE_SECONDS_MAX), nanos: self.now.nanos };
        time.seconds < FIRST_PLAUSIBLE_SECOND || time > last
    }
}

#[cfg(test)]
mod tests {
    use borehole_record::Call;

    use super::*;

    #[test]
    fn every_dimension_is_read_back_from_its_name() {
        let plain = "account region model scope identity role session operation error inference-region \
                     content-kind tag:team tag:a:b hour day minute";
        for word in plain.split_whitespace() {
            let dimension: Dimension = word.parse().expect(word);
            assert_eq!(dimension.name(), word);
        }
        for word in ["tag:", "Model", "", "tag", "week"] {
            assert!(word.parse::<Dimension>().is_err(), "{word}");
        }
    }

    #[test]
    fn times_and_kinds_of_content_cannot_be_ranked() {
        for word in "account error tag:team session inference-region".split(' ') {
            assert!(word.parse::<Dimension>().expect(word).can_rank(), "{word}");
        }
        for word in "hour day minute content-kind".split(' ') {
            assert!(!word.parse::<Dimension>().expect(word).can_rank(), "{word}");
        }
    }

    #[test]
    fn list_kinds_and_grains_are_known_by_their_words() {
        assert_eq!("high-token".parse(), Ok(ListKind::HighToken));
        assert_eq!("errors".parse(), Ok(ListKind::Errors));
        assert_eq!("large".parse(), Ok(ListKind::Large));
        assert!("high_token".parse::<ListKind>().is_err());
        assert_eq!("minute".parse(), Ok(Grain::Minute));
        assert_eq!("hour".parse(), Ok(Grain::Hour));
        assert_eq!("day".parse(), Ok(Grain::Day));
        assert_eq!("week".parse::<Grain>().unwrap_err().to_string(), "expected minute, hour or day");
    }

    #[test]
    fn f12_a_time_before_2023_or_over_a_day_ahead_is_an_outlier() {
        let now = Timestamp { seconds: 1_710_000_000, nanos: 5 };
        let question = Question { now, ..Question::default() };
        let at = |seconds, nanos| question.is_outlier(Timestamp { seconds, nanos });
        assert!(at(FIRST_PLAUSIBLE_SECOND - 1, 999_999_999));
        assert!(!at(FIRST_PLAUSIBLE_SECOND, 0));
        assert!(!at(now.seconds + 86_400, 5));
        assert!(at(now.seconds + 86_400, 6));
        assert!(!Question::default().is_outlier(Timestamp { seconds: i64::MAX, nanos: 0 }));
    }

    #[test]
    fn f13_the_range_is_half_open() {
        let at = |seconds| Timestamp { seconds, nanos: 0 };
        let question = Question { from: Some(at(10)), to: Some(at(20)), ..Question::default() };
        assert!(question.is_out_of_range(at(9)));
        assert!(!question.is_out_of_range(at(10)));
        assert!(!question.is_out_of_range(Timestamp { seconds: 19, nanos: 999_999_999 }));
        assert!(question.is_out_of_range(at(20)));
    }

    #[test]
    fn f14_the_first_filter_in_the_stated_order_is_the_reason() {
        let words = |word: &str| vec![word.to_owned()];
        let call = Call {
            account: Some("111122223333".into()),
            region: Some("eu-west-1".into()),
            model_id: "spelling".into(),
            operation: Some("Converse".into()),
            ..Call::default()
        };
        let facets = Facets {
            call: call.into(),
            identity: Some("arn:aws:sts::111122223333:assumed-role/Builder/ci-42".into()),
            ..Facets::default()
        };
        let mut filter = Filter {
            models: words("other"),
            regions: words("other"),
            accounts: words("other"),
            identities: words("other"),
            operations: words("other"),
        };
        let refuses = |filter: &Filter| filter.refuses(&facets, "base");
        assert_eq!(refuses(&filter), Some(FilterReason::Model));
        for spelling in ["spelling", "base"] {
            filter.models = words(spelling);
            assert_eq!(refuses(&filter), Some(FilterReason::Region));
        }
        filter.regions = words("eu-west-1");
        assert_eq!(refuses(&filter), Some(FilterReason::Account));
        filter.accounts = words("111122223333");
        assert_eq!(refuses(&filter), Some(FilterReason::Identity));
        for name in ["Builder", "ci-42", "arn:aws:sts::111122223333:assumed-role/Builder/ci-42"] {
            filter.identities = words(name);
            assert_eq!(refuses(&filter), Some(FilterReason::Operation));
        }
        filter.operations = words("Converse");
        assert_eq!(refuses(&filter), None);
        assert_eq!(filter.refuses(&Facets::default(), "base"), Some(FilterReason::Region));
    }
}
