//! What a session sends: transactions from the queue, and what becomes of them.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::{Ended, Live, Lock, PAUSE, Pace, Phase, Step, off_the_fast_path};
use crate::{
    fleet::work::Sent,
    intent::DesiredMac,
    model::NetworkId,
    ovsdb::{
        Raw, RpcError,
        transact::{Failure, Reply},
    },
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
            && !self.observes()
    }

    /// Sends as much as may be under way.
    pub(super) fn pump(&mut self) -> Step {
        if self.observes() && self.phase == Phase::Following {
            self.observe();
            return Ok(());
        }
        while self.may_write() && self.work.unanswered() < Pace::WINDOW {
            self.compare_unsynced();
            self.judge_drift();
            let Some(transaction) = self.next_transaction() else { break };
            self.buffer.clear();
            let tenure = if let Lock::Held(tenure) = self.lock { Some(tenure) } else { None };
            let lock = tenure.map(|_| self.worker.settings.deployment.as_str());
            vtep::encode(lock, &transaction.operations, &mut self.buffer);
            self.worker.counters.transactions += 1;
            let id =
                self.connection.request("transact", &self.buffer).map_err(|error| Ended::lost(error.to_string()))?;
            let rows = self.words(&transaction);
            self.work.sent(id, Sent { transaction, rows, tenure, at: Instant::now() });
        }
        self.rest()
    }

    /// Compares the networks that are to be compared, and queues what differs.
    fn compare_unsynced(&mut self) {
        let networks = self.work.take_unsynced();
        if networks.is_empty() {
            return;
        }
        let desired = networks.iter().filter_map(|network| self.worker.desired.networks.get(network));
        let bytes = desired.map(|network| network.macs.len() * size_of::<DesiredMac>()).sum();
        let audit = off_the_fast_path(bytes, || self.planner().audit(Some(&networks)));
        self.work.queue.push_audit(audit);
    }

    /// Rows that changed without us are put back, unless that became a fight.
    fn judge_drift(&mut self) {
        let drifted = self.work.take_drifted();
        if drifted.is_empty() {
            return;
        }
        let mut judged = Vec::new();
        let quarantined = |key: &Key| self.work.faults.is_quarantined(key);
        Planner { quarantined: &quarantined, ..self.planner() }
            .judge(drifted, |key, verdict, repair| judged.push((key, verdict, repair)));
        for (key, verdict, repair) in judged {
            match verdict {
                Verdict::Right => self.work.absolve(&key),
                Verdict::Quarantined => {}
                Verdict::Added => {
                    let repaired = self.work.faults.may_repair(key, Instant::now());
                    self.note_drift(key, repair, repaired);
                    if repaired {
                        self.work.queue.push(key);
                    } else {
                        tracing::warn!(switch = %self.worker.names(), ?key, "somebody else keeps changing a row; leaving it alone for a while");
                    }
                }
                Verdict::Wait | Verdict::Conflict | Verdict::Uncounted | Verdict::Held => self.work.queue.push(key),
            }
        }
    }

    /// Looks at keys of the queue until there is a transaction full of work.
    fn next_transaction(&mut self) -> Option<Transaction> {
        loop {
            let mut half = self.work.queue.pop_half().map(Vec::into_iter);
            let operations = if half.is_some() { usize::MAX } else { self.pace.operations() };
            let (mut transaction, mut looked_at, mut others) = (Transaction::default(), false, Vec::new());
            let quarantined = |key: &Key| self.work.faults.is_quarantined(key);
            let planner = Planner {
                desired: &self.worker.desired,
                actual: &self.replica,
                policy: &self.policy,
                in_flight: &self.work.in_flight,
                quarantined: &quarantined,
                guard: self.guard,
            };
            let queue = &mut self.work.queue;
            let next = || half.as_mut().map_or_else(|| queue.pop(), Iterator::next);
            planner.fill(operations, &mut transaction, next, |key, verdict| {
                looked_at = true;
                if verdict != Verdict::Added {
                    others.push((key, verdict));
                }
            });
            let mut uncounted = Vec::new();
            for (key, verdict) in others {
                match verdict {
                    Verdict::Right => self.work.absolve(&key),
                    Verdict::Wait => self.work.wait(key),
                    Verdict::Conflict => self.work.block(key),
                    Verdict::Uncounted => uncounted.push(key),
                    Verdict::Added | Verdict::Quarantined | Verdict::Held => {}
                }
            }
            if !uncounted.is_empty() {
                self.count_unexplained();
                self.work.queue.extend(uncounted);
            }
            if !transaction.is_empty() {
                return Some(transaction.finish(&self.replica));
            }
            if !looked_at {
                return None;
            }
        }
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
            // What was held may go now.
            for network in std::mem::take(&mut self.work.held) {
                self.work.compare_all_of(network);
            }
        }
    }

    /// A transaction was answered.
    pub(super) fn answered(&mut self, id: u64, result: Result<Raw, RpcError>) -> Step {
        let Some((sent, keys)) = self.work.answered(id) else { return Ok(()) };
        let now = Instant::now();
        let raw =
            result.map_err(|error| Ended::lost(format!("the switch refused a transaction as a whole: {error}")))?;
        let assert = usize::from(sent.tenure.is_some());
        let operations = sent.transaction.operations.len();
        let reply = Reply::read(&mut raw.cursor(), operations + assert)?;
        if let Some(failure) = reply.failure() {
            return self.failed(sent, &failure, now);
        }
        self.pace.answered(operations, now.duration_since(sent.at));
        self.tally += sent.transaction.tally;
        self.applied(sent.rows, &sent.transaction.keys);
        let mut verdicts = Vec::with_capacity(keys.len());
        self.planner().judge(keys.iter().map(|(key, _)| *key), |_, verdict, _| verdicts.push(verdict));
        for ((key, updated), verdict) in keys.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Right => self.work.absolve(&key),
                // There is more to do, now that this is done.
                _ if updated => self.work.queue.push(key),
                // What was written can't be seen yet; until then it isn't written once more.
                _ => self.work.settle(key, now),
            }
        }
        Ok(())
    }

    fn failed(&mut self, sent: Sent, failure: &Failure<'_>, now: Instant) -> Step {
        self.worker.counters.failures += 1;
        let details = failure.details.as_ref().map(|details| format!(": {details}")).unwrap_or_default();
        let error = format!("{}{details}", failure.error);
        let operation =
            failure.operation.and_then(|operation| operation.checked_sub(usize::from(sent.tenure.is_some())));
        let culprit = operation.and_then(|operation| sent.transaction.key_of(operation));
        let mut keys = sent.transaction.keys;
        match (failure.error, culprit) {
            ("not owner", _) => {
                self.work.queue.extend(keys);
                return self.not_owner(sent.tenure);
            }
            ("resources exhausted" | "I/O error", _) => {
                tracing::warn!(switch = %self.worker.names(), error, "the switch's database is in trouble");
                self.work.paused = Some(now + PAUSE);
                self.work.queue.extend(keys);
            }
            (_, Some(culprit)) => {
                self.blame(culprit, &error, now);
                keys.retain(|key| *key != culprit);
                self.work.queue.again(keys);
            }
            (_, None) if keys.len() > 1 => self.work.queue.bisect(keys),
            (_, None) => keys.into_iter().for_each(|key| self.blame(key, &error, now)),
        }
        Ok(())
    }

    fn blame(&mut self, key: Key, error: &str, now: Instant) {
        // Told once, not with each attempt.
        if self.work.faults.blame(key, error, now) {
            tracing::warn!(switch = %self.worker.names(), ?key, error, "the switch refused a row");
        }
    }

    /// When all is done: what was applied, what is still draining, and how far the switch confirms.
    fn rest(&mut self) -> Step {
        if self.phase != Phase::Following || !self.work.is_quiet() || self.worker.revision.is_none() {
            return Ok(());
        }
        if self.tally != Tally::default() {
            let Tally { inserts, updates, deletes } = self.tally;
            tracing::debug!(switch = %self.worker.names(), inserts, updates, deletes, revision = self.worker.revision, "the switch is as desired");
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
            let gone = |network: &NetworkId| !self.worker.desired.networks.contains_key(network);
            let ours = |network: &NetworkId| self.planner().logical_switches(*network).0.is_some();
            self.draining = self.replica.owned_networks().filter(gone).filter(ours).collect();
        }
        // Tombstones are needed until what they explain is gone.
        let done = self.draining.difference(&self.work.held).next().is_none() && self.work.faults.is_empty();
        if done
            && self.lock != Lock::Waiting
            && self.confirmed != self.worker.revision
            && let Some(revision) = self.worker.revision
            && self.worker.confirm.try_send((self.worker.settings.database.clone(), revision)).is_ok()
        {
            self.confirmed = Some(revision);
        }
        // What waits for another controller's lock isn't done.
        if self.lock == Lock::Waiting { Ok(()) } else { self.repaired() }
    }
}
