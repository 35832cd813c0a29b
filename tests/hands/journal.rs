//! The audit log and the drift log explain each row on a switch.

use serde_json::Value;

use crate::{
    l2gw::{MACHINES, Scene, shell},
    support::{PATIENCE, eventually},
};

fn entries(scene: &Scene, args: &[&str]) -> Vec<Value> {
    let mut all = vec!["audit", "-o", "json"];
    all.extend_from_slice(args);
    scene.ok(&all).json().as_array().expect("entries").clone()
}

#[test]
fn each_row_is_explained() {
    let mut scene = Scene::new().connected();
    let network = scene.network();
    let mac = "fa:16:3e:00:00:01";
    scene.tors[0].vtep_ctl(&["del-ucast-remote", &format!("vtepd-{network}"), mac]);
    scene.tors[0].wait("it is put back", |dump| dump.macs().len() == MACHINES.len());
    scene.run(&["gateway", "delete", "vtep-gateway-1"]).expect(73);
    // The journal is written behind, within a second.
    let found = eventually("all of it is written", PATIENCE, || {
        let found = entries(&scene, &["--contains", mac]);
        let kinds: Vec<&str> = found.iter().filter_map(|entry| entry["kind"].as_str()).collect();
        let complete = kinds.contains(&"call")
            && kinds.contains(&"drift")
            && kinds.iter().filter(|kind| **kind == "plan").count() >= 2;
        if complete { Ok(found) } else { Err(format!("{found:#?}")) }
    });
    // Who asked for it, and in which revision …
    let call = found.iter().find(|entry| entry["kind"] == "call").expect("the call");
    assert_eq!((&call["subject"], &call["result"]), (&"port_create".into(), &"ok".into()));
    assert!(call["who"].as_str().expect("who").contains("uid "), "{call}");
    assert!(call["revision"].as_u64().expect("a revision") > 0);
    // … which plan brought it to which switch …
    let plans: Vec<&Value> = found.iter().filter(|entry| entry["kind"] == "plan").collect();
    for switch in ["tor-switch-1", "tor-switch-2"] {
        let plan = plans.iter().find(|plan| plan["subject"] == switch).expect("a plan for each switch");
        let row =
            plan["details"]["rows"].as_array().expect("rows").iter().find(|row| row["row"] == mac).expect("the row");
        assert_eq!((&row["action"], &row["table"]), (&"insert".into(), &"Ucast_Macs_Remote".into()));
        assert!(plan["revision"].as_u64() >= call["revision"].as_u64());
    }
    // … and who meddled with it, and when it was put back.
    let drift = found.iter().find(|entry| entry["kind"] == "drift").expect("the drift");
    assert_eq!((&drift["subject"], &drift["result"]), (&"tor-switch-1".into(), &"put back".into()));
    assert!(drift["details"]["put_back"].as_str() >= drift["details"]["seen"].as_str());

    eventually("the refusal is written", PATIENCE, || {
        let refused = entries(&scene, &["--call", "gateway_delete"]);
        let told =
            refused.first().and_then(|entry| entry["result"].as_str()).is_some_and(|why| why.contains("is in use"));
        if told { Ok(()) } else { Err(format!("{refused:?}")) }
    });
    assert!(!entries(&scene, &["--kind", "session", "--switch", "tor-switch-2"]).is_empty());
    assert!(entries(&scene, &["--since", "2999-01-01T00:00:00Z"]).is_empty());
    assert!(!entries(&scene, &["--since", "1h"]).is_empty());
    assert_eq!(entries(&scene, &["--limit", "2"]).len(), 2);
    let table = scene.ok(&["audit", "--kind", "plan", "--rows"]).out;
    assert!(table.contains(&format!("insert Ucast_Macs_Remote {mac}: 10.0.0.11 at 198.51.100.11")), "{table}");

    // Calls of the REST API stand there, too.
    scene.daemon.rest().network("by REST");
    let rest = eventually("it is written", PATIENCE, || {
        let found = entries(&scene, &["--contains", "/v2.0/networks"]);
        if found.is_empty() { Err("nothing yet".to_owned()) } else { Ok(found) }
    });
    assert_eq!(
        (&rest[0]["result"], &rest[0]["details"]["params"]["body"]["network"]["name"]),
        (&"201".into(), &"by REST".into())
    );
    assert!(rest[0]["who"].as_str().expect("who").contains("127.0.0.1"), "{rest:?}");

    // It outlives the daemon.
    assert!(scene.daemon.stop().success());
    scene.daemon.start();
    assert!(!entries(&scene, &["--kind", "drift"]).is_empty());
}

/// What was just done stands there at once, and who called sudo with it.
#[test]
fn the_last_call_is_shown() {
    let scene = Scene::new();
    for i in 0..10 {
        let name = format!("network-{i}");
        scene.ok(&["network", "create", &name]);
        assert_eq!(entries(&scene, &["--contains", &name]).len(), 1, "{name}");
    }
    let socket = scene.socket();
    let said = shell(&socket, "SUDO_USER=alice $L2GW --socket $SOCKET network create by-sudo -o name").expect(0);
    assert_eq!(said.out, "by-sudo\n");
    let found = entries(&scene, &["--contains", "by-sudo"]);
    let who = found[0]["who"].as_str().expect("who");
    // The kernel's word, where somebody has logged in here, is preferred to the client's; only of root it is asked for.
    let is_root = who.contains("(uid 0, ");
    assert_eq!(is_root, who.contains("(sudo: "), "{who}");
    // A read is no news.
    let log = scene.daemon.home.log();
    assert!(log.contains("method=\"network_create\""), "{log}");
    assert!(!log.contains("method=\"audit\""), "{log}");
}
