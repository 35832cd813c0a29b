//! What a session has to do: keys that wait, transactions that are under way, and rows that failed. No I/O.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    time::Duration,
};

use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    model::{MacAddr, NetworkId, event::PlannedRow},
    plan::{Audit, InFlight, Key, Transaction},
};

/// Repairs of one row within [`FIGHT_WINDOW`] after which it is left alone for a while (architecture rule 8).
const FIGHT_LIMIT: u32 = 5;
const FIGHT_WINDOW: Duration = Duration::from_mins(1);
/// Rows whose repairs are counted at a time.
const FIGHT_ROWS: usize = 10_000;
/// First and last wait before a row at fault is tried again.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_mins(1);
/// How long the update of a committed transaction may take before its rows are compared again.
const SETTLE: Duration = Duration::from_secs(1);

/// A transaction that isn't answered yet.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) transaction: Transaction,
    /// Its rows in words, as far as they are reported.
    pub(super) rows: Vec<PlannedRow>,
    /// It began with an `assert` of the lock.
    pub(super) asserted: bool,
    pub(super) at: Instant,
}

/// A row that failed, or that somebody else keeps changing.
#[derive(Debug, Clone)]
pub(super) struct Quarantine {
    /// Why, for people.
    pub(super) error: String,
    /// Somebody else keeps changing it.
    pub(super) fight: bool,
    /// `None`: it is being tried again.
    until: Option<Instant>,
    wait: Duration,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Work {
    networks: BTreeSet<NetworkId>,
    bindings: BTreeSet<(Uuid, u16)>,
    macs: BTreeMap<NetworkId, VecDeque<MacAddr>>,
    /// Networks of which everything is to be compared.
    unsynced: BTreeSet<NetworkId>,
    /// Halves of transactions that failed: sent apart, until the row at fault is alone.
    halves: VecDeque<Vec<Key>>,
    pub(super) in_flight: InFlight,
    pub(super) sent: HashMap<u64, Sent>,
    /// Keys that wait for something that is under way.
    waiting: Vec<Key>,
    /// Keys of committed transactions whose update hasn't come.
    settling: VecDeque<(Instant, Key)>,
    /// Keys that foreign rows block: looked at again when anything foreign changes.
    pub(super) conflicts: BTreeSet<Key>,
    /// Networks with deletions that are held.
    pub(super) held: BTreeSet<NetworkId>,
    pub(super) quarantine: HashMap<Key, Quarantine>,
    /// Keys that somebody else changed.
    drifted: HashSet<Key>,
    fights: HashMap<Key, (Instant, u32)>,
    /// Nothing is sent before: the database itself is in trouble.
    pub(super) paused: Option<Instant>,
}

// ===== impl Work: the queue =====

impl Work {
    pub(super) fn push(&mut self, key: Key) {
        match key {
            Key::Network(network) => drop(self.networks.insert(network)),
            Key::Binding(port, vlan) => drop(self.bindings.insert((port, vlan))),
            Key::Mac(network, mac) => self.macs.entry(network).or_default().push_back(mac),
        }
    }

    pub(super) fn push_all(&mut self, keys: Vec<Key>) {
        for key in keys {
            self.push(key);
        }
    }

    /// Somebody else changed the rows of a key, unless it was us.
    pub(super) fn push_drift(&mut self, key: Key) {
        if !self.in_flight.keys.contains(&key) {
            if self.drifted.len() < FIGHT_ROWS {
                self.drifted.insert(key);
            }
            self.push(key);
        }
    }

    pub(super) fn push_audit(&mut self, audit: Audit) {
        self.networks.extend(audit.networks);
        self.bindings.extend(audit.bindings);
        for (network, macs) in audit.macs {
            self.macs.entry(network).or_default().extend(macs);
        }
    }

    pub(super) fn compare_all_of(&mut self, network: NetworkId) {
        self.unsynced.insert(network);
    }

    /// Networks that have to be compared before anything else is taken from the queue.
    pub(super) fn take_unsynced(&mut self) -> BTreeSet<NetworkId> {
        std::mem::take(&mut self.unsynced)
    }

    /// The half of a failed transaction that comes next.
    pub(super) fn pop_half(&mut self) -> Option<Vec<Key>> {
        self.halves.pop_front()
    }

    /// The next key: what makes traffic possible comes first, MACs of all networks in turn.
    pub(super) fn pop(&mut self) -> Option<Key> {
        if let Some(network) = self.networks.pop_first() {
            return Some(Key::Network(network));
        }
        if let Some((port, vlan)) = self.bindings.pop_first() {
            return Some(Key::Binding(port, vlan));
        }
        let mut entry = self.macs.first_entry()?;
        let network = *entry.key();
        let mac = entry.get_mut().pop_front();
        if entry.get().is_empty() {
            entry.remove();
        }
        mac.map(|mac| Key::Mac(network, mac))
    }

    pub(super) fn wait(&mut self, key: Key) {
        self.waiting.push(key);
    }

    /// Foreign rows changed: what they blocked may be possible now.
    pub(super) fn retry_conflicts(&mut self) {
        for key in std::mem::take(&mut self.conflicts) {
            self.push(key);
        }
    }

    /// Keys of a network that wait, are under way or failed: its rows that aren't right.
    pub(super) fn outstanding(&self, network: NetworkId) -> u64 {
        let of_network = |key: &&Key| matches!(key, Key::Network(n) | Key::Mac(n, _) if *n == network);
        let queued = self.macs.get(&network).map_or(0, VecDeque::len) + usize::from(self.networks.contains(&network));
        let flying = self.in_flight.keys.iter().filter(of_network).count();
        let failed = self.quarantine.keys().filter(of_network).count();
        let halves = self.halves.iter().flatten().filter(of_network).count();
        (queued + flying + failed + halves) as u64
    }

    /// Whether nothing waits and nothing is under way. What failed, or is held, waits for its own time.
    pub(super) fn is_quiet(&self) -> bool {
        self.networks.is_empty()
            && self.bindings.is_empty()
            && self.macs.is_empty()
            && self.unsynced.is_empty()
            && self.halves.is_empty()
            && self.waiting.is_empty()
            && self.sent.is_empty()
            && self.settling.is_empty()
    }
}

// ===== impl Work: what is under way =====

impl Work {
    pub(super) fn sent(&mut self, id: u64, sent: Sent) {
        self.in_flight.reserve(&sent.transaction);
        self.sent.insert(id, sent);
    }

    /// A transaction was answered: its ports and locators are free, and what waited is looked at again.
    pub(super) fn release(&mut self, transaction: &Transaction) {
        for key in &transaction.keys {
            self.in_flight.keys.remove(key);
        }
        for port in transaction.ports() {
            self.in_flight.ports.remove(&port);
        }
        for locator in &transaction.locators {
            self.in_flight.locators.remove(locator);
        }
        for key in std::mem::take(&mut self.waiting) {
            self.push(key);
        }
    }

    /// A committed key whose rows aren't right yet: its update is on the way. Until then it isn't planned again.
    pub(super) fn settle(&mut self, key: Key, now: Instant) {
        self.in_flight.keys.insert(key);
        self.settling.push_back((now + SETTLE, key));
    }

    /// The rows of a key changed while it waited for its update.
    pub(super) fn settled(&mut self, key: &Key) {
        if let Some(at) = self.settling.iter().position(|(_, waiting)| waiting == key) {
            self.settling.remove(at);
            self.in_flight.keys.remove(key);
        }
    }

    pub(super) fn is_settling(&self) -> bool {
        !self.settling.is_empty()
    }

    /// A transaction failed as a whole: its halves are sent apart.
    pub(super) fn bisect(&mut self, mut keys: Vec<Key>) {
        let rest = keys.split_off(keys.len().div_ceil(2));
        self.halves.push_front(rest);
        self.halves.push_front(keys);
    }

    /// Sends the rest of a transaction again, whose row at fault is known.
    pub(super) fn again(&mut self, keys: Vec<Key>) {
        if !keys.is_empty() {
            self.halves.push_front(keys);
        }
    }
}

// ===== impl Work: rows at fault =====

impl Work {
    pub(super) fn is_quarantined(&self, key: &Key) -> bool {
        self.quarantine.get(key).is_some_and(|quarantine| quarantine.until.is_some())
    }

    /// The switch refused the row: it is tried again later, and later still.
    pub(super) fn blame(&mut self, key: Key, error: String, now: Instant) {
        let wait = self.quarantine.get(&key).map_or(RETRY_MIN, |old| (old.wait * 2).min(RETRY_MAX));
        self.quarantine.insert(key, Quarantine { error, fight: false, until: Some(now + wait), wait });
    }

    /// The row of a key is right: whatever was wrong with it is over.
    pub(super) fn absolve(&mut self, key: &Key) {
        self.drifted.remove(key);
        // A fight isn't over because we won a round.
        if self.quarantine.get(key).is_some_and(|quarantine| !quarantine.fight || quarantine.until.is_none()) {
            self.quarantine.remove(key);
        }
    }

    /// Whether somebody else changed it, as far as we know.
    pub(super) fn has_drifted(&self, key: &Key) -> bool {
        self.drifted.contains(key)
    }

    /// A key that somebody else changed is about to be repaired. False: too often, it is left alone for a while.
    pub(super) fn may_repair(&mut self, key: Key, now: Instant) -> bool {
        if !self.drifted.remove(&key) {
            return true;
        }
        if self.fights.len() >= FIGHT_ROWS {
            self.fights.retain(|_, (since, _)| now.duration_since(*since) < FIGHT_WINDOW);
        }
        let fight = self.fights.entry(key).or_insert((now, 0));
        if now.duration_since(fight.0) >= FIGHT_WINDOW {
            *fight = (now, 0);
        }
        fight.1 += 1;
        if fight.1 <= FIGHT_LIMIT {
            return true;
        }
        let error = format!(
            "somebody else keeps changing this row: it was put back {FIGHT_LIMIT} times within a minute; find out who \
             else writes to the switch"
        );
        let wait = self.quarantine.get(&key).map_or(FIGHT_WINDOW, |old| (old.wait * 2).min(FIGHT_WINDOW * 10));
        self.quarantine.insert(key, Quarantine { error, fight: true, until: Some(now + wait), wait });
        false
    }

    /// Brings back what is due: rows to be tried again, rows whose update didn't come.
    pub(super) fn tick(&mut self, now: Instant) {
        self.paused = self.paused.filter(|until| *until > now);
        while self.settling.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, key)) = self.settling.pop_front() {
                self.in_flight.keys.remove(&key);
                self.push(key);
            }
        }
        let due = |quarantine: &Quarantine| quarantine.until.is_some_and(|until| until <= now);
        let keys: Vec<Key> = self.quarantine.iter().filter(|(_, q)| due(q)).map(|(key, _)| *key).collect();
        for key in keys {
            if let Some(quarantine) = self.quarantine.get_mut(&key) {
                quarantine.until = None;
            }
            self.push(key);
        }
    }

    /// When [`Work::tick`] has something to do next.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        let settling = self.settling.front().map(|(due, _)| *due);
        let retries = self.quarantine.values().filter_map(|quarantine| quarantine.until).min();
        settling.into_iter().chain(retries).chain(self.paused).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(n: u8) -> Key {
        Key::Mac(NetworkId(Uuid::nil()), MacAddr::new([2, 0, 0, 0, 0, n]))
    }

    #[test]
    fn a_row_that_somebody_else_keeps_changing_is_left_alone_after_five_repairs() {
        let (mut work, now) = (Work::default(), Instant::now());
        for round in 0..6 {
            work.push_drift(mac(1));
            assert_eq!(work.pop(), Some(mac(1)));
            assert_eq!(work.may_repair(mac(1), now), round < 5, "round {round}");
        }
        assert!(work.is_quarantined(&mac(1)) && work.quarantine[&mac(1)].fight);
        work.tick(now + FIGHT_WINDOW);
        assert_eq!(work.pop(), Some(mac(1)), "tried again");
        assert!(!work.is_quarantined(&mac(1)));
    }

    #[test]
    fn halves_end_at_the_row_at_fault_and_it_is_retried_ever_later() {
        let (mut work, mut now) = (Work::default(), Instant::now());
        let mut halves = vec![(0..9).map(mac).collect::<Vec<_>>()];
        let mut good = 0;
        while let Some(half) = halves.pop() {
            match half.as_slice() {
                keys if !keys.contains(&mac(6)) => good += keys.len(),
                [one] => work.blame(*one, "refused".into(), now),
                _ => work.bisect(half),
            }
            halves.extend(work.pop_half());
        }
        while let Some(half) = work.pop_half() {
            good += half.len();
        }
        assert_eq!(good, 8);
        let mut waits = Vec::new();
        for _ in 0..12 {
            let due = work.next_tick().unwrap();
            waits.push(due - now);
            now = due;
            work.tick(now);
            assert_eq!(work.pop(), Some(mac(6)));
            work.blame(mac(6), "refused".into(), now);
        }
        assert!(waits.is_sorted() && waits[0] == RETRY_MIN && waits[11] == RETRY_MAX, "{waits:?}");
        work.absolve(&mac(6));
        assert!(work.quarantine.is_empty());
    }
}
