//! Deletions that nothing explains (architecture rule 7): how many there are, and which.

use std::{collections::BTreeMap, sync::Arc};

use uuid::Uuid;

use super::{
    GuardDecision, Planner, Policy, Wanted,
    bindings::{BindingChange, Moves},
};
use crate::{
    intent::NetworkIntent,
    model::{
        NetworkId,
        event::{Action, HeldNetwork, PlannedRow},
        indexed::FastMap,
    },
    vtep::{LogicalSwitchIndex, Table},
};

/// Our rows on a database, and those of them that would be deleted without an explanation.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct GuardCount {
    /// Rows that we own: Logical_Switches, flood rows, bindings, MACs.
    pub own: usize,
    /// Deletions that nothing explains, by network.
    pub unexplained: FastMap<NetworkId, usize>,
}

/// A count that is made a slice at a time. It holds while neither the desired state nor the replica changes.
#[derive(Debug)]
pub struct Counting {
    count: GuardCount,
    /// The next Logical_Switch, and the next row of Ucast_Macs_Remote; `None`: all were counted.
    logical_switches: Option<usize>,
    macs: Option<usize>,
    /// Logical_Switches of which some MACs may be deleted.
    partly: FastMap<LogicalSwitchIndex, Arc<NetworkIntent>>,
}

/// Logical_Switches that are looked at before it is asked whether that is enough: each may have many bindings.
const AT_ONCE: usize = 64;

/// Which rows of a Logical_Switch of ours would be deleted without an explanation.
#[derive(Clone, Copy)]
enum Unexplained<'a> {
    /// All of them.
    All,
    /// Bindings that should not be there, and MACs that this intent doesn't have, where the network uses it.
    Some(Option<&'a NetworkIntent>),
    /// None.
    None,
}

// ===== impl GuardCount =====

impl GuardCount {
    /// Number of deletions that nothing explains.
    #[must_use]
    pub fn total(&self) -> usize {
        self.unexplained.values().sum()
    }

    /// Whether they may be sent (architecture rule 7).
    #[must_use]
    pub fn decision(&self, policy: &Policy) -> GuardDecision {
        let total = self.total();
        let many = total >= policy.guard_min_rows as usize;
        if policy.hold || (many && total * 100 > self.own * usize::from(policy.guard_percent)) {
            GuardDecision::Hold
        } else {
            GuardDecision::Pass
        }
    }
}

// ===== impl Counting =====

impl Default for Counting {
    fn default() -> Self {
        Self { count: GuardCount::default(), logical_switches: Some(0), macs: Some(0), partly: FastMap::default() }
    }
}

impl Counting {
    /// What was counted.
    #[must_use]
    pub fn into_count(self) -> GuardCount {
        self.count
    }
}

// ===== impl Planner =====

impl<'a> Planner<'a> {
    /// Counts our rows, and those that would be deleted without an explanation.
    #[must_use]
    pub fn count_unexplained(&self) -> GuardCount {
        let mut counting = Counting::default();
        while !self.count_some(&mut counting, usize::MAX) {}
        counting.count
    }

    /// Counts on, about so many rows. True: it is done.
    pub fn count_some(&self, counting: &mut Counting, rows: usize) -> bool {
        let (mut left, mut moves) = (rows, Moves::default());
        while left > 0 {
            if let Some(place) = counting.logical_switches {
                let (some, next) = self.actual.some_logical_switches(place, left.min(AT_ONCE));
                for (index, _) in some {
                    left = left.saturating_sub(1 + self.count_logical_switch(index, counting, &mut moves));
                }
                counting.logical_switches = next;
            } else if let Some(place) = counting.macs.filter(|_| !counting.partly.is_empty()) {
                let (some, next) = self.actual.some_macs(place, left);
                for row in some {
                    if let Some(intent) = counting.partly.get(&row.logical_switch)
                        && self.deletes_unexplained(intent, row.mac)
                    {
                        *counting.count.unexplained.entry(intent.id).or_default() += 1;
                    }
                }
                counting.macs = next;
                left = if next.is_some() { 0 } else { left };
            } else {
                return true;
            }
        }
        false
    }

    /// Counts a Logical_Switch with what refers to it, but for MACs of which only some would be deleted. Returns how many
    /// bindings were looked at.
    fn count_logical_switch(&self, index: LogicalSwitchIndex, counting: &mut Counting, moves: &mut Moves<'a>) -> usize {
        let Some(network) = self.owner(index) else { return 0 };
        let Counting { count, partly, .. } = counting;
        let bindings = || self.actual.bindings_to(index);
        let bound = bindings().count();
        let rows = 1 + self.actual.mac_count(index) + self.actual.multicasts_of(index).count() + bound;
        count.own += rows;
        let unexplained = match self.unexplained_of(index, network) {
            Unexplained::All => rows,
            Unexplained::Some(intent) => {
                let intent = intent.and_then(|_| self.desired.networks.get(&network));
                partly.extend(intent.map(|intent| (index, intent.clone())));
                bindings().filter(|(port, vlan)| self.unbinds_unexplained(*port, *vlan, moves)).count()
            }
            Unexplained::None => 0,
        };
        if unexplained > 0 {
            *count.unexplained.entry(network).or_default() += unexplained;
        }
        bound
    }

    /// The deletions that nothing explains: by network, and the first of their rows.
    #[must_use]
    pub fn list_unexplained(&self, limit: usize) -> (Vec<HeldNetwork>, Vec<PlannedRow>) {
        let mut networks: BTreeMap<NetworkId, HeldNetwork> = BTreeMap::new();
        let mut rows: Vec<PlannedRow> = Vec::new();
        let mut moves = Moves::default();
        let mut within: FastMap<LogicalSwitchIndex, (NetworkId, Option<&'a NetworkIntent>)> = FastMap::default();
        let reason = if self.policy.hold { "an operator holds all deletions" } else { "no API call explains it" };
        let mut push = |network_id, table: Table, row: String, change: String| {
            let held = networks.entry(network_id).or_insert_with(|| HeldNetwork::new(network_id));
            held.rows += 1;
            match table {
                Table::PhysicalPort if held.bindings.len() < limit => held.bindings.push(row.clone()),
                Table::UcastMacsRemote => held.macs += 1,
                _ => {}
            }
            if rows.len() < limit {
                let (table, reason, network_id) = (table.name(), reason.to_owned(), Some(network_id));
                rows.push(PlannedRow { action: Action::Delete, table, row, change, reason, network_id });
            }
        };
        for (index, row) in self.actual.logical_switches() {
            let Some(network) = self.owner(index) else { continue };
            let unexplained = self.unexplained_of(index, network);
            match unexplained {
                Unexplained::All => {
                    within.insert(index, (network, None));
                    push(network, Table::LogicalSwitch, row.name.clone(), String::new());
                    for _ in self.actual.multicasts_of(index) {
                        push(network, Table::McastMacsRemote, format!("unknown-dst of {}", row.name), String::new());
                    }
                    for uuid in self.actual.odd_macs_of(index) {
                        push(network, Table::UcastMacsRemote, uuid.to_string(), String::new());
                    }
                }
                Unexplained::Some(Some(intent)) => drop(within.insert(index, (network, Some(intent)))),
                Unexplained::Some(None) | Unexplained::None => {}
            }
            for (port, vlan) in self.actual.bindings_to(index) {
                let leaves = match unexplained {
                    Unexplained::All => true,
                    Unexplained::Some(_) => self.unbinds_unexplained(port, vlan, &mut moves),
                    Unexplained::None => false,
                };
                if leaves {
                    let name = self.actual.port(port).map_or_else(|| port.to_string(), |port| port.name.clone());
                    push(network, Table::PhysicalPort, format!("{name} VLAN {vlan}"), row.name.clone());
                }
            }
        }
        for row in self.actual.macs() {
            if let Some((network, intent)) = within.get(&row.logical_switch)
                && intent.is_none_or(|intent| self.deletes_unexplained(intent, row.mac))
            {
                push(*network, Table::UcastMacsRemote, row.mac.to_string(), String::new());
            }
        }
        (networks.into_values().collect(), rows)
    }

    fn unexplained_of(&self, index: LogicalSwitchIndex, network: NetworkId) -> Unexplained<'a> {
        match self.wanted(network) {
            // Rows of another Logical_Switch than the one in use are deleted because there is a better one.
            Wanted::Yes(intent) => {
                let in_use = intent.vni.is_some() && self.logical_switches(network).0 == Some(index);
                Unexplained::Some(in_use.then_some(intent))
            }
            Wanted::No if !self.is_buried(network) => Unexplained::All,
            Wanted::No | Wanted::Unclear => Unexplained::None,
        }
    }

    fn unbinds_unexplained(&self, port: Uuid, vlan: u16, moves: &mut Moves<'a>) -> bool {
        let bound = self.actual.port(port).and_then(|row| row.bindings.get(&vlan).copied());
        let BindingChange::Unbind(network) = self.binding_change(port, vlan, self.holder(bound)) else { return false };
        let is_move = !self.policy.hold && self.counterpart(moves, network, port, vlan).is_some();
        !is_move && !self.explains_unbinding(network, port, vlan)
    }

    fn deletes_unexplained(&self, intent: &NetworkIntent, mac: crate::model::MacAddr) -> bool {
        // While an operator holds all deletions nothing is explained, and a row that is wanted is no deletion.
        !self.explains_mac(Some(intent), intent.id, mac) && self.desired_mac(intent, mac).is_none()
    }
}
