//! How large a transaction the switch likes: ovsdb-server is fastest with 100 to 300 operations, and a switch's own CPU
//! is ten to fifty times slower than a server's.

use std::time::Duration;

/// Operations of one transaction, found by its response time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    operations: usize,
}

/// Never fewer: a round trip for each row would be slower on any switch.
const MIN: usize = 10;
/// Never more: beyond 300 a row gets dearer, and the server serves nobody else meanwhile.
const MAX: usize = 250;
/// A full transaction that took longer makes the next ones smaller.
const SLOW: Duration = Duration::from_millis(100);
/// One that was quicker makes them larger.
const QUICK: Duration = Duration::from_millis(25);

impl Default for Pace {
    fn default() -> Self {
        Self { operations: 200 }
    }
}

impl Pace {
    /// Transactions that may be unanswered at a time: two keep the server busy while one is on the wire.
    pub(super) const WINDOW: usize = 3;

    /// Operations of the next transaction.
    pub(super) fn operations(self) -> usize {
        self.operations
    }

    /// A transaction of this many operations was answered after so long.
    pub(super) fn answered(&mut self, operations: usize, took: Duration) {
        if took > SLOW {
            self.operations = (self.operations / 2).max(MIN);
        } else if took < QUICK && operations >= self.operations {
            self.operations = (self.operations + self.operations / 4).min(MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapts_to_slow_switches_and_back() {
        let mut pace = Pace::default();
        for _ in 0..10 {
            pace.answered(pace.operations(), Duration::from_millis(500));
        }
        assert_eq!(pace.operations(), MIN);
        pace.answered(1, Duration::from_millis(1));
        assert_eq!(pace.operations(), MIN, "a small one proves nothing");
        for _ in 0..30 {
            pace.answered(pace.operations(), Duration::from_millis(2));
        }
        assert_eq!(pace.operations(), MAX);
    }
}
