//! What each command does, in both spellings, and how its answers are printed.

use serde_json::json;

use crate::{
    l2gw::{Scene, shell, watched},
    support::{PATIENCE, eventually},
};

/// The specification's use case under its own names, from the first switch to the last row.
#[test]
fn the_specifications_commands() {
    let scene = Scene::new();
    let factory = scene.tors.each_ref().map(crate::support::tor::Tor::dump);
    scene.ok(&["network", "create", "network1"]);
    scene.ok(&["endpoint", "create", "compute-1", "198.51.100.11"]);
    scene.ok(&["port", "create", "network1", "--mac-address", "fa:16:3e:00:00:01", "--host", "compute-1"]);
    let create = [
        "l2-gateway-create",
        "vtep-gateway-1",
        "--device",
        "name=[{\u{201c}name\u{201d}: \u{201c}tor-switch-1\u{201d}}],interface_names==Ethernet40",
        "--device",
        r#"{"device_name": "tor-switch-2", "interfaces": [{"name": "Ethernet40", "segmentation-id": [51, 52]}]}"#,
        "-o",
        "json",
    ];
    let gateway = scene.ok(&create).json();
    assert_eq!(gateway["devices"][1]["interfaces"], json!([{"name": "Ethernet40", "segmentation-id": [51, 52]}]));
    let create = [
        "l2-gateway-connection-create",
        "vtep-gateway-1",
        "network1",
        "--default-segmentation-id=50",
        "--wait",
        "-o",
        "json",
    ];
    let made = scene.ok(&create);
    assert!(made.err.contains("tor-switch-1: ") && made.err.contains("tor-switch-2: "), "{}", made.err);
    let connection = made.json();
    let id = connection["connection_id"].as_str().expect("its id");
    // It was waited for: nothing to wait for here.
    assert_eq!(scene.tors[0].dump().bindings().len(), 1);
    assert_eq!(scene.tors[1].dump().bindings().len(), 2, "VLANs 51 and 52 of the one interface");
    assert_eq!(scene.tors[1].dump().macs().len(), 1);

    assert_eq!(scene.ok(&["l2-gateway-list", "-o", "json"]).json(), json!([gateway]));
    assert_eq!(scene.ok(&["l2-gateway-show", "vtep-gateway-1", "-o", "json"]).json(), gateway);
    assert_eq!(scene.ok(&["l2-gateway-connection-list", "-o", "json"]).json(), json!([connection]));
    assert_eq!(scene.ok(&["l2-gateway-connection-show", id, "-o", "json"]).json(), connection);

    let update = [
        "l2-gateway-update",
        "vtep-gateway-1",
        "--device",
        "name=tor-switch-1",
        "--add-interface=Ethernet41:60,61",
        "--wait",
    ];
    scene.ok(&update);
    assert_eq!(scene.tors[0].dump().bindings().len(), 1 + 2, "VLANs 60 and 61 beside the first one");
    scene.ok(&["l2-gateway-update", "vtep-gateway-1", "--remove-interface=Ethernet41", "--name", "renamed", "--wait"]);
    assert_eq!(scene.tors[0].dump().bindings().len(), 1);

    let deleted = scene.ok(&["l2-gateway-connection-delete", id, "--wait"]);
    assert_eq!(deleted.out, "");
    assert_eq!(scene.tors.each_ref().map(crate::support::tor::Tor::dump), factory);
    scene.ok(&["l2-gateway-delete", "renamed"]);
    assert_eq!(scene.ok(&["l2-gateway-list", "-o", "json"]).json(), json!([]));
}

#[test]
fn answers_for_people_and_for_programs() {
    let scene = Scene::new().connected();
    let network = scene.network();
    let table = scene.ok(&["gateway", "list"]).out;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("ID ") && lines[0].contains("DEVICES"), "{table}");
    assert!(table.contains("tor-switch-1: Ethernet40") && table.contains("tor-switch-2: Ethernet40"), "{table}");
    assert!(!table.contains('\u{1b}'), "no colours but on a terminal: {table:?}");
    let connections = scene.ok(&["connection", "list"]).out;
    assert!(connections.contains("network1") && connections.contains("vtep-gateway-1"), "{connections}");
    assert_eq!(scene.ok(&["gateway", "list", "-o", "name"]).out, "vtep-gateway-1\n");
    assert_eq!(scene.ok(&["network", "list", "-o", "name"]).out, "network1\n");
    assert_eq!(scene.ok(&["switch", "list", "-o", "name"]).out, "tor-switch-1\ntor-switch-2\n");
    let csv = scene.ok(&["connection", "list", "-o", "csv"]).out;
    let (head, row) = csv.split_once('\n').expect("two lines");
    assert_eq!(head, "connection_id,network_id,gateway_id,default_segmentation_id,port_id,tenant_id");
    assert!(row.contains(&network) && row.contains(",50,"), "{row}");
    let yaml = scene.ok(&["switch", "show", "tor-switch-1", "-o", "yaml"]).out;
    assert!(yaml.contains("name: tor-switch-1\n") && yaml.contains("\nsession:\n  "), "{yaml}");
    let python = "import sys,json\nprint(json.load(sys.stdin)[0]['name'])";
    let piped =
        shell(&scene.socket(), &format!("$L2GW --socket $SOCKET gateway list -o json | python3 -c \"{python}\""))
            .expect(0);
    assert_eq!(piped.out, "vtep-gateway-1\n");

    let shown = scene.ok(&["switch", "show", "tor-switch-1"]).out;
    for word in ["STATUS", "active", "Ethernet40, Ethernet41", "tor-switch-1  Ethernet40", "LAST PLAN"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    let connection = scene.ok(&["connection", "list", "-o", "name"]).name();
    let shown = scene.ok(&["connection", "show", &connection]).out;
    assert_eq!(shown.matches(" active ").count(), 2, "{shown}");

    // Whoever has read enough is no error.
    let cut = shell(&scene.socket(), "set -o pipefail; $L2GW --socket $SOCKET schema -o json | head -n 1").expect(0);
    assert_eq!((cut.out.as_str(), cut.err.as_str()), ("{\n", ""));
}

#[test]
fn networks_ports_and_endpoints() {
    let scene = Scene::new().furnished();
    let network = scene.ok(&["network", "create", "blue", "--vni", "7000", "-o", "json"]).json();
    assert_eq!(network["vni"], 7000);
    assert_eq!(scene.ok(&["network", "create", "bare", "--no-vxlan", "-o", "json"]).json()["vni"], json!(null));
    scene.ok(&["network", "update", "blue", "--name", "green"]);
    assert_eq!(scene.ok(&["network", "show", "green", "-o", "json"]).json()["id"], network["id"]);
    scene.ok(&["network", "delete", "green", "bare"]);

    assert_eq!(
        scene.ok(&["port", "list", "--network", "network1", "-o", "json"]).json().as_array().expect("ports").len(),
        2
    );
    let ids = scene.ok(&["port", "list", "-o", "name"]).name();
    let id = ids.lines().next().expect("a port");
    let changed = [
        "port",
        "update",
        id,
        "--name",
        "web",
        "--allowed-address",
        "10.9.0.0/24",
        "--ip-address",
        "10.0.0.99",
        "-o",
        "json",
    ];
    let changed = scene.ok(&changed).json();
    assert_eq!((&changed["name"], &changed["fixed_ips"][0]["ip_address"]), (&json!("web"), &json!("10.0.0.99")));
    assert_eq!(changed["allowed_address_pairs"][0]["mac_address"], changed["mac_address"]);
    assert_eq!(scene.ok(&["port", "show", id, "-o", "json"]).json(), changed);
    assert_eq!(scene.ok(&["port", "update", id, "--host", "", "-o", "json"]).json()["host"], "");
    assert_eq!(scene.ok(&["port", "list", "--host", "", "-o", "name"]).name(), id);
    scene.ok(&["port", "delete", id, "--wait"]);

    let moved = scene.ok(&["endpoint", "update", "compute-1", "198.51.100.12", "-o", "json"]).json();
    assert_eq!(scene.ok(&["endpoint", "show", "compute-1", "-o", "json"]).json(), moved);
    assert!(scene.ok(&["endpoint", "list"]).out.contains("198.51.100.12"));
    scene.ok(&["endpoint", "delete", "compute-1", "--wait"]);
    assert!(scene.ok(&["endpoint", "list"]).err.contains("(none)"));
}

/// A change is followed as far as it goes, and the reason is told where it doesn't go on.
#[test]
fn waiting_tells_who_cannot_follow() {
    let mut scene = Scene::new().furnished();
    scene.tors[1].kill();
    eventually("the session is lost", PATIENCE, || {
        let state = scene.ok(&["switch", "show", "tor-switch-2", "-o", "json"]).json()["status"].clone();
        if state == "down" { Ok(()) } else { Err(state.to_string()) }
    });
    let create = ["connection", "create", "vtep-gateway-1", "network1", "--default-segmentation-id", "50", "--wait"];
    let said = scene.run(&create).expect(1);
    assert!(said.err.contains("tor-switch-1: ") && said.err.contains(", done"), "{}", said.err);
    assert!(said.err.contains("tor-switch-2: 0/") && said.err.contains("down: "), "{}", said.err);
    let last = said.err.lines().last().expect("a last line");
    assert!(last.contains("not waiting any longer for tor-switch-2 (down: ") && last.contains("l2gw status"), "{last}");
    let late = scene.run(&[
        "connection",
        "delete",
        &scene.ok(&["connection", "list", "-o", "name"]).name(),
        "--wait",
        "--timeout",
        "1s",
    ]);
    assert!(late.expect(75).err.contains("not done within 1s: tor-switch-2"));
    // Who isn't concerned isn't waited for, up or down.
    scene.ok(&["network", "create", "other"]);
    scene.ok(&["gateway", "create", "left", "--device", "name=tor-switch-1,interface_names=Ethernet41:60"]);
    scene.ok(&["connection", "create", "left", "other", "--wait"]);
    let csv = scene.file("other.csv", "network,mac,host\nother,fa:16:3e:00:00:0a,compute-9\n");
    let said = scene.ok(&["port", "import", &csv, "--wait"]);
    assert!(said.err.contains("'compute-9' has no tunnel endpoint"), "a typing error, perhaps: {}", said.err);
    let said = scene.ok(&["endpoint", "create", "compute-9", "198.51.100.19", "--wait"]);
    assert!(said.err.contains("tor-switch-1: ") && !said.err.contains("tor-switch-2"), "{}", said.err);
    assert!(scene.tors[0].dump().macs().iter().any(|row| row.address == "fa:16:3e:00:00:0a"));
    let port = scene.ok(&["port", "list", "--network", "other", "-o", "name"]).name();
    let said = scene.ok(&["port", "delete", &port, "--wait"]);
    assert!(!said.err.contains("tor-switch-2"), "{}", said.err);
}

#[test]
fn status_says_what_is_wrong_and_what_to_do() {
    let scene = Scene::new().connected();
    eventually("all is well", PATIENCE, || {
        let said = scene.run(&["status"]);
        if said.code == 0 { Ok(said) } else { Err(said.out) }
    });
    let said = scene.ok(&["status"]);
    assert!(
        said.out.contains("2 of 2 switches up, 1 connection,") && said.out.contains("nothing is wrong"),
        "{}",
        said.out
    );
    let update = [
        "gateway",
        "update",
        "vtep-gateway-1",
        "--device",
        "name=tor-switch-1",
        "--add-interface",
        "Ethernet4O",
        "--force",
    ];
    scene.ok(&update);
    let wrong = eventually("the port is missed", PATIENCE, || {
        let said = scene.run(&["status"]);
        if said.out.contains("error") { Ok(said) } else { Err(said.out) }
    });
    assert_eq!(wrong.code, 1);
    assert!(
        wrong.out.contains("port Ethernet4O is not on tor-switch-1; its ports are: Ethernet40, Ethernet41"),
        "{}",
        wrong.out
    );
    assert!(wrong.out.contains("-> correct the gateway: l2gw gateway update"), "{}", wrong.out);
    let json = scene.run(&["status", "-o", "json"]).expect(1).json();
    assert_eq!(json["problems"].as_array().expect("problems").len(), 1, "{json}");
}

#[test]
fn the_daemon_is_told() {
    let mut scene = Scene::new();
    scene.ok(&["log-level", "info,vtepd::fleet=debug"]);
    assert!(scene.run(&["log-level", "nonsense=what"]).expect(65).err.contains("'what' is no level: use error, warn"));
    assert!(
        scene.run(&["log-level", "vtepd=verbose"]).expect(65).err.contains("'verbose' is no level: use error, warn")
    );
    assert!(scene.run(&["log-level", "loud"]).expect(65).err.contains("'loud' is no level: use error, warn"));
    assert!(scene.ok(&["reload"]).out.contains("no switch changed"));
    scene.daemon.home.drop_last();
    scene.daemon.home.write_ini();
    assert!(scene.ok(&["reload"]).out.contains("dropped: tor-switch-2"));
    let ini = scene.daemon.home.ini();
    let text = std::fs::read_to_string(&ini).expect("plumgrid.ini");
    std::fs::write(&ini, format!("{text}\n[switch:x]\nporrt = 5\n")).expect("plumgrid.ini");
    let wrong = scene.run(&["reload"]).expect(65);
    assert!(wrong.err.contains("'porrt'") && wrong.err.contains("stays in force"), "{}", wrong.err);
    assert_eq!(scene.ok(&["switch", "list", "-o", "name"]).name(), "tor-switch-1");
    let schema = scene.ok(&["schema"]).out;
    assert!(schema.contains("gateway_create") && schema.contains("watch"), "{schema}");
    assert_eq!(scene.ok(&["schema", "-o", "json"]).json()["openrpc"], "1.3.2");
}

/// What is behind switches, with what they know of it; and ports with `--all`.
#[test]
fn the_fdb() {
    let scene = Scene::new().connected();
    let network = scene.network();
    for (mac, ip) in [("02:bb:00:00:00:01", "10.0.0.77"), ("02:bb:00:00:00:02", "2001:db8::77")] {
        scene.tors[0].learn(&format!("vtepd-{network}"), mac, ip);
    }
    eventually("both are told", PATIENCE, || {
        let said = scene.ok(&["fdb"]).out;
        if said.contains("10.0.0.77") && said.contains("2001:db8::77") { Ok(()) } else { Err(said) }
    });
    let table = scene.ok(&["fdb", "network1"]).out;
    let words =
        |row: &str| table.lines().find(|line| line.contains(row)).map(str::split_whitespace).map(Vec::from_iter);
    let row = ["network1", "1000", "02:bb:00:00:00:02", "2001:db8::77", "192.0.2.1", "learned"];
    assert_eq!(words("00:02"), Some(row.to_vec()), "{table}");
    let flood = words("(flood)").expect("the flood list");
    assert_eq!((flood[0], flood[4]), ("network1", "flood"), "{table}");
    assert!(!table.contains("fa:16:3e:00:00:01"), "{table}");
    let all = scene.ok(&["fdb", "network1", "--all", "-o", "csv"]).out;
    assert!(all.contains(&format!("{network},1000,fa:16:3e:00:00:01,10.0.0.11,198.51.100.11,port\n")), "{all}");
    assert!(all.contains(&format!("{network},1000,(flood),,198.51.100.11,flood\n")), "{all}");
    assert_eq!(scene.ok(&["fdb", "-o", "name"]).out, "02:bb:00:00:00:01\n02:bb:00:00:00:02\n");
    let json = scene.ok(&["fdb", "network1", "-o", "json"]).json();
    assert_eq!((&json["network_id"], json["entries"].as_array().map(Vec::len)), (&json!(network), Some(2)));
    assert!(scene.ok(&["fdb", "-o", "yaml"]).out.contains("networks:"));
    scene.ok(&["network", "create", "bare"]);
    assert_eq!(scene.ok(&["fdb", "bare"]).err, "(none)\n");
}

#[test]
fn watching() {
    let scene = Scene::new().furnished();
    let events = watched(&scene, 3);
    assert!(events.iter().all(|event| event["subject"] == "network_create" && event["result"] == "ok"), "{events:?}");
    assert!(events[0]["who"].as_str().expect("who").contains("uid "), "{events:?}");
}
