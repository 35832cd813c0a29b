//! `--wait`: who waits for what is blocked is told so, and the exit code is 1.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    l2gw::{Said, Scene},
    support::{PATIENCE, eventually, tor::Tor},
};

/// Another controller binds this VLAN of Ethernet41 to a Logical_Switch of its own.
fn occupy(tor: &Tor, vlan: &str) {
    tor.vtep_ctl(&["--may-exist", "add-ls", "theirs"]);
    tor.vtep_ctl(&["bind-ls", tor.name(), "Ethernet41", vlan, "theirs"]);
}

/// It failed for this reason, and said so.
fn blocked(said: &Said, reason: &str) {
    assert_eq!(said.code, 1, "{said:#?}");
    assert!(said.err.contains(reason) && said.err.contains("not waiting any longer"), "{said:#?}");
}

#[test]
fn rows_that_are_blocked_are_not_done() {
    let scene = Scene::new().connected();
    let tor = &scene.tors[0];
    occupy(tor, "60");
    scene.ok(&["network", "create", "blue"]);
    scene.ok(&["gateway", "create", "g", "--device", "name=tor-switch-1,interface_names=Ethernet41:60"]);
    let foreign =
        "tor-switch-1 (conflict: Ethernet41 VLAN 60: VLAN 60 of port Ethernet41 is bound to Logical_Switch 'theirs'";
    let begun = Instant::now();
    blocked(&scene.run(&["connection", "create", "g", "blue", "--wait"]), foreign);
    assert!(begun.elapsed() < Duration::from_secs(4), "all else was done: {:?}", begun.elapsed());
    blocked(&scene.run(&["switch", "repair", "tor-switch-1", "--wait"]), foreign);
    let create =
        ["port", "create", "blue", "--mac", "fa:16:3e:00:00:61", "--host", "compute-1", "--wait", "-o", "name"];
    let said = scene.run(&create);
    let port = said.name();
    blocked(&said, foreign);
    blocked(&scene.run(&["port", "update", &port, "--host", "compute-2", "--wait"]), foreign);
    blocked(&scene.run(&["endpoint", "create", "compute-2", "198.51.100.12", "--wait"]), foreign);
    blocked(&scene.run(&["endpoint", "update", "compute-2", "198.51.100.13", "--wait"]), foreign);
    let file = scene.file("blue.csv", "network,mac,host\nblue,fa:16:3e:00:00:62,compute-2\n");
    blocked(&scene.run(&["port", "import", &file, "--wait"]), foreign);
    blocked(&scene.run(&["port", "delete", &port, "--wait"]), foreign);
    // A network that has nothing to do with it isn't waited for in vain.
    scene.ok(&["port", "create", "network1", "--mac", "fa:16:3e:00:00:03", "--host", "compute-1", "--wait"]);
    scene.ok(&["switch", "release", "tor-switch-1", "--wait"]);

    let missing = "error: nowhere VLAN 60: port nowhere is not on tor-switch-1";
    let add = ["gateway", "update", "g", "--add-interface", "nowhere:60", "--force", "--wait"];
    let said = scene.run(&add);
    assert!(said.err.contains(foreign) || said.err.contains(missing), "{said:#?}");
    blocked(&said, "not waiting");
    scene.ok(&["gateway", "update", "g", "--remove-interface", "Ethernet41", "--force"]);
    blocked(&scene.run(&["switch", "repair", "tor-switch-1", "--wait"]), missing);
    scene.ok(&["connection", "delete", "g", "blue", "--wait"]);
    scene.ok(&["switch", "repair", "tor-switch-1", "--wait"]);
}

/// A foreign Logical_Switch has the VNI, the switch refuses a row, or nothing is written at all.
#[test]
fn whatever_blocks_is_named() {
    let refuses = Tor::with_schema("tor-switch-1", "192.0.2.1", |mut schema| {
        let short = json!({"key": {"type": "string", "maxLength": 9}});
        schema["tables"]["Ucast_Macs_Remote"]["columns"]["ipaddr"]["type"] = short;
        schema
    });
    let observed = Tor::start("tor-switch-2", "192.0.2.2");
    let at = |tor: &Tor, more: &str| format!("management_ip = {}\nport = {}\n{more}", tor.host(), tor.port());
    let home = crate::support::daemon::Home::new()
        .switch("tor-switch-1", &at(&refuses, ""))
        .switch("tor-switch-2", &at(&observed, "mode = observe\n"));
    let scene = Scene { daemon: home.start(), tors: [refuses, observed] };
    let named = |name: &str, vni: &str| {
        scene.ok(&["network", "create", name, "--vni", vni]);
    };
    named("red", "7001");
    named("blue", "7002");
    scene.ok(&["endpoint", "create", "compute-1", "198.51.100.11"]);
    for (gateway, device) in [
        ("one", "name=tor-switch-1,interface_names=Ethernet40:50"),
        ("two", "name=tor-switch-2,interface_names=Ethernet40:50"),
    ] {
        scene.ok(&["gateway", "create", gateway, "--device", device]);
    }
    scene.tors[0].vtep_ctl(&["add-ls", "theirs", "--", "set", "Logical_Switch", "theirs", "tunnel_key=7002"]);
    blocked(&scene.run(&["connection", "create", "one", "blue", "--wait"]), "has the network's VNI 7002");
    scene.ok(&["connection", "delete", "one", "blue", "--wait"]);
    scene.ok(&["connection", "create", "one", "red", "--wait"]);
    let create = [
        "port",
        "create",
        "red",
        "--mac",
        "fa:16:3e:00:00:01",
        "--ip-address",
        "10.100.100.100",
        "--host",
        "compute-1",
        "--wait",
    ];
    blocked(&scene.run(&create), "error: Ethernet40 VLAN 50: MAC fa:16:3e:00:00:01: ");
    blocked(&scene.run(&["switch", "repair", "tor-switch-1", "--wait"]), "MAC fa:16:3e:00:00:01: ");

    let mode = "tor-switch-2 (pending: Ethernet40 VLAN 50: mode = observe";
    blocked(&scene.run(&["connection", "create", "two", "red", "--wait"]), mode);
    scene.ok(&["switch", "repair", "tor-switch-2", "--wait"]);
    // The deletion is left on the switch, too.
    blocked(&scene.run(&["connection", "delete", "two", "red", "--wait"]), "pending: mode = observe");
    scene.ok(&["switch", "repair", "tor-switch-2", "--wait"]);
    assert!(scene.tors[1].dump().bindings().is_empty());

    // Another controller takes the lock.
    scene.ok(&["connection", "delete", "one", "red", "--wait"]);
    let mut other = scene.tors[0].rpc();
    other.call("steal", &json!(["vtepd"]));
    eventually("the lock is gone", PATIENCE, || {
        let said = scene.run(&["status"]);
        if said.out.contains("another controller holds") { Ok(()) } else { Err(said.out) }
    });
    blocked(
        &scene.run(&["connection", "create", "one", "red", "--wait"]),
        "pending: Ethernet40 VLAN 50: another controller holds the switch's lock",
    );
}

#[test]
fn deletions_that_are_held_are_not_done() {
    let scene = Scene::new().connected();
    scene.ok(&["switch", "hold", "tor-switch-1"]);
    let held = "tor-switch-1 (held: an operator holds all deletions";
    blocked(&scene.run(&["connection", "delete", "vtep-gateway-1", "network1", "--wait"]), held);
    blocked(&scene.run(&["switch", "repair", "tor-switch-1", "--wait"]), held);
    let said = scene.ok(&["switch", "release", "tor-switch-1", "--wait"]);
    assert!(said.err.starts_with("released 5 deletions\n"), "{}", said.err);
    assert!(scene.tors[0].dump().bindings().is_empty());
    assert_eq!(
        scene.ok(&["switch", "release", "tor-switch-1", "--wait"]).err.lines().next(),
        Some("released 0 deletions")
    );
}
