//! A MAC of a network: one row of Ucast_Macs_Remote, on one Logical_Switch.

use super::{PlanOutcome, Planner, RowKey, Transaction, View, Wanted};
use crate::{
    intent::{Announced, DesiredMac, NetworkIntent},
    model::{MacAddr, NetworkId},
    vtep::{LogicalSwitchIndex, LogicalSwitchRef, Operation, rows::Unicast},
};

impl<'a> Planner<'a> {
    pub(super) fn add_mac(&self, view: &View<'a>, mac: MacAddr, transaction: &mut Transaction) -> PlanOutcome {
        let View { network, chosen, ref surplus, .. } = *view;
        let intent = match view.wanted {
            Wanted::Yes(_) if view.blocked => return PlanOutcome::Conflict,
            Wanted::Yes(intent) if intent.vni.is_none() => return PlanOutcome::Right,
            Wanted::Yes(intent) => Some(intent),
            // The bindings are deleted first.
            Wanted::No if view.bound => return PlanOutcome::Right,
            Wanted::No => None,
            Wanted::Unclear => return PlanOutcome::Right,
        };
        let desired = intent.and_then(|intent| self.desired_mac(intent, mac));
        let rows = || chosen.into_iter().flat_map(|index| self.actual.macs_with(index, mac));
        let right = |row: &&Unicast| desired.is_some_and(|desired| self.is_right(row, &desired));
        // Of duplicates the one stays that is right.
        let kept = desired.and_then(|_| rows().find(right).or_else(|| rows().next()));
        let others = || surplus.iter().flat_map(|index| self.actual.macs_with(*index, mac));
        // Where the network is wanted, its Logical_Switches of an earlier prefix are replaced by the one in use.
        let goes = rows().next().is_some() || (intent.is_none() && others().next().is_some());
        if desired.is_none() && goes {
            let explained = self.explains_mac(intent, network, mac);
            if let Some(outcome) = self.unexplained(explained) {
                return outcome;
            }
        }
        let before = transaction.len();
        if let Some(desired) = desired.filter(|_| kept.is_none_or(|row| !right(&row))) {
            if !self.can_locate(&[desired.vtep]) {
                return PlanOutcome::Wait;
            }
            transaction.serve(RowKey::Mac(network, mac));
            let ip = desired.ip;
            if let Some(row) = kept {
                let locator = transaction.locate(desired.vtep, self.actual);
                transaction.push(Operation::UpdateMac { row: row.uuid, ip, locator });
            } else {
                let there = chosen.map(|index| LogicalSwitchRef::Row(self.actual.logical_switch_uuid(index)));
                let Some(logical_switch) = there.or_else(|| transaction.new_logical_switch(network)) else {
                    // It is inserted after the Logical_Switch.
                    return PlanOutcome::Right;
                };
                let locator = transaction.locate(desired.vtep, self.actual);
                transaction.push(Operation::InsertMac { logical_switch, mac, ip, locator });
            }
        }
        for row in rows().chain(others()).filter(|row| kept.is_none_or(|kept| kept.uuid != row.uuid)) {
            transaction.serve(RowKey::Mac(network, mac));
            transaction.push(Operation::DeleteMac { row: row.uuid });
        }
        if transaction.len() > before { PlanOutcome::Added } else { PlanOutcome::Right }
    }

    /// The row that a MAC should have. None points to the switch itself.
    pub(super) fn desired_mac(&self, intent: &NetworkIntent, mac: MacAddr) -> Option<DesiredMac> {
        let relayed = || self.relayed(intent, intent.behind.macs.get(mac)?);
        let row = intent.macs.get(mac).copied().or_else(relayed)?;
        (!self.actual.is_own_vtep(row.vtep)).then_some(row)
    }

    /// Some of the rows that a network's MACs should have, by their place among its own MACs and those behind gateways.
    pub(super) fn some_desired_macs(
        &self,
        intent: &NetworkIntent,
        from: usize,
        places: usize,
    ) -> impl Iterator<Item = DesiredMac> {
        let own = intent.macs.iter_from(from).copied().take(places);
        // The own ones come first.
        let (behind, left) = (from.saturating_sub(intent.macs.len()), intent.macs.len().saturating_sub(from));
        let relayed = intent.behind.macs.iter_from(behind).take(places.saturating_sub(left));
        own.chain(relayed.filter_map(|row| self.relayed(intent, row)))
    }

    /// Number of rows that a network's MACs should have.
    #[must_use]
    pub fn mac_rows(&self, intent: &NetworkIntent) -> usize {
        let relayed = intent.behind.macs.iter().filter(|row| !self.is_own_gateway(intent, row.gateway));
        intent.macs.len() + relayed.count()
    }

    /// The row of a MAC behind a gateway, unless the gateway is one of this database's own: its MACs go neither back to
    /// where they were learned nor to the twin.
    fn relayed(&self, intent: &NetworkIntent, row: &Announced) -> Option<DesiredMac> {
        let is_own = self.is_own_gateway(intent, row.gateway);
        (!is_own).then(|| DesiredMac { mac: row.mac, vtep: row.vtep, ip: row.ips.first() })
    }

    fn is_own_gateway(&self, intent: &NetworkIntent, number: u32) -> bool {
        let gateway = intent.behind.gateways.iter().find(|gateway| gateway.number == number);
        gateway.is_some_and(|gateway| gateway.switches.iter().any(|name| self.desired.sections.contains_key(name)))
    }

    pub(super) fn is_right(&self, row: &Unicast, desired: &DesiredMac) -> bool {
        row.ip == desired.ip.into() && self.actual.locates(row.locator, desired.vtep)
    }

    /// Whether the going of a MAC is explained: by a tombstone, or because it is known and must not have a row.
    pub(super) fn explains_mac(&self, intent: Option<&NetworkIntent>, network: NetworkId, mac: MacAddr) -> bool {
        match intent {
            _ if self.policy.hold => false,
            Some(intent) => {
                let known = intent.macs.get(mac).is_some() || intent.contested.get(mac).is_some();
                known || intent.behind.macs.get(mac).is_some() || intent.buried.get(mac).is_some()
            }
            None => self.is_buried(network),
        }
    }

    /// Whether a Logical_Switch has rows of Ucast_Macs_Remote.
    pub(super) fn has_macs(&self, index: LogicalSwitchIndex) -> bool {
        self.actual.mac_count(index) > 0
    }
}
