//! What would be done, without doing it: for people by row, and as the operations themselves.

use super::{GuardDecision, Obstacle, PlanOutcome, Planner, Policy, RowCounts, RowKey, Transaction, Wanted};
use crate::model::{
    event::{BlockedRow, HeldNetwork, PlannedRow},
    indexed::FastSet,
};

/// A plan that is not carried out.
#[derive(Debug, Clone, Default)]
pub struct DryRun {
    /// Rows of all transactions that could be sent now.
    pub row_counts: RowCounts,
    /// The first of these rows, in words.
    pub rows: Vec<PlannedRow>,
    /// The first transaction.
    pub first: Transaction,
    /// Whether more would follow once it is committed.
    pub more: bool,
    /// Logical_Switches that are deleted once their bindings are, and how many rows are deleted with each.
    pub later: Vec<(String, usize)>,
    /// The first of the wanted rows that can't be written, and what stands in the way.
    pub blocked: Vec<BlockedRow>,
    /// Number of these.
    pub blocked_total: usize,
    /// Deletions that nothing explains.
    pub held: HeldDeletions,
}

/// Deletions that are held.
#[derive(Debug, Clone, Default)]
pub struct HeldDeletions {
    /// Number of rows.
    pub total: usize,
    /// By network.
    pub networks: Vec<HeldNetwork>,
    /// The first of these rows, in words.
    pub rows: Vec<PlannedRow>,
    /// The transaction that a release would send first.
    pub release: Transaction,
}

impl Planner<'_> {
    /// Compares everything, with at most `operations` in a transaction and `rows` of each kind in words. `faults` are the
    /// keys that the switch refused, or that another controller keeps changing.
    #[must_use]
    pub fn dry_run(&self, operations: usize, rows: usize, faults: &[(RowKey, Obstacle)]) -> DryRun {
        let guard = self.guard_decision();
        let isolated: FastSet<RowKey> = faults.iter().map(|(key, _)| *key).collect();
        let planner = Planner { guard, quarantined: &|key| isolated.contains(key), ..*self };
        let mut held = Vec::new();
        let note = |key, outcome| held.extend((outcome == PlanOutcome::Held).then_some(key));
        let transactions = planner.plan_keys(planner.audit(None).keys(), operations, note);
        let mut dry = DryRun { later: planner.later(), ..DryRun::default() };
        for transaction in &transactions {
            dry.row_counts += transaction.row_counts;
            let room = rows.saturating_sub(dry.rows.len());
            if room > 0 {
                dry.rows.extend(planner.explain(transaction, room));
            }
        }
        planner.find_blocked(rows, faults, &mut dry);
        if guard == GuardDecision::Hold {
            dry.held = planner.held(operations, rows, held);
        }
        dry.more = transactions.len() > 1 || !dry.later.is_empty();
        dry.first = transactions.into_iter().next().unwrap_or_default();
        dry
    }

    fn find_blocked(&self, rows: usize, faults: &[(RowKey, Obstacle)], dry: &mut DryRun) {
        let blocked = self.blocked();
        dry.blocked_total = blocked.len();
        dry.blocked.extend(blocked.iter().take(rows).map(|blocked| self.explain_blocked(blocked)));
        for (key, obstacle) in faults {
            // A key has few rows: a Logical_Switch and its flood row, a MAC and its duplicates.
            let explained = self.explain_fault(*key, obstacle, rows);
            dry.blocked_total += explained.len();
            let room = rows.saturating_sub(dry.blocked.len());
            dry.blocked.extend(explained.into_iter().take(room));
        }
    }

    fn held(&self, operations: usize, rows: usize, keys: Vec<RowKey>) -> HeldDeletions {
        let total = self.count_unexplained().total();
        let (networks, listed) = self.list_unexplained(rows);
        let policy = Policy { hold: false, ..self.policy.clone() };
        let released = Planner { guard: GuardDecision::Pass, policy: &policy, ..*self };
        let transactions = released.plan_keys(keys.into_iter(), operations, |_, _| {});
        let release = transactions.into_iter().next().unwrap_or_default();
        HeldDeletions { total, networks, rows: listed, release }
    }

    /// Logical_Switches that no connection brings here, that something is still bound to, and that are not held.
    fn later(&self) -> Vec<(String, usize)> {
        let mut later = Vec::new();
        for (index, row) in self.actual.logical_switches() {
            let Some(network) = self.owner(index) else { continue };
            let bound = self.actual.bindings_to(index).next().is_some();
            let held = self.guard == GuardDecision::Hold && !self.is_buried(network);
            if bound && !held && matches!(self.wanted(network), Wanted::No) {
                let rows = 1 + self.actual.mac_count(index) + self.actual.multicasts_of(index).count();
                later.push((row.name.clone(), rows));
            }
        }
        later
    }
}
