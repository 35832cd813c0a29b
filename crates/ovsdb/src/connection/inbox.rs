//! The receiving half. Its owner's task reads: bytes become messages while it waits for them; echoes and probes are the
//! inbox's own business.

use std::{
    fmt, mem,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::FutureExt;
use tokio::{
    io::{AsyncReadExt, ReadHalf},
    task::JoinHandle,
};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{CloseReason, Limits, Shared, Stream, Wire, queue};
use crate::{
    alarm::Alarm,
    framing::Framer,
    json::JsonError,
    message::{self, Incoming, Message},
    session::{Action, Liveness},
};

/// The buffer's size while messages are small.
const SMALL: usize = 64 << 10;
/// How much is read, and looked at, without a break.
const READ: usize = 1 << 20;
/// A longer message is parsed away from the runtime's workers: it would hold up other tasks for milliseconds.
const LONG: usize = 1 << 20;

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

impl Inbox {
    pub(super) fn new(shared: Arc<Shared>, input: ReadHalf<Stream>, wire: Option<Wire>, limits: Limits) -> Self {
        let liveness = Liveness::new(now(), limits.probe, limits.patience);
        Self {
            input: Some(input),
            framer: Framer::new(limits.max_message),
            buffer: BytesMut::new(),
            scanned: 0,
            parsing: None,
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
            while let Some(message) = self.take_message().await? {
                match message {
                    Message::Incoming(message) => return Ok(message),
                    Message::Request { id, method, params } => {
                        if !self.shared.queue.push_answer(&id, &method, &params) {
                            return Err(CloseReason::Flooded(queue::ANSWERS));
                        }
                        self.shared.send();
                    }
                    Message::StrayReply => {}
                }
            }
            self.read().await?;
        }
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
                Action::WaitUntil(moment) => moment,
                Action::SendProbe => {
                    self.shared.queue.push_probe();
                    self.shared.send();
                    continue;
                }
                Action::LookAtWire { silence, bound } => {
                    if self.wire.as_ref().and_then(Wire::unacknowledged).is_some_and(|missed| missed >= bound) {
                        return Err(CloseReason::Cut(silence));
                    }
                    // Something to acknowledge, until the next look.
                    self.shared.queue.push_probe();
                    self.shared.send();
                    continue;
                }
                Action::Disconnect { silence } => return Err(CloseReason::Silent(silence)),
            };
            let mut window = (&mut self.buffer).limit(READ);
            done = tokio::select! {
                biased;
                read = input.read_buf(&mut window) => Some(read),
                () = &mut self.stopped => return Err(self.shared.reason()),
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
            if text.len() <= LONG {
                return parse(&text).map(Some);
            }
            self.parsing = Some(tokio::task::spawn_blocking(move || parse(&text)));
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
        let end = match self.framer.scan(fresh) {
            Ok(Some(end)) => mem::take(&mut self.scanned) + end,
            Ok(None) => {
                self.scanned = self.buffer.len();
                return Ok(None);
            }
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
