//! Two networks of ours that want one VLAN of a port. The API refuses that; but a network without a VXLAN segment binds
//! nothing, and may get one (again) from its source after another network took its VLAN.

use super::scene::{Scene, logical_switch};
use crate::support::{process::run, tor::Tor};

#[test]
fn of_two_networks_on_one_vlan_one_has_it_and_the_other_says_so_until_it_is_free() {
    let tor = Tor::start("t", "203.0.113.1");
    let mut scene = Scene::on(&tor);

    segment(&mut scene, "NULL");
    let status = scene.rest.wait_status(&scene.connection, "error");
    assert!(status.to_string().contains("no VXLAN segment"), "{status}");
    let other = scene.rest.network("network2");
    let late = scene.rest.connect(&scene.gateway, &other, 50);
    scene.rest.wait_status(&late, "active");
    tor.wait("the other network", |dump| dump.bindings().get(&port()) == Some(&logical_switch(&other)));

    // Its old VNI may have been given away meanwhile.
    segment(&mut scene, "7777");
    // Which of the two is the store's to say, and the same after each restart.
    let (holder, loser) = if scene.connection < late { (&scene.connection, &late) } else { (&late, &scene.connection) };
    scene.rest.wait_status(holder, "active");
    let status = scene.rest.wait_status(loser, "conflict");
    let reason = status["switches"][0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("VLAN 50 of port Ethernet40") && reason.contains(holder.as_str()), "{status}");
    let switch = scene.rest.get("/v2/switches/t").expect(200);
    assert_eq!((&switch["status"], &switch["reason"]), (&"conflict".into(), &reason.into()), "{switch}");

    scene.rest.delete(&format!("/v2/l2-gateway-connections/{holder}"));
    scene.rest.wait_status(loser, "active");
    let left = if loser == &late { &other } else { &scene.network };
    tor.wait("the one that is left", |dump| dump.bindings().get(&port()) == Some(&logical_switch(left)));
}

fn port() -> (String, u16) {
    ("Ethernet40".to_owned(), 50)
}

/// Gives the example's network this VNI, behind the daemon's back.
fn segment(scene: &mut Scene, vni: &str) {
    scene.daemon.stop();
    let sql = format!("UPDATE networks SET vni = {vni} WHERE id = '{}'", scene.network);
    run("sqlite3", &[&scene.daemon.home.store().display().to_string(), &sql]);
    scene.daemon.start();
    scene.rest = scene.daemon.rest();
}
