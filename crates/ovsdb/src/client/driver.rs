//! The task behind a client: it owns the connection, and knows who waits for what.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{mpsc, oneshot, watch};

use super::{ClientError, MonitorEnd, WINDOW};
use crate::{
    connection::{CloseReason, Connection, Inbox, RequestError},
    json::JsonError,
    message::{Incoming, Raw},
};

/// A request to send.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) tag: u64,
    pub(super) method: String,
    pub(super) params: Vec<u8>,
    pub(super) answered: oneshot::Sender<Result<Raw, ClientError>>,
    pub(super) interest: Option<Interest>,
    /// Canceled before we saw it.
    pub(super) canceled: Arc<AtomicBool>,
}

/// Notifications that the request gives rise to: known before it is sent, as an update may overtake the reply.
#[derive(Debug)]
pub(super) enum Interest {
    Monitor { id: String, updates: mpsc::Sender<Raw>, ended: Arc<OnceLock<MonitorEnd>> },
    Lock { name: String, held: watch::Sender<bool> },
    Unlock { name: String },
}

pub(super) struct Driver {
    connection: Connection,
    inbox: Inbox,
    closed: Arc<OnceLock<CloseReason>>,
    pending: HashMap<u64, Pending>,
    monitors: HashMap<String, Monitor>,
    locks: HashMap<String, watch::Sender<bool>>,
}

struct Pending {
    tag: u64,
    answered: oneshot::Sender<Result<Raw, ClientError>>,
    role: Role,
}

/// What the reply means besides.
enum Role {
    Plain,
    /// A monitor ends if its request fails.
    Monitor(String),
    /// The reply says whether the lock is held.
    Lock(String),
    Unlock(String),
}

struct Monitor {
    updates: mpsc::Sender<Raw>,
    ended: Arc<OnceLock<MonitorEnd>>,
}

impl Driver {
    pub(super) fn new(connection: Connection, inbox: Inbox, closed: Arc<OnceLock<CloseReason>>) -> Self {
        Self { connection, inbox, closed, pending: HashMap::new(), monitors: HashMap::new(), locks: HashMap::new() }
    }

    pub(super) async fn run(mut self, mut requested: mpsc::Receiver<Command>, mut canceled: mpsc::Receiver<u64>) {
        loop {
            tokio::select! {
                command = requested.recv(), if self.pending.len() < WINDOW => match command {
                    Some(command) => self.send(command),
                    None => return,
                },
                Some(tag) = canceled.recv() => self.cancel(tag),
                message = self.inbox.recv() => match message {
                    Some(message) => self.take(message),
                    None => break,
                },
            }
        }
        let reason = self.inbox.close_reason().unwrap_or(CloseReason::Dropped);
        // Before the senders of answers and updates go: who then sees the end can ask why.
        drop(self.closed.set(reason.clone()));
        for (_, monitor) in self.monitors.drain() {
            drop(monitor.ended.set(MonitorEnd::Closed(reason.clone())));
        }
    }

    fn send(&mut self, command: Command) {
        let Command { tag, method, params, answered, interest, canceled } = command;
        if canceled.load(Ordering::Acquire) {
            drop(answered.send(Err(ClientError::Canceled)));
            return;
        }
        let id = match self.connection.request(&method, &params) {
            Ok(id) => id,
            Err(error) => {
                let error = match error {
                    RequestError::Closed(reason) => ClientError::Closed(reason),
                    full @ RequestError::QueueFull { .. } => ClientError::NotSent(full),
                };
                // The caller may have gone.
                drop(answered.send(Err(error)));
                return;
            }
        };
        let role = match interest {
            Some(Interest::Monitor { id, updates, ended }) => {
                self.monitors.insert(id.clone(), Monitor { updates, ended });
                Role::Monitor(id)
            }
            Some(Interest::Lock { name, held }) => {
                self.locks.insert(name.clone(), held);
                Role::Lock(name)
            }
            Some(Interest::Unlock { name }) => Role::Unlock(name),
            None => Role::Plain,
        };
        self.pending.insert(id, Pending { tag, answered, role });
    }

    fn cancel(&mut self, tag: u64) {
        let Some(id) = self.pending.iter().find_map(|(id, pending)| (pending.tag == tag).then_some(*id)) else {
            return;
        };
        // Whether the server will answer depends on the server: nobody waits for it any more.
        if let Some(pending) = self.pending.remove(&id) {
            drop(self.connection.cancel(id));
            drop(pending.answered.send(Err(ClientError::Canceled)));
        }
    }

    fn take(&mut self, message: Incoming) {
        match message {
            Incoming::Reply { id, result } => {
                if let Some(Pending { answered, role, .. }) = self.pending.remove(&id) {
                    let result = self.settle(role, result.map_err(ClientError::from));
                    drop(answered.send(result));
                }
            }
            Incoming::Update { monitor, updates } | Incoming::Update2 { monitor, updates } => {
                let Some(watcher) = self.monitors.get(&monitor) else { return };
                match watcher.updates.try_send(updates) {
                    Ok(()) => {}
                    Err(mpsc::error::TrySendError::Full(_)) => self.end_monitor(&monitor, MonitorEnd::Lagged),
                    Err(mpsc::error::TrySendError::Closed(_)) => drop(self.monitors.remove(&monitor)),
                }
            }
            Incoming::MonitorCanceled(monitor) => self.end_monitor(&monitor, MonitorEnd::Canceled),
            Incoming::Locked(name) => self.set_lock(&name, true),
            Incoming::Stolen(name) => self.set_lock(&name, false),
            Incoming::Other { .. } => {}
        }
    }

    /// Before the next message is checked: it may say that a lock which this reply grants was stolen.
    fn settle(&mut self, role: Role, result: Result<Raw, ClientError>) -> Result<Raw, ClientError> {
        match (role, &result) {
            (Role::Monitor(id), Err(_)) => drop(self.monitors.remove(&id)),
            (Role::Lock(name), Err(_)) => drop(self.locks.remove(&name)),
            (Role::Lock(name), Ok(reply)) => {
                let held = locked(reply).map_err(|source| ClientError::Unreadable { method: "lock", source })?;
                self.set_lock(&name, held);
            }
            (Role::Unlock(name), Ok(_)) => self.set_lock(&name, false),
            _ => {}
        }
        result
    }

    fn end_monitor(&mut self, id: &str, end: MonitorEnd) {
        if let Some(monitor) = self.monitors.remove(id) {
            drop(monitor.ended.set(end));
        }
    }

    fn set_lock(&mut self, name: &str, held: bool) {
        if let Some(watcher) = self.locks.get(name) {
            watcher.send_replace(held);
        }
    }
}

/// `{"locked": boolean}`
fn locked(reply: &Raw) -> Result<bool, JsonError> {
    let mut locked = false;
    reply.cursor().object(|key, value| match key {
        "locked" => value.boolean().map(|held| locked = held),
        _ => value.skip(),
    })?;
    Ok(locked)
}
