//! A report as one page that opens anywhere: no server, no network, everything inside.
//!
//! In: a [`Report`]. Out: an HTML document with the report's JSON and, where there is one, its cube as inert data,
//! the scripts that draw them, and health, findings and notes as plain markup, so that they stand even where no
//! script runs. Always: strings from the logs reach the markup through `escape` alone and the scripts as JSON
//! without `<`, `>` and `&`; the policy lets run what this file embeds, by hash, and nothing else; the same report
//! gives the same bytes. Absent: figures computed here, and any address to fetch from.

use sha2::{Digest, Sha256};

use crate::json;
use crate::model::Report;
use crate::text::cells::{Ink, Line, escape as written_out};
use crate::text::numbers::{bytes, counted, duration, thousands};
use crate::text::script::Script;
use crate::text::words::{Labelled, Words};
use crate::text::{self, TextStyle};

/// The document, with `{{names}}` where something is put in.
const TEMPLATE: &str = include_str!("html/page.html");
/// Draws charts of time; as published, under the licence below.
const UPLOT: &str = include_str!("html/vendor/uplot/uPlot.iife.min.js");
const UPLOT_STYLE: &str = include_str!("html/vendor/uplot/uPlot.min.css");
const UPLOT_LICENCE: &str = include_str!("html/vendor/uplot/LICENSE");
/// Reads the cube and answers what is asked of it.
const ENGINE: &str = include_str!("html/engine.js");
/// What the reader sees and touches.
const PAGE: &str = include_str!("html/page.js");
const PAGE_STYLE: &str = include_str!("html/page.css");

/// Renders the report as a whole document.
#[must_use]
pub fn render(report: &Report) -> String {
    let scripts = [format!("/*!\n{}\n*/\n{}", UPLOT_LICENCE.trim(), UPLOT.trim()), lean(ENGINE), lean(PAGE)];
    let style = format!("{}\n{}", UPLOT_STYLE.trim(), lean(PAGE_STYLE));
    let scripts_allowed: Vec<String> = scripts.iter().map(|script| hash_source(script)).collect();
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'",
        scripts_allowed.join(" "),
        hash_source(&style),
    );
    let words = Words::new(report, Script::Terminal, true);
    let sources = if report.run.sources.is_empty() {
        "Bedrock invocation logs".to_owned()
    } else {
        let sources: Vec<String> = report.run.sources.iter().map(|source| written_out(source)).collect();
        escape(&sources.join(", "))
    };
    let findings = findings(&words);
    let notes = words.notes().map_or_else(String::new, |notes| list("ul", &notes.items));
    let cube = report.cube.as_ref().map_or_else(String::new, |cube| {
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        // A report of another origin may hold anything; what is no base64 is left to the engine to refuse.
        let data = if cube.data.bytes().all(is_base64) { &cube.data } else { "not base64" };
        let hours = cube.slot_hours;
        format!("<script type=\"text/plain\" id=\"cube\" data-slot-hours=\"{hours}\">{data}</script>")
    });
    let scripts: Vec<String> =
        scripts.into_iter().map(|script| format!("<script>{script}</script>")).collect();
    let hidden = |markup: &str| if markup.is_empty() { " hidden" } else { "" }.to_owned();

    fill(
        TEMPLATE,
        &[
            ("policy", policy),
            ("generator", format!("Borehole {}", escape(&written_out(&report.run.version)))),
            ("title", format!("{sources} · Bedrock usage")),
            ("style", style),
            ("lead", lead(report, &words)),
            ("health", health(report, &words)),
            ("text", escape(&text::render(report, &TextStyle::default()))),
            ("findings-hidden", hidden(&findings)),
            ("findings", findings),
            ("notes-hidden", hidden(&notes)),
            ("notes", notes),
            ("footer", footer(report)),
            ("report", format!("<script type=\"application/json\" id=\"report\">{}</script>", data(report))),
            ("cube", cube),
            ("scripts", scripts.join("\n")),
            ("sources", sources),
        ],
    )
}

/// The template with every `{{name}}` replaced, in one pass: what is put in is never looked at again.
fn fill(template: &str, values: &[(&str, String)]) -> String {
    let mut filled =
        String::with_capacity(template.len() + values.iter().map(|(_, value)| value.len()).sum::<usize>());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        let value = values.iter().find(|(known, _)| *known == name);
        debug_assert!(value.is_some(), "the template names {name}, which nothing fills");
        filled.push_str(value.map_or("", |(_, value)| value));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// Text for markup, between tags or between double quotes: the only way by which a string gets there.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A line of the text report, in which what is invisible is written out: what is inked there is bold here.
fn marked(line: &Line) -> String {
    let span = |(ink, text): (Ink, &str)| match ink {
        Ink::Plain | Ink::Dim => escape(text),
        Ink::Bold | Ink::Red | Ink::Yellow => format!("<b>{}</b>", escape(text)),
    };
    line.spans().map(span).collect()
}

fn list(tag: &str, items: &[Line]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let items: String = items.iter().map(|item| format!("<li>{}</li>", marked(item))).collect();
    format!("<{tag}>{items}</{tag}>")
}

/// Items in one paragraph.
fn row(items: &[Line]) -> String {
    items.iter().map(marked).collect::<Vec<String>>().join(" · ")
}

/// The report's JSON without its cube, compact, with nothing that could end the block that it stands in.
fn data(report: &Report) -> String {
    let pretty = match &report.cube {
        None => json::render(report),
        Some(_) => json::render(&Report { cube: None, ..report.clone() }),
    };
    let mut compact = String::with_capacity(pretty.len());
    let (mut in_text, mut after_backslash) = (false, false);
    for character in pretty.chars() {
        match character {
            '"' if !after_backslash => in_text = !in_text,
            ' ' | '\n' if !in_text => continue,
            _ => {}
        }
        after_backslash = character == '\\' && !after_backslash;
        match character {
            '<' => compact.push_str("\\u003c"),
            '>' => compact.push_str("\\u003e"),
            '&' => compact.push_str("\\u0026"),
            '\u{2028}' => compact.push_str("\\u2028"),
            '\u{2029}' => compact.push_str("\\u2029"),
            _ => compact.push(character),
        }
    }
    compact
}

/// A script or style of ours without indentation, and without comments that have lines of their own. Neither may
/// have texts over several lines, which a test holds them to.
fn lean(source: &str) -> String {
    let mut lean = String::with_capacity(source.len());
    let mut in_comment = false;
    for line in source.lines().map(str::trim) {
        let opens = line.starts_with("/*");
        if in_comment || opens {
            in_comment = !line.ends_with("*/");
        } else if !line.is_empty() && !line.starts_with("//") {
            lean.push_str(line);
            lean.push('\n');
        }
    }
    lean
}

/// `'sha256-…'`, as a content security policy names a text that may be used.
pub(crate) fn hash_source(text: &str) -> String {
    format!("'sha256-{}'", base64(&Sha256::digest(text.as_bytes())))
}

/// Base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let symbol = ALPHABET[(group >> (18 - 6 * digit)) as usize & 63];
            text.push(if digit > chunk.len() { '=' } else { char::from(symbol) });
        }
    }
    text
}

/// The range and the number of requests.
fn lead(report: &Report, words: &Words<'_>) -> String {
    let requests = counted(report.totals.requests.attempted, "request");
    let range = words.range();
    if range.is_empty() { requests } else { format!("{} · {requests}", escape(&range)) }
}

/// What the totals lack comes first, then what is unknown; one calm line where there is nothing of either.
fn health(report: &Report, words: &Words<'_>) -> String {
    let read = row(&words.read());
    let mut markup = if report.complete {
        format!("<div class=\"banner green\"><p><b>Complete.</b> {read}</p></div>")
    } else {
        let steps: Vec<Line> = words.next_steps().into_iter().map(Line::plain).collect();
        let steps = list("ol", &steps);
        let steps = if steps.is_empty() { steps } else { format!("<p>What to do:</p>{steps}") };
        format!(
            "<div class=\"banner red\" role=\"alert\"><p><b>Incomplete: the figures are too low.</b> {read}</p>\
             {}{steps}</div>",
            list("ul", &words.losses()),
        )
    };
    if report.totals.requests.attempted == 0 {
        markup.push_str(&format!(
            "<div class=\"banner amber\"><p>{}</p></div>",
            marked(&words.nothing_counted())
        ));
    }
    let unknown: Vec<String> = [partly_known(report, words), gaps(report)].into_iter().flatten().collect();
    if !unknown.is_empty() {
        markup.push_str(&format!("<div class=\"banner amber\"><p>{}</p></div>", unknown.join("</p><p>")));
    }
    markup
}

/// For which part of the requests the facts are known; `None` where what a quota is charged is known of all.
fn partly_known(report: &Report, words: &Words<'_>) -> Option<String> {
    let totals = &report.totals;
    let successful = totals.requests.successful;
    let tokens = &totals.tokens;
    let is_whole = [tokens.input_known, tokens.output_known, tokens.settled_known, tokens.reserved_known]
        .into_iter()
        .all(|known| known == successful);
    let known = words.known().filter(|_| !is_whole)?;
    Some(format!("<b>Partly known</b> of the successful requests: {}", row(&known.items)))
}

/// How many hours have no object, and where.
fn gaps(report: &Report) -> Option<String> {
    let coverage = &report.health.coverage;
    let missing = |hours: u64, present: u64| hours.saturating_sub(present);
    let gapped = coverage.iter().map(|entry| missing(entry.hours, entry.hours_with_objects));
    let (pairs, hours) = gapped
        .filter(|&hours| hours > 0)
        .fold((0, 0u64), |(pairs, sum), hours| (pairs + 1, sum.saturating_add(hours)));
    (pairs > 0).then(|| {
        let of = thousands(coverage.len() as u128);
        let pairs = thousands(pairs);
        format!(
            "<b>Gaps:</b> {} without objects, in {pairs} of {of} of account × Region. \
             There was no traffic, or it was not delivered.",
            counted(hours, "hour"),
        )
    })
}

/// Why, who and what helps, in the words of the text report.
fn findings(words: &Words<'_>) -> String {
    let found: String = words.findings().iter().filter_map(finding).collect();
    if found.is_empty() { found } else { format!("<div class=\"card\">{found}</div>") }
}

/// The first item says it, the others are the figures behind it.
fn finding(Labelled { label, items }: &Labelled) -> Option<String> {
    let (first, rest) = items.split_first()?;
    let heading = match *label {
        "WHY" => "Why",
        "WHO" => "Who",
        "FIX" => "What helps",
        other => other,
    };
    let rest = if rest.is_empty() { String::new() } else { format!("<p>{}</p>", row(rest)) };
    Some(format!(
        "<div class=\"finding\"><h3>{heading}</h3><div><p>{}</p>{rest}</div></div>",
        // A name stays as it is.
        if *label == "WHO" { escape(&first.to_text()) } else { capitalized(&escape(&first.to_text())) }
    ))
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

fn footer(report: &Report) -> String {
    let run = &report.run;
    let mut facts = vec![format!("Borehole {}", escape(&written_out(&run.version)))];
    if run.bytes_fetched > 0 {
        facts.push(format!("{} read", bytes(u128::from(run.bytes_fetched))));
    }
    if run.requests_sent > 0 {
        facts.push(counted(run.requests_sent, "request") + " sent");
    }
    if run.elapsed_ms > 0 {
        facts.push(format!("took {}", duration(run.elapsed_ms)));
    }
    facts.push("charts of time by uPlot, MIT licence".to_owned());
    facts.push("this page loads nothing from anywhere".to_owned());
    facts.join(" · ")
}
