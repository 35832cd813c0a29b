//! Rows that somebody else changed are put back, unless that became a fight.

use super::{Noise, Session};
use crate::plan::{Key, Planner, Verdict};

impl Session<'_> {
    pub(super) fn judge_drift(&mut self) {
        let drifted = self.work.take_drifted();
        if drifted.is_empty() {
            return;
        }
        let mut judged = Vec::new();
        let quarantined = |key: &Key| self.work.faults.is_quarantined(key);
        Planner { quarantined: &quarantined, ..self.planner() }
            .judge(drifted, |key, verdict, repair| judged.push((key, verdict, repair)));
        for (key, verdict, repair) in judged {
            match verdict {
                Verdict::Right => self.work.absolve(&key),
                Verdict::Quarantined => {}
                Verdict::Added => {
                    let repaired = self.work.faults.may_repair(key, self.now.at);
                    self.note_drift(key, repair, repaired);
                    if repaired {
                        self.work.queue.push(key);
                    } else if let Some(left_out) = self.note(Noise::Contested) {
                        tracing::warn!(switch = %self.target.names(), ?key, left_out, "somebody else keeps changing a row; leaving it alone for a while");
                    }
                }
                Verdict::Wait | Verdict::Conflict | Verdict::Uncounted | Verdict::Held => self.work.queue.push(key),
            }
        }
    }
}
