//! The use case through the admin socket, and what it shares with REST.

use serde_json::{Value, json};

use super::scene::{COMPUTE_1, MACHINES, Scene, many_ports};
use crate::support::{PATIENCE, daemon::Home, eventually, tor::Tor};

#[test]
fn the_admin_socket_does_what_rest_does() {
    let tor = Tor::start("t", "192.0.2.1");
    let before = tor.dump();
    let daemon = Home::new().tor(&tor).start();
    let rest = daemon.rest();
    rest.network("n");
    let gateway = json!({"name": "g", "devices": [{"device_name": "t", "interfaces": [{"name": "Ethernet40"}]}]});
    let gateway = daemon.admin("gateway_create", &json!({"l2_gateway": gateway}));
    assert_eq!(rest.get("/v2/l2-gateways/g").expect(200), gateway);
    let connection = json!({"gateway_id": "g", "network_id": "n", "default_segmentation_id": 50});
    let connection = daemon.admin("connection_create", &connection);
    let id = connection["connection_id"].as_str().expect("its id").to_owned();
    assert_eq!(rest.get(&format!("/v2/l2-gateway-connections/{id}")).expect(200), connection);
    let name = json!({"connection": id});
    eventually("the connection is active", PATIENCE, || {
        let status = daemon.admin("connection_status", &name);
        if status["status"] == "active" { Ok(()) } else { Err(status.to_string()) }
    });
    assert_eq!(tor.dump().bindings().len(), 1);
    let shown = daemon.admin("switch_show", &json!({"switch": "t"}));
    assert_eq!((&shown["name"], &shown["status"]), (&json!("t"), &json!("active")));

    let update = json!({"devices": [{"device_name": "t", "new_interfaces": [{"name": "Ethernet41"}]}]});
    daemon.admin("gateway_update", &json!({"gateway": "g", "l2_gateway": update}));
    tor.wait("the second port is bound", |dump| dump.bindings().len() == 2);

    daemon.admin("connection_delete", &name);
    tor.wait("all of it goes", |dump| *dump == before);
    daemon.admin("gateway_delete", &json!({"gateway": "g"}));
    assert_eq!(daemon.admin("gateway_list", &Value::Null)["l2_gateways"], json!([]));
}

#[test]
fn what_is_wrong_is_told() {
    let daemon = Home::new().start();
    let error = |method: &str, params: Value| {
        let answer = daemon.admin_raw(method, &params);
        assert!(answer.get("result").is_none(), "{method} {params}: {answer}");
        (answer["error"]["code"].as_i64().expect("a code"), answer["error"]["message"].to_string())
    };
    assert_eq!(error("no_such_method", json!({})).0, -32601);
    assert_eq!(error("gateway_show", json!({"gatevay": "g"})).0, -32602);
    assert!(error("gateway_show", json!({"gateway": "nobody's"})).1.contains("nobody's"));
    assert!(error("switch_release", json!({"switch": "nobody's"})).1.contains("nobody's"));
}

/// The guard's release from the operator's side.
#[test]
fn a_held_switch_is_released() {
    /// More than the guard lets pass.
    const PORTS: u32 = 20;
    let tor = Tor::start("t", "192.0.2.1");
    let factory = tor.dump();
    let mut scene = Scene::on(&tor);
    scene.rest.post("/v2.0/ports", &many_ports(&scene.network, PORTS, &[COMPUTE_1.0])).expect(201);
    let rows = PORTS as usize + MACHINES.len();
    tor.wait_rows("Ucast_Macs_Remote", rows, PATIENCE);
    scene.daemon.kill();
    scene.daemon.home.forget();
    scene.daemon.start();
    scene.daemon.rest().wait_switch("t", "it is held", |now| now["status"] == "held");
    assert_eq!(tor.rpc().count("Ucast_Macs_Remote"), rows);
    scene.daemon.admin("switch_release", &json!({"switch": "t"}));
    tor.wait("it is cleaned up", |dump| *dump == factory);
}
