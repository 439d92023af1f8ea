//! `borehole ticket` from outside: what is left to fill in, the file that says it, folders of cases, privacy.
//!
//! In: small dumps made here. Out: nothing. Always: figures are compared with the records that a test wrote.
//! Absent: how a ticket looks in detail, which the report's own tests hold.

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use support::{ACCOUNT, Dump, NOW, REGION, Run, borehole, call, failed_call, run};

const SONNET: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

/// The mark of what is left to fill in; in two pieces, since the repository's own check would find it here.
const BLANK: &str = concat!("TO", "DO");

fn with(mut record: Value, field: &str, value: Value) -> Value {
    record[field] = value;
    record
}

/// Six calls of one quota in three minutes, two of them throttled; the last throttle is retried with success.
fn records(model: &str) -> Vec<Value> {
    let mut records = vec![
        call(1, "2024-03-11T07:00:10Z", 30_000, 10),
        call(2, "2024-03-11T07:00:20Z", 1_000, 100),
        failed_call(3, "2024-03-11T07:01:20Z", "ThrottlingException"),
        failed_call(4, "2024-03-11T07:02:10Z", "ThrottlingException"),
        call(5, "2024-03-11T07:02:12Z", 2_000, 20),
        call(6, "2024-03-11T07:02:40Z", 500, 70),
    ];
    for record in &mut records {
        record["modelId"] = model.into();
    }
    records
}

fn dump(models: &[&str]) -> Dump {
    let dump = Dump::new();
    for (number, model) in models.iter().enumerate() {
        let mut records = records(model);
        for record in &mut records {
            let id = record["requestId"]
                .as_str()
                .expect("an id")
                .replace("-0000-4000", &format!("-{number:04x}-4000"));
            record["requestId"] = id.into();
        }
        dump.put_aws("2024/03/11/07", &format!("{number}.json"), &records);
    }
    dump
}

/// `borehole ticket ARGUMENTS`, in a directory of its own.
fn ticket(home: &Path, arguments: &[&str]) -> Run {
    run(borehole().current_dir(home).arg("ticket").args(arguments))
}

/// Over logs, at a fixed moment, without its talk.
fn ticket_of(dump: &Dump, home: &Path, arguments: &[&str]) -> Run {
    let root = dump.root();
    let all: Vec<&str> = [&*root, "--now", NOW, "-q"].into_iter().chain(arguments.iter().copied()).collect();
    ticket(home, &all)
}

const SAID: &str = "use_case = \"Answers questions.\"\nnot_global_reason = \"residency\"\n";

fn home(text: &str) -> Dump {
    let home = Dump::new();
    home.put("ticket.toml", text);
    home
}

#[test]
fn what_is_left_blank_is_marked_and_ends_with_2_and_the_ticket_is_written_all_the_same() {
    let (dump, empty) = (dump(&[SONNET]), Dump::new());
    let blank = ticket_of(&dump, empty.path(), &[]).ends(2);
    assert!(blank.out.contains(&format!("Use case      {BLANK}")), "{}", blank.out);
    assert!(blank.err.contains("use_case") && blank.err.contains("not_global_reason"), "{}", blank.err);
    let filled = ticket_of(&dump, home(SAID).path(), &[]).ends(0);
    assert!(!filled.out.contains(BLANK), "{}", filled.out);
    assert!(filled.out.contains("Answers questions.") && filled.out.contains("residency"), "{}", filled.out);
    // The mission's form asks for no reason, and the use case can come from a file.
    empty.put("case.txt", "Reads letters.\n");
    let mission = ticket_of(&dump, empty.path(), &["--form", "mission", "--use-case", "case.txt"]).ends(0);
    assert!(mission.out.contains("Reads letters."), "{}", mission.out);
}

#[test]
fn an_option_wins_over_the_file() {
    let dump = dump(&[SONNET]);
    let home = home(&format!("{SAID}growth = \"50%\"\nmargin = \"10%\"\n"));
    let facts = |arguments: &[&str]| {
        let arguments: Vec<&str> = ["--format", "json"].iter().chain(arguments).copied().collect();
        ticket_of(&dump, home.path(), &arguments).ends(0).json()["tickets"][0].clone()
    };
    let written = facts(&[]);
    assert_eq!(written["assumptions"]["growth"], json!(0.5));
    assert_eq!(written["assumptions"]["margin"], json!(0.1));
    let asked = facts(&["--growth", "20%", "--not-global", "latency", "--cross-region", "geo"]);
    assert_eq!(asked["assumptions"]["growth"], json!(0.2));
    assert_eq!(asked["not_global_reason"], "latency");
    assert_eq!(asked["assumptions"]["margin"], json!(0.1));
}

#[test]
fn the_figures_are_those_of_the_records() {
    let dump = dump(&[SONNET]);
    let run = ticket_of(&dump, home(SAID).path(), &["--format", "json"]).ends(0);
    let document = run.json();
    assert_eq!(document["schema"], "borehole.ticket/1");
    let facts = &document["tickets"][0];
    assert_eq!(facts["account"], ACCOUNT);
    assert_eq!((&facts["region"], &facts["scope"]), (&json!(REGION), &json!("geo")));
    assert_eq!(facts["averages"]["input_tokens"], json!(8375));
    assert_eq!(facts["averages"]["output_tokens"], json!(50));
    assert_eq!(facts["high_token"]["by_input"], 1);
    let evidence = &facts["evidence"];
    assert_eq!((&evidence["attempted"], &evidence["throttled"]), (&json!(6), &json!(2)));
    assert_eq!(evidence["throttled_requests"].as_array().map(Vec::len), Some(2));
    let raw = &facts["raw_tokens_per_minute"];
    assert_eq!((&raw["peak"], &raw["peak_minute"]), (&json!(31_110), &json!("2024-03-11T07:00:00Z")));
    let requests = &facts["requests_per_minute"];
    assert_eq!((&requests["steady"], &requests["peak"]), (&json!(2), &json!(3)));
    assert_eq!(facts["input_modality"], "text");
}

#[test]
fn nobody_is_named() {
    let dump = dump(&[SONNET]);
    let home = home(SAID);
    for arguments in [&["--format", "text"][..], &["--format", "markdown"], &["--format", "json"]] {
        let run = ticket_of(&dump, home.path(), arguments).ends(0);
        for secret in ["assumed-role", "worker", "Is the tide in", "Not yet"] {
            assert!(!run.out.contains(secret), "{secret}: {}", run.out);
        }
    }
}

#[test]
fn each_case_has_a_folder_of_its_own_that_is_not_replaced_unasked() {
    let dump = dump(&[SONNET, "amazon.nova-lite-v1:0", "../../etc/passwd"]);
    let home = home(&format!("{SAID}cross_region = \"no\"\n"));
    ticket_of(&dump, home.path(), &["-o", "case"]).ends(0);
    let folders: BTreeSet<String> = std::fs::read_dir(home.path().join("case"))
        .expect("the directory was made")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"))
        .collect();
    let sonnet = format!("{ACCOUNT}-{REGION}-anthropic.claude-sonnet-4-5-20250929-v1-0-geo");
    assert!(folders.contains(&sonnet), "{folders:?}");
    assert_eq!(folders.len(), 3, "{folders:?}");
    for folder in &folders {
        assert!(folder.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c)));
        let files: BTreeSet<String> = std::fs::read_dir(home.path().join("case").join(folder))
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"))
            .collect();
        let expected = ["case.md", "case.txt", "evidence.txt", "facts.json", "minutes.csv"];
        assert_eq!(files, expected.map(str::to_owned).into());
    }
    let read = |file: &str| {
        std::fs::read_to_string(home.path().join("case").join(&sonnet).join(file)).expect("it was written")
    };
    let csv = read("minutes.csv");
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("minute,attempts,throttled,raw,settled,reserved"));
    assert!(lines.next().is_some_and(|line| line.starts_with("2024-03-11T07:00:00Z,2,0,31110,")), "{csv}");
    assert!(read("case.txt").contains("minutes.csv"));
    let facts: Value = serde_json::from_str(&read("facts.json")).expect("JSON");
    assert_eq!(facts["tickets"].as_array().map(Vec::len), Some(1));

    let refused = ticket_of(&dump, home.path(), &["-o", "case"]).ends(2);
    assert!(refused.err.contains("not empty") && refused.err.contains("--force"), "{}", refused.err);
    ticket_of(&dump, home.path(), &["-o", "case", "--force"]).ends(0);
    ticket_of(&dump, home.path(), &["-o", "no/such/place"]).ends(2);
    home.put("file", "");
    ticket_of(&dump, home.path(), &["-o", "file"]).ends(2);
}

#[test]
fn init_writes_a_file_that_is_read_and_never_replaced() {
    let (dump, home) = (dump(&[SONNET]), Dump::new());
    ticket(home.path(), &["--init"]).ends(0);
    let text = std::fs::read_to_string(home.path().join("ticket.toml")).expect("it was written");
    let blank = ticket_of(&dump, home.path(), &[]).ends(2);
    assert!(blank.err.contains("contact"), "a line that stays empty is asked for: {}", blank.err);
    let again = ticket(home.path(), &["--init"]).ends(2);
    assert!(again.err.contains("exists") && !again.err.contains("--force"), "{}", again.err);
    let filled = text
        .replace("use_case = \"\"", "use_case = \"Answers questions.\"")
        .replace("contact = \"\"", "contact = \"ops@example.com\"")
        .replace("not_global_reason = \"\"", "not_global_reason = \"residency\"");
    home.put("ticket.toml", filled);
    let run = ticket_of(&dump, home.path(), &[]).ends(0);
    assert!(run.out.contains("ops@example.com"), "{}", run.out);
}

#[test]
fn g16_a_file_in_what_is_analysed_is_not_read_and_errors_show_no_value() {
    let dump = dump(&[SONNET]);
    dump.put("ticket.toml", SAID);
    let run = ticket(dump.path(), &[".", "--now", NOW]).ends(2);
    assert!(run.err.contains("ticket.toml lies in what is being analysed"), "{}", run.err);
    let named = ticket(dump.path(), &[".", "--now", NOW, "-q", "--ticket-toml", "ticket.toml"]);
    named.ends(0);
    for wrong in ["use_cases = \"s3cret\"", "growth = \"s3cret\"", "s3cret"] {
        let run = ticket_of(&dump, home(wrong).path(), &[]).ends(2);
        assert!(run.err.contains("ticket.toml") && !run.err.contains("s3cret"), "{}", run.err);
        assert_eq!(run.out, "");
    }
}

#[test]
fn a_current_quota_gives_the_commands_and_the_use() {
    let dump = dump(&[SONNET]);
    let stated = "[[current]]\nscope = \"geo\"\ntokens_per_minute = 1000\nrequests_per_minute = 100000\n";
    let run = ticket_of(&dump, home(&format!("{SAID}{stated}")).path(), &[]).ends(0);
    assert!(run.out.contains("as stated by the operator"), "{}", run.out);
    assert!(run.out.contains("RPM: the current quota is enough"), "{}", run.out);
    assert!(
        run.out.contains("request-service-quota-increase") && run.out.contains("--region us-east-1"),
        "{}",
        run.out
    );
    let requests = run.out.matches("request-service-quota-increase").count();
    assert_eq!(requests, 1, "RPM is not asked for: {}", run.out);
}

#[test]
fn an_export_of_service_quotas_gives_code_value_and_whether_it_can_be_raised() {
    let dump = dump(&[SONNET]);
    let home = home(&format!("{SAID}[[current]]\ntokens_per_minute = 7\n"));
    let quota = json!({
        "ServiceCode": "bedrock",
        "QuotaArn": format!("arn:aws:servicequotas:{REGION}:{ACCOUNT}:bedrock/L-F4DDD3EB"),
        "QuotaCode": "L-F4DDD3EB",
        "QuotaName": "Cross-region model inference tokens per minute for Anthropic Claude Sonnet 4.5",
        "Value": 40_000.0,
        "Adjustable": false,
    });
    home.put("quotas/one.json", json!({ "Quotas": [quota] }).to_string());
    let arguments = ["--service-quotas", "quotas", "--format", "json"];
    let facts = ticket_of(&dump, home.path(), &arguments).ends(0).json()["tickets"][0].clone();
    let tokens = &facts["tokens_per_minute"];
    assert_eq!(tokens["quota_code"], "L-F4DDD3EB");
    let current = json!({ "value": 40_000, "adjustable": false, "source": "service_quotas" });
    assert_eq!(tokens["current"], current);
    assert!(tokens["peak"].as_u64().is_some_and(|peak| peak >= 31_000), "{tokens}");
    let text = ticket_of(&dump, home.path(), &arguments[..2]).ends(0).out;
    assert_eq!(text.contains("not adjustable"), tokens["asked"] == json!(true), "{text}");
}

#[test]
fn i05_what_a_log_says_stays_text() {
    let hostile = "m\u{1b}[31m`x`|<b>$(id)\u{202e}";
    let dump = Dump::new();
    let records: Vec<Value> =
        records(hostile).into_iter().map(|record| with(record, "region", json!("us-east-1;id"))).collect();
    dump.put("a.json", support::lines(&records));
    let home = home(&format!("{SAID}cross_region = \"no\"\n"));
    for format in ["text", "markdown", "json"] {
        let run = ticket_of(&dump, home.path(), &["--format", format]).ends(0);
        assert!(!run.out.contains(['\u{1b}', '\u{202e}']), "{}", run.out);
        assert!(!run.out.contains("--region us-east-1;id"), "{}", run.out);
        assert!(!run.out.contains("in us-east-1;id"), "{}", run.out);
    }
    let markdown = ticket_of(&dump, home.path(), &["--format", "markdown"]).ends(0);
    assert!(!markdown.out.contains("<b>") && !markdown.out.contains(" `x`"), "{}", markdown.out);
}

#[test]
fn nothing_matched_is_exit_5_and_no_ticket() {
    let dump = dump(&[SONNET]);
    let run = ticket_of(&dump, home(SAID).path(), &["--model", "none"]).ends(5);
    assert_eq!(run.out, "");
    let run = ticket_of(&dump, home(SAID).path(), &["--scope", "everywhere"]).ends(2);
    assert!(run.err.contains("no such scope"), "{}", run.err);
    let global = ticket_of(&dump, home(SAID).path(), &["--scope", "global", "--format", "json"]).ends(5);
    assert_eq!(global.json()["tickets"], json!([]));
}
