//! Two reports side by side: exact changes, what one side does not have, order, and that no text is ever markup.

mod support;

use borehole_report::compare::{Comparison, Presence, to_html, to_markdown, to_text};
use borehole_report::model::{Key, Range, Rank, Ranking};
use borehole_report::text::TextStyle;
use borehole_report::{Report, json};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

fn clean() -> Report {
    let (figures, health) = support::clean();
    Report::new(&figures, &health, health.is_complete(), support::run())
}

fn troubled() -> Report {
    let (figures, health) = support::troubled();
    Report::new(&figures, &health, health.is_complete(), support::run())
}

fn compared(before: &Report, after: &Report) -> Comparison {
    Comparison::new(before, after).expect("both are by the same dimensions")
}

fn value(comparison: &Comparison) -> Value {
    serde_json::from_str(&comparison.json()).expect("our own JSON")
}

#[test]
fn a_report_beside_itself_has_not_changed() {
    let comparison = compared(&clean(), &clean());
    assert!(comparison.groups.iter().all(|group| group.presence == Presence::Both));
    let json = value(&comparison);
    assert_eq!(json["totals"]["attempted"]["change"], 0);
    assert_eq!(json["totals"]["attempted"]["ratio"], 1);
    assert!(json["totals"]["attempted"].get("per_hour").is_none(), "the ranges are equally long");
    let page = to_text(&comparison, &TextStyle::default());
    let head = page.find("before ").expect("a table");
    assert!(!page[head..].contains(['+', '−', '▇']), "{page}");
}

#[test]
fn changes_are_exact_and_signed() {
    let (before, mut after) = (clean(), clean());
    after.totals.requests.attempted = before.totals.requests.attempted - 7;
    after.totals.requests.throttled = 0;
    after.totals.distributions.latency_ms = None;
    let json = value(&compared(&before, &after));
    assert_eq!(json["totals"]["attempted"]["change"], -7);
    assert_eq!(json["totals"]["throttled"]["ratio"], 0);
    assert_eq!(json["totals"]["throttled_share"]["after"], 0);
    assert!(json["totals"]["throttled_share"]["change"].as_f64().is_some_and(|change| change < 0.0));
    // The latency after is not known, so there is no change of it.
    let p50 = json["totals"]["latency_ms"]["p50"].as_object().expect("known before");
    assert_eq!(p50.keys().collect::<Vec<_>>(), ["before"]);
}

#[test]
fn sums_of_unequal_periods_are_compared_per_hour_and_levels_are_not() {
    let (before, mut after) = (clean(), clean());
    // Fourteen days before, seven after, with the same requests.
    let from = before.range.as_ref().expect("a range").from.clone();
    after.range = Some(Range { from, to: "2026-11-15T00:00:00Z".to_owned() });
    let comparison = compared(&before, &after);
    let json = value(&comparison);
    assert_eq!(json["before"]["hours"], 336);
    assert_eq!(json["after"]["hours"], 168);
    assert_eq!(json["totals"]["attempted"]["ratio"], 1);
    assert_eq!(json["totals"]["attempted"]["per_hour"]["ratio"], 2);
    assert!(json["totals"]["requests_per_minute"]["peak"].get("per_hour").is_none());
    let page = to_text(&comparison, &TextStyle::default());
    assert!(page.contains("the periods differ in length: changes of requests"), "{page}");
    assert!(page.contains("(14 d)") && page.contains("(7 d)"), "{page}");
    assert!(page.contains("+100 %"), "{page}");
}

#[test]
fn a_group_of_one_side_is_new_or_gone_and_has_no_zero() {
    let (mut before, mut after) = (clean(), clean());
    let new = before.groups.remove(0);
    let gone = after.groups.pop().expect("a group");
    let comparison = compared(&before, &after);
    let of = |presence: Presence| {
        comparison.groups.iter().find(|group| group.presence == presence).expect("there is one")
    };
    assert_eq!(Some(&of(Presence::New).key), new.key.as_ref());
    assert_eq!(Some(&of(Presence::Gone).key), gone.key.as_ref());
    assert_eq!(of(Presence::New).figures.attempted.before, None);
    assert_eq!(of(Presence::New).figures.attempted.change, None);
    // The largest change comes first, whichever side it is on.
    assert_eq!(comparison.groups[0].presence, Presence::New);
    for page in [to_text(&comparison, &TextStyle::default()), to_markdown(&comparison), to_html(&comparison)]
    {
        assert!(page.contains("new") && page.contains("gone"), "{page}");
    }
    // Where groups were cut off, it may be one of them.
    before.groups_omitted = 3;
    let comparison = compared(&before, &after);
    let group = comparison.groups.iter().find(|group| Some(&group.key) == new.key.as_ref());
    let group = group.expect("it is still there");
    assert_eq!((group.presence, group.load_change), (Presence::SeenAfter, None));
}

#[test]
fn groups_by_other_dimensions_are_refused_and_an_empty_side_is_not() {
    let (before, mut after) = (clean(), clean());
    for group in &mut after.groups {
        group.key = Some(Key(vec![("role".to_owned(), None)]));
    }
    let error = Comparison::new(&before, &after).expect_err("they cannot be matched");
    assert_eq!(error.after, ["role"]);
    // In another order they are the same dimensions.
    let mut after = clean();
    after.groups.iter_mut().filter_map(|group| group.key.as_mut()).for_each(|key| key.0.reverse());
    assert!(compared(&before, &after).groups.iter().all(|group| group.presence == Presence::Both));
    after.groups.clear();
    assert!(compared(&before, &after).groups.iter().all(|group| group.presence == Presence::Gone));
}

#[test]
fn an_incomplete_side_is_said_before_anything_else() {
    let comparison = compared(&clean(), &troubled());
    assert!(!comparison.complete);
    let page = to_text(&comparison, &TextStyle::default());
    assert!(page.starts_with("INCOMPLETE"), "{page}");
    assert!(page.contains("lost after") && !page.contains("lost before"), "{page}");
    let page = to_markdown(&comparison);
    let expected = "**INCOMPLETE, the totals of a side are too low.** Lost after: 15 objects";
    assert!(page.starts_with(expected), "{page}");
    let page = to_html(&comparison);
    let at = |text: &str| page.find(text).unwrap_or(usize::MAX);
    assert!(at("Incomplete:") < at("<table"), "{page}");
}

#[test]
fn callers_that_both_sides_rank_are_matched_by_value() {
    let (mut before, mut after) = (clean(), clean());
    let rank = |who: &str, settled: u128| Rank {
        value: Some(who.to_owned()),
        attempted: 10,
        throttled: 0,
        input: settled,
        output: 0,
        settled,
        share: None,
        share_in_peak: None,
    };
    let ranking = |rows: Vec<Rank>, omitted| Ranking { dimension: "identity".to_owned(), rows, omitted };
    before.rankings = vec![ranking(vec![rank("anna", 500), rank("ben", 90)], 0)];
    after.rankings = vec![ranking(vec![rank("anna", 400), rank("cara", 300)], 4)];
    let comparison = compared(&before, &after);
    let rows = &comparison.rankings[0].rows;
    let seen: Vec<_> = rows.iter().map(|row| (row.value.as_deref().unwrap_or("–"), row.presence)).collect();
    let expected = [("cara", Presence::New), ("anna", Presence::Both), ("ben", Presence::SeenBefore)];
    assert_eq!(seen, expected);
    assert_eq!(rows[1].load_change.map(|change| change.to_string()), Some("-100".to_owned()));
    after.rankings.clear();
    assert!(compared(&before, &after).rankings.is_empty());
}

#[test]
fn no_line_is_wider_than_asked() {
    let mut before = clean();
    before.groups.remove(0);
    let comparison = compared(&before, &troubled());
    for width in [0, 20, 60, 80, 100, 120, 200] {
        for unicode_bars in [false, true] {
            let style = TextStyle { width, unicode_bars, ..TextStyle::default() };
            for line in to_text(&comparison, &style).lines() {
                assert!(line.width() <= width, "{} > {width}: {line}", line.width());
            }
        }
    }
}

/// Every text of a report replaced by this, but for what says which kind of file it is.
fn with_every_text(report: &Report, text: &str) -> Report {
    fn replaced(value: &mut Value, name: &str, text: &str) {
        match value {
            Value::String(_) if name == "schema" || name.ends_with("_text") => {}
            Value::String(old) => *old = format!("{old}{text}"),
            Value::Array(items) => items.iter_mut().for_each(|item| replaced(item, name, text)),
            Value::Object(entries) => entries.iter_mut().for_each(|(key, entry)| replaced(entry, key, text)),
            _ => {}
        }
    }
    let mut value: Value = serde_json::from_str(&json::render(report)).expect("our own JSON");
    replaced(&mut value, "", text);
    json::parse(&value.to_string()).expect("the texts alone were changed")
}

#[test]
fn i01_no_text_of_a_foreign_report_is_markup_of_the_page() {
    const PAYLOAD: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&lt;\u{202e}<!--";
    let hostile = with_every_text(&troubled(), PAYLOAD);
    let page = to_html(&compared(&hostile, &hostile));
    assert!(page.contains("&lt;script&gt;"), "the page has lost its texts");
    for broken in ["<script", "<img", "<!--", "\u{202e}"] {
        assert!(!page.contains(broken), "{broken}");
    }
    // Every row closes what it opens.
    for tag in ["tr", "td", "table", "details", "svg", "div"] {
        let (opened, closed) =
            (page.matches(&format!("<{tag}")).count(), page.matches(&format!("</{tag}>")).count());
        assert_eq!(opened, closed, "{tag}");
    }
    // As many tags as with harmless texts: nothing was opened or closed.
    let harmless = with_every_text(&troubled(), "plain");
    let tags = |page: &str| page.matches('<').count();
    assert_eq!(tags(&page), tags(&to_html(&compared(&harmless, &harmless))));
}

#[test]
fn the_page_allows_its_own_style_and_nothing_else() {
    let page = to_html(&compared(&clean(), &clean()));
    let policy = page.split("content=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    for fetched in ["http:", "https:", "url(", "@import", "<script", "<link rel=\"style", " style="] {
        assert!(!page.contains(fetched), "{fetched}");
    }
}

#[test]
fn foreign_numbers_never_panic() {
    fn replaced(value: &mut Value, name: &str, number: u64) {
        match value {
            Value::Number(_) if !name.contains("threshold") => *value = number.into(),
            Value::Array(items) => items.iter_mut().for_each(|item| replaced(item, name, number)),
            Value::Object(entries) => {
                entries.iter_mut().for_each(|(key, entry)| replaced(entry, key, number));
            }
            _ => {}
        }
    }
    let value: Value = serde_json::from_str(&json::render(&troubled())).expect("our own JSON");
    let with = |number: u64| {
        let mut changed = value.clone();
        replaced(&mut changed, "", number);
        json::parse(&changed.to_string()).expect("numbers of the same kind")
    };
    let reports = [with(0), with(1), with(u64::MAX), troubled()];
    for one in &reports {
        let style = TextStyle::default();
        assert!(!borehole_report::text::render(one, &style).is_empty());
        assert!(!borehole_report::markdown::render(one).is_empty());
        assert!(!borehole_report::html::render(one).is_empty());
        for other in &reports {
            let comparison = compared(one, other);
            assert!(!to_text(&comparison, &style).is_empty());
            assert!(!to_markdown(&comparison).is_empty());
            assert!(!to_html(&comparison).is_empty());
            assert!(!comparison.json().is_empty());
        }
    }
}
