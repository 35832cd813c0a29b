//! plumgrid.ini: each key, changed while the daemon runs. A reload, or a restart, brings in line what differs, or the log
//! says that it takes effect later.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
};

use serde_json::json;

use super::scene::{COMPUTE_1, logical_switch, set};
use crate::support::{
    PATIENCE,
    daemon::{Daemon, Home},
    dump::Dump,
    eventually,
    rest::Rest,
    tor::Tor,
};

const REFERENCE: &str = include_str!("../../docs/configuration.md");

type Key = (String, String);

/// Keys whose change is tried elsewhere: by which test of which file.
const ELSEWHERE: &[(&str, &str, &str, &str)] = &[
    // A session with other credentials.
    ("l2gateway", "private_key", TRANSPORTS, "tls_refuses_whoever_is_not_the_switch"),
    ("l2gateway", "certificate", TRANSPORTS, "tls_refuses_whoever_is_not_the_switch"),
    ("l2gateway", "ca_cert", TRANSPORTS, "tls_refuses_whoever_is_not_the_switch"),
    ("l2gateway", "peer_verify", TRANSPORTS, "tls_refuses_whoever_is_not_the_switch"),
    ("l2gateway", "known_hosts", TRANSPORTS, "ssh_refuses_whoever_is_not_the_switch"),
    ("l2gateway", "sw_username", TRANSPORTS, "the_account_of_all_switches_is_changed"),
    ("l2gateway", "sw_password", TRANSPORTS, "the_account_of_all_switches_is_changed"),
    ("switch:NAME", "peer_fingerprint", TRANSPORTS, "tls_refuses_whoever_is_not_the_switch"),
    ("switch:NAME", "host_key_fingerprint", TRANSPORTS, "ssh_refuses_whoever_is_not_the_switch"),
    ("switch:NAME", "username", TRANSPORTS, "ssh_refuses_whoever_is_not_the_switch"),
    ("switch:NAME", "password", TRANSPORTS, "ssh_refuses_whoever_is_not_the_switch"),
    ("switch:NAME", "password_file", TRANSPORTS, "the_account_of_all_switches_is_changed"),
    (
        "switch:NAME",
        "physical_switch",
        include_str!("identity.rs"),
        "a_switch_that_is_renamed_keeps_its_bindings_and_macs",
    ),
    (
        "api",
        "tls_certificate",
        include_str!("certificate.rs"),
        "a_reload_renews_the_certificate_and_keeps_the_old_one_where_that_fails",
    ),
    (
        "api",
        "tls_private_key",
        include_str!("certificate.rs"),
        "a_reload_renews_the_certificate_and_keeps_the_old_one_where_that_fails",
    ),
];
const TRANSPORTS: &str = include_str!("transports.rs");

/// The keys of plumgrid.ini that the reference explains, and whether a reload is enough.
fn documented() -> BTreeMap<Key, bool> {
    let (mut section, mut keys) = (String::new(), BTreeMap::new());
    let page = REFERENCE.split("\n# vtep-hostd.ini").next().unwrap_or_default();
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## [") {
            title.trim_end_matches(']').clone_into(&mut section);
        } else if let Some(row) = line.strip_prefix("| `") {
            let cells: Vec<&str> = row.split(" | ").collect();
            let key = cells[0].trim_end_matches('`').to_owned();
            let effect = cells.iter().find(|cell| ["reload", "restart"].contains(&cell.trim()));
            keys.insert((section.clone(), key), effect.is_some_and(|effect| effect.trim() == "reload"));
        }
    }
    keys
}

/// The daemon with a configuration that changes.
struct Bench {
    daemon: Daemon,
    keys: BTreeMap<Key, String>,
    tried: BTreeSet<Key>,
}

fn key(section: &str, key: &str) -> Key {
    (section.to_owned(), key.to_owned())
}

/// A section of one name is explained once for all of them.
fn general(section: &str) -> String {
    match section.split_once(':') {
        Some((word, _)) => format!("{word}:NAME"),
        None => section.to_owned(),
    }
}

impl Bench {
    fn start(keys: &[(&str, &str, &str)]) -> Self {
        let mut home = Home::new();
        let mut all = BTreeMap::from([
            (key("database", "connection"), format!("sqlite://{}", home.store().display())),
            (key("api", "listen"), "127.0.0.1:0".to_owned()),
            (key("api", "token_file"), home.token_file().display().to_string()),
            (key("admin", "socket"), home.admin_socket().display().to_string()),
        ]);
        all.extend(keys.iter().map(|(section, name, value)| (key(section, name), (*value).to_owned())));
        home.whole(text(&all));
        Self { daemon: home.start(), keys: all, tried: BTreeSet::new() }
    }

    fn rest(&self) -> Rest {
        self.daemon.rest()
    }

    /// Changes keys (`None`: removes one) in the file.
    fn change(&mut self, changes: &[(&str, &str, Option<&str>)]) {
        for (section, name, value) in changes {
            self.tried.insert((general(section), (*name).to_owned()));
            match value {
                Some(value) => drop(self.keys.insert(key(section, name), (*value).to_owned())),
                None => drop(self.keys.remove(&key(section, name))),
            }
        }
        self.daemon.home.whole(text(&self.keys));
    }

    /// Changes keys, and has the file read again. The log since then.
    fn reload(&mut self, changes: &[(&str, &str, Option<&str>)]) -> String {
        self.change(changes);
        let before = self.daemon.home.log().len();
        self.daemon.reload();
        let mut last = String::new();
        eventually("the configuration is read again", PATIENCE, || {
            let log = self.daemon.home.log();
            let news = log.get(before..).unwrap_or_default();
            let is_done =
                news.contains("configuration was read again") || news.contains("old configuration stays in force");
            // Warnings come behind that line: they are all there once nothing is added any more.
            let is_quiet = news == std::mem::replace(&mut last, news.to_owned());
            if is_done && is_quiet { Ok(news.to_owned()) } else { Err(news.to_owned()) }
        })
    }

    fn restart(&mut self, changes: &[(&str, &str, Option<&str>)]) {
        self.change(changes);
        assert!(self.daemon.stop().success());
        self.daemon.start();
    }

    /// The file at this path beside plumgrid.ini.
    fn at(&self, name: &str) -> String {
        self.daemon.home.ini().with_file_name(name).display().to_string()
    }
}

fn text(keys: &BTreeMap<Key, String>) -> String {
    let mut sections: BTreeMap<&str, String> = BTreeMap::new();
    for ((section, key), value) in keys {
        let _ = writeln!(sections.entry(section).or_default(), "{key} = {value}");
    }
    sections.into_iter().fold(String::new(), |text, (section, lines)| format!("{text}[{section}]\n{lines}"))
}

/// All keys that need a restart, changed at once: the log names each, and nothing else comes of it.
fn restart_keys(tried: &mut BTreeSet<Key>) {
    let mut bench = Bench::start(&[
        ("api", "auth", "keystone"),
        ("keystone_authtoken", "auth_url", "http://127.0.0.1:1"),
        ("keystone_authtoken", "username", "vtepd"),
        ("keystone_authtoken", "password", "g3heim-Wort"),
        ("keystone_authtoken", "project_name", "service"),
        ("source", "driver", "neutron-db"),
        ("source", "connection", "mysql+pymysql://neutron:g3heim@127.0.0.1:1/neutron"),
        ("listen", "ptcp", "127.0.0.1:0"),
    ]);
    let other = bench.at("other");
    let store = format!("sqlite://{other}");
    let changes: Vec<(&str, &str, Option<&str>)> = vec![
        ("DEFAULT", "deployment", Some("other")),
        ("DEFAULT", "previous_prefixes", Some("vtepd")),
        ("DEFAULT", "vni_ranges", Some("7000:7009")),
        ("database", "connection", Some(&store)),
        ("api", "listen", Some("127.0.0.1:1")),
        ("api", "token_file", Some(&other)),
        ("api", "admin_roles", Some("operator")),
        ("api", "host_token_file", Some(&other)),
        ("api", "max_ports_per_host", Some("1")),
        ("api", "monitoring_listen", Some("127.0.0.1:2")),
        ("admin", "socket", Some(&other)),
        ("admin", "group", Some("nobody-knows")),
        ("admin", "journal_age", Some("1d")),
        ("admin", "journal_size", Some("1")),
        ("relay", "learned_hold", Some("1h")),
        ("relay", "idle_flood_hold", Some("1h")),
        ("relay", "max_learned_macs", Some("1")),
        ("relay", "active_active", Some("independent")),
        ("relay", "failover_unreachable", Some("yes")),
        ("relay", "handover_hold", Some("9s")),
        ("source", "connection", Some("mysql+pymysql://neutron:g3heim@127.0.0.1:2/neutron")),
        ("source", "poll_interval", Some("9s")),
        ("keystone_authtoken", "auth_url", Some("http://127.0.0.1:2")),
        ("keystone_authtoken", "username", Some("other")),
        ("keystone_authtoken", "password", Some("an0ther-Wort")),
        ("keystone_authtoken", "project_name", Some("other")),
        ("keystone_authtoken", "user_domain_name", Some("other")),
        ("keystone_authtoken", "project_domain_name", Some("other")),
        ("keystone_authtoken", "cafile", Some(&other)),
        ("listen", "ptcp", Some("127.0.0.1:3")),
    ];
    let log = bench.reload(&changes);
    for (section, name, _) in &changes {
        let line = format!("[{section}] {name}: the new value takes effect with the next restart only");
        assert!(log.contains(&line), "{section} {name}: {log}");
    }
    let log = bench.reload(&[
        ("gateway:gw", "active_active", Some("lag")),
        ("gateway:gw", "failover_unreachable", Some("no")),
        ("gateway:gw", "handover_hold", Some("1s")),
    ]);
    assert!(log.contains("[gateway:...]: the new value takes effect with the next restart only"), "{log}");
    let log = bench.reload(&[("l2gateway", "guard_percent", Some("30")), ("l2gateway", "guard_min_rows", Some("3"))]);
    assert!(log.contains("guard_min_rows for [source]: the new value takes effect with the next restart"), "{log}");
    bench.keys.retain(|(section, _), _| section != "source" && section != "keystone_authtoken");
    let log = bench.reload(&[("api", "auth", Some("none")), ("source", "driver", Some("native"))]);
    for line in ["[api] auth: the new value", "[source] driver: the new value"] {
        assert!(log.contains(line), "{log}");
    }
    // What isn't built is refused, and the old file stays in force.
    for (name, value) in [("name", "one"), ("heartbeat", "2s"), ("lease_ttl", "9s")] {
        let log = bench.reload(&[("cluster", name, Some(value))]);
        assert!(log.contains("stays in force") && log.contains(&format!("[cluster] {name}")), "{log}");
        bench.keys.remove(&key("cluster", name));
    }
    assert!(!fs::exists(&other).expect("the directory"), "nothing of it was done");
    tried.append(&mut bench.tried);
}

/// `pssl` has its own keys from `[l2gateway]`, read at the start.
fn pssl(tried: &mut BTreeSet<Key>) {
    let pki = crate::support::pki::Pki::new();
    let (us, others) = (pki.issue("vtepd"), pki.issue("others"));
    let path = |path: &std::path::Path| path.display().to_string();
    let mut bench = Bench::start(&[
        ("l2gateway", "private_key", &path(&us.key)),
        ("l2gateway", "certificate", &path(&us.certificate)),
        ("l2gateway", "ca_cert", &path(&us.ca)),
        ("listen", "pssl", "127.0.0.1:0"),
    ]);
    let (key, certificate) = (path(&others.key), path(&others.certificate));
    let log = bench.reload(&[
        ("l2gateway", "private_key", Some(&key)),
        ("l2gateway", "certificate", Some(&certificate)),
        ("listen", "pssl", Some("127.0.0.1:1")),
    ]);
    assert!(log.contains("for pssl of [listen]: the new value takes effect with the next restart only"), "{log}");
    assert!(log.contains("[listen] pssl: the new value takes effect with the next restart only"), "{log}");
    tried.extend(bench.tried.into_iter().filter(|(section, _)| section == "listen"));
}

/// The keys of a switch and their defaults: a reload brings the switch in line.
fn reload_keys(tried: &mut BTreeSet<Key>) {
    let (mut tor, twin) = (Tor::start("t", "192.0.2.1"), Tor::start("t", "192.0.2.2"));
    let (port, other_port) = (tor.port().to_string(), twin.port().to_string());
    let mut bench = Bench::start(&[("switch:t", "management_ip", "127.0.0.1"), ("switch:t", "port", &port)]);
    let rest = bench.rest();
    rest.endpoint(COMPUTE_1.0, COMPUTE_1.1);
    let network = rest.network("network1");
    rest.port(&network, "fa:16:3e:00:00:01", "10.0.0.11", COMPUTE_1.0);
    let gateway = rest.gateway("gw", &[("t", &["Ethernet40"])]);
    let connection = rest.connect(&gateway, &network, 50);
    rest.wait_status(&connection, "active");
    let name = logical_switch(&network);
    let is_on = |dump: &Dump| dump.bindings().len() == 1 && dump.macs().len() == 1;

    // How it is reached.
    let address = |bench: &Bench, words: &str| {
        bench.rest().wait_switch("t", words, |now| {
            now["session"]["address"].as_str().is_some_and(|address| address.contains(words))
                && now["session"]["state"] == "up"
        });
    };
    bench.reload(&[("switch:t", "port", None), ("l2gateway", "port", Some(&other_port))]);
    twin.wait("the other server", is_on);
    bench.reload(&[("l2gateway", "port", Some(&port)), ("switch:t", "management_ip", Some("localhost"))]);
    address(&bench, &format!("localhost:{port}"));
    let socket = tor.socket().display().to_string();
    bench.reload(&[
        ("switch:t", "management_ip", None),
        ("l2gateway", "port", None),
        ("l2gateway", "transport", Some("unix")),
        ("switch:t", "ovsdb_socket", Some(&socket)),
    ]);
    address(&bench, &socket);

    // What is kept on it.
    bench.reload(&[("l2gateway", "vendor", Some("cumulus")), ("l2gateway", "service_nodes", Some("203.0.113.9"))]);
    tor.wait("the service node", |dump| dump.floods() == [(name.clone(), set(&["203.0.113.9"]))]);
    let mode = |tor: &Tor| tor.vtep_ctl(&["get", "Logical_Switch", &name, "replication_mode"]);
    assert_eq!(mode(&tor), "service_node");
    bench.reload(&[("l2gateway", "vendor", None), ("l2gateway", "service_nodes", None)]);
    tor.wait("compute-1 again", |dump| dump.floods() == [(name.clone(), set(&[COMPUTE_1.1]))]);
    eventually("the mode", PATIENCE, || if mode(&tor) == "source_node" { Ok(()) } else { Err(mode(&tor)) });
    bench.reload(&[("l2gateway", "manager_targets", Some("ssl:192.0.2.100:6640"))]);
    eventually("the manager", PATIENCE, || match tor.vtep_ctl(&["get-manager"]) {
        managers if managers == "ssl:192.0.2.100:6640" => Ok(()),
        managers => Err(managers),
    });
    super::extras::tunnel(&tor);
    bench.reload(&[
        ("l2gateway", "bfd", Some("on")),
        ("l2gateway", "bfd_min_rx", Some("300ms")),
        ("l2gateway", "bfd_min_tx", Some("2s")),
        ("l2gateway", "bfd_dst_mac", Some("00:23:20:00:00:02")),
        ("l2gateway", "bfd_dst_ip", Some("169.254.1.1")),
    ]);
    eventually("BFD", PATIENCE, || {
        let row = tor.rpc().select("Tunnel").remove(0).to_string();
        let all =
            [r#"["enable","true"]"#, r#"["min_rx","300"]"#, r#"["min_tx","2000"]"#, "00:23:20:00:00:02", "169.254.1.1"];
        if all.iter().all(|pair| row.contains(pair)) { Ok(()) } else { Err(row) }
    });
    bench.reload(&[("l2gateway", "bfd_min_rx", Some("400ms"))]);
    eventually("the other interval", PATIENCE, || {
        let row = tor.rpc().select("Tunnel").remove(0).to_string();
        if row.contains(r#"["min_rx","400"]"#) { Ok(()) } else { Err(row) }
    });

    // What may be written, and how it is guarded.
    let lock = |bench: &Bench, word: &str| bench.rest().wait_switch("t", word, |now| now["session"]["lock"] == word);
    bench.reload(&[("l2gateway", "lock", Some("off"))]);
    lock(&bench, "off");
    bench.reload(&[("l2gateway", "lock", Some("required"))]);
    lock(&bench, "held");
    bench.reload(&[("l2gateway", "mode", Some("observe"))]);
    let later = rest.port(&network, "fa:16:3e:00:00:02", "10.0.0.12", COMPUTE_1.0);
    let status = bench.rest().wait_status(&connection, "pending");
    assert!(status.to_string().contains("mode = observe"), "{status}");
    assert_eq!(tor.dump().macs().len(), 1);
    bench.reload(&[("l2gateway", "mode", None)]);
    tor.wait("it is written now", |dump| dump.macs().len() == 2);
    rest.delete(&format!("/v2.0/ports/{later}")).expect(204);
    tor.wait("one MAC", is_on);
    // Rows that nothing explains: a Logical_Switch of ours with ten MACs.
    let stray = "vtepd-99999999-9999-4999-8999-999999999999";
    bench.reload(&[("l2gateway", "guard_min_rows", Some("5")), ("l2gateway", "guard_percent", Some("20"))]);
    tor.vtep_ctl(&["add-ls", stray]);
    tor.wait("a single one goes", |dump| dump.logical_switches().len() == 1);
    bench.reload(&[("l2gateway", "mode", Some("observe"))]);
    bench.rest().wait_switch("t", "it observes", |now| now["session"]["state"] == "up");
    tor.vtep_ctl(&["add-ls", stray]);
    for n in 0..9 {
        tor.vtep_ctl(&["add-ucast-remote", stray, &format!("02:00:00:00:00:{n:02x}"), "203.0.113.1"]);
    }
    bench.reload(&[("l2gateway", "mode", None)]);
    bench.rest().wait_switch("t", "it is held", |now| now["status"] == "held");
    bench.reload(&[("l2gateway", "guard_percent", Some("100"))]);
    tor.wait("a higher share lets them go", |dump| dump.logical_switches().len() == 1);

    // How a dead one is found.
    bench.reload(&[("l2gateway", "inactivity_probe", Some("200ms"))]);
    bench.rest().wait_switch("t", "it is up", |now| now["session"]["state"] == "up");
    tor.freeze();
    bench.rest().wait_switch("t", "it is lost", |now| now["session"]["state"] != "up");
    tor.thaw();
    bench.rest().wait_status(&connection, "active");
    tor.kill();
    tried.append(&mut bench.tried);
}

/// `[DEFAULT]`: the log, while a switch is written.
fn log_keys(tried: &mut BTreeSet<Key>) {
    let tor = Tor::start("t", "192.0.2.1");
    let mut bench =
        Bench::start(&[("switch:t", "management_ip", "127.0.0.1"), ("switch:t", "port", &tor.port().to_string())]);
    let rest = bench.rest();
    rest.endpoint(COMPUTE_1.0, COMPUTE_1.1);
    let network = rest.network("network1");
    let connection = rest.connect(&rest.gateway("gw", &[("t", &["Ethernet40"])]), &network, 50);
    rest.wait_status(&connection, "active");
    let mut ports = 0;
    // Has the file read again, and what is logged of a port that is written then; `good` until all of it is there.
    let mut said = |bench: &mut Bench, changes: &[(&str, &str, Option<&str>)], good: &dyn Fn(&str) -> bool| {
        bench.change(changes);
        bench.daemon.home.write_ini();
        bench.daemon.admin("reload", &json!({}));
        let before = bench.daemon.home.log().len();
        ports += 1;
        bench.rest().port(&network, &format!("fa:16:3e:00:00:{ports:02x}"), &format!("10.0.0.{ports}"), COMPUTE_1.0);
        tor.wait("the port", |dump| dump.macs().len() == ports);
        eventually("the log", PATIENCE, || {
            let news = bench.daemon.home.log().get(before..).unwrap_or_default().to_owned();
            if good(&news) { Ok(()) } else { Err(news) }
        });
    };
    let (fleet, info) = ("DEBUG vtepd::fleet", " INFO ");
    said(&mut bench, &[], &|news| news.contains(info) && !news.contains("DEBUG"));
    said(&mut bench, &[("DEFAULT", "debug", Some("yes"))], &|news| news.contains(fleet));
    let levels = [("DEFAULT", "debug", None), ("DEFAULT", "default_log_levels", Some("vtepd::fleet=debug"))];
    said(&mut bench, &levels, &|news| news.contains(fleet) && !news.contains("DEBUG vtepd::api"));
    let quiet = [("DEFAULT", "default_log_levels", None), ("DEFAULT", "log_level", Some("error"))];
    said(&mut bench, &quiet, &str::is_empty);
    tried.append(&mut bench.tried);
}

#[test]
fn each_key_of_the_configuration_takes_effect_or_the_log_says_when() {
    let mut tried = BTreeSet::new();
    restart_keys(&mut tried);
    pssl(&mut tried);
    reload_keys(&mut tried);
    log_keys(&mut tried);
    for (section, name, file, test) in ELSEWHERE {
        assert!(file.contains(&format!("fn {test}(")), "{test} holds [{section}] {name}");
        tried.insert(key(section, name));
    }
    let documented: BTreeSet<Key> = documented().into_keys().collect();
    // Those of [l2gateway] may stand in a switch's section, too, and are explained once.
    let explained =
        |of: Key| if documented.contains(&of) { of } else { key(&of.0.replace("switch:NAME", "l2gateway"), &of.1) };
    let tried: BTreeSet<Key> = tried.into_iter().map(explained).collect();
    let untried: Vec<&Key> = documented.difference(&tried).collect();
    assert!(untried.is_empty(), "nothing changes these keys of docs/configuration.md: {untried:?}");
    let unknown: Vec<&Key> = tried.difference(&documented).collect();
    assert!(unknown.is_empty(), "docs/configuration.md has none of these: {unknown:?}");
}

/// What a restart with other keys has to bring in line on the switches.
#[test]
fn a_restart_brings_switches_in_line_with_other_keys() {
    let tors = [Tor::start("a", "192.0.2.1"), Tor::start("b", "192.0.2.2")];
    let ports = tors.each_ref().map(|tor| tor.port().to_string());
    let mut bench = Bench::start(&[
        ("switch:a", "management_ip", "127.0.0.1"),
        ("switch:a", "port", &ports[0]),
        ("switch:b", "management_ip", "127.0.0.1"),
        ("switch:b", "port", &ports[1]),
    ]);
    let rest = bench.rest();
    rest.endpoint(COMPUTE_1.0, COMPUTE_1.1);
    let network = rest.network("network1");
    rest.port(&network, "fa:16:3e:00:00:01", "10.0.0.11", COMPUTE_1.0);
    let gateway = rest.gateway("gw", &[("a", &["Ethernet40"]), ("b", &["Ethernet40"])]);
    let connection = rest.connect(&gateway, &network, 50);
    rest.wait_status(&connection, "active");
    let bound = || tors.each_ref().map(|tor| tor.dump().bindings().len()).iter().sum::<usize>();
    let floods = |wanted: usize| {
        let count = || tors.each_ref().map(|tor| tor.dump().floods().iter().map(|(_, ips)| ips.len()).sum::<usize>());
        eventually("the flood lists", PATIENCE, || {
            if count() == [wanted; 2] { Ok(()) } else { Err(format!("{:?}", count())) }
        });
    };
    assert_eq!(bound(), 2, "a bundle");
    floods(1);
    // Separate segments hear of each other; a bridged segment is bound once.
    bench.restart(&[("relay", "active_active", Some("independent"))]);
    floods(2);
    assert_eq!(bound(), 2);
    bench.restart(&[("gateway:gw", "active_active", Some("single-active")), ("relay", "handover_hold", Some("0"))]);
    eventually("one is bound", PATIENCE, || if bound() == 1 { Ok(()) } else { Err(bound().to_string()) });
    bench.restart(&[("gateway:gw", "active_active", None), ("relay", "active_active", None)]);
    eventually("a bundle again", PATIENCE, || if bound() == 2 { Ok(()) } else { Err(bound().to_string()) });
    bench.rest().wait_status(&connection, "active");

    // Another deployment: what the old one wrote is foreign, and said to be; or ours, where it is named.
    bench.restart(&[("DEFAULT", "deployment", Some("other"))]);
    let status = bench.rest().wait_status(&connection, "conflict");
    assert!(status.to_string().contains(&format!("'{}', which is not ours", logical_switch(&network))), "{status}");
    bench.restart(&[("DEFAULT", "previous_prefixes", Some("vtepd")), ("DEFAULT", "vni_ranges", Some("7000:7001"))]);
    bench.rest().wait_status(&connection, "active");
    let rest = bench.rest();
    let second = rest.network("network2");
    let later = rest.connect(&gateway, &second, 51);
    rest.wait_status(&later, "active");
    let names: BTreeMap<String, Option<u64>> = tors[0].dump().logical_switches();
    assert!(names.contains_key(&logical_switch(&network)), "adopted under its name: {names:?}");
    assert_eq!(names.get(&format!("other-{second}")), Some(&Some(7000)), "{names:?}");

    // Another store: what the switches hold stays until somebody lets it go.
    let before = tors.each_ref().map(Tor::dump);
    let store = format!("sqlite://{}", bench.at("another.db"));
    bench.restart(&[
        ("database", "connection", Some(&store)),
        ("l2gateway", "guard_min_rows", Some("1")),
        ("api", "auth", Some("none")),
    ]);
    bench.rest().wait_switch("a", "it is held", |now| now["status"] == "held");
    assert_eq!(tors.each_ref().map(Tor::dump), before);
}
