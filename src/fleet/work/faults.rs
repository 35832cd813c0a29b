//! Rows that the switch refused, and rows that another client keeps changing (architecture rule 8).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::plan::RowKey;

/// Repairs of one row within [`FIGHT_WINDOW`] after which it is left alone for a while.
const FIGHT_LIMIT: u32 = 5;
const FIGHT_WINDOW: Duration = Duration::from_mins(1);
/// Rows whose repairs are counted at a time.
const FIGHT_ROWS: usize = 10_000;
/// First and last wait before a row at fault is tried again.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_mins(1);
/// Rows that are tried again at a time, and the pause after them: each of them may cost a refused transaction.
const RETRIES: usize = 16;
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Reasons for which rows are refused together; beyond, each row stands for itself.
const GROUPS: usize = 16;
/// Rows of a group that are tried at a time at most.
const TRIAL: usize = 256;

/// A row that failed, or that another client keeps changing.
#[derive(Debug, Clone)]
pub(in crate::fleet) struct Quarantine {
    /// Why, for people.
    pub(in crate::fleet) error: String,
    /// Another client keeps changing it.
    pub(in crate::fleet) fight: bool,
    /// Since when it is at fault.
    pub(in crate::fleet) since: Instant,
    /// `None`: it is being tried again.
    until: Option<Instant>,
    wait: Duration,
    /// It was refused at commit, together with others: the group's reason.
    group: Option<Arc<str>>,
}

/// Rows that were refused when their transaction was to be committed, for one reason: a table has no room for more, say.
/// None of them is at fault by itself, so one of them is tried for all. Where it is accepted, twice as many are tried next.
#[derive(Debug)]
struct Group {
    rows: BTreeSet<RowKey>,
    /// The last row that was tried.
    last: Option<RowKey>,
    /// How many are tried next.
    size: usize,
    until: Instant,
    wait: Duration,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::fleet) struct Faults {
    quarantine: HashMap<RowKey, Quarantine>,
    /// When each of them is tried again.
    retries: BTreeSet<(Instant, RowKey)>,
    /// None is tried again before.
    paused: Option<Instant>,
    groups: BTreeMap<Arc<str>, Group>,
    fights: HashMap<RowKey, (Instant, u32)>,
}

// ===== impl Faults =====

impl Faults {
    pub(in crate::fleet) fn is_empty(&self) -> bool {
        self.quarantine.is_empty()
    }

    /// All rows at fault.
    pub(in crate::fleet) fn iter(&self) -> impl Iterator<Item = (&RowKey, &Quarantine)> {
        self.quarantine.iter()
    }

    /// Whether the row is left alone for now.
    pub(in crate::fleet) fn is_quarantined(&self, key: &RowKey) -> bool {
        self.quarantine.get(key).is_some_and(|quarantine| quarantine.until.is_some())
    }

    /// The switch refused the row: it is tried again later, and later still. True: it is news, or for another reason.
    pub(in crate::fleet) fn blame(&mut self, key: RowKey, error: &str, now: Instant) -> bool {
        let key = &key;
        let old = self.quarantine.get(key);
        let wait = old.map_or(RETRY_MIN, |old| (old.wait * 2).min(RETRY_MAX));
        let news = old.is_none_or(|old| old.error != error);
        let since = old.map_or(now, |old| old.since);
        let error = error.to_owned();
        self.isolate(key, Quarantine { error, fight: false, since, until: Some(now + wait), wait, group: None });
        news
    }

    /// The row is right: whatever was wrong with it is over.
    pub(in crate::fleet) fn clear(&mut self, key: &RowKey) {
        // A fight isn't over because we won a round.
        if self.quarantine.get(key).is_some_and(|quarantine| !quarantine.fight || quarantine.until.is_none()) {
            self.forget(key);
        }
    }

    /// A row that another client changed is about to be repaired. False: too often, it is left alone for a while.
    pub(in crate::fleet) fn may_repair(&mut self, key: RowKey, now: Instant) -> bool {
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
            "another program keeps changing this row: it was put back {FIGHT_LIMIT} times within a minute; find out who \
             else writes to the switch"
        );
        let old = self.quarantine.get(&key);
        let wait = old.map_or(FIGHT_WINDOW, |old| (old.wait * 2).min(FIGHT_WINDOW * 10));
        let since = old.map_or(now, |old| old.since);
        self.isolate(&key, Quarantine { error, fight: true, since, until: Some(now + wait), wait, group: None });
        false
    }

    /// What is desired of the row changed: it is tried at once, unless another client keeps changing it.
    pub(in crate::fleet) fn reconsider(&mut self, key: &RowKey) {
        if let Some(quarantine) = self.quarantine.get_mut(key)
            && !quarantine.fight
            && let Some(until) = quarantine.until.take()
        {
            self.retries.remove(&(until, *key));
        }
    }

    /// Everything that was left alone is tried again now, and fights begin anew.
    pub(in crate::fleet) fn retry_all(&mut self) -> Vec<RowKey> {
        self.fights.clear();
        self.retries.clear();
        self.groups.clear();
        self.paused = None;
        for quarantine in self.quarantine.values_mut() {
            (quarantine.until, quarantine.group) = (None, None);
        }
        self.quarantine.keys().copied().collect()
    }

    /// The rows that are to be tried again now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<RowKey> {
        let mut due = Vec::new();
        if self.paused.is_some_and(|until| until > now) {
            return due;
        }
        while due.len() < RETRIES
            && self.retries.first().is_some_and(|(at, _)| *at <= now)
            && let Some((_, key)) = self.retries.pop_first()
        {
            if let Some(quarantine) = self.quarantine.get_mut(&key) {
                quarantine.until = None;
            }
            due.push(key);
        }
        self.paused = (due.len() == RETRIES).then(|| now + RETRY_PAUSE);
        due
    }

    /// When the next row is to be tried again.
    pub(super) fn next(&self) -> Option<Instant> {
        let single = self.retries.first().map(|(at, _)| self.paused.map_or(*at, |until| until.max(*at)));
        single.into_iter().chain(self.groups.values().map(|group| group.until)).min()
    }

    fn isolate(&mut self, key: &RowKey, quarantine: Quarantine) {
        self.forget(key);
        self.retries.extend(quarantine.until.map(|until| (until, *key)));
        self.quarantine.insert(*key, quarantine);
    }

    fn forget(&mut self, key: &RowKey) {
        let Some(Quarantine { until, group, .. }) = self.quarantine.remove(key) else { return };
        if let Some(until) = until {
            self.retries.remove(&(until, *key));
        }
        if let Some(reason) = group
            && let Some(group) = self.groups.get_mut(&reason)
        {
            group.rows.remove(key);
            if group.rows.is_empty() {
                self.groups.remove(&reason);
            }
        }
    }
}

// ===== impl Faults: rows that are refused together =====

impl Faults {
    /// Whether rows were refused at commit for this reason.
    pub(in crate::fleet) fn is_known(&self, error: &str) -> bool {
        self.groups.contains_key(signature(error).as_str())
    }

    /// The switch refused to commit these rows: they wait together with others that it refused for the same reason. True:
    /// it is news.
    pub(in crate::fleet) fn refuse_together(&mut self, keys: Vec<RowKey>, error: &str, now: Instant) -> bool {
        let reason: Arc<str> = signature(error).into();
        let news = !self.groups.contains_key(&reason);
        if news && self.groups.len() >= GROUPS {
            let mut news = false;
            for key in keys {
                news |= self.blame(key, error, now);
            }
            return news;
        }
        let tried =
            keys.iter().any(|key| self.quarantine.get(key).is_some_and(|old| old.group.as_ref() == Some(&reason)));
        let empty = || Group { rows: BTreeSet::new(), last: None, size: 1, until: now + RETRY_MIN, wait: RETRY_MIN };
        let mut group = self.groups.remove(&reason).unwrap_or_else(empty);
        if tried {
            group.wait = (group.wait * 2).min(RETRY_MAX);
            (group.size, group.until) = (1, now + group.wait);
        }
        let (until, wait) = (group.until, group.wait);
        group.rows.extend(&keys);
        for key in keys {
            let since = self.quarantine.get(&key).map_or(now, |old| old.since);
            // It may have been in another group.
            self.forget(&key);
            let (error, group) = (error.to_owned(), Some(reason.clone()));
            self.quarantine.insert(key, Quarantine { error, fight: false, since, until: Some(until), wait, group });
        }
        self.groups.insert(reason, group);
        news
    }

    /// The rows of groups that are to be tried now, each in a transaction of its own.
    pub(super) fn trials(&mut self, now: Instant) -> Vec<Vec<RowKey>> {
        let mut trials = Vec::new();
        for group in self.groups.values_mut().filter(|group| group.until <= now) {
            let after = group.last.map_or(Bound::Unbounded, Bound::Excluded);
            let later = group.rows.range((after, Bound::Unbounded));
            let earlier = group.last.into_iter().flat_map(|last| group.rows.range(..=last));
            let rows: Vec<RowKey> = later.chain(earlier).copied().take(group.size).collect();
            for key in &rows {
                if let Some(quarantine) = self.quarantine.get_mut(key) {
                    quarantine.until = None;
                }
            }
            group.last = rows.last().copied();
            group.until = now + group.wait;
            trials.push(rows);
        }
        trials
    }

    /// A transaction for these keys was committed: where they were a trial, there is room.
    pub(in crate::fleet) fn committed(&mut self, keys: &[RowKey], now: Instant) {
        if self.groups.is_empty() {
            return;
        }
        let reasons = keys.iter().filter_map(|key| self.quarantine.get(key)?.group.clone());
        for reason in reasons.collect::<BTreeSet<_>>() {
            if let Some(group) = self.groups.get_mut(&reason) {
                (group.size, group.wait) = ((group.size * 2).min(TRIAL), RETRY_MIN);
                group.until = now + RETRY_MIN;
            }
        }
    }
}

/// What errors have in common that differ in numbers only: "table to contain 51 rows".
fn signature(error: &str) -> String {
    error.chars().filter(|c| !c.is_ascii_digit()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::{MacAddr, NetworkId};

    fn mac(n: u8) -> RowKey {
        RowKey::Mac(NetworkId(Uuid::nil()), MacAddr::new([2, 0, 0, 0, 0, n]))
    }

    #[test]
    fn a_row_that_somebody_else_keeps_changing_is_left_alone_after_five_repairs() {
        let (mut faults, now) = (Faults::default(), Instant::now());
        for round in 0..6 {
            assert_eq!(faults.may_repair(mac(1), now), round < 5, "round {round}");
        }
        assert!(faults.is_quarantined(&mac(1)) && faults.quarantine[&mac(1)].fight);
        faults.clear(&mac(1));
        assert!(faults.is_quarantined(&mac(1)), "a round that we won doesn't end it");
        assert_eq!(faults.due(now + FIGHT_WINDOW), [mac(1)], "tried again");
        assert!(!faults.is_quarantined(&mac(1)));
        faults.clear(&mac(1));
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
        faults.clear(&mac(6));
        assert!(faults.is_empty() && faults.next().is_none());
    }

    const FULL: &str = "constraint violation: transaction causes \"Ucast_Macs_Remote\" table to contain 51 rows";

    /// A table that is full: one row is tried for all that wait, and once there is room, ever more of them.
    #[test]
    fn rows_that_are_refused_together_are_tried_by_one_of_them() {
        let (mut faults, mut now) = (Faults::default(), Instant::now());
        assert!(!faults.is_known(FULL));
        assert!(faults.refuse_together(vec![mac(0)], FULL, now));
        assert!(faults.is_known(&FULL.replace("51", "70")), "it differs in a number only");
        assert!(!faults.refuse_together((1..100).map(mac).collect(), FULL, now), "no news");
        let (mut tries, begun) = (Vec::new(), now);
        while now < begun + Duration::from_mins(5) {
            now = faults.next().unwrap();
            let trials = faults.trials(now);
            let [trial] = trials.as_slice() else { panic!("{trials:?}") };
            assert_eq!(trial.len(), 1);
            tries.push(trial[0]);
            assert!(!faults.is_quarantined(&trial[0]) && faults.is_quarantined(&mac(99)));
            assert!(!faults.refuse_together(trial.clone(), FULL, now));
        }
        assert!(tries.len() < 16, "{tries:?}");
        assert_eq!(tries.iter().collect::<BTreeSet<_>>().len(), tries.len(), "another one each time");
        let mut sizes = Vec::new();
        while !faults.is_empty() {
            now = faults.next().unwrap();
            let trial = faults.trials(now).concat();
            sizes.push(trial.len());
            faults.committed(&trial, now);
            for key in &trial {
                faults.clear(key);
            }
        }
        assert_eq!(sizes, [1, 2, 4, 8, 16, 32, 37]);
        assert!(faults.next().is_none());
    }

    #[test]
    fn retries_of_many_rows_are_spread() {
        let (mut faults, mut now) = (Faults::default(), Instant::now());
        let rows = RETRIES * 10;
        for n in 0..rows {
            assert!(faults.blame(mac(u8::try_from(n).unwrap()), "refused", now));
        }
        let begun = now;
        let mut due = 0;
        while due < rows {
            now = faults.next().unwrap();
            let batch = faults.due(now);
            assert!(!batch.is_empty() && batch.len() <= RETRIES);
            due += batch.len();
        }
        assert_eq!(now - begun, RETRY_MIN + RETRY_PAUSE * 9);
    }

    #[test]
    fn a_row_of_which_something_else_is_desired_is_tried_at_once() {
        let (mut faults, now) = (Faults::default(), Instant::now());
        faults.blame(mac(1), "refused", now);
        faults.refuse_together(vec![mac(2)], FULL, now);
        while faults.may_repair(mac(3), now) {}
        (1..4).for_each(|n| faults.reconsider(&mac(n)));
        let quarantined = [1, 2, 3].map(|n| faults.is_quarantined(&mac(n)));
        assert_eq!(quarantined, [false, false, true], "a fight goes on whatever is desired");
        assert!(faults.due(now + RETRY_MIN).is_empty(), "nothing is tried twice");
    }

    /// A group doesn't hold what was repaired by hand, nor a row that is at fault by itself.
    #[test]
    fn a_row_leaves_its_group() {
        let (mut faults, now) = (Faults::default(), Instant::now());
        faults.refuse_together(vec![mac(1), mac(2), mac(3)], FULL, now);
        assert!(faults.blame(mac(1), "for another reason", now));
        faults.clear(&mac(2));
        assert_eq!(faults.trials(now + RETRY_MIN), [vec![mac(3)]]);
        assert_eq!(faults.retry_all().len(), 2);
        assert!(!faults.is_known(FULL) && faults.trials(now + RETRY_MAX).is_empty());
    }
}
