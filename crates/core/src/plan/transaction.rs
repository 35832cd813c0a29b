//! A transaction in the making: operations, and the keys that they serve.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use uuid::Uuid;

use super::RowKey;
use crate::{
    model::{
        NetworkId, VlanId, Vni,
        event::Action,
        indexed::{FastMap, FastSet},
    },
    vtep::{LocatorRef, LogicalSwitchRef, Operation, Replica},
};

/// Operations that are committed together.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    /// In the order in which they are sent.
    pub operations: Vec<Operation>,
    /// For each operation the index of the key that it serves, for the blame when it fails.
    owners: Vec<u32>,
    /// The keys that the transaction serves, each once.
    pub keys: Vec<RowKey>,
    served: FastSet<RowKey>,
    /// Rows, for people.
    pub row_counts: RowCounts,
    /// Locators that it inserts.
    pub locators: FastSet<Ipv4Addr>,
    /// Logical_Switches that it inserts.
    logical_switches: FastMap<NetworkId, u32>,
    /// VNIs that it gives to a network's Logical_Switch.
    vnis: FastMap<Vni, NetworkId>,
    /// Ports whose bindings it changes. All changes of a port are one operation: they wait for the port's state before.
    ports: BTreeMap<Uuid, PortEdit>,
    new: u32,
}

#[derive(Debug, Clone, Default)]
struct PortEdit {
    key: u32,
    delete: BTreeSet<u16>,
    insert: BTreeMap<VlanId, LogicalSwitchRef>,
}

/// Rows that a plan changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Inserted.
    pub inserts: u64,
    /// Updated; a binding counts as an update of its port.
    pub updates: u64,
    /// Deleted.
    pub deletes: u64,
}

// ===== impl RowCounts =====

impl std::ops::AddAssign for RowCounts {
    fn add_assign(&mut self, other: Self) {
        self.inserts += other.inserts;
        self.updates += other.updates;
        self.deletes += other.deletes;
    }
}

// ===== impl Transaction =====

impl Transaction {
    /// Number of operations so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations.len() + 2 * self.ports.len()
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The key that an operation serves.
    #[must_use]
    pub fn key_of(&self, operation: usize) -> Option<RowKey> {
        self.keys.get(*self.owners.get(operation)? as usize).copied()
    }

    /// The keys for which it inserts rows.
    #[must_use]
    pub fn inserting(&self) -> FastSet<RowKey> {
        let inserts = |operation: &Operation| operation.action() == Some(Action::Insert);
        let numbers = (0..self.operations.len()).filter(|number| inserts(&self.operations[*number]));
        numbers.filter_map(|number| self.key_of(number)).collect()
    }

    /// The ports whose bindings it changes.
    pub fn ports(&self) -> impl Iterator<Item = Uuid> {
        self.ports.keys().copied()
    }

    /// Completes the transaction: the changes of each port become its operations.
    #[must_use]
    pub fn finish(mut self, actual: &Replica) -> Self {
        for (port, edit) in &self.ports {
            let bindings = actual.port(*port).map(|row| row.bindings.clone()).unwrap_or_default();
            let delete = edit.delete.iter().copied().collect();
            let insert = edit.insert.iter().map(|(vlan, logical_switch)| (*vlan, *logical_switch)).collect();
            self.operations.push(Operation::ExpectBindings { port: *port, bindings });
            self.operations.push(Operation::Bind { port: *port, delete, insert });
            self.owners.extend([edit.key; 2]);
            self.row_counts.updates += 1;
        }
        self
    }

    /// Whether it serves the key already.
    pub(super) fn serves(&self, key: &RowKey) -> bool {
        self.served.contains(key)
    }

    /// Opens a key: the operations that follow serve it.
    pub(super) fn serve(&mut self, key: RowKey) {
        if self.served.insert(key) {
            self.keys.push(key);
        }
    }

    pub(super) fn push(&mut self, operation: Operation) {
        match operation.action().filter(|_| !operation.is_collected()) {
            Some(Action::Insert) => self.row_counts.inserts += 1,
            Some(Action::Update) => self.row_counts.updates += 1,
            Some(Action::Delete) => self.row_counts.deletes += 1,
            None => {}
        }
        self.operations.push(operation);
        self.owners.push(index(self.keys.len()));
    }

    /// VNIs that it gives to a network's Logical_Switch.
    pub(super) fn vnis(&self) -> impl Iterator<Item = (Vni, NetworkId)> {
        self.vnis.iter().map(|(vni, network)| (*vni, *network))
    }

    /// The network to which it gives this VNI.
    pub(super) fn taker(&self, vni: Vni) -> Option<NetworkId> {
        self.vnis.get(&vni).copied()
    }

    pub(super) fn take_vni(&mut self, vni: Vni, network: NetworkId) {
        self.vnis.insert(vni, network);
    }

    /// A number for a row that the transaction inserts.
    pub(super) fn number(&mut self) -> u32 {
        self.new += 1;
        self.new
    }

    pub(super) fn insert_logical_switch(&mut self, network: NetworkId, new: u32) {
        self.logical_switches.insert(network, new);
    }

    /// The Logical_Switch of a network that the transaction itself inserts.
    pub(super) fn new_logical_switch(&self, network: NetworkId) -> Option<LogicalSwitchRef> {
        self.logical_switches.get(&network).map(|new| LogicalSwitchRef::New(*new))
    }

    /// The locator of a VTEP; inserts it where the switch has none.
    pub(super) fn locate(&mut self, ip: Ipv4Addr, actual: &Replica) -> LocatorRef {
        if let Some((_, row)) = actual.locator(ip) {
            return LocatorRef::Row(row);
        }
        if self.locators.insert(ip) {
            self.push(Operation::InsertLocator { ip });
        }
        LocatorRef::New(ip)
    }

    /// A set of the locators of these VTEPs, by its number.
    pub(super) fn locator_set(&mut self, ips: &[Ipv4Addr], actual: &Replica) -> u32 {
        let locators = ips.iter().map(|ip| self.locate(*ip, actual)).collect();
        let new = self.number();
        self.push(Operation::InsertLocatorSet { new, locators });
        new
    }

    pub(super) fn unbind(&mut self, port: Uuid, vlan: u16) {
        self.edit(port).delete.insert(vlan);
    }

    pub(super) fn bind(&mut self, port: Uuid, vlan: VlanId, logical_switch: LogicalSwitchRef) {
        self.edit(port).insert.insert(vlan, logical_switch);
    }

    fn edit(&mut self, port: Uuid) -> &mut PortEdit {
        let key = index(self.keys.len());
        self.ports.entry(port).or_insert_with(|| PortEdit { key, ..PortEdit::default() })
    }
}

fn index(keys: usize) -> u32 {
    u32::try_from(keys.saturating_sub(1)).unwrap_or(u32::MAX)
}
