//! Two networks of ours and one VNI: a switch never has it twice, not even between two transactions.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json};

use super::scene::{COMPUTE_1, Scene, logical_switch};
use crate::support::{PATIENCE, dump::Dump, eventually, process::run, tor::Tor};

const LEARNED: &str = "02:bb:00:00:00:01";

/// The VNIs of all Logical_Switches that were there at once, after each transaction that the server has committed: its file
/// holds them all.
fn every_state(tor: &Tor) -> Vec<BTreeMap<String, i64>> {
    let text = fs::read_to_string(tor.file()).expect("the server's file");
    let (mut rows, mut states) = (BTreeMap::<String, i64>::new(), Vec::new());
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let record: Value = serde_json::from_str(line).expect("a transaction");
        let Some(changed) = record["Logical_Switch"].as_object() else { continue };
        for (uuid, row) in changed {
            if row.is_null() {
                rows.remove(uuid);
            } else if let Some(key) = row["tunnel_key"].as_i64() {
                rows.insert(uuid.clone(), key);
            }
        }
        states.push(rows.clone());
    }
    states
}

#[track_caller]
fn never_twice(tor: &Tor) {
    let states = every_state(tor);
    assert!(states.iter().any(|state| !state.is_empty()), "nothing was on the switch");
    for state in states {
        let mut keys: Vec<_> = state.values().collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), state.len(), "one VNI twice: {state:?}");
    }
}

fn has_alone(dump: &Dump, network: &str, vni: u64) -> bool {
    dump.logical_switches() == [(logical_switch(network), Some(vni))].into()
}

/// Takes the example's connection, its machines and its network away.
fn delete_all(scene: &Scene) {
    scene.rest.disconnect(&scene.connection);
    for port in &scene.ports {
        scene.rest.delete(&format!("/v2.0/ports/{port}")).expect(204);
    }
    scene.rest.delete(&format!("/v2.0/networks/{}", scene.network)).expect(204);
}

/// A network with the VNI that the example's had, one machine, and a connection on its VLAN.
fn successor(scene: &Scene, vni: u64) -> (String, String) {
    let network = scene.rest.network_with_vni("network2", u32::try_from(vni).expect("a VNI"));
    scene.rest.port(&network, "fa:16:3e:00:00:09", "10.0.0.19", COMPUTE_1.0);
    let connection = scene.rest.connect(&scene.gateway, &network, 50);
    (network, connection)
}

#[track_caller]
fn waits_for(scene: &Scene, connection: &str, vni: u64) {
    let reason =
        format!("Logical_Switch '{}' of network {} still has VNI {vni}", scene.logical_switch(), scene.network);
    eventually("the connection names the network that it waits for", PATIENCE, || {
        let status = scene.rest.status(connection);
        let is_right = status["status"] == "pending" && status.to_string().contains(&reason);
        if is_right { Ok(()) } else { Err(status.to_string()) }
    });
}

#[test]
fn a_network_waits_for_the_vni_of_one_that_the_switch_still_refers_to() {
    let tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    let vni = scene.vni();
    tor.learn(&scene.logical_switch(), LEARNED, "");
    delete_all(&scene);
    let (network, connection) = successor(&scene, vni);
    waits_for(&scene, &connection, vni);
    tor.wait("the old one's rows go", |dump| dump.bindings().is_empty() && dump.macs().is_empty());
    assert!(has_alone(&tor.dump(), &scene.network, vni));
    let diff = scene.daemon.admin("switch_diff", &json!({"switch": "t"}));
    assert_eq!(diff["blocked"][0]["obstacle"], "own_vni", "{diff}");
    let problems = scene.rest.get("/v2/problems").expect(200).to_string();
    assert!(problems.contains("still has VNI") && !problems.contains("\"conflict\""), "{problems}");
    let drift = scene.daemon.admin("audit", &json!({"kinds": ["drift"]})).to_string();
    assert!(!drift.contains("can't be put back"), "our own rows are nobody else's: {drift}");

    tor.unlearn(&scene.logical_switch(), LEARNED);
    scene.rest.wait_status(&connection, "active");
    tor.wait("the new one", |dump| {
        has_alone(dump, &network, vni) && dump.bindings().len() == 1 && dump.macs().len() == 1
    });
    never_twice(&tor);
}

#[test]
fn a_network_waits_for_the_vni_of_one_whose_deletion_is_held() {
    let tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    let vni = scene.vni();
    scene.daemon.admin("switch_hold", &json!({"switch": "t"}));
    delete_all(&scene);
    let (network, connection) = successor(&scene, vni);
    waits_for(&scene, &connection, vni);
    assert!(has_alone(&tor.dump(), &scene.network, vni));
    scene.rest.post("/v2/switches/t/release", &Value::Null).expect(204);
    scene.rest.wait_status(&connection, "active");
    tor.wait("the new one", |dump| has_alone(dump, &network, vni));
    never_twice(&tor);
}

/// A network is deleted and its VNI given away at once, again and again: each tear-down is under way when the next comes.
#[test]
fn a_vni_that_is_used_again_at_once_is_never_there_twice() {
    let tor = Tor::start("t", "192.0.2.1");
    let mut scene = Scene::on(&tor);
    let vni = scene.vni();
    for _ in 0..10 {
        delete_all(&scene);
        let (network, connection) = successor(&scene, vni);
        let ports = scene.rest.get(&format!("/v2.0/ports?network_id={network}")).expect(200);
        scene.ports = ports["ports"].as_array().expect("ports").iter().map(|port| id(&port["id"])).collect();
        (scene.network, scene.connection) = (network, connection);
    }
    scene.rest.wait_status(&scene.connection, "active");
    tor.wait("the last one alone", |dump| has_alone(dump, &scene.network, vni) && dump.macs().len() == 1);
    never_twice(&tor);
}

fn id(value: &Value) -> String {
    value.as_str().expect("an id").to_owned()
}

#[test]
fn two_networks_exchange_their_vnis() {
    let tor = Tor::start("t", "192.0.2.1");
    let mut scene = Scene::on(&tor);
    let other = scene.rest.network("network2");
    let later = scene.rest.connect(&scene.gateway, &other, 51);
    scene.rest.wait_status(&later, "active");
    let before = tor.dump();
    let (one, two) = (logical_switch(&scene.network), logical_switch(&other));
    let vnis = before.logical_switches();
    let (of_one, of_two) = (vnis[&one].expect("a VNI"), vnis[&two].expect("a VNI"));

    assert!(scene.daemon.stop().success());
    let set = |vni: &str, network: &str| format!("UPDATE networks SET vni = {vni} WHERE id = '{network}';");
    let sql = [set("NULL", &other), set(&of_two.to_string(), &scene.network), set(&of_one.to_string(), &other)];
    run("sqlite3", &[&scene.daemon.home.store().display().to_string(), &sql.concat()]);
    scene.daemon.start();
    scene.rest = scene.daemon.rest();
    tor.wait("each has the other's VNI", |dump| {
        dump.logical_switches() == [(one.clone(), Some(of_two)), (two.clone(), Some(of_one))].into()
    });
    for connection in [&scene.connection, &later] {
        scene.rest.wait_status(connection, "active");
    }
    assert_eq!(tor.dump().bindings(), before.bindings(), "nothing else changed");
    assert_eq!(tor.dump().macs(), before.macs());
    never_twice(&tor);
}
