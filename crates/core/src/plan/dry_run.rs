//! What would be done, without doing it: for people by row, and as the operations themselves.

use super::{Guard, Planner, Tally, Transaction, Wanted};
use crate::model::event::PlannedRow;

/// A plan that is not carried out.
#[derive(Debug, Clone, Default)]
pub struct DryRun {
    /// Rows of all transactions that could be sent now.
    pub tally: Tally,
    /// The first of these rows, in words.
    pub rows: Vec<PlannedRow>,
    /// The first transaction.
    pub first: Transaction,
    /// Whether more would follow once it is committed.
    pub more: bool,
    /// Logical_Switches that go once their bindings have gone, and how many rows go with each.
    pub later: Vec<(String, usize)>,
    /// Deletions that nothing explains and that are held.
    pub held: usize,
}

impl Planner<'_> {
    /// A look at everything, with at most so many operations in the first transaction and so many rows in words.
    #[must_use]
    pub fn dry_run(&self, operations: usize, rows: usize) -> DryRun {
        let guard = self.guard_verdict();
        let planner = Planner { guard, ..*self };
        let transactions = planner.plan(operations);
        let mut dry = DryRun { later: planner.later(), ..DryRun::default() };
        for transaction in &transactions {
            dry.tally += transaction.tally;
            let room = rows.saturating_sub(dry.rows.len());
            if room > 0 {
                dry.rows.extend(planner.explain(transaction, room));
            }
        }
        if guard == Guard::Hold {
            dry.held = planner.count_unexplained().total();
            dry.later.clear();
        }
        dry.more = transactions.len() > 1 || !dry.later.is_empty();
        dry.first = transactions.into_iter().next().unwrap_or_default();
        dry
    }

    /// Logical_Switches that nobody wants and that something is still bound to.
    fn later(&self) -> Vec<(String, usize)> {
        let mut later = Vec::new();
        for (index, row) in self.actual.logical_switches() {
            let Some(network) = self.owner(index) else { continue };
            let bound = self.actual.bindings_to(index).next().is_some();
            if bound && matches!(self.wanted(network), Wanted::No) {
                let rows = 1 + self.actual.mac_count(index) + self.actual.multicasts_of(index).count();
                later.push((row.name.clone(), rows));
            }
        }
        later
    }
}
