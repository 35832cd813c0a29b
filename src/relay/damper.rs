//! Damping of what changes again and again, after the manner of RFC 2439: each change costs, the debt halves with time,
//! and while it is high the changes are held. Pure: the caller brings the time, which is monotonic.

/// What one change costs.
const CHANGE: f64 = 1.0;
/// Time in which the debt halves.
const HALF_LIFE_MS: f64 = 60_000.0;
/// Above this debt, changes are held: some five moves from one switch to another and back, each of two changes.
const HOLD: f64 = 10.0;
/// Below this they pass again.
const PASS: f64 = 5.0;
/// It grows no further: after its last change nothing is held for longer than some two minutes.
const MOST: f64 = 20.0;

/// The debt of one thing that changes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Damper {
    debt: f64,
    at_ms: u64,
    held: bool,
}

// ===== impl Damper =====

impl Damper {
    /// Asks for a change: whether it may pass. One that passes is paid for, and so is one that is held, at the moment
    /// when it is asked for first.
    pub(super) fn change(&mut self, now_ms: u64) -> bool {
        self.age(now_ms);
        self.debt = (self.debt + CHANGE).min(MOST);
        self.held |= self.debt > HOLD;
        !self.held
    }

    /// Whether changes are held.
    pub(super) fn holds(&mut self, now_ms: u64) -> bool {
        self.age(now_ms);
        self.held
    }

    /// When held changes may pass, if nothing is added.
    pub(super) fn passes_at(&self) -> u64 {
        if !self.held {
            return self.at_ms;
        }
        let wait = HALF_LIFE_MS * (self.debt / PASS).log2().max(0.0);
        // A few minutes, and positive.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let wait = wait.ceil() as u64 + 1;
        self.at_ms + wait
    }

    /// Whether there is nothing worth remembering.
    pub(super) fn is_calm(&mut self, now_ms: u64) -> bool {
        self.age(now_ms);
        !self.held && self.debt < CHANGE / 2.0
    }

    fn age(&mut self, now_ms: u64) {
        let passed = now_ms.saturating_sub(self.at_ms);
        #[allow(clippy::cast_precision_loss)] // a debt is no account
        let passed = passed as f64;
        self.debt *= (-passed / HALF_LIFE_MS).exp2();
        self.at_ms = self.at_ms.max(now_ms);
        self.held &= self.debt >= PASS;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_few_changes_pass_and_many_are_held_until_it_is_quiet() {
        let mut damper = Damper::default();
        let passed = (0..30).filter(|second| damper.change(second * 1000)).count();
        assert!((8..15).contains(&passed), "{passed}");
        assert!(damper.holds(30_000));
        let pass = damper.passes_at();
        assert!(damper.holds(pass - 1000));
        assert!(!damper.holds(pass));
        assert!(damper.change(pass + 1));
        assert!(damper.is_calm(pass + 600_000));
    }

    proptest! {
        /// However often something changes, few changes pass in any minute; and quiet always ends it.
        #[test]
        fn what_passes_is_bounded(gaps in prop::collection::vec(0u64..30_000, 1..300)) {
            let mut damper = Damper::default();
            let mut passed: Vec<u64> = Vec::new();
            let mut now = 1_000_000;
            for gap in gaps {
                now += gap;
                if damper.change(now) {
                    passed.push(now);
                }
            }
            for window in passed.windows(17) {
                prop_assert!(window[16] - window[0] > 60_000, "{passed:?}");
            }
            prop_assert!(damper.passes_at() <= now + 130_000);
            prop_assert!(!damper.holds(now + 130_000));
        }

        /// A thing that changes once in a while is never held.
        #[test]
        fn what_changes_rarely_always_passes(gaps in prop::collection::vec(10_000u64..100_000, 1..100)) {
            let mut damper = Damper::default();
            let mut now = 0;
            for gap in gaps {
                now += gap;
                prop_assert!(damper.change(now));
            }
        }
    }
}
