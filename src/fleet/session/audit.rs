//! Comparing everything: at the start, every ten minutes, and when an operator asks for it. On a switch that is only
//! observed (`mode = observe`) it is compared for the status alone.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{LockEvent, LockState, Phase, Session, Step};
use crate::{
    fleet::{target::PlanQuery, work::Quarantine},
    intent::DesiredMac,
    model::{NetworkId, event::Preview},
    plan::{Audit, Comparison, GuardDecision, Obstacle, PlanOutcome, Planner, RowKey},
    vtep,
};

/// Everything is compared so often, whatever the monitor said.
const PERIOD: Duration = Duration::from_mins(10);
/// What a comparison reads of a row, in bytes.
const ROW: usize = 48;
/// Rows that are compared, or counted, before others have their turn: less than a millisecond.
pub(super) const SLICE: usize = 2048;
/// Keys that drifted and are put into words at once.
const DRIFTED: usize = 100;

/// See the module.
#[derive(Debug)]
pub(super) struct Audits {
    /// Everything was compared once, or is due.
    pub(super) begun: bool,
    /// Everything is to be compared before anything else is sent.
    due: bool,
    /// The comparison under way. While there is one the session takes no input, so that it holds.
    comparison: Option<Comparison>,
    pub(super) next: Instant,
    /// What differs on a switch that is only observed; `None`: something changed since.
    pub(super) differences: Option<Audit>,
}

// ===== impl Audits =====

impl Audits {
    pub(super) fn new(now: Instant) -> Self {
        Self { begun: false, due: false, comparison: None, next: now + PERIOD, differences: None }
    }
}

// ===== impl Session: comparing =====

impl Session<'_> {
    /// Has everything compared.
    pub(super) fn audit(&mut self) {
        if self.setup.phase != Phase::Following {
            return;
        }
        let begun = self.target.revision.is_some();
        self.audits = Audits { begun, due: begun && !self.observes(), ..Audits::new(self.now.at) };
        self.guard = GuardDecision::Unknown;
        self.work.held.clear();
        self.progress.draining_unknown = true;
        self.compare_obstacles();
    }

    /// Makes the next slice of the comparisons that are due, and queues what differs in the end. False: none is due.
    pub(super) fn compare(&mut self) -> bool {
        let mut comparison = match self.audits.comparison.take() {
            Some(comparison) => comparison,
            None if std::mem::take(&mut self.audits.due) => self.planner().comparison(None),
            None if self.may_send() => match self.work.take_unsynced() {
                networks if networks.is_empty() => return false,
                networks => self.planner().comparison(Some(&networks)),
            },
            None => return false,
        };
        if self.planner().compare_some(&mut comparison, SLICE) {
            self.work.queue.push_audit(comparison.into_audit());
        } else {
            self.audits.comparison = Some(comparison);
        }
        true
    }

    /// How many bytes the comparisons that are due read in all.
    pub(super) fn comparison(&self) -> usize {
        let all = if self.audits.due { self.audit_size() } else { 0 };
        if !self.may_send() {
            return all;
        }
        let networks = self.work.unsynced().filter_map(|network| self.target.desired.networks.get(network));
        all + networks.map(|network| network.macs.len() * size_of::<DesiredMac>()).sum::<usize>()
    }

    /// How many bytes the next step reads at once: bindings are compared network by network, and there may be a million.
    pub(super) fn step(&self) -> usize {
        self.replica.bound_total() * ROW
    }

    /// How many bytes a comparison of everything reads.
    pub(in crate::fleet) fn audit_size(&self) -> usize {
        self.replica.mac_total() * ROW
    }

    /// An operator has everything compared and put right, rows that were left alone included.
    pub(super) fn repair(&mut self) -> Step {
        tracing::info!(switch = %self.target.names(), "a repair was asked for by an operator");
        self.target.repairing = true;
        if self.setup.phase != Phase::Following {
            return Ok(());
        }
        if self.target.observes() && *self.lock.state() == LockState::Off {
            self.want_lock()?;
        }
        // Who waits for it waits until all is compared and written.
        self.progress.confirmed = None;
        let again = self.work.faults.retry_all();
        self.work.queue.extend(again);
        self.audit();
        Ok(())
    }

    /// All is done that an operator asked for.
    pub(super) fn repaired(&mut self) -> Step {
        if std::mem::take(&mut self.target.repairing) && self.target.observes() {
            self.lock_event(&LockEvent::Unwanted)?;
        }
        Ok(())
    }

    /// What would be done now.
    pub(in crate::fleet) fn preview(&self, query: &PlanQuery) -> Result<Preview, String> {
        if self.setup.phase != Phase::Following {
            return Err("its rows are still being read: try again in a moment".to_owned());
        }
        let Some(revision) = self.target.revision else {
            return Err("the desired state is still being read: try again in a moment".to_owned());
        };
        let fault = |(key, fault): (&RowKey, &Quarantine)| {
            let error = fault.error.clone();
            (*key, if fault.fight { Obstacle::Contested(error) } else { Obstacle::Refused(error) })
        };
        let faults: Vec<_> = self.work.faults.iter().map(fault).collect();
        let dry = self.planner().dry_run(query.operations, query.rows, &faults);
        let (mut operations, mut release) = (Vec::new(), Vec::new());
        vtep::encode(None, &dry.first.operations, &mut operations);
        vtep::encode(None, &dry.held.release.operations, &mut release);
        Ok(Preview {
            observe: self.target.observes(),
            revision,
            inserts: dry.row_counts.inserts,
            updates: dry.row_counts.updates,
            deletes: dry.row_counts.deletes,
            rows: dry.rows,
            transaction: operations,
            more: dry.more,
            later: dry.later,
            blocked: dry.blocked,
            blocked_total: dry.blocked_total,
            held: dry.held.total,
            held_networks: dry.held.networks,
            held_rows: dry.held.rows,
            release,
        })
    }
}

// ===== impl Session: a switch that is only observed =====

impl Session<'_> {
    /// Whether nothing may be written but what an operator asked for.
    pub(super) fn observes(&self) -> bool {
        !self.target.repairing && self.target.observes()
    }

    /// Forgets work instead of doing it: the caller gets a fresh comparison. Drift is reported.
    pub(super) fn observe(&mut self) {
        let drifted = self.work.take_drifted(DRIFTED);
        if !drifted.is_empty() {
            let mut repairs = Vec::new();
            let planner = Planner { guard: GuardDecision::Pass, ..self.planner() };
            planner.plan_each(drifted, |_, verdict, repair| {
                if verdict == PlanOutcome::Added {
                    repairs.push(repair);
                }
            });
            for repair in repairs {
                let rows = self.planner().explain(&repair.finish(&self.replica), DRIFTED);
                self.report_drift(self.now.date, None, "mode = observe: left as it is", rows);
            }
        }
        self.work.forget();
    }

    /// Whether [`Session::look`] has to compare.
    pub(in crate::fleet) fn wants_look(&self) -> bool {
        let following = self.setup.phase == Phase::Following;
        following && self.observes() && self.audits.begun && self.audits.differences.is_none()
    }

    /// Compares everything for the status of a switch that is only observed, once for as long as nothing changes.
    pub(in crate::fleet) fn look(&mut self) {
        if self.wants_look() {
            self.audits.differences = Some(self.planner().audit(None));
        }
    }

    /// Rows that aren't right, by network.
    pub(super) fn outstanding(&self) -> BTreeMap<NetworkId, u64> {
        let differences = self.audits.differences.as_ref().filter(|_| self.observes());
        let Some(audit) = differences else { return self.work.outstanding() };
        let mut rows = BTreeMap::new();
        for (network, macs) in audit.macs.iter().chain(&audit.relayed) {
            *rows.entry(*network).or_default() += macs.len() as u64;
        }
        for network in &audit.networks {
            *rows.entry(*network).or_default() += 1;
        }
        rows
    }
}
