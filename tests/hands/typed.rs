//! What operators typed, and what they are told: whole sentences, row by row.

use crate::{
    l2gw::{Scene, alone},
    support::{PATIENCE, eventually},
};

/// Arguments, the exit code, and a whole sentence of standard error.
type Typed<'a> = (&'a [&'a str], i32, &'a str);

#[test]
fn each_typing_error_is_answered_with_what_was_meant() {
    let scene = Scene::new().connected();
    let connection = scene.ok(&["connection", "list", "-o", "name"]).name();
    let its = format!(
        "l2gw: 'vtep-gateway-1' is a gateway; its connections: {connection} (network1); give the UUID, or GATEWAY NETWORK\n"
    );
    let semicolons = scene.file("ports.csv", "network;mac\nnetwork1;fa:16:42:00:00:01\n");
    let separated = format!("l2gw: {semicolons}:1: columns are separated by ',', not by ';'; nothing was created\n");
    let ovsdb = scene.tors[0].socket().display().to_string();
    let not_ours =
        format!("l2gw: {ovsdb} is not vtepd's admin socket: what listens there does not speak its protocol (");
    let rows: &[Typed<'_>] = &[
        // Hidden aliases aren't offered.
        (&["gatway", "list"], 2, "l2gw: there is no command 'gatway'; did you mean 'gateway'?\n"),
        (
            &["gateway", "create", "g", "--device", "name=tor-switch-1,interface_names=E41|100#200"],
            2,
            "'E41|100#200' is networking-l2gw's form: write E41:100,200",
        ),
        (
            &["gateway", "create", "g", "--device", "name=tor-switch-1,interface_names=E41,E42"],
            2,
            "'E41,E42': ports are separated by ';', all of it in quotes: 'E41;E42'; a comma that belongs to a port's name is \
             written \\,",
        ),
        (&["connection", "delete", "vtep-gateway-1"], 66, &its),
        (
            &["connection", "create", "g", "n", "--default-segmentation-id", "vlan60"],
            2,
            "'vlan60' is no VLAN: use 0 (untagged) to 4094",
        ),
        (
            &["endpoint", "create", "198.51.100.1", "compute-2"],
            2,
            "HOST comes first, then ADDRESS: compute-2 198.51.100.1",
        ),
        (
            &["log-level", "vtepd=verbose"],
            65,
            "'verbose' is no level: use error, warn, info, debug, trace or off, and MODULE=LEVEL for single modules",
        ),
        (
            &["audit", "--switch", "tor-switch-3"],
            66,
            "l2gw: no switch of that name: 'tor-switch-3' has no section, and no entry; did you mean 'tor-switch-1'? (the \
             switches are: tor-switch-1, tor-switch-2)\n",
        ),
        (
            &["port", "list", "--host", "compute-l"],
            66,
            "l2gw: no compute node of that name: 'compute-l' has no port and no tunnel endpoint; did you mean 'compute-1'? (the \
             hosts are: compute-1)\n",
        ),
        (&["port", "import", &semicolons], 65, &separated),
        (&["switch", "release", "tor-switch-1"], 0, "released 0 deletions\n"),
    ];
    for (args, code, sentence) in rows {
        let said = scene.run(args);
        assert_eq!(said.code, *code, "{args:?}: {said:#?}");
        assert!(said.err.contains(sentence), "{args:?}: expected {sentence:?}: {said:#?}");
    }
    let no_socket =
        "l2gw: /etc is no socket: give vtepd's admin socket with --socket ([admin] socket of plumgrid.ini)\n";
    assert_eq!(alone(&["--socket", "/etc", "status"]).expect(69).err, no_socket);
    let said = alone(&["--socket", &ovsdb, "status"]).expect(69);
    assert!(said.err.starts_with(&not_ours), "{said:#?}");
    let said = scene.ok(&["connection", "delete", "vtep-gateway-1", "network1"]);
    assert_eq!(said.err, format!("connection {connection} deleted: 2 ports on 2 switches withdrawn\n"));
}

/// A port with a slip, of 48: the near one, and where the others are.
#[test]
fn a_slip_of_48_ports() {
    let scene = Scene::new();
    let tor = &scene.tors[0];
    for n in (1..=48).filter(|n| ![40, 41].contains(n)) {
        tor.vtep_ctl(&["add-port", "tor-switch-1", &format!("Ethernet{n}")]);
    }
    eventually("the daemon has seen them", PATIENCE, || {
        let shown = scene.ok(&["switch", "show", "tor-switch-1"]).out;
        if shown.contains("Ethernet48") { Ok(()) } else { Err(shown) }
    });
    let said = scene.run(&["gateway", "create", "g", "--device", "name=tor-switch-1,interface_names=Ethernet4l:5"]);
    let expected = "l2gw: interface Ethernet4l is not on tor-switch-1; did you mean 'Ethernet41'? (48 ports: l2gw switch show \
                    tor-switch-1; --force takes the name as it is)\n";
    assert_eq!(said.expect(65).err, expected);
}

/// The specification's response of `l2-gateway-connection-create` shows the three UUIDs, to people too.
#[test]
fn a_connection_is_shown_with_its_three_uuids() {
    let scene = Scene::new().furnished();
    let gateway = scene.ok(&["gateway", "show", "vtep-gateway-1", "-o", "json"]).json();
    let create = ["l2-gateway-connection-create", "vtep-gateway-1", "network1", "--default-segmentation-id", "50"];
    let shown = scene.ok(&create).out;
    let connection = scene.ok(&["connection", "list", "-o", "name"]).name();
    let row = |title: &str, value: &str| {
        let has = |line: &&str| line.contains(title) && line.split_whitespace().any(|word| word == value);
        assert!(shown.lines().any(|line| has(&line)), "{title} {value}: {shown}");
    };
    row("CONNECTION ID", &connection);
    row("NETWORK ID", &scene.network());
    row("GATEWAY ID", gateway["id"].as_str().expect("its id"));
    row("DEFAULT SEGMENTATION ID", "50");
}

/// Who only looks leaves no line in the log; who changes something does.
#[test]
fn reads_through_the_socket_are_not_logged() {
    let scene = Scene::new();
    let before = scene.daemon.home.log().len();
    scene.ok(&["network", "list"]);
    scene.ok(&["status"]);
    scene.ok(&["switch", "show", "tor-switch-1"]);
    scene.ok(&["network", "create", "n"]);
    let log = eventually("the change is logged", PATIENCE, || {
        let log = scene.daemon.home.log().split_off(before);
        if log.contains("network_create") { Ok(log) } else { Err(log) }
    });
    for method in ["network_list", "switch_show", "method=\"status\""] {
        assert!(!log.contains(method), "{method}: {log}");
    }
}
