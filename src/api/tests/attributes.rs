//! Attributes that vtepd only keeps, tags, and what else Neutron's clients ask for.

use serde_json::{Value, json};

use super::harness::Api;

/// A body for each kind of object: what a client gives, and what it changes later.
fn given(network: &Value) -> [(&'static str, &'static str, Value, Value); 3] {
    [
        (
            "networks",
            "network",
            json!({"name": "n", "description": "d\u{202e}", "admin_state_up": false, "shared": true, "mtu": 1400,
                   "router:external": true, "is_default": true, "port_security_enabled": true, "vlan_transparent": false,
                   "dns_domain": "example.org.", "qos_policy_id": "00000000-0000-0000-0000-000000000001",
                   "availability_zone_hints": ["nova"]}),
            json!({"description": "other", "shared": false, "mtu": 9000, "qos_policy_id": null}),
        ),
        (
            "subnets",
            "subnet",
            json!({"network_id": network, "cidr": "10.0.0.0/24", "name": "s", "description": "d", "enable_dhcp": true,
                   "dns_nameservers": ["10.0.0.2", "10.0.0.3"], "gateway_ip": "10.0.0.254",
                   "allocation_pools": [{"start": "10.0.0.10", "end": "10.0.0.20"}],
                   "host_routes": [{"destination": "10.1.0.0/16", "nexthop": "10.0.0.9"}], "service_types": ["compute:nova"],
                   "ipv6_ra_mode": null, "segment_id": "00000000-0000-0000-0000-000000000001", "dns_publish_fixed_ip": true}),
            json!({"enable_dhcp": false, "dns_nameservers": [], "host_routes": []}),
        ),
        (
            "ports",
            "port",
            json!({"network_id": network, "name": "p", "description": "d", "device_id": "vm-1",
                   "device_owner": "compute:nova", "admin_state_up": false, "binding:vnic_type": "direct",
                   "binding:profile": {"pci": {"slot": "0000:01:00.0", "n": [1, 2]}}, "port_security_enabled": true,
                   "security_groups": ["00000000-0000-0000-0000-000000000001"], "propagate_uplink_status": true,
                   "extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": "1400"}], "dns_name": "vm", "dns_domain": "o.",
                   "qos_policy_id": null, "tags": ["a", "b"]}),
            json!({"device_id": "vm-2", "binding:profile": {}, "security_groups": [], "description": null}),
        ),
    ]
}

#[tokio::test]
async fn what_is_given_is_answered_and_giving_it_again_changes_nothing() {
    let api = Api::new().await;
    let network = api.post("/v2.0/networks", &json!({"network": {}})).await.expect(201)["network"]["id"].clone();
    for (collection, one, body, change) in given(&network) {
        let made = api.post(&format!("/v2.0/{collection}"), &json!({one: body})).await.expect(201)[one].clone();
        for (name, value) in body.as_object().unwrap() {
            assert_eq!(made[name], *value, "{collection} {name}");
        }
        assert_eq!(made["revision_number"], 1);
        assert!(
            made["created_at"].as_str().unwrap().ends_with('Z') && made["created_at"] == made["updated_at"],
            "{made}"
        );
        let path = format!("/v2.0/{collection}/{}", made["id"].as_str().unwrap());
        assert_eq!(api.get(&path).await.expect(200)[one], made);
        assert_eq!(
            api.get(&format!("/v2.0/{collection}?id={}", made["id"].as_str().unwrap())).await.expect(200)[collection],
            json!([made])
        );
        // A second run of the same: what can be changed is given again.
        let mut again = body.as_object().unwrap().clone();
        for fixed in ["network_id", "cidr", "vlan_transparent", "availability_zone_hints", "ipv6_ra_mode", "tags"] {
            again.remove(fixed);
        }
        assert_eq!(api.put(&path, &json!({one: again})).await.expect(200)[one], made, "{collection}");

        let changed = api.put(&path, &json!({one: change})).await.expect(200)[one].clone();
        for (name, value) in change.as_object().unwrap() {
            let shown = if value.is_null() && name == "description" { json!("") } else { value.clone() };
            assert_eq!(changed[name], shown, "{collection} {name}");
        }
        assert_eq!((&changed["revision_number"], &changed["created_at"]), (&json!(2), &made["created_at"]));
        assert_eq!(changed["name"], made["name"], "what isn't given stays");
        assert_eq!(api.get(&path).await.expect(200)[one], changed);
    }
}

#[tokio::test]
async fn attributes_are_bounded_and_unknown_ones_are_refused() {
    let api = Api::new().await;
    let network = api.post("/v2.0/networks", &json!({"network": {}})).await.expect(201)["network"]["id"].clone();
    for (collection, one, attribute, value, word) in [
        ("networks", "network", "description", json!("x".repeat(256)), "network: description: is longer than 255"),
        ("networks", "network", "mtu", json!(10), "mtu: expected an integer"),
        ("networks", "network", "shared", json!("x"), "shared: expected true or false"),
        ("networks", "network", "tags", json!([]), "unknown field `tags`"),
        ("networks", "network", "colour", json!(1), "unknown field `colour`, expected one of `name`"),
        ("subnets", "subnet", "host_routes", json!([1]), "host_routes: expected a list of objects"),
        ("subnets", "subnet", "prefixlen", json!(24), "subnet.prefixlen: there are no subnet pools"),
        (
            "ports",
            "port",
            "binding:profile",
            json!({"a": "x".repeat(20_000)}),
            "binding:profile: is longer than 16 KiB",
        ),
        ("ports", "port", "revision_number", json!(1), "unknown field `revision_number`"),
    ] {
        let mut body = json!({"network_id": network, "cidr": "10.0.0.0/24"});
        if collection == "networks" {
            body = json!({});
        } else if collection == "ports" {
            body = json!({"network_id": network});
        }
        body[attribute] = value;
        let (kind, message) = api.post(&format!("/v2.0/{collection}"), &json!({one: body})).await.error(400);
        assert!(kind == "InvalidInput" && message.contains(word), "{kind}: {message}");
    }
    // What is given at creation alone.
    let path = format!("/v2.0/networks/{}", network.as_str().unwrap());
    let (_, message) = api.put(&path, &json!({"network": {"availability_zone_hints": []}})).await.error(400);
    assert!(message.contains("availability_zone_hints"), "{message}");
    let twice = r#"{"network": {"description": "a", "description": "b"}}"#;
    assert!(api.send("POST", "/v2.0/networks", twice).await.error(400).1.contains("duplicate field"));
}

#[tokio::test]
async fn lists_are_filtered_and_sorted_by_attributes() {
    let api = Api::new().await;
    let network = api.post("/v2.0/networks", &json!({"network": {}})).await.expect(201)["network"]["id"].clone();
    let port = |name: &str, attributes: Value| {
        let mut port = json!({"network_id": network, "name": name});
        for (name, value) in attributes.as_object().unwrap() {
            port[name] = value.clone();
        }
        port
    };
    let ports = json!({"ports": [
        port("a", json!({"device_id": "vm-2", "device_owner": "compute:nova", "tags": ["red", "blue"]})),
        port("b", json!({"device_id": "vm-1", "admin_state_up": false, "security_groups": ["g"]})),
        port("c", json!({"binding:vnic_type": "direct", "tags": ["red"]})),
        port("d", json!({})),
    ]});
    api.post("/v2.0/ports", &ports).await.expect(201);
    for (query, names) in [
        ("device_id=vm-1", "b"),
        ("device_id=vm-1&device_id=vm-2", "ab"),
        ("device_id=", "cd"),
        ("device_owner=compute:nova", "a"),
        ("admin_state_up=false", "b"),
        ("admin_state_up=True", "acd"),
        ("binding:vnic_type=normal", "abd"),
        ("binding:vnic_type=direct", "c"),
        ("security_groups=g", "b"),
        ("tags=red", "ac"),
        ("tags=red,blue", "a"),
        ("tags-any=red,green", "ac"),
        ("not-tags=red,blue", "bcd"),
        ("not-tags-any=red", "bd"),
        ("revision_number=1", "abcd"),
        ("created_at=1999-01-01T00:00:00Z", ""),
        ("colour=red", ""),
    ] {
        let listed = api.get(&format!("/v2.0/ports?{query}&sort_key=name")).await.expect(200);
        let found: String =
            listed["ports"].as_array().unwrap().iter().map(|port| port["name"].as_str().unwrap()).collect();
        assert_eq!(found, names, "{query}");
    }
    for (keys, names) in [
        ("sort_key=device_id&sort_key=name", "cdba"),
        ("sort_key=device_id&sort_dir=desc&sort_key=name&sort_dir=asc", "abcd"),
        ("sort_key=admin_state_up&sort_key=name", "bacd"),
        ("sort_key=binding:vnic_type&sort_key=name&limit=2", "ca"),
        ("sort_key=created_at&sort_key=name", "abcd"),
    ] {
        let listed = api.get(&format!("/v2.0/ports?{keys}")).await.expect(200);
        let found: String =
            listed["ports"].as_array().unwrap().iter().map(|port| port["name"].as_str().unwrap()).collect();
        assert_eq!(found, names, "{keys}");
    }
}

#[tokio::test]
async fn what_clients_alone_keep_is_no_change_for_switches() {
    let api = Api::new().await;
    let network = api.post("/v2.0/networks", &json!({"network": {}})).await.expect(201)["network"]["id"].clone();
    let port = json!({"port": {"network_id": network}});
    let port = api.post("/v2.0/ports", &port).await.expect(201)["port"]["id"].clone();
    let revision = async || api.store.snapshot().await.unwrap().revision().await.unwrap();
    let before = revision().await;
    let path = |collection: &str, id: &Value| format!("/v2.0/{collection}/{}", id.as_str().unwrap());
    api.put(&path("networks", &network), &json!({"network": {"mtu": 9000}})).await.expect(200);
    api.put(&path("ports", &port), &json!({"port": {"description": "d", "device_id": "x"}})).await.expect(200);
    api.put(&format!("{}/tags/a", path("ports", &port)), &Value::Null).await.expect(201);
    assert_eq!(revision().await, before);
    api.put(&path("ports", &port), &json!({"port": {"binding:host_id": "compute-1"}})).await.expect(200);
    assert_eq!(revision().await, before + 1);
    let shown = api.get(&path("ports", &port)).await.expect(200)["port"].clone();
    assert_eq!((&shown["description"], &shown["tags"]), (&json!("d"), &json!(["a"])), "a move keeps them");
}

#[tokio::test]
async fn tags_are_set_added_asked_for_and_removed() {
    let api = Api::new().await;
    let network = api.post("/v2.0/networks", &json!({"network": {}})).await.expect(201)["network"]["id"].clone();
    let subnet = json!({"subnet": {"network_id": network, "cidr": "10.0.0.0/24"}});
    let subnet = api.post("/v2.0/subnets", &subnet).await.expect(201)["subnet"]["id"].clone();
    let port = json!({"port": {"network_id": network}});
    let port = api.post("/v2.0/ports", &port).await.expect(201)["port"]["id"].clone();
    for (collection, id, one) in
        [("networks", network, "network"), ("subnets", subnet, "subnet"), ("ports", port, "port")]
    {
        let path = format!("/v2.0/{collection}/{}", id.as_str().unwrap());
        let tags = format!("{path}/tags");
        let set = json!({"tags": ["a", "b", "a"]});
        assert_eq!(api.put(&tags, &set).await.expect(200), json!({"tags": ["a", "b"]}));
        api.put(&format!("{tags}/c%2Fd"), &Value::Null).await.expect(201);
        assert_eq!(api.get(&tags).await.expect(200), json!({"tags": ["a", "b", "c/d"]}));
        assert_eq!(api.get(&path).await.expect(200)[one]["tags"], json!(["a", "b", "c/d"]));
        api.get(&format!("{tags}/b")).await.expect(204);
        api.delete(&format!("{tags}/b")).await.expect(204);
        assert_eq!(api.get(&format!("{tags}/b")).await.error(404).0, "TagNotFound");
        assert_eq!(api.delete(&format!("{tags}/b")).await.error(404).0, "TagNotFound");
        api.delete(&tags).await.expect(204);
        assert_eq!(api.get(&tags).await.expect(200), json!({"tags": []}));
        let many: Vec<_> = (0..51).map(|n| n.to_string()).collect();
        assert!(api.put(&tags, &json!({"tags": many})).await.error(400).1.contains("more than 50"));
        assert!(api.put(&tags, &json!({"tags": ["x".repeat(256)]})).await.error(400).1.contains("255"));
        assert!(api.put(&tags, &json!({"tags": [""]})).await.error(400).1.contains("tags: is empty"));
    }
    let nil = "/v2.0/ports/00000000-0000-0000-0000-000000000000/tags";
    assert_eq!(api.put(nil, &json!({"tags": []})).await.error(404).0, "PortNotFound");
}

#[tokio::test]
async fn quotas_zones_and_agents_are_answered() {
    let api = Api::new().await;
    assert_eq!(api.get("/v2.0/quotas/some-project").await.expect(200)["quota"]["port"], -1);
    assert_eq!(api.get("/v2.0/quotas/some-project/default").await.expect(200)["quota"]["network"], -1);
    assert_eq!(api.get("/v2.0/quotas").await.expect(200), json!({"quotas": []}));
    assert_eq!(api.get("/v2.0/availability_zones").await.expect(200), json!({"availability_zones": []}));
    assert_eq!(api.get("/v2.0/agents").await.expect(200), json!({"agents": []}));
    let endpoint = json!({"tunnel_endpoint": {"host": "compute-1", "ip_address": "192.0.2.1"}});
    let endpoint = api.post("/v2.0/tunnel-endpoints", &endpoint).await.expect(201)["tunnel_endpoint"].clone();
    let agents = api.get("/v2.0/agents?host=compute-1").await.expect(200)["agents"].clone();
    assert_eq!((&agents[0]["id"], &agents[0]["alive"]), (&endpoint["id"], &json!(false)), "{agents}");
    assert_eq!(agents[0]["configurations"]["tunneling_ip"], "192.0.2.1");
    let shown = api.get(&format!("/v2.0/agents/{}", endpoint["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(shown["agent"], agents[0]);
    assert_eq!(api.get("/v2.0/agents/none").await.error(404).0, "AgentNotFound");
}
