//! The lock of the database (RFC 7047 section 4.1.8; architecture rule 6): only its holder writes, and a holder that loses
//! it stops at once. A pure state machine: [`Lock::on`] takes an event and says what to send.
//!
//! ```text
//!             ask                 {"locked": true}
//!     Off ─────────▶ Requested ─────────────────────▶ Held ──stolen──▶ Lost
//!                     │ │ ▲  │ {"locked": false}       ▲ ▲  ◀─locked────┘
//!      unknown method │ │ │  └─────────▶ Waiting ──────┘ │
//!                     ▼ │ │ timer          │ timer, where our last session may hold it
//!         Unsupported   │ │                ▼             │
//!                       ▼ │            Stealing ─────────┘
//!      Standby (read-only), Refused (any other error)
//! ```
//!
//! A server that follows a cluster's leader, or is a relay, makes `Standby` of any state until it leads.
//!
//! Nothing is written but in the states `Off`, `Unsupported` and `Held`.

use std::{
    fmt,
    time::{Duration, Instant},
};

use crate::ovsdb::RpcError;

/// How long the server has to find out by itself that our last session, whose lock it keeps, is dead.
const ORPHANED: Duration = Duration::from_secs(5);
/// First and last wait before a server that refused is asked again.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(8);

/// Who holds the lock, as far as the server has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::fleet) enum LockState {
    /// It isn't asked for: `lock = off`, or a switch that is only observed.
    Off,
    /// The server knows no locks.
    Unsupported,
    /// Asked for, not answered.
    Requested,
    /// Another client holds it; we are in the server's queue.
    Waiting,
    /// Being taken from our own last session, which died without a word.
    Stealing,
    /// Ours. The number tells one time that we hold it from another.
    Held {
        /// Counts from 1 in each session.
        tenure: u64,
    },
    /// It was taken from us; we are in the server's queue.
    Lost,
    /// The server's database isn't to be written, in any state of the lock.
    Standby(Standby),
    /// The server refused to give it, for a reason of its own.
    Refused(String),
}

/// Why a server isn't to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fleet) enum Standby {
    /// It is read-only: the backup of a replicated pair.
    ReadOnly,
    /// It follows the leader of a RAFT cluster. The leader, and another member, know nothing of its locks.
    Follower,
    /// It is a member of a RAFT cluster, and has lost touch with it.
    Detached,
    /// It is an OVSDB relay: the server behind it, which checks what a transaction asserts, knows nothing of its locks.
    Relay,
}

/// What concerns the lock.
#[derive(Debug)]
pub(super) enum LockEvent<'a> {
    /// It is wanted.
    Wanted,
    /// It isn't wanted any more.
    Unwanted,
    /// The reply to our request for it: `{"locked": …}`.
    Answered(bool),
    /// The reply was an error.
    Failed(&'a RpcError),
    /// `locked` (RFC 7047 section 4.1.9).
    Granted,
    /// `stolen` (section 4.1.10).
    Stolen,
    /// A transaction was refused that asserted the lock in this tenure.
    NotOwner(u64),
    /// The moment [`Lock::due`] came.
    Due,
    /// The server follows the leader of a cluster.
    Following,
    /// The server is a member of a cluster that it has lost touch with.
    Detached,
    /// The server is a relay.
    Relaying,
    /// The server leads its cluster, or stands alone.
    Leading,
}

/// What is to be done about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LockAction {
    /// Nothing.
    None,
    /// Ask for it.
    Ask,
    /// Give it back.
    GiveBack,
    /// Take it. We are in its queue, and ovsdb-server refuses to have it stolen from there: leave the queue first.
    Steal,
    /// A new tenure began.
    Begun,
    /// Our tenure ended by another's theft.
    Stopped,
    /// Something stands in the way, and it is another thing than before.
    Blocked,
    /// The server says that it isn't ours, and never said that it took it away: it might never say either that we have it
    /// again. The session ends.
    Contradicted,
}

/// The lock of one session.
#[derive(Debug)]
pub(super) struct Lock {
    state: LockState,
    wanted: bool,
    /// Our last session may still hold it.
    orphaned: bool,
    tenures: u64,
    due: Option<Instant>,
    wait: Duration,
    /// What stood in the way last.
    obstacle: LockState,
}

// ===== impl LockState =====

impl LockState {
    /// The public word.
    pub(in crate::fleet) fn word(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Unsupported => "unsupported",
            Self::Held { .. } => "held",
            Self::Standby(_) => "standby",
            Self::Requested | Self::Waiting | Self::Stealing | Self::Lost | Self::Refused(_) => "waiting",
        }
    }

    /// Whether something may be written.
    pub(in crate::fleet) fn may_write(&self) -> bool {
        matches!(self, Self::Off | Self::Unsupported | Self::Held { .. })
    }

    pub(in crate::fleet) fn tenure(&self) -> Option<u64> {
        if let Self::Held { tenure } = self { Some(*tenure) } else { None }
    }

    /// Whether the server has us as holder, or in its queue.
    fn is_asked_for(&self) -> bool {
        matches!(self, Self::Requested | Self::Waiting | Self::Stealing | Self::Held { .. } | Self::Lost)
    }

    /// Why nothing is written, and what to do; `None`: something is.
    pub(in crate::fleet) fn obstacle(&self, name: &str) -> Option<String> {
        match self {
            Self::Off | Self::Unsupported | Self::Held { .. } => None,
            Self::Requested | Self::Stealing => {
                Some(format!("the switch's lock '{name}' was asked for, and the switch has not answered yet"))
            }
            Self::Waiting | Self::Lost => Some(format!(
                "another controller holds the switch's lock '{name}': another vtepd with deployment = {name}, or a tool \
                 that took it; nothing is written until it lets go. Stop it, or give one of the two another deployment"
            )),
            Self::Standby(standby) => Some(standby.to_string()),
            Self::Refused(error) => Some(format!(
                "the switch refused us its lock '{name}' ({error}): it is asked again; where it can't lock, set lock = off"
            )),
        }
    }

    /// Whether it keeps us from writing.
    pub(in crate::fleet) fn is_obstacle(&self) -> bool {
        !matches!(self, Self::Off | Self::Unsupported | Self::Held { .. })
    }

    /// What to do about the obstacle.
    pub(in crate::fleet) fn fix(&self) -> &'static str {
        match self {
            Self::Off | Self::Unsupported | Self::Held { .. } => "",
            Self::Requested | Self::Stealing => "work is under way: look again",
            Self::Waiting | Self::Lost => "stop the other controller, or give one of the two another deployment",
            Self::Standby(Standby::ReadOnly) => {
                "set management_ip to the active server's address, or make this one active"
            }
            Self::Standby(Standby::Follower) => {
                "set management_ip to a name with the addresses of all members, or run a daemon for each of them"
            }
            Self::Standby(Standby::Detached) => "look at the cluster: ovs-appctl cluster/status hardware_vtep",
            Self::Standby(Standby::Relay) => {
                "set management_ip to the server behind the relay; or lock = off, where nobody else writes"
            }
            Self::Refused(_) => "look at the switch's log; where it can't lock, set lock = off",
        }
    }
}

impl fmt::Display for Standby {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOnly => {
                "the switch's database is read-only, a standby: nothing is written until it is made the active one, or \
                 management_ip is set to the active one's address"
            }
            Self::Follower => {
                "the server follows the leader of a RAFT cluster, and its locks are unknown to the other members: nothing \
                 is written until it leads. Set management_ip to a name with the addresses of all members, or lock = off \
                 where nobody else writes"
            }
            Self::Detached => {
                "the server is a member of a RAFT cluster, and has lost touch with it: nothing is written until it leads"
            }
            Self::Relay => {
                "the server is an OVSDB relay, and its locks are unknown to the server behind it: nothing is written. Set \
                 lock = off where nobody else writes, or set management_ip to the server behind it"
            }
        })
    }
}

// ===== impl Lock =====

impl Lock {
    /// At the start of a session. `orphaned`: the last one died while it held the lock.
    pub(super) fn new(orphaned: bool) -> Self {
        Self {
            state: LockState::Off,
            wanted: false,
            orphaned,
            tenures: 0,
            due: None,
            wait: RETRY_MIN,
            obstacle: LockState::Off,
        }
    }

    pub(super) fn state(&self) -> &LockState {
        &self.state
    }

    /// Whether the server may hold it for this or an earlier session of ours, should we go without a word.
    pub(super) fn is_left_behind(&self, silently: bool) -> bool {
        self.orphaned || (silently && matches!(self.state, LockState::Held { .. }))
    }

    /// When [`LockEvent::Due`] is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Moves on. Events that don't fit the state are repetitions, or have been overtaken: they change nothing.
    pub(super) fn on(&mut self, event: &LockEvent<'_>, now: Instant) -> LockAction {
        use LockState::{Held, Lost, Off, Refused, Requested, Stealing, Unsupported, Waiting};
        match event {
            LockEvent::Wanted => self.wanted = true,
            LockEvent::Unwanted => self.wanted = false,
            _ => {}
        }
        match (event, &self.state) {
            (LockEvent::Following, state) => self.stand_by(state.is_asked_for(), Standby::Follower),
            (LockEvent::Detached, state) => self.stand_by(state.is_asked_for(), Standby::Detached),
            (LockEvent::Relaying, state) => self.stand_by(state.is_asked_for(), Standby::Relay),
            (LockEvent::Leading, LockState::Standby(Standby::Follower | Standby::Detached | Standby::Relay))
                if self.wanted =>
            {
                self.enter(Requested, None);
                LockAction::Ask
            }
            (LockEvent::Wanted, Off) => {
                self.enter(Requested, None);
                LockAction::Ask
            }
            (LockEvent::Leading, LockState::Standby(Standby::Follower | Standby::Detached | Standby::Relay))
            | (LockEvent::Unwanted, Off | Unsupported | LockState::Standby(Standby::ReadOnly) | Refused(_)) => {
                self.enter(Off, None);
                LockAction::None
            }
            (LockEvent::Unwanted, Requested | Waiting | Stealing | Held { .. } | Lost) => {
                self.enter(Off, None);
                LockAction::GiveBack
            }
            (LockEvent::Answered(true), Requested | Stealing) | (LockEvent::Granted, Requested | Waiting | Lost) => {
                self.begin()
            }
            (LockEvent::Answered(false), Requested | Stealing) => {
                let steal = self.orphaned.then(|| now + ORPHANED);
                self.enter(Waiting, steal);
                self.blocked()
            }
            (LockEvent::Failed(error), Requested | Stealing) => self.failed(error, now),
            (LockEvent::Stolen, Held { .. }) => {
                self.enter(Lost, None);
                LockAction::Stopped
            }
            (LockEvent::NotOwner(tenure), Held { tenure: current }) if tenure == current => LockAction::Contradicted,
            (LockEvent::Due, Waiting) if self.is_due(now) => {
                self.orphaned = false;
                self.enter(Stealing, None);
                LockAction::Steal
            }
            (LockEvent::Due, LockState::Standby(Standby::ReadOnly) | Refused(_)) if self.is_due(now) => {
                self.enter(Requested, None);
                LockAction::Ask
            }
            _ => LockAction::None,
        }
    }

    /// Gives back what was asked for, and waits until the server leads.
    fn stand_by(&mut self, asked_for: bool, standby: Standby) -> LockAction {
        if self.state == LockState::Standby(standby) {
            return LockAction::None;
        }
        self.enter(LockState::Standby(standby), None);
        if asked_for { LockAction::GiveBack } else { self.blocked() }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    fn enter(&mut self, state: LockState, due: Option<Instant>) {
        (self.state, self.due) = (state, due);
    }

    fn begin(&mut self) -> LockAction {
        self.tenures += 1;
        self.orphaned = false;
        (self.wait, self.obstacle) = (RETRY_MIN, LockState::Off);
        self.enter(LockState::Held { tenure: self.tenures }, None);
        LockAction::Begun
    }

    /// Only "unknown method" says that a server has no locks. Anything else leaves us in no queue: it is asked again.
    fn failed(&mut self, error: &RpcError, now: Instant) -> LockAction {
        if error.error == "unknown method" {
            self.enter(LockState::Unsupported, None);
            return LockAction::None;
        }
        // ovsdb-server: "lock and unlock methods not allowed, DB server is read only."
        let text = error.to_string();
        let read_only = text.contains("read only") || text.contains("read-only");
        let state = if read_only { LockState::Standby(Standby::ReadOnly) } else { LockState::Refused(text) };
        self.enter(state, Some(now + self.wait));
        self.wait = (self.wait * 2).min(RETRY_MAX);
        self.blocked()
    }

    fn blocked(&mut self) -> LockAction {
        if self.obstacle == self.state {
            return LockAction::None;
        }
        self.obstacle = self.state.clone();
        LockAction::Blocked
    }
}

#[cfg(test)]
mod tests;
