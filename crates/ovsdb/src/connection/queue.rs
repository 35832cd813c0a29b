//! What waits for the socket: one buffer that grows at its end while another is sent.

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::message::{Raw, write_answer, write_request};

/// How many bytes of answers to the peer's own requests may wait.
pub(super) const ANSWERS: usize = 1 << 20;
/// A buffer of more than this is given back to the allocator once it was sent.
const KEPT: usize = 1 << 20;
/// As Open vSwitch does it: an id that no request of ours has.
const PROBE: &[u8] = b"{\"id\":\"echo\",\"method\":\"echo\",\"params\":[]}";

#[derive(Debug)]
pub(super) struct Queue {
    max_messages: usize,
    max_bytes: usize,
    state: Mutex<State>,
    /// Wakes the task that waits for the socket.
    left: Notify,
    /// Wakes those who wait for the queue to be empty.
    drained: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    requests: usize,
    /// Bytes of `waiting` and of the buffer that is being sent which answer the peer.
    answers: usize,
    /// Bytes that are being sent.
    sending: usize,
    closed: bool,
}

/// A request was not taken.
#[derive(Debug)]
pub(super) enum Refused {
    Closed,
    Full { messages: usize, bytes: usize },
}

impl Queue {
    pub(super) fn new(max_messages: usize, max_bytes: usize) -> Self {
        Self {
            max_messages: max_messages.max(1),
            max_bytes,
            state: Mutex::default(),
            left: Notify::new(),
            drained: Notify::new(),
        }
    }

    pub(super) fn push_request(&self, id: Option<u64>, method: &str, params: &[u8]) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        let bytes = state.waiting.len() + state.sending;
        // One long request may pass where nothing else waits: else it never could.
        if state.requests >= self.max_messages || (bytes > 0 && bytes + params.len() > self.max_bytes) {
            return Err(Refused::Full { messages: state.requests, bytes });
        }
        write_request(&mut state.waiting, id, method, params);
        state.requests += 1;
        Ok(())
    }

    /// Answers a request of the peer. `false`: too many answers wait already, or this one is too long.
    pub(super) fn push_answer(&self, id: &Raw, method: &str, params: &Raw) -> bool {
        let mut state = self.lock();
        if state.answers + id.as_bytes().len() + params.as_bytes().len() > ANSWERS {
            return false;
        }
        let before = state.waiting.len();
        write_answer(&mut state.waiting, id, method, params);
        state.answers += state.waiting.len() - before;
        true
    }

    pub(super) fn push_probe(&self) {
        self.lock().waiting.extend_from_slice(PROBE);
    }

    /// The socket didn't take all that is queued.
    pub(super) fn wake_sender(&self) {
        self.left.notify_one();
    }

    /// Waits until the socket didn't take all.
    pub(super) async fn left(&self) {
        self.left.notified().await;
    }

    /// Swaps what waits for the `sent` buffer. `false`: there is nothing, or the connection is closed.
    pub(super) fn next_batch(&self, sent: &mut Vec<u8>) -> bool {
        // Before anything else: nothing may follow for hours.
        if sent.capacity() > KEPT {
            *sent = Vec::new();
        }
        sent.clear();
        let mut state = self.lock();
        if state.waiting.is_empty() || state.closed {
            return false;
        }
        mem::swap(&mut state.waiting, sent);
        state.sending = sent.len();
        state.requests = 0;
        true
    }

    /// The last batch is in the kernel's hands.
    pub(super) fn all_sent(&self) {
        let mut state = self.lock();
        state.answers = 0;
        state.sending = 0;
        if state.waiting.is_empty() {
            self.drained.notify_waiters();
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let state = self.lock();
        state.waiting.len() + state.sending
    }

    /// Waits until nothing is left to send, or the queue is closed.
    pub(super) async fn drained(&self) {
        loop {
            let drained = self.drained.notified();
            {
                let state = self.lock();
                if state.closed || state.waiting.len() + state.sending == 0 {
                    return;
                }
            }
            drained.await;
        }
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.drained.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that could panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
