//! What the fleet reports: one bounded queue that no worker ever waits for. What doesn't fit is counted.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::mpsc;

use crate::model::event::FleetEvent;

/// The workers' end: cheap to clone.
#[derive(Debug, Clone)]
pub struct Events {
    sender: mpsc::Sender<FleetEvent>,
    lost: Arc<AtomicU64>,
}

/// The reader's end.
#[derive(Debug)]
pub struct Reports {
    receiver: mpsc::Receiver<FleetEvent>,
    lost: Arc<AtomicU64>,
}

/// A queue of this many events.
#[must_use]
pub fn events(capacity: usize) -> (Events, Reports) {
    let (sender, receiver) = mpsc::channel(capacity);
    let lost = Arc::new(AtomicU64::new(0));
    (Events { sender, lost: lost.clone() }, Reports { receiver, lost })
}

// ===== impl Events =====

impl Events {
    /// Reports, or counts a loss.
    pub(super) fn send(&self, event: FleetEvent) {
        if self.sender.try_send(event).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// ===== impl Reports =====

impl Reports {
    /// The next event; `None`: the fleet has ended. Cancel-safe.
    pub async fn recv(&mut self) -> Option<FleetEvent> {
        self.receiver.recv().await
    }

    /// How many events were lost since this was asked last.
    pub fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}
