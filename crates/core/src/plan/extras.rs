//! What else is kept on a database where plumgrid.ini asks for it: BFD of the tunnels that the switch made, and managers.
//! Rows and keys of others are never touched, and nothing is deleted.

use std::net::Ipv4Addr;

use uuid::Uuid;

use super::{PlanOutcome, Planner, RowKey, Transaction};
use crate::vtep::{Operation, Strings, Table, Tunnel};

/// What plumgrid.ini asks for beside the networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extras {
    /// Who copies broadcasts for the switch.
    pub replication: Replication,
    /// BFD of all tunnels; `None`: theirs.
    pub bfd: Option<Bfd>,
    /// Targets that the table Manager should have.
    pub managers: Vec<String>,
}

/// `replication_mode`, and who is in the flood lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Replication {
    /// The switch itself sends to every compute node.
    #[default]
    SourceNode,
    /// One compute node gets it from the switch: all that some switches can.
    OneNode,
    /// One of these gets it, and sends it on to all.
    ServiceNodes(Vec<Ipv4Addr>),
}

/// Keys of a Tunnel's maps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bfd {
    /// `bfd_params`.
    pub params: Strings,
    /// `bfd_config_remote`.
    pub config_remote: Strings,
}

/// The pairs that aren't there.
fn missing(wanted: &Strings, actual: &Strings) -> Strings {
    let differs = |(key, value): &(&String, &String)| actual.get(*key) != Some(*value);
    wanted.iter().filter(differs).map(|(key, value)| (key.clone(), value.clone())).collect()
}

impl RowKey {
    /// The key of the rows of a table that are compared all at once.
    #[must_use]
    pub fn of_table(table: Table) -> Option<Self> {
        match table {
            Table::Manager | Table::Global => Some(Self::Table(Table::Manager)),
            _ => None,
        }
    }
}

impl<'a> Planner<'a> {
    /// All keys that an audit looks at.
    pub(super) fn extras(&self) -> impl Iterator<Item = RowKey> + 'a {
        let tunnels = self.actual.tunnels().map(|(uuid, _)| RowKey::Tunnel(uuid));
        tunnels.chain([RowKey::Table(Table::Manager)])
    }

    /// Tunnels of switches that are configured; behind one server there may be others.
    fn is_ours(&self, tunnel: &Tunnel) -> bool {
        let Some(local) = self.actual.vtep(tunnel.local) else { return false };
        let sections = self.desired.sections.values();
        let mut switches = sections.filter_map(|section| self.actual.switch(&section.physical_switch));
        switches.any(|switch| switch.tunnel_ips.contains(&local.into()))
    }

    pub(super) fn add_tunnel(&self, row: Uuid, transaction: &mut Transaction) -> PlanOutcome {
        let Some((bfd, tunnel)) = self.policy.extras.bfd.as_ref().zip(self.actual.tunnel(row)) else {
            return PlanOutcome::Right;
        };
        let params = missing(&bfd.params, &tunnel.bfd_params);
        let remote = missing(&bfd.config_remote, &tunnel.bfd_config_remote);
        if !self.is_ours(tunnel) || (params.is_empty() && remote.is_empty()) {
            return PlanOutcome::Right;
        }
        transaction.serve(RowKey::Tunnel(row));
        transaction.push(Operation::ConfigureTunnel { row, params, remote });
        PlanOutcome::Added
    }

    pub(super) fn add_table(&self, table: Table, transaction: &mut Transaction) -> PlanOutcome {
        match table {
            Table::Manager => self.add_managers(transaction),
            _ => PlanOutcome::Right,
        }
    }

    fn add_managers(&self, transaction: &mut Transaction) -> PlanOutcome {
        let has = |target: &&String| self.actual.managers().any(|(_, row)| row.target == **target);
        let missing: Vec<_> = self.policy.extras.managers.iter().filter(|target| !has(target)).collect();
        // Without Global there is no switch yet.
        let Some(global) = self.actual.global().filter(|_| !missing.is_empty()) else { return PlanOutcome::Right };
        transaction.serve(RowKey::Table(Table::Manager));
        let mut new = Vec::new();
        for target in missing {
            let number = transaction.number();
            new.push(number);
            transaction.push(Operation::InsertManager { new: number, target: target.clone() });
        }
        transaction.push(Operation::ReferManagers { global, new });
        PlanOutcome::Added
    }
}
