//! The receiving half. Its owner's task reads: bytes become messages while it waits for them; echoes and probes are the
//! inbox's own business.

use std::{
    fmt, mem,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
    time::Instant,
};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::FutureExt;
use tokio::{
    io::{AsyncReadExt, ReadHalf},
    task::{JoinHandle, yield_now},
    time::{sleep_until, timeout, timeout_at},
};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    CloseReason, Excess, Limits, Shared, Stream, Wire,
    memory::{self, Claim, Memory},
    queue,
};
use crate::{
    alarm::Alarm,
    framing::{Framer, FramingError},
    json::JsonError,
    message::{self, Incoming, Message},
    session::{Allowance, Liveness, ProbeAction},
};

/// The buffer's size while messages are small.
const SMALL: usize = 64 << 10;
/// How much is read, and looked at, without a break.
const READ: usize = 1 << 20;
/// A longer message is parsed away from the runtime's workers: it would hold up other tasks for milliseconds. It takes its
/// memory from what all connections share.
const LONG: usize = 1 << 20;
/// After this many bytes of messages others have their turn: they are read and handled within a millisecond or two.
const TURN: usize = 128 << 10;
/// Bytes of an update that count as one row: a port with 4,000 bindings is sent as a whole when one of them changes.
const BYTES_OF_ROW: usize = 4 << 10;
/// How often it is told at least that a peer has to wait.
const TOLD: Duration = Duration::from_secs(1);
/// What a message costs that nobody asked for.
const UNASKED: i64 = 200;

/// The receiving half of a connection. While nobody waits for a message nothing is read, and the peer has to wait; dropping
/// it ends the connection.
pub struct Inbox {
    shared: Arc<Shared>,
    /// `None`: the connection is gone.
    input: Option<ReadHalf<Stream>>,
    framer: Framer,
    buffer: BytesMut,
    /// How many bytes of the buffer the framer has seen.
    scanned: usize,
    /// The message that is parsed elsewhere.
    parsing: Option<JoinHandle<Result<Message, CloseReason>>>,
    memory: Memory,
    /// What the long message under way holds of it.
    claim: Option<Claim>,
    /// When it began to wait for more.
    wanting: Option<Instant>,
    /// Bytes of messages since others had their turn.
    turn: usize,
    /// Replies that came.
    replies: u64,
    allowance: Allowance,
    /// When the peer was last found to give us too much work; until it is read from again.
    throttled: Option<Instant>,
    liveness: Liveness,
    alarm: Alarm,
    wire: Option<Wire>,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.shared.close(CloseReason::Dropped);
    }
}

/// tokio's clock, so that tests can hold it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

// ===== impl Inbox =====

/// How long a broken socket may take to give what the peer said last.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Inbox {
    pub(super) fn new(shared: Arc<Shared>, input: ReadHalf<Stream>, wire: Option<Wire>, limits: Limits) -> Self {
        let liveness = Liveness::new(now(), limits.probe, limits.patience);
        Self {
            input: Some(input),
            framer: Framer::new(limits.max_message),
            buffer: BytesMut::new(),
            scanned: 0,
            parsing: None,
            memory: limits.memory,
            claim: None,
            wanting: None,
            turn: 0,
            replies: 0,
            allowance: Allowance::new(now(), limits.rate, limits.burst),
            throttled: None,
            liveness: if wire.is_some() { liveness.with_wire() } else { liveness },
            alarm: Alarm::new(),
            wire,
            stopped: Box::pin(shared.stop.clone().cancelled_owned()),
            shared,
        }
    }

    /// The next message; `None`: the connection is gone, and what it had brought was read. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Incoming> {
        self.input.as_ref()?;
        match self.next().await {
            Ok(message) => Some(message),
            Err(reason) => {
                self.shared.close(reason);
                // The socket is closed with the other half, which the task drops.
                self.input = None;
                None
            }
        }
    }

    /// Why the connection ended; `None` while it lives.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.shared.closed.get().cloned()
    }

    async fn next(&mut self) -> Result<Incoming, CloseReason> {
        loop {
            if self.turn >= TURN {
                self.turn = 0;
                yield_now().await;
            }
            self.pay().await?;
            if let Some(message) = self.take_message().await? {
                self.count(&message);
                match message {
                    Message::Incoming(message) => return Ok(message),
                    Message::Request { id, method, params } => {
                        if !self.shared.queue.push_answer(&id, &method, &params) {
                            return Err(Excess::Answers { limit: queue::ANSWERS }.into());
                        }
                        self.shared.send();
                    }
                    Message::StrayReply => {}
                }
                continue;
            }
            self.claim().await?;
            self.read().await?;
        }
    }

    /// Counts what a message costs of the peer's allowance.
    fn count(&mut self, message: &Message) {
        let asked = match message {
            Message::Incoming(Incoming::Reply { .. }) => {
                self.replies += 1;
                self.replies <= self.shared.requests.load(Ordering::Relaxed)
            }
            Message::Incoming(Incoming::Update { updates, .. } | Incoming::Update2 { updates, .. }) => {
                let rows = i64::try_from(updates.as_bytes().len() / BYTES_OF_ROW).unwrap_or(i64::MAX);
                self.allowance.add(now(), -rows.saturating_add(1));
                true
            }
            Message::Incoming(_) | Message::Request { .. } | Message::StrayReply => false,
        };
        if !asked {
            self.allowance.add(now(), -UNASKED);
        }
    }

    /// Lets the peer wait while it has given us more work than it may.
    async fn pay(&mut self) -> Result<(), CloseReason> {
        let work = self.shared.work.swap(0, Ordering::Relaxed);
        if work != 0 {
            self.allowance.add(now(), work);
        }
        while let Some(due) = self.allowance.due(now()) {
            let since = *self.throttled.get_or_insert_with(now);
            // Told a little at a time: it may last.
            let until = due.min(since + TOLD);
            tokio::select! {
                biased;
                () = &mut self.stopped => return Err(self.shared.reason()),
                () = sleep_until(until.into()) => {}
            }
            let waited = now().saturating_duration_since(since).as_millis();
            self.shared.throttled_ms.fetch_add(u64::try_from(waited).unwrap_or(u64::MAX), Ordering::Relaxed);
            self.throttled = None;
            // It was us who did not look.
            self.liveness.heard(now());
        }
        Ok(())
    }

    /// A message that has become long takes the memory for what is read next from what all connections share.
    async fn claim(&mut self) -> Result<(), CloseReason> {
        let length = self.buffer.len();
        if length < LONG {
            return Ok(());
        }
        let claim = self.claim.get_or_insert_with(|| self.memory.claim(now()));
        if claim.is_in_the_way(length, now()) {
            return Err(Excess::Slow { bytes: length }.into());
        }
        if claim.bytes() >= length + READ {
            return Ok(());
        }
        let deadline = *self.wanting.get_or_insert_with(now) + memory::PATIENCE;
        tokio::select! {
            biased;
            () = &mut self.stopped => return Err(self.shared.reason()),
            granted = timeout_at(deadline.into(), claim.grow(length + READ)) => {
                granted.map_err(|_| Excess::Memory { limit: self.memory.bytes() })?;
            }
        }
        self.wanting = None;
        // It was us who did not look.
        self.liveness.heard(now());
        Ok(())
    }

    /// Reads once, and looks after the peer meanwhile.
    async fn read(&mut self) -> Result<(), CloseReason> {
        let Some(input) = &mut self.input else { return Err(self.shared.reason()) };
        // Room for this read: large once a message is large.
        if self.buffer.capacity() - self.buffer.len() < SMALL / 4 {
            self.buffer.reserve(self.buffer.len().clamp(SMALL, READ));
        }
        // Before the clock is asked: bytes that waited while nobody looked speak for the peer.
        let mut done = input.read_buf(&mut (&mut self.buffer).limit(READ)).now_or_never();
        let read = loop {
            if let Some(read) = done {
                break read;
            }
            self.liveness.set_patience(self.shared.patience());
            let wake = match self.liveness.poll(now()) {
                ProbeAction::WaitUntil(moment) => moment,
                ProbeAction::SendProbe => {
                    self.shared.queue.push_probe();
                    self.shared.send();
                    continue;
                }
                ProbeAction::LookAtWire { silence, bound } => {
                    if self.wire.as_ref().and_then(Wire::unacknowledged).is_some_and(|missed| missed >= bound) {
                        return Err(CloseReason::Cut(silence));
                    }
                    // Something to acknowledge, until the next look.
                    self.shared.queue.push_probe();
                    self.shared.send();
                    continue;
                }
                ProbeAction::Disconnect { silence } => return Err(CloseReason::Silent(silence)),
            };
            let mut window = (&mut self.buffer).limit(READ);
            done = tokio::select! {
                biased;
                read = input.read_buf(&mut window) => Some(read),
                () = &mut self.stopped => {
                    if !self.shared.is_unwritable() {
                        return Err(self.shared.reason());
                    }
                    // The socket broke while we wrote. What the peer said before may lie in the kernel, where the runtime
                    // hasn't seen it yet.
                    let mut window = (&mut self.buffer).limit(READ);
                    match timeout(LAST_WORDS, input.read_buf(&mut window)).await {
                        Ok(Ok(0)) | Err(_) => return Err(self.shared.reason()),
                        Ok(read) => Some(read),
                    }
                }
                () = until(&mut self.alarm, wake) => None,
            };
        };
        match read {
            Ok(0) => Err(CloseReason::Ended { within_message: self.framer.within_message() }),
            Ok(count) => {
                self.shared.received.fetch_add(count as u64, Ordering::Relaxed);
                self.liveness.heard(now());
                Ok(())
            }
            Err(error) => Err(CloseReason::Io(error.to_string())),
        }
    }

    /// The next message that is complete.
    async fn take_message(&mut self) -> Result<Option<Message>, CloseReason> {
        if self.parsing.is_none() {
            let Some(text) = self.cut()? else { return Ok(None) };
            self.turn += text.len();
            let claim = self.claim.take();
            if text.len() <= LONG {
                return parse(&text).map(Some);
            }
            let memory = self.memory.clone();
            self.parsing = Some(tokio::spawn(async move {
                let _turn = memory.turn().await;
                let parsed = tokio::task::spawn_blocking(move || parse(&text)).await;
                // It can only fail if the runtime ends.
                let mut message = parsed.unwrap_or(Err(CloseReason::Dropped))?;
                message.keep(claim);
                Ok(message)
            }));
        }
        let Some(parsing) = &mut self.parsing else { return Ok(None) };
        // It can only fail if the runtime ends.
        let parsed = parsing.await.unwrap_or(Err(CloseReason::Dropped));
        self.parsing = None;
        // It was us who did not look.
        self.liveness.heard(now());
        parsed.map(Some)
    }

    /// Cuts the next complete message off the buffer.
    fn cut(&mut self) -> Result<Option<Bytes>, CloseReason> {
        let fresh = self.buffer.get(self.scanned..).unwrap_or_default();
        if fresh.is_empty() {
            return Ok(None);
        }
        self.framer.set_max_message(self.shared.max_message.load(Ordering::Relaxed));
        let end = match self.framer.scan(fresh) {
            Ok(Some(end)) => mem::take(&mut self.scanned) + end,
            Ok(None) => {
                self.scanned = self.buffer.len();
                return Ok(None);
            }
            Err(FramingError::TooLong { limit }) => return Err(Excess::Message { limit }.into()),
            Err(error) => {
                let excerpt = message::excerpt(&self.buffer);
                return Err(CloseReason::Malformed { error: error.to_string(), excerpt });
            }
        };
        if end <= LONG {
            return Ok(Some(self.buffer.split_to(end).freeze()));
        }
        // The memory of a long message goes with it, and the little behind it moves to a new buffer.
        let rest = BytesMut::from(self.buffer.get(end..).unwrap_or_default());
        let mut long = mem::replace(&mut self.buffer, rest);
        long.truncate(end);
        Ok(Some(long.freeze()))
    }
}

fn parse(text: &Bytes) -> Result<Message, CloseReason> {
    message::parse(text).map_err(|error: JsonError| CloseReason::malformed(&error, text))
}

async fn until(alarm: &mut Alarm, moment: Option<Instant>) {
    match moment {
        Some(moment) => alarm.until(moment.into()).await,
        None => std::future::pending().await,
    }
}
