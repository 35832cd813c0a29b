//! What stands in the way of a wanted row is a difference: a dry run shows it, and a change on the switch that brings it is
//! in the journal. Bindings belong to the names of ports.

use serde_json::{Value, json};

use super::scene::{COMPUTE_2, MACHINES, ROWS, Scene, foreign_switch, logical_switch};
use crate::support::{
    PATIENCE,
    daemon::{Daemon, Home},
    eventually,
    line::{Line, Quality},
    tor::Tor,
};

const ETHERNET_40: (&str, u16) = ("Ethernet40", 50);

/// What a dry run says until it is as `good` wants it.
fn diff(daemon: &Daemon, what: &str, good: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("the difference shows {what}"), PATIENCE, || {
        let diff = daemon.admin("switch_diff", &json!({"switch": "t"}));
        if good(&diff) { Ok(diff) } else { Err(diff.to_string()) }
    })
}

fn is_blocked_by(obstacle: &str) -> impl Fn(&Value) -> bool {
    move |diff| diff["blocked_total"] == 1 && diff["blocked"][0]["obstacle"] == obstacle
}

/// Waits until the journal has a change of somebody else's whose note contains these words.
fn journal_has(daemon: &Daemon, words: &str) {
    eventually(&format!("the journal has '{words}'"), PATIENCE, || {
        let entries = daemon.admin("audit", &json!({"kinds": ["drift"]})).to_string();
        if entries.contains(words) { Ok(()) } else { Err(entries) }
    });
}

#[test]
fn a_vlan_that_was_bound_to_a_foreign_logical_switch_is_a_difference() {
    let tor = Tor::start("t", "192.0.2.1");
    foreign_switch(&tor, "theirs", 9000, "Ethernet41", 77);
    let scene = Scene::on(&tor);
    let good = tor.dump();
    diff(&scene.daemon, "nothing", |diff| diff["blocked_total"] == 0 && diff["rows"] == json!([]));
    let theirs = tor.rpc().select("Logical_Switch").into_iter().find(|row| row["name"] == "theirs").expect("theirs");
    let ports = json!([["name", "==", ETHERNET_40.0]]);
    let bind = |logical_switch: &Value| {
        let bindings = json!({"vlan_bindings": ["map", [[ETHERNET_40.1, logical_switch]]]});
        tor.transact(&[json!({"op": "update", "table": "Physical_Port", "where": ports, "row": bindings})]);
    };
    bind(&theirs["_uuid"]);
    let said = diff(&scene.daemon, "the VLAN", is_blocked_by("foreign_binding"));
    let row = &said["blocked"][0];
    assert_eq!((&row["table"], &row["row"]), (&json!("Physical_Port"), &json!("Ethernet40 VLAN 50")));
    assert_eq!((&row["change"], &row["network_id"]), (&json!(scene.logical_switch()), &json!(scene.network)));
    assert!(row["reason"].as_str().expect("a reason").contains("'theirs'"), "{row}");
    assert_eq!((&said["rows"], &said["transaction"]), (&json!([]), &json!(["hardware_vtep"])));
    scene.rest.wait_status(&scene.connection, "conflict");
    journal_has(&scene.daemon, "it can't be put back: VLAN 50 of port Ethernet40 is bound to Logical_Switch 'theirs'");
    tor.vtep_ctl(&["unbind-ls", "t", ETHERNET_40.0, "50"]);
    tor.wait("ours comes back", |dump| *dump == good);
    diff(&scene.daemon, "nothing", |diff| diff["blocked_total"] == 0 && diff["rows"] == json!([]));
}

#[test]
fn a_port_that_was_removed_is_a_difference() {
    let tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    tor.vtep_ctl(&["del-port", "t", ETHERNET_40.0]);
    let said = diff(&scene.daemon, "the port", is_blocked_by("no_port"));
    assert_eq!(said["blocked"][0]["reason"], "port Ethernet40 is not on t; its ports are: Ethernet41");
    scene.rest.wait_status(&scene.connection, "error");
    journal_has(&scene.daemon, "it can't be put back: port Ethernet40 is not on t");
    tor.vtep_ctl(&["add-port", "t", ETHERNET_40.0]);
    scene.rest.wait_status(&scene.connection, "active");
    diff(&scene.daemon, "nothing", |diff| diff["blocked_total"] == 0 && diff["rows"] == json!([]));
}

/// While the line is cut, a port goes and another VLAN is bound to a foreign Logical_Switch: the next session reports both,
/// without a beginning, which nobody saw.
#[test]
fn what_others_did_while_there_was_no_session_is_in_the_journal() {
    let tor = Tor::start("t", "192.0.2.1");
    let line = Line::to(([127, 0, 0, 1], tor.port()).into());
    let lines = format!("management_ip = 127.0.0.1\nport = {}\n", line.port());
    let scene = Scene::with(Home::new().switch("t", &lines), "t");
    let gateway = scene.rest.gateway("g", &[("t", &["Ethernet41"])]);
    let other = scene.rest.network("other");
    let connection = scene.rest.connect(&gateway, &other, 60);
    scene.rest.wait_status(&connection, "active");
    line.set(Quality::Dead);
    tor.vtep_ctl(&["add-ls", "theirs"]);
    tor.vtep_ctl(&["unbind-ls", "t", "Ethernet41", "60", "--", "bind-ls", "t", "Ethernet41", "60", "theirs"]);
    tor.vtep_ctl(&["del-port", "t", ETHERNET_40.0]);
    line.cut();
    line.set(Quality::Good);
    let status = scene.rest.wait_status(&connection, "conflict");
    assert_eq!(status["switches"][0]["since"], "", "{status}");
    scene.rest.wait_status(&scene.connection, "error");
    journal_has(&scene.daemon, "it can't be put back: VLAN 60 of port Ethernet41 is bound to Logical_Switch 'theirs'");
    journal_has(&scene.daemon, "it can't be put back: port Ethernet40 is not on t; its ports are: Ethernet41");
}

#[test]
fn standing_rows_follow_a_port_after_a_foreign_logical_switch_took_the_vni() {
    let tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    let bindings = tor.dump().bindings();
    tor.vtep_ctl(&[
        "add-ls",
        "theirs",
        "--",
        "set",
        "Logical_Switch",
        "theirs",
        &format!("tunnel_key={}", scene.vni()),
    ]);
    let status = scene.rest.wait_status(&scene.connection, "conflict");
    assert!(status.to_string().contains("theirs"), "{status}");
    diff(&scene.daemon, "the VNI", is_blocked_by("foreign_vni"));
    journal_has(&scene.daemon, "it can't be put back: Logical_Switch 'theirs'");
    // A machine moves to the other compute node, and another one comes.
    scene.rest.put(&format!("/v2.0/ports/{}", scene.ports[0]), &json!({"port": {"binding:host_id": COMPUTE_2.0}}));
    scene.rest.port(&scene.network, "fa:16:3e:00:00:04", "10.0.0.14", COMPUTE_2.0);
    let at = |dump: &crate::support::dump::Dump, mac: &str| {
        dump.macs().into_iter().find(|row| row.address == mac).map(|row| row.vtep)
    };
    let dump = tor.wait("they are at their compute node", |dump| {
        [MACHINES[0].0, "fa:16:3e:00:00:04"].iter().all(|mac| at(dump, mac).as_deref() == Some(COMPUTE_2.1))
    });
    assert_eq!(dump.bindings(), bindings);
    tor.vtep_ctl(&["del-ls", "theirs"]);
    scene.rest.wait_status(&scene.connection, "active");
}

/// 13 VLANs, 12 of them on Ethernet41: more than the guard lets go without an explanation.
#[test]
fn bindings_follow_the_names_of_ports() {
    let tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    let gateway = scene.rest.gateway("g", &[("t", &["Ethernet41"])]);
    let networks: Vec<String> = (0..12).map(|n| scene.rest.network(&format!("n{n}"))).collect();
    for (network, vlan) in networks.iter().zip(100..) {
        scene.rest.connect(&gateway, network, vlan);
    }
    let good = tor.wait("13 bindings", |dump| dump.bindings().len() == 13).bindings();
    assert_eq!(good[&("Ethernet41".to_owned(), 100)], logical_switch(&networks[0]));

    let uuid = |name: &str| {
        let ports = tor.rpc().select("Physical_Port");
        ports.into_iter().find(|row| row["name"] == name).expect("the port")["_uuid"].clone()
    };
    let rename = |port: &Value, name: &str| json!({"op": "update", "table": "Physical_Port", "where": [["_uuid", "==", port]], "row": {"name": name}});
    let (forty, forty_one) = (uuid("Ethernet40"), uuid("Ethernet41"));
    tor.transact(&[rename(&forty, "Ethernet41"), rename(&forty_one, "Ethernet40")]);
    tor.wait("the bindings follow the names", |dump| dump.bindings() == good);
    scene.rest.wait_switch("t", "it is active", |now| now["status"] == "active");

    // A port that loses its name leaves its networks, and the name's bindings are told.
    tor.transact(&[rename(&forty, "Ethernet99")]);
    let dump = tor.wait("the port leaves its networks", |dump| dump.bindings().len() == 1);
    assert_eq!(dump.bindings().into_keys().next(), Some((ETHERNET_40.0.to_owned(), ETHERNET_40.1)));
    diff(&scene.daemon, "12 bindings", |diff| diff["blocked_total"] == 12 && diff["held"] == 0);
    journal_has(
        &scene.daemon,
        "it can't be put back: port Ethernet41 is not on t; its ports are: Ethernet40, Ethernet99",
    );
    tor.transact(&[rename(&forty, "Ethernet41")]);
    tor.wait("the name is back", |dump| dump.bindings() == good);
}

/// What an operator holds can be looked at, and is what a release sends.
#[test]
fn held_deletions_are_shown_by_network_and_binding() {
    let tor = Tor::start("t", "192.0.2.1");
    let factory = tor.dump();
    let scene = Scene::on(&tor);
    scene.daemon.admin("switch_hold", &json!({"switch": "t"}));
    let fine = |diff: &Value| diff["held"] == 0 && diff["rows"] == json!([]) && diff["blocked_total"] == 0;
    diff(&scene.daemon, "that nothing is held", fine);
    scene.rest.disconnect(&scene.connection);
    let said = diff(&scene.daemon, "what is held", |diff| diff["held"] == ROWS);
    let held = &said["held_networks"][0];
    assert_eq!((&held["network_id"], &held["macs"]), (&json!(scene.network), &json!(MACHINES.len())));
    assert_eq!(held["bindings"], json!(["Ethernet40 VLAN 50"]));
    assert_eq!(said["held_rows"].as_array().map(Vec::len), Some(ROWS));
    assert_eq!(said["transaction"], json!(["hardware_vtep"]));
    // Applied by hand, it is what a release does first.
    let release: Vec<Value> = said["release"].as_array().expect("operations")[1..].to_vec();
    tor.transact(&release);
    assert_eq!(tor.dump().bindings(), factory.bindings());
    scene.daemon.admin("switch_release", &json!({"switch": "t"}));
    tor.wait("the rest is deleted", |dump| *dump == factory);
}
