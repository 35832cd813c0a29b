//! `sort_key` and `sort_dir`.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::api::problem::Problem;

/// Most keys of one order.
const MAX_KEYS: usize = 8;

/// An attribute to sort by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::api) struct Key {
    /// The attribute.
    pub(in crate::api) attribute: String,
    /// The greatest first.
    pub(in crate::api) descending: bool,
}

/// Pairs keys and directions. Without any direction all keys ascend; otherwise each key needs its own.
pub(super) fn keys(keys: Vec<String>, directions: &[String]) -> Result<Vec<Key>, Problem> {
    if !directions.is_empty() && directions.len() != keys.len() {
        let message = format!("sort_dir: {} of them for {} sort_key: give one for each", directions.len(), keys.len());
        return Err(Problem::bad_request(message));
    }
    if keys.len() > MAX_KEYS {
        return Err(Problem::bad_request(format!("sort_key: at most {MAX_KEYS} of them")));
    }
    let direction = |i: usize| match directions.get(i).map(String::as_str) {
        None | Some("asc") => Ok(false),
        Some("desc") => Ok(true),
        Some(other) => Err(Problem::bad_request(format!("sort_dir: '{other}' is neither asc nor desc"))),
    };
    let key = |(i, attribute)| Ok(Key { attribute, descending: direction(i)? });
    keys.into_iter().enumerate().map(key).collect()
}

/// Compares two objects by these keys.
pub(super) fn compare(keys: &[Key], a: &Map<String, Value>, b: &Map<String, Value>) -> Ordering {
    let by_key = |key: &Key| {
        let order = values(a.get(&key.attribute), b.get(&key.attribute));
        if key.descending { order.reverse() } else { order }
    };
    keys.iter().map(by_key).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Nothing, truth values, numbers, texts: in this order where an attribute has values of several types.
fn values(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (Some(Value::Bool(a)), Some(Value::Bool(b))) => a.cmp(b),
        (Some(Value::Number(a)), Some(Value::Number(b))) => a.as_i64().cmp(&b.as_i64()),
        (Some(Value::String(a)), Some(Value::String(b))) => a.cmp(b),
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

fn rank(value: Option<&Value>) -> u8 {
    match value {
        None | Some(Value::Null) => 0,
        Some(Value::Bool(_)) => 1,
        Some(Value::Number(_)) => 2,
        Some(Value::String(_)) => 3,
        Some(Value::Array(_) | Value::Object(_)) => 4,
    }
}
