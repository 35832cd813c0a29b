//! From the connection to the first full look: the schema, the monitor, and how long both may take.

use std::time::{Duration, Instant};

use super::{Actions, Ended, LockEvent, MONITOR, Session, Step, role};
use crate::{
    config::LockPolicy,
    fleet::policy::extras,
    model::status::SessionState,
    ovsdb::{Raw, RpcError, Schema},
    vtep::{self, Columns},
};

/// How long the switch may be silent before we follow it: the first byte of a dump of 500,000 rows comes after 8 s.
const SILENCE: Duration = Duration::from_mins(2);
/// How long that may take altogether: such a dump has 100 MB, and the line may be slow.
const TIMEOUT: Duration = Duration::from_mins(30);

/// How long an answer may take where nobody probes (`inactivity_probe = 0`), and at most, however rarely somebody does.
const ANSWER: Duration = Duration::from_secs(30);
const ANSWER_MAX: Duration = Duration::from_mins(5);

/// The longest messages that a switch may send: its schema (28 KB as Open vSwitch has it), all of its rows (225 MB are a
/// million MACs), and what changes later.
const MAX_SCHEMA: usize = 4 << 20;
const MAX_DUMP: usize = 384 << 20;
const MAX_UPDATE: usize = 64 << 20;

/// What the next reply answers, before the switch is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Schema(u64),
    Monitor(u64),
    Following,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) phase: Phase,
    /// The request for what the server is to its database.
    pub(super) role: u64,
    pub(super) schema_version: String,
    /// When silence is looked for.
    next: Instant,
    end: Instant,
    /// How many bytes had come then.
    received: u64,
}

// ===== impl Setup =====

impl Setup {
    pub(super) fn begin(actions: &mut Actions, now: Instant) -> Self {
        // First, because the answer decides whether the lock is asked for.
        let role = actions.request("monitor", |params| params.extend_from_slice(role::params().as_bytes()));
        let write = |params: &mut Vec<u8>| params.extend_from_slice(format!("[\"{}\"]", vtep::DATABASE).as_bytes());
        actions.max_message = Some(MAX_SCHEMA);
        let request = actions.request("get_schema", write);
        Self {
            phase: Phase::Schema(request),
            role,
            schema_version: String::new(),
            next: now + SILENCE,
            end: now + TIMEOUT,
            received: 0,
        }
    }

    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Whether something came since the last check.
    pub(super) fn check(&mut self, received: u64, now: Instant) -> Step {
        if now < self.next {
            return Ok(());
        }
        if received == self.received || now >= self.end {
            return Err(Ended::SetupUnanswered);
        }
        (self.next, self.received) = (now + SILENCE, received);
        Ok(())
    }
}

// ===== impl Session =====

impl Session<'_> {
    /// The schema came: asks for what it has of what we want, and for the lock.
    pub(super) fn identify(&mut self, result: Result<Raw, RpcError>) -> Step {
        let raw = result.map_err(Ended::NoDatabase)?;
        let schema = Schema::read(&mut raw.cursor())?;
        let columns = Columns::intersect(&schema.tables)?;
        extras(&mut self.policy, columns, &schema.tables, &self.target.settings.sections);
        self.setup.schema_version = schema.version;
        // A daemon that only observes must not keep another controller from its work.
        if !self.observes() {
            self.want_lock()?;
        }
        let params = self.policy.columns.monitor_params(MONITOR);
        self.actions.max_message = Some(MAX_DUMP);
        let request = self.actions.request("monitor", |buffer| buffer.extend_from_slice(&params));
        self.setup.phase = Phase::Monitor(request);
        let event = self.target.enter(SessionState::Syncing, String::new(), self.now.date);
        self.actions.events.extend(event);
        Ok(())
    }

    /// The first monitor reply: everything that the switch holds.
    pub(super) fn synchronise(&mut self, result: Result<Raw, RpcError>) -> Step {
        let raw = result.map_err(Ended::MonitorRefused)?;
        self.actions.max_message = Some(MAX_UPDATE);
        self.decode(raw, true)
    }

    /// All of it was decoded.
    pub(super) fn synchronised(&mut self) -> Step {
        self.setup.phase = Phase::Following;
        self.still_introduced()?;
        let present: Vec<&str> = self.replica.switches().map(|switch| switch.name.as_str()).collect();
        let sections = &self.target.desired.sections;
        let wanted: Vec<_> = sections.values().map(|section| section.physical_switch.as_str()).collect();
        if wanted.iter().all(|name| !present.contains(name)) {
            let there = few(&present);
            tracing::warn!(switch = %self.target.names(), wanted = wanted.join(", "), there, "the database has no Physical_Switch of the configured name; nothing is written to it");
        }
        let rows = self.replica.mac_total();
        self.actions.patience = Some(self.patience());
        let event = self.target.enter(SessionState::Up, String::new(), self.now.date);
        self.actions.events.extend(event);
        tracing::info!(switch = %self.target.names(), rows, schema = %self.setup.schema_version, lock = self.lock.state().word(), "the session is up");
        self.reporter.begin(&self.replica);
        self.audit();
        Ok(())
    }

    /// How long the switch may leave a probe unanswered: half a minute, unless probes come more or less often than usual;
    /// and longer with a big database, because a server that compacts it says nothing for seconds.
    pub(super) fn patience(&self) -> Duration {
        self.probes().min().unwrap_or_default() * 6 + self.compacting()
    }

    /// How long a request may stay unanswered. There is a bound whatever the probes are, and where there are none.
    pub(super) fn answer_patience(&self) -> Duration {
        let probe = self.probes().filter(|probe| !probe.is_zero()).min();
        probe.map_or(ANSWER, |probe| (probe * 6).min(ANSWER_MAX)) + self.compacting()
    }

    fn probes(&self) -> impl Iterator<Item = Duration> {
        self.target.settings.sections.iter().map(|section| section.inactivity_probe)
    }

    /// A server that compacts its database says nothing for so long.
    fn compacting(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.replica.mac_total() / 50_000).unwrap_or(0))
    }

    /// Asks for the lock, unless `lock = off`.
    pub(super) fn want_lock(&mut self) -> Step {
        if self.target.lock_policy() == LockPolicy::Off { Ok(()) } else { self.lock_event(&LockEvent::Wanted) }
    }
}

/// Names for a log line: the first few of them, each cut to what fits into one.
fn few(names: &[&str]) -> String {
    const SHOWN: usize = 8;
    if names.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| name.chars().take(64).collect()).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
