//! `/v2.0/l2-gateways` and `/v2.0/l2-gateway-connections` as networking-l2gw's clients expect them.

use serde_json::{Value, json};

use super::harness::Api;

const NIL: &str = "00000000-0000-0000-0000-000000000000";

fn device(name: &str, interfaces: &Value) -> Value {
    json!({"device_name": name, "interfaces": interfaces})
}

async fn gateway(api: &Api, name: &str, devices: &Value) -> Value {
    let body = json!({"l2_gateway": {"name": name, "devices": devices}});
    api.post("/v2.0/l2-gateways", &body).await.expect(201)["l2_gateway"].clone()
}

async fn network(api: &Api) -> Value {
    api.post("/v2.0/networks", &json!({"network": {}})).await.expect(201)["network"]["id"].clone()
}

fn path(collection: &str, object: &Value) -> String {
    format!("/v2.0/{collection}/{}", object["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_gateway_is_created_shown_replaced_and_deleted() {
    let api = Api::new().await;
    let devices = json!([
        device(
            "tor-1",
            &json!([{"name": "eth1", "segmentation_id": ["100", 200]}, {"name": "eth2", "segmentation_id": [0]}])
        ),
        device("tor-2", &json!([{"name": "eth1", "segmentation_id": ["100"]}])),
        device("tor-3", &json!([{"name": "a long name, of more than 36 characters", "segmentation_id": [4094]}])),
    ]);
    let body = json!({"l2_gateway": {"name": "gw", "devices": devices, "tenant_id": "p"}});
    let created = api.post("/v2.0/l2-gateways", &body).await.expect(201)["l2_gateway"].clone();
    let path = path("l2-gateways", &created);
    assert_eq!((&created["tenant_id"], &created["project_id"]), (&json!("p"), &json!("p")));
    assert_eq!(
        created["devices"][0]["interfaces"],
        json!([{"name": "eth1", "segmentation_id": ["100", "200"]}, {"name": "eth2", "segmentation_id": ["0"]}])
    );
    assert!(created["devices"].as_array().unwrap().iter().all(|device| device["id"].as_str().unwrap().len() == 36));
    assert_eq!(api.get(&path).await.expect(200), json!({"l2_gateway": created}));
    assert_eq!(api.get("/v2.0/l2-gateways/gw").await.error(404).0, "L2GatewayNotFound");

    // PUT replaces the interfaces of the devices that it names; their ids may be sent along.
    let replaced = json!([{"id": created["devices"][1]["id"], "device_name": "tor-2",
                           "interfaces": [{"name": "eth9", "segmentation_id": [7]}]}]);
    let put = json!({"l2_gateway": {"name": "renamed", "devices": replaced}});
    let after = api.put(&format!("{path}.json"), &put).await.expect(200)["l2_gateway"].clone();
    assert_eq!(after["name"], "renamed");
    assert_eq!(after["devices"][0], created["devices"][0]);
    assert_eq!(after["devices"][1]["id"], created["devices"][1]["id"]);
    assert_eq!(after["devices"][1]["interfaces"], json!([{"name": "eth9", "segmentation_id": ["7"]}]));
    assert_eq!(api.put(&path, &json!({"l2_gateway": {}})).await.expect(200)["l2_gateway"], after);
    api.delete(&format!("{path}/")).await.expect(204);
    assert_eq!(api.delete(&path).await.error(404).0, "L2GatewayNotFound");
}

#[tokio::test]
async fn bodies_of_gateways_that_are_wrong_are_400_before_anything_is_looked_for() {
    let api = Api::new().await;
    let with = |devices: Value| json!({"l2_gateway": {"name": "gw", "devices": devices}});
    let one = |interface: Value| with(json!([device("tor", &json!([interface]))]));
    let interface = json!([{"name": "e"}]);
    for (body, at) in [
        (json!({"l2_gateway": {"name": "gw", "devices": []}}), "l2_gateway.devices"),
        (with(json!("tor")), "l2_gateway.devices"),
        (with(json!([{"device_name": "tor"}])), "l2_gateway.devices[0].interfaces"),
        (with(json!([{"device_name": "tor", "interfaces": []}])), "device 'tor'"),
        (with(json!([{"device_name": "tor", "interfaces": {}}])), "l2_gateway.devices[0].interfaces"),
        (with(json!([{"device_name": "tor", "interfaces": ["e"]}])), "l2_gateway.devices[0].interfaces[0]"),
        (with(json!([{"device_name": "", "interfaces": interface}])), "devices[0].device_name"),
        (with(json!([{"interfaces": interface}])), "l2_gateway.devices[0].device_name"),
        (with(json!([device("tor", &interface), device("tor", &interface)])), "named twice"),
        (one(json!({})), "l2_gateway.devices[0].interfaces[0].name"),
        (one(json!({"name": ""})), "devices[0].interfaces[0].name"),
        (one(json!({"name": "e", "segmentation_id": []})), "segmentation_id: is empty"),
        (one(json!({"name": "e", "segmentation_id": 100})), "segmentation_id"),
        (one(json!({"name": "e", "segmentation_id": "100"})), "segmentation_id"),
        (one(json!({"name": "e", "segmentation_id": ["x"]})), "segmentation_id[0]"),
        (one(json!({"name": "e", "segmentation_id": [4095]})), "4095 is not a VLAN"),
        (one(json!({"name": "e", "segmentation_id": ["-1"]})), "-1 is not a VLAN"),
        (one(json!({"name": "e", "segmentation_id": [1.5]})), "segmentation_id[0]"),
        (one(json!({"name": "e", "colour": 1})), "unknown field `colour`"),
        (json!({"l2_gateway": {"id": NIL}}), "unknown field `id`"),
        (json!({"gateway": {}}), "unknown field `gateway`"),
        (json!({}), "l2_gateway"),
    ] {
        for (method, path) in [("POST", "/v2.0/l2-gateways".to_owned()), ("PUT", format!("/v2.0/l2-gateways/{NIL}"))] {
            let (_, message) = api.send(method, &path, body.to_string()).await.error(400);
            assert!(message.contains(at), "{method} {body}: {message}");
        }
    }
    api.post("/v2.0/l2-gateways", &json!({"l2_gateway": {"name": "gw"}})).await.error(400);
    // Read-only in an update.
    let moved = json!({"l2_gateway": {"tenant_id": "p"}});
    assert!(api.put(&format!("/v2.0/l2-gateways/{NIL}"), &moved).await.error(400).1.contains("tenant_id"));
    assert_eq!(api.get("/v2.0/l2-gateways").await.expect(200), json!({"l2_gateways": []}));
}

#[tokio::test]
async fn vlans_are_given_to_all_interfaces_or_to_none() {
    let api = Api::new().await;
    let mixed = json!([device("tor", &json!([{"name": "a", "segmentation_id": [1]}, {"name": "b"}]))]);
    let body = json!({"l2_gateway": {"name": "gw", "devices": mixed}});
    assert_eq!(api.post("/v2.0/l2-gateways", &body).await.error(409).0, "L2GatewaySegmentationRequired");
    let made = gateway(&api, "gw", &json!([device("tor", &json!([{"name": "a"}]))])).await;
    assert_eq!(made["devices"][0]["interfaces"][0]["segmentation_id"], json!([]));
    let other = json!({"l2_gateway": {"devices": [device("other", &json!([{"name": "a"}]))]}});
    assert_eq!(api.put(&path("l2-gateways", &made), &other).await.error(404).0, "L2GatewayDeviceNotFound");
}

#[tokio::test]
async fn a_connection_takes_its_vlan_as_text_or_number_and_shows_a_number_or_nothing() {
    let api = Api::new().await;
    let bare = gateway(&api, "bare", &json!([device("tor", &json!([{"name": "a"}]))])).await;
    let own = gateway(&api, "own", &json!([device("tor", &json!([{"name": "b", "segmentation_id": [9]}]))])).await;
    let net = network(&api).await;
    let body = |gateway: &Value, network: &Value, segmentation: Value| json!({"l2_gateway_connection": {"l2_gateway_id": gateway["id"], "network_id": network, "segmentation_id": segmentation}});
    let post = async |body: Value| api.post("/v2.0/l2-gateway-connections", &body).await;
    let created = post(body(&bare, &net, json!("100"))).await.expect(201)["l2_gateway_connection"].clone();
    let expected = json!({"id": created["id"], "tenant_id": "", "project_id": "", "l2_gateway_id": bare["id"],
                          "network_id": net, "segmentation_id": 100});
    assert_eq!(created, expected);
    let second = post(body(&own, &net, json!(""))).await.expect(201)["l2_gateway_connection"].clone();
    assert_eq!(second["segmentation_id"], "");
    assert_eq!(api.get(&path("l2-gateway-connections", &second)).await.expect(200)["l2_gateway_connection"], second);

    for (query, found) in [
        (format!("network_id={}", net.as_str().unwrap()), 2),
        (format!("l2_gateway_id={}", own["id"].as_str().unwrap()), 1),
        ("segmentation_id=100".into(), 1),
        ("segmentation_id=".into(), 1),
        // `openstack l2gw connection delete NAME` asks this, and deletes what comes back.
        ("name=gw".into(), 0),
    ] {
        let list = api.get(&format!("/v2.0/l2-gateway-connections?{query}")).await.expect(200);
        assert_eq!(list["l2_gateway_connections"].as_array().unwrap().len(), found, "{query}");
    }

    assert_eq!(post(body(&bare, &net, json!(7))).await.error(409).0, "L2GatewayConnectionExists");
    let other = network(&api).await;
    assert_eq!(post(body(&bare, &other, json!(100))).await.error(409).0, "L2GatewayDuplicateSegmentationID");
    assert_eq!(post(body(&own, &other, json!(5))).await.error(400).0, "InvalidInput");
    assert_eq!(post(body(&bare, &other, Value::Null)).await.error(400).0, "InvalidInput");
    assert_eq!(post(body(&json!({"id": "bare"}), &other, json!(5))).await.error(404).0, "L2GatewayNotFound");
    assert_eq!(post(body(&bare, &json!(NIL), json!(5))).await.error(404).0, "NetworkNotFound");
    assert!(post(body(&json!({"id": NIL}), &json!(NIL), json!("4095"))).await.error(400).1.contains("4095"));
    let flat = json!({"network": {"provider:network_type": "local"}});
    let flat = api.post("/v2.0/networks", &flat).await.expect(201)["network"]["id"].clone();
    assert_eq!(post(body(&bare, &flat, json!(5))).await.error(404).0, "VxlanSegmentationIDNotFound");
    assert_eq!(api.delete(&path("l2-gateways", &bare)).await.error(409).0, "L2GatewayInUse");
    assert_eq!(api.delete(&format!("/v2.0/networks/{}", net.as_str().unwrap())).await.error(409).0, "NetworkInUse");
    for connection in [&created, &second] {
        api.delete(&path("l2-gateway-connections", connection)).await.expect(204);
    }
    assert_eq!(api.delete(&path("l2-gateway-connections", &created)).await.error(404).0, "L2GatewayConnectionNotFound");
}

/// networking-l2gw's own tests send a segmentation id beside the interfaces, and clients send blanks.
#[tokio::test]
async fn unknown_members_of_a_device_and_blanks_around_vlans_are_taken() {
    let api = Api::new().await;
    let given = json!([{"device_name": "tor", "segmentation_id": "67", "colour": {"a": [1]}, "id": 7,
                        "interfaces": [{"name": "a", "segmentation_id": [" 5 ", "6\t"]}]}]);
    let made = gateway(&api, "gw", &given).await;
    let device = json!({"id": made["devices"][0]["id"], "device_name": "tor",
                        "interfaces": [{"name": "a", "segmentation_id": ["5", "6"]}]});
    assert_eq!(made["devices"], json!([device]));
    let put = json!({"l2_gateway": {"devices": given}});
    assert_eq!(api.put(&path("l2-gateways", &made), &put).await.expect(200)["l2_gateway"]["devices"], json!([device]));
    let bare = gateway(&api, "bare", &json!([device_without_vlans("tor-2")])).await;
    let body = json!({"l2_gateway_connection": {"l2_gateway_id": bare["id"], "network_id": network(&api).await,
                                                "segmentation_id": " 9 "}});
    let made = api.post("/v2.0/l2-gateway-connections", &body).await.expect(201);
    assert_eq!(made["l2_gateway_connection"]["segmentation_id"], 9);
}

fn device_without_vlans(name: &str) -> Value {
    device(name, &json!([{"name": "a"}]))
}

#[tokio::test]
async fn a_change_puts_no_vlans_beside_a_connections_default() {
    let api = Api::new().await;
    let gateway = gateway(&api, "gw", &json!([device_without_vlans("tor")])).await;
    let net = network(&api).await;
    let connection =
        json!({"l2_gateway_connection": {"l2_gateway_id": gateway["id"], "network_id": net, "segmentation_id": 100}});
    let made = api.post("/v2.0/l2-gateway-connections", &connection).await.expect(201)["l2_gateway_connection"].clone();
    let own = json!([device("tor", &json!([{"name": "a", "segmentation_id": [7]}]))]);
    let change = json!({"l2_gateway": {"devices": own}});
    let (kind, message) = api.put(&path("l2-gateways", &gateway), &change).await.error(409);
    assert!(kind == "L2GatewayInUse" && message.contains(made["id"].as_str().unwrap()), "{kind}: {message}");
    assert_eq!(api.get(&path("l2-gateways", &gateway)).await.expect(200)["l2_gateway"], gateway, "nothing is changed");
    // Another interface without a VLAN of its own is no such change.
    let further = json!({"l2_gateway": {"devices": [device("tor", &json!([{"name": "a"}, {"name": "b"}]))]}});
    api.put(&path("l2-gateways", &gateway), &further).await.expect(200);
    // The specification's dialect lets both stand together, and such a gateway can be changed in either.
    let v2 = json!({"l2_gateway": {"devices": [{"device_name": "tor", "new_interfaces":
        [{"name": "c", "segmentation-id": [8]}]}]}});
    api.put("/v2/l2-gateways/gw", &v2).await.expect(200);
    api.put(&path("l2-gateways", &gateway), &change).await.expect(200);
}

#[tokio::test]
async fn a_name_in_a_path_is_told_with_its_uuid() {
    let api = Api::new().await;
    let gateway = gateway(&api, "gw", &json!([device_without_vlans("tor")])).await;
    let body = json!({"networks": [{"name": "net"}, {"name": "net"}]});
    let networks = api.post("/v2.0/networks", &body).await.expect(201)["networks"].clone();
    let body = json!({"port": {"network_id": networks[0]["id"], "name": "p"}});
    let port = api.post("/v2.0/ports", &body).await.expect(201)["port"].clone();
    let body = json!({"subnet": {"network_id": networks[0]["id"], "name": "s", "cidr": "10.0.0.0/24"}});
    let subnet = api.post("/v2.0/subnets", &body).await.expect(201)["subnet"].clone();
    let body = json!({"tunnel_endpoint": {"host": "compute-1", "ip_address": "192.0.2.1"}});
    let endpoint = api.post("/v2.0/tunnel-endpoints", &body).await.expect(201)["tunnel_endpoint"].clone();
    for (path, kind, ids) in [
        ("l2-gateways/gw", "L2GatewayNotFound", vec![&gateway]),
        ("networks/net", "NetworkNotFound", vec![&networks[0], &networks[1]]),
        ("ports/p", "PortNotFound", vec![&port]),
        ("subnets/s", "SubnetNotFound", vec![&subnet]),
        ("tunnel-endpoints/compute-1", "TunnelEndpointNotFound", vec![&endpoint]),
    ] {
        let (told, message) = api.get(&format!("/v2.0/{path}")).await.error(404);
        assert_eq!(told, kind);
        assert!(message.contains("give the UUID"), "{message}");
        for id in ids {
            assert!(message.contains(id["id"].as_str().unwrap()), "{message}");
        }
        let (_, message) = api.get(&format!("/v2.0/{path}-none")).await.error(404);
        assert!(!message.contains("UUID"), "{message}");
    }
}

#[tokio::test]
async fn bulks_are_created_whole_or_not_at_all() {
    let api = Api::new().await;
    let devices = json!([device("tor", &json!([{"name": "a"}]))]);
    let wrong = json!([device("tor", &json!([{"name": "a"}, {"name": "b", "segmentation_id": [1]}]))]);
    let bulk =
        |second: &Value| json!({"l2_gateways": [{"name": "1", "devices": devices}, {"name": "2", "devices": second}]});
    assert_eq!(api.post("/v2.0/l2-gateways", &bulk(&wrong)).await.error(409).0, "L2GatewaySegmentationRequired");
    assert_eq!(api.get("/v2.0/l2-gateways").await.expect(200), json!({"l2_gateways": []}));
    let made = api.post("/v2.0/l2-gateways", &bulk(&devices)).await.expect(201)["l2_gateways"].clone();
    assert_eq!((&made[0]["name"], &made[1]["name"]), (&json!("1"), &json!("2")));

    let (n1, n2) = (network(&api).await, network(&api).await);
    let connection = |gateway: &Value, network: &Value, vlan: u16| json!({"l2_gateway_id": gateway["id"], "network_id": network, "segmentation_id": vlan});
    let clash = json!({"l2_gateway_connections": [connection(&made[0], &n1, 5), connection(&made[1], &n2, 5)]});
    let refused = api.post("/v2.0/l2-gateway-connections", &clash).await.error(409);
    assert_eq!(refused.0, "L2GatewayDuplicateSegmentationID");
    assert_eq!(api.get("/v2.0/l2-gateway-connections").await.expect(200), json!({"l2_gateway_connections": []}));
    let fine = json!({"l2_gateway_connections": [connection(&made[0], &n1, 5), connection(&made[1], &n2, 6)]});
    let made = api.post("/v2.0/l2-gateway-connections", &fine).await.expect(201);
    assert_eq!(made["l2_gateway_connections"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn both_dialects_show_the_same_gateway() {
    let api = Api::new().await;
    let made = gateway(&api, "gw", &json!([device("tor", &json!([{"name": "a", "segmentation_id": [3]}]))])).await;
    let shown = api.get("/v2/l2-gateways/gw").await.expect(200)["l2_gateway"].clone();
    assert_eq!(shown["id"], made["id"]);
    assert_eq!(shown["devices"][0]["interfaces"], json!([{"name": "a", "segmentation-id": [3]}]));
}

#[tokio::test]
async fn extensions_are_told() {
    let api = Api::new().await;
    let list = api.get("/v2.0/extensions.json").await.expect(200);
    let aliases: Vec<_> = list["extensions"].as_array().unwrap().iter().map(|e| e["alias"].clone()).collect();
    assert!(aliases.contains(&json!("l2-gateway")) && aliases.contains(&json!("l2-gateway-connection")), "{aliases:?}");
    assert_eq!(api.get("/v2.0/extensions/l2-gateway").await.expect(200)["extension"]["alias"], "l2-gateway");
    api.get("/v2.0/extensions/router").await.error(404);
}
