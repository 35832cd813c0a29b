//! Answers held against `/openapi.json`: the part of JSON Schema that it uses, and no other.

use serde_json::Value;

/// Keyword of our own: members that are there unless `fields` leaves them out.
const WHOLE: &str = "x-required-without-fields";

/// What is wrong with an answer: nothing, or one line each. The request's method and target (path and query), the
/// answer's status and content type, its body.
pub(crate) fn complaints(
    document: &Value,
    (method, target): (&str, &str),
    (status, kind): (u16, &str),
    body: &[u8],
) -> Vec<String> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    // An answer to HEAD is that to GET, without the body.
    let (asked, has_body) = if method == "HEAD" { ("GET", false) } else { (method, true) };
    let Some(operation) = operation(document, asked, path) else {
        // What isn't there answers 404 or 405 in the error's form.
        let unknown = matches!(status, 400 | 401 | 403 | 404 | 405 | 413);
        return if unknown {
            Vec::new()
        } else {
            vec![format!("{method} {path} is not described, and answers {status}")]
        };
    };
    let responses = &operation["responses"];
    let exact = &responses[status.to_string()];
    let response = if exact.is_null() { &responses[format!("{}XX", status / 100)] } else { exact };
    if response.is_null() {
        return vec![format!("{method} {path}: {status} is not described")];
    }
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let Some(content) = response["content"].as_object() else {
        return if body.is_empty() { Vec::new() } else { vec![format!("{method} {path}: {status} has a body")] };
    };
    let Some(described) = content.get(kind) else {
        return vec![format!("{method} {path}: {status} is '{kind}', not of {:?}", content.keys())];
    };
    if !has_body || kind != "application/json" {
        return Vec::new();
    }
    let reduced = query.split('&').any(|pair| pair.starts_with("fields="));
    match serde_json::from_slice(body) {
        Ok(value) => {
            let found = Against { document, reduced }.complaints(&described["schema"], &value);
            found.into_iter().map(|complaint| format!("{method} {path} {status}: {complaint}")).collect()
        }
        Err(error) => vec![format!("{method} {path} {status}: not JSON: {error}")],
    }
}

/// What is wrong with a value that should be as this schema of the document says.
pub(crate) fn mismatches(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    Against { document, reduced: false }.complaints(schema, value)
}

/// What is wrong with an event of the stream at this path.
pub(crate) fn event_complaints(document: &Value, path: &str, kind: &str, data: &Value) -> Vec<String> {
    let content = &document["paths"][path]["get"]["responses"]["200"]["content"]["text/event-stream"];
    match &content["x-events"][kind] {
        Value::Null => vec![format!("{path}: events of kind '{kind}' are not described")],
        schema => mismatches(document, schema, data),
    }
}

fn operation<'d>(document: &'d Value, method: &str, path: &str) -> Option<&'d Value> {
    let path = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path);
    let path = if path.starts_with("/v2.0/") { path.strip_suffix(".json").unwrap_or(path) } else { path };
    let matches = |template: &str| {
        let (mut given, mut told) = (path.split('/'), template.split('/'));
        loop {
            match (given.next(), told.next()) {
                (None, None) => return true,
                (Some(given), Some(told)) if given == told || (told.starts_with('{') && !given.is_empty()) => {}
                _ => return false,
            }
        }
    };
    let paths = document["paths"].as_object()?;
    let found = paths.get(path).or_else(|| paths.iter().find(|(template, _)| matches(template)).map(|(_, item)| item));
    found?.get(method.to_ascii_lowercase())
}

/// What is held against what.
#[derive(Clone, Copy)]
struct Against<'d> {
    document: &'d Value,
    /// `fields` may have left members out.
    reduced: bool,
}

impl Against<'_> {
    fn complaints(self, schema: &Value, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.check(schema, value, "", &mut found);
        found
    }

    fn check(self, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        let Some(schema) = schema.as_object() else { return };
        for (keyword, rule) in schema {
            match keyword.as_str() {
                "$ref" => {
                    let pointer =
                        rule.as_str().and_then(|rule| rule.strip_prefix('#')).expect("a reference into the document");
                    let schema =
                        self.document.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is not in the document"));
                    self.check(schema, value, at, found);
                }
                "type" => {
                    let types: Vec<&Value> = rule.as_array().map_or_else(|| vec![rule], |types| types.iter().collect());
                    if !types.iter().any(|kind| is(kind.as_str().unwrap_or_default(), value)) {
                        found.push(format!("{at}: {value} is not {rule}"));
                    }
                }
                "enum" if !rule.as_array().expect("a list").contains(value) => {
                    found.push(format!("{at}: {value} is not among {rule}"));
                }
                WHOLE if self.reduced => {}
                "required" | WHOLE => {
                    for name in rule.as_array().expect("a list").iter().filter_map(Value::as_str) {
                        if value.is_object() && value.get(name).is_none() {
                            found.push(format!("{at}: {name} is missing"));
                        }
                    }
                }
                "properties" => {
                    for (name, member) in value.as_object().into_iter().flatten() {
                        match rule.get(name) {
                            Some(schema) => self.check(schema, member, &format!("{at}.{name}"), found),
                            None if schema.get("additionalProperties") == Some(&Value::Bool(false)) => {
                                found.push(format!("{at}: {name} is not described"));
                            }
                            None => {}
                        }
                    }
                }
                "additionalProperties" if rule.is_object() => {
                    let told = |name: &str| schema.get("properties").is_some_and(|members| members.get(name).is_some());
                    for (name, member) in value.as_object().into_iter().flatten().filter(|(name, _)| !told(name)) {
                        self.check(rule, member, &format!("{at}.{name}"), found);
                    }
                }
                "uniqueItems" => {
                    let items = value.as_array().into_iter().flatten();
                    let distinct =
                        items.clone().enumerate().all(|(i, one)| items.clone().take(i).all(|other| one != other));
                    if !distinct {
                        found.push(format!("{at}: {value} has one twice"));
                    }
                }
                "propertyNames" => {
                    for name in value.as_object().into_iter().flatten().map(|(name, _)| name) {
                        self.check(rule, &Value::String(name.clone()), at, found);
                    }
                }
                "items" => {
                    for (i, element) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(rule, element, &format!("{at}[{i}]"), found);
                    }
                }
                "oneOf" | "anyOf" => {
                    let matching = rule.as_array().expect("a list").iter().filter(|schema| {
                        let mut complaints = Vec::new();
                        self.check(schema, value, at, &mut complaints);
                        complaints.is_empty()
                    });
                    let matching = matching.count();
                    if matching == 0 || (matching > 1 && keyword == "oneOf") {
                        found.push(format!("{at}: {value} matches {matching} of {rule}"));
                    }
                }
                "allOf" => rule.as_array().into_iter().flatten().for_each(|rule| self.check(rule, value, at, found)),
                "minimum" if value.as_f64() < rule.as_f64() && value.is_number() => {
                    found.push(format!("{at}: {value} < {rule}"));
                }
                "maximum" if value.as_f64() > rule.as_f64() && value.is_number() => {
                    found.push(format!("{at}: {value} > {rule}"));
                }
                "minItems" | "maxItems" | "maxLength" | "minLength" => {
                    let length =
                        value.as_array().map(Vec::len).or_else(|| value.as_str().map(|text| text.chars().count()));
                    let bound = rule.as_u64().expect("a number");
                    let holds = |length: usize| {
                        if keyword.starts_with("min") { length as u64 >= bound } else { length as u64 <= bound }
                    };
                    if !length.is_none_or(holds) {
                        found.push(format!("{at}: {value} breaks {keyword} {rule}"));
                    }
                }
                "format" if rule == "uuid" => {
                    if value.as_str().is_some_and(|text| text.len() != 36) {
                        found.push(format!("{at}: {value} is no UUID"));
                    }
                }
                "enum" | "minimum" | "maximum" | "format" | "description" | "title" | "additionalProperties" => {}
                other => panic!("{at}: the document uses '{other}', which is not checked"),
            }
        }
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type is called {other}"),
    }
}
