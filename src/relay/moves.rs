//! Hand-overs in `single-active` that operators should know of: the bridges of the segment have to forget where its MACs were.
//! Pure: the caller brings the topology and the time.

use std::{collections::HashMap, time::SystemTime};

use crate::{
    model::{Election, GatewayId, NetworkId},
    topology::{Pair, Topology},
};

/// How long a hand-over is shown: the ageing time of bridges (IEEE 802.1Q, 8.8.3), after which they have forgotten by
/// themselves.
const SHOWN_MS: u64 = 300_000;

/// A network that moved from one switch of a gateway to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The gateway.
    pub gateway: GatewayId,
    /// The network.
    pub network: NetworkId,
    /// The switch that was bound.
    pub from: String,
    /// The switch that is to be bound.
    pub to: String,
    /// When.
    pub at: SystemTime,
}

/// The last hand-over of each pair, until when it is shown.
#[derive(Debug, Default)]
pub(super) struct Moves(HashMap<Pair, (u64, Moved)>);

impl Moves {
    /// Notes what an election moves. `topology` has the one before it.
    pub(super) fn note(
        &mut self,
        topology: &Topology,
        election: &Election,
        now_ms: u64,
        at: SystemTime,
    ) -> Option<Moved> {
        let pair = (election.gateway, election.network);
        if !topology.roles(pair)?.binds_one() {
            return None;
        }
        let (before, to) = (topology.election(pair)?, election.forwarder.clone()?);
        // Between two switches nobody is bound: the eligible one is the last that was.
        let from = before.forwarder.as_ref().or(before.eligible.first()).filter(|from| **from != to)?.clone();
        let moved = Moved { gateway: election.gateway, network: election.network, from, to, at };
        self.0.insert(pair, (now_ms.saturating_add(SHOWN_MS), moved.clone()));
        Some(moved)
    }

    /// Those that are shown now, in a fixed order.
    pub(super) fn shown(&mut self, topology: &Topology, now_ms: u64) -> Vec<Moved> {
        self.0.retain(|pair, (until, _)| *until > now_ms && topology.is_connected(*pair));
        let mut shown: Vec<Moved> = self.0.values().map(|(_, moved)| moved.clone()).collect();
        shown.sort_unstable_by_key(|moved| (moved.gateway, moved.network));
        shown
    }

    /// When the next one is over.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.0.values().map(|(until, _)| *until).min()
    }
}

#[cfg(test)]
mod tests;
