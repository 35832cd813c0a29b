//! Switches that are wrong from the start, what comes and goes by itself, and what is wrong with the daemon.

use serde_json::{Value, json};

use super::{Wrong, connection, counted, is_fine, listed, shows};
use crate::{
    l2gw::Scene,
    support::{
        PATIENCE,
        daemon::Home,
        eventually,
        pki::{Pki, Spec},
        tor::Tor,
    },
};

/// Switches that are wrong from the start: one daemon with all of them.
#[test]
pub(super) fn switches_that_are_not_as_they_should_be() {
    let pki = Pki::new();
    let (ours, theirs) = (pki.sign(&Spec::new("vtepd").days(2)), pki.issue("tls"));
    let tls = Tor::with_tls("tls", "192.0.2.1", &theirs);
    let other = Tor::start("leaf-7", "192.0.2.2");
    let guest = Tor::start("leaf-8", "192.0.2.3");
    let old = Tor::with_schema("old", "192.0.2.4", |mut schema| {
        schema["tables"]["Logical_Switch"]["columns"].as_object_mut().expect("columns").remove("replication_mode");
        schema
    });
    let at = |tor: &Tor, more: &str| format!("management_ip = {}\nport = {}\n{more}", tor.host(), tor.port());
    let home = Home::new()
        .more("[listen]\nptcp = 127.0.0.1:0\n")
        .switch("tls", &at(&tls, &format!("transport = ssl\npeer_verify = chain\n{}", ours.lines())))
        .switch("tor-1", &at(&other, ""))
        .switch("old", &at(&old, ""))
        .switch("dials", "transport = passive\n");
    let scene = Scene { daemon: home.start(), tors: [tls, old] };
    let first = Wrong {
        kind: "certificate",
        status: "degraded",
        name: "tls",
        what: "our certificate CN=vtepd",
        mend: "renew the certificate's file",
        resource: "/v2/switches/tls",
    };
    shows(&scene, &first);
    let what = "has no Physical_Switch 'tor-1' (there: leaf-7): set physical_switch in [switch:tor-1]";
    shows(
        &scene,
        &Wrong {
            kind: "refused",
            status: "error",
            name: "tor-1",
            what,
            mend: "correct [switch:tor-1]",
            resource: "/v2/switches/tor-1",
        },
    );
    let waits = Wrong {
        kind: "session",
        status: "down",
        name: "dials",
        what: "waiting for the switch to dial in",
        mend: "",
        resource: "/v2/switches/dials",
    };
    shows(&scene, &waits);
    guest.dial(&format!("tcp:{}", scene.daemon.listens("ptcp")));
    let what = "waiting for the switch to dial in; 127.0.0.1 dialled in as 'leaf-8' and was refused: no section";
    shows(&scene, &Wrong { what, mend: "set physical_switch = leaf-8 in [switch:dials]", ..waits });

    // A schema without replication_mode matters where there is somebody to flood to.
    scene.ok(&["network", "create", "network1"]);
    scene.ok(&["endpoint", "create", "compute-1", "198.51.100.11"]);
    scene.ok(&["port", "create", "network1", "--mac", "fa:16:3e:00:00:01", "--host", "compute-1"]);
    scene.ok(&["gateway", "create", "g", "--device", "name=old,interface_names=Ethernet40:50"]);
    scene.ok(&["connection", "create", "g", "network1"]);
    let what = "Logical_Switch.replication_mode: the switch sends broadcasts to one member";
    shows(
        &scene,
        &Wrong {
            kind: "schema",
            status: "degraded",
            name: "old Ethernet40 VLAN 50",
            what,
            mend: "update the switch's software",
            resource: "/v2/switches/old",
        },
    );
}

/// A switch that takes no MAC of a certain form: the row is at fault, and what differs on an observed one isn't written.
#[test]
pub(super) fn rows_that_are_refused_and_rows_that_are_only_observed() {
    let refuses = Tor::with_schema("refuses", "192.0.2.1", |mut schema| {
        schema["tables"]["Ucast_Macs_Remote"]["columns"]["ipaddr"]["type"] =
            json!({"key": {"type": "string", "maxLength": 9}});
        schema
    });
    let observed = Tor::start("observed", "192.0.2.2");
    let at = |tor: &Tor, more: &str| format!("management_ip = {}\nport = {}\n{more}", tor.host(), tor.port());
    let home = Home::new().switch("refuses", &at(&refuses, "")).switch("observed", &at(&observed, "mode = observe\n"));
    let scene = Scene { daemon: home.start(), tors: [refuses, observed] };
    scene.ok(&["network", "create", "network1"]);
    scene.ok(&["endpoint", "create", "compute-1", "198.51.100.11"]);
    scene.ok(&[
        "port",
        "create",
        "network1",
        "--mac",
        "fa:16:3e:00:00:01",
        "--ip-address",
        "10.100.100.100",
        "--host",
        "compute-1",
    ]);
    for switch in ["refuses", "observed"] {
        scene.ok(&["gateway", "create", switch, "--device", &format!("name={switch},interface_names=Ethernet40:50")]);
        scene.ok(&["connection", "create", switch, "network1"]);
    }
    let row = Wrong {
        kind: "row",
        status: "error",
        name: "refuses Ethernet40 VLAN 50",
        what: "MAC fa:16:3e:00:00:01: ",
        mend: "it is tried again by itself",
        resource: "/v2/switches/refuses",
    };
    shows(&scene, &row);
    let seen = Wrong {
        kind: "observed",
        status: "pending",
        name: "observed Ethernet40 VLAN 50",
        what: "mode = observe",
        mend: "l2gw switch repair observed",
        resource: "/v2/switches/observed",
    };
    shows(&scene, &seen);
}

/// BFD says that the tunnel to compute-1 is down, in the row that a switch makes for it.
fn report_tunnel_down(tor: &Tor) {
    let locator = |ip: &str| {
        json!({"op": "insert", "table": "Physical_Locator", "uuid-name": "own",
        "row": {"encapsulation_type": "vxlan_over_ipv4", "dst_ip": ip}})
    };
    let remote = tor.rpc().select("Physical_Locator").into_iter().find(|row| row["dst_ip"] == "198.51.100.11");
    let remote = remote.expect("the compute node's locator")["_uuid"].clone();
    let status = json!(["map", [["enabled", "true"], ["state", "down"]]]);
    let tunnel = json!({"op": "insert", "table": "Tunnel", "uuid-name": "tunnel",
        "row": {"local": ["named-uuid", "own"], "remote": remote, "bfd_status": status}});
    let to_switch = json!({"op": "mutate", "table": "Physical_Switch", "where": [],
        "mutations": [["tunnels", "insert", ["set", [["named-uuid", "tunnel"]]]]]});
    tor.transact(&[locator("192.0.2.1"), tunnel, to_switch]);
}

/// Tunnels, the switch's own MACs, and what of a deleted connection is left.
#[test]
pub(super) fn what_comes_and_goes_by_itself() {
    let tors = [Tor::start("tor-switch-1", "192.0.2.1"), Tor::start("tor-switch-2", "192.0.2.2")];
    let at = |tor: &Tor, more: &str| format!("management_ip = {}\nport = {}\n{more}", tor.host(), tor.port());
    let home = Home::new()
        .more("[relay]\nmax_learned_macs = 3\n")
        .switch("tor-switch-1", &at(&tors[0], "bfd = on\n"))
        .switch("tor-switch-2", &at(&tors[1], ""));
    let scene = Scene { daemon: home.start(), tors }.connected();
    let (tor, first, whole) = (&scene.tors[0], connection(&scene), "/v2/switches/tor-switch-1");
    let logical_switch = format!("vtepd-{}", scene.network());
    is_fine(&scene, "the start");

    report_tunnel_down(tor);
    let what = "the tunnel to compute-1 (198.51.100.11) is down (BFD)";
    let down = Wrong {
        kind: "tunnel",
        status: "degraded",
        name: "tor-switch-1 Ethernet40 VLAN 50",
        what,
        mend: "underlay",
        resource: whole,
    };
    shows(&scene, &down);
    shows(&scene, &Wrong { resource: &first, ..down });
    let up = json!({"op": "update", "table": "Tunnel", "where": [], "row": {"bfd_status": ["map", [["state", "up"]]]}});
    tor.transact(&[up]);
    is_fine(&scene, "a tunnel");

    let macs: Vec<String> = (0..5).map(|i| format!("02:00:00:00:01:{i:02x}")).collect();
    for mac in &macs {
        tor.learn(&logical_switch, mac, "");
    }
    let what = "learned MACs are not relayed, because the switch has more than max_learned_macs";
    let many = Wrong {
        kind: "learned_macs",
        status: "degraded",
        name: "tor-switch-1",
        what,
        mend: "raise max_learned_macs",
        resource: whole,
    };
    shows(&scene, &many);
    shows(&scene, &Wrong { resource: &first, ..many });
    for mac in &macs {
        tor.unlearn(&logical_switch, mac);
    }
    is_fine(&scene, "too many MACs");

    // A MAC that comes and goes: each coming and going is seen before the next.
    let rest = scene.daemon.rest();
    let fdb = format!("/v2/fdb/{}", scene.network());
    let mac = "02:00:00:00:02:01";
    eventually("it is reported", PATIENCE, || {
        for there in [true, false] {
            if there {
                tor.learn(&logical_switch, mac, "");
            } else {
                tor.unlearn(&logical_switch, mac);
            }
            eventually("it is seen, or held", PATIENCE, || {
                let known = rest.get(&fdb).expect(200).to_string().contains(mac);
                let status = rest.get(&first).expect(200)["status"].clone();
                if known == there || status == "degraded" { Ok(()) } else { Err(status.to_string()) }
            });
        }
        let status = rest.get(&first).expect(200);
        if status["status"] == "degraded" { Ok(()) } else { Err(status.to_string()) }
    });
    let what = "MAC 02:00:00:00:02:01 comes and goes too often (at tor-switch-1)";
    let flaps = Wrong {
        kind: "flapping",
        status: "degraded",
        name: "tor-switch-1 Ethernet40 VLAN 50",
        what,
        mend: "two stations with one MAC",
        resource: &first,
    };
    shows(&scene, &flaps);

    // What the switch has learned keeps the Logical_Switch of a deleted connection.
    tor.learn(&logical_switch, "02:00:00:00:03:01", "");
    let id = scene.ok(&["connection", "list", "-o", "name"]).name();
    scene.ok(&["connection", "delete", &id]);
    let what = "rows of disconnected networks are being removed";
    shows(
        &scene,
        &Wrong {
            kind: "draining",
            status: "draining",
            name: "tor-switch-1",
            what,
            mend: "look again",
            resource: whole,
        },
    );
    tor.unlearn(&logical_switch, "02:00:00:00:03:01");
    is_fine(&scene, "a deletion");
}

/// A switch that takes nothing for a while: what is desired is on its way.
#[test]
pub(super) fn what_is_on_its_way() {
    let scene = Scene::new().connected();
    is_fine(&scene, "the start");
    scene.tors[0].freeze();
    scene.ok(&["network", "create", "other"]);
    scene.ok(&["gateway", "create", "g", "--device", "name=tor-switch-1,interface_names=Ethernet41:60"]);
    let id = scene.ok(&["connection", "create", "g", "other", "-o", "name"]).name();
    let resource = format!("/v2/l2-gateway-connections/{id}/status");
    let writing = Wrong {
        kind: "pending",
        status: "pending",
        name: "tor-switch-1 Ethernet41 VLAN 60",
        what: "being written",
        mend: "look again",
        resource: &resource,
    };
    shows(&scene, &writing);
    scene.tors[0].thaw();
    is_fine(&scene, "a wait");
}

/// Deletions that nothing explains, after the store was lost.
#[test]
pub(super) fn what_the_guard_holds() {
    let mut scene = Scene::new().connected();
    let ports: Vec<Value> = (0..20).map(|i| json!({"network_id": scene.network(), "mac_address": format!("fa:16:3e:01:00:{i:02x}"), "binding:host_id": "compute-1"})).collect();
    scene.daemon.rest().post("/v2.0/ports", &json!({"ports": ports})).expect(201);
    scene.tors.iter().for_each(|tor| tor.wait_rows("Ucast_Macs_Remote", 22, PATIENCE));
    is_fine(&scene, "the start");
    assert!(scene.daemon.stop().success());
    scene.daemon.home.forget();
    scene.daemon.start();
    let what = "deletions that nothing explains are held";
    for name in ["tor-switch-1", "tor-switch-2"] {
        let resource = format!("/v2/switches/{name}");
        let mend = format!("l2gw switch release {name}");
        shows(&scene, &Wrong { kind: "held", status: "held", name, what, mend: &mend, resource: &resource });
    }
    for name in ["tor-switch-1", "tor-switch-2"] {
        scene.ok(&["switch", "release", name, "--wait"]);
    }
    is_fine(&scene, "a release");
}

/// What keeps the daemon from its work, or its clients out: no REST call says it.
#[test]
pub(super) fn what_is_wrong_with_the_daemon_itself() {
    let nobody =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
    let section = format!(
        "[keystone_authtoken]\nauth_url = http://{nobody}/v3\nusername = vtepd\npassword = geheim-geheim\nproject_name = service\n"
    );
    let tors = [Tor::start("tor-switch-1", "192.0.2.1"), Tor::start("tor-switch-2", "192.0.2.2")];
    let home = Home::new().with_keystone().more(&section).tor(&tors[0]).tor(&tors[1]);
    let scene = Scene { daemon: home.start(), tors };
    let away = Wrong {
        kind: "authentication",
        status: "error",
        name: "api",
        what: "can't be reached",
        mend: "vtepd --check",
        resource: "",
    };
    let problem = eventually("status says it", PATIENCE, || {
        let said = scene.run(&["status", "-o", "json"]);
        listed(&said.json(), &away).ok_or(said.out)
    });
    assert!(problem["impact"].as_str().expect("impact").contains("REST calls are answered 503"), "{problem}");
    eventually("the metrics count it", PATIENCE, || {
        if counted(&scene, "authentication") == Some(1) { Ok(()) } else { Err("0".to_owned()) }
    });
    let ready = scene.daemon.rest().get("/readyz").expect(200);
    assert!(ready["warnings"].to_string().contains("can't be reached"), "{ready}");

    // The store's files are gone.
    scene.daemon.home.forget();
    let lost = Wrong { kind: "store", status: "error", name: "store", what: "", mend: "tried again", resource: "" };
    eventually("status says it", PATIENCE, || {
        let said = scene.run(&["status", "-o", "json"]);
        listed(&said.json(), &lost).ok_or(said.out)
    });
    assert!(scene.run(&["status"]).expect(1).out.contains("THE STORE TAKES NO WRITES"));
    eventually("the metrics count it", PATIENCE, || {
        if counted(&scene, "store") == Some(1) { Ok(()) } else { Err("0".to_owned()) }
    });
    let ready = scene.daemon.rest().get("/readyz").expect(503);
    assert_eq!(
        (&ready["status"], ready["reasons"].as_array().map(Vec::len)),
        (&json!("not ready"), Some(1)),
        "{ready}"
    );
}
