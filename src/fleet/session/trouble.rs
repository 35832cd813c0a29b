//! A database that takes no writes, whatever they are about: it is out of resources, refuses transactions as a whole, or
//! leaves one unanswered. It is tried ever more rarely, and the status says why.

use std::time::{Duration, Instant};

use super::{Ended, Phase, Session, Step};
use crate::fleet::target::{Trouble, Unwritable};

/// First and last wait before it is tried again.
const WAIT_MIN: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_mins(1);
/// An unanswered transaction is given up after this multiple of the patience, whatever else the switch says meanwhile.
const LIMIT: u32 = 10;

impl Session<'_> {
    /// Nothing is sent for a while.
    pub(super) fn troubled(&mut self, why: Unwritable) -> Duration {
        let before = self.target.trouble.take();
        let wait = before.as_ref().map_or(WAIT_MIN, |before| (before.wait * 2).min(WAIT_MAX));
        if before.is_none() {
            tracing::warn!(switch = %self.target.names(), reason = %why, "the switch's database takes no writes");
            self.actions.events.push(self.target.session_event(&why.to_string()));
        }
        let since = before.map_or(self.now.at, |before| before.since);
        self.target.trouble = Some(Trouble { why, wait, since });
        // A window of transactions fails at once: that is one attempt.
        if self.work.paused.is_none() {
            self.work.paused = Some(self.now.at + wait);
        }
        wait
    }

    /// A transaction was committed.
    pub(super) fn recovered(&mut self) {
        self.target.contradictions = 0;
        if self.target.trouble.take().is_some() {
            tracing::info!(switch = %self.target.names(), "the switch's database takes writes again");
            self.actions.events.push(self.target.session_event("the switch takes writes again"));
        }
    }

    /// When an unanswered request is given up; `None`: none is under way.
    pub(super) fn answer_due(&self) -> Option<Instant> {
        let lock = self.lock_request.filter(|_| self.setup.phase == Phase::Following).map(|(_, at)| at);
        let sent = self.work.oldest().into_iter().chain(lock).min()?;
        let patience = self.answer_patience();
        // A slow line may bring much before it brings the answer.
        let heard = self.work.heard.map_or(sent, |heard| heard.max(sent));
        Some((heard + patience).min(sent + patience * LIMIT))
    }

    /// Ends a session in which a request is given up: whether a transaction was committed, only a fresh look can tell.
    pub(super) fn check_unanswered(&mut self) -> Step {
        if self.answer_due().is_none_or(|due| due > self.now.at) {
            return Ok(());
        }
        let seconds = |sent: Instant| self.now.at.saturating_duration_since(sent).as_secs();
        if let Some(sent) = self.work.oldest() {
            let seconds = seconds(sent);
            let rest = self.troubled(Unwritable::Unanswered { seconds });
            return Err(Ended::Unanswered { what: "a transaction", seconds, rest });
        }
        let Some((_, sent)) = self.lock_request else { return Ok(()) };
        Err(Ended::Unanswered { what: "our request for its lock", seconds: seconds(sent), rest: Duration::ZERO })
    }
}
