//! The I/O of one session: what comes in goes to the state machine, what it decides goes out.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, oneshot},
    task::{block_in_place, yield_now},
    time::Instant,
};

use super::{
    Database,
    certificates::Shown,
    events::Events,
    mailbox::Mailbox,
    query::{Query, Stopped},
    session::{Ended, Input, Session},
    status,
    target::{Moment, PlanQuery, Target},
};
use crate::{
    intent::HostNames,
    model::{
        Revision,
        event::Preview,
        status::{CertificateStatus, SwitchStatus},
    },
    ovsdb::{CloseReason, Connection, Inbox, Incoming, alarm::Alarm, session::Backoff},
    relay::Report,
};

/// Messages and comparisons beyond this are handled off the runtime's fast path, so that others are served meanwhile.
const LARGE: usize = 256 * 1024;
/// How long a session may go on without letting other tasks run.
const TURN: Duration = Duration::from_millis(2);

/// What a worker hears and says beside its connection.
#[derive(Debug)]
pub(super) struct Channels {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) queries: mpsc::Receiver<Query>,
    pub(super) confirm: mpsc::Sender<(Database, Revision)>,
    /// What the switch reports, for the relay.
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) events: Events,
    /// The certificates of the session, with TLS.
    pub(super) shown: Shown,
    /// When the log warned of a certificate that expires.
    pub(super) warned: Option<Instant>,
}

/// Runs a session until it or the worker ends.
pub(super) async fn run(
    target: &mut Target,
    io: &mut Channels,
    mut connection: Connection,
    mut inbox: Inbox,
    backoff: &mut Backoff,
) -> Result<Ended, Stopped> {
    let Channels { mailbox, queries, confirm, reports, events, shown, warned } = io;
    let database = target.settings.database.clone();
    let mut session = Session::new(target, now());
    let mut unconfirmed: Option<Revision> = None;
    let mut askers: Vec<oneshot::Sender<Vec<String>>> = Vec::new();
    let mut alarm = Alarm::new();
    let ended = loop {
        // ===== What was decided is done, until there is nothing left.
        let turn = std::time::Instant::now();
        let advanced = loop {
            let more = fast_or_apart(session.effort(), || session.advance());
            let actions = session.actions();
            let mut sent = Ok(());
            for (request, params) in actions.requests() {
                sent = connection.request(request.method, params).map(|id| debug_assert_eq!(id, request.id));
                if sent.is_err() {
                    break;
                }
            }
            actions.clear_requests();
            actions.events.drain(..).for_each(|event| events.send(event));
            unconfirmed = actions.confirm.take().or(unconfirmed);
            if let Some(patience) = actions.patience.take() {
                connection.set_patience(patience);
            }
            if let Some(alive) = actions.alive.take() {
                for asker in askers.drain(..) {
                    // It may have gone.
                    let _ = asker.send(alive.clone());
                }
            }
            if std::mem::take(&mut actions.check_certificates) {
                shown.warn_of_expiry(&session.target().names(), warned);
            }
            match sent.map_err(|error| Ended::lost(error.to_string())).and(more) {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(ended) => break Err(ended),
            }
        };
        if let Err(ended) = advanced {
            break ended;
        }
        if turn.elapsed() > TURN {
            yield_now().await;
        }
        // ===== What happens next is taken.
        let deadline = Instant::from_std(session.deadline());
        let step = tokio::select! {
            message = inbox.recv() => if let Some(message) = message {
                backoff.replied();
                let size = size(&message);
                fast_or_apart(size, || session.handle(Input::Message(message), now()))
            } else {
                let reason = inbox.close_reason().unwrap_or(CloseReason::Dropped);
                Err(Ended { silence: reason.silence(), ..Ended::lost(reason.to_string()) })
            },
            news = mailbox.take() => session.handle(Input::Desired(news), now()),
            query = queries.recv() => match query {
                None => return Err(Stopped),
                Some(Query::Release) => session.handle(Input::Release, now()),
                Some(Query::Hold(hold)) => session.handle(Input::Hold(hold), now()),
                Some(Query::Repair) => session.handle(Input::Repair, now()),
                Some(Query::Alive(asker)) => {
                    askers.push(asker);
                    session.handle(Input::AskAlive, now())
                }
                Some(Query::Status(hosts, answer)) => {
                    // Whoever asked may have gone.
                    let _ = answer.send(statuses(&mut session, &shown.status(), &hosts));
                    Ok(())
                }
                Some(Query::Plan(query, answer)) => {
                    let _ = answer.send(preview(&session, &query));
                    Ok(())
                }
                // The session lives: the newcomer is closed.
                Some(Query::Adopt(_)) => Ok(()),
            },
            Ok(place) = reports.reserve(), if session.has_report() => {
                if let Some(report) = session.next_report() {
                    place.send(report);
                }
                Ok(())
            }
            Ok(place) = confirm.reserve(), if unconfirmed.is_some() => {
                if let Some(revision) = unconfirmed.take() {
                    place.send((database.clone(), revision));
                }
                Ok(())
            }
            () = alarm.until(deadline) => {
                session.handle(Input::Timer { received: connection.received() }, now())
            }
        };
        if let Err(ended) = step {
            break ended;
        }
    };
    let mut last = session.end(inbox.close_reason().as_ref());
    last.events.drain(..).for_each(|event| events.send(event));
    Ok(ended)
}

/// Both clocks; the monotonic one is tokio's, so that tests can hold it.
pub(super) fn now() -> Moment {
    Moment { at: Instant::now().into_std(), date: SystemTime::now() }
}

fn statuses(
    session: &mut Session<'_>,
    certificates: &[CertificateStatus],
    hosts: &Arc<HostNames>,
) -> Vec<SwitchStatus> {
    if !session.is_up() {
        return status::without_session(session.target(), certificates);
    }
    if session.wants_look() {
        fast_or_apart(session.audit_size(), || session.look());
    }
    status::with_session(&session.view(), certificates, hosts)
}

fn preview(session: &Session<'_>, query: &PlanQuery) -> Result<Preview, String> {
    fast_or_apart(session.audit_size(), || session.preview(query))
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
