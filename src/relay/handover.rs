//! Switches that are to let go of a network, and those that have: their hardware follows their database a moment later.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::model::NetworkId;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Handovers(HashMap<(Arc<str>, NetworkId), Handover>);

#[derive(Debug, Clone, Copy)]
struct Handover {
    since_ms: u64,
    /// It was seen in the switch's database.
    seen: bool,
}

// ===== impl Handovers =====

impl Handovers {
    /// It isn't wanted there any more: what was asked of it before may still be on its way.
    pub(super) fn ask(&mut self, switch: &str, network: NetworkId, now_ms: u64) {
        self.0.insert((switch.into(), network), Handover { since_ms: now_ms, seen: false });
    }

    /// Its database says that it has let go.
    pub(super) fn see(&mut self, switch: &str, network: NetworkId, now_ms: u64) {
        self.0.insert((switch.into(), network), Handover { since_ms: now_ms, seen: true });
    }

    /// It is wanted there again.
    pub(super) fn end(&mut self, switch: &str, network: NetworkId) {
        self.0.remove(&(switch.into(), network));
    }

    /// Until when it may still forward, if it may for `hold_ms` since.
    pub(super) fn until(&self, switch: &str, network: NetworkId, hold_ms: u64) -> Option<u64> {
        self.0.get(&(switch.into(), network)).map(|handover| handover.since_ms.saturating_add(hold_ms))
    }

    /// Whether it was seen to let go, and wasn't wanted there since.
    pub(super) fn is_seen(&self, switch: &str, network: NetworkId) -> bool {
        self.0.get(&(switch.into(), network)).is_some_and(|handover| handover.seen)
    }

    /// Forgets those that are over, but on networks that still wait for a twin to take over.
    pub(super) fn forget(&mut self, longest_ms: u64, now_ms: u64, waiting: impl Fn() -> BTreeSet<NetworkId>) {
        let over = |handover: &Handover| handover.since_ms.saturating_add(longest_ms) <= now_ms;
        if self.0.values().any(over) {
            let waiting = waiting();
            self.0.retain(|(_, network), handover| !over(handover) || waiting.contains(network));
        }
    }
}
