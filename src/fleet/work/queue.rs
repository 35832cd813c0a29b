//! Keys that wait to be looked at.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Bound,
};

use uuid::Uuid;

use crate::{
    model::{MacAddr, NetworkId},
    plan::{Audit, RowKey},
};

/// Changed MACs of one network that wait at most; what an audit found may be more.
const MAX_CHANGES: usize = 100_000;

/// See the module.
#[derive(Debug, Default)]
pub(in crate::fleet) struct Queue {
    networks: BTreeSet<NetworkId>,
    bindings: BTreeSet<(Uuid, u16)>,
    /// Tunnels, managers.
    extras: BTreeSet<RowKey>,
    macs: Macs,
    /// MACs that other switches have learned. One of them may bring tens of thousands: compute nodes' don't wait for these.
    relayed: Macs,
    /// Networks of which so many MACs wait that comparing all of them costs less.
    overfull: BTreeSet<NetworkId>,
    /// Halves of transactions that failed: sent apart, until the row at fault is alone.
    halves: VecDeque<Vec<RowKey>>,
}

/// MACs that wait, by network.
#[derive(Debug, Default)]
struct Macs {
    of_network: BTreeMap<NetworkId, VecDeque<MacAddr>>,
    /// The network whose turn it is, and how many MACs it had in this turn.
    turn: Option<(NetworkId, usize)>,
}

/// MACs of one network that are taken before it is another's turn: few enough that a network with one waits for
/// milliseconds, and enough that the MACs of one share transactions.
const TURN: usize = 64;

// ===== impl Macs =====

impl Macs {
    /// `false`: too many wait.
    fn push(&mut self, network: NetworkId, mac: MacAddr) -> bool {
        let macs = self.of_network.entry(network).or_default();
        // A MAC may wait many times over: nothing is taken from the queue while another controller writes.
        let has_room = macs.len() < MAX_CHANGES;
        if has_room {
            macs.push_back(mac);
        }
        has_room
    }

    fn pop(&mut self) -> Option<(NetworkId, MacAddr)> {
        let (network, taken) = match self.turn {
            Some((network, taken)) if taken < TURN && self.of_network.contains_key(&network) => (network, taken),
            Some((network, _)) => (self.after(network)?, 0),
            None => (*self.of_network.first_key_value()?.0, 0),
        };
        self.turn = Some((network, taken + 1));
        let macs = self.of_network.get_mut(&network)?;
        let mac = macs.pop_front()?;
        if macs.is_empty() {
            self.of_network.remove(&network);
        }
        Some((network, mac))
    }

    fn after(&self, network: NetworkId) -> Option<NetworkId> {
        let next = self.of_network.range((Bound::Excluded(network), Bound::Unbounded)).next();
        next.or_else(|| self.of_network.first_key_value()).map(|(network, _)| *network)
    }
}

// ===== impl Queue =====

impl Queue {
    pub(in crate::fleet) fn push(&mut self, key: RowKey) {
        match key {
            RowKey::Network(network) => drop(self.networks.insert(network)),
            RowKey::Binding(port, vlan) => drop(self.bindings.insert((port, vlan))),
            RowKey::Tunnel(_) | RowKey::Table(_) => drop(self.extras.insert(key)),
            RowKey::Mac(network, mac) => {
                if !self.macs.push(network, mac) {
                    self.overfull.insert(network);
                }
            }
        }
    }

    /// A MAC that another switch has learned: it comes after all others.
    pub(in crate::fleet) fn push_relayed(&mut self, network: NetworkId, mac: MacAddr) {
        if !self.relayed.push(network, mac) {
            self.overfull.insert(network);
        }
    }

    pub(in crate::fleet) fn extend(&mut self, keys: impl IntoIterator<Item = RowKey>) {
        keys.into_iter().for_each(|key| self.push(key));
    }

    pub(in crate::fleet) fn push_audit(&mut self, audit: Audit) {
        self.networks.extend(audit.networks);
        self.bindings.extend(audit.bindings);
        self.extras.extend(audit.extras);
        for (network, macs) in audit.macs {
            self.macs.of_network.entry(network).or_default().extend(macs);
        }
        for (network, macs) in audit.relayed {
            self.relayed.of_network.entry(network).or_default().extend(macs);
        }
    }

    /// Networks of which everything is to be compared: changes of theirs had no room.
    pub(super) fn take_overfull(&mut self) -> BTreeSet<NetworkId> {
        std::mem::take(&mut self.overfull)
    }

    /// The half of a failed transaction that comes next.
    pub(in crate::fleet) fn pop_half(&mut self) -> Option<Vec<RowKey>> {
        self.halves.pop_front()
    }

    /// A transaction failed as a whole: its halves are sent apart.
    pub(in crate::fleet) fn bisect(&mut self, mut keys: Vec<RowKey>) {
        let rest = keys.split_off(keys.len().div_ceil(2));
        self.halves.push_front(rest);
        self.halves.push_front(keys);
    }

    /// Sends the rest of a transaction again, whose row at fault is known.
    pub(in crate::fleet) fn again(&mut self, keys: Vec<RowKey>) {
        if !keys.is_empty() {
            self.halves.push_front(keys);
        }
    }

    /// The next key: what makes traffic possible comes first, then MACs, of which networks have turns.
    pub(in crate::fleet) fn pop(&mut self) -> Option<RowKey> {
        if let Some(network) = self.networks.pop_first() {
            return Some(RowKey::Network(network));
        }
        if let Some((port, vlan)) = self.bindings.pop_first() {
            return Some(RowKey::Binding(port, vlan));
        }
        if let Some(key) = self.extras.pop_first() {
            return Some(key);
        }
        let (network, mac) = self.macs.pop().or_else(|| self.relayed.pop())?;
        Some(RowKey::Mac(network, mac))
    }

    pub(in crate::fleet) fn is_empty(&self) -> bool {
        self.networks.is_empty()
            && self.bindings.is_empty()
            && self.extras.is_empty()
            && self.macs.of_network.is_empty()
            && self.relayed.of_network.is_empty()
            && self.overfull.is_empty()
            && self.halves.is_empty()
    }

    /// Adds the number of rows that wait, by network.
    pub(super) fn count(&self, rows: &mut BTreeMap<NetworkId, u64>) {
        for network in &self.networks {
            *rows.entry(*network).or_default() += 1;
        }
        for (network, macs) in self.macs.of_network.iter().chain(&self.relayed.of_network) {
            *rows.entry(*network).or_default() += macs.len() as u64;
        }
        for network in self.halves.iter().flatten().filter_map(RowKey::network) {
            *rows.entry(network).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(n: u128) -> NetworkId {
        NetworkId(Uuid::from_u128(n))
    }

    fn mac(n: usize) -> MacAddr {
        let [.., a, b, c] = n.to_be_bytes();
        MacAddr::new([2, 0, 0, a, b, c])
    }

    #[test]
    fn a_network_with_one_mac_waits_for_one_turn_of_another() {
        let mut queue = Queue::default();
        queue.extend((0..1000).map(|n| RowKey::Mac(network(1), mac(n))));
        let first = queue.pop();
        assert_eq!(first, Some(RowKey::Mac(network(1), mac(0))));
        queue.push(RowKey::Mac(network(2), mac(7)));
        let others = std::iter::from_fn(|| queue.pop()).take_while(|key| *key != RowKey::Mac(network(2), mac(7)));
        assert_eq!(others.count(), TURN - 1);
        assert_eq!(std::iter::from_fn(|| queue.pop()).count(), 1000 - TURN);
        assert!(queue.is_empty());
    }

    #[test]
    fn what_other_switches_have_learned_comes_last() {
        let mut queue = Queue::default();
        for n in 0..3 {
            queue.push_relayed(network(1), mac(n));
        }
        let audit = Audit { relayed: BTreeMap::from([(network(1), vec![mac(3)])]), ..Audit::default() };
        queue.push_audit(audit);
        queue.push(RowKey::Mac(network(1), mac(9)));
        let taken: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(taken, [9, 0, 1, 2, 3].map(|n| RowKey::Mac(network(1), mac(n))));
    }
}
