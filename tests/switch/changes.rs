//! What operators and OpenStack change while everything is connected.

use serde_json::json;

use super::scene::{COMPUTE_1, COMPUTE_2, MACHINES, Scene, logical_switch, macs, set};
use crate::support::{daemon::Home, recorder::Recorder, rest::Rest, tor::Tor};

fn move_port(rest: &Rest, port: &str, host: &str) {
    rest.put(&format!("/v2.0/ports/{port}"), &json!({"port": {"binding:host_id": host}})).expect(200);
}

/// A move is one transaction: the new flood set and the MAC's new locator.
#[test]
fn a_port_that_moves_takes_its_locator_and_the_flood_list_along() {
    let tor = Tor::start("t", "192.0.2.1");
    let recorder = Recorder::start(tor.socket());
    let scene = Scene::with(Home::new().recorded(&tor, &recorder), "t");
    scene.rest.endpoint("compute-3", "198.51.100.13");
    let before = recorder.count("transact");
    move_port(&scene.rest, &scene.ports[2], "compute-3");
    let name = scene.logical_switch();
    let dump =
        tor.wait("the machine is behind compute-3", |dump| dump.macs().iter().any(|mac| mac.vtep == "198.51.100.13"));
    // Whoever sees the MAC's move sees the flood list's.
    let vteps = [COMPUTE_1.1, "198.51.100.13"];
    assert_eq!(dump.floods(), [(name, set(&vteps))]);
    assert_eq!(dump.rows("Physical_Locator").len(), vteps.len(), "the old locator is gone");
    assert_eq!(recorder.count("transact"), before + 1, "{:#?}", recorder.transacts());
}

#[test]
fn a_port_deleted_leaves_with_its_compute_node() {
    let tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    let name = scene.logical_switch();
    // compute-1 has another machine: only the MAC goes.
    scene.rest.delete(&format!("/v2.0/ports/{}", scene.ports[0])).expect(204);
    let dump = tor.wait("one MAC less", |dump| dump.macs().len() == MACHINES.len() - 1);
    assert_eq!(dump.floods(), [(name.clone(), set(&[COMPUTE_1.1, COMPUTE_2.1]))]);
    // compute-2 has no other (step 9): it leaves the flood list.
    scene.rest.delete(&format!("/v2.0/ports/{}", scene.ports[2])).expect(204);
    tor.wait("compute-2 leaves", |dump| {
        dump.floods() == [(name.clone(), set(&[COMPUTE_1.1]))] && dump.macs().len() == 1
    });
    scene.rest.delete(&format!("/v2.0/ports/{}", scene.ports[1])).expect(204);
    let dump = tor.wait("nobody is left", |dump| dump.floods().is_empty() && dump.macs().is_empty());
    assert_eq!(dump.rows("Physical_Locator"), []);
    assert_eq!(dump.bindings().len(), 1, "the binding stays");
}

#[test]
fn a_port_without_a_tunnel_endpoint_gets_its_row_when_the_endpoint_comes() {
    let tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    scene.rest.port(&scene.network, "fa:16:3e:00:00:09", "10.0.0.19", "compute-9");
    let endpoint = scene.rest.endpoint("compute-9", "198.51.100.19");
    let name = scene.logical_switch();
    let all = set(&[COMPUTE_1.1, COMPUTE_2.1, "198.51.100.19"]);
    tor.wait("the fourth machine", |dump| {
        dump.macs().len() == MACHINES.len() + 1 && dump.floods() == [(name.clone(), all.clone())]
    });
    // The endpoint gets another address: MAC and flood list follow.
    let body = json!({"tunnel_endpoint": {"ip_address": "198.51.100.29"}});
    scene.rest.put(&format!("/v2.0/tunnel-endpoints/{endpoint}"), &body).expect(200);
    let all = set(&[COMPUTE_1.1, COMPUTE_2.1, "198.51.100.29"]);
    tor.wait("the new address", |dump| {
        dump.floods() == [(name.clone(), all.clone())] && dump.macs().iter().any(|mac| mac.vtep == "198.51.100.29")
    });
    scene.rest.delete(&format!("/v2.0/tunnel-endpoints/{endpoint}")).expect(204);
    tor.wait("the endpoint is gone", |dump| scene.is_on(dump));
}

#[test]
fn a_mac_that_two_hosts_claim_is_flooded_and_reported() {
    let tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    let body = json!({"port": {"network_id": scene.network, "mac_address": "fa:16:3e:00:00:77",
                               "binding:host_id": COMPUTE_1.0, "fixed_ips": [{"ip_address": "10.0.0.77"}]}});
    scene.rest.post("/v2.0/ports", &body).expect(201);
    tor.wait("one host claims it", |dump| dump.macs().len() == MACHINES.len() + 1);
    // A VRRP router: another machine may speak for the same MAC.
    let pair = json!([{"ip_address": "10.0.0.77", "mac_address": "fa:16:3e:00:00:77"}]);
    let path = format!("/v2.0/ports/{}", scene.ports[2]);
    scene.rest.put(&path, &json!({"port": {"allowed_address_pairs": pair}})).expect(200);
    tor.wait("it is flooded", |dump| scene.is_on(dump));
}

/// Both forms of update, on a connected gateway: bindings follow at once.
#[test]
fn a_gateway_updated_while_connected_rebinds() {
    let tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    let name = scene.logical_switch();
    let bound = |wanted: &[(&str, u16)]| {
        let wanted = wanted.iter().map(|(port, vlan)| (((*port).to_owned(), *vlan), name.clone())).collect();
        tor.wait("the bindings", |dump| dump.bindings() == wanted);
    };
    let gateway = |devices| json!({"l2_gateway": {"name": "vtep-gateway-1", "devices": devices}});
    let add = |interface: &str, vlans: &[u16]| json!([{"device_name": "t", "new_interfaces": [{"name": interface, "segmentation-id": vlans}]}]);
    // PUT, by UUID.
    let by_id = format!("/v2/l2-gateways/{}", scene.gateway);
    scene.rest.put(&by_id, &gateway(add("Ethernet41", &[60, 61]))).expect(200);
    bound(&[("Ethernet40", 50), ("Ethernet41", 60), ("Ethernet41", 61)]);
    // The specification's own form: POST on a name that exists; an interface that exists gets further VLANs.
    scene.rest.post("/v2/l2-gateways", &gateway(add("Ethernet41", &[0]))).expect(200);
    bound(&[("Ethernet40", 50), ("Ethernet41", 0), ("Ethernet41", 60), ("Ethernet41", 61)]);
    // A removal beside the device, as the specification prints it.
    let removal = gateway(json!([{"device_name": "t"}, {"deleted_interfaces": [{"name": "Ethernet41"}]}]));
    scene.rest.post("/v2/l2-gateways", &removal).expect(200);
    bound(&[("Ethernet40", 50)]);
    // Removed and added in one call: removals first.
    let both = json!([{"device_name": "t", "deleted_interfaces": [{"name": "Ethernet40"}],
                       "new_interfaces": [{"name": "Ethernet40", "segmentation-id": [70]}]}]);
    scene.rest.put("/v2/l2-gateways/vtep-gateway-1", &gateway(both)).expect(200);
    bound(&[("Ethernet40", 70)]);
    scene.rest.wait_status(&scene.connection, "active");
}

#[test]
fn two_networks_share_a_port_on_different_vlans() {
    let tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    let other = scene.rest.network("network2");
    // The same VLAN of the same port: refused, and nothing changes.
    let body = json!({"gateway_id": scene.gateway, "network_id": other, "default_segmentation_id": 50});
    let answer = scene.rest.post("/v2/l2-gateway-connections", &body);
    assert_eq!((answer.status, answer.error_type().as_str()), (409, "L2GatewayDuplicateSegmentationID"));
    let connection = scene.rest.connect(&scene.gateway, &other, 51);
    scene.rest.wait_status(&connection, "active");
    assert_eq!(tor.dump().logical_switches().len(), [&scene.network, &other].len());
    // A machine with the same MAC and IP lives in the other network: rows are by (MAC, network).
    scene.rest.port(&other, MACHINES[0].0, MACHINES[0].1, COMPUTE_2.0);
    let theirs = macs(&logical_switch(&other), &[(MACHINES[0].0, MACHINES[0].1, COMPUTE_2.1)]);
    tor.wait("the twin MAC", |dump| dump.macs().len() == MACHINES.len() + 1 && dump.macs().contains(&theirs[0]));
    scene.rest.disconnect(&connection);
    tor.wait("the other goes, ours stays", |dump| scene.is_on(dump));
}

/// Two gateways bind the same network on the same port and VLAN: the binding stays until both are gone.
#[test]
fn bindings_are_counted_over_connections() {
    let tor = Tor::start("t", "192.0.2.1");
    let before = tor.dump();
    let scene = Scene::on(&tor);
    scene.rest.gateway("second", &[("t", &["Ethernet40", "Ethernet41"])]);
    let second = scene.rest.connect("second", &scene.network, 50);
    scene.rest.wait_status(&second, "active");
    scene.rest.disconnect(&second);
    tor.wait("only its own binding goes", |dump| scene.is_on(dump));
    scene.rest.disconnect(&scene.connection);
    tor.wait("nothing is left", |dump| *dump == before);
}

/// A Logical_Switch that local MACs hold goes when the switch lets go; other work isn't blocked meanwhile.
#[test]
fn teardown_waits_for_the_switch_and_blocks_nothing() {
    let tor = Tor::start("t", "192.0.2.1");
    let before = tor.dump();
    let scene = Scene::on(&tor);
    let name = scene.logical_switch();
    tor.vtep_ctl(&["add-ucast-local", &name, "02:00:00:00:00:01", "192.0.2.1"]);
    scene.rest.disconnect(&scene.connection);
    tor.wait("all but the Logical_Switch goes", |dump| {
        dump.bindings().is_empty() && dump.macs().is_empty() && dump.floods().is_empty()
    });
    let draining = scene.rest.wait_switch("t", "it drains", |now| now["draining"] == json!([scene.network]));
    assert_eq!(draining["session"]["state"], "up");
    let other = scene.rest.network("network2");
    let connection = scene.rest.connect(&scene.gateway, &other, 51);
    scene.rest.wait_status(&connection, "active");
    scene.rest.disconnect(&connection);
    tor.wait("the other network is gone", |dump| dump.logical_switches().len() == 1);
    tor.vtep_ctl(&["del-ucast-local", &name, "02:00:00:00:00:01"]);
    tor.wait("the switch let go", |dump| *dump == before);
    scene.rest.wait_switch("t", "nothing drains", |now| now["draining"] == json!([]));
}

/// Locators that the switch made itself (its own VTEP, say) are used, not inserted again.
#[test]
fn locators_that_exist_are_reused() {
    let tor = Tor::start("t", "192.0.2.1");
    tor.vtep_ctl(&["add-ls", "theirs", "--", "add-ucast-local", "theirs", "02:00:00:00:00:01", COMPUTE_1.1]);
    let scene = Scene::on(&tor);
    let dump = tor.dump();
    assert!(scene.is_on(&dump), "{dump:#?}");
    assert_eq!(dump.rows("Physical_Locator").len(), [COMPUTE_1, COMPUTE_2].len());
}
