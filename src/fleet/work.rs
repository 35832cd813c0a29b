//! What a session has to do: keys that wait, transactions that are under way, and rows that failed. No I/O.

mod faults;
mod queue;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::{Duration, Instant},
};

pub(super) use self::{
    faults::{Faults, Quarantine},
    queue::Queue,
};
use crate::{
    model::{NetworkId, event::PlannedRow, indexed::FastSet},
    plan::{InFlight, RowKey, Transaction, TransactionStage},
};

/// How long the update of a committed transaction may take before its rows are compared again.
const SETTLE: Duration = Duration::from_secs(1);

/// Keys that wait for something under way at most, MACs beyond that by their network.
const MAX_WAITING: usize = 100_000;

/// A transaction that isn't answered yet.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) transaction: Transaction,
    /// The keys that were asked for. The transaction serves them, and perhaps others along with them.
    pub(super) asked: Vec<RowKey>,
    /// Its rows in words, as far as they are reported.
    pub(super) rows: Vec<PlannedRow>,
    /// It began with an `assert` of the lock, which we held for the n-th time then.
    pub(super) tenure: Option<u64>,
    pub(super) at: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) queue: Queue,
    pub(super) faults: Faults,
    pub(super) in_flight: InFlight,
    sent: HashMap<u64, Sent>,
    /// Networks of which everything is to be compared before anything else is taken from the queue.
    unsynced: BTreeSet<NetworkId>,
    /// Keys that wait for something that is under way.
    waiting: FastSet<RowKey>,
    /// Networks of which so many MACs wait that comparing all of them costs less.
    waiting_networks: BTreeSet<NetworkId>,
    /// Keys of committed transactions whose update hasn't come, and when they are compared all the same.
    settling: VecDeque<(Instant, RowKey)>,
    /// Keys whose rows changed without us.
    drifted: BTreeSet<RowKey>,
    /// Keys that foreign rows block: looked at again when anything foreign changes.
    conflicts: BTreeSet<RowKey>,
    /// Networks with deletions that are held.
    pub(super) held: BTreeSet<NetworkId>,
    /// Nothing is sent before: the database itself is in trouble.
    pub(super) paused: Option<Instant>,
    /// When the last message came.
    pub(super) heard: Option<Instant>,
}

// ===== impl Work: what is to be looked at =====

impl Work {
    pub(super) fn compare_all_of(&mut self, network: NetworkId) {
        self.unsynced.insert(network);
    }

    pub(super) fn unsynced(&self) -> impl Iterator<Item = &NetworkId> {
        self.unsynced.iter()
    }

    pub(super) fn take_unsynced(&mut self) -> BTreeSet<NetworkId> {
        self.unsynced.extend(self.queue.take_overfull());
        std::mem::take(&mut self.unsynced)
    }

    /// The rows of a key changed on the switch: by what we sent, or by another client.
    pub(super) fn touch(&mut self, key: RowKey) {
        match self.in_flight.keys.get_mut(&key) {
            Some(TransactionStage::Answered) => {
                self.in_flight.keys.remove(&key);
                self.queue.push(key);
                self.wake();
            }
            Some(flight) => *flight = TransactionStage::Updated,
            None => drop(self.drifted.insert(key)),
        }
    }

    pub(super) fn touch_all(&mut self, keys: impl IntoIterator<Item = RowKey>) {
        keys.into_iter().for_each(|key| self.touch(key));
    }

    /// So many of the keys whose rows changed without us, or fewer.
    pub(super) fn take_drifted(&mut self, limit: usize) -> Vec<RowKey> {
        std::iter::from_fn(|| self.drifted.pop_first()).take(limit).collect()
    }

    pub(super) fn has_drifted(&self) -> bool {
        !self.drifted.is_empty()
    }

    /// Forgets what waits: nothing is going to be sent.
    pub(super) fn forget(&mut self) {
        self.queue = Queue::default();
        self.faults = Faults::default();
        self.unsynced.clear();
        self.waiting.clear();
        self.waiting_networks.clear();
        self.drifted.clear();
        self.conflicts.clear();
    }

    pub(super) fn wait(&mut self, key: RowKey) {
        match key {
            RowKey::Mac(network, _) if self.waiting.len() >= MAX_WAITING => drop(self.waiting_networks.insert(network)),
            // There are no more of these than rows and desired bindings.
            _ => drop(self.waiting.insert(key)),
        }
    }

    pub(super) fn block(&mut self, key: RowKey) {
        self.conflicts.insert(key);
    }

    /// Foreign rows changed: what they blocked may be possible now.
    pub(super) fn retry_conflicts(&mut self) {
        self.queue.extend(std::mem::take(&mut self.conflicts));
    }

    /// Something under way ended: what waited for it is checked again.
    fn wake(&mut self) {
        self.queue.extend(std::mem::take(&mut self.waiting));
        self.unsynced.append(&mut self.waiting_networks);
    }

    /// Rows that wait, are under way or failed, by network: those that aren't right.
    pub(super) fn outstanding(&self) -> BTreeMap<NetworkId, u64> {
        let mut rows = BTreeMap::new();
        self.queue.count(&mut rows);
        let failed = self.faults.iter().map(|(key, _)| key);
        let keys = self.in_flight.keys.keys().chain(failed).chain(&self.waiting).chain(&self.drifted);
        let networks = self.unsynced.iter().chain(&self.waiting_networks).copied();
        for network in keys.filter_map(RowKey::network).chain(networks) {
            *rows.entry(network).or_default() += 1;
        }
        rows
    }

    /// Whether nothing waits and nothing is under way. What failed, or is held, waits for its own time.
    pub(super) fn is_quiet(&self) -> bool {
        self.queue.is_empty()
            && self.unsynced.is_empty()
            && self.waiting.is_empty()
            && self.waiting_networks.is_empty()
            && self.drifted.is_empty()
            && self.sent.is_empty()
            && self.in_flight.keys.is_empty()
    }
}

// ===== impl Work: what is under way =====

impl Work {
    /// Number of transactions that aren't answered.
    pub(super) fn unanswered(&self) -> usize {
        self.sent.len()
    }

    /// When the oldest of them was sent.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.sent.values().map(|sent| sent.at).min()
    }

    pub(super) fn sent(&mut self, id: u64, sent: Sent) {
        self.in_flight.reserve(&sent.transaction);
        self.sent.insert(id, sent);
    }

    /// A transaction was answered: all of it may be planned again. With its keys, and whether their update came before.
    pub(super) fn answered(&mut self, id: u64) -> Option<(Sent, Vec<(RowKey, bool)>)> {
        let sent = self.sent.remove(&id)?;
        let keys = self.in_flight.release(&sent.transaction);
        self.wake();
        Some((sent, keys))
    }

    /// A committed key whose update is still on the way: until then it isn't planned again.
    pub(super) fn settle(&mut self, key: RowKey, now: Instant) {
        self.in_flight.keys.insert(key, TransactionStage::Answered);
        self.settling.push_back((now + SETTLE, key));
    }

    /// The row of a key is right.
    pub(super) fn clear(&mut self, key: &RowKey) {
        if !self.faults.is_empty() {
            self.faults.clear(key);
        }
    }

    /// Brings back what is due: rows to be tried again, rows whose update didn't come.
    pub(super) fn tick(&mut self, now: Instant) {
        self.paused = self.paused.filter(|until| *until > now);
        while self.settling.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, key)) = self.settling.pop_front()
                && self.in_flight.keys.get(&key) == Some(&TransactionStage::Answered)
            {
                self.in_flight.keys.remove(&key);
                self.queue.push(key);
                self.wake();
            }
        }
        self.queue.extend(self.faults.due(now));
        for trial in self.faults.trials(now) {
            self.queue.again(trial);
        }
    }

    /// When [`Work::tick`] has something to do next.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        let settling = self.settling.front().map(|(due, _)| *due);
        settling.into_iter().chain(self.faults.next()).chain(self.paused).min()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::MacAddr;

    fn mac(n: u8) -> RowKey {
        RowKey::Mac(NetworkId(Uuid::nil()), MacAddr::new([2, 0, 0, 0, 0, n]))
    }

    #[test]
    fn halves_end_at_the_row_at_fault() {
        let (mut work, now) = (Work::default(), Instant::now());
        let mut halves = vec![(0..9).map(mac).collect::<Vec<_>>()];
        let mut good = 0;
        while let Some(half) = halves.pop() {
            match half.as_slice() {
                keys if !keys.contains(&mac(6)) => good += keys.len(),
                [one] => drop(work.faults.blame(*one, "refused", now)),
                _ => work.queue.bisect(half),
            }
            halves.extend(work.queue.pop_half());
        }
        while let Some(half) = work.queue.pop_half() {
            good += half.len();
        }
        assert_eq!(good, 8);
        assert!(work.faults.is_quarantined(&mac(6)));
    }

    #[test]
    fn what_waits_for_an_update_is_woken_by_it_or_by_time() {
        for by_update in [true, false] {
            let (mut work, now) = (Work::default(), Instant::now());
            work.settle(mac(1), now);
            work.wait(mac(2));
            assert!(!work.is_quiet());
            if by_update {
                work.touch(mac(1));
            } else {
                work.tick(work.next_tick().unwrap());
            }
            let mut woken = [work.queue.pop(), work.queue.pop()];
            woken.sort();
            assert_eq!(woken, [Some(mac(1)), Some(mac(2))]);
            assert!(work.is_quiet());
        }
    }

    #[test]
    fn rows_that_change_without_us_have_drifted() {
        let mut work = Work::default();
        work.in_flight.keys.insert(mac(1), TransactionStage::Sent);
        work.touch(mac(1));
        work.touch(mac(2));
        assert_eq!(work.in_flight.keys[&mac(1)], TransactionStage::Updated);
        assert_eq!(work.take_drifted(9), [mac(2)]);
    }
}
