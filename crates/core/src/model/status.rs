//! What is shown of switches and bindings: `GET /v2/switches`, connection status, admin socket.

use std::net::Ipv4Addr;

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ConnectionId, NetworkId, Revision, VlanId,
    reason::{Degradation, Reason},
};

/// How far a binding, or a whole switch or connection, is from what is desired. Ordered from best to worst, so that
/// the status of a whole is the maximum of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The switch has all that is desired.
    Active,
    /// It was deleted, and is still on a switch.
    Draining,
    /// Not on the switch yet; being worked on.
    Pending,
    /// It works, but the switch can't hold all of it, or reports a fault.
    Degraded,
    /// Deletions wait for an operator's release (the guard).
    Held,
    /// No session with the switch.
    Down,
    /// Foreign rows stand in the way.
    Conflict,
    /// The switch refused it.
    Error,
}

/// State of the OVSDB session with a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    /// Dialling.
    Connecting,
    /// Connected; asking for the schema and for the Physical_Switch rows.
    Identifying,
    /// Reading the first monitor reply.
    Syncing,
    /// The replica follows the switch.
    Up,
    /// Waiting before the next attempt.
    Backoff,
    /// The switch is not the one that the configuration names, or can't be spoken to.
    Refused,
}

/// `session` of a switch.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SessionStatus {
    /// State.
    pub state: SessionState,
    /// Since when: RFC 3339, UTC.
    pub since: String,
    /// Since when there is none; empty while it is up: RFC 3339, UTC.
    #[serde(skip)]
    pub down_since: String,
    /// Management address, as `tcp:10.0.0.1:6640` or `unix:/path`.
    pub address: String,
    /// `transport` of plumgrid.ini.
    pub transport: String,
    /// Version of the switch's hardware_vtep schema; empty while unknown.
    pub schema_version: String,
    /// `held`, `waiting`, `standby` (the server is not to be written), `unsupported` or `off`.
    pub lock: String,
    /// Socket address of the peer; empty while not connected.
    pub peer: String,
    /// The certificates of TLS: ours and the switch's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateStatus>,
}

/// Who dialled in (`[listen]`) and was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Strangers {
    /// Connections refused since the start.
    pub count: u64,
    /// The latest, once each.
    pub listed: Vec<Stranger>,
}

/// A server that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Stranger {
    /// Names of its Physical_Switches; empty where it didn't get so far.
    pub names: String,
    /// Its IP address.
    pub address: String,
    /// Subject and fingerprint of its certificate; empty without TLS.
    pub certificate: String,
    /// Why it was refused.
    pub reason: String,
    /// How often.
    pub count: u64,
    /// When it came last: RFC 3339, UTC.
    pub last: String,
}

/// A certificate of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CertificateStatus {
    /// `ours` or `switch`.
    pub of: &'static str,
    /// Common name, and the names that it is for.
    pub subject: String,
    /// When it expires: RFC 3339, UTC.
    pub expires: String,
    /// The same in seconds since 1970, for the metrics.
    #[serde(skip)]
    pub expires_unix: u64,
    /// SHA-256, as `peer_fingerprint` takes it.
    pub fingerprint: String,
}

/// One binding of a connection, or one of a switch.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct BindingStatus {
    /// Name of the switch's section in plumgrid.ini: what gateways call it.
    pub switch: String,
    /// `Physical_Port.name`.
    pub port: String,
    /// VLAN; 0 is untagged.
    pub vlan: VlanId,
    /// What the reason says.
    pub status: Status,
    /// Why; empty when active.
    #[schema(value_type = String)]
    pub reason: Reason,
    /// Rows of hardware_vtep that the connection's network should have on the switch.
    pub rows_desired: u64,
    /// Those of them that are there and right.
    pub rows_actual: u64,
    /// Since when it is so for this reason: RFC 3339, UTC; empty where that isn't known.
    pub since: String,
    /// The network.
    pub network_id: NetworkId,
    /// The connections that ask for it (bindings are counted over them).
    #[serde(skip)]
    pub connections: Vec<ConnectionId>,
}

/// `GET /v2/switches/{name}`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SwitchStatus {
    /// Name of its section in plumgrid.ini.
    pub name: String,
    /// `Physical_Switch.name`, which may differ from the section's.
    #[serde(skip)]
    pub physical_switch: String,
    /// Revision of the desired state that its worker has heard of; `None`: none yet.
    #[serde(skip)]
    pub known: Option<Revision>,
    /// Revision that its database holds completely; `None`: none yet.
    #[serde(skip)]
    pub confirmed: Option<Revision>,
    /// The session.
    pub session: SessionStatus,
    /// The worst of session, guard, faults and bindings.
    pub status: Status,
    /// Why; empty when active.
    #[schema(value_type = String)]
    pub reason: Reason,
    /// What is wrong with the switch as a whole, beside its bindings.
    #[serde(skip)]
    pub own: Vec<SwitchReason>,
    /// Usable IPv4 addresses of `tunnel_ips`.
    #[serde(skip)]
    pub vteps: Vec<Ipv4Addr>,
    /// Faults that the switch reports (`switch_fault_status`, `port_fault_status`), ports as `Ethernet40: …`.
    pub faults: Vec<String>,
    /// Columns that its schema lacks and what that costs, each once.
    #[schema(value_type = Vec<String>)]
    pub degraded: Vec<Degradation>,
    /// Names of its ports: the first 1024 of them,
    pub ports: Vec<String>,
    /// and the number of further ones.
    pub more_ports: usize,
    /// Its tunnels, where `bfd = on`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tunnels: Vec<TunnelStatus>,
    /// Its bindings.
    pub bindings: Vec<BindingStatus>,
    /// Rows that it should have.
    pub rows_desired: u64,
    /// Those of them that it has.
    pub rows_actual: u64,
    /// The last plan that was applied; absent before the first.
    pub last_plan: Option<PlanSummary>,
    /// Networks that were disconnected and still have rows there.
    pub draining: Vec<NetworkId>,
    /// For the metrics.
    #[serde(skip)]
    pub counters: Counters,
}

/// What is wrong with a switch as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchReason {
    /// Why.
    pub reason: Reason,
    /// Since when: RFC 3339, UTC; empty where that isn't known.
    pub since: String,
}

/// A tunnel of a switch, as its BFD sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TunnelStatus {
    /// VTEP of the switch.
    pub local: String,
    /// VTEP of the other end: a compute node's, or another switch's.
    pub remote: String,
    /// Name of the compute node whose VTEP that is (several: with commas); empty where none is known.
    pub host: String,
    /// `up`, `down`, `init` or `admin_down`; empty where the switch says nothing.
    pub state: String,
    /// Whether the tunnel carries traffic.
    pub up: bool,
    /// `bfd_status`, as the switch has it.
    pub bfd_status: std::collections::BTreeMap<String, String>,
}

/// What happened since the start of the switch's worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Sessions that came to be.
    pub sessions: u64,
    /// Transactions that were sent.
    pub transactions: u64,
    /// Transactions that the switch refused.
    pub failures: u64,
}

/// A plan in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlanSummary {
    /// When its last transaction was answered: RFC 3339, UTC.
    pub at: String,
    /// Rows inserted.
    pub inserts: u64,
    /// Rows updated.
    pub updates: u64,
    /// Rows deleted.
    pub deletes: u64,
}

// ===== impl BindingStatus, SwitchStatus =====

impl BindingStatus {
    /// Takes the reason, the status that it decides, and since when it is so, as far as that is known.
    pub fn set(&mut self, reason: Reason, since: String) {
        (self.status, self.reason, self.since) = (reason.status(), reason, since);
    }

    /// Takes the reason where it is worse than the one that is there.
    pub fn worsen(&mut self, reason: Reason) {
        if reason.status() > self.status {
            self.set(reason, String::new());
        }
    }
}

impl SwitchStatus {
    /// A switch whose session is up and that has nothing: what tests begin with.
    #[must_use]
    pub fn example(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            physical_switch: name.to_owned(),
            known: None,
            confirmed: None,
            session: SessionStatus {
                state: SessionState::Up,
                since: "2026-11-27T10:00:00Z".to_owned(),
                down_since: "2026-11-27T09:00:00Z".to_owned(),
                address: "tcp:192.0.2.1:6640".to_owned(),
                transport: "tcp".to_owned(),
                schema_version: String::new(),
                lock: "held".to_owned(),
                peer: String::new(),
                certificates: Vec::new(),
            },
            status: Status::Active,
            reason: Reason::None,
            own: Vec::new(),
            vteps: Vec::new(),
            faults: Vec::new(),
            degraded: Vec::new(),
            ports: Vec::new(),
            more_ports: 0,
            tunnels: Vec::new(),
            bindings: Vec::new(),
            rows_desired: 0,
            rows_actual: 0,
            last_plan: None,
            draining: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// Takes a further reason of the switch as a whole, whose beginning isn't known.
    pub fn add(&mut self, reason: Reason) {
        self.add_since(reason, String::new());
    }

    /// Takes a further reason of the switch as a whole.
    pub fn add_since(&mut self, reason: Reason, since: String) {
        if reason.status() > self.status {
            (self.status, self.reason) = (reason.status(), reason.clone());
        }
        self.own.push(SwitchReason { reason, since });
    }

    /// Whether its worker doesn't answer: then this is how it was.
    #[must_use]
    pub fn is_of_busy_worker(&self) -> bool {
        self.own.iter().any(|own| matches!(own.reason, Reason::Busy { .. }))
    }

    /// Takes the worst of its bindings as its own status, where that is worse.
    pub fn follow_bindings(&mut self) {
        if let Some(worst) = self.bindings.iter().max_by_key(|row| row.status)
            && worst.status > self.status
        {
            (self.status, self.reason) = (worst.status, worst.reason.clone());
        }
    }
}
