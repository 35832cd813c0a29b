//! vtep-hostd and the kernel: interfaces and entries as they are told, others' left alone, drift repaired, nothing lost
//! while vtepd is away.

use std::{fs, os::unix::net::UnixDatagram, time::Duration};

use serde_json::{Value, json};

use super::{
    double::{Double, Watcher},
    inside::inside,
    net::Ns,
    topology::{HOSTD, Lab, Node},
};
use crate::support::{PATIENCE, eventually, process::Process};

pub(crate) const NETWORK: &str = "11111111-1111-4111-8111-111111111111";
const OTHER: &str = "22222222-2222-4222-8222-222222222222";
pub(crate) const DEVICE: &str = "vtep-5000";
pub(crate) const BRIDGE: &str = "vtbr-5000";

/// A node, its vtep-hostd, and the double.
pub(crate) struct Scene {
    pub(crate) lab: Lab,
    pub(crate) double: Double,
    pub(crate) hostd: Process,
    pub(crate) watcher: Watcher,
    lines: &'static str,
}

impl Scene {
    pub(crate) fn start(lines: &'static str) -> Self {
        let lab = Lab::start(0, 1, &[]);
        let double = Double::listen("10.98.0.1:9797");
        let hostd = lab.nodes[0].hostd(lab.scratch.path(), lines);
        let watcher = double.accept();
        Self { lab, double, hostd, watcher, lines }
    }

    pub(crate) fn node(&self) -> &Node {
        &self.lab.nodes[0]
    }

    fn restart(&mut self) {
        self.hostd.kill();
        self.hostd = self.node().hostd(self.lab.scratch.path(), self.lines);
        self.watcher = self.double.accept();
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.lab.log("node-1")).unwrap_or_default()
    }

    /// Waits until the VXLAN device's entries are these; of each line of `bridge fdb`, the beginning counts.
    #[track_caller]
    pub(crate) fn wait(&self, expected: &[&str]) {
        let mut expected: Vec<String> = expected.iter().map(|entry| (*entry).to_owned()).collect();
        expected.sort();
        eventually("the entries", PATIENCE, || {
            let there = self.node().fdb(DEVICE);
            // The bridge's own entries for its port stand in the same list.
            let there: Vec<String> = there.into_iter().filter(|line| line.contains(" dst ")).collect();
            let there: Vec<String> = there.iter().map(|line| line.replace(" self", "")).collect();
            let same = there.len() == expected.len() && there.iter().zip(&expected).all(|(a, b)| a.starts_with(b));
            if same { Ok(()) } else { Err(format!("{there:#?}, not {expected:#?}\n{}", self.log())) }
        });
    }

    fn has(&self, interface: &str) -> bool {
        exists(&self.node().ns, interface)
    }

    fn wait_interface(&self, interface: &str, there: bool) {
        eventually(&format!("{interface} there: {there}"), PATIENCE, || {
            if self.has(interface) == there { Ok(()) } else { Err(self.log()) }
        });
    }
}

fn exists(ns: &Ns, interface: &str) -> bool {
    ns.try_run(&["ip", "link", "show", interface]).0
}

pub(crate) fn entry(mac: &str, vtep: &str, kind: &str) -> Value {
    json!({"mac": mac, "ips": [], "vtep": vtep, "kind": kind})
}

pub(crate) fn local() -> Value {
    entry("02:aa:00:00:00:01", "10.99.0.101", "port")
}

pub(crate) fn snapshot(networks: &[Value]) -> Value {
    json!({"revision": 1, "networks": networks})
}

pub(crate) fn network(id: &str, vni: u32, flood: &[&str], entries: &[Value]) -> Value {
    json!({"network_id": id, "vni": vni, "flood": flood, "entries": entries})
}

pub(crate) fn change(flood: &[&str], set: &[Value], del: &[&str]) -> Value {
    json!({"revision": 2, "network_id": NETWORK, "vni": 5000, "flood": flood, "set": set, "del": del, "removed": false})
}

const BM: &str = "02:bb:00:00:00:01";
const FAR: &str = "02:aa:00:00:00:02";

#[test]
fn interfaces_and_entries_follow_what_is_told() {
    inside(|| {
        let mut scene = Scene::start("");
        assert!(scene.watcher.head.starts_with("GET /v2/fdb/watch?scope=all HTTP/1.1"), "{}", scene.watcher.head);
        // A network without a port here isn't made.
        let there =
            network(NETWORK, 5000, &["10.99.0.11", "10.99.0.101"], &[local(), entry(BM, "10.99.0.11", "learned")]);
        let elsewhere = network(OTHER, 6000, &["10.99.0.102"], &[entry(FAR, "10.99.0.102", "port")]);
        scene.watcher.send("snapshot", 1, &snapshot(&[there, elsewhere]));
        scene.wait(&["00:00:00:00:00:00 dst 10.99.0.11", "02:bb:00:00:00:01 dst 10.99.0.11"]);
        assert!(scene.has(BRIDGE) && !scene.has("vtep-6000") && !scene.has("vtbr-6000"));
        let details = scene.node().ns.run(&["ip", "-d", "link", "show", DEVICE]);
        for word in [
            "vxlan id 5000",
            "local 10.99.0.101",
            "dstport 4789",
            "nolearning",
            "master vtbr-5000",
            "mtu 1550",
            "alias vtep-hostd",
            "addrgenmode none",
        ] {
            assert!(details.contains(word), "no '{word}' in {details}");
        }

        // A second VTEP, a MAC that moves there, one more, one less.
        let moved = [entry(BM, "10.99.0.12", "learned"), entry(FAR, "10.99.0.102", "port")];
        scene.watcher.send("change", 2, &change(&["10.99.0.11", "10.99.0.12"], &moved, &[]));
        scene.wait(&[
            "00:00:00:00:00:00 dst 10.99.0.11",
            "00:00:00:00:00:00 dst 10.99.0.12",
            "02:bb:00:00:00:01 dst 10.99.0.12",
            "02:aa:00:00:00:02 dst 10.99.0.102",
        ]);
        scene.watcher.send("change", 3, &change(&["10.99.0.12"], &[], &[BM]));
        scene.wait(&["00:00:00:00:00:00 dst 10.99.0.12", "02:aa:00:00:00:02 dst 10.99.0.102"]);

        // The last port leaves: both interfaces go; but a bridge with somebody in it stays.
        scene.watcher.send("change", 4, &change(&["10.99.0.12"], &[], &["02:aa:00:00:00:01"]));
        scene.wait_interface(BRIDGE, false);
        scene.wait_interface(DEVICE, false);
        scene.watcher.send("change", 5, &change(&["10.99.0.12"], &[local()], &[]));
        scene.wait(&["00:00:00:00:00:00 dst 10.99.0.12", "02:aa:00:00:00:02 dst 10.99.0.102"]);
        let vm = scene.node().vm(1);
        vm.plug(scene.node(), 5000);
        let removed = json!({"revision": 6, "network_id": NETWORK, "vni": 5000, "flood": [], "set": [], "del": [], "removed": true});
        scene.watcher.send("change", 6, &removed);
        scene.wait_interface(DEVICE, false);
        assert!(scene.has(BRIDGE));
        vm.ns.delete();
        scene.wait_interface(BRIDGE, false);
    });
}

#[test]
fn entries_of_others_stay_and_drift_is_repaired_also_over_a_restart() {
    inside(|| {
        let mut scene = Scene::start("");
        let all = |scene: &mut Scene, flood: &[&str], entries: &[Value]| {
            scene.watcher.send("snapshot", 1, &snapshot(&[network(NETWORK, 5000, flood, entries)]));
        };
        let told = [local(), entry(BM, "10.99.0.11", "learned"), entry("02:bb:00:00:00:09", "10.99.0.11", "learned")];
        all(&mut scene, &["10.99.0.11", "10.99.0.12"], &told);
        let ours = [
            "00:00:00:00:00:00 dst 10.99.0.11",
            "00:00:00:00:00:00 dst 10.99.0.12",
            "02:bb:00:00:00:01 dst 10.99.0.11",
            "02:bb:00:00:00:09 dst 10.99.0.11",
        ];
        scene.wait(&ours);

        // Somebody else's entries, and one of theirs for a MAC that we shall be told of.
        let bridge = |scene: &Scene, line: &str| scene.node().ns.sh(&format!("bridge fdb {line}"));
        bridge(&scene, "append 00:00:00:00:00:00 dev vtep-5000 dst 10.99.0.77");
        bridge(&scene, "add 02:cc:00:00:00:01 dev vtep-5000 dst 10.99.0.77");
        let theirs = ["00:00:00:00:00:00 dst 10.99.0.77", "02:cc:00:00:00:01 dst 10.99.0.77"];
        let with = |ours: &[&'static str]| [ours, &theirs].concat();
        scene.wait(&with(&ours));

        // Drift: entries deleted, altered; a device taken out of its bridge and down; all gone.
        bridge(&scene, "del 02:bb:00:00:00:01 dev vtep-5000");
        bridge(&scene, "del 00:00:00:00:00:00 dev vtep-5000 dst 10.99.0.12");
        bridge(&scene, "replace 02:bb:00:00:00:09 dev vtep-5000 dst 10.99.0.99 extern_learn");
        scene.wait(&with(&ours));
        scene.node().ns.ip("link set vtep-5000 nomaster\nlink set vtep-5000 down");
        eventually("the device is back in its bridge", PATIENCE, || {
            let link = scene.node().ns.run(&["ip", "link", "show", DEVICE]);
            if link.contains("master vtbr-5000") && link.contains(",UP") { Ok(()) } else { Err(link) }
        });
        scene.node().ns.ip("link del vtep-5000\nlink del vtbr-5000");
        scene.wait(&ours);

        // Over a restart: ours are known as ours, theirs as theirs.
        bridge(&scene, "append 00:00:00:00:00:00 dev vtep-5000 dst 10.99.0.77");
        bridge(&scene, "add 02:cc:00:00:00:01 dev vtep-5000 dst 10.99.0.77");
        scene.wait(&with(&ours));
        scene.restart();
        // Nothing is touched before something is told: it has read what there is, and waits.
        eventually("it has begun", PATIENCE, || {
            let log = scene.log();
            if log.matches("vtepd is heard").count() == 2 { Ok(()) } else { Err(log) }
        });
        scene.wait(&with(&ours));
        let told = [local(), entry(BM, "10.99.0.12", "learned"), entry("02:cc:00:00:00:01", "10.99.0.12", "learned")];
        all(&mut scene, &["10.99.0.12"], &told);
        let ours = ["00:00:00:00:00:00 dst 10.99.0.12", "02:bb:00:00:00:01 dst 10.99.0.12"];
        scene.wait(&with(&ours));
        // That there is nothing at all is not believed; that this network isn't there is.
        scene.watcher.send("snapshot", 2, &snapshot(&[]));
        eventually("it says so", PATIENCE, || {
            let log = scene.log();
            if log.contains("no networks at all: what is here stays") { Ok(()) } else { Err(log) }
        });
        scene.wait(&with(&ours));
        scene.watcher.send("snapshot", 3, &snapshot(&[network(OTHER, 6000, &[], &[])]));
        scene.wait_interface(DEVICE, false);
    });
}

#[test]
fn while_vtepd_is_away_everything_stays_and_is_kept() {
    inside(|| {
        let mut scene = Scene::start("networks = 5000\n");
        // Without a port, but named in the configuration.
        let told = [entry(BM, "10.99.0.11", "learned")];
        scene.watcher.send("snapshot", 7, &snapshot(&[network(NETWORK, 5000, &["10.99.0.11"], &told)]));
        let ours = ["00:00:00:00:00:00 dst 10.99.0.11", "02:bb:00:00:00:01 dst 10.99.0.11"];
        scene.wait(&ours);
        *scene.double.closed.lock().expect("nobody panicked") = true;
        let Scene { lab, double, hostd, watcher, lines } = scene;
        drop(watcher);
        // Drift is repaired also now.
        lab.nodes[0].ns.sh("bridge fdb del 02:bb:00:00:00:01 dev vtep-5000");
        *double.closed.lock().expect("nobody panicked") = false;
        let watcher = double.accept();
        assert!(watcher.head.to_ascii_lowercase().contains("last-event-id: 7"), "{}", watcher.head);
        let mut scene = Scene { lab, double, hostd, watcher, lines };
        scene.wait(&ours);
        // It goes on where it was.
        scene.watcher.send("change", 8, &change(&["10.99.0.11"], &[entry(FAR, "10.99.0.102", "port")], &[]));
        scene.wait(&[ours[0], ours[1], "02:aa:00:00:00:02 dst 10.99.0.102"]);
        // An event that can't be read: it asks for everything.
        scene.watcher.send("change", 9, &json!({"network_id": 5}));
        let mut watcher = scene.double.accept();
        assert!(!watcher.head.to_ascii_lowercase().contains("last-event-id"), "{}", watcher.head);
        watcher.send("snapshot", 10, &snapshot(&[network(NETWORK, 5000, &["10.99.0.11"], &told)]));
        scene.wait(&ours);
        assert!(!scene.double.called(Duration::from_millis(200)));
        scene.hostd.signal("TERM");
        assert!(scene.hostd.wait(PATIENCE).success());
        scene.wait(&ours);
    });
}

#[test]
fn arp_is_answered_here_where_the_address_is_known() {
    inside(|| {
        let mut scene = Scene::start("arp_proxy = yes\n");
        let known = json!({"mac": BM, "ips": ["192.168.50.11"], "vtep": "10.99.0.11", "kind": "learned"});
        let told = network(NETWORK, 5000, &["10.99.0.11"], &[local(), known.clone()]);
        scene.watcher.send("snapshot", 1, &snapshot(&[told]));
        let vm = scene.node().vm(1);
        vm.plug(scene.node(), 5000);
        // Nobody is behind the tunnel: it is the bridge that answers.
        let asked = |address: &str| vm.ns.try_run(&["arping", "-c", "1", "-w", "0.3", "-i", "eth0", address]);
        eventually("an answer", PATIENCE, || {
            let (good, output) = asked("192.168.50.11");
            if good && output.contains(BM) { Ok(()) } else { Err(format!("{output}\n{}", scene.log())) }
        });
        assert!(!asked("192.168.50.12").0, "who isn't known is asked himself");
        // The address is another machine's now; then it is nobody's.
        let other = json!({"mac": FAR, "ips": ["192.168.50.11"], "vtep": "10.99.0.102", "kind": "port"});
        scene.watcher.send("change", 2, &change(&["10.99.0.11"], &[other], &[BM]));
        eventually("the other's answer", PATIENCE, || {
            let (_, output) = asked("192.168.50.11");
            if output.contains(FAR) { Ok(()) } else { Err(format!("{output}\n{}", scene.log())) }
        });
        // Somebody deletes what the answer stands on.
        scene.node().ns.sh("ip neigh del 192.168.50.11 dev vtbr-5000");
        scene.node().ns.sh(&format!("bridge fdb del {FAR} dev vtep-5000 master"));
        eventually("the repaired answer", PATIENCE, || {
            let (_, output) = asked("192.168.50.11");
            if output.contains(FAR) { Ok(()) } else { Err(format!("{output}\n{}", scene.log())) }
        });
        scene.watcher.send("change", 3, &change(&["10.99.0.11"], &[], &[FAR]));
        eventually("no answer", PATIENCE, || if asked("192.168.50.11").0 { Err(scene.log()) } else { Ok(()) });
        let left = scene.node().ns.run(&["ip", "neigh", "show", "dev", BRIDGE]);
        assert_eq!(left, "");
    });
}

/// The same for IPv6: a neighbour solicitation is answered by the bridge.
#[test]
fn neighbours_are_solicited_here_where_the_address_is_known() {
    inside(|| {
        let mut scene = Scene::start("arp_proxy = yes\n");
        let allow = "sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0";
        scene.node().ns.sh(allow);
        let known =
            json!({"mac": BM, "ips": ["192.168.50.11", "2001:db8:50::11"], "vtep": "10.99.0.11", "kind": "learned"});
        let told = network(NETWORK, 5000, &["10.99.0.11"], &[local(), known]);
        scene.watcher.send("snapshot", 1, &snapshot(&[told]));
        let vm = scene.node().vm(1);
        vm.plug(scene.node(), 5000);
        vm.ns.sh(allow);
        vm.ns.ip("link set eth0 down\nlink set eth0 up\naddr add 2001:db8:50::101/64 dev eth0 nodad");
        // Nobody is behind the tunnel to answer the ping: whom the machine takes for the address is the bridge's word.
        let asked = |address: &str| {
            vm.ns.try_run(&["ping", "-6", "-c1", "-W1", address]);
            vm.ns.run(&["ip", "-6", "neigh", "show", address, "dev", "eth0"])
        };
        eventually("an answer", PATIENCE, || {
            let entry = asked("2001:db8:50::11");
            if entry.contains(&format!("lladdr {BM}")) { Ok(()) } else { Err(format!("{entry}\n{}", scene.log())) }
        });
        let entry = asked("2001:db8:50::12");
        assert!(!entry.contains("lladdr"), "who isn't known is asked himself: {entry}");
        // Nobody behind the tunnel was bothered with what the bridge knows.
        scene.watcher.send("change", 2, &change(&["10.99.0.11"], &[], &[BM]));
        eventually("nothing is left", PATIENCE, || {
            let left = scene.node().ns.run(&["ip", "-6", "neigh", "show", "nud", "noarp", "dev", BRIDGE]);
            let left: Vec<&str> = left.lines().filter(|line| line.starts_with("2001:")).collect();
            if left.is_empty() { Ok(()) } else { Err(left.join("\n")) }
        });
        vm.ns.sh("ip -6 neigh flush dev eth0");
        let entry = asked("2001:db8:50::11");
        assert!(!entry.contains("lladdr"), "nobody answers for it any more: {entry}");
    });
}

#[test]
fn what_stands_in_the_way_is_said_and_taken_over_when_it_is_gone() {
    inside(|| {
        let mut scene = Scene::start("");
        scene.node().ns.ip("link add vxlan0 type vxlan id 5000 dstport 4789 local 10.99.0.101");
        scene.watcher.send("snapshot", 1, &snapshot(&[network(NETWORK, 5000, &["10.99.0.11"], &[local()])]));
        eventually("the conflict is named", PATIENCE, || {
            let log = scene.log();
            if log.contains("the VXLAN device vxlan0 has VNI 5000 already: remove it") { Ok(()) } else { Err(log) }
        });
        scene.node().ns.ip("link del vxlan0");
        scene.wait(&["00:00:00:00:00:00 dst 10.99.0.11"]);
        // Without the right to do anything it says what is missing.
        let ini = scene.lab.scratch.join("node-1.ini").display().to_string();
        let unprivileged = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", HOSTD, "--config", &ini];
        let log = scene.lab.log("unprivileged");
        let _unprivileged = scene.node().ns.start(&unprivileged, &[], &log);
        let mut watcher = scene.double.accept();
        watcher.send("snapshot", 1, &snapshot(&[network(NETWORK, 5000, &["10.99.0.12"], &[local()])]));
        eventually("the right is named", PATIENCE, || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            if text.contains("vtep-hostd needs CAP_NET_ADMIN") { Ok(()) } else { Err(text) }
        });
    });
}

#[test]
fn systemd_hears_of_readiness_life_and_state() {
    inside(|| {
        let lab = Lab::start(0, 1, &[]);
        let node = &lab.nodes[0];
        // The configuration is written by the first start.
        node.hostd(lab.scratch.path(), "").kill();
        let path = lab.scratch.join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a bound on waiting");
        let ini = lab.scratch.join("node-1.ini").display().to_string();
        let env = [("NOTIFY_SOCKET", path.display().to_string()), ("WATCHDOG_USEC", "200000".to_owned())];
        let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
        let hostd = node.ns.start(&[HOSTD, "--config", &ini], &env, &lab.log("notified"));
        let hear = |wanted: &str| {
            let mut buffer = [0; 4096];
            loop {
                let length = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("no {wanted}: {error}"));
                if String::from_utf8_lossy(&buffer[..length]).contains(wanted) {
                    return;
                }
            }
        };
        hear("READY=1");
        hear("WATCHDOG=1");
        hear("STATUS=0 networks, 0 MACs, vtepd is away");
        hostd.signal("TERM");
        hear("STOPPING=1");
    });
}
