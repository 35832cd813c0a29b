//! The reader task: bytes become messages; echoes and probes are its own business.

use std::{
    mem,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, ReadHalf},
    sync::mpsc,
};

use super::{CloseReason, Delivery, Limits, Room, Shared, Stream, Wire};
use crate::ovsdb::{
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

pub(super) async fn run(
    shared: Arc<Shared>,
    input: ReadHalf<Stream>,
    wire: Option<Wire>,
    inbox: mpsc::Sender<Delivery>,
    limits: Limits,
) {
    let stopped = shared.stop.clone();
    let liveness = Liveness::new(now(), limits.probe, limits.patience);
    let mut reader = Reader {
        shared: &shared,
        input,
        inbox,
        room: Room::new(limits.inbox_bytes),
        framer: Framer::new(limits.max_message),
        buffer: BytesMut::new(),
        scanned: 0,
        liveness: if wire.is_some() { liveness.with_wire() } else { liveness },
        alarm: Alarm::new(),
        wire,
    };
    let reason = tokio::select! {
        () = stopped.cancelled() => CloseReason::Dropped,
        reason = reader.read() => reason,
    };
    // Before the inbox's sender goes: who then sees the end can ask why.
    shared.close(reason);
}

/// tokio's clock, so that tests can hold it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

struct Reader<'a> {
    shared: &'a Shared,
    input: ReadHalf<Stream>,
    inbox: mpsc::Sender<Delivery>,
    room: Room,
    framer: Framer,
    buffer: BytesMut,
    /// How many bytes of the buffer the framer has seen.
    scanned: usize,
    liveness: Liveness,
    alarm: Alarm,
    wire: Option<Wire>,
}

impl Reader<'_> {
    async fn read(&mut self) -> CloseReason {
        loop {
            self.liveness.set_patience(*self.shared.patience.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
            let wake = match self.liveness.poll(now()) {
                Action::WaitUntil(moment) => moment,
                Action::SendProbe => {
                    self.shared.queue.push_probe();
                    continue;
                }
                Action::LookAtWire { silence, bound } => {
                    if self.wire.as_ref().and_then(Wire::unacknowledged).is_some_and(|missed| missed >= bound) {
                        return CloseReason::Cut(silence);
                    }
                    // Something to acknowledge, until the next look.
                    self.shared.queue.push_probe();
                    continue;
                }
                Action::Disconnect { silence } => return CloseReason::Silent(silence),
            };
            self.make_room();
            let mut window = (&mut self.buffer).limit(READ);
            // In this order: after a pause of ours, bytes that wait speak for the peer before the timer speaks against it.
            tokio::select! {
                biased;
                read = self.input.read_buf(&mut window) => match read {
                    Ok(0) => return CloseReason::Ended { within_message: self.framer.within_message() },
                    Ok(count) => {
                        self.shared.received.fetch_add(count as u64, Ordering::Relaxed);
                        self.liveness.heard(now());
                        if let Err(reason) = self.take_messages().await {
                            return reason;
                        }
                        // We may have waited for the owner: silence counts from here.
                        self.liveness.heard(now());
                    }
                    Err(error) => return CloseReason::Io(error.to_string()),
                },
                () = self.shared.patience_changed.notified() => {}
                () = until(&mut self.alarm, wake) => {}
            }
        }
    }

    /// Room for the next read: large once a message is large.
    fn make_room(&mut self) {
        let spare = self.buffer.capacity() - self.buffer.len();
        if spare < SMALL / 4 {
            self.buffer.reserve(self.buffer.len().clamp(SMALL, READ));
        }
    }

    /// Hands over every message that is complete.
    async fn take_messages(&mut self) -> Result<(), CloseReason> {
        loop {
            let fresh = self.buffer.get(self.scanned..).unwrap_or_default();
            if fresh.is_empty() {
                return Ok(());
            }
            match self.framer.scan(fresh) {
                Ok(None) => {
                    self.scanned = self.buffer.len();
                    return Ok(());
                }
                Ok(Some(end)) => {
                    let text = self.cut(end);
                    self.take_message(text).await?;
                }
                Err(error) => {
                    let excerpt = message::excerpt(&self.buffer);
                    return Err(CloseReason::Malformed { error: error.to_string(), excerpt });
                }
            }
        }
    }

    /// The message that ends `end` bytes behind what was scanned before.
    fn cut(&mut self, end: usize) -> Bytes {
        let end = mem::take(&mut self.scanned) + end;
        if end <= LONG {
            return self.buffer.split_to(end).freeze();
        }
        // The memory of a long message goes with it, and the little behind it moves to a new buffer.
        let rest = BytesMut::from(self.buffer.get(end..).unwrap_or_default());
        let mut long = mem::replace(&mut self.buffer, rest);
        long.truncate(end);
        long.freeze()
    }

    async fn take_message(&mut self, text: Bytes) -> Result<(), CloseReason> {
        let size = text.len();
        let malformed = |error: &JsonError| CloseReason::malformed(error, &text);
        let parsed = if size > LONG {
            let text = text.clone();
            // It can only fail if the runtime ends.
            tokio::task::spawn_blocking(move || message::parse(&text)).await.map_err(|_| CloseReason::Dropped)?
        } else {
            message::parse(&text)
        };
        match parsed.map_err(|error| malformed(&error))? {
            Message::Incoming(message) => {
                drop(text);
                self.deliver(message, size).await
            }
            Message::Request { id, method, params } => {
                if self.shared.queue.push_answer(&id, &method, &params) {
                    Ok(())
                } else {
                    Err(CloseReason::Flooded(super::queue::ANSWERS))
                }
            }
            Message::StrayReply => Ok(()),
        }
    }

    async fn deliver(&mut self, message: Incoming, size: usize) -> Result<(), CloseReason> {
        let room = self.room.take(size).await.ok_or(CloseReason::Dropped)?;
        self.inbox.send(Delivery { message, _room: room }).await.map_err(|_| CloseReason::Dropped)
    }
}

async fn until(alarm: &mut Alarm, moment: Option<Instant>) {
    match moment {
        Some(moment) => alarm.until(moment.into()).await,
        None => std::future::pending().await,
    }
}
