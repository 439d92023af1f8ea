//! Patterns of base models: literal text, with `*` for any text.
//!
//! In: a pattern as it stands in a table. Out: whether a base model matches, and how specific the pattern is. Always:
//! matching is linear in the model's length for each literal part, and nothing else than `*` is special. Absent:
//! character classes, escapes, case folding; model ids are lower case.

/// One pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Pattern {
    text: String,
    /// Characters that are not `*`.
    literals: usize,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        Pattern {
            text: text.to_owned(),
            literals: text.chars().filter(|&character| character != '*').count(),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Literal characters: the more, the more specific.
    pub(crate) fn literals(&self) -> usize {
        self.literals
    }

    pub(crate) fn matches(&self, model: &str) -> bool {
        let mut parts = self.text.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = model.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else {
            // No `*`: the whole of it.
            return rest.is_empty();
        };
        // The earliest place of each part leaves the most for those after it.
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, model, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a", "", false),
            ("*", "", true),
            ("*", "anything", true),
            ("a*", "a", true),
            ("a*", "abc", true),
            ("a*", "ba", false),
            ("*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "abcb", false),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*/*", "custom-model/x", true),
            ("*/*", "anthropic.claude", false),
            ("anthropic.claude-*-4-8*", "anthropic.claude-opus-4-8", true),
            ("anthropic.claude-*-4-8*", "anthropic.claude-opus-4-20250514-v1:0", false),
            ("é*", "éa", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(model), expected, "{pattern} {model}");
        }
        assert_eq!(Pattern::new("a*b*").literals(), 2);
    }
}
