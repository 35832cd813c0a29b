//! Somebody else's rows are never touched; where they stand in our way, it is said and nothing is written.

use serde_json::Value;

use super::scene::{MACHINES, Scene, foreign_switch};
use crate::support::{daemon::Home, recorder::Recorder, tor::Tor};

#[test]
fn a_foreign_logical_switch_is_never_touched() {
    let tor = Tor::start("t", "192.0.2.1");
    foreign_switch(&tor, "theirs", 9000, "Ethernet40", 77);
    // One of another deployment, and one that only looks like ours.
    foreign_switch(&tor, "other-11111111-2222-4333-8444-555555555555", 9001, "Ethernet40", 78);
    foreign_switch(&tor, "vtepd-gateway", 9002, "Ethernet41", 50);
    let before = tor.dump();
    let uuids: Vec<Value> = ["Logical_Switch", "Ucast_Macs_Remote", "Mcast_Macs_Remote"]
        .iter()
        .flat_map(|table| tor.rpc().select(table))
        .map(|row| row["_uuid"][1].clone())
        .collect();
    let recorder = Recorder::start(tor.socket());
    let scene = Scene::with(Home::new().recorded(&tor, &recorder), "t");
    assert_eq!(tor.dump().bindings().len(), 4);
    assert_eq!(tor.dump().macs().len(), 3 + MACHINES.len());
    scene.rest.disconnect(&scene.connection);
    tor.wait("only theirs is left", |dump| *dump == before);
    // Nothing that was sent names a row of theirs.
    for transact in recorder.transacts() {
        let text = transact.to_string();
        let named = uuids.iter().find(|uuid| text.contains(uuid.as_str().expect("a UUID")));
        assert_eq!(named, None, "{text}");
    }
}

#[test]
fn a_vlan_that_a_foreign_row_holds_is_a_conflict() {
    let tor = Tor::start("t", "192.0.2.1");
    foreign_switch(&tor, "theirs", 9000, "Ethernet40", 50);
    let before = tor.dump();
    let scene = Scene::begin(Home::new().tor(&tor), &["t"]);
    let status = scene.rest.wait_status(&scene.connection, "conflict");
    let reason = status["switches"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("theirs"), "the reason names whose it is: {reason}");
    assert_eq!(tor.dump(), before, "nothing is written for it");
    // They let go of it: ours comes without a call.
    tor.vtep_ctl(&["unbind-ls", "t", "Ethernet40", "50"]);
    scene.rest.wait_status(&scene.connection, "active");
    assert_eq!(tor.vtep_ctl(&["list-bindings", "t", "Ethernet40"]), format!("0050 {}", scene.logical_switch()));
}

#[test]
fn a_foreign_logical_switch_with_our_vni_is_a_conflict() {
    let tor = Tor::start("t", "192.0.2.1");
    foreign_switch(&tor, "theirs", 5555, "Ethernet41", 50);
    let before = tor.dump();
    let daemon = Home::new().tor(&tor).start();
    let rest = daemon.rest();
    let network = rest.network_with_vni("n", 5555);
    rest.gateway("g", &[("t", &["Ethernet40"])]);
    let connection = rest.connect("g", &network, 50);
    let status = rest.wait_status(&connection, "conflict");
    assert!(status["switches"][0]["reason"].as_str().expect("a reason").contains("5555"), "{status}");
    assert_eq!(tor.dump(), before, "nothing is written for it");
    // They take another VNI: ours comes without a call.
    tor.vtep_ctl(&["set", "Logical_Switch", "theirs", "tunnel_key=5556"]);
    rest.wait_status(&connection, "active");
    assert_eq!(tor.dump().logical_switches().len(), 2);
}

/// The binding that meets a conflict is the only one that suffers.
#[test]
fn a_conflict_stays_alone() {
    let tor = Tor::start("t", "192.0.2.1");
    foreign_switch(&tor, "theirs", 9000, "Ethernet40", 50);
    let daemon = Home::new().tor(&tor).start();
    let rest = daemon.rest();
    let network = rest.network("n");
    rest.gateway("g", &[("t", &["Ethernet40", "Ethernet41"])]);
    let connection = rest.connect("g", &network, 50);
    let status = rest.wait_status(&connection, "conflict");
    let by_port = |port: &str| {
        let all = status["switches"].as_array().expect("switches");
        all.iter().find(|binding| binding["port"] == port).expect("the port's binding")["status"].clone()
    };
    assert_eq!(by_port("Ethernet40"), "conflict");
    tor.wait("the other port is bound", |dump| dump.bindings().contains_key(&("Ethernet41".to_owned(), 50)));
    assert_eq!(tor.vtep_ctl(&["list-bindings", "t", "Ethernet40"]), "0050 theirs");
}
