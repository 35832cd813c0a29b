//! Wanted rows that foreign rows, or missing ones, keep from being written. What a change on the switch adds to them is
//! reported; what an API call asks for that can't be is shown by the status.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::Session;
use crate::{
    intent::SwitchIntent,
    model::{
        NetworkId, VlanId,
        event::{Action, PlannedRow},
    },
    plan::{Blocked, BlockedSubject, Obstacle, Planner},
    vtep::Touched,
};

/// Rows of one comparison that are put into words.
const ROWS: usize = 100;

/// How often they are compared at most because of the switch: it costs work for all bindings.
const PAUSE: Duration = Duration::from_millis(200);

/// See the module. As many entries as there are wanted bindings, at most. It outlives the session: what others did while
/// there was none is reported with the next one.
#[derive(Debug, Default)]
pub(in crate::fleet) struct Obstacles {
    /// When they may be compared again, and whether they have to be.
    next: Option<Instant>,
    is_due: bool,
    /// What each Physical_Switch should have held when this was compared last.
    wanted: BTreeMap<String, Arc<SwitchIntent>>,
    /// Since when: `None` where it came before this session compared anything.
    blocked: BTreeMap<BlockedSubject, (Obstacle, Option<Instant>)>,
    /// Names of the ports whose bindings are blocked.
    ports: BTreeSet<String>,
    /// This session has compared before: what is different now came just now.
    is_current: bool,
}

// ===== impl Obstacles =====

impl Obstacles {
    /// A session begins: whatever it finds may have come before.
    pub(super) fn begin_session(&mut self) {
        self.is_current = false;
    }

    /// Compares everything. Returns what was wanted before, too, and is kept from being written only now.
    pub(super) fn compare(&mut self, planner: &Planner<'_>, at: Instant) -> Vec<Blocked> {
        let (mut now, mut news) = (BTreeMap::new(), Vec::new());
        let at = self.is_current.then_some(at);
        self.is_current = true;
        for Blocked { subject, obstacle } in planner.blocked() {
            let known = self.blocked.get(&subject).filter(|(old, _)| old.word() == obstacle.word());
            if known.is_none() && obstacle.is_on_the_switch() && self.was_wanted(&subject) {
                news.push(Blocked { subject: subject.clone(), obstacle: obstacle.clone() });
            }
            let since = known.map_or(at, |(_, since)| *since);
            now.insert(subject, (obstacle, since));
        }
        let sections = planner.desired.sections.values();
        self.wanted = sections.map(|section| (section.physical_switch.clone(), section.intent.clone())).collect();
        let port = |subject: &BlockedSubject| match subject {
            BlockedSubject::Binding { port, .. } => Some(port.clone()),
            BlockedSubject::Switch(_) | BlockedSubject::Network(_) => None,
        };
        self.ports = now.keys().filter_map(port).collect();
        self.blocked = now;
        news
    }

    /// When they are to be compared; `None`: they were since the last change.
    pub(super) fn due(&self) -> Option<Instant> {
        self.next.filter(|_| self.is_due)
    }

    /// Whether a binding of this port is known to be blocked.
    pub(super) fn concerns(&self, name: &str) -> bool {
        self.ports.contains(name)
    }

    /// Since when somebody keeps a binding from being written, as far as that was seen.
    pub(in crate::fleet) fn since(
        &self,
        switch: &str,
        port: &str,
        vlan: VlanId,
        network: NetworkId,
    ) -> Option<Instant> {
        let (switch, port) = (switch.to_owned(), port.to_owned());
        let of = |subject| self.blocked.get(&subject).and_then(|(_, since)| *since);
        of(BlockedSubject::Binding { switch, port, vlan, network }).or_else(|| of(BlockedSubject::Network(network)))
    }

    fn was_wanted(&self, subject: &BlockedSubject) -> bool {
        match subject {
            BlockedSubject::Switch(switch) => self.wanted.get(switch).is_some_and(|intent| !intent.networks.is_empty()),
            BlockedSubject::Network(network) => self.wanted.values().any(|intent| intent.networks.contains(network)),
            BlockedSubject::Binding { switch, port, vlan, network } => {
                let of = (port.clone(), *vlan);
                self.wanted.get(switch).is_some_and(|intent| intent.wanting(&of).any(|wanting| wanting == *network))
            }
        }
    }
}

// ===== impl Session =====

impl Session<'_> {
    /// Whether a change on the switch may keep wanted rows from being written, or let them be written again.
    pub(super) fn may_block(&self, touched: &Touched) -> bool {
        let planner = self.planner();
        let is_concerned = |port: &Uuid| {
            planner.has_foreign_binding(*port)
                || self.replica.port(*port).is_some_and(|row| self.target.obstacles.concerns(&row.name))
        };
        !touched.identities.is_empty()
            || touched.rows.iter().any(|index| planner.owner(*index).is_none())
            || touched.ports.iter().any(is_concerned)
    }

    /// Compares now, or in a moment where that was done a moment ago: a port's name may flap.
    pub(super) fn obstacles_changed(&mut self) {
        self.target.obstacles.is_due = true;
        if self.target.obstacles.next.is_none_or(|next| next <= self.now.at) {
            self.compare_obstacles();
        }
    }

    /// Reports what keeps wanted rows from being written since the last comparison.
    pub(super) fn compare_obstacles(&mut self) {
        if !self.audits.begun {
            return;
        }
        let mut obstacles = std::mem::take(&mut self.target.obstacles);
        (obstacles.next, obstacles.is_due) = (Some(self.now.at + PAUSE), false);
        let news = obstacles.compare(&self.planner(), self.now.at);
        self.target.obstacles = obstacles;
        let Some(first) = news.first().map(|blocked| blocked.obstacle.to_string()) else { return };
        tracing::warn!(switch = %self.target.names(), rows = news.len(), first, "another program changed what is wanted, and it can't be put back");
        for blocked in news.iter().take(ROWS) {
            let row = self.planner().explain_blocked(blocked);
            let note = format!("it can't be put back: {}", row.reason);
            let row = PlannedRow {
                action: Action::Insert,
                table: row.table,
                row: row.row,
                change: row.change,
                reason: row.reason,
                network_id: row.network_id,
            };
            self.report_drift(self.now.date, None, &note, vec![row]);
        }
    }
}
