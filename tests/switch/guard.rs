//! Deletions that nothing explains are held until an operator releases them.

use serde_json::Value;

use super::scene::{COMPUTE_1, MACHINES, Scene, many_ports};
use crate::support::{PATIENCE, daemon::Home, tor::Tor};

/// The daemon on an empty store against two filled switches: it deletes nothing and says so; released, it cleans up.
#[test]
fn an_empty_store_deletes_nothing_until_released() {
    let tors = ["t1", "t2"].map(|name| Tor::start(name, "192.0.2.1"));
    let factory = tors.each_ref().map(Tor::dump);
    let mut scene = Scene::begin(Home::new().tor(&tors[0]).tor(&tors[1]), &["t1", "t2"]);
    scene.rest.post("/v2.0/ports", &many_ports(&scene.network, 50, &[COMPUTE_1.0])).expect(201);
    scene.rest.wait_status(&scene.connection, "active");
    for tor in &tors {
        tor.wait_rows("Ucast_Macs_Remote", MACHINES.len() + 50, PATIENCE);
    }
    let filled = tors.each_ref().map(Tor::dump);

    assert!(scene.daemon.stop().success());
    scene.daemon.home.forget();
    scene.daemon.start();
    let rest = scene.daemon.rest();
    for name in ["t1", "t2"] {
        let status = rest.wait_switch(name, "it is held", |now| now["status"] == "held");
        assert!(status["reason"].as_str().expect("a reason").contains("release"), "{status}");
    }
    assert_eq!(tors.each_ref().map(Tor::dump), filled);

    // Inserts go on. The held network still has the VNI that the empty store would give out first.
    let network = rest.network_with_vni("another", 5000);
    rest.gateway("g", &[("t1", &["Ethernet41"])]);
    let connection = rest.connect("g", &network, 60);
    tors[0].wait("another network", |dump| dump.logical_switches().len() == 2);
    rest.disconnect(&connection);
    tors[0].wait("an explained deletion passes", |dump| *dump == filled[0]);
    assert_eq!(rest.switch("t2")["status"], "held");

    // Released one by one.
    rest.post("/v2/switches/t1/release", &Value::Null).expect(204);
    tors[0].wait("t1 is cleaned up", |dump| *dump == factory[0]);
    assert_eq!(tors[1].dump(), filled[1]);
    rest.post("/v2/switches/t2/release", &Value::Null).expect(204);
    tors[1].wait("t2 is cleaned up", |dump| *dump == factory[1]);
    for name in ["t1", "t2"] {
        rest.wait_switch(name, "it is active", |now| now["status"] == "active");
    }
}

/// Fewer rows than `guard_min_rows`: an orphan or two are cleaned up without a word.
#[test]
fn a_few_orphans_are_cleaned_up() {
    let tor = Tor::start("t", "192.0.2.1");
    let factory = tor.dump();
    let mut scene = Scene::on(&tor);
    scene.daemon.kill();
    scene.daemon.home.forget();
    scene.daemon.start();
    tor.wait("the orphans go", |dump| *dump == factory);
}

/// An API call explains: any number of rows goes.
#[test]
fn an_explained_deletion_is_not_held() {
    let tor = Tor::start("t", "192.0.2.1");
    let factory = tor.dump();
    let scene = Scene::on(&tor);
    scene.rest.post("/v2.0/ports", &many_ports(&scene.network, 200, &[COMPUTE_1.0])).expect(201);
    tor.wait_rows("Ucast_Macs_Remote", MACHINES.len() + 200, PATIENCE);
    scene.rest.disconnect(&scene.connection);
    tor.wait("all of it goes", |dump| *dump == factory);
}
