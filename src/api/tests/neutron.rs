//! `/v2.0` as Neutron's clients expect it.

use serde_json::{Value, json};

use super::harness::Api;
use crate::api::answer::PAGE;

async fn network(api: &Api, body: Value) -> Value {
    api.post("/v2.0/networks", &json!({"network": body})).await.expect(201)["network"].clone()
}

fn ids(list: &Value, name: &str) -> Vec<String> {
    list[name].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_network_is_shown_as_neutron_does() {
    let api = Api::new().await;
    let created =
        network(&api, json!({"name": "n1", "project_id": "p", "admin_state_up": true, "shared": false, "mtu": 1500}))
            .await;
    let id = created["id"].as_str().unwrap();
    for (member, value) in [
        ("name", json!("n1")),
        ("tenant_id", json!("p")),
        ("project_id", json!("p")),
        ("admin_state_up", json!(true)),
        ("status", json!("ACTIVE")),
        ("shared", json!(false)),
        ("subnets", json!([])),
        ("provider:network_type", json!("vxlan")),
        ("provider:physical_network", Value::Null),
        ("provider:segmentation_id", json!(1000)),
        ("router:external", json!(false)),
    ] {
        assert_eq!(created[member], value, "{member}");
    }
    assert_eq!(api.get(&format!("/v2.0/networks/{id}")).await.expect(200), json!({"network": created}));
    // In this dialect a path takes the UUID alone.
    assert_eq!(api.get("/v2.0/networks/n1").await.error(404).0, "NetworkNotFound");
    let renamed = api.put(&format!("/v2.0/networks/{id}.json"), &json!({"network": {"name": "n2"}})).await.expect(200);
    assert_eq!(renamed["network"]["name"], "n2");
    api.delete(&format!("/v2.0/networks/{id}/")).await.expect(204);
    assert_eq!(api.delete(&format!("/v2.0/networks/{id}")).await.error(404).0, "NetworkNotFound");
}

#[tokio::test]
async fn vnis_are_unique_and_local_networks_have_none() {
    let api = Api::new().await;
    let chosen = network(&api, json!({"provider:network_type": "vxlan", "provider:segmentation_id": 5_000_000})).await;
    assert_eq!(chosen["provider:segmentation_id"], 5_000_000);
    // Clients send what was typed.
    let again = json!({"network": {"provider:segmentation_id": "5000000"}});
    assert_eq!(api.post("/v2.0/networks", &again).await.error(409).0, "TunnelIdInUse");
    // What to change is the type, whatever else comes with it.
    let vlan = json!({"network": {"provider:network_type": "vlan", "provider:physical_network": "physnet1",
                                  "provider:segmentation_id": 100}});
    let (_, message) = api.post("/v2.0/networks", &vlan).await.error(400);
    assert!(message.contains("provider:network_type") && message.contains("'vlan'"), "{message}");
    let physical = json!({"network": {"provider:physical_network": "physnet1"}});
    assert!(api.post("/v2.0/networks", &physical).await.error(400).1.contains("provider:physical_network"));
    let local = network(&api, json!({"provider:network_type": "local"})).await;
    assert_eq!((&local["provider:network_type"], &local["provider:segmentation_id"]), (&json!("local"), &Value::Null));
}

#[tokio::test]
async fn filters_narrow_and_unknown_ones_match_nothing() {
    let api = Api::new().await;
    let bulk = json!({"networks": [{"name": "a"}, {"name": "b"}, {"name": "c", "tenant_id": "t"}]});
    let all = ids(&api.post("/v2.0/networks", &bulk).await.expect(201), "networks");
    let count = async |query: &str| {
        api.get(&format!("/v2.0/networks?{query}")).await.expect(200)["networks"].as_array().unwrap().len()
    };
    for (query, expected) in [
        ("name=a", 1),
        ("name=a&name=b", 2),
        ("name=a&tenant_id=t", 0),
        ("project_id=t", 1),
        ("shared=False", 3),
        ("shared=True", 0),
        ("admin_state_up=true", 3),
        ("provider:segmentation_id=1001", 1),
        ("provider%3Anetwork_type=vxlan", 3),
        ("colour=red", 0),
        ("name=a&colour=red", 0),
        ("name=", 0),
    ] {
        assert_eq!(count(query).await, expected, "{query}");
    }
    assert_eq!(count(&format!("id={}&id={}&id=x", all[0], all[1].to_uppercase())).await, 2);
}

#[tokio::test]
async fn a_port_is_created_moved_unbound_and_deleted() {
    let api = Api::new().await;
    let net = network(&api, json!({"name": "n"})).await["id"].clone();
    let body = json!({"port": {
        "network_id": net, "name": "vm1", "mac_address": "FA:16:3E:00:00:01", "binding:host_id": "compute-1",
        "fixed_ips": [{"ip_address": "10.0.0.5"}, {"ip_address": "fd00::5"}],
        "allowed_address_pairs": [{"ip_address": "10.0.0.9", "mac_address": "fa:16:3e:00:00:09"}, {"ip_address": "10.1.0.0/16"}],
        "admin_state_up": true, "device_id": "x", "device_owner": "compute:nova", "security_groups": [],
        "binding:vnic_type": "normal", "port_security_enabled": false, "description": "d"}});
    let port = api.post("/v2.0/ports", &body).await.expect(201)["port"].clone();
    let path = format!("/v2.0/ports/{}", port["id"].as_str().unwrap());
    assert_eq!(api.get(&path).await.expect(200)["port"], port);
    for (member, value) in [
        ("mac_address", json!("fa:16:3e:00:00:01")),
        ("network_id", net.clone()),
        ("binding:host_id", json!("compute-1")),
        ("binding:vif_type", json!("ovs")),
        ("status", json!("ACTIVE")),
        ("security_groups", json!([])),
        (
            "fixed_ips",
            json!([{"ip_address": "10.0.0.5", "subnet_id": null}, {"ip_address": "fd00::5", "subnet_id": null}]),
        ),
        (
            "allowed_address_pairs",
            json!([{"mac_address": "fa:16:3e:00:00:09", "ip_address": "10.0.0.9"},
                   {"mac_address": "fa:16:3e:00:00:01", "ip_address": "10.1.0.0/16"}]),
        ),
    ] {
        assert_eq!(port[member], value, "{member}");
    }
    assert_eq!(api.post("/v2.0/ports", &body).await.error(409).0, "MacAddressInUse");
    assert_eq!(api.delete(&format!("/v2.0/networks/{}", net.as_str().unwrap())).await.error(409).0, "NetworkInUse");

    let put = async |body: Value| api.put(&path, &json!({"port": body})).await.expect(200)["port"].clone();
    assert_eq!(put(json!({"binding:host_id": "compute-2"})).await["binding:host_id"], "compute-2");
    let renamed = put(json!({"name": "vm2"})).await;
    assert_eq!((&renamed["name"], &renamed["binding:host_id"]), (&json!("vm2"), &json!("compute-2")), "host stays");
    let unbound = put(json!({"binding:host_id": null})).await;
    assert_eq!((&unbound["binding:host_id"], &unbound["status"]), (&json!(""), &json!("DOWN")));
    assert_eq!(put(json!({"fixed_ips": []})).await["fixed_ips"], json!([]));
    api.delete(&path).await.expect(204);
    assert_eq!(api.get(&path).await.error(404).0, "PortNotFound");
}

#[tokio::test]
async fn ports_in_bulk_are_all_or_none() {
    let api = Api::new().await;
    let net = network(&api, json!({})).await["id"].clone();
    let port = |n: usize| json!({"network_id": net, "name": format!("p{n}"), "mac_address": format!("02:00:00:00:00:{n:02x}")});
    let twice = json!({"ports": [port(1), port(2), port(1)]});
    assert_eq!(api.post("/v2.0/ports", &twice).await.error(409).0, "MacAddressInUse");
    assert_eq!(api.get("/v2.0/ports").await.expect(200), json!({"ports": []}));
    let created = api.post("/v2.0/ports", &json!({"ports": [port(1), port(2), {"network_id": net}]})).await.expect(201);
    let names: Vec<_> = created["ports"].as_array().unwrap().iter().map(|port| port["name"].clone()).collect();
    assert_eq!(names, ["p1", "p2", ""], "in the order of the request");
    assert!(created["ports"][2]["mac_address"].as_str().unwrap().starts_with("fa:16:3e:"));
}

#[tokio::test]
async fn ports_are_filtered_in_the_store_and_here() {
    let api = Api::new().await;
    let net = network(&api, json!({})).await["id"].as_str().unwrap().to_owned();
    let other = network(&api, json!({})).await["id"].as_str().unwrap().to_owned();
    let ports = json!({"ports": [
        {"network_id": net, "name": "a", "mac_address": "02:00:00:00:00:01", "binding:host_id": "c1", "fixed_ips": [{"ip_address": "10.0.0.1"}]},
        {"network_id": net, "name": "b", "mac_address": "02:00:00:00:00:02", "binding:host_id": "c2"},
        {"network_id": other, "name": "a", "mac_address": "02:00:00:00:00:01"},
    ]});
    api.post("/v2.0/ports", &ports).await.expect(201);
    for (query, expected) in [
        (format!("network_id={net}"), 2),
        (format!("network_id={net}&network_id={other}"), 3),
        (format!("network_id={net}&name=a"), 1),
        ("network_id=garbage".into(), 0),
        ("mac_address=02-00-00-00-00-01".into(), 2),
        ("binding:host_id=c1&binding:host_id=c2".into(), 2),
        ("binding:host_id=".into(), 1),
        ("fixed_ips=ip_address%3D10.0.0.1".into(), 1),
        ("fixed_ips=ip_address%3D10.0.0.2".into(), 0),
        ("status=DOWN".into(), 1),
        ("status=ACTIVE".into(), 2),
        ("status=ACTIVE&status=DOWN&status=BUILD".into(), 3),
        ("status=BUILD".into(), 0),
        ("binding:vif_type=unbound&name=a".into(), 1),
        ("binding:vif_type=unbound&status=ACTIVE".into(), 0),
        ("colour=red".into(), 0),
    ] {
        let list = api.get(&format!("/v2.0/ports?{query}")).await.expect(200);
        assert_eq!(list["ports"].as_array().unwrap().len(), expected, "{query}");
    }
}

#[tokio::test]
async fn a_long_list_comes_page_by_page_and_is_whole() {
    let api = Api::new().await;
    let net = network(&api, json!({})).await["id"].clone();
    let count = 2 * PAGE + 7;
    let ports: Vec<_> = (0..count).map(|_| json!({"network_id": net})).collect();
    let created = api.post("/v2.0/ports", &json!({"ports": ports})).await.expect(201);
    let listed = api.get("/v2.0/ports").await;
    assert!(!listed.headers.contains_key("content-length"), "it is streamed");
    let mut created = ids(&created, "ports");
    created.sort();
    let listed = ids(&listed.expect(200), "ports");
    assert_eq!((listed.len(), listed), (count, created.clone()));
    // With a condition, longer pages are read than sent.
    for query in [format!("network_id={}", net.as_str().unwrap()), "status=DOWN".to_owned()] {
        let listed = ids(&api.get(&format!("/v2.0/ports?{query}")).await.expect(200), "ports");
        assert_eq!((listed.len(), listed), (count, created.clone()), "{query}");
    }
}

#[tokio::test]
async fn a_compute_node_has_one_tunnel_endpoint() {
    let api = Api::new().await;
    let body = json!({"tunnel_endpoint": {"host": "compute-1", "ip_address": "192.0.2.1"}});
    let created = api.post("/v2.0/tunnel-endpoints", &body).await.expect(201)["tunnel_endpoint"].clone();
    let path = format!("/v2.0/tunnel-endpoints/{}", created["id"].as_str().unwrap());
    assert_eq!(created, json!({"id": created["id"], "host": "compute-1", "ip_address": "192.0.2.1"}));
    assert_eq!(api.get(&path).await.expect(200)["tunnel_endpoint"], created);
    assert_eq!(api.post("/v2.0/tunnel-endpoints", &body).await.error(409).0, "TunnelEndpointExists");
    let moved = api.put(&path, &json!({"tunnel_endpoint": {"ip_address": "192.0.2.2"}})).await.expect(200);
    assert_eq!(moved["tunnel_endpoint"]["ip_address"], "192.0.2.2");
    let found = api.get("/v2.0/tunnel-endpoints?host=compute-1&ip_address=192.0.2.2").await.expect(200);
    assert_eq!(ids(&found, "tunnel_endpoints").len(), 1);
    api.delete(&path).await.expect(204);
    assert_eq!(api.get("/v2.0/tunnel-endpoints").await.expect(200), json!({"tunnel_endpoints": []}));
}
