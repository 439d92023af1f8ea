//! The requests of `--list`: which qualify, their order, and how few are kept.
//!
//! In: counted invocations. Out: at most `list_max` rows, in order. Always: the order is total over everything
//! a row shows, so the same rows are kept whatever came first. Absent: any text of a body.

use std::cmp::Ordering;

use borehole_record::Invocation;

use crate::figures::{HIGH_TOKEN_THRESHOLD, ListedRequest};
use crate::question::{ListKind, Question};

/// Rows of one hour, or of all.
#[derive(Clone, Default, Debug)]
pub(crate) struct Listing {
    /// What is listed and how much of it; `None` until the first row, so that an empty listing merges with any.
    limit: Option<(ListKind, usize)>,
    rows: Vec<ListedRequest>,
}

impl Listing {
    /// Adds the invocation where the question lists its kind.
    pub(crate) fn observe(
        &mut self,
        question: &Question,
        invocation: &Invocation,
        base_model: &str,
        prompt: Option<u64>,
    ) {
        let Some(kind) = question.list else { return };
        let qualifies = match kind {
            // The prompt holds the input: where the input is over the threshold, so is the prompt.
            ListKind::HighToken => {
                invocation.is_successful() && prompt.is_some_and(|prompt| prompt > HIGH_TOKEN_THRESHOLD)
            }
            ListKind::Errors => !invocation.is_successful(),
            ListKind::Large => invocation.input_large || invocation.output_large,
        };
        if qualifies {
            self.extend(kind, question.list_max, [row(invocation, base_model, prompt)]);
        }
    }

    /// Adds rows, and drops what can no longer be among the first `max`.
    pub(crate) fn extend(
        &mut self,
        kind: ListKind,
        max: usize,
        rows: impl IntoIterator<Item = ListedRequest>,
    ) {
        self.limit = Some((kind, max));
        self.rows.extend(rows);
        // Sorting only when twice as many have come makes each row cost a logarithm, not a pass.
        if self.rows.len() > max.saturating_mul(2) {
            self.prune();
        }
    }

    /// Adds the rows of `other`.
    pub(crate) fn merge(&mut self, other: Listing) {
        if let Some((kind, max)) = other.limit {
            self.extend(kind, max, other.rows);
        }
    }

    /// The first rows, in order.
    pub(crate) fn into_rows(mut self) -> Vec<ListedRequest> {
        self.prune();
        self.rows.shrink_to_fit();
        self.rows
    }

    fn prune(&mut self) {
        if let Some((kind, max)) = self.limit {
            self.rows.sort_unstable_by(|a, b| compare(kind, a, b));
            self.rows.truncate(max);
        }
    }
}

fn row(invocation: &Invocation, base_model: &str, prompt: Option<u64>) -> ListedRequest {
    let facets = &invocation.facets;
    let owned = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(str::to_owned);
    ListedRequest {
        request_id: invocation.request_id.to_string(),
        timestamp: invocation.timestamp,
        account: owned(&facets.account),
        region: owned(&facets.region),
        model: base_model.to_owned(),
        identity: owned(&facets.identity),
        operation: owned(&facets.operation),
        error_code: owned(&facets.error_code),
        input_tokens: invocation.input_tokens.get(),
        prompt_tokens: prompt,
        output_tokens: invocation.output_tokens.get(),
        latency_ms: invocation.latency_ms.get(),
        input_bytes: invocation.input_bytes.get(),
        output_bytes: invocation.output_bytes.get(),
    }
}

fn compare(kind: ListKind, a: &ListedRequest, b: &ListedRequest) -> Ordering {
    let bytes = |row: &ListedRequest| {
        u128::from(row.input_bytes.unwrap_or(0)) + u128::from(row.output_bytes.unwrap_or(0))
    };
    let by_kind = match kind {
        ListKind::HighToken => b.prompt_tokens.cmp(&a.prompt_tokens),
        ListKind::Errors => Ordering::Equal,
        ListKind::Large => bytes(b).cmp(&bytes(a)),
    };
    // Request ids may be absent or shared between accounts: the other columns decide, so that only rows that
    // look the same are equal.
    fn names(row: &ListedRequest) -> [Option<&str>; 6] {
        [
            row.account.as_deref(),
            row.region.as_deref(),
            Some(&row.model),
            row.identity.as_deref(),
            row.operation.as_deref(),
            row.error_code.as_deref(),
        ]
    }
    let counts = |row: &ListedRequest| {
        let tokens = [row.input_tokens, row.prompt_tokens, row.output_tokens];
        (tokens, row.latency_ms, row.input_bytes, row.output_bytes)
    };
    by_kind
        .then_with(|| a.timestamp.cmp(&b.timestamp))
        .then_with(|| a.request_id.cmp(&b.request_id))
        .then_with(|| names(a).cmp(&names(b)))
        .then_with(|| counts(a).cmp(&counts(b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use borehole_record::Timestamp;

    fn row(request_id: &str, seconds: i64, prompt: u64) -> ListedRequest {
        ListedRequest {
            request_id: request_id.to_owned(),
            timestamp: Timestamp { seconds, nanos: 0 },
            account: None,
            region: None,
            model: String::new(),
            identity: None,
            operation: None,
            error_code: None,
            input_tokens: None,
            prompt_tokens: Some(prompt),
            output_tokens: None,
            latency_ms: None,
            input_bytes: None,
            output_bytes: None,
        }
    }

    /// The rows that are kept, whatever the order in which these came.
    fn kept(kind: ListKind, max: usize, rows: &[ListedRequest]) -> Vec<ListedRequest> {
        let mut forward = Listing::default();
        rows.iter().for_each(|row| forward.extend(kind, max, [row.clone()]));
        let mut backward = Listing::default();
        rows.iter().rev().for_each(|row| backward.extend(kind, max, [row.clone()]));
        let rows = forward.into_rows();
        assert_eq!(backward.into_rows(), rows);
        rows
    }

    #[test]
    fn the_largest_prompts_come_first_then_the_earliest_then_by_id() {
        let [small, late, b, a] = [row("s", 0, 1), row("l", 9, 7), row("b", 3, 7), row("a", 3, 7)];
        let rows = [small.clone(), late.clone(), b.clone(), a.clone()];
        assert_eq!(kept(ListKind::HighToken, 9, &rows), [&a, &b, &late, &small].map(Clone::clone));
        assert_eq!(kept(ListKind::HighToken, 3, &rows), [&a, &b, &late].map(Clone::clone));
        assert_eq!(kept(ListKind::Errors, 2, &rows), [&small, &a].map(Clone::clone));
        assert_eq!(kept(ListKind::Errors, 0, &rows), []);
    }

    #[test]
    fn rows_without_an_id_are_told_apart_by_what_they_show() {
        let rows: Vec<_> =
            (0..8).map(|latency| ListedRequest { latency_ms: Some(latency), ..row("", 0, 0) }).collect();
        assert_eq!(kept(ListKind::Errors, 3, &rows), rows[..3]);
        let named = |text: &str| ListedRequest { operation: Some(text.to_owned()), ..row("", 0, 0) };
        let rows = ["a", "b", "c", "d"].map(named);
        assert_eq!(kept(ListKind::Errors, 1, &rows), rows[..1]);
    }

    #[test]
    fn large_requests_are_ordered_by_the_bytes_of_both_sides() {
        let sized =
            |input, output| ListedRequest { input_bytes: input, output_bytes: output, ..row("", 0, 0) };
        let rows = [sized(Some(5), Some(5)), sized(Some(9), None), sized(None, Some(1)), sized(None, None)];
        assert_eq!(kept(ListKind::Large, 9, &rows), rows);
    }
}
