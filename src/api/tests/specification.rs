//! `/v2` as the specification prints it.

use serde_json::{Value, json};

use super::harness::Api;

fn devices() -> Value {
    json!([
        {"device_name": "tor-switch-1", "interfaces": [{"name": "Ethernet40", "segmentation-id": []}]},
        {"device_name": "tor-switch-2", "interfaces": [{"name": "Ethernet40", "segmentation-id": [7, 8]}]},
    ])
}

async fn gateway(api: &Api, name: &str) -> String {
    let body = json!({"l2_gateway": {"name": name, "tenant_id": "t1", "devices": devices()}});
    api.post("/v2/l2-gateways", &body).await.expect(201)["l2_gateway"]["id"].as_str().unwrap().to_owned()
}

async fn network(api: &Api, name: &str) -> String {
    let body = json!({"network": {"name": name}});
    api.post("/v2.0/networks", &body).await.expect(201)["network"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_gateway_is_created_shown_listed_and_deleted() {
    let api = Api::new().await;
    let id = gateway(&api, "vtep-gateway-1").await;
    let expected = json!({"id": id, "tenant_id": "t1", "name": "vtep-gateway-1", "devices": devices()});
    for key in [&id, "vtep-gateway-1", &id.to_uppercase()] {
        assert_eq!(api.get(&format!("/v2/l2-gateways/{key}")).await.expect(200), json!({"l2_gateway": expected}));
    }
    assert_eq!(api.get("/v2/l2-gateways").await.expect(200), json!({"l2_gateways": [expected]}));
    assert_eq!(api.get("/v2/l2-gateways?name=vtep-gateway-1").await.expect(200)["l2_gateways"][0]["id"], id);
    for filter in ["name=other", "unknown=1", "name=vtep-gateway-1&tenant_id=t2"] {
        let list = api.get(&format!("/v2/l2-gateways?{filter}")).await.expect(200);
        assert_eq!(list, json!({"l2_gateways": []}), "{filter}");
    }
    let gone = api.delete("/v2/l2-gateways/vtep-gateway-1").await;
    assert_eq!(gone.expect(204), Value::Null);
    assert_eq!(api.get(&format!("/v2/l2-gateways/{id}")).await.error(404).0, "L2GatewayNotFound");
}

#[tokio::test]
async fn a_name_borne_twice_is_a_conflict_that_lists_the_ids() {
    let api = Api::new().await;
    let (one, two) = (gateway(&api, "twin").await, gateway(&api, "twin").await);
    let (kind, message) = api.get("/v2/l2-gateways/twin").await.error(409);
    assert_eq!(kind, "AmbiguousName");
    assert!(message.contains(&one) && message.contains(&two), "{message}");
    api.delete(&format!("/v2/l2-gateways/{one}")).await.expect(204);
    api.get("/v2/l2-gateways/twin").await.expect(200);
}

#[tokio::test]
async fn any_unicode_is_a_name() {
    let api = Api::new().await;
    for (name, path) in [("{\"", "%7B%22"), ("ß🐙 /?#", "%C3%9F%F0%9F%90%99%20%2F%3F%23"), ("a.json", "a.json")] {
        let id = gateway(&api, name).await;
        let shown = api.get(&format!("/v2/l2-gateways/{path}")).await.expect(200);
        assert_eq!((&shown["l2_gateway"]["id"], &shown["l2_gateway"]["name"]), (&json!(id), &json!(name)));
    }
}

#[tokio::test]
async fn a_gateway_is_updated_by_put_and_by_post() {
    let api = Api::new().await;
    let id = gateway(&api, "gw").await;
    let put = json!({"l2_gateway": {"name": "renamed", "tenant_id": "t2", "devices": [
        {"device_name": "tor-switch-1", "new_interfaces": [{"name": "Ethernet41", "segmentation-id": [9]}],
         "deleted_interfaces": [{"name": "Ethernet40"}]}]}});
    let updated = api.put("/v2/l2-gateways/gw", &put).await.expect(200);
    let expected = json!({"id": id, "tenant_id": "t2", "name": "renamed", "devices": [
        {"device_name": "tor-switch-1", "interfaces": [{"name": "Ethernet41", "segmentation-id": [9]}]},
        {"device_name": "tor-switch-2", "interfaces": [{"name": "Ethernet40", "segmentation-id": [7, 8]}]}]});
    assert_eq!(updated, json!({"l2_gateway": expected}));

    // The specification's own form, by name and by UUID; deletions beside the devices, as it prints them.
    let post = json!({"l2_gateway": {"name": "renamed", "devices": [
        {"device_name": "tor-switch-2", "new_interfaces": [{"name": "Ethernet42", "segmentation_id": [4]}]},
        {"deleted_interfaces": [{"name": "Ethernet40"}]}]}});
    let updated = api.post("/v2/l2-gateways", &post).await.expect(200);
    assert_eq!(updated["l2_gateway"]["name"], "renamed");
    assert_eq!(
        updated["l2_gateway"]["devices"][1]["interfaces"],
        json!([{"name": "Ethernet42", "segmentation-id": [4]}])
    );
    let post = json!({"l2_gateway": {"name": id, "devices": [
        {"device_name": "tor-switch-2", "new_interfaces": [{"name": "Ethernet42", "segmentation-id": [5]}]}]}});
    let updated = api.post("/v2/l2-gateways", &post).await.expect(200);
    assert_eq!(updated["l2_gateway"]["devices"][1]["interfaces"][0]["segmentation-id"], json!([4, 5]));
    assert_eq!(updated["l2_gateway"]["name"], "renamed", "the UUID names the gateway, it does not rename it");

    let unknown = json!({"l2_gateway": {"name": "nobody", "deleted_interfaces": [{"name": "x"}]}});
    assert_eq!(api.post("/v2/l2-gateways", &unknown).await.error(404).0, "L2GatewayNotFound");
    let device = json!({"l2_gateway": {"devices": [{"device_name": "tor-9", "new_interfaces": [{"name": "x"}]}]}});
    assert_eq!(api.put("/v2/l2-gateways/renamed", &device).await.error(404).0, "L2GatewayDeviceNotFound");
}

#[tokio::test]
async fn a_connection_is_created_by_name_or_uuid_bare_or_wrapped() {
    let api = Api::new().await;
    let (gateway, net) = (gateway(&api, "gw").await, network(&api, "network1").await);
    let body = json!({"network_id": "network1", "gateway_id": "gw", "default_segmentation_id": 50, "tenant_id": "t9"});
    let created = api.post("/v2/l2-gateway-connections", &body).await.expect(201);
    let id = created["connection_id"].as_str().unwrap();
    let port = created["port_id"].as_str().unwrap();
    assert!(!port.is_empty());
    let expected = json!({"connection_id": id, "tenant_id": "t9", "network_id": net, "gateway_id": gateway,
                          "default_segmentation_id": 50, "port_id": port});
    assert_eq!(created, expected);
    assert_eq!(api.get(&format!("/v2/l2-gateway-connections/{id}")).await.expect(200), expected);
    let list = api.get("/v2/l2-gateway-connections").await.expect(200);
    assert_eq!(list, json!({"l2_gateway_connections": [expected]}));
    let filtered = api.get("/v2/l2-gateway-connections?default_segmentation_id=50").await.expect(200);
    assert_eq!(filtered["l2_gateway_connections"][0]["connection_id"], id);

    let status = api.get(&format!("/v2/l2-gateway-connections/{id}/status")).await.expect(200);
    assert_eq!(status["connection_id"], id);
    assert!(status["status"].is_string() && status["switches"].is_array(), "{status}");

    assert_eq!(api.post("/v2/l2-gateway-connections", &body).await.error(409).0, "L2GatewayConnectionExists");
    assert_eq!(api.delete("/v2/l2-gateways/gw").await.error(409).0, "L2GatewayInUse");
    assert_eq!(api.delete(&format!("/v2.0/networks/{net}")).await.error(409).0, "NetworkInUse");
    let other = network(&api, "network2").await;
    let taken = json!({"network_id": other, "gateway_id": "gw", "default_segmentation_id": 50});
    assert_eq!(api.post("/v2/l2-gateway-connections", &taken).await.error(409).0, "L2GatewayDuplicateSegmentationID");

    api.delete(&format!("/v2/l2-gateway-connections/{id}")).await.expect(204);
    let wrapped = json!({"l2_gateway_connection": {"network_id": other, "gateway_id": gateway, "port_id": "p",
                                                   "default_segmentation_id": 0}});
    let created = api.post("/v2/l2-gateway-connections", &wrapped).await.expect(201);
    assert_eq!((&created["port_id"], &created["default_segmentation_id"]), (&json!("p"), &json!(0)));
}

#[tokio::test]
async fn a_connection_needs_what_it_joins() {
    let api = Api::new().await;
    gateway(&api, "gw").await;
    network(&api, "net").await;
    let local = json!({"network": {"name": "local", "provider:network_type": "local"}});
    api.post("/v2.0/networks", &local).await.expect(201);
    for (gateway, network, vlan, status, kind) in [
        ("none", "net", json!(5), 404, "L2GatewayNotFound"),
        ("gw", "none", json!(5), 404, "NetworkNotFound"),
        ("gw", "local", json!(5), 404, "VxlanSegmentationIDNotFound"),
        ("gw", "net", Value::Null, 400, "InvalidInput"),
    ] {
        let body = json!({"gateway_id": gateway, "network_id": network, "default_segmentation_id": vlan});
        let answer = api.post("/v2/l2-gateway-connections", &body).await;
        assert_eq!(answer.error(status).0, kind, "{body}");
    }
}
