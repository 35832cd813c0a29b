//! Switches with older schemas: what is missing costs a feature, never the session.

use serde_json::{Value, json};

use super::scene::{COMPUTE_1, COMPUTE_2, MACHINES, Scene, macs, set};
use crate::support::{daemon::Home, tor::Tor};

/// Removes columns as `Table.column`.
fn without(columns: &[&str], version: &str) -> impl FnOnce(Value) -> Value {
    let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
    let version = version.to_owned();
    move |mut schema| {
        for column in columns {
            let (table, column) = column.split_once('.').expect("Table.column");
            schema["tables"][table]["columns"].as_object_mut().expect("columns").remove(column).expect("the column");
        }
        schema["version"] = json!(version);
        schema
    }
}

fn works(tor: &Tor) -> Value {
    let before = tor.dump();
    let scene = Scene::begin(Home::new().tor(tor), &[tor.name()]);
    // All rows are there; that broadcasts reach one compute node only is said on the connection.
    scene.rest.wait_status(&scene.connection, "degraded");
    let (dump, name) = (tor.dump(), scene.logical_switch());
    let machines: Vec<_> = MACHINES.iter().map(|(mac, ip, (_, vtep))| (*mac, *ip, *vtep)).collect();
    assert_eq!(dump.macs(), macs(&name, &machines));
    assert_eq!(dump.floods(), [(name, set(&[COMPUTE_1.1, COMPUTE_2.1]))]);
    let status = scene.rest.switch("t");
    scene.rest.disconnect(&scene.connection);
    tor.wait("all of it goes", |dump| *dump == before);
    status
}

#[test]
fn without_replication_mode() {
    let tor = Tor::with_schema("t", "192.0.2.1", without(&["Logical_Switch.replication_mode"], "1.5.1"));
    let status = works(&tor);
    assert_eq!(status["session"]["schema_version"], "1.5.1");
    assert!(status["degraded"].to_string().contains("replication_mode"), "{status}");
}

/// Schema 1.3, as Extreme EXOS has it: no ACLs, no tunnel_key on locators, no other_config.
#[test]
fn the_schema_of_2014() {
    let tor = Tor::with_schema("t", "192.0.2.1", |schema| {
        let columns = [
            "Logical_Switch.replication_mode",
            "Logical_Switch.other_config",
            "Physical_Port.acl_bindings",
            "Physical_Port.other_config",
            "Physical_Switch.other_config",
            "Physical_Locator.tunnel_key",
            "Global.other_config",
            "Logical_Router.acl_binding",
            "Logical_Router.other_config",
            "Logical_Router.LR_fault_status",
        ];
        let mut schema = without(&columns, "1.3.0")(schema);
        schema["tables"]["Physical_Locator"]["indexes"] = json!([["encapsulation_type", "dst_ip"]]);
        let tables = schema["tables"].as_object_mut().expect("tables");
        tables.remove("ACL").expect("ACL");
        tables.remove("ACL_entry").expect("ACL_entry");
        schema
    });
    let status = works(&tor);
    assert_eq!(status["session"]["schema_version"], "1.3.0");
}
