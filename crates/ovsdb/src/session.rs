//! When to dial again, when to probe, when to give up, when to read on: pure state machines. The clock and the dice are passed in, so
//! that hours of trouble are tested in a moment, and recovery stays apart from the connection that it recovers.

mod allowance;

use std::time::{Duration, Instant};

pub use allowance::Allowance;

// ===== Backoff =====

/// How long to wait before the next attempt: from one second, doubled by each failure up to eight.
///
/// A connection that was accepted proves little (a proxy, or a server that dies of our first request): the wait starts
/// over only after a connection that got a reply and lived longer than the wait that would have followed it.
#[derive(Debug, Clone)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
    up: Option<Up>,
}

#[derive(Debug, Clone, Copy)]
struct Up {
    since: Instant,
    replied: bool,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_secs(1), Duration::from_secs(8))
    }
}

impl Backoff {
    /// Waits between `min` and `max`, both included.
    pub const fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, next: min, up: None }
    }

    /// An attempt failed: how long to wait before the next one. `random` is uniform in 0..1 and spreads the wait by a
    /// quarter to both sides, so that many switches behind one dead link don't come back in step.
    pub fn failed(&mut self, now: Instant, random: f64) -> Duration {
        self.settle(now);
        let low = self.next.mul_f64(0.75).max(self.min);
        let high = self.next.mul_f64(1.25).min(self.max).max(low);
        self.next = (self.next * 2).min(self.max);
        low + high.saturating_sub(low).mul_f64(if random.is_finite() { random.clamp(0.0, 1.0) } else { 0.0 })
    }

    /// A connection came to be.
    pub fn connected(&mut self, now: Instant) {
        self.up = Some(Up { since: now, replied: false });
    }

    /// The connection got its first reply (or any later one).
    pub fn replied(&mut self) {
        if let Some(up) = &mut self.up {
            up.replied = true;
        }
    }

    /// The connection is gone: how long to wait before the next attempt.
    pub fn closed(&mut self, now: Instant, random: f64) -> Duration {
        self.failed(now, random)
    }

    /// Judges the connection that ended, if there was one.
    fn settle(&mut self, now: Instant) {
        if let Some(up) = self.up.take()
            && up.replied
            && now.saturating_duration_since(up.since) > self.next
        {
            self.next = self.min;
        }
    }
}

// ===== Liveness =====

/// An acknowledgment takes no longer, lost packets included: Linux has sent one three times by then.
const ACKNOWLEDGED: Duration = Duration::from_secs(1);

/// Whether the peer is still there: after `probe` without a byte from it, an echo request (RFC 7047 section 4.1.11);
/// after `patience` more, it is dead. Any received byte counts as life.
///
/// Patience is longer than it seems to need: ovsdb-server says nothing while it compacts its file, which takes seconds
/// for a big database, and a reconnect would only make it dump everything again. A dead *host*, or a cut wire, is found
/// sooner, where TCP can be asked: a kernel acknowledges a probe that its process is too busy to answer.
#[derive(Debug, Clone)]
pub struct Liveness {
    probe: Duration,
    patience: Duration,
    heard: Instant,
    probed: Option<Instant>,
    /// How often the wire is checked while a probe is unanswered, and when next.
    look: Option<Duration>,
    next_look: Option<Instant>,
}

/// What [`Liveness::poll`] wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeAction {
    /// Nothing before this moment; `None`: nothing at all.
    WaitUntil(Option<Instant>),
    /// Send an echo request now.
    SendProbe,
    /// Ask TCP, and disconnect where nothing was acknowledged for `bound`; else send another echo request.
    LookAtWire {
        /// Since the peer's last byte.
        silence: Duration,
        /// How long an acknowledgment may take.
        bound: Duration,
    },
    /// Close the connection: the peer said nothing for so long.
    Disconnect {
        /// Since its last byte.
        silence: Duration,
    },
}

impl Liveness {
    /// Starts with a connection. `probe` zero: never probe.
    pub const fn new(now: Instant, probe: Duration, patience: Duration) -> Self {
        Self { probe, patience, heard: now, probed: None, look: None, next_look: None }
    }

    /// TCP can be asked: it is, after an unanswered probe.
    #[must_use]
    pub fn with_wire(self) -> Self {
        Self { look: Some(self.probe.max(ACKNOWLEDGED)), ..self }
    }

    /// Bytes came in; or it was us who did not look, so that the silence proves nothing.
    pub const fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.probed = None;
    }

    /// How long a probed peer may say nothing. Counts for a probe that is under way, too.
    pub const fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// What is to be done now.
    pub fn poll(&mut self, now: Instant) -> ProbeAction {
        if self.probe.is_zero() {
            return ProbeAction::WaitUntil(None);
        }
        let Some(probed) = self.probed else {
            return match self.heard.checked_add(self.probe) {
                Some(due) if due <= now => {
                    self.probed = Some(now);
                    self.next_look = self.look.and_then(|look| now.checked_add(look));
                    ProbeAction::SendProbe
                }
                due => ProbeAction::WaitUntil(due),
            };
        };
        let silence = now.saturating_duration_since(self.heard);
        match (probed.checked_add(self.patience), self.look, self.next_look) {
            (Some(due), ..) if due <= now => ProbeAction::Disconnect { silence },
            (_, Some(bound), Some(next)) if next <= now => {
                self.next_look = now.checked_add(bound);
                ProbeAction::LookAtWire { silence, bound }
            }
            (due, _, next) => ProbeAction::WaitUntil(due.into_iter().chain(next).min()),
        }
    }
}

#[cfg(test)]
mod tests;
