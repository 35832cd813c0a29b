//! What was removed or altered behind the daemon's back is repaired within a second.

use std::time::Duration;

use serde_json::{Value, json};

use super::scene::{COMPUTE_2, MACHINES, Scene};
use crate::support::{PATIENCE, dump::Dump, eventually, tor::Tor};

const SOON: Duration = Duration::from_secs(1);

struct Bench {
    tor: Tor,
    scene: Scene,
    good: Dump,
}

fn bench() -> Bench {
    let tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    let good = tor.dump();
    assert!(scene.is_on(&good), "{good:#?}");
    Bench { tor, scene, good }
}

impl Bench {
    /// Runs the operations as somebody else, and expects the database back as it was.
    fn repairs(&self, what: &str, operations: &[Value]) {
        let results = self.tor.transact(operations);
        for (operation, result) in operations.iter().zip(&results) {
            assert_ne!(result.get("count"), Some(&json!(0)), "{what}: {operation} met no row");
        }
        self.tor.wait_within(&format!("{what} is repaired"), SOON, |dump| *dump == self.good);
    }

    fn uuid(&self, table: &str, column: &str, value: &str) -> Value {
        let rows = self.tor.rpc().select(table);
        let row = rows.iter().find(|row| row[column] == value);
        row.unwrap_or_else(|| panic!("no {table} with {column} {value}"))["_uuid"].clone()
    }

    fn logical_switch(&self) -> Value {
        self.uuid("Logical_Switch", "name", &self.scene.logical_switch())
    }
}

fn delete(table: &str, condition: &Value) -> Value {
    json!({"op": "delete", "table": table, "where": [condition]})
}

fn update(table: &str, condition: &Value, row: &Value) -> Value {
    json!({"op": "update", "table": table, "where": [condition], "row": row})
}

#[test]
fn bindings() {
    let bench = bench();
    let port = json!(["name", "==", "Ethernet40"]);
    bench.tor.vtep_ctl(&["unbind-ls", "t", "Ethernet40", "50"]);
    bench.repairs("a binding that vtep-ctl removed", &[]);
    bench.repairs("all bindings of a port", &[update("Physical_Port", &port, &json!({"vlan_bindings": ["map", []]}))]);
    // Our Logical_Switch on a VLAN and a port where nobody wants it.
    let name = bench.scene.logical_switch();
    bench.tor.vtep_ctl(&["bind-ls", "t", "Ethernet41", "51", &name]);
    bench.repairs("a binding too many", &[]);
}

#[test]
fn macs() {
    let bench = bench();
    let is = |i: usize| json!(["MAC", "==", MACHINES[i].0]);
    let name = bench.scene.logical_switch();
    bench.tor.vtep_ctl(&["del-ucast-remote", &name, MACHINES[0].0]);
    bench.repairs("a MAC that vtep-ctl removed", &[]);
    bench.repairs("a MAC's address", &[update("Ucast_Macs_Remote", &is(1), &json!({"ipaddr": "10.9.9.9"}))]);
    let elsewhere = bench.uuid("Physical_Locator", "dst_ip", COMPUTE_2.1);
    bench.repairs("a MAC's locator", &[update("Ucast_Macs_Remote", &is(0), &json!({"locator": elsewhere}))]);
    let row = |mac: &str| {
        let row = json!({"MAC": mac, "ipaddr": MACHINES[2].1, "locator": elsewhere,
                         "logical_switch": bench.logical_switch()});
        json!({"op": "insert", "table": "Ucast_Macs_Remote", "row": row})
    };
    bench.repairs("a MAC twice", &[row(MACHINES[2].0)]);
    bench.repairs("a MAC too many", &[row("02:00:00:00:00:01")]);
    bench.repairs("all MACs", &[json!({"op": "delete", "table": "Ucast_Macs_Remote", "where": []})]);
}

#[test]
fn flood_lists() {
    let bench = bench();
    let is = json!(["MAC", "==", "unknown-dst"]);
    let name = bench.scene.logical_switch();
    bench.repairs("a flood row", &[delete("Mcast_Macs_Remote", &is)]);
    bench.tor.vtep_ctl(&["del-mcast-remote", &name, "unknown-dst", COMPUTE_2.1]);
    bench.repairs("a locator set without a member", &[]);
    bench.tor.vtep_ctl(&["add-mcast-remote", &name, "unknown-dst", "203.0.113.77"]);
    bench.repairs("a locator set with a member too many", &[]);
    let locator = bench.uuid("Physical_Locator", "dst_ip", COMPUTE_2.1);
    let set = json!({"op": "insert", "table": "Physical_Locator_Set", "uuid-name": "s", "row": {"locators": locator}});
    let row = json!({"MAC": "unknown-dst", "ipaddr": "", "locator_set": ["named-uuid", "s"],
                     "logical_switch": bench.logical_switch()});
    bench.repairs("a flood row twice", &[set, json!({"op": "insert", "table": "Mcast_Macs_Remote", "row": row})]);
}

#[test]
fn logical_switches() {
    let bench = bench();
    let is = json!(["name", "==", bench.scene.logical_switch()]);
    let altered = |row: Value| update("Logical_Switch", &is, &row);
    bench.repairs("a VNI", &[altered(json!({"tunnel_key": 4711}))]);
    bench.repairs("no VNI", &[altered(json!({"tunnel_key": ["set", []]}))]);
    bench.repairs("a replication mode", &[altered(json!({"replication_mode": "service_node"}))]);
    bench.repairs(
        "a Logical_Switch and all that refers to it",
        &[
            json!({"op": "update", "table": "Physical_Port", "where": [], "row": {"vlan_bindings": ["map", []]}}),
            json!({"op": "delete", "table": "Ucast_Macs_Remote", "where": []}),
            json!({"op": "delete", "table": "Mcast_Macs_Remote", "where": []}),
            delete("Logical_Switch", &is),
        ],
    );
}

/// A row that somebody keeps changing is put back five times in a minute; then it is a conflict, not a fight.
#[test]
fn no_fights() {
    let bench = bench();
    let is = json!(["MAC", "==", MACHINES[1].0]);
    let alter = update("Ucast_Macs_Remote", &is, &json!({"ipaddr": "10.9.9.9"}));
    for round in 1..=5 {
        bench.repairs(&format!("an address, round {round}"), std::slice::from_ref(&alter));
    }
    bench.tor.transact(&[alter]);
    bench.scene.rest.wait_status(&bench.scene.connection, "conflict");
    assert!(bench.tor.dump().macs().iter().any(|mac| mac.ip == "10.9.9.9"));
}

/// Twenty connects and disconnects within a minute: what follows from them, the switch's answer included, is nobody
/// else's change, whether the next connection comes after the last row has gone or in the middle of it.
#[test]
fn our_own_tear_down_is_no_drift() {
    let Bench { tor, scene, .. } = bench();
    let name = scene.logical_switch();
    let mut connection = scene.connection.clone();
    for round in 0..20 {
        // Another one each time: one that comes and goes is flooded, which the status says.
        let learned = format!("02:00:00:00:0a:{round:02x}");
        tor.learn(&name, &learned, "");
        scene.rest.disconnect(&connection);
        tor.wait("the binding goes", |dump| dump.bindings().is_empty());
        // The switch forgets what it has learned there, in answer.
        tor.unlearn(&name, &learned);
        if round % 2 == 0 {
            tor.wait("all of it goes", |dump| dump.logical_switches().is_empty() && dump.macs().is_empty());
        }
        connection = scene.rest.connect(&scene.gateway, &scene.network, 50);
        scene.rest.wait_status(&connection, "active");
        assert!(scene.is_on(&tor.dump()), "round {round}: {:#?}", tor.dump());
    }
    // A change of somebody else's comes into the journal, and nothing before it did.
    tor.vtep_ctl(&["del-ucast-remote", &name, MACHINES[0].0]);
    tor.wait("it is put back", |dump| scene.is_on(dump));
    let drifted = eventually("the journal", PATIENCE, || {
        let journal = scene.daemon.admin("audit", &json!({"kinds": ["drift"]}));
        match journal["entries"].as_array().or_else(|| journal.as_array()) {
            Some(entries) if !entries.is_empty() => Ok(entries.clone()),
            _ => Err(journal.to_string()),
        }
    });
    assert_eq!(drifted.len(), 1, "{drifted:#?}");
    assert!(drifted[0].to_string().contains(MACHINES[0].0), "{drifted:#?}");
}
