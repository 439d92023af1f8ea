//! `pull`, `restore`, `doctor` and the plan of `analyze`, through the real command.
//!
//! In: synthetic days in a SeaweedFS, archives in a moto, directories made here. Out: nothing. Always: the command runs
//! as somebody who may only read, with nothing of the user's own AWS configuration. Absent: faults on the way, which
//! have tests of their own.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
};
use borehole_testbed::{Bucket, Identity, Moto, SeaweedFs, wait_for};
use serde_json::Value;
use support::{ACCOUNT, REGION, Run, aws_key, borehole, call, lines, run, run_with, without_run};
use tempfile::TempDir;

/// The command without any configuration of the user.
fn command() -> Command {
    let mut command = borehole();
    for name in ["BOREHOLE_CONFIG", "XDG_CONFIG_HOME", "HOME", "AWS_PROFILE"] {
        command.env_remove(name);
    }
    command
}

fn local(arguments: &[&str]) -> Run {
    run(command().args(arguments))
}

/// A server with a synthetic day of each layout, under the bucket names that the records refer to.
struct World {
    server: &'static SeaweedFs,
    dumps: TempDir,
}

impl World {
    fn get() -> Option<&'static World> {
        static WORLD: OnceLock<Option<World>> = OnceLock::new();
        WORLD.get_or_init(World::make).as_ref()
    }

    fn make() -> Option<World> {
        let server = SeaweedFs::shared()?;
        let dumps = tempfile::tempdir().expect("a temporary directory");
        for (layout, requests, seed) in [("aws", "300", "3"), ("split", "150", "4")] {
            let dump = dumps.path().join(layout);
            let made = run(command()
                .args(["synth", "--layout", layout, "--requests", requests, "--seed", seed, "-q"])
                .arg(&dump));
            made.ends(0);
            for entry in std::fs::read_dir(&dump).expect("the dump") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    let name = path.file_name().expect("a name").to_str().expect("a plain name");
                    server.bucket(name).put_directory(&path);
                }
            }
        }
        Some(World { server, dumps })
    }

    fn run_as(&self, identity: Identity, arguments: &[&str]) -> Run {
        let mut command = command();
        run(self.server.equip(&mut command, identity, &self.server.endpoint()).args(arguments))
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.run_as(Identity::Reader, arguments)
    }

    fn spawn(&self, arguments: &[&str]) -> std::process::Child {
        let mut command = command();
        let command = self.server.equip(&mut command, Identity::Reader, &self.server.endpoint());
        command
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the command starts")
    }
}

fn text_of(path: &Path) -> &str {
    path.to_str().expect("temporary directories have plain names")
}

/// Every file below a directory with its bytes, hidden ones left out.
fn files_of(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("a file");
                found.insert(path.strip_prefix(root).expect("below").to_path_buf(), bytes);
            }
        }
    }
    found
}

// pull

#[test]
fn pull_refuses_what_it_cannot_mean() {
    let wrong: [(&[&str], &str); 4] = [
        (&["pull", "fixtures/dumps/aws", "/tmp/nowhere"], "is here already"),
        (&["pull", "s3://logs/2024/03/11", "s3://other"], "the last argument is the directory"),
        (&["pull", "s3://logs/2024/03/11"], "required"),
        (&["pull", "s3://logs", "fixtures/README.md"], "is no directory"),
    ];
    for (arguments, said) in wrong {
        let refused = local(arguments).ends(2);
        assert!(refused.err.contains(said), "{arguments:?}: {}", refused.err);
        assert!(!Path::new("/tmp/nowhere").exists());
    }
}

#[test]
fn a_pulled_dump_gives_the_same_report_byte_for_byte() {
    let Some(world) = World::get() else { return };
    let target = tempfile::tempdir().expect("a directory");
    let directory = text_of(target.path());
    let cases: [(&str, &[&str]); 3] = [
        ("s3://acme-bedrock-logs/2024/03/11", &[]),
        ("s3://bedrock-logs-mcp/2024/03/11", &["--large-data", "s3://bedrock-large-data-mcp"]),
        ("s3://bedrock-logs-mcp/2024/03/11/07", &["--large-data", "s3://bedrock-large-data-mcp"]),
    ];
    for (source, large) in cases {
        let pulled = world.run(&[&["pull", source, directory][..], large].concat()).ends(0);
        let report = ["--resolve", "facts", "--format", "json", "--now", "2024-04-01", "-q"];
        let there = world.run(&[&["analyze", source][..], large, &report].concat()).ends(0);
        // What it prints is the command that reads the dump.
        let words: Vec<&str> = pulled.out.split_whitespace().collect();
        assert_eq!(words[0], "borehole");
        let here = local(&[&words[1..], &report].concat()).ends(0);
        assert!(without_run(&there.out) == without_run(&here.out), "{source}: the reports differ");
    }
}

#[test]
fn a_pulled_file_is_its_owners_alone_and_the_same_as_the_object() {
    use std::os::unix::fs::PermissionsExt;
    let Some(world) = World::get() else { return };
    let target = tempfile::tempdir().expect("a directory");
    let directory = target.path().join("dump");
    let source = "s3://acme-bedrock-logs/2024/03/11";
    world.run(&["pull", source, text_of(&directory), "--payloads", "all"]).ends(0);
    let pulled = files_of(&directory.join("acme-bedrock-logs"));
    assert!(pulled == files_of(&world.dumps.path().join("aws/acme-bedrock-logs")), "the files differ");
    let mut folders = vec![directory.clone()];
    while let Some(path) = folders.pop() {
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{}", path.display());
        if path.is_dir() {
            folders.extend(
                std::fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()),
            );
        }
    }
}

#[test]
fn j01_a_pull_that_is_killed_goes_on_where_it_was() {
    let Some(world) = World::get() else { return };
    let target = tempfile::tempdir().expect("a directory");
    let manifest = target.path().join(".borehole-pull.jsonl");
    let arguments = [
        "pull",
        "s3://bedrock-logs-mcp/2024/03/11",
        text_of(target.path()),
        "--payloads",
        "none",
        "--threads",
        "1",
    ];
    let lines = || std::fs::read_to_string(&manifest).unwrap_or_default().lines().count();
    let mut child = world.spawn(&arguments);
    let started = Instant::now();
    while lines() < 40 && child.try_wait().expect("a child").is_none() {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing was downloaded");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    let expected = files_of(&world.dumps.path().join("split/bedrock-logs-mcp"));
    let bucket = target.path().join("bedrock-logs-mcp");
    let before = files_of(&bucket);
    assert!((39..expected.len()).contains(&before.len()), "{} of {}", before.len(), expected.len());
    for (name, bytes) in &before {
        assert!(expected.get(name) == Some(bytes), "{} is there, and is not whole", name.display());
    }

    let again = world.run(&arguments).ends(0);
    let kept = format!("{} objects downloaded", expected.len() - before.len());
    assert!(again.err.contains(&kept), "{kept}: {}", again.err);
    assert!(files_of(&bucket) == expected, "the files differ");
    assert!(!target.path().join(".borehole-pull").exists());
    let third = world.run(&arguments).ends(0);
    assert!(third.err.starts_with("0 objects downloaded (0 B)"), "{}", third.err);
}

#[test]
fn files_of_another_download_are_kept_where_they_are_the_same() {
    let Some(world) = World::get() else { return };
    let target = tempfile::tempdir().expect("a directory");
    let original = world.dumps.path().join("split/bedrock-logs-mcp");
    let mut files = files_of(&original).into_iter().filter(|(name, _)| name.starts_with("2024/03/11/07"));
    let (same, same_bytes) = files.next().expect("a file");
    let (other, other_bytes) = files.next().expect("another file");
    let put = |name: &Path, bytes: &[u8]| {
        let path = target.path().join("bedrock-logs-mcp").join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, bytes).expect("written");
    };
    put(&same, &same_bytes);
    // The same length, and not the same.
    put(&other, &other_bytes.iter().map(|byte| byte ^ 1).collect::<Vec<u8>>());
    let arguments =
        ["pull", "s3://bedrock-logs-mcp/2024/03/11", text_of(target.path()), "--payloads", "none"];
    let pulled = world.run(&arguments).ends(0);
    assert!(pulled.err.contains("1 object there already"), "{}", pulled.err);
    assert!(files_of(&target.path().join("bedrock-logs-mcp")) == files_of(&original), "the files differ");
}

#[test]
fn a_dry_run_and_too_many_bytes_write_nothing() {
    let Some(world) = World::get() else { return };
    let target = tempfile::tempdir().expect("a directory");
    let directory = target.path().join("dump");
    let source = "s3://bedrock-logs-mcp/2024/03/11";
    let arguments = ["pull", source, text_of(&directory), "--large-data", "s3://bedrock-large-data-mcp"];
    let dry = world.run(&[&arguments[..], &["--dry-run"]].concat()).ends(0);
    assert!(dry.out.starts_with("records: "), "{}", dry.out);
    assert!(dry.out.contains("payloads: at most "), "{}", dry.out);
    let refused = world.run(&[&arguments[..], &["--max-bytes", "1KiB"]].concat()).ends(2);
    assert!(refused.err.contains("more than --max-bytes 1.02 kB"), "{}", refused.err);
    assert!(!directory.exists());
    let nothing = world.run(&["pull", "s3://bedrock-logs-mcp/2023/01/01", text_of(&directory)]).ends(5);
    assert!(nothing.err.contains("nothing matched"), "{}", nothing.err);
    assert!(!directory.exists());
}

#[test]
fn an_object_whose_folder_is_taken_by_a_file_is_missing_and_named() {
    let Some(world) = World::get() else { return };
    let server = world.server;
    let bucket = server.own_bucket("taken");
    let record = |hour: &str, number| {
        let key = aws_key(&format!("2024/03/11/{hour}"), "a.json.gz");
        bucket.put(&key, lines(&[call(number, &format!("2024-03-11T{hour}:00:00Z"), 1, 1)]).as_bytes());
        key
    };
    record("07", 1);
    let lost = record("08", 2);
    let target = tempfile::tempdir().expect("a directory");
    // A file where a folder has to be: that object cannot be written, the other one can.
    let folder = target.path().join(&bucket.name).join(&lost);
    let folder = folder.parent().expect("a folder");
    std::fs::create_dir_all(folder.parent().expect("a folder")).expect("made");
    std::fs::write(folder, b"in the way").expect("written");
    let pulled =
        world.run(&["pull", &format!("{}/2024/03/11", bucket.url()), text_of(target.path())]).ends(3);
    assert!(
        pulled.err.contains(&format!("pull_failed file_and_folder s3://{}/{lost}", bucket.name)),
        "{}",
        pulled.err
    );
    assert!(pulled.err.contains("1 object downloaded"), "{}", pulled.err);
    assert_eq!(std::fs::read(folder).expect("still there"), b"in the way");
}

// doctor

#[test]
fn doctor_looks_at_directories_too() {
    let report =
        local(&["doctor", "fixtures/dumps/aws/acme-bedrock-logs", "--format", "json", "--now", "2024-03-12"]);
    let report = report.ends(0).json();
    assert_eq!(report["schema"], "borehole.doctor/1");
    assert_eq!(report["policy"], Value::Null);
    let checks = report["places"][0]["checks"].as_array().expect("checks");
    let texts: Vec<&str> = checks.iter().map(|check| check["text"].as_str().expect("a text")).collect();
    assert!(texts.iter().any(|text| text.starts_with("records of 2024-03-11")), "{texts:?}");
    assert!(checks.iter().all(|check| check["state"] == "ok"), "{checks:?}");
    let missing = local(&["doctor", "/no/such/place"]).ends(4);
    assert!(missing.out.contains("MISSING"), "{}", missing.out);
}

#[test]
fn doctor_reads_the_logging_configuration() {
    let doctor = |text: &str| run_with(command().args(["doctor", "--logging-config", "-"]), text.as_bytes());
    let off = doctor("{}").ends(4);
    assert!(off.out.contains("MISSING  logging"), "{}", off.out);
    let wrong = doctor("[1]").ends(2);
    assert!(wrong.err.contains("not a logging configuration"), "{}", wrong.err);
    let only_cloud_watch = doctor(
        r#"{"loggingConfig": {"cloudWatchConfig": {"logGroupName": "bedrock", "roleArn": "arn:aws:iam::1:role/x"},
            "imageDataDeliveryEnabled": false, "textDataDeliveryEnabled": true}}"#,
    )
    .ends(0);
    assert!(
        only_cloud_watch.out.contains("records go to the CloudWatch log group bedrock"),
        "{}",
        only_cloud_watch.out
    );
    assert!(only_cloud_watch.out.contains("delivery is off for image data"), "{}", only_cloud_watch.out);
    assert!(!only_cloud_watch.out.contains("role/x"), "{}", only_cloud_watch.out);
}

#[test]
fn doctor_prints_the_least_policy() {
    let Some(world) = World::get() else { return };
    let arguments = [
        "doctor",
        "s3://bedrock-logs-mcp",
        "--large-data",
        "s3://bedrock-large-data-mcp",
        "--now",
        "2024-03-12",
    ];
    let report = world.run(&[&arguments[..], &["--format", "json"]].concat()).ends(0).json();
    let statement = |sid: &str| {
        let statements = report["policy"]["Statement"].as_array().expect("statements");
        let mut found = statements.iter().filter(|statement| statement["Sid"] == sid);
        found.next().unwrap_or_else(|| panic!("no statement {sid}")).clone()
    };
    assert_eq!(report["policy"]["Version"], "2012-10-17");
    for (sid, action, resources) in [
        (
            "List",
            "s3:ListBucket",
            &["arn:aws:s3:::bedrock-large-data-mcp", "arn:aws:s3:::bedrock-logs-mcp"][..],
        ),
        ("ReadRecords", "s3:GetObject", &["arn:aws:s3:::bedrock-logs-mcp/*"]),
        ("ReadPayloads", "s3:GetObject", &["arn:aws:s3:::bedrock-large-data-mcp/*"]),
        (
            "OptionalSeeLifecycle",
            "s3:GetLifecycleConfiguration",
            &["arn:aws:s3:::bedrock-large-data-mcp", "arn:aws:s3:::bedrock-logs-mcp"],
        ),
        (
            "OptionalRestore",
            "s3:RestoreObject",
            &["arn:aws:s3:::bedrock-large-data-mcp/*", "arn:aws:s3:::bedrock-logs-mcp/*"],
        ),
    ] {
        let statement = statement(sid);
        assert_eq!(statement["Action"], action, "{sid}");
        assert_eq!(statement["Resource"], serde_json::json!(resources), "{sid}");
        assert!(statement.get("Condition").is_none(), "{sid}");
    }
    assert_eq!(report["policy"]["Statement"].as_array().map(Vec::len), Some(5));
    let text = world.run(&arguments).ends(0).out;
    assert!(text.contains("records of 2024-03-11 00:00 to 2024-03-11 23:00"), "{text}");
    assert!(text.ends_with("all that reading needs is there\n"), "{text}");
}

#[test]
fn b05_doctor_names_the_missing_permission() {
    let Some(world) = World::get() else { return };
    let report = world.run_as(Identity::Limited, &["doctor", "s3://bedrock-logs-mcp"]).ends(4);
    assert!(
        report.out.contains("MISSING      list       s3:ListBucket on arn:aws:s3:::bedrock-logs-mcp"),
        "{}",
        report.out
    );
    assert!(report.out.contains("something that reading needs is MISSING"), "{}", report.out);
    let nowhere = world.run(&["doctor", "s3://no-such-bucket-here", "s3://bedrock-logs-mcp"]).ends(4);
    assert!(nowhere.out.contains("there is no such bucket"), "{}", nowhere.out);
    // The other place is checked all the same, and only that one is worth a policy.
    assert!(nowhere.out.contains("records of 2024-03-11"), "{}", nowhere.out);
    assert!(!nowhere.out.contains("arn:aws:s3:::no-such-bucket-here"), "{}", nowhere.out);
}

// restore

#[test]
fn restore_refuses_what_is_not_archived_by_anybody() {
    let refused = local(&["restore", "fixtures/dumps/aws"]).ends(2);
    assert!(refused.err.contains("only objects in S3 are archived"), "{}", refused.err);
    local(&["restore", "s3://logs", "--yes", "--status"]).ends(2);
    local(&["restore", "s3://logs", "--days", "0"]).ends(2);
}

/// A moto with a day of logs: hours 0 to 4 in GLACIER, 5 and 6 in DEEP_ARCHIVE, the rest at hand; and a bucket of
/// payloads in GLACIER.
struct Archive {
    moto: Moto,
    records: Bucket,
}

impl Archive {
    fn make() -> Option<Archive> {
        let moto = Moto::start_or_skip()?;
        let records = moto.bucket("bedrock-logs");
        for hour in 0..24u32 {
            let key = aws_key(&format!("2024/03/11/{hour:02}"), "20240311T000000Z_0123456789abcdef.json.gz");
            let bytes = lines(&[call(hour, &format!("2024-03-11T{hour:02}:00:00Z"), 10, 20)]);
            match hour {
                0..5 => moto.archive(&records, &key, bytes.as_bytes(), "GLACIER"),
                5..7 => moto.archive(&records, &key, bytes.as_bytes(), "DEEP_ARCHIVE"),
                _ => records.put(&key, bytes.as_bytes()),
            }
        }
        let payloads = moto.bucket("bedrock-large-data");
        moto.archive(&payloads, "2024/03/11/some-request/payload.json", b"{}", "GLACIER");
        moto.archive(&payloads, "2024/03/20/later-request/payload.json", b"{}", "GLACIER");
        Some(Archive { moto, records })
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let mut command = command();
        run(self.moto.equip(&mut command, &self.moto.endpoint()).args(arguments))
    }

    /// (objects, to restore, in progress, restored), by class.
    fn states(report: &Value) -> BTreeMap<String, [u64; 4]> {
        let classes = report["classes"].as_array().expect("classes");
        let state = |class: &Value| {
            let numbers = ["objects", "to_restore", "in_progress", "restored"];
            let numbers = numbers.map(|name| class[name].as_u64().expect("a number"));
            (class["class"].as_str().expect("a class").to_owned(), numbers)
        };
        classes.iter().map(state).collect()
    }
}

#[test]
fn b08_a_restore_is_a_dry_run_then_asked_for_then_told() {
    let Some(archive) = Archive::make() else { return };
    archive.moto.restores_take(3);
    let source = format!("{}/2024/03/11", archive.records.url());
    let json = |more: &[&str]| {
        archive.run(&[&["restore", &source, "--format", "json"], more].concat()).ends(0).json()
    };
    let none =
        BTreeMap::from([("GLACIER".to_owned(), [5, 5, 0, 0]), ("DEEP_ARCHIVE".to_owned(), [2, 2, 0, 0])]);
    let plan = json(&[]);
    assert_eq!(plan["schema"], "borehole.restore/1");
    assert_eq!((&plan["tier"], &plan["days"]), (&"Bulk".into(), &7.into()));
    assert_eq!(Archive::states(&plan), none);
    // A dry run asks for nothing.
    assert_eq!(Archive::states(&json(&["--status"])), none);

    // With the payloads of the day, and not those of another.
    let with_payloads = json(&["--large-data", "s3://bedrock-large-data"]);
    assert_eq!(Archive::states(&with_payloads)["GLACIER"], [6, 6, 0, 0]);

    let refused = archive.run(&["restore", &source, "--tier", "Expedited"]).ends(2);
    assert!(refused.err.contains("DEEP_ARCHIVE"), "{}", refused.err);

    let told = archive.run(&["restore", &source]).ends(0);
    assert!(told.out.contains("GLACIER 5 to 12 hours, DEEP_ARCHIVE up to 48 hours"), "{}", told.out);
    let command = told.err.lines().find(|line| line.ends_with(" --yes")).expect("the command").trim();
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let asked = archive.run(&words).ends(0);
    assert!(asked.out.contains("7 restores begun, 0 failed"), "{}", asked.out);

    // moto counts looks: sooner or later all are restored, and asking again only keeps them longer.
    let mut looks = 0;
    let restored = loop {
        let status = json(&["--status"]);
        let states = Archive::states(&status);
        assert!(states.values().all(|[_, to_restore, ..]| *to_restore == 0), "{states:?}");
        if states.values().all(|[objects, _, _, restored]| objects == restored) {
            break status;
        }
        looks += 1;
        assert!(looks < 10, "{states:?}");
    };
    let expiry = restored["earliest_expiry"].as_str().expect("an expiry");
    assert!(expiry.starts_with("20") && expiry.ends_with('Z'), "{expiry}");
    let again = json(&["--yes"]);
    assert_eq!(again["asked"]["already_restored"], 7);
}

#[test]
fn b08_nothing_archived_is_exit_5_and_the_hours_beside_the_range_count() {
    let Some(archive) = Archive::make() else { return };
    let source = archive.records.url();
    let nothing = archive.run(&["restore", &format!("{source}/2024/03/13")]).ends(5);
    assert!(nothing.err.contains("nothing is archived"), "{}", nothing.err);
    // Hour 10, and the two beside it, which a run reads, too.
    archive.run(&["restore", &format!("{source}/2024/03/11/10")]).ends(5);
    let near =
        archive.run(&["restore", &format!("{source}/2024/03/11/08"), "--format", "json"]).ends(0).json();
    assert_eq!(Archive::states(&near), BTreeMap::from([("DEEP_ARCHIVE".to_owned(), [1, 1, 0, 0])]));
}

#[test]
fn b08_b09_pull_and_plan_name_what_is_archived_and_read_what_is_restored() {
    let Some(archive) = Archive::make() else { return };
    let source = format!("{}/2024/03/11", archive.records.url());
    let plan = archive.run(&["analyze", &source, "--plan"]).ends(0);
    let told = plan.err.lines().find(|line| line.starts_with("archived: 7 objects")).expect("a line");
    assert!(
        told.contains("of 2024-03-11")
            && told.contains(
                "borehole restore s3://bedrock-logs --from 2024-03-11 --to 2024-03-11T07:00:00Z --days 7"
            ),
        "{told}"
    );

    let analyze = ["analyze", &source, "--format", "json", "--now", "2024-03-12"];
    let report = archive.run(&analyze).ends(3).json();
    let objects = &report["health"]["objects"];
    assert_eq!(objects["failed"], serde_json::json!({"archived": 7}));
    assert_eq!(objects["read"], 17);
    assert_eq!(report["complete"], false);

    let target = tempfile::tempdir().expect("a directory");
    let pull = ["pull", &source, text_of(target.path())];
    let incomplete = archive.run(&pull).ends(3);
    assert!(incomplete.err.contains("archived: 7 objects"), "{}", incomplete.err);
    assert!(incomplete.err.contains("17 objects downloaded"), "{}", incomplete.err);

    // The command of the plan restores them.
    archive.moto.restores_take(1);
    let (_, command) = told.split_once("borehole ").expect("a command");
    let words: Vec<&str> = command.split(' ').chain(["--yes"]).collect();
    archive.run(&words).ends(0);
    let complete = archive.run(&pull);
    let complete = if complete.code == Some(0) { complete } else { archive.run(&pull) }.ends(0);
    assert!(complete.err.contains("0 objects missing"), "{}", complete.err);
    assert_eq!(files_of(&target.path().join("bedrock-logs")).len(), 24);
    let report = archive.run(&analyze).ends(0).json();
    assert_eq!(report["health"]["objects"]["read"], 24);
}

#[test]
fn g04_keys_that_cannot_be_paths_are_named_and_never_written() {
    let Some(moto) = Moto::start_or_skip() else { return };
    let bucket = moto.bucket("odd-keys");
    let good = aws_key("2024/03/11/07", "a b\u{1b}[1m+%2F.json.gz");
    let long = aws_key("2024/03/11/07", &format!("{}.json.gz", "n".repeat(300)));
    let empty_part = format!("a//{}", aws_key("2024/03/11/07", "x.json.gz"));
    for (number, key) in [&good, &long, &empty_part].into_iter().enumerate() {
        let record = call(u32::try_from(number).expect("small"), "2024-03-11T07:00:00Z", 1, 1);
        bucket.put(key, lines(&[record]).as_bytes());
    }
    let target = tempfile::tempdir().expect("a directory");
    let directory = target.path().join("dump");
    let mut command = command();
    let command = moto.equip(&mut command, &moto.endpoint());
    let pulled = run(command.args(["pull", "s3://odd-keys/2024/03/11", text_of(&directory)])).ends(3);
    for key in [&long, &empty_part] {
        assert!(pulled.err.contains(&format!("pull_failed path s3://odd-keys/{key}")), "{}", pulled.err);
    }
    assert!(pulled.err.contains("2 objects missing"), "{}", pulled.err);
    let files: Vec<PathBuf> = files_of(target.path()).into_keys().collect();
    assert_eq!(files, [Path::new("dump/odd-keys").join(&good)]);
}

#[test]
fn doctor_tells_what_a_lifecycle_rule_deletes() {
    let Some(archive) = Archive::make() else { return };
    let rule = LifecycleRule::builder()
        .id("month")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .expiration(LifecycleExpiration::builder().days(30).build());
    let rule = rule.build().expect("a rule");
    let rules = BucketLifecycleConfiguration::builder().rules(rule).build().expect("rules");
    let put = archive.records.client().put_bucket_lifecycle_configuration();
    wait_for(put.bucket(&archive.records.name).lifecycle_configuration(rules).send()).expect("stored");
    let report = archive.run(&["doctor", &archive.records.url(), "--now", "2024-03-12"]).ends(0);
    let said =
        "deletes objects 30 days after they were written: the hours before 2024-02-11 are gone or going";
    assert!(report.out.contains(said), "{}", report.out);
    assert!(report.out.contains("some objects lie in GLACIER"), "{}", report.out);
    assert!(
        report.out.contains(&format!("AWSLogs/{ACCOUNT}/BedrockModelInvocationLogs/{REGION}/2024/03/11/23/")),
        "{}",
        report.out
    );
}

// hints

#[test]
fn a_prefix_or_range_of_a_bucket_without_logs_says_where_and_when_there_are_some() {
    let Some(server) = SeaweedFs::shared() else { return };
    let bucket = server.bucket("hinted");
    let records = lines(&[call(1, "2024-03-11T07:00:00Z", 1, 1)]);
    bucket.put(&aws_key("2024/03/11/07", "a.json"), records.as_bytes());
    let analyze = |arguments: &[&str]| {
        let mut command = command();
        let command = server.equip(&mut command, Identity::Reader, &server.endpoint());
        run(command.arg("analyze").args(arguments).args(["--now", "2024-04-01", "--no-dataset"]))
    };
    let folder = format!("s3://{}/AWSLogs/{ACCOUNT}/BedrockModelInvocationLogs/{REGION}", bucket.name);
    let short = analyze(&[&format!("s3://{}/{ACCOUNT}/{REGION}/2024/03/11", bucket.name)]).ends(5);
    assert!(short.err.contains(&format!("was this meant: {folder}/2024/03/11")), "{}", short.err);
    // Fourteen days before April there are none.
    let late = analyze(&[&format!("s3://{}", bucket.name)]).ends(5);
    assert!(late.err.contains("has logs from 2024-03-11 07:00 to 2024-03-11 08:00 (UTC)"), "{}", late.err);
    analyze(&[&folder, "--all"]).ends(0);
}
