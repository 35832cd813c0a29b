//! One session with a switch: identify, read everything, then keep it right.

mod alive;
mod ended;
mod lock;
mod observe;
mod policy;
mod report;
mod send;

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use report::Report;

pub(super) use ended::Ended;
pub(super) use lock::Lock;
pub use policy::policy_of;

use self::policy::{extras, policy};
use super::{
    pace::Pace,
    reporter::Reporter,
    status,
    work::Work,
    worker::{Changed, ChangedNetwork, Query, Stopped, Worker, after, merge},
};
use crate::{
    intent::SwitchIntent,
    model::{NetworkId, Revision, VlanId, status::SessionState},
    ovsdb::{CloseReason, Connection, Inbox, Incoming, Raw, RpcError, Schema, alarm::Alarm, session::Backoff},
    plan::{Audit, Guard, Key, Planner, Policy, Tally},
    vtep::{self, Columns, LogicalSwitchIndex, Ownership, Replica, Touched},
};

/// How long the switch may be silent before we follow it: the first byte of a dump of 500,000 rows comes after 8 s.
const SETUP_SILENCE: Duration = Duration::from_mins(2);
/// How long that may take altogether: such a dump has 100 MB, and the line may be slow.
const SETUP_TIMEOUT: Duration = Duration::from_mins(30);
/// Everything is compared so often, whatever the monitor said: belt and braces.
const AUDIT_PERIOD: Duration = Duration::from_mins(10);
/// Messages beyond this are decoded off the runtime's fast path, so that others are served meanwhile.
const LARGE: usize = 256 * 1024;
/// How long the database rests after it said that it has no resources.
const PAUSE: Duration = Duration::from_secs(1);
/// The monitor's id.
const MONITOR: &str = "vtepd";

/// What the next reply answers, before the switch is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Schema(u64),
    Monitor(u64),
    Following,
}

/// Time limits until the switch is followed.
#[derive(Debug, Clone, Copy)]
struct Setup {
    /// When it is looked whether anything came since.
    next: Instant,
    end: Instant,
    /// What had come when it was looked last.
    received: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Live<'w> {
    pub(super) worker: &'w mut Worker,
    connection: Connection,
    phase: Phase,
    lock_request: Option<u64>,
    pub(super) lock: Lock,
    /// How often we got it.
    tenures: u64,
    /// The server answered to a `lock`.
    knows_locks: bool,
    /// When it is taken from a ghost.
    steal_at: Option<Instant>,
    pub(super) schema_version: String,
    pub(super) policy: Policy,
    pub(super) replica: Replica,
    pub(super) work: Work,
    pace: Pace,
    reporter: Reporter,
    guard: Guard,
    /// Rows of the plan that is being applied, and of the last one that was.
    tally: Tally,
    pub(super) last_plan: Option<(std::time::SystemTime, Tally)>,
    /// Networks that nobody wants and that are still here.
    pub(super) draining: BTreeSet<NetworkId>,
    drained_unknown: bool,
    pub(super) confirmed: Option<Revision>,
    /// Everything was compared once.
    audited: bool,
    asked: Option<alive::Asked>,
    next_audit: Instant,
    setup: Setup,
    buffer: Vec<u8>,
    report: Report,
    /// What differs on a switch that is only observed; `None`: not looked at since the last change.
    differences: Option<Audit>,
}

type Step<T = ()> = Result<T, Ended>;

// ===== impl Live: the session =====

impl<'w> Live<'w> {
    /// Runs until the session or the worker ends.
    pub(super) async fn run(
        worker: &'w mut Worker,
        mut connection: Connection,
        mut inbox: Inbox,
        backoff: &mut Backoff,
    ) -> Result<Ended, Stopped> {
        let request = connection.request("get_schema", format!("[\"{}\"]", vtep::DATABASE).as_bytes());
        let phase = match request {
            Ok(id) => Phase::Schema(id),
            Err(error) => return Ok(Ended::lost(error.to_string())),
        };
        worker.enter(SessionState::Identifying, String::new());
        let (reporter, reports) = (Reporter::new(worker), worker.reports.clone());
        let ownership = Ownership::new(&worker.settings.deployment, &worker.settings.previous_prefixes);
        let policy = policy(&worker.settings.sections, worker.hold);
        let mut live = Self {
            worker,
            connection,
            phase,
            lock_request: None,
            lock: Lock::Off,
            tenures: 0,
            knows_locks: false,
            steal_at: None,
            schema_version: String::new(),
            policy,
            replica: Replica::new(ownership),
            work: Work::default(),
            pace: Pace::default(),
            reporter,
            guard: Guard::Unknown,
            tally: Tally::default(),
            last_plan: None,
            draining: BTreeSet::new(),
            drained_unknown: true,
            confirmed: None,
            audited: false,
            asked: None,
            next_audit: after(AUDIT_PERIOD),
            setup: Setup { next: after(SETUP_SILENCE), end: after(SETUP_TIMEOUT), received: 0 },
            buffer: Vec::new(),
            report: Report::default(),
            differences: None,
        };
        let mut alarm = Alarm::new();
        loop {
            let deadline = if live.phase == Phase::Following { live.next_timer() } else { live.setup.next };
            let step = tokio::select! {
                message = inbox.recv() => if let Some(message) = message {
                    backoff.replied();
                    live.take(message)
                } else {
                    let reason = inbox.close_reason().unwrap_or(CloseReason::Dropped);
                    Err(Ended { silence: reason.silence(), ..Ended::lost(reason.to_string()) })
                },
                news = live.worker.mailbox.take() => {
                    let changed = merge(&mut live.worker.desired, &mut live.worker.revision, news);
                    live.desired_changed(changed);
                    Ok(())
                }
                query = live.worker.queries.recv() => match query {
                    Some(query) => live.answer(query),
                    None => return Err(Stopped),
                },
                Ok(place) = reports.reserve(), if live.reporter.has_news() => {
                    if let Some(report) = live.reporter.next(live.worker, &live.replica) {
                        place.send(report);
                    }
                    Ok(())
                }
                () = alarm.until(deadline) => live.timer(),
            };
            if let Err(ended) = step.and_then(|()| live.pump()) {
                live.leave(inbox.close_reason().as_ref());
                live.report_plan(live.tally, false);
                return Ok(ended);
            }
        }
    }

    fn take(&mut self, message: Incoming) -> Step {
        match message {
            Incoming::Reply { id, result } => self.reply(id, result),
            Incoming::Update { monitor, updates } if monitor == MONITOR => self.update(&updates),
            Incoming::Locked(name) => {
                self.locked(&name);
                Ok(())
            }
            Incoming::Stolen(name) => {
                self.stolen(&name);
                Ok(())
            }
            Incoming::MonitorCanceled(monitor) if monitor == MONITOR => {
                Err(Ended::lost("the switch's database was converted or removed"))
            }
            Incoming::MonitorCanceled(_)
            | Incoming::Update { .. }
            | Incoming::Update2 { .. }
            | Incoming::Other { .. } => Ok(()),
        }
    }

    fn reply(&mut self, id: u64, result: Result<Raw, RpcError>) -> Step {
        if self.lock_request == Some(id) {
            self.lock_request = None;
            return self.lock_answered(result);
        }
        if self.is_alive(id) {
            return Ok(());
        }
        match self.phase {
            Phase::Schema(request) if request == id => self.identify(result),
            Phase::Monitor(request) if request == id => self.synchronise(result),
            _ => self.answered(id, result),
        }
    }

    /// The schema came: asks for what it has of what we want, and for the lock.
    fn identify(&mut self, result: Result<Raw, RpcError>) -> Step {
        let raw =
            result.map_err(|error| Ended::refused(format!("the server has no hardware_vtep database: {error}")))?;
        let schema = Schema::read(&mut raw.cursor())?;
        let columns = Columns::intersect(&schema.tables).map_err(|error| Ended::refused(error.to_string()))?;
        extras(&mut self.policy, columns, &schema.tables, &self.worker.settings.sections);
        self.schema_version = schema.version;
        // Who only looks on must not keep another controller from its work.
        if !self.observes() {
            self.ask_for_lock()?;
        }
        let params = self.policy.columns.monitor_params(MONITOR);
        self.phase = Phase::Monitor(self.request("monitor", &params)?);
        self.worker.enter(SessionState::Syncing, String::new());
        Ok(())
    }

    /// The first monitor reply: everything that the switch holds.
    fn synchronise(&mut self, result: Result<Raw, RpcError>) -> Step {
        let raw = result.map_err(|error| Ended::lost(format!("the switch refused the monitor: {error}")))?;
        off_the_fast_path(raw.as_bytes().len(), || self.replica.load(raw.into_vec()))?;
        self.phase = Phase::Following;
        self.still_introduced()?;
        let present: Vec<&str> = self.replica.switches().map(|switch| switch.name.as_str()).collect();
        let sections = &self.worker.desired.sections;
        if sections.keys().all(|name| !present.contains(&name.as_str())) {
            let wanted: Vec<_> = sections.keys().map(String::as_str).collect();
            let there = if present.is_empty() { "none".to_owned() } else { present.join(", ") };
            tracing::warn!(switch = %self.worker.names(), wanted = wanted.join(", "), there, "the database has no Physical_Switch of the configured name; nothing is written to it");
        }
        let rows = self.replica.mac_total();
        self.connection.set_patience(self.worker.patience(rows));
        self.worker.enter(SessionState::Up, String::new());
        tracing::info!(switch = %self.worker.names(), rows, schema = %self.schema_version, lock = self.lock.word(), "the session is up");
        self.reporter.begin(&self.replica);
        self.audit();
        Ok(())
    }

    pub(super) fn planner(&self) -> Planner<'_> {
        Planner {
            desired: &self.worker.desired,
            actual: &self.replica,
            policy: &self.policy,
            in_flight: &self.work.in_flight,
            quarantined: &|_| false,
            guard: self.guard,
        }
    }

    fn request(&mut self, method: &str, params: &[u8]) -> Step<u64> {
        self.connection.request(method, params).map_err(|error| Ended::lost(error.to_string()))
    }

    fn answer(&mut self, query: Query) -> Step {
        match query {
            Query::Status(hosts, answer) => {
                self.look();
                drop(answer.send(status::with_session(self, &hosts)));
            }
            Query::Plan(query, answer) => drop(answer.send(self.preview(&query))),
            Query::Repair => return self.repair(),
            Query::Hold(hold) => {
                self.worker.hold = hold;
                self.hold(hold);
            }
            Query::Alive(answer) => return self.ask_alive(answer),
            // The session lives: the newcomer is closed.
            Query::Adopt(_) => {}
            Query::Release => {
                tracing::info!(switch = %self.worker.names(), "held deletions were released by an operator");
                self.worker.released = true;
                self.audit();
            }
        }
        Ok(())
    }
}

// ===== impl Live: what changed =====

impl Live<'_> {
    /// Compares everything, and queues what differs.
    fn audit(&mut self) {
        self.differences = None;
        self.next_audit = after(AUDIT_PERIOD);
        self.guard = Guard::Unknown;
        self.work.held.clear();
        self.drained_unknown = true;
        self.audited = self.worker.revision.is_some();
        if self.audited && !self.observes() {
            let rows = self.replica.mac_total() * 48;
            let audit = off_the_fast_path(rows, || self.planner().audit(None));
            self.work.queue.push_audit(audit);
        }
    }

    fn desired_changed(&mut self, changed: Changed) {
        self.differences = None;
        if self.phase != Phase::Following {
            return;
        }
        self.guard = Guard::Unknown;
        // What was held may be right by now, wherever it is.
        let anew = !self.audited || (!changed.switches.is_empty() && !self.work.held.is_empty());
        if anew {
            self.audit();
        }
        for (switch, before) in changed.switches {
            self.drained_unknown = true;
            if !anew {
                self.bindings_changed(&switch, &before);
            }
        }
        for ChangedNetwork { id, rows, macs } in changed.networks {
            if rows {
                self.work.queue.push(Key::Network(id));
            }
            match macs {
                Some(macs) => self.work.queue.extend(macs.into_iter().map(|mac| Key::Mac(id, mac))),
                None => self.work.compare_all_of(id),
            }
        }
    }

    /// Queues what became different for a switch: bindings, and networks that came, went, or whose going is explained.
    fn bindings_changed(&mut self, name: &str, before: &SwitchIntent) {
        let Some(section) = self.worker.desired.sections.get(name) else { return };
        let now = &section.intent;
        let networks = before.networks.symmetric_difference(&now.networks);
        let explained = before.buried_networks.symmetric_difference(&now.buried_networks);
        let bound = |intent: &SwitchIntent, key: &(String, VlanId)| intent.bindings.get(key).map(|bound| bound.network);
        let either = before.bindings.keys().chain(now.bindings.keys());
        let bindings = either.filter(|key| bound(before, key) != bound(now, key)).map(|(port, vlan)| (port, *vlan));
        let unbound = before.buried_bindings.symmetric_difference(&now.buried_bindings);
        let bindings = bindings.chain(unbound.map(|(_, port, vlan)| (port, *vlan)));
        if let Some(switch) = self.replica.switch(&section.physical_switch) {
            for (port, vlan) in bindings {
                if let Some((uuid, _)) = self.replica.port_of(switch, port) {
                    self.work.queue.push(Key::Binding(uuid, vlan.get()));
                }
            }
        }
        for network in networks.chain(explained) {
            self.work.queue.push(Key::Network(*network));
            self.work.compare_all_of(*network);
        }
    }

    /// Rows changed on the switch: by us, by itself, or by somebody else.
    fn update(&mut self, updates: &Raw) -> Step {
        let mut touched = Touched::default();
        off_the_fast_path(updates.as_bytes().len(), || self.replica.apply(updates.as_bytes(), &mut touched))?;
        self.differences = None;
        if self.phase != Phase::Following {
            return Ok(());
        }
        self.reporter.touch(&touched, &self.replica);
        if touched.switches {
            self.still_introduced()?;
            self.audit();
        }
        let mut emptied = BTreeSet::new();
        for (index, mac) in touched.macs {
            let Some(network) = self.planner().owner(index) else { continue };
            self.work.touch(Key::Mac(network, mac));
            if self.replica.mac_count(index) == 0 {
                emptied.insert(network);
            }
        }
        for network in emptied {
            self.touch_network(network);
        }
        for index in touched.logical_switches {
            if let Some(network) = self.planner().owner(index) {
                self.touch_network(network);
            }
        }
        self.work.touch_all(touched.tunnels.into_iter().map(Key::Tunnel));
        self.work.touch_all(touched.managers.then_some(Key::Managers));
        self.touch_rows(&touched.rows);
        if !touched.ports.is_empty() {
            self.work.retry_conflicts();
        }
        for port in touched.ports {
            for vlan in self.vlans_of(port) {
                self.work.touch(Key::Binding(port, vlan));
            }
        }
        Ok(())
    }

    fn touch_network(&mut self, network: NetworkId) {
        self.work.touch(Key::Network(network));
        // Bindings that went may have been the last thing that kept its MACs.
        if !self.worker.desired.networks.contains_key(&network) {
            self.work.compare_all_of(network);
        }
    }

    /// Logical_Switch rows came, went or changed: their MACs are looked at, and what they blocked.
    fn touch_rows(&mut self, rows: &BTreeSet<LogicalSwitchIndex>) {
        if rows.is_empty() {
            return;
        }
        self.drained_unknown = true;
        self.work.retry_conflicts();
        for index in rows {
            match self.planner().owner(*index) {
                Some(network) => self.work.compare_all_of(network),
                // It went, or its name isn't ours any more: whoever is desired and has no row now wants one.
                None => {
                    for network in self.missing_networks() {
                        self.work.touch(Key::Network(network));
                    }
                }
            }
        }
    }

    fn missing_networks(&self) -> Vec<NetworkId> {
        let planner = self.planner();
        let missing = |network: &NetworkId| planner.logical_switches(*network).0.is_none();
        self.worker.desired.networks.keys().copied().filter(missing).collect()
    }

    /// VLANs of a port that something is bound to, or should be.
    fn vlans_of(&self, port: uuid::Uuid) -> BTreeSet<u16> {
        let bound = self.replica.port(port).into_iter().flat_map(|row| row.bindings.keys().copied());
        let section = self.worker.desired.section_of(&self.replica, port);
        let desired = section.into_iter().flat_map(|(section, name)| {
            section.intent.bindings.keys().filter(move |(port, _)| port == name).map(|(_, vlan)| vlan.get())
        });
        bound.chain(desired).collect()
    }

    fn next_timer(&self) -> Instant {
        let timers = [self.work.next_tick(), self.asked.as_ref().map(|asked| asked.until), self.steal_at];
        timers.into_iter().flatten().min().map_or(self.next_audit, |timer| timer.min(self.next_audit))
    }

    fn timer(&mut self) -> Step {
        let now = Instant::now();
        if self.phase != Phase::Following {
            let received = self.connection.received();
            if received == self.setup.received || now >= self.setup.end {
                return Err(Ended::lost("the switch did not answer in time"));
            }
            self.setup = Setup { next: now + SETUP_SILENCE, received, ..self.setup };
            return Ok(());
        }
        self.still_alive(now)?;
        self.steal_from_ghost(now)?;
        self.work.tick(now);
        if self.next_audit <= now {
            self.worker.warn_of_expiry();
            self.audit();
        }
        Ok(())
    }
}

/// Runs what may take longer than a task should without others being kept from running.
fn off_the_fast_path<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    if bytes > LARGE { tokio::task::block_in_place(work) } else { work() }
}
