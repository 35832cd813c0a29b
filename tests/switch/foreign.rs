//! Foreign rows are never touched; where they stand in our way, it is said and nothing is written.

use serde_json::{Value, json};

use super::scene::{COMPUTE_1, MACHINES, Scene, foreign_switch};
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
    assert_eq!(tor.dump().bindings().len(), before.bindings().len() + 1, "theirs, and ours");
    assert_eq!(tor.dump().macs().len(), MACHINES.len() + MACHINES.len());
    scene.rest.disconnect(&scene.connection);
    tor.wait("only theirs is left", |dump| *dump == before);
    // Nothing that was sent writes to a row of theirs: `wait` alone names them, as what a port is bound to.
    for transact in recorder.transacts() {
        let operations = transact.as_array().expect("the parameters of transact").iter();
        let text = operations.filter(|op| op["op"] != "wait").map(ToString::to_string).collect::<String>();
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
    assert_eq!(tor.dump().logical_switches().len(), before.logical_switches().len() + 1, "theirs, and ours");
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

/// Two deployments on one switch: each is foreign to the other.
#[test]
fn two_deployments_share_a_switch() {
    let tor = Tor::start("t", "192.0.2.1");
    let daemons = ["left", "right"].map(|name| Home::new().tor(&tor).default(&format!("deployment = {name}")).start());
    let mut connections = Vec::new();
    for (daemon, vlan) in daemons.iter().zip([50, 60]) {
        let rest = daemon.rest();
        rest.endpoint(COMPUTE_1.0, COMPUTE_1.1);
        let network = rest.network_with_vni("n", vlan + 5000);
        rest.port(&network, MACHINES[0].0, MACHINES[0].1, COMPUTE_1.0);
        rest.gateway("g", &[("t", &["Ethernet40"])]);
        let connection = rest.connect("g", &network, u16::try_from(vlan).expect("a VLAN"));
        rest.wait_status(&connection, "active");
        connections.push(connection);
    }
    assert_eq!(tor.dump().macs().len(), daemons.len(), "one machine for each deployment");
    daemons[0].rest().disconnect(&connections[0]);
    let dump = tor.wait("the left one goes", |dump| dump.logical_switches().len() == 1);
    assert!(dump.logical_switches().into_keys().all(|name| name.starts_with("right-")));
    assert_eq!((dump.bindings().len(), dump.macs().len(), dump.floods().len()), (1, 1, 1));
}

/// What networking-l2gw left, bare UUIDs: ours are adopted and keep their names, unknown ones stay foreign.
#[test]
fn bare_uuids_are_adopted_on_request() {
    let tor = Tor::start("t", "192.0.2.1");
    let stranger = "11111111-2222-4333-8444-555555555555";
    foreign_switch(&tor, stranger, 9000, "Ethernet41", 77);
    let before = tor.dump();
    let daemon = Home::new().tor(&tor).default("previous_prefixes = \"\"").start();
    let rest = daemon.rest();
    let network = rest.network_with_vni("n", 5000);
    tor.vtep_ctl(&["add-ls", &network, "--", "set", "Logical_Switch", &network, "tunnel_key=5000"]);
    tor.vtep_ctl(&["bind-ls", "t", "Ethernet40", "50", &network]);
    rest.gateway("g", &[("t", &["Ethernet40"])]);
    let connection = rest.connect("g", &network, 50);
    rest.wait_status(&connection, "active");
    let names: Vec<String> = tor.dump().logical_switches().into_keys().collect();
    assert!(names.len() == 2 && names.contains(&network), "{names:?}");
    rest.disconnect(&connection);
    tor.wait("the adopted one goes, the stranger stays", |dump| *dump == before);
}

/// Somebody holds the lock: nothing is written until they let go.
#[test]
fn the_lock_fences() {
    let tor = Tor::start("t", "192.0.2.1");
    let before = tor.dump();
    let mut holder = tor.rpc();
    assert_eq!(holder.call("lock", &json!(["vtepd"])), json!({"locked": true}));
    let scene = Scene::begin(Home::new().tor(&tor), &["t"]);
    scene.rest.wait_switch("t", "it waits for the lock", |now| now["session"]["lock"] == "waiting");
    assert_ne!(scene.rest.status(&scene.connection)["status"], "active");
    assert_eq!(tor.dump(), before);
    drop(holder);
    scene.rest.wait_status(&scene.connection, "active");
    assert_eq!(scene.rest.switch("t")["session"]["lock"], "held");
    // Stolen: nothing more is written, and it comes back with the thief's end.
    let mut thief = tor.rpc();
    thief.call("steal", &json!(["vtepd"]));
    scene.rest.wait_switch("t", "it waits for the lock", |now| now["session"]["lock"] == "waiting");
    scene.rest.port(&scene.network, "fa:16:3e:00:00:04", "10.0.0.14", COMPUTE_1.0);
    assert!(scene.is_on(&tor.dump()));
    drop(thief);
    tor.wait("the fourth machine", |dump| dump.macs().len() == MACHINES.len() + 1);
}
