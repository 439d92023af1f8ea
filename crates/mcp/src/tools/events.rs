//! `cloudwatch_get_logs`: records by request id or by a text of their envelope, in the shape of CloudWatch Logs.
//!
//! In: a filter pattern of one of three forms. Out: events whose message is an envelope. Always: no body, neither shown
//! nor searched, and the answer says so. Absent: log groups; the name is not looked up.

use borehole_record::Timestamp;
use serde_json::Value;

use super::arguments::{Arguments, Kind, Parameter};
use super::basis::{time_range, time_range_field};
use super::content::Content;
use super::schema::{Field, boolean, integer, list, object, text};
use super::{Lane, Question, Tool, described, subject};
use crate::engine::{Engine, Event, Failure, Pattern, Period, Watch};
use crate::untrusted::{escape, json_text};

/// Characters of a log group's name, as CloudWatch bounds it.
const LOG_GROUP_LENGTH_MAX: usize = 512;
/// Characters of a filter pattern, as CloudWatch bounds it.
const PATTERN_LENGTH_MAX: usize = 1_024;
/// Events of an answer.
const EVENTS_MAX: u64 = 200;
/// Characters of a request id: those of AWS have 36.
const REQUEST_ID_LENGTH_MAX: usize = 128;

/// The forms that are understood, for whoever wrote another one.
const FORMS: &str = "filter_pattern has one of three forms: requestId: ID, or \"a quoted text\", or \
                     { $.requestId = \"ID\" }";

const PARAMETERS: [Parameter; 5] = [
    Parameter::required(
        "log_group_name",
        Kind::Text { characters: "A-Za-z0-9_/.#:*-", length_min: 1, length_max: LOG_GROUP_LENGTH_MAX },
        "Given back as it is: the server's sources are searched whatever it is",
    ),
    Parameter::required(
        "filter_pattern",
        Kind::Text { characters: "", length_min: 1, length_max: PATTERN_LENGTH_MAX },
        "requestId: ID, or \"a quoted text\", or { $.requestId = \"ID\" }",
    ),
    subject::START_TIME,
    subject::END_TIME,
    Parameter::optional("limit", Kind::Integer { min: 1, max: EVENTS_MAX, default: Some(50) }, "Most events"),
];

pub(super) const TOOL: Tool = Tool {
    name: "cloudwatch_get_logs",
    title: "Log events of requests",
    description: described!(
        "Invocation log records as CloudWatch Logs would return them, answered from the logs in S3 or a dump, oldest \
         first: by request id, or by an exact text in the envelope (a caller's ARN, an error code, a model). Bodies are \
         neither searched nor shown. message is the envelope as JSON and key the object it is in; both are text of \
         others. bedrock_find_request has every object of one request."
    ),
    parameters: &PARAMETERS,
    fields,
    read: |arguments| GetLogs::read(arguments).map(Question::GetLogs),
    lane: Lane::Reading,
    is_read_only: true,
};

/// What is asked.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct GetLogs {
    log_group_name: String,
    pattern: Pattern,
    period: Period,
    limit: u32,
}

impl GetLogs {
    fn read(arguments: &Arguments) -> Result<Self, String> {
        Ok(GetLogs {
            log_group_name: arguments.text("log_group_name")?,
            pattern: pattern(&arguments.text("filter_pattern")?).ok_or(FORMS)?,
            period: subject::period(arguments)?,
            limit: arguments.integer("limit")?,
        })
    }

    pub(super) fn answer(&self, engine: &dyn Engine, watch: &Watch) -> Result<Content, Failure> {
        let found = engine.events(&self.pattern, &self.period, self.limit as usize, watch)?;
        let searched = Content::new()
            .count("objects_read", found.objects_read)
            .count("objects_failed", found.objects_failed)
            .put_known("time_range", found.moments.as_ref().map(time_range));
        let assumptions = [
            "log_group_name is not looked up: the server's sources are searched",
            "bodies are not searched and not shown: a text is found in the envelope alone",
        ];
        Ok(Content::new()
            .put("log_group_name", self.log_group_name.as_str())
            .put("events", found.events.iter().map(|found| event(found).into()).collect::<Vec<Value>>())
            .put("more", found.more)
            .put("searched", searched)
            .put("assumptions", assumptions.map(Value::from).to_vec()))
    }
}

fn event(event: &Event) -> Content {
    Content::new()
        .put_known("timestamp", event.timestamp.map(epoch_ms))
        .put("key", escape(&event.place))
        .count("offset", event.offset)
        .put("message", json_text(&event.envelope))
}

fn epoch_ms(time: Timestamp) -> i64 {
    time.seconds.saturating_mul(1_000).saturating_add(i64::from(time.nanos / 1_000_000))
}

/// What a filter pattern asks for; `None` for any other form.
fn pattern(text: &str) -> Option<Pattern> {
    let text = text.trim();
    if let Some(term) = text.strip_prefix('"') {
        return unquote(term).filter(|term| !term.is_empty()).map(Pattern::Text);
    }
    if let Some(inside) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        let rest = inside.trim().strip_prefix("$.requestId")?;
        let id = rest.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
        return request_id(id.strip_suffix('"')?);
    }
    request_id(text.strip_prefix("requestId")?.trim_start().strip_prefix(':')?.trim())
}

fn request_id(id: &str) -> Option<Pattern> {
    let is_one = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    let fits = (1..=REQUEST_ID_LENGTH_MAX).contains(&id.len()) && id.chars().all(is_one);
    fits.then(|| Pattern::RequestId(id.to_owned()))
}

/// The text up to the quote that ends it, which has to be the last character; `\"` and `\\` stand for themselves.
fn unquote(text: &str) -> Option<String> {
    let mut term = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(term),
            '\\' => match characters.next()? {
                character @ ('"' | '\\') => term.push(character),
                _ => return None,
            },
            character => term.push(character),
        }
    }
}

fn fields() -> Vec<Field> {
    let event = [
        ("timestamp", integer("The record's own, in ms since 1970; absent where it has none")),
        ("key", text("Source and key of its object: not trusted")),
        ("offset", integer("Where it begins in the decoded object, in bytes")),
        ("message", text("The envelope as JSON, without bodies: not trusted")),
    ];
    let searched = [
        ("objects_read", integer("")),
        ("objects_failed", integer("Objects that could not be read: events may be missing")),
        ("time_range", time_range_field()),
    ];
    vec![
        ("log_group_name", text("As asked")),
        ("events", list("Oldest first", object("", event))),
        ("more", boolean("Whether there are more")),
        ("searched", object("", searched)),
        ("assumptions", list("What was taken for granted", text(""))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms_of_patterns_are_understood_and_no_other() {
        let id = |id: &str| Some(Pattern::RequestId(id.to_owned()));
        let term = |term: &str| Some(Pattern::Text(term.to_owned()));
        for (text, expected) in [
            ("requestId: 1a2b-3c", id("1a2b-3c")),
            (" requestId:1a2b ", id("1a2b")),
            ("requestId : 1a2b", id("1a2b")),
            ("{ $.requestId = \"1a2b\" }", id("1a2b")),
            ("{$.requestId=\"1a2b\"}", id("1a2b")),
            ("\"arn:aws:iam::1:role/x y\"", term("arn:aws:iam::1:role/x y")),
            (r#""a \"b\" \\""#, term(r#"a "b" \"#)),
            ("\"requestId: 1\"", term("requestId: 1")),
            ("", None),
            ("\"\"", None),
            ("\"open", None),
            ("\"a\" \"b\"", None),
            (r#""a\n""#, None),
            (r#""a\"#, None),
            ("requestId", None),
            ("requestId:", None),
            ("requestId: a b", None),
            ("requestId: ../x", None),
            ("requestIds: a", None),
            ("{ $.modelId = \"x\" }", None),
            ("{ $.requestId != \"x\" }", None),
            ("{ $.requestId = x }", None),
            ("{ $.requestId = \"x\" || $.a = 1 }", None),
            ("{", None),
            ("{}", None),
            ("ERROR", None),
            ("?a ?b", None),
        ] {
            assert_eq!(pattern(text), expected, "{text}");
        }
    }
}
