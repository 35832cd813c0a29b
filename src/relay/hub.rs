//! The FDB as compute nodes read it: the networks as they are now, and the last changes for those who follow.
//!
//! A follower is a number, the change that it reads next: it costs no memory here, however slow it is. One that has
//! fallen behind the changes that are kept begins again with a snapshot.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::{Notify, watch};

use super::{notices::Notices, render};
use crate::{
    intent::{NetworkIntent, Update},
    model::{MacAddr, NetworkId, Revision},
};

/// Changes that are kept for followers.
const KEPT: usize = 4096;

/// What a compute node wants to know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// What is behind gateways.
    #[default]
    Gateway,
    /// Ports and compute nodes, too.
    All,
}

/// All networks at one revision.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The revision of the store that it shows.
    pub revision: Revision,
    /// The networks, by id.
    pub networks: Vec<Arc<NetworkIntent>>,
    /// The change that comes next.
    pub next: u64,
}

/// What became different of one network.
#[derive(Debug)]
pub struct HubChange {
    /// The revision that it leads to.
    pub revision: Revision,
    network: NetworkId,
    old: Option<Arc<NetworkIntent>>,
    new: Option<Arc<NetworkIntent>>,
    macs: Option<Arc<[MacAddr]>>,
    /// Its text in each scope, written by the first follower that needs it.
    text: [OnceLock<Option<Bytes>>; 2],
}

/// What a follower reads next.
#[derive(Debug)]
pub enum Next {
    /// These changes; empty: none yet. The flag: all changes of the last one's revision are among them.
    Changes(Vec<(Arc<HubChange>, bool)>),
    /// They are no longer kept.
    Lost,
}

/// See the module.
#[derive(Debug)]
pub struct Hub {
    state: Mutex<State>,
    /// The revision that is shown; `None`: nothing was loaded yet.
    revision: watch::Sender<Option<Revision>>,
    /// The number of the change that comes next.
    news: watch::Sender<u64>,
    wants_all: Notify,
    has_all: AtomicBool,
    all: watch::Sender<bool>,
    notices: Mutex<Arc<Notices>>,
}

#[derive(Debug, Default)]
struct State {
    networks: BTreeMap<NetworkId, Arc<NetworkIntent>>,
    changes: VecDeque<Arc<HubChange>>,
    /// Number of the first of them.
    first: u64,
    /// Changes up to this revision are not kept.
    forgotten: Revision,
    revision: Revision,
}

// ===== impl HubChange =====

impl HubChange {
    /// The event's JSON; `None`: it doesn't show in this scope.
    pub fn text(&self, scope: Scope) -> Option<Bytes> {
        let text = self.text[usize::from(scope == Scope::All)].get_or_init(|| {
            let (old, new) = (self.old.as_deref(), self.new.as_deref());
            render::change(scope, self.revision, old, new, self.macs.as_deref()).map(Bytes::from)
        });
        text.clone()
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        self.network
    }
}

// ===== impl Hub =====

impl Default for Hub {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            revision: watch::Sender::new(None),
            news: watch::Sender::new(0),
            wants_all: Notify::new(),
            has_all: AtomicBool::new(false),
            all: watch::Sender::new(false),
            notices: Mutex::default(),
        }
    }
}

impl Hub {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a commit changed. Held for some moves of memory; texts are written by those who read.
    pub fn publish(&self, revision: Revision, updates: &[Update]) {
        let mut state = self.state();
        let first_load = self.revision.borrow().is_none();
        state.revision = revision;
        for update in updates {
            let (id, new, macs) = match update {
                Update::Network { network, macs, .. } => (network.id, Some(network.clone()), macs.clone()),
                Update::Gone(id) => (*id, None, None),
                Update::Switch { .. } => continue,
            };
            let old = match &new {
                Some(new) => state.networks.insert(id, new.clone()),
                None => state.networks.remove(&id),
            };
            if !first_load {
                let text = [OnceLock::new(), OnceLock::new()];
                state.changes.push_back(Arc::new(HubChange { revision, network: id, old, new, macs, text }));
            }
        }
        if first_load {
            state.forgotten = revision;
        }
        while state.changes.len() > KEPT
            && let Some(change) = state.changes.pop_front()
        {
            state.first += 1;
            state.forgotten = change.revision;
        }
        let next = state.next();
        drop(state);
        self.revision.send_replace(Some(revision));
        // Who follows is woken by changes alone, not by each commit.
        self.news.send_if_modified(|news| std::mem::replace(news, next) != next);
    }

    /// All networks are kept from now on: those that were not, join without being a change.
    pub fn publish_all(&self, updates: &[Update]) {
        let mut state = self.state();
        for update in updates {
            if let Update::Network { network, .. } = update {
                state.networks.insert(network.id, network.clone());
            }
        }
        drop(state);
        self.has_all.store(true, Ordering::Release);
        self.all.send_replace(true);
    }

    /// Waits until a follower wants [`Scope::All`]; then [`Hub::publish_all`] is due, once.
    pub async fn all_wanted(&self) {
        self.wants_all.notified().await;
    }

    /// Waits until the FDB shows this revision, in this scope. Not bounded: the caller is.
    pub async fn reach(&self, revision: Revision, scope: Scope) {
        // The sender lives in `self`: neither wait can fail.
        let _ = self.revision.subscribe().wait_for(|shown| shown.is_some_and(|shown| shown >= revision)).await;
        if scope == Scope::All && !self.has_all.load(Ordering::Acquire) {
            self.wants_all.notify_one();
            let _ = self.all.subscribe().wait_for(|all| *all).await;
        }
    }

    /// All networks.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let state = self.state();
        Snapshot { revision: state.revision, networks: state.networks.values().cloned().collect(), next: state.next() }
    }

    /// One network, and the revision at which it is shown.
    #[must_use]
    pub fn network(&self, id: NetworkId) -> (Revision, Option<Arc<NetworkIntent>>) {
        let state = self.state();
        (state.revision, state.networks.get(&id).cloned())
    }

    /// The change after a revision; `None`: what came since is no longer kept, or the revision is not ours.
    #[must_use]
    pub fn after(&self, revision: Revision) -> Option<u64> {
        let state = self.state();
        if revision < state.forgotten || revision > state.revision {
            return None;
        }
        let passed = state.changes.partition_point(|change| change.revision <= revision);
        Some(state.first + u64::try_from(passed).ok()?)
    }

    /// The changes from this number on, at most `limit`.
    #[must_use]
    pub fn next(&self, from: u64, limit: usize) -> Next {
        let state = self.state();
        let Some(skip) = from.checked_sub(state.first).and_then(|skip| usize::try_from(skip).ok()) else {
            return Next::Lost;
        };
        let mut changes = state.changes.iter().skip(skip).peekable();
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(change) = changes.next()
        {
            let is_last = changes.peek().is_none_or(|next| next.revision != change.revision);
            found.push((change.clone(), is_last));
        }
        Next::Changes(found)
    }

    pub(super) fn notice(&self, notices: Notices) {
        *self.notices.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(notices);
    }

    /// What operators should know.
    #[must_use]
    pub fn notices(&self) -> Arc<Notices> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Wakes the tasks that wait for changes.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }
}

impl State {
    fn next(&self) -> u64 {
        self.first + u64::try_from(self.changes.len()).unwrap_or(0)
    }
}
