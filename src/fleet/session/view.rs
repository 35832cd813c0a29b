//! What a session shows of itself, for the status: facts alone, nothing of it is judged here.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Instant, SystemTime},
};

use super::{LockState, Phase, Session};
use crate::{
    fleet::{
        target::{Moment, Target},
        work::Faults,
    },
    model::{NetworkId, Revision, reason::Reason, status::SessionState},
    plan::{Planner, Policy, RowCounts},
    vtep::Replica,
};

/// A look at a session at one moment. Cheap to make, but for [`SessionView::outstanding`].
#[derive(Clone)]
pub(in crate::fleet) struct SessionView<'a> {
    /// What the database should hold, what operators decided, and the record of its sessions.
    pub(in crate::fleet) target: &'a Target,
    pub(in crate::fleet) lock: &'a LockState,
    /// Empty while unknown.
    pub(in crate::fleet) schema_version: &'a str,
    pub(in crate::fleet) policy: &'a Policy,
    /// What the database holds.
    pub(in crate::fleet) replica: &'a Replica,
    /// Rows that the switch refused, or that another client keeps changing.
    pub(in crate::fleet) faults: &'a Faults,
    /// Networks with deletions that are held.
    pub(in crate::fleet) held: &'a BTreeSet<NetworkId>,
    /// Networks that nobody wants and that are still here.
    pub(in crate::fleet) draining: &'a BTreeSet<NetworkId>,
    /// The revision that the database holds completely.
    pub(in crate::fleet) confirmed: Option<Revision>,
    /// When the last plan was carried out, and its rows.
    pub(in crate::fleet) last_plan: Option<(SystemTime, RowCounts)>,
    /// Rows that aren't right, by network.
    pub(in crate::fleet) outstanding: BTreeMap<NetworkId, u64>,
    pub(in crate::fleet) planner: Planner<'a>,
    /// What is ignored of what the switches say.
    pub(in crate::fleet) ignored: Option<Reason>,
    /// Since when the lock stands in the way, and since when deletions are held.
    pub(in crate::fleet) locked_since: Option<Instant>,
    pub(in crate::fleet) held_since: Option<Instant>,
    /// The session's last moment: dates the others.
    now: Moment,
}

impl SessionView<'_> {
    /// The date of a moment.
    pub(in crate::fleet) fn date(&self, at: Instant) -> SystemTime {
        self.now.date - self.now.at.saturating_duration_since(at)
    }
}

impl Session<'_> {
    /// Whether there is anything to view beside [`Target`].
    pub(in crate::fleet) fn is_up(&self) -> bool {
        self.setup.phase == Phase::Following && self.target.session.state == SessionState::Up
    }

    pub(in crate::fleet) fn target(&self) -> &Target {
        self.target
    }

    pub(in crate::fleet) fn view(&self) -> SessionView<'_> {
        SessionView {
            target: self.target,
            lock: self.lock.state(),
            schema_version: &self.setup.schema_version,
            policy: &self.policy,
            replica: &self.replica,
            faults: &self.work.faults,
            held: &self.work.held,
            draining: &self.progress.draining,
            confirmed: self.progress.confirmed,
            last_plan: self.journal.last_plan,
            outstanding: self.outstanding(),
            planner: self.planner(),
            ignored: self.reporter.ignored(),
            locked_since: self.locked_since,
            held_since: self.held_since,
            now: self.now,
        }
    }
}
