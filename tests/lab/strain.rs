//! vtep-hostd under strain: many entries, somebody who is faster, and TLS on the way to vtepd.

use std::{
    fmt::Write as _,
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    hostd::{DEVICE, NETWORK, Scene, change, entry, local, network, snapshot},
    inside::inside,
    topology::{HOSTD, Lab},
};
use crate::support::{
    PATIENCE,
    daemon::Home,
    eventually,
    pki::{Pki, Spec},
};

const MANY: usize = 10_000;

fn mac(i: usize) -> String {
    let [.., a, b] = i.to_be_bytes();
    format!("02:dd:00:00:{a:02x}:{b:02x}")
}

/// Processor time of a process so far.
fn processor(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let (_, rest) = stat.rsplit_once(") ").expect("its name stands in brackets");
    let ticks: u64 = rest.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    // The kernel counts in hundredths of a second for everybody (USER_HZ).
    Duration::from_millis(ticks * 10)
}

#[test]
fn ten_thousand_entries() {
    inside(|| {
        let mut scene = Scene::start("");
        let pid = scene.hostd.pid();
        let mut entries: Vec<Value> = (0..MANY).map(|i| entry(&mac(i), "10.99.0.11", "learned")).collect();
        entries.push(local());
        let there = |scene: &Scene, vtep: &str| {
            let lines = scene.node().fdb(DEVICE);
            lines.iter().filter(|line| line.starts_with("02:dd:") && line.contains(vtep)).count()
        };
        let all = |scene: &Scene, vtep: &str| {
            eventually("all entries", PATIENCE * 2, || {
                let count = there(scene, vtep);
                if count == MANY { Ok(()) } else { Err(format!("{count}\n{}", scene.log())) }
            });
        };
        let (begun, idle) = (Instant::now(), processor(pid));
        scene.watcher.send("snapshot", 1, &snapshot(&[network(NETWORK, 5000, &["10.99.0.11"], &entries)]));
        all(&scene, "dst 10.99.0.11");
        let (filled, used) = (begun.elapsed(), processor(pid).saturating_sub(idle));
        // One change costs one entry's work.
        let (begun, before) = (Instant::now(), processor(pid));
        scene.watcher.send("change", 2, &change(&["10.99.0.11"], &[entry(&mac(0), "10.99.0.12", "learned")], &[]));
        eventually(
            "the one",
            PATIENCE,
            || if there(&scene, "dst 10.99.0.12") == 1 { Ok(()) } else { Err(scene.log()) },
        );
        let (one, for_one) = (begun.elapsed(), processor(pid).saturating_sub(before));
        // All of them go somewhere else.
        let moved: Vec<Value> = (0..MANY).map(|i| entry(&mac(i), "10.99.0.13", "learned")).collect();
        let begun = Instant::now();
        scene.watcher.send("change", 3, &change(&["10.99.0.13"], &moved, &[]));
        all(&scene, "dst 10.99.0.13");
        println!(
            "{MANY} entries: {filled:?}, {used:?} of the processor; one more: {one:?}, {for_one:?}; all moved: {:?}",
            begun.elapsed()
        );
        assert!(used < Duration::from_secs(10), "{used:?} for {MANY} entries");
        assert!(for_one < Duration::from_millis(200), "{for_one:?} for one of {MANY}");
    });
}

/// Each network is two interfaces, made side by side: nothing is refused, and nothing has to be tried again.
#[test]
fn five_hundred_networks_at_a_start() {
    const NETWORKS: u32 = 500;
    inside(|| {
        let mut scene = Scene::start("");
        let networks: Vec<Value> = (0..NETWORKS)
            .map(|n| {
                let id = format!("11111111-1111-4111-8111-{n:012}");
                let bare_metal = entry("02:bb:00:00:00:01", "10.99.0.11", "learned");
                network(&id, 5000 + n, &["10.99.0.11", "10.99.0.12"], &[local(), bare_metal])
            })
            .collect();
        let begun = Instant::now();
        scene.watcher.send("snapshot", 1, &snapshot(&networks));
        // grep fails where it finds nothing.
        let count = |what: &str| scene.node().ns.sh(&format!("{what} || true")).lines().count();
        let expected = usize::try_from(NETWORKS).expect("few");
        eventually("all entries", PATIENCE * 2, || {
            let entries = count("bridge fdb show | grep ' dst 10.99.0.1[12] '");
            if entries == 3 * expected { Ok(()) } else { Err(format!("{entries} entries\n{}", scene.log())) }
        });
        println!("{NETWORKS} networks: {:?}", begun.elapsed());
        let devices = "ip -o link show type vxlan | grep 'mtu 1550 .* master vtbr-.* state UNKNOWN '";
        assert_eq!(count(devices), expected);
        assert_eq!(count("ip -o link show type bridge | grep ',UP.* mtu 1550 '"), expected);
        let log = scene.log();
        for word in ["ERROR", "WARN", "not as it should be", "tried again", "EBUSY", "os error 16"] {
            assert!(!log.contains(word), "{word} in {log}");
        }
    });
}

/// An entry that somebody makes while we are about to is theirs, and no error.
#[test]
fn whoever_is_faster_keeps_the_entry() {
    inside(|| {
        let mut scene = Scene::start("");
        scene.watcher.send("snapshot", 1, &snapshot(&[network(NETWORK, 5000, &["10.99.0.11"], &[local()])]));
        scene.wait(&["00:00:00:00:00:00 dst 10.99.0.11"]);
        let told: Vec<Value> = (0..MANY).map(|i| entry(&mac(i), "10.99.0.11", "learned")).collect();
        let removed: Vec<String> = (0..MANY).map(mac).collect();
        let removed: Vec<&str> = removed.iter().map(String::as_str).collect();
        let there = |scene: &Scene| scene.node().fdb(DEVICE).iter().filter(|line| line.starts_with("02:dd:")).count();
        let wait = |scene: &Scene, good: &dyn Fn(usize) -> bool| {
            eventually("the entries", PATIENCE * 2, || {
                let count = there(scene);
                if good(count) { Ok(()) } else { Err(format!("{count}\n{}", scene.log())) }
            });
        };
        // In the middle of ten thousand somebody else writes some of them: now and again those that are still to come.
        let theirs: String = (0..MANY).step_by(20).fold(String::new(), |mut lines, i| {
            let _ = writeln!(lines, "fdb add {} dev {DEVICE} dst 10.99.0.77", mac(i));
            lines
        });
        let batch = scene.lab.scratch.join("batch").display().to_string();
        fs::write(&batch, theirs).expect("the batch");
        eventually("we are overtaken", PATIENCE * 2, || {
            scene.watcher.send("change", 2, &change(&["10.99.0.11"], &told, &[]));
            wait(&scene, &|count| count > 0);
            scene.node().ns.try_run(&["bridge", "-force", "-batch", &batch]);
            wait(&scene, &|count| count == MANY);
            if scene.log().contains("another program was faster") {
                return Ok(());
            }
            scene.watcher.send("change", 3, &change(&["10.99.0.11"], &[], &removed));
            wait(&scene, &|count| count < MANY / 20);
            Err("not yet".to_owned())
        });
        let log = scene.log();
        assert!(!log.contains("ERROR") && !log.contains("not as it should be"), "{log}");
        let lines = scene.node().fdb(DEVICE);
        let ours = lines.iter().filter(|line| line.contains("dst 10.99.0.11 ") && line.starts_with("02:dd:")).count();
        let theirs = lines.iter().filter(|line| line.contains("dst 10.99.0.77")).count();
        assert!(theirs > 0 && ours + theirs == MANY, "{ours} + {theirs}");
    });
}

/// https, with the authority that `ca_cert` names and no other.
#[test]
fn vtepd_is_followed_over_tls() {
    inside(|| {
        let (pki, stranger) = (Pki::new(), Pki::new());
        let vtepd = pki.sign(&Spec::with_names("vtepd", &["10.98.0.1"]));
        let lab = Lab::start(0, 1, &[]);
        let node = &lab.nodes[0];
        fs::write(super::inside::HOST_TOKENS, "node-1:0123456789abcdef0123\n").expect("the tokens");
        let private = |path: &str| {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode");
        };
        private(super::inside::HOST_TOKENS);
        private(&vtepd.key.display().to_string());
        let api =
            format!("tls_certificate = {}\ntls_private_key = {}", vtepd.certificate.display(), vtepd.key.display());
        let daemon = Home::new().api(&api).start();
        let network = daemon.admin("network_create", &json!({"name": "blue", "vni": 5000}));
        daemon.admin("endpoint_create", &json!({"host": "node-1", "ip_address": node.vtep_ip}));
        daemon.admin("endpoint_create", &json!({"host": "node-2", "ip_address": "10.99.0.102"}));
        for (host, mac) in [("node-1", "02:aa:00:00:00:01"), ("node-2", "02:aa:00:00:00:02")] {
            daemon.admin("port_create", &json!({"network": network["id"], "mac_address": mac, "host": host}));
        }
        let token = lab.scratch.join("token").display().to_string();
        fs::write(&token, "0123456789abcdef0123").expect("the token");
        private(&token);
        let ini = |ca: &str| {
            let mut text = format!("[vtepd]\nurl = https://10.98.0.1:9797\ntoken_file = {token}\nca_cert = {ca}\n");
            let _ = writeln!(text, "[host]\nname = node-1\nlocal_ip = {}", node.vtep_ip);
            let _ = writeln!(text, "state_file = {}", lab.scratch.join("flood").display());
            let path = lab.scratch.join("tls.ini").display().to_string();
            fs::write(&path, text).expect("the configuration");
            path
        };
        let path = ini(&stranger.ca().display().to_string());
        let (good, said) = node.ns.try_run(&[HOSTD, "--config", &path, "--check"]);
        assert!(!good && said.contains("vtepd: https://10.98.0.1:9797") && said.contains("UnknownIssuer"), "{said}");
        let path = ini(&pki.ca().display().to_string());
        let (good, said) = node.ns.try_run(&[HOSTD, "--config", &path, "--check"]);
        assert!(good && said.contains("vtepd: ok: https://10.98.0.1:9797"), "{said}");
        let log = lab.log("node-1");
        let _hostd = node.ns.start(&[HOSTD, "--config", &path], &[("NO_COLOR", "1")], &log);
        eventually("the other machine is known", PATIENCE, || {
            let entries = node.fdb(DEVICE);
            let known = entries.iter().any(|line| line.starts_with("02:aa:00:00:00:02 dst 10.99.0.102"));
            if known { Ok(()) } else { Err(format!("{entries:?}\n{}", fs::read_to_string(&log).unwrap_or_default())) }
        });
    });
}
