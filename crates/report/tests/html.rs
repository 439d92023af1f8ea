//! The page as markup: what may run is named by hash, and what is hostile stays data.
//!
//! How the page looks and behaves is tested in a browser by the command's own tests; here a page is read as a
//! browser's parser would split it, without running it.

mod support;

use borehole_report::model::Cube;
use borehole_report::{Report, html, json};
use sha2::{Digest, Sha256};

/// What breaks out of somewhere: tags, attributes, comments, data blocks, script lines, and text that reorders.
const HOSTILE: [&str; 8] = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "\u{2028}alert(1)\u{2029}",
    "</title></pre></noscript><svg/onload=alert(1)>",
    "{{report}}{{scripts}}",
    "a\u{202e}b\u{0}c\u{1b}[2J&lt;&amp;",
];

fn report() -> Report {
    let (figures, health) = support::troubled();
    Report::new(&figures, &health, health.is_complete(), support::run())
}

/// The report with one text in every place that holds one: names, keys, reasons, times, the cube.
fn hostile_report(text: &str) -> Report {
    /// Strings that are read as something other than text, and the program's own words for them.
    const OWN: [&str; 3] = ["schema", "measure", "remedy"];

    fn poison(value: &mut serde_json::Value, text: &str) {
        match value {
            serde_json::Value::String(string) => *string = format!("{string}{text}"),
            serde_json::Value::Array(values) => values.iter_mut().for_each(|value| poison(value, text)),
            serde_json::Value::Object(members) => {
                members.iter_mut().filter(|(name, _)| !OWN.contains(&name.as_str())).for_each(
                    |(_, value)| {
                        poison(value, text);
                    },
                );
                let is_counts = !members.is_empty() && members.values().all(serde_json::Value::is_u64);
                if is_counts {
                    members.insert(text.to_owned(), serde_json::Value::from(1u64));
                }
            }
            _ => {}
        }
    }
    let mut value = serde_json::from_str(&json::render(&report())).expect("a report is JSON");
    poison(&mut value, text);
    let mut report = json::parse(&value.to_string()).expect("it is still a report");
    report.cube = Some(Cube { encoding: text.to_owned(), slot_hours: 6, data: format!("AAAA{text}") });
    report
}

/// The texts of all elements of that name, with the attributes of each, as a parser takes them: a script ends at
/// the first `</script`, whatever is in it.
fn elements<'a>(page: &'a str, name: &str) -> Vec<(&'a str, &'a str)> {
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    let mut found = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once(&open) {
        let (attributes, after) = after.split_once('>').expect("a tag ends");
        let (text, after) = after.split_once(&close).expect("an element ends");
        found.push((attributes, text));
        rest = after;
    }
    found
}

fn base64(bytes: &[u8]) -> String {
    let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let bits: Vec<bool> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
    let sextet = |bits: &[bool]| (0..6).fold(0, |all, at| all * 2 + usize::from(bits.get(at) == Some(&true)));
    let mut text: String = bits.chunks(6).map(|bits| alphabet[sextet(bits)]).collect();
    text.extend(std::iter::repeat_n('=', (4 - text.len() % 4) % 4));
    text
}

fn hash_source(text: &str) -> String {
    format!("'sha256-{}'", base64(&Sha256::digest(text.as_bytes())))
}

#[test]
fn the_policy_names_exactly_the_scripts_and_the_style_of_the_page() {
    let page = html::render(&report());
    let policy = page
        .split_once("http-equiv=\"Content-Security-Policy\" content=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .expect("a page has a policy")
        .0;
    let scripts = elements(&page, "script");
    let (code, data): (Vec<_>, Vec<_>) =
        scripts.into_iter().partition(|(attributes, _)| attributes.is_empty());
    let hashes: Vec<String> = code.iter().map(|(_, text)| hash_source(text)).collect();
    let styles: Vec<String> = elements(&page, "style").iter().map(|(_, text)| hash_source(text)).collect();
    assert_eq!(code.len(), 3, "uPlot, the engine, the page");
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; script-src {}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'",
            hashes.join(" "),
            styles.join(" ")
        )
    );
    assert_eq!(data.len(), 1, "the report");
    assert_eq!(data[0].0, " type=\"application/json\" id=\"report\"");
    assert!(page.find("Content-Security-Policy") < page.find("<style"), "the policy comes first");
}

#[test]
fn i01_nothing_hostile_leaves_its_data_block_or_its_text() {
    // Tags and attributes are those of a page without strings of the logs.
    let count = |page: &str, what: &str| page.matches(what).count();
    let calm = html::render(&hostile_report("calm"));
    for text in HOSTILE {
        let page = html::render(&hostile_report(text));
        for tag in ["<script", "</script", "<img", "<svg", "<style", "<!--", "</pre", "</noscript", "</title"]
        {
            assert_eq!(count(&page, tag), count(&calm, tag), "{tag} after {}", text.escape_unicode());
        }
        // Every string of the logs is between tags; our own attributes hold none, but for the version.
        for attribute in [" onerror=", " onload=", " onmouseover="] {
            let outside: String = page
                .split('<')
                .filter_map(|piece| piece.split_once('>'))
                .map(|(tag, _)| tag)
                .filter(|tag| tag.contains(attribute) && !tag.starts_with("meta name=\"generator\""))
                .collect();
            assert_eq!(outside, "", "{attribute} after {}", text.escape_unicode());
        }
        for character in ['\u{202e}', '\u{0}', '\u{1b}', '\u{2028}', '\u{2029}'] {
            assert!(!page.contains(character), "{} is written out", character.escape_unicode());
        }
    }
}

#[test]
fn the_data_block_is_the_report_without_its_cube() {
    for text in HOSTILE {
        let report = hostile_report(text);
        let page = html::render(&report);
        let blocks = elements(&page, "script");
        let (_, data) = blocks
            .iter()
            .find(|(attributes, _)| attributes.ends_with("id=\"report\""))
            .expect("a page has its report");
        assert_eq!(json::parse(data).expect("it is JSON"), Report { cube: None, ..report });
        assert!(!data.contains(['<', '>', '&']), "nothing in it can end it");
    }
}

#[test]
fn the_cube_stands_in_the_page_once_and_only_where_there_is_one() {
    let mut report = report();
    assert!(!html::render(&report).contains("id=\"cube\""));
    let data = "AAECAwQ+/w==".to_owned();
    report.cube = Some(Cube { encoding: "deflate-raw+base64".to_owned(), slot_hours: 6, data: data.clone() });
    let page = html::render(&report);
    assert_eq!(page.matches(&data).count(), 1);
    assert!(
        page.contains(&format!(
            "<script type=\"text/plain\" id=\"cube\" data-slot-hours=\"6\">{data}</script>"
        ))
    );
}

#[test]
fn an_incomplete_report_says_so_before_any_figure() {
    let page = html::render(&report());
    let body = page.split_once("<body>").expect("a body").1;
    let banner = body.find("<b>Incomplete: the figures are too low.</b>").expect("it says so");
    for later in ["<noscript>", "<main", "id=\"overview\"", "id=\"tiles\""] {
        assert!(body.find(later).is_none_or(|at| banner < at), "{later} comes later");
    }
    assert!(body.contains("<li><b>15 objects</b> (gz_truncated 12, permission 3)</li>"));

    let (figures, health) = support::clean();
    let complete = Report::new(&figures, &health, true, support::run());
    assert!(html::render(&complete).contains("<b>Complete.</b>"));
}

#[test]
fn without_scripts_the_page_has_the_text_report() {
    let page = html::render(&report());
    let (_, text) = elements(&page, "noscript")[0];
    assert!(text.contains("quota TPM"), "the table is there");
    assert!(text.contains("INCOMPLETE"));
}

#[test]
fn a_page_asks_for_nothing_from_anywhere() {
    let page = html::render(&report());
    let (markup, _) = page.split_once("<script").expect("scripts come last");
    for address in ["http:", "https:", "//", "url(", "@import", "src="] {
        // The licence, the namespaces of drawings and s3:// stand as text.
        let tags = markup.split('<').filter_map(|piece| piece.split_once('>')).map(|(tag, _)| tag);
        for tag in tags.filter(|tag| !tag.starts_with("meta")) {
            assert!(!tag.contains(address), "{address} in <{tag}>");
        }
    }
    let (_, style) = elements(&page, "style")[0];
    for address in ["url(", "@import", "http"] {
        assert!(!style.contains(address), "{address} in the style");
    }
    assert!(!markup.contains(" style=") && !markup.contains(" onclick="), "the policy refuses these");
}

/// What makes markup or code of a string, in the scripts that see strings of the logs.
#[test]
fn our_scripts_have_no_way_to_make_markup_or_code_of_a_string() {
    let sources = [
        ("page.js", include_str!("../src/html/page.js")),
        ("engine.js", include_str!("../src/html/engine.js")),
    ];
    for (name, source) in sources {
        for way in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "srcdoc",
            ".href",
            "DOMParser",
            "createContextualFragment",
            "setAttribute(\"on",
            "setAttribute(\"style",
            "fetch(",
            "XMLHttpRequest",
            "WebSocket",
            "import(",
            "</script",
            "<!--",
        ] {
            assert!(!source.contains(way), "{name} has {way}");
        }
        assert!(source.contains("\"use strict\";"), "{name} is strict");
        // Indentation is dropped line by line, which must not reach into a text.
        for (at, line) in source.lines().enumerate() {
            let is_whole = line.matches('`').count() % 2 == 0;
            assert!(is_whole, "{name}:{} has a text over several lines", at + 1);
        }
    }
}

#[test]
fn the_licence_of_what_is_not_ours_is_in_the_page() {
    let page = html::render(&report());
    assert!(page.contains("Copyright (c) 2022 Leon Sorokin"));
    assert!(page.contains("THE SOFTWARE IS PROVIDED \"AS IS\""));
}

#[test]
fn the_same_report_gives_the_same_page() {
    assert_eq!(html::render(&report()), html::render(&report()));
}
