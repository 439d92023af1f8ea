//! Logs written by hand, and the way from files to a sheet.

#![allow(dead_code, reason = "each test file uses its part")]

use borehole_quota::cloudwatch::{
    CloudWatch, CloudWatchError, Compared, Explanation, LogCounts, Period, Reconciliation, Sum, reconcile,
};
use borehole_quota::{Attempt, CallerId, Ending, QuotaKey};
use borehole_record::{Count, ProfileMap, Scope, Timestamp};
use borehole_usage::{Charge, MaxTokens, Tokens};

/// 2024-03-11T07:00:00Z: seconds of calls are counted from here.
pub(crate) const START: i64 = 1_710_140_400;
/// The one model of these tests, as a caller spells it.
pub(crate) const MODEL: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

pub(crate) const FIVEFOLD: Charge = Charge {
    burndown: Some(5),
    max_output_tokens: Some(64_000),
    input_includes_cache: false,
    reserves_cache_reads: false,
};

/// A moment, in seconds from the start.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(START + second)
}

/// One attempt of a log.
#[derive(Clone, Copy)]
pub(crate) struct Call(Attempt);

impl Call {
    fn new(second: i64, ending: Ending) -> Self {
        let tokens = Tokens {
            input: Count::UNKNOWN,
            output: Count::UNKNOWN,
            cache_read: Count::UNKNOWN,
            cache_write: Count::UNKNOWN,
            max_tokens: MaxTokens::Unset,
        };
        Call(Attempt {
            second: START + second,
            ending,
            tokens,
            latency_ms: Count::UNKNOWN,
            caller: CallerId(0),
        })
    }

    pub(crate) fn ok(second: i64) -> Self {
        Call::new(second, Ending::Successful).input(10).output(1)
    }

    pub(crate) fn throttled(second: i64) -> Self {
        Call::new(second, Ending::Throttled)
    }

    pub(crate) fn failed(second: i64) -> Self {
        Call::new(second, Ending::Failed)
    }

    pub(crate) fn without_tokens(mut self) -> Self {
        self.0.tokens.input = Count::UNKNOWN;
        self.0.tokens.output = Count::UNKNOWN;
        self
    }

    pub(crate) fn input(mut self, tokens: u64) -> Self {
        self.0.tokens.input = Count::known(tokens);
        self
    }

    pub(crate) fn output(mut self, tokens: u64) -> Self {
        self.0.tokens.output = Count::known(tokens);
        self
    }

    pub(crate) fn cache(mut self, read: u64, write: u64) -> Self {
        self.0.tokens.cache_read = Count::known(read);
        self.0.tokens.cache_write = Count::known(write);
        self
    }

    pub(crate) fn took_ms(mut self, latency: u64) -> Self {
        self.0.latency_ms = Count::known(latency);
        self
    }
}

pub(crate) fn key() -> QuotaKey {
    QuotaKey {
        account: Some("111122223333".into()),
        region: Some("us-east-1".into()),
        model: "anthropic.claude-sonnet-4-5-20250929-v1:0".into(),
        scope: Scope::Geo,
    }
}

pub(crate) fn cloudwatch(text: &str) -> CloudWatch {
    let mut cloudwatch = CloudWatch::default();
    cloudwatch.read(text.as_bytes()).expect("a fine file");
    cloudwatch
}

/// A wide CSV of minutes from the start: a header of metrics, then their values.
pub(crate) fn by_minute(metrics: &str, minutes: &[&str]) -> CloudWatch {
    let rows: Vec<String> = minutes
        .iter()
        .enumerate()
        .map(|(minute, cells)| format!("{},{cells}\n", START + minute as i64 * 60))
        .collect();
    cloudwatch(&format!("timestamp,{metrics}\n{}", rows.concat()))
}

pub(crate) fn log_of(cloudwatch: &CloudWatch, calls: &[Call]) -> LogCounts {
    log_at(cloudwatch, calls, FIVEFOLD)
}

pub(crate) fn log_at(cloudwatch: &CloudWatch, calls: &[Call], charge: Charge) -> LogCounts {
    let mut log = cloudwatch.log_counts().expect("a period");
    log.add(&key(), calls.iter().map(|call| call.0), |_| charge);
    log
}

pub(crate) fn try_reconciled(
    cloudwatch: &CloudWatch,
    log: &LogCounts,
    sheet: Option<Period>,
) -> Result<Reconciliation, CloudWatchError> {
    reconcile(cloudwatch, log, &ProfileMap::default(), sheet)
}

pub(crate) fn reconciled(cloudwatch: &CloudWatch, log: &LogCounts) -> Reconciliation {
    try_reconciled(cloudwatch, log, None).expect("a sheet")
}

pub(crate) fn sum(sheet: &Reconciliation, compared: Compared) -> Sum {
    *sheet.sums.iter().find(|sum| sum.compared == compared).expect("every line")
}

/// The explanations but those that only say which reading was taken.
pub(crate) fn findings(sheet: &Reconciliation) -> Vec<Explanation> {
    let found = sheet.explanations.iter().copied();
    found.filter(|found| !matches!(found, Explanation::Definition { .. })).collect()
}

pub(crate) fn attempts(calls: &[Call]) -> Vec<Attempt> {
    calls.iter().map(|call| call.0).collect()
}
