//! JSON on stdout: indented, and harmless to a terminal.
//!
//! In: a value whose strings may come from the logs. Out: its text. Always: characters that a terminal would obey, or
//! that hide others, are written as `\uXXXX`, which every reader of JSON takes for the same.

use serde_json::Value;

/// The text of a value, with a final newline.
pub(crate) fn json_text(value: &Value) -> String {
    let plain = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut out = String::with_capacity(plain.len() + 1);
    for character in plain.chars() {
        // All that is below a space stands escaped in there already, but for the layout's own newlines.
        let is_layout = character == '\n';
        if !is_layout && is_obeyed(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(character);
        }
    }
    out.push('\n');
    out
}

/// Control characters, and those that change the direction of text or have no width: what
/// [`crate::exit::escaped`] escapes.
fn is_obeyed(character: char) -> bool {
    let mut buffer = [0; 4];
    let text: &str = character.encode_utf8(&mut buffer);
    crate::exit::escaped(text) != text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i05_what_a_terminal_obeys_is_escaped_and_means_the_same() {
        let value = serde_json::json!({"a": "x\u{1b}[2J\u{9b}\u{202e}y\u{7f}\n", "b": [1, {}]});
        let text = json_text(&value);
        assert!(text.chars().all(|c| c == '\n' || !is_obeyed(c)), "{text:?}");
        assert_eq!(serde_json::from_str::<Value>(&text).expect("it is JSON"), value);
    }
}
