//! Model ids: from the spellings in the log to (base model, scope).
//!
//! In: `modelId` as logged (what the caller passed, so one model has several spellings), and the user's map of
//! application profiles. Out: a [`Model`]. Always: every text gives a model; spellings that draw on one quota
//! give the same one. Versions (`-v1:0`) and context sizes (`:200k`, `:1m`) stay: variants have quotas of their
//! own. Absent: any list of models, and the display names of a report.

use std::collections::BTreeMap;

/// Where a model's quota lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scope {
    /// A bare id or a foundation-model ARN.
    OnDemand,
    /// A geographic inference profile (`us.`, `eu.`, …).
    Geo,
    /// A `global.` inference profile.
    Global,
    /// Provisioned throughput.
    Provisioned,
    /// An application inference profile that no map resolves.
    ApplicationProfile,
    /// A custom model, or its deployment.
    Custom,
    /// An imported model.
    Imported,
    /// A SageMaker or Marketplace endpoint.
    Endpoint,
    /// Some other ARN.
    Unknown,
}

impl Scope {
    /// The word in the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::OnDemand => "on-demand",
            Scope::Geo => "geo",
            Scope::Global => "global",
            Scope::Provisioned => "provisioned",
            Scope::ApplicationProfile => "application-profile",
            Scope::Custom => "custom",
            Scope::Imported => "imported",
            Scope::Endpoint => "endpoint",
            Scope::Unknown => "unknown",
        }
    }
}

/// A normalised model id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Model {
    /// The base model: the bare id without profile prefix; for opaque resources `kind/id` from the ARN.
    pub base: String,
    /// Where its quota lives.
    pub scope: Scope,
}

impl Model {
    /// Normalises one spelling.
    #[must_use]
    pub fn parse(model_id: &str) -> Model {
        if !model_id.starts_with("arn:") {
            return parse_bare(model_id);
        }
        let known = split_arn(model_id).and_then(|(service, resource)| parse_resource(service, resource));
        known.unwrap_or_else(|| Model::new(model_id, Scope::Unknown))
    }

    /// Normalises one spelling; what the map knows has the model and the scope of what was copied.
    #[must_use]
    pub fn parse_with(model_id: &str, profiles: &ProfileMap) -> Model {
        match profiles.get(model_id) {
            // One step only: a map in which profiles name each other cannot loop.
            Some(copied) => Model::parse(copied),
            None => Model::parse(model_id),
        }
    }

    fn new(base: &str, scope: Scope) -> Model {
        Model { base: base.to_owned(), scope }
    }
}

/// What application inference profiles were copied from; the user's knowledge, since a log names opaque ids.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct ProfileMap {
    copied_by_profile: BTreeMap<Box<str>, Box<str>>,
}

impl ProfileMap {
    /// Says what a profile, given by ARN or by id, was copied from: a model id or profile, in any spelling that
    /// [`Model::parse`] knows. The last word on a profile counts.
    pub fn insert(&mut self, profile: &str, copied: &str) {
        self.copied_by_profile.insert(profile.into(), copied.into());
    }

    /// Adds what another map knows; its word counts where both know a profile.
    pub fn merge(&mut self, other: ProfileMap) {
        self.copied_by_profile.extend(other.copied_by_profile);
    }

    /// What each profile was copied from, by profile.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.copied_by_profile.iter().map(|(profile, copied)| (&**profile, &**copied))
    }

    /// What the profile of a logged model id was copied from: for the ARN of an application profile by the
    /// whole ARN, else by the id in it; for what is no ARN, by its text. `None` where the map does not know it,
    /// and for every other ARN: a map of profiles cannot turn provisioned throughput into on-demand.
    #[must_use]
    pub fn get(&self, model_id: &str) -> Option<&str> {
        let id = if model_id.starts_with("arn:") {
            split_arn(model_id)?.1.strip_prefix("application-inference-profile/")?
        } else {
            model_id
        };
        let copied = self.copied_by_profile.get(model_id).or_else(|| self.copied_by_profile.get(id));
        copied.map(|copied| &**copied)
    }
}

/// Prefixes that are geographic whatever provider follows, a new one included.
const GEOGRAPHIES: [&str; 12] =
    ["us", "eu", "apac", "jp", "au", "ca", "us-gov", "sa", "me", "af", "il", "mx"];

/// First parts of bare model ids. After one of these no prefix is looked for; before one of these any short
/// word is a geographic prefix, so that a new geography needs no new version.
const PROVIDERS: [&str; 24] = [
    "ai21",
    "amazon",
    "anthropic",
    "arcee-ai",
    "cohere",
    "deepseek",
    "google",
    "ibm-granite",
    "luma",
    "meta",
    "microsoft",
    "minimax",
    "mistral",
    "moonshot",
    "moonshotai",
    "nvidia",
    "openai",
    "qwen",
    "snowflake",
    "stability",
    "twelvelabs",
    "writer",
    "xai",
    "zai",
];

/// (service, resource) of `arn:partition:service:region:account:resource`, in any partition.
fn split_arn(text: &str) -> Option<(&str, &str)> {
    let mut parts = text.strip_prefix("arn:")?.splitn(5, ':');
    let service = parts.nth(1)?;
    Some((service, parts.nth(2)?))
}

/// A resource of a known kind; `None` for the rest.
fn parse_resource(service: &str, resource: &str) -> Option<Model> {
    let (kind, id) = resource.split_once('/').filter(|(_, id)| !id.is_empty())?;
    match (service, kind) {
        ("bedrock", "foundation-model") => Some(parse_bare(id)),
        ("bedrock", "inference-profile") => Some(parse_profile(id, resource)),
        ("bedrock", "application-inference-profile") => Some(Model::new(resource, Scope::ApplicationProfile)),
        ("bedrock", "provisioned-model") => Some(Model::new(resource, Scope::Provisioned)),
        ("bedrock", "custom-model" | "custom-model-deployment") => Some(Model::new(resource, Scope::Custom)),
        ("bedrock", "imported-model") => Some(Model::new(resource, Scope::Imported)),
        // A router chooses among models; which one ran is not in its name.
        ("bedrock", "prompt-router" | "default-prompt-router") => Some(Model::new(resource, Scope::Unknown)),
        ("bedrock", "marketplace") | ("sagemaker", "endpoint") => Some(Model::new(resource, Scope::Endpoint)),
        _ => None,
    }
}

/// The id in the ARN of a system-defined profile. There the first part is a geography, known or not.
fn parse_profile(id: &str, resource: &str) -> Model {
    let model = parse_bare(id);
    if model.scope != Scope::OnDemand {
        return model;
    }
    let geography = id
        .split_once('.')
        .filter(|(prefix, base)| is_short_word(prefix) && !PROVIDERS.contains(prefix) && base.contains('.'));
    match geography {
        Some((_, base)) => Model::new(base, Scope::Geo),
        None => Model::new(resource, Scope::Unknown),
    }
}

/// A bare model id, or a profile id: the same with a prefix.
fn parse_bare(id: &str) -> Model {
    let prefixed = id.split_once('.').filter(|(prefix, _)| !PROVIDERS.contains(prefix));
    let Some((prefix, base)) = prefixed else {
        return Model::new(id, Scope::OnDemand);
    };
    let Some((provider, _)) = base.split_once('.').filter(|(provider, _)| !provider.is_empty()) else {
        return Model::new(id, Scope::OnDemand);
    };
    let is_provider_known = PROVIDERS.contains(&provider);
    if prefix == "global" {
        Model::new(base, Scope::Global)
    } else if GEOGRAPHIES.contains(&prefix) || (is_provider_known && is_short_word(prefix)) {
        Model::new(base, Scope::Geo)
    } else {
        Model::new(id, Scope::OnDemand)
    }
}

/// Whether this could be a geography's prefix: two to eight lower-case letters and hyphens.
fn is_short_word(prefix: &str) -> bool {
    (2..=8).contains(&prefix.len()) && prefix.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASE: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";

    fn model(base: &str, scope: Scope) -> Model {
        Model::new(base, scope)
    }

    #[test]
    fn f21_every_spelling_of_a_model_gives_its_base_and_scope() {
        let arn = |resource: &str| format!("arn:aws:bedrock:us-east-1:111122223333:{resource}");
        let cases = [
            (BASE.to_owned(), model(BASE, Scope::OnDemand)),
            (format!("us.{BASE}"), model(BASE, Scope::Geo)),
            (format!("us-gov.{BASE}"), model(BASE, Scope::Geo)),
            (format!("global.{BASE}"), model(BASE, Scope::Global)),
            (format!("arn:aws:bedrock:us-east-1::foundation-model/{BASE}"), model(BASE, Scope::OnDemand)),
            (
                format!("arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/{BASE}"),
                model(BASE, Scope::OnDemand),
            ),
            (arn(&format!("inference-profile/eu.{BASE}")), model(BASE, Scope::Geo)),
            (arn(&format!("inference-profile/global.{BASE}")), model(BASE, Scope::Global)),
            (
                format!("arn:aws-cn:bedrock:cn-north-1:111122223333:inference-profile/cn.{BASE}"),
                model(BASE, Scope::Geo),
            ),
            (
                arn("application-inference-profile/a1b2c3d4e5f6"),
                model("application-inference-profile/a1b2c3d4e5f6", Scope::ApplicationProfile),
            ),
            (
                arn("provisioned-model/a1b2c3d4e5f6"),
                model("provisioned-model/a1b2c3d4e5f6", Scope::Provisioned),
            ),
            (
                arn("custom-model/amazon.nova-lite-v1:0:256k/a1b2c3d4e5f6"),
                model("custom-model/amazon.nova-lite-v1:0:256k/a1b2c3d4e5f6", Scope::Custom),
            ),
            (
                arn("custom-model-deployment/a1b2c3d4e5f6"),
                model("custom-model-deployment/a1b2c3d4e5f6", Scope::Custom),
            ),
            (arn("imported-model/a1b2c3d4e5f6"), model("imported-model/a1b2c3d4e5f6", Scope::Imported)),
            (
                "arn:aws:sagemaker:us-west-2:111122223333:endpoint/my-llm".to_owned(),
                model("endpoint/my-llm", Scope::Endpoint),
            ),
            (arn("prompt-router/a1b2c3d4e5f6"), model("prompt-router/a1b2c3d4e5f6", Scope::Unknown)),
            (
                arn("default-prompt-router/meta.llama:1"),
                model("default-prompt-router/meta.llama:1", Scope::Unknown),
            ),
        ];
        for (spelling, expected) in cases {
            assert_eq!(Model::parse(&spelling), expected, "{spelling}");
        }
    }

    #[test]
    fn f21_what_is_no_model_id_is_kept_whole() {
        let on_demand = [
            "",
            "junk",
            "us.",
            "us.junk",
            ".",
            "..",
            "us..x",
            "global.junk",
            "US.anthropic.claude",
            "my.own.model",
        ];
        for id in on_demand {
            assert_eq!(Model::parse(id), model(id, Scope::OnDemand), "{id}");
        }
        let unknown = [
            "arn:aws:bedrock:us-east-1:111122223333:provisioned-model",
            "arn:aws:bedrock:us-east-1:111122223333:provisioned-model/",
            "arn:aws:bedrock:us-east-1:111122223333:prompt/A1B2C3D4E5:1",
            "arn:aws:s3:::bucket/foundation-model/x",
            "arn:aws:sagemaker:us-west-2:111122223333:model/x",
            "arn:::::",
            "arn:aws:bedrock",
            "arn:",
        ];
        for id in unknown {
            assert_eq!(Model::parse(id), model(id, Scope::Unknown), "{id}");
        }
        for no_geography in ["inference-profile/a1b2c3d4e5f6", "inference-profile/meta.llama-3.1"] {
            let arn = format!("arn:aws:bedrock:us-east-1:111122223333:{no_geography}");
            assert_eq!(Model::parse(&arn), model(no_geography, Scope::Unknown));
        }
    }

    #[test]
    fn a_new_geography_is_known_by_the_provider_after_it() {
        for new in ["cn", "latam", "eusc", "us-iso"] {
            assert!(!GEOGRAPHIES.contains(&new), "{new} is no longer new");
            assert_eq!(Model::parse(&format!("{new}.{BASE}")), model(BASE, Scope::Geo), "{new}");
            let unknown_provider = format!("{new}.nobody.model-1");
            assert_eq!(Model::parse(&unknown_provider), model(&unknown_provider, Scope::OnDemand));
            let profile =
                format!("arn:aws:bedrock:us-east-1:111122223333:inference-profile/{unknown_provider}");
            assert_eq!(Model::parse(&profile), model("nobody.model-1", Scope::Geo));
        }
    }

    #[test]
    fn context_variants_are_models_of_their_own() {
        for id in
            ["anthropic.claude-sonnet-4-20250514-v1:0:1m", "anthropic.claude-3-haiku-20240307-v1:0:200k"]
        {
            assert_eq!(Model::parse(&format!("us.{id}")), model(id, Scope::Geo));
        }
    }

    #[test]
    fn a_mapped_profile_has_the_model_and_scope_of_what_was_copied() {
        let arn =
            |id: &str| format!("arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/{id}");
        let mut profiles = ProfileMap::default();
        profiles.insert(&arn("byarn0000000"), &format!("us.{BASE}"));
        profiles.insert("byid00000000", BASE);
        profiles.insert("loop00000000", "loop00000000");
        assert_eq!(Model::parse_with(&arn("byarn0000000"), &profiles), model(BASE, Scope::Geo));
        assert_eq!(Model::parse_with(&arn("byid00000000"), &profiles), model(BASE, Scope::OnDemand));
        assert_eq!(Model::parse_with("byid00000000", &profiles), model(BASE, Scope::OnDemand));
        assert_eq!(Model::parse_with("loop00000000", &profiles), model("loop00000000", Scope::OnDemand));
        for unmapped in [arn("other0000000"), format!("eu.{BASE}")] {
            assert_eq!(Model::parse_with(&unmapped, &profiles), Model::parse(&unmapped));
        }
        // An id of one kind says nothing about another kind of resource.
        let provisioned = "arn:aws:bedrock:us-east-1:111122223333:provisioned-model/byid00000000";
        assert_eq!(Model::parse_with(provisioned, &profiles).scope, Scope::Provisioned);
    }

    proptest! {
        #[test]
        fn a_base_is_part_of_its_spelling(id in "(arn:[a-z-]{0,3}:(bedrock|sagemaker):[a-z]{0,2}:[0-9]{0,2}:)?[a-z-]{0,18}[./]?\\PC{0,20}") {
            let model = Model::parse(&id);
            prop_assert!(id.ends_with(&model.base));
            prop_assert!(id.is_empty() || !model.base.is_empty());
        }
    }
}
