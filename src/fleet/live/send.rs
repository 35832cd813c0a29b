//! What a session sends: transactions from the queue, and what becomes of them.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::{Ended, Live, Lock, PAUSE, Pace, Phase, Step, off_the_fast_path};
use crate::{
    fleet::work::Sent,
    ovsdb::{Raw, RpcError, transact::Reply},
    plan::{Guard, Key, Planner, Tally, Transaction, Verdict},
    vtep,
};

// ===== impl Live: what is sent =====

impl Live<'_> {
    fn may_write(&self) -> bool {
        self.phase == Phase::Following
            && self.worker.revision.is_some()
            && self.lock != Lock::Waiting
            && self.work.paused.is_none()
    }

    /// Sends as much as may be under way.
    pub(super) fn pump(&mut self) -> Step {
        while self.may_write() && self.work.sent.len() < Pace::WINDOW {
            let unsynced = self.work.take_unsynced();
            if !unsynced.is_empty() {
                let rows = self.replica.mac_total() * 48;
                let audit = off_the_fast_path(rows, || self.planner().audit(Some(&unsynced)));
                self.work.push_audit(audit);
            }
            let Some(transaction) = self.next_transaction() else { break };
            self.buffer.clear();
            let asserted = self.lock == Lock::Held;
            let lock = asserted.then_some(self.worker.settings.deployment.as_str());
            vtep::encode(lock, &transaction.operations, &mut self.buffer);
            let id =
                self.connection.request("transact", &self.buffer).map_err(|error| Ended::lost(error.to_string()))?;
            let rows = self.words(&transaction);
            self.work.sent(id, Sent { transaction, rows, asserted, at: Instant::now() });
        }
        self.rest();
        Ok(())
    }

    fn next_transaction(&mut self) -> Option<Transaction> {
        loop {
            let mut transaction = Transaction::default();
            if let Some(half) = self.work.pop_half() {
                for key in half {
                    self.add(key, &mut transaction);
                }
            } else {
                let mut looked_at = false;
                while transaction.len() < self.pace.operations()
                    && let Some(key) = self.work.pop()
                {
                    looked_at = true;
                    self.add(key, &mut transaction);
                }
                if !looked_at {
                    return None;
                }
            }
            if !transaction.is_empty() {
                return Some(transaction.finish(&self.replica));
            }
        }
    }

    fn add(&mut self, key: Key, transaction: &mut Transaction) {
        // A fight is looked for before the row is repaired once more, and only if it needs repair.
        if self.work.is_quarantined(&key) {
            return;
        }
        let mut verdict = self.verdict(key, transaction);
        if verdict == Verdict::Uncounted {
            self.count_unexplained();
            verdict = self.verdict(key, transaction);
        }
        match verdict {
            Verdict::Right => self.work.absolve(&key),
            Verdict::Wait => self.work.wait(key),
            Verdict::Conflict => drop(self.work.conflicts.insert(key)),
            Verdict::Added | Verdict::Quarantined | Verdict::Uncounted | Verdict::Held => {}
        }
    }

    fn verdict(&mut self, key: Key, transaction: &mut Transaction) -> Verdict {
        let mut trial = Transaction::default();
        if self.work.has_drifted(&key) && self.plan(key, &mut trial) == Verdict::Added {
            tracing::debug!(switch = %self.worker.names(), ?key, "a row was changed by somebody else; putting it back");
            let repaired = self.work.may_repair(key, Instant::now());
            self.note_drift(key, trial, repaired);
            if !repaired {
                tracing::warn!(switch = %self.worker.names(), ?key, "somebody else keeps changing a row; leaving it alone for a while");
                return Verdict::Quarantined;
            }
        }
        self.plan(key, transaction)
    }

    fn plan(&self, key: Key, transaction: &mut Transaction) -> Verdict {
        let quarantined = |key: &Key| self.work.is_quarantined(key);
        Planner { quarantined: &quarantined, ..self.planner() }.add(key, transaction)
    }

    /// Counts the deletions that nothing explains, and decides whether they may go.
    fn count_unexplained(&mut self) {
        let planner = Planner { guard: Guard::Unknown, ..self.planner() };
        let count = planner.count_unexplained();
        self.guard = if self.worker.released { Guard::Pass } else { count.verdict(&self.policy) };
        if self.guard == Guard::Hold {
            let networks: BTreeSet<_> = count.unexplained.keys().copied().collect();
            if networks != self.work.held {
                tracing::warn!(
                    switch = %self.worker.names(), rows = count.total(), of = count.own,
                    "deletions that nothing explains are held; look at the desired state, then release them"
                );
            }
            self.work.held = networks;
        } else {
            self.work.held.clear();
        }
    }

    /// A transaction was answered.
    pub(super) fn answered(&mut self, id: u64, result: Result<Raw, RpcError>) -> Step {
        let Some(sent) = self.work.sent.remove(&id) else { return Ok(()) };
        let now = Instant::now();
        self.work.release(&sent.transaction);
        let raw =
            result.map_err(|error| Ended::lost(format!("the switch refused a transaction as a whole: {error}")))?;
        let assert = usize::from(sent.asserted);
        let operations = sent.transaction.operations.len();
        let reply = Reply::read(&mut raw.cursor(), operations + assert)?;
        let Some(failure) = reply.failure() else {
            self.pace.answered(operations, now.duration_since(sent.at));
            self.tally += sent.transaction.tally;
            self.applied(sent.rows, &sent.transaction.keys);
            for key in sent.transaction.keys {
                // RFC 7047 lets the update come after the reply; until it does, the row isn't written once more.
                match self.verdict(key, &mut Transaction::default()) {
                    Verdict::Right => self.work.absolve(&key),
                    _ => self.work.settle(key, now),
                }
            }
            return Ok(());
        };
        let details = failure.details.map(|details| format!(": {details}")).unwrap_or_default();
        let error = format!("{}{details}", failure.error);
        let operation = failure.operation.and_then(|operation| operation.checked_sub(assert));
        let culprit = operation.and_then(|operation| sent.transaction.key_of(operation));
        let mut keys = sent.transaction.keys;
        match failure.error {
            "not owner" => {
                self.lock = Lock::Waiting;
                self.work.push_all(keys);
            }
            "resources exhausted" | "I/O error" => {
                tracing::warn!(switch = %self.worker.names(), error, "the switch's database is in trouble");
                self.work.paused = Some(now + PAUSE);
                self.work.push_all(keys);
            }
            _ => match culprit {
                Some(culprit) => {
                    tracing::warn!(switch = %self.worker.names(), key = ?culprit, error, "the switch refused a row");
                    self.work.blame(culprit, error, now);
                    keys.retain(|key| *key != culprit);
                    self.work.again(keys);
                }
                None if keys.len() > 1 => self.work.bisect(keys),
                None => {
                    for key in keys {
                        tracing::warn!(switch = %self.worker.names(), ?key, error, "the switch refused a row");
                        self.work.blame(key, error.clone(), now);
                    }
                }
            },
        }
        Ok(())
    }

    /// When all is done: what was applied, what is still draining, and how far the switch confirms.
    fn rest(&mut self) {
        if self.phase != Phase::Following || !self.work.is_quiet() || self.worker.revision.is_none() {
            return;
        }
        if self.tally != Tally::default() {
            let Tally { inserts, updates, deletes } = self.tally;
            tracing::info!(switch = %self.worker.names(), inserts, updates, deletes, revision = self.worker.revision, "the switch is as desired");
            let tally = std::mem::take(&mut self.tally);
            self.last_plan = Some((std::time::SystemTime::now(), tally));
            self.report_plan(tally, true);
        }
        // A release is for what was held, not for what may come.
        if self.worker.released {
            self.worker.released = false;
            self.guard = Guard::Unknown;
        }
        if self.drained_unknown {
            self.drained_unknown = false;
            let planner = self.planner();
            let owned = self.replica.logical_switches().filter_map(|(index, _)| planner.owner(index));
            self.draining = owned.filter(|network| !self.worker.desired.networks.contains_key(network)).collect();
        }
        // Tombstones are needed until what they explain is gone.
        let done = self.draining.difference(&self.work.held).next().is_none() && self.work.quarantine.is_empty();
        if done
            && self.lock != Lock::Waiting
            && self.confirmed != self.worker.revision
            && let Some(revision) = self.worker.revision
            && self.worker.confirm.try_send((self.worker.settings.address.clone(), revision)).is_ok()
        {
            self.confirmed = Some(revision);
        }
    }
}
