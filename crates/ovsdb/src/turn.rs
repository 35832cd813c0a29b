//! A task's turn on the runtime: after a while others run.

use std::time::{Duration, Instant};

use tokio::task::yield_now;

/// How long a task works before others have their turn. A few tasks of a runtime with two threads may be at it at once, and
/// a call that waits for a thread waits for all of them.
const TURN: Duration = Duration::from_millis(2);

/// Measures how long a task has worked. tokio makes a task that awaits pause too, but it counts what was awaited, and 128
/// messages may be 200 ms of work.
#[derive(Debug, Default)]
pub struct Turn {
    worked: Duration,
}

impl Turn {
    /// Does a piece of work, which is counted.
    pub fn work<T>(&mut self, work: impl FnOnce() -> T) -> T {
        // Not tokio's clock: it stands still where a test holds it, and the thread works all the same.
        let begun = Instant::now();
        let done = work();
        self.worked += begun.elapsed();
        done
    }

    /// Whether the turn is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.worked > TURN
    }

    /// Lets others run, if the turn is over. Cancel-safe.
    pub async fn pass(&mut self) {
        if self.is_over() {
            self.worked = Duration::ZERO;
            yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, atomic::AtomicU32, atomic::Ordering},
        thread,
    };

    use super::*;

    #[tokio::test]
    async fn others_run_once_the_work_took_longer_than_a_turn() {
        let ran = Arc::new(AtomicU32::new(0));
        let other = Arc::clone(&ran);
        tokio::spawn(async move { other.fetch_add(1, Ordering::Relaxed) });
        let mut turn = Turn::default();
        turn.work(|| ());
        turn.pass().await;
        assert_eq!(ran.load(Ordering::Relaxed), 0, "the turn is not over");
        turn.work(|| thread::sleep(TURN));
        assert!(turn.is_over());
        turn.pass().await;
        assert_eq!(ran.load(Ordering::Relaxed), 1);
        assert!(!turn.is_over());
    }
}
