//! Who calls what from where: models and their spellings, callers, errors, inference Regions.

use std::rc::Rc;

use crate::body::Dialect;
use crate::random::Random;

/// The provider's side of a model: which formats it speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    Claude,
    Nova,
    TitanText,
    Llama,
    OpenAi,
    TitanEmbed,
    CohereEmbed,
    Rerank,
    Image,
    Stability,
    /// A model that the user named and this file does not know: called through Converse.
    Other,
}

/// Base models and how often each is called.
const MODELS: [(&str, u32); 13] = [
    ("anthropic.claude-sonnet-4-5-20250929-v1:0", 300),
    ("anthropic.claude-haiku-4-5-20251001-v1:0", 200),
    ("anthropic.claude-3-haiku-20240307-v1:0", 120),
    ("anthropic.claude-opus-4-6-v1", 60),
    ("amazon.nova-pro-v1:0", 80),
    ("amazon.titan-text-express-v1", 40),
    ("meta.llama3-1-70b-instruct-v1:0", 60),
    ("openai.gpt-oss-120b-1:0", 40),
    ("amazon.titan-embed-text-v2:0", 50),
    ("cohere.embed-english-v3", 20),
    ("cohere.rerank-v3-5:0", 15),
    ("amazon.nova-canvas-v1:0", 10),
    ("stability.sd3-5-large-v1:0", 5),
];

/// The model of the traps that need a certain one.
pub(crate) const CLAUDE: &str = MODELS[0].0;

/// A model that can be called.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) base: Rc<str>,
    pub(crate) family: Family,
    pub(crate) weight: u32,
}

impl Model {
    /// A model by its base id.
    pub(crate) fn new(base: &str, weight: u32) -> Self {
        let family = match base {
            _ if base.starts_with("anthropic.") => Family::Claude,
            _ if base.starts_with("amazon.nova-canvas") || base.starts_with("amazon.titan-image") => {
                Family::Image
            }
            _ if base.starts_with("amazon.nova") => Family::Nova,
            _ if base.starts_with("amazon.titan-embed") => Family::TitanEmbed,
            _ if base.starts_with("amazon.titan-text") => Family::TitanText,
            _ if base.starts_with("meta.") => Family::Llama,
            _ if base.starts_with("openai.") => Family::OpenAi,
            _ if base.starts_with("cohere.embed") => Family::CohereEmbed,
            _ if base.starts_with("cohere.rerank") => Family::Rerank,
            _ if base.starts_with("stability.") => Family::Stability,
            _ => Family::Other,
        };
        Model { base: base.into(), family, weight }
    }

    /// The models asked for, or the whole catalogue.
    pub(crate) fn choose(bases: &[String]) -> Vec<Model> {
        if bases.is_empty() {
            return MODELS.iter().map(|&(base, weight)| Model::new(base, weight)).collect();
        }
        bases
            .iter()
            .map(|base| {
                let known = MODELS.iter().find(|(known, _)| known == base);
                Model::new(base, known.map_or(100, |&(_, weight)| weight))
            })
            .collect()
    }

    /// An operation and its format.
    pub(crate) fn operation(&self, random: &mut Random) -> (&'static str, Dialect) {
        let invoke = match self.family {
            Family::Claude => Dialect::Claude,
            Family::Nova => Dialect::Nova,
            Family::TitanText => Dialect::Titan,
            Family::Llama => Dialect::Llama,
            Family::OpenAi => Dialect::OpenAi,
            Family::TitanEmbed => return ("InvokeModel", Dialect::TitanEmbed),
            Family::CohereEmbed => return ("InvokeModel", Dialect::CohereEmbed),
            Family::Rerank => return ("InvokeModel", Dialect::Rerank),
            Family::Image => return ("InvokeModel", Dialect::Image),
            Family::Stability => return ("InvokeModel", Dialect::Stability),
            Family::Other => Dialect::Converse,
        };
        let draw = random.below(100);
        match draw {
            0..35 => ("Converse", Dialect::Converse),
            35..60 => ("ConverseStream", Dialect::Converse),
            60..80 if self.family == Family::Claude => {
                ("InvokeModelWithResponseStream", Dialect::ClaudeStream)
            }
            60..80 if self.family == Family::OpenAi => ("ChatCompletions", Dialect::OpenAi),
            _ if self.family == Family::Other => ("Converse", Dialect::Converse),
            _ => ("InvokeModel", invoke),
        }
    }
}

/// A model id as logged, and what it must be normalised to.
#[derive(Clone, Debug)]
pub(crate) struct Spelling {
    pub(crate) text: Rc<str>,
    pub(crate) base: Rc<str>,
    pub(crate) scope: &'static str,
}

impl Spelling {
    /// One of the spellings of a model, as an account in a Region would use it.
    pub(crate) fn draw(
        model: &Model,
        account: &str,
        region: &str,
        operation: &str,
        random: &mut Random,
    ) -> Self {
        let base = &*model.base;
        let profiled = matches!(model.family, Family::Claude | Family::Nova | Family::Llama);
        let arn = |resource: String| format!("arn:aws:bedrock:{region}:{account}:{resource}");
        // Two opaque ids an account: the last digit of the account keeps those of different accounts apart.
        let opaque = |kind: &str, digit: u64| format!("{kind}/a1b2c3d4e{}{digit}", &account[10..]);
        let draw = random.below(1_000);
        let (text, base, scope) = match draw {
            0..20 if model.family == Family::Claude => {
                let resource = opaque("application-inference-profile", random.below(2));
                (arn(resource.clone()), resource, "application-profile")
            }
            20..30 if model.family == Family::Claude => {
                let resource = opaque("provisioned-model", 0);
                (arn(resource.clone()), resource, "provisioned")
            }
            30..40 if model.family == Family::Llama => {
                let resource = opaque("imported-model", 0);
                (arn(resource.clone()), resource, "imported")
            }
            40..400 if profiled => {
                let profile = format!("{}.{base}", geography(region));
                // InvokeModel through a profile logs the profile's ARN, Converse what the caller passed.
                let text = if operation.starts_with("Invoke") {
                    arn(format!("inference-profile/{profile}"))
                } else {
                    profile
                };
                (text, base.to_owned(), "geo")
            }
            400..600 if model.family == Family::Claude => {
                let text = if operation.starts_with("Invoke") {
                    arn(format!("inference-profile/global.{base}"))
                } else {
                    format!("global.{base}")
                };
                (text, base.to_owned(), "global")
            }
            _ if draw.is_multiple_of(4) => {
                (format!("arn:aws:bedrock:{region}::foundation-model/{base}"), base.to_owned(), "on-demand")
            }
            _ => (base.to_owned(), base.to_owned(), "on-demand"),
        };
        Spelling { text: text.into(), base: base.into(), scope }
    }

    /// Where a call through this profile may run; `None` for calls that stay where they are.
    pub(crate) fn inference_region(&self, region: &str, random: &mut Random) -> Option<Rc<str>> {
        let regions: &[&str] = match self.scope {
            "geo" if geography(region) == "us" => &["us-east-1", "us-east-2", "us-west-2"],
            "geo" if geography(region) == "eu" => &["eu-central-1", "eu-north-1", "eu-west-1"],
            "geo" => &["ap-northeast-1", "ap-southeast-2"],
            "global" => &["us-east-2", "eu-west-1", "ap-northeast-1", "us-west-2"],
            _ => return None,
        };
        Some(regions[random.index(regions.len())].into())
    }
}

fn geography(region: &str) -> &'static str {
    match region.split('-').next() {
        Some("eu") => "eu",
        Some("ap") => "apac",
        Some("ca") => "ca",
        _ => "us",
    }
}

/// The callers of one account: users, roles with sessions, the root user.
pub(crate) fn callers(account: &str) -> Vec<Rc<str>> {
    let mut callers: Vec<String> = Vec::new();
    callers.push(format!("arn:aws:iam::{account}:user/ci-bot"));
    callers.push(format!("arn:aws:iam::{account}:user/dev1"));
    callers.push(format!("arn:aws:iam::{account}:root"));
    for (role, sessions) in [("ChatBackend", 8), ("BatchSummaries", 4), ("DataScience", 6)] {
        for session in 0..sessions {
            callers.push(format!("arn:aws:sts::{account}:assumed-role/{role}/session-{session}"));
        }
    }
    callers.into_iter().map(Into::into).collect()
}

/// Error codes, how often each is met outside busy minutes, and the HTTP status that goes with it.
pub(crate) const ERRORS: [(&str, u32, u16); 7] = [
    (THROTTLING, 55, 429),
    ("ValidationException", 18, 400),
    ("ModelTimeoutException", 7, 408),
    ("ServiceUnavailableException", 7, 503),
    ("AccessDeniedException", 5, 403),
    ("InternalServerException", 5, 500),
    ("ModelErrorException", 3, 424),
];

/// The error that means quota.
pub(crate) const THROTTLING: &str = "ThrottlingException";
