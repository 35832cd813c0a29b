//! What a worker has still to hear of its desired state. Newer replaces older, so it has a bound whatever the worker does.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

use crate::{
    intent::{NetworkIntent, SwitchIntent},
    model::{MacAddr, NetworkId, Revision},
};

/// More changed MACs than this of one network, and all are compared: that costs less.
const MAX_MACS: usize = 50_000;

/// News that wait for a worker.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Switches whose bindings changed.
    pub(super) switches: HashMap<String, Arc<SwitchIntent>>,
    /// Networks whose content changed, and which MACs of them (`None`: all).
    pub(super) networks: HashMap<NetworkId, (Arc<NetworkIntent>, Option<Vec<MacAddr>>)>,
    /// The revision that all this leads to; `None`: the store isn't loaded yet.
    pub(super) revision: Option<Revision>,
}

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

// ===== impl News =====

impl News {
    /// A network changed.
    pub(super) fn network(&mut self, network: &Arc<NetworkIntent>, macs: Option<&[MacAddr]>) {
        let entry = self.networks.entry(network.id).or_insert_with(|| (network.clone(), Some(Vec::new())));
        entry.0 = network.clone();
        match (&mut entry.1, macs) {
            (Some(known), Some(more)) if known.len() + more.len() <= MAX_MACS => known.extend_from_slice(more),
            (known, _) => *known = None,
        }
    }
}
