//! A row that the switch refuses stays alone.

use serde_json::json;

use super::scene::{COMPUTE_1, Scene, many_ports};
use crate::support::{PATIENCE, daemon::Home, recorder::Recorder, tor::Tor};

/// A switch that takes no more than 15 characters of an IP address.
fn picky() -> Tor {
    Tor::with_schema("t", "192.0.2.1", |mut schema| {
        schema["tables"]["Ucast_Macs_Remote"]["columns"]["ipaddr"]["type"] =
            json!({"key": {"type": "string", "maxLength": 15}});
        schema
    })
}

const REFUSED: (&str, &str) = ("fa:16:3e:66:66:66", "2001:db8:ffff:ffff:ffff:ffff:ffff:6666");

/// In the middle of a bulk: everything else arrives, the refused row is named, and its removal heals.
#[test]
fn a_refused_row_is_quarantined() {
    let tor = picky();
    let scene = Scene::on(&tor);
    let mut ports = many_ports(&scene.network, 500, &[COMPUTE_1.0]);
    let bad = json!({"network_id": scene.network, "mac_address": REFUSED.0, "binding:host_id": COMPUTE_1.0,
                     "fixed_ips": [{"ip_address": REFUSED.1}]});
    ports["ports"].as_array_mut().expect("ports").insert(250, bad);
    let created = scene.rest.post("/v2.0/ports", &ports).expect(201);
    tor.wait_rows("Ucast_Macs_Remote", 503, PATIENCE);
    let status = scene.rest.wait_status(&scene.connection, "error");
    let reason = status["switches"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains(REFUSED.0) && reason.contains("constraint violation"), "{status}");

    // Work goes on beside it.
    scene.rest.port(&scene.network, "fa:16:3e:00:00:04", "10.0.0.14", COMPUTE_1.0);
    tor.wait_rows("Ucast_Macs_Remote", 504, PATIENCE);

    let bad = created["ports"].as_array().expect("ports").iter().find(|port| port["mac_address"] == REFUSED.0);
    let bad = bad.expect("the refused port")["id"].as_str().expect("its id").to_owned();
    scene.rest.delete(&format!("/v2.0/ports/{bad}")).expect(204);
    scene.rest.wait_status(&scene.connection, "active");
    assert_eq!(tor.rpc().count("Ucast_Macs_Remote"), 504);
}

/// The refused row is tried again with backoff, not in a loop: other work is not drowned by it.
#[test]
fn a_refused_row_is_not_hammered() {
    let tor = picky();
    let recorder = Recorder::start(tor.socket());
    let scene = Scene::with(Home::new().recorded(&tor, &recorder), "t");
    scene.rest.port(&scene.network, REFUSED.0, REFUSED.1, COMPUTE_1.0);
    scene.rest.wait_status(&scene.connection, "error");
    for i in 0..20 {
        scene.rest.port(&scene.network, &format!("fa:16:3e:00:02:{i:02x}"), "10.0.0.14", COMPUTE_1.0);
        tor.wait_rows("Ucast_Macs_Remote", 4 + i, PATIENCE);
    }
    let tries = recorder.transacts().iter().filter(|sent| sent.to_string().contains(REFUSED.0)).count();
    assert!((1..=6).contains(&tries), "{tries} transactions carried the refused row");
}
