//! A timer of a loop that waits for many things: most of them come first, and move the moment ahead.

use std::pin::Pin;

use tokio::time::{Instant, Sleep, sleep_until};

/// A `sleep_until` in each round takes the runtime's lock twice, to enter its timer and to strike it out; this one stays
/// entered, early, and goes on sleeping where that was too early.
#[derive(Debug)]
pub struct Alarm(Pin<Box<Sleep>>);

impl Default for Alarm {
    fn default() -> Self {
        Self::new()
    }
}

impl Alarm {
    /// Not set. Must be called within a tokio runtime.
    #[must_use]
    pub fn new() -> Self {
        Self(Box::pin(sleep_until(Instant::now())))
    }

    /// Sleeps until then. Cancel-safe.
    pub async fn until(&mut self, moment: Instant) {
        if moment < self.0.deadline() || self.0.is_elapsed() {
            self.0.as_mut().reset(moment);
        }
        self.0.as_mut().await;
        while self.0.deadline() < moment {
            self.0.as_mut().reset(moment);
            self.0.as_mut().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_rings_at_the_moment_that_was_named_last() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut alarm = Alarm::new();
        for (first, then) in [(10, 20), (40, 30), (50, 50)] {
            // Something else came first.
            tokio::select! {
                biased;
                () = alarm.until(at(first)) => panic!("at {:?}", begun.elapsed()),
                () = std::future::ready(()) => {}
            }
            alarm.until(at(then)).await;
            assert_eq!(Instant::now(), at(then));
        }
        // What is over rings at once.
        alarm.until(at(1)).await;
        assert_eq!(Instant::now(), at(50));
    }
}
