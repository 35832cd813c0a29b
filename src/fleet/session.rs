//! One session with a switch: identify, read everything, then keep it right. A pure state machine: no socket, no runtime,
//! no clock.
//!
//! ```text
//!   Input: message, news, operator, timer ──▶ Session ──▶ Actions: requests, events, confirmation …
//!                          (with the moment)     │
//!             setup · lock · audit · follow · send · drift · journal, each with its own data
//! ```
//!
//! [`driver`](super::driver) does the I/O: it hands inputs in, then calls [`Session::advance`] until nothing is left to be
//! sent, and comes back at [`Session::deadline`] at the latest.

mod actions;
mod alive;
mod audit;
mod decode;
mod drift;
mod ended;
mod fence;
mod follow;
mod journal;
mod lock;
mod noise;
mod obstacles;
mod role;
mod send;
mod setup;
mod trouble;
mod view;

use std::{collections::BTreeSet, time::Instant};

pub(super) use self::{actions::Actions, ended::Ended, lock::LockState, obstacles::Obstacles, view::SessionView};
use self::{
    audit::Audits,
    journal::Journal,
    lock::{Lock, LockAction, LockEvent},
    noise::{Noise, Noises},
    role::Role,
    setup::{Phase, Setup},
};
use super::{
    pace::Pace,
    policy::policy,
    reporter::Reporter,
    target::{Moment, News, Target},
    work::Work,
};
use crate::{
    model::{NetworkId, Revision, status::SessionState},
    ovsdb::{CloseReason, Incoming, Raw, RpcError},
    plan::{Counting, GuardDecision, Planner, Policy},
    relay::Report,
    vtep::{Budget, Ownership, Replica},
};

/// The monitor's id.
const MONITOR: &str = "vtepd";

/// What a session hears of.
#[derive(Debug)]
pub(super) enum Input {
    /// The switch sent it.
    Message(Incoming),
    /// The desired state changed.
    Desired(News),
    /// An operator lets held deletions through.
    Release,
    /// An operator holds all deletions, or doesn't any more.
    Hold(bool),
    /// An operator has everything compared and put right.
    Repair,
    /// Does the switch still answer?
    AskAlive,
    /// The deadline came.
    Timer {
        /// Bytes that came in so far.
        received: u64,
    },
}

/// See the module.
#[derive(Debug)]
pub(super) struct Session<'t> {
    target: &'t mut Target,
    now: Moment,
    actions: Actions,
    setup: Setup,
    role: Role,
    lock: Lock,
    /// The request for the lock that isn't answered, and when it was sent.
    lock_request: Option<(u64, Instant)>,
    /// Since when the lock stands in the way.
    locked_since: Option<Instant>,
    /// Since when deletions are held.
    held_since: Option<Instant>,
    policy: Policy,
    replica: Replica,
    /// The message whose rows are being taken.
    pending: Option<decode::Pending>,
    /// When changed Physical_Switches may be looked at again, and whether they have to be.
    switches_next: Instant,
    switches_changed: bool,
    work: Work,
    pace: Pace,
    guard: GuardDecision,
    /// Deletions that nothing explains are being counted. While they are the session takes no input, so that the count holds.
    counting: Option<Counting>,
    audits: Audits,
    journal: Journal,
    reporter: Reporter,
    alive: Option<alive::Asked>,
    progress: Progress,
    noises: Noises,
}

/// How far the database is.
#[derive(Debug)]
struct Progress {
    /// Networks that nobody wants and that are still here.
    draining: BTreeSet<NetworkId>,
    /// The Logical_Switches changed since they were collected.
    draining_unknown: bool,
    confirmed: Option<Revision>,
}

type Step<T = ()> = Result<T, Ended>;

/// What the database may have us keep. Learned MACs beyond `max_learned_macs` are told of before there are too many.
fn budget(max_learned_macs: usize) -> Budget {
    let default = Budget::default();
    Budget { local_macs: default.local_macs.max(max_learned_macs.saturating_mul(2)), ..default }
}

// ===== impl Session: what its driver calls =====

impl<'t> Session<'t> {
    /// A session on a connection that is there: its first request is for the schema.
    pub(super) fn new(target: &'t mut Target, now: Moment) -> Self {
        let mut actions = Actions::default();
        let setup = Setup::begin(&mut actions, now.at);
        let event = target.enter(SessionState::Identifying, String::new(), now.date);
        actions.events.extend(event);
        target.obstacles.begin_session();
        let most_learned = target.settings.max_learned_macs;
        let ownership = Ownership::new(&target.settings.deployment, &target.settings.previous_prefixes);
        Self {
            now,
            actions,
            setup,
            role: Role::default(),
            lock: Lock::new(target.lock_orphaned),
            lock_request: None,
            locked_since: None,
            held_since: None,
            policy: policy(&target.settings.sections, target.hold),
            replica: Replica::new(ownership).with_budget(budget(most_learned)),
            pending: None,
            switches_next: now.at,
            switches_changed: false,
            work: Work::default(),
            pace: Pace::default(),
            guard: GuardDecision::Unknown,
            counting: None,
            audits: Audits::new(now.at),
            journal: Journal::default(),
            reporter: Reporter::new(&target.settings.database, most_learned),
            alive: None,
            progress: Progress { draining: BTreeSet::new(), draining_unknown: true, confirmed: None },
            noises: Noises::default(),
            target,
        }
    }

    /// Takes one input. What follows from it for the switch is sent by [`Session::advance`].
    pub(super) fn handle(&mut self, input: Input, now: Moment) -> Step {
        self.now = now;
        match input {
            Input::Message(message) => self.take(message),
            Input::Desired(news) => {
                let changed = self.target.merge(news);
                self.desired_changed(changed);
                Ok(())
            }
            Input::Release => {
                tracing::info!(switch = %self.target.names(), "held deletions were released by an operator");
                self.target.released = true;
                // Who waits for it waits until all is compared and deleted.
                self.progress.confirmed = None;
                self.audit();
                Ok(())
            }
            Input::Hold(hold) => {
                self.target.hold = hold;
                self.policy.hold = hold;
                self.audit();
                Ok(())
            }
            Input::Repair => self.repair(),
            Input::AskAlive => {
                self.ask_alive();
                Ok(())
            }
            Input::Timer { received } => self.timer(received),
        }
    }

    /// Does the next piece of work: a slice of rows, or at most one transaction. False: there is nothing to do until the next
    /// input. True: there is, and no input may come before.
    pub(super) fn advance(&mut self) -> Step<bool> {
        if self.decode_next()? {
            return Ok(true);
        }
        if self.observes() && self.setup.phase == Phase::Following {
            self.observe();
            return Ok(false);
        }
        if self.compare() || self.count_on() || self.send_next() {
            return Ok(true);
        }
        self.rest()?;
        Ok(false)
    }

    /// The size of what [`Session::advance`] has to compare until it takes input again, in bytes.
    pub(super) fn effort(&self) -> usize {
        if self.pending.is_some() { self.loaded_size() } else { self.comparison() }
    }

    /// The size of what it compares in its next step, in bytes: a large one is done off the runtime's fast path.
    pub(super) fn next_step(&self) -> usize {
        if self.pending.is_some() { self.loaded_size() } else { self.step() }
    }

    /// What is to be done. Whoever does it leaves it empty.
    pub(super) fn actions(&mut self) -> &mut Actions {
        &mut self.actions
    }

    /// When the session wants to hear of the time.
    pub(super) fn deadline(&self) -> Instant {
        if self.setup.phase != Phase::Following {
            return self.setup.next();
        }
        let alive = self.alive.as_ref().map(|asked| asked.until);
        let switches = (self.switches_changed || self.reporter.is_outdated()).then_some(self.switches_next);
        let timers =
            [self.work.next_tick(), alive, self.lock.due(), self.answer_due(), switches, self.target.obstacles.due()];
        timers.into_iter().flatten().fold(self.audits.next, Instant::min)
    }

    /// Whether there is something to report to the relay.
    pub(super) fn has_report(&self) -> bool {
        self.reporter.has_news()
    }

    /// The next report to the relay.
    pub(super) fn next_report(&mut self) -> Option<Report> {
        self.reporter.next(&self.target.desired, &self.replica)
    }

    /// The connection is gone, or we leave it. Returns what is still to be reported.
    pub(super) fn end(mut self, reason: Option<&CloseReason>) -> Actions {
        // Where nobody can have told the server, it keeps the lock for a dead session: over SSH for hours, because a Unix
        // socket isn't probed.
        let silently = matches!(reason, Some(CloseReason::Silent(_) | CloseReason::Cut(_) | CloseReason::Io(_)));
        self.target.lock_orphaned = self.lock.is_left_behind(silently);
        self.report_plan(false);
        self.actions
    }
}

// ===== impl Session: messages and time =====

impl Session<'_> {
    fn take(&mut self, message: Incoming) -> Step {
        self.work.heard = Some(self.now.at);
        match message {
            Incoming::Reply { id, result } => self.reply(id, result),
            Incoming::Update { monitor, updates } if monitor == MONITOR => self.decode(updates, false),
            Incoming::Update { monitor, updates } if monitor == role::MONITOR => self.role_changed(&updates),
            Incoming::Locked(name) if name == self.target.settings.deployment => self.lock_event(&LockEvent::Granted),
            Incoming::Stolen(name) if name == self.target.settings.deployment => self.lock_event(&LockEvent::Stolen),
            Incoming::MonitorCanceled(monitor) if monitor == MONITOR => Err(Ended::MonitorCanceled),
            Incoming::MonitorCanceled(_)
            | Incoming::Update { .. }
            | Incoming::Update2 { .. }
            | Incoming::Locked(_)
            | Incoming::Stolen(_)
            | Incoming::Other { .. } => Ok(()),
        }
    }

    fn reply(&mut self, id: u64, result: Result<Raw, RpcError>) -> Step {
        if self.lock_request.is_some_and(|(request, _)| request == id) {
            self.lock_request = None;
            return self.lock_answered(result);
        }
        if self.is_alive(id) {
            return Ok(());
        }
        match self.setup.phase {
            _ if self.setup.role == id => self.role_answered(result),
            Phase::Schema(request) if request == id => self.identify(result),
            Phase::Monitor(request) if request == id => self.synchronise(result),
            _ => self.answered(id, result),
        }
    }

    fn timer(&mut self, received: u64) -> Step {
        if self.setup.phase != Phase::Following {
            return self.setup.check(received, self.now.at);
        }
        self.still_alive()?;
        self.lock_event(&LockEvent::Due)?;
        self.check_unanswered()?;
        self.work.tick(self.now.at);
        self.look_at_switches()?;
        if self.target.obstacles.due().is_some() {
            self.obstacles_changed();
        }
        if self.audits.next <= self.now.at {
            self.actions.check_certificates = true;
            self.audit();
        }
        Ok(())
    }

    fn planner(&self) -> Planner<'_> {
        Planner {
            desired: &self.target.desired,
            actual: &self.replica,
            policy: &self.policy,
            in_flight: &self.work.in_flight,
            quarantined: &|_| false,
            guard: self.guard,
        }
    }
}

#[cfg(test)]
mod replay;
