//! The task of one database: dials, lives through sessions, and waits between them.

use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep_until};

use super::{
    Database,
    certificates::Shown,
    database::{endpoint, tls},
    driver::{self, Channels},
    passive::{Arrival, KEPT},
    query::{Query, Stopped},
    session::Ended,
    status::{self, Published},
    target::Target,
};
use crate::{
    model::status::SessionState,
    ovsdb::{Connection, Limits, dial_behind, session::Backoff, transport::Connected},
    relay::{Report, ReportContent},
};

/// See the module.
#[derive(Debug)]
pub(super) struct Worker {
    target: Target,
    io: Channels,
    /// The switch dialled in while its database rests: nothing is read of it until then.
    guest: Option<Arrival>,
    /// The address of the last session, where its server was the wrong one of a cluster.
    follower: String,
}

// ===== impl Worker =====

impl Worker {
    pub(super) fn new(target: Target, io: Channels) -> Self {
        Self { target, io, guest: None, follower: String::new() }
    }

    /// Works until the supervisor drops its end.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        // Another worker may have served these sections before.
        if let Some(until) = self.io.lobby.resting(&self.target.section_names())
            && self.attend(sleep_until(until)).await.is_err()
        {
            return;
        }
        loop {
            let attempt = self.attempt(&mut backoff).await;
            let silence = attempt.as_ref().map_or(Duration::ZERO, Ended::silence);
            let lost = Report {
                database: self.target.settings.database.to_string().into(),
                content: ReportContent::Lost { silence },
            };
            let Ok(ended) = attempt else {
                // Where there is no room, nobody is left to hear it, or the next session of this database tells more.
                let _ = self.io.reports.try_send(lost);
                return;
            };
            let wait = backoff.closed(std::time::Instant::now(), random()).max(ended.rest());
            let until = Instant::now() + wait;
            self.rest(until);
            let reports = self.io.reports.clone();
            if self.attend(async move { reports.send(lost).await }).await.is_err() {
                return;
            }
            let state = if ended.is_refusal() { SessionState::Refused } else { SessionState::Backoff };
            let address = self.target.settings.database.to_string();
            tracing::warn!(switch = %self.target.names(), %address, reason = %ended, retry_ms = wait.as_millis(), "no session with the switch");
            self.enter(state, ended.to_string());
            if self.attend(sleep_until(until)).await.is_err() {
                return;
            }
        }
    }

    /// Has a switch that dials in wait as long as one that is dialled.
    fn rest(&mut self, until: Instant) {
        if matches!(self.target.settings.database, Database::DialsIn(_)) {
            self.io.lobby.rest(&self.target.section_names(), until);
        }
        // One that came meanwhile would hang up before.
        if until > Instant::now() + KEPT {
            self.guest = None;
        }
    }

    /// One session, from dialling to its end.
    async fn attempt(&mut self, backoff: &mut Backoff) -> Result<Ended, Stopped> {
        let connected = match self.target.settings.sections.first().and_then(endpoint) {
            None => Ok(self.welcome().await?),
            Some(endpoint) => {
                if self.target.session.state != SessionState::Refused {
                    let reason = self.target.session.reason.clone();
                    self.enter(SessionState::Connecting, reason);
                }
                let last = std::mem::take(&mut self.follower);
                self.attend(async move { dial_behind(&endpoint, endpoint.patience(), &last).await }).await?
            }
        };
        let Connected { stream, wire, peer, addresses, certificates } = match connected {
            Ok(connected) => connected,
            Err(error) => return Ok(error.into()),
        };
        backoff.connected(std::time::Instant::now());
        self.target.counters.sessions += 1;
        let memory = self.io.memory.clone();
        let limits = Limits { probe: self.inactivity_probe(), memory, ..Limits::default() };
        let rate = limits.rate;
        let (connection, inbox) = Connection::watched(stream, wire, limits);
        self.target.session.peer.clone_from(&peer);
        self.target.session.addresses = addresses;
        let tls = self.target.settings.sections.first().map(|section| tls(&section.tls)).unwrap_or_default();
        self.io.shown = Shown::new(certificates, tls);
        self.io.shown.warn_of_expiry(&self.target.names(), &mut self.io.warned);
        let ended = driver::run(&mut self.target, &mut self.io, connection, inbox, backoff, rate).await;
        self.target.session.peer.clear();
        if matches!(ended, Ok(Ended::NotLeader(_))) {
            self.follower = peer;
        }
        ended
    }

    fn enter(&mut self, state: SessionState, reason: String) {
        if let Some(event) = self.target.enter(state, reason, SystemTime::now()) {
            self.io.events.send(event);
        }
        let statuses = status::without_session(&self.target, &self.io.shown.status());
        self.io.publish.send_replace(Published::new(statuses, SystemTime::now()));
    }

    fn inactivity_probe(&self) -> Duration {
        self.target.settings.sections.iter().map(|section| section.inactivity_probe).min().unwrap_or_default()
    }

    /// Answers questions and takes news while something else is under way.
    async fn attend<T>(&mut self, other: impl Future<Output = T>) -> Result<T, Stopped> {
        tokio::pin!(other);
        loop {
            tokio::select! {
                done = &mut other => return Ok(done),
                news = self.io.mailbox.take() => drop(self.target.merge(news)),
                query = self.io.queries.recv() => match query {
                    // The newest one: those before it may be dead.
                    Some(query) => self.guest = self.answer(query).or(self.guest.take()),
                    None => return Err(Stopped),
                },
            }
        }
    }

    /// Waits until the switch dials in.
    async fn welcome(&mut self) -> Result<Connected, Stopped> {
        let waiting = "waiting for the switch to dial in".to_owned();
        if self.target.session.state != SessionState::Refused {
            let last = std::mem::take(&mut self.target.session.reason);
            let reason = if last.is_empty() { waiting } else { format!("{waiting}; the last session: {last}") };
            self.enter(SessionState::Connecting, reason);
        }
        loop {
            if let Some(Arrival { stream, wire, peer, certificates, names, .. }) = self.guest.take() {
                self.target.session.introduced = Some(names);
                let peer = peer.to_string();
                return Ok(Connected { stream, wire: Some(wire), peer, addresses: 1, certificates });
            }
            tokio::select! {
                news = self.io.mailbox.take() => drop(self.target.merge(news)),
                query = self.io.queries.recv() => match query {
                    Some(query) => self.guest = self.answer(query),
                    None => return Err(Stopped),
                },
            }
        }
    }

    /// Answers without a session; what dialled in is handed back.
    fn answer(&mut self, query: Query) -> Option<Arrival> {
        match query {
            // Who asked may have gone.
            Query::Status(_, answer) => {
                drop(answer.send(status::without_session(&self.target, &self.io.shown.status())));
            }
            Query::Release => self.target.released = true,
            Query::Hold(hold) => self.target.hold = hold,
            Query::Repair => self.target.repairing = true,
            Query::Plan(_, answer) => {
                let reason =
                    status::without_session(&self.target, &self.io.shown.status()).pop().map(|status| status.reason);
                let _ = answer.send(Err(reason.unwrap_or_default().to_string()));
            }
            Query::Alive(answer) => drop(answer.send(Vec::new())),
            Query::Adopt(arrival) => return Some(*arrival),
        }
        None
    }
}

/// Uniform in 0..1.
fn random() -> f64 {
    let bytes = uuid::Uuid::new_v4().into_bytes();
    f64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])) / f64::from(u32::MAX)
}
