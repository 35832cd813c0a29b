//! What a session reports: the plan that it carried out, and rows that somebody else changed. Only the first rows of a
//! plan are put into words, so that a million of them cost no more than a hundred.

use std::{collections::HashMap, time::SystemTime};

use super::Live;
use crate::{
    model::event::{AppliedPlan, Drift, FleetEvent, PlannedRow},
    plan::{Key, Tally, Transaction},
};

/// Rows of a plan, and rows that drifted, that are put into words.
const ROWS: usize = 100;
/// Rows of one key: a few duplicates at most.
const ROWS_OF_KEY: usize = 10;

/// What is gathered until the plan is carried out.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Rows of committed transactions.
    rows: Vec<PlannedRow>,
    /// Rows that somebody else changed and that are being put back.
    drifting: HashMap<Key, (SystemTime, Vec<PlannedRow>)>,
    /// Rows that drifted, since the last plan.
    drifted: u64,
}

impl Live<'_> {
    /// The rows of a transaction that is about to be sent, as far as they are still to be told.
    pub(super) fn words(&self, transaction: &Transaction) -> Vec<PlannedRow> {
        let room = ROWS.saturating_sub(self.report.rows.len());
        if room == 0 { Vec::new() } else { self.planner().explain(transaction, room) }
    }

    /// A transaction was committed.
    pub(super) fn applied(&mut self, rows: Vec<PlannedRow>, keys: &[Key]) {
        let room = ROWS.saturating_sub(self.report.rows.len());
        self.report.rows.extend(rows.into_iter().take(room));
        if self.report.drifting.is_empty() {
            return;
        }
        for key in keys {
            if let Some((seen, rows)) = self.report.drifting.remove(key) {
                self.drift(seen, Some(SystemTime::now()), "", rows);
            }
        }
    }

    /// Somebody else changed the rows of a key; `repair` puts them back. `repaired`: it is going to be sent.
    pub(super) fn note_drift(&mut self, key: Key, repair: Transaction, repaired: bool) {
        self.report.drifted += 1;
        if self.report.drifted > ROWS as u64 {
            return;
        }
        let rows = self.planner().explain(&repair.finish(&self.replica), ROWS_OF_KEY);
        let now = SystemTime::now();
        if repaired {
            self.report.drifting.insert(key, (now, rows));
        } else {
            let note = "somebody else keeps changing it: left alone for a while";
            self.drift(now, None, note, rows);
        }
    }

    /// The plan was carried out, or the session ends in the middle of it (`finished` is false).
    pub(super) fn report_plan(&mut self, tally: Tally, finished: bool) {
        let Report { rows, drifted, drifting } = std::mem::take(&mut self.report);
        let note = if finished { "right again without us" } else { "the session ended before it was put back" };
        for (seen, rows) in drifting.into_values() {
            self.drift(seen, None, note, rows);
        }
        if tally == Tally::default() {
            return;
        }
        let Tally { inserts, updates, deletes } = tally;
        let revision = self.worker.revision.filter(|_| finished);
        let switches = self.worker.section_names();
        let plan = AppliedPlan { switches, revision, inserts, updates, deletes, drifted, rows };
        self.worker.settings.events.send(FleetEvent::Applied(plan));
    }

    pub(super) fn drift(&self, seen: SystemTime, put_back: Option<SystemTime>, note: &str, rows: Vec<PlannedRow>) {
        for row in rows {
            let switches = self.worker.section_names();
            let drift = Drift { switches, seen, put_back, note: note.to_owned(), row };
            self.worker.settings.events.send(FleetEvent::Drifted(drift));
        }
    }
}
