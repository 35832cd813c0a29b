//! A client for callers who want answers rather than events: checks, tests, tools.
//!
//! A driver task owns the [`Connection`] and pairs replies with requests; a [`Client`] is a handle to it. At most
//! [`WINDOW`] requests are under way at once. The connection lives as long as any handle, [`PendingCall`], [`Updates`] or
//! [`Lock`] does.

mod driver;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{mpsc, oneshot, watch};

use super::{
    connection::{CloseReason, Connection, Limits, RequestError},
    json::{Cursor, JsonError, write_string},
    message::{Raw, RpcError},
    schema::Schema,
    transact::Reply,
    transport::{Endpoint, Stream, TransportError, dial},
};
use driver::{Command, Driver, Interest};

/// How many requests of one client wait for their replies at most; further callers wait for their turn.
pub const WINDOW: usize = 64;

/// How many updates of one monitor wait for their reader at most.
pub const UPDATES: usize = 1024;

/// A handle to a connection; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    cancels: mpsc::Sender<u64>,
    /// The last tag: names a request before it has an id, and a monitor.
    tags: Arc<AtomicU64>,
    closed: Arc<OnceLock<CloseReason>>,
}

/// There is no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection came to be.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The connection ended before the answer.
    #[error("no answer: {0}")]
    Closed(CloseReason),
    /// The request did not even leave.
    #[error(transparent)]
    NotSent(RequestError),
    /// The server refused the request as a whole.
    #[error(transparent)]
    Refused(#[from] RpcError),
    /// The server's answer has another form than RFC 7047 says.
    #[error("the reply to '{method}' is not as RFC 7047 has it: {source}")]
    Unreadable {
        /// What was asked.
        method: &'static str,
        /// What was wrong with the answer.
        source: JsonError,
    },
    /// [`PendingCall::cancel`] was called.
    #[error("the request was canceled")]
    Canceled,
}

/// A request under way.
#[derive(Debug)]
pub struct PendingCall {
    tag: u64,
    canceled: Arc<AtomicBool>,
    answer: oneshot::Receiver<Result<Raw, ClientError>>,
    handle: Client,
}

/// The updates of one monitor, in their order.
#[derive(Debug)]
pub struct Updates {
    monitor: String,
    arrived: mpsc::Receiver<Raw>,
    ended: Arc<OnceLock<MonitorEnd>>,
    handle: Client,
}

/// Why no more updates come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MonitorEnd {
    /// The connection is gone.
    #[error("the monitor ended: {0}")]
    Closed(CloseReason),
    /// The server canceled it: the database was converted to another schema, or removed. Read the schema again.
    #[error("the server canceled the monitor: the database was converted or removed")]
    Canceled,
    /// More than [`UPDATES`] were not read in time: what the reader knows is out of date.
    #[error("the reader of the monitor's updates fell behind by more than {UPDATES}")]
    Lagged,
}

/// A lock (RFC 7047 section 4.1.8) that was asked for.
#[derive(Debug)]
pub struct Lock {
    held: watch::Receiver<bool>,
    handle: Client,
}

// ===== impl Client =====

impl Client {
    /// Dials, with bounds by default.
    pub async fn connect(endpoint: &Endpoint, timeout: Duration) -> Result<Self, ClientError> {
        let connected = dial(endpoint, timeout).await?;
        Ok(Self::open(connected.stream, Limits::default()))
    }

    /// A client over a stream that is there already. Must be called within a tokio runtime.
    pub fn open(stream: Stream, limits: Limits) -> Self {
        let (connection, inbox) = Connection::open(stream, limits);
        let (commands, requested) = mpsc::channel(1);
        let (cancels, canceled) = mpsc::channel(WINDOW);
        let closed = Arc::new(OnceLock::new());
        tokio::spawn(Driver::new(connection, inbox, Arc::clone(&closed)).run(requested, canceled));
        Self { commands, cancels, tags: Arc::default(), closed }
    }

    /// Sends any request; `params` is the text of a JSON array. Returns once it has its place among the [`WINDOW`].
    pub async fn call(&self, method: &str, params: Vec<u8>) -> Result<PendingCall, ClientError> {
        self.start(method, params, None).await
    }

    /// The databases that the server holds (section 4.1.1).
    pub async fn list_dbs(&self) -> Result<Vec<String>, ClientError> {
        let reply = self.ask("list_dbs", params(NONE)).await?;
        let mut names = Vec::new();
        read("list_dbs", &reply, |cursor| {
            cursor.array(|name| {
                names.push(name.string()?.into_owned());
                Ok(())
            })
        })?;
        Ok(names)
    }

    /// The schema of a database (section 4.1.2).
    pub async fn get_schema(&self, database: &str) -> Result<Schema, ClientError> {
        let reply = self.ask("get_schema", params([string(database)])).await?;
        read("get_schema", &reply, Schema::read)
    }

    /// Carries out a transaction (section 4.1.3); each operation is the text of a JSON object. A transaction that the
    /// server turned down is an `Ok` that is not [`Reply::committed`].
    pub async fn transact<T: AsRef<[u8]>>(&self, database: &str, operations: &[T]) -> Result<Reply, ClientError> {
        self.start_transact(database, operations).await?.transacted(operations.len()).await
    }

    /// Sends a transaction without waiting for its reply: a `wait` may take long, and can be canceled.
    pub async fn start_transact<T: AsRef<[u8]>>(
        &self,
        database: &str,
        operations: &[T],
    ) -> Result<PendingCall, ClientError> {
        let database = string(database);
        let parts = std::iter::once(database.as_slice()).chain(operations.iter().map(AsRef::as_ref));
        self.call("transact", params(parts)).await
    }

    /// Watches a database (section 4.1.5): what is there now, and an `update` for each change. `requests` is the text
    /// of `<monitor-requests>`; name the columns, or the server adds `_version` to each row.
    pub async fn monitor(&self, database: &str, requests: &[u8]) -> Result<(Raw, Updates), ClientError> {
        self.watch("monitor", database, requests).await
    }

    /// Watches the rows of a database that meet conditions (ovsdb-server(7)), with `update2` for each change.
    pub async fn monitor_cond(&self, database: &str, requests: &[u8]) -> Result<(Raw, Updates), ClientError> {
        self.watch("monitor_cond", database, requests).await
    }

    /// Asks for a lock (section 4.1.8), in the queue if need be. Names are letters, digits and underscores.
    pub async fn lock(&self, name: &str) -> Result<Lock, ClientError> {
        self.take_lock("lock", name).await
    }

    /// Takes a lock from its holder. An error while we wait in its queue: `unlock` first.
    pub async fn steal(&self, name: &str) -> Result<Lock, ClientError> {
        self.take_lock("steal", name).await
    }

    /// Gives a lock back, or leaves its queue.
    pub async fn unlock(&self, name: &str) -> Result<(), ClientError> {
        let interest = Interest::Unlock { name: name.to_owned() };
        self.start("unlock", params([string(name)]), Some(interest)).await?.reply().await.map(drop)
    }

    /// Asks whether the server is there (section 4.1.11).
    pub async fn echo(&self) -> Result<(), ClientError> {
        self.ask("echo", params(NONE)).await.map(drop)
    }

    /// Whether the server should tell us of databases that come, go or are converted (ovsdb-server(7)) instead of
    /// closing the connection.
    pub async fn set_db_change_aware(&self, aware: bool) -> Result<(), ClientError> {
        self.ask("set_db_change_aware", params([aware.to_string()])).await.map(drop)
    }

    async fn take_lock(&self, method: &str, name: &str) -> Result<Lock, ClientError> {
        let (state, held) = watch::channel(false);
        let interest = Interest::Lock { name: name.to_owned(), held: state };
        self.start(method, params([string(name)]), Some(interest)).await?.reply().await?;
        Ok(Lock { held, handle: self.clone() })
    }

    async fn watch(&self, method: &str, database: &str, requests: &[u8]) -> Result<(Raw, Updates), ClientError> {
        let monitor = format!("monitor{}", self.tags.fetch_add(1, Ordering::Relaxed));
        let (updates, arrived) = mpsc::channel(UPDATES);
        let ended = Arc::new(OnceLock::new());
        let interest = Interest::Monitor { id: monitor.clone(), updates, ended: Arc::clone(&ended) };
        let parts = [string(database), string(&monitor), requests.to_vec()];
        let initial = self.start(method, params(parts), Some(interest)).await?.reply().await?;
        Ok((initial, Updates { monitor, arrived, ended, handle: self.clone() }))
    }

    async fn ask(&self, method: &str, params: Vec<u8>) -> Result<Raw, ClientError> {
        self.call(method, params).await?.reply().await
    }

    async fn start(
        &self,
        method: &str,
        params: Vec<u8>,
        interest: Option<Interest>,
    ) -> Result<PendingCall, ClientError> {
        let tag = self.tags.fetch_add(1, Ordering::Relaxed);
        let (answered, answer) = oneshot::channel();
        let canceled = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&canceled);
        let command = Command { tag, method: method.to_owned(), params, answered, interest, canceled: flag };
        self.commands.send(command).await.map_err(|_| self.lost())?;
        Ok(PendingCall { tag, canceled, answer, handle: self.clone() })
    }

    fn lost(&self) -> ClientError {
        ClientError::Closed(self.closed.get().cloned().unwrap_or(CloseReason::Dropped))
    }
}

// ===== impl PendingCall =====

impl PendingCall {
    /// Waits for the member `result` of the reply.
    pub async fn reply(self) -> Result<Raw, ClientError> {
        self.answer.await.unwrap_or_else(|_| Err(self.handle.lost()))
    }

    /// Waits for the reply to a transaction of this many `operations`.
    pub async fn transacted(self, operations: usize) -> Result<Reply, ClientError> {
        let reply = self.reply().await?;
        read("transact", &reply, |cursor| Reply::read(cursor, operations))
    }

    /// Asks the server to give the request up (section 4.1.4); [`Self::reply`] is then [`ClientError::Canceled`].
    /// The transaction may have been committed nevertheless.
    pub async fn cancel(&self) {
        // For a request that the driver has not taken yet; the tag is for one that it has.
        self.canceled.store(true, Ordering::Release);
        // An error means that the connection is gone, and the request with it.
        self.handle.cancels.send(self.tag).await.ok();
    }
}

// ===== impl Updates =====

impl Updates {
    /// The next update: `<table-updates>` of a `monitor`, `<table-updates2>` of a `monitor_cond`. Cancel-safe.
    pub async fn next(&mut self) -> Result<Raw, MonitorEnd> {
        match self.arrived.recv().await {
            Some(update) => Ok(update),
            None => Err(self.ended.get().cloned().unwrap_or(MonitorEnd::Closed(CloseReason::Dropped))),
        }
    }

    /// Ends the monitor (section 4.1.7).
    pub async fn cancel(self) -> Result<(), ClientError> {
        self.handle.ask("monitor_cancel", params([string(&self.monitor)])).await.map(drop)
    }
}

// ===== impl Lock =====

impl Lock {
    /// Whether we hold it now, as far as the server has said.
    pub fn held(&self) -> bool {
        *self.held.borrow()
    }

    /// Waits until we hold it.
    pub async fn acquired(&mut self) -> Result<(), ClientError> {
        self.held.wait_for(|held| *held).await.map(drop).map_err(|_| self.handle.lost())
    }

    /// Waits until we don't hold it: another session stole it.
    pub async fn lost(&mut self) -> Result<(), ClientError> {
        self.held.wait_for(|held| !*held).await.map(drop).map_err(|_| self.handle.lost())
    }
}

// ===== parameters and results =====

const NONE: [&[u8]; 0] = [];

/// `[part,part,…]`
fn params<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> Vec<u8> {
    let mut text = vec![b'['];
    for (i, part) in parts.into_iter().enumerate() {
        if i > 0 {
            text.push(b',');
        }
        text.extend_from_slice(part.as_ref());
    }
    text.push(b']');
    text
}

fn string(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_string(&mut out, text);
    out
}

fn read<T>(
    method: &'static str,
    reply: &Raw,
    read: impl FnOnce(&mut Cursor<'_>) -> Result<T, JsonError>,
) -> Result<T, ClientError> {
    read(&mut reply.cursor()).map_err(|source| ClientError::Unreadable { method, source })
}
