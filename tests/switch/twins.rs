//! Two switches in one gateway: `lag`, `single-active`, `independent`.

use std::time::{Duration, Instant};

use super::scene::{logical_switch, macs};
use crate::support::{
    daemon::{Daemon, Home},
    eventually,
    rest::Rest,
    tor::{Contents, Tor},
    watch::{Watch, fdb},
};

const BARE: &str = "02:00:00:00:00:0b";
/// From the loss of a session to the twin in its place.
const FAIL_OVER: Duration = Duration::from_secs(3);

/// A gateway of two switches, and a second gateway with one, on one network.
struct Twins {
    tors: [Tor; 3],
    daemon: Daemon,
    rest: Rest,
    network: String,
    connection: String,
}

impl Twins {
    fn begin(ips: [&str; 2], more: &str) -> Self {
        let tors = [Tor::start("a", ips[0]), Tor::start("b", ips[1]), Tor::start("c", "192.0.2.3")];
        let daemon = Home::new().tor(&tors[0]).tor(&tors[1]).tor(&tors[2]).more(more).start();
        let rest = daemon.rest();
        let network = rest.network("n");
        rest.gateway("twins", &[("a", &["Ethernet40"]), ("b", &["Ethernet40"])]);
        rest.gateway("single", &[("c", &["Ethernet40"])]);
        let connection = rest.connect("twins", &network, 50);
        let single = rest.connect("single", &network, 50);
        rest.wait_status(&connection, "active");
        rest.wait_status(&single, "active");
        Self { tors, daemon, rest, network, connection }
    }

    fn name(&self) -> String {
        logical_switch(&self.network)
    }

    /// Waits until the compute nodes flood to as many VTEPs, the second gateway's left out; which they are.
    fn floods(&self, count: usize) -> Vec<String> {
        let others = |flood: &[String]| flood.iter().filter(|vtep| *vtep != "192.0.2.3").cloned().collect::<Vec<_>>();
        let known = Watch::open(&self.rest, "", None).until(&self.network, "flood list", |known| {
            others(&known.flood).len() == count && known.flood.len() == count + 1
        });
        others(&known.flood)
    }

    /// Number of the switch that gets the broadcasts.
    fn forwarder(&self) -> usize {
        let flood = self.floods(1);
        usize::from(flood == ["192.0.2.2"])
    }

    fn wait_vtep(&self, mac: &str, good: impl Fn(&str) -> bool) -> String {
        let known = Watch::open(&self.rest, "", None)
            .until(&self.network, mac, |known| known.entries.get(mac).is_some_and(|(vtep, _)| good(vtep)));
        known.entries[mac].0.clone()
    }

    fn bound(&self, which: usize) -> bool {
        !self.tors[which].dump().bindings().is_empty()
    }
}

const APART: [&str; 2] = ["192.0.2.1", "192.0.2.2"];

#[test]
fn in_a_bundle_one_switch_gets_the_broadcasts_and_its_twin_takes_over() {
    let mut twins = Twins::begin(APART, "");
    let name = twins.name();
    assert!(twins.bound(0) && twins.bound(1));
    let first = twins.forwarder();
    let other = 1 - first;
    // The switch of the other gateway floods to the same one; the twins never to one another.
    twins.tors[2].wait("one VTEP", |dump| {
        dump.floods().iter().any(|(_, vteps)| vteps.len() == 1 && vteps.contains(APART[first]))
    });
    for tor in &twins.tors[..2] {
        tor.wait("the other gateway alone", |dump| {
            dump.floods() == [(name.clone(), super::scene::set(&["192.0.2.3"]))]
        });
    }
    // What both have learned is announced at one of them, and no move; what one has learned, there.
    for tor in &twins.tors[..2] {
        tor.learn(&name, BARE, "");
    }
    twins.tors[first].learn(&name, "02:00:00:00:00:01", "");
    twins.wait_vtep("02:00:00:00:00:01", |vtep| vtep == APART[first]);
    let at = twins.wait_vtep(BARE, |vtep| APART.contains(&vtep));
    twins.tors[2].wait("both MACs", |dump| {
        dump.macs() == macs(&name, &[("02:00:00:00:00:01", "", APART[first]), (BARE, "", &at)])
    });
    for tor in &twins.tors[..2] {
        assert_eq!(tor.dump().macs(), [], "a twin is told nothing of its twin");
    }
    // A restart changes nothing.
    twins.daemon.kill();
    twins.daemon.start();
    twins.rest = twins.daemon.rest();
    twins.rest.wait_status(&twins.connection, "active");
    assert_eq!(twins.forwarder(), first);

    // The designated forwarder is lost: broadcasts and all MACs go to its twin.
    let mut watch = Watch::open(&twins.rest, "", None);
    watch.event();
    twins.tors[first].kill();
    let begun = Instant::now();
    let at_twin = |mac: &str, known: &crate::support::watch::Known| {
        known.entries.get(mac).is_some_and(|(vtep, _)| vtep == APART[other])
    };
    watch.until(&twins.network, "the twin", |known| {
        known.flood.contains(&APART[other].to_owned())
            && !known.flood.contains(&APART[first].to_owned())
            && at_twin(BARE, known)
            && at_twin("02:00:00:00:00:01", known)
    });
    assert!(begun.elapsed() < FAIL_OVER, "{:?}", begun.elapsed());
    twins.tors[2].wait("the twin", |dump| dump.macs().iter().all(|mac| mac.vtep == APART[other]));
    // It comes back, and the one that stands stays.
    twins.tors[first].restart(Contents::Kept);
    twins.wait_vtep("02:00:00:00:00:01", |vtep| vtep == APART[first]);
    assert_eq!(twins.forwarder(), other);
    // A port's fault is as good as a loss.
    twins.tors[other].vtep_ctl(&["set", "Physical_Port", "Ethernet40", "port_fault_status=unspecified_fault"]);
    twins.wait_vtep(BARE, |vtep| vtep == APART[first]);
    // The MAC may have been there before: it is no sign that the broadcasts have moved.
    eventually("the broadcasts move", FAIL_OVER, || {
        let now = twins.forwarder();
        if now == first { Ok(()) } else { Err(now.to_string()) }
    });
    // Both are lost: the last one stays.
    twins.tors[first].kill();
    twins.rest.wait_switch("a", "settled", |_| true);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(twins.floods(1), [APART[first]]);
}

/// A switch that freezes says nothing: its connection stays open. The twin takes over once six more probes could have been
/// answered; how soon is `inactivity_probe`'s to say.
#[test]
fn a_frozen_switch_is_replaced_after_its_probes() {
    let twins = Twins::begin(APART, "[l2gateway]\ninactivity_probe = 500ms\n");
    let first = twins.forwarder();
    twins.tors[first].freeze();
    let begun = Instant::now();
    Watch::open(&twins.rest, "", None).until(&twins.network, "the twin", |known| {
        known.flood.contains(&APART[1 - first].to_owned()) && !known.flood.contains(&APART[first].to_owned())
    });
    let took = begun.elapsed();
    println!("replaced after {took:?}");
    // 0.5 s of silence and 3 s for the probe; its kernel acknowledges all of them. The second of grace is among these.
    assert!(took > Duration::from_secs(3) && took < Duration::from_secs(7), "{took:?}");
    twins.tors[first].thaw();
    let name = ["a", "b"][first];
    twins.rest.wait_switch(name, "it is back", |now| now["session"]["state"] == "up");
    assert_eq!(twins.forwarder(), 1 - first, "there is no fail-back");
}

#[test]
fn twins_that_share_one_vtep_are_one_entry() {
    let twins = Twins::begin(["192.0.2.1", "192.0.2.1"], "");
    let name = twins.name();
    assert_eq!(twins.floods(1), ["192.0.2.1"]);
    for tor in &twins.tors[..2] {
        tor.learn(&name, BARE, "");
    }
    twins.wait_vtep(BARE, |vtep| vtep == "192.0.2.1");
    twins.tors[0].unlearn(&name, BARE);
    twins.tors[2].wait("the MAC", |dump| dump.macs() == macs(&name, &[(BARE, "", "192.0.2.1")]));
    twins.tors[1].unlearn(&name, BARE);
    twins.tors[2].wait("no MAC", |dump| dump.macs().is_empty());
}

#[test]
fn independent_switches_are_both_in_the_flood_list() {
    let twins = Twins::begin(APART, "[gateway:twins]\nactive_active = independent\n");
    let name = twins.name();
    assert_eq!(twins.floods(2), APART);
    twins.tors[1].learn(&name, BARE, "");
    twins.wait_vtep(BARE, |vtep| vtep == APART[1]);
}

#[test]
fn in_single_active_one_switch_is_bound_and_lets_go_before_its_twin_binds() {
    let twins = Twins::begin(APART, "[relay]\nactive_active = single-active\n");
    let first = twins.forwarder();
    let other = 1 - first;
    assert!(twins.bound(first) && !twins.bound(other));
    let status = twins.rest.status(&twins.connection);
    let standing =
        status["switches"].as_array().unwrap().iter().find(|row| row["switch"] == ["a", "b"][other]).unwrap();
    assert!(standing["reason"].as_str().unwrap().contains("stands by"), "{status}");
    assert_eq!(status["status"], "active");

    // Its port fails: it lets go, then the twin binds. At no moment both are bound.
    std::thread::scope(|scope| {
        let (done, watched) = std::sync::mpsc::channel::<()>();
        let twins = &twins;
        let watching = scope.spawn(move || {
            let mut both = 0;
            while watched.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                // In this order: the one that lets go is checked last.
                both += usize::from(twins.bound(other) && twins.bound(first));
            }
            both
        });
        twins.tors[first].vtep_ctl(&["set", "Physical_Port", "Ethernet40", "port_fault_status=unspecified_fault"]);
        twins.tors[other].wait("it is bound", |dump| !dump.bindings().is_empty());
        drop(done);
        assert_eq!(watching.join().unwrap(), 0);
    });
    assert!(!twins.bound(first));
    assert_eq!(twins.forwarder(), other);
    twins.rest.wait_status(&twins.connection, "active");
    is_noticed(&twins, ["a", "b"][first], ["a", "b"][other]);
}

/// The hand-over is told, and no problem: bridges behind the switches have to forget.
fn is_noticed(twins: &Twins, from: &str, to: &str) {
    let notice = eventually("the hand-over is told", Duration::from_secs(10), || {
        let told = twins.rest.get("/v2/problems").expect(200);
        match told["notices"].as_array().map(Vec::as_slice) {
            Some([notice]) => Ok(notice.clone()),
            _ => Err(told.to_string()),
        }
    });
    let words = format!("network {} moved from {from} to {to}", twins.network);
    assert!(notice["what"].as_str().is_some_and(|what| what.contains(&words)), "{notice}");
    assert_eq!((&notice["kind"], &notice["name"]), (&"handover".into(), &"twins".into()));
    assert!(notice["mend"].as_str().is_some_and(|fix| fix.contains("flush the MAC tables")), "{notice}");
    let metrics = String::from_utf8(twins.rest.get("/metrics").body).expect("UTF-8");
    assert!(metrics.contains("vtepd_notices{kind=\"handover\"} 1"), "{metrics}");
    let entries = twins.daemon.admin("audit", &serde_json::json!({"kinds": ["handover"], "subject": to}));
    let entries = entries["entries"].as_array().expect("entries");
    let [entry] = entries.as_slice() else { panic!("{entries:#?}") };
    assert_eq!(entry["result"], format!("moved from {from} to {to}"));
    assert_eq!((&entry["details"]["network_id"], &entry["at"].is_string()), (&twins.network.as_str().into(), &true));
}

#[test]
fn in_single_active_an_unreachable_switch_holds_on_unless_told_otherwise() {
    for (line, moves) in [("", false), ("failover_unreachable = yes\n", true)] {
        let mut twins = Twins::begin(APART, &format!("[gateway:twins]\nactive_active = single-active\n{line}"));
        let first = twins.forwarder();
        let other = 1 - first;
        twins.tors[first].kill();
        let name = ["a", "b"][first];
        twins.rest.wait_switch(name, "it is away", |now| now["session"]["state"] == "backoff");
        if moves {
            twins.tors[other].wait("it is bound", |dump| !dump.bindings().is_empty());
            assert_eq!(twins.forwarder(), other);
            // The other one comes back, and lets go.
            twins.tors[first].restart(Contents::Kept);
            twins.tors[first].wait("it has let go", |dump| dump.bindings().is_empty());
        } else {
            std::thread::sleep(Duration::from_secs(2));
            assert!(!twins.bound(other));
            assert_eq!(twins.forwarder(), first);
            let status = twins.rest.status(&twins.connection);
            assert_eq!(status["status"], "down", "{status}");
            twins.tors[first].restart(Contents::Kept);
            twins.rest.wait_status(&twins.connection, "active");
            assert!(twins.bound(first) && !twins.bound(other));
        }
        twins.rest.disconnect(&twins.connection);
        for tor in &twins.tors[..2] {
            tor.wait("all of it goes", |dump| dump.logical_switches().is_empty());
        }
        eventually("the gateway leaves the FDB", Duration::from_secs(10), || {
            let now = fdb(&twins.rest, &twins.network, "");
            if now.flood == ["192.0.2.3"] { Ok(()) } else { Err(format!("{now:?}")) }
        });
    }
}
