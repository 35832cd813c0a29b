//! The I/O of one session: what comes in goes to the state machine, what it decides goes out.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::block_in_place,
    time::Instant,
};

use super::{
    Database,
    certificates::Shown,
    events::Events,
    mailbox::Mailbox,
    passive::Lobby,
    query::{Query, Stopped},
    session::{Ended, Input, Session},
    status::{self, Published},
    target::{Moment, Target},
    throttle::Throttle,
};
use crate::{
    intent::HostNames,
    model::{
        Revision,
        reason::Reason,
        status::{SessionState, SwitchStatus},
    },
    ovsdb::{
        CloseReason, Connection, Inbox, Incoming, Memory, RequestError, alarm::Alarm, session::Backoff, turn::Turn,
    },
    relay::Report,
};

/// Messages and comparisons beyond this are handled off the runtime's fast path, so that others are served meanwhile.
const LARGE: usize = 256 * 1024;
/// Before work that takes long the status is published, unless it is so new.
const FRESH: Duration = Duration::from_millis(500);

/// What a worker hears and says beside its connection.
#[derive(Debug)]
pub(super) struct Channels {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) queries: mpsc::Receiver<Query>,
    pub(super) confirm: mpsc::Sender<(Database, Revision)>,
    /// What the switch reports, for the relay.
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) events: Events,
    /// For the long messages of all switches together.
    pub(super) memory: Memory,
    /// Where switches that dial in are kept waiting.
    pub(super) lobby: Arc<Lobby>,
    /// The last status, for those who ask while the worker is busy.
    pub(super) publish: watch::Sender<Published>,
    /// The certificates of the session, with TLS.
    pub(super) shown: Shown,
    /// When the log warned of a certificate that expires.
    pub(super) warned: Option<Instant>,
}

/// One session's driver.
struct Driver<'w> {
    session: Session<'w>,
    connection: Connection,
    events: &'w Events,
    publish: &'w watch::Sender<Published>,
    shown: &'w Shown,
    warned: &'w mut Option<Instant>,
    /// Who wants to know which switches answer.
    askers: Vec<oneshot::Sender<Vec<String>>>,
    /// What the supervisor is still to hear of.
    unconfirmed: Option<Revision>,
    /// The compute nodes behind VTEPs, as they were reported last.
    hosts: Arc<HostNames>,
    /// The state that was published last.
    state: SessionState,
    turn: Turn,
    /// When the status was published last.
    published: Instant,
    throttle: Throttle,
    /// Rows a second that are read.
    rate: u32,
}

/// Runs a session until it or the worker ends.
pub(super) async fn run(
    target: &mut Target,
    io: &mut Channels,
    connection: Connection,
    mut inbox: Inbox,
    backoff: &mut Backoff,
    rate: u32,
) -> Result<Ended, Stopped> {
    let Channels { mailbox, queries, confirm, reports, events, publish, shown, warned, .. } = io;
    let database = target.settings.database.clone();
    let mut driver = Driver {
        session: Session::new(target, now()),
        connection,
        events,
        publish,
        shown,
        warned,
        askers: Vec::new(),
        unconfirmed: None,
        hosts: Arc::default(),
        state: SessionState::Connecting,
        turn: Turn::default(),
        published: Instant::now(),
        throttle: Throttle::new(now().at),
        rate,
    };
    let mut alarm = Alarm::new();
    let ended = loop {
        let more = match driver.advance() {
            Ok(more) => more,
            Err(ended) => break ended,
        };
        driver.turn.pass().await;
        // What was begun is done before anything else is taken.
        if more {
            continue;
        }
        let deadline = Instant::from_std(driver.session.deadline());
        let step = tokio::select! {
            message = inbox.recv() => if let Some(message) = message {
                backoff.replied();
                driver.handle(size(&message), Input::Message(message))
            } else {
                Err(inbox.close_reason().unwrap_or(CloseReason::Dropped).into())
            },
            news = mailbox.take() => driver.handle(0, Input::Desired(news)),
            query = queries.recv() => match query {
                Some(query) => driver.query(query),
                None => return Err(Stopped),
            },
            Ok(place) = reports.reserve(), if driver.session.has_report() => {
                let session = &mut driver.session;
                if let Some(report) = driver.turn.work(|| session.next_report()) {
                    place.send(report);
                }
                Ok(())
            }
            Ok(place) = confirm.reserve(), if driver.unconfirmed.is_some() => {
                if let Some(revision) = driver.unconfirmed.take() {
                    place.send((database.clone(), revision));
                }
                Ok(())
            }
            () = alarm.until(deadline) => {
                let received = driver.connection.received();
                driver.handle(0, Input::Timer { received })
            }
        };
        if let Err(ended) = step {
            break ended;
        }
    };
    let mut last = driver.session.end(inbox.close_reason().as_ref());
    last.events.drain(..).for_each(|event| events.send(event));
    Ok(ended)
}

// ===== impl Driver =====

impl Driver<'_> {
    /// Hands one input in.
    fn handle(&mut self, size: usize, input: Input) -> Result<(), Ended> {
        if size > LARGE {
            self.publish();
        }
        self.turn.work(|| fast_or_apart(size, || self.session.handle(input, now())))
    }

    /// Has done what was decided, until nothing is left, or others should have their turn (true).
    fn advance(&mut self) -> Result<bool, Ended> {
        let more = loop {
            if self.session.effort() > LARGE && self.published.elapsed() > FRESH {
                self.publish();
            }
            let (step, session) = (self.session.next_step(), &mut self.session);
            let more = self.turn.work(|| fast_or_apart(step, || session.advance()));
            // What was decided before it went wrong is done first.
            self.perform()?;
            let more = more?;
            if !more || self.turn.is_over() {
                break more;
            }
        };
        self.look_at_throttle();
        let state = self.session.target().session.state;
        if state != self.state {
            self.state = state;
            self.publish();
        }
        Ok(more)
    }

    fn look_at_throttle(&mut self) {
        if self.throttle.look(self.connection.throttled(), now().at) {
            let switch = self.session.target().names();
            tracing::warn!(%switch, rate = self.rate, "the switch's rows change too fast: it is read at that rate");
        }
    }

    fn perform(&mut self) -> Result<(), Ended> {
        let actions = self.session.actions();
        let mut sent = Ok(());
        for (request, params) in actions.requests() {
            match self.connection.request(request.method, params) {
                Ok(id) => debug_assert_eq!(id, request.id),
                // The inbox is read to its end: it says why.
                Err(RequestError::Closed(_)) => break,
                Err(error) => {
                    sent = Err(error.into());
                    break;
                }
            }
        }
        actions.clear_requests();
        actions.events.drain(..).for_each(|event| self.events.send(event));
        self.unconfirmed = actions.confirm.take().or(self.unconfirmed);
        if let Some(patience) = actions.patience.take() {
            self.connection.set_patience(patience);
        }
        if let Some(bytes) = actions.max_message.take() {
            self.connection.set_max_message(bytes);
        }
        self.connection.charge(std::mem::take(&mut actions.changed_rows));
        if let Some(alive) = actions.alive.take() {
            for asker in self.askers.drain(..) {
                // It may have gone.
                let _ = asker.send(alive.clone());
            }
        }
        if std::mem::take(&mut actions.check_certificates) {
            self.shown.warn_of_expiry(&self.session.target().names(), self.warned);
        }
        sent
    }

    fn query(&mut self, query: Query) -> Result<(), Ended> {
        match query {
            Query::Release => return self.handle(0, Input::Release),
            Query::Hold(hold) => return self.handle(0, Input::Hold(hold)),
            Query::Repair => return self.handle(0, Input::Repair),
            Query::Alive(asker) => {
                self.askers.push(asker);
                return self.handle(0, Input::AskAlive);
            }
            Query::Status(hosts, answer) => {
                self.hosts = hosts;
                // The caller may have gone.
                let _ = answer.send(self.publish());
            }
            Query::Plan(query, answer) => {
                let session = &self.session;
                let _ = answer.send(fast_or_apart(session.audit_size(), || session.preview(&query)));
            }
            // The session lives: the newcomer is closed.
            Query::Adopt(_) => {}
        }
        Ok(())
    }

    /// Publishes the status, and returns it.
    fn publish(&mut self) -> Vec<SwitchStatus> {
        self.look_at_throttle();
        let certificates = self.shown.status();
        let session = &mut self.session;
        let statuses = if session.is_up() {
            if session.wants_look() {
                fast_or_apart(session.audit_size(), || session.look());
            }
            let throttled = self.throttle.is_shown(now().at).then_some(Reason::Throttled { rate: self.rate });
            status::with_session(&session.view(), &certificates, &self.hosts, throttled.as_ref())
        } else {
            status::without_session(session.target(), &certificates)
        };
        self.publish.send_replace(Published::new(statuses.clone(), SystemTime::now()));
        self.published = Instant::now();
        statuses
    }
}

/// Both clocks; the monotonic one is tokio's, so that tests can hold it.
pub(super) fn now() -> Moment {
    Moment { at: Instant::now().into_std(), date: SystemTime::now() }
}

fn size(message: &Incoming) -> usize {
    match message {
        Incoming::Reply { result: Ok(raw), .. }
        | Incoming::Update { updates: raw, .. }
        | Incoming::Update2 { updates: raw, .. } => raw.as_bytes().len(),
        _ => 0,
    }
}

/// Does what may take longer than a task should without keeping others from running.
fn fast_or_apart<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    if bytes > LARGE { block_in_place(work) } else { work() }
}
