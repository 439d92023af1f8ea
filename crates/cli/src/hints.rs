//! Hints on common mistakes: what there is, where what was asked for is not.
//!
//! In: a run that counted nothing, filters that no record has, a place that is not there. Out: lines on stderr that
//! begin with `hint:`. Always: said only beside an answer or an error that stands without them; at most a few dozen
//! listings and a few KB are read for them; names from logs are escaped, and nothing of any content is shown. Absent:
//! any figure, and any second attempt at what was asked.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use borehole_record::{Facets, Model, ProfileMap, UtcHour, key};
use borehole_scan::{Plan, Range, Source};
use borehole_store::EscapedKey;
use borehole_usage::Filter;
use borehole_usage::figures::Health;

use crate::bodies::read_span;
use crate::config::nearest;
use crate::exit::escaped;
use crate::glimpse::{self, Glimpse};
use crate::range;

/// Values of one kind that are kept: what has more is no list that helps anybody.
const SEEN_MAX: usize = 1_000;

/// Values that one hint names.
const SHOWN_MAX: usize = 12;

/// Sources that are looked at again when nothing was counted.
const SOURCES_MAX: usize = 4;

/// Places that a hint leads to.
const PLACES_MAX: usize = 3;

/// Decoded bytes by which it is told what a file holds.
const SAMPLE_BYTES: u64 = 8 << 10;

/// What a run was about, for when it comes to nothing.
pub(crate) struct Subject {
    /// The sources.
    pub sources: Vec<Source>,
    /// The filters.
    pub filter: Filter,
    /// What application profiles stand for.
    pub profiles: ProfileMap,
    /// What the records are of; `None` where not every record was looked at.
    pub seen: Option<Seen>,
}

/// What the records of a run are of, whether a filter let them in or not.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    accounts: BTreeSet<Arc<str>>,
    regions: BTreeSet<Arc<str>>,
    /// As logged.
    models: BTreeSet<Arc<str>>,
}

impl Seen {
    /// For a run with a filter that has known values; nothing is to be remembered without one.
    pub(crate) fn of(filter: &Filter) -> Option<Seen> {
        let is_asked =
            [&filter.accounts, &filter.regions, &filter.models].iter().any(|values| !values.is_empty());
        is_asked.then(Seen::default)
    }

    /// Notes what a record is of.
    pub(crate) fn note(&mut self, facets: &Facets) {
        let put = |values: &mut BTreeSet<Arc<str>>, value: &Arc<str>| {
            if !values.contains(value) && values.len() < SEEN_MAX {
                values.insert(Arc::clone(value));
            }
        };
        facets.account.iter().for_each(|account| put(&mut self.accounts, account));
        facets.region.iter().for_each(|region| put(&mut self.regions, region));
        put(&mut self.models, &facets.model_id);
    }

    /// Takes over what another one has seen.
    pub(crate) fn merge(&mut self, other: Seen) {
        let into = [&mut self.accounts, &mut self.regions, &mut self.models];
        for (values, more) in into.into_iter().zip([other.accounts, other.regions, other.models]) {
            let room = SEEN_MAX.saturating_sub(values.len());
            values.extend(more.into_iter().take(room));
        }
    }
}

impl Subject {
    /// Tells of each value of a filter that no record has.
    pub(crate) fn tell_filters(&self) {
        for line in self.unmatched() {
            tell!("hint: {}", escaped(&line));
        }
    }

    fn unmatched(&self) -> Vec<String> {
        let Some(seen) = &self.seen else { return Vec::new() };
        let plain = |values: &BTreeSet<Arc<str>>| values.iter().map(|value| value.to_string()).collect();
        let accounts: BTreeSet<String> = plain(&seen.accounts);
        let regions: BTreeSet<String> = plain(&seen.regions);
        let spelt: BTreeSet<String> = plain(&seen.models);
        let models: BTreeSet<String> =
            spelt.iter().map(|model| Model::parse_with(model, &self.profiles).base).collect();
        if spelt.is_empty() {
            return Vec::new();
        }
        let asked = [
            ("--model", "model", &self.filter.models, &models),
            ("--region", "source Region", &self.filter.regions, &regions),
            ("--account", "account", &self.filter.accounts, &accounts),
        ];
        let mut lines = Vec::new();
        for (option, noun, typed, known) in asked {
            for value in typed.iter().filter(|value| !known.contains(*value)) {
                if option == "--model" && spelt.contains(value) {
                    continue;
                }
                let meant =
                    meant(value, known).map(|name| format!("; did you mean {name}?")).unwrap_or_default();
                let there = match known.is_empty() {
                    true => "none is logged".to_owned(),
                    false => format!("logged: {}", listed(known)),
                };
                lines.push(format!(
                    "{option} {value}: no record of the range has this {noun}{meant} ({there})"
                ));
            }
        }
        lines
    }

    /// Tells why nothing was counted, as far as a look at the places shows.
    pub(crate) fn tell_nothing(&self, plan: &Plan, health: &Health) {
        tell!("nothing matched");
        let filtered = &health.records.filtered;
        let only_by_range = filtered.keys().all(|reason| matches!(*reason, "time_range" | "other_schema"));
        if !only_by_range {
            self.tell_filters();
            // Where each value is one that some record has, it is their combination.
            if self.unmatched().is_empty() {
                tell!("hint: every record was filtered; check the range and the filters");
                tell!("hint: borehole analyze SOURCE --by account,region,model shows what there is");
            }
            return;
        }
        let mut is_told = false;
        for source in self.sources.iter().take(SOURCES_MAX) {
            for line in place_hints(source, &plan.range) {
                tell!("hint: {}", escaped(&line));
                is_told = true;
            }
        }
        if let Some(kind) = self.kind(plan).filter(|_| !is_told) {
            tell!("hint: these files look like {kind}");
            is_told = true;
        }
        if is_told {
            return;
        }
        if plan.objects.is_empty() {
            tell!("hint: no object here has the key of an invocation log; check the path, or the range");
            tell!("hint: borehole ls SOURCE --all shows what is there");
        } else if filtered.is_empty() {
            tell!("hint: nothing in these files is an invocation record");
        } else {
            tell!("hint: every record was filtered; check the range and the filters");
        }
    }

    /// What the first files that were read look like.
    fn kind(&self, plan: &Plan) -> Option<&'static str> {
        let first = plan.objects.iter().take(PLACES_MAX);
        first
            .filter_map(|planned| {
                let source = self.sources.get(planned.source as usize)?;
                // Standard input is read once.
                if source.root.is_none() && source.s3.is_none() {
                    return None;
                }
                let span = read_span(&*source.store, &planned.object, 0, Some(SAMPLE_BYTES)).ok()?;
                kind_of(&span.bytes)
            })
            .next()
    }
}

/// What a look at a source says that counted nothing.
fn place_hints(source: &Source, asked: &Range) -> Vec<String> {
    // Of a bucket the name is that of the bucket alone.
    let name = if source.s3.is_some() { source.identity() } else { source.name.clone() };
    let Ok(glimpse) = glimpse::look(source) else { return Vec::new() };
    if let (Some(first), Some(last)) = (glimpse.oldest, glimpse.newest) {
        let (from, to) = asked.hours();
        let is_apart = last < from || first >= to;
        let there = format!("{name} has logs from {} to {} (UTC)", start(first), start(UtcHour(last.0 + 1)));
        return match is_apart {
            true => vec![format!("{there}; asked was {}", range::in_words(asked))],
            false => Vec::new(),
        };
    }
    if glimpse.layouts.contains("payloads") {
        return vec![format!(
            "{name} holds offloaded payloads and no logs: give the logs as SOURCE, and this with --large-data"
        )];
    }
    if !glimpse.services.is_empty() {
        let services = listed(&glimpse.services);
        return vec![
            format!("{name} holds logs of other services ({services})"),
            "invocation logs lie in AWSLogs/ACCOUNT/BedrockModelInvocationLogs; the logging settings of Bedrock name their bucket"
                .to_owned(),
        ];
    }
    beside(source)
}

/// Where the logs of a place are, if not below the prefix that was typed.
fn beside(source: &Source) -> Vec<String> {
    if source.prefix.is_empty() || source.is_file {
        return Vec::new();
    }
    let whole = Source { prefix: Vec::new(), range: None, ..source.clone() };
    let Ok(glimpse) = glimpse::look(&whole) else { return Vec::new() };
    let root = match (&source.s3, &source.root) {
        (Some(store), _) => format!("s3://{}", store.bucket()),
        (None, Some(root)) => root.display().to_string(),
        (None, None) => return Vec::new(),
    };
    let typed = EscapedKey(&source.prefix).to_string();
    let date = source.range.map(|(from, to)| date_folder(from, to)).unwrap_or_default();
    led_to(&glimpse, &root, &typed, &date)
}

/// Hints on a local path that is not there, where a folder above it is that holds logs.
pub(crate) fn missing_path(argument: &str) -> Vec<String> {
    let (path, date) = match key::date_tail(argument) {
        Some((root, _)) => (root, argument[root.len()..].trim_matches('/')),
        None => (argument, ""),
    };
    let above = Path::new(path).ancestors().skip(1).find(|above| above.is_dir());
    // Looking through all that lies here is more than a hint is worth.
    let Some(root) = above.and_then(Path::to_str).filter(|root| !matches!(*root, "" | "." | "/")) else {
        return Vec::new();
    };
    let Ok(source) = Source::open(root) else { return Vec::new() };
    let Ok(glimpse) = glimpse::look(&source) else { return Vec::new() };
    let typed = path[root.len()..].trim_matches('/');
    // Inside of a layout its own root is what keys begin at.
    let inside = source.root.as_deref().and_then(Path::to_str).filter(|_| !source.prefix.is_empty());
    led_to(&glimpse, inside.unwrap_or(root), typed, date)
}

/// The folders that were probably meant by a part of their names, for the time that was typed behind it, else where the
/// logs begin.
fn led_to(glimpse: &Glimpse, root: &str, typed: &str, date: &str) -> Vec<String> {
    let folders: Vec<String> = glimpse.folders.iter().map(|folder| EscapedKey(folder).to_string()).collect();
    let words: Vec<&str> = typed.split('/').filter(|word| !word.is_empty()).collect();
    let fits = |folder: &&String| {
        let mut parts = folder.split('/');
        words.iter().all(|word| parts.any(|part| part == *word))
    };
    let fitting: Vec<&String> = folders.iter().filter(fits).collect();
    let (what, found) = match fitting.is_empty() {
        true => ("the logs there lie in", folders.iter().collect()),
        false => ("was this meant:", fitting),
    };
    if found.is_empty() {
        return Vec::new();
    }
    let more = if found.len() > PLACES_MAX { ", …" } else { "" };
    let root = root.trim_end_matches('/');
    let date = if date.is_empty() { String::new() } else { format!("/{date}") };
    let place = |folder: &&String| {
        if folder.is_empty() { format!("{root}{date}") } else { format!("{root}/{folder}{date}") }
    };
    let shown: Vec<String> = found.iter().take(PLACES_MAX).map(place).collect();
    vec![format!("nothing lies under {typed}; {what} {}{more}", shown.join(", "))]
}

/// What bytes are, where they are known to be something else than invocation records.
fn kind_of(bytes: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(bytes);
    let has = |words: &[&str]| words.iter().all(|word| text.contains(word));
    let begins = |word: &str| text.trim_start().starts_with(word);
    Some(if begins("PAR1") {
        "Parquet: a dataset is given as its directory"
    } else if has(&["\"eventSource\"", "\"eventName\""]) {
        "CloudTrail's: they say who called, but not with how many tokens"
    } else if has(&["\"schema\"", "\"borehole."]) {
        "reports of borehole itself, not logs"
    } else if begins("version account-id interface-id") {
        "flow logs of a VPC"
    } else if has(&[" REST.", "HTTP/1"]) {
        "access logs of S3"
    } else if begins("#Version:") && has(&["#Fields:"]) {
        "access logs of CloudFront"
    } else if has(&["\"webaclId\"", "\"httpRequest\""]) {
        "logs of WAF"
    } else if !has(&["\"modelId\""])
        && ["\"anthropic_version\"", "\"messages\"", "\"inputText\"", "\"stop_reason\"", "\"stopReason\""]
            .iter()
            .any(|word| text.contains(word))
    {
        "bodies of requests or answers: give the logs as SOURCE, and these with --large-data"
    } else {
        return None;
    })
}

/// The value that was probably meant: a spelling close by, else one that holds what was typed.
pub(crate) fn meant(typed: &str, known: &BTreeSet<String>) -> Option<String> {
    let names = || known.iter().map(String::as_str);
    if let Some(near) = nearest(typed, names()) {
        return Some(near.to_owned());
    }
    // `claude-3-haiku`, `Claude Haiku`, `1111-2222-3333`: by letters and digits, as parts or as a whole.
    let plain = |text: &str| text.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "");
    let whole = plain(typed);
    let parts: Vec<String> =
        typed.split(|c: char| !c.is_alphanumeric()).map(plain).filter(|part| !part.is_empty()).collect();
    let holding = |name: &&str| !whole.is_empty() && plain(name).contains(&whole);
    let sharing = |name: &&str| !parts.is_empty() && parts.iter().all(|part| plain(name).contains(part));
    names().find(holding).or_else(|| names().find(sharing)).map(str::to_owned)
}

/// `a, b, c, …`: at most a dozen.
fn listed(names: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = names.iter().take(SHOWN_MAX).map(String::as_str).collect();
    let more = if names.len() > SHOWN_MAX {
        format!(" and {} more", names.len() - SHOWN_MAX)
    } else {
        String::new()
    };
    format!("{}{more}", shown.join(", "))
}

/// The beginning of an hour: `2024-03-11 07:00`.
fn start(hour: UtcHour) -> String {
    let text = borehole_record::Timestamp::from_seconds(hour.start_seconds()).to_string();
    text.get(..16).unwrap_or(&text).replace('T', " ")
}

/// The date-shaped tail that named a range: `2024`, `2024/03`, `2024/03/11` or `2024/03/11/07`.
fn date_folder(from: UtcHour, to: UtcHour) -> String {
    let text = start(from).replace(['-', ' '], "/");
    let width = match to.0 - from.0 {
        1 => 13,
        24 => 10,
        hours if hours <= 31 * 24 => 7,
        _ => 4,
    };
    text.get(..width).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn what_was_meant_is_found_by_spelling_by_part_and_by_words() {
        let models = set(&[
            "amazon.nova-pro-v1:0",
            "anthropic.claude-3-haiku-20240307-v1:0",
            "anthropic.claude-sonnet-4-20250514-v1:0",
        ]);
        for (typed, expected) in [
            ("amazon.nova-pro-v1:1", Some("amazon.nova-pro-v1:0")),
            ("claude-3-haiku", Some("anthropic.claude-3-haiku-20240307-v1:0")),
            ("Claude Sonnet 4", Some("anthropic.claude-sonnet-4-20250514-v1:0")),
            ("haiku claude", Some("anthropic.claude-3-haiku-20240307-v1:0")),
            ("gpt-4", None),
            ("", None),
            ("--", None),
        ] {
            assert_eq!(meant(typed, &models).as_deref(), expected, "{typed}");
        }
        assert_eq!(meant("1111-2222-3333", &set(&["111122223333"])).as_deref(), Some("111122223333"));
        assert_eq!(meant("us-west2", &set(&["eu-west-1", "us-west-2"])).as_deref(), Some("us-west-2"));
    }

    #[test]
    fn a_file_of_another_kind_is_told_by_how_it_looks() {
        for (bytes, expected) in [
            (r#"{"Records":[{"eventSource":"s3.amazonaws.com","eventName":"GetObject"}]}"#, "CloudTrail"),
            ("version account-id interface-id srcaddr", "flow logs"),
            ("PAR1\0\0", "Parquet"),
            (r#"{ "schema": "borehole.report/1", "complete": true }"#, "reports of borehole"),
            (
                r#"b x [06/Feb/2019:00:00:38 +0000] 192.0.2.3 - 3E57 REST.GET.VERSIONING - "GET /b HTTP/1.1" 200"#,
                "access logs of S3",
            ),
            (r#"{"anthropic_version":"bedrock-2023-05-31","messages":[]}"#, "bodies"),
        ] {
            let kind = kind_of(bytes.as_bytes());
            assert!(kind.is_some_and(|kind| kind.contains(expected)), "{bytes}: {kind:?}");
        }
        for bytes in ["", "hello", "{}", r#"{"modelId":"m","input":{"inputBodyJson":{"messages":[]}}}"#] {
            assert_eq!(kind_of(bytes.as_bytes()), None, "{bytes}");
        }
    }

    #[test]
    fn a_range_is_written_as_the_folder_that_named_it() {
        for tail in ["2024/03/11/07", "2024/03/11", "2024/02", "2024/12", "2023"] {
            let (_, read) =
                key::date_tail(&format!("logs/{tail}")).map(|(root, tail)| (root.len(), tail)).expect(tail);
            assert_eq!(date_folder(read.from, read.to), tail);
        }
    }

    #[test]
    fn folders_are_led_to_by_the_parts_that_were_typed() {
        let folder =
            |region: &str| format!("AWSLogs/111122223333/BedrockModelInvocationLogs/{region}").into_bytes();
        let glimpse =
            Glimpse { folders: vec![folder("eu-west-1"), folder("us-east-1")], ..Glimpse::default() };
        assert_eq!(
            led_to(&glimpse, "s3://logs/", "111122223333/us-east-1", "2024/03/11"),
            ["nothing lies under 111122223333/us-east-1; was this meant: \
              s3://logs/AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1/2024/03/11"]
        );
        let lines = led_to(&glimpse, "s3://logs", "us-west-2", "");
        assert!(
            lines[0].contains("the logs there lie in s3://logs/AWSLogs/")
                && lines[0].contains("eu-west-1, s3://"),
            "{lines:?}"
        );
        assert!(led_to(&Glimpse::default(), "s3://logs", "x", "").is_empty());
    }
}
