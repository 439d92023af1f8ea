//! What application inference profiles were copied from: `aws bedrock list-inference-profiles`, or a plain map.
//!
//! In: the bytes of one file, in any of these forms: the command's JSON, several of its pages one after the other or in
//! an array, one profile as `get-inference-profile` prints it, or an object from ARN or id to a model. Out: a
//! [`ProfileMap`]. Always: every application profile that is told by foundation models gets a model and a scope; one
//! over anything else stays out, so the report names it as unresolved. Absent: I/O; any text of the file in an error.

use std::fmt;

use borehole_record::{Model, ProfileMap, Scope};
use serde_json::{Map, Value};

/// Why a file tells nothing about profiles.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProfilesError {
    /// Not JSON, from this line on.
    NotJson {
        /// From 1.
        line: usize,
    },
    /// JSON, but neither what AWS prints nor a map.
    NotProfiles,
    /// An entry of AWS's list lacks a key or has the wrong kind of value there.
    Summary {
        /// Which entry, from 1.
        number: usize,
        /// The key.
        key: &'static str,
    },
    /// An entry of the map is neither a model nor an object with a model and a scope.
    Entry {
        /// Which entry, from 1.
        number: usize,
        /// What is wrong with it.
        expected: &'static str,
    },
}

impl fmt::Display for ProfilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProfilesError::NotJson { line } => write!(f, "line {line}: not valid JSON"),
            ProfilesError::NotProfiles => f.write_str(
                "neither the output of aws bedrock list-inference-profiles nor an object from ARN or id to model",
            ),
            ProfilesError::Summary { number, key } => {
                write!(f, "inference profile {number}: {key} is missing or of the wrong kind")
            }
            ProfilesError::Entry { number, expected } => write!(f, "entry {number}: expected {expected}"),
        }
    }
}

impl std::error::Error for ProfilesError {}

/// Reads a file.
///
/// # Errors
///
/// Where it is none of the forms above; nothing of it is used then.
pub fn parse(text: &[u8]) -> Result<ProfileMap, ProfilesError> {
    let mut map = ProfileMap::default();
    let mut read = Read { map: &mut map, summaries: 0 };
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut is_empty = true;
    for document in serde_json::Deserializer::from_slice(text).into_iter::<Value>() {
        is_empty = false;
        match document.map_err(|error| ProfilesError::NotJson { line: error.line() })? {
            Value::Object(object) => read.object(&object)?,
            Value::Array(items) => {
                for item in &items {
                    match item.as_object() {
                        Some(page) if page.contains_key(SUMMARIES) => read.object(page)?,
                        Some(summary) if summary.contains_key(ARN) => read.summary(summary)?,
                        _ => return Err(ProfilesError::NotProfiles),
                    }
                }
            }
            _ => return Err(ProfilesError::NotProfiles),
        }
    }
    if is_empty {
        return Err(ProfilesError::NotProfiles);
    }
    Ok(map)
}

const SUMMARIES: &str = "inferenceProfileSummaries";
const ARN: &str = "inferenceProfileArn";

struct Read<'a> {
    map: &'a mut ProfileMap,
    /// Entries of AWS's lists so far.
    summaries: usize,
}

impl Read<'_> {
    fn object(&mut self, object: &Map<String, Value>) -> Result<(), ProfilesError> {
        if let Some(summaries) = object.get(SUMMARIES) {
            for summary in summaries.as_array().ok_or(ProfilesError::NotProfiles)? {
                self.summary(summary.as_object().ok_or(ProfilesError::NotProfiles)?)?;
            }
            return Ok(());
        }
        if object.contains_key(ARN) {
            return self.summary(object);
        }
        for (index, (profile, copied)) in object.iter().enumerate() {
            let number = index + 1;
            let copied = copied_from(copied).map_err(|expected| ProfilesError::Entry { number, expected })?;
            let id = profile.strip_prefix(KIND).unwrap_or(profile);
            self.map.insert(id, &copied);
        }
        Ok(())
    }

    /// One entry of AWS's list. Those that AWS defines say in their own name what they are.
    fn summary(&mut self, summary: &Map<String, Value>) -> Result<(), ProfilesError> {
        self.summaries += 1;
        let wrong = |key| ProfilesError::Summary { number: self.summaries, key };
        let text = |key| summary.get(key).and_then(Value::as_str).ok_or(wrong(key));
        let arn = text(ARN)?;
        if text("type")? != "APPLICATION" {
            return Ok(());
        }
        let models = summary.get("models").and_then(Value::as_array).ok_or(wrong("models"))?;
        let mut arns = Vec::with_capacity(models.len());
        for model in models {
            arns.push(model.get("modelArn").and_then(Value::as_str).ok_or(wrong("modelArn"))?);
        }
        if let Some(copied) = copied_over(&arns) {
            self.map.insert(arn, &copied);
        }
        Ok(())
    }
}

/// What stands before the id in a logged base model.
const KIND: &str = "application-inference-profile/";

/// What a profile over these foundation models was copied from. One Region is on-demand, several are a geography, and
/// a model without a Region is what only global profiles have.
fn copied_over(model_arns: &[&str]) -> Option<String> {
    let mut base = None;
    let mut regions: Vec<&str> = Vec::new();
    for arn in model_arns {
        let (region, id) = foundation_model(arn)?;
        if base.is_some_and(|base| base != id) {
            return None;
        }
        base = Some(id);
        if !regions.contains(&region) {
            regions.push(region);
        }
    }
    let base = base?;
    let scope = match &regions[..] {
        regions if regions.contains(&"") => Scope::Global,
        [_] => Scope::OnDemand,
        _ => Scope::Geo,
    };
    spelled(base, scope, regions.first().copied().unwrap_or_default())
}

/// (Region, id) of `arn:aws:bedrock:us-east-1::foundation-model/anthropic.…`; the Region may be empty.
fn foundation_model(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.strip_prefix("arn:")?.splitn(5, ':');
    let service = parts.nth(1)?;
    let region = parts.next()?;
    let id = parts.nth(1)?.strip_prefix("foundation-model/").filter(|id| !id.is_empty())?;
    (service == "bedrock").then_some((region, id))
}

/// A spelling of this base and scope that [`Model::parse`] reads as such.
fn spelled(base: &str, scope: Scope, region: &str) -> Option<String> {
    let spelling = match scope {
        Scope::OnDemand => base.to_owned(),
        Scope::Geo => format!("{}.{base}", geography(region)),
        Scope::Global => format!("global.{base}"),
        _ => return None,
    };
    // All geographies share one quota, so which one is of no consequence; that the spelling is understood, is.
    let arn = format!("arn:aws:bedrock:us-east-1:000000000000:inference-profile/{spelling}");
    let wanted = Model { base: base.to_owned(), scope };
    [spelling, arn].into_iter().find(|spelling| Model::parse(spelling) == wanted)
}

/// The prefix of a Region's geography.
fn geography(region: &str) -> &str {
    match region.split('-').next() {
        Some("us") if region.starts_with("us-gov-") => "us-gov",
        Some("ap") => "apac",
        Some(first @ ("us" | "eu" | "ca" | "sa" | "me" | "af" | "il" | "mx")) => first,
        _ => "us",
    }
}

/// What an entry of the plain map says.
fn copied_from(value: &Value) -> Result<String, &'static str> {
    const EXPECTED: &str = "a model id, or an object with model and scope (on-demand, geo or global)";
    if let Some(model) = value.as_str() {
        return if model.is_empty() { Err(EXPECTED) } else { Ok(model.to_owned()) };
    }
    let entry = value.as_object().ok_or(EXPECTED)?;
    let model =
        entry.get("model").and_then(Value::as_str).filter(|model| !model.is_empty()).ok_or(EXPECTED)?;
    if entry.keys().any(|key| key != "model" && key != "scope") {
        return Err(EXPECTED);
    }
    let scope = match entry.get("scope").map(Value::as_str) {
        None => return Ok(model.to_owned()),
        Some(Some("on-demand")) => Scope::OnDemand,
        Some(Some("geo")) => Scope::Geo,
        Some(Some("global")) => Scope::Global,
        Some(_) => return Err(EXPECTED),
    };
    spelled(&Model::parse(model).base, scope, "").ok_or("a model id that can have this scope")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";

    fn profile(id: &str) -> String {
        format!("arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/{id}")
    }

    fn summary(id: &str, model_arns: &[&str]) -> Value {
        let models: Vec<Value> =
            model_arns.iter().map(|arn| serde_json::json!({ "modelArn": arn })).collect();
        serde_json::json!({
            "inferenceProfileName": "team-a", "status": "ACTIVE", "type": "APPLICATION",
            "inferenceProfileId": id, "inferenceProfileArn": profile(id), "models": models,
        })
    }

    fn resolved(map: &ProfileMap, id: &str) -> (String, Scope) {
        let model = Model::parse_with(&profile(id), map);
        (model.base, model.scope)
    }

    #[test]
    fn the_regions_of_a_profiles_models_tell_its_scope() {
        let arn = |region: &str, base: &str| format!("arn:aws:bedrock:{region}::foundation-model/{base}");
        let one = arn("eu-west-1", BASE);
        let other = arn("eu-north-1", BASE);
        let everywhere = arn("", BASE);
        let nobodys = [arn("ap-south-1", "nobody.model-1"), arn("ap-south-2", "nobody.model-1")];
        let page = serde_json::json!({ "inferenceProfileSummaries": [
            summary("one000000000", &[&one]),
            summary("twice0000000", &[&one, &one]),
            summary("geo000000000", &[&one, &other]),
            summary("global000000", &[&one, &everywhere]),
            summary("unknown00000", &[&nobodys[0], &nobodys[1]]),
            summary("mixed0000000", &[&one, &arn("eu-west-1", "amazon.nova-lite-v1:0")]),
            summary("custom000000", &["arn:aws:bedrock:eu-west-1:111122223333:custom-model/x"]),
            summary("empty0000000", &[]),
            { "type": "SYSTEM_DEFINED", "inferenceProfileArn": "arn:aws:bedrock:…", "models": [] },
        ] });
        let map = parse(page.to_string().as_bytes()).expect("a page");
        for (id, scope) in [
            ("one000000000", Scope::OnDemand),
            ("twice0000000", Scope::OnDemand),
            ("geo000000000", Scope::Geo),
            ("global000000", Scope::Global),
        ] {
            assert_eq!(resolved(&map, id), (BASE.to_owned(), scope), "{id}");
        }
        assert_eq!(resolved(&map, "unknown00000"), ("nobody.model-1".to_owned(), Scope::Geo));
        for id in ["mixed0000000", "custom000000", "empty0000000"] {
            assert_eq!(resolved(&map, id).1, Scope::ApplicationProfile, "{id} stays unresolved");
        }
    }

    #[test]
    fn pages_come_one_after_the_other_in_an_array_or_as_one_profile() {
        let one = summary("one000000000", &[&format!("arn:aws:bedrock:us-east-1::foundation-model/{BASE}")]);
        let two = summary("two000000000", &[&format!("arn:aws:bedrock:::foundation-model/{BASE}")]);
        let page =
            |summary: &Value| serde_json::json!({ "inferenceProfileSummaries": [summary] }).to_string();
        for text in [
            format!("{}\n{}", page(&one), page(&two)),
            format!("[{},{}]", page(&one), page(&two)),
            format!("[{one},{two}]"),
            format!("\u{feff}{one} {two}"),
        ] {
            let map = parse(text.as_bytes()).expect(&text);
            assert_eq!(resolved(&map, "one000000000").1, Scope::OnDemand);
            assert_eq!(resolved(&map, "two000000000").1, Scope::Global);
        }
    }

    #[test]
    fn a_plain_map_names_models_and_scopes() {
        let text = format!(
            r#"{{ "{}": "us.{BASE}", "two000000000": {{ "model": "eu.{BASE}", "scope": "on-demand" }},
                 "application-inference-profile/three0000000": {{ "model": "{BASE}", "scope": "global" }},
                 "four00000000": {{ "model": "{BASE}" }}, "five00000000": {{ "model": "x.y", "scope": "geo" }} }}"#,
            profile("one000000000"),
        );
        let map = parse(text.as_bytes()).expect("a map");
        for (id, base, scope) in [
            ("one000000000", BASE, Scope::Geo),
            ("two000000000", BASE, Scope::OnDemand),
            ("three0000000", BASE, Scope::Global),
            ("four00000000", BASE, Scope::OnDemand),
            ("five00000000", "x.y", Scope::Geo),
        ] {
            assert_eq!(resolved(&map, id), (base.to_owned(), scope), "{id}");
        }
        assert!(parse(b"{}").is_ok(), "a map of nothing is a map");
    }

    #[test]
    fn errors_name_the_place_and_show_nothing_of_the_file() {
        for (text, expected) in [
            ("", ProfilesError::NotProfiles),
            ("7", ProfilesError::NotProfiles),
            ("[7]", ProfilesError::NotProfiles),
            ("{\n\"a\": secret", ProfilesError::NotJson { line: 2 }),
            (r#"{"inferenceProfileSummaries": 1}"#, ProfilesError::NotProfiles),
            (r#"{"inferenceProfileSummaries": [{}]}"#, ProfilesError::Summary { number: 1, key: ARN }),
            (
                r#"{"inferenceProfileSummaries": [{"inferenceProfileArn": "secret", "type": "APPLICATION"}]}"#,
                ProfilesError::Summary { number: 1, key: "models" },
            ),
        ] {
            assert_eq!(parse(text.as_bytes()), Err(expected), "{text}");
            assert!(!expected.to_string().contains("secret"));
        }
        for entry in [
            r#"7"#,
            r#""""#,
            r#"{"scope":"geo"}"#,
            r#"{"model":"m","scope":"secret"}"#,
            r#"{"model":"m","x":1}"#,
        ] {
            let error = parse(format!(r#"{{"a": {entry}}}"#).as_bytes()).expect_err(entry);
            assert!(matches!(error, ProfilesError::Entry { number: 1, .. }), "{entry}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
