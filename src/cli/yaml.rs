//! YAML in block style: the part of it that JSON's values need. Strings that YAML could read as something else stand in
//! double quotes, whose escapes are JSON's.

use std::fmt::Write as _;

use serde_json::Value;

/// The value as a YAML document.
pub(super) fn write(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Array(items) if !items.is_empty() => list(items, 0, &mut text),
        Value::Object(members) if !members.is_empty() => object(members, 0, &mut text),
        other => {
            scalar(other, &mut text);
            text.push('\n');
        }
    }
    text
}

fn list(items: &[Value], depth: usize, text: &mut String) {
    for item in items {
        indent(depth, text);
        text.push_str("- ");
        match item {
            Value::Object(members) if !members.is_empty() => {
                // The first member stands beside the hyphen.
                let mut inner = String::new();
                object(members, depth + 1, &mut inner);
                text.push_str(inner.trim_start());
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                list(items, depth + 1, text);
            }
            other => {
                scalar(other, text);
                text.push('\n');
            }
        }
    }
}

fn object(members: &serde_json::Map<String, Value>, depth: usize, text: &mut String) {
    for (name, value) in members {
        indent(depth, text);
        string(name, text);
        text.push(':');
        match value {
            Value::Object(members) if !members.is_empty() => {
                text.push('\n');
                object(members, depth + 1, text);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                list(items, depth, text);
            }
            other => {
                text.push(' ');
                scalar(other, text);
                text.push('\n');
            }
        }
    }
}

fn scalar(value: &Value, text: &mut String) {
    match value {
        Value::String(value) => string(value, text),
        // Empty lists and objects, numbers, true, false and null are the same in both.
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

fn string(value: &str, text: &mut String) {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ' ');
    let begins = value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') && !value.ends_with(' ');
    let word = matches!(
        value.to_ascii_lowercase().as_str(),
        "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n" | "nan" | "inf"
    );
    if begins && !word && value.chars().all(safe) {
        text.push_str(value);
    } else {
        // A JSON string is a YAML string.
        let _ = write!(text, "{}", Value::String(value.to_owned()));
    }
}

fn indent(depth: usize, text: &mut String) {
    text.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_in_blocks() {
        let value = json!([{"id": 5, "name": "yes", "devices": [{"device_name": "tor-1", "interfaces": []}]}, "a: b", [1, [2]]]);
        let expected = "- devices:\n  - device_name: tor-1\n    interfaces: []\n  id: 5\n  name: \"yes\"\n- \"a: b\"\n-\u{20}\n  - 1\n  -\u{20}\n    - 2\n";
        assert_eq!(write(&value), expected);
        assert_eq!(write(&json!({})), "{}\n");
        assert_eq!(write(&json!({"mac": "fa:16:3e:00:00:01", "x": null})), "mac: \"fa:16:3e:00:00:01\"\nx: null\n");
    }
}
