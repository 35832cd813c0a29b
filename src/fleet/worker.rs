//! The task of one database: dials, lives through sessions, and waits between them.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    Database,
    certificates::Shown,
    database::{endpoint, tls},
    events::Events,
    live,
    mailbox::{Mailbox, News},
    passive::Arrival,
    status,
};
use crate::{
    config::SwitchConfig,
    intent::{HostNames, SwitchIntent},
    model::{
        MacAddr, NetworkId, Revision,
        event::{FleetEvent, Preview},
        status::{Counters, SessionState, SwitchStatus},
    },
    ovsdb::{Connection, Limits, dial, session::Backoff, transport::Connected},
    plan::{Desired, Section},
    relay::{Report, Told},
};

/// After a log-in that was refused: each further one brings the account nearer to being locked.
const AFTER_REFUSED_LOG_IN: Duration = Duration::from_mins(1);

/// What the supervisor asks a worker.
#[derive(Debug)]
pub(super) enum Query {
    /// How are you? With the compute nodes behind VTEPs, where tunnels are told of.
    Status(Arc<HostNames>, oneshot::Sender<Vec<SwitchStatus>>),
    /// Let held deletions through.
    Release,
    /// Hold all deletions, or don't any more.
    Hold(bool),
    /// Compare everything, and put it right.
    Repair,
    /// What would be done? Why not is told in words.
    Plan(PlanQuery, oneshot::Sender<Result<Preview, String>>),
    /// Which sections' switches still answer on this session? Without a session: none.
    Alive(oneshot::Sender<Vec<String>>),
    /// The switch dialled in.
    Adopt(Box<Arrival>),
}

/// How much of a plan is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlanQuery {
    /// Operations of the first transaction.
    pub(super) operations: usize,
    /// Rows in words.
    pub(super) rows: usize,
}

/// What a worker is given.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) database: Database,
    pub(super) sections: Vec<SwitchConfig>,
    pub(super) deployment: String,
    pub(super) previous_prefixes: Vec<String>,
    pub(super) events: Events,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) settings: Settings,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) queries: mpsc::Receiver<Query>,
    pub(super) confirm: mpsc::Sender<(Database, Revision)>,
    /// What the switch tells, for the relay.
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) desired: Desired,
    /// Revision of the desired state; `None`: not loaded yet.
    pub(super) revision: Option<Revision>,
    pub(super) session: Session,
    /// An operator let held deletions through.
    pub(super) released: bool,
    pub(super) counters: Counters,
    /// When somebody was told of a certificate that expires.
    pub(super) warned: Option<Instant>,
    /// A session died while it held the lock, and the server may not know.
    pub(super) ghost: bool,
    /// An operator holds all deletions.
    pub(super) hold: bool,
    /// An operator asked for a repair that isn't done yet.
    pub(super) repairing: bool,
}

/// State of the session, for the status.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) state: SessionState,
    pub(super) since: SystemTime,
    /// Why it isn't up.
    pub(super) reason: String,
    pub(super) peer: String,
    /// Who showed what, with TLS.
    pub(super) certificates: Shown,
    /// The Physical_Switches that a switch which dialled in said it is.
    pub(super) introduced: Option<Vec<String>>,
    /// What was last reported: the session is up.
    reported: Option<bool>,
}

/// The supervisor is gone: the worker ends.
#[derive(Debug)]
pub(super) struct Stopped;

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

// ===== impl Worker =====

impl Worker {
    pub(super) fn new(
        settings: Settings,
        mailbox: Arc<Mailbox>,
        queries: mpsc::Receiver<Query>,
        confirm: mpsc::Sender<(Database, Revision)>,
        reports: mpsc::Sender<Report>,
        hold: bool,
    ) -> Self {
        let section = |config: &SwitchConfig| {
            let physical_switch = config.physical_switch.clone();
            (physical_switch.clone(), Section { physical_switch, ..Section::default() })
        };
        let sections = settings.sections.iter().map(section).collect();
        Self {
            desired: Desired { sections, ..Desired::default() },
            settings,
            mailbox,
            queries,
            confirm,
            reports,
            revision: None,
            session: Session {
                state: SessionState::Connecting,
                since: SystemTime::now(),
                reason: String::new(),
                peer: String::new(),
                certificates: Shown::default(),
                introduced: None,
                reported: None,
            },
            released: false,
            counters: Counters::default(),
            warned: None,
            ghost: false,
            hold,
            repairing: false,
        }
    }

    /// Works until the supervisor drops its end.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let attempt = self.attempt(&mut backoff).await;
            let silence = attempt.as_ref().map_or(Duration::ZERO, |ended| ended.silence);
            let lost = Report { database: self.settings.database.to_string().into(), told: Told::Lost { silence } };
            let Ok(reason) = attempt else {
                // Where there is no room, nobody is left to hear it, or the next session of this database tells more.
                let _ = self.reports.try_send(lost);
                return;
            };
            let reports = self.reports.clone();
            if self.attend(async move { reports.send(lost).await }).await.is_err() {
                return;
            }
            let wait = backoff.closed(std::time::Instant::now(), random()).max(reason.rest);
            // Who dials in waits by himself, or not.
            let wait = if matches!(self.settings.database, Database::DialsIn(_)) { Duration::ZERO } else { wait };
            let state = if reason.refused { SessionState::Refused } else { SessionState::Backoff };
            let address = self.settings.database.to_string();
            tracing::warn!(switch = %self.names(), %address, reason = %reason.text, retry_ms = wait.as_millis(), "no session with the switch");
            self.enter(state, reason.text);
            if self.attend(tokio::time::sleep(wait)).await.is_err() {
                return;
            }
        }
    }

    /// One session, from dialling to its end.
    async fn attempt(&mut self, backoff: &mut Backoff) -> Result<live::Ended, Stopped> {
        let connected = match self.settings.sections.first().and_then(endpoint) {
            None => Ok(self.welcome().await?),
            Some(endpoint) => {
                if self.session.state != SessionState::Refused {
                    let reason = self.session.reason.clone();
                    self.enter(SessionState::Connecting, reason);
                }
                self.attend(async move { dial(&endpoint, endpoint.patience()).await }).await?
            }
        };
        let Connected { stream, wire, peer, certificates } = match connected {
            Ok(connected) => connected,
            Err(error) => {
                let rest = if error.is_log_in() { AFTER_REFUSED_LOG_IN } else { Duration::ZERO };
                let (text, refused) = (error.to_string(), error.is_refusal());
                return Ok(live::Ended { text, refused, rest, silence: Duration::ZERO });
            }
        };
        backoff.connected(std::time::Instant::now());
        self.counters.sessions += 1;
        let limits = Limits { probe: self.inactivity_probe(), ..Limits::default() };
        let (connection, inbox) = Connection::watched(stream, wire, limits);
        self.session.peer = peer;
        let tls = self.settings.sections.first().map(|section| tls(&section.tls)).unwrap_or_default();
        self.session.certificates = Shown::new(certificates, tls);
        self.warn_of_expiry();
        let ended = live::Live::run(self, connection, inbox, backoff).await;
        self.session.peer.clear();
        ended
    }

    pub(super) fn enter(&mut self, state: SessionState, reason: String) {
        if self.session.state != state {
            self.session.since = SystemTime::now();
        }
        // Up or not: what lies between two attempts is nobody's news.
        let up = match state {
            SessionState::Up => Some(true),
            SessionState::Backoff | SessionState::Refused => Some(false),
            SessionState::Connecting | SessionState::Identifying | SessionState::Syncing => None,
        };
        if up.is_some() && self.session.reported != up {
            self.session.reported = up;
            let (switches, reason) = (self.section_names(), reason.clone());
            self.settings.events.send(FleetEvent::Session { switches, state, reason });
        }
        self.session.state = state;
        self.session.reason = reason;
    }

    fn inactivity_probe(&self) -> Duration {
        self.settings.sections.iter().map(|section| section.inactivity_probe).min().unwrap_or_default()
    }

    /// How long a switch with so many MACs may leave a probe unanswered: half a minute, unless probes come more or less
    /// often than usual; and longer with a big database, because a server that compacts it says nothing for seconds.
    pub(super) fn patience(&self, macs: usize) -> Duration {
        let compacting = Duration::from_secs(u64::try_from(macs / 50_000).unwrap_or(0));
        self.inactivity_probe() * 6 + compacting
    }

    /// Tells of the session what isn't its coming or going.
    pub(super) fn tell_session(&self, reason: &str) {
        let (switches, state) = (self.section_names(), self.session.state);
        self.settings.events.send(FleetEvent::Session { switches, state, reason: reason.to_owned() });
    }

    /// Answers questions and takes news while something else is under way.
    async fn attend<T>(&mut self, other: impl Future<Output = T>) -> Result<T, Stopped> {
        tokio::pin!(other);
        loop {
            tokio::select! {
                done = &mut other => return Ok(done),
                news = self.mailbox.take() => drop(merge(&mut self.desired, &mut self.revision, news)),
                query = self.queries.recv() => match query {
                    Some(query) => drop(self.answer(query)),
                    None => return Err(Stopped),
                },
            }
        }
    }

    /// Waits until the switch dials in.
    async fn welcome(&mut self) -> Result<Connected, Stopped> {
        let waiting = "waiting for the switch to dial in".to_owned();
        if self.session.state != SessionState::Refused {
            let last = std::mem::take(&mut self.session.reason);
            let reason = if last.is_empty() { waiting } else { format!("{waiting}; the last session: {last}") };
            self.enter(SessionState::Connecting, reason);
        }
        loop {
            tokio::select! {
                news = self.mailbox.take() => drop(merge(&mut self.desired, &mut self.revision, news)),
                query = self.queries.recv() => match query {
                    Some(query) => if let Some(Arrival { stream, wire, peer, certificates, names, .. }) = self.answer(query) {
                        self.session.introduced = Some(names);
                        return Ok(Connected { stream, wire: Some(wire), peer: peer.to_string(), certificates });
                    },
                    None => return Err(Stopped),
                },
            }
        }
    }

    /// Answers without a session; what dialled in is handed back.
    fn answer(&mut self, query: Query) -> Option<Arrival> {
        match query {
            // Who asked may have gone.
            Query::Status(_, answer) => drop(answer.send(status::without_session(self))),
            Query::Release => self.released = true,
            Query::Hold(hold) => self.hold = hold,
            Query::Repair => self.repairing = true,
            Query::Plan(_, answer) => {
                let reason = status::without_session(self).pop().map(|status| status.reason);
                let _ = answer.send(Err(reason.unwrap_or_default().to_string()));
            }
            Query::Alive(answer) => drop(answer.send(Vec::new())),
            Query::Adopt(arrival) => return Some(*arrival),
        }
        None
    }

    /// The sections' names, for the log.
    pub(super) fn names(&self) -> String {
        self.section_names().join(",")
    }

    pub(super) fn section_names(&self) -> Vec<String> {
        self.settings.sections.iter().map(|section| section.name.clone()).collect()
    }
}

/// Takes news into the desired state.
pub(super) fn merge(desired: &mut Desired, revision: &mut Option<Revision>, news: News) -> Changed {
    let mut changed = Changed::default();
    for (name, intent) in news.switches {
        if let Some(section) = desired.sections.get_mut(&name) {
            let before = std::mem::replace(&mut section.intent, intent);
            changed.switches.push((name, before));
        }
    }
    for (id, (network, macs)) in news.networks {
        let before = desired.networks.insert(id, network.clone());
        let rows = before.as_ref().is_none_or(|before| !before.differs_in_macs_alone(&network));
        changed.networks.push(ChangedNetwork { id, rows, macs: macs.filter(|_| before.is_some()) });
    }
    if !changed.switches.is_empty() {
        desired.forget_networks();
    }
    *revision = news.revision.or(*revision);
    changed
}

/// Uniform in 0..1.
fn random() -> f64 {
    let bytes = uuid::Uuid::new_v4().into_bytes();
    f64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])) / f64::from(u32::MAX)
}

/// The moment after so long, on tokio's clock.
pub(super) fn after(duration: Duration) -> Instant {
    Instant::now() + duration
}
