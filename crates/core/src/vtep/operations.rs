//! Operations on `hardware_vtep` (RFC 7047 section 5.2), as types and as the bytes of a `transact`.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use uuid::Uuid;

use super::{
    DATABASE, Strings,
    rows::ReplicationMode,
    table::ColumnName,
    tables::{Global, PhysicalPort, TunnelRow, declared},
    write::{self, Elements},
};
use ovsdb::json;

use crate::model::{MacAddr, VlanId, Vni, event::Action};

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
    /// What it does to a row of its own; `None`: it checks or changes columns of a row that others share.
    #[must_use]
    #[inline]
    pub fn action(&self) -> Option<Action> {
        match self {
            Operation::InsertLogicalSwitch { .. }
            | Operation::InsertFlood { .. }
            | Operation::InsertMac { .. }
            | Operation::InsertManager { .. }
            | Operation::InsertLocator { .. }
            | Operation::InsertLocatorSet { .. } => Some(Action::Insert),
            Operation::UpdateLogicalSwitch { .. }
            | Operation::UpdateFlood { .. }
            | Operation::UpdateMac { .. }
            | Operation::ConfigureTunnel { .. } => Some(Action::Update),
            Operation::DeleteLogicalSwitch { .. } | Operation::DeleteMulticast { .. } | Operation::DeleteMac { .. } => {
                Some(Action::Delete)
            }
            Operation::ExpectBindings { .. } | Operation::ReferManagers { .. } | Operation::Bind { .. } => None,
        }
    }

    /// Whether the row lives as long as those that refer to it: it is not counted then.
    #[must_use]
    #[inline]
    pub fn is_collected(&self) -> bool {
        matches!(self, Operation::InsertLocator { .. } | Operation::InsertLocatorSet { .. })
    }

    /// Appends the operation as JSON.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Operation::InsertLogicalSwitch { new, name, vni, replication_mode, description } => {
                write::insert_named::<declared::LogicalSwitch>(out, write::numbered("ls", *new))
                    .name(Some(name))
                    .tunnel_key(Some(*vni))
                    .replication_mode(*replication_mode)
                    .description(description.as_deref())
                    .end();
            }
            Operation::UpdateLogicalSwitch { row, vni, replication_mode, description } => {
                write::update::<declared::LogicalSwitch>(out, *row)
                    .tunnel_key(*vni)
                    .replication_mode(*replication_mode)
                    .description(description.as_deref())
                    .end();
            }
            Operation::DeleteLogicalSwitch { row } => write::delete::<declared::LogicalSwitch>(out, *row),
            Operation::InsertLocator { ip } => {
                write::insert_named::<declared::PhysicalLocator>(out, |out| write::locator_name(out, *ip))
                    .other_encapsulation(Some("vxlan_over_ipv4"))
                    .ip(Some(*ip))
                    .end();
            }
            Operation::InsertLocatorSet { new, locators } => {
                write::insert_named::<declared::PhysicalLocatorSet>(out, write::numbered("set", *new))
                    .locators(Some(locators))
                    .end();
            }
            Operation::InsertFlood { logical_switch, set } => {
                write::insert::<declared::McastMacsRemote>(out)
                    .unknown_dst(Some("unknown-dst"))
                    .logical_switch(Some(*logical_switch))
                    .set(Some(*set))
                    .end();
            }
            Operation::UpdateFlood { row, set } => {
                write::update::<declared::McastMacsRemote>(out, *row).set(Some(*set)).end();
            }
            Operation::DeleteMulticast { row } => write::delete::<declared::McastMacsRemote>(out, *row),
            Operation::ExpectBindings { port, bindings } => {
                let column = ColumnName::<PhysicalPort>::bindings();
                write::wait::<declared::PhysicalPort>(out, *port, column, |row| row.bindings(Some(bindings)));
            }
            Operation::Bind { port, delete, insert } => {
                let column = ColumnName::<PhysicalPort>::bindings();
                let (delete, insert) = (Elements::Vlans(delete), Elements::Bindings(insert));
                let mutations = [(column, "delete", delete), (column, "insert", insert)];
                write::mutate::<declared::PhysicalPort>(out, *port, mutations);
            }
            Operation::InsertMac { logical_switch, mac, ip, locator } => {
                write::insert::<declared::UcastMacsRemote>(out)
                    .mac(Some(*mac))
                    .logical_switch(Some(*logical_switch))
                    .ip(Some(*ip))
                    .locator(Some(*locator))
                    .end();
            }
            Operation::UpdateMac { row, ip, locator } => {
                write::update::<declared::UcastMacsRemote>(out, *row).ip(Some(*ip)).locator(Some(*locator)).end();
            }
            Operation::DeleteMac { row } => write::delete::<declared::UcastMacsRemote>(out, *row),
            Operation::ConfigureTunnel { row, params, remote } => {
                // `insert` leaves a key that is there as it is.
                let changes = [
                    (ColumnName::<TunnelRow>::bfd_params(), params),
                    (ColumnName::<TunnelRow>::bfd_config_remote(), remote),
                ];
                let [params, remote] = changes.map(|(column, pairs)| {
                    [(column, "delete", Elements::Keys(pairs)), (column, "insert", Elements::Pairs(pairs))]
                });
                write::mutate::<declared::Tunnel>(out, *row, params.into_iter().chain(remote));
            }
            Operation::InsertManager { new, target } => {
                write::insert_named::<declared::Manager>(out, write::numbered("manager", *new))
                    .target(Some(target))
                    .end();
            }
            Operation::ReferManagers { global, new } => {
                let managers = ColumnName::<Global>::managers();
                write::mutate::<declared::Global>(out, *global, [(managers, "insert", Elements::New("manager", new))]);
            }
        }
    }
}
