//! Comparing everything: which keys are not as desired.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{GuardDecision, PlanOutcome, Planner, RowKey, Seen, Transaction, Wanted};
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
    pub extras: Vec<RowKey>,
}

/// Logical_Switches with rows that no desired MAC accounts for.
type Superfluous<'a> = FastMap<LogicalSwitchIndex, (NetworkId, Option<&'a NetworkIntent>)>;

// ===== impl Audit =====

impl Audit {
    /// All keys, in the order in which they should be sent: what makes traffic possible first.
    pub fn keys(&self) -> impl Iterator<Item = RowKey> {
        let networks = self.networks.iter().map(|network| RowKey::Network(*network));
        let bindings = self.bindings.iter().map(|(port, vlan)| RowKey::Binding(*port, *vlan));
        let macs = self.macs.iter().flat_map(|(network, macs)| macs.iter().map(|mac| RowKey::Mac(*network, *mac)));
        networks.chain(bindings).chain(self.extras.iter().copied()).chain(macs)
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
        let (mut superfluous, mut seen) = (FastMap::default(), Seen::default());
        for network in networks {
            if self.differs(RowKey::Network(network), &mut seen) {
                audit.networks.insert(network);
            }
            let differs = |(port, vlan): &(Uuid, u16)| self.differs(RowKey::Binding(*port, *vlan), &mut seen);
            audit.bindings.extend(self.bindings_of(network).filter(differs));
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
            audit.extras.extend(self.extras().filter(|key| self.differs(*key, &mut seen)));
        }
        audit
    }

    /// Networks that are desired here, and those that we have rows of.
    fn networks(&self) -> BTreeSet<NetworkId> {
        let owned = self.actual.logical_switches().filter_map(|(index, _)| self.owner(index));
        self.desired.networks.keys().copied().chain(owned).collect()
    }

    /// Whether a key needs operations, as far as can be said without knowing what else is sent.
    fn differs(&self, key: RowKey, seen: &mut Seen<'a>) -> bool {
        // A transaction that is thrown away: what would be added is what differs.
        let outcome = Planner { guard: GuardDecision::Pass, ..*self }.add_seen(key, seen, &mut Transaction::default());
        matches!(outcome, PlanOutcome::Added | PlanOutcome::Wait | PlanOutcome::Conflict)
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
        let mut accounted = 0;
        for desired in self.desired_macs(intent) {
            let mut rows = self.actual.macs_with(index, desired.mac);
            let first = rows.next();
            let duplicates = rows.count();
            accounted += usize::from(first.is_some()) + duplicates;
            let right = first.is_some_and(|row| self.is_right(row, &desired)) && duplicates == 0;
            let own = self.actual.is_own_vtep(desired.vtep);
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
}
