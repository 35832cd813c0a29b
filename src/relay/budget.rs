//! How many changes of learned MACs one switch may have written. A token bucket: the burst of a first report passes at
//! once, and after that a steady rate, so that a switch whose MACs come and go can't take the store from others. Pure.

/// Changes of one switch's learned MACs that are written a second, once its burst is spent.
pub const RATE: u64 = 2000;
/// Changes of a switch that has spent its burst are written in groups of this size, not one by one.
const GROUP: u64 = 64;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    burst: u64,
    tokens: u64,
    at_ms: u64,
}

// ===== impl Budget =====

impl Budget {
    pub(super) fn new(burst: u64) -> Self {
        let burst = burst.max(GROUP);
        Self { burst, tokens: burst, at_ms: 0 }
    }

    /// How many changes may be written now.
    pub(super) fn left(&mut self, now_ms: u64) -> u64 {
        let passed = now_ms.saturating_sub(self.at_ms);
        self.tokens = self.tokens.saturating_add(passed.saturating_mul(RATE) / 1000).min(self.burst);
        self.at_ms = self.at_ms.max(now_ms);
        if self.is_spent() { 0 } else { self.tokens }
    }

    /// Whether nothing may be written, as far as was asked last.
    pub(super) fn is_spent(&self) -> bool {
        self.tokens < GROUP
    }

    /// One was written.
    pub(super) fn spend(&mut self) {
        self.tokens = self.tokens.saturating_sub(1);
    }

    /// When the next changes may be written, if none may be now.
    pub(super) fn next_ms(&self) -> u64 {
        self.at_ms + (GROUP.saturating_sub(self.tokens) * 1000).div_ceil(RATE)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A switch that asks as much as possible gets the burst and the rate, never more, and never waits without end.
        #[test]
        fn what_passes_is_the_burst_and_the_rate(gaps in prop::collection::vec(1u64..2000, 1..200), burst in 64u64..10_000) {
            let mut budget = Budget::new(burst);
            let (mut now, mut spent) = (1_000_000, 0);
            let begun = now;
            for gap in gaps {
                while budget.left(now) > 0 {
                    budget.spend();
                    spent += 1;
                }
                prop_assert!(spent <= burst + (now - begun) * RATE / 1000 + 1);
                prop_assert!(budget.next_ms() > now && budget.next_ms() <= now + 1 + GROUP * 1000 / RATE);
                let next = budget.next_ms();
                prop_assert!(budget.left(next) >= GROUP);
                now = next.max(now + gap);
            }
        }
    }
}
