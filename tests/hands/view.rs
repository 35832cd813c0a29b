//! One view of what is wrong: for each status and reason, `l2gw status`, REST, `/metrics` and `/readyz` show the same.

mod handover;
mod reasons;
mod scenarios;
mod states;

use serde_json::{Value, json};

use crate::{
    l2gw::{MACHINES, Scene},
    support::{
        PATIENCE, eventually,
        tor::{Contents, Tor},
    },
};

/// What is wrong, as all four have to show it.
struct Wrong<'a> {
    kind: &'a str,
    status: &'a str,
    /// Name of the problem.
    name: &'a str,
    /// Part of its text, and of the reason that REST shows.
    what: &'a str,
    /// Part of the fix.
    mend: &'a str,
    /// A REST resource that has the status.
    resource: &'a str,
}

/// The number of problems of a kind that `/metrics` shows.
fn counted(scene: &Scene, kind: &str) -> Option<u64> {
    let text = String::from_utf8(scene.daemon.rest().get("/metrics").body).expect("UTF-8");
    let line = format!("vtepd_problems{{kind=\"{kind}\"}} ");
    text.lines().find_map(|of| of.strip_prefix(&line))?.parse().ok()
}

/// The problem in the list of `l2gw status`.
fn listed(status: &Value, wrong: &Wrong<'_>) -> Option<Value> {
    let text = |problem: &Value, member: &str| problem[member].as_str().unwrap_or_default().to_owned();
    let is_it = |problem: &&Value| {
        problem["kind"] == wrong.kind
            && problem["status"] == wrong.status
            && text(problem, "name").contains(wrong.name)
            && text(problem, "what").contains(wrong.what)
            && text(problem, "mend").contains(wrong.mend)
    };
    status["problems"].as_array()?.iter().find(is_it).cloned()
}

/// All four show it.
fn shows(scene: &Scene, wrong: &Wrong<'_>) -> Value {
    let rest = scene.daemon.rest();
    let problem = eventually(wrong.what, PATIENCE, || {
        let said = scene.run(&["status", "-o", "json"]);
        assert!(said.code < 2, "{said:?}");
        match listed(&said.json(), wrong) {
            Some(problem) if said.code == 1 => Ok(problem),
            _ => Err(said.out),
        }
    });
    let what = problem["what"].as_str().expect("what");
    eventually("REST's list", PATIENCE, || {
        let problems = rest.get("/v2/problems").expect(200);
        if listed(&problems, wrong).is_some() { Ok(()) } else { Err(problems.to_string()) }
    });
    if !wrong.resource.is_empty() {
        eventually("REST's status", PATIENCE, || {
            let shown = rest.get(wrong.resource).expect(200);
            let is_told = shown.to_string().contains(&json!(wrong.what).to_string().trim_matches('"').to_owned());
            if shown["status"] == wrong.status && is_told { Ok(()) } else { Err(shown.to_string()) }
        });
    }
    eventually("the metrics count it", PATIENCE, || match counted(scene, wrong.kind) {
        Some(count) if count > 0 => Ok(()),
        count => Err(format!("{}: {count:?}", wrong.kind)),
    });
    eventually("/readyz warns", PATIENCE, || {
        let ready = rest.get("/readyz").expect(200);
        let warnings = ready["warnings"].as_array().cloned().unwrap_or_default();
        let is_there = warnings.iter().any(|warning| warning.as_str().is_some_and(|text| text.contains(what)));
        if ready["status"] == "ready" && is_there { Ok(()) } else { Err(ready.to_string()) }
    });
    problem
}

/// None of the four shows anything.
fn is_fine(scene: &Scene, after: &str) {
    eventually(&format!("nothing is wrong after {after}"), PATIENCE, || {
        let said = scene.run(&["status"]);
        if said.code == 0 && said.out.contains("nothing is wrong") { Ok(()) } else { Err(said.out) }
    });
    let rest = scene.daemon.rest();
    assert_eq!(rest.get("/v2/problems").expect(200)["problems"], json!([]), "{after}");
    eventually("the metrics count nothing", PATIENCE, || {
        let text = String::from_utf8(rest.get("/metrics").body).expect("UTF-8");
        let wrong: Vec<_> =
            text.lines().filter(|line| line.starts_with("vtepd_problems{") && !line.ends_with(" 0")).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    });
    eventually("/readyz warns of nothing", PATIENCE, || {
        let ready = rest.get("/readyz").expect(200);
        if ready["warnings"] == json!([]) { Ok(()) } else { Err(ready.to_string()) }
    });
}

/// Binds VLAN 50 of Ethernet40 to another Logical_Switch, in one transaction.
fn rebind(tor: &Tor, logical_switch: &str) {
    let unbind = ["unbind-ls", "tor-switch-1", "Ethernet40", "50", "--"];
    let bind = ["bind-ls", "tor-switch-1", "Ethernet40", "50", logical_switch];
    tor.vtep_ctl(&[unbind.as_slice(), bind.as_slice()].concat());
}

fn connection(scene: &Scene) -> String {
    let id = scene.ok(&["connection", "list", "-o", "name"]).name();
    format!("/v2/l2-gateway-connections/{id}/status")
}

#[test]
fn what_a_gateway_names_and_no_switch_has() {
    let scene = Scene::new().connected();
    is_fine(&scene, "the start");
    let (first, whole) = (connection(&scene), "/v2/switches/tor-switch-1");
    scene.ok(&["network", "create", "other"]);
    let ghost = ["gateway", "create", "ghost", "--device", "name=tor-l,interface_names=Ethernet40:60", "--force"];
    scene.ok(&ghost);
    let id = scene.ok(&["connection", "create", "ghost", "other", "-o", "name"]).name();
    let problem = shows(
        &scene,
        &Wrong {
            kind: "device",
            status: "error",
            name: "tor-l Ethernet40 VLAN 60",
            what: "no switch is configured for device 'tor-l'",
            mend: "add [switch:tor-l]",
            resource: &format!("/v2/l2-gateway-connections/{id}/status"),
        },
    );
    assert_eq!(problem["since"], "", "{problem}");
    scene.ok(&["connection", "delete", &id]);
    is_fine(&scene, "an unconfigured device");

    let edit = |change: &str| {
        let device =
            ["gateway", "update", "vtep-gateway-1", "--device", "name=tor-switch-1", change, "Ethernet4O", "--force"];
        scene.ok(&device);
    };
    edit("--add-interface");
    let what = "port Ethernet4O is not on tor-switch-1; its ports are: Ethernet40, Ethernet41";
    let port = Wrong {
        kind: "port",
        status: "error",
        name: "tor-switch-1 Ethernet4O VLAN 50",
        what,
        mend: "l2gw gateway update",
        resource: whole,
    };
    shows(&scene, &port);
    shows(&scene, &Wrong { resource: &first, ..port });
    edit("--remove-interface");
    is_fine(&scene, "a missing port");
}

#[test]
fn compute_nodes_and_learned_macs() {
    let scene = Scene::new().connected();
    let (rest, first) = (scene.daemon.rest(), connection(&scene));
    let network = scene.network();
    let of_host = |host: &'static str, what: &'static str, mend: &'static str| {
        let port = rest.port(&network, "fa:16:3e:00:00:99", "10.0.0.99", host);
        let wrong = Wrong { kind: "host", status: "degraded", name: host, what, mend, resource: "" };
        let problem = shows(&scene, &wrong);
        assert_eq!(problem["impact"], "switches don't reach 1 port of 1 network", "{problem}");
        let status = rest.wait_status(first.split('/').nth(3).expect("the connection's id"), "degraded");
        assert!(status.to_string().contains(&format!("{host} (1 port")), "{status}");
        rest.delete(&format!("/v2.0/ports/{port}"));
        is_fine(&scene, host);
    };
    of_host("compute-9", "it has no tunnel endpoint", "l2gw endpoint create compute-9 ADDRESS");
    of_host("Compute-1", "there is one for compute-1", "give both one name");
    of_host("compute-1.example.org", "there is one for compute-1", "give both one name");

    // An endpoint that ports use is deleted.
    let endpoint = scene.ok(&["endpoint", "list", "-o", "name"]).name();
    scene.ok(&["endpoint", "delete", &endpoint]);
    let gone = Wrong {
        kind: "host",
        status: "degraded",
        name: "compute-1",
        what: "it has no tunnel endpoint",
        mend: "endpoint create compute-1",
        resource: "",
    };
    assert_eq!(shows(&scene, &gone)["impact"], "switches don't reach 2 ports of 1 network");
    scene.ok(&["endpoint", "create", "compute-1", "198.51.100.11"]);
    is_fine(&scene, "a deleted endpoint");

    let endpoint = rest.endpoint("compute-7", "192.0.2.1");
    let own = Wrong {
        kind: "endpoint",
        status: "degraded",
        name: "tor-switch-1",
        what: "the tunnel endpoint of compute node compute-7 is 192.0.2.1, which is the switch's own VTEP",
        mend: "l2gw endpoint create",
        resource: "/v2/switches/tor-switch-1",
    };
    shows(&scene, &own);
    rest.delete(&format!("/v2.0/tunnel-endpoints/{endpoint}"));
    is_fine(&scene, "a switch's own address");

    let logical_switch = format!("vtepd-{network}");
    scene.tors[0].learn(&logical_switch, "fa:16:3e:00:00:01", "");
    let what = "loop suspected: MAC fa:16:3e:00:00:01 was learned behind the gateway";
    let looped = Wrong {
        kind: "loop",
        status: "conflict",
        name: "tor-switch-1 Ethernet40 VLAN 50",
        what,
        mend: "look for a bridge",
        resource: &first,
    };
    shows(&scene, &looped);
    shows(&scene, &Wrong { resource: "/v2/switches/tor-switch-1", ..looped });
    scene.tors[0].unlearn(&logical_switch, "fa:16:3e:00:00:01");
    is_fine(&scene, "a loop");
}

#[test]
fn what_others_write_and_what_a_switch_reports() {
    let scene = Scene::new().connected();
    let (tor, first, whole) = (&scene.tors[0], connection(&scene), "/v2/switches/tor-switch-1");
    let binding = "tor-switch-1 Ethernet40 VLAN 50";
    let good = tor.dump();

    // Another controller binds our VLAN to a Logical_Switch of its own.
    let rows = |scene: &Scene| {
        let shown = scene.daemon.rest().switch("tor-switch-1");
        (shown["rows_actual"].as_u64(), shown["rows_desired"].as_u64())
    };
    // The Logical_Switch, its flood row, a binding, and a MAC for each machine.
    let all = 1 + 1 + 1 + MACHINES.len() as u64;
    assert_eq!(rows(&scene), (Some(all), Some(all)));
    tor.vtep_ctl(&["add-ls", "theirs"]);
    rebind(tor, "theirs");
    let what = "VLAN 50 of port Ethernet40 is bound to Logical_Switch 'theirs', which is not ours";
    let vlan = Wrong {
        kind: "conflict",
        status: "conflict",
        name: binding,
        what,
        mend: "remove it with the tool",
        resource: whole,
    };
    shows(&scene, &vlan);
    assert_eq!(rows(&scene), (Some(all - 1), Some(all)), "the binding isn't there");
    shows(&scene, &Wrong { resource: &first, ..vlan });
    tor.vtep_ctl(&["unbind-ls", "tor-switch-1", "Ethernet40", "50", "--", "del-ls", "theirs"]);
    tor.wait("it is bound again", |dump| *dump == good);
    is_fine(&scene, "a foreign binding");

    // A Logical_Switch of somebody else has our VNI.
    tor.vtep_ctl(&["add-ls", "theirs", "--", "set", "Logical_Switch", "theirs", "tunnel_key=1000"]);
    let what = "Logical_Switch 'theirs', which is not ours, has the network's VNI 1000";
    shows(
        &scene,
        &Wrong {
            kind: "conflict",
            status: "conflict",
            name: binding,
            what,
            mend: "another VLAN or VNI",
            resource: whole,
        },
    );
    tor.vtep_ctl(&["del-ls", "theirs"]);
    is_fine(&scene, "a foreign VNI");

    let set = |column: &str, value: &Value| {
        tor.transact(&[json!({"op": "update", "table": "Physical_Switch", "where": [], "row": {column: value}})]);
    };
    set("switch_fault_status", &json!(["set", ["no_vtep_capacity\u{1b}[31m"]]));
    let what = "the switch reports: no_vtep_capacity\\u{1b}[31m";
    shows(
        &scene,
        &Wrong {
            kind: "fault",
            status: "degraded",
            name: "tor-switch-1",
            what: &what[..30],
            mend: "on the switch",
            resource: whole,
        },
    );
    assert!(!scene.run(&["status"]).out.contains('\u{1b}'));
    set("switch_fault_status", &json!(["set", []]));
    is_fine(&scene, "a fault");

    for unusable in [json!(["set", []]), json!("127.0.0.1"), json!(["set", ["0.0.0.0", "224.0.0.1"]])] {
        set("tunnel_ips", &unusable);
        let what = "tor-switch-1 has no usable IPv4 address in tunnel_ips";
        let no_vtep = Wrong {
            kind: "tunnel_ip",
            status: "degraded",
            name: "tor-switch-1",
            what,
            mend: "Physical_Switch.tunnel_ips",
            resource: whole,
        };
        shows(&scene, &no_vtep);
        shows(&scene, &Wrong { resource: &first, ..no_vtep });
    }
    set("tunnel_ips", &json!("192.0.2.1"));
    is_fine(&scene, "no VTEP");
}

#[test]
fn what_an_operator_or_another_controller_holds() {
    let scene = Scene::new().connected();
    let (tor, whole) = (&scene.tors[0], "/v2/switches/tor-switch-1");
    scene.ok(&["switch", "hold", "tor-switch-1"]);
    let what = "an operator holds its deletions";
    shows(
        &scene,
        &Wrong {
            kind: "held",
            status: "held",
            name: "tor-switch-1",
            what,
            mend: "l2gw switch release tor-switch-1",
            resource: "",
        },
    );
    scene.ok(&["switch", "release", "tor-switch-1"]);
    is_fine(&scene, "a hold");

    // Another controller takes the lock, and ends.
    let mut other = tor.rpc();
    other.call("steal", &json!(["vtepd"]));
    let what = "another controller holds the switch's lock";
    shows(
        &scene,
        &Wrong {
            kind: "lock",
            status: "pending",
            name: "tor-switch-1",
            what,
            mend: "stop the other controller, or give one of the two another deployment",
            resource: whole,
        },
    );
    drop(other);
    is_fine(&scene, "a stolen lock");
}

#[test]
fn a_switch_that_is_down() {
    let mut scene = Scene::new().connected();
    scene.tors[1].kill();
    let down = Wrong {
        kind: "session",
        status: "down",
        name: "tor-switch-2",
        what: "",
        mend: "check that it is reachable at tcp:127.0.0.1:",
        resource: "/v2/switches/tor-switch-2",
    };
    let problem = shows(&scene, &down);
    assert_eq!(problem["impact"], "gateway vtep-gateway-1 (1 connection; tor-switch-1 is there)", "{problem}");
    let since = problem["since"].as_str().expect("since").to_owned();
    assert!(since.ends_with('Z'), "{problem}");
    // It is dialled again and again, and was lost once.
    eventually("it is dialled again", PATIENCE, || {
        let now = scene.daemon.rest().switch("tor-switch-2");
        if now["session"]["since"] == since.as_str() { Err(now.to_string()) } else { Ok(()) }
    });
    assert_eq!(shows(&scene, &down)["since"], since.as_str());
    let first = connection(&scene);
    shows(&scene, &Wrong { resource: &first, ..down });
    scene.tors[1].restart(Contents::Kept);
    is_fine(&scene, "a loss");
}
