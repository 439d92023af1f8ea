//! Hand-made logs: calls in plain words to a book of attempts.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::sync::Arc;

use borehole_quota::{AttemptBook, Keep, KeyAttempts};
use borehole_record::{
    Call as LoggedCall, ContentKinds, Count, Facets, Invocation, ProfileMap, RequestId, Timestamp, UtcHour,
};
use borehole_usage::{Charge, MaxTokens};

/// A day's first hour, so that days and hours of a log begin where the test says.
pub(crate) const START: i64 = 20_000 * 86_400;

/// The rates of the tests' model.
pub(crate) const CHARGE: Charge = Charge {
    burndown: Some(5),
    max_output_tokens: Some(64_000),
    input_includes_cache: false,
    reserves_cache_reads: false,
};

/// One call of a log.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Since [`START`].
    pub(crate) second: i64,
    pub(crate) identity: Option<String>,
    pub(crate) tag: Option<String>,
    pub(crate) model_id: &'static str,
    pub(crate) error_code: Option<&'static str>,
    pub(crate) input: Option<u64>,
    pub(crate) output: Option<u64>,
    pub(crate) cache_read: Option<u64>,
    pub(crate) cache_write: Option<u64>,
    pub(crate) max_tokens: MaxTokens,
    pub(crate) latency_ms: Option<u64>,
}

impl Call {
    /// A successful call at the start without tokens.
    pub(crate) fn by(identity: &str) -> Self {
        Call { identity: Some(identity.to_owned()), ..Call::anonymous() }
    }

    pub(crate) fn anonymous() -> Self {
        Call {
            second: 0,
            identity: None,
            tag: None,
            model_id: "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            error_code: None,
            input: Some(0),
            output: Some(0),
            cache_read: None,
            cache_write: None,
            max_tokens: MaxTokens::Set(0),
            latency_ms: Some(1_000),
        }
    }

    pub(crate) fn at(self, second: i64) -> Self {
        Call { second, ..self }
    }

    pub(crate) fn tokens(self, input: u64, output: u64) -> Self {
        Call { input: Some(input), output: Some(output), ..self }
    }

    pub(crate) fn max_tokens(self, tokens: u64) -> Self {
        Call { max_tokens: MaxTokens::Set(tokens), ..self }
    }

    pub(crate) fn unset(self) -> Self {
        Call { max_tokens: MaxTokens::Unset, ..self }
    }

    pub(crate) fn tag(self, tag: &str) -> Self {
        Call { tag: Some(tag.to_owned()), ..self }
    }

    pub(crate) fn model(self, model_id: &'static str) -> Self {
        Call { model_id, ..self }
    }

    /// The record of a throttle: no tokens, no latency.
    pub(crate) fn throttled(self) -> Self {
        Call {
            error_code: Some("ThrottlingException"),
            input: None,
            output: None,
            max_tokens: MaxTokens::Unknown,
            latency_ms: None,
            ..self
        }
    }

    fn invocation(&self, id: usize) -> Invocation {
        let call = LoggedCall {
            account: Some("111122223333".into()),
            region: Some("us-east-1".into()),
            model_id: self.model_id.into(),
            error_code: self.error_code.map(Into::into),
            ..LoggedCall::default()
        };
        let tags = self.tag.iter().map(|tag| ("app".into(), tag.as_str().into())).collect();
        let facets = Facets {
            call: call.into(),
            identity: self.identity.as_deref().map(Into::into),
            tags,
            ..Facets::default()
        };
        let is_seen = self.max_tokens != MaxTokens::Unknown;
        Invocation {
            timestamp: Timestamp::from_seconds(START + self.second),
            request_id: RequestId::Uuid((id as u128).to_be_bytes()),
            facets: Arc::new(facets),
            input_tokens: self.input.into(),
            output_tokens: self.output.into(),
            cache_read_tokens: self.cache_read.into(),
            cache_write_tokens: self.cache_write.into(),
            cache_write_5m_tokens: Count::UNKNOWN,
            cache_write_1h_tokens: Count::UNKNOWN,
            max_tokens: match self.max_tokens {
                MaxTokens::Set(tokens) => Some(tokens).into(),
                MaxTokens::Unset | MaxTokens::Unknown => Count::UNKNOWN,
            },
            latency_ms: self.latency_ms.into(),
            first_byte_ms: Count::UNKNOWN,
            input_bytes: Count::UNKNOWN,
            output_bytes: Count::UNKNOWN,
            input_kinds: if is_seen { ContentKinds::TEXT } else { ContentKinds::default() },
            output_kinds: ContentKinds::default(),
            images: 0,
            documents: 0,
            http_status: 0,
            input_large: false,
            output_large: false,
            payload_lost: false,
            object: 0,
            offset: id as u64,
        }
    }
}

/// A book of the calls, observed in the order given; their ids are by time, so that they do not depend on it.
pub(crate) fn book_of(calls: &[Call], keep: Keep) -> AttemptBook {
    let mut order: Vec<usize> = (0..calls.len()).collect();
    order.sort_by_cached_key(|&at| (calls[at].second, format!("{:?}", calls[at])));
    let mut ids = vec![0; calls.len()];
    order.iter().enumerate().for_each(|(id, &at)| ids[at] = id);
    let mut hours: BTreeMap<UtcHour, Vec<Invocation>> = BTreeMap::new();
    for (call, id) in calls.iter().zip(ids) {
        let invocation = call.invocation(id);
        hours.entry(UtcHour::of(invocation.timestamp)).or_default().push(invocation);
    }
    let mut book = AttemptBook::new(keep, ProfileMap::default(), Some("app".to_owned()));
    for (hour, invocations) in hours {
        let mut open = book.open(hour);
        invocations.iter().for_each(|invocation| open.observe(invocation));
        book.close(open);
    }
    book
}

/// The attempts of the book's only quota.
pub(crate) fn attempts_of(book: &AttemptBook) -> &KeyAttempts {
    let mut keys = book.keys();
    let (_, attempts) = keys.next().expect("a quota");
    assert!(keys.next().is_none(), "a second quota");
    attempts
}
