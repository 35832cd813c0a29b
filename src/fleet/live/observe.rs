//! A switch that is only looked at (`mode = observe`), what an operator has repaired, and dry runs.

use std::{collections::BTreeMap, time::SystemTime};

use super::{Live, Lock, Phase, Step, off_the_fast_path};
use crate::{
    config::Mode,
    fleet::worker::PlanQuery,
    model::{NetworkId, event::Preview},
    plan::{Guard, Planner, Verdict},
    vtep,
};

/// Keys that drifted and are put into words at once.
const DRIFTED: usize = 100;

impl Live<'_> {
    /// Whether nothing may be written but what an operator asked for.
    pub(super) fn observes(&self) -> bool {
        !self.worker.repairing && self.worker.observes()
    }

    /// Instead of being carried out, work is forgotten: whoever asks gets a fresh look. Drift is reported.
    pub(super) fn observe(&mut self) {
        let drifted = self.work.take_drifted();
        if !drifted.is_empty() {
            let mut repairs = Vec::new();
            let planner = Planner { guard: Guard::Pass, ..self.planner() };
            planner.judge(drifted.into_iter().take(DRIFTED), |_, verdict, repair| {
                if verdict == Verdict::Added {
                    repairs.push(repair);
                }
            });
            for repair in repairs {
                let rows = self.planner().explain(&repair.finish(&self.replica), DRIFTED);
                self.drift(SystemTime::now(), None, "mode = observe: left as it is", rows);
            }
        }
        self.work.forget();
    }

    /// An operator has everything compared and put right, rows that were left alone included.
    pub(super) fn repair(&mut self) -> Step {
        tracing::info!(switch = %self.worker.names(), "a repair was asked for by an operator");
        self.worker.repairing = true;
        if self.phase != Phase::Following {
            return Ok(());
        }
        if self.worker.observes() && self.lock == Lock::Off {
            self.ask_for_lock()?;
        }
        let again = self.work.faults.retry_all();
        self.work.queue.extend(again);
        self.audit();
        Ok(())
    }

    /// All is done that an operator asked for.
    pub(super) fn repaired(&mut self) -> Step {
        if !std::mem::take(&mut self.worker.repairing) || !self.worker.observes() || self.lock == Lock::Off {
            return Ok(());
        }
        self.give_lock_back()
    }

    /// An operator holds all deletions, or lets them go again.
    pub(super) fn hold(&mut self, hold: bool) {
        self.policy.hold = hold;
        self.audit();
    }

    /// What would be done now.
    pub(super) fn preview(&self, query: &PlanQuery) -> Result<Preview, String> {
        if self.phase != Phase::Following {
            return Err("its rows are still being read: try again in a moment".to_owned());
        }
        let Some(revision) = self.worker.revision else {
            return Err("the desired state is still being read: try again in a moment".to_owned());
        };
        let size = self.replica.mac_total() * 48;
        let dry = off_the_fast_path(size, || self.planner().dry_run(query.operations, query.rows));
        let mut operations = Vec::new();
        vtep::encode(None, &dry.first.operations, &mut operations);
        Ok(Preview {
            observe: self.worker.observes(),
            revision,
            inserts: dry.tally.inserts,
            updates: dry.tally.updates,
            deletes: dry.tally.deletes,
            rows: dry.rows,
            transaction: operations,
            more: dry.more,
            later: dry.later,
            held: dry.held,
        })
    }

    /// Looks at everything for the status of a switch that is only observed, once for as long as nothing changes.
    pub(super) fn look(&mut self) {
        if self.observes() && self.differences.is_none() && self.phase == Phase::Following && self.audited {
            let size = self.replica.mac_total() * 48;
            self.differences = Some(off_the_fast_path(size, || self.planner().audit(None)));
        }
    }

    /// Rows that aren't right, by network.
    pub(in crate::fleet) fn outstanding(&self) -> BTreeMap<NetworkId, u64> {
        let Some(audit) = self.differences.as_ref().filter(|_| self.observes()) else { return self.work.outstanding() };
        let mut rows: BTreeMap<_, _> = audit.macs.iter().map(|(network, macs)| (*network, macs.len() as u64)).collect();
        for network in &audit.networks {
            *rows.entry(*network).or_default() += 1;
        }
        rows
    }
}

// ===== impl Worker: what its sections say =====

impl super::Worker {
    /// `mode = observe`. Sections of one database agree.
    pub(in crate::fleet) fn observes(&self) -> bool {
        self.settings.sections.iter().any(|section| section.mode == Mode::Observe)
    }
}
