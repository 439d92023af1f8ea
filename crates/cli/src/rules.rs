//! `borehole rules show`: by which dated rules quota tokens are counted, and where each is written.
//!
//! In: the tables of `borehole_quota::rules`, a file of the operator's, a model, a day. Out: text of at most 100 columns, or
//! JSON. Always: what is shown is what a run on that day counts by, the winning row first; a source stands beside every
//! value. Absent: reading logs, and anybody's quota values.

use std::path::PathBuf;

use borehole_quota::applied::display_name;
use borehole_quota::rules::{Burndown, Limit, Origin, RuleRow, Ruled, Rules};
use borehole_record::{Model, Scope, Timestamp, UtcDay};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::Outcome;
use crate::args::Format;
use crate::columns::{Align, aligned, counted, thousands};
use crate::exit::{Exit, escaped};
use crate::gather::CountingArgs;
use crate::json_text::json_text;
use crate::output;

/// Columns of a page.
const WIDTH: usize = 100;

/// The dated rules that quota tokens are counted by.
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  # All rules of today
  borehole rules show"
)]
pub(crate) struct RulesArgs {
    #[command(subcommand)]
    command: RulesCommand,
}

#[derive(Debug, Subcommand)]
enum RulesCommand {
    Show(Show),
}

/// Prints the rules that hold on a day: of one model with the rows that say so, or all tables.
///
/// Exit codes: 0 printed, 2 wrong arguments or a broken rules file.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # How one model is counted, and who says so
  borehole rules show --model us.anthropic.claude-sonnet-4-5-20250929-v1:0
  # All rules of a day
  borehole rules show --at 2025-06-15
  # With rules of your own before them
  borehole rules show --rules ours.toml --format json")]
struct Show {
    /// Only what holds for this model, in any spelling that a log has
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// The day [default: today]
    #[arg(long, value_name = "DATE", value_parser = crate::args::parse_time)]
    at: Option<Timestamp>,
    /// Rules of your own, before those that are built in
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// What to write to stdout
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

/// Runs the command.
pub(crate) fn run(args: &RulesArgs) -> Outcome {
    let RulesCommand::Show(show) = &args.command;
    let rules = CountingArgs { rules: show.rules.clone(), ..CountingArgs::default() }.rules()?;
    let day = UtcDay::of(show.at.unwrap_or_else(crate::now));
    let text = match (&show.model, show.format) {
        (Some(model), Format::Text) => model_text(&rules, model, day),
        (Some(model), Format::Json) => json_text(&model_json(&rules, model, day)),
        (None, Format::Text) => tables_text(&rules, day),
        (None, Format::Json) => json_text(&tables_json(&rules, day)),
    };
    output::to_stdout(&text)?;
    Ok(Exit::Complete)
}

/// The scopes whose quotas are shown: that of the spelling, or all where a bare id leaves it open.
fn scopes(model: &Model) -> Vec<Scope> {
    match model.scope {
        Scope::OnDemand => vec![Scope::OnDemand, Scope::Geo, Scope::Global],
        scope => vec![scope],
    }
}

fn model_text(rules: &Rules, spelling: &str, day: UtcDay) -> String {
    let model = Model::parse(spelling);
    let ruled = rules.model(&model.base, day);
    let mut out = format!("{} on {}\n\n", escaped(&model.base), date(day));
    match rules.burndown(&model.base, day) {
        Burndown::Rated(rate) => {
            let value = format!("{} per output token", counted(rate.value.into(), "quota token"));
            block(&mut out, "burndown", &value, Some(&rate));
        }
        Burndown::Unknown(row) => block(&mut out, "burndown", "not known, and not guessed", Some(&row)),
        Burndown::Unruled => block(&mut out, "burndown", "no row", None::<&Ruled<()>>),
    }
    match &ruled.max_output_tokens {
        Some(most) => block(&mut out, "max_output_tokens", &thousands(most.value), Some(most)),
        None => {
            let value = "no row: what a call without max_tokens reserves is unknown";
            block(&mut out, "max_output_tokens", value, None::<&Ruled<u64>>);
        }
    }
    let includes = match ruled.input_includes_cache.as_ref().is_some_and(|row| row.value) {
        true => "yes: inputTokenCount holds cached tokens",
        false => "no: cached tokens come beside inputTokenCount",
    };
    block(&mut out, "input_includes_cache", includes, ruled.input_includes_cache.as_ref());
    let applies = match ruled.rpm_applies.as_ref().map(|row| row.value) {
        Some(true) => "yes",
        Some(false) => "no quota of requests per minute",
        None => "no row: Service Quotas knows",
    };
    block(&mut out, "rpm_applies", applies, ruled.rpm_applies.as_ref());
    let state = ruled.lifecycle.as_ref().map_or("no row: no end is announced", |row| row.value.as_str());
    block(&mut out, "lifecycle", state, ruled.lifecycle.as_ref());
    out.push_str("quotas\n");
    for scope in scopes(&model) {
        let named = quota_lines(rules, &model.base, scope, day);
        if named.is_empty() {
            out += &format!("  {}: no such quota\n", scope.as_str());
            continue;
        }
        out += &format!("  {}\n", scope.as_str());
        out += &named;
    }
    out
}

/// What the quotas of a model in a scope are called: limit and code, then the name.
fn quota_lines(rules: &Rules, base: &str, scope: Scope, day: UtcDay) -> String {
    let mut out = String::new();
    let has_requests = rules.model(base, day).rpm_applies.is_none_or(|row| row.value);
    for limit in Limit::ALL {
        if limit == Limit::RequestsPerMinute && !has_requests {
            continue;
        }
        let Some(named) = display_name(rules, base, scope, limit) else { continue };
        let code = named.code.unwrap_or_else(|| "code not known".to_owned());
        let how = if named.is_constructed { ", name made up from the id" } else { "" };
        out += &format!("    {}  {}{how}\n", limit.as_str().to_uppercase(), escaped(&code));
        out += &wrapped(&escaped(&named.name), 9);
    }
    out
}

/// One rule: its value, the row's pattern and day, its note and its source.
fn block<T>(out: &mut String, rule: &str, value: &str, row: Option<&Ruled<T>>) {
    const INDENT: usize = 22;
    *out += &format!("{rule:<INDENT$}{value}\n");
    if let Some(row) = row {
        *out += &wrapped(&format!("{}, {}", escaped(&row.pattern), since(row.valid_from)), INDENT);
        if let Some(note) = &row.note {
            *out += &wrapped(&escaped(note), INDENT);
        }
        *out += &wrapped(&escaped(&row.source), INDENT);
    }
    out.push('\n');
}

fn tables_text(rules: &Rules, day: UtcDay) -> String {
    let mut out = format!("rules on {}; the first row that matches holds\n", date(day));
    let rows: Vec<RuleRow> = rules.rows().into_iter().filter(|row| holds(row, day)).collect();
    let mut sources: Vec<&str> = Vec::new();
    let quotas = rows.iter().filter(|row| row.scope.is_some()).count();
    for table in rows.chunk_by(|one, other| one.table == other.table) {
        let name = table[0].table;
        if table[0].scope.is_some() {
            continue;
        }
        out += &format!("\n{name}\n");
        let mut lines = Vec::with_capacity(table.len());
        for row in table {
            let source = &*row.ruled.source;
            let number = sources.iter().position(|known| *known == source).unwrap_or_else(|| {
                sources.push(source);
                sources.len() - 1
            });
            lines.push(vec![
                escaped(&row.ruled.pattern),
                since(row.ruled.valid_from),
                value_in_words(&row.ruled.value),
                format!("[{}]", number + 1),
                if row.origin == Origin::Operator { "yours".to_owned() } else { String::new() },
            ]);
        }
        out += &aligned(&lines, &[Align::Left, Align::Left, Align::Right, Align::Left, Align::Left], 2);
    }
    out += &format!("\nquota\n  {}; --model MODEL shows a model's\n", counted(quotas as u64, "name"));
    out += "\nsources\n";
    for (index, source) in sources.iter().enumerate() {
        out += &hanging(&format!("[{}] ", index + 1), &escaped(source), 2);
    }
    out
}

fn holds(row: &RuleRow, day: UtcDay) -> bool {
    row.ruled.valid_from.is_none_or(|from| from <= day)
}

fn value_in_words(value: &str) -> String {
    value.parse().map_or_else(|_| escaped(value), thousands)
}

fn model_json(rules: &Rules, spelling: &str, day: UtcDay) -> Value {
    let model = Model::parse(spelling);
    let ruled = rules.model(&model.base, day);
    let burndown = match rules.burndown(&model.base, day) {
        Burndown::Rated(rate) => ruled_json(&rate, json!(rate.value)),
        Burndown::Unknown(row) => ruled_json(&row, Value::Null),
        Burndown::Unruled => Value::Null,
    };
    let quotas: Vec<Value> = scopes(&model)
        .into_iter()
        .flat_map(|scope| rules.quotas(&model.base, scope).into_iter().map(move |quota| (scope, quota)))
        .map(|(scope, quota)| {
            json!({
                "scope": scope.as_str(), "limit": quota.limit.as_str(), "name": quota.name, "code": quota.code,
                "source": quota.source,
            })
        })
        .collect();
    json!({
        "schema": "borehole.rules-shown/1",
        "at": date(day),
        "model": model.base,
        "scope": model.scope.as_str(),
        "burndown": burndown,
        "max_output_tokens": ruled.max_output_tokens.as_ref().map(|row| ruled_json(row, json!(row.value))),
        "input_includes_cache": ruled.input_includes_cache.as_ref().map(|row| ruled_json(row, json!(row.value))),
        "rpm_applies": ruled.rpm_applies.as_ref().map(|row| ruled_json(row, json!(row.value))),
        "lifecycle": ruled.lifecycle.as_ref().map(|row| ruled_json(row, json!(row.value.as_str()))),
        "quotas": quotas,
    })
}

fn tables_json(rules: &Rules, day: UtcDay) -> Value {
    let row_json = |row: &RuleRow| {
        let mut shown = ruled_json(&row.ruled, json!(row.ruled.value));
        shown["table"] = json!(row.table);
        shown["row"] = json!(row.number);
        shown["origin"] = json!(match row.origin {
            Origin::Builtin => "builtin",
            Origin::Operator => "operator",
        });
        shown["scope"] = json!(row.scope.map(Scope::as_str));
        shown
    };
    let rows: Vec<Value> = rules.rows().iter().filter(|row| holds(row, day)).map(row_json).collect();
    json!({ "schema": "borehole.rules-shown/1", "at": date(day), "rows": rows })
}

fn ruled_json<T>(row: &Ruled<T>, value: Value) -> Value {
    json!({
        "value": value, "models": row.pattern, "valid_from": row.valid_from.map(date), "source": row.source,
        "note": row.note,
    })
}

/// `2026-11-22`.
fn date(day: UtcDay) -> String {
    let moment = day.to_string();
    moment.get(..10).unwrap_or(&moment).to_owned()
}

fn since(valid_from: Option<UtcDay>) -> String {
    valid_from.map_or_else(|| "always".to_owned(), |day| format!("since {}", date(day)))
}

/// Text behind `indent` spaces, broken at spaces; a word that is too long for a line gets one of its own.
fn wrapped(text: &str, indent: usize) -> String {
    hanging("", text, indent)
}

/// The same with something before the first line, under which the others begin.
fn hanging(head: &str, text: &str, indent: usize) -> String {
    let begin = indent + head.len();
    let mut out = String::new();
    let mut line = format!("{}{head}", " ".repeat(indent));
    let mut is_empty = true;
    for word in text.split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            out += line.trim_end();
            out.push('\n');
            line = " ".repeat(begin);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line += word;
        is_empty = false;
    }
    out += line.trim_end();
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SONNET: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

    fn today() -> UtcDay {
        UtcDay::from_date(2026, 11, 22).expect("a day")
    }

    #[test]
    fn a_model_is_shown_with_the_rows_that_say_so() {
        let text = model_text(&Rules::builtin(), SONNET, today());
        for part in [
            "anthropic.claude-sonnet-4-5-20250929-v1:0 on 2026-11-22\n",
            "burndown              5 quota tokens per output token\n",
            "                      anthropic.claude-sonnet-4-5-*, always\n",
            "max_output_tokens     64,000\n",
            "lifecycle             legacy\n",
            "    TPM  L-F4DDD3EB\n",
            "         Cross-region model inference tokens per minute for Anthropic Claude Sonnet 4.5 V1\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("on-demand"), "the spelling is geographic: {text}");
        let unknown = model_text(&Rules::builtin(), "anthropic.claude-opus-9", today());
        assert!(unknown.contains("burndown              not known, and not guessed\n"), "{unknown}");
        assert!(unknown.contains("TPM  code not known, name made up from the id\n"), "{unknown}");
    }

    #[test]
    fn pages_have_a_hundred_columns_unless_a_word_is_longer() {
        let rules = Rules::builtin();
        let models =
            [SONNET, "openai.gpt-5.6-sol", "meta.llama3-1-70b-instruct-v1:0", "custom-model/x", "\u{202e}"];
        let mut texts: Vec<String> = models.iter().map(|model| model_text(&rules, model, today())).collect();
        texts.push(tables_text(&rules, today()));
        for text in texts {
            for line in text.lines() {
                let is_one_word = line.trim_start().split(' ').count() == 1 || line.contains("https://");
                assert!(line.chars().count() <= WIDTH || is_one_word, "{line}");
                assert!(!line.ends_with(' ') && !line.contains('\u{202e}'), "{line:?}");
            }
        }
    }

    #[test]
    fn a_day_shows_the_rows_of_that_day() {
        let rules = Rules::builtin();
        let then = UtcDay::from_date(2025, 6, 15).expect("a day");
        let model = "anthropic.claude-3-7-sonnet-20250219-v1:0";
        assert!(model_text(&rules, model, then).contains("1 quota token per output token"));
        assert!(model_text(&rules, model, today()).contains("since 2025-10-01"));
        assert!(!tables_text(&rules, then).contains("since 2025-10-01"));
    }

    #[test]
    fn json_holds_the_same() {
        let rules = Rules::builtin();
        let model = model_json(&rules, SONNET, today());
        assert_eq!(model["burndown"]["value"], 5);
        assert_eq!(model["quotas"][0]["code"], "L-F4DDD3EB");
        assert_eq!(model["lifecycle"]["valid_from"], "2026-10-08");
        assert_eq!(model_json(&rules, "anthropic.claude-opus-9", today())["burndown"]["value"], Value::Null);
        let tables = tables_json(&rules, today());
        let rows = tables["rows"].as_array().expect("rows");
        assert!(rows.iter().all(|row| row["source"].is_string() && row["table"].is_string()));
        assert!(rows.iter().any(|row| row["table"] == "quota" && row["scope"] == "geo"));
    }
}
