//! Reasons that need somebody else: a source, a twin, another controller, a switch that refuses or says what can't be.

use serde_json::{Value, json};

use super::{Wrong, connection, is_fine, shows};
use crate::{
    l2gw::Scene,
    support::{
        PATIENCE,
        daemon::Home,
        eventually,
        hostile::{Hostile, noisy},
        meddler::Meddler,
        pki::{Pki, Spec},
        process::run,
        tor::Tor,
    },
};

const BINDING: &str = "tor-switch-1 Ethernet40 VLAN 50";
const WHOLE: &str = "/v2/switches/tor-switch-1";

/// The statement on the store, behind the stopped daemon's back: what a source would have it write.
fn rewrite(scene: &mut Scene, sql: &str) {
    assert!(scene.daemon.stop().success());
    run("sqlite3", &[&scene.daemon.home.store().display().to_string(), sql]);
    scene.daemon.start();
}

/// The first connection's binding on the first switch, as REST shows it.
fn binding(scene: &Scene, resource: &str, switch: &str) -> Value {
    let status = scene.daemon.rest().get(resource).expect(200);
    let rows = status["switches"].as_array().cloned().unwrap_or_default();
    rows.into_iter().find(|row| row["switch"] == switch).unwrap_or_else(|| panic!("no {switch} in {status}"))
}

#[test]
pub(super) fn a_row_that_somebody_keeps_changing() {
    let scene = Scene::new().connected();
    let good = scene.tors[0].dump();
    let is = json!(["MAC", "==", "fa:16:3e:00:00:01"]);
    let alter = json!({"op": "update", "table": "Ucast_Macs_Remote", "where": [is], "row": {"ipaddr": "10.9.9.9"}});
    for _ in 0..5 {
        scene.tors[0].transact(std::slice::from_ref(&alter));
        scene.tors[0].wait("it is put back", |dump| *dump == good);
    }
    scene.tors[0].transact(&[alter]);
    let contested = Wrong {
        kind: "conflict",
        status: "conflict",
        name: BINDING,
        what: "MAC fa:16:3e:00:00:01: another program keeps changing this row",
        mend: "l2gw audit --kind drift --switch tor-switch-1",
        resource: WHOLE,
    };
    let problem = shows(&scene, &contested);
    assert!(problem["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{problem}");
    shows(&scene, &Wrong { resource: &connection(&scene), ..contested });
    scene.ok(&["switch", "repair", "tor-switch-1", "--wait"]);
    is_fine(&scene, "a repair");
}

/// A network that has no VXLAN segment for a while binds nothing, and finds its VLAN taken when it has one again.
#[test]
pub(super) fn a_network_without_a_segment_and_a_vlan_that_two_networks_want() {
    let mut scene = Scene::new().connected();
    let (first, network) = (connection(&scene), scene.network());
    rewrite(&mut scene, &format!("UPDATE networks SET vni = NULL WHERE id = '{network}'"));
    let unbound = Wrong {
        kind: "network",
        status: "error",
        name: BINDING,
        what: "no VXLAN segment",
        mend: "give the network a VXLAN segment, or delete the connection",
        resource: &first,
    };
    shows(&scene, &unbound);

    scene.ok(&["network", "create", "other"]);
    let late = ["connection", "create", "vtep-gateway-1", "other", "--default-segmentation-id", "50", "-o", "json"];
    let late = scene.ok(&late).json()["connection_id"].as_str().expect("its id").to_owned();
    rewrite(&mut scene, &format!("UPDATE networks SET vni = 7777 WHERE id = '{network}'"));
    // Which of the two has it is the store's to say.
    let late = format!("/v2/l2-gateway-connections/{late}/status");
    let rest = scene.daemon.rest();
    let (holder, loser) = eventually("one of them has it", PATIENCE, || {
        let is_active = |resource: &str| rest.get(resource).expect(200)["status"] == "active";
        match (is_active(&first), is_active(&late)) {
            (true, false) => Ok((&first, &late)),
            (false, true) => Ok((&late, &first)),
            both => Err(format!("{both:?}")),
        }
    });
    let id = holder.split('/').nth(3).expect("its id");
    let what = "VLAN 50 of port Ethernet40 belongs to network";
    let taken = Wrong {
        kind: "conflict",
        status: "conflict",
        name: BINDING,
        what,
        mend: "delete one of the two connections",
        resource: loser,
    };
    let problem = shows(&scene, &taken);
    assert!(problem["what"].as_str().is_some_and(|what| what.contains(id)), "{problem}");
    shows(&scene, &Wrong { resource: WHOLE, ..taken });
    scene.ok(&["connection", "delete", id]);
    is_fine(&scene, "one of the two connections");
}

/// What the switch has learned keeps the Logical_Switch of a network that Neutron deleted.
#[test]
pub(super) fn a_network_that_neutron_deleted() {
    let mut scene = Scene::new().connected();
    let (first, network) = (connection(&scene), scene.network());
    let logical_switch = format!("vtepd-{network}");
    scene.tors[0].learn(&logical_switch, "02:00:00:00:03:01", "");
    rewrite(&mut scene, &format!("UPDATE networks SET vni = NULL, gone = 1 WHERE id = '{network}'"));
    let gone = Wrong {
        kind: "network",
        status: "draining",
        name: BINDING,
        what: "is being unbound",
        mend: "delete the connection",
        resource: "",
    };
    shows(&scene, &gone);
    assert_eq!(binding(&scene, &first, "tor-switch-1")["status"], "draining");
    scene.tors[0].unlearn(&logical_switch, "02:00:00:00:03:01");
    shows(&scene, &Wrong { status: "error", what: "was unbound", resource: &first, ..gone });
}

/// In `single-active` the twin stands by, and takes over once the one that is bound has let go.
#[test]
pub(super) fn the_twins_of_single_active() {
    let tors = [Tor::start("tor-switch-1", "192.0.2.1"), Tor::start("tor-switch-2", "192.0.2.2")];
    let home = Home::new().more("[relay]\nactive_active = single-active\n").tor(&tors[0]).tor(&tors[1]);
    let scene = Scene { daemon: home.start(), tors }.connected();
    let first = connection(&scene);
    let is_bound = |tor: &Tor| !tor.dump().bindings().is_empty();
    let (bound, other) = if is_bound(&scene.tors[0]) { (0, 1) } else { (1, 0) };
    let names = ["tor-switch-1", "tor-switch-2"];
    // Standing by is no problem, and is said.
    is_fine(&scene, "the start");
    let standing = binding(&scene, &first, names[other]);
    assert_eq!(standing["status"], "active");
    assert!(standing["reason"].as_str().is_some_and(|reason| reason.contains("stands by")), "{standing}");

    // It can't let go, and so the other one waits.
    scene.ok(&["switch", "hold", names[bound]]);
    let fault = |value: &str| {
        scene.tors[bound].vtep_ctl(&["set", "Physical_Port", "Ethernet40", &format!("port_fault_status={value}")]);
    };
    fault("unspecified_fault");
    let waits = Wrong {
        kind: "pending",
        status: "pending",
        name: names[other],
        what: "has let go",
        mend: "look again",
        resource: "",
    };
    shows(&scene, &waits);
    assert_eq!(binding(&scene, &first, names[other])["status"], "pending");

    let held = Wrong {
        kind: "held",
        status: "held",
        name: names[bound],
        what: "an operator holds all deletions",
        mend: "l2gw switch release",
        resource: &format!("/v2/switches/{}", names[bound]),
    };
    shows(&scene, &held);
    scene.ok(&["switch", "release", names[bound], "--wait"]);
    scene.tors[other].wait("it is bound", |dump| !dump.bindings().is_empty());
    fault("[]");
    is_fine(&scene, "a hand-over");
}

#[test]
pub(super) fn a_database_that_takes_no_writes() {
    let tors = [Tor::start("tor-switch-1", "192.0.2.1"), Tor::start("tor-switch-2", "192.0.2.2")];
    let meddler = Meddler::start(tors[0].socket());
    let home = Home::new().switch("tor-switch-1", &meddler.lines()).tor(&tors[1]);
    let scene = Scene { daemon: home.start(), tors }.connected();
    // Each attempt costs one, after 1, 2, 4 and 8 s.
    for _ in 0..4 {
        meddler.refuse("transact", &json!({"error": "out of memory"}));
    }
    scene.ok(&["network", "create", "other"]);
    scene.ok(&["gateway", "create", "g", "--device", "name=tor-switch-1,interface_names=Ethernet41:60"]);
    let id = scene.ok(&["connection", "create", "g", "other", "-o", "name"]).name();
    let unwritable = Wrong {
        kind: "row",
        status: "error",
        name: "tor-switch-1",
        what: "the switch refuses transactions as a whole",
        mend: "look at the load and the log of the switch",
        resource: WHOLE,
    };
    let problem = shows(&scene, &unwritable);
    assert!(problem["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{problem}");
    shows(&scene, &Wrong { resource: &format!("/v2/l2-gateway-connections/{id}/status"), ..unwritable });
    is_fine(&scene, "a database without room");
}

/// Switches that can't be spoken to, and a certificate of theirs that expires.
#[test]
pub(super) fn switches_that_can_not_be_spoken_to() {
    let pki = Pki::new();
    let theirs = pki.sign(&Spec::new("tls").days(2));
    let tls = Tor::with_tls("tls", "192.0.2.1", &theirs);
    let old = Tor::with_schema("old", "192.0.2.2", |mut schema| {
        schema["tables"]["Ucast_Macs_Remote"]["columns"].as_object_mut().expect("columns").remove("locator");
        schema
    });
    let ours = pki.issue("vtepd");
    let lines = format!("transport = ssl\npeer_verify = chain\n{}", ours.lines());
    let at = |tor: &Tor, more: &str| format!("management_ip = {}\nport = {}\n{more}", tor.host(), tor.port());
    let home = Home::new().switch("tls", &at(&tls, &lines)).switch("old", &at(&old, ""));
    let scene = Scene { daemon: home.start(), tors: [tls, old] };
    let refused = Wrong {
        kind: "refused",
        status: "error",
        name: "old",
        what: "no Ucast_Macs_Remote.locator, which vtepd can't do without",
        mend: "correct [switch:old]",
        resource: "/v2/switches/old",
    };
    shows(&scene, &refused);
    let expires = Wrong {
        kind: "certificate",
        status: "degraded",
        name: "tls",
        what: "the switch's certificate CN=tls",
        mend: "renew the certificate on the switch",
        resource: "/v2/switches/tls",
    };
    shows(&scene, &expires);
}

/// What no station has is relayed nowhere; what comes and goes too fast is followed slowly.
#[test]
pub(super) fn what_a_switch_says_and_is_not_believed() {
    let tors = [Tor::start("tor-switch-1", "192.0.2.1"), Tor::start("tor-switch-2", "192.0.2.2")];
    let home = Home::new().more("[relay]\nmax_learned_macs = 1000\n").tor(&tors[0]).tor(&tors[1]);
    let scene = Scene { daemon: home.start(), tors }.connected();
    let logical_switch = format!("vtepd-{}", scene.network());
    scene.tors[0].learn(&logical_switch, "01:00:5e:00:00:01", "");
    let ignored = Wrong {
        kind: "learned_macs",
        status: "degraded",
        name: "tor-switch-1",
        what: "learned MAC 01:00:5e:00:00:01 is a group address",
        mend: "correct it on the switch",
        resource: WHOLE,
    };
    shows(&scene, &ignored);
    scene.tors[0].unlearn(&logical_switch, "01:00:5e:00:00:01");
    is_fine(&scene, "a group address");
    scene.tors[0].learn(&logical_switch, "02:00:00:00:00:01", "224.0.0.1");
    let what = "address 224.0.0.1 of learned MAC 02:00:00:00:00:01 is a multicast address";
    shows(&scene, &Wrong { what, ..ignored });
    scene.tors[0].unlearn(&logical_switch, "02:00:00:00:00:01");
    let set = |ips: Value| {
        let row = json!({"tunnel_ips": ips});
        scene.tors[0].transact(&[json!({"op": "update", "table": "Physical_Switch", "where": [], "row": row})]);
    };
    set(json!(["set", ["192.0.2.1", "239.1.1.1"]]));
    shows(&scene, &Wrong { what: "239.1.1.1 in tunnel_ips is a multicast address", ..ignored });
    set(json!("192.0.2.1"));
    is_fine(&scene, "addresses of nobody");

    let fast = Wrong {
        kind: "learned_macs",
        status: "degraded",
        name: "tor-switch-1",
        what: "learned MACs come and go faster than 2000 a second",
        mend: "a station that invents MACs",
        resource: WHOLE,
    };
    std::thread::scope(|scope| {
        let (done, watched) = std::sync::mpsc::channel::<()>();
        let tor = &scene.tors[0];
        scope.spawn(move || {
            let rows = tor.rpc().select("Logical_Switch");
            let logical_switch = rows.iter().find(|row| row["name"] == logical_switch.as_str()).expect("it is there");
            let logical_switch = logical_switch["_uuid"].clone();
            let all = || json!({"op": "delete", "table": "Ucast_Macs_Local", "where": []});
            for round in 0..200_u32 {
                if watched.try_recv() != Err(std::sync::mpsc::TryRecvError::Empty) {
                    break;
                }
                let locator = json!({"op": "insert", "table": "Physical_Locator", "uuid-name": "here",
                    "row": {"dst_ip": format!("192.0.2.{}", 100 + round), "encapsulation_type": "vxlan_over_ipv4"}});
                let mac = |n: u32| {
                    let [_, a, b, c] = (round * 900 + n).to_be_bytes();
                    json!({"op": "insert", "table": "Ucast_Macs_Local", "row": {"MAC": format!("02:00:01:{a:02x}:{b:02x}:{c:02x}"),
                        "logical_switch": logical_switch, "locator": ["named-uuid", "here"], "ipaddr": ""}})
                };
                let mut operations = vec![all(), locator];
                operations.extend((0..900).map(mac));
                tor.transact(&operations);
            }
            tor.transact(&[all()]);
        });
        shows(&scene, &fast);
        drop(done);
    });
    is_fine(&scene, "MACs that come and go");
}

/// The API's certificate: REST is asked with TLS, monitoring without.
#[test]
pub(super) fn the_certificate_of_the_api() {
    let pki = Pki::new();
    let identity = pki.sign(&Spec::with_names("api", &["127.0.0.1"]).days(2));
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
    std::fs::set_permissions(&identity.key, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .expect("nobody else's");
    let tors = [Tor::start("tor-switch-1", "192.0.2.1"), Tor::start("tor-switch-2", "192.0.2.2")];
    let home = Home::new()
        .api(&format!("tls_certificate = {}", identity.certificate.display()))
        .api(&format!("tls_private_key = {}", identity.key.display()))
        .api(&format!("monitoring_listen = {free}"));
    let scene = Scene { daemon: home.tor(&tors[0]).tor(&tors[1]).start(), tors };
    let said = scene.run(&["status", "-o", "json"]).expect(1).json();
    let expires = Wrong {
        kind: "certificate",
        status: "degraded",
        name: "api",
        what: "the API's certificate CN=api",
        mend: "renew tls_certificate of [api], then 'l2gw reload'",
        resource: "",
    };
    let problem = super::listed(&said, &expires).unwrap_or_else(|| panic!("{said}"));
    let token = std::fs::read_to_string(scene.daemon.home.token_file()).expect("the token");
    let header = format!("X-Auth-Token: {}", token.trim());
    let curl =
        |url: String| run("curl", &["--silent", "--cacert", &pki.ca().display().to_string(), "-H", &header, &url]);
    let listed: Value =
        serde_json::from_str(&curl(format!("https://{}/v2/problems", scene.daemon.rest().address))).expect("JSON");
    assert_eq!(super::listed(&listed, &expires).as_ref(), Some(&problem), "{listed}");
    let metrics = curl(format!("http://{free}/metrics"));
    assert!(metrics.contains("vtepd_problems{kind=\"certificate\"} 1\n"), "{metrics}");
    let ready: Value = serde_json::from_str(&curl(format!("http://{free}/readyz"))).expect("JSON");
    assert_eq!(ready["status"], "ready");
    assert!(ready["warnings"].to_string().contains("the API's certificate CN=api"), "{ready}");
}

#[test]
pub(super) fn a_reload_that_failed() {
    let mut scene = Scene::new();
    is_fine(&scene, "the start");
    scene.daemon.home.rewrite("tor-switch-2", "porrt = 1\n");
    scene.daemon.home.write_ini();
    let said = scene.run(&["reload"]);
    assert_ne!(said.code, 0, "{said:?}");
    let failed = Wrong {
        kind: "configuration",
        status: "degraded",
        name: "plumgrid.ini",
        what: "the last reload failed, the old configuration is in force: ",
        mend: "'vtepd --check' shows all errors",
        resource: "",
    };
    let problem = shows(&scene, &failed);
    assert!(problem["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{problem}");
    let lines = format!("management_ip = {}\nport = {}\n", scene.tors[1].host(), scene.tors[1].port());
    scene.daemon.home.rewrite("tor-switch-2", &lines);
    scene.daemon.home.write_ini();
    scene.ok(&["reload"]);
    is_fine(&scene, "a reload");
}

/// Neutron's database is away: the daemon isn't ready, because what is in force may be old.
#[test]
pub(super) fn a_source_that_is_away() {
    let nobody =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
    let section = format!("[source]\ndriver = neutron-db\nconnection = mysql://vtepd:geheim-geheim@{nobody}/neutron\n");
    let tors = [Tor::start("tor-switch-1", "192.0.2.1"), Tor::start("tor-switch-2", "192.0.2.2")];
    let home = Home::new().more(&section).tor(&tors[0]).tor(&tors[1]);
    let scene = Scene { daemon: home.start(), tors };
    let away = Wrong {
        kind: "source",
        status: "error",
        name: &format!("{nobody}"),
        what: "",
        mend: "it is dialled again by itself",
        resource: "",
    };
    let problem = eventually("status says it", PATIENCE, || {
        let said = scene.run(&["status", "-o", "json"]);
        super::listed(&said.json(), &away).filter(|_| said.code == 1).ok_or(said.out)
    });
    assert!(problem["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{problem}");
    let rest = scene.daemon.rest();
    let listed = rest.get("/v2/problems").expect(200);
    assert_eq!(super::listed(&listed, &away).as_ref(), Some(&problem), "{listed}");
    eventually("the metrics count it", PATIENCE, || {
        if super::counted(&scene, "source") == Some(1) { Ok(()) } else { Err("0".to_owned()) }
    });
    let ready = rest.get("/readyz").expect(503);
    assert_eq!((&ready["status"], &ready["reasons"]), (&json!("not ready"), &json!([problem["what"]])), "{ready}");
}

/// A name, BFD of a tunnel and a manager that the switch's schema has no room for.
#[test]
pub(super) fn rows_of_each_kind_that_are_refused() {
    let limited = |table: &'static str, column: &'static str, kind: Value| {
        move |mut schema: Value| {
            schema["tables"][table]["columns"][column]["type"] = kind;
            schema
        }
    };
    let short = json!({"type": "string", "maxLength": 5});
    let small = json!({"key": "string", "value": short, "min": 0, "max": "unlimited"});
    let names = Tor::with_schema("names", "192.0.2.1", limited("Logical_Switch", "description", json!({"key": short})));
    let extras = Tor::with_schema("extras", "192.0.2.2", |schema| {
        let schema = limited("Tunnel", "bfd_config_remote", small)(schema);
        limited("Manager", "target", json!({"key": {"type": "string", "maxLength": 5}}))(schema)
    });
    let at = |tor: &Tor, more: &str| format!("management_ip = {}\nport = {}\n{more}", tor.host(), tor.port());
    let home = Home::new()
        .switch("names", &at(&names, ""))
        .switch("extras", &at(&extras, "bfd = on\nmanager_targets = ssl:192.0.2.100:6640\n"));
    let scene = Scene { daemon: home.start(), tors: [names, extras] };
    let refused = Wrong {
        kind: "row",
        status: "degraded",
        name: "extras",
        what: "manager_targets: ",
        mend: "it is tried again by itself",
        resource: "/v2/switches/extras",
    };
    shows(&scene, &refused);
    scene.ok(&["network", "create", "network1"]);
    scene.ok(&["gateway", "create", "g", "--device", "name=names,interface_names=Ethernet40:50"]);
    scene.ok(&["connection", "create", "g", "network1"]);
    let what = "the Logical_Switch or its flood row: ";
    let row =
        Wrong { status: "error", name: "names Ethernet40 VLAN 50", what, resource: "/v2/switches/names", ..refused };
    shows(&scene, &row);
}

/// What the switch has learned keeps a deleted network's Logical_Switch, and with it the VNI that another network has now.
#[test]
pub(super) fn a_vni_that_another_network_has_not_given_back() {
    let scene = Scene::new().connected();
    let network = scene.network();
    let logical_switch = format!("vtepd-{network}");
    scene.tors[0].learn(&logical_switch, "02:00:00:00:03:01", "");
    let shown = scene.ok(&["network", "show", "network1", "-o", "json"]).json();
    let vni = shown["vni"].to_string();
    scene.ok(&["connection", "delete", "vtep-gateway-1", "network1"]);
    let ports = scene.ok(&["port", "list", "-o", "name"]).name();
    let mut delete = vec!["port", "delete"];
    delete.extend(ports.lines());
    scene.ok(&delete);
    scene.ok(&["network", "delete", "network1"]);
    scene.ok(&["network", "create", "next", "--vni", &vni]);
    let create = ["connection", "create", "vtep-gateway-1", "next", "--default-segmentation-id", "50", "-o", "name"];
    let id = scene.ok(&create).name();
    let resource = format!("/v2/l2-gateway-connections/{id}/status");
    let waits = Wrong {
        kind: "pending",
        status: "pending",
        name: BINDING,
        what: &format!("Logical_Switch '{logical_switch}' of network {network} still has VNI {vni} on this switch"),
        mend: "l2gw switch diff tor-switch-1",
        resource: &resource,
    };
    shows(&scene, &waits);
    assert_eq!(scene.tors[0].dump().logical_switches().len(), 1, "never two of ours with one VNI");
    scene.tors[0].unlearn(&logical_switch, "02:00:00:00:03:01");
    is_fine(&scene, "the VNI is free");
    assert_eq!(scene.tors[0].dump().logical_switches().len(), 1);
    assert!(!scene.tors[0].dump().logical_switches().contains_key(&logical_switch));
}

/// A switch whose rows, or whose talk, are more than it may have us read.
#[test]
pub(super) fn a_switch_that_is_read_more_slowly() {
    let noisy = Hostile::start(&noisy("noisy", "11111111-2222-4333-8444-555555555555"));
    let daemon = Home::new().switch("noisy", &noisy.lines()).start();
    let scene = Scene { daemon, tors: [Tor::start("a", "192.0.2.1"), Tor::start("b", "192.0.2.2")] };
    shows(
        &scene,
        &Wrong {
            kind: "budget",
            status: "degraded",
            name: "noisy",
            what: "its rows change faster than 20000 a second",
            mend: "look for what makes its rows change",
            resource: "/v2/switches/noisy",
        },
    );
}
