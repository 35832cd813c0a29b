use std::time::{Duration, Instant};

/// A debt of more than so much time is forgiven: what came is read already, and the session has to go on.
const DEBT: Duration = Duration::from_secs(30);

/// How much a peer may have us do: so much at once, and so much a second.
///
/// What it spends beyond that is a debt: until it is paid by time, or by what the peer earned, nothing is read from it. The
/// peer then waits, and nobody else does.
#[derive(Debug, Clone)]
pub struct Allowance {
    rate: f64,
    burst: f64,
    left: f64,
    at: Instant,
}

impl Allowance {
    /// Starts with all of `burst`; a `rate` of zero a second counts as one.
    pub fn new(now: Instant, rate: u32, burst: u32) -> Self {
        let (rate, burst) = (f64::from(rate.max(1)), f64::from(burst));
        Self { rate, burst, left: burst, at: now }
    }

    /// Counts work that the peer gave us (negative), or may give us because we asked for it.
    pub fn add(&mut self, now: Instant, amount: i64) {
        self.refill(now);
        #[allow(clippy::cast_precision_loss)] // Far below 2^52; and beyond it a few more don't matter.
        let left = self.left + amount as f64;
        self.left = left.clamp(-self.rate * DEBT.as_secs_f64(), self.burst);
    }

    /// When the debt is paid; `None`: there is none.
    pub fn due(&mut self, now: Instant) -> Option<Instant> {
        self.refill(now);
        // A millisecond more: timers go no finer, and one that rings early would have to be set again.
        (self.left < 0.0).then(|| now + Duration::from_secs_f64(-self.left / self.rate) + Duration::from_millis(1))
    }

    fn refill(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.at);
        self.at = now;
        self.left = (self.left + since.as_secs_f64() * self.rate).min(self.burst);
    }
}
