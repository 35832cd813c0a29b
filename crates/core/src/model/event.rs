//! What the fleet reports as it happens, for the journal and for those who watch: plans that were carried out, rows
//! that somebody else changed, sessions that came and went.

use std::time::SystemTime;

use serde::Serialize;
use utoipa::ToSchema;

use super::{NetworkId, Revision, status::SessionState};

/// Something happened at a database. `switches` are the names of its sections in plumgrid.ini.
#[derive(Clone, Debug, PartialEq)]
pub enum FleetEvent {
    /// A plan was carried out: the database is as desired, but for what failed or is held.
    Applied(AppliedPlan),
    /// Somebody else changed a row of ours.
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
    /// How many of the changes put back what somebody else had changed.
    pub drifted: u64,
    /// The first rows; there may be more.
    pub rows: Vec<PlannedRow>,
}

/// A row that somebody else changed.
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
    /// Deletions that nothing explains and that are held.
    pub held: usize,
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
