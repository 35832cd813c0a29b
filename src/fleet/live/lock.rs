//! The lock of the database (architecture rule 6): whoever holds it writes, and a writer that loses it stops at once.

use std::time::Duration;

use tokio::time::Instant;

use super::{Ended, Live, Step, after};
use crate::{
    config::LockPolicy,
    ovsdb::{CloseReason, Raw, RpcError},
};

/// How long the server has to find out by itself that our last session, whose lock it keeps, is dead.
const GHOST: Duration = Duration::from_secs(5);

/// Whose lock it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fleet) enum Lock {
    /// Ours. The number tells one time that we hold it from another.
    Held(u64),
    Waiting,
    Unsupported,
    Off,
}

impl Lock {
    pub(in crate::fleet) fn word(self) -> &'static str {
        match self {
            Self::Held(_) => "held",
            Self::Waiting => "waiting",
            Self::Unsupported => "unsupported",
            Self::Off => "off",
        }
    }

    pub(super) fn is_held(self) -> bool {
        matches!(self, Self::Held(_))
    }
}

// ===== impl Live =====

impl Live<'_> {
    pub(super) fn ask_for_lock(&mut self) -> Step {
        let policies = || self.worker.settings.sections.iter().map(|section| section.lock);
        if policies().any(|policy| policy != LockPolicy::Off) {
            self.lock = Lock::Waiting;
            let lock = format!("[\"{}\"]", self.worker.settings.deployment);
            self.lock_request = Some(self.request("lock", lock.as_bytes())?);
        }
        Ok(())
    }

    pub(super) fn give_lock_back(&mut self) -> Step {
        if self.lock.is_held() {
            let lock = format!("[\"{}\"]", self.worker.settings.deployment);
            self.request("unlock", lock.as_bytes())?;
        }
        self.lock = Lock::Off;
        Ok(())
    }

    /// The reply to our question for it.
    pub(super) fn lock_answered(&mut self, result: Result<Raw, RpcError>) -> Step {
        let raw = match result {
            Ok(raw) => raw,
            // It knows locks, and what went wrong with this one leaves us in no queue.
            Err(error) if self.knows_locks => {
                return Err(Ended::lost(format!("the switch refused us its lock: {error}")));
            }
            Err(_) if self.worker.settings.sections.iter().any(|section| section.lock == LockPolicy::Required) => {
                return Err(Ended::refused("the switch knows no locks, and lock = required"));
            }
            Err(_) => {
                self.lock = Lock::Unsupported;
                return Ok(());
            }
        };
        self.knows_locks = true;
        let mut held = false;
        raw.cursor().object(|member, value| match member {
            "locked" => value.boolean().map(|locked| held = locked),
            _ => value.skip(),
        })?;
        if held {
            self.lock_granted();
        } else if self.worker.ghost {
            tracing::info!(switch = %self.worker.names(), "the switch's lock is held, perhaps still by our last session, which died without a word");
            self.steal_at = Some(after(GHOST));
        } else {
            tracing::info!(switch = %self.worker.names(), "another controller holds the switch's lock; waiting for it");
        }
        Ok(())
    }

    /// `locked`.
    pub(super) fn locked(&mut self, name: &str) {
        if self.is_ours(name) {
            tracing::info!(switch = %self.worker.names(), "the switch's lock is ours now");
            self.worker.tell_session("the lock is ours");
            self.lock_granted();
        }
    }

    fn lock_granted(&mut self) {
        self.tenures += 1;
        self.lock = Lock::Held(self.tenures);
        self.confirmed = None;
        self.steal_at = None;
        self.worker.ghost = false;
    }

    /// The session ended: where nobody can have told the server, it keeps the lock for a ghost. Over SSH for hours: a Unix
    /// socket isn't probed.
    pub(super) fn leave(&mut self, reason: Option<&CloseReason>) {
        let silently = matches!(reason, Some(CloseReason::Silent(_) | CloseReason::Cut(_) | CloseReason::Io(_)));
        self.worker.ghost |= silently && self.lock.is_held();
    }

    /// Takes the lock from our own ghost, once for each session that died while it held it. Should it be another daemon's
    /// by now, that one stops: no two of them write.
    pub(super) fn steal_from_ghost(&mut self, now: Instant) -> Step {
        if self.steal_at.take_if(|at| *at <= now).is_none() || self.lock != Lock::Waiting {
            return Ok(());
        }
        tracing::warn!(switch = %self.worker.names(), "taking the switch's lock from our last session, which died without a word");
        self.worker.ghost = false;
        let lock = format!("[\"{}\"]", self.worker.settings.deployment);
        self.request("unlock", lock.as_bytes())?;
        self.lock_request = Some(self.request("steal", lock.as_bytes())?);
        Ok(())
    }

    /// `stolen`.
    pub(super) fn stolen(&mut self, name: &str) {
        if self.is_ours(name) {
            tracing::warn!(switch = %self.worker.names(), "the switch's lock was taken by another controller");
            self.worker.tell_session("the lock was taken by another controller: nothing is written until it is free");
            self.lock = Lock::Waiting;
        }
    }

    /// Whether the server speaks of the lock that we asked for.
    fn is_ours(&self, name: &str) -> bool {
        name == self.worker.settings.deployment && (self.lock == Lock::Waiting || self.lock.is_held())
    }

    /// A transaction was refused that asserted the lock while we held it for the `tenure`th time.
    ///
    /// # Errors
    /// Where the server never said that it took the lock away: it might never say either that we have it again.
    pub(super) fn not_owner(&mut self, tenure: Option<u64>) -> Step {
        match self.lock {
            Lock::Held(now) if Some(now) == tenure => {
                Err(Ended::lost("the switch says that its lock isn't ours any more; asking for it anew"))
            }
            // We know, or have it again already: whatever it was goes back into the queue.
            _ => Ok(()),
        }
    }
}
