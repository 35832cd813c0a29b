//! Two networks of ours that want one VLAN of a port. The API refuses that; but a network without a VXLAN segment binds
//! nothing, and may get one (again) from its source after another network took its VLAN.

use serde_json::json;

use super::scene::{Scene, logical_switch};
use crate::support::{process::run, tor::Tor};

#[test]
fn of_two_networks_on_one_vlan_the_one_that_uses_it_keeps_it_until_it_leaves() {
    let tor = Tor::start("t", "203.0.113.1");
    let mut scene = Scene::on(&tor);

    let vni = |vni: &str, network: &str| format!("UPDATE networks SET vni = {vni} WHERE id = '{network}';");
    let without = vni("NULL", &scene.network);
    change(&mut scene, &without);
    let status = scene.rest.wait_status(&scene.connection, "error");
    assert!(status.to_string().contains("no VXLAN segment"), "{status}");
    let other = scene.rest.network("network2");
    let late = scene.rest.connect(&scene.gateway, &other, 50);
    scene.rest.wait_status(&late, "active");
    tor.wait("the other network", |dump| dump.bindings().get(&port()) == Some(&logical_switch(&other)));

    // Its old VNI may have been given away meanwhile. By the order of connections it is the first now.
    let first = "00000000-0000-4000-8000-000000000001";
    let order = format!("UPDATE pg_networkconnections SET id = '{first}' WHERE id = '{}';", scene.connection);
    let with = vni("7777", &scene.network);
    first.clone_into(&mut scene.connection);
    change(&mut scene, &(order + &with));
    let before = tor.dump().bindings();
    for _ in 0..2 {
        scene.rest.wait_status(&late, "active");
        let status = scene.rest.wait_status(&scene.connection, "conflict");
        let reason = status["switches"][0]["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("VLAN 50 of port Ethernet40") && reason.contains(&late), "{status}");
        let switch = scene.rest.get("/v2/switches/t").expect(200);
        assert_eq!((&switch["status"], &switch["reason"]), (&"conflict".into(), &reason.into()), "{switch}");
        assert_eq!(tor.dump().bindings(), before, "the VLAN stays where it is used");
        let diff = scene.daemon.admin("switch_diff", &json!({"switch": "t"}));
        assert_eq!(diff["rows"], json!([]), "nothing is planned: {diff}");
        // And the same after a restart.
        change(&mut scene, "");
    }

    scene.rest.delete(&format!("/v2/l2-gateway-connections/{late}"));
    scene.rest.wait_status(&scene.connection, "active");
    tor.wait("the one that is left", |dump| dump.bindings().get(&port()) == Some(&scene.logical_switch()));
}

fn port() -> (String, u16) {
    ("Ethernet40".to_owned(), 50)
}

/// Changes the store behind the daemon's back.
fn change(scene: &mut Scene, statements: &str) {
    scene.daemon.stop();
    if !statements.is_empty() {
        run("sqlite3", &[&scene.daemon.home.store().display().to_string(), statements]);
    }
    scene.daemon.start();
    scene.rest = scene.daemon.rest();
}
