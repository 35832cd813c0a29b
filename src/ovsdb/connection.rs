//! One live connection: a reader task and a writer task that only do I/O, and an owner between their queues.
//!
//! ```text
//!   Connection ──request──▶ queue (bytes, bounded) ──▶ writer ──▶ ┐
//!                             ▲ echo answers, probes              │ Stream
//!   Inbox ◀──Incoming── channel (bounded) ◀── reader ◀─────────── ┘
//! ```
//!
//! The two tasks must be two: ovsdb-server stops reading while its replies back up, so a client that waits for its
//! own writing before it reads would wait for ever. A slow owner fills the inbox, and the reader stops reading.

mod queue;
mod reader;
mod writer;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    json::JsonError,
    message::Incoming,
    transport::{Stream, Wire},
};
use queue::Queue;

/// The bounds of one connection.
#[derive(Debug, Clone)]
pub struct Limits {
    /// After so much silence the peer is probed; zero: never.
    pub probe: Duration,
    /// How long a probed peer may say nothing before it is dead; see [`Connection::set_patience`].
    pub patience: Duration,
    /// The longest message that is read, in bytes.
    pub max_message: usize,
    /// How many messages wait for the owner at most.
    pub inbox_messages: usize,
    /// How many bytes the waiting messages have at most; one message alone may have more.
    pub inbox_bytes: usize,
    /// How many requests wait for the socket at most.
    pub queue_messages: usize,
    /// How many bytes wait for the socket at most; one request alone may have more.
    pub queue_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            probe: Duration::from_secs(5),
            patience: Duration::from_secs(30),
            max_message: 1 << 30,
            inbox_messages: 1024,
            inbox_bytes: 16 << 20,
            queue_messages: 4096,
            queue_bytes: 16 << 20,
        }
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The owner dropped its half.
    #[error("we closed the connection")]
    Dropped,
    /// The peer closed in an orderly way.
    #[error("the server closed the connection{}", if *.within_message { " in the middle of a message" } else { "" })]
    Ended {
        /// Bytes of an unfinished message were lost.
        within_message: bool,
    },
    /// The socket failed.
    #[error("the connection to the server failed: {0}")]
    Io(String),
    /// The peer's kernel may be there, but its process says nothing.
    #[error("the server said nothing for {} ms, not even to a probe", .0.as_millis())]
    Silent(Duration),
    /// Nor does its kernel acknowledge anything.
    #[error("the network to the server, or its machine, is down: nothing came for {} ms, and nothing was acknowledged", .0.as_millis())]
    Cut(Duration),
    /// What came in is not OVSDB.
    #[error("the server sent something that is not OVSDB ({error}): {excerpt}")]
    Malformed {
        /// What was wrong, and at which byte of the message.
        error: String,
        /// The message's first bytes, made printable.
        excerpt: String,
    },
    /// The peer asks without reading our answers.
    #[error("the server left more than {0} bytes of answers to its requests unread")]
    Flooded(usize),
}

/// A request was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The connection is gone.
    #[error("not sent: {0}")]
    Closed(CloseReason),
    /// So much waits for the socket that no more is taken: send on when replies came.
    #[error("not sent: {messages} requests of {bytes} bytes still wait for the socket")]
    QueueFull {
        /// Requests in the queue.
        messages: usize,
        /// Their bytes.
        bytes: usize,
    },
}

/// The sending half of a connection. Dropping it ends both tasks and closes the socket.
#[derive(Debug)]
pub struct Connection {
    shared: Arc<Shared>,
    next_id: u64,
    _stop: DropGuard,
}

/// The receiving half of a connection.
#[derive(Debug)]
pub struct Inbox {
    shared: Arc<Shared>,
    messages: mpsc::Receiver<Delivery>,
}

/// What the owner's halves and the two tasks have in common.
#[derive(Debug)]
struct Shared {
    queue: Queue,
    patience: std::sync::Mutex<Duration>,
    patience_changed: Notify,
    /// Bytes that came in.
    received: AtomicU64,
    closed: OnceLock<CloseReason>,
    stop: CancellationToken,
}

/// A message on its way to the owner, with its share of the inbox's bytes.
#[derive(Debug)]
struct Delivery {
    message: Incoming,
    _room: OwnedSemaphorePermit,
}

impl Shared {
    /// Ends the connection; the first reason stays.
    fn close(&self, reason: CloseReason) {
        if self.closed.set(reason).is_ok() {
            self.queue.close();
            self.stop.cancel();
        }
    }

    fn reason(&self) -> CloseReason {
        self.closed.get().cloned().unwrap_or(CloseReason::Dropped)
    }
}

// ===== impl Connection =====

impl Connection {
    /// Starts the tasks of a connection over `stream`. Must be called within a tokio runtime.
    pub fn open(stream: Stream, limits: Limits) -> (Self, Inbox) {
        Self::watched(stream, None, limits)
    }

    /// As [`Connection::open`]; where there is a `wire`, a dead one is found after twice the probe's time.
    pub fn watched(stream: Stream, wire: Option<Wire>, limits: Limits) -> (Self, Inbox) {
        let (input, output) = tokio::io::split(stream);
        let (sender, messages) = mpsc::channel(limits.inbox_messages.max(1));
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            queue: Queue::new(limits.queue_messages, limits.queue_bytes),
            patience: std::sync::Mutex::new(limits.patience),
            patience_changed: Notify::new(),
            received: AtomicU64::new(0),
            closed: OnceLock::new(),
            stop: stop.clone(),
        });
        tokio::spawn(writer::run(Arc::clone(&shared), output));
        tokio::spawn(reader::run(Arc::clone(&shared), input, wire, sender, limits));
        (Self { shared: Arc::clone(&shared), next_id: 0, _stop: stop.drop_guard() }, Inbox { shared, messages })
    }

    /// Queues a request and returns the id that its [`Incoming::Reply`] will have. Never waits.
    ///
    /// `params` is the text of a JSON array; a wrong text makes the server drop the connection.
    ///
    /// # Errors
    /// [`RequestError::QueueFull`] where the bound of the queue is reached; an owner that keeps a window of
    /// unanswered requests never sees it.
    pub fn request(&mut self, method: &str, params: &[u8]) -> Result<u64, RequestError> {
        let id = self.next_id;
        self.push(Some(id), method, params)?;
        self.next_id += 1;
        Ok(id)
    }

    /// Queues a notification: nothing answers to it. (`cancel`, RFC 7047 section 4.1.4, is the only one of a client.)
    pub fn notify(&mut self, method: &str, params: &[u8]) -> Result<(), RequestError> {
        self.push(None, method, params)
    }

    /// Asks the server to give up the request `id` (RFC 7047 section 4.1.4). Whether an answer to that request
    /// follows depends on the server.
    pub fn cancel(&mut self, id: u64) -> Result<(), RequestError> {
        self.notify("cancel", format!("[{id}]").as_bytes())
    }

    /// How many bytes came in so far: a long message is under way for as long as this grows.
    pub fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Relaxed)
    }

    /// How many bytes wait for the socket.
    pub fn queued(&self) -> usize {
        self.shared.queue.bytes()
    }

    /// Waits until everything that was queued so far is in the kernel's hands, or the connection is gone.
    pub async fn flushed(&self) {
        self.shared.queue.drained().await;
    }

    /// How long a probed peer may be silent before it is dead. A server freezes while it compacts a big database
    /// (7 s at 500,000 rows), so the owner raises this as the database grows. Holds for a probe under way, too.
    pub fn set_patience(&self, patience: Duration) {
        *self.shared.patience.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = patience;
        self.shared.patience_changed.notify_one();
    }

    /// Whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.shared.closed.get().is_some()
    }

    fn push(&self, id: Option<u64>, method: &str, params: &[u8]) -> Result<(), RequestError> {
        self.shared.queue.push_request(id, method, params).map_err(|full| match full {
            queue::Refused::Closed => RequestError::Closed(self.shared.reason()),
            queue::Refused::Full { messages, bytes } => RequestError::QueueFull { messages, bytes },
        })
    }
}

// ===== impl Inbox =====

impl Inbox {
    /// The next message; `None`: the connection is gone, and what it had brought was read. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Incoming> {
        self.messages.recv().await.map(|delivery| delivery.message)
    }

    /// Why the connection ended; `None` while it lives.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.shared.closed.get().cloned()
    }
}

/// The inbox's room in bytes, counted in units of 1 KiB: a semaphore holds no more than 2^29 permits on 32 bits.
#[derive(Debug)]
struct Room {
    permits: Arc<Semaphore>,
    units: u32,
}

impl Room {
    fn new(bytes: usize) -> Self {
        let units = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).clamp(1, 1 << 28);
        Self { permits: Arc::new(Semaphore::new(units as usize)), units }
    }

    /// Waits until there is room for a message of so many bytes; the longest take all of it.
    async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX).min(self.units);
        Arc::clone(&self.permits).acquire_many_owned(units).await.ok()
    }
}

impl CloseReason {
    /// For how long nothing was heard, where that was the reason.
    pub fn silence(&self) -> Duration {
        match self {
            Self::Silent(silence) | Self::Cut(silence) => *silence,
            _ => Duration::ZERO,
        }
    }

    fn malformed(error: &JsonError, text: &[u8]) -> Self {
        Self::Malformed { error: error.to_string(), excerpt: super::message::excerpt(text) }
    }
}

#[cfg(test)]
mod tests;
