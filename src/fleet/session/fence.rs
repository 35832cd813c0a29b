//! What a session does about the lock: carries out what [`Lock`](super::lock::Lock) decides.

use super::{Ended, LockAction, LockEvent, LockState, Noise, Session, Step};
use crate::{
    config::LockPolicy,
    ovsdb::{Raw, RpcError},
};

impl Session<'_> {
    /// The reply to our request for the lock.
    pub(super) fn lock_answered(&mut self, result: Result<Raw, RpcError>) -> Step {
        let raw = match result {
            Ok(raw) => raw,
            Err(error) => return self.lock_event(&LockEvent::Failed(&error)),
        };
        let mut held = false;
        raw.cursor().object(|member, value| match member {
            "locked" => value.boolean().map(|locked| held = locked),
            _ => value.skip(),
        })?;
        self.lock_event(&LockEvent::Answered(held))
    }

    pub(super) fn lock_event(&mut self, event: &LockEvent<'_>) -> Step {
        let action = self.lock.on(event, self.now.at);
        let is_blocked = self.lock.state().is_obstacle();
        self.locked_since = is_blocked.then(|| self.locked_since.unwrap_or(self.now.at));
        match action {
            LockAction::None => {}
            LockAction::Ask => self.request_lock("lock"),
            LockAction::GiveBack => {
                self.lock_request = None;
                self.request_lock("unlock");
            }
            LockAction::Steal => {
                tracing::warn!(switch = %self.target.names(), "taking the switch's lock from our last session, which died without a word");
                self.request_lock("unlock");
                self.request_lock("steal");
            }
            LockAction::Begun => self.lock_begun(matches!(event, LockEvent::Granted)),
            LockAction::Stopped => {
                if let Some(left_out) = self.note(Noise::Lock) {
                    tracing::warn!(switch = %self.target.names(), left_out, "the switch's lock was taken by another controller");
                    let event = self
                        .target
                        .session_event("the lock was taken by another controller: nothing is written until it is free");
                    self.actions.events.push(event);
                }
            }
            LockAction::Blocked => {
                if let Some(left_out) = self.note(Noise::Lock) {
                    let reason = self.lock.state().obstacle(&self.target.settings.deployment).unwrap_or_default();
                    tracing::info!(switch = %self.target.names(), reason, left_out, "the switch's lock isn't ours");
                }
            }
            LockAction::Contradicted => {
                self.target.contradictions += 1;
                return Err(Ended::Contradicted { count: self.target.contradictions });
            }
        }
        if *self.lock.state() == LockState::Unsupported && self.target.lock_policy() == LockPolicy::Required {
            return Err(Ended::NoLocks);
        }
        Ok(())
    }

    /// `waited`: the server reported it, after others had held it.
    fn lock_begun(&mut self, waited: bool) {
        if waited && let Some(left_out) = self.note(Noise::Lock) {
            tracing::info!(switch = %self.target.names(), left_out, "the switch's lock is ours now");
            self.actions.events.push(self.target.session_event("the lock is ours"));
        }
        self.progress.confirmed = None;
    }

    fn request_lock(&mut self, method: &'static str) {
        let name = &self.target.settings.deployment;
        let id = self.actions.request(method, |params| params.extend_from_slice(format!("[\"{name}\"]").as_bytes()));
        if method != "unlock" {
            self.lock_request = Some((id, self.now.at));
        }
    }
}
