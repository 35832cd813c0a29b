//! Servers and daemons that die, freeze and come back.

use std::time::{Duration, Instant};

use serde_json::json;

use super::scene::{COMPUTE_1, COMPUTE_2, MACHINES, Scene, logical_switch, mac, many_ports};
use crate::support::{
    PATIENCE,
    daemon::Home,
    eventually,
    recorder::Recorder,
    tor::{Contents, Tor},
};

/// Bulk loads run beside other tests, on two cores, in a debug build.
const LONG: Duration = Duration::from_mins(1);

#[test]
fn a_server_that_comes_back_with_its_file_needs_nothing() {
    let mut tor = Tor::start("t", "192.0.2.1");
    let recorder = Recorder::start(tor.socket());
    let scene = Scene::with(Home::new().recorded(&tor, &recorder), "t");
    let good = tor.dump();
    let sent = recorder.count("transact");
    tor.kill();
    scene.rest.wait_status(&scene.connection, "down");
    tor.restart(Contents::Kept);
    scene.rest.wait_status(&scene.connection, "active");
    assert_eq!(tor.dump(), good);
    assert_eq!(recorder.count("transact"), sent);
}

#[test]
fn a_server_that_comes_back_empty_is_filled() {
    let mut tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::with(Home::new().tor_on_unix(&tor), "t");
    let good = tor.dump();
    tor.restart(Contents::Factory);
    tor.wait("it is filled again", |dump| *dump == good);
    scene.rest.wait_status(&scene.connection, "active");
}

#[test]
fn what_changed_while_a_switch_was_down_is_caught_up() {
    let mut tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    tor.kill();
    scene.rest.wait_status(&scene.connection, "down");
    scene.rest.delete(&format!("/v2.0/ports/{}", scene.ports[2])).expect(204);
    scene.rest.port(&scene.network, "fa:16:3e:00:00:04", "10.0.0.14", COMPUTE_1.0);
    tor.restart(Contents::Kept);
    tor.wait("both changes", |dump| {
        let macs: Vec<String> = dump.macs().into_iter().map(|mac| mac.address).collect();
        macs == ["fa:16:3e:00:00:01", "fa:16:3e:00:00:02", "fa:16:3e:00:00:04"]
            && dump.floods().iter().all(|(_, members)| !members.contains(COMPUTE_2.1))
    });
}

/// A connection deleted while neither switch nor daemon was there: its tombstone is in the store.
#[test]
fn a_deletion_outlives_switch_and_daemon() {
    let mut tor = Tor::start("t", "192.0.2.1");
    let before = tor.dump();
    let mut scene = Scene::on(&tor);
    scene.rest.post("/v2.0/ports", &many_ports(&scene.network, 50, &[COMPUTE_1.0])).expect(201);
    tor.wait_rows("Ucast_Macs_Remote", 53, PATIENCE);
    tor.kill();
    scene.rest.disconnect(&scene.connection);
    scene.daemon.kill();
    scene.daemon.start();
    tor.restart(Contents::Kept);
    tor.wait("all of it goes", |dump| *dump == before);
}

/// SIGKILL in the middle of loading 20,000 MACs; afterwards exactly the desired rows, each once.
#[test]
fn a_daemon_killed_while_loading_converges() {
    const PORTS: u32 = 20_000;
    let tor = Tor::start("t", "192.0.2.1");
    let recorder = Recorder::start(tor.socket());
    let mut daemon = Home::new().recorded(&tor, &recorder).start();
    let rest = daemon.rest();
    for (host, ip) in [COMPUTE_1, COMPUTE_2] {
        rest.endpoint(host, ip);
    }
    let network = rest.network("n");
    rest.post("/v2.0/ports", &many_ports(&network, PORTS, &[COMPUTE_1.0, COMPUTE_2.0])).expect(201);
    rest.gateway("g", &[("t", &["Ethernet40"])]);
    rest.connect("g", &network, 50);
    recorder.wait("transact", 8, LONG);
    daemon.kill();
    let loaded = tor.rpc().count("Ucast_Macs_Remote");
    assert!((1..PORTS as usize).contains(&loaded), "killed too early or too late: {loaded} rows");

    daemon.start();
    tor.wait_rows("Ucast_Macs_Remote", PORTS as usize, LONG);
    let dump = tor.dump();
    let name = logical_switch(&network);
    let macs: Vec<String> = dump.macs().into_iter().map(|mac| mac.address).collect();
    let wanted: Vec<String> = (0..PORTS).map(mac).collect();
    assert!(macs == wanted, "the rows are not exactly the desired ones");
    assert!(dump.logical_switches().into_keys().eq([name.clone()]));
    assert_eq!(dump.bindings(), [(("Ethernet40".to_owned(), 50), name)].into());
    assert_eq!(dump.floods().len(), 1);
    assert_eq!(dump.rows("Physical_Locator").len(), [COMPUTE_1, COMPUTE_2].len());
}

/// The line is cut in the middle of loading: no row is lost, none is there twice.
#[test]
fn a_line_cut_while_loading_converges() {
    const PORTS: u32 = 5_000;
    let tor = Tor::start("t", "192.0.2.1");
    let recorder = Recorder::start(tor.socket());
    let daemon = Home::new().recorded(&tor, &recorder).start();
    let rest = daemon.rest();
    rest.endpoint(COMPUTE_1.0, COMPUTE_1.1);
    let network = rest.network("n");
    rest.post("/v2.0/ports", &many_ports(&network, PORTS, &[COMPUTE_1.0])).expect(201);
    rest.gateway("g", &[("t", &["Ethernet40"])]);
    let connection = rest.connect("g", &network, 50);
    for transacts in [4, 8] {
        recorder.wait("transact", transacts, LONG);
        recorder.cut();
    }
    tor.wait_rows("Ucast_Macs_Remote", PORTS as usize, LONG);
    rest.wait_status(&connection, "active");
    let mut macs: Vec<String> = tor.dump().macs().into_iter().map(|mac| mac.address).collect();
    macs.dedup();
    assert_eq!(macs.len(), PORTS as usize);
}

/// One switch is off, one is frozen: calls are answered at once, and the third switch is programmed at once.
#[test]
fn a_switch_that_is_down_delays_nothing() {
    let tors = ["frozen", "healthy"].map(|name| Tor::start(name, "192.0.2.1"));
    let home = Home::new().tor(&tors[0]).tor(&tors[1]).switch("off", "management_ip = 127.0.0.1\nport = 1\n");
    let daemon = home.start();
    let rest = daemon.rest();
    rest.wait_switch("frozen", "it is up", |now| now["session"]["state"] == "up");
    tors[0].freeze();
    rest.endpoint(COMPUTE_1.0, COMPUTE_1.1);
    let network = rest.network("n");
    let mut connections = Vec::new();
    for switch in ["frozen", "off", "healthy"] {
        let begun = Instant::now();
        rest.gateway(switch, &[(switch, &["Ethernet40"])]);
        connections.push(rest.connect(switch, &network, 50));
        rest.port(&network, &format!("fa:16:3e:00:01:{:02x}", connections.len()), "10.0.0.1", COMPUTE_1.0);
        rest.status(&connections[0]);
        rest.get("/v2/switches").expect(200);
        assert!(begun.elapsed() < Duration::from_secs(1), "{switch}: {:?}", begun.elapsed());
    }
    let begun = Instant::now();
    rest.wait_status(&connections[2], "active");
    tors[1].wait("three machines", |dump| dump.macs().len() == MACHINES.len());
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    rest.wait_status(&connections[1], "down");
    assert_ne!(rest.switch("off")["session"]["state"], "up");
    assert_ne!(rest.status(&connections[0])["status"], "active");
    rest.get("/readyz").expect(200);
    tors[0].thaw();
    rest.wait_status(&connections[0], "active");
}

/// The switch that answers isn't the one that plumgrid.ini names.
#[test]
fn a_wrong_switch_is_refused() {
    let tor = Tor::start("somebody-else", "192.0.2.1");
    let before = tor.dump();
    let lines = format!("management_ip = 127.0.0.1\nport = {}\n", tor.port());
    let scene = Scene::begin(Home::new().switch("t", &lines), &["t"]);
    let status = scene.rest.wait_switch("t", "it is refused", |now| now["session"]["state"] == "refused");
    assert!(status["reason"].as_str().expect("a reason").contains("somebody-else"), "{status}");
    assert_eq!(tor.dump(), before);
    // It is renamed: no call is needed.
    tor.vtep_ctl(&["set", "Physical_Switch", "somebody-else", "name=t"]);
    scene.rest.wait_status(&scene.connection, "active");
}

/// SIGKILL right after an answer loses nothing that was answered.
#[test]
fn what_was_answered_is_kept() {
    const ROUNDS: usize = 5;
    const NETWORKS: usize = 5;
    let mut daemon = Home::new().start();
    for round in 0..ROUNDS {
        let rest = daemon.rest();
        let ids: Vec<String> = (0..NETWORKS).map(|i| rest.network(&format!("n{round}-{i}"))).collect();
        daemon.kill();
        daemon.start();
        let rest = daemon.rest();
        for id in ids {
            rest.get(&format!("/v2.0/networks/{id}")).expect(200);
        }
    }
    let all = daemon.rest().get("/v2.0/networks").expect(200);
    assert_eq!(all["networks"].as_array().expect("networks").len(), ROUNDS * NETWORKS);
}

/// A daemon that is started before its switches have power.
#[test]
fn a_switch_that_comes_late_is_programmed() {
    let mut tor = Tor::start("t", "192.0.2.1");
    let home = Home::new().tor_on_unix(&tor);
    tor.kill();
    let scene = Scene::begin(home, &["t"]);
    scene.rest.wait_status(&scene.connection, "down");
    tor.restart(Contents::Kept);
    scene.rest.wait_status(&scene.connection, "active");
    assert!(scene.is_on(&tor.dump()));
    eventually("the session is shown", PATIENCE, || {
        let session = scene.rest.switch("t")["session"].clone();
        if session["state"] == json!("up") { Ok(()) } else { Err(session.to_string()) }
    });
}
