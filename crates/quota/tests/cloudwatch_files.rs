//! Exported files in every format: what is read, and what is refused and where.

mod cloudwatch_support;

use borehole_quota::cloudwatch::{CloudWatch, CloudWatchError, Compared, Metric, Place};
use cloudwatch_support::{Call, MODEL, cloudwatch, log_of, reconciled, sum};
use proptest::prelude::*;

const FORMATS: [(&str, &str); 5] = [
    ("get-metric-data.json", include_str!("data/cloudwatch/get-metric-data.json")),
    ("get-metric-statistics.json", include_str!("data/cloudwatch/get-metric-statistics.json")),
    ("console.csv", include_str!("data/cloudwatch/console.csv")),
    ("wide.csv", include_str!("data/cloudwatch/wide.csv")),
    ("long.csv", include_str!("data/cloudwatch/long.csv")),
];

/// The log that all of them are about.
fn logged() -> Vec<Call> {
    let at = |minute: i64, second: i64| Call::ok(minute * 60 + second).input(1_000);
    vec![
        at(0, 0),
        at(0, 30),
        at(0, 59),
        at(1, 0),
        at(1, 1),
        Call::throttled(62),
        Call::throttled(63),
        at(2, 5),
    ]
}

fn refused(text: &str) -> CloudWatchError {
    let mut cloudwatch = CloudWatch::default();
    match cloudwatch.read(text.as_bytes()) {
        Err(error) => error,
        Ok(()) => cloudwatch.period().expect_err("the file is not fine"),
    }
}

fn place(line: usize, column: usize) -> Place {
    Place { line, column }
}

fn one_series(label: &str, times: &str, values: &str) -> String {
    format!(
        r#"{{"MetricDataResults":[{{"Id":"m1","Label":"{label}","Timestamps":[{times}],"Values":[{values}],"StatusCode":"Complete"}}]}}"#
    )
}

#[test]
fn every_format_says_the_same() {
    for (name, text) in FORMATS {
        let cloudwatch = cloudwatch(text);
        assert_eq!(cloudwatch.period().map(|period| period.to_string()), Ok("1 min".to_owned()), "{name}");
        let sheet = reconciled(&cloudwatch, &log_of(&cloudwatch, &logged()));
        for (compared, total) in
            [(Compared::InvocationsSuccessful, 6), (Compared::Throttles, 2), (Compared::Input, 6_000)]
        {
            let sum = sum(&sheet, compared);
            assert_eq!((sum.cloudwatch, sum.log, sum.misfit), (Some(total), Some(total), 0), "{name}");
        }
        assert_eq!(sum(&sheet, Compared::Output).cloudwatch, None, "{name} has no such metric");
        assert_eq!(sheet.rows.len(), 3, "{name}");
        assert!(sheet.worst.is_empty(), "{name}");
    }
}

#[test]
fn the_query_file_of_the_documentation_asks_for_every_metric_as_a_sum() {
    let page = include_str!("../../../docs/cloudwatch.md");
    let (_, block) = page.split_once("```json\n").expect("a query file");
    let (queries, _) = block.split_once("```").expect("its end");
    let queries: Vec<serde_json::Value> = serde_json::from_str(queries).expect("JSON");
    let asked = |pointer: &str| -> Vec<&str> {
        queries.iter().filter_map(|query| query.pointer(pointer)?.as_str()).collect()
    };
    let names = Metric::ALL.map(Metric::name);
    assert_eq!(asked("/MetricStat/Metric/MetricName"), names);
    assert_eq!(asked("/Label"), names);
    assert_eq!(asked("/MetricStat/Stat"), ["Sum"; 9]);
    let ids: std::collections::BTreeSet<&str> = asked("/Id").into_iter().collect();
    assert_eq!(ids.len(), 9);
}

#[test]
fn line_ends_byte_order_marks_and_blank_lines_change_nothing() {
    for (name, text) in FORMATS {
        let plain = cloudwatch(text);
        let dressed = format!("\u{feff}\r\n{}\r\n\r\n", text.replace("\r\n", "\n").replace('\n', "\r\n"));
        assert_eq!(cloudwatch(&dressed), plain, "{name}");
    }
}

#[test]
fn pages_may_follow_each_other_or_lie_in_an_array_and_repeat_points() {
    let first = one_series("Invocations", r#""2024-03-11T07:01:00Z","2024-03-11T07:00:00Z""#, "5,4");
    let second = one_series("Invocations", r#""2024-03-11T07:02:00Z","2024-03-11T07:01:00Z""#, "6,5");
    let whole = one_series("Invocations", "1710140400,1710140460,1710140520", "4,5,6");
    let expected = log_free_total(&cloudwatch(&whole));
    for text in [format!("{first}{second}"), format!("{second}\n\n{first}"), format!("[{first},{second}]")] {
        let pages = cloudwatch(&text);
        assert_eq!(log_free_total(&pages), expected);
        assert_eq!(pages.notes().repeated, 1);
    }
    // The same from two files.
    let mut files = cloudwatch(&first);
    files.read(second.as_bytes()).expect("fine");
    assert_eq!(log_free_total(&files), expected);
}

/// The sum of `Invocations`, beside a log whose one call says nothing but where the range is.
fn log_free_total(cloudwatch: &CloudWatch) -> Option<u128> {
    let mut log = log_of(cloudwatch, &[Call::ok(0)]);
    log.set_range(cloudwatch_support::at(-86_400), cloudwatch_support::at(86_400));
    sum(&reconciled(cloudwatch, &log), Compared::InvocationsSuccessful).cloudwatch
}

#[test]
fn a_page_that_was_not_followed_makes_its_metric_incomplete() {
    let page = one_series("Invocations", r#""2024-03-11T07:00:00Z","2024-03-11T07:01:00Z""#, "1,1")
        .replace("Complete", "PartialData");
    assert_eq!(cloudwatch(&page).notes().incomplete.iter().collect::<Vec<_>>(), [&"Invocations"]);
    let last = one_series("Invocations", r#""2024-03-11T07:02:00Z""#, "1");
    assert!(cloudwatch(&format!("{page}{last}")).notes().incomplete.is_empty());
    let cut = last.replacen('{', r#"{"NextToken":"x","#, 1);
    assert_eq!(cloudwatch(&cut).notes().incomplete.len(), 1);
    let null = last.replacen('{', r#"{"NextToken":null,"#, 1);
    assert!(cloudwatch(&null).notes().incomplete.is_empty());
}

#[test]
fn a_metric_that_broke_off_is_compared_only_where_it_is_known() {
    let text = r#"{"MetricDataResults":[
        {"Id":"a","Label":"Invocations","Timestamps":["2024-03-11T07:00:00Z","2024-03-11T07:01:00Z"],"Values":[1,1],"StatusCode":"PartialData"},
        {"Id":"b","Label":"InputTokenCount","Timestamps":["2024-03-11T07:00:00Z","2024-03-11T07:03:00Z"],"Values":[10,10],"StatusCode":"Complete"}]}"#;
    let cloudwatch = cloudwatch(text);
    let calls: Vec<Call> = (0..4).map(|minute| Call::ok(minute * 60).input(10)).collect();
    let sheet = reconciled(&cloudwatch, &log_of(&cloudwatch, &calls));
    let invocations = sum(&sheet, Compared::InvocationsSuccessful);
    assert_eq!((invocations.cloudwatch, invocations.log), (Some(2), Some(2)));
    let input = sum(&sheet, Compared::Input);
    assert_eq!(
        (input.cloudwatch, input.log),
        (Some(20), Some(40)),
        "no data point is 0 where all pages are here"
    );
}

#[test]
fn two_values_for_one_time_are_refused_but_at_the_end_of_an_export() {
    let first = one_series("Invocations", "1710140400,1710140460", "4,5");
    let grown = one_series("Invocations", "1710140460,1710140520", "7,1");
    let files = cloudwatch(&format!("{first}{grown}"));
    assert_eq!((log_free_total(&files), files.notes().revised), (Some(4 + 7 + 1), 1));
    let other = one_series("Invocations", "1710140400,1710140520", "3,1");
    assert_eq!(
        refused(&format!("{first}\n{other}")),
        CloudWatchError::Conflict { metric: Metric::Invocations, place: place(2, 23) }
    );
}

#[test]
fn two_series_of_one_document_that_nothing_tells_apart_are_refused() {
    let text = r#"{"MetricDataResults":[
      {"Id":"m1","Label":"Invocations","Timestamps":[60],"Values":[1]},
      {"Id":"m2","Label":"Invocations","Timestamps":[120],"Values":[1]}]}"#;
    assert_eq!(refused(text), CloudWatchError::Alike { metric: Metric::Invocations, place: place(3, 7) });
    assert_eq!(
        refused("time,Invocations,invocations\n2024-03-11,1,2\n"),
        CloudWatchError::Alike { metric: Metric::Invocations, place: place(1, 3) }
    );
    let named = text.replacen("Invocations", "us.a.b-v1:0 Invocations", 1);
    assert!(CloudWatch::default().read(named.as_bytes()).is_ok());
}

#[test]
fn only_series_of_the_chosen_models_and_regions_count() {
    let text = format!(
        r#"{{"MetricDataResults":[
        {{"Id":"a","Label":"us-east-1 {MODEL} Invocations","Timestamps":[1710140400,1710140460],"Values":[1,1]}},
        {{"Id":"b","Label":"us-east-1 anthropic.claude-3-haiku-20240307-v1:0 Invocations","Timestamps":[1710140400],"Values":[10]}},
        {{"Id":"c","Label":"eu-central-1 {MODEL} Invocations","Timestamps":[1710140400],"Values":[100]}},
        {{"Id":"d","Label":"Invocations","Timestamps":[1710140400],"Values":[1000]}}]}}"#
    );
    let cloudwatch = cloudwatch(&text);
    let sheet = reconciled(&cloudwatch, &log_of(&cloudwatch, &[Call::ok(0), Call::ok(60)]));
    assert_eq!(sum(&sheet, Compared::InvocationsSuccessful).cloudwatch, Some(2));
    assert_eq!(sheet.other_models.iter().collect::<Vec<_>>(), ["anthropic.claude-3-haiku-20240307-v1:0"]);
    assert!(!sheet.without_model);
}

#[test]
fn what_does_not_sum_up_or_is_not_known_is_skipped_and_named() {
    let text = format!(
        r#"{{"MetricDataResults":[
        {{"Id":"a","Label":"InvocationLatency Average","Timestamps":[60],"Values":[-1.5]}},
        {{"Id":"b","Label":"OutputImageCount","Timestamps":[60],"Values":["?"]}},
        {{"Id":"input","Label":"{MODEL}","Timestamps":[60,120],"Values":[1.5,2]}},
        {{"Id":"inputtokencount","Label":"{MODEL}","Timestamps":[60,120],"Values":[1.5,2]}}]}}"#
    );
    let notes = cloudwatch(&text).notes().clone();
    assert_eq!(notes.not_summable.into_iter().collect::<Vec<_>>(), ["InvocationLatency"]);
    assert_eq!(notes.unknown.into_iter().collect::<Vec<_>>(), ["OutputImageCount", MODEL]);
    assert_eq!(notes.rounded, 1);
}

#[test]
fn a_statistic_that_does_not_sum_up_is_refused() {
    let at = |place| CloudWatchError::Statistic { metric: Metric::InputTokenCount, place };
    assert_eq!(refused(&one_series("InputTokenCount Average", "60", "1.5")), at(place(1, 23)));
    let points =
        r#"{"Label":"InputTokenCount","Datapoints":[{"Timestamp":"2024-03-11T07:00:00Z","Average":2.5}]}"#;
    assert_eq!(refused(points), at(place(1, 42)));
    assert_eq!(refused("timestamp,InputTokenCount p99\n2024-03-11,1\n"), at(place(1, 2)));
    assert_eq!(refused(points).hint(), Some("export with the statistic Sum"));
}

#[test]
fn files_that_cannot_be_understood_are_refused_with_their_place() {
    use CloudWatchError as Error;
    let good = r#""2024-03-11T07:00:00Z""#;
    for (text, error) in [
        (String::new(), Error::Empty),
        (" \n\t ".to_owned(), Error::Empty),
        ("{".to_owned(), Error::NotJson(place(1, 1))),
        ("{\"MetricDataResults\":[]} x".to_owned(), Error::NotJson(place(1, 26))),
        ("{}".to_owned(), Error::UnknownShape(place(1, 1))),
        ("[\n  {\"Datapoints\": 5}\n]".to_owned(), Error::UnknownShape(place(2, 18))),
        ("[[]]".to_owned(), Error::UnknownShape(place(1, 2))),
        ("{\"MetricDataResults\":[{}]}".to_owned(), Error::UnknownShape(place(1, 24))),
        (one_series("Invocations", good, "1,2"), Error::LengthsDiffer(place(1, 23))),
        (one_series("Invocations", "\"yesterday\"", "1"), Error::BadTime(place(1, 70))),
        (one_series("Invocations", good, "\"one\""), Error::BadValue(place(1, 104))),
        (one_series("Invocations", good, "-1"), Error::NegativeValue(place(1, 104))),
        (one_series("Invocations", good, "1e20"), Error::ValueTooLarge(place(1, 104))),
        (one_series("Invocations", good, "1"), Error::PeriodUnknown),
        (one_series("Invocations", "", ""), Error::NoPoints),
        (one_series("Invocations", "1710140400,1710140410", "1,1"), Error::PeriodNotMinutes),
        ("lorem,ipsum\n1,2\n".to_owned(), Error::NoHeader(place(1, 1))),
        ("2024/03/11 07:00:00,12\n".to_owned(), Error::NoHeader(place(1, 1))),
        ("StatusCode,Complete\n".to_owned(), Error::NoHeader(place(1, 1))),
        ("Label,Invocations\n".to_owned(), Error::NoPoints),
        ("time,Invocations\nnoon,1\n".to_owned(), Error::BadTime(place(2, 1))),
        ("time,Invocations\n2024-03-11,a\n".to_owned(), Error::BadValue(place(2, 2))),
        ("time,Invocations\n2024-03-11,1,2\n".to_owned(), Error::RaggedRow(place(2, 3))),
        ("time,Invocations\n2024-03-11,\"1\n".to_owned(), Error::OpenQuote(place(2, 2))),
    ] {
        assert_eq!(refused(&text), error, "{text}");
    }
    let mut utf16 = vec![0xff, 0xfe];
    utf16.extend("{}".encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(CloudWatch::default().read(&utf16), Err(Error::NotUtf8));
}

#[test]
fn an_error_never_holds_what_the_file_said() {
    for text in [
        r#"{"MetricDataResults":"secret"}"#,
        r#"{"MetricDataResults":[{"Id":"secret","Timestamps":["secret"],"Values":[1],"Label":"Invocations"}]}"#,
        r#"{"Datapoints":[{"Timestamp":secret}]}"#,
        "secret,secret\n",
        "time,Invocations\nsecret,1\n",
        "time,Invocations\n2024-03-11,secret\n",
    ] {
        let error = refused(text);
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
}

#[test]
fn what_is_too_large_is_refused_before_it_takes_memory() {
    let junk = " ".repeat(borehole_quota::cloudwatch::FILE_BYTES_MAX + 1);
    assert_eq!(CloudWatch::default().read(junk.as_bytes()), Err(CloudWatchError::TooLarge));
    let wide = format!("time{}\n", ",Invocations".repeat(600));
    assert_eq!(refused(&wide), CloudWatchError::RaggedRow(place(1, 513)));
    let many = format!(r#"{{"MetricDataResults":[{}0]}}"#, "0,".repeat(1 << 16));
    assert!(matches!(refused(&many), CloudWatchError::UnknownShape(_)));
    let rows = (0..5_000).map(|n| format!("2024-03-11,m{n},1\n")).collect::<String>();
    assert_eq!(refused(&format!("time,metric,value\n{rows}")), CloudWatchError::TooManyPoints);
}

#[test]
fn many_short_entries_are_read_in_one_pass() {
    // Places are known for each of them, though none is wrong: counting lines anew for each would take minutes.
    let empty =
        "{\"Id\":\"m1\",\"Label\":\"Invocations\",\"Timestamps\":[],\"Values\":[]}\n,\n".repeat(60_000);
    let text = format!("{{\"MetricDataResults\":[{}]}}", empty.trim_end_matches(",\n"));
    assert_eq!(refused(&text), CloudWatchError::NoPoints);
    let points: String = (0..50_000)
        .map(|minute| format!("{{\"Timestamp\":{},\"Sum\":1.0}}\n,", 1_710_140_400 + minute * 60))
        .collect();
    let text = format!("{{\"Label\":\"Invocations\",\"Datapoints\":[{}]}}", points.trim_end_matches(','));
    assert_eq!(log_free_total(&cloudwatch(&text)), Some(1_440));
}

#[test]
fn unknown_names_are_capped() {
    let labels: Vec<String> = (0..60)
        .map(|n| format!(r#"{{"Label":"{n}{}","Timestamps":[],"Values":[]}}"#, "x".repeat(500)))
        .collect();
    let notes = cloudwatch(&format!(r#"{{"MetricDataResults":[{}]}}"#, labels.join(","))).notes().clone();
    assert_eq!((notes.unknown.len(), notes.unknown_more), (50, 10));
    assert!(notes.unknown.iter().all(|name| name.chars().count() == 200));
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = CloudWatch::default().read(text.as_bytes());
    }

    #[test]
    fn no_cut_or_changed_byte_panics(format in 0..FORMATS.len(), at: prop::sample::Index, byte: u8, cut: bool) {
        let mut bytes = FORMATS[format].1.as_bytes().to_vec();
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] = byte;
        }
        let mut cloudwatch = CloudWatch::default();
        if cloudwatch.read(&bytes).is_ok() && cloudwatch.period().is_ok() {
            let log = log_of(&cloudwatch, &logged());
            let _ = cloudwatch_support::try_reconciled(&cloudwatch, &log, None);
        }
    }

    #[test]
    fn the_order_of_points_changes_nothing(order in Just((0..40i64).collect::<Vec<_>>()).prop_shuffle()) {
        let series = |order: &[i64]| {
            let times: Vec<String> = order.iter().map(|minute| (1_710_140_400 + minute * 60).to_string()).collect();
            let values: Vec<String> = order.iter().map(|minute| (minute * minute).to_string()).collect();
            one_series("Invocations", &times.join(","), &values.join(","))
        };
        let sorted: Vec<i64> = (0..40).collect();
        prop_assert_eq!(cloudwatch(&series(&order)), cloudwatch(&series(&sorted)));
    }
}
