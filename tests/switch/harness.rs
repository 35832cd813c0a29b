//! The harness itself against plain ovsdb-server and vtep-ctl: a test can only be trusted with eyes that see.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::support::{
    PATIENCE,
    dump::{Dump, Mac},
    recorder::Recorder,
    rpc::Framer,
    tor::{Contents, Tor},
};

#[test]
fn a_tor_introduces_itself() {
    let tor = Tor::start("tor-switch-1", "192.0.2.1");
    assert_eq!(tor.vtep_ctl(&["list-ps"]), "tor-switch-1");
    assert_eq!(tor.vtep_ctl(&["list-ports", "tor-switch-1"]), "Ethernet40\nEthernet41");
    assert_eq!(tor.vtep_ctl(&["get", "Physical_Switch", "tor-switch-1", "tunnel_ips"]), r#"["192.0.2.1"]"#);
}

#[test]
fn a_dump_reads_what_vtep_ctl_wrote() {
    let tor = Tor::start("t", "192.0.2.1");
    tor.vtep_ctl(&[
        "add-ls",
        "ls0",
        "--",
        "set",
        "Logical_Switch",
        "ls0",
        "tunnel_key=7",
        "--",
        "bind-ls",
        "t",
        "Ethernet40",
        "50",
        "ls0",
    ]);
    tor.vtep_ctl(&["add-ucast-remote", "ls0", "fa:16:3e:00:00:01", "192.0.2.7"]);
    tor.vtep_ctl(&["add-mcast-remote", "ls0", "unknown-dst", "192.0.2.8"]);
    tor.vtep_ctl(&["add-mcast-remote", "ls0", "unknown-dst", "192.0.2.7"]);
    let dump = tor.dump();
    assert_eq!(dump.logical_switches(), [("ls0".to_owned(), Some(7))].into());
    assert_eq!(dump.bindings(), [(("Ethernet40".to_owned(), 50), "ls0".to_owned())].into());
    let mac = Mac {
        logical_switch: "ls0".to_owned(),
        address: "fa:16:3e:00:00:01".to_owned(),
        ip: String::new(),
        vtep: "192.0.2.7".to_owned(),
    };
    assert_eq!(dump.macs(), [mac]);
    let flood: BTreeSet<String> = ["192.0.2.7".to_owned(), "192.0.2.8".to_owned()].into();
    assert_eq!(dump.floods(), [("ls0".to_owned(), flood)]);
}

#[test]
fn dumps_of_equal_contents_are_equal() {
    let (one, other) = (Tor::start("t", "192.0.2.1"), Tor::start("t", "192.0.2.1"));
    for tor in [&one, &other] {
        tor.vtep_ctl(&["add-ls", "a", "--", "add-ls", "b"]);
        tor.vtep_ctl(&["add-ucast-remote", "a", "fa:16:3e:00:00:01", "192.0.2.7"]);
    }
    assert_eq!(one.dump(), other.dump());
    other.vtep_ctl(&["bind-ls", "t", "Ethernet41", "0", "b"]);
    assert_ne!(one.dump(), other.dump());
}

#[test]
fn waiting_sees_a_change_made_meanwhile() {
    let tor = Tor::start("t", "192.0.2.1");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| tor.wait("ls0", |dump| dump.logical_switches().contains_key("ls0")));
        tor.vtep_ctl(&["add-ls", "ls0"]);
        waiting.join().expect("it saw it");
    });
    tor.wait_rows("Logical_Switch", 1, PATIENCE);
}

#[test]
fn a_killed_server_keeps_its_file_or_starts_empty() {
    let mut tor = Tor::start("t", "192.0.2.1");
    let (port, factory) = (tor.port(), tor.dump());
    tor.vtep_ctl(&["add-ls", "ls0"]);
    tor.restart(Contents::Kept);
    assert_eq!(tor.vtep_ctl(&["list-ls"]), "ls0");
    tor.restart(Contents::Factory);
    assert_eq!(tor.dump(), factory);
    assert_eq!(tor.port(), port);
}

#[test]
fn a_killed_server_leaves_no_process() {
    let mut tor = Tor::start("t", "192.0.2.1");
    let pid = tor.pid();
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
    tor.kill();
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn a_recorder_counts_and_cuts() {
    use crate::support::process::run;
    let tor = Tor::start("t", "192.0.2.1");
    let recorder = Recorder::start(tor.socket());
    let db = format!("--db=tcp:127.0.0.1:{}", recorder.port());
    run("vtep-ctl", &[db.as_str(), "list-ps"]);
    assert_eq!(recorder.count("transact"), 0);
    run("vtep-ctl", &[db.as_str(), "add-ls", "ls0"]);
    recorder.wait("transact", 1, PATIENCE);
    assert_eq!(recorder.transacts()[0][0], json!("hardware_vtep"));
    assert_eq!(tor.vtep_ctl(&["list-ls"]), "ls0");
    recorder.cut();
    run("vtep-ctl", &[db.as_str(), "list-ps"]);
    assert_eq!(recorder.connections(), 3, "one for each vtep-ctl");
}

#[test]
fn a_stricter_schema_refuses_rows() {
    let tor = Tor::with_schema("t", "192.0.2.1", |mut schema| {
        schema["tables"]["Ucast_Macs_Remote"]["columns"]["ipaddr"]["type"] =
            json!({"key": {"type": "string", "maxLength": 15}});
        schema
    });
    let insert = |ip: &str| json!({"op": "insert", "table": "Logical_Switch", "row": {"name": ip}});
    tor.transact(&[insert("fine")]);
    let locator = json!({"op": "insert", "table": "Physical_Locator", "uuid-name": "l",
                         "row": {"encapsulation_type": "vxlan_over_ipv4", "dst_ip": "192.0.2.7"}});
    let switch = json!({"op": "insert", "table": "Logical_Switch", "uuid-name": "s", "row": {"name": "s"}});
    let mac = json!({"op": "insert", "table": "Ucast_Macs_Remote", "row": {"MAC": "fa:16:3e:00:00:01",
        "ipaddr": "2001:db8::1234:5678", "locator": ["named-uuid", "l"], "logical_switch": ["named-uuid", "s"]}});
    let results = tor.rpc().try_transact(&[locator, switch, mac]);
    assert!(results.iter().any(|r| r["error"] == "constraint violation"), "{results:?}");
}

#[test]
fn a_tor_listens_on_ipv6_too() {
    use crate::support::process::run;
    let tor = Tor::on_ipv6("t", "192.0.2.1");
    let db = format!("--db=tcp:[::1]:{}", tor.port());
    assert_eq!(run("vtep-ctl", &[db.as_str(), "list-ps"]).trim(), "t");
}

#[test]
fn several_switches_live_behind_one_server() {
    let tor = Tor::shared(&[("left", "192.0.2.1"), ("right", "192.0.2.2")]);
    assert_eq!(tor.vtep_ctl(&["list-ps"]), "left\nright");
    assert_eq!(tor.vtep_ctl(&["list-ports", "right"]), "Ethernet40\nEthernet41");
    assert_eq!(tor.names().collect::<Vec<_>>(), ["left", "right"]);
}

#[test]
fn a_start_is_quick() {
    let begun = Instant::now();
    let _tor = Tor::start("t", "192.0.2.1");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn the_framer_knows_strings_and_split_reads() {
    let mut framer = Framer::default();
    framer.push(br#"{"a":"}{\""}[1,"#);
    assert_eq!(framer.next().as_deref(), Some(br#"{"a":"}{\""}"#.as_slice()));
    assert_eq!(framer.next(), None);
    framer.push(b"2]");
    assert_eq!(framer.next().as_deref(), Some(b"[1,2]".as_slice()));
    assert_eq!(Dump::default().macs(), []);
}
