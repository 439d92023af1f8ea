//! What every answer with figures says beside them: the period, the health of the logs, what was taken for granted.
//!
//! In: a [`Basis`]. Out: fields and their schema. Always: `complete` in the health is the verdict of a report, whatever
//! the answer; a list is cut with a count of what is left out.

use borehole_report::model::{Coverage, Range};
use serde_json::Value;

use super::content::{Content, serialized};
use super::schema::{Field, boolean, document, integer, list, map, object, text, word};
use crate::engine::{Basis, Moments, Others, Subject};
use crate::untrusted::{UNTRUSTED, cut, is_account};

/// Coverage entries: the accounts of one Region. More say nothing that changes what to do.
const COVERAGE_MAX: usize = 20;
/// Gaps of one entry.
const GAPS_MAX: usize = 20;

/// Puts what the answer rests on into it; `ours` are assumptions of the tool.
pub(super) fn put(answer: Content, basis: &Basis, subject: &Subject, ours: &[String]) -> Content {
    let assumptions: Vec<Value> =
        basis.assumptions.iter().chain(ours).map(|sentence| sentence.as_str().into()).collect();
    let now = basis
        .moments
        .filter(|moments| moments.to_is_end_of_data)
        .map(|moments| Content::new().moment("at", moments.to).put("is", "end_of_data"));
    answer
        .put_known("time_range", basis.moments.as_ref().map(time_range))
        .put_known("now", now)
        .put("health", health(basis, subject))
        .moment("listed_at", basis.listed_at)
        .put("assumptions", assumptions)
}

/// A period.
pub(super) fn time_range(moments: &Moments) -> Content {
    Content::new().moment("start", moments.from).moment("end", moments.to)
}

fn health(basis: &Basis, subject: &Subject) -> Content {
    let health = &basis.health;
    let coverage: Vec<Value> =
        health.coverage.iter().take(COVERAGE_MAX).map(|entry| coverage(entry, subject).into()).collect();
    let some = |count: u64| (count > 0).then_some(count);
    Content::new()
        .put("complete", basis.complete)
        .put("objects", serialized(&health.objects))
        .put("documents", serialized(&health.documents))
        .put("records", serialized(&health.records))
        .put("references", serialized(&health.references))
        .put("bytes", serialized(&health.bytes))
        .put("coverage", coverage)
        .count_any("omitted", health.coverage.len().saturating_sub(COVERAGE_MAX))
        .put("warnings", serialized(&health.warnings))
        .count_known("counts_lost", some(health.counts_lost))
        .count_known("salvaged", some(health.salvaged))
}

fn coverage(entry: &Coverage, subject: &Subject) -> Content {
    let gap = |gap: &Range| Content::new().put("from", gap.from.as_str()).put("to", gap.to.as_str()).into();
    place(entry.account.as_deref(), entry.region.as_deref(), subject)
        .count("hours", entry.hours)
        .count("hours_with_objects", entry.hours_with_objects)
        .put("gaps", entry.gaps.iter().take(GAPS_MAX).map(gap).collect::<Vec<Value>>())
        .count_any("omitted", entry.gaps.len().saturating_sub(GAPS_MAX))
}

/// An account and a Region as logs or keys name them: twelve digits, and what the client itself asked about, are shown
/// as they are.
pub(super) fn place(account: Option<&str>, region: Option<&str>, subject: &Subject) -> Content {
    let is_plain_region = |region: &&str| **region == subject.region;
    let odd_account = account.filter(|account| !is_account(account)).map(cut);
    let odd_region = region.filter(|region| !is_plain_region(region)).map(cut);
    let is_odd = odd_account.is_some() || odd_region.is_some();
    let odd = Content::new().put_known("account", odd_account).put_known("region", odd_region);
    Content::new()
        .put_known("account", account.filter(|account| is_account(account)))
        .put_known("region", region.filter(is_plain_region))
        .put_known(UNTRUSTED, is_odd.then_some(odd))
}

/// Why there is no figure: nothing of the subject is in the period, and what is there instead.
pub(super) fn nothing_found(others: Option<&Others>) -> Content {
    let shown = |names: &[String]| names.iter().map(|name| cut(name).into()).collect::<Vec<Value>>();
    let names = others.map(|others| {
        Content::new()
            .put("models", shown(&others.models))
            .put("regions", shown(&others.regions))
            .put("accounts", shown(&others.accounts))
            .put_known("meant", others.meant.as_deref().map(cut))
    });
    let message = match others {
        Some(Others { meant: Some(_), .. }) => {
            "no request of this model, Region and account in the period; the model under meant has some: ask again \
             with it"
        }
        Some(_) => {
            "no request of this model, Region and account in the period; what has requests is listed, most used first"
        }
        None => {
            "no request of this model, Region and account in the period; bedrock_get_model_stats lists what has some"
        }
    };
    Content::new().put("message", message).put_known(UNTRUSTED, names)
}

/// The schema of what [`put`] and [`nothing_found`] write.
pub(super) fn fields() -> Vec<Field> {
    let place = || {
        [
            ("account", text("")),
            ("region", text("")),
            (UNTRUSTED, object("Names of another form", [("account", text("")), ("region", text(""))])),
        ]
    };
    let entry = place().into_iter().chain([
        ("hours", integer("Hours that could have objects")),
        ("hours_with_objects", integer("Hours that have")),
        ("gaps", list("Hours without any object", range("from", "to"))),
        ("omitted", integer("Gaps left out")),
    ]);
    let names = || list("", text(""));
    vec![
        ("time_range", time_range_field()),
        (
            "now",
            object(
                "What now was taken to be, since no end was given",
                [("at", text("")), ("is", word("", &["end_of_data"]))],
            ),
        ),
        (
            "health",
            object(
                "What was read of the logs, and what not; every line balances",
                [
                    ("complete", boolean("Whether all that was listed is counted; else totals are too low")),
                    ("objects", document("Objects: listed = read + skipped + failed")),
                    ("documents", document("JSON documents: found = decoded + rejected")),
                    ("records", document("Records: decoded = counted + duplicate + filtered + rejected")),
                    ("references", document("Offloaded bodies by what became of them")),
                    ("bytes", document("Sizes")),
                    ("coverage", list("Hours with objects", object("", entry))),
                    ("omitted", integer("Coverage entries left out")),
                    ("warnings", map("Odd but counted, by code", integer(""))),
                    ("counts_lost", integer("Requests whose tokens are unknown: payload unreadable")),
                    ("salvaged", integer("Failed objects whose intact part was counted")),
                ],
            ),
        ),
        ("listed_at", text("When the sources were listed")),
        ("assumptions", list("What was taken for granted", text(""))),
        (
            "nothing_found",
            object(
                "Where the subject has no request",
                [
                    ("message", text("")),
                    (
                        UNTRUSTED,
                        object(
                            "What has requests",
                            [
                                ("models", names()),
                                ("regions", names()),
                                ("accounts", names()),
                                ("meant", text("The model that was probably meant")),
                            ],
                        ),
                    ),
                ],
            ),
        ),
    ]
}

/// The schema of a period.
pub(super) fn time_range_field() -> Value {
    range("start", "end")
}

fn range(from: &'static str, to: &'static str) -> Value {
    object("Half-open, UTC", [(from, text("")), (to, text("End, not included"))])
}
