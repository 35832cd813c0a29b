//! The installed hardware_vtep schema as it was in an earlier version: what is newer is removed.

use serde_json::{Value, json};

/// A version, the columns (`Table.column`) and the tables that it brought.
type News = ([u32; 3], &'static [&'static str], &'static [&'static str]);

/// The newest first.
const NEWS: [News; 8] = [
    ([1, 7, 0], &["Global.other_config"], &[]),
    ([1, 6, 0], &["Logical_Switch.replication_mode"], &[]),
    (
        [1, 5, 1],
        &[
            "Logical_Switch.other_config",
            "Physical_Switch.other_config",
            "Physical_Port.other_config",
            "Logical_Router.other_config",
        ],
        &[],
    ),
    ([1, 5, 0], &["Physical_Locator.tunnel_key"], &[]),
    (
        [1, 4, 0],
        &["Physical_Port.acl_bindings", "Logical_Router.acl_binding", "Logical_Router.LR_fault_status"],
        &["ACL", "ACL_entry"],
    ),
    ([1, 3, 0], &["Physical_Switch.tunnels"], &["Tunnel"]),
    ([1, 2, 0], &[], &["Arp_Sources_Local", "Arp_Sources_Remote"]),
    ([1, 1, 0], &["Physical_Switch.switch_fault_status", "Physical_Port.port_fault_status"], &[]),
];

/// For [`super::tor::Tor::with_schema`].
pub(crate) fn vintage(version: &str) -> impl FnOnce(Value) -> Value {
    let version = version.to_owned();
    let wanted: Vec<u32> = version.split('.').map(|part| part.parse().expect("a number")).collect();
    move |mut schema| {
        let tables = schema["tables"].as_object_mut().expect("tables");
        for (_, columns, gone) in NEWS.iter().filter(|(since, ..)| since.as_slice() > wanted.as_slice()) {
            for column in *columns {
                let (table, column) = column.split_once('.').expect("Table.column");
                tables[table]["columns"].as_object_mut().expect("columns").remove(column).expect("the column");
            }
            for table in *gone {
                tables.remove(*table).expect("the table");
            }
        }
        let locator = &mut tables["Physical_Locator"];
        if locator["columns"].get("tunnel_key").is_none() {
            locator["indexes"] = json!([["encapsulation_type", "dst_ip"]]);
        }
        schema["version"] = json!(version);
        schema
    }
}
