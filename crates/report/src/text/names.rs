//! Short model names for narrow columns: vendor, date and first version dropped while names stay apart.
//!
//! Only the text report shortens; JSON keeps the base model id. A name that would stand for two models of
//! the report is not shortened.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Report;

/// The short names of the models in one report.
pub(crate) struct ModelNames(BTreeMap<String, String>);

impl ModelNames {
    /// Looks at every model that the report names.
    pub(crate) fn of(report: &Report) -> Self {
        ModelNames::of_models(models_of(report))
    }

    /// Looks at these models.
    pub(crate) fn of_models<'a>(models: impl Iterator<Item = &'a str>) -> Self {
        let models: BTreeSet<&str> = models.collect();
        let mut models_by_short: BTreeMap<&str, usize> = BTreeMap::new();
        for model in &models {
            *models_by_short.entry(shortened(model)).or_default() += 1;
        }
        let name = |model: &str| {
            let short = shortened(model);
            if models_by_short.get(short) == Some(&1) { short.to_owned() } else { model.to_owned() }
        };
        ModelNames(models.iter().map(|&model| (model.to_owned(), name(model))).collect())
    }

    /// The name to print; not escaped.
    pub(crate) fn short<'a>(&'a self, model: &'a str) -> &'a str {
        self.0.get(model).map_or(model, String::as_str)
    }
}

/// The models of the groups and of the listed requests.
fn models_of(report: &Report) -> impl Iterator<Item = &str> {
    let keyed = report
        .groups
        .iter()
        .filter_map(|group| group.key.as_ref())
        .flat_map(|key| &key.0)
        .filter(|(dimension, _)| dimension == "model")
        .filter_map(|(_, value)| value.as_deref());
    keyed.chain(report.requests.iter().flatten().map(|request| request.model.as_str()))
}

/// `anthropic.claude-3-5-sonnet-20241022-v2:0` → `claude-3-5-sonnet-v2`, where the id has that shape and
/// dropping the date leaves one piece; else as much as can be dropped at either end.
fn shortened(model: &str) -> &str {
    let name = match model.split_once('.') {
        Some((vendor, name))
            if !vendor.is_empty() && vendor.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            name
        }
        _ => model,
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let name = match name.rsplit_once(':') {
        Some((rest, revision)) if is_digits(revision) => rest,
        _ => name,
    };
    let name = name.strip_suffix("-v1").unwrap_or(name);
    let name = match name.rsplit_once('-') {
        Some((rest, date)) if date.len() == 8 && is_digits(date) => rest,
        _ => name,
    };
    if name.is_empty() { model } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendor_date_and_first_version_are_dropped() {
        for (model, expected) in [
            ("anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
            ("anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet-20241022-v2"),
            ("amazon.nova-lite-v1:0", "nova-lite"),
            ("amazon.titan-embed-text-v2:0", "titan-embed-text-v2"),
            ("meta.llama3-1-70b-instruct-v1:0", "llama3-1-70b-instruct"),
            ("application-inference-profile/abc123", "application-inference-profile/abc123"),
            ("custom-model/amazon.titan:0", "custom-model/amazon.titan"),
            ("a.", "a."),
            ("", ""),
        ] {
            assert_eq!(shortened(model), expected);
        }
    }
}
