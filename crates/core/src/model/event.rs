//! What the fleet reports as it happens, for the journal and for those who watch: plans that were carried out, rows
//! that another client changed, sessions that came and went.

use std::time::SystemTime;

use serde::Serialize;
use utoipa::ToSchema;

use super::{NetworkId, Revision, status::SessionState};

/// Something happened at a database. `switches` are the names of its sections in plumgrid.ini.
#[derive(Clone, Debug, PartialEq)]
pub enum FleetEvent {
    /// A plan was carried out: the database is as desired, but for what failed or is held.
    Applied(AppliedPlan),
    /// Another client changed a row of ours.
    Drifted(Drift),
    /// The session came up, went down, or was refused.
    Session {
        /// Which switches.
        switches: Vec<String>,
        /// The session's state now.
        state: SessionState,
        /// Why it isn't up.
        reason: String,
    },
}

/// A plan that was carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct AppliedPlan {
    /// Which switches.
    pub switches: Vec<String>,
    /// Revision of the desired state that the database holds now; `None`: the session ended in the middle of it.
    pub revision: Option<Revision>,
    /// Rows inserted.
    pub inserts: u64,
    /// Rows updated.
    pub updates: u64,
    /// Rows deleted.
    pub deletes: u64,
    /// How many of the changes put back what another client had changed.
    pub drifted: u64,
    /// The first rows; there may be more.
    pub rows: Vec<PlannedRow>,
}

/// A row that another client changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// Which switches.
    pub switches: Vec<String>,
    /// When the switch reported the change.
    pub seen: SystemTime,
    /// When it was put back; `None`: it was left alone.
    pub put_back: Option<SystemTime>,
    /// Why it was left alone.
    pub note: String,
    /// The repair.
    pub row: PlannedRow,
}

/// What would be done at a database, and isn't.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// `mode = observe`: only an operator has it done.
    pub observe: bool,
    /// Revision of the desired state that it was compared with.
    pub revision: Revision,
    /// Rows that would be inserted,
    pub inserts: u64,
    /// updated
    pub updates: u64,
    /// and deleted.
    pub deletes: u64,
    /// The first of these rows.
    pub rows: Vec<PlannedRow>,
    /// The parameters of `transact` (RFC 7047 section 4.1.3) that would be sent first, as JSON.
    pub transaction: Vec<u8>,
    /// Whether more would follow.
    pub more: bool,
    /// Logical_Switches that go once their bindings have gone, and how many rows go with each.
    pub later: Vec<(String, usize)>,
    /// Wanted rows that can't be written, and what stands in the way: the first ones,
    pub blocked: Vec<BlockedRow>,
    /// and their number.
    pub blocked_total: usize,
    /// Deletions that are held: their number,
    pub held: usize,
    /// by network,
    pub held_networks: Vec<HeldNetwork>,
    /// the first of their rows,
    pub held_rows: Vec<PlannedRow>,
    /// and the parameters of `transact` that a release would send first, as JSON.
    pub release: Vec<u8>,
}

/// Wanted rows that can't be written: a difference that a repair can't remove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BlockedRow {
    /// Table of hardware_vtep.
    pub table: &'static str,
    /// Which row: a port and its VLAN, a Logical_Switch's name, a MAC.
    pub row: String,
    /// What the row should hold.
    pub change: String,
    /// What stands in the way: `no_switch`, `no_port`, `foreign_binding`, `foreign_vni`, `own_vni`, `no_segment`,
    /// `unknown_network`, `refused` or `contested`.
    pub obstacle: &'static str,
    /// The same in words.
    pub reason: String,
    /// The network that it is about.
    pub network_id: Option<NetworkId>,
}

/// Deletions of a network's rows that are held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HeldNetwork {
    /// The network.
    pub network_id: NetworkId,
    /// Number of rows.
    pub rows: usize,
    /// Its bindings among them, as `Ethernet40 VLAN 50`; at most as many as rows are listed.
    pub bindings: Vec<String>,
    /// Number of its MACs among them.
    pub macs: usize,
}

impl HeldNetwork {
    /// A network of which nothing is held yet.
    #[must_use]
    pub const fn new(network_id: NetworkId) -> Self {
        Self { network_id, rows: 0, bindings: Vec::new(), macs: 0 }
    }
}

/// What a plan does with a row, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlannedRow {
    /// Inserted, updated or deleted.
    pub action: Action,
    /// Table of hardware_vtep.
    pub table: &'static str,
    /// Which row: a MAC, a port and its VLAN, a Logical_Switch's name.
    pub row: String,
    /// The new content, or `old -> new`; empty for a row that goes.
    pub change: String,
    /// Why.
    pub reason: String,
    /// The network that it is about.
    pub network_id: Option<NetworkId>,
}

/// What is done with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It comes.
    Insert,
    /// Columns change.
    Update,
    /// It goes.
    Delete,
}
