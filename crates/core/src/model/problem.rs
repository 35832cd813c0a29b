//! Something that is wrong: what REST, `l2gw status`, `/metrics` and `/readyz` all show.

use serde::Serialize;
use utoipa::ToSchema;

use super::status::Status;

/// What sort of thing is wrong. The words are labels of `vtepd_problems`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The store takes no writes.
    Store,
    /// Neutron's database is away, or losses in it are held.
    Source,
    /// No token can be validated: REST calls get 503.
    Authentication,
    /// The last reload failed: the configuration before it is in force.
    Configuration,
    /// A certificate expires soon.
    Certificate,
    /// There is no session with a switch.
    Session,
    /// A switch is not the one that plumgrid.ini names, or can't be spoken to.
    Refused,
    /// Another controller holds the OVSDB lock.
    Lock,
    /// A gateway names a device that no section of plumgrid.ini has.
    Device,
    /// A gateway names a port that its switch doesn't have.
    Port,
    /// A connected network was deleted in Neutron, or has no VXLAN segment.
    Network,
    /// Rows that are not ours stand in the way, or another connection does.
    Conflict,
    /// The switch refuses a row.
    Row,
    /// Deletions wait for an operator.
    Held,
    /// `mode = observe`: what differs is not written.
    Observed,
    /// What is desired is not on the switch yet.
    Pending,
    /// Rows of disconnected networks are still on the switch.
    Draining,
    /// The switch reports a fault.
    Fault,
    /// BFD says that a tunnel is down.
    Tunnel,
    /// The switch's schema lacks something that costs function.
    Schema,
    /// The switch has no usable VTEP address.
    TunnelIp,
    /// A MAC is on both sides of a gateway.
    Loop,
    /// A MAC moves too often.
    Flapping,
    /// A switch has learned more MACs than are relayed.
    LearnedMacs,
    /// A switch gives more work than it may, and is read more slowly.
    Budget,
    /// Ports are on a compute node without a tunnel endpoint.
    Host,
    /// A compute node's tunnel endpoint is a switch's own VTEP.
    Endpoint,
}

impl ProblemKind {
    /// All of them.
    pub const ALL: [Self; 27] = [
        Self::Store,
        Self::Source,
        Self::Authentication,
        Self::Configuration,
        Self::Certificate,
        Self::Session,
        Self::Refused,
        Self::Lock,
        Self::Device,
        Self::Port,
        Self::Network,
        Self::Conflict,
        Self::Row,
        Self::Held,
        Self::Observed,
        Self::Pending,
        Self::Draining,
        Self::Fault,
        Self::Tunnel,
        Self::Schema,
        Self::TunnelIp,
        Self::Loop,
        Self::Flapping,
        Self::LearnedMacs,
        Self::Budget,
        Self::Host,
        Self::Endpoint,
    ];

    /// Whether it is about the daemon itself, and not about a switch or a connection.
    #[must_use]
    pub fn is_of_daemon(self) -> bool {
        matches!(self, Self::Store | Self::Source | Self::Authentication | Self::Configuration)
    }

    /// Whether it keeps wanted rows from being written, or unwanted ones from being deleted, until somebody helps.
    #[must_use]
    pub fn blocks(self) -> bool {
        match self {
            Self::Session
            | Self::Refused
            | Self::Lock
            | Self::Device
            | Self::Port
            | Self::Network
            | Self::Conflict
            | Self::Row
            | Self::Held
            | Self::Observed => true,
            Self::Store
            | Self::Source
            | Self::Authentication
            | Self::Configuration
            | Self::Certificate
            | Self::Pending
            | Self::Draining
            | Self::Fault
            | Self::Tunnel
            | Self::Schema
            | Self::TunnelIp
            | Self::Loop
            | Self::Flapping
            | Self::LearnedMacs
            | Self::Budget
            | Self::Host
            | Self::Endpoint => false,
        }
    }
}

/// Something that is wrong. One cause is one problem, however many bindings it concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// What sort of thing.
    pub kind: ProblemKind,
    /// How bad it is.
    pub status: Status,
    /// Where: a switch, a binding, a compute node, the store.
    pub name: String,
    /// What is wrong.
    #[serde(rename = "what")]
    pub reason: String,
    /// Since when: RFC 3339, UTC; empty where that isn't known.
    pub since: String,
    /// Which gateways and connections it concerns; empty where it is the binding that is named.
    pub impact: String,
    /// What to do.
    #[serde(rename = "mend")]
    pub fix: String,
}

/// What sort of thing happened. The words are labels of `vtepd_notices`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// Networks moved from one switch of a gateway to the other (`single-active`).
    Handover,
}

impl NoticeKind {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Handover];
}

/// Something that happened and is not wrong, but may need an operator. It is over by itself after a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Notice {
    /// What sort of thing.
    pub kind: NoticeKind,
    /// Where: a gateway.
    pub name: String,
    /// What happened.
    pub what: String,
    /// When: RFC 3339, UTC.
    pub since: String,
    /// What may have to be done.
    #[serde(rename = "mend")]
    pub fix: String,
}
