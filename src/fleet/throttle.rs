//! Whether a switch gives more work than it may, so that nothing is read of it for a while. Pure: no clock.

use std::time::{Duration, Instant};

/// For how long it is looked back, and for how long it is shown afterwards.
const WINDOW: Duration = Duration::from_secs(10);
/// Less than this within a window is a burst, which is what the budget is for.
const MUCH: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Throttle {
    /// When the window began, and for how long nothing had been read until then.
    begun: Instant,
    before: Duration,
    /// For how long nothing has been read in all.
    total: Duration,
    /// When it was too much last.
    last: Option<Instant>,
}

// ===== impl Throttle =====

impl Throttle {
    pub(super) fn new(now: Instant) -> Self {
        Self { begun: now, before: Duration::ZERO, total: Duration::ZERO, last: None }
    }

    /// Takes for how long nothing has been read in all. True: it has just become too much.
    pub(super) fn look(&mut self, total: Duration, now: Instant) -> bool {
        if total == self.total {
            return false;
        }
        if now.saturating_duration_since(self.begun) >= WINDOW {
            (self.begun, self.before) = (now, self.total);
        }
        self.total = total;
        if total.saturating_sub(self.before) < MUCH {
            return false;
        }
        let was = self.is_shown(now);
        self.last = Some(now);
        !was
    }

    /// Whether it is too much, or was until a moment ago.
    pub(super) fn is_shown(&self, now: Instant) -> bool {
        self.last.is_some_and(|last| now.saturating_duration_since(last) < WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_none_and_a_flood_is_shown_until_it_is_over() {
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        let mut throttle = Throttle::new(begun);
        // 90 ms of each second.
        for second in 1..100 {
            assert!(!throttle.look(Duration::from_millis(second * 90), at(second * 1000)));
        }
        assert!(!throttle.is_shown(at(100_000)));
        // Half of each.
        let begins: Vec<_> =
            (1..30).filter(|s| throttle.look(Duration::from_millis(8910 + s * 500), at(99_000 + s * 1000))).collect();
        assert_eq!(begins.len(), 1, "it is told once: {begins:?}");
        assert!(begins[0] <= 4, "{begins:?}");
        assert!(throttle.is_shown(at(137_000)) && !throttle.is_shown(at(138_100)));
        assert!(!throttle.look(Duration::from_millis(8910 + 29 * 500), at(140_000)), "nothing new");
    }
}
