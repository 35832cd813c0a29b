//! With nothing to change, nothing is sent.

use std::fs;

use super::scene::{COMPUTE_1, MACHINES, Scene};
use crate::support::{daemon::Home, recorder::Recorder, tor::Tor};

/// Neither a restart, nor a new session, nor a reload, nor a switch's own news cause a transaction. The proof needs no
/// waiting: a change at the end is the only thing that was sent since.
#[test]
fn nothing_to_change_sends_no_transaction() {
    let tor = Tor::start("t", "192.0.2.1");
    let recorder = Recorder::start(tor.socket());
    let mut scene = Scene::with(Home::new().recorded(&tor, &recorder), "t");
    let sent = recorder.count("transact");
    let file = fs::read(tor.file()).expect("the database's file");

    assert!(scene.daemon.stop().success());
    scene.daemon.start();
    scene.rest = scene.daemon.rest();
    scene.rest.wait_status(&scene.connection, "active");
    recorder.cut();
    recorder.wait("monitor", 3, crate::support::PATIENCE);
    scene.rest.wait_status(&scene.connection, "active");
    scene.daemon.reload();
    assert_eq!(fs::read(tor.file()).expect("the database's file"), file, "the server committed something");

    // A port's statistics, a local MAC: the switch's business.
    let name = scene.logical_switch();
    tor.vtep_ctl(&["set", "Physical_Switch", "t", "description=rack_4"]);
    tor.vtep_ctl(&["add-ucast-local", &name, "02:00:00:00:00:01", "192.0.2.1"]);

    scene.rest.port(&scene.network, "fa:16:3e:00:00:04", "10.0.0.14", COMPUTE_1.0);
    tor.wait("the fourth machine", |dump| dump.macs().len() == MACHINES.len() + 1);
    let news: Vec<_> = recorder.transacts().split_off(sent);
    assert_eq!(news.len(), 1, "{news:#?}");
    assert!(news[0].to_string().contains("fa:16:3e:00:00:04"), "{news:#?}");
}

/// A port on a network that no switch carries is nobody's business.
#[test]
fn an_unconnected_network_reaches_no_switch() {
    let tor = Tor::start("t", "192.0.2.1");
    let recorder = Recorder::start(tor.socket());
    let scene = Scene::with(Home::new().recorded(&tor, &recorder), "t");
    let sent = recorder.count("transact");
    let other = scene.rest.network("elsewhere");
    scene.rest.port(&other, "fa:16:3e:00:00:08", "10.0.0.18", COMPUTE_1.0);
    scene.rest.port(&scene.network, "fa:16:3e:00:00:04", "10.0.0.14", COMPUTE_1.0);
    tor.wait("the fourth machine", |dump| dump.macs().len() == MACHINES.len() + 1);
    assert_eq!(recorder.count("transact"), sent + 1, "{:#?}", recorder.transacts());
}
