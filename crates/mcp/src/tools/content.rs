//! Structured content, field by field.
//!
//! In: figures of the report's model. Out: JSON objects. Always: an integer is exact, above 2^53 also as the text
//! `<name>_text`; an average or share is the report's decimal; what is unknown is absent. Absent: any quotient taken by
//! floating point.

use borehole_record::Timestamp;
use borehole_report::Decimal;
use serde::Serialize;
use serde_json::{Map, Number, Value};

/// The largest integer below which a double, which is what most clients read numbers into, holds every integer.
const EXACT_IN_DOUBLE: u128 = 1 << 53;

/// An object under construction.
#[derive(Default)]
pub(super) struct Content(Map<String, Value>);

impl Content {
    /// Without any field.
    pub(super) fn new() -> Self {
        Content::default()
    }

    /// Any value. Its strings are ours, or stand in a field for text from logs.
    pub(super) fn put(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// A value, or no field.
    pub(super) fn put_known(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.put(name, value),
            None => self,
        }
    }

    /// A whole number.
    pub(super) fn count(mut self, name: &str, count: impl Into<u128>) -> Self {
        insert_count(&mut self.0, name, count.into());
        self
    }

    /// A whole number, or no field.
    pub(super) fn count_known(self, name: &str, count: Option<impl Into<u128>>) -> Self {
        match count {
            Some(count) => self.count(name, count),
            None => self,
        }
    }

    /// A whole number where it is not 0.
    pub(super) fn count_any(self, name: &str, count: usize) -> Self {
        self.count_known(name, (count > 0).then_some(count as u64))
    }

    /// An average or a share, or no field.
    pub(super) fn decimal(mut self, name: &str, decimal: impl Into<Option<Decimal>>) -> Self {
        let Some(decimal) = decimal.into() else { return self };
        if decimal.micros() == 0 {
            return self.count(name, decimal.units());
        }
        // A decimal's text is a finite number; the nearest double of it prints as the same text up to nine digits
        // before the point.
        let number = decimal.to_string().parse().ok().and_then(Number::from_f64);
        if let Some(number) = number {
            self.0.insert(name.to_owned(), number.into());
        }
        if decimal.units() >= EXACT_IN_DOUBLE {
            self.0.insert(text_name(name), decimal.to_string().into());
        }
        self
    }

    /// A moment as RFC 3339.
    pub(super) fn moment(self, name: &str, moment: Timestamp) -> Self {
        self.put(name, moment.to_string())
    }

    /// The finished object.
    pub(super) fn finish(self) -> Map<String, Value> {
        self.0
    }
}

impl From<Content> for Value {
    fn from(content: Content) -> Value {
        content.0.into()
    }
}

fn insert_count(fields: &mut Map<String, Value>, name: &str, count: u128) {
    // JSON here has no integers above those of 64 bits: the nearest double, which is an integer, too, and the text.
    let number = Number::from_u128(count).or_else(|| Number::from_f64(count as f64));
    if let Some(number) = number {
        fields.insert(name.to_owned(), number.into());
    }
    if count > EXACT_IN_DOUBLE {
        fields.insert(text_name(name), count.to_string().into());
    }
}

fn text_name(name: &str) -> String {
    format!("{name}_text")
}

/// A part of the report's model as it serializes, with the texts of large integers; its names are the program's own.
pub(super) fn serialized(part: &impl Serialize) -> Value {
    // The parts that come this way hold nothing but counts of 64 bits, which serialize.
    with_texts(serde_json::to_value(part).unwrap_or_default())
}

fn with_texts(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut all = Map::new();
            for (name, field) in fields {
                match field.as_u64() {
                    Some(count) => insert_count(&mut all, &name, u128::from(count)),
                    None => {
                        all.insert(name, with_texts(field));
                    }
                }
            }
            all.into()
        }
        Value::Array(items) => items.into_iter().map(with_texts).collect(),
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn integers_are_exact_and_large_ones_have_a_text() {
        let content = Content::new()
            .count("small", 1_u64 << 53)
            .count("large", (1_u64 << 53) + 1)
            .count("largest", u64::MAX)
            .count("huge", u128::from(u64::MAX) * 4)
            .count_known("unknown", None::<u64>)
            .count_any("none", 0);
        assert_eq!(
            Value::from(content),
            json!({
                "small": 9_007_199_254_740_992_u64,
                "large": 9_007_199_254_740_993_u64, "large_text": "9007199254740993",
                "largest": u64::MAX, "largest_text": u64::MAX.to_string(),
                "huge": 73_786_976_294_838_206_460_f64, "huge_text": "73786976294838206460",
            })
        );
    }

    #[test]
    fn decimals_print_as_the_report_prints_them() {
        for (numerator, denominator) in
            [(0, 1), (1, 3), (2, 3), (5, 4), (999_999_999_999_999, 1_000_000), (1, 1_000_000), (1 << 60, 1)]
        {
            let decimal = Decimal::quotient(numerator, denominator).expect("not over nothing");
            let shown = Value::from(Content::new().decimal("it", decimal));
            let read: Decimal = match shown["it"].to_string().as_str() {
                "1e-6" => "0.000001".parse().expect("a decimal"),
                text => text.parse().expect("a decimal"),
            };
            assert_eq!(read, decimal, "{shown}");
        }
        // Far beyond that it is the nearest double, and the text is exact.
        let decimal = Decimal::quotient((1 << 60) + 1, 8).expect("not over nothing");
        let shown = Value::from(Content::new().decimal("it", decimal));
        assert_eq!(shown["it_text"], "144115188075855872.125");
        assert_eq!(shown["it"].as_f64(), Some(144_115_188_075_855_872.0));
        assert_eq!(Value::from(Content::new().decimal("it", None)), json!({}));
    }
}
