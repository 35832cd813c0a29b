use super::*;
use crate::{model::VlanId, service::GatewayUpdate};

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    l2_gateway: JsonObject<GatewayBody>,
}

fn gateway(json: &str) -> Result<GatewayIntent, BadBody> {
    decode::<Wrapped>(json.as_bytes())?.l2_gateway.0.into_post("l2_gateway")
}

fn update(json: &str) -> (String, GatewayUpdate) {
    match gateway(json) {
        Ok(GatewayIntent::Update(name, update)) => (name, update),
        other => panic!("no update: {other:?}"),
    }
}

#[test]
fn the_specifications_creation_is_read() {
    let GatewayIntent::Create(draft) = gateway(
        r#"{"l2_gateway": {"name": "gw", "devices": [{"device_name": "tor-1", "interfaces": [
            {"name": "e1", "segmentation-id": [50, 0]}, {"name": "e2", "segmentation_id": [7]}, {"name": "e3"}]}]}}"#,
    )
    .unwrap() else {
        panic!("an update")
    };
    assert_eq!((draft.name.as_str(), draft.tenant_id, draft.devices.len()), ("gw", None, 1));
    let vlan = |n| VlanId::try_from(n).unwrap();
    let vlans: Vec<_> = draft.devices[0].interfaces.iter().map(|i| i.vlans.clone()).collect();
    assert_eq!(vlans, [vec![vlan(50), vlan(0)], vec![vlan(7)], vec![]]);
}

#[test]
fn the_specifications_update_is_read_in_each_of_its_places() {
    let (name, inside) = update(
        r#"{"l2_gateway": {"name": "gw", "devices": [{"device_name": "tor-1",
            "new_interfaces": [{"name": "e9", "segmentation-id": [9]}], "deleted_interfaces": [{"name": "e1"}]}]}}"#,
    );
    assert_eq!(name, "gw");
    assert_eq!(inside.remove, [(Some("tor-1".into()), "e1".into())]);
    assert_eq!(inside.add.len(), 1);
    assert_eq!(inside.name, None, "the name says which gateway, it does not rename");

    let (_, element) = update(
        r#"{"l2_gateway": {"name": "gw", "devices": [
            {"device_name": "tor-1", "new_interfaces": [{"name": "e9"}]}, {"deleted_interfaces": [{"name": "e1"}]}]}}"#,
    );
    assert_eq!(element.remove, [(None, "e1".into())]);

    let (_, beside) = update(r#"{"l2_gateway": {"name": "gw", "deleted_interfaces": [{"name": "e1"}]}}"#);
    assert_eq!(beside.remove, [(None, "e1".into())]);
}

#[test]
fn wrong_bodies_name_the_member() {
    let cases = [
        ("", "the body is empty"),
        (" \n", "the body is empty"),
        ("{", "not JSON: EOF while parsing an object (line 1, column 1)"),
        ("nope", "not JSON: expected ident (line 1, column 2)"),
        ("{} {}", "l2_gateway"),
        ("[]", "body: invalid type: list, expected an object"),
        ("7", "body: invalid type: integer `7`, expected an object"),
        (r#"{"l2_gateway": []}"#, "l2_gateway: invalid type: list, expected an object"),
        (r#"{"l2_gateway": null}"#, "l2_gateway: invalid type: null, expected an object"),
        (r#"{"l2_gateways": {}}"#, "unknown field `l2_gateways`, expected `l2_gateway`"),
        (r#"{"l2_gateway": {"name": 5}}"#, "l2_gateway.name: invalid type: integer `5`, expected a string"),
        (r#"{"l2_gateway": {"name": "a", "name": "b"}}"#, "duplicate field `name`"),
        (r#"{"l2_gateway": {"nom": "a"}}"#, "unknown field `nom`, expected one of `name`, `tenant_id`, `devices`"),
        (r#"{"l2_gateway": {"name": "a"}}"#, "l2_gateway.devices: is missing"),
        (r#"{"l2_gateway": {"devices": {}}}"#, "l2_gateway.devices: invalid type: object, expected a list"),
        (r#"{"l2_gateway": {"devices": [{"interfaces": []}]}}"#, "l2_gateway.devices[0].device_name: is missing"),
        (r#"{"l2_gateway": {"devices": [{"device_name": "t"}]}}"#, "l2_gateway.devices[0].interfaces: is missing"),
        (r#"{"l2_gateway": {"devices": [{"new_interfaces": []}]}}"#, "l2_gateway.name: is missing"),
        (
            r#"{"l2_gateway": {"name": "g", "devices": [{"new_interfaces": []}]}}"#,
            "l2_gateway.devices[0].device_name: is missing",
        ),
        (
            r#"{"l2_gateway": {"name": "g", "devices": [{"interfaces": [], "new_interfaces": []}]}}"#,
            "l2_gateway.devices[0].interfaces: an update takes",
        ),
        (
            r#"{"l2_gateway": {"devices": [{"device_name": "t", "interfaces": [["e"]]}]}}"#,
            "l2_gateway.devices[0].interfaces[0]: invalid type: list, expected an object",
        ),
    ];
    for (json, expected) in cases {
        let message = gateway(json).unwrap_err().to_string();
        assert!(message.contains(expected), "{json}: {message}");
    }
}

#[test]
fn wrong_vlans_name_their_place() {
    let at = "l2_gateway.devices[0].interfaces[1].segmentation-id[0]: ";
    let cases = [
        ("[5000]", "5000 is not a VLAN"),
        ("[-1]", "-1 is not a VLAN"),
        ("[5.0]", "floating point `5.0`, expected a VLAN"),
        ("[true]", "boolean `true`, expected a VLAN"),
        (r#"["50"]"#, "string \"50\", expected a VLAN"),
        ("[18446744073709551615]", "is not a VLAN"),
        ("[1e400]", "number out of range"),
        ("[[5]]", "invalid type: list, expected a VLAN"),
        ("[null]", "invalid type: null, expected a VLAN"),
    ];
    for (vlans, expected) in cases {
        let json = format!(
            r#"{{"l2_gateway": {{"devices": [{{"device_name": "t", "interfaces": [{{"name": "a"}},
               {{"name": "b", "segmentation-id": {vlans}}}]}}]}}}}"#
        );
        let message = gateway(&json).unwrap_err().to_string();
        assert!(message.contains(expected), "{vlans}: {message}");
        assert!(message.starts_with(at) || message.contains("not JSON"), "{vlans}: {message}");
    }
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = format!("{{\"l2_gateway\": {}", "[".repeat(100_000));
    assert!(gateway(&deep).unwrap_err().to_string().len() < 1000);
    let deep = format!("{{\"l2_gateway\": {{\"name\": {}{}}}}}", "[".repeat(500), "]".repeat(500));
    assert!(gateway(&deep).unwrap_err().to_string().len() < 1000);
    let long = format!("{{\"l2_gateway\": {{\"devices\": \"{}\"}}}}", "é".repeat(1_000_000));
    assert!(gateway(&long).unwrap_err().to_string().len() < 2000);
    let long = format!("{{\"l2_gateway\": {{\"{}\": 1}}}}", "é".repeat(1_000_000));
    assert!(gateway(&long).unwrap_err().to_string().len() < 2000);
}

#[test]
fn a_connection_is_bare_or_wrapped() {
    let draft = |json: &str| decode::<ConnectionBody>(json.as_bytes()).and_then(ConnectionBody::into_draft);
    let bare = draft(r#"{"network_id": "n", "gateway_id": "g", "default_segmentation_id": 50}"#).unwrap();
    let wrapped =
        draft(r#"{"l2_gateway_connection": {"network_id": "n", "gateway_id": "g", "default_segmentation_id": 50}}"#)
            .unwrap();
    assert_eq!(bare, wrapped);
    assert_eq!(bare.default_vlan.map(VlanId::get), Some(50));
    for (json, expected) in [
        ("{}", "gateway_id: is missing"),
        (r#"{"gateway_id": "g"}"#, "network_id: is missing"),
        (r#"{"l2_gateway_connection": {"gateway_id": "g"}}"#, "l2_gateway_connection.network_id: is missing"),
        (r#"{"l2_gateway_connection": {}, "gateway_id": "g"}"#, "use one of the two"),
        (r#"{"gateway_id": "g", "network_id": "n", "default_segmentation_id": 4095}"#, "default_segmentation_id: 4095"),
        (r#"{"gateway_id": 1}"#, "gateway_id: invalid type: integer `1`, expected a string"),
    ] {
        let message = draft(json).unwrap_err().to_string();
        assert!(message.contains(expected), "{json}: {message}");
    }
}
