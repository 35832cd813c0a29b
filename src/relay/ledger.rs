//! The MACs that switches have learned: what the store has, what the switches said since, and what has to be written.
//! Pure: the caller brings the time.
//!
//! Nothing is withdrawn that a switch hasn't withdrawn: what the store has of a switch that says nothing stays.

use std::{
    collections::{BTreeSet, HashMap},
    net::Ipv4Addr,
    sync::Arc,
};

use super::damper::Damper;
use crate::{
    model::{Ips, LearnedMac, MacAddr, NetworkId},
    store::Learned,
};

/// A MAC on a network.
pub(super) type Key = (NetworkId, MacAddr);

/// Entries of one write: keeps a commit short.
pub(super) const BATCH: usize = 2048;

/// Where a switch has a MAC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `Physical_Switch.name`.
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
    rows: HashMap<Key, Vec<Row>>,
    switches: HashMap<Arc<str>, Switch>,
    /// What may differ from the store.
    dirty: BTreeSet<(Arc<str>, Key)>,
    dampers: HashMap<Key, Damper>,
    /// How many of them there may be before the calm ones are forgotten.
    dampers_until: usize,
    /// What is held, by the time when it may pass.
    held: BTreeSet<(u64, Key)>,
}

/// A MAC at one switch.
#[derive(Debug)]
struct Row {
    switch: Arc<str>,
    /// As the store has it.
    stored: Option<LearnedMac>,
    heard: Heard,
    /// The change that is due has been charged for.
    charged: bool,
}

/// What the switch said of a MAC.
#[derive(Debug, Clone, PartialEq)]
enum Heard {
    /// Nothing in this session (yet).
    Nothing,
    /// It has it, since when.
    Has(Ipv4Addr, Ips, u64),
    /// It hasn't.
    HasNot,
}

#[derive(Debug, Default)]
struct Switch {
    /// MACs that the store has or will have of it.
    taken: usize,
    /// MACs of each network among them.
    of_network: HashMap<NetworkId, usize>,
    /// MACs for which there was no room.
    refused: HashMap<Key, (Ipv4Addr, Ips)>,
}

// ===== impl Ledger: hearing =====

impl Ledger {
    pub(super) fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// A row of the store, as it was loaded.
    pub(super) fn stored(&mut self, learned: LearnedMac) {
        let key = (learned.network, learned.mac);
        let switch: Arc<str> = learned.switch.as_str().into();
        let row = row(&mut self.rows, key, &switch);
        if row.stored.replace(learned).is_none() {
            count(&mut self.switches, &switch, key.0, true);
        }
    }

    /// A session with these switches begins: it will tell all that they have.
    pub(super) fn begin(&mut self, switches: &[Arc<str>]) {
        for rows in self.rows.values_mut() {
            for row in rows.iter_mut().filter(|row| switches.contains(&row.switch)) {
                row.heard = Heard::Nothing;
            }
        }
        for switch in switches {
            self.switches.entry(switch.clone()).or_default().refused.clear();
        }
    }

    /// The places that these switches have a MAC at: none means that they have it no more.
    pub(super) fn hear(&mut self, switches: &[Arc<str>], key: Key, places: Vec<Place>, now_ms: u64) {
        for switch in switches.iter().filter(|switch| places.iter().all(|place| place.switch != **switch)) {
            self.says(switch, key, None, now_ms);
        }
        for place in places {
            self.says(&place.switch, key, Some((place.vtep, place.ips)), now_ms);
        }
    }

    /// The session has told all: what it didn't speak of, the switches haven't.
    pub(super) fn complete(&mut self, switches: &[Arc<str>], now_ms: u64) {
        let silent = |(key, rows): (&Key, &Vec<Row>)| {
            let rows = rows.iter().filter(|row| row.heard == Heard::Nothing && switches.contains(&row.switch));
            rows.map(|row| (row.switch.clone(), *key)).collect::<Vec<_>>()
        };
        let gone: Vec<_> = self.rows.iter().flat_map(silent).collect();
        for (switch, key) in gone {
            self.says(&switch, key, None, now_ms);
        }
    }

    /// The switch has been away for too long.
    pub(super) fn expire(&mut self, switch: &Arc<str>, now_ms: u64) {
        let has = |rows: &Vec<Row>| rows.iter().any(|row| row.switch == *switch && row.stored.is_some());
        let keys: Vec<_> = self.rows.iter().filter(|(_, rows)| has(rows)).map(|(key, _)| *key).collect();
        for key in keys {
            self.says(switch, key, None, now_ms);
        }
    }

    fn says(&mut self, switch: &Arc<str>, key: Key, has: Option<(Ipv4Addr, Ips)>, now_ms: u64) {
        if has.is_none() {
            let known = self.rows.get(&key).is_some_and(|rows| rows.iter().any(|row| row.switch == *switch));
            if let Some(known) = self.switches.get_mut(switch) {
                known.refused.remove(&key);
            }
            if !known {
                return;
            }
        }
        let row = row(&mut self.rows, key, switch);
        row.heard = match has {
            None => Heard::HasNot,
            Some((vtep, ips)) => {
                // It is the same learning where it stays at the same VTEP, whatever else becomes known of it.
                let before = match (&row.heard, &row.stored) {
                    (Heard::Has(old, _, since), _) if *old == vtep => Some(*since),
                    (Heard::Nothing, Some(stored)) if stored.vtep == vtep => Some(stored.learned_ms),
                    _ => None,
                };
                Heard::Has(vtep, ips, before.unwrap_or(now_ms))
            }
        };
        self.dirty.insert((switch.clone(), key));
    }
}

// ===== impl Ledger: writing =====

impl Ledger {
    /// What is to be written now, at most [`BATCH`] entries. What changes too often is held meanwhile.
    pub(super) fn take(&mut self, now_ms: u64) -> Vec<Learned> {
        while let Some((at, key)) = self.held.first().copied()
            && at <= now_ms
        {
            self.held.pop_first();
            let switches = self.rows.get(&key).into_iter().flatten().map(|row| row.switch.clone());
            self.dirty.extend(switches.map(|switch| (switch, key)));
        }
        if self.dampers.len() > self.dampers_until.max(1024) {
            self.dampers.retain(|_, damper| !damper.is_calm(now_ms));
            self.dampers_until = 2 * self.dampers.len();
        }
        let mut writes = Vec::new();
        while writes.len() < BATCH
            && let Some((switch, key)) = self.dirty.pop_first()
        {
            writes.extend(self.due(&switch, key, now_ms));
        }
        writes
    }

    /// The write that a row needs, if it needs one and may have it.
    fn due(&mut self, switch: &Arc<str>, key: Key, now_ms: u64) -> Option<Learned> {
        let row = self.rows.get_mut(&key)?.iter_mut().find(|row| row.switch == *switch)?;
        let write = match (&row.heard, &row.stored) {
            (Heard::Has(vtep, ips, since), stored) => {
                let learned = LearnedMac {
                    switch: switch.to_string(),
                    network: key.0,
                    mac: key.1,
                    vtep: *vtep,
                    ips: ips.clone(),
                    learned_ms: *since,
                };
                (stored.as_ref() != Some(&learned)).then_some(Learned::Set(learned))
            }
            (Heard::HasNot, Some(_)) => {
                Some(Learned::Removed { switch: switch.to_string(), network: key.0, mac: key.1 })
            }
            (Heard::HasNot | Heard::Nothing, _) => None,
        };
        let Some(write) = write else {
            row.charged = false;
            self.tidy(key);
            return None;
        };
        let known = self.switches.entry(switch.clone()).or_default();
        if matches!(write, Learned::Set(_)) && row.stored.is_none() && known.taken >= self.most {
            // There is a bound on what is remembered of a flood, too.
            let remembered = known.refused.len() < self.most || known.refused.contains_key(&key);
            if let (true, Heard::Has(vtep, ips, _)) = (remembered, &row.heard) {
                known.refused.insert(key, (*vtep, ips.clone()));
            }
            row.heard = Heard::Nothing;
            self.tidy(key);
            return None;
        }
        let damper = self.dampers.entry(key).or_default();
        let passes =
            if std::mem::replace(&mut row.charged, true) { !damper.holds(now_ms) } else { damper.change(now_ms) };
        if !passes {
            self.held.insert((damper.passes_at(), key));
            return None;
        }
        row.charged = false;
        known.refused.remove(&key);
        match &write {
            Learned::Set(learned) => {
                if row.stored.replace(learned.clone()).is_none() {
                    count(&mut self.switches, switch, key.0, true);
                }
            }
            Learned::Removed { .. } => {
                row.stored = None;
                count(&mut self.switches, switch, key.0, false);
                self.tidy(key);
                self.make_room(switch, now_ms);
            }
        }
        Some(write)
    }

    /// A MAC went: one that was refused may come.
    fn make_room(&mut self, switch: &Arc<str>, now_ms: u64) {
        let Some(known) = self.switches.get_mut(switch) else { return };
        if let Some(key) = known.refused.keys().next().copied()
            && let Some(place) = known.refused.remove(&key)
        {
            self.says(switch, key, Some(place), now_ms);
        }
    }

    /// Forgets a row that says nothing.
    fn tidy(&mut self, key: Key) {
        if let Some(rows) = self.rows.get_mut(&key) {
            rows.retain(|row| row.stored.is_some() || matches!(row.heard, Heard::Has(..)));
            if rows.is_empty() {
                self.rows.remove(&key);
            }
        }
    }
}

// ===== impl Ledger: reading =====

impl Ledger {
    /// Whether there is something to write.
    pub(super) fn has_news(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// When something that is held may pass.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.held.first().map(|(at, _)| *at)
    }

    /// Number of MACs that the switch has on the network.
    pub(super) fn count(&self, switch: &str, network: NetworkId) -> usize {
        self.switches.get(switch).and_then(|switch| switch.of_network.get(&network)).copied().unwrap_or(0)
    }

    /// Switches with more MACs than are taken, and how many were refused at least.
    pub(super) fn overflowing(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        let full = self.switches.iter().filter(|(_, switch)| !switch.refused.is_empty());
        full.map(|(name, switch)| (name, switch.refused.len()))
    }

    /// MACs whose changes are held, each with the switches that are at odds about it.
    pub(super) fn flapping(&self) -> impl Iterator<Item = (Key, Vec<Arc<str>>)> {
        self.held.iter().map(|(_, key)| {
            let rows = self.rows.get(key).into_iter().flatten();
            (*key, rows.map(|row| row.switch.clone()).collect())
        })
    }
}

fn row<'a>(rows: &'a mut HashMap<Key, Vec<Row>>, key: Key, switch: &Arc<str>) -> &'a mut Row {
    let rows = rows.entry(key).or_default();
    let at = rows.iter().position(|row| row.switch == *switch).unwrap_or_else(|| {
        rows.push(Row { switch: switch.clone(), stored: None, heard: Heard::Nothing, charged: false });
        rows.len() - 1
    });
    &mut rows[at]
}

fn count(switches: &mut HashMap<Arc<str>, Switch>, switch: &Arc<str>, network: NetworkId, more: bool) {
    let switch = switches.entry(switch.clone()).or_default();
    let of_network = switch.of_network.entry(network).or_default();
    if more {
        switch.taken += 1;
        *of_network += 1;
    } else {
        switch.taken = switch.taken.saturating_sub(1);
        *of_network = of_network.saturating_sub(1);
        if *of_network == 0 {
            switch.of_network.remove(&network);
        }
    }
}

#[cfg(test)]
mod tests;
