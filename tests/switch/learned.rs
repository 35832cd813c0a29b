//! Learned MACs: from a switch's database to the compute nodes, and to the switches of other gateways.

use std::time::Duration;

use serde_json::{Value, json};

use super::scene::{COMPUTE_1, COMPUTE_2, Scene, logical_switch, macs, set};
use crate::support::{
    clock::Clock,
    daemon::{Daemon, Home},
    eventually,
    rest::Rest,
    tor::Tor,
    watch::{Watch, fdb},
};

const BARE: &str = "02:00:00:00:00:0b";
const OTHER: &str = "02:00:00:00:00:0c";

/// Two gateways of one switch each on one network.
struct Pair {
    tors: [Tor; 2],
    daemon: Daemon,
    rest: Rest,
    network: String,
    connections: [String; 2],
}

impl Pair {
    fn begin(more: &str) -> Self {
        Self::with(Home::new().more(more))
    }

    fn with(home: Home) -> Self {
        let tors = [Tor::start("left", "192.0.2.1"), Tor::start("right", "192.0.2.2")];
        let daemon = home.tor(&tors[0]).tor(&tors[1]).start();
        let rest = daemon.rest();
        let network = rest.network("n");
        let connections = ["left", "right"].map(|name| {
            rest.gateway(name, &[(name, &["Ethernet40"])]);
            rest.connect(name, &network, 50)
        });
        for connection in &connections {
            rest.wait_status(connection, "active");
        }
        let pair = Self { tors, daemon, rest, network, connections };
        pair.wait_flood(&["192.0.2.1", "192.0.2.2"]);
        pair
    }

    fn name(&self) -> String {
        logical_switch(&self.network)
    }

    fn wait_flood(&self, vteps: &[&str]) {
        Watch::open(&self.rest, "", None).until(&self.network, "flood list", |known| known.flood == vteps);
    }

    fn wait_vtep(&self, mac: &str, vtep: Option<&str>) {
        let wanted = vtep.map(|vtep| (vtep.to_owned(), "learned".to_owned()));
        Watch::open(&self.rest, "", None).until(&self.network, mac, |known| known.entries.get(mac) == wanted.as_ref());
    }

    fn status(&self, which: usize) -> Value {
        self.rest.status(&self.connections[which])
    }
}

#[test]
fn a_learned_mac_reaches_compute_nodes_and_the_other_gateway() {
    const MACS: usize = 15;
    let pair = Pair::begin("");
    let [left, right] = &pair.tors;
    let name = pair.name();
    // Each gateway's switch floods to the other gateway.
    right.wait("left's VTEP", |dump| dump.floods() == [(name.clone(), set(&["192.0.2.1"]))]);
    left.wait("right's VTEP", |dump| dump.floods() == [(name.clone(), set(&["192.0.2.2"]))]);

    let mut watch = Watch::open(&pair.rest, "", None);
    watch.event();
    left.learn(&name, BARE, "10.0.0.77");
    watch.until(&pair.network, "the MAC", |known| known.entries.get(BARE).is_some_and(|(vtep, _)| vtep == "192.0.2.1"));
    let answer = eventually("its address", Duration::from_secs(10), || {
        let answer = pair.rest.get(&format!("/v2/fdb/{}", pair.network)).expect(200);
        if answer["entries"][0]["ips"] == json!(["10.0.0.77"]) { Ok(answer) } else { Err(answer.to_string()) }
    });
    let entry = json!({"mac": BARE, "ips": ["10.0.0.77"], "vtep": "192.0.2.1", "kind": "learned"});
    assert_eq!(answer["entries"], json!([entry]));
    assert_eq!(answer["flood"], json!(["192.0.2.1", "192.0.2.2"]));
    right.wait("the MAC", |dump| dump.macs() == macs(&name, &[(BARE, "10.0.0.77", "192.0.2.1")]));
    assert_eq!(left.dump().macs(), [], "it never comes back to where it was learned");
    pair.rest.wait_status(&pair.connections[1], "active");

    // It moves behind the other gateway, and the first switch forgets it.
    right.learn(&name, BARE, "10.0.0.77");
    pair.wait_vtep(BARE, Some("192.0.2.2"));
    left.wait("the MAC", |dump| dump.macs() == macs(&name, &[(BARE, "10.0.0.77", "192.0.2.2")]));
    left.unlearn(&name, BARE);
    right.wait("the MAC is its own", |dump| dump.macs().is_empty());

    right.unlearn(&name, BARE);
    pair.wait_vtep(BARE, None);
    left.wait("nothing is left", |dump| dump.macs().is_empty());

    // A gateway that is disconnected takes its MACs and its VTEP along.
    for i in 0..MACS {
        left.learn(&name, &format!("02:00:00:00:01:{i:02x}"), "");
    }
    right.wait("all of them", |dump| dump.macs().len() == MACS);
    pair.rest.disconnect(&pair.connections[0]);
    right.wait("none of them, and no guard that holds them", |dump| dump.macs().is_empty() && dump.floods().is_empty());
    pair.wait_flood(&["192.0.2.2"]);
}

#[test]
fn neither_a_lost_session_nor_a_restart_withdraws_a_mac() {
    const MACS: usize = 20;
    let mut pair = Pair::begin("");
    let name = pair.name();
    for i in 0..MACS {
        pair.tors[0].learn(&name, &format!("02:00:00:00:01:{i:02x}"), "");
    }
    let all = |dump: &crate::support::dump::Dump| dump.macs().len() == MACS;
    pair.tors[1].wait("all of them", all);
    pair.tors[0].kill();
    pair.rest.wait_switch("left", "it is away", |now| now["session"]["state"] == "backoff");
    assert_eq!(fdb(&pair.rest, &pair.network, "").entries.len(), MACS);
    // The daemon restarts while the switch is away: nothing leaves the other switch.
    pair.daemon.kill();
    pair.daemon.start();
    pair.rest = pair.daemon.rest();
    pair.rest.wait_status(&pair.connections[1], "active");
    assert_eq!(fdb(&pair.rest, &pair.network, "").entries.len(), MACS);
    assert!(all(&pair.tors[1].dump()));
    // It comes back, and has forgotten one meanwhile: only what it says itself counts.
    pair.tors[0].restart(crate::support::tor::Contents::Kept);
    pair.tors[0].unlearn(&name, "02:00:00:00:01:00");
    pair.wait_vtep("02:00:00:00:01:00", None);
    pair.tors[1].wait("one less", |dump| dump.macs().len() == 19);
    // Fresh from the factory it has none.
    pair.tors[0].restart(crate::support::tor::Contents::Factory);
    pair.tors[1].wait("none", |dump| dump.macs().is_empty());
    pair.rest.wait_status(&pair.connections[1], "active");
}

/// With `learned_hold`, a switch that is away for too long is believed to have lost its MACs; its place in the flood lists it
/// keeps.
#[test]
fn a_switch_that_is_away_for_too_long_loses_its_macs() {
    let mut pair = Pair::begin("[relay]\nlearned_hold = 1s\n");
    let name = pair.name();
    pair.tors[0].learn(&name, BARE, "");
    pair.tors[1].wait("the MAC", |dump| dump.macs().len() == 1);
    pair.tors[0].kill();
    pair.wait_vtep(BARE, None);
    pair.tors[1].wait("no MAC", |dump| dump.macs().is_empty());
    assert_eq!(fdb(&pair.rest, &pair.network, "").flood, ["192.0.2.1", "192.0.2.2"]);
    pair.tors[0].restart(crate::support::tor::Contents::Kept);
    pair.wait_vtep(BARE, Some("192.0.2.1"));
    pair.tors[1].wait("it is told again", |dump| dump.macs().len() == 1);
}

/// Several Physical_Switches behind one server share Logical_Switch and tables: a MAC's switch is the one whose VTEP its
/// locator is.
#[test]
fn switches_behind_one_server_are_told_apart_by_their_vteps() {
    let shared = Tor::shared(&[("left", "192.0.2.1"), ("middle", "192.0.2.2")]);
    let right = Tor::start("right", "192.0.2.3");
    let daemon = Home::new().tor(&shared).tor(&right).start();
    let rest = daemon.rest();
    let network = rest.network("n");
    let connections = ["left", "middle", "right"].map(|name| {
        rest.gateway(name, &[(name, &["Ethernet40"])]);
        rest.connect(name, &network, 50)
    });
    for connection in &connections {
        rest.wait_status(connection, "active");
    }
    let name = logical_switch(&network);
    let until = |what: &str, good: &dyn Fn(&crate::support::watch::Known) -> bool| {
        Watch::open(&rest, "", None).until(&network, what, good);
    };
    let at = |mac: &str, vtep: &str| {
        until(mac, &|known| known.entries.get(mac).is_some_and(|(place, _)| place == vtep));
    };
    until("all VTEPs", &|known| known.flood == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    shared.vtep_ctl(&["add-ucast-local", &name, BARE, "192.0.2.1"]);
    shared.vtep_ctl(&["add-ucast-local", &name, OTHER, "192.0.2.2"]);
    at(BARE, "192.0.2.1");
    at(OTHER, "192.0.2.2");
    right.wait("both", |dump| dump.macs() == macs(&name, &[(BARE, "", "192.0.2.1"), (OTHER, "", "192.0.2.2")]));
    assert!(shared.dump().macs().is_empty(), "nothing goes back into the database that it came from");
    right.learn(&name, "02:00:00:00:00:0d", "");
    shared.wait("the right one's MAC", |dump| dump.macs() == macs(&name, &[("02:00:00:00:00:0d", "", "192.0.2.3")]));
    // It moves from one to the other behind the same server.
    shared.vtep_ctl(&["del-ucast-local", &name, BARE]);
    shared.vtep_ctl(&["add-ucast-local", &name, BARE, "192.0.2.2"]);
    at(BARE, "192.0.2.2");
    // One of the two is disconnected: what the other has learned stays.
    rest.disconnect(&connections[0]);
    until("two VTEPs", &|known| known.flood == ["192.0.2.2", "192.0.2.3"]);
    let left = fdb(&rest, &network, "").entries;
    assert_eq!(left.keys().map(String::as_str).collect::<Vec<_>>(), [BARE, OTHER, "02:00:00:00:00:0d"]);
}

/// `ipaddr` of Ucast_Macs_Local may be an IPv6 address.
#[test]
fn an_ipv6_address_is_relayed() {
    let pair = Pair::begin("");
    let name = pair.name();
    pair.tors[0].learn(&name, BARE, "2001:db8::77");
    pair.tors[1]
        .wait("the MAC and its address", |dump| dump.macs() == macs(&name, &[(BARE, "2001:db8::77", "192.0.2.1")]));
    let answer = pair.rest.get(&format!("/v2/fdb/{}", pair.network)).expect(200);
    assert_eq!(answer["entries"][0]["ips"], json!(["2001:db8::77"]));
}

#[test]
fn a_mac_that_is_a_port_on_a_compute_node_is_a_loop() {
    let pair = Pair::begin("");
    let (left, right) = (&pair.tors[0], &pair.tors[1]);
    let name = pair.name();
    pair.rest.endpoint(COMPUTE_1.0, COMPUTE_1.1);
    // A port on a host without an endpoint is bare metal, and no loop.
    let bare = pair.rest.port(&pair.network, BARE, "10.0.0.77", "ironic");
    left.learn(&name, BARE, "");
    pair.wait_vtep(BARE, Some("192.0.2.1"));
    right.wait("the MAC", |dump| dump.macs() == macs(&name, &[(BARE, "", "192.0.2.1")]));
    assert_eq!(pair.status(0)["status"], "active");
    // On a compute node it is one.
    pair.rest.put(&format!("/v2.0/ports/{bare}"), &json!({"port": {"binding:host_id": COMPUTE_1.0}})).expect(200);
    pair.wait_vtep(BARE, None);
    let vm = macs(&name, &[(BARE, "10.0.0.77", COMPUTE_1.1)]);
    right.wait("the port's row", |dump| dump.macs() == vm);
    left.wait("the port's row", |dump| dump.macs() == vm);
    let status = pair.rest.wait_status(&pair.connections[0], "conflict");
    assert!(status.to_string().contains("loop suspected") && status.to_string().contains(BARE), "{status}");
    pair.rest.wait_status(&pair.connections[1], "active");
    let all = fdb(&pair.rest, &pair.network, "?scope=all");
    assert_eq!(all.entries[BARE], (COMPUTE_1.1.to_owned(), "port".to_owned()));
    // The machine ends: the MAC is behind the switch, and relayed again.
    pair.rest.delete(&format!("/v2.0/ports/{bare}")).expect(204);
    pair.wait_vtep(BARE, Some("192.0.2.1"));
    pair.rest.wait_status(&pair.connections[0], "active");
}

#[test]
fn a_switch_that_floods_is_cut_off_at_its_limit() {
    const LIMIT: usize = 3;
    let pair = Pair::begin(&format!("[relay]\nmax_learned_macs = {LIMIT}\n"));
    let name = pair.name();
    for i in 0..LIMIT + 2 {
        pair.tors[0].learn(&name, &format!("02:00:00:00:01:{i:02x}"), "");
    }
    pair.tors[1].wait("as many as the limit", |dump| dump.macs().len() == LIMIT);
    let status = pair.rest.wait_switch("left", "it says so", |now| now["status"] == "degraded");
    assert!(status["reason"].as_str().unwrap().contains("max_learned_macs"), "{status}");
    pair.rest.wait_status(&pair.connections[0], "degraded");
    // One that goes makes room.
    let taken = fdb(&pair.rest, &pair.network, "").entries;
    pair.tors[0].unlearn(&name, taken.keys().next().unwrap());
    eventually("another one in its place", Duration::from_secs(10), || {
        let now = fdb(&pair.rest, &pair.network, "").entries;
        if now.len() == LIMIT && now != taken { Ok(()) } else { Err(format!("{now:?}")) }
    });
}

/// Of more than twice as many MACs as are taken the relay forgets which they are: it hears of all of them again once they are few
/// enough, in the same session.
#[test]
fn a_flood_that_ends_leaves_nothing_out() {
    let pair = Pair::begin("[relay]\nmax_learned_macs = 3\n");
    let name = pair.name();
    let mac = |i: u8| format!("02:00:00:00:01:{i:02x}");
    for i in 0..16 {
        pair.tors[0].learn(&name, &mac(i), "");
    }
    pair.rest.wait_switch("left", "it says so", |now| now["status"] == "degraded");
    let since = pair.rest.switch("left")["session"]["since"].clone();
    for i in 0..13 {
        pair.tors[0].unlearn(&name, &mac(i));
    }
    pair.tors[1].wait("the three that are left", |dump| {
        let macs = dump.macs();
        macs.len() == 3 && (13..16).all(|i| macs.iter().any(|row| row.address == mac(i)))
    });
    let now = pair.rest.wait_switch("left", "it is over", |now| now["status"] == "active");
    assert_eq!(now["session"]["since"], since);
}

#[test]
fn a_mac_that_flaps_is_held_and_reported() {
    let pair = Pair::begin("");
    let name = pair.name();
    pair.tors[0].learn(&name, OTHER, "");
    // What comes and goes faster than it is told is no flap: each coming and going is seen before the next.
    let seen = |there: bool| {
        eventually("it is seen, or held", Duration::from_secs(30), || {
            let status = pair.status(0);
            let is_there = fdb(&pair.rest, &pair.network, "").entries.contains_key(BARE);
            if is_there == there || status["status"] == "degraded" { Ok(status) } else { Err(status.to_string()) }
        })
    };
    let status = eventually("it is reported", Duration::from_secs(30), || {
        pair.tors[0].learn(&name, BARE, "");
        let coming = seen(true);
        pair.tors[0].unlearn(&name, BARE);
        let going = seen(false);
        let held = [&coming, &going].into_iter().find(|status| status["status"] == "degraded");
        held.cloned().ok_or_else(|| going.to_string())
    });
    assert!(status.to_string().contains(BARE) && status.to_string().contains("too often"), "{status}");
    // It is announced nowhere: neither where it was, nor where it is now. It is flooded, and so it is reached.
    pair.tors[0].unlearn(&name, BARE);
    pair.tors[1].learn(&name, BARE, "");
    // Others go on, and what was said before them was heard.
    pair.tors[1].learn(&name, "02:00:00:00:00:0d", "");
    pair.wait_vtep("02:00:00:00:00:0d", Some("192.0.2.2"));
    pair.tors[0].unlearn(&name, OTHER);
    pair.wait_vtep(OTHER, None);
    assert!(!fdb(&pair.rest, &pair.network, "").entries.contains_key(BARE));
    assert!(pair.tors.iter().all(|tor| tor.dump().macs().iter().all(|row| row.address != BARE)));
}

/// The date jumps far ahead, and is corrected: a MAC is where it was learned last, and no hold ends early or late for it.
#[test]
fn the_calendar_decides_nothing() {
    let clock = Clock::new();
    let pair = Pair::with(Home::new().env(clock.env()).more("[relay]\nidle_flood_hold = 1h\nlearned_hold = 1h\n"));
    let name = pair.name();
    clock.jump("+4000d");
    pair.tors[0].learn(&name, BARE, "");
    pair.wait_vtep(BARE, Some("192.0.2.1"));
    clock.jump("+0");
    pair.tors[1].learn(&name, BARE, "");
    pair.wait_vtep(BARE, Some("192.0.2.2"));
    pair.tors[0].unlearn(&name, BARE);
    for jump in ["+3h", "-3h", "+400d"] {
        clock.jump(jump);
        // Somebody learns and forgets: everything is decided anew.
        pair.tors[0].learn(&name, OTHER, "");
        pair.wait_vtep(OTHER, Some("192.0.2.1"));
        pair.tors[0].unlearn(&name, OTHER);
        pair.wait_vtep(OTHER, None);
        assert_eq!(
            fdb(&pair.rest, &pair.network, "").flood,
            ["192.0.2.1", "192.0.2.2"],
            "idle for seconds, not {jump}"
        );
    }
}

/// Step 9: after its last MAC was withdrawn, a gateway leaves the flood list; it returns with the first.
#[test]
fn a_gateway_without_macs_leaves_the_flood_list_after_a_while() {
    let pair = Pair::begin("[relay]\nidle_flood_hold = 1s\n");
    let name = pair.name();
    // One that never learned a MAC stays: silent hosts must be reachable.
    pair.tors[0].learn(&name, BARE, "");
    pair.wait_vtep(BARE, Some("192.0.2.1"));
    pair.tors[0].unlearn(&name, BARE);
    pair.wait_flood(&["192.0.2.2"]);
    pair.tors[1].wait("no flood list", |dump| dump.floods().is_empty());
    pair.tors[0].learn(&name, BARE, "");
    pair.wait_flood(&["192.0.2.1", "192.0.2.2"]);
}

#[test]
fn a_switch_may_say_where_it_wants_broadcasts() {
    let tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    let wait = |vtep: &str| {
        Watch::open(&scene.rest, "", None).until(&scene.network, vtep, |known| known.flood == [vtep]);
    };
    wait("192.0.2.1");
    tor.vtep_ctl(&["add-mcast-local", &scene.logical_switch(), "unknown-dst", "192.0.2.99"]);
    wait("192.0.2.99");
    tor.vtep_ctl(&["del-mcast-local", &scene.logical_switch(), "unknown-dst", "192.0.2.99"]);
    wait("192.0.2.1");
    // Another VTEP, and compute nodes beside it.
    tor.vtep_ctl(&["set", "Physical_Switch", "t", r#"tunnel_ips="192.0.2.7""#]);
    wait("192.0.2.7");
    let all = fdb(&scene.rest, &scene.network, "?scope=all");
    assert_eq!(all.flood, ["192.0.2.7", COMPUTE_1.1, COMPUTE_2.1]);
}

/// What a switch says that can't be: a MAC of a group or of nobody, addresses that no host has, VTEPs that no packet reaches.
#[test]
fn what_no_station_has_is_relayed_nowhere_and_reported() {
    let pair = Pair::begin("");
    let [left, right] = &pair.tors;
    let name = pair.name();
    left.vtep_ctl(&["add-ucast-local", &name, "00:00:00:00:00:00", "192.0.2.1"]);
    left.vtep_ctl(&["add-ucast-local", &name, "01:00:5e:00:00:01", "192.0.2.1"]);
    for (i, vtep) in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "239.1.1.1", "255.255.255.255"].into_iter().enumerate() {
        left.vtep_ctl(&["add-ucast-local", &name, &format!("02:00:00:00:02:{i:02x}"), vtep]);
    }
    let mut known = Vec::new();
    for (i, ip) in ["0.0.0.0", "::", "255.255.255.255", "224.0.0.1", "127.0.0.1", "ff02::1"].into_iter().enumerate() {
        let mac = format!("02:00:00:00:03:{i:02x}");
        left.learn(&name, &mac, ip);
        known.push(mac);
    }
    left.vtep_ctl(&["set", "Physical_Switch", "left", r#"tunnel_ips=["0.0.0.0","127.0.0.1","192.0.2.1","239.1.1.1"]"#]);
    left.learn(&name, BARE, "10.0.0.77");
    let mut rows: Vec<_> = known.iter().map(|mac| (mac.as_str(), "", "192.0.2.1")).collect();
    rows.push((BARE, "10.0.0.77", "192.0.2.1"));
    let wanted = macs(&name, &rows);
    right.wait("those that a station can have", |dump| dump.macs() == wanted);
    assert_eq!(right.dump().floods(), [(name.clone(), set(&["192.0.2.1"]))]);
    let told = fdb(&pair.rest, &pair.network, "");
    assert_eq!((told.entries.len(), told.flood), (rows.len(), vec!["192.0.2.1".to_owned(), "192.0.2.2".to_owned()]));
    let status = pair.rest.wait_switch("left", "it says so", |now| now["status"] == "degraded");
    let reason = status["reason"].as_str().expect("a reason");
    assert!(reason.contains("ignored") && reason.contains("tunnel_ips"), "{reason}");

    // Corrected on the switch, all is well.
    left.vtep_ctl(&["set", "Physical_Switch", "left", r#"tunnel_ips="192.0.2.1""#]);
    left.vtep_ctl(&["clear-local-macs", &name]);
    right.wait("none", |dump| dump.macs().is_empty());
    pair.rest.wait_switch("left", "it is well", |now| now["status"] == "active");
}

/// A loopback address beside the VTEP proper, which is the higher one.
#[test]
fn broadcasts_go_to_the_vtep_at_which_macs_are_learned() {
    let pair = Pair::begin("");
    let name = pair.name();
    let left = &pair.tors[0];
    left.vtep_ctl(&["set", "Physical_Switch", "left", r#"tunnel_ips=["10.0.0.1","10.99.0.11"]"#]);
    pair.wait_flood(&["10.0.0.1", "192.0.2.2"]);
    left.vtep_ctl(&["add-ucast-local", &name, BARE, "10.99.0.11"]);
    pair.wait_flood(&["10.99.0.11", "192.0.2.2"]);
    pair.tors[1].wait("the other gateway floods there", |dump| dump.floods() == [(name.clone(), set(&["10.99.0.11"]))]);
}
