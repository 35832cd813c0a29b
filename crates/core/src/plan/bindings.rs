//! A VLAN of a port: which Logical_Switch it is bound to.

use uuid::Uuid;

use super::{PlanOutcome, Planner, RowKey, Section, Transaction, Wanted};
use crate::{
    model::{NetworkId, VlanId, indexed::FastMap},
    vtep::{LogicalSwitchIndex, LogicalSwitchRef, rows::PhysicalPort},
};

/// What holds a VLAN of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// Nothing.
    Free,
    /// A Logical_Switch of ours.
    Ours(NetworkId, LogicalSwitchIndex),
    /// A foreign one.
    Foreign,
}

/// How a binding has to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BindingChange {
    /// It is right, or the change of another row brings it.
    None,
    /// It has to refer to this Logical_Switch.
    Bind(LogicalSwitchIndex),
    /// It has to be removed from this network of ours.
    Unbind(NetworkId),
    /// Foreign rows stand in the way.
    Blocked,
}

impl<'a> Planner<'a> {
    pub(super) fn add_binding(
        &self,
        port: Uuid,
        vlan: u16,
        moves: &mut Moves<'a>,
        transaction: &mut Transaction,
    ) -> PlanOutcome {
        let Some(row) = self.actual.port(port) else { return PlanOutcome::Right };
        let holder = self.holder(row.bindings.get(&vlan).copied());
        let change = self.binding_change(port, vlan, holder);
        let network = match change {
            BindingChange::None => return PlanOutcome::Right,
            BindingChange::Blocked => return PlanOutcome::Conflict,
            BindingChange::Bind(_) => self.desired.binding(self.actual, port, vlan).map(|bound| bound.network),
            BindingChange::Unbind(network) => Some(network),
        };
        let counterpart = network.and_then(|network| self.counterpart(moves, network, port, vlan));
        if let BindingChange::Unbind(network) = change {
            let explained = counterpart.is_some() || self.explains_unbinding(network, port, vlan);
            if let Some(outcome) = self.unexplained(explained && !self.policy.hold) {
                return outcome;
            }
        }
        // Both halves of a binding that moves to another port go into one transaction: between two of them, nothing would
        // explain that the first port leaves.
        let other = match counterpart {
            Some(Counterpart::Port(other)) => Some((other, RowKey::Binding(other, vlan))),
            Some(Counterpart::MissingPort) | None => None,
        };
        let other = other.filter(|(_, key)| !transaction.serves(key) && !(self.quarantined)(key));
        let is_busy = |port: &Uuid| self.in_flight.ports.contains(port);
        let waits = |(port, key): (Uuid, RowKey)| is_busy(&port) || self.in_flight.keys.contains_key(&key);
        if is_busy(&port) || other.is_some_and(waits) {
            return PlanOutcome::Wait;
        }
        let outcome = if let BindingChange::Bind(index) = change {
            let logical_switch = LogicalSwitchRef::Row(self.actual.logical_switch_uuid(index));
            self.bind(port, vlan, holder, logical_switch, transaction)
        } else {
            transaction.serve(RowKey::Binding(port, vlan));
            transaction.unbind(port, vlan);
            PlanOutcome::Added
        };
        if let Some((other, _)) = other.filter(|_| outcome == PlanOutcome::Added) {
            // It finds this half in the transaction, and ends there.
            self.add_binding(other, vlan, moves, transaction);
        }
        outcome
    }

    /// Binds a VLAN that is free, or that another network of ours had.
    pub(super) fn bind(
        &self,
        port: Uuid,
        vlan: u16,
        holder: Holder,
        logical_switch: LogicalSwitchRef,
        transaction: &mut Transaction,
    ) -> PlanOutcome {
        let Ok(number) = VlanId::try_from(i64::from(vlan)) else { return PlanOutcome::Right };
        if self.in_flight.ports.contains(&port) {
            return PlanOutcome::Wait;
        }
        transaction.serve(RowKey::Binding(port, vlan));
        if holder != Holder::Free {
            transaction.unbind(port, vlan);
        }
        transaction.bind(port, number, logical_switch);
        PlanOutcome::Added
    }

    /// Compares what a VLAN of a port is bound to with what it should be bound to.
    pub(super) fn binding_change(&self, port: Uuid, vlan: u16, holder: Holder) -> BindingChange {
        let unbind = |network: NetworkId| match self.wanted(network) {
            Wanted::Unclear => BindingChange::None,
            Wanted::Yes(_) | Wanted::No => BindingChange::Unbind(network),
        };
        let Some(bound) = self.desired.binding(self.actual, port, vlan) else {
            return if let Holder::Ours(network, _) = holder { unbind(network) } else { BindingChange::None };
        };
        let network = bound.network;
        let chosen = self.logical_switches(network).0;
        let change = match self.wanted(network) {
            Wanted::Yes(intent) => match (holder, chosen) {
                (Holder::Ours(_, index), Some(chosen)) if index == chosen => return BindingChange::None,
                // From a Logical_Switch of an earlier prefix.
                (Holder::Ours(old, _), Some(chosen)) if old == network => return BindingChange::Bind(chosen),
                // Two Logical_Switches have the VNI: a new port could reach another controller's network.
                _ if self.vni_conflict(intent).is_some() => BindingChange::Blocked,
                (Holder::Foreign, _) => BindingChange::Blocked,
                (_, Some(chosen)) => return BindingChange::Bind(chosen),
                // The transaction that inserts the Logical_Switch binds it.
                (_, None) if intent.vni.is_some() => return BindingChange::None,
                (_, None) => BindingChange::None,
            },
            Wanted::No | Wanted::Unclear => BindingChange::None,
        };
        match holder {
            // The network that was bound before is unbound, even where the new one can't be bound.
            Holder::Ours(old, _) if old != network => unbind(old),
            _ => change,
        }
    }

    /// Whether an API call explains that the network leaves this VLAN.
    pub(super) fn explains_unbinding(&self, network: NetworkId, port: Uuid, vlan: u16) -> bool {
        let Some((section, name)) = self.desired.section_of(self.actual, port).filter(|_| !self.policy.hold) else {
            return self.is_buried(network);
        };
        let buried = |vlan| section.intent.buried_bindings.contains(&(network, name.to_owned(), vlan));
        section.intent.buried_networks.contains(&network) || VlanId::try_from(i64::from(vlan)).is_ok_and(buried)
    }

    /// Whether a network that wants a VLAN of a port has it.
    fn is_chosen(&self, section: &Section, row: &PhysicalPort, of: &(String, VlanId), network: NetworkId) -> bool {
        let bound = self.desired.choose(self.actual, section, Some(row), of);
        bound.is_some_and(|bound| bound.network == network)
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
            let bindings = section.bindings_of(network);
            let Some(switch) = self.actual.switch(&section.physical_switch).filter(|_| !bindings.is_empty()) else {
                continue;
            };
            for of in bindings {
                let Some((port, row)) = self.actual.port_of(switch, &of.0) else { continue };
                if self.is_chosen(section, row, of, network) {
                    found.push((port, of.1.get()));
                }
            }
        }
        found
    }
}

// ===== impl Planner: bindings that move =====

/// Bindings that should be on another port of their switch. An operator who renames ports, or puts another module into the
/// switch, changes which row of Physical_Port has a name, and bindings belong to names: where one port should not be bound
/// to a network, and a name that should be isn't, the binding moves. The switch loses nothing by it, so the guard has
/// nothing to hold; and a port that stayed would be in a network that no connection binds to it.
///
/// It holds while neither the desired state nor the replica changes.
#[derive(Debug, Default)]
pub(super) struct Moves<'a>(FastMap<(&'a str, NetworkId, u16), Counterparts>);

/// The ports of one network's bindings on one VLAN that move, each with the other half of its move.
type Counterparts = FastMap<Uuid, Counterpart>;

/// The other half of a binding's move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counterpart {
    /// This port joins the network, or leaves it.
    Port(Uuid),
    /// No port has the name that should be bound.
    MissingPort,
}

impl<'a> Planner<'a> {
    /// Whether a port's binding to a network moves, and the port that has the other half of it.
    pub(super) fn counterpart(
        &self,
        moves: &mut Moves<'a>,
        network: NetworkId,
        port: Uuid,
        vlan: u16,
    ) -> Option<Counterpart> {
        let (section, _) = self.desired.section_of(self.actual, port)?;
        let of = moves.0.entry((&section.physical_switch, network, vlan));
        of.or_insert_with(|| self.find_moves(section, network, vlan)).get(&port).copied()
    }

    fn find_moves(&self, section: &Section, network: NetworkId, vlan: u16) -> Counterparts {
        let mut counterparts = Counterparts::default();
        let Some(switch) = self.actual.switch(&section.physical_switch) else { return counterparts };
        let holds = |row: &PhysicalPort| {
            let holder = self.holder(row.bindings.get(&vlan).copied());
            matches!(holder, Holder::Ours(holder, _) if holder == network)
        };
        let wanted = section.bindings_of(network).iter().filter(|(_, of)| of.get() == vlan);
        // A name that another network has meanwhile is as good as missing.
        let ports = wanted.map(|of| {
            let port = self.actual.port_of(switch, &of.0);
            port.filter(|(_, row)| self.is_chosen(section, row, of, network))
        });
        let to: Vec<_> = ports.filter(|port| !port.is_some_and(|(_, row)| holds(row))).collect();
        if to.is_empty() {
            return counterparts;
        }
        let (chosen, surplus) = self.logical_switches(network);
        let bound = chosen.into_iter().chain(surplus).flat_map(|index| self.actual.bindings_to(index));
        let on_vlan = bound.filter(|(_, of)| *of == vlan).map(|(port, _)| port);
        let here = |port: &Uuid| {
            let of = self.desired.section_of(self.actual, *port);
            of.is_some_and(|(of, _)| of.physical_switch == section.physical_switch)
        };
        let leaves = |port: &Uuid| {
            let bound = self.actual.port(*port).and_then(|row| row.bindings.get(&vlan).copied());
            self.binding_change(*port, vlan, self.holder(bound)) == BindingChange::Unbind(network)
        };
        let mut from: Vec<_> = on_vlan.filter(|port| here(port) && leaves(port)).collect();
        from.sort_unstable();
        for (from, to) in from.into_iter().zip(to) {
            if let Some((to, _)) = to {
                counterparts.extend([(from, Counterpart::Port(to)), (to, Counterpart::Port(from))]);
            } else {
                counterparts.insert(from, Counterpart::MissingPort);
            }
        }
        counterparts
    }
}
