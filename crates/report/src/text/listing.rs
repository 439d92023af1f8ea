//! The requests of `--list`: what and how much on one line, who and where on the next.
//!
//! In: the listed requests. Out: lines for a width of 100 that lose their right end where there is less.
//! Never any text of a body: the model has none.

use super::cells::{Ink, Line, cut_middle, escape, width};
use super::names::ModelNames;
use super::numbers::{bytes, duration, short, thousands};
use super::script::Script;
use super::stamp;
use super::table::{pad_end, pad_start};
use crate::model::Request;

/// A request id; a UUID is never cut.
const ID_CELLS: usize = 36;
/// A name of the log inside a line.
const NAME_CELLS_MAX: usize = 40;
/// A model name; the caller behind it needs room, too.
const MODEL_CELLS_MAX: usize = 40;
/// The quantities of a request, at the right of their columns.
pub(crate) const QUANTITIES: [(&str, usize); 6] =
    [("input", 7), ("prompt", 7), ("output", 7), ("took", 6), ("body in", 7), ("out", 7)];
/// The largest count that its column shows whole.
const COUNT_WHOLE_MAX: u64 = 999_999;

/// The lines of the listing, headed.
pub(super) fn render(requests: &[Request], names: &ModelNames, with_year: bool, cells: usize) -> Vec<Line> {
    if requests.is_empty() {
        return vec![Line::plain("No request to list.")];
    }
    // `2026-11-18 09:01:07` or `11-18 09:01:07`, and two spaces.
    let indent = if with_year { 21 } else { 16 };
    let columns = |time: &str, id: &str, quantities: &str| {
        format!("{}{} {quantities}", pad_end(time, indent), pad_end(&cut_middle(id, ID_CELLS), ID_CELLS))
    };
    let head = columns("time (UTC)", "request id", &quantities(&QUANTITIES.map(|(head, _)| head.to_owned())));
    let mut lines = vec![Line::inked(Ink::Bold, head)];
    for request in requests {
        let time = stamp::second(&request.timestamp, with_year, Script::Terminal);
        let id = id(request, Script::Terminal);
        lines.push(Line::plain(columns(&time, &id, &quantities(&quantities_of(request)))));
        let mut second = Line::plain(" ".repeat(indent));
        if let Some(code) = &request.error_code {
            second = second.and(Ink::Yellow, format!("{} ", name(code)));
        }
        let room = cells.saturating_sub(second.width());
        lines.push(second.and(Ink::Dim, origin(request, names, room)));
    }
    lines
}

/// The request id, or that there is none.
pub(crate) fn id(request: &Request, script: Script) -> String {
    request.request_id.as_deref().map_or_else(|| "(no request id)".to_owned(), |id| script.text(id))
}

/// What [`QUANTITIES`] name, in words.
pub(crate) fn quantities_of(request: &Request) -> [String; 6] {
    let absent = || "–".to_owned();
    let count = |value: Option<u64>| match value {
        None => absent(),
        Some(value) if value <= COUNT_WHOLE_MAX => thousands(u128::from(value)),
        Some(value) => short(u128::from(value)),
    };
    let size = |value: Option<u64>| value.map_or_else(absent, |size| bytes(u128::from(size)));
    [
        count(request.input_tokens),
        count(request.prompt_tokens),
        count(request.output_tokens),
        request.latency_ms.map_or_else(absent, duration),
        size(request.input_bytes),
        size(request.output_bytes),
    ]
}

fn quantities(texts: &[String; 6]) -> String {
    let padded: Vec<String> =
        texts.iter().zip(QUANTITIES).map(|(text, (_, cells))| pad_start(text, cells)).collect();
    padded.join(" ")
}

/// Who called what from where; the caller gives way where room is short.
fn origin(request: &Request, names: &ModelNames, room: usize) -> String {
    let mut parts: Vec<String> =
        [&request.account, &request.region].into_iter().flatten().map(|text| name(text)).collect();
    parts.push(Script::Terminal.name(names.short(&request.model), MODEL_CELLS_MAX));
    parts.extend(request.operation.as_deref().map(name));
    let text = parts.join(" ");
    match &request.identity {
        None => text,
        Some(identity) => {
            let caller = escape(caller(identity, request.account.as_deref()));
            let room = room.saturating_sub(width(&text) + 1);
            format!("{text} {}", cut_middle(&caller, room))
        }
    }
}

fn name(text: &str) -> String {
    Script::Terminal.name(text, NAME_CELLS_MAX)
}

/// The caller without what the account beside it says already: `role/session`, `user/name`; else the whole ARN.
pub(crate) fn caller<'a>(identity: &'a str, account: Option<&str>) -> &'a str {
    let parts: Vec<&str> = identity.splitn(6, ':').collect();
    match parts[..] {
        ["arn", _, _, _, owner, resource] if Some(owner) == account => {
            resource.strip_prefix("assumed-role/").unwrap_or(resource)
        }
        _ => identity,
    }
}

/// The account that an ARN names.
pub(crate) fn account_of(identity: &str) -> Option<&str> {
    match identity.splitn(6, ':').collect::<Vec<&str>>()[..] {
        ["arn", _, _, _, owner, _] if !owner.is_empty() => Some(owner),
        _ => None,
    }
}

/// The caller among others: with its account only where theirs differ.
pub(crate) fn caller_among<'a>(identity: &str, mut others: impl Iterator<Item = &'a str>) -> String {
    let owner = account_of(identity);
    let short = caller(identity, owner);
    match owner {
        Some(account) if !others.all(|other| account_of(other).is_none_or(|other| other == account)) => {
            format!("{account} {short}")
        }
        _ => short.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_of_the_same_account_is_named_by_role_and_session() {
        for (identity, account, expected) in [
            ("arn:aws:sts::111122223333:assumed-role/batch/worker-1", Some("111122223333"), "batch/worker-1"),
            ("arn:aws:iam::111122223333:user/team/kim", Some("111122223333"), "user/team/kim"),
            ("arn:aws:iam::111122223333:root", Some("111122223333"), "root"),
            (
                "arn:aws:iam::444455556666:user/kim",
                Some("111122223333"),
                "arn:aws:iam::444455556666:user/kim",
            ),
            ("arn:aws:iam::444455556666:user/kim", None, "arn:aws:iam::444455556666:user/kim"),
            ("kim", Some("111122223333"), "kim"),
        ] {
            assert_eq!(caller(identity, account), expected);
        }
    }
}
