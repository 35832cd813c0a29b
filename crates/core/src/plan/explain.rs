//! A transaction in words: which row is inserted, updated or deleted, and why. For people, and for the audit log.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use uuid::Uuid;

use super::{Planner, RowKey, Transaction, Wanted};
use crate::{
    model::{
        MacAddr, NetworkId,
        event::{Action, PlannedRow},
    },
    vtep::{
        ColumnName, LocatorRef, LogicalSwitchRef, Operation, ReplicationMode, Table,
        rows::{LogicalSwitch, RowIp},
    },
};

/// Why rows are deleted of a network that no connection binds here.
const UNCONNECTED: &str = "no connection brings the network to this switch";

/// What the operations of a transaction refer to by number.
#[derive(Default)]
struct Numbered<'a> {
    logical_switches: HashMap<u32, &'a str>,
    sets: HashMap<u32, &'a [LocatorRef]>,
}

impl Planner<'_> {
    /// At most `limit` rows of a finished transaction, compared with what the switch holds now: call it before the transaction
    /// is sent. Locators and their sets live as long as the rows that refer to them, and are shown with those.
    #[must_use]
    pub fn explain(&self, transaction: &Transaction, limit: usize) -> Vec<PlannedRow> {
        let (mut rows, mut numbered) = (Vec::new(), Numbered::default());
        for (i, operation) in transaction.operations.iter().enumerate() {
            if rows.len() >= limit {
                break;
            }
            let key = transaction.key_of(i);
            match operation {
                Operation::InsertLocatorSet { new, locators } => drop(numbered.sets.insert(*new, locators)),
                Operation::InsertLogicalSwitch { new, name, .. } => {
                    numbered.logical_switches.insert(*new, name);
                    rows.extend(self.explain_network(operation, key, &numbered));
                }
                Operation::Bind { port, delete, insert } => {
                    self.explain_bindings(*port, delete, insert, &numbered, &mut rows);
                }
                Operation::InsertMac { .. } | Operation::UpdateMac { .. } | Operation::DeleteMac { .. } => {
                    rows.extend(self.explain_mac(operation, key));
                }
                Operation::ConfigureTunnel { row, params, remote } => {
                    let pairs = params.iter().chain(remote).map(|(key, value)| format!("{key}={value}"));
                    let (change, row) = (pairs.collect::<Vec<_>>().join(" "), self.tunnel_in_words(*row));
                    rows.push(own_row(Action::Update, Table::Tunnel, row, change));
                }
                Operation::InsertManager { target, .. } => {
                    rows.push(own_row(Action::Insert, Table::Manager, target.clone(), String::new()));
                }
                Operation::InsertLocator { .. }
                | Operation::ExpectBindings { .. }
                | Operation::ReferManagers { .. } => {}
                _ => rows.extend(self.explain_network(operation, key, &numbered)),
            }
        }
        rows.truncate(limit);
        rows
    }

    /// `192.0.2.1 -> 198.51.100.11`
    fn tunnel_in_words(&self, row: Uuid) -> String {
        let ends =
            self.actual.tunnel(row).map(|tunnel| (self.actual.vtep(tunnel.local), self.actual.vtep(tunnel.remote)));
        match ends {
            Some((Some(local), Some(remote))) => format!("{local} -> {remote}"),
            _ => row.to_string(),
        }
    }

    fn explain_network(
        &self,
        operation: &Operation,
        key: Option<RowKey>,
        numbered: &Numbered<'_>,
    ) -> Option<PlannedRow> {
        let network = key.map(network_of)?;
        let network = network.or_else(|| self.network_of_binding(key));
        let wanted = network.is_some_and(|network| matches!(self.wanted(network), Wanted::Yes(_)));
        let row = |action, table: Table, row: String, change, reason: Option<&'static str>| PlannedRow {
            action,
            table: table.name(),
            row,
            change,
            reason: reason.unwrap_or_else(|| table.reason(action)).to_owned(),
            network_id: network,
        };
        let unconnected = (!wanted).then_some(UNCONNECTED);
        let flood = |logical_switch| format!("unknown-dst of {logical_switch}");
        Some(match operation {
            Operation::InsertLogicalSwitch { name, vni, .. } => {
                row(Action::Insert, Table::LogicalSwitch, name.clone(), format!("VNI {vni}"), None)
            }
            Operation::UpdateLogicalSwitch { row: uuid, vni, replication_mode, description } => {
                let index = self.actual.logical_switch_index(*uuid)?;
                let old = self.actual.logical_switch(index)?;
                let mut changes = Vec::new();
                if let Some(vni) = vni {
                    let was = old.tunnel_key.map_or_else(|| "none".to_owned(), |key| key.to_string());
                    changes.push(format!("{} {was} -> {vni}", ColumnName::<LogicalSwitch>::tunnel_key()));
                }
                if let Some(mode) = replication_mode {
                    let was = old.replication_mode.map_or("none", ReplicationMode::as_str);
                    let column = ColumnName::<LogicalSwitch>::replication_mode();
                    changes.push(format!("{column} {was} -> {}", mode.as_str()));
                }
                if let Some(description) = description {
                    let column = ColumnName::<LogicalSwitch>::description();
                    changes.push(format!("{column} {:?} -> {description:?}", old.description));
                }
                row(Action::Update, Table::LogicalSwitch, old.name.clone(), changes.join(", "), None)
            }
            Operation::DeleteLogicalSwitch { row: uuid } => {
                let name = self.name_of(LogicalSwitchRef::Row(*uuid), numbered);
                row(Action::Delete, Table::LogicalSwitch, name, String::new(), unconnected)
            }
            Operation::InsertFlood { logical_switch, set } => {
                let name = self.name_of(*logical_switch, numbered);
                row(Action::Insert, Table::McastMacsRemote, flood(name), self.set(*set, numbered), None)
            }
            Operation::UpdateFlood { row: uuid, set } => {
                let old = self.actual.multicast_row(*uuid)?;
                let name = self.name_of(self.row_ref(old.logical_switch), numbered);
                let change = format!("{} -> {}", list(self.actual.members(old.set)), self.set(*set, numbered));
                row(Action::Update, Table::McastMacsRemote, flood(name), change, None)
            }
            Operation::DeleteMulticast { row: uuid } => {
                let old = self.actual.multicast_row(*uuid)?;
                let name = self.name_of(self.row_ref(old.logical_switch), numbered);
                row(Action::Delete, Table::McastMacsRemote, flood(name), String::new(), unconnected)
            }
            // A row without a valid MAC is deleted with its network.
            Operation::DeleteMac { row: uuid } => {
                let reason = Some("its MAC is not valid");
                row(Action::Delete, Table::UcastMacsRemote, uuid.to_string(), String::new(), reason)
            }
            _ => return None,
        })
    }

    fn explain_mac(&self, operation: &Operation, key: Option<RowKey>) -> Option<PlannedRow> {
        let Some(RowKey::Mac(network, mac)) = key else {
            return self.explain_network(operation, key, &Numbered::default());
        };
        let row = |action, change, reason: &str| PlannedRow {
            action,
            table: Table::UcastMacsRemote.name(),
            row: mac.to_string(),
            change,
            reason: reason.to_owned(),
            network_id: Some(network),
        };
        Some(match operation {
            Operation::InsertMac { ip, locator, .. } => {
                let reason = if self.is_learned(network, mac) {
                    "it was learned behind another gateway, and it is missing"
                } else {
                    "a port of the network has it, and it is missing"
                };
                row(Action::Insert, self.place(*ip, *locator), reason)
            }
            Operation::UpdateMac { row: uuid, ip, locator } => {
                let old = self.unicast(network, mac, *uuid)?;
                let reason = if self.is_learned(network, mac) {
                    "differs from where it was learned"
                } else {
                    "differs from the network's port"
                };
                row(Action::Update, format!("{old} -> {}", self.place(*ip, *locator)), reason)
            }
            Operation::DeleteMac { .. } => {
                let reason = match self.wanted(network) {
                    Wanted::Yes(intent) if self.desired_mac(intent, mac).is_some() => "it is a duplicate",
                    Wanted::Yes(intent) if intent.contested.get(mac).is_some() => {
                        "several hosts claim it, so it is flooded"
                    }
                    Wanted::Yes(_) => "no port of the network has it, and it is learned nowhere else",
                    Wanted::No | Wanted::Unclear => UNCONNECTED,
                };
                row(Action::Delete, String::new(), reason)
            }
            _ => return None,
        })
    }

    /// Whether a switch reported the MAC, and no port has it.
    fn is_learned(&self, network: NetworkId, mac: MacAddr) -> bool {
        match self.wanted(network) {
            Wanted::Yes(intent) => intent.macs.get(mac).is_none(),
            Wanted::No | Wanted::Unclear => false,
        }
    }

    fn explain_bindings(
        &self,
        port: Uuid,
        delete: &[u16],
        insert: &[(crate::model::VlanId, LogicalSwitchRef)],
        numbered: &Numbered<'_>,
        rows: &mut Vec<PlannedRow>,
    ) {
        let actual = self.actual.port(port);
        let name = actual.map_or_else(|| port.to_string(), |row| row.name.clone());
        let bound = |vlan: u16| {
            let uuid = *actual?.bindings.get(&vlan)?;
            Some(self.name_of(LogicalSwitchRef::Row(uuid), numbered))
        };
        let mut push = |action, vlan: u16, change, network_id| {
            rows.push(PlannedRow {
                action,
                table: Table::PhysicalPort.name(),
                row: format!("{name} VLAN {vlan}"),
                change,
                reason: Table::PhysicalPort.reason(action).to_owned(),
                network_id,
            });
        };
        for (vlan, logical_switch) in insert {
            let new = self.name_of(*logical_switch, numbered);
            let network = self.desired.binding(self.actual, port, vlan.get()).map(|bound| bound.network);
            match bound(vlan.get()).filter(|_| delete.contains(&vlan.get())) {
                Some(old) => push(Action::Update, vlan.get(), format!("{old} -> {new}"), network),
                None => push(Action::Insert, vlan.get(), new, network),
            }
        }
        for vlan in delete.iter().filter(|vlan| insert.iter().all(|(new, _)| new.get() != **vlan)) {
            let network = self.network_of_binding(Some(RowKey::Binding(port, *vlan)));
            push(Action::Delete, *vlan, bound(*vlan).unwrap_or_default(), network);
        }
    }

    /// The network that a VLAN of a port is bound to now.
    fn network_of_binding(&self, key: Option<RowKey>) -> Option<NetworkId> {
        let Some(RowKey::Binding(port, vlan)) = key else { return None };
        let bound = *self.actual.port(port)?.bindings.get(&vlan)?;
        self.owner(self.actual.logical_switch_index(bound)?)
    }

    fn row_ref(&self, index: crate::vtep::LogicalSwitchIndex) -> LogicalSwitchRef {
        LogicalSwitchRef::Row(self.actual.logical_switch_uuid(index))
    }

    fn name_of(&self, logical_switch: LogicalSwitchRef, numbered: &Numbered<'_>) -> String {
        match logical_switch {
            LogicalSwitchRef::New(new) => numbered.logical_switches.get(&new).map_or("new", |name| name).to_owned(),
            LogicalSwitchRef::Row(uuid) => {
                let index = self.actual.logical_switch_index(uuid);
                let row = index.and_then(|index| self.actual.logical_switch(index));
                row.map_or_else(|| uuid.to_string(), |row| row.name.clone())
            }
        }
    }

    fn set(&self, set: u32, numbered: &Numbered<'_>) -> String {
        list(numbered.sets.get(&set).into_iter().copied().flatten().filter_map(|locator| self.ip(*locator)))
    }

    fn ip(&self, locator: LocatorRef) -> Option<Ipv4Addr> {
        match locator {
            LocatorRef::Row(uuid) => self.actual.vtep_of(uuid),
            LocatorRef::New(ip) => Some(ip),
        }
    }

    fn place(&self, ip: Option<IpAddr>, locator: LocatorRef) -> String {
        place(ip.as_ref().map(ToString::to_string), self.ip(locator))
    }

    /// What a row of Ucast_Macs_Remote says now.
    fn unicast(&self, network: NetworkId, mac: MacAddr, uuid: Uuid) -> Option<String> {
        let (chosen, surplus) = self.logical_switches(network);
        let mut rows = chosen.into_iter().chain(surplus).flat_map(|index| self.actual.macs_with(index, mac));
        let row = rows.find(|row| row.uuid == uuid)?;
        let ip = match row.ip {
            RowIp::None => None,
            RowIp::V4(ip) => Some(ip.to_string()),
            RowIp::V6(ip) => Some(ip.to_string()),
            RowIp::Other => Some("no address".to_owned()),
        };
        Some(place(ip, self.actual.vtep(row.locator)))
    }
}

/// A row that plumgrid.ini asks for.
fn own_row(action: Action, table: Table, row: String, change: String) -> PlannedRow {
    let reason = table.reason(action).to_owned();
    PlannedRow { action, table: table.name(), row, change, reason, network_id: None }
}

fn network_of(key: RowKey) -> Option<NetworkId> {
    match key {
        RowKey::Network(network) | RowKey::Mac(network, _) => Some(network),
        RowKey::Binding(..) | RowKey::Tunnel(_) | RowKey::Table(_) => None,
    }
}

/// `10.0.0.11 at 198.51.100.11`
fn place(ip: Option<String>, vtep: Option<Ipv4Addr>) -> String {
    let vtep = vtep.map_or_else(|| "another tunnel".to_owned(), |vtep| vtep.to_string());
    match ip {
        Some(ip) => format!("{ip} at {vtep}"),
        None => format!("at {vtep}"),
    }
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    const SHOWN: usize = 8;
    let mut items = items.into_iter();
    let shown: Vec<String> = items.by_ref().take(SHOWN).map(|item| item.to_string()).collect();
    let more = items.count();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    if shown.is_empty() { "nobody".to_owned() } else { format!("{}{more}", shown.join(", ")) }
}
