//! A dataset as other programs read it: DuckDB and pyarrow find the rows that the report counts, and no prompt.
//!
//! In: the fixtures and synthetic dumps, read by Borehole into datasets. Out: nothing. Always: the sums that DuckDB
//! takes over all files at once are the groups of the report; every column that `docs/dataset.md` names is there; texts
//! of bodies are searched in every cell, and in the bytes of every other file. Absent: the values of each column, which
//! the tests of exports hold against the logs.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use borehole_testbed::table_readers_or_skip;
use serde_json::{Value, json};
use support::datasets::{Kind, ask, files_of, fixture, synth};
use support::{Dump, aws_key, call, failed_call, repository};

/// A word that stands in bodies and in what else must not be kept, and nowhere else.
const CANARY: &str = "Zaunkoenig7f3a";

/// Reads a dataset by both; prints what DuckDB sums up and what pyarrow sees, and every cell with a text of a body.
/// `argv`: the dataset, then directories of logs whose bodies are searched for.
const SCRIPT: &str = r#"
import gzip, json, pathlib, sys
import duckdb, pyarrow.dataset

place, *dumps = sys.argv[1:]
rows = f"read_parquet('{place}/**/*.parquet', hive_partitioning = true)"
ask = lambda text: duckdb.sql(text).fetchall()
groups = ask(f"""
    SELECT account, region, model, scope, count(*), count(*) FILTER (WHERE error_code IS NULL),
        coalesce(sum(input_tokens) FILTER (WHERE error_code IS NULL), 0)::BIGINT,
        coalesce(sum(output_tokens) FILTER (WHERE error_code IS NULL), 0)::BIGINT,
        coalesce(sum(cache_read_tokens) FILTER (WHERE error_code IS NULL), 0)::BIGINT,
        coalesce(sum(input_tokens) FILTER (WHERE error_code IS NOT NULL), 0)::BIGINT
    FROM {rows} GROUP BY ALL""")
# The directories say what the rows say.
elsewhere = ask(f"""
    SELECT count(*) FROM {rows}
    WHERE date::VARCHAR || 'T' || lpad(hour::VARCHAR, 2, '0')
        <> strftime(make_timestamp(epoch_us(timestamp)), '%Y-%m-%dT%H')""")
streams = ask(f"SELECT DISTINCT stream FROM {rows} ORDER BY ALL")

texts = set()
def prose(value):
    if isinstance(value, str):
        if len(value) >= 12 and " " in value:
            texts.add(value)
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            prose(inner)
for dump in dumps:
    for path in pathlib.Path(dump).rglob("*"):
        if not path.is_file():
            continue
        data = path.read_bytes()
        try:
            data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        except (OSError, EOFError):
            continue
        for line in data.decode("utf-8", "replace").splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            for side in ("input", "output"):
                if isinstance(record, dict) and isinstance(record.get(side), dict):
                    prose({name: body for name, body in record[side].items() if "Body" in name and "S3" not in name})
texts.add("Zaunkoenig7f3a")

table = pyarrow.dataset.dataset(place, format="parquet", partitioning="hive").to_table()
leaks = []
def search(name, value):
    if isinstance(value, str):
        leaks.extend(f"{name}: {text}" for text in texts if text in value)
    elif isinstance(value, (dict, list, tuple)):
        for inner in value.values() if isinstance(value, dict) else value:
            search(name, inner)
for name in table.column_names:
    column = table[name]
    # Python's own times end in the year 9999.
    column = column.cast("int64") if name == "timestamp" else column
    for value in column.to_pylist():
        search(name, value)
others = [path for path in pathlib.Path(place).rglob("*") if path.is_file() and path.suffix != ".parquet"]
for path in others:
    data = path.read_bytes()
    leaks.extend(f"{path}: {text}" for text in texts if text.encode() in data)
print(json.dumps({
    "groups": groups, "elsewhere": elsewhere[0][0], "streams": [name for name, in streams], "rows": table.num_rows,
    "columns": table.column_names, "texts": len(texts), "leaks": leaks[:20],
}))
"#;

/// What both readers find; `None` where they cannot be had.
#[track_caller]
fn read(dataset: &str, dumps: &[String]) -> Option<Value> {
    let mut python = table_readers_or_skip()?;
    let output = python.args(["-c", SCRIPT, dataset]).args(dumps).output().expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("the script prints JSON"))
}

/// The columns that the documentation names.
fn documented() -> Vec<String> {
    let text = std::fs::read_to_string(repository().join("docs/dataset.md")).expect("the page of datasets");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|line| line.split('|').nth(1));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// Keys of a group to its figures: attempted, successful, and tokens.
type Sums = BTreeMap<Vec<Option<String>>, Vec<i64>>;

fn sums_of_report(report: &Value) -> Sums {
    let groups = report["groups"].as_array().expect("groups").iter();
    let sums = groups.map(|group| {
        let key = ["account", "region", "model", "scope"]
            .map(|name| group["key"][name].as_str().map(str::to_owned))
            .to_vec();
        let figures = [
            "/requests/attempted",
            "/requests/successful",
            "/tokens/input",
            "/tokens/output",
            "/tokens/cache_read",
            "/tokens_on_errors/input",
        ];
        (key, figures.map(|path| group.pointer(path).and_then(Value::as_i64).unwrap_or(0)).to_vec())
    });
    sums.collect()
}

fn sums_of_rows(found: &Value) -> Sums {
    let rows = found["groups"].as_array().expect("groups").iter();
    let sums = rows.map(|row| {
        let row = row.as_array().expect("a row");
        let key = row[..4].iter().map(|cell| cell.as_str().map(str::to_owned)).collect();
        (key, row[4..].iter().map(|cell| cell.as_i64().expect("a sum")).collect())
    });
    sums.collect()
}

/// Keeps sources and has the dataset read; `false` where the readers cannot be had.
#[track_caller]
fn is_read_as_it_is_reported(sources: &[String], texts_min: u64) -> bool {
    let place = Dump::new();
    let dataset = place.at("data");
    let report = ask(sources, &["--dataset", &dataset]).json();
    let Some(found) = read(&dataset, sources) else { return false };
    assert_eq!(sums_of_rows(&found), sums_of_report(&report), "{sources:?}");
    assert_eq!(found["rows"], report["health"]["records"]["counted"]);
    assert_eq!(found["elsewhere"], 0, "rows lie in the directory of their hour");
    assert!(found["texts"].as_u64() >= Some(texts_min), "hardly a text to search for: {}", found["texts"]);
    assert_eq!(found["leaks"], json!([]), "{sources:?}");
    let columns: Vec<&str> =
        found["columns"].as_array().expect("columns").iter().filter_map(Value::as_str).collect();
    for name in documented().iter().map(String::as_str).chain(["stream", "date", "hour"]) {
        assert!(columns.contains(&name), "{name} is documented and not there: {columns:?}");
    }
    assert!(!found["streams"].as_array().expect("streams").is_empty());
    true
}

#[test]
fn sums_by_duckdb_over_the_fixtures_are_the_groups_of_the_report() {
    assert!(documented().len() > 30, "the table of columns has moved: {:?}", documented());
    for (names, texts_min) in
        [(&["dumps/aws"][..], 10), (&["dumps/split"], 3), (&["dumps"], 10), (&["faults"], 3)]
    {
        let sources: Vec<String> = names.iter().map(|name| fixture(name)).collect();
        if !is_read_as_it_is_reported(&sources, texts_min) {
            return;
        }
    }
}

#[test]
fn sums_by_duckdb_over_synthetic_dumps_are_the_groups_of_the_report() {
    for layout in ["aws", "split"] {
        let place = Dump::new();
        let dump = place.at("dump");
        synth(
            &dump,
            &["--layout", layout, "--requests", "150", "--seed", "12", "--to", "2024-03-11T04:00:00Z"],
        );
        if !is_read_as_it_is_reported(&[dump], 20) {
            return;
        }
    }
}

#[test]
fn k4_no_text_of_a_body_is_kept() {
    let dump = Dump::new();
    let mut record = call(1, "2024-03-11T07:00:00Z", 30_000, 10);
    record["input"]["inputBodyJson"]["messages"][0]["content"][0]["text"] = json!(CANARY);
    record["input"]["inputBodyJson"]["system"] = json!([{"text": CANARY, (CANARY): [CANARY]}]);
    record["output"]["outputBodyJson"]["output"]["message"]["content"][0]["text"] = json!(CANARY);
    record["errorMessage"] = json!(CANARY);
    record["stackTrace"] = json!([CANARY]);
    record["input"]["inputContentType"] = json!(CANARY);
    let mut failed = failed_call(2, "2024-03-11T07:01:00Z", "ValidationException");
    failed["errorMessage"] = json!(CANARY);
    // Far from its folder, and a copy: both are kept beside the rows.
    let mut far = record.clone();
    far["timestamp"] = json!("2024-03-11T20:00:00Z");
    dump.put_aws("2024/03/11/07", "a.json", &[record.clone(), failed, record, far]);
    let broken = format!("{{\"{CANARY}\": {CANARY}}}\n{CANARY}\n");
    dump.put(&aws_key("2024/03/11/07", "b.json"), broken);
    let place = Dump::new();
    let (dataset, part) = (place.at("data"), place.at("all.part"));
    for options in
        [&["--dataset", &*dataset][..], &["--dataset", &dataset, "--by", "identity"], &["--part", &part]]
    {
        assert_eq!(ask(&[dump.root()], options).code, Some(3));
    }
    // Parts are made of the same bytes; what is packed in Parquet is searched by who can read it.
    let holds = |path: &Path| {
        let bytes = std::fs::read(path).expect("a file");
        bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes())
    };
    assert!(holds(&dump.path().join(aws_key("2024/03/11/07", "a.json"))), "the search finds it where it is");
    let files = files_of(Path::new(&dataset));
    assert!(files.iter().any(|(kind, _)| *kind == Kind::Rows));
    for path in files.iter().map(|(_, path)| path.as_path()).chain([Path::new(&part)]) {
        assert!(!holds(path), "{}", path.display());
    }
    if let Some(found) = read(&dataset, &[dump.root()]) {
        assert_eq!((&found["leaks"], &found["rows"]), (&json!([]), &json!(3)));
    }
}
