//! What a session sends: transactions from the queue, and what becomes of them.

use std::collections::BTreeSet;

use super::{LockEvent, Noise, Phase, Session, Step, audit::SLICE};
use crate::{
    fleet::{pace::Pace, target::Unwritable, work::Sent},
    model::NetworkId,
    ovsdb::{
        Raw, RpcError,
        transact::{Reply, TransactionFailure},
    },
    plan::{GuardDecision, PlanOutcome, Planner, RowCounts, RowKey, Transaction},
    vtep,
};

/// What the queue gave.
#[allow(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
enum Next {
    /// With the keys that asked for it: others may be served along with them.
    Transaction(Transaction, Vec<RowKey>),
    /// Nothing yet, and there is more to be looked at.
    Later,
    /// Nothing: it is empty.
    Nothing,
}

// ===== impl Session: what is sent =====

impl Session<'_> {
    /// Whether another transaction may be sent now.
    pub(super) fn may_send(&self) -> bool {
        self.setup.phase == Phase::Following
            && self.target.revision.is_some()
            && self.lock.state().may_write()
            && self.work.paused.is_none()
            && !self.observes()
            && self.work.unanswered() < Pace::WINDOW
    }

    /// Sends the next transaction, or looks for it for a while. False: there is none, or none may be sent.
    pub(super) fn send_next(&mut self) -> bool {
        if !self.may_send() {
            return false;
        }
        if self.judge_drift() {
            return true;
        }
        let (transaction, asked) = match self.next_transaction() {
            Next::Transaction(transaction, asked) => (transaction, asked),
            Next::Later => return true,
            Next::Nothing => return false,
        };
        let tenure = self.lock.state().tenure();
        let lock = tenure.map(|_| self.target.settings.deployment.as_str());
        let encode = |params: &mut Vec<u8>| vtep::encode(lock, &transaction.operations, params);
        let id = self.actions.request("transact", encode);
        self.target.counters.transactions += 1;
        let rows = self.words(&transaction);
        self.work.sent(id, Sent { transaction, asked, rows, tenure, at: self.now.at });
        true
    }

    /// Looks at keys of the queue until there is a transaction full of work, or so many were looked at that others should
    /// have their turn.
    fn next_transaction(&mut self) -> Next {
        let mut half = self.work.queue.pop_half().map(Vec::into_iter);
        let operations = if half.is_some() { usize::MAX } else { self.pace.operations() };
        let (mut transaction, mut looked_at) = (Transaction::default(), 0);
        let (mut asked, mut others) = (Vec::new(), Vec::new());
        let quarantined = |key: &RowKey| self.work.faults.is_quarantined(key);
        let planner = Planner {
            desired: &self.target.desired,
            actual: &self.replica,
            policy: &self.policy,
            in_flight: &self.work.in_flight,
            quarantined: &quarantined,
            guard: self.guard,
        };
        let (queue, mut left) = (&mut self.work.queue, SLICE);
        let next = || {
            if let Some(half) = &mut half {
                return half.next();
            }
            left = left.checked_sub(1)?;
            queue.pop()
        };
        planner.fill(operations, &mut transaction, next, |key, verdict| {
            looked_at += 1;
            if verdict == PlanOutcome::Added {
                asked.push(key);
            } else {
                others.push((key, verdict));
            }
        });
        for (key, verdict) in others {
            match verdict {
                PlanOutcome::Right => self.work.clear(&key),
                PlanOutcome::Wait => self.work.wait(key),
                PlanOutcome::Conflict => self.work.block(key),
                PlanOutcome::Uncounted => {
                    self.counting.get_or_insert_default();
                    self.work.queue.push(key);
                }
                PlanOutcome::Added | PlanOutcome::Quarantined | PlanOutcome::Held => {}
            }
        }
        match looked_at {
            _ if !transaction.is_empty() => Next::Transaction(transaction.finish(&self.replica), asked),
            0 => Next::Nothing,
            _ => Next::Later,
        }
    }

    /// Counts on, where deletions that nothing explains are being counted, and decides in the end whether they may be sent.
    pub(super) fn count_on(&mut self) -> bool {
        let Some(mut counting) = self.counting.take() else { return false };
        let planner = Planner { guard: GuardDecision::Unknown, ..self.planner() };
        if !planner.count_some(&mut counting, SLICE) {
            self.counting = Some(counting);
            return true;
        }
        let count = counting.into_count();
        self.guard = if self.target.released { GuardDecision::Pass } else { count.decision(&self.policy) };
        if self.guard == GuardDecision::Hold {
            let networks: BTreeSet<_> = count.unexplained.keys().copied().collect();
            if networks != self.work.held
                && let Some(left_out) = self.note(Noise::Held)
            {
                tracing::warn!(
                    switch = %self.target.names(), rows = count.total(), of = count.own, left_out,
                    "deletions that nothing explains are held; look at the desired state, then release them"
                );
            }
            self.work.held = networks;
            self.held_since = self.held_since.or(Some(self.now.at));
        } else {
            self.held_since = None;
            // What was held may be deleted now.
            for network in std::mem::take(&mut self.work.held) {
                self.work.compare_all_of(network);
            }
        }
        true
    }
}

// ===== impl Session: what is answered =====

impl Session<'_> {
    /// A transaction was answered.
    pub(super) fn answered(&mut self, id: u64, result: Result<Raw, RpcError>) -> Step {
        let Some((sent, keys)) = self.work.answered(id) else { return Ok(()) };
        let raw = match result {
            Ok(raw) => raw,
            Err(error) => {
                self.target.counters.failures += 1;
                self.work.queue.extend(sent.transaction.keys);
                self.troubled(Unwritable::RefusesAll(error));
                return Ok(());
            }
        };
        let assert = usize::from(sent.tenure.is_some());
        let operations = sent.transaction.operations.len();
        let reply = Reply::read(&mut raw.cursor(), operations + assert)?;
        if let Some(failure) = reply.failure() {
            return self.failed(sent, &failure);
        }
        self.pace.answered(operations, self.now.at.duration_since(sent.at));
        self.applied(sent.rows, &sent.transaction);
        self.recovered();
        self.work.faults.committed(&sent.asked, self.now.at);
        let mut seen = Vec::with_capacity(keys.len());
        for (key, updated) in keys {
            if updated {
                seen.push(key);
            } else {
                // The replica doesn't show yet what was written. Until it does, the key isn't judged: what is desired may
                // have changed meanwhile, and the row that still stands there may look right.
                self.work.settle(key, self.now.at);
            }
        }
        let mut outcomes = Vec::with_capacity(seen.len());
        self.planner().plan_each(seen, |key, outcome, _| outcomes.push((key, outcome)));
        for (key, outcome) in outcomes {
            match outcome {
                PlanOutcome::Right => self.work.clear(&key),
                // There is more to do, now that this is done.
                _ => self.work.queue.push(key),
            }
        }
        Ok(())
    }

    fn failed(&mut self, sent: Sent, failure: &TransactionFailure<'_>) -> Step {
        self.target.counters.failures += 1;
        let details = failure.details.as_ref().map(|details| format!(": {details}")).unwrap_or_default();
        let error = format!("{}{details}", failure.error);
        let operation =
            failure.operation.and_then(|operation| operation.checked_sub(usize::from(sent.tenure.is_some())));
        let culprit = operation.and_then(|operation| sent.transaction.key_of(operation));
        match (failure.error, culprit) {
            ("not owner", _) => {
                self.work.queue.extend(sent.transaction.keys);
                if let Some(tenure) = sent.tenure {
                    return self.lock_event(&LockEvent::NotOwner(tenure));
                }
            }
            ("resources exhausted" | "I/O error", _) => {
                self.work.queue.extend(sent.transaction.keys);
                self.troubled(Unwritable::Database(error));
            }
            (_, Some(culprit)) => {
                self.blame(culprit, &error);
                let mut keys = sent.transaction.keys;
                keys.retain(|key| *key != culprit);
                self.work.queue.again(keys);
            }
            // The commit failed as a whole: a table would have too many rows, say.
            (_, None) if self.work.faults.is_known(&error) => self.join_refused(&sent.transaction, sent.asked, &error),
            (_, None) if sent.asked.len() > 1 => self.work.queue.bisect(sent.asked),
            (_, None) => self.refuse_all(sent.asked, &error),
        }
        Ok(())
    }

    /// A transaction was refused for what refused rows before. Those that insert wait together with them; those that only
    /// change or delete may be innocent, and make room.
    fn join_refused(&mut self, transaction: &Transaction, asked: Vec<RowKey>, error: &str) {
        let inserting = transaction.inserting();
        let (inserting, others): (Vec<_>, Vec<_>) = asked.into_iter().partition(|key| inserting.contains(key));
        match (inserting.is_empty(), others.len()) {
            (true, 1) => self.refuse_all(others, error),
            (true, _) => self.work.queue.bisect(others),
            (false, _) => {
                self.work.queue.again(others);
                self.refuse_all(inserting, error);
            }
        }
    }

    fn refuse_all(&mut self, keys: Vec<RowKey>, error: &str) {
        let first = keys.first().copied();
        // Reported once, not with each attempt.
        if self.work.faults.refuse_together(keys, error, self.now.at)
            && let Some(left_out) = self.note(Noise::Refused)
        {
            tracing::warn!(switch = %self.target.names(), key = ?first, error, left_out, "the switch refused rows when they were to be committed");
        }
    }

    fn blame(&mut self, key: RowKey, error: &str) {
        if self.work.faults.blame(key, error, self.now.at)
            && let Some(left_out) = self.note(Noise::Refused)
        {
            tracing::warn!(switch = %self.target.names(), ?key, error, left_out, "the switch refused a row");
        }
    }

    /// When all is done: what was applied, what is still draining, and how far the switch confirms.
    pub(super) fn rest(&mut self) -> Step {
        if self.setup.phase != Phase::Following || !self.work.is_quiet() || self.target.revision.is_none() {
            return Ok(());
        }
        if self.journal.row_counts != RowCounts::default() {
            let RowCounts { inserts, updates, deletes } = self.journal.row_counts;
            tracing::debug!(switch = %self.target.names(), inserts, updates, deletes, revision = self.target.revision, "the switch is as desired");
            self.report_plan(true);
        }
        // Nothing is left to be written: perhaps the transaction was committed that seemed lost.
        if self.lock.state().may_write() && self.work.paused.is_none() && self.work.faults.is_empty() {
            self.target.trouble = None;
        }
        // A release is for what was held, not for what may come.
        if self.target.released {
            self.target.released = false;
            self.guard = GuardDecision::Unknown;
        }
        if self.progress.draining_unknown {
            self.progress.draining_unknown = false;
            let gone = |network: &NetworkId| !self.target.desired.networks.contains_key(network);
            let ours = |network: &NetworkId| self.planner().logical_switches(*network).0.is_some();
            self.progress.draining = self.replica.owned_networks().filter(gone).filter(ours).collect();
        }
        if !self.lock.state().may_write() {
            // Nothing is done, and nothing confirmed, while another one writes.
            return Ok(());
        }
        // Tombstones are needed until what they explain is gone.
        let done = self.progress.draining.difference(&self.work.held).next().is_none() && self.work.faults.is_empty();
        if done && self.progress.confirmed != self.target.revision {
            self.progress.confirmed = self.target.revision;
            self.actions.confirm = self.target.revision;
        }
        self.repaired()
    }
}
