//! `borehole dataset`: what a dataset or a part holds, whether it is sound, and removing what in it nobody needs.
//!
//! In: a directory or a part file. Out: text, or JSON; exit code 3 where something is damaged. Always: info and verify
//! change nothing and need no lock. Absent: reading the rows themselves; what they add up to is `analyze`'s to say.

use std::path::{Path, PathBuf};

use borehole_record::UtcHour;
use borehole_table::dataset::{Dataset, Finding, Info, Removed, Severity};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::Outcome;
use crate::args::Format;
use crate::columns::{Align, aligned, counted, size, thousands};
use crate::exit::{Exit, escaped};
use crate::json_text::json_text;
use crate::output;

/// What a kept dataset holds, whether it is sound, and what in it may go.
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  # What borehole analyze dump/ --dataset kept/ has made
  borehole dataset info kept/"
)]
pub(crate) struct DatasetArgs {
    #[command(subcommand)]
    command: DatasetCommand,
}

#[derive(Debug, Subcommand)]
enum DatasetCommand {
    Info(InfoArgs),
    Verify(VerifyArgs),
    Vacuum(VacuumArgs),
}

/// Prints what a dataset or a part belongs to, and what it holds.
///
/// Exit codes: 0 printed, 2 it is no dataset, 4 it cannot be read.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # What it belongs to, and which hours it holds
  borehole dataset info kept/
  # The same of a part, for another program
  borehole dataset info week-10.part --format json")]
struct InfoArgs {
    /// A directory that --dataset made, or a file that --part made
    #[arg(value_name = "DATASET")]
    path: PathBuf,
    /// What to write to stdout
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

/// Reads every file and holds it against its checksum.
///
/// A damaged hour costs nothing but time: the next run with --dataset reads its logs again. While a run writes to the
/// dataset, what it is replacing may look damaged.
///
/// Exit codes: 0 sound, 2 it is no dataset, 3 something is damaged, 4 it cannot be read.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Read and check every file
  borehole dataset verify kept/
  # Check only that they are there
  borehole dataset verify kept/ --quick --format json")]
struct VerifyArgs {
    /// A directory that --dataset made, or a file that --part made
    #[arg(value_name = "DATASET")]
    path: PathBuf,
    /// Check only that the Parquet files are there and as long as they should be
    #[arg(long)]
    quick: bool,
    /// What to write to stdout
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

/// Removes what no hour of a dataset needs any more: Parquet files, old answers, empty directories.
///
/// Exit codes: 0 done, 2 it is no dataset, 4 it is in use, or something cannot be removed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Free the space that nothing needs any more
  borehole dataset vacuum kept/")]
struct VacuumArgs {
    /// A directory that --dataset made
    #[arg(value_name = "DIR")]
    path: PathBuf,
}

/// Runs the command.
pub(crate) fn run(args: &DatasetArgs) -> Outcome {
    match &args.command {
        DatasetCommand::Info(info) => {
            let dataset = Dataset::open_to_read(&info.path)?;
            let held = dataset.info();
            output::to_stdout(&match info.format {
                Format::Text => info_text(&dataset, &held),
                Format::Json => json_text(&info_json(&dataset, &held)),
            })?;
            Ok(Exit::Complete)
        }
        DatasetCommand::Verify(verify) => {
            let dataset = Dataset::open_to_read(&verify.path)?;
            let findings = dataset.verify(!verify.quick);
            output::to_stdout(&match verify.format {
                Format::Text => findings_text(&findings, &dataset.info(), verify.quick),
                Format::Json => json_text(&findings_json(&verify.path, &findings)),
            })?;
            Ok(if damaged(&findings) == 0 { Exit::Complete } else { Exit::Incomplete })
        }
        DatasetCommand::Vacuum(vacuum) => {
            let dataset = Dataset::open_existing(&vacuum.path)?;
            let removed = dataset.vacuum()?;
            dataset.finish()?;
            output::to_stdout(&removed_text(&removed))?;
            Ok(Exit::Complete)
        }
    }
}

fn info_text(dataset: &Dataset, info: &Info) -> String {
    let kind = if Dataset::is_part(dataset.place()) { "part" } else { "dataset" };
    let mut rows = vec![vec![kind.to_owned(), shown(dataset.place())]];
    let mut put = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    // A name before the first of several only.
    let mut list = |name: &str, values: &mut dyn Iterator<Item = String>| {
        for (index, value) in values.enumerate() {
            put(if index == 0 { name } else { "" }, value);
        }
    };
    let identity = dataset.identity();
    list("sources", &mut identity.sources.iter().map(|source| escaped(source)));
    list("options", &mut identity.options.iter().map(|(name, value)| escaped(&format!("{name} = {value}"))));
    let hours = match (info.first, info.last) {
        (Some(first), Some(last)) if first != last => {
            format!("{} from {} to {}", thousands(info.hours), hour_words(first), hour_words(last))
        }
        (Some(only), _) => format!("1: {}", hour_words(only)),
        _ => "none".to_owned(),
    };
    put("hours", hours);
    put("rows", thousands(info.rows));
    let per_row = match (info.rows_bytes * 10).checked_div(info.rows) {
        Some(tenths) => format!(", {}.{} bytes a row", thousands(tenths / 10), tenths % 10),
        None => String::new(),
    };
    put("Parquet", format!("{}{per_row}", size(info.rows_bytes)));
    put("books", size(info.states_bytes));
    if info.questions > 0 {
        put("answers", format!("{} to {}", size(info.answers_bytes), counted(info.questions, "question")));
    }
    let mut list = |name: &str, values: &mut dyn Iterator<Item = String>| {
        for (index, value) in values.enumerate() {
            put(if index == 0 { name } else { "" }, value);
        }
    };
    list("streams", &mut info.streams.iter().map(|stream| escaped(stream)));
    if info.damaged > 0 {
        let what = counted(info.damaged, "hour");
        put("damaged", format!("{what}; borehole dataset verify says what is wrong"));
    }
    if info.outdated > 0 {
        let what = counted(info.outdated, "hour");
        put("outdated", format!("{what} of another version; the next run with --dataset reads them again"));
    }
    aligned(&rows, &[Align::Left, Align::Left], 0)
}

fn info_json(dataset: &Dataset, info: &Info) -> Value {
    let identity = dataset.identity();
    json!({
        "schema": "borehole.dataset-info/1",
        "place": dataset.place().display().to_string(),
        "kind": if Dataset::is_part(dataset.place()) { "part" } else { "directory" },
        "sources": identity.sources,
        "options": identity.options,
        "hours": info.hours,
        "first": info.first.map(|hour| hour.to_string()),
        "last": info.last.map(|hour| hour.to_string()),
        "rows": info.rows,
        "bytes": { "rows": info.rows_bytes, "books": info.states_bytes, "answers": info.answers_bytes },
        "streams": info.streams,
        "questions": info.questions,
        "damaged": info.damaged,
        "outdated": info.outdated,
    })
}

fn damaged(findings: &[Finding]) -> u64 {
    findings.iter().filter(|finding| finding.severity == Severity::Damage).count() as u64
}

fn findings_text(findings: &[Finding], info: &Info, is_quick: bool) -> String {
    let mut out = String::new();
    for finding in findings {
        out += &format!(
            "{}: {}: {}\n",
            severity_word(finding.severity),
            shown(&finding.place),
            escaped(&finding.what)
        );
    }
    let rows = format!("{} of {}", counted(info.rows, "row"), counted(info.hours, "hour"));
    out += &match (damaged(findings), is_quick) {
        (0, false) => format!("sound: {rows} are as they were written\n"),
        (0, true) => format!("sound, as far as lengths tell: {rows}\n"),
        (count, _) => {
            format!(
                "{} damaged; the next run with --dataset reads those hours again\n",
                counted(count, "file")
            )
        }
    };
    out
}

fn findings_json(path: &Path, findings: &[Finding]) -> Value {
    let each = |finding: &Finding| {
        json!({
            "severity": severity_word(finding.severity),
            "place": finding.place.display().to_string(),
            "what": finding.what,
        })
    };
    json!({
        "schema": "borehole.dataset-verified/1",
        "place": path.display().to_string(),
        "sound": damaged(findings) == 0,
        "findings": findings.iter().map(each).collect::<Vec<_>>(),
    })
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Damage => "damage",
        Severity::Note => "note",
    }
}

fn removed_text(removed: &[Removed]) -> String {
    let mut out = String::new();
    for Removed { place, bytes, why } in removed {
        let freed = if *bytes > 0 { format!(", {}", size(*bytes)) } else { String::new() };
        out += &format!("removed {}: {why}{freed}\n", shown(place));
    }
    let bytes = removed.iter().map(|removed| removed.bytes).sum();
    out += &match removed.len() as u64 {
        0 => "nothing to remove\n".to_owned(),
        count => format!("{} removed, {} freed\n", counted(count, "place"), size(bytes)),
    };
    out
}

fn shown(path: &Path) -> String {
    escaped(&path.display().to_string())
}

/// `2024-03-11 07:00`; as the hour prints itself where its year has no four digits.
fn hour_words(hour: UtcHour) -> String {
    let text = hour.to_string();
    match text.strip_suffix(":00Z") {
        Some(short) => short.replace('T', " "),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use borehole_table::dataset::{Identity, Slot};

    use super::*;

    /// 2024-03-11T00.
    const DAY: i64 = 19_793 * 24;

    /// A dataset with two hours and an answer.
    fn kept() -> tempfile::TempDir {
        let place = tempfile::tempdir().expect("a directory");
        let identity = Identity {
            sources: vec!["s3://logs".to_owned(), "dump\u{1b}[2J".to_owned()],
            options: BTreeMap::from([("resolve".to_owned(), "counts".to_owned())]),
        };
        let dataset = Dataset::open(place.path(), &identity).expect("it opens");
        for hour in [DAY + 7, DAY + 30] {
            let rows = vec![("aws-1".to_owned(), 1_500, vec![7; 60_750])];
            dataset.write(Slot::Hour(UtcHour(hour)), vec![("books", vec![1; 100])], rows);
        }
        dataset.write_answers(1, vec![(UtcHour(DAY + 7), 1, vec![0; 10])]);
        dataset.finish().expect("written");
        place
    }

    fn damage(place: &Path) {
        let rows = place.join("stream=aws-1/date=2024-03-11/hour=07/invocations.parquet");
        std::fs::write(rows, vec![8; 60_750]).expect("written");
    }

    #[test]
    fn info_says_what_is_held_and_whose_it_is() {
        let place = kept();
        let dataset = Dataset::open_to_read(place.path()).expect("it opens");
        let text = info_text(&dataset, &dataset.info());
        for line in [
            "sources  s3://logs\n         dump\\u{1b}[2J\n",
            "options  resolve = counts\n",
            "hours    2 from 2024-03-11 07:00 to 2024-03-12 06:00\n",
            "rows     3,000\n",
            "Parquet  122 kB, 40.5 bytes a row\n",
            "streams  aws-1\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("damaged") && !text.contains("outdated"), "{text}");
        let json = info_json(&dataset, &dataset.info());
        assert_eq!(json["hours"], 2);
        assert_eq!(json["first"], "2024-03-11T07:00:00Z");
        assert_eq!(json["bytes"]["rows"], 121_500);
        assert_eq!(json["streams"], json!(["aws-1"]));
        assert_eq!(json["questions"], 1);
    }

    #[test]
    fn j03_verify_names_what_is_damaged_and_its_exit_code_says_so() {
        let place = kept();
        let verify = |quick| {
            let args = VerifyArgs { path: place.path().to_owned(), quick, format: Format::Json };
            run(&DatasetArgs { command: DatasetCommand::Verify(args) }).expect("it can be read")
        };
        assert_eq!((verify(false), verify(true)), (Exit::Complete, Exit::Complete));
        damage(place.path());
        assert_eq!(
            (verify(false), verify(true)),
            (Exit::Incomplete, Exit::Complete),
            "its length is the same"
        );
        let dataset = Dataset::open_to_read(place.path()).expect("it opens");
        let findings = dataset.verify(true);
        let text = findings_text(&findings, &dataset.info(), false);
        let expected = "hour=07/invocations.parquet: the checksum does not fit\n\
                        1 file damaged; the next run with --dataset reads those hours again\n";
        assert!(text.starts_with("damage: ") && text.ends_with(expected), "{text}");
        let json = findings_json(place.path(), &findings);
        assert_eq!(json["sound"], false);
        assert_eq!(json["findings"][0]["severity"], "damage");
    }

    #[test]
    fn vacuum_says_what_it_removed_and_verify_finds_nothing_after_it() {
        let place = kept();
        let lost = place.path().join("stream=gone/date=2024-03-11/hour=09");
        std::fs::create_dir_all(&lost).expect("made");
        std::fs::write(lost.join("invocations.parquet"), [0; 2_048]).expect("written");
        let dataset = Dataset::open_existing(place.path()).expect("it opens");
        let text = removed_text(&dataset.vacuum().expect("it works"));
        assert!(text.contains("invocations.parquet: rows that no hour names, 2.05 kB\n"), "{text}");
        assert!(text.ends_with("4 places removed, 2.05 kB freed\n"), "{text}");
        assert_eq!(removed_text(&dataset.vacuum().expect("it works")), "nothing to remove\n");
        let findings = dataset.verify(true);
        let text = findings_text(&findings, &dataset.info(), false);
        assert_eq!(text, "sound: 3,000 rows of 2 hours are as they were written\n");
    }
}
