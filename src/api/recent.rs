//! Answers that are made once a second at the most, however often they are asked for: without a token, too.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{Mutex, Semaphore},
    time::Instant,
};

/// How old an answer may be.
const AGE: Duration = Duration::from_secs(1);
/// Calls that may wait for one that is being made.
const WAITING: usize = 16;

/// The last answer.
#[derive(Debug, Clone)]
pub(super) struct Recent {
    last: Arc<Mutex<Option<(Instant, Bytes)>>>,
    waiting: Arc<Semaphore>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { last: Arc::default(), waiting: Arc::new(Semaphore::new(WAITING)) }
    }
}

impl Recent {
    /// The last answer, or one that `make` makes; `None`: too many wait for it.
    pub(super) async fn get(&self, make: impl Future<Output = String>) -> Option<Bytes> {
        let _place = self.waiting.try_acquire().ok()?;
        // Made under the lock: of those who ask at the same moment one makes it, and the others take it.
        let mut last = self.last.lock().await;
        if let Some((made, text)) = &*last
            && made.elapsed() < AGE
        {
            return Some(text.clone());
        }
        let text = Bytes::from(make.await);
        *last = Some((Instant::now(), text.clone()));
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn however_many_ask_it_is_made_once_a_second() {
        let (recent, count) = (Recent::default(), Arc::new(AtomicUsize::new(0)));
        let ask = || {
            let (recent, count) = (recent.clone(), count.clone());
            async move {
                let make = async {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    count.fetch_add(1, Ordering::Relaxed).to_string()
                };
                recent.get(make).await
            }
        };
        let all: Vec<_> = (0..40).map(|_| tokio::spawn(ask())).collect();
        let mut answered = 0;
        for one in all {
            answered += usize::from(one.await.unwrap().inspect(|text| assert_eq!(text, "0")).is_some());
        }
        assert_eq!(answered, WAITING, "the others are refused");
        assert_eq!(ask().await.unwrap(), "0");
        tokio::time::sleep(AGE).await;
        assert_eq!(ask().await.unwrap(), "1");
    }
}
