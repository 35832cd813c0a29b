//! Desired x actual x policy -> transactions. Pure: no I/O and no clock.
//!
//! Work is named by [`RowKey`]s. [`Planner::audit`] finds all keys whose rows are not as desired; a change or a drift
//! names its keys itself. [`Planner::add`] looks at one key, compares what is desired with what is there *now*, and
//! adds the operations that are missing to a [`Transaction`]. So there is one comparison, whatever asked for it, and
//! work that waited in a queue can't be out of date.

mod audit;
mod bindings;
mod desired;
mod dry_run;
mod explain;
mod extras;
mod guard;
mod macs;
mod network;
mod obstacle;
mod transaction;
mod view;
mod vni;

use uuid::Uuid;

pub use audit::{Audit, Comparison};
pub use desired::{Desired, Section};
pub use dry_run::{DryRun, HeldDeletions};
pub use extras::{Bfd, Extras, Replication};
pub use guard::{Counting, GuardCount};
pub use obstacle::{Blocked, BlockedSubject, Obstacle};
pub use transaction::{RowCounts, Transaction};
pub use vni::VniHolder;

use crate::{
    intent::NetworkIntent,
    model::{
        MacAddr, NetworkId, Vni,
        indexed::{FastMap, FastSet},
    },
    vtep::{Columns, LogicalSwitchIndex, Owner, Replica, Table},
};
use bindings::Moves;
use view::View;

/// A piece of work: rows that are compared, written and blamed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RowKey {
    /// A network's Logical_Switch and flood row; its bindings too while the Logical_Switch is not there yet.
    Network(NetworkId),
    /// A VLAN of a Physical_Port.
    Binding(Uuid, u16),
    /// A MAC of a network.
    Mac(NetworkId, MacAddr),
    /// BFD of a row of Tunnel.
    Tunnel(Uuid),
    /// The rows of a table that plumgrid.ini names: all of them are compared at once.
    Table(Table),
}

/// What the operator decided.
#[derive(Debug, Clone)]
pub struct Policy {
    /// What the switch's schema can hold.
    pub columns: Columns,
    /// Unexplained deletions of more than this share of our rows are held, in percent.
    pub guard_percent: u8,
    /// The guard holds nothing below this number of rows.
    pub guard_min_rows: u32,
    /// An operator holds all deletions: nothing explains any.
    pub hold: bool,
    /// What is kept beside the networks.
    pub extras: Extras,
}

/// How far a key's transaction is. RFC 7047 lets the update of a transaction come before its reply or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStage {
    /// Not answered.
    Sent,
    /// Not answered, and the update came.
    Updated,
    /// Answered, and the update hasn't come.
    Answered,
}

/// What is under way, and must not be planned again.
#[derive(Debug, Default, Clone)]
pub struct InFlight {
    /// Keys of transactions that aren't answered, or whose update hasn't come.
    pub keys: FastMap<RowKey, TransactionStage>,
    /// Ports whose bindings such a transaction changes: the next one has to see the result.
    pub ports: FastSet<Uuid>,
    /// Locators that such a transaction inserts: a second insert of one would violate the index.
    pub locators: FastSet<std::net::Ipv4Addr>,
    /// VNIs that such a transaction gives to a network's Logical_Switch; in force while the network's key is under way.
    vnis: FastMap<Vni, NetworkId>,
}

/// What the guard says of deletions that nothing explains (architecture rule 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardDecision {
    /// Nobody counted them since the last change: count first.
    Unknown,
    /// They are few, or were released.
    Pass,
    /// They wait for an operator.
    Hold,
}

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanOutcome {
    /// The rows are right, or will be once something else was done that brings the key back.
    Right,
    /// Operations were added.
    Added,
    /// Something under way has to end first.
    Wait,
    /// Foreign rows stand in the way, or those of another network of ours.
    Conflict,
    /// It was quarantined.
    Quarantined,
    /// There are deletions that nothing explains, and they haven't been counted.
    Uncounted,
    /// There are deletions that nothing explains, and they are held.
    Held,
}

/// A look at one database at one moment.
#[derive(Clone, Copy)]
pub struct Planner<'a> {
    /// What it should hold.
    pub desired: &'a Desired,
    /// What it holds.
    pub actual: &'a Replica,
    /// What the operator decided.
    pub policy: &'a Policy,
    /// What is under way.
    pub in_flight: &'a InFlight,
    /// What failed and waits for its next attempt.
    pub quarantined: &'a dyn Fn(&RowKey) -> bool,
    /// The guard's word.
    pub guard: GuardDecision,
}

/// What keys that are compared in a row have in common. It holds while neither the desired state nor the replica changes.
#[derive(Default)]
struct Seen<'a> {
    view: Option<View<'a>>,
    moves: Moves<'a>,
}

/// Whether a database should hold a network.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    /// A connection brings it to a switch that is there.
    Yes(&'a NetworkIntent),
    /// No connection brings it.
    No,
    /// It can't be said: the switch that should carry it isn't in the database, or the network isn't known yet.
    Unclear,
}

// ===== impl RowKey =====

impl RowKey {
    /// The network whose rows these are; a binding's may change.
    #[must_use]
    pub fn network(&self) -> Option<NetworkId> {
        match self {
            RowKey::Network(network) | RowKey::Mac(network, _) => Some(*network),
            RowKey::Binding(..) | RowKey::Tunnel(_) | RowKey::Table(_) => None,
        }
    }
}

// ===== impl InFlight =====

impl InFlight {
    /// A transaction was sent.
    pub fn reserve(&mut self, transaction: &Transaction) {
        self.keys.extend(transaction.keys.iter().map(|key| (*key, TransactionStage::Sent)));
        self.ports.extend(transaction.ports());
        self.locators.extend(&transaction.locators);
        let keys = &self.keys;
        self.vnis.retain(|_, network| keys.contains_key(&RowKey::Network(*network)));
        self.vnis.extend(transaction.vnis());
    }

    /// The network to which a transaction that is under way gives this VNI.
    fn taker(&self, vni: Vni) -> Option<NetworkId> {
        self.vnis.get(&vni).copied().filter(|network| self.keys.contains_key(&RowKey::Network(*network)))
    }

    /// A transaction was answered. Returns its keys, and whether their update came before the reply.
    pub fn release(&mut self, transaction: &Transaction) -> Vec<(RowKey, bool)> {
        for port in transaction.ports() {
            self.ports.remove(&port);
        }
        for locator in &transaction.locators {
            self.locators.remove(locator);
        }
        transaction.keys.iter().map(|key| (*key, self.keys.remove(key) == Some(TransactionStage::Updated))).collect()
    }
}

// ===== impl Planner =====

impl<'a> Planner<'a> {
    /// Adds what this key needs to the transaction.
    pub fn add(&self, key: RowKey, transaction: &mut Transaction) -> PlanOutcome {
        self.add_seen(key, &mut Seen::default(), transaction)
    }

    /// Adds what keys need until the transaction has this number of operations, and reports what became of each key. Keys of
    /// one network in a row cost least.
    pub fn fill(
        &self,
        operations: usize,
        transaction: &mut Transaction,
        mut next: impl FnMut() -> Option<RowKey>,
        mut report: impl FnMut(RowKey, PlanOutcome),
    ) {
        let mut seen = Seen::default();
        while transaction.len() < operations
            && let Some(key) = next()
        {
            report(key, self.add_seen(key, &mut seen, transaction));
        }
    }

    /// What each of these keys needs, by itself.
    pub fn plan_each(
        &self,
        keys: impl IntoIterator<Item = RowKey>,
        mut report: impl FnMut(RowKey, PlanOutcome, Transaction),
    ) {
        let mut seen = Seen::default();
        for key in keys {
            let mut transaction = Transaction::default();
            let outcome = self.add_seen(key, &mut seen, &mut transaction);
            report(key, outcome, transaction);
        }
    }

    fn add_seen(&self, key: RowKey, seen: &mut Seen<'a>, transaction: &mut Transaction) -> PlanOutcome {
        if self.in_flight.keys.contains_key(&key) {
            return PlanOutcome::Wait;
        }
        if transaction.serves(&key) {
            return PlanOutcome::Right;
        }
        if (self.quarantined)(&key) {
            return PlanOutcome::Quarantined;
        }
        match key {
            RowKey::Network(network) => self.add_network(network, transaction),
            RowKey::Binding(port, vlan) => self.add_binding(port, vlan, &mut seen.moves, transaction),
            RowKey::Tunnel(row) => self.add_tunnel(row, transaction),
            RowKey::Table(table) => self.add_table(table, transaction),
            RowKey::Mac(network, mac) => {
                let view = match &mut seen.view {
                    Some(view) if view.network == network => view,
                    view => view.insert(self.view(network)),
                };
                self.add_mac(view, mac, transaction)
            }
        }
    }

    /// The network whose Logical_Switch this is, if it is ours.
    #[must_use]
    pub fn owner(&self, index: LogicalSwitchIndex) -> Option<NetworkId> {
        match self.actual.owner(index) {
            Owner::Foreign => None,
            Owner::Ours(network) => Some(network),
            Owner::Adoptable(network) => self.desired.knows(network).then_some(network),
        }
    }

    /// The Logical_Switch of a network that we write to, and further ones that bear an earlier prefix.
    #[must_use]
    pub fn logical_switches(&self, network: NetworkId) -> (Option<LogicalSwitchIndex>, Vec<LogicalSwitchIndex>) {
        let mut ours = self.actual.owned(network).iter().copied().filter(|index| self.owner(*index).is_some());
        (ours.next(), ours.collect())
    }

    /// Whether an API call explains that the network is deleted from this database.
    fn is_buried(&self, network: NetworkId) -> bool {
        !self.policy.hold
            && self.desired.sections.values().any(|section| section.intent.buried_networks.contains(&network))
    }

    fn wanted(&self, network: NetworkId) -> Wanted<'a> {
        let mut carriers = self.desired.sections.values().filter(|s| s.intent.networks.contains(&network)).peekable();
        if carriers.peek().is_none() {
            return Wanted::No;
        }
        let here = carriers.any(|section| self.actual.switch(&section.physical_switch).is_some());
        match self.desired.networks.get(&network) {
            Some(intent) if here => Wanted::Yes(intent),
            _ => Wanted::Unclear,
        }
    }

    /// Whether the locators of these VTEPs can be referred to: no other transaction is inserting one of them.
    fn can_locate(&self, ips: &[std::net::Ipv4Addr]) -> bool {
        ips.iter().all(|ip| !self.in_flight.locators.contains(ip) || self.actual.locator(*ip).is_some())
    }

    /// What the guard decides about a deletion; `None`: it may be sent.
    fn unexplained(&self, explained: bool) -> Option<PlanOutcome> {
        match self.guard {
            _ if explained => None,
            GuardDecision::Pass => None,
            GuardDecision::Unknown => Some(PlanOutcome::Uncounted),
            GuardDecision::Hold => Some(PlanOutcome::Held),
        }
    }

    /// Everything that can be sent now, a dry run. Its transactions don't disturb one another; applying them and planning
    /// again reaches the desired state in a few rounds.
    #[must_use]
    pub fn plan(&self, operations: usize) -> Vec<Transaction> {
        let planner = Planner { guard: self.guard_decision(), ..*self };
        planner.plan_keys(planner.audit(None).keys(), operations, |_, _| {})
    }

    /// The same for these keys, and what becomes of each.
    fn plan_keys(
        &self,
        keys: impl Iterator<Item = RowKey>,
        operations: usize,
        mut report: impl FnMut(RowKey, PlanOutcome),
    ) -> Vec<Transaction> {
        let mut in_flight = self.in_flight.clone();
        let mut transactions = Vec::new();
        let mut keys = keys.peekable();
        while keys.peek().is_some() {
            let planner = Planner { in_flight: &in_flight, ..*self };
            let mut transaction = Transaction::default();
            planner.fill(operations, &mut transaction, || keys.next(), &mut report);
            let transaction = transaction.finish(self.actual);
            if !transaction.operations.is_empty() {
                in_flight.reserve(&transaction);
                transactions.push(transaction);
            }
        }
        transactions
    }

    /// Counts the deletions that nothing explains, and decides.
    #[must_use]
    pub fn guard_decision(&self) -> GuardDecision {
        if self.guard == GuardDecision::Unknown { self.count_unexplained().decision(self.policy) } else { self.guard }
    }
}

#[cfg(test)]
mod tests;
