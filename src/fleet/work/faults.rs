//! Rows that the switch refused, and rows that somebody else keeps changing (architecture rule 8).

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use crate::plan::Key;

/// Repairs of one row within [`FIGHT_WINDOW`] after which it is left alone for a while.
const FIGHT_LIMIT: u32 = 5;
const FIGHT_WINDOW: Duration = Duration::from_mins(1);
/// Rows whose repairs are counted at a time.
const FIGHT_ROWS: usize = 10_000;
/// First and last wait before a row at fault is tried again.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_mins(1);

/// A row that failed, or that somebody else keeps changing.
#[derive(Debug, Clone)]
pub(in crate::fleet) struct Quarantine {
    /// Why, for people.
    pub(in crate::fleet) error: String,
    /// Somebody else keeps changing it.
    pub(in crate::fleet) fight: bool,
    /// `None`: it is being tried again.
    until: Option<Instant>,
    wait: Duration,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::fleet) struct Faults {
    quarantine: HashMap<Key, Quarantine>,
    /// When each of them is tried again.
    retries: BTreeSet<(Instant, Key)>,
    fights: HashMap<Key, (Instant, u32)>,
}

// ===== impl Faults =====

impl Faults {
    pub(in crate::fleet) fn is_empty(&self) -> bool {
        self.quarantine.is_empty()
    }

    /// All rows at fault.
    pub(in crate::fleet) fn iter(&self) -> impl Iterator<Item = (&Key, &Quarantine)> {
        self.quarantine.iter()
    }

    /// Whether the row is left alone for now.
    pub(in crate::fleet) fn is_quarantined(&self, key: &Key) -> bool {
        self.quarantine.get(key).is_some_and(|quarantine| quarantine.until.is_some())
    }

    /// The switch refused the row: it is tried again later, and later still. True: it is news, or for another reason.
    pub(in crate::fleet) fn blame(&mut self, key: Key, error: &str, now: Instant) -> bool {
        let old = self.quarantine.get(&key);
        let wait = old.map_or(RETRY_MIN, |old| (old.wait * 2).min(RETRY_MAX));
        let news = old.is_none_or(|old| old.error != error);
        self.isolate(key, Quarantine { error: error.to_owned(), fight: false, until: Some(now + wait), wait });
        news
    }

    /// The row is right: whatever was wrong with it is over.
    pub(in crate::fleet) fn absolve(&mut self, key: &Key) {
        // A fight isn't over because we won a round.
        if self.quarantine.get(key).is_some_and(|quarantine| !quarantine.fight || quarantine.until.is_none()) {
            self.forget(key);
        }
    }

    /// A row that somebody else changed is about to be repaired. False: too often, it is left alone for a while.
    pub(in crate::fleet) fn may_repair(&mut self, key: Key, now: Instant) -> bool {
        if self.fights.len() >= FIGHT_ROWS {
            self.fights.retain(|_, (since, _)| now.duration_since(*since) < FIGHT_WINDOW);
            if self.fights.len() >= FIGHT_ROWS && !self.fights.contains_key(&key) {
                return true;
            }
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
        self.isolate(key, Quarantine { error, fight: true, until: Some(now + wait), wait });
        false
    }

    /// Everything that was left alone is tried again now, and fights begin anew.
    pub(in crate::fleet) fn retry_all(&mut self) -> Vec<Key> {
        self.fights.clear();
        self.retries.clear();
        for quarantine in self.quarantine.values_mut() {
            quarantine.until = None;
        }
        self.quarantine.keys().copied().collect()
    }

    /// The rows that are to be tried again now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Key> {
        let mut due = Vec::new();
        while self.retries.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, key)) = self.retries.pop_first()
        {
            if let Some(quarantine) = self.quarantine.get_mut(&key) {
                quarantine.until = None;
            }
            due.push(key);
        }
        due
    }

    /// When the next row is to be tried again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.retries.first().map(|(at, _)| *at)
    }

    fn isolate(&mut self, key: Key, quarantine: Quarantine) {
        self.forget(&key);
        self.retries.extend(quarantine.until.map(|until| (until, key)));
        self.quarantine.insert(key, quarantine);
    }

    fn forget(&mut self, key: &Key) {
        if let Some(Quarantine { until: Some(until), .. }) = self.quarantine.remove(key) {
            self.retries.remove(&(until, *key));
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::{MacAddr, NetworkId};

    fn mac(n: u8) -> Key {
        Key::Mac(NetworkId(Uuid::nil()), MacAddr::new([2, 0, 0, 0, 0, n]))
    }

    #[test]
    fn a_row_that_somebody_else_keeps_changing_is_left_alone_after_five_repairs() {
        let (mut faults, now) = (Faults::default(), Instant::now());
        for round in 0..6 {
            assert_eq!(faults.may_repair(mac(1), now), round < 5, "round {round}");
        }
        assert!(faults.is_quarantined(&mac(1)) && faults.quarantine[&mac(1)].fight);
        faults.absolve(&mac(1));
        assert!(faults.is_quarantined(&mac(1)), "a round that we won doesn't end it");
        assert_eq!(faults.due(now + FIGHT_WINDOW), [mac(1)], "tried again");
        assert!(!faults.is_quarantined(&mac(1)));
        faults.absolve(&mac(1));
        assert!(faults.is_empty());
    }

    #[test]
    fn a_row_at_fault_is_retried_ever_later_and_is_news_once() {
        let (mut faults, mut now) = (Faults::default(), Instant::now());
        assert!(faults.blame(mac(6), "refused", now));
        let mut waits = Vec::new();
        for _ in 0..12 {
            let due = faults.next().unwrap();
            waits.push(due - now);
            now = due;
            assert_eq!(faults.due(now), [mac(6)]);
            assert!(!faults.blame(mac(6), "refused", now));
        }
        assert!(waits.is_sorted() && waits[0] == RETRY_MIN && waits[11] == RETRY_MAX, "{waits:?}");
        assert!(faults.blame(mac(6), "refused for another reason", now));
        faults.absolve(&mac(6));
        assert!(faults.is_empty() && faults.next().is_none());
    }
}
