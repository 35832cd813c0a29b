//! The task of one database: dials, lives through sessions, and waits between them.

use std::time::{Duration, SystemTime};

use super::{
    Database,
    certificates::Shown,
    database::{endpoint, tls},
    driver::{self, Channels},
    passive::Arrival,
    query::{Query, Stopped},
    session::Ended,
    status::{self, Published},
    target::Target,
};
use crate::{
    model::status::SessionState,
    ovsdb::{Connection, Limits, dial, session::Backoff, transport::Connected},
    relay::{Report, ReportContent},
};

/// After a log-in that was refused: each further one brings the account nearer to being locked.
const AFTER_REFUSED_LOG_IN: Duration = Duration::from_mins(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Worker {
    target: Target,
    io: Channels,
}

// ===== impl Worker =====

impl Worker {
    pub(super) fn new(target: Target, io: Channels) -> Self {
        Self { target, io }
    }

    /// Works until the supervisor drops its end.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let attempt = self.attempt(&mut backoff).await;
            let silence = attempt.as_ref().map_or(Duration::ZERO, |ended| ended.silence);
            let lost = Report {
                database: self.target.settings.database.to_string().into(),
                content: ReportContent::Lost { silence },
            };
            let Ok(reason) = attempt else {
                // Where there is no room, no receiver is left, or the next session of this database tells more.
                let _ = self.io.reports.try_send(lost);
                return;
            };
            let reports = self.io.reports.clone();
            if self.attend(async move { reports.send(lost).await }).await.is_err() {
                return;
            }
            let wait = backoff.closed(std::time::Instant::now(), random()).max(reason.rest);
            // Who dials in waits by himself, or not.
            let wait =
                if matches!(self.target.settings.database, Database::DialsIn(_)) { Duration::ZERO } else { wait };
            let state = if reason.refused { SessionState::Refused } else { SessionState::Backoff };
            let address = self.target.settings.database.to_string();
            tracing::warn!(switch = %self.target.names(), %address, reason = %reason.text, retry_ms = wait.as_millis(), "no session with the switch");
            self.enter(state, reason.text);
            if self.attend(tokio::time::sleep(wait)).await.is_err() {
                return;
            }
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
                self.attend(async move { dial(&endpoint, endpoint.patience()).await }).await?
            }
        };
        let Connected { stream, wire, peer, certificates } = match connected {
            Ok(connected) => connected,
            Err(error) => {
                let rest = if error.is_log_in() { AFTER_REFUSED_LOG_IN } else { Duration::ZERO };
                let (text, refused) = (error.to_string(), error.is_refusal());
                return Ok(Ended { text, refused, rest, silence: Duration::ZERO });
            }
        };
        backoff.connected(std::time::Instant::now());
        self.target.counters.sessions += 1;
        let memory = self.io.memory.clone();
        let limits = Limits { probe: self.inactivity_probe(), memory, ..Limits::default() };
        let (connection, inbox) = Connection::watched(stream, wire, limits);
        self.target.session.peer = peer;
        let tls = self.target.settings.sections.first().map(|section| tls(&section.tls)).unwrap_or_default();
        self.io.shown = Shown::new(certificates, tls);
        self.io.shown.warn_of_expiry(&self.target.names(), &mut self.io.warned);
        let ended = driver::run(&mut self.target, &mut self.io, connection, inbox, backoff).await;
        self.target.session.peer.clear();
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
                    Some(query) => drop(self.answer(query)),
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
            tokio::select! {
                news = self.io.mailbox.take() => drop(self.target.merge(news)),
                query = self.io.queries.recv() => match query {
                    Some(query) => if let Some(Arrival { stream, wire, peer, certificates, names, .. }) = self.answer(query) {
                        self.target.session.introduced = Some(names);
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
