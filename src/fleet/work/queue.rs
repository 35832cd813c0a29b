//! Keys that wait to be looked at.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use uuid::Uuid;

use crate::{
    model::{MacAddr, NetworkId},
    plan::{Audit, Key},
};

/// Changed MACs of one network that wait at most; what an audit found may be more.
const MAX_CHANGES: usize = 100_000;

/// See the module.
#[derive(Debug, Default)]
pub(in crate::fleet) struct Queue {
    networks: BTreeSet<NetworkId>,
    bindings: BTreeSet<(Uuid, u16)>,
    /// Tunnels, managers.
    extras: BTreeSet<Key>,
    macs: BTreeMap<NetworkId, VecDeque<MacAddr>>,
    /// Networks of which so many MACs wait that comparing all of them costs less.
    overfull: BTreeSet<NetworkId>,
    /// Halves of transactions that failed: sent apart, until the row at fault is alone.
    halves: VecDeque<Vec<Key>>,
}

// ===== impl Queue =====

impl Queue {
    pub(in crate::fleet) fn push(&mut self, key: Key) {
        match key {
            Key::Network(network) => drop(self.networks.insert(network)),
            Key::Binding(port, vlan) => drop(self.bindings.insert((port, vlan))),
            Key::Tunnel(_) | Key::Managers => drop(self.extras.insert(key)),
            Key::Mac(network, mac) => {
                let macs = self.macs.entry(network).or_default();
                if macs.len() >= MAX_CHANGES {
                    // A MAC may wait many times over: nothing is taken from the queue while somebody else writes.
                    self.overfull.insert(network);
                } else {
                    macs.push_back(mac);
                }
            }
        }
    }

    pub(in crate::fleet) fn extend(&mut self, keys: impl IntoIterator<Item = Key>) {
        keys.into_iter().for_each(|key| self.push(key));
    }

    pub(in crate::fleet) fn push_audit(&mut self, audit: Audit) {
        self.networks.extend(audit.networks);
        self.bindings.extend(audit.bindings);
        self.extras.extend(audit.extras);
        for (network, macs) in audit.macs {
            self.macs.entry(network).or_default().extend(macs);
        }
    }

    /// Networks of which everything is to be compared: changes of theirs had no room.
    pub(super) fn take_overfull(&mut self) -> BTreeSet<NetworkId> {
        std::mem::take(&mut self.overfull)
    }

    /// The half of a failed transaction that comes next.
    pub(in crate::fleet) fn pop_half(&mut self) -> Option<Vec<Key>> {
        self.halves.pop_front()
    }

    /// A transaction failed as a whole: its halves are sent apart.
    pub(in crate::fleet) fn bisect(&mut self, mut keys: Vec<Key>) {
        let rest = keys.split_off(keys.len().div_ceil(2));
        self.halves.push_front(rest);
        self.halves.push_front(keys);
    }

    /// Sends the rest of a transaction again, whose row at fault is known.
    pub(in crate::fleet) fn again(&mut self, keys: Vec<Key>) {
        if !keys.is_empty() {
            self.halves.push_front(keys);
        }
    }

    /// The next key: what makes traffic possible comes first, then the MACs of one network after the other.
    pub(in crate::fleet) fn pop(&mut self) -> Option<Key> {
        if let Some(network) = self.networks.pop_first() {
            return Some(Key::Network(network));
        }
        if let Some((port, vlan)) = self.bindings.pop_first() {
            return Some(Key::Binding(port, vlan));
        }
        if let Some(key) = self.extras.pop_first() {
            return Some(key);
        }
        let mut entry = self.macs.first_entry()?;
        let network = *entry.key();
        let mac = entry.get_mut().pop_front();
        if entry.get().is_empty() {
            entry.remove();
        }
        mac.map(|mac| Key::Mac(network, mac))
    }

    pub(in crate::fleet) fn is_empty(&self) -> bool {
        self.networks.is_empty()
            && self.bindings.is_empty()
            && self.extras.is_empty()
            && self.macs.is_empty()
            && self.overfull.is_empty()
            && self.halves.is_empty()
    }

    /// Adds the number of rows that wait, by network.
    pub(super) fn count(&self, rows: &mut BTreeMap<NetworkId, u64>) {
        for network in &self.networks {
            *rows.entry(*network).or_default() += 1;
        }
        for (network, macs) in &self.macs {
            *rows.entry(*network).or_default() += macs.len() as u64;
        }
        for network in self.halves.iter().flatten().filter_map(Key::network) {
            *rows.entry(network).or_default() += 1;
        }
    }
}
