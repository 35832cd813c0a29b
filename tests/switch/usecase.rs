//! The specification's use case, step by step, and the shapes of bindings.

use serde_json::json;

use super::scene::{COMPUTE_1, COMPUTE_2, MACHINES, Scene, logical_switch, macs, set};
use crate::support::{daemon::Home, tor::Tor};

/// Steps 1-3 and 10-11 on two switches; afterwards both are as they were.
#[test]
fn the_use_case_of_the_specification() {
    let tors = [Tor::start("tor-switch-1", "192.0.2.1"), Tor::start("tor-switch-2", "192.0.2.2")];
    let before = tors.each_ref().map(Tor::dump);
    let home = Home::new().tor(&tors[0]).tor_on_unix(&tors[1]);
    let scene = Scene::begin(home, &["tor-switch-1", "tor-switch-2"]);
    let status = scene.rest.wait_status(&scene.connection, "active");
    let bindings = status["switches"].as_array().expect("switches");
    assert_eq!(bindings.len(), 2, "{status}");
    for binding in bindings {
        assert_eq!((&binding["port"], &binding["vlan"]), (&json!("Ethernet40"), &json!(50)), "{status}");
        assert_eq!(binding["rows_desired"], binding["rows_actual"], "{status}");
    }

    let name = scene.logical_switch();
    for tor in &tors {
        let dump = tor.dump();
        assert!(scene.is_on(&dump), "{}: {dump:#?}", tor.name());
        assert_eq!(dump.logical_switches(), [(name.clone(), Some(scene.vni()))].into());
        assert_eq!(dump.rows("Logical_Switch")[0]["replication_mode"], "source_node");
        // vtep-ctl reads the same.
        assert!(tor.vtep_ctl(&["list-bindings", tor.name(), "Ethernet40"]).ends_with(&format!(" {name}")));
        let remote = tor.vtep_ctl(&["list-remote-macs", &name]);
        for (mac, _, (_, vtep)) in MACHINES {
            assert!(remote.contains(&format!("{mac} -> vxlan_over_ipv4/{vtep}")), "{remote}");
        }
        for (_, vtep) in [COMPUTE_1, COMPUTE_2] {
            assert!(remote.contains(&format!("unknown-dst -> vxlan_over_ipv4/{vtep}")), "{remote}");
        }
    }

    // While it is connected, neither the gateway nor the network can go.
    scene.rest.delete("/v2/l2-gateways/vtep-gateway-1").expect(409);
    scene.rest.delete(&format!("/v2.0/networks/{}", scene.network)).expect(409);

    scene.rest.disconnect(&scene.connection);
    for (tor, before) in tors.iter().zip(&before) {
        tor.wait("step 10: all of it goes", |dump| dump == before);
    }
    scene.rest.delete("/v2/l2-gateways/vtep-gateway-1").expect(204);
    scene.rest.get("/v2/l2-gateways/vtep-gateway-1").expect(404);
    assert_eq!(scene.rest.get("/v2/l2-gateways").expect(200), json!({"l2_gateways": []}));
    assert_eq!(tors.each_ref().map(Tor::dump), before);
}

#[test]
fn each_interface_gets_its_vlans_or_the_default() {
    let tor = Tor::start("t", "192.0.2.1");
    let daemon = Home::new().tor(&tor).start();
    let rest = daemon.rest();
    let network = rest.network("n");
    let devices = json!([{"device_name": "t", "interfaces": [
        {"name": "Ethernet40", "segmentation-id": [0, 100, 4094]}, {"name": "Ethernet41"}]}]);
    rest.post("/v2/l2-gateways", &json!({"l2_gateway": {"name": "g", "devices": devices}})).expect(201);
    let connection = rest.connect("g", "n", 7);
    rest.wait_status(&connection, "active");
    let name = logical_switch(&network);
    let wanted = [("Ethernet40", 0), ("Ethernet40", 100), ("Ethernet40", 4094), ("Ethernet41", 7)];
    assert_eq!(tor.dump().bindings(), wanted.map(|(port, vlan)| ((port.to_owned(), vlan), name.clone())).into());
    assert!(tor.vtep_ctl(&["list-bindings", "t", "Ethernet40"]).starts_with("0000 "));
}

#[test]
fn a_network_without_machines_has_no_flood_list() {
    let tor = Tor::start("t", "192.0.2.1");
    let daemon = Home::new().tor(&tor).start();
    let rest = daemon.rest();
    let network = rest.network("n");
    rest.gateway("g", &[("t", &["Ethernet40"])]);
    let connection = rest.connect("g", "n", 7);
    rest.wait_status(&connection, "active");
    assert_eq!(tor.dump().floods(), []);
    assert_eq!(tor.dump().macs(), []);
    // The first machine brings both.
    rest.endpoint(COMPUTE_1.0, COMPUTE_1.1);
    rest.port(&network, MACHINES[0].0, MACHINES[0].1, COMPUTE_1.0);
    let name = logical_switch(&network);
    let dump = tor.wait("the first machine", |dump| !dump.macs().is_empty() && !dump.floods().is_empty());
    assert_eq!(dump.floods(), [(name.clone(), set(&[COMPUTE_1.1]))]);
    assert_eq!(dump.macs(), macs(&name, &[(MACHINES[0].0, MACHINES[0].1, COMPUTE_1.1)]));
}

#[test]
fn a_switch_can_be_managed_over_ipv6() {
    let tor = Tor::on_ipv6("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    assert!(scene.is_on(&tor.dump()));
}

/// One session, one Logical_Switch, one row a MAC; bindings on the ports of both.
#[test]
fn switches_behind_one_server_share_a_worker() {
    let tor = Tor::shared(&[("left", "192.0.2.1"), ("right", "192.0.2.2")]);
    let before = tor.dump();
    let recorder = crate::support::recorder::Recorder::start(tor.socket());
    let scene = Scene::begin(Home::new().recorded(&tor, &recorder), &["left", "right"]);
    scene.rest.wait_status(&scene.connection, "active");
    assert_eq!(recorder.connections(), 1);
    let dump = tor.dump();
    assert_eq!(dump.logical_switches().len(), 1);
    assert_eq!(dump.macs().len(), MACHINES.len());
    for name in ["left", "right"] {
        let bound = tor.vtep_ctl(&["list-bindings", name, "Ethernet40"]);
        assert_eq!(bound, format!("0050 {}", scene.logical_switch()));
        assert_eq!(scene.rest.switch(name)["status"], "active");
    }
    scene.rest.disconnect(&scene.connection);
    tor.wait("all of it goes", |dump| *dump == before);
}

/// A port or a switch that isn't there (yet) is told in the status, and is bound when it comes.
#[test]
fn a_port_that_comes_later_is_bound_then() {
    let tor = Tor::start("t", "192.0.2.1");
    let daemon = Home::new().tor(&tor).start();
    let rest = daemon.rest();
    let network = rest.network("n");
    rest.gateway("g", &[("t", &["Ethernet99"])]);
    let connection = rest.connect("g", &network, 7);
    let status = rest.wait_switch("t", "it is up", |now| now["session"]["state"] == "up");
    assert!(!status["ports"].to_string().contains("Ethernet99"), "{status}");
    assert_ne!(rest.status(&connection)["status"], "active");
    tor.vtep_ctl(&["add-port", "t", "Ethernet99"]);
    rest.wait_status(&connection, "active");
    assert_eq!(tor.vtep_ctl(&["list-bindings", "t", "Ethernet99"]), format!("0007 {}", logical_switch(&network)));
}
