//! Filters, compared with the members that the client sees: any attribute can be asked for. One that doesn't exist
//! matches nothing: a client that filters wants less than everything, and may delete what it gets.

use std::net::IpAddr;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::model::MacAddr;

/// Attributes that hold ids of ours, which may be spelled in several ways. Project ids are Keystone's, and names.
const IDS: [&str; 6] = ["id", "network_id", "subnet_id", "l2_gateway_id", "gateway_id", "connection_id"];

/// Conditions: an attribute, and the values that are welcome.
#[derive(Debug, Default)]
pub(in crate::api) struct Filter(Vec<(String, Vec<String>)>);

impl Filter {
    pub(super) fn add(&mut self, attribute: String, value: String) {
        match self.0.iter_mut().find(|(name, _)| *name == attribute) {
            Some((_, values)) => values.push(value),
            None => self.0.push((attribute, vec![value])),
        }
    }

    pub(in crate::api) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes out conditions that another part handles: those for which `take` says so.
    pub(in crate::api) fn split(&mut self, mut take: impl FnMut(&str, &[String]) -> bool) {
        self.0.retain(|(attribute, values)| !take(attribute, values));
    }

    /// Whether an object matches.
    pub(in crate::api) fn matches(&self, attributes: &Map<String, Value>) -> bool {
        self.0.iter().all(|(name, wanted)| match tagged(name, attributes, wanted) {
            Some(holds) => holds,
            None => attributes.get(name).is_some_and(|value| holds(name, value, wanted)),
        })
    }
}

/// Neutron's four filters by tags, each of which takes a list with commas: all of them (`tags`), one of them (`tags-any`),
/// and the opposites. `None`: it is another filter, or the objects have no tags.
fn tagged(name: &str, attributes: &Map<String, Value>, wanted: &[String]) -> Option<bool> {
    let (not, any) = match name {
        "tags" => (false, false),
        "tags-any" => (false, true),
        "not-tags" => (true, false),
        "not-tags-any" => (true, true),
        _ => return None,
    };
    let tags = attributes.get("tags")?.as_array()?;
    let has = |wanted: &str| tags.iter().any(|tag| tag.as_str() == Some(wanted));
    let mut wanted = wanted.iter().flat_map(|list| list.split(','));
    let holds = if any { wanted.any(has) } else { wanted.all(has) };
    Some(holds != not)
}

/// Whether the value is one of those that are wanted; a list, whether any of its elements is.
fn holds(attribute: &str, value: &Value, wanted: &[String]) -> bool {
    match value {
        Value::Array(elements) if elements.iter().any(Value::is_object) => {
            let conditions = within(wanted);
            elements.iter().filter_map(Value::as_object).any(|element| conditions.matches(element))
        }
        Value::Array(elements) => elements.iter().any(|element| holds(attribute, element, wanted)),
        value => wanted.iter().any(|wanted| is(attribute, value, wanted)),
    }
}

/// `fixed_ips=ip_address=10.0.0.5&fixed_ips=subnet_id=…`: conditions on one and the same element of a list of objects.
fn within(wanted: &[String]) -> Filter {
    let mut conditions = Filter::default();
    for condition in wanted {
        // Without a name it is a condition that nothing meets.
        let (name, value) = condition.split_once('=').unwrap_or(("", condition));
        conditions.add(name.to_owned(), value.to_owned());
    }
    conditions
}

fn is(attribute: &str, value: &Value, wanted: &str) -> bool {
    match value {
        Value::Null => wanted.is_empty(),
        Value::Bool(value) => truth(wanted) == Some(*value),
        Value::Number(number) => wanted.parse().is_ok_and(|wanted| number.as_i64() == Some(wanted)),
        Value::String(text) => text == wanted || same(attribute, text, wanted),
        Value::Array(_) | Value::Object(_) => false,
    }
}

/// Whether two spellings mean one id or address.
fn same(attribute: &str, text: &str, wanted: &str) -> bool {
    match attribute {
        "mac_address" => wanted.parse::<MacAddr>().is_ok_and(|wanted| text.parse() == Ok(wanted)),
        "ip_address" | "gateway_ip" => wanted.parse::<IpAddr>().is_ok_and(|wanted| text.parse() == Ok(wanted)),
        id if IDS.contains(&id) => Uuid::parse_str(wanted).is_ok_and(|wanted| Uuid::parse_str(text) == Ok(wanted)),
        _ => false,
    }
}

/// The truth value that a text means, as Neutron reads them.
pub(in crate::api) fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}
