//! The daemon itself: how the whole is, its log levels, its configuration, and what happened.

use std::time::SystemTime;

use jsonrpsee::core::RegisterMethodError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::registry::{Answer, Call, Nothing, Registry, done, raw},
    NoParams,
};
use crate::{
    admin::controls::Reload,
    model::{
        Revision,
        problem::{Notice, Problem},
        reason::Reason,
        status::{SessionState, Status, Strangers, SwitchStatus},
    },
    service::{
        Overview,
        journal::{JournalEntry, JournalFilter, JournalKind},
        view::{BadBody, SourceView},
    },
    telemetry::LogError,
};

/// Entries of the journal, unless another number is asked for.
const ENTRIES: u32 = 100;
/// Problems that are listed.
const PROBLEMS: usize = 1000;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Levels {
    /// As tracing's filter reads them: `info,vtepd::fleet=debug`.
    levels: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// call, plan, drift, session, handover, loss; all where it is not given.
    kinds: Option<Vec<String>>,
    /// About this method or switch.
    subject: Option<String>,
    /// Whose details hold this text: a MAC, a UUID.
    contains: Option<String>,
    /// Not before this time (RFC 3339).
    since: Option<String>,
    /// With a lower id: the page before.
    before: Option<u64>,
    /// The last entries, this many; 100 where it is not given.
    limit: Option<u32>,
}

pub(super) fn offer(r: &mut Registry) -> Result<(), RegisterMethodError> {
    r.read("status", "The whole: version, store, switches, and what is wrong.", status)?;
    r.change("log_level", "Changes the levels of the running log, until the next reload.", log_level)?;
    r.change("reload", "Reads plumgrid.ini again, as SIGHUP does, and tells what came of it.", reload)?;
    r.read("audit", "The journal: calls, plans, drift, sessions, hand-overs; the last entries, oldest first.", audit)
}

/// The whole in a few lines.
async fn status(call: Call, _: NoParams) -> Answer<Whole> {
    let service = call.service();
    let store = service.health().err().map(|error| error.to_string());
    let Overview { revision, switches, connections, strangers, holds, mut problems, notices } =
        service.overview().await;
    let more_problems = problems.len().saturating_sub(PROBLEMS);
    problems.truncate(PROBLEMS);
    raw(&Whole {
        version: env!("CARGO_PKG_VERSION"),
        ready: store.is_none(),
        reasons: store.into_iter().collect(),
        revision,
        holds,
        connections: connections.len(),
        switches: switches.into_iter().map(Glance::from).collect(),
        problems,
        more_problems,
        notices,
        strangers,
        source: service.source().into(),
    })
}

async fn log_level(call: Call, params: Levels) -> Answer<Nothing> {
    let changed = call.context.controls.log.set(&params.levels);
    done(changed.map_err(|error| match error {
        LogError::Levels { why, .. } => BadBody::field("levels", why),
        other @ LogError::Twice(_) => BadBody::field("levels", other.to_string()),
    })?)
}

async fn reload(call: Call, _: NoParams) -> Answer<Reload> {
    raw(&call.context.controls.reload().await?)
}

async fn audit(call: Call, params: Which) -> Answer<Entries> {
    let kinds = params.kinds.unwrap_or_default();
    let kinds = kinds.iter().map(|kind| kind.parse::<JournalKind>().map_err(|why| BadBody::field("kinds", why)));
    let since = params.since.as_deref().map(time).transpose()?;
    let filter = JournalFilter {
        kinds: kinds.collect::<Result<_, _>>()?,
        subject: params.subject,
        contains: params.contains,
        since,
        before: params.before,
        limit: params.limit.unwrap_or(ENTRIES),
    };
    raw(&Entries { entries: call.service().audit(&filter).await? })
}

fn time(text: &str) -> Result<SystemTime, BadBody> {
    let wrong = |_| BadBody::field("since", format!("'{text}' is not a time as 2026-11-24T10:00:00Z"));
    humantime::parse_rfc3339_weak(text).map_err(wrong)
}

// ===== answers =====

#[derive(Serialize, ToSchema)]
#[schema(as = DaemonStatus)]
struct Whole {
    version: &'static str,
    /// Whether the store takes writes.
    ready: bool,
    /// Why not.
    reasons: Vec<String>,
    /// Of the desired state; `null`: the store can't be read.
    revision: Option<Revision>,
    /// Switches of which an operator holds the deletions.
    holds: Vec<String>,
    /// Number of connections.
    connections: usize,
    switches: Vec<Glance>,
    /// What is wrong, the worst first: at most 1000 problems,
    problems: Vec<Problem>,
    /// and the number of further ones.
    more_problems: usize,
    /// What happened and is not wrong, for a while.
    notices: Vec<Notice>,
    strangers: Strangers,
    source: SourceView,
}

/// A switch at a glance.
#[derive(Serialize, ToSchema)]
#[schema(as = SwitchGlance)]
struct Glance {
    name: String,
    session: SessionState,
    status: Status,
    #[schema(value_type = String)]
    reason: Reason,
    rows_desired: u64,
    rows_actual: u64,
}

#[derive(Serialize, ToSchema)]
struct Entries {
    entries: Vec<JournalEntry>,
}

impl From<SwitchStatus> for Glance {
    fn from(switch: SwitchStatus) -> Self {
        Self {
            name: switch.name,
            session: switch.session.state,
            status: switch.status,
            reason: switch.reason,
            rows_desired: switch.rows_desired,
            rows_actual: switch.rows_actual,
        }
    }
}
