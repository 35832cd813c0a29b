//! Dry runs, observation, repair, hold and release.

use serde_json::json;

use crate::{
    l2gw::{Scene, shell},
    support::{PATIENCE, dump::Dump, eventually, tor::Tor},
};

/// Changes that somebody else makes: a binding, a MAC and a flood list go, an address changes.
fn meddle(tor: &Tor, logical_switch: &str) {
    tor.vtep_ctl(&["unbind-ls", tor.name(), "Ethernet40", "50"]);
    tor.vtep_ctl(&["del-ucast-remote", logical_switch, "fa:16:3e:00:00:02"]);
    tor.vtep_ctl(&["del-mcast-remote", logical_switch, "unknown-dst", "198.51.100.11"]);
    let is = json!(["MAC", "==", "fa:16:3e:00:00:01"]);
    tor.transact(&[
        json!({"op": "update", "table": "Ucast_Macs_Remote", "where": [is], "row": {"ipaddr": "10.9.9.9"}}),
    ]);
}

fn waits_until_differs(scene: &Scene, rows: &str) -> String {
    eventually("the daemon has seen it", PATIENCE, || {
        let said = scene.run(&["switch", "diff", "tor-switch-1"]);
        if said.code == 1 && said.out.contains(rows) { Ok(said.out) } else { Err(format!("{said:?}")) }
    })
}

#[test]
fn an_observed_switch_is_only_planned_until_it_is_repaired() {
    let scene = Scene::with("mode = observe").furnished();
    let factory = scene.tors[0].dump();
    let create = ["connection", "create", "vtep-gateway-1", "network1", "--default-segmentation-id", "50", "--wait"];
    let said = scene.run(&create).expect(1);
    assert!(said.err.contains("tor-switch-2: ") && said.err.contains("mode = observe"), "{}", said.err);
    assert_eq!(scene.tors[0].dump(), factory, "nothing was sent");
    // It doesn't take the lock either.
    assert_eq!(scene.ok(&["switch", "show", "tor-switch-1", "-o", "json"]).json()["session"]["lock"], "off");
    let plan = waits_until_differs(&scene, "4 to insert, 1 to update");
    for words in [
        "insert  Logical_Switch",
        "VNI 1000",
        "Ethernet40 VLAN 50",
        "fa:16:3e:00:00:01",
        "10.0.0.11 at 198.51.100.11",
        "a connection binds it",
        "mode = observe: nothing is sent",
    ] {
        assert!(plan.contains(words), "{words}: {plan}");
    }
    assert!(scene.run(&["status"]).expect(1).out.contains("-> l2gw switch repair tor-switch-1"));
    scene.ok(&["switch", "repair", "tor-switch-1", "--wait"]);
    assert_eq!(scene.ok(&["switch", "diff", "tor-switch-1"]).out, "tor-switch-1: nothing differs\n");
    let good = scene.tors[0].dump();
    assert_eq!(good.macs(), scene.tors[1].dump().macs());

    // Drift stays, is told, and the exact operations repair it.
    let logical_switch = format!("vtepd-{}", scene.network());
    meddle(&scene.tors[0], &logical_switch);
    let plan = waits_until_differs(&scene, "2 to insert, 2 to update");
    assert!(plan.contains("10.9.9.9 at 198.51.100.11 -> 10.0.0.11 at 198.51.100.11"), "{plan}");
    let drifted = scene.tors[0].dump();
    let saved = scene.run(&["switch", "diff", "tor-switch-1", "-o", "json"]).expect(1);
    assert_eq!(saved.json()[0], "hardware_vtep");
    assert_eq!(scene.tors[0].dump(), drifted, "a dry run sends nothing");
    let file = scene.file("transaction.json", &saved.out);
    let server = scene.tors[0].socket().display().to_string();
    let done = shell(&scene.socket(), &format!("ovsdb-client transact unix:{server} \"$(cat {file})\"")).expect(0);
    assert!(!done.out.contains("error"), "{}", done.out);
    scene.tors[0].wait("it is repaired", |dump: &Dump| *dump == good);
    eventually("the daemon has seen it", PATIENCE, || {
        let said = scene.run(&["switch", "diff", "tor-switch-1", "-o", "json"]);
        if said.code == 0 { Ok(()) } else { Err(said.out) }
    });
    eventually("the journal tells", PATIENCE, || {
        let drift = scene.ok(&["audit", "--kind", "drift", "--switch", "tor-switch-1"]).out;
        if drift.contains("mode = observe: left as it is") { Ok(()) } else { Err(drift) }
    });
}

#[test]
fn a_held_switch_deletes_nothing_until_it_is_released() {
    // network1, which is held, and blue.
    const NETWORKS: usize = 2;
    let mut scene = Scene::new().connected();
    let filled = scene.tors[0].dump();
    assert_eq!(scene.ok(&["switch", "release", "tor-switch-1"]).err, "released 0 deletions\n");
    let said = scene.ok(&["switch", "hold", "tor-switch-1"]);
    assert_eq!(said.err, "deletions on tor-switch-1 are held until 'l2gw switch release tor-switch-1'\n");
    assert!(scene.run(&["status"]).expect(1).out.contains("-> l2gw switch release tor-switch-1"));
    let connection = scene.ok(&["connection", "list", "-o", "name"]).name();
    scene.ok(&["connection", "delete", &connection]);
    scene.tors[1].wait("the other switch lets go", |dump| dump.bindings().is_empty());
    let held = waits_until_differs(&scene, "deletions are held");
    assert!(held.contains("'l2gw switch release tor-switch-1' lets them go"), "{held}");
    assert_eq!(scene.tors[0].dump(), filled);
    // A repair doesn't release them, and who waits for it is told.
    let said = scene.run(&["switch", "repair", "tor-switch-1", "--wait"]).expect(1);
    assert!(said.err.contains("held"), "{}", said.err);
    // What comes is written all the same.
    scene.ok(&["network", "create", "blue"]);
    scene.ok(&["gateway", "create", "g", "--device", "name=tor-switch-1,interface_names=Ethernet41:60"]);
    scene.ok(&["connection", "create", "g", "blue"]);
    scene.tors[0].wait("another network comes", |dump| dump.logical_switches().len() == NETWORKS);
    // It outlives a restart.
    assert!(scene.daemon.stop().success());
    scene.daemon.start();
    waits_until_differs(&scene, "deletions are held");
    assert_eq!(scene.tors[0].dump().logical_switches().len(), NETWORKS);
    let said = scene.ok(&["switch", "release", "tor-switch-1", "--wait"]);
    assert!(said.err.starts_with("released ") && !said.err.starts_with("released 0"), "{}", said.err);
    scene.tors[0].wait("what was held goes", |dump| dump.logical_switches().len() == 1);
    assert!(scene.ok(&["switch", "diff", "tor-switch-1"]).out.contains("nothing differs"));
}

/// A row that somebody keeps changing is left alone, and 'repair' begins anew.
#[test]
fn a_repair_takes_up_what_was_left_alone() {
    let scene = Scene::new().connected();
    let good = scene.tors[0].dump();
    let is = json!(["MAC", "==", "fa:16:3e:00:00:01"]);
    let alter = json!({"op": "update", "table": "Ucast_Macs_Remote", "where": [is], "row": {"ipaddr": "10.9.9.9"}});
    for _ in 0..5 {
        scene.tors[0].transact(std::slice::from_ref(&alter));
        scene.tors[0].wait("it is put back", |dump| *dump == good);
    }
    scene.tors[0].transact(&[alter]);
    eventually("it is a conflict", PATIENCE, || {
        let said = scene.run(&["status"]);
        if said.out.contains("keeps changing") { Ok(()) } else { Err(said.out) }
    });
    let said = scene.ok(&["switch", "repair", "tor-switch-1", "--wait"]);
    assert!(said.err.contains("done"), "{}", said.err);
    scene.tors[0].wait("it is put back", |dump| *dump == good);
    eventually("the journal tells of it", PATIENCE, || {
        let drift = scene.ok(&["audit", "--kind", "drift", "-o", "json"]).json();
        let back = drift.as_array().expect("entries").iter().filter(|entry| entry["result"] == "put back").count();
        if back >= 5 { Ok(()) } else { Err(drift.to_string()) }
    });
}
