//! Switches with older schemas: what is missing costs a feature, and is said once; it never costs the session.

use serde_json::{Value, json};

use super::scene::{COMPUTE_1, COMPUTE_2, MACHINES, Scene, macs, set};
use crate::support::{daemon::Home, tor::Tor, vintage::vintage};

/// A switch of this version carries the example with everything switched on that a schema may lack; all of it goes again.
/// The columns that its status says it lacks.
fn degraded_by(version: &str, status: &str) -> Vec<String> {
    let tor = Tor::with_schema("t", "192.0.2.1", vintage(version));
    let before = tor.dump();
    let lines = format!("management_ip = 127.0.0.1\nport = {}\nbfd = on\n", tor.port());
    let scene = Scene::begin(Home::new().switch("t", &lines), &["t"]);
    scene.rest.wait_status(&scene.connection, status);
    let (dump, name) = (tor.dump(), scene.logical_switch());
    let machines: Vec<_> = MACHINES.iter().map(|(mac, ip, (_, vtep))| (*mac, *ip, *vtep)).collect();
    assert_eq!(dump.macs(), macs(&name, &machines));
    assert_eq!(dump.floods(), [(name, set(&[COMPUTE_1.1, COMPUTE_2.1]))]);
    let switch = scene.rest.switch("t");
    assert_eq!(switch["session"]["schema_version"], version);
    scene.rest.disconnect(&scene.connection);
    tor.wait("all of it goes", |dump| *dump == before);
    let said = switch["degraded"].as_array().expect("a list").iter().map(|text| text.as_str().expect("text"));
    said.map(|text| text.split_once(": ").expect("a column and what it costs").0.to_owned()).collect()
}

const REPLICATION: &str = "Logical_Switch.replication_mode";
const OTHER_CONFIG: &str = "Logical_Switch.other_config";
const TUNNEL_KEY: &str = "Physical_Locator.tunnel_key";

#[test]
fn schema_1_6_lacks_nothing_that_we_use() {
    assert_eq!(degraded_by("1.6.0", "active"), [""; 0]);
}

/// Broadcasts reach one compute node only: that is said on the connection, too.
#[test]
fn schema_1_5_1_has_no_replication_mode() {
    assert_eq!(degraded_by("1.5.1", "degraded"), [REPLICATION]);
}

#[test]
fn schema_1_5_has_no_other_config() {
    assert_eq!(degraded_by("1.5.0", "degraded"), [REPLICATION, OTHER_CONFIG]);
}

#[test]
fn schema_1_4_has_no_tunnel_key() {
    assert_eq!(degraded_by("1.4.0", "degraded"), [REPLICATION, OTHER_CONFIG, TUNNEL_KEY]);
}

/// As Extreme EXOS has it: without ACLs, which we don't use.
#[test]
fn schema_1_3_loses_no_more() {
    assert_eq!(degraded_by("1.3.0", "degraded"), [REPLICATION, OTHER_CONFIG, TUNNEL_KEY]);
}

#[test]
fn schema_1_0_has_neither_tunnels_nor_faults() {
    let faults = ["Physical_Switch.switch_fault_status", "Physical_Port.port_fault_status"];
    let expected = [&faults[..], &[REPLICATION, OTHER_CONFIG, TUNNEL_KEY, "Tunnel.local"]].concat();
    assert_eq!(degraded_by("1.0.0", "degraded"), expected);
}

/// A schema that no version ever was: what can't be done without is named, and nothing is written.
#[test]
fn a_schema_that_can_not_be_used_is_refused() {
    let tor = Tor::with_schema("t", "192.0.2.1", |mut schema: Value| {
        schema["tables"]["Ucast_Macs_Remote"]["columns"].as_object_mut().expect("columns").remove("locator");
        schema["version"] = json!("0.9.0");
        schema
    });
    let before = tor.dump();
    let scene = Scene::begin(Home::new().tor(&tor), &["t"]);
    let status = scene.rest.wait_switch("t", "it is refused", |now| now["session"]["state"] == "refused");
    let reason = status["reason"].as_str().expect("a reason");
    assert!(reason.contains("no Ucast_Macs_Remote.locator, which vtepd can't do without"), "{reason}");
    assert_eq!(tor.dump(), before);
}
