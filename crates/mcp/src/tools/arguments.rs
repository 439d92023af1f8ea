//! What tools take: one table for the schema that a client sees and for the check of what it sends.
//!
//! In: [`Parameter`]s, and arguments. Out: a JSON Schema, and checked [`Arguments`] in one spelling. Always: an argument
//! that the schema refuses is refused here with a sentence that names it, and no sentence repeats a value. Absent: what
//! arguments mean together; each tool knows that.

use std::collections::BTreeMap;
use std::str::FromStr;

use borehole_quota::Share;
use borehole_record::Timestamp;
use borehole_record::time::parse_range_end;
use serde_json::{Map, Value, json};

use crate::untrusted;

/// Characters of a moment: the longest spelling of RFC 3339 with nanoseconds and an offset has 35.
const MOMENT_LENGTH_MAX: usize = 40;
/// Characters of a percentage: `100000000.0001 %` and less.
const SHARE_LENGTH_MAX: usize = 16;

/// One parameter of a tool.
pub(super) struct Parameter {
    name: &'static str,
    is_required: bool,
    kind: Kind,
    description: &'static str,
}

/// What an argument may be.
pub(super) enum Kind {
    /// A text: which characters, as within the brackets of a regular expression (single ones and ranges; none means
    /// any), and how many.
    Text {
        /// Characters and ranges.
        characters: &'static str,
        /// Fewest.
        length_min: usize,
        /// Most.
        length_max: usize,
    },
    /// A moment as the command line takes it; a span of time is its beginning.
    Moment,
    /// A whole number.
    Integer {
        /// Least.
        min: u64,
        /// Greatest.
        max: u64,
        /// What it is where nobody says.
        default: Option<u64>,
    },
    /// A percentage.
    Percentage,
    /// One of these words; the first where nobody says.
    Word(&'static [&'static str]),
}

/// A value that its parameter allows.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Argument {
    Text(String),
    Moment(Timestamp),
    Integer(u64),
}

/// Arguments that were checked, defaults filled in.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Arguments(BTreeMap<&'static str, Argument>);

impl Parameter {
    /// One that has to be given.
    pub(super) const fn required(name: &'static str, kind: Kind, description: &'static str) -> Self {
        Parameter { name, is_required: true, kind, description }
    }

    /// One that may be left out.
    pub(super) const fn optional(name: &'static str, kind: Kind, description: &'static str) -> Self {
        Parameter { name, is_required: false, kind, description }
    }

    fn schema(&self) -> Value {
        let mut schema = json!({"description": self.description});
        match &self.kind {
            Kind::Text { characters: "", length_min, length_max } => {
                schema["type"] = "string".into();
                schema["minLength"] = (*length_min).into();
                schema["maxLength"] = (*length_max).into();
            }
            Kind::Text { characters, length_min, length_max } => {
                schema["type"] = "string".into();
                schema["pattern"] = pattern(characters, *length_min, *length_max).into();
            }
            Kind::Moment => {
                schema["type"] = "string".into();
                schema["maxLength"] = MOMENT_LENGTH_MAX.into();
            }
            Kind::Integer { min, max, default } => {
                schema["type"] = "integer".into();
                schema["minimum"] = (*min).into();
                schema["maximum"] = (*max).into();
                if let Some(default) = default {
                    schema["default"] = (*default).into();
                }
            }
            Kind::Percentage => {
                schema["type"] = "string".into();
                schema["maxLength"] = SHARE_LENGTH_MAX.into();
            }
            Kind::Word(words) => {
                schema["type"] = "string".into();
                schema["enum"] = (*words).into();
                schema["default"] = words[0].into();
            }
        }
        schema
    }

    fn default(&self) -> Option<Argument> {
        match &self.kind {
            Kind::Integer { default, .. } => default.map(Argument::Integer),
            Kind::Word(words) => Some(Argument::Text(words[0].to_owned())),
            Kind::Text { .. } | Kind::Moment | Kind::Percentage => None,
        }
    }

    /// The argument, or what it has to be.
    fn check(&self, value: &Value) -> Result<Argument, String> {
        let text = || value.as_str().ok_or_else(|| "must be a string".to_owned());
        match &self.kind {
            Kind::Text { characters, length_min, length_max } => {
                let text = text()?;
                let length = text.chars().count();
                let is_long_enough = (*length_min..=*length_max).contains(&length);
                if characters.is_empty() && !is_long_enough {
                    return Err(format!("must have {length_min} to {length_max} characters"));
                }
                if !is_long_enough || !text.chars().all(|character| is_among(character, characters)) {
                    return Err(format!("must match {}", pattern(characters, *length_min, *length_max)));
                }
                Ok(Argument::Text(text.to_owned()))
            }
            Kind::Moment => {
                let moment = Some(text()?).filter(|text| text.len() <= MOMENT_LENGTH_MAX);
                let (from, _) = moment.and_then(parse_range_end).ok_or(
                    "must be a moment of RFC 3339 or a date: 2026-11-18T09:00:00Z, 2026-11-18, 2026/11/18/09",
                )?;
                Ok(Argument::Moment(from))
            }
            Kind::Integer { min, max, .. } => {
                let range = || format!("must be a whole number from {min} to {max}");
                let number = whole_number(value).ok_or_else(range)?;
                if (*min..=*max).contains(&number) { Ok(Argument::Integer(number)) } else { Err(range()) }
            }
            Kind::Percentage => {
                let text = text()?.trim();
                if text.len() > SHARE_LENGTH_MAX || Share::from_str(text).is_err() {
                    return Err(
                        "must be a percentage like 0.1% or 20%, with at most four decimals".to_owned()
                    );
                }
                Ok(Argument::Text(text.to_owned()))
            }
            Kind::Word(words) => {
                let text = text()?;
                if !words.contains(&text) {
                    return Err(format!("must be one of {}", words.join(", ")));
                }
                Ok(Argument::Text(text.to_owned()))
            }
        }
    }
}

/// The whole number of a value; `60.0` is one, as JSON Schema has it.
fn whole_number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        // Below 2^53 every whole number is exact; no parameter goes beyond.
        let is_whole = number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&number);
        is_whole.then_some(number as u64)
    })
}

fn pattern(characters: &str, length_min: usize, length_max: usize) -> String {
    if length_min == length_max {
        format!("^[{characters}]{{{length_min}}}$")
    } else {
        format!("^[{characters}]{{{length_min},{length_max}}}$")
    }
}

/// Whether a character is among these characters and ranges, a hyphen at the end being one itself.
fn is_among(character: char, characters: &str) -> bool {
    if characters.is_empty() {
        return true;
    }
    let mut rest = characters.chars();
    while let Some(first) = rest.next() {
        let mut ahead = rest.clone();
        let last = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(last)) => {
                rest = ahead;
                last
            }
            _ => first,
        };
        if (first..=last).contains(&character) {
            return true;
        }
    }
    false
}

/// The schema of a tool's arguments.
pub(super) fn input_schema(parameters: &[Parameter]) -> Map<String, Value> {
    let properties: Map<String, Value> =
        parameters.iter().map(|parameter| (parameter.name.to_owned(), parameter.schema())).collect();
    let required: Vec<&str> =
        parameters.iter().filter(|parameter| parameter.is_required).map(|parameter| parameter.name).collect();
    Map::from_iter([
        ("type".to_owned(), "object".into()),
        ("properties".to_owned(), properties.into()),
        ("required".to_owned(), required.into()),
        ("additionalProperties".to_owned(), false.into()),
    ])
}

impl Arguments {
    /// Checks all, and says all that is wrong.
    pub(super) fn check(
        tool: &str,
        parameters: &[Parameter],
        given: &Map<String, Value>,
    ) -> Result<Self, String> {
        let mut wrong = Vec::new();
        let mut checked = BTreeMap::new();
        for parameter in parameters {
            let name = parameter.name;
            match given.get(name).map(|value| parameter.check(value)) {
                Some(Ok(argument)) => {
                    checked.insert(name, argument);
                }
                Some(Err(what)) => wrong.push(format!("{name} {what}")),
                None if parameter.is_required => wrong.push(format!("{name} is missing")),
                None => {
                    if let Some(argument) = parameter.default() {
                        checked.insert(name, argument);
                    }
                }
            }
        }
        let is_known = |name: &str| parameters.iter().any(|parameter| parameter.name == name);
        let mut unknown = given.keys().filter(|name| !is_known(name)).peekable();
        if unknown.peek().is_some() {
            let all: Vec<&str> = parameters.iter().map(|parameter| parameter.name).collect();
            // A few are enough to see what went wrong.
            let names: Vec<String> = unknown.take(3).map(|name| untrusted::cut(name)).collect();
            let (names, all) = (names.join(", "), all.join(", "));
            wrong.push(format!("{tool} has no argument {names} (it takes {all})"));
        }
        if wrong.is_empty() { Ok(Arguments(checked)) } else { Err(wrong.join("; ")) }
    }

    /// A text or word, or the sentence that it is missing.
    pub(super) fn text(&self, name: &str) -> Result<String, String> {
        self.text_given(name).ok_or_else(|| format!("{name} is missing"))
    }

    /// A text or word, where it was given.
    pub(super) fn text_given(&self, name: &str) -> Option<String> {
        match self.0.get(name) {
            Some(Argument::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    /// A whole number, or the sentence that it is missing.
    pub(super) fn integer<N: TryFrom<u64>>(&self, name: &str) -> Result<N, String> {
        match self.0.get(name) {
            Some(&Argument::Integer(number)) => {
                number.try_into().map_err(|_| format!("{name} is too large a number"))
            }
            _ => Err(format!("{name} is missing")),
        }
    }

    /// A moment, where it was given.
    pub(super) fn moment_given(&self, name: &str) -> Option<Timestamp> {
        match self.0.get(name) {
            Some(&Argument::Moment(moment)) => Some(moment),
            _ => None,
        }
    }

    /// All of them as JSON, in their one spelling.
    pub(super) fn to_json(&self) -> Map<String, Value> {
        let values = self.0.iter().map(|(&name, argument)| {
            let value = match argument {
                Argument::Text(text) => text.as_str().into(),
                Argument::Moment(moment) => moment.to_string().into(),
                Argument::Integer(number) => (*number).into(),
            };
            (name.to_owned(), value)
        });
        values.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMETERS: [Parameter; 6] = [
        Parameter::required(
            "region",
            Kind::Text { characters: "a-z0-9-", length_min: 1, length_max: 32 },
            "",
        ),
        Parameter::optional("key", Kind::Text { characters: "", length_min: 0, length_max: 4 }, ""),
        Parameter::optional("at", Kind::Moment, ""),
        Parameter::optional("period", Kind::Integer { min: 1, max: 1_440, default: Some(60) }, ""),
        Parameter::optional("target", Kind::Percentage, ""),
        Parameter::optional("form", Kind::Word(&["2026", "2025"]), ""),
    ];

    fn check(given: Value) -> Result<Value, String> {
        let given = given.as_object().expect("an object").clone();
        Arguments::check("tool", &PARAMETERS, &given).map(|arguments| arguments.to_json().into())
    }

    #[test]
    fn arguments_come_out_in_one_spelling_and_stay_so() {
        let checked =
            check(json!({"region": "us-east-1", "at": "2026-11-18", "target": " 0.1% ", "period": 5.0}));
        let expected = json!({
            "region": "us-east-1", "at": "2026-11-18T00:00:00Z", "target": "0.1%", "period": 5, "form": "2026",
        });
        assert_eq!(checked, Ok(expected.clone()));
        assert_eq!(check(expected.clone()), Ok(expected));
        let other = json!({"region": "us-east-1", "at": "2026-11-18T01:00:00+01:00"});
        assert_eq!(check(other).expect("sound")["at"], "2026-11-18T00:00:00Z");
    }

    #[test]
    fn what_is_wrong_is_named_and_never_repeated() {
        for (given, expected) in [
            (json!({}), "region is missing"),
            (json!({"region": 3}), "region must be a string"),
            (json!({"region": ""}), "region must match ^[a-z0-9-]{1,32}$"),
            (json!({"region": "US"}), "region must match ^[a-z0-9-]{1,32}$"),
            (json!({"region": "a\n"}), "region must match ^[a-z0-9-]{1,32}$"),
            (json!({"region": "a".repeat(33)}), "region must match ^[a-z0-9-]{1,32}$"),
            (json!({"region": "a", "key": "12345"}), "key must have 0 to 4 characters"),
            (json!({"region": "a", "period": 0}), "period must be a whole number from 1 to 1440"),
            (json!({"region": "a", "period": 1441}), "period must be a whole number from 1 to 1440"),
            (json!({"region": "a", "period": "60"}), "period must be a whole number from 1 to 1440"),
            (json!({"region": "a", "period": 1.5}), "period must be a whole number from 1 to 1440"),
            (json!({"region": "a", "period": -1}), "period must be a whole number from 1 to 1440"),
            (json!({"region": "a", "period": 1e300}), "period must be a whole number from 1 to 1440"),
            (json!({"region": "a", "target": "ten"}), "target must be a percentage"),
            (json!({"region": "a", "form": "1999"}), "form must be one of 2026, 2025"),
            (json!({"region": "a", "at": "yesterday"}), "at must be a moment"),
            (json!({"region": "a", "at": "2026-02-30"}), "at must be a moment"),
            (json!({"region": "a", "at": null}), "at must be a string"),
            (json!({"region": "a", "at": "2026-11-18T00:00:00.".to_owned() + &"0".repeat(99)}), "at must be"),
            (
                json!({"region": "a", "reg\u{1b}ion": 1}),
                "tool has no argument reg\\u{1b}ion (it takes region, ",
            ),
        ] {
            let wrong = check(given.clone()).expect_err(&given.to_string());
            assert!(wrong.starts_with(expected), "{wrong}");
        }
        let wrong = check(json!({"period": "secret words", "more": 1})).expect_err("three are wrong");
        assert_eq!(wrong.matches("; ").count(), 2, "{wrong}");
        assert!(!wrong.contains("secret"), "{wrong}");
    }

    #[test]
    fn characters_are_read_as_a_regular_expression_reads_them() {
        for (characters, yes, no) in [
            ("a-z0-9-", "az09-m", "A_/ \u{e9}"),
            ("A-Za-z0-9._:/@=+$ -", "Aa0._:/@=+$ -", "\\\"\n*~"),
            ("", "\u{202e}", ""),
        ] {
            assert!(yes.chars().all(|character| is_among(character, characters)), "{characters}");
            assert!(!no.chars().any(|character| is_among(character, characters)), "{characters}");
        }
    }
}
