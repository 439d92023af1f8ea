//! Plain words for the ledger: what a warning code means, and what to do about a loss.
//!
//! In: codes and reasons of the contract. Out: our own sentences. A code that is not known here is left to
//! speak for itself, so that a report of a newer version still renders.

use crate::model::Report;

/// What to do about what was lost; the least costly first.
pub(super) fn next_steps(report: &Report) -> Vec<&'static str> {
    let health = &report.health;
    let failed = |reasons: &[&str]| reasons.iter().any(|reason| health.objects.failed.get(reason) > 0);
    let rejected =
        |reason: &str| health.documents.rejected.get(reason) > 0 || health.records.rejected.get(reason) > 0;
    let references = &health.references;
    let mut steps = Vec::new();
    let mut advise = |applies: bool, step: &'static str| {
        if applies {
            steps.push(step);
        }
    };
    let has_rejects = [&health.objects.failed, &health.documents.rejected, &health.records.rejected]
        .iter()
        .any(|counts| counts.sum() > 0);
    advise(has_rejects, "--rejects FILE lists each loss: key, offset, reason; no text of a body");
    advise(failed(&["permission", "access_denied"]), "make the unreadable objects readable, then run again");
    advise(
        failed(&["io", "changed", "short_body", "vanished"]),
        "run again when nothing writes to the source",
    );
    advise(
        failed(&[
            "gz_truncated",
            "gz_crc",
            "gz_isize",
            "gz_corrupt",
            "gz_trailing_garbage",
            "json_truncated",
        ]),
        "copy the broken objects again, or count their intact part with --salvage",
    );
    advise(
        failed(&["access_denied", "absent_or_denied", "kms"]),
        "borehole doctor SOURCE says which permission is missing, and prints the policy that gives it",
    );
    advise(
        failed(&["throttled", "server_error", "connection"]),
        "run again: the server or the network failed",
    );
    advise(failed(&["requester_pays"]), "--requester-pays agrees to pay for such buckets");
    advise(failed(&["nested_compression"]), "--allow-double-gzip reads gzip inside gzip");
    advise(failed(&["decoded_limit"]), "--max-decoded-per-object raises the limit of one object");
    advise(failed(&["archived"]) || references.archived > 0, "restore the archived objects, then run again");
    advise(rejected("timestamp"), "--accept-epoch if the records' times are epoch milliseconds");
    advise(rejected("token_count_type"), "--lenient-numbers takes token counts that are written as strings");
    let payloads_missing = references.missing > 0 || references.refused.get("bucket") > 0;
    advise(payloads_missing, "--large-data DIR or --map s3://bucket=DIR says where the offloaded bodies are");
    steps
}

/// A warning in plain words; unknown codes speak for themselves.
pub(super) fn warning_words(code: &str) -> Option<&'static str> {
    Some(match code {
        "stray" => "more than an hour from their folder; counted",
        "time_outlier" => "before 2023 or in the future; counted, but not in minutes and peaks",
        "manifest_revised" => "changed after they were listed; read as they are now",
        "slack_not_listed" => "the folders beside the range may not be listed; strays in them are missing",
        "folder_not_searched" => "too far below the source to be looked into; name the prefix to read them",
        "same_file" => "listed twice, read once",
        "key_mismatch" => "account or Region is not the key's; counted under the record's",
        "no_request_id" => "counted, never de-duplicated",
        "document_conflict" => "documents of one request disagree; the invocation document wins",
        "document_superseded" => "two documents of one kind for a request; one is used",
        "group_cardinality" => "models beyond 4,096, together in __other__",
        "utf8_in_body" => "broken text inside a body; counted",
        "int_as_float" => "token counts written like 5.0; read as 5",
        "number_as_string" => "token counts written as strings; read",
        "empty_object" => "objects of 0 bytes",
        "ext_mismatch" => "gzip by name but not by content, or the reverse; read by content",
        "gz_zero_padding" => "zero bytes after the gzip data; ignored",
        "timestamp_no_offset" => "times without an offset; read as UTC",
        "leap_second" => "second 60; counted in its minute",
        "ref_and_inline" => "body both inline and by reference; the inline one is used",
        "burndown_unknown" => "no rate known, so no quota tokens",
        "profile_unresolved" => "no --inference-profiles FILE names its model",
        "tag_type" => "tag values that are not strings; left out",
        _ => return None,
    })
}
