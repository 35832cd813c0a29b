//! The MACs that switches have learned: what the store has, what the switches said since, and what has to be written.
//! Pure: the caller brings the time, which is monotonic.
//!
//! Nothing is withdrawn that a switch hasn't withdrawn: what the store has of a switch that says nothing stays. The one
//! exception is a MAC that changes its place too often ([`Flaps`]): until it is quiet, the store has it nowhere, so it is
//! flooded, and reached wherever it is. A withdrawal is never held.
//!
//! What is kept of one switch has a bound, before it is kept. Switches take turns, and each has a [`Budget`] of changes:
//! one whose MACs come and go delays no other.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque, hash_map::Entry},
    net::Ipv4Addr,
    ops::Bound,
    sync::Arc,
};

use super::{budget::Budget, flaps::Flaps};
use crate::{
    model::{Ips, LearnedMac, MacAddr, NetworkId},
    store::Learned,
};

/// A MAC on a network.
pub(super) type Key = (NetworkId, MacAddr);

/// Entries of one write: keeps a commit short.
pub(super) const BATCH: usize = 2048;
/// Changes of one switch that are checked before it is another's turn.
const TURN: usize = 256;
/// A switch that spent its budget is reported as such for this long afterwards.
const THROTTLED_MS: u64 = 10_000;
/// Flapping MACs that are reported at once.
const SHOWN: usize = 256;

/// Where a switch has a MAC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name of the switch's section.
    pub switch: Arc<str>,
    /// `locator`.
    pub vtep: Ipv4Addr,
    /// `ipaddr`.
    pub ips: Ips,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Learned MACs that are taken of one switch.
    most: usize,
    switches: HashMap<Arc<str>, Switch>,
    /// Switches with something to look at, the next one first.
    turns: VecDeque<Arc<str>>,
    flaps: Flaps,
    /// The last [`LearnedMac::learned_ms`] that was given.
    stamp: u64,
    /// Switches whose last MAC on a network went, and those that have a first one.
    emptied: BTreeSet<(Arc<str>, NetworkId)>,
    filled: BTreeSet<(Arc<str>, NetworkId)>,
}

#[derive(Debug)]
struct Switch {
    rows: HashMap<Key, Row>,
    /// Rows of each network that count as there.
    of_network: HashMap<NetworkId, usize>,
    /// MACs for which there was no room; sorted, because the first one is asked for again and again.
    refused: BTreeMap<Key, (Ipv4Addr, Ips)>,
    /// There were even more. Which they are is known when the next session reports them.
    forgot: bool,
    /// Rows that may differ from the store.
    dirty: BTreeSet<Key>,
    /// The last of them that was looked at.
    cursor: Option<Key>,
    /// It has a place in [`Ledger::turns`].
    queued: bool,
    budget: Budget,
    throttled_ms: Option<u64>,
}

/// A MAC at one switch.
#[derive(Debug)]
struct Row {
    /// As the store has it.
    stored: Option<Seen>,
    heard: Reported,
    /// The change that is due was counted by the damper.
    charged: bool,
    /// It is among [`Switch::of_network`].
    counted: bool,
}

/// Where a MAC was seen, and when.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    vtep: Ipv4Addr,
    ips: Ips,
    stamp: u64,
}

/// What the switch said of a MAC.
#[derive(Debug, Clone, PartialEq)]
enum Reported {
    /// Nothing in this session (yet).
    Nothing,
    /// It has it.
    Has(Seen),
    /// It hasn't.
    HasNot,
}

// ===== impl Ledger: hearing =====

impl Ledger {
    pub(super) fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// A row of the store, as it was loaded.
    pub(super) fn stored(&mut self, learned: LearnedMac) {
        self.stamp = self.stamp.max(learned.learned_ms);
        let key = (learned.network, learned.mac);
        let switch = self.switch(&learned.switch.as_str().into());
        let row = switch.rows.entry(key).or_default();
        row.stored = Some(Seen { vtep: learned.vtep, ips: learned.ips, stamp: learned.learned_ms });
        if !std::mem::replace(&mut row.counted, true) {
            *switch.of_network.entry(key.0).or_default() += 1;
        }
    }

    /// A session with these switches begins: it will report all that they have.
    pub(super) fn begin(&mut self, switches: &[Arc<str>]) {
        for name in switches {
            let switch = self.switch(name);
            switch.rows.values_mut().for_each(|row| row.heard = Reported::Nothing);
            (switch.refused, switch.forgot) = (BTreeMap::new(), false);
        }
    }

    /// The places that these switches have a MAC at: none means that they have it no more. `calendar_ms` is the date, of
    /// which nothing but what people read depends.
    pub(super) fn hear(&mut self, switches: &[Arc<str>], key: Key, places: Vec<Place>, now_ms: u64, calendar_ms: u64) {
        for switch in switches.iter().filter(|switch| places.iter().all(|place| place.switch != **switch)) {
            self.has_not(switch, key, now_ms);
        }
        for Place { switch, vtep, ips } in places {
            self.has(&switch, key, vtep, ips, calendar_ms);
        }
    }

    /// The session has reported all: the switches don't have the rest.
    pub(super) fn complete(&mut self, switches: &[Arc<str>], now_ms: u64) {
        for name in switches {
            let rows = self.switches.get(name).into_iter().flat_map(|switch| &switch.rows);
            let silent: Vec<_> = rows.filter(|(_, row)| row.heard == Reported::Nothing).map(|(key, _)| *key).collect();
            for key in silent {
                self.has_not(name, key, now_ms);
            }
        }
    }

    /// The switch has been away for too long.
    pub(super) fn expire(&mut self, name: &Arc<str>, now_ms: u64) {
        let keys: Vec<_> = self.switches.get(name).into_iter().flat_map(|switch| switch.rows.keys()).copied().collect();
        for key in keys {
            self.has_not(name, key, now_ms);
        }
    }

    fn switch(&mut self, name: &Arc<str>) -> &mut Switch {
        let most = self.most;
        self.switches.entry(name.clone()).or_insert_with(|| Switch::new(most))
    }

    fn has(&mut self, name: &Arc<str>, key: Key, vtep: Ipv4Addr, ips: Ips, calendar_ms: u64) {
        // The order of learnings is what counts, over restarts too: it never goes back, whatever the calendar does.
        let stamp = (self.stamp + 1).max(calendar_ms);
        let most = self.most;
        let switch = self.switch(name);
        if switch.rows.len() >= most && !switch.rows.contains_key(&key) {
            // There is a bound on what is remembered of a flood, too.
            if switch.refused.len() < most || switch.refused.contains_key(&key) {
                switch.refused.insert(key, (vtep, ips));
            } else {
                switch.forgot = true;
            }
            return;
        }
        switch.refused.remove(&key);
        let row = switch.rows.entry(key).or_default();
        // It is the same learning where it stays at the same VTEP, whatever else becomes known of it.
        let before = match (&row.heard, &row.stored) {
            (Reported::Has(old), _) if old.vtep == vtep => Some(old.stamp),
            (Reported::Nothing, Some(stored)) if stored.vtep == vtep => Some(stored.stamp),
            _ => None,
        };
        row.heard = Reported::Has(Seen { vtep, ips, stamp: before.unwrap_or(stamp) });
        if before.is_none() {
            self.stamp = stamp;
        }
        self.look_at(name, key);
    }

    fn has_not(&mut self, name: &Arc<str>, key: Key, now_ms: u64) {
        let Some(switch) = self.switches.get_mut(name) else { return };
        if switch.refused.remove(&key).is_some() {
            return;
        }
        let Some(row) = switch.rows.get_mut(&key) else { return };
        row.heard = Reported::HasNot;
        if row.stored.is_some() {
            self.look_at(name, key);
        } else {
            // Nothing was written of it, and nothing has to be.
            self.tidy(name, key, now_ms);
        }
    }

    /// A row may differ from the store.
    fn look_at(&mut self, name: &Arc<str>, key: Key) {
        let Some(switch) = self.switches.get_mut(name) else { return };
        switch.dirty.insert(key);
        if !std::mem::replace(&mut switch.queued, true) {
            self.turns.push_back(name.clone());
        }
    }

    /// Forgets a row that says nothing. One whose MAC flaps stays until it is quiet: the switch counts as having it.
    fn tidy(&mut self, name: &Arc<str>, key: Key, now_ms: u64) {
        let Some(switch) = self.switches.get_mut(name) else { return };
        let Some(row) = switch.rows.get(&key) else { return };
        let says_nothing = row.stored.is_none() && !matches!(row.heard, Reported::Has(_));
        if !says_nothing || self.flaps.holds(key, now_ms) {
            return;
        }
        let counted = row.counted;
        switch.rows.remove(&key);
        switch.dirty.remove(&key);
        if counted && let Entry::Occupied(mut count) = switch.of_network.entry(key.0) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
                self.filled.remove(&(name.clone(), key.0));
                self.emptied.insert((name.clone(), key.0));
            }
        }
        // There is room for one that was refused.
        if let Some((key, (vtep, ips))) = switch.refused.pop_first() {
            self.has(name, key, vtep, ips, 0);
        }
    }
}

// ===== impl Ledger: writing =====

impl Ledger {
    /// What is to be written now, at most [`BATCH`] entries: switches take turns, within their budgets.
    pub(super) fn take(&mut self, now_ms: u64) -> Vec<Learned> {
        while let Some(key) = self.flaps.pass(now_ms) {
            self.look_at_all(key);
        }
        let (mut writes, mut idle) = (Vec::new(), 0);
        while writes.len() < BATCH
            && idle < self.turns.len()
            && let Some(name) = self.turns.pop_front()
        {
            let looked = self.take_turn(&name, now_ms, &mut writes);
            if let Some(switch) = self.switches.get_mut(&name) {
                switch.queued = !switch.dirty.is_empty();
                if switch.queued {
                    // The budget of those that were not looked at is spent: they keep a place among the others.
                    idle = if looked == 0 { idle + 1 } else { 0 };
                    self.turns.push_back(name);
                }
            }
        }
        writes
    }

    /// One turn of a switch. Answers how many rows were looked at.
    fn take_turn(&mut self, name: &Arc<str>, now_ms: u64, writes: &mut Vec<Learned>) -> usize {
        let mut looked = 0;
        while looked < TURN
            && writes.len() < BATCH
            && let Some(key) = self.switches.get_mut(name).and_then(|switch| switch.next(now_ms))
        {
            writes.extend(self.due(name, key, now_ms));
            looked += 1;
        }
        looked
    }

    /// The rows of a MAC at all switches.
    fn look_at_all(&mut self, key: Key) {
        let has = |switch: &Switch| switch.rows.contains_key(&key);
        let names: Vec<_> =
            self.switches.iter().filter(|(_, switch)| has(switch)).map(|(name, _)| name.clone()).collect();
        for name in names {
            self.look_at(&name, key);
        }
    }

    /// Whether some switch has the MAC at a place that isn't announced.
    fn is_contested(&self, key: Key) -> bool {
        self.switches.values().filter_map(|switch| switch.rows.get(&key)).any(|row| match &row.heard {
            Reported::Has(seen) => row.stored.as_ref().is_none_or(|stored| stored.vtep != seen.vtep),
            Reported::Nothing | Reported::HasNot => false,
        })
    }

    /// The write that a row needs, if it needs one and may have it.
    fn due(&mut self, name: &Arc<str>, key: Key, now_ms: u64) -> Option<Learned> {
        let switch = self.switches.get_mut(name)?;
        let row = switch.rows.get_mut(&key)?;
        if matches!(row.heard, Reported::Has(_)) && !std::mem::replace(&mut row.counted, true) {
            let count = switch.of_network.entry(key.0).or_default();
            *count += 1;
            if *count == 1 {
                self.emptied.remove(&(name.clone(), key.0));
                self.filled.insert((name.clone(), key.0));
            }
        }
        let wanted = match &row.heard {
            Reported::Nothing => row.stored.clone(),
            Reported::Has(seen) => Some(seen.clone()),
            Reported::HasNot => None,
        };
        let place = |seen: &Option<Seen>| seen.as_ref().map(|seen| seen.vtep);
        let moves = place(&wanted) != place(&row.stored);
        let passes = match (moves, std::mem::replace(&mut row.charged, moves && wanted.is_some())) {
            (false, _) => !self.flaps.holds(key, now_ms) || !self.is_contested(key),
            (true, true) => !self.flaps.holds(key, now_ms),
            (true, false) => self.flaps.change(key, now_ms),
        };
        if moves && !passes {
            // Nobody else announces what would be announced here.
            self.look_at_all_but(name, key);
        }
        let wanted = wanted.filter(|_| passes);
        let row = self.switches.get_mut(name)?.rows.get_mut(&key)?;
        row.charged &= !passes;
        if row.stored == wanted {
            self.tidy(name, key, now_ms);
            return None;
        }
        if !passes && !moves {
            // It is announced again as it is: that will be no change of its place.
            row.charged = true;
        }
        row.stored.clone_from(&wanted);
        let write = match wanted {
            Some(Seen { vtep, ips, stamp }) => {
                let (switch, network, mac) = (name.to_string(), key.0, key.1);
                Learned::Set(LearnedMac { switch, network, mac, vtep, ips, learned_ms: stamp })
            }
            None => Learned::Removed { switch: name.to_string(), network: key.0, mac: key.1 },
        };
        self.tidy(name, key, now_ms);
        Some(write)
    }

    fn look_at_all_but(&mut self, but: &Arc<str>, key: Key) {
        let stored = |switch: &Switch| switch.rows.get(&key).is_some_and(|row| row.stored.is_some());
        let others = self.switches.iter().filter(|(name, switch)| *name != but && stored(switch));
        for name in others.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.look_at(&name, key);
        }
    }

    /// Switches whose last MAC on a network went, and switches with a first one, since the last time.
    pub(super) fn take_changes_of_count(&mut self) -> [BTreeSet<(Arc<str>, NetworkId)>; 2] {
        [std::mem::take(&mut self.emptied), std::mem::take(&mut self.filled)]
    }
}

// ===== impl Ledger: reading =====

impl Ledger {
    /// When there is something to write, or to show: now, later, or never.
    pub(super) fn next_ms(&self) -> Option<u64> {
        let queued = self.turns.iter().filter_map(|name| self.switches.get(name));
        let due = queued.map(|switch| if switch.budget.is_spent() { switch.budget.next_ms() } else { 0 });
        let shown = self.switches.values().filter_map(|switch| switch.throttled_ms).map(|at| at + THROTTLED_MS);
        due.chain(shown).chain(self.flaps.next_ms()).min()
    }

    /// Whether the switch has a MAC on the network. One that has more than are taken may have one on any.
    pub(super) fn has_any(&self, switch: &str, network: NetworkId) -> bool {
        let known = self.switches.get(switch);
        known.is_some_and(|switch| switch.of_network.contains_key(&network) || switch.overflows())
    }

    /// Switches with more MACs than are taken, and how many were refused at least.
    pub(super) fn overflowing(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        let full = self.switches.iter().filter(|(_, switch)| switch.overflows());
        full.map(|(name, switch)| (name, switch.refused.len().max(1)))
    }

    /// Switches whose changes wait for their budget, or did until a moment ago.
    pub(super) fn throttled(&mut self, now_ms: u64) -> BTreeSet<Arc<str>> {
        let mut found = BTreeSet::new();
        for (name, switch) in &mut self.switches {
            switch.throttled_ms = switch.throttled_ms.filter(|at| now_ms < at + THROTTLED_MS);
            if switch.throttled_ms.is_some() {
                found.insert(name.clone());
            }
        }
        found
    }

    /// Some of the MACs that change their place too often, each with the switches that have or had it.
    pub(super) fn flapping(&self) -> impl Iterator<Item = (Key, Vec<Arc<str>>)> {
        self.flaps.held().take(SHOWN).map(|key| {
            let has = self.switches.iter().filter(|(_, switch)| switch.rows.contains_key(&key));
            let mut names: Vec<_> = has.map(|(name, _)| name.clone()).collect();
            names.sort_unstable();
            (key, names)
        })
    }
}

// ===== impl Switch =====

impl Switch {
    fn new(most: usize) -> Self {
        Self {
            rows: HashMap::new(),
            of_network: HashMap::new(),
            refused: BTreeMap::new(),
            forgot: false,
            dirty: BTreeSet::new(),
            cursor: None,
            queued: false,
            // A first report of all that is taken passes at once.
            budget: Budget::new(u64::try_from(most.max(BATCH)).unwrap_or(u64::MAX)),
            throttled_ms: None,
        }
    }

    fn overflows(&self) -> bool {
        self.forgot || !self.refused.is_empty()
    }

    /// The next row to look at, if the budget allows. They come in turn, so that none waits for one that changes again
    /// and again.
    fn next(&mut self, now_ms: u64) -> Option<Key> {
        let after = self.cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.dirty.range((after, Bound::Unbounded)).next().or_else(|| self.dirty.first()).copied()?;
        if self.budget.left(now_ms) == 0 {
            self.throttled_ms = Some(now_ms);
            return None;
        }
        self.budget.spend();
        self.dirty.remove(&next);
        self.cursor = Some(next);
        Some(next)
    }
}

// ===== impl Row =====

impl Default for Row {
    fn default() -> Self {
        Self { stored: None, heard: Reported::Nothing, charged: false, counted: false }
    }
}

#[cfg(test)]
mod tests;
