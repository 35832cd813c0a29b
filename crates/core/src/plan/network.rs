//! A network: its Logical_Switch and its flood row; on the way up its bindings too, in one transaction.

use std::{collections::BTreeSet, net::Ipv4Addr};

use super::{PlanOutcome, Planner, Replication, RowKey, Transaction, Wanted, bindings::Holder, vni::VniMove};
use crate::{
    intent::NetworkIntent,
    model::{NetworkId, Vni},
    vtep::{ColumnName, LogicalSwitchIndex, LogicalSwitchRef, Operation, ReplicationMode, Table, rows::LogicalSwitch},
};

impl Planner<'_> {
    pub(super) fn add_network(&self, network: NetworkId, transaction: &mut Transaction) -> PlanOutcome {
        match self.wanted(network) {
            Wanted::Unclear => PlanOutcome::Right,
            Wanted::No => self.tear_down(network, transaction),
            Wanted::Yes(intent) => {
                // Without a VXLAN segment there is nothing to write, and nothing to compare.
                let Some(vni) = intent.vni else { return PlanOutcome::Right };
                match self.logical_switches(network).0 {
                    Some(index) => self.keep_right(intent, vni, index, transaction),
                    None => self.set_up(intent, vni, transaction),
                }
            }
        }
    }

    /// The flood list of a network, sorted: the compute nodes and the other gateways, never the switch itself or its twin.
    #[must_use]
    pub fn flood_list(&self, intent: &NetworkIntent) -> Vec<Ipv4Addr> {
        if let Replication::ServiceNodes(nodes) = &self.policy.extras.replication {
            return nodes.iter().copied().filter(|ip| !self.actual.is_own_vtep(*ip)).collect();
        }
        let own = intent.behind.own_gateways(|name| self.desired.sections.contains_key(name));
        let all: BTreeSet<_> = intent.flood.iter().copied().chain(intent.behind.flood(&own)).collect();
        all.into_iter().filter(|ip| !self.actual.is_own_vtep(*ip)).collect()
    }

    /// What the schema can hold of how broadcasts are replicated.
    pub(super) fn replication_mode(&self) -> Option<ReplicationMode> {
        let mode = match self.policy.extras.replication {
            Replication::SourceNode => ReplicationMode::SourceNode,
            Replication::OneNode | Replication::ServiceNodes(_) => ReplicationMode::ServiceNode,
        };
        self.policy.columns.has(Table::LogicalSwitch, ColumnName::<LogicalSwitch>::replication_mode()).then_some(mode)
    }

    fn description(&self, intent: &NetworkIntent) -> Option<String> {
        self.policy
            .columns
            .has(Table::LogicalSwitch, ColumnName::<LogicalSwitch>::description())
            .then(|| intent.name.to_string())
    }

    fn set_up(&self, intent: &NetworkIntent, vni: Vni, transaction: &mut Transaction) -> PlanOutcome {
        let bindings = self.desired_bindings(intent.id);
        let flood = self.flood_list(intent);
        let moves = match self.take_vni(intent, vni, transaction) {
            Ok(moves) => moves,
            Err(verdict) => return verdict,
        };
        if bindings.iter().any(|(port, _)| self.in_flight.ports.contains(port)) || !self.can_locate(&flood) {
            return PlanOutcome::Wait;
        }
        // With nothing but conflicts there is no use for a Logical_Switch.
        let holders: Vec<_> = bindings
            .into_iter()
            .map(|(port, vlan)| {
                let bound = self.actual.port(port).and_then(|row| row.bindings.get(&vlan).copied());
                (port, vlan, self.holder(bound))
            })
            .collect();
        if !holders.is_empty() && holders.iter().all(|(_, _, holder)| matches!(holder, Holder::Foreign)) {
            return PlanOutcome::Conflict;
        }
        Self::move_along(moves, transaction);
        transaction.serve(RowKey::Network(intent.id));
        transaction.take_vni(vni, intent.id);
        let new = transaction.number();
        let logical_switch = LogicalSwitchRef::New(new);
        transaction.insert_logical_switch(intent.id, new);
        transaction.push(Operation::InsertLogicalSwitch {
            new,
            name: self.actual.ownership().name(intent.id),
            vni,
            replication_mode: self.replication_mode(),
            description: self.description(intent),
        });
        if !flood.is_empty() {
            let set = transaction.locator_set(&flood, self.actual);
            transaction.push(Operation::InsertFlood { logical_switch, set });
        }
        for (port, vlan, holder) in holders {
            if !matches!(holder, Holder::Foreign) && !(self.quarantined)(&RowKey::Binding(port, vlan)) {
                self.bind(port, vlan, holder, logical_switch, transaction);
            }
        }
        PlanOutcome::Added
    }

    fn keep_right(
        &self,
        intent: &NetworkIntent,
        vni: Vni,
        index: LogicalSwitchIndex,
        transaction: &mut Transaction,
    ) -> PlanOutcome {
        let flood = self.flood_list(intent);
        if !self.can_locate(&flood) {
            return PlanOutcome::Wait;
        }
        let before = transaction.len();
        let has_vni = self.actual.logical_switch(index).is_some_and(|row| row.tunnel_key == Some(vni.get().into()));
        // Two Logical_Switches with one VNI would be one network. Rows that exist keep following the network's ports meanwhile.
        let (new_vni, conflict) = match (!has_vni).then(|| self.take_vni(intent, vni, transaction)) {
            None => (None, false),
            Some(Ok(moves)) => (Some((vni, moves)), false),
            Some(Err(PlanOutcome::Wait)) => return PlanOutcome::Wait,
            Some(Err(_)) => (None, true),
        };
        self.repair_row(intent, new_vni, index, transaction);
        self.repair_flood(intent.id, index, &flood, transaction);
        self.drop_odd_macs(intent.id, index, transaction);
        // Logical_Switches of an earlier prefix beside the one that we use.
        for surplus in self.logical_switches(intent.id).1 {
            self.drop_odd_macs(intent.id, surplus, transaction);
            self.drop_logical_switch(intent.id, surplus, transaction);
        }
        if transaction.len() > before {
            return PlanOutcome::Added;
        }
        if conflict { PlanOutcome::Conflict } else { PlanOutcome::Right }
    }

    fn repair_row(
        &self,
        intent: &NetworkIntent,
        new_vni: Option<(Vni, Vec<VniMove>)>,
        index: LogicalSwitchIndex,
        transaction: &mut Transaction,
    ) {
        let Some(LogicalSwitch { replication_mode, description, .. }) = self.actual.logical_switch(index) else {
            return;
        };
        let vni = new_vni.map(|(vni, moves)| {
            Self::move_along(moves, transaction);
            transaction.take_vni(vni, intent.id);
            vni
        });
        let mode = self.replication_mode().filter(|mode| *replication_mode != Some(*mode));
        let description = self.description(intent).filter(|wanted| wanted != description);
        if vni.is_some() || mode.is_some() || description.is_some() {
            transaction.serve(RowKey::Network(intent.id));
            let row = self.actual.logical_switch_uuid(index);
            transaction.push(Operation::UpdateLogicalSwitch { row, vni, replication_mode: mode, description });
        }
    }

    fn repair_flood(
        &self,
        id: NetworkId,
        index: LogicalSwitchIndex,
        flood: &[Ipv4Addr],
        transaction: &mut Transaction,
    ) {
        let rows = || self.actual.multicasts_of(index).filter(|(_, row)| row.unknown_dst);
        let kept = if flood.is_empty() {
            None
        } else {
            rows().find(|(_, row)| self.actual.set_equals(row.set, flood)).or_else(|| rows().next())
        };
        for (row, _) in self.actual.multicasts_of(index).filter(|(row, _)| kept.is_none_or(|(kept, _)| kept != *row)) {
            transaction.serve(RowKey::Network(id));
            transaction.push(Operation::DeleteMulticast { row });
        }
        match kept {
            Some((_, row)) if self.actual.set_equals(row.set, flood) => {}
            Some((row, _)) => {
                transaction.serve(RowKey::Network(id));
                let set = transaction.locator_set(flood, self.actual);
                transaction.push(Operation::UpdateFlood { row, set });
            }
            None if flood.is_empty() => {}
            None => {
                transaction.serve(RowKey::Network(id));
                let set = transaction.locator_set(flood, self.actual);
                let logical_switch = LogicalSwitchRef::Row(self.actual.logical_switch_uuid(index));
                transaction.push(Operation::InsertFlood { logical_switch, set });
            }
        }
    }

    fn drop_odd_macs(&self, id: NetworkId, index: LogicalSwitchIndex, transaction: &mut Transaction) {
        for row in self.actual.odd_macs_of(index) {
            transaction.serve(RowKey::Network(id));
            transaction.push(Operation::DeleteMac { row });
        }
    }

    /// On the way down: bindings first (they have keys of their own), then MACs (likewise) and the flood row, then the
    /// Logical_Switch, once the switch has withdrawn the MACs that it had learned.
    fn tear_down(&self, network: NetworkId, transaction: &mut Transaction) -> PlanOutcome {
        let (chosen, surplus) = self.logical_switches(network);
        let before = transaction.len();
        for index in chosen.into_iter().chain(surplus) {
            if let Some(outcome) = self.unexplained(self.is_buried(network)) {
                return outcome;
            }
            if self.actual.bindings_to(index).next().is_none() {
                self.drop_odd_macs(network, index, transaction);
                self.drop_logical_switch(network, index, transaction);
            }
        }
        if transaction.len() > before { PlanOutcome::Added } else { PlanOutcome::Right }
    }

    fn drop_logical_switch(&self, network: NetworkId, index: LogicalSwitchIndex, transaction: &mut Transaction) {
        if self.actual.bindings_to(index).next().is_some() {
            return;
        }
        let rows: Vec<_> = self.actual.multicasts_of(index).map(|(row, _)| row).collect();
        for row in &rows {
            transaction.serve(RowKey::Network(network));
            transaction.push(Operation::DeleteMulticast { row: *row });
        }
        if rows.is_empty() && !self.has_macs(index) && self.actual.local_count(index) == 0 {
            transaction.serve(RowKey::Network(network));
            transaction.push(Operation::DeleteLogicalSwitch { row: self.actual.logical_switch_uuid(index) });
        }
    }
}
