//! Rows that another client changed are put back, unless that became a fight.

use super::{Noise, Session};
use crate::plan::{PlanOutcome, Planner, RowKey};

/// Rows that are judged before others have their turn.
const JUDGED: usize = 512;

impl Session<'_> {
    /// Judges some of the rows that changed without us. True: there are more.
    pub(super) fn judge_drift(&mut self) -> bool {
        let drifted = self.work.take_drifted(JUDGED);
        if drifted.is_empty() {
            return false;
        }
        let mut repairs = Vec::new();
        let quarantined = |key: &RowKey| self.work.faults.is_quarantined(key);
        Planner { quarantined: &quarantined, ..self.planner() }
            .plan_each(drifted, |key, outcome, repair| repairs.push((key, outcome, repair)));
        for (key, outcome, repair) in repairs {
            match outcome {
                PlanOutcome::Right => self.work.clear(&key),
                PlanOutcome::Quarantined => {}
                PlanOutcome::Added => {
                    let repaired = self.work.faults.may_repair(key, self.now.at);
                    self.note_drift(key, repair, repaired);
                    if repaired {
                        self.work.queue.push(key);
                    } else if let Some(left_out) = self.note(Noise::Contested) {
                        tracing::warn!(switch = %self.target.names(), ?key, left_out, "another program keeps changing a row; leaving it alone for a while");
                    }
                }
                PlanOutcome::Wait | PlanOutcome::Conflict | PlanOutcome::Uncounted | PlanOutcome::Held => {
                    self.work.queue.push(key);
                }
            }
        }
        self.work.has_drifted()
    }
}
