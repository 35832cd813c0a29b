//! A section of plumgrid.ini is what gateways name; `physical_switch` only finds the row in the switch's database.

use super::scene::{MACHINES, Scene};
use crate::support::{daemon::Home, recorder::Recorder, tor::Tor};

const BARE: &str = "02:00:00:00:00:0b";

#[test]
fn a_switch_that_is_renamed_keeps_its_bindings_and_macs() {
    let tor = Tor::start("tor-1", "192.0.2.1");
    let recorder = Recorder::start(tor.socket());
    let mut scene = Scene::with(Home::new().recorded(&tor, &recorder), "tor-1");
    tor.learn(&scene.logical_switch(), BARE, "10.0.0.77");
    let sent = recorder.count("transact");

    tor.vtep_ctl(&["set", "Physical_Switch", "tor-1", "name=leaf-7"]);
    let status = scene.rest.wait_switch("tor-1", "it is missing", |now| now["status"] == "error");
    let reason = status["reason"].as_str().expect("a reason");
    assert!(reason.contains("leaf-7") && reason.contains("physical_switch"), "{reason}");
    assert!(scene.is_on(&tor.dump()), "nothing is judged of what isn't there");

    // As the message says.
    let lines = format!("management_ip = 127.0.0.1\nport = {}\nphysical_switch = leaf-7\n", recorder.port());
    scene.daemon.home.rewrite("tor-1", &lines);
    scene.daemon.reload();
    let status = scene.rest.wait_status(&scene.connection, "active");
    assert_eq!(status["switches"][0]["switch"], "tor-1", "{status}");
    assert!(scene.is_on(&tor.dump()));
    let entries = crate::support::watch::fdb(&scene.rest, &scene.network, "").entries;
    assert!(entries.contains_key(BARE), "{entries:?}");
    assert_eq!(recorder.count("transact"), sent, "{:#?}", recorder.transacts().split_off(sent));

    // What comes next goes there.
    scene.rest.port(&scene.network, "fa:16:3e:00:00:04", "10.0.0.14", super::scene::COMPUTE_1.0);
    tor.wait("the fourth machine", |dump| dump.macs().len() == MACHINES.len() + 1);
}

/// The row's own name is nobody's device.
#[test]
fn a_gateway_names_the_section_not_the_row() {
    let tor = Tor::start("leaf-7", "192.0.2.1");
    let lines = format!("management_ip = 127.0.0.1\nport = {}\nphysical_switch = leaf-7\n", tor.port());
    let daemon = Home::new().switch("tor-1", &lines).start();
    let rest = daemon.rest();
    let network = rest.network("n");
    rest.gateway("right", &[("tor-1", &["Ethernet40"])]);
    rest.gateway("wrong", &[("leaf-7", &["Ethernet41"])]);
    let right = rest.connect("right", &network, 50);
    let wrong = rest.connect("wrong", &network, 50);
    rest.wait_status(&right, "active");
    let status = rest.wait_status(&wrong, "error");
    let reason = "no switch is configured for device 'leaf-7': [switch:tor-1] has it as physical_switch";
    assert!(status.to_string().contains(reason), "{status}");
    assert_eq!(tor.dump().bindings().keys().map(|(port, _)| port.as_str()).collect::<Vec<_>>(), ["Ethernet40"]);
}
