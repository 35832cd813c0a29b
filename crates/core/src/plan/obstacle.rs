//! What keeps wanted rows from being written: differences that no repair of ours removes.

use std::{collections::BTreeSet, fmt};

use uuid::Uuid;

use super::{Planner, RowKey, VniHolder, bindings::Holder};
use crate::{
    model::{
        NetworkId, VlanId, Vni,
        event::{BlockedRow, PlannedRow},
        indexed::FastMap,
        reason::Reason,
        text::{self, Names},
    },
    vtep::{
        Table,
        rows::{PhysicalPort, PhysicalSwitch},
    },
};

/// Why wanted rows can't be written, or stay as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The database has no Physical_Switch of the configured name.
    NoSwitch,
    /// The switch has no port of this name.
    NoPort {
        /// Name of the port.
        port: String,
        /// `Physical_Switch.name`.
        switch: String,
        /// The ports that it has.
        present: Names,
    },
    /// The VLAN is bound to a Logical_Switch that isn't ours.
    ForeignBinding {
        /// Name of the port.
        port: String,
        /// The VLAN.
        vlan: VlanId,
        /// `Logical_Switch.name`.
        logical_switch: String,
    },
    /// A Logical_Switch that isn't ours has the network's VNI.
    ForeignVni {
        /// The VNI.
        vni: Vni,
        /// `Logical_Switch.name`.
        logical_switch: String,
    },
    /// A Logical_Switch of another network of ours still has the network's VNI.
    OwnVni {
        /// The VNI.
        vni: Vni,
        /// The network that has it.
        network: NetworkId,
        /// `Logical_Switch.name`.
        logical_switch: String,
    },
    /// The network has no VXLAN segment.
    NoSegment,
    /// The desired state doesn't say what the network is.
    UnknownNetwork,
    /// The switch refused the row, in these words.
    Refused(String),
    /// Another controller keeps changing the row.
    Contested(String),
}

/// Wanted rows, and what keeps them from being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The rows.
    pub subject: BlockedSubject,
    /// What stands in the way.
    pub obstacle: Obstacle,
}

/// Wanted rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlockedSubject {
    /// All rows of a section, by `Physical_Switch.name`.
    Switch(String),
    /// The Logical_Switch of a network.
    Network(NetworkId),
    /// A binding.
    Binding {
        /// `Physical_Switch.name` of the section.
        switch: String,
        /// `Physical_Port.name`.
        port: String,
        /// The VLAN.
        vlan: VlanId,
        /// The network.
        network: NetworkId,
    },
}

// ===== impl Obstacle =====

impl Obstacle {
    /// Whether rows of the switch are what stands in the way, and not by what we do: the desired state is complete.
    #[must_use]
    pub const fn is_on_the_switch(&self) -> bool {
        !matches!(self, Obstacle::OwnVni { .. } | Obstacle::NoSegment | Obstacle::UnknownNetwork)
    }

    /// One word for programs.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Obstacle::NoSwitch => "no_switch",
            Obstacle::NoPort { .. } => "no_port",
            Obstacle::ForeignBinding { .. } => "foreign_binding",
            Obstacle::ForeignVni { .. } => "foreign_vni",
            Obstacle::OwnVni { .. } => "own_vni",
            Obstacle::NoSegment => "no_segment",
            Obstacle::UnknownNetwork => "unknown_network",
            Obstacle::Refused(_) => "refused",
            Obstacle::Contested(_) => "contested",
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::NoSwitch => f.write_str("the database has no Physical_Switch of this name: set physical_switch"),
            Obstacle::NoPort { port, switch, present } => {
                let (port, switch, present) = (port.clone(), switch.clone(), present.clone());
                Reason::PortMissing { port, switch, present }.fmt(f)
            }
            Obstacle::ForeignBinding { port, vlan, logical_switch } => {
                let (vlan, port, logical_switch) = (*vlan, port.clone(), logical_switch.clone());
                Reason::VlanForeign { vlan, port, logical_switch }.fmt(f)
            }
            Obstacle::ForeignVni { vni, logical_switch } => {
                Reason::VniForeign { logical_switch: logical_switch.clone(), vni: *vni }.fmt(f)
            }
            Obstacle::OwnVni { vni, network, logical_switch } => {
                Reason::VniInUse { logical_switch: logical_switch.clone(), network: *network, vni: *vni }.fmt(f)
            }
            Obstacle::NoSegment => f.write_str("the network has no VXLAN segment"),
            Obstacle::UnknownNetwork => Reason::NetworkUnknown.fmt(f),
            Obstacle::Refused(error) | Obstacle::Contested(error) => f.write_str(&text::sentence(error)),
        }
    }
}

// ===== impl Planner =====

impl Planner<'_> {
    /// All wanted rows that foreign rows, or missing ones, keep from being written.
    #[must_use]
    pub fn blocked(&self) -> Vec<Blocked> {
        let mut blocked = Vec::new();
        let mut networks = BTreeSet::new();
        for section in self.desired.sections.values() {
            if section.intent.networks.is_empty() {
                continue;
            }
            let switch_name = section.physical_switch.as_str();
            let Some(switch) = self.actual.switch(switch_name) else {
                let subject = BlockedSubject::Switch(switch_name.to_owned());
                blocked.push(Blocked { subject, obstacle: Obstacle::NoSwitch });
                continue;
            };
            networks.extend(&section.intent.networks);
            let of_switch = switch.ports.iter().filter_map(|uuid| self.actual.port(*uuid));
            let ports: FastMap<&str, &PhysicalPort> = of_switch.map(|row| (row.name.as_str(), row)).collect();
            let present = Names::new(ports.keys().copied());
            for of @ (port, vlan) in section.intent.bindings.keys() {
                let row = ports.get(port.as_str()).copied();
                let Some(bound) = self.desired.choose(self.actual, section, row, of) else { continue };
                let obstacle = match row {
                    None => Some(no_port(port, switch, &present)),
                    Some(row) => self.binding_obstacle(row, *vlan, bound.network),
                };
                blocked.extend(obstacle.map(|obstacle| Blocked {
                    subject: BlockedSubject::Binding {
                        switch: switch_name.to_owned(),
                        port: port.clone(),
                        vlan: *vlan,
                        network: bound.network,
                    },
                    obstacle,
                }));
            }
        }
        for network in networks {
            let obstacle = self.network_obstacle(network);
            let subject = BlockedSubject::Network(network);
            blocked.extend(obstacle.map(|obstacle| Blocked { subject, obstacle }));
        }
        blocked
    }

    /// What stands in the way of a network's Logical_Switch.
    fn network_obstacle(&self, network: NetworkId) -> Option<Obstacle> {
        let Some(intent) = self.desired.networks.get(&network) else { return Some(Obstacle::UnknownNetwork) };
        let Some(vni) = intent.vni else { return Some(Obstacle::NoSegment) };
        Some(match self.vni_conflict(intent)? {
            VniHolder::Foreign(name) => Obstacle::ForeignVni { vni, logical_switch: name.to_owned() },
            VniHolder::Ours(network, name) => Obstacle::OwnVni { vni, network, logical_switch: name.to_owned() },
        })
    }

    /// Whether a foreign Logical_Switch has a VLAN of this port that is wanted.
    #[must_use]
    pub fn has_foreign_binding(&self, port: Uuid) -> bool {
        let Some(row) = self.actual.port(port) else { return false };
        row.bindings.iter().any(|(vlan, logical_switch)| {
            self.holder(Some(*logical_switch)) == Holder::Foreign
                && self.desired.binding(self.actual, port, *vlan).is_some()
        })
    }

    fn binding_obstacle(&self, row: &PhysicalPort, vlan: VlanId, network: NetworkId) -> Option<Obstacle> {
        let bound = row.bindings.get(&vlan.get()).copied();
        match self.holder(bound) {
            Holder::Foreign => {
                let index = bound.and_then(|uuid| self.actual.logical_switch_index(uuid));
                let holder = index.and_then(|index| self.actual.logical_switch(index));
                let logical_switch = holder.map_or("unknown", |row| &row.name).to_owned();
                Some(Obstacle::ForeignBinding { port: row.name.clone(), vlan, logical_switch })
            }
            Holder::Ours(holder, _) if holder == network => None,
            // A binding that isn't there waits for the VNI. Without a Logical_Switch the network's obstacle says it.
            Holder::Ours(..) | Holder::Free => {
                self.logical_switches(network).0?;
                self.network_obstacle(network)
            }
        }
    }

    /// The same, for people.
    #[must_use]
    pub fn explain_blocked(&self, blocked: &Blocked) -> BlockedRow {
        let name = |network| self.actual.ownership().name(network);
        let (table, row, change, network_id) = match &blocked.subject {
            BlockedSubject::Switch(switch) => (Table::PhysicalSwitch, switch.clone(), String::new(), None),
            BlockedSubject::Network(network) => {
                let vni = self.desired.networks.get(network).and_then(|intent| intent.vni);
                let vni = vni.map_or_else(String::new, |vni| format!("VNI {vni}"));
                (Table::LogicalSwitch, name(*network), vni, Some(*network))
            }
            BlockedSubject::Binding { port, vlan, network, .. } => {
                (Table::PhysicalPort, format!("{port} VLAN {vlan}"), name(*network), Some(*network))
            }
        };
        let (obstacle, reason) = (blocked.obstacle.word(), blocked.obstacle.to_string());
        BlockedRow { table: table.name(), row, change, obstacle, reason, network_id }
    }

    /// Rows of a key that the switch refused, or that another controller keeps changing.
    pub(super) fn explain_fault(&self, key: RowKey, obstacle: &Obstacle, limit: usize) -> Vec<BlockedRow> {
        let mut rows = Vec::new();
        Planner { quarantined: &|_| false, ..*self }.plan_each([key], |_, _, transaction| {
            rows = self.explain(&transaction.finish(self.actual), limit);
        });
        let blocked = |row: PlannedRow| BlockedRow {
            table: row.table,
            row: row.row,
            change: row.change,
            obstacle: obstacle.word(),
            reason: obstacle.to_string(),
            network_id: row.network_id,
        };
        rows.into_iter().map(blocked).collect()
    }
}

fn no_port(port: &str, switch: &PhysicalSwitch, present: &Names) -> Obstacle {
    Obstacle::NoPort { port: port.to_owned(), switch: switch.name.clone(), present: present.clone() }
}
