//! The text of a rules file to rows.
//!
//! In: TOML of the schema `borehole.rules/1`, ours or the operator's. Out: [`Tables`], or an error that names table,
//! row and key. Always: every row has a source; a key that is not known, and a row that says nothing, is an error, since
//! a typo must not change what is counted; no error shows a value. Absent: which row wins.

use std::fmt;

use borehole_record::{Scope, UtcDay};
use toml::Value;

use super::pattern::Pattern;
use super::table::Row;
use super::{Lifecycle, Limit, QuotaRow};

/// What stands at the top of a rules file.
const SCHEMA: &str = "borehole.rules/1";

/// A burndown rate above this is a typing error: the largest known is 15.
const RATE_MAX: i64 = 1_000;

/// Output tokens above this are a typing error: the largest known is half a million.
const OUTPUT_TOKENS_MAX: i64 = 1_000_000_000;

/// Patterns of one file. Ours has some four hundred; each costs a look-up up to 20 ns.
const PATTERNS_MAX: usize = 100_000;

/// Why a rules file cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RulesError {
    place: Place,
    problem: Problem,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Place {
    /// A line of the file, from 1.
    Line(usize),
    File,
    Table(&'static str),
    /// A row of a table, from 1.
    Row(&'static str, usize),
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Problem {
    NotToml,
    NoSchema,
    UnknownTable,
    NotRows,
    TooMany,
    UnknownKey(Option<String>),
    Missing(&'static str),
    Wrong(&'static str, &'static str),
}

impl RulesError {
    fn new(place: Place, problem: Problem) -> Self {
        RulesError { place, problem }
    }
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Line(line) => write!(f, "line {line}: ")?,
            Place::File => {}
            Place::Table(table) => write!(f, "[[{table}]]: ")?,
            Place::Row(table, row) => write!(f, "[[{table}]] row {row}: ")?,
        }
        match &self.problem {
            Problem::NotToml => f.write_str("not valid TOML"),
            Problem::NoSchema => write!(f, "schema: expected \"{SCHEMA}\""),
            Problem::UnknownTable => write!(f, "unknown table; expected one of {}", TABLES.join(", ")),
            Problem::NotRows => f.write_str("expected rows, each under the table's name in double brackets"),
            Problem::TooMany => write!(f, "more than {PATTERNS_MAX} patterns"),
            Problem::UnknownKey(Some(key)) => write!(f, "unknown key {key}"),
            Problem::UnknownKey(None) => f.write_str("unknown key"),
            Problem::Missing(key) => write!(f, "{key} is missing"),
            Problem::Wrong(key, expected) => write!(f, "{key}: expected {expected}"),
        }
    }
}

impl std::error::Error for RulesError {}

/// The tables a file may have.
pub(crate) const TABLES: [&str; 6] =
    ["burndown", "max_output_tokens", "input_includes_cache", "rpm_applies", "lifecycle", "quota"];

/// The rows of one file.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// `None` is a named unknown.
    pub(crate) burndown: Vec<Row<Option<u32>>>,
    pub(crate) max_output_tokens: Vec<Row<u64>>,
    pub(crate) input_includes_cache: Vec<Row<bool>>,
    pub(crate) rpm_applies: Vec<Row<bool>>,
    pub(crate) lifecycle: Vec<Row<Lifecycle>>,
    pub(crate) quota: Vec<Row<QuotaRow>>,
}

/// Reads a file as the rows of one layer.
pub(crate) fn read(text: &str, layer: u32) -> Result<Tables, RulesError> {
    let file: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map(|span| 1 + text.bytes().take(span.start).filter(|&b| b == b'\n').count());
        RulesError::new(line.map_or(Place::File, Place::Line), Problem::NotToml)
    })?;
    if file.get("schema").and_then(Value::as_str) != Some(SCHEMA) {
        return Err(RulesError::new(Place::File, Problem::NoSchema));
    }
    let mut tables = Tables::default();
    let mut patterns = 0;
    for (name, value) in &file {
        if name == "schema" {
            continue;
        }
        let Some(table) = TABLES.into_iter().find(|table| table == name) else {
            return Err(RulesError::new(Place::File, Problem::UnknownTable));
        };
        let rows = value.as_array().ok_or(RulesError::new(Place::Table(table), Problem::NotRows))?;
        for (index, row) in rows.iter().enumerate() {
            let row = row.as_table().ok_or(RulesError::new(Place::Table(table), Problem::NotRows))?;
            let cells = Cells { row, place: Place::Row(table, index + 1), layer, number: index + 1 };
            patterns += cells.read_into(table, &mut tables)?;
            if patterns > PATTERNS_MAX {
                return Err(RulesError::new(Place::Table(table), Problem::TooMany));
            }
        }
    }
    Ok(tables)
}

/// One row as it stands in the file.
struct Cells<'a> {
    row: &'a toml::Table,
    place: Place,
    layer: u32,
    number: usize,
}

impl Cells<'_> {
    /// Adds the row to its table, once for each pattern; returns how many those are.
    fn read_into(&self, table: &'static str, tables: &mut Tables) -> Result<usize, RulesError> {
        match table {
            "burndown" => {
                self.only(&["rate", "unknown", "valid_from"])?;
                let rate = match (self.row.contains_key("rate"), self.row.contains_key("unknown")) {
                    (true, true) => return Err(self.wrong("rate", "either rate or unknown = true, not both")),
                    (false, true) if self.boolean("unknown")? => None,
                    (false, true) => return Err(self.wrong("unknown", "true, or a rate instead")),
                    (_, false) => {
                        let rate = self.whole("rate", RATE_MAX, "a whole number from 0 to 1000")?;
                        Some(u32::try_from(rate).map_err(|_| self.wrong("rate", "a whole number"))?)
                    }
                };
                self.push(&mut tables.burndown, rate)
            }
            "max_output_tokens" => {
                self.only(&["tokens", "valid_from"])?;
                let tokens = self.whole("tokens", OUTPUT_TOKENS_MAX, "a whole number of tokens")?;
                self.push(&mut tables.max_output_tokens, tokens)
            }
            "input_includes_cache" => {
                self.only(&["includes", "valid_from"])?;
                let includes = self.boolean("includes")?;
                self.push(&mut tables.input_includes_cache, includes)
            }
            "rpm_applies" => {
                self.only(&["applies", "valid_from"])?;
                let applies = self.boolean("applies")?;
                self.push(&mut tables.rpm_applies, applies)
            }
            "lifecycle" => {
                self.only(&["state", "valid_from"])?;
                let words = "\"active\", \"legacy\" or \"end-of-life\"";
                let state = Lifecycle::parse(self.text("state")?).ok_or(self.wrong("state", words))?;
                self.push(&mut tables.lifecycle, state)
            }
            _ => {
                self.only(&["scope", "limit", "name", "code"])?;
                let quota = self.quota()?;
                self.push(&mut tables.quota, quota)
            }
        }
    }

    fn quota(&self) -> Result<QuotaRow, RulesError> {
        let scope = match self.text("scope")? {
            "on-demand" => Scope::OnDemand,
            "geo" => Scope::Geo,
            "global" => Scope::Global,
            _ => return Err(self.wrong("scope", "\"on-demand\", \"geo\" or \"global\"")),
        };
        let limit =
            Limit::parse(self.text("limit")?).ok_or(self.wrong("limit", "\"tpm\", \"rpm\" or \"tpd\""))?;
        let code = match self.row.contains_key("code") {
            true => {
                let code = self.text("code")?;
                // It ends up in a command line that somebody pastes.
                let is_code = code.strip_prefix("L-").is_some_and(|rest| {
                    !rest.is_empty() && rest.len() <= 32 && rest.bytes().all(|b| b.is_ascii_alphanumeric())
                });
                if !is_code {
                    return Err(self.wrong("code", "L- and letters or digits"));
                }
                Some(code.to_owned())
            }
            false => None,
        };
        Ok(QuotaRow { scope, limit, name: self.text("name")?.to_owned(), code })
    }

    fn push<T: Clone>(&self, rows: &mut Vec<Row<T>>, value: T) -> Result<usize, RulesError> {
        let valid_from = self.day()?;
        let source = self.text("source")?;
        let note = if self.row.contains_key("note") { Some(self.text("note")?.to_owned()) } else { None };
        let expected = "a list of patterns, each a text that is not empty";
        let models = self.row.get("models").ok_or(self.missing("models"))?;
        let models = models.as_array().filter(|models| !models.is_empty());
        let models = models.ok_or(self.wrong("models", expected))?;
        for model in models {
            let text =
                model.as_str().filter(|text| !text.is_empty()).ok_or(self.wrong("models", expected))?;
            rows.push(Row {
                pattern: Pattern::new(text),
                valid_from,
                value: value.clone(),
                source: source.to_owned(),
                note: note.clone(),
                layer: self.layer,
                number: self.number,
            });
        }
        Ok(models.len())
    }

    /// Refuses keys that are neither these nor common to all tables.
    fn only(&self, keys: &[&str]) -> Result<(), RulesError> {
        const COMMON: [&str; 3] = ["models", "source", "note"];
        let unknown = self.row.keys().find(|key| !COMMON.contains(&&***key) && !keys.contains(&&***key));
        match unknown {
            None => Ok(()),
            Some(key) => {
                // A key is shown only where it is a word, so that no other file's secret gets out this way.
                let is_word = key.len() <= 24 && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                Err(self.error(Problem::UnknownKey(is_word.then(|| key.clone()))))
            }
        }
    }

    fn day(&self) -> Result<Option<UtcDay>, RulesError> {
        let Some(value) = self.row.get("valid_from") else { return Ok(None) };
        let wrong = || self.wrong("valid_from", "a date without quotes and time, as in 2026-09-01");
        let written = value.as_datetime().filter(|at| at.time.is_none() && at.offset.is_none());
        let date = written.and_then(|at| at.date).ok_or_else(wrong)?;
        let day = UtcDay::from_date(date.year.into(), date.month.into(), date.day.into());
        day.map(Some).ok_or_else(wrong)
    }

    fn text(&self, key: &'static str) -> Result<&str, RulesError> {
        let value = self.row.get(key).ok_or(self.missing(key))?;
        value
            .as_str()
            .filter(|text| !text.trim().is_empty())
            .ok_or(self.wrong(key, "a text that is not empty"))
    }

    fn boolean(&self, key: &'static str) -> Result<bool, RulesError> {
        let value = self.row.get(key).ok_or(self.missing(key))?;
        value.as_bool().ok_or(self.wrong(key, "true or false"))
    }

    fn whole(&self, key: &'static str, most: i64, expected: &'static str) -> Result<u64, RulesError> {
        let value = self.row.get(key).ok_or(self.missing(key))?;
        let number = value.as_integer().filter(|number| (0..=most).contains(number));
        number.and_then(|number| u64::try_from(number).ok()).ok_or(self.wrong(key, expected))
    }

    fn missing(&self, key: &'static str) -> RulesError {
        self.error(Problem::Missing(key))
    }

    fn wrong(&self, key: &'static str, expected: &'static str) -> RulesError {
        self.error(Problem::Wrong(key, expected))
    }

    fn error(&self, problem: Problem) -> RulesError {
        RulesError::new(self.place.clone(), problem)
    }
}
