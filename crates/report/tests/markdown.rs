//! A report as Markdown: what stands first, and that no string of the logs or of a foreign file is ever markup.
//!
//! What each page says word for word is in `fixtures/golden/*.markdown`.

mod support;

use borehole_report::model::{Rank, Ranking};
use borehole_report::{Report, json, markdown};
use serde_json::{Map, Value};

fn troubled() -> Report {
    let (figures, health) = support::troubled();
    let mut report = Report::new(&figures, &health, health.is_complete(), support::run());
    report.rankings =
        vec![ranking("identity", &[Some("arn:aws:iam::1:user/kim"), None]), ranking("model", &[])];
    report
}

fn ranking(dimension: &str, values: &[Option<&str>]) -> Ranking {
    let rows = values.iter().map(|value| Rank {
        value: value.map(str::to_owned),
        attempted: 4_000_000,
        throttled: 31_000,
        input: 5_000_000_000,
        output: 600_000_000,
        settled: 8_000_000_000,
        share: "0.75".parse().ok(),
        share_in_peak: None,
    });
    Ranking { dimension: dimension.to_owned(), rows: rows.collect(), omitted: 7 }
}

#[test]
fn i15_the_first_line_says_whether_it_is_complete_and_what_is_lost() {
    let page = markdown::render(&troubled());
    let first = page.lines().next().expect("a first line");
    assert_eq!(
        first,
        "**INCOMPLETE, the totals are too low.** Lost: 15 objects (gz\\_truncated 12, permission 3) · \
         3 documents (json\\_syntax 2, timestamp 1) · 1 record (model\\_id 1) · \
         tokens of 41 requests (payload not read) · \
         52 of 1,263 payloads not read (missing 30, archived 11, refused 9, failed 2)"
    );
    let (figures, health) = support::clean();
    let page = markdown::render(&Report::new(&figures, &health, true, support::run()));
    assert!(page.starts_with("**COMPLETE** "), "{page}");
}

#[test]
fn callers_are_ranked_by_what_they_take() {
    let page = markdown::render(&troubled());
    let from = page.find("Most load by identity").expect("a ranking");
    let expected = "\
Most load by identity:

| identity | requests | throttled | input | output | quota tokens | of the load | of the peak minute |
|---|---:|---:|---:|---:|---:|---:|---:|
| user\\/kim | 4.00M | 0.8 % | 5.00B | 600M | 8.00B | 75 % | – |
| – | 4.00M | 0.8 % | 5.00B | 600M | 8.00B | 75 % | – |

+7 more values with less load
";
    assert!(page[from..].starts_with(expected), "{}", &page[from..from + 600]);
}

/// What a hostile file would put into every text.
const PAYLOADS: [&str; 12] = [
    "|||",
    "\n\n# big\n\n- item\n\r",
    "`` ` ```",
    "[x](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "<img src=x onerror=alert(1)><!--",
    "[^1] [x]: y",
    "https://evil.example www.evil.example kim@evil.example",
    "@team #1 GH-1 :+1:",
    "**_~~==$$ \\ \\| &lt; {{ }}",
    "\u{1b}[2J\u{9b}\u{202e}\u{200b}",
    "1. > ---\t***",
];

/// Objects whose keys are names of the logs.
const BY_NAME: [&str; 12] = [
    "errors",
    "status",
    "stop_reason",
    "content",
    "skipped",
    "failed",
    "rejected",
    "filtered",
    "refused",
    "warnings",
    "unruled_models",
    "cross_region",
];

/// The value with every text of the logs replaced; in the order that the texts had, so that what is sorted stays so.
fn replaced(value: &Value, name: &str, text: &mut dyn FnMut() -> String) -> Value {
    match value {
        Value::String(_) if name == "schema" || name.ends_with("_text") => value.clone(),
        Value::String(_) => Value::String(text()),
        Value::Array(items) => items.iter().map(|item| replaced(item, name, text)).collect(),
        Value::Object(entries) => {
            let mut out = Map::new();
            for (key, entry) in entries {
                let renamed = (BY_NAME.contains(&name) && !key.ends_with("_text")) || name == "key";
                let new_key = if renamed { text() } else { key.clone() };
                out.insert(new_key, replaced(entry, key, text));
            }
            Value::Object(out)
        }
        other => other.clone(),
    }
}

/// The page of a report whose every text is a number, in order, and this.
fn page_with(payload: &str) -> String {
    let value: Value = serde_json::from_str(&json::render(&troubled())).expect("our own JSON");
    let mut count = 0;
    let changed = replaced(&value, "", &mut || {
        count += 1;
        format!("t{count:05}{payload}")
    });
    markdown::render(&json::parse(&changed.to_string()).expect("the texts alone were changed"))
}

/// The page without letters, digits, whatever is escaped and whatever is code: its own markup, line by line.
fn markup(page: &str) -> String {
    let mut out = String::new();
    let mut characters = page.chars().peekable();
    let (mut before, mut in_code) = (' ', false);
    while let Some(character) = characters.next() {
        let after = characters.peek().copied().unwrap_or(' ');
        let is_inner_hyphen =
            character == '-' && before.is_ascii_alphanumeric() && after.is_ascii_alphanumeric();
        match character {
            '`' => {
                in_code = !in_code;
                out.push(character);
            }
            '\n' => out.push(character),
            _ if in_code || is_inner_hyphen => {}
            '\\' if after.is_ascii_punctuation() => drop(characters.next()),
            _ if character.is_ascii_punctuation() || character.is_control() => out.push(character),
            _ => {}
        }
        before = character;
    }
    out
}

#[test]
fn i04_no_text_of_a_foreign_report_is_markup() {
    let plain = page_with("");
    assert!(markup(&plain).matches("---").count() > 20, "the page has lost its tables");
    for payload in PAYLOADS {
        let hostile = page_with(payload);
        assert_eq!(markup(&hostile), markup(&plain), "{payload:?}\n{hostile}");
        // What is looked for behind the markup: mentions, numbers of issues, emoji and addresses.
        for (at, sign) in hostile.match_indices(['@', '#', ':']) {
            let is_escaped = hostile[..at].ends_with('\\');
            assert!(!is_escaped || hostile[at + 1..].starts_with('\u{200b}'), "{sign} in {payload:?}");
        }
    }
}
