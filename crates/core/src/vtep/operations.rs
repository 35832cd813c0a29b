//! Operations on `hardware_vtep` (RFC 7047 section 5.2), as types and as the bytes of a `transact`.

use std::{
    collections::BTreeMap,
    io::Write,
    net::{IpAddr, Ipv4Addr},
};

use uuid::Uuid;

use super::{
    DATABASE,
    extras::{self, Strings},
    rows::ReplicationMode,
};
use ovsdb::json;

use crate::model::{MacAddr, VlanId, Vni};

/// A Logical_Switch: one that is there, or one that an operation of the same transaction inserts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogicalSwitchRef {
    /// By `_uuid`.
    Row(Uuid),
    /// By its number in the transaction.
    New(u32),
}

/// A Physical_Locator: one that is there, or one that the transaction inserts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LocatorRef {
    /// By `_uuid`.
    Row(Uuid),
    /// By its `dst_ip`; the transaction must hold its [`Operation::InsertLocator`].
    New(Ipv4Addr),
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// A new Logical_Switch.
    InsertLogicalSwitch {
        /// Its number in the transaction.
        new: u32,
        /// `name`.
        name: String,
        /// `tunnel_key`.
        vni: Vni,
        /// `replication_mode`; `None`: the schema has no such column.
        replication_mode: Option<ReplicationMode>,
        /// `description`; `None`: the schema has no such column.
        description: Option<String>,
    },
    /// Changed columns of a Logical_Switch.
    UpdateLogicalSwitch {
        /// `_uuid`.
        row: Uuid,
        /// `tunnel_key`.
        vni: Option<Vni>,
        /// `replication_mode`.
        replication_mode: Option<ReplicationMode>,
        /// `description`.
        description: Option<String>,
    },
    /// Deletes a Logical_Switch. It fails while anything refers to it.
    DeleteLogicalSwitch {
        /// `_uuid`.
        row: Uuid,
    },
    /// A new Physical_Locator; it must be referred to within the transaction, or it is collected at once.
    InsertLocator {
        /// `dst_ip`.
        ip: Ipv4Addr,
    },
    /// A new Physical_Locator_Set: sets are immutable.
    InsertLocatorSet {
        /// Its number in the transaction.
        new: u32,
        /// `locators`; at least one.
        locators: Vec<LocatorRef>,
    },
    /// A new `unknown-dst` row of Mcast_Macs_Remote.
    InsertFlood {
        /// `logical_switch`.
        logical_switch: LogicalSwitchRef,
        /// `locator_set`: its number in the transaction.
        set: u32,
    },
    /// Points the `unknown-dst` row to another set.
    UpdateFlood {
        /// `_uuid`.
        row: Uuid,
        /// `locator_set`: its number in the transaction.
        set: u32,
    },
    /// Deletes a row of Mcast_Macs_Remote.
    DeleteMulticast {
        /// `_uuid`.
        row: Uuid,
    },
    /// Fails the transaction unless the port's bindings are still these: `mutate` silently skips a key that exists.
    ExpectBindings {
        /// `_uuid` of the Physical_Port.
        port: Uuid,
        /// `vlan_bindings`.
        bindings: BTreeMap<u16, Uuid>,
    },
    /// Removes and adds entries of `vlan_bindings`; a key that is in both is replaced.
    Bind {
        /// `_uuid` of the Physical_Port.
        port: Uuid,
        /// VLANs to unbind.
        delete: Vec<u16>,
        /// VLANs to bind.
        insert: Vec<(VlanId, LogicalSwitchRef)>,
    },
    /// A new row of Ucast_Macs_Remote.
    InsertMac {
        /// `logical_switch`.
        logical_switch: LogicalSwitchRef,
        /// `MAC`.
        mac: MacAddr,
        /// `ipaddr`.
        ip: Option<IpAddr>,
        /// `locator`.
        locator: LocatorRef,
    },
    /// Changes a row of Ucast_Macs_Remote.
    UpdateMac {
        /// `_uuid`.
        row: Uuid,
        /// `ipaddr`.
        ip: Option<IpAddr>,
        /// `locator`.
        locator: LocatorRef,
    },
    /// Deletes a row of Ucast_Macs_Remote.
    DeleteMac {
        /// `_uuid`.
        row: Uuid,
    },
    /// Sets keys of a Tunnel's maps; the other keys stay.
    ConfigureTunnel {
        /// `_uuid`.
        row: Uuid,
        /// Keys of `bfd_params`.
        params: Strings,
        /// Keys of `bfd_config_remote`.
        remote: Strings,
    },
    /// A new row of Manager; Global must refer to it within the transaction, or it is collected at once.
    InsertManager {
        /// Its number in the transaction.
        new: u32,
        /// `target`.
        target: String,
    },
    /// Adds managers to Global.
    ReferManagers {
        /// `_uuid` of the row of Global.
        global: Uuid,
        /// Their numbers in the transaction.
        new: Vec<u32>,
    },
}

/// Appends the parameters of `transact` (RFC 7047 section 4.1.3). With `lock`, the transaction fails unless the session
/// holds it.
pub fn encode<'a>(lock: Option<&str>, operations: impl IntoIterator<Item = &'a Operation>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"[\"");
    out.extend_from_slice(DATABASE.as_bytes());
    out.push(b'"');
    if let Some(lock) = lock {
        out.extend_from_slice(br#",{"op":"assert","lock":"#);
        json::write_string(out, lock);
        out.push(b'}');
    }
    for operation in operations {
        out.push(b',');
        operation.encode(out);
    }
    out.push(b']');
}

// ===== impl Operation =====

impl Operation {
    /// Appends the operation as JSON.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Operation::InsertLogicalSwitch { new, name, vni, replication_mode, description } => {
                out.extend_from_slice(br#"{"op":"insert","table":"Logical_Switch","uuid-name":"ls"#);
                number(out, *new);
                out.extend_from_slice(br#"","row":{"name":"#);
                json::write_string(out, name);
                out.push(b',');
                logical_switch_columns(out, Some(*vni), *replication_mode, description.as_deref());
                out.extend_from_slice(b"}}");
            }
            Operation::UpdateLogicalSwitch { row, vni, replication_mode, description } => {
                on_row(out, "update", "Logical_Switch", *row);
                out.extend_from_slice(br#","row":{"#);
                logical_switch_columns(out, *vni, *replication_mode, description.as_deref());
                out.extend_from_slice(b"}}");
            }
            Operation::DeleteLogicalSwitch { row } => delete(out, "Logical_Switch", *row),
            Operation::InsertLocator { ip } => {
                out.extend_from_slice(br#"{"op":"insert","table":"Physical_Locator","uuid-name":""#);
                locator_name(out, *ip);
                out.extend_from_slice(br#"","row":{"encapsulation_type":"vxlan_over_ipv4","dst_ip":""#);
                dotted(out, *ip);
                out.extend_from_slice(br#""}}"#);
            }
            Operation::InsertLocatorSet { new, locators } => {
                out.extend_from_slice(br#"{"op":"insert","table":"Physical_Locator_Set","uuid-name":"set"#);
                number(out, *new);
                out.extend_from_slice(br#"","row":{"locators":["set",["#);
                for (i, locator) in locators.iter().enumerate() {
                    comma(out, i);
                    locator_ref(out, *locator);
                }
                out.extend_from_slice(b"]]}}");
            }
            Operation::InsertFlood { logical_switch, set } => {
                out.extend_from_slice(
                    br#"{"op":"insert","table":"Mcast_Macs_Remote","row":{"MAC":"unknown-dst","logical_switch":"#,
                );
                logical_switch_ref(out, *logical_switch);
                out.push(b',');
                set_ref(out, *set);
                out.extend_from_slice(b"}}");
            }
            Operation::UpdateFlood { row, set } => {
                on_row(out, "update", "Mcast_Macs_Remote", *row);
                out.extend_from_slice(br#","row":{"#);
                set_ref(out, *set);
                out.extend_from_slice(b"}}");
            }
            Operation::DeleteMulticast { row } => delete(out, "Mcast_Macs_Remote", *row),
            Operation::ExpectBindings { port, bindings } => expect_bindings(out, *port, bindings),
            Operation::Bind { port, delete, insert } => bind(out, *port, delete, insert),
            Operation::InsertMac { logical_switch, mac, ip, locator } => {
                out.extend_from_slice(br#"{"op":"insert","table":"Ucast_Macs_Remote","row":{"MAC":""#);
                out.extend_from_slice(&mac.to_ascii());
                out.extend_from_slice(br#"","logical_switch":"#);
                logical_switch_ref(out, *logical_switch);
                out.push(b',');
                mac_columns(out, *ip, *locator);
                out.extend_from_slice(b"}}");
            }
            Operation::UpdateMac { row, ip, locator } => {
                on_row(out, "update", "Ucast_Macs_Remote", *row);
                out.extend_from_slice(br#","row":{"#);
                mac_columns(out, *ip, *locator);
                out.extend_from_slice(b"}}");
            }
            Operation::DeleteMac { row } => delete(out, "Ucast_Macs_Remote", *row),
            Operation::ConfigureTunnel { row, params, remote } => {
                let mut mutations = extras::mutations("bfd_params", params);
                mutations.extend(extras::mutations("bfd_config_remote", remote));
                on_row(out, "mutate", "Tunnel", *row);
                display(out, &format_args!(r#","mutations":{}}}"#, serde_json::Value::from(mutations)));
            }
            Operation::InsertManager { new, target } => {
                out.extend_from_slice(br#"{"op":"insert","table":"Manager","uuid-name":"manager"#);
                number(out, *new);
                out.extend_from_slice(br#"","row":{"target":"#);
                json::write_string(out, target);
                out.extend_from_slice(b"}}");
            }
            Operation::ReferManagers { global, new } => {
                on_row(out, "mutate", "Global", *global);
                out.extend_from_slice(br#","mutations":[["managers","insert",["set",["#);
                for (i, new) in new.iter().enumerate() {
                    comma(out, i);
                    display(out, &format_args!(r#"["named-uuid","manager{new}"]"#));
                }
                out.extend_from_slice(b"]]]]}");
            }
        }
    }
}

fn logical_switch_columns(
    out: &mut Vec<u8>,
    vni: Option<Vni>,
    mode: Option<ReplicationMode>,
    description: Option<&str>,
) {
    let start = out.len();
    if let Some(vni) = vni {
        out.extend_from_slice(br#""tunnel_key":"#);
        number(out, vni.get());
    }
    if let Some(mode) = mode {
        comma(out, out.len() - start);
        out.extend_from_slice(br#""replication_mode":""#);
        out.extend_from_slice(mode.as_str().as_bytes());
        out.push(b'"');
    }
    if let Some(description) = description {
        comma(out, out.len() - start);
        out.extend_from_slice(br#""description":"#);
        json::write_string(out, description);
    }
}

fn expect_bindings(out: &mut Vec<u8>, port: Uuid, bindings: &BTreeMap<u16, Uuid>) {
    on_row(out, "wait", "Physical_Port", port);
    out.extend_from_slice(br#","columns":["vlan_bindings"],"until":"==","rows":[{"vlan_bindings":["map",["#);
    for (i, (vlan, logical_switch)) in bindings.iter().enumerate() {
        comma(out, i);
        out.push(b'[');
        number(out, u32::from(*vlan));
        out.push(b',');
        json::write_uuid(out, *logical_switch);
        out.push(b']');
    }
    // Without a timeout it would wait for ever.
    out.extend_from_slice(br#"]]}],"timeout":0}"#);
}

fn bind(out: &mut Vec<u8>, port: Uuid, delete: &[u16], insert: &[(VlanId, LogicalSwitchRef)]) {
    on_row(out, "mutate", "Physical_Port", port);
    out.extend_from_slice(br#","mutations":["#);
    if !delete.is_empty() {
        out.extend_from_slice(br#"["vlan_bindings","delete",["set",["#);
        for (i, vlan) in delete.iter().enumerate() {
            comma(out, i);
            number(out, u32::from(*vlan));
        }
        out.extend_from_slice(b"]]]");
    }
    if !insert.is_empty() {
        comma(out, delete.len());
        out.extend_from_slice(br#"["vlan_bindings","insert",["map",["#);
        for (i, (vlan, logical_switch)) in insert.iter().enumerate() {
            comma(out, i);
            out.push(b'[');
            number(out, u32::from(vlan.get()));
            out.push(b',');
            logical_switch_ref(out, *logical_switch);
            out.push(b']');
        }
        out.extend_from_slice(b"]]]");
    }
    out.extend_from_slice(b"]}");
}

fn mac_columns(out: &mut Vec<u8>, ip: Option<IpAddr>, locator: LocatorRef) {
    out.extend_from_slice(br#""ipaddr":""#);
    match ip {
        Some(IpAddr::V4(ip)) => dotted(out, ip),
        Some(IpAddr::V6(ip)) => display(out, &ip),
        None => {}
    }
    out.extend_from_slice(br#"","locator":"#);
    locator_ref(out, locator);
}

fn delete(out: &mut Vec<u8>, table: &str, row: Uuid) {
    on_row(out, "delete", table, row);
    out.push(b'}');
}

/// `where` by `_uuid` alone: any other condition scans the table.
fn on_row(out: &mut Vec<u8>, op: &str, table: &str, row: Uuid) {
    for part in [r#"{"op":""#, op, r#"","table":""#, table, r#"","where":[["_uuid","==","#] {
        out.extend_from_slice(part.as_bytes());
    }
    json::write_uuid(out, row);
    out.extend_from_slice(b"]]");
}

fn logical_switch_ref(out: &mut Vec<u8>, logical_switch: LogicalSwitchRef) {
    match logical_switch {
        LogicalSwitchRef::Row(row) => json::write_uuid(out, row),
        LogicalSwitchRef::New(new) => {
            out.extend_from_slice(br#"["named-uuid","ls"#);
            number(out, new);
            out.extend_from_slice(br#""]"#);
        }
    }
}

fn locator_ref(out: &mut Vec<u8>, locator: LocatorRef) {
    match locator {
        LocatorRef::Row(row) => json::write_uuid(out, row),
        LocatorRef::New(ip) => {
            out.extend_from_slice(br#"["named-uuid",""#);
            locator_name(out, ip);
            out.extend_from_slice(br#""]"#);
        }
    }
}

fn set_ref(out: &mut Vec<u8>, set: u32) {
    out.extend_from_slice(br#""locator_set":["named-uuid","set"#);
    number(out, set);
    out.extend_from_slice(br#""]"#);
}

/// A `uuid-name` is an `<id>`: letters, digits and underscores.
fn locator_name(out: &mut Vec<u8>, ip: Ipv4Addr) {
    out.extend_from_slice(b"vtep");
    for octet in ip.octets() {
        out.push(b'_');
        number(out, octet);
    }
}

fn number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn dotted(out: &mut Vec<u8>, ip: Ipv4Addr) {
    for (i, octet) in ip.octets().into_iter().enumerate() {
        if i > 0 {
            out.push(b'.');
        }
        number(out, octet);
    }
}

fn display(out: &mut Vec<u8>, value: &dyn std::fmt::Display) {
    // Writing into a Vec can't fail.
    let _ = write!(out, "{value}");
}

fn comma(out: &mut Vec<u8>, before: usize) {
    if before > 0 {
        out.push(b',');
    }
}
