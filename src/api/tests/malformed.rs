//! Bodies that can't be used: status, type and the member that is named. Never a 500.

use serde_json::json;

use super::harness::Api;

const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// Method, path, body, type of the error, and what its message contains.
const BODIES: &[(&str, &str, &str, &str, &str)] = &[
    // no JSON
    ("POST", "/v2/l2-gateways", "", "HTTPBadRequest", "body is empty"),
    ("POST", "/v2/l2-gateways", "{\"l2_gateway\": ", "HTTPBadRequest", "line 1, column 15"),
    ("POST", "/v2/l2-gateways", "\u{feff}{}", "HTTPBadRequest", "not JSON"),
    ("POST", "/v2/l2-gateways", "{'l2_gateway': {}}", "HTTPBadRequest", "not JSON"),
    ("POST", "/v2/l2-gateways", "{\"l2_gateway\": {\"name\": \"\\ud800\"}}", "HTTPBadRequest", "not JSON"),
    ("POST", "/v2.0/ports", "{\"port\": {\"network_id\": \"x\"}} trailing", "HTTPBadRequest", "line 1, column 31"),
    ("PUT", "/v2.0/ports/x", "<xml/>", "HTTPBadRequest", "not JSON"),
    // wrong wrapper
    ("POST", "/v2/l2-gateways", "{}", "InvalidInput", "missing field `l2_gateway`"),
    ("POST", "/v2/l2-gateways", "[]", "InvalidInput", "expected an object"),
    ("POST", "/v2/l2-gateways", "null", "InvalidInput", "expected an object"),
    ("POST", "/v2/l2-gateways", "{\"name\": \"gw\"}", "InvalidInput", "unknown field `name`, expected `l2_gateway`"),
    ("POST", "/v2.0/networks", "{}", "InvalidInput", "needs `network`, or `networks`"),
    ("POST", "/v2.0/networks", "{\"networks\": []}", "InvalidInput", "networks: is empty"),
    (
        "POST",
        "/v2.0/networks",
        "{\"network\": {}, \"networks\": [{}]}",
        "InvalidInput",
        "both `network` and `networks`",
    ),
    ("POST", "/v2.0/ports", "{\"ports\": {}}", "InvalidInput", "ports: invalid type: object, expected a list"),
    // wrong types and values
    ("POST", "/v2/l2-gateways", "{\"l2_gateway\": {\"name\": true}}", "InvalidInput", "l2_gateway.name: "),
    ("POST", "/v2/l2-gateways", "{\"l2_gateway\": {\"devices\": \"tor\"}}", "InvalidInput", "l2_gateway.devices: "),
    (
        "POST",
        "/v2/l2-gateways",
        "{\"l2_gateway\": {\"name\": \"g\", \"devices\": [{\"device_name\": \"t\", \"interfaces\": [{\"name\": \"a\"}, \
         {\"name\": \"b\", \"segmentation-id\": [5000]}]}]}}",
        "InvalidInput",
        "l2_gateway.devices[0].interfaces[1].segmentation-id[0]: 5000 is not a VLAN",
    ),
    (
        "PUT",
        "/v2/l2-gateways/x",
        "{\"l2_gateway\": {\"devices\": [{\"device_name\": \"t\", \"interfaces\": []}]}}",
        "InvalidInput",
        "l2_gateway.devices[0].interfaces: an update takes",
    ),
    (
        "POST",
        "/v2/l2-gateway-connections",
        "{\"gateway_id\": \"g\", \"network_id\": \"n\", \"default_segmentation_id\": 1e3}",
        "InvalidInput",
        "default_segmentation_id: invalid type: floating point",
    ),
    ("POST", "/v2/l2-gateway-connections", "{\"gateway_id\": \"g\"}", "InvalidInput", "network_id: is missing"),
    ("POST", "/v2.0/networks", "{\"network\": {\"colour\": 1}}", "InvalidInput", "unknown field `colour`"),
    ("POST", "/v2.0/networks", "{\"network\": {\"id\": \"x\"}}", "InvalidInput", "unknown field `id`"),
    (
        "POST",
        "/v2.0/networks",
        "{\"network\": {\"provider:segmentation_id\": 0}}",
        "InvalidInput",
        "network.provider:segmentation_id: 0 is not a VXLAN network identifier",
    ),
    (
        "POST",
        "/v2.0/networks",
        "{\"networks\": [{}, {\"provider:segmentation_id\": \"7.5\"}]}",
        "InvalidInput",
        "networks[1].provider:segmentation_id: invalid value: string \"7.5\", expected an integer, or a string that holds one",
    ),
    (
        "POST",
        "/v2.0/networks",
        "{\"network\": {\"provider:network_type\": \"vlan\"}}",
        "InvalidInput",
        "network.provider:network_type: 'vlan'",
    ),
    (
        "POST",
        "/v2.0/networks",
        "{\"network\": {\"tenant_id\": \"a\", \"project_id\": \"b\"}}",
        "InvalidInput",
        "network.project_id: differs",
    ),
    ("PUT", "/v2.0/networks/x", "{\"network\": {\"provider:segmentation_id\": 7}}", "InvalidInput", "unknown field"),
    ("POST", "/v2.0/ports", "{\"port\": {}}", "InvalidInput", "port: missing field `network_id`"),
    (
        "POST",
        "/v2.0/ports",
        "{\"ports\": [{\"network_id\": \"n\", \"mac_address\": \"nope\"}]}",
        "InvalidInput",
        "ports[0].mac_address: 'nope' is not a MAC address",
    ),
    (
        "POST",
        "/v2.0/ports",
        "{\"port\": {\"network_id\": \"n\", \"fixed_ips\": [{\"ip_address\": \"10.0.0.256\"}]}}",
        "InvalidInput",
        "port.fixed_ips[0].ip_address: ",
    ),
    ("PUT", "/v2.0/ports/x", "{\"port\": {\"network_id\": \"n\"}}", "InvalidInput", "unknown field `network_id`"),
    ("PUT", "/v2.0/ports/x", "{\"port\": {\"binding:host_id\": 5}}", "InvalidInput", "port.binding:host_id: "),
    ("POST", "/v2.0/tunnel-endpoints", "{\"tunnel_endpoint\": {}}", "InvalidInput", "missing field `host`"),
    (
        "POST",
        "/v2.0/tunnel-endpoints",
        "{\"tunnel_endpoint\": {\"host\": \"c1\", \"ip_address\": \"fd00::1\"}}",
        "InvalidInput",
        "IPv6",
    ),
];

#[tokio::test]
async fn wrong_bodies_are_400_and_name_the_member() {
    let api = Api::new().await;
    for (method, path, body, kind, message) in BODIES {
        let (found_kind, found) = api.send(method, path, *body).await.error(400);
        assert_eq!(&found_kind, kind, "{method} {path} {body}: {found}");
        assert!(found.contains(message), "{method} {path} {body}: {found}");
    }
    for list in ["/v2/l2-gateways", "/v2/l2-gateway-connections", "/v2.0/networks", "/v2.0/ports"] {
        let body = api.get(list).await.expect(200);
        let rows = body.as_object().unwrap().values().next().unwrap();
        assert_eq!(rows, &json!([]), "{list}: nothing was created");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_400() {
    let api = Api::new().await;
    for body in [&b"\xff\xfe"[..], b"{\"l2_gateway\": {\"name\": \"\xc3\x28\"}}", b"\0", b"{\"l2_gateway\":\x01}"] {
        assert_eq!(api.send("POST", "/v2/l2-gateways", body.to_vec()).await.error(400).0, "HTTPBadRequest");
    }
}

#[tokio::test]
async fn any_nesting_and_any_length_is_an_answer() {
    let api = Api::new().await;
    for open in ["[", "{\"l2_gateway\":", "{\"l2_gateway\":{\"devices\":["] {
        api.send("POST", "/v2/l2-gateways", open.repeat(100_000)).await.error(400);
    }
    let name = "\u{10ffff}".repeat(300_000);
    let answer = api.post("/v2/l2-gateways", &json!({"l2_gateway": {"name": name, "devices": []}})).await;
    answer.error(400);
    assert!(answer.body.len() < 20_000);
}

#[tokio::test]
async fn what_does_not_exist_is_404_whatever_it_is_called() {
    let api = Api::new().await;
    for name in [NIL, "x", "%7B%22", "%00", "a%2Fb", "%F0%9F%90%99", "'; drop table pg_l2gateways; --%20"] {
        let name = name.replace(' ', "%20");
        for (path, kind) in [
            ("/v2/l2-gateways", "L2GatewayNotFound"),
            ("/v2/l2-gateway-connections", "L2GatewayConnectionNotFound"),
            ("/v2.0/l2-gateways", "L2GatewayNotFound"),
            ("/v2.0/l2-gateway-connections", "L2GatewayConnectionNotFound"),
            ("/v2.0/networks", "NetworkNotFound"),
            ("/v2.0/ports", "PortNotFound"),
            ("/v2.0/tunnel-endpoints", "TunnelEndpointNotFound"),
        ] {
            let path = format!("{path}/{name}");
            assert_eq!(api.get(&path).await.error(404).0, kind, "GET {path}");
            assert_eq!(api.delete(&path).await.error(404).0, kind, "DELETE {path}");
        }
        let status = api.get(&format!("/v2/l2-gateway-connections/{name}/status")).await;
        assert_eq!(status.error(404).0, "L2GatewayConnectionNotFound");
    }
}

#[tokio::test]
async fn lists_of_a_request_are_bounded_while_they_are_read() {
    let api = Api::new().await;
    let many = |list: &str, count: usize| format!("[{}{list}]", format!("{list},").repeat(count - 1));
    for (path, body, at) in [
        ("networks", format!(r#"{{"networks": {}}}"#, many("{}", 20_001)), "networks"),
        ("ports", format!(r#"{{"port": {{"fixed_ips": {}}}}}"#, many("{}", 4097)), "port.fixed_ips"),
        ("l2-gateways", format!(r#"{{"l2_gateway": {{"devices": {}}}}}"#, many("{}", 4097)), "l2_gateway.devices"),
    ] {
        let (_, message) = api.send("POST", &format!("/v2.0/{path}"), body).await.error(400);
        assert!(message.starts_with(at) && message.contains("has more than"), "{message}");
    }
}
