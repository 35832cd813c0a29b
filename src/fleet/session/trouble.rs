//! A database that takes no writes, whatever they are about: it is out of resources, refuses transactions as a whole, or
//! leaves one unanswered. It is tried ever more rarely, and the status says why.

use std::time::{Duration, Instant};

use super::{Ended, Session, Step};
use crate::fleet::target::Trouble;

/// First and last wait before it is tried again.
const WAIT_MIN: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_mins(1);
/// An unanswered transaction is given up after this multiple of the patience, whatever else the switch says meanwhile.
const LIMIT: u32 = 10;

impl Session<'_> {
    /// Nothing is sent for a while.
    pub(super) fn troubled(&mut self, text: String) -> Duration {
        let before = self.target.trouble.take();
        let wait = before.as_ref().map_or(WAIT_MIN, |before| (before.wait * 2).min(WAIT_MAX));
        if before.is_none() {
            tracing::warn!(switch = %self.target.names(), reason = %text, "the switch's database takes no writes");
            self.actions.events.push(self.target.session_event(&text));
        }
        let since = before.map_or(self.now.at, |before| before.since);
        self.target.trouble = Some(Trouble { text, wait, since });
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

    /// When an unanswered transaction is given up; `None`: none is under way.
    pub(super) fn answer_due(&self) -> Option<Instant> {
        let sent = self.work.oldest()?;
        let patience = self.patience();
        if patience.is_zero() {
            return None;
        }
        // A slow line may bring much before it brings the answer.
        let heard = self.work.heard.map_or(sent, |heard| heard.max(sent));
        Some((heard + patience).min(sent + patience * LIMIT))
    }

    /// Ends a session in which a transaction is given up: whether it was committed, only a fresh look can tell.
    pub(super) fn check_unanswered(&mut self) -> Step {
        if self.answer_due().is_none_or(|due| due > self.now.at) {
            return Ok(());
        }
        let Some(sent) = self.work.oldest() else { return Ok(()) };
        let text = format!(
            "the switch left a transaction unanswered for {} s: look at its load, and its log",
            self.now.at.saturating_duration_since(sent).as_secs()
        );
        let rest = self.troubled(text.clone());
        Err(Ended { rest, ..Ended::lost(text) })
    }
}
