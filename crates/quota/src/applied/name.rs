//! Names of quotas and ids of models, as words that can be compared.
//!
//! In: a name like `Cross-region model inference tokens per minute for Anthropic Claude Sonnet 4.5 V1`, and a base model
//! like `anthropic.claude-sonnet-4-5-20250929-v1:0`. Out: whether the name is that model's, and a name for a model that
//! no table names. Always: two sets of words fit only if they are equal, so a part of a name never matches a longer one
//! (Sonnet 4 and Sonnet 4.5, 3.5 Sonnet and 3.5 Sonnet V2). Absent: a list of models.

use borehole_record::Scope;

use crate::rules::{Limit, Rules};

/// What a quota is called in a ticket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DisplayName {
    /// As Service Quotas spells it, or very likely spells it.
    pub name: String,
    /// `L-…`, where it is known.
    pub code: Option<String>,
    /// Made up from the model's id: no table names this quota.
    pub is_constructed: bool,
}

/// What the quota of a base model is called: by the rules, else made up from its id in the usual form. `None` where there
/// is no such quota: only on-demand, geographic and global calls have one.
#[must_use]
pub fn display_name(rules: &Rules, base_model: &str, scope: Scope, limit: Limit) -> Option<DisplayName> {
    let named = rules.quotas(base_model, scope).into_iter().find(|named| named.limit == limit);
    if let Some(named) = named {
        return Some(DisplayName { name: named.name, code: named.code, is_constructed: false });
    }
    let model = shown(base_model);
    let name = match (scope, limit) {
        (Scope::OnDemand | Scope::Geo, Limit::TokensPerDay) => {
            format!("Model invocation max tokens per day for {model} (doubled for cross-region calls)")
        }
        (Scope::OnDemand, _) => format!("On-demand model inference {} for {model}", unit(limit)),
        (Scope::Geo, _) => format!("Cross-region model inference {} for {model}", unit(limit)),
        (Scope::Global, _) => format!("Global cross-region model inference {} for {model}", unit(limit)),
        _ => return None,
    };
    Some(DisplayName { name, code: None, is_constructed: true })
}

/// Whether a quota's name is that of a base model's quota.
pub(super) fn fits(name: &str, base_model: &str, scope: Scope, limit: Limit) -> bool {
    let Some((model, is_scope)) = model_in(name, limit) else { return false };
    if !is_scope(scope) {
        return false;
    }
    let id = Id::parse(base_model);
    let (words, is_long_context) = words_of_name(&model);
    if is_long_context != (id.context == Some("1m")) {
        return false;
    }
    let provider = PROVIDERS.iter().find(|(provider, _)| *provider == id.provider);
    let own: &[&str] = provider.map_or(&[], |(_, words)| words);
    // A name may say the provider or not; another provider's name is another model's quota.
    let other =
        words.iter().any(|word| is_provider_word(word) && !own.contains(&&**word) && *word != id.provider);
    !other && stripped(words, id.provider, own) == stripped(id.words(), id.provider, own)
}

fn unit(limit: Limit) -> &'static str {
    match limit {
        Limit::TokensPerMinute => "tokens per minute",
        Limit::RequestsPerMinute => "requests per minute",
        Limit::TokensPerDay => "tokens per day",
    }
}

type IsScope = fn(Scope) -> bool;

/// What a name says after its kind, in lower case, and which scopes that kind is for.
fn model_in(name: &str, limit: Limit) -> Option<(String, IsScope)> {
    let name = name.to_ascii_lowercase();
    // The user guide writes `InvokeModel` where Service Quotas writes `model inference`.
    let name = name.replacen(" invokemodel ", " model inference ", 1);
    let rest = |kind: &str| {
        Some(name.strip_prefix(kind)?.strip_prefix(unit(limit))?.strip_prefix(" for ")?.to_owned())
    };
    if limit == Limit::TokensPerDay
        && let Some(model) = name.strip_prefix("model invocation max tokens per day for ")
    {
        let model = model.strip_suffix(" (doubled for cross-region calls)").unwrap_or(model);
        return Some((model.to_owned(), |scope| matches!(scope, Scope::OnDemand | Scope::Geo)));
    }
    let kinds: [(&str, IsScope); 3] = [
        ("on-demand model inference ", |scope| scope == Scope::OnDemand),
        ("cross-region model inference ", |scope| scope == Scope::Geo),
        ("global cross-region model inference ", |scope| scope == Scope::Global),
    ];
    kinds.into_iter().find_map(|(kind, is_scope)| Some((rest(kind)?, is_scope)))
}

/// The first part of an id, and the words for it in names. Only these say whose a quota is.
const PROVIDERS: [(&str, &[&str]); 19] = [
    ("ai21", &["ai21", "labs"]),
    ("amazon", &["amazon"]),
    ("anthropic", &["anthropic"]),
    ("cohere", &["cohere"]),
    ("deepseek", &["deepseek"]),
    ("google", &["google"]),
    ("luma", &["luma"]),
    ("meta", &["meta"]),
    ("minimax", &["minimax"]),
    ("mistral", &["mistral", "ai"]),
    ("moonshot", &["moonshot", "ai"]),
    ("moonshotai", &["moonshot", "ai"]),
    ("nvidia", &["nvidia"]),
    ("openai", &["openai"]),
    ("qwen", &["qwen"]),
    ("stability", &["stability.ai", "stability", "ai"]),
    ("writer", &["writer", "ai"]),
    ("xai", &["xai"]),
    ("zai", &["z.ai"]),
];

fn is_provider_word(word: &str) -> bool {
    // `qwen` and `minimax` are families, too; as providers they stand for themselves.
    PROVIDERS.iter().any(|(provider, _)| *provider == word)
}

/// A base model's id, taken apart.
struct Id<'a> {
    provider: &'a str,
    rest: &'a str,
    /// `200k`, `1m`: a variant with a quota of its own.
    context: Option<&'a str>,
}

impl<'a> Id<'a> {
    fn parse(base_model: &'a str) -> Self {
        let (provider, rest) = base_model.split_once('.').unwrap_or(("", base_model));
        let (rest, context) = match rest.rsplit_once(':') {
            Some((rest, context)) if is_context(context) => (rest, Some(context)),
            _ => (rest, None),
        };
        Id { provider, rest, context }
    }

    /// Its words in lower case, without date and revision.
    fn words(&self) -> Vec<String> {
        let (rest, is_revised) = match self.rest.rsplit_once(':') {
            Some((rest, revision)) if revision.bytes().all(|b| b.is_ascii_digit()) => (rest, true),
            _ => (self.rest, false),
        };
        let mut words: Vec<String> = Vec::new();
        let mut tokens: Vec<&str> = rest.split(['-', '_']).filter(|token| !token.is_empty()).collect();
        // `gpt-oss-20b-1:0`: the 1 is a version like the v1 of others.
        if is_revised && tokens.last() == Some(&"1") {
            tokens.pop();
        }
        for token in tokens {
            if is_date(token) {
                continue;
            }
            for part in parts(token) {
                match words.last_mut() {
                    // `4-5` is 4.5, and the `3-1` of `llama3-1` is 3.1.
                    Some(last) if is_short_number(part) && is_short_number(last) => {
                        last.push('.');
                        last.push_str(part);
                    }
                    _ => words.push(part.to_ascii_lowercase()),
                }
            }
        }
        words
    }
}

/// The words of what a name says about its model, and whether it is the variant with a context of 1M.
fn words_of_name(model: &str) -> (Vec<String>, bool) {
    let (model, is_long_context) = match model.strip_suffix(" 1m context length") {
        Some(model) => (model, true),
        None => (model, false),
    };
    let tokens = model.split([' ', '-']).filter(|token| !token.is_empty());
    (tokens.flat_map(parts).map(str::to_owned).collect(), is_long_context)
}

/// `llama3` as `llama` and `3`, `qwen3` as `qwen` and `3`; `70b`, `v2`, `r1`, `k2.5` and `m2.1` stay.
fn parts(token: &str) -> impl Iterator<Item = &str> {
    let letters = token.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(token.len());
    let rest = &token[letters..];
    let is_number = !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let cut = if letters >= 3 && is_number { letters } else { token.len() };
    let (word, number) = token.split_at(cut);
    [word, number].into_iter().filter(|part| !part.is_empty())
}

/// Words without the provider's, and without the `v1` that most models carry and names say or not.
fn stripped(mut words: Vec<String>, provider: &str, own: &[&str]) -> Vec<String> {
    words.retain(|word| {
        let is_provider = word == provider || own.contains(&&**word);
        !is_provider && word != "v1" && word != "v0"
    });
    words.sort_unstable();
    words
}

fn is_date(token: &str) -> bool {
    token.len() == 8 && token.bytes().all(|b| b.is_ascii_digit())
}

/// One or two digits: part of a version.
fn is_short_number(token: &str) -> bool {
    token.len() <= 2 && !token.is_empty() && token.bytes().all(|b| b.is_ascii_digit())
}

/// `200k`, `1m`.
fn is_context(token: &str) -> bool {
    let digits = token.strip_suffix(['k', 'm']).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// A model as Service Quotas would write it: `Anthropic Claude Sonnet 4.5`.
fn shown(base_model: &str) -> String {
    let id = Id::parse(base_model);
    let mut words = vec![id.provider.to_owned()];
    words.extend(id.words().into_iter().filter(|word| word != "v1" && word != "v0" && word != id.provider));
    let mut name: Vec<String> =
        words.iter().filter(|word| !word.is_empty()).map(|word| capitalised(word)).collect();
    if id.context == Some("1m") {
        name.push("1M Context Length".to_owned());
    }
    name.join(" ")
}

fn capitalised(word: &str) -> String {
    match word {
        "ai21" | "gpt" | "oss" | "glm" | "xai" => return word.to_ascii_uppercase(),
        "openai" => return "OpenAI".to_owned(),
        "deepseek" => return "DeepSeek".to_owned(),
        _ => {}
    }
    let mut characters = word.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    // Sizes: `70b`.
    if word.bytes().next().is_some_and(|b| b.is_ascii_digit()) {
        return word.to_ascii_uppercase();
    }
    first.into_iter().chain(characters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SONNET_35: &str = "anthropic.claude-3-5-sonnet-20240620-v1:0";
    const SONNET_35_V2: &str = "anthropic.claude-3-5-sonnet-20241022-v2:0";
    const SONNET_4: &str = "anthropic.claude-sonnet-4-20250514-v1:0";
    const SONNET_45: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";

    #[test]
    fn a_name_fits_its_own_model_only() {
        let models = [
            (SONNET_35, "Anthropic Claude 3.5 Sonnet"),
            (SONNET_35_V2, "Anthropic Claude 3.5 Sonnet V2"),
            ("anthropic.claude-3-sonnet-20240229-v1:0", "Anthropic Claude 3 Sonnet"),
            ("anthropic.claude-3-7-sonnet-20250219-v1:0", "Anthropic Claude 3.7 Sonnet V1"),
            (SONNET_4, "Anthropic Claude Sonnet 4 V1"),
            (SONNET_45, "Anthropic Claude Sonnet 4.5 V1"),
            (
                "anthropic.claude-sonnet-4-5-20250929-v1:0:1m",
                "Anthropic Claude Sonnet 4.5 V1 1M Context Length",
            ),
            ("anthropic.claude-sonnet-4-6", "Anthropic Claude Sonnet 4.6"),
            ("anthropic.claude-sonnet-5", "Anthropic Claude Sonnet 5"),
            ("anthropic.claude-sonnet-5-5", "Anthropic Claude Sonnet 5.5"),
            ("anthropic.claude-opus-4-8", "Anthropic Claude Opus 4.8"),
            ("anthropic.claude-haiku-4-5-20251001-v1:0", "Anthropic Claude Haiku 4.5"),
            ("amazon.nova-lite-v1:0", "Amazon Nova Lite"),
            ("amazon.nova-2-lite-v1:0", "Amazon Nova 2 Lite"),
            ("meta.llama3-70b-instruct-v1:0", "Meta Llama 3 70B Instruct"),
            ("meta.llama3-1-70b-instruct-v1:0", "Meta Llama 3.1 70B Instruct"),
            ("meta.llama3-3-70b-instruct-v1:0", "Meta Llama 3.3 70B Instruct"),
            ("mistral.mistral-large-2407-v1:0", "Mistral Large 2407"),
            ("deepseek.r1-v1:0", "DeepSeek R1 V1"),
            ("deepseek.v3-v1:0", "DeepSeek V3 V1"),
            ("deepseek.v3.2", "DeepSeek V3.2"),
            ("openai.gpt-oss-20b-1:0", "OpenAI GPT OSS 20B"),
            ("openai.gpt-oss-120b-1:0", "OpenAI GPT OSS 120B"),
            ("openai.gpt-5.6-luna", "GPT-5.6 Luna"),
            ("qwen.qwen3-32b-v1:0", "Qwen3 32B V1"),
            ("cohere.embed-v4:0", "Cohere Embed V4"),
            ("minimax.minimax-m2", "Minimax M2"),
            ("minimax.minimax-m2.5", "MiniMax M2.5"),
            ("writer.palmyra-x5-v1:0", "Writer AI Palmyra X5 V1"),
        ];
        for (base, _) in models {
            for (other, model) in models {
                let name = format!("Cross-Region model inference tokens per minute for {model}");
                let expected = base == other;
                assert_eq!(fits(&name, base, Scope::Geo, Limit::TokensPerMinute), expected, "{base}: {name}");
            }
        }
    }

    #[test]
    fn kinds_of_quotas_are_told_apart() {
        let kinds = [
            (
                "On-demand model inference tokens per minute for",
                Limit::TokensPerMinute,
                &[Scope::OnDemand][..],
            ),
            ("On-demand InvokeModel tokens per minute for", Limit::TokensPerMinute, &[Scope::OnDemand]),
            ("Cross-region model inference tokens per minute for", Limit::TokensPerMinute, &[Scope::Geo]),
            (
                "Global cross-region model inference tokens per minute for",
                Limit::TokensPerMinute,
                &[Scope::Global],
            ),
            (
                "On-demand model inference requests per minute for",
                Limit::RequestsPerMinute,
                &[Scope::OnDemand],
            ),
            ("Cross-region model inference requests per minute for", Limit::RequestsPerMinute, &[Scope::Geo]),
            ("Model invocation max tokens per day for", Limit::TokensPerDay, &[Scope::OnDemand, Scope::Geo]),
            ("Global cross-region model inference tokens per day for", Limit::TokensPerDay, &[Scope::Global]),
            (
                "On-demand, latency-optimized model inference tokens per minute for",
                Limit::TokensPerMinute,
                &[],
            ),
            ("Batch inference job size (in GB) for", Limit::TokensPerMinute, &[]),
            ("[bedrock-mantle endpoint] Input tokens per minute for", Limit::TokensPerMinute, &[]),
        ];
        for (kind, of, scopes) in kinds {
            let name = format!("{kind} Anthropic Claude Sonnet 4.5 V1");
            for limit in Limit::ALL {
                for scope in [Scope::OnDemand, Scope::Geo, Scope::Global, Scope::Provisioned] {
                    let expected = limit == of && scopes.contains(&scope);
                    assert_eq!(fits(&name, SONNET_45, scope, limit), expected, "{name} {scope:?} {limit:?}");
                }
            }
        }
        let doubled = "Model invocation max tokens per day for Anthropic Claude 3.5 Sonnet V1 (doubled for cross-region calls)";
        assert!(fits(doubled, SONNET_35, Scope::Geo, Limit::TokensPerDay));
        assert!(!fits(doubled, SONNET_35_V2, Scope::Geo, Limit::TokensPerDay));
    }

    #[test]
    fn another_providers_name_does_not_fit() {
        let name = |model| format!("Cross-region model inference tokens per minute for {model}");
        assert!(fits(&name("Sonnet 4"), "anthropic.sonnet-4", Scope::Geo, Limit::TokensPerMinute));
        assert!(!fits(&name("Amazon Sonnet 4"), "anthropic.sonnet-4", Scope::Geo, Limit::TokensPerMinute));
        assert!(!fits(&name(""), "anthropic.sonnet-4", Scope::Geo, Limit::TokensPerMinute));
        assert!(!fits(&name("Anthropic Claude"), "", Scope::Geo, Limit::TokensPerMinute));
    }

    #[test]
    fn a_model_that_no_row_names_gets_a_constructed_name() {
        let rules = Rules::builtin();
        let named = display_name(&rules, SONNET_45, Scope::Geo, Limit::TokensPerMinute).expect("a name");
        assert_eq!(named.code.as_deref(), Some("L-F4DDD3EB"));
        assert!(!named.is_constructed);
        for (base, scope, limit, expected) in [
            (
                "anthropic.claude-opus-9-9-20300101-v1:0",
                Scope::Geo,
                Limit::TokensPerMinute,
                "Cross-region model inference tokens per minute for Anthropic Claude Opus 9.9",
            ),
            (
                "anthropic.claude-opus-9-9:1m",
                Scope::Global,
                Limit::RequestsPerMinute,
                "Global cross-region model inference requests per minute for Anthropic Claude Opus 9.9 1M Context Length",
            ),
            (
                "meta.llama9-1-70b-instruct-v1:0",
                Scope::OnDemand,
                Limit::TokensPerDay,
                "Model invocation max tokens per day for Meta Llama 9.1 70B Instruct (doubled for cross-region calls)",
            ),
        ] {
            let name = display_name(&rules, base, scope, limit).expect(base);
            assert_eq!((&*name.name, name.is_constructed), (expected, true));
            assert!(
                fits(&name.name, base, scope, limit),
                "what is constructed is found again: {}",
                name.name
            );
        }
        assert_eq!(
            display_name(&rules, "provisioned-model/x", Scope::Provisioned, Limit::TokensPerMinute),
            None
        );
    }
}
