//! Every mistake that one can make: the exit code says what kind it is, the message names the fix.

use serde_json::json;

use crate::{
    l2gw::{MACHINES, Scene, alone},
    support::{PATIENCE, daemon::Home, eventually, tor::Tor},
};

/// Arguments, the exit code, and what standard error says.
type Mistake = (&'static [&'static str], i32, &'static str);

const DEVICE: &str = "name=tor-switch-1,interface_names=Ethernet41";
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// The command line.
const USAGE: &[Mistake] = &[
    (&[], 2, "Usage: l2gw [OPTIONS] <COMMAND>"),
    (&["gatway", "list"], 2, "there is no command 'gatway'; did you mean 'gateway'?\n"),
    (&["gateway", "lst"], 2, "did you mean 'list'?\n\n'l2gw gateway --help' lists the commands"),
    (&["port", "list", "--netwrk", "network1"], 2, "did you mean '--network'?"),
    (&["gateway", "create", "g"], 2, "--device"),
    (&["gateway", "create", "g", "--device", "tor-switch-1"], 2, "write name=SWITCH,interface_names="),
    (&["gateway", "create", "g", "--device", "name=t,interface_names=et-0/0/0:1:5"], 2, "is written \\:"),
    (&["connection", "create", "g", "n", "--default-segmentation-id", "4095"], 2, "'4095' is no VLAN: use 0"),
    (
        &["connection", "create", "g", "n", "--default-segmentation-id", "vlan60"],
        2,
        "'vlan60' is no VLAN: use 0 (untagged) to 4094",
    ),
    (
        &["gateway", "create", "g", "--device", "name=t,interface_names=E41|100#200"],
        2,
        "is networking-l2gw's form: write E41:100,200",
    ),
    (
        &["gateway", "create", "g", "--device", "name=t,interface_names=E41,E42"],
        2,
        "ports are separated by ';', all of it in quotes: 'E41;E42'",
    ),
    (
        &["gateway", "update", "g", "--device", "name=a", "--device", "name=b", "--add-interface", "e"],
        2,
        "--device name=a has no edit behind it",
    ),
    (&["gateway", "update", "vtep-gateway-1", "--name", ""], 2, "a name has at least one character"),
    (&["gateway", "update", "vtep-gateway-1"], 2, "nothing to change"),
    (&["gateway", "create", "", "--device", DEVICE], 2, "a name has at least one character"),
    (&["network", "update", "network1"], 2, "--name"),
    (&["port", "update", NOBODY], 2, "nothing to change"),
    (&["endpoint", "create", "h", "nonsense"], 2, "'nonsense' is not an IP address"),
    (&["endpoint", "create", "198.51.100.1", "compute-2"], 2, "HOST comes first, then ADDRESS: compute-2 198.51.100.1"),
    (&["audit", "--since", "yesterday"], 2, "2026-11-24T10:00:00Z"),
    (&["network", "list", "-o", "xml"], 2, "table, json, yaml, csv, name"),
    (&["network", "delete", "network1", "--wait"], 2, "--wait"),
    (&["endpoint", "list", "--timeout", "5s"], 2, "--timeout"),
];

/// Input that can't be right.
const INPUT: &[Mistake] = &[
    (
        &["gateway", "create", "g", "--device", "name=tor-switch-1,interface_names=Ethernet4O"],
        65,
        "interface Ethernet4O is not on tor-switch-1; did you mean 'Ethernet40'? (the ports are: Ethernet40, Ethernet41",
    ),
    (&["gateway", "create", "g", "--device", DEVICE, "--device", DEVICE], 65, "named twice"),
    (
        &["gateway", "update", "vtep-gateway-1", "--add-interface", "Ethernet4O"],
        65,
        "did you mean 'Ethernet40'? (the ports are: Ethernet40, Ethernet41",
    ),
    (&["gateway", "update", "vtep-gateway-1", "--remove-interface", "Ethernet40"], 65, "would have no interface"),
    (&["endpoint", "create", "h", "127.0.0.1"], 65, "127.0.0.1 is a loopback address: give the VTEP's own address"),
    (&["endpoint", "create", "h", "2001:db8::1"], 65, "give the host's IPv4 address"),
    (&["port", "create", "network1", "--mac", "01:00:5e:00:00:01"], 65, "group address"),
];

/// What isn't there.
const MISSING: &[Mistake] = &[
    (&["gateway", "create", "g", "--device", "name=tor-swich-1,interface_names=e"], 66, "did you mean 'tor-switch-1'?"),
    (
        &["gateway", "show", "vtep-gatway-1"],
        66,
        "no L2 gateway is called 'vtep-gatway-1'\nl2gw: did you mean 'vtep-gateway-1'? 'l2gw gateway list' shows",
    ),
    (&["network", "show", "netwrok1"], 66, "did you mean 'network1'?"),
    (&["endpoint", "show", "compute1"], 66, "did you mean 'compute-1'?"),
    (&["switch", "show", "tor-switch1"], 66, "did you mean 'tor-switch-1'?"),
    (&["audit", "--switch", "nope"], 66, "no switch of that name: 'nope'"),
    (&["audit", "--switch", "tor-switch-11"], 66, "did you mean 'tor-switch-1'?"),
    (&["audit", "--call", "gatway_create"], 66, "did you mean 'gateway_create'?"),
    (&["port", "list", "--host", "nope"], 66, "no compute node of that name: 'nope' has no port"),
    (&["port", "list", "--host", "compute-l"], 66, "did you mean 'compute-1'?"),
    (&["connection", "delete", "vtep-gateway-1"], 66, "(network1); give the UUID, or GATEWAY NETWORK"),
    (&["connection", "show", "network1"], 66, "'network1' is a network; its connections: "),
    (&["connection", "delete", "vtep-gateway-1", "netwrok1"], 66, "did you mean 'network1'?"),
    (&["port", "show", "fa:16:3e:00:00:01"], 66, "a port is named by its UUID; with this MAC: "),
    (&["gateway", "show", "nobody's"], 66, "no L2 gateway is called 'nobody's'\nl2gw: 'l2gw gateway list' shows"),
    (&["port", "delete", NOBODY], 66, "'l2gw port list' shows what there is"),
    (&["endpoint", "update", "nobody's", "198.51.100.1"], 66, "'l2gw endpoint list' shows what there is"),
    (
        &["gateway", "update", "vtep-gateway-1", "--device", "name=t", "--add-interface", "e"],
        66,
        "has no device 't'; the devices are: tor-switch-1, tor-switch-2",
    ),
    (&["connection", "show", NOBODY], 66, "there is no L2 gateway connection"),
    (&["connection", "delete", NOBODY], 66, "there is no L2 gateway connection"),
    (&["connection", "create", "nobody's", "network1"], 66, "no L2 gateway is called 'nobody's'"),
    (&["connection", "create", "vtep-gateway-1", "nobody's"], 66, "no network is called 'nobody's'"),
    (&["network", "show", "nobody's"], 66, "no network is called"),
    (&["port", "show", NOBODY], 66, "there is no port"),
    (&["port", "create", "nobody's"], 66, "no network is called"),
    (&["port", "list", "--network", "nobody's"], 66, "no network is called"),
    (&["port", "import", "/nonexistent.csv"], 66, "/nonexistent.csv: No such file"),
    (&["endpoint", "delete", "nobody's"], 66, "there is no tunnel endpoint 'nobody's'"),
    (&["fdb", "nobody's"], 66, "no network is called"),
    (&["switch", "show", "nobody's"], 66, "plumgrid.ini has no section [switch:nobody's]"),
    (&["switch", "diff", "nobody's"], 66, "plumgrid.ini has no section"),
    (&["switch", "repair", "nobody's"], 66, "plumgrid.ini has no section"),
    (&["switch", "hold", "nobody's"], 66, "plumgrid.ini has no section"),
    (&["switch", "release", "nobody's"], 66, "plumgrid.ini has no section"),
];

/// What stands against it.
const CONFLICTS: &[Mistake] = &[
    (&["gateway", "delete", "vtep-gateway-1"], 73, "delete its connections"),
    (&["network", "delete", "network1"], 73, "delete its L2 gateway connections"),
    (
        &["connection", "create", "vtep-gateway-1", "network1", "--default-segmentation-id", "51"],
        73,
        "connected already, by",
    ),
    (&["port", "create", "network1", "--mac", "fa:16:3e:00:00:01"], 73, "use another one"),
    (&["endpoint", "create", "compute-1", "198.51.100.13"], 73, "update that one"),
];

#[test]
fn each_mistake_is_named_with_its_mend() {
    let scene = Scene::new().connected();
    let bad_csv = scene.file("bad.csv", "network,mac\nnetwork1,fa:16:3e:00:01:01\nnetwork1,nonsense\n");
    let imports = ["port", "import", &bad_csv];
    let import = (&imports[..], 65, "bad.csv:3: 'nonsense' is no MAC; nothing was created");
    let cases = [USAGE, INPUT, MISSING, CONFLICTS].concat().into_iter().chain([import]);
    for (args, code, message) in cases {
        let said = scene.run(args);
        assert_eq!(said.code, code, "{args:?}: {said:#?}");
        assert!(said.err.contains(message), "{args:?}: {said:#?}");
        assert!(said.out.is_empty() && !said.err.contains("panicked"), "{args:?}: {said:#?}");
    }
    // None of it changed anything.
    assert_eq!(scene.ok(&["gateway", "list", "-o", "name"]).out, "vtep-gateway-1\n");
    assert_eq!(scene.ok(&["port", "list", "-o", "name"]).out.lines().count(), MACHINES.len());
}

/// VLANs of one port can't be shared by two networks, and the message says with whom.
#[test]
fn a_vlan_that_is_taken() {
    let scene = Scene::new().connected();
    scene.ok(&["network", "create", "other"]);
    scene.ok(&["gateway", "create", "second", "--device", "name=tor-switch-1,interface_names=Ethernet40"]);
    let said = scene.run(&["connection", "create", "second", "other", "--default-segmentation-id", "50"]).expect(73);
    assert!(
        said.err.contains("VLAN 50 of port 'Ethernet40' on switch 'tor-switch-1' is bound to network"),
        "{}",
        said.err
    );
    // A name that two bear.
    scene.ok(&["network", "create", "other"]);
    let said = scene.run(&["network", "show", "other"]).expect(73);
    assert!(said.err.contains("2 networks are called 'other': use one of the ids"), "{}", said.err);
    let names = scene.ok(&["network", "list", "-o", "name"]).out;
    assert_eq!(names.matches("other").count(), 0, "what -o name prints can be used: {names}");
}

#[test]
fn a_switch_that_is_not_configured_yet_is_remarked() {
    let scene = Scene::new();
    let said = scene.ok(&["gateway", "create", "g", "--device", "name=leaf-99,interface_names=e1:5"]);
    assert!(said.err.contains("add [switch:leaf-99] to plumgrid.ini"), "{}", said.err);
    scene.ok(&["network", "create", "n"]);
    let said = scene.run(&["connection", "create", "g", "n", "--wait"]).expect(1);
    assert!(said.err.contains("leaf-99: 0/0 rows, absent: no switch is configured"), "{}", said.err);
}

#[test]
fn without_a_daemon() {
    let said = alone(&["--socket", "/nonexistent/admin.sock", "status"]).expect(69);
    assert!(said.err.contains("is vtepd running (systemctl status vtepd)?"), "{}", said.err);
    let mut scene = Scene::new();
    let socket = scene.socket();
    scene.daemon.kill();
    let said = alone(&["--socket", &socket, "status"]).expect(69);
    assert!(said.err.contains("nobody listens on"), "{}", said.err);
    std::fs::write(scene.daemon.home.store().with_file_name("plain"), "").expect("a file");
    let plain = scene.daemon.home.store().with_file_name("plain").display().to_string();
    for (path, words) in [(plain.as_str(), "is no socket"), ("/etc", "/etc is no socket: give vtepd's admin socket")] {
        let said = alone(&["--socket", path, "status"]).expect(69);
        assert!(said.err.contains(words), "{}", said.err);
    }
    let server = scene.tors[0].socket().display().to_string();
    let said = alone(&["--socket", &server, "status"]).expect(69);
    assert!(said.err.contains(&format!("{server} is not vtepd's admin socket")), "{}", said.err);
}

/// Of many ports, the near one and their number: a list of 48 is no help.
#[test]
fn a_slip_in_one_of_many_ports() {
    let scene = Scene::new();
    let ports: Vec<String> = (1..=48).map(|n| format!("Eth{n}")).collect();
    for port in &ports {
        scene.tors[0].vtep_ctl(&["add-port", "tor-switch-1", port]);
    }
    eventually("the daemon has seen them", PATIENCE, || {
        let shown = scene.ok(&["switch", "show", "tor-switch-1"]).out;
        if shown.contains("Eth48") { Ok(()) } else { Err(shown) }
    });
    let slip = ["gateway", "create", "g", "--device", "name=tor-switch-1,interface_names=Eth4l:5"];
    let said = scene.run(&slip).expect(65);
    let words = "did you mean 'Eth41'? (50 ports: l2gw switch show tor-switch-1; --force takes the name as it is)";
    assert!(said.err.contains(words), "{}", said.err);
    // Eth2 stands before Eth10, wherever ports are listed.
    let shown = scene.ok(&["switch", "show", "tor-switch-1", "-o", "csv"]).out;
    assert!(shown.contains("Eth1, Eth2, Eth3, Eth4") && shown.contains("Eth9, Eth10, Eth11"), "{shown}");
}

/// A second thing of the same name or address is possible, and noted.
#[test]
fn the_same_name_again_is_noted() {
    let scene = Scene::new().furnished();
    let device = "name=tor-switch-1,interface_names=Ethernet41:7";
    let said = scene.ok(&["gateway", "create", "vtep-gateway-1", "--device", device, "-o", "json"]);
    assert!(
        said.err.contains("note: 2 gateways are called 'vtep-gateway-1': commands need their UUIDs"),
        "{}",
        said.err
    );
    let id = said.json()["id"].as_str().expect("its id").to_owned();
    assert_eq!(scene.ok(&["gateway", "update", &id, "--name", "other"]).err, "");
    assert!(scene.ok(&["network", "create", "network1"]).err.contains("note: 2 networks are called 'network1'"));
    let said = scene.ok(&["endpoint", "create", "compute-2", "198.51.100.11"]);
    assert!(said.err.contains("note: compute-1 has the address 198.51.100.11, too"), "{}", said.err);
    assert_eq!(scene.ok(&["endpoint", "update", "compute-2", "198.51.100.12"]).err, "");
}

/// A connection is named by its gateway and its network, too; what was deleted says what that took from the switches.
#[test]
fn what_was_deleted_is_said() {
    let scene = Scene::new().connected();
    scene.ok(&[
        "gateway",
        "update",
        "vtep-gateway-1",
        "--device",
        "name=tor-switch-1",
        "--add-interface",
        "Ethernet41",
    ]);
    let id = scene.ok(&["connection", "list", "-o", "name"]).name();
    let shown = scene.ok(&["connection", "show", "vtep-gateway-1", "network1", "-o", "json"]).json();
    assert_eq!(shown["connection_id"], id.as_str());
    let said = scene.ok(&["connection", "delete", "vtep-gateway-1", "network1"]);
    assert_eq!(
        (said.out.as_str(), said.err),
        ("", format!("connection {id} deleted: 3 ports on 2 switches withdrawn\n"))
    );
    assert_eq!(scene.ok(&["gateway", "delete", "vtep-gateway-1"]).err, "gateway vtep-gateway-1 deleted\n");
    let ports = scene.ok(&["port", "list", "-o", "name"]).name();
    let mut delete = vec!["port", "delete"];
    delete.extend(ports.lines());
    assert_eq!(scene.ok(&delete).err, format!("{} ports deleted\n", MACHINES.len()));
    assert_eq!(scene.ok(&["network", "delete", "network1"]).err, "network network1 deleted\n");
    assert_eq!(scene.ok(&["endpoint", "delete", "compute-1"]).err, "tunnel endpoint of compute-1 deleted\n");
}

/// Each edit changes the device before it.
#[test]
fn two_devices_are_changed_at_once_each_in_its_own_way() {
    let scene = Scene::new().furnished();
    let update = [
        "gateway",
        "update",
        "vtep-gateway-1",
        "--device",
        "name=tor-switch-1",
        "--add-interface",
        "Ethernet41:5,6",
        "--device",
        "name=tor-switch-2",
        "--add-interface",
        "Ethernet41:7",
        "--remove-interface",
        "Ethernet40",
        "-o",
        "json",
    ];
    let gateway = scene.ok(&update).json();
    let interfaces = |device: usize| gateway["devices"][device]["interfaces"].clone();
    let named = |name: &str, vlans: &[u16]| json!({"name": name, "segmentation-id": vlans});
    assert_eq!(interfaces(0), json!([named("Ethernet40", &[]), named("Ethernet41", &[5, 6])]));
    assert_eq!(interfaces(1), json!([named("Ethernet41", &[7])]));
}

/// A switch under another name than its section's is refused; where the section is checked, the peer is shown.
#[test]
fn a_passive_switch_of_another_name_is_shown() {
    let tor = Tor::start("leaf-7", "192.0.2.1");
    let home = Home::new().more("[listen]\nptcp = 127.0.0.1:0\n").switch("t", "transport = passive\n");
    let daemon = home.start();
    tor.dial(&format!("tcp:{}", daemon.listens("ptcp")));
    let socket = daemon.home.admin_socket().display().to_string();
    let shown = eventually("the peer was refused", PATIENCE, || {
        let said = alone(&["--socket", &socket, "switch", "show", "t"]).expect(0);
        if said.out.contains("leaf-7") { Ok(said.out) } else { Err(said.out) }
    });
    for words in ["Peers that dialled in and were refused:", "leaf-7  127.0.0.1", "no section with transport = passive"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}
