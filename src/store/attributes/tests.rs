use serde_json::json;

use super::*;

fn attribute(name: &str) -> &'static Attribute {
    [NETWORK_ATTRIBUTES, SUBNET_ATTRIBUTES, PORT_ATTRIBUTES]
        .into_iter()
        .find_map(|list| Attribute::named(list, name))
        .expect("it is declared")
}

#[test]
fn values_are_read_by_their_form_and_bounded() {
    let long = |length: usize| json!("ä".repeat(length)).to_string();
    for (name, text, value) in [
        ("description", "\"d\"", json!("d")),
        ("description", "null", json!("")),
        ("description", &long(255), json!("ä".repeat(255))),
        ("qos_policy_id", "null", json!(null)),
        ("shared", "\"True\"", json!(true)),
        ("admin_state_up", "0", json!(false)),
        ("admin_state_up", "null", json!(true)),
        ("vlan_transparent", "null", json!(null)),
        ("mtu", "\" 9000 \"", json!(9000)),
        ("mtu", "68", json!(68)),
        ("dns_nameservers", "[\"10.0.0.1\"]", json!(["10.0.0.1"])),
        ("host_routes", "[{\"nexthop\": \"10.0.0.1\"}]", json!([{"nexthop": "10.0.0.1"}])),
        ("binding:profile", "{\"a\": {\"b\": [1]}}", json!({"a": {"b": [1]}})),
    ] {
        assert_eq!(attribute(name).read(text).as_ref(), Ok(&value), "{name} {text}");
    }
    let profile = json!({"a": "x".repeat(LONGEST_VALUE)}).to_string();
    let many = json!(vec!["t"; TAGS + 1]).to_string();
    for (name, text, word) in [
        ("description", "1", "a string"),
        ("description", &*long(256), "255 characters"),
        ("description", "\"a\\u0000\"", "NUL"),
        ("shared", "\"maybe\"", "true or false"),
        ("mtu", "67", "68 to 65535"),
        ("mtu", "1.5", "68 to 65535"),
        ("dns_nameservers", "\"10.0.0.1\"", "a list of strings"),
        ("dns_nameservers", "[1]", "a list of strings"),
        ("host_routes", "[\"x\"]", "a list of objects"),
        ("tags", &many, "50"),
        ("binding:profile", "[]", "an object"),
        ("binding:profile", &profile, "16 KiB"),
    ] {
        let problem = attribute(name).read(text).expect_err("it is wrong");
        assert!(problem.contains(word), "{name}: {problem}");
    }
}

#[test]
fn a_row_keeps_what_differs_from_the_defaults_alone() {
    let given = |value: Value| value.as_object().cloned().expect("an object");
    let mut attributes = Attributes::of(PORT_ATTRIBUTES, given(json!({"device_id": "", "admin_state_up": true})));
    assert_eq!(attributes.text(), None, "nothing is written for defaults");
    attributes.change(PORT_ATTRIBUTES, given(json!({"device_id": "vm", "admin_state_up": false})));
    let text = attributes.text().expect("a text");
    assert_eq!(Attributes::parse(Some(&text)).expect("its own text"), attributes);
    let shown = serde_json::to_value(attributes.shown(PORT_ATTRIBUTES)).expect("JSON");
    assert_eq!((&shown["device_id"], &shown["admin_state_up"]), (&json!("vm"), &json!(false)));
    assert_eq!(shown.as_object().map(Map::len), Some(PORT_ATTRIBUTES.len()));
    attributes.change(PORT_ATTRIBUTES, given(json!({"device_id": "", "admin_state_up": true})));
    assert_eq!(attributes, Attributes::default());
}
