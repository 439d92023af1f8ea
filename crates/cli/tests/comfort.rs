//! What makes the command easy to live with: short ways to say things, examples, hints, defaults, conditions.
//!
//! In: small dumps made here, the fixtures. Out: nothing. Always: a hint is tested where the mistake happens, by the
//! mistake itself; examples of the help run as they stand. Absent: what the figures are, and S3 but for having no
//! credentials.

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use support::{
    ACCOUNT, Dump, MODEL, NOW, REGION, Run, aws_key, borehole, call, failed_call, gzip, lines, repository,
    request_id, run, run_with, without_run,
};

/// The command in a directory, with nothing of the user's configuration.
fn command(directory: &Path) -> Command {
    let mut command = borehole();
    command.current_dir(directory);
    for name in ["XDG_CONFIG_HOME", "HOME"] {
        command.env_remove(name);
    }
    command
}

fn at(directory: &Path, arguments: &[&str]) -> Run {
    run(command(directory).args(arguments))
}

/// A directory with a dump `logs` of three records: two calls and a throttle, on 11 March at 7 and on 13 March at 9.
fn place() -> Dump {
    let place = Dump::new();
    let put = |hour: &str, name: &str, text: String| {
        place.put(&format!("logs/{}", aws_key(hour, name)), text);
    };
    let first = [
        call(1, "2024-03-11T07:00:10Z", 30_000, 10),
        failed_call(3, "2024-03-11T07:01:20Z", "ThrottlingException"),
    ];
    put("2024/03/11/07", "a.json", lines(&first));
    put("2024/03/13/09", "b.json", lines(&[call(2, "2024-03-13T09:01:10Z", 200, 20)]));
    place
}

/// `analyze ARGUMENTS` in a place, with the fixtures' now.
fn analyze(place: &Dump, arguments: &[&str]) -> Run {
    at(place.path(), &[&["analyze"], arguments, &["--now", NOW]].concat())
}

/// The lines of stderr that begin like this, without that beginning.
fn told<'a>(run: &'a Run, beginning: &str) -> Vec<&'a str> {
    run.err.lines().filter_map(|line| line.strip_prefix(beginning)).collect()
}

#[track_caller]
fn expect_hint(run: &Run, expected: &str) {
    let hints = told(run, "hint: ");
    assert!(hints.iter().any(|hint| hint.contains(expected)), "no {expected:?} in:\n{}", run.err);
}

// ---------------------------------------------------------------------------------------------------------------
// Completions and manual pages

#[test]
fn bash_completes_a_flag_and_a_command_with_the_script() {
    let script = run(borehole().args(["completions", "bash"])).ends(0).out;
    let place = Dump::new();
    place.put("completions.bash", script);
    // What readline does: the words, the one the cursor is in, then the function that `complete` names.
    let ask = r#"
        source "$1"
        function_of_borehole=$(complete -p borehole | sed 's/.*-F \([^ ]*\).*/\1/')
        ask() {
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
            "$function_of_borehole" borehole "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            printf '%s\n' "${COMPREPLY[@]}"
        }
        ask borehole analyze --fail
        ask borehole tick
        ask borehole completions z
    "#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", ask, "bash", &place.at("completions.bash")]);
    let completed = run(&mut bash).ends(0);
    assert_eq!(completed.out, "--fail-if\nticket\nzsh\n", "{}", completed.err);
}

#[test]
fn every_shell_has_a_script_that_knows_the_options() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(borehole().args(["completions", shell])).ends(0).out;
        for word in ["analyze", "fail-if", "large-data", "vacuum"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
    }
    run(borehole().args(["completions", "tcsh"])).ends(2);
}

#[test]
fn every_command_has_a_manual_page_that_roff_has_nothing_against() {
    let place = Dump::new();
    let out = place.at("man1");
    run(borehole().args(["man", "--out", &out])).ends(0);
    run(borehole().args(["man", "--out", &out])).ends(2);
    run(borehole().args(["man", "--out", &out, "--force"])).ends(0);
    let mut names: Vec<String> = std::fs::read_dir(&out)
        .expect("the directory is there")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"))
        .collect();
    names.sort();
    for name in ["borehole.1", "borehole-analyze.1", "borehole-dataset-info.1", "borehole-rules-show.1"] {
        assert!(names.iter().any(|known| known == name), "{name} is missing from {names:?}");
    }
    let has_man = Command::new("man").arg("--version").output().is_ok_and(|output| output.status.success());
    for name in &names {
        let text = std::fs::read_to_string(Path::new(&out).join(name)).expect("a page is text");
        for part in
            [".TH \"BOREHOLE", ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS", ".SH EXAMPLES"]
        {
            assert!(text.contains(part), "{name} has no {part}");
        }
        let title = text.lines().find(|line| line.starts_with(".TH")).expect("seen above");
        assert_eq!(title.matches('"').count(), 8, "{name}: {title}");
        assert_eq!(text.matches("\n.nf\n").count(), text.matches("\n.fi\n").count(), "{name}");
        let known =
            [".TH", ".SH", ".SS", ".TP", ".PP", ".br", ".nf", ".fi", ".ie", ".el", ".RS", ".RE", ".IP"];
        let odd = text
            .lines()
            .find(|line| line.starts_with(['.', '\'']) && !known.iter().any(|word| line.starts_with(word)));
        assert_eq!(odd, None, "{name} has a line that roff takes for a request");
        if has_man {
            let path = Path::new(&out).join(name);
            let mut man = Command::new("man");
            man.args(["--warnings", "--encoding=UTF-8", "--local-file"]).arg(path).env("MANWIDTH", "120");
            let shown = run(man.env("LC_ALL", "C.UTF-8"));
            // A minimal system has a `man` that says only that pages were left out.
            if shown.code == Some(0) && shown.err.is_empty() && shown.out.contains("NAME") {
                assert!(shown.out.contains("EXAMPLES"), "{name}:\n{}", shown.out);
            } else {
                assert!(!shown.err.contains("warning"), "{name}: {}", shown.err);
            }
        }
    }
    let first = run(borehole().arg("man")).ends(0).out;
    assert_eq!(first, std::fs::read_to_string(Path::new(&out).join("borehole.1")).expect("the main page"));
}

// ---------------------------------------------------------------------------------------------------------------
// Saying it shortly

#[test]
fn a_source_alone_means_analyze() {
    let place = place();
    place.put("borehole.toml", "[sources.mine]\nurl = \"logs\"\n");
    let whole = |run: Run| without_run(&run.ends(0).out);
    let expected = whole(analyze(&place, &["logs", "--format", "json"]));
    for source in ["logs", "./logs", "logs/", "mine"] {
        let short = at(place.path(), &[source, "--format", "json", "--now", NOW]);
        assert_eq!(whole(short), expected, "{source}");
    }
    let day = at(place.path(), &["logs/2024/03/11", "--format", "json", "--now", NOW]).ends(0).json();
    assert_eq!(day["totals"]["requests"]["attempted"], 2);
    let record = lines(&[call(9, "2024-03-11T07:00:10Z", 1, 1)]);
    let piped =
        run_with(command(place.path()).args(["-", "--format", "json", "--now", NOW]), record.as_bytes());
    assert_eq!(piped.ends(0).json()["totals"]["requests"]["attempted"], 1);
    // Paths and URLs that lead nowhere are told as such, not as commands.
    let run = at(place.path(), &["./lgos"]).ends(4);
    assert!(run.err.contains("./lgos: open failed"), "{}", run.err);
    let run = at(place.path(), &["https://logs.s3.amazonaws.com/x"]).ends(2);
    assert!(run.err.contains("did you mean s3://logs/x?"), "{}", run.err);
    // A command is a command, whatever lies here; the path is spelt out.
    place.put("ls/x", "");
    assert!(at(place.path(), &["ls", "logs"]).ends(0).out.contains("stored"));
}

#[test]
fn a_word_that_is_nothing_gets_clap_s_suggestion_and_says_what_was_looked_for() {
    let place = place();
    let run = at(place.path(), &["analyse", "logs"]).ends(2);
    assert!(
        run.err.contains("unrecognized subcommand 'analyse'") && run.err.contains("'analyze'"),
        "{}",
        run.err
    );
    expect_hint(&run, "no command, no path that is there, and no name of borehole.toml");
    let run = at(place.path(), &["tickets"]).ends(2);
    assert!(run.err.contains("'ticket'"), "{}", run.err);
    let run = at(place.path(), &["analyze", "logs", "--modle", "x"]).ends(2);
    assert!(run.err.contains("'--model'"), "{}", run.err);
}

#[test]
fn the_command_alone_shows_every_command_in_its_group() {
    let run = run(&mut borehole()).ends(2);
    assert_eq!(run.out, "");
    let positions: Vec<Option<usize>> =
        ["Answer:", "analyze", "Look:", "doctor", "Keep:", "pull", "Other:", "man", "Examples:"]
            .iter()
            .map(|word| run.err.find(&format!("\n{word}")).or_else(|| run.err.find(&format!("\n  {word} "))))
            .collect();
    assert!(positions.iter().all(Option::is_some) && positions.is_sorted(), "{positions:?}\n{}", run.err);
}

#[test]
fn the_local_examples_of_every_help_run_as_they_stand() {
    let place = Dump::new();
    std::os::unix::fs::symlink(repository().join("fixtures/dumps"), place.path().join("dump"))
        .expect("a link");
    std::fs::create_dir(place.path().join("payloads")).expect("a folder");
    std::fs::create_dir(place.path().join("quotas")).expect("a folder");
    place.put("ours.toml", std::fs::read(repository().join("fixtures/rules.toml")).expect("rules"));
    place.put("use-case.txt", "Tides");
    place.put("export.gz", gzip(lines(&[call(1, "2024-03-11T07:00:00Z", 1, 1)]).as_bytes()));
    at(place.path(), &["analyze", "dump/", "-q", "--dataset", "kept/", "--now", NOW]).ends(0);
    at(place.path(), &["analyze", "dump/", "-q", "--part", "week-10.part", "--now", NOW]).ends(0);
    let binary = Path::new(env!("CARGO_BIN_EXE_borehole"));
    let folder = binary.parent().and_then(Path::to_str).expect("a plain path");
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap_or_default());

    let commands = [
        "",
        "analyze",
        "ticket",
        "quota",
        "export",
        "rules",
        "rules show",
        "ls",
        "find",
        "pull",
        "restore",
        "doctor",
        "dataset",
        "dataset info",
        "dataset verify",
        "dataset vacuum",
        "completions",
        "man",
    ];
    let mut count = 0;
    for name in commands {
        let words: Vec<&str> = name.split_whitespace().chain(["--help"]).collect();
        let help = run(borehole().args(&words)).ends(0).out;
        let examples = help.split("\nExamples:\n").nth(1).unwrap_or_else(|| panic!("{name} has no examples"));
        for example in examples.lines().filter_map(|line| line.strip_prefix("  ")) {
            let needs_more = ["s3://", "prod", " ~/", "aws ", "man -l", "zsh >", "fish >", "role=batch"];
            if example.starts_with('#') || needs_more.iter().any(|word| example.contains(word)) {
                continue;
            }
            let mut shell = Command::new("bash");
            shell.args(["-c", example]).env("PATH", &path).current_dir(place.path());
            shell.env("XDG_CACHE_HOME", place.at("cache")).env("XDG_CONFIG_HOME", place.at("config"));
            let ended = run(&mut shell);
            // 2 is a ticket with something left to fill in, 5 a request id that the fixtures do not have, 6 what was
            // asked to fail.
            let allowed: &[i32] = match name {
                "ticket" => &[0, 2],
                "find" => &[5],
                "analyze" if example.contains("--fail-if") => &[6],
                _ => &[0],
            };
            assert!(
                ended.code.is_some_and(|code| allowed.contains(&code)),
                "{example}: {:?}\n{}",
                ended.code,
                ended.err
            );
            let is_wrong = ended.err.contains("error:");
            assert!(!is_wrong, "{example}:\n{}", ended.err);
            count += 1;
        }
    }
    assert!(count >= 25, "only {count} examples ran");
}

// ---------------------------------------------------------------------------------------------------------------
// Hints

#[test]
fn a_filter_that_no_record_has_is_told_with_what_there_is() {
    let place = place();
    let run = analyze(&place, &["logs", "--region", "us-east1"]).ends(5);
    expect_hint(
        &run,
        &format!(
            "--region us-east1: no record of the range has this source Region; did you mean {REGION}? (logged: {REGION})"
        ),
    );
    let run = analyze(&place, &["logs", "--model", "claude-3-haiku"]).ends(5);
    expect_hint(&run, &format!("did you mean {MODEL}?"));
    let run = analyze(&place, &["logs", "--account", "1111-2222-3333"]).ends(5);
    expect_hint(&run, &format!("did you mean {ACCOUNT}?"));
    // One of two is enough for an answer, and the other is told all the same; a spelling of the log is one, too.
    let run = analyze(&place, &["logs", "--region", &format!("{REGION},mars-1"), "--model", MODEL]).ends(0);
    let hints = told(&run, "hint: ");
    assert!(
        hints.len() == 1 && hints[0].contains("--region mars-1") && !hints[0].contains("did you mean"),
        "{}",
        run.err
    );
    // Each of them is there, and no record has both.
    let other = call(7, "2024-03-11T07:00:00Z", 1, 1).to_string().replace(REGION, "eu-west-1");
    place.put("logs/other.ndjson", other.replace(MODEL, "amazon.nova-pro-v1:0"));
    let run = analyze(&place, &["logs", "--region", "eu-west-1", "--model", MODEL]).ends(5);
    expect_hint(&run, "--by account,region,model shows what there is");
    assert_eq!(analyze(&place, &["logs", "--region", "mars-1", "-q"]).ends(5).err, "");
}

#[test]
fn i05_a_hint_escapes_what_logs_and_arguments_say() {
    let place = place();
    let odd = call(7, "2024-03-11T07:00:00Z", 1, 1).to_string().replace(REGION, "us-east-9\\u001b[2J");
    place.put("logs/other.ndjson", odd);
    let run = analyze(&place, &["logs", "--region", "us-east-9\u{1b}]0;x"]).ends(5);
    assert!(!run.err.contains('\u{1b}') && run.err.contains("us-east-9\\u{1b}"), "{:?}", run.err);
}

#[test]
fn an_empty_range_says_from_when_to_when_there_are_logs() {
    let place = place();
    let there = "has logs from 2024-03-11 07:00 to 2024-03-13 10:00 (UTC); asked was";
    for arguments in [
        &["logs", "--from", "2025-01-01"][..],
        &["logs", "--to", "2024-03-01"],
        &["logs", "--last", "7d"],
        &["logs/2023"],
    ] {
        expect_hint(&analyze(&place, arguments).ends(5), there);
    }
    // A gap between logs is no empty place.
    let run = analyze(&place, &["logs/2024/03/12/12"]).ends(5);
    assert!(!run.err.contains("has logs from"), "{}", run.err);
    let run = analyze(&place, &["logs", "--from", "2024-03-12", "--to", "2024-03-11"]).ends(2);
    expect_hint(&run, "were they swapped?");
    let run = analyze(&place, &["logs", "--from", "2024-03-12", "--to", "2024-03-12"]).ends(2);
    expect_hint(&run, "the end is not included");
}

#[test]
fn a_path_that_leaves_the_layout_out_is_led_to_it() {
    let place = place();
    let folder = format!("logs/AWSLogs/{ACCOUNT}/BedrockModelInvocationLogs/{REGION}");
    for (typed, meant) in [
        (format!("logs/{ACCOUNT}/{REGION}/2024/03/11"), format!("was this meant: {folder}/2024/03/11")),
        (format!("logs/{REGION}"), format!("was this meant: {folder}")),
        ("logs/eu-west-1".to_owned(), format!("the logs there lie in {folder}")),
        (format!("logs/AWSLogs/{REGION}"), folder.clone()),
    ] {
        let run = analyze(&place, &[&typed]).ends(4);
        expect_hint(&run, &meant);
        assert!(run.err.contains("open failed"), "{}", run.err);
    }
    // What is deep or shallow inside of the layout is simply read.
    for typed in
        ["logs/AWSLogs".to_owned(), format!("logs/AWSLogs/{ACCOUNT}"), format!("{folder}/2024/03/11/07")]
    {
        analyze(&place, &[&typed]).ends(0);
    }
    let run = analyze(&place, &["nothing/here"]).ends(4);
    expect_hint(&run, "check the path");
}

#[test]
fn payloads_alone_and_logs_of_others_are_told_apart() {
    let place = Dump::new();
    let data = format!("AWSLogs/{ACCOUNT}/BedrockModelInvocationLogs/{REGION}/2024/03/11/07/data");
    place.put(&format!("payloads/{data}/{}_input.json", request_id(1)), r#"{"messages":[]}"#);
    let inside = format!("payloads/{data}");
    for typed in ["payloads", &*inside] {
        expect_hint(&analyze(&place, &[typed]).ends(5), "holds offloaded payloads and no logs");
    }
    let event = r#"{"Records":[{"eventSource":"bedrock.amazonaws.com","eventName":"InvokeModel"}]}"#;
    place.put(
        &format!("trail/AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2024/03/11/x.json.gz"),
        gzip(event.as_bytes()),
    );
    place.put("events.json", event);
    expect_hint(&analyze(&place, &["trail"]).ends(5), "trail holds logs of other services (CloudTrail)");
    let typed = format!("trail/AWSLogs/{ACCOUNT}/CloudTrail");
    expect_hint(&analyze(&place, &[&typed]).ends(5), "other services (CloudTrail)");
    expect_hint(&analyze(&place, &["events.json"]), "these files look like CloudTrail's");
    place.put(
        "bodies/one.json",
        r#"{"anthropic_version":"bedrock-2023-05-31","messages":[{"content":"CANARY"}]}"#,
    );
    let run = analyze(&place, &["bodies"]);
    expect_hint(&run, "bodies of requests or answers");
    assert!(!run.err.contains("CANARY"), "{}", run.err);
}

/// Outside of EC2, where a proxy answers in the place of the metadata service: nobody has any credentials, and that is
/// what is said, not that some were refused.
#[test]
fn no_credentials_are_told_as_such_when_something_answers_for_the_metadata_service() {
    let service = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = service.local_addr().expect("it has one");
    std::thread::spawn(move || {
        for stream in service.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 4096]);
            let _ =
                stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    let place = Dump::new();
    let mut alone = command(place.path());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        alone.env_remove(name);
    }
    alone.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{address}")).env("HOME", place.root());
    alone.args([
        "ls",
        "s3://bedrock-logs",
        "--aws-region",
        "us-east-1",
        "--endpoint-url",
        "http://127.0.0.1:1",
    ]);
    let run = run(alone.stdin(Stdio::null())).ends(4);
    assert!(run.err.contains("no credentials were found"), "{}", run.err);
    expect_hint(&run, "--profile");
}

// ---------------------------------------------------------------------------------------------------------------
// Defaults of borehole.toml

const DEFAULTS: &str = "[defaults]\nsource = \"mine\"\nlast = \"20d\"\nby = \"model\"\ntop = 3\nthreads = 1\n\
                        [sources.mine]\nurl = \"logs\"\n";

/// The attempts of a report, and the names of its dimensions.
fn attempts_by(run: Run) -> (u64, Vec<String>) {
    let report = run.ends(0).json();
    let key = report["groups"][0]["key"].as_object().expect("a key");
    (report["totals"]["requests"]["attempted"].as_u64().expect("a count"), key.keys().cloned().collect())
}

#[test]
fn what_is_not_typed_comes_from_the_file_and_that_is_told() {
    let place = place();
    place.put("borehole.toml", DEFAULTS);
    let analyze = |arguments: &[&str]| analyze(&place, &[arguments, &["--format", "json"]].concat());
    let run = analyze(&[]);
    let note = format!(
        "note: {} says mine, --last 20d, --by model, --top 3, --threads 1",
        place.at("borehole.toml")
    );
    assert!(run.err.lines().any(|line| line == note), "{}", run.err);
    // 20 days before the first of April is 12 March.
    assert_eq!(attempts_by(run), (1, vec!["model".to_owned()]));
    assert_eq!(analyze(&["-q"]).ends(0).err, "");
    // What is typed wins, and what it excludes is left out.
    assert_eq!(attempts_by(analyze(&["--by", "region", "--last", "30d"])), (3, vec!["region".to_owned()]));
    assert_eq!(attempts_by(analyze(&["--from", "2024-03-11"])).0, 3);
    assert_eq!(attempts_by(analyze(&["--all"])).0, 3);
    assert_eq!(attempts_by(analyze(&["mine/2024/03/11"])).0, 2);
    // A path is read whole: the file's range is for buckets and names.
    assert_eq!(attempts_by(analyze(&["logs"])).0, 3);
    analyze(&["--no-config"]).ends(2);
    assert_eq!(attempts_by(analyze(&["logs", "--no-config"])).1.len(), 4);
    // Behind `--` there are sources only.
    assert_eq!(
        attempts_by(at(place.path(), &["analyze", "--now", NOW, "--format", "json", "--", "mine"])).0,
        1
    );
}

#[test]
fn other_commands_know_the_default_source_too() {
    let place = place();
    place.put("borehole.toml", DEFAULTS);
    let run = at(place.path(), &["ls", "--now", NOW]).ends(0);
    assert!(run.out.starts_with("mine") || run.out.contains("logs"), "{}", run.out);
    at(place.path(), &["find", &request_id(2), "--date", "2024-03-13"]).ends(0);
    at(place.path(), &["doctor"]).ends(0);
    let ticket = at(
        place.path(),
        &["ticket", "--all", "--now", NOW, "--use-case", "borehole.toml", "--not-global", "x"],
    );
    assert!(ticket.out.contains(MODEL), "{}", ticket.err);
    // `--by` of other commands has other words.
    let quota = at(place.path(), &["quota", "--all", "--now", NOW, "--format", "json"]).ends(0);
    assert!(quota.err.contains("says mine, --threads 1"), "{}", quota.err);
    at(place.path(), &["ticket", "--init"]).ends(0);
    // Without any file, nothing is made up.
    let bare = Dump::new();
    for command in ["analyze", "ls", "doctor", "ticket"] {
        let run = at(bare.path(), &[command]).ends(2);
        assert!(run.err.contains("no SOURCE was given"), "{command}: {}", run.err);
    }
}

#[test]
fn rules_quotas_and_datasets_begin_at_the_file() {
    let place = place();
    std::fs::copy(repository().join("fixtures/rules.toml"), place.path().join("ours.toml")).expect("rules");
    place.put(
        "conf/borehole.toml",
        "[defaults]\nsource = \"../logs\"\ndataset = \"../kept\"\n[rules]\nfile = \"../ours.toml\"\n",
    );
    let typed = analyze(&place, &["logs", "--rules", "ours.toml", "--format", "json"]).ends(0);
    let run = analyze(&place, &["--config", "conf/borehole.toml", "--format", "json"]).ends(0);
    assert_eq!(without_run(&run.out), without_run(&typed.out));
    assert!(place.path().join("kept").is_dir(), "the dataset was not kept where the file says");
    // A dataset belongs to its sources: with others it is not meant.
    place.put("more/records.ndjson", lines(&[call(8, "2024-03-11T07:00:00Z", 1, 1)]));
    analyze(&place, &["more", "--config", "conf/borehole.toml"]).ends(0);
    place.put("conf/borehole.toml", "[rules]\nfile = \"no-such.toml\"\n");
    let run = analyze(&place, &["logs", "--config", "conf/borehole.toml"]).ends(2);
    assert!(run.err.contains("no-such.toml"), "{}", run.err);
}

#[test]
fn a_default_that_its_option_does_not_take_is_named_by_its_key_and_never_shown() {
    let place = place();
    for (text, key) in [
        ("[defaults]\nlast = \"CANARY\"\n", "defaults.last: not what --last takes"),
        ("[defaults]\nby = [\"model\", \"CANARY\"]\n", "defaults.by: not what --by takes"),
        ("[defaults]\nmemory = \"CANARY\"\n", "defaults.memory: not what --memory takes"),
        ("[defaults]\nsource = \"CANARY\"\n", "defaults.source: names a source that is not in this file"),
        ("[defaults]\nlasst = \"CANARY\"\n", "line 2: defaults: unknown field `lasst`"),
        ("[quotas]\nrules = \"CANARY\"\n", "line 2: quotas: unknown field `rules`"),
    ] {
        place.put("borehole.toml", format!("{text}[sources.mine]\nurl = \"logs\"\n"));
        let run = analyze(&place, &["mine"]).ends(2);
        assert!(run.err.contains(key), "{text}: {}", run.err);
        assert!(
            !run.err.contains("CANARY") && run.err.contains("hint: docs/configuration.md"),
            "{text}: {}",
            run.err
        );
    }
}

#[test]
fn g16_defaults_in_what_is_analysed_are_not_read() {
    let place = place();
    place.put("logs/borehole.toml", "[defaults]\nby = \"model\"\n[rules]\nfile = \"/etc/passwd\"\n");
    let inside = |arguments: &[&str]| {
        let all = [&["analyze"], arguments, &["--format", "json", "--now", NOW]].concat();
        at(&place.path().join("logs"), &all)
    };
    let run = inside(&["."]).ends(0);
    assert_eq!(
        run.err.matches("warning: borehole.toml lies in what is being analysed").count(),
        1,
        "{}",
        run.err
    );
    assert_eq!(attempts_by(run).1.len(), 4);
    // A file that names its own folder vouches for itself; named, it is the operator's.
    place.put("logs/borehole.toml", "[defaults]\nsource = \"./\"\nby = \"model\"\n");
    let run = inside(&[]).ends(2);
    assert!(run.err.contains("lies in what is being analysed"), "{}", run.err);
    assert_eq!(attempts_by(inside(&["--config", "borehole.toml"])).1, ["model"]);
}

// ---------------------------------------------------------------------------------------------------------------
// --fail-if

#[test]
fn a_condition_that_holds_is_exit_6_beside_the_whole_report() {
    let place = place();
    let report = place.at("report.json");
    let run = analyze(
        &place,
        &["logs", "--fail-if", "throttled>0.5%", "--fail-if", "requests<1", "-q", "-o", &report],
    )
    .ends(6);
    assert_eq!(run.err, "fail-if throttled>0.5%: 33.33 % (1 of 3 requests)\n");
    let plain = analyze(&place, &["logs", "-q", "--format", "json", "--fail-if", "throttled>=50%"]).ends(0);
    let written = std::fs::read_to_string(report).expect("the report was written");
    assert_eq!(without_run(&written), without_run(&plain.out));
    let run = analyze(&place, &["logs", "--by", "day", "-q", "--fail-if", "any:throttled>=50%"]).ends(6);
    assert_eq!(run.err, "fail-if any:throttled>=50%: 2024-03-11T00:00:00Z: 50 % (1 of 2 requests)\n");
}

#[test]
fn a_condition_that_cannot_be_told_is_loud() {
    let place = Dump::new();
    let mut record = call(1, "2024-03-11T07:00:00Z", 1, 1);
    record["modelId"] = format!("arn:aws:bedrock:{REGION}:{ACCOUNT}:provisioned-model/abc123def456").into();
    place.put("logs.ndjson", lines(&[record]));
    let run =
        analyze(&place, &["logs.ndjson", "-q", "--fail-if", "peak_tpm>1M", "--fail-if", "gaps>0"]).ends(6);
    let expected = "fail-if peak_tpm>1M: cannot be told: the quota tokens of no request are known\n\
                    fail-if gaps>0: cannot be told: the keys name no hours\n";
    assert_eq!(run.err, expected);
}

#[test]
fn exit_6_wins_over_incomplete_and_nothing_only_where_a_condition_holds() {
    let place = place();
    place.put(&format!("logs/{}", aws_key("2024/03/11/08", "bad.json.gz")), &gzip(b"{}")[..12]);
    analyze(&place, &["logs", "--fail-if", "throttled>90%"]).ends(3);
    let run = analyze(&place, &["logs", "--fail-if", "incomplete"]).ends(6);
    assert!(run.out.contains("INCOMPLETE") && run.err.contains("fail-if incomplete: "), "{}", run.err);
    let nothing = ["logs/2020", "--fail-if"];
    analyze(&place, &[&nothing[..], &["throttled>0%"]].concat()).ends(5);
    analyze(&place, &[&nothing[..], &["requests<1"]].concat()).ends(6);
    // Without a report there is nothing to hold.
    analyze(&place, &["no-such-logs", "--fail-if", "requests<1"]).ends(4);
    let run = analyze(&place, &["logs", "--fail-if", "throttled>5"]).ends(2);
    assert!(run.err.contains("at character 12: expected a share with its %, as in 0.5%"), "{}", run.err);
    assert_eq!(run.out, "");
}
