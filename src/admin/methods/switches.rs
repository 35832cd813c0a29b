//! Switches: how they are, what would be done, repair, hold and release.

use jsonrpsee::core::RegisterMethodError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    super::{
        fault::Fault,
        registry::{Answer, Call, Nothing, Registry, done, raw},
    },
    NoParams,
};
use crate::model::{
    NetworkId, Revision, VlanId,
    event::{BlockedRow, HeldNetwork, PlannedRow, Preview},
    problem::ProblemKind,
    reason::Reason,
    status::{BindingStatus, Status, SwitchStatus},
};

/// Rows in words, unless another number is asked for, and at most.
const ROWS: usize = 1000;
const MAX_ROWS: usize = 100_000;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OneSwitch {
    /// Name of its section in plumgrid.ini.
    switch: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WhichPlan {
    /// Name of its section in plumgrid.ini.
    switch: String,
    /// Rows in words; 1000 where it is not given.
    rows: Option<usize>,
}

pub(super) fn offer(r: &mut Registry) -> Result<(), RegisterMethodError> {
    r.read("switch_list", "All switches of plumgrid.ini.", list)?;
    r.read("switch_show", "One switch.", show)?;
    r.read("switch_diff", "What would be done at a switch now. Nothing is sent.", diff)?;
    let about = "Compares everything on a switch and puts it right; with mode = observe the only way to write to it.";
    r.change("switch_repair", about, repair)?;
    r.change("switch_hold", "Holds all deletions on a switch until they are released.", hold)?;
    let about = "Lets deletions go that the guard, or an operator, holds.";
    r.change("switch_release", about, release)?;
    r.read("progress", "How far each switch is with the desired state: what --wait follows.", progress)
}

async fn list(call: Call, _: NoParams) -> Answer<Switches> {
    raw(&Switches { switches: call.service().switches().await })
}

async fn show(call: Call, params: OneSwitch) -> Answer<SwitchStatus> {
    raw(&call.service().switch(&params.switch).await?)
}

async fn diff(call: Call, params: WhichPlan) -> Answer<PlanView> {
    let limit = params.rows.unwrap_or(ROWS).min(MAX_ROWS);
    let preview = call.service().preview(&params.switch, limit).await?;
    let Preview { observe, revision, inserts, updates, deletes, rows, more, blocked, blocked_total, .. } = preview;
    let later = preview.later.into_iter().map(|(logical_switch, rows)| Later { logical_switch, rows }).collect();
    raw(&PlanView {
        switch: params.switch,
        observe,
        revision,
        inserts,
        updates,
        deletes,
        rows,
        transaction: json(preview.transaction)?,
        more,
        later,
        blocked,
        blocked_total,
        held: preview.held,
        held_networks: preview.held_networks,
        held_rows: preview.held_rows,
        release: json(preview.release)?,
    })
}

/// Parameters of `transact`, which are JSON already.
fn json(text: Vec<u8>) -> Result<Box<RawValue>, Fault> {
    let text = String::from_utf8(text).map_err(|error| Fault::bug(error.to_string()))?;
    RawValue::from_string(text).map_err(|error| Fault::bug(error.to_string()))
}

async fn repair(call: Call, params: OneSwitch) -> Answer<Nothing> {
    done(call.service().repair(&params.switch).await?)
}

async fn hold(call: Call, params: OneSwitch) -> Answer<Nothing> {
    done(call.service().hold(&params.switch, &call.who).await?)
}

async fn release(call: Call, params: OneSwitch) -> Answer<Nothing> {
    done(call.service().release(&params.switch).await?)
}

async fn progress(call: Call, _: NoParams) -> Answer<Progress> {
    let revision = call.service().revision().await?;
    let switches = call.service().switches().await.into_iter().map(SwitchProgress::from).collect();
    raw(&Progress { revision, switches })
}

// ===== answers =====

#[derive(Serialize, ToSchema)]
struct Switches {
    switches: Vec<SwitchStatus>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Plan)]
struct PlanView {
    switch: String,
    /// `mode = observe`: only `switch_repair` has it done.
    observe: bool,
    revision: Revision,
    inserts: u64,
    updates: u64,
    deletes: u64,
    /// The first rows, in words.
    rows: Vec<PlannedRow>,
    /// Parameters of `transact` (RFC 7047 section 4.1.3), as they would be sent first.
    #[schema(value_type = Vec<Value>)]
    transaction: Box<RawValue>,
    /// Whether more would follow.
    more: bool,
    later: Vec<Later>,
    /// Wanted rows that can't be written: the first ones.
    blocked: Vec<BlockedRow>,
    /// Number of wanted rows that can't be written.
    blocked_total: usize,
    /// Number of deletions that are held.
    held: usize,
    /// The same by network.
    held_networks: Vec<HeldNetwork>,
    /// The first of these rows.
    held_rows: Vec<PlannedRow>,
    /// Parameters of `transact`, as `switch_release` would send them first.
    #[schema(value_type = Vec<Value>)]
    release: Box<RawValue>,
}

/// What goes once its bindings have gone.
#[derive(Serialize, ToSchema)]
struct Later {
    logical_switch: String,
    rows: usize,
}

#[derive(Serialize, ToSchema)]
struct Progress {
    /// Of the desired state.
    revision: Revision,
    switches: Vec<SwitchProgress>,
}

#[derive(Serialize, ToSchema)]
struct SwitchProgress {
    switch: String,
    physical_switch: String,
    /// Revision that its worker has heard of.
    known: Option<Revision>,
    /// Revision that its database holds, but for what is blocked.
    confirmed: Option<Revision>,
    status: Status,
    #[schema(value_type = String)]
    reason: Reason,
    /// What stands in the way of the switch as a whole.
    obstacles: Vec<SwitchObstacle>,
    rows_desired: u64,
    rows_actual: u64,
    /// Networks that were disconnected and still have rows there.
    draining: Vec<NetworkId>,
    bindings: Vec<BindingProgress>,
}

#[derive(Serialize, ToSchema)]
struct SwitchObstacle {
    status: Status,
    #[schema(value_type = String)]
    reason: Reason,
    /// Only deletions are concerned.
    deletions: bool,
}

#[derive(Serialize, ToSchema)]
struct BindingProgress {
    network_id: NetworkId,
    port: String,
    vlan: VlanId,
    status: Status,
    #[schema(value_type = String)]
    reason: Reason,
    /// The reason stands in the way: nothing comes of waiting.
    blocked: bool,
    rows_desired: u64,
    rows_actual: u64,
}

impl From<SwitchStatus> for SwitchProgress {
    fn from(status: SwitchStatus) -> Self {
        let own = status.own.into_iter().map(|own| own.reason);
        let obstacle = |reason: Reason| SwitchObstacle {
            status: reason.status(),
            deletions: reason.kind() == Some(ProblemKind::Held),
            reason,
        };
        Self {
            switch: status.name,
            physical_switch: status.physical_switch,
            known: status.known,
            confirmed: status.confirmed,
            status: status.status,
            reason: status.reason,
            obstacles: own.filter(Reason::blocks).map(obstacle).collect(),
            rows_desired: status.rows_desired,
            rows_actual: status.rows_actual,
            draining: status.draining,
            bindings: status.bindings.into_iter().map(BindingProgress::from).collect(),
        }
    }
}

impl From<BindingStatus> for BindingProgress {
    fn from(binding: BindingStatus) -> Self {
        Self {
            network_id: binding.network_id,
            port: binding.port,
            vlan: binding.vlan,
            status: binding.status,
            blocked: binding.reason.blocks(),
            reason: binding.reason,
            rows_desired: binding.rows_desired,
            rows_actual: binding.rows_actual,
        }
    }
}
