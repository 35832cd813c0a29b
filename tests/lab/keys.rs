//! vtep-hostd.ini: each key, changed while the interfaces exist, and what a restart makes of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
    time::Duration,
};

use serde_json::json;

use super::{
    double::{Double, Watcher},
    hostd::{BRIDGE, DEVICE, NETWORK, entry, network, snapshot},
    inside::inside,
    topology::{HOSTD, Lab, Node},
};
use crate::support::{
    PATIENCE, eventually,
    pki::{Pki, Spec},
    process::Process,
};

const BM: &str = "02:bb:00:00:00:01";
const VM: &str = "02:aa:00:00:00:01";
const EXAMPLE: &str = include_str!("../../vtep-hostd.ini.example");

type Key = (&'static str, &'static str);

/// The keys that the example explains.
fn documented() -> BTreeSet<(String, String)> {
    let (mut section, mut keys) = (String::new(), BTreeSet::new());
    for line in EXAMPLE.lines() {
        if let Some(title) = line.strip_prefix('[') {
            title.trim_end_matches(']').clone_into(&mut section);
        } else if let Some((key, _)) = line.trim_start_matches('#').split_once(" =")
            && !key.contains(' ')
            && !section.is_empty()
        {
            keys.insert((section.clone(), key.to_owned()));
        }
    }
    keys
}

/// A node, and vtep-hostd with a configuration that changes.
struct Bench {
    lab: Lab,
    double: Double,
    keys: BTreeMap<Key, String>,
    tried: BTreeSet<(String, String)>,
    hostd: Option<Process>,
    starts: usize,
}

impl Bench {
    fn start() -> Self {
        let lab = Lab::start(0, 1, &[]);
        let keys = BTreeMap::from([
            (("vtepd", "url"), "http://10.98.0.1:9797".to_owned()),
            (("host", "name"), "node-1".to_owned()),
            (("host", "local_ip"), lab.nodes[0].vtep_ip.clone()),
            (("host", "state_file"), lab.scratch.join("flood").display().to_string()),
        ]);
        let double = Double::listen("10.98.0.1:9797");
        Self { lab, double, keys, tried: BTreeSet::new(), hostd: None, starts: 0 }
    }

    fn node(&self) -> &Node {
        &self.lab.nodes[0]
    }

    /// Changes a key (`None`: removes it), and restarts vtep-hostd.
    fn set(&mut self, (section, key): Key, value: Option<&str>) {
        self.tried.insert((section.to_owned(), key.to_owned()));
        match value {
            Some(value) => self.keys.insert((section, key), value.to_owned()),
            None => self.keys.remove(&(section, key)),
        };
        self.restart();
    }

    fn restart(&mut self) {
        let mut text = String::new();
        for section in ["DEFAULT", "vtepd", "host"] {
            let keys = self.keys.iter().filter(|((of, _), _)| *of == section);
            let lines: Vec<String> = keys.map(|((_, key), value)| format!("{key} = {value}\n")).collect();
            let _ = write!(text, "[{section}]\n{}", lines.concat());
        }
        let ini = self.lab.scratch.join("keys.ini");
        fs::write(&ini, text).expect("the configuration is written");
        // The old one has ended before the new one begins, as systemd has it.
        self.hostd = None;
        self.starts += 1;
        let log = self.log_file();
        let hostd = self.node().ns.start(&[HOSTD, "--config", &ini.display().to_string()], &[("NO_COLOR", "1")], &log);
        self.hostd = Some(hostd);
    }

    fn log_file(&self) -> std::path::PathBuf {
        self.lab.log(&format!("hostd-{}", self.starts))
    }

    /// The log since the last start.
    fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    #[track_caller]
    fn wait_log(&self, words: &str) {
        eventually(words, PATIENCE, || if self.log().contains(words) { Ok(()) } else { Err(self.log()) });
    }

    /// Tells what a network is: one local machine, bare metal behind a gateway.
    fn tell(&self, flood: &[&str]) -> Watcher {
        tell(&self.double, &self.keys[&("host", "local_ip")], flood)
    }

    /// Waits until both interfaces are as these words of `ip -d link` say.
    #[track_caller]
    fn wait_link(&self, words: &[&str]) {
        eventually(&format!("{words:?}"), PATIENCE, || {
            let links: Vec<String> =
                [DEVICE, BRIDGE].map(|name| self.node().ns.try_run(&["ip", "-d", "link", "show", name]).1).to_vec();
            let good = words.iter().all(|word| links.concat().contains(word));
            if good { Ok(()) } else { Err(format!("{}\n{}", links.concat(), self.log())) }
        });
    }

    /// Waits until the device has its entries.
    #[track_caller]
    fn wait_entries(&self) {
        eventually("the entries", PATIENCE, || {
            let there = self.node().fdb(DEVICE).join("\n");
            if there.contains(&format!("{BM} dst 10.99.0.11")) && there.contains("00:00:00:00:00:00 dst 10.99.0.11") {
                Ok(())
            } else {
                Err(format!("{there}\n{}", self.log()))
            }
        });
    }
}

fn tell(double: &Double, local_ip: &str, flood: &[&str]) -> Watcher {
    let mut watcher = double.accept();
    let bare_metal = json!({"mac": BM, "ips": ["192.168.50.11"], "vtep": "10.99.0.11", "kind": "learned"});
    let entries = [entry(VM, local_ip, "port"), bare_metal];
    watcher.send("snapshot", 1, &snapshot(&[network(NETWORK, 5000, flood, &entries)]));
    watcher
}

#[test]
fn each_key_of_the_configuration_takes_effect_on_what_is_there() {
    inside(|| {
        let mut bench = Bench::start();
        bench.restart();
        let _watcher = bench.tell(&["10.99.0.11"]);
        bench.wait_link(&["mtu 1550", "dstport 4789", "local 10.99.0.101"]);
        bench.wait_entries();
        interfaces(&mut bench);
        report(&mut bench);
        log(&mut bench);
        vtepd(&mut bench);
        assert_eq!(bench.tried, documented(), "the example's keys, all of them");
    });
}

/// `[host]`: what shapes interfaces and entries.
fn interfaces(bench: &mut Bench) {
    let mtus = |bench: &Bench, mtu: u32| {
        let links = bench.node().ns.run(&["ip", "-o", "link"]);
        let ours = |line: &&str| line.contains(DEVICE) || line.contains(BRIDGE);
        links.lines().filter(ours).filter(|line| line.contains(&format!(" mtu {mtu} "))).count()
    };
    for (mtu, right) in [(Some("1400"), 1400), (None, 1550)] {
        bench.set(("host", "mtu"), mtu);
        let _watcher = bench.tell(&["10.99.0.11"]);
        eventually("the MTU of both interfaces", PATIENCE, || {
            if mtus(bench, right) == 2 { Ok(()) } else { Err(bench.log()) }
        });
        bench.wait_entries();
    }
    bench.set(("host", "device"), Some("eth7"));
    let _watcher = bench.tell(&["10.99.0.11"]);
    bench.wait_log("the interface eth7 ([host] device) is not there");
    bench.wait_entries();
    assert_eq!(mtus(bench, 1550), 2, "what is there stays");
    // It comes: without a restart.
    bench.node().ns.ip("link add eth7 mtu 1300 type veth peer name eth8\nlink set eth7 up");
    bench.wait_link(&["dev eth7", "mtu 1250", "master vtbr-5000"]);
    bench.wait_entries();
    bench.set(("host", "mtu"), Some("1400"));
    let _watcher = bench.tell(&["10.99.0.11"]);
    bench.wait_log("1400 is more than the 1250 that the underlay carries without fragments: 1250 is set");
    bench.wait_link(&["dev eth7", "mtu 1250"]);
    bench.set(("host", "mtu"), None);
    bench.set(("host", "device"), None);
    let _watcher = bench.tell(&["10.99.0.11"]);
    eventually("tied to no device", PATIENCE, || {
        let link = bench.node().ns.try_run(&["ip", "-d", "link", "show", DEVICE]).1;
        if link.contains("vxlan id 5000") && !link.contains("dev eth7") { Ok(()) } else { Err(bench.log()) }
    });
    bench.wait_link(&["mtu 1550"]);

    bench.set(("host", "port"), Some("8472"));
    let _watcher = bench.tell(&["10.99.0.11"]);
    bench.wait_link(&["dstport 8472"]);
    bench.wait_entries();
    bench.node().ns.ip("addr add 10.99.0.201/24 dev eth0");
    bench.set(("host", "local_ip"), Some("10.99.0.201"));
    let _watcher = bench.tell(&["10.99.0.11"]);
    bench.wait_link(&["local 10.99.0.201"]);
    bench.wait_entries();

    for (proxy, suppress) in [(Some("yes"), "neigh_suppress on"), (None, "neigh_suppress off")] {
        bench.set(("host", "arp_proxy"), proxy);
        let _watcher = bench.tell(&["10.99.0.11"]);
        bench.wait_link(&[suppress]);
        eventually("whom the bridge answers for", PATIENCE, || {
            let there = bench.node().ns.run(&["ip", "neigh", "show", "dev", BRIDGE]);
            if there.contains("192.168.50.11") == proxy.is_some() { Ok(()) } else { Err(there) }
        });
    }

    let exists = |bench: &Bench| bench.node().ns.try_run(&["ip", "link", "show", DEVICE]).0;
    for (networks, there) in [(Some("5000"), true), (None, false)] {
        bench.set(("host", "networks"), networks);
        // No machine of this host is on it.
        let _watcher = tell(&bench.double, "10.99.0.102", &["10.99.0.11"]);
        eventually("the network is here", PATIENCE, || {
            if exists(bench) == there { Ok(()) } else { Err(format!("{there}\n{}", bench.log())) }
        });
    }

    // Another note: what it doesn't name can't be told from others' entries, and the log says so.
    bench.restart();
    let _watcher = bench.tell(&["10.99.0.11", "10.99.0.12"]);
    bench.wait_entries();
    let other = bench.lab.scratch.join("other").display().to_string();
    bench.set(("host", "state_file"), Some(&other));
    let _watcher = bench.tell(&["10.99.0.11"]);
    bench.wait_log("no note of an earlier run: they stay");
    bench.wait_entries();
    assert!(bench.node().fdb(DEVICE).join("\n").contains("00:00:00:00:00:00 dst 10.99.0.12"));
}

/// `[host] report_ports` and `name`: ports of this host in vtepd.
fn report(bench: &mut Bench) {
    let called = |bench: &Bench, start: &str| bench.double.calls().iter().any(|call| call.starts_with(start));
    let wait_call = |bench: &Bench, start: &str| {
        eventually(start, PATIENCE, || {
            let calls = bench.double.calls();
            if called(bench, start) { Ok(()) } else { Err(format!("{calls:#?}\n{}", bench.log())) }
        });
    };
    let port = |n: u32, name: &str| {
        let id = format!("33333333-3333-4333-8333-{n:012}");
        json!({"id": id, "name": name, "network_id": NETWORK, "mac_address": format!("02:aa:00:00:00:{n:02}")})
    };
    // Plugged in before, and silent: it stays reported over a restart.
    let vm = bench.node().vm(1);
    vm.plug(bench.node(), 5000);
    bench.double.list(json!([port(1, "vtep-hostd tap-1"), port(2, "a machine of Neutron's")]));
    bench.set(("host", "report_ports"), Some("yes"));
    let _watcher = bench.tell(&["10.99.0.11"]);
    wait_call(bench, "GET /v2.0/ports?binding%3Ahost_id=node-1 ");
    bench.set(("host", "name"), Some("node-7"));
    let _watcher = bench.tell(&["10.99.0.11"]);
    wait_call(bench, "GET /v2.0/ports?binding%3Ahost_id=node-7 ");
    assert!(!called(bench, "DELETE"), "{:#?}", bench.double.calls());
    // Nobody reports any more: what was reported is withdrawn, and nothing else.
    bench.set(("host", "report_ports"), None);
    let _watcher = bench.tell(&["10.99.0.11"]);
    wait_call(bench, "DELETE /v2.0/ports/33333333-3333-4333-8333-000000000001 ");
    assert!(!called(bench, "DELETE /v2.0/ports/33333333-3333-4333-8333-000000000002 "));
}

/// `[DEFAULT]`: the log.
fn log(bench: &mut Bench) {
    let wait = |bench: &Bench, debug: bool, info: bool| {
        // Something to do, which is logged at debug: a flood entry more than after the start before this one, or less.
        let more = bench.starts.is_multiple_of(2);
        let _watcher = bench.tell(if more { &["10.99.0.11", "10.99.0.13"] } else { &["10.99.0.11"] });
        eventually("the flood entry", PATIENCE, || {
            let there = bench.node().fdb(DEVICE).join("\n");
            if there.contains("dst 10.99.0.13") == more { Ok(()) } else { Err(format!("{there}\n{}", bench.log())) }
        });
        if debug {
            bench.wait_log("DEBUG");
        }
        let log = bench.log();
        assert_eq!((log.contains("DEBUG vtepd"), log.contains(" INFO vtepd")), (debug, info), "{log}");
    };
    bench.set(("DEFAULT", "log_level"), Some("warn"));
    wait(bench, false, false);
    bench.set(("DEFAULT", "default_log_levels"), Some("vtepd::hostd=debug"));
    wait(bench, true, true);
    bench.set(("DEFAULT", "default_log_levels"), None);
    bench.set(("DEFAULT", "log_level"), None);
    wait(bench, false, true);
    bench.set(("DEFAULT", "debug"), Some("true"));
    wait(bench, true, true);
}

/// `[vtepd]`: where it is, and how we speak with it.
fn vtepd(bench: &mut Bench) {
    let secret = |path: &Path, text: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::write(path, text).expect("a file");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode");
        path.display().to_string()
    };
    let token = secret(&bench.lab.scratch.join("token"), "0123456789abcdef0123");
    bench.set(("vtepd", "token_file"), Some(&token));
    let head = bench.double.accept().head.to_ascii_lowercase();
    assert!(head.contains("x-auth-token: 0123456789abcdef0123"), "{head}");

    let other = Double::listen("10.98.0.1:9798");
    bench.set(("vtepd", "url"), Some("http://10.98.0.1:9798"));
    let watcher = tell(&other, "10.99.0.201", &["10.99.0.11"]);

    bench.set(("vtepd", "silence"), Some("20s"));
    let silent = tell(&other, "10.99.0.201", &["10.99.0.11"]);
    assert!(other.called(Duration::from_secs(40)), "it is called again\n{}", bench.log());
    bench.wait_log("nothing was heard for 20s");
    drop((watcher, silent));

    let (pki, stranger) = (Pki::new(), Pki::new());
    let vtepd = pki.sign(&Spec::with_names("vtepd", &["10.98.0.1"]));
    let (certificate, key) = (vtepd.certificate.display().to_string(), vtepd.key.display().to_string());
    let server = ["openssl", "s_server", "-www", "-accept", "10.98.0.1:9799", "-cert", &certificate, "-key", &key];
    let _server = super::net::Ns::ROOT.start(&server, &[], &bench.lab.log("s_server"));
    bench.keys.insert(("vtepd", "url"), "https://10.98.0.1:9799".to_owned());
    bench.set(("vtepd", "ca_cert"), Some(&stranger.ca().display().to_string()));
    bench.wait_log("UnknownIssuer");
    bench.set(("vtepd", "ca_cert"), Some(&pki.ca().display().to_string()));
    // It is heard through TLS, and is no vtepd.
    bench.wait_log("the answer is 'text/html' and no stream of events");
}
