//! What a worker has still to hear of its desired state. Newer replaces older, so it has a bound whatever the worker does.

use std::{
    mem,
    sync::{Mutex, PoisonError},
};

use tokio::sync::Notify;

use super::target::News;

/// The mailbox of one worker.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    news: Mutex<News>,
    arrived: Notify,
}

// ===== impl Mailbox =====

impl Mailbox {
    /// Adds news and wakes the worker. The lock is held for a few moves of memory.
    pub(super) fn put(&self, add: impl FnOnce(&mut News)) {
        add(&mut self.news.lock().unwrap_or_else(PoisonError::into_inner));
        self.arrived.notify_one();
    }

    /// Waits for news, and takes all. Cancel-safe.
    pub(super) async fn take(&self) -> News {
        self.arrived.notified().await;
        mem::take(&mut self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
