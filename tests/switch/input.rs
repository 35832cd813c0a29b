//! What clients may send without harm: any name, any nonsense.

use serde_json::{Value, json};

use super::scene::{COMPUTE_1, Scene, logical_switch};
use crate::support::{daemon::Home, tor::Tor};

/// Names that break what isn't quoted.
const NAMES: [&str; 10] = [
    r#"{""#,
    r#"}]"\"#,
    "名前 🦀 ﷽",
    "\u{202e}right-to-left\u{1}\u{7f}",
    "'; DROP TABLE pg_l2gateways; --",
    "a/b?c=d&e#f %2F",
    " ",
    "\u{feff}\r\n\t",
    "['set',[]]",
    "00000000-0000-0000-0000-000000000000",
];

#[test]
fn any_name_breaks_nothing() {
    let tor = Tor::start("t", "192.0.2.1");
    let before = tor.dump();
    let daemon = Home::new().tor(&tor).start();
    let rest = daemon.rest();
    rest.endpoint(COMPUTE_1.0, COMPUTE_1.1);
    let mut connections = Vec::new();
    for (name, vlan) in NAMES.iter().zip(100..) {
        let network = rest.network(name);
        let read = rest.get(&format!("/v2.0/networks/{network}")).expect(200);
        assert_eq!(read["network"]["name"], *name);
        let gateway = rest.gateway(name, &[("t", &["Ethernet40"])]);
        assert_eq!(rest.get(&format!("/v2/l2-gateways/{gateway}")).expect(200)["l2_gateway"]["name"], *name);
        rest.port(&network, &format!("fa:16:3e:00:00:{vlan:02x}"), "10.0.0.1", COMPUTE_1.0);
        let connection = rest.connect(&gateway, &network, vlan);
        connections.push((connection, network));
    }
    for (connection, network) in &connections {
        rest.wait_status(connection, "active");
        assert!(tor.dump().logical_switches().contains_key(&logical_switch(network)));
    }
    for (connection, _) in &connections {
        rest.disconnect(connection);
    }
    tor.wait("all of it goes", |dump| *dump == before);
}

/// Hosts and devices are names too; one that no switch bears is no error.
#[test]
fn any_host_and_device_name_breaks_nothing() {
    let tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    for (name, i) in NAMES.iter().zip(1..) {
        let body = json!({"port": {"network_id": scene.network, "binding:host_id": name}});
        let answer = scene.rest.post("/v2.0/ports", &body);
        assert!(matches!(answer.status, 201 | 400), "{name:?}: {}", String::from_utf8_lossy(&answer.body));
        let body = json!({"l2_gateway": {"name": format!("g{i}"), "devices": [
            {"device_name": name, "interfaces": [{"name": name, "segmentation-id": [i]}]}]}});
        let answer = scene.rest.post("/v2/l2-gateways", &body);
        assert!(matches!(answer.status, 201 | 400), "{name:?}: {}", String::from_utf8_lossy(&answer.body));
    }
    // PostgreSQL can't store NUL: it may be refused, but not with a 500.
    let answer = scene.rest.post("/v2.0/networks", &json!({"network": {"name": "nul\u{0}"}}));
    assert!(matches!(answer.status, 201 | 400), "{}", String::from_utf8_lossy(&answer.body));
    assert!(scene.is_on(&tor.dump()));
}

#[test]
fn malformed_input_is_told_as_such() {
    let tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    let (rest, good) = (&scene.rest, tor.dump());
    let gateways = "/v2/l2-gateways";
    let connections = "/v2/l2-gateway-connections";
    let unknown = "11111111-2222-4333-8444-555555555555";
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let device = |interfaces: Value| json!([{"device_name": "t", "interfaces": interfaces}]);
    let gateway = |devices: Value| json!({"l2_gateway": {"name": "g", "devices": devices}}).to_string();
    let vlan = |ids: Value| gateway(device(json!([{"name": "Ethernet41", "segmentation-id": ids}])));
    let connection = |vlan: Value| {
        json!({"gateway_id": scene.gateway, "network_id": scene.network, "default_segmentation_id": vlan}).to_string()
    };
    let port = |port: Value| json!({"port": port}).to_string();
    let cases: Vec<(&str, String, String, u16)> = vec![
        ("POST", gateways.into(), "{".into(), 400),
        ("POST", gateways.into(), "[]".into(), 400),
        ("POST", gateways.into(), "\"\\ud800\"".into(), 400),
        ("POST", gateways.into(), deep, 400),
        ("POST", gateways.into(), json!({"l2_gateway": []}).to_string(), 400),
        ("POST", gateways.into(), json!({"gateway": {}}).to_string(), 400),
        ("POST", gateways.into(), json!({"l2_gateway": {"name": 7, "devices": []}}).to_string(), 400),
        ("POST", gateways.into(), gateway(json!([])), 400),
        ("POST", gateways.into(), gateway(json!({})), 400),
        ("POST", gateways.into(), gateway(json!(["t"])), 400),
        ("POST", gateways.into(), gateway(device(json!("Ethernet41"))), 400),
        ("POST", gateways.into(), gateway(device(json!([{"name": ""}]))), 400),
        ("POST", gateways.into(), gateway(device(json!([{"name": "x".repeat(37)}]))), 400),
        ("POST", gateways.into(), vlan(json!([4095])), 400),
        ("POST", gateways.into(), vlan(json!([-1])), 400),
        ("POST", gateways.into(), vlan(json!([1.5])), 400),
        ("POST", gateways.into(), vlan(json!(["many"])), 400),
        ("POST", gateways.into(), vlan(json!({"50": true})), 400),
        ("POST", gateways.into(), vlan(json!([10_000_000_000_000_000_000_u64])), 400),
        ("GET", format!("{gateways}/{unknown}"), String::new(), 404),
        ("GET", format!("{gateways}/%FF%FE"), String::new(), 400),
        ("DELETE", format!("{gateways}/no-such-gateway"), String::new(), 404),
        ("PUT", format!("{gateways}/{unknown}"), gateway(device(json!([]))), 400),
        ("POST", connections.into(), "null".into(), 400),
        ("POST", connections.into(), json!({"gateway_id": 1, "network_id": 2}).to_string(), 400),
        ("POST", connections.into(), connection(json!("x")), 400),
        ("POST", connections.into(), connection(json!(4095)), 400),
        ("POST", connections.into(), connection(json!([50])), 400),
        ("POST", connections.into(), json!({"gateway_id": unknown, "network_id": scene.network}).to_string(), 404),
        ("POST", connections.into(), json!({"gateway_id": scene.gateway, "network_id": unknown}).to_string(), 404),
        ("GET", format!("{connections}/{unknown}"), String::new(), 404),
        ("GET", format!("{connections}/{unknown}/status"), String::new(), 404),
        ("DELETE", format!("{connections}/not-a-uuid"), String::new(), 404),
        ("GET", "/v2/switches/no-such-switch".into(), String::new(), 404),
        ("GET", "/v2/no-such-thing".into(), String::new(), 404),
        ("PATCH", gateways.into(), "{}".into(), 405),
        ("POST", "/v2.0/networks".into(), json!({"network": {"provider:segmentation_id": 0}}).to_string(), 400),
        (
            "POST",
            "/v2.0/networks".into(),
            json!({"network": {"provider:segmentation_id": 16_777_216}}).to_string(),
            400,
        ),
        ("POST", "/v2.0/ports".into(), port(json!({})), 400),
        ("POST", "/v2.0/ports".into(), port(json!({"network_id": unknown})), 404),
        ("POST", "/v2.0/ports".into(), port(json!({"network_id": scene.network, "mac_address": "nonsense"})), 400),
        (
            "POST",
            "/v2.0/ports".into(),
            port(json!({"network_id": scene.network, "fixed_ips": [{"ip_address": "10.0.0.256"}]})),
            400,
        ),
        (
            "POST",
            "/v2.0/tunnel-endpoints".into(),
            json!({"tunnel_endpoint": {"host": "h", "ip_address": "2001:db8::1"}}).to_string(),
            400,
        ),
        ("GET", "/v2.0/ports/not-a-uuid".into(), String::new(), 404),
    ];
    let mut wrong = Vec::new();
    for (method, path, body, status) in cases {
        let answer = rest.raw(method, &path, &[], body.as_bytes()).expect("an answer");
        let short: String = body.chars().take(120).collect();
        if answer.status != status {
            let words = String::from_utf8_lossy(&answer.body).into_owned();
            wrong.push(format!("{method} {path} {short}: {} {words}, not {status}", answer.status));
        } else if answer.status != 405 && answer.error_type().is_empty() {
            wrong.push(format!("{method} {path} {short}: no NeutronError in the answer"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let not_utf8 = rest.raw("POST", gateways, &[], b"{\"l2_gateway\": {\"name\": \"\xff\"}}").expect("an answer");
    assert_eq!(not_utf8.status, 400);
    assert_eq!(tor.dump(), good);
    assert_eq!(rest.get(gateways).expect(200)["l2_gateways"].as_array().expect("gateways").len(), 1);
}

/// Allowed address pairs of no single station are refused, and nothing is written.
#[test]
fn address_pairs_of_no_single_station_are_refused() {
    let tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    let good = tor.dump();
    let port = format!("/v2.0/ports/{}", scene.ports[0]);
    let router = "00:00:5e:00:01:01";
    for (mac, ip) in [
        ("01:00:5e:7f:00:64", "10.0.0.100"),
        ("03:bf:0a:00:00:64", "10.0.0.100"),
        ("ff:ff:ff:ff:ff:ff", "10.0.0.100"),
        ("00:00:00:00:00:00", "10.0.0.100"),
        (router, "224.0.0.18"),
        (router, "ff02::12"),
        (router, "224.0.0.0/4"),
        (router, "255.255.255.255"),
    ] {
        let pairs = json!([{"mac_address": mac, "ip_address": ip}]);
        let answer = scene.rest.put(&port, &json!({"port": {"allowed_address_pairs": pairs}})).expect(400);
        assert!(answer.to_string().contains("allowed_address_pairs[0]"), "{answer}");
    }
    assert_eq!(tor.dump(), good);
    // A router's, and a prefix of addresses, are fine.
    let pairs = json!([{"mac_address": router, "ip_address": "10.0.0.100"}, {"ip_address": "0.0.0.0/0"}]);
    scene.rest.put(&port, &json!({"port": {"allowed_address_pairs": pairs}})).expect(200);
    tor.wait("the router's MAC", |dump| dump.macs().iter().any(|row| row.address == router));
}

#[test]
fn a_body_over_64_mib_is_413() {
    let daemon = Home::new().start();
    let rest = daemon.rest();
    let mut body = br#"{"ports": [""#.to_vec();
    body.resize(65 * 1024 * 1024, b'x');
    let answer = rest.raw("POST", "/v2.0/ports", &[], &body).expect("an answer");
    assert_eq!(answer.status, 413);
    rest.get("/v2/l2-gateways").expect(200);
}

#[test]
fn only_the_token_opens_the_door() {
    let daemon = Home::new().start();
    let mut rest = daemon.rest();
    let token = rest.token.take();
    let refused = rest.get("/v2/l2-gateways").expect(401);
    assert_eq!(refused["error"]["code"], 401, "{refused}");
    rest.token = Some("wrong".to_owned());
    rest.get("/v2/l2-gateways").expect(401);
    rest.post("/v2.0/ports", &json!({"ports": []})).expect(401);
    // Health is for anybody.
    rest.get("/healthz").expect(200);
    rest.get("/readyz").expect(200);
    rest.token = token;
    rest.get("/v2/l2-gateways").expect(200);
}
