//! The change feed: what the store publishes after each commit, and what the desired state is built from.
//!
//! The feed starts with the whole content of the store as change sets, then [`FeedEvent::Loaded`], then every commit
//! in the order of its revision: one path, whether a row is an hour or a millisecond old.

use serde::{Deserialize, Serialize};

use super::{
    Binding, Connection, ConnectionId, Election, Gateway, GatewayId, Idle, LearnedMac, MacAddr, Network, NetworkId,
    Port, PortId, SwitchVteps, TunnelEndpoint,
};

/// Counts the commits of the store, from 1, without gaps. 0: nothing was ever committed.
pub type Revision = u64;

/// An entry of the feed.
#[derive(Clone, Debug, PartialEq)]
pub enum FeedEvent {
    /// Rows of the first load (all with the revision of the load), or one commit.
    Changes(ChangeSet),
    /// All rows up to this revision were delivered: only now may anything be judged superfluous.
    Loaded(Revision),
}

/// What one commit changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChangeSet {
    /// The revision that the commit made.
    pub revision: Revision,
    /// The changes, in the order in which they were made.
    pub changes: Vec<Change>,
    /// Deletions from switches that the commit explains (the guard's rule, architecture rule 7).
    pub tombstones: Vec<Tombstone>,
}

/// A row that came, changed or went. `…Set` carries the whole row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// A network was created or changed.
    NetworkSet(Network),
    /// A network was deleted.
    NetworkRemoved(NetworkId),
    /// A port was created or changed.
    PortSet(Port),
    /// A port was deleted.
    PortRemoved(PortId),
    /// A tunnel endpoint was created or changed.
    EndpointSet(TunnelEndpoint),
    /// The tunnel endpoint of this host was deleted.
    EndpointRemoved(String),
    /// A gateway was created or changed.
    GatewaySet(Gateway),
    /// A gateway was deleted.
    GatewayRemoved(GatewayId),
    /// A connection was created.
    ConnectionSet(Connection),
    /// A connection was deleted.
    ConnectionRemoved(ConnectionId),
    /// A switch has other VTEPs.
    VtepsSet(SwitchVteps),
    /// A switch learned a MAC, or something new about it.
    LearnedSet(LearnedMac),
    /// A switch has withdrawn a MAC.
    LearnedRemoved {
        /// Name of the switch's section.
        switch: String,
        /// The network.
        network: NetworkId,
        /// The MAC.
        mac: MacAddr,
    },
    /// A gateway's switches share a network otherwise than before.
    ElectionSet(Election),
    /// No connection joins the two any more.
    ElectionRemoved(GatewayId, NetworkId),
    /// All MACs that a gateway had learned on a network were withdrawn.
    IdleSet(Idle),
    /// It learned one again, or no connection joins the two any more.
    IdleRemoved(GatewayId, NetworkId),
}

/// A change of what switches have learned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LearnedChange<'a> {
    /// A switch learned a MAC, or something new about it.
    Set(&'a LearnedMac),
    /// A switch has withdrawn a MAC.
    Removed {
        /// Name of the switch's section.
        switch: &'a str,
        /// The network.
        network: NetworkId,
        /// The MAC.
        mac: MacAddr,
    },
}

impl Change {
    /// The change, where it is about learned MACs. A new kind of change has to say here whether it is.
    #[must_use]
    pub fn learned(&self) -> Option<LearnedChange<'_>> {
        match self {
            Self::LearnedSet(learned) => Some(LearnedChange::Set(learned)),
            Self::LearnedRemoved { switch, network, mac } => {
                Some(LearnedChange::Removed { switch, network: *network, mac: *mac })
            }
            // The topology says what these mean for a learned MAC ...
            Self::GatewaySet(_)
            | Self::GatewayRemoved(_)
            | Self::ConnectionSet(_)
            | Self::ConnectionRemoved(_)
            | Self::VtepsSet(_)
            | Self::ElectionSet(_)
            | Self::ElectionRemoved(..)
            | Self::IdleSet(_)
            | Self::IdleRemoved(..)
            // ... and these mean nothing for one.
            | Self::NetworkSet(_)
            | Self::NetworkRemoved(_)
            | Self::PortSet(_)
            | Self::PortRemoved(_)
            | Self::EndpointSet(_)
            | Self::EndpointRemoved(_) => None,
        }
    }
}

/// Explanations that are kept at the most: as many as a large site has ports. A database that confirms nothing, because
/// it is only looked at or away for long, would have them gather without end; deletions whose explanation was dropped
/// are the guard's to judge.
pub const TOMBSTONES: usize = 1 << 20;

/// An explanation, written with the API call that caused it, of rows that are to vanish from switches. Kept in the
/// store until every switch has confirmed its revision.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Tombstone {
    /// A connection went: its network's Logical_Switch, MACs and flood row may go from the switch.
    Network {
        /// The network.
        network: NetworkId,
        /// Name of the switch's section.
        switch: String,
    },
    /// A binding went.
    Binding {
        /// The network that it bound.
        network: NetworkId,
        /// Switch, port and VLAN.
        binding: Binding,
    },
    /// A MAC left a network: its port was deleted, lost its host, or changed its MAC.
    Mac {
        /// The network.
        network: NetworkId,
        /// The MAC.
        mac: MacAddr,
    },
}
