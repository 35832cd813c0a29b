//! Comparing everything: which keys are not as desired.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use uuid::Uuid;

use super::{GuardDecision, PlanOutcome, Planner, RowKey, Seen, Transaction, Wanted};
use crate::{
    intent::NetworkIntent,
    model::{MacAddr, NetworkId, indexed::FastMap},
    vtep::LogicalSwitchIndex,
};

/// What an audit found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Networks whose Logical_Switch or flood row isn't right.
    pub networks: BTreeSet<NetworkId>,
    /// Bindings that aren't right.
    pub bindings: BTreeSet<(Uuid, u16)>,
    /// MACs that aren't right.
    pub macs: BTreeMap<NetworkId, Vec<MacAddr>>,
    /// Those of them that other switches have learned: they may be tens of thousands, and come last.
    pub relayed: BTreeMap<NetworkId, Vec<MacAddr>>,
    /// What else isn't right.
    pub extras: Vec<RowKey>,
}

/// A comparison that is made a slice at a time. It holds while neither the desired state nor the replica changes.
#[derive(Debug)]
pub struct Comparison {
    audit: Audit,
    /// Networks that are still to be compared, the next one last.
    networks: Vec<NetworkId>,
    /// The network whose MACs are being compared.
    macs: Option<Macs>,
    superfluous: Superfluous,
    /// The next row of Ucast_Macs_Remote that is looked at; `None`: all were.
    place: Option<usize>,
    /// Everything is compared, and not some networks alone.
    all: bool,
}

/// The MACs of a network, as far as they were compared.
#[derive(Debug)]
struct Macs {
    network: NetworkId,
    intent: Arc<NetworkIntent>,
    /// The Logical_Switch that we write to.
    chosen: Option<LogicalSwitchIndex>,
    next: usize,
    /// Rows that the desired MACs account for.
    accounted: usize,
    wrong: Vec<MacAddr>,
    wrong_relayed: Vec<MacAddr>,
}

/// Logical_Switches with rows that no desired MAC accounts for.
type Superfluous = FastMap<LogicalSwitchIndex, (NetworkId, Option<Arc<NetworkIntent>>)>;

// ===== impl Audit =====

impl Audit {
    /// All keys, in the order in which they should be sent: what makes traffic possible first.
    pub fn keys(&self) -> impl Iterator<Item = RowKey> {
        let networks = self.networks.iter().map(|network| RowKey::Network(*network));
        let bindings = self.bindings.iter().map(|(port, vlan)| RowKey::Binding(*port, *vlan));
        let all = self.macs.iter().chain(&self.relayed);
        let macs = all.flat_map(|(network, macs)| macs.iter().map(|mac| RowKey::Mac(*network, *mac)));
        networks.chain(bindings).chain(self.extras.iter().copied()).chain(macs)
    }
}

// ===== impl Planner: comparing everything =====

impl<'a> Planner<'a> {
    /// All keys that aren't right; of these networks alone, or (`None`) of all.
    #[must_use]
    pub fn audit(&self, only: Option<&BTreeSet<NetworkId>>) -> Audit {
        let mut comparison = self.comparison(only);
        while !self.compare_some(&mut comparison, usize::MAX) {}
        comparison.audit
    }

    /// A comparison of these networks alone, or (`None`) of everything, that is still to be made.
    #[must_use]
    pub fn comparison(&self, only: Option<&BTreeSet<NetworkId>>) -> Comparison {
        let networks = only.cloned().unwrap_or_else(|| self.networks());
        Comparison {
            audit: Audit::default(),
            networks: networks.into_iter().rev().collect(),
            macs: None,
            superfluous: FastMap::default(),
            place: Some(0),
            all: only.is_none(),
        }
    }

    /// Makes the next piece of a comparison, of about so many rows. True: it is done.
    pub fn compare_some(&self, comparison: &mut Comparison, rows: usize) -> bool {
        let (mut left, mut seen) = (rows, Seen::default());
        while left > 0 {
            if let Some(macs) = comparison.macs.take() {
                comparison.macs =
                    self.compare_macs(macs, &mut left, &mut comparison.audit, &mut comparison.superfluous);
            } else if let Some(network) = comparison.networks.pop() {
                left = left.saturating_sub(1 + self.compare_network(network, comparison, &mut seen));
            } else if let Some(place) = comparison.place.filter(|_| !comparison.superfluous.is_empty()) {
                // Rows that no desired MAC accounts for are found in one pass over all rows, for all networks at once.
                comparison.place = self.find_superfluous(&comparison.superfluous, place, left, &mut comparison.audit);
                left = if comparison.place.is_some() { 0 } else { left };
            } else {
                if comparison.all {
                    comparison.audit.extras.extend(self.extras().filter(|key| self.differs(*key, &mut seen)));
                }
                return true;
            }
        }
        false
    }

    /// Compares a network but for its MACs, which are to follow. Returns how many bindings that were.
    fn compare_network(&self, network: NetworkId, comparison: &mut Comparison, seen: &mut Seen<'a>) -> usize {
        let Comparison { audit, superfluous, macs, .. } = comparison;
        if self.differs(RowKey::Network(network), seen) {
            audit.networks.insert(network);
        }
        let bindings = self.bindings_of(network);
        let count = bindings.len();
        let differs = |(port, vlan): &(Uuid, u16)| self.differs(RowKey::Binding(*port, *vlan), seen);
        audit.bindings.extend(bindings.into_iter().filter(differs));
        let (chosen, surplus) = self.logical_switches(network);
        let intent = match self.wanted(network) {
            Wanted::Unclear => return count,
            Wanted::Yes(_) => self.desired.networks.get(&network).cloned(),
            Wanted::No => None,
        };
        for index in surplus.into_iter().filter(|index| self.has_macs(*index)) {
            superfluous.insert(index, (network, None));
        }
        match intent {
            Some(intent) => {
                let (wrong, wrong_relayed) = (Vec::new(), Vec::new());
                *macs = Some(Macs { network, intent, chosen, next: 0, accounted: 0, wrong, wrong_relayed });
            }
            None => {
                if let Some(index) = chosen.filter(|index| self.actual.mac_count(*index) > 0) {
                    superfluous.insert(index, (network, None));
                }
            }
        }
        count
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
    fn bindings_of(&self, network: NetworkId) -> BTreeSet<(Uuid, u16)> {
        let (chosen, surplus) = self.logical_switches(network);
        let actual = chosen.into_iter().chain(surplus).flat_map(|index| self.actual.bindings_to(index));
        actual.chain(self.desired_bindings(network)).collect()
    }

    /// Compares some of a network's desired MACs with the rows; `None`: that was all of them.
    fn compare_macs(
        &self,
        mut macs: Macs,
        left: &mut usize,
        audit: &mut Audit,
        superfluous: &mut Superfluous,
    ) -> Option<Macs> {
        let Macs { intent, chosen, next, accounted, wrong, wrong_relayed, .. } = &mut macs;
        let (own, all) = (intent.macs.len(), intent.macs.len() + intent.behind.macs.len());
        // The own ones come first; a slice has none but own ones, or none.
        let (end, wrong) = if *next < own { (own, wrong) } else { (all, wrong_relayed) };
        let places = (*left).min(end - *next);
        let some = self.some_desired_macs(intent, *next, places);
        match *chosen {
            None => wrong.extend(some.map(|desired| desired.mac)),
            Some(index) => {
                for desired in some {
                    let mut rows = self.actual.macs_with(index, desired.mac);
                    let first = rows.next();
                    let duplicates = rows.count();
                    *accounted += usize::from(first.is_some()) + duplicates;
                    let right = first.is_some_and(|row| self.is_right(row, &desired)) && duplicates == 0;
                    let is_own = self.actual.is_own_vtep(desired.vtep);
                    if (is_own && first.is_some()) || (!is_own && !right) {
                        wrong.push(desired.mac);
                    }
                }
            }
        }
        (*next, *left) = (*next + places, *left - places);
        if *next < all {
            return Some(macs);
        }
        let Macs { network, intent, chosen, accounted, wrong, wrong_relayed, .. } = macs;
        if !wrong.is_empty() {
            audit.macs.insert(network, wrong);
        }
        if !wrong_relayed.is_empty() {
            audit.relayed.insert(network, wrong_relayed);
        }
        if let Some(index) = chosen.filter(|index| self.actual.mac_count(*index) > accounted) {
            superfluous.insert(index, (network, Some(intent)));
        }
        None
    }

    /// Adds the rows that aren't desired, on Logical_Switches of which something is: those of the one that a network
    /// uses come with its intent. Returns the place behind those that were looked at; `None`: it was the last.
    fn find_superfluous(&self, within: &Superfluous, from: usize, places: usize, audit: &mut Audit) -> Option<usize> {
        let (rows, next) = self.actual.some_macs(from, places);
        for row in rows {
            let Some((network, intent)) = within.get(&row.logical_switch) else { continue };
            let desired = |intent: &NetworkIntent| {
                intent.macs.get(row.mac).is_some() || self.desired_mac(intent, row.mac).is_some()
            };
            if !intent.as_deref().is_some_and(desired) {
                audit.macs.entry(*network).or_default().push(row.mac);
            }
        }
        next
    }
}

// ===== impl Comparison =====

impl Comparison {
    /// What was found.
    #[must_use]
    pub fn into_audit(self) -> Audit {
        self.audit
    }
}
