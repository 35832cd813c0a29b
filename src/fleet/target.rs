//! One database as its worker knows it: what it should hold, what an operator decided, and how its sessions went. It
//! outlives each session. No I/O and no clock.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::{Database, session::Obstacles};
use crate::{
    config::{LockPolicy, Mode, SwitchConfig},
    intent::{NetworkIntent, SwitchIntent},
    model::{
        MacAddr, NetworkId, Revision,
        event::FleetEvent,
        status::{Counters, SessionState},
    },
    ovsdb::RpcError,
    plan::{Desired, Section},
};

/// More changed MACs than this of one network, and all are compared: that costs less.
const MAX_MACS: usize = 50_000;

/// What a worker is given.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) database: Database,
    pub(super) sections: Vec<SwitchConfig>,
    pub(super) deployment: String,
    pub(super) previous_prefixes: Vec<String>,
    /// Of `[relay]`.
    pub(super) max_learned_macs: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) settings: Settings,
    pub(super) desired: Desired,
    /// Revision of the desired state; `None`: not loaded yet.
    pub(super) revision: Option<Revision>,
    pub(super) session: SessionRecord,
    pub(super) counters: Counters,
    /// An operator holds all deletions.
    pub(super) hold: bool,
    /// An operator let held deletions through.
    pub(super) released: bool,
    /// An operator asked for a repair that isn't done yet.
    pub(super) repairing: bool,
    /// A session died while it held the lock, and the server may not have noticed.
    pub(super) lock_orphaned: bool,
    /// How often in a row the server said that a lock isn't ours which it gave us.
    pub(super) contradictions: u32,
    /// The database takes no writes.
    pub(super) trouble: Option<Trouble>,
    /// What kept wanted rows from being written when they were compared last.
    pub(super) obstacles: Obstacles,
}

/// The database takes no writes, whatever they are about.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) why: Unwritable,
    /// The wait before the next attempt.
    pub(super) wait: Duration,
    pub(super) since: Instant,
}

/// Why a database takes no writes.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Unwritable {
    #[error("the switch refuses transactions as a whole: {0}")]
    RefusesAll(RpcError),
    /// In the switch's words.
    #[error("the switch's database is in trouble: {0}")]
    Database(String),
    #[error("the switch left a transaction unanswered for {seconds} s: look at its load, and its log")]
    Unanswered { seconds: u64 },
}

/// The state of the session, for the status.
#[derive(Debug)]
pub(super) struct SessionRecord {
    pub(super) state: SessionState,
    pub(super) since: SystemTime,
    /// Since when there is no session that is up.
    pub(super) lost: Option<SystemTime>,
    /// Why it isn't up.
    pub(super) reason: String,
    pub(super) peer: String,
    /// How many addresses the name has that was dialled.
    pub(super) addresses: usize,
    /// The Physical_Switches that a switch which dialled in said it is.
    pub(super) introduced: Option<Vec<String>>,
    /// What was last reported: the session is up.
    reported: Option<bool>,
}

/// One moment on both clocks: timers go by the monotonic one, what is shown bears the date.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) at: Instant,
    pub(super) date: SystemTime,
}

/// News of the desired state that wait for a worker.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Switches whose bindings changed.
    pub(super) switches: HashMap<String, Arc<SwitchIntent>>,
    /// Networks whose content changed, and which MACs of them (`None`: all).
    pub(super) networks: HashMap<NetworkId, (Arc<NetworkIntent>, Option<Vec<MacAddr>>)>,
    /// The revision that all this leads to; `None`: the store isn't loaded yet.
    pub(super) revision: Option<Revision>,
}

/// How much of a plan is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlanQuery {
    /// Operations of the first transaction.
    pub(super) operations: usize,
    /// Rows in words.
    pub(super) rows: usize,
}

/// What news changed in the desired state.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// Switches whose bindings or explanations changed, and what they were.
    pub(super) switches: Vec<(String, Arc<SwitchIntent>)>,
    /// Networks.
    pub(super) networks: Vec<ChangedNetwork>,
}

/// A network whose content changed.
#[derive(Debug)]
pub(super) struct ChangedNetwork {
    pub(super) id: NetworkId,
    /// Its Logical_Switch or its flood row may be different.
    pub(super) rows: bool,
    /// MACs that may be different; `None`: compare all.
    pub(super) macs: Option<Vec<MacAddr>>,
}

// ===== impl Target =====

impl Target {
    pub(super) fn new(settings: Settings, hold: bool, now: SystemTime) -> Self {
        let section = |config: &SwitchConfig| {
            let physical_switch = config.physical_switch.clone();
            (config.name.clone(), Section::new(physical_switch, Arc::default()))
        };
        let sections = settings.sections.iter().map(section).collect();
        Self {
            desired: Desired { sections, ..Desired::default() },
            settings,
            revision: None,
            session: SessionRecord {
                state: SessionState::Connecting,
                since: now,
                lost: Some(now),
                reason: String::new(),
                peer: String::new(),
                addresses: 1,
                introduced: None,
                reported: None,
            },
            counters: Counters::default(),
            hold,
            released: false,
            repairing: false,
            lock_orphaned: false,
            contradictions: 0,
            trouble: None,
            obstacles: Obstacles::default(),
        }
    }

    /// Notes the state of the session. Returns the event where it came up or went down: what lies between two attempts
    /// is not reported.
    #[must_use]
    pub(super) fn enter(&mut self, state: SessionState, reason: String, now: SystemTime) -> Option<FleetEvent> {
        if self.session.state != state {
            self.session.since = now;
        }
        match state {
            SessionState::Up => self.session.lost = None,
            _ if self.session.state == SessionState::Up => self.session.lost = Some(now),
            _ => {}
        }
        let up = match state {
            SessionState::Up => Some(true),
            SessionState::Backoff | SessionState::Refused => Some(false),
            SessionState::Connecting | SessionState::Identifying | SessionState::Syncing => None,
        };
        let news = up.is_some() && self.session.reported != up;
        self.session.state = state;
        self.session.reason = reason;
        news.then(|| {
            self.session.reported = up;
            self.session_event(&self.session.reason)
        })
    }

    /// An event of the session that is neither its start nor its end.
    pub(super) fn session_event(&self, reason: &str) -> FleetEvent {
        let (switches, state) = (self.section_names(), self.session.state);
        FleetEvent::Session { switches, state, reason: reason.to_owned() }
    }

    /// Takes news into the desired state.
    pub(super) fn merge(&mut self, news: News) -> Changed {
        let mut changed = Changed::default();
        for (name, intent) in news.switches {
            if let Some(section) = self.desired.sections.get_mut(&name) {
                let before = section.set_intent(intent);
                changed.switches.push((name, before));
            }
        }
        for (id, (network, macs)) in news.networks {
            let before = self.desired.networks.insert(id, network.clone());
            let rows = before.as_ref().is_none_or(|before| !before.differs_in_macs_alone(&network));
            changed.networks.push(ChangedNetwork { id, rows, macs: macs.filter(|_| before.is_some()) });
        }
        if !changed.switches.is_empty() {
            self.desired.forget_networks();
        }
        self.revision = news.revision.or(self.revision);
        changed
    }

    /// `mode = observe`. Sections of one database agree.
    pub(super) fn observes(&self) -> bool {
        self.settings.sections.iter().any(|section| section.mode == Mode::Observe)
    }

    /// The strictest `lock` of the sections.
    pub(super) fn lock_policy(&self) -> LockPolicy {
        let has = |policy| self.settings.sections.iter().any(|section| section.lock == policy);
        match () {
            () if has(LockPolicy::Required) => LockPolicy::Required,
            () if has(LockPolicy::Auto) => LockPolicy::Auto,
            () => LockPolicy::Off,
        }
    }

    /// The sections' names, for the log.
    pub(super) fn names(&self) -> String {
        self.section_names().join(",")
    }

    pub(super) fn section_names(&self) -> Vec<String> {
        self.settings.sections.iter().map(|section| section.name.clone()).collect()
    }
}

// ===== impl News =====

impl News {
    /// A network changed.
    pub(super) fn network(&mut self, network: &Arc<NetworkIntent>, macs: Option<&[MacAddr]>) {
        let entry = self.networks.entry(network.id).or_insert_with(|| (network.clone(), Some(Vec::new())));
        entry.0 = network.clone();
        match (&mut entry.1, macs) {
            (Some(known), Some(more)) if known.len() + more.len() <= MAX_MACS => known.extend_from_slice(more),
            (known, _) => *known = None,
        }
    }
}
