//! VNIs on one switch. Two Logical_Switches with one `tunnel_key` would be one network to the hardware, so a network takes
//! its VNI only when no other Logical_Switch has it, or where those that have it leave it in the same transaction.

use std::collections::BTreeSet;

use super::{PlanOutcome, Planner, RowKey, Transaction, Wanted};
use crate::{
    intent::NetworkIntent,
    model::{NetworkId, Vni},
    vtep::{LogicalSwitchIndex, Operation},
};

/// Another Logical_Switch that has a network's VNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VniHolder<'a> {
    /// A foreign one, by name.
    Foreign(&'a str),
    /// One of ours: its network, and its name.
    Ours(NetworkId, &'a str),
}

/// A Logical_Switch of ours that takes another VNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct VniMove {
    network: NetworkId,
    row: uuid::Uuid,
    vni: Vni,
}

impl<'a> Planner<'a> {
    /// Another Logical_Switch that has the network's VNI and keeps it for now.
    #[must_use]
    pub fn vni_conflict(&self, network: &NetworkIntent) -> Option<VniHolder<'a>> {
        self.vni_moves(network.id, network.vni?).err()
    }

    /// Whether a network may take its VNI in this transaction, and the Logical_Switches that have to leave theirs in it.
    pub(super) fn take_vni(
        &self,
        intent: &NetworkIntent,
        vni: Vni,
        transaction: &Transaction,
    ) -> Result<Vec<VniMove>, PlanOutcome> {
        let mut moves = self.vni_moves(intent.id, vni).map_err(|_| PlanOutcome::Conflict)?;
        let is_taken = |network: NetworkId, vni: Vni| {
            let takers = transaction.taker(vni).into_iter().chain(self.in_flight.taker(vni));
            takers.into_iter().any(|taker| taker != network)
        };
        // A Logical_Switch that the transaction has under another key already is not changed twice.
        moves.retain(|of| transaction.taker(of.vni) != Some(of.network));
        let is_busy = |of: &VniMove| {
            let key = RowKey::Network(of.network);
            self.in_flight.keys.contains_key(&key) || transaction.serves(&key) || is_taken(of.network, of.vni)
        };
        if is_taken(intent.id, vni) || moves.iter().any(is_busy) {
            return Err(PlanOutcome::Wait);
        }
        Ok(moves)
    }

    /// Adds the updates of Logical_Switches that leave their VNI to another one.
    pub(super) fn move_along(moves: Vec<VniMove>, transaction: &mut Transaction) {
        for VniMove { network, row, vni } in moves {
            transaction.serve(RowKey::Network(network));
            transaction.take_vni(vni, network);
            let operation =
                Operation::UpdateLogicalSwitch { row, vni: Some(vni), replication_mode: None, description: None };
            transaction.push(operation);
        }
    }

    /// The Logical_Switches of ours that have to take another VNI for the network to have this one: each may need the VNI of
    /// the next, and two networks that swap theirs need one another's. Or the one that keeps it.
    fn vni_moves(&self, network: NetworkId, vni: Vni) -> Result<Vec<VniMove>, VniHolder<'a>> {
        let start = self.logical_switches(network).0;
        let mut moves: Vec<VniMove> = Vec::new();
        // A chain may have thousands: none is looked for one by one.
        let (mut leaving, mut taken) = (BTreeSet::from_iter(start), BTreeSet::from([vni]));
        let mut wanted = vec![(network, vni, None)];
        while let Some((taker, from, direct)) = wanted.pop() {
            let chosen = self.logical_switches(taker).0;
            let key = i64::from(from.get());
            let row = chosen.and_then(|index| self.actual.logical_switch(index));
            let has = row.is_some_and(|row| row.tunnel_key == Some(key));
            for index in self.actual.logical_switches_with_key(key).filter(|index| Some(*index) != chosen) {
                let name = self.actual.logical_switch(index).map_or("", |row| row.name.as_str());
                let owner = self.owner(index);
                // The one that has the network's own VNI is named, though it may be another one that it waits for itself.
                let kept =
                    direct.unwrap_or_else(|| owner.map_or(VniHolder::Foreign(name), |of| VniHolder::Ours(of, name)));
                let Some(holder) = owner else { return Err(kept) };
                // One of an earlier prefix, beside the one in use: both are one network.
                if has && holder == taker {
                    continue;
                }
                // It leaves along with the others: a ring of them ends here.
                if !leaving.insert(index) {
                    continue;
                }
                let next = self.vni_move(holder, index, from).ok_or(kept)?;
                if !taken.insert(next.vni) {
                    return Err(kept);
                }
                moves.push(next);
                wanted.push((holder, next.vni, Some(kept)));
            }
        }
        Ok(moves)
    }

    /// How a network's Logical_Switch leaves a VNI; `None`: it doesn't.
    fn vni_move(&self, network: NetworkId, index: LogicalSwitchIndex, from: Vni) -> Option<VniMove> {
        let Wanted::Yes(intent) = self.wanted(network) else { return None };
        let vni = intent.vni.filter(|vni| *vni != from)?;
        let is_chosen = self.logical_switches(network).0 == Some(index);
        let may = is_chosen && !(self.quarantined)(&RowKey::Network(network));
        may.then(|| VniMove { network, row: self.actual.logical_switch_uuid(index), vni })
    }
}
