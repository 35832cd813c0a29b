//! What is kept beside the networks: BFD of tunnels, managers, service nodes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::scene::{COMPUTE_1, MACHINES, Scene, set};
use crate::support::{PATIENCE, daemon::Home, eventually, tor::Tor};

fn lines(tor: &Tor, more: &str) -> String {
    format!("management_ip = 127.0.0.1\nport = {}\n{more}", tor.port())
}

/// A tunnel to compute-1, as the switch writes it.
pub(crate) fn tunnel(tor: &Tor) {
    let locator = |name: &str, ip: &str| {
        json!({"op": "insert", "table": "Physical_Locator", "uuid-name": name,
               "row": {"encapsulation_type": "vxlan_over_ipv4", "dst_ip": ip}})
    };
    let remote = tor.rpc().select("Physical_Locator").into_iter().find(|row| row["dst_ip"] == COMPUTE_1.1);
    let remote = remote.expect("the locator of compute-1")["_uuid"].clone();
    tor.transact(&[
        locator("local", "192.0.2.1"),
        json!({"op": "insert", "table": "Tunnel", "uuid-name": "tunnel",
               "row": {"local": ["named-uuid", "local"], "remote": remote,
                       "bfd_params": ["map", [["decay_min_rx", "900"], ["enable", "false"]]]}}),
        json!({"op": "mutate", "table": "Physical_Switch", "where": [],
               "mutations": [["tunnels", "insert", ["set", [["named-uuid", "tunnel"]]]]]}),
    ]);
}

fn map(value: &Value) -> BTreeMap<String, String> {
    let pairs = value[1].as_array().expect("a map");
    pairs.iter().map(|pair| (pair[0].as_str().unwrap_or("").into(), pair[1].as_str().unwrap_or("").into())).collect()
}

fn wait_params(tor: &Tor, expected: &[(&str, &str)]) {
    let expected: BTreeMap<String, String> = expected.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    eventually("bfd_params", PATIENCE, || {
        let row = tor.rpc().select("Tunnel").remove(0);
        let there = map(&row["bfd_params"]);
        if there == expected { Ok(()) } else { Err(row.to_string()) }
    });
}

#[test]
fn bfd_is_kept_shown_and_marks_a_compute_node_that_is_cut_off() {
    let tor = Tor::start("t", "192.0.2.1");
    let bfd =
        "bfd = on\nbfd_min_rx = 300ms\nbfd_min_tx = 1s\nbfd_dst_mac = 00:23:20:00:00:02\nbfd_dst_ip = 169.254.1.1\n";
    let scene = Scene::with(Home::new().switch("t", &lines(&tor, bfd)), "t");
    tunnel(&tor);
    // The key of somebody else stays.
    let wanted = [("decay_min_rx", "900"), ("enable", "true"), ("min_rx", "300"), ("min_tx", "1000")];
    wait_params(&tor, &wanted);
    let row = tor.rpc().select("Tunnel").remove(0);
    let remote = map(&row["bfd_config_remote"]);
    assert_eq!((&*remote["bfd_dst_mac"], &*remote["bfd_dst_ip"]), ("00:23:20:00:00:02", "169.254.1.1"));
    let update = |column: &str, pairs: &[(&str, &str)]| {
        tor.transact(&[json!({"op": "update", "table": "Tunnel", "where": [], "row": {column: ["map", pairs]}})]);
    };
    // Drift is put back.
    update("bfd_params", &[("decay_min_rx", "900"), ("enable", "false")]);
    wait_params(&tor, &wanted);

    update("bfd_status", &[("enabled", "true"), ("state", "down"), ("diagnostic", "Control Detection Time Expired")]);
    let status = scene.rest.wait_status(&scene.connection, "degraded");
    assert!(status.to_string().contains("the tunnel to compute-1 (198.51.100.11) is down (BFD)"), "{status}");
    let switch = scene.rest.switch("t");
    let shown = &switch["tunnels"][0];
    assert_eq!((&shown["local"], &shown["remote"]), (&"192.0.2.1".into(), &COMPUTE_1.1.into()));
    assert_eq!((&shown["state"], &shown["up"], &shown["host"]), (&"down".into(), &false.into(), &"compute-1".into()));
    let metrics = String::from_utf8(scene.rest.get("/metrics").body).expect("UTF-8");
    assert!(
        metrics.contains(
            "vtepd_tunnel_up{switch=\"t\",local=\"192.0.2.1\",remote=\"198.51.100.11\",host=\"compute-1\"} 0"
        ),
        "{metrics}"
    );
    update("bfd_status", &[("enabled", "true"), ("state", "up"), ("forwarding", "true")]);
    scene.rest.wait_status(&scene.connection, "active");
}

#[test]
fn without_bfd_tunnels_are_nobodys_business() {
    let tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::on(&tor);
    tunnel(&tor);
    scene.rest.port(&scene.network, "fa:16:3e:00:09:01", "10.0.1.1", COMPUTE_1.0);
    tor.wait("a change", |dump| dump.macs().len() == MACHINES.len() + 1);
    wait_params(&tor, &[("decay_min_rx", "900"), ("enable", "false")]);
}

#[test]
fn managers_are_kept_and_no_others_touched() {
    let tor = Tor::start("t", "192.0.2.1");
    tor.vtep_ctl(&["set-manager", "ptcp:6641:127.0.0.1"]);
    let targets = "manager_targets = ssl:192.0.2.100:6640, tcp:192.0.2.101:6640\n";
    let _daemon = Home::new().switch("t", &lines(&tor, targets)).start();
    let kept = "ptcp:6641:127.0.0.1\nssl:192.0.2.100:6640\ntcp:192.0.2.101:6640";
    let wait = || {
        eventually("the managers", PATIENCE, || match tor.vtep_ctl(&["get-manager"]) {
            managers if managers == kept => Ok(()),
            managers => Err(managers),
        });
    };
    wait();
    // Somebody takes ours away.
    tor.vtep_ctl(&["set-manager", "ptcp:6641:127.0.0.1"]);
    wait();
}

#[test]
fn service_nodes_copy_broadcasts() {
    let tor = Tor::start("t", "192.0.2.1");
    let nodes = "vendor = cumulus\nservice_nodes = 203.0.113.2, 203.0.113.1\n";
    let scene = Scene::begin(Home::new().switch("t", &lines(&tor, nodes)), &["t"]);
    scene.rest.wait_status(&scene.connection, "active");
    let (dump, name) = (tor.dump(), scene.logical_switch());
    assert_eq!(dump.floods(), [(name.clone(), set(&["203.0.113.1", "203.0.113.2"]))]);
    assert_eq!(dump.macs().len(), MACHINES.len(), "MACs lead to the compute nodes all the same");
    let mode = tor.vtep_ctl(&["get", "Logical_Switch", &name, "replication_mode"]);
    assert_eq!(mode, "service_node");
}

#[test]
fn a_vendor_that_needs_service_nodes_says_so() {
    let tor = Tor::start("t", "192.0.2.1");
    let scene = Scene::begin(Home::new().switch("t", &lines(&tor, "vendor = Cumulus\n")), &["t"]);
    let status = scene.rest.wait_status(&scene.connection, "degraded");
    assert!(status.to_string().contains("set service_nodes"), "{status}");
    assert_eq!(tor.dump().floods().len(), 1);
}

/// Each vendor's switches carry the example; what its profile knows shows in the status and in the rows.
#[test]
fn every_vendor_carries_the_example() {
    for (vendor, status, mode) in [
        ("generic", "active", "source_node"),
        ("arista", "active", "source_node"),
        ("cumulus", "degraded", "service_node"),
        ("dell", "active", "source_node"),
        ("extreme", "active", "source_node"),
        ("hpe", "active", "source_node"),
        ("juniper", "active", "source_node"),
        ("somebody else", "active", "source_node"),
    ] {
        let tor = Tor::start("t", "192.0.2.1");
        let more = format!("vendor = {vendor}\nmanager_targets = ssl:192.0.2.100:6640\n");
        let scene = Scene::begin(Home::new().switch("t", &lines(&tor, &more)), &["t"]);
        scene.rest.wait_status(&scene.connection, status);
        let row = tor.rpc().select("Logical_Switch").remove(0);
        assert_eq!(row["replication_mode"], mode, "{vendor}");
        assert_eq!(tor.dump().macs().len(), MACHINES.len(), "{vendor}");
        assert_eq!(scene.rest.switch("t")["session"]["lock"], "held", "{vendor}");
        eventually("the manager", PATIENCE, || match tor.vtep_ctl(&["get-manager"]) {
            managers if managers == "ssl:192.0.2.100:6640" => Ok(()),
            managers => Err(managers),
        });
    }
}

/// A schema without tunnels: BFD is what it costs, said once, and nothing else.
#[test]
fn bfd_on_an_old_schema_is_degraded() {
    let tor = Tor::with_schema("t", "192.0.2.1", |mut schema| {
        schema["tables"].as_object_mut().expect("tables").remove("Tunnel");
        schema["tables"]["Physical_Switch"]["columns"].as_object_mut().expect("columns").remove("tunnels");
        schema["version"] = json!("1.2.0");
        schema
    });
    let scene = Scene::with(Home::new().switch("t", &lines(&tor, "bfd = on\n")), "t");
    let degraded = scene.rest.switch("t")["degraded"].clone();
    assert_eq!(degraded.as_array().map(Vec::len), Some(1), "{degraded}");
    assert!(degraded.to_string().contains("Tunnel.local: BFD can't be configured"), "{degraded}");
}
