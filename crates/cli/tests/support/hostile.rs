//! A dump whose strings would do harm in some output, from `fixtures/injection/strings.json`.
//!
//! In: the corpus. Out: a dump with each of its strings in each field that a report repeats, one field at a time, and
//! what no output may hold. Always: the records are counted like others. Absent: what a string must look like; each
//! output has its own way to show it.

use serde_json::{Value, json};

use crate::support::{Dump, call, failed_call, lines, repository};

/// What a string that is obeyed would do to a page; and part of every address that one would ask for.
pub(crate) const MARKER: &str = "pwned";

/// The name of the folder with the dump: sources are told, too.
pub(crate) const FOLDER: &str = "a\"><img src=x onerror=window.pwned=1> [b](javascript:1) @c #1 `d`";

/// The strings of the corpus.
pub(crate) fn strings() -> Vec<String> {
    let path = repository().join("fixtures/injection/strings.json");
    let text = std::fs::read_to_string(path).expect("the corpus is there");
    let entries: Vec<Value> = {
        // Half a surrogate is what JSON may hold and a text may not: it goes into the records as it stands.
        let whole = text.replace("\\ud800", LONE_SURROGATE);
        serde_json::from_str(&whole).expect("the corpus is JSON")
    };
    entries.iter().map(|entry| entry["text"].as_str().expect("a text").to_owned()).collect()
}

/// Stands for half a surrogate until the record is written.
const LONE_SURROGATE: &str = "lone-surrogate";

/// Writes the dump below [`FOLDER`], and gives its path.
pub(crate) fn write(dump: &Dump) -> String {
    let mut records = Vec::new();
    for text in strings() {
        for place in 0..PLACES {
            let number = records.len() as u32;
            let minute = number / 60 % 60;
            let time = format!("2024-03-11T{:02}:{minute:02}:{:02}Z", 7 + number / 3_600, number % 60);
            records.push(tainted(place, number, &time, &text));
        }
    }
    let text = lines(&records).replace(LONE_SURROGATE, "\\ud800");
    dump.put(&format!("{FOLDER}/records.json"), text);
    dump.at(FOLDER)
}

/// Fields that reports repeat.
const PLACES: usize = 12;

fn tainted(place: usize, number: u32, time: &str, text: &str) -> Value {
    let mut record = call(number, time, 1_000 + u64::from(number), 100);
    record["requestMetadata"] = json!({"team": "plain"});
    match place {
        0 => record["modelId"] = text.into(),
        // A prefix of a scope, so that the rest is the model.
        1 => record["modelId"] = format!("us.{text}").into(),
        2 => record["region"] = text.into(),
        3 => record["accountId"] = text.into(),
        4 => record["identity"]["arn"] = text.into(),
        5 => {
            record["identity"]["arn"] = format!("arn:aws:sts::111122223333:assumed-role/{text}/{text}").into()
        }
        6 => record["operation"] = text.into(),
        7 => record["inferenceRegion"] = text.into(),
        8 => record["requestMetadata"]["team"] = text.into(),
        9 => record["requestMetadata"] = json!({"team": "plain", text: text}),
        10 => record["output"]["outputBodyJson"]["stopReason"] = text.into(),
        _ => {
            record = failed_call(number, time, text);
            record["requestId"] = text.into();
        }
    }
    record
}

/// Whether a terminal would obey this character, or its reader not see it.
pub(crate) fn is_hazardous(character: char) -> bool {
    let is_hidden = matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    let is_right_to_left = matches!(character, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}');
    character.is_control() || is_hidden || is_right_to_left
}
