//! One live connection: two halves for its owner, and a task that waits for the socket where it takes no more.
//!
//! ```text
//!   Connection ──request──▶ queue (bytes, bounded) ──▶ output ──▶ ┐
//!                             ▲ echo answers, probes              │ Stream
//!   Inbox ──────recv──────────┴───────────────────────────────◀── ┘
//! ```
//!
//! The owner's own task reads and writes: to hand each message to another task costs more than to read it. But it never
//! waits for its writing, because ovsdb-server stops reading while its replies back up: what the socket doesn't take is
//! left to the task. An owner that doesn't read makes the peer wait.

mod inbox;
mod memory;
mod output;
mod queue;

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    json::JsonError,
    transport::{Stream, Wire},
};
pub use inbox::Inbox;
pub use memory::Memory;
use output::Output;
use queue::Queue;

/// The bounds of one connection.
#[derive(Debug, Clone)]
pub struct Limits {
    /// After so much silence the peer is probed; zero: never.
    pub probe: Duration,
    /// How long a probed peer may say nothing before it is dead; see [`Connection::set_patience`].
    pub patience: Duration,
    /// The longest message that is read, in bytes; see [`Connection::set_max_message`].
    pub max_message: usize,
    /// What long messages take their memory from: give all connections of a process the same.
    pub memory: Memory,
    /// How much work the peer may give us a second: one for an update, for each 4 KiB of it and for each row that
    /// [`Connection::charge`] adds; two hundred for a message that nobody asked for.
    pub rate: u32,
    /// And how much at once.
    pub burst: u32,
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
            max_message: 384 << 20,
            memory: Memory::default(),
            rate: 20_000,
            burst: 200_000,
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
    /// It wanted more than it may have.
    #[error(transparent)]
    Excess(#[from] Excess),
}

/// A peer wanted more than it may have: the connection is closed, and no other one notices.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// A message is too long.
    #[error("the server sent a message of more than {limit} bytes")]
    Message {
        /// The bound.
        limit: usize,
    },
    /// All connections together have no memory left.
    #[error(
        "the server's message found no memory within {} s: the messages of all servers share {limit} bytes",
        memory::PATIENCE.as_secs()
    )]
    Memory {
        /// What they share.
        limit: usize,
    },
    /// A long message comes slowly, and others wait for its memory.
    #[error("the server sent a long message too slowly ({bytes} bytes so far) while others waited for its memory")]
    Slow {
        /// What came of it.
        bytes: usize,
    },
    /// The peer asks without reading our answers.
    #[error("the server left more than {limit} bytes of answers to its requests unread")]
    Answers {
        /// The bound.
        limit: usize,
    },
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

/// The sending half of a connection. Dropping it ends the connection: the socket is closed once the inbox has noticed.
#[derive(Debug)]
pub struct Connection {
    shared: Arc<Shared>,
    next_id: u64,
    _stop: DropGuard,
}

/// What the owner's halves and the task have in common.
#[derive(Debug)]
struct Shared {
    queue: Queue,
    output: Mutex<Output>,
    patience_ms: AtomicU64,
    max_message: AtomicUsize,
    /// Bytes that came in.
    received: AtomicU64,
    /// Requests that were sent.
    requests: AtomicU64,
    /// Work that the peer gave us (negative) or may give us, which the inbox hasn't counted yet.
    work: AtomicI64,
    /// For how long nothing was read because the peer gave us too much work.
    throttled_ms: AtomicU64,
    closed: OnceLock<CloseReason>,
    /// The socket took no more bytes. What the peer said last may say why, so the inbox reads it before the connection ends.
    unwritable: OnceLock<CloseReason>,
    stop: CancellationToken,
}

impl Shared {
    /// Ends the connection; the first reason stays.
    fn close(&self, reason: CloseReason) {
        if self.closed.set(reason).is_ok() {
            self.queue.close();
            self.stop.cancel();
        }
    }

    /// Nothing can be written any more. A server that refuses our certificate (TLS 1.3) says so after our first request, and
    /// closes: the inbox reads the alert, which says more than the broken pipe.
    fn fail_writing(&self, error: &io::Error) {
        if self.unwritable.set(CloseReason::Io(error.to_string())).is_ok() {
            self.queue.close();
            self.stop.cancel();
        }
    }

    fn is_unwritable(&self) -> bool {
        self.closed.get().is_none() && self.unwritable.get().is_some()
    }

    fn reason(&self) -> CloseReason {
        self.closed.get().or(self.unwritable.get()).cloned().unwrap_or(CloseReason::Dropped)
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(self.patience_ms.load(Ordering::Relaxed))
    }

    fn set_patience(&self, patience: Duration) {
        self.patience_ms.store(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

// ===== impl Connection =====

impl Connection {
    /// A connection over `stream`. Must be called within a tokio runtime.
    pub fn open(stream: Stream, limits: Limits) -> (Self, Inbox) {
        Self::watched(stream, None, limits)
    }

    /// As [`Connection::open`]; where there is a `wire`, a dead one is found after twice the probe's time.
    pub fn watched(stream: Stream, wire: Option<Wire>, limits: Limits) -> (Self, Inbox) {
        let (input, output) = tokio::io::split(stream);
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            queue: Queue::new(limits.queue_messages, limits.queue_bytes),
            output: Mutex::new(Output::new(output)),
            patience_ms: AtomicU64::new(0),
            max_message: AtomicUsize::new(limits.max_message),
            received: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            work: AtomicI64::new(0),
            throttled_ms: AtomicU64::new(0),
            closed: OnceLock::new(),
            unwritable: OnceLock::new(),
            stop: stop.clone(),
        });
        shared.set_patience(limits.patience);
        tokio::spawn(output::run(Arc::clone(&shared)));
        let inbox = Inbox::new(Arc::clone(&shared), input, wire, limits);
        (Self { shared, next_id: 0, _stop: stop.drop_guard() }, inbox)
    }

    /// Sends a request, or queues what the socket doesn't take, and returns the id that its
    /// [`Incoming::Reply`](super::Incoming::Reply) will have. Never waits.
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
        self.shared.requests.store(self.next_id, Ordering::Relaxed);
        // What we write comes back as updates: a row of 250 bytes as one of about that size.
        let earned = i64::try_from(params.len() / 32).unwrap_or(i64::MAX).saturating_add(8);
        self.shared.work.fetch_add(earned, Ordering::Relaxed);
        Ok(id)
    }

    /// The same for a notification: nothing answers to it. (`cancel`, RFC 7047 section 4.1.4, is the only one of a client.)
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
    /// (7 s at 500,000 rows), so the owner raises this as the database grows. Holds from the next [`Inbox::recv`] on, for a
    /// probe under way, too.
    pub fn set_patience(&self, patience: Duration) {
        self.shared.set_patience(patience);
    }

    /// Another bound for messages: a schema is short, the first reply of a monitor may be very long. Holds from the next
    /// [`Inbox::recv`] on, for a message under way, too.
    pub fn set_max_message(&self, bytes: usize) {
        self.shared.max_message.store(bytes, Ordering::Relaxed);
    }

    /// Counts work that an update made: its rows. A peer that gives more work than [`Limits::rate`] isn't read from for a
    /// while.
    pub fn charge(&self, rows: usize) {
        self.shared.work.fetch_sub(i64::try_from(rows).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// For how long in all nothing was read because the peer gave more work than it may.
    pub fn throttled(&self) -> Duration {
        Duration::from_millis(self.shared.throttled_ms.load(Ordering::Relaxed))
    }

    /// Whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.shared.closed.get().or(self.shared.unwritable.get()).is_some()
    }

    fn push(&self, id: Option<u64>, method: &str, params: &[u8]) -> Result<(), RequestError> {
        self.shared.queue.push_request(id, method, params).map_err(|full| match full {
            queue::Refused::Closed => RequestError::Closed(self.shared.reason()),
            queue::Refused::Full { messages, bytes } => RequestError::QueueFull { messages, bytes },
        })?;
        self.shared.send();
        Ok(())
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
