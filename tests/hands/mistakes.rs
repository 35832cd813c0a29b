//! Every mistake that one can make: the exit code says what kind it is, the message names the mend.

use crate::l2gw::{Scene, alone};

#[test]
fn each_mistake_is_named_with_its_mend() {
    let scene = Scene::new().connected();
    let device = "name=tor-switch-1,interface_names=Ethernet41";
    let nobody = "00000000-0000-4000-8000-000000000000";
    let bad_csv = scene.file("bad.csv", "network,mac\nnetwork1,fa:16:3e:00:01:01\nnetwork1,nonsense\n");
    let cases: &[(&[&str], i32, &str)] = &[
        // The command line.
        (&[], 2, "Usage: l2gw [OPTIONS] <COMMAND>"),
        (&["gatewya", "list"], 2, "'gateway'"),
        (&["gateway", "create", "g"], 2, "--device"),
        (&["gateway", "create", "g", "--device", "tor-switch-1"], 2, "write name=SWITCH,interface_names="),
        (&["gateway", "create", "g", "--device", "name=t,interface_names=et-0/0/0:1:5"], 2, "is written \\:"),
        (&["connection", "create", "g", "n", "--default-segmentation-id", "4095"], 2, "0..=4094"),
        (&["network", "update", "network1"], 2, "--name"),
        (&["port", "update", nobody], 2, "nothing to change"),
        (&["endpoint", "create", "h", "nonsense"], 2, "IP address"),
        (&["audit", "--since", "yesterday"], 2, "2026-11-24T10:00:00Z"),
        (&["network", "list", "-o", "xml"], 2, "table, json, yaml, csv, name"),
        (&["network", "delete", "network1", "--wait"], 2, "--wait"),
        (&["endpoint", "list", "--timeout", "5s"], 2, "--timeout"),
        // Input that can't be right.
        (
            &["gateway", "create", "g", "--device", "name=tor-switch-1,interface_names=Ethernet4O"],
            65,
            "interface Ethernet4O is not on tor-switch-1; its ports are: Ethernet40, Ethernet41",
        ),
        (&["gateway", "create", "g", "--device", device, "--device", device], 65, "named twice"),
        (
            &["gateway", "update", "vtep-gateway-1", "--add-interface", "Ethernet4O"],
            65,
            "its ports are: Ethernet40, Ethernet41",
        ),
        (&["gateway", "update", "vtep-gateway-1", "--remove-interface", "Ethernet40"], 65, "would have no interface"),
        (&["endpoint", "create", "h", "127.0.0.1"], 65, "127.0.0.1 is not the address of a single host"),
        (&["endpoint", "create", "h", "2001:db8::1"], 65, "give the host's IPv4 address"),
        (&["port", "create", "network1", "--mac", "01:00:5e:00:00:01"], 65, "group address"),
        (&["port", "import", &bad_csv], 65, "bad.csv:3: 'nonsense' is no MAC; nothing was created"),
        // What isn't there.
        (
            &["gateway", "create", "g", "--device", "name=tor-swich-1,interface_names=e"],
            66,
            "did you mean 'tor-switch-1'?",
        ),
        (&["gateway", "show", "nobody's"], 66, "no L2 gateway is called 'nobody's'\nl2gw: 'l2gw gateway list' shows"),
        (&["port", "delete", nobody], 66, "'l2gw port list' shows what there is"),
        (&["endpoint", "update", "nobody's", "198.51.100.1"], 66, "'l2gw endpoint list' shows what there is"),
        (
            &["gateway", "update", "vtep-gateway-1", "--device", "name=t", "--add-interface", "e"],
            66,
            "its devices are: tor-switch-1, tor-switch-2",
        ),
        (&["connection", "show", nobody], 66, "there is no L2 gateway connection"),
        (&["connection", "delete", nobody], 66, "there is no L2 gateway connection"),
        (&["connection", "create", "nobody's", "network1"], 66, "no L2 gateway is called 'nobody's'"),
        (&["connection", "create", "vtep-gateway-1", "nobody's"], 66, "no network is called 'nobody's'"),
        (&["network", "show", "nobody's"], 66, "no network is called"),
        (&["port", "show", nobody], 66, "there is no port"),
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
        // What stands against it.
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
    for (args, code, message) in cases {
        let said = scene.run(args);
        assert_eq!(said.code, *code, "{args:?}: {said:#?}");
        assert!(said.err.contains(message), "{args:?}: {said:#?}");
        assert!(said.out.is_empty() && !said.err.contains("panicked"), "{args:?}: {said:#?}");
    }
    // None of it changed anything.
    assert_eq!(scene.ok(&["gateway", "list", "-o", "name"]).out, "vtep-gateway-1\n");
    assert_eq!(scene.ok(&["port", "list", "-o", "name"]).out.lines().count(), 2);
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
    assert!(alone(&["--socket", &plain, "status"]).expect(69).err.contains("nobody listens on"));
}
