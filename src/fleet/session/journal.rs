//! What a session reports: the plan that it carried out, and rows that another client changed. Only the first rows of a
//! plan are put into words, so that a million of them cost no more than a hundred.

use std::{collections::HashMap, time::SystemTime};

use super::Session;
use crate::{
    model::event::{AppliedPlan, Drift, FleetEvent, PlannedRow},
    plan::{RowCounts, RowKey, Transaction},
};

/// Rows of a plan, and rows that drifted, that are put into words.
const ROWS: usize = 100;
/// Rows of one key: a few duplicates at most.
const ROWS_OF_KEY: usize = 10;

/// What is gathered until the plan is carried out.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Rows of the plan that is being carried out, and of the last one that was.
    pub(super) row_counts: RowCounts,
    pub(super) last_plan: Option<(SystemTime, RowCounts)>,
    /// Rows of committed transactions.
    rows: Vec<PlannedRow>,
    /// Rows that another client changed and that are being put back.
    drifting: HashMap<RowKey, (SystemTime, Vec<PlannedRow>)>,
    /// Rows that drifted, since the last plan.
    drifted: u64,
}

impl Session<'_> {
    /// The rows of a transaction that is about to be sent, as far as they are still to be reported.
    pub(super) fn words(&self, transaction: &Transaction) -> Vec<PlannedRow> {
        let room = ROWS.saturating_sub(self.journal.rows.len());
        if room == 0 { Vec::new() } else { self.planner().explain(transaction, room) }
    }

    /// A transaction was committed.
    pub(super) fn applied(&mut self, rows: Vec<PlannedRow>, transaction: &Transaction) {
        self.journal.row_counts += transaction.row_counts;
        let room = ROWS.saturating_sub(self.journal.rows.len());
        self.journal.rows.extend(rows.into_iter().take(room));
        if self.journal.drifting.is_empty() {
            return;
        }
        for key in &transaction.keys {
            if let Some((seen, rows)) = self.journal.drifting.remove(key) {
                self.report_drift(seen, Some(self.now.date), "", rows);
            }
        }
    }

    /// Another client changed the rows of a key; `repair` puts them back. `repaired`: it is going to be sent.
    pub(super) fn note_drift(&mut self, key: RowKey, repair: Transaction, repaired: bool) {
        self.journal.drifted += 1;
        if self.journal.drifted > ROWS as u64 {
            return;
        }
        let rows = self.planner().explain(&repair.finish(&self.replica), ROWS_OF_KEY);
        if repaired {
            self.journal.drifting.insert(key, (self.now.date, rows));
        } else {
            let note = "another program keeps changing it: left alone for a while";
            self.report_drift(self.now.date, None, note, rows);
        }
    }

    /// The plan was carried out, or the session ends in the middle of it (`finished` is false).
    pub(super) fn report_plan(&mut self, finished: bool) {
        let Journal { rows, drifted, drifting, row_counts, .. } = &mut self.journal;
        let (rows, drifted, row_counts) = (std::mem::take(rows), std::mem::take(drifted), std::mem::take(row_counts));
        let note = if finished { "right again without us" } else { "the session ended before it was put back" };
        for (seen, rows) in std::mem::take(drifting).into_values() {
            self.report_drift(seen, None, note, rows);
        }
        if row_counts == RowCounts::default() {
            return;
        }
        if finished {
            self.journal.last_plan = Some((self.now.date, row_counts));
        }
        let RowCounts { inserts, updates, deletes } = row_counts;
        let revision = self.target.revision.filter(|_| finished);
        let switches = self.target.section_names();
        let plan = AppliedPlan { switches, revision, inserts, updates, deletes, drifted, rows };
        self.actions.events.push(FleetEvent::Applied(plan));
    }

    pub(super) fn report_drift(
        &mut self,
        seen: SystemTime,
        put_back: Option<SystemTime>,
        note: &str,
        rows: Vec<PlannedRow>,
    ) {
        for row in rows {
            let switches = self.target.section_names();
            let drift = Drift { switches, seen, put_back, note: note.to_owned(), row };
            self.actions.events.push(FleetEvent::Drifted(drift));
        }
    }
}
