//! Which metric a label or an id names, and of which model, Region, statistic and period.
//!
//! In: the texts that stand with a series: `Invocations`, `us.anthropic.claude… Invocations`, the console's
//! `us-east-1:AWS/Bedrock ModelId:… Invocations Sum 60`, the id of a query. Out: a [`Label`]. Always: a metric is
//! a whole word in any case; a text that names none is unknown, never guessed.

use std::sync::Arc;

use super::{Metric, Text};

/// Metrics of `AWS/Bedrock` that do not sum up.
const NOT_SUMMABLE: [&str; 3] = ["InvocationLatency", "TimeToFirstToken", "OutputTokensPerSecond"];
/// Statistics other than the sum, in lower case.
const OTHER_STATISTICS: [&str; 9] =
    ["average", "avg", "minimum", "min", "maximum", "max", "samplecount", "iqm", "stddev"];
/// Longest model id that is kept, in bytes: an ARN of a profile is below 200.
const MODEL_BYTES_MAX: usize = 512;

/// What a series is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Named {
    Summed(Metric),
    NotSummable(&'static str),
    Unknown,
}

/// What the texts of a series say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Label {
    pub(super) named: Named,
    pub(super) model: Option<Text>,
    pub(super) region: Option<Text>,
    /// A statistic other than Sum is named.
    pub(super) other_statistic: bool,
    /// Behind the statistic, as the console writes it.
    pub(super) period_seconds: Option<i64>,
}

impl Label {
    /// Reads labels, the most telling first, and the id, which is asked last.
    pub(super) fn read(labels: &[&str], id: Option<&str>) -> Self {
        let mut label = Label {
            named: Named::Unknown,
            model: None,
            region: None,
            other_statistic: false,
            period_seconds: None,
        };
        for text in labels {
            label.read_text(text);
        }
        if let Some(id) = id.filter(|_| label.named == Named::Unknown) {
            // `invocations_2` is how a query file of several models tells its ids apart.
            label.named = named(id.trim_end_matches(|end: char| end.is_ascii_digit() || end == '_'));
        }
        label
    }

    fn read_text(&mut self, text: &str) {
        let mut before = "";
        for word in text.split(|character: char| !is_word(character)).filter(|word| !word.is_empty()) {
            let lower = word.to_ascii_lowercase();
            if self.named == Named::Unknown {
                self.named = named(word);
            }
            self.other_statistic |= OTHER_STATISTICS.contains(&&*lower) || is_percentile(&lower);
            let is_after_statistic = before == "sum" || OTHER_STATISTICS.contains(&before);
            if let Some(seconds) = word.parse().ok().filter(|_| is_after_statistic) {
                self.period_seconds.get_or_insert(seconds);
            }
            // The console writes `us-east-1:AWS/Bedrock`.
            let region = lower.split_once(":aws/").map_or(&*lower, |(region, _)| region);
            if self.region.is_none() && is_region(region) {
                self.region = Some(Arc::from(region));
            }
            if self.model.is_none() {
                self.model = model(word, before == "modelid" || before == "modelid:");
            }
            // Only these are asked for as what stands before.
            before = ["sum", "modelid", "modelid:"]
                .into_iter()
                .chain(OTHER_STATISTICS)
                .find(|known| *known == lower)
                .unwrap_or("");
        }
    }
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | ':' | '/' | '-')
}

/// The metric of a word; ids may hold underscores.
fn named(word: &str) -> Named {
    let plain: String = word.chars().filter(|&character| character != '_').collect();
    let is = |name: &str| plain.eq_ignore_ascii_case(name);
    if let Some(metric) = Metric::ALL.into_iter().find(|metric| is(metric.name())) {
        return Named::Summed(metric);
    }
    NOT_SUMMABLE.into_iter().find(|name| is(name)).map_or(Named::Unknown, Named::NotSummable)
}

/// `p99`, `p99.9`, `tm90`, `wm98`.
fn is_percentile(lower: &str) -> bool {
    let digits = ["p", "tm", "wm", "tc", "ts", "pr"].into_iter().find_map(|kind| lower.strip_prefix(kind));
    digits.is_some_and(|digits| {
        digits.starts_with(|first: char| first.is_ascii_digit())
            && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

/// `us-east-1`, `us-gov-west-1`.
fn is_region(lower: &str) -> bool {
    let parts: Vec<&str> = lower.split('-').collect();
    let [area, middle @ .., number] = &parts[..] else { return false };
    let is_letters = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    area.len() == 2
        && is_letters(area)
        && (1..=2).contains(&middle.len())
        && middle.iter().all(|part| is_letters(part))
        && number.len() == 1
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// A model id: behind `ModelId`, an ARN, or a word with a point in it, which no metric and no statistic has.
fn model(word: &str, is_named: bool) -> Option<Text> {
    let prefix = "modelid:";
    let behind = word.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix));
    let (id, is_named) = match behind {
        Some(_) => (&word[prefix.len()..], true),
        None => (word, is_named),
    };
    let has_point = id.split_once('.').is_some_and(|(before, after)| {
        before.starts_with(|first: char| first.is_ascii_alphabetic())
            && after.starts_with(|first: char| first.is_ascii_alphabetic())
    });
    let is_model =
        !id.is_empty() && id.len() <= MODEL_BYTES_MAX && (is_named || has_point || id.starts_with("arn:"));
    is_model.then(|| Arc::from(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

    fn read(label: &str) -> Label {
        Label::read(&[label], None)
    }

    #[test]
    fn a_metric_is_a_whole_word_in_any_case() {
        for (text, named) in [
            ("Invocations", Named::Summed(Metric::Invocations)),
            ("invocations", Named::Summed(Metric::Invocations)),
            ("Sonnet [InputTokenCount]", Named::Summed(Metric::InputTokenCount)),
            ("EstimatedTPMQuotaUsage", Named::Summed(Metric::EstimatedTpmQuotaUsage)),
            ("InvocationLatency Average", Named::NotSummable("InvocationLatency")),
            ("MyInvocations", Named::Unknown),
            ("InvocationThrottlesX", Named::Unknown),
            ("", Named::Unknown),
        ] {
            assert_eq!(read(text).named, named, "{text}");
        }
    }

    #[test]
    fn an_id_speaks_only_where_no_label_does() {
        let id = |id| Label::read(&["m1", CLAUDE], Some(id)).named;
        assert_eq!(id("invocations"), Named::Summed(Metric::Invocations));
        assert_eq!(id("input_token_count_2"), Named::Summed(Metric::InputTokenCount));
        assert_eq!(id("m1"), Named::Unknown);
        let both = Label::read(&["OutputTokenCount"], Some("invocations"));
        assert_eq!(both.named, Named::Summed(Metric::OutputTokenCount));
    }

    #[test]
    fn the_console_says_region_model_statistic_and_period() {
        let text = format!("us-east-1:AWS/Bedrock ModelId:{CLAUDE} Invocations Sum 300");
        let label = read(&text);
        assert_eq!(label.named, Named::Summed(Metric::Invocations));
        assert_eq!(label.model.as_deref(), Some(CLAUDE));
        assert_eq!(label.region.as_deref(), Some("us-east-1"));
        assert_eq!((label.other_statistic, label.period_seconds), (false, Some(300)));
    }

    #[test]
    fn models_are_found_with_and_without_their_name_before_them() {
        let arn = "arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.anthropic.x-v1:0";
        for (text, model) in [
            (format!("Invocations {CLAUDE}"), Some(CLAUDE)),
            (format!("{CLAUDE} | Invocations"), Some(CLAUDE)),
            (format!("ModelId={CLAUDE} Invocations"), Some(CLAUDE)),
            ("ModelId: abc123def456 Invocations".to_owned(), Some("abc123def456")),
            (format!("{arn} Invocations"), Some(arn)),
            ("Invocations p99.9".to_owned(), None),
            ("Invocations v1.2".to_owned(), None),
            ("Invocations".to_owned(), None),
        ] {
            assert_eq!(read(&text).model.as_deref(), model, "{text}");
        }
    }

    #[test]
    fn other_statistics_are_seen() {
        for text in
            ["Invocations Average", "InputTokenCount (max)", "Invocations p50", "SampleCount Invocations"]
        {
            assert!(read(text).other_statistic, "{text}");
        }
        for text in ["Invocations Sum", "Invocations", "InputTokenCount sum 60", "prod Invocations"] {
            assert!(!read(text).other_statistic, "{text}");
        }
    }
}
