//! A VLAN of a port: which Logical_Switch it is bound to.

use uuid::Uuid;

use super::{Key, Planner, Transaction, Verdict, Wanted};
use crate::{
    model::{NetworkId, VlanId},
    vtep::{LogicalSwitchIndex, LogicalSwitchRef},
};

/// What holds a VLAN of a port.
pub(super) enum Holder {
    /// Nothing.
    Free,
    /// A Logical_Switch of ours.
    Ours(NetworkId, LogicalSwitchIndex),
    /// A foreign one.
    Foreign,
}

impl Planner<'_> {
    pub(super) fn add_binding(&self, port: Uuid, vlan: u16, transaction: &mut Transaction) -> Verdict {
        let Some(row) = self.actual.port(port) else { return Verdict::Right };
        let holder = self.holder(row.bindings.get(&vlan).copied());
        let Some(bound) = self.desired.binding(self.actual, port, vlan) else {
            return self.add_unbinding(port, vlan, &holder, transaction);
        };
        let network = bound.network;
        let (chosen, _) = self.logical_switches(network);
        let verdict = match self.wanted(network) {
            Wanted::Yes(intent) if self.vni_conflict(intent).is_some() => Verdict::Conflict,
            Wanted::Yes(intent) => match (&holder, chosen) {
                (Holder::Foreign, _) => Verdict::Conflict,
                (Holder::Ours(_, index), Some(chosen)) if *index == chosen => Verdict::Right,
                (_, Some(chosen)) => {
                    let row = LogicalSwitchRef::Row(self.actual.logical_switch_uuid(chosen));
                    return self.bind(port, vlan, &holder, row, transaction);
                }
                // It comes with the Logical_Switch, if that can come.
                (_, None) if intent.vni.is_some() => return Verdict::Right,
                (_, None) => Verdict::Right,
            },
            Wanted::No | Wanted::Unclear => Verdict::Right,
        };
        match holder {
            // What was bound before leaves, even where the new one can't come.
            Holder::Ours(old, _) if old != network => self.add_unbinding(port, vlan, &holder, transaction),
            _ => verdict,
        }
    }

    /// Binds a VLAN that is free, or that another network of ours had.
    pub(super) fn bind(
        &self,
        port: Uuid,
        vlan: u16,
        holder: &Holder,
        logical_switch: LogicalSwitchRef,
        transaction: &mut Transaction,
    ) -> Verdict {
        let Ok(number) = VlanId::try_from(i64::from(vlan)) else { return Verdict::Right };
        if self.in_flight.ports.contains(&port) {
            return Verdict::Wait;
        }
        transaction.serve(Key::Binding(port, vlan));
        if !matches!(holder, Holder::Free) {
            transaction.unbind(port, vlan);
        }
        transaction.bind(port, number, logical_switch);
        Verdict::Added
    }

    fn add_unbinding(&self, port: Uuid, vlan: u16, holder: &Holder, transaction: &mut Transaction) -> Verdict {
        let Holder::Ours(network, _) = holder else { return Verdict::Right };
        if matches!(self.wanted(*network), Wanted::Unclear) {
            return Verdict::Right;
        }
        if let Some(verdict) = self.unexplained(self.explains_unbinding(*network, port, vlan)) {
            return verdict;
        }
        if self.in_flight.ports.contains(&port) {
            return Verdict::Wait;
        }
        transaction.serve(Key::Binding(port, vlan));
        transaction.unbind(port, vlan);
        Verdict::Added
    }

    /// Whether an API call explains that the network leaves this VLAN.
    pub(super) fn explains_unbinding(&self, network: NetworkId, port: Uuid, vlan: u16) -> bool {
        let Some((section, name)) = self.desired.section_of(self.actual, port).filter(|_| !self.policy.hold) else {
            return self.is_buried(network);
        };
        let buried = |vlan| section.intent.buried_bindings.contains(&(network, name.to_owned(), vlan));
        section.intent.buried_networks.contains(&network) || VlanId::try_from(i64::from(vlan)).is_ok_and(buried)
    }

    /// What the bound Logical_Switch is to us.
    pub(super) fn holder(&self, bound: Option<Uuid>) -> Holder {
        let Some(uuid) = bound else { return Holder::Free };
        let index = self.actual.logical_switch_index(uuid);
        match index.and_then(|index| Some((self.owner(index)?, index))) {
            Some((network, index)) => Holder::Ours(network, index),
            None => Holder::Foreign,
        }
    }

    /// The ports and VLANs that should be bound to a network, as far as the ports are there.
    pub(super) fn desired_bindings(&self, network: NetworkId) -> Vec<(Uuid, u16)> {
        let mut found = Vec::new();
        for section in self.desired.sections.values() {
            let Some(switch) = self.actual.switch(&section.physical_switch) else { continue };
            let bound = section.intent.bindings.iter().filter(|(_, bound)| bound.network == network);
            for ((name, vlan), _) in bound {
                found.extend(self.actual.port_of(switch, name).map(|(port, _)| (port, vlan.get())));
            }
        }
        found
    }
}
