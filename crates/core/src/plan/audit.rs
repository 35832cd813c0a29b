//! Comparing everything: which keys are not as desired, and which deletions nothing explains.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Guard, Key, PerNetwork, Planner, Policy, Transaction, Verdict, Wanted, bindings::Holder};
use crate::{
    intent::NetworkIntent,
    model::{MacAddr, NetworkId, indexed::FastMap},
    vtep::LogicalSwitchIndex,
};

/// What an audit found.
#[derive(Debug, Default)]
pub struct Audit {
    /// Networks whose Logical_Switch or flood row isn't right.
    pub networks: BTreeSet<NetworkId>,
    /// Bindings that aren't right.
    pub bindings: BTreeSet<(Uuid, u16)>,
    /// MACs that aren't right.
    pub macs: BTreeMap<NetworkId, Vec<MacAddr>>,
    /// What else isn't right.
    pub extras: Vec<Key>,
}

/// Our rows on a database, and those of them that would be deleted without an explanation.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct GuardCount {
    /// Rows that we own: Logical_Switches, flood rows, bindings, MACs.
    pub own: usize,
    /// Deletions that nothing explains, by network.
    pub unexplained: PerNetwork<usize>,
}

/// Logical_Switches with rows that no desired MAC accounts for.
type Superfluous<'a> = FastMap<LogicalSwitchIndex, (NetworkId, Option<&'a NetworkIntent>)>;

// ===== impl Audit =====

impl Audit {
    /// All keys, in the order in which they should be sent: what makes traffic possible first.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        let networks = self.networks.iter().map(|network| Key::Network(*network));
        let bindings = self.bindings.iter().map(|(port, vlan)| Key::Binding(*port, *vlan));
        let macs = self.macs.iter().flat_map(|(network, macs)| macs.iter().map(|mac| Key::Mac(*network, *mac)));
        networks.chain(bindings).chain(self.extras.iter().copied()).chain(macs)
    }
}

// ===== impl GuardCount =====

impl GuardCount {
    /// Number of deletions that nothing explains.
    #[must_use]
    pub fn total(&self) -> usize {
        self.unexplained.values().sum()
    }

    /// Whether they may go (architecture rule 7).
    #[must_use]
    pub fn verdict(&self, policy: &Policy) -> Guard {
        let total = self.total();
        if policy.hold && total > 0 {
            return Guard::Hold;
        }
        let many = total >= policy.guard_min_rows as usize;
        if many && total * 100 > self.own * usize::from(policy.guard_percent) { Guard::Hold } else { Guard::Pass }
    }
}

// ===== impl Planner: comparing everything =====

impl<'a> Planner<'a> {
    /// All keys that aren't right; of these networks alone, or (`None`) of all.
    #[must_use]
    pub fn audit(&self, only: Option<&BTreeSet<NetworkId>>) -> Audit {
        let mut audit = Audit::default();
        let networks = only.cloned().unwrap_or_else(|| self.networks());
        // Rows that no desired MAC accounts for are found in one pass over all rows, for all networks at once.
        let mut superfluous = FastMap::default();
        for network in networks {
            if self.differs(Key::Network(network)) {
                audit.networks.insert(network);
            }
            audit.bindings.extend(self.bindings_of(network).filter(|(p, v)| self.differs(Key::Binding(*p, *v))));
            let (chosen, surplus) = self.logical_switches(network);
            let wanted = match self.wanted(network) {
                Wanted::Unclear => continue,
                Wanted::Yes(intent) => Some(intent),
                Wanted::No => None,
            };
            for index in surplus.into_iter().filter(|index| self.has_macs(*index)) {
                superfluous.insert(index, (network, None));
            }
            let mut wrong = Vec::new();
            let accounted = wanted.map_or(0, |intent| self.compare_macs(intent, chosen, &mut wrong));
            if !wrong.is_empty() {
                audit.macs.insert(network, wrong);
            }
            if let Some(index) = chosen.filter(|index| self.actual.mac_count(*index) > accounted) {
                superfluous.insert(index, (network, wanted));
            }
        }
        if !superfluous.is_empty() {
            self.find_superfluous(&superfluous, &mut audit);
        }
        if only.is_none() {
            audit.extras.extend(self.extras().filter(|key| self.differs(*key)));
        }
        audit
    }

    /// Networks that are desired here, and those that we have rows of.
    fn networks(&self) -> BTreeSet<NetworkId> {
        let owned = self.actual.logical_switches().filter_map(|(index, _)| self.owner(index));
        self.desired.networks.keys().copied().chain(owned).collect()
    }

    /// Whether a key needs operations, as far as can be said without knowing what else is sent.
    fn differs(&self, key: Key) -> bool {
        // A transaction that is thrown away: what would be added is what differs.
        let verdict = Planner { guard: Guard::Pass, ..*self }.add(key, &mut Transaction::default());
        matches!(verdict, Verdict::Added | Verdict::Wait | Verdict::Conflict)
    }

    /// Bindings that a network should have, and those that it has.
    fn bindings_of(&self, network: NetworkId) -> impl Iterator<Item = (Uuid, u16)> {
        let (chosen, surplus) = self.logical_switches(network);
        let actual = chosen.into_iter().chain(surplus).flat_map(|index| self.actual.bindings_to(index));
        let all: BTreeSet<_> = actual.chain(self.desired_bindings(network)).collect();
        all.into_iter()
    }

    /// Compares the desired MACs of a network with the rows. Returns how many rows they account for.
    fn compare_macs(
        &self,
        intent: &NetworkIntent,
        index: Option<LogicalSwitchIndex>,
        wrong: &mut Vec<MacAddr>,
    ) -> usize {
        let Some(index) = index else {
            wrong.extend(self.desired_macs(intent).map(|desired| desired.mac));
            return 0;
        };
        let own_vteps: Vec<_> = self.actual.own_vteps().collect();
        let mut accounted = 0;
        for desired in self.desired_macs(intent) {
            let mut rows = self.actual.macs_with(index, desired.mac);
            let first = rows.next();
            let duplicates = rows.count();
            accounted += usize::from(first.is_some()) + duplicates;
            let right = first.is_some_and(|row| self.is_right(row, &desired)) && duplicates == 0;
            let own = own_vteps.contains(&desired.vtep);
            if (own && first.is_some()) || (!own && !right) {
                wrong.push(desired.mac);
            }
        }
        accounted
    }

    /// Adds the rows that aren't desired, on Logical_Switches of which something is: those of the one that a network
    /// uses come with its intent.
    fn find_superfluous(&self, within: &Superfluous<'_>, audit: &mut Audit) {
        for row in self.actual.macs() {
            let Some((network, intent)) = within.get(&row.logical_switch) else { continue };
            let desired = |intent: &NetworkIntent| {
                intent.macs.get(row.mac).is_some() || self.desired_mac(intent, row.mac).is_some()
            };
            if !intent.is_some_and(desired) {
                audit.macs.entry(*network).or_default().push(row.mac);
            }
        }
    }

    /// Counts our rows, and those that would be deleted without an explanation.
    #[must_use]
    pub fn count_unexplained(&self) -> GuardCount {
        let mut count = GuardCount::default();
        let mut partly: FastMap<LogicalSwitchIndex, &'a NetworkIntent> = FastMap::default();
        for (index, _) in self.actual.logical_switches() {
            let Some(network) = self.owner(index) else { continue };
            let rows = 1
                + self.actual.mac_count(index)
                + self.actual.multicasts_of(index).count()
                + self.actual.bindings_to(index).count();
            count.own += rows;
            let mut unexplained = 0;
            match self.wanted(network) {
                Wanted::Yes(intent) => {
                    unexplained +=
                        self.actual.bindings_to(index).filter(|(p, v)| self.goes_unexplained(*p, *v)).count();
                    // Others go because there is a better one; and where a foreign row has the VNI, nothing goes.
                    let chosen = self.logical_switches(network).0 == Some(index);
                    if chosen && intent.vni.is_some() && self.vni_conflict(intent).is_none() {
                        partly.insert(index, intent);
                    }
                }
                Wanted::No if !self.is_buried(network) => unexplained += rows,
                Wanted::No | Wanted::Unclear => {}
            }
            if unexplained > 0 {
                *count.unexplained.entry(network).or_default() += unexplained;
            }
        }
        for row in self.actual.macs() {
            if let Some(intent) = partly.get(&row.logical_switch)
                && !self.explains_mac(Some(intent), intent.id, row.mac)
            {
                *count.unexplained.entry(intent.id).or_default() += 1;
            }
        }
        count
    }

    fn goes_unexplained(&self, port: Uuid, vlan: u16) -> bool {
        let bound = self.actual.port(port).and_then(|row| row.bindings.get(&vlan).copied());
        let Holder::Ours(network, _) = self.holder(bound) else { return false };
        self.desired.binding(self.actual, port, vlan).is_none() && !self.explains_unbinding(network, port, vlan)
    }
}
