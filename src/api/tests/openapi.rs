//! The document itself.

use super::{
    harness::Api,
    schema::{complaints, event_complaints},
};
use crate::api::openapi::document;

#[tokio::test]
async fn every_call_that_is_described_is_there() {
    let api = Api::new().await;
    let document = api.get("/openapi.json").await.expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    for path in ["/v2/l2-gateways", "/v2.0/l2-gateways/{id}", "/v2.0/ports", "/readyz"] {
        assert!(paths.contains_key(path), "{path}");
    }
    for (path, item) in paths {
        let named = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
        let named = named.collect::<Vec<_>>().join("/");
        let methods: Vec<_> = item.as_object().unwrap().keys().cloned().collect();
        for method in &methods {
            let answer = api.send(&method.to_uppercase(), &named, "").await;
            let body = String::from_utf8_lossy(&answer.body);
            assert!(answer.status != 405 && !body.contains("HTTPNotFound"), "{method} {path}: {body}");
        }
        // And nothing else: Allow names what the router knows.
        let allowed = api.send("PATCH", &named, "").await.headers["allow"].to_str().unwrap().to_lowercase();
        let mut allowed: Vec<_> = allowed.split(',').filter(|method| *method != "head").map(str::to_owned).collect();
        allowed.sort();
        let mut told = methods;
        told.sort();
        assert_eq!(allowed, told, "{path}");
    }
}

#[test]
fn an_answer_that_differs_is_told() {
    let document = document();
    let complain = |method: &str, path: &str, status: u16, body: &str| {
        complaints(&document, (method, path), (status, "application/json"), body.as_bytes()).join("; ")
    };
    for (method, path, status, body, complaint) in [
        ("GET", "/v2.0/networks.json", 200, "{\"networks\": [{\"id\": 5}]}", ".networks[0].id: 5 is not"),
        ("GET", "/v2.0/networks/", 200, "{\"networks\": [{}]}", "name is missing"),
        ("GET", "/v2.0/networks", 200, "{\"networks\": [], \"colour\": 1}", "colour is not described"),
        ("GET", "/v2.0/networks", 404, "{\"error\": {}}", "matches 0"),
        ("GET", "/v2.0/networks", 302, "", "302 is not described"),
        ("GET", "/v2.0/routers", 200, "{}", "is not described"),
        ("DELETE", "/v2.0/networks/x", 204, "{}", "has a body"),
    ] {
        let found = complain(method, path, status, body);
        assert!(found.contains(complaint), "{method} {path} {status} {body}: {found}");
    }
    assert_eq!(complain("GET", "/v2.0/networks", 200, "{\"networks\": []}"), "");
    assert_eq!(complain("GET", "/v2.0/networks?fields=id", 200, "{\"networks\": [{}]}"), "");

    let network = serde_json::json!({"network_id": uuid::Uuid::nil(), "vni": 5, "flood": ["192.0.2.1"], "entries": []});
    let event = |kind: &str, data| event_complaints(&document, "/v2/fdb/watch", kind, &data).join("; ");
    assert_eq!(event("snapshot", serde_json::json!({"revision": 1, "networks": [network]})), "");
    assert!(event("snapshot", serde_json::json!({"networks": [network]})).contains("revision is missing"));
    assert!(event("shrug", serde_json::json!({})).contains("not described"));
}

/// Nothing refers to a schema that isn't there, and no schema is empty.
#[test]
fn every_schema_that_is_referred_to_is_described() {
    fn references(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(members) => {
                if let Some(name) = members.get("$ref").and_then(serde_json::Value::as_str) {
                    found.push(name.to_owned());
                }
                members.values().for_each(|value| references(value, found));
            }
            serde_json::Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    found.sort();
    found.dedup();
    assert!(found.len() > 30, "{found:?}");
    let missing: Vec<_> =
        found.iter().filter(|name| document.pointer(name.trim_start_matches('#')).is_none()).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // Bodies within bodies, to the last member, with the attributes that are taken.
    let resolved = |schema: &serde_json::Value| {
        let mut found = Vec::new();
        references(schema, &mut found);
        let named = found.first().and_then(|name| document.pointer(name.trim_start_matches('#')));
        named.unwrap_or(schema).clone()
    };
    for (path, member, inner) in [
        ("/v2.0/ports", "port", vec!["mac_address", "fixed_ips", "description", "binding:profile"]),
        ("/v2.0/networks", "networks", vec!["name", "mtu", "description"]),
        ("/v2.0/subnets", "subnet", vec!["cidr", "allocation_pools", "dns_nameservers"]),
        ("/v2.0/l2-gateways", "l2_gateway", vec!["name", "devices"]),
        ("/v2.0/l2-gateway-connections", "l2_gateway_connection", vec!["network_id", "segmentation_id"]),
        ("/v2.0/tunnel-endpoints", "tunnel_endpoint", vec!["host", "ip_address"]),
        ("/v2/l2-gateways", "l2_gateway", vec!["name", "devices"]),
    ] {
        let body = &document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"];
        let one = resolved(&resolved(body)["properties"][member]);
        for name in inner {
            assert!(one["properties"].get(name).is_some(), "{path} {member} {name}: {one}");
        }
    }
}
